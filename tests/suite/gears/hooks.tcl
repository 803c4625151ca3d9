# SPDX-License-Identifier: BSD-3-Clause
#
# CommandReader with hook=: programs in the place of commands, and call_next().

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# Hooks a command with a lambda of the record.
proc hook {command lambda args} {
    set rest [expr {[llength $args] ? ", [join $args {, }]" : ""}]
    py "GB('CommandReader').map(lambda r: $lambda)\
        .register(hook='$command', convertToStr=False$rest)"
}

proc calls {command} {
    if {![regexp "cmdstat_$command:calls=(\\d+)" [r INFO commandstats] -> n]} { return 0 }
    return $n
}

with_server {} {
    foreach mode {sync async async_local} {
        test "a hook in mode $mode runs in the place of its command" -needs python -resp {2 3} {
            unregister_all
            hook hset "call_next(r\[1\], *r\[2:\], '_seen', 'yes')" mode='$mode'
            expect [rt HSET h a 1] {int 2}
            expect_map [r HGETALL h] {a 1 _seen yes}
            # Names of commands know no case.
            expect [rt hSeT h b 2] {int 1}
            unregister_all
            expect [r HSET h2 a 1] 1
            expect [r HLEN h2] 1
        }

        test "the record is the list of all words, in mode $mode" -needs python {
            unregister_all
            hook echo "\[type(x).__name__ + ':' + repr(x) for x in r\]" mode='$mode'
            expect [r ECHO hello] {str:'ECHO' str:'hello'}
            expect [r echo \xff\xfe] [list "str:'echo'" "bytearray:bytearray(b'\\xff\\xfe')"]
            expect [lindex [r echo a\0b] 1] "str:'a\\x00b'"
            expect [lindex [r echo ""] 1] "str:''"
            expect_error "ERR wrong number of arguments for 'echo' command" {r ECHO}
        }

        test "the reply is the one result, in mode $mode" -needs python {
            unregister_all
            foreach {value reply} {
                1 {int 1} "'text'" {bulk text} "b'bytes'" {bulk bytes}
                "'+status'" {simple status} "'-ERR of mine'" {error {ERR of mine}}
                "\[1, \[2, 'x'\]\]" {array {{int 1} {array {{int 2} {bulk x}}}}} 2.5 {bulk 2.500000}
                None {bulk {PY RECORD}}
            } {
                unregister_all
                hook get $value mode='$mode'
                expect [rt GET k] $reply
            }
            unregister_all
            # By default results are text, those of numbers too.
            py "GB('CommandReader').map(lambda r: call_next(*r\[1:\]))\
                .register(hook='incr', mode='$mode')"
            expect [rt INCR n] {bulk 1}
        }

        test "other than one result is an error, in mode $mode" -needs python {
            foreach steps {".filter(lambda r: False)" ".flatmap(lambda r: \[1, 2\])"} {
                unregister_all
                py "GB('CommandReader')$steps.register(hook='get', mode='$mode')"
                expect [rt GET k] {error {Command hook must return exactly one result}}
            }
            unregister_all
            hook get "1/0" mode='$mode'
            expect_error "*ZeroDivisionError: division by zero*" {r GET k}
            unregister_all
            py "def f(r):" "  raise flat_error('TOOBAD for you')" \
                "GB('CommandReader').map(f).register(hook='get', mode='$mode')"
            expect [rt GET k] {error {TOOBAD for you}}
            expect [r RG.DUMPEXECUTIONS] {}
        }

        test "call_next gives errors as execute does, in mode $mode" -needs python {
            unregister_all
            r RPUSH list 1
            hook get "call_next(*r\[1:\])" mode='$mode'
            expect_error "*gears.error: WRONGTYPE Operation against a key*" {r GET list}
            unregister_all
            hook get "call_next()" mode='$mode'
            expect_error "*gears.error: Invalid argument*" {r GET k}
        }
    }

    test "later hooks come first, call_next walks down to the command" -needs python {
        unregister_all
        hook set "call_next(r\[1\], r\[2\] + ' first')" mode='sync'
        hook set "call_next(r\[1\], r\[2\] + ' second')" mode='sync'
        hook set "call_next(r\[1\], r\[2\] + ' third')" mode='async_local'
        expect [r SET k v] OK
        expect [r GET k] "v third second first"
        # One of them leaves, while the others stay.
        r RG.UNREGISTER [lindex [lindex [r RG.DUMPREGISTRATIONS] 1] 1]
        r SET k v
        expect [r GET k] "v third first"
        r RG.UNREGISTER [lindex [lindex [r RG.DUMPREGISTRATIONS] 1] 1]
        r SET k v
        expect [r GET k] "v first"
    }

    test "a hook with a key prefix concerns calls with such a key" -needs python {
        unregister_all
        hook mset "call_next(*\[x.upper() for x in r\[1:\]\])" mode='sync' keyprefix='p:'
        r MSET a 1 P:b 2
        r MSET a 1 xp:b 2
        expect [r MGET a A] {1 (nil)}
        # Any key of the call; what isn't a key doesn't count.
        r MSET a p:x
        expect [r GET a] p:x
        r MSET b x p:c y
        expect [r MGET B P:C b p:c] {X Y (nil) (nil)}
        r MSET p: z
        expect [r GET P:] Z
        # Among several only those of the prefix are passed on the way down.
        unregister_all
        hook set "call_next(r\[1\], r\[2\] + '1')" mode='sync' keyprefix='a'
        hook set "call_next(r\[1\], r\[2\] + '2')" mode='sync' keyprefix='b'
        hook set "call_next('a' + r\[1\], r\[2\] + '3')" mode='sync'
        r SET b v
        expect [r GET ab] v31
    }

    test "what the hook is for is seen by statistics, slow log, monitors, clients" -needs python {
        unregister_all
        hook incr "call_next(*r\[1:\])" mode='sync'
        r CONFIG RESETSTAT
        with_config {slowlog-log-slower-than 0} {
            r SLOWLOG RESET
            set m [client]
            $m MONITOR
            r INCR n
            set lines {}
            while {[llength $lines] < 2} {
                set line [client::receive $m]
                if {[string match "*\"INCR\"*" $line] || [string match "*\"incr\"*" $line]} {
                    lappend lines $line
                }
            }
            # In the order in which they ended.
            expect_match [lindex $lines 0] {* \[0 gears\] "incr" "n"}
            expect_match [lindex $lines 1] {* \[0 127.0.0.1:*\] "INCR" "n"}
            client::close $m
            set logged [lmap e [r SLOWLOG GET 10] { lindex $e 3 }]
            expect_true {[lsearch -exact $logged {INCR n}] >= 0}
        }
        # The client's own, and the one that call_next ran.
        expect [calls incr] 2
        expect [calls rg.trigger] 0
        expect_match [r CLIENT LIST] "*cmd=client|list*"
        set c [client]
        $c INCR n
        set id [$c CLIENT ID]
        $c INCR n
        expect_match [r CLIENT LIST ID $id] "* cmd=incr *"
        client::close $c
    }

    test "the user's command is checked before the hook, call_next as execute" -needs python {
        unregister_all
        hook set "call_next(r\[1\].replace('mine:', 'theirs:'), r\[2\])" mode='sync'
        hook get "'hooked'" mode='sync'
        r ACL SETUSER u on nopass ~mine:* +set
        set c [client]
        $c AUTH u ""
        expect_error "NOPERM*" {$c GET mine:a}
        expect_error "NOPERM*" {$c SET theirs:a 1}
        # The program acts with the rights of who sent it.
        expect [$c SET mine:a 1] OK
        unregister_all
        expect [r GET theirs:a] 1
        expect_error "NOPERM*" {$c GET mine:a}
        # … and with no others.
        r ACL SETUSER author on nopass ~a* &* +@all
        set a [client]
        $a AUTH author ""
        $a RG.PYEXECUTE "GB('CommandReader').map(lambda r: call_next(*r\[1:\]))\
            .register(hook='incr', mode='sync', convertToStr=False)"
        expect [r INCR a1] 1
        expect_error "*NOPERM*" {r INCR b1}
        r ACL DELUSER author
        expect_error "*doesn't exist any more*" {r INCR a1}
        client::close $c
        r ACL DELUSER u
        unregister_all
    }

    test "a refused command comes to no hook" -needs python {
        unregister_all
        py "GB('CommandReader').map(lambda r: execute('RPUSH', 'log', 'x') and call_next(*r\[1:\]))\
            .register(hook='set', mode='sync')"
        r CONFIG SET maxmemory 1
        expect_error "OOM*" {r SET k v}
        r CONFIG SET maxmemory 0
        expect_error "ERR wrong number of arguments*" {r SET k}
        expect [r EXISTS log] 0
        expect [data numTriggered] 0
    }

    test "commands of programs are hooked as well" -needs python {
        unregister_all
        hook set "call_next(r\[1\], r\[2\] + '!')" mode='sync'
        py "execute('SET', 'k', 'v')"
        expect [r GET k] v!
        py "with atomic():" "  execute('SET', 'k', 'w')"
        expect [r GET k] w!
        unregister_all
        hook set "call_next(*r\[1:\])" mode='async_local'
        expect_error "*can not run a non-sync execution inside a MULTI/LUA*" {
            py "execute('SET', 'k', 'v')"
        }
        # A hook that runs its own command again, not the next, meets itself: that ends.
        unregister_all
        hook set "execute(*r)" mode='sync'
        expect_error "*Traceback*" {r SET k v}
        expect [data numTriggered] 32
        expect [r GET k] w!
    }

    test "MULTI takes hooks that are sync, and only those" -needs python {
        unregister_all
        hook incr "call_next(*r\[1:\]) + 100" mode='sync'
        hook decr "call_next(*r\[1:\])" mode='async'
        r MULTI
        r INCR n
        r DECR n
        r GET n
        expect [r EXEC] [list 101 {-ERR can not run a non-sync execution inside a MULTI/LUA\
            (blocking is not allowed) or on loading.} 1]
        r DEBUG EFFECTS ON
        r MULTI
        r INCR n
        r SET other 1
        r EXEC
        expect_match [r DEBUG EFFECTS TAKE] "*MULTI*incr*n*SET*other*EXEC*"
        r DEBUG EFFECTS OFF
    }

    test "what a hook does is one unit with its command, said once" -needs python {
        unregister_all
        py "def f(r):" "  execute('SET', 'side', '1')" "  return call_next(*r\[1:\])" \
            "GB('CommandReader').map(f).register(hook='append', mode='sync')"
        r DEBUG EFFECTS ON
        r APPEND k v
        set effects [r DEBUG EFFECTS TAKE]
        r DEBUG EFFECTS OFF
        expect_match $effects "*MULTI*SET*side*append*k*v*EXEC*"
        expect [regexp -all -nocase append $effects] 1
    }

    test "call_next goes on in the client's database" -needs python {
        unregister_all
        foreach mode {sync async_local} {
            hook set "call_next(*r\[1:\])" mode='$mode'
            r SELECT 3
            expect [r SET k v] OK
            expect [r GET k] v
            r DEL k
            r SELECT 0
            expect [r EXISTS k] 0
        }
        unregister_all
    }

    test "events of the command are events as always" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('RPUSH', 'log', r\['event'\] + ':' + r\['key'\]))\
            .register('k*', mode='sync')"
        hook set "call_next(*r\[1:\])" mode='sync'
        hook get "call_next(*r\[1:\])" mode='async_local'
        r SET k v
        r GET kmissing
        expect [r LRANGE log 0 -1] {set:k keymiss:kmissing}
    }

    test "what can't be hooked" -needs python {
        unregister_all
        foreach {args text} {
            "hook='nosuch'" "Can not override an unexisting command"
            "hook=''" "Can not override an unexisting command"
            "hook='get k'" "Can not override an unexisting command"
            "hook='client|list'" "Can not override an unexisting command"
            "hook='multi'" "Can not override a command which are not allowed inside a script"
            "hook='EXEC'" "Can not override a command which are not allowed inside a script"
            "hook='auth'" "Can not override a command which are not allowed inside a script"
            "hook='blpop'" "Can not override a command which are not allowed inside a script"
            "hook='client'" "Can not override a command which are not allowed inside a script"
            "hook='rg.trigger'" "Can not override a command which are not allowed inside a script"
            "hook='rg.unregister'" "Can not override a command which are not allowed inside a script"
            "hook='sort', keyprefix='k'" "Can not override a command with moveable keys by key prefix"
            "hook='xread', keyprefix='k'" "Can not override a command with moveable keys by key prefix"
            "hook='ping', keyprefix='k'" "Can not override a command without keys by key prefix"
            "hook='object', keyprefix='k'" "Can not override a command without keys by key prefix"
            "hook='get', keyprefix=''" "Empty perfix given to command hooker"
            "hook=1" "hook argument is not string"
            "hook='get', keyprefix=1" "keyprefix argument is not string"
            "keyprefix='k'" "no trigger or hook argument was given"
            "hook='get', mode='sometimes'" "unknown execution mode"
            "hook='get', inorder=1" "inorder argument is be boolean"
        } {
            expect_error "*gears.error: $text*" { py "GB('CommandReader').register($args)" }
        }
        expect [r RG.DUMPREGISTRATIONS] {}
        # Keys that can move do no harm without a prefix, nor do subcommands.
        hook sort "'sorted'" mode='sync'
        hook object "\['so', *r\]" mode='sync'
        expect [r SORT k BY nosort] sorted
        expect [r OBJECT ENCODING k] {so OBJECT ENCODING k}
        expect_error "ERR unknown subcommand*" {r OBJECT NOSUCH k}
    }

    test "nothing goes over a hook that isn't sync" -needs python {
        unregister_all
        hook get "1" mode='async_local'
        foreach mode {sync async} {
            expect_error "*gears.error: Can not override a none sync registration\\\\n*" {
                hook GET "2" mode='$mode'
            }
        }
        hook set "1" mode='sync'
        hook set "2" mode='async'
        unregister_all
        expect_error "*Can not override a none sync registration which already created on this\
            session*" {
            py "GB('CommandReader').register(hook='get')" \
                "GB('CommandReader').register(hook='get', keyprefix='k')"
        }
        # What an upgrade replaces isn't in its way.
        foreach version {1 2} {
            r RG.PYEXECUTE "GB('CommandReader').map(lambda r: $version)\
                .register(hook='get', convertToStr=False)" ID s UPGRADE
            expect [r GET k] $version
        }
        expect [llength [r RG.DUMPREGISTRATIONS]] 1
        # A step registers at once.
        expect_match [lindex [py "def f(r):" "  GB('CommandReader').register(hook='get')" \
            "GB('ShardsIDReader').foreach(f).run()"] 1] "*Can not override a none sync registration*"
        unregister_all
    }

    test "a hook that unregisters itself, and one that takes its place" -needs python {
        unregister_all
        foreach mode {sync async_local} {
            py "def f(r):" "  execute('RG.UNREGISTER', execute('GET', 'id'))" \
                "  return call_next(*r\[1:\])" \
                "execute('SET', 'id', GB('CommandReader').map(f)\
                .register(hook='incr', mode='$mode', convertToStr=False))"
            r DEL n
            expect [r INCR n] 1
            expect [r INCR n] 2
            expect [r RG.DUMPREGISTRATIONS] {}
        }
    }

    test "statistics of a hook" -needs python {
        unregister_all
        hook get "1 // int(r\[1\])" mode='sync'
        r GET 1
        r GET 2
        expect_error "*ZeroDivisionError*" {r GET 0}
        expect [list [data numTriggered] [data numSuccess] [data numFailures]] {3 2 1}
        expect_match [data lastError] "*ZeroDivisionError*"
        r RG.CLEARREGISTRATIONSSTATS
        expect [list [data numTriggered] [data numSuccess] [data numFailures]] {0 0 0}
        expect [llength [r RG.PYDUMPSESSIONS VERBOSE]] 1
    }

    test "a hook whose client waits: disconnect, unregister, abort, flush" -needs python {
        unregister_all
        # Waits for a key, without end otherwise.
        py "import time" "def f(r):" "  while not execute('EXISTS', 'go'): time.sleep(0.001)" \
            "  return call_next(*r\[1:\])" \
            "GB('CommandReader').map(f).register(hook='get', mode='async_local')"
        set c [begin GET k]
        wait_for {[data numTriggered] == 1}
        client::close $c
        wait_for {[unended] eq ""}

        set c [begin GET k]
        # What is behind it waits, and comes in order.
        client::send $c PING
        client::flush $c
        wait_for {[llength [unended]] == 1 && [string match *running* [r RG.DUMPEXECUTIONS]]}
        expect_match [r CLIENT LIST TYPE normal] "* cmd=get *"
        r RG.ABORTEXECUTION [unended]
        expect_error "*forcestopped*" {client::receive $c}
        expect [client::receive $c] PONG
        client::close $c

        r SET k v
        set c [begin GET k]
        wait_for {[llength [unended]] == 1}
        unregister_all
        expect [r GET k] v
        r FLUSHALL
        r SET k w
        r SET go 1
        expect [finish $c] w
        wait_for {[unended] eq ""}
    }
}

with_server {args {--rename-command get fetch --rename-command echo ""}} {
    test "commands that have other names" -needs python {
        expect_error "*Can not override an unexisting command*" {hook get "1"}
        expect_error "*Can not override an unexisting command*" {hook echo "1"}
        hook fetch "call_next(*r\[1:\])" mode='sync'
        py "GB().foreach(lambda r: override_reply(get_command()))\
            .register(commands=\['fetch'\], eventTypes=\['keymiss'\], mode='async_local')"
        r SET k v
        expect [r FETCH k] v
        expect [r FETCH nokey] {FETCH nokey}
        expect_error "ERR unknown command*" {r GET k}
    }
}
