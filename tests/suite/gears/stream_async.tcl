# SPDX-License-Identifier: BSD-3-Clause
#
# Registrations of StreamReader whose steps are coroutines, or promise futures: a batch is over when
# its last record has been answered, whatever that takes.

tags quick

# What every script below may use. A record waits until somebody says how it ends: `SET end:<id>`,
# with an error's text, or nothing.
set ::tools {
import asyncio, threading, time
async def told(r):
    """Waits until the test says how this ends."""
    while True:
        end = execute('get', 'end:' + r['id'])
        if end is not None: break
        await asyncio.sleep(0.002)
    if end: raise Exception(end)
async def step(r):
    execute('rpush', '{begun}', r['id'])
    await told(r)
    execute('rpush', '{done}', r['id'])
    return r
def from_thread(r):
    """A future that another thread answers."""
    f = gearsFuture()
    def answer():
        time.sleep(0.002)
        if r['value']['n'].startswith('bad'): f.continueFailed(r['value']['n'])
        else: f.continueRun(r['id'])
    threading.Thread(target=answer).start()
    return f
}

proc register {words args} {
    r RG.PYEXECUTE "$::tools\n[join $args \n]\nGB('StreamReader').map(step).register($words)"
}

proc regs {} {
    lmap reg [r RG.DUMPREGISTRATIONS] {lindex $reg 1}
}

proc start_over {} {
    foreach id [regs] { r RG.UNREGISTER $id abortpending }
    foreach e [r RG.DUMPEXECUTIONS] { r RG.ABORTEXECUTION [lindex $e 1] }
    r FLUSHALL
}

proc data {field {nth 0}} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] $nth] RegistrationData] $field
}

# numTriggered, numSuccess, numFailures, numAborted.
proc counts {} {
    lmap name {numTriggered numSuccess numFailures numAborted} {data $name}
}

proc add {stream args} {
    foreach n $args { r XADD $stream $n-1 n $n }
}

# Entries with these ids end well.
proc finish {args} {
    foreach id $args { r SET end:$id "" }
}

proc pending {stream} {
    set sum 0
    foreach g [r XINFO GROUPS $stream] { incr sum [dict get $g pending] }
    return $sum
}

proc running {} {
    set ids {}
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[lindex $e 3] eq "running"} { lappend ids [lindex $e 1] }
    }
    return $ids
}

with_server {} {
    test "an entry is acknowledged, and trimmed, when its coroutine has ended" -needs python {
        start_over
        register "'s'"
        add s 1
        wait_for {[r LRANGE "{begun}" 0 -1] eq {1-1}}
        expect [pending s] 1
        expect [r XLEN s] 1
        expect [counts] {1 0 0 0}
        expect [llength [running]] 1
        finish 1-1
        wait_for {[r XLEN s] == 0}
        expect [pending s] 0
        expect [counts] {1 1 0 0}
        start_over
    }

    test "one batch after the other, in their order" -needs python {
        start_over
        register "'s'"
        add s 1 2 3
        # The others could end at once, and don't begin.
        finish 2-1 3-1
        wait_for {[r LRANGE "{begun}" 0 -1] eq {1-1}}
        add s 4
        finish 4-1
        expect [r LRANGE "{begun}" 0 -1] 1-1
        expect [r LLEN "{done}"] 0
        finish 1-1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{begun}" 0 -1] {1-1 2-1 3-1 4-1}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1 3-1 4-1}
        expect [counts] {4 4 0 0}
        start_over
    }

    test "within a batch all wait at once, and whoever ends first goes on first" -needs python {
        start_over
        register "'s', batch=4"
        add s 1 2 3 4
        wait_for {[r LLEN "{begun}"] == 4}
        foreach id {3-1 1-1 4-1} {
            finish $id
            wait_for {[lindex [r LRANGE "{done}" 0 -1] end] eq $id}
        }
        expect [list [pending s] [r XLEN s]] {4 4}
        finish 2-1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {3-1 1-1 4-1 2-1}
        expect [counts] {1 1 0 0}
        start_over
    }

    test "several steps wait, one after the other" -needs python {
        start_over
        r RG.PYEXECUTE "$::tools
async def more(r):
    await asyncio.sleep(0.001)
    return r + '!'
async def keep(r):
    await asyncio.sleep(0)
    return r\[0\] != '3'
GB('StreamReader').map(from_thread).filter(keep).map(more)\
    .foreach(lambda x: execute('rpush', '{l}', x)).register('s', batch=5)"
        add s 1 2 3 4 5
        wait_for {[r XLEN s] == 0}
        expect [lsort [r LRANGE "{l}" 0 -1]] {1-1! 2-1! 4-1! 5-1!}
        expect [counts] {1 1 0 0}
        start_over
    }

    test "many batches of many, and nothing is lost" -needs python {
        start_over
        r RG.PYEXECUTE "$::tools
GB('StreamReader').map(from_thread).foreach(lambda x: execute('incr', 'n')).register('s:*', batch=7)
async def soon(r):
    await asyncio.sleep(0)
    execute('incr', 'm')
GB('StreamReader').foreach(soon).register('s:*', duration=20, batch=50)"
        foreach s {s:1 s:2 s:3} {
            for {set i 0} {$i < 140} {incr i} { r XADD $s * n $i }
        }
        wait_for {[r GET n] == 420 && [r GET m] == 420}
        foreach s {s:1 s:2 s:3} { wait_for {[r XLEN $s] == 0} }
        start_over
    }

    test "a failure, with the policy continue" -needs python {
        start_over
        register "'s', batch=2"
        r SET end:1-1 "it fell"
        finish 2-1 3-1 4-1
        add s 1 2
        wait_for {[data numFailures] == 1}
        wait_for {[r XLEN s] == 0}
        expect_match [data lastError] "it fell"
        expect [r LRANGE "{done}" 0 -1] 2-1
        add s 3 4
        wait_for {[counts] eq {2 1 1 0}}
        expect [data lastError] (nil)
        start_over
    }

    test "a failure, with the policy abort" -needs python {
        start_over
        register "'s', onFailedPolicy='abort'"
        r SET end:1-1 "it fell"
        add s 1 2
        wait_for {[data status] eq "ABORTED"}
        expect [list [r XLEN s] [pending s]] {2 1}
        expect [r LRANGE "{begun}" 0 -1] 1-1
        finish 1-1 2-1
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{begun}" 0 -1] {1-1 1-1 2-1}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1}
        start_over
    }

    test "a failure, with the policy retry" -needs python {
        start_over
        register "'s', onFailedPolicy='retry', onFailedRetryInterval=0"
        r SET end:1-1 "it fell"
        finish 2-1
        add s 1 2
        wait_for {[r LLEN "{begun}"] >= 3}
        expect [r EXISTS "{done}"] 0
        finish 1-1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1}
        expect [data status] OK
        start_over
    }

    test "maxDeliveries and deadLetter, for futures" -needs python {
        start_over
        r RG.PYEXECUTE "$::tools
GB('StreamReader').map(from_thread).register('s', batch=3, onFailedPolicy='retry',\
    onFailedRetryInterval=0, maxDeliveries=2, deadLetter='{d}')"
        foreach {id n} {1-1 good 2-1 bad2 3-1 good} { r XADD s $id n $n }
        wait_for {[r XLEN s] == 0}
        expect [r XLEN "{d}"] 1
        expect [lindex [r XRANGE "{d}" - +] 0 1] {stream s id 2-1 error bad2 deliveries 2 n bad2}
        start_over
    }

    test "which of a batch failed is known: only that goes to the dead letters" -needs python {
        start_over
        r RG.PYEXECUTE "$::tools
GB('StreamReader').map(from_thread).register('s', batch=4, deadLetter='{d}')"
        foreach {id n} {1-1 good 2-1 bad2 3-1 good 4-1 bad4} { r XADD s $id n $n }
        wait_for {[r XLEN s] == 0}
        expect [lsort [lmap e [r XRANGE "{d}" - +] {dict get [lindex $e 1] id}]] {2-1 4-1}
        start_over
    }

    test "PAUSE, said by a coroutine" -needs python {
        start_over
        register "'s'"
        r SET end:1-1 "PAUSE for a while"
        add s 1 2
        wait_for {[data status] eq "PAUSED"}
        expect [list [r XLEN s] [pending s]] {2 1}
        finish 1-1 2-1
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1}
        start_over
    }

    test "RG.PAUSEREGISTRATIONS while a batch waits" -needs python {
        start_over
        register "'s'"
        add s 1 2
        wait_for {[r LLEN "{begun}"] == 1}
        r RG.PAUSEREGISTRATIONS [lindex [regs] 0]
        finish 1-1 2-1
        # what was under way ends, and is acknowledged
        wait_for {[r XLEN s] == 1}
        expect [data status] PAUSED
        expect [r LRANGE "{begun}" 0 -1] 1-1
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1}
        start_over
    }

    test "an execution that waits is aborted: a failure as others" -needs python {
        foreach {policy left} {continue 0 abort 1 retry 0} {
            start_over
            register "'s', onFailedPolicy='$policy', onFailedRetryInterval=0"
            add s 1
            wait_for {[r LLEN "{begun}"] == 1}
            set id [lindex [running] 0]
            expect [r RG.ABORTEXECUTION $id] OK
            finish 1-1
            wait_for {[r XLEN s] == $left}
            expect [r LRANGE "{done}" 0 -1] [expr {$policy eq "retry" ? "1-1" : ""}]
            if {$policy eq "abort"} { wait_for {[data status] eq "ABORTED"} }
        }
        start_over
    }

    test "unregistered while a batch waits: with ABORTPENDING, too" -needs python {
        foreach word {{} ABORTPENDING} {
            start_over
            register "'s'"
            add s 1 2
            wait_for {[r LLEN "{begun}"] == 1}
            r RG.UNREGISTER [lindex [regs] 0] {*}$word
            finish 1-1 2-1
            wait_for {[r LRANGE "{done}" 0 -1] eq {1-1}}
            wait_for {[running] eq {}}
            expect [r XINFO GROUPS s] {}
            expect [r LRANGE "{begun}" 0 -1] 1-1
        }
        start_over
    }

    test "an upgrade while a batch waits: what follows is the new one's, in order" -needs python {
        start_over
        set script "$::tools\nGB('StreamReader').map(step).register('s')"
        r RG.PYEXECUTE $script ID one
        add s 1 2
        wait_for {[r LLEN "{begun}"] == 1}
        r RG.PYEXECUTE $script ID one UPGRADE
        add s 3
        finish 3-1 2-1
        expect [r LRANGE "{begun}" 0 -1] 1-1
        finish 1-1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1 3-1}
        start_over
    }

    test "the stream goes, changes its name, or another comes, while a batch waits" -needs python {
        foreach what {DEL RENAME SET} {
            start_over
            register "'s*'"
            add s 1
            wait_for {[r LLEN "{begun}"] == 1}
            switch $what {
                DEL { r DEL s }
                RENAME { r RENAME s s2 }
                SET { r SET s text }
            }
            finish 1-1
            wait_for {[lindex [counts] 1] == 1}
            expect [r LRANGE "{done}" 0 -1] 1-1
            if {$what eq "RENAME"} { wait_for {[r XLEN s2] == 0} }
            if {$what eq "SET"} { r DEL s }
            add s 5
            finish 5-1
            wait_for {[r LRANGE "{done}" 0 -1] eq {1-1 5-1}}
        }
        start_over
    }

    test "two registrations on one stream, one of which waits: trimming waits for it" -needs python {
        start_over
        register "'s'"
        r RG.PYEXECUTE "GB('StreamReader').foreach(lambda r: execute('incr', 'n')).register('s')"
        add s 1 2 3
        wait_for {[r GET n] == 3}
        expect [r XLEN s] 3
        finish 1-1
        wait_for {[r XLEN s] == 2}
        finish 2-1 3-1
        wait_for {[r XLEN s] == 0}
        start_over
    }

    test "mode sync: the command doesn't wait for what waits" -needs python {
        start_over
        register "'s', mode='sync'"
        add s 1 2
        wait_for {[r LLEN "{begun}"] == 1}
        expect [r PING] PONG
        expect [r XLEN s] 2
        finish 1-1 2-1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{done}" 0 -1] {1-1 2-1}
        # where it would have to, no record may wait
        r MULTI
        r XADD s 5-1 n 5
        r EXEC
        wait_for {[data numFailures] == 1}
        start_over
    }

    test "a future that nobody answers: it ends with its owner" -needs python {
        start_over
        r RG.PYEXECUTE "def f(r):
    f = gearsFuture()
    return f
GB('StreamReader').map(f).register('s')"
        add s 1
        wait_for {[data numFailures] == 1}
        expect_match [data lastError] "Async record did not called continue"
        expect [r XLEN s] 0
        start_over
    }
}
