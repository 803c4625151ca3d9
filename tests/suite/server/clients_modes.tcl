# SPDX-License-Identifier: BSD-3-Clause
#
# CLIENT PAUSE and UNPAUSE, REPLY, NO-EVICT, KILL's and LIST's filters, HELP.

tags quick

# A client with its request under way, held back.
proc held {args} {
    set c [client]
    set before [info_field blocked_clients]
    client::send $c {*}$args
    client::flush $c
    wait_for {[info_field blocked_clients] == $before + 1}
    return $c
}

# What comes back for all of them at once, typed.
proc replies {c args} {
    foreach request $args { client::send $c {*}$request }
    client::send $c ECHO end
    client::flush $c
    set all {}
    while {[set reply [client::receive_typed $c]] ne {bulk end}} { lappend all $reply }
    return $all
}

with_server {} {
    test "PAUSE WRITE holds what writes, and nothing else" {
        r RPUSH l a
        r CLIENT PAUSE 100000 WRITE
        foreach request {{SET a 1} {PUBLISH c x} {SPUBLISH c x} {PFCOUNT h} {PFADD h a} {INCR x}
            {BLPOP nothing 0.01} FLUSHALL {GETEX l} {SORT l ALPHA} {EXPIRE l 100} {COPY l m}
            {LMPOP 1 l LEFT} {SWAPDB 0 1} {DEL l}} {
            set c [held {*}$request]
            expect_match [r CLIENT LIST] \
                "* flags=b * cmd=[string tolower [lindex $request 0]] *"
            client::close $c
            wait_for {[info_field blocked_clients] == 0}
        }
        set c [client]
        foreach request {PING {GET a} {EXISTS l} {SUBSCRIBE x} {WATCH a} {CONFIG SET timeout 0}
            {XREAD STREAMS s 0} {LRANGE l 0 -1} {SCAN 0} DBSIZE {CLIENT LIST} MULTI {GET a} EXEC} {
            $c {*}$request
            if {[lindex $request 0] eq "SUBSCRIBE"} { set c [client] }
        }
        expect [r LRANGE l 0 -1] a
        r CLIENT UNPAUSE
    }

    test "held requests run when the pause ends, in order, and what is behind them" {
        r CLIENT PAUSE 100000 WRITE
        set clients {}
        for {set i 0} {$i < 20} {incr i} {
            set c [held RPUSH order $i]
            client::send $c LLEN order
            client::send $c RPUSH order behind-$i
            client::flush $c
            lappend clients $c
        }
        set inline [client]
        client::send_raw $inline "rpush order \"in line\"\r\nPING\r\n"
        wait_for {[info_field blocked_clients] == 21}
        expect [r LLEN order] 0
        expect [r CLIENT UNPAUSE] OK
        set i 0
        foreach c $clients {
            set lengths [list [incr i] [client::receive $c] [client::receive $c] [client::receive $c]]
            expect [lsort -integer $lengths] $lengths
        }
        expect_true {[client::receive $inline] >= 21}
        expect [client::receive $inline] PONG
        set want {}
        for {set i 0} {$i < 20} {incr i} { lappend want $i }
        expect [lsearch -all -inline -not [r LRANGE order 0 -1] behind-*] [list {*}$want "in line"]
        expect [r LLEN order] 41
        expect [info_field blocked_clients] 0
    }

    test "a large argument is held as well" {
        set value [string repeat [rand_bytes 1000] 2000]
        r CLIENT PAUSE 100000 WRITE
        set c [held SET big $value]
        client::send $c GET big
        client::flush $c
        r CLIENT UNPAUSE
        expect [client::receive $c] OK
        expect [client::receive $c] $value
    }

    test "transactions: writes are held before they are queued, and EXEC with them" {
        set c [client]
        $c MULTI
        $c INCR x
        r CLIENT PAUSE 100000 WRITE
        expect [$c GET a] QUEUED
        client::send $c EXEC
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        set d [client]
        expect [client::pipeline $d {MULTI {GET x} EXEC}] {OK QUEUED (nil)}
        expect [client::pipeline $d {MULTI {GET x}}] {OK QUEUED}
        client::send $d INCR x
        client::send $d GET x
        client::send $d EXEC
        client::flush $d
        wait_for {[info_field blocked_clients] == 2}
        r CLIENT UNPAUSE
        expect [client::receive $c] {1 (nil)}
        expect [client::receive $d] QUEUED
        expect [client::receive $d] QUEUED
        expect [client::receive $d] {1 2 2}
    }

    test "PAUSE ALL holds everything, UNPAUSE too, until its time is over" {
        set c [client]
        $c PING
        expect [r CLIENT PAUSE 200] OK
        set start [clock milliseconds]
        client::send $c PING
        client::flush $c
        expect [r CLIENT UNPAUSE] OK
        expect_true {[clock milliseconds] - $start >= 190}
        expect [client::receive $c] PONG
    }

    test "a second pause makes it stricter and longer, never shorter" {
        r CLIENT PAUSE 100000 WRITE
        r CLIENT PAUSE 1 WRITE
        set c [held SET a 1]
        r CLIENT UNPAUSE
        expect [client::receive $c] OK
        r CLIENT PAUSE 300 WRITE
        set start [clock milliseconds]
        r CLIENT PAUSE 1 ALL
        r GET a
        expect_true {[clock milliseconds] - $start >= 290}
        expect [r CLIENT PAUSE 0 WRITE] OK
        expect [r SET a 1] OK
    }

    test "while paused nothing expires and nothing is evicted" {
        r SET e 1 PX 500
        r SET f 1 PX 500
        r SET g 1
        r CLIENT PAUSE 100000 WRITE
        set expired [info_field expired_keys]
        wait_for {[r EXISTS e f] == 0}
        expect [r GET e] (nil)
        expect [r TTL e] -2
        expect [r KEYS *] g
        expect [lindex [r SCAN 0 COUNT 100] 1] g
        expect [r DBSIZE] 3
        expect [info_field expired_keys] $expired
        r CONFIG SET maxmemory-policy allkeys-random
        r CONFIG SET maxmemory 1
        expect [r GET g] 1
        expect [r DBSIZE] 3
        r CONFIG SET maxmemory 0
        r CLIENT UNPAUSE
        wait_for {[r DBSIZE] == 1}
        expect [info_field expired_keys] [expr {$expired + 2}]
    }

    test "held clients can be killed and may leave" {
        r CLIENT PAUSE 100000 WRITE
        set c [held SET a 1]
        set d [held SET b 2]
        # CLIENT LIST is in no order: either of them.
        expect [regexp {id=(\d+)[^\n]* cmd=set} [r CLIENT LIST] -> id] 1
        expect [r CLIENT KILL ID $id] 1
        wait_for {[info_field blocked_clients] == 1}
        client::close $c
        client::close $d
        wait_for {[info_field blocked_clients] == 0}
        r CLIENT UNPAUSE
        expect [r EXISTS a b] 0
    }

    test "a client that waits for a key gets its timeout during a pause" {
        set c [client]
        client::send $c BLPOP nothing 0.05
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r CLIENT PAUSE 100000 WRITE
        expect [client::receive $c] (nil)
        r CLIENT UNPAUSE
    }

    test "UNBLOCK doesn't end the wait of a held client" -only cogwheel {
        r CLIENT PAUSE 100000 WRITE
        set c [held SET a 1]
        regexp {id=(\d+)[^\n]* cmd=set} [r CLIENT LIST] -> id
        expect [r CLIENT UNBLOCK $id] 0
        r CLIENT UNPAUSE
        expect [client::receive $c] OK
    }

    test "MONITOR sees a held command when it runs" {
        r PING
        set m [client]
        $m MONITOR
        r CLIENT PAUSE 100000 WRITE
        set c [held SET a 1]
        r GET x
        r CLIENT UNPAUSE
        client::receive $c
        set seen {}
        while {![string match *SET* [set line [client::receive $m]]]} { lappend seen $line }
        expect_match [lindex $seen end] {*"GET" "x"}
    }

    test "what PAUSE and UNPAUSE refuse" {
        foreach {words reply} {
            PAUSE       "wrong number of arguments for 'client|pause' command"
            {PAUSE x}   "timeout is not an integer or out of range"
            {PAUSE 99999999999999999999} "timeout is not an integer or out of range"
            {PAUSE -1}  "timeout is negative"
            {PAUSE 1 x} "CLIENT PAUSE mode must be WRITE or ALL"
            {PAUSE 1 WRITE x}
                "unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."
            {UNPAUSE x} "wrong number of arguments for 'client|unpause' command"
        } {
            expect_error "ERR $reply" {r CLIENT {*}$words}
        }
        expect [r CLIENT UNPAUSE] OK
        r CLIENT PAUSE 9223372036854775807 WRITE
        expect [r CLIENT UNPAUSE] OK
    }

    test "REPLY OFF, SKIP and ON" {
        set c [client]
        expect [$c CLIENT REPLY ON] OK
        expect [replies $c {CLIENT REPLY SKIP} {PING 1} {PING 2}] {{bulk 2}}
        expect [replies $c {CLIENT REPLY SKIP} {CLIENT REPLY SKIP} {PING 1} {PING 2}] {{bulk 2}}
        expect [replies $c {CLIENT REPLY SKIP} NOSUCH {PING 2}] {{bulk 2}}
        expect [replies $c {CLIENT REPLY SKIP} {CLIENT REPLY ON} {PING 2}] {{simple OK} {bulk 2}}
        expect [replies $c {CLIENT REPLY OFF} {PING 1} NOSUCH {CLIENT REPLY SKIP} {GET a} \
                {CLIENT REPLY ON}] {{simple OK}}
        expect [replies $c {CLIENT REPLY SKIP} {BLPOP nothing 0.01} {PING 2}] {{bulk 2}}
        expect [replies $c {CLIENT REPLY OFF} {SUBSCRIBE x} {UNSUBSCRIBE x} {CLIENT REPLY ON}] \
            [list {array {{bulk subscribe} {bulk x} {int 1}}} \
                {array {{bulk unsubscribe} {bulk x} {int 0}}} {simple OK}]
        expect [replies $c {CLIENT REPLY OFF} RESET {PING 2}] {{simple RESET} {bulk 2}}
        expect_error "ERR syntax error" {$c CLIENT REPLY x}
        expect_error "ERR wrong number of arguments for 'client|reply' command" {$c CLIENT REPLY}
    }

    test "REPLY SKIP before a command that is held" {
        set c [client]
        r CLIENT PAUSE 100000 WRITE
        client::send $c CLIENT REPLY SKIP
        client::send $c SET a 1
        client::send $c ECHO end
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r CLIENT UNPAUSE
        expect [client::receive $c] end
        expect [r GET a] 1
    }

    test "NO-EVICT" {
        set c [client]
        expect [$c CLIENT NO-EVICT ON] OK
        expect_match [$c CLIENT INFO] "* flags=e *"
        $c RESET
        expect_match [$c CLIENT INFO] "* flags=e *"
        expect [$c CLIENT NO-EVICT OFF] OK
        expect_match [$c CLIENT INFO] "* flags=N *"
        expect_error "ERR syntax error" {$c CLIENT NO-EVICT x}
        expect_error "ERR wrong number of arguments for 'client|no-evict' command" {
            $c CLIENT NO-EVICT
        }
    }

    test "KILL's filters, together" {
        foreach i {1 2 3} {
            set who($i) [client]
            regexp {id=(\d+) addr=(\S+) laddr=(\S+)} [$who($i) CLIENT INFO] -> ids($i) addrs($i) laddr
        }
        expect [r CLIENT KILL ADDR 1.2.3.4:5] 0
        expect [r CLIENT KILL ID $ids(1) ADDR $addrs(2)] 0
        expect [r CLIENT KILL ID $ids(1) ADDR $addrs(1) LADDR $laddr TYPE normal USER default SKIPME yes] 1
        expect_error * {$who(1) PING}
        expect [r CLIENT KILL TYPE pubsub] 0
        expect [r CLIENT KILL TYPE master] 0
        expect [r CLIENT KILL TYPE slave] 0
        $who(2) SUBSCRIBE x
        expect [r CLIENT KILL TYPE pubsub] 1
        expect [r CLIENT KILL LADDR $laddr] 1
        expect_error * {$who(3) PING}
        expect [r CLIENT LIST TYPE pubsub] ""
        foreach {words reply} {
            id                 "No such client"
            {a b}              "syntax error"
            {ID x}             "client-id should be greater than 0"
            {ID -1}            "client-id should be greater than 0"
            {TYPE x}           "Unknown client type 'x'"
            {SKIPME x}         "syntax error"
            {USER x}           "No such user 'x'"
            {ADDR 1:2 LADDR}   "syntax error"
        } {
            expect_error "ERR $reply" {r CLIENT KILL {*}$words}
        }
        set d [client]
        expect [$d CLIENT KILL LADDR $laddr SKIPME no TYPE normal ID [$d CLIENT ID]] 1
        expect_error * {$d PING}
    }

    test "LIST ID takes any number" {
        set id [r CLIENT ID]
        expect [r CLIENT LIST ID -1 0 999999] ""
        expect_match [r CLIENT LIST ID 999999 $id $id] "id=$id *"
        expect [llength [split [string trim [r CLIENT LIST ID $id 99999 $id]] \n]] 2
        expect_error "ERR Invalid client ID" {r CLIENT LIST ID 1 x}
        expect_error "ERR syntax error" {r CLIENT LIST ID}
    }

    test "LIST tells what a client does" {
        set c [client]
        set id [$c CLIENT ID]
        proc of {id} { r CLIENT LIST ID $id }
        $c SELECT 3
        $c WATCH k
        expect_match [of $id] "* flags=N db=3 *multi=-1 *"
        $c MULTI
        expect_match [of $id] "* flags=x *multi=0 *multi-mem=0 *cmd=multi *"
        $c SET a [string repeat x 1000]
        $c GET a
        expect_match [of $id] "* flags=x *multi=2 *cmd=get *"
        regexp {multi-mem=(\d+)} [of $id] -> bytes
        expect_true {$bytes >= 1000 && $bytes < 5000}
        r SELECT 3
        r SET k 1
        r SELECT 0
        expect_match [of $id] "* flags=xd *"
        $c EXEC
        expect_match [of $id] "* flags=N *multi=-1 *multi-mem=0 *"
        $c SUBSCRIBE a b
        $c PSUBSCRIBE c*
        $c SSUBSCRIBE d
        client::receive $c; # a reply to each channel
        expect_match [of $id] "* flags=P *sub=2 psub=1 ssub=1 *cmd=ssubscribe *"
        set d [client]
        set id [$d CLIENT ID]
        client::send_raw $d "*3\r\n\$3\r\nSET\r\n\$1\r\na\r\n\$5000\r\nxxx"
        wait_for {![string match "* qbuf=0 *" [of $id]]}
        client::send_raw $d "[string repeat y 4997]\r\n"
        expect [client::receive $d] OK
        wait_for {[string match "* qbuf=0 *" [of $id]]}
    }

    test "HELP" {
        set lines [r CLIENT HELP]
        expect [llength $lines] 48
        foreach word {CACHING GETREDIR PAUSE UNPAUSE REPLY TRACKING TRACKINGINFO NO-EVICT} {
            expect_true {[lsearch -glob $lines $word*] > 0}
        }
    }

    test "HELLO with SETNAME and AUTH" -resp {2 3} {
        set c [client]
        set reply [$c HELLO [resp] AUTH default any SETNAME first]
        expect [dict get $reply proto] [resp]
        expect [$c CLIENT GETNAME] first
        expect_error "ERR Client names cannot contain spaces, newlines or special characters." {
            $c HELLO 2 SETNAME "a b"
        }
        expect_match [$c CLIENT INFO] "* name=first *resp=[resp]*"
        expect_error "ERR Syntax error in HELLO option 'SETNAME'" {$c HELLO 3 SETNAME}
        expect_error "ERR Syntax error in HELLO option 'b'" {$c HELLO 3 SETNAME a b}
        expect_error "ERR Syntax error in HELLO option 'AUTH'" {$c HELLO 3 SETNAME a AUTH}
        # Options take effect one after the other.
        expect [$c CLIENT GETNAME] a
    }
}
