# SPDX-License-Identifier: BSD-3-Clause
#
# Times to live: setting, asking, options, limits, and what happens when the time comes.

tags quick

set max 9223372036854775807
set min -9223372036854775808

with_server {} {
    test "setting and asking" -resp {2 3} {
        r SET k v
        expect [rt TTL k] {int -1}
        expect [rt PTTL k] {int -1}
        expect [rt EXPIRETIME k] {int -1}
        expect [rt PEXPIRETIME k] {int -1}
        expect [rt EXPIRE k 100] {int 1}
        expect [r TTL k] 100
        expect_near [r PTTL k] 100000 20000
        expect_near [r EXPIRETIME k] [expr {[clock seconds] + 100}] 20
        expect_near [r PEXPIRETIME k] [expr {[clock milliseconds] + 100000}] 20000
        expect [rt PEXPIRE k 200000] {int 1}
        expect [r TTL k] 200
        expect [rt EXPIREAT k 99999999999] {int 1}
        expect [r EXPIRETIME k] 99999999999
        expect [r PEXPIRETIME k] 99999999999000
        expect [rt PEXPIREAT k 99999999999499] {int 1}
        expect [r EXPIRETIME k] 99999999999
        expect [rt PEXPIREAT k 99999999999500] {int 1}
        expect [r EXPIRETIME k] 100000000000
        expect [rt PERSIST k] {int 1}
        expect [rt PERSIST k] {int 0}
        expect [r TTL k] -1
        foreach cmd {TTL PTTL EXPIRETIME PEXPIRETIME} {expect [rt $cmd nokey] {int -2}}
        expect [rt PERSIST nokey] {int 0}
        foreach cmd {EXPIRE PEXPIRE EXPIREAT PEXPIREAT} {expect [rt $cmd nokey 100] {int 0}}
    }

    test "seconds are rounded" {
        r SET k v
        r PEXPIRE k 100400
        expect [r TTL k] 100
        r PEXPIRE k 100900
        expect [r TTL k] 101
    }

    test "NX, XX, GT, LT" {
        r SET k v
        expect [r EXPIRE k 100 XX] 0
        expect [r EXPIRE k 100 GT] 0
        expect [r EXPIRE k 100 NX] 1
        expect [r EXPIRE k 200 NX] 0
        expect [r TTL k] 100
        expect [r EXPIRE k 50 GT] 0
        expect [r EXPIRE k 150 gt] 1
        expect [r EXPIRE k 200 LT] 0
        expect [r EXPIRE k 90 lT] 1
        expect [r EXPIRE k 91 XX GT] 1
        expect [r EXPIRE k 91 XX LT] 0
        expect [r TTL k] 91
        r PERSIST k
        expect [r EXPIRE k 1000 XX LT] 0
        expect [r EXPIRE k 1000 LT] 1
        # Not 1000: a millisecond later that is greater.
        expect [r EXPIRE k 900 GT GT gt] 0
        expect [r PEXPIREAT k 99999999999999 XX XX] 1
        expect [r PEXPIREAT k 99999999999999 GT] 0
        expect [r PEXPIREAT k 99999999999999 LT] 0
    }

    test "options that don't go together" {
        r SET k v
        set nx "ERR NX and XX, GT or LT options at the same time are not compatible"
        set gt "ERR GT and LT options at the same time are not compatible"
        foreach cmd {EXPIRE PEXPIRE EXPIREAT PEXPIREAT} {
            expect_error $nx [list r $cmd k 100 NX XX]
            expect_error $nx [list r $cmd k 100 NX GT]
            expect_error $nx [list r $cmd k 100 LT NX]
            expect_error $nx [list r $cmd k 100 NX GT LT]
            expect_error $gt [list r $cmd k 100 GT LT]
            expect_error $gt [list r $cmd nokey 100 XX GT LT]
            expect_error "ERR Unsupported option AB" [list r $cmd k 100 AB]
            expect_error "ERR Unsupported option foo" [list r $cmd k abc foo]
        }
        expect [r TTL k] -1
    }

    test "times that are no times" {
        r SET k v
        foreach {cmd name} {EXPIRE expire EXPIREAT expireat} {
            foreach t [list $max $min 9223372036854776 -9223372036854776] {
                expect_error "ERR invalid expire time in '$name' command" [list r $cmd k $t]
                expect_error "ERR invalid expire time in '$name' command" [list r $cmd nokey $t]
            }
        }
        expect_error "ERR invalid expire time in 'expire' command" {r EXPIRE k 9223372036854775}
        expect_error "ERR invalid expire time in 'pexpire' command" [list r PEXPIRE k $max]
        foreach cmd {EXPIRE PEXPIRE EXPIREAT PEXPIREAT} {
            foreach t {9223372036854775808 abc 1.5 "" " 1"} {
                expect_error "ERR value is not an integer or out of range" [list r $cmd k $t]
            }
        }
        expect [r TTL k] -1
    }

    test "times far away" {
        r SET k v
        expect [r PEXPIREAT k $max] 1
        expect [r PEXPIRETIME k] $max
        expect [r EXPIRETIME k] 9223372036854776
        expect [r EXPIREAT k 9223372036854775] 1
        expect [r PEXPIRETIME k] 9223372036854775000
        expect [r PEXPIRE k 9223370000000000000] 1
        expect [r GET k] v
        expect [r RENAME k k2] OK
        expect_true {[r PTTL k2] > 9223369999999990000}
    }

    test "a time in the past deletes at once" {
        foreach cmd [list {EXPIRE k -1} {EXPIRE k 0} {PEXPIRE k -1} {EXPIREAT k 1} {PEXPIREAT k 0} \
                         [list PEXPIRE k $min] [list PEXPIREAT k $min] {EXPIRE k -1 LT}] {
            r SET k v
            expect [rt {*}$cmd] {int 1}
            expect [r EXISTS k] 0
            expect [r DBSIZE] 0
        }
        r SET k v
        expect [r EXPIRE k -1 XX] 0
        expect [r EXPIRE k -1 GT] 0
        expect [r EXISTS k] 1
    }

    test "what changes a value keeps its expiry, what replaces it doesn't" {
        foreach {cmd ttl} {
            {APPEND k 1} 1 {SETRANGE k 0 5} 1 {INCR k} 1 {INCRBYFLOAT k 1} 1 {SET k 5 KEEPTTL} 1
            {SET k 5} 0 {GETSET k 5} 0 {SETEX k 500 5} 1 {PSETEX k 500000 5} 1 {MSET k 1} 0
            {GETEX k} 1 {GETEX k PERSIST} 0 {SETNX k 5} 1 {SET k 5 EX 500} 1
        } {
            r SET k 10 EX 500
            r {*}$cmd
            if {$ttl} {expect_near [r TTL k] 500 20} else {expect [r TTL k] -1}
        }
        r HSET h f 1
        r EXPIRE h 500
        r HINCRBY h f 1
        expect_near [r TTL h] 500 20
        r SADD s a
        r EXPIRE s 500
        r SADD s b c d
        expect_near [r TTL s] 500 20
    }

    test "an expired key is gone for everybody" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r CONFIG RESETSTAT
        foreach {cmd reply} {
            {GET k} (nil) {EXISTS k} 0 {DEL k} 0 {UNLINK k} 0 {TTL k} -2 {PTTL k} -2
            {EXPIRE k 100} 0 {PERSIST k} 0 {TYPE k} none {STRLEN k} 0 {OBJECT ENCODING k} (nil)
            {SETNX k new} 1 {APPEND k x} 1 {INCR k} 1 {GETSET k new} (nil) {RENAMENX other k} 1
            {SCAN 0 MATCH k} {0 {}} {KEYS k} {} {HGET k f} (nil) {SISMEMBER k m} 0
            {SET k v XX} (nil) {SET k v GET} (nil) {HSET k f v} 1 {SADD k a} 1
            {EXPIRETIME k} -2 {GETDEL k} (nil) {SMEMBERS k} {}
            {DEBUG DIGEST-VALUE k} 6f720be4ac4df2a2a7c35fa640511a20a52ceda8
        } {
            r FLUSHALL
            r MSET other 1 x 2
            r SET k 123 PX 1
            set dead [expr {[clock milliseconds] + 3}]
            wait_for {[clock milliseconds] > $dead}
            expect [r DBSIZE] 3
            expect [r {*}$cmd] $reply
        }
        expect_true {[info_field expired_keys] > 20}
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "expired keys go though nobody asks for them" {
        r CONFIG RESETSTAT
        for {set i 0} {$i < 300} {incr i} {
            r SET k$i v PX [expr {1 + $i % 50}]
            r SET stays$i v PX 1000000
            r SET forever$i v
        }
        wait_for {[r DBSIZE] == 600}
        expect [info_field expired_keys] 300
        r SELECT 5
        r SET k v PX 1
        wait_for {[r DBSIZE] == 0}
        r SELECT 0
    }

    test "SET-ACTIVE-EXPIRE 0 leaves them" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET k v PX 1
        set later [expr {[clock milliseconds] + 300}]
        wait_for {[clock milliseconds] > $later}
        expect [r DBSIZE] 1
        r DEBUG SET-ACTIVE-EXPIRE 1
        wait_for {[r DBSIZE] == 0}
    }

    test "one transaction sees one moment" {
        set c [client]
        expect [lrange [client::pipeline $c {
            {SET k v PX 500} MULTI {GET k} {DEBUG SLEEP 0.6} {GET k} EXEC {GET k}
        }] end-1 end] {{v OK v} (nil)}
    }

    test "what follows a slow command in a pipeline sees the time after it" {
        set c [client]
        set before [clock milliseconds]
        set replies [client::pipeline $c {
            {SET gone v PX 1} {DEBUG SLEEP 0.1} {EXISTS gone}
            {SET k v PX 100000} {PEXPIRETIME k}
        }]
        expect [lrange $replies 0 3] {OK OK 0 OK}
        expect_true {[lindex $replies 4] - $before >= 100100}
    }

    test "INFO tells of expiring keys" {
        r SET a v
        r SET b v EX 1000
        expect_match [info_field db0] "keys=2,expires=1,avg_ttl=*"
        r PERSIST b
        expect_match [info_field db0] "keys=2,expires=0,avg_ttl=*"
    }

    test "wrong numbers of arguments" {
        foreach cmd {EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL PERSIST EXPIRETIME PEXPIRETIME} {
            expect_error "ERR wrong number of arguments for '[string tolower $cmd]' command" \
                [list r $cmd]
        }
    }
}
