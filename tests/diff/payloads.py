#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""DUMP payloads and RDB files, exchanged with stock's server at random.

usage: tests/diff/payloads.py [--variant V] [--rounds N] [--seed N]

Four things are held against stock, by DEBUG DIGEST-VALUE and DEBUG DIGEST:

  exchange   each server restores what the other dumped, and takes what it migrates
  old forms  ziplists, zipmaps and other forms that nothing writes any more, made here
  mutants    payloads with random damage and a right checksum: ours refuses them or takes them,
             and lives; where both servers take one, both see the same value in it
  files      each server loads what the other saved; ours lives through damaged ones
"""
import argparse
import os
import random
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
import resp  # noqa: E402
import servers  # noqa: E402

POLYNOMIAL = 0x95AC9329AC4BC9B5


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc


def payload(body, version=10):
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def length(n):
    if n < 64:
        return bytes([n])
    if n < 16384:
        return struct.pack(">H", 0x4000 | n)
    return b"\x80" + struct.pack(">I", n)


def text(data):
    return length(len(data)) + data


# ---- forms that nothing writes any more --------------------------------------------------------

def ziplist(items):
    body, before, last = b"", 0, 10
    for item in items:
        last = 10 + len(body)
        entry = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(item, int):
            if 0 <= item <= 12:
                entry += bytes([0xF1 + item])
            elif -128 <= item < 128:
                entry += b"\xfe" + struct.pack("<b", item)
            elif -32768 <= item < 32768:
                entry += b"\xc0" + struct.pack("<h", item)
            elif -(1 << 23) <= item < 1 << 23:
                entry += b"\xf0" + struct.pack("<i", item)[:3]
            elif -(1 << 31) <= item < 1 << 31:
                entry += b"\xd0" + struct.pack("<i", item)
            else:
                entry += b"\xe0" + struct.pack("<q", item)
        elif len(item) < 64:
            entry += bytes([len(item)]) + item
        elif len(item) < 16384:
            entry += struct.pack(">H", 0x4000 | len(item)) + item
        else:
            entry += b"\x80" + struct.pack(">I", len(item)) + item
        before = len(entry)
        body += entry
    return struct.pack("<IIH", 11 + len(body), last, len(items)) + body + b"\xff"


def zipmap(pairs, rng):
    def size(n):
        return bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)

    body = b""
    for key, value in pairs:
        spare = rng.randrange(5)
        body += size(len(key)) + key + size(len(value)) + bytes([spare]) + value + b"x" * spare
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def number(self):
        return self.rng.choice([0, 7, 12, 13, -1, 127, -128, 128, 255, 32767, -32768, 70000,
                                -70000, 8388607, -8388608, 8388608, 2147483647, -2147483648,
                                1 << 40, -(1 << 63), (1 << 63) - 1,
                                self.rng.randrange(-(1 << 20), 1 << 20)])

    def word(self):
        rng = self.rng
        kind = rng.randrange(10)
        if kind < 3:
            return b"%d" % self.number()
        if kind < 5:
            return rng.randbytes(rng.choice([0, 1, 5, 16, 20, 63, 64, 65, 200]))
        if kind < 7:
            return b"w%d" % rng.randrange(300)
        if kind == 7:
            return rng.choice([b"a", b"ab", b"abc "]) * rng.choice([1, 8, 21, 40, 700, 9000])
        return rng.choice([b"007", b"-0", b"+1", b" 1", b"1.5", b"", b"\xff", b"\x00" * 30])

    def score(self):
        return self.rng.choice([b"1", b"-0", b"inf", b"-inf", b"1.5", b"1e17", b"3e-7", b"-1e300",
                                b"%d" % self.number(), b"%r" % self.rng.gauss(0, 1000)])

    def distinct(self, most):
        found = {}
        for _ in range(1 + self.rng.randrange(most)):
            found[self.word()] = None
        return list(found)

    def fill(self, key):
        """Commands that make a value."""
        rng = self.rng
        kind = rng.randrange(13)
        many = rng.choice([3, 10, 40, 600])
        if kind == 0:
            return [[b"SET", key, self.word()]]
        if kind == 1:
            return [[b"SET", key, self.word()], [b"APPEND", key, self.word()]]
        if kind == 2:
            return [[b"SADD", key, b"%d" % self.number()] +
                    [b"%d" % rng.randrange(-10, rng.choice([100, 1 << 40])) for _ in range(many)]]
        if kind == 3:
            return [[b"SADD", key] + self.distinct(many)]
        if kind >= 10:
            return self.stream(key)
        if kind >= 8:
            return [[b"RPUSH", key] + [self.word() for _ in range(many)]]
        if kind >= 6:
            words = [b"ZADD", key]
            for member in self.distinct(rng.choice([3, 40, 200])):
                words += [self.score(), member]
            return [words]
        words = []
        for field in self.distinct(many):
            words += [field, self.word() if kind == 4 else b"v%d" % rng.randrange(100)]
        return [[b"HSET", key] + words]

    def stream(self, key):
        rng = self.rng
        ids = [b"%d-%d" % (1 + i // 3, i % 3) for i in range(rng.choice([1, 8, 250]))]
        commands = []
        for at in ids:
            words = [b"XADD", key, at, b"same", self.word()]
            if rng.random() < 0.3:
                words += [self.word(), self.word()]
            commands.append(words)
        commands += [[b"XDEL", key, at] for at in ids if rng.random() < 0.2]
        for group in self.distinct(3):
            commands.append([b"XGROUP", b"CREATE", key, group, rng.choice([b"0", b"$", b"2-0"])])
            for consumer in self.distinct(2):
                commands.append([b"XREADGROUP", b"GROUP", group, consumer, b"COUNT",
                                 b"%d" % (1 + rng.randrange(20)), b"STREAMS", key, b">"])
            commands += [[b"XACK", key, group, at] for at in ids if rng.random() < 0.1]
        if rng.random() < 0.1:
            commands.append([b"XTRIM", key, b"MAXLEN", b"0"])
        return commands

    def old_form(self):
        rng = self.rng
        kind = rng.randrange(12)
        fields = self.distinct(rng.choice([2, 20, 300]))
        if kind == 0:
            return b"\x09" + text(zipmap([(f, self.word()) for f in fields], rng))
        if kind == 1:
            items = {}
            for field in fields:
                items[field] = self.number() if rng.random() < 0.5 else self.word()
            flat = []
            for field, value in items.items():
                flat += [field, value]
            return b"\x0d" + text(ziplist(flat))
        if kind == 2:
            body = b"".join(text(f) + text(self.word()) for f in fields)
            return b"\x04" + length(len(fields)) + body
        if kind == 3:
            return b"\x02" + length(len(fields)) + b"".join(map(text, fields))
        if kind == 8:
            return b"\x01" + length(len(fields)) + b"".join(map(text, fields))
        if kind == 9:
            return b"\x0a" + text(ziplist(fields))
        if kind == 10:
            nodes = [fields[at:at + 7] for at in range(0, len(fields), 7)]
            return b"\x0e" + length(len(nodes)) + b"".join(text(ziplist(n)) for n in nodes)
        if kind == 11:
            return b"\x12" + length(len(fields)) + b"".join(b"\x01" + text(f) for f in fields)
        if kind == 4:
            # A zero's sign is lost in our compact form, as it is where ZADD makes one.
            scored = [(f, self.score().replace(b"-0", b"0")) for f in fields]
            return b"\x0c" + text(ziplist([word for pair in scored for word in pair]))
        if kind == 5:
            def old_score(score):
                return {b"inf": b"\xfe", b"-inf": b"\xff"}.get(score, text(score))
            return b"\x03" + length(len(fields)) + b"".join(
                text(f) + old_score(self.score()) for f in fields)
        if kind == 6:
            return b"\x05" + length(len(fields)) + b"".join(
                text(f) + struct.pack("<d", float(self.score())) for f in fields)
        return b"\x00" + text(self.word())

    def mutant(self, body):
        data = bytearray(body)
        rng = self.rng
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at = rng.randrange(len(data)) if data else 0
            if rng.random() < 0.5:
                at = min(at, rng.randrange(16))
            kind = rng.randrange(6)
            if kind == 0 and data:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1 and data:
                data[at] = rng.choice([0, 1, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xF0, 0xFE,
                                       0xFF, rng.randrange(256)])
            elif kind == 2:
                del data[at:at + rng.choice([1, 2, 8, 1000])]
            elif kind == 3:
                data[at:at] = rng.randbytes(rng.choice([1, 2, 8]))
            elif kind == 4:
                data[at:at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff",
                                              b"\x80\0\0\0"])
            else:
                other = rng.randrange(len(data) + 1)
                data[at:at] = data[min(at, other):max(at, other)][:200]
        return bytes(data)


class Exchange:
    def __init__(self, ours, stock, seed):
        self.ours, self.stock = (resp.Connection(s.port) for s in (ours, stock))
        self.ports = (ours.port, stock.port)
        self.rng = random.Random(seed)
        self.maker = Maker(self.rng)
        self.files_of = {c: os.path.join(s.dir, "dump.rdb")
                         for c, s in ((self.ours, ours), (self.stock, stock))}
        self.passed, self.failed = 0, 0
        self.refused, self.taken = 0, 0

    def check(self, good, what, detail):
        if good:
            self.passed += 1
            return
        self.failed += 1
        if self.failed <= 10:
            print("DIFFERENCE %s: %r" % (what, detail))

    def digest(self, connection, key):
        return connection.call(b"DEBUG", b"DIGEST-VALUE", key)

    def exchange(self):
        commands = self.maker.fill(b"k")
        for connection in (self.ours, self.stock):
            connection.call(b"FLUSHALL")
            connection.call(b"SELECT", b"0")  # where MIGRATE puts the key
            connection.call(b"CONFIG", b"SET", b"rdbcompression", self.rng.choice([b"yes", b"no"]))
            connection.call_many(commands)
        want = self.digest(self.stock, b"k")
        for source, name in ((self.stock, "stock's payload"), (self.ours, "our payload")):
            _, dump = source.call(b"DUMP", b"k")
            encodings = []
            for target in (self.ours, self.stock):
                reply = target.call(b"RESTORE", b"copy", b"0", dump or b"", b"REPLACE")
                self.check(reply == (b"+", b"OK") and self.digest(target, b"copy") == want, name,
                           (commands, dump, reply))
                encodings.append((target.call(b"OBJECT", b"ENCODING", b"copy"),
                                  target.call(b"XINFO", b"STREAM", b"copy"),
                                  target.call(b"XINFO", b"GROUPS", b"copy")))
            self.check(encodings[0] == encodings[1], "encoding", (commands, encodings))
        self.migrate(commands, want)
        return dump

    def migrate(self, commands, want):
        """The key moves to the other server and back, and is the same."""
        for source, target, port in ((self.ours, self.stock, self.ports[1]),
                                     (self.stock, self.ours, self.ports[0])):
            reply = source.call(b"MIGRATE", b"127.0.0.1", b"%d" % port, b"k", b"0", b"10000",
                                b"REPLACE")
            left = source.call(b"EXISTS", b"k")
            self.check(reply == (b"+", b"OK") and left == (b":", b"0") and
                       self.digest(target, b"k") == want, "MIGRATE", (commands, reply, left))

    def old_form(self):
        body = self.maker.old_form()
        dump = payload(body, self.rng.choice([6, 7, 8, 9, 10]))
        replies = [c.call(b"RESTORE", b"old", b"0", dump, b"REPLACE")
                   for c in (self.ours, self.stock)]
        self.check(replies[0] == replies[1], "old form: reply", (dump, replies))
        self.check(self.digest(self.ours, b"old") == self.digest(self.stock, b"old"), "old form",
                   dump)
        return dump

    def mutants(self, dump):
        for _ in range(5):
            hostile = payload(self.maker.mutant(dump[:-10]))
            reply = self.ours.call(b"RESTORE", b"m", b"0", hostile, b"REPLACE")
            known = reply in ((b"+", b"OK"), (b"-", b"ERR Bad data format"))
            self.check(known, "mutant: reply", (hostile, reply))
            if reply[0] == b"-":
                self.refused += 1
                continue
            self.taken += 1
            mine = self.digest(self.ours, b"m")
            theirs = self.stock.call(b"RESTORE", b"m", b"0", hostile, b"REPLACE")
            if theirs[0] == b"+":
                self.check(mine == self.digest(self.stock, b"m"), "mutant: value", hostile)

    def files(self):
        for connection in (self.ours, self.stock):
            connection.call(b"FLUSHALL")
        for i in range(self.rng.choice([0, 5, 60])):
            commands = self.maker.fill(b"key:%d" % i if i else self.maker.word())
            if i % 3 == 0:
                commands.append([b"PEXPIRE", commands[0][1], b"100000000"])
            if i % 7 == 0:
                commands.append([b"SELECT", b"%d" % self.rng.randrange(16)])
            self.ours.call_many(commands)
        for source, target in ((self.ours, self.stock), (self.stock, self.ours)):
            saved = source.call(b"SAVE")
            shutil.copyfile(self.files_of[source], self.files_of[target])
            loaded = target.call(b"DEBUG", b"RELOAD", b"NOSAVE")
            digests = [c.call(b"DEBUG", b"DIGEST") for c in (source, target)]
            self.check(saved == loaded == (b"+", b"OK") and digests[0] == digests[1], "file",
                       (saved, loaded, digests))
        with open(self.files_of[self.ours], "rb") as file:
            whole = file.read()
        for _ in range(10):
            with open(self.files_of[self.ours], "wb") as file:
                file.write(self.damaged(whole))
            reply = self.ours.call(b"DEBUG", b"RELOAD", b"NOSAVE")
            text = b"ERR Error trying to load the RDB dump, check server logs."
            self.check(reply in ((b"+", b"OK"), (b"-", text)), "damaged file", reply)

    def damaged(self, whole):
        if self.rng.random() < 0.2:
            return whole[:self.rng.randrange(len(whole))]
        at = self.rng.choice([0, 9, len(whole) // 2])
        body = whole[:at] + self.maker.mutant(whole[at:-8])
        return body + (b"\0" * 8 if self.rng.random() < 0.9 else struct.pack("<Q", crc64(body)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variant", default="release")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    print("seed %d" % args.seed)
    ours = servers.Server(servers.ours(args.variant), False)
    stock = servers.Server(servers.oracle(), True, [("sanitize-dump-payload", "yes")])
    run = Exchange(ours, stock, args.seed)
    try:
        for _ in range(args.rounds):
            run.mutants(run.exchange())
            run.mutants(run.old_form())
            if run.rng.random() < 0.2:
                run.files()
    finally:
        for server in (ours, stock):
            for finding in server.stop():
                run.failed += 1
                print("FINDING %s" % finding)
    print("mutants: %d refused, %d taken" % (run.refused, run.taken))
    print("%d passed, %d failed" % (run.passed, run.failed))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
