# SPDX-License-Identifier: BSD-3-Clause
#
# OBJECT and the encodings that it shows, and what DEBUG tells of keys.

tags quick

# The value as it is stored under each of these conditions.
proc encoding_of {args} {
    r DEL k
    foreach cmd $args {r {*}$cmd}
    return [r OBJECT ENCODING k]
}

with_server {} {
    test "encodings of strings" -resp {2 3} {
        set s44 [string repeat x 44]
        set s45 [string repeat x 45]
        foreach {want commands} [list \
            int {{SET k 0}} int {{SET k -1}} int {{SET k 9223372036854775807}} \
            int {{SET k -9223372036854775808}} embstr {{SET k 9223372036854775808}} \
            embstr {{SET k -9223372036854775809}} embstr {{SET k 012}} embstr {{SET k +1}} \
            embstr {{SET k -0}} embstr {{SET k " 1"}} embstr {{SET k 1.0}} embstr {{SET k ""}} \
            embstr [list "SET k $s44"] raw [list "SET k $s45"] \
            embstr [list "GETSET k $s44"] raw [list "GETSET k $s45"] int {{GETSET k 5}} \
            int {{SETNX k 5}} int {{SETEX k 100 5}} int {{MSET k 5}} \
            int {{INCR k}} int {{SET k 5} {INCRBY k 20000}} int {{SET k 5} {DECR k}} \
            raw {{SET k 5} {APPEND k 6}} raw {{SET k a} {APPEND k b}} \
            int {{APPEND k 5}} embstr {{APPEND k a}} \
            raw [list {SET k a} "APPEND k $s45"] embstr {{INCRBYFLOAT k 1}} \
            embstr {{SET k 1} {INCRBYFLOAT k 0.5}} raw {{SETRANGE k 0 ab}} \
            raw {{SET k 5} {SETRANGE k 0 6}} raw {{SET k abc} {SETRANGE k 1 x}} \
            int {{SET k 5} {SETRANGE k 0 ""}} int {{SET k 5} {EXPIRE k 100}} \
            int {{SET k a} {SET k 5 KEEPTTL}} int {{SET k 5} {GETEX k}}] {
            if {[encoding_of {*}$commands] ne $want} {
                expect "$commands: [r OBJECT ENCODING k]" "$commands: $want"
            }
        }
    }

    test "INCR of a string that was made by APPEND" {
        r SET k 1
        r APPEND k 2
        expect [r INCR k] 13
        expect [r OBJECT ENCODING k] int
        r SETRANGE k 0 9
        expect [r INCRBY k 1] 94
    }

    test "a value may change its size at will" {
        foreach ttl {{} {EX 1000}} {
            foreach len {0 1 10 16 17 44 45 90 100 101 102 110 120 128 200 1000 70000 5 1000000 3} {
                set value [string repeat v $len]
                expect [r SET k $value {*}$ttl] OK
                expect [r GET k] $value
                expect [r STRLEN k] $len
            }
        }
    }

    test "OBJECT of an absent key is null" -resp {2 3} {
        foreach sub {ENCODING FREQ IDLETIME REFCOUNT} {expect [r OBJECT $sub nokey] (nil)}
    }

    test "OBJECT REFCOUNT and FREQ" {
        r SET k abc
        expect [rt OBJECT REFCOUNT k] {int 1}
        r SET k 5
        expect [r OBJECT REFCOUNT k] 2147483647
        r SET k 9999
        expect [r OBJECT REFCOUNT k] 2147483647
        r SET k 10000
        expect [r OBJECT REFCOUNT k] 1
        r SET k -1
        expect [r OBJECT REFCOUNT k] 1
        expect_error "ERR An LFU maxmemory policy is not selected, access frequency not\
            tracked. Please note that when switching between policies at runtime LRU and LFU data\
            will take some time to adjust." {r OBJECT FREQ k}
    }

    test "OBJECT IDLETIME grows, and reads that look only leave it" {
        r SET k v
        expect_true {[r OBJECT IDLETIME k] <= 1}
        wait_for {[r OBJECT IDLETIME k] >= 2}
        r TTL k
        r TYPE k
        r EXISTS k
        r OBJECT ENCODING k
        expect_true {[r OBJECT IDLETIME k] >= 2}
        r GET k
        expect_true {[r OBJECT IDLETIME k] <= 1}
    }

    test "OBJECT's errors and help" {
        expect_error "ERR unknown subcommand 'foo'. Try OBJECT HELP." {r OBJECT foo}
        expect_error "ERR wrong number of arguments for 'object' command" {r OBJECT}
        expect_error "ERR wrong number of arguments for 'object|encoding' command" \
            {r OBJECT ENCODING}
        expect_error "ERR wrong number of arguments for 'object|freq' command" {r OBJECT FREQ a b}
        set help [r OBJECT HELP]
        expect [lindex $help 0] \
            {OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:}
        expect [lrange $help end-1 end] {HELP {    Prints this help.}}
    }
}
