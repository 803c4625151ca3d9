# SPDX-License-Identifier: BSD-3-Clause
#
# What programs change is repeated elsewhere as what it is: an atomic block and a sync callback with
# its cause as a whole, everything else command by command. DEBUG EFFECTS shows it.

tags quick

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

# What has been emitted since the last call: a list of commands, SELECT left out.
proc emitted {} {
    set commands [client::requests_of [r DEBUG EFFECTS TAKE]]
    return [lsearch -all -inline -not -index 0 $commands SELECT]
}

proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

with_server {} {
    test "commands of execute() stand alone, an atomic block is one unit" -needs python {
        r DEBUG EFFECTS ON
        py "execute('SET', 'a', '1')" "execute('INCRBYFLOAT', 'a', '0.5')"
        expect [emitted] {{SET a 1} {SET a 1.5 KEEPTTL}}
        py "with atomic():" "  execute('SET', 'a', '1')" "  execute('GET', 'a')" \
            "  execute('SADD', 's', 'x')"
        expect [emitted] {MULTI {SET a 1} {SADD s x} EXEC}
        py "with atomic():" "  execute('SET', 'a', '2')"
        expect [emitted] {{SET a 2}}
        expect_error * {
            py "with atomic():" "  execute('SET', 'a', '3')" "  execute('SADD', 's', 'y')" "  1/0"
        }
        expect [emitted] {MULTI {SET a 3} {SADD s y} EXEC}
    }

    test "a sync callback's writes come with what set it off" -needs python {
        r DEBUG EFFECTS ON
        py "GB().foreach(lambda r: execute('SADD', 'all_keys', r\['key'\]))\
            .register('k*', mode='sync')"
        emitted
        r SET k1 v
        expect [emitted] {MULTI {SET k1 v} {SADD all_keys k1} EXEC}
        r MULTI
        r SET k2 v
        r SET other v
        r EXEC
        expect [emitted] {MULTI {SET k2 v} {SADD all_keys k2} {SET other v} EXEC}
        py "execute('SET', 'k3', 'v')"
        expect [emitted] {MULTI {SET k3 v} {SADD all_keys k3} EXEC}
        unregister_all
    }

    test "active expiry: deletions stand alone, but for what a callback adds" -needs python {
        r DEBUG EFFECTS ON
        r MSET e1 v e2 v e3 v
        emitted
        foreach key {e1 e2 e3} { r PEXPIRE $key 1 }
        wait_for {[info_field expired_keys] == 3} ;# nothing looks at the keys
        set got [emitted]
        foreach key {e1 e2 e3} { expect_true {[list DEL $key] in $got} }
        expect_true {"MULTI" ni $got}
        py "GB().foreach(lambda r: execute('SADD', 'gone', r\['key'\]))\
            .register('x*', mode='sync', eventTypes=\['expired'\])"
        r SET x1 v
        emitted
        r PEXPIRE x1 1
        wait_for {[r SISMEMBER gone x1] == 1}
        set got [lrange [emitted] 1 end]
        expect $got {MULTI {DEL x1} {SADD gone x1} EXEC}
        unregister_all
    }

    test "an async callback's writes come after, on their own" -needs python {
        r DEBUG EFFECTS ON
        py "GB().foreach(lambda r: execute('SADD', 'later', r\['key'\]))\
            .register('q*', mode='async_local')"
        emitted
        r SET q1 v
        wait_for {[r SISMEMBER later q1] == 1}
        expect [emitted] {{SET q1 v} {SADD later q1}}
        unregister_all
    }
}
