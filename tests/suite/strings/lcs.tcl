# SPDX-License-Identifier: BSD-3-Clause
#
# LCS: text, length, runs, limits.

tags quick

# Length of the longest common subsequence, the textbook's way.
proc lcs_length {a b} {
    set row [lrepeat [expr {[string length $b] + 1}] 0]
    foreach x [split $a ""] {
        set diagonal 0
        set j 0
        foreach y [split $b ""] {
            incr j
            set up [lindex $row $j]
            set best [expr {$x eq $y ? $diagonal + 1 : max($up, [lindex $row $j-1])}]
            set diagonal $up
            lset row $j $best
        }
    }
    lindex $row end
}

proc is_subsequence {part text} {
    set at 0
    foreach c [split $part ""] {
        set at [string first $c $text $at]
        if {$at < 0} { return 0 }
        incr at
    }
    return 1
}

with_server {} {
    test "text, length and runs" {
        r MSET a ohmytext b mynewtext
        expect [r LCS a b] mytext
        expect [r LCS a b LEN] 6
        expect [r LCS a b IDX] {matches {{{4 7} {5 8}} {{2 3} {0 1}}} len 6}
        expect [r LCS a b IDX MINMATCHLEN 4] {matches {{{4 7} {5 8}}} len 6}
        expect [r LCS a b idx minmatchlen 4 withmatchlen] {matches {{{4 7} {5 8} 4}} len 6}
        expect [r LCS a b IDX MINMATCHLEN 100] {matches {} len 6}
        expect [r LCS a b IDX MINMATCHLEN -5 WITHMATCHLEN] \
            {matches {{{4 7} {5 8} 4} {{2 3} {0 1} 2}} len 6}
        expect [r LCS a b IDX MINMATCHLEN 9 MINMATCHLEN 3] {matches {{{4 7} {5 8}}} len 6}
        expect [r LCS a b WITHMATCHLEN] mytext
        expect [r LCS a a] ohmytext
        expect [r LCS a a IDX] {matches {{{0 7} {0 7}}} len 8}
    }

    test "a map in RESP3" -resp 3 {
        r MSET a x b x
        expect [rt LCS a b IDX] \
            {map {{bulk matches} {array {{array {{array {{int 0} {int 0}}} {array {{int 0} {int 0}}}}}}} {bulk len} {int 1}}}
    }

    test "of equally long ones it is stock's" {
        foreach {a b text} {abc acb ac acb abc ab xaxbxc abcxxx abc abab baba bab} {
            r MSET a $a b $b
            expect [list $a $b [r LCS a b]] [list $a $b $text]
        }
    }

    test "absent and empty keys, numbers" {
        r SET a abc
        expect [r LCS a none] ""
        expect [r LCS none a LEN] 0
        expect [r LCS none none IDX] {matches {} len 0}
        r SET e ""
        expect [r LCS a e] ""
        r MSET n 12345 m 2345678901
        expect [r LCS n m] 2345
    }

    test "random texts" {
        unset -nocomplain text
        for {set i 0} {$i < 100} {incr i} {
            foreach key {a b} {
                set text($key) ""
                for {set k [rand_int 150]} {$k > 0} {incr k -1} {
                    append text($key) [rand_pick {a b c d}]
                }
            }
            r MSET a $text(a) b $text(b)
            set len [lcs_length $text(a) $text(b)]
            set got [r LCS a b]
            expect [string length $got] $len
            expect_true {[is_subsequence $got $text(a)] && [is_subsequence $got $text(b)]}
            expect [r LCS a b LEN] $len
            array set runs [r LCS a b IDX WITHMATCHLEN]
            expect $runs(len) $len
            set from_runs ""
            foreach run $runs(matches) {
                lassign $run in_a in_b run_len
                set part [string range $text(a) {*}$in_a]
                expect $part [string range $text(b) {*}$in_b]
                expect [string length $part] $run_len
                set from_runs $part$from_runs
            }
            expect $from_runs $got
        }
    }

    test "bad options" {
        r MSET a x b y
        expect_error "ERR If you want both the length and indexes, please just use IDX." \
            {r LCS a b LEN IDX}
        foreach words {FOO MINMATCHLEN {IDX LEN FOO} {IDX MINMATCHLEN}} {
            expect_error "ERR syntax error" {r LCS a b {*}$words}
        }
        expect_error "ERR value is not an integer or out of range" {r LCS a b MINMATCHLEN x}
        expect_error "ERR wrong number of arguments for 'lcs' command" {r LCS a}
    }

    test "a value of another type" {
        r SADD s 1
        r SET a x
        foreach request {{LCS a s} {LCS s a} {LCS none s} {LCS s s FOO}} {
            expect_error "ERR The specified keys must contain string values" {r {*}$request}
        }
    }

    test "sizes beyond the limit" {
        with_config {proto-max-bulk-len 1048576} {
            r SETRANGE a 510 x
            r SETRANGE b 511 x
            expect [r LCS a a LEN] 511
            expect_error "ERR Insufficient memory, transient memory for LCS exceeds\
                proto-max-bulk-len" {r LCS a b LEN}
            expect_error "ERR Insufficient memory*" {r LCS b b}
        }
        r SETRANGE big 200000 x
        expect_error "ERR Insufficient memory*" {r LCS big big LEN}
        expect [r LCS big a LEN] 511
    }
}
