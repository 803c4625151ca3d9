# SPDX-License-Identifier: BSD-3-Clause
#
# redis-check-rdb: the server's program under another name.

tags quick

set folder [file join $::server::root check-rdb]
file delete -force $folder
file mkdir $folder
file link -symbolic $folder/redis-check-rdb [file normalize $::server::binary]

# Returns exit code and output.
proc check {args} {
    set code 0
    if {[catch {exec $::folder/redis-check-rdb {*}$args 2>@1} output info]} {
        set code [lindex [dict get $info -errorcode] end]
        regsub {\n?child process exited abnormally$} $output {} output
    }
    return [list $code $output]
}

with_server {} {
    test "a sound file, and the same file damaged" {
        r SET k v
        r SET volatile v EX 10000
        r HSET h f v
        r SELECT 3
        r SADD s a b c
        r SELECT 0
        r SAVE
        set path [srv dir]/dump.rdb
        lassign [check $path] code output
        expect $code 0
        expect_match $output "\\\[offset 0\\] Checking RDB file $path\n\\\[offset 27\\] AUX FIELD\
            redis-ver = '7.0.15'\n*Selecting DB ID 0\n*Selecting DB ID 3\n*Checksum OK\n*\\\\o/ RDB\
            looks OK! \\\\o/\n\\\[info\\] 4 keys read\n\\\[info\\] 1 expires\n\\\[info\\] 0 already\
            expired"
        set whole [server::read_file $path]
        foreach {bytes reason} [list \
            "X$whole" "Wrong signature trying to load DB from file" \
            [string range $whole 0 end-4] "unexpected end of the file*" \
            [string replace $whole end end X] "Wrong RDB checksum expected*" \
        ] {
            set file [open $::folder/damaged.rdb wb]
            puts -nonewline $file $bytes
            close $file
            lassign [check $::folder/damaged.rdb] code output
            # A last byte that was an X already would be sound.
            if {$bytes eq $whole} continue
            expect $code 1
            expect_match $output "*--- RDB ERROR DETECTED ---\n\\\[offset *\\] $reason\n*keys read*"
        }
    }

    test "what it is called with" -only cogwheel {
        expect [check] {1 {Usage: redis-check-rdb <rdb-file-name>}}
        lassign [check $::folder/nofile] code output
        expect $code 1
        expect_match $output "*No such file or directory"
    }
}
