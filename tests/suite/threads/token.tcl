# SPDX-License-Identifier: BSD-3-Clause
#
# The data token: worker threads run thousands of commands while clients load the server.

tags threads quick

with_server {} {
    test "workers and clients share the data without losing a write" -only cogwheel {
        set rounds 3000
        set worker [client]
        client::send $worker DEBUG TOKEN-STRESS 4 $rounds
        client::flush $worker
        set clients {}
        for {set i 0} {$i < 8} {incr i} { lappend clients [client] }
        set sent 0
        # Until the workers are done; every round is a pipeline of each client.
        while {[r DEBUG DIGEST] ne "" && [info_field blocked_clients] > 0} {
            foreach c $clients {
                client::send $c INCR shared
                client::send $c SET stress:shared x
                client::send $c GET stress:0
                client::send $c MULTI
                client::send $c INCR shared
                client::send $c EXEC
            }
            foreach c $clients { for {set i 0} {$i < 6} {incr i} { client::receive $c } }
            incr sent [expr {2 * [llength $clients]}]
        }
        expect [client::receive $worker] 0
        for {set i 0} {$i < 4} {incr i} { expect [r GET stress:$i] $rounds }
        if {$sent} { expect [r GET shared] $sent }
    }

    test "watched keys notice what workers write" -only cogwheel {
        set watcher [client]
        $watcher WATCH stress:0
        expect [r DEBUG TOKEN-STRESS 1 10] 0
        $watcher MULTI
        $watcher PING
        expect [$watcher EXEC] (nil)
    }

    test "a client that goes away while workers run does no harm" -only cogwheel {
        set c [client]
        client::send $c DEBUG TOKEN-STRESS 2 2000
        client::flush $c
        client::close $c
        expect [r DEBUG TOKEN-STRESS 2 2000] 0
        expect [r PING] PONG
    }

    test "expiry, flushes and workers at once" -only cogwheel {
        set worker [client]
        client::send $worker DEBUG TOKEN-STRESS 2 3000
        client::flush $worker
        for {set i 0} {$i < 200} {incr i} {
            r SET e:$i v PX [expr {1 + $i % 20}]
            if {$i % 50 == 0} { r FLUSHALL ASYNC }
        }
        expect [client::receive $worker] 0
    }

    test "commands that scripts may not run are refused to workers" -only cogwheel {
        expect_error "ERR value is out of range" {r DEBUG TOKEN-STRESS 100 1}
        r MULTI
        r DEBUG TOKEN-STRESS 1 1
        expect_match [r EXEC] "*needs a client that can wait*"
    }
}
