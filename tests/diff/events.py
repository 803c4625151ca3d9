#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the keyspace notifications of our server with stock's.

usage: tests/diff/events.py [--commands N] [--seeds N | --seed S] [--families a,b] [--variant V]

Both servers get the same random commands (those of the differential runner's families) with
notify-keyspace-events set to KEAmn. Behind each command a mark is published, so that the messages
that a listener gets are parted by command: a difference names the command that caused it. The last
line is `N passed, M failed`, a seed each.
"""
import argparse
import importlib
import os
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import families  # noqa: E402
import resp  # noqa: E402
import servers  # noqa: E402

BATCH = 200
BATCHES_PER_LIFE = 25
PATTERN = b"__key*"
MARK = b"__key-mark"
# These don't go with others: a HyperLogLog that other commands have damaged means different things
# to the two servers. Every fourth life is theirs.
APART = ["hll"]
# What is chosen by chance or may wait: their events are those of other commands. SORT asks for keys
# in the order of a set, which is each process's own.
LEFT_OUT = {b"SPOP", b"RANDOMKEY", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP",
            b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"SUBSCRIBE", b"CONFIG", b"HELLO", b"RESET",
            b"QUIT", b"SWAPDB", b"SORT", b"SORT_RO", b"SHUTDOWN", b"CLIENT", b"MONITOR", b"DEBUG"}


class Listener:
    """A subscriber that hands out the messages up to a mark."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.sock.makefile("rb", 1 << 18)
        self.sock.sendall(resp.encode([b"PSUBSCRIBE", PATTERN]))
        for _ in range(6):
            self.file.readline()

    def bulk(self):
        length = int(self.file.readline()[1:])
        return self.file.read(length + 2)[:-2]

    def until(self, last):
        """[(channel, text)...] of each mark, in order."""
        parts = [[]]
        while True:
            if self.file.readline() != b"*4\r\n":
                raise resp.Gone("not a message")
            self.bulk()
            self.bulk()
            channel, text = self.bulk(), self.bulk()
            if channel != MARK:
                parts[-1].append((channel, text))
            elif text == last:
                return parts
            else:
                parts[-1].append(("mark", text))
                parts.append([])


class Side:
    def __init__(self, program, stock, options):
        self.server = servers.Server(program, stock, options)
        self.work = resp.Connection(self.server.port, 60)
        self.control = resp.Connection(self.server.port, 60)
        self.listener = Listener(self.server.port)

    def reset(self):
        self.work.call_many([[b"DISCARD"], [b"UNWATCH"], [b"SELECT", b"0"], [b"FLUSHALL"]])

    def run(self, operations, number):
        requests = []
        for i, words in enumerate(operations):
            requests.append(resp.encode(words))
            requests.append(resp.encode([b"PUBLISH", MARK, b"%d" % i]))
        # A transaction that nothing has ended would queue what shows the end of the replies.
        requests.append(resp.encode([b"DISCARD"]))
        self.work.send(b"".join(requests))
        self.work.receive()
        end = b"end %d" % number
        self.control.call_many([[b"PUBLISH", MARK, end]])
        return self.listener.until(end)

    def stop(self):
        self.server.stop()


def flat(operations):
    for operation in operations:
        for words in families.sendable(operation):
            if words and words[0].upper() not in LEFT_OUT:
                yield words


def difference(operations, ours, stock):
    for i, (mine, its) in enumerate(zip(ours, stock)):
        if mine != its:
            mark = [m for m in its if m[0] == "mark"] or [("mark", b"%d" % i)]
            at = int(mark[0][1])
            shown = [b" ".join(words)[:200] for words in operations[max(0, at - 3):at + 1]]
            return "after %r\n  ours:  %r\n  stock: %r\n  before it: %r" % (
                shown[-1], mine[:12], its[:12], shown[:-1])
    return "after the batch: %d against %d parts" % (len(ours), len(stock))


def run_seed(seed, args, modules):
    pick = families.Pick(seed)
    mixers = [families.Mixer(group, pick) for group in modules]
    small = [("hash-max-listpack-entries", "16"), ("set-max-intset-entries", "12"),
             ("zset-max-listpack-entries", "10")] if seed % 2 else []
    options = small + [("notify-keyspace-events", "KEAmn")]
    sides = []
    sent = events = 0
    try:
        sides.append(Side(args.ours or servers.ours(args.variant), bool(args.ours_is_stock),
                          options))
        sides.append(Side(servers.oracle(), True, options))
        for number in range((args.commands + BATCH - 1) // BATCH):
            life = number // BATCHES_PER_LIFE
            mixer = mixers[-1 if life % 4 == 3 else 0]
            if number % BATCHES_PER_LIFE == 0:
                for side in sides:
                    side.reset()
            operations = []
            while len(operations) < BATCH:
                operations += flat(mixer.draw())
            results = [side.run(operations, number) for side in sides]
            sent += len(operations)
            events += sum(len(part) - 1 for part in results[1])
            if results[0] != results[1]:
                print("seed %d: %s" % (seed, difference(operations, *results)))
                return False
    except resp.Gone as gone:
        print("seed %d: a server is gone: %s" % (seed, gone))
        return False
    finally:
        for side in sides:
            side.stop()
    print("seed %d: %d commands, %d messages" % (seed, sent, events))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commands", type=int, default=50000, help="for each seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--families", default=",".join(families.FAMILIES))
    parser.add_argument("--variant", default="release")
    parser.add_argument("--ours", help="our server's program")
    parser.add_argument("--ours-is-stock", action="store_true")
    args = parser.parse_args()
    if args.ours_is_stock:
        args.ours = servers.oracle()
    names = args.families.split(",")
    groups = [[name for name in names if name not in APART], [n for n in names if n in APART]]
    modules = [[importlib.import_module("families." + name) for name in group]
               for group in groups if group]
    first = args.seed if args.seed is not None else int(time.time())
    seeds = [first + i for i in range(1 if args.seed is not None else args.seeds)]
    passed = sum(run_seed(seed, args, modules) for seed in seeds)
    print("%d passed, %d failed" % (passed, len(seeds) - passed))
    return passed != len(seeds)


if __name__ == "__main__":
    sys.exit(main())
