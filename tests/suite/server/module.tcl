# SPDX-License-Identifier: BSD-3-Clause
#
# MODULE: none is loaded, and none can be.

tags quick

with_server {} {
    test "no module is listed" -resp {2 3} {
        expect [rt MODULE LIST] {array {}}
        expect_match [r INFO modules] "# Modules\r\n*"
        expect_error "ERR wrong number of arguments for 'module|list' command" {r MODULE LIST x}
        expect_error "ERR wrong number of arguments for 'module' command" {r MODULE}
        expect_error "ERR unknown subcommand 'NOSUCH'. Try MODULE HELP." {r MODULE NOSUCH}
    }

    test "MODULE HELP" {
        set help [r MODULE HELP]
        expect [lindex $help 0] {MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:}
        expect [lindex $help 1] LIST
        expect [lrange $help end-1 end] {HELP {    Prints this help.}}
    }

    test "loading isn't allowed unless the configuration says so" {
        foreach words {{LOAD x} {LOADEX x} {UNLOAD x}} {
            expect_error "ERR MODULE command not allowed. If the enable-module-command option is\
                set to \"local\", *" {r MODULE {*}$words}
        }
        expect_error "ERR MODULE command not allowed.*" {r MODULE LOAD x y z}
        expect_error "ERR wrong number of arguments for 'module|load' command" {r MODULE LOAD}
    }
}

with_server {enable-module-command yes} {
    test "modules that aren't there" {
        expect_error "ERR Error loading the extension. Please check the server logs." {
            r MODULE LOAD /no/such/module.so a b
        }
        expect_error "ERR Error loading the extension. Please check the server logs." {
            r MODULE LOADEX /no/such/module.so CONFIG a b ARGS c
        }
        expect_error "ERR Error unloading module: no such module with that name" {
            r MODULE UNLOAD nosuch
        }
        expect [r MODULE LIST] {}
        expect [r PING] PONG
    }
}
