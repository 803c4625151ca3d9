# SPDX-License-Identifier: BSD-3-Clause
#
# BITFIELD and BITFIELD_RO.

tags quick

set bad_type "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not\
 supported but i64 is."
set bad_offset "ERR bit offset is not an integer or out of range"

with_server {} {
    test "SET, GET, INCRBY" {
        expect [r BITFIELD k SET i8 0 -100 SET u8 8 200 GET i8 0 GET u8 8] {0 0 -100 200}
        expect [r BITFIELD k INCRBY i8 0 1 INCRBY u8 8 1] {-99 201}
        expect [r BITFIELD k SET u4 2 9 GET u4 2 GET u8 0] {7 9 165}
        expect [r BITFIELD k SET u8 #1 65 SET u8 #0 66] {201 165}
        expect [r GET k] BA
        expect [r BITFIELD k] {}
        expect [r BITFIELD k GET u8 100000 GET i64 #1000] {0 0}
        expect [r STRLEN k] 2
    }

    test "what only reads makes no key" {
        expect [r BITFIELD none GET u8 0 GET u8 99] {0 0}
        expect [r BITFIELD_RO none GET u8 0] 0
        expect [r BITFIELD none OVERFLOW SAT] {}
        expect [r EXISTS none] 0
    }

    test "overflow" {
        expect [r BITFIELD k SET u8 0 255 OVERFLOW FAIL INCRBY u8 0 1] {0 (nil)}
        expect [r BITFIELD k OVERFLOW SAT INCRBY u8 0 1 INCRBY u8 0 -300] {255 0}
        expect [r BITFIELD k OVERFLOW WRAP INCRBY u8 0 -1 OVERFLOW SAT SET u8 0 -1] {255 255}
        expect [r BITFIELD k SET i64 0 9223372036854775807 INCRBY i64 0 1] \
            {-72057594037927936 -9223372036854775808}
        expect [r BITFIELD k OVERFLOW SAT INCRBY i64 0 -1 INCRBY u63 0 -9223372036854775808] \
            {-9223372036854775808 0}
        expect [r BITFIELD k OVERFLOW SAT SET i5 0 1000 GET i5 0 SET i5 0 -1000 GET i5 0] \
            {0 15 15 -16}
    }

    test "a failed write still makes room" {
        expect [r BITFIELD k OVERFLOW FAIL SET u8 100 300] (nil)
        expect [r STRLEN k] 14
    }

    test "encodings after a write, even of the same value" {
        r SET n 12345
        expect [r BITFIELD n GET u8 0] 49
        expect [r OBJECT ENCODING n] int
        expect [r BITFIELD n SET u8 0 49] 49
        expect [r OBJECT ENCODING n] raw
        expect [r GET n] 12345
    }

    test "an error leaves nothing behind" {
        foreach type {u64 i65 u0 i0 U8 u {} 8 u08 i-1} {
            expect_error $::bad_type {r BITFIELD k SET u8 0 1 GET $type 0}
        }
        foreach offset {-1 x #x # 9223372036854775807 #9223372036854775807 4294967296 #536870912} {
            expect_error $::bad_offset {r BITFIELD k SET u8 0 1 GET u8 $offset}
            expect_error $::bad_offset {r BITFIELD k SET u8 $offset 1}
        }
        expect_error "ERR Invalid OVERFLOW type specified" {r BITFIELD k OVERFLOW x}
        foreach call {{x} {OVERFLOW} {GET u8} {SET u8 0} {GET u8 0 SET u8 0} {INCRBY u8}} {
            expect_error "ERR syntax error" {r BITFIELD k {*}$call}
        }
        expect_error "ERR value is not an integer or out of range" {r BITFIELD k SET u8 0 x}
        expect_error "ERR BITFIELD_RO only supports the GET subcommand" \
            {r BITFIELD_RO k GET u8 0 SET u8 0 1}
        expect [r EXISTS k] 0
    }

    # Stock multiplies in 64 bits and takes what is left of this for 0.
    test "an offset whose product overflows" -only cogwheel {
        expect_error $::bad_offset {r BITFIELD k GET u8 #2305843009213693952}
        expect_error $::bad_offset {r BITFIELD k SET u8 #2305843009213693952 1}
    }

    test "the flags of the key follow the operations" {
        foreach {call flags} {
            {GET u8 0} {RO access} {} {RO access} {OVERFLOW SAT GET u8 0} {RO access}
            {SET u8 0 1} {RW access update} {x} {RW access update} {GET u8} {RW access update}
        } {
            lassign [lindex [r COMMAND GETKEYSANDFLAGS BITFIELD k {*}$call] 0] key got
            expect "$call: [lsort $got]" "$call: [lsort $flags]"
        }
    }

    test "random fields against a model" {
        set model [string repeat 0 400]
        r SETBIT k 399 0
        for {set i 0} {$i < 300} {incr i} {
            set width [expr {1 + [rand_int 63]}]
            set at [rand_int [expr {400 - $width}]]
            set old [string range $model $at [expr {$at + $width - 1}]]
            scan $old %llb old
            set value [expr {[rand_int 2147483647] * 4294967311 % (1 << $width)}]
            expect [r BITFIELD k SET u$width $at $value] $old
            set bits [format %0*llb $width $value]
            set model [string replace $model $at [expr {$at + $width - 1}] $bits]
        }
        binary scan [r GET k] B* got
        expect $got $model
    }
}
