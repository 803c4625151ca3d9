# SPDX-License-Identifier: BSD-3-Clause
#
# Registrations of KeysReader: which events they get, what their records are, when they run, and
# what RG.DUMPREGISTRATIONS tells of them.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] {
        r RG.UNREGISTER [lindex $reg 1]
    }
}

# A field of the only registration's data.
proc data {field} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] $field
}

with_server {} {
    foreach mode {sync async_local async} {
        test "a registration in mode $mode gets its events" -needs python {
            unregister_all
            # one hash field for each event: the order doesn't matter
            py "def f(r):" "  execute('HSET', '{log}', r\['event'\] + ' ' + r\['key'\], str(r))" \
                "GB().foreach(f).register('k*', mode='$mode')"
            r SET k1 v
            r HSET k2 f v
            r DEL k1
            r SET other v
            r SET K1 v
            wait_for {[data numSuccess] == 3}
            expect_map [r HGETALL "{log}"] [list \
                "set k1" "{'event': 'set', 'key': 'k1', 'type': 'string', 'value': 'v'}" \
                "hset k2" "{'event': 'hset', 'key': 'k2', 'type': 'hash', 'value': {'f': 'v'}}" \
                "del k1" "{'event': 'del', 'key': 'k1', 'type': 'empty', 'value': None}"]
            expect [data numTriggered] 3
            expect [data mode] $mode
            unregister_all
            r SET k3 v
            expect [r RG.DUMPREGISTRATIONS] {}
        }
    }

    test "a sync registration's writes are there when the command returns" -needs python -resp {2 3} {
        unregister_all
        py "GB().foreach(lambda r: execute('SADD', 'all_keys', r\['key'\]))\
            .register('k*', mode='sync')"
        for {set i 0} {$i < 50} {incr i} {
            r SET k$i v
            expect [r SISMEMBER all_keys k$i] 1
        }
        r MULTI
        r SET km v
        r SISMEMBER all_keys km
        expect [lindex [r EXEC] 0] OK
        expect [r SISMEMBER all_keys km] 1
        # commands of steps set registrations off, too
        py "execute('SET', 'kpy', 1)" "assert execute('SISMEMBER', 'all_keys', 'kpy') == 1"
        py "with atomic():" "  execute('SET', 'kat', 1)"
        expect [r SISMEMBER all_keys kat] 1
        unregister_all
    }

    test "a value is read as it was at its event" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('APPEND', 'values', r\['value'\]))\
            .register('k*', mode='async_local', eventTypes=\['set'\])"
        set c [client]
        foreach v {a b c d e f g} {
            client::send $c SET k $v
        }
        foreach v {a b c d e f g} {
            client::receive $c
        }
        wait_for {[data numSuccess] == 7}
        expect [r GET values] abcdefg
        unregister_all
    }

    test "filters: exact keys, event types, key types, readValue" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('APPEND', '{x}1', r\['key'\]))\
            .register('exact', mode='sync')" \
            "GB().foreach(lambda r: execute('APPEND', '{x}2', r\['event'\]))\
            .register('t*', mode='sync', eventTypes=\['SET', 'del'\])" \
            "GB().foreach(lambda r: execute('APPEND', '{x}3', r\['type'\]))\
            .register('t*', mode='sync', keyTypes=\['hash', 'empty'\])" \
            "GB().foreach(lambda r: execute('APPEND', '{x}4', str(r)))\
            .register('u', mode='sync', readValue=False)"
        r SET exact 1
        r SET exactly 1
        r SET t1 1
        r APPEND t1 1
        r DEL t1
        r HSET t2 f v
        r SET u 1
        expect [r GET "{x}1"] exact
        expect [r GET "{x}2"] setdel
        expect [r GET "{x}3"] emptyhash
        expect [r GET "{x}4"] "{'event': 'set', 'key': 'u'}"
        unregister_all
    }

    test "keymiss and expired" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('SADD', 'seen', r\['event'\]))\
            .register('m*', mode='sync', eventTypes=\['keymiss', 'expired'\])"
        r GET m1
        r SET m2 v PX 1
        wait_for {[r SCARD seen] == 2}
        expect_set [r SMEMBERS seen] {keymiss expired}
        unregister_all
    }

    foreach mode {sync async_local} {
        test "the old value of a key that is gone: $mode" -needs python {
            unregister_all
            py "def f(r):" "  execute('RPUSH', '{log}', str(r))" \
                "GB().foreach(f).register('k*', mode='$mode', oldValue=True,\
                eventTypes=\['del', 'expired', 'evicted', 'set', 'rename_from', 'restore'\])"
            r SET k1 v
            r DEL k1
            r SET k2 2 PX 1
            wait_for {[r EXISTS k2] == 0}
            r RPUSH k3 a b
            r UNLINK k3
            r HSET k4 f v
            r HDEL k4 f
            r SADD k5 x
            r DEL k5 nosuch
            r SET k6 big
            r GETDEL k6
            r SET k7 one
            r SET k8 two
            r RENAME k7 k8
            set dump [r DUMP k8]
            r RESTORE k8 0 $dump REPLACE
            r EXPIRE k8 -1
            wait_for {[data numSuccess] == [data numTriggered]}
            set want {}
            foreach {event key type value old} {
                set k1 'string' 'v' None    del k1 'empty' None 'v'
                set k2 'string' '2' None    expired k2 'empty' None '2'
                del k3 'empty' None {['a', 'b']}
                del k4 'empty' None {{}}
                del k5 'empty' None None
                set k6 'string' 'big' None  del k6 'empty' None 'big'
                set k7 'string' 'one' None  set k8 'string' 'two' None
                rename_from k7 'empty' None None
                restore k8 'string' 'one' None
                del k8 'empty' None 'one'
            } {
                lappend want "{'event': '$event', 'key': '$key', 'type': $type, 'value': $value,\
                    'oldValue': $old}"
            }
            expect [r LRANGE "{log}" 0 -1] $want
            unregister_all
        }
    }

    test "the old value without the value, with evictions, and for some only" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('RPUSH', '{log}', str(r)))\
            .register('k*', mode='sync', oldValue=True, readValue=False, eventTypes=\['del'\])" \
            "GB().foreach(lambda r: execute('RPUSH', '{log}', str(r)))\
            .register('k*', mode='sync', eventTypes=\['del'\])" \
            "GB().filter(lambda r: r\['oldValue'\] and len(r\['oldValue'\]) == 1000)\
            .foreach(lambda r: execute('LPOP', '{left}'))\
            .register('e*', mode='async_local', oldValue=True, eventTypes=\['evicted'\])"
        r SET k v
        r DEL k
        expect [r LRANGE "{log}" 0 -1] {{{'event': 'del', 'key': 'k', 'oldValue': 'v'}}\
            {{'event': 'del', 'key': 'k', 'type': 'empty', 'value': None}}}
        r RPUSH "{left}" {*}[lrepeat 3000 x] ;# one is taken for each: no memory is needed for that
        for {set i 0} {$i < 2000} {incr i} { r SET e$i [string repeat x 1000] EX 1000 }
        with_config {maxmemory-policy volatile-lru} {
            r CONFIG SET maxmemory 1
            wait_for {[catch {r SET other v}; info_field evicted_keys] > 50}
            r CONFIG SET maxmemory 0
        }
        set evicted [info_field evicted_keys]
        wait_for {[info_field gears_event_backlog] == 0 && [r LLEN "{left}"] == 3000 - $evicted}
        unregister_all
        r SELECT 1
        r SET k v
        r DEL k
        r SELECT 0
    }

    test "RG.DUMPREGISTRATIONS" -needs python -resp {2 3} {
        unregister_all
        py "GB(desc='what it is for').register('p*', mode='sync', eventTypes=('set', 'Del'),\
            keyTypes=\['string', 'stream', 'empty'\])"
        set reg [lindex [r RG.DUMPREGISTRATIONS] 0]
        expect [dict keys $reg] {id reader desc RegistrationData PD ExecutionThreadPool}
        expect [dict get $reg reader] KeysReader
        expect [dict get $reg desc] "what it is for"
        expect [dict get $reg ExecutionThreadPool] DefaultPool
        set data [dict get $reg RegistrationData]
        expect [lrange $data 0 15] {mode sync numTriggered 0 numSuccess 0 numFailures 0\
            numAborted 0 lastRunDurationMS 0 totalRunDurationMS 0 avgRunDurationMS 0}
        expect [lrange $data 16 18] {lastError (nil) args}
        expect [lindex $data 19] {regex p* eventTypes {set del} keyTypes {string stream empty}\
            hookCommands (nil)}
        set typed [lindex [rt RG.DUMPREGISTRATIONS] 1 0 1 7 1 15]
        expect $typed [expr {[resp] == 3 ? {double 0} : {bulk 0}}]
        expect_match [dict get $reg PD] "{'sessionName':'*', 'sessionDescription':'null',\
            'refCount': 1, 'linkedTo': primary, 'dead': false, 'isInstallationNeeded':0,\
            'registrationsList':\\\['[dict get $reg id]'\\\], 'depsList':\\\[\\\]}"
        expect [rt RG.UNREGISTER [dict get $reg id]] {simple OK}
        expect [rt RG.UNREGISTER [dict get $reg id]] {error {execution is not registered}}
        expect [rt RG.DUMPREGISTRATIONS] {array {}}
    }

    test "a failing registration" -needs python {
        unregister_all
        py "def f(r):" "  if r\['value'\] == 'bad': raise flat_error('it was bad')" \
            "GB().foreach(f).register('k', mode='sync')"
        expect [r SET k bad] OK
        expect [data numFailures] 1
        expect [data lastError] "it was bad"
        expect [r SET k good] OK
        expect [data lastError] (nil)
        expect [list [data numTriggered] [data numSuccess] [data numFailures]] {2 1 1}
        unregister_all
    }

    test "registrations that set each other off come to an end" -needs python {
        foreach mode {sync async_local} {
            unregister_all
            r DEL n
            py "GB().foreach(lambda r: execute('INCR', 'n')).register('n', mode='$mode', recursive=True)"
            r INCR n
            wait_for {[data numFailures] == 1}
            expect [data numTriggered] [expr {[data numSuccess] + 1}]
            expect_true {[r GET n] < 100}
            expect [r PING] PONG
        }
        unregister_all
    }

    test "a callback may remove registrations, its own too" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('INCR', 'a')).register('k', mode='sync')" \
            "GB().foreach(lambda r: \[execute('RG.UNREGISTER', x\[1\])\
                for x in execute('RG.DUMPREGISTRATIONS')\]).register('k', mode='sync')" \
            "GB().foreach(lambda r: execute('INCR', 'b')).register('k', mode='sync')"
        expect [r SET k v] OK
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [r GET a] 1
        expect [r GET b] (nil)
    }

    test "a script that fails registers nothing" -needs python {
        unregister_all
        expect_error *ZeroDivisionError* {py "GB().register('k')" "1/0"}
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "onRegistered runs once, and its errors are only logged" -needs python {
        unregister_all
        expect [py "GB().register('k', mode='sync', onRegistered=lambda: execute('INCR', 'on'))" \
            "GB().register('k', mode='sync', onRegistered=lambda: 1/0)"] OK
        expect [r GET on] 1
        expect [llength [r RG.DUMPREGISTRATIONS]] 2
        unregister_all
    }

    test "arguments of register()" -needs python {
        unregister_all
        foreach {call error} {
            "GB('PythonReader').register()" "given reader does not exists or does not support register"
            "GB().register('')" "prefix must not be empty"
            "GB().register(5)" "regex argument must be a string"
            "GB().register('x', mode='no')" "unknown execution mode"
            "GB().register('x', mode=1)" "execution mode must be a string"
            "GB().register('x', readValue=1)" "readValue is not boolean"
            "GB().register('x', recursive=1)" "recursive is not boolean"
            "GB().register('x', oldValue='yes')" "oldValue is not boolean"
            "GB().register('x', eventTypes=1)" "given eventTypes is not iterable"
            "GB().register('x', eventTypes=[1])" "given event type is not string"
            "GB().register('x', keyTypes=1)" "given keyTypes is not iterable"
            "GB().register('x', keyTypes=[1])" "given key type is not string"
            "GB().register('x', keyTypes=['no'])" "unknown key type"
            "GB().register('x', onRegistered=1)" "OnRegistered argument must be a function"
        } {
            expect_error "*gears.error: *$error*" {py $call}
        }
        expect [r RG.DUMPREGISTRATIONS] {}
        expect_match [py "i = GB().register(regex='x')" "assert i.startswith('0' * 40 + '-'), i"] OK
        unregister_all
    }

    test "their number is limited" -needs python {
        unregister_all
        expect_match [py "b = GB()" "for i in range(10001): b.register('x', mode='async_local')"] \
            "{ERR shard-0000*: more than 10000 registrations}"
        expect [r RG.DUMPREGISTRATIONS] {}
    }

    test "module state lives as long as the registration" -needs python {
        unregister_all
        py "n = \[0\]" "def f(r):" "  n\[0\] += 1" "  execute('SET', '{n}', n\[0\])" \
            "GB().foreach(f).register('k', mode='sync')"
        r SET k 1
        r SET k 2
        r SET k 3
        expect [r GET "{n}"] 3
        unregister_all
    }

    test "a callback that looks for a key that is gone doesn't set itself off" -needs python {
        foreach mode {sync async_local} {
            unregister_all
            py "def keep(r):" \
                "    execute('SADD' if execute('EXISTS', r\['key'\]) else 'SREM', 'all', r\['key'\])" \
                "GB().filter(lambda r: r\['key'\] != 'all').foreach(keep).register('*', mode='$mode')"
            r SET a 1
            r SET b 1
            r DEL a
            wait_for {[r SMEMBERS all] eq "b"}
            set data [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData]
            expect [dict get $data numFailures] 0
            # The set's changes are its own doing, but that it is looked for in vain is not.
            expect_true {[dict get $data numTriggered] <= 6}
            if {$mode eq "sync"} { expect [dict get $data numTriggered] 3 }
            r DEL b all
        }
        unregister_all
    }

    test "a client's miss is an event" -needs python {
        unregister_all
        py "GB().foreach(lambda r: execute('SADD', 'missed', r\['key'\])).register('*', mode='sync', eventTypes=\['keymiss'\])"
        r GET nosuch
        expect [r SMEMBERS missed] nosuch
        unregister_all
    }

    test "events of many clients, all of them counted" -needs python -tags threads {
        unregister_all
        py "GB().foreach(lambda r: execute('INCR', '{a}')).register('k*', mode='sync')" \
            "GB().foreach(lambda r: execute('INCR', '{b}')).register('k*', mode='async_local')"
        set clients {}
        for {set i 0} {$i < 4} {incr i} {
            set c [client]
            lappend clients $c
            for {set k 0} {$k < 200} {incr k} {
                client::send $c SET k$i:$k v
            }
            client::flush $c
        }
        foreach c $clients {
            for {set k 0} {$k < 200} {incr k} {
                expect [client::receive $c] OK
            }
        }
        expect [r GET "{a}"] 800
        wait_for {[r GET "{b}"] == 800} -within 20000
        unregister_all
    }
}
