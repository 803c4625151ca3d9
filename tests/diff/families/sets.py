# SPDX-License-Identifier: BSD-3-Clause
"""Every set command of stock 7.0."""
from . import Special


def commands(pick):
    keys = pick.set_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def members(most=5):
        if pick.chance(0.4):
            return [b"%d" % pick.randint(-40, 700) for _ in range(1 + pick.int_below(most))]
        return [pick.member() for _ in range(1 + pick.int_below(most))]

    def grow():
        """Integers past the intset's limit, or strings in number."""
        count = pick.one([20, 100, 520])
        pattern = pick.one([b"%d", b"%d00000000", b"s%d"])
        return [b"SADD", key()] + [pattern % i for i in range(count)]

    def spop():
        words = [name(b"SPOP"), key()]
        if pick.chance(0.6):
            words.append(pick.count())
        return Special("spop", words)

    def srandmember():
        words = [name(b"SRANDMEMBER"), key()]
        if pick.chance(0.7):
            words.append(pick.count())
        return Special("srandmember", words)

    def algebra():
        command = pick.one([b"SUNION", b"SINTER", b"SDIFF"])
        sources = [key() for _ in range(pick.one([1, 2, 2, 2, 3, 4, 6]))]
        if pick.chance(0.5):
            return [name(command)] + sources
        return [name(command + b"STORE"), key()] + sources

    def sintercard():
        count = pick.one([1, 2, 2, 3])
        words = [name(b"SINTERCARD"), b"%d" % count if pick.chance(0.95) else pick.small(0, 4)]
        words += [key() for _ in range(count)]
        for _ in range(pick.one([0, 1, 1, 2])):
            words += [name(b"LIMIT"), pick.small(-1, 9)]
        return words

    return [
        (16, lambda: [name(b"SADD"), key()] + members()),
        (1, grow),
        (8, lambda: [name(b"SREM"), key()] + members()),
        (5, lambda: [name(b"SISMEMBER"), key(), pick.member()]),
        (4, lambda: [name(b"SMISMEMBER"), key()] + members()),
        (5, lambda: [name(b"SMEMBERS"), key()]),
        (4, lambda: [name(b"SCARD"), key()]),
        (5, lambda: [name(b"SMOVE"), key(), key(), pick.member()]),
        (2, spop),
        (2, srandmember),
        (9, algebra),
        (3, sintercard),
    ]
