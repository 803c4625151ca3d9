# SPDX-License-Identifier: BSD-3-Clause
#
# Gears under load: scripts that run commands, atomic blocks, registrations of both kinds, aborts
# and clients that go away, all at once, beside clients that read and write. What is counted must
# add up.

tags threads quick

proc spin_up {count} {
    set clients {}
    for {set i 0} {$i < $count} {incr i} { lappend clients [client] }
    return $clients
}

# All that this registration was told of has been run.
proc settled {id} {
    foreach g [r RG.DUMPREGISTRATIONS] {
        if {[dict get $g id] ne $id} continue
        set data [dict get $g RegistrationData]
        return [expr {[dict get $data numTriggered] == [dict get $data numSuccess] +
            [dict get $data numFailures] + [dict get $data numAborted]}]
    }
}

# One round of ordinary commands on each client.
proc load_round {clients} {
    foreach c $clients {
        client::send $c INCR load
        client::send $c SET load:[rand_int 50] [rand_int 1000]
        client::send $c HSET load:h:[rand_int 20] f[rand_int 5] v
        client::send $c GET load:[rand_int 50]
        client::send $c MULTI
        client::send $c INCR load
        client::send $c EXEC
        client::flush $c
    }
    foreach c $clients { for {set k 0} {$k < 7} {incr k} { client::receive_typed $c } }
}

with_server {} {
    test "scripts, atomic blocks and clients count what they do" -needs python {
        set clients [spin_up 4]
        set scripts [spin_up 5]
        foreach s $scripts {
            client::send $s RG.PYEXECUTE {
def numbers():
    for i in range(400): yield i
def one(r):
    execute('incr', 'plain')
    with atomic():
        n = int(execute('get', 'atomic') or 0)
        execute('set', 'atomic', n + 1)
        assert isInAtomicBlock()
    return r
GB('PythonReader').map(one).count().run(numbers)
            }
            client::flush $s
        }
        set rounds 0
        while {[info_field blocked_clients] > 0} {
            load_round $clients
            incr rounds
        }
        foreach s $scripts { expect [client::receive $s] {400 {}} }
        expect [r GET plain] 2000
        expect [r GET atomic] 2000
        if {$rounds} { expect [r GET load] [expr {$rounds * 8}] }
    }

    test "registrations of both kinds beside scripts that set them off" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('incr', 'sync')).register('ev:*', mode='sync', eventTypes=['set'])
GB().foreach(lambda r: execute('incr', 'async')).register('ev:*', mode='async_local', eventTypes=['set'])
        }
        set scripts [spin_up 3]
        foreach s $scripts {
            client::send $s RG.PYEXECUTE {
def numbers():
    for i in range(200): yield i
GB('PythonReader').foreach(lambda r: execute('set', 'ev:%d' % r, 'v')).count().run(numbers)
            }
            client::flush $s
        }
        set clients [spin_up 4]
        for {set i 0} {$i < 50} {incr i} {
            foreach c $clients {
                client::send $c SET ev:$i v
                client::send $c GET ev:$i
                client::flush $c
            }
            foreach c $clients { client::receive_typed $c; client::receive_typed $c }
            if {$i % 10 == 0} { r RG.DUMPREGISTRATIONS; r RG.DUMPEXECUTIONS; r INFO }
        }
        foreach s $scripts { expect [client::receive $s] {200 {}} }
        expect [r GET sync] 800
        wait_for {[r GET async] == 800} -within 20000
        foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] abortpending }
    }

    test "readers of the keyspace while it changes" -needs python {
        set clients [spin_up 3]
        for {set i 0} {$i < 500} {incr i} { r SET fixed:$i v }
        set readers [spin_up 4]
        for {set turn 0} {$turn < 5} {incr turn} {
            foreach s $readers script {
                {GB('KeysOnlyReader').count().run('fixed:*')}
                {GB().filter(lambda r: r['value'] == 'v').count().run('fixed:*')}
                {GB('KeysOnlyReader').map(lambda k: execute('get', k)).countby().run('fixed:*')}
                {GB().map(lambda r: r['key']).distinct().count().run('fixed:*')}
            } {
                client::send $s RG.PYEXECUTE $script
                client::flush $s
            }
            for {set i 0} {$i < 5} {incr i} {
                load_round $clients
                r DEL load:h:[rand_int 20]
                r SET load:t:$i v PX 1
            }
            set got {}
            foreach s $readers { lappend got [client::receive $s] }
            expect $got {{500 {}} {500 {}} {{{{'key': 'v', 'value': 500}}} {}} {500 {}}}
        }
    }

    test "aborts and clients that go away" -needs python {
        set clients [spin_up 2]
        for {set turn 0} {$turn < 6} {incr turn} {
            set ids {}
            for {set i 0} {$i < 3} {incr i} {
                lappend ids [r RG.PYEXECUTE {
def numbers():
    while True: yield execute('incr', 'endless')
GB('PythonReader').filter(lambda r: False).run(numbers)
                } UNBLOCKING]
            }
            set gone [client]
            client::send $gone RG.PYEXECUTE {while True: execute('incr', 'endless')}
            client::flush $gone
            load_round $clients
            client::close $gone
            foreach id $ids {
                expect [r RG.ABORTEXECUTION $id] OK
                expect [r RG.DROPEXECUTION $id] OK
            }
            load_round $clients
        }
        wait_for {"running" ni [join [r RG.DUMPEXECUTIONS]]}
        expect [r RG.PYEXECUTE {GB('KeysOnlyReader').count().run('no*')}] {{} {}}
    }

    test "sessions, plans and objects that end on many threads" -needs python {
        set scripts [spin_up 4]
        for {set turn 0} {$turn < 10} {incr turn} {
            foreach s $scripts {
                client::send $s RG.PYEXECUTE {
import threading
class D:
    def __del__(self): execute('incr', 'ended')
keep = D()
t = threading.Thread(target=lambda: execute('incr', 'thread'))
t.start()
GB('ShardsIDReader').map(lambda r, d=keep: 1).count().run()
                }
                client::flush $s
            }
            foreach s $scripts { expect [client::receive $s] {1 {}} }
        }
        wait_for {[r GET ended] >= 40} -within 20000
        wait_for {[r GET thread] == 40}
    }

    test "the server ends while all of it goes on" -needs python -down yes {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('incr', 'sync')).register('ev:*', mode='sync', eventTypes=['set'])
GB().foreach(lambda r: execute('incr', 'async')).register('ev:*', mode='async_local', eventTypes=['set'])
        }
        foreach i {1 2} {
            r RG.PYEXECUTE {
def numbers():
    while True: yield execute('set', 'ev:1', 'v')
GB('PythonReader').filter(lambda r: False).run(numbers)
            } UNBLOCKING
        }
        set c [client]
        for {set i 0} {$i < 200} {incr i} { client::send $c SET ev:$i v }
        client::flush $c
        wait_for {[r GET sync] > 200}
        server::signal [srv_id] TERM
        wait_for {![server::process_runs [srv_id]]}
    }
}

# Asks until the server isn't busy.
proc insist {args} {
    while {[catch {r {*}$args} reply info]} {
        if {![string match BUSY* $reply]} { return -options $info $reply }
    }
    return $reply
}

# How often the callback of events of this prefix has succeeded.
proc succeeded {prefix} {
    foreach g [insist RG.DUMPREGISTRATIONS] {
        set data [dict get $g RegistrationData]
        if {[dict get $g reader] eq "KeysReader" && [dict get [dict get $data args] regex] eq $prefix} {
            return [dict get $data numSuccess]
        }
    }
}

# What a reply says of the callback that its command waits for: 1 it ran, 0 it didn't, "" it may have
# begun and been stopped, as on a crowded machine those are that had no processor for long.
proc has_run {reply} {
    if {[lindex $reply 0] ne "error"} { return 1 }
    if {[string match BUSY* [lindex $reply 1]]} { return 0 }
}

# Counts it in a list: how many have run, how many may have.
proc tally {counts_var reply} {
    upvar 1 $counts_var counts
    set at [expr {[set ran [has_run $reply]] eq ""}]
    lset counts $at [expr {[lindex $counts $at] + ($at || $ran)}]
}

proc expect_tally {got counts} {
    lassign $counts sure unsure
    expect_true {$sure <= $got && $got <= $sure + $unsure}
}

# Pipelines whose waves the runner carries, beside whatever else has threads.
foreach io_threads {1 2 4} {
    with_server [list io-threads $io_threads io-threads-do-reads yes io-threads-active always busy-reply-threshold 50] {
        test "carried waves, $io_threads I/O threads" -needs python {
            r RG.PYEXECUTE {
def event(r):
    execute('incr', 'events')
    if r['key'].endswith('slow'):
        while True: pass
GB().foreach(event).register('ev:*', mode='sync', eventTypes=['set'])
GB().foreach(lambda r: execute('incr', 'async')).register('ev:*', mode='async_local',
                                                         eventTypes=['set'])
GB().foreach(lambda r: execute('lpush', 'list', 1)).register('ping', mode='sync', eventTypes=['set'])
GB('CommandReader').map(lambda r: execute('incr', 'triggers')).register(trigger='t', mode='sync')
(GB('CommandReader').foreach(lambda r: execute('incr', 'hooked')).map(lambda r: call_next(*r[1:]))
 .register(hook='hset', mode='sync', convertToStr=False))
            }
            r CONFIG SET gears-sync-max-time 100
            set scripts [spin_up 2]
            foreach s $scripts {
                client::send $s RG.PYEXECUTE {
import time
# Programs are never held: they must not fill the backlog, for which clients would be.
def waiting():
    return int(execute('get', 'events') or 0) - int(execute('get', 'async') or 0)
def numbers():
    while execute('get', 'stop') is None:
        if waiting() > 1000: time.sleep(0.001)
        else: yield execute('set', 'ev:script', 1)
GB('PythonReader').count().run(numbers)
                }
                client::flush $s
            }
            set clients [spin_up 5]
            set waiter [client]
            set slow [client]
            set triggered {0 0}
            set hooked {0 0}
            for {set turn 0} {$turn < 25} {incr turn} {
                client::send $waiter BLPOP list 0
                client::flush $waiter
                set victim [client]
                while {[catch {$victim CLIENT ID} victim_id]} {}
                foreach c $clients {
                    for {set i 0} {$i < 8} {incr i} { client::send $c SET ev:$i $turn }
                    client::send $c RG.TRIGGER t
                    client::send $c MULTI
                    client::send $c SET ev:multi $turn
                    client::send $c GET ev:multi
                    client::send $c EXEC
                    client::send $c HSET h f $turn
                    client::send $c CLIENT KILL ID $victim_id
                    client::flush $c
                }
                client::send $victim SET ev:victim 1
                catch {client::flush $victim}
                if {$turn % 8 == 3} {
                    client::send $slow SET ev:0 1
                    client::send $slow SET ev:slow 1
                    client::flush $slow
                }
                foreach c $clients {
                    set got {}
                    for {set i 0} {$i < 15} {incr i} { lappend got [client::receive_typed $c] }
                    tally triggered [lindex $got 8]
                    tally hooked [lindex $got 13]
                }
                if {$turn % 8 == 3} { client::receive_typed $slow; client::receive_typed $slow }
                # A callback that has succeeded has answered who waits. One may have been stopped.
                set before [succeeded ping]
                while {[succeeded ping] == $before} { insist SET ping 1 }
                client::receive_typed $waiter
                insist DEL list
                if {$turn % 5 == 0} {
                    foreach request {INFO RG.DUMPEXECUTIONS {CLIENT LIST}} { catch {r {*}$request} }
                }
                catch {client::close $victim}
            }
            insist SET stop 1
            foreach s $scripts { client::receive_typed $s }
            foreach g [r RG.DUMPREGISTRATIONS] {
                set id [dict get $g id]
                if {[dict get $g reader] eq "KeysReader"} { wait_for {[settled $id]} -within 30000 }
            }
            expect_tally [r GET triggers] $triggered
            expect_tally [r GET hooked] $hooked
            expect_true {[info_field gears_sync_waves] > 0}
            foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
        }
    }
}
