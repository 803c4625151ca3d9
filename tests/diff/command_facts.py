#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds what COMMAND tells about every listed command against a running stock server.

usage: tests/diff/command_facts.py [--server PROGRAM] [--oracle PROGRAM] [--rounds N] [--seed N] [-v]

Starts both servers and compares, under RESP2 and RESP3, type bytes included:
  COMMAND INFO and COMMAND DOCS of each command and subcommand that stock has too, field by
  field; of the prose (summary, complexity, notes, the texts of history) only that it is there;
  COMMAND GETKEYS, GETKEYSANDFLAGS, LIST, HELP and their errors, over calls made for the purpose;
  GETKEYSANDFLAGS also over random calls of every command, made of its tokens, numbers and keys.
Orders that stock leaves to a hash table (subcommands, lists) don't count. Ends with
`N passed, M failed`.
"""
import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import resp  # noqa: E402

SEVERAL = ["getkeys", "getkeysandflags"]
# Commands that COMMAND GETKEYS is asked about, and whole calls, parted by semicolons.
CALLS = """
    set k v; set k v get; set k get; set k v ex get; set k; get a; get a b; mget a b c;
    mset a 1 b 2; mset a 1 b; msetnx a 1; rename a b; lcs a b len; lcs a b; del a b c; unlink a;
    exists a a; object encoding k; object encoding; object help; object nosuch k; object k;
    smove a b c; spop a; getex a; getdel a; hset h f v; hgetall h; sadd s a b; ping x y; ping;
    nosuch x; nosuch; client id a; client id; client; client|id x; config get x; exec x;
    watch a b; expire k 1; ttl k; scan 0; keys a; randomkey a; command getkeys get x;
    zadd z 1 a; zunion 2 a b weights 1 2; zunion 2 a; zunionstore d 2 a b; zinterstore d x a;
    zdiff 0 a; sintercard 2 a b limit 1; sintercard 3 a b; sunionstore d a b;
    zmpop 2 a b min; zrangestore d s 0 1; zintercard 1 a limit 1; zscan z 0;
    debug object k; flushall a; select 1; type k; persist k; expiretime k; getset k v;
    sort k store; sort k store d; sort k store d store e; sort k store d store; sort k by store d;
    sort k limit store store d; sort k limit 0 1 get store store x; sort k get; sort k limit 1;
    sort store d; sort_ro k store d; migrate h 1 k 0 10; migrate h 1 k 0 10 copy auth keys;
    migrate h 1 k 0 10 keys a; migrate h 1 k 0 10 keys; migrate h 1 keys 0 10;
    xread streams a b 1 2; xread count 1; xread streams a; xreadgroup group g c streams a 1;
    xreadgroup group g c count 1; xreadgroup group streams streams streams a b;
    setrange k 0 v; substr k 0 1; append k v; incrbyfloat k 1; hrandfield h; sscan s 0;
    hscan h 0; srandmember s 1; smismember s a b; unwatch a b; hello 3 x; auth a b
"""
WHOLE = """
    command foo; command list foo; command list filterby; command list filterby aclcat;
    command list filterby nosuch x; command list filterby aclcat string x; command count x;
    command getkeys; command getkeys get; command help x; command help; command info nosuch;
    command info get|x; command info client|nosuch; command docs nosuch; command docs client|;
    command docs get|x; command info | client|; command list filterby module nosuch;
    command list filterby aclcat nosuch; command list filterby pattern nosuch*; client;
    client foo; config; object; object foo a b c; client|id; object encoding; get; nosuch;
    nosuch a b c
"""
FILTERS = ["pattern *", "pattern GET*", "pattern *CLIENT*", "pattern client|*", "pattern [gs]et",
           "aclcat string", "aclcat STRING", "aclcat slow", "aclcat fast", "aclcat keyspace",
           "aclcat connection", "aclcat dangerous", "aclcat transaction"]
# MIGRATE's keys behind an empty one.
EMPTY_KEY = ["keys a b", "copy keys a", "auth keys a", "auth keys keys a", "keys",
             "auth keys keys keys a", "keys a keys", "keys keys keys", "auth2 u keys keys a b",
             "nosuch keys a", "replace auth"]
# Numbers of keys, right and wrong. Stock reads " 1", "+1" and "01" as 1 here, though the command
# itself takes none of them.
NUMBERS = ["0", "1", "2", "3", "-1", "x2", "9999999999999999999", "2147483649"]
KEYS = ["a", "b", "c", "d", ""]
SAID_DIFFERENTLY = {b"summary", b"complexity", b"notes"}
MARK = ("here",)


class Server:
    """A server on a free port, ended by its own pid."""

    def __init__(self, program):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.dir = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--save", "", "--dir", self.dir.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=self.dir.name)
        self.connection = self.connect()

    def connect(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                return resp.Connection(self.port)
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def call(self, words):
        return self.connection.call(*[w.encode() for w in words])

    def end(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)
        self.dir.cleanup()


def split(calls):
    return [call.split() for call in calls.split(";")]


def text(reply):
    return reply[1].decode()


def pairs(reply):
    """A map of either protocol as a list of (name, value)."""
    items = reply[1]
    return [(items[i][1], items[i + 1]) for i in range(0, len(items), 2)]


def facts_of_map(reply, special):
    """Names, in their order, with values; `special` turns a field's value into its facts."""
    out = [reply[0]]
    for name, value in pairs(reply):
        if name in SAID_DIFFERENTLY:
            value = MARK if value[1] else ("empty",)
        elif name in special:
            value = special[name](value)
        out.append((name, value))
    return out


def facts_of_history(reply):
    return (reply[0], [(entry[0], entry[1][0], bool(entry[1][1][1])) for entry in reply[1]])


def facts_of_docs(reply, found):
    """Facts of one command's documentation; `found` takes those of its subcommands by name."""
    def subcommands(value):
        for name, docs in pairs(value):
            found[name.decode()] = facts_of_docs(docs, found)
        return (value[0], MARK)
    return facts_of_map(reply, {b"history": facts_of_history, b"subcommands": subcommands})


def facts_of_key_specs(reply):
    return (reply[0], [facts_of_map(spec, {}) for spec in reply[1]])


def facts_of_info(reply, found):
    fields = reply[1]
    for sub in fields[9][1]:
        found[text(sub[1][0])] = facts_of_info(sub, found)
    return [reply[0]] + fields[:8] + [facts_of_key_specs(fields[8]),
                                      (fields[9][0], bool(fields[9][1]))]


def tokens_of(arguments):
    """The words that a command knows, from its arguments in COMMAND DOCS."""
    found = []
    for argument in arguments[1]:
        fields = dict(pairs(argument))
        if b"token" in fields:
            found.append(text(fields[b"token"]))
        if b"arguments" in fields:
            found += tokens_of(fields[b"arguments"])
    return [token for token in found if token]


def misread(words):
    """Calls that no command takes, and of which stock thinks something else than it does."""
    low = [word.lower() for word in words]
    if low[0] == "migrate":
        return "keys" in low[1:6] or (low[-1] == "keys" and words[3:4] != [""])
    if low[0] == "sort":
        return any(a == "store" and b in ("store", "by", "get", "limit")
                   for a, b in zip(low[2:], low[3:]))
    return low[0] in ("xread", "xreadgroup") and low.count("streams") > 1


class Comparison:
    def __init__(self, verbose):
        self.passed = self.failed = 0
        self.verbose = verbose

    def check(self, what, ours, stocks):
        if ours == stocks:
            self.passed += 1
            if self.verbose:
                print("ok   %s" % what)
            return
        self.failed += 1
        print("FAIL %s\n  ours:  %r\n  stock: %r" % (what, ours, stocks))

    def facts(self, ours, stock, proto, names):
        for name in names:
            found = {}
            for server in (ours, stock):
                info = {}
                info[name] = facts_of_info(server.call(["COMMAND", "INFO", name])[1][0], info)
                docs = {}
                for key, value in pairs(server.call(["COMMAND", "DOCS", name])):
                    docs[key.decode()] = facts_of_docs(value, docs)
                found[server] = (info, docs)
            for kind, a, b in zip(("INFO", "DOCS"), found[ours], found[stock]):
                for each in a:
                    self.check("RESP%d %s %s" % (proto, kind, each), a[each], b.get(each))

    def random_calls(self, ours, stock, names, rounds, rng):
        for name in names:
            docs = dict(pairs(stock.call(["COMMAND", "DOCS", name])[1][1]))
            tokens = tokens_of(docs.get(b"arguments", (None, [])))
            found = [[], []]
            calls = []
            for _ in range(rounds):
                words = name.split("|")
                for _ in range(rng.randrange(9)):
                    kind = rng.random()
                    if tokens and kind < 0.45:
                        words.append(rng.choice([str.upper, str.lower])(rng.choice(tokens)))
                    else:
                        words.append(rng.choice(NUMBERS if kind < 0.7 else KEYS))
                calls.append(words)
            for words in calls:
                if misread(words):
                    continue
                for server, replies in zip((ours, stock), found):
                    replies.append((words, server.call(["command", "getkeysandflags"] + words)))
            differing = [pair for pair in zip(*found) if pair[0] != pair[1]]
            self.check("%d random calls of %s" % (rounds, name), *(differing or [([], [])])[0])

    def replies(self, ours, stock, proto, known):
        calls = [["command", sub] + words for words in split(CALLS) for sub in SEVERAL]
        calls += [["command", sub, "migrate", "h", "1", "", "0", "10"] + words.split()
                  for words in EMPTY_KEY for sub in SEVERAL]
        calls += split(WHOLE)
        calls += [["command", "info", ""], ["command", "docs", ""],
                  ["command", "list", "filterby", "pattern", ""]]
        for words in calls:
            self.check("RESP%d %s" % (proto, " ".join(words)), ours.call(words),
                       stock.call(words))
        for rest in FILTERS:
            words = ["command", "list", "filterby"] + rest.split()
            listed = [{item[1] for item in server.call(words)[1] if item[1].decode() in known}
                      for server in (ours, stock)]
            self.check("RESP%d %s" % (proto, " ".join(words)), *listed)
        for words in (["command"], ["command", "info"], ["command", "docs"]):
            mine, theirs = ours.call(words), stock.call(words)
            self.check("RESP%d %s: type" % (proto, " ".join(words)), mine[0], theirs[0])
        count = ours.call(["command", "count"])
        self.check("RESP%d count" % proto, count,
                   (b":", b"%d" % len(ours.call(["command"])[1])))


def compare(ours, stock, args):
    result = Comparison(args.v)
    for proto in (2, 3):
        for server in (ours, stock):
            server.call(["HELLO", str(proto)])
        names = [text(item) for item in ours.call(["COMMAND", "LIST"])[1]]
        theirs = {text(item) for item in stock.call(["COMMAND", "LIST"])[1]}
        known = [name for name in names if name in theirs]
        strangers = [n for n in names if n not in theirs and not n.startswith("rg.")]
        result.check("RESP%d names that stock doesn't have" % proto, strangers, [])
        result.facts(ours, stock, proto, [n for n in known if "|" not in n])
        for name in known:
            if "|" in name:
                result.facts(ours, stock, proto, [name])
        result.replies(ours, stock, proto, set(known))
    result.random_calls(ours, stock, known, args.rounds, random.Random(args.seed))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", default=os.path.join(TOP, "build/redis-server"))
    parser.add_argument("--oracle", default=os.path.join(TOP, "build/oracle/redis-server"))
    parser.add_argument("--rounds", type=int, default=100, help="random calls of each command")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("-v", action="store_true", help="show what passed, too")
    args = parser.parse_args()
    print("seed %d" % args.seed)
    servers = []
    try:
        for program in (args.server, args.oracle):
            servers.append(Server(os.path.abspath(program)))
        result = compare(servers[0], servers[1], args)
    finally:
        for server in servers:
            server.end()
    print("%d passed, %d failed" % (result.passed, result.failed))
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
