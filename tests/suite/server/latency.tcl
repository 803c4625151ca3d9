# SPDX-License-Identifier: BSD-3-Clause
#
# LATENCY: the log of what took long, its picture, advice, and histograms of commands.

tags quick

with_server {} {
    test "nothing is logged while the threshold is 0" {
        r DEBUG SLEEP 0.02
        expect [r LATENCY LATEST] {}
        expect [r LATENCY RESET] 0
        expect_error "ERR No samples available for event 'command'" {r LATENCY GRAPH command}
    }

    test "what takes as long as the threshold is logged" -resp {2 3} {
        r CONFIG SET latency-monitor-threshold 10
        r LATENCY RESET
        r SET k v
        r DEBUG SLEEP 0.03
        set latest [r LATENCY LATEST]
        expect [llength $latest] 1
        lassign [lindex $latest 0] name time last max
        expect $name command
        expect_near $time [clock seconds] 20
        expect_true {$last >= 30 && $max >= $last}
        r DEBUG SLEEP 0.05
        set history [r LATENCY HISTORY command]
        expect_true {[llength $history] in {1 2}} ;# a sample a second, the worst
        expect_true {[lindex $history end 1] >= 50}
        expect_match [r LATENCY GRAPH command] "command - high *ms, low *ms (all time high *ms)\n----*"
        expect [string length [lindex [split [r LATENCY GRAPH command] \n] 1]] 80
        expect [r LATENCY HISTORY nosuch] {}
        expect [r LATENCY RESET nosuch COMMAND] 1
        expect [r LATENCY LATEST] {}
        expect [r LATENCY RESET command] 0
        r CONFIG SET latency-monitor-threshold 0
    }

    test "LATENCY DOCTOR tells of each event" -only cogwheel {
        expect_match [r LATENCY DOCTOR] "*isn't monitored*latency-monitor-threshold*"
        r CONFIG SET latency-monitor-threshold 10
        expect_match [r LATENCY DOCTOR] "Nothing has held*"
        r DEBUG SLEEP 0.02
        expect_match [r LATENCY DOCTOR] "1. command: 1 latency spikes (average *SLOWLOG*"
        r CONFIG SET latency-monitor-threshold 0
        r LATENCY RESET
    }

    test "LATENCY HISTOGRAM counts calls up to each power of two" -resp {2 3} {
        r CONFIG RESETSTAT
        for {set i 0} {$i < 20} {incr i} { r SET k v }
        r CLIENT ID
        set reply [r LATENCY HISTOGRAM set]
        expect [llength $reply] 2
        expect [lindex $reply 0] set
        set facts [lindex $reply 1]
        expect [dict get $facts calls] 20
        set before 0
        foreach {bucket count} [dict get $facts histogram_usec] {
            expect_true {$count > $before}
            set before $count
        }
        expect $before 20
        expect [r LATENCY HISTOGRAM nosuch] {}
        expect [r LATENCY HISTOGRAM get] {}
        expect [lindex [r LATENCY HISTOGRAM client] 0] client|id
        expect [lindex [r LATENCY HISTOGRAM CLIENT|ID] 0] client|id
        expect_true {"set" in [r LATENCY HISTOGRAM]}
        r CONFIG SET latency-tracking no
        r CONFIG RESETSTAT
        r SET k v
        expect [r LATENCY HISTOGRAM set] {}
        r CONFIG SET latency-tracking yes
    }

    test "INFO latencystats" {
        r CONFIG RESETSTAT
        r SET k v
        expect_match [r INFO latencystats] "# Latencystats\r\n*latency_percentiles_usec_set:p50=*,p99=*,p99.9=*"
        r CONFIG SET latency-tracking-info-percentiles "0 12.5 100"
        expect_match [r INFO latencystats] "*_set:p0=*,p12.5=*,p100=*"
        expect [lindex [r CONFIG GET latency-tracking-info-percentiles] 1] "0 12.5 100"
        expect_error "*Invalid latency-tracking-info-percentiles parameters" {
            r CONFIG SET latency-tracking-info-percentiles "50 x"
        }
        foreach bad {-1 101 "50 100.5"} {
            expect_error "*parameters should sit between *0.0,100.0*" {
                r CONFIG SET latency-tracking-info-percentiles $bad
            }
        }
        r CONFIG SET latency-tracking-info-percentiles ""
        expect_match [r INFO latencystats] "*_set:\r\n*"
        r CONFIG SET latency-tracking-info-percentiles "50 99 99.9"
    }

    test "wrong calls" {
        expect_error "ERR wrong number of arguments for 'latency' command" {r LATENCY}
        expect_error "ERR wrong number of arguments for 'latency|history' command" {r LATENCY HISTORY}
        expect_error "ERR wrong number of arguments for 'latency|latest' command" {r LATENCY LATEST x}
        expect_error "ERR unknown subcommand 'foo'. Try LATENCY HELP." {r LATENCY foo}
        expect_match [lindex [r LATENCY HELP] 0] "LATENCY <subcommand>*"
    }
}
