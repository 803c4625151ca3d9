# SPDX-License-Identifier: BSD-3-Clause
"""Every list command of stock 7.0. Those that wait get lists that are there, a timeout that is
wrong, or one so short that it passes."""


def commands(pick):
    keys = pick.list_keys

    def key():
        return pick.of(keys)

    def name(word):
        return pick.case(word)

    def elements(most=4):
        return [pick.member() for _ in range(1 + pick.int_below(most))]

    def end():
        return name(pick.one([b"LEFT", b"RIGHT"])) if pick.chance(0.97) else pick.value()

    def index():
        return pick.small(-30, 60)

    def grow():
        """Many elements at once, to fill several nodes."""
        return [pick.one([b"LPUSH", b"RPUSH"]), key()] + \
            [pick.member() for _ in range(pick.one([20, 60, 200]))]

    def large():
        """An element that fills a node, or nearly."""
        return [pick.one([b"LPUSH", b"RPUSH"]), key(),
                b"L" * pick.one([3900, 4080, 4096, 8150, 8170, 8180, 8190, 8200, 20000])]

    def rank_options():
        words = []
        for _ in range(pick.int_below(4)):
            words += pick.one([[name(b"RANK"), pick.small(-3, 3)],
                               [name(b"COUNT"), pick.small(0, 5)],
                               [name(b"MAXLEN"), pick.small(0, 40)]])
        return words

    def pop(word):
        words = [name(word), key()]
        if pick.chance(0.4):
            words.append(pick.small(-1, 12))
        return words

    def several(most=3):
        return [key() for _ in range(1 + pick.int_below(most))]

    def mpop(head):
        at = several()
        count = b"%d" % len(at) if pick.chance(0.95) else pick.integer()
        words = head + [count] + at + [end()]
        if pick.chance(0.5):
            words += [name(b"COUNT"), pick.small(1, 20)]
        return words

    def timeout():
        roll = pick.random()
        if roll < 0.8:
            return pick.one([b"0.001", b"0.0001", b"1e-3", b"0.002"])
        return pick.one([b"-1", b"-0.5", b"x", b"", b"nan", b"inf", b"-inf", b"1e300",
                         b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
                         b" 1", b"0x", b"1,5"])

    return [
        (12, lambda: [name(b"LPUSH"), key()] + elements()),
        (12, lambda: [name(b"RPUSH"), key()] + elements()),
        (2, grow),
        (0.3, large),
        (3, lambda: [name(b"LPUSHX"), key()] + elements()),
        (3, lambda: [name(b"RPUSHX"), key()] + elements()),
        (6, lambda: pop(b"LPOP")),
        (6, lambda: pop(b"RPOP")),
        (3, lambda: [name(b"LLEN"), key()]),
        (6, lambda: [name(b"LINDEX"), key(), index()]),
        (6, lambda: [name(b"LRANGE"), key(), index(), index()]),
        (3, lambda: [b"LRANGE", key(), b"0", b"-1"]),
        (5, lambda: [name(b"LINSERT"), key(), name(pick.one([b"BEFORE", b"AFTER"])),
                     pick.member(), pick.member()]),
        (5, lambda: [name(b"LSET"), key(), index(), pick.member()]),
        (0.2, lambda: [b"LSET", key(), index(), b"S" * pick.one([4090, 8170, 9000])]),
        (5, lambda: [name(b"LREM"), key(), pick.small(-3, 3), pick.member()]),
        (3, lambda: [name(b"LTRIM"), key(), pick.small(-200, 5), pick.small(-5, 200)]),
        (1, lambda: [name(b"LTRIM"), key(), index(), index()]),
        (6, lambda: [name(b"LPOS"), key(), pick.member()] + rank_options()),
        (5, lambda: [name(b"LMOVE"), key(), key(), end(), end()]),
        (3, lambda: [name(b"RPOPLPUSH"), key(), key()]),
        (4, lambda: mpop([name(b"LMPOP")])),
        (0.5, lambda: [name(pick.one([b"BLPOP", b"BRPOP"]))] + several() + [timeout()]),
        (0.3, lambda: [name(b"BLMOVE"), key(), key(), end(), end(), timeout()]),
        (0.2, lambda: [name(b"BRPOPLPUSH"), key(), key(), timeout()]),
        (0.3, lambda: mpop([name(b"BLMPOP"), timeout()])),
        (0.5, lambda: [name(pick.one([b"DEL", b"UNLINK"])), key()]),
    ]
