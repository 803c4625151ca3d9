# SPDX-License-Identifier: BSD-3-Clause
#
# MULTI, EXEC, DISCARD: queueing, replies, refusals that spoil a transaction, limits.

tags quick

with_server {} {
    test "a transaction runs its commands in order and replies them all" -resp {2 3} {
        expect [r MULTI] OK
        expect [r SET a 1] QUEUED
        expect [r INCR a] QUEUED
        expect [r GET a] QUEUED
        expect [r EXEC] {OK 2 2}
    }

    test "an empty transaction replies an empty array" {
        r MULTI
        expect [rt EXEC] {array {}}
    }

    test "EXEC and DISCARD need MULTI, MULTI does not nest" {
        expect_error "ERR EXEC without MULTI" {r EXEC}
        expect_error "ERR DISCARD without MULTI" {r DISCARD}
        r MULTI
        expect_error "ERR MULTI calls can not be nested" {r MULTI}
        r SET a 1
        expect [r EXEC] OK
    }

    test "DISCARD forgets what was queued" {
        r SET a 1
        r MULTI
        r SET a 2
        expect [r DISCARD] OK
        expect [r GET a] 1
        expect_error "ERR EXEC without MULTI" {r EXEC}
    }

    test "an unknown command spoils the transaction" {
        r MULTI
        r SET a 1
        expect_error "ERR unknown command 'nosuch'*" {r nosuch}
        expect_error "EXECABORT Transaction discarded because of previous errors." {r EXEC}
        expect [r EXISTS a] 0
    }

    test "a wrong number of arguments spoils the transaction" {
        r MULTI
        expect_error "ERR wrong number of arguments for 'get' command" {r GET}
        expect_error "EXECABORT*" {r EXEC}
    }

    test "an unknown subcommand spoils the transaction" {
        r MULTI
        expect_error "ERR unknown subcommand 'nosuch'*" {r CLIENT nosuch}
        expect_error "EXECABORT*" {r EXEC}
    }

    test "an error of one command does not stop the others" {
        r SET s text
        r MULTI
        r INCR s
        r SET b 2
        r HGET s f
        expect [rt EXEC] {array {{error {ERR value is not an integer or out of range}} {simple OK} {error {WRONGTYPE Operation against a key holding the wrong kind of value}}}}
        expect [r GET b] 2
    }

    test "SELECT inside a transaction moves the rest of it and the client" {
        r MULTI
        r SET k zero
        r SELECT 9
        r SET k nine
        expect [r EXEC] {OK OK OK}
        expect [r GET k] nine
        r SELECT 0
        expect [r GET k] zero
        r SELECT 9
        r DEL k
        r SELECT 0
    }

    test "arguments survive until EXEC, however the requests were cut" {
        set c [client]
        set big [string repeat x 100000]
        client::send_raw $c "*1\r\n\$5\r\nMULTI\r\n*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$100000\r\n[string range $big 0 999]"
        r PING
        client::send_raw $c "[string range $big 1000 end]\r\nGET k\r\nEXEC\r\n"
        expect [client::receive $c] OK
        expect [client::receive $c] QUEUED
        expect [client::receive $c] QUEUED
        expect [client::receive $c] [list OK $big]
    }

    test "a whole transaction in one packet" {
        set replies [client::pipeline [r] {{MULTI} {SET a 1} {GET a} {EXEC} {GET a}}]
        expect $replies {OK QUEUED QUEUED {OK 1} 1}
    }

    test "RESET ends a transaction" {
        r MULTI
        r SET a 1
        expect [r RESET] RESET
        expect_error "ERR EXEC without MULTI" {r EXEC}
        expect [r EXISTS a] 0
    }

    test "CLIENT LIST shows how many commands are queued" {
        set c [client]
        $c MULTI
        $c PING
        $c PING
        expect_match [r CLIENT LIST] "*flags=x *multi=2 *"
        $c DISCARD
        expect_match [r CLIENT LIST] "*multi=-1*"
    }

    test "a client that goes away in the middle of a transaction leaves nothing" {
        set c [client]
        $c WATCH a
        $c MULTI
        $c SET a 1
        client::close $c
        wait_for {[info_field connected_clients] == 1}
        expect [r EXISTS a] 0
        r SET a 2
    }
}

with_server {client-query-buffer-limit 1mb} {
    test "a transaction above the query buffer limit ends its client" -only cogwheel {
        set c [client]
        $c MULTI
        set big [string repeat x 300000]
        for {set i 0} {$i < 3} {incr i} { expect [$c SET k $big] QUEUED }
        expect_error * {$c SET k $big}
        expect [r EXISTS k] 0
    }
}

with_server {} {
    test "EXEC with arguments gives the transaction up" {
        set text "EXECABORT Transaction discarded because of: wrong number of arguments for\
            'exec' command"
        expect_error $text {r EXEC now}
        r MULTI
        r SET k v
        expect_error $text {r EXEC now}
        expect_error "ERR EXEC without MULTI" {r EXEC}
        expect [r EXISTS k] 0
    }
}
