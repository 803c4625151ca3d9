# SPDX-License-Identifier: BSD-3-Clause
#
# Words for tests of what scripts do to the server they run in. Load with
#     source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

# Runs a script as a client of its own and returns its reply, typed. Meanwhile another client is
# served all the time: its second slowest request took 100 ms at most (the slowest may have met
# the machine's own hiccups), and its slowest a second, apart from the time in which the server's
# main thread, or we, had no processor.
proc misuse {script args} {
    set c [client]
    set other [client]
    client::send $c RG.PYEXECUTE $script {*}$args
    client::flush $c
    set times [watch_others $other]
    set reply [client::receive_typed $c]
    client::close $c
    client::close $other
    expect_served $times
    return $reply
}

# How long a process's threads have waited for a processor so far: id, milliseconds, ...
proc crowded_ms {pid} {
    set waited {}
    foreach task [glob -nocomplain -directory /proc/$pid/task -tails *] {
        set text [server::read_file /proc/$pid/task/$task/schedstat]
        if {$text ne ""} { dict set waited $task [expr {[lindex $text 1] / 1000000}] }
    }
    return $waited
}

# What a crowded machine took meanwhile: of a process's main thread, and of whichever other thread
# waited longest, for main may have waited for that one (for the data, for the GIL).
proc crowded_since {pid before} {
    set own 0
    set most 0
    dict for {task ms} [crowded_ms $pid] {
        if {[dict exists $before $task]} { incr ms -[dict get $before $task] }
        if {$task == $pid} { set own $ms } elseif {$ms > $most} { set most $ms }
    }
    return [expr {$own + $most}]
}

# Milliseconds that a body takes, without those that a crowded machine took.
proc time_served {body} {
    set server [srv pid]
    set servers [crowded_ms $server]
    set ours [crowded_ms [pid]]
    set start [clock milliseconds]
    uplevel 1 $body
    set took [expr {[clock milliseconds] - $start}]
    set crowded [expr {[crowded_since $server $servers] + [crowded_since [pid] $ours]}]
    return [expr {max($took - $crowded, 0)}]
}

# Keeps asking until no client is blocked; returns what time_served says of each answer.
proc watch_others {other {limit_ms 60000}} {
    set times {}
    set end [expr {[clock milliseconds] + $limit_ms * $::suite::slow_factor}]
    while {[clock milliseconds] < $end} {
        lappend times [time_served { set info [$other INFO clients] }]
        regexp {blocked_clients:(\d+)} $info -> blocked
        if {$blocked == 0} break
        after 2
    }
    return $times
}

# The second slowest took so long at most, and the slowest a second: it may have met the machine's own
# hiccups.
proc expect_served {times {most_ms 100}} {
    set sorted [lsort -integer -decreasing $times]
    set slowest [lindex $sorted 0]
    set second [expr {[llength $sorted] > 1 ? [lindex $sorted 1] : 0}]
    set factor $::suite::slow_factor
    if {$second > $most_ms * $factor || $slowest > 1000 * $factor} {
        suite::unmet "others had to wait: $slowest ms, $second ms"
    }
}

# The server and its Python are as before: a script that uses most of what scripts use gives what
# it always gives.
proc expect_unhurt {} {
    expect [r PING] PONG
    r MSET unhurt:1 1 unhurt:2 2 unhurt:3 3
    set got [r RG.PYEXECUTE {
import json, copy
seen = list()
def double(x):
    return int(execute('get', x)) * 2
def log_it(x):
    log('still here')
    print('and can print', str(x), len(json.dumps([x])), sorted([3, 1, 2]))
GB('KeysOnlyReader').map(double).foreach(log_it).sort().run('unhurt:*')
    }]
    expect $got {{2 4 6} {}}
    expect [r RG.PYEXECUTE {
GB().filter(lambda r: r['value'] != '2').countby(lambda r: r['type']).run('unhurt:*')
    }] {{{{'key': 'string', 'value': 2}}} {}}
    r DEL unhurt:1 unhurt:2 unhurt:3
    expect [r PING] PONG
}

# A script that ends in an error reply whose text matches; and nothing is hurt.
proc expect_refused {pattern script} {
    set reply [misuse $script]
    if {[lindex $reply 0] ne "error"} { suite::unmet "expected an error, got: $reply" }
    if {![string match $pattern [lindex $reply 1]]} {
        suite::unmet "expected the error: $pattern\n     got: [suite::shown [lindex $reply 1]]"
    }
    expect_unhurt
}

# A script that ends in this (plain) reply; and nothing is hurt.
proc expect_harmless {want script} {
    set got [client::plain_inner [misuse $script]]
    if {![string match $want $got]} { suite::unmet [suite::difference $got $want] }
    expect_unhurt
}

# Results and errors of a script that runs, plain; nothing is hurt.
proc run_harmless {script} {
    set got [client::plain_inner [misuse $script]]
    if {[llength $got] != 2} { suite::unmet "expected results and errors, got: [suite::shown $got]" }
    expect_unhurt
    return $got
}

# Starts a script that will not end by itself: returns its client, and the execution's id once it
# runs.
proc start_endless {script id_var args} {
    upvar 1 $id_var id
    set c [client]
    client::send $c RG.PYEXECUTE $script {*}$args
    client::flush $c
    set id ""
    wait_for {[set id [running_execution]] ne ""} -within 20000
    return $c
}

proc running_execution {} {
    foreach e [server::ask [srv_id] RG.DUMPEXECUTIONS] {
        if {[dict get $e status] eq "running"} { return [dict get $e executionId] }
    }
    return ""
}

# How many of these executions haven't ended.
proc running {ids} {
    set n 0
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[lindex $e 1] in $ids && [lindex $e 3] ne "done"} { incr n }
    }
    return $n
}

# ---- programs and registrations ----

# Runs a program, given as its lines.
proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

# A field of the i-th registration's data.
proc data {field {i 0}} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] $i] RegistrationData] $field
}

# The executions that haven't ended.
proc unended {} {
    set ids {}
    foreach e [r RG.DUMPEXECUTIONS] {
        if {[dict get $e status] ni {done aborted}} { lappend ids [dict get $e executionId] }
    }
    return $ids
}

# Sends a command over a client of its own, in the test's protocol, which it returns.
proc begin {args} {
    set c [client -resp [resp]]
    client::send $c {*}$args
    client::flush $c
    return $c
}

# The reply to it.
proc finish {c} {
    set reply [client::receive $c]
    client::close $c
    return $reply
}
