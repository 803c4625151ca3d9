# SPDX-License-Identifier: BSD-3-Clause
#
# Commands on keys of any type, and on whole databases.

tags quick

with_server {} {
    test "DEL and UNLINK count what was there" -resp {2 3} {
        foreach cmd {DEL UNLINK} {
            r MSET a 1 b 2 c 3
            r HSET h f v
            expect [rt $cmd nokey] {int 0}
            expect [rt $cmd a a nokey h] {int 2}
            expect [r EXISTS a h] 0
            expect_set [r KEYS *] {b c}
            expect [rt $cmd b c] {int 2}
            expect [r DBSIZE] 0
        }
    }

    test "EXISTS counts repeated keys" {
        r SET a 1
        expect [r EXISTS a] 1
        expect [r EXISTS a a b a] 3
        expect [r EXISTS nokey] 0
    }

    test "keys and values may be empty or have any bytes" {
        r SET "" empty
        r SET "a\0b\r\n" zero
        expect [r GET ""] empty
        expect [r GET "a\0b\r\n"] zero
        expect [r EXISTS "" "a\0b\r\n" "a"] 2
        r SET k ""
        expect [rt GET k] {bulk {}}
        expect_set [r KEYS *] [list "" "a\0b\r\n" k]
        expect [r DEL "" "a\0b\r\n"] 2
    }

    test "long keys" {
        foreach len {254 255 256 257 1000 100000} {
            set key [string repeat k $len]
            r SET $key $len
            expect [r GET $key] $len
            expect [r EXPIRE $key 100] 1
            expect [r GET $key] $len
            expect [r APPEND $key x] [expr {[string length $len] + 1}]
            expect [r PERSIST $key] 1
            expect [r GET $key] ${len}x
        }
        expect [r DBSIZE] 6
    }

    test "TYPE" -resp {2 3} {
        r SET s v
        r HSET h f v
        r SADD set a
        expect [rt TYPE s] {simple string}
        expect [rt TYPE h] {simple hash}
        expect [rt TYPE set] {simple set}
        expect [rt TYPE nokey] {simple none}
    }

    test "KEYS understands patterns" -resp {2 3} {
        foreach k {hello hallo hxllo heeeello {h[llo} key:1 key:2 h*llo} {r SET $k v}
        expect_set [r KEYS h?llo] {hello hallo hxllo h*llo {h[llo}}
        expect_set [r KEYS h*llo] {hello hallo hxllo heeeello {h[llo} h*llo}
        expect_set [r KEYS {h[ae]llo}] {hello hallo}
        expect_set [r KEYS {h[^e]llo}] {hallo hxllo h*llo {h[llo}}
        expect_set [r KEYS {h[a-e]llo}] {hello hallo}
        expect_set [r KEYS {h\*llo}] {h*llo}
        expect_set [r KEYS {h\[llo}] {{h[llo}}
        expect_set [r KEYS key:1] key:1
        expect [rt KEYS nothing] {array {}}
        expect [rt KEYS no*thing] {array {}}
        expect [llength [r KEYS *]] 8
    }

    test "a costly pattern costs little" {
        r SET [string repeat a 1000] v
        set start [clock milliseconds]
        expect [r KEYS [string repeat a* 50]b] {}
        expect [r KEYS [string repeat * 100000]b] {}
        expect_true {[clock milliseconds] - $start < 5000 * $::suite::slow_factor}
    }

    test "RANDOMKEY" -resp {2 3} {
        expect [r RANDOMKEY] (nil)
        r MSET a 1 b 2 c 3
        for {set i 0} {$i < 200} {incr i} {dict set seen [r RANDOMKEY] 1}
        expect_set [dict keys $seen] {a b c}
    }

    test "RENAME" {
        r SET a 1 EX 1000
        expect [r RENAME a b] OK
        expect [r EXISTS a] 0
        expect [r GET b] 1
        expect_near [r TTL b] 1000 20
        r SET c other
        expect [r RENAME c b] OK
        expect [r TTL b] -1
        expect [r GET b] other
        expect [r RENAME b b] OK
        expect [r GET b] other
        expect_error "ERR no such key" {r RENAME nokey b}
        expect_error "ERR no such key" {r RENAME nokey nokey}
        expect [r DBSIZE] 1
    }

    test "RENAME of every type and over every type" {
        r SET int 12345
        r SET emb short
        r SET raw [string repeat x 100]
        r SET big [string repeat x 100000]
        r HSET hash f v
        r SADD set a b
        foreach from {int emb raw big hash set} {
            set digest [r DEBUG DIGEST-VALUE $from]
            set encoding [r OBJECT ENCODING $from]
            foreach len {1 90 300} {
                set to [string repeat n $len]
                r HSET $to f v
                expect [r RENAME $from $to] OK
                expect [r DEBUG DIGEST-VALUE $to] $digest
                expect [r OBJECT ENCODING $to] $encoding
                expect [r RENAME $to $from] OK
            }
            expect [r DEBUG DIGEST-VALUE $from] $digest
        }
        expect [r DBSIZE] 6
    }

    test "RENAMENX" {
        r MSET a 1 b 2
        expect [rt RENAMENX a b] {int 0}
        expect [r GET b] 2
        expect [rt RENAMENX a c] {int 1}
        expect [r GET c] 1
        expect [rt RENAMENX c c] {int 0}
        expect_error "ERR no such key" {r RENAMENX nokey c}
        r SET d 1 PX 1
        wait_for {[r PTTL d] == -2}
        expect [rt RENAMENX c d] {int 1}
    }

    test "DBSIZE, FLUSHDB, FLUSHALL" {
        foreach how {{} SYNC ASYNC sync aSync} {
            r MSET a 1 b 2
            r HSET h f v
            r SELECT 3
            r SET c 3
            expect [r DBSIZE] 1
            r SELECT 0
            expect [r DBSIZE] 3
            expect [r FLUSHDB {*}$how] OK
            expect [r DBSIZE] 0
            r SELECT 3
            expect [r DBSIZE] 1
            r SELECT 0
            expect [r FLUSHALL {*}$how] OK
            r SELECT 3
            expect [r DBSIZE] 0
            r SELECT 0
        }
        foreach cmd {FLUSHDB FLUSHALL} {
            expect_error "ERR syntax error" [list r $cmd NOW]
            expect_error "ERR syntax error" [list r $cmd ASYNC SYNC]
        }
        expect_error "ERR wrong number of arguments for 'dbsize' command" {r DBSIZE x}
    }

    test "wrong numbers of arguments" {
        foreach {cmd name} {
            DEL del UNLINK unlink EXISTS exists TYPE type KEYS keys {KEYS a b} keys
            {RANDOMKEY x} randomkey {RENAME a} rename {RENAMENX a b c} renamenx
        } {
            expect_error "ERR wrong number of arguments for '$name' command" [list r {*}$cmd]
        }
    }

    test "a changed or deleted key fails a transaction that watches it" {
        foreach change {{DEL a} {UNLINK a} {RENAME a b} {RENAME c a} {EXPIRE a 100} {FLUSHALL}
                        {FLUSHDB ASYNC} {EXPIRE a -1} {PERSIST p} {SET a 2} {APPEND a 2}} {
            r FLUSHALL
            r MSET a 1 c 3
            r SET p 1 EX 1000
            set c [client]
            $c WATCH a p
            r {*}$change
            $c MULTI
            $c PING
            expect [$c EXEC] (nil)
            client::close $c
        }
    }

    test "what changes nothing leaves a transaction alone" {
        foreach change {{DEL nokey} {EXPIRE nokey 100} {PERSIST a} {RENAME a a} {RENAMENX a c}
                        {EXISTS a} {EXPIRE a 100 XX} {GET a} {DEL c} {KEYS *} {OBJECT ENCODING a}} {
            r FLUSHALL
            r MSET a 1 c 3
            set c [client]
            $c WATCH a nokey
            r {*}$change
            $c MULTI
            $c PING
            expect [$c EXEC] PONG
            client::close $c
        }
    }

    test "FLUSHALL leaves a watched key alone that doesn't exist" {
        set c [client]
        $c WATCH nokey
        r SET a 1
        r FLUSHALL
        $c MULTI
        $c PING
        expect [$c EXEC] PONG
        client::close $c
    }

    test "hits and misses" {
        r SET a 1
        r CONFIG RESETSTAT
        foreach cmd {{EXISTS a b} {TYPE a} {TYPE b} {TTL a} {PTTL b} {OBJECT ENCODING a}
                     {OBJECT ENCODING b} {DEL b} {RENAME a c} {RENAME c a} {EXPIRE a 100}
                     {PERSIST a} {KEYS *} {RANDOMKEY} {DBSIZE} {EXPIRE b 10}} {
            r {*}$cmd
        }
        expect [info_field keyspace_hits] 4
        expect [info_field keyspace_misses] 4
    }

    test "many keys come and go" {
        r DEBUG POPULATE 50000
        expect [r DBSIZE] 50000
        expect [llength [r KEYS *]] 50000
        expect [llength [r KEYS key:1*]] 11111
        expect [r FLUSHALL ASYNC] OK
        expect [r DBSIZE] 0
        wait_for {[info_field lazyfree_pending_objects] == 0}
        r DEBUG POPULATE 1000 other 200
        expect [r DBSIZE] 1000
        expect [r FLUSHALL] OK
        expect [r KEYS *] {}
    }

    test "large values are freed in the background" {
        r CONFIG RESETSTAT
        for {set i 0} {$i < 300} {incr i} {lappend members $i-$i}
        r SADD s {*}$members
        expect [r UNLINK s] 1
        wait_for {[info_field lazyfreed_objects] == 1}
        expect [info_field lazyfree_pending_objects] 0
        r SADD s {*}$members
        r RENAME s t
        expect [r SCARD t] 300
        r SET t small
        expect [r GET t] small
    }
}
