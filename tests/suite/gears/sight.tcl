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
        set line "gears_running_$id:session=*,reader=PythonReader,registered=0,elapsed_ms=*"
        append line ",python_ms=*,token_ms=*,read_ms=*,records=1|1|1|0\r\n"
        expect_match [r INFO gears] *\n$line*
        r SET go yes
        r RG.GETRESULTSBLOCKING $id
        expect [dict get [verbose $id] recordsRead] 10
        expect_true {![string match *gears_running_* [r INFO gears]]}
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

    test "events that wait are seen" -needs python {
        r SET go no
        r RG.PYEXECUTE "
import time
def f(x):
    while execute('get', 'go') == 'no': time.sleep(0.001)
GB().foreach(f).register('w*', mode='async_local')" ID waiters
        set id [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        for {set i 0} {$i < 5} {incr i} {r SET w$i 1}
        wait_for {[string match "*\ngears_waiting_$id:session=waiters,events=4,bytes=*" [r INFO gears]]}
        wait_for {[regexp -all {registered 1 session waiters} [r RG.DUMPEXECUTIONS VERBOSE]] == 5}
        r SET go yes
        wait_for {![string match *gears_waiting_* [r INFO gears]]}
        r RG.UNREGISTER $id
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

    test "log lines name their session" -needs python {
        r RG.PYEXECUTE "
log('from the text')
print('printed')
GB('ShardsIDReader').foreach(lambda x: log('from a step', 'warning')).run()" ID teller
        foreach text {"from the text" printed "from a step"} {
            expect_match [srv log] "*GEARS: $text (session teller)\n*"
        }
        # each line of several, whatever its bytes
        r RG.PYEXECUTE "log('one\\r\\n\\n1:M Not ours: t\\x00wo\\n')\nlog('')" ID teller
        expect_match [srv log] "*GEARS: one (session teller)\n*GEARS:  (session teller)\n*GEARS:\
            1:M Not ours: t\\\\0wo (session teller)\n*GEARS:  (session teller)\n*"
        expect_true {![regexp {\n1:M Not ours} [srv log]]}
        r RG.PYEXECUTE "log('x' * 100000 + 'y')" ID teller
        expect_match [srv log] "*GEARS: xxx*xxx (session teller)\n*"
        r RG.PYEXECUTE "GB().register('x*', onRegistered=lambda: 1/0)" ID failing
        wait_for {[string match "*Gears: session failing: onRegistered failed: *" [srv log]]}
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    # ---- RG.EXPLAIN ----

    test "EXPLAIN: a run" -needs python -resp {2 3} {
        set plans [r RG.EXPLAIN "GB('KeysReader', desc='what it is').map(lambda r: r\['key'\])\
            .groupby(lambda k: k, lambda k, a, r: (a or 0) + 1).run('k*', maxTime=500)"]
        expect [llength $plans] 1
        set plan [lindex $plans 0]
        expect [dict keys $plan] {plan reader nativeReader makesRecords arg mode desc limits steps}
        foreach {name want} {
            plan run reader KeysReader arg k* mode async desc {what it is} limits {time 500}
        } {
            expect [dict get $plan $name] $want
        }
        set steps {}
        foreach step [dict get $plan steps] {
            expect [dict keys $step] {type name arg native crossesShards runsHere}
            lappend steps [list [dict get $step type] [dict get $step name] \
                [string is true [dict get $step native]] \
                [string is true [dict get $step crossesShards]] \
                [string is true [dict get $step runsHere]]]
        }
        expect $steps [list {*}{
            {map RedisGearsPy_ToPyRecordMapper 1 0 1}
            {map RedisGearsPy_PyCallbackMapper 0 0 1}
            {extractkey RedisGearsPy_PyCallbackExtractor 0 0 1}
            {repartition repartition 1 1 0}
            {accumulatebykey RedisGearsPy_PyCallbackAccumulateByKey 0 0 1}
            {map RedisGearsPy_ToPyRecordMapper 1 0 1}
            {map RedisGearsPy_PyCallbackMapper 1 0 1}
            {collect collect 1 1 0}
        }]
        expect_match [dict get [lindex [dict get $plan steps] 1] arg] "<function <lambda>*"
    }

    test "EXPLAIN: typed" -needs python -resp 3 {
        set reply [rt RG.EXPLAIN "GB('KeysOnlyReader').count().run()"]
        expect_match $reply "array ??map ??bulk plan? ?bulk run? ?bulk reader? ?bulk KeysOnlyReader?\
            ?bulk nativeReader? ?bool t? ?bulk makesRecords? ?bool f? ?bulk arg? ?bulk \\*?*"
    }

    test "EXPLAIN: registrations, and nothing of it happens" -needs python {
        r SET explained 1
        set plans [r RG.EXPLAIN "
GB('CommandReader').register(trigger='explained')
GB().foreach(lambda r: execute('DEL', 'explained')).register('a*', mode='sync',
    onRegistered=lambda: execute('DEL', 'explained'))
GB('KeysReader').run()"]
        expect [lmap plan $plans {list [dict get $plan plan] [dict get $plan reader] \
            [dict get $plan arg] [dict get $plan mode]}] [list {*}{
            {register CommandReader explained async}
            {register KeysReader a* sync}
            {run KeysReader * async}
        }]
        expect [r RG.DUMPREGISTRATIONS] {}
        expect_error "*subcommand not found*" {r RG.TRIGGER explained}
        r SET a 1
        expect [r GET explained] 1
        foreach row [r RG.DUMPEXECUTIONS] {expect [dict get $row status] done}
        # what is registered already can be explained as well
        r RG.PYEXECUTE "GB('CommandReader').register(trigger='there')"
        expect [llength [r RG.EXPLAIN "GB('CommandReader').register(trigger='there')"]] 1
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        expect [r RG.EXPLAIN "x = 1"] {}
    }

    test "EXPLAIN: what each kind of registration is for" -needs python {
        set plans [r RG.EXPLAIN "
GB('CommandReader').register(hook='hset', mode='sync')
GB('StreamReader').register('s:*', batch=10)
GB('TimeReader').register(every=5000)
GB('TimeReader').register(cron='0 4 * * *')
GB('PythonReader').run(lambda: 1)"]
        expect [lmap plan $plans {list [dict get $plan reader] [dict get $plan arg]}] [list \
            {CommandReader hset} {StreamReader s:*} {TimeReader 5000} {TimeReader {0 4 * * *}} \
            {PythonReader (nil)}]
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [r HSET h f v] 1
    }

    test "EXPLAIN: what a body may not do" -needs python {
        foreach {call what} {
            execute('SET','x',1)            execute
            redisgears.executeCommand('GET','x') execute
            atomic().__enter__()            atomic
            registerTE(10,lambda:1)         registerTE
            __import__('threading').Thread(target=print).start() {a thread}
            __import__('_thread').start_new_thread(print,()) {a thread}
        } {
            expect_error "*gears.error: $what is not allowed while a script is explained\
                (RG.EXPLAIN)*" {r RG.EXPLAIN $call}
        }
        # it may catch that
        expect [llength [r RG.EXPLAIN "
try: execute('SET', 'x', 1)
except Exception: pass
GB().run()"]] 1
        expect [r EXISTS x] 0
        # the next script is an ordinary one
        expect [r RG.PYEXECUTE "execute('SET', 'x', 1)"] OK
    }

    test "EXPLAIN: errors and limits" -needs python {
        expect_error "*ZeroDivisionError*" {r RG.EXPLAIN "1/0"}
        expect_error "*Can not run more then 1 executions*" {r RG.EXPLAIN "GB().run()\nGB().run()"}
        expect_error "ERR wrong number of arguments for 'rg.explain' command" {r RG.EXPLAIN}
        expect_error "ERR wrong number of arguments for 'rg.explain' command" {r RG.EXPLAIN 1 2}
        with_config {gears-max-time 40} {
            expect_error "Limit met: it ran for longer than 40 ms*" {r RG.EXPLAIN "while True: pass"}
        }
        r MULTI
        r RG.EXPLAIN 1
        expect_error "*Can not run gears inside a multi exec*" {error [lindex [r EXEC] 0]}
        expect_error "*" {r RG.PYEXECUTE "execute('RG.EXPLAIN', '1')"}
    }

    # ---- the slow log, LATENCY ----

    test "statistics of commands count what was worked for them" -needs python {
        proc usec {cmd} {
            regexp "cmdstat_$cmd:calls=(\\d+),usec=(\\d+)" [r INFO commandstats] -> calls usec
            list $calls $usec
        }
        set napper "import time\ndef f(x): time.sleep(0.03)\n"
        r RG.PYEXECUTE "$napper
GB('CommandReader').foreach(f).register(trigger='slow', mode='async_local')
GB('CommandReader').foreach(f).register(trigger='in order', inorder=True)
GB('CommandReader').foreach(f).register(trigger='sync', mode='sync')
GB('CommandReader').map(lambda r: f(r) or 'OK').register(hook='strlen', mode='async_local')"
        r CONFIG RESETSTAT
        r RG.PYEXECUTE "$napper\nf(1)"
        r RG.PYEXECUTE "$napper\nGB('ShardsIDReader').foreach(f).run()"
        r RG.EXPLAIN "$napper\nf(1)"
        r RG.EXECUTE python "$napper\nf(1)"
        foreach name {slow "in order" sync} { r RG.TRIGGER $name }
        r STRLEN k
        foreach {cmd calls} {
            rg.pyexecute 2 rg.explain 1 rg.execute 1 rg.trigger 3 strlen 1
        } {
            lassign [usec $cmd] got usec
            expect $got $calls
            expect_true {$usec >= 30000 * $calls}
        }
        r CONFIG RESETSTAT
        expect [regexp strlen [r INFO commandstats]] 0
        r RG.TRIGGER slow
        expect [lindex [usec rg.trigger] 0] 1
        foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
    }

    test "slow log: programs, triggers and events" -needs python {
        set name [r CLIENT SETNAME teller]
        set nap "import time\ntime.sleep(0.03)\n"
        set napper "import time\ndef f(x): time.sleep(0.03)\n"
        with_config {slowlog-log-slower-than 20000} {
            r SLOWLOG RESET
            r RG.PYEXECUTE $nap
            set entry [lindex [r SLOWLOG GET] 0]
            expect [lindex $entry 3] [list rg.pyexecute $nap]
            expect_true {[lindex $entry 2] >= 30000}
            expect [lindex $entry 5] teller

            r SLOWLOG RESET
            set script "$napper\nGB('ShardsIDReader').foreach(f).run()"
            r RG.PYEXECUTE $script
            expect [llength [r SLOWLOG GET]] 1
            expect [lindex [r SLOWLOG GET] 0 3] [list rg.pyexecute $script]

            r SLOWLOG RESET
            expect_error "*ZeroDivision*" {r RG.PYEXECUTE "$nap\n1/0"}
            expect [lindex [r SLOWLOG GET] 0 3] [list rg.pyexecute "$nap\n1/0"]

            # nobody waits for these
            r SLOWLOG RESET
            set id [r RG.PYEXECUTE $script UNBLOCKING]
            r RG.GETRESULTSBLOCKING $id
            expect [lindex [r SLOWLOG GET] 0 3] [list rg.execution $id]
            expect [lindex [r SLOWLOG GET] 0 5] {}

            r RG.PYEXECUTE "$napper
GB().foreach(f).register('slow*', mode='async_local')
GB('CommandReader').foreach(f).register(trigger='slow')
GB('CommandReader').foreach(f).register(trigger='sync', mode='sync')"
            r SLOWLOG RESET
            r SET slowkey 1
            wait_for {[r SLOWLOG LEN] == 1}
            expect_match [lindex [r SLOWLOG GET] 0 3] {rg.execution 0000*-*}

            r SLOWLOG RESET
            r RG.TRIGGER slow word [string repeat x 200]
            expect [lindex [r SLOWLOG GET] 0 3] \
                [list rg.trigger slow word "[string repeat x 128]... (72 more bytes)"]
            expect [lindex [r SLOWLOG GET] 0 5] teller
            r SLOWLOG RESET
            r RG.TRIGGERONKEY slow {*}[lrepeat 50 w]
            set words [lindex [r SLOWLOG GET] 0 3]
            expect [llength $words] 32
            expect [lindex $words 0] rg.triggeronkey
            expect [lindex $words 31] "... (21 more arguments)"

            # of a sync one its command tells, once
            r SLOWLOG RESET
            r RG.TRIGGER sync word
            expect [llength [r SLOWLOG GET]] 1
            expect [lindex [r SLOWLOG GET] 0 3] {RG.TRIGGER sync word}
        }
        # what is fast enough isn't told of
        with_config {slowlog-log-slower-than 10000000} {
            r SLOWLOG RESET
            r RG.PYEXECUTE $nap
            expect [r SLOWLOG LEN] 0
        }
        with_config {slowlog-log-slower-than -1} {
            r RG.PYEXECUTE $nap
            expect [r SLOWLOG LEN] 0
        }
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "LATENCY has the event gears" -needs python {
        with_config {latency-monitor-threshold 20} {
            r LATENCY RESET
            r RG.PYEXECUTE "import time\ntime.sleep(0.03)"
            set row [lindex [r LATENCY LATEST] 0]
            expect [lindex $row 0] gears
            expect_true {[lindex $row 2] >= 30}
            expect [llength [r LATENCY HISTORY gears]] 1
            expect_match [r LATENCY DOCTOR] "*gears: 1 latency spikes*gears-max-time*"
            expect [r LATENCY RESET gears] 1
        }
    }
}
