# SPDX-License-Identifier: BSD-3-Clause
#
# Limits of clients: maxmemory-clients, output and query buffers, keepalive.

tags quick

proc connected {} {
    regexp -all {id=} [r CLIENT LIST]
}

# A client that has asked for so many kilobytes and reads none of them.
proc lazy {kilobytes} {
    set c [client]
    $c PING
    for {set i 0} {$i < $kilobytes / 100} {incr i} { client::send $c GET 100k }
    client::flush $c
    return $c
}

proc alive {c} {
    expr {![catch {client::receive $c}]}
}

with_server {} {
    test "maxmemory-clients ends who takes most" {
        r SET 100k [string repeat x 102400]
        set small [client]
        $small PING
        set before [info_field evicted_clients]
        set middle [lazy 20000]
        set big [lazy 60000]
        # Both have the rest of their replies in the server.
        wait_for {[regexp -all { omem=\d{8}} [r CLIENT LIST]] == 2}
        r CONFIG SET maxmemory-clients 40mb
        wait_for {[info_field evicted_clients] == $before + 1}
        wait_for {[connected] == 3}
        expect [$small PING] PONG
        expect [alive $middle] 1
        r CONFIG SET maxmemory-clients 1mb
        wait_for {[info_field evicted_clients] == $before + 2}
        expect [$small PING] PONG
        r CONFIG SET maxmemory-clients 0
        expect [r CONFIG RESETSTAT] OK
        expect [info_field evicted_clients] 0
    }

    test "half a request counts, and a transaction" {
        r CONFIG SET maxmemory-clients 2mb
        set c [client]
        $c PING
        set evicted [info_field evicted_clients]
        catch {client::send_raw $c "*2\r\n\$3\r\nGET\r\n\$20000000\r\n[string repeat x 5000000]"}
        wait_for {[info_field evicted_clients] == $evicted + 1}
        set d [client]
        $d MULTI
        catch {
            for {set i 0} {$i < 100} {incr i} { $d SET a [string repeat x 50000] }
        }
        wait_for {[info_field evicted_clients] == $evicted + 2}
        wait_for {[connected] == 1}
        r CONFIG SET maxmemory-clients 0
    }

    test "subscriptions and prefixes count" -only cogwheel {
        r CONFIG SET maxmemory-clients 2mb
        set evicted [info_field evicted_clients]
        set long [string repeat y 100000]
        foreach command {SUBSCRIBE SSUBSCRIBE "CLIENT TRACKING ON BCAST PREFIX"} {
            set c [client]
            catch {
                for {set i 0} {$i < 50} {incr i} { $c {*}$command $i=$long }
            }
            incr evicted
            wait_for {[info_field evicted_clients] == $evicted}
        }
        wait_for {[connected] == 1}
        r CONFIG SET maxmemory-clients 0
    }

    test "NO-EVICT protects" {
        r SET 100k [string repeat x 102400]
        set c [client]
        set d [client]
        $d PING
        # Whoever else is connected then has to go, so the tester protects himself, too.
        foreach protected [list $c [r]] { $protected CLIENT NO-EVICT ON }
        r CONFIG SET maxmemory-clients 1mb
        for {set i 0} {$i < 400} {incr i} { client::send $c GET 100k }
        client::flush $c
        wait_for {[regexp {omem=(\d+)[^\n]* cmd=get} [r CLIENT LIST] -> omem] && $omem > 10000000}
        wait_for {[catch {$d PING}]}
        for {set i 0} {$i < 400} {incr i} { client::receive $c }
        expect [$c PING] PONG
        r CONFIG SET maxmemory-clients 0
    }

    test "a percentage of maxmemory" {
        r SET 100k [string repeat x 102400]
        r CONFIG SET maxmemory-clients 1%
        expect [lindex [r CONFIG GET maxmemory-clients] 1] 1%
        set c [lazy 20000]
        wait_for {[regexp { omem=\d{7}} [r CLIENT LIST]]}
        wait_for {[connected] == 2}
        r CONFIG SET maxmemory 200mb
        wait_for {[connected] == 1}
        r CONFIG SET maxmemory 0
        r CONFIG SET maxmemory-clients 0
    }

    test "values of maxmemory-clients" {
        foreach {value shown} {5% 5% 100% 100% 0% 0 1mb 1048576 0 0} {
            expect [r CONFIG SET maxmemory-clients $value] OK
            expect [lindex [r CONFIG GET maxmemory-clients] 1] $shown
        }
        set failed "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - "
        foreach value {-1 x 5x 1.5% 1gb% -5% %} {
            expect_error "${failed}argument must be a memory or percent value" {
                r CONFIG SET maxmemory-clients $value
            }
        }
        expect_error "${failed}percentage argument must be less or equal to 100" {
            r CONFIG SET maxmemory-clients 101%
        }
    }

    test "a soft limit may be passed for some seconds" {
        r SET 100k [string repeat x 102400]
        with_config {client-output-buffer-limit "normal 0 200kb 1"} {
            set start [clock milliseconds]
            set c [lazy 20000]
            wait_for {[connected] == 1}
            expect_true {[clock milliseconds] - $start >= 900}
        }
    }

    test "a subscriber that doesn't read is ended by its class's limit" {
        with_config {client-output-buffer-limit "normal 0 0 0 pubsub 500kb 0 0"} {
            set s [client]
            $s SUBSCRIBE x
            set message [string repeat m 100000]
            wait_for {[r PUBLISH x $message] == 0}
            wait_for {[connected] == 1}
        }
    }

    test "a tracking client that doesn't read is ended by its limit" {
        set c [client -resp 3]
        $c CLIENT TRACKING ON BCAST
        with_config {client-output-buffer-limit "normal 200kb 0 0"} {
            set key [string repeat k 20000]
            for {set i 0} {[connected] > 1 && $i < 100000} {incr i} { r SET $key$i v; r DEL $key$i }
            expect [connected] 1
        }
        expect [info_field tracking_clients] 0
    }

    test "the kernel probes silent peers, as tcp-keepalive says" {
        # The timer of the server's end of a connection: 02 is that of keepalive.
        proc timer {c} {
            regexp {addr=\S+:(\d+) laddr=\S+:(\d+)} [$c CLIENT INFO] -> theirs ours
            set ends [format {0100007F:%04X 0100007F:%04X 01 \S+ (\d\d):} $ours $theirs]
            set file [open /proc/net/tcp]
            set text [read $file]
            close $file
            if {![regexp $ends $text -> timer]} { error "no connection $ends" }
            return $timer
        }
        expect [timer [client]] 02
        with_config {tcp-keepalive 0} { expect [timer [client]] 00 }
    }

    test "INFO counts who waits, and with a timeout" {
        set c [client]
        client::send $c BLPOP q 100
        client::flush $c
        set d [client]
        client::send $d BLPOP q 0
        client::flush $d
        wait_for {[info_field blocked_clients] == 2}
        expect [info_field clients_in_timeout_table] 1
        r RPUSH q 1 2
        client::receive $c
        client::receive $d
        expect [info_field clients_in_timeout_table] 0
    }
}

with_server {} {
    test "a pipeline of long replies doesn't pass the limit by much" -only cogwheel {
        r SET 4m [string repeat x 4194304]
        with_config {client-output-buffer-limit "normal 10mb 0 0"} {
            set c [client]
            set used [info_field used_memory]
            for {set i 0} {$i < 64} {incr i} { client::send $c GET 4m }
            client::flush $c
            wait_for {[connected] == 1}
            expect_true {[info_field used_memory_peak] - $used < 40000000}
        }
    }
}
