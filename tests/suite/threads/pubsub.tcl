# SPDX-License-Identifier: BSD-3-Clause
#
# Workers of gears publish and change keys while clients subscribe, unsubscribe, monitor and leave.

tags threads quick

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc publishers {count rounds} {
    set ids {}
    for {set w 0} {$w < $count} {incr w} {
        lappend ids [r RG.PYEXECUTE "def f(x):
  for i in range($rounds):
    execute('PUBLISH', 'ch:$w', str(i))
    execute('SPUBLISH', 'sh:$w', str(i))
    execute('SET', 'k:$w', str(i))
  return x
GB('ShardsIDReader').map(f).run()" UNBLOCKING]
    }
    return $ids
}

with_server {notify-keyspace-events KEA slowlog-log-slower-than 0} {
    test "workers publish while clients come, listen and go" -needs python -only cogwheel {
        set keeper [client -resp 3]
        set rounds 1500
        client::send $keeper SUBSCRIBE ch:0 ch:1 end
        for {set i 0} {$i < 3} {incr i} { client::next_push $keeper }
        set ids [publishers 3 $rounds]
        while {[running $ids]} {
            set c [client -resp 3]
            set m [client]
            client::send $m MONITOR
            client::flush $m
            client::send $c PSUBSCRIBE ch:* __key*
            client::send $c SSUBSCRIBE sh:0 sh:1
            client::send $c SUBSCRIBE ch:2
            client::send $c PUBLISH ch:0 main
            client::send $c UNSUBSCRIBE
            client::send $c SLOWLOG GET
            expect_true {[llength [client::receive $c]] >= 0}
            client::close $c
            client::close $m
        }
        r PUBLISH end end
        # What each worker published came completely and in its order.
        array set next {ch:0 0 ch:1 0}
        while 1 {
            lassign [client::plain [client::next_push $keeper]] kind channel text
            if {$channel eq "end"} break
            if {$text eq "main"} continue
            expect $text $next($channel)
            incr next($channel)
        }
        expect $next(ch:0) $rounds
        expect $next(ch:1) $rounds
        wait_for {[r PUBSUB NUMPAT] == 0}
    }

    test "a subscriber sees no message from before it subscribed" -needs python -only cogwheel {
        set ids [publishers 1 3000]
        while {[running $ids]} {
            # The worker publishes, then sets: who reads the key and subscribes in one transaction
            # hears what comes next, maybe without the one that was published but not yet set.
            set c [client]
            $c MULTI
            $c GET k:0
            $c SUBSCRIBE ch:0
            set seen [lindex [$c EXEC] 0]
            r PUBLISH ch:0 end
            set heard [lindex [client::receive $c] 2]
            if {$heard ne "end" && $seen ne "(nil)"} {
                expect_true {$heard == $seen + 1 || $heard == $seen + 2}
            }
            client::close $c
        }
        expect [r PING] PONG
    }
}
