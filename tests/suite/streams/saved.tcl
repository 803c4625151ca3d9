# SPDX-License-Identifier: BSD-3-Clause
#
# Streams in payloads and files: entries, removed ones, groups and what is pending come back.

tags quick

with_server {} {
    test "RESTORE and RELOAD give back all of a stream" {
        for {set i 1} {$i <= 250} {incr i} { r XADD s $i-1 f $i other [string repeat x $i] }
        r XADD s 18446744073709551615-5 "" ""
        r XGROUP CREATE s g 0
        r XGROUP CREATE s later $ ENTRIESREAD 7
        r XGROUP CREATECONSUMER s later idle
        r XREADGROUP GROUP g a COUNT 120 STREAMS s >
        r XREADGROUP GROUP g b COUNT 30 STREAMS s >
        r XACK s g 3-1 4-1 130-1
        for {set i 1} {$i <= 250} {incr i 3} { r XDEL s $i-1 }
        r XGROUP CREATE empty g $ MKSTREAM
        foreach key {s empty} {
            set before [list [r XINFO STREAM $key FULL COUNT 0] [r DEBUG DIGEST-VALUE $key]]
            expect [r RESTORE copy 0 [r DUMP $key] REPLACE] OK
            expect [list [r XINFO STREAM copy FULL COUNT 0] [r DEBUG DIGEST-VALUE copy]] $before
        }
        set before [r XINFO STREAM s FULL COUNT 0]
        r DEBUG RELOAD
        expect [r XINFO STREAM s FULL COUNT 0] $before
        expect [r XADD s * f v] 18446744073709551615-6
        expect [r XTRIM s MAXLEN 0] 168
    }

    test "an id below that of a removed entry" {
        r XADD s 1-1 f v
        r XADD s 1-5 f v
        r XDEL s 1-5
        r XSETID s 1-2
        r XADD s 1-3 f w
        expect [r XRANGE s - 1-4] {{1-1 {f v}} {1-3 {f w}}}
        expect [r XREVRANGE s 1-4 1-2] {{1-3 {f w}}}
        expect [r RESTORE copy 0 [r DUMP s]] OK
        expect [r XRANGE copy - 1-4] {{1-1 {f v}} {1-3 {f w}}}
        expect [r XDEL s 1-3] 1
        expect [r XRANGE s - +] {{1-1 {f v}}}
    }
}
