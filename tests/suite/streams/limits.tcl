# SPDX-License-Identifier: BSD-3-Clause
#
# Numbers at the ends of 64 bits, wherever a stream takes one: ids, counts, times, lengths.

tags quick

set max_u64 18446744073709551615
set max_i64 9223372036854775807
set min_i64 -9223372036854775808
set last $max_u64-$max_u64
set before_last $max_u64-18446744073709551614
set not_int "ERR value is not an integer or out of range"
set no_id "ERR Invalid stream ID specified as stream command argument"

with_server {} {
    test "ranges that begin or end at the last id" -resp {2 3} {
        r XADD s 1-1 f v
        r XADD s $before_last f v
        r XADD s $last f v
        foreach {from to ids} [list \
            - + "1-1 $before_last $last"    $last + $last    $max_u64 + "$before_last $last" \
            $max_u64-0 $max_u64 "$before_last $last"    ($before_last $last $last \
            1-1 ($last "1-1 $before_last"    (1-1 ($before_last {}    $last 1-1 {}] {
            set got {}
            foreach entry [r XRANGE s $from $to] { lappend got [lindex $entry 0] }
            expect $got $ids
            set got {}
            foreach entry [r XREVRANGE s $to $from] { lappend got [lindex $entry 0] }
            expect $got [lreverse $ids]
        }
        foreach id {18446744073709551616 1-18446744073709551616 1--1 99999999999999999999-1} {
            foreach call {{XRANGE s @ +} {XADD s @ f v} {XDEL s @} {XREAD STREAMS s @}
                          {XTRIM s MINID @} {XSETID s @} {XGROUP CREATE s g @}} {
                expect_error $::no_id [list r {*}[string map [list @ $id] $call]]
            }
        }
        expect [r XLEN s] 3
    }

    test "counts" -resp {2 3} {
        r XADD s 1-1 f v
        r XGROUP CREATE s g 0
        expect [llength [r XRANGE s - + COUNT $::max_i64]] 1
        expect [r XRANGE s - + COUNT $::min_i64] (nil)
        expect [llength [r XREAD COUNT $::max_i64 STREAMS s 0]] [expr {[resp] == 2 ? 1 : 2}]
        expect [llength [r XREAD COUNT $::min_i64 STREAMS s 0]] [expr {[resp] == 2 ? 1 : 2}]
        foreach call {{XRANGE s - + COUNT N} {XREAD COUNT N STREAMS s 0} {XPENDING s g - + N}
                      {XREADGROUP GROUP g c COUNT N STREAMS s >} {XREAD BLOCK N STREAMS s $}
                      {XAUTOCLAIM s g c 0 0 COUNT N} {XTRIM s MAXLEN N}} {
            expect_match [catch {r {*}[string map {N 9223372036854775808} $call]} error] 1
            expect_match $error ERR*
        }
        expect [llength [r XREADGROUP GROUP g c COUNT $::max_i64 STREAMS s >]] \
            [expr {[resp] == 2 ? 1 : 2}]
        expect [llength [r XPENDING s g - + $::max_i64]] 1
        expect [r XPENDING s g - + $::min_i64] {}
        expect [lindex [r XAUTOCLAIM s g c 0 0 COUNT 1000000] 0] 0-0
        expect_error "ERR COUNT must be > 0" [list r XAUTOCLAIM s g c 0 0 COUNT $::max_i64]
        expect_error "ERR COUNT must be > 0" [list r XAUTOCLAIM s g c 0 0 COUNT $::min_i64]
        expect_match [r XINFO STREAM s FULL COUNT $::max_i64] *entries*
        expect_match [r XINFO STREAM s FULL COUNT $::min_i64] *entries*
    }

    test "trimming" {
        r XADD s 1-1 f v
        r XADD s $::last f v
        expect [r XTRIM s MAXLEN $::max_i64] 0
        expect [r XTRIM s MAXLEN ~ $::max_i64 LIMIT $::max_i64] 0
        expect_error "ERR The MAXLEN argument must be >= 0." [list r XTRIM s MAXLEN $::min_i64]
        expect_error "ERR The LIMIT argument must be >= 0." \
            [list r XTRIM s MAXLEN ~ 1 LIMIT $::min_i64]
        expect [r XTRIM s MINID $::last] 1
        expect [r XTRIM s MAXLEN 0] 1
        expect [r XLEN s] 0
        expect_error "ERR The stream has exhausted the last possible ID, unable to add more items" {
            r XADD s MAXLEN 5 * f v
        }
    }

    test "groups that stand at the last id" -resp {2 3} {
        r XADD s $::last f v
        r XGROUP CREATE s g $::before_last
        r XGROUP CREATE s behind $::last
        expect [r XREADGROUP GROUP behind c STREAMS s >] (nil)
        expect_match [r XREADGROUP GROUP g c STREAMS s >] *$::last*
        expect [r XREADGROUP GROUP g c STREAMS s >] (nil)
        expect [lindex [r XAUTOCLAIM s g d 0 $::last] 0] 0-0
        expect [lindex [r XPENDING s g $::last + 10] 0 0] $::last
        expect [r XPENDING s g - ($::last 10] {}
        expect [r XDEL s $::last] 1
        expect [lindex [r XAUTOCLAIM s g d 0 -] 2] $::last
        expect [r XPENDING s g - + 10] {}
        expect [r XACK s g $::last] 0
        expect_map [lindex [r XINFO GROUPS s] 1] [list name g consumers 2 pending 0 \
            last-delivered-id $::last entries-read 1 lag 0]
    }

    test "numbers that XCLAIM, XSETID and XGROUP keep" {
        r XADD s 1-1 f v
        r XGROUP CREATE s g 0
        r XREADGROUP GROUP g c STREAMS s >
        expect [r XCLAIM s g d 0 1-1 RETRYCOUNT $::max_i64 JUSTID] 1-1
        expect [lindex [r XPENDING s g - + 1] 0 3] $::max_i64
        expect_match [r XREADGROUP GROUP g d STREAMS s 0] *1-1*
        expect [r XCLAIM s g d $::max_i64 1-1] {}
        expect [r XCLAIM s g d 0 1-1 TIME $::max_i64 JUSTID] 1-1
        expect [r XCLAIM s g d 0 1-1 TIME $::min_i64 JUSTID] 1-1
        expect [r XCLAIM s g d 0 1-1 LASTID $::last JUSTID] 1-1
        expect [lindex [r XINFO GROUPS s] 0 7] $::last
        expect_error "ERR Invalid RETRYCOUNT option argument for XCLAIM" {
            r XCLAIM s g d 0 1-1 RETRYCOUNT 9223372036854775808
        }
        expect [r XSETID s $::last ENTRIESADDED $::max_i64 MAXDELETEDID $::last] OK
        expect_error "ERR entries_added must be positive" [list r XSETID s 5-5 ENTRIESADDED $::min_i64]
        expect [r XGROUP SETID s g $::last ENTRIESREAD $::max_i64] OK
        expect_error "ERR value for ENTRIESREAD must be positive or -1" \
            [list r XGROUP SETID s g 0 ENTRIESREAD $::min_i64]
        expect_error "ERR The stream has exhausted*" {r XADD s * f v}
        expect [r XLEN s] 1
    }
}
