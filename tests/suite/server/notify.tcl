# SPDX-License-Identifier: BSD-3-Clause
#
# Keyspace notifications: notify-keyspace-events, its text, the two kinds of channels, classes,
# the order of messages, events of gears programs. What each command reports is compared with
# stock by tests/diff/events.py.

tags quick

proc listener {} {
    set c [client -resp 2]
    $c PSUBSCRIBE __key*
    return $c
}

# The next message: {channel text}.
proc event {c} {
    return [lrange [client::receive $c] 2 3]
}

with_server {notify-keyspace-events KEA} {
    test "both channels, the event's before the key's" {
        set c [listener]
        r SET k v
        expect [event $c] {__keyspace@0__:k set}
        expect [event $c] {__keyevent@0__:set k}
        r SELECT 5
        r SADD "a b" x
        r SELECT 0
        expect [event $c] {{__keyspace@5__:a b} sadd}
        expect [event $c] {__keyevent@5__:sadd {a b}}
    }

    test "the option's text is put in order" {
        foreach {given shown} {
            KEA AKE AKE AKE K K Kx xK g\$lshzxetd A g\$lshzxetdmn Am KEAmn AKEm nmKEg\$ g\$nKEm
            Kmndtexzhsl\$g AKm g\$lshzxet g\$lshzxet m m n n Kd dK AAKKEE AKE {} {}
        } {
            r CONFIG SET notify-keyspace-events $given
            expect [lindex [r CONFIG GET notify-keyspace-events] 1] $shown
        }
        expect_error "*Invalid event class character. Use 'Ag\$lshzxeKEtmdn'." {
            r CONFIG SET notify-keyspace-events KEQ
        }
        expect [lindex [r CONFIG GET notify-keyspace-events] 1] {}
        r CONFIG SET notify-keyspace-events KEA
    }

    test "K and E choose the channels, letters the classes" {
        set c [listener]
        with_config {notify-keyspace-events K$} {
            r SET k v
            r DEL k
            r SADD s x
            expect [event $c] {__keyspace@0__:k set}
        }
        with_config {notify-keyspace-events Eg} {
            r SET k v
            r DEL k
            expect [event $c] {__keyevent@0__:del k}
        }
        with_config {notify-keyspace-events g$} {
            r SET k v
            r DEL k
        }
        with_config {notify-keyspace-events Emn} {
            r GET missing
            expect [event $c] {__keyevent@0__:keymiss missing}
            r SET k v
            expect [event $c] {__keyevent@0__:new k}
        }
    }

    test "an expired key is told" {
        set c [listener]
        with_config {notify-keyspace-events Ex} {
            r SET k v PX 5
            expect [event $c] {__keyevent@0__:expired k}
        }
    }

    test "a transaction's events come in the order of its commands" {
        set c [listener]
        with_config {notify-keyspace-events EA} {
            r MULTI
            r SET a 1
            r INCR a
            r DEL a
            r EXEC
            foreach want {set incrby del} {
                expect [event $c] [list __keyevent@0__:$want a]
            }
        }
    }

    test "what a gears program changes is told, from whatever thread" -needs python {
        set c [listener]
        with_config {notify-keyspace-events E$} {
            r RG.PYEXECUTE "def f(x):\n  for i in range(100): execute('SET', 'g%d' % i, 'x')\n  return\
                x\nGB('ShardsIDReader').map(f).run()"
            for {set i 0} {$i < 100} {incr i} {
                expect [event $c] [list __keyevent@0__:set g$i]
            }
        }
    }
}
