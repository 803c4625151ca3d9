#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the effects of commands: what each server would have others repeat.

usage: tests/diff/effects.py [--commands N] [--seeds N | --seed S] [--families a,b] ...

Our server records its effects for DEBUG EFFECTS; stock's are what it appends to its AOF. Both get
the same random commands: those of the differential runner's families, and of families/effects.py.
After each batch

  - the two streams of effects are compared, unit by unit (a unit is a command alone, or what
    stands between MULTI and EXEC), word by word; the README says what may differ;
  - the effects of ours are applied to a second server of ours and to a second one of stock's.
    None may be answered by an error, and both must then hold what the first one holds: digests,
    expiry times, and all that XINFO STREAM FULL tells.

A difference is shrunk and printed as by tests/diff/run. The last line is `N passed, M failed`, a
seed each.
"""
import argparse
import glob
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import check  # noqa: E402
import families  # noqa: E402
import resp  # noqa: E402
import scenes  # noqa: E402
import servers  # noqa: E402
from check import Difference  # noqa: E402
from families import Special  # noqa: E402

BATCHES_PER_LIFE = 20
BATCHES_PER_STATE = 5
DATABASES = 16
# Between the times that two servers read from their clocks for the same command.
TOLERANCE_MS = 5000
TIME = re.compile(rb"([0-9]{13,19})(-[0-9]+)?")
AOF = [("appendonly", "yes"), ("aof-use-rdb-preamble", "no"), ("appendfsync", "no"),
       ("auto-aof-rewrite-percentage", "0")]
# What they would set is a server's own, and the second servers don't get it; which expired keys
# RANDOMKEY comes upon and deletes is chance.
LEFT_OUT = {b"CONFIG", b"RANDOMKEY"}
# Those whose operations take steps are for the comparison of replies; `effects` has its own.
FAMILIES = [name for name in families.FAMILIES
            if name not in ("dump", "expiry", "waiting", "pubsub")] + ["effects"]
# SORT makes a tree of a sorted set, which isn't an effect; but in a tree a score may be -0.
SORTED_SETS = (b"zset:", b"lex:", b"geo:")


def runner():
    """tests/diff/run as a module: its lives, its shrinking, its reports."""
    loader = importlib.machinery.SourceFileLoader("differ", os.path.join(HERE, "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("differ", loader))
    loader.exec_module(module)
    return module


# ---- streams of effects ----------------------------------------------------------------------

class Unit:
    """Effects that belong together: a command alone, or MULTI … EXEC."""

    def __init__(self, commands, framed):
        self.commands = commands
        self.framed = framed

    def lines(self):
        return [b" ".join(words) for words in self.commands]


def units_of(raw):
    """The units of a stream. SELECTs are commands of the unit they stand in, or their own."""
    units = []
    frame = None
    for _, items in resp.parse_all(raw):
        words = [item[1] for item in items]
        name = words[0].upper()
        if name == b"MULTI":
            if frame is not None:
                raise Difference(words, (b"+", b""), (b"+", b""), "MULTI within MULTI")
            frame = []
        elif name == b"EXEC":
            units.append(Unit(frame, True))
            frame = None
        elif frame is not None:
            frame.append(words)
        else:
            units.append(Unit([words], False))
    if frame is not None:
        raise Difference(None, (b"+", b""), (b"+", b""), "MULTI without EXEC")
    return units


def same_word(ours, stock):
    if ours == stock:
        return True
    mine, its = TIME.fullmatch(ours), TIME.fullmatch(stock)
    return bool(mine and its) and mine[2] == its[2] and \
        abs(int(mine[1]) - int(its[1])) <= TOLERANCE_MS


def same_command(ours, stock):
    if ours[0].upper() == b"LMOVE":  # a waiting one's ends are in small letters
        ours, stock = ([word.upper() if i in (0, 3, 4) else word for i, word in enumerate(words)]
                       for words in (ours, stock))
    return len(ours) == len(stock) and ours[0].upper() == stock[0].upper() and \
        all(same_word(a, b) for a, b in zip(ours[1:], stock[1:]))


def is_left_out(words):
    return words[0].upper() in LEFT_OUT or \
        words[0].upper() in (b"SORT", b"SORT_RO") and words[1:2] and \
        words[1].startswith(SORTED_SETS)


def for_clients(words):
    """Stock puts a LIMIT behind the exact trimming that an approximate one has become. From a
    client it would refuse that; ours leaves the LIMIT out."""
    if words[0].upper() in (b"XADD", b"XTRIM") and b"=" in words[2:5]:
        at = words.index(b"=", 2) + 2
        if words[at:] and words[at].upper() == b"LIMIT":
            return words[:at] + words[at + 2:]
    return words


def is_extra(words):
    """What changes data, and stock forgets to say: consumers that were made by reading, how many
    entries a group has read, deliveries that were read again, a string that only grew."""
    words = [word.upper() for word in words]
    return words[:2] == [b"XGROUP", b"CREATECONSUMER"] or \
        words[:2] == [b"XGROUP", b"SETID"] and len(words) == 7 or \
        words[0] == b"XCLAIM" and words[-4:-1] == [b"FORCE", b"JUSTID", b"LASTID"] or \
        words[0] == b"BITFIELD" and b"OVERFLOW" in words


def without_extras(ours, stock):
    """The unit of ours less the extras that stock's hasn't; None if nothing is left of it."""
    left = []
    at = 0
    for words in ours.commands:
        if at < len(stock.commands) and same_command(words, stock.commands[at]):
            at += 1
        elif is_extra(words):
            continue
        left.append(words)
    return Unit(left, ours.framed and len(left) > 1) if left else None


def same_unit(ours, stock):
    return ours.framed == stock.framed and len(ours.commands) == len(stock.commands) and \
        all(same_command(a, b) for a, b in zip(ours.commands, stock.commands))


def shown(units):
    """For a report: units as an array reply."""
    return b"*", [(b"*", [(b"$", line[:200]) for line in [b"MULTI"] * unit.framed + unit.lines()])
                  for unit in units]


def compare_streams(ours_raw, stock_raw):
    """Raises Difference."""
    if ours_raw == stock_raw:
        return
    ours, stock = units_of(ours_raw), units_of(stock_raw)
    for unit in stock:
        unit.commands = [for_clients(words) for words in unit.commands]
    i = j = 0
    while i < len(ours) or j < len(stock):
        mine = ours[i] if i < len(ours) else None
        its = stock[j] if j < len(stock) else Unit([], False)
        if mine and not same_unit(mine, its):
            mine = without_extras(mine, its)
            if mine is None:
                i += 1
                continue
        if not mine or not same_unit(mine, its):
            raise Difference(None, shown(ours[i:i + 3]), shown(stock[j:j + 3]), "effects")
        i += 1
        j += 1


# ---- servers ---------------------------------------------------------------------------------

class Source:
    """A server that is sent commands, and whose effects are taken."""

    def __init__(self, program, is_stock, options, timeout):
        self.is_stock = is_stock
        self.server = servers.Server(program, is_stock, options + (AOF if is_stock else []))
        self.work = resp.Connection(self.server.port, timeout)
        self.control = resp.Connection(self.server.port, timeout)
        self.control.call(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")
        self.waiters = [scenes.Waiter(self.server.port, self.control) for _ in range(3)]
        if is_stock:
            found = glob.glob(os.path.join(self.server.dir, "appendonlydir", "*.incr.aof"))
            self.aof = open(found[0], "rb")
        else:
            answer = self.control.call(b"DEBUG", b"EFFECTS", b"ON")
            if answer != (b"+", b"OK"):
                raise RuntimeError("DEBUG EFFECTS ON: " + resp.show(answer))

    def take(self):
        """The bytes of all effects since the last call. An AOF has what was answered."""
        if self.is_stock:
            return self.aof.read()
        kind, raw = self.control.call(b"DEBUG", b"EFFECTS", b"TAKE")
        if kind != b"$":
            raise RuntimeError("DEBUG EFFECTS TAKE: " + resp.show((kind, raw)))
        return raw

    def stop(self):
        if self.is_stock:
            self.aof.close()
        return self.server.stop()


class Second:
    """A server that repeats the effects of another."""

    def __init__(self, program, is_stock, options, timeout):
        self.name = "the second server of stock's" if is_stock else "the second server of ours"
        self.server = servers.Server(program, is_stock, options)
        self.work = resp.Connection(self.server.port, timeout)
        self.control = resp.Connection(self.server.port, timeout)
        self.control.call(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")

    def repeat(self, raw):
        """Applies effects; returns a Difference if one is answered by an error."""
        self.work.send(raw)
        answers = self.work.receive()
        if b"-" not in answers:
            return None
        effects = [[item[1] for item in items] for _, items in resp.parse_all(raw)]
        for words, answer in zip(effects, resp.parse_all(answers)):
            for one in answer[1] if words[0] == b"EXEC" and answer[1] else [answer]:
                if one[0] == b"-":
                    return Difference(words, one, (b"+", b"OK"), "an effect that " + self.name +
                                      " refuses")
        return None


def stream_state(reply):
    """XINFO STREAM FULL without what isn't data: when consumers were seen, the radix tree."""
    kind, value = reply
    if not isinstance(value, list):
        return reply
    items = []
    skip = False
    for item in value:
        if skip:
            skip = False
            continue
        if item[0] == b"$" and item[1] in (b"seen-time", b"radix-tree-keys", b"radix-tree-nodes"):
            skip = True
            continue
        items.append(stream_state(item))
    return kind, items


class Group:
    """Both sources, both second servers, and what is done with them; for run_life and shrink."""

    def __init__(self, args, options):
        self.all = []
        ours = args.ours or servers.ours(args.variant)
        self.mixed = not args.ours_is_stock
        try:
            self.ours = self._add(Source, ours, not self.mixed, options, args.timeout)
            self.stock = self._add(Source, servers.oracle(), True, options, args.timeout)
            self.seconds = [self._add(Second, ours, not self.mixed, options, args.timeout),
                            self._add(Second, servers.oracle(), True, options, args.timeout)]
        except RuntimeError:
            self.stop()
            raise
        self.effects = 0

    def _add(self, kind, *arguments):
        made = kind(*arguments)
        self.all.append(made)
        return made

    def reset(self, _protocol):
        """All empty. A difference may have left the streams and those who follow them apart: the
        writes make each stream name a database anew."""
        for source in (self.ours, self.stock):
            source.work.call_many([[b"DISCARD"], [b"UNWATCH"],
                                   [b"SELECT", b"9"], [b"SET", b"a", b"b"],
                                   [b"SELECT", b"8"], [b"SET", b"a", b"b"],
                                   [b"SELECT", b"0"], [b"FLUSHALL"]])
        try:
            self._take()
        except Difference:
            pass  # was told, or comes again

    def run(self, operations, _names, full):
        """Runs one batch on both; raises Difference."""
        plain = []
        for operation in operations:
            if not isinstance(operation, Special):
                plain.append(operation)
            elif operation.kind in ("srandmember", "hrandfield", "zrandmember", "randomkey") or \
                    operation.kind == "scan" and operation.words[0].upper() != b"SCAN":
                plain.append(operation.words)
            else:
                self._pipeline(plain)
                plain = []
                self._special(operation)
        self._pipeline(plain)
        self._digests()
        if full:
            self._states()

    def _pipeline(self, operations):
        operations = [words for words in operations if not is_left_out(words)]
        if not operations:
            return
        if check.transaction_open(operations):
            operations = operations + [[b"DISCARD"]]
        request = b"".join([resp.encode(words) for words in operations])
        for source in (self.ours, self.stock):
            source.work.send(request)
        for source in (self.ours, self.stock):
            source.work.receive()
        compare_streams(*self._take())

    def _take(self):
        """The new effects of both; those of ours are repeated by the second servers."""
        taken = [self.ours.take(), self.stock.take()]
        self.effects += taken[0].count(b"\r\n*")
        if not self.mixed:
            taken[0] = b"".join([resp.encode(for_clients([item[1] for item in items]))
                                 for _, items in resp.parse_all(taken[0])])
        for refused in [second.repeat(taken[0]) for second in self.seconds]:
            if refused:
                raise refused
        return taken

    def _special(self, operation):
        if operation.kind == "steps":
            return  # what a family here and there does in steps isn't sent at all
        for source in (self.ours, self.stock):
            source.work.call(b"UNWATCH")
        if operation.kind in scenes.SCENES:
            scenes.SCENES[operation.kind](operation, self.ours, self.stock)
        else:
            check.CHECKERS[operation.kind](operation.words, self.ours.work, self.stock.work)
        taken = self._take()
        if operation.kind == "spop":
            compare_spop(operation.words, *[units_of(raw)[:1] for raw in taken])
        elif operation.kind in ("any order", "scan"):  # a SCAN comes upon expired keys
            compare_unordered(*taken)
            self._name_database()
        else:
            compare_streams(*taken)

    def _name_database(self):
        """What came in any order may have left the streams at different databases: not from here
        on."""
        words = []
        for number in (b"9", b"8"):
            words += [[b"SELECT", number], [b"SET", b"named", number], [b"DEL", b"named"]]
        for source in (self.ours, self.stock):
            source.control.call_many(words + [[b"SELECT", b"0"]])
        self._take()

    # ---- what the second servers hold ----

    def _digests(self):
        want = self.ours.control.call(b"DEBUG", b"DIGEST")
        if any(second.control.call(b"DEBUG", b"DIGEST") != want for second in self.seconds):
            self._states()
            raise Difference(None, want, self.seconds[0].control.call(b"DEBUG", b"DIGEST"),
                             "DEBUG DIGEST of a second server, though keys are the same")

    def _states(self):
        for db in range(DATABASES):
            number = b"%d" % db
            keys = self._keys(self.ours, number)
            for second in self.seconds:
                if keys != self._keys(second, number):
                    raise Difference(None, self._show_keys(keys),
                                     self._show_keys(self._keys(second, number)),
                                     "keys in database %d of %s (below as stock's)"
                                     % (db, second.name))
            self._values(keys, db)

    @staticmethod
    def _keys(side, number):
        side.control.call(b"SELECT", number)
        return sorted(item[1] for item in side.control.call(b"KEYS", b"*")[1])

    @staticmethod
    def _show_keys(keys):
        return b"*", [(b"$", key) for key in keys]

    def _values(self, keys, db):
        if not keys:
            return
        questions = []
        for key in keys:
            questions += [[b"TYPE", key], [b"DEBUG", b"DIGEST-VALUE", key], [b"PEXPIRETIME", key]]
        want = self.ours.control.call_many(questions)
        streams = [key for key, kind in zip(keys, want[::3]) if kind[1] == b"stream"]
        # What stock forgets to say of groups (see the README) it forgets here, too.
        questions += [[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]
                      for key in streams if self.mixed]
        want = [stream_state(reply) for reply in self.ours.control.call_many(questions)]
        for second in self.seconds:
            got = [stream_state(reply) for reply in second.control.call_many(questions)]
            for words, a, b in zip(questions, want, got):
                if a != b:
                    raise Difference(words, a, b, "database %d of %s (below as stock's)"
                                     % (db, second.name))

    def stop(self):
        """Ends all; returns what was wrong with those of ours."""
        findings = []
        for side in self.all:
            found = side.stop() if isinstance(side, Source) else side.server.stop()
            findings += [] if side.server.stock else found
        return findings


def compare_spop(words, ours, stock):
    """What was popped is chance; how much of it, and that the key went, isn't."""
    def summary(units):
        if not units:
            return []
        commands = units[0].commands
        if all(command[0].upper() == b"SREM" for command in commands):
            return [b"SREM", commands[0][1], b"%d" % sum(len(c) - 2 for c in commands)]
        return commands[-1]
    mine = [unit for unit in ours if unit.commands[0][0].upper() != b"SELECT"] or ours
    its = [unit for unit in stock if unit.commands[0][0].upper() != b"SELECT"] or stock
    if summary(mine) != summary(its):
        raise Difference(words, shown(ours), shown(stock), "effects of SPOP")


def compare_unordered(ours_raw, stock_raw):
    """The order is chance: keys that a cycle comes upon. SELECTs are looked through."""
    def found(raw):
        db = b"?"
        result = []
        for unit in units_of(raw):
            if unit.commands[0][0] == b"SELECT":
                db = unit.commands[0][1]
            else:
                lines = [TIME.sub(b"T", line) for line in unit.lines()]
                result.append((unit.framed, db, lines))
        return sorted(result)
    if found(ours_raw) != found(stock_raw):
        raise Difference(None, shown(units_of(ours_raw)), shown(units_of(stock_raw)), "effects")


# ---- seeds -----------------------------------------------------------------------------------

def run_seed(seed, args, differ):
    """True if the servers agreed over all commands of this seed."""
    pick = families.Pick(seed)
    options = (differ.SMALL_LIMITS if pick.chance(0.5) else []) + pick.one(differ.LIST_LIMITS) + \
        (scenes.LAZY if pick.chance(0.3) else [])
    mixer = families.Mixer([importlib.import_module("families." + name)
                            for name in args.families], pick)
    group = Group(args, options)
    differ.BATCHES_PER_DIGEST = BATCHES_PER_STATE
    done = 0
    agreed = True
    started = time.monotonic()
    try:
        while done < args.commands and agreed:
            batches = []
            for _ in range(BATCHES_PER_LIFE):
                batch = []
                for _ in range(pick.one([1, 10, 50, 100])):
                    batch += mixer.draw()
                batches.append(batch)
                done += len(batch)
            found = differ.run_life(group, batches, pick.names, 2)
            if found:
                agreed = False
                difference, index = found
                history = [operation for batch in batches[:index + 1] for operation in batch]
                fewest, best = differ.shrink(group, history, pick.names, 2, args.shrink)
                if best is None:
                    print("(not seen again when its life was run alone)")
                differ.report(seed, 2, options, fewest, best or difference)
    except resp.Gone as gone:
        agreed = False
        print("seed %d: a connection ended: %s; running: %s"
              % (seed, gone, [side.server.running() for side in group.all]))
    findings = group.stop()
    for finding in findings:
        print("our server: " + finding)
    if agreed and not findings:
        took = time.monotonic() - started
        print("ok   seed %d: %d commands, %d effects, %.1f s" % (seed, done, group.effects, took))
    sys.stdout.flush()
    return agreed and not findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commands", type=int, default=10000, help="per seed (default 10000)")
    parser.add_argument("--seeds", type=int, default=1, help="how many random seeds")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--families", default=",".join(FAMILIES),
                        help="default: %(default)s")
    parser.add_argument("--variant", default="release", help="our server is build/VARIANT's")
    parser.add_argument("--ours", help="path of the server to compare with stock's")
    parser.add_argument("--ours-is-stock", action="store_true",
                        help="that one is stock's too: a test of this tool")
    parser.add_argument("--shrink", type=float, default=40, help="seconds for shrinking")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for an answer")
    args = parser.parse_args()
    args.families = args.families.split(",")
    if args.ours_is_stock and not args.ours:
        args.ours = servers.oracle()
    seeds = [args.seed] if args.seed is not None else \
        [int.from_bytes(os.urandom(4), "big") for _ in range(args.seeds)]
    differ = runner()
    passed = sum(run_seed(seed, args, differ) for seed in seeds)
    print("%d passed, %d failed" % (passed, len(seeds) - passed))
    return 0 if passed == len(seeds) else 1


if __name__ == "__main__":
    sys.exit(main())
