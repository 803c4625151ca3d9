# SPDX-License-Identifier: BSD-3-Clause
#
# The program as a file: what it exports, says and refuses before it is a server.

tags quick

proc server_output {args} {
    set failed [catch {exec $::server::binary {*}$args 2>@1} text]
    return $text
}

test "the program exports no symbol of its own" -only cogwheel {
    # Modules bring symbols with common names; none of ours may be in their way. What is listed
    # with a version belongs to the C library.
    set own {}
    foreach line [split [exec nm -D --defined-only $::server::binary] \n] {
        set name [lindex $line 2]
        if {$name ne "" && ![string match *@* $name] && ![string match __*san_* $name]} { lappend own $name }
    }
    expect $own {}
}

test "--version" {
    expect_match [server_output --version] "Redis server v=7.0.15 sha=*:* malloc=* bits=64 build=*"
}

test "an unknown option stops the start" {
    expect_match [server_output --nosuch-option 1] "*Bad directive or wrong number of arguments*"
}

test "redis.conf is what the option table prints" -only cogwheel {
    set kept [server::read_file $::here/../redis.conf]
    expect $kept "[server_output --print-default-config]\n"
}
