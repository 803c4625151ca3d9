# SPDX-License-Identifier: BSD-3-Clause
#
# Commands that wait for lists: order of service, several keys, timeouts, what becomes of a key
# while somebody waits for it, ends of a wait, transactions, pipelines, gears.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"

proc lseq_from {first last} {
    set items {}
    for {set i $first} {$i <= $last} {incr i} { lappend items $i }
    return $items
}

# Nothing comes for these clients.
proc expect_silent {args} {
    foreach c $args { expect [client::read_all $c 50] "" }
}

with_server {} {
    test "a push ends the wait" -resp {2 3} {
        foreach {request reply} {
            {BLPOP l 0} {array {{bulk l} {bulk a}}} {BRPOP l 0} {array {{bulk l} {bulk c}}}
            {BLMOVE l m LEFT LEFT 0} {bulk a} {BRPOPLPUSH l m 0} {bulk c}
            {BLMPOP 0 1 l LEFT} {array {{bulk l} {array {{bulk a}}}}}
            {BLMPOP 0 1 l RIGHT COUNT 2} {array {{bulk l} {array {{bulk c} {bulk b}}}}}
            {BLMPOP 0 2 k l LEFT COUNT 99} {array {{bulk l} {array {{bulk a} {bulk b} {bulk c}}}}}
        } {
            r FLUSHALL
            set c [client -resp [resp]]
            client::send $c {*}$request
            client::flush $c
            await_blocked 1
            expect [r RPUSH l a b c] 3
            expect [list $request [client::receive_typed $c]] [list $request $reply]
            expect [info_field blocked_clients] 0
            client::close $c
        }
    }

    test "a list that is there is served at once" {
        r RPUSH b 1 2 3 4 5 6
        expect [r BLPOP a b 0] {b 1}
        expect [r BRPOP a b 0] {b 6}
        expect [r BLMOVE b c LEFT LEFT 0] 2
        expect [r BRPOPLPUSH b c 0] 5
        expect [r BLMPOP 0 2 a b LEFT COUNT 5] {b {3 4}}
    }

    test "timeouts reply null, and are exact" -resp {2 3} {
        set no_array [expr {[resp] == 2 ? "null_array" : "null"}]
        foreach request {
            {BLPOP a b %} {BRPOP a %} {BLMOVE a b LEFT LEFT %} {BRPOPLPUSH a b %}
            {BLMPOP % 1 a LEFT}
        } {
            foreach seconds {0.05 0.1 0.0001} {
                set least_ms 1e9
                # Of several, since a busy machine may come late to any of them.
                for {set i 0} {$i < 5 && $least_ms >= $seconds * 1000 + 15} {incr i} {
                    set start [clock microseconds]
                    expect [rt {*}[string map [list % $seconds] $request]] $no_array
                    set took_ms [expr {([clock microseconds] - $start) / 1000.0}]
                    expect_true {$took_ms >= $seconds * 1000 - 1}
                    if {$took_ms < $least_ms} { set least_ms $took_ms }
                    if {$::server::kind ne "cogwheel"} break
                }
                if {$::server::kind ne "cogwheel"} continue
                expect_true {$least_ms < $seconds * 1000 + 15 * $::suite::slow_factor}
            }
        }
        expect [r EXISTS a b] 0
    }

    test "wrong timeouts" {
        foreach text [list x "" nan " 1" 1,5 "1 "] {
            expect_error "ERR timeout is not a float or out of range" { r BLPOP a $text }
            expect_error "ERR timeout is not a float or out of range" { r BLMPOP $text 1 a LEFT }
        }
        foreach text {-1 -0.5 -1e10 inf -inf 1e300 9223372036854775807} {
            expect_error "ERR timeout is negative" { r BLMOVE a b LEFT LEFT $text }
        }
        expect_error "ERR numkeys should be greater than 0" { r BLMPOP x 0 a LEFT }
        expect_error "ERR count should be greater than 0" { r BLMPOP x 1 a LEFT COUNT 0 }
        expect_error "ERR syntax error" { r BLMPOP x 1 a UP }
        expect_error "ERR syntax error" { r BLMOVE a b UP LEFT x }
        r SET s x
        expect_error $wrongtype { r BLPOP none s 1 }
        expect_error $wrongtype { r BLMOVE s none LEFT LEFT 1 }
        expect_error $wrongtype { r BLMPOP 1 2 none s LEFT }
    }

    test "who came first is served first" {
        set clients {}
        for {set i 0} {$i < 20} {incr i} { lappend clients [waiting BLPOP l 0] }
        r RPUSH l 0 1 2
        r RPUSH l 3
        foreach c [lrange $clients 0 3] value {0 1 2 3} {
            expect [client::receive $c] [list l $value]
        }
        expect [info_field blocked_clients] 16
        r RPUSH l {*}[lseq_from 4 24]
        foreach c [lrange $clients 4 end] value [lseq_from 4 19] {
            expect [client::receive $c] [list l $value]
        }
        expect [r LRANGE l 0 -1] {20 21 22 23 24}
    }

    test "several keys: the one that came first, and each client once" {
        set a [waiting BLPOP x y 0]
        set b [waiting BLPOP y x 0]
        set c [waiting BLPOP y y y 0]
        client::pipeline [default_client] {MULTI {RPUSH y 1} {RPUSH x 2} {RPUSH y 3} EXEC}
        expect [client::receive $a] {y 1}
        expect [client::receive $b] {y 3}
        expect [r LRANGE x 0 -1] 2
        expect_silent $c
        r RPUSH y 4 5
        expect [client::receive $c] {y 4}
    }

    test "a served list is left as the commands leave it" {
        set c [waiting BLMPOP 0 1 l LEFT COUNT 2]
        r RPUSH l 1 2 3
        expect [client::receive $c] {l {1 2}}
        expect [r LPOP l] 3
        set c [waiting BLMOVE l l LEFT RIGHT 0]
        r RPUSH l 1 2 3
        expect [client::receive $c] 1
        expect [r LRANGE l 0 -1] {2 3 1}
    }

    test "a chain of moves" {
        set last [waiting BLPOP d 0]
        set third [waiting BLMOVE c d RIGHT LEFT 0]
        set second [waiting BRPOPLPUSH b c 0]
        set first [waiting BLMOVE a b LEFT RIGHT 0]
        r RPUSH a x
        foreach c [list $first $second $third] { expect [client::receive $c] x }
        expect [client::receive $last] {d x}
        expect [r EXISTS a b c d] 0
    }

    test "moves in a circle end" {
        set one [waiting BLMOVE a b LEFT RIGHT 0]
        set two [waiting BLMOVE b a LEFT RIGHT 0]
        r RPUSH a x
        expect [client::receive $one] x
        expect [client::receive $two] x
        expect [r LRANGE a 0 -1] x
    }

    test "a move to a key of another type" {
        r SET s x
        set c [waiting BLMOVE a s LEFT LEFT 0]
        r RPUSH a 1 2
        expect_error $wrongtype { client::receive $c }
        expect [r LRANGE a 0 -1] {1 2}
        expect [info_field blocked_clients] 0
    }

    test "a key of another type, or gone again, serves nobody" {
        set c [waiting BLPOP k 0]
        r SET k x
        r DEL k
        r SADD k x
        r DEL k
        client::pipeline [default_client] {MULTI {RPUSH k 1} {DEL k} EXEC}
        client::pipeline [default_client] {MULTI {RPUSH k 1} {DEL k} {SET k v} EXEC}
        expect_silent $c
        r DEL k
        client::pipeline [default_client] {MULTI {SET k v} {DEL k} {RPUSH k 2 3} EXEC}
        expect [client::receive $c] {k 2}
    }

    test "a list that comes by RENAME or RESTORE" {
        set c [waiting BLPOP k 0]
        r RPUSH other 1 2
        r RENAME other k
        expect [client::receive $c] {k 1}
        set c [waiting BLPOP k2 0]
        r RENAMENX k k2
        expect [client::receive $c] {k2 2}
        r RPUSH other 3 4
        set dump [r DUMP other]
        set c [waiting BLPOP k 0]
        r RESTORE k 0 $dump
        expect [client::receive $c] {k 3}
    }

    test "waiting in a database sees that database" {
        set c [client]
        client::pipeline $c {{SELECT 3}}
        client::send $c BLPOP k 0
        client::flush $c
        await_blocked 1
        r RPUSH k 1
        expect_silent $c
        r SELECT 3
        r RPUSH k 2
        expect [client::receive $c] {k 2}
        r SELECT 0
    }

    test "FLUSHALL with waiters" {
        set c [waiting BLPOP k 0]
        r FLUSHALL
        r FLUSHDB
        r RPUSH k 1
        expect [client::receive $c] {k 1}
    }

    test "in a transaction nothing waits" -resp {2 3} {
        set null_a [expr {[resp] == 2 ? "null_array" : "null"}]
        set null_b [expr {[resp] == 2 ? "null_bulk" : "null"}]
        r MULTI
        foreach request {
            {BLPOP a 0} {BRPOP a 0} {BLMOVE a b LEFT LEFT 0} {BRPOPLPUSH a b 0} {BLMPOP 0 1 a LEFT}
            {RPUSH a 1} {BLPOP a 0}
        } {
            expect [r {*}$request] QUEUED
        }
        expect [rt EXEC] [list array [list $null_a $null_a $null_b $null_b $null_a {int 1} \
                                          {array {{bulk a} {bulk 1}}}]]
    }

    test "pushes of a transaction are seen after it" {
        set a [waiting BLPOP k 0]
        set b [waiting BRPOP k 0]
        expect [client::pipeline [default_client] {
            MULTI {RPUSH k 1} {LLEN k} {RPUSH k 2 3} {LRANGE k 0 -1} {LPUSH k 0} EXEC
        }] {OK QUEUED QUEUED QUEUED QUEUED QUEUED {1 1 3 {1 2 3} 4}}
        expect [client::receive $a] {k 0}
        expect [client::receive $b] {k 3}
    }

    test "a pipeline behind a wait keeps its order" {
        set c [client]
        client::send $c BLPOP k 0
        client::send $c PING
        client::send $c RPUSH k2 [string repeat x 100000]
        client::send $c BLPOP k 0
        client::send $c ECHO end
        client::flush $c
        await_blocked 1
        expect [r EXISTS k2] 0
        r RPUSH k 1
        expect [client::receive $c] {k 1}
        expect [client::receive $c] PONG
        expect [client::receive $c] 1
        r RPUSH k 2
        expect [client::receive $c] {k 2}
        expect [client::receive $c] end
    }

    test "a client that serves itself in its pipeline" {
        set c [client]
        expect [client::pipeline $c {{RPUSH k 1} {BLPOP k 0} {BLPOP k 0.01} PING}] \
            {1 {k 1} (nil) PONG}
    }

    test "who goes away waits no more" {
        set a [waiting BLPOP k 0]
        set b [waiting BLPOP k 0]
        client::close $a
        await_blocked 1
        r RPUSH k 1
        expect [client::receive $b] {k 1}
        set c [waiting BLPOP k j 0]
        client::close $c
        await_blocked 0
        r RPUSH k 2
        expect [r LRANGE k 0 -1] 2
    }

    test "CLIENT UNBLOCK" -resp {2 3} {
        set no_array [expr {[resp] == 2 ? "null_array" : "null"}]
        foreach request {
            {BLPOP a b 0} {BLMOVE a b LEFT LEFT 0} {BLMPOP 10 1 a LEFT} {BRPOPLPUSH a b 10}
        } {
            set c [client -resp [resp]]
            set id [$c CLIENT ID]
            expect [r CLIENT UNBLOCK $id] 0
            foreach {words reply} [list {} $no_array TIMEOUT $no_array \
                          ERROR {error {UNBLOCKED client unblocked via CLIENT UNBLOCK}}] {
                client::send $c {*}$request
                client::flush $c
                await_blocked 1
                expect [r CLIENT UNBLOCK $id {*}$words] 1
                expect [client::receive_typed $c] $reply
                expect [r CLIENT UNBLOCK $id {*}$words] 0
            }
            expect [$c PING] PONG
        }
        r RPUSH a 1
        expect [r LRANGE a 0 -1] 1
    }

    test "CLIENT KILL" {
        set c [client]
        set id [$c CLIENT ID]
        client::send $c BLPOP k 0
        client::flush $c
        await_blocked 1
        set other [waiting BLPOP k 0]
        expect [r CLIENT KILL ID $id] 1
        expect [client::read_all $c] ""
        await_blocked 1
        r RPUSH k 1
        expect [client::receive $other] {k 1}
    }

    test "a push and a kill in one transaction" {
        set c [client]
        set id [$c CLIENT ID]
        client::send $c BLPOP k 0
        client::flush $c
        await_blocked 1
        client::pipeline [default_client] [list MULTI [list CLIENT KILL ID $id] {RPUSH k 1} EXEC]
        client::read_all $c
        expect [r PING] PONG
        await_blocked 0
    }

    test "CLIENT LIST shows who waits" {
        set c [waiting BLPOP k 0]
        expect_match [r CLIENT LIST] "* flags=b *cmd=blpop *"
        r RPUSH k 1
        client::receive $c
    }

    test "a wait and its timeout leave the clocks of others alone" {
        set long [waiting BLPOP k 30]
        set short [waiting BLPOP k 0.1]
        set middle [waiting BLPOP k 0.2]
        expect [client::receive $short] (nil)
        expect [client::receive $middle] (nil)
        r RPUSH k 1
        expect [client::receive $long] {k 1}
    }

    test "many waiters" {
        set clients {}
        for {set i 0} {$i < 300} {incr i} {
            set c [client]
            client::send $c BLPOP k [expr {$i % 3 ? 0 : 100 + $i}]
            client::flush $c
            lappend clients $c
            await_blocked [expr {$i + 1}]
        }
        set gone {}
        foreach i {0 1 50 150 298 299} {
            client::close [lindex $clients $i]
            lappend gone [lindex $clients $i]
        }
        await_blocked 294
        r RPUSH k {*}[lseq_from 0 293]
        set i 0
        foreach c $clients {
            if {$c in $gone} continue
            expect [client::receive $c] [list k $i]
            incr i
        }
        expect [r EXISTS k] 0
    }

    test "a dozen waits for two hundred keys" {
        set clients {}
        set keys {}
        for {set i 0} {$i < 200} {incr i} { lappend keys k$i }
        for {set i 0} {$i < 12} {incr i} { lappend clients [waiting BLPOP {*}$keys 0] }
        foreach c $clients { r RPUSH k[rand_int 200] v }
        foreach c $clients { expect [lindex [client::receive $c] 1] v }
        expect [r DBSIZE] 0
    }

    test "gears: pushes of steps and atomic blocks serve, BLPOP doesn't wait" -needs python {
        set a [waiting BLPOP k 0]
        set b [waiting BLPOP k 0]
        r RG.PYEXECUTE {
GB('ShardsIDReader').map(lambda x: execute('RPUSH', 'k', 'step')).run()
        }
        expect [client::receive $a] {k step}
        r RG.PYEXECUTE {
def both(x):
    with atomic():
        execute('RPUSH', 'k', '1')
        execute('RPUSH', 'k', '2')
        return str(execute('LLEN', 'k')) + str(execute('BLPOP', 'none', '0'))
GB('ShardsIDReader').map(both).run()
        }
        expect [client::receive $b] {k 1}
        expect [r LRANGE k 0 -1] 2
    }

    test "gears: KeysReader gives lists as lists" -needs python {
        r RPUSH l 1 two "\xff"
        set reply [r RG.PYEXECUTE {
GB().map(lambda x: repr((x['type'], x['value']))).run('l')
        }]
        expect [lindex $reply 0 0] {('list', ['1', 'two', bytearray(b'\xff')])}
    }
}
