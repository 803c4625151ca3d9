# SPDX-License-Identifier: BSD-3-Clause
#
# Requirements: packages that a session asks for. There is no index to be reached; pip's own
# configuration names a folder of wheels that are made here.

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

tags threads slow

set wheels [file join [pwd] build test-wheels-[pid]]
set ::env(PIP_NO_INDEX) 1
set ::env(PIP_FIND_LINKS) $wheels

proc make_wheel {name version args} {
    exec [file join [pwd] tests support make_wheel] $::wheels $name $version {*}$args
}
foreach version {1.0 2.0} { make_wheel One $version }
make_wheel two 1.0 --needs one==1.0
make_wheel three 1.0 --needs one>=1
make_wheel heavy 1.0 --bytes 3000000
make_wheel Strange-Name.x 1.0

proc py {script args} { r RG.PYEXECUTE $script {*}$args }
proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}
proc req {name} {
    foreach req [r RG.PYDUMPREQS] { if {[dict get $req Name] eq $name} { return $req } }
    return {}
}
proc names {} { lmap req [r RG.PYDUMPREQS] { dict get $req Name } }
proc refs {name} { dict get [req $name] RefCount }
proc version_of {module args} {
    lindex [py "import $module\nGB('ShardsIDReader').map(lambda r: $module.version).run()" {*}$args] 0
}
proc refused {text args} { expect_error $text {py 1 {*}$args} }

set no_wheels "Could not satisfy requirements (look at redis log file for more information)"

with_server {} {
    test "without enable-gears-requirements" -needs python {
        set text "Could not satisfy requirements: enable-gears-requirements is off, the packages\
            must be there for the server's Python already."
        refused $text REQUIREMENTS one
        expect [py 1 REQUIREMENTS] OK
        expect [py 1 FORCE_REINSTALL_REQUIREMENTS] OK
        expect [r RG.PYDUMPREQS] {}
        expect_error $text {r RG.PYIMPORTREQ x}
        expect_error "requirement does not exists" {r RG.PYEXPORTREQ one}
        expect_error "*wrong number of arguments*" {r RG.PYEXPORTREQ}
        expect_error "*wrong number of arguments*" {r RG.PYEXPORTREQ a b}
        expect_error "*wrong number of arguments*" {r RG.PYIMPORTREQ}
        expect_error "*wrong number of arguments*" {r RG.PYDUMPREQS x}
        expect_error "*No module named 'one'*" {py "import one"}
        # what is installed for the system's Python isn't seen
        expect_error "*No module named 'setuptools'*" {py "import setuptools"}
        expect [py "import json, cloudpickle"] OK
    }
}

with_server {gears-system-packages yes} {
    test "packages of the system's Python, where they are allowed" -needs python {
        expect [py "import redis"] OK
    }
}

with_server {enable-gears-requirements yes} {
    test "a requirement is fetched, installed and told of" -needs python {
        expect [version_of one REQUIREMENTS one==1.0] 1.0
        set req [req one==1.0]
        expect [dict keys $req] {GearReqVersion Name IsDownloaded IsInstalled CompiledOs Wheels\
            Path RefCount IsInReqDictionary}
        expect [dict get $req GearReqVersion] 2
        expect [dict get $req IsDownloaded] yes
        expect [dict get $req IsInstalled] yes
        expect_match [dict get $req CompiledOs] linux-*-python3.*
        expect [dict get $req Wheels] one-1.0-py3-none-any.whl
        expect_match [dict get $req Path] [file normalize [srv dir]]/gears-packages/wheels/one-??????????
        expect [dict get $req IsInReqDictionary] yes
        expect_true {[file exists [file join [dict get $req Path] one-1.0-py3-none-any.whl]]}
        # it stays, and the next one who needs it has it at once
        wait_for {[refs one==1.0] == 0}
        expect [version_of one REQUIREMENTS one==1.0] 1.0
        expect [names] one==1.0
    }

    test "a session tells of its requirements" -needs python {
        py "import one\nGB().register('a')" ID s REQUIREMENTS one==1.0
        expect [refs one==1.0] 1
        set session [lindex [r RG.PYDUMPSESSIONS] 0]
        expect [dict get $session requirements] one==1.0
        set session [lindex [r RG.PYDUMPSESSIONS VERBOSE] 0]
        expect [dict get $session requirements] [list [req one==1.0]]
        set path [dict get [req one==1.0] Path]
        expect_match [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] PD] "*'depsList':\\\[\{'name':'one==1.0',\
            'basePath':'$path', 'wheels':\\\['one-1.0-py3-none-any.whl'\\\]\}\\\]\}"
        unregister_all
    }

    test "what a requirement needs comes with it, as far as it isn't there" -needs python {
        py "import two, one\nassert one.version == '1.0'\nGB().register('b')" ID t REQUIREMENTS two
        expect_set [dict get [req two] Wheels] {one-1.0-py3-none-any.whl two-1.0-py3-none-any.whl}
        # the newest is 2.0, but what a session uses stays
        expect [version_of three REQUIREMENTS three] 1.0
        expect_set [dict get [req three] Wheels] \
            {one-1.0-py3-none-any.whl three-1.0-py3-none-any.whl}
    }

    test "two versions of one package" -needs python {
        wait_for {[refs three] == 0}
        set text "*one 1.0 is installed for two, and one interpreter can't hold two versions of a\
            package"
        refused "Could not satisfy requirements: one==2.0 needs one in another version, but $text" \
            REQUIREMENTS one==2.0
        refused "Could not satisfy requirements: ONE>1.5 needs one in another version, but $text" \
            REQUIREMENTS ONE>1.5
        expect [py 1 REQUIREMENTS one>0.5] OK
        expect [version_of one REQUIREMENTS one==1.0] 1.0
        expect [lsort [names]] [lsort {one==1.0 two three one>0.5}]
        # with nobody left who uses the old one, the new one takes its place, module and all
        unregister_all
        wait_for {[refs two] == 0 && [refs one==1.0] == 0 && [refs one>0.5] == 0}
        expect [version_of one REQUIREMENTS one==2.0] 2.0
        expect [names] one==2.0
        # within one script
        set text "Could not satisfy requirements: two needs one 1.0, but one 2.0 is installed for\
            one==2.0, and one interpreter can't hold two versions of a package"
        refused $text REQUIREMENTS one==2.0 two
        expect [names] one==2.0
        # what a session uses, and the other needs in turn
        py "GB().register('a')" REQUIREMENTS one==2.0
        refused $text REQUIREMENTS two
        expect [names] one==2.0
        refused $no_wheels REQUIREMENTS nosuch
        unregister_all
    }

    test "FORCE_REINSTALL_REQUIREMENTS replaces what others use" -needs python {
        py "import one\nGB('CommandReader').map(lambda r: one.version).register(trigger='v')" \
            REQUIREMENTS one==2.0
        refused "*one interpreter can't hold two versions*" REQUIREMENTS one==1.0
        expect [version_of one FORCE_REINSTALL_REQUIREMENTS REQUIREMENTS one==1.0] 1.0
        expect [names] one==1.0
        expect [py 1 FORCE_REINSTALL_REQUIREMENTS REQUIREMENTS one==1.0] OK
        # the old session keeps the module that it has, and its requirement, which nobody else gets
        expect [r RG.TRIGGER v] 2.0
        expect [dict get [lindex [r RG.PYDUMPSESSIONS VERBOSE] 0] requirements] [list [list \
            GearReqVersion 2 Name one==2.0 IsDownloaded yes IsInstalled no CompiledOs \
            [dict get [req one==1.0] CompiledOs] Wheels one-2.0-py3-none-any.whl Path \
            [dict get [lindex [dict get [lindex [r RG.PYDUMPSESSIONS VERBOSE] 0] requirements] 0] Path] \
            RefCount 1 IsInReqDictionary no]]
        unregister_all
    }

    test "an upgrade takes what only the old session used" -needs python {
        py "import two\nGB().register('a')" ID s REQUIREMENTS two Strange_Name.X
        expect [lsort [names]] {Strange_Name.X one==1.0 two}
        set path [dict get [req two] Path]
        py "import one\nGB().register('a')" ID s UPGRADE REQUIREMENTS one==1.0
        wait_for {[names] eq "one==1.0"}
        wait_for {![file exists $path]}
        expect_error "*No module named 'two'*" {py "import two"}
        # what is shared stays
        expect [py "import one"] OK
        unregister_all
        expect [names] one==1.0
    }

    test "what can't be satisfied" -needs python {
        foreach name {nope one==9 one==1.0,==2.0 one@1} {
            refused "Could not satisfy requirements*" REQUIREMENTS $name
        }
        refused $no_wheels REQUIREMENTS nope
        expect_match [srv log] "*ERROR: No matching distribution found for nope*"
        refused $no_wheels REQUIREMENTS one==1.0 nope
        expect [names] one==1.0
        expect_error "*ZeroDivisionError*" {py "1/0" REQUIREMENTS one==1.0}
        wait_for {[refs one==1.0] == 0}
    }

    test "RG.PYEXPORTREQ and RG.PYIMPORTREQ" -needs python {
        lassign [r RG.PYEXPORTREQ one==1.0] meta chunks
        expect $meta [req one==1.0]
        expect [llength $chunks] 1
        set ::exported [lindex $chunks 0]
        expect_error "requirement does not exists" {r RG.PYEXPORTREQ One==1.0}
        expect_error "requirement does not exists" {r RG.PYEXPORTREQ ""}
        expect [rt RG.PYIMPORTREQ $::exported] {bulk OK}
        r MULTI
        r RG.PYEXPORTREQ one==1.0
        r RG.PYIMPORTREQ $::exported
        set replies [rt EXEC]
        expect_match [lindex $replies 1 0] "error \{Can not run gears inside a multi exec*"
        expect_match [lindex $replies 1 1] "error \{Can not run gears inside a multi exec*"
    }

    test "users' rights and pip's options" -needs python {
        # nothing that begins with '-' reaches pip, and nothing reaches a shell
        set text "Could not satisfy requirements: a requirement is a package's name of at most\
            1024 bytes, with versions perhaps."
        foreach name [list -r --help "" "-e ." [string repeat x 1025] "a\0b" "one\n--pre" "a\x01"] {
            refused $text REQUIREMENTS one==1.0 $name
        }
        set text "Could not satisfy requirements: only names of packages are allowed, unless\
            gears-requirements-sources is on."
        foreach name [list "one @ http://x/y" ./one /etc/passwd git+https://x/y "\$(touch pwned)" \
            "`touch pwned`" "one|x" "one&x" "%s" "one\\x"] {
            refused $text REQUIREMENTS $name
        }
        refused "Could not satisfy requirements: there are more than 100" \
            REQUIREMENTS {*}[lrepeat 101 one==1.0]
        refused "Could not satisfy requirements*" REQUIREMENTS "one; touch pwned"
        refused "Could not satisfy requirements*" REQUIREMENTS "one 'x' \"y\""
        expect_true {[glob -nocomplain -directory [srv dir] pwned] eq {}}
        expect [names] one==1.0
    }
}

with_server {enable-gears-requirements yes} {
    test "a requirement from another server" -needs python {
        set size [string length $::exported]
        foreach cut [list 0 1 8 20 [expr {$size - 1}]] {
            expect_error "The requirement's data is damaged" \
                {r RG.PYIMPORTREQ [string range $::exported 0 [expr {$cut - 1}]]}
        }
        for {set i 0} {$i < 100} {incr i} {
            set at [rand_int $size]
            if {$at in {8 9 10 11}} continue
            scan [string index $::exported $at] %c byte
            set bad [string replace $::exported $at $at [format %c [expr {$byte ^ 0x41}]]]
            expect_error "The requirement's data is damaged" {r RG.PYIMPORTREQ $bad}
        }
        expect_error "Requirement version is not compatible, upgrade to newer RedisGears." \
            {r RG.PYIMPORTREQ [string replace $::exported 8 8 "\x02"]}
        expect_error "The requirement's data is damaged" {r RG.PYIMPORTREQ $::exported x}
        expect [r RG.PYDUMPREQS] {}
        # in any number of chunks; here no index is asked
        set chunks [list [string range $::exported 0 9] "" [string range $::exported 10 99] \
            [string range $::exported 100 end]]
        expect [rt RG.PYIMPORTREQ {*}$chunks] {bulk OK}
        expect [rt RG.PYIMPORTREQ $::exported] {bulk OK}
        expect [names] one==1.0
        expect [refs one==1.0] 0
        expect [version_of one REQUIREMENTS one==1.0] 1.0
        expect [lindex [r RG.PYEXPORTREQ one==1.0] 1] [list $::exported]
    }

}

set shared [file join $wheels shared]
with_server [list enable-gears-requirements yes gears-requirements-dir $shared] {
    test "the folder of packages" -needs python {
        expect [version_of one REQUIREMENTS one==1.0] 1.0
        expect_match [dict get [req one==1.0] Path] $shared/*
    }

    with_server [list enable-gears-requirements yes gears-requirements-dir $shared] {
        test "the folder of packages is one server's" -needs python {
            refused "Could not satisfy requirements, look at the log file for more information." \
                REQUIREMENTS one==1.0
            expect_match [srv log] "*another server uses it*"
        }
    }
}
with_server [list enable-gears-requirements yes gears-requirements-dir $shared] {
    test "the folder of packages is made anew" -needs python {
        expect [version_of one REQUIREMENTS one==2.0] 2.0
        expect [glob -tails -directory $shared/wheels *] \
            [file tail [dict get [req one==2.0] Path]]
    }
}
with_server [list enable-gears-requirements yes gears-requirements-dir $wheels] {
    test "a folder that has something else in it is left alone" -needs python {
        refused "Could not satisfy requirements, look at the log file for more information." \
            REQUIREMENTS one==1.0
        expect_match [srv log] "*it has other files, which would be deleted*"
        expect_true {[file exists [file join $::wheels two-1.0-py3-none-any.whl]]}
    }
}

with_server {enable-gears-requirements yes gears-requirements-max-size 4mb} {
    test "packages that are too large" -needs python {
        refused "Could not satisfy requirements: they are larger than gears-requirements-max-size" \
            REQUIREMENTS heavy
        expect [r RG.PYDUMPREQS] {}
        # what there was of it has gone, so there is room for others
        expect [version_of one REQUIREMENTS one==1.0] 1.0
    }
}

# A disk of its own, gone with the server. What is on it is asked of programs: Tcl would follow
# /proc/PID/root to our own file system.
set disk [file join $wheels disk]
file mkdir $disk
set way {}
foreach try {{unshare -m} {unshare -rm}} {
    if {![catch {exec {*}$try sh -c "mount -t tmpfs -o size=1m tmpfs '$disk'" 2>@1}]} {
        set way $try
        break
    }
}
if {$way eq {}} { puts "@note   gears/requirements: no full file system may be made here" } else {
    test "packages on a disk that is full" -needs python {
        set port [server::free_port]
        set pid [spawn {*}$way sh -c {mount -t tmpfs -o size=1m tmpfs "$1" && exec "$0" \
            --port "$2" --save "" --dir "$1" --enable-gears-requirements yes} \
            $::server::binary $disk $port]
        wait_for {![catch {set c [client::open -port $port]; $c PING}]}
        for {set round 0} {$round < 2} {incr round} {
            expect_error "Could not satisfy requirements*" {$c RG.PYEXECUTE 1 REQUIREMENTS heavy}
            expect [$c RG.PYDUMPREQS] {}
            set files [exec find /proc/$pid/root$disk -type f -not -path */gears-packages/env/* \
                           -printf "%f\n"]
            expect_set $files {.gears-packages constraints}
        }
        set script "import one\nGB('ShardsIDReader').map(lambda r: one.version).run()"
        expect [lindex [$c RG.PYEXECUTE $script REQUIREMENTS one==1.0] 0] 1.0
        expect [$c PING] PONG
        catch {$c SHUTDOWN NOSAVE}
        expect_match [spawn_wait $pid] "*No space left on device*"
    }
}

# pip opens a pipe that nobody writes to.
set pipe [file join $wheels never]
exec mkfifo $pipe
set ::env(PIP_CONSTRAINT) $pipe

# What the server has started, and that in turn.
proc descendants {pid} {
    set all {}
    foreach line [split [exec ps -eo pid=,ppid=] \n] {
        lassign $line child parent
        lappend children($parent) $child
    }
    set left [list $pid]
    while {[llength $left]} {
        set left [lassign $left pid]
        if {![info exists children($pid)]} continue
        lappend all {*}$children($pid)
        lappend left {*}$children($pid)
    }
    return $all
}
proc alive {pids} { lmap p $pids { if {![file exists /proc/$p]} continue; set p } }

# Starts a script whose requirement never comes, and returns its client.
proc start_hanging {} {
    set c [client]
    client::send $c RG.PYEXECUTE 1 REQUIREMENTS one==1.0
    client::flush $c
    # pip holds the pipe open, as far as it gets
    wait_for {[pip_hangs]} -within 60000
    return $c
}
proc pip_hangs {} {
    foreach pid [descendants [srv pid]] {
        if {![catch {read_file /proc/$pid/cmdline} words] &&
            [string match "*\0pip\0*\0wheel\0*" $words]} { return 1 }
    }
    return 0
}
proc read_file {path} {
    set f [open $path]
    set text [read $f]
    close $f
    return $text
}

with_server {enable-gears-requirements yes} {
    test "a client that goes takes pip with it; others are served meanwhile" -needs python {
        set c [start_hanging]
        set pids [descendants [srv pid]]
        expect_true {[llength $pids] >= 2}
        # neither main nor workers wait for it
        expect [py "execute('set', 'x', 1)"] OK
        expect [r RG.PYDUMPREQS] [list [req one==1.0]]
        expect [dict get [req one==1.0] IsDownloaded] no
        expect [dict get [req one==1.0] Wheels] \
            "Requirement was not yet downloaded so wheels are not available"
        client::close $c
        wait_for {[alive $pids] eq {}}
        wait_for {[r RG.PYDUMPREQS] eq {}}
        expect [info_field gears_scripts] 0
    }

    test "one that has to wait for its turn can go as well" -needs python {
        set a [start_hanging]
        set b [client]
        client::send $b RG.PYEXECUTE 1 REQUIREMENTS two
        client::flush $b
        wait_for {[info_field blocked_clients] == 2}
        client::close $b
        client::close $a
        wait_for {[info_field gears_scripts] == 0}
        expect [r RG.PYDUMPREQS] {}
    }

    test "pip ends with the server" -needs python -down yes {
        start_hanging
        set pids [descendants [srv pid]]
        catch {r SHUTDOWN NOSAVE}
        wait_for {[alive $pids] eq {}}
    }
}

with_server {enable-gears-requirements yes gears-requirements-max-time 1} {
    test "a time limit" -needs python {
        refused "Could not satisfy requirements: it took longer than gears-requirements-max-time" \
            REQUIREMENTS one==1.0
        expect [descendants [srv pid]] {}
    }
}

file delete -force $wheels
