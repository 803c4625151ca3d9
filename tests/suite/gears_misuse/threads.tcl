# SPDX-License-Identifier: BSD-3-Clause
#
# Threads that scripts start: they may outlive their script, and the server doesn't know of them.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

with_server {} {
    test "threads that outlive their script run commands" -needs python {
        expect_harmless OK {
import threading
def work(i):
    for n in range(200): execute('incr', 'work:%d' % i)
for i in range(4): threading.Thread(target=work, args=(i,)).start()
        }
        foreach i {0 1 2 3} { wait_for {[r GET work:$i] == 200} }
    }

    test "a thread can't open an atomic block, which nobody could end" -needs python {
        expect_harmless OK {
import threading
def work():
    try:
        atomic().__enter__()
    except Exception as e:
        execute('set', 'said', str(e))
t = threading.Thread(target=work)
t.start()
t.join()
assert 'not allowed in a thread' in execute('get', 'said')
        }
    }

    test "threads that raise, exit, and go on for ever" -needs python {
        expect_harmless OK {
import threading, sys, _thread
def fail(): raise Exception('in a thread')
def leave(): sys.exit(1)
for f in (fail, leave): threading.Thread(target=f).start()
_thread.start_new_thread(fail, ())
        }
        expect_harmless OK {
import threading, time
def sleep(): time.sleep(10**6)
for i in range(20): threading.Thread(target=sleep, daemon=True).start()
        }
        expect_harmless OK {
import threading, queue
q = queue.Queue()
def wait(): q.get()
for i in range(20): threading.Thread(target=wait).start()
        }
        expect_harmless OK {
import threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
        }
        expect_unhurt
    }

    test "a thread has no session: it can't run or register" -needs python {
        foreach call {"GB().count().run()" "GB().register('never:*', mode='async_local')"} {
            expect_harmless OK "
import threading
def work():
    try: $call
    except Exception as e: execute('set', 'said', str(e))
t = threading.Thread(target=work)
t.start()
t.join()
            "
            expect_match [r GET said] "*not allowed in a thread*"
        }
        # The end of a plan's object is on a thread without a session, too.
        r SET k v
        run_harmless {
class D:
    def __del__(self):
        try: GB().register('never:*', mode='async_local')
        except Exception as e: execute('set', 'end', str(e))
keep = D()
GB('KeysOnlyReader').map(lambda r, d=keep: 1).run('k')
        }
        wait_for {[r GET end] ne "(nil)"}
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "thread pools, event loops and locks of Python work" -needs python {
        expect_harmless OK {
import asyncio, concurrent.futures, threading
async def f():
    await asyncio.sleep(0.01)
    return execute('incr', 'loop')
assert asyncio.run(f()) == 1
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sorted(pool.map(lambda i: execute('incr', 'pool'), range(100))) == list(range(1, 101))
        }
    }

    test "the server ends although a script's threads go on" -needs python -down yes {
        misuse {
import threading
def spin():
    while True: execute('incr', 'spin')
for i in range(3): threading.Thread(target=spin).start()
        }
        wait_for {[r GET spin] > 100}
        server::signal [srv_id] TERM
        wait_for {![server::process_runs [srv_id]]} -within 5000
    }
}

with_server {gears-max-program-threads 8} {
    test "no more threads than gears-max-program-threads" -needs python {
        set script {
import threading, time
def wait():
    while not execute('get', 'go'): time.sleep(0.002)
begun = 0
try:
    for i in range(20):
        threading.Thread(target=wait).start()
        begun += 1
except RuntimeError as e:
    execute('set', 'said', str(e))
execute('set', 'begun', begun)
        }
        expect_harmless OK $script
        expect [r GET begun] 8
        expect [r GET said] "can't start new thread: programs have as many as\
            gears-max-program-threads allows (8)"
        expect [info_field gears_program_threads gears] 8
        # Those of all programs together; the engine's own don't count.
        expect_refused "*RuntimeError: can't start new thread*" {
import _thread
_thread.start_new_thread(print, ())
        }
        expect_refused "*RuntimeError: can't start new thread*" {
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool: pool.submit(print).result()
        }
        expect [r RG.PYEXECUTE {
import asyncio
async def f(r):
    await asyncio.sleep(0)
    return r
GB('ShardsIDReader').map(f).run()
        }] {1 {}}
        r SET go 1
        wait_for {[info_field gears_program_threads gears] == 0}
        # Nobody who was refused counts, nor what can't be started.
        expect_refused "*TypeError*" "import _thread\n_thread.start_new_thread(5, ())"
        expect_refused "*TypeError*" "import _thread\n_thread.start_new_thread(print, 5)"
        expect_harmless OK {
import threading
def fail(): raise Exception('in a thread')
threads = [threading.Thread(target=fail) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
        }
        wait_for {[info_field gears_program_threads gears] == 0}
        with_config {gears-max-program-threads 0} {
            r DEL go
            expect_harmless OK $script
            expect [r GET begun] 20
            r SET go 1
        }
        wait_for {[info_field gears_program_threads gears] == 0}
    }
}
