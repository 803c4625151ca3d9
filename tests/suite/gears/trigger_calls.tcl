# SPDX-License-Identifier: BSD-3-Clause
#
# Calls of triggers that aren't sync, many at once: workers run them one after the other, and still
# none waits for another.

tags quick threads

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc status_of {status} {
    set ids {}
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[lindex $e 3] eq $status} { lappend ids [lindex $e 1] }
    }
    return $ids
}

# A client that has sent a call.
proc call {args} {
    set c [client]
    client::send $c RG.TRIGGER t {*}$args
    client::flush $c
    return $c
}

# Calls that keep all workers until `go` is there.
proc occupy {} {
    set threads [lindex [r RG.CONFIGGET ExecutionThreads] 0]
    set clients {}
    for {set i 0} {$i < $threads} {incr i} { lappend clients [call wait go] }
    wait_for {[r GET begun] == $threads}
    return $clients
}

proc answers {clients} {
    set all {}
    foreach c $clients {
        lappend all [client::receive $c]
        client::close $c
    }
    return $all
}

# What the tests call: `wait k` ends when there is a key k, `fail` fails, `big` has a large result.
proc register {{rest ""}} {
    unregister_all
    r FLUSHALL
    py "import time" \
        "def f(r):" \
        "  if r\[1\] == 'wait':" \
        "    execute('INCR', 'begun')" \
        "    while not execute('EXISTS', r\[2\]): time.sleep(0.001)" \
        "  if r\[1\] == 'fail': raise flat_error('ERR ' + r\[2\])" \
        "  if r\[1\] == 'big': return 'x' * 200000" \
        "  return r\[1\]" \
        "GB('CommandReader').map(f).register(trigger='t', mode='async_local', convertToStr=False$rest)"
}

# Calls that are sent while main is busy come to it all at once.
proc hold_main {} {
    py "import time" "GB('CommandReader').foreach(lambda r: time.sleep(0.1))\
        .register(trigger='hold', mode='sync')"
}

proc while_held {clients_of} {
    set c [client]
    client::send $c RG.TRIGGER hold
    client::flush $c
    set clients [uplevel 1 $clients_of]
    client::receive $c
    client::close $c
    return $clients
}

with_server {} {
    foreach rest {"" ", inorder=True"} {
        test "many at once, each with its own answer$rest" -needs python -resp {2 3} {
            register $rest
            for {set round 0} {$round < 5} {incr round} {
                set clients {}
                for {set i 0} {$i < 50} {incr i} { lappend clients [call $i] }
                set want {}
                for {set i 0} {$i < 50} {incr i} { lappend want $i }
                expect [answers $clients] $want
            }
            wait_for {[data numSuccess] == 250}
            expect [r RG.DUMPEXECUTIONS] {}
            expect [info_field blocked_clients] 0
        }
    }

    test "failures, large results and plain ones, one behind the other on a connection" \
            -needs python {
        register
        set clients {}
        for {set i 0} {$i < 20} {incr i} {
            set c [client]
            lappend clients $c
            client::send $c RG.TRIGGER t first
            client::send $c RG.TRIGGER t fail $i
            client::send $c ECHO between
            client::send $c RG.TRIGGER t big
            client::send $c RG.TRIGGER t last
            client::flush $c
        }
        for {set i 0} {$i < 20} {incr i} {
            set c [lindex $clients $i]
            expect [client::receive $c] first
            expect_error "ERR $i*" {client::receive $c}
            expect [client::receive $c] between
            expect [string length [client::receive $c]] 200000
            expect [client::receive $c] last
            client::close $c
        }
        wait_for {[data numFailures] == 20 && [data numSuccess] == 60}
    }

    test "those behind one that lasts don't wait for it, nor do answers before it" -needs python {
        register
        hold_main
        set clients [while_held {
            list [call a] [call wait go] [call b] [call c] [call wait go] [call d]
        }]
        foreach i {0 2 3 5} word {a b c d} {
            expect [client::receive [lindex $clients $i]] $word
        }
        expect [llength [status_of running]] 2
        r SET go 1
        expect [client::receive [lindex $clients 1]] wait
        expect [client::receive [lindex $clients 4]] wait
        foreach c $clients { client::close $c }
    }

    test "a call that comes while another lasts" -needs python {
        register
        set waits [call wait go]
        wait_for {[r GET begun] == 1}
        for {set i 0} {$i < 50} {incr i} { expect [r RG.TRIGGER t $i] $i }
        r SET go 1
        expect [answers [list $waits]] wait
    }

    test "when no worker is free they wait, can be seen and be aborted" -needs python {
        register
        set waits [occupy]
        set threads [llength $waits]
        set quick [list [call one]]
        wait_for {[llength [status_of created]] == 1}
        lappend quick [call two]
        wait_for {[llength [status_of created]] == 2}
        r RG.ABORTEXECUTION [lindex [status_of created] 1]
        expect_error "ERR the execution was aborted" {client::receive [lindex $quick 0]}
        expect [llength [status_of created]] 1
        r SET go 1
        expect [client::receive [lindex $quick 1]] two
        expect [answers $waits] [lrepeat $threads wait]
        foreach c $quick { client::close $c }
        wait_for {[data numAborted] == 1 && [data numSuccess] == $threads + 1}
    }

    test "clients that go while their calls wait" -needs python {
        register
        set waits [occupy]
        set threads [llength $waits]
        set gone {}
        for {set i 0} {$i < 20} {incr i} { lappend gone [call $i] }
        set stays [call stays]
        wait_for {[llength [status_of created]] == 21}
        foreach c $gone { client::close $c }
        wait_for {[llength [status_of created]] == 1}
        r SET go 1
        expect [answers [list $stays]] stays
        expect [answers $waits] [lrepeat $threads wait]
        wait_for {[data numAborted] == 20}
        expect [info_field blocked_clients] 0
    }

    test "a registration that goes while its calls wait and run" -needs python {
        register
        set clients [occupy]
        set threads [llength $clients]
        lappend clients [call late]
        wait_for {[llength [status_of created]] == 1}
        unregister_all
        expect_error "ERR subcommand not found" {r RG.TRIGGER t x}
        r SET go 1
        expect [answers $clients] [concat [lrepeat $threads wait] late]
        expect [r RG.DUMPEXECUTIONS] {}
    }

    test "hooks that aren't sync are called in the same way" -needs python {
        unregister_all
        py "GB('CommandReader').map(lambda r: r\[1\] + '!')\
            .register(hook='echo', mode='async_local', convertToStr=False)"
        set clients {}
        for {set i 0} {$i < 50} {incr i} {
            set c [client]
            lappend clients $c
            client::send $c ECHO $i
            client::flush $c
        }
        set want {}
        for {set i 0} {$i < 50} {incr i} { lappend want $i! }
        expect [answers $clients] $want
        unregister_all
    }

    test "coroutines among them" -needs python {
        unregister_all
        r DEL go
        py "import asyncio" \
            "async def f(r):" \
            "  while r\[1\] == 'wait' and not execute('EXISTS', 'go'): await asyncio.sleep(0.001)" \
            "  return r\[1\]" \
            "GB('CommandReader').map(f).register(trigger='t', mode='async_local',\
                convertToStr=False)"
        set waits {}
        for {set i 0} {$i < 20} {incr i} { lappend waits [call wait] }
        for {set i 0} {$i < 20} {incr i} { expect [r RG.TRIGGER t $i] $i }
        r SET go 1
        expect [answers $waits] [lrepeat 20 wait]
        wait_for {[data numSuccess] == 40}
        expect [info_field blocked_clients] 0
    }
}
