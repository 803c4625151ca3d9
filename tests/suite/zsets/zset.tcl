# SPDX-License-Identifier: BSD-3-Clause
#
# Sorted sets, member by member, in both encodings. `in_both` runs its body once with a listpack
# and once with a tree; ranges are in range.tcl, unions and intersections in algebra.tcl.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set not_float "ERR value is not a valid float"

proc in_both {body} {
    foreach {entries enc} {128 listpack 0 skiplist} {
        with_config [list zset-max-listpack-entries $entries] {
            r FLUSHALL
            uplevel 1 [list set enc $enc]
            uplevel 1 $body
        }
    }
}

# Members m0 … with scores 0 …
proc fill {key count} {
    set pairs {}
    for {set i 0} {$i < $count} {incr i} { lappend pairs $i m$i }
    r ZADD $key {*}$pairs
}

# A score as rt shows it in this protocol.
proc score {value} {
    if {[resp] == 3} { return [list double $value] }
    return [list bulk $value]
}

with_server {} {
    test "ZADD, ZSCORE, ZCARD, ZREM" -resp {2 3} {
        in_both {
            expect [rt ZADD z 1 a 2.5 b 1 ""] {int 3}
            expect [r OBJECT ENCODING z] $enc
            expect [r TYPE z] zset
            expect [rt ZSCORE z b] [score 2.5]
            expect [r ZSCORE z none] (nil)
            expect [r ZSCORE none a] (nil)
            expect [r ZADD z 3 a 3 c] 1
            expect [r ZADD z CH 4 a 3 c] 1
            expect [r ZCARD z] 4
            expect [r ZRANGE z 0 -1] {{} b c a}
            expect [r ZREM z a none b b] 2
            expect [r ZREM none a] 0
            expect [r ZREM z c "" x] 2
            expect [r EXISTS z] 0
            expect [r ZCARD z] 0
        }
    }

    test "equal scores are ordered by their bytes" {
        in_both {
            r ZADD z 0 b 0 a 0 ab 0 "" 0 "\xff" 0 B 0 10 0 9 -0 aa
            expect [r ZRANGE z 0 -1] [list "" 10 9 B a aa ab b "\xff"]
        }
    }

    test "scores at their limits" -resp {2 3} {
        in_both {
            foreach {given shown} {
                inf inf -inf -inf +inf inf 1e300 1.0000000000000001e+300 0.1 0.10000000000000001
                100000000000000000 1e+17 9007199254740993 9007199254740992 1e5 100000 .5 0.5
                -1.5e-10 -1.5e-10 0x10 16 4611686018427387904 4.6116860184273879e+18
                -9223372036854775808 -9.2233720368547758e+18 infinity inf 3.0 3
            } {
                r ZADD z $given m
                expect [list $given [rt ZSCORE z m]] [list $given [score $shown]]
            }
        }
        foreach bad {nan "" a " 1" "1 " 1x 1e5000 NaN} {
            expect_error $::not_float {r ZADD z $bad m}
            expect_error $::not_float {r ZADD z 1 a $bad m}
            expect_error $::not_float {r ZINCRBY z $bad m}
        }
        expect [r ZSCORE z a] (nil)
    }

    test "a negative zero" {
        r ZADD small -0 m
        expect [r ZSCORE small m] 0
        with_config {zset-max-listpack-entries 0} {
            r ZADD large -0 m 0 n
            expect [r ZSCORE large m] -0
            expect [r ZRANGE large 0 -1] {m n}
            r ZADD large 0 m
            expect [r ZSCORE large m] -0
            expect [r ZCOUNT large 0 0] 2
        }
    }

    test "ZADD's options" -resp {2 3} {
        in_both {
            expect [r ZADD z NX 1 a 2 b] 2
            expect [r ZADD z NX CH 5 a 3 c] 1
            expect [r ZADD z XX 6 a 7 d] 0
            expect [r ZADD z XX CH 7 a 7 d] 1
            expect [r ZRANGE z 0 -1] {b c a}
            expect [r ZADD z GT CH 1 a 9 b 1 e] 2
            expect [r ZADD z LT CH 1 a 10 b 2 e] 1
            expect [r ZMSCORE z a b c e] {1 9 3 1}
            expect [r ZADD z XX GT CH 20 none 20 c] 1
            expect [rt ZADD z INCR 1.5 a] [score 2.5]
            expect [r ZADD z NX INCR 1 a] (nil)
            expect [r ZADD z XX INCR 1 none] (nil)
            expect [r ZADD z GT INCR -1 a] (nil)
            expect [r ZADD z LT INCR -1 a] 1.5
            expect [r ZADD z INCR 0 a] 1.5
            expect [r ZADD none XX 1 a] 0
            expect [r ZADD none XX INCR 1 a] (nil)
            expect [r EXISTS none] 0
        }
    }

    test "ZADD's errors" {
        foreach words {{XX NX 1 a} {NX CH XX 1 a}} {
            expect_error "ERR XX and NX options at the same time are not compatible" \
                {r ZADD z {*}$words}
        }
        foreach words {{GT LT 1 a} {GT NX 1 a} {LT NX 1 a}} {
            expect_error "ERR GT, LT, and/or NX options at the same time are not compatible" \
                {r ZADD z {*}$words}
        }
        expect_error "ERR INCR option supports a single increment-element pair" \
            {r ZADD z INCR 1 a 2 b}
        foreach words {{1 a 2} {XX CH} {NX 1} {INCR 1 a 2}} {
            expect_error "ERR syntax error" {r ZADD z {*}$words}
        }
        expect_error $::not_float {r ZADD z FOO 1}
        expect [r EXISTS z] 0
    }

    test "ZINCRBY" -resp {2 3} {
        in_both {
            expect [rt ZINCRBY z 2 a] [score 2]
            expect [r ZINCRBY z -0.5 a] 1.5
            expect [r ZINCRBY z inf a] inf
            expect_error "ERR resulting score is not a number (NaN)" {r ZINCRBY z -inf a}
            expect_error "ERR resulting score is not a number (NaN)" {r ZADD z INCR -inf a}
            expect [r ZSCORE z a] inf
        }
    }

    test "ZRANK, ZREVRANK, ZMSCORE" -resp {2 3} {
        in_both {
            fill z 50
            foreach i {0 1 25 48 49} {
                expect [r ZRANK z m$i] $i
                expect [r ZREVRANK z m$i] [expr {49 - $i}]
            }
            expect [r ZRANK z none] (nil)
            expect [r ZREVRANK z none] (nil)
            expect [r ZRANK none m1] (nil)
            expect [r ZMSCORE z m1 none m49] {1 (nil) 49}
            expect [r ZMSCORE none a b] {(nil) (nil)}
        }
    }

    test "ZPOPMIN, ZPOPMAX" -resp {2 3} {
        in_both {
            fill z 10
            expect [rt ZPOPMIN z] [list array [list {bulk m0} [score 0]]]
            expect [rt ZPOPMAX z] [list array [list {bulk m9} [score 9]]]
            set first [list {bulk m1} [score 1]]
            set second [list {bulk m2} [score 2]]
            if {[resp] == 3} {
                expect [rt ZPOPMIN z 2] [list array [list [list array $first] [list array $second]]]
            } else {
                expect [rt ZPOPMIN z 2] [list array [concat $first $second]]
            }
            expect [rt ZPOPMIN z 0] {array {}}
            expect [rt ZPOPMIN none] {array {}}
            expect [rt ZPOPMAX none 3] {array {}}
            r ZPOPMAX z 4
            expect [r ZRANGE z 0 -1] {m3 m4}
            r ZPOPMAX z 9223372036854775807
            expect [r EXISTS z] 0
        }
        foreach count {-1 x 1.5 9223372036854775808} {
            expect_error "ERR value is out of range, must be positive" {r ZPOPMIN z $count}
        }
        expect_error "ERR syntax error" {r ZPOPMAX z 1 2}
    }

    test "ZMPOP" -resp {2 3} {
        in_both {
            fill z 5
            expect [rt ZMPOP 2 none z MIN] [list array [list {bulk z} [list array [list \
                [list array [list {bulk m0} [score 0]]]]]]]
            expect [lindex [r ZMPOP 1 z max COUNT 2] 1] {{m4 4} {m3 3}}
            expect [r ZCARD z] 2
            r ZMPOP 1 z MIN COUNT 100
            expect [r EXISTS z] 0
            expect [r ZMPOP 2 z none MIN] (nil)
        }
        foreach {words text} {
            {0 z MIN} "ERR numkeys should be greater than 0"
            {x z MIN} "ERR numkeys should be greater than 0"
            {2 z MIN} "ERR syntax error" {9223372036854775807 z MIN} "ERR syntax error"
            {1 z FOO} "ERR syntax error" {1 z MIN COUNT} "ERR syntax error"
            {1 z MIN COUNT 1 COUNT 1} "ERR syntax error" {1 z MIN FOO 1} "ERR syntax error"
            {1 z MIN COUNT 0} "ERR count should be greater than 0"
            {1 z MIN COUNT x} "ERR count should be greater than 0"
        } {
            expect_error $text {r ZMPOP {*}$words}
        }
    }

    test "ZRANDMEMBER" -resp {2 3} {
        in_both {
            fill z 20
            expect_true {[r ZRANDMEMBER z] in [r ZRANGE z 0 -1]}
            expect [r ZRANDMEMBER none] (nil)
            expect [r ZRANDMEMBER none 5] {}
            expect [r ZRANDMEMBER z 0] {}
            foreach count {1 3 6 7 15 20 21 9223372036854775807} {
                set got [r ZRANDMEMBER z $count]
                expect [llength $got] [expr {min($count, 20)}]
                expect [llength [lsort -unique $got]] [llength $got]
            }
            foreach count {-1 -20 -3000} {
                expect [llength [r ZRANDMEMBER z $count]] [expr {-$count}]
            }
            r FLUSHALL
            r ZADD z 7 m
            set pair [list {bulk m} [score 7]]
            if {[resp] == 3} {
                expect [rt ZRANDMEMBER z -2 WITHSCORES] \
                    [list array [list [list array $pair] [list array $pair]]]
            } else {
                expect [rt ZRANDMEMBER z -2 WITHSCORES] [list array [concat $pair $pair]]
            }
        }
    }

    test "ZRANDMEMBER with counts out of range" {
        fill z 3
        expect_error $::not_int {r ZRANDMEMBER z x}
        expect_error "ERR value is out of range, value must between -9223372036854775807 and\
            9223372036854775807" {r ZRANDMEMBER z -9223372036854775808}
        foreach count {9223372036854775807 4611686018427387904 -4611686018427387904} {
            expect_error "ERR value is out of range" {r ZRANDMEMBER z $count WITHSCORES}
        }
        expect [llength [r ZRANDMEMBER z 4611686018427387903 WITHSCORES]] 6
        expect_error "ERR syntax error" {r ZRANDMEMBER z 1 FOO}
        expect_error "ERR syntax error" {r ZRANDMEMBER z 1 WITHSCORES FOO}
    }

    test "more repetitions than any reply may have" -only cogwheel {
        fill z 3
        foreach count {-9223372036854775807 -1000000000000 -67108865} {
            expect_error "ERR value is out of range" {r ZRANDMEMBER z $count}
            expect [r ZRANDMEMBER none $count] {}
        }
    }

    test "ZSCAN" -resp {2 3} {
        in_both {
            fill z 300
            foreach count {1 10 1000} {
                unset -nocomplain seen
                set cursor 0
                while 1 {
                    lassign [r ZSCAN z $cursor COUNT $count] cursor elements
                    foreach {member score} $elements {
                        expect m$score $member
                        set seen($member) 1
                    }
                    if {$cursor == 0} break
                }
                expect [array size seen] 300
            }
            expect [rt ZSCAN none 0] {array {{bulk 0} {array {}}}}
            expect_map [lindex [r ZSCAN z 0 MATCH m29? COUNT 1000] 1] {
                m290 290 m291 291 m292 292 m293 293 m294 294 m295 295 m296 296 m297 297 m298 298
                m299 299}
        }
        expect_error "ERR syntax error" {r ZSCAN z 0 COUNT 0}
        expect_error "ERR invalid cursor" {r ZSCAN z x}
    }

    test "scores as ZSCAN prints them depend on the encoding" {
        r ZADD z 1e17 m
        expect [r ZSCAN z 0] {0 {m 100000000000000000}}
        with_config {zset-max-listpack-entries 0} {
            r ZADD t 1e17 m
            expect [r ZSCAN t 0] {0 {m 1e+17}}
        }
    }

    test "encodings at the limits" {
        fill z 128
        expect [r OBJECT ENCODING z] listpack
        r ZADD z 5 m0
        expect [r OBJECT ENCODING z] listpack
        r ZADD z 1 more
        expect [r OBJECT ENCODING z] skiplist
        for {set i 0} {$i < 128} {incr i} { r ZREM z m$i }
        expect [r OBJECT ENCODING z] skiplist
        expect [r ZRANGE z 0 -1 WITHSCORES] {more 1}

        set long [string repeat a 64]
        r ZADD short 1 $long
        expect [r OBJECT ENCODING short] listpack
        r ZADD short 1 ${long}b
        expect [r OBJECT ENCODING short] skiplist
        r ZINCRBY new 1 ${long}b
        expect [r OBJECT ENCODING new] skiplist
        with_config {zset-max-ziplist-entries 2 zset-max-ziplist-value 3} {
            r ZADD two 1 a 2 b
            expect [r OBJECT ENCODING two] listpack
            r ZADD two 1 c
            expect [r OBJECT ENCODING two] skiplist
            r ZADD value 1 abcd
            expect [r OBJECT ENCODING value] skiplist
        }
    }

    test "digests don't depend on the encoding" {
        r ZADD z 1 a 0.5 b inf c
        set digest [r DEBUG DIGEST-VALUE z]
        with_config {zset-max-listpack-entries 0} {
            r ZADD other inf c 0.5 b 1 a
            expect [r OBJECT ENCODING other] skiplist
        }
        expect [r DEBUG DIGEST-VALUE other] $digest
    }

    test "members of every length" {
        in_both {
            foreach size {0 1 63 64 65 253 254 255 256 257 4095 4096 70000 2000000} {
                set text [string range [string repeat "0123456789ab\0\xff\r\n" \
                    [expr {$size / 16 + 1}]] 0 $size-1]
                r ZADD z $size $text
                expect [r ZSCORE z $text] $size
                if {[r ZRANGE z $size $size BYSCORE] ne [list $text]} { expect "of $size" "" }
            }
            expect [r ZCARD z] 14
        }
    }

    test "a large sorted set grows, is read and shrinks" {
        for {set i 0} {$i < 20000} {incr i 100} {
            set pairs {}
            for {set k $i} {$k < $i + 100} {incr k} {
                lappend pairs [expr {$k * 7919 % 20000}] member:$k
            }
            expect [r ZADD z {*}$pairs] 100
        }
        expect [r ZCARD z] 20000
        expect [r ZCOUNT z 5000 (15000] 10000
        for {set i 0} {$i < 200} {incr i} {
            set k [rand_int 20000]
            set rank [expr {$k * 7919 % 20000}]
            expect [r ZRANK z member:$k] $rank
            expect [r ZRANGE z $rank $rank] member:$k
        }
        expect [llength [lsort -unique [r ZRANDMEMBER z 15000]]] 15000
        expect [r ZREMRANGEBYRANK z 10 19989] 19980
        expect [llength [r ZPOPMAX z 15]] 30
        expect [r ZRANGE z 0 -1 WITHSCORES] [concat {*}[lmap s {0 1 2 3 4} {
            # the k with k * 7919 % 20000 = s
            list member:[expr {$s * 17679 % 20000}] $s
        }]]
    }

    test "a value of another type" {
        r SET s 1
        foreach request {
            {ZADD s 1 a} {ZINCRBY s 1 a} {ZREM s a} {ZCARD s} {ZSCORE s a} {ZMSCORE s a}
            {ZRANK s a} {ZREVRANK s a} {ZPOPMIN s} {ZPOPMAX s 0} {ZMPOP 1 s MIN}
            {ZMPOP 2 none s MIN} {ZRANDMEMBER s} {ZRANDMEMBER s 1} {ZSCAN s 0} {ZCOUNT s 0 1}
            {ZLEXCOUNT s - +} {ZRANGE s 0 1} {ZREMRANGEBYRANK s 0 1} {ZREMRANGEBYSCORE s 0 1}
            {ZRANGESTORE d s 0 1} {ZUNION 1 s} {ZINTERSTORE d 2 none s} {ZINTERCARD 1 s}
        } {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error $::not_float {r ZADD s x a}
        expect_error $::not_int {r ZRANGE s a b}
        expect_error "ERR min or max is not a float" {r ZCOUNT s a b}
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h} 8 {ZADD z 1 a 3 b} 1 {ZADD z 1 a} 0
            {ZADD z INCR 0 a} 0 {ZINCRBY z 1 a} 1 {ZPOPMIN z 2} 2 {ZPOPMAX z} 1
            {ZMPOP 1 z MIN COUNT 2} 2 {ZREMRANGEBYSCORE z 5 5} 1 {ZREM z f x} 1 {ZREM z x} 0
            {ZRANGESTORE d z 0 -1} 1 {ZRANGESTORE d z 5 6} 1 {ZRANGESTORE d z 5 6} 0
            {ZUNIONSTORE d 1 z} 1 {ZINTERSTORE d 2 z none} 1 {ZDIFFSTORE d 1 none} 0 {ZCARD z} 0
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
