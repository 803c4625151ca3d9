# SPDX-License-Identifier: BSD-3-Clause
#
# Starting: the command line, the config file, what is refused and how, and what is printed.

tags quick

set folder [file join $::server::root start]
file delete -force $folder
file mkdir $folder

proc config_file {name text} {
    set path [file join $::folder $name]
    set file [open $path wb]
    puts -nonewline $file $text
    close $file
    return $path
}

proc expect_refused {line shown reason args} {
    lassign [run_server {*}$args] code output
    expect $code 1
    expect [string trim $output] "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the\
        configuration file, at line $line\n>>> '$shown'\n$reason"
}

# Starts a server beside the test; returns its pid when it answers.
proc start_beside {port args} {
    set pid [spawn $::server::binary --port $port --save "" {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    return $pid
}

test "--version and --help" {
    foreach word {-v --version} {
        lassign [run_server $word] code output
        expect $code 0
        expect_match $output "Redis server v=7.0.15 sha=*:* malloc=* bits=64 build=*"
    }
    foreach word {-h --help} {
        lassign [run_server $word] code output
        expect_match $output "Usage: *redis-server*--port*"
    }
}

test "redis.conf is what the option table prints" -only cogwheel {
    lassign [run_server --print-default-config] code output
    expect $code 0
    expect [string trimright $output] [string trimright [server::read_file redis.conf]]
}

test "redis.conf can be read, and changes nothing" -only cogwheel {
    lassign [run_server redis.conf --port 0 --unixsocket /nonexistent/sock] code output
    expect $code 1
    expect_match $output "*Configuration loaded*Failed opening Unix socket: bind: No such file*"
}

test "unknown options and bad values on the command line" {
    expect_refused 2 {foo "bar"} "Bad directive or wrong number of arguments" --foo bar
    expect_refused 2 {port "abc"} "argument couldn't be parsed into an integer" --port abc
    expect_refused 2 {port} "wrong number of arguments" --port
    expect_refused 2 {port "1" "2"} "wrong number of arguments" --port 1 2
    expect_refused 3 {nosuch} "Bad directive or wrong number of arguments" --port 0 --nosuch
    expect_refused 2 {port "--hz" "10"} "wrong number of arguments" --port --hz 10
    expect_refused 2 {"-x"} "Bad directive or wrong number of arguments" -x
    expect_refused 2 {loglevel "foo"} \
        "argument(s) must be one of the following: debug, verbose, notice, warning" --loglevel foo
    expect_refused 3 {unixsocketperm "999"} "argument couldn't be parsed as an octal number" \
        --port 0 --unixsocketperm 999
    expect_refused 3 {unixsocketperm "7777"} "argument must be between 0 and 777 inclusive" \
        --port 0 --unixsocketperm 7777
    expect_refused 2 {dir "/nonexistent"} "No such file or directory" --dir /nonexistent
    expect_refused 5 {nosuch} "Bad directive or wrong number of arguments" \
        --hz 10 --save --port 1 --nosuch
}

test "faults of a config file have a line" {
    set file [config_file a.conf "port 0\n\n# a comment\n  nosuch 1\n"]
    expect_refused 4 {nosuch 1} "Bad directive or wrong number of arguments" $file
    set file [config_file b.conf "port 0\nrequirepass \"abc\n"]
    expect_refused 2 {requirepass "abc} "Unbalanced quotes in configuration line" $file
    set file [config_file c.conf "client-query-buffer-limit -1\n"]
    expect_refused 1 {client-query-buffer-limit -1} "argument must be a memory value" $file
    set file [config_file d.conf "hash-max-listpack-entries -1"]
    expect_refused 1 {hash-max-listpack-entries -1} \
        "argument must be between 0 and 9223372036854775807 inclusive" $file
    set file [config_file e.conf "hz 10\n"]
    expect_refused 3 {nosuch} "Bad directive or wrong number of arguments" $file --nosuch
}

test "files that can't be read" {
    lassign [run_server [file join $::folder missing.conf]] code output
    expect $code 1
    expect_match $output "*Fatal error, can't open config file '*missing.conf': No such file*"
    set file [config_file f.conf "include missing.conf\n"]
    lassign [run_server $file] code output
    expect $code 1
    expect_match $output "*Fatal error, can't open config file 'missing.conf': No such file*"
}

test "a file that includes itself, a NUL byte, a folder" -only cogwheel {
    set file [config_file self.conf "include [file join $::folder self.conf]\n"]
    lassign [run_server $file] code output
    expect $code 1
    expect_match $output "*at line 1\n>>> 'include *self.conf'\n*does one include itself?"
    set file [config_file nul.conf "hz 10\nport 1\0\n"]
    lassign [run_server $file] code output
    expect $code 1
    expect_match $output "*at line 2\n*NUL byte in configuration line"
    lassign [run_server $::folder] code output
    expect $code 1
    expect_match $output "*Is a directory*"
}

test "random bytes as a config file" -only cogwheel {
    set words [list "port 0\n" "include " "save " "\"" "'" "\\x" "\n" " " "#" "bind " "hz 10" x]
    for {set i 0} {$i < 20} {incr i} {
        set text "port 0\n"
        for {set n [rand_int 40]} {$n > 0} {incr n -1} {
            append text [expr {[rand_int 8] ? [rand_pick $words] : [rand_bytes 3]}]
        }
        # A port that is taken ends a start that got so far.
        set file [config_file random.conf "$text\n"]
        lassign [run_server $file --port 0 --unixsocket ""] code output
        expect $code 1
    }
}

test "the configuration on standard input" {
    set file [config_file g.conf "hz 10\nnosuch 2\n"]
    catch {exec timeout 20 $::server::binary - --port 0 < $file 2>@1} output
    expect_match $output "*Reading config from stdin*at line 2\n>>> 'nosuch 2'\n*"
}

test "a start in the usual way" {
    set port [server::free_port]
    set file [config_file h.conf "hz 20\r\n\tTimeout  7\nport 1\nrequirepass \"\"\n"]
    set pid [spawn $::server::binary $file --port $port --save "" --dir $::folder \
        --always-show-logo yes]
    wait_for {![catch {set c [client::open -port $port]}]}
    expect_map [$c CONFIG GET hz timeout] {hz 20 timeout 7}
    expect [$c CONFIG GET dir] [list dir [file normalize $::folder]]
    catch {$c SHUTDOWN}
    set output [spawn_wait $pid]
    expect_match $output "*Port: $port*PID: *"
    expect_match $output "*\\* Ready to accept connections*"
    expect_match $output "*Redis is now ready to exit, bye bye...*"
}

test "a port that is taken" {
    set taken [socket -server {} -myaddr 127.0.0.1 0]
    set port [lindex [chan configure $taken -sockname] 2]
    lassign [run_server --port $port --bind 127.0.0.1] code output
    close $taken
    expect $code 1
    expect_match $output "*Could not create server TCP listening socket 127.0.0.1:$port: bind:\
        Address already in use*Failed listening on port $port (TCP), aborting.*"
}

test "nowhere to listen" {
    lassign [run_server --port 0] code output
    expect $code 1
    expect_match $output "*Configured to not listen anywhere, exiting.*"
    lassign [run_server --port 0 --unixsocket [string repeat x 200]] code output
    expect $code 1
    expect_match $output "*unix socket path too long (200), must be under 108*"
    lassign [run_server --port 12345 --bind 192.0.2.111] code output
    expect $code 1
    expect_match $output "*192.0.2.111:12345: bind: Cannot assign requested address*"
}

test "log files" {
    lassign [run_server --port 0 --logfile /nonexistent/x] code output
    expect $code 1
    expect_match $output "*Can't open the log file: No such file or directory*"
    set log [file join $::folder some.log]
    lassign [run_server --port 0 --logfile $log] code output
    expect $output ""
    expect_match [server::read_file $log] "*Configured to not listen anywhere, exiting.*"
}

test "the append-only file is refused with a reason" -only cogwheel {
    lassign [run_server --appendonly yes] code output
    expect $code 1
    expect_match $output "*append-only file*"
}

test "in the background, with a pid file" {
    set port [server::free_port]
    set pidfile [file join $::folder pid]
    exec $::server::binary --port $port --daemonize yes --pidfile $pidfile --save "" \
        --dir $::folder --logfile [file join $::folder daemon.log]
    wait_for {![catch {set c [client::open -port $port]}]}
    expect [regexp -inline {process_id:\d+} [$c INFO server]] \
        "process_id:[string trim [server::read_file $pidfile]]"
    catch {$c SHUTDOWN}
    wait_for {![file exists $pidfile]}
    wait_for {[string match "*bye bye*" [server::read_file [file join $::folder daemon.log]]]}
    expect_match [server::read_file [file join $::folder daemon.log]] "*Removing the pid file.*"
}

test "a unix socket with a mode" {
    set path [file join $::folder sock]
    set port [server::free_port]
    set pid [start_beside $port --unixsocket $path --unixsocketperm 700 --dir $::folder]
    expect [string range [file attributes $path -permissions] end-2 end] 700
    expect [exec redis-cli -s $path PING] PONG
    expect_match [exec redis-cli -s $path CLIENT LIST] "*addr=$path:0*"
    exec kill -TERM $pid
    spawn_wait $pid
    expect [file exists $path] 0
}
