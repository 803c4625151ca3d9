# SPDX-License-Identifier: BSD-3-Clause
#
# Lists: each command, hostile numbers, nodes of all sizes. `in_all` runs its body with nodes of
# several kinds. Commands that wait have a file of their own.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

proc in_all {body} {
    foreach {size depth} {-2 0 1 0 3 1 -5 0} {
        with_config [list list-max-listpack-size $size list-compress-depth $depth] {
            r FLUSHALL
            uplevel 1 $body
        }
    }
}

proc all {key} {
    r LRANGE $key 0 -1
}

# Elements 0 … count-1.
proc fill {key count} {
    set items {}
    for {set i 0} {$i < $count} {incr i} { lappend items $i }
    r RPUSH $key {*}$items
    return $items
}

# What lies within these indexes, however far they are off.
proc stretch {items from to} {
    lrange $items [expr {min(max($from, 0), 1000000)}] [expr {min(max($to, -1), 1000000)}]
}

with_server {} {
    test "LPUSH, RPUSH, LLEN, LRANGE" -resp {2 3} {
        in_all {
            expect [rt RPUSH l a b] {int 2}
            expect [rt LPUSH l c d] {int 4}
            expect [all l] {d c a b}
            expect [r OBJECT ENCODING l] quicklist
            expect [r TYPE l] list
            expect [r LLEN l] 4
            expect [r LLEN none] 0
            expect [rt LRANGE none 0 -1] {array {}}
            expect [rt RPUSHX none a] {int 0}
            expect [rt LPUSHX none a] {int 0}
            expect [r EXISTS none] 0
            expect [r RPUSHX l e] 5
            expect [r LPUSHX l f g] 7
            expect [all l] {g f d c a b e}
        }
    }

    test "integers, empty, binary and long elements" {
        in_all {
            set items [list 0 -1 127 128 -4097 $max_i64 $min_i64 01 +1 "" "\x00\xff\r\n" 1.5 \
                           [string repeat x 70] [string repeat y 5000] [string repeat z 100000]]
            r RPUSH l {*}$items
            expect [all l] $items
            foreach item $items { expect [r RPOPLPUSH l l] [lindex [all l] 0] }
            expect [all l] $items
            foreach item $items { expect [r LPOP l] $item }
            expect [r EXISTS l] 0
        }
    }

    test "LPOP, RPOP, with and without a count" -resp {2 3} {
        set no_array [expr {[resp] == 2 ? "null_array" : "null"}]
        set no_bulk [expr {[resp] == 2 ? "null_bulk" : "null"}]
        in_all {
            fill l 10
            expect [rt LPOP l] {bulk 0}
            expect [rt RPOP l] {bulk 9}
            expect [rt LPOP l 0] {array {}}
            expect [r LPOP l 2] {1 2}
            expect [r RPOP l 3] {8 7 6}
            expect [r RPOP l $max_i64] {5 4 3}
            expect [r EXISTS l] 0
            expect [rt LPOP l] $no_bulk
            expect [rt LPOP l 1] $no_array
            expect [rt LPOP l 0] $no_array
        }
        foreach count [list -1 x 1.5 $min_i64 9223372036854775808 ""] {
            expect_error "ERR value is out of range, must be positive" { r LPOP l $count }
        }
        expect_error "ERR wrong number of arguments for 'rpop' command" { r RPOP l 1 2 }
    }

    test "LRANGE, LINDEX with any index" {
        in_all {
            set items [fill l 10]
            foreach from [list $min_i64 -11 -10 -9 -1 0 1 9 10 $max_i64] {
                set at [expr {$from < 0 ? $from + 10 : $from}]
                expect [r LINDEX l $from] \
                    [expr {$at < 0 || $at > 9 ? "(nil)" : [lindex $items $at]}]
                foreach to [list $min_i64 -11 -10 -9 -1 0 1 9 10 $max_i64] {
                    set end [expr {$to < 0 ? $to + 10 : min($to, 9)}]
                    expect [r LRANGE l $from $to] [stretch $items $at $end]
                }
            }
        }
        expect [r LINDEX none 0] (nil)
        expect [r LINDEX none x] (nil)
        expect_error $not_int { r LINDEX l x }
        expect_error $not_int { r LRANGE none x 0 }
        expect_error $not_int { r LRANGE none 0 9223372036854775808 }
    }

    test "LSET" {
        in_all {
            fill l 10
            expect [rt LSET l 0 a] {simple OK}
            r LSET l -1 [string repeat b 9000]
            r LSET l 5 c
            r LSET l 5 [string repeat d 9000]
            r LSET l -10 e
            expect [all l] [list e 1 2 3 4 [string repeat d 9000] 6 7 8 [string repeat b 9000]]
            foreach index [list 10 -11 $max_i64 $min_i64] {
                expect_error "ERR index out of range" { r LSET l $index x }
            }
            expect_error $not_int { r LSET l x y }
        }
        expect_error "ERR no such key" { r LSET none x y }
    }

    test "LINSERT" {
        in_all {
            fill l 5
            expect [rt LINSERT l BEFORE 0 a] {int 6}
            expect [r LINSERT l after 4 b] 7
            expect [r LINSERT l After 2 c] 8
            expect [r LINSERT l before 2 [string repeat d 9000]] 9
            expect [all l] [list a 0 1 [string repeat d 9000] 2 c 3 4 b]
            expect [rt LINSERT l BEFORE nosuch x] {int -1}
            expect [rt LINSERT none BEFORE nosuch x] {int 0}
        }
        expect_error "ERR syntax error" { r LINSERT none AROUND a b }
    }

    test "LREM" {
        in_all {
            r RPUSH l a b a c a b a 1 01 1
            expect [rt LREM l 1 a] {int 1}
            expect [all l] {b a c a b a 1 01 1}
            expect [r LREM l -2 a] 2
            expect [all l] {b a c b 1 01 1}
            expect [r LREM l 0 1] 2
            expect [r LREM l $min_i64 b] 2
            expect [r LREM l $max_i64 nosuch] 0
            expect [all l] {a c 01}
            r LREM l 0 01
            r LREM l -5 a
            expect [r LREM l 5 c] 1
            expect [r EXISTS l] 0
            expect [r LREM l 0 c] 0
        }
        expect_error $not_int { r LREM none x a }
    }

    test "LTRIM" {
        in_all {
            foreach {from to} [list 0 -1 2 5 -3 -1 0 0 9 20 -20 3 $min_i64 $max_i64] {
                r DEL l
                set items [fill l 10]
                expect [rt LTRIM l $from $to] {simple OK}
                set at [expr {$from < 0 ? $from + 10 : $from}]
                set end [expr {$to < 0 ? $to + 10 : $to}]
                expect [all l] [stretch $items $at $end]
            }
            foreach {from to} [list 5 4 10 20 $max_i64 $min_i64 0 -11] {
                r DEL l
                fill l 10
                r LTRIM l $from $to
                expect [r EXISTS l] 0
            }
        }
        expect [r LTRIM none 0 1] OK
        expect_error $not_int { r LTRIM none 0 x }
    }

    test "LPOS" -resp {2 3} {
        set no_bulk [expr {[resp] == 2 ? "null_bulk" : "null"}]
        in_all {
            r RPUSH l a b c 1 2 3 c c
            expect [rt LPOS l c] {int 2}
            expect [r LPOS l c RANK 2] 6
            expect [r LPOS l c RANK -1] 7
            expect [r LPOS l c RANK -2 COUNT 0] {6 2}
            expect [r LPOS l c COUNT 2] {2 6}
            expect [r LPOS l c COUNT 0] {2 6 7}
            expect [r LPOS l c COUNT 0 MAXLEN 7] {2 6}
            expect [r LPOS l c count 0 maxlen 1 rank -1] 7
            expect [rt LPOS l c COUNT 0 RANK 4] {array {}}
            expect [rt LPOS l c RANK 4] $no_bulk
            expect [rt LPOS l x] $no_bulk
            expect [rt LPOS none x] $no_bulk
            expect [rt LPOS none x COUNT 1] {array {}}
            expect [r LPOS l 1] 3
            expect [r LPOS l 01] (nil)
            expect [r LPOS l c RANK $max_i64 COUNT $max_i64 MAXLEN $max_i64] {}
            expect [r LPOS l c RANK $min_i64 COUNT 1] {7 6 2}
            expect [r LPOS l c RANK [expr {$min_i64 + 1}]] (nil)
        }
        expect_error "ERR RANK can't be zero: use 1 to start from the first match, 2 from the\
second ... or use negative to start from the end of the list" { r LPOS none x RANK 0 }
        expect_error $not_int { r LPOS none x RANK x }
        foreach option {COUNT MAXLEN} {
            foreach value [list -1 x $min_i64] {
                expect_error "ERR $option can't be negative" { r LPOS none x $option $value }
            }
        }
        expect_error "ERR syntax error" { r LPOS none x RANK }
        expect_error "ERR syntax error" { r LPOS none x FOO 1 }
    }

    test "LMOVE, RPOPLPUSH" -resp {2 3} {
        set no_bulk [expr {[resp] == 2 ? "null_bulk" : "null"}]
        in_all {
            r RPUSH a 1 2 3 4
            expect [rt LMOVE a b LEFT RIGHT] {bulk 1}
            expect [r LMOVE a b right left] 4
            expect [r LMOVE a b LEFT LEFT] 2
            expect [r RPOPLPUSH a b] 3
            expect [r EXISTS a] 0
            expect [all b] {3 2 4 1}
            expect [r LMOVE b b LEFT RIGHT] 3
            expect [r LMOVE b b RIGHT RIGHT] 3
            expect [r LMOVE b b LEFT LEFT] 2
            expect [r RPOPLPUSH b b] 3
            expect [all b] {3 2 4 1}
            expect [rt LMOVE a b LEFT RIGHT] $no_bulk
            expect [rt RPOPLPUSH a b] $no_bulk
            r SET s x
            expect [rt LMOVE a s LEFT RIGHT] $no_bulk
            expect_error $wrongtype { r LMOVE b s LEFT RIGHT }
            expect_error $wrongtype { r LMOVE s b LEFT RIGHT }
            expect_error $wrongtype { r RPOPLPUSH b s }
            expect [all b] {3 2 4 1}
            r RPUSH one x
            expect [r RPOPLPUSH one one] x
            expect [all one] x
        }
        expect_error "ERR syntax error" { r LMOVE a b UP LEFT }
        expect_error "ERR syntax error" { r LMOVE a b LEFT UP }
    }

    test "LMPOP" -resp {2 3} {
        set no_array [expr {[resp] == 2 ? "null_array" : "null"}]
        in_all {
            r RPUSH a 1 2 3 4 5
            expect [rt LMPOP 1 a LEFT] {array {{bulk a} {array {{bulk 1}}}}}
            expect [r LMPOP 3 none a b RIGHT count 2] {a {5 4}}
            expect [r LMPOP 1 a LEFT COUNT $max_i64] {a {2 3}}
            expect [r EXISTS a] 0
            expect [rt LMPOP 2 a none LEFT] $no_array
            r SET s x
            expect_error $wrongtype { r LMPOP 2 none s LEFT }
        }
        foreach count [list 0 -1 x $min_i64 9223372036854775808] {
            expect_error "ERR numkeys should be greater than 0" { r LMPOP $count a LEFT }
            expect_error "ERR count should be greater than 0" { r LMPOP 1 a LEFT COUNT $count }
        }
        foreach words [list {2 a LEFT} "$max_i64 a LEFT" {2147483648 a LEFT} {1 a UP} {1 a LEFT x} \
                           {1 a LEFT COUNT} {1 a LEFT COUNT 1 COUNT 1} {1 a LEFT FOO 1}] {
            expect_error "ERR syntax error" { r LMPOP {*}$words }
        }
    }

    test "wrong types" {
        r SET s x
        foreach request {
            {LPUSH s a} {RPUSH s a} {LPUSHX s a} {RPUSHX s a} {LPOP s} {RPOP s} {LPOP s 0} {LLEN s}
            {LINDEX s 0} {LRANGE s 0 1} {LSET s 0 x} {LINSERT s BEFORE a b} {LREM s 0 a}
            {LTRIM s 0 1} {LPOS s a}
        } {
            expect_error $wrongtype { r {*}$request }
        }
        r RPUSH l a
        expect_error $wrongtype { r GET l }
        expect_error $wrongtype { r HGET l a }
        r SET l x
        expect [r TYPE l] string
    }

    test "numbers of arguments" {
        foreach words {
            LPUSH {LPUSH l} RPUSH {RPUSHX l} LPOP LLEN {LLEN a b} {LINDEX l} {LRANGE l 0} {LSET l 0}
            {LINSERT l BEFORE a} {LREM l 0} {LTRIM l 0} {LPOS l} {LMOVE a b LEFT} {RPOPLPUSH a}
            {LMPOP 1 a} {BLPOP l} {BRPOP l} {BLMOVE a b LEFT LEFT} {BRPOPLPUSH a b} {BLMPOP 0 1 a}
        } {
            set name [string tolower [lindex $words 0]]
            expect_error "ERR wrong number of arguments for '$name' command" { r {*}$words }
        }
    }

    test "a long list at both ends and in the middle" {
        in_all {
            set model [fill l 2000]
            for {set i 0} {$i < 300} {incr i} {
                set at [rand_int [llength $model]]
                r LSET l $at "set$i"
                set model [lreplace $model $at $at "set$i"]
                set at [rand_int [llength $model]]
                r LINSERT l BEFORE [lindex $model $at] "ins$i"
                set model [linsert $model $at "ins$i"]
                expect [r LINDEX l $at] "ins$i"
            }
            expect [all l] $model
            r LTRIM l 500 -501
            expect [all l] [lrange $model 500 end-500]
        }
    }

    test "changes are counted as stock counts them" {
        r FLUSHALL
        foreach {request changes} {
            {RPUSH l a b c d e f g} 7 {LPOP l} 1 {LPOP l 2} 2 {LPOP l 0} 0 {LTRIM l 0 -1} 0
            {LTRIM l 0 2} 1 {LREM l 0 x} 0 {LMOVE l m LEFT LEFT} 1 {LSET l 0 x} 1 {LSET l 0 x} 1
            {LINSERT l BEFORE x y} 1 {LINSERT l BEFORE no y} 0 {LMPOP 1 l LEFT COUNT 2} 2
            {BLPOP l 0} 1 {LMOVE m m LEFT RIGHT} 1 {LREM m 0 d} 1
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }

    test "limits of nodes are options with stock's ranges" {
        expect_map [r CONFIG GET list-*] \
            {list-max-listpack-size -2 list-max-ziplist-size -2 list-compress-depth 0}
        expect_error "ERR CONFIG SET failed*argument must be between 0 and 2147483647 inclusive" {
            r CONFIG SET list-compress-depth -1
        }
        foreach size {0 -99 2147483647} {
            with_config [list list-max-listpack-size $size] {
                r DEL l
                set items [fill l 1000]
                expect [all l] $items
            }
        }
    }
}
