# SPDX-License-Identifier: BSD-3-Clause
#
# Strings that count: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set not_float "ERR value is not a valid float"
set overflow "ERR increment or decrement would overflow"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

with_server {} {
    test "INCR, DECR, INCRBY, DECRBY" -resp {2 3} {
        expect [rt INCR k] {int 1}
        expect [r INCR k] 2
        expect [r DECR k] 1
        expect [r INCRBY k 10] 11
        expect [r DECRBY k 12] -1
        expect [r INCRBY k -5] -6
        expect [r DECRBY k -5] -1
        expect [r GET k] -1
        expect [r OBJECT ENCODING k] int
        expect [r DECR new] -1
        expect [r INCRBY new2 $::max_i64] $::max_i64
        expect [r DECRBY new3 $::max_i64] -$::max_i64
    }

    test "counting keeps the expiry" {
        r SET k 1 EX 100
        r INCR k
        r INCRBYFLOAT k 1.5
        expect_near [r TTL k] 100 10
    }

    test "overflow changes nothing" {
        r SET k $::max_i64
        foreach request [list {INCR k} {INCRBY k 1} "INCRBY k $::max_i64" {DECRBY k -1}] {
            expect_error $::overflow {r {*}$request}
        }
        expect [r GET k] $::max_i64
        r SET k $::min_i64
        foreach request [list {DECR k} {DECRBY k 1} "INCRBY k $::min_i64"] {
            expect_error $::overflow {r {*}$request}
        }
        expect_error "ERR decrement would overflow" {r DECRBY k $::min_i64}
        expect [r GET k] $::min_i64
        expect [r INCRBY k $::max_i64] -1
    }

    test "values that are no integers" {
        foreach value {"" a 1a " 1" "1 " 1.0 01 +1 -0 0x1 9223372036854775808 1e3} {
            r SET k $value
            expect_error $::not_int {r INCR k}
            expect_error $::not_int {r DECRBY k 1}
            expect_error $::not_int {r INCRBY other $value}
            expect_error $::not_int {r DECRBY other $value}
            expect [r GET k] $value
        }
        expect [r EXISTS other] 0
        r APPEND a 12
        r APPEND a 3
        expect [r INCR a] 124
    }

    test "INCRBYFLOAT" {
        foreach {start by want} {
            0 0.1 0.1  0.1 0.2 0.3  3 1.5 4.5  10.50 0.1 10.6  5.0e3 2.0e2 5200  1 -1.5 -0.5
            0 1e17 100000000000000000  1 -1 0  0 -0.0 0  1e3 0x10 1016  0.1 1e-18 0.1
            17179869184 1.5 17179869185.5  0 .5 0.5  1. 1 2  0 1e-17 0.00000000000000001
            "" 3 3
        } {
            if {$start eq ""} { r DEL k } else { r SET k $start }
            expect [list $start $by [r INCRBYFLOAT k $by]] [list $start $by $want]
            expect [r GET k] $want
        }
    }

    test "INCRBYFLOAT's results as strings" {
        r SET k 1
        expect [rt INCRBYFLOAT k 1] {bulk 2}
        expect [r OBJECT ENCODING k] embstr
        expect [r INCR k] 3
        expect [r OBJECT ENCODING k] int
        expect [string length [r INCRBYFLOAT big 1e4932]] 4933
        expect [r OBJECT ENCODING big] raw
    }

    test "floats that are none" {
        r SET k 1
        foreach by {"" a 1a " 1" "1 " nan 1e-5000 1e5000 0x} {
            expect_error $::not_float {r INCRBYFLOAT k $by}
            expect_error $::not_float {r INCRBYFLOAT other $by}
        }
        foreach by {inf -inf infinity +INF} {
            expect_error "ERR increment would produce NaN or Infinity" {r INCRBYFLOAT k $by}
        }
        expect [r INCRBYFLOAT big 1e4932] [r GET big]
        expect_error "ERR increment would produce NaN or Infinity" {r INCRBYFLOAT big 1e4932}
        expect [r GET k] 1
        expect [r EXISTS other] 0
        foreach value {"" a " 1" nan "1\0002"} {
            r SET k $value
            expect_error $::not_float {r INCRBYFLOAT k 1}
        }
    }

    test "a value of another type" {
        r SADD s 1
        foreach request {{INCR s} {DECR s} {INCRBY s 1} {DECRBY s 1} {INCRBYFLOAT s 1}} {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error $::not_int {r INCRBY s x}
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            incr {{} {a 1}} decr {{} {a 1}} incrby {a {a 1 2}} decrby {a {a 1 2}}
            incrbyfloat {a {a 1 2}}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }
}
