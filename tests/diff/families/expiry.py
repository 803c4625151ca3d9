# SPDX-License-Identifier: BSD-3-Clause
"""Keys whose time has passed and that nobody has looked at since: the runner turns the periodic
search for them off. Whatever command comes next must find them gone, and count what it found."""
from . import (Special, Steps, bitmaps, geo, hashes, keys, keys2, lists, sets, streams, strings,
               zsets)

SHARE = 10
# For each, a command that gives a key of its kind something to hold.
MAKERS = [lambda pick: [b"SET", pick.one(pick.string_keys), pick.value()],
          lambda pick: [b"HSET", pick.one(pick.hash_keys), b"f", pick.value()],
          lambda pick: [b"RPUSH", pick.one(pick.list_keys), b"3", b"1", b"2"],
          lambda pick: [b"SADD", pick.one(pick.set_keys), b"1", b"2", b"m3"],
          lambda pick: [b"ZADD", pick.one(pick.zset_keys), b"1", b"1", b"2", b"m2"],
          lambda pick: [b"XADD", pick.one(pick.stream_keys), b"18446744073709551615-7", b"f", b"v"]]
WHOLE = [[b"DBSIZE"], [b"KEYS", b"*"], [b"EXISTS", b"nosuch"], [b"DEBUG", b"DIGEST"]]


def commands(pick):
    rows = []
    for family in (strings, bitmaps, hashes, lists, sets, zsets, streams, keys, keys2, geo):
        rows += family.commands(pick)
    functions = [function for _, function in rows]
    weights = [weight for weight, _ in rows]

    def some_command():
        """Commands of any family, as they are drawn together."""
        while True:
            drawn = pick.choices(functions, weights)[0]()
            if isinstance(drawn, Special):
                continue
            drawn = [drawn] if isinstance(drawn[0], bytes) else drawn[:5]
            if drawn[0][0].upper() not in (b"SELECT", b"SWAPDB"):
                return drawn

    def aimed(words, old, new):
        return [new if word == old else word for word in words]

    # Stock takes the time twice within PEXPIRE, and deletes the key at once if it has passed then.
    def expire(key):
        return [b"PEXPIRE", key, pick.one([b"5", b"6"])]

    def passed():
        """Makes a key, lets its time pass, and sends commands, mostly about it."""
        maker = pick.one(MAKERS)
        made = maker(pick)
        before = [[b"DEL", made[1]], made, expire(made[1]), [b"DEBUG", b"SLEEP", b"0.008"]]
        after = []
        for _ in range(1 + pick.int_below(4)):
            for words in some_command():
                names = [word for word in words[1:] if word in pick.names]
                after.append(aimed(words, names[0], made[1]) if names and pick.chance(0.7)
                             else words)
            if pick.chance(0.2):
                after.append(pick.one(WHOLE))
        return Steps(("main", before), ("main", after + found(made)))

    def found(made):
        """In the end it is found, for RANDOMKEY finds at random."""
        return [[b"EXISTS", made[1]]]

    def in_transaction():
        """The time passes between WATCH and EXEC, or while commands are queued."""
        made = pick.one(MAKERS)(pick)
        watch = [[b"WATCH", made[1]]] if pick.chance(0.7) else []
        # So long that it passes behind WATCH, however slow the machine.
        long = [[b"DEL", made[1]], made, [b"PEXPIRE", made[1], b"40"]] + watch + \
            [[b"DEBUG", b"SLEEP", b"0.042"]]
        short = [[b"DEL", made[1]], made, expire(made[1]), [b"DEBUG", b"SLEEP", b"0.008"]] + watch
        queued = some_command()
        return Steps(("main", (long if pick.chance(0.2) else short) + [[b"MULTI"]] + queued +
                      [[b"EXISTS", made[1]], [b"DBSIZE"], [b"EXEC"]] + found(made)))

    return [(8, passed), (2, in_transaction)]
