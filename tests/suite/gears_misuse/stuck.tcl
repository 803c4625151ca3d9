# SPDX-License-Identifier: BSD-3-Clause
#
# Calls of C libraries that don't return: who waits for such an execution is told, and the rest of
# the server goes on. For sync callbacks and atomic blocks see left_behind.tcl.

tags quick slow
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# Long enough that what is to get stuck is, on a crowded machine too, before its time is over.
set limit_ms [expr {500 + 500 * $::suite::slow_factor}]
set end "it is in a call that can not be interrupted, and ends when that returns"

# What every script below may use: a lock that is given when the test says so, in a thread.
set ::tools {
import threading
def stick(r=None):
    """Waits in a C call until `SET free 1`; is there once `stuck` counts it."""
    l = threading.Lock()
    l.acquire()
    me = threading.get_ident()
    def wait():
        l.acquire()
    def waits():
        import dis, sys
        at = sys._current_frames()[me]
        return at.f_code is wait.__code__ and dis.opname[at.f_code.co_code[at.f_lasti]] == 'CALL'
    def free():
        import time
        while not waits(): time.sleep(0.001)
        execute('incr', 'stuck')
        while not execute('get', 'free'): time.sleep(0.005)
        l.release()
    threading.Thread(target=free, daemon=True).start()
    wait()
    execute('incr', 'went on')
def one(): yield 1
}

# Lets all go on, and waits until their threads are back.
proc set_free {} {
    r SET free 1
    wait_for {[info_field gears_threads_wedged gears] == 0}
    wait_for {[info_field gears_program_threads gears] == 0}
    # A thread is back before its execution has ended.
    wait_for {
        ![catch {foreach e [r RG.DUMPEXECUTIONS] { r RG.DROPEXECUTION [lindex $e 1] }}] &&
        [r RG.DUMPEXECUTIONS] eq ""
    }
    unregister_all
    expect [r EXISTS "went on"] 0
    r FLUSHALL
    expect_unhurt
}

proc statuses {} {
    lmap e [r RG.DUMPEXECUTIONS] {dict get $e status}
}

with_server {gears-threads 2} {
    test "an execution beyond its time" -needs python {
        set got [r RG.PYEXECUTE "$::tools\nGB('PythonReader').foreach(stick).run(one)" LIMITS time $limit_ms]
        expect $got [list {} [list "Limit met: it ran for longer than $limit_ms ms (gears-max-time): $end"]]
        expect [statuses] pending_termination
        expect_match [r INFO gears] "*gears_running_*:*,stuck=1,*"
        set id [lindex [r RG.DUMPEXECUTIONS] 0 1]
        # Whoever asks later doesn't wait.
        expect [r RG.GETRESULTSBLOCKING $id] $got
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION $id
        }
        expect_error "execution is still running" {r RG.GETRESULTS $id}
        expect_error "can not drop a not yet finished execution*" {r RG.DROPEXECUTION $id}
        expect_unhurt
        # When it comes back it ends as others that were stopped do.
        set_free
        expect [statuses] {}
    }

    test "a body beyond its time" -needs python {
        expect_error "Limit met: it ran for longer than $limit_ms ms (gears-max-time): $end" {
            r RG.PYEXECUTE "$::tools\nGB('CommandReader').register(trigger='t')\nstick()" \
                LIMITS time $limit_ms
        }
        # Its client is free for other things, and gets no second answer.
        expect [r PING] PONG
        expect [r RG.PYEXECUTE "GB('ShardsIDReader').count().run()"] {1 {}}
        set_free
        expect [r RG.DUMPREGISTRATIONS] {}
        expect_error "ERR subcommand not found" {r RG.TRIGGER t}
    }

    test "an onRegistered that doesn't return" -needs python {
        expect_error "Limit met: it ran for longer than $limit_ms ms (gears-max-time): $end" {
            r RG.PYEXECUTE "$::tools\nGB('CommandReader').register(trigger='t', onRegistered=stick)\
                \nGB('CommandReader').register(trigger='u')" LIMITS time $limit_ms
        }
        expect [r PING] PONG
        # What it belongs to is registered all the same.
        expect [r RG.TRIGGER t] {{['t']}}
        expect [r RG.TRIGGER u] {{['u']}}
        set_free
    }

    test "more of them than there are workers: others work in their place" -needs python {
        foreach i {1 2 3 4 5} {
            lappend clients [set c [client]]
            client::send $c RG.PYEXECUTE "$::tools\nGB('PythonReader').foreach(stick).run(one)" \
                LIMITS time $limit_ms
            client::flush $c
        }
        foreach c $clients {
            expect_match [client::receive $c] "*Limit met: *can not be interrupted*"
            client::close $c
        }
        expect [r GET stuck] 5
        expect [info_field gears_threads_wedged gears] 5
        expect_unhurt
        set_free
    }

    test "RG.ABORTEXECUTION: both are told" -needs python {
        set c [start_endless "$::tools\nGB('PythonReader').foreach(stick).run(one)" id]
        wait_for {[r GET stuck] == 1}
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION $id
        }
        expect [client::receive $c] [list {} [list "the execution was aborted: $end"]]
        client::close $c
        set_free
    }

    test "a trigger's caller" -needs python -resp {2 3} {
        r RG.PYEXECUTE "$::tools\nGB('CommandReader').foreach(stick)\
            .register(trigger='t', mode='async_local', maxTime=$limit_ms)
GB('CommandReader').foreach(lambda r: stick() if r\[1\] == 'a' else 1)\
            .register(trigger='in order', mode='async_local', inorder=True, maxTime=$limit_ms)"
        expect_error "Limit met: it ran for longer than $limit_ms ms (gears-max-time): $end" {r RG.TRIGGER t}
        # Where each call waits for the one before it, none is accepted any more.
        set first [begin RG.TRIGGER "in order" a]
        expect_error "Limit met: *" {finish $first}
        wait_for {[dict exists [dict get [lindex [r RG.DUMPREGISTRATIONS] 1] RegistrationData] status]}
        expect_error "ERR the registration is paused*" {r RG.TRIGGER "in order" b}
        # The other one's calls have nothing to do with each other.
        expect_error "Limit met: *" {r RG.TRIGGER t}
        set_free
    }

    test "an event's execution: its registration is paused, and its commands go on" -needs python {
        r RG.PYEXECUTE "$::tools\nGB().foreach(lambda r: stick() if r\['key'\] == 'k:1' else 1)\
            .register('k:*', mode='async_local', commands=\['set'\], maxTime=$limit_ms)"
        with_config {gears-event-backlog 10} {
            expect [r SET k:1 v] OK
            wait_for {[string match "*status=PAUSED*" [r INFO rg_regisrations]]}
            expect_match [data lastError] "Limit met: it ran for longer than $limit_ms ms*"
            # Nobody is held for a backlog that nobody works off.
            for {set i 2} {$i < 60} {incr i} { expect [r SET k:$i v] OK }
            expect [data numAborted] 58
        }
        set reg [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        r SET free 1
        wait_for {[info_field gears_threads_wedged gears] == 0}
        wait_for {[data numFailures] == 1}
        r RG.UNPAUSEREGISTRATIONS $reg
        expect [r SET k:7 w] OK
        wait_for {[data numSuccess] == 1}
        set_free
    }

    # What a StreamReader's registration has been told of "a" stays in that call; of others, it counts.
    proc register_streams {{extra ""}} {
        r RG.PYEXECUTE "$::tools\nGB('StreamReader').foreach(lambda r: stick() if r\['value'\].get('a') else execute('incr', r\['key'\] + ':done'))\
            .register('s*', mode='async_local', maxTime=$::limit_ms$extra)
GB('StreamReader').foreach(lambda r: execute('incr', 'others')).register('s*', mode='async_local')"
    }

    test "a stream's batch: its registration is paused, and others go on" -needs python {
        register_streams
        r XADD s1 * a 1
        wait_for {[string match "*status=PAUSED*" [r INFO rg_regisrations]]}
        expect [data status] PAUSED
        expect_match [data lastError] "Limit met: it ran for longer than $limit_ms ms (gears-max-time): $end"
        expect_match [srv log] "*is paused: one of its executions doesn't end*"
        expect [data status 1] OK
        r XADD s1 * b 1
        r XADD s2 * b 1
        wait_for {[r GET others] == 3}
        expect [r EXISTS s1:done s2:done] 0
        set running [lmap e [r RG.DUMPEXECUTIONS] {
            if {[dict get $e status] ne "pending_termination"} continue
            dict get $e executionId
        }]
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION [lindex $running 0]
        }
        # To let it go on doesn't run anything beside what is stuck; that comes when that has ended.
        set reg [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        expect [r RG.UNPAUSEREGISTRATIONS $reg] OK
        r SET free 1
        wait_for {[r EXISTS s1:done s2:done] == 2}
        expect [data numFailures] 1
        set_free
    }

    test "a stream's batch: it is unregistered, and its session comes again" -needs python {
        set script "$::tools\nGB('StreamReader').foreach(lambda r: stick() if r\['value'\].get('a') and\
            execute('incr', 'tries') == 1 else execute('incr', r\['key'\] + ':done'))\
            .register('s*', mode='async_local', maxTime=$limit_ms)"
        r RG.PYEXECUTE $script ID session
        r XADD s1 * a 1
        wait_for {[data status] eq "PAUSED"}
        # What was delivered to the old one hasn't been done: the new one gets it again.
        expect [r RG.PYEXECUTE $script ID session UPGRADE] OK
        expect [data status] OK
        r XADD s1 * b 1
        wait_for {[r GET s1:done] == 2}
        wait_for {[data numSuccess] == 2 && [r XLEN s1] == 0}
        expect [r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]] OK
        set_free
    }

    test "a stream's batch: it is unregistered before it is stopped" -needs python {
        set script "$::tools\nGB('StreamReader').foreach(lambda r: stick() if execute('incr', 'tries') == 1 else\
            execute('incr', r\['key'\] + ':done')).register('s*', mode='async_local')"
        r RG.PYEXECUTE $script ID session
        r XADD s1 * a 1
        wait_for {[r GET stuck] == 1}
        expect [r RG.PYEXECUTE $script ID session UPGRADE] OK
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION [running_execution]
        }
        wait_for {[r GET s1:done] == 1}
        expect [r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]] OK
        set_free
    }

    test "a coroutine that awaits a run()" -needs python {
        set c [start_endless "$::tools
async def wait(r):
    got = await GB('PythonReader').foreach(stick).run(one)
    return got
GB('PythonReader').map(wait).run(one)" id]
        wait_for {[r GET stuck] == 1}
        # The newest, which is told first, is the one that it waits for.
        expect [statuses] {running running}
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION [running_execution]
        }
        expect [client::receive $c] [list [list "\[\[\], \['the execution was aborted: $end'\]\]"] {}]
        client::close $c
        set_free
    }

    test "a socket that says nothing" -needs python {
        set got [r RG.PYEXECUTE {
import socket, threading
def f(r):
    a, b = socket.socketpair()
    def free():
        import time
        while not execute('get', 'free'): time.sleep(0.005)
        b.send(b'x')
    threading.Thread(target=free, daemon=True).start()
    a.recv(1)
def one(): yield 1
GB('PythonReader').foreach(f).run(one)
        } LIMITS time $limit_ms]
        expect_match $got "{} {{Limit met: *can not be interrupted*}}"
        set_free
    }

    test "a client that goes away before it is told" -needs python {
        set c [start_endless "$::tools\nGB('PythonReader').foreach(stick).run(one)" id]
        wait_for {[r GET stuck] == 1}
        client::close $c
        wait_for {[statuses] eq "pending_termination"}
        expect_unhurt
        set_free
    }
}
