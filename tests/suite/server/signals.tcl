# SPDX-License-Identifier: BSD-3-Clause
#
# Signals: those that end, those that are ignored, and the report of a crash.

# Sanitizers have their own handlers for faults; without them the report is tested.
proc sanitized {} {
    regexp {build/(asan|tsan|ubsan)} $::server::binary
}

proc start_beside {port args} {
    set pid [spawn $::server::binary --port $port --save "" --enable-debug-command yes {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    return $pid
}

with_server {} {
    foreach name {TERM INT} {
        test "SIG$name ends the server cleanly" -tags quick -down yes {
            set c [client]
            $c SET k v
            server::signal [srv_id] $name
            wait_for {![server::process_runs [srv_id]]}
            expect_match [srv log] "*:signal-handler (*) Received SIG$name scheduling\
                shutdown...*User requested shutdown...*Redis is now ready to exit, bye bye...*"
        }
    }

    test "SIGHUP and SIGPIPE are ignored" -tags quick {
        server::signal [srv_id] HUP
        server::signal [srv_id] PIPE
        expect [r PING] PONG
    }

    test "a burst of signals" -tags quick -down yes {
        for {set i 0} {$i < 20} {incr i} { catch {server::signal [srv_id] TERM} }
        wait_for {![server::process_runs [srv_id]]}
    }
}

foreach {name number} {SEGV 11 ABRT 6 BUS 7 FPE 8 ILL 4} {
    test "SIG$name leaves a report and the signal's own end" {
        if {[sanitized]} return
        set pid [start_beside [server::free_port]]
        exec kill -$name $pid
        expect [catch {spawn_wait $pid} output] 1
        expect_match $output "*=== REDIS BUG REPORT START: Cut & paste starting from here ===*"
        expect_match $output "*crashed by signal: $number, si_code: 0*"
        expect_match $output "*Killed by PID: *Crashed running the instruction at: 0x*"
        expect_match $output "*STACK TRACE*Backtrace:*REGISTERS*=== REDIS BUG REPORT END.*"
    }
}

test "a fault of the server's own shows the way there" -only cogwheel {
    if {[sanitized]} return
    set port [server::free_port]
    set pid [start_beside $port]
    set c [client::open -port $port]
    catch {$c DEBUG SEGFAULT} message
    if {[string match "ERR*" $message]} {
        exec kill -SEGV $pid
        catch {spawn_wait $pid}
        return
    }
    expect [catch {spawn_wait $pid} output] 1
    expect_match $output "*crashed by signal: 11*STACK TRACE*Backtrace:*REGISTERS*"
    expect_match $output "*Running command: debug*"
}

test "the report can be switched off" {
    if {[sanitized]} return
    set pid [start_beside [server::free_port] --crash-log-enabled no]
    exec kill -SEGV $pid
    expect [catch {spawn_wait $pid} output] 1
    expect_true {![string match "*BUG REPORT*" $output]}
}

test "the pid file and the socket of a crashed server don't stay" -only cogwheel {
    if {[sanitized]} return
    set pidfile [file join $::server::root crash.pid]
    set pid [start_beside [server::free_port] --pidfile $pidfile]
    expect [string trim [server::read_file $pidfile]] $pid
    exec kill -SEGV $pid
    catch {spawn_wait $pid}
    expect [file exists $pidfile] 0
}

# A script that holds the data and never ends.
proc hold_the_data {} {
    set c [client]
    client::send $c SET k v
    client::send $c RG.PYEXECUTE "
def hold(record):
    with atomic():
        while True: pass
GB('KeysReader').foreach(hold).run()"
    client::flush $c
    set c [client]
    wait_for {[catch {$c PING} message] && [string match BUSY* $message]}
}

with_server {busy-reply-threshold 50} {
    test "SIGTERM ends a server whose data a script holds for ever" -only cogwheel -down yes {
        hold_the_data
        server::signal [srv_id] TERM
        wait_for {![server::process_runs [srv_id]]}
    }

    test "SHUTDOWN NOSAVE does, too" -only cogwheel -down yes {
        hold_the_data
        expect_error "connection closed*" {[client] SHUTDOWN NOSAVE}
        wait_for {![server::process_runs [srv_id]]}
    }
}
