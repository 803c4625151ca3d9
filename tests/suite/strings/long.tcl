# SPDX-License-Identifier: BSD-3-Clause
#
# Strings of megabytes: growing past the sizes from which on they have a mapping of their own, what
# they count as, and that all of it comes back.

tags quick

set mb 1048576

# Compares without showing megabytes.
proc same {got want} {
    if {$got eq $want} return
    set at 0
    while {[string index $got $at] eq [string index $want $at]} { incr at }
    expect "[string length $got] bytes, another one at $at" "[string length $want] bytes"
}

# Memory in use, once all frees are done and it stays the same over some turns of the server's
# periodic work.
proc settled {} {
    wait_for {[info_field lazyfree_pending_objects] == 0}
    for {set last -1} {[set now [info_field used_memory]] != $last} {set last $now} { after 250 }
    return $now
}

proc expect_usage {key len} {
    set usage [r MEMORY USAGE $key]
    if {$usage < $len || $usage > $len * 1.5 + 1100000} { expect "$usage bytes" "$len and some" }
}

with_server {} {
    test "APPEND from nothing to megabytes" {
        set model ""
        while {[string length $model] < 5 * $mb} {
            set piece [string repeat [rand_bytes [expr {1 + [rand_int 4000]}]] 100]
            append model $piece
            expect [r APPEND k $piece] [string length $model]
            if {[rand_int 4] == 0} { same [r GET k] $model }
        }
        same [r GET k] $model
        expect [r STRLEN k] [string length $model]
        expect [r OBJECT ENCODING k] raw
        expect_usage k [string length $model]
    }

    test "SETRANGE leaves zeros between" {
        set model ""
        for {set i 0} {$i < 12} {incr i} {
            set piece [rand_bytes 1000]
            set at [expr {[string length $model] + [rand_int 700000]}]
            append model [string repeat \0 [expr {$at - [string length $model]}]] $piece
            expect [r SETRANGE k $at $piece] [string length $model]
            # Within what is there.
            set at [rand_int [expr {[string length $model] - 1000}]]
            set model [string replace $model $at $at+999 $piece]
            r SETRANGE k $at $piece
            same [r GET k] $model
        }
        expect_usage k [string length $model]
    }

    test "a string that was used before has zeros between, too" {
        r SET k [string repeat x [expr {9 * $mb}]]
        r SET k [string repeat y [expr {9 * $mb - 500000}]]
        expect [r SETRANGE k [expr {9 * $mb}] z] [expr {9 * $mb + 1}]
        same [r GET k] [string repeat y [expr {9 * $mb - 500000}]][string repeat \0 500000]z
        r SETRANGE k [expr {12 * $mb}] z
        same [r GETRANGE k [expr {9 * $mb}] -1] z[string repeat \0 [expr {3 * $mb - 1}]]z
    }

    test "SETBIT and BITFIELD" {
        foreach at {7 8388600 8388615 16777216 16777300 25165824 40000001} {
            expect [r SETBIT bits $at 1] 0
            expect [r STRLEN bits] [expr {$at / 8 + 1}]
            expect [r GETBIT bits $at] 1
        }
        expect [r BITCOUNT bits] 7
        expect [r BITPOS bits 1 1] 8388600
        set model ""
        foreach at {0 500000 1048570 1048577 3145728 4000000} {
            expect [r BITFIELD fields SET u32 [expr {$at * 8}] 4294967295 GET u8 0] {0 255}
            append model [string repeat \0 [expr {$at - [string length $model]}]] \xff\xff\xff\xff
            same [r GET fields] $model
        }
        expect_usage bits 5000001
        expect_usage fields 4000004
    }

    test "SET of megabytes, then growth, COPY, RENAME, GETDEL" {
        foreach size {1048575 4000000 8388607 8388608 20000000} {
            set model [rand_bytes 1000][string repeat m [expr {$size - 1000}]]
            r SET k $model
            same [r GET k] $model
            r APPEND k [string repeat t 2000000]
            append model [string repeat t 2000000]
            same [r GET k] $model
            expect_usage k [string length $model]
            r COPY k copy REPLACE
            r RENAME k other
            r SETRANGE other 1040000 changed
            same [r GET copy] $model
            same [r GETDEL other] [string replace $model 1040000 1040006 changed]
            expect [r EXISTS k other] 0
        }
    }

    test "an argument of megabytes that a pause holds, or whose client goes" {
        set model [string repeat p [expr {9 * $mb}]]
        set before [settled]
        set c [client]
        r CLIENT PAUSE 100000 WRITE
        client::send $c SET k $model
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        set gone [client]
        client::send $gone SET other $model
        client::flush $gone
        wait_for {[info_field blocked_clients] == 2}
        client::close $gone
        r CLIENT UNPAUSE
        expect [client::receive $c] OK
        same [r GET k] $model
        expect [r EXISTS other] 0
        r DEL k
        # Half of an argument.
        set half [client]
        client::send_raw $half "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$20000000\r\n$model"
        wait_for {[info_field used_memory] > $before + 8 * $mb}
        client::close $half
        client::close $c
        wait_for {[llength [split [string trim [r CLIENT LIST]] \n]] == 1}
        expect_near [settled] $before 500000
    }

    test "a length beyond the limit leaves a long string as it was" {
        r SETRANGE k 3000000 end
        expect_error "ERR string exceeds*" {r SETRANGE k 536870910 abc}
        expect_error "ERR string exceeds*" {r SETRANGE k 9223372036854775807 x}
        expect_error "ERR bit offset*" {r SETBIT k 4294967296 1}
        expect_error "ERR offset is out of range*" {r SETRANGE k -1 x}
        expect_error "WRONGTYPE*" {r LPUSH k x}
        expect_error "ERR wrong number*" {r APPEND k}
        same [r GET k] [string repeat \0 3000000]end
    }

    test "memory in use returns to where it was" -only cogwheel {
        r SET warm [string repeat w [expr {2 * $mb}]]
        r FLUSHALL
        set before [settled]
        foreach end {{DEL k l} {UNLINK k l} {FLUSHALL} {FLUSHALL ASYNC} {FLUSHDB SYNC}
                     {MSET k short l short} {SUNIONSTORE k s} {EXPIRE k 0}} {
            r SETRANGE k 3000000 x
            r SET l [string repeat l [expr {9 * $mb}]]
            r APPEND l tail
            expect_true {[info_field used_memory] > $before + 12000000}
            expect_true {[info_field used_memory] < $before + 16000000}
            r {*}$end
            r DEL k l
            set now [settled]
            if {abs($now - $before) > 300000} { expect "$end: [expr {$now - $before}] left" "" }
        }
    }

    test "what wasn't written takes no memory" -only cogwheel {
        r PING
        set before [srv rss]
        expect [r SETRANGE range 500000000 x] 500000001
        expect [r SETBIT bits 4294967295 1] 0
        r SET small abc
        expect [r BITFIELD small SET u8 4294967288 65] 0
        expect_true {[srv rss] - $before < 100000000}
        expect_true {[info_field used_memory] > 3 * 500000000}
        expect_usage bits 536870912
        expect [r GETRANGE range 499999998 -1] "\0\0x"
        expect [r GETRANGE bits -2 -1] "\0\1"
        expect [r GETRANGE small 0 4] "abc\0\0"
        expect [r GETRANGE small -2 -1] "\0A"
        expect [r APPEND bits ""] 536870912
        expect_error "ERR string exceeds*" {r APPEND bits x}
        r FLUSHALL
        expect_true {[settled] < 400000000}
    }

    test "DUMP and RESTORE" {
        set model [rand_bytes 1000][string repeat "0123456789" 900000][rand_bytes 1000]
        r SET k [string range $model 0 999]
        r APPEND k [string range $model 1000 end]
        r RESTORE other 0 [r DUMP k]
        same [r GET other] $model
        r APPEND other more
        same [r GET other] ${model}more
        expect [r OBJECT ENCODING other] raw
        expect_usage other 9002004
    }

    test "DEBUG RELOAD and DEBUG DIGEST" {
        set model [rand_bytes 1000][string repeat "0123456789" 900000]
        r SET whole $model
        r SETRANGE grown 3000000 end
        set digest [r DEBUG DIGEST]
        r DEBUG RELOAD
        expect [r DEBUG DIGEST] $digest
        same [r GET whole] $model
        same [r GET grown] [string repeat \0 3000000]end
        expect [r APPEND grown more] 3000007
        expect_usage grown 3000007
    }

    test "a child saves what was there while the string grows" {
        r SETRANGE k 3000000 end
        with_config {rdb-key-save-delay 300000} {
            r BGSAVE
            for {set i 0} {$i < 40} {incr i} { r APPEND k [string repeat $i 100000] }
            expect [info_field rdb_bgsave_in_progress] 1
        }
        wait_for {[info_field rdb_bgsave_in_progress] == 0}
        expect [info_field rdb_last_bgsave_status] ok
        set long [r GET k]
        r DEBUG RELOAD NOSAVE
        same [r GET k] [string repeat \0 3000000]end
        expect_true {[string length $long] > 9000000}
    }
}
