# SPDX-License-Identifier: BSD-3-Clause
#
# DUMP and RESTORE. Exchange with stock's server is tests/diff/payloads.py.

tags quick

# What SET k v dumps as, made by stock.
set ::payload_v "\x00\x01v\x0a\x00\x91\x08\xce\xb2\x19\x38\x8a\xce"

# A payload of these bytes, version 10, with the right checksum.
proc sealed {body} {
    append body "\x0a\x00"
    set crc 0
    binary scan $body cu* bytes
    foreach byte $bytes {
        set crc [expr {$crc ^ $byte}]
        for {set i 0} {$i < 8} {incr i} {
            set crc [expr {$crc & 1 ? ($crc >> 1) ^ 0x95ac9329ac4bc9b5 : $crc >> 1}]
        }
    }
    append body [binary format w $crc]
}

with_server {} {
    test "DUMP of what isn't there" -resp {2 3} {
        expect [r DUMP nokey] (nil)
        expect_error "*wrong number of arguments for 'dump' command*" {r DUMP}
    }

    test "DUMP's bytes are stock's" {
        r SET k v
        expect [r DUMP k] $::payload_v
        r SET k 12345
        expect [string range [r DUMP k] 0 3] "\x00\xc1\x39\x30"
        r DEL k
        r SADD k 1 2
        expect [string range [r DUMP k] 0 0] "\x0b"
        r DEL k
        r HSET k f v
        expect [string range [r DUMP k] 0 0] "\x10"
    }

    test "RESTORE gives back what was dumped" -resp {2 3} {
        r SET int -1234567890123
        r SET text [string repeat "compressible " 100]
        r SET empty ""
        r SADD ints 1 2 3 -70000
        r SADD words a b c
        r RPUSH list 1 two "" [string repeat long 5000] -3
        r HSET small f v 1 2
        for {set i 0} {$i < 600} {incr i} { r HSET large f$i $i; r SADD many $i }
        foreach key {int text empty ints words list small large many} {
            set before [list [r DEBUG DIGEST-VALUE $key] [r OBJECT ENCODING $key]]
            set dump [r DUMP $key]
            r DEL $key
            expect [rt RESTORE $key 0 $dump] {simple OK}
            expect [list [r DEBUG DIGEST-VALUE $key] [r OBJECT ENCODING $key]] $before
            expect [r TTL $key] -1
        }
        expect [r GET text] [string repeat "compressible " 100]
    }

    test "limits of the small encodings hold for what is restored" {
        r SADD s 1 2 3 4 5
        r HSET h a 1 b 2 c 3
        set s [r DUMP s]
        set h [r DUMP h]
        r CONFIG SET set-max-intset-entries 3 hash-max-listpack-entries 2
        r RESTORE s 0 $s REPLACE
        r RESTORE h 0 $h REPLACE
        r CONFIG SET set-max-intset-entries 512 hash-max-listpack-entries 512
        expect [r OBJECT ENCODING s] hashtable
        expect [r OBJECT ENCODING h] hashtable
        expect [lsort [r SMEMBERS s]] {1 2 3 4 5}
        expect [r HGET h b] 2
    }

    test "BUSYKEY and REPLACE" {
        r SET k old
        expect_error "BUSYKEY Target key name already exists." {r RESTORE k 0 $::payload_v}
        expect [r RESTORE k 0 $::payload_v REPLACE] OK
        expect [r GET k] v
        r DEL k
        r HSET k f v
        expect [r RESTORE k 0 $::payload_v replace] OK
        expect [r GET k] v
    }

    test "expiries" {
        expect [r RESTORE k 100000 $::payload_v] OK
        expect_near [r PTTL k] 50000 50000
        expect [r RESTORE k 33162300000000 $::payload_v ABSTTL REPLACE] OK
        expect [r PEXPIRETIME k] 33162300000000
        # One whose time has passed isn't stored, and replaces all the same.
        expect [r RESTORE k 1 $::payload_v ABSTTL REPLACE] OK
        expect [r EXISTS k] 0
        expect [r RESTORE n 1 $::payload_v ABSTTL] OK
        expect [r EXISTS n] 0
        expect [r RESTORE n 9223372036854775807 $::payload_v] OK
        expect [r EXISTS n] 0
        expect_error "ERR Invalid TTL value, must be >= 0" {r RESTORE n -1 $::payload_v}
        expect_error "ERR value is not an integer*" {r RESTORE n x $::payload_v}
    }

    test "IDLETIME and FREQ" {
        expect [r RESTORE k 0 $::payload_v IDLETIME 1000] OK
        expect_near [r OBJECT IDLETIME k] 1010 10
        expect [r RESTORE k 0 $::payload_v REPLACE FREQ 255] OK
        foreach {words text} {
            {IDLETIME} "ERR syntax error"
            {IDLETIME -1} "ERR Invalid IDLETIME value, must be >= 0"
            {IDLETIME x} "ERR value is not an integer*"
            {FREQ 256} "ERR Invalid FREQ value, must be >= 0 and <= 255"
            {FREQ -1} "ERR Invalid FREQ value, must be >= 0 and <= 255"
            {FREQ 1 IDLETIME 1} "ERR syntax error"
            {IDLETIME 1 FREQ 1} "ERR syntax error"
            {NOSUCH} "ERR syntax error"
        } {
            expect_error $text {r RESTORE k 0 $::payload_v {*}$words}
        }
    }

    test "payloads that aren't sound" {
        set wrong "ERR DUMP payload version or checksum are wrong"
        expect_error $wrong {r RESTORE k 0 ""}
        expect_error $wrong {r RESTORE k 0 xx}
        expect_error $wrong {r RESTORE k 0 [string repeat x 100]}
        expect_error $wrong {r RESTORE k 0 [string replace $::payload_v 2 2 w]}
        expect_error $wrong {r RESTORE k 0 [string replace $::payload_v 3 3 "\x50"]}
        expect [r EXISTS k] 0
    }

    # Stock lets some of these pass.
    test "payloads that aren't well-formed" -only cogwheel {
        foreach body [list \
            "" \
            "\x00" \
            "\x00\x05abc" \
            "\x00\x03abcd" \
            "\x63\x01a" \
            "\x00\x80\xff\xff\xff\xff" \
            "\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff" \
            "\x00\xc4" \
            "\x00\xc3\x03\x40\x80abc" \
            "\x00\xc3\x01\x80\x7f\xff\xff\xff\x00" \
            "\x02\x00" \
            "\x02\x02\x01a\x01a" \
            "\x02\x80\x7f\xff\xff\xff\x01a" \
            "\x04\x01\x01a" \
            "\x04\x02\x01a\x01b\x01a\x01c" \
            "\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00" \
            "\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00" \
            "\x10\x07\x07\x00\x00\x00\x00\x00\xff" \
            "\x10\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff" \
        ] {
            set payload [sealed $body]
            expect_error "ERR Bad data format" {r RESTORE k 0 $payload}
            expect_error "ERR Bad data format" {r RESTORE k 0 $payload REPLACE}
            expect [r EXISTS k] 0
        }
        r SET k kept
        expect_error "ERR Bad data format" {r RESTORE k 0 [sealed "\x00\x05abc"] REPLACE}
        expect [r GET k] kept
    }
}
