# SPDX-License-Identifier: BSD-3-Clause
#
# The request protocol as bytes: multibulk and inline requests, every malformed header, requests
# cut at each byte, long pipelines. What is expected is what stock answers.

tags quick

proc multibulk {args} { client::encode $args }

# Sends bytes that must make the server answer with one error and close.
proc refused {bytes error} {
    expect [raw_exchange $bytes] "-ERR $error\r\n"
    expect [r PING] PONG
}

with_server {} {
    test "a request cut in two at every byte is served" {
        set request [multibulk SET key "a\r\nb\0c"]
        set c [client]
        for {set cut 1} {$cut < [string length $request]} {incr cut} {
            client::send_raw $c [string range $request 0 $cut-1]
            # Serving another client proves that the first half has been read.
            r PING
            client::send_raw $c [string range $request $cut end]
            expect [client::receive $c] OK
        }
        expect [r GET key] "a\r\nb\0c"
    }

    test "an inline request cut in two at every byte is served" {
        set request "SET key \"two words\"\r\n"
        set c [client]
        for {set cut 1} {$cut < [string length $request]} {incr cut} {
            client::send_raw $c [string range $request 0 $cut-1]
            r PING
            client::send_raw $c [string range $request $cut end]
            expect [client::receive $c] OK
        }
        expect [r GET key] "two words"
    }

    test "a request sent byte by byte is served" {
        set c [client]
        foreach byte [split [multibulk SET key value] ""] { client::send_raw $c $byte }
        expect [client::receive $c] OK
    }

    test "a pipeline of 10,000 requests is answered in order" -resp {2 3} {
        set requests {}
        for {set i 0} {$i < 5000} {incr i} { lappend requests [list SET k$i $i] [list GET k$i] }
        set replies [client::pipeline [r] $requests]
        for {set i 0} {$i < 5000} {incr i} {
            if {[lindex $replies [expr {2 * $i + 1}]] ne $i} { expect [lrange $replies 0 20] ... }
        }
        expect [r DBSIZE] 5000
    }

    test "arguments of many sizes come back as they were sent" {
        foreach size {0 1 15 16 17 63 64 255 1023 4096 16383 16384 16385 32767 32768 32769
                      65535 65536 100000 1048576 5000000} {
            set value [string range [string repeat "0123456789abcde\xff" \
                [expr {$size / 16 + 1}]] 0 [expr {$size - 1}]]
            expect [r SET key $value] OK
            if {[r GET key] ne $value} { expect "differs at size $size" "" }
        }
    }

    test "a multibulk length out of range is refused (P1)" {
        refused "*3000000000\r\n" "Protocol error: invalid multibulk length"
        refused "*9223372036854775807\r\n" "Protocol error: invalid multibulk length"
        refused "*abc\r\n" "Protocol error: invalid multibulk length"
        refused "*1x\r\n\$4\r\nPING\r\n" "Protocol error: invalid multibulk length"
    }

    test "empty and negative multibulk requests are passed over (P2)" {
        expect [raw_exchange "*-10\r\n*0\r\n*-1\r\nPING\r\nQUIT\r\n"] "+PONG\r\n+OK\r\n"
    }

    test "a bulk length out of range is refused (P3)" {
        refused "*1\r\n\$-10\r\n" "Protocol error: invalid bulk length"
        refused "*1\r\n\$536870913\r\n" "Protocol error: invalid bulk length"
        refused "*1\r\n\$blabla\r\n" "Protocol error: invalid bulk length"
        refused "*2\r\n\$3\r\nGET\r\n\$9223372036854775807\r\n" "Protocol error: invalid bulk length"
    }

    test "what isn't a bulk where one must be is refused (P4)" {
        refused "*1\r\nfoo\r\n" "Protocol error: expected '\$', got 'f'"
        refused "*3\r\n\$3\r\nSET\r\n\$1\r\nx\r\nfoo\r\n" "Protocol error: expected '\$', got 'f'"
    }

    test "unbalanced quotes are refused (P5)" {
        refused "set \"\"\"test-key\"\"\" test-value\r\n" \
            "Protocol error: unbalanced quotes in request"
        refused "set 'a test\r\n" "Protocol error: unbalanced quotes in request"
    }

    test "an inline request without an end is refused (P6)" {
        refused [string repeat A 70000] "Protocol error: too big inline request"
    }

    test "a multibulk count without an end is refused (P7)" {
        refused "*[string repeat 1 70000]" "Protocol error: too big mbulk count string"
    }

    test "a bulk count without an end is refused (P8)" {
        refused "*1\r\n\$[string repeat 1 70000]" "Protocol error: too big bulk count string"
    }

    test "an empty command name is an unknown command (P9)" {
        expect_error "ERR unknown command '', with args beginning with: " {r ""}
        expect_error "ERR unknown command '', with args beginning with: 'a' 'b' " {r "" a b}
    }

    test "requests of a web browser close the connection without a reply (P10)" {
        expect [raw_exchange "POST / HTTP/1.1\r\n"] ""
        expect [raw_exchange "GET / HTTP/1.1\r\nHost: localhost\r\n"] ""
        expect [raw_exchange "Host: localhost\r\n"] ""
        wait_for {[string match "*Possible SECURITY ATTACK detected*" [srv log]]}
    }

    test "an unknown command is named with its line ends replaced, and cut (P11)" {
        expect_error "ERR unknown command 'a  b', with args beginning with: 'x  y' " {
            r "a\r\nb" "x\r\ny"
        }
        expect_error "ERR unknown command '[string repeat z 128]', with args beginning with: " {
            r [string repeat z 500]
        }
        # What is shown of the arguments stops at 128 bytes in sum, quotes and spaces included.
        expect_error "ERR unknown command 'nosuch', with args beginning with:\
            '[string repeat a 100]' '[string repeat b 25]' " {
            r nosuch [string repeat a 100] [string repeat b 100] ccc
        }
    }

    test "quotes and escapes of inline requests" {
        expect [raw_exchange "SET key \"a\\x41\\n\\\"b\"\r\nQUIT\r\n"] "+OK\r\n+OK\r\n"
        expect [r GET key] "aA\n\"b"
        expect [raw_exchange "SET key 'a\\x41\\'b'\r\nQUIT\r\n"] "+OK\r\n+OK\r\n"
        expect [r GET key] {a\x41'b}
        expect [raw_exchange "SET key \"\"\r\nQUIT\r\n"] "+OK\r\n+OK\r\n"
        expect [r GET key] ""
    }

    test "inline requests end with a line feed alone, too, and may be empty" {
        expect [raw_exchange "\r\n\n   \r\nPING\n  PING  \r\nQUIT\r\n"] "+PONG\r\n+PONG\r\n+OK\r\n"
    }

    test "HELLO refuses unknown versions and options (P13)" {
        expect_error "NOPROTO unsupported protocol version" {r HELLO 4}
        expect_error "NOPROTO unsupported protocol version" {r HELLO 1}
        expect_error "ERR Protocol version is not an integer or out of range" {r HELLO x}
        expect_error "ERR Syntax error in HELLO option 'AUTH'" {r HELLO 3 AUTH u}
        expect_error "ERR Syntax error in HELLO option 'nosuch'" {r HELLO 3 nosuch}
    }

    test "HELLO's reply names the protocol it switches to" -resp {2 3} {
        set reply [client::typed [r] HELLO [resp]]
        expect [lindex $reply 0] [expr {[resp] == 3 ? "map" : "array"}]
        array set field [client::plain_inner $reply]
        expect $field(server) redis
        expect $field(proto) [resp]
        expect $field(mode) standalone
        expect $field(role) master
    }

    test "nil, maps, sets and pushes have the kind of the protocol version" -resp {2 3} {
        r HSET h f v
        r SADD s m
        if {[resp] == 3} {
            expect [rt GET missing] {null}
            expect [rt HGETALL h] {map {{bulk f} {bulk v}}}
            expect [rt SMEMBERS s] {set {{bulk m}}}
        } else {
            expect [rt GET missing] {null_bulk}
            expect [rt HGETALL h] {array {{bulk f} {bulk v}}}
            expect [rt SMEMBERS s] {array {{bulk m}}}
        }
    }

    test "garbage on many connections leaves the server well" {
        for {set i 0} {$i < 200} {incr i} {
            set c [client]
            client::send_raw $c [rand_bytes [expr {1 + [rand_int 200]}]]
            client::close $c
        }
        expect [r PING] PONG
    }

    test "random damage to a valid request leaves the server well" {
        for {set i 0} {$i < 300} {incr i} {
            set request "[multibulk SET key value][multibulk GET key]"
            set at [rand_int [string length $request]]
            set request [string replace $request $at $at [rand_bytes 1]]
            set c [client]
            client::send_raw $c $request
            client::close $c
        }
        expect [r PING] PONG
    }
}

with_server {requirepass secret} {
    test "long requests of unauthenticated clients are refused (P14, P15)" -keep yes {
        expect [raw_exchange "*11\r\n"] "-ERR Protocol error: unauthenticated multibulk length\r\n"
        expect [raw_exchange "*1\r\n\$16385\r\n"] \
            "-ERR Protocol error: unauthenticated bulk length\r\n"
        expect [raw_exchange "*10\r\n\$16384\r\n" -quiet 100] ""
    }

    test "an unauthenticated client that never reads is closed (P17)" -keep yes {
        set c [client]
        set rss [srv rss]
        set pings [string repeat "PING\r\n" 10000]
        wait_for {[catch {client::send_raw $c $pings; update}]} -every 1
        expect_true {[srv rss] - $rss < 64 * 1024 * 1024}
    }
}
