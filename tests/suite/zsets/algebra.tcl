# SPDX-License-Identifier: BSD-3-Clause
#
# ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD: over sorted sets and sets, weights and
# aggregates, what isn't a number, results in both encodings.

tags quick

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
    test "union, intersection, difference" {
        in_both {
            r ZADD a 1 x 2 y 3 z
            r ZADD b 10 y 20 z 30 w
            r SADD s x z 7
            expect [r ZUNION 2 a b WITHSCORES] {x 1 y 12 z 23 w 30}
            expect [r ZINTER 2 a b WITHSCORES] {y 12 z 23}
            expect [r ZDIFF 2 a b WITHSCORES] {x 1}
            expect [r ZUNION 2 a s WITHSCORES] {7 1 x 2 y 2 z 4}
            expect [r ZINTER 3 s b a WITHSCORES] {z 24}
            expect [r ZDIFF 2 s a] 7
            expect [r ZDIFF 1 a] {x y z}
            expect [r ZUNION 2 a none] {x y z}
            expect [r ZINTER 2 a none] {}
            expect [r ZDIFF 2 none a] {}
            expect [r ZINTER 2 a a WITHSCORES] {x 2 y 4 z 6}
            expect [r ZDIFF 2 a a] {}
        }
    }

    test "weights and aggregates" {
        in_both {
            r ZADD a 1 x 2 y
            r ZADD b 5 x 1 y
            foreach {words want} {
                {WEIGHTS 2 3} {y 7 x 17} {WEIGHTS 1 -1} {x -4 y 1} {AGGREGATE MIN} {x 1 y 1}
                {AGGREGATE max} {y 2 x 5} {WEIGHTS 10 1 AGGREGATE MIN} {y 1 x 5}
                {WEIGHTS inf -inf} {x 0 y 0} {WEIGHTS 0.5 0 AGGREGATE SUM} {x 0.5 y 1}
            } {
                expect [list $words [r ZUNION 2 a b {*}$words WITHSCORES]] [list $words $want]
                expect [list $words [r ZINTER 2 a b {*}$words WITHSCORES]] [list $words $want]
            }
            r ZADD i inf m
            r ZADD j -inf m
            expect [r ZUNION 2 i j WITHSCORES] {m 0}
            expect [r ZUNION 2 i j WEIGHTS 0 1 WITHSCORES] {m -inf}
        }
    }

    test "replies nest pairs in RESP3" -resp {2 3} {
        r ZADD a 1 x
        foreach command {ZUNION ZINTER ZDIFF} {
            if {[resp] == 3} {
                expect [rt $command 1 a WITHSCORES] {array {{array {{bulk x} {double 1}}}}}
            } else {
                expect [rt $command 1 a WITHSCORES] {array {{bulk x} {bulk 1}}}
            }
            expect [rt $command 1 a] {array {{bulk x}}}
        }
        expect [rt ZUNIONSTORE d 1 a] {int 1}
        expect [rt ZINTERCARD 1 a] {int 1}
    }

    test "STORE" {
        in_both {
            r ZADD a 1 x 2 y 3 z
            r ZADD b 1 y 1 z
            expect [r ZUNIONSTORE d 2 a b] 3
            expect [r OBJECT ENCODING d] $enc
            expect [r ZRANGE d 0 -1 WITHSCORES] {x 1 y 3 z 4}
            expect [r ZINTERSTORE d 2 a b WEIGHTS 1 0] 2
            expect [r ZRANGE d 0 -1 WITHSCORES] {y 2 z 3}
            expect [r ZDIFFSTORE d 2 a b] 1
            expect [r ZUNIONSTORE a 2 a a] 3
            expect [r ZRANGE a 0 -1 WITHSCORES] {x 2 y 4 z 6}
            r SET d string
            r EXPIRE d 1000
            expect [r ZUNIONSTORE d 1 b] 2
            expect [r TTL d] -1
            expect [r ZINTERSTORE d 2 a none] 0
            expect [r EXISTS d] 0
        }
        set pairs {}
        for {set i 0} {$i < 200} {incr i} { lappend pairs $i m$i }
        r ZADD big {*}$pairs
        r ZUNIONSTORE d 1 big
        expect [r OBJECT ENCODING d] skiplist
        r ZADD few 1 m1 1 m2
        r ZINTERSTORE d 2 big few
        expect [r OBJECT ENCODING d] listpack
    }

    test "ZINTERCARD" {
        in_both {
            r ZADD a 1 x 2 y 3 z
            r SADD s x y z w
            expect [r ZINTERCARD 2 a s] 3
            expect [r ZINTERCARD 2 a s LIMIT 2] 2
            expect [r ZINTERCARD 2 a s LIMIT 0] 3
            expect [r ZINTERCARD 2 a s LIMIT 9223372036854775807] 3
            expect [r ZINTERCARD 2 a none] 0
        }
        foreach limit {-1 x 9223372036854775808} {
            expect_error "ERR LIMIT can't be negative" {r ZINTERCARD 1 a LIMIT $limit}
        }
    }

    test "errors" {
        foreach command {ZUNION ZINTER ZDIFF ZINTERCARD} {
            set name [string tolower $command]
            foreach count {0 -1 -9223372036854775808} {
                expect_error "ERR at least 1 input key is needed for '$name' command" \
                    {r $command $count a}
            }
            expect_error "ERR value is not an integer or out of range" {r $command x a}
            foreach words {{2 a} {9223372036854775807 a} {1 a FOO} {1 a LIMIT} {1 a WEIGHTS}} {
                expect_error "ERR syntax error" {r $command {*}$words}
            }
        }
        foreach request {
            {ZDIFF 1 a WEIGHTS 1} {ZDIFF 1 a AGGREGATE SUM} {ZUNION 1 a AGGREGATE FOO}
            {ZUNION 2 a b WEIGHTS 1} {ZUNIONSTORE d 1 a WITHSCORES} {ZINTERCARD 1 a WITHSCORES}
            {ZUNION 1 a LIMIT 1}
        } {
            expect_error "ERR syntax error" {r {*}$request}
        }
        foreach weight {x nan ""} {
            expect_error "ERR weight value is not a float" {r ZUNION 1 a WEIGHTS $weight}
        }
        expect_error "ERR at least 1 input key is needed for 'zunionstore' command" \
            {r ZUNIONSTORE d 0 a}
    }
}
