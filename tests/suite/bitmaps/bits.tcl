# SPDX-License-Identifier: BSD-3-Clause
#
# SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set bad_offset "ERR bit offset is not an integer or out of range"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

# The bits of a byte string, as 0s and 1s.
proc bits_of {bytes} {
    binary scan $bytes B* bits
    return $bits
}

with_server {} {
    test "SETBIT and GETBIT" {
        expect [r SETBIT k 1 1] 0
        expect [r GET k] "@"
        expect [r SETBIT k 1 1] 1
        expect [r SETBIT k 17 0] 0
        expect [r GET k] "@\0\0"
        expect [r SETBIT k 1 0] 1
        expect [r GETBIT k 1] 0
        expect [r GETBIT k 1000] 0
        expect [r GETBIT none 0] 0
        expect [r EXISTS none] 0
        r SET n 1 EX 100
        expect [r SETBIT n 6 1] 0
        expect [r GET n] 3
        expect_near [r TTL n] 100 10
    }

    test "encodings after a write, even of the same bit" {
        foreach {value} {12345 abc} {
            r SET k $value
            r SETBIT k 7 [r GETBIT k 7]
            expect [r OBJECT ENCODING k] raw
            expect [r GET k] $value
            r SET k $value
            r GETBIT k 7
            r BITCOUNT k
            expect_true {[r OBJECT ENCODING k] ne "raw"}
        }
    }

    test "a write that changes nothing isn't seen by WATCH" {
        r SET k 12345
        set other [client]
        r WATCH k
        $other SETBIT k 0 0
        r MULTI
        expect [r EXEC] {}
        r WATCH k
        $other SETBIT k 0 1
        r MULTI
        expect [r EXEC] (nil)
    }

    test "random bits against a model" {
        set model [string repeat 0 800]
        for {set i 0} {$i < 500} {incr i} {
            set at [rand_int 800]
            set bit [rand_int 2]
            expect [r SETBIT k $at $bit] [string index $model $at]
            set model [string replace $model $at $at $bit]
        }
        r SETBIT k 799 [string index $model end]
        expect [bits_of [r GET k]] $model
        expect [r BITCOUNT k] [regexp -all 1 $model]
        for {set i 0} {$i < 100} {incr i} {
            set first [rand_int 800]
            set last [expr {$first + [rand_int [expr {800 - $first}]]}]
            set part [string range $model $first $last]
            expect [r BITCOUNT k $first $last BIT] [regexp -all 1 $part]
            foreach bit {0 1} {
                set at [string first $bit $part]
                expect [r BITPOS k $bit $first $last BIT] [expr {$at < 0 ? -1 : $first + $at}]
            }
        }
    }

    test "BITCOUNT" {
        r SET k foobar
        foreach {args want} {
            {} 26 {0 0} 4 {1 1} 6 {0 -5} 10 {5 30 BIT} 17 {0 -1 byte} 26 {-2 -1} 7 {10 20} 0
            {3 2} 0 {-1 -2} 0 {-100 -200} 0 {-200 -100} 4 {-1 -2 nonsense} 0
        } {
            expect "$args: [r BITCOUNT k {*}$args]" "$args: $want"
        }
        expect_error "ERR syntax error" {r BITCOUNT k 0}
        expect_error "ERR syntax error" {r BITCOUNT k 0 1 x}
        expect_error "ERR syntax error" {r BITCOUNT k 0 1 BIT x}
        expect_error $::not_int {r BITCOUNT k 0 x}
        expect [r BITCOUNT none x y] 0
    }

    test "BITPOS" {
        r SET k "\xff\xf0\x00"
        foreach {args want} {
            {0} 12 {1} 0 {1 2} -1 {0 0 0} -1 {0 0 1} 12 {1 1} 8 {0 -1} 16 {0 13 14 BIT} 13
            {0 0 7 BIT} -1 {1 100} -1 {0 100} -1 {0 2 1} -1
        } {
            expect "$args: [r BITPOS k {*}$args]" "$args: $want"
        }
        r SET full "\xff\xff"
        expect [r BITPOS full 0] 16
        expect [r BITPOS full 0 0] 16
        expect [r BITPOS full 0 0 -1] -1
        r SET empty ""
        expect [list [r BITPOS empty 0] [r BITPOS empty 1]] {-1 -1}
        expect [list [r BITPOS none 0] [r BITPOS none 1] [r BITPOS none 0 5 3]] {0 -1 0}
        expect_error "ERR The bit argument must be 1 or 0." {r BITPOS k 2}
        expect_error $::not_int {r BITPOS k x}
        expect_error $::not_int {r BITPOS k 0 x}
        expect_error $::not_int {r BITPOS k 0 x 1 bits}
        expect_error "ERR syntax error" {r BITPOS k 0 0 x bits}
        expect_error "ERR syntax error" {r BITPOS k 0 0 1 BIT 2}
    }

    test "numbers at the limits" {
        r SET k foobar
        foreach offset [list 4294967296 -1 $::max_i64 $::min_i64 9223372036854775808 x "" 1.5] {
            expect_error $::bad_offset {r SETBIT k $offset 1}
            expect_error $::bad_offset {r GETBIT k $offset}
        }
        foreach bit {2 -1 x 11 -0} {
            expect_error "ERR bit is not an integer or out of range" {r SETBIT k 0 $bit}
        }
        expect [r GETBIT k 4294967295] 0
        foreach unit {{} BYTE BIT} {
            expect [r BITCOUNT k $::min_i64 $::max_i64 {*}$unit] 26
            expect [r BITCOUNT k $::max_i64 $::min_i64 {*}$unit] 0
            expect [r BITPOS k 1 $::min_i64 $::max_i64 {*}$unit] 1
            expect [r BITPOS k 1 $::max_i64 $::max_i64 {*}$unit] -1
            expect [r BITPOS k 0 $::min_i64 $::min_i64 {*}$unit] 0
        }
        expect [r GET k] foobar
        with_config {proto-max-bulk-len 1048576} {
            expect [r SETBIT k 8388607 1] 0
            expect [r STRLEN k] 1048576
            expect_error $::bad_offset {r SETBIT k 8388608 1}
        }
    }

    test "BITOP" {
        r SET a "\xff\x0f\x01"
        r SET b "\xaa\xff"
        foreach {op keys want} {
            AND {a b} aa0f00 OR {a b} ffff01 XOR {a b} 55f001 NOT {a} 00f0fe
            and {a b none} 000000 or {none b} aaff xor {a a} 000000 OR {a} ff0f01
        } {
            expect [r BITOP $op d {*}$keys] [expr {[string length $want] / 2}]
            expect [r GET d] [binary decode hex $want]
        }
        expect [r OBJECT ENCODING d] raw
        r EXPIRE d 100
        expect [r BITOP OR d d b] 3
        expect [r TTL d] -1
        expect [r BITOP AND d none1 none2] 0
        expect [r EXISTS d] 0
        r SADD s 1
        expect [r BITOP NOT s b] 2
        expect [r TYPE s] string
        expect_error "ERR syntax error" {r BITOP NAND d a}
        expect_error "ERR BITOP NOT must be called with a single source key." {r BITOP NOT d a b}
    }

    test "BITOP of long strings and many keys" {
        set keys {}
        set want ""
        for {set i 0} {$i < 12} {incr i} {
            set bytes [rand_bytes [expr {[rand_int 40000]}]]
            r SET k:$i $bytes
            lappend keys k:$i
            set n [expr {max([string length $bytes], [string length $want])}]
            binary scan $bytes[string repeat "\0" 8] cu* a
            binary scan $want[string repeat "\0" 8] cu* b
            set sum {}
            for {set j 0} {$j < $n} {incr j} {
                set x [lindex $a $j]; set y [lindex $b $j]
                if {$x eq ""} { set x 0 }
                if {$y eq ""} { set y 0 }
                lappend sum [expr {$x ^ $y}]
            }
            set want [binary format c* $sum]
        }
        expect [r BITOP XOR d {*}$keys] [string length $want]
        expect_true {[r GET d] eq $want}
    }

    test "a value of another type" {
        r SADD s 1
        r SET k x
        foreach request {{SETBIT s 0 1} {GETBIT s 0} {BITCOUNT s} {BITCOUNT s x y} {BITPOS s 1}
                         {BITPOS s 1 x} {BITOP AND d k s} {BITOP NOT d s} {BITFIELD s}
                         {BITFIELD s GET u8 0} {BITFIELD s SET u8 0 0} {BITFIELD_RO s GET u8 0}} {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error $::bad_offset {r SETBIT s -1 1}
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            setbit {{a 1} {a 1 1 1}} getbit {a {a 1 2}} bitcount {{}} bitpos {a}
            bitop {{AND d}} bitfield {{}} bitfield_ro {{}}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {SETBIT a 5 1} 1 {SETBIT a 5 1} 0 {SETBIT a 100 0} 1 {GETBIT a 5} 0
            {BITOP OR d a} 1 {BITOP OR d none} 1 {BITOP OR d none} 0
            {BITFIELD n SET u8 0 0 SET u8 8 0} 2 {BITFIELD n SET u8 0 0 SET u8 8 0} 0
            {BITFIELD n SET u8 0 1 GET u8 0 SET u8 0 1} 1
            {BITFIELD n OVERFLOW FAIL SET u8 100 300 SET u8 0 1} 1
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
