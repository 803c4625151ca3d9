#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client that builds its program from functions of its own: they are pickled here with
Debian's cloudpickle, travel within the script, and run in the server.

usage: gears_remote.py PORT
"""
import collections
import functools
import json
import math
import re
import sys

import cloudpickle
import redis

LIMIT = 3
WORD = re.compile(r"[a-z]+")
Pair = collections.namedtuple("Pair", "word length")


class Scale:
    """A class of this program, which the server has never seen."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, n):
        return n * self.factor


def words(record):
    """Uses a compiled pattern and a global of this module."""
    return [w for w in WORD.findall(record["value"].lower()) if len(w) > LIMIT]


def make_scaler(factor):
    scale = Scale(factor)
    return lambda n: scale(n)


def fact(n):
    return 1 if n < 2 else n * fact(n - 1)


def mean(values):
    return math.fsum(values) / len(values)


def keep_length(record):
    from redisgears import executeCommand as execute  # a module of the server's
    execute("hset", "lengths", record["key"], len(record["value"]) * LIMIT)


def program(callbacks, text):
    """A script that loads the callbacks as f[0], f[1] and so on, then goes on with the text."""
    return "import cloudpickle\nf = cloudpickle.loads(%r)\n%s" % (
        cloudpickle.dumps(callbacks), text)


def main():
    cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    server = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), decode_responses=True)
    checks = 0

    def check(callbacks, text, expected):
        nonlocal checks
        got = server.execute_command("RG.PYEXECUTE", program(callbacks, text))
        if got != expected:
            sys.exit("%s\ngave %r\nand not %r" % (text, got, expected))
        checks += 1

    server.mset({"text:1": "The wheel that turns the wheel", "text:2": "turns and turns"})
    check([words], "GB().flatmap(f[0]).countby().map(lambda r: '%s=%d' % (r['key'], r['value']))"
          ".sort().run('text:*')", [["that=1", "turns=3", "wheel=2"], []])
    check([make_scaler(7)], "GB('PythonReader').map(f[0]).run(lambda: iter((n for n in [1, 2])))",
          [["7", "14"], []])
    check([fact], "GB('PythonReader').map(f[0]).run(lambda: (n for n in [5, 20]))",
          [["120", str(math.factorial(20))], []])
    check([lambda r: Pair(r, len(r)), lambda p: "%s:%d" % (p.word, p.length)],
          "GB('PythonReader').map(f[0]).map(f[1]).run(lambda: (w for w in ['cog']))",
          [["cog:3"], []])
    check([functools.partial(max, 1), mean],
          "GB('PythonReader').map(lambda r: f[1]([f[0](r), f[0](3)])).run(lambda: (n for n in [1]))",
          [["2.0"], []])
    # The reader itself, with a closure over data of the client's.
    table = {"a": [1, 2], "b": [3]}

    def rows():
        for key, values in sorted(table.items()):
            yield json.dumps([key, values])

    check([rows], "GB('PythonReader').run(f[0])", [['["a", [1, 2]]', '["b", [3]]'], []])

    # A registration keeps what came with it.
    check([keep_length],
          "GB().foreach(f[0]).register('in:*', mode='sync', eventTypes=['set'])", "OK")
    server.set("in:1", "four")
    if server.hgetall("lengths") != {"in:1": "12"}:
        sys.exit("the registration did %r" % server.hgetall("lengths"))
    print("%d programs agree" % (checks + 1))


if __name__ == "__main__":
    main()
