# SPDX-License-Identifier: BSD-3-Clause
#
# What happens by the clock: registrations of TimeReader, and registerTE().

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

tags quick threads

proc py {args} { r RG.PYEXECUTE [join $args \n] }
proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}
# Without keys no event with a key is left at its next turn; those without are of sessions that go.
# What had begun, or waited, when its registration went goes on to its end.
proc settle {} {
    wait_for {[unended] eq {} && [info_field gears_queued] == 0}
}
proc fresh {} {
    unregister_all
    settle
    r FLUSHALL
}
proc data {field} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] $field
}
proc arg {field} { dict get [data args] $field }
proc events {} { info_field gears_time_events }
proc py_error {text script} { expect_error "*gears.error: $text*" {py $script} }

with_server {} {
    foreach mode {sync async_local async} {
        test "a TimeReader in mode $mode" -needs python {
            fresh
            set before [clock milliseconds]
            py "GB('TimeReader').foreach(lambda r: execute('rpush', 'times', str(r\['time'\])))\
                .foreach(lambda r: execute('set', 'last', str(r))).register(every=5, mode='$mode')"
            wait_for {[r LLEN times] >= 5}
            unregister_all
            expect_match [r GET last] "{'time': *}"
            set times [r LRANGE times 0 4]
            # One that was late may have the next one's time.
            expect $times [lsort -integer $times]
            foreach t $times {
                expect_true {$t >= $before && $t <= [clock milliseconds]}
            }
        }
    }

    test "RG.DUMPREGISTRATIONS of a TimeReader" -needs python -resp {2 3} {
        fresh
        py "GB('TimeReader', desc='tick').register(every=3600000)" \
            "GB('TimeReader').register(cron='*/5 * * * mon', mode='sync')"
        set now [clock milliseconds]
        lassign [r RG.DUMPREGISTRATIONS] every cron
        expect [dict get $every reader] TimeReader
        expect [dict get $every desc] tick
        set data [dict get $every RegistrationData]
        expect [llength $data] 20
        expect [dict get $data mode] async
        expect [dict get $data numTriggered] 0
        expect [dict keys [dict get $data args]] {every cron next skipped}
        expect [lrange [dict get $data args] 0 3] {every 3600000 cron (nil)}
        expect_near [dict get $data args next] [expr {$now + 3600000}] 60000
        set data [dict get $cron RegistrationData]
        expect [dict get $data mode] sync
        expect [lrange [dict get $data args] 0 3] {every (nil) cron {*/5 * * * mon}}
        set next [dict get $data args next]
        expect_true {$next > $now && $next % 300000 == 0}
        expect [clock format [expr {$next / 1000}] -format %a] Mon
    }

    test "a run that takes longer than its period doesn't pile up" -needs python {
        fresh
        set script {
import time
def slow(r):
    execute('incr', 'runs')
    while not execute('exists', 'go'):
        time.sleep(0.001)
GB('TimeReader').foreach(slow).register(every=1)
}
        py $script
        wait_for {[r GET runs] eq "1" && [arg skipped] > 20}
        expect [data numTriggered] 1
        r SET go 1
        wait_for {[r GET runs] > 3}
        unregister_all
        settle
    }

    test "a TimeReader that fails goes on, and says so" -needs python {
        fresh
        py "GB('TimeReader').foreach(lambda r: execute('incr', 'runs') and 1/0).register(every=2)"
        wait_for {[data numFailures] >= 3}
        expect_match [data lastError] *ZeroDivisionError*
        expect [data numSuccess] 0
        unregister_all
        py "GB('TimeReader').foreach(lambda r: execute('rg.unregister',\
            execute('rg.dumpregistrations')\[0\]\[1\])).register(every=2, mode='sync')"
        wait_for {[r RG.DUMPREGISTRATIONS] eq {}}
    }

    test "arguments of a TimeReader's registration" -needs python {
        fresh
        set either "either the every or the cron argument must be given"
        set period "every argument must be a number of milliseconds, from 1 to ten years"
        foreach {args text} [list \
            "" $either \
            "every=5, cron='* * * * *'" $either \
            "every=None" $either \
            "every=0" $period \
            "every=-5" $period \
            "every=True" $period \
            "every=1.5" $period \
            "every='5'" $period \
            "every=2**70" $period \
            "every=315360000001" $period \
            "cron=5" "cron argument is not string" \
            "cron=''" "cron argument is wrong: a cron expression has five fields" \
            "cron='* * * * * *'" "cron argument is wrong: a cron expression has five fields" \
            "cron='60 * * * *'" "cron argument is wrong: bad minute" \
            "cron='* * * * 1-'" "cron argument is wrong: bad day of the week" \
            "cron='* * \\x00 * *'" "cron argument is wrong: bad day of the month" \
            "cron='0 0 30 2 *'" "cron argument is wrong: there is no such date" \
            "cron='*'*100000" "cron argument is wrong: a cron expression has five fields" \
            "every=5, mode='what'" "unknown execution mode" \
            "every=5, onRegistered=1" "OnRegistered argument must be a function" \
        ] {
            py_error $text "GB('TimeReader').register($args)"
        }
        py_error "Given reader do not support run or not exists" "GB('TimeReader').run()"
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "upgrades, aborts and unregistering of what runs all the time" -needs python {
        fresh
        set script {
for mode in ('sync', 'async_local'):
    GB('TimeReader').foreach(lambda r: execute('incr', 'runs')).register(every=1, mode=mode)
}
        r RG.PYEXECUTE $script ID clock
        for {set i 0} {$i < 30} {incr i} {
            expect [r RG.PYEXECUTE $script ID clock UPGRADE] OK
            foreach e [r RG.DUMPEXECUTIONS] {
                if {[lindex $e 3] ne "done"} { catch {r RG.ABORTEXECUTION [lindex $e 1]} }
            }
            expect [llength [r RG.DUMPREGISTRATIONS]] 2
        }
        set runs [r GET runs]
        wait_for {[r GET runs] > $runs + 20}
        unregister_all
        settle
        set runs [r GET runs]
        expect [r GET runs] $runs
    }
}

with_server {} {
    test "registerTE: errors" -needs python {
        foreach {args text} {
            "" "not enough arguments for time event"
            "1" "not enough arguments for time event"
            "1, f, 'k', 4" "too many arguments for time event"
            "'1', f" "time argument must be a long"
            "1.5, f" "time argument must be a long"
            "0, f" "time argument must be between one second and ten years"
            "-1, f" "time argument must be between one second and ten years"
            "2**70, f" "time argument must be between one second and ten years"
            "1, 5" "callback must be a function"
            "1, print" "callback must be a function"
            "1, g" "coroutine are not allow on time event"
            "1, f, 5" "key argument must be a string"
        } {
            py_error $text "def f(): pass\nasync def g(): pass\nregisterTE($args)"
        }
        expect [events] 0
    }

    test "registerTE without a key" -needs python {
        expect [py "count = 0" "def f():" "    global count" "    count += 1" \
            "    execute('set', 'n', count)" "assert registerTE(1, f) is True" \
            "assert redisgears.registerTimeEvent(1, f) is True"] OK
        expect [events] 2
        # both share the script's globals
        wait_for {[r GET n] >= 4}
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "a time event ends with its first exception" -needs python {
        set before [events]
        py "def f():" "    execute('incr', 'failing')" "    1/0" "registerTE(1, f)"
        wait_for {[r GET failing] eq "1" && [events] == $before}
        expect_match [srv log] "*a time event of session *has failed and\
            ends*ZeroDivisionError*"
    }

    test "of a script that fails no time event stays" -needs python {
        set before [events]
        expect_error *ZeroDivisionError* {
            py "def f(): pass" "registerTE(1, f)" "assert registerTE(1, f, 'te')" "1/0"
        }
        expect [r EXISTS te] 0
        expect [events] $before
        # also if its registrations are refused
        py "GB('CommandReader').register(trigger='t')"
        catch {py "def f(): pass" "registerTE(1, f)" \
            "GB('CommandReader').register(trigger='t')"}
        expect [events] $before
        unregister_all
    }

    test "an upgrade ends the time events without a key" -needs python {
        set before [events]
        set script "def f(): pass\nregisterTE(1000, f)\nregisterTE(1000, f, 'te')\nGB().register()"
        r RG.PYEXECUTE $script ID s
        expect [events] [expr {$before + 2}]
        r RG.PYEXECUTE $script ID s UPGRADE
        expect [events] [expr {$before + 2}]
        r DEL te
        unregister_all
    }
}

with_server {} {
    test "registerTE with a key" -needs python {
        r SET taken v
        py "n = 5" "def f(): execute('incrby', 'n', n)" "assert registerTE(1, f, 'te') is True" \
            "assert registerTE(1, f, 'te') is False" "assert registerTE(1, f, 'taken') is False"
        expect [r TYPE te] string
        expect_match [r GET te] "gears time event *, every 1 s"
        expect [r GET taken] v
        expect [events] 1
        wait_for {[r GET n] >= 10}
        r DEL te
        wait_for {[events] == 0}
    }

    test "what a time event's key may meet" -needs python {
        foreach {what} {{DEL te} {SET te other} {PEXPIRE te 1} {RENAME te elsewhere} {FLUSHALL}} {
            expect [py "def f(): pass" "assert registerTE(1, f, 'te')"] OK
            expect [events] 1
            r {*}$what
            wait_for {[events] == 0}
            r FLUSHALL
        }
        # deleted and made anew within a turn: it is another's
        expect [py "def f(): execute('incr', 'old')" "assert registerTE(2, f, 'te')"] OK
        r DEL te
        expect [py "def f(): execute('incr', 'new')" "assert registerTE(1, f, 'te')"] OK
        wait_for {[events] == 1}
        wait_for {[r GET new] >= 2}
        expect [r GET old] (nil)
        r DEL te
        wait_for {[events] == 0}
        # what an event left behind doesn't count
        r SET te "gears time event 0123, every 5 s"
        expect [py "def f(): 1/0" "assert registerTE(1, f, 'te')"] OK
        wait_for {[events] == 0}
        expect [r EXISTS te] 1
        expect [py "def f(): pass" "assert registerTE(1, f, 'te')"] OK
        r FLUSHALL
        wait_for {[events] == 0}
    }

    test "hostile keys of time events" -needs python {
        foreach key {"''" "'a\\x00b'" "'x' * 1000000" "'\\ud800'" "'%s%n\\r\\n'"} {
            expect [py "def f(): pass" "assert registerTE(1, f, $key)" \
                "assert not registerTE(1, f, $key)"] OK
            expect [events] 1
            r FLUSHALL
            wait_for {[events] == 0}
        }
        r HSET h f v
        expect [py "def f(): pass" "assert not registerTE(1, f, 'h')"] OK
        expect_error "*Error occured when serialized*" {
            py "import threading" "l = threading.Lock()" "def f(): l" "registerTE(1, f, 'te')"
        }
        expect [r EXISTS te] 0
    }

    test "a user's time event has the user's rights" -needs python {
        r ACL SETUSER timer on nopass ~mine:* +@all
        set c [client]
        $c AUTH timer any
        expect_error "*NOPERM*" {
            $c RG.PYEXECUTE "def f(): pass\nregisterTE(1, f, 'theirs')"
        }
        expect [$c RG.PYEXECUTE "def f():\n    execute('incr', 'mine:n')
    execute('incr', 'theirs')\nassert registerTE(1, f, 'mine:te')"] OK
        wait_for {[events] == 0}
        expect [r GET mine:n] 1
        expect [r GET theirs] (nil)
        client::close $c
        r ACL DELUSER timer
    }

    test "registerTE within an atomic block and a step" -needs python {
        expect [py "def f(): execute('incr', 'n')" "with atomic():" \
            "    assert registerTE(1, f, 'a')" "    registerTE(1, f)"] OK
        expect [events] 2
        expect [lindex [py "def f(): execute('incr', 'n')" \
            "GB('ShardsIDReader').map(lambda r: registerTE(1, f, 'b')).run()"] 0] True
        expect [events] 3
        wait_for {[r GET n] >= 6}
    }
}

with_server {} {
    test "a time event that runs is an execution" -needs python {
        set before [events]
        py "def f():" "    while True: pass" "registerTE(1, f)"
        wait_for {[set id [running_execution]] ne ""}
        r RG.ABORTEXECUTION $id
        wait_for {[events] == $before}
        expect_match [srv log] *gears.forcestopped*
    }
}
