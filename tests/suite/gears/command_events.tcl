# SPDX-License-Identifier: BSD-3-Clause
#
# KeysReader with commands=: clients whose commands wait for the executions that they set off;
# get_command() and override_reply().

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# Registers a function, given as the lines of its body.
proc on_commands {commands mode rest args} {
    py "import time" "def f(r):" {*}[lmap line $args { string cat "  " $line }] "  return r" \
        "GB().map(f).register(commands=$commands, mode='$mode'$rest)"
}

# Waits in the callback until a key is there.
set until_go "while not execute('EXISTS', 'go'): time.sleep(0.001)"

with_server {} {
    foreach mode {sync async async_local} {
        test "a command waits for what it set off, in mode $mode" -needs python -resp {2 3} {
            unregister_all
            on_commands {['set', 'hset']} $mode {, prefix='k*'} {time.sleep(0.02)} \
                {execute('RPUSH', 'log', r['event'])}
            expect [rt SET k v] {simple OK}
            expect [r LRANGE log 0 -1] set
            expect [rt HSET kh f v] {int 1}
            expect [r LRANGE log 0 -1] {set hset}
            expect [rt SET other v] {simple OK}
            # Other commands set it off as well, but wait only if it is sync.
            r INCR kn
            wait_for {[r LLEN log] == 3}
            expect_true {[data numTriggered] == 3}
        }

        test "override_reply and get_command, in mode $mode" -needs python -resp {2 3} {
            unregister_all
            on_commands {['get']} $mode {, eventTypes=['keymiss']} \
                "value = {'k1': 'text', 'k2': 7, 'k3': '+status', 'k4': '-ERR mine',\
                    'k5': \[1, b'x', \['y'\]\], 'k6': None, 'k7': 2.5}" \
                "execute('RPUSH', 'log', str(get_command()))" \
                "if r\['key'\] in value: override_reply(value\[r\['key'\]\])"
            expect [rt GET k1] {bulk text}
            expect [rt GET k2] {int 7}
            expect [rt GET k3] {simple status}
            expect [rt GET k4] {error {ERR mine}}
            expect [rt GET k5] {array {{int 1} {bulk x} {array {{bulk y}}}}}
            expect [rt GET k6] {bulk {PY RECORD}}
            expect [rt GET k7] {bulk 2.500000}
            # Its own otherwise.
            expect [r get \xff\x00] (nil)
            expect [r LINDEX log 0] {['GET', 'k1']}
            expect [r LINDEX log -1] {['get', bytearray(b'\xff\x00')]}
            r SET k1 there
            expect [r GET k1] there
            expect [r LLEN log] 8
        }

        test "read-through, in mode $mode" -needs python {
            unregister_all
            on_commands {['get']} $mode {, eventTypes=['keymiss']} \
                {execute('SET', r['key'], 'fetched')} {override_reply(execute('GET', r['key']))}
            expect [r GET k] fetched
            expect [r GET k] fetched
            expect [data numTriggered] 1
            # The own reply is what it was before the program ran.
            unregister_all
            on_commands {['get']} $mode {, eventTypes=['keymiss']} \
                {execute('SET', r['key'], 'late')}
            expect [r GET k2] (nil)
            expect [r GET k2] late
        }

        test "a failure leaves the own reply, in mode $mode" -needs python {
            unregister_all
            on_commands {['set']} $mode {} {1/0}
            expect [r SET k v] OK
            wait_for {[data numFailures] == 1}
            expect_match [data lastError] "*ZeroDivisionError*"
            r LPUSH list x
            expect_error "WRONGTYPE*" {r GETSET list x}
            unregister_all
            on_commands {['set']} $mode {} {override_reply('said')} {1/0}
            expect [r SET k v] said
        }

        test "a reply is overridden once, in mode $mode" -needs python {
            unregister_all
            on_commands {['set']} $mode {} {override_reply('one')} {override_reply('two')}
            expect [r SET k v] one
            wait_for {[data numFailures] == 1}
            expect_match [data lastError] "*Can only override reply once*"
            # By one of all executions that the command waits for.
            unregister_all
            on_commands {['mset']} $mode {} {override_reply(r['key'])}
            expect [r MSET a 1 b 2] a
            wait_for {[data numFailures] == 1}
        }

        test "outside of a command there is none, in mode $mode" -needs python {
            unregister_all
            on_commands {['set']} $mode {} {get_command()}
            r INCR k
            wait_for {[data numFailures] == 1}
            expect_match [data lastError] "*gears.error: Can not get command ctx*"
            unregister_all
            on_commands {['set']} $mode {} {override_reply(1)}
            r INCR k
            wait_for {[data numFailures] == 1}
            expect_match [data lastError] "*gears.error: Can not get command ctx*"
            # A program's own commands hold nobody.
            py "execute('SET', 'k', 'v')"
            wait_for {[data numFailures] == 2}
        }
    }

    test "functions outside of what they belong to" -needs python {
        unregister_all
        foreach {call text} {
            get_command() "Can not get command ctx"
            override_reply(1) "Can not get command ctx"
            call_next() "Can not get CommandHook ctx"
        } {
            expect_error "*gears.error: $text*" {py $call}
            expect_match [lindex [py "GB('ShardsIDReader').map(lambda r: $call).run()"] 1] \
                "*gears.error: $text*"
            py "GB('CommandReader').map(lambda r: $call).register(trigger='t', mode='sync')"
            expect_error "*gears.error: $text*" {r RG.TRIGGER t}
            unregister_all
            # Nor in a thread that a callback starts.
            py "import threading" "def f(r):" "  said = \[\]" "  def g():" \
                "    try: $call" "    except BaseException as e: said.append(str(e))" \
                "  t = threading.Thread(target=g)" "  t.start()" "  t.join()" "  return said\[0\]" \
                "GB('CommandReader').map(f).register(hook='get', mode='async_local')"
            expect [r GET k] $text
            unregister_all
        }
        py "GB('CommandReader').map(lambda r: override_reply(1)).register(hook='get', mode='sync')"
        expect_error "*Can not get command ctx*" {r GET k}
        unregister_all
        on_commands {['set']} sync {} {call_next('k', 'v')}
        r SET k v
        expect_match [data lastError] "*Can not get CommandHook ctx*"
        expect_error "*TypeError*" {py "override_reply()"}
        expect_error "*TypeError*" {py "get_command(1)"}
        unregister_all
    }

    test "a client that waits is asked nothing more, and answered in order" -needs python {
        unregister_all
        on_commands {['set']} async_local {, prefix='k*'} $until_go
        set c [begin SET k v]
        client::send $c SET k w
        client::send $c GET k
        client::send $c PING
        client::flush $c
        wait_for {[llength [unended]] == 1}
        expect [info_field blocked_clients] 1
        expect [r GET k] v
        set id [regexp -inline {id=(\d+) [^\n]* cmd=set } [r CLIENT LIST]]
        expect [r CLIENT UNBLOCK [lindex $id 1]] 0
        expect [r CLIENT UNBLOCK [lindex $id 1] ERROR] 0
        r INCR go
        expect [list [client::receive $c] [client::receive $c]] {OK OK}
        expect [list [client::receive $c] [client::receive $c]] {w PONG}
        client::close $c
        expect [info_field blocked_clients] 0
    }

    test "it waits for all executions" -needs python {
        unregister_all
        on_commands {['mset']} async_local {, eventTypes=['set']} \
            "while not execute('EXISTS', 'go' + r\['key'\]): time.sleep(0.001)"
        set c [begin MSET a 1 b 2 c 3]
        wait_for {[data numTriggered] == 3}
        r INCR goa
        r INCR gob
        wait_for {[data numSuccess] == 2}
        expect [info_field blocked_clients] 1
        r INCR goc
        expect [finish $c] OK
    }

    test "who goes while it waits: disconnect, CLIENT KILL" -needs python {
        unregister_all
        on_commands {['set']} async_local {, prefix='k*'} $until_go "execute('RPUSH', 'log', r\['key'\])"
        set c [begin SET k1 v]
        wait_for {[data numTriggered] == 1}
        client::close $c
        wait_for {[info_field blocked_clients] == 0}
        set c [begin SET k2 v]
        wait_for {[data numTriggered] == 2}
        set id [lindex [regexp -inline {id=(\d+) [^\n]* cmd=set } [r CLIENT LIST]] 1]
        expect [r CLIENT KILL ID $id] 1
        expect_error "*" {client::receive $c}
        # The events have happened: what they set off goes on.
        r INCR go
        wait_for {[data numSuccess] == 2}
        expect [r LRANGE log 0 -1] {k1 k2}
    }

    test "what ends while a client waits: unregister, abort, flush" -needs python {
        unregister_all
        on_commands {['set']} async_local {, prefix='k*'} $until_go
        set c [begin SET k v]
        set d [begin SET k2 v]
        wait_for {[data numTriggered] == 2}
        # One runs, one hasn't begun; both are ended.
        set ids [unended]
        expect [llength $ids] 2
        foreach id $ids { r RG.ABORTEXECUTION $id }
        expect [finish $c] OK
        expect [finish $d] OK

        set c [begin SET k v]
        wait_for {[running_execution] ne ""} ;# what waits is aborted, the other isn't
        set d [begin SET k2 v]
        wait_for {[llength [unended]] == 2}
        r RG.UNREGISTER [lindex [lindex [r RG.DUMPREGISTRATIONS] 0] 1] ABORTPENDING
        expect [finish $d] OK
        expect [r SET other v] OK
        r FLUSHALL
        expect [info_field blocked_clients] 1
        r INCR go
        expect [finish $c] OK

        on_commands {['set']} async_local {, prefix='k*'} $until_go
        set c [begin SET k v]
        wait_for {[llength [unended]] == 0}
        expect [finish $c] OK
        r DEL go
        set c [begin SET k v]
        wait_for {[llength [unended]] == 1}
        unregister_all
        r INCR go
        expect [finish $c] OK
        wait_for {[unended] eq ""}
    }

    test "in MULTI nobody waits; what is sync runs all the same" -needs python -resp {2 3} {
        unregister_all
        on_commands {['set']} async_local {, prefix='k*'} $until_go "get_command()"
        r MULTI
        r SET k v
        r GET k
        expect [r EXEC] {OK v}
        r INCR go
        wait_for {[data numFailures] == 1}
        expect_match [data lastError] "*Can not get command ctx*"
        unregister_all
        on_commands {['set', 'get']} sync {} {override_reply(get_command())}
        r MULTI
        r SET k v
        r GET nokey
        r GET k
        expect [rt EXEC] {array {{array {{bulk SET} {bulk k} {bulk v}}}\
            {array {{bulk GET} {bulk nokey}}} {bulk v}}}
    }

    test "large words and large replies" -needs python {
        unregister_all
        set big [string repeat x 1000000]
        on_commands {['set', 'getrange']} async_local {} \
            {override_reply([len(w) for w in get_command()])}
        expect [r SET k $big] {3 1 1000000}
        expect [r STRLEN k] 1000000
        unregister_all
        on_commands {['getset']} async_local {} {pass}
        expect_true {[r GETSET k $big] eq $big}
        expect_true {[r GET k] eq $big}
        unregister_all
        on_commands {['set']} sync {} {override_reply(get_command()[2])} {execute('DEL', r['key'])}
        # The callback ends the value that the command's word may have become.
        on_commands {['set']} sync {} {execute('FLUSHALL')}
        expect_true {[r SET k $big] eq $big}
    }

    test "CLIENT REPLY, and clients that cache" -needs python -resp 3 {
        unregister_all
        on_commands {['set', 'get']} async_local {} {override_reply('other')}
        set c [client -resp 3]
        client::send $c CLIENT REPLY SKIP
        client::send $c SET k v
        client::send $c PING
        client::flush $c
        expect [client::receive $c] PONG
        client::send $c CLIENT REPLY OFF
        client::send $c SET k v
        client::send $c CLIENT REPLY ON
        client::flush $c
        expect [client::receive $c] OK
        unregister_all
        $c CLIENT TRACKING ON
        on_commands {['get']} async_local {, eventTypes=['keymiss']} {override_reply('other')}
        expect [$c GET nokey] other
        r SET nokey 1
        expect_match [client::next_push $c] "*invalidate*nokey*"
        client::close $c
    }

    test "an error in a kept reply is counted once" -needs python {
        unregister_all
        on_commands {['incr']} sync {} {pass}
        r SET k abc
        r CONFIG RESETSTAT
        expect_error "ERR value is not an integer*" {r INCR k}
        expect_match [r INFO errorstats] "*errorstat_ERR:count=1*"
        expect_match [r INFO commandstats] "*cmdstat_incr:calls=1,*failed_calls=1*"
    }

    test "a command that is hooked, and waited for" -needs python {
        unregister_all
        py "GB('CommandReader').map(lambda r: call_next(r\[1\], r\[2\] + '!'))\
            .register(hook='set', mode='sync', convertToStr=False)"
        on_commands {['set']} async_local {} {override_reply([r['value']] + get_command())}
        expect [r SET k v] {v! SET k v}
        unregister_all
    }

    test "RG.DUMPREGISTRATIONS tells of commands" -needs python {
        unregister_all
        py "GB().register('k*', commands=\['GET', 'hset', 'get'\], mode='sync')"
        py "GB().register('k*')"
        py "GB('CommandReader').register(hook='HSet', keyprefix='x', inorder=True)"
        expect [lindex [data args 0] 7] {GET hset}
        expect [lindex [data args 1] 7] (nil)
        expect [llength [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]] 20
        expect [data args 2] {trigger HSet inorder 1}
        r GET kx
        expect [data numTriggered] 1
        r RG.CLEARREGISTRATIONSSTATS
        expect [data numTriggered] 0
        unregister_all
    }

    test "what can't be waited for" -needs python {
        unregister_all
        foreach {args text} {
            "commands=\['nosuch'\]" "bad reply on COMMAND command"
            "commands=\['get', 'nosuch'\]" "bad reply on COMMAND command"
            "commands=\['exec'\]" "Can not hook a command which are not allowed inside a script"
            "commands=\['blpop'\]" "Can not hook a command which are not allowed inside a script"
            "commands=\['rg.trigger'\]" "Can not hook a command which are not allowed inside a script"
            "commands=\['sort'\]" "Can not hook a command with moveable keys by key prefix"
            "commands=\['ping'\]" "Can not hook a command without keys by key prefix"
            "commands=3" "given commands is not iterable"
            "commands=\[3\]" "given command type is not string"
        } {
            expect_error "*gears.error: $text*" { py "GB().register($args)" }
        }
        expect_error "*gears.error: Empty perfix given to command hooker*" {
            py "GB().register('', commands=\['get'\])"
        }
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "the server ends while clients wait" -needs python -down yes {
        unregister_all
        on_commands {['set']} async_local {, prefix='k*'} $until_go
        py "import time" "def f(r):" "  $::until_go" "  return call_next(*r\[1:\])" \
            "GB('CommandReader').map(f).register(hook='get', mode='async_local')"
        set c [begin SET k v]
        set d [begin GET k]
        wait_for {[info_field blocked_clients] == 2}
        expect_error "connection closed*" {r SHUTDOWN NOSAVE}
    }
}
