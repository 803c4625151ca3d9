# SPDX-License-Identifier: BSD-3-Clause
#
# Channels, patterns and shard channels: subscriptions, messages, the subscriber mode of RESP2,
# PUBSUB, what CLIENT and INFO show, ends of subscribers.

tags quick

# The next message or reply of a subscriber, typed, whatever the protocol. In RESP3 it is a push,
# which is set aside while replies are read.
proc heard {c resp} {
    if {$resp == 3} { return [lindex [client::next_push $c] 1] }
    return [lindex [client::receive_typed $c] 1]
}

proc said {c resp args} {
    client::send $c {*}$args
    return [heard $c $resp]
}

with_server {} {
    test "SUBSCRIBE, PSUBSCRIBE and their ends count subscriptions" -resp {2 3} {
        set c [client -resp [resp]]
        expect [said $c [resp] SUBSCRIBE a b a] {{bulk subscribe} {bulk a} {int 1}}
        expect [heard $c [resp]] {{bulk subscribe} {bulk b} {int 2}}
        expect [heard $c [resp]] {{bulk subscribe} {bulk a} {int 2}}
        expect [said $c [resp] PSUBSCRIBE p*] {{bulk psubscribe} {bulk p*} {int 3}}
        expect [said $c [resp] SSUBSCRIBE s] {{bulk ssubscribe} {bulk s} {int 1}}
        expect [said $c [resp] UNSUBSCRIBE nosuch] {{bulk unsubscribe} {bulk nosuch} {int 3}}
        expect [said $c [resp] UNSUBSCRIBE a] {{bulk unsubscribe} {bulk a} {int 2}}
        expect [said $c [resp] UNSUBSCRIBE] {{bulk unsubscribe} {bulk b} {int 1}}
        expect [said $c [resp] PUNSUBSCRIBE] {{bulk punsubscribe} {bulk p*} {int 0}}
        expect [said $c [resp] SUNSUBSCRIBE] {{bulk sunsubscribe} {bulk s} {int 0}}
        set null [expr {[resp] == 3 ? "null" : "null_bulk"}]
        expect [said $c [resp] UNSUBSCRIBE] [list {bulk unsubscribe} $null {int 0}]
        expect [said $c [resp] PUNSUBSCRIBE] [list {bulk punsubscribe} $null {int 0}]
        expect [said $c [resp] SUNSUBSCRIBE] [list {bulk sunsubscribe} $null {int 0}]
    }

    test "messages reach channels, patterns and shard channels" -resp {2 3} {
        set c [client -resp [resp]]
        said $c [resp] SUBSCRIBE news
        said $c [resp] PSUBSCRIBE n?ws
        said $c [resp] SSUBSCRIBE news
        expect [r PUBLISH news hello] 2
        expect [heard $c [resp]] {{bulk message} {bulk news} {bulk hello}}
        expect [heard $c [resp]] {{bulk pmessage} {bulk n?ws} {bulk news} {bulk hello}}
        expect [r SPUBLISH news sharded] 1
        expect [heard $c [resp]] {{bulk smessage} {bulk news} {bulk sharded}}
        expect [r PUBLISH nobody hello] 0
        expect [r SPUBLISH nobody hello] 0
        set long [string repeat x 100000]
        expect [r PUBLISH news $long] 2
        expect [heard $c [resp]] [list {bulk message} {bulk news} [list bulk $long]]
        expect [lindex [heard $c [resp]] 3] [list bulk $long]
        expect [r PUBLISH news ""] 2
        expect [heard $c [resp]] {{bulk message} {bulk news} {bulk {}}}
    }

    test "RESP2: a subscriber may do little else" {
        set c [client]
        said $c 2 SUBSCRIBE a
        expect_error "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT\
            / RESET are allowed in this context" {$c GET x}
        expect_error "ERR Can't execute 'client|info': only*" {$c CLIENT INFO}
        expect_error "EXECABORT Transaction discarded because of: Can't execute 'exec'*" {$c EXEC}
        expect_error "ERR wrong number of arguments for 'get' command" {$c GET}
        expect_error "ERR unknown command 'nosuch'*" {$c nosuch}
        expect [client::typed $c PING] {array {{bulk pong} {bulk {}}}}
        expect [client::typed $c PING hi] {array {{bulk pong} {bulk hi}}}
        expect [said $c 2 UNSUBSCRIBE] {{bulk unsubscribe} {bulk a} {int 0}}
        expect [client::typed $c PING] {simple PONG}
        expect [client::typed $c PING hi] {bulk hi}
        said $c 2 SSUBSCRIBE a
        expect_error "ERR Can't execute 'publish'*" {$c PUBLISH a b}
        expect [$c RESET] RESET
        expect [$c GET x] (nil)
        expect [r SPUBLISH a b] 0
    }

    test "RESP3: a subscriber may do everything" {
        set c [client -resp 3]
        said $c 3 SUBSCRIBE a
        expect [client::typed $c GET x] {null}
        expect [client::typed $c PING] {simple PONG}
        expect [$c PUBLISH a hello] 1
        expect [heard $c 3] {{bulk message} {bulk a} {bulk hello}}
        expect_match [$c CLIENT INFO] "*flags=P*sub=1 psub=0 ssub=0*"
        $c HELLO 2
        expect_error "ERR Can't execute 'get'*" {$c GET x}
    }

    test "a subscription within a transaction" {
        set c [client]
        $c MULTI
        foreach request {{SUBSCRIBE z} {PING} {PUBLISH z hi}} { expect [$c {*}$request] QUEUED }
        client::send_raw $c "*1\r\n\$4\r\nEXEC\r\n"
        set want "*3\r\n*3\r\n\$9\r\nsubscribe\r\n\$1\r\nz\r\n:1\r\n"
        append want "*2\r\n\$4\r\npong\r\n\$0\r\n\r\n"
        append want "*3\r\n\$7\r\nmessage\r\n\$1\r\nz\r\n\$2\r\nhi\r\n:1\r\n"
        expect [client::read_raw $c [string length $want]] $want
    }

    test "PUBSUB looks at channels" -resp {2 3} {
        set c [client -resp 2]
        expect [r PUBSUB CHANNELS] {}
        expect [r PUBSUB NUMPAT] 0
        client::send $c SUBSCRIBE foo bar
        client::send $c PSUBSCRIBE f* g*
        client::send $c SSUBSCRIBE sfoo
        for {set i 0} {$i < 5} {incr i} { client::receive $c }
        set d [client -resp 2]
        said $d 2 SUBSCRIBE foo
        said $d 2 PSUBSCRIBE f*
        expect_set [r PUBSUB CHANNELS] {foo bar}
        expect [r PUBSUB CHANNELS f*] foo
        expect [r PUBSUB NUMSUB foo bar nosuch] {foo 2 bar 1 nosuch 0}
        expect [r PUBSUB NUMSUB] {}
        expect [r PUBSUB NUMPAT] 2
        expect [r PUBSUB SHARDCHANNELS] sfoo
        expect [r PUBSUB SHARDCHANNELS x*] {}
        said $d 2 SUBSCRIBE {}
        expect_set [r PUBSUB CHANNELS] {foo bar {}}
        expect_set [r PUBSUB CHANNELS *] {foo bar}
        said $d 2 UNSUBSCRIBE {}
        expect [r PUBSUB SHARDNUMSUB sfoo foo] {sfoo 1 foo 0}
        expect_error "ERR wrong number of arguments for 'pubsub|numpat' command" {r PUBSUB NUMPAT x}
        expect_error "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try\
            PUBSUB HELP." {r PUBSUB CHANNELS a b}
        expect_error "ERR wrong number of arguments for 'pubsub' command" {r PUBSUB}
        expect_error "ERR unknown subcommand 'nosuch'. Try PUBSUB HELP." {r PUBSUB nosuch}
        expect_match [lindex [r PUBSUB HELP] 0] "PUBSUB <subcommand>*"
        expect [info_field pubsub_channels] 2
        expect [info_field pubsub_patterns] 2
        expect [info_field pubsubshard_channels] 1
        client::close $c
        client::close $d
        wait_for {[r PUBSUB NUMPAT] == 0}
        expect [r PUBSUB CHANNELS] {}
        expect [r PUBSUB SHARDCHANNELS] {}
    }

    test "CLIENT LIST and KILL know subscribers" {
        set c [client]
        said $c 2 SUBSCRIBE a
        said $c 2 PSUBSCRIBE b
        said $c 2 SSUBSCRIBE c
        set list [split [string trim [r CLIENT LIST TYPE pubsub]] \n]
        expect [llength $list] 1
        expect_match $list "*flags=P*sub=1 psub=1 ssub=1*cmd=ssubscribe*"
        expect [r CLIENT KILL TYPE pubsub] 1
        expect [r CLIENT LIST TYPE pubsub] ""
        wait_for {[r PUBLISH a x] == 0}
    }

    test "a subscriber that doesn't read is ended by its own limits" -tags {slow} {
        with_config {client-output-buffer-limit "pubsub 1mb 0 0"} {
            set c [client]
            said $c 2 SUBSCRIBE a
            set text [string repeat x 50000]
            wait_for {[r PUBLISH a $text] == 0}
        }
    }

    test "many subscriptions of one client, many clients of one channel" {
        set c [client]
        set names {}
        for {set i 0} {$i < 5000} {incr i} { lappend names ch:$i }
        client::send $c SUBSCRIBE {*}$names
        foreach name $names { client::receive $c }
        expect [info_field pubsub_channels] 5000
        set others {}
        for {set i 0} {$i < 50} {incr i} {
            set d [client -resp [expr {2 + $i % 2}]]
            said $d [expr {2 + $i % 2}] SUBSCRIBE ch:7
            lappend others $d
        }
        client::send $c UNSUBSCRIBE {*}[lrange $names 0 4]
        for {set i 0} {$i < 5} {incr i} { client::receive $c }
        expect [r PUBLISH ch:7 x] 51
        for {set i 0} {$i < 50} {incr i} {
            set d [lindex $others $i]
            expect [heard $d [expr {2 + $i % 2}]] {{bulk message} {bulk ch:7} {bulk x}}
        }
        foreach d [lrange $others 10 19] { client::close $d }
        wait_for {[r PUBSUB NUMSUB ch:7] eq {ch:7 41}}
        client::send $c UNSUBSCRIBE
        client::flush $c
        wait_for {[info_field pubsub_channels] == 1}
    }

    test "sync callbacks publish in order with their causes" -needs python -only cogwheel {
        set c [client]
        said $c 2 SUBSCRIBE ch
        r RG.PYEXECUTE "GB().foreach(lambda x: execute('PUBLISH', 'ch', x\['key'])).register('k*',\
            mode='sync')"
        set w [client]
        for {set i 0} {$i < 100} {incr i} {
            client::send $w SET k$i v
            client::send $w PUBLISH ch main$i
        }
        for {set i 0} {$i < 200} {incr i} { client::receive $w }
        for {set i 0} {$i < 100} {incr i} {
            expect [heard $c 2] [list {bulk message} {bulk ch} [list bulk k$i]]
            expect [heard $c 2] [list {bulk message} {bulk ch} [list bulk main$i]]
        }
    }

    test "SUBSCRIBE needs names" {
        foreach cmd {SUBSCRIBE PSUBSCRIBE SSUBSCRIBE} {
            expect_error "ERR wrong number of arguments for '*subscribe' command" {r $cmd}
        }
        expect_error "ERR wrong number of arguments for 'publish' command" {r PUBLISH a}
    }

    test "in a transaction, SSUBSCRIBE alone is refused" -resp {2 3} {
        set c [client -resp [resp]]
        foreach cmd {MULTI {SSUBSCRIBE s} {SUBSCRIBE a} {PSUBSCRIBE p*} {SUNSUBSCRIBE s}} {
            $c {*}$cmd
        }
        client::send_raw $c "EXEC\r\nQUIT\r\n"
        set got [client::read_all $c]
        expect_match $got "*-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n*"
        expect_match $got "*subscribe\r\n?1\r\na\r\n:1\r\n*psubscribe\r\n?2\r\np\*\r\n:2\r\n*"
        expect_match $got "*sunsubscribe\r\n?1\r\ns\r\n:0\r\n*"
    }
}
