#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The yardstick of gears' word count: the same lambdas in a plain loop.

usage: plain_wordcount.py [--lines N] [--runs N] [--forever]

Makes a list of records as KeysReader would deliver them, counts their words in a loop with
nothing around it, and prints the seconds of each run. --forever counts until it is killed: the
busy process beside which latency is measured.
"""
import argparse
import random
import time

# The word count, as text: the bench puts the same lambdas into the gears script.
SPLIT = "lambda record: record['value'].split()"
NAME = "lambda word: word"


def lines(count):
    """Lines of ten words, drawn so that few words are frequent and many are rare."""
    chance = random.Random(4711)
    vocabulary = ["".join(chance.choice("abcdefghijklmnopqrstuvwxyz")
                          for _ in range(chance.randint(2, 10))) for _ in range(20000)]
    for _ in range(count):
        yield " ".join(vocabulary[int(chance.paretovariate(0.8)) % 20000] for _ in range(10))


def records(count):
    return [{"event": None, "key": "text:%d" % i, "type": "string", "value": line}
            for i, line in enumerate(lines(count))]


def count_words(data, split, name):
    """flatmap(split).countby(name), without gears."""
    counts = {}
    for record in data:
        for word in split(record):
            key = name(word)
            counts[key] = counts.get(key, 0) + 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--forever", action="store_true")
    args = parser.parse_args()
    data = records(args.lines)
    split, name = eval(SPLIT), eval(NAME)
    if args.forever:
        print("ready", flush=True)
        while True:
            count_words(data, split, name)
    for _ in range(args.runs):
        started = time.perf_counter()
        count_words(data, split, name)
        print("%.4f" % (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    main()
