# SPDX-License-Identifier: BSD-3-Clause
"""What it costs to tell many: PUBLISH to subscribers, and invalidations to clients that track."""
import select
import socket
import statistics
import threading

import resp

SUBSCRIBERS = 100
MESSAGE = "m" * 100


class Subscribers:
    """Connections that subscribe to `news` and read what comes, on a thread of their own."""

    def __init__(self, port):
        self.poll = select.epoll()
        self.sockets = {}
        for _ in range(SUBSCRIBERS):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(resp.encode([b"SUBSCRIBE", b"news"]))
            sock.recv(1000)
            sock.setblocking(False)
            self.poll.register(sock.fileno(), select.EPOLLIN)
            self.sockets[sock.fileno()] = sock
        self.over = False
        self.thread = threading.Thread(target=self.read_on)
        self.thread.start()

    def read_on(self):
        while not self.over:
            for fd, _ in self.poll.poll(0.1):
                try:
                    self.sockets[fd].recv(1 << 18)
                except BlockingIOError:
                    pass

    def close(self):
        self.over = True
        self.thread.join()
        for sock in self.sockets.values():
            sock.close()


def publish_us(bench, server, pipeline, requests):
    """Microseconds of the server's CPU for each message."""
    before = server.cpu_us()
    bench.benchmark(server, ["PUBLISH", "news", MESSAGE], pipeline, requests)
    return (server.cpu_us() - before) / requests


def tracked_us(bench, server):
    """Microseconds of the server's CPU to remember a key that was read, and tell of its change."""
    reader = resp.Connection(server.port)
    reader.call_many([[b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON"]])
    writer = resp.Connection(server.port)
    before = server.cpu_us()
    for words in ([b"GET"], [b"SET", b"v"]):
        for start in range(0, bench.keys, 1000):
            commands = [resp.encode([words[0], b"key:%012d" % i] + words[1:])
                        for i in range(start, min(start + 1000, bench.keys))]
            connection = reader if words[0] == b"GET" else writer
            connection.send(b"".join(commands))
            connection.receive()
            if connection is writer:  # what it was told of
                reader.send(b"")
                reader.receive()
    used = (server.cpu_us() - before) / bench.keys
    reader.close()
    writer.close()
    return used


def run(bench):
    both = {"ours": bench.start(False), "stock": bench.start(True)}
    readers = {}
    try:
        bench.heading("Watchers (%d subscribers, %d keys)" % (SUBSCRIBERS, bench.keys), "ours",
                      "stock", "ratio")
        for which, server in both.items():
            readers[which] = Subscribers(server.port)
        rows = [("PUBLISH, pipeline 16",
                 lambda server: publish_us(bench, server, 16, 20000), 0.8),
                ("PUBLISH, pipeline 1", lambda server: publish_us(bench, server, 1, 5000), 0.8)]
        measure(bench, both, rows)
        for which in both:
            readers.pop(which).close()
        for server in both.values():
            bench.load_keys(server)
        measure(bench, both, [("tracking: GET, then SET", lambda server: tracked_us(bench, server),
                               0.8)])
    finally:
        for connections in readers.values():
            connections.close()
        for server in both.values():
            server.stop()


def measure(bench, both, rows):
    for name, used_by, target in bench.asked_for(rows):
        used = {"ours": [], "stock": []}
        for _ in range(bench.args.runs):
            for which, server in both.items():
                used[which].append(used_by(server))
        ours, stock = (statistics.median(used[which]) for which in ("ours", "stock"))
        bench.row(name, "%.2f us" % ours, "%.2f us" % stock, ours / stock, target)
