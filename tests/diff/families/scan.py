# SPDX-License-Identifier: BSD-3-Clause
"""SCAN, HSCAN, SSCAN: full iterations compared as sets, and single calls with bad arguments."""
from . import Special

SHARE = 12


def commands(pick):
    def name(word):
        return pick.case(word)

    def options(typed):
        words = []
        if pick.chance(0.4):
            words += [name(b"MATCH"), pick.one([b"*", b"m*", b"*1*", b"w[0-3]*", b"[sh]*", b"-*"])]
        if pick.chance(0.5):
            words += [name(b"COUNT"), pick.one([b"1", b"3", b"10", b"100", b"1000"])]
        if typed and pick.chance(0.3):
            words += [name(b"TYPE"), pick.one([b"string", b"hash", b"set", b"Set", b"list", b"x"])]
        return words

    def full(command, keys):
        words = [name(command)] + ([pick.of(keys)] if keys else [])
        return Special("scan", words + [b"0"] + options(not keys))

    def bad(command, keys):
        words = [name(command)] + ([pick.key()] if keys else [])
        # A cursor that can be read goes with options that can't: what a single call with some
        # cursor returns depends on the table.
        if pick.chance(0.5):
            words.append(pick.one([b"abc", b" 0", b"18446744073709551616", b"1.5", b"0x", b"1 "]))
            return words + pick.one([[], [b"COUNT", b"5"], [b"COUNT", b"x"], [b"nosuch"]])
        words.append(pick.one([b"0", b"-1", b"", b"5", b"18446744073709551615"]))
        return words + pick.one([[b"COUNT", b"0"], [b"COUNT", b"-1"], [b"COUNT", b"x"],
                                 [b"COUNT"], [b"MATCH"], [b"nosuch"], [b"COUNT", b"5", b"MATCH"]])

    return [
        (4, lambda: full(b"SCAN", None)),
        (4, lambda: full(b"HSCAN", pick.hash_keys)),
        (4, lambda: full(b"SSCAN", pick.set_keys)),
        (1, lambda: bad(b"SCAN", None)),
        (1, lambda: bad(b"HSCAN", pick.hash_keys)),
        (1, lambda: bad(b"SSCAN", pick.set_keys)),
    ]
