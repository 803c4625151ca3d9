# SPDX-License-Identifier: BSD-3-Clause
"""Channels: a second client listens, the first publishes and asks; or the first listens to itself,
which RESP2 allows few commands beside. Patterns are disjoint, for a message that several of them
match comes in an order that depends on each process's hash seed."""
from . import Steps

SHARE = 15
CHANNELS = [b"a1", b"a2", b"b1", b"c", b"", b"\xff\x00"]
PATTERNS = [b"a*", b"b?", b"[c]", b"\xff*", b"nosuch\\"]
END = [[b"UNSUBSCRIBE"] + CHANNELS, [b"PUNSUBSCRIBE"] + PATTERNS, [b"SUNSUBSCRIBE"] + CHANNELS]


def commands(pick):
    def name(word):
        return pick.case(word)

    def some(pool, most=3):
        return [pick.one(pool) for _ in range(1 + pick.int_below(most))]

    def subscribe():
        command = pick.one([b"SUBSCRIBE", b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"])
        return [name(command)] + some(PATTERNS if command == b"PSUBSCRIBE" else CHANNELS)

    def unsubscribe():
        command = pick.one([b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"])
        return [name(command)] + some(PATTERNS if command == b"PUNSUBSCRIBE" else CHANNELS)

    def publish():
        command = pick.one([b"PUBLISH", b"PUBLISH", b"SPUBLISH"])
        return [name(command), pick.one(CHANNELS), pick.value()]

    def ask():
        words = pick.one([[b"CHANNELS"], [b"CHANNELS", pick.one(PATTERNS)], [b"NUMPAT"],
                          [b"NUMSUB"], [b"NUMSUB"] + some(CHANNELS), [b"SHARDCHANNELS"],
                          [b"SHARDCHANNELS", pick.one(PATTERNS)], [b"SHARDNUMSUB"],
                          [b"SHARDNUMSUB"] + some(CHANNELS), [b"nosuch"], [b"NUMPAT", b"x"],
                          [b"CHANNELS", b"a", b"b"]])
        return [name(b"PUBSUB"), name(words[0])] + words[1:]

    def some_steps(most, *makers):
        return [pick.one(makers)() for _ in range(1 + pick.int_below(most))]

    def transaction():
        return [[b"MULTI"]] + some_steps(3, publish, ask) + [[b"EXEC"]]

    def listened():
        return Steps(("other", some_steps(3, subscribe, subscribe, unsubscribe)),
                     ("main", some_steps(6, publish, publish, ask)),
                     ("other", some_steps(2, subscribe, unsubscribe)),
                     ("main", transaction() if pick.chance(0.3) else some_steps(4, publish, ask)),
                     ("other", END))

    def anything():
        return pick.one([[b"GET", pick.key()], [b"PING"], [b"PING", b"text"], [b"MULTI"], [b"EXEC"],
                         [b"DISCARD"], [b"SET", pick.one(pick.string_keys), b"v"], [b"nosuch"],
                         [b"SUBSCRIBE"], [b"PSUBSCRIBE"], [b"SSUBSCRIBE"], [b"PUBLISH", b"a1"],
                         [b"ECHO", b"x"], [b"PING", b"a", b"b"]])

    def to_itself():
        """The commands in MULTI that subscribe are run there, too."""
        inner = [subscribe()] + some_steps(8, subscribe, unsubscribe, publish, anything)
        return Steps(("exact", inner + [[b"DISCARD"]] + END + [[b"DISCARD"]]),
                     ("main", [ask()]))

    return [(5, listened), (3, to_itself), (2, ask), (2, publish)]
