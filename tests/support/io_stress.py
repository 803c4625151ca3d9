#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many connections at once that say anything, cut anywhere, and check each byte that comes back.

usage: io_stress.py PORT SEED STEPS CLIENTS [FOLDER TLS-PORT]

Each connection has keys of its own and a model of them, so that the reply to each request is known
when it is sent. Requests are queued as bytes and leave in pieces of any size; replies are read in
pieces, too, or not for a while. Connections block and are unblocked, run transactions, send large
values, half a request, too much of something, and hang up in every state. Meanwhile
I/O threads, if there are any, are called and sent to rest, so that connections change hands. FOLDER
has ca.crt, client.crt and client.key: then every other connection speaks TLS.

Prints `ok REQUESTS` or what is wrong, and exits accordingly.
"""
import os
import random
import select
import socket
import ssl
import sys
import time

PATIENCE_S = 100


def request(*words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        w = w if isinstance(w, bytes) else str(w).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


def bulk(value):
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


class Wrong(Exception):
    pass


class Connection:
    """One client: what it is to send, what is to come back, and its keys as they will be then."""
    count = 0

    def __init__(self, run, tls):
        Connection.count += 1
        self.run, self.name = run, Connection.count
        self.keys, self.lists, self.number = {}, {}, 0
        self.out, self.expected, self.lazy_until = bytearray(), bytearray(), 0
        self.requests = 0
        s = socket.create_connection(("127.0.0.1", run.tls_port if tls else run.port), PATIENCE_S)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = run.tls.wrap_socket(s) if tls else s
        self.sock.setblocking(False)

    def say(self, reply, *words):
        self.requests += 1
        self.out += request(*words)
        self.expected += reply

    def key(self):
        return "%d:k%d" % (self.name, self.run.rand.randrange(4))

    def value(self):
        rand = self.run.rand
        size = rand.choice((0, 1, 8, 100, 100, 1000, 5000, 17000, 40000, 200000))
        return rand.choice((b"x", b"\r\n", b"$1\r\n", b"*")) * (size // 2)

    # Each adds requests and what is to come of them.

    def op_set(self):
        k, v = self.key(), self.value()
        self.keys[k] = v
        self.say(b"+OK\r\n", "SET", k, v)

    def op_get(self):
        k = self.key()
        self.say(bulk(self.keys.get(k)), "GET", k)

    def op_incr(self):
        self.number += 1
        self.say(b":%d\r\n" % self.number, "INCR", "%d:n" % self.name)

    def op_mget(self):
        ks = [self.key() for _ in range(self.run.rand.randrange(1, 7))]
        reply = b"*%d\r\n" % len(ks) + b"".join(bulk(self.keys.get(k)) for k in ks)
        self.say(reply, "MGET", *ks)

    def op_inline(self):
        self.requests += 1
        self.out += b"PING\r\n"
        self.expected += b"+PONG\r\n"

    def op_empty(self):
        self.out += self.run.rand.choice((b"\r\n", b"*0\r\n", b"*-1\r\n"))

    def op_error(self):
        self.say(b"-ERR wrong number of arguments for 'get' command\r\n", "GET")

    def op_pipeline(self):
        for _ in range(self.run.rand.choice((10, 63, 64, 65, 200, 700))):
            self.op_incr()

    def op_multi(self):
        self.say(b"+OK\r\n", "MULTI")
        n = self.run.rand.randrange(5)
        for _ in range(n):
            self.say(b"+QUEUED\r\n", "INCR", "%d:n" % self.name)
        reply = b"*%d\r\n" % n
        for _ in range(n):
            self.number += 1
            reply += b":%d\r\n" % self.number
        self.say(reply, "EXEC")

    def op_block(self):
        """Waits for what another connection pushes, with more requests behind it."""
        k, v = "b:%d:%d" % (self.name, self.requests), b"%d" % self.run.rand.randrange(10 ** 9)
        timed_out = self.run.rand.random() < 0.2
        if timed_out:
            self.say(b"*-1\r\n", "BLPOP", k, "0.01")
        else:
            self.say(b"*2\r\n" + bulk(k.encode()) + bulk(v), "BLPOP", k, "0")
            self.run.pushes.append((k, v))
        for _ in range(self.run.rand.randrange(3)):
            self.op_incr()

    def op_skip(self):
        self.number += 1
        self.out += request("CLIENT", "REPLY", "SKIP") + request("INCR", "%d:n" % self.name)

    def op_lazy(self):
        self.lazy_until = self.run.steps + 30

    OPS = ["set"] * 4 + ["get"] * 6 + ["incr"] * 6 + ["mget", "inline", "empty", "error", "block",
                                                      "multi", "skip", "pipeline", "lazy"]

    def grow(self):
        getattr(self, "op_" + self.run.rand.choice(self.OPS))()

    def send(self):
        if not self.out:
            return
        size = self.run.rand.choice((1, 3, 20, 500, 20000, 1 << 20))
        try:
            sent = self.sock.send(bytes(self.out[:size]))
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        del self.out[:sent]

    def read(self):
        try:
            got = self.sock.recv(self.run.rand.choice((1, 100, 70000)))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not got:
            raise Wrong("connection %d was closed" % self.name)
        if self.expected[:len(got)] != got:
            at = os.path.commonprefix([bytes(self.expected[:len(got)]), got])
            raise Wrong("connection %d got %r where %r was to come" % (
                self.name, got[len(at):][:60], bytes(self.expected[len(at):][:60])))
        del self.expected[:len(got)]
        return True

    def is_done(self):
        return not self.out and not self.expected


class Run:
    def __init__(self, port, seed, clients, folder=None, tls_port=0):
        self.rand = random.Random(seed)
        self.port, self.folder, self.tls_port = port, folder, int(tls_port)
        self.steps, self.pushes, self.requests = 0, [], 0
        if folder:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.check_hostname = False
            self.tls.load_verify_locations(folder + "/ca.crt")
            self.tls.load_cert_chain(folder + "/client.crt", folder + "/client.key")
        self.admin = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.ask("FLUSHALL")
        self.clients = [self.connect() for _ in range(clients)]

    def connect(self):
        return Connection(self, bool(self.folder) and self.rand.random() < 0.5)

    def ask(self, *words):
        """A request of the administrator; its reply, which is one line."""
        self.admin.sendall(request(*words))
        got = b""
        while not got.endswith(b"\r\n"):
            part = self.admin.recv(4096)
            if not part:
                raise Wrong("the administrator was sent away")
            got += part
        return got

    def push_some(self, all_of_them=False):
        while self.pushes and (all_of_them or self.rand.random() < 0.3):
            k, v = self.pushes.pop(0)
            self.ask("RPUSH", k, v)

    def hang_up(self):
        """One goes, in whatever state it is; another comes."""
        at = self.rand.randrange(len(self.clients))
        old = self.clients[at]
        how = self.rand.randrange(4)
        if how == 0:
            old.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == 1 and not isinstance(old.sock, ssl.SSLSocket):
            old.sock.shutdown(socket.SHUT_WR)
        elif how == 2:
            # Both ends: a port here may lead to the server's plain port and to its TLS port at once.
            here, there = ("%s:%d" % end for end in (old.sock.getsockname(), old.sock.getpeername()))
            self.ask("CLIENT", "KILL", "ADDR", here, "LADDR", there)
        old.sock.close()
        self.requests += old.requests
        self.clients[at] = self.connect()

    def administer(self):
        what = self.rand.randrange(8)
        if what == 0:
            self.hang_up()
        elif what == 1:
            self.ask("CLIENT", "PAUSE", "5", self.rand.choice(("ALL", "WRITE")))
        elif what == 2:
            self.ask("BGSAVE")
        elif what == 3:
            self.ask("PUBLISH", "c", "m")
        elif what == 4:
            self.ask("CONFIG", "SET", "maxmemory-clients", self.rand.choice(("0", "10gb")))
        elif what in (5, 6):
            self.ask("CONFIG", "SET", "io-threads-active", self.rand.choice(("always", "never")))

    def step(self):
        self.steps += 1
        for c in self.clients:
            if len(c.out) < 100000 and self.rand.random() < 0.3:
                c.grow()
            c.send()
            if c.lazy_until < self.steps:
                c.read()
        self.push_some()
        if self.rand.random() < 0.1:
            self.administer()

    def finish(self):
        """All that was asked is answered."""
        end = time.monotonic() + PATIENCE_S
        waiting = list(self.clients)
        while waiting:
            self.push_some(True)
            for c in waiting:
                c.send()
                while c.read():
                    pass
            waiting = [c for c in waiting if not c.is_done()]
            if time.monotonic() > end:
                c = waiting[0]
                raise Wrong("%d connections got no reply; the first sent all but %d bytes and waits "
                            "for %r" % (len(waiting), len(c.out), bytes(c.expected[:60])))
            if waiting:
                select.select([c.sock for c in waiting], [], [], 0.01)
        for c in self.clients:
            self.requests += c.requests
            c.sock.close()


def main():
    port, seed, steps, clients = (int(w) for w in sys.argv[1:5])
    run = Run(port, seed, clients, *sys.argv[5:7])
    try:
        for _ in range(steps):
            run.step()
        run.finish()
    except (Wrong, OSError) as e:
        print("seed %d, step %d: %s" % (seed, run.steps, e))
        return 1
    print("ok %d" % run.requests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
