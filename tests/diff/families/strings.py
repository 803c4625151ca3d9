# SPDX-License-Identifier: BSD-3-Clause
"""Every string command of stock 7.0, without the bit operations."""


def commands(pick):
    keys = pick.string_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def set_options():
        words = []
        for _ in range(pick.one([0, 0, 1, 1, 2, 3])):
            roll = pick.int_below(12)
            if roll < 2:
                words.append(name(b"NX"))
            elif roll < 4:
                words.append(name(b"XX"))
            elif roll < 6:
                words.append(name(b"GET"))
            elif roll < 7:
                words.append(name(b"KEEPTTL"))
            elif roll < 11:
                words += expiry()
            else:
                words.append(pick.value())
        return words

    def expiry():
        roll = pick.int_below(10)
        if roll < 3:
            return [name(b"EX"), pick.far_seconds()]
        if roll < 6:
            return [name(b"PX"), pick.far_millis()]
        if roll < 7:
            return [name(b"EXAT"), b"%d" % pick.randint(4000000000, 5000000000)]
        if roll < 8:
            return [name(b"PXAT"), b"%d" % pick.randint(4000000000000, 5000000000000)]
        return [pick.one([b"EX", b"PX", b"EXAT", b"PXAT"]), pick.one(
            [b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"abc", b"",
             b"9223372036854775", b"9223372036854776", b"1.5", b"1"][:9])]

    def getex():
        words = [name(b"GETEX"), key()]
        roll = pick.int_below(5)
        if roll < 2:
            words += expiry()
        elif roll == 2:
            words.append(name(b"PERSIST"))
        elif roll == 3 and pick.chance(0.3):
            words += expiry() + [b"PERSIST"]
        return words

    def setrange_offset():
        roll = pick.random()
        if roll < 0.9:
            return b"%d" % pick.int_below(200)
        return pick.one([b"-1", b"536870912", b"9223372036854775807", b"-9223372036854775808",
                         b"abc", b"0", b"536870911000"])

    def lcs():
        words = [name(b"LCS"), key(), key()]
        for _ in range(pick.one([0, 0, 1, 2, 3])):
            roll = pick.int_below(8)
            if roll < 2:
                words.append(name(b"LEN"))
            elif roll < 4:
                words.append(name(b"IDX"))
            elif roll < 6:
                words += [name(b"MINMATCHLEN"), pick.small(-1, 6)]
            else:
                words.append(name(b"WITHMATCHLEN"))
        return words

    def pairs(count):
        words = []
        for _ in range(count):
            words += [key(), pick.value()]
        return words

    def some_keys():
        return [key() for _ in range(1 + pick.int_below(4))]

    return [
        (14, lambda: [name(b"SET"), key(), pick.value()] + set_options()),
        (8, lambda: [name(b"GET"), key()]),
        (5, lambda: [name(b"APPEND"), key(), pick.value()]),
        (3, lambda: [name(b"INCR"), key()]),
        (3, lambda: [name(b"DECR"), key()]),
        (4, lambda: [name(b"INCRBY"), key(), pick.integer()]),
        (4, lambda: [name(b"DECRBY"), key(), pick.integer()]),
        (8, lambda: [name(b"INCRBYFLOAT"), key(), pick.floating()]),
        (3, lambda: [name(b"SET"), key(), pick.floating()]),
        (3, lambda: [name(b"GETDEL"), key()]),
        (4, getex),
        (3, lambda: [name(b"GETSET"), key(), pick.value()]),
        (5, lambda: [name(b"GETRANGE"), key(), pick.small(), pick.small()]),
        (2, lambda: [name(b"SUBSTR"), key(), pick.integer(), pick.integer()]),
        (5, lambda: [name(b"SETRANGE"), key(), setrange_offset(), pick.text()]),
        (3, lambda: [name(b"STRLEN"), key()]),
        (3, lambda: [name(b"MGET")] + some_keys()),
        (3, lambda: [name(b"MSET")] + pairs(1 + pick.int_below(4))),
        (3, lambda: [name(b"MSETNX")] + pairs(1 + pick.int_below(3))),
        (3, lambda: [name(b"SETNX"), key(), pick.value()]),
        (3, lambda: [name(b"SETEX"), key(),
                     pick.far_seconds() if pick.chance(0.8) else pick.one(
                         [b"0", b"-5", b"9223372036854775807", b"x"]), pick.value()]),
        (3, lambda: [name(b"PSETEX"), key(),
                     pick.far_millis() if pick.chance(0.8) else pick.one(
                         [b"0", b"-5", b"9223372036854775807", b"x"]), pick.value()]),
        (4, lcs),
    ]
