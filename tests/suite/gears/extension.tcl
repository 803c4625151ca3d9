# SPDX-License-Identifier: BSD-3-Clause
#
# Readers, functions and languages written in C: tests/extension/example.c, built here.

tags quick

set sources [file normalize [file join [file dirname [info script]] ../../..]]
set folder [file normalize [file join $::server::root extension]]
file delete -force $folder
file mkdir $folder
set example [file join $folder example.so]
exec gcc -shared -fPIC -Wall -Wextra -Werror -I$sources/src/gears -o $example \
    $sources/tests/extension/example.c
exec gcc -shared -fPIC -o [file join $folder empty.so] -x c /dev/null

with_server [list gears-extension "$example hello"] {
    test "a reader of an extension" -needs python {
        expect [r RG.PYEXECUTE {GB('Squares').run('5')}] {{0 1 4 9 16} {}}
        expect [r RG.PYEXECUTE {GB('Squares').run('0')}] {{} {}}
        expect [r RG.PYEXECUTE {GB('Squares', defaultArg='3').filter(lambda r: r).run()}] {{1 4} {}}
        expect [r RG.PYEXECUTE {GB('Squares').run('x')}] \
            {{} {{Squares: the argument must be a number}}}
        lassign [r RG.PYEXECUTE {GB('Squares').filter(lambda r: False).run('2000000')}] got errors
        expect $errors {{Squares: that is enough}}
        expect [r RG.PYEXECUTE {GB('Squares').limit(2).run('2000000')}] {{0 1} {}}
        expect_error "*The given reader does not exists*" {r RG.PYEXECUTE {GB('Cubes').run('5')}}
        expect_error "*does not support register*" {r RG.PYEXECUTE {GB('Squares').register('x')}}
    }

    test "functions of an extension as callbacks" -needs python {
        foreach {script expected} {
            {GB('PythonReader').map(native('upper')).run(lambda: (w for w in ['a', 'bc']))}
            {{A BC} {}}
            {GB('PythonReader').filter(native('longer', 1)).run(lambda: (w for w in ['a', 'bc']))}
            {bc {}}
            {GB('PythonReader').flatmap(native('words')).map(lambda d: '%s@%d' % (d['word'], d['at'])).run(lambda: (w for w in ['to be or']))}
            {{or@6 be@3 to@0} {}}
            {GB('PythonReader').accumulate(native('joined')).run(lambda: (w for w in ['a', 'bc', 'd']))}
            {abcd {}}
            {GB('PythonReader').foreach(native('remember')).run(lambda: (w for w in ['this']))}
            {this {}}
            {GB('PythonReader').countby(native('upper')).map(lambda r: r['key'] + str(r['value'])).sort().run(lambda: (w for w in ['a', 'A', 'b']))}
            {{A2 B1} {}}
            {GB('PythonReader').map(native('sleeps', 10)).run(lambda: (w for w in [1, 2]))}
            {{1 2} {}}
        } {
            expect [r RG.PYEXECUTE $script] $expected
        }
        expect [r GET remembered] this
        expect [r RG.PYEXECUTE {
def one(): yield [None, True, 7, 1 << 70, 2.5, 'x', b'x', bytearray(b'\xff'), [], {}, ()]
GB('PythonReader').map(native('kinds')).map(lambda l: ' '.join(l)).run(one)
        }] {{{none bool integer integer number text text text list dict other}} {}}
    }

    test "functions that fail" -needs python {
        foreach {script expected} {
            {GB('PythonReader').map(native('upper')).run(lambda: (w for w in [1]))}
            {{} {{a text is needed}}}
            {GB('PythonReader').map(native('nothing')).run(lambda: (w for w in [1]))}
            {{} {{the native function nothing failed without a reason}}}
            {GB('PythonReader').map(native('both')).run(lambda: (w for w in [1]))}
            {{} {{this and that}}}
            {GB('PythonReader').filter(native('longer', 'x')).run(lambda: (w for w in ['a']))}
            {{} {{longer: than what?}}}
            {GB('PythonReader').map(native('upper')).run(lambda: (w for w in ['\ud800']))}
            {{} {{a text is needed}}}
        } {
            lassign [r RG.PYEXECUTE $script] results errors
            expect $results [lindex $expected 0]
            expect_match [lindex $errors 0] "*[lindex $expected 1 0]*"
        }
        foreach {call text} {
            {native('no')} {*no extension has a function 'no'*}
            {native(1)} {*no extension has a function 1*}
            {native('upper', [])} {*must be str, bytes, int or float*}
            {native('upper', bound=1)} {*no named arguments*}
            {native()} {*at least 1 argument*}
            {native('upper')('x', y=1)} {*no named arguments*}
        } {
            expect_error $text {r RG.PYEXECUTE $call}
        }
        expect [r RG.PYEXECUTE {
import pickle
f = pickle.loads(pickle.dumps(native('longer', 2)))
assert f('abc') and not f('ab') and f.__name__ == 'longer' and repr(f) == '<native longer 2>'
        }] OK
    }

    test "a function that doesn't end is stopped" -needs python {
        set c [client]
        set id [$c RG.PYEXECUTE {
GB('PythonReader').map(native('endless')).run(lambda: (w for w in [1]))
        } UNBLOCKING]
        wait_for {[string match *running* [r RG.DUMPEXECUTIONS]]}
        expect [r SET served yes] OK
        expect [r RG.ABORTEXECUTION $id] OK
        client::close $c
    }

    test "registrations with functions of an extension" -needs python {
        expect [r RG.PYEXECUTE {
GB().map(lambda r: r['value']).foreach(native('remember')).register('in:*', mode='sync', eventTypes=['set'])
        }] OK
        r SET in:1 heard
        expect [r GET remembered] heard
        foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
    }

    test "a language of an extension" -needs python {
        expect [r RG.EXECUTE pipe "Squares | filter big 3 | run 5"] {{4 9 16} {}}
        expect [r RG.EXECUTE pipe "Squares | count | run 100"] {100 {}}
        expect [r RG.EXECUTE pipe "Squares"] OK
        set id [r RG.EXECUTE pipe "Squares | run 3" UNBLOCKING]
        expect [r RG.GETRESULTSBLOCKING $id] {{0 1 4} {}}
        expect [r RG.EXECUTE pipe "KeysReader | foreach sleeps | register in:*" ID piped] OK
        expect [dict get [lindex [r RG.PYDUMPSESSIONS] 0] ID] piped
        expect_error "Session piped already exists" {r RG.EXECUTE pipe "Squares" ID piped}
        foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
        expect_error "*a reader is needed*" {r RG.EXECUTE pipe ""}
        expect_error "*an operation is needed*" {r RG.EXECUTE pipe "Squares | | run 5"}
        expect_error "*no extension has a function 'cube'*" {r RG.EXECUTE pipe "Squares | map cube | run 5"}
        expect_error "*reader does not exists*" {r RG.EXECUTE pipe "Cubes | run 5"}
        expect_error "*attribute 'rum'*" {r RG.EXECUTE pipe "Squares | rum"}
        expect_error "*more then 1*" {r RG.EXECUTE pipe "Squares | run 5 | run 5"}
        expect_error "ERR no extension has the language lisp" {r RG.EXECUTE lisp "()"}
        expect_error "*wrong number of arguments*" {r RG.EXECUTE pipe}
        expect_error "Unknown arguments were given: NOW" {r RG.EXECUTE pipe "Squares" NOW}
        expect [r RG.EXECUTE Python {GB('Squares').run('2')}] {{0 1} {}}
        r MULTI
        r RG.EXECUTE pipe "Squares"
        expect_match [r EXEC] "*Can not run gears inside*"
    }
}

# What an operator meets when a line is wrong.
foreach {words text} [list \
    [list $example refuse] "*could not be set up: 7*" \
    [list [file join $folder empty.so]] "*it is no extension*" \
    {/no/such/file.so} "*can't load the extension*" \
    {{}} "*FATAL CONFIG FILE ERROR*wrong number of arguments*"] {
    test "refused: [file tail [lindex $words 0]] [lindex $words 1]" -needs python {
        lassign [run_server --port [server::free_port] --save "" \
            --gears-extension {*}$words] code output
        expect $code 1
        expect_match $output $text
    }
}
