# SPDX-License-Identifier: BSD-3-Clause
#
# RG.PYPROFILE: where the time of a session's functions goes.

tags quick threads

proc py {script args} { r RG.PYEXECUTE $script {*}$args }
proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

set script {
def inner(x):
    return x * 2
def outer(r):
    return [inner(i) for i in range(10)]
GB('CommandReader').map(outer).register(trigger='t', mode='MODE')
}

with_server {} {
    test "errors" -needs python {
        expect_error "*wrong number of arguments for 'rg.pyprofile' command" {r RG.PYPROFILE}
        expect_error "*wrong number of arguments for 'rg.pyprofile' command" {r RG.PYPROFILE STATS}
        expect [rt RG.PYPROFILE STATS nope] {error {session does not exists}}
        expect [rt RG.PYPROFILE RESET nope] {error {session does not exists}}
        expect [rt RG.PYPROFILE what nope] {error {Wrong subcommand given to RG.PYPROFILE}}
        py [string map {MODE sync} $::script] ID s
        expect_error "*wrong number of arguments*" {r RG.PYPROFILE STATS s tottime x}
        expect_error "*wrong number of arguments*" {r RG.PYPROFILE RESET s x}
        # nothing was measured: pstats says so
        expect_error "*Cannot create or construct a <class 'pstats.Stats'> object*" \
            {r RG.PYPROFILE STATS s}
        r MULTI
        r RG.PYPROFILE STATS s
        expect_match [rt EXEC] "*Can not run gears inside a multi exec*"
        unregister_all
    }

    foreach mode {sync async_local} {
        test "STATS and RESET, mode $mode" -needs python -resp {2 3} {
            unregister_all
            py [string map [list MODE $mode] $::script] ID s
            py "GB('CommandReader').map(lambda r: 1).register(trigger='other')" ID other
            r RG.TRIGGER t
            expect_error "*Cannot create*" {r RG.PYPROFILE STATS s}
            r RG.CONFIGSET ProfileExecutions 1
            for {set i 0} {$i < 3} {incr i} { r RG.TRIGGER t }
            r RG.TRIGGER other
            set stats [r RG.PYPROFILE STATS s]
            expect_match $stats "*function calls*Ordered by: internal time*(inner)*"
            expect_true {[regexp {\m30 [^\n]*\(inner\)} $stats]}
            expect_true {[regexp {\m3 [^\n]*\(outer\)} $stats]}
            expect_match $stats "*was called by...*called...*"
            expect_true {![string match "*(inner)*" [r RG.PYPROFILE STATS other]]}
            # the order does what it says
            foreach {order words} {cumtime "cumulative time" ncalls "call count" name "function name"
                tottime "internal time" calls "call count"} {
                expect_match [r RG.PYPROFILE STATS s $order] "*Ordered by: $words*"
            }
            foreach order [list what "" -1 "a\0b" "\xff" [string repeat x 100000]] {
                expect_true {[catch {r RG.PYPROFILE STATS s $order}]}
            }
            expect_error "Unknown order what" {r RG.PYPROFILE STATS s what}
            expect [rt RG.PYPROFILE RESET s] {simple OK}
            expect_error "*Cannot create*" {r RG.PYPROFILE STATS s}
            r RG.TRIGGER t
            expect_true {[regexp {\m10 [^\n]*\(inner\)} [r RG.PYPROFILE STATS s]]}
            r RG.CONFIGSET ProfileExecutions 0
            r RG.TRIGGER t
            expect_true {[regexp {\m10 [^\n]*\(inner\)} [r RG.PYPROFILE STATS s]]}
        }
    }

    test "one session within another" -needs python {
        unregister_all
        r RG.CONFIGSET ProfileExecutions 1
        py "def within(r): pass\nGB().foreach(within).register('k', mode='sync')" ID in
        py "def before(): pass\ndef after(): pass\ndef f(r):\n    before()
    execute('set', 'k', 1)\n    after()
GB('CommandReader').map(f).register(trigger='t', mode='sync')" ID out
        r RG.TRIGGER t
        foreach {id has hasnt} {in within before out before within} {
            set stats [r RG.PYPROFILE STATS $id]
            expect_match $stats "*($has)*"
            expect_true {![string match "*($hasnt)*" $stats]}
        }
        expect_match [r RG.PYPROFILE STATS out] "*(after)*"
        r RG.CONFIGSET ProfileExecutions 0
    }

    test "many at a time, asked and reset meanwhile" -needs python {
        unregister_all
        r RG.CONFIGSET ProfileExecutions 1
        py [string map {MODE async_local} $::script] ID s
        set clients {}
        for {set i 0} {$i < 4} {incr i} { lappend clients [client] }
        for {set round 0} {$round < 20} {incr round} {
            foreach c $clients {
                client::send $c RG.TRIGGER t
                client::send $c RG.PYPROFILE [lindex {STATS RESET} [expr {$round % 5 == 4}]] s
                client::flush $c
            }
            foreach c $clients {
                expect [llength [client::receive $c]] 1
                catch {client::receive $c}
            }
        }
        foreach c $clients { client::close $c }
        r RG.CONFIGSET ProfileExecutions 0
        expect [r PING] PONG
    }

    test "the prelude's names for profiling" -needs python {
        expect_match [py "p = profilerCreate()\nprofileStart(p)\nsorted(\[2, 1\])
profileStop(p)\nassert 'built-in method builtins.sorted' in profileGetInfo(p)
assert cProfile and pstats and io"] OK
    }
}
