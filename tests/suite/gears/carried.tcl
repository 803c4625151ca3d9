# SPDX-License-Identifier: BSD-3-Clause
#
# Waves of commands that are run where their sync callbacks run. To clients that is the same as if
# main ran them: each kind of command is here in the middle of such a wave.

tags threads quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc unregister_all {} {
    foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
}

# Sends the requests in one go, several times, so that most of them come in waves that are carried;
# returns the replies of the last time.
proc carried {c requests {times 4}} {
    for {set i 0} {$i < $times} {incr i} { set got [client::pipeline $c $requests] }
    return $got
}

# k:slow, set, keeps the server busy until that is aborted. Its value is a new one each time, for
# the log says which of them has begun.
set slows 0
proc next_slow {} { incr ::slows }

proc register_slow {} {
    r RG.PYEXECUTE {
def f(r):
    if r['key'] != 'k:slow': return
    log('slow: ' + r['value'])
    while True: pass
GB().foreach(f).register('k:*', mode='sync')
    }
}

proc wait_until_slow {value} { wait_for {[string match "*slow: $value (*" [srv log]]} }

# Aborts what runs, over a connection that is served while the server is busy.
proc abort_slow {admin} {
    foreach e [$admin RG.DUMPEXECUTIONS] {
        if {[dict get $e status] eq "running"} { expect [$admin RG.ABORTEXECUTION [lindex $e 1]] OK }
    }
}

# Sends each client's requests while the server stands still, so that they come in one wave: a list
# of client, requests …
proc in_one_wave {args} {
    exec kill -STOP [srv pid]
    wait_for {[regexp {\) T } [exec cat /proc/[srv pid]/stat]]}
    foreach {c requests} $args {
        foreach request $requests { client::send $c {*}$request }
        client::flush $c
    }
    exec kill -CONT [srv pid]
}

proc waves {} { return [info_field gears_sync_waves] }

with_server {} {
    test "waves with sync events are carried, and those without are not" -needs python {
        r RG.PYEXECUTE {GB().foreach(lambda r: execute('incr', 'n')).register('k:*', mode='sync')}
        set requests {}
        for {set i 0} {$i < 60} {incr i} { lappend requests [list SET k:$i $i] [list GET k:$i] }
        set want {}
        for {set i 0} {$i < 60} {incr i} { lappend want OK $i }
        set c [client]
        set before [waves]
        expect [carried $c $requests] $want
        expect_true {[waves] > $before}
        expect [r GET n] 240
        # One wave may be carried in vain.
        set plain {}
        for {set i 0} {$i < 60} {incr i} { lappend plain {INCR m} {PING} }
        carried $c $plain 2
        set before [waves]
        carried $c $plain 10
        expect [waves] $before
        expect [r GET m] 720
        unregister_all
    }

    test "commands of every kind within a carried wave" -needs python -resp {2 3} {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('incr', 'n')).register('k:*', mode='sync', eventTypes=['set'])
        }
        set c [client -resp [resp]]
        set want [list OK 1 OK QUEUED QUEUED [list OK 2] 2 PONG [r CLIENT ID] OK]
        set want [lreplace $want 8 8 [$c CLIENT ID]]
        for {set turn 0} {$turn < 5} {incr turn} {
            $c DEL n l
            expect [client::pipeline $c {{SET k:1 x} {GET n} MULTI {SET k:2 y} {GET n} EXEC {GET n}
                PING {CLIENT ID} {SET k:1 z}}] $want
            set got [client::pipeline $c {{SET k:1 x} {NOSUCH a} {GET} {LPUSH k:1 a} {SET k:3 y}
                {DEL k:3} {EXISTS k:3} FLUSHALL {GET n} {SET k:1 a} {GET n}}]
            expect_match [lindex $got 1] "-ERR unknown command*"
            expect_match [lindex $got 2] "-ERR wrong number*"
            expect_match [lindex $got 3] "-WRONGTYPE*"
            expect [lrange $got 4 end] {OK 1 0 OK (nil) OK 1}
        }
        expect_match [lindex [client::pipeline $c {{SET k:1 x} {CONFIG SET gears-sync-max-time 5000}
            {SET k:2 x} {INFO cpu}}] 3] "*used_cpu_user_main_thread:*"
        expect_map [lindex [client::pipeline $c {{SET k:1 x} {SET k:2 x}
            {CONFIG GET gears-sync-max-time}}] 2] {gears-sync-max-time 5000}
        unregister_all
    }

    test "clients that wait, and are woken, within carried waves" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('lpush', 'by:callback', r['key'])).register('k:*', mode='sync',
                                                                           eventTypes=['set'])
        }
        set c [client]
        set waiter [client]
        set other [client]
        for {set turn 0} {$turn < 5} {incr turn} {
            client::send $waiter BLPOP by:callback 0
            client::send $other BLPOP by:command 0
            client::flush $waiter
            client::flush $other
            wait_for {[info_field blocked_clients] == 2}
            # The third blocks in the middle of its own pipeline, and what is behind it waits.
            foreach request {{SET k:1 a} {LPUSH by:command b} {BLPOP never:$turn 0} {SET k:2 a}} {
                client::send $c {*}[subst $request]
            }
            client::flush $c
            expect [client::receive $c] OK
            expect [client::receive $c] 1
            expect [client::receive $waiter] {by:callback k:1}
            expect [client::receive $other] {by:command b}
            expect [info_field blocked_clients] 1
            expect [r EXISTS k:2] 0
            r LPUSH never:$turn x
            expect [client::receive $c] [list never:$turn x]
            expect [client::receive $c] OK
            expect [r LRANGE by:callback 0 -1] {k:2}
            r FLUSHALL
        }
        unregister_all
    }

    test "clients that end within carried waves" -needs python {
        r RG.PYEXECUTE {GB().foreach(lambda r: execute('incr', 'n')).register('k:*', mode='sync')}
        for {set turn 0} {$turn < 5} {incr turn} {
            r DEL n
            set c [client]
            set victim [client]
            set id [$victim CLIENT ID]
            expect [client::pipeline $c [list {SET k:1 a} [list CLIENT KILL ID $id] {SET k:2 a}]] \
                {OK 1 OK}
            expect_true {[catch {$victim PING}]}
            foreach request {{SET k:3 a} {SET k:4 a} QUIT {SET k:5 a}} { client::send $c {*}$request }
            client::flush $c
            expect [list [client::receive $c] [client::receive $c] [client::receive $c]] {OK OK OK}
            expect_true {[catch {client::receive $c}]}
            set self [client]
            set id [$self CLIENT ID]
            expect [client::pipeline $self [list {SET k:6 a} {SET k:7 a} \
                [list CLIENT KILL ID $id SKIPME no]]] {OK OK 1}
            expect_true {[catch {client::receive $self}]}
            expect [r GET n] 6
        }
        unregister_all
    }

    test "pauses, monitors, subscribers and tracking in carried waves" -needs python {
        r RG.PYEXECUTE {
def f(r):
    execute('incr', 'n')
    execute('publish', 'told', r['key'])
GB().foreach(f).register('k:*', mode='sync')
        }
        set c [client]
        set sub [client]
        set mon [client]
        set tracker [client -resp 3]
        expect [$sub SUBSCRIBE told] {subscribe told 1}
        expect [$tracker CLIENT TRACKING on] OK
        carried $c {{SET k:1 a} {SET k:2 a}} 3
        for {set i 0} {$i < 6} {incr i} { client::receive $sub }
        $tracker GET k:1
        $tracker GET n
        client::send $mon MONITOR
        client::flush $mon
        expect [client::receive $mon] OK
        client::pipeline $c {{SET k:1 b} {SET k:2 b} {PUBLISH told all}}
        set told {}
        for {set i 0} {$i < 3} {incr i} { lappend told [lindex [client::receive $sub] 2] }
        expect_set $told {k:1 k:2 all}
        set lines {}
        for {set i 0} {$i < 7} {incr i} { lappend lines [lrange [client::receive $mon] 3 end] }
        expect_set $lines {{SET k:1 b} {incr n} {publish told k:1} {SET k:2 b} {incr n}
            {publish told k:2} {PUBLISH told all}}
        set gone {}
        for {set i 0} {$i < 2} {incr i} { lappend gone [client::next_push $tracker] }
        expect_set $gone {{push {{bulk invalidate} {array {{bulk k:1}}}}}
            {push {{bulk invalidate} {array {{bulk n}}}}}}
        # What stands behind the pause waits for its end.
        foreach request {{SET k:1 c} {CLIENT PAUSE 100000 WRITE} {SET k:2 c} {SET k:3 c}} {
            client::send $c {*}$request
        }
        client::flush $c
        expect [client::receive $c] OK
        expect [client::receive $c] OK
        expect [r GET k:2] b
        expect [r CLIENT UNPAUSE] OK
        expect [client::receive $c] OK
        expect [client::receive $c] OK
        unregister_all
    }

    test "triggers and hooks within carried waves" -needs python {
        r RG.PYEXECUTE {
GB('CommandReader').map(lambda r: execute('incrby', 'n', r[1])).register(trigger='add', mode='sync')
GB('CommandReader').map(lambda r: 'hooked ' + call_next(*r[1:])).register(hook='get', keyprefix='h:',
                                                                         mode='sync', convertToStr=False)
GB().foreach(lambda r: execute('incr', 'events')).register('h:*', mode='sync', eventTypes=['set'])
        }
        set many [lmap i {1 2 3 4} {client}]
        for {set turn 0} {$turn < 10} {incr turn} {
            foreach c $many {
                foreach request {{SET h:1 x} {RG.TRIGGER add 2} {GET h:1} {GET plain} {RG.TRIGGER add 3}
                    {RG.TRIGGER add x}} { client::send $c {*}$request }
                client::flush $c
            }
            foreach c $many {
                expect [client::receive $c] OK
                expect_match [client::receive $c] {[0-9]*}
                expect [client::receive $c] "hooked x"
                expect [client::receive $c] (nil)
                expect_match [client::receive $c] {[0-9]*}
                expect_error "*not an integer*" {client::receive $c}
            }
        }
        expect [r GET n] 200
        expect [r GET events] 40
        unregister_all
    }

    test "what registrations set off in turn, and a registration that goes" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('set', 'b:' + r['key'], 1)).register('a:*', mode='sync')
GB().foreach(lambda r: execute('incr', 'n')).register('b:*', mode='sync')
def once(r):
    for g in execute('RG.DUMPREGISTRATIONS'):
        if g[7] == 'once': execute('RG.UNREGISTER', g[1])
GB(desc='once').foreach(once).register('c:*', mode='sync')
        }
        set c [client]
        carried $c {{SET a:1 x} {GET b:a:1} {SET c:1 x} {GET n} {SET c:2 x} {SET a:2 x}}
        expect [r GET n] 8
        unregister_all
    }

    test "a callback that takes too long is stopped, and its wave goes on" -needs python {
        r RG.PYEXECUTE {
def f(r):
    execute('incr', 'n')
    while r['key'] == 'k:slow': pass
GB().foreach(f).register('k:*', mode='sync')
        }
        set c [client]
        with_config {gears-sync-max-time 200} {
            expect [carried $c {{SET k:1 x} {SET k:slow x} {GET n} {SET k:2 x} {GET n}} 2] {OK OK 5 OK 6}
        }
        set data [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]
        expect [dict get $data numFailures] 2
        expect [dict get $data numSuccess] 4
        unregister_all
    }

    test "busy mode while a carried wave calls back, and no other time" -needs python {
        with_config {busy-reply-threshold 100 gears-sync-max-time 60000} {
            register_slow
            set c [client]
            set admin [client]
            $admin PING
            for {set turn 0} {$turn < 3} {incr turn} {
                set value [next_slow]
                carried $c {{SET k:1 x} {SET k:2 x}}
                foreach request {{SET k:1 a} {SET k:slow $value} {SET k:2 b} {GET k:2}} {
                    client::send $c {*}[subst $request]
                }
                client::flush $c
                wait_until_slow $value
                wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
                expect_error "BUSY*" {$admin GET k:1}
                foreach e [$admin RG.DUMPEXECUTIONS] {
                    if {[dict get $e status] eq "running"} { set id [dict get $e executionId] }
                }
                expect [$admin RG.ABORTEXECUTION $id] OK
                expect [list [client::receive $c] [client::receive $c] [client::receive $c] \
                    [client::receive $c]] {OK OK OK b}
                wait_for {![catch {$admin PING}]}
            }
            # A long command of the wave is waited for.
            carried $c {{SET k:1 x} {SET k:2 x}}
            foreach request {{SET k:1 a} {DEBUG SLEEP 0.5} {SET k:2 b}} { client::send $c {*}$request }
            client::flush $c
            wait_for {[client::receive $c] eq "OK"}
            expect [$admin PING] PONG
            expect [list [client::receive $c] [client::receive $c]] {OK OK}
            unregister_all
        }
    }

    # I/O threads would make waves of their own of what is sent at once.
    with_server {io-threads 1} {
        test "the others in a wave whose callback takes long are told" -needs python -resp {2 3} {
            with_config {busy-reply-threshold 100 gears-sync-max-time 60000} {
                register_slow
                foreach name {before slow behind other} { set $name [client -resp [resp]] }
                set admin [client]
                $admin PING
                for {set turn 0} {$turn < 3} {incr turn} {
                    # The first time main runs the wave, then it is carried.
                    set value [next_slow]
                    in_one_wave $before {{SET b:1 x} {GET b:1}} \
                        $slow [list {SET a:1 x} [list SET k:slow $value] {GET a:1} {SET k:2 b}] \
                        $behind {{GET b:1} {CLIENT REPLY SKIP} {GET b:1} PING {CLIENT ID} PING} \
                        $other {{SET c:1 x} MULTI {SET c:1 y} {GET c:1} EXEC {GET c:1}}
                    wait_until_slow $value
                    expect [list [client::receive $before] [client::receive $before]] {OK x}
                    foreach times {1 2 3 4 5} { expect_error "BUSY*" {client::receive $behind} }
                    expect_error "BUSY*" {client::receive $other}
                    expect [client::receive $other] OK
                    foreach times {1 2} { expect_error "BUSY*" {client::receive $other} }
                    expect_error "EXECABORT *BUSY*" {client::receive $other}
                    expect_error "BUSY*" {client::receive $other}
                    # From here on they are as all others.
                    expect_error "BUSY*" {$before GET b:1}
                    expect_error "BUSY*" {$other GET b:1}
                    abort_slow $admin
                    foreach want {OK OK x OK} { expect [client::receive $slow] $want }
                    wait_for {![catch {$admin PING}]}
                    expect [list [$before GET b:1] [$other EXISTS c:1] [$other MULTI] [$other PING] \
                        [$other EXEC]] {x 0 OK QUEUED PONG}
                    carried $before {{SET k:1 x} {SET k:2 x}}
                }
                unregister_all
            }
        }
    }

    test "a transaction that busy mode interrupts is discarded, its watches too" -needs python {
        with_config {busy-reply-threshold 100 gears-sync-max-time 60000} {
            register_slow
            set slow [client]
            set admin [client]
            set c [client]
            $admin PING
            # What each says of a transaction that is begun before, and by whom it is ended.
            foreach {while_busy behind want} {
                {{SET t y}} {{SET t z} EXEC} {EXECABORT*}
                {EXEC} {{SET t z}} {OK}
                {{SET t y} EXEC} {{SET t z}} {OK}
            } {
                r SET t x
                $c WATCH t
                expect [$c MULTI] OK
                expect [$c SET t w] QUEUED
                set value [next_slow]
                client::send $slow SET k:slow $value
                client::flush $slow
                wait_until_slow $value
                wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
                foreach request $while_busy {
                    set pattern [expr {$request eq "EXEC" ? "EXECABORT *BUSY*" : "BUSY*"}]
                    expect_error $pattern {$c {*}$request}
                }
                abort_slow $admin
                expect [client::receive $slow] OK
                wait_for {![catch {$admin PING}]}
                foreach request $behind { catch {$c {*}$request} got }
                expect_match $got $want
                expect [r GET t] [expr {$want eq "OK" ? "z" : "x"}]
                r SET t x
                expect [list [$c MULTI] [$c GET t] [$c EXEC]] {OK QUEUED x}
            }
            unregister_all
        }
    }

    test "SHUTDOWN NOSAVE while a carried wave calls back" -needs python -down yes {
        r CONFIG SET busy-reply-threshold 100
        register_slow
        set c [client]
        set admin [client]
        $admin PING
        carried $c {{SET k:1 x} {SET k:2 x}}
        foreach request {{SET k:1 a} {SET k:slow a} {SET k:2 b}} { client::send $c {*}$request }
        client::flush $c
        wait_until_slow a
        wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
        catch {$admin SHUTDOWN NOSAVE}
        wait_for {![server::process_runs [srv_id]]}
    }

    test "SHUTDOWN within a carried wave" -needs python -down yes {
        r RG.PYEXECUTE {GB().foreach(lambda r: None).register('k:*', mode='sync')}
        set c [client]
        carried $c {{SET k:1 x} {SET k:2 x}}
        foreach request {{SET k:1 a} {SET k:2 a} {SHUTDOWN NOSAVE} {SET k:3 b}} {
            client::send $c {*}$request
        }
        client::flush $c
        wait_for {![server::process_runs [srv_id]]}
    }
}

with_server {gears-sync-wait 2000} {
    test "a wave isn't held up by a Python that is busy" -needs python -tags {slow} {
        r RG.PYEXECUTE {GB().foreach(lambda r: execute('incr', 'n')).register('k:*', mode='sync')}
        set c [client]
        carried $c {{SET k:1 x} {SET k:2 x}}
        set holder [client]
        client::send $holder RG.PYEXECUTE {
execute('set', 'holds', 1)
sum(range(5 * 10**7))
execute('del', 'holds')
        }
        client::flush $holder
        wait_for {[r EXISTS holds]}
        set refused [info_field gears_sync_waves_refused]
        set times {}
        while {[r EXISTS holds]} {
            lappend times [time_served {
                client::pipeline $c {{GET k:1} {GET k:2} {INCR m} {INCR m}}
            }]
        }
        expect_served $times 50
        expect_true {[info_field gears_sync_waves_refused] > $refused}
        client::receive $holder
        set before [waves]
        carried $c {{SET k:1 x} {SET k:2 x} {SET k:3 x}} 10
        expect_true {[waves] > $before}
        unregister_all
    }
}

with_server {gears-sync-max-time 60000} {
    # A worker that gives up Python's lock, and asks for it again, stands back while a callback runs:
    # it may come in between once, and every 50 ms, for it doesn't stand there for longer. If it
    # didn't, it would have its turn thousands of times.
    test "a callback that has begun keeps Python to itself" -needs python {
        r RG.PYEXECUTE {
import sys, time
sys.turns = [0]
def turn(r):
    while not execute('get', 'end'):
        for i in range(20000):
            time.sleep(0)
            sys.turns[0] += 1
def one(): yield 1
def f(r):
    before, began = sys.turns[0], time.thread_time()
    while time.thread_time() - began < 0.3: pass
    execute('set', 'turns', sys.turns[0] - before)
GB().foreach(f).register('k:*', mode='sync')
GB('PythonReader').foreach(turn).run(one)
        }
        wait_for {[running_execution] ne ""}
        r SET k:1 v
        r SET end 1
        wait_for {[unended] eq ""}
        expect_true {[r GET turns] < 150 * $::suite::slow_factor}
        unregister_all
    }
}

test "a crash within a carried wave tells its command" -needs python {
    if {$::suite::slow_factor > 1} return; # sanitizers have reports of their own
    set port [server::free_port]
    set pid [spawn $::server::binary --port $port --save "" --enable-debug-command yes]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    $c RG.PYEXECUTE {GB().foreach(lambda r: None).register('k:*', mode='sync')}
    for {set i 0} {$i < 5} {incr i} { client::pipeline $c {{SET k:1 x} {SET k:2 x}} }
    foreach request {{SET k:1 x} {SET k:2 x} {DEBUG SEGFAULT}} { client::send $c {*}$request }
    client::flush $c
    expect [catch {spawn_wait $pid} output] 1
    expect_match $output "*crashed by signal: 11*"
    expect_match $output "*gears-sync, not the main thread*Running command: debug*"
}
