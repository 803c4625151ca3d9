# SPDX-License-Identifier: BSD-3-Clause
#
# MONITOR: its lines, what is hidden, what a monitor may do itself.

tags quick

# The next line without its time: {[db addr] words}.
proc line {m} {
    set got [lindex [client::receive_typed $m] 1]
    if {![regexp {^\d+\.\d{6} (.*)$} $got -> rest]} { error "not a monitor's line: $got" }
    regsub {127\.0\.0\.1:\d+} $rest ADDR rest
    return $rest
}

proc monitor {{resp 2}} {
    r PING ;# the default client greets now, not under the monitor's eyes
    set m [client -resp $resp]
    expect [client::typed $m MONITOR] {simple OK}
    return $m
}

with_server {} {
    test "lines show database, address and quoted words" -resp {2 3} {
        set m [monitor [resp]]
        r PING
        expect [line $m] {[0 ADDR] "PING"}
        r SELECT 3
        expect [line $m] {[3 ADDR] "SELECT" "3"}
        r get "a\x00\n\r\t\a\b\"\\\x7f\xff"
        expect [line $m] {[3 ADDR] "get" "a\x00\n\r\t\a\b\"\\\x7f\xff"}
        r set k ""
        expect [line $m] {[3 ADDR] "set" "k" ""}
        r SELECT 0
    }

    test "what isn't run or is for administrators isn't shown" {
        set m [monitor]
        catch {r GET}
        catch {r nosuch}
        r CONFIG GET port
        r SLOWLOG LEN
        r DEBUG SLEEP 0
        r CLIENT LIST
        r PING end
        expect [line $m] {[0 ADDR] "PING" "end"}
    }

    test "transactions: commands when they run, EXEC behind them" {
        set m [monitor]
        r MULTI
        r SET a b
        r GET a
        r EXEC
        r MULTI
        r GET a
        r DISCARD
        expect [line $m] {[0 ADDR] "MULTI"}
        expect [line $m] {[0 ADDR] "SET" "a" "b"}
        expect [line $m] {[0 ADDR] "GET" "a"}
        expect [line $m] {[0 ADDR] "EXEC"}
        expect [line $m] {[0 ADDR] "MULTI"}
        expect [line $m] {[0 ADDR] "DISCARD"}
    }

    test "passwords are hidden" {
        set m [monitor]
        catch {r AUTH secret}
        expect [line $m] {[0 ADDR] "AUTH" "(redacted)"}
        catch {r auth default secret}
        expect [line $m] {[0 ADDR] "auth" "(redacted)" "(redacted)"}
        r HELLO 2 AUTH default secret SETNAME x
        expect [line $m] \
            {[0 ADDR] "HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "x"}
    }

    test "a monitor touches no data, and hears itself" {
        set m [monitor]
        foreach request {{GET x} {SET x y} {PUBLISH a b} {SPUBLISH a b}} {
            expect_error "ERR Replica can't interact with the keyspace" {$m {*}$request}
        }
        expect [client::typed $m PING] {simple PONG}
        expect [line $m] {[0 ADDR] "PING"}
        expect_match [r CLIENT LIST] "*flags=O *"
    }

    test "RESET ends it; within MULTI it is refused" {
        set m [monitor]
        expect [$m RESET] RESET
        r PING
        expect [$m GET x] (nil)
        r MULTI
        r MONITOR
        expect [r EXEC] {{-ERR MONITOR isn't allowed for DENY BLOCKING client}}
    }

    test "several monitors, and ones that go away" {
        set a [monitor]
        set b [monitor]
        line $a ;# what the second was greeted with
        r PING 1
        expect [line $a] {[0 ADDR] "PING" "1"}
        client::close $a
        expect [line $b] {[0 ADDR] "PING" "1"}
        r PING 2
        expect [line $b] {[0 ADDR] "PING" "2"}
    }

    test "commands of gears programs are shown in their order" -needs python {
        set m [monitor]
        r RG.PYEXECUTE "def f(x):\n  for i in range(200): execute('INCR', 'n')\n  return\
            x\nGB('ShardsIDReader').map(f).run()"
        set seen 0
        while {$seen < 200} {
            set got [line $m]
            if {$got eq {[0 gears] "INCR" "n"}} { incr seen }
        }
        expect [r GET n] 200
    }
}
