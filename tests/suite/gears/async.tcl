# SPDX-License-Identifier: BSD-3-Clause
#
# Records that wait: coroutines and futures in every step that allows them, awaited runs, executions
# that are paused meanwhile, and whoever waits for those.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

# Nothing is registered, and no ended execution is listed.
proc start_over {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] abortpending }
    foreach e [r RG.DUMPEXECUTIONS] {
        r RG.ABORTEXECUTION [lindex $e 1]
        catch {r RG.DROPEXECUTION [lindex $e 1]}
    }
    wait_for {[r RG.DUMPEXECUTIONS] eq {}}
}

# As many clients, each of which sends the words; $i in them counts.
proc clients_send {count words} {
    set clients {}
    for {set i 0} {$i < $count} {incr i} {
        set c [client]
        client::send $c {*}[subst $words]
        client::flush $c
        lappend clients $c
    }
    return $clients
}


proc data {field} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] $field
}

# What every script below may use: numbers, and callbacks that promise what they'd return.
set ::tools {
import asyncio, threading, time
def numbers(n):
    def read():
        for i in range(n): yield i
    return read
def soon(value):
    """A coroutine of the value."""
    async def f():
        await asyncio.sleep(0.001)
        return value
    return f()
def from_thread(value, failed=False):
    """A future that another thread answers."""
    f = gearsFuture()
    def answer():
        time.sleep(0.002)
        if failed: f.continueFailed(value)
        else: f.continueRun(value)
    threading.Thread(target=answer).start()
    return f
}

proc run {script} {
    r RG.PYEXECUTE "$::tools\n$script"
}

# Runs a script that waits until something calls it off: its client and the execution's id.
proc start_waiting {script id_var} {
    upvar 1 $id_var id
    set c [client]
    client::send $c RG.PYEXECUTE "$::tools\n$script"
    client::flush $c
    set id ""
    wait_for {[set id [paused]] ne ""}
    return $c
}

# An execution that runs.
proc paused {} {
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[lindex $e 3] eq "running"} { return [lindex $e 1] }
    }
    return ""
}

# All workers are free: bodies that wait for each other run on them at once. What was on one of them
# and isn't at its end has been paused.
proc all_workers {} {
    set threads [lindex [r CONFIG GET gears-threads] 1]
    r DEL here
    set clients [clients_send $threads [list RG.PYEXECUTE "import time
execute('incr', 'here')
while int(execute('get', 'here')) < $threads: time.sleep(0.001)"]]
    foreach c $clients {
        expect [client::receive $c] OK
        client::close $c
    }
}

with_server {} {
    foreach way {soon from_thread} {
        test "map, $way" -needs python {
            expect [run "GB('PythonReader').map(lambda r: $way\(r * 10)).sort().run(numbers(4))"] \
                {{0 10 20 30} {}}
        }
        test "filter, $way" -needs python {
            expect [run "GB('PythonReader').filter(lambda r: $way\(r % 2)).sort().run(numbers(6))"] \
                {{1 3 5} {}}
        }
        test "flatmap, $way" -needs python {
            expect [run "GB('PythonReader').flatmap(lambda r: $way\(\[r, r * 10\])).sort()\
                .run(numbers(3))"] {{0 0 1 2 10 20} {}}
            expect [run "GB('PythonReader').flatmap(lambda r: $way\(r)).sort().run(numbers(3))"] \
                {{0 1 2} {}}
            expect [run "GB('PythonReader').flatmap(lambda r: $way\(\[\])).run(numbers(3))"] {{} {}}
        }
        test "foreach, $way" -needs python {
            expect [run "GB('PythonReader').foreach(lambda r: $way\('ignored')).sort()\
                .run(numbers(3))"] {{0 1 2} {}}
        }
        test "accumulate, $way" -needs python {
            expect [run "GB('PythonReader').accumulate(lambda a, r: $way\((a or 0) + r))\
                .run(numbers(100))"] {4950 {}}
        }
        test "aggregate, $way" -needs python {
            expect [run "GB('PythonReader').aggregate(0, lambda a, r: $way\(a + r),\
                lambda a, r: $way\(a + r)).run(numbers(50))"] {1225 {}}
        }
        test "groupby and localgroupby, $way" -needs python {
            foreach op {groupby localgroupby} {
                expect_set [lindex [run "GB('PythonReader').${op}(lambda r: r % 2,\
                    lambda k, a, r: $way\((a or 0) + r)).run(numbers(20))"] 0] \
                    {{{'key': '0', 'value': 90}} {{'key': '1', 'value': 100}}}
            }
        }
        test "aggregateby, $way" -needs python {
            expect_set [lindex [run "GB('PythonReader').aggregateby(lambda r: r % 2, 0,\
                lambda k, a, r: $way\(a + r), lambda k, a, r: $way\(a + r)).run(numbers(20))"] 0] \
                {{{'key': '0', 'value': 90}} {{'key': '1', 'value': 100}}}
        }
        test "several steps one behind the other, $way" -needs python {
            expect [run "GB('PythonReader').map(lambda r: $way\(r + 1))\
                .filter(lambda r: $way\(r % 2)).flatmap(lambda r: $way\(\[r, r\]))\
                .foreach(lambda r: $way\(0)).map(lambda r: $way\(r * 2))\
                .accumulate(lambda a, r: $way\((a or 0) + r)).map(lambda r: $way\(r + 1))\
                .run(numbers(10))"] {101 {}}
        }
    }

    test "async def as a callback" -needs python {
        expect [run {
async def double(r): return r * 2
async def odd(r): return r % 2
async def both(r): return [r, r]
async def look(r): await asyncio.sleep(0)
async def add(a, r): return (a or 0) + r
async def add_by(k, a, r): return (a or 0) + r
GB('PythonReader').filter(odd).map(double).flatmap(both).foreach(look) \
    .groupby(lambda r: 'k', add_by).map(lambda r: r['value']).accumulate(add).run(numbers(6))
        }] {36 {}}
    }

    test "a coroutine that fails is an error of its text" -needs python {
        foreach {raised text} {
            "ValueError('just this')" {just this} "KeyError('k')" 'k'
            "flat_error('flat')" flat "ValueError()" ValueError() "asyncio.CancelledError()" \
            CancelledError()
        } {
            foreach op {map filter flatmap foreach} {
                expect [run "async def f(r): raise $raised\nGB('ShardsIDReader').${op}(f).run()"] \
                    [list {} [list $text]]
            }
            expect [run "async def f(a, r): raise $raised
GB('ShardsIDReader').accumulate(f).run()"] [list {} [list $text]]
        }
    }

    test "the others of what was read go on beside one that fails" -needs python {
        lassign [run {
async def f(r):
    if r == 3: raise ValueError('three')
    return r
GB('PythonReader').map(f).sort().run(numbers(6))
        }] results errors
        expect $errors three
        expect_true {[lsearch $results 3] < 0}
    }

    test "continueFailed" -needs python {
        foreach {error text} {
            'text' text "ValueError('v')" v 7 7 "flat_error('f')" f "OSError()" OSError()
        } {
            foreach op {map filter flatmap foreach} {
                expect [run "GB('ShardsIDReader').${op}(lambda r: from_thread($error, True)).run()"] \
                    [list {} [list $text]]
            }
            expect [run "GB('ShardsIDReader').accumulate(lambda a, r: from_thread($error, True))\
                .run()"] [list {} [list $text]]
            expect [run "GB('ShardsIDReader').groupby(lambda r: r, lambda k, a, r:\
                from_thread($error, True)).run()"] [list {} [list $text]]
        }
    }

    test "an accumulator keeps what it had before a failure" -needs python {
        expect [run {
async def add(a, r):
    if r == 2: raise ValueError('two')
    return (a or 0) + r
GB('PythonReader').accumulate(add).run(numbers(3))
        }] {1 two}
    }

    test "a future that nobody can answer any more" -needs python {
        foreach op {map filter flatmap foreach} {
            expect [run "GB('PythonReader').${op}(lambda r: gearsFuture()).run(numbers(1))"] \
                {{} {{Async record did not called continue}}}
        }
        expect [run "GB('PythonReader').accumulate(lambda a, r: gearsFuture()).run(numbers(1))"] \
            {{} {{Async record did not called continue}}}
        expect [run "GB('PythonReader').groupby(lambda r: r, lambda k, a, r: gearsFuture())\
            .run(numbers(1))"] {{} {{Async record did not called continue}}}
        # Nor a coroutine that waits for what nobody has.
        expect [run {
async def f(r):
    await asyncio.get_event_loop().create_future()
def then_collect(r):
    import gc
    t = threading.Timer(0.05, gc.collect)
    t.start()
GB('PythonReader').map(f).run(numbers(1))
if True:
    import gc
    async def collect():
        while True:
            await asyncio.sleep(0.02)
            gc.collect()
    async def for_a_while():
        try: await asyncio.wait_for(collect(), 2)
        except asyncio.TimeoutError: pass
    runCoroutine(for_a_while())
        }] {{} {{Async record did not called continue}}}
    }

    test "a future that is made and not returned" -needs python {
        expect [run {
def f(r):
    gearsFuture()
    return r + 1
GB('PythonReader').map(f).run(numbers(2))
        }] {{1 2} {}}
        expect [run {
def f(r): gearsFuture()
GB('PythonReader').map(f).run(numbers(1))
        }] {None {}}
        expect [run {
def f(r): gearsFuture()
GB('PythonReader').filter(f).run(numbers(1))
        }] {{} {}}
        expect [run {
def f(r): gearsFuture()
GB('PythonReader').foreach(f).run(numbers(1))
        }] {0 {}}
        expect [run {
def f(a, r): gearsFuture()
GB('PythonReader').accumulate(f).run(numbers(2))
        }] {None {}}
        # A coroutine beside it is what was returned.
        expect [run {
def f(r):
    gearsFuture()
    return soon(5)
GB('PythonReader').map(f).run(numbers(1))
        }] {5 {}}
        # And so is an exception.
        expect_match [run {
def f(r):
    gearsFuture()
    raise ValueError('mine')
GB('PythonReader').map(f).run(numbers(1))
        }] {{} {*mine*}}
    }

    test "errors of gearsFuture and its continue" -needs python {
        expect_error "*Future object can only be created inside certain execution steps*" {
            py "gearsFuture()"
        }
        foreach {script text} {
            "GB('PythonReader').map(str).run(lambda: (x for x in \[gearsFuture()\]))" *must*
            "GB('PythonReader').map(lambda r: r).run(lambda: gearsFuture())" \
                "Future object can only be created inside certain execution steps"
            "GB('PythonReader').repartition(lambda r: gearsFuture()).run(numbers(1))" \
                "Step does not support async"
            "GB('PythonReader').groupby(lambda r: gearsFuture(), lambda k, a, r: 1).run(numbers(1))" \
                "Step does not support async"
            "GB('PythonReader').batchgroupby(lambda r: r, lambda k, l: gearsFuture()).run(numbers(1))" \
                "Step does not support async"
            "GB('PythonReader').countby(lambda r: gearsFuture()).run(numbers(1))" \
                "Step does not support async"
            "GB('PythonReader').map(lambda r: (gearsFuture(), gearsFuture())).run(numbers(1))" \
                "Can not create async record twice on the same step"
            "GB('PythonReader').map(lambda r: gearsFuture().continueRun(1)).run(numbers(1))" \
                "Can not handle future untill it returned from the callback"
            "GB('PythonReader').map(lambda r: gearsFuture().continueFailed(1)).run(numbers(1))" \
                "Can not handle future untill it returned from the callback"
            "GB('PythonReader').map(lambda r: gearsFuture().continueRun()).run(numbers(1))" \
                "Continue function expect an object"
            "GB('PythonReader').map(lambda r: gearsFuture().continueRun(1, 2)).run(numbers(1))" \
                "Continue function expect an object"
            "GB('PythonReader').map(lambda r: gearsFuture().continueFailed()).run(numbers(1))" \
                "Continue function expect an object"
        } {
            if {$text eq "*must*"} continue
            expect_match [run $script] "{} {*$text*}"
        }
        # Twice.
        r DEL said
        expect [run {
def f(r):
    f = gearsFuture()
    def answer():
        for i in range(2):
            try: f.continueRun(i)
            except Exception as e: execute('rpush', 'said', str(e))
        try: f.continueFailed(1)
        except Exception as e: execute('rpush', 'said', str(e))
    threading.Thread(target=answer).start()
    return f
GB('PythonReader').map(f).run(numbers(1))
        }] {0 {}}
        wait_for {[r LLEN said] == 2}
        expect [r LRANGE said 0 -1] [lrepeat 2 "Can not continue with the same future twice"]
        # What the callback didn't return.
        r DEL said
        expect [run {
kept = []
def f(r):
    global kept
    kept.append(gearsFuture())
    return 1
def g(r):
    try: kept[0].continueRun(2)
    except Exception as e: return str(e)
def both(r):
    f(r)
    return r
def later(r):
    return r
keep = {}
def make(r):
    import redisgears
    redisgears.kept_of_a_test = gearsFuture()
    return 1
def use(r):
    import redisgears
    try: redisgears.kept_of_a_test.continueRun(1)
    except Exception as e: return str(e)
    finally: del redisgears.kept_of_a_test
GB('PythonReader').map(make).map(use).run(numbers(1))
        }] {{{Can not handle future untill it returned from the callback}} {}}
        # One of another record.
        expect_match [run {
import redisgears
def f(r):
    if r == 0:
        redisgears.kept_of_a_test = gearsFuture()
        return redisgears.kept_of_a_test
    other = redisgears.kept_of_a_test
    del redisgears.kept_of_a_test
    other.continueRun('first')
    return other
GB('PythonReader').map(f).run(numbers(2))
        }] {first {*the future was made for another record*}}
    }

    test "an answer that comes before the callback has returned" -needs python {
        expect [run {
def f(r):
    f = gearsFuture()
    t = threading.Thread(target=f.continueRun, args=(r + 1,))
    t.start()
    t.join()
    return f
GB('PythonReader').map(f).sort().run(numbers(3))
        }] {{1 2 3} {}}
        expect [run {
def f(r):
    f = gearsFuture()
    t = threading.Thread(target=f.continueFailed, args=('early',))
    t.start()
    t.join()
    return f
GB('PythonReader').map(f).run(numbers(1))
        }] {{} early}
    }

    test "steps that can't have coroutines" -needs python {
        foreach {script text} {
            "repartition(f)" extractor "groupby(f, lambda k, a, r: 1)" extractor
            "countby(f)" extractor "aggregateby(f, 0, lambda k, a, r: 1, lambda k, a, r: 1)" \
            extractor "batchgroupby(f, lambda k, l: 1)" extractor
            "batchgroupby(lambda r: r, g)" reduce
        } {
            expect [run "async def f(r): return r
async def g(k, l): return 1
GB('PythonReader').$script.run(numbers(1))"] \
                [list {} [list "coroutine are not allow on $text"]]
        }
        expect_error "*OnRegistered argument must be a function*" {
            py "async def f(): pass" "GB().register('k*', onRegistered=f)"
        }
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "more records than may wait at a step" -needs python {
        # Never more than 1000 at once; and a step that is full holds up those before it.
        lassign [run {
import redisgears
redisgears.most_of_a_test = [0, 0]
async def f(r):
    import redisgears
    m = redisgears.most_of_a_test
    m[0] += 1
    m[1] = max(m)
    await asyncio.sleep(0.001)
    m[0] -= 1
    return r
def most(a, r):
    import redisgears
    return redisgears.most_of_a_test[1]
GB('PythonReader').map(f).map(f).accumulate(most).run(numbers(10000))
        }] most errors
        expect $errors {}
        expect_true {$most > 500 && $most <= 2000}
        py "import redisgears" "del redisgears.most_of_a_test"
        # A list that is longer, a group, and keys.
        expect [run {
GB('PythonReader').flatmap(lambda r: list(range(5000))).map(lambda r: soon(r)).count() \
    .run(numbers(3))
        }] {15000 {}}
        expect [run {
GB('PythonReader').flatmap(lambda r: [[i] * 3 for i in range(2000)]).flatmap(lambda r: soon(r)) \
    .flatmap(lambda r: [r, r]).map(lambda r: soon(r)).count().run(numbers(2))
        }] {24000 {}}
        expect [run {
GB('PythonReader').groupby(lambda r: r, lambda k, a, r: (a or 0) + 1).map(lambda r: soon(r)) \
    .groupby(lambda r: r['value'], lambda k, a, r: soon((a or 0) + 1)).run(numbers(3000))
        }] {{{{'key': '1', 'value': 3000}}} {}}
        for {set i 0} {$i < 3000} {incr i} { lappend pairs key:$i $i }
        r MSET {*}$pairs
        expect [run {GB().map(lambda r: soon(int(r['value']))).aggregate(0, lambda a, r: a + r,
            lambda a, r: a + r).run('key:*')}] {4498500 {}}
        expect [run {GB('KeysOnlyReader').map(lambda r: soon(r)).count().run('key:*')}] {3000 {}}
        for {set i 0} {$i < 3000} {incr i} { r XADD stream * n $i }
        expect [run {GB('StreamReader').map(lambda r: soon(int(r['value']['n']))) \
            .aggregate(0, lambda a, r: a + r, lambda a, r: a + r).run('stream')}] {4498500 {}}
    }

    test "a limit doesn't wait for what it doesn't need" -needs python {
        expect [llength [lindex [run {
async def f(r):
    if r > 2: await asyncio.sleep(1000)
    return r
GB('PythonReader').map(f).limit(3).run(numbers(2000))
        }] 0]] 3
        expect [run {
GB('PythonReader').map(lambda r: soon(r)).limit(0).run(numbers(10))
        }] {{} {}}
        expect [llength [lindex [run {
GB('PythonReader').flatmap(lambda r: soon([1] * 3000)).map(lambda r: soon(r)).limit(5).run(numbers(2))
        }] 0]] 5
        # Of a reader without an end.
        expect [llength [lindex [run {
GB('PythonReader').map(lambda r: soon(r)).limit(20).run(lambda: 1)
        }] 0]] 20
    }

    test "await run()" -needs python {
        r MSET a 1 b 2
        expect [run {
async def f(r):
    return await GB().map(lambda r: r['value']).sort().run()
GB('ShardsIDReader').map(f).run()
        }] {{{[['1', '2'], []]}} {}}
        # Objects as they are, errors as text.
        expect_match [run {
async def f(r):
    results, errors = await GB('PythonReader').map(lambda r: {'n': r}).run(numbers(2),
        convertToStr=False)
    more, wrong = await GB('PythonReader').map(lambda r: 1 / r).run(numbers(1))
    return (results[1]['n'], type(results).__name__, errors, more, len(wrong), wrong[0][-40:])
GB('ShardsIDReader').map(f).run()
        }] {{*(1, 'list', ?], ?], 1, *ZeroDivisionError*} {}}
        # Several at once; in a step, where nobody awaits.
        expect [run {
async def f(r):
    runs = [GB('PythonReader').count().run(numbers(i)) for i in range(1, 50)]
    return sum([int((await x)[0][0]) for x in runs])
GB('ShardsIDReader').map(f).foreach(lambda r: GB('PythonReader').run(numbers(1)) and None).run()
        }] {1225 {}}
        wait_for {[r RG.DUMPEXECUTIONS] eq {}}
        # A run that is itself paused.
        expect [run {
async def f(r):
    return await GB('PythonReader').map(lambda r: soon(r)).sort().run(numbers(3))
GB('ShardsIDReader').map(f).run()
        }] {{{[['0', '1', '2'], []]}} {}}
        wait_for {[r RG.DUMPEXECUTIONS] eq {}}
    }

    test "an awaited run that is aborted" -needs python {
        start_over
        set c [start_waiting {
async def f(r):
    results, errors = await GB('PythonReader').map(lambda r: time.sleep(1000)).run(numbers(1))
    return len(errors)
GB('ShardsIDReader').map(f).run()
        } id]
        wait_for {[lmap e [r RG.DUMPEXECUTIONS] {lindex $e 3}] eq {running running}}
        expect [r RG.ABORTEXECUTION [lindex [r RG.DUMPEXECUTIONS] 0 1]] OK
        expect [client::receive $c] {1 {}}
        client::close $c
    }

    test "createFuture, setFutureResults, setFutureException" -needs python {
        expect [run {
async def f(r):
    f = createFuture()
    threading.Timer(0.005, setFutureResults, (f, 42)).start()
    return await f
GB('ShardsIDReader').map(f).run()
        }] {42 {}}
        expect [run {
async def f(r):
    f = createFuture()
    threading.Timer(0.005, setFutureException, (f, 'text')).start()
    try: await f
    except Exception as e: return type(e).__name__ + str(e)
GB('ShardsIDReader').map(f).run()
        }] {errortext {}}
        expect [run {
async def f(r):
    f = createFuture()
    setFutureException(f, KeyError('k'))
    setFutureResults(f, 1)
    return await f
GB('ShardsIDReader').map(f).run()
        }] {{} 'k'}
        expect [run {
def f(r):
    return str(isinstance(createFuture(), GearsFuture)) + str(issubclass(GearsFuture, Future))
GB('ShardsIDReader').map(f).run()
        }] {TrueTrue {}}
    }

    test "runCoroutine" -needs python {
        expect [run {
def f(r):
    f = gearsFuture()
    runCoroutine(soon(r + 1), f)
    return f
GB('PythonReader').map(f).run(numbers(1))
        }] {1 {}}
        set start [clock milliseconds]
        expect [run {
def f(r):
    f = gearsFuture()
    runCoroutine(soon(r + 1), f=f, delay=0.1, s=getGearsSession())
    return f
GB('PythonReader').map(f).run(numbers(1))
        }] {1 {}}
        expect_true {[clock milliseconds] - $start >= 100}
        # For nobody: from the body of a script, with whose rights it acts.
        expect [run {
async def f(): execute('set', 'done', 'yes')
runCoroutine(f())
        }] OK
        wait_for {[r GET done] eq "yes"}
        foreach wrong {1 None "(lambda: 1)" "asyncio.sleep"} {
            expect_error "*runCoroutine expects a coroutine*" {run "runCoroutine($wrong)"}
        }
        expect_error "*the session must be one of getGearsSession()*" {
            run "runCoroutine(soon(1), s=5)"
        }
        # Its failure is logged.
        run "async def f(): raise ValueError('for the log')\nrunCoroutine(f())"
        wait_for {[string match {*ValueError('for the log')*} [srv log]]}
    }

    test "tasks, timers and asyncio's own primitives" -needs python {
        expect [run {
async def one(i):
    await asyncio.sleep(0.001 * i)
    execute('incr', 'n')
    return i
async def f(r):
    total = sum(await asyncio.gather(*[one(i) for i in range(10)]))
    lock, queue, event = asyncio.Lock(), asyncio.Queue(), asyncio.Event()
    async with lock: pass
    asyncio.get_running_loop().call_later(0.002, event.set)
    asyncio.get_running_loop().call_soon(queue.put_nowait, 5)
    await event.wait()
    task = asyncio.create_task(one(1))
    task.cancel()
    try: await task
    except asyncio.CancelledError: total += 1000
    try: await asyncio.wait_for(asyncio.sleep(100), 0.001)
    except asyncio.TimeoutError: total += 10000
    return total + await queue.get() + await loop.run_in_executor(None, lambda: 100000)
GB('ShardsIDReader').map(f).run()
        }] {111050 {}}
        expect [r GET n] 10
        # From another thread, by asyncio's own means.
        expect [run {
def f(r):
    return asyncio.run_coroutine_threadsafe(soon(r), loop).result(10)
GB('PythonReader').map(f).run(numbers(2))
        }] {{0 1} {}}
        # A loop of one's own.
        expect [run {
GB('PythonReader').map(lambda r: asyncio.run(soon(r))).run(numbers(2))
        }] {{0 1} {}}
    }

    test "execute, log, atomic and nested events in a coroutine" -needs python {
        expect [run {
async def f(r):
    execute('set', 'x', r)
    await asyncio.sleep(0)
    log('from a coroutine')
    with atomic():
        inside = isInAtomicBlock()
        execute('incr', 'x')
    return (inside, isInAtomicBlock(), execute('get', 'x'))
GB('PythonReader').map(f).run(numbers(1))
        }] {{{(True, False, '1')}} {}}
        py {GB().foreach(lambda r: execute('rpush', 'events', r['key'])) \
            .register('k*', mode='sync', eventTypes=['set'])}
        expect [run {
async def f(r):
    execute('set', 'k%d' % r, 1)
    await asyncio.sleep(0)
    with atomic(): execute('set', 'k%d' % (r + 10), 1)
GB('PythonReader').foreach(f).count().run(numbers(3))
        }] {3 {}}
        expect_set [r LRANGE events 0 -1] {k0 k1 k2 k10 k11 k12}
        start_over
    }

    test "await inside of an atomic block" -needs python {
        foreach waits {"asyncio.sleep(0.01)" "createFuture()" "asyncio.sleep(0)" "soon(1)"
            "GB('PythonReader').run(numbers(1))"} {
            expect [run "
async def f(r):
    with atomic():
        execute('incr', 'entered')
        await $waits
GB('PythonReader').map(f).run(numbers(1))"] {{} {{await is not allow inside atomic block}}}
            expect [r PING] PONG
        }
        # The block has ended, and others weren't touched by it.
        expect [run {
async def f(r):
    try:
        with atomic(): await asyncio.sleep(0.01)
    except Exception as e:
        return str(isInAtomicBlock()) + str(e)
GB('PythonReader').map(f).run(numbers(1))
        }] {{{Falseawait is not allow inside atomic block}} {}}
        # However often it tries.
        expect [run {
async def f(r):
    n = 0
    with atomic():
        for i in range(5):
            try: await asyncio.sleep(0)
            except Exception: n += 1
    return n
GB('PythonReader').map(f).run(numbers(1))
        }] {5 {}}
    }

    test "sessions of threads and coroutines" -needs python {
        expect [run {
def f(r):
    f, s = gearsFuture(), getGearsSession()
    def work():
        registerGearsThread()
        before = getGearsSession()
        with GearsSession(s):
            execute('set', 'by', 'thread')
            same = getGearsSession() is s
            GB('PythonReader').run(numbers(1))
        f.continueRun((before, same, getGearsSession()))
    threading.Thread(target=work).start()
    return f
GB('PythonReader').map(f).run(numbers(1))
        }] {{{(None, True, None)}} {}}
        expect [r GET by] thread
        expect [run {
async def f(r):
    s = getGearsSession()
    first = s is not None
    await asyncio.sleep(0.001)
    async def inner(): return getGearsSession() is s
    setGearsSession(None)
    await asyncio.sleep(0.001)
    gone = getGearsSession()
    setGearsSession(s)
    await asyncio.sleep(0.001)
    return (first, gone, await asyncio.create_task(inner()))
GB('PythonReader').map(f).run(numbers(1))
        }] {{{(True, None, True)}} {}}
        expect_error "*the session must be one of getGearsSession()*" {py "setGearsSession(1)"}
        expect [py "s = getGearsSession()" "setGearsSession(s)" "del s"] OK
    }

    test "a coroutine has the rights of its session's user" -needs python {
        r ACL SETUSER limited on nopass ~mine:* +@all
        set c [client]
        $c AUTH limited x
        set reply [$c RG.PYEXECUTE "$::tools
async def f(r):
    await asyncio.sleep(0.001)
    execute('set', 'mine:1', 1)
    async def inner():
        try: execute('set', 'other', 1)
        except Exception as e: return str(e)
    said = await asyncio.create_task(inner())
    loop.call_soon(lambda: execute('set', 'mine:2', 1))
    loop.call_soon(lambda: execute('set', 'other', 1))
    await asyncio.sleep(0.01)
    return said
GB('PythonReader').map(f).run(numbers(1))"]
        expect_match [lindex $reply 0] *NOPERM*
        expect [r MGET mine:1 mine:2 other] {1 1 (nil)}
        client::close $c
        r ACL DELUSER limited
    }

    test "names that scripts find" -needs python {
        expect [py {
names = '''execute atomic hashtag log configGet gearsConfigGet registerTE flat_error gearsCtx gearsFuture
isInAtomicBlock isAsyncAllow createFuture setFutureResults setFutureException runCoroutine
GearsFuture GearsSession getGearsSession setGearsSession registerGearsThread loop redisgears rg copy
asyncio cProfile pstats io PyFlatExecution Future Thread createKeysOnlyReader shardReaderCallback
profilerCreate profileStart profileStop profileGetInfo dumps loads cloudpickle Log ConfigGet
GearsConfigGet t f GearsBuilder GB'''.split()
assert not [n for n in names if n not in globals()], [n for n in names if n not in globals()]
functions = '''gearsCtx registerGearsThread getGearsSession setGearsSession isInAtomicBlock gearsFutureCtx
atomicCtx _saveGlobals executeCommand log config_get getMyHashTag isAsyncAllow flatError'''.split()
types = 'PyExecutionSession PyFlatExecution PyAtomic PyFuture'.split()
assert not [n for n in functions + types if not hasattr(redisgears, n)]
p = profilerCreate()
profileStart(p)
sorted(range(10))
profileStop(p)
assert 'sorted' in profileGetInfo(p)
        }] OK
        r MSET a1 1 a2 2 b 3
        expect [py "GB('PythonReader').sort().run(createKeysOnlyReader('a*', count=1))"] {{a1 a2} {}}
        expect [py "GB('PythonReader').run(createKeysOnlyReader('b', noScan=True))"] {b {}}
        expect [py "GB('PythonReader').run(shardReaderCallback)"] {1 {}}
    }

    test "redisAI is there, and says that it isn't" -needs python {
        expect [py {
import redisAI
n = 0
for name in dir(redisAI):
    x = getattr(redisAI, name)
    if name.startswith('_') or isinstance(x, type): continue
    try: x(1, a=2)
    except Exception as e:
        assert str(e) == 'RedisAI is not loaded, it is not possible to use AI interface.'
        n += 1
assert n == 21, n
assert redisAI.PyTensor and redisAI.PyGraphRunner and redisAI.PyTorchScriptRunner and redisAI.PyDAGRunner
        }] OK
    }

    # ---- paused executions as others see them ----

    test "what a paused execution looks like, and its abort" -needs python {
        start_over
        set c [start_waiting {
kept = []
async def f(r):
    await asyncio.sleep(1000)
GB('PythonReader').map(f).run(numbers(5))
        } id]
        expect [dict get [lindex [r RG.GETEXECUTION $id] 0 3] status] running
        expect_error "execution is still running" {r RG.GETRESULTS $id}
        expect_error "can not drop a not yet finished execution, abort it first." {
            r RG.DROPEXECUTION $id
        }
        # It holds no worker.
        all_workers
        expect [run {GB('PythonReader').map(lambda r: soon(r)).count().run(numbers(10))}] {10 {}}
        expect [r RG.ABORTEXECUTION $id] OK
        expect_match [client::receive $c] {{} {*gears.forcestopped*}}
        expect [r RG.DUMPEXECUTIONS] {}
        client::close $c
        # Unblocking: it stays on the list as aborted.
        set id [r RG.PYEXECUTE "$::tools\nGB('PythonReader').map(lambda r:\
            asyncio.sleep(1000)).run(numbers(3))" UNBLOCKING]
        wait_for {[dict get [lindex [r RG.GETEXECUTION $id] 0 3] status] eq "running"}
        all_workers
        expect [r RG.ABORTEXECUTION $id] OK
        expect [dict get [lindex [r RG.GETEXECUTION $id] 0 3] status] aborted
        expect_match [r RG.GETRESULTS $id] {{} {*gears.forcestopped*}}
        expect [r RG.ABORTEXECUTION $id] OK
        expect [r RG.DROPEXECUTION $id] OK
    }

    test "more paused executions than there are workers" -needs python {
        start_over
        set clients [clients_send 50 [list RG.PYEXECUTE "$::tools
import redisgears
async def f(r):
    f = createFuture()
    redisgears.__dict__.setdefault('held_of_a_test', list()).append(f)
    return await f
GB('PythonReader').map(f).run(numbers(2))"]]
        wait_for {[py "import redisgears" "GB('ShardsIDReader')\
            .map(lambda r: len(redisgears.__dict__.get('held_of_a_test', ()))).run()"] \
            eq {100 {}}}
        expect [llength [r RG.DUMPEXECUTIONS]] 50
        py "import redisgears" "for f in redisgears.held_of_a_test: setFutureResults(f, 'v')" \
            "del redisgears.held_of_a_test"
        foreach c $clients {
            expect [client::receive $c] {{v v} {}}
            client::close $c
        }
    }

    test "a client that goes away takes its paused execution along" -needs python {
        start_over
        set c [start_waiting {GB('PythonReader').map(lambda r: asyncio.sleep(1000)).run(numbers(3))} id]
        client::close $c
        wait_for {[r RG.DUMPEXECUTIONS] eq {}}
        expect [r PING] PONG
    }

    test "RG.GETRESULTSBLOCKING waits for a paused execution" -needs python {
        set id [r RG.PYEXECUTE "$::tools\nGB('PythonReader').map(lambda r:\
            from_thread(r)).sort().run(numbers(3))" UNBLOCKING]
        expect [r RG.GETRESULTSBLOCKING $id] {{0 1 2} {}}
        expect [dict get [lindex [r RG.GETEXECUTION $id] 0 3] status] done
        r RG.DROPEXECUTION $id
    }

    test "time limits hold for paused executions and their coroutines" -needs python {
        expect_match [run {
GB('PythonReader').map(lambda r: asyncio.sleep(1000)).run(numbers(3), maxTime=30)
        }] {{} {{Limit met: *}}}
        expect_match [run {
async def f(r):
    while True: pass
GB('PythonReader').map(f).run(numbers(1), maxTime=30)
        }] {{} {{Limit met: *}}}
        expect_match [run {
async def f(r):
    while True: pass
GB('PythonReader').map(f).run(numbers(1), maxPythonTime=30)
        }] {{} {{Limit met: *}}}
        expect [run {GB('PythonReader').map(lambda r: soon(r)).count().run(numbers(5))}] {5 {}}
    }

    # ---- registrations ----

    foreach mode {sync async async_local} {
        foreach way {soon from_thread} {
            test "a trigger in mode $mode, $way" -needs python -resp {2 3} {
                start_over
                run "GB('CommandReader').map(lambda r: $way\(r\[1\])).register(trigger='t',\
                    mode='$mode')"
                expect [r RG.TRIGGER t a] a
                expect [r RG.TRIGGERONKEY t key] key
                run "GB('CommandReader').map(lambda r: $way\(1)).map(lambda r: 1 / 0)\
                    .register(trigger='bad', mode='$mode')"
                expect_error *ZeroDivisionError* {r RG.TRIGGER bad}
                run "GB('CommandReader').map(lambda r: from_thread('why', True))\
                    .register(trigger='failed', mode='$mode')"
                expect_error why {r RG.TRIGGER failed}
                expect [r RG.DUMPEXECUTIONS] {}
                start_over
            }
        }

        test "events in mode $mode" -needs python {
            start_over
            run "
async def f(r):
    await asyncio.sleep(0.001)
    execute('rpush', 'seen', r\['key'\])
GB().foreach(f).register('k*', mode='$mode', eventTypes=\['set'\])"
            for {set i 0} {$i < 50} {incr i} { r SET k$i x }
            wait_for {[r LLEN seen] == 50}
            wait_for {[data numSuccess] == 50}
            expect [data numTriggered] 50
            # One after the other, but where the command doesn't wait.
            if {$mode ne "sync"} {
                for {set i 0} {$i < 50} {incr i} { expect [r LINDEX seen $i] k$i }
            }
            start_over
        }

        test "a client that goes away takes its trigger along, $mode" -needs python {
            start_over
            run "GB('CommandReader').map(lambda r: asyncio.sleep(1000)).register(trigger='t',\
                mode='$mode')"
            set c [client]
            client::send $c RG.TRIGGER t
            client::flush $c
            wait_for {[llength [r RG.DUMPEXECUTIONS]] == 1}
            client::close $c
            wait_for {[r RG.DUMPEXECUTIONS] eq {}}
            wait_for {[data numAborted] + [data numFailures] == 1}
            start_over
        }
    }

    test "triggers in order wait for the paused one" -needs python {
        start_over
        run {
async def f(r):
    execute('rpush', 'order', 'begin ' + r[1])
    await asyncio.sleep(0.005)
    execute('rpush', 'order', 'end ' + r[1])
GB('CommandReader').foreach(f).register(trigger='t', inorder=True, convertToStr=False)
        }
        foreach c [clients_send 10 {RG.TRIGGER t $i}] { client::receive $c; client::close $c }
        foreach {begin end} [r LRANGE order 0 -1] {
            expect [lindex $begin 1] [lindex $end 1]
            expect "[lindex $begin 0] [lindex $end 0]" {begin end}
        }
        expect [r LLEN order] 20
        start_over
    }

    test "nobody is made to wait in MULTI" -needs python {
        start_over
        foreach way {soon from_thread} {
            run "GB('CommandReader').map(lambda r: isAsyncAllow() and $way\(1))\
                .register(trigger='asks', mode='sync')"
            run "GB('CommandReader').map(lambda r: $way\(1)).register(trigger='t', mode='sync')"
            expect [r RG.TRIGGER asks] 1
            expect [r RG.TRIGGER t] 1
            r MULTI
            r RG.TRIGGER asks
            expect [r EXEC] False
            r MULTI
            r RG.TRIGGER t
            expect_match [r EXEC] "*Creating async record is not allowed*"
            start_over
            run "GB().foreach(lambda r: $way\(1)).register('k*', mode='sync')"
            r SET k 1
            wait_for {[data numSuccess] == 1}
            r MULTI
            r SET k 2
            expect [r EXEC] OK
            expect_match [data lastError] "*Creating async record is not allowed*"
            expect [data numFailures] 1
            start_over
        }
    }

    test "RG.UNREGISTER abortpending while one is paused" -needs python {
        start_over
        run {
import redisgears
async def f(r):
    execute('rpush', 'begun', r['key'])
    await asyncio.sleep(1000)
GB().foreach(f).register('k*', mode='async_local', eventTypes=['set'])
        }
        for {set i 0} {$i < 10} {incr i} { r SET k$i x }
        wait_for {[r LLEN begun] == 1}
        expect [data numTriggered] 10
        set id [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        expect [r RG.UNREGISTER $id abortpending] OK
        # Those that hadn't begun are gone; the paused one waits on, until it is aborted.
        wait_for {[paused] ne ""}
        set running [paused]
        expect [r RG.ABORTEXECUTION $running] OK
        wait_for {[paused] eq ""}
        expect [r LRANGE begun 0 -1] k0
    }

    test "a registration of several, each paused for itself" -needs python {
        start_over
        run {
async def f(r):
    await asyncio.sleep(0.002)
    return r[1]
GB('CommandReader').map(f).register(trigger='t')
        }
        set i 0
        foreach c [clients_send 100 {RG.TRIGGER t $i}] {
            expect [client::receive $c] $i
            client::close $c
            incr i
        }
        wait_for {[data numSuccess] == 100}
        start_over
    }

    test "thousands of executions that never resolve are freed when aborted" -needs python {
        start_over
        run {
async def f(r):
    await createFuture()
GB('CommandReader').map(f).register(trigger='t')
        }
        set ids {}
        set c [client]
        for {set i 0} {$i < 2000} {incr i} {
            lappend ids [r RG.PYEXECUTE "async def f(r): await asyncio.sleep(100000)
GB('PythonReader').map(f).run(lambda: (i for i in range(5)))" UNBLOCKING]
        }
        # Only executions that have ended are dropped.
        expect [llength [r RG.DUMPEXECUTIONS]] 2000
        foreach id $ids { client::send $c RG.ABORTEXECUTION $id }
        client::flush $c
        foreach id $ids { expect [client::receive $c] OK }
        client::close $c
        run {
import gc
gc.collect()
        }
        wait_for {[run {
def tasks(r):
    import gc
    gc.collect()
    return len(asyncio.all_tasks(loop))
GB('ShardsIDReader').map(tasks).run()
        }] eq {0 {}}} -within 20000
        start_over
    }
}
