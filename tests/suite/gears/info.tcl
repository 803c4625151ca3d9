# SPDX-License-Identifier: BSD-3-Clause
#
# The sections of INFO that RedisGears has as a module.

tags quick

set sections [list rg rg_regisrations rg_plugins rg_python_stats rg_python_requirements \
    rg_python_sessions]

# The sections of a reply: title -> lines.
proc sections_of {info} {
    set out {}
    foreach line [split [string map {"\r\n" "\n"} $info] \n] {
        if {$line eq ""} continue
        if {[regexp {^# (.*)} $line -> title]} {
            dict set out $title {}
        } else {
            dict lappend out $title $line
        }
    }
    return $out
}

# A line's fields, as a dictionary.
proc fields {line} {
    set out {}
    regsub {^[^:]*:} $line {} line
    foreach field [split $line ,] {
        regexp {^([^=]*)=(.*)} $field -> name value
        dict set out $name $value
    }
    return $out
}

with_server {} {
    test "which INFO has the sections" -resp {2 3} {
        foreach words {rg everything modules {server rg}} {
            set titles [dict keys [sections_of [r INFO {*}$words]]]
            expect [lrange $titles end-5 end] $sections
        }
        expect [dict keys [sections_of [r INFO rg]]] $sections
        foreach words {{} default all server gears} {
            expect [lsearch -glob [dict keys [sections_of [r INFO {*}$words]]] rg*] -1
        }
        foreach section $sections {
            if {$section eq "rg"} continue
            expect [dict keys [sections_of [r INFO $section]]] [list $section]
        }
    }

    test "an empty engine" {
        set got [sections_of [r INFO rg]]
        expect [dict get $got rg] {rg_nexecutions:0 rg_nregistrations:0}
        expect [dict get $got rg_regisrations] {}
        expect [dict get $got rg_plugins] {rg_GearsPythonPlugin:version=10000}
        expect [lmap line [dict get $got rg_python_stats] {lindex [split $line :] 0}] \
            {rg_TotalAllocated rg_PeakAllocated rg_CurrAllocated}
        expect [dict get $got rg_python_requirements] {}
        expect [dict get $got rg_python_sessions] {}
    }

    test "registrations: a line each" -needs python {
        r RG.PYEXECUTE "GB('CommandReader').register(trigger='tr')" ID one
        set id [lindex [r RG.DUMPREGISTRATIONS] 0 1]
        set lines [dict get [sections_of [r INFO rg]] rg_regisrations]
        expect [llength $lines] 1
        expect_match [lindex $lines 0] [join [list "rg_$id:desc=None" reader=CommandReader \
            mode=async numTriggered=0 numSuccess=0 numFailures=0 numAborted=0 lastRunDurationMS=0 \
            totalRunDurationMS=0 avgRunDurationMS=0 lastError=None trigger=tr inorder=0 \
            "PD={'sessionName':'one'| 'sessionDescription':'null'| 'refCount': *}"] ,]
        expect [dict get [sections_of [r INFO rg]] rg] {rg_nexecutions:0 rg_nregistrations:1}
        expect_match [lindex [dict get [sections_of [r INFO rg]] rg_python_sessions] 0] \
            "rg_one:sessionDescription=None,*,registrations=\\\[$id\\\]"
        r RG.UNREGISTER $id
    }

    test "registrations: of keys, with what they say" -needs python {
        r RG.PYEXECUTE "def f(x): raise flat_error('one, two\\r\\nthree')
GB('KeysReader', desc='a, b').foreach(f).register('a,*', mode='sync', eventTypes=\['set', 'del'\],
    keyTypes=\['string'\])"
        r SET a,1 v
        set line [lindex [dict get [sections_of [r INFO rg]] rg_regisrations] 0]
        set got [fields $line]
        expect [dict get $got desc] "a| b"
        expect [dict get $got reader] KeysReader
        expect [dict get $got mode] sync
        expect [dict get $got numTriggered] 1
        expect [dict get $got numFailures] 1
        expect [dict get $got lastError] "one| two  three"
        expect [dict get $got regex] a|*
        expect [dict get $got eventTypes] {[set|del]}
        expect [dict get $got keyTypes] {[string]}
        expect [dict get $got hookCommands] None
        expect [lrange [dict keys $got] end-4 end] {regex eventTypes keyTypes hookCommands PD}
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "registrations: of streams" -needs python {
        r RG.PYEXECUTE "GB('StreamReader').register('s*', batch=5, onFailedPolicy='retry')"
        set line [lindex [dict get [sections_of [r INFO rg]] rg_regisrations] 0]
        expect [lrange [dict keys [fields $line]] end-9 end] {avgEstimatedLagMS lastError batchSize\
            durationMS stream status trimStream onFailedPolicy retryInterval PD}
        expect [dict get [fields $line] status] OK
        expect [dict get [fields $line] onFailedPolicy] retry
        r RG.UNREGISTER [lindex [r RG.DUMPREGISTRATIONS] 0 1]
    }

    test "registrations: of streams, with what became of them" -needs python {
        r RG.PYEXECUTE "def f(r):
    if r\['value'\]\['n'\] == 'bad': raise flat_error('no, it is')
GB('StreamReader').foreach(f).register('s', mode='sync')
GB('StreamReader').foreach(f).register('s', onFailedPolicy='abort', trimStream=False)"
        set now [clock milliseconds]
        r XADD s [expr {$now - 60000}]-0 n 1
        r XADD s [expr {$now - 20000}]-0 n bad
        wait_for {[string match *status=ABORTED* [r INFO rg_regisrations]]}
        lassign [dict get [sections_of [r INFO rg]] rg_regisrations] sync abort
        foreach {name value} {mode sync numTriggered 2 numSuccess 1 numFailures 1 numAborted 0\
                lastError "no| it is" stream s status OK trimStream 1 onFailedPolicy continue} {
            expect [dict get [fields $sync] $name] $value
        }
        expect_near [dict get [fields $sync] lastEstimatedLagMS] 20000 15000
        expect_near [dict get [fields $sync] avgEstimatedLagMS] 40000 15000
        foreach {name value} {numSuccess 1 numFailures 1 status ABORTED trimStream 0} {
            expect [dict get [fields $abort] $name] $value
        }
        foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] abortpending }
    }

    test "executions are counted" -needs python {
        set before [llength [r RG.DUMPEXECUTIONS]]
        set id [r RG.PYEXECUTE "GB('ShardsIDReader').run()" UNBLOCKING]
        r RG.GETRESULTSBLOCKING $id
        expect_match [r INFO rg] "*rg_nexecutions:[expr {$before + 1}]\r\n*"
        r RG.DROPEXECUTION $id
        expect_match [r INFO rg] "*rg_nexecutions:$before\r\n*"
        expect_true {[string match {*rg_CurrAllocated:[1-9]*} [r INFO rg]]}
    }
}
