# SPDX-License-Identifier: BSD-3-Clause
#
# Many connections at once, idle or hostile. They are made by a program beside the test, which
# says when all are there and keeps them until its input ends.

tags slow memory

set crowd {
import resource, socket, sys
port, count, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
sends = {
    "ping": b"PING\r\n",
    "nothing": b"",
    # as much as a stranger may announce
    "half": b"*10\r\n" + 9 * (b"$16384\r\n" + 16384 * b"x" + b"\r\n") + b"$16384\r\n" + 16000 * b"y",
    "inline": 60000 * b"z",
    "replies": 4000 * b"PING\r\n",
    "closed": b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc",
}[what]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft < count + 50:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 50, max(hard, count + 50)))
    except (ValueError, PermissionError):
        print(f"only {hard} files may be open here", flush=True)
        sys.exit()
crowd = []
for i in range(count):
    s = socket.create_connection(("127.0.0.1", port))
    crowd.append(s)
    s.settimeout(5)
    try:
        s.sendall(sends)
        if what == "ping":
            s.recv(7)
        if what == "closed":
            s.shutdown(socket.SHUT_WR)
    except (ConnectionError, socket.timeout):
        pass
print("there", flush=True)
sys.stdin.read()
}

# Makes the crowd, runs the body, sends it away.
proc with_crowd {count what body} {
    set pipe [open [list | /usr/bin/python3 -c $::crowd [srv port] $count $what] r+]
    try {
        expect [gets $pipe] there
        uplevel 1 $body
    } finally {
        close $pipe write
        catch {read $pipe}
        catch {close $pipe}
    }
}

# Over the test's own client, which counts.
proc connected {} {
    regexp {connected_clients:(\d+)} [r INFO clients] -> count
    return $count
}

with_server {maxclients 10100} {
    test "10,000 idle clients cost at most 10 MB" -only cogwheel {
        r PING
        set before [info_field used_memory]
        with_crowd 10000 ping {
            expect [connected] 10001
            wait_for {[info_field used_memory] - $before < 10 * 1024 * 1024}
            expect_match [info_field mem_clients_normal] {[0-9]*}
            expect [r PING] PONG
        }
        wait_for {[connected] == 1} -within 20000
    }

    test "10,000 connections that never say a word" {
        r PING
        with_crowd 10000 nothing {
            wait_for {[connected] == 10001}
            expect [r SET k v] OK
        }
        wait_for {[connected] == 1} -within 20000
    }

    test "2,000 that send half a request and say that no more will come" {
        with_crowd 2000 closed {
            wait_for {[connected] == 1} -within 20000
        }
        expect [r EXISTS k] 0
    }
}

# TSan notes on the side what was done to each word.
set tsan [expr {[regexp {build/tsan} $::server::binary] ? 5 : 1}]

with_server {requirepass secret} {
    foreach what {half inline replies nothing} {
        test "1,000 abusers without a password cost less than 64 MB: $what" -only cogwheel {
            r AUTH secret
            set before [srv rss]
            with_crowd 1000 $what {
                expect_true {[srv rss] - $before < $tsan * 64 * 1024 * 1024}
                expect_true {[info_field used_memory_peak] < 64 * 1024 * 1024}
                expect [r PING] PONG
            }
            wait_for {[connected] == 1} -within 20000
        }
    }
}

with_server {client-output-buffer-limit {normal 4mb 0 0}} {
    test "long pipelines that nobody reads" {
        r SET v [string repeat x 10000]
        set clients {}
        for {set i 0} {$i < 20} {incr i} {
            set c [client]
            catch {
                for {set k 0} {$k < 40} {incr k} {
                    client::send_raw $c [string repeat [client::encode {GET v}] 500]
                }
            }
            lappend clients $c
        }
        wait_for {[connected] == 1} -within 20000
        expect [r PING] PONG
        expect_true {[info_field used_memory_peak] < 300 * 1024 * 1024}
    }
}
