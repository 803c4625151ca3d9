# SPDX-License-Identifier: BSD-3-Clause
#
# Results by pages (RG.GETRESULTS … CURSOR) and with types (RG.PYEXECUTE … NATIVE).

tags quick

# Starts a script and returns its execution's id when it has ended.
proc run_kept {script args} {
    set id [r RG.PYEXECUTE $script UNBLOCKING {*}$args]
    r RG.GETRESULTSBLOCKING $id
    return $id
}

# All pages of an execution: {results errors number-of-pages}.
proc pages {id count} {
    set results {}
    set errors {}
    set cursor 0
    set pages 0
    while 1 {
        lassign [r RG.GETRESULTS $id CURSOR $cursor COUNT $count] cursor some failed
        expect_true {[llength $some] + [llength $failed] <= $count}
        lappend results {*}$some
        lappend errors {*}$failed
        incr pages
        if {$cursor eq "0"} break
    }
    list $results $errors $pages
}

set mixed {
def f(x):
    if x % 3 == 0: raise flat_error('no %d' % x)
    return [x, [x, [str(x)]]] if x % 2 else x
}

with_server {} {
    test "results by pages" -needs python -resp {2 3} {
        set id [run_kept $mixed\nGB('PythonReader').flatmap(lambda\ x:\ list(range(20))).map(f).run(lambda:\ (i\ for\ i\ in\ \[0\]),\ convertToStr=False)]
        lassign [r RG.GETRESULTS $id] results errors
        expect [llength $results] 13
        expect [llength $errors] 7
        foreach count {1 2 3 5 7 13 14 19 20 21 1000 9223372036854775807} {
            set wanted [expr {$count > 20 ? 1 : (20 + $count - 1) / $count}]
            expect [pages $id $count] [list $results $errors $wanted]
        }
        expect [lrange [r RG.GETRESULTS $id CURSOR 0] 0 end] [list 0 $results $errors]
    }

    test "any page, in any order" -needs python {
        set id [run_kept "GB('PythonReader').run(lambda: (i for i in range(100)))"]
        for {set i 0} {$i < 200} {incr i} {
            set from [rand_int 110]
            set count [expr {1 + [rand_int 30]}]
            lassign [r RG.GETRESULTS $id CURSOR $from COUNT $count] next results errors
            set wanted {}
            for {set n $from} {$n < $from + $count && $n < 100} {incr n} {lappend wanted $n}
            expect $results $wanted
            expect $errors {}
            expect $next [expr {$from + $count >= 100 ? 0 : $from + $count}]
        }
        expect [r RG.GETRESULTS $id CURSOR 18446744073709551615] {0 {} {}}
    }

    test "pages: shapes" -needs python -resp {2 3} {
        set id [run_kept "GB('PythonReader').run(lambda: (i for i in range(2)))"]
        expect [rt RG.GETRESULTS $id CURSOR 0 COUNT 1] \
            {array {{bulk 1} {array {{bulk 0}}} {array {}}}}
        set id [run_kept "GB('KeysReader').run('nothing')"]
        expect [rt RG.GETRESULTS $id CURSOR 0] {array {{bulk 0} {array {}} {array {}}}}
    }

    test "pages: misuse" -needs python {
        set id [run_kept "GB('ShardsIDReader').run()"]
        expect_error "ERR invalid cursor" {r RG.GETRESULTS $id CURSOR x}
        expect_error "ERR invalid cursor" {r RG.GETRESULTS $id CURSOR -1}
        expect_error "ERR invalid cursor" {r RG.GETRESULTS $id CURSOR 18446744073709551616}
        expect_error "ERR syntax error" {r RG.GETRESULTS $id CURSOR}
        expect_error "ERR syntax error" {r RG.GETRESULTS $id PAGE 0}
        expect_error "ERR syntax error" {r RG.GETRESULTS $id CURSOR 0 COUNT}
        expect_error "ERR syntax error" {r RG.GETRESULTS $id CURSOR 0 LIMIT 1}
        expect_error "ERR value is out of range, must be positive" {
            r RG.GETRESULTS $id CURSOR 0 COUNT 0
        }
        expect_error "ERR value is *" {r RG.GETRESULTS $id CURSOR 0 COUNT x}
        expect_error "ERR wrong number of arguments for 'rg.getresults' command" {r RG.GETRESULTS}
        expect_error "execution plan does not exist" {r RG.GETRESULTS none CURSOR 0}
        set id [r RG.PYEXECUTE "import time\nGB('ShardsIDReader').map(lambda x:\
            time.sleep(100)).run()" UNBLOCKING]
        expect_error "execution is still running" {r RG.GETRESULTS $id CURSOR 0}
        expect [r RG.ABORTEXECUTION $id] OK
    }

    # A value of Python under both protocols: what a client gets with NATIVE.
    foreach {value resp2 resp3} {
        1                     {int 1}                  {int 1}
        -2**63                {int -9223372036854775808} {int -9223372036854775808}
        2**63                 {bulk 9223372036854775808} {big 9223372036854775808}
        -2**70                {bulk -1180591620717411303424} {big -1180591620717411303424}
        2.5                   {bulk 2.5}               {double 2.5}
        0.1                   {bulk 0.10000000000000001} {double 0.10000000000000001}
        float('inf')          {bulk inf}               {double inf}
        True                  {int 1}                  {bool t}
        False                 {int 0}                  {bool f}
        None                  {null_bulk}              {null}
        'text'                {bulk text}              {bulk text}
        ''                    {bulk {}}                {bulk {}}
        '+OK'                 {bulk +OK}               {bulk +OK}
        '-ERR'                {bulk -ERR}              {bulk -ERR}
        b'-by'                {bulk -by}               {bulk -by}
        bytearray(b'ab')      {bulk ab}                {bulk ab}
        [1,None]              {array {{int 1} null_bulk}} {array {{int 1} null}}
        (1,(2,))              {array {{int 1} {array {{int 2}}}}} {array {{int 1} {array {{int 2}}}}}
        ()                    {array {}}               {array {}}
        {{}}                  {array {}}               {map {}}
        {{'a':1}}             {array {{bulk a} {int 1}}} {map {{bulk a} {int 1}}}
        {{(1,):{'b':[True]}}} {array {{array {{int 1}}} {array {{bulk b} {array {{int 1}}}}}}}
                              {map {{array {{int 1}}} {map {{bulk b} {array {{bool t}}}}}}}
        {{7}}                 {array {{int 7}}}        {set {{int 7}}}
        frozenset([7])        {array {{int 7}}}        {set {{int 7}}}
        set()                 {array {}}               {set {}}
        object()              {bulk {PY RECORD}}       {bulk {PY RECORD}}
    } {
        test "NATIVE: $value" -needs python -resp {2 3} {
            set want [expr {[resp] == 3 ? $resp3 : $resp2}]
            expect [rt RG.PYEXECUTE "GB('ShardsIDReader').map(lambda x: $value).run()" NATIVE] \
                [list array [list [list array [list $want]] {array {}}]]
            # and at any later time
            set id [run_kept "GB('ShardsIDReader').map(lambda x: $value).run()" native]
            expect [rt RG.GETRESULTS $id CURSOR 0] \
                [list array [list {bulk 0} [list array [list $want]] {array {}}]]
        }
    }

    test "NATIVE and str()" -needs python -resp {2 3} {
        set script "GB('ShardsIDReader').map(lambda x: \[1.5, None\]).run"
        expect [r RG.PYEXECUTE $script\(convertToStr=True) NATIVE] {{{[1.5, None]}} {}}
        expect [r RG.PYEXECUTE $script\(convertToStr=False) NATIVE] {{{1.5 (nil)}} {}}
        expect [r RG.PYEXECUTE $script\()] {{{[1.5, None]}} {}}
        expect [r RG.PYEXECUTE $script\(convertToStr=False)] {{{1.500000 {PY RECORD}}} {}}
        expect [r RG.PYEXECUTE $script\(None,\ True) NATIVE] {{{[1.5, None]}} {}}
    }

    test "NATIVE: registrations of the program" -needs python -resp {2 3} {
        r RG.PYEXECUTE "GB('CommandReader').map(lambda x: {x\[1\]: None}).register(trigger='a')
GB('CommandReader').map(lambda x: {x\[1\]: None}).register(trigger='s', mode='sync')" NATIVE
        set want [expr {[resp] == 3 ? {array {{map {{bulk k} null}}}}
                                    : {array {{array {{bulk k} null_bulk}}}}}]
        expect [rt RG.TRIGGER a k] $want
        expect [rt RG.TRIGGER s k] $want
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "NATIVE: values that don't behave" -needs python {
        set script {
class D(dict):
    def __iter__(self): raise ValueError('no')
    def items(self): raise ValueError('no')
class S(set):
    def __iter__(self): raise ValueError('no')
class T(tuple):
    def __len__(self): return 100
    def __getitem__(self, i): raise ValueError('no')
GB('ShardsIDReader').map(lambda x: [D(a=1), S([2]), T((3,))]).run()
}
        expect [r RG.PYEXECUTE $script NATIVE] {{{{a 1} 2 3}} {}}
        foreach nest {"\[x\]" "(x,)" "{1: x}" "{'k': x, 2: 3}" "frozenset(\[x\])"} {
            lassign [r RG.PYEXECUTE "def f(x):\n  for i in range(100000): x = $nest\n  return x
GB('ShardsIDReader').map(f).run()" NATIVE LIMITS time 20000] results errors
            expect $results {}
            expect [llength $errors] 1
        }
        # a dictionary that contains itself
        lassign [r RG.PYEXECUTE "def f(x):\n  d = {}\n  d\[1\] = d\n  return d
GB('ShardsIDReader').map(f).run()" NATIVE] results errors
        expect_match $errors "*nested more than*"
        # more than may be
        lassign [r RG.PYEXECUTE "def f(x):\n  d = {}\n  for i in range(60): d = {1: d, 2: d}
  return d\nGB('ShardsIDReader').map(f).run()" NATIVE LIMITS result-bytes 1mb] results errors
        expect $results {}
        expect_match $errors "*take more than 1048576 bytes (gears-max-result-bytes)*"
    }

    # Most texts are made without Python: they must be what str() gives.
    test "the text of a result is str() of it" -needs python {
        set records {
def records():
    import random
    chance = random.Random(SEED)
    odd = [chr(c) for c in range(128)] + list('\\\'"\t\n\r') * 8 + ['\xe9', '\x80', '\ud800', '\u20ac']
    for c in odd: yield {c: [c]}
    for size in range(80):
        for turn in range(6):
            plain = ['x'] * size
            for i in range(turn if size else 0): plain[chance.randrange(size)] = chance.choice(odd)
            yield (''.join(plain), {'k': ''.join(plain), 1: None}, [True, -5, 1.5])
        }
        set records [string map [list SEED [rand_int 1000000]] $records]
        lassign [r RG.PYEXECUTE "$records\nGB('PythonReader').run(records)"] made errors
        expect $errors {}
        lassign [r RG.PYEXECUTE "$records\nGB('PythonReader').map(lambda r: str(r)).run(records,\
            convertToStr=False)"] want errors
        expect $errors {}
        expect [llength $made] 660
        expect $made $want
    }
}
