# SPDX-License-Identifier: BSD-3-Clause
#
# SUNION, SINTER, SDIFF, their STORE forms and SINTERCARD, over both encodings of the sources.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"

proc in_both {body} {
    foreach {entries enc} {512 intset 0 hashtable} {
        with_config [list set-max-intset-entries $entries] {
            r FLUSHALL
            uplevel 1 [list set enc $enc]
            uplevel 1 $body
        }
    }
}

with_server {} {
    test "union, intersection, difference" {
        in_both {
            r SADD a 1 2 3 4
            r SADD b 3 4 5
            r SADD c 4 x
            expect [r OBJECT ENCODING a] $enc
            expect_set [r SUNION a b c] {1 2 3 4 5 x}
            expect_set [r SINTER a b] {3 4}
            expect [r SINTER a b c] 4
            expect_set [r SDIFF a b] {1 2}
            expect_set [r SDIFF a b c] {1 2}
            expect [r SDIFF c a] x
            expect_set [r SUNION a none] {1 2 3 4}
            expect [r SINTER a none] {}
            expect [r SDIFF none a] {}
            expect [r SDIFF a a] {}
            expect_set [r SINTER a a] {1 2 3 4}
            expect_set [r SDIFF a none none] {1 2 3 4}
        }
    }

    test "replies are sets in RESP3" -resp {2 3} {
        r SADD a 1
        set kind [expr {[resp] == 3 ? "set" : "array"}]
        foreach command {SUNION SINTER SDIFF} {
            expect [rt $command a] [list $kind {{bulk 1}}]
            expect [rt $command none] [list $kind {}]
        }
    }

    test "an intset's results come in order" {
        r SADD a 5 -3 100000 7
        r SADD b 7 5 1
        expect [r SUNION a b] {-3 1 5 7 100000}
        expect [r SINTER a b] {5 7}
        expect [r SDIFF a b] {-3 100000}
    }

    test "STORE" {
        in_both {
            r SADD a 1 2 3
            r SADD b 2 3 x
            expect [r SUNIONSTORE d a b] 4
            expect_set [r SMEMBERS d] {1 2 3 x}
            expect [r OBJECT ENCODING d] hashtable
            expect [r SINTERSTORE d a b] 2
            expect [r OBJECT ENCODING d] $enc
            expect [r SDIFFSTORE d a b] 1
            expect [r SMEMBERS d] 1
            expect [r SUNIONSTORE a a b] 4
            expect [r SCARD a] 4
            r SET d string
            r EXPIRE d 1000
            expect [r SDIFFSTORE d a b] 1
            expect [r TTL d] -1
            expect [r SINTERSTORE d a none] 0
            expect [r EXISTS d] 0
            expect [r SDIFFSTORE d none a] 0
        }
    }

    test "a difference by removal keeps the table, as in stock" {
        r SADD a 1 2 3 4 5 6 7 8 9 x
        r SADD b x
        r SADD c 1
        r SADD e 2
        r SDIFFSTORE d a b
        expect [r OBJECT ENCODING d] intset
        r SDIFFSTORE d a b c e
        expect_set [r SMEMBERS d] {3 4 5 6 7 8 9}
        expect [r OBJECT ENCODING d] hashtable
    }

    test "SINTERCARD" {
        in_both {
            r SADD a 1 2 3
            r SADD b 1 2 3 x
            expect [r SINTERCARD 2 a b] 3
            expect [r SINTERCARD 2 a b LIMIT 2] 2
            expect [r SINTERCARD 2 a b LIMIT 0] 3
            expect [r SINTERCARD 1 a LIMIT 9223372036854775807] 3
            expect [r SINTERCARD 2 a none LIMIT 1] 0
            expect [r SINTERCARD 2 a b limit 1 LIMIT 2] 2
        }
        foreach {words text} {
            {0 a} "ERR numkeys should be greater than 0"
            {x a} "ERR numkeys should be greater than 0"
            {2 a} "ERR Number of keys can't be greater than number of args"
            {9223372036854775807 a} "ERR Number of keys can't be greater than number of args"
            {1 a LIMIT} "ERR syntax error" {1 a FOO 1} "ERR syntax error"
            {1 a LIMIT -1} "ERR LIMIT can't be negative"
            {1 a LIMIT x} "ERR LIMIT can't be negative"
        } {
            expect_error $text {r SINTERCARD {*}$words}
        }
    }

    test "a value of another type" {
        r SET s 1
        r SADD a 1
        foreach request {
            {SUNION a s} {SINTER a s} {SINTER none s} {SINTER s none} {SDIFF a s} {SDIFF none s}
            {SUNIONSTORE d s} {SINTERSTORE d none s} {SDIFFSTORE d a s} {SINTERCARD 2 none s}
        } {
            expect_error $::wrongtype {r {*}$request}
        }
        expect [r SUNIONSTORE s a] 1
        expect [r TYPE s] set
    }

    test "large sets" {
        foreach {key first last} {a 0 3000 b 2000 5000} {
            for {set i $first} {$i < $last} {incr i 500} {
                set members {}
                for {set k $i} {$k < $i + 500} {incr k} { lappend members m$k }
                r SADD $key {*}$members
            }
        }
        expect [r SUNIONSTORE u a b] 5000
        expect [r SINTERSTORE i a b] 1000
        expect [r SDIFFSTORE d a b] 2000
        expect [r SINTERCARD 2 a b LIMIT 17] 17
        expect [r SINTERCARD 3 u i d] 0
        expect [llength [r SINTER a b]] 1000
    }

    test "changes are counted as stock counts them" {
        r SADD a 1 2
        foreach {request changes} {
            {SUNIONSTORE d a} 1 {SINTERSTORE d a none} 1 {SINTERSTORE d a none} 0
            {SDIFFSTORE d a none} 1 {SUNION a} 0
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
