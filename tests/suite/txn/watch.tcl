# SPDX-License-Identifier: BSD-3-Clause
#
# WATCH: what counts as a change of a watched key and what doesn't.

tags quick

# Watches `key`, runs `change` with another client, tells whether EXEC then ran.
proc survives {key change} {
    set c [client]
    $c WATCH $key
    uplevel 1 $change
    $c MULTI
    $c PING
    set result [expr {[$c EXEC] eq "PONG"}]
    client::close $c
    return $result
}

proc with_active_expiry_off {body} {
    r DEBUG SET-ACTIVE-EXPIRE 0
    try { uplevel 1 $body } finally { r DEBUG SET-ACTIVE-EXPIRE 1 }
}

with_server {} {
    test "an untouched key lets the transaction run" {
        r SET a 1
        expect [survives a {}] 1
        expect [survives a {r GET a; r SET b 1; r EXISTS a}] 1
    }

    test "every kind of write to the key stops it" {
        foreach change {
            {r SET a 2} {r APPEND a x} {r DEL a} {r UNLINK a} {r EXPIRE a 1000} {r RENAME a b}
            {r RENAME c a} {r SETRANGE a 1 x} {r GETDEL a} {r PERSIST a} {r GETEX a EX 100}
        } {
            r FLUSHALL
            r SET a 1 EX 5000
            r SET c 3
            if {[survives a $change]} { expect "$change left the transaction alive" {} }
        }
    }

    test "a write to a collection stops it" {
        foreach {type make change} {
            hash {r HSET a f v} {r HSET a f w}
            hash {r HSET a f 1} {r HINCRBY a f 1}
            hash {r HSET a f v} {r HDEL a f}
            set {r SADD a m} {r SADD a n}
            set {r SADD a m} {r SREM a m}
            set {r SADD a m} {r SPOP a}
            set {r SADD a m} {r SMOVE a b m}
        } {
            r FLUSHALL
            eval $make
            if {[survives a $change]} { expect "$type: $change left the transaction alive" {} }
        }
    }

    test "a write that changes nothing lets it run" {
        r HSET h f v
        r SADD s m
        expect [survives h {r HDEL h nosuch; r HSETNX h f w}] 1
        expect [survives s {r SADD s m; r SREM s nosuch}] 1
        expect [survives nokey {r DEL nokey}] 1
    }

    test "creating a watched key stops it" {
        expect [survives a {r SET a 1}] 0
    }

    test "the client's own write before MULTI stops it" {
        r WATCH a
        r SET a 1
        r MULTI
        r PING
        expect [rt EXEC] null_array
    }

    test "the null reply of RESP3" -resp 3 {
        r WATCH a
        r SET a 1
        r MULTI
        expect [rt EXEC] null
    }

    test "UNWATCH and DISCARD forget the watched keys" {
        r WATCH a b c
        r SET a 1
        expect [r UNWATCH] OK
        r MULTI
        r PING
        expect [r EXEC] PONG
        r WATCH a
        r MULTI
        r DISCARD
        r SET a 2
        r MULTI
        r PING
        expect [r EXEC] PONG
    }

    test "EXEC forgets them too, also when it failed" {
        r WATCH a
        r SET a 1
        r MULTI
        expect [r EXEC] (nil)
        r MULTI
        r PING
        expect [r EXEC] PONG
    }

    test "WATCH inside MULTI is refused" {
        r MULTI
        expect_error "ERR WATCH inside MULTI is not allowed" {r WATCH a}
        r DISCARD
    }

    test "several clients may watch one key" {
        set clients {}
        for {set i 0} {$i < 20} {incr i} {
            set c [client]
            $c WATCH shared shared other
            lappend clients $c
        }
        client::close [lindex $clients 7]
        r SET shared 1
        foreach c [lreplace $clients 7 7] {
            $c MULTI
            $c PING
            expect [$c EXEC] (nil)
        }
    }

    test "FLUSHDB and FLUSHALL stop it only if the key was there" {
        r SET a 1
        expect [survives a {r FLUSHDB}] 0
        r SET a 1
        expect [survives a {r FLUSHALL}] 0
        expect [survives absent {r FLUSHALL}] 1
        r SET a 1
        expect [survives a {r SELECT 9; r FLUSHDB; r SELECT 0}] 1
    }

    test "a key in another database is another key" {
        set c [client]
        $c SELECT 9
        $c WATCH a
        r SET a 1
        $c MULTI
        $c PING
        expect [$c EXEC] PONG
    }

    test "a watched key that expires counts as changed" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET a 1 PX 1
        set c [client]
        r SET b 1 PX 500
        $c WATCH b
        wait_for {[r EXISTS b] == 0}
        $c MULTI
        $c PING
        expect [$c EXEC] (nil)
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "a key that was expired when it was watched does not" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET a 1 PX 1
        wait_for {[r PTTL a] == -2}
        set c [client]
        $c WATCH a
        $c MULTI
        $c PING
        expect [$c EXEC] PONG
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    # Another client's command that finds the key expired deletes it, which is no change; what comes
    # into its place is one.
    test "a key that was expired when it was watched may be deleted" {
        with_active_expiry_off {
            foreach {change runs} {
                {r GET k} 1  {r DEL k} 1  {r UNLINK k} 1  {r EXISTS k} 1  {r EXPIRE k 10} 1
                {r MOVE k 1} 1  {r GETDEL k} 1  {r SCAN 0} 1  {r GET k; r DEL k} 1
                {r SUNIONSTORE k none} 1  {r FLUSHALL} 1  {r FLUSHALL; r GET k} 1
                {r SWAPDB 0 1; r SWAPDB 0 1} 1
                {r SET k v} 0  {r GET k; r SET k v} 0  {r LPUSH k v} 0  {r COPY q k} 0
                {r RENAME q k} 0  {r SET k v; r DEL k} 0  {r FLUSHALL; r SET k v; r DEL k} 0
            } {
                r FLUSHALL
                r SET q 1
                r SET k v PX 1
                after 5
                expect [list $change [survives k $change]] [list $change $runs]
            }
        }
    }

    test "random watches against a model" {
        set keys {k0 k1 k2 k3}
        for {set round 0} {$round < 200} {incr round} {
            set c [client]
            set watched [rand_pick $keys]
            $c WATCH $watched
            set dirty 0
            for {set i [rand_int 3]} {$i > 0} {incr i -1} {
                set k [rand_pick $keys]
                r SET $k $round
                if {$k eq $watched} { set dirty 1 }
            }
            $c MULTI
            $c PING
            expect [$c EXEC] [expr {$dirty ? "(nil)" : "PONG"}]
            client::close $c
        }
    }
}
