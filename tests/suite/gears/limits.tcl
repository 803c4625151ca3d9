# SPDX-License-Identifier: BSD-3-Clause
#
# Limits of programs: options, LIMITS of RG.PYEXECUTE, keywords of run() and register(). The reply
# says which limit was met.

tags quick

# Runs python statements with words behind them.
proc py_with {words args} {
    r RG.PYEXECUTE [join $args \n] {*}$words
}

# What a script that can't but meet a limit is told: by its execution, or, on a machine that is busy
# enough, by its body already.
proc met {words args} {
    if {[catch {py_with $words {*}$args} reply]} { return $reply }
    lassign $reply results errors
    expect $results {}
    expect [llength $errors] 1
    return [lindex $errors 0]
}

set endless "def f():\n  while True: yield 1\nGB('PythonReader').filter(lambda x: False).run(f)"

with_server {} {
    test "time: of an execution" -needs python {
        set text "Limit met: it ran for longer than 60 ms (gears-max-time): *forcestopped*"
        expect_match [met {LIMITS time 60} $endless] $text
        lassign [py_with {} [string map {run(f) {run(f, maxTime=60)}} $endless]] results errors
        expect $results {}
        expect [llength $errors] 1
        expect_match [lindex $errors 0] $text
        # what doesn't meet it is as ever
        expect [py_with {LIMITS time 60000} "GB('ShardsIDReader').run()"] {1 {}}
        expect [py_with {LIMITS time 0} "GB('ShardsIDReader').run()"] {1 {}}
    }

    test "time: of a body" -needs python {
        expect_error "Limit met: it ran for longer than 50 ms (gears-max-time): *forcestopped*" {
            py_with {LIMITS time 50} "while True:" "  try:" "    while True: pass" \
                "  except BaseException: pass"
        }
        # sleeping is running, too
        expect_error "Limit met: it ran for longer than 50 ms*" {
            py_with {LIMITS time 50} "import time" "time.sleep(100)"
        }
        expect [r PING] PONG
    }

    test "time: an option, which LIMITS and keywords override" -needs python {
        with_config {gears-max-time 50} {
            expect_match [met {} $endless] "*longer than 50 ms*"
            expect_error "*longer than 50 ms*" {py_with {} "while True: pass"}
            expect_match [met {LIMITS time 70} $endless] "*longer than 70 ms*"
        }
        # a keyword is the execution's, not the body's
        expect_match [py_with {LIMITS time 300} [string map {run(f) {run(f, maxTime=90)}} $endless]] \
            "*longer than 90 ms*"
        expect [py_with {LIMITS time 300} "import time" \
                    "GB('ShardsIDReader').map(lambda x: time.sleep(0.4)).run(maxTime=0)"] {None {}}
    }

    test "python-time counts the processor's time" -needs python {
        expect_match [met {LIMITS python-time 40} $endless] \
            "Limit met: its Python took longer than 40 ms (gears-max-python-time): *"
        expect_error "Limit met: its Python took longer than 40 ms*" {
            py_with {limits PYTHON-TIME 40} "while True: pass"
        }
        expect [py_with {LIMITS python-time 60} "import time" \
                    "GB('ShardsIDReader').map(lambda x: time.sleep(0.2)).run()"] {None {}}
        with_config {gears-max-python-time 30} {
            expect_match [met {} $endless] "*took longer than 30 ms*"
        }
        expect_match [py_with {} [string map {run(f) {run(f, maxPythonTime=50)}} $endless]] \
            "*took longer than 50 ms*"
    }

    test "memory" -needs python {
        set grow "l = \[\]\ndef f(x):\n  a = \[\]\n  while True: a.append('x' * 100000)\n"
        lassign [py_with {LIMITS memory 20mb} $grow "GB('ShardsIDReader').map(f).run()"] \
            results errors
        expect $results {}
        expect_match [lindex $errors 0] "Limit met: its Python took more than 20971520 bytes of\
            memory (gears-max-execution-memory): *MemoryError*"
        expect_error "Limit met: its Python took more than 20971520 bytes*MemoryError*" {
            py_with {LIMITS memory 20mb} $grow "f(1)"
        }
        # many small objects count as well as large ones
        expect_error "Limit met: its Python took more than 20971520 bytes*MemoryError*" {
            py_with {LIMITS memory 20mb} "l = \[str(i) + 'x' * 100 for i in range(1000000)\]"
        }
        # it is an exception as any: who catches it goes on
        expect [py_with {LIMITS memory 20mb} "def g(x):" "  try: return 'x' * 30000000" \
                    "  except MemoryError: return 'too much'" \
                    "GB('ShardsIDReader').map(g).run()"] {{{too much}} {}}
        with_config {gears-max-execution-memory 10mb} {
            expect_match [py_with {} $grow "GB('ShardsIDReader').map(f).run()"] "*10485760 bytes*"
            expect_match [py_with {} $grow "GB('ShardsIDReader').map(f).run(maxMemory=15000000)"] \
                "*15000000 bytes*"
        }
        # each execution begins anew
        for {set i 0} {$i < 10} {incr i} {
            expect [py_with {LIMITS memory 20mb} \
                "GB('ShardsIDReader').map(lambda x: len('x' * 10000000)).run()"] {10000000 {}}
        }
    }

    test "memory of all programs together" -needs python {
        with_config {gears-max-memory 100mb} {
            expect_error "Limit met: all Python together takes as much memory as gears-max-memory\
                allows: *MemoryError*" {
                py_with {} "l = \[\]" "while True: l.append('x' * 100000)"
            }
        }
    }

    test "records, of any reader" -needs python {
        for {set i 0} {$i < 100} {incr i} {r SET k$i $i}
        for {set i 0} {$i < 20} {incr i} {r XADD stream $i-1 f v}
        foreach reader {KeysReader KeysOnlyReader} {
            lassign [py_with {LIMITS records 10} "GB('$reader').run('k*')"] results errors
            expect [llength $results] 10
            expect $errors [list "Limit met: the reader gave more than 10 records\
                (gears-max-records)"]
            lassign [py_with {} "GB('$reader').count().run('k*', maxRecords=10)"] results errors
            expect $results 10
            expect [llength $errors] 1
        }
        lassign [py_with {LIMITS records 5} "GB('StreamReader').run('stream')"] results errors
        expect [llength $results] 5
        expect [llength $errors] 1
        expect [lindex [py_with {LIMITS records 100} "GB('KeysOnlyReader').count().run('k*')"] 0] 100
        with_config {gears-max-records 7} {
            expect_match [lindex [py_with {} "GB('KeysOnlyReader').run('k*')"] 1] \
                "*more than 7 records (gears-max-records)*"
            lassign [py_with {} "GB('PythonReader').run(lambda: 1)"] results errors
            expect [llength $results] 7
        }
    }

    test "a PythonReader that never ends has an end of its own" -needs python {
        with_config {gears-max-generated-records 1000} {
            lassign [py_with {} "GB('PythonReader').count().run(lambda: 1)"] results errors
            expect $results 1000
            expect $errors [list "Limit met: the reader gave more than 1000 records\
                (gears-max-generated-records)"]
            expect [py_with {} "GB('PythonReader').count().run(lambda: (i for i in range(1000)))"] \
                {1000 {}}
            r MSET {*}[lrepeat 2000 k v]
        }
    }

    test "result-bytes" -needs python {
        set script "GB('PythonReader').run(lambda: ('x' * 1000 for i in range(1000)))"
        lassign [py_with {LIMITS result-bytes 10000} $script] results errors
        expect_true {[llength $results] > 5 && [llength $results] < 12}
        expect [lindex $errors 0] "Limit met: its results and errors take more than 10000 bytes\
            (gears-max-result-bytes)"
        expect [llength $errors] 1
        with_config {gears-max-result-bytes 20kb} {
            expect_match [lindex [py_with {} $script] 1 0] "*more than 20480 bytes*"
        }
        expect_match [lindex [py_with {} \
            "GB('PythonReader').run(lambda: 'x' * 1000, maxResultBytes=5000)"] 1 0] \
            "*more than 5000 bytes*"
        # errors are bounded likewise
        lassign [py_with {LIMITS result-bytes 10000} "def f(x): raise flat_error('e' * 100)" \
            "GB('PythonReader').flatmap(lambda x: list(range(10000))).map(f).run(lambda: 1)"] \
            results errors
        expect_true {[llength $errors] < 102}
        expect_match [lindex $errors end] "Limit met: its errors*gears-max-result-bytes"
    }

    test "atomic-time" -needs python {
        set script "def f(x):\n  with atomic():\n    while True: pass\n"
        lassign [py_with {LIMITS atomic-time 50} $script "GB('ShardsIDReader').map(f).run()"] \
            results errors
        expect_match [lindex $errors 0] \
            "Limit met: its atomic block took longer than 50 ms (gears-atomic-max-time): *"
        expect_error "Limit met: its atomic block took longer than 50 ms*" {
            py_with {LIMITS atomic-time 50} $script "f(1)"
        }
        with_config {gears-atomic-max-time 40} {
            expect_match [py_with {} $script "GB('ShardsIDReader').map(f).run()"] "*longer than 40 ms*"
            expect_match [py_with {} $script "GB('ShardsIDReader').map(f).run(maxAtomicTime=60)"] \
                "*longer than 60 ms*"
        }
        # only the block counts
        expect [py_with {LIMITS atomic-time 200} "import time" "def g(x):" \
                    "  for i in range(4):" "    with atomic(): pass" "    time.sleep(0.06)" \
                    "GB('ShardsIDReader').map(g).run()"] {None {}}
        expect [r PING] PONG
    }

    test "sync callbacks have their own limit, and those of their program" -needs python {
        with_config {gears-sync-max-time 100} {
            py_with {} "def f(x):" "  while True: pass" \
                "GB().foreach(f).register('a*', mode='sync')"
            r SET a 1
            set error [dict get [lindex [r RG.DUMPREGISTRATIONS] 0 7] lastError]
            expect_match $error \
                "Limit met: it held its command up for longer than 100 ms (gears-sync-max-time): *"
        }
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        py_with {LIMITS time 300} "def f(x):" "  while True: pass" \
            "GB('CommandReader').map(f).register(trigger='t', mode='sync')"
        expect_error "Limit met: it ran for longer than 300 ms (gears-max-time): *" {r RG.TRIGGER t}
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "limits of registrations" -needs python {
        py_with {LIMITS time 300 records 5} "def f(x):" "  while True: pass" \
            "GB().foreach(f).register('b*', mode='async_local')" \
            "GB('CommandReader').map(f).register(trigger='t')" \
            "GB('CommandReader').map(f).register(trigger='u', maxTime=70)"
        r SET b 1
        wait_for {[dict get [lindex [r RG.DUMPREGISTRATIONS] 0 7] lastError] ne "(nil)"}
        expect_match [dict get [lindex [r RG.DUMPREGISTRATIONS] 0 7] lastError] "*longer than 300 ms*"
        expect_error "*longer than 300 ms*" {r RG.TRIGGER t}
        expect_error "*longer than 70 ms*" {r RG.TRIGGER u}
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "several limits; words and keywords that are none" -needs python {
        expect_match [py_with {UNBLOCKING LIMITS time 10000 records 3 memory 1gb DESCRIPTION text} \
                          "GB('ShardsIDReader').run()"] 0000*
        foreach {words error} {
            {LIMITS}                       {LIMITS is missing}
            {LIMITS nosuch 1}              {Unknown limit was given: nosuch}
            {LIMITS time}                  {LIMITS time is missing}
            {LIMITS time x}                {LIMITS time must be a number}
            {LIMITS time -1}               {LIMITS time must be a number}
            {LIMITS time {}}               {LIMITS time must be a number}
            {LIMITS records 1.5}           {LIMITS records must be a number}
            {LIMITS memory 1x}             {LIMITS memory must be a number}
            {LIMITS memory mb}             {LIMITS memory must be a number}
            {LIMITS time 18446744073709551615} {LIMITS time must be a number}
            {LIMITS time 1 memory}         {LIMITS memory is missing}
            {LIMITS time 10000 nosuch}     {Unknown arguments were given: nosuch}
        } {
            expect_error $error {py_with $words "1"}
        }
        expect [py_with {LIMITS time 9223372036854775807 python-time 9223372036854775807} 1] OK
        foreach value {-1 '1' 1.5 2**63} {
            expect_error "*gears.error: maxTime argument must be a number*" {
                py_with {} "GB('ShardsIDReader').run(maxTime=$value)"
            }
        }
        expect [py_with {} "GB('ShardsIDReader').run(maxTime=None)"] {1 {}}
    }

    # What an execution hasn't given back isn't in Python alone.
    test "memory: of results and errors" -needs python {
        set many "def f():\n  for i in range(1000): yield 'x' * 100000\n"
        lassign [py_with {LIMITS memory 2mb} $many "GB('PythonReader').run(f)"] results errors
        expect $errors [list "Limit met: its Python took more than 2097152 bytes of memory\
            (gears-max-execution-memory)"]
        expect_true {[llength $results] in {20 21}}
        lassign [py_with {LIMITS memory 2mb} $many \
            "GB('PythonReader').run(f, maxResultBytes=500000)"] results errors
        expect_match $errors "*(gears-max-result-bytes)*"
        expect_true {[llength $results] in {4 5 6}}
        set failing "def g(x): raise flat_error('x' * 4000)\nl = \[1\] * 2000\n"
        lassign [py_with {LIMITS memory 2mb} $failing \
            "GB('ShardsIDReader').flatmap(lambda x: l).map(g).run()"] results errors
        expect [lindex $errors end] \
            "Limit met: its errors take more than gears-max-execution-memory"
        expect_true {[llength $errors] < 600}
    }

    test "onRegistered is under the limits of its program" -needs python {
        proc register_with {words body} {
            py_with [list ID limited UPGRADE {*}$words] "def o():" "$body" \
                "def second(): execute('INCR', 'second')" "GB().register('k*', onRegistered=o)" \
                "GB().register('k*', onRegistered=second)"
        }
        foreach {words body text} {
            {LIMITS time 60} "  while True: pass" "it ran for longer than 60 ms (gears-max-time)"
            {LIMITS python-time 50} "  while True: pass"
            "its Python took longer than 50 ms (gears-max-python-time)"
            {LIMITS memory 20mb} "  x = \[\]\n  while True: x.append('x' * 100000)"
            "its Python took more than 20971520 bytes of memory (gears-max-execution-memory)"
            {LIMITS atomic-time 50} "  with atomic():\n    while True: pass"
            "its atomic block took longer than 50 ms (gears-atomic-max-time)"
        } {
            # On a machine that is busy enough the body meets it already.
            if {[catch {register_with $words $body} reply]} {
                expect_match $reply "Limit met: *"
                continue
            }
            expect $reply OK
            expect_match [srv log] "*session limited: onRegistered failed: Limit met: $text: *"
            # Others of the same program aren't to blame for it.
            expect [r GETDEL second] 1
        }
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "many scripts under limits at once" -tags threads -needs python {
        set clients {}
        for {set i 0} {$i < 8} {incr i} {lappend clients [client]}
        for {set round 0} {$round < 5} {incr round} {
            foreach c $clients {
                client::send $c RG.PYEXECUTE $endless LIMITS time [expr {20 + [rand_int 40]}] \
                    python-time [expr {5 + [rand_int 20]}] memory 50mb
            }
            # The body may meet one as well, on a machine that is busy: then it is the reply.
            foreach c $clients {
                catch {client::receive $c} reply
                expect_match $reply "*Limit met: *"
            }
        }
    }
}
