# SPDX-License-Identifier: BSD-3-Clause
#
# DEBUG RESTART and CRASH-AND-RECOVER: the same process, anew.

tags quick

set ::folder [file join $::server::root restart-[pid]]

# The server is gone and has come back: a connection of the old one has closed, the new one answers.
proc restart {args} {
    set asker [client]
    set other [client]
    expect_error "connection closed*" {$asker DEBUG {*}$args}
    expect_error "*closed*" {
        $other PING
        $other PING
    }
    wait_for {![catch {set c [client]; $c PING} reply] && $reply eq "PONG"}
}

proc again {args} {
    set c [client]
    set reply [$c {*}$args]
    client::close $c
    return $reply
}


with_server {save {} set-proc-title yes} {
    test "RESTART: the options of now, the data as saved at the end" {
        set pid [info_field process_id]
        set run_id [info_field run_id]
        r CONFIG SET save "3600 1" maxmemory 123mb
        r SET k v
        restart RESTART
        expect [again GET k] v
        expect [lindex [again CONFIG GET maxmemory] 1] [expr {123 * 1024 * 1024}]
        regexp {process_id:(\d+)} [again INFO server] -> now
        expect $now $pid
        regexp {run_id:(\w+)} [again INFO server] -> now
        expect_true {$now ne $run_id}
        expect_match [srv log] "*User requested shutdown...*Saving the final RDB*bye bye*"
    }

    test "CRASH-AND-RECOVER: what was saved, and nothing later" {
        again FLUSHALL
        again SET saved 1
        again SAVE
        again SET later 1
        again CONFIG SET maxmemory 124mb
        set before [regexp -all "bye bye" [srv log]]
        set pid [srv pid]
        restart CRASH-AND-RECOVER
        expect [again KEYS *] saved
        expect [lindex [again CONFIG GET maxmemory] 1] [expr {123 * 1024 * 1024}]
        expect [regexp -all "bye bye" [srv log]] $before
        regexp {process_id:(\d+)} [again INFO server] -> now
        expect $now $pid
    }

    test "the new one waits as long as it is told" {
        foreach {word ms} {RESTART 300 CRASH-AND-RECOVER 300} {
            set start [clock milliseconds]
            restart $word $ms
            expect_true {[clock milliseconds] - $start >= $ms}
        }
        restart RESTART -5
        restart CRASH-AND-RECOVER 0 and more words
    }

    test "what isn't a number" {
        foreach word {RESTART CRASH-AND-RECOVER} {
            expect_error "ERR value is not an integer or out of range" {again DEBUG $word x}
            expect_error "ERR value is not an integer or out of range" {
                again DEBUG $word 9223372036854775808
            }
        }
        expect [again PING] PONG
    }

    test "others' writes of the same moment are in or aren't answered" {
        set writer [client]
        client::send_raw $writer "SET before 1\r\n"
        expect [client::receive $writer] OK
        restart RESTART
        expect [again GET before] 1
    }

    test "within a transaction" {
        set c [client]
        $c MULTI
        $c SET in multi
        $c DEBUG RESTART
        expect_error "connection closed*" {$c EXEC}
        wait_for {![catch {again PING}]}
        expect [again GET in] multi
    }

    test "a child that saves ends with it" -only cogwheel {
        again CONFIG SET rdb-key-save-delay 100000
        again DEBUG POPULATE 100
        again BGSAVE
        restart CRASH-AND-RECOVER
        expect [glob -nocomplain -directory [srv dir] temp-*.rdb] {}
        regexp {rdb_bgsave_in_progress:(\d)} [again INFO persistence] -> saving
        expect $saving 0
    }

    test "nothing of the old one stays open" -only cogwheel {
        set count [llength [glob /proc/[srv pid]/fd/*]]
        for {set i 0} {$i < 20} {incr i} {
            set many($i) [client]
            $many($i) PING
        }
        restart CRASH-AND-RECOVER
        array unset many
        wait_for {[llength [glob /proc/[srv pid]/fd/*]] <= $count + 1}
    }

    test "an end that fails is no end" {
        again CONFIG REWRITE
        set conf [srv dir]/redis.conf
        set text [server::read_file $conf]
        file delete $conf
        file mkdir $conf
        again SET k 2
        expect_error "ERR failed to restart the server. Check server logs." {again DEBUG RESTART}
        expect_match [srv log] "*Can't restart: configuration rewrite process failed: Is a directory*"
        file delete $conf
        set f [open $conf wb]
        puts -nonewline $f $text
        close $f
        file delete [srv dir]/dump.rdb
        file mkdir [srv dir]/dump.rdb/x
        expect_error "ERR failed to restart the server. Check server logs." {again DEBUG RESTART}
        expect_match [srv log] "*Can't restart: error preparing for shutdown*"
        file delete -force [srv dir]/dump.rdb
        expect [again GET k] 2
        restart RESTART
        expect [again GET k] 2
    }
}

with_server {io-threads 3 io-threads-do-reads yes io-threads-active always save {}} {
    test "with threads" -only cogwheel -tags threads {
        set pid [srv pid]
        for {set i 0} {$i < 3} {incr i} {
            restart RESTART
            restart CRASH-AND-RECOVER
        }
        regexp {process_id:(\d+)} [again INFO server] -> now
        expect $now $pid
    }

    test "with Python" -only cogwheel -needs python {
        again RG.PYEXECUTE "GB().foreach(lambda r: r).register('k*', mode='async_local')"
        again RG.PYEXECUTE "import os; os.environ\['GIVEN'] = 'x'; GB().count().run()"
        again SET k 1
        restart RESTART
        restart CRASH-AND-RECOVER
        set names {import os
def names(x): return [w for w in os.environ if w in ('GIVEN', 'COGWHEEL_RESTARTED')]
GB('ShardsIDReader').map(names).run()}
        expect [again RG.PYEXECUTE $names] {{{[]}} {}}
    }
}

# Relative paths are meant from where the server was started.
test "from the folder that it was started in" -only cogwheel {
    set folder $::folder
    file mkdir $folder/data
    set port [server::free_port]
    set f [open $folder/r.conf w]
    puts $f "port $port\ndir ./data\nsave \"\"\nenable-debug-command yes\nlatency-tracking no"
    close $f
    set pid [spawn sh -c "cd '$folder' && exec '$::server::binary' r.conf --appendonly no"]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    $c SET k v
    $c SAVE
    for {set i 0} {$i < 2} {incr i} {
        expect_error "connection closed*" {$c DEBUG CRASH-AND-RECOVER}
        wait_for {![catch {set c [client::open -port $port]; $c PING}]}
        expect [$c GET k] v
        expect [lindex [$c CONFIG GET dir] 1] $folder/data
    }
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

test "a configuration that can't be read again" -only cogwheel {
    set port [server::free_port]
    set pid [spawn sh -c "echo 'port $port' | '$::server::binary' - --enable-debug-command yes"]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    foreach word {RESTART CRASH-AND-RECOVER} {
        expect_error "ERR failed to restart the server. Check server logs." {$c DEBUG $word}
    }
    expect [$c PING] PONG
    catch {$c SHUTDOWN NOSAVE}
    expect_match [spawn_wait $pid] "*Can't restart: the configuration came from standard input*"
}
