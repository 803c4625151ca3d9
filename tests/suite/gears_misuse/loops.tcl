# SPDX-License-Identifier: BSD-3-Clause
#
# Registrations whose callbacks set off registrations, change the list of them, come in thousands,
# or get events in storms.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc registration {id} {
    foreach g [r RG.DUMPREGISTRATIONS] { if {[dict get $g id] eq $id} { return $g } }
    error "no registration $id"
}

proc data_of {id} {
    dict get [registration $id] RegistrationData
}

proc registration_ids {} {
    lmap g [r RG.DUMPREGISTRATIONS] { dict get $g id }
}

proc unregister_all {} {
    foreach id [registration_ids] { r RG.UNREGISTER $id }
}

# All events have been run.
proc settled {id} {
    set d [data_of $id]
    expr {[dict get $d numTriggered] == [dict get $d numSuccess] + [dict get $d numFailures] +
        [dict get $d numAborted]}
}

with_server {} {
    foreach mode {sync async_local} {
        test "a $mode registration that writes the key it listens on" -needs python {
            r RG.PYEXECUTE "GB().foreach(lambda r: execute('incr', r\['key'\])).register('loop', mode='$mode', recursive=True)"
            set id [lindex [registration_ids] 0]
            expect [r INCR loop] 1
            wait_for {[settled $id]}
            set d [data_of $id]
            expect_true {[dict get $d numFailures] >= 1}
            # A later success clears the error, as always.
            if {$mode eq "sync"} { expect_match [dict get $d lastError] "*without end*" }
            set value [r GET loop]
            expect_true {$value > 1 && $value < 100}
            # The bound is per chain: the next event has its own.
            r INCR loop
            wait_for {[settled $id]}
            expect_true {[r GET loop] == 2 * $value}
            unregister_all
            expect_unhurt
        }

        test "two $mode registrations that set each other off" -needs python {
            r RG.PYEXECUTE "
def register(key, f): GB().foreach(f).register(key, mode='$mode', recursive=True)
register('a', lambda r: execute('incr', 'b'))
register('b', lambda r: execute('incr', 'a'))
register('ab*', lambda r: \[execute('incr', 'a'), execute('incr', 'b')\])
            "
            r SET ab 1
            foreach id [registration_ids] { wait_for {[settled $id]} }
            expect_true {[r GET a] < 10000 && [r GET b] < 10000}
            unregister_all
            expect_unhurt
        }

        test "a $mode registration that registers another for each event" -needs python {
            r RG.PYEXECUTE "
def f(r):
    GB().foreach(lambda r: None).register('x*', mode='$mode')
    execute('set', 'x', 1)
GB().foreach(f).register('x*', mode='$mode')
            "
            r SET x 1
            wait_for {[settled [lindex [registration_ids] 0]]} -within 20000
            unregister_all
            expect [r RG.DUMPREGISTRATIONS] {}
            expect_unhurt
        }

        test "unregister from inside of a $mode callback" -needs python {
            r RG.PYEXECUTE "
ids = \[\]
def f(r):
    for g in execute('rg.dumpregistrations'): execute('rg.unregister', g\[1\])
    execute('incr', 'called')
for i in range(5): GB().foreach(f).register('u*', mode='$mode')
            "
            expect [llength [registration_ids]] 5
            r SET u 1
            wait_for {[registration_ids] eq ""}
            wait_for {[r GET called] >= 1}
            if {$mode eq "sync"} { expect [r GET called] 1 }
            expect_unhurt
        }

        test "FLUSHALL from inside of a $mode callback, and of one that listens to it" -needs python {
            r RG.PYEXECUTE "GB().foreach(lambda r: execute('flushall')).register('f:*', mode='$mode')"
            set id [lindex [registration_ids] 0]
            for {set i 0} {$i < 20} {incr i} { r SET f:$i v; r SET g:$i v }
            wait_for {[settled $id]}
            r FLUSHALL
            r SET f:1 v
            wait_for {[settled $id]}
            expect [dict get [data_of $id] numFailures] 0
            expect [llength [registration_ids]] 1
            unregister_all
            expect_unhurt
        }
    }

    test "a sync callback that never ends is stopped, whatever it sets off" -needs python {
        with_config {gears-sync-max-time 300 busy-reply-threshold 5000} {
            r RG.PYEXECUTE {
def spin(r):
    execute('set', 'inner', 1)
    while True:
        try:
            while True: execute('set', 'inner', 1)
        except BaseException: pass
GB().foreach(spin).register('outer', mode='sync')
GB().foreach(lambda r: None).register('inner', mode='sync')
            }
            set start [clock milliseconds]
            expect [r SET outer 1] OK
            expect_true {[clock milliseconds] - $start < 3000 * $::suite::slow_factor}
            expect_match [dict get [data_of [lindex [registration_ids] 0]] lastError] "*forcestopped*"
            unregister_all
            expect_unhurt
        }
    }

    test "busy mode in a sync callback: abort" -needs python {
        with_config {gears-sync-max-time 60000 gears-sync-wait 60000 busy-reply-threshold 100} {
            r RG.PYEXECUTE {
def spin(r):
    log('it spins')
    while True:
        try:
            while True: pass
        except Exception: pass
GB().foreach(spin).register('busy', mode='sync')
            }
            set admin [client]
            $admin PING
            set c [client]
            client::send $c SET busy 1
            client::flush $c
            # A request that came with that one would wait with it.
            wait_for {[string match "*it spins*" [srv log]]}
            wait_for {[catch {$admin PING} message] && [string match BUSY* $message]}
            foreach e [$admin RG.DUMPEXECUTIONS] {
                if {[dict get $e status] eq "running"} { set id [dict get $e executionId] }
            }
            expect [$admin RG.ABORTEXECUTION $id] OK
            expect [client::receive $c] OK
            expect_match [dict get [data_of [lindex [registration_ids] 0]] lastError] "*forcestopped*"
            unregister_all
            expect_unhurt
        }
    }

    test "events of keys that end: del, expired, evicted, renamed, missed" -needs python {
        r RG.PYEXECUTE {
def note(r):
    execute('rpush' if False else 'incr', 'seen:%s:%s:%s' % (r['event'], r['key'], r['type']))
GB().foreach(note).register('e:*', mode='sync', eventTypes=['del', 'expired', 'rename_from', 'rename_to', 'keymiss', 'new', 'set', 'EVICTED'])
        }
        r SET e:del 1
        r DEL e:del
        expect [r GET seen:del:e:del:empty] 1
        expect [r GET seen:new:e:del:string] 1
        r SET e:exp 1 PX 1
        wait_for {[r GET seen:expired:e:exp:empty] == 1}
        r SET e:r 1
        r RENAME e:r e:s
        expect [r GET seen:rename_from:e:r:empty] 1
        expect [r GET seen:rename_to:e:s:string] 1
        r GET e:none
        expect [r GET seen:keymiss:e:none:empty] 1
        # Only in database 0.
        r SELECT 1
        r SET e:other 1
        r SELECT 0
        expect [r GET seen:set:e:other:string] (nil)
        unregister_all
        expect_unhurt
    }

    test "a sync callback that deletes what the command has just written" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('del', r['key'])).register('gone:*', mode='sync', eventTypes=['set', 'hset', 'sadd', 'incrby', 'append'])
        }
        expect [r SET gone:1 v] OK
        expect [r HSET gone:h f v] 1
        expect [r SADD gone:s a b] 2
        expect [r INCR gone:n] 1
        expect [r APPEND gone:a xy] 2
        expect [r MSET gone:x 1 gone:y 2 gone:z 3] OK
        r MULTI
        r SET gone:m v
        r GET gone:m
        lassign [r EXEC] first second
        expect $first OK
        expect [r KEYS gone:*] {}
        unregister_all
        expect_unhurt
    }

    test "a thousand registrations" -needs python {
        set start [clock milliseconds]
        r RG.PYEXECUTE {
for i in range(1000):
    GB().foreach(lambda r: execute('incr', 'calls')).register('t:%d' % i, mode='async_local')
        }
        expect [llength [registration_ids]] 1000
        for {set i 0} {$i < 1000} {incr i} { client::send [r] SET t:$i v }
        for {set i 0} {$i < 1000} {incr i} { client::receive [r] }
        wait_for {[r GET calls] == 1000} -within 20000
        set other [client]
        set times {}
        for {set i 0} {$i < 50} {incr i} {
            lappend times [time_served { $other SET nobody:$i v }]
        }
        expect_served $times
        foreach id [registration_ids] { client::send [r] RG.UNREGISTER $id }
        for {set i 0} {$i < 1000} {incr i} { expect [client::receive [r]] OK }
        expect [r RG.DUMPREGISTRATIONS] {}
        expect_unhurt
    }

    test "a storm of a hundred thousand events: none is lost, others are served" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('incr', 'count')).register('storm:*', mode='async_local', readValue=False)
        }
        set id [lindex [registration_ids] 0]
        set c [client]
        set other [client]
        set times {}
        for {set i 0} {$i < 100} {incr i} {
            for {set k 0} {$k < 1000} {incr k} { client::send $c SET storm:$k $i }
            for {set k 0} {$k < 1000} {incr k} { client::receive_typed $c }
            lappend times [time_served { $other PING }]
        }
        wait_for {[r GET count] == 100000} -within 60000
        expect_served $times
        wait_for {[settled $id]}
        set d [data_of $id]
        expect [dict get $d numTriggered] 100000
        expect [dict get $d numSuccess] 100000
        expect_true {[llength [r RG.DUMPEXECUTIONS]] <= 1000}
        unregister_all
        expect_unhurt
    }

    test "a storm of events that can't be run, and its end" -needs python {
        r RG.PYEXECUTE {
def f(r):
    while execute('get', 'go') is None: pass
    execute('incr', 'count')
GB().foreach(f).register('late:*', mode='async_local')
        }
        set id [lindex [registration_ids] 0]
        set c [client]
        set start [clock milliseconds]
        for {set i 0} {$i < 40} {incr i} {
            for {set k 0} {$k < 1000} {incr k} { client::send $c SET late:$k $i }
            for {set k 0} {$k < 1000} {incr k} { client::receive_typed $c }
        }
        # Listing the executions that wait must not cost the more the more there are.
        expect_true {[clock milliseconds] - $start < 15000 * $::suite::slow_factor}
        expect [r RG.UNREGISTER $id abortpending] OK
        expect [r RG.DUMPREGISTRATIONS] {}
        r SET go 1
        wait_for {[r GET count] >= 1}
        after 100
        expect_true {[r GET count] <= 64}
        expect_unhurt
    }

    test "events of one key come in their order" -needs python {
        r RG.PYEXECUTE {
def note(r): execute('append', 'order', r['value'] + ',')
GB().foreach(note).register('ordered', mode='async_local')
        }
        set want ""
        for {set i 0} {$i < 2000} {incr i} {
            client::send [r] SET ordered $i
            append want $i,
        }
        for {set i 0} {$i < 2000} {incr i} { client::receive [r] }
        wait_for {[r STRLEN order] >= [string length $want]} -within 20000
        expect [r GET order] $want
        unregister_all
        expect_unhurt
    }

    test "several clients' storms through sync and async registrations at once" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('incr', 'sync')).register('m:*', mode='sync')
GB().foreach(lambda r: execute('incr', 'async')).register('m:*', mode='async_local')
        }
        set clients {}
        for {set i 0} {$i < 5} {incr i} { lappend clients [client] }
        for {set round 0} {$round < 10} {incr round} {
            foreach c $clients { for {set k 0} {$k < 100} {incr k} { client::send $c SET m:$k v } ; client::flush $c }
            foreach c $clients { for {set k 0} {$k < 100} {incr k} { client::receive_typed $c } }
        }
        expect [r GET sync] 5000
        wait_for {[r GET async] == 5000} -within 30000
        unregister_all
        expect_unhurt
    }
}

with_server {} {
    test "sync commands of scripts set off sync callbacks, at any depth" -needs python {
        r RG.PYEXECUTE {
GB().foreach(lambda r: execute('set', 'chain:%d' % (int(r['key'][6:]) + 1), 1)).register('chain:*', mode='sync', eventTypes=['set'], recursive=True)
        }
        set id [lindex [registration_ids] 0]
        expect [r RG.PYEXECUTE {execute('set', 'chain:0', 1)}] OK
        expect_match [dict get [data_of $id] lastError] "*without end*"
        expect_true {[r DBSIZE] < 200}
        # Within an atomic block they are set off at its end.
        r FLUSHALL
        expect [r RG.PYEXECUTE {
with atomic():
    execute('set', 'chain:0', 1)
    execute('set', 'chain:0', 2)
        }] OK
        expect_true {[r DBSIZE] < 200}
        expect_unhurt
    }
}
