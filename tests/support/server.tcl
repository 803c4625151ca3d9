# SPDX-License-Identifier: BSD-3-Clause
#
# Servers under test: each in a folder of its own, on a free port, with a config file. A server
# is an id; `server::get $id port|pid|dir|…` reads its state. What it wrote to standard error
# and how it ended are judged when it stops: a sanitizer's report, a crash report, a failed
# assertion, a signal or a wrong exit code are findings, and a finding fails the test.

namespace eval server {
    variable count 0
    variable binary ""       ;# set by the runner
    variable kind cogwheel   ;# or stock
    variable has_python 1    ;# the build has gears
    variable everywhere {}   ;# options (name and value) that every server gets
    variable root ""         ;# folder for the servers' folders
    variable start_ms 60000
    variable stop_ms 60000
    variable state
    array set state {}
    # What in a server's output means that something is broken, whatever the replies were.
    variable alarms {
        {ERROR: AddressSanitizer} {ERROR: LeakSanitizer} {WARNING: ThreadSanitizer}
        {runtime error:} {UndefinedBehaviorSanitizer} {ASSERTION FAILED} {BUG REPORT START}
        {Fatal Python error}
    }
}

proc server::get {id field} {
    return $::server::state($id,$field)
}

# Not from the tests' seed: what runs beside this, with the same seed, would try the same ports.
# Below those that the kernel gives to outgoing connections.
proc server::free_port {} {
    variable port_step
    while 1 {
        set step [expr {([pid] * 7919 + [incr port_step] * 104729 + [clock microseconds]) % 22000}]
        set port [expr {10000 + $step}]
        if {[catch {socket -server {} -myaddr 127.0.0.1 $port} sock]} continue
        ::close $sock
        return $port
    }
}

proc server::read_file {path} {
    if {[catch {::open $path rb} file]} { return "" }
    # A file of a process, or thread, that has ended since can't be read.
    if {[catch {read $file} text]} { set text "" }
    ::close $file
    return $text
}

proc server::config_text {options} {
    set text ""
    foreach {name value} $options {
        # A value of several words is written as the file format has it: the words in a row.
        if {$value eq ""} { set value {""} }
        append text "$name $value\n"
    }
    return $text
}

# Starts a server with these options (name value …) and returns its id when it answers.
# The word `args` as an option name gives further command-line words.
proc server::start {options} {
    variable count
    variable kind
    set id [incr count]
    for {set try 1} {1} {incr try} {
        set port [free_port]
        if {![catch {launch $id $port $options} message info]} { return $id }
        set taken [string match "*already in use*" "$message[output $id]"]
        cleanup_failed $id
        if {!$taken || $try == 5} { return -options $info $message }
    }
}

proc server::launch {id port options} {
    variable state
    variable kind
    set dir [file join $::server::root server-$id]
    file delete -force $dir
    file mkdir $dir
    array set state [list $id,dir $dir $id,port $port $id,host 127.0.0.1 $id,options $options \
        $id,judged 0 $id,stopped 0]
    set base [list port $port dir $dir enable-debug-command yes]
    set words {}
    set rest {}
    # How long a sync callback may take to begin is for those who test it: on a crowded machine a
    # thread may get no processor for longer than the default, and the callback's failure is right.
    if {$kind eq "cogwheel" && $::server::has_python &&
        "gears-sync-wait" ni [dict keys $options]} { lappend base gears-sync-wait 60000 }
    # Who wants save points says so: their lines would add up with these.
    if {"save" ni [dict keys $options]} { lappend base save "" }
    foreach pair $::server::everywhere {
        if {[lindex $pair 0] ni [dict keys $options]} { lappend base {*}$pair }
    }
    foreach {name value} $options {
        if {$name eq "args"} { set words $value } else { lappend rest $name $value }
    }
    set conf [file join $dir redis.conf]
    set file [::open $conf wb]
    puts -nonewline $file [config_text [concat $base $rest]]
    ::close $file
    set command [concat [list $::server::binary $conf] $words]
    # A server must not outlive a test run that is killed.
    if {[auto_execok setpriv] ne ""} {
        set command [concat setpriv --pdeathsig KILL $command]
    }
    set pipe [process $command [file join $dir stdout] [file join $dir stderr]]
    set state($id,pipe) $pipe
    set state($id,pid) [pid $pipe]
    await_ready $id
}

# Starts a program with its output in files; closing the returned channel waits for its end and
# tells how it ended. The channel is the shell's input, which the program doesn't get to see.
proc server::process {command stdout stderr} {
    ::open [concat [list | sh -c {exec "$0" "$@" < /dev/null}] $command \
        [list > $stdout 2> $stderr]] w
}

proc server::await_ready {id} {
    variable start_ms
    set deadline [expr {[clock milliseconds] + $start_ms}]
    while {[clock milliseconds] < $deadline} {
        if {![process_runs $id]} {
            error "the server ended while starting:\n[tail $id]"
        }
        if {![catch {ask $id INFO server} reply]} {
            if {[string match "*\nprocess_id:[get $id pid]\r*" $reply]} return
            error "port [get $id port] is already in use by another server"
        }
        if {[string match "NOAUTH*" $reply]} return
        after 10
    }
    error "the server didn't answer within $start_ms ms:\n[tail $id]"
}

# One request over a connection of its own, with the password that the server was started with; the
# connection is gone when this returns.
proc server::ask {id args} {
    set c [client::open -host [get $id host] -port [get $id port]]
    array set option [get $id options]
    if {[info exists option(requirepass)]} { catch {$c AUTH $option(requirepass)} }
    set failed [catch {$c {*}$args} reply info]
    client::leave $c
    return -options $info $reply
}

# The clients of earlier tests have been seen off, so that a test counts its own; unless some stay.
proc server::await_alone {id {limit_ms 1000}} {
    set deadline [expr {[clock milliseconds] + $limit_ms}]
    while {![catch {ask $id INFO clients} text] && [clock milliseconds] < $deadline} {
        if {[string match "*\nconnected_clients:1\r*" $text]} return
        after 5
    }
}

# The process is there and no zombie.
proc server::process_runs {id} {
    set stat [read_file /proc/[get $id pid]/stat]
    if {$stat eq ""} { return 0 }
    set after_name [string range $stat [string last ")" $stat]+2 end]
    expr {[lindex $after_name 0] ni {Z X}}
}

# It runs and answers, be it by an error reply; a moment is given for connections that are
# still being closed.
proc server::alive {id} {
    variable state
    for {set try 0} {$try < 100} {incr try} {
        if {$state($id,stopped) || ![process_runs $id]} { return 0 }
        if {![catch {ask $id PING} reply info]} { return 1 }
        if {[lindex [dict get $info -errorcode] 0] eq "REDIS"} { return 1 }
        after 20
    }
    return 0
}

proc server::signal {id name} {
    exec kill -$name [get $id pid]
}

proc server::rss_bytes {id} {
    regexp {VmRSS:\s+(\d+) kB} [read_file /proc/[get $id pid]/status] -> kb
    return [expr {$kb * 1024}]
}

proc server::output {id} {
    set dir [get $id dir]
    set text "[read_file $dir/stdout][read_file $dir/stderr]"
    foreach log [glob -nocomplain -directory $dir *.log] { append text [read_file $log] }
    return $text
}

proc server::tail {id {lines 30}} {
    set all [split [string trimright [output $id]] \n]
    join [lrange $all end-[expr {$lines - 1}] end] \n
}

# Ends the server; returns a list of findings, empty when all was well. `how` is TERM for a
# clean end, KILL for none, GONE when it is expected to have ended by itself.
proc server::stop {id {how TERM}} {
    variable state
    variable stop_ms
    if {$state($id,stopped)} { return {} }
    set findings {}
    set was_running [process_runs $id]
    if {$how eq "GONE"} {
        if {![await_end $id $stop_ms]} { lappend findings "the server still runs" }
    } elseif {!$was_running} {
        lappend findings "the server had ended by itself"
    } else {
        catch {signal $id $how}
        if {![await_end $id $stop_ms]} {
            lappend findings "the server didn't end within $stop_ms ms of SIG$how"
        }
    }
    if {[process_runs $id]} { catch {exec kill -KILL [get $id pid]} }
    set failed [catch {::close $state($id,pipe)} message info]
    if {$failed && $how ne "KILL"} {
        lappend findings {*}[describe_end [dict get $info -errorcode]]
    }
    set state($id,stopped) 1
    concat $findings [alarms $id]
}

proc server::describe_end {code} {
    lassign $code kind pid what
    switch -- $kind {
        CHILDKILLED { return [list "the server was ended by $what"] }
        CHILDSTATUS { return [list "the server ended with exit code $what"] }
    }
    return {}
}

proc server::await_end {id limit_ms} {
    set deadline [expr {[clock milliseconds] + $limit_ms}]
    while {[process_runs $id]} {
        if {[clock milliseconds] > $deadline} { return 0 }
        after 10
    }
    return 1
}

# What the output says that replies don't, with the text around the first report.
# A report is told once.
proc server::alarms {id} {
    variable state
    if {$state($id,judged)} { return {} }
    set text [output $id]
    foreach alarm $::server::alarms {
        set at [string first $alarm $text]
        if {$at < 0} continue
        set from [expr {[string last \n $text $at] + 1}]
        set state($id,judged) 1
        return [list "the server reported:\n[string range $text $from $from+4000]"]
    }
    return {}
}

proc server::cleanup_failed {id} {
    variable state
    if {[info exists state($id,pipe)]} {
        if {[process_runs $id]} { catch {exec kill -KILL [get $id pid]} }
        catch {::close $state($id,pipe)}
        set state($id,stopped) 1
    }
}
