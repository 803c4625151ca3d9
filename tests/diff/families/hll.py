# SPDX-License-Identifier: BSD-3-Clause
"""HyperLogLogs. GET compares the strings themselves: every run and every cached estimate."""
from . import Steps

HEAD = b"HYLL\x01\x00\x00\x00"
STALE = b"\x00" * 7 + b"\x80"
# Values that clients could have written.
WRITTEN = [
    HEAD + STALE + b"\x7f\xff",
    HEAD + b"\x00" * 8 + b"\x7f\xff",
    HEAD + STALE + b"\x3f" * 256,
    HEAD + STALE + b"\x83" * 2000 + b"\x60\xbf",
    HEAD + b"\x2a" + b"\x00" * 7 + b"\x7f\xff",
    b"HYLL\x01abc" + STALE + b"\x7f\xff",
    b"HYLL\x00\x00\x00\x00" + STALE + b"\x00" * 12288,
    b"HYLL\x00\x00\x00\x00" + STALE + b"\xff" * 12288,
    b"HYLL\x00\x00\x00\x00" + STALE + b"\x41\x10\x04" * 4096,
]
# Damaged ones. Where runs are missing, PFADD may notice late here or there; what it has done until
# then is lost here and stays in stock.
DAMAGED = [
    HEAD + STALE,
    HEAD + STALE + b"\x7f\xfe",
    HEAD + STALE + b"\x7f\xf0\x84",
    HEAD + STALE + b"\x00" * 256,
    HEAD + STALE + b"\x3f" * 257,
    HEAD + STALE + b"\xfc\x7f\xfe",
    HEAD + STALE + b"\x7f\xff" * 40000,
    b"HYLL\x00\x00\x00\x00" + STALE + b"\x33" * 12287,
    b"HYLL\x09\x00\x00\x00" + STALE + b"\x7f\xff",
    b"HYLL\x01",
    b"HYLX\x01\x00\x00\x00" + STALE + b"\x7f\xff",
]


def commands(pick):
    keys = pick.hll_keys
    serial = [0]

    def key():
        return pick.one(keys)

    def name(word):
        return pick.case(word)

    def element():
        roll = pick.random()
        if roll < 0.5:
            return b"%d" % pick.int_below(100000)
        return b"e%d" % pick.int_below(300) if roll < 0.8 else pick.value()

    def pfadd():
        count = pick.one([0, 1, 1, 2, 3, 5, 20])
        return [name(b"PFADD"), key()] + [element() for _ in range(count)]

    def many():
        serial[0] += 1
        start = serial[0] * 1000
        return [name(b"PFADD"), key()] + [b"%d" % (start + i)
                                          for i in range(pick.one([100, 300, 1000]))]

    def some_keys(most):
        return [key() for _ in range(1 + pick.int_below(most))]

    def damaged():
        made = [name(b"SET"), key(), pick.one(DAMAGED)]
        if pick.chance(0.2):
            made = [b"APPEND", made[1], b"hello"]
        uses = [[name(b"PFCOUNT"), made[1]], [name(b"PFMERGE"), made[1]], [b"PFADD", made[1]],
                [name(b"PFCOUNT"), key(), made[1]], [name(b"PFMERGE"), key(), made[1]],
                [b"PFDEBUG", b"TODENSE", made[1]], [b"PFDEBUG", b"ENCODING", made[1]]]
        # In steps, whose commands are never changed: it must be gone in the end.
        return Steps(("main", [[b"PFADD", made[1]], made, pick.one(uses), pick.one(uses),
                               [b"DEL", made[1]]]))

    def limit():
        return [b"CONFIG", b"SET", b"hll-sparse-max-bytes",
                pick.one([b"3000", b"3000", b"0", b"18", b"20", b"100", b"500", b"20000"])]

    return [
        (20, pfadd),
        (3, many),
        (8, lambda: [name(b"PFCOUNT"), key()]),
        (6, lambda: [name(b"PFCOUNT")] + some_keys(4)),
        (6, lambda: [name(b"PFMERGE")] + some_keys(4)),
        (6, lambda: [name(b"GET"), key()]),
        (3, lambda: [name(b"PFDEBUG"), pick.one([b"DECODE", b"decode", b"ENCODING", b"x"]),
                     key()]),
        (0.3, lambda: [name(b"PFDEBUG"), b"TODENSE", key()]),
        (0.1, lambda: [name(b"PFDEBUG"), b"GETREG", key()]),
        (1, lambda: [name(b"SET"), key(), pick.one(WRITTEN)]),
        (1, damaged),
        (2, lambda: [name(b"DEL"), key()]),
        (0.5, lambda: [name(b"SET"), key(), pick.value()]),
        (0.5, limit),
        (0.5, lambda: [name(b"EXPIRE"), key(), pick.far_seconds()]),
        (0.3, lambda: [name(b"SADD"), key(), pick.member()]),
    ]
