# SPDX-License-Identifier: BSD-3-Clause
#
# Connections: names, lists, kills, limits, passwords, idle memory.

tags quick

with_server {} {
    test "SETNAME, GETNAME, ID, INFO" -resp {2 3} {
        expect [r CLIENT GETNAME] (nil)
        expect [r CLIENT SETNAME worker-1] OK
        expect [r CLIENT GETNAME] worker-1
        set id [r CLIENT ID]
        expect_match [r CLIENT INFO] "id=$id addr=*:* laddr=*:* fd=* name=worker-1 age=* idle=0 flags=N db=0 *cmd=client|info user=default redir=-1 resp=*"
        expect_error "ERR Client names cannot contain spaces, newlines or special characters." {
            r CLIENT SETNAME "two words"
        }
        r CLIENT SETNAME ""
        expect [r CLIENT GETNAME] (nil)
    }

    test "LIST and its filters" {
        set a [client]
        set b [client]
        set id [$a CLIENT ID]
        expect [llength [split [string trim [r CLIENT LIST]] \n]] 3
        expect_match [r CLIENT LIST ID $id] "id=$id *"
        expect [r CLIENT LIST ID 999999] ""
        expect [llength [split [string trim [r CLIENT LIST TYPE normal]] \n]] 3
        expect [r CLIENT LIST TYPE replica] ""
        expect_error "ERR Unknown client type 'x'" {r CLIENT LIST TYPE x}
        expect_error "ERR Invalid client ID" {r CLIENT LIST ID x}
        expect_error "ERR syntax error" {r CLIENT LIST NOSUCH}
        $b PING
    }

    test "KILL by id, address, type and itself" {
        set a [client]
        set b [client]
        expect [r CLIENT KILL ID [$a CLIENT ID]] 1
        expect_error * {$a PING}
        regexp {addr=(\S+)} [$b CLIENT INFO] -> addr
        expect [r CLIENT KILL $addr] OK
        expect_error * {$b PING}
        expect_error "ERR No such client" {r CLIENT KILL 1.2.3.4:5}
        expect_error "ERR syntax error" {r CLIENT KILL a b c}
        expect_error "ERR client-id should be greater than 0" {r CLIENT KILL ID 0}
        expect_error "ERR No such user 'x'" {r CLIENT KILL USER x}
        set c [client]
        $c PING
        expect [r CLIENT KILL TYPE normal] 1
        expect_error * {$c PING}
        set d [client]
        expect [$d CLIENT KILL ID [$d CLIENT ID] SKIPME no] 1
        expect_error * {$d PING}
        expect [r PING] PONG
    }

    test "HELLO in all its forms" {
        set c [client]
        expect_match [$c HELLO] "server redis version 7.0.15 proto 2 id * mode standalone role master modules {}"
        expect_error "NOPROTO unsupported protocol version" {$c HELLO 4}
        expect_error "NOPROTO unsupported protocol version" {$c HELLO 1}
        expect_error "ERR Protocol version is not an integer or out of range" {$c HELLO x}
        expect_error "ERR Syntax error in HELLO option 'nosuch'" {$c HELLO 3 nosuch}
        expect_error "ERR Syntax error in HELLO option 'AUTH'" {$c HELLO 3 AUTH u}
        expect_error "WRONGPASS*" {$c HELLO 3 AUTH u p}
        $c HELLO 2 SETNAME me
        expect [$c CLIENT GETNAME] me
    }

    test "SELECT, RESET, QUIT, PING, ECHO" {
        set c [client]
        expect_error "ERR DB index is out of range" {$c SELECT 16}
        expect_error "ERR DB index is out of range" {$c SELECT -1}
        expect_error "ERR value is not an integer or out of range" {$c SELECT x}
        $c SELECT 3
        $c CLIENT SETNAME n
        expect [$c RESET] RESET
        expect [$c CLIENT GETNAME] (nil)
        expect_match [$c CLIENT INFO] "* db=0 *"
        expect [$c PING] PONG
        expect [$c PING "hello\0x"] "hello\0x"
        expect_error "ERR wrong number of arguments for 'ping' command" {$c PING a b}
        expect [$c ECHO hi] hi
        expect [$c QUIT] OK
        expect_error * {$c PING}
    }

    test "commands behind QUIT are not run" {
        expect [raw_exchange "SET q 1\r\nQUIT\r\nSET q 2\r\n"] "+OK\r\n+OK\r\n"
        expect [r GET q] 1
    }

    test "a client that sends half a request and leaves costs nothing" {
        for {set i 0} {$i < 50} {incr i} {
            set c [client]
            client::send_raw $c "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$1000000\r\nabc"
            client::close $c
        }
        wait_for {[info_field connected_clients] == 1}
        expect [r EXISTS k] 0
    }

    test "a client that says it will send no more gets its replies" {
        set sock [socket 127.0.0.1 [srv port]]
        fconfigure $sock -translation binary
        puts -nonewline $sock "SET half closed\r\nGET half\r\n"
        flush $sock
        chan close $sock write
        expect [read $sock] "+OK\r\n\$6\r\nclosed\r\n"
        close $sock
        wait_for {[info_field connected_clients] <= 2}
    }

    test "1,000 idle clients cost at most 1 KB each" -only cogwheel -tags memory {
        r PING
        set before [info_field mem_clients_normal]
        set clients {}
        for {set i 0} {$i < 1000} {incr i} {
            set c [client]
            $c PING
            lappend clients $c
        }
        set each [expr {([info_field mem_clients_normal] - $before) / 1000}]
        expect_true {$each <= 1024}
    }
}

with_server {maxclients 5} {
    test "more clients than maxclients are turned away with a reason" {
        r PING
        set clients {}
        for {set i 0} {$i < 4} {incr i} { set c [client]; $c PING; lappend clients $c }
        expect [raw_exchange "PING\r\n"] "-ERR max number of clients reached\r\n"
        expect_match [r INFO stats] "*rejected_connections:1\r\n*"
        client::close [lindex $clients 0]
        wait_for {[regexp {connected_clients:4\r} [r INFO clients]]}
        expect [[client] PING] PONG
    }
}

with_server {requirepass secret} {
    test "nothing but AUTH, HELLO, QUIT and RESET before the password" {
        expect [raw_exchange "GET a\r\nPING\r\n" -quiet 300] \
            "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"
        set c [client -password ""]
        expect_error "WRONGPASS*" {$c AUTH wrong}
        expect_error "WRONGPASS*" {$c AUTH default wrong}
        expect_error "WRONGPASS*" {$c AUTH nobody secret}
        expect_error "NOAUTH HELLO must be called*" {$c HELLO 3}
        expect [$c AUTH secret] OK
        expect [$c PING] PONG
        $c RESET
        expect_error "NOAUTH*" {$c PING}
        $c HELLO 2 AUTH default secret
        expect [$c PING] PONG
    }

    test "what follows AUTH in one packet is served" {
        set value [string repeat x 20000]
        expect [raw_exchange "AUTH secret\r\n[client::encode [list SET k $value]][client::encode {STRLEN k}]" -quiet 500] \
            "+OK\r\n+OK\r\n:20000\r\n"
    }

    test "strangers may not send long requests" {
        expect [raw_exchange "*11\r\n"] "-ERR Protocol error: unauthenticated multibulk length\r\n"
        expect [raw_exchange "*1\r\n\$16385\r\n"] "-ERR Protocol error: unauthenticated bulk length\r\n"
    }

    test "a stranger who doesn't read his replies is cut off" {
        set c [client -password ""]
        catch {
            for {set i 0} {$i < 200} {incr i} {
                client::send_raw $c [string repeat "PING\r\n" 5000]
            }
        }
        wait_for {[info_field connected_clients] == 1} -within 20000
    }
}

with_server {} {
    # The first read is full, so another follows; the end is told of beside that.
    test "what was sent before the end is run, however many reads it takes" {
        set c [client]
        client::send $c CLIENT REPLY OFF
        client::send $c DEBUG SLEEP 0.3
        client::send $c SET k [string repeat x 20000]
        client::flush $c
        client::send $c INCR n
        client::close $c
        wait_for {[r GET n] == 1}
    }
}

with_server {timeout 1} {
    test "idle clients are closed after the timeout" {
        set c [client]
        $c PING
        # Not a wait of our own: the server closes.
        expect [raw_exchange ""] ""
    }
}

with_server {client-output-buffer-limit {normal 1mb 0 0}} {
    test "a client above its output limit is closed, others are served" {
        r SET big [string repeat x 200000]
        set c [client]
        for {set i 0} {$i < 200} {incr i} { catch {client::send $c GET big; client::flush $c} }
        wait_for {[regexp -all {id=} [r CLIENT LIST]] == 1} -within 20000
        expect [r PING] PONG
    }
}

with_server {client-query-buffer-limit 1mb} {
    test "a client above its query buffer limit is closed" {
        set c [client]
        catch {client::send_raw $c "*2\r\n\$3\r\nGET\r\n\$20000000\r\n[string repeat x 5000000]"}
        wait_for {[regexp -all {id=} [r CLIENT LIST]] == 1} -within 20000
    }
}

with_server {bind {"127.0.0.1 ::1"} unixsocket cw.sock unixsocketperm 700} {
    test "IPv4, IPv6 and a unix socket at once" {
        set path [file join [srv dir] cw.sock]
        expect_match [file attributes $path -permissions] *700
        foreach words [list [list -h 127.0.0.1 -p [srv port]] [list -h ::1 -p [srv port]] [list -s $path]] {
            expect [exec redis-cli {*}$words PING] PONG
            expect_match [exec redis-cli {*}$words CLIENT INFO] "id=* addr=*laddr=* flags=*"
        }
        expect_match [exec redis-cli -h ::1 -p [srv port] CLIENT INFO] {*addr=\[::1\]:*}
        expect_match [exec redis-cli -s $path CLIENT INFO] "*addr=*cw.sock:0 *flags=U *"
    }
}
