# SPDX-License-Identifier: BSD-3-Clause
#
# SCAN: arguments, filters, the guarantee under change.

tags quick

# All that a whole SCAN returns.
proc scan_all {args} {
    set cursor 0
    set all {}
    while 1 {
        lassign [r SCAN $cursor {*}$args] cursor keys
        lappend all {*}$keys
        if {$cursor eq "0"} {return $all}
    }
}

with_server {} {
    test "a whole scan returns every key once when nothing changes" -resp {2 3} {
        r DEBUG POPULATE 3000
        foreach args {{} {COUNT 1} {COUNT 7} {COUNT 1000} {COUNT 1000000}} {
            set keys [scan_all {*}$args]
            expect [llength $keys] 3000
            expect [llength [lsort -unique $keys]] 3000
        }
    }

    test "the reply is a cursor and an array" -resp {2 3} {
        expect [rt SCAN 0] {array {{bulk 0} {array {}}}}
        r SET a 1
        expect [rt SCAN 0] {array {{bulk 0} {array {{bulk a}}}}}
    }

    test "MATCH and TYPE" {
        r DEBUG POPULATE 500
        r HSET h f v
        r SADD s a
        r SET hello 1
        expect [llength [scan_all MATCH key:1?]] 10
        expect_set [scan_all MATCH h*] {h hello}
        expect_set [scan_all TYPE hash] h
        expect_set [scan_all TYPE HASH] h
        expect_set [scan_all TYPE set] s
        expect_set [scan_all MATCH h* TYPE string] hello
        expect_set [scan_all TYPE string MATCH h* COUNT 1000] hello
        expect [scan_all TYPE nothing] {}
        expect [scan_all TYPE list] {}
        expect [scan_all MATCH x MATCH h] h
        expect [llength [scan_all MATCH *]] 503
    }

    test "cursors" {
        r SET a 1
        foreach cursor {x 0x 1.5 -- 18446744073709551616 99999999999999999999999 " 0"} {
            expect_error "ERR invalid cursor" [list r SCAN $cursor]
            expect_error "ERR invalid cursor" [list r HSCAN nokey $cursor]
            expect_error "ERR invalid cursor" [list r SSCAN a $cursor]
        }
        foreach cursor {"" +0 00 -0} {expect [r SCAN $cursor] {0 a}}
        foreach cursor {18446744073709551615 -1 12345678901234567} {
            expect [llength [r SCAN $cursor]] 2
        }
    }

    test "any cursor comes to an end" {
        r DEBUG POPULATE 1000
        for {set i 0} {$i < 50} {incr i} {
            set cursor [rand_int 1000000000]
            set steps 0
            while {$cursor ne "0"} {
                lassign [r SCAN $cursor COUNT 50] cursor
                expect_true {[incr steps] < 2000}
            }
        }
    }

    test "options that are wrong" {
        foreach options {{COUNT} {MATCH} {TYPE} {FOO 1} {COUNT 0} {COUNT -1} {MATCH a COUNT}
                         {COUNT -9223372036854775808}} {
            expect_error "ERR syntax error" [list r SCAN 0 {*}$options]
        }
        foreach count {x 9223372036854775808 1.0 ""} {
            expect_error "ERR value is not an integer or out of range" [list r SCAN 0 COUNT $count]
        }
        expect [r SCAN 0 COUNT 9223372036854775807] {0 {}}
        expect_error "ERR wrong number of arguments for 'scan' command" {r SCAN}
        r HSET h f v
        r SADD s m
        foreach cmd {{HSCAN h} {SSCAN s}} {
            expect_error "ERR syntax error" [list r {*}$cmd 0 TYPE string]
            expect_error "ERR syntax error" [list r {*}$cmd 0 COUNT 0]
            expect_error "ERR syntax error" [list r {*}$cmd 0 FOO]
        }
        expect [r HSCAN nokey 0 FOO bar] {0 {}}
        expect_error "WRONGTYPE*" {r SSCAN h 0}
        expect_error "WRONGTYPE*" {r HSCAN s 0 FOO}
    }

    test "keys that stay are returned while others come and go" {
        set stay {}
        for {set i 0} {$i < 500} {incr i} {
            lappend stay stay:$i
            r SET stay:$i $i
        }
        for {set round 0} {$round < 6} {incr round} {
            unset -nocomplain seen
            set cursor 0
            set grow [expr {$round % 2 == 0}]
            set next 0
            while 1 {
                lassign [r SCAN $cursor COUNT 10] cursor keys
                foreach key $keys {set seen($key) 1}
                if {$cursor eq "0"} break
                set words [expr {$grow ? "MSET" : "DEL"}]
                for {set i 0} {$i < 40} {incr i} {
                    lappend words other:[incr next]
                    if {$grow} {lappend words v}
                }
                r {*}$words
            }
            foreach key $stay {expect_true {[info exists seen($key)]}}
        }
    }

    test "a pattern of a megabyte" {
        r DEBUG POPULATE 100
        expect [scan_all MATCH [string repeat a 1000000]] {}
        expect [scan_all COUNT 1000 MATCH [string repeat * 1000000]key:1] key:1
        expect [scan_all COUNT 1000 MATCH [string repeat a* 500000]] {}
    }

    test "expired keys are not returned" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r DEBUG POPULATE 50
        for {set i 0} {$i < 50} {incr i} {r SET gone:$i v PX 1}
        set dead [expr {[clock milliseconds] + 3}]
        wait_for {[clock milliseconds] > $dead}
        expect [r DBSIZE] 100
        expect [llength [scan_all MATCH nothing]] 0
        expect [r DBSIZE] 100
        # Twice perhaps: the table shrinks meanwhile.
        expect [llength [lsort -unique [scan_all COUNT 5]]] 50
        expect [r DBSIZE] 50
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "expired keys are found gone whatever TYPE asks for" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r CONFIG RESETSTAT
        r SET there v
        foreach type {string set} {
            r SET gone v PX 1
            set dead [expr {[clock milliseconds] + 3}]
            wait_for {[clock milliseconds] > $dead}
            expect [r DBSIZE] 2
            expect [scan_all TYPE $type] [expr {$type eq "string" ? "there" : ""}]
            expect [r DBSIZE] 1
        }
        expect [info_field keyspace_misses] 2
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "HSCAN and SSCAN of small and large collections" {
        foreach size {5 2000} {
            r DEL h s
            for {set i 0} {$i < $size} {incr i} {
                r HSET h f$i v$i
                r SADD s m$i
            }
            foreach {cmd width} {HSCAN 2 SSCAN 1} key {h s} {
                foreach args {{} {COUNT 100} {COUNT 100000}} {
                    set cursor 0
                    set all {}
                    while 1 {
                        lassign [r $cmd $key $cursor {*}$args] cursor some
                        lappend all {*}$some
                        if {$cursor eq "0"} break
                    }
                    expect [llength $all] [expr {$size * $width}]
                    if {$width == 2} {
                        foreach {f v} $all {expect $v v[string range $f 1 end]}
                    } else {
                        expect [llength [lsort -unique $all]] $size
                    }
                }
            }
        }
        expect_map [lindex [r HSCAN h 0 MATCH f1999 COUNT 100000] 1] {f1999 v1999}
        expect [r SSCAN s 0 MATCH m77 COUNT 100000] {0 m77}
    }
}
