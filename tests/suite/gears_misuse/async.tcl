# SPDX-License-Identifier: BSD-3-Clause
#
# Misuse of coroutines and futures: what scripts do to the event loop that all share, and to records
# that wait for them.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# The loop still serves others.
proc expect_loop_unhurt {} {
    expect [r RG.PYEXECUTE {
import asyncio
async def f(r):
    await asyncio.sleep(0.001)
    return execute('incr', 'unhurt:loop') * 0 + r
def some():
    for i in range(3): yield i
GB('PythonReader').map(f).sort().run(some)
    }] {{0 1 2} {}}
    r DEL unhurt:loop
    expect_unhurt
}

# A client that runs the script until it is stopped, which RG.ABORTEXECUTION does within its time.
proc expect_abortable {script} {
    set c [start_endless $script id]
    wait_for {[r EXISTS begun]}
    set began [clock milliseconds]
    expect [r RG.ABORTEXECUTION $id] OK
    expect_true {[clock milliseconds] - $began < 4000 * $::suite::slow_factor}
    expect_match [client::receive $c] {{} {*}}
    client::close $c
    r DEL begun
    expect_loop_unhurt
}

with_server {} {
    test "a future that is continued from all sides at once: one of them counts" -needs python {
        lassign [run_harmless {
import threading
def f(r):
    f = gearsFuture()
    def answer(i):
        try:
            f.continueRun(i)
        except Exception: execute('incr', 'late')
    for i in range(8): threading.Thread(target=answer, args=(i,)).start()
    return f
def some():
    for i in range(50): yield i
GB('PythonReader').map(f).run(some)
        }] results errors
        expect [list [llength $results] $errors] {50 {}}
        wait_for {[r GET late] == 350}
        expect_loop_unhurt
    }

    test "a future outlives its execution: what is said then is an error, or nothing" -needs python {
        run_harmless {
import threading, sys
sys.modules['kept_futures'] = kept = []
def f(r):
    import sys
    f = gearsFuture()
    sys.modules['kept_futures'].append(f)
    return f if r else 0
def two():
    yield 0
    yield 1
    raise Exception('over')
GB('PythonReader').map(f).limit(1).run(two)
        }
        expect_harmless OK {
import sys
said = []
for f in sys.modules['kept_futures']:
    for word in ('continueRun', 'continueFailed', 'continueRun'):
        try: getattr(f, word)(1)
        except Exception as e: said.append(str(e))
for s in said: execute('rpush', 'said', s)
del sys.modules['kept_futures']
        }
        foreach line [r LRANGE said 0 -1] { expect_match $line "*uture*" }
        expect_loop_unhurt
    }

    test "a future of an aborted execution, and of a session that is gone" -needs python {
        r RG.PYEXECUTE {
import sys
sys.modules['kept_futures'] = []
def f(r):
    import sys
    f = gearsFuture()
    sys.modules['kept_futures'].append(f)
    execute('incr', 'begun')
    return f
GB('CommandReader').map(f).register(trigger='t', mode='async_local')
        } ID dead
        foreach i {1 2 3} {
            lappend clients [set c [client]]
            client::send $c RG.TRIGGER t
            client::flush $c
        }
        wait_for {[r GET begun] == 3}
        r RG.ABORTEXECUTION [lindex [r RG.DUMPEXECUTIONS] 0 1]
        r RG.PYEXECUTE "GB('CommandReader').register(trigger='t', mode='sync')" ID dead UPGRADE
        expect_harmless OK {
import sys
for f in sys.modules['kept_futures']:
    try: f.continueRun('late')
    except Exception as e: execute('rpush', 'said', str(e))
        }
        set answers [lsort [lmap c $clients {catch {client::receive $c} got; set got}]]
        expect [lrange $answers end-1 end] {late late}
        foreach c $clients { client::close $c }
        unregister_all
        # Now with the last reference to all of it, dropped by somebody else.
        expect_harmless OK {
import sys, gc
del sys.modules['kept_futures']
gc.collect()
        }
        expect_loop_unhurt
    }

    test "awaiting what isn't awaitable, or another's" -needs python {
        foreach {expression text} {
            "5" "*can't be used in 'await' expression*"
            "None" "*can't be used in 'await' expression*"
            "gearsFuture" "*can't be used in 'await' expression*"
            "(x for x in \[1\])" "*can't be used in 'await' expression*"
            "Odd()" "*non-iterator*"
            "Liar()" "*"
            "Raises()" "*from __await__*"
            "asyncio.sleep(0).__await__()" "*can't be used in 'await' expression*"
            "asyncio.new_event_loop().create_future()" "*attached to a different loop*"
            "twice()" "*cannot reuse already awaited coroutine*"
            "asyncio.current_task()" "*cannot await on itself*"
        } {
            lassign [run_harmless "
import asyncio
class Odd:
    def __await__(self): return 5
class Liar:
    def __await__(self):
        yield 'no future'
class Raises:
    def __await__(self): raise ValueError('from __await__')
async def nothing(): pass
async def twice():
    c = nothing()
    await c
    await c
async def f(r): return await ($expression)
def one(): yield 1
GB('PythonReader').map(f).run(one)
            "] results errors
            expect $results {}
            expect_match [lindex $errors 0] $text
        }
        expect_loop_unhurt
    }

    test "runCoroutine of what is none" -needs python {
        foreach thing {5 None {lambda: 1} {(x for x in [1])} GB gearsFuture {type('C', (), {})()}} {
            expect_refused "*runCoroutine expects a coroutine*" "runCoroutine($thing)"
        }
        # futures that aren't any
        foreach future {5 {object()} {type('F', (), {'continueRun': 5})()}} {
            expect_harmless OK "
async def f(): return 1
runCoroutine(f(), $future)
            "
        }
        expect_refused "*" "async def f(): pass\nruncoroutine(f(), None, 'soon')"
        expect_harmless * "async def f(): pass\nrunCoroutine(f(), None, float('nan'))"
        expect_harmless * "async def f(): pass\nrunCoroutine(f(), None, 10**300)"
        expect_refused "*" "async def f(): pass\nrunCoroutine(f(), None, 0, 'a session')"
        expect_loop_unhurt
    }

    test "a coroutine that holds the loop is ended with its execution" -needs python {
        expect_abortable {
async def f(r):
    execute('set', 'begun', '1')
    while True: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        expect_abortable {
async def f(r):
    execute('set', 'begun', '1')
    while True:
        try:
            while True: pass
        except BaseException: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
    }

    test "a coroutine that catches CancelledError, and everything else" -needs python {
        foreach exception {asyncio.CancelledError BaseException} {
            expect_abortable "
import asyncio
async def f(r):
    execute('set', 'begun', '1')
    while True:
        try: await asyncio.sleep(1000)
        except $exception: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
            "
        }
        expect_abortable {
import asyncio
async def inner():
    while True:
        try: await asyncio.sleep(0)
        except BaseException: pass
async def f(r):
    execute('set', 'begun', '1')
    while True:
        try: await asyncio.shield(asyncio.ensure_future(inner()))
        except BaseException: pass
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        expect_abortable {
import asyncio
async def f(r):
    execute('set', 'begun', '1')
    try: await asyncio.sleep(1000)
    finally:
        while True: await asyncio.sleep(0)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
    }

    test "a coroutine that works for nobody and holds the loop" -needs python {
        with_config {gears-sync-max-time 100} {
            expect_harmless OK {
async def spin():
    while True:
        try:
            while True: pass
        except BaseException: pass
runCoroutine(spin())
            }
            expect_loop_unhurt
        }
    }

    test "what a coroutine may raise" -needs python {
        foreach exception {SystemExit KeyboardInterrupt GeneratorExit StopIteration StopAsyncIteration
                RecursionError asyncio.CancelledError "Odd" "MemoryError"} {
            lassign [run_harmless "
import asyncio
class Odd(BaseException):
    def __str__(self): raise Odd()
    def __repr__(self): raise Odd()
async def f(r):
    await asyncio.sleep(0)
    raise $exception
def one(): yield 1
GB('PythonReader').map(f).run(one)
            "] results errors
            expect $results {}
            expect [llength $errors] 1
        }
        # An exception that isn't one any more when it is looked at.
        lassign [run_harmless {
async def f(r):
    class Hostile(Exception):
        def __str__(self):
            execute('incr', 'looked')
            return 5
        __class__ = property(lambda self: 1 / 0)
    raise Hostile()
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }] results errors
        expect [list $results [llength $errors]] {{} 1}
        # One that never ends to say what it is.
        expect_abortable {
class Endless(Exception):
    def __str__(self):
        execute('set', 'begun', '1')
        while True: pass
async def f(r): raise Endless()
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        expect_loop_unhurt
    }

    test "continueFailed with what can't be shown" -needs python {
        foreach value {Odd() None b"\\xff" 5 {"\udcff"} {"x" * (1 << 20)}} {
            lassign [run_harmless "
import threading
class Odd:
    def __str__(self): raise ValueError('no text')
    __repr__ = __str__
def f(r):
    f = gearsFuture()
    threading.Thread(target=lambda: f.continueFailed($value)).start()
    return f
def one(): yield 1
GB('PythonReader').map(f).run(one)
            "] results errors
            expect [list $results [llength $errors]] {{} 1}
        }
        expect_loop_unhurt
    }

    test "deep chains of coroutines" -needs python {
        expect [run_harmless {
async def deep(n): return await deep(n - 1) if n else 'bottom'
async def f(r): return await deep(400)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }] {bottom {}}
        lassign [run_harmless {
async def deep(n): return await deep(n + 1)
async def f(r): return await deep(0)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }] results errors
        expect $results {}
        expect_match [lindex $errors 0] "*recursion*"
        # Tasks behind tasks; each has a callback of the next.
        expect [run_harmless {
import asyncio
async def behind(task): return await task + 1 if task else 0
async def f(r):
    task = None
    for i in range(5000): task = asyncio.ensure_future(behind(task))
    return await task
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }] {4999 {}}
        # A chain that is never awaited, and only ends.
        run_harmless {
async def behind(c):
    if c: await c
async def f(r):
    c = None
    for i in range(100000): c = behind(c)
    c.close()
    return 'closed'
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }
        expect_loop_unhurt
    }

    test "futures in great number" -needs python {
        # Each record waits at its step only a moment; a million of them come by.
        set n [expr {200000 / $::suite::slow_factor}]
        expect [run_harmless "
import threading, collections
queue = collections.deque()
def answer():
    n = 0
    while n < $n:
        try: f = queue.popleft()
        except IndexError:
            import time
            time.sleep(0.0005)
            continue
        f.continueRun(1)
        n += 1
def f(r):
    f = gearsFuture()
    if r == 0: threading.Thread(target=answer).start()
    queue.append(f)
    return f
def many():
    for i in range($n): yield i
GB('PythonReader').map(f).count().run(many)
        "] [list $n {}]
        # Those that nobody returns.
        expect [run_harmless "
def f(r):
    gearsFuture()
    return 1
def many():
    for i in range($n): yield i
GB('PythonReader').map(f).count().run(many)
        "] [list $n {}]
        # A heap of createFuture() that nobody answers.
        run_harmless "
heap = \[createFuture() for i in range($n)\]
for f in heap\[:1000\]: setFutureResults(f, 1)
GB('ShardsIDReader').run()
        "
        expect_loop_unhurt
    }

    test "futures in circles are collected: their records are errors" -needs python {
        set c [start_endless {
class Node: pass
def f(r):
    n = Node()
    n.future = f = gearsFuture()
    n.me = n
    execute('incr', 'begun')
    return f
def some():
    for i in range(100): yield i
GB('PythonReader').map(f).run(some)
        } id]
        wait_for {[r GET begun] > 0}
        # Nobody has a reason to look for them; as soon as somebody does, it goes on.
        expect_harmless OK "import gc\ngc.collect()"
        lassign [client::receive $c] results errors
        client::close $c
        expect $results {}
        expect_match [lindex $errors 0] "Async record did not called continue"
        r DEL begun
        expect_loop_unhurt
    }

    test "what is done to the loop itself" -needs python {
        foreach statement {
            "loop.set_task_factory(lambda *a: None)"
            "loop.set_exception_handler(lambda *a: 1 / 0)" "loop.set_debug(True)"
        } {
            expect_refused "*RuntimeError: the event loop is shared, its * can not be set*" $statement
        }
        foreach statement {
            "loop.close()" "loop.stop()" "loop.call_soon(lambda: 1 / 0)"
            "loop.call_soon_threadsafe(loop.stop)" "loop.run_until_complete(nothing())"
            "loop.run_forever()" "asyncio.run(nothing())"
            "loop.call_later(0, exit_all)" "loop.call_soon_threadsafe(exit_all)"
            "asyncio.set_event_loop(None)" "loop.set_default_executor(None)"
        } {
            misuse "
import asyncio, sys
async def nothing(): pass
def exit_all(): sys.exit(1)
$statement
            "
            expect_loop_unhurt
        }
    }

    test "asynchronous generators, left open" -needs python {
        expect [run_harmless {
import asyncio
async def numbers():
    try:
        while True:
            yield 1
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
async def f(r):
    async for n in numbers(): return n
def some():
    for i in range(20): yield i
GB('PythonReader').map(f).count().run(some)
        }] {20 {}}
        expect_loop_unhurt
    }
}
