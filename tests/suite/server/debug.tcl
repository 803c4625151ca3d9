# SPDX-License-Identifier: BSD-3-Clause
#
# DEBUG's looks inside, its switches, its ways to an end; and the watchdog, which shows where a
# server is that doesn't come to its work.

tags quick

proc sanitized {} {
    regexp {build/(asan|tsan|ubsan)} $::server::binary
}

set unknown "ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP."

with_server {set-max-intset-entries 4 hash-max-listpack-entries 100 latency-tracking no} {
    test "HTSTATS" {
        expect [string map {\r ""} [r DEBUG HTSTATS 3]] "\[Dictionary HT\]\nHash table 0 stats (main\
            hash table):\nNo stats available for empty dictionaries\n\[Expires HT\]\nHash table 0\
            stats (main hash table):\nNo stats available for empty dictionaries\n"
        r DEBUG POPULATE 1000
        set text [r DEBUG HTSTATS 0]
        expect_match $text "\[\[]Dictionary HT\]\nHash table 0 stats (main hash table):\n table size:\
            *\n number of elements: 1000\n different slots: *\n max chain length: *\n avg chain\
            length (counted): *\n avg chain length (computed): *\n Chain length distribution:\n*\
            *: * (*%)\n*\[\[]Expires HT\]\n*"
        expect_error "ERR Out of range database" {r DEBUG HTSTATS 16}
        expect_error "ERR Out of range database" {r DEBUG HTSTATS -1}
        expect_error "ERR value is not an integer or out of range" {r DEBUG HTSTATS x}
    }

    test "HTSTATS-KEY" {
        r SADD s a b c
        r SADD ints 1 2
        r ZADD small 1 a
        for {set i 0} {$i < 300} {incr i} { lappend pairs $i m$i }
        r ZADD big {*}$pairs
        r HSET hash {*}$pairs
        expect_match [r DEBUG HTSTATS-KEY s] "Hash table 0 stats*number of elements: 3\n*"
        foreach key {big hash} { # stock's may be in two tables
            set text [r DEBUG HTSTATS-KEY $key]
            expect_match $text "Hash table 0 stats*"
            set counts [regexp -all -inline {number of elements: (\d+)} $text]
            expect [tcl::mathop::+ [lindex $counts 1] {*}[lindex $counts 3]] 300
        }
        foreach key {ints small} {
            expect_error "ERR The value stored at the specified key is not represented using an\
                hash table" {r DEBUG HTSTATS-KEY $key}
        }
        expect_error "ERR no such key" {r DEBUG HTSTATS-KEY nothing}
    }

    test "LISTPACK and QUICKLIST are printed" {
        r HSET h field value n 12
        r RPUSH l a [string repeat x 100] 7
        r SET k v
        expect [rt DEBUG LISTPACK h] {simple {Listpack structure printed on stdout}}
        expect [r DEBUG QUICKLIST l] "Quicklist structure printed on stdout"
        expect [r DEBUG QUICKLIST l 1] "Quicklist structure printed on stdout"
        # stock doesn't see to it that it gets there
        if {$::server::kind eq "cogwheel"} { wait_for {[string match *field* [srv log]]} }
        expect_error "ERR Not a listpack encoded object." {r DEBUG LISTPACK k}
        expect_error "ERR Not a listpack encoded object." {r DEBUG LISTPACK l}
        expect_error "ERR Not a quicklist encoded object." {r DEBUG QUICKLIST h}
        expect_error "ERR no such key" {r DEBUG LISTPACK nothing}
        expect_error "ERR no such key" {r DEBUG QUICKLIST nothing}
    }

    test "QUICKLIST-PACKED-THRESHOLD" {
        foreach good {100 100b 1k 1g 0} { expect [r DEBUG QUICKLIST-PACKED-THRESHOLD $good] OK }
        foreach bad {x -1 4gb 5gb 4294967295 4294967296} {
            expect_error "ERR argument must be a memory value bigger than 1 and smaller than 4gb" {
                r DEBUG QUICKLIST-PACKED-THRESHOLD $bad
            }
        }
        r DEBUG QUICKLIST-PACKED-THRESHOLD 10b
        r RPUSH l short 0123456789 short [string repeat y 5000]
        regexp {ql_nodes:(\d+)} [r DEBUG OBJECT l] -> nodes
        expect $nodes 4
        r DEBUG QUICKLIST-PACKED-THRESHOLD 0
        r RPUSH l2 short 0123456789 short [string repeat y 5000]
        regexp {ql_nodes:(\d+)} [r DEBUG OBJECT l2] -> nodes
        expect $nodes 1
        r LSET l 1 other
        r LINSERT l BEFORE other before
        expect [r LRANGE l 0 3] {short before other short}
        set digest [r DEBUG DIGEST-VALUE l]
        r DEBUG RELOAD
        expect [r DEBUG DIGEST-VALUE l] $digest
    }

    test "MALLCTL" {
        if {[sanitized]} return
        expect_true {[r DEBUG MALLCTL thread.allocated] > 0}
        expect [r DEBUG MALLCTL background_thread 1] 1
        expect_match [r DEBUG MALLCTL-STR version] "*.*.*"
        expect [r DEBUG MALLCTL-STR opt.dss] secondary
        expect_error "ERR No such file or directory" {r DEBUG MALLCTL x}
        expect_error "ERR No such file or directory" {r DEBUG MALLCTL-STR x}
        expect_error "ERR Invalid argument" {r DEBUG MALLCTL arenas.narenas}
        expect_error "ERR Operation not permitted" {r DEBUG MALLCTL arenas.narenas 3}
        expect_error "ERR value is not an integer*" {r DEBUG MALLCTL background_thread x}
    }

    test "a number of the allocator's isn't taken for a text" -only cogwheel {
        if {[sanitized]} return
        expect_error "ERR Invalid argument" {r DEBUG MALLCTL-STR thread.allocated}
    }

    test "PAUSE-CRON stops the deletion of expired keys" {
        expect [r DEBUG PAUSE-CRON 1] OK
        r SET k v PX 1
        set before [info_field expired_keys]
        r DEBUG SLEEP 0.3
        expect [info_field expired_keys] $before
        expect [r DBSIZE] 1
        expect [r DEBUG PAUSE-CRON 0] OK
        wait_for {[info_field expired_keys] > $before}
        expect [r DBSIZE] 0
    }

    test "SET-SKIP-CHECKSUM-VALIDATION" {
        set payload "\x00\x01b\x0a\x00[string repeat \x00 8]"
        expect [r DEBUG SET-SKIP-CHECKSUM-VALIDATION 1] OK
        expect [r RESTORE k 0 $payload] OK
        expect [r GET k] b
        expect [r DEBUG SET-SKIP-CHECKSUM-VALIDATION 0] OK
        expect_error "ERR DUMP payload version or checksum are wrong" {r RESTORE k2 0 $payload}
        # a file
        r SAVE
        set path [srv dir]/dump.rdb
        set file [open $path r+b]
        seek $file -1 end
        puts -nonewline $file [expr {[string index [server::read_file $path] end] eq "x" ? "y" : "x"}]
        close $file
        expect_error "ERR Error trying to load the RDB dump*" {r DEBUG RELOAD NOSAVE}
        r DEBUG SET-SKIP-CHECKSUM-VALIDATION 1
        expect [r DEBUG RELOAD NOSAVE] OK
        r DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
        expect [r GET k] b
    }

    test "RELOAD NOSAVE without a file" {
        file delete [srv dir]/dump.rdb
        r SET k v
        expect_error "ERR Error trying to load the RDB dump" {r DEBUG RELOAD NOSAVE}
        expect [r DBSIZE] 0
    }

    test "switches that tests use" {
        expect [r DEBUG REPLYBUFFER RESIZING 0] OK
        expect [r DEBUG REPLYBUFFER RESIZING 1] OK
        foreach when {never reset 100} { expect [r DEBUG REPLYBUFFER PEAK-RESET-TIME $when] OK }
        expect_error "ERR value is not an integer*" {r DEBUG REPLYBUFFER PEAK-RESET-TIME x}
        expect_error [format $::unknown REPLYBUFFER] {r DEBUG REPLYBUFFER other 1}
        expect_match [r DEBUG STRUCTSIZE] "bits:64 *"
        expect [r DEBUG LOG "a word"] OK
        expect_match [srv log] "*DEBUG LOG: a word*"
    }

    test "a forgotten copy" {
        if {[sanitized]} return
        expect [r DEBUG LEAK something] OK
    }

    test "attributes and pushes" {
        set text "Some real reply following the attribute"
        expect [rt DEBUG PROTOCOL attrib] [list bulk $text]
        set c [client -resp 3]
        client::send_raw $c "DEBUG PROTOCOL attrib\r\n"
        set want "|1\r\n\$14\r\nkey-popularity\r\n*2\r\n\$7\r\nkey:123\r\n:90\r\n\$39\r\n$text\r\n"
        expect [client::read_raw $c [string length $want]] $want
        set c [client -resp 3]
        client::send_raw $c "DEBUG PROTOCOL push\r\n"
        set text "Some real reply following the push reply"
        set want ">2\r\n\$16\r\nserver-cpu-usage\r\n:42\r\n\$40\r\n$text\r\n"
        expect [client::read_raw $c [string length $want]] $want
    }

    test "SDSLEN" {
        r SET short v
        r SET long [string repeat x 300]
        r SET number 12345
        r RPUSH l a
        foreach {key len} {short 1 long 300} {
            set digits [string length $key]
            expect_true {[regexp "^key_sds_len:$digits, key_sds_avail:\\d+, key_zmalloc: \\d+,\
                val_sds_len:$len, val_sds_avail:\\d+, val_zmalloc: \\d+$" [r DEBUG SDSLEN $key]]}
        }
        foreach key {number l} {
            expect_error "ERR Not an sds encoded string." {r DEBUG SDSLEN $key}
        }
        expect_error "ERR no such key" {r DEBUG SDSLEN nothing}
    }

    test "CLIENT-EVICTION" -resp {2 3} {
        expect_error "ERR maxmemory-clients is disabled." {r DEBUG CLIENT-EVICTION}
        with_config {maxmemory-clients 100mb} {
            set c [client]
            client::send_raw $c "*2\r\n\$4\r\nECHO\r\n\$900000\r\n[string repeat x 600000]"
            set saver [client]
            $saver CLIENT NO-EVICT on
            wait_for {[regexp {524288 -    1048575: tot-mem: +\d+, clients: 1\n} \
                           [r DEBUG CLIENT-EVICTION]]}
            set lines [split [r DEBUG CLIENT-EVICTION] \n]
            expect [llength $lines] 20
            expect_match [lindex $lines 0] "bucket          0 -      32767: tot-mem:*, clients: *"
            expect_match [lindex $lines end-1] "bucket 4294967296+            : tot-mem:         \
                0, clients: 0"
            expect [lindex [rt DEBUG CLIENT-EVICTION] 0] [expr {[resp] == 3 ? "verbatim" : "bulk"}]
        }
    }

    test "STRINGMATCH-TEST" -tags slow {
        expect [r DEBUG STRINGMATCH-TEST] "Apparently Redis did not crash: test passed"
    }

    test "CONFIG-REWRITE-FORCE-ALL" {
        set path [srv dir]/redis.conf
        set before [server::read_file $path]
        expect [r DEBUG CONFIG-REWRITE-FORCE-ALL] OK
        set text [server::read_file $path]
        foreach name {maxmemory appendonly tcp-keepalive list-max-listpack-size hz save} {
            expect_true {[regexp -line "^$name " $text]}
        }
        set file [open $path wb]
        puts -nonewline $file $before
        close $file
    }

    test "wrong calls" {
        foreach words {LISTPACK {LISTPACK a b} QUICKLIST {QUICKLIST a 1 2} HTSTATS HTSTATS-KEY
                       QUICKLIST-PACKED-THRESHOLD MALLCTL MALLCTL-STR PAUSE-CRON LEAK JMAP
                       {STRINGMATCH-LEN 1 *} {STRUCTSIZE x} SET-SKIP-CHECKSUM-VALIDATION
                       REPLYBUFFER {REPLYBUFFER RESIZING} {CONFIG-REWRITE-FORCE-ALL x} SDSLEN
                       {SDSLEN a b} {CLIENT-EVICTION x} {STRINGMATCH-TEST x}} {
            expect_error [format $::unknown [lindex $words 0]] {r DEBUG {*}$words}
        }
    }

    test "HELP" {
        expect_match [lindex [r DEBUG HELP] 0] "DEBUG <subcommand>*"
        expect [lindex [r DEBUG HELP] end-1] HELP
    }
}

# What the way to an end leaves in the log, and the signal.
foreach {word pattern} {
    SEGFAULT {"*crashed by signal: 11*Accessing address: 0x*REPORT END*"}
    PANIC {"*!!! Software Failure. Press left mouse button to continue*Guru Meditation: DEBUG PANIC\
        called at Unix time *" "*------ STACK TRACE ------*REPORT END*"}
    ASSERT {"*=== ASSERTION FAILED ===*is not true*" "*------ STACK TRACE ------*REPORT END*"}
    OOM {"*------ STACK TRACE ------*REPORT END*"}
} {
    test "DEBUG $word" {
        if {[sanitized]} return
        set port [server::free_port]
        set pid [spawn $::server::binary --port $port --save "" --enable-debug-command yes \
            --latency-tracking no]
        wait_for {![catch {set c [client::open -port $port]; $c PING}]}
        catch {$c DEBUG $word} message
        expect [catch {spawn_wait $pid} output] 1
        foreach part $pattern { expect_match $output $part }
    }
}

with_server {watchdog-period 500} {
    test "the watchdog tells where a slow server is" {
        expect [lindex [r CONFIG GET watchdog-period] 1] 500
        r DEBUG SLEEP 0.01
        expect [regexp "WATCHDOG" [srv log]] 0
        r DEBUG SLEEP 1.2
        expect_match [srv log] "*:signal-handler (*) \n--- WATCHDOG TIMER EXPIRED ---\n*------ STACK\
            TRACE ------*:signal-handler (*) --------*"
        expect [regexp -all "WATCHDOG" [srv log]] 1
        expect [r PING] PONG
        r DEBUG SLEEP 1.2
        expect [regexp -all "WATCHDOG" [srv log]] 2
    }

    test "its period is at least two rounds of the periodic work" {
        expect [r CONFIG SET watchdog-period 50] OK
        expect [lindex [r CONFIG GET watchdog-period] 1] 200
        expect [r CONFIG SET watchdog-period 0] OK
        r DEBUG SLEEP 0.5
        expect [regexp -all "WATCHDOG" [srv log]] 2
        foreach bad {-1 99999999999} {
            expect_error "ERR CONFIG SET failed (possibly related to argument 'watchdog-period') -\
                argument must be between 0 and 2147483647 inclusive" {
                r CONFIG SET watchdog-period $bad
            }
        }
    }
}
