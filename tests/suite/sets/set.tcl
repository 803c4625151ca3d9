# SPDX-License-Identifier: BSD-3-Clause
#
# Sets: each command in both encodings, hostile counts, encodings at the limits. `in_both` runs its
# body once with an intset and once with a table; members are integers there.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

proc in_both {body} {
    foreach {entries enc} {512 intset 0 hashtable} {
        with_config [list set-max-intset-entries $entries] {
            r FLUSHALL
            uplevel 1 [list set enc $enc]
            uplevel 1 $body
        }
    }
}

# The members 1 … count.
proc numbers {count} {
    set list {}
    for {set i 1} {$i <= $count} {incr i} { lappend list $i }
    return $list
}

with_server {} {
    test "SADD, SREM, SCARD, SISMEMBER, SMISMEMBER, SMEMBERS" -resp {2 3} {
        in_both {
            expect [rt SADD s 3 1 2] {int 3}
            expect [r OBJECT ENCODING s] $enc
            expect [r SADD s 1] 0
            expect [r SADD s 1 1 9 9] 1
            expect [r SCARD s] 4
            expect [r SCARD none] 0
            expect [rt SISMEMBER s 9] {int 1}
            expect [r SISMEMBER s 8] 0
            expect [r SISMEMBER none 8] 0
            expect [rt SMISMEMBER s 9 8 x 1] {array {{int 1} {int 0} {int 0} {int 1}}}
            expect [r SMISMEMBER none 9 8] {0 0}
            expect_set [r SMEMBERS s] {1 2 3 9}
            expect [r SMEMBERS none] {}
            expect [r SREM s 9 8 9] 1
            expect [r SREM s x] 0
            expect [r SREM none 1] 0
            expect [r SREM s 1 2 3 4] 3
            expect [r EXISTS s] 0
        }
        r SADD one a
        expect [rt SMEMBERS one] [list [expr {[resp] == 3 ? "set" : "array"}] {{bulk a}}]
        expect [rt SMEMBERS none] [list [expr {[resp] == 3 ? "set" : "array"}] {}]
    }

    test "an intset is sorted" {
        r SADD s 5 -1 300 70000 -70000 9223372036854775807 -9223372036854775808 0
        expect [r SMEMBERS s] {-9223372036854775808 -70000 -1 0 5 300 70000 9223372036854775807}
        expect [r OBJECT ENCODING s] intset
    }

    test "members of every length" {
        foreach size {0 1 15 16 17 126 127 128 129 1000 70000 2000000} {
            set text [string range [string repeat "0123456789ab\0\xff\r\n" \
                [expr {$size / 16 + 1}]] 0 $size-1]
            expect [r SADD s $text] 1
            expect [r SADD s $text] 0
            expect [r SISMEMBER s $text] 1
        }
        foreach member [r SMEMBERS s] { expect [r SREM s $member] 1 }
        expect [r EXISTS s] 0
    }

    test "random changes" {
        in_both {
            unset -nocomplain model
            array set model {}
            for {set i 0} {$i < 2000} {incr i} {
                set member [rand_int 100]
                if {$i > 1500} { set member [rand_pick {m 0 "" - 9223372036854775807 -9}]$member }
                switch [rand_int 3] {
                    0 {
                        expect [r SREM s $member] [info exists model($member)]
                        unset -nocomplain model($member)
                    }
                    1 { expect [r SISMEMBER s $member] [info exists model($member)] }
                    2 {
                        expect [r SADD s $member] [expr {![info exists model($member)]}]
                        set model($member) 1
                    }
                }
            }
            expect_set [r SMEMBERS s] [array names model]
            expect [r SCARD s] [array size model]
        }
    }

    test "SMOVE" {
        in_both {
            r SADD a 1 2 3
            expect [r SMOVE a b 1] 1
            expect [r SMOVE a b 9] 0
            expect [r SMOVE none b 1] 0
            expect [r SMOVE a none 9] 0
            expect [r EXISTS none] 0
            expect_set [r SMEMBERS a] {2 3}
            expect [r SMEMBERS b] 1
            r SADD b 2
            expect [r SMOVE a b 2] 1
            expect [r SMOVE a b 3] 1
            expect [r EXISTS a] 0
            expect_set [r SMEMBERS b] {1 2 3}
            expect [r SMOVE b b 3] 1
            expect [r SMOVE b b 9] 0
            expect [r SCARD b] 3
        }
        r SADD numbers 1 2
        r SADD words a b
        expect [r SMOVE words numbers a] 1
        expect [r OBJECT ENCODING numbers] hashtable
    }

    test "SPOP" -resp {2 3} {
        in_both {
            r SADD s {*}[numbers 50]
            set got {}
            for {set i 0} {$i < 50} {incr i} { lappend got [r SPOP s] }
            expect_set $got [numbers 50]
            expect [r EXISTS s] 0
            expect [r SPOP s] (nil)
            expect [r SPOP s 5] {}
        }
        set type [expr {[resp] == 3 ? "set" : "array"}]
        expect [rt SPOP none 3] [list $type {}]
        r SADD one a
        expect [rt SPOP one 0] [list $type {}]
        expect [rt SPOP one 3] [list $type {{bulk a}}]
    }

    test "SPOP with a count" {
        in_both {
            foreach count {1 2 7 8 9 20 41 42 43 49 50 51 9223372036854775807} {
                r SADD s {*}[numbers 50]
                set got [r SPOP s $count]
                expect [llength $got] [expr {min($count, 50)}]
                set rest [r SMEMBERS s]
                expect_set [concat $got $rest] [numbers 50]
                expect [r SCARD s] [llength $rest]
                r DEL s
            }
        }
    }

    test "SPOP of nearly all makes an intset again" {
        foreach {members count enc} {
            13 10 hashtable 13 11 intset 12 10 intset 24 18 hashtable 24 20 intset 6 5 intset
        } {
            r SADD s a {*}[numbers $members]
            r SREM s a
            r SPOP s $count
            expect [list $members $count [r OBJECT ENCODING s]] [list $members $count $enc]
            r DEL s
        }
    }

    test "SRANDMEMBER" -resp {2 3} {
        in_both {
            r SADD s {*}[numbers 20]
            expect_true {[r SRANDMEMBER s] in [numbers 20]}
            expect [r SRANDMEMBER none] (nil)
            expect [rt SRANDMEMBER none 3] {array {}}
            expect [rt SRANDMEMBER none -3] {array {}}
            expect [r SRANDMEMBER s 0] {}
            foreach count {1 2 5 6 7 10 15 19 20 21 1000 9223372036854775807} {
                set got [r SRANDMEMBER s $count]
                expect [llength $got] [expr {min($count, 20)}]
                expect [llength [lsort -unique $got]] [llength $got]
                foreach member $got { expect_true {$member in [numbers 20]} }
            }
            foreach count {-1 -2 -20 -50 -5000} {
                set got [r SRANDMEMBER s $count]
                expect [llength $got] [expr {-$count}]
                expect_true {[lsort -unique [concat $got [numbers 20]]] eq [lsort [numbers 20]]}
            }
            expect [r SCARD s] 20
        }
        r SADD one a
        expect [rt SRANDMEMBER one 5] {array {{bulk a}}}
        expect [rt SRANDMEMBER one -2] {array {{bulk a} {bulk a}}}
    }

    test "SRANDMEMBER and SPOP reach every member" {
        in_both {
            foreach call {{SRANDMEMBER s} {SRANDMEMBER s 1} {SRANDMEMBER s 3} {SRANDMEMBER s 8}
                          {SRANDMEMBER s -1} {SRANDMEMBER s -3} {SPOP s} {SPOP s 3} {SPOP s 8}} {
                unset -nocomplain seen
                for {set i 0} {$i < 1000 && [array size seen] < 10} {incr i} {
                    r SADD s {*}[numbers 10]
                    foreach member [r {*}$call] { set seen($member) 1 }
                }
                expect [list $call [array size seen]] [list $call 10]
            }
        }
    }

    test "counts out of range" {
        r SADD s 1 2 3
        foreach count {x "" 1.5 9223372036854775808} {
            expect_error $::not_int {r SRANDMEMBER s $count}
            expect_error $::not_int {r SRANDMEMBER none $count}
        }
        expect_error "ERR value is out of range, value must between -9223372036854775807 and\
            9223372036854775807" {r SRANDMEMBER s $::min_i64}
        foreach count [list x "" -1 $::min_i64 9223372036854775808] {
            expect_error "ERR value is out of range, must be positive" {r SPOP s $count}
            expect_error "ERR value is out of range, must be positive" {r SPOP none $count}
        }
        expect_error "ERR syntax error" {r SPOP s 1 2}
        expect_error "ERR syntax error" {r SRANDMEMBER s 1 2}
        expect [r SCARD s] 3
    }

    test "more repetitions than any reply may have" -only cogwheel {
        r SADD s 1 2 3
        foreach count {-9223372036854775807 -1000000000000 -16777217} {
            expect_error "ERR value is out of range" {r SRANDMEMBER s $count}
            expect [r SRANDMEMBER none $count] {}
        }
    }

    test "a long reply ends at the output limit" -only cogwheel {
        r SADD s [string repeat x 1000]
        with_config {client-output-buffer-limit "normal 10000000 0 0"} {
            set c [client]
            set before [srv rss]
            expect_error "connection closed*" {$c SRANDMEMBER s -16777216}
            expect_true {[srv rss] - $before < 64 * 1024 * 1024}
        }
        expect [llength [r SRANDMEMBER s -5000]] 5000
    }

    test "a client that leaves in the middle of a long reply" -only cogwheel {
        r SADD s [string repeat x 100]
        set c [client]
        client::send $c SRANDMEMBER s -3000000
        client::flush $c
        client::close $c
        expect [r PING] PONG
    }

    test "SSCAN" {
        foreach members [list [numbers 300] [lmap i [numbers 300] { string cat m $i }]] {
            r SADD s {*}$members
            foreach count {1 10 100 1000} {
                unset -nocomplain seen
                set cursor 0
                while 1 {
                    lassign [r SSCAN s $cursor COUNT $count] cursor elements
                    foreach member $elements { set seen($member) 1 }
                    if {$cursor == 0} break
                }
                expect_set [array names seen] $members
            }
            r DEL s
        }
    }

    test "SSCAN's options" -resp {2 3} {
        expect [rt SSCAN none 0] {array {{bulk 0} {array {}}}}
        r SADD s 1 2 13
        expect [r SSCAN s 0] {0 {1 2 13}}
        expect [r SSCAN s 5 COUNT 1] {0 {1 2 13}}
        expect [r SSCAN s 0 MATCH 1*] {0 {1 13}}
        r SADD s m
        expect_set [lindex [r SSCAN s 0] 1] {1 2 13 m}
        expect_set [lindex [r SSCAN s 0 COUNT 100 MATCH ?] 1] {1 2 m}
        foreach words {{COUNT 0} MATCH FOO {TYPE string}} {
            expect_error "ERR syntax error" {r SSCAN s 0 {*}$words}
        }
        expect_error $::not_int {r SSCAN s 0 COUNT x}
        expect_error "ERR invalid cursor" {r SSCAN s x}
        expect [r SSCAN none 0 FOO] {0 {}}
    }

    test "encodings at the limits" {
        r SADD s {*}[numbers 512]
        expect [r OBJECT ENCODING s] intset
        r SADD s 1
        expect [r OBJECT ENCODING s] intset
        r SADD s 513
        expect [r OBJECT ENCODING s] hashtable
        expect [r SCARD s] 513
        foreach member {a 01 1.0 -0 +1 9223372036854775808 ""} {
            r DEL s
            r SADD s 1 2 $member
            expect [list $member [r OBJECT ENCODING s]] [list $member hashtable]
            r SREM s $member
            expect [r OBJECT ENCODING s] hashtable
            expect_set [r SMEMBERS s] {1 2}
        }
        with_config {set-max-intset-entries 2} {
            r SADD a 1 2
            r SADD b 3
            expect [r OBJECT ENCODING a] intset
            r SADD a 2
            expect [r OBJECT ENCODING a] intset
            r SMOVE b a 3
            expect [r OBJECT ENCODING a] hashtable
        }
    }

    test "digests don't depend on encoding or order" {
        r SADD w a
        expect [r DEBUG DIGEST-VALUE w] 344e2dce84032272e136053b2083009290148e5e
        r SADD w b
        expect [r DEBUG DIGEST-VALUE w] dd99329063ca0f1f28df2ac68d94b82fd95501c6
        r SADD i 5
        expect [r DEBUG DIGEST-VALUE i] 1e8db12fe49a0474628d17bbaffffc22e93c8322
        r SADD t x 5
        r SREM t x
        expect [r OBJECT ENCODING t] hashtable
        expect [r DEBUG DIGEST-VALUE t] 1e8db12fe49a0474628d17bbaffffc22e93c8322
    }

    test "a large set grows, is read and shrinks" {
        set members {}
        for {set i 0} {$i < 20000} {incr i} { lappend members member:$i }
        expect [r SADD s {*}$members] 20000
        expect_set [r SMEMBERS s] $members
        expect [r SMISMEMBER s {*}[lrange $members 0 99]] [lrepeat 100 1]
        expect [llength [lsort -unique [r SRANDMEMBER s 5000]]] 5000
        expect [llength [lsort -unique [r SRANDMEMBER s 15000]]] 15000
        set got [concat [r SPOP s 5000] [r SPOP s 14000] [r SMEMBERS s]]
        expect_set $got $members
        expect [r SREM s {*}$members] 1000
        expect [r EXISTS s] 0
    }

    test "a value of another type" {
        r SET k 1
        r SADD s 1
        foreach request {
            {SADD k 1} {SREM k 1} {SCARD k} {SISMEMBER k 1} {SMISMEMBER k 1} {SMEMBERS k} {SPOP k}
            {SPOP k 1} {SPOP k 0} {SRANDMEMBER k} {SRANDMEMBER k 1} {SRANDMEMBER k -1}
            {SMOVE k s 1} {SMOVE s k 1} {SMOVE s k 99} {SMOVE k k 1} {SSCAN k 0} {SSCAN k 0 FOO}
        } {
            expect_error $::wrongtype {r {*}$request}
        }
        expect [r SMOVE none k 1] 0
        expect_error "ERR value is out of range, must be positive" {r SPOP k -1}
        expect_error $::not_int {r SRANDMEMBER k x}
        expect_error "ERR invalid cursor" {r SSCAN k x}
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            sadd {s} srem {s} scard {{} {s 1}} sismember {s {s 1 2}} smismember {s}
            smembers {{} {s 1}} spop {{}} srandmember {{}} smove {{s d} {s d 1 2}} sscan {s}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {SADD s 1 2 3} 3 {SADD s 1} 0 {SADD s 1 9} 1 {SREM s 1 7} 1 {SREM s 7} 0
            {SMOVE s d 2} 2 {SMOVE s s 3} 0 {SADD s 2} 1 {SMOVE s d 2} 1 {SPOP s 0} 0
            {SADD s 4 5} 2 {SPOP s} 1 {SPOP s 2} 2 {SPOP s 100} 1 {SRANDMEMBER d} 0
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
