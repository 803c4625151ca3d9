# SPDX-License-Identifier: BSD-3-Clause
"""A second client that blocks, or changes what the first has watched. It waits without a limit
of time: what the first client does may serve it; if nothing does, it is woken by hand."""
from . import Steps
from .keys2 import CLEAN_ERRNO

SHARE = 8


def commands(pick):
    lists, zsets, streams = pick.list_keys[:3], pick.zset_keys[:3], pick.stream_keys[:2]
    every = lists + zsets + streams

    def some(keys, most=3):
        return [pick.one(keys) for _ in range(1 + pick.int_below(most))]

    def end():
        return pick.one([b"LEFT", b"RIGHT"])

    def count():
        return [b"COUNT", b"%d" % (1 + pick.int_below(4))] if pick.chance(0.5) else []

    def waits():
        """A command that waits, and its keys."""
        kind = pick.int_below(9)
        keys = some(lists if kind < 5 else zsets if kind < 7 else streams)
        if kind < 2:
            return keys, [pick.one([b"BLPOP", b"BRPOP"])] + keys + [b"0"]
        if kind == 2:
            return keys, [b"BLMOVE", keys[0], pick.one(every), end(), end(), b"0"]
        if kind == 3:
            return keys, [b"BRPOPLPUSH", keys[0], pick.one(every), b"0"]
        if kind == 4:
            return keys, [b"BLMPOP", b"0", b"%d" % len(keys)] + keys + [end()] + count()
        if kind == 5:
            return keys, [pick.one([b"BZPOPMIN", b"BZPOPMAX"])] + keys + [b"0"]
        if kind == 6:
            return keys, [b"BZMPOP", b"0", b"%d" % len(keys)] + keys + \
                [pick.one([b"MIN", b"MAX"])] + count()
        if kind == 7:
            return keys, [b"XREAD"] + count() + [b"BLOCK", b"0", b"STREAMS"] + keys + \
                [b"$"] * len(keys)
        return keys, [b"XREADGROUP", b"GROUP", b"g", b"alice", b"BLOCK", b"0", b"STREAMS", keys[0],
                      b">"]

    def prepare(keys):
        """Most keys are taken away first, so that there is something to wait for."""
        made = [[b"DEL"] + keys] if pick.chance(0.8) else []
        for key in keys:
            if key in streams:
                made.append([b"XGROUP", b"CREATE", key, b"g", b"$", b"MKSTREAM"])
        if pick.chance(0.1):
            made.append([b"SET", pick.one(keys), b"another type"])
        return made or [[b"PING"]]

    def serve(keys):
        key = pick.one(keys)
        other = pick.one(every)
        words = pick.one([
            [b"LPUSH", key, b"a", b"b"], [b"RPUSH", key, b"a", b"b", b"c"],
            [b"LPUSHX", key, b"q"], [b"LINSERT", key, b"BEFORE", b"a", b"z"], [b"LPOP", key],
            [b"LMOVE", other, key, end(), end()], [b"RPOPLPUSH", other, key],
            [b"ZADD", key, b"1", b"m"], [b"ZADD", key, b"2", b"x", b"3", b"y"],
            [b"ZINCRBY", key, b"1", b"m"], [b"GEOADD", key, b"13", b"38", b"p"], [b"ZPOPMIN", key],
            [b"XADD", key, b"18446744073709551614-1", b"f", b"v"],
            [b"XADD", key, b"18446744073709551615-*", b"f", b"v"],
            [b"XSETID", key, b"18446744073709551615-9"],
            [b"XGROUP", b"DESTROY", key, b"g"], [b"XGROUP", b"CREATE", key, b"g", b"0"],
            [b"SET", key, b"v"], [b"SADD", key, b"1"], [b"DEL", key], [b"PEXPIRE", key, b"-1"],
            [b"RENAME", other, key], [b"COPY", other, key, b"REPLACE"], [b"MOVE", key, b"1"],
            [b"SORT", other, b"STORE", key], [b"ZUNIONSTORE", key, b"1", other],
            [b"ZRANGESTORE", key, other, b"0", b"-1"],
            [b"SWAPDB", b"0", b"1"], [b"FLUSHDB"], [b"FLUSHALL"], [b"FLUSHALL", b"ASYNC"]])
        if words[0] in (b"SORT", b"ZUNIONSTORE", b"ZRANGESTORE"):
            # Whom an overwritten key has come to serve waits on in stock; see README.md.
            clean = [[b"SORT_RO", other, b"BY", b"nosort", b"LIMIT", b"0", b"0"], CLEAN_ERRNO]
            return [[b"DEL", key]] + (clean if words[0] == b"SORT" else []) + [words]
        if words[0] == b"SWAPDB" and len(set(keys)) > 1:
            return [[b"PING"]]  # which of the keys that come is served first is nobody's promise
        return [words]

    def plainly(keys):
        """What serves a key, and nothing of another type."""
        key = pick.one(keys)
        return pick.one([[b"RPUSH", key, b"a", b"b"], [b"LPUSH", key, b"a"], [b"LPOP", key]]
                        if key in lists else
                        [[b"ZADD", key, b"1", b"m"], [b"ZADD", key, b"0", b"l"], [b"ZPOPMIN", key]]
                        if key in zsets else
                        [[b"XADD", key, b"18446744073709551614-*", b"f", b"v"]])

    def served(keys):
        """In a transaction, of several keys the first that was written to serves; a write of
        another type doesn't count in stock."""
        in_one = pick.chance(0.3)
        done = []
        for _ in range(1 + pick.int_below(3)):
            done += [plainly(keys)] if in_one and len(set(keys)) > 1 else serve(keys)
        return [[b"MULTI"]] + done + [[b"EXEC"]] if in_one else done

    def wait():
        keys, words = waits()
        return Steps(("main", [[b"SELECT", b"0"]] + prepare(keys)), ("wait", [words]),
                     ("main", served(keys)),
                     ("settle", [[pick.one([b"TIMEOUT", b"ERROR"])]]))

    def in_transaction():
        """Inside MULTI nothing waits."""
        queued = [waits()[1] for _ in range(1 + pick.int_below(3))]
        return Steps(("main", [[b"MULTI"]] + queued + [[b"EXEC"]]))

    def watched():
        keys = some(every)
        return Steps(("main", [[b"SELECT", b"0"]] + prepare(keys)),
                     ("main", [[b"WATCH"] + keys] + (served(keys) if pick.chance(0.2) else [])),
                     ("other", served(keys if pick.chance(0.7) else every)),
                     ("main", [[b"MULTI"]] + serve(keys) + [[b"EXEC"]]))

    return [(5, wait), (2, in_transaction), (3, watched)]
