# SPDX-License-Identifier: BSD-3-Clause
#
# Values that scripts hand to the server: records, results, keys, exceptions. They are objects of
# the script's, so that anything the server does with them may run its code.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

with_server {} {
    test "an integer beyond 64 bits is its digits" -needs python {
        expect [lindex [run_harmless {
def f():
    yield 2**63 - 1
    yield -2**63
    yield 2**63
    yield -2**63 - 1
    yield 10**100
    yield True
GB('PythonReader').run(f, convertToStr=False)
        }] 0] [list 9223372036854775807 -9223372036854775808 9223372036854775808 \
            -9223372036854775809 1[string repeat 0 100] 1]
        lassign [run_harmless {
def f(): yield 10**10000
GB('PythonReader').run(f, convertToStr=False)
        }] results errors
        expect $results {}
        expect_match $errors "*ValueError*"
    }

    test "floats have six decimals, whatever they are" -needs python {
        expect [lindex [run_harmless {
def f():
    yield 2.5
    yield 1e300
    yield float('nan')
    yield float('-inf')
    yield -0.0
GB('PythonReader').map(lambda x: x if x != 1e300 else 1.0).run(f, convertToStr=False)
        }] 0] {2.500000 1.000000 nan -inf -0.000000}
    }

    test "a list of a million nestings is an error" -needs python {
        foreach convert {False True} {
            lassign [run_harmless "
def f():
    l = \[\]
    for i in range(1000000): l = \[l\]
    yield l
GB('PythonReader').run(f, convertToStr=$convert)
            "] results errors
            expect $results {}
            expect [llength $errors] 1
        }
    }

    test "a list that contains itself is an error, or its repr" -needs python {
        lassign [run_harmless {
def f():
    l = []
    l.append(l)
    yield l
GB('PythonReader').run(f, convertToStr=False)
        }] results errors
        expect $results {}
        expect_match $errors "*nested*"
        expect [lindex [run_harmless {
def f():
    l = [1]
    l.append(l)
    yield l
GB('PythonReader').run(f)
        }] 0] {{[1, [...]]}}
    }

    test "a list that is small and whose text isn't" -needs python {
        with_config {gears-max-memory 256mb} {
            lassign [run_harmless {
def f():
    l = ['x' * 100]
    for i in range(60): l = [l, l]
    yield l
GB('PythonReader').run(f, convertToStr=False)
            }] results errors
            expect $results {}
            expect_match $errors "*gears-max-memory*"
        }
    }

    test "a million deep as key, as accumulator, as zero, as a global" -needs python {
        foreach script {
            {GB('PythonReader').map(deep).countby().run(one)}
            {GB('PythonReader').accumulate(lambda a, r: deep(r)).run(one)}
            {GB('PythonReader').aggregate(deep(1), lambda a, r: a, lambda a, r: a).run(one)}
            {GB('PythonReader').map(deep).distinct().run(one)}
            {GB('PythonReader').flatmap(deep).flatmap(lambda r: r).run(one)}
            {x = deep(1)
GB('PythonReader').map(lambda r: x).run(one)}
            {GB('PythonReader').map(lambda r: execute('set', 'k', deep(1))).run(one)}
        } {
            misuse "
def deep(r):
    l = \[\]
    for i in range(1000000): l = \[l\]
    return l
def one(): yield 1
$script
            "
            expect_unhurt
        }
    }

    test "a str subclass is a str" -needs python {
        expect [lindex [run_harmless {
class S(str):
    def __str__(self): return 'str'
    def __repr__(self): return 'repr'
    def __eq__(self, o): raise Exception('eq')
    def __hash__(self): raise Exception('hash')
    def __len__(self): return 10**9
    def encode(self, *a): raise Exception('encode')
def f(): yield S('text')
GB('PythonReader').run(f, convertToStr=False)
        }] 0] text
        expect [lindex [run_harmless {
class S(str):
    def __eq__(self, o): raise Exception('eq')
    def __hash__(self): raise Exception('hash')
def f():
    yield 1
    yield 2
GB('PythonReader').countby(lambda r: S('key')).run(f)
        }] 0] {{{'key': 'key', 'value': 2}}}
        r SET real value
        expect_harmless OK {
class S(str):
    def __str__(self): return 'other'
assert execute(S('get'), S('real')) == 'value'
        }
        # What str() gives may be of a class of its own, too.
        expect [lindex [run_harmless {
class S(str):
    def __len__(self): return 1 << 62
class A:
    def __str__(self): return S('from __str__')
def f(): yield A()
GB('PythonReader').run(f)
        }] 0] {{from __str__}}
    }

    test "int, float, list and bytes subclasses" -needs python {
        lassign [run_harmless {
class I(int):
    def __int__(self): raise Exception('int')
    def __index__(self): raise Exception('index')
    def __repr__(self): raise Exception('repr')
class F(float):
    def __float__(self): raise Exception('float')
class L(list):
    def __iter__(self): raise Exception('iter')
    def __len__(self): return 1 << 40
    def __getitem__(self, i): raise Exception('item')
class B(bytes):
    def __len__(self): return 1 << 40
    def __bytes__(self): raise Exception('bytes')
def f():
    yield I(5)
    yield I(2**70)
    yield F(1.5)
    yield L([1, L([2])])
    yield B(b'\0b')
GB('PythonReader').run(f, convertToStr=False)
        }] results errors
        expect $results [list 5 1180591620717411303424 1.500000 {1 2} "\0b"]
        expect $errors {}
    }

    test "anything else is PY RECORD" -needs python {
        expect [lindex [run_harmless {
import threading
def f():
    for x in (None, {}, (1,), {1}, bytearray(b'x'), object(), threading.Lock(), f, type, GB): yield x
GB('PythonReader').run(f, convertToStr=False)
        }] 0] [lrepeat 10 "PY RECORD"]
    }

    test "plus and minus make a status or an error, of one line" -needs python {
        set c [client]
        client::send $c RG.PYEXECUTE {
def f():
    yield '+one\r\n+two'
    yield '-ERR one\r\n-two'
    yield '+'
    yield '-\n'
GB('PythonReader').run(f, convertToStr=False)
        }
        set reply [lindex [client::receive_typed $c] 1 0 1]
        expect [lindex $reply 0 0] simple
        expect_match [lindex $reply 0 1] "one*two"
        expect [lindex $reply 1 0] error
        expect_match [lindex $reply 1 1] "ERR one*two"
        expect [lindex $reply 2] {bulk +}
        expect [lindex $reply 3 0] error
        expect [$c PING] PONG
        expect_unhurt
    }

    test "an exception whose __str__ raises, or whose __repr__" -needs python {
        expect_refused "*E*" {
class E(Exception):
    def __str__(self): raise E()
    def __repr__(self): raise E()
raise E()
        }
        lassign [run_harmless {
class E(Exception):
    def __str__(self): return 5
    __repr__ = __str__
def f(r): raise E()
def two():
    yield 1
    yield 2
GB('PythonReader').flatmap(lambda r: [1, 2, 3]).map(f).run(two)
        }] results errors
        expect $results {}
        expect [llength $errors] 3
        expect_refused "*" {
class E(BaseException):
    def __getattribute__(self, name): raise E()
    def __del__(self): execute('set', 'del', 1)
raise E()
        }
        expect_refused "*" {
class E(Exception):
    def __str__(self): return str(self)
raise E()
        }
        expect_refused "*" {
class E(Exception): pass
e = E()
for i in range(10000):
    n = E()
    n.__cause__ = e
    e = n
raise e
        }
        expect_refused "*" {
class M(type):
    def __str__(self): raise Exception
    def __getattribute__(self, name): raise Exception
class E(Exception, metaclass=M): pass
raise E
        }
    }

    test "an error text of 10 MB is one reply of 4 KB and one line" -needs python {
        set c [client]
        foreach text {"'x' * 10000000" "'a\\r\\n' * 3000000" "'\\0' * 10000000" "'\\ud800' * 5000000"} {
            set reply [client::typed $c RG.PYEXECUTE "raise Exception($text)"]
            expect [lindex $reply 0] error
            expect_true {[string length [lindex $reply 1]] <= 4200}
            expect_true {![string match *\[\r\n\0\]* [lindex $reply 1]]}
            expect [$c PING] PONG
            set reply [client::typed $c RG.PYEXECUTE "raise flat_error($text)"]
            expect [lindex $reply 0] error
            expect_true {[string length [lindex $reply 1]] <= 4200}
            expect_true {![string match *\[\r\n\]* [lindex $reply 1]]}
            expect [$c PING] PONG
        }
        expect_unhurt
    }

    test "errors of a spread list are bounded by memory" -needs python {
        with_config {gears-max-memory 128mb} {
            set before [srv rss]
            lassign [run_harmless {
def f(): yield 1
def fail(r): raise Exception('x' * 3000)
GB('PythonReader').flatmap(lambda r: [0] * 60000).map(fail).run(f)
            }] results errors
            expect $results {}
            expect_match [lindex $errors end] "*gears-max-memory*"
            expect_true {[srv rss] < $before + 1500 * 1024 * 1024}
        }
    }

    test "a script that is no text, or no program" -needs python {
        expect_refused "*null byte*" "x = 1\0"
        expect_refused "*SyntaxError*" "\xff\xfe"
        expect_refused "*SyntaxError*" "def f(:"
        expect_refused "*SyntaxError*" "# coding: no-such-coding\nx = 1"
        expect_refused "*SyntaxError*" "return 1"
        expect_refused "*IndentationError*" "  x = 1\n y = 2"
        expect_refused "*" [string repeat "(" 100000]
        expect_refused "*" "x = [string repeat - 200000]1"
        expect_refused "*" "x = [string repeat 1+ 200000]1"
        expect_refused "*" "x = [string repeat {[} 90][string repeat 0, 100000][string repeat {]} 91]"
        expect_harmless OK ""
        expect_harmless OK "# nothing"
        expect_harmless OK "x = '[string repeat y 5000000]'"
    }

    test "keys and values of any bytes" -needs python {
        r SET "a\0b" "v\0w"
        r SET "\xff\xfe" "\x80"
        r HSET "h\r\n" "\0f" "\xff" "" ""
        expect_set [lindex [run_harmless {
GB().map(lambda r: execute('exists', r['key'])).run(convertToStr=False)
        }] 0] {1 1 1}
        expect_set [lindex [run_harmless {
GB('KeysOnlyReader').map(lambda k: bytes(k, 'latin1') if isinstance(k, str) else bytes(k)).run(convertToStr=False)
        }] 0] [list "a\0b" "\xff\xfe" "h\r\n"]
        expect_harmless OK {
execute('set', b'\0\xff', bytearray(b'\0'))
assert execute('get', b'\0\xff') == '\0'
execute('set', '\ud800', 'surrogate')
assert execute('get', '\ud800') == 'surrogate'
assert execute('set', '', '') == 'OK'
assert execute('get', '') == ''
assert isinstance(execute('get', b'\xff\xfe'), bytearray)
        }
    }

    test "a __del__ that calls execute" -needs python {
        r SET k v
        run_harmless {
class D:
    def __del__(self): execute('incr', 'deleted')
def f(r):
    D()
    return D()
GB('KeysOnlyReader').map(f).map(lambda d: 1).run('k')
        }
        expect [r GET deleted] 2
        # Garbage in cycles, and what lives as long as its plan.
        expect_harmless OK {
import gc
class D:
    def __del__(self): execute('incr', 'deleted')
a, b = D(), D()
a.other, b.other = b, a
del a, b
gc.collect()
assert execute('get', 'deleted') == '4'
        }
        run_harmless {
class D:
    def __del__(self): execute('incr', 'deleted')
GB('KeysOnlyReader').map(lambda r, d=D(): 1).run('k')
        }
        wait_for {[r GET deleted] >= 5}
        # While results are made, an object may end that touches what is being read.
        run_harmless {
class D(list):
    def __del__(self): execute('flushall'); l.clear()
l = [D(), [D(), 1], 2]
def f(): yield l
GB('PythonReader').run(f, convertToStr=False)
        }
    }

    test "a __del__ without an end doesn't keep others from being stopped" -needs python {
        r SET k v
        foreach body {
            "while True: pass"
            "while True:\n            try:\n                while True: execute('incr', 'spin')\n            except BaseException: pass"
            "__import__('time').sleep(1000)"
            "with atomic():\n            while True: pass"
        } {
            # The object's end is the plan's end, which no client waits for.
            set reply [misuse [subst -nocommands {
class D:
    def __del__(self):
        execute('set', 'began', 1)
        $body
keep = D()
GB('KeysOnlyReader').map(lambda r, d=keep: 1).run('k')
            }]]
            expect $reply {array {{array {{bulk 1}}} {array {}}}}
            wait_for {![catch {r GET began} began] && $began == 1}
            r DEL began
            set c [start_endless {
def f():
    while True: yield 1
GB('PythonReader').filter(lambda x: False).run(f)
            } id]
            expect [r RG.ABORTEXECUTION $id] OK
            client::receive $c
            expect_unhurt
        }
        wait_for {[set a [r GET spin]; after 100; r GET spin] eq $a} -within 20000
    }

    test "records that change the list being read" -needs python {
        run_harmless {
l = []
class R:
    def __str__(self):
        l.clear()
        return 'r'
    __repr__ = __str__
    def __eq__(self, o):
        l.clear()
        return False
    def __hash__(self):
        l.append(1) if len(l) < 1000 else l.clear()
        return 1
    def __lt__(self, o):
        l.clear()
        return True
    def __bool__(self):
        l.clear()
        return False
def f():
    l[:] = [R() for i in range(100)]
    yield l
b = GB('PythonReader').flatmap(lambda r: r)
b.distinct().sort().run(f)
        }
        run_harmless {
class R:
    def __init__(self, l): self.l = l
    def __bool__(self):
        self.l.clear()
        return True
def f():
    l = []
    l.extend(R(l) for i in range(100))
    yield l
GB('PythonReader').flatmap(lambda r: r).filter(lambda r: r).countby(lambda r: 'x').run(f)
        }
        run_harmless {
class R:
    def __eq__(self, o): raise Exception('eq')
    def __hash__(self): return 7
def f():
    for i in range(10): yield R()
GB('PythonReader').distinct().run(f)
        }
    }

    test "generators that misbehave" -needs python {
        foreach body {
            "raise Exception('at once')"
            "yield 1\n    raise StopIteration"
            "g = execute.__self__\n    yield g\n    raise GeneratorExit"
            "try:\n        yield 1\n    finally:\n        raise Exception('at the end')"
            "with atomic():\n        yield 1\n        yield 2"
            "yield from range(10)\n    yield execute('no-such-command')"
            "import sys\n    yield 1\n    sys.exit(2)"
        } {
            run_harmless "
def f():
    $body
GB('PythonReader').run(f)
            "
        }
        # A generator that is read by itself, and one that nobody ends.
        run_harmless {
def f():
    global g
    try:
        yield 1
        yield 2
    except GeneratorExit:
        yield 3
GB('PythonReader').limit(1).run(f)
        }
        run_harmless {
def f():
    try:
        while True: yield 1
    finally:
        execute('set', 'closed', 1)
GB('PythonReader').limit(3).run(f)
        }
        wait_for {[r GET closed] == 1}
    }

    test "an atomic block inside of a generator is ended with its execution" -needs python {
        lassign [run_harmless {
def f():
    with atomic():
        yield 1
        yield 2
GB('PythonReader').limit(1).run(f)
        }] results errors
        expect $results 1
        expect_harmless OK {
b = atomic()
b.__enter__()
        }
        expect_refused "*Already inside an atomic block*" {
with atomic():
    with atomic():
        pass
        }
        expect_harmless OK {
b = atomic()
b.__exit__(None, None, None)
b.__exit__()
with atomic(): pass
with b: pass
        }
    }

    test "__str__ and __repr__ that recurse, or give what is no text" -needs python {
        foreach body {
            "return str(self)" "return repr(self)" "return 5" "return None" "return b'x'"
            "raise SystemExit" "raise MemoryError" "return '\\ud800'" "return 'x' * 10**7"
        } {
            misuse "
class A:
    def __str__(self): $body
    __repr__ = __str__
def f(): yield A()
GB('PythonReader').run(f)
            "
            misuse "
class A:
    def __str__(self): $body
    __repr__ = __str__
def f(): yield A()
GB('PythonReader').countby(lambda a: a).run(f)
            "
            misuse "
class A:
    def __str__(self): $body
    __repr__ = __str__
execute('set', 'k', A())
            "
        }
        expect_unhurt
    }

    test "arguments of the builder that aren't what they should be" -needs python {
        foreach {script pattern} {
            {GB().map(1)} "*map argument must be a function*"
            {GB().map(str)} "*map argument must be a function*"
            {GB().map(None)} "*map argument must be a function*"
            {GB().filter()} "*"
            {GB().limit('a')} "*limit argument must be a number*"
            {GB().limit(10**30)} "*OverflowError*"
            {GB(5)} "*reader argument must be a string*"
            {GB('NoReader')} "*The given reader does not exists*"
            {GB('CommandReader').run()} "*"
            {GB(desc=5)} "*"
            {GB('PythonReader').run('*')} "*pyreader argument must be a function*"
            {GB().run(5)} "*regex argument must be a string*"
            {GB().run(readValue=5)} "*readValue value is not boolean*"
            {GB().run(noScan=5)} "*exactMatch value is not boolean*"
            {GB().run(mode='sync')} "*unknown execution mode*"
            {GB().run(mode=5)} "*execution mode must be a string*"
            {GB().register('')} "*prefix*"
            {GB().register(5)} "*must be a string*"
            {GB().register(mode='no')} "*unknown execution mode*"
            {GB().register(eventTypes=5)} "*given eventTypes is not iterable*"
            {GB().register(eventTypes=[5])} "*given event type is not string*"
            {GB().register(keyTypes=5)} "*given keyTypes is not iterable*"
            {GB().register(keyTypes=[5])} "*given key type is not string*"
            {GB().register(keyTypes=['no'])} "*unknown key type*"
            {GB().register(onRegistered=5)} "*OnRegistered argument must be a function*"
            {GB('PythonReader').register()} "*does not support register*"
            {import threading
l = threading.Lock()
GB().map(lambda r: l).run()} "*Error occured when serialized a python callback, callback=<lambda>*"
            {GB().run()
GB().run()} "*Can not run more then 1 executions in a single script*"
            {execute(5)} "*the given command must be a string*"
            {execute('nosuchcommand')} "*No such file or directory*"
            {execute('get')} "*Invalid argument*"
            {log(5)} "*log message must be a string*"
            {log('x', 'loud')} "*log level*"
        } {
            set reply [misuse $script]
            expect [lindex $reply 0] error
            expect_match [lindex $reply 1] $pattern
        }
        expect_unhurt
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [r RG.DUMPEXECUTIONS] {}
    }

    test "event types without an end" -needs python {
        expect_refused "*too many*" {
import itertools
GB().register(eventTypes=itertools.repeat('set'))
        }
        expect_refused "*too many*" {
import itertools
GB().register(keyTypes=itertools.repeat('string'))
        }
    }

    test "the builder's native half with steps that don't fit" -needs python {
        foreach steps {
            {b._step('map')} {b._step('filter', None)} {b._step('fold', lambda a, r: 1)}
            {b._step('fold')} {b._step('extend')} {b._step('reduce', lambda k, v: 1)}
            {b._step('group')} {b._step('count_by_key')} {b._step('merge_by_key', lambda k, a, r: a, 0)}
            {b._step('extract')} {b._step('accumulate')} {b._step('sum')} {b._step('union')}
            {b._step('map', 5)} {b._step('map', lambda r: r, 5)} {b._step('fold', lambda a, r: r, 5, 'x')}
            {b._step('nonsense')} {b._step()} {b._step(5)} {b._step('limit', None, None, -5)}
            {b._step('extract_key')} {b._step('sum_by_key')} {b._step('sorted')} {b._step('list_of')}
            {b._step('extract', lambda r: r)} {b._step('flatmap')} {b._step('to_py')}
            {b._step('reduce', lambda k, v: 1)._step('reduce', lambda k, v: 1)}
            {b._function()} {b._function('x', 5)} {b._step('append')._step('fold_by_key')}
            {b._step('foreach')} {b._step('flatmap_fn')} {b._step('add')._step('extend')._step('value')}
        } {
            misuse "
import redisgears
b = redisgears.PyFlatExecution('PythonReader')
def f():
    yield object()
    yield {}
    yield \[1\]
$steps
b.run(f)
            "
        }
        expect_unhurt
    }
}
