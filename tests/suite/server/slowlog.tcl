# SPDX-License-Identifier: BSD-3-Clause
#
# SLOWLOG: what is remembered, how arguments are cut, limits.

tags quick

# The words of the newest entry but one (the newest is SLOWLOG's or CONFIG's own).
proc words {{back 0}} { return [lindex [r SLOWLOG GET -1] $back 3] }

with_server {slowlog-log-slower-than 0} {
    test "an entry tells what, when, how long and who" -resp {2 3} {
        r CLIENT SETNAME bob
        r SLOWLOG RESET
        r PING hello
        set e [lindex [r SLOWLOG GET 1] 0]
        expect [llength $e] 6
        expect [lindex $e 3] {PING hello}
        expect_near [lindex $e 1] [clock seconds] 20
        expect_true {[lindex $e 2] >= 0 && [lindex $e 2] < 1000000}
        expect_match [lindex $e 4] "127.0.0.1:*"
        expect [lindex $e 5] bob
        expect [lindex [r SLOWLOG GET 1] 0 3] {SLOWLOG GET 1}
        r CLIENT SETNAME ""
    }

    test "ids grow, the newest comes first, GET's default is ten" {
        r SLOWLOG RESET
        for {set i 0} {$i < 15} {incr i} { r PING $i }
        expect [llength [r SLOWLOG GET]] 10
        set all [r SLOWLOG GET -1]
        expect_true {[lindex $all 0 0] == [lindex $all 1 0] + 1}
        expect [lindex $all 1 3] {PING 14}
        expect [llength [r SLOWLOG GET 3]] 3
        expect [r SLOWLOG GET 0] {}
        expect_error "ERR count should be greater than or equal to -1" {r SLOWLOG GET -2}
        expect_error "ERR count should be greater than or equal to -1" {r SLOWLOG GET x}
        expect_error "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG\
            HELP." {r SLOWLOG GET 1 2}
    }

    test "arguments are cut at 128 bytes, words at 32" {
        r SET [string repeat k 128] [string repeat v 200]
        expect [words] [list SET [string repeat k 128] "[string repeat v 128]... (72 more bytes)"]
        set list {}
        for {set i 0} {$i < 31} {incr i} { lappend list $i }
        r DEL {*}$list
        expect [words] [list DEL {*}$list]
        r DEL {*}$list 31
        expect [words] [list DEL {*}[lrange $list 0 29] "... (2 more arguments)"]
        r DEL {*}$list 31 32 33
        expect [words] [list DEL {*}[lrange $list 0 29] "... (4 more arguments)"]
    }

    test "passwords are hidden" {
        catch {r AUTH secret}
        expect [words] {AUTH (redacted)}
        catch {r AUTH default secret}
        expect [words] {AUTH (redacted) (redacted)}
        r HELLO 2 AUTH default secret
        expect [words] {HELLO 2 AUTH (redacted) (redacted)}
        r CONFIG SET requirepass "" slowlog-max-len 128
        expect [words] {CONFIG SET requirepass (redacted) slowlog-max-len 128}
    }

    test "a transaction's commands are logged, EXEC isn't" {
        r SLOWLOG RESET
        r MULTI
        r SET a b
        r EXEC
        set words {}
        foreach e [r SLOWLOG GET -1] { lappend words [lindex $e 3] }
        expect $words {{SET a b} MULTI {SLOWLOG RESET}}
    }

    test "slowlog-max-len forgets the oldest" {
        with_config {slowlog-max-len 3} {
            for {set i 0} {$i < 10} {incr i} { r PING $i }
            expect [r SLOWLOG LEN] 3
            r CONFIG SET slowlog-max-len 0
            r PING
            expect [r SLOWLOG LEN] 0
        }
        expect_error "*argument must be between 0 and *" {r CONFIG SET slowlog-max-len -1}
    }

    test "the threshold: -1 logs nothing, a high one only what is slow" {
        with_config {slowlog-log-slower-than -1} {
            r SLOWLOG RESET
            r PING
            expect [r SLOWLOG LEN] 0
            r CONFIG SET slowlog-log-slower-than 20000
            r SLOWLOG RESET
            r PING
            r DEBUG SLEEP 0.03
            expect [words] {DEBUG SLEEP 0.03}
            expect_true {[lindex [r SLOWLOG GET] 0 2] >= 30000}
            expect [r SLOWLOG LEN] 1
            r CONFIG SET slowlog-log-slower-than 9223372036854775807
            r SLOWLOG RESET
            r DEBUG SLEEP 0.001
            expect [r SLOWLOG LEN] 0
        }
        expect_error "*argument must be between -1 and 9223372036854775807 inclusive" {
            r CONFIG SET slowlog-log-slower-than -2
        }
    }

    test "commands of a gears program are logged, too" -needs python {
        r SLOWLOG RESET
        r RG.PYEXECUTE "GB('ShardsIDReader').map(lambda x: execute('SET', 'from', 'gears')).run()"
        set found 0
        foreach e [r SLOWLOG GET -1] {
            if {[lindex $e 3] eq {SET from gears}} { incr found; expect [lindex $e 4] "?:0" }
        }
        expect $found 1
    }

    test "HELP, and what isn't a subcommand" {
        expect_match [lindex [r SLOWLOG HELP] 0] "SLOWLOG <subcommand>*"
        expect_error "ERR unknown subcommand 'nosuch'. Try SLOWLOG HELP." {r SLOWLOG nosuch}
        expect_error "ERR wrong number of arguments for 'slowlog' command" {r SLOWLOG}
    }
}
