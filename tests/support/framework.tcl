# SPDX-License-Identifier: BSD-3-Clause
#
# The words that test files are written in: with_server, test, r, expect…, wait_for. tests/README.md
# describes them; this file is loaded once per test file, in a process of its own (a worker of
# tests/run). Results go to standard output as lines for the runner: `@pass`, `@fail`, `@note`.

namespace eval suite {
    variable area ""        ;# e.g. protocol/resp: the file's name in reports
    variable file_tags {}
    variable stack {}       ;# ids of the servers of the with_server blocks around us
    variable default ""     ;# the client behind `r`
    variable clients {}     ;# clients opened by the running test
    variable processes {}   ;# processes spawned by the running test
    variable resp 2
    variable in_test 0
    variable to_look_at {}  ;# ids of the servers under which a test failed: their folders stay
    # Selection, set by the worker from the runner's options.
    variable name_glob *
    variable want_tags {}
    variable skip_tags {}
    variable slow_factor 1
    variable seed 0
    variable list_only 0
}

# ---- files, servers, tests -------------------------------------------------------------------

# Tags of every test of this file.
proc tags {args} {
    set ::suite::file_tags $args
}

# Runs body with a server of its own. The block's first test that is selected starts it, so a
# file of which nothing is selected costs nothing.
proc with_server {options body} {
    set entry [dict create options $options id ""]
    lappend ::suite::stack $entry
    set failed [catch {uplevel 1 $body} message info]
    set id [dict get [lindex $::suite::stack end] id]
    set ::suite::stack [lrange $::suite::stack 0 end-1]
    if {$id ne ""} {
        set findings [server::stop $id]
        if {[llength $findings]} {
            suite::fail "(end of server)" [join $findings \n] $id
        } elseif {!$failed && ![dict exists $::suite::to_look_at $id]} {
            suite::drop_folder $id
        }
    }
    if {$failed} { return -options $info $message }
}

# test NAME ?-tags {…}? ?-resp {2 3}? ?-only cogwheel|stock? ?-down yes? ?-keep yes? body
#
#   -tags   in addition to the file's
#   -resp   run once per protocol version; [resp] tells which one it is
#   -only   for what one of the two servers doesn't have or does otherwise
#   -needs  python or nopython: for builds with gears, or without (and never for stock)
#   -down   the body ends the server; the next test gets a new one
#   -keep   don't empty the server before
proc test {name args} {
    set body [lindex $args end]
    array set opt {-tags {} -resp 2 -only "" -needs "" -down no -keep no}
    array set opt [lrange $args 0 end-1]
    set tags [concat $::suite::file_tags $opt(-tags)]
    if {$opt(-only) ne "" && $opt(-only) ne $::server::kind} return
    if {$opt(-needs) ne "" && ($::server::kind ne "cogwheel" ||
        $opt(-needs) ne [expr {$::server::has_python ? "python" : "nopython"}])} return
    foreach version $opt(-resp) {
        set title $name
        if {[llength $opt(-resp)] > 1} { append title " (RESP$version)" }
        if {![suite::selected $title $tags]} continue
        if {$::suite::list_only} {
            puts "@list $title"
            continue
        }
        suite::run_test $title $version $opt(-keep) $opt(-down) $body
    }
}

proc suite::selected {name tags} {
    variable name_glob
    variable want_tags
    variable skip_tags
    if {![string match -nocase $name_glob $name]} { return 0 }
    foreach tag $skip_tags { if {$tag in $tags} { return 0 } }
    if {![llength $want_tags]} { return 1 }
    foreach tag $want_tags { if {$tag in $tags} { return 1 } }
    return 0
}

proc suite::run_test {title version keep down body} {
    variable resp $version
    variable in_test 1
    variable clients {}
    variable processes {}
    set started [clock milliseconds]
    puts "@start $title"
    # Each test draws the same numbers whether it runs alone or among others.
    expr {srand(($::suite::seed + [zlib crc32 $title]) % 2147483646 + 1)}
    set problem ""
    set trace ""
    set id ""
    if {[catch {
        set id [suite::ensure_server]
        if {$id ne "" && !$keep} {
            server::ask $id FLUSHALL
            server::await_alone $id
        }
    } message]} {
        set problem "no server: $message"
    } elseif {[catch {uplevel 2 $body} message info] == 1} {
        set problem $message
        if {[lindex [dict get $info -errorcode] 0] ne "EXPECT"} {
            set trace [suite::own_trace [dict get $info -errorinfo]]
        }
    }
    suite::close_clients
    suite::end_processes
    set in_test 0
    # A server that died under the test fails it, whatever the replies were.
    foreach entry $::suite::stack {
        set other [dict get $entry id]
        if {$other eq "" || [server::get $other stopped]} continue
        if {$down eq "no" && ![server::alive $other]} {
            append problem "\nthe server is gone or doesn't answer"
        }
        foreach finding [server::alarms $other] { append problem \n$finding }
    }
    if {$down ne "no" || $problem ne ""} { suite::forget_ended $down problem }
    set took [expr {[clock milliseconds] - $started}]
    if {$problem eq ""} {
        puts "@pass $took $title"
    } else {
        suite::fail $title "[string trim $problem]$trace" $id $took
    }
}

# The lines of a Tcl trace that lie in the test file, without the framework's own.
proc suite::own_trace {info} {
    set lines {}
    foreach line [split $info \n] {
        if {[string match "*suite::run_test*" $line]} break
        lappend lines $line
    }
    return "\n[join [lrange $lines 1 24] \n]"
}

# The innermost server, started now if it isn't there yet or has died.
proc suite::ensure_server {} {
    variable stack
    set top ""
    for {set i 0} {$i < [llength $stack]} {incr i} {
        set entry [lindex $stack $i]
        set id [dict get $entry id]
        if {$id eq "" || [server::get $id stopped] || ![server::process_runs $id]} {
            set id [server::start [dict get $entry options]]
            dict set entry id $id
            lset stack $i $entry
        }
        set top $id
    }
    return $top
}

# After a test that ended its server, or failed: judge those that are gone.
proc suite::forget_ended {down problem_var} {
    upvar 1 $problem_var problem
    variable stack
    for {set i 0} {$i < [llength $stack]} {incr i} {
        set entry [lindex $stack $i]
        set id [dict get $entry id]
        if {$id eq "" || [server::get $id stopped]} continue
        set last [expr {$i == [llength $stack] - 1}]
        if {$down ne "no" && $last} {
            set how [expr {$down eq "kill" ? "KILL" : "GONE"}]
            foreach finding [server::stop $id $how] { append problem \n$finding }
        } elseif {![server::alive $id]} {
            foreach finding [server::stop $id KILL] { append problem \n$finding }
        }
    }
}

proc suite::drop_folder {id} {
    file delete -force [server::get $id dir]
}

proc suite::fail {title problem {id ""} {took 0}} {
    puts "@fail $took $title"
    foreach line [split $problem \n] { puts "@note   $line" }
    if {$id ne ""} {
        dict set ::suite::to_look_at $id yes
        puts "@note   server's folder: [server::get $id dir]"
    }
    puts "@note   seed: $::suite::seed"
    flush stdout
}

# ---- talking to the server -------------------------------------------------------------------

# The innermost server's id, and its fields: [srv port], [srv pid], [srv dir].
proc srv_id {} {
    if {![llength $::suite::stack]} { error "no server here" }
    dict get [lindex $::suite::stack end] id
}

proc srv {field} {
    switch -- $field {
        rss { return [server::rss_bytes [srv_id]] }
        log { return [server::output [srv_id]] }
    }
    server::get [srv_id] $field
}

# Runs the server to its end. Returns its exit code and output; a server that starts is ended.
proc run_server {args} {
    set code 0
    if {[catch {exec timeout 20 $::server::binary {*}$args < /dev/null 2>@1} output info]} {
        set code [lindex [dict get $info -errorcode] end]
        # Tcl adds a line of its own to what the program printed.
        regsub {\n?child process exited abnormally$} $output {} output
    }
    return [list $code $output]
}

# A new client of the innermost server; closed when the test ends. Options as client::open's.
proc client {args} {
    set id [srv_id]
    set c [client::open -host [server::get $id host] -port [server::get $id port] \
        -resp $::suite::resp {*}$args]
    lappend ::suite::clients $c
    return $c
}

# The test's default client, made at its first use.
proc default_client {} {
    if {$::suite::default eq ""} { set ::suite::default [client] }
    return $::suite::default
}

# Sends a request over the default client and returns the plain reply (see client.tcl).
proc r {args} {
    if {![llength $args]} { return [default_client] }
    [default_client] {*}$args
}

# The same, typed.
proc rt {args} {
    client::typed [default_client] {*}$args
}

# The protocol version that this run of the test uses.
proc resp {} {
    return $::suite::resp
}

# A field of INFO, or "" if there is none.
proc info_field {name {section ""}} {
    set text [server::ask [srv_id] INFO {*}$section]
    if {[regexp -line "^$name:(.*?)\r?$" $text -> value]} { return $value }
    return ""
}

# Sets options for the time of the body.
proc with_config {options body} {
    set before {}
    foreach {name value} $options {
        lappend before $name [lindex [server::ask [srv_id] CONFIG GET $name] 1]
        server::ask [srv_id] CONFIG SET $name $value
    }
    set failed [catch {uplevel 1 $body} message info]
    foreach {name value} $before {
        catch {server::ask [srv_id] CONFIG SET $name $value}
    }
    return -options $info $message
}

# Sends bytes over a connection of its own and returns all that comes back until the server
# closes it, or, with -quiet MS, until nothing came for that long.
proc raw_exchange {bytes args} {
    array set opt {-quiet 0}
    array set opt $args
    set c [client -resp 2]
    catch {client::send_raw $c $bytes}
    set got [client::read_all $c $opt(-quiet)]
    client::close $c
    return $got
}

proc suite::close_clients {} {
    variable clients
    variable default ""
    foreach c $clients { client::close $c }
    set clients {}
}

# ---- other processes -------------------------------------------------------------------------

# Starts a program beside the test, e.g. a load generator; its output goes to a file. Returns
# its pid. It is killed when the test ends, if it still runs then.
proc spawn {args} {
    set out [file join $::server::root spawned-[llength $::suite::processes].out]
    set pipe [server::process $args $out $out.err]
    lappend ::suite::processes [list [pid $pipe] $pipe $out]
    return [pid $pipe]
}

# Waits for the end of a spawned program and returns its output; an error if it failed.
proc spawn_wait {wanted {limit_ms 60000}} {
    set at [lsearch -index 0 $::suite::processes $wanted]
    lassign [lindex $::suite::processes $at] pid pipe out
    set deadline [expr {[clock milliseconds] + $limit_ms * $::suite::slow_factor}]
    while {![suite::is_over $pid]} {
        if {[clock milliseconds] > $deadline} { error "process $pid still runs after $limit_ms ms" }
        after 10
    }
    set ::suite::processes [lreplace $::suite::processes $at $at]
    if {[catch {::close $pipe} message]} {
        error "process $pid failed: $message\n[server::read_file $out][server::read_file $out.err]"
    }
    return [server::read_file $out]
}

proc suite::is_over {pid} {
    set stat [server::read_file /proc/$pid/stat]
    expr {$stat eq "" || [regexp {\) [ZX] } $stat]}
}

proc suite::end_processes {} {
    variable processes
    foreach process $processes {
        lassign $process pid pipe out
        if {![is_over $pid]} { catch {exec kill -KILL $pid} }
        catch {::close $pipe}
    }
    set processes {}
}

# ---- expectations ----------------------------------------------------------------------------

proc suite::unmet {text} {
    return -level 2 -code error -errorcode EXPECT $text
}

proc suite::shown {value} {
    set text [string map {\r \\r \n \\n \0 \\0} $value]
    if {[string length $text] > 600} {
        set text "[string range $text 0 599]… ([string length $value] characters)"
    }
    return $text
}

proc suite::difference {got want} {
    return "expected: [shown $want]\n     got: [shown $got]"
}

# Equal as text.
proc expect {got want} {
    if {$got ne $want} { suite::unmet [suite::difference $got $want] }
}

# Matches a glob pattern.
proc expect_match {got pattern} {
    if {![string match $pattern $got]} { suite::unmet [suite::difference $got $pattern] }
}

# Equal as multisets: for replies without an order.
proc expect_set {got want} {
    if {[lsort $got] ne [lsort $want]} {
        suite::unmet [suite::difference [lsort $got] [lsort $want]]
    }
}

# Equal as maps, both given flat.
proc expect_map {got want} {
    if {[lsort -stride 2 $got] ne [lsort -stride 2 $want]} {
        suite::unmet [suite::difference [lsort -stride 2 $got] [lsort -stride 2 $want]]
    }
}

proc expect_near {got want tolerance} {
    if {abs($got - $want) > $tolerance} {
        suite::unmet "[suite::difference $got $want]\n   within: $tolerance"
    }
}

# The script ends in an error reply (or any Tcl error) whose text matches the glob pattern.
proc expect_error {pattern script} {
    if {![catch {uplevel 1 $script} message]} {
        suite::unmet "expected an error: $pattern\n     got: [suite::shown $message]"
    }
    if {![string match $pattern $message]} {
        suite::unmet "expected the error: $pattern\n     got: [suite::shown $message]"
    }
}

# A Tcl expression holds.
proc expect_true {condition} {
    if {![uplevel 1 [list expr $condition]]} {
        catch {uplevel 1 [list subst $condition]} shown
        suite::unmet "doesn't hold: $condition\n    with: [suite::shown $shown]"
    }
}

# Waits until an expression holds; `-within` is stretched in sanitizer builds.
proc wait_for {condition args} {
    array set opt {-within 10000 -every 10}
    array set opt $args
    set limit [expr {$opt(-within) * $::suite::slow_factor}]
    set deadline [expr {[clock milliseconds] + $limit}]
    while 1 {
        if {[uplevel 1 [list expr $condition]]} return
        if {[clock milliseconds] > $deadline} {
            catch {uplevel 1 [list subst $condition]} shown
            suite::unmet "not true within $limit ms: $condition\n    last: [suite::shown $shown]"
        }
        after $opt(-every)
    }
}

# Waits until so many clients wait in a command.
proc await_blocked {count} {
    wait_for {[info_field blocked_clients] == $count}
}

# A new client that waits in the given command.
proc waiting {args} {
    set before [info_field blocked_clients]
    set c [client]
    client::send $c {*}$args
    client::flush $c
    await_blocked [expr {$before + 1}]
    return $c
}

# ---- random values ---------------------------------------------------------------------------
# Drawn from the test's own sequence; the seed is printed with a failure.

proc rand_int {limit} {
    expr {int(rand() * $limit)}
}

proc rand_bytes {count} {
    set bytes ""
    for {set i 0} {$i < $count} {incr i} { append bytes [format %c [rand_int 256]] }
    return $bytes
}

proc rand_pick {items} {
    lindex $items [rand_int [llength $items]]
}
