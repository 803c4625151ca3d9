# SPDX-License-Identifier: BSD-3-Clause
"""Transactions: MULTI with commands of all families, good and bad, EXEC or DISCARD, WATCH."""
from . import Special, hashes, keys, sets, strings

SHARE = 40


def commands(pick):
    rows = []
    for family in (strings, hashes, sets, keys):
        rows += family.commands(pick)
    functions = [function for _, function in rows]
    weights = [weight for weight, _ in rows]

    def inner():
        """One command that can stand inside MULTI and be compared there."""
        while True:
            drawn = pick.choices(functions, weights)[0]()
            if not isinstance(drawn, Special) and drawn[0].upper() != b"SELECT":
                return drawn

    def transaction():
        operations = []
        if pick.chance(0.3):
            operations.append([b"WATCH"] + [pick.key() for _ in range(1 + pick.int_below(3))])
            if pick.chance(0.5):
                operations.append(inner())
            if pick.chance(0.1):
                operations.append([b"UNWATCH"])
        operations.append([pick.case(b"MULTI")])
        for _ in range(pick.int_below(6)):
            roll = pick.random()
            if roll < 0.9:
                operations.append(inner())
            elif roll < 0.94:
                operations.append(pick.damaged(inner()))
            else:
                operations.append(pick.one([[b"MULTI"], [b"WATCH", b"a"], [b"nosuch"], [b"GET"],
                                            [b"PING"], [b"UNWATCH"]]))
        operations.append([pick.case(b"EXEC" if pick.chance(0.85) else b"DISCARD")])
        return operations

    def stray():
        return pick.one([[b"EXEC"], [b"DISCARD"], [b"UNWATCH"], [b"WATCH"], [b"MULTI", b"x"],
                         [b"EXEC", b"x"]])

    return [(10, transaction), (1, stray)]
