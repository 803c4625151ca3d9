# SPDX-License-Identifier: BSD-3-Clause
#
# Strings as whole values: SET with each option and each pair that excludes one another, GET and
# its family, commands with many keys.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set max_i64 9223372036854775807

proc bad_time {command} { return "ERR invalid expire time in '$command' command" }

# Bytes and lengths around what an entry embeds, a size class, a long key.
proc sizes {} { list 0 1 15 16 17 43 44 45 63 64 65 100 112 120 127 128 129 255 256 300 4096 70000 }

proc sized {size} { string range [string repeat "0123456789abcd\0\xff" [expr {$size / 16 + 1}]] 0 $size-1 }

with_server {} {
    test "SET and GET keep every length of key and value" -resp {2 3} {
        foreach key_size {1 2 31 32 100 120 128 255 256 1000} {
            set key [string repeat k $key_size]
            foreach size [sizes] {
                expect [rt SET $key [sized $size]] {simple OK}
                if {[r GET $key] ne [sized $size]} { expect "differs: $key_size, $size" "" }
                expect [r STRLEN $key] $size
            }
        }
    }

    test "SET overwrites any length with any length" {
        for {set i 0} {$i < 2000} {incr i} {
            set key key:[rand_int 5]
            set value [sized [rand_pick [sizes]]]
            switch [rand_int 4] {
                0 { set value [rand_int 1000000] }
                1 { r EXPIRE $key 1000 }
                2 { r SET $key $value KEEPTTL }
            }
            r SET $key $value
            if {[r GET $key] ne $value} { expect [r GET $key] $value }
        }
    }

    test "absent keys" {
        expect [rt GET nokey] {null_bulk}
        expect [r STRLEN nokey] 0
        expect [rt GETDEL nokey] {null_bulk}
        expect [rt GETEX nokey] {null_bulk}
        expect [rt GETSET nokey v] {null_bulk}
    }

    test "the null of RESP3" -resp 3 {
        expect [rt GET nokey] {null}
        expect [rt MGET nokey nokey] {array {null null}}
        expect [rt SET nokey v XX] {null}
    }

    test "NX and XX" {
        expect [rt SET k 1 XX] {null_bulk}
        expect [r SET k 1 NX] OK
        expect [rt SET k 2 nx] {null_bulk}
        expect [r GET k] 1
        expect [r SET k 3 xX] OK
        expect [r GET k] 3
    }

    test "GET returns what was there" -resp {2 3} {
        expect [r SET k 1 GET] (nil)
        expect [r SET k 2 GET] 1
        expect [r SET k 3 NX GET] 2
        expect [r GET k] 2
        expect [r SET k 4 XX GET] 2
        expect [r SET other 4 XX GET] (nil)
        expect [r EXISTS other] 0
        expect [r SET other 5 NX GET] (nil)
        expect [r GET other] 5
    }

    test "EX, PX, EXAT, PXAT, KEEPTTL" {
        r SET k v EX 100
        expect_near [r PTTL k] 100000 5000
        r SET k v PX 50000
        expect_near [r PTTL k] 50000 5000
        set now [clock seconds]
        r SET k v EXAT [expr {$now + 200}]
        expect [r EXPIRETIME k] [expr {$now + 200}]
        r SET k v PXAT [expr {$now * 1000 + 300123}]
        expect [r PEXPIRETIME k] [expr {$now * 1000 + 300123}]
        r SET k w KEEPTTL
        expect [r PEXPIRETIME k] [expr {$now * 1000 + 300123}]
        r SET k 12 KEEPTTL GET
        expect [r PEXPIRETIME k] [expr {$now * 1000 + 300123}]
        r SET k v
        expect [r TTL k] -1
        r SET k v PXAT $::max_i64
        expect [r PEXPIRETIME k] $::max_i64
        expect [r GET k] v
    }

    test "a time that is past makes the key vanish" {
        expect [r SET k v PXAT 1] OK
        expect [r GET k] (nil)
        expect [r SET k v EXAT 1] OK
        expect [r EXISTS k] 0
        expect [r SET k v NX EXAT 1] OK
        expect [r SET k v NX] OK
        expect [r SET k w PX 30] OK
        wait_for {[r EXISTS k] == 0}
    }

    test "times that are none" {
        foreach word {EX PX EXAT PXAT} {
            foreach time {0 -1 -9223372036854775808} {
                expect_error [bad_time set] {r SET k v $word $time}
            }
            foreach time {x 1.5 "" " 1" 9223372036854775808} {
                expect_error $::not_int {r SET k v $word $time}
            }
        }
        foreach {word time} [list EX $::max_i64 PX $::max_i64 EXAT $::max_i64 \
                EX 9223372036854776 EXAT 9223372036854776] {
            expect_error [bad_time set] {r SET k v $word $time}
        }
        expect [r EXISTS k] 0
        foreach {command time} {SETEX 0 SETEX -1 SETEX 9223372036854775807 PSETEX 0 PSETEX -5} {
            expect_error [bad_time [string tolower $command]] {r $command k $time v}
        }
        expect_error $::not_int {r SETEX k x v}
    }

    test "options that exclude one another" {
        foreach words {
            {NX XX} {XX NX} {EX 10 PX 10} {EX 10 KEEPTTL} {KEEPTTL EX 10} {PXAT 10 EXAT 10} {EX}
            {NX EX} {PERSIST} {FOO} {""} {GET NX XX} {10} {KEEPTTL PXAT 100}
        } {
            expect_error "ERR syntax error" {r SET k v {*}$words}
        }
        expect [r SET k v EX 10 EX 20] OK
        expect_near [r TTL k] 20 10
        expect [r SET k v NX NX] (nil)
        expect [r SET k v GET GET] v
        expect [r SET k v KEEPTTL KEEPTTL] OK
    }

    test "SETNX, SETEX, PSETEX, GETSET" {
        expect [r SETNX k 1] 1
        expect [r SETNX k 2] 0
        expect [r GET k] 1
        expect [r SETEX k 100 v] OK
        expect_near [r TTL k] 100 10
        expect [r PSETEX k 100000 w] OK
        expect_near [r TTL k] 100 10
        expect [r GETSET k x] w
        expect [r TTL k] -1
        expect [r GET k] x
    }

    test "GETDEL" {
        r SET k v
        expect [r GETDEL k] v
        expect [r EXISTS k] 0
        r SET k 17
        expect [rt GETDEL k] {bulk 17}
        expect [r GETDEL k] (nil)
    }

    test "GETEX" {
        r SET k v
        expect [r GETEX k] v
        expect [r TTL k] -1
        expect [r GETEX k EX 100] v
        expect_near [r TTL k] 100 10
        expect [r GETEX k] v
        expect_near [r TTL k] 100 10
        expect [r GETEX k PX 50000] v
        expect_near [r TTL k] 50 10
        expect [r GETEX k PERSIST] v
        expect [r TTL k] -1
        expect [r GETEX k PERSIST] v
        set at [expr {[clock seconds] + 1000}]
        expect [r GETEX k EXAT $at] v
        expect [r EXPIRETIME k] $at
        expect [r GETEX k PXAT ${at}999] v
        expect [r PEXPIRETIME k] ${at}999
        expect [r GETEX k PXAT 1] v
        expect [r EXISTS k] 0
    }

    test "GETEX with bad options" {
        foreach words {KEEPTTL NX GET EX {EX 10 PX 10} {EX 10 PERSIST} {PERSIST EX 10} {PERSIST x}} {
            expect_error "ERR syntax error" {r GETEX k {*}$words}
        }
        expect [r GETEX k EX 0] (nil)
        r SET k v
        expect_error [bad_time getex] {r GETEX k EX 0}
        expect_error [bad_time getex] {r GETEX k EXAT 0}
        expect_error $::not_int {r GETEX k EX abc}
        expect [r TTL k] -1
    }

    test "MGET" -resp {2 3} {
        r MSET a 1 b two
        r SADD s 1
        expect [r MGET a b c s a] {1 two (nil) (nil) 1}
        expect [r MGET c] {(nil)}
    }

    test "MSET and MSETNX" {
        expect [r MSET a 1 b 2 a 3] OK
        expect [r MGET a b] {3 2}
        expect [r MSETNX c 1 a 1] 0
        expect [r EXISTS c] 0
        expect [r MSETNX c 1 d 2 c 3] 1
        expect [r MGET c d] {3 2}
        r SET e 1 EX 100
        r MSET e 2
        expect [r TTL e] -1
        r SADD s 1
        expect [r MSETNX s 1] 0
        expect [r MSET s 1] OK
        expect [r TYPE s] string
    }

    test "many keys at once" {
        set pairs {}
        set keys {}
        set values {}
        for {set i 0} {$i < 1000} {incr i} {
            lappend pairs key:$i $i
            lappend keys key:$i
            lappend values $i
        }
        expect [r MSET {*}$pairs] OK
        expect [r DBSIZE] 1000
        expect [r MGET {*}$keys] $values
        expect [r MSETNX other 1 {*}$pairs] 0
        expect [r MSETNX {*}[string map {key: new:} $pairs]] 1
        expect [r MGET {*}[string map {key: new:} $keys]] $values
    }

    test "encodings" {
        foreach {value enc} {
            12 int 0 int -1 int 9223372036854775807 int -9223372036854775808 int
            9223372036854775808 embstr 01 embstr " 1" embstr 1.5 embstr -0 embstr "" embstr
        } {
            r SET k $value
            expect [r OBJECT ENCODING k] $enc
            expect [r GET k] $value
        }
        foreach {size enc} {44 embstr 45 raw} {
            r SET k [string repeat a $size]
            expect [r OBJECT ENCODING k] $enc
        }
    }

    test "a value of another type" {
        r SADD s 1
        foreach request {
            {GET s} {GETSET s v} {GETDEL s} {GETEX s} {GETEX s EX 0} {STRLEN s} {SET s v GET}
            {SET s v NX GET} {SET s v EX 10 GET}
        } {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error [bad_time set] {r SET s v EX 0 GET}
        expect [r SETNX s v] 0
        expect [r SET s v NX] (nil)
        expect [r TYPE s] set
        expect [r SET s v] OK
        expect [r TYPE s] string
        r SADD s2 1
        expect [r SETEX s2 100 v] OK
        expect [r GET s2] v
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            set {{} a} get {{} {a b}} setnx {a {a b c}} setex {{a 1} {a 1 b c}}
            psetex {{a 1}} getset {a {a b c}} getdel {{} {a b}} getex {{}} strlen {{} {a b}}
            mget {{}} mset {{} a {a 1 b}} msetnx {{} a {a 1 b}}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {SET a 1} 1 {SET a 1 NX} 0 {SET a 1 EX 100} 1 {SET a 1 GET} 1 {MSET a 1 b 2 c 3} 3
            {MSETNX a 1 z 2} 0 {MSETNX x 1 y 2} 2 {GETSET a 2} 1 {GETEX a} 0 {GETEX a EX 100} 1
            {GETEX a PERSIST} 1 {GETEX a PERSIST} 0 {GETDEL a} 1 {GETDEL a} 0 {SETNX b 1} 0
            {GETEX b PXAT 1} 1
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }

    test "hits and misses are counted" {
        r SET a 1
        foreach {request hits misses} {
            {GET a} 1 0 {GET z} 0 1 {MGET a a z} 2 1 {SET a 1} 0 0 {SET a 1 GET} 1 0 {STRLEN a} 1 0
            {SETNX a 1} 0 0 {GETEX z} 0 1 {GETSET a 1} 1 0 {GETRANGE a 0 1} 1 0 {LCS a z} 1 1
            {INCR a} 0 0 {APPEND a 1} 0 0
        } {
            set before [list [info_field keyspace_hits] [info_field keyspace_misses]]
            r {*}$request
            set got [list $request [expr {[info_field keyspace_hits] - [lindex $before 0]}] \
                [expr {[info_field keyspace_misses] - [lindex $before 1]}]]
            expect $got [list $request $hits $misses]
        }
    }
}
