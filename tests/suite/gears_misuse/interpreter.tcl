# SPDX-License-Identifier: BSD-3-Clause
#
# What a script may do to the interpreter that it shares with other scripts, with the prelude and
# with the server's own use of it.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

with_server {} {
    test "the recursion limit can be raised, but not beyond the stack" -needs python {
        foreach limit {10**9 2**31 10**30 2**63} {
            expect_refused "*RecursionError*" "
import sys
sys.setrecursionlimit($limit)
def f(): f()
f()
            "
        }
        expect_refused "*RecursionError*" {
import sys
sys.setrecursionlimit(10**9)
class A:
    def __getattr__(self, n): return getattr(self, n + 'x')
    def __str__(self): return str(self)
    def __repr__(self): return repr([self])
    def __eq__(self, o): return self == o
    def __hash__(self): return hash(self)
    def __call__(self): return self()
for f in (str, repr, hash, lambda a: a == 1, lambda a: a(), lambda a: sorted([a, a], key=str)):
    try:
        f(A())
        raise Exception('it should have recursed')
    except RecursionError: pass
A().x
        }
        expect_refused "*RecursionError*" {
import sys, re, copy, pickle, json
sys.setrecursionlimit(10**9)
l = []
for i in range(10**5): l = [l]
for f in (repr, pickle.dumps, json.dumps, copy.deepcopy, lambda l: l == copy.copy(l[0])):
    try: f(l)
    except (RecursionError, ValueError): pass
compile('(' * 50 + ')' * 50, 'x', 'eval')
try: compile('-' * 50000 + '1', 'x', 'eval')
except (RecursionError, MemoryError, SyntaxError): pass
try: re.compile('(' * 20000 + ')' * 20000)
except (RecursionError, re.error): pass
def f(): return f() + 1
f()
        }
        # Nor can it be made too low for others.
        expect_harmless OK {
import sys
sys.setrecursionlimit(1)
        }
        expect_refused "*ValueError*" {
import sys
sys.setrecursionlimit(0)
        }
        expect_harmless OK {
import sys
sys.setrecursionlimit(1000)
        }
    }

    test "a deep recursion in steps" -needs python {
        lassign [run_harmless {
import sys
sys.setrecursionlimit(10**9)
def f(r):
    def g(n): return g(n + 1)
    return g(0)
def one(): yield 1
GB('PythonReader').map(f).run(one)
        }] results errors
        expect_match $errors "*RecursionError*"
        expect_harmless OK {
import sys
sys.setrecursionlimit(1000)
        }
    }

    test "names of the prelude belong to a session" -needs python {
        expect_harmless OK {
execute = None
GB = GearsBuilder = log = atomic = None
        }
        expect_harmless OK {
del execute, GB
globals().clear()
        }
        expect_harmless OK {
import redisgears, redisgears_prelude
for m in (redisgears, redisgears_prelude):
    for name in list(vars(m)):
        if not name.startswith('__'): setattr(m, name, None)
        }
        expect_harmless OK {
import redisgears, redisgears_prelude
vars(redisgears).clear()
vars(redisgears_prelude).clear()
        }
        expect_refused "*AttributeError*can not be changed*" {GearsBuilder.map = None}
        expect_refused "*AttributeError*can not be changed*" {del GB.run}
        expect_refused "*TypeError*" {
import redisgears
redisgears.PyFlatExecution.map = None
        }
        # A class of one's own is one's own.
        expect [lindex [run_harmless {
class Mine(GB):
    limit_ = 1
Mine.limit_ = 2
Mine('KeysOnlyReader').count().run('nothing')
        }] 0] {}
    }

    test "builtins are everybody's" -needs python {
        expect_harmless OK {
import builtins
del builtins.list
del builtins.len, builtins.print, builtins.__import__
        }
        misuse {
import builtins
for name in list(vars(builtins)): setattr(builtins, name, None)
        }
        expect_unhurt
        expect_harmless OK {
import builtins
vars(builtins).clear()
        }
        expect_harmless OK {__builtins__.clear() if isinstance(__builtins__, dict) else vars(__builtins__).clear()}
    }

    test "modules are everybody's" -needs python {
        expect_harmless OK {
import sys
sys.modules.clear()
        }
        expect_harmless OK {
import sys
sys.modules = {}
sys.meta_path.clear()
sys.path_hooks.clear()
        }
        expect_harmless OK {
import sys
sys.path = sys.meta_path = sys.path_hooks = sys.path_importer_cache = None
        }
        expect_harmless OK {
import sys
for name in list(vars(sys)):
    if name != 'modules': setattr(sys, name, None)
        }
        expect_harmless OK {
import sys
for name in ('copy', 'pickle', 'cloudpickle', 'redisgears', 'redisgears_prelude', 'gears'):
    sys.modules[name] = 5
        }
        expect_harmless OK {
import importlib, os, sys, threading, signal
for m in (os, signal): importlib.reload(m)
        }
        expect_refused "*PermissionError*" {
import os
os.fork()
        }
    }

    test "standard streams are everybody's" -needs python {
        expect_harmless OK {
import sys
sys.stdout = sys.stderr = sys.stdin = None
        }
        expect_harmless OK {
import sys, io
sys.stdout = io.StringIO()
sys.stdin.close()
        }
        expect_harmless OK {
import sys
del sys.stdout, sys.stderr, sys.stdin, sys.__stdout__
        }
    }

    test "hooks of the interpreter" -needs python {
        expect_harmless OK {
import sys
def trace(*args): raise Exception('traced')
sys.settrace(lambda *a: trace)
sys.setprofile(lambda *a: None)
        }
        expect_harmless OK {
import threading
def trace(*args): raise Exception('traced')
threading.settrace(trace)
threading.setprofile(trace)
        }
        expect_harmless OK {
import gc
def callback(phase, info): raise Exception('gc')
gc.callbacks.append(callback)
gc.collect()
        }
        expect_harmless OK {
import gc
gc.callbacks.append(5)
gc.disable()
gc.set_threshold(1)
        }
        expect_harmless OK {
import gc
gc.set_threshold(700, 10, 10)
        }
        expect_harmless OK {
import sys
def hook(*args):
    while True: pass
sys.excepthook = sys.unraisablehook = sys.displayhook = sys.breakpointhook = hook
        }
        # The interpreter drops it without a word.
        expect_harmless OK {
import sys
def audit(*args): raise Exception('audited')
sys.addaudithook(audit)
        }
        expect_refused "*PermissionError*" {
import sys
sys.setswitchinterval(1000)
        }
        expect_harmless OK {
import sys, warnings, atexit
warnings.simplefilter('error')
atexit.register(lambda: 1/0)
sys.set_asyncgen_hooks(firstiter=lambda *a: 1/0)
sys.set_coroutine_origin_tracking_depth(5)
        }
    }

    test "a trace function that is set in a step ends with it" -needs python {
        lassign [run_harmless {
import sys
def f(r):
    def trace(*a): raise Exception('traced')
    sys.settrace(trace)
    return r
def two():
    yield 1
    yield 2
GB('PythonReader').map(f).run(two)
        }] results errors
    }

    test "objects found through the garbage collector" -needs python {
        run_harmless {
import gc
def f(r):
    for o in gc.get_objects():
        if type(o) is dict and 'key' in o and len(o) < 5 and o is not r:
            try: o.clear()
            except Exception: pass
    return 'k'
def many():
    for i in range(20): yield {'key': 1}
GB('PythonReader').countby(f).run(many)
        }
        run_harmless {
import gc
def f(r):
    for o in gc.get_objects():
        if type(o) is list and o and len(o) < 50 and all(type(x) is dict and 'key' in x for x in o):
            o.clear()
    return 'k'
def many():
    for i in range(20): yield {'key': 1}
GB('PythonReader').batchgroupby(f, lambda k, l: len(l)).run(many)
        }
    }

    test "ctypes can be loaded" -needs python {
        expect_harmless OK {
import ctypes
assert ctypes.sizeof(ctypes.c_int) == 4
        }
    }

    test "memory beyond the limit is a MemoryError" -needs python {
        with_config {gears-max-memory 256mb} {
            expect_refused "*MemoryError*" {x = [0] * 10**10}
            expect_refused "*MemoryError*" {x = 'x' * (300 << 20)}
            expect_refused "*MemoryError*" {
l = []
while True: l.append(bytearray(1 << 20))
            }
            expect_refused "*MemoryError*" {
l = []
while True: l.append(object())
            }
            expect_refused "*MemoryError*" {x = 1 << (10**10)}
            set before [srv rss]
            foreach i {1 2 3 4 5} {
                misuse {
x = [bytearray(1 << 20) for i in range(100)]
                }
            }
            expect_true {[srv rss] < $before + (320 << 20)}
            expect_unhurt
        }
    }

    test "commands that scripts may not run" -needs python {
        foreach {call pattern} {
            {execute('shutdown', 'nosave')} *
            {execute('debug', 'segfault')} *
            {execute('debug', 'sleep', '100')} *
            {execute('subscribe', 'c')} *
            {execute('multi')} *
            {execute('exec')} *
            {execute('watch', 'k')} *
            {execute('rg.pyexecute', '1')} *
            {execute('quit')} *
            {execute('reset')} *
            {execute('hello', '3')} *
            {execute('auth', 'x')} *
            {execute('client', 'kill', 'type', 'normal')} *
        } {
            set reply [misuse "x = $call\nraise Exception('it ran: %r' % x)"]
            expect [lindex $reply 0] error
            if {[string match "*it ran*" [lindex $reply 1]]} { suite::unmet "$call: $reply" }
        }
        expect_unhurt
        # Of these, what they do is their own matter; nothing is hurt.
        foreach call {"select', '3" "client', 'reply', 'off" "client', 'no-evict', 'on" "config', 'set', 'maxclients', '1000"
            "monitor" "client', 'pause', '1" "flushall" "info" "command" "client', 'list" "rg.dumpexecutions"
            "rg.abortexecution', 'x" "scan', '0" "keys', '*" "blpop', 'x', '0" "wait', '1', '0"} {
            misuse "
try: execute('$call')
except Exception: pass
            "
        }
        expect_unhurt
    }
}
