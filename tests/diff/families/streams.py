# SPDX-License-Identifier: BSD-3-Clause
"""Every stream command of stock 7.0.

Ids are explicit and rise with the run, so that most XADDs succeed and both servers have the same
entries; an id that the server chooses (XADD *) is checked on a key of its own. Idle times are
either none or longer than any run; XCLAIM's TIME makes deliveries that old. What groups know is
compared by XINFO STREAM FULL, since no digest covers it.
"""
from . import Special

HOUR = 3600000
# What only looks like an id, and ids at the limits.
ODD_IDS = [b"0", b"0-0", b"-", b"+", b"$", b">", b"", b"x", b"1-", b"-1", b"1-x", b"1--1",
           b"1--01", b"1--0", b" 7-1", b"7- 1", b"+7-+1", b"007-01", b"1-1-1", b"5-*x",
           b"1\x00-5", b"(", b"((1", b"(1", b"18446744073709551615", b"18446744073709551616",
           b"5-18446744073709551616", b"5-18446744073709551615", b"1" * 127, b"0" * 120 + b"9-1",
           b"0" * 130]
LAST_IDS = [b"18446744073709551615-18446744073709551615", b"18446744073709551615-0",
            b"18446744073709551615-18446744073709551614", b"18446744073709551615-*"]
GROUPS = [b"g", b"g2", b"group", b"", b"\xff\x00"]
CONSUMERS = [b"alice", b"bob", b"bobby", b"c", b"", b"\x00"]
FIELDS = [[b"f"], [b"f"], [b"f", b"g"], [b"f", b"g", b"h"], [b"1", b"-5"], [b"f", b"f"]]


class Ids:
    """Rising ids, and ids around those that were given."""

    def __init__(self, pick):
        self.pick = pick
        self.ms = 1
        self.seq = 0

    def fresh(self):
        roll = self.pick.random()
        if roll < 0.6:
            self.ms += 1
            self.seq = self.pick.int_below(3)
        elif roll < 0.9:
            self.seq += 1 + self.pick.int_below(3)
        else:
            self.ms += self.pick.int_below(100)
            self.seq = self.pick.one([0, 5, 255, 70000])
        return b"%d-%d" % (self.ms, self.seq)

    def known(self):
        pick = self.pick
        roll = pick.random()
        if roll < 0.03:
            return pick.one(ODD_IDS)
        if roll < 0.04:
            return pick.one(LAST_IDS)
        ms = max(0, self.ms - int(abs(pick.gauss(0, 30))))
        if roll < 0.3:
            return b"%d" % ms
        return b"%d-%d" % (ms, pick.int_below(4))


def commands(pick):
    ids = Ids(pick)
    keys = pick.stream_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def pairs():
        if pick.chance(0.1):
            return [pick.value() for _ in range(pick.one([1, 2, 2, 4, 6, 40]))]
        words = []
        for field in pick.one(FIELDS):
            words += [field, pick.value()]
        return words

    def trim():
        words = [name(b"MAXLEN"), pick.small(-1, 60)] if pick.chance(0.5) else \
            [name(b"MINID"), ids.known()]
        if pick.chance(0.6):
            words.insert(1, pick.one([b"=", b"~", b"~"]))
        if pick.chance(0.3):
            words += [name(b"LIMIT"), pick.small(-1, 60)]
        return words

    def new_id():
        roll = pick.random()
        if roll < 0.9:
            return ids.fresh()
        return b"%d-*" % (ids.ms + pick.int_below(2)) if roll < 0.95 else ids.known()

    def xadd(the_key=None):
        words = [name(b"XADD"), the_key or pick.one(keys) if pick.chance(0.98) else
                 pick.one(pick.string_keys)]
        if pick.chance(0.05):
            words.append(name(b"NOMKSTREAM"))
        if pick.chance(0.15):
            words += trim()
        if pick.chance(0.02):
            words += trim()
        return words + [new_id()] + pairs()

    def xadd_run():
        the_key = pick.one(keys)
        return [xadd(the_key) for _ in range(pick.one([5, 20, 60, 150]))]

    def xadd_auto():
        return Special("xadd", [b"XADD", b"{a}b", b"*"] + pairs())

    def edge(first):
        roll = pick.random()
        if roll < 0.3:
            return b"-" if first else b"+"
        return b"(" + ids.known() if roll < 0.45 else ids.known()

    def xrange():
        words = [name(b"XRANGE"), key(), edge(True), edge(False)]
        return words + ([name(b"COUNT"), pick.small(-1, 20)] if pick.chance(0.5) else [])

    def xrevrange():
        words = [name(b"XREVRANGE"), key(), edge(False), edge(True)]
        return words + ([name(b"COUNT"), pick.small(-1, 20)] if pick.chance(0.5) else [])

    def read_options():
        words = []
        if pick.chance(0.5):
            words += [name(b"COUNT"), pick.small(-1, 15)]
        if pick.chance(0.02):
            words += [name(b"BLOCK"), pick.one([b"1", b"2", b"-1", b"x"])]
        return words

    def streams(position):
        count = pick.one([1, 1, 1, 2, 3, 9])
        words = [name(b"STREAMS")] + [key() for _ in range(count)]
        words += [position() for _ in range(count)]
        return words[:-1] if pick.chance(0.01) else words

    def xread():
        return [name(b"XREAD")] + read_options() + \
            streams(lambda: b"$" if pick.chance(0.1) else ids.known())

    def group():
        return pick.one(GROUPS[:2]) if pick.chance(0.9) else pick.one(GROUPS)

    def consumer():
        return pick.one(CONSUMERS)

    def xreadgroup():
        words = [name(b"XREADGROUP"), name(b"GROUP"), group(), consumer()] + read_options()
        if pick.chance(0.1):
            words.append(name(b"NOACK"))
        return words + streams(lambda: b">" if pick.chance(0.7) else
                               b"0" if pick.chance(0.5) else ids.known())

    def some_ids(most=5):
        return [ids.known() for _ in range(1 + pick.int_below(most))]

    def min_idle():
        return pick.one([b"0", b"0", b"0", b"%d" % HOUR, b"-1", b"x"])

    def xpending():
        words = [name(b"XPENDING"), key(), group()]
        if pick.chance(0.3):
            return words
        if pick.chance(0.2):
            words += [name(b"IDLE"), min_idle()]
        words += [edge(True), edge(False), pick.small(-1, 20)]
        return words + ([consumer()] if pick.chance(0.4) else [])

    def xclaim():
        words = [name(b"XCLAIM"), key(), group(), consumer(), min_idle()] + some_ids(8)
        if pick.chance(0.3):
            words += [name(b"TIME"), pick.one([b"0", b"1000", b"-5", b"9223372036854775807", b"x"])]
        if pick.chance(0.1):
            words += [name(b"IDLE"), pick.one([b"0", b"%d" % (2 * HOUR), b"-5", b"x"])]
        if pick.chance(0.2):
            words += [name(b"RETRYCOUNT"), pick.small(-1, 9)]
        if pick.chance(0.3):
            words.append(name(b"FORCE"))
        if pick.chance(0.3):
            words.append(name(b"JUSTID"))
        if pick.chance(0.05):
            words += [name(b"LASTID"), ids.known()]
        return words

    def xautoclaim():
        words = [name(b"XAUTOCLAIM"), key(), group(), consumer(), min_idle(),
                 b"0" if pick.chance(0.5) else edge(True)]
        if pick.chance(0.5):
            words += [name(b"COUNT"), pick.small(-1, 12)]
        if pick.chance(0.3):
            words.append(name(b"JUSTID"))
        return words

    def xgroup_create():
        words = [name(b"XGROUP"), name(b"CREATE"), key(), group(),
                 pick.one([b"0", b"$", ids.known()])]
        if pick.chance(0.5):
            words.append(name(b"MKSTREAM"))
        if pick.chance(0.2):
            words += [name(b"ENTRIESREAD"), pick.small(-2, 50)]
        return words

    def xgroup_setid():
        words = [name(b"XGROUP"), name(b"SETID"), key(), group(),
                 pick.one([b"0", b"$", ids.known()])]
        return words + ([name(b"ENTRIESREAD"), pick.small(-2, 50)] if pick.chance(0.3) else [])

    def xsetid():
        words = [name(b"XSETID"), key(), b"%d-%d" % (ids.ms + pick.int_below(2), ids.seq)
                 if pick.chance(0.7) else ids.known()]
        if pick.chance(0.4):
            words += [name(b"ENTRIESADDED"), pick.small(-1, 300)]
        if pick.chance(0.3):
            words += [name(b"MAXDELETEDID"), ids.known()]
        return words

    def full():
        words = [name(b"XINFO"), name(b"STREAM"), key(), name(b"FULL")]
        return words + ([name(b"COUNT"), b"0" if pick.chance(0.7) else pick.small(-1, 9)]
                        if pick.chance(0.7) else [])

    def damaged():
        return pick.damaged(pick.one([xrange, xpending, xclaim, xautoclaim, xgroup_create, xsetid,
                                      full])())

    return [
        (30, xadd),
        (4, xadd_run),
        (1, xadd_auto),
        (6, lambda: [name(b"XDEL"), key()] + some_ids()),
        (3, lambda: [name(b"XTRIM"), key()] + trim()),
        (2, lambda: [name(b"XLEN"), key()]),
        (6, xrange),
        (6, xrevrange),
        (6, xread),
        (14, xreadgroup),
        (6, lambda: [name(b"XACK"), key(), group()] + some_ids()),
        (6, xpending),
        (8, xclaim),
        (5, xautoclaim),
        (5, xgroup_create),
        (2, xgroup_setid),
        (1, lambda: [name(b"XGROUP"), name(b"DESTROY"), key(), group()]),
        (2, lambda: [name(b"XGROUP"), name(b"CREATECONSUMER"), key(), group(), consumer()]),
        (1, lambda: [name(b"XGROUP"), name(b"DELCONSUMER"), key(), group(), consumer()]),
        (1, xsetid),
        (4, lambda: [name(b"XINFO"), name(b"STREAM"), key()]),
        (4, full),
        (3, lambda: [name(b"XINFO"), name(b"GROUPS"), key()]),
        (3, lambda: [name(b"XINFO"), name(b"CONSUMERS"), key(), group()]),
        (2, damaged),
        (1, lambda: [b"DEL", pick.one(keys)]),
    ]
