# SPDX-License-Identifier: BSD-3-Clause
#
# Ranges of sorted sets: by rank, by score and by member, in both directions and both encodings;
# stored, counted, removed.

tags quick

set not_int "ERR value is not an integer or out of range"
set not_float "ERR min or max is not a float"
set not_item "ERR min or max not valid string range item"

proc in_both {body} {
    foreach {entries enc} {128 listpack 0 skiplist} {
        with_config [list zset-max-listpack-entries $entries] {
            r FLUSHALL
            uplevel 1 [list set enc $enc]
            uplevel 1 $body
        }
    }
}

with_server {} {
    test "ZRANGE by rank" {
        in_both {
            r ZADD z 1 a 2 b 3 c 4 d
            foreach {start stop want} {
                0 -1 {a b c d} 0 0 a 1 2 {b c} -2 -1 {c d} -100 1 {a b} 2 100 {c d} 3 2 {} 4 9 {}
                -1 -2 {} 0 -5 {} -9223372036854775808 9223372036854775807 {a b c d}
                9223372036854775807 -9223372036854775808 {}
            } {
                expect [r ZRANGE z $start $stop] $want
            }
            expect [r ZRANGE z 0 1 REV] {d c}
            expect [r ZREVRANGE z 0 1] {d c}
            expect [r ZREVRANGE z -1 -1] a
            expect [r ZRANGE none 0 -1] {}
        }
    }

    test "WITHSCORES nests pairs in RESP3" -resp {2 3} {
        in_both {
            r ZADD z 1 a 2.5 b
            if {[resp] == 3} {
                set want {array {{array {{bulk a} {double 1}}} {array {{bulk b} {double 2.5}}}}}
            } else {
                set want {array {{bulk a} {bulk 1} {bulk b} {bulk 2.5}}}
            }
            expect [rt ZRANGE z 0 -1 WITHSCORES] $want
            expect [rt ZRANGE z 0 9 BYSCORE withscores] $want
            expect [rt ZRANGEBYSCORE z -inf +inf WITHSCORES] $want
            expect [rt ZRANGE z 0 -1] {array {{bulk a} {bulk b}}}
        }
    }

    test "ranges by score" {
        in_both {
            r ZADD z -inf low 1 a 2 b 2 c 3 d 4 e inf high
            foreach {min max want} {
                1 3 {a b c d} (1 3 {b c d} 1 (3 {a b c} (2 (3 {} 2 2 {b c} (2 2 {} 3 1 {}
                -inf +inf {low a b c d e high} (-inf (+inf {a b c d e} inf inf high 5 1e300 {}
                -inf 0 low 0x2 (4 {b c d} " 1" 2 {a b c} "" 1 a "(" 1 a
            } {
                set reversed [lreverse $want]
                expect [list $min $max [r ZRANGEBYSCORE z $min $max]] [list $min $max $want]
                expect [r ZRANGE z $min $max BYSCORE] $want
                expect [r ZRANGE z $max $min BYSCORE REV] $reversed
                expect [r ZREVRANGEBYSCORE z $max $min] $reversed
                expect [r ZCOUNT z $min $max] [llength $want]
            }
            expect [r ZCOUNT none 0 1] 0
        }
    }

    test "LIMIT" {
        in_both {
            r ZADD z 1 a 2 b 3 c 4 d 5 e
            foreach {offset count want} {
                0 2 {b c} 1 2 {c d} 2 -1 {d} 0 0 {} 3 1 {} -1 5 {} 0 -5 {b c d}
                0 9223372036854775807 {b c d} 9223372036854775807 1 {} -9223372036854775808 1 {}
                1 -9223372036854775808 {c d}
            } {
                expect [r ZRANGEBYSCORE z 2 4 LIMIT $offset $count] $want
                expect [r ZRANGE z 2 4 BYSCORE LIMIT $offset $count] $want
            }
            expect [r ZREVRANGEBYSCORE z 4 2 LIMIT 1 2] {c b}
            expect [r ZRANGE z 5 1 BYSCORE REV LIMIT 1 3 WITHSCORES] {d 4 c 3 b 2}
        }
    }

    test "ranges by member" {
        in_both {
            r ZADD z 0 a 0 ab 0 b 0 bc 0 c
            foreach {min max want} {
                - + {a ab b bc c} [a [b {a ab b} (a (b ab [aa [bb {ab b} - (b {a ab} [b + {b bc c}
                + - {} - - {} + + {} [c [a {} (c + {} [ [b {a ab b}
            } {
                expect [list $min $max [r ZRANGEBYLEX z $min $max]] [list $min $max $want]
                expect [r ZRANGE z $min $max BYLEX] $want
                expect [r ZRANGE z $max $min BYLEX REV] [lreverse $want]
                expect [r ZREVRANGEBYLEX z $max $min] [lreverse $want]
                expect [r ZLEXCOUNT z $min $max] [llength $want]
            }
            expect [r ZRANGEBYLEX z - + LIMIT 1 2] {ab b}
            expect [r ZREVRANGEBYLEX z + - LIMIT 1 2] {bc b}
        }
        foreach bad {a "" -a ++ 0} {
            expect_error $::not_item {r ZRANGEBYLEX z $bad +}
            expect_error $::not_item {r ZLEXCOUNT z - $bad}
            expect_error $::not_item {r ZREMRANGEBYLEX z - $bad}
        }
    }

    test "errors of ranges" {
        foreach bad {x nan "1 " ((1 "1 2" (nan} {
            expect_error $::not_float {r ZRANGEBYSCORE z $bad 1}
            expect_error $::not_float {r ZRANGE z 1 $bad BYSCORE}
            expect_error $::not_float {r ZCOUNT z 1 $bad}
            expect_error $::not_float {r ZREMRANGEBYSCORE z $bad 1}
        }
        foreach request {
            {ZRANGE z 0 x} {ZREVRANGE z 9223372036854775808 1} {ZREMRANGEBYRANK z x 1}
            {ZRANGEBYSCORE z 0 1 LIMIT 0 x} {ZRANGE z 0 1 BYSCORE LIMIT x 1}
        } {
            expect_error $::not_int {r {*}$request}
        }
        foreach request {
            {ZRANGE z 0 1 BYSCORE BYLEX} {ZRANGE z 0 1 REV REV} {ZRANGE z 0 1 BYSCORE LIMIT 1}
            {ZRANGE z 0 1 FOO} {ZREVRANGE z 0 1 REV} {ZRANGEBYSCORE z 0 1 BYSCORE}
            {ZRANGESTORE d z 0 1 WITHSCORES} {ZRANGEBYSCORE z 0 1 LIMIT}
        } {
            expect_error "ERR syntax error" {r {*}$request}
        }
        expect_error "ERR syntax error, LIMIT is only supported in combination with either BYSCORE\
            or BYLEX" {r ZRANGE z 0 1 LIMIT 0 1}
        expect_error "ERR syntax error, WITHSCORES not supported in combination with BYLEX" \
            {r ZRANGE z - + BYLEX WITHSCORES}
        expect_error "ERR syntax error, WITHSCORES not supported in combination with BYLEX" \
            {r ZRANGEBYLEX z - + WITHSCORES}
    }

    test "ZRANGESTORE" {
        in_both {
            r ZADD z 1 a 2 b 3 c 4 d
            expect [r ZRANGESTORE d z 1 2] 2
            expect [r ZRANGE d 0 -1 WITHSCORES] {b 2 c 3}
            expect [r OBJECT ENCODING d] $enc
            expect [r ZRANGESTORE d z 4 2 BYSCORE REV LIMIT 0 2] 2
            expect [r ZRANGE d 0 -1] {c d}
            expect [r ZRANGESTORE z z 0 0] 1
            expect [r ZRANGE z 0 -1] a
            expect [r ZRANGESTORE d z 5 6] 0
            expect [r EXISTS d] 0
            r SET d string
            r EXPIRE d 1000
            expect [r ZRANGESTORE d z 0 -1] 1
            expect [r TTL d] -1
            expect [r ZRANGESTORE d none 0 -1] 0
            expect [r EXISTS d] 0
        }
    }

    test "ZREMRANGEBYRANK, -SCORE, -LEX" {
        in_both {
            set pairs {}
            for {set i 0} {$i < 300} {incr i} { lappend pairs $i m$i }
            r ZADD z {*}$pairs
            expect [r ZREMRANGEBYRANK z 10 19] 10
            expect [r ZREMRANGEBYRANK z -10 -1] 10
            expect [r ZREMRANGEBYRANK z 5 4] 0
            expect [r ZREMRANGEBYSCORE z (99 200] 101
            expect [r ZREMRANGEBYSCORE z 100 200] 0
            expect [r ZCARD z] 179
            expect [r ZRANK z m201] 90
            expect [r ZREMRANGEBYRANK z 0 -1] 179
            expect [r EXISTS z] 0
            expect [r ZREMRANGEBYRANK z 0 -1] 0

            r ZADD l 0 a 0 b 0 c 0 d
            expect [r ZREMRANGEBYLEX l (a \[c] 2
            expect [r ZRANGE l 0 -1] {a d}
            expect [r ZREMRANGEBYLEX l - +] 2
            expect [r EXISTS l] 0
        }
    }
}
