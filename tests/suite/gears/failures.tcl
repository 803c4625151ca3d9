# SPDX-License-Identifier: BSD-3-Clause
#
# Registrations that fail so often in a row that they are paused: gears-max-failures, maxFailures of
# register(). Those of streams are in stream_register.tcl.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc start_over {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] abortpending }
}

proc id {{i 0}} {
    lindex [r RG.DUMPREGISTRATIONS] $i 1
}

proc data {{i 0}} {
    dict get [lindex [r RG.DUMPREGISTRATIONS] $i] RegistrationData
}

# numTriggered, numSuccess, numFailures, numAborted.
proc counts {{i 0}} {
    lmap name {numTriggered numSuccess numFailures numAborted} {dict get [data $i] $name}
}

proc status {{i 0}} {
    set d [data $i]
    expr {[dict exists $d status] ? [dict get $d status] : "none"}
}

proc wait_for_all {n} {
    wait_for {[tcl::mathop::+ {*}[lrange [counts] 1 end]] == $n}
}

# Fails for values that begin with "bad".
set fussy {
def fussy(r):
    execute('rpush', '{l}', r['value'])
    if r['value'].startswith('bad'): raise flat_error(r['value'])
}

with_server {} {
    foreach mode {sync async_local} {
        test "a KeysReader's registration, $mode" -needs python {
            with_config {gears-max-failures 3} {
                py "$fussy\nGB().foreach(fussy).register('k*', mode='$mode', eventTypes=\['set'\])"
                foreach {key value} {k1 bad1 k2 bad2 k3 good k4 bad4 k5 bad5} { r SET $key $value }
                wait_for_all 5
                expect [status] none
                expect [counts] {5 1 4 0}
                r SET k6 bad6
                wait_for {[status] eq "PAUSED"}
                expect [counts] {6 1 5 0}
                expect [llength [data]] 22
                expect [lrange [data] end-1 end] {status PAUSED}
                expect [dict get [data] lastError] bad6
                expect_match [r INFO rg_regisrations] "*,numAborted=0,*,hookCommands=None,status=PAUSED,PD=*"
                expect_match [srv log] "*registration [id] of session * is paused: it failed 3 times in a row*"

                # what happens now isn't run
                expect [r SET k7 good] OK
                wait_for_all 7
                expect [counts] {7 1 5 1}
                expect [r LRANGE "{l}" 0 -1] {bad1 bad2 good bad4 bad5 bad6}
                # its statistics may be forgotten, that it is paused isn't
                r RG.CLEARREGISTRATIONSSTATS
                expect [counts] {0 0 0 0}
                expect [status] PAUSED

                expect [r RG.UNPAUSEREGISTRATIONS [id]] OK
                expect [status] none
                expect [llength [data]] 20
                r SET k8 good
                wait_for_all 1
                # the row begins anew
                foreach i {1 2} { r SET k$i bad }
                wait_for_all 3
                expect [status] none
                r SET k1 bad
                wait_for {[status] eq "PAUSED"}
            }
            start_over
        }

        test "what waited isn't run, either: $mode" -only cogwheel -needs python {
            py "GB().foreach(lambda r: 1 / 0).register('k*', mode='$mode', maxFailures=1)"
            set calls {}
            for {set i 0} {$i < 2000} {incr i} { lappend calls [list SET k$i v] }
            client::pipeline [client] $calls
            wait_for_all 2000
            expect [status] PAUSED
            lassign [counts] triggered succeeded failed aborted
            expect [list $triggered $succeeded] {2000 0}
            expect_true {$failed >= 1 && $failed + $aborted == 2000}
            expect $failed 1
            expect [r RG.UNPAUSEREGISTRATIONS [id]] OK
            start_over
        }

        test "a TimeReader's registration, $mode" -needs python {
            py "GB('TimeReader').foreach(lambda r: 1 / 0).register(every=5, mode='$mode', maxFailures=2)"
            wait_for {[status] eq "PAUSED"}
            expect [counts] {2 0 2 0}
            set skipped [dict get [data] args skipped]
            wait_for {[dict get [data] args skipped] > $skipped + 3}
            expect [dict get [data] args maxFailures] 2
            expect [counts] {2 0 2 0}
            r RG.UNPAUSEREGISTRATIONS [id]
            wait_for {[status] eq "PAUSED"}
            expect [counts] {4 0 4 0}
            start_over
        }

        test "a trigger, $mode: only its own maxFailures" -needs python {
            set trigger "def f(r):
    if r\[1\] == 'bad': raise flat_error('bad word')
    return r\[1\]
GB('CommandReader').map(f).register(trigger='t', mode='$mode'"
            with_config {gears-max-failures 1} {
                py "$trigger)"
                foreach i {1 2 3} { expect_error "bad word" {r RG.TRIGGER t bad} }
                expect [r RG.TRIGGER t fine] fine
                start_over
                py "$trigger, maxFailures=2)"
                foreach i {1 2} { expect_error "bad word" {r RG.TRIGGER t bad} }
                wait_for {[status] eq "PAUSED"}
                expect [dict get [data] args] {trigger t inorder 0 maxFailures 2}
                set error "ERR the registration is paused, since it failed too often in a row;\
                    RG.UNPAUSEREGISTRATIONS has it go on"
                expect_error $error {r RG.TRIGGER t fine}
                expect_error $error {r RG.TRIGGERONKEY t fine}
                expect [counts] {2 0 2 0}
                r RG.UNPAUSEREGISTRATIONS [id]
                expect [r RG.TRIGGER t fine] fine
            }
            start_over
        }

        test "a hook that is paused doesn't let its command through: $mode" -needs python {
            py "GB('CommandReader').map(lambda r: 1 / 0)\
                .register(hook='hset', mode='$mode', maxFailures=1)"
            expect_error *ZeroDivisionError* {r HSET h f v}
            wait_for {[status] eq "PAUSED"}
            expect_error "ERR the registration is paused*" {r HSET h f v}
            expect [r EXISTS h] 0
            start_over
            expect [r HSET h f v] 1
        }

        test "commands that wait for one that is paused go on: $mode" -needs python {
            py "def f(r):
    if r\['key'\] == 'bad': raise flat_error('no')
    override_reply('mine')
GB().foreach(f).register('*', mode='$mode', commands=\['set'\], maxFailures=1, eventTypes=\['set'\])"
            expect [r SET k v] mine
            expect [r SET bad v] OK
            wait_for {[status] eq "PAUSED"}
            expect [r SET k w] OK
            expect [counts] {3 1 1 1}
            r RG.UNPAUSEREGISTRATIONS [id]
            expect [r SET k w] mine
            start_over
        }
    }

    test "calls that wait in order are aborted" -needs python {
        py "import time
def f(r):
    while not execute('get', 'go'): time.sleep(0.001)
    raise flat_error('no')
GB('CommandReader').foreach(f).register(trigger='t', mode='async_local', inorder=True, maxFailures=1)"
        foreach i {1 2 3} {
            lappend clients [set c [client]]
            client::send $c RG.TRIGGER t $i
            client::flush $c
            wait_for {[lindex [counts] 0] == $i}
        }
        r SET go 1
        set answers [lmap c $clients {catch {client::receive $c} got; set got}]
        expect $answers {no {ERR the execution was aborted} {ERR the execution was aborted}}
        expect [counts] {3 0 1 2}
        foreach c $clients { client::close $c }
        start_over
    }

    test "a registration's own number wins" -needs python {
        with_config {gears-max-failures 1} {
            py "GB().foreach(lambda r: 1 / 0).register('never', mode='sync', maxFailures=0)"
            py "GB().foreach(lambda r: 1 / 0).register('third', mode='sync', maxFailures=3)"
            py "GB('StreamReader').foreach(lambda r: 1 / 0).register('s', maxFailures=2)"
            foreach i {1 2} { r SET never v; r SET third v; r XADD s $i-1 a b }
            expect [list [status 0] [status 1]] {none none}
            wait_for {[status 2] eq "PAUSED"}
            r SET third v
            expect [list [status 0] [status 1]] {none PAUSED}
            expect [lrange [dict get [data 0] args] end-1 end] {maxFailures 0}
            expect [lrange [dict get [data 2] args] end-1 end] {maxFailures 2}
        }
        # what can't be paused by hand can't be unpaused, either, unless it is
        lassign [list [id 0] [id 1] [id 2]] never third s
        expect_error "Reader KeysReader does not support pause" {r RG.PAUSEREGISTRATIONS $third}
        expect_error "Reader KeysReader does not support unpause" {
            r RG.UNPAUSEREGISTRATIONS $third $never
        }
        expect [list [status 1] [status 2]] {PAUSED PAUSED}
        expect [r RG.UNPAUSEREGISTRATIONS $s $third] OK
        expect_error "Reader KeysReader does not support unpause" {r RG.UNPAUSEREGISTRATIONS $third}
        start_over
    }

    test "an upgrade begins anew" -needs python {
        set script "GB().foreach(lambda r: 1 / 0).register('k', mode='sync', maxFailures=1)"
        r RG.PYEXECUTE $script ID one
        r SET k v
        expect [status] PAUSED
        r RG.PYEXECUTE $script ID one UPGRADE
        expect [status] none
        start_over
    }

    test "maxFailures: misuse" -needs python {
        foreach {value error} {
            "'3'" "maxFailures argument must be a number"
            "None" "maxFailures argument must be a number"
            "1.5" "maxFailures argument must be a number"
            "-1" "maxFailures argument must be from 0 to *"
            "2**63" "maxFailures argument must be from 0 to *"
        } {
            foreach reader {KeysReader StreamReader} {
                expect_error "*gears.error: *$error*" {
                    py "GB('$reader').register('k', maxFailures=$value)"
                }
            }
        }
        py "GB().foreach(lambda r: 1 / 0).register('k', mode='sync', maxFailures=2**63 - 1)"
        r SET k v
        expect [status] none
        start_over
    }
}
