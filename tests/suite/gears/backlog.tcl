# SPDX-License-Identifier: BSD-3-Clause
#
# The backlog of events: what waits for a registration's worker, what is seen of it, and the clients
# that are held while it is full.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc unregister_all {args} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] {*}$args }
}

proc data {field {nth 0}} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] $nth] RegistrationData] $field
}

proc backlog {} { info_field gears_event_backlog }
proc held {} { info_field gears_held_clients }

# A registration whose worker waits while the key {gate} is there; it counts in {n}.
proc register_gated {{prefix k*} {rest ""}} {
    r SET "{gate}" 1
    r DEL "{n}"
    py "import time" "def f(r):" "  while execute('EXISTS', '{gate}'): time.sleep(0.002)" \
        "  execute('INCR', '{n}')" \
        "GB().foreach(f).register('$prefix', mode='async_local'$rest)"
}

# Ended executions of earlier tests.
proc forget_executions {} {
    foreach e [r RG.DUMPEXECUTIONS] { r RG.DROPEXECUTION [dict get $e executionId] }
}

# Sends commands and waits until the server has taken what it takes of them.
proc feed {c commands} {
    foreach command $commands { client::send $c {*}$command }
    client::flush $c
}

with_server {gears-event-backlog 10} {
    test "a client is held when the backlog is full, and goes on later" -needs python {
        register_gated
        set c [client]
        set commands {}
        for {set i 0} {$i < 40} {incr i} { lappend commands [list SET k$i v] }
        feed $c $commands
        wait_for {[held] == 1}
        # one is with the worker, ten wait, and one was too many
        expect_true {[backlog] in {10 11}}
        expect_true {[r DBSIZE] in {12 13}}
        # what it was answered is all that was run
        for {set i 0} {$i < 10} {incr i} { expect [client::receive $c] OK }
        expect [r PING] PONG
        r DEL "{gate}"
        for {} {$i < 40} {incr i} { expect [client::receive $c] OK }
        wait_for {[r GET "{n}"] == 40}
        expect [held] 0
        expect [backlog] 0
        expect_true {[info_field gears_held_total] >= 1}
        # What a step did is seen before it is counted.
        wait_for {[data numSuccess] == 40}
        expect [data numTriggered] 40
        unregister_all
    }

    test "nothing is lost with many clients, and each adds one event at most" -needs python -tags threads {
        register_gated
        set clients {}
        for {set i 0} {$i < 8} {incr i} {
            set c [client]
            lappend clients $c
            set commands {}
            for {set k 0} {$k < 50} {incr k} { lappend commands [list SET k$i:$k v] }
            feed $c $commands
        }
        wait_for {[held] == 8}
        expect_true {[backlog] <= 18}
        r DEL "{gate}"
        foreach c $clients {
            for {set k 0} {$k < 50} {incr k} { expect [client::receive $c] OK }
        }
        wait_for {[r GET "{n}"] == 400} -within 20000
        expect [held] 0
        wait_for {[data numSuccess] == 400}
        unregister_all
    }

    test "clients whose keys nobody wants go on; so do reads" -needs python {
        register_gated
        set c [client]
        feed $c [lrepeat 30 {SET k v}]
        wait_for {[held] == 1}
        set other [client]
        for {set i 0} {$i < 100} {incr i} {
            expect [$other SET other$i v] OK
            expect [$other GET k] v
        }
        # its own last command that the registration wants is still run and answered
        expect [$other SET k w] OK
        client::send $other PING
        client::flush $other
        wait_for {[held] == 2}
        expect [r GET k] w
        r DEL "{gate}"
        expect [client::receive $other] PONG
        wait_for {[held] == 0 && [backlog] == 0}
        unregister_all
    }

    test "a command with many keys, and an EXEC, are run as a whole" -needs python {
        register_gated
        set c [client]
        set words MSET
        for {set i 0} {$i < 30} {incr i} { lappend words k$i v }
        expect [$c {*}$words] OK
        expect_true {[backlog] >= 29}
        client::send $c PING
        client::flush $c
        wait_for {[held] == 1}
        set d [client]
        $d MULTI
        for {set i 0} {$i < 5} {incr i} { $d SET k$i w }
        expect [$d EXEC] {OK OK OK OK OK}
        expect [r GET k4] w
        client::send $d PING
        client::flush $d
        wait_for {[held] == 2}
        r DEL "{gate}"
        expect [client::receive $c] PONG
        expect [client::receive $d] PONG
        wait_for {[r GET "{n}"] == 35}
        unregister_all
    }

    test "what gears do, and what expires, is never held" -needs python {
        register_gated
        py "for i in range(200): execute('SET', 'k%d' % i, 1)"
        py "GB('PythonReader').foreach(lambda x: execute('SET', 'k%d' % x, 1))\
            .run(lambda: (x for x in range(100)))"
        expect_true {[backlog] >= 299}
        expect [held] 0
        py "for i in range(50): execute('SET', 'k%d' % i, 1, 'PX', 1)"
        wait_for {[r DBSIZE] == 151}
        r DEL "{gate}"
        wait_for {[r GET "{n}"] == 450} -within 20000
        unregister_all
    }

    test "the end of a held client" -needs python {
        register_gated
        foreach how {kill close} {
            set c [client]
            set id [$c CLIENT ID]
            feed $c [lrepeat 30 {SET k v}]
            wait_for {[held] == 1}
            set line [r CLIENT LIST ID $id]
            expect_match $line "*flags=b *cmd=set *"
            if {$how eq "kill"} {
                expect [r CLIENT KILL ID $id] 1
                wait_for {[held] == 0}
            }
            client::close $c
        }
        r DEL "{gate}"
        wait_for {[held] == 0 && [backlog] == 0}
        unregister_all
    }

    test "a client that goes while it is held" -needs python {
        register_gated
        # what it has sent is run all the same (it hasn't left replies unread, which would reset
        # the connection)
        set c [client]
        feed $c [concat {{CLIENT REPLY OFF}} [lrepeat 100 {INCR k}]]
        wait_for {[held] == 1}
        client::close $c
        r DEL "{gate}"
        wait_for {[r GET k] == 100}
        wait_for {[r GET "{n}"] == 100}
        expect [held] 0
        unregister_all
    }

    test "unregistering lets clients go" -needs python {
        foreach how {"" abortpending} {
            r DEL "{n}"
            register_gated
            set c [client]
            feed $c [lrepeat 30 {SET k v}]
            wait_for {[held] == 1}
            if {$how eq ""} {
                unregister_all
                # what waits still runs, and then it can go on
                expect [held] 1
                r DEL "{gate}"
            } else {
                unregister_all abortpending
                wait_for {[held] == 0}
                r DEL "{gate}"
            }
            for {set i 0} {$i < 30} {incr i} { expect [client::receive $c] OK }
            wait_for {[held] == 0 && [backlog] == 0}
            if {$how eq "abortpending"} { expect_true {[r GET "{n}"] <= 1} }
            client::close $c
        }
    }

    test "a client that is held by two registrations" -needs python {
        register_gated
        py "import time" "def f(r):" "  while execute('EXISTS', '{gate2}'): time.sleep(0.002)" \
            "GB().foreach(f).register('k*', mode='async_local')"
        r SET "{gate2}" 1
        set c [client]
        feed $c [lrepeat 30 {SET k v}]
        wait_for {[held] == 1}
        r DEL "{gate}"
        # the first is done with all it has
        wait_for {[backlog] <= 12}
        r DEL "{gate2}"
        for {set i 0} {$i < 30} {incr i} { expect [client::receive $c] OK }
        wait_for {[held] == 0 && [backlog] == 0}
        foreach reg [r RG.DUMPREGISTRATIONS] {
            expect [dict get [dict get $reg RegistrationData] numTriggered] 30
        }
        unregister_all
    }

    test "a held client in a pause, and one with large arguments" -needs python {
        register_gated
        set c [client]
        set big [string repeat x 100000]
        feed $c [lrepeat 20 [list SET k $big]]
        wait_for {[held] == 1}
        r CLIENT PAUSE 100000 WRITE
        set d [client]
        feed $d {{SET k y} {SET k z}}
        r CLIENT UNPAUSE
        wait_for {[held] == 2}
        r DEL "{gate}"
        for {set i 0} {$i < 20} {incr i} { expect [client::receive $c] OK }
        expect [client::receive $d] OK
        expect [client::receive $d] OK
        wait_for {[held] == 0 && [r GET "{n}"] == 22}
        unregister_all
    }

    test "the bound may be changed while clients are held" -needs python {
        register_gated
        set c [client]
        feed $c [lrepeat 50 {SET k v}]
        wait_for {[held] == 1}
        with_config {gears-event-backlog 1000} {
            for {set i 0} {$i < 50} {incr i} { expect [client::receive $c] OK }
            expect [held] 0
        }
        r DEL "{gate}"
        wait_for {[r GET "{n}"] == 50}
        unregister_all
    }

    test "the bound of bytes" -needs python {
        with_config {gears-event-backlog 100000 gears-event-backlog-memory 100kb} {
            register_gated
            set c [client]
            feed $c [lrepeat 30 [list SET k [string repeat x 20000]]]
            wait_for {[held] == 1}
            expect_true {[backlog] in {5 6 7}}
            expect_true {[info_field gears_event_backlog_bytes] < 150000}
            r DEL "{gate}"
            for {set i 0} {$i < 30} {incr i} { expect [client::receive $c] OK }
            wait_for {[r GET "{n}"] == 30}
            expect [info_field gears_event_backlog_bytes] 0
            unregister_all
        }
        expect_error * {r CONFIG SET gears-event-backlog 0}
        expect_error * {r CONFIG SET gears-event-backlog -1}
        expect_error * {r CONFIG SET gears-event-backlog x}
    }

    test "a backlog of one" -needs python {
        with_config {gears-event-backlog 1} {
            register_gated
            set c [client]
            feed $c [lrepeat 20 {SET k v}]
            wait_for {[held] == 1}
            r DEL "{gate}"
            for {set i 0} {$i < 20} {incr i} { expect [client::receive $c] OK }
            wait_for {[r GET "{n}"] == 20}
            unregister_all
        }
    }

    test "executions of events that wait" -needs python -resp {2 3} {
        forget_executions
        register_gated
        for {set i 0} {$i < 5} {incr i} { r SET k$i v }
        wait_for {[backlog] == 4}
        set all [r RG.DUMPEXECUTIONS]
        expect [llength $all] 5
        set by_id {}
        foreach e $all {
            expect [dict get $e registered] 1
            dict set by_id [dict get $e executionId] [dict get $e status]
        }
        set ids [lsort -dictionary [dict keys $by_id]]
        expect [lmap id $ids {dict get $by_id $id}] {running created created created created}
        expect [info_field gears_executions] 5
        set waits [lindex $ids 2]
        expect [dict get [lindex [r RG.GETEXECUTION $waits] 0 3] status] created
        expect_error "execution is still running" {r RG.GETRESULTS $waits}
        expect_error "can not drop a not yet finished execution*" {r RG.DROPEXECUTION $waits}
        expect_error "execution plan does not exist" {r RG.GETEXECUTION [lindex $ids 0]9999}
        # one is aborted before it begins, one is waited for
        expect [r RG.ABORTEXECUTION [lindex $ids 3]] OK
        set c [client]
        client::send $c RG.GETRESULTSBLOCKING [lindex $ids 4]
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r DEL "{gate}"
        expect [client::receive $c] \
            {{{{'event': 'set', 'key': 'k4', 'type': 'string', 'value': 'v'}}} {}}
        wait_for {[data numSuccess] == 4}
        expect [data numAborted] 1
        expect [r GET "{n}"] 4
        expect [r RG.GETRESULTS $waits] \
            {{{{'event': 'set', 'key': 'k2', 'type': 'string', 'value': 'v'}}} {}}
        unregister_all
    }

    test "executions of events that wait, dropped" -needs python {
        forget_executions
        register_gated
        for {set i 0} {$i < 5} {incr i} { r SET k$i v }
        wait_for {[backlog] == 4}
        set ids [lsort -dictionary [lmap e [r RG.DUMPEXECUTIONS] {dict get $e executionId}]]
        set c [client]
        client::send $c RG.GETRESULTSBLOCKING [lindex $ids 2]
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        unregister_all abortpending
        expect [client::receive $c] {{} {}}
        r DEL "{gate}"
        wait_for {[backlog] == 0}
        wait_for {[r GET "{n}"] == 1}
        set states [lsort [lmap e [r RG.DUMPEXECUTIONS] {dict get $e status}]]
        expect $states {aborted aborted aborted aborted done}
        expect [lsort -dictionary [lmap e [r RG.DUMPEXECUTIONS] {dict get $e executionId}]] $ids
    }

    test "only some ended executions are kept" -needs python {
        foreach {kept total} {100 250 5 50 0 20} {
            with_config [list gears-max-executions-per-registration $kept] {
                r DEL "{n}"
                forget_executions
                py "GB().foreach(lambda r: execute('INCR', '{n}')).register('k', mode='async_local')"
                for {set i 0} {$i < $total} {incr i} { r SET k $i }
                wait_for {[data numSuccess] == $total}
                set ids [lmap e [r RG.DUMPEXECUTIONS] {
                    if {![dict get $e registered]} continue
                    dict get $e executionId
                }]
                set id [lindex [lsort -dictionary $ids] end]
                if {$kept} {
                    expect [r RG.GETRESULTS $id] [list [list "{'event': 'set', 'key': 'k',\
                        'type': 'string', 'value': '[expr {$total - 1}]'}"] {}]
                }
                unregister_all
                expect [llength $ids] $kept
            }
        }
    }

    test "SHUTDOWN while clients are held" -needs python -down yes {
        register_gated
        for {set i 0} {$i < 3} {incr i} { feed [client] [lrepeat 30 {SET k v}] }
        wait_for {[held] == 3}
        catch {r SHUTDOWN NOSAVE}
    }
}

with_server {} {
    # Values, keys and events of all kinds pass through the queue as they are.
    test "large and odd values" -needs python {
        py "def f(r):" "  v = r\['value'\]" \
            "  execute('RPUSH', '{log}', r\['key'\], r\['type'\], str(len(v or '')), str(hash(str(v))))" \
            "GB().foreach(f).register('*', mode='async_local', eventTypes=\['set', 'hset', 'rpush'\])" \
            "GB().map(lambda r: hash(str(r\['value'\]))).register('none')"
        set big [string repeat y 3000000]
        r SET k:[string repeat z 20000] $big
        r SET empty ""
        r SET bin "\x00\xff\x01"
        r HSET h f1 v1 f2 [string repeat x 9000]
        r RPUSH l {*}[lrepeat 500 element]
        wait_for {[r LLEN "{log}"] == 20}
        set log [r LRANGE "{log}" 0 -1]
        expect [lindex $log 0] k:[string repeat z 20000]
        set seen {}
        foreach {key type len hash} $log { lappend seen $type $len }
        expect $seen {string 3000000 string 0 string 3 hash 2 list 500}
        wait_for {[info_field gears_event_backlog_bytes] == 0}
        unregister_all
    }

    test "events in a storm, with what can happen to them" -needs python -tags {threads slow} {
        with_config {gears-event-backlog 50} {
            py "GB().foreach(lambda r: execute('INCR', '{a}')).register('k*', mode='async_local')" \
                "GB().foreach(lambda r: execute('INCR', '{b}')).register('k*', mode='async_local',\
                readValue=False)" \
                "GB().foreach(lambda r: execute('INCR', '{c}')).register('k*', mode='sync')"
            set keep [lmap reg [r RG.DUMPREGISTRATIONS] {lindex $reg 1}]
            set clients {}
            set total 0
            for {set i 0} {$i < 6} {incr i} { lappend clients [client] }
            for {set round 0} {$round < 30} {incr round} {
                foreach c $clients {
                    set n [rand_int 60]
                    for {set k 0} {$k < $n} {incr k} { client::send $c SET k[rand_int 10] v }
                    client::flush $c
                    lappend asked $c $n
                    incr total $n
                }
                # others come and go, and are stopped
                py "GB().foreach(lambda r: None).register('k*', mode='async_local')"
                set victim [lindex [r RG.DUMPREGISTRATIONS] end 1]
                foreach e [lrange [r RG.DUMPEXECUTIONS] 0 2] {
                    catch {r RG.GETEXECUTION [dict get $e executionId]}
                }
                set gone [client]
                client::send $gone CLIENT REPLY OFF
                for {set k 0} {$k < 20} {incr k} { client::send $gone SET k v }
                client::flush $gone
                incr total 20
                client::close $gone
                r RG.UNREGISTER $victim {*}[rand_pick {{} abortpending}]
            }
            foreach {c n} $asked {
                for {set k 0} {$k < $n} {incr k} { expect [client::receive $c] OK }
            }
            foreach key {{{a}} {{b}} {{c}}} {
                wait_for {[r GET $key] == $total} -within 30000
            }
            wait_for {[held] == 0 && [backlog] == 0}
            foreach i {0 1 2} {
                wait_for {[data numSuccess $i] == $total}
                expect [data numTriggered $i] $total
            }
            expect [lmap reg [r RG.DUMPREGISTRATIONS] {lindex $reg 1}] $keep
            unregister_all
        }
    }
}
