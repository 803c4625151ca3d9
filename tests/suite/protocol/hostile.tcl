# SPDX-License-Identifier: BSD-3-Clause
#
# Requests whose size is the attack: each costs a bounded time, or gets a clear error, and leaves
# what was there as it was.

tags quick

set stars [string repeat * 50000]
set pairs [string repeat a* 5000]

# Runs the script and fails if it took longer than the wildest machine needs for honest work.
proc in_bounded_time {script} {
    set start [clock milliseconds]
    uplevel 1 $script
    expect_true "[expr {[clock milliseconds] - $start}] < 10000 * $::suite::slow_factor"
}

# The next message, typed.
proc message {c} {
    return [lindex [expr {[resp] == 2 ? [client::receive_typed $c] : [client::next_push $c]}] 1]
}

with_server {} {
    test "patterns of thousands of stars against names" {
        set name [string repeat a 1000]
        r SET $name v
        r SADD set $name
        r HSET hash $name v
        r ZADD zset 1 $name
        in_bounded_time {
            foreach pattern [list ${::stars}b ${::pairs}b ${::stars}\\ ${::stars}\[ ${::pairs}\[^] {
                expect [r KEYS $pattern] {}
                expect [r SCAN 0 COUNT 1000 MATCH $pattern] {0 {}}
                expect [r SSCAN set 0 MATCH $pattern] {0 {}}
                expect [r HSCAN hash 0 MATCH $pattern] {0 {}}
                expect [r ZSCAN zset 0 MATCH $pattern] {0 {}}
                expect [r CONFIG GET $pattern] {}
                expect [r COMMAND LIST FILTERBY PATTERN $pattern\1] {}
            }
            expect [lindex [r KEYS $::stars] end] [lindex [r KEYS *] end]
            expect [lindex [r SSCAN set 0 MATCH $::stars] 1] $name
        }
    }

    test "subscriptions to patterns of thousands of stars" -resp {2 3} {
        set channel [string repeat a 1000]
        set c [client -resp [resp]]
        client::send $c PSUBSCRIBE $::stars ${::stars}b ${::pairs}b $channel*
        for {set i 0} {$i < 4} {incr i} { message $c }
        in_bounded_time {
            expect [r PUBLISH $channel text] 2
            for {set i 0} {$i < 2} {incr i} {
                expect [lindex [message $c] 0] {bulk pmessage}
            }
            expect [r PUBLISH [string repeat b 1000] text] 2
            expect [r PUBSUB CHANNELS ${::pairs}b] {}
            expect [r PUBSUB NUMPAT] 4
        }
    }

    test "SORT by patterns of stars" {
        r RPUSH list 2 1 3
        r MSET w_1 1 w_2 0 w_3 2
        in_bounded_time {
            expect [r SORT list BY w_$::stars GET #] {1 2 3}
            expect [r SORT list BY w_* GET $::stars] {(nil) (nil) (nil)}
        }
    }

    test "an argument longer than proto-max-bulk-len" {
        with_config {proto-max-bulk-len 1048576} {
            foreach len {1048577 536870912 9223372036854775807 9223372036854775808} {
                expect [raw_exchange "*2\r\n\$3\r\nGET\r\n\$$len\r\n"] \
                    "-ERR Protocol error: invalid bulk length\r\n"
            }
            r SET k [string repeat x 1048576]
            expect [r STRLEN k] 1048576
            expect_error "ERR string exceeds maximum*" {r APPEND k x}
            expect_error "ERR string exceeds maximum*" {r SETRANGE k 1048576 x}
            expect_error "ERR bit offset is not an integer or out of range" {r SETBIT k 8388608 1}
            expect_error "ERR bit offset is not an integer or out of range" {
                r BITFIELD k SET u8 8388608 1
            }
            expect [r STRLEN k] 1048576
        }
    }

    test "errors repeat long words in full" {
        set word [string repeat y 100000]
        r XADD s 1-1 f v
        r XGROUP CREATE s g 0
        r SET k v
        r PFADD h a
        foreach {text call} {
            "ERR Unsupported option WORD" {EXPIRE k 100 WORD}
            "ERR Unrecognized XCLAIM option 'WORD'" {XCLAIM s g c 0 1-1 WORD}
            "ERR Unknown client type 'WORD'" {CLIENT LIST TYPE WORD}
            "ERR Unknown client type 'WORD'" {CLIENT KILL TYPE WORD}
            "ERR No such user 'WORD'" {CLIENT KILL USER WORD}
            "ERR Syntax error in HELLO option 'WORD'" {HELLO 3 WORD}
            "ERR Unknown PFDEBUG subcommand 'WORD'" {PFDEBUG WORD h}
            "ERR No samples available for event 'WORD'" {LATENCY GRAPH WORD}
        } {
            expect_error [string map [list WORD $word] $text] \
                [list r {*}[string map [list WORD $word] $call]]
        }
    }

    test "a request of very many arguments" {
        expect [r DEL {*}[lrepeat 100000 x]] 0
        expect [r SADD s {*}[lrepeat 100000 x]] 1
        expect [llength [r MGET {*}[lrepeat 100000 x]]] 100000
        expect [raw_exchange "*2147483648\r\n"] "-ERR Protocol error: invalid multibulk length\r\n"
    }
}
