# SPDX-License-Identifier: BSD-3-Clause
#
# XREAD and XREADGROUP that wait: for entries, for a time, and what ends a wait.

tags quick

# A new client that waits in the given command.
proc waiting {args} {
    set before [info_field blocked_clients]
    set c [client -resp [resp]]
    client::send $c {*}$args
    client::flush $c
    await_blocked [expr {$before + 1}]
    return $c
}

with_server {} {
    test "XREAD waits for an entry behind its id" {
        r XADD s 1-1 f v
        set a [waiting XREAD BLOCK 0 STREAMS s $]
        set b [waiting XREAD COUNT 1 BLOCK 0 STREAMS t s 0 2-0]
        r XADD s 1-5 f w
        expect [client::receive $a] {{s {{1-5 {f w}}}}}
        await_blocked 1
        r MULTI
        r XADD s 2-1 f x
        r XADD s 2-2 f y
        r EXEC
        expect [client::receive $b] {{s {{2-1 {f x}}}}}
        expect [r XREAD BLOCK 0 STREAMS s 2-1] {{s {{2-2 {f y}}}}}
    }

    test "several clients, in the order in which they began" {
        r XGROUP CREATE s g $ MKSTREAM
        set a [waiting XREADGROUP GROUP g a COUNT 1 BLOCK 0 STREAMS s >]
        set b [waiting XREADGROUP GROUP g b COUNT 1 BLOCK 0 STREAMS s >]
        set c [waiting XREAD BLOCK 0 STREAMS s 0]
        r XADD s 1-1 f v
        expect [client::receive $a] {{s {{1-1 {f v}}}}}
        expect [client::receive $c] {{s {{1-1 {f v}}}}}
        await_blocked 1
        r XADD s 1-2 f v
        expect [client::receive $b] {{s {{1-2 {f v}}}}}
        expect [r XPENDING s g] {2 1-1 1-2 {{a 1} {b 1}}}
    }

    test "times" -resp {2 3} {
        expect [rt XREAD BLOCK 5 STREAMS s 0] [expr {[resp] == 2 ? "null_array" : "null"}]
        expect_error "ERR timeout is negative" {r XREAD BLOCK -1 STREAMS s 0}
        expect_error "ERR timeout is not an integer or out of range" {r XREAD BLOCK x STREAMS s 0}
        set c [waiting XREAD BLOCK 9223372036854775807 STREAMS s 0]
        r XADD s 1-1 f v
        set pair {s {{1-1 {f v}}}}
        expect [client::receive $c] [expr {[resp] == 2 ? [list $pair] : $pair}]
        r MULTI
        r XREAD BLOCK 0 STREAMS none 0
        expect [r EXEC] {(nil)}
    }

    test "a group that goes while somebody waits" {
        set gone "UNBLOCKED the stream key no longer exists"
        set no_group "NOGROUP the consumer group this client was blocked on no longer exists"
        foreach {commands error} [list \
                {{DEL s}} $gone {{SET s x}} $gone {{RENAME s t}} $gone FLUSHALL $gone \
                {{XGROUP DESTROY s g}} $no_group \
                {MULTI {DEL s} {XADD s 1-1 f v} EXEC} $no_group] {
            r FLUSHALL
            r XGROUP CREATE s g $ MKSTREAM
            set c [waiting XREADGROUP GROUP g a BLOCK 0 STREAMS s >]
            foreach command $commands { r {*}$command }
            expect_error $error [list client::receive $c]
            await_blocked 0
        }
    }

    test "XREAD waits on for a stream that comes again" {
        r XADD s 5-5 f v
        set c [waiting XREAD BLOCK 0 STREAMS s $]
        r DEL s
        r XADD s 1-1 f v
        r SET s x
        r DEL s
        expect [info_field blocked_clients] 1
        r XADD s 6-0 f w
        expect [client::receive $c] {{s {{6-0 {f w}}}}}
    }

    test "an entry that is gone already ends the wait" {
        r XGROUP CREATE s g $ MKSTREAM
        set c [waiting XREADGROUP GROUP g a BLOCK 0 STREAMS s >]
        r MULTI
        r XADD s 1-1 f v
        r XDEL s 1-1
        r EXEC
        expect [client::receive $c] {{s {}}}
    }

    test "a consumer is made when it gets something" {
        r XGROUP CREATE s g $ MKSTREAM
        set c [waiting XREADGROUP GROUP g a BLOCK 0 STREAMS s >]
        expect [r XINFO CONSUMERS s g] {}
        r XADD s 1-1 f v
        client::receive $c
        expect [llength [r XINFO CONSUMERS s g]] 1
    }
}
