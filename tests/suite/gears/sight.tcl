# SPDX-License-Identifier: BSD-3-Clause
#
# What is seen of programs while they run: RG.DUMPEXECUTIONS VERBOSE, RG.EXPLAIN, the slow log.

tags quick

# The verbose row of an execution, as a dictionary.
proc verbose {id} {
    foreach row [r RG.DUMPEXECUTIONS VERBOSE] {
        if {[dict get $row executionId] eq $id} {return $row}
    }
    return {}
}

with_server {} {
    test "DUMPEXECUTIONS VERBOSE: one that has ended" -needs python -resp {2 3} {
        for {set i 0} {$i < 100} {incr i} {r SET k$i $i}
        set id [r RG.PYEXECUTE "GB('KeysReader').filter(lambda r: int(r\['value'\]) % 2)\
            .map(lambda r: r\['key'\]).countby(lambda k: k\[-1\]).run('k*')" \
            UNBLOCKING ID seen]
        r RG.GETRESULTSBLOCKING $id
        set row [verbose $id]
        expect [dict keys $row] {executionId status registered session reader elapsedMS pythonMS\
            tokenMS readMS recordsRead steps}
        expect [dict get $row status] done
        expect [dict get $row registered] 0
        expect [dict get $row session] seen
        expect [dict get $row reader] KeysReader
        expect [dict get $row recordsRead] 100
        expect [dict get $row steps] {{filter RedisGearsPy_PyCallbackFilter 100}\
            {map RedisGearsPy_PyCallbackMapper 50} {extractkey RedisGearsPy_PyCallbackExtractor 50}\
            {accumulatebykey RedisGearsPy_PyCallbackAccumulateByKey 50}\
            {map RedisGearsPy_PyCallbackMapper 5}}
        # the plain form is as ever
        expect [lsearch -inline [r RG.DUMPEXECUTIONS] "*$id*"] \
            [list executionId $id status done registered 0]
        # a count that makes no record
        set id [r RG.PYEXECUTE "GB('KeysOnlyReader').count().run('k*')" UNBLOCKING]
        r RG.GETRESULTSBLOCKING $id
        expect [dict get [verbose $id] recordsRead] 100
        expect [lindex [dict get [verbose $id] steps] 0 2] 100
    }

    test "DUMPEXECUTIONS VERBOSE: one that runs" -needs python {
        r SET go no
        set id [r RG.PYEXECUTE "
import time
def f(x):
    while execute('get', 'go') == 'no': time.sleep(0.001)
    return x
GB('PythonReader').map(lambda x: x).map(f).run(lambda: (i for i in range(10)))" UNBLOCKING]
        wait_for {[dict get [verbose $id] status] eq "running"}
        wait_for {[dict get [verbose $id] recordsRead] == 1}
        wait_for {[dict get [verbose $id] elapsedMS] >= 50}
        expect [lrange [dict get [verbose $id] steps] 0 1] \
            {{map RedisGearsPy_PyCallbackMapper 1} {map RedisGearsPy_PyCallbackMapper 1}}
        # it mostly sleeps
        expect_true {[dict get [verbose $id] pythonMS] < [dict get [verbose $id] elapsedMS]}
        r SET go yes
        r RG.GETRESULTSBLOCKING $id
        expect [dict get [verbose $id] recordsRead] 10
    }

    test "DUMPEXECUTIONS VERBOSE: what takes which time" -needs python {
        # Python
        set id [r RG.PYEXECUTE "def f(x):\n  n = 0\n  while n < 2000000: n += 1
GB('ShardsIDReader').map(f).run()" UNBLOCKING]
        wait_for {[dict get [verbose $id] pythonMS] > 5}
        r RG.GETRESULTSBLOCKING $id
        set row [verbose $id]
        expect_true {[dict get $row pythonMS] > 5}
        expect_true {[dict get $row pythonMS] <= [dict get $row elapsedMS] + 1}
        expect_true {[dict get $row tokenMS] < 5}
        # the token
        set id [r RG.PYEXECUTE "import time\ndef f(x):\n  with atomic(): time.sleep(0.05)
GB('ShardsIDReader').map(f).run()" UNBLOCKING]
        r RG.GETRESULTSBLOCKING $id
        set row [verbose $id]
        expect_true {[dict get $row tokenMS] >= 50}
        expect_true {[dict get $row pythonMS] < 50}
        # it stays as it is
        set row [verbose $id]
        after 20
        expect [verbose $id] $row
    }

    test "DUMPEXECUTIONS VERBOSE: events" -needs python {
        r RG.PYEXECUTE "import time
GB().foreach(lambda r: time.sleep(0.03)).register('e*', mode='async_local')" ID events
        r SET e1 1
        wait_for {[lindex [r RG.DUMPREGISTRATIONS] 0 7 5] == 1}
        set row [lsearch -inline [r RG.DUMPEXECUTIONS VERBOSE] "*registered 1 session events*"]
        expect [dict get $row reader] KeysReader
        expect_true {[dict get $row elapsedMS] >= 30}
        # nobody counts them
        expect [dict get $row recordsRead] -1
        expect [dict get $row steps] {}
        # but who wants to know
        with_config {gears-profile-executions yes} {
            r SET e2 1
            wait_for {[lindex [r RG.DUMPREGISTRATIONS] 0 7 5] == 2}
            set row [lsearch -inline [r RG.DUMPEXECUTIONS VERBOSE] "*registered 1*recordsRead 1 *"]
            expect [lindex [dict get $row steps] 0] {foreach RedisGearsPy_PyCallbackForEach 1}
        }
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "DUMPEXECUTIONS: misuse; in busy mode" -needs python {
        expect_error "ERR syntax error" {r RG.DUMPEXECUTIONS LONG}
        expect_error "ERR wrong number of arguments for 'rg.dumpexecutions' command" {
            r RG.DUMPEXECUTIONS VERBOSE VERBOSE
        }
        with_config {busy-reply-threshold 20} {
            set id [r RG.PYEXECUTE "def f(x):\n  with atomic():\n    while True: pass
GB('ShardsIDReader').map(f).run()" UNBLOCKING]
            set c [client]
            wait_for {[catch {$c GET x} error] && [string match "BUSY*" $error]}
            set row [verbose $id]
            expect [dict get $row status] running
            wait_for {[dict get [verbose $id] pythonMS] > 10}
            expect [r RG.ABORTEXECUTION $id] OK
            wait_for {![catch {$c GET x}]}
            client::close $c
        }
    }
}
