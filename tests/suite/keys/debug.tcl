# SPDX-License-Identifier: BSD-3-Clause
#
# DEBUG: digests against values that stock's server printed, POPULATE, and the rest.

tags quick

with_server {} {
    test "digests are stock's" {
        set empty 0000000000000000000000000000000000000000
        expect [rt DEBUG DIGEST] [list simple $empty]
        expect [rt DEBUG DIGEST-VALUE nokey] [list array [list [list simple $empty]]]
        r SET k hello
        expect [r DEBUG DIGEST] d101db227d1e3b31616b18b0b8700f84c3ffa5e9
        r SELECT 3
        r SET k hello
        r SELECT 0
        expect [r DEBUG DIGEST] a541f66c15932c1014da1569ff27c15bcde7d1dc
        r FLUSHALL
        r SET i 12345
        r SET e hello EX 1000
        r HSET h f v g 12
        r SADD s a b 3
        r SADD is 1 2 3
        r SET k hello
        expect [r DEBUG DIGEST-VALUE k i e h s is nokey] [list {*}{
            36b23a1456b2dce2c3ed252c456761301dba8060 e1cf90774e995ae03de66e8109dc5cb9d9c2dc83
            d037c4eb8a8b36b602fbced4000daeab0714c1e3 8530acc75d5274eb0fc0da86f28ed5533274a6d4
            aa475a4a8f122ca5936aa41d911aacf8c93b827d 2a462a3f51a1db89738ebbeef0c47ce1bbc85246
            0000000000000000000000000000000000000000}]
        expect [r DEBUG DIGEST-VALUE] {}
    }

    test "a digest doesn't depend on order or encoding" {
        for {set i 0} {$i < 700} {incr i} {
            r HSET a f$i $i
            r SADD b $i
        }
        for {set i 699} {$i >= 0} {incr i -1} {
            r HSET c f$i $i
            r SADD d $i
        }
        lassign [r DEBUG DIGEST-VALUE a b c d] a b c d
        expect $a $c
        expect $b $d
        set all [r DEBUG DIGEST]
        r RENAME a x
        expect_true {[r DEBUG DIGEST] ne $all}
        r RENAME x a
        expect [r DEBUG DIGEST] $all
    }

    test "POPULATE" {
        expect [r DEBUG POPULATE 3] OK
        expect_set [r KEYS *] {key:0 key:1 key:2}
        expect [r GET key:2] value:2
        expect [r DEBUG POPULATE 2 p 10] OK
        expect [r GET p:1] "value:1\0\0\0"
        expect [r DEBUG POPULATE 2 p 3] OK
        expect [r GET p:1] "value:1\0\0\0"
        expect [r DEBUG POPULATE 1 short 3] OK
        expect [r GET short:0] val
        expect [r DEBUG POPULATE 1 zero 0] OK
        expect [r GET zero:0] value:0
        expect [r DEBUG POPULATE 0] OK
        foreach args {{x} {-1} {1 p x} {1 p -1} {99999999999999999999}} {
            expect_error "ERR value is out of range, must be positive" \
                [list r DEBUG POPULATE {*}$args]
        }
    }

    test "SLEEP holds everybody up" {
        set start [clock milliseconds]
        expect [r DEBUG SLEEP 0.2] OK
        expect_true {[clock milliseconds] - $start >= 195}
        expect [r DEBUG SLEEP x] OK
        expect [r DEBUG SLEEP -1] OK
    }

    test "OBJECT of a list" {
        r RPUSH l a 1 bb a 1 bb a 1 bb
        expect_match [r DEBUG OBJECT l] "* encoding:quicklist serializedlength:26 *\
            lru_seconds_idle:0 ql_nodes:1 ql_avg_node:9.00 ql_listpack_max:-2 ql_compressed:0\
            ql_uncompressed_size:34"
        with_config {list-max-listpack-size 4 list-compress-depth 1} {
            for {set i 0} {$i < 10} {incr i} { r RPUSH m a$i $i [string repeat x 100] }
            expect_match [r DEBUG OBJECT m] "* ql_nodes:8 ql_avg_node:3.75 ql_listpack_max:4\
                ql_compressed:1 ql_uncompressed_size:*"
        }
        foreach limit {-5 -4 -3 -1 1 128} {
            r CONFIG SET list-max-listpack-size $limit
            r DEL n
            r RPUSH n a
            expect_match [r DEBUG OBJECT n] "* ql_listpack_max:$limit *"
        }
        r CONFIG SET list-max-listpack-size -2
    }

    test "OBJECT's length is that of a file" {
        r SET s v
        r SET i 100000
        r HSET h f v g 2
        r SADD ints 1 2 3
        r ZADD z 1 a 2 b
        foreach {key length} {s 2 i 5 h 19 ints 15 z 18} {
            expect_match [r DEBUG OBJECT $key] "* serializedlength:$length *"
        }
    }

    test "OBJECT" {
        r SET k abc
        expect_match [r DEBUG OBJECT k] "Value at:0x* refcount:1 encoding:embstr\
            serializedlength:4 lru:* lru_seconds_idle:*"
        r SET k 12
        expect_match [r DEBUG OBJECT k] "Value at:0x* refcount:2147483647 encoding:int\
            serializedlength:2 lru:*"
        r HSET h f v
        expect_match [r DEBUG OBJECT h] "* encoding:listpack *"
        expect_error "ERR no such key" {r DEBUG OBJECT nokey}
    }

    test "replies of each type" {
        expect [rt DEBUG PROTOCOL string] {bulk {Hello World}}
        expect [rt DEBUG PROTOCOL bignum] {bulk 1234567999999999999999999999999999999}
        expect [rt DEBUG PROTOCOL map] {array {{int 0} {int 0} {int 1} {int 1} {int 2} {int 0}}}
        expect_error "ERR RESP2 is not supported by this command" {r DEBUG PROTOCOL push}
        expect_error "ERR Wrong protocol type name. Please use one of the following:\
            string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false" \
            {r DEBUG PROTOCOL foo}
        r HELLO 3
        expect [rt DEBUG PROTOCOL double] {double 3.141}
        expect [rt DEBUG PROTOCOL bignum] {big 1234567999999999999999999999999999999}
        expect [rt DEBUG PROTOCOL null] {null}
        expect [rt DEBUG PROTOCOL set] {set {{int 0} {int 1} {int 2}}}
        expect [rt DEBUG PROTOCOL map] {map {{int 0} {bool f} {int 1} {bool t} {int 2} {bool f}}}
        expect [rt DEBUG PROTOCOL verbatim] "verbatim txt {This is a verbatim\nstring}"
        expect [rt DEBUG PROTOCOL true] {bool t}
        expect_error "something happened" {r DEBUG ERROR "something happened"}
    }

    test "wrong calls" {
        foreach {args name} {FOO FOO SLEEP SLEEP {SLEEP 1 2} SLEEP {DIGEST x} DIGEST
                             OBJECT OBJECT POPULATE POPULATE {POPULATE 1 2 3 4} POPULATE
                             SET-ACTIVE-EXPIRE SET-ACTIVE-EXPIRE {HELP x} HELP} {
            expect_error "ERR unknown subcommand or wrong number of arguments for '$name'. Try\
                DEBUG HELP." [list r DEBUG {*}$args]
        }
        expect_error "ERR wrong number of arguments for 'debug' command" {r DEBUG}
        expect_match [lindex [r DEBUG HELP] 0] "DEBUG <subcommand>*"
    }
}
