# SPDX-License-Identifier: BSD-3-Clause
#
# Clients that send and go, without a look at their replies: what has come here is run, though
# nobody hears of it.

tags quick

# Sends `count` SETs of keys with a prefix, in pieces that end anywhere, and is gone.
set sender {
import os, socket, sys
folder, port, count, prefix = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
if folder:
    os.chdir(folder)  # the kernel takes short names only
    s = socket.socket(socket.AF_UNIX)
    s.connect("gone.sock")
else:
    s = socket.create_connection(("127.0.0.1", port))
rest = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s%06d\r\n$1\r\nx\r\n" % (len(prefix) + 6, prefix, i)
                for i in range(count))
s.sendall(rest)
s.close()
}

# An empty folder: over TCP.
proc send_and_go {folder count {prefix k}} {
    spawn_wait [spawn /usr/bin/python3 -c $::sender $folder [srv port] $count $prefix]
}

foreach options {{} {io-threads 3 io-threads-do-reads yes io-threads-active always} {io-threads 3 io-threads-do-reads no io-threads-active always}} {
    with_server [list unixsocket gone.sock {*}$options] {
        test "as much as one read takes ($options)" {
            send_and_go "" 400
            wait_for {[r DBSIZE] == 400}
        }

        # What the sender's side of TCP still has is lost with the sender; a unix socket has no such
        # side. Stock ends such a client when its first write fails, and drops the rest.
        test "everything, over a unix socket ($options)" -only cogwheel {
            send_and_go [srv dir] 50000
            wait_for {[r DBSIZE] == 50000}
            wait_for {[regexp {connected_clients:1\r} [r INFO clients]]}
        }

        test "many at once ($options)" -only cogwheel -tags threads {
            set pids {}
            for {set i 0} {$i < 8} {incr i} {
                lappend pids [spawn /usr/bin/python3 -c $::sender [srv dir] 0 3000 p$i:]
            }
            foreach pid $pids { spawn_wait $pid }
            wait_for {[r DBSIZE] == 24000} -within 20000
            wait_for {[regexp {connected_clients:1\r} [r INFO clients]]}
        }

        test "who waited for a key and has gone takes nothing ($options)" {
            set c [client]
            client::send $c BLPOP list 0
            client::flush $c
            wait_for {[info_field blocked_clients] == 1}
            client::close $c
            wait_for {[info_field blocked_clients] == 0}
            r RPUSH list 1
            expect [r LLEN list] 1
        }

        test "a subscriber that has gone costs nothing ($options)" {
            set c [client]
            $c SUBSCRIBE channel
            client::close $c
            wait_for {[r PUBSUB NUMSUB channel] eq {channel 0}}
            expect [r PUBLISH channel x] 0
        }

        test "who has gone with a command that waits ($options)" -only cogwheel {
            set c [client]
            client::send_raw $c "[string repeat "SET k v\r\n" 100]BLPOP list 0\r\nSET after 1\r\n"
            client::close $c
            wait_for {[r EXISTS k] && [regexp {connected_clients:1\r} [r INFO clients]]}
            r RPUSH list 1
            expect [r LLEN list] 1
        }

        # Its worker waits while {gate} is there, and one event may wait: it is held at once.
        test "who has gone while it was held ($options)" -only cogwheel -needs python {
            r CONFIG SET gears-event-backlog 1
            r SET "{gate}" 1
            r RG.PYEXECUTE {
import time
def f(r):
    while execute('EXISTS', '{gate}'): time.sleep(0.002)
    execute('INCR', '{n}')
GB().foreach(f).register('k*', mode='async_local')}
            send_and_go [srv dir] 3000
            wait_for {[info_field gears_held_clients] == 1}
            r DEL "{gate}"
            wait_for {[r GET "{n}"] == 3000} -within 20000
            wait_for {[info_field gears_held_clients] == 0}
            expect [r DBSIZE] 3001
            foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
        }
    }
}
