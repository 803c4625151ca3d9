# SPDX-License-Identifier: BSD-3-Clause
"""What matters to effects and is left out elsewhere: transactions over all families and databases,
times that have passed, keys that expire, clients that wait. For tests/diff/effects.py alone."""
import importlib

import scenes

from . import FAMILIES, Special

SHARE = 150
# Long enough that what comes before it on its line is done, on a busy machine, too.
SHORT_MS = 40
# Not within MULTI: what isn't a write, and answers with anything but a line.
APART = {b"SELECT", b"HELLO", b"CONFIG", b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"UNWATCH",
         b"QUIT", b"RESET", b"CLIENT", b"AUTH"}


class Scene(Special):
    def __init__(self, steps, kind="scene"):
        super().__init__(kind, scenes.lines_of(steps))
        self.steps = steps


def commands(pick):
    rows = []
    for family in FAMILIES:
        if family not in ("multi", "errors", "scan", "dump", "expiry", "waiting", "pubsub"):
            rows += importlib.import_module("families." + family).commands(pick)
    functions = [function for _, function in rows]
    weights = [weight for weight, _ in rows]

    def any_command():
        """One plain command of any family."""
        while True:
            drawn = pick.choices(functions, weights)[0]()
            if isinstance(drawn, Special):
                continue
            if not isinstance(drawn[0], bytes):
                drawn = drawn[-1]
            if drawn[0].upper() not in APART:
                return drawn

    def databases():
        return pick.one([[b"SELECT", b"%d" % pick.int_below(3)],
                         [b"SELECT", b"%d" % pick.int_below(3)],
                         [b"SWAPDB", b"%d" % pick.int_below(3), b"%d" % pick.int_below(3)],
                         [b"MOVE", pick.key(), b"%d" % pick.int_below(3)],
                         [b"FLUSHDB"], [b"PUBLISH", b"c", b"m"], [b"SELECT", b"99"]])

    def multi():
        operations = [[b"MULTI"]]
        for _ in range(pick.one([0, 1, 1, 2, 3, 6])):
            operations.append(databases() if pick.chance(0.15) else any_command())
        operations.append([b"EXEC" if pick.chance(0.95) else b"DISCARD"])
        if pick.chance(0.2):
            watched = pick.key()
            operations[:0] = [[b"WATCH", watched], [b"SETRANGE", watched, b"0", b"w"]]
        return operations

    def past():
        key = pick.key()
        moment = pick.one([b"1", b"1000", b"1000000000"])
        make = [b"SET", key, pick.value()]
        return [make, pick.one([
            make + [pick.one([b"EXAT", b"PXAT"]), moment], make + [b"PXAT", moment, b"GET"],
            make + [b"NX", b"EXAT", moment], make + [b"EXAT", moment, b"XX"],
            [b"GETEX", key, pick.one([b"EXAT", b"PXAT"]), moment],
            [b"EXPIREAT", key, moment], [b"PEXPIREAT", key, moment, b"NX"],
            [b"EXPIRE", key, b"-1", b"LT"], [b"PEXPIRE", key, b"0"]]), [b"EXISTS", key]]

    def flush():
        return [pick.one([b"FLUSHALL", b"FLUSHDB", b"flushall"])] + \
            pick.one([[], [], [b"ASYNC"], [b"SYNC"]])

    def restore():
        words = [b"RESTORE", pick.key(), pick.one([b"0", pick.far_millis()]), pick.key()]
        if pick.chance(0.2):
            words += [b"ABSTTL"]
            words[2] = pick.one([b"4000000000123", b"1000", b"0"])
        if pick.chance(0.7):
            words.append(pick.one([b"REPLACE", b"replace"]))
        if pick.chance(0.2):
            words += pick.one([[b"IDLETIME", b"100"], [b"FREQ", b"5"]])
        return Special("restore", words)

    # ---- times that pass ----

    def make(key):
        """A command that makes a key of some type."""
        kind = key.split(b":")[0]
        return {b"hash": [b"HSET", key, b"f", b"1"], b"list": [b"RPUSH", key, b"a", b"b"],
                b"set": [b"SADD", key, b"1", b"2"], b"zset": [b"ZADD", key, b"1", b"a"],
                b"stream": [b"XADD", key, b"1-1", b"f", b"v"]}.get(kind, [b"SET", key, b"v"])

    def expiry():
        keys = sorted({pick.key() for _ in range(pick.one([1, 2, 4, 8]))})
        first = [[b"DEL"] + keys] + [make(key) for key in keys]
        first += [[b"PEXPIRE", key, b"%d" % SHORT_MS] for key in keys]
        then = []
        for _ in range(pick.one([1, 2, 5, 20])):
            words = any_command()
            if words[0].upper() in (b"SWAPDB", b"BITOP") or \
                    any(b"STORE" in word.upper() for word in words):
                continue  # an expired target of an empty result: deleted here, stored there
            # On the keys in question.
            then.append([pick.one(keys) if word in pick.all_keys and pick.chance(0.7) else word
                         for word in words])
        if pick.chance(0.3):
            then = [[b"MULTI"]] + then + [[b"EXEC"]]
        return Scene([("do", first), ("pass", SHORT_MS + 2), ("do", then),
                      ("do", [[b"EXISTS", key] for key in keys])])

    def active_expiry():
        steps = []
        for db in (b"5", b"9"):
            keys = [b"x:%d" % i for i in range(pick.one([1, 3, 30]))]
            steps.append([b"SELECT", db])
            steps += [[b"SET", key, b"v", b"PX", b"%d" % SHORT_MS] for key in keys]
        return Scene([("do", steps + [[b"SELECT", b"0"]]), ("pass", SHORT_MS + 2),
                      ("gone", [b"5", b"9"])], "any order")

    def scan_expiry():
        keys = [b"x:%d" % i for i in range(pick.one([1, 3, 30]))]
        make = [[b"SET", key, b"v", b"PX", b"%d" % SHORT_MS] for key in keys]
        scan = [[b"SCAN", b"0", b"COUNT", b"100000"]]
        return Scene([("do", [[b"SELECT", b"7"]] + make), ("pass", SHORT_MS + 2),
                      ("do", scan + [[b"SELECT", b"0"]])], "any order")

    # ---- clients that wait ----

    def end():
        return pick.one([b"LEFT", b"RIGHT"])

    def elements():
        return [b"%d" % pick.int_below(99) for _ in range(1 + pick.int_below(4))]

    def push(keys):
        """Something that gives a waiter what it waits for."""
        key = pick.one(keys)
        return pick.one([
            [[b"RPUSH", key] + elements()], [[b"LPUSH", key] + elements()],
            [[b"RPUSH", b"spare"] + elements(), [b"RENAME", b"spare", key]],
            [[b"RPUSH", b"spare"] + elements(), [b"COPY", b"spare", key]],
            [[b"RPUSH", b"spare"] + elements(), [b"SORT", b"spare", b"STORE", key]],
            [[b"RPUSH", b"spare"] + elements(), [b"LMOVE", b"spare", key, end(), end()]],
            [[b"RPUSH", key, b"1"], [b"DEL", key]], [[b"SET", key, b"v"], [b"DEL", key]],
            [[b"SELECT", b"1"], [b"RPUSH", key] + elements(), [b"MOVE", key, b"0"],
             [b"SELECT", b"0"]],
            # One key alone: of several that come at once, stock serves any first.
            [[b"SELECT", b"1"], [b"RPUSH", key] + elements(),
             [b"DEL"] + [other for other in keys if other != key],
             [b"SELECT", b"0"], [b"SWAPDB", b"0", b"1"]],
        ])

    def push_zset(keys):
        key = pick.one(keys)
        scored = [w for member in elements() for w in (b"%d" % pick.int_below(9), member)]
        return pick.one([
            [[b"ZADD", key] + scored], [[b"ZADD", key] + scored],
            [[b"ZINCRBY", key, b"2", b"m"]],
            [[b"ZADD", b"spare"] + scored, [b"ZUNIONSTORE", key, b"1", b"spare"]],
            [[b"ZADD", b"spare"] + scored, [b"RENAME", b"spare", key]],
            [[b"GEOADD", key, b"1", b"2", b"place"]]])

    def framed(operations):
        return [[b"MULTI"]] + operations + [[b"EXEC"]] if pick.chance(0.3) else operations

    def wait_list(keys, i):
        count = pick.one([1, 2, 3])
        some = [pick.one(keys) for _ in range(count)]
        words = pick.one([
            [pick.one([b"BLPOP", b"BRPOP"])] + some + [b"0"],
            [b"BLMOVE", some[0], pick.one(keys + [b"other"]), end(), end(), b"0"],
            [b"BRPOPLPUSH", some[0], pick.one(keys + [b"other"]), b"0"],
            [b"BLMPOP", b"0", b"%d" % count] + some + [end()] +
            pick.one([[], [b"COUNT", b"2"], [b"COUNT", b"10"]])])
        return ("wait", i, [[b"SELECT", b"1" if pick.chance(0.1) else b"0"], words])

    def wait_zset(keys, i):
        count = pick.one([1, 2, 3])
        some = [pick.one(keys) for _ in range(count)]
        words = pick.one([
            [pick.one([b"BZPOPMIN", b"BZPOPMAX"])] + some + [b"0"],
            [b"BZMPOP", b"0", b"%d" % count] + some + [pick.one([b"MIN", b"MAX"])] +
            pick.one([[], [b"COUNT", b"2"], [b"COUNT", b"10"]])])
        return ("wait", i, [[b"SELECT", b"0"], words])

    def waiters():
        lists = pick.chance(0.6)
        keys = [b"wait:%d" % i for i in range(2)]
        steps = [("do", [[b"SELECT", b"1"], [b"DEL"] + keys, [b"SELECT", b"0"],
                         [b"DEL", b"spare", b"other"] + keys])]
        steps += [(wait_list if lists else wait_zset)(keys, i)
                  for i in range(pick.one([1, 2, 3]))]
        for _ in range(pick.one([1, 2, 3])):
            steps.append(("do", framed((push if lists else push_zset)(keys))))
        return Scene(steps)

    def stream_waiters():
        keys = [b"wait:%d" % i for i in range(2)]
        steps = [("do", [[b"DEL"] + keys] +
                  [[b"XGROUP", b"CREATE", key, b"g", b"$", b"MKSTREAM"] for key in keys])]
        for i in range(pick.one([1, 2, 3])):
            some = keys if pick.chance(0.4) else [pick.one(keys)]
            words = [b"XREADGROUP", b"GROUP", b"g", pick.one([b"alice", b"bob"])] + \
                pick.one([[], [b"COUNT", b"1"], [b"NOACK"]]) + [b"BLOCK", b"0", b"STREAMS"] + \
                some + [b">"] * len(some)
            steps.append(("wait", i, [words]))
        number = 0
        for _ in range(pick.one([1, 2, 3])):
            key = pick.one(keys)
            number += 1
            add = [[b"XADD", key, b"%d-%d" % (number, i + 1), b"f", b"v"]
                   for i in range(pick.one([1, 1, 3]))]
            steps.append(("do", framed(add) if pick.chance(0.85) else pick.one(
                [[[b"DEL", key]], [[b"XGROUP", b"DESTROY", key, b"g"]]])))
        return Scene(steps)

    return [
        (30, multi),
        (10, past),
        (1, flush),
        (8, restore),
        (1.5, expiry),
        (0.4, active_expiry),
        (0.4, scan_expiry),
        # Has expired, and lies there until a SCAN comes upon it.
        (2, lambda: [b"SET", b"y:%d" % pick.int_below(100), b"v", b"EXAT", b"1000000000"]),
        (4, waiters),
        (2, stream_waiters),
        (4, lambda: [any_command() for _ in range(3)]),
        (2, databases),
    ]
