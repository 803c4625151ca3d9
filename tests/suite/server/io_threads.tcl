# SPDX-License-Identifier: BSD-3-Clause
#
# I/O threads: the options and what INFO tells; clients in every state that a thread can meet them
# in; and many clients at once that say anything (support/io_stress.py), with TLS and without. Other
# files are run with `--option 'io-threads 4'` as well, by tests/all.

tags quick threads

source -encoding utf-8 [file join [file dirname [info script]] ../../support/tls.tcl]

# Of these threads, none rests.
set four {io-threads 4 io-threads-do-reads yes io-threads-active always}

proc thread_names {} {
    set names {}
    foreach path [glob /proc/[srv pid]/task/*/comm] {
        lappend names [string trim [server::read_file $path]]
    }
    return [lsort [lsearch -all -inline $names io_thd_*]]
}

# Fails to start; returns the reason.
proc refused {args} {
    catch {exec timeout 20 $::server::binary --port 0 --save "" {*}$args < /dev/null 2>@1} output
    regexp {>>> '[^']*'\n([^\n]*)} $output -> reason
    return $reason
}

proc connected {} {
    regexp -all {id=} [r CLIENT LIST]
}

proc stress {steps clients args} {
    set rounds [expr {"threads" in $::suite::want_tags || "quick" in $::suite::want_tags ? 1 : 3}]
    for {set i 0} {$i < $rounds} {incr i} {
        set pid [spawn [file join $::here support/io_stress.py] [srv port] [rand_int 1000000] \
            $steps $clients {*}$args]
        expect_match [spawn_wait $pid 120000] "ok *"
    }
    wait_for {[connected] == 1}
    expect [info_field blocked_clients] 0
}

# Whether I/O threads read and write for the test's own client: `reads` and `writes` of them that
# some commands took.
proc threaded {} {
    r CONFIG RESETSTAT
    for {set i 0} {$i < 20} {incr i} { r PING }
    list [expr {[info_field io_threaded_reads_processed] >= 20}] \
        [expr {[info_field io_threaded_writes_processed] >= 20}]
}

# What is compared to keep main busy: a load of it takes some hundred milliseconds, in sanitizer
# builds as well.
set text_half [expr {$::suite::slow_factor > 1 ? 500 : 1500}]

proc set_texts {} {
    r SET a [string repeat ab $::text_half]
    r SET b [string repeat ba $::text_half]
}

# Begins comparisons that keep main busy for a while, and awaits as many.
proc compare {c {first no}} {
    for {set i 0} {$i < 30} {incr i} { client::send $c LCS a b LEN }
    client::flush $c
    if {$first} { return [compare $c] }
    for {set i 0} {$i < 30} {incr i} { expect [client::receive $c] [expr {2 * $::text_half - 1}] }
    return 1
}

test "bounds" {
    set bounds "argument must be between 1 and 128 inclusive"
    expect [refused --io-threads 0] $bounds
    expect [refused --io-threads 129] $bounds
    expect [refused --io-threads -1] $bounds
    expect [refused --io-threads x] "argument couldn't be parsed into an integer"
    expect [refused --io-threads-do-reads maybe] "argument must be 'yes' or 'no'"
    expect [refused --io-threads-active maybe] \
        "argument(s) must be one of the following: auto, always, never"
}

with_server {io-threads 1 io-threads-do-reads no} {
    test "without the option main does all of it" {
        expect_map [r CONFIG GET io-threads*] \
            {io-threads 1 io-threads-do-reads no io-threads-active auto}
        foreach {name value} {io-threads 2 io-threads-do-reads yes} {
            expect_error "ERR CONFIG SET failed (possibly related to argument '$name') - can't set\
                immutable config" {r CONFIG SET $name $value}
        }
        expect [thread_names] {}
        expect [info_field io_threads_active] 0
        expect_true {[info_field total_reads_processed] > 5}
        expect_true {[info_field total_writes_processed] > 5}
        expect [info_field io_threaded_reads_processed] 0
        expect [info_field io_threaded_writes_processed] 0
    }
}

with_server $four {
    test "threads have their names" {
        expect_map [r CONFIG GET io-threads*] $::four
        expect [thread_names] {io_thd_1 io_thd_2 io_thd_3}
    }

    test "INFO counts what they do" -only cogwheel {
        expect [info_field io_threads_active] 1
        r CONFIG RESETSTAT
        for {set i 0} {$i < 50} {incr i} { r ECHO [string repeat x 1000] }
        set text [r INFO]
        foreach direction {reads writes} {
            expect_true {[regexp "total_${direction}_processed:(\\d+)\r" $text -> all]}
            expect_true {[regexp "io_threaded_${direction}_processed:(\\d+)\r" $text -> theirs]}
            expect $theirs $all
            expect_true {$theirs >= 50}
        }
        expect_true {[info_field total_net_input_bytes] > 50000}
        expect_true {[info_field total_net_output_bytes] > 50000}
        r CONFIG RESETSTAT
        expect_true {[info_field io_threaded_reads_processed] < 10}
        # Few processors: it is said, not decided.
        set few [expr {[exec nproc] <= 2}]
        expect [string match "*io-threads 4 on * processor*" [srv log]] $few
    }

    test "pipelines of every length, in one piece" {
        foreach n {1 2 63 64 65 127 128 129 1000 5000} {
            r DEL n
            set c [client]
            client::send_raw $c [string repeat "*2\r\n\$4\r\nINCR\r\n\$1\r\nn\r\n" $n]
            for {set i 1} {$i <= $n} {incr i} { expect [client::receive $c] $i }
            client::close $c
        }
    }

    test "a large argument in pieces, and what is behind it" {
        set value [string repeat 0123456789abcdef 200000]
        set c [client]
        client::send_raw $c "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$[string length $value]\r\n"
        for {set at 0} {$at < [string length $value]} {incr at 100000} {
            client::send_raw $c [string range $value $at $at+99999]
            expect [r PING] PONG
        }
        client::send_raw $c "\r\n*2\r\n\$6\r\nSTRLEN\r\n\$1\r\nk\r\n*1\r\n\$4\r\nPING\r\n"
        expect [client::receive $c] OK
        expect [client::receive $c] [string length $value]
        expect [client::receive $c] PONG
        expect [r GET k] $value
    }

    test "LIST sees what a client has sent and not finished" -only cogwheel {
        set c [client]
        $c CLIENT SETNAME half
        client::send_raw $c "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$100000\r\n[string repeat x 300]"
        wait_for {[regexp {name=half [^\n]*qbuf=(\d+) } [r CLIENT LIST] -> bytes] && $bytes > 300}
        client::send_raw $c [string repeat x 60000]
        wait_for {[regexp {name=half [^\n]*argv-mem=(\d+) } [r CLIENT LIST] -> bytes] &&
            $bytes > 60000}
        client::close $c
        wait_for {![string match "*name=half*" [r CLIENT LIST]]}
    }

    test "who blocks keeps its next requests, and may leave" {
        set c [client]
        client::send $c BLPOP list 0
        client::send $c INCR n
        client::flush $c
        await_blocked 1
        client::send $c INCR n
        client::flush $c
        expect [r GET n] (nil)
        r RPUSH list v
        expect [client::receive $c] {list v}
        expect [client::receive $c] 1
        expect [client::receive $c] 2

        client::send $c BLPOP list 0
        client::send $c INCR n
        client::flush $c
        await_blocked 1
        client::close $c
        await_blocked 0
        r RPUSH list v
        expect [r LRANGE list 0 -1] v
        expect [r GET n] 2
    }

    test "unblocked by a command of the same packet" {
        set c [client]
        set d [client]
        client::send $c BLPOP list 0
        client::send $c ECHO behind
        client::send $d RPUSH list a
        client::flush $c
        client::flush $d
        expect [client::receive $d] 1
        expect [client::receive $c] {list a}
        expect [client::receive $c] behind
    }

    test "KILL of who reads, waits, or is in the middle of a request" {
        r SET big [string repeat x 1000000]
        set reader [client]
        $reader CLIENT SETNAME victim
        for {set i 0} {$i < 30} {incr i} { client::send $reader GET big }
        client::flush $reader
        set half [client]
        $half CLIENT SETNAME victim
        client::send_raw $half "*2\r\n\$3\r\nGET\r\n\$5\r\nab"
        set waits [waiting BLPOP list 0]
        set idle [client]
        $idle PING
        # Those before have been seen off: a client that is listed is there to be killed.
        wait_for {[connected] == 5 && [regexp {omem=\d{7}} [r CLIENT LIST]]}
        foreach line [split [r CLIENT LIST] \n] {
            if {[regexp {^id=(\d+) } $line -> id] && $id != [r CLIENT ID]} {
                expect [r CLIENT KILL ID $id] 1
            }
        }
        foreach c [list $half $waits $idle] { expect_error *closed* {client::receive $c} }
        wait_for {[connected] == 1}
        expect [info_field blocked_clients] 0
    }

    test "the last reply reaches who says that it will send no more" {
        foreach bytes [list "PING\r\n" "*1\r\n\$4\r\nQUIT\r\n" "*1\r\n\$4\r\nNOPE\r\n" "*x\r\n"] {
            set c [client]
            client::send_raw $c $bytes
            chan close $::client::chan([client::id $c]) write
            expect_true {[string length [client::read_all $c 0]] > 3}
            client::close $c
        }
    }

    test "errors of the protocol come behind the replies before them, each client its own" {
        set all {}
        foreach char {a b c d e f} {
            set c [client]
            client::send_raw $c "*1\r\n\$4\r\nPING\r\n*1\r\n$char\r\n"
            lappend all $c $char
        }
        foreach {c char} $all {
            expect [client::read_all $c 0] \
                "+PONG\r\n-ERR Protocol error: expected '\$', got '$char'\r\n"
        }
    }

    test "a pause holds requests of all threads" {
        set all {}
        for {set i 0} {$i < 8} {incr i} { lappend all [client]; [lindex $all end] PING }
        r CLIENT PAUSE 100000 WRITE
        foreach c $all {
            client::send $c INCR n
            client::send $c GET n
            client::flush $c
        }
        await_blocked 8
        expect [r GET n] (nil)
        r CLIENT UNPAUSE
        set seen {}
        foreach c $all {
            lappend seen [client::receive $c]
            expect_true {[client::receive $c] >= [lindex $seen end]}
        }
        expect [lsort -integer $seen] {1 2 3 4 5 6 7 8}
    }

    test "pushes to clients of all threads, subscribed, monitoring, tracking" {
        set subscribers {}
        for {set i 0} {$i < 20} {incr i} {
            set c [client -resp 3]
            lappend subscribers $c
            client::send $c SUBSCRIBE ch
            client::next_push $c
        }
        set tracker [client -resp 3]
        $tracker CLIENT TRACKING ON
        $tracker GET k
        set monitor [client]
        expect [$monitor MONITOR] OK
        for {set i 0} {$i < 100} {incr i} { expect [r PUBLISH ch $i] 20 }
        r SET k v
        foreach c $subscribers {
            for {set i 0} {$i < 100} {incr i} { expect [client::plain [client::next_push $c]] "message ch $i" }
        }
        expect [client::plain [client::next_push $tracker]] {invalidate k}
        for {set i 0} {$i < 100} {incr i} {
            expect_match [client::receive $monitor] "*\"PUBLISH\" \"ch\" \"$i\""
        }
    }

    test "REPLY OFF and SKIP" {
        set c [client]
        client::send $c CLIENT REPLY OFF
        for {set i 0} {$i < 100} {incr i} { client::send $c INCR n }
        client::send $c CLIENT REPLY ON
        client::send $c CLIENT REPLY SKIP
        client::send $c INCR n
        client::send $c INCR n
        client::flush $c
        expect [client::receive $c] OK
        expect [client::receive $c] 102
    }

    test "limits of output and input, and the time of idle clients" {
        set before [info_field client_output_buffer_limit_disconnections]
        r SET big [string repeat x 1000000]
        with_config {client-output-buffer-limit {normal 20000000 0 0}} {
            set c [client]
            for {set i 0} {$i < 100} {incr i} { client::send $c GET big }
            client::flush $c
            wait_for {[connected] == 1}
            client::close $c
        }
        with_config {client-query-buffer-limit 1048576} {
            set c [client]
            catch {client::send_raw $c "*2\r\n\$4\r\nECHO\r\n\$4000000\r\n[string repeat x 3000000]"}
            wait_for {[connected] == 1}
            client::close $c
        }
        set c [client]
        $c PING
        with_config {timeout 1} {
            # Who sends a request in small pieces isn't idle.
            client::send_raw $c "*2\r\n\$4\r\nECHO\r\n\$1000000\r\n"
            set idle [client]
            $idle PING
            wait_for {
                [catch {client::send_raw $c x}] == 0 && [r PING] eq "PONG" &&
                [connected] == 2
            }
        }
        expect_error *closed* {client::receive $idle}
        expect [r PING] PONG
    }

    test "a password that comes while clients are there" {
        set old [client]
        $old PING
        r CONFIG SET requirepass secret
        set new [client]
        expect_error NOAUTH* {$new GET k}
        expect [$old ECHO hello] hello
        expect_match [raw_exchange "*11\r\n"] "-ERR Protocol error: unauthenticated multibulk*"
        client::send $new AUTH secret
        client::send $new MGET {*}[lrepeat 50 k]
        client::send $new ECHO [string repeat x 50000]
        client::flush $new
        expect [client::receive $new] OK
        expect [llength [client::receive $new]] 50
        expect [string length [client::receive $new]] 50000
        # Who came before the password went is free of a stranger's limits when it has gone.
        set third [client]
        expect_error NOAUTH* {$third GET k}
        r CONFIG SET requirepass ""
        expect [string length [$third ECHO [string repeat x 50000]]] 50000
    }

    test "a child process is none of the threads' business" {
        set c [client]
        for {set i 0} {$i < 5} {incr i} {
            for {set n 0} {$n < 500} {incr n} { client::send $c SET k:$n [string repeat x 2000] }
            client::flush $c
            r BGSAVE
            for {set n 0} {$n < 500} {incr n} { expect [client::receive $c] OK }
            wait_for {[info_field rdb_bgsave_in_progress] == 0}
            expect [info_field rdb_last_bgsave_status] ok
        }
    }

    test "many clients that say anything" { stress 400 30 }
}

with_server {io-threads 3 io-threads-do-reads yes server_cpulist 0} {
    test "threads run where the server may" {
        foreach path [glob /proc/[srv pid]/task/*] {
            if {![string match io_thd_* [server::read_file $path/comm]]} continue
            expect_match [server::read_file $path/status] "*\nCpus_allowed_list:\t0\n*"
        }
    }
}

with_server {io-threads 2 io-threads-do-reads yes io-threads-active always} {
    test "one thread beside main" { stress 200 10 }
}

with_server {io-threads 3 io-threads-do-reads no io-threads-active always} {
    test "threads that only write" {
        expect [thread_names] {io_thd_1 io_thd_2}
        stress 300 20
    }

    test "INFO tells that they only write" -only cogwheel {
        expect [info_field io_threaded_reads_processed] 0
        expect_true {[info_field io_threaded_writes_processed] > 0}
        # More than the socket takes.
        r SET big [string repeat x 3000000]
        set c [client]
        for {set i 0} {$i < 10} {incr i} { client::send $c GET big }
        client::flush $c
        wait_for {[regexp {omem=\d{7}} [r CLIENT LIST]]}
        for {set i 0} {$i < 10} {incr i} { expect [string length [client::receive $c]] 3000000 }
        client::send $c GET big
        client::send $c QUIT
        client::flush $c
        expect [string length [client::receive $c]] 3000000
        expect [client::receive $c] OK
        expect [client::read_all $c 0] ""
    }
}

with_server $four {
    test "what was answered leaves before the server does" -down yes {
        r SET k [string repeat x 200000]
        set all {}
        for {set i 0} {$i < 10} {incr i} {
            set c [client]
            client::send $c GET k
            client::flush $c
            lappend all $c
        }
        wait_for {[regexp {cmdstat_get:calls=10,} [r INFO commandstats]]}
        catch {r SHUTDOWN NOSAVE}
        foreach c $all { expect [string length [client::receive $c]] 200000 }
    }
}

with_server $four {
    test "an end in the middle of everything" -down yes {
        set pid [spawn [file join $::here support/io_stress.py] [srv port] 1 100000 20]
        wait_for {[info_field total_commands_processed] > 2000}
        catch {r SHUTDOWN NOSAVE}
        catch {spawn_wait $pid}
    }

    test "main waits for the data: clients of all threads are told so" -needs python -only cogwheel {
        with_config {busy-reply-threshold 100} {
            set all {}
            for {set i 0} {$i < 6} {incr i} { lappend all [client]; [lindex $all end] PING }
            set id [r RG.PYEXECUTE "def f(x):\n  with atomic():\n    while True: pass\n\
                \nGB('ShardsIDReader').map(f).run()" UNBLOCKING]
            wait_for {[catch {[lindex $all 0] PING} reply] && [string match BUSY* $reply]}
            foreach c $all {
                client::send $c GET k
                client::send $c GET k
                client::flush $c
            }
            foreach c $all {
                expect_error BUSY* {client::receive $c}
                expect_error BUSY* {client::receive $c}
            }
            set junk [client]
            client::send_raw $junk "*1\r\nx\r\n"
            expect_error "ERR Protocol error*" {client::receive $junk}
            expect [[lindex $all 1] RG.ABORTEXECUTION $id] OK
            wait_for {![catch {[lindex $all 0] PING} reply] && $reply eq "PONG"}
            foreach c $all { expect [$c GET k] (nil) }
        }
    }
}

foreach reads {yes no} {
    with_server [list io-threads 3 io-threads-do-reads $reads] {
        test "they rest while there is little to do, and are called, reading: $reads" -only cogwheel {
            # On a crowded machine main may have been held up a moment ago, and have called them.
            wait_for {[info_field io_threads_active] == 0 && [threaded] eq "0 0"} -every 500
            r CONFIG SET io-threads-active always
            expect [info_field io_threads_active] 1
            r PING
            expect [threaded] [list [expr {$::reads eq "yes"}] 1]
            r CONFIG SET io-threads-active never
            wait_for {[threaded] eq "0 0"}
            expect [info_field io_threads_active] 0
            expect_error "ERR CONFIG SET failed*" {r CONFIG SET io-threads-active 1}
        }

        test "much to do calls them, little sends them to rest, reading: $reads" -only cogwheel {
            r CONFIG SET io-threads-active auto
            set_texts
            set busy [client]
            # One load is always there beside the one that is awaited.
            compare $busy yes
            wait_for {[compare $busy] && [info_field io_threads_active] == 1}
            # To be asked is work as well, and much of it where all is slow.
            wait_for {[info_field io_threads_active] == 0} -every 500
            expect [r PING] PONG
        }

        test "a client that changes hands loses nothing of either side, reading: $reads" {
            r SET big [string repeat x 3000000]
            set c [client]
            set waits [client]
            client::send $waits BLPOP list 0
            client::flush $waits
            await_blocked 1
            for {set i 0} {$i < 20} {incr i} {
                r CONFIG SET io-threads-active [lindex {always never} [expr {$i % 2}]]
                # Half a request, replies that the socket doesn't take, and more behind them.
                client::send_raw $c "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$100000\r\n[string repeat x 50000]"
                expect [r PING] PONG
                client::send_raw $c "[string repeat x 50000]\r\n"
                client::send $c GET big
                client::send $c STRLEN k
                client::flush $c
                expect [client::receive $c] OK
                expect [string length [client::receive $c]] 3000000
                expect [client::receive $c] 100000
            }
            r RPUSH list v
            expect [client::receive $waits] {list v}
            expect [$waits PING] PONG
        }

        test "killed, and gone, while they change hands, reading: $reads" {
            for {set i 0} {$i < 30} {incr i} {
                r CONFIG SET io-threads-active [lindex {always never} [expr {$i % 2}]]
                set all {}
                for {set n 0} {$n < 6} {incr n} { lappend all [client] }
                foreach c $all { expect [$c PING] PONG }
                r CONFIG SET io-threads-active [lindex {never always} [expr {$i % 2}]]
                foreach c $all {
                    client::send $c PING
                    client::send $c [lindex {PING QUIT BLPOP} [expr {$i % 3}]] list 0
                    client::flush $c
                }
                r CLIENT KILL TYPE normal SKIPME yes
                foreach c $all { client::close $c }
                wait_for {[connected] == 1}
            }
            expect [info_field blocked_clients] 0
        }
    }
}

with_server {io-threads 3 io-threads-do-reads yes server_cpulist 0} {
    test "main has much to do and half a processor: threads are called" -only cogwheel {
        set_texts
        set other [spawn taskset -c 0 sh -c {while :; do :; done}]
        # It has run for a while: user time, in hundredths of a second.
        wait_for {[lindex [split [server::read_file /proc/$other/stat]] 13] > 20}
        set busy [client]
        compare $busy yes
        wait_for {[compare $busy] && [info_field io_threads_active] == 1}
    }
}

make_authority ca
make_certificate server ca
make_certificate client ca

set tls_port [server::free_port]
proc tls_options {} {
    list tls-port $::tls_port tls-cert-file $::folder/server.crt \
        tls-key-file $::folder/server.key tls-ca-cert-file $::folder/ca.crt
}

foreach {reads threads} {yes 4 no 3} {
    with_server [list io-threads $threads io-threads-do-reads $reads io-threads-active always \
            {*}[tls_options]] {
        test "TLS beside what is plain, threads read: $reads" {
            stress 200 20 $::folder $::tls_port
        }

        test "handshakes that stop in the middle, threads read: $reads" {
            for {set i 0} {$i < 30} {incr i} {
                set c [client -port $::tls_port]
                client::send_raw $c [lindex [list "PING\r\n" "\x16\x03\x01" ""] [expr {$i % 3}]]
            }
            expect [r PING] PONG
            suite::close_clients
            wait_for {[connected] == 1}
        }
    }
}
