# SPDX-License-Identifier: BSD-3-Clause
"""Keys that are copied, moved and sorted: COPY, MOVE, SWAPDB, TOUCH, SORT, SORT_RO.

What SORT's options make of elements is compared in full, but for two cases whose order stock
leaves open: sets that aren't sorted at all are stored, which sorts them; and elements whose
texts are equal or absent under ALPHA are a list's, without LIMIT, and keep its order.

Stock's SORT takes an ERANGE that some earlier command has left in errno for its own, and says
that scores can't be converted. So a call that is sure to set errno anew comes first.
"""

CLEAN_ERRNO = [b"CONFIG", b"SET", b"proto-max-bulk-len", b"512mb"]


def commands(pick):
    def name(word):
        return pick.case(word)

    def db():
        if pick.chance(0.93):
            return b"%d" % pick.int_below(3)
        return pick.one([b"15", b"16", b"-1", b"x", b"", b"2147483648", b"99999999999999999999"])

    def copy():
        words = [name(b"COPY"), pick.key(), pick.key()]
        for _ in range(pick.one([0, 0, 1, 1, 2, 3])):
            words += pick.one([[name(b"REPLACE")], [name(b"DB"), db()], [b"nosuch"], [b"DB"]]
                              if pick.chance(0.1) else [[name(b"REPLACE")], [name(b"DB"), db()]])
        return words

    def numbers():
        """Keys that SORT finds numbers in, and weights for them."""
        key = pick.one(pick.list_keys + pick.set_keys + pick.zset_keys)
        members = [b"%d" % pick.randint(-30, 60) for _ in range(1 + pick.int_below(20))]
        make = [[name(b"DEL"), key]]
        if key in pick.list_keys:
            make.append([name(b"RPUSH"), key] + members)
        elif key in pick.set_keys:
            make.append([name(b"SADD"), key] + members)
        else:
            make.append([name(b"ZADD"), key] + [w for m in members
                                                for w in (b"%d" % pick.int_below(50), m)])
        return make

    def weight():
        number = b"%d" % pick.randint(-30, 60)
        value = pick.value() if pick.chance(0.1) else b"%d" % pick.randint(-9, 9)
        if pick.chance(0.5):
            return [name(b"SET"), b"str:" + number, value]
        return [name(b"HSET"), b"hash:" + number, b"f", value]

    def limit():
        return [name(b"LIMIT"), pick.small(-3, 12), pick.small(-3, 12)]

    def patterns():
        return pick.one([b"#", b"str:*", b"str:*", b"hash:*->f", b"hash:*->f", b"*", b"nostar",
                         b"hash:*->", b"hash:*", b"str:*->f", b"nosuch:*", b"hash:*->g->f", b"",
                         b"->*", b"*->f", b"**"])

    def sort():
        key = pick.one(pick.list_keys + pick.zset_keys + pick.set_keys + [pick.key()])
        words = [name(pick.one([b"SORT", b"SORT", b"SORT_RO"])), key]
        by = None
        rest = []
        if pick.chance(0.4):
            by = pick.one([b"str:*", b"hash:*->f", b"nosuch:*", b"*", b"#", b"nosort", b"->*"])
            rest.append([name(b"BY"), by])
        alpha = by is None and pick.chance(0.5)
        if alpha:
            rest.append([name(b"ALPHA")])
        if pick.chance(0.4):
            rest.append([name(pick.one([b"ASC", b"DESC"]))])
        if pick.chance(0.4):
            rest.append(limit())
        for _ in range(pick.one([0, 0, 0, 1, 2])):
            rest.append([name(b"GET"), patterns()])
        # A set that isn't sorted has nobody's order; when it is stored, it is sorted.
        # ALPHA compares texts up to a NUL, but all of their bytes when it stores.
        if pick.chance(0.3) or by in (b"nosort", b"#") or alpha:
            rest.append([name(b"STORE"), pick.key()])
        pick.shuffle(rest)
        for part in rest:
            words += part
        # Its first SORT makes a tree of a sorted set, and that, too, may leave an ERANGE.
        return [[b"SORT_RO", key, b"BY", b"nosort", b"LIMIT", b"0", b"0"], CLEAN_ERRNO, words]

    def texts():
        """A list whose elements have equal texts to be sorted by, or none; texts have NULs."""
        key = pick.one(pick.list_keys)
        members = [pick.one([b"%d" % pick.randint(-30, 60), b"a\0%d" % pick.int_below(9),
                             pick.value()]) for _ in range(1 + pick.int_below(30))]
        words = [name(b"SORT"), key, name(b"ALPHA")]
        if pick.chance(0.7):
            words += [name(b"BY"), pick.one([b"str:*", b"hash:*->f", b"nosuch:*", b"*"])]
        if pick.chance(0.4):
            words.append(name(b"DESC"))
        if pick.chance(0.3):
            words += [name(b"STORE"), pick.one(pick.list_keys)]
        return [[b"DEL", key], [b"RPUSH", key] + members, words]

    return [
        (8, copy),
        (6, lambda: [name(b"MOVE"), pick.key(), db()]),
        (1.5, lambda: [name(b"SWAPDB"), db(), db()]),
        (3, lambda: [name(b"TOUCH")] + [pick.key() for _ in range(1 + pick.int_below(4))]),
        (14, sort),
        (5, texts),
        (5, numbers),
        (5, weight),
    ]
