# SPDX-License-Identifier: BSD-3-Clause
#
# BZPOPMIN, BZPOPMAX, BZMPOP: at once, after a wait, out of time; who is served, and what doesn't
# serve anybody.

tags quick

proc score {value} {
    if {[resp] == 3} { return [list double $value] }
    return [list bulk $value]
}

with_server {} {
    test "what is there is popped at once" -resp {2 3} {
        r ZADD z 1 a 2 b 3 c 4 d
        expect [rt BZPOPMIN none z 0] [list array [list {bulk z} {bulk a} [score 1]]]
        expect [rt BZPOPMAX z none 0] [list array [list {bulk z} {bulk d} [score 4]]]
        expect [rt BZMPOP 0 2 none z MIN COUNT 5] [list array [list {bulk z} [list array [list \
            [list array [list {bulk b} [score 2]]] [list array [list {bulk c} [score 3]]]]]]]
        expect [r EXISTS z] 0
    }

    test "a wait ends with a member" -resp {2 3} {
        foreach {request reply} {
            {BZPOPMIN none z 0} {z a 1} {BZPOPMAX z z other 100} {z b 2}
            {BZMPOP 0 2 none z MAX COUNT 5} {z {{b 2} {a 1}}} {BZMPOP 10.5 1 z MIN} {z {{a 1}}}
        } {
            set c [waiting {*}$request]
            expect [r ZADD z 1 a 2 b] 2
            expect [list $request [client::receive $c]] [list $request $reply]
            expect [info_field blocked_clients] 0
            r DEL z
        }
    }

    test "time runs out" -resp {2 3} {
        foreach request {{BZPOPMIN none 0.01} {BZPOPMAX a b 0.02} {BZMPOP 0.01 1 none MIN}} {
            expect [r {*}$request] (nil)
        }
        expect [info_field blocked_clients] 0
    }

    test "served in the order of arrival" {
        set first [waiting BZPOPMIN z 0]
        set second [waiting BZPOPMIN z 0]
        set third [waiting BZPOPMIN z 0]
        r ZADD z 1 a 2 b
        expect [client::receive $first] {z a 1}
        expect [client::receive $second] {z b 2}
        expect [info_field blocked_clients] 1
        r ZINCRBY z 7 c
        expect [client::receive $third] {z c 7}
        expect [r EXISTS z] 0
    }

    test "whatever makes a sorted set serves" {
        r ZADD src 1 a
        r SADD set a
        foreach request {
            {RENAME src z} {ZRANGESTORE z src 0 -1} {ZUNIONSTORE z 2 src set} {ZINTERSTORE z 1 src}
            {ZDIFFSTORE z 2 src none} {ZADD z INCR 1 a} {ZADD z NX CH 1 a}
        } {
            r ZADD src 1 a
            set c [waiting BZPOPMIN z 0]
            r {*}$request
            expect [lrange [client::receive $c] 0 1] {z a}
            expect [r EXISTS z] 0
        }
    }

    test "another type doesn't serve, nor what is gone again" {
        set c [waiting BZPOPMIN z 0]
        r SADD z a
        r DEL z
        r MULTI
        r ZADD z 1 a
        r DEL z
        r EXEC
        r SET z string
        expect [info_field blocked_clients] 1
        r DEL z
        r MULTI
        r ZADD z 5 x
        r ZADD z 1 a
        r EXEC
        expect [client::receive $c] {z a 1}
    }

    test "inside MULTI nobody waits" {
        r MULTI
        r BZPOPMIN none 0
        r BZMPOP 0 1 none MIN
        expect [r EXEC] {(nil) (nil)}
    }

    test "a client that goes takes its wait along" {
        set c [waiting BZPOPMIN z 0]
        client::close $c
        wait_for {[info_field blocked_clients] == 0}
        r ZADD z 1 a
        expect [r ZCARD z] 1
    }

    test "errors" {
        r SET s 1
        foreach request {{BZPOPMIN s 0} {BZPOPMAX none s 0} {BZMPOP 0 2 none s MIN}} {
            expect_error "WRONGTYPE *" {r {*}$request}
        }
        foreach {timeout text} {
            x "ERR timeout is not a float or out of range" -1 "ERR timeout is negative"
            "" "ERR timeout is not a float or out of range"
        } {
            expect_error $text {r BZPOPMIN z $timeout}
            expect_error $text {r BZMPOP $timeout 1 z MIN}
        }
        foreach {words text} {
            {0 0 z MIN} "ERR numkeys should be greater than 0"
            {x x z MIN} "ERR numkeys should be greater than 0"
            {x 1 z FOO} "ERR syntax error" {0 2 z MIN} "ERR syntax error"
            {0 1 z MIN COUNT} "ERR syntax error"
            {x 1 z MIN COUNT 0} "ERR count should be greater than 0"
        } {
            expect_error $text {r BZMPOP {*}$words}
        }
        expect_error "ERR wrong number of arguments for 'bzpopmin' command" {r BZPOPMIN z}
    }
}
