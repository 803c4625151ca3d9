# SPDX-License-Identifier: BSD-3-Clause
#
# What runs on a thread in the middle of something else: a sync registration that a script's own
# command sets off. What runs outside of it finds everything as it was.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc start_over {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] abortpending }
}

# A registration that opens atomic blocks of its own in the middle of others' commands.
set inner {
def inner(r):
    execute('lpush', 'inside', str(isInAtomicBlock()))
    with atomic():
        execute('lpush', 'inside', str(isInAtomicBlock()))
        execute('incr', 'n')
    execute('lpush', 'inside', str(isInAtomicBlock()))
GB().foreach(inner).register('outer*', mode='sync', readValue=False)
}

with_server {} {
    test "an atomic block sets it off at its end" -needs python {
        r RG.PYEXECUTE $inner
        expect [py {
def outer(r):
    with atomic():
        execute('set', 'outer', '1')
        execute('set', 'outer', '2')
        within = (isInAtomicBlock(), execute('get', 'n'))
    return within, isInAtomicBlock(), execute('get', 'n')
GB('ShardsIDReader').map(outer).run()
}] {{{((True, None), False, '2')}} {}}
        expect [r LRANGE inside 0 -1] {False True False False True False}
        start_over
    }

    test "nobody gets in between, whatever runs within" -needs python {
        r RG.PYEXECUTE $inner
        set clients {}
        for {set i 0} {$i < 4} {incr i} { lappend clients [client] }
        foreach c $clients {
            for {set i 0} {$i < 500} {incr i} { client::send $c INCR theirs }
            client::flush $c
        }
        expect [py {
def outer(r):
    with atomic():
        before = execute('get', 'theirs')
        for i in range(20): execute('set', 'outer', i)
        return execute('get', 'theirs') == before
def many():
    for i in range(50): yield i
GB('PythonReader').map(outer).countby(lambda x: x).run(many)
}] {{{{'key': 'True', 'value': 50}}} {}}
        foreach c $clients {
            for {set i 0} {$i < 500} {incr i} { client::receive $c }
            client::close $c
        }
        expect [r GET theirs] 2000
        start_over
    }

    test "limits, sessions and depth are back behind it" -needs python {
        py "def inner(r):
    big = \[0\] * (4 << 20)
    execute('set', 'session', 'inner')
GB().foreach(inner).register('outer', mode='sync', readValue=False)"
        # What the inner one allocates is its own.
        expect [r RG.PYEXECUTE {
def outer(r):
    before = getGearsSession()
    execute('set', 'outer', '1')
    return before is getGearsSession()
GB('ShardsIDReader').map(outer).run()} LIMITS memory 8mb] {True {}}
        # What the outer one allocated before still counts behind it.
        set got [r RG.PYEXECUTE {
def outer(r):
    first = bytearray(6 << 20)
    execute('set', 'outer', '1')
    return bytearray(6 << 20)
GB('ShardsIDReader').map(outer).run()} LIMITS memory 8mb]
        expect_match $got "*Limit met: its Python took more than 8388608 bytes*"
        start_over
    }

    test "a coroutine's command sets one off" -needs python {
        r RG.PYEXECUTE $inner
        expect [py {
import asyncio
async def outer(r):
    execute('set', 'outer', '1')
    await asyncio.sleep(0)
    execute('set', 'outer', '2')
    with atomic():
        execute('set', 'outer', '3')
        first = isInAtomicBlock()
    return (first, isInAtomicBlock(), execute('get', 'n'))
GB('ShardsIDReader').map(outer).run()
}] {{{(True, False, '3')}} {}}
        start_over
    }

    test "a limit of an outer atomic block outlasts the inner one" -needs python {
        r RG.PYEXECUTE $inner
        expect_match [r RG.PYEXECUTE {
import time
def outer(r):
    with atomic():
        execute('set', 'outer', '1')
        while True: time.sleep(0.01)
GB('ShardsIDReader').map(outer).run()
} LIMITS atomic-time 60] "*Limit met: its atomic block took longer than 60 ms*"
        expect [r GET n] 1
        start_over
    }
}
