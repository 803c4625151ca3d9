# SPDX-License-Identifier: BSD-3-Clause
#
# The operations of the builder, their order of evaluation, and the readers.

tags quick

# Runs python statements; the last one is expected to call run().
proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

# What operations make of a list of numbers given to a PythonReader: the results.
proc over {numbers operations args} {
    set list \[[join $numbers ,]\]
    lassign [py "GB('PythonReader')$operations.run(lambda: (i for i in $list) [join $args])"] \
        results errors
    expect $errors {}
    return $results
}

with_server {} {
    test "map, filter, flatmap, foreach" -needs python {
        expect [over {1 2 3} ".map(lambda x: x * 10)"] {10 20 30}
        expect [over {1 2 3 4} ".filter(lambda x: x % 2)"] {1 3}
        expect [over {1 2 3 4} ".filter(lambda x: \[\])"] {}
        expect [over {1 2} ".flatmap(lambda x: \[x, x * 10, x * 100\])"] {100 10 1 200 20 2}
        expect [over {1 2} ".flatmap(lambda x: x)"] {1 2}
        expect [over {1 2} ".flatmap(lambda x: (x, x))"] {{(1, 1)} {(2, 2)}}
        expect [over {1 2} ".flatmap(lambda x: \[\])"] {}
        expect [over {1 2 3} ".foreach(lambda x: execute('RPUSH' if False else 'INCRBY', 'sum', x))"] \
            {1 2 3}
        expect [r GET sum] 6
    }

    test "limit" -needs python {
        expect [over {1 2 3 4 5} ".limit(2)"] {1 2}
        expect [over {1 2 3 4 5} ".limit(2, 1)"] {2 3}
        expect [over {1 2 3 4 5} ".limit(0)"] {}
        expect [over {1 2 3 4 5} ".limit(10, 4)"] 5
        expect [over {1 2 3 4 5} ".limit(2, 9)"] {}
        expect [over {0} ".flatmap(lambda x: \[5, 4, 3, 2, 1\]).limit(1, 3)"] 4
        expect [over {1 2 3 4 5} ".limit(9223372036854775807, 9223372036854775807)"] {}
    }

    test "a limit stops the reader, and what only it would see" -needs python {
        over {1 2 3 4 5} ".foreach(lambda x: execute('INCR', 'read')).limit(2)"
        expect [r GET read] 2
        over {1 2 3 4 5} ".foreach(lambda x: execute('INCR', 'none')).limit(0)"
        expect [r GET none] (nil)
        over {0} ".flatmap(lambda x: \[3, 2, 1\]).foreach(lambda x: execute('INCR', 'spread'))\
            .limit(2)"
        expect [r GET spread] 2
        expect [py "def f():" "  while True: yield 1" "GB('PythonReader').limit(3).run(f)"] \
            {{1 1 1} {}}
    }

    test "accumulate, aggregate, count, avg" -needs python {
        expect [over {1 2 3} ".accumulate(lambda a, x: (a or 0) + x)"] 6
        expect [over {} ".accumulate(lambda a, x: 1)"] {}
        expect [over {1 2 3} ".aggregate(0, lambda a, x: a + x, lambda a, x: a + x)"] 6
        expect [over {1 2 3} ".aggregate(\[\], lambda a, x: a + \[x\], lambda a, x: a + x)"] \
            {{[1, 2, 3]}}
        expect [over {1 2 3} ".count()"] 3
        expect [over {} ".count()"] {}
        expect [over {1 2 4} ".avg()"] 2.3333333333333335
        expect [over {1 2} ".avg(lambda x: x * 10)"] 15.0
        expect [over {1 2 3} ".count().map(lambda x: x + 1)"] 4
    }

    test "a false accumulator is zero anew" -needs python {
        # 10+1=11, 11-11=0, which is false: 10+5
        expect [over {1 -11 5} ".aggregate(10, lambda a, x: a + x, lambda a, x: x)"] 15
        expect [over {1 -11 5} ".aggregateby(lambda x: 'k', 10, lambda k, a, x: a + x,\
            lambda k, a, x: x)"] [list "{'key': 'k', 'value': 15}"]
        # and it is a copy: a list that grows doesn't grow the next key's
        expect_set [over {1 2 3} ".aggregateby(lambda x: x % 2, \[\],\
            lambda k, a, x: a.append(x) or a, lambda k, a, x: a + x)"] \
            [list "{'key': '1', 'value': \[1, 3\]}" "{'key': '0', 'value': \[2\]}"]
    }

    test "grouping" -needs python {
        set reducer "lambda k, a, x: (a or 0) + x"
        foreach op {groupby localgroupby} {
            expect_set [over {1 2 3 4} ".${op}(lambda x: x % 2, $reducer)"] \
                [list "{'key': '0', 'value': 6}" "{'key': '1', 'value': 4}"]
        }
        expect_set [over {1 2 3} ".batchgroupby(lambda x: str(x % 2), lambda k, l: l)"] \
            [list "{'key': '1', 'value': \[1, 3\]}" "{'key': '0', 'value': \[2\]}"]
        expect_set [over {1 2 3} ".countby(lambda x: x % 2)"] \
            [list "{'key': '1', 'value': 2}" "{'key': '0', 'value': 1}"]
        expect_set [over {1 2 1} ".countby()"] \
            [list "{'key': '1', 'value': 2}" "{'key': '2', 'value': 1}"]
        expect_set [over {1 2 1} ".countby().map(lambda r: (r\['key'\], r\['value'\]))"] \
            [list "('1', 2)" "('2', 1)"]
        expect [over {1} ".groupby(lambda x: (x, b'y'), lambda k, a, r: k)"] \
            [list "{'key': \"(1, b'y')\", 'value': \"(1, b'y')\"}"]
        expect [over {} ".countby()"] {}
    }

    test "sort, distinct, repartition, collect" -needs python {
        expect [over {3 1 2} ".sort()"] {1 2 3}
        expect [over {3 1 2} ".sort(reverse=False)"] {3 2 1}
        expect_set [over {3 1 3 2 1} ".distinct()"] {1 2 3}
        expect [over {3 1 2} ".repartition(lambda x: x).collect()"] {3 1 2}
        lassign [py "GB('PythonReader').sort().run(lambda: (i for i in \[1, 'a'\]))"] results errors
        expect $results {}
        expect_match $errors {*TypeError*}
        lassign [py "GB('PythonReader').distinct().run(lambda: (i for i in \[\[\]\]))"] results errors
        expect $results {}
        expect_match $errors {*unhashable*}
    }

    test "each record passes all steps before the next is read" -needs python {
        py "GB('PythonReader').foreach(lambda x: execute('APPEND', 'log', 'a%d' % x))\
            .foreach(lambda x: execute('APPEND', 'log', 'b%d' % x)).sort()\
            .foreach(lambda x: execute('APPEND', 'log', 'c%d' % x)).run(lambda: (i for i in \[2, 1\]))"
        expect [r GET log] a2b2a1b1c1c2
    }

    test "an error stops the reader, not the records that were read" -needs python {
        lassign [py "def bad(x):" "  execute('INCR', 'seen')" "  if x == 2: raise ValueError(x)" \
            "  return x" "GB('PythonReader').map(bad).run(lambda: (i for i in \[1, 2, 3, 4\]))"] \
            results errors
        expect $results 1
        expect [llength $errors] 1
        expect [r GET seen] 2
        lassign [py "def bad(x):" "  if x == 2: raise ValueError(x)" "  return x" \
            "GB('PythonReader').flatmap(lambda l: l).map(bad).count()\
            .run(lambda: (i for i in \[\[1, 2, 3\], \[4\]\]))"] results errors
        expect $results 2
        expect [llength $errors] 1
    }

    test "arguments of the builder" -needs python {
        foreach op {map filter foreach flatmap accumulate} {
            foreach bad {1 int len "'x'" "print"} {
                expect_error "*gears.error: $op argument must be a function*" {py "GB().${op}($bad)"}
            }
            expect_error "*wrong number of args to $op function*" {py "GB().gearsCtx.${op}()"}
        }
        expect_error "*extractor argument must be a function*" {py "GB().repartition(1)"}
        expect_error "*reducer argument must be a function*" {py "GB().groupby(lambda x: x, 1)"}
        expect_error "*The given reader does not exists*" {py "GB('NoReader')"}
        expect_error "*reader argument must be a string*" {py "GB(1)"}
        expect_error "*desc argument must be a string*" {py "GB(desc=1)"}
        expect_error "*regex argument must be a string*" {py "GB().run(1)"}
        expect_error "*exactMatch value is not boolean*" {py "GB().run('x', noScan=1)"}
        expect_error "*readValue value is not boolean*" {py "GB().run('x', readValue=1)"}
        expect_error "*pyreader argument must be a function*" {py "GB('PythonReader').run('x')"}
        expect_error "*unknown execution mode*" {py "GB().run(mode='sync')"}
        expect_error "*execution mode must be a string*" {py "GB().run(mode=1)"}
        expect_error "*Error occured when serialized a python callback, callback=<lambda> error=*" {
            py "import threading" "l = threading.Lock()" "GB().map(lambda x: l).run()"
        }
    }

    test "callbacks have their own copy of the globals they refer to" -needs python {
        expect [py "n = \[0\]" "def f(x):" "  n\[0\] += 1" "  return n\[0\]" \
            "b = GB('PythonReader').map(f).run(lambda: (i for i in \[1, 1\]))" "n\[0\] = 100"] \
            {{1 2} {}}
        expect [py "def helper(x): return x + 1" "def f(x): return helper(helper(x))" \
            "GB('PythonReader').map(f).run(lambda: (i for i in \[1\]))"] {3 {}}
    }

    test "names in the globals of a script" -needs python {
        set names {GearsBuilder GB execute atomic hashtag log configGet gearsConfigGet flat_error
            gearsCtx isInAtomicBlock isAsyncAllow redisgears rg copy PyFlatExecution dumps loads}
        expect [py "missing = \[n for n in '''$names'''.split() if n not in globals()\]" \
            "assert not missing, missing" "assert __name__ == 'not_main'" \
            "assert rg is redisgears" "import redisgears as r2" \
            "assert r2.executeCommand is execute" "assert hashtag() == '06S'" \
            "assert not isInAtomicBlock()" "with atomic(): assert isInAtomicBlock()"] OK
    }
}

with_server {} {
    test "KeysReader: types and values" -needs python {
        r SET s text
        r SET n 12345
        r SET b "\xff\xfe"
        r HSET h f1 v1 f2 "\xff"
        r SADD set m
        expect_set [lindex [py "GB().run()"] 0] [list \
            "{'event': None, 'key': 's', 'type': 'string', 'value': 'text'}" \
            "{'event': None, 'key': 'n', 'type': 'string', 'value': '12345'}" \
            "{'event': None, 'key': 'b', 'type': 'string', 'value': bytearray(b'\\xff\\xfe')}" \
            "{'event': None, 'key': 'h', 'type': 'hash',\
                'value': {'f1': 'v1', 'f2': bytearray(b'\\xff')}}" \
            "{'event': None, 'key': 'set', 'type': 'set', 'value': None}"]
        expect [py "GB().run('s', readValue=False)"] [list [list "{'event': None, 'key': 's'}"] {}]
    }

    test "KeysReader: patterns and exact keys" -needs python {
        foreach key {user:1 user:2 item:1} {
            r SET $key x
        }
        set keys ".map(lambda r: r\['key'\])"
        expect_set [lindex [py "GB()$keys.run('user:*')"] 0] {user:1 user:2}
        expect_set [lindex [py "GB()$keys.run('*:1')"] 0] {user:1 item:1}
        expect [py "GB()$keys.run('item:1')"] {item:1 {}}
        expect [py "GB()$keys.run('nothing')"] {{} {}}
        expect_set [lindex [py "GB(defaultArg='user:*')$keys.run()"] 0] {user:1 user:2}
        expect [py "GB().run('nothing', noScan=True)"] \
            [list [list "{'event': None, 'key': 'nothing', 'type': 'empty', 'value': None}"] {}]
        expect [py "GB()$keys.run('user:*', noScan=True)"] {user:* {}}
    }

    test "KeysOnlyReader" -needs python {
        foreach key {x y z} {
            r SET $key 1
        }
        expect [py "GB('KeysOnlyReader').sort().run()"] {{x y z} {}}
        expect [py "GB('KeysOnlyReader').run('y')"] {y {}}
        expect [py "GB('KeysOnlyReader').run('no', noScan=True)"] {{} {}}
        expect [py "GB('KeysOnlyReader').run('y', noScan=True)"] {y {}}
        expect [py "GB('KeysOnlyReader').sort().run(patternGenerator=lambda: ('\[xy\]', False))"] \
            {{x y} {}}
        expect [py "GB('KeysOnlyReader').run(patternGenerator=lambda: ('z', True))"] {z {}}
        expect_match [py "GB('KeysOnlyReader').run(patternGenerator=lambda: 1)"] \
            {{} *patternGenerator*}
        expect [py "b = GB('KeysOnlyReader')" "assert b.reader == 'PythonReader'" \
            "assert b.realReader == 'KeysOnlyReader'"] OK
    }

    test "many keys, counted in every way" -needs python {
        r DEBUG POPULATE 20000 key 10
        expect [py "GB('KeysOnlyReader').count().run()"] {20000 {}}
        expect [py "GB().count().run()"] {20000 {}}
        expect [py "GB('KeysOnlyReader').map(lambda k: k).distinct().count().run()"] {20000 {}}
        expect [py "GB().map(lambda r: r\['value'\]\[:5\]).countby().run()"] \
            [list [list "{'key': 'value', 'value': 20000}"] {}]
        expect [py "GB('KeysOnlyReader').count().run('key:1*')"] {11111 {}}
    }

    test "keys whose time has come are no records" -needs python {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET gone x PX 1
        r SET stays x EX 1000
        wait_for {[r DBSIZE] == 2 && [r EXISTS gone] == 0}
        expect [py "GB('KeysOnlyReader').run()"] {stays {}}
        expect [py "GB('KeysOnlyReader').count().run()"] {1 {}}
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "PythonReader without a generator is called until it raises" -needs python {
        lassign [py "n = \[0\]" "def f():" "  n\[0\] += 1" "  if n\[0\] > 3: raise ValueError('end')" \
            "  return n\[0\]" "GB('PythonReader').run(f)"] results errors
        expect $results {1 2 3}
        expect_match $errors {*ValueError: end*}
    }

    test "a reader without an end is bounded" -needs python {
        with_config {gears-max-records 1000} {
            lassign [py "GB('PythonReader').count().run(lambda: 1)"] results errors
            expect $results 1000
            expect_match $errors "*more than 1000 records (gears-max-records)*"
        }
        with_config {gears-max-memory 50mb} {
            lassign [py "GB('PythonReader').map(lambda x: \[x\] * 1000).sort().run(lambda: 1)"] \
                results errors
            expect_match [lindex $errors 0] {*MemoryError*}
            lassign [py "GB('PythonReader').map(lambda x: 'x' * 100000).run(lambda: 1)"] \
                results errors
            expect_match [lindex $errors 0] {*larger than gears-max-memory*}
        }
        expect [py "1"] OK
    }

    test "ShardsIDReader" -needs python {
        expect [py "GB('ShardsIDReader').run()"] {1 {}}
    }
}

with_server {} {
    test "execute: arguments and replies" -needs python {
        expect [py "assert execute('SET', 'k', 12) == 'OK'" "assert execute('get', 'k') == '12'" \
            "assert execute('GET', 'none') is None" "assert execute('INCR', 'k') == 13" \
            "assert execute('SET', b'\\xff', bytearray(b'\\x00\\xfe')) == 'OK'" \
            "assert execute('GET', b'\\xff') == bytearray(b'\\x00\\xfe')" \
            "assert execute('HSET', 'h', 'a', 1.5, 'b', None) == 2" \
            "assert execute('HGETALL', 'h') == \['a', '1.5', 'b', 'None'\]" \
            "assert execute('MGET', 'k', 'none') == \['13', None\]" "assert execute() == \[\]" \
            "assert execute('ECHO', '') == ''" \
            "assert execute('MGET', *('x' for _ in range(1000))) == \[None\] * 1000"] OK
        expect [r GET "\xff"] "\0\xfe"
    }

    test "execute: errors" -needs python {
        expect_error {*gears.error: WRONGTYPE Operation*} {py "execute('SADD', 's', 1)" "execute('GET', 's')"}
        expect_error {*gears.error: No such file or directory*} {py "execute('nosuchcommand')"}
        expect_error {*gears.error: Invalid argument*} {py "execute('GET')"}
        expect_error {*gears.error: the given command must be a string*} {py "execute(1)"}
        foreach command {MULTI "SHUTDOWN" "DEBUG', 'SLEEP', '1" "RG.PYEXECUTE', '1"} {
            expect_error {*gears.error: ERR This Redis command is not allowed from script*} {
                py "execute('$command')"
            }
        }
        expect [py "try:" "  execute('GET', 's')" "except Exception as e:" \
            "  assert type(e).__name__ == 'error', type(e)"] OK
    }

    test "execute: commands that wait find something at once or nothing" -needs python {
        foreach words {
            "'BLPOP', 'no', 0" "'BRPOP', 'no', 'other', 0.5" "'BLMOVE', 'no', 'to', 'LEFT', 'LEFT', 0"
            "'BRPOPLPUSH', 'no', 'to', 0" "'BZPOPMIN', 'no', 0" "'BZPOPMAX', 'no', 0"
            "'BLMPOP', 0, 1, 'no', 'LEFT'" "'BZMPOP', 0, 1, 'no', 'MIN'"
            "'XREAD', 'BLOCK', 0, 'STREAMS', 'no', '$'"
        } {
            expect [over 1 ".map(lambda x: execute($words))"] None
        }
        r RPUSH l a b c
        r ZADD z 1 m
        expect [over 1 ".map(lambda x: execute('BLPOP', 'l', 0))"] {{['l', 'a']}}
        expect [over 1 ".map(lambda x: execute('BLMOVE', 'l', 'to', 'LEFT', 'LEFT', 0))"] b
        expect [over 1 ".map(lambda x: execute('BZPOPMIN', 'z', 0))"] {{['z', 'm', '1']}}
        expect [r LRANGE l 0 -1] c
        expect [r EXISTS z] 0
        expect_error {*ERR timeout is negative*} {py "execute('BLPOP', 'l', -1)"}
        expect_error {*WRONGTYPE*} {py "execute('SET', 's', 1)" "execute('BLPOP', 's', 0)"}
    }

    test "execute: CONFIG GET and ACL WHOAMI" -needs python {
        expect [over 1 ".map(lambda x: execute('CONFIG', 'GET', 'port')\[1\])"] [srv port]
        expect [over 1 ".map(lambda x: execute('ACL', 'WHOAMI'))"] default
        foreach command {"CONFIG', 'SET', 'hz', '10" "CONFIG', 'REWRITE" "ACL', 'SETUSER', 'u" "CLIENT', 'LIST"} {
            expect_error {*gears.error: ERR This Redis command is not allowed from script*} {
                py "execute('$command')"
            }
        }
    }

    test "atomic" -needs python {
        expect [py "with atomic():" "  execute('SET', 'a', 1)" "  assert isInAtomicBlock()" \
            "  execute('INCR', 'a')" "assert not isInAtomicBlock()"] OK
        expect [r GET a] 2
        expect_error {*Already inside an atomic block*} {py "with atomic():" "  with atomic(): pass"}
        expect_error {*ValueError: x*} {py "with atomic():" "  raise ValueError('x')"}
        expect [r INCR a] 3
        # a generator that never comes back out of its block doesn't keep the data
        expect [py "def f():" "  with atomic():" "    yield 1" "GB('PythonReader').limit(1).run(f)"] \
            {1 {}}
        expect [r INCR a] 4
    }

    test "scripts of several clients at once" -needs python -tags threads {
        set clients {}
        for {set i 0} {$i < 6} {incr i} {
            lappend clients [client]
        }
        foreach c $clients {
            client::send $c RG.PYEXECUTE "def f(x):\n  for i in range(500): execute('INCR', 'n')\n\
                \nGB('ShardsIDReader').foreach(f).run()"
            client::flush $c
        }
        for {set i 0} {$i < 300} {incr i} {
            r INCR n
        }
        foreach c $clients {
            expect [client::receive $c] {1 {}}
        }
        expect [r GET n] 3300
    }

    test "a step's run is an execution of its own" -needs python {
        expect [py "def f(x):" "  GB('ShardsIDReader').foreach(lambda y: execute('SET', 'inner', y)).run()" \
            "GB('ShardsIDReader').foreach(f).run()"] {1 {}}
        wait_for {[r GET inner] eq "1"}
        wait_for {[r RG.DUMPEXECUTIONS] eq ""}
    }
}
