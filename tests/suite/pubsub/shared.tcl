# SPDX-License-Identifier: BSD-3-Clause
#
# Messages that many are sent are written once: all get theirs whole and in order, whoever reads
# late, ends or leaves; and they take memory once.

tags quick threads

# RESP3's messages are set aside while replies are read.
proc heard {c resp} {
    if {$resp == 3} { return [client::next_push $c] }
    return [client::receive_typed $c]
}

proc subscribe {c resp args} {
    client::send $c SUBSCRIBE {*}$args
    foreach name $args { heard $c $resp }
}

proc message {resp channel text} {
    list [expr {$resp == 3 ? "push" : "array"}] \
        [list {bulk message} [list bulk $channel] [list bulk $text]]
}

proc expect_all {c resp messages} {
    foreach m $messages { expect [heard $c $resp] $m }
}

proc mixed_readers {} {
    set clients {}
    foreach id {0 1 2 3 4 5 6 7 8 9} {
        set resp [expr {2 + $id % 2}]
        set c [client -resp $resp]
        subscribe $c $resp a
        if {$id < 6} { subscribe $c $resp b }
        lappend clients $c
        set want($c) {}
    }
    for {set i 0} {$i < 300} {incr i} {
        set channel [rand_pick {a a a b c}]
        set text $i:[string repeat x [expr {[rand_int 20] ? [rand_int 400] : [rand_int 40000]}]]
        set id 0
        set n 0
        foreach c $clients {
            if {$channel eq "a" || $channel eq "b" && $id < 6} {
                lappend want($c) [message [expr {2 + $id % 2}] $channel $text]
                incr n
            }
            incr id
        }
        expect [r PUBLISH $channel $text] $n
        # Some read at once, some now and then, the rest at the end.
        set id [rand_int 5]
        set c [lindex $clients $id]
        expect_all $c [expr {2 + $id % 2}] $want($c)
        set want($c) {}
    }
    set id 0
    foreach c $clients {
        expect_all $c [expr {2 + $id % 2}] $want($c)
        client::send $c PING
        client::receive $c
        client::close $c
        incr id
    }
}

with_server {} {
    test "readers of many kinds get what they should, in order" {
        mixed_readers
    }

    test "what was published before the end of a subscription comes before it" {
        set clients {}
        for {set i 0} {$i < 8} {incr i} {
            lappend clients [set c [client]]
            subscribe $c 2 a
        }
        set text [string repeat y 3000]
        foreach round {1 2} {
            foreach c $clients { client::send $c UNSUBSCRIBE }
            set p [client]
            client::send $p PUBLISH a $text$round
            client::receive $p
            foreach c $clients {
                set got [client::receive_typed $c]
                if {[lindex $got 1 0] eq {bulk message}} {
                    expect $got [message 2 a $text$round]
                    set got [client::receive_typed $c]
                }
                expect [lindex $got 1 0] {bulk unsubscribe}
                subscribe $c 2 a
            }
        }
        foreach c $clients { client::close $c }
        wait_for {[r PUBSUB CHANNELS] eq ""}
        expect [r PUBLISH a gone] 0
    }

    test "replies and messages of one client stay apart" {
        set clients {}
        for {set i 0} {$i < 6} {incr i} {
            lappend clients [set c [client -resp 3]]
            subscribe $c 3 a
        }
        set c [lindex $clients 0]
        for {set i 0} {$i < 50} {incr i} {
            client::send $c ECHO [string repeat e [expr {$i * 50}]]
            client::send $c PUBLISH a m$i
        }
        for {set i 0} {$i < 50} {incr i} {
            expect [client::receive $c] [string repeat e [expr {$i * 50}]]
            expect [client::receive $c] 6
        }
        for {set i 0} {$i < 50} {incr i} { expect [heard $c 3] [message 3 a m$i] }
    }

    test "messages that wait for many readers take memory once" -only cogwheel {
        set clients {}
        for {set i 0} {$i < 40} {incr i} {
            lappend clients [set c [client]]
            subscribe $c 2 a
        }
        set before [info_field used_memory]
        set text [string repeat z 1000000]
        for {set i 0} {$i < 20} {incr i} { expect [r PUBLISH a $text] 40 }
        expect_true {[info_field used_memory] - $before < 60000000}
        # Each is charged with a part of it, and all of them with not much more than there is.
        expect_true {[info_field mem_clients_normal] < [info_field used_memory]}
        set sum 0
        foreach line [split [string trim [r CLIENT LIST TYPE pubsub]] \n] {
            regexp {omem=(\d+)} $line -> omem
            incr sum $omem
        }
        expect_true {$sum > 5000000 && $sum < 60000000}
        foreach c [lrange $clients 0 1] {
            for {set i 0} {$i < 20} {incr i} { expect [client::receive $c] [list message a $text] }
        }
        foreach c [lrange $clients 2 end] { client::close $c }
        wait_for {[info_field used_memory] - $before < 3000000}
    }

    test "one that doesn't read is ended, and the others get everything" {
        with_config {client-output-buffer-limit "pubsub 4mb 0 0"} {
            set clients {}
            for {set i 0} {$i < 6} {incr i} {
                lappend clients [set c [client]]
                subscribe $c 2 a
            }
            set text [string repeat w 100000]
            set sent 0
            while {[r PUBLISH a $text] == 6} {
                foreach c [lrange $clients 1 end] {
                    expect [client::receive $c] [list message a $text]
                }
                if {[incr sent] > 1000} { error "nobody was ended" }
            }
            foreach c [lrange $clients 1 end] { expect [client::receive $c] [list message a $text] }
        }
    }
}

with_server {io-threads 4 io-threads-do-reads yes} {
    test "readers of many kinds, whom threads write to" {
        mixed_readers
    }
}
