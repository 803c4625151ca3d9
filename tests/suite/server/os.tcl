# SPDX-License-Identifier: BSD-3-Clause
#
# What the server asks of the system: its title, its processors, who is killed first when memory is
# out, who is told that it is ready, and what signals mean.

tags quick

proc proc_file {name} { server::read_file /proc/[srv pid]/$name }
proc title {} { lindex [split [proc_file cmdline] \0] 0 }

with_server {} {
    test "the title says where it listens" {
        expect_match [title] "*redis-server \\*:[srv port]"
        r CONFIG SET proc-title-template "server at {port} of {config-file}"
        expect [title] "server at [srv port] of [srv dir]/redis.conf"
        foreach bad [list "" "{title}" "{nosuch}" "\{port"] {
            expect_error "*template format is invalid or contains unknown variables" {
                r CONFIG SET proc-title-template $bad
            }
        }
        r CONFIG SET proc-title-template [string repeat x 10000]
        expect_match [title] xxxx*
        r CONFIG SET proc-title-template "|{port}|{tls-port}|{unixsocket}|{listen-addr}|{server-mode}|"
        expect [title] "|[srv port]|0||*:[srv port]||"
        r CONFIG SET proc-title-template "{title} {listen-addr} {server-mode}"
    }

    test "oom-score-adj" {
        set base [string trim [proc_file oom_score_adj]]
        r CONFIG SET oom-score-adj-values "10 200 800" oom-score-adj absolute
        expect [string trim [proc_file oom_score_adj]] 10
        r CONFIG SET oom-score-adj relative
        expect [string trim [proc_file oom_score_adj]] [expr {min(1000, $base + 10)}]
        r CONFIG SET oom-score-adj no
        expect [string trim [proc_file oom_score_adj]] $base
        foreach bad {"1 2" "1 2 3 4" "1 2 x" "1 2 2001" "-2001 2 3"} {
            expect_error "*oom-score-adj-values*" { r CONFIG SET oom-score-adj-values $bad }
        }
        expect [r CONFIG GET oom-score-adj-values] {oom-score-adj-values {10 200 800}}
        r CONFIG SET oom-score-adj-values "0 200 800"
    }

    test "shutdown-on-sigint and -sigterm take stock's words" {
        foreach {words shown} {"now" now "force save" "save force" default default nosave nosave} {
            r CONFIG SET shutdown-on-sigint $words
            expect [lindex [r CONFIG GET shutdown-on-sigint] 1] $shown
        }
        expect_error "*shutdown options SAVE and NOSAVE can't be used simultaneously" {
            r CONFIG SET shutdown-on-sigterm "save nosave"
        }
        expect_error "*must be one of the following: default, save, nosave, now, force" {
            r CONFIG SET shutdown-on-sigterm sometimes
        }
    }
}

with_server {server_cpulist 0 bgsave_cpulist 0 bio_cpulist 0} {
    test "the server runs on the processors of its list" {
        expect_match [proc_file status] "*\nCpus_allowed_list:\t0\n*"
        r BGSAVE
        wait_for {[info_field rdb_bgsave_in_progress] == 0}
        expect [info_field rdb_last_bgsave_status] ok
    }
}

with_server {save "" shutdown-on-sigterm save} {
    test "SIGTERM saves when it was told to" -down yes {
        r SET k v
        server::signal [srv_id] TERM
        wait_for {![server::process_runs [srv_id]]}
        expect_true {[file size [srv dir]/dump.rdb] > 0}
    }
}

test "the title of a server without a port" {
    set folder [file join $::server::root untitled]
    file mkdir $folder
    set pid [spawn sh -c {cd "$1" && exec "$0" --port 0 --unixsocket s --save "" --dir "$1" \
        --proc-title-template "{listen-addr}|{port}|{unixsocket}|{config-file}"} \
        $::server::binary $folder]
    wait_for {[file exists $folder/s]}
    set want "unixsocket:s|0|s|-"
    wait_for {[lindex [split [server::read_file /proc/$pid/cmdline] \0] 0] eq $want}
    exec kill $pid
    spawn_wait $pid
}

test "systemd is told that clients may come, and that the end has begun" -only cogwheel {
    set folder [file join $::server::root notify]
    file delete -force $folder
    file mkdir $folder
    set script {
import os, socket, subprocess, sys
folder, binary = sys.argv[1:3]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(folder + "/sock")
s.settimeout(30)
env = dict(os.environ, NOTIFY_SOCKET=folder + "/sock")
p = subprocess.Popen([binary, "--port", "0", "--unixsocket", folder + "/redis", "--save", "",
                      "--dir", folder, "--supervised", sys.argv[3], "--daemonize", "yes"],
                     env=env, stdout=subprocess.DEVNULL)
def told_until(word):
    told = ""
    while word not in told:
        told += s.recv(1000).decode().replace("\n", " ")
    return told
print(told_until("READY=1"), p.poll() is None)
p.terminate()
print(told_until("STOPPING=1"))
print(p.wait())
    }
    foreach mode {systemd auto} {
        set output [exec /usr/bin/python3 -c $script $folder [file normalize $::server::binary] $mode]
        expect_match $output "STATUS=Redis is loading... STATUS=Ready to\
            accept connections READY=1  True\nSTOPPING=1 \n0"
        file delete $folder/sock
    }
}

proc field_of {file name} { lindex [regexp -inline "$name:\\s+(\\d+)" [proc_file $file]] 1 }

# As the system's control says, if this kernel can be asked for them (Linux 6.1).
proc large_pages_control {} {
    set path /sys/kernel/mm/transparent_hugepage/enabled
    if {![file exists $path] || [package vcompare [lindex [split $::tcl_platform(osVersion) -] 0] \
            6.1] < 0} { return never }
    return [lindex [regexp -inline {\[(\w+)\]} [server::read_file $path]] 1]
}

with_server {} {
    test "large pages are disabled only where every process gets them" {
        if {[field_of status THP_enabled] ne ""} {
            expect [field_of status THP_enabled] [expr {[large_pages_control] ne "always"}]
        }
    }

    test "large pages are gathered, and hold what was there" -only cogwheel {
        if {[regexp {build/(asan|tsan|ubsan)} $::server::binary] || [large_pages_control] ne "madvise"} return
        r DEBUG POPULATE 600000 key 100
        set digest [r DEBUG DIGEST]
        # Each needs all processors for a moment, and then a rest: where those are busy, they come
        # slowly.
        for {set pages 0} {$pages <= 30000} {set pages [field_of smaps_rollup AnonHugePages]} {
            wait_for {[field_of smaps_rollup AnonHugePages] > $pages} -within 20000
        }
        expect [r DEBUG DIGEST] $digest
        # Written to while a child shares them, and given back.
        expect_match [r BGSAVE] "Background saving started*"
        for {set i 0} {$i < 100} {incr i} { r SET key:[expr {$i * 5000}] changed }
        wait_for {[info_field rdb_bgsave_in_progress] == 0}
        expect [info_field rdb_last_bgsave_status] ok
        for {set i 0} {$i < 100} {incr i} { expect [r GET key:[expr {$i * 5000}]] changed }
        set full [srv rss]
        r FLUSHALL
        wait_for {[srv rss] < $full / 2} -within 30000
    }
}
