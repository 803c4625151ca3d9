# SPDX-License-Identifier: BSD-3-Clause
#
# Registrations of StreamReader: every entry of a stream once for each registration, in batches;
# what fails; pausing; trimming; streams that go while a batch is in flight.

tags quick

proc py {script} { r RG.PYEXECUTE $script }

proc regs {} {
    set ids {}
    foreach reg [r RG.DUMPREGISTRATIONS] { lappend ids [lindex $reg 1] }
    return $ids
}

proc unregister_all {} {
    foreach id [regs] { r RG.UNREGISTER $id }
}

# A field of the nth registration's data.
proc data {field {nth 0}} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] $nth] RegistrationData] $field
}

# Everything that was triggered has come to its end.
proc idle {{nth 0}} {
    set d [dict get [lindex [r RG.DUMPREGISTRATIONS] $nth] RegistrationData]
    dict with d {
        return [expr {$numTriggered == $numSuccess + $numFailures + $numAborted}]
    }
}

proc add {stream args} {
    foreach n $args { r XADD $stream $n-1 n $n }
}

# What a stream's group is named: the session's id is in it.
proc groups {stream} {
    set names {}
    foreach g [r XINFO GROUPS $stream] { lappend names [dict get $g name] }
    return $names
}

# The lists of ids that batches push, "1-1,2-1".
set LOG {
def log(key):
    return lambda r: execute('RPUSH', key, r['id'])
def batches(key):
    return lambda l: execute('RPUSH', key, ','.join(r['id'] for r in l))
def gather(a, r):
    a = a or []
    a.append(r)
    return a
def wait_for(key):
    import time
    while not execute('EXISTS', key):
        time.sleep(0.002)
}

with_server {} {
    foreach mode {async async_local sync} {
        test "mode $mode: what is there and what comes, once" -needs python -resp {2 3} {
            unregister_all
            add s 1 2 3
            py "$LOG\nGB('StreamReader').foreach(log('{l}')).register('s', mode='$mode')"
            wait_for {[r LLEN "{l}"] == 3}
            add s 4 5
            if {$mode ne "sync"} { wait_for {[r LLEN "{l}"] == 5} }
            expect [r LRANGE "{l}" 0 -1] {1-1 2-1 3-1 4-1 5-1}
            wait_for {[data numSuccess] == 5}
            expect [list [data numTriggered] [data numFailures] [data numAborted]] {5 0 0}
            expect [r XLEN s] 0
            expect [data mode] $mode
            r XADD other 1-1 a b
            expect [r XLEN other] 1
            unregister_all
        }
    }

    test "records" -needs python {
        unregister_all
        py "GB('StreamReader').foreach(lambda r: execute('RPUSH', 'l', str(r))).register('s*', mode='sync')"
        r XADD s:1 1-1 a 1 b two a last
        r XADD s:2 7 f \xff\xfe "" ""
        expect [r LRANGE l 0 -1] [list \
            "{'key': 's:1', 'id': '1-1', 'value': {'a': 'last', 'b': 'two'}}" \
            "{'key': 's:2', 'id': '7-0', 'value': {'f': bytearray(b'\\xff\\xfe'), '': ''}}"]
        unregister_all
    }

    test "batches, and the end of a duration" -needs python {
        unregister_all
        py "$LOG\nGB('StreamReader').accumulate(gather).foreach(batches('l')).register('s', batch=3)"
        add s 1 2
        expect [r LLEN l] 0
        add s 3 4 5 6 7
        wait_for {[r LLEN l] == 2}
        expect [r LRANGE l 0 -1] {1-1,2-1,3-1 4-1,5-1,6-1}
        wait_for {[idle]}
        expect [r XLEN s] 1
        expect [data numTriggered] 2
        # removed entries don't count
        r XDEL s 7-1
        add s 8 9
        expect [r LLEN l] 2
        add s 10
        wait_for {[r LLEN l] == 3}
        expect [r LINDEX l 2] 8-1,9-1,10-1
        unregister_all
        r DEL l s
        foreach mode {async sync} {
            py "$LOG\nGB('StreamReader').accumulate(gather).foreach(batches('{l}')).register('s', mode='$mode', batch=100, duration=30)"
            r MULTI
            add s 1 2
            r EXEC
            wait_for {[r LLEN "{l}"] == 1}
            expect [r LRANGE "{l}" 0 -1] {1-1,2-1}
            wait_for {[r XLEN s] == 0}
            unregister_all
            r DEL "{l}" s
        }
    }

    test "a large batch" -needs python {
        unregister_all
        py {
for i in range(3000): execute('XADD', 's', '%d-1' % (i + 1), 'n', i)
GB('StreamReader').count().foreach(lambda n: execute('RPUSH', 'l', n)).register('s', batch=2000, duration=20)
        }
        wait_for {[r LLEN l] == 2}
        expect [r LRANGE l 0 -1] {2000 1000}
        wait_for {[r XLEN s] == 0}
        expect [r XPENDING s [lindex [groups s] 0]] {0 (nil) (nil) (nil)}
        unregister_all
    }

    test "arguments of register()" -needs python {
        unregister_all
        foreach {call error} {
            "batch='1'" "batch argument must be a number"
            "batch=1.5" "batch argument must be a number"
            "batch=0" "batch argument must be from 1 to 2147483647"
            "batch=-1" "batch argument must be from 1 to 2147483647"
            "batch=2**70" "batch argument must be from 1 to 2147483647"
            "duration='1'" "duration argument must be a number"
            "duration=-1" "duration argument must be from 0 to *"
            "onFailedPolicy='no'" "onFailedPolicy must be Continue/Abort/Retry"
            "onFailedPolicy=1" "onFailedPolicy must be a string (Continue/Abort/Retry)"
            "onFailedPolicy='\\0'" "onFailedPolicy must be Continue/Abort/Retry"
            "onFailedRetryInterval='1'" "retryInterval argument must be a number"
            "onFailedRetryInterval=-1" "onFailedRetryInterval argument must be from 0 to *"
            "onFailedRetryInterval=2**62" "onFailedRetryInterval argument must be from 0 to *"
            "trimStream=1" "pyTrimmStream argument must be a boolean"
            "mode='sync', onFailedPolicy='Retry'" "ExecutionMode sync can only be combined with OnFailedPolicy Continue"
            "mode='sync', onFailedPolicy='abort'" "ExecutionMode sync can only be combined with OnFailedPolicy Continue"
            "mode='no'" "unknown execution mode"
            "mode=1" "execution mode must be a string"
            "onRegistered=1" "OnRegistered argument must be a function"
            "maxDeliveries='1'" "maxDeliveries argument must be a number"
            "maxDeliveries=2" "maxDeliveries can only be combined with onFailedPolicy Abort or Retry"
            "deadLetter=1" "deadLetter argument must be a string"
            "deadLetter='d', onFailedPolicy='retry'" "deadLetter needs maxDeliveries, but for onFailedPolicy Continue"
        } {
            expect_error "*gears.error: *$error*" {py "GB('StreamReader').register('s', $call)"}
        }
        expect_error "*regex argument must be a string*" {py "GB('StreamReader').register(5)"}
        expect_error "*prefix must not be empty*" {py "GB('StreamReader').register('')"}
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [py "GB('StreamReader').register(regex='s', batch=True, onFailedPolicy='CONTINUE', nonsense=1)"] OK
        expect [dict get [data args] onFailedPolicy] continue
        unregister_all
    }

    test "RG.DUMPREGISTRATIONS" -needs python -resp {2 3} {
        unregister_all
        py "GB('StreamReader', desc='text').register('s*', batch=2, duration=10, onFailedPolicy='Retry', onFailedRetryInterval=5, trimStream=False)"
        set reg [lindex [r RG.DUMPREGISTRATIONS] 0]
        expect [dict get $reg reader] StreamReader
        expect [dict get $reg RegistrationData] {mode async numTriggered 0 numSuccess 0 numFailures 0\
            numAborted 0 lastRunDurationMS 0 totalRunDurationMS 0 avgRunDurationMS 0\
            lastEstimatedLagMS 0 avgEstimatedLagMS 0 lastError (nil)\
            args {batchSize 2 durationMS 10 stream s* trimStream 0 onFailedPolicy retry\
            retryInterval 5} status OK}
        set typed [lindex [rt RG.DUMPREGISTRATIONS] 1 0 1 7 1]
        expect [llength $typed] 26
        expect [lindex $typed 19] [expr {[resp] == 3 ? {double 0} : {bulk 0}}]
        expect [lindex $typed 25] {bulk OK}
        unregister_all
        py "GB('StreamReader').register('s', onFailedPolicy='retry', maxDeliveries=3, deadLetter='d')"
        expect [lrange [data args] 8 end] {onFailedPolicy retry retryInterval 1 maxDeliveries 3\
            deadLetter d}
        unregister_all
    }

    test "the lag of batches" -needs python {
        unregister_all
        py "GB('StreamReader').register('s', mode='sync')"
        set now [clock milliseconds]
        r XADD s [expr {$now - 60000}]-0 a b
        expect_true {abs([data lastEstimatedLagMS] - 60000) < 20000}
        expect [data avgEstimatedLagMS] [data lastEstimatedLagMS]
        r XADD s [expr {$now - 20000}]-0 a b
        expect_true {abs([data lastEstimatedLagMS] - 20000) < 15000}
        expect_true {abs([data avgEstimatedLagMS] - 40000) < 15000}
        expect [r RG.CLEARREGISTRATIONSSTATS] OK
        expect [list [data lastEstimatedLagMS] [data avgEstimatedLagMS] [data numTriggered]] {0 0 0}
        unregister_all
    }

    test "two registrations on one stream both see every entry" -needs python {
        unregister_all
        add s:1 1 2 3
        py "$LOG\nGB('StreamReader').foreach(log('{a}')).register('s:1')\nGB('StreamReader').foreach(log('{b}')).register('s:*', batch=2)\nGB('StreamReader').foreach(log('{c}')).register('s:1', trimStream=False)"
        add s:1 4 5 6 7
        wait_for {[r LLEN "{a}"] == 7 && [r LLEN "{b}"] == 6 && [r LLEN "{c}"] == 7}
        wait_for {[idle 0] && [idle 1] && [idle 2]}
        expect [r LRANGE "{a}" 0 -1] {1-1 2-1 3-1 4-1 5-1 6-1 7-1}
        expect [r LRANGE "{b}" 0 -1] {1-1 2-1 3-1 4-1 5-1 6-1}
        # what one of them still needs stays
        expect [r XRANGE s:1 - +] {{7-1 {n 7}}}
        expect [llength [groups s:1]] 3
        add s:1 8
        wait_for {[r XLEN s:1] == 0}
        unregister_all
        # the group of a prefix is taken from one stream after the other
        wait_for {[groups s:1] eq {}}
    }

    test "trimming waits for who is paused, not for who is gone" -needs python {
        unregister_all
        py "GB('StreamReader').register('s')"
        py "GB('StreamReader').register('s', trimStream=False)"
        lassign [regs] first second
        add s 1 2
        wait_for {[r XLEN s] == 0}
        r RG.PAUSEREGISTRATIONS $second
        add s 3 4
        wait_for {[idle 0] && [data numSuccess 0] == 4}
        expect [r XLEN s] 2
        r RG.UNREGISTER $second
        expect [r XLEN s] 0
        # the same for a prefix, where it takes a moment
        py "GB('StreamReader').register('s*', trimStream=False)"
        r RG.PAUSEREGISTRATIONS [lindex [regs] 1]
        add s 5
        wait_for {[data numSuccess 0] == 5}
        expect [r XLEN s] 1
        r RG.UNREGISTER [lindex [regs] 1]
        wait_for {[r XLEN s] == 0}
        unregister_all
    }

    test "trimStream=False keeps the entries, and each is run once" -needs python {
        unregister_all
        py "$LOG\nGB('StreamReader').foreach(log('{l}')).register('s', trimStream=False)"
        add s 1 2 3
        wait_for {[r LLEN "{l}"] == 3}
        add s 4
        wait_for {[r LLEN "{l}"] == 4}
        wait_for {[idle]}
        expect [r XLEN s] 4
        expect [data numTriggered] 4
        unregister_all
        expect [groups s] {}
    }

    test "an upgrade goes on where the session was, a new registration begins anew" -needs python {
        unregister_all
        set script "$LOG\nGB('StreamReader').foreach(log('{l}')).register('s*', trimStream=False)"
        r RG.PYEXECUTE $script ID one
        add s:1 1 2
        wait_for {[r LLEN "{l}"] == 2}
        r RG.PYEXECUTE $script ID one UPGRADE
        add s:1 3
        wait_for {[r LLEN "{l}"] == 3}
        wait_for {[idle]}
        expect [r LRANGE "{l}" 0 -1] {1-1 2-1 3-1}
        expect [llength [groups s:1]] 1
        unregister_all
        r RG.PYEXECUTE $script ID one
        wait_for {[r LLEN "{l}"] == 6}
        r RG.PYEXECUTE $script ID two
        wait_for {[r LLEN "{l}"] == 9}
        unregister_all
        wait_for {[groups s:1] eq {}}
    }

    test "an upgrade waits for the batch that is in flight" -needs python {
        unregister_all
        set script "$LOG\ndef f(r):\n    execute('RPUSH', 'begun', r\['id'\])\n    wait_for('go')\n    execute('RPUSH', 'l', r\['id'\])\nGB('StreamReader').foreach(f).register('s')"
        r RG.PYEXECUTE $script ID one
        add s 1
        wait_for {[r LLEN begun] == 1}
        add s 2
        r RG.PYEXECUTE $script ID one UPGRADE
        add s 3
        r SET go 1
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE l 0 -1] {1-1 2-1 3-1}
        expect [r LRANGE begun 0 -1] {1-1 2-1 3-1}
        unregister_all
    }

    test "policy continue: an error passes, the others are run" -needs python {
        unregister_all
        foreach mode {async sync} {
            py "def f(r):\n    if r\['value'\]\['n'\] == '2': raise flat_error('two is bad')\n    execute('RPUSH', '{l}', r\['id'\])\nGB('StreamReader').foreach(f).register('s', mode='$mode', batch=3)"
            add s 1 2 3
            wait_for {[idle] && [data numFailures] == 1}
            expect [r LRANGE "{l}" 0 -1] {1-1 3-1}
            expect [lrange [r RG.DUMPREGISTRATIONS] 0 0] [r RG.DUMPREGISTRATIONS]
            expect [lindex [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] 21] "two is bad"
            expect [data status] OK
            wait_for {[r XLEN s] == 0}
            add s 4 5 6
            wait_for {[data numSuccess] == 1}
            expect [data lastError] (nil)
            unregister_all
            r FLUSHALL
        }
    }

    # What is stopped in the middle of a batch: the entry it was at has failed, those behind it
    # haven't been run.
    foreach {how words} {abort {} limit ", maxTime=200"} {
        test "policy continue: the rest of a batch that was stopped is run: $how" -needs python {
            unregister_all
            r MULTI
            foreach id {1 2 3 4 5} { r XADD s $id-0 f v }
            r EXEC
            py "def f(r):\n  execute('RPUSH', '{l}', r\['id'\])\n  if r\['id'\] == '2-0':\n\
                \n    execute('SET', 'at', 2)\n    while True: pass\n\
                \nGB('StreamReader').foreach(f).register('s', batch=5, mode='async_local',\
                deadLetter='dead'$words)"
            wait_for {[r EXISTS at]}
            if {$how eq "abort"} {
                set id {}
                foreach e [r RG.DUMPEXECUTIONS] {
                    if {[dict get $e status] eq "running"} { set id [dict get $e executionId] }
                }
                expect [r RG.ABORTEXECUTION $id] OK
            }
            wait_for {[r XLEN s] == 0}
            expect [r LRANGE "{l}" 0 -1] {1-0 2-0 3-0 4-0 5-0}
            expect [r XLEN dead] 1
            expect [lindex [r XRANGE dead - +] 0 1 3] 2-0
            wait_for {[data numSuccess] == 1}
            expect [data numFailures] 1
            unregister_all
        }
    }

    test "policy abort" -needs python {
        unregister_all
        py "def f(r):\n    execute('RPUSH', '{l}', r\['id'\])\n    if not execute('EXISTS', 'good'): raise flat_error('no good')\nGB('StreamReader').foreach(f).register('s', onFailedPolicy='Abort')"
        add s 1 2 3
        wait_for {[data status] eq "ABORTED"}
        expect [r LRANGE "{l}" 0 -1] 1-1
        expect [data lastError] "no good"
        expect [r XLEN s] 3
        expect [lindex [r XPENDING s [lindex [groups s] 0]] 0] 1
        r SET good 1
        add s 4
        expect [data status] ABORTED
        expect [rt RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]] {simple OK}
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{l}" 0 -1] {1-1 1-1 2-1 3-1 4-1}
        expect [data status] OK
        expect_true {[idle]}
        unregister_all
    }

    test "policy retry" -needs python {
        unregister_all
        py "def f(r):\n    execute('RPUSH', '{l}', r\['id'\])\n    if not execute('EXISTS', 'good'): raise flat_error('no good')\nGB('StreamReader').foreach(f).register('s*', onFailedPolicy='RETRY', onFailedRetryInterval=1)"
        add s1 1
        wait_for {[data numFailures] == 1}
        expect [data status] WAITING_FOR_RETRY_ON_FAILURE
        add s2 2
        r SET good 1
        expect [r LLEN "{l}"] 1
        wait_for {[r XLEN s1] == 0 && [r XLEN s2] == 0} -within 5000
        expect [r LRANGE "{l}" 0 -1] {1-1 1-1 2-1}
        expect [data status] OK
        expect [data lastError] (nil)
        unregister_all
        # at once
        r DEL good "{l}"
        py "def f(r):\n    if execute('INCR', 'n') < 20: raise flat_error('no good')\nGB('StreamReader').foreach(f).register('s', onFailedPolicy='retry', onFailedRetryInterval=0)"
        add s 1
        wait_for {[r XLEN s] == 0}
        expect [list [data numFailures] [data numSuccess]] {19 1}
        unregister_all
    }

    test "an error that begins with PAUSE, under any policy" -needs python {
        foreach {mode policy} {async continue async abort async retry sync continue} {
            unregister_all
            r FLUSHALL
            py "def f(r):\n    execute('RPUSH', '{l}', r\['id'\])\n    if not execute('EXISTS', 'good'): raise flat_error('PAUSE for a while')\nGB('StreamReader').foreach(f).register('s', mode='$mode', onFailedPolicy='$policy')"
            add s 1 2
            wait_for {[data status] eq "PAUSED"}
            expect [data lastError] "PAUSE for a while"
            expect [r XLEN s] 2
            r SET good 1
            r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
            wait_for {[r XLEN s] == 0}
            expect [r LRANGE "{l}" 0 -1] {1-1 1-1 2-1}
        }
        unregister_all
    }

    test "RG.PAUSEREGISTRATIONS, RG.UNPAUSEREGISTRATIONS" -needs python -resp {2 3} {
        unregister_all
        py "$LOG\nGB('StreamReader').foreach(log('{l}')).register('s')"
        py "$LOG\nGB('StreamReader').foreach(log('{m}')).register('s')"
        py "GB().register('k')"
        py "GB('CommandReader').register(trigger='t')"
        lassign [regs] one two keys trigger
        set shard [string repeat 0 40]
        foreach {command word} {RG.PAUSEREGISTRATIONS pause RG.UNPAUSEREGISTRATIONS unpause} {
            expect [rt $command x] [list error "Execution x does not exists on shard $shard"]
            expect [rt $command $one $shard-99999] \
                [list error "Execution $shard-99999 does not exists on shard $shard"]
            expect [rt $command $keys] [list error "Reader KeysReader does not support $word"]
            expect [rt $command $one $trigger] \
                [list error "Reader CommandReader does not support $word"]
            expect_error "*wrong number of arguments*" {r $command}
        }
        # all or none
        expect [list [data status 0] [data status 1]] {OK OK}
        expect [rt RG.PAUSEREGISTRATIONS $one $two ABORTPENDING] {simple OK}
        expect [rt RG.PAUSEREGISTRATIONS $one] {simple OK}
        expect [list [data status 0] [data status 1]] {PAUSED PAUSED}
        add s 1 2
        expect [rt RG.UNPAUSEREGISTRATIONS $two] {simple OK}
        wait_for {[r LLEN "{m}"] == 2}
        expect [r LLEN "{l}"] 0
        expect [r XLEN s] 2
        expect [rt RG.UNPAUSEREGISTRATIONS $one $two] {simple OK}
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{l}" 0 -1] {1-1 2-1}
        expect [r LRANGE "{m}" 0 -1] {1-1 2-1}
        unregister_all
    }

    test "what is dropped before it began counts as aborted" -needs python {
        unregister_all
        py "$LOG\ndef f(r):\n    execute('RPUSH', 'l', r\['key'\])\n    wait_for('go')\nGB('StreamReader').foreach(f).register('s*')"
        add s1 1
        wait_for {[r LLEN l] == 1}
        add s2 1
        add s3 1
        wait_for {[data numTriggered] == 3}
        r RG.PAUSEREGISTRATIONS [lindex [regs] 0]
        expect [data numAborted] 2
        r SET go 1
        wait_for {[data numSuccess] == 1}
        expect [r LRANGE l 0 -1] s1
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN s2] == 0 && [r XLEN s3] == 0}
        expect [lsort [r LRANGE l 0 -1]] {s1 s2 s3}
        expect [list [data numTriggered] [data numSuccess]] {5 3}
        unregister_all
    }

    test "gears-max-failures pauses who fails so often in a row" -needs python {
        unregister_all
        with_config {gears-max-failures 3} {
            py "def f(r):\n    if r\['value'\]\['n'\] != '3': raise flat_error('not three')\nGB('StreamReader').foreach(f).register('s')"
            add s 1 2 3 4 5 6 7
            wait_for {[data status] eq "PAUSED"}
            wait_for {[idle]}
            expect [list [data numFailures] [data numSuccess]] {5 1}
            expect [r XLEN s] 1
            r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
            wait_for {[r XLEN s] == 0}
            expect [data status] OK
        }
        expect [lindex [r CONFIG GET gears-max-failures] 1] 0
        unregister_all
    }

    test "maxDeliveries and deadLetter: what can't be done goes to another stream" -needs python {
        unregister_all
        set bad "def f(r):\n    execute('RPUSH', '{l}', r\['id'\])\n    if r\['value'\]\['n'\] in ('2', '5'): raise flat_error('bad ' + r\['id'\])\n"
        py "${bad}GB('StreamReader').foreach(f).register('s', onFailedPolicy='retry', onFailedRetryInterval=0, maxDeliveries=3, deadLetter='{d}')"
        add s 1 2 3
        wait_for {[r XLEN s] == 0}
        expect [r LRANGE "{l}" 0 -1] {1-1 2-1 2-1 2-1 3-1}
        expect [lindex [r XRANGE "{d}" - +] 0 1] {stream s id 2-1 error {bad 2-1} deliveries 3 n 2}
        expect [r XLEN "{d}"] 1
        expect [data status] OK
        unregister_all
        # a batch is taken apart, so that only the bad ones go
        r DEL "{l}" "{d}"
        py "${bad}GB('StreamReader').foreach(f).register('s', batch=6, onFailedPolicy='retry', onFailedRetryInterval=0, maxDeliveries=2, deadLetter='{d}')"
        add s 1001 1002 1003 1004 1005 1006
        r XADD s 2000-1 n 2
        r XADD s 2001-1 n 5
        add s 2002 2003 2004 2005
        wait_for {[r XLEN s] == 0}
        expect [lmap e [r XRANGE "{d}" - +] {lrange [lindex $e 1] 0 3}] \
            {{stream s id 2000-1} {stream s id 2001-1}}
        expect [lsort -unique [r LRANGE "{l}" 0 -1]] [lsort {1001-1 1002-1 1003-1 1004-1 1005-1\
            1006-1 2000-1 2001-1 2002-1 2003-1 2004-1 2005-1}]
        unregister_all
        # without a stream for them they are given up
        r DEL "{l}" "{d}"
        py "${bad}GB('StreamReader').foreach(f).register('s', onFailedPolicy='abort', maxDeliveries=1)"
        r XADD s 3000-1 n 2
        wait_for {[r XLEN s] == 0}
        expect [list [data status] [data numFailures]] {OK 1}
        unregister_all
        # with `continue`: those that failed, or all if it isn't known which
        r DEL "{l}"
        py "${bad}GB('StreamReader').foreach(f).register('s', mode='sync', batch=3, deadLetter='{d}')"
        r XADD s 4000-1 n 1
        r XADD s 4000-2 n 2
        r XADD s 4000-3 n 3
        expect [lmap e [r XRANGE "{d}" - +] {lindex $e 1}] \
            {{stream s id 4000-2 error {bad 4000-2} deliveries 1 n 2}}
        unregister_all
        r DEL "{d}"
        py "GB('StreamReader').count().map(lambda n: 1 // 0).register('s', batch=2, deadLetter='{d}')"
        r XADD s 5000-1 n 1
        r XADD s 5000-2 n 2
        wait_for {[r XLEN "{d}"] == 2}
        unregister_all
    }

    test "a stream for dead letters is nobody's own, and loses nothing if it can't be written" -needs python {
        unregister_all
        py "def f(r): raise flat_error('never')\nGB('StreamReader').foreach(f).register('*', deadLetter='dead')"
        add s 1 2
        wait_for {[r XLEN s] == 0}
        expect [r XLEN dead] 2
        r DEL dead
        r SET dead text
        add s 3
        wait_for {[data status] eq "ABORTED"}
        expect_match [data lastError] WRONGTYPE*
        expect [r XLEN s] 1
        r DEL dead
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN dead] == 1}
        expect [r XLEN s] 0
        unregister_all
    }

    test "streams that come under the prefix by other ways than XADD" -needs python {
        unregister_all
        py "$LOG\nGB('StreamReader').foreach(log('l')).register('s*')"
        add other 1
        r RENAME other s1
        wait_for {[r LLEN l] == 1}
        add other 2
        r COPY other s2
        wait_for {[r LLEN l] == 2}
        r RESTORE s3 0 [r DUMP other]
        wait_for {[r LLEN l] == 3}
        r SELECT 1
        add s4 5
        r MOVE s4 0
        add s5 6
        r SELECT 0
        wait_for {[r LLEN l] == 4}
        expect [r LRANGE l 0 -1] {1-1 2-1 2-1 5-1}
        r SWAPDB 0 1
        wait_for {[r LLEN l] == 1}
        expect [r LRANGE l 0 -1] 6-1
        unregister_all
    }

    foreach {how end} {
        "is deleted" {r DEL s; add s 5}
        "is replaced" {r SET s text; r DEL s; add s 5}
        "expires" {r PEXPIRE s 1; wait_for {![r EXISTS s]}; add s 5}
        "goes with all keys" {r FLUSHALL; add s 5}
        "is trimmed" {r XTRIM s MAXLEN 0; add s 5}
        "loses its entries" {r XDEL s 1-1 2-1 3-1 4-1; add s 5}
    } {
        test "a stream $how while a batch is in flight" -needs python {
            unregister_all
            py "$LOG\ndef f(l):\n    execute('SET', 'begun', 1)\n    if l\[0\]\['id'\] == '1-1': wait_for('go')\n    batches('l')(l)\nGB('StreamReader').accumulate(gather).foreach(f).register('s', batch=2, duration=1)"
            r MULTI ;# or the first may be a batch of its own
            add s 1 2 3 4
            r EXEC
            wait_for {[r EXISTS begun]}
            eval $end
            r SET go 1
            wait_for {[idle] && ![r EXISTS s] || [r XLEN s] == 0}
            expect [r LRANGE l 0 -1] {1-1,2-1 5-1}
            expect [r PING] PONG
            unregister_all
        }
    }

    test "a stream is renamed, moved, swapped or loaded while a batch is in flight: no entry twice" -needs python {
        foreach {how back} {
            {r RENAME s s2} {}
            {r MULTI; r RENAME s s2; r RENAME s2 s3; r EXEC} {}
            {r MOVE s 1} {r SELECT 1; r MOVE s 0; r SELECT 0}
            {r SWAPDB 0 1; r SELECT 1; r COPY l l DB 0; r SELECT 0} {r SWAPDB 0 1}
            {r DEBUG RELOAD} {}
        } {
            unregister_all
            r FLUSHALL
            py "$LOG\ndef f(l):\n    execute('RPUSH', 'l', l\[0\]\['id'\])\n    if l\[0\]\['id'\] == '1-1': wait_for('go')\nGB('StreamReader').accumulate(gather).foreach(f).register('s*', batch=2)"
            add s 1 2
            wait_for {[r LLEN l] == 1}
            add s 3 4
            eval $how
            r SET go 1
            wait_for {[data numSuccess] >= 1}
            wait_for {[idle]}
            eval $back
            set key [lindex [r KEYS s*] 0]
            add $key 5 6
            wait_for {[r XLEN $key] == 0}
            wait_for {[idle]}
            expect [r LRANGE l 0 -1] {1-1 3-1 5-1}
        }
        unregister_all
    }

    test "RG.UNREGISTER with a batch in flight" -needs python {
        unregister_all
        py "$LOG\ndef f(r):\n    execute('RPUSH', 'begun', r\['id'\])\n    wait_for('go')\n    execute('RPUSH', 'l', r\['id'\])\nGB('StreamReader').foreach(f).register('s*')"
        add s1 1
        wait_for {[r LLEN begun] == 1}
        add s2 2
        expect [r RG.UNREGISTER [lindex [regs] 0] abortpending] OK
        expect [regs] {}
        r SET go 1
        wait_for {[r LLEN l] == 1}
        wait_for {[groups s1] eq {}}
        expect [r LRANGE begun 0 -1] 1-1
        expect [list [r XLEN s1] [r XLEN s2]] {1 1}
    }

    test "a callback may remove its own registration" -needs python {
        foreach mode {sync async_local} {
            unregister_all
            r DEL n s
            py "def f(r):\n    execute('INCR', 'n')\n    for x in execute('RG.DUMPREGISTRATIONS'): execute('RG.UNREGISTER', x\[1\])\nGB('StreamReader').foreach(f).register('s*', mode='$mode')\nGB('StreamReader').foreach(f).register('s', mode='$mode')"
            add s 1 2
            wait_for {[r EXISTS n]}
            wait_for {[regs] eq {}}
            expect_true {[r GET n] <= 2}
        }
    }

    test "a stream that a batch feeds itself" -needs python {
        unregister_all
        # within a command there is an end to it; a worker does the rest
        foreach mode {async sync} {
            r DEL n
            py "def f(r):\n    n = int(r\['value'\]\['n'\])\n    if n < 100: execute('XADD', 's', '*', 'n', n + 1)\n    execute('INCR', 'n')\nGB('StreamReader').foreach(f).register('s', mode='$mode')"
            r XADD s * n 0
            if {$mode eq "sync"} { expect_true {[r GET n] >= 32} }
            wait_for {[r GET n] == 101}
            wait_for {[r XLEN s] == 0}
            unregister_all
        }
    }

    test "sync: within the command's unit, also of EXEC and atomic()" -needs python {
        unregister_all
        r DEBUG EFFECTS ON
        r RG.PYEXECUTE "GB('StreamReader').foreach(lambda r: execute('RPUSH', 'l', r\['id'\])).register('s', mode='sync')" ID one
        r DEBUG EFFECTS TAKE
        r XADD s 1-1 a b
        expect [client::requests_of [r DEBUG EFFECTS TAKE]] {{SELECT 0} MULTI {XADD s 1-1 a b}\
            {XGROUP CREATE s gears:one:1:s 0}\
            {XREADGROUP GROUP gears:one:1:s __gears_client__ COUNT 1 STREAMS s >} {RPUSH l 1-1}\
            {XACK s gears:one:1:s 1-1} {XTRIM s MINID = 1-2} EXEC}
        r DEBUG EFFECTS TAKE
        r MULTI
        r XADD s 2-1 a b
        r LLEN l
        r XADD s 3-1 a b
        expect [lindex [r EXEC] 1] 2
        expect [lsearch [client::requests_of [r DEBUG EFFECTS TAKE]] LLEN*] -1
        expect [r LRANGE l 0 -1] {1-1 2-1 3-1}
        py "with atomic():\n    execute('XADD', 's', '4-1', 'a', 'b')"
        expect [r LRANGE l 0 -1] {1-1 2-1 3-1 4-1}
        unregister_all
    }

    test "async: what a batch's end changes is one unit" -needs python {
        unregister_all
        r DEBUG EFFECTS ON
        r DEBUG EFFECTS TAKE
        add s 1 2
        r RG.PYEXECUTE "GB('StreamReader').register('s', batch=2)" ID one
        wait_for {[r XLEN s] == 0}
        set effects [client::requests_of [r DEBUG EFFECTS TAKE]]
        set at [lsearch $effects XACK*]
        expect [lrange $effects $at-1 $at+2] {MULTI {XACK s gears:one:1:s 1-1 2-1}\
            {XTRIM s MINID = 2-2} EXEC}
        unregister_all
    }

    test "keyspace events of what is trimmed" -needs python {
        unregister_all
        with_config {notify-keyspace-events Et} {
            set c [client]
            $c SUBSCRIBE __keyevent@0__:xtrim
            py "GB('StreamReader').register('s', mode='sync')"
            add s 1
            expect [client::receive $c] {message __keyevent@0__:xtrim s}
        }
        unregister_all
    }

    test "a script that fails registers nothing; onRegistered comes before the first batch" -needs python {
        unregister_all
        add s 1
        expect_error *ZeroDivision* {py "GB('StreamReader').register('s')\n1/0"}
        expect [r XLEN s] 1
        py "import time\ndef on():\n    time.sleep(0.05)\n    execute('RPUSH', 'l', 'on')\nGB('StreamReader').foreach(lambda r: execute('RPUSH', 'l', r\['id'\])).register('s', onRegistered=on)"
        wait_for {[r LLEN l] == 2}
        expect [r LRANGE l 0 -1] {on 1-1}
        unregister_all
    }

    test "register() within a step" -needs python {
        unregister_all
        add s 1
        py "$LOG\ndef f(x):\n    GB('StreamReader').foreach(log('l')).register('s')\nGB('ShardsIDReader').foreach(f).run()"
        wait_for {[r LLEN l] == 1}
        unregister_all
    }

    test "a user consumes only streams that it may read and write" -needs python {
        unregister_all
        r ACL SETUSER half on >pw +@all %R~s:r* ~s:w* ~l
        set c [client]
        $c AUTH half pw
        add s:r 1
        add s:w 2
        $c RG.PYEXECUTE "$LOG\nGB('StreamReader').foreach(log('l')).register('s:*')"
        add s:r 3
        add s:w 4
        wait_for {[r LLEN l] == 2}
        expect [r LRANGE l 0 -1] {2-1 4-1}
        expect [r XLEN s:r] 2
        expect [groups s:r] {}
        r ACL DELUSER half
        add s:w 5
        wait_for {[data status] eq "ABORTED"}
        expect_match [data lastError] "*doesn't exist any more"
        expect [r XLEN s:w] 1
        r ACL SETUSER half on >pw +@all ~s:w* ~l
        r RG.UNPAUSEREGISTRATIONS [lindex [regs] 0]
        wait_for {[r XLEN s:w] == 0}
        unregister_all
    }

    test "executions of batches are kept, and can be looked at" -needs python {
        unregister_all
        py "GB('StreamReader').map(lambda r: r\['id'\]).register('s', batch=2, mode='sync')"
        add s 1 2
        set ids {}
        foreach e [r RG.DUMPEXECUTIONS] {
            if {[dict get $e registered]} { lappend ids [dict get $e executionId] }
        }
        expect [r RG.GETRESULTS [lindex $ids 0]] {{1-1 2-1} {}}
        unregister_all
    }

    # Several registrations of several prefixes, whose callbacks fail at random, over streams that
    # come, grow, lose entries, move and go; pauses, upgrades, unregistrations. What each has seen is
    # compared with what was there for it: all of it, in order, nothing else, and, where nothing was
    # to be repeated, once.
    test "random streams, failures and pauses against a model" -needs python -tags threads {
        unregister_all
        set rounds [expr {$::suite::slow_factor > 1 ? 250 : 500}]
        # name -> prefix, policy, mode, batch
        set plans {
            a {s* retry async 1}
            b {s* retry async_local 7}
            c {s:1 continue sync 1}
            d {s:* continue async 3}
            e {s:2 retry async 1}
        }
        dict for {name plan} $plans {
            lassign $plan prefix policy mode batch
            set scripts($name) "import random
def f(r):
    execute('RPUSH', '{seen}:$name', r\['value'\]\['n'\])
    if '$policy' == 'retry' and random.random() < 0.05: raise flat_error('PAUSE' if random.random() < 0.2 else 'bad luck')
GB('StreamReader').foreach(f).register('$prefix', mode='$mode', batch=$batch, duration=5, onFailedPolicy='$policy', onFailedRetryInterval=0)"
            r RG.PYEXECUTE $scripts($name) ID $name
        }
        set next 0
        set added {} ;# n -> the stream that it was added to
        set removed {}
        for {set i 0} {$i < $rounds} {incr i} {
            set key s:[expr {1 + [rand_int 3]}]
            switch [rand_int 12] {
                0 - 1 - 2 - 3 - 4 - 5 {
                    set pipeline {}
                    for {set k [rand_int 8]} {$k >= 0} {incr k -1} {
                        lappend pipeline [list XADD $key * n [incr next]]
                        dict set added $next $key
                    }
                    client::pipeline [default_client] $pipeline
                }
                6 {
                    r MULTI
                    r XADD $key * n [incr next]
                    dict set added $next $key
                    r XADD s:9 * n [incr next]
                    dict set added $next s:9
                    r EXEC
                }
                7 { r RG.PAUSEREGISTRATIONS [rand_pick [regs]] }
                8 { r RG.UNPAUSEREGISTRATIONS {*}[regs] }
                9 {
                    # an upgrade goes on
                    set name [rand_pick {a b d e}]
                    r RG.PYEXECUTE $scripts($name) ID $name UPGRADE
                }
                10 { r RG.CLEARREGISTRATIONSSTATS }
                11 { catch {r RENAME s:9 s:8}; catch {r RENAME s:8 s:9} }
            }
        }
        # all that is left is run
        set left 1
        wait_for {[string match *OK* [r RG.UNPAUSEREGISTRATIONS {*}[regs]]] &&
                  [r XLEN s:1] + [r XLEN s:2] + [r XLEN s:3] + [r XLEN s:9] + [r XLEN s:8] == 0} \
            -within 30000
        dict for {name plan} $plans {
            lassign $plan prefix policy mode batch
            set want {}
            dict for {n key} $added {
                if {[string match $prefix $key]} { lappend want $n }
            }
            set seen [r LRANGE "{seen}:$name" 0 -1]
            expect [lsort -integer -unique $seen] $want
            if {$policy eq "continue"} { expect [llength $seen] [llength $want] }
            # of each stream in its order, but for what was repeated
            foreach key {s:1 s:2 s:3} {
                set last 0
                set order {}
                foreach n $seen {
                    if {[dict get $added $n] eq $key && $n > $last} { lappend order [set last $n] }
                }
                expect $order [lsearch -all -inline -not -exact [lmap n $want {
                    expr {[dict get $added $n] eq $key ? $n : ""}
                }] ""]
            }
        }
        unregister_all
    }

    test "clients, workers and unregistrations at once: nothing is lost" -needs python -tags threads {
        unregister_all
        py "GB('StreamReader').foreach(lambda r: execute('INCR', '{n}:sync')).register('s:*', mode='sync')
GB('StreamReader').foreach(lambda r: execute('INCR', '{n}:async')).register('s:*', batch=10, duration=2)
GB('StreamReader').foreach(lambda r: execute('XADD', 't:' + r\['key'\]\[2:\], '*', 'n', 1)).register('s:*')
GB('StreamReader').foreach(lambda r: execute('INCR', '{n}:chain')).register('t:*')"
        set clients {}
        for {set i 0} {$i < 4} {incr i} { lappend clients [client] }
        set other [client]
        for {set round 0} {$round < 20} {incr round} {
            foreach c $clients {
                for {set k 0} {$k < 25} {incr k} { client::send $c XADD s:[rand_int 20] * a b }
                client::flush $c
            }
            $other RG.PYEXECUTE "GB('StreamReader').foreach(lambda r: 1).register('s:*', mode='[rand_pick {sync async}]')" ID gone
            foreach reg [$other RG.DUMPREGISTRATIONS] {
                if {[string match "*'sessionName':'gone'*" [dict get $reg PD]]} {
                    $other RG.UNREGISTER [lindex $reg 1]
                }
            }
            foreach c $clients {
                for {set k 0} {$k < 25} {incr k} { client::receive $c }
            }
        }
        expect [r GET "{n}:sync"] 2000
        wait_for {[r GET "{n}:async"] == 2000 && [r GET "{n}:chain"] == 2000} -within 20000
        wait_for {[tcl::mathop::+ {*}[lmap key [r KEYS {[st]:*}] {r XLEN $key}]] == 0}
        unregister_all
    }
}
