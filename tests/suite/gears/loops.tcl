# SPDX-License-Identifier: BSD-3-Clause
#
# Events that registrations cause themselves: by their own writes, by way of others, by triggers;
# what recursive=True changes, and the bound of chains.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

# A field of a registration's data, in the order of registration.
proc data {i field} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] $i] RegistrationData] $field
}

# All that was set off has been run.
proc settled {} {
    foreach reg [r RG.DUMPREGISTRATIONS] {
        set d [dict get $reg RegistrationData]
        if {[dict get $d numTriggered] != [dict get $d numSuccess] + [dict get $d numFailures] +
            [dict get $d numAborted]} { return 0 }
    }
    return 1
}

with_server {} {
    foreach mode {sync async_local async} {
        test "a $mode registration isn't told of its own writes" -needs python {
            unregister_all
            set before [info_field gears_events_own]
            py "def f(r):" "  execute('INCR', 'k')" "  execute('INCR', 'k')" \
                "GB().foreach(f).register('k', mode='$mode')"
            for {set i 1} {$i <= 10} {incr i} {
                r INCR k
                wait_for {[settled] && [data 0 numSuccess] == $i}
            }
            expect [r GET k] 30
            expect [list [data 0 numTriggered] [data 0 numSuccess] [data 0 numFailures]] {10 10 0}
            expect [info_field gears_events_own] [expr {$before + 20}]
            unregister_all
        }

        test "nor of what others do because of it: $mode" -needs python {
            unregister_all
            # a -> b -> c -> a
            py "def link(key, next):" \
                "  GB().foreach(lambda r: execute('INCR', next)).register(key, mode='$mode')" \
                "link('a', 'b')" "link('b', 'c')" "link('c', 'a')"
            r INCR a
            wait_for {[settled] && [r GET a] == 2}
            wait_for {[settled]}
            expect [list [r GET a] [r GET b] [r GET c]] {2 1 1}
            expect [list [data 0 numTriggered] [data 1 numTriggered] [data 2 numTriggered]] {1 1 1}
            # from where it begins, each is told once
            r INCR b
            wait_for {[settled] && [r GET b] == 3}
            wait_for {[settled]}
            expect [list [r GET a] [r GET b] [r GET c]] {3 3 2}
            unregister_all
        }

        test "recursive=True: $mode" -needs python {
            unregister_all
            py "def f(r):" "  if int(execute('GET', 'k')) < 20: execute('INCR', 'k')" \
                "GB().foreach(f).register('k', mode='$mode', recursive=True)"
            r SET k 0
            wait_for {[r GET k] == 20 && [settled]}
            expect [list [data 0 numTriggered] [data 0 numFailures]] {21 0}
            unregister_all
        }

        test "recursive=True has a bound: $mode" -needs python {
            unregister_all
            set before [info_field gears_events_too_deep]
            py "GB().foreach(lambda r: execute('INCR', 'k')).register('k', mode='$mode',\
                recursive=True)"
            r INCR k
            wait_for {[data 0 numFailures] == 1 && [settled]}
            expect [list [data 0 numTriggered] [data 0 numSuccess]] {33 32}
            expect [r GET k] 33
            expect [info_field gears_events_too_deep] [expr {$before + 1}]
            expect [info_field gears_event_depth_peak] 32
            # that all before it went well doesn't hide why the chain ended
            expect [data 0 lastError] "registrations set each other off without end"
            unregister_all
        }

        test "others are told all the same: $mode" -needs python {
            unregister_all
            py "GB().foreach(lambda r: execute('INCR', 'k')).register('k', mode='$mode')" \
                "GB().foreach(lambda r: execute('INCR', '{log}')).register('k', mode='$mode')"
            r INCR k
            wait_for {[r GET "{log}"] == 2 && [settled]}
            expect [list [data 0 numTriggered] [data 1 numTriggered]] {1 2}
            unregister_all
        }
    }

    test "from sync to async and back" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('INCR', 'b')).register('a', mode='sync')" \
            "GB().foreach(lambda r: execute('INCR', 'a')).register('b', mode='async_local')" \
            "GB().foreach(lambda r: execute('INCR', '{n}')).register('a', mode='async_local')"
        for {set i 1} {$i <= 20} {incr i} { r INCR a }
        wait_for {[settled] && [r GET a] == 40}
        wait_for {[settled]}
        expect [list [r GET a] [r GET b] [r GET "{n}"]] {40 20 40}
        unregister_all
    }

    test "within atomic, and in a command of several keys" -needs python {
        foreach mode {sync async_local} {
            unregister_all
            r FLUSHALL
            py "def f(r):" "  with atomic():" "    execute('MSET', 'k1', 1, 'k2', 2, '{l}1', 3)" \
                "    execute('INCR', 'k1')" \
                "GB().foreach(f).register('k*', mode='$mode')" \
                "GB().foreach(lambda r: execute('RPUSH', '{log}', r\['key'\]))\
                .register('{l}*', mode='$mode', eventTypes=\['set'\])"
            r MSET k1 0 k2 0 k3 0
            wait_for {[settled] && [r LLEN "{log}"] == 3}
            wait_for {[settled]}
            expect [data 0 numTriggered] 3
            expect [r LLEN "{log}"] 3
        }
        unregister_all
    }

    test "by way of a thread or a run of its own it isn't known" -needs python {
        unregister_all
        py "def f(r):" "  if int(r\['value'\]) < 5:" \
            "    GB('ShardsIDReader').foreach(lambda x: execute('INCR', 'k')).run()" \
            "GB().foreach(f).register('k', mode='async_local')"
        r SET k 0
        wait_for {[r GET k] == 5 && [settled]}
        expect [data 0 numTriggered] 6
        unregister_all
    }

    test "what a callback lets expire is its doing, too" -needs python {
        unregister_all
        py "def f(r):" "  if r\['event'\] == 'del': execute('GET', 'k')" \
            "GB().foreach(f).register('k', mode='sync')" \
            "GB().foreach(lambda r: execute('INCR', '{x}')).register('k', mode='sync',\
            eventTypes=\['expired'\])"
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET k v PX 1
        wait_for {[r EXISTS k] == 0}
        expect [r GET "{x}"] 1
        r DEBUG SET-ACTIVE-EXPIRE 1
        unregister_all
    }
}
