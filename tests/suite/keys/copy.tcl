# SPDX-License-Identifier: BSD-3-Clause
#
# COPY, MOVE, SWAPDB, TOUCH: what goes along (value, encoding, expiry), what stays with a database
# (WATCH, clients that wait), and every error.

tags quick

with_server {} {
    test "COPY of every type" {
        r SET s hello
        r SET n 12
        r RPUSH l a b c
        r SADD t x y
        r ZADD z 1 a 2 b
        r HSET h f v
        foreach key {s n l t z h} {
            expect [r COPY $key copy:$key] 1
            expect [r OBJECT ENCODING copy:$key] [r OBJECT ENCODING $key]
            lassign [r DEBUG DIGEST-VALUE $key copy:$key] a b
            expect $a $b
        }
        r RPUSH copy:l d
        expect [r LRANGE l 0 -1] {a b c}
        r DEL h
        expect [r HGETALL copy:h] {f v}
    }

    test "COPY with expiry, DB and REPLACE" {
        r FLUSHALL
        r SET a 1 PX 100000
        r SET b 2
        expect [r COPY a b] 0
        expect [r GET b] 2
        expect [r COPY a b REPLACE] 1
        expect_true {[r PTTL b] > 90000}
        r SET c 3
        expect [r COPY c b REPLACE] 1
        expect [r TTL b] -1
        expect [r COPY a a DB 3] 1
        expect [r COPY a a DB 3] 0
        expect [r COPY none a] 0
        r SELECT 3
        expect [r GET a] 1
        expect_true {[r PTTL a] > 90000}
        r SELECT 0
    }

    test "MOVE" {
        r FLUSHALL
        r SET a 1 PX 100000
        expect [r MOVE a 2] 1
        expect [r EXISTS a] 0
        expect [r MOVE a 2] 0
        r SET a 2
        expect [r MOVE a 2] 0
        expect [r GET a] 2
        r SELECT 2
        expect [r GET a] 1
        expect_true {[r PTTL a] > 90000}
        r SELECT 0
    }

    test "errors of COPY and MOVE" {
        set same "ERR source and destination objects are the same"
        expect_error $same {r COPY a a}
        expect_error $same {r COPY none none REPLACE DB 0}
        expect_error $same {r MOVE a 0}
        expect_error "ERR syntax error" {r COPY a b FOO}
        expect_error "ERR syntax error" {r COPY a b DB}
        foreach {db text} {99 "ERR DB index is out of range" -1 "ERR DB index is out of range"
                x "ERR value is not an integer or out of range" 99999999999
                "ERR value is out of range, value must between -2147483648 and 2147483647"} {
            expect_error $text [list r COPY a b DB $db]
            expect_error $text [list r MOVE a $db]
        }
        expect_error "ERR wrong number of arguments for 'copy' command" {r COPY a}
        expect_error "ERR wrong number of arguments for 'move' command" {r MOVE a}
    }

    test "TOUCH" {
        r FLUSHALL
        r MSET a 1 b 2
        expect [r TOUCH a b none a] 3
        expect [r TOUCH none] 0
        expect_error "ERR wrong number of arguments for 'touch' command" {r TOUCH}
    }
}

with_server {} {
    test "SWAPDB takes data and expiry along" {
        r SET a 0 PX 100000
        r SET only 0
        r SELECT 1
        r SET a 1
        expect [r SWAPDB 0 1] OK
        expect [r GET a] 0
        expect [r GET only] 0
        expect_true {[r PTTL a] > 90000}
        expect_match [r INFO keyspace] "*db0:keys=1,expires=0*db1:keys=2,expires=1,*"
        r PEXPIRE only 1
        after 30
        expect [r SWAPDB 1 0] OK
        expect [r SWAPDB 0 0] OK
        r SELECT 0
        expect [r EXISTS only] 0
        expect_match [r INFO keyspace] "*db0:keys=1,expires=1,*"
    }

    test "SWAPDB touches keys that somebody watches in either database" {
        r FLUSHALL
        foreach {here there changed} {1 0 1 0 1 1 1 1 1 0 0 0} {
            r FLUSHALL
            if {$here} {r SET w x}
            if {$there} {r SELECT 1; r SET w y; r SELECT 0}
            r WATCH w
            r SWAPDB 0 1
            r MULTI
            r PING
            expect [expr {[r EXEC] eq "(nil)"}] $changed
        }
    }

    test "SWAPDB wakes who waits for a key" {
        r FLUSHALL
        set c [client]
        client::send $c BLPOP q 0
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r SELECT 1
        r RPUSH q e
        r SWAPDB 0 1
        expect [client::receive $c] {q e}
        client::close $c
        r SELECT 0
        set c [client]
        client::send $c BLPOP q 0
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r SELECT 1
        r RPUSH q f
        r MOVE q 0
        expect [client::receive $c] {q f}
        client::close $c
        r SELECT 0
    }

    test "errors of SWAPDB" {
        expect_error "ERR invalid first DB index" {r SWAPDB x y}
        expect_error "ERR invalid second DB index" {r SWAPDB 0 y}
        expect_error "ERR invalid second DB index" {r SWAPDB 0 99999999999}
        expect_error "ERR DB index is out of range" {r SWAPDB 0 99}
        expect_error "ERR DB index is out of range" {r SWAPDB -1 0}
        expect_error "ERR wrong number of arguments for 'swapdb' command" {r SWAPDB 0}
    }
}
