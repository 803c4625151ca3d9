# SPDX-License-Identifier: BSD-3-Clause
"""Commands on keys of any type: deletion, renaming, expiry, kinds and encodings, databases.

Times are far away, or so near that they have passed: what lies between would depend on when each
server runs the command. Equal relative times are avoided, since GT and LT compare milliseconds.
"""
from . import Special

SHARE = 80


def commands(pick):
    def name(word):
        return pick.case(word)

    def some_keys(most=4):
        return [pick.key() for _ in range(1 + pick.int_below(most))]

    def when(command):
        if pick.chance(0.15):
            return pick.one([b"0", b"-1", b"-100", b"-9223372036854775808",
                             b"9223372036854775807", b"9223372036854775", b"9223372036854776",
                             b"x", b"", b"1.5"])
        if command == b"EXPIRE":
            return pick.far_seconds()
        if command == b"PEXPIRE":
            return pick.far_millis()
        seconds = pick.randint(4000000000, 5000000000)
        return b"%d" % (seconds if command == b"EXPIREAT" else seconds * 1000 + pick.int_below(999))

    def expire():
        command = pick.one([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"])
        words = [name(command), pick.key(), when(command)]
        for _ in range(pick.one([0, 0, 1, 1, 2])):
            words.append(name(pick.one([b"NX", b"XX", b"GT", b"LT", b"LT", b"nosuch"])))
        return words

    def pattern():
        return pick.one([b"*", b"str:*", b"hash:?", b"[sh]*:[1-3]", b"*[^0-4]", b"*:[0-9]", b"",
                         b"\\*", b"k*", b"nosuch*", b"*:*", b"set:[a-", b"st[!r]*", b"**1",
                         b"?????", b"\\s\\t\\r:1", b"[\\s]et:2"])

    return [
        (5, lambda: [name(b"DEL")] + some_keys()),
        (3, lambda: [name(b"UNLINK")] + some_keys()),
        (4, lambda: [name(b"EXISTS")] + some_keys()),
        (4, lambda: [name(b"TYPE"), pick.key()]),
        (5, lambda: [name(b"RENAME"), pick.key(), pick.key()]),
        (4, lambda: [name(b"RENAMENX"), pick.key(), pick.key()]),
        (10, expire),
        (4, lambda: [name(b"PERSIST"), pick.key()]),
        (3, lambda: [name(b"TTL"), pick.key()]),
        (3, lambda: [name(b"PTTL"), pick.key()]),
        (2, lambda: [name(b"EXPIRETIME"), pick.key()]),
        (2, lambda: [name(b"PEXPIRETIME"), pick.key()]),
        (2, lambda: [name(b"KEYS"), pattern()]),
        (2, lambda: [name(b"OBJECT"), name(b"ENCODING"), pick.key()]),
        (0.5, lambda: [name(b"OBJECT"), name(b"FREQ"), pick.key()]),
        (0.5, lambda: [name(b"OBJECT"), name(b"IDLETIME"), b"nosuch"]),
        (1, lambda: [name(b"OBJECT"), name(b"REFCOUNT"), pick.key()]),
        (1, lambda: [name(b"DBSIZE")]),
        (1, lambda: Special("randomkey", [name(b"RANDOMKEY")])),
        (0.3, lambda: [name(b"SELECT"), b"%d" % pick.int_below(3)]),
        (0.1, lambda: [name(b"FLUSHDB")] + pick.one([[], [b"ASYNC"], [b"SYNC"], [b"nosuch"]])),
    ]
