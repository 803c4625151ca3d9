# SPDX-License-Identifier: BSD-3-Clause
"""A RESP connection for the differential runner, built for volume.

A pipeline of requests is sent with a sentinel (ECHO of a word that occurs nowhere else) behind
it; its reply marks the end. So the replies can be compared as raw bytes, and are parsed only
when they differ. Parsed replies are tuples headed by the type's byte, equal when the wire was.
"""
import socket

SENTINEL = b"-=- end of batch -=-"
SENTINEL_REQUEST = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(SENTINEL), SENTINEL)
# For subscribers, whom RESP2 allows little else. Where it is answered by an array, the array's
# first lines stay in front of the sentinel.
SENTINEL_PING = b"*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n" % (len(SENTINEL), SENTINEL)
SENTINEL_REPLY = b"$%d\r\n%s\r\n" % (len(SENTINEL), SENTINEL)


class Gone(Exception):
    """The server closed the connection or doesn't answer."""


def encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Connection:
    def __init__(self, port, timeout_s=60):
        self.port = port
        self.timeout_s = timeout_s
        self.other = None  # a second client
        self.client_id = 0
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.other:
            self.other.close()
        self.sock.close()

    def begin_other(self, protocol):
        """The second client, as new as can be."""
        if not self.other:
            self.other = Connection(self.port, self.timeout_s)
            self.other.client_id = int(self.other.call(b"CLIENT", b"ID")[1])
        self.call(b"CLIENT", b"UNBLOCK", b"%d" % self.other.client_id)  # after a difference
        self.other.call_many([[b"RESET"], [b"HELLO", b"%d" % protocol]])

    def send(self, requests, sentinel=SENTINEL_REQUEST):
        """Sends encoded requests and the sentinel."""
        try:
            self.sock.sendall(requests + sentinel)
        except OSError as error:
            raise Gone(str(error)) from error

    def receive(self):
        """The raw replies up to the sentinel."""
        parts = []
        tail = b""
        while True:
            try:
                part = self.sock.recv(1 << 18)
            except OSError as error:
                raise Gone(str(error)) from error
            if not part:
                raise Gone("connection closed; before that: %r" % b"".join(parts)[-200:])
            parts.append(part)
            tail = (tail + part)[-len(SENTINEL_REPLY):] if len(part) < 64 else \
                part[-len(SENTINEL_REPLY):]
            if tail == SENTINEL_REPLY:
                return b"".join(parts)[:-len(SENTINEL_REPLY)]

    def call_many(self, commands):
        """Parsed replies of a list of commands."""
        self.send(b"".join([encode(words) for words in commands]))
        return parse_all(self.receive())

    def call(self, *words):
        return self.call_many([list(words)])[0]


# ---- parsing ---------------------------------------------------------------------------------

def parse_all(raw):
    replies = []
    at = 0
    while at < len(raw):
        reply, at = parse(raw, at)
        replies.append(reply)
    return replies


def parse(raw, at):
    """(reply, position after it)"""
    end = raw.index(b"\r\n", at)
    kind = raw[at:at + 1]
    head = raw[at + 1:end]
    at = end + 2
    if kind in (b"+", b"-", b":", b",", b"#", b"("):
        return (kind, head), at
    if kind == b"_":
        return (kind, None), at
    count = int(head)
    if kind in (b"$", b"=", b"!"):
        if count < 0:
            return (kind, None), at
        return (kind, raw[at:at + count]), at + count + 2
    if count < 0:
        return (kind, None), at
    items = []
    for _ in range(count * 2 if kind in (b"%", b"|") else count):
        item, at = parse(raw, at)
        items.append(item)
    return (kind, items), at


def show(reply, limit=400):
    """A reply for people."""
    text = _show(reply)
    return text if len(text) <= limit else text[:limit] + "… (%d characters)" % len(text)


def _show(reply):
    kind, value = reply
    if value is None:
        return "(nil %s)" % kind.decode()
    if isinstance(value, list):
        return "%s[%s]" % (kind.decode(), ", ".join(_show(item) for item in value))
    return kind.decode() + repr(value)[1:]
