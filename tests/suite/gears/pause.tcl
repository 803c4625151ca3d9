# SPDX-License-Identifier: BSD-3-Clause
#
# Programs while clients are paused: what a client would have to wait with waits.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# What programs said so far.
proc said {} {
    regexp -all -inline {GEARS: at \S+} [srv log]
}

with_server {} {
    test "a program's writes wait for the end of a pause, its reads don't" -needs python {
        r SET k v
        r CLIENT PAUSE 100000 WRITE
        set c [begin RG.PYEXECUTE {
log('at ' + execute('GET', 'k'))
execute('SET', 'k', 'w')
log('at end')
        }]
        wait_for {[llength [said]] == 1}
        expect [r GET k] v
        expect [said] {{GEARS: at v}}
        r CLIENT UNPAUSE
        expect [finish $c] OK
        expect [r GET k] w
    }

    test "a pause of all holds reads, too" -needs python {
        r SET k v
        r CLIENT PAUSE 300 ALL
        set start [clock milliseconds]
        # Sent in the pause, so it waits as a client's command; the next begins before it.
        set c [begin RG.PYEXECUTE "execute('GET', 'k')"]
        expect [finish $c] OK
        expect_true {[clock milliseconds] - $start >= 290}
        set c [begin RG.PYEXECUTE {
import time
execute('SET', 'here', 1)
while execute('EXISTS', 'here'): time.sleep(0.0005)
        }]
        wait_for {[r EXISTS here]}
        r CLIENT PAUSE 300 ALL
        set start [clock milliseconds]
        r DEL here
        finish $c
        expect_true {[clock milliseconds] - $start >= 290}
    }

    test "an atomic block doesn't begin in a pause" -needs python {
        set n [llength [said]]
        r CLIENT PAUSE 100000 WRITE
        set c [begin RG.PYEXECUTE {
log('at first')
with atomic():
    log('at block')
    execute('SET', 'k', 'atomic')
        }]
        wait_for {[llength [said]] == $n + 1}
        expect [r EXISTS k] 0
        r CLIENT UNPAUSE
        expect [finish $c] OK
        expect [r GET k] atomic
        expect [llength [said]] [expr {$n + 2}]
    }

    test "who waits in a pause can be stopped" -needs python {
        foreach body {"execute('SET', 'k', 1)" "with atomic(): execute('SET', 'k', 1)"} {
            r CLIENT PAUSE 100000 WRITE
            r RG.PYEXECUTE "
def f(r):
    $body
GB('ShardsIDReader').foreach(f).run()" UNBLOCKING
            wait_for {[dict get [lindex [r RG.DUMPEXECUTIONS] 0] status] eq "running"}
            r RG.ABORTEXECUTION [dict get [lindex [r RG.DUMPEXECUTIONS] 0] executionId]
            wait_for {[dict get [lindex [r RG.DUMPEXECUTIONS] 0] status] eq "done"}
            r CLIENT UNPAUSE
            expect [r EXISTS k] 0
        }
    }

    test "what may write is held: triggers, hooked commands, transactions with such" -needs python {
        r RG.PYEXECUTE {
GB('CommandReader').map(lambda r: execute('SET', 'trigger', 1)).register(trigger='t', mode='sync')
GB('CommandReader').map(lambda r: execute('SET', 'hook', 1)).register(hook='get', mode='sync')
        }
        set t [client]
        set m [client]
        $m MULTI
        $m GET k
        r CLIENT PAUSE 100000 WRITE
        client::send $t RG.TRIGGER t
        client::flush $t
        client::send $m EXEC
        client::flush $m
        set g [begin GET k]
        wait_for {[info_field blocked_clients] == 3}
        expect [r EXISTS trigger hook] 0
        expect [r STRLEN k] 0
        r CLIENT UNPAUSE
        expect [client::receive $t] OK
        expect [client::receive $m] OK
        expect [finish $g] OK
        foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
        client::close $t
        client::close $m
    }

    test "what runs by the clock waits or is skipped" -needs python {
        foreach mode {sync async_local} {
            r RG.PYEXECUTE "GB('TimeReader').foreach(lambda r: execute('INCR', 'n'))\
                .register(every=5, mode='$mode')"
            wait_for {[r GET n] > 2}
            r CLIENT PAUSE 100000 WRITE
            set n [r GET n]
            # Some of its times have come and gone.
            set args [dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] args]
            set next [dict get $args next]
            wait_for {[clock milliseconds] > $next + 50}
            expect [r GET n] $n
            r CLIENT UNPAUSE
            wait_for {[r GET n] > $n}
            foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
            r DEL n
        }
    }

    test "what a read sets off waits, though it is sync" -needs python {
        r RG.PYEXECUTE {
def fetch(r):
    log('at ' + r['key'])
    execute('SET', r['key'], 'fetched')
GB().foreach(fetch).register('miss*', mode='sync', eventTypes=['keymiss'], readValue=False)
        }
        set n [llength [said]]
        r GET miss1
        expect [r GET miss1] fetched
        r CLIENT PAUSE 100000 WRITE
        expect [r GET miss2] (nil)
        wait_for {[llength [said]] == $n + 2}
        expect [r MGET miss1 k] {fetched (nil)}
        expect [r EXISTS miss2] 0
        r CLIENT UNPAUSE
        wait_for {[r GET miss2] eq "fetched"}
        r GET miss3
        expect [r GET miss3] fetched
        foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
    }

    test "a stream's group, and its entries, stand still when the registration goes" -needs python {
        foreach prefix {s s*} {
            r FLUSHALL
            r RG.PYEXECUTE "GB('StreamReader').foreach(lambda r: execute('INCR', 'n')).register('$prefix')"
            r RG.PYEXECUTE "GB('StreamReader').foreach(lambda r: 1 / 0)\
                .register('$prefix', onFailedPolicy='abort')"
            r XADD s 1-1 a b
            r XADD s 2-1 a b
            wait_for {[r GET n] == 2}
            wait_for {[string match *ABORTED* [r RG.DUMPREGISTRATIONS]]}
            # The first one has done both entries, the second needs them.
            expect [list [r XLEN s] [llength [r XINFO GROUPS s]]] {2 2}
            r CLIENT PAUSE 100000 WRITE
            foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
            expect [r RG.DUMPREGISTRATIONS] {}
            expect [list [r XLEN s] [llength [r XINFO GROUPS s]]] {2 2}
            r CLIENT UNPAUSE
            wait_for {[r XINFO GROUPS s] eq {}}
        }
    }

    test "what has run out stays while clients are paused, though a program asks" -needs python {
        r DEBUG EFFECTS ON
        r SET k v PX 1
        r CLIENT PAUSE 100000 WRITE
        wait_for {[r EXISTS k] == 0}
        r RG.PYEXECUTE "GB('ShardsIDReader').map(lambda r: execute('GET', 'k')).run()"
        set effects [r DEBUG EFFECTS TAKE]
        expect_true {![string match -nocase "*DEL*" $effects]}
        r CLIENT UNPAUSE
        expect [r GET k] (nil)
        wait_for {[string match -nocase "*DEL*" [r DEBUG EFFECTS TAKE]]}
        r DEBUG EFFECTS OFF
    }
}
