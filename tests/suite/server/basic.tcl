# SPDX-License-Identifier: BSD-3-Clause
#
# Starting, stopping, and what every client meets first. Also the shortest example of a test
# file: see tests/README.md.

tags quick

with_server {} {
    test "PING, ECHO, TIME, DBSIZE" -resp {2 3} {
        expect [rt PING] {simple PONG}
        expect [rt PING hello] {bulk hello}
        expect [rt ECHO "a\0b"] [list bulk "a\0b"]
        expect [r DBSIZE] 0
        lassign [r TIME] seconds micros
        expect_near $seconds [clock seconds] 20
        expect_true {$micros >= 0 && $micros < 1000000}
    }

    test "a wrong number of arguments is an error that names the command" {
        expect_error "ERR wrong number of arguments for 'get' command" {r GET}
        expect_error "ERR wrong number of arguments for 'get' command" {r gEt a b}
        expect_error "ERR wrong number of arguments for 'ping' command" {r PING a b}
    }

    test "databases are separate" {
        r SET k zero
        expect [r SELECT 1] OK
        expect [r GET k] (nil)
        r SET k one
        expect [r SELECT 0] OK
        expect [r GET k] zero
        expect [r FLUSHALL] OK
        expect_error "ERR DB index is out of range" {r SELECT 16}
        expect_error "ERR value is not an integer or out of range" {r SELECT x}
        expect_error "ERR value is out of range, value must between -2147483648 and 2147483647" {
            r SELECT 2147483648
        }
    }

    test "QUIT answers and closes" {
        expect [raw_exchange "*1\r\n\$4\r\nQUIT\r\n"] "+OK\r\n"
    }

    test "INFO knows the process" {
        expect [info_field process_id] [srv pid]
        expect [info_field tcp_port] [srv port]
    }

    test "a clean end on SIGTERM" -down yes {
        server::signal [srv_id] TERM
    }

    test "a clean end on SHUTDOWN NOSAVE" -down yes {
        expect_error "connection closed*" {r SHUTDOWN NOSAVE}
    }
}

with_server {requirepass secret} {
    test "a password is asked for" -keep yes {
        expect_error "NOAUTH Authentication required." {r PING}
        expect_error "NOAUTH HELLO must be called with the client already authenticated, otherwise\
            the HELLO AUTH <user> <pass> option can be used to authenticate the client and\
            select the RESP protocol version at the same time" {r HELLO 3}
        expect_error "WRONGPASS invalid username-password pair or user is disabled." {r AUTH no}
        expect [r AUTH secret] OK
        expect [r PING] PONG
    }
}
