# SPDX-License-Identifier: BSD-3-Clause
#
# Replies of RG.* as they are on the wire: shapes, texts, numbers of executions and registrations.

tags quick

proc script {args} {
    join $args \n
}

set no_id 0000000000000000000000000000000000000000

with_server {} {
    test "scripts that run nothing" -needs python -resp {2 3} {
        expect [rt RG.PYEXECUTE 1] {simple OK}
        expect [rt RG.PYEXECUTE 1 UNBLOCKING] {simple OK}
        expect [rt RG.PYEXECUTE ""] {simple OK}
    }

    test "a script's error is the repr of its traceback" -needs python -resp {2 3} {
        expect [rt RG.PYEXECUTE 1/0] [list error [string cat \
            {['Traceback (most recent call last):\n', '  File "<string>", line 1, in <module>\n', } \
            {'ZeroDivisionError: division by zero\n']}]]
        expect_error {*"<string>", line 1*SyntaxError*} {r RG.PYEXECUTE "def f(:"}
        expect [rt RG.PYEXECUTE "raise flat_error('just this')"] {error {just this}}
        expect [rt RG.PYEXECUTE "raise flat_error('two\\r\\nlines')"] {error {two  lines}}
    }

    test "an empty database gives empty results" -needs python -resp {2 3} {
        expect [rt RG.PYEXECUTE "GB().run()"] {array {{array {}} {array {}}}}
        expect [rt RG.PYEXECUTE "GB().count().run()"] {array {{array {}} {array {}}}}
        expect [rt RG.PYEXECUTE "GB().avg().run()"] {array {{array {}} {array {}}}}
    }

    test "records of strings" -needs python {
        r SET te 2
        expect [r RG.PYEXECUTE "GB().run()"] \
            [list [list "{'event': None, 'key': 'te', 'type': 'string', 'value': '2'}"] {}]
    }

    test "values on the wire" -needs python -resp {2 3} {
        set s [script "def f():" "  yield 1" "  yield 2.5" "  yield None" "  yield True" \
            "  yield 'text'" "  yield b'a\\x00b'" "  yield \[1, \[2, 'x'\]\]" "  yield {}" \
            "  yield (1,)" "  yield '+status'" "  yield '-some error'" "  yield '+'" "  yield '-'" \
            "  yield 2**64" "  yield -2**63" "  yield 1e300" "  yield ''" \
            "  yield bytearray(b'x')" "GB('PythonReader').run(f, convertToStr=False)"]
        expect [rt RG.PYEXECUTE $s] [list array [list [list array [list \
            {int 1} {bulk 2.500000} {bulk {PY RECORD}} {int 1} {bulk text} [list bulk "a\0b"] \
            {array {{int 1} {array {{int 2} {bulk x}}}}} {bulk {PY RECORD}} {bulk {PY RECORD}} \
            {simple status} {error {some error}} {bulk +} {bulk -} {bulk 18446744073709551616} \
            {int -9223372036854775808} [list bulk [format %f 1e300]] {bulk {}} \
            {bulk {PY RECORD}}]] {array {}}]]
    }

    test "str() of records by default" -needs python {
        set s [script "def f():" "  yield 1" "  yield 2.5" "  yield None" "  yield (1,)" \
            "GB('PythonReader').run(f)"]
        expect [r RG.PYEXECUTE $s] {{1 2.5 None (1,)} {}}
    }

    test "an error in a step is an error of its record" -needs python -resp {2 3} {
        set s "GB('PythonReader').map(lambda x: 1 // x).run(lambda: (i for i in \[1, 0, 1\]))"
        lassign [r RG.PYEXECUTE $s] results errors
        expect $results 1
        expect [llength $errors] 1
        expect_match [lindex $errors 0] {*ZeroDivisionError*}
    }

    test "inside MULTI" -needs python {
        r MULTI
        r RG.PYEXECUTE 1
        r RG.DUMPEXECUTIONS
        expect [r EXEC] [list "-Can not run gears inside a multi exec, lua, or when blocking is\
            not allowed" {}]
    }

    test "the words of RG.PYEXECUTE, in the order of its checks" -needs python {
        expect_error "ERR wrong number of arguments for 'rg.pyexecute' command" {r RG.PYEXECUTE}
        foreach word {REPLACE_WITH ID DESCRIPTION} {
            expect [rt RG.PYEXECUTE 1 $word] [list error "$word is missing"]
        }
        expect [rt RG.PYEXECUTE 1 ID a.b] [list error "ID must be compose of: \['A'-'Z' |\
            'a'-'z' | '0' - '9' | '-' | '_'\]"]
        expect [rt RG.PYEXECUTE 1 nonsense] {error {Unknown arguments were given: nonsense}}
        expect [rt RG.PYEXECUTE 1 id a nonsense ID a.b] \
            {error {Unknown arguments were given: nonsense}}
        expect [rt RG.PYEXECUTE 1 REPLACE_WITH gone] \
            {error {Can not replace with gone, session does not exists.}}
        expect [r RG.PYEXECUTE 1 unblocking Description text id a-B_9 upgrade] OK
        expect [r RG.PYEXECUTE 1 REQUIREMENTS] OK
        expect_match [rt RG.PYEXECUTE 1 REQUIREMENTS redis] {error {Could not satisfy*}}
    }

    test "sessions by ID" -needs python {
        set reg "GB().register('none:*', mode='sync')"
        expect [r RG.PYEXECUTE $reg ID one] OK
        expect [rt RG.PYEXECUTE $reg ID one] {error {Session one already exists}}
        expect [rt RG.PYEXECUTE $reg ID one REPLACE_WITH two] \
            {error {Can not replace an existing session one with two}}
        expect [r RG.PYEXECUTE $reg ID one UPGRADE] OK
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
        expect [r RG.PYEXECUTE $reg ID three REPLACE_WITH one] OK
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
        expect_match [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] PD] "*'sessionName':'three'*"
        expect [rt RG.PYEXECUTE "$reg\n1/0" ID three UPGRADE] [list error [string cat \
            {['Traceback (most recent call last):\n', '  File "<string>", line 2, in <module>\n', } \
            {'ZeroDivisionError: division by zero\n']}]]
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "one run a script" -needs python {
        expect_error {*gears.error: Can not run more then 1 executions in a single script*} {
            r RG.PYEXECUTE "GB().run()\nGB().run()"
        }
        expect [r RG.DUMPEXECUTIONS] {}
    }

    test "commands about executions that don't exist" {
        foreach command {GETEXECUTION GETRESULTS GETRESULTSBLOCKING DROPEXECUTION} {
            expect [rt RG.$command nope] {error {execution plan does not exist}}
            expect [rt RG.$command $::no_id-99999] {error {execution plan does not exist}}
        }
        expect [rt RG.ABORTEXECUTION nope] {error {execution does not exist}}
        expect [rt RG.UNREGISTER nope] {error {execution is not registered}}
    }

    test "an execution of a script that doesn't wait" -needs python -resp {2 3} {
        set id [r RG.PYEXECUTE "GB('ShardsIDReader').run()" UNBLOCKING]
        expect_match $id $::no_id-*
        expect [r RG.GETRESULTSBLOCKING $id] {1 {}}
        expect [r RG.GETRESULTS $id] {1 {}}
        expect [r RG.DUMPEXECUTIONS] \
            [list [list executionId $id status done registered 0]]
        expect [rt RG.ABORTEXECUTION $id] {simple OK}
        expect [rt RG.GETEXECUTION $id NONSENSE] {error {unknown subcommand}}
        expect [rt RG.GETEXECUTION $id CLUSTER] \
            {error {no cluster detected - use `RG.GETEXECUTION <id> [SHARD]` instead}}
        expect [rt RG.DROPEXECUTION $id] {simple OK}
        expect [rt RG.DROPEXECUTION $id] {error {execution plan does not exist}}
    }

    test "a script that runs and registers" -needs python {
        set s "GB('ShardsIDReader').run()\nGB().register('none:*', mode='sync')"
        expect [r RG.PYEXECUTE $s] OK
        set id [lindex [r RG.DUMPEXECUTIONS] 0 1]
        expect [r RG.GETRESULTSBLOCKING $id] {1 {}}
        expect [lrange [lindex [r RG.DUMPEXECUTIONS] 0] 2 end] {status done registered 0}
        r RG.DROPEXECUTION $id
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "RG.GETEXECUTION lists the steps, last first" -needs python {
        set s "GB().groupby(lambda x: x\['value'\], lambda k, a, r: (a or 0) + 1).run()"
        set id [r RG.PYEXECUTE $s UNBLOCKING]
        r RG.GETRESULTSBLOCKING $id
        set shard [lindex [r RG.GETEXECUTION $id SHARD] 0]
        expect [lrange $shard 0 2] [list shard_id $::no_id execution_plan]
        set plan [lindex $shard 3]
        expect [dict keys $plan] {status shards_received shards_completed results errors\
            total_duration read_duration steps}
        expect [dict get $plan status] done
        expect [dict get $plan results] 0
        set steps {}
        foreach step [dict get $plan steps] {
            expect [dict keys $step] {type duration name arg}
            lappend steps [dict get $step type] [dict get $step name]
        }
        expect $steps [concat {*}{collect collect map RedisGearsPy_PyCallbackMapper
            map RedisGearsPy_ToPyRecordMapper
            accumulatebykey RedisGearsPy_PyCallbackAccumulateByKey
            repartition repartition extractkey RedisGearsPy_PyCallbackExtractor
            map RedisGearsPy_ToPyRecordMapper}]
        expect_match [dict get [lindex [dict get $plan steps] 5] arg] {<function <lambda> at *}
        r RG.DROPEXECUTION $id
    }

    test "RG.CONFIGGET and RG.CONFIGSET" -resp {2 3} {
        expect [rt RG.CONFIGGET ExecutionMaxIdleTime x] \
            {array {{int 5000} {error {(error) Unsupported config parameter: x}}}}
        expect [rt RG.CONFIGGET] {array {}}
        expect [rt RG.CONFIGGET executionmaxidletime] \
            {array {{error {(error) Unsupported config parameter: executionmaxidletime}}}}
        expect [rt RG.CONFIGGET MaxExecutions MaxExecutionsPerRegistration ProfileExecutions\
            ExecutionThreads SendMsgRetries PythonAttemptTraceback CreateVenv] \
            {array {{int 1000} {int 100} {int 0} {int 3} {int 3} {int 1} {int 0}}}
        expect [rt RG.CONFIGSET ExecutionMaxIdleTime 0] \
            {array {{error {(error) Failed setting config value ExecutionMaxIdleTime}}}}
        expect [rt RG.CONFIGSET ExecutionThreads 4] \
            {array {{error {(error) Config value ExecutionThreads not modifiable at runtime}}}}
        expect [rt RG.CONFIGSET CreateVenv 1] \
            {array {{error {(error) CreateVenv is not configurable at runtime}}}}
        expect [rt RG.CONFIGSET maxexecutions 900 MaxExecutions] \
            {array {{simple OK} {error {(error) Value was not given to MaxExecutions}}}}
        expect [r RG.CONFIGGET MaxExecutions] 900
        expect [r CONFIG GET gears-max-executions] {gears-max-executions 900}
        r CONFIG SET gears-max-executions 1000
        expect [r RG.CONFIGGET MaxExecutions] 1000
        expect [rt RG.CONFIGSET my_own_name value] \
            {array {{simple {OK - value was saved in extra config dictionary}}}}
        expect [rt RG.CONFIGGET my_own_name] {array {{bulk value}}}
    }

    test "settings seen by scripts" -needs python {
        r RG.CONFIGSET my_own_name value
        set s [script "def f():" "  yield configGet('my_own_name')" "  yield configGet('nope')" \
            "  yield configGet('MaxExecutions')" "  yield gearsConfigGet('nope', 'other')" \
            "GB('PythonReader').run(f)"]
        expect [r RG.PYEXECUTE $s] {{value None 1000 other} {}}
    }

    test "RG.INFOCLUSTER, RG.PYSTATS" -resp {2 3} {
        expect [rt RG.INFOCLUSTER] {bulk {no cluster mode}}
        expect [dict keys [r RG.PYSTATS]] {TotalAllocated PeakAllocated CurrAllocated}
    }
}

with_server {} {
    test "executions and registrations are counted as documented" -needs python {
        set reg "GB().register('none:*', mode='sync')"
        expect [r RG.PYEXECUTE [string repeat "$reg\n" 5]] OK
        set numbers {}
        foreach reg [r RG.DUMPREGISTRATIONS] {
            lappend numbers [lindex $reg 1]
        }
        expect_set $numbers [list $::no_id-1 $::no_id-3 $::no_id-5 $::no_id-7 $::no_id-9]
        expect [r RG.PYEXECUTE "GB().run()" UNBLOCKING] $::no_id-1
    }
}

with_server {} {
    test "the first execution of an event after one registering script" -needs python {
        r RG.PYEXECUTE "GB().register('k*', mode='async_local')"
        r SET k v
        wait_for {[llength [r RG.DUMPEXECUTIONS]] == 1}
        expect [lindex [r RG.DUMPEXECUTIONS] 0 1] $::no_id-1
        expect [r RG.GETRESULTSBLOCKING $::no_id-1] \
            [list [list "{'event': 'set', 'key': 'k', 'type': 'string', 'value': 'v'}"] {}]
        expect [lindex [r RG.DUMPEXECUTIONS] 0 5] 1
    }
}

with_server {enable-gears no} {
    test "switched off, RG.* says so" {
        foreach command {{RG.PYEXECUTE 1} {RG.DUMPEXECUTIONS} {RG.CONFIGGET MaxExecutions}\
                {RG.ABORTEXECUTION x} {RG.DUMPREGISTRATIONS} {RG.INFOCLUSTER}} {
            expect_error "ERR RG commands are not allowed*enable-gears*" {r {*}$command}
        }
    }
}

with_server {gears-traceback no gears-max-executions 3} {
    test "errors without tracebacks" -needs python {
        expect_error {Error type: <class 'ZeroDivisionError'>, Value: division by zero} {
            r RG.PYEXECUTE 1/0
        }
    }

    test "the oldest executions are dropped" -needs python {
        for {set i 0} {$i < 5} {incr i} {
            lappend ids [r RG.PYEXECUTE "GB('ShardsIDReader').run()" UNBLOCKING]
            r RG.GETRESULTSBLOCKING [lindex $ids end]
        }
        set left {}
        foreach e [r RG.DUMPEXECUTIONS] {
            lappend left [lindex $e 1]
        }
        expect_set $left [lrange $ids 2 4]
    }
}
