# SPDX-License-Identifier: BSD-3-Clause
#
# CONFIG GET, SET, RESETSTAT: names, patterns, limits, all or nothing.

tags quick

proc set_error {name reason} {
    return "ERR CONFIG SET failed (possibly related to argument '$name') - $reason"
}

with_server {} {
    test "CONFIG GET knows names, aliases and patterns" -resp {2 3} {
        expect_map [r CONFIG GET hash-max-listpack-entries] {hash-max-listpack-entries 512}
        expect_map [r CONFIG GET hash-max-ziplist-entries] {hash-max-ziplist-entries 512}
        expect_map [r CONFIG GET hash-max-*-value] \
            {hash-max-listpack-value 64 hash-max-ziplist-value 64}
        expect [r CONFIG GET nosuch] {}
        expect [r CONFIG GET nosuch*] {}
        # A plain name comes back as it was written, and once.
        expect [r CONFIG GET TimeOut timeout time?ut] {TimeOut 0}
        expect_map [r CONFIG GET timeout hz] {timeout 0 hz 10}
        expect [expr {[llength [r CONFIG GET *]] > 60}] 1
    }

    test "CONFIG GET is a map in RESP3" {
        set c [client -resp 3]
        expect [client::typed $c CONFIG GET timeout] {map {{bulk timeout} {bulk 0}}}
        expect [rt CONFIG GET timeout] {array {{bulk timeout} {bulk 0}}}
    }

    test "CONFIG GET of hostile patterns" {
        expect [r CONFIG GET "[string repeat * 100000]\1"] {}
        expect [r CONFIG GET [string repeat a? 100000]] {}
        expect [r CONFIG GET "\[" "" "\0"] {}
        expect [r CONFIG GET {*}[lrepeat 5000 timeout]] {timeout 0}
    }

    test "numbers have limits" {
        foreach {name value reason} {
            timeout     -1      "argument must be between 0 and 2147483647 inclusive"
            timeout     x       "argument couldn't be parsed into an integer"
            timeout     1.5     "argument couldn't be parsed into an integer"
            timeout     ""      "argument couldn't be parsed into an integer"
            timeout     " 1"    "argument couldn't be parsed into an integer"
            timeout     010     "argument couldn't be parsed into an integer"
            maxclients  0       "argument must be between 1 and 4294967295 inclusive"
            maxclients  99999999999999999999 "argument couldn't be parsed into an integer"
            port        65536   "argument must be between 0 and 65535 inclusive"
            hash-max-listpack-entries -1
                "argument must be between 0 and 9223372036854775807 inclusive"
        } {
            expect_error [set_error $name $reason] {r CONFIG SET $name $value}
        }
        expect [r CONFIG GET timeout] {timeout 0}
    }

    test "amounts of memory take units" {
        with_config {client-query-buffer-limit 1gb} {
            expect [r CONFIG SET client-query-buffer-limit 2mb] OK
            expect [r CONFIG GET client-query-buffer-limit] {client-query-buffer-limit 2097152}
            expect [r CONFIG SET client-query-buffer-limit 2M] OK
            expect [r CONFIG GET client-query-buffer-limit] {client-query-buffer-limit 2000000}
        }
        expect_error [set_error client-query-buffer-limit "argument must be a memory value"] {
            r CONFIG SET client-query-buffer-limit 1xb
        }
        expect_error [set_error client-query-buffer-limit \
            "argument must be between 1048576 and 9223372036854775807 inclusive"] {
            r CONFIG SET client-query-buffer-limit 1k
        }
    }

    test "yes or no, one of some words" {
        expect_error [set_error protected-mode "argument must be 'yes' or 'no'"] {
            r CONFIG SET protected-mode maybe
        }
        expect [r CONFIG SET protected-mode YES] OK
        expect [r CONFIG GET protected-mode] {protected-mode yes}
        expect_error [set_error loglevel \
            "argument(s) must be one of the following: debug, verbose, notice, warning"] {
            r CONFIG SET loglevel loud
        }
        expect [r CONFIG SET loglevel Notice] OK
    }

    test "what is fixed at start" {
        foreach name {databases tcp-backlog unixsocket logfile daemonize enable-debug-command} {
            expect_error [set_error $name "can't set immutable config"] {r CONFIG SET $name 1}
        }
        expect_error [set_error dir "can't set protected config"] {r CONFIG SET dir /}
    }

    test "unknown names and odd counts" {
        expect_error "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'" {
            r CONFIG SET nosuch 1
        }
        expect_error "ERR Unknown option or number of arguments for CONFIG SET - 'a  b'" {
            r CONFIG SET "a\r\nb" 1
        }
        foreach words {{SET} {SET timeout} {GET} {RESETSTAT x}} {
            set sub [string tolower [lindex $words 0]]
            expect_error "ERR wrong number of arguments for 'config|$sub' command" {
                r CONFIG {*}$words
            }
        }
        expect_error "ERR syntax error" {r CONFIG SET timeout 1 hz}
        expect_error "ERR wrong number of arguments for 'config' command" {r CONFIG}
        expect_error "ERR unknown subcommand 'foo'. Try CONFIG HELP." {r CONFIG foo}
    }

    test "several pairs take effect together or not at all" {
        expect [r CONFIG SET timeout 100 tcp-keepalive 200] OK
        expect_map [r CONFIG GET timeout tcp-keepalive] {timeout 100 tcp-keepalive 200}
        expect_error [set_error hz "argument couldn't be parsed into an integer"] {
            r CONFIG SET timeout 1 tcp-keepalive 2 hz x
        }
        expect_error "ERR Unknown option*" {r CONFIG SET timeout 1 nosuch 2}
        expect_error [set_error databases "can't set immutable config"] {
            r CONFIG SET timeout 1 databases 2 nosuch 3
        }
        expect_error [set_error TIMEOUT "duplicate parameter"] {
            r CONFIG SET timeout 1 TIMEOUT 2
        }
        expect_map [r CONFIG GET timeout tcp-keepalive] {timeout 100 tcp-keepalive 200}
        expect [r CONFIG SET timeout 0 tcp-keepalive 300] OK
        # An alias counts as a name of its own.
        expect [r CONFIG SET hash-max-ziplist-entries 1 hash-max-listpack-entries 512] OK
        expect [r CONFIG GET hash-max-ziplist-entries] {hash-max-ziplist-entries 512}
    }

    test "a change that can't be put into effect is taken back" {
        expect_error [set_error bind "Failed to bind to specified addresses."] {
            r CONFIG SET timeout 7 bind "192.0.2.111"
        }
        expect_map [r CONFIG GET timeout bind] {timeout 0 bind {* -::*}}
        expect [server::ask [srv_id] PING] PONG
        expect_error [set_error maxclients "The operating system is not able to handle the\
            specified number of clients, try with *"] {r CONFIG SET hz 20 maxclients 2147483647}
        expect_map [r CONFIG GET hz maxclients] {hz 10 maxclients 10000}
    }

    test "hz stays within its bounds" {
        expect [r CONFIG SET hz 100000] OK
        expect [r CONFIG GET hz] {hz 500}
        expect [r CONFIG SET hz 0] OK
        expect [r CONFIG GET hz] {hz 1}
        expect [r CONFIG SET hz 10] OK
    }

    test "client-output-buffer-limit" {
        set default {normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60}
        expect [lindex [r CONFIG GET client-output-buffer-limit] 1] $default
        foreach {value reason} {
            "normal 0 0" "Wrong number of arguments in buffer limit configuration."
            "foo 0 0 0"  "Invalid client class specified in buffer limit configuration."
            "normal 1xb 2 3"
        "Error in hard, soft or soft_seconds setting in buffer limit configuration."
            "normal 1 2 -3"
        "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        } {
            expect_error [set_error client-output-buffer-limit $reason] {
                r CONFIG SET client-output-buffer-limit $value
            }
        }
        expect [r CONFIG SET client-output-buffer-limit "replica 1kb 2mb 3 pubsub 4 5 6"] OK
        expect [lindex [r CONFIG GET client-output-buffer-limit] 1] \
            {normal 0 0 0 slave 1024 2097152 3 pubsub 4 5 6}
        expect [r CONFIG SET client-output-buffer-limit $default] OK
        expect [r CONFIG SET client-output-buffer-limit ""] OK
    }

    test "the port can be changed while the server runs" -down yes {
        set old [srv port]
        set new [server::free_port]
        expect [r CONFIG SET port $new] OK
        expect [r PING] PONG
        set c [client::open -port $new]
        expect [$c PING] PONG
        expect_error "*refused*" {client::open -port $old}
        set taken [socket -server {} -myaddr 127.0.0.1 0]
        set number [lindex [chan configure $taken -sockname] 2]
        expect_error [set_error port "Unable to listen on this port. Check server logs."] {
            $c CONFIG SET port $number
        }
        expect [$c CONFIG GET port] [list port $new]
        close $taken
        set again [client::open -port $new]
        expect_error "connection closed*" {$again SHUTDOWN}
        client::close $c
        client::close $again
    }

    test "requirepass takes effect for new connections" {
        expect [r CONFIG SET requirepass "a b\0c"] OK
        expect [lindex [r CONFIG GET requirepass] 1] "a b\0c"
        set c [client]
        expect_error "NOAUTH*" {$c PING}
        expect [$c AUTH "a b\0c"] OK
        expect [r PING] PONG
        expect [r CONFIG SET requirepass ""] OK
        set c [client]
        expect [$c PING] PONG
    }

    test "CONFIG RESETSTAT" {
        r GET nothing
        catch {r NOSUCH}
        expect_true {[info_field keyspace_misses] > 0}
        expect_true {[info_field total_error_replies] > 0}
        expect [r CONFIG RESETSTAT] OK
        expect [info_field keyspace_misses] 0
        expect [info_field total_error_replies] 0
        expect_true {[info_field total_commands_processed] < 5}
        expect_match [r INFO commandstats] "*\ncmdstat_config|resetstat:calls=1,*"
        expect [r INFO errorstats] "# Errorstats\r\n"
    }

    test "CONFIG HELP" -resp {2 3} {
        set help [rt CONFIG HELP]
        expect [lindex $help 1 0] \
            {simple {CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:}}
        expect [lindex $help 1 end] {simple {    Prints this help.}}
        expect_true {{simple RESETSTAT} in [lindex $help 1]}
    }

    test "the append-only file can be switched off, and only that" -only cogwheel {
        expect [r CONFIG SET appendonly no] OK
        expect_error "*append-only file*" {r CONFIG SET appendonly yes}
        expect_error [set_error appendonly "argument must be 'yes' or 'no'"] {
            r CONFIG SET appendonly maybe
        }
    }

    test "replicas can't be asked for" -only cogwheel {
        expect [r CONFIG SET min-replicas-to-write 0] OK
        foreach name {min-replicas-to-write min-slaves-to-write} {
            expect_error [set_error $name "this version doesn't have replication"] {
                r CONFIG SET $name 1
            }
        }
        expect_error [set_error min-replicas-to-write "argument couldn't be parsed into an integer"] {
            r CONFIG SET min-replicas-to-write one
        }
        expect [lindex [r CONFIG GET min-replicas-to-write] 1] 0
    }

    test "names of the network" {
        foreach {bad reason} [list a_b "may only contain alphanumeric characters, hyphens or dots" \
                                  "a b" "may only contain alphanumeric characters, hyphens or dots" \
                                  [string repeat a 256] "must be less than 256 characters"] {
            expect_error [set_error cluster-announce-hostname "Hostnames $reason"] {
                r CONFIG SET cluster-announce-hostname $bad
            }
        }
        foreach good {a.b-C9 ""} {
            expect [r CONFIG SET cluster-announce-hostname $good] OK
            expect [lindex [r CONFIG GET cluster-announce-hostname] 1] $good
        }
    }

    test "random names and values never break the server" {
        set names {}
        foreach {name value} [r CONFIG GET *] {
            if {$name ni {port bind requirepass dir maxclients save maxmemory-clients}} {
                lappend names $name
            }
        }
        set values {yes no 0 1 -1 1k 10mb x "" 512 "normal 1gb 1gb 1" warning local "\0" " "
            18446744073709551616 9223372036854775807}
        for {set i 0} {$i < 500} {incr i} {
            set pairs {}
            for {set n [expr {1 + [rand_int 4]}]} {$n > 0} {incr n -1} {
                lappend pairs [rand_pick $names] [rand_pick $values]
            }
            set before [r CONFIG GET *]
            if {[catch {r CONFIG SET {*}$pairs}]} { expect [r CONFIG GET *] $before }
            # These decide how many bytes a client may send and read.
            r CONFIG SET timeout 0 client-query-buffer-limit 1gb proto-max-bulk-len 512mb
        }
    }
}

with_server {enable-protected-configs local} {
    test "protected options for local clients" {
        expect [r CONFIG SET dir /] OK
        expect [r CONFIG GET dir] {dir /}
        expect_error [set_error dir "No such file or directory"] {r CONFIG SET dir /nonexistent}
        expect [r CONFIG SET dir [srv dir]] OK
    }
}
