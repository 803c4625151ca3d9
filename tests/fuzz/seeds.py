#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the seeds of the fuzz targets, in build/fuzz/seeds/<target>/.

usage: tests/fuzz/seeds.py [--rounds N] [--seed N]

Payloads are what stock's server dumps of random values, and the forms that nothing writes any
more, as tests/diff/payloads.py makes them; the listpacks and intsets in them become seeds of
their own.
"""
import argparse
import hashlib
import os
import random
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "diff"))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
import payloads  # noqa: E402
import resp  # noqa: E402
import servers  # noqa: E402

OUT = os.path.join(TOP, "build", "fuzz", "seeds")
FOOTER = 10
OWNERS = {"restore_string": (0,), "restore_list": (1, 10, 14, 18), "restore_set": (2, 11, 20),
          "restore_zset": (3, 5, 12, 17), "restore_hash": (4, 9, 13, 16),
          "restore_stream": (15, 19, 21)}
LISTPACKS, INTSETS = (16, 17, 20), (11,)
SEED_BYTES_MAX = 4096

REQUESTS = [
    b"*1\r\n$4\r\nPING\r\n", b"PING\r\n", b"SET k \"a b\\x00\"\r\nGET k\r\n", b"*0\r\n*-1\r\n\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", b"*1\r\n$-1\r\n", b"*99999999\r\n", b"*1\r\n$999999999\r\n",
    b"*2\r\n+3\r\nGET\r\n", b"'x'y\r\n", b"*12\r\n" + b"$1\r\na\r\n" * 12, b"*x\r\n", b"*1\n$1\na\n",
]
LINES = [b"save 3600 1 300 100", b"a \"b\\n\\x41\" 'c\\'d' e", b"\"unclosed", b"'a'b", b"\"\" ''",
         b"requirepass \"p\\\"q\"", b"bind 127.0.0.1 -::1 # no comment", b"\"\\xZZ\\x4\""]
GLOBS = [b"*\nabc", b"a?c\nabc", b"[a-c]x\nbx", b"[^a-c]x\ndx", b"\\*\n*", b"[\na", b"a*b*c*d\naxbxcxd",
         b"[z-a]\nm", b"[\\]]\n]", b"\\\n\\", b"a[b\nab", b"**a**\nbab", b"h[^]e\nhe", b"user:*:[0-9]\nuser:x:7"]


def put(target, data):
    if len(data) <= SEED_BYTES_MAX:
        folder = os.path.join(OUT, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()[:16]), "wb") as file:
            file.write(data)


def put_payload(body):
    for target, types in OWNERS.items():
        if body[0] in types:
            put(target, body)
    head = 1 if len(body) > 1 and body[1] < 64 else 2
    if body[0] in LISTPACKS + INTSETS and body[1] < 128:
        # A text that isn't compressed: the structure itself lies behind its length.
        target = "intset" if body[0] in INTSETS else "listpack"
        put(target, b"\x00" + body[1 + head:])
        put(target, b"\x0c" + bytes(range(0, 84, 7)) + body[1 + head:])


def rdb_file(bodies, rng):
    """A file with a key for each payload. Its checksum is 0, which means none."""
    text = payloads.text
    data = b"REDIS%04d" % rng.randrange(5, 12) + b"\xfa" + text(b"ctime") + b"\xc0\x07"
    data += b"\xfe\x00\xfb" + payloads.length(len(bodies)) + b"\x01"
    for number, body in enumerate(bodies):
        data += rng.choice([b"", b"\xfc" + b"\xff" * 7 + b"\x00", b"\xfd\xff\xff\xff\x7f",
                            b"\xf8\x09", b"\xf9\x05"])
        data += body[:1] + text(b"k%d" % number) + body[1:]
    return data + b"\xff" + bytes(8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    maker = payloads.Maker(random.Random(args.seed))
    stock = servers.Server(servers.oracle(), True)
    try:
        connection = resp.Connection(stock.port)
        for _ in range(args.rounds):
            connection.call_many([[b"FLUSHALL"],
                                  [b"CONFIG", b"SET", b"rdbcompression",
                                   maker.rng.choice([b"yes", b"no"])]] + maker.fill(b"k"))
            _, dump = connection.call(b"DUMP", b"k")
            put_payload(dump[:-FOOTER])
            bodies = [maker.old_form(), dump[:-FOOTER]]
            put_payload(bodies[0])
            put("rdb", rdb_file(bodies, maker.rng))
        for count in (0, 1, 5, 40, 300):
            connection.call(b"DEL", b"h")
            connection.call(b"PFADD", b"h", *[b"e%d" % i for i in range(count)])
            put("hll", b"seed" + connection.call(b"GET", b"h")[1])
    finally:
        stock.stop()
    for text in REQUESTS:
        for flags in (b"\x00\x01", b"\x01\x05", b"\x02\x14", b"\xfc\x07", b"\x10\x2f"):
            put("resp", flags + text)
    for text in LINES:
        put("quote", text)
    for text in GLOBS:
        put("glob", text)
    for target in sorted(os.listdir(OUT)):
        print("%-16s %d" % (target, len(os.listdir(os.path.join(OUT, target)))))


if __name__ == "__main__":
    main()
