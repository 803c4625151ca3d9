# SPDX-License-Identifier: BSD-3-Clause
"""Transactions: MULTI with commands of all families, good and bad, EXEC or DISCARD, WATCH."""
from . import (Special, bitmaps, geo, hashes, hll, keys, keys2, lists, sets, streams, strings,
               zsets)

SHARE = 40


def commands(pick):
    rows = []
    for family in (strings, bitmaps, hashes, lists, sets, zsets, streams, geo, hll, keys, keys2):
        rows += family.commands(pick)
    functions = [function for _, function in rows]
    weights = [weight for weight, _ in rows]

    def inner():
        """Commands that can stand inside MULTI and be compared there: one, or some that are
        drawn together."""
        while True:
            drawn = pick.choices(functions, weights)[0]()
            if isinstance(drawn, Special):
                continue
            if not isinstance(drawn[0], bytes):
                return drawn[:5]
            if drawn[0].upper() != b"SELECT":
                return [drawn]

    def transaction():
        operations = []
        if pick.chance(0.3):
            operations.append([b"WATCH"] + [pick.key() for _ in range(1 + pick.int_below(3))])
            if pick.chance(0.5):
                operations += inner()
            if pick.chance(0.1):
                operations.append([b"UNWATCH"])
        operations.append([pick.case(b"MULTI")])
        for _ in range(pick.int_below(6)):
            roll = pick.random()
            if roll < 0.9:
                operations += inner()
            elif roll < 0.94:
                operations += [pick.damaged(words) for words in inner()]
            else:
                operations.append(pick.one([[b"MULTI"], [b"WATCH", b"a"], [b"nosuch"], [b"GET"],
                                            [b"PING"], [b"UNWATCH"]]))
        operations.append([pick.case(b"EXEC" if pick.chance(0.85) else b"DISCARD")])
        return operations

    def stray():
        return pick.one([[b"EXEC"], [b"DISCARD"], [b"UNWATCH"], [b"WATCH"], [b"MULTI", b"x"],
                         [b"EXEC", b"x"]])

    return [(10, transaction), (1, stray)]
