# SPDX-License-Identifier: BSD-3-Clause
#
# Programs without an end: each can be stopped, and until it is, others are served. What sits in a
# call that can't be interrupted is listed, and others work in its place.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# Others are served for a while, whatever runs.
proc serve_for {ms} {
    set other [client]
    set times {}
    set end [expr {[clock milliseconds] + $ms}]
    while {[clock milliseconds] < $end} {
        lappend times [time_served {
            expect [$other SET served x] OK
            expect [$other PING] PONG
        }]
    }
    client::close $other
    expect_served $times
}

proc abort_in_time {id {limit_ms 2000}} {
    set start [clock milliseconds]
    set reply [r RG.ABORTEXECUTION $id]
    expect $reply OK
    expect_true {[clock milliseconds] - $start < $limit_ms * $::suite::slow_factor}
}

with_server {} {
    foreach {what script} {
        "an endless loop in a map" {
def f(r):
    while True: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a loop that catches Exception" {
def f(r):
    while True:
        try: execute('no-such-command')
        except Exception: pass
def one(): yield 1
GB('PythonReader').filter(f).run(one)
        }
        "a loop that catches everything" {
def f(r):
    while True:
        try:
            while True: x = 1
        except BaseException: pass
def one(): yield 1
GB('PythonReader').foreach(f).run(one)
        }
        "one that catches everything in its handler, too" {
def f(r):
    while True:
        try:
            while True: x = 1
        except BaseException:
            try:
                while True: x = 1
            except BaseException:
                while True: x = 1
            finally:
                while True: x = 1
def one(): yield 1
GB('PythonReader').accumulate(lambda a, r: f(r)).run(one)
        }
        "one that unsets the trace function" {
import sys
def f(r):
    while True:
        try:
            while True: sys.settrace(None)
        except BaseException: pass
def one(): yield 1
GB('PythonReader').flatmap(f).run(one)
        }
        "a generator without an end" {
def f():
    while True: yield 1
GB('PythonReader').filter(lambda r: False).run(f)
        }
        "a generator that catches GeneratorExit and everything else" {
def f():
    while True:
        try:
            while True: yield 1
        except BaseException: pass
GB('PythonReader').filter(lambda r: False).run(f)
        }
        "a sleep" {
import time
def f(r): time.sleep(10**6)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a sleep that is slept again and again" {
from time import sleep
def f(r):
    while True:
        try: sleep(10**6)
        except BaseException: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a loop of commands" {
def f(r):
    while True: execute('incr', 'spin')
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a loop of atomic blocks" {
def f(r):
    while True:
        with atomic(): execute('incr', 'spin')
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a comparison that doesn't end, within a sort" {
class A:
    def __lt__(self, o):
        while True: pass
def f():
    yield A()
    yield A()
GB('PythonReader').sort().run(f)
        }
        "a __str__ that doesn't end" {
class A:
    def __str__(self):
        while True: pass
def f(): yield A()
GB('PythonReader').run(f)
        }
        "an exception whose text doesn't end" {
class E(Exception):
    def __str__(self):
        while True: pass
def f(r): raise E()
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a stop that is answered by an exception whose text doesn't end" {
class E(BaseException):
    def __str__(self):
        while True: pass
    __repr__ = __str__
def f(r):
    try: raise E()
    except E:
        try:
            while True: pass
        except BaseException as stop:
            stop.add_note(E())
            raise E() from stop
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        "a deepcopy of zero that doesn't end" {
class Z:
    def __reduce__(self): return (Z, ())
    def __deepcopy__(self, memo):
        while True: pass
def one(): yield 1
GB('PythonReader').aggregate(Z(), lambda a, r: a, lambda a, r: a).run(one)
        }
        "a list that grows while it is spread" {
def f():
    global l
    l = [1]
    yield l
def g(r):
    while True: pass
GB('PythonReader').flatmap(lambda r: r).map(g).run(f)
        }
        "a spread list of ten million" {
def f(): yield [1] * 10000000
GB('PythonReader').flatmap(lambda r: r).filter(lambda r: False).flatmap(lambda r: r).run(f)
        }
    } {
        test "aborted: $what" -needs python {
            set c [start_endless $script id]
            serve_for 150
            abort_in_time $id
            set reply [client::receive $c]
            if {$what eq "a spread list of ten million"} {
            } elseif {$what eq "an exception whose text doesn't end"} {
                # The next stop comes a millisecond later: it may meet what formats the rest of
                # the traceback, which leaves the short text.
                if {![string match "*, Value: unknown*" $reply]} {
                    expect_match [lindex $reply 1] "*exception str() failed*"
                }
            } else {
                expect [lindex $reply 0] {}
                expect_match [lindex $reply 1] "*gears.forcestopped*"
            }
            expect [r RG.DUMPEXECUTIONS] {}
            expect_unhurt
        }
    }

    test "a stop that is swallowed ends the execution nevertheless" -needs python {
        set c [start_endless {
def f(r):
    try:
        while True: pass
    except BaseException: return 'swallowed'
def one(): yield 1
GB('PythonReader').map(f).run(one)
        } id]
        abort_in_time $id
        expect_match [client::receive $c] "*gears.forcestopped*"
        expect_unhurt
    }

    test "abort in an atomic block, in busy mode" -needs python {
        with_config {busy-reply-threshold 100} {
            set admin [client]
            $admin PING
            set c [start_endless {
def f(r):
    while execute('get', 'go') is None: pass
    with atomic():
        while True:
            try:
                while True: pass
            except Exception: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
            } id]
            r SET go 1
            wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
            expect_error "BUSY*" {$admin GET k}
            expect [$admin RG.ABORTEXECUTION $id] OK
            wait_for {![catch {$admin PING}]}
            expect_match [client::receive $c] "*gears.forcestopped*"
            expect_unhurt
        }
    }

    test "a client that goes away ends its script in an atomic block" -needs python {
        with_config {busy-reply-threshold 100} {
            set admin [client]
            set c [client]
            client::send $c RG.PYEXECUTE {
execute('set', 'began', 1)
with atomic():
    while True:
        try:
            while True: pass
        except BaseException: pass
            }
            client::flush $c
            wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
            client::close $c
            wait_for {![catch {$admin PING}]}
            expect_unhurt
        }
    }

    test "SHUTDOWN NOSAVE in busy mode" -needs python -down yes {
        r CONFIG SET busy-reply-threshold 100
        set admin [client]
        set c [client]
        client::send $c RG.PYEXECUTE {
with atomic():
    while True: pass
        }
        client::flush $c
        wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
        set start [clock milliseconds]
        catch {$admin SHUTDOWN NOSAVE}
        wait_for {![server::process_runs [srv_id]]}
        expect_true {[clock milliseconds] - $start < 2000 * $::suite::slow_factor}
    }

    test "a client's going cancels its call, if the option says so" -needs python {
        set script {
def f():
    while True:
        execute('incr', 'spin')
        yield 1
GB('PythonReader').filter(lambda r: False).run(f)
        }
        set c [start_endless $script id]
        client::close $c
        wait_for {[r RG.DUMPEXECUTIONS] eq ""}
        # Killed by somebody else.
        set c [start_endless $script id]
        set own [r CLIENT ID]
        foreach line [split [string trim [r CLIENT LIST]] \n] {
            regexp {id=(\d+) .*cmd=([^ ]+)} $line -> cid cmd
            if {[string match rg.pyexecute* $cmd]} { r CLIENT KILL ID $cid }
        }
        wait_for {[r RG.DUMPEXECUTIONS] eq ""}
        with_config {gears-cancel-on-disconnect no} {
            set c [start_endless $script id]
            client::close $c
            after 200
            expect [llength [r RG.DUMPEXECUTIONS]] 1
            abort_in_time $id
            wait_for {[r RG.DUMPEXECUTIONS] eq ""}
        }
        expect_unhurt
    }

    test "a client's going cancels a body, and what UNBLOCKING has begun stays" -needs python {
        set c [client]
        client::send $c RG.PYEXECUTE {
while True: execute('incr', 'spin')
        }
        client::flush $c
        wait_for {[r GET spin] > 10}
        client::close $c
        wait_for {[set a [r GET spin]; after 50; r GET spin] eq $a}
        set c [client]
        set id [$c RG.PYEXECUTE {
def f():
    while True: yield 1
GB('PythonReader').filter(lambda r: False).run(f)
        } UNBLOCKING]
        client::close $c
        after 100
        expect [dict get [lindex [r RG.DUMPEXECUTIONS] 0] status] running
        abort_in_time $id
        expect_match [r RG.GETRESULTS $id] "*forcestopped*"
        expect [r RG.DROPEXECUTION $id] OK
        expect_unhurt
    }

    test "an onRegistered without an end ends with its client" -needs python {
        set c [client]
        client::send $c RG.PYEXECUTE {
def f():
    execute('set', 'began', 1)
    while True:
        try:
            while True: execute('incr', 'spin')
        except BaseException: pass
GB().register('never:*', mode='async_local', onRegistered=f)
        }
        client::flush $c
        wait_for {[r GET began] == 1}
        client::close $c
        wait_for {[set a [r GET spin]; after 50; r GET spin] eq $a} -within 20000
        foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
        expect_unhurt
    }

    test "clients that wait for results and go away" -needs python {
        set id [r RG.PYEXECUTE {
def f():
    while execute('get', 'go') is None: yield 1
GB('PythonReader').filter(lambda r: False).count().run(f)
        } UNBLOCKING]
        foreach i {1 2 3 4} {
            set c$i [client]
            client::send [set c$i] RG.GETRESULTSBLOCKING $id
            client::flush [set c$i]
        }
        wait_for {[info_field blocked_clients] == 4}
        client::close $c1
        foreach line [split [string trim [r CLIENT LIST]] \n] {
            if {![string match *getresultsblocking* $line]} continue
            regexp {id=(\d+) } $line -> cid
            r CLIENT KILL ID $cid
            break
        }
        wait_for {[info_field blocked_clients] == 2}
        expect_error "*still running*" {r RG.GETRESULTS $id}
        expect_error "*abort it first*" {r RG.DROPEXECUTION $id}
        r SET go 1
        set answers 0
        foreach i {2 3 4} { if {![catch {client::receive [set c$i]} got] && $got eq {{} {}}} { incr answers } }
        expect $answers 2
        expect [r RG.GETRESULTS $id] {{} {}}
        expect [r RG.ABORTEXECUTION $id] OK
        expect [r RG.DROPEXECUTION $id] OK
        expect_error "execution plan does not exist" {r RG.DROPEXECUTION $id}
        expect_error "execution does not exist" {r RG.ABORTEXECUTION $id}
        expect_error "execution plan does not exist" {r RG.GETRESULTSBLOCKING $id}
        expect_unhurt
    }

    test "readers without an end are bounded by records and by memory" -needs python {
        with_config {gears-max-records 10000} {
            foreach script {
                {GB('PythonReader').count().run(lambda: 1)}
                "def f():\n    while True: yield 1\nGB('PythonReader').filter(lambda r: False).run(f)"
            } {
                lassign [run_harmless $script] results errors
                expect [llength $errors] 1
                expect_match $errors "*10000*gears-max-records*"
            }
        }
        with_config {gears-max-memory 128mb gears-max-records 0} {
            foreach script {
                {GB('PythonReader').run(lambda: 'x' * 1000)}
                {GB('PythonReader').accumulate(lambda a, r: (a or []) + [bytearray(1 << 20)]).run(lambda: 1)}
                {GB('PythonReader').groupby(lambda r: execute('incr', 'n'), lambda k, a, r: bytearray(1 << 20)).run(lambda: 1)}
                {GB('PythonReader').batchgroupby(lambda r: '1', lambda k, l: len(l)).run(lambda: bytearray(1 << 18))}
            } {
                set before [srv rss]
                lassign [run_harmless $script] results errors
                expect_true {[llength $errors] >= 1}
                expect_true {[string match "*MemoryError*" $errors] || [string match "*gears-max-memory*" $errors]}
                expect_true {[srv rss] < $before + (700 << 20)}
            }
        }
    }
}

# Each of them keeps a thread.
with_server {gears-threads 5} {
    test "the server ends at once while executions run" -needs python -down yes {
        foreach script {
            "def f():\n    while True: yield 1\nGB('PythonReader').filter(lambda r: False).run(f)"
            "def f():\n    while True: yield execute('incr', 'spin')\nGB('PythonReader').filter(lambda r: False).run(f)"
            "def f():\n    while True:\n        with atomic(): yield execute('incr', 'spin')\nGB('PythonReader').filter(lambda r: False).run(f)"
            "def f():\n    __import__('time').sleep(1000)\n    yield 1\nGB('PythonReader').filter(lambda r: False).run(f)"
        } {
            r RG.PYEXECUTE $script UNBLOCKING
        }
        set waiting [client]
        client::send $waiting RG.PYEXECUTE "while True: pass"
        client::flush $waiting
        wait_for {[r GET spin] > 100}
        set start [clock milliseconds]
        server::signal [srv_id] TERM
        wait_for {![server::process_runs [srv_id]]}
        expect_true {[clock milliseconds] - $start < 2000 * $::suite::slow_factor}
    }
}

with_server {gears-threads 3} {
    test "a lock that is taken twice: others work in its place" -needs python {
        set script {
import threading
def f(r):
    l = threading.Lock()
    l.acquire()
    execute('incr', 'locked')
    l.acquire()
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        foreach i {1 2 3} { lappend ids [r RG.PYEXECUTE $script UNBLOCKING] }
        # Later bodies might overtake the executions of earlier ones; so these come first.
        wait_for {[r GET locked] == 3}
        foreach i {1 2} {
            set c [client]
            client::send $c RG.PYEXECUTE $script UNBLOCKING
            client::flush $c
            lappend clients $c
        }
        serve_for 100
        foreach id $ids {
            set c [client]
            client::send $c RG.ABORTEXECUTION $id
            client::flush $c
            lappend aborts $c
        }
        wait_for {[info_field gears_threads_wedged gears] == 3}
        set ids {}
        foreach c $clients { lappend ids [client::receive $c] }
        # One that hasn't begun would end at once.
        wait_for {[r GET locked] == 5}
        foreach id $ids {
            set a [client]
            client::send $a RG.ABORTEXECUTION $id
            client::flush $a
            lappend aborts $a
        }
        wait_for {[info_field gears_threads_wedged gears] == 5}
        expect_unhurt
        foreach c $aborts { expect_error "*can not be interrupted*" {client::receive $c} }
        expect [llength [r RG.DUMPEXECUTIONS]] 5
        expect_unhurt
    }

    test "a socket that says nothing" -needs python {
        set c [start_endless {
import socket
def f(r):
    a, b = socket.socketpair()
    a.recv(1)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        } id UNBLOCKING]
        serve_for 100
        client::close $c
        expect_unhurt
    }
}

with_server {} {
    test "long calls of a library beside sync callbacks of a script's commands" -needs python {
        with_config {gears-sync-wait 100} {
            r RG.PYEXECUTE {GB().foreach(lambda r: None).register('sync:*', mode='sync')}
            set holder [client]
            # A second or two each time; a sanitizer's malloc, which each number asks, is ten times
            # slower.
            set most [expr {$::suite::slow_factor > 1 ? 10000000 : 100000000}]
            client::send $holder RG.PYEXECUTE [string map [list MOST $most] {
def numbers():
    while execute('get', 'stop') is None: yield sum(range(MOST))
GB('PythonReader').count().run(numbers)
            }]
            client::flush $holder
            set writer [client]
            client::send $writer RG.PYEXECUTE {
def numbers():
    while execute('get', 'stop') is None: yield execute('set', 'sync:1', 'v')
GB('PythonReader').count().run(numbers)
            }
            client::flush $writer
            set busy [client]
            set slowest 0
            set end [expr {[clock milliseconds] + 6000}]
            while {[clock milliseconds] < $end} {
                for {set i 0} {$i < 50} {incr i} { client::send $busy INCR n }
                set start [clock milliseconds]
                for {set i 0} {$i < 50} {incr i} { client::receive $busy }
                set took [expr {[clock milliseconds] - $start}]
                if {$took > $slowest} { set slowest $took }
            }
            r SET stop 1
            client::receive $holder
            client::receive $writer
            # A callback that has begun may lose the GIL for the length of such a call.
            expect_true {$slowest < 5000 * $::suite::slow_factor}
            set data [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]
            expect [dict get $data numTriggered] [expr {[dict get $data numSuccess] +
                [dict get $data numFailures]}]
            foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
            expect_unhurt
        }
    }

    test "a library's long call that holds the GIL" -needs python -down yes {
        set before [r CONFIG GET gears-sync-wait]
        r CONFIG SET gears-sync-wait 100
        r RG.PYEXECUTE {GB().foreach(lambda r: None).register('sync:*', mode='sync')}
        set c [start_endless {
def f(r): return sum(range(10**12))
def one(): yield 1
GB('PythonReader').map(f).run(one)
        } id]
        serve_for 500
        expect [llength [lsearch -all [join [r RG.DUMPEXECUTIONS]] running]] 1
        # A sync callback doesn't begin; the command is run nevertheless, and says when.
        set start [clock milliseconds]
        expect [r SET sync:1 x] OK
        expect_true {[clock milliseconds] - $start < 1000 * $::suite::slow_factor}
        expect [r GET sync:1] x
        set data [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]
        expect [dict get $data numFailures] 1
        expect_match [dict get $data lastError] "*gears-sync-wait*"
        # Abort can't be done, and says so; the client's going is harmless.
        expect_error "*can not be interrupted*" {r RG.ABORTEXECUTION $id}
        client::close $c
        serve_for 200
        set start [clock milliseconds]
        catch {r SHUTDOWN NOSAVE}
        wait_for {![server::process_runs [srv_id]]}
        expect_true {[clock milliseconds] - $start < 2000 * $::suite::slow_factor}
    }
}

with_server {} {
    test "a stop within an import leaves no lock of Python's behind" -needs python {
        # Most of the time of such bodies is importlib's own, and they get into each other's way.
        for {set i 0} {$i < 20} {incr i} {
            foreach module {chunk sched stringprep} {
                lappend loops [begin RG.PYEXECUTE [string map [list MODULE $module] {
import sys
while True:
    sys.modules.pop('MODULE', None)
    import MODULE
                }] LIMITS time [expr {5 + [rand_int 10]}]]
            }
            foreach c $loops { expect_error "Limit met: *" {finish $c} }
            foreach module {chunk sched stringprep} {
                lappend imports [begin RG.PYEXECUTE [string map [list MODULE $module] {
import sys, time
time.sleep(0.005)
sys.modules.pop('MODULE', None)
import MODULE
                }]]
            }
            foreach c $imports { expect [finish $c] OK }
            set loops [set imports {}]
        }
        expect [info_field gears_threads_wedged gears] 0
        expect_unhurt
    }

    test "an object whose end doesn't return isn't ended by who stops others" -needs python {
        set file [file join [srv dir] free]
        file delete $file
        # What is to be collected is there when the stop comes, and the thread makes nothing itself.
        set script [string map [list FILE $file] {
import gc, os, time
class Sticky:
    def __del__(self):
        while not os.path.exists('FILE'): time.sleep(0.005)
gc.set_threshold(1000000)
for i in range(100):
    s = Sticky()
    s.itself = s
del s
gc.set_threshold(1)
time.sleep(1)
while True: pass
        }]
        set c [begin RG.PYEXECUTE $script LIMITS time 200]
        catch {finish $c}
        set c [begin RG.PYEXECUTE {while True: pass} LIMITS time 200]
        expect_error "Limit met: *" {finish $c}
        close [open $file w]
        r RG.PYEXECUTE {
import gc
gc.set_threshold(700)
gc.collect()
        }
        expect_unhurt
    }
}
