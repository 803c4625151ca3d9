#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares users and what they may do with stock's.

usage: tests/diff/acl.py [--rounds N] [--seeds N | --seed S] [--variant V] [--ours-is-stock]

Both servers get the same random ACL SETUSER calls. Compared are the replies, what ACL GETUSER and
ACL LIST tell of the users, and what ACL DRYRUN says of random calls. At the end our server reads
its own ACL LIST back and must print it again.

Which words describe a set of commands depends on all commands that there are, and the two servers
don't have the same. So a model (below) keeps each user's rules once for each server's own table
and says what it should print; the order of single commands, which in stock changes with each
start, doesn't count. Commands that only one server has are named in no rule and no call. The last
line is `N passed, M failed`, a seed each.
"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import resp  # noqa: E402
import servers  # noqa: E402

USERS = [b"u0", b"u1", b"u2"]
ROUNDS_PER_LIFE = 60
OURS = "gears"  # the category that stock hasn't


def plain(reply):
    """A parsed reply as bytes, ints and lists."""
    kind, value = reply[0], reply[1]
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else \
        (kind + value if kind == b"-" else value)


class Table:
    """A server's commands: categories and subcommands by full name."""

    def __init__(self, connection):
        self.categories = [name.decode() for name in plain(connection.call(b"ACL", b"CAT"))]
        self.member = {}
        self.subs = {}
        self.tops = []
        for row in plain(connection.call(b"COMMAND")):
            self.tops.append(self._add(row))

    def _add(self, row):
        name = row[0].decode()
        self.member[name] = {word.decode()[1:] for word in row[6]}
        self.subs[name] = [self._add(sub) for sub in row[9]]
        return name

    def names(self):
        return set(self.member)

    def of(self, category):
        return {name for name in self.member if category in self.member[name]}

    def with_subs(self, names):
        return set(names) | {sub for name in names for sub in self.subs[name]}


class Rules:
    """The commands of one set of rules, for one table."""

    def __init__(self, table):
        self.table = table
        self.future = False
        self.on = set()
        self.firsts = []

    def apply(self, word):
        name, add = word[1:].lower(), word[0] == "+"
        if word in ("allcommands", "+@all", "nocommands", "-@all"):
            self.future = word in ("allcommands", "+@all")
            self.on = self.table.names() if self.future else set()
            self.firsts = []
        elif name.startswith("@"):
            self._put(self.table.with_subs(self.table.of(name[1:])), add)
        elif name in self.table.member:
            self._put(self.table.with_subs([name]), add)
        elif name.split("|")[0] not in self.on and name not in self.firsts:
            self.firsts.append(name)

    def _put(self, names, add):
        self.on = self.on | names if add else self.on - names
        self.firsts = [first for first in self.firsts if first.split("|")[0] not in names]

    def printed(self):
        """(base and categories in order, the rest sorted)."""
        table, adding = self.table, not self.future
        made = set() if adding else table.names()
        ours = table.of(OURS)
        head = ["-@all" if adding else "+@all"]
        rest, said = set(self.on), {OURS}
        while True:
            best = None
            for category in table.categories:
                members = table.of(category) - ours
                inside = len(members & rest)
                agree, against = (inside, len(members) - inside)[::1 if adding else -1]
                if category in said or agree <= against:
                    continue
                if best is None or (against, -agree) < best[:2]:
                    best = (against, -agree, category)
            if best is None:
                break
            said.add(best[2])
            head.append(("+@" if adding else "-@") + best[2])
            reach = table.with_subs(table.of(best[2]))
            made = made | reach if adding else made - reach
            rest = rest - reach if adding else rest | reach
        if ours and made & ours != self.on & ours and self.on & ours in (ours, set()):
            all_on = self.on & ours == ours
            head.append(("+@" if all_on else "-@") + OURS)
            made = made | ours if all_on else made - ours
        tail = []
        for top in table.tops:
            for name in [top] + table.subs[top]:
                if (name in self.on) != (name in made):
                    tail.append(("+" if name in self.on else "-") + name)
                    reach = table.with_subs([name])
                    made = made | reach if name in self.on else made - reach
        tail += ["+" + first for first in self.firsts if first.split("|")[0] not in self.on]
        return head, sorted(tail)


class User:
    def __init__(self, table):
        self.table = table
        self.sets = [Rules(table)]

    def apply(self, words):
        for word in words:
            if isinstance(word, list):
                self.sets.append(Rules(self.table))
                for inner in word:
                    self.apply_to(self.sets[-1], inner)
            elif word == "clearselectors":
                del self.sets[1:]
            elif word == "reset":
                self.sets = [Rules(self.table)]
            else:
                self.apply_to(self.sets[0], word)

    @staticmethod
    def apply_to(rules, word):
        if word[:1] in ("+", "-") or word in ("allcommands", "nocommands"):
            rules.apply(word)


class Words:
    """Random rules and calls."""

    KEYS = ["a", "b", "ab", "a:1", "b:1", "c", "", "*", "[x"]
    PATTERNS = ["a", "b*", "a:*", "*:1", "?b", "[ab]", "", "\\*", "[^a]*", "*", "a*b"]
    CHANNELS = ["a", "b*", "news", "n?ws", "*", ""]
    CALLS = """get K|set K v|set K v get|mget K K|mset K v K v|del K|exists K|type K|ttl K|rename K K
        |copy K K|append K v|incr K|getex K|lmove K K left left|rpoplpush K K|sort K by x*
        |sort K store K|sort K get store store K|sort K limit 0 1 get # store K|zunionstore K 2 K K
        |zunion 2 K K|zunion 5 K|xread streams K K 0 0|xreadgroup group g c streams K >
        |georadius K 1 1 1 km|georadius K 1 1 1 km store K|geosearchstore K K frommember m byradius 1 m
        |bitfield K get u8 0|bitfield K set u8 0 1|bitop not K K|pfcount K K|pfmerge K K
        |object encoding K|lmpop 2 K K left|blmpop 0 1 K left|sintercard 1 K|smove K K m|touch K
        |unlink K K|watch K|publish C m|spublish C m|subscribe C C|psubscribe C|ssubscribe C
        |unsubscribe C|config get x|config set x y|client id|client list|acl whoami|acl list|ping
        |auth x|hello|reset|flushall|keys *|dbsize|select 1|select 2|command count|command|info
        |zadd K 1 m|zrangestore K K 0 1|hset K f v|hget K f|xadd K * f v|xgroup create K g $
        |restore K 0 x|dump K|move K 1|swapdb 0 1|echo x|multi|exec|discard|lcs K K|getset K v
        |getdel K|setrange K 0 x|brpop K K 0|bzpopmin K 0|xclaim K g c 0 0|xautoclaim K g c 0 0
        |get|config|config nosuch|nosuch|sort|zunion 0 x|config get""".split("|")

    def __init__(self, seed, names, subs, categories):
        self.random = random.Random(seed)
        self.subs = sorted(name for name in names if "|" in name)
        self.tops = sorted(name for name in names if "|" not in name)
        self.leaves = [name for name in self.tops if not subs[name]]
        self.categories = categories

    def command(self):
        pick = self.random
        sign = pick.choice("+++-")
        kind = pick.randrange(20)
        if kind < 7:
            return sign + pick.choice(self.tops)
        if kind < 10:
            return sign + pick.choice(self.subs)
        if kind < 17:
            return sign + "@" + pick.choice(self.categories)
        if kind < 18:
            return "+" + pick.choice(self.leaves) + "|" + pick.choice(["x", "1", "2", "k"])
        return pick.choice(["+@all", "-@all", "allcommands", "nocommands"])

    def pattern(self):
        pick = self.random
        kind = pick.randrange(10)
        if kind < 6:
            return pick.choice(["~", "~", "%R~", "%W~", "%RW~", "%wr~"]) + pick.choice(
                self.PATTERNS)
        if kind < 8:
            return "&" + pick.choice(self.CHANNELS)
        return pick.choice(["allkeys", "resetkeys", "resetkeys", "allchannels", "resetchannels"])

    def selector(self):
        return [self.command() if self.random.randrange(2) else self.pattern()
                for _ in range(self.random.randrange(5))]

    def word(self):
        pick = self.random
        kind = pick.randrange(40)
        if kind < 16:
            return self.command()
        if kind < 28:
            return self.pattern()
        if kind < 32:
            return self.selector()
        if kind < 37:
            return pick.choice(["on", "off", "nopass", "resetpass", ">p", ">q", "<p", "clearselectors",
                                "sanitize-payload", "skip-sanitize-payload", "!" + "a" * 64,
                                "#" + "a" * 64])
        if kind < 38:
            return "reset"
        # what is refused, mostly
        return pick.choice(["foo", "%", "%x~a", "~a b", "&a b", "+", "-", "+@", "+get|", "+get|x|y",
                            "+config|nosuch", "+config|get|x", "-get|x", "#abc", ")", "(", "(on)",
                            "((~a))", "", "+@nosuch", "%R", "~* ~x", "(~* ~x)", "allkeys ~x"])

    def rules(self):
        return [self.word() for _ in range(1 + self.random.randrange(5))]

    def call(self):
        words = self.random.choice(self.CALLS).split()
        return [self.random.choice(self.KEYS if word == "K" else self.CHANNELS)
                if word in ("K", "C") else word for word in words]


def as_arguments(words):
    return [("(%s)" % " ".join(word) if isinstance(word, list) else word).encode()
            for word in words]


def split_commands(text):
    words = text.decode().split()
    head = [words[0]] + [word for word in words[1:] if word[1:2] == "@"]
    return head, sorted(word for word in words[1:] if word[1:2] != "@")


class Side:
    def __init__(self, program, stock):
        self.server = servers.Server(program, stock)
        self.connection = resp.Connection(self.server.port, 60)
        self.table = Table(self.connection)
        self.users = {}

    def begin(self):
        self.connection.call(b"ACL", b"DELUSER", *USERS)
        self.users = {}

    def note(self, name, words):
        self.users.setdefault(name, User(self.table)).apply(words)

    def told(self, name):
        """What GETUSER tells of a user but for commands, and of these what is wrong with them."""
        reply = plain(self.connection.call(b"ACL", b"GETUSER", name))
        if reply is None or name not in self.users:
            return reply, None
        fields = dict(zip(reply[::2], reply[1::2]))
        sets = [fields] + [dict(zip(s[::2], s[1::2])) for s in fields.pop(b"selectors")]
        for rules, each in zip(self.users[name].sets, sets):
            text = each.pop(b"commands")
            if split_commands(text) != rules.printed():
                return sets, "%r should be %r" % (text, rules.printed())
        if len(sets) != len(self.users[name].sets):
            return sets, "%d sets of rules" % len(sets)
        return sets, None

    def lines(self):
        """ACL LIST without the words for commands."""
        return [[word for word in line.split(b" ") if word.lstrip(b"(")[:1] not in (b"+", b"-")]
                for line in plain(self.connection.call(b"ACL", b"LIST"))]


def read_back(side):
    """A user made of the words of ACL LIST is printed in the same words."""
    for line in plain(side.connection.call(b"ACL", b"LIST")):
        words = line.split(b" ")
        # The pattern * that came as %RW~* is printed as ~*, which is more than a pattern.
        patterns = [word for word in words if b"~" in word]
        if words[1] not in USERS or (len(patterns) > 1 and b"~*" in b" ".join(patterns)):
            continue
        side.connection.call(b"ACL", b"SETUSER", words[1], b"reset", *words[2:])
        again = plain(side.connection.call(b"ACL", b"LIST"))
        line = line if b"sanitize-payload" in line else None
        if line and line not in again:
            return "%r is read back as %r" % (line, again)
    return None


def one_round(sides, words):
    name = words.random.choice(USERS)
    rules = words.rules()
    request = [b"ACL", b"SETUSER", name] + as_arguments(rules)
    replies = [side.connection.call(*request) for side in sides]
    if replies[0] != replies[1]:
        return "%r\n  ours:  %r\n  stock: %r" % (request, *replies)
    if replies[1][0] != b"-":
        for side in sides:
            side.note(name, rules)
    told = [side.told(name) for side in sides]
    for (_, wrong), who in zip(told, ("ours", "stock")):
        if wrong:
            return "after %r\n  %s: %s" % (request, who, wrong)
    if told[0][0] != told[1][0]:
        return "after %r\n  ours:  %r\n  stock: %r" % (request, told[0][0], told[1][0])
    for _ in range(6):
        call = [b"ACL", b"DRYRUN", words.random.choice(USERS)] + as_arguments(words.call())
        replies = [side.connection.call(*call) for side in sides]
        if replies[0] != replies[1]:
            return "%r\n  ours:  %r\n  stock: %r\n  users: %r" % (
                call, *replies, sides[1].connection.call(b"ACL", b"LIST"))
    return None


def run_seed(seed, args):
    sides = []
    try:
        sides.append(Side(args.ours or servers.ours(args.variant), bool(args.ours)))
        sides.append(Side(servers.oracle(), True))
        common = sides[0].table.names() & sides[1].table.names()
        categories = [c for c in sides[1].table.categories if c in sides[0].table.categories]
        words = Words(seed, common, sides[1].table.subs, categories)
        words.CALLS = [call for call in Words.CALLS if call.split()[0] in common | {"nosuch"}]
        for number in range(args.rounds):
            if number % ROUNDS_PER_LIFE == 0:
                for side in sides:
                    side.begin()
            wrong = one_round(sides, words)
            if not wrong and number % ROUNDS_PER_LIFE == ROUNDS_PER_LIFE - 1:
                lines = [side.lines() for side in sides]
                if lines[0] != lines[1]:
                    wrong = "%r\n  %r" % tuple(lines)
                elif not args.ours_is_stock:  # whose order of single commands may change
                    wrong = read_back(sides[0])
            if wrong:
                print("seed %d: round %d: %s" % (seed, number, wrong))
                return False
    except resp.Gone as gone:
        print("seed %d: a server is gone: %s" % (seed, gone))
        return False
    finally:
        for side in sides:
            side.server.stop()
    print("seed %d: %d rounds, %d common commands" % (seed, args.rounds, len(common)))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3000, help="for each seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--variant", default="release")
    parser.add_argument("--ours", help="our server's program")
    parser.add_argument("--ours-is-stock", action="store_true")
    args = parser.parse_args()
    if args.ours_is_stock:
        args.ours = servers.oracle()
    first = args.seed if args.seed is not None else int(time.time())
    seeds = [first + i for i in range(1 if args.seed is not None else args.seeds)]
    passed = sum(run_seed(seed, args) for seed in seeds)
    print("%d passed, %d failed" % (passed, len(seeds) - passed))
    return passed != len(seeds)


if __name__ == "__main__":
    sys.exit(main())
