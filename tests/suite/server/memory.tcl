# SPDX-License-Identifier: BSD-3-Clause
#
# MEMORY: what a key takes, held against what the server's memory grows by; the figures of STATS
# and of INFO, which must agree; the allocator.

# TSan's allocator says of a block how much was asked for, and of all of them how much it gave.
set rounding [regexp {build/tsan} $::server::binary]

# Sends `count` requests that the script `request` makes of i, some at a time.
proc many {count request} {
    upvar i i
    set requests {}
    for {set i 0} {$i < $count} {incr i} {
        lappend requests [uplevel 1 $request]
        if {[llength $requests] == 1000} {
            client::pipeline [r] $requests
            set requests {}
        }
    }
    client::pipeline [r] $requests
}

# The words that `word` makes of j, as many as wanted.
proc words {count word} {
    upvar j j
    set list {}
    for {set j 0} {$j < $count} {incr j} { lappend list {*}[uplevel 1 $word] }
    return $list
}

# Memory in use, once it stays the same over some turns of the server's periodic work.
proc settled {} {
    for {set last -1} {[set now [info_field used_memory]] != $last} {set last $now} { after 250 }
    return $now
}

# By how much memory in use grows over a script; what the server keeps at hand for requests is there
# before.
proc growth {script} {
    set before [settled]
    uplevel 1 $script
    expr {[settled] - $before}
}

# Sum of MEMORY USAGE over keys k:0 … k:<count - 1>, from every tenth.
proc usage_of_all {count} {
    set sum 0
    for {set i 0} {$i < $count} {incr i 10} { incr sum [r MEMORY USAGE k:$i] }
    expr {$sum * 10}
}

set stats_fields {
    peak.allocated total.allocated startup.allocated replication.backlog clients.slaves
    clients.normal cluster.links aof.buffer lua.caches functions.caches
    db.0 db.9
    overhead.total keys.count keys.bytes-per-key dataset.bytes dataset.percentage peak.percentage
    allocator.allocated allocator.active allocator.resident allocator-fragmentation.ratio
    allocator-fragmentation.bytes allocator-rss.ratio allocator-rss.bytes rss-overhead.ratio
    rss-overhead.bytes fragmentation fragmentation.bytes
}
set doubles {
    dataset.percentage peak.percentage allocator-fragmentation.ratio allocator-rss.ratio
    rss-overhead.ratio fragmentation
}

with_server {} {
    test "MEMORY USAGE: replies and errors" -tags quick -resp {2 3} {
        r SET k v
        expect [lindex [rt MEMORY USAGE k] 0] int
        expect [r MEMORY USAGE nosuch] (nil)
        expect [lindex [rt MEMORY USAGE nosuch] 0] [expr {[resp] == 3 ? "null" : "null_bulk"}]
        expect [r memory usage k samples 0] [r MEMORY USAGE k]
        expect [r MEMORY USAGE k SAMPLES 9223372036854775807] [r MEMORY USAGE k]
        expect [r MEMORY USAGE k SAMPLES 1 SAMPLES 2] [r MEMORY USAGE k]
        foreach words {{foo} {SAMPLES} {foo 3} {SAMPLES -1} {SAMPLES 0 SAMPLES -1} {SAMPLES 1 foo}
            {1 SAMPLES 2}} {
            expect_error "ERR syntax error" {r MEMORY USAGE k {*}$words}
        }
        foreach number {x 1.5 9223372036854775808 ""} {
            expect_error "ERR value is not an integer or out of range" {
                r MEMORY USAGE nosuch SAMPLES $number
            }
        }
        expect_error "ERR wrong number of arguments for 'memory|usage' command" {r MEMORY USAGE}
        expect_error "ERR wrong number of arguments for 'memory' command" {r MEMORY}
        expect_error "ERR unknown subcommand 'foo'. Try MEMORY HELP." {r MEMORY foo}
        foreach sub {doctor help malloc-stats purge stats} {
            expect_error "ERR wrong number of arguments for 'memory|$sub' command" {
                r MEMORY $sub more
            }
        }
    }

    test "MEMORY USAGE leaves no trace" -tags quick {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET gone v PX 1
        wait_for {[r PTTL gone2] == -2 && [clock milliseconds] % 50 == 7}
        r CONFIG RESETSTAT
        expect_true {[r MEMORY USAGE gone] > 0}
        r MEMORY USAGE nosuch
        expect [info_field keyspace_hits] 0
        expect [info_field keyspace_misses] 0
        expect [r DBSIZE] 1
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "MEMORY STATS: fields, their order and their types" -tags quick -resp {2 3} {
        r SET a 1
        r SELECT 9
        r SET b 1 EX 1000
        lassign [rt MEMORY STATS] kind body
        expect $kind [expr {[resp] == 3 ? "map" : "array"}]
        set names {}
        foreach {name value} $body {
            set name [lindex $name 1]
            lappend names $name
            set want int
            if {$name in $doubles} { set want [expr {[resp] == 3 ? "double" : "bulk"}] }
            if {[string match db.* $name]} {
                set want $kind
                set inner {}
                foreach {field number} [lindex $value 1] {
                    lappend inner [lindex $field 1]
                    expect [lindex $number 0] int
                }
                foreach table {main expires slot-to-keys} field $inner {
                    expect $field overhead.hashtable.$table
                }
            }
            expect "$name [lindex $value 0]" "$name $want"
        }
        expect [lrange $names 0 [llength $stats_fields]-1] [list {*}$stats_fields]
    }

    test "MEMORY STATS agrees with INFO" {
        many 10000 {list SET k:$i $i}
        array set s [r MEMORY STATS]
        expect $s(keys.count) 10000
        expect_near $s(total.allocated) [info_field used_memory] 100000
        expect $s(startup.allocated) [info_field used_memory_startup]
        expect_near $s(overhead.total) [info_field used_memory_overhead] 50000
        expect_near $s(dataset.bytes) [info_field used_memory_dataset] 100000
        expect $s(dataset.bytes) [expr {$s(total.allocated) - $s(overhead.total)}]
        expect $s(keys.bytes-per-key) \
            [expr {($s(total.allocated) - $s(startup.allocated)) / 10000}]
        expect_true {[dict get $s(db.0) overhead.hashtable.main] > 60000}
        expect_true {$s(clients.normal) > 0}
        expect_true {$s(peak.allocated) >= $s(total.allocated)}
        expect_true {$s(dataset.percentage) > 0 && $s(dataset.percentage) <= 100}
        expect_true {$s(peak.percentage) > 0 && $s(peak.percentage) <= 100.1}
        expect_true {$s(allocator.active) >= $s(allocator.allocated)}
        expect_true {$s(allocator.allocated) >= $s(total.allocated) - 100000}
        expect $s(allocator-fragmentation.bytes) \
            [expr {$s(allocator.active) - $s(allocator.allocated)}]
        expect $s(allocator-rss.bytes) [expr {$s(allocator.resident) - $s(allocator.active)}]
        expect_near $s(allocator-fragmentation.ratio) \
            [expr {double($s(allocator.active)) / $s(allocator.allocated)}] 0.01
    }

    test "Python is shown apart and is no part of the dataset" -only cogwheel -needs python {
        array set without [r MEMORY STATS]
        expect $without(gears.python) 0
        r RG.PYEXECUTE "GB().count().run()"
        array set with [r MEMORY STATS]
        set python $with(gears.python)
        expect_true {$python > 1000000}
        expect_near $with(overhead.total) [expr {$without(overhead.total) + $python}] 100000
        expect_true {$with(total.allocated) >= $without(total.allocated) + $python}
        expect_near [info_field mem_not_counted_for_evict] $python 1000000
        expect_near $with(dataset.bytes) $without(dataset.bytes) \
            [expr {$rounding ? 0.2 * $python : 500000}]
    }

    test "MEMORY DOCTOR, PURGE, MALLOC-STATS, HELP" -tags quick -resp {2 3} {
        set text [expr {[resp] == 3 ? "verbatim" : "bulk"}]
        expect [lindex [rt MEMORY DOCTOR] 0] $text
        expect [lindex [rt MEMORY MALLOC-STATS] 0] $text
        expect_true {[llength [split [r MEMORY MALLOC-STATS] \n]] > 3}
        expect [rt MEMORY PURGE] {simple OK}
        set help [r MEMORY HELP]
        expect [lindex $help 0] \
            "MEMORY <subcommand> \[<arg> \[value\] \[opt\] ...\]. Subcommands are:"
        foreach name {DOCTOR MALLOC-STATS PURGE STATS "USAGE <key> \[SAMPLES <count>\]" HELP} {
            expect_true {$name in $help}
        }
    }
}

# In a server of its own: its peak is made here, by values that the server makes itself. One that a
# client sends has a peak before it is stored, of a size that depends on how its bytes arrive.
with_server {} {
    test "MEMORY DOCTOR sees what's wrong" -only cogwheel {
        expect_match [r MEMORY DOCTOR] "*empty*"
        r DEBUG POPULATE 40 k 1000000
        expect_true {![string match "*empty*" [r MEMORY DOCTOR]]}
        expect_true {![string match "* Peak: *" [r MEMORY DOCTOR]]}
        r FLUSHALL SYNC
        r DEBUG POPULATE 8 k 1000000
        wait_for {[string match "* Peak: *" [r MEMORY DOCTOR]]}
        set c [client]
        client::send_raw $c "*2\r\n\$4\r\nECHO\r\n\$9000000\r\n[string repeat x 8500000]"
        wait_for {[string match "* Clients: *" [r MEMORY DOCTOR]]}
    }

    test "MEMORY PURGE gives memory back" -only cogwheel {
        if {![string match jemalloc* [info_field mem_allocator]]} return
        many 20000 {list SET k:$i [string repeat $i 200]}
        r FLUSHALL SYNC
        r MEMORY PURGE
        expect_true {[info_field allocator_rss_bytes] < 8000000}
    }
}

with_server {list-max-listpack-size -1 stream-node-max-entries 20} {
    test "buffers for requests" {
        many 80000 {list SET k $i}
        expect [r GET k] 79999
    }

    # A name, the encoding, how many keys, the command that makes key i.
    foreach {name encoding count request} {
        integers int 20000 {list SET k:$i $i}
        "short strings" embstr 20000 {list SET k:$i [format %030d $i]}
        "short strings that expire" embstr 20000 {list SET k:$i [format %030d $i] EX 10000}
        "long strings" raw 2000 {list SET k:$i [string repeat $i 1000]}
        "short lists" quicklist 5000 {list RPUSH k:$i {*}[words 10 {set j}]}
        "long lists" quicklist 100 {list RPUSH k:$i {*}[words 3000 {format %020d $j}]}
        "lists of long elements" quicklist 100 {
            list RPUSH k:$i {*}[words 20 {string repeat x 10000}]
        }
        "sets of integers" intset 2000 {list SADD k:$i {*}[words 100 {set j}]}
        sets hashtable 100 {list SADD k:$i {*}[words 1000 {format %020d:x $j}]}
        "small hashes" listpack 2000 {list HSET k:$i {*}[words 50 {list f$j v$j}]}
        hashes hashtable 100 {list HSET k:$i {*}[words 1000 {list f$j [format %030d $j]}]}
        "small sorted sets" listpack 2000 {list ZADD k:$i {*}[words 50 {list $j m$j}]}
        "sorted sets" skiplist 100 {list ZADD k:$i {*}[words 1000 {list $j [format %020d $j]}]}
        streams stream 5000 {list XADD k:[expr {$i % 50}] * field [format %030d $i] n $i}
    } {
        test "MEMORY USAGE is what memory grows by: $name" -only cogwheel {
            set keys [expr {$name eq "streams" ? 50 : $count}]
            set grown [growth {many $count $request}]
            expect [r OBJECT ENCODING k:0] $encoding
            set told [usage_of_all $keys]
            expect_near [expr {double($told) / $grown}] 1 [expr {$rounding ? 0.3 : 0.2}]
        }
    }

    test "MEMORY USAGE is what memory grows by: consumer groups" -only cogwheel {
        set grown [growth {
            many 100 {list XGROUP CREATE k:$i g 0 MKSTREAM}
            many 20000 {list XADD k:[expr {$i % 100}] [expr {$i + 1}]-1 f v}
            many 2000 {
                list XREADGROUP GROUP g c[expr {$i / 500}] COUNT 10 STREAMS k:[expr {$i % 100}] >
            }
        }]
        expect [lindex [r XPENDING k:0 g] 0] 200
        expect_near [expr {double([usage_of_all 100]) / $grown}] 1 0.2
    }

    foreach {type request} {
        list {list RPUSH big {*}[words 100 {format %020d [expr {$i * 100 + $j}]}]}
        set {list SADD big {*}[words 100 {format %020d [expr {$i * 100 + $j}]}]}
        hash {list HSET big {*}[words 100 {list [expr {$i * 100 + $j}] [format %030d $j]}]}
        zset {list ZADD big {*}[words 100 {list $j [format %020d [expr {$i * 100 + $j}]]}]}
        stream {list XADD big * {*}[words 30 {list field$j [format %060d $i]}]}
    } {
        test "MEMORY USAGE of a large $type from five samples" -only cogwheel {
            set grown [growth {many 1000 $request}]
            set all [r MEMORY USAGE big SAMPLES 0]
            expect_near [expr {double($all) / $grown}] 1 [expr {$rounding ? 0.2 : 0.1}]
            # A list's first block has grown, by steps; where the allocator has no size classes, it is
            # larger than the others, and not like them.
            set alike [expr {$type ne "list" || [string match jemalloc* [info_field mem_allocator]]}]
            foreach {samples tolerance} [list 1 [expr {$alike ? 0.1 : 0.3}] 5 0.1 100 0.1] {
                expect_near [expr {double([r MEMORY USAGE big SAMPLES $samples]) / $all}] 1 $tolerance
            }
            expect [r MEMORY USAGE big] [r MEMORY USAGE big SAMPLES 5]
            expect [r MEMORY USAGE big SAMPLES 100000000] $all
        }
    }

    # Sizes that differ: a sample has to be spread.
    test "MEMORY USAGE of a sorted set whose long members come last" -only cogwheel {
        many 50 {list ZADD big {*}[words 100 {list [expr {$i * 100 + $j}] m:$i:$j}]}
        many 50 {
            list ZADD big {*}[words 100 {list [expr {1e6 + $i}] [string repeat x 500]:$i:$j}]
        }
        set all [r MEMORY USAGE big SAMPLES 0]
        expect_near [expr {double([r MEMORY USAGE big SAMPLES 6]) / $all}] 1 0.1
    }

    test "MEMORY USAGE follows the key's length and the value" {
        r SET k v
        r SET [string repeat k 10000] v
        expect_true {[r MEMORY USAGE [string repeat k 10000]] >= 10000 + [r MEMORY USAGE k] - 100}
        r SET k [string repeat x 1000000]
        expect_true {[r MEMORY USAGE k] >= 1000000}
        r SET k 1
        expect_true {[r MEMORY USAGE k] < 100}
    }
}
