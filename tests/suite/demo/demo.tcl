# SPDX-License-Identifier: BSD-3-Clause
#
# The demo as a user runs it: what it says, how it ends, what it leaves. Interruptions are tried
# with a program in the server's place that never answers, so that they meet the demo at work.

# Starts the demo with a folder for temporary files of its own; returns its pid.
proc start_demo {folder binary} {
    file mkdir $folder
    spawn env TMPDIR=$folder DEMO_PID=$folder.pid utils/demo/run --binary $binary
}

# A program that writes down its pid and waits for ever.
proc silent_server {path} {
    set file [open $path w]
    puts $file "#!/bin/sh\necho \$\$ > \$DEMO_PID.new\nmv \$DEMO_PID.new \$DEMO_PID\nexec sleep 100000"
    close $file
    file attributes $path -permissions 0755
    return $path
}

with_server {} {
    set scratch [file join $::server::root demo]

    test "the demo runs its jobs, agrees with plain Python and leaves nothing" -only cogwheel {
        set folder $scratch-run
        set output [spawn_wait [start_demo $folder $::server::binary] 120000]
        foreach line {
            "movie:<id> * 121 hashes*"
            "The ten most frequent words*"
            "*70  Drama*"
            "*121 films in 17 genres*"
            "Installed size of this machine's packages*"
            "*26 films deleted in*"
            "*all_keys: movie:new, note:1\n"
            "*SMEMBERS all_keys and KEYS \\* agree.*"
            "*failed 0\n"
            "*1) 1) \"95\"*"
            "*redis-cli RG.PYEXECUTE *"
        } {
            expect_match $output *$line*
        }
        foreach line [split $output \n] { expect_true {[string length $line] <= 100} }
        expect_true {[regexp {, pid (\d+), up in} $output -> pid]}
        expect [file exists /proc/$pid] 0
        expect [glob -nocomplain -directory $folder *] {}
        expect_true {![regexp {\x1b} $output]}
        file delete -force $folder
    }

    test "what a system lacks is left out and said" -only cogwheel {
        set folder $scratch-bare
        file mkdir $folder
        set output [spawn_wait [spawn env -i TMPDIR=$folder PATH=$folder /usr/bin/python3 \
            utils/demo/run --binary $::server::binary] 120000]
        expect_match $output "*package:<name>       left out: there is no dpkg-query\n*"
        expect_match $output "*  Left out: there is no redis-cli.\n*"
        expect_match $output "*121 films in 17 genres*"
        expect [glob -nocomplain -directory $folder *] {}
        file delete -force $folder
    }

    foreach signal {INT TERM HUP} {
        test "interrupted by SIG$signal, the demo ends its server and removes its folder" {
            set folder $scratch-$signal
            set pid [start_demo $folder [silent_server $scratch-silent]]
            wait_for {[file exists $folder.pid]} -within 20000
            set server [string trim [server::read_file $folder.pid]]
            expect [llength [glob -directory $folder *]] 1
            exec kill -$signal $pid
            expect_error "process * failed: child process exited abnormally*" {
                spawn_wait $pid 20000
            }
            expect [file exists /proc/$server] 0
            expect [glob -nocomplain -directory $folder *] {}
            file delete -force $folder $folder.pid $scratch-silent
        }
    }

    test "a demo that is killed takes its server along" {
        set folder $scratch-KILL
        set pid [start_demo $folder [silent_server $scratch-silent]]
        wait_for {[file exists $folder.pid]} -within 20000
        set server [string trim [server::read_file $folder.pid]]
        exec kill -KILL $pid
        expect_error "process * failed: child killed*" {spawn_wait $pid 20000}
        wait_for {[suite::is_over $server]} -within 20000
        file delete -force $folder $folder.pid $scratch-silent
    }

    test "a server that doesn't start makes the demo fail and say so" {
        set folder $scratch-false
        expect_error "process * failed:*FAILED: the server doesn't start*" {
            spawn_wait [start_demo $folder /bin/false] 20000
        }
        expect [glob -nocomplain -directory $folder *] {}
        file delete -force $folder
    }

    test "a server without gears is told" -only stock {
        set folder $scratch-stock
        expect_error "process * failed:*FAILED: this server runs no Python:*" {
            spawn_wait [start_demo $folder $::server::binary] 20000
        }
        expect [glob -nocomplain -directory $folder *] {}
        file delete -force $folder
    }

    test "a missing server is told before anything begins" {
        expect_error "process * failed:*/nowhere: not there; run make first*" {
            spawn_wait [start_demo $scratch-none /nowhere] 20000
        }
        file delete -force $scratch-none
    }

    test "utils/demo/load fills a server that runs" {
        set output [spawn_wait [spawn utils/demo/load --port [srv port]] 20000]
        expect_match $output "movie:<id> * 121 hashes*"
        expect [r HGET movie:29 director] "Jean-Luc Godard"
        expect [r HGET movie:106 title] [utf8 Amélie]
        expect_error "process * failed:*127.0.0.1:1: *" {
            spawn_wait [spawn utils/demo/load --port 1] 20000
        }
    }
}
