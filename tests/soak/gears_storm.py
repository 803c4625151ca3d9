#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Everything that gears does, at random and at once, and what must hold afterwards.

usage: gears_storm.py [--variant V] [--seconds N] [--seed N] [--option 'NAME VALUE']...

Writers set off registrations; others run pipelines, abort them, go away while they run, register,
unregister and upgrade. Registrations that stay must have seen each event once; a trigger is never
missing while its session is upgraded; what was triggered has succeeded, failed or been aborted;
and of a release build, memory doesn't grow. Ends with `N passed, M failed`.
"""
import argparse
import os
import random
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import servers  # noqa: E402

DRAIN_S = 300
RSS_SLACK = 24 << 20

# What programs count, and what the actors count of it.
COUNTERS = [("seen:sync", "events"), ("seen:async", "events"), ("seen:hook", "hooked"),
            ("seen:held", "held"), ("seen:awaited", "held"), ("seen:stream", "entries"),
            ("seen:retried", "entries"), ("seen:within", "entries")]


class ReplyError(Exception):
    pass


class Client:
    """A plain connection: words out, a parsed reply back."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DRAIN_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, *commands):
        parts = []
        for words in commands:
            parts.append(b"*%d\r\n" % len(words))
            for word in words:
                word = word if isinstance(word, bytes) else str(word).encode()
                parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.sock.sendall(b"".join(parts))

    def receive(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode(
                "utf-8", "replace")
        if kind == b"*":
            return None if rest == b"-1" else [self.receive() for _ in range(int(rest))]
        raise ValueError("what is %r?" % line)

    def call(self, *words):
        self.send(words)
        return self.receive()

    def must(self, *words):
        reply = self.call(*words)
        if isinstance(reply, ReplyError):
            raise reply
        return reply


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


STABLE = """
GB().foreach(lambda r: execute('incr', 'seen:sync')).register(
    'ev:*', mode='sync', eventTypes=['set'])
GB().foreach(lambda r: execute('incr', 'seen:async')).register(
    'ev:*', mode='async_local', eventTypes=['set'])
GB('TimeReader').foreach(lambda r: execute('incr', 'ticks')).register(every=20)
def twice(r):
    execute('incr', 'seen:hook')
    return int(call_next(*r[1:])) * 2
GB('CommandReader').map(twice).register(hook='incrby', keyprefix='hooked:', mode='sync')
def answer(r):
    execute('incr', 'seen:held')
    override_reply('+' + get_command()[1])
GB().foreach(answer).register(
    'held:*', mode='async_local', eventTypes=['set'], commands=['setex'])
GB('StreamReader').foreach(lambda r: execute('incr', 'seen:stream')).register(
    'stream:*', batch=10, duration=20, mode='async_local')
def fails_at_first(r):
    with atomic():
        if execute('hincrby', 'tries', r['id'], 1) == 1 and r['value']['n'] == '7':
            raise Exception('again')
        execute('incr', 'seen:retried')
        execute('hdel', 'tries', r['id'])
# Each failure holds the registration up for a second: one entry of 10,000.
GB('StreamReader').foreach(fails_at_first).register(
    'stream:*', mode='async_local', onFailedPolicy='retry', onFailedRetryInterval=1)
import asyncio
async def in_a_while(r):
    await asyncio.sleep(0.001)
    execute('incr', 'seen:awaited')
GB().foreach(in_a_while).register('held:*', mode='async_local', eventTypes=['set'])
GB('StreamReader').foreach(lambda r: execute('incr', 'seen:within')).register(
    'stream:*', mode='sync')
"""

UPGRADED = """
GB('CommandReader').map(lambda r: %d).register(trigger='app', mode='sync')
GB().foreach(lambda r: execute('hincrby', 'up', r['event'], 1)).register('up:*', mode='async_local')
GB().filter(lambda r: False).register('up:*', mode='sync')
"""

PASSING = """
GB().foreach(lambda r: execute('incr', 'passing')).register('up:*', mode='%s')
"""

PIPELINES = [
    ("GB('KeysOnlyReader').count().run('fixed:*')", [["1000"], []]),
    ("GB().filter(lambda r: r['value'] == 'v').count().run('fixed:*')", [["1000"], []]),
    ("GB('KeysOnlyReader').map(lambda k: execute('get', k)).countby().run('fixed:*')",
     [["{'key': 'v', 'value': 1000}"], []]),
    ("GB('PythonReader').map(lambda r: r * r).aggregate(0, lambda a, r: a + r, lambda a, r: a + r)"
     ".run(lambda: (i for i in range(100)))", [["328350"], []]),
    ("GB('PythonReader').map(lambda r: 1 // r).collect().run(lambda: (0 for i in range(1)))", None),
    ("import asyncio\nasync def later(r):\n    await asyncio.sleep(0.001)\n"
     "    return int(execute('get', 'one')) * r\n"
     "GB('PythonReader').map(later).count().run(lambda: (i for i in range(50)))", [["50"], []]),
    ("with atomic():\n    n = int(execute('get', 'atomic') or 0)\n"
     "    execute('set', 'atomic', n + 1)\n    execute('incr', 'atomic:check')", "OK"),
]

ENDLESS = [
    "import asyncio\nasync def f(r): await asyncio.sleep(1000)\n"
    "GB('PythonReader').map(f).run(lambda: (1 for i in range(10)))",
    "async def f(r):\n    while True: pass\n"
    "GB('PythonReader').map(f).run(lambda: (1 for i in range(1)))",
    "def f(r):\n    while True: pass\nGB('PythonReader').map(f).run(lambda: (1 for i in range(1)))",
    "def f(r):\n    while True:\n        try: execute('incr', 'spin')\n        except Exception: pass\n"
    "GB('PythonReader').map(f).run(lambda: (1 for i in range(1)))",
    "def g():\n    while True: yield 1\nGB('PythonReader').filter(lambda r: False).run(g)",
    "import time\nGB('PythonReader').map(lambda r: time.sleep(1000)).run(lambda: (1 for i in '1'))",
]


class Storm:
    def __init__(self, args):
        self.args = args
        self.seed = args.seed if args.seed is not None else random.SystemRandom().getrandbits(32)
        self.server = servers.Server(servers.ours(args.variant), False, [
            ("gears-sync-wait", "60000"), ("gears-max-executions", "200")]
            + [tuple(option.split(None, 1)) for option in args.option])
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.failures = []
        self.counts = {}
        self.version = 0
        self.rss = []

    # ---- shared by the actors ----

    def fail(self, text):
        with self.lock:
            self.failures.append(text)
        print("FAIL " + text, flush=True)

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def client(self):
        return Client(self.server.port)

    def actor(self, fn, number):
        dice = random.Random("%s %s %d" % (self.seed, fn.__name__, number))
        try:
            while not self.stop.is_set():
                fn(dice)
        except Exception as error:  # noqa: BLE001
            self.fail("%s: %s: %s" % (fn.__name__, type(error).__name__, error))
            self.stop.set()

    # ---- the actors: one round of each ----

    def writes(self, dice):
        client = self.client()
        for _ in range(50):
            commands = []
            for _ in range(dice.randint(1, 40)):
                commands.append(dice.choice([
                    ("SET", "ev:%d" % dice.randint(0, 99), "v"),
                    ("SET", "ev:%d" % dice.randint(0, 99), "v", "PX", dice.randint(1, 50)),
                    ("SET", "up:%d" % dice.randint(0, 99), "v"),
                    ("DEL", "up:%d" % dice.randint(0, 99)),
                    ("HSET", "up:h", dice.randint(0, 9), "v"),
                    ("RPUSH", "other:l", "v"), ("LPOP", "other:l"),
                    ("XADD", "other:s", "MAXLEN", "100", "*", "f", "v"),
                    ("XADD", "stream:%d" % dice.randint(0, 9), "*", "n",
                     dice.randint(0, 9999)),
                    ("GET", "fixed:%d" % dice.randint(0, 999))]))
            entries = sum(1 for c in commands if c[0] == "XADD" and c[1].startswith("stream:"))
            events = sum(1 for c in commands if c[0] == "SET" and c[1].startswith("ev:"))
            if dice.random() < 0.1:
                commands = [("MULTI",)] + commands + [("EXEC",)]
            client.send(*commands)
            for _ in commands:
                reply = client.receive()
                if isinstance(reply, ReplyError):
                    raise reply
            self.count("events", events)
            self.count("entries", entries)
            if self.stop.is_set():
                break
        client.close()

    def hooked(self, dice):
        """Commands that programs answer, pipelined and within transactions."""
        client = self.client()
        for _ in range(20):
            commands, answers = [], []
            for _ in range(dice.randint(1, 10)):
                key = dice.choice(["hooked:%d", "held:%d"]) % dice.randint(0, 1 << 40)
                by = dice.randint(1, 1000)
                if key.startswith("hooked"):
                    commands.append(("INCRBY", key, by))
                    answers.append(str(2 * by))
                else:
                    commands.append(("SETEX", key, 1, "v"))
                    answers.append(key)
            self.count("hooked", sum(1 for c in commands if c[0] == "INCRBY"))
            self.count("held", sum(1 for c in commands if c[0] == "SETEX"))
            client.send(*commands)
            got = [client.receive() for _ in commands]
            if [str(reply) for reply in got] != answers:
                self.fail("%s gave %s" % (commands, got))
            if self.stop.is_set():
                break
        client.close()

    def runs(self, dice):
        client = self.client()
        script, expected = dice.choice(PIPELINES)
        got = client.must("RG.PYEXECUTE", script)
        if expected is None:
            if len(got[1]) != 1 or "ZeroDivisionError" not in got[1][0]:
                self.fail("%s gave %s" % (script, got))
        elif got != expected:
            self.fail("%s gave %s" % (script, got))
        self.count("runs")
        client.close()

    def aborts(self, dice):
        client = self.client()
        ident = client.must("RG.PYEXECUTE", dice.choice(ENDLESS), "UNBLOCKING")
        time.sleep(dice.random() * 0.05)
        reply = client.call("RG.ABORTEXECUTION", ident)
        if reply not in ("OK",) and "can not be interrupted" not in str(reply):
            self.fail("abort of %s: %s" % (ident, reply))
        for command in ("RG.GETRESULTSBLOCKING", "RG.DROPEXECUTION"):
            reply = client.call(command, ident)  # one of many that ended may be gone already
            if isinstance(reply, ReplyError) and "does not exist" not in str(reply):
                raise reply
        self.count("aborts")
        client.close()

    def leaves(self, dice):
        client = self.client()
        client.send(("RG.PYEXECUTE", dice.choice(ENDLESS)))
        time.sleep(dice.random() * 0.05)
        client.close()
        self.count("leaves")

    def upgrades(self, dice):
        client = self.client()
        for _ in range(20):
            client.must("RG.PYEXECUTE", UPGRADED % (self.version + 1), "ID", "app", "UPGRADE")
            self.version += 1
            self.count("upgrades")
            time.sleep(dice.random() * 0.02)
            if self.stop.is_set():
                break
        client.close()

    def triggers(self, dice):
        client = self.client()
        for _ in range(50):
            low = self.version
            got = client.must("RG.TRIGGER", "app")
            # The version counts when its script has been answered; the one before that may show.
            if not low <= int(got[0]) <= self.version + 1:
                self.fail("trigger of version %s between %d and %d" % (got, low, self.version))
            self.count("triggers")
        client.close()

    def passes(self, dice):
        client = self.client()
        name = "passing%d" % dice.randint(0, 3)
        reply = client.call("RG.PYEXECUTE", PASSING % dice.choice(["sync", "async_local", "async"]),
                            "ID", name)
        if not isinstance(reply, ReplyError):
            self.count("registrations")
        elif "already exists" not in str(reply):
            raise reply
        for entry in client.must("RG.DUMPREGISTRATIONS"):
            dump = pairs(entry)
            if "'sessionName':'%s'" % name not in dump["PD"]:
                continue
            words = ["RG.UNREGISTER", dump["id"]] + dice.choice([[], ["abortpending"]])
            client.call(*words)  # another may have been first
        client.close()

    def looks(self, dice):
        client = self.client()
        for _ in range(10):
            for entry in client.must("RG.DUMPREGISTRATIONS"):
                data = pairs(pairs(entry)["RegistrationData"])
                over = data["numSuccess"] + data["numFailures"] + data["numAborted"]
                if over > data["numTriggered"]:
                    self.fail("more ended than were triggered: %s" % data)
            for entry in client.must("RG.DUMPEXECUTIONS"):
                client.call(dice.choice(["RG.GETEXECUTION", "RG.GETRESULTS"]), pairs(entry)
                            ["executionId"])
            client.must("INFO", "everything")
            client.must("RG.PYDUMPSESSIONS", "VERBOSE")
            time.sleep(0.05)
        client.close()

    # ---- the whole ----

    def sample(self, client):
        client.must("MEMORY", "PURGE")
        self.rss.append(self.server.rss_bytes())

    def awaited(self, client, key, number):
        """Waits until the counter `key` has reached `number` or stood still for DRAIN_S."""
        seen, deadline = -1, 0
        while True:
            now = int(client.must("GET", key) or 0)
            if now != seen:
                seen, deadline = now, time.monotonic() + DRAIN_S
            if seen >= number or time.monotonic() >= deadline:
                return
            time.sleep(0.05)

    def check_end(self, client):
        for what, counted in COUNTERS:
            self.awaited(client, what, self.counts.get(counted, 0))
        if int(client.must("GET", "ticks") or 0) < self.args.seconds:
            self.fail("a clock of 20 ms ticked %s times" % client.must("GET", "ticks"))
        if client.must("GET", "atomic") != client.must("GET", "atomic:check"):
            self.fail("an atomic block was interleaved")
        deadline = time.monotonic() + DRAIN_S
        for entry in client.must("RG.DUMPREGISTRATIONS"):
            dump = pairs(entry)
            data = pairs(dump["RegistrationData"])
            ended = data["numSuccess"] + data["numFailures"] + data["numAborted"]
            while data["numTriggered"] != ended and time.monotonic() < deadline:
                time.sleep(0.05)
                again = [pairs(e) for e in client.must("RG.DUMPREGISTRATIONS")]
                data = [pairs(e["RegistrationData"]) for e in again if e["id"] == dump["id"]][0]
                ended = data["numSuccess"] + data["numFailures"] + data["numAborted"]
            may_fail = "retry" in data["args"]
            if data["numTriggered"] != ended or (data["numFailures"] and not may_fail):
                self.fail("of %s: %s" % (dump["id"], data))
        for what, counted in COUNTERS:  # now, for what comes twice may come late
            events, seen = self.counts.get(counted, 0), int(client.must("GET", what) or 0)
            if seen != events:
                self.fail("%d %s, but %s is %d" % (events, counted, what, seen))
        # What waits takes memory: the last sample is of a server at rest.
        self.sample(client)
        if self.args.variant == "release" and len(self.rss) > 1:
            if self.rss[-1] > self.rss[0] * 1.1 + RSS_SLACK:
                self.fail("memory grew: %s" % [b >> 20 for b in self.rss])

    def run(self):
        actors = [self.writes] * 3 + [self.runs] * 2 + [
            self.hooked, self.aborts, self.leaves, self.upgrades, self.triggers, self.passes, self.looks]
        boss = self.client()
        try:
            boss.must("SET", "one", 1)
            for i in range(1000):
                boss.must("SET", "fixed:%d" % i, "v")
            boss.must("RG.PYEXECUTE", STABLE)
            boss.must("RG.PYEXECUTE", UPGRADED % 0, "ID", "app")
            threads = [threading.Thread(target=self.actor, args=(fn, i))
                       for i, fn in enumerate(actors)]
            for thread in threads:
                thread.start()
            end = time.monotonic() + self.args.seconds
            tenth = self.args.seconds / 10
            while time.monotonic() < end and not self.stop.wait(tenth):
                self.sample(boss)
            self.stop.set()
            for thread in threads:
                thread.join()
            if self.server.running():
                self.check_end(boss)
        except (ReplyError, OSError) as error:
            self.stop.set()
            self.fail("%s: %s" % (type(error).__name__, error))
        findings = self.server.stop(keep=bool(self.failures))
        for finding in findings:
            self.fail(finding)
        print("seed %d: %s; memory in MB: %s" % (
            self.seed, ", ".join("%d %s" % (n, what) for what, n in sorted(self.counts.items())),
            [b >> 20 for b in self.rss]))
        if self.failures:
            print("server's folder: %s" % self.server.dir)
        print("%d passed, %d failed" % (0 if self.failures else 1, len(self.failures)))
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="release")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--option", action="append", default=[], help="of the server; as often "
                        "as needed")
    return Storm(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
