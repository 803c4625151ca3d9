# SPDX-License-Identifier: BSD-3-Clause
#
# The RDB file: saving on the spot, in the background and at the end, save points, loading, and all
# that can go wrong with a disk. Exchange with stock's server is tests/diff/payloads.py.

tags quick

set folder [file join $::server::root rdb]
file delete -force $folder

# Starts a server beside the test in a folder that stays, saving there; returns pid and client.
proc start_in {dir args} {
    file mkdir $dir
    set port [server::free_port]
    set pid [spawn $::server::binary --port $port --dir $dir --save "" \
        --enable-debug-command yes {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    return [list $pid [client::open -port $port]]
}

# Sends the command that ends the server, and awaits its end.
proc end {pid c args} {
    catch {$c {*}$args}
    spawn_wait $pid
}

# Runs a server that can't start; returns exit code and output.
proc failed_start {dir args} {
    set code 0
    set command [list exec timeout 20 $::server::binary --port [server::free_port] --dir $dir \
        {*}$args < /dev/null 2>@1]
    if {[catch $command output info]} { set code [lindex [dict get $info -errorcode] end] }
    return [list $code $output]
}

proc fill {c count} {
    for {set i 0} {$i < $count} {incr i} { client::send $c SET key:$i [string repeat $i 10] }
    for {set i 0} {$i < $count} {incr i} { client::receive $c }
}

proc write_file {path bytes} {
    set file [open $path wb]
    puts -nonewline $file $bytes
    close $file
}

# The bytes of ten hashes of one field in a file.
proc ten_hashes {{prefix h}} {
    set bytes ""
    for {set i 0} {$i < 10} {incr i} { append bytes "\x04\x02$prefix$i\x01\x01f\x01v" }
    return $bytes
}

proc saving {} { expr {[info_field rdb_bgsave_in_progress] == 1} }

with_server {} {
    test "SAVE, BGSAVE, LASTSAVE: replies and errors" -resp {2 3} {
        r SET k v
        expect [rt SAVE] {simple OK}
        expect [info_field rdb_changes_since_last_save] 0
        expect_near [r LASTSAVE] [clock seconds] 200
        expect [rt BGSAVE] {simple {Background saving started}}
        wait_for {![saving]}
        expect [info_field rdb_last_bgsave_status] ok
        expect [rt BGSAVE SCHEDULE] {simple {Background saving started}}
        wait_for {![saving]}
        expect_error "ERR syntax error" {r BGSAVE now}
        expect_error "*wrong number of arguments for 'save' command" {r SAVE now}
        expect_true {[file exists [srv dir]/dump.rdb]}
        expect [glob -nocomplain -directory [srv dir] temp-*] {}
        expect_match [srv log] "*DB saved on disk*Background saving started by pid *Background\
            saving terminated with success*"
    }

    test "one child at a time, and what a transaction may ask for" {
        fill [default_client] 100
        r CONFIG SET rdb-key-save-delay 10000
        r BGSAVE
        expect_error "ERR Background save already in progress" {r BGSAVE}
        expect_error "ERR Background save already in progress" {r BGSAVE SCHEDULE}
        expect_error "ERR Background save already in progress" {r SAVE}
        expect_true {[info_field current_save_keys_total] == 100}
        r SET more 1
        r CONFIG SET rdb-key-save-delay 0
        wait_for {![saving]}
        expect [info_field rdb_changes_since_last_save] 1
        r MULTI
        expect_error "ERR Command not allowed inside a transaction" {r SAVE}
        r DISCARD
        r MULTI
        r BGSAVE
        expect [r EXEC] {{Background saving scheduled}}
        wait_for {[info_field rdb_changes_since_last_save] == 0}
    }

    test "DEBUG RELOAD" {
        fill [default_client] 300
        r SADD s a b c
        r HSET h f v
        r PEXPIRE key:1 100000000
        r SET gone 1 PX 1
        set digest [r DEBUG DIGEST]
        after 5
        r DEBUG RELOAD
        r EXISTS gone
        set digest [r DEBUG DIGEST]
        expect [r DEBUG RELOAD] OK
        expect [r DEBUG DIGEST] $digest
        r SET new 1
        expect [r DEBUG RELOAD NOSAVE] OK
        expect [r DEBUG DIGEST] $digest
        expect_error "ERR Error trying to load the RDB dump, check server logs." {
            r DEBUG RELOAD NOSAVE NOFLUSH
        }
        expect [r DEBUG RELOAD NOSAVE NOFLUSH MERGE] OK
        expect [r DEBUG DIGEST] $digest
        expect_error "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options." {
            r DEBUG RELOAD FOO
        }
    }

    # Small keys are stored some way behind where the file is read, larger ones at once.
    test "keys of all lengths among collections are loaded" {
        set commands {}
        for {set i 0} {$i < 400} {incr i} {
            set name [string range "$i:[string repeat k 400]" 0 [rand_int 300]]
            switch [rand_int 8] {
                0 { lappend commands [list HSET $name:h f $i] }
                1 { lappend commands [list SADD $name:s {*}[lrange {a b c 4 5} 0 [rand_int 5]]] }
                2 { lappend commands [list RPUSH $name:l $i [string repeat $i [rand_int 300]]] }
                3 { lappend commands [list SET $name:i [rand_int 100000]] }
                4 { lappend commands [list SET $name:e [rand_bytes [rand_int 300]] EX 1000] }
                default { lappend commands [list SET $name [rand_bytes [rand_int 300]]] }
            }
        }
        lappend commands {SET {} {}} [list SET x [rand_bytes 231]] [list SET y [rand_bytes 232]]
        foreach reply [client::pipeline [default_client] $commands] {
            expect_true {![string match *ERR* $reply]}
        }
        set digest [r DEBUG DIGEST]
        expect [r DEBUG RELOAD] OK
        expect [r DEBUG DIGEST] $digest
        expect [r DEBUG RELOAD NOSAVE NOFLUSH MERGE] OK
        expect [r DEBUG DIGEST] $digest
    }

    test "databases and expiries survive" {
        foreach db {0 1 9 15} {
            r SELECT $db
            r SET k $db PXAT 33162300000000
        }
        r SELECT 0
        r DEBUG RELOAD
        foreach db {0 1 9 15} {
            r SELECT $db
            expect [r GET k] $db
            expect [r PEXPIRETIME k] 33162300000000
        }
        r SELECT 0
    }

    # The payload of a key without these, RESTOREd with them.
    proc key_used_before {name args} {
        r SET $name v
        set payload [r DUMP $name]
        expect [r RESTORE $name 100000 $payload REPLACE {*}$args] OK
    }

    test "what evictions go by survives" {
        with_config {maxmemory-policy volatile-lru lfu-decay-time 0} {
            key_used_before k IDLETIME 5000
            expect [r DEBUG RELOAD] OK
            expect_near [r OBJECT IDLETIME k] 5020 20
            expect_true {[r PTTL k] > 0}
            # Times say nothing of how often: the key begins anew, as any other.
            r CONFIG SET maxmemory-policy allkeys-lfu
            r SAVE
            key_used_before l FREQ 200
            expect [r DEBUG RELOAD] OK
            expect [r OBJECT FREQ l] 200
            key_used_before m FREQ 0
            expect [r DEBUG RELOAD] OK
            expect [r OBJECT FREQ m] 0
        }
        # Saved with the one, loaded with the other: neither is taken for the other.
        foreach {saved with loaded command} {
            allkeys-lfu {FREQ 255} allkeys-lru IDLETIME
            allkeys-lru {IDLETIME 200} allkeys-lfu FREQ
        } {
            r FLUSHALL
            with_config {lfu-decay-time 0} {
                r CONFIG SET maxmemory-policy $saved
                key_used_before k {*}$with
                r SAVE
                r CONFIG SET maxmemory-policy $loaded
                expect [r DEBUG RELOAD NOSAVE] OK
                expect_true {[r OBJECT $command k] < 20}
            }
        }
        r CONFIG SET maxmemory-policy noeviction
        key_used_before k IDLETIME 5000
        expect [r DEBUG RELOAD] OK
        expect_near [r OBJECT IDLETIME k] 10 10
    }

    test "CONFIG GET and SET save" {
        expect [r CONFIG SET save "900 1 300 10"] OK
        expect [r CONFIG GET save] {save {900 1 300 10}}
        foreach value {900 "900 x" "0 1" "900 -1" "1 2 3"} {
            expect_error "*Invalid save parameters" {r CONFIG SET save $value}
        }
        expect [r CONFIG GET save] {save {900 1 300 10}}
        expect [r CONFIG SET save ""] OK
        expect [r CONFIG GET save] {save {}}
        expect_error "*can't set protected config" {r CONFIG SET dbfilename x.rdb}
        expect_error "*can't set immutable config" {r CONFIG SET rdbchecksum no}
    }

    test "a save point is kept" {
        r CONFIG SET save "1 2"
        set before [info_field rdb_saves]
        r SET a 1
        r SET b 1
        wait_for {[info_field rdb_saves] > $before}
        wait_for {[info_field rdb_changes_since_last_save] == 0}
        r CONFIG SET save ""
        expect_match [srv log] "*2 changes in 1 seconds. Saving...*"
    }

    test "FLUSHALL empties the file if there are save points" {
        r SET k v
        r SAVE
        r FLUSHALL
        expect [r DEBUG RELOAD NOSAVE] OK
        expect [r DBSIZE] 1
        r CONFIG SET save "900 1"
        r FLUSHALL
        expect [info_field rdb_changes_since_last_save] 0
        r CONFIG SET save ""
        expect [r DEBUG RELOAD NOSAVE] OK
        expect [r DBSIZE] 0
    }

    test "writes are refused after a failed save" {
        fill [default_client] 100
        r CONFIG SET save "900 100000" rdb-key-save-delay 10000
        # What was queued before it failed is refused by EXEC if it writes.
        foreach {name words} {writes {SET a 1} reads {GET key:1} pings {PING}} {
            set $name [client]
            [set $name] MULTI
            [set $name] {*}$words
        }
        r BGSAVE
        wait_for {[glob -nocomplain -directory [srv dir] temp-*] ne ""}
        regexp {temp-(\d+).rdb} [glob -directory [srv dir] temp-*] -> child
        exec kill -KILL $child
        wait_for {[info_field rdb_last_bgsave_status] eq "err"}
        expect [glob -nocomplain -directory [srv dir] temp-*] {}
        expect_match [srv log] "*Background saving terminated by signal 9*"
        foreach command {{SET a 1} PING {DEL key:1}} {
            expect_error "MISCONF Redis is configured to save RDB snapshots, but it's currently\
                unable to persist to disk. Commands that may modify the data set are disabled,\
                because this instance is configured to report errors during writes if RDB\
                snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis\
                logs for details about the RDB error." {r {*}$command}
        }
        expect_error "EXECABORT Transaction discarded because of: MISCONF Redis is configured to\
            save RDB snapshots, but it's currently unable*" {$writes EXEC}
        expect_error "ERR EXEC without MULTI" {$writes EXEC}
        expect [$reads EXEC] 1111111111
        expect [$pings EXEC] PONG
        expect [r EXISTS a] 0
        expect [r GET key:1] 1111111111
        r MULTI
        expect_error "MISCONF*" {r SET a 1}
        expect_error "EXECABORT*" {r EXEC}
        r CONFIG SET stop-writes-on-bgsave-error no
        expect [r SET a 1] OK
        r CONFIG SET stop-writes-on-bgsave-error yes
        expect_error "MISCONF*" {r SET a 1}
        r CONFIG SET save "" rdb-key-save-delay 0
        expect [r SET a 1] OK
        r BGSAVE
        wait_for {[info_field rdb_last_bgsave_status] eq "ok"}
    }
}

test "the data is there after a restart, and only what was saved" {
    lassign [start_in $::folder/restart] pid c
    fill $c 500
    $c HSET h f v
    $c PEXPIRE key:7 100000000
    set digest [$c DEBUG DIGEST]
    end $pid $c SHUTDOWN SAVE
    lassign [start_in $::folder/restart] pid c
    expect [$c DEBUG DIGEST] $digest
    $c SET lost 1
    end $pid $c SHUTDOWN NOSAVE
    lassign [start_in $::folder/restart --save 900 1] pid c
    expect [$c DEBUG DIGEST] $digest
    $c SET kept 1
    end $pid $c SHUTDOWN
    lassign [start_in $::folder/restart --save 900 1] pid c
    expect [$c GET kept] 1
    $c SET kept 2
    exec kill -TERM $pid
    set output [spawn_wait $pid]
    expect_match $output "*DB loaded from disk: *seconds*Saving the final RDB snapshot before\
        exiting.*DB saved on disk*"
    lassign [start_in $::folder/restart] pid c
    expect [$c GET kept] 2
    end $pid $c SHUTDOWN NOSAVE
}

test "keys that have expired meanwhile aren't loaded" {
    lassign [start_in $::folder/expired] pid c
    $c SET short 1 PX 1
    $c SET long 1
    $c DEBUG SET-ACTIVE-EXPIRE 0
    end $pid $c SHUTDOWN SAVE
    lassign [start_in $::folder/expired] pid c
    expect [$c DBSIZE] 1
    expect_match [$c INFO persistence] "*rdb_last_load_keys_expired:1\r\n*"
    end $pid $c SHUTDOWN NOSAVE
}

test "save lines add up, and drop the defaults" {
    lassign [start_in $::folder/lines --save 60 1000 --save 10 5] pid c
    expect [$c CONFIG GET save] {save {60 1000 10 5}}
    end $pid $c SHUTDOWN NOSAVE
}

test "a disk that is full: the old file stays, nothing else does" {
    file mkdir $::folder/full
    set port [server::free_port]
    set pid [spawn sh -c {ulimit -f 100; exec "$@"} sh $::server::binary --port $port \
        --dir $::folder/full --save "" --rdbcompression no]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    set c [client::open -port $port]
    $c SET k v
    expect [$c SAVE] OK
    set before [server::read_file $::folder/full/dump.rdb]
    $c SET big [string repeat x 1000000]
    expect_error "ERR*" {$c SAVE}
    expect [$c BGSAVE] {Background saving started}
    wait_for {[string match "*rdb_last_bgsave_status:err*" [$c INFO persistence]]}
    expect [glob -tails -directory $::folder/full *] dump.rdb
    expect [server::read_file $::folder/full/dump.rdb] $before
    expect_error "ERR Errors trying to SHUTDOWN. Check logs." {$c SHUTDOWN SAVE}
    expect [$c PING] PONG
    catch {$c SHUTDOWN SAVE FORCE}
    expect_match [spawn_wait $pid] "*Write error saving DB on disk: File too large*Background\
        saving error*Error trying to save the DB, can't exit.*"
}

test "a server that is killed while its child saves leaves the old file" {
    lassign [start_in $::folder/killed] pid c
    $c SET k old
    $c SAVE
    fill $c 100
    $c CONFIG SET rdb-key-save-delay 100000
    $c BGSAVE
    exec kill -KILL $pid
    catch {spawn_wait $pid}
    lassign [start_in $::folder/killed] pid c
    expect [$c DBSIZE] 1
    expect [$c GET k] old
    end $pid $c SHUTDOWN NOSAVE
}

test "files that can't be loaded end the start with a reason" -only cogwheel {
    lassign [start_in $::folder/broken --rdbcompression no] pid c
    $c SET some:key some:value
    end $pid $c SHUTDOWN SAVE
    set path $::folder/broken/dump.rdb
    set whole [server::read_file $path]
    foreach {bytes reason} [list \
        "" "*unexpected end of the file in the header*" \
        [string range $whole 0 end-4] "*unexpected end of the file in a number*" \
        [string range $whole 0 end-12] "*a value isn't well-formed*" \
        "X[string range $whole 1 end]" "*Wrong signature trying to load DB from file*" \
        [string replace $whole 5 8 0099] "*Can't handle RDB format version 0099*" \
        [string replace $whole end-12 end-12 X] "*Wrong RDB checksum expected: (*) but got (*).*" \
        "REDIS0010\x00\x01a\x01b\x00\x01a\x01c\xff[string repeat \0 8]" \
            "*RDB has duplicated key 'a' in DB 0*" \
        "REDIS0010\x00\x01a\x01b[ten_hashes]\x00\x01a\x01c[ten_hashes z]\xff[string repeat \0 8]" \
            "*RDB has duplicated key 'a' in DB 0*" \
        "REDIS0010[ten_hashes][ten_hashes z]\x00\x01a" "*unexpected end of the file*" \
        "REDIS0010\xfe\x40\xff\x00\x01a\x01b\xff[string repeat \0 8]" \
            "*database 255 isn't configured*" \
        "REDIS0010\xfe\x10\xff[string repeat \0 8]" "*database 16 isn't configured*" \
        "REDIS0010\xfe\x81[string repeat \xff 8]\xff[string repeat \0 8]" \
            "*database 18446744073709551615 isn't configured*" \
        "REDIS0010\x63\x01a\x01b\xff[string repeat \0 8]" "*unknown type 99 of a value*" \
        "REDIS0010\xfe\x00\xfb\x80\x7f\xff\xff\xff\x00\x00\x01a\x01b" "*more keys claimed*" \
    ] {
        write_file $path $bytes
        lassign [failed_start $::folder/broken] code output
        expect $code 1
        expect_match $output "*Error loading the RDB file at offset *: $reason"
        expect_match $output "*Fatal error loading the DB, check server logs. Exiting.*"
    }
}

test "old versions are read" {
    file mkdir $::folder/old
    set expiring "\xfd\xff\xff\xff\x7f\x00\x01a\x01b"
    write_file $::folder/old/dump.rdb "REDIS0003\xfe\x00$expiring\x09\x01m\x07\x01\x01f\x01\x00v\xff\xff"
    lassign [start_in $::folder/old] pid c
    expect [$c GET a] b
    expect [$c EXPIRETIME a] 2147483647
    expect [$c HGETALL m] {f v}
    end $pid $c SHUTDOWN NOSAVE
}
