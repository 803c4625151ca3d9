# SPDX-License-Identifier: BSD-3-Clause
#
# Plans that wait, at random and all at once, while others abort them, replace their session, and
# take their registrations away. What is asked for: nothing is hurt, and all of it comes to its end.

tags threads slow
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

set ::tools {
import asyncio, random, threading, time
queue = []
def answer_all():
    """Answers futures of others from a thread, some of them wrongly."""
    end = time.time() + 1
    while time.time() < end:
        while queue:
            f = queue.pop(random.randrange(len(queue)))
            try: random.choice((f.continueRun, f.continueRun, f.continueFailed))('answered')
            except Exception: pass
        time.sleep(0.001)
def promise(r):
    f = gearsFuture()
    queue.append(f)
    return f
async def nap(r):
    await asyncio.sleep(random.random() / 200)
    execute('incr', 'naps')
    return r
async def stubborn(r):
    for i in range(3):
        try: await asyncio.sleep(random.random() / 100)
        except BaseException: pass
    return r
async def nested(r):
    results, errors = await GB('ShardsIDReader').map(nap).run()
    return len(results)
async def touch(r):
    with atomic(): execute('set', 'touched:%d' % random.randrange(5), '1')
    await asyncio.sleep(0)
def some():
    for i in range(20): yield i
}

set ::plans {
    "GB('PythonReader').map(nap).count().run(some)"
    "GB('PythonReader').map(nap).filter(nap).accumulate(lambda a, r: nap((a or 0) + r)).run(some)"
    "GB('PythonReader').map(stubborn).count().run(some)"
    "GB('PythonReader').map(nested).count().run(some)"
    "GB('PythonReader').foreach(touch).limit(7).run(some)"
    "threading.Thread(target=answer_all).start()\nGB('PythonReader').map(promise).run(some)"
    "GB('PythonReader').groupby(lambda r: r % 3, lambda k, a, r: nap(r)).run(some)"
    "GB('PythonReader').map(lambda r: gearsFuture()).run(some)"
}

set ::registrations {
    "GB('StreamReader').map(nap).foreach(nap).register('s:*', batch=3, duration=5)"
    "GB('StreamReader').foreach(touch).register('s:*', onFailedPolicy='retry', onFailedRetryInterval=0)"
    "GB('KeysReader').foreach(nap).register('touched:*', mode='async_local', readValue=False)"
    "GB('KeysReader').foreach(nap).register('touched:*', mode='sync', readValue=False)"
    "GB('CommandReader').map(nap).register(trigger='t', mode='async_local')"
    "GB('TimeReader').foreach(nap).register(every=3)"
}

# What one round does besides.
proc meddle {i} {
    set ids [unended]
    switch [rand_int 6] {
        0 - 1 { foreach id $ids { if {[rand_int 3] == 0} { begin_abort $id } } }
        2 { r RG.PYEXECUTE "$::tools\n[join [pick_some $::registrations] \n]" ID s UPGRADE }
        3 {
            set regs [r RG.DUMPREGISTRATIONS]
            if {$regs ne ""} {
                r RG.UNREGISTER [lindex [rand_pick $regs] 1] {*}[rand_pick {{} ABORTPENDING}]
            }
        }
        4 { foreach reg [r RG.DUMPREGISTRATIONS] {
            catch {r [rand_pick {RG.PAUSEREGISTRATIONS RG.UNPAUSEREGISTRATIONS}] [lindex $reg 1]}
        } }
        5 { for {set n 0} {$n < 10} {incr n} { r XADD s:[rand_int 3] * n $n } }
    }
}

# Without waiting for it.
proc begin_abort {id} {
    client::send $::aborter RG.ABORTEXECUTION $id
    client::flush $::aborter
    incr ::aborts
}

proc pick_some {list} {
    set out {}
    foreach x $list { if {[rand_int 2]} { lappend out $x } }
    return $out
}

with_server {} {
    test "plans that wait, aborted and replaced at random" -needs python {
        set ::aborter [client]
        set ::aborts 0
        set runners {}
        for {set i 0} {$i < 60} {incr i} {
            if {[llength $runners] < 12} {
                set c [client]
                client::send $c RG.PYEXECUTE "$::tools\n[rand_pick $::plans]" \
                    LIMITS time [expr {[rand_int 2] ? 20 + [rand_int 100] : 0}]
                client::flush $c
                lappend runners $c
            } else {
                # Some of those who wait go away.
                set runners [lassign $runners gone]
                client::close $gone
            }
            if {[rand_int 2]} {
                set c [client]
                client::send $c RG.TRIGGER t
                client::flush $c
                lappend triggers $c
            }
            meddle $i
        }
        # Whatever waits for nobody's answer is stopped; then all are told.
        wait_for {[llength [set left [unended]]] == 0 || [foreach id $left { begin_abort $id }
            expr {0}]} -within 30000
        for {set i 0} {$i < $::aborts} {incr i} { catch {client::receive $::aborter} }
        foreach c [concat $runners $triggers] {
            catch {client::receive $c}
            client::close $c
        }
        unregister_all
        wait_for {[llength [set left [unended]]] == 0 || [foreach id $left { begin_abort $id }
            expr {0}]} -within 30000
        client::close $::aborter
        # Those whose clients went away may still have to come to their end.
        wait_for {[info_field gears_scripts gears] == 0} -within 30000
        expect_unhurt
        expect [r RG.PYEXECUTE "$::tools\nGB('PythonReader').map(nap).count().run(some)"] {20 {}}
    }
}
