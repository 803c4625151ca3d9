# SPDX-License-Identifier: BSD-3-Clause
#
# Ending what runs: by RG.ABORTEXECUTION, by a client that goes away, by time limits; and what
# other clients notice of it.

tags quick

# Starts body as the only step of an execution that nobody waits for; its id.
proc start {args} {
    set body "def f(x):\n  [join $args "\n  "]\nGB('ShardsIDReader').map(f).run()"
    set id [r RG.PYEXECUTE $body UNBLOCKING]
    wait_for {[status $id] eq "running"}
    return $id
}

proc status {id} {
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[lindex $e 1] eq $id} {
            return [lindex $e 3]
        }
    }
}

with_server {} {
    foreach {what body} {
        "a loop" {"while True: pass"}
        "a loop that catches everything" {"while True:" "  try:" "    while True: x = 1"
            "  except BaseException: pass"}
        "commands without end" {"while True:" "  try: execute('INCR', 'n')"
            "  except BaseException: pass"}
        "sleep" {"import time" "time.sleep(1000)"}
        "an endless list" {"l = []" "while True: l = l[:100] + [1]"}
    } {
        test "abort: $what" -needs python {
            set id [start {*}$body]
            expect [rt RG.GETRESULTS $id] {error {execution is still running}}
            expect [rt RG.DROPEXECUTION $id] \
                {error {can not drop a not yet finished execution, abort it first.}}
            expect [rt RG.ABORTEXECUTION $id] {simple OK}
            expect [status $id] done
            lassign [r RG.GETRESULTS $id] results errors
            expect $results {}
            expect [llength $errors] 1
            expect_match [lindex $errors 0] *gears.forcestopped*
            expect [rt RG.ABORTEXECUTION $id] {simple OK}
            expect [r RG.DROPEXECUTION $id] OK
        }
    }

    test "abort: a reader without an end, and no Python step" -needs python {
        set id [r RG.PYEXECUTE "GB('PythonReader').count().run(lambda: 1)" UNBLOCKING]
        wait_for {[status $id] eq "running"}
        expect [r RG.ABORTEXECUTION $id] OK
        expect_match [lindex [r RG.GETRESULTS $id] 1] *gears.forcestopped*
        r RG.DROPEXECUTION $id
    }

    test "abort: what hasn't begun" -needs python {
        set ids {}
        for {set i 0} {$i < 3} {incr i} {
            lappend ids [start "while True: pass"]
        }
        set late [client]
        client::send $late RG.PYEXECUTE "GB('ShardsIDReader').run()"
        client::flush $late
        expect [r PING] PONG
        foreach id $ids {
            expect [r RG.ABORTEXECUTION $id] OK
            r RG.DROPEXECUTION $id
        }
        expect [client::receive $late] {1 {}}
    }

    test "RG.GETRESULTSBLOCKING gets the results of an aborted execution" -needs python {
        set id [start "while True: pass"]
        set c [client]
        client::send $c RG.GETRESULTSBLOCKING $id
        client::flush $c
        r RG.ABORTEXECUTION $id
        expect_match [lindex [client::receive $c] 1] *gears.forcestopped*
        r RG.DROPEXECUTION $id
    }

    test "a client that goes away takes its script along" -needs python {
        foreach script {"while True: pass" "import time\ntime.sleep(1000)"
            "def f(x):\n  while True: pass\nGB('ShardsIDReader').map(f).run()"} {
            set c [client]
            client::send $c RG.PYEXECUTE $script
            client::flush $c
            wait_for {[info_field gears_scripts gears] == 1}
            client::close $c
            wait_for {[info_field gears_scripts gears] == 0}
        }
        expect [r RG.DUMPEXECUTIONS] {}
    }

    test "unless the option says no" -needs python {
        with_config {gears-cancel-on-disconnect no} {
            set c [client]
            client::send $c RG.PYEXECUTE "while not execute('EXISTS', 'end'): pass\n\
                \nexecute('SET', 'ended', 1)"
            client::flush $c
            wait_for {[info_field gears_scripts gears] == 1}
            client::close $c
            r SET end 1
            wait_for {[r EXISTS ended] == 1}
        }
        wait_for {[info_field gears_scripts gears] == 0}
    }

    test "an atomic block without an end: BUSY, and a way out" -needs python {
        with_config {busy-reply-threshold 100} {
            set id [r RG.PYEXECUTE "def f(x):\n  with atomic():\n    while True: pass\n\
                \nGB('ShardsIDReader').map(f).run()" UNBLOCKING]
            set c [client]
            wait_for {[catch {$c PING} reply] && [string match BUSY* $reply]}
            expect [$c RG.ABORTEXECUTION $id] OK
            wait_for {![catch {$c PING} reply] && $reply eq "PONG"}
            expect_match [lindex [r RG.GETRESULTSBLOCKING $id] 1] *gears.forcestopped*

            set gone [client]
            client::send $gone RG.PYEXECUTE "with atomic():\n  while True: pass"
            client::flush $gone
            wait_for {[catch {$c PING} reply] && [string match BUSY* $reply]}
            client::close $gone
            wait_for {![catch {$c PING} reply] && $reply eq "PONG"}
        }
        expect [r SET k v] OK
    }

    test "a sync callback is stopped when its time is up" -needs python {
        with_config {gears-sync-max-time 200} {
            r RG.PYEXECUTE "def f(x):\n  while True:\n    try:\n      while True: pass\n\
                    \n    except BaseException: pass\nGB().map(f).register('k', mode='sync')"
            set start [clock milliseconds]
            expect [r SET k v] OK
            expect_true {[clock milliseconds] - $start >= 190}
            set reg [lindex [r RG.DUMPREGISTRATIONS] 0]
            set data [dict get $reg RegistrationData]
            expect [dict get $data numFailures] 1
            expect_match [dict get $data lastError] *gears.forcestopped*
            r RG.UNREGISTER [dict get $reg id]
        }
        expect [r SET k v] OK
    }

    test "a sync callback doesn't wait for Python longer than it should" -needs python {
        r RG.PYEXECUTE "GB().map(lambda r: 1).register('k', mode='sync')"
        with_config {gears-sync-wait 100} {
            # one call of a C function holds the interpreter for about a second
            set id [start "return sum(range(6 * 10 ** 7))"]
            set start [clock milliseconds]
            expect [r SET k v] OK
            expect [r PING] PONG
            set reg [lindex [r RG.DUMPREGISTRATIONS] 0]
            set data [dict get $reg RegistrationData]
            if {[dict get $data numFailures]} {
                expect [dict get $data lastError] "Python was busy for longer than gears-sync-wait"
            }
            expect_match [r RG.GETRESULTSBLOCKING $id] "1799999970000000 *"
            expect [r SET k v] OK
            set data [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]
            expect_true {[dict get $data numSuccess] >= 1}
            r RG.UNREGISTER [dict get $reg id]
        }
    }
}
