# SPDX-License-Identifier: BSD-3-Clause
#
# CLIENT TRACKING, default mode: what is noted, who is told, and where a message stands between
# replies.

tags quick

# What had been sent to it unasked by now.
proc heard {c} { client::transcript $c {} }

proc invalid {args} {
    set keys {}
    foreach key $args { lappend keys [list bulk $key] }
    list push [list {bulk invalidate} [list array $keys]]
}

set flushed {push {{bulk invalidate} null}}

proc tracker {args} {
    set c [client -resp 3]
    $c CLIENT TRACKING ON {*}$args
    return $c
}

with_server {} {
    test "a key that was read is told of once, until it is read again" {
        set c [tracker]
        $c GET a
        r SET a 1
        expect [heard $c] [list [invalid a]]
        r SET a 2
        expect [heard $c] {}
        $c GET a
        r DEL a
        expect [heard $c] [list [invalid a]]
    }

    test "keys that are absent, of other databases and of any bytes" {
        set c [tracker]
        $c MGET absent "\0\r\n" ""
        r SELECT 7
        r SET absent 1
        r SET "\0\r\n" 1
        r SET "" 1
        r SELECT 0
        expect [heard $c] [list [invalid absent] [invalid "\0\r\n"] [invalid ""]]
    }

    test "a client's own change is told after its reply" {
        set c [tracker]
        expect [client::transcript $c {{GET a} {SET a 1} {PING} {SET a 2}}] \
            [list null {simple OK} [invalid a] {simple PONG} {simple OK}]
    }

    test "no message stands within EXEC's reply" {
        set c [tracker]
        expect [client::transcript $c {{GET k} {MULTI} {SET k 2} {GET j} {SET j 1} {EXEC} {PING}}] \
            [list null {simple OK} {simple QUEUED} {simple QUEUED} {simple QUEUED} \
                {array {{simple OK} null {simple OK}}} [invalid k] [invalid j] {simple PONG}]
        expect [client::transcript $c {{GET k} {MULTI} {SET k 1} {FLUSHALL} {SET j 1} {EXEC} {PING}}] \
            [list {bulk 2} {simple OK} {simple QUEUED} {simple QUEUED} {simple QUEUED} \
                {array {{simple OK} {simple OK} {simple OK}}} [invalid k] $::flushed {simple PONG}]
    }

    test "what another's EXEC changes comes in its order" {
        set c [tracker]
        $c MGET a b
        r MULTI
        r SET b 1
        r FLUSHALL
        r SET a 1
        r EXEC
        expect [heard $c] [list [invalid b] $::flushed]
    }

    test "emptied databases make everybody drop everything" {
        set c [tracker]
        set b [tracker BCAST]
        $c GET a
        foreach command {FLUSHDB FLUSHALL {FLUSHDB ASYNC} {FLUSHALL ASYNC}} {
            r {*}$command
            expect [heard $c] [list $::flushed]
            expect [heard $b] [list $::flushed]
        }
        r SET a 1
        expect [heard $c] {}
        $c GET a
        r SWAPDB 0 1
        r SWAPDB 0 1
        expect [heard $c] {}
        expect [client::transcript $c {FLUSHALL}] [list {simple OK} $::flushed]
    }

    test "a key that runs out" {
        set c [tracker]
        r SET e 1 PX 500
        $c GET e
        expect [client::next_push $c] [invalid e]
    }

    test "a key that its reader finds expired is told, and noted again" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        set c [tracker]
        r SET e 1 PX 1
        $c GET e
        wait_for {[r EXISTS e] == 0}
        # Its next read is to find the key alive, on a slow machine in a later round.
        for {set ttl_ms 400; set noted ""} {![string match {{int [0-9]*}} $noted]} {incr ttl_ms 400} {
            expect_true {$ttl_ms < 60000}
            r SET e 1 PX $ttl_ms
            heard $c
            set noted [client::transcript $c {{TTL e}}]
        }
        set seen {}
        wait_for {[lappend seen {*}[client::transcript $c {{GET e}}]; expr {"null" in $seen}]}
        expect [lrange $seen end-1 end] [list null [invalid e]]
        r SET e 1
        expect [heard $c] [list [invalid e]]
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "what counts as a read" {
        r SET s 1
        r RPUSH l a b
        r XADD x 1-1 a b
        r SADD st a
        foreach {noted request} {
            1 {EXISTS s} 1 {TYPE s} 1 {TTL s} 1 {OBJECT ENCODING s} 1 {STRLEN s} 1 {LRANGE l 0 -1}
            1 {HGET s a} 1 {SORT_RO l ALPHA BY w* GET k*} 1 {XREAD STREAMS x 0} 2 {SINTER st st2}
            1 {DUMP s} 1 {TOUCH s} 1 {PFCOUNT nn} 1 {BITCOUNT s} 2 {ZUNION 2 z1 z2} 2 {LCS s s2}
            3 {MGET a b c} 1 {GET s} 2 {EXISTS a b} 1 {XREAD BLOCK 1 STREAMS x $}
            0 {SORT l ALPHA} 0 {SCAN 0} 0 {KEYS *} 0 {DBSIZE} 0 {RANDOMKEY} 0 {GETEX s} 0 {GETDEL no}
            0 GET 0 {WATCH s} 0 {PUBLISH s x} 0 {OBJECT HELP} 0 {COMMAND GETKEYS GET s} 0 {PING}
        } {
            set c [tracker]
            catch {$c {*}$request}
            expect "$request: [info_field tracking_total_keys]" "$request: $noted"
            client::close $c
            wait_for {[info_field tracking_clients] == 0}
            # Stock remembers keys for clients that are gone; a change makes it forget them.
            r MSET a 1 b 1 c 1 s2 1 z1 1 z2 1 nn 1 no 1 st2 1 s 1 l 1 x 1 st 1
            r FLUSHALL
            r SET s 1
            r RPUSH l a b
            r XADD x 1-1 a b
            r SADD st a
        }
    }

    test "many readers of one key" {
        set clients {}
        for {set i 0} {$i < 40} {incr i} { lappend clients [tracker] }
        foreach c [concat $clients [lreverse $clients]] { $c GET shared }
        expect [info_field tracking_total_keys] 1
        expect [info_field tracking_total_items] 40
        client::close [lindex $clients 7]
        [lindex $clients 8] CLIENT TRACKING OFF
        r SET shared 1
        set i 0
        foreach c $clients {
            if {$i != 7} { expect [heard $c] [expr {$i == 8 ? {} : [list [invalid shared]]}] }
            incr i
        }
        expect [info_field tracking_total_items] 0
    }

    test "random reads and changes: each client is told exactly of what it has read" {
        set count 4
        for {set i 0} {$i < $count} {incr i} { set client($i) [tracker]; set read($i) [dict create] }
        for {set step 0} {$step < 400} {incr step} {
            set key k[rand_int 20]
            set i [rand_int $count]
            if {[rand_int 2]} {
                $client($i) GET $key
                dict set read($i) $key 1
                continue
            }
            r {*}[rand_pick [list [list SET $key 1] [list APPEND $key x] [list SET $key 2 PX 100000]]]
            for {set j 0} {$j < $count} {incr j} {
                set want [expr {[dict exists $read($j) $key] ? [list [invalid $key]] : {}}]
                set read($j) [dict remove $read($j) $key]
                expect [heard $client($j)] $want
            }
        }
    }

    test "in RESP2 there is nobody to tell; replies are as ever" {
        set c [client]
        $c CLIENT TRACKING ON
        $c GET a
        r SET a 1
        expect [client::transcript $c {{GET a} {SET a 2}}] {{bulk 1} {simple OK}}
    }

    test "messages come though replies are off" {
        set c [tracker]
        $c GET a
        client::send $c CLIENT REPLY OFF
        client::send $c GET b
        client::send $c SET a 1
        client::send $c CLIENT REPLY ON
        expect [client::next_push $c] [invalid a]
        expect [client::receive_typed $c] {simple OK}
    }

    test "a waiting client that is served is told, but not within its reply" {
        foreach {request kind serve reply} {
            {BLPOP q 0} LLEN {RPUSH q v} {array {{bulk q} {bulk v}}}
            {BLMPOP 0 1 q LEFT} LLEN {RPUSH q v} {array {{bulk q} {array {{bulk v}}}}}
            {BLMOVE q q LEFT LEFT 0} LLEN {RPUSH q v} {bulk v}
            {BZPOPMIN q 0} ZCARD {ZADD q 1 v} {array {{bulk q} {bulk v} {double 1}}}
        } {
            r DEL q
            set c [tracker]
            $c $kind q
            client::send $c {*}$request
            client::flush $c
            wait_for {[info_field blocked_clients] == 1}
            # The server of the wait tracks the key, too: his message isn't anybody else's.
            set d [tracker]
            $d $kind q
            set served [client::transcript $d [list $serve]]
            expect [lsearch -all -inline $served push*] [list [invalid q]]
            set all [heard $c]
            expect [lsearch -all -inline -not $all push*] [list $reply]
            expect [lsearch -all -inline $all push*] [list [invalid q]]
            client::close $c
            client::close $d
        }
    }

    test "evicted keys are told of" {
        set c [tracker]
        r SET victim [string repeat x 200000]
        $c STRLEN victim
        r CONFIG SET maxmemory-policy allkeys-random
        r CONFIG SET maxmemory 100kb
        expect [client::next_push $c] [invalid victim]
        r CONFIG SET maxmemory 0
    }

    test "the table of keys has a limit" {
        set c [tracker]
        with_config {tracking-table-max-keys 10} {
            set keys {}
            for {set i 0} {$i < 100} {incr i} { lappend keys k$i }
            $c MGET {*}$keys
            wait_for {[info_field tracking_total_keys] <= 10}
            set told {}
            for {set i 0} {$i < 90} {incr i} {
                lappend told [lindex [client::next_push $c] 1 1 1 0 1]
            }
            expect [llength [lsort -unique $told]] 90
            r MSET {*}[concat {*}[lmap k $keys {list $k 1}]]
            for {set i 0} {$i < 10} {incr i} {
                lappend told [lindex [client::next_push $c] 1 1 1 0 1]
            }
            expect_set $told $keys
            expect [info_field tracking_total_keys] 0
        }
    }

    test "TRACKING within EXEC holds for what follows it" {
        set c [client -resp 3]
        client::transcript $c {MULTI {GET before} {CLIENT TRACKING ON} {GET after} EXEC}
        r SET before 1
        r SET after 1
        expect [heard $c] [list [invalid after]]
        client::transcript $c {MULTI {GET x} {CLIENT TRACKING OFF} {GET y} EXEC}
        r MSET x 1 y 1
        expect [heard $c] {}
    }

    test "RESET and OFF end it" {
        set c [tracker]
        $c GET a
        $c CLIENT TRACKING OFF
        r SET a 1
        expect [heard $c] {}
        $c CLIENT TRACKING ON
        $c GET a
        $c RESET
        $c HELLO 3
        r SET a 1
        expect [heard $c] {}
        expect [$c CLIENT GETREDIR] -1
    }

    test "INFO and CLIENT LIST show it" {
        expect [info_field tracking_clients] 0
        set c [tracker]
        set b [tracker BCAST PREFIX a PREFIX b]
        expect [info_field tracking_clients] 2
        expect [info_field tracking_total_prefixes] 2
        expect_match [$c CLIENT INFO] "* flags=t *redir=0 *"
        expect_match [$b CLIENT INFO] "* flags=tB *redir=0 *"
        client::close $b
        wait_for {[info_field tracking_total_prefixes] == 0}
        $c CLIENT TRACKING OFF
        expect [info_field tracking_clients] 0
        expect_match [$c CLIENT INFO] "* flags=N *redir=-1 *"
    }
}
