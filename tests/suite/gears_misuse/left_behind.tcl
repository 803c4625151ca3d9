# SPDX-License-Identifier: BSD-3-Clause
#
# Sync callbacks and atomic blocks in calls that never return: their threads are left behind, what
# they held is taken from them, and the server goes on with all that isn't theirs.

tags quick slow
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

set end "it is in a call that can not be interrupted, and ends when that returns"
# So long is what gets there given.
set limit_ms [expr {300 * $::suite::slow_factor}]
set busy_ms [expr {100 * $::suite::slow_factor}]
set late "Limit met: it held its command up for longer than $limit_ms ms (gears-sync-max-time): $end"

# stick(): waits in a C call until there is the file `free`, in vain to stop it. Then it tries what it
# mustn't do any more.
proc tools {} {
    return [string map [list FREE [file join [srv dir] free]] {
import threading, os, time
def stick(r=None):
    l = threading.Lock()
    l.acquire()
    def free():
        while not os.path.exists('FREE'): time.sleep(0.005)
        l.release()
    threading.Thread(target=free, daemon=True).start()
    try:
        l.acquire()
        execute('incr', 'went on')
    except BaseException:
        execute('incr', 'went on')
    finally:
        execute('incr', 'went on')
def one(): yield 1
}]
}

proc register {script} {
    file delete [file join [srv dir] free]
    r RG.PYEXECUTE "[tools]\n$script"
}

# Lets all go on, and waits until their threads are back.
proc set_free {} {
    close [open [file join [srv dir] free] w]
    wait_for {[info_field gears_threads_wedged gears] == 0}
    wait_for {[info_field gears_program_threads gears] == 0}
    wait_for {![string match "*pending_termination*" [r RG.DUMPEXECUTIONS]]}
    expect [r EXISTS "went on"] 0
    file delete [file join [srv dir] free]
}

proc clean {} {
    foreach e [r RG.DUMPEXECUTIONS] { catch {r RG.DROPEXECUTION [lindex $e 1]} }
    unregister_all
    r FLUSHALL
    expect_unhurt
}

# The execution that nothing ends.
proc stuck_execution {} {
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[dict get $e status] eq "pending_termination"} { return [dict get $e executionId] }
    }
    suite::unmet "no execution is pending_termination"
}

proc go_on {i} { r RG.UNPAUSEREGISTRATIONS [lindex [r RG.DUMPREGISTRATIONS] $i 1] }

proc wedged {} { info_field gears_threads_wedged gears }
proc lost {} { info_field gears_sync_lost gears }

with_server [list busy-reply-threshold $busy_ms gears-sync-max-time $limit_ms gears-threads 2 \
    notify-keyspace-events KA] {

    test "a command's callback: it ends, its registration is paused, others go on" -needs python \
        -resp {2 3} {
        register {
GB().foreach(lambda r: stick() if r['value'] == 'stick' else None).register('k:*', mode='sync')
GB().foreach(lambda r: execute('incr', 'others')).register('k:*', mode='sync')
        }
        set lost [lost]
        expect [r SET k:1 stick] OK
        expect [r GET k:1] stick
        expect [r GET others] 1
        expect [wedged] 1
        expect [lost] [expr {$lost + 1}]
        wait_for {[data status] eq "PAUSED"}
        expect [data lastError] $::late
        expect_match [srv log] "*a sync callback of registration * can't be interrupted*"
        expect_match [srv log] "*is paused: one of its executions doesn't end*"
        # Not even the time of one callback is lost again.
        expect [r SET k:2 stick] OK
        expect [data numAborted] 1
        expect [r GET others] 2
        set id [stuck_execution]
        expect_error "the execution is in a call that can not be interrupted*" {
            r RG.ABORTEXECUTION $id
        }
        expect [r RG.GETRESULTSBLOCKING $id] [list {} [list $::late]]
        set_free
        expect [data numFailures] 1
        expect_match [data lastError] "Limit met: *"
        r RG.UNPAUSEREGISTRATIONS [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        expect [r SET k:3 v] OK
        expect [data numSuccess] 1
        clean
    }

    test "within a wave that the runner has: its other commands, and all who are told of them" \
        -needs python {
        register {
GB().foreach(lambda r: execute('incr', 'first')).register('k:*', mode='sync')
GB().foreach(lambda r: stick() if r['value'] == 'stick' else execute('incr', 'second')).register('k:*', mode='sync')
GB().foreach(lambda r: execute('incr', 'third')).register('k:*', mode='sync')
        }
        set sub [client]
        $sub PSUBSCRIBE "__keyspace@0__:k:*"
        set c [client]
        set requests {}
        for {set i 0} {$i < 60} {incr i} { lappend requests [list SET k:$i v] [list INCR n] }
        set waves [info_field gears_sync_waves gears]
        client::pipeline $c $requests
        client::pipeline $c $requests
        expect_true {[info_field gears_sync_waves gears] > $waves}
        set want {}
        for {set i 0} {$i < 60} {incr i} { lappend want OK [expr {121 + $i}] }
        expect [client::pipeline $c [lreplace $requests 60 60 {SET k:30 stick}]] $want
        # The second one was told of 120 keys, and of 30 more; the others of all.
        expect [r MGET first second third] {180 150 180}
        for {set i 0} {$i < 180} {incr i} {
            expect [client::receive $sub] \
                [list pmessage __keyspace@0__:k:* __keyspace@0__:k:[expr {$i % 60}] set]
        }
        expect [r GET k:30] stick
        set_free
        expect [data numFailures 1] 1
        client::close $sub
        clean
    }

    test "a wave of many clients: who is behind it is told that the server is busy" -needs python {
        register {
GB().foreach(lambda r: stick() if r['value'] == 'stick' else None).register('k:*', mode='sync')
        }
        set clients {}
        foreach i {0 1 2 3 4 5 6 7} { lappend clients [client] }
        for {set turn 0} {$turn < 20} {incr turn} {
            foreach c $clients { client::send $c SET k:1 v; client::send $c SET k:2 v }
            foreach c $clients { client::flush $c }
            foreach c $clients { expect [client::receive $c] OK; expect [client::receive $c] OK }
        }
        foreach c $clients {
            client::send $c SET k:1 [expr {$c eq [lindex $clients 3] ? "stick" : "v"}]
            client::send $c INCR n
        }
        foreach c $clients { client::flush $c }
        set busy 0
        foreach c $clients {
            set got [list [catch {client::receive $c} a] $a [catch {client::receive $c} b] $b]
            if {[lindex $got 0] || [lindex $got 2]} {
                expect_match $got "*BUSY Redis is busy*"
                incr busy
            }
            if {$c eq [lindex $clients 3]} { expect [lindex $got 1] OK }
        }
        expect [r GET n] [expr {8 - $busy}]
        foreach c $clients { expect [$c PING] PONG; client::close $c }
        set_free
        clean
    }

    test "within EXEC: its other commands are run" -needs python -resp {2 3} {
        register {
GB().foreach(lambda r: stick() if r['value'] == 'stick' else execute('incr', 'n')).register('k:*', mode='sync')
        }
        set c [client -resp [resp]]
        # Also behind commands that are carried.
        expect [client::pipeline $c {{SET k:0 v} {SET k:0 v} {SET k:0 v} MULTI {SET k:1 v} {SET k:2 stick}
            {SET k:3 v} {GET n} EXEC {GET n}}] {OK OK OK OK QUEUED QUEUED QUEUED QUEUED {OK OK OK 4} 4}
        wait_for {[data status] eq "PAUSED"}
        expect [r MGET k:1 k:2 k:3] {v stick v}
        set_free
        clean
    }

    test "a trigger's caller, alone, in EXEC, and among others" -needs python -resp {2 3} {
        register {
GB('CommandReader').map(lambda r: stick() if r[1] == 'stick' else execute('incr', 'n')).register(trigger='t', mode='sync')
        }
        expect_error $::late {r RG.TRIGGER t stick}
        expect [r RG.TRIGGER t v] 1
        set c [client -resp [resp]]
        set got [lindex [client::pipeline $c {MULTI {SET k v} {RG.TRIGGER t stick} {RG.TRIGGER t v} EXEC}] 4]
        expect [lindex $got 0] OK
        expect_match [lindex $got 1] "*$::late"
        expect [lindex $got 2] 2
        set clients {}
        foreach i {0 1 2 3 4 5 6 7} { lappend clients [client] }
        for {set turn 0} {$turn < 5} {incr turn} {
            foreach c $clients { client::send $c RG.TRIGGER t v }
            foreach c $clients { client::flush $c }
            foreach c $clients { client::receive $c }
        }
        expect [r GET n] 42
        foreach c $clients {
            client::send $c RG.TRIGGER t [expr {$c eq [lindex $clients 3] ? "stick" : "v"}]
        }
        foreach c $clients { client::flush $c }
        set ran 0
        foreach c $clients {
            if {[catch {client::receive $c} got]} {
                if {$c eq [lindex $clients 3]} { expect $got $::late } else { expect_match $got "BUSY *" }
            } else { incr ran }
        }
        expect [r GET n] [expr {42 + $ran}]
        foreach c $clients { client::close $c }
        set_free
        clean
    }

    test "in the place of a command" -needs python -resp {2 3} {
        register {
GB('CommandReader').map(lambda r: stick() if r[2] == 'stick' else call_next(*r[1:])).register(hook='set', mode='sync')
        }
        set c [client -resp [resp]]
        expect [$c SET k v] OK
        expect_error $::late {$c SET k stick}
        expect [client::pipeline $c {{SET a v} {SET b v} {GET k}}] {OK OK v}
        set_free
        clean
    }

    test "a stream's entries: they stay pending, and others are added" -needs python {
        register {
GB('StreamReader').foreach(lambda r: stick() if r['value'].get('a') else execute('incr', 'n')).register('s', mode='sync', trimStream=False)
        }
        r XADD s * b 1
        expect [r GET n] 1
        expect_match [r XADD s * a 1] *-*
        wait_for {[data status] eq "PAUSED"}
        expect_match [r XADD s * b 2] *-*
        expect [r GET n] 1
        expect [r XLEN s] 3
        set_free
        go_on 0
        wait_for {[r GET n] == 2}
        clean
    }

    test "what an execution's commands set off" -needs python {
        register {
GB().foreach(lambda r: stick() if r['value'] == 'stick' else execute('incr', 'n')).register('k:*', mode='sync')
        }
        # From a body, an execution, a block, and its end.
        expect [r RG.PYEXECUTE {execute('set', 'k:1', 'v'); execute('set', 'k:2', 'stick'); execute('set', 'k:3', 'v')}] OK
        expect [r MGET k:2 k:3 n] {stick v 1}
        set_free
        go_on 0
        expect [r RG.PYEXECUTE {
def one(): yield 1
GB('PythonReader').map(lambda r: execute('set', 'k:1', 'stick')).run(one)
        }] {OK {}}
        set_free
        go_on 0
        expect [r RG.PYEXECUTE {
with atomic():
    execute('set', 'k:4', 'v')
    execute('set', 'k:5', 'stick')
    execute('set', 'k:6', 'v')
execute('incr', 'after')
        }] OK
        expect [r MGET k:4 k:5 k:6 after] {v stick v 1}
        set_free
        clean
    }

    test "an atomic block of an execution: what it has done stays, and is told" -needs python {
        register {
GB().foreach(lambda r: execute('incr', 'n')).register('k:*', mode='sync', eventTypes=['set'])
        }
        set sub [client]
        $sub PSUBSCRIBE "__keyspace@0__:k:*"
        set got [r RG.PYEXECUTE "[tools]
def f(r):
    with atomic():
        execute('set', 'k:1', 'v')
        execute('set', 'k:2', 'v')
        stick()
        execute('set', 'k:3', 'v')
    execute('set', 'k:4', 'v')
GB('PythonReader').foreach(f).run(one)" LIMITS atomic-time $::limit_ms]
        expect_match $got "{} {{Limit met: *(gears-atomic-max-time): $::end}}"
        # Nobody can be told before main has the data again.
        expect [r EXISTS k:1 k:2 k:3 k:4] 2
        expect [r GET n] 2
        foreach k {k:1 k:2} { expect [client::receive $sub] [list pmessage __keyspace@0__:k:* __keyspace@0__:$k set] }
        set_free
        expect [r EXISTS k:1 k:2 k:3 k:4] 2
        # That worker is as good as before.
        foreach i {1 2 3 4} {
            expect [r RG.PYEXECUTE {
with atomic():
    execute('incr', 'blocks')
            }] OK
        }
        expect [r GET blocks] 4
        client::close $sub
        clean
    }

    test "an atomic block of a body, aborted or left by its client" -needs python {
        file delete [file join [srv dir] free]
        set c [client]
        set script "[tools]
with atomic():
    execute('set', 'in', 'block')
    stick()"
        client::send $c RG.PYEXECUTE $script LIMITS time $::limit_ms
        client::flush $c
        expect_error "Limit met: *(gears-max-time): $::end" {client::receive $c}
        expect [r GET in] block
        client::close $c
        set c [client]
        client::send $c RG.PYEXECUTE $script
        client::flush $c
        wait_for {[catch {r PING} why] && [string match "BUSY*" $why]}
        client::close $c
        wait_for {![catch {r PING}]}
        expect [wedged] 2
        set_free
        clean
    }

    test "callbacks within callbacks, and within blocks" -needs python {
        register {
GB('CommandReader').foreach(lambda r: stick()).register(trigger='inner', mode='sync')
GB('CommandReader').map(lambda r: execute('RG.TRIGGER', 'inner')).register(trigger='outer', mode='sync')
GB('CommandReader').map(lambda r: call_next(*r[1:]) if r[1] != 'stick' else stick()).register(hook='lpush', mode='sync')
GB().foreach(lambda r: execute('lpush', r['value'], r['key'])).register('k:*', mode='sync', eventTypes=['set'])
        }
        # It has held its command up for as long itself.
        expect_error "Limit met: it held its command up for longer than *" {r RG.TRIGGER outer}
        expect [r PING] PONG
        set_free
        expect [r SET k:1 list] OK
        expect [r LRANGE list 0 -1] k:1
        set c [client]
        foreach turn {1 2 3} { expect [client::pipeline $c {{SET k:2 l} {SET k:3 l} {SET k:4 l}}] {OK OK OK} }
        # In a carried wave.
        expect [client::pipeline $c {{SET k:2 l} {SET k:3 stick} {SET k:4 l} {LLEN l}}] {OK OK OK 11}
        wait_for {[wedged] == 1}
        set_free
        expect [r RG.PYEXECUTE "[tools]
try:
    with atomic():
        execute('set', 'in', 'block')
        execute('RG.TRIGGER', 'inner')
except Exception as e:
    execute('set', 'told', str(e))" ] OK
        expect [r GET in] block
        expect_match [r GET told] "*Limit met: *$::end"
        set_free
        clean
    }

    test "many, one after the other" -needs python {
        register {
GB('CommandReader').map(lambda r: stick() if r[1] == 'stick' else 1).register(trigger='t', mode='sync')
        }
        set lost [lost]
        foreach i {1 2 3 4 5} {
            expect_error "*$::end" {r RG.TRIGGER t stick}
            expect [r RG.TRIGGER t v] 1
            expect [wedged] $i
        }
        expect [lost] [expr {$lost + 5}]
        set_free
        expect [r RG.TRIGGER t v] 1
        clean
    }
}

# Calls that keep the GIL hold up all of Python, but nothing else.
with_server [list busy-reply-threshold $busy_ms gears-sync-max-time $limit_ms gears-sync-wait 200 \
    gears-threads 2] {

    # keep(): reads from the pipe `free` in a call that keeps the GIL. `kept` is there by then.
    proc tools {} {
        return [string map [list DIR [srv dir]] {
import ctypes, os
def keep(r=None):
    fd = os.open('DIR/free', os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    keep_open = os.open('DIR/free', os.O_WRONLY)
    read, room = ctypes.PyDLL(None).read, ctypes.create_string_buffer(1)
    open('DIR/kept', 'w').close()
    read(fd, room, 1)
    os.close(fd)
    os.close(keep_open)
    execute('incr', 'went on')
def one(): yield 1
}]
    }

    proc make_pipe {} {
        file delete [file join [srv dir] free] [file join [srv dir] kept]
        exec mkfifo [file join [srv dir] free]
    }

    proc is_kept {} { file exists [file join [srv dir] kept] }

    proc free_python {} {
        set pipe [open [file join [srv dir] free] {WRONLY NONBLOCK}]
        puts -nonewline $pipe x
        close $pipe
        wait_for {![string match "*pending_termination*" [r RG.DUMPEXECUTIONS]]}
        expect [r EXISTS "went on"] 0
        clean
    }

    test "the GIL is kept: who waits for an execution, or a body, is told" -needs python {
        make_pipe
        expect_match [r RG.PYEXECUTE "[tools]\nGB('PythonReader').foreach(keep).run(one)" LIMITS time $::limit_ms] \
            "{} {{Limit met: it ran for longer than $::limit_ms ms (gears-max-time): $::end}}"
        expect [r PING] PONG
        # Others wait for Python; what they do is told, too, when they are stopped.
        set c [begin RG.PYEXECUTE "GB('ShardsIDReader').count().run()"]
        expect [r SET k v] OK
        free_python
        expect [finish $c] {1 {}}
        make_pipe
        expect_error "Limit met: it ran for longer than $::limit_ms ms (gears-max-time): $::end" {
            r RG.PYEXECUTE "[tools]\nkeep()" LIMITS time $::limit_ms
        }
        expect [r PING] PONG
        free_python
    }

    test "the GIL is kept: a sync callback is left behind, and so is a block" -needs python {
        make_pipe
        r RG.PYEXECUTE "[tools]
GB().foreach(lambda r: keep() if r\['value'\] == 'keep' else execute('incr', 'n')).register('k:*', mode='sync')
GB().foreach(lambda r: execute('incr', 'n')).register('l:*', mode='sync')"
        expect [r SET k:1 keep] OK
        expect [r GET k:1] keep
        wait_for {[data status] eq "PAUSED"}
        # Others can't begin; only the first of them waits for that.
        set start [clock milliseconds]
        for {set i 0} {$i < 50} {incr i} { expect [r SET l:$i v] OK }
        expect_true {[clock milliseconds] - $start < 5000 * $::suite::slow_factor}
        expect [data numFailures 1] 50
        expect_match [data lastError 1] "Python was busy for longer than gears-sync-wait"
        set pipe [open [file join [srv dir] free] {WRONLY NONBLOCK}]
        puts -nonewline $pipe x
        close $pipe
        wait_for {[r SET l:1 v] eq "OK" && [r EXISTS n]}
        wait_for {![string match "*pending_termination*" [r RG.DUMPEXECUTIONS]]}
        clean
        make_pipe
        expect_match [r RG.PYEXECUTE "[tools]
def f(r):
    with atomic():
        execute('set', 'in', 'block')
        keep()
GB('PythonReader').foreach(f).run(one)" LIMITS atomic-time $::limit_ms] "{} {{Limit met: *(gears-atomic-max-time): $::end}}"
        expect [r GET in] block
        free_python
    }
}
