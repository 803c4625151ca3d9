# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE of every type, and what they say of bad payloads and options. Payloads that
nothing writes, and damage inside them, are payloads.py's."""
from . import Special, Steps

SHARE = 30


def commands(pick):
    def name(word):
        return pick.case(word)

    def ttl():
        roll = pick.random()
        if roll < 0.5:
            return b"0"
        if roll < 0.8:
            return pick.far_millis()
        return pick.one([b"-1", b"x", b"", b"9223372036854775807", b"9223372036854775808", b"1.5",
                         b"-9223372036854775808"])

    def options():
        words = []
        for _ in range(pick.one([0, 1, 1, 2, 3])):
            roll = pick.int_below(12)
            if roll < 6:
                words.append(name(b"REPLACE"))
            elif roll < 8:
                words.append(name(b"ABSTTL"))
            elif roll < 10:
                words += [name(b"IDLETIME"), pick.one([b"0", b"1000", b"-1", b"x", b"99999"])]
            elif roll < 11:
                words += [name(b"FREQ"), pick.one([b"0", b"5", b"255", b"256", b"-1", b"x"])]
            else:
                words.append(pick.one([b"nosuch", b"IDLETIME", b"FREQ"]))
        return words

    def restore():
        source = pick.key()
        if pick.chance(0.2):
            source += pick.one([b"|cut", b"|bit", b"|version"])
        words = [name(b"RESTORE"), pick.key(), ttl(), source] + options()
        # Of past times on, stock doesn't store at all; of far ones, ABSTTL makes dates.
        if any(word.upper() == b"ABSTTL" for word in words) and pick.chance(0.8):
            words[2] = pick.one([b"%d" % pick.randint(4000000000000, 5000000000000), b"1", b"1000"])
        return Special("restore", words)

    def idle():
        """The idle time that a RESTORE sets. Small integers share theirs in stock."""
        made = pick.one([[b"SET", b"idle", b"text"], [b"RPUSH", b"idle", b"1"],
                         [b"XADD", b"idle", b"1-1", b"f", b"v"], [b"ZADD", b"idle", b"1", b"m"]])
        return Steps(("main", [[b"DEL", b"idle"], made]), ("restore", [
            [b"RESTORE", b"idle", b"0", b"idle", b"REPLACE", b"IDLETIME",
             pick.one([b"0", b"1000", b"99999"])]]),
            ("main", [[b"OBJECT", b"IDLETIME", b"idle"], [b"DEL", b"idle"]]))

    def limits():
        return [b"CONFIG", b"SET", b"rdbcompression", pick.one([b"yes", b"no"])]

    return [
        (8, lambda: Special("dump", [name(b"DUMP"), pick.key()])),
        (8, restore),
        (1, limits),
        (2, idle),
        (1, lambda: [name(b"RESTORE"), pick.key(), ttl(), pick.value()] + options()),
    ]
