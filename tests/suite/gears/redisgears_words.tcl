# SPDX-License-Identifier: BSD-3-Clause
#
# Configurations that were written for RedisGears: its names, and its loadmodule line.

tags quick

# RG.CONFIGGET of names, flat.
proc get {args} {
    r RG.CONFIGGET {*}$args
}

with_server {} {
    test "every name has its default" -resp {2 3} {
        foreach {name value} {
            MaxExecutions {int 1000} MaxExecutionsPerRegistration {int 100}
            ProfileExecutions {int 0} ExecutionThreads {int 3} ExecutionMaxIdleTime {int 5000}
            SendMsgRetries {int 3} CreateVenv {int 0} DownloadDeps {int 0}
            ForeceDownloadDepsOnEnterprise {int 0} PythonAttemptTraceback {int 1}
            OverridePythonAllocators {int 1} PythonInstallReqMaxIdleTime {int 30000}
            DependenciesUrl {bulk {}} DependenciesSha256 {bulk {}} Plugin {bulk {}}
            PythonInstallationDir {bulk /var/opt/redislabs/modules/rg}
        } {
            expect [rt RG.CONFIGGET $name] [list array [list $value]]
        }
        # names are case-sensitive here
        expect [rt RG.CONFIGGET maxexecutions] \
            {array {{error {(error) Unsupported config parameter: maxexecutions}}}}
        expect [rt RG.CONFIGGET] {array {}}
    }

    test "every name has its rule" {
        foreach {name value} {
            MaxExecutions 10 MaxExecutionsPerRegistration 5 ProfileExecutions 1
            ExecutionMaxIdleTime 100 SendMsgRetries 0 PythonAttemptTraceback 0
            PythonInstallReqMaxIdleTime 77
        } {
            set before [lindex [get $name] 0]
            # and here they aren't
            expect [rt RG.CONFIGSET [string toupper $name] $value] {array {{simple OK}}}
            expect [get $name] $value
            expect [rt RG.CONFIGSET $name -1] \
                [list array [list [list error "(error) Failed setting config value $name"]]]
            expect [rt RG.CONFIGSET $name text] \
                [list array [list [list error "(error) Failed setting config value $name"]]]
            r RG.CONFIGSET $name $before
        }
        foreach name {ExecutionMaxIdleTime PythonInstallReqMaxIdleTime} {
            expect [rt RG.CONFIGSET $name 0] \
                [list array [list [list error "(error) Failed setting config value $name"]]]
        }
        foreach name {ExecutionThreads DependenciesUrl DependenciesSha256 Plugin} {
            expect [rt RG.CONFIGSET $name 1] [list array [list \
                [list error "(error) Config value $name not modifiable at runtime"]]]
        }
        foreach name {CreateVenv DownloadDeps ForeceDownloadDepsOnEnterprise
                      OverridePythonAllocators PythonInstallationDir} {
            expect [rt RG.CONFIGSET $name 1] \
                [list array [list [list error "(error) $name is not configurable at runtime"]]]
        }
        expect [rt RG.CONFIGSET MyOwn text MyOther] {array {{simple {OK - value was saved in extra\
            config dictionary}} {error {(error) Value was not given to MyOther}}}}
        expect [rt RG.CONFIGGET MyOwn] {array {{bulk text}}}
    }

    test "names and options are the same" {
        r RG.CONFIGSET MaxExecutions 12
        expect [r CONFIG GET gears-max-executions] {gears-max-executions 12}
        r CONFIG SET gears-max-executions 1000
        expect [get MaxExecutions] 1000
    }
}

set line {/usr/lib/redis/modules/redisgears.so MAXEXECUTIONS 10 executionthreads 2 CreateVenv 1}
append line { Plugin "/opt/gears_python.so CreateVenv 1" MyOwn "two words" ProfileExecutions 1}
append line { PythonInstallationDir /opt/rg}

with_server [list loadmodule $line] {
    test "a loadmodule line sets the engine up" {
        expect [get MaxExecutions ExecutionThreads CreateVenv MyOwn ProfileExecutions \
                    PythonInstallationDir Plugin] {10 2 1 {two words} 1 /opt/rg {}}
        expect [lindex [r CONFIG GET gears-threads] 1] 2
        expect [lindex [r CONFIG GET gears-profile-executions] 1] yes
        expect [r RG.CONFIGGET MaxExecutionsPerRegistration] 100
    }

    test "scripts read what it says" -needs python {
        expect [r RG.PYEXECUTE "GB('ShardsIDReader').map(lambda x: \[configGet('MyOwn'),\
            configGet('CreateVenv'), configGet('MaxExecutions')\]).run(convertToStr=False)"] \
            {{{{two words} 1 10}} {}}
    }

    test "clients that look find the module" -resp {2 3} {
        set rows [r MODULE LIST]
        expect [llength $rows] 1
        set row [lindex $rows 0]
        expect [dict get $row name] rg
        expect [dict get $row ver] 10213
        expect [dict get $row path] /usr/lib/redis/modules/redisgears.so
        expect [lrange [dict get $row args] 0 3] {MAXEXECUTIONS 10 executionthreads 2}
        expect_match [r INFO modules] \
            "*# Modules\r\nmodule:name=rg,ver=10213,api=1,filters=0,usedby=*,using=*,options=*"
    }

    test "CONFIG REWRITE keeps it, and what was changed since" -down yes {
        r CONFIG SET gears-max-executions 1000
        r CONFIG REWRITE
        set f [open [file join [srv dir] redis.conf]]
        set text [read $f]
        close $f
        expect_match $text "*loadmodule /usr/lib/redis/modules/redisgears.so CreateVenv 1 Plugin\
            \"/opt/gears_python.so CreateVenv 1\" MyOwn \"two words\" PythonInstallationDir /opt/rg\n*"
        expect_match $text "*gears-threads 2\n*"
        expect_true {![string match "*gears-max-executions*" $text]}
        catch {r SHUTDOWN NOSAVE}
    }
}

with_server {args {--loadmodule /x/redisgears_1.2.so MaxExecutions 7}} {
    test "on the command line" {
        expect [get MaxExecutions] 7
        expect [dict get [lindex [r MODULE LIST] 0] args] {MaxExecutions 7}
    }
}

test "lines that can't be" {
    foreach {words reason} {
        {} "wrong number of arguments"
        {/x/other.so} "the only module is RedisGears', which is built in: redisgears.so"
        {redisgears} "the only module is RedisGears', *"
        {redisgears.so MaxExecutions} "'MaxExecutions' has no value"
        {redisgears.so MaxExecutions x} "'MaxExecutions' can't be x"
        {redisgears.so MaxExecutions -1} "'MaxExecutions' can't be -1"
        {redisgears.so ExecutionThreads 0} "'ExecutionThreads' can't be 0"
        {redisgears.so ExecutionThreads 100000} "'ExecutionThreads' can't be 100000"
        {redisgears.so CreateVenv maybe} "'CreateVenv' can't be maybe"
    } {
        lassign [run_server --port 0 --loadmodule {*}$words] code output
        expect $code 1
        expect_match $output "*FATAL CONFIG FILE ERROR*>>> 'loadmodule*'\n$reason*"
    }
}
