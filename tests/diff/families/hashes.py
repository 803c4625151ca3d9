# SPDX-License-Identifier: BSD-3-Clause
"""Every hash command of stock 7.0."""
from . import Special


def commands(pick):
    keys = pick.hash_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def fields(most=4):
        return [pick.member() for _ in range(1 + pick.int_below(most))]

    def pairs(most):
        words = []
        for _ in range(1 + pick.int_below(most)):
            words += [pick.member(), pick.value()]
        return words

    def grow():
        """Many fields at once, to pass the limits of the small encoding."""
        at = key()
        words = [b"HSET", at]
        for i in range(pick.one([20, 60, 130, 200])):
            words += [b"w%d" % (i * 2), b"%d" % i]
        return words

    def randfield():
        words = [name(b"HRANDFIELD"), key()]
        if pick.chance(0.7):
            words.append(pick.count())
            if pick.chance(0.5):
                words.append(name(b"WITHVALUES"))
            elif pick.chance(0.05):
                words.append(b"nosuch")
        if pick.chance(0.02):
            words = [b"HRANDFIELD", key(), b"-4611686018427387905", b"WITHVALUES"]
        return Special("hrandfield", words)

    return [
        (14, lambda: [name(b"HSET"), key()] + pairs(4)),
        (1, grow),
        (3, lambda: [name(b"HMSET"), key()] + pairs(4)),
        (4, lambda: [name(b"HSETNX"), key(), pick.member(), pick.value()]),
        (7, lambda: [name(b"HGET"), key(), pick.member()]),
        (4, lambda: [name(b"HMGET"), key()] + fields()),
        (6, lambda: [name(b"HDEL"), key()] + fields()),
        (3, lambda: [name(b"HEXISTS"), key(), pick.member()]),
        (5, lambda: [name(b"HGETALL"), key()]),
        (2, lambda: [name(b"HKEYS"), key()]),
        (2, lambda: [name(b"HVALS"), key()]),
        (3, lambda: [name(b"HLEN"), key()]),
        (3, lambda: [name(b"HSTRLEN"), key(), pick.member()]),
        (6, lambda: [name(b"HINCRBY"), key(), pick.member(), pick.integer()]),
        (8, lambda: [name(b"HINCRBYFLOAT"), key(), pick.member(), pick.floating()]),
        (2, randfield),
    ]
