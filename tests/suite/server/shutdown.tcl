# SPDX-License-Identifier: BSD-3-Clause
#
# SHUTDOWN with its words, while others are connected and in the middle of things.

tags quick

with_server {} {
    test "words that don't fit" {
        foreach words {foo {SAVE NOSAVE} {NOSAVE SAVE} {ABORT NOW} {NOW ABORT} {NOW NOW x}
            {ABORT SAVE}} {
            expect_error "ERR syntax error" {r SHUTDOWN {*}$words}
        }
        expect_error "ERR No shutdown in progress." {r SHUTDOWN ABORT}
        expect [r PING] PONG
    }

    foreach words {{} NOSAVE NOW FORCE {nosave now force} {SAVE FORCE}} {
        test "SHUTDOWN $words ends the server" -down yes {
            set idle [client]
            $idle SET k v
            expect_error "connection closed*" {r SHUTDOWN {*}$words}
            expect_error "*closed*" {
                $idle PING
                $idle PING
            }
            wait_for {![server::process_runs [srv_id]]}
            expect_match [srv log] "*User requested shutdown...*ready to exit, bye bye...*"
        }
    }

    test "SHUTDOWN in the middle of a pipeline" -down yes {
        set c [client]
        client::send $c SET a 1
        client::send $c SHUTDOWN NOSAVE
        client::send $c SET b 2
        client::flush $c
        expect_match [client::read_all $c] "*"
        wait_for {![server::process_runs [srv_id]]}
    }

    test "SHUTDOWN while a client is being written to and others are half read" -down yes {
        r SET big [string repeat x 50000000]
        set slow [client]
        client::send_raw $slow "*2\r\n\$3\r\nGET\r\n\$3\r\nbig\r\n"
        set half [client]
        client::send_raw $half "*2\r\n\$3\r\nGET\r\n\$100\r\nab"
        expect_error "connection closed*" {r SHUTDOWN}
    }

    test "it isn't for MULTI or scripts" {
        r MULTI
        expect_error "ERR Command not allowed inside a transaction" {r SHUTDOWN}
        expect_error "EXECABORT*" {r EXEC}
    }
}
