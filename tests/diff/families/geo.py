# SPDX-License-Identifier: BSD-3-Clause
"""Positions in sorted sets: GEOADD to GEOSEARCHSTORE."""

LON_EDGES = [b"180", b"-180", b"179.99999", b"-179.99999", b"0", b"180.0000001", b"-181", b"1e308",
             b"90", b"-90"]
LAT_EDGES = [b"85.05112878", b"-85.05112878", b"85.05112879", b"0", b"86", b"-90", b"66.5", b"-80.1",
             b"84.9"]
RADII = [b"0", b"-1", b"1e308", b"inf", b"nan", b"x", b"", b"20037726", b"40000000", b"0.001"]


def commands(pick):
    keys = pick.geo_keys

    # Which of several members at one distance COUNT leaves out depends on stock's sort, so that few
    # may share a place: distances aren't stored where a search finds them, and each edge has its
    # own member.
    def key():
        return pick.one(keys) if pick.chance(0.97) else pick.one(pick.string_keys)

    def distances_key():
        return b"distances"

    def name(word):
        return pick.case(word)

    def member():
        return b"m%d" % pick.int_below(80) if pick.chance(0.93) else pick.member()

    def place():
        roll = pick.random()
        if roll < 0.5:  # a crowd
            return [b"%.6f" % pick.gauss(13, 3), b"%.6f" % pick.gauss(40, 3)]
        if roll < 0.93:
            return [b"%.8f" % pick.uniform(-180, 180), b"%.8f" % pick.uniform(-85.05, 85.05)]
        if roll < 0.98:
            return [pick.one(LON_EDGES), pick.one(LAT_EDGES)]
        return [pick.floating(), pick.floating()]

    def add():
        words = [name(b"GEOADD"), key()]
        for _ in range(pick.one([0, 0, 0, 1, 2])):
            words.append(name(pick.one([b"NX", b"XX", b"CH"])))
        for _ in range(pick.one([1, 1, 2, 5, 20])):
            at = place()
            on_edge = at[0] in LON_EDGES or len(at[0]) < 8
            words += at + [b"at:" + b",".join(at) if on_edge else member()]
        return words

    def unit():
        return pick.one([b"m", b"km", b"KM", b"ft", b"mi"]) if pick.chance(0.97) else b"yd"

    def metres():
        # Sizes that mean something in each unit.
        word = unit()
        scale = {b"m": 1000.0, b"ft": 3280.0}.get(word, 1.0)
        if pick.chance(0.93):
            return [b"%.3f" % (scale * 10 ** pick.uniform(0, 4.4)), word]
        return [pick.one(RADII), word]

    def extras(store, shows):
        words = []
        for _ in range(pick.one([0, 1, 1, 2, 3])):
            roll = pick.int_below(10)
            if roll < 3:
                words.append(pick.one([b"WITHDIST", b"WITHCOORD", b"WITHHASH"])
                             if shows or pick.chance(0.05) else b"ASC")
            elif roll < 6:
                words.append(pick.one([b"ASC", b"DESC"]))
            elif roll < 8:
                words += [b"COUNT", pick.small(1, 12)]
                if pick.chance(0.3):
                    words.append(b"ANY")
            elif roll < 9 and store:
                words += pick.one([[b"STORE", key()], [b"STOREDIST", distances_key()]])
            elif pick.chance(0.1):
                words.append(pick.one([b"STORE", b"ANY", b"x", b"COUNT", b"STOREDIST"]))
        return [name(w) if w.isalpha() else w for w in words]

    def radius():
        word = pick.one([b"GEORADIUS", b"GEORADIUS_RO"])
        store = word == b"GEORADIUS" and pick.chance(0.3)
        return [name(word), key()] + place() + metres() + extras(store, not store)

    def by_member():
        word = pick.one([b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO"])
        store = word == b"GEORADIUSBYMEMBER" and pick.chance(0.3)
        return [name(word), key(), member()] + metres() + extras(store, not store)

    def area():
        words = [b"FROMMEMBER", member()] if pick.chance(0.5) else [b"FROMLONLAT"] + place()
        if pick.chance(0.5):
            words += [b"BYRADIUS"] + metres()
        else:
            height = metres()
            words += [b"BYBOX", metres()[0]] + height
        if pick.chance(0.03):
            words += pick.one([[b"FROMMEMBER", member()], [b"BYRADIUS", b"1", b"km"],
                               [b"FROMLONLAT"] + place()])
        return words[2:] if pick.chance(0.02) else words

    def search():
        return [name(b"GEOSEARCH"), key()] + area() + extras(False, True)

    def search_store():
        by_distance = pick.chance(0.3)
        words = [name(b"GEOSEARCHSTORE"), distances_key() if by_distance else key(), key()]
        words += [w for w in area() + extras(False, False) if w.upper() != b"STOREDIST"]
        return words + [b"STOREDIST"] if by_distance else words

    def members():
        return [member() for _ in range(pick.one([0, 1, 2, 4]))]

    return [
        (16, add),
        (4, lambda: [name(b"GEOPOS"), key()] + members()),
        (4, lambda: [name(b"GEOHASH"), key()] + members()),
        (4, lambda: [name(b"GEODIST"), key(), member(), member()] +
         ([unit()] if pick.chance(0.6) else [])),
        (8, radius),
        (5, by_member),
        (14, search),
        (5, search_store),
        (2, lambda: [name(b"ZREM"), key(), member()]),
        (1, lambda: [name(b"ZADD"), key()] + pick.one([
            [b"1", b"one"], [b"-5", b"neg"], [b"4503599627370495", b"last"], [b"1e16", b"far"],
            [b"inf", b"none"], [b"-inf", b"none"], [b"1e30", b"none"], [b"-1e30", b"none"],
            [b"%d" % pick.getrandbits(52), member()]])),
        (1, lambda: [name(b"ZRANGE"), distances_key(), b"0", b"-1", b"WITHSCORES"]),
        (1, lambda: [name(b"ZRANGE"), key(), b"0", b"-1", b"WITHSCORES"]),
        (1, lambda: [name(b"DEL"), key()]),
        (0.5, lambda: [name(b"SET"), key(), pick.value()]),
    ]
