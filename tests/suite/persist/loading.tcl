# SPDX-License-Identifier: BSD-3-Clause
#
# The time in which the data is being loaded: who is answered what, what INFO says, and that nothing
# but the load sees the data until all of it is there. The file is made once; `key-load-delay` makes
# its loading last as long as a test needs.

tags quick

set folder [file join $::server::root loading]
file delete -force $folder
set keys 20000
set refusal "LOADING Redis is loading the dataset in memory"

# Starts a server that loads the file of a folder, and returns pid, client and port while it does.
proc start_loading {dir args} {
    set port [server::free_port]
    set pid [spawn $::server::binary --port $port --dir $dir --save "" \
        --enable-debug-command yes --loading-process-events-interval-bytes 1024 \
        --key-load-delay 1000 {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c INFO persistence} info]}
    expect_match $info "*\r\nloading:1\r\n*"
    return [list $pid $c $port]
}

proc field {c name} {
    regexp "\n$name:(\[^\r\]*)" [$c INFO everything] -> value
    return $value
}

# Lets the load run as fast as it can, and awaits its end.
proc finish_loading {c} {
    $c CONFIG SET key-load-delay 0
    wait_for {![catch {$c PING}]}
}

# A folder with a file of `keys` strings and a few others.
proc folder_with_data {} {
    set dir $::folder
    if {[file exists [file join $dir dump.rdb]]} { return $dir }
    file mkdir $dir
    set port [server::free_port]
    set pid [spawn $::server::binary --port $port --dir $dir --save "" \
        --enable-debug-command yes]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    $c DEBUG POPULATE $::keys key 50
    $c SADD set a b c
    $c RPUSH list x
    $c SET brief v EX 100000
    $c SAVE
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
    return $dir
}

proc bytes_of {path} {
    set file [open $path rb]
    set bytes [read $file]
    close $file
    return $bytes
}

test "while loading, commands are refused unless they are for that time" {
    lassign [start_loading [folder_with_data]] pid c
    foreach words {{PING} {GET key:1} {SET k v} {DEL k} {DBSIZE} {TYPE k} {KEYS *} {RANDOMKEY}
        {FLUSHALL} {SAVE} {BGSAVE} {BLPOP list 0} {PFCOUNT k} {MEMORY USAGE k} {EXPIRE k 1}} {
        expect_error $refusal {$c {*}$words}
    }
    expect_error "ERR unknown command 'NOSUCH', with args beginning with: *" {$c NOSUCH}
    expect_error "ERR wrong number of arguments for 'get' command" {$c GET}
    expect [$c ECHO text] text
    expect [$c SELECT 1] OK
    expect [$c SELECT 0] OK
    expect [$c CLIENT SETNAME me] OK
    expect [$c CLIENT GETNAME] me
    expect [$c CONFIG GET port] [list port [lindex [$c CONFIG GET port] 1]]
    expect [lindex [$c HELLO 3] 1] redis
    expect_true {[$c COMMAND COUNT] > 100}
    expect [$c WATCH key:1] OK
    expect [$c UNWATCH] OK
    finish_loading $c
    expect [$c GET key:1] [$c GET key:1]
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

test "while loading, transactions and messages" {
    lassign [start_loading [folder_with_data]] pid c port
    expect [$c MULTI] OK
    expect_error $refusal {$c GET key:1}
    expect_error "EXECABORT Transaction discarded because of previous errors." {$c EXEC}
    expect [$c MULTI] OK
    expect [$c TIME] QUEUED
    expect [llength [$c EXEC]] 1
    set other [client::open -port $port]
    $other SUBSCRIBE news
    expect [$c PUBLISH news hello] 1
    expect [client::receive $other] {message news hello}
    finish_loading $c
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

test "INFO while loading" {
    lassign [start_loading [folder_with_data]] pid c
    set size [file size [file join $folder dump.rdb]]
    expect [field $c async_loading] 0
    expect [field $c loading_total_bytes] $size
    expect_near [field $c loading_start_time] [clock seconds] 20
    expect_true {[field $c loading_rdb_used_mem] > 1000000}
    set before [field $c loading_loaded_bytes]
    wait_for {[field $c loading_loaded_bytes] > $before}
    expect_true {[field $c rdb_last_load_keys_loaded] > 0}
    expect_true {[field $c loading_loaded_perc] > 0 && [field $c loading_loaded_perc] < 100}
    expect_true {[field $c loading_eta_seconds] >= 0}
    finish_loading $c
    expect [field $c loading] 0
    expect_true {![string match *loading_* [$c INFO persistence]]}
    expect [field $c rdb_last_load_keys_loaded] [expr {$keys + 3}]
    expect [$c DBSIZE] [expr {$keys + 3}]
    expect_set [$c SMEMBERS set] {a b c}
    expect_near [$c TTL brief] 100000 100
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

foreach words {{SHUTDOWN} {SHUTDOWN NOSAVE} {SHUTDOWN SAVE}} {
    test "$words while loading leaves the file as it is" {
        set dir [folder_with_data]
        set before [bytes_of $dir/dump.rdb]
        lassign [start_loading $dir --save "1 1"] pid c
        catch {$c {*}$words}
        expect_match [spawn_wait $pid] "*bye bye*"
        expect_true {[bytes_of $dir/dump.rdb] eq $before}
    }
}

test "SIGTERM while loading leaves the file as it is" {
    set dir [folder_with_data]
    set before [bytes_of $dir/dump.rdb]
    lassign [start_loading $dir --save "1 1"] pid c
    exec kill -TERM $pid
    expect_match [spawn_wait $pid] "*bye bye*"
    expect_true {[bytes_of $dir/dump.rdb] eq $before}
}

test "connections come and go while loading" {
    lassign [start_loading [folder_with_data]] pid c port
    for {set i 0} {$i < 200} {incr i} {
        set other [client::open -port $port]
        expect_error $refusal {$other GET key:1}
        client::close $other
    }
    wait_for {[field $c connected_clients] == 1}
    expect_true {[llength [glob /proc/$pid/fd/*]] < 60}
    finish_loading $c
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

test "a file that turns out to be damaged ends the server" {
    set dir [file join $folder damaged]
    file mkdir $dir
    set bytes [bytes_of [folder_with_data]/dump.rdb]
    set file [open $dir/dump.rdb wb]
    puts -nonewline $file [string range $bytes 0 end-20]
    close $file
    lassign [start_loading $dir] pid c
    $c CONFIG SET key-load-delay 0
    catch {spawn_wait $pid} output
    expect_true {![string match "*Ready to accept*" $output]}
}

test "nothing is evicted or expires while loading" -only cogwheel {
    lassign [start_loading [folder_with_data] --maxmemory 1mb --maxmemory-policy allkeys-lru] \
        pid c
    $c CONFIG SET maxmemory 500kb
    wait_for {[field $c rdb_last_load_keys_loaded] > 1000}
    expect_error $refusal {$c SET k v}
    expect [field $c evicted_keys] 0
    $c CONFIG SET key-load-delay 0
    wait_for {[field $c loading] == 0}
    expect [field $c rdb_last_load_keys_loaded] [expr {$keys + 3}]
    wait_for {[field $c evicted_keys] > 1000}
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

# Has the default client reload, and returns when that is under way.
proc begin_reload {} {
    set line "Loading RDB produced"
    set before [regexp -all $line [srv log]]
    client::send [r] DEBUG RELOAD NOSAVE
    client::flush [r]
    wait_for {[regexp -all $line [srv log]] > $before}
}

with_server {loading-process-events-interval-bytes 1024} {
    test "the hidden options" {
        expect [r CONFIG GET key-load-delay] {key-load-delay 0}
        expect [r CONFIG GET key-load*] {}
        expect [r CONFIG SET key-load-delay -5] OK
        expect [r CONFIG SET key-load-delay 0] OK
        expect [r CONFIG GET loading-process-events-interval-bytes] \
            {loading-process-events-interval-bytes 1024}
        expect_error "*must be between 1024 and 2147483647 inclusive" {
            r CONFIG SET loading-process-events-interval-bytes 1023
        }
    }

    test "others while a client reloads: refused, and all is there afterwards" {
        r DEBUG POPULATE 3000 key 50
        r SAVE
        r CONFIG SET key-load-delay 5000
        set other [client]
        set queueing [client]
        $queueing MULTI
        $queueing SET k v
        $queueing TIME
        set harmless [client]
        $harmless MULTI
        $harmless TIME
        begin_reload
        expect [field $other loading] 1
        expect_error $refusal {$other GET key:1}
        expect_error "EXECABORT Transaction discarded because of: $refusal" {$queueing EXEC}
        expect [llength [$harmless EXEC]] 1
        $other CONFIG SET key-load-delay 0
        expect [client::receive [r]] OK
        expect [r DBSIZE] 3000
        expect [$other GET key:1] [r GET key:1]
    }

    test "a reload within a reload is refused" -only cogwheel {
        r DEBUG POPULATE 3000 key 50
        r SAVE
        r CONFIG SET key-load-delay 5000
        set other [client]
        begin_reload
        expect [field $other loading] 1
        expect_error $refusal {$other DEBUG RELOAD}
        expect_error $refusal {$other DEBUG POPULATE 5}
        $other CONFIG SET key-load-delay 0
        expect [client::receive [r]] OK
        expect [r DBSIZE] 3000
    }

    test "a client that hangs up, and one that waits for a key, during a reload" -only cogwheel {
        r DEBUG POPULATE 3000 key 50
        r RPUSH list a b
        r SAVE
        r DEL list
        set waiting [client]
        client::send $waiting BLPOP list 0
        client::flush $waiting
        wait_for {[info_field blocked_clients] == 1}
        r CONFIG SET key-load-delay 5000
        set other [client]
        set leaving [client]
        begin_reload
        expect [field $other loading] 1
        client::send $leaving GET key:1
        client::close $leaving
        wait_for {[field $other connected_clients] == 3}
        expect [field $other blocked_clients] 1
        $other CONFIG SET key-load-delay 0
        expect [client::receive [r]] OK
        expect [client::receive $waiting] {list a}
        expect [r LRANGE list 0 -1] {b}
    }
}
