# SPDX-License-Identifier: BSD-3-Clause
#
# Parts of strings: APPEND, SETRANGE, GETRANGE, SUBSTR.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set too_long "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

# GETRANGE as its documentation says.
proc range_of {text start end} {
    set len [string length $text]
    if {$start < 0 && $end < 0 && $start > $end} { return "" }
    if {$start < 0} { set start [expr {max($start + $len, 0)}] }
    if {$end < 0} { set end [expr {max($end + $len, 0)}] }
    if {$end >= $len} { set end [expr {$len - 1}] }
    if {$start > $end} { return "" }
    string range $text $start $end
}

with_server {} {
    test "APPEND" {
        expect [r APPEND k abc] 3
        expect [r APPEND k def] 6
        expect [r GET k] abcdef
        expect [r APPEND k ""] 6
        expect [r APPEND new ""] 0
        expect [r EXISTS new] 1
        r SET n 12
        expect [r APPEND n 3] 3
        expect [r GET n] 123
        r SET v x EX 100
        r APPEND v y
        expect_near [r TTL v] 100 10
    }

    test "APPEND makes long strings" {
        set want ""
        for {set i 0} {$i < 1000} {incr i} {
            set part [string repeat [format %c [expr {97 + $i % 26}]] [rand_int 100]]
            append want $part
            expect [r APPEND k $part] [string length $want]
        }
        expect [r GET k] $want
    }

    test "encodings after changes" {
        r APPEND a 12;  expect [r OBJECT ENCODING a] int
        r APPEND a 3;   expect [r OBJECT ENCODING a] raw
        r APPEND b ab;  expect [r OBJECT ENCODING b] embstr
        r APPEND b "";  expect [r OBJECT ENCODING b] raw
        r APPEND c [string repeat x 45];  expect [r OBJECT ENCODING c] raw
        r SETRANGE d 0 12;  expect [r OBJECT ENCODING d] raw
        r SET e 5;  r SETRANGE e 0 "";  expect [r OBJECT ENCODING e] int
        r SETRANGE e 0 6;  expect [r OBJECT ENCODING e] raw
        r INCR e;  expect [r OBJECT ENCODING e] int
    }

    test "SETRANGE" {
        expect [r SETRANGE k 3 abc] 6
        expect [r GET k] "\0\0\0abc"
        expect [r SETRANGE k 0 xy] 6
        expect [r GET k] "xy\0abc"
        expect [r SETRANGE k 5 123] 8
        expect [r GET k] "xy\0ab123"
        expect [r SETRANGE k 10 z] 11
        expect [r GET k] "xy\0ab123\0\0z"
        expect [r SETRANGE k 100 ""] 11
        expect [r SETRANGE new 100 ""] 0
        expect [r EXISTS new] 0
        r SET n 12345 EX 100
        expect [r SETRANGE n 1 x] 5
        expect [r GET n] 1x345
        expect_near [r TTL n] 100 10
    }

    test "SETRANGE across an entry's limits" {
        for {set i 0} {$i < 300} {incr i} {
            set key k:[rand_int 3]
            set old [r GET $key]
            if {$old eq "(nil)"} { set old "" }
            set offset [rand_int 200]
            set part [string repeat [rand_pick {a b c}] [expr {1 + [rand_int 60]}]]
            set pad [string repeat "\0" [expr {max(0, $offset - [string length $old])}]]
            set head [string range $old$pad 0 $offset-1]
            set want $head$part[string range $old [expr {$offset + [string length $part]}] end]
            expect [r SETRANGE $key $offset $part] [string length $want]
            if {[r GET $key] ne $want} { expect [r GET $key] $want }
        }
    }

    test "sizes beyond the limit" {
        r SET k abc
        expect_error "ERR offset is out of range" {r SETRANGE k -1 x}
        expect_error "ERR offset is out of range" {r SETRANGE k $::min_i64 x}
        expect_error $::not_int {r SETRANGE k x x}
        expect_error $::too_long {r SETRANGE k 536870912 x}
        expect_error $::too_long {r SETRANGE k $::max_i64 x}
        expect_error $::too_long {r SETRANGE k 536870910 abc}
        expect_error $::too_long {r SETRANGE new $::max_i64 x}
        expect [r SETRANGE k $::max_i64 ""] 3
        expect [r SETRANGE new $::max_i64 ""] 0
        expect [r GET k] abc
        expect [r EXISTS new] 0
        with_config {proto-max-bulk-len 1048576} {
            expect [r SETRANGE k 1048570 abcdef] 1048576
            expect_error $::too_long {r APPEND k x}
            expect_error $::too_long {r SETRANGE k 1048576 x}
            expect [r APPEND k ""] 1048576
            expect [r STRLEN k] 1048576
        }
    }

    test "GETRANGE and SUBSTR" {
        foreach text {"" a ab abcdef 1234567} {
            r SET k $text
            foreach start [list 0 1 2 5 6 7 -1 -2 -6 -7 -8 100 -100 $::max_i64 $::min_i64] {
                foreach end [list 0 1 2 5 6 7 -1 -2 -6 -7 -8 100 -100 $::max_i64 $::min_i64] {
                    set want [range_of $text $start $end]
                    set got [r GETRANGE k $start $end]
                    if {$got ne $want} { expect "$text $start $end: $got" "$text $start $end: $want" }
                    if {[r SUBSTR k $start $end] ne $want} { expect SUBSTR $want }
                }
            }
        }
        expect [rt GETRANGE nokey 0 -1] {bulk {}}
        foreach call {{x 1} {1 x} {9223372036854775808 1} {1 ""} {1.0 2}} {
            expect_error $::not_int {r GETRANGE nokey {*}$call}
        }
    }

    test "a value of another type" {
        r SADD s 1
        foreach request {{APPEND s x} {SETRANGE s 0 x} {SETRANGE s 0 ""} {GETRANGE s 0 1}
                         {SUBSTR s 0 1}} {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error "ERR offset is out of range" {r SETRANGE s -1 x}
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            append {a {a b c}} setrange {{a 1} {a 1 b c}} getrange {{a 1} {a 1 2 3}}
            substr {{a 1} {a 1 2 3}}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {APPEND a x} 1 {APPEND a ""} 1 {SETRANGE a 0 y} 1 {SETRANGE a 0 ""} 0
            {GETRANGE a 0 1} 0
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
