# SPDX-License-Identifier: BSD-3-Clause
#
# HyperLogLogs: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_hll "WRONGTYPE Key is not a valid HyperLogLog string value."
set corrupted "INVALIDOBJ Corrupted HLL object detected"
set head "HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80"

proc add_many {key first count} {
    for {set i 0} {$i < $count} {incr i 500} {
        set words {}
        for {set j $i} {$j < min($i + 500, $count)} {incr j} { lappend words [expr {$first + $j}] }
        r PFADD $key {*}$words
    }
}

with_server {} {
    test "PFADD and PFCOUNT" {
        expect [r PFADD k a b c] 1
        expect [r PFADD k a b c] 0
        expect [r PFADD k] 0
        expect [r PFADD k d] 1
        expect [r PFCOUNT k] 4
        expect [r PFADD empty] 1
        expect [r PFCOUNT empty] 0
        expect [r PFCOUNT none] 0
        expect [r PFCOUNT none k empty] 4
        expect [r EXISTS none] 0
        expect [r OBJECT ENCODING k] raw
        r EXPIRE k 100
        r PFADD k e
        expect [r PFCOUNT k] 5
        expect_near [r TTL k] 100 10
    }

    test "the bytes are those of stock" {
        r PFADD k
        expect [r GET k] "$::head\x7f\xff"
        r PFADD k a
        r PFADD k b
        expect [r GET k] "${::head}q\xa6\x84K\xfb\x80BZ"
        r PFCOUNT k
        expect [r GET k] "HYLL\x01\0\0\0\x02\0\0\0\0\0\0\0q\xa6\x84K\xfb\x80BZ"
        expect [r PFDEBUG DECODE k] "Z:12711 v:2,1 Z:3068 v:1,1 Z:603"
        r SET copy [r GET k]
        expect [r OBJECT ENCODING copy] embstr
        expect [r PFCOUNT copy] 2
        expect [r OBJECT ENCODING copy] raw
    }

    test "estimates are near, in both encodings" {
        add_many k 1 1000
        expect [r PFDEBUG ENCODING k] sparse
        expect_near [r PFCOUNT k] 1000 40
        add_many k 1001 19000
        expect [r PFDEBUG ENCODING k] dense
        expect [r STRLEN k] 12304
        expect_near [r PFCOUNT k] 20000 800
        set count [r PFCOUNT k]
        add_many other 1 20000
        expect [r PFCOUNT other] $count
        expect [r PFCOUNT k other] $count
        expect_true {[r GET k] eq [r GET other]}
    }

    test "the limit of the sparse encoding" {
        with_config {hll-sparse-max-bytes 30} {
            foreach element {a b c d e f} {
                r PFADD k $element
                expect_true {[r PFDEBUG ENCODING k] eq "dense" || [r STRLEN k] <= 30}
            }
            expect [r PFDEBUG ENCODING k] dense
            expect [r PFCOUNT k] 6
        }
        with_config {hll-sparse-max-bytes 0} {
            r PFADD new a
            expect [r PFDEBUG ENCODING new] dense
        }
    }

    test "PFMERGE" {
        r PFADD a 1 2 3
        r PFADD b 3 4
        expect [r PFMERGE d a b none] OK
        expect [r PFCOUNT d] 4
        expect [r PFMERGE a b] OK
        expect [r PFCOUNT a] 4
        expect [r PFMERGE new] OK
        expect [r PFCOUNT new] 0
        add_many big 1 20000
        expect [r PFMERGE d big] OK
        expect [r PFDEBUG ENCODING d] dense
        expect [r PFCOUNT d] [r PFCOUNT big]
        expect [r PFCOUNT d a b] [r PFCOUNT big]
    }

    test "PFDEBUG" {
        r PFADD k a b
        expect [r PFDEBUG encoding k] sparse
        expect [r PFDEBUG TODENSE k] 1
        expect [r PFDEBUG TODENSE k] 0
        expect [r PFDEBUG ENCODING k] dense
        expect [r PFCOUNT k] 2
        expect_error "ERR HLL encoding is not sparse" {r PFDEBUG DECODE k}
        r PFADD s a b
        set registers [r PFDEBUG GETREG s]
        expect [llength $registers] 16384
        expect [list [lindex $registers 12711] [lindex $registers 15780]] {2 1}
        expect [r PFDEBUG ENCODING s] dense
        expect_error "ERR Unknown PFDEBUG subcommand 'x'" {r PFDEBUG x k}
        expect_error "ERR The specified key does not exist" {r PFDEBUG x none}
        expect [r PFSELFTEST] OK
    }

    test "strings that aren't HyperLogLogs" {
        foreach bytes [list "" abc 12345 "HYLL\x01" "HYLX[string range $::head 4 end]\x7f\xff" \
                           "HYLL\x09[string range $::head 5 end]\x7f\xff" \
                           "HYLL\0[string range $::head 5 end]abc"] {
            r SET k $bytes
            foreach request {{PFADD k a} {PFADD k} {PFCOUNT k} {PFCOUNT k none} {PFMERGE k}
                             {PFMERGE d k} {PFDEBUG ENCODING k} {PFDEBUG GETREG k}} {
                expect_error $::not_hll {r {*}$request}
            }
            expect [r GET k] $bytes
        }
        expect [r EXISTS d] 0
    }

    test "damaged strings" {
        r PFADD k a
        set good [r GET k]
        foreach bytes [list $::head "$::head\x7f\xfe" "$::head\x7f\xf0\x84" ${good}hello \
                           $::head[string repeat "\x7f\xff" 200000] \
                           $::head[string repeat "\0" 100]] {
            r SET k $bytes
            foreach request {{PFCOUNT k} {PFCOUNT none k} {PFMERGE k} {PFMERGE d k}
                             {PFDEBUG GETREG k} {PFDEBUG TODENSE k}} {
                expect_error $::corrupted {r {*}$request}
            }
            expect [r PFDEBUG ENCODING k] sparse
        }
        r SET k $::head[string repeat "\x7f\xff" 200000]
        expect_error $::corrupted {r PFADD k a}
        expect [r EXISTS d] 0
    }

    test "random damage never ends the server" {
        add_many k 1 200
        set good [r GET k]
        for {set i 0} {$i < 300} {incr i} {
            set at [rand_int [string length $good]]
            set bytes [string replace $good $at $at [rand_bytes 1]]
            if {[rand_int 3] == 0} { set bytes [string range $bytes 0 [rand_int 300]] }
            r SET bad $bytes
            foreach request {{PFCOUNT bad} {PFADD bad 1 2 3 x} {PFCOUNT bad k} {PFMERGE d bad}
                             {PFDEBUG DECODE bad} {PFDEBUG TODENSE bad} {PFCOUNT bad}} {
                catch {r {*}$request}
            }
        }
        expect [r PING] PONG
    }

    test "a value of another type" {
        r SADD s 1
        foreach request {{PFADD s a} {PFCOUNT s} {PFCOUNT none s} {PFMERGE s} {PFMERGE d s}
                         {PFDEBUG ENCODING s}} {
            expect_error $::wrongtype {r {*}$request}
        }
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            pfadd {{}} pfcount {{}} pfmerge {{}} pfdebug {{} GETREG {GETREG k x}} pfselftest x
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {PFADD a} 1 {PFADD a} 0 {PFADD b x} 2 {PFADD b x} 0 {PFADD b y z} 2 {PFCOUNT b} 1
            {PFCOUNT b} 0 {PFCOUNT a b} 0 {PFMERGE c b} 1 {PFMERGE c b} 1 {PFDEBUG TODENSE c} 1
            {PFDEBUG TODENSE c} 0 {PFADD c x} 0 {PFADD c p q} 2
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
