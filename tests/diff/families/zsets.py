# SPDX-License-Identifier: BSD-3-Clause
"""Every sorted set command of stock 7.0; those that wait do so for a millisecond.

Ranges by member are asked of keys of their own, in which all scores are equal: with others the
answer is unspecified, and stock's depends on the random heights of its skiplist. Those keys are
changed here only, and calls that name them first are never damaged.
"""
from . import Special

AGGREGATES = [b"SUM", b"MIN", b"MAX"]
LEX_LETTERS = b"abc"


def commands(pick):
    keys = pick.zset_keys

    def key():
        return pick.of(keys)

    def source():
        return pick.one(pick.set_keys) if pick.chance(0.2) else key()

    def name(word):
        return pick.case(word)

    def score():
        roll = pick.random()
        if roll < 0.7:
            return b"%d" % pick.randint(-6, 12)
        if roll < 0.8:
            return pick.one([b"inf", b"-inf", b"+inf", b"-0", b"0", b"0.5", b"-0.1"])
        return pick.floating()

    def members(most=4):
        return [pick.member() for _ in range(1 + pick.int_below(most))]

    def scored(most):
        words = []
        for _ in range(1 + pick.int_below(most)):
            words += [score(), pick.member()]
        return words

    def zadd():
        words = [name(b"ZADD"), key()]
        if pick.chance(0.4):
            for _ in range(1 + pick.int_below(2)):
                words.append(name(pick.one([b"NX", b"XX", b"GT", b"LT", b"CH", b"CH"])))
        if pick.chance(0.15):
            return words + [name(b"INCR")] + scored(1)
        return words + scored(5)

    def grow():
        """Many members at once, to pass the limits of the small encoding and split leaves."""
        words = [b"ZADD", key()]
        step = pick.one([0, 1, -1, 7])
        for i in range(pick.one([20, 60, 130, 200, 500])):
            words += [b"%d" % (i * step % 97), b"w%d" % i]
        return words

    def bound():
        if pick.chance(0.05):
            return pick.one([b"", b"(", b" 1", b"1 ", b"nan", b"x", b"((1", b"1\x00z", b"1e9999",
                             b"0x2"])
        text = score()
        return b"(" + text if pick.chance(0.25) else text

    def scores_range():
        low, high = bound(), bound()
        return [low, high] if pick.chance(0.5) else pick.one(
            [[b"-inf", b"+inf"], [low, b"+inf"], [b"-inf", high], [b"0", high], [b"(1", b"5"]])

    def rank():
        return b"%d" % pick.randint(-12, 30) if pick.chance(0.9) else pick.one(
            [b"-1", b"0", b"1000", b"-1000", b"x", b"9223372036854775807",
             b"-9223372036854775808", b"9223372036854775808"])

    def limit():
        return [name(b"LIMIT"), pick.small(-2, 8), pick.small(-3, 12)]

    def with_scores(words, share=0.5):
        if pick.chance(share):
            words.append(name(b"WITHSCORES"))
        return words

    def zrange():
        words = [name(b"ZRANGE"), key()]
        by_score = pick.chance(0.5)
        words += scores_range() if by_score else [rank(), rank()]
        if by_score:
            words.append(name(b"BYSCORE"))
            if pick.chance(0.4):
                words += limit()
        elif pick.chance(0.03):
            words += limit()
        if pick.chance(0.4):
            words.append(name(b"REV"))
        return with_scores(words)

    def zrangestore():
        words = zrange()
        if words[-1].upper() == b"WITHSCORES" and pick.chance(0.9):
            words.pop()
        return [name(b"ZRANGESTORE"), key()] + words[1:]

    def older_range():
        command = pick.one([b"ZREVRANGE", b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"])
        if command == b"ZREVRANGE":
            return with_scores([name(command), key(), rank(), rank()])
        words = [name(command), key()] + scores_range()
        if pick.chance(0.4):
            words += limit()
        return with_scores(words)

    def algebra(store=True):
        command = pick.one([b"ZUNION", b"ZINTER", b"ZDIFF"])
        count = pick.one([1, 2, 2, 2, 3, 4])
        words = [pick.small(0, 5) if pick.chance(0.04) else b"%d" % count]
        words += [source() for _ in range(count)]
        if command != b"ZDIFF" or pick.chance(0.03):
            if pick.chance(0.4):
                words += [name(b"WEIGHTS")] + [score() for _ in range(count)]
            if pick.chance(0.4):
                words += [name(b"AGGREGATE"), name(pick.one(AGGREGATES))]
        if store:
            return [name(command + b"STORE"), key()] + words
        return [name(command)] + with_scores(words)

    def zintercard():
        count = pick.one([1, 2, 2, 3])
        words = [name(b"ZINTERCARD"), b"%d" % count] + [source() for _ in range(count)]
        return words + ([name(b"LIMIT"), pick.small(-1, 9)] if pick.chance(0.5) else [])

    def zpop():
        words = [name(pick.one([b"ZPOPMIN", b"ZPOPMAX"])), key()]
        return words + ([pick.small(-1, 9)] if pick.chance(0.6) else [])

    def zmpop():
        count = pick.one([1, 2, 3])
        words = [name(b"ZMPOP"), b"%d" % count] + [key() for _ in range(count)]
        words.append(name(pick.one([b"MIN", b"MAX"])))
        return words + ([name(b"COUNT"), pick.small(-1, 9)] if pick.chance(0.5) else [])

    def blocking():
        timeout = pick.one([b"0.001", b"0.001", b"0.001", b"x", b"-1"])
        if pick.chance(0.5):
            return [name(pick.one([b"BZPOPMIN", b"BZPOPMAX"]))] + \
                [key() for _ in range(1 + pick.int_below(3))] + [timeout]
        words = zmpop()
        return [name(b"BZMPOP"), timeout] + words[1:]

    def zrandmember():
        words = [name(b"ZRANDMEMBER"), key()]
        if pick.chance(0.7):
            words.append(pick.count())
            if pick.chance(0.5):
                words.append(name(b"WITHSCORES"))
            elif pick.chance(0.05):
                words.append(b"nosuch")
        return Special("zrandmember", words)

    def remove_range():
        by_score = pick.chance(0.5)
        words = [name(b"ZREMRANGEBYSCORE" if by_score else b"ZREMRANGEBYRANK"), key()]
        if by_score:
            low = pick.randint(-6, 12)
            return words + (scores_range() if pick.chance(0.2) else
                            [b"%d" % low, b"%d" % (low + pick.randint(-1, 3))])
        return words + ([rank(), rank()] if pick.chance(0.3) else
                        [b"%d" % pick.randint(-9, 9)] * 2)

    def zscan():
        words = [name(b"ZSCAN"), key(), b"0"]
        if pick.chance(0.4):
            words += [b"COUNT", pick.one([b"1", b"5", b"1000", b"0", b"x"])]
        if pick.chance(0.3):
            words += [b"MATCH", pick.one([b"*", b"m*", b"[0-9]*", b"w1?"])]
        return Special("scan", words)

    # ---- ranges by member ----

    def lex_key():
        return pick.one(pick.lex_keys)

    def lex_member():
        return bytes(pick.one(LEX_LETTERS) for _ in range(pick.int_below(5)))

    def lex_bound():
        if pick.chance(0.04):
            return pick.one([b"", b"a", b"-a", b"+ ", b"[", b"(", b"[\xff", b"(\x00"])
        return pick.one([b"-", b"+"]) if pick.chance(0.3) else pick.one([b"[", b"("]) + lex_member()

    def lex_add():
        words = [name(b"ZADD"), lex_key()]
        for _ in range(1 + pick.int_below(pick.one([3, 40]))):
            words += [b"0", lex_member()]
        return words

    def lex_range():
        command = pick.one([b"ZRANGE", b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZRANGESTORE"])
        words = [name(command)] + ([key()] if command == b"ZRANGESTORE" else [])
        words += [lex_key(), lex_bound(), lex_bound()]
        if command in (b"ZRANGE", b"ZRANGESTORE"):
            words.append(name(b"BYLEX"))
            if pick.chance(0.5):
                words.append(name(b"REV"))
        if pick.chance(0.4):
            words += limit()
        return with_scores(words, 0.02)

    def lex_other():
        command = pick.one([b"ZLEXCOUNT", b"ZLEXCOUNT", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"])
        return [name(command), lex_key(), lex_bound(), lex_bound()]

    def lex_drop():
        at = lex_key()
        return [name(b"ZREM"), at] + [lex_member() for _ in range(4)] \
            if pick.chance(0.9) else [b"DEL", at]

    return [
        (18, zadd),
        (1, grow),
        (4, lambda: [name(b"ZINCRBY"), key(), score(), pick.member()]),
        (6, lambda: [name(b"ZREM"), key()] + members()),
        (3, lambda: [name(b"ZCARD"), key()]),
        (3, lambda: [name(b"ZSCORE"), key(), pick.member()]),
        (3, lambda: [name(b"ZMSCORE"), key()] + members()),
        (5, lambda: [name(pick.one([b"ZRANK", b"ZREVRANK"])), key(), pick.member()]),
        (4, lambda: [name(b"ZCOUNT"), key()] + scores_range()),
        (9, zrange),
        (3, zrangestore),
        (6, older_range),
        (4, remove_range),
        (3, zpop),
        (2, zmpop),
        (1, blocking),
        (2, zrandmember),
        (1, zscan),
        (6, lambda: algebra(False)),
        (4, algebra),
        (3, zintercard),
        (5, lex_add),
        (6, lex_range),
        (3, lex_other),
        (1, lex_drop),
    ]
