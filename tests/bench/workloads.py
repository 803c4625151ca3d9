# SPDX-License-Identifier: BSD-3-Clause
"""What the bench does with each data type: commands to load, to time, and to look for stalls in.

Element names have 16 bytes. `__rand_int__` is redis-benchmark's: twelve digits below its -r.
"""
import contextlib
import socket
import subprocess
import time

import resp

STREAM_GROUPS = 50  # one for each connection of StreamReaders
MEMBER = "mem:__rand_int__"
TEXT16 = "element:12345678"


# ---- CPU per request, by type ----------------------------------------------------------------

def load_types(count):
    """Commands that fill a server for TYPE_TESTS."""
    for i in range(count):
        yield [b"ZADD", b"bigzset", b"%d" % (i * 7919 % count), b"mem:%012d" % i]
    for i in range(count):
        yield [b"RPUSH", b"biglist", b"element:%08d" % i]
    for i in range(count):
        yield [b"XADD", b"bigstream", b"%d-1" % (i + 1), b"field", b"value:%010d" % i]
    for i in range(STREAM_GROUPS):
        yield [b"XGROUP", b"CREATE", b"bigstream", b"group:%d" % i, b"0"]
    for i in range(count // 10):
        words = [b"HSET", b"hash:%012d" % i]
        for field in range(20):
            words += [b"field:%02d" % field, b"value:%06d" % (i + field)]
        yield words


# name; what is run in turn, each the words of redis-benchmark; the share of the keys that random
# numbers are drawn from; the key that is deleted before each run. One request of each of the
# words' lists counts as one.
TYPE_TESTS = [
    ("ZADD", [["ZADD", "bigzset", "__rand_int__", MEMBER]], 1, None),
    ("ZRANK", [["ZRANK", "bigzset", MEMBER]], 1, None),
    ("ZRANGE of 100", [["ZRANGE", "bigzset", "50000", "50099"]], 1, None),
    ("XADD", [["XADD", "bigstream", "*", "field", "value:1234567890"]], 1, None),
    ("XREADGROUP, XACK", None, 1, None),
    ("LPUSH, LPOP", [["LPUSH", "biglist", TEXT16], ["LPOP", "biglist"]], 1, None),
    ("SADD", [["SADD", "bigset", MEMBER]], 1, "bigset"),
    ("HSET", [["HSET", "bighash", "fld:__rand_int__", "val:__rand_int__"]], 1, "bighash"),
    ("HGETALL of 20 fields", [["HGETALL", "hash:__rand_int__"]], 0.1, None),
    ("MGET of 20", [["MGET"] + ["key:__rand_int__"] * 20], 1, None),
    ("PFADD", [["PFADD", "bighll", MEMBER]], 1, "bighll"),
]
# Shown beside them.
MORE_TYPE_TESTS = [
    ("RPUSH, RPOP", [["RPUSH", "biglist", TEXT16], ["RPOP", "biglist"]], 1, None),
    ("LPUSH, RPOP", [["LPUSH", "biglist", TEXT16], ["RPOP", "biglist"]], 1, None),
    ("LPUSH, 3 elements", [["LPUSH", "newlist", "a", "b", "c"]], 1, "newlist"),
    ("LRANGE of 100", [["LRANGE", "biglist", "0", "99"]], 1, None),
    ("HSET, one field of many hashes", [["HSET", "h:__rand_int__", "field", "value"]], 1, None),
    ("HGET", [["HGET", "bighash", "fld:__rand_int__"]], 1, None),
    ("SISMEMBER", [["SISMEMBER", "bigset", MEMBER]], 1, None),
    ("SADD, SPOP", [["SADD", "bigset", MEMBER], ["SPOP", "bigset"]], 1, None),
    ("ZADD, ZPOPMIN", [["ZADD", "bigzset", "__rand_int__", MEMBER], ["ZPOPMIN", "bigzset"]],
     1, None),
    ("ZINCRBY", [["ZINCRBY", "bigzset", "1", MEMBER]], 1, None),
    ("XRANGE of 100", [["XRANGE", "bigstream", "-", "+", "COUNT", "100"]], 1, None),
    ("INCR", [["INCR", "counter:__rand_int__"]], 1, None),
    ("MSET of 10", [["MSET"] + ["key:__rand_int__", "v" * 100] * 10], 1, None),
    ("APPEND", [["APPEND", "text:__rand_int__", "0123456789"]], 1, None),
    ("SETRANGE", [["SETRANGE", "key:__rand_int__", "10", "0123456789"]], 1, None),
    ("SETBIT", [["SETBIT", "bits", "__rand_int__", "1"]], 1, None),
    ("DEL, SET", [["DEL", "key:__rand_int__"], ["SET", "key:__rand_int__", "v" * 100]], 1, None),
    ("EXPIRE", [["EXPIRE", "key:__rand_int__", "1000"]], 1, None),
]


class StreamReaders:
    """XREADGROUP of one entry and XACK of it, in turn: pipelines of eight pairs on as many
    connections as there are groups, each with a group of its own, so that the ids are known."""

    def __init__(self, port):
        self.sockets = []
        self.at = 1
        for _ in range(STREAM_GROUPS):
            sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(sock)

    def run(self, pairs):
        """At least so many pairs; returns how many."""
        done = 0
        while done < pairs:
            for i, sock in enumerate(self.sockets):
                group = b"group:%d" % i
                sock.sendall(b"".join(
                    resp.encode([b"XREADGROUP", b"GROUP", group, b"reader", b"COUNT", b"1",
                                 b"STREAMS", b"bigstream", b">"]) +
                    resp.encode([b"XACK", b"bigstream", group, b"%d-1" % (self.at + k)])
                    for k in range(8)))
            for sock in self.sockets:
                acknowledged = 0
                while acknowledged < 8:
                    part = sock.recv(1 << 16)
                    if not part or b"-ERR" in part:
                        raise RuntimeError("XREADGROUP: %r" % part[:200])
                    acknowledged += part.count(b"\n:1\r")
            self.at += 8
            done += 8 * len(self.sockets)
        return done

    def close(self):
        for sock in self.sockets:
            sock.close()


# ---- memory ----------------------------------------------------------------------------------

# name, target of the ratio, command of the i-th of so many elements
MEMORY_TESTS = [
    ("string, 16+16 bytes", 0.45,
     lambda i, count: [b"SET", b"key:%012d" % i, b"val:%012d" % i]),
    ("hash field, 16+16 bytes", 0.60,
     lambda i, count: [b"HSET", b"h", b"fld:%012d" % i, b"val:%012d" % i]),
    ("set member, 16 bytes", 0.60, lambda i, count: [b"SADD", b"s", b"mem:%012d" % i]),
    ("sorted set member, 16 bytes", 0.50,
     lambda i, count: [b"ZADD", b"z", b"%d" % (i * 7919 % count), b"mem:%012d" % i]),
    ("list element, 16 bytes, RPUSH", 1.00, lambda i, count: [b"RPUSH", b"l", b"mem:%012d" % i]),
    ("list element, 16 bytes, LPUSH", 1.00, lambda i, count: [b"LPUSH", b"l", b"mem:%012d" % i]),
    ("stream entry, one field of 16 bytes", 1.00,
     lambda i, count: [b"XADD", b"x", b"%d-1" % (i + 1), b"field", b"val:%012d" % i]),
]


# ---- turns -----------------------------------------------------------------------------------

def grow(kind, count):
    """Commands that make a collection `big` of so many elements, one at a time."""
    make = {
        "keys": lambda i: [b"SET", b"key:%012d" % i, b"val:%012d" % i],
        "list": lambda i: [b"RPUSH" if i % 2 else b"LPUSH", b"big", b"mem:%012d" % i],
        "hash": lambda i: [b"HSET", b"big", b"mem:%012d" % i, b"val:%012d" % i],
        "set": lambda i: [b"SADD", b"big", b"mem:%012d" % i],
        "zset": lambda i: [b"ZADD", b"big", b"%d" % (i * 7919 % count), b"mem:%012d" % i],
        "stream": lambda i: [b"XADD", b"big", b"%d-1" % (i + 1), b"field", b"val:%012d" % i],
        "hll": lambda i: [b"PFADD", b"big", b"mem:%012d" % i],
        "bitmap": lambda i: [b"SETBIT", b"big", b"%d" % i, b"1"],
        "string": lambda i: [b"APPEND", b"big", b"8 bytes." * 8],
    }[kind]
    if kind == "string":  # 64 MB
        count = min(count, 1000000)
    return (make(i) for i in range(count))


def shrink(kind, count):
    """Commands that take all of it apart, one element at a time."""
    make = {
        "keys": lambda i: [b"DEL", b"key:%012d" % (i * 7919 % count)],
        "list": lambda i: [b"RPOP" if i % 2 else b"LPOP", b"big"],
        "hash": lambda i: [b"HDEL", b"big", b"mem:%012d" % (i * 7919 % count)],
        "set": lambda i: [b"SREM", b"big", b"mem:%012d" % (i * 7919 % count)],
        "zset": lambda i: [b"ZREM", b"big", b"mem:%012d" % (i * 6007 % count)],
        "stream": lambda i: [b"XDEL", b"big", b"%d-1" % (i * 7919 % count + 1)],
    }[kind]
    return (make(i) for i in range(count))


SHRINKING = ("keys", "list", "hash", "set", "zset", "stream")

# Commands on a large collection, sent one by one, that needn't walk it. {…}: its size, less a
# thousand or so.
TURN_COMMANDS = {
    "keys": ["SCAN 0 COUNT 100", "RANDOMKEY", "DBSIZE",
             "EXPIRE key:000000000001 100", "FLUSHALL ASYNC"],
    "list": ["LRANGE big 0 99", "LRANGE big -100 -1", "LPOP big 100", "RPOP big 100",
             "LMOVE big other LEFT RIGHT", "LTRIM big 100 -101", "LINDEX big 100",
             "LSET big 100 x"],
    "hash": ["HSCAN big 0 COUNT 100", "HRANDFIELD big 100", "HRANDFIELD big -100 WITHVALUES",
             "HINCRBY big n 1", "HLEN big", "HSTRLEN big n"],
    "set": ["SSCAN big 0 COUNT 100", "SRANDMEMBER big 100", "SPOP big 100", "SPOP big",
            "SMOVE big other mem:000000000001", "SCARD big", "SINTERCARD 2 big other"],
    "zset": ["ZSCAN big 0 COUNT 100", "ZRANGE big 500000 500099", "ZRANGE big 0 99 REV",
             "ZRANGEBYSCORE big 1000 1100", "ZCOUNT big -inf +inf", "ZPOPMIN big 100",
             "ZPOPMAX big 100", "ZREMRANGEBYRANK big 500000 500099",
             "ZREMRANGEBYSCORE big 1000 1100", "ZRANDMEMBER big 100", "ZINCRBY big 1 n",
             "ZLEXCOUNT big - +"],
    "stream": ["XRANGE big - + COUNT 100", "XREVRANGE big + - COUNT 100",
               "XREAD COUNT 100 STREAMS big 0", "XGROUP CREATE big g 0",
               "XREADGROUP GROUP g c COUNT 100 STREAMS big >", "XPENDING big g",
               "XPENDING big g - + 100", "XAUTOCLAIM big g d 0 0 COUNT 100",
               "XTRIM big MAXLEN ~ {few_less}", "XTRIM big MAXLEN {more_less}", "XINFO STREAM big",
               "XGROUP DESTROY big g"],
    "hll": ["PFCOUNT big"],
    "bitmap": ["GETBIT big 100", "SETBIT big 100 1"],
    "string": ["GETRANGE big 100 200", "SETRANGE big 100 x", "STRLEN big", "APPEND big x",
               "SETRANGE big {further} x", "SETRANGE new 500000000 x", "SETBIT bits 4294967295 1"],
}
# Ends of a collection; each gets a copy of its own.
TURN_ENDS = ["DEL", "UNLINK", "SET", "RENAME", "EXPIRE -1", "PEXPIRE 1", "FLUSHALL ASYNC"]


def end_of(how, key):
    """The commands that are sent."""
    return {
        "SET": [[b"SET", key, b"v"]],
        "RENAME": [[b"SET", b"small", b"v"], [b"RENAME", b"small", key]],
        "EXPIRE -1": [[b"EXPIRE", key, b"-1"]],
        "PEXPIRE 1": [[b"PEXPIRE", key, b"1"], [b"DEBUG", b"SLEEP", b"0.01"], [b"EXISTS", key]],
        "FLUSHALL ASYNC": [[b"FLUSHALL", b"ASYNC"]],
    }.get(how, [[how.encode(), key]])


def longest_turn_ms(server, commands, pipeline):
    """The longest turn of our server's loop, in CPU time, while it runs the commands."""
    connection = resp.Connection(server.port, 300)
    connection.call(b"CONFIG", b"RESETSTAT")
    batch = []

    def flush():
        connection.send(b"".join(batch))
        reply = connection.receive()
        if reply.startswith(b"-") or b"\n-ERR" in reply:
            raise RuntimeError("%r: %r" % (batch[0], reply[:200]))
        batch.clear()

    for command in commands:
        batch.append(resp.encode(command))
        if len(batch) == pipeline:
            flush()
    if batch:
        flush()
    longest = int(info_field(connection, "stats", "loop_longest_turn_cpu_usec"))
    connection.close()
    return longest / 1000


@contextlib.contextmanager
def clients(server, keys, count, words):
    """So many clients at pipeline 16, as fast as they can, for as long as the block lasts."""
    command = ["redis-benchmark", "-p", str(server.port), "-c", str(count), "-P", "16", "-l", "-r",
               str(keys), "-q"] + words
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def info_field(connection, section, name):
    text = connection.call(b"INFO", section.encode())[1].decode()
    for line in text.split("\r\n"):
        if line.startswith(name + ":"):
            return line.split(":", 1)[1]
    raise RuntimeError("INFO %s has no %s" % (section, name))


def await_large_pages(pid, limit_s=60):
    """Returns when the kernel has given a process no more large pages for a second."""
    end, since, before = time.monotonic() + limit_s, time.monotonic(), None
    while time.monotonic() < min(end, since + 1):
        with open("/proc/%d/smaps_rollup" % pid) as rollup:
            now = [line for line in rollup if line.startswith("AnonHugePages:")]
        if now != before:
            since, before = time.monotonic(), now
        time.sleep(0.05)


def await_save(port):
    """Returns when no child saves."""
    connection = resp.Connection(port)
    while int(info_field(connection, "persistence", "rdb_bgsave_in_progress")):
        time.sleep(0.01)
    connection.close()


def await_lazy_frees(port):
    """Returns when nothing that was deleted waits for being freed."""
    connection = resp.Connection(port)
    while int(info_field(connection, "memory", "lazyfree_pending_objects")):
        time.sleep(0.01)
    connection.close()
