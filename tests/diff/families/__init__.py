# SPDX-License-Identifier: BSD-3-Clause
"""What random commands are made of.

A family is a module of this package with `commands(pick)`: a list of (weight, function), each
function returning one operation or a list of them. An operation is a list of byte strings (a
command whose replies are compared), or a Special, for commands that are checked in another way.
`pick` is a Pick: the seeded source of keys, values and numbers. To add a family: a module, and
its name in FAMILIES.
"""
import random
import re

FAMILIES = ["strings", "bitmaps", "hll", "geo", "hashes", "lists", "sets", "zsets", "streams",
            "keys", "keys2", "scan", "dump", "expiry", "waiting", "pubsub", "errors", "multi"]


# Commands that with other arguments would answer with a server's own ids, times and tables.
UNDAMAGED = {b"COMMAND", b"TIME", b"HELLO", b"CLIENT", b"CONFIG", b"DEBUG", b"OBJECT", b"SCAN",
             b"HSCAN", b"SSCAN", b"ZSCAN",
             # An offset must stay a small one: both servers would make room for it.
             b"SETBIT", b"BITFIELD",
             # Without its STORE or its pattern, it may show a set's own order.
             b"SORT", b"SORT_RO",
             # A time to wait must stay a short one.
             b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX",
             b"BZMPOP", b"XADD", b"XREAD", b"XREADGROUP"}


class Special:
    """An operation with a checker of its own: kind names it (see check.py)."""

    def __init__(self, kind, words):
        self.kind = kind
        self.words = words

    def commands(self):
        return [self.words]


class Steps(Special):
    """What needs more than one pipeline, or a second client: pairs of a step's name (see
    check.py's STEPS) and its commands."""

    def __init__(self, *steps):
        super().__init__("steps", steps[0][1][0])
        self.steps = steps

    def commands(self):
        return [words for _, commands in self.steps for words in commands]


def sendable(operation):
    """The commands of an operation for those who only send them, over one connection."""
    if isinstance(operation, Steps):
        return []
    return operation.commands() if isinstance(operation, Special) else [operation]


# Every kind of number text: plain, at the limits, past them, and what only looks like one.
INTEGERS = [b"0", b"1", b"-1", b"2", b"3", b"10", b"100", b"127", b"128", b"255", b"256", b"-128",
            b"-129", b"32767", b"32768", b"-32769", b"65535", b"9999", b"10000", b"2147483647",
            b"2147483648", b"-2147483648", b"-2147483649", b"4294967296",
            b"9223372036854775806", b"9223372036854775807", b"-9223372036854775807",
            b"-9223372036854775808"]
ODD_INTEGERS = [b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615",
                b"18446744073709551616", b"99999999999999999999999", b"-0", b"+1", b"01", b" 1",
                b"1 ", b"1.0", b"1e3", b"0x10", b"", b"-", b"+", b"--1", b"1\x00", b"abc", b"\xff"]
FLOATS = [b"0", b"0.1", b"-0.1", b"1.5", b"3.0e3", b"1e-7", b"1e17", b"1e21", b"123456789.123456789",
          b"-1e-10", b"0.30000000000000004", b"1e300", b"-1e300", b"3.1415926535897932384626",
          b"1e-300", b"1.7976931348623157e308", b"1e4000", b"-1e4000", b"1e-4000", b"0x1p3",
          b"5e-324", b"100000000000000000000", b"0.000001", b"10.00", b".5", b"5."]
ODD_FLOATS = [b"nan", b"inf", b"-inf", b"+inf", b"infinity", b"1e5000", b"", b" 1.5", b"1.5 ",
              b"1.5x", b"1,5", b"--1", b"abc", b"1e", b"e1", b"NaN", b"\x00"]
# Lengths at which something changes: embedded strings, listpack limits, header sizes.
LENGTHS = [0, 1, 2, 5, 11, 12, 13, 20, 21, 31, 32, 39, 40, 43, 44, 45, 62, 63, 64, 65, 66, 100,
           126, 127, 128, 129, 255, 256, 257, 600]


class Pick(random.Random):
    """Random keys and values. `names` are all keys that any family uses."""

    def __init__(self, seed):
        super().__init__(seed)
        self.string_keys = [b"str:%d" % i for i in range(12)]
        self.hash_keys = [b"hash:%d" % i for i in range(8)]
        self.list_keys = [b"list:%d" % i for i in range(8)]
        self.set_keys = [b"set:%d" % i for i in range(8)]
        self.zset_keys = [b"zset:%d" % i for i in range(8)]
        self.lex_keys = [b"lex:%d" % i for i in range(3)]  # all scores equal: for `zsets` alone
        self.stream_keys = [b"stream:%d" % i for i in range(5)]
        self.hll_keys = [b"hll:%d" % i for i in range(8)]  # of `hll` alone: it damages them
        self.geo_keys = [b"geo:%d" % i for i in range(8)]  # of `geo` alone
        self.odd_keys = [b"", b"\x00\xff key", b"{a}b", b"k" * 300, b"*", b"12345"]
        self.all_keys = self.string_keys + self.hash_keys + self.list_keys + self.set_keys + \
            self.zset_keys + self.stream_keys + self.odd_keys
        self.names = frozenset(self.all_keys + self.lex_keys + self.hll_keys + self.geo_keys +
                               [b"distances"])

    def one(self, items):
        return items[int(self.random() * len(items))]

    def chance(self, share):
        return self.random() < share

    def int_below(self, limit):
        return int(self.random() * limit)

    def key(self):
        return self.one(self.all_keys)

    def of(self, keys):
        """One of these keys, now and then any other."""
        return self.one(keys) if self.random() < 0.95 else self.one(self.all_keys)

    def integer(self):
        roll = self.random()
        if roll < 0.55:
            return b"%d" % self.randint(-20, 20)
        return self.one(INTEGERS) if roll < 0.9 else self.one(ODD_INTEGERS)

    def small(self, low=-10, high=20):
        """A small integer, rarely something else."""
        if self.random() < 0.93:
            return b"%d" % self.randint(low, high)
        return self.integer()

    def floating(self):
        roll = self.random()
        if roll < 0.3:
            return b"%.*f" % (self.int_below(8), self.uniform(-1000, 1000))
        if roll < 0.4:
            return self.integer()
        return self.one(FLOATS) if roll < 0.9 else self.one(ODD_FLOATS)

    def text(self):
        """Any bytes, of a length that matters."""
        length = self.one(LENGTHS)
        return self.randbytes(length) if self.random() < 0.3 else \
            (b"%x" % self.getrandbits(64) * (length // 8 + 1))[:length]

    def value(self):
        roll = self.random()
        if roll < 0.35:
            return self.integer()
        if roll < 0.5:
            return self.floating()
        return self.text()

    def member(self):
        """From a pool small enough for hits, with integers, long and odd ones in it."""
        roll = self.random()
        if roll < 0.4:
            return b"%d" % self.randint(-30, 60)
        if roll < 0.75:
            return b"m%d" % self.int_below(60)
        if roll < 0.9:
            return b"w%d" % self.int_below(400)
        return self.value()

    def count(self):
        """For commands that repeat elements when it is negative: what would be answered with
        millions of them is left out."""
        if self.random() < 0.85:
            return b"%d" % self.randint(-8, 12)
        return self.one([b"x", b"", b"1.5", b"100", b"-100", b"2147483648", b"9223372036854775807",
                         b"-9223372036854775808", b"9223372036854775808", b"4611686018427387904"])

    def far_seconds(self):
        return b"%d" % self.randint(1000000, 90000000)

    def far_millis(self):
        return b"%d" % self.randint(1000000000, 90000000000)

    def case(self, word):
        """A command or option name in some spelling of its letters."""
        roll = self.random()
        if roll < 0.8:
            return word
        return word.lower() if roll < 0.95 else word.capitalize()

    def damaged(self, words):
        """The command with an argument lost, doubled, added or replaced."""
        if words[0].upper() in UNDAMAGED or words[1:2] and words[1] in self.lex_keys:
            return words
        words = list(words)
        roll = self.int_below(4)
        at = 1 + self.int_below(len(words))
        if roll == 0 and at < len(words):
            del words[at]
        elif roll == 1:
            words.insert(at, self.value())
        elif roll == 2 and at < len(words):
            words.insert(at, words[at])
        elif at < len(words):
            words[at] = self.value()
        return words


class Mixer:
    """Draws operations from the chosen families by weight."""

    def __init__(self, modules, pick):
        self.pick = pick
        self.functions = []
        self.weights = []
        total = 0
        for module in modules:
            rows = module.commands(pick)
            share = getattr(module, "SHARE", 100) / sum(weight for weight, _ in rows)
            for weight, function in rows:
                total += weight * share
                self.functions.append(function)
                self.weights.append(total)

    def draw(self):
        """A list of operations."""
        function = self.pick.choices(self.functions, cum_weights=self.weights)[0]
        drawn = function()
        if isinstance(drawn, Special):
            return [drawn]
        if drawn and isinstance(drawn[0], bytes):
            drawn = [drawn]
        if self.pick.random() < 0.005:
            return [[b"COMMAND", self.pick.one([b"GETKEYS", b"GETKEYSANDFLAGS"])] + words
                    for op in drawn for words in map(self.pick.damaged, sendable(op))
                    if counts_keys_well(words)]
        if self.pick.random() < 0.02:
            drawn = [op if isinstance(op, Special) else self.pick.damaged(op) for op in drawn]
        return [op if isinstance(op, Special) else far_away(op, self.pick) for op in drawn]


# Commands that say how many keys follow, and where.
KEY_COUNT_SECOND = {b"LMPOP", b"ZMPOP", b"SINTERCARD", b"ZINTERCARD", b"ZUNION", b"ZINTER",
                    b"ZDIFF"}
KEY_COUNT_THIRD = {b"BLMPOP", b"BZMPOP", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE"}
KEY_COUNT = re.compile(rb"0|-?[1-9][0-9]{0,17}")


def counts_keys_well(words):
    """False for a number of keys that only looks like one: there, COMMAND GETKEYS of stock takes
    what it can for a number."""
    command = words[0].upper()
    at = 1 if command in KEY_COUNT_SECOND else 2 if command in KEY_COUNT_THIRD else 0
    return at == 0 or len(words) <= at or KEY_COUNT.fullmatch(words[at]) is not None


# Commands whose third word is a time, and those with a time among their options.
TIME_THIRD = {b"EXPIRE", b"PEXPIRE", b"SETEX", b"PSETEX"}
TIME_OPTION = {b"SET", b"GETEX"}
NUMBER = re.compile(rb"[1-9][0-9]*")


def far_away(words, pick):
    """The command with a time that could pass during the run moved out of reach.

    Damage and chance produce such times too; when they pass, the two servers may be asked a
    millisecond before and after.
    """
    command = words[0].upper()
    if command in TIME_THIRD and len(words) > 2:
        moved = [2]
    elif command in TIME_OPTION:
        moved = [at + 1 for at in range(2, len(words) - 1) if words[at].upper() in (b"EX", b"PX")]
    else:
        return words
    for at in moved:
        if NUMBER.fullmatch(words[at]) and int(words[at]) < 1000000000:
            words = list(words)
            words[at] = pick.far_millis()
    return words
