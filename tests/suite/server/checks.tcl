# SPDX-License-Identifier: BSD-3-Clause
#
# What the program does in place of serving: checks of the system and of the machine's memory.

tags quick

# What the kernel says in a file of its own; empty if there is none.
proc control {path} {
    if {[catch {open $path} file]} { return "" }
    set text [string trim [read $file]]
    close $file
    return $text
}

proc finding {text well} {
    if {$text eq ""} { return skipped }
    return [expr {$well ? "OK" : "WARNING:"}]
}

set overcommit [control /proc/sys/vm/overcommit_memory]
set clock [control /sys/devices/system/clocksource/clocksource0/current_clocksource]
set large_pages [control /sys/kernel/mm/transparent_hugepage/enabled]

test "--check-system says what each check found, and a warning is exit code 1" {
    lassign [run_server --check-system] code output
    foreach {check found} [list overcommit [finding $overcommit [expr {$overcommit == 1}]] \
                               xen-clocksource [finding $clock [expr {$clock ne "xen"}]] \
                               THP [finding $large_pages [expr {![string match {*\[always\]*} $large_pages]}]]] {
        expect [regexp "(?n)^\\\[$check\\\]\\.\\.\\.(.*)$" $output -> got] 1
        expect $got $found
    }
    expect [regexp {(?n)^\[slow-clocksource\]\.\.\.(OK|WARNING:)$} $output] 1
    expect $code [string match "*WARNING:*" $output]
    # Words behind it change nothing.
    lassign [run_server --check-system --port abc] again output
    expect_match $output "\\\[slow-clocksource\\\]*"
}

test "--test-memory tests that much, and says so" {
    lassign [run_server --test-memory 1] code output
    expect $code 0
    expect_match $output "*Your memory passed this test.*memtest86*"
}

test "--test-memory wants a number that can be had" {
    foreach words {{} {1 2}} {
        lassign [run_server --test-memory {*}$words] code output
        expect $code 1
        expect_match $output "Please specify the amount of memory to test in megabytes.\nExample:\
            *redis-server --test-memory 4096*"
    }
    lassign [run_server --test-memory 99999999] code output
    expect $code 1
    expect $output "Unable to allocate 99999999 megabytes: Cannot allocate memory"
}

test "--test-memory wants nothing but a number" -only cogwheel {
    foreach bad {0 -1 abc 1x "" 18446744073709551616} {
        lassign [run_server --test-memory $bad] code output
        expect $code 1
        expect_match $output "Please specify the amount of memory*"
    }
    lassign [run_server --test-memory 17592186044416] code output
    expect $code 1
    expect_match $output "Unable to allocate 17592186044416 megabytes: *"
}

with_server {tcp-backlog 100000} {
    test "a start warns of what the checks find, and of a backlog that can't be had" {
        set log [srv log]
        set most [control /proc/sys/net/core/somaxconn]
        expect [string match "*WARNING: The TCP backlog setting of 100000 cannot be enforced\
            because /proc/sys/net/core/somaxconn is set to the lower value of $most.*" $log] \
            [expr {$most ne "" && $most < 100000}]
        expect [string match "*WARNING Memory overcommit must be enabled!*" $log] \
            [expr {$overcommit ne "" && $overcommit != 1}]
    }
}
