# SPDX-License-Identifier: BSD-3-Clause
#
# RG.* about the engine and its sessions.

tags quick

proc py {script args} { r RG.PYEXECUTE $script {*}$args }
proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

with_server {} {
    test "commands with one answer" -resp {2 3} {
        expect [r RG.DUMPPLUGINS] {{GearsPythonPlugin 10000}}
        expect [r RG.PYDUMPREQS] {}
        expect [r RG.REFRESHCLUSTER] OK
        expect [r RG.CLEARREGISTRATIONSSTATS] OK
        expect [r RG.PYFREEINTERPRETER] "Free interpreter is not longer supported"
        expect [r RG.PYEXECUTEREMOTE x] "Execute remote is not longer supported"
        expect_error "ERR wrong number of arguments for 'rg.dumpplugins' command" {r RG.DUMPPLUGINS x}
    }

    test "RG.PYDUMPSESSIONS" -needs python -resp {2 3} {
        unregister_all
        expect [r RG.PYDUMPSESSIONS] {}
        py "GB().register('a*', mode='sync')\nGB().register('b*')" ID one DESCRIPTION words
        py "GB('CommandReader').register(trigger='t')" ID two
        set ids [lmap reg [r RG.DUMPREGISTRATIONS] {lindex $reg 1}]
        set one [list ID one sessionDescription words refCount 2 linked primary dead false \
            requirementInstallationNeeded 0 requirements {} registrations [lrange $ids 0 1]]
        set two [list ID two sessionDescription (nil) refCount 1 linked primary dead false \
            requirementInstallationNeeded 0 requirements {} registrations [lrange $ids 2 2]]
        expect [r RG.PYDUMPSESSIONS] [list $one $two]
        expect [r RG.PYDUMPSESSIONS SESSIONS two nope] \
            [list $two "Session nope does not exists"]
        expect [r RG.PYDUMPSESSIONS SESSIONS] {}
        expect [r RG.PYDUMPSESSIONS DEAD] {}
        expect [r RG.PYDUMPSESSIONS TS] {}
        set verbose [r RG.PYDUMPSESSIONS VERBOSE SESSIONS two]
        set registration [lindex [dict get [lindex $verbose 0] registrations] 0]
        expect [llength $registration] 10
        expect [dict get $registration reader] CommandReader
        expect_error "Unknown option what" {r RG.PYDUMPSESSIONS what}
        unregister_all
    }

    test "RG.CLEARREGISTRATIONSSTATS" -needs python {
        unregister_all
        py "GB().register('k*', mode='sync')"
        r SET k1 v
        r SET k2 v
        proc data {field} {
            dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] $field
        }
        expect [data numTriggered] 2
        expect [data numSuccess] 2
        r RG.CLEARREGISTRATIONSSTATS
        foreach field {numTriggered numSuccess numFailures numAborted totalRunDurationMS} {
            expect [data $field] 0
        }
        r SET k1 v
        expect [data numSuccess] 1
        unregister_all
    }
}
