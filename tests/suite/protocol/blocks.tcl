# SPDX-License-Identifier: BSD-3-Clause
#
# Large arguments, which are read into allocations of their own that SET takes: whoever takes them
# or doesn't, nothing is lost, mixed up or left behind.

tags quick

proc big {char {size 200000}} { string repeat $char $size }

with_server {} {
    test "large values by every command that stores one" {
        foreach {cmd check} {
            {SET k VALUE} {GET k}                 {SET k VALUE EX 1000} {GET k}
            {SET k VALUE KEEPTTL} {GET k}         {SETNX k VALUE} {GET k}
            {SETEX k 1000 VALUE} {GET k}          {PSETEX k 1000000 VALUE} {GET k}
            {GETSET k VALUE} {GET k}              {APPEND k VALUE} {GET k}
            {MSET k VALUE} {GET k}                {MSETNX k VALUE} {GET k}
            {HSET k f VALUE} {HGET k f}           {SADD k VALUE} {SMEMBERS k}
            {RPUSH k VALUE} {LINDEX k 0}          {SETRANGE k 0 VALUE} {GET k}
        } {
            r DEL k
            r {*}[string map [list VALUE [big x]] $cmd]
            expect [r {*}$check] [big x]
        }
    }

    test "a large value replaces a small one, a large one, another type, and is replaced" {
        foreach before {{SET k small} {SET k 123} {HSET k f v}} {
            r DEL k
            r {*}$before
            r SET k [big a]
            r SET k [big b]
            r SET k [big c 300000]
            expect [r STRLEN k] 300000
            r APPEND k d
            expect [r GETRANGE k 299999 300000] cd
            r SET k tiny
            expect [r GET k] tiny
        }
    }

    test "a large key" {
        r SET [big k] v
        expect [r GET [big k]] v
        r SET [big k] [big v]
        expect [r GET [big k]] [big v]
        expect [r DEL [big k]] 1
    }

    test "several in one request, one key twice, while somebody monitors" {
        set m [client]
        $m MONITOR
        r MSET k [big a] k [big b] j [big c]
        expect [r GET k] [big b]
        expect [r GET j] [big c]
        expect_match [client::receive $m] {*"MSET" "k" "aaa*}
    }

    test "refused requests leave nothing" {
        expect_error "ERR wrong number*" {r GET k [big x]}
        expect_error "ERR unknown command*" {r NOSUCH [big x]}
        expect_error "ERR syntax error" {r SET k [big x] NOSUCH}
        r SET k 1
        expect [r SET k [big x] NX] (nil)
        expect [r GET k] 1
        expect_error "WRONGTYPE*" {r HSET k f [big x]}
    }

    test "in a transaction, pipelined, behind a command that waits" {
        expect [client::pipeline [r] [list MULTI [list SET k [big x]] {STRLEN k} EXEC]] \
            {OK QUEUED QUEUED {OK 200000}}
        set c [client]
        client::send $c BLPOP list 0
        client::send $c PING
        client::send $c SET k [big y]
        client::send $c GET k
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r SET other [big z]
        r RPUSH list v
        expect [client::receive $c] {list v}
        expect [client::receive $c] PONG
        expect [client::receive $c] OK
        expect [client::receive $c] [big y]
    }

    test "cut at random, by several clients at once" {
        set clients {}
        for {set i 0} {$i < 5} {incr i} { lappend clients [client] }
        for {set round 0} {$round < 10} {incr round} {
            foreach c $clients n {0 1 2 3 4} {
                set value($n) [big $n [expr {30000 + [rand_int 300000]}]]
                set bytes($n) [client::encode [list SET k$n $value($n)]]
            }
            while {[string length [join [lmap n {0 1 2 3 4} {set bytes($n)}] ""]]} {
                foreach c $clients n {0 1 2 3 4} {
                    set cut [rand_int 100000]
                    client::send_raw $c [string range $bytes($n) 0 $cut]
                    set bytes($n) [string range $bytes($n) $cut+1 end]
                }
            }
            foreach c $clients n {0 1 2 3 4} {
                expect [client::receive $c] OK
                expect [r GET k$n] $value($n)
            }
        }
    }

    test "clients that leave in the middle of one" {
        for {set i 0} {$i < 20} {incr i} {
            set c [client]
            client::send_raw $c "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$5000000\r\n[big x [rand_int 400000]]"
            client::close $c
        }
        wait_for {[info_field connected_clients] <= 2}
        expect [r EXISTS k] 0
    }
}

with_server {client-query-buffer-limit 2mb} {
    test "large arguments count for the query buffer's limit" -only cogwheel {
        r PING
        set c [client]
        catch {
            client::send_raw $c "*100\r\n\$4\r\nMSET\r\n"
            for {set i 0} {$i < 90} {incr i} {
                client::send_raw $c "\$100000\r\n[big x 100000]\r\n"
            }
        }
        wait_for {[regexp -all {id=} [r CLIENT LIST]] == 1} -within 20000
        expect [r PING] PONG
    }
}
