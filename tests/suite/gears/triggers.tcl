# SPDX-License-Identifier: BSD-3-Clause
#
# CommandReader: registrations that RG.TRIGGER and RG.TRIGGERONKEY run by name.

tags quick

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc trigger {name mode {rest ""}} {
    py "GB('CommandReader')$rest.register(trigger='$name', mode='$mode', convertToStr=False)"
}

with_server {} {
    foreach mode {sync async async_local} {
        test "a trigger in mode $mode gets the words" -needs python -resp {2 3} {
            unregister_all
            trigger t $mode
            expect [r RG.TRIGGER t a b] {{t a b}}
            expect [r RG.TRIGGER t] {t}
            expect [r RG.TRIGGERONKEY t k v] {{t k v}}
            py "GB('CommandReader').map(lambda r: r\[1\]).register(trigger='str', mode='$mode')"
            expect [r RG.TRIGGER str "two words"] {{two words}}
            py "GB('CommandReader').flatmap(lambda r: r\[1:\]).count()\
                .register(trigger='n', mode='$mode', convertToStr=False)"
            expect [r RG.TRIGGER n a b c] 3
            expect [r RG.TRIGGER n] {}
        }

        test "a failure in mode $mode is an error reply" -needs python {
            unregister_all
            trigger t $mode ".map(lambda r: 1/0)"
            expect_error "*ZeroDivisionError: division by zero*" {r RG.TRIGGER t}
            py "GB('CommandReader').foreach(lambda r: execute('SET', 'k', r\[1\]))\
                .register(trigger='set', mode='$mode')"
            expect [llength [r RG.TRIGGER set v1]] 1
            expect [r GET k] v1
            expect [r RG.DUMPEXECUTIONS] {}
        }
    }

    test "bytes of every kind" -needs python {
        unregister_all
        trigger t sync ".map(lambda r: \[type(x).__name__ for x in r\])"
        expect [r RG.TRIGGER t \xff\xfe abc ""] {{str bytearray str str}}
        unregister_all
        trigger t async_local ".map(lambda r: r\[1\])"
        expect [lindex [r RG.TRIGGER t a\0b] 0] "a\0b"
        set big [string repeat x 1000000]
        expect [lindex [r RG.TRIGGER t $big] 0] $big
    }

    test "names are unique, unknown ones are refused" -needs python {
        unregister_all
        expect_error "ERR subcommand not found" {r RG.TRIGGER nope}
        trigger t sync
        expect_error "ERR subcommand not found" {r RG.TRIGGER T}
        expect_error "*trigger already registered*" {trigger t async}
        expect_error "*trigger already registered in this session*" {
            py "GB('CommandReader').register(trigger='x')" \
                "GB('CommandReader').register(trigger='x')"
        }
        expect_error "ERR subcommand not found" {r RG.TRIGGER x}
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
        unregister_all
        expect_error "ERR subcommand not found" {r RG.TRIGGER t}
        trigger t sync
        expect [r RG.TRIGGER t 1] {{t 1}}
    }

    test "an upgrade takes the name of the session that it replaces" -needs python {
        unregister_all
        foreach version {1 2 3} {
            r RG.PYEXECUTE "GB('CommandReader').map(lambda r: $version)\
                .register(trigger='t', mode='sync', convertToStr=False)" ID s UPGRADE
            expect [r RG.TRIGGER t] $version
        }
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
    }

    test "wrong arguments of register" -needs python {
        unregister_all
        foreach {args text} {
            "" "no trigger or hook argument was given"
            "trigger=1" "trigger argument is not string"
            "trigger='x', keyprefix='k'" "trigger argument can not be given with keyprefix or hook"
            "trigger='x', hook='get'" "trigger argument can not be given with keyprefix or hook"
            "trigger='x', inorder=3" "inorder argument is be boolean"
            "trigger='x', mode='sometimes'" "unknown execution mode"
        } {
            expect_error "*$text*" { py "GB('CommandReader').register($args)" }
        }
        expect_error "*Given reader do not support run or not exists*" {
            py "GB('CommandReader').run()"
        }
        expect_error "ERR wrong number of arguments for 'rg.trigger' command" {r RG.TRIGGER}
        expect_error "ERR wrong number of arguments for 'rg.triggeronkey' command" {
            r RG.TRIGGERONKEY t
        }
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "RG.DUMPREGISTRATIONS tells of a trigger" -needs python {
        unregister_all
        py "GB('CommandReader', desc='d').register(trigger='t', mode='async_local', inorder=True)"
        r RG.TRIGGER t
        set reg [lindex [r RG.DUMPREGISTRATIONS] 0]
        expect [dict get $reg reader] CommandReader
        expect [llength [dict get $reg RegistrationData]] 20
        expect [data args] {trigger t inorder 1}
        expect [data mode] async_local
        expect [data numTriggered] 1
        wait_for {[data numSuccess] == 1}
    }

    test "MULTI takes what is sync, and only that" -needs python {
        unregister_all
        trigger s sync ".foreach(lambda r: execute('SET', 'k', 'in'))"
        trigger a async
        r MULTI
        r SET k before
        r RG.TRIGGER s x
        r GET k
        r RG.TRIGGER a
        set reply [r EXEC]
        expect [lrange $reply 0 2] {OK {{s x}} in}
        expect_match [lindex $reply 3] "*can not run a non-sync execution inside a MULTI/LUA (blocking\
            is not allowed) or on loading."
    }

    test "what a sync trigger writes is one unit" -needs python {
        unregister_all
        trigger s sync ".foreach(lambda r: execute('SET', 'a', '1') and execute('SET', 'b', '2'))"
        r DEBUG EFFECTS ON
        r RG.TRIGGER s
        expect_match [r DEBUG EFFECTS TAKE] "*MULTI*SET*a*SET*b*EXEC*"
        r DEBUG EFFECTS OFF
    }

    test "inorder keeps the order of the calls, and calls without it don't wait for each other" \
            -needs python {
        unregister_all
        py "import time" "GB('CommandReader').foreach(lambda r: execute('RPUSH', 'log', r\[1\]))\
            .register(trigger='t', mode='async_local', inorder=True)"
        set clients {}
        for {set i 0} {$i < 50} {incr i} {
            lappend clients [client]
            client::send [lindex $clients end] RG.TRIGGER t $i
            client::flush [lindex $clients end]
            # the order in which the server has read them
            wait_for {[data numTriggered] == $i + 1}
        }
        foreach c $clients { client::receive $c }
        set want {}
        for {set i 0} {$i < 50} {incr i} { lappend want $i }
        expect [r LRANGE log 0 -1] $want
        unregister_all
        py "import time" "def f(r):" "  while not execute('EXISTS', r\[1\]): time.sleep(0.001)" \
            "GB('CommandReader').foreach(f).register(trigger='w', mode='async_local')"
        set c [client]
        client::send $c RG.TRIGGER w go
        client::flush $c
        wait_for {[data numTriggered] == 1}
        r SET other 1
        r RG.TRIGGER w other
        r SET go 1
        client::receive $c
    }

    test "a client that goes away cancels its trigger" -needs python {
        unregister_all
        py "GB('CommandReader').foreach(lambda r: \[None for x in iter(int, 1)\])\
            .register(trigger='t', mode='async_local')"
        set c [client]
        client::send $c RG.TRIGGER t
        client::flush $c
        wait_for {[llength [r RG.DUMPEXECUTIONS]] == 1}
        client::close $c
        wait_for {[r RG.DUMPEXECUTIONS] eq ""}
        expect [r PING] PONG
    }

    test "a callback that unregisters its own trigger" -needs python {
        unregister_all
        foreach mode {sync async_local} {
            py "def f(r):" "  execute('RG.UNREGISTER', execute('GET', 'id'))" \
                "execute('SET', 'id', GB('CommandReader').foreach(f)\
                .register(trigger='t', mode='$mode'))"
            r RG.TRIGGER t
            expect_error "ERR subcommand not found" {r RG.TRIGGER t}
            expect [r RG.DUMPREGISTRATIONS] {}
        }
    }

    test "many clients of sync triggers at once" -needs python {
        unregister_all
        py "import time" \
            "def f(r):" \
            "  n = execute('INCR', 'n')" \
            "  if r\[1\] == 'wait': time.sleep(0.1)" \
            "  if r\[1\] == 'fail': raise flat_error('ERR no. ' + str(n))" \
            "  execute('RPUSH', 'log', r\[1\])" \
            "  return r\[1\]" \
            "GB('CommandReader').map(f).register(trigger='t', mode='sync', convertToStr=False)" \
            "GB('CommandReader').map(lambda r: call_next(*r\[1:\]) + ' hooked')\
                .register(hook='echo', mode='sync', convertToStr=False)" \
            "GB().foreach(lambda r: execute('INCR', 'events')).register('log', mode='sync')"
        # While the first one runs, the others come: they are served in one turn.
        set first [client]
        client::send $first RG.TRIGGER t wait
        client::flush $first
        set clients {}
        for {set i 0} {$i < 20} {incr i} {
            set c [client]
            lappend clients $c
            if {$i % 5 == 4} { client::send $c RG.TRIGGER t fail } \
            else { client::send $c RG.TRIGGER t $i }
            # What follows comes after it.
            client::send $c ECHO $i
            client::send $c EXISTS n
            client::flush $c
        }
        set gone [client]
        client::send $gone RG.TRIGGER t gone
        client::flush $gone
        client::close $gone
        expect [client::receive $first] wait
        for {set i 0} {$i < 20} {incr i} {
            set c [lindex $clients $i]
            if {$i % 5 == 4} { expect_error "ERR no. *" {client::receive $c} } \
            else { expect [client::receive $c] $i }
            expect [client::receive $c] "$i hooked"
            expect [client::receive $c] 1
            client::close $c
        }
        client::close $first
        wait_for {[data numTriggered] == [data numSuccess] + [data numFailures] + [data numAborted]}
        expect_true {[r GET n] in {21 22}}
        expect_true {[r LLEN log] - [r GET n] == -4}
        expect [r GET events] [r LLEN log]
        expect [data numFailures] 4
        expect [info_field blocked_clients] 0
    }

    test "sync triggers at once are units of their own" -needs python {
        unregister_all
        py "import time" \
            "def f(r):" \
            "  if r\[1\] == 'wait': time.sleep(0.1)" \
            "  execute('SET', 'a', r\[1\]) and execute('SET', 'b', r\[1\])" \
            "GB('CommandReader').foreach(f).register(trigger='t', mode='sync')"
        r DEBUG EFFECTS ON
        set clients {}
        foreach word {wait one two} {
            lappend clients [client]
            client::send [lindex $clients end] RG.TRIGGER t $word
            client::flush [lindex $clients end]
        }
        foreach c $clients {
            client::receive $c
            client::close $c
        }
        set effects [r DEBUG EFFECTS TAKE]
        r DEBUG EFFECTS OFF
        expect [regexp -all MULTI $effects] 3
        expect [regexp -all EXEC $effects] 3
        foreach word {wait one two} { expect_match $effects "*MULTI*SET*a*$word*SET*b*$word*EXEC*" }
    }

    test "execute() runs triggers that are sync, as MULTI does" -needs python {
        unregister_all
        py "GB('CommandReader').map(lambda r: execute('INCR', r\[1\])).register(trigger='sync'," \
            "    mode='sync', convertToStr=False)" \
            "GB('CommandReader').register(trigger='other')" \
            "GB('CommandReader').map(lambda r: 1/0).register(trigger='bad', mode='sync')" \
            "(GB('CommandReader').map(lambda r: execute('RG.TRIGGER', 'self'))" \
            "    .register(trigger='self', mode='sync'))" \
            "(GB('CommandReader').map(lambda r: execute('RG.TRIGGERONKEY', 'sync', 'k'))" \
            "    .register(trigger='outer', mode='sync', convertToStr=False))"
        expect [py "GB('ShardsIDReader').map(lambda x: execute('RG.TRIGGER', 'sync', 'k')).run()"] \
            {{{[1]}} {}}
        expect [r RG.TRIGGER outer] 2
        expect [py "execute('RG.TRIGGER', 'sync', 'k')" "with atomic():" \
            "  execute('RG.TRIGGER', 'sync', 'k')"] OK
        expect [r GET k] 4
        foreach {name text} {
            other "*can not run a non-sync execution inside a MULTI/LUA*" bad "*ZeroDivisionError*"
            none "*ERR subcommand not found*"
        } {
            expect_error $text {py "execute('RG.TRIGGER', '$name')"}
        }
        # one that calls itself comes to an end
        expect_error "*gears.error*" {r RG.TRIGGER self}
        expect [r RG.TRIGGER sync k] 5
        unregister_all
    }
}
