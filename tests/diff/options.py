#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds the options against a running stock server's.

usage: tests/diff/options.py [--variant V] [-v]

Every name that stock's CONFIG GET knows is known, with the same default; and CONFIG SET of each to
each of a set of words has the same outcome: the reply, error text included, and the value that
CONFIG GET shows afterwards. What may differ is in the tables below, with its reason. Ends with
`N passed, M failed`.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
sys.dont_write_bytecode = True
import resp  # noqa: E402
import servers  # noqa: E402

# Not set: they would move the server from under the test, or end it.
NOT_SET = {"port", "bind", "maxmemory-clients", "dir", "requirepass", "timeout", "maxclients",
           "unixsocket", "tls-port",
           "enable-debug-command", "masterauth", "maxmemory", "client-query-buffer-limit",
           "proto-max-bulk-len", "logfile", "cluster-announce-hostname", "save",
           "client-output-buffer-limit", "oom-score-adj", "oom-score-adj-values",
           "jemalloc-bg-thread"}
# Defaults of our own.
OWN_DEFAULT = {}
# What the part that isn't there can't be asked to do.
SWITCHES = {"appendonly", "tls-replication", "activedefrag", "min-replicas-to-write",
            "min-slaves-to-write"}
# Where stock looks at the files, or at the part, when the option is set.
# (repl-backlog-size grows to 16 KB, cluster-link-sendbuf-limit takes what is negative as signed)
OWN_CHECK = SWITCHES | {"repl-backlog-size", "cluster-link-sendbuf-limit",
                        "repl-diskless-load", "notify-keyspace-events", "dbfilename",
                        "replica-announced", "bind-source-addr"}
WORDS = [b"", b"0", b"1", b"7", b"11", b"-1", b"-2", b"yes", b"no", b"YES", b"maybe", b"1kb",
         b"100MB", b"1 2", b"99999999999999999999", b"70000", b"default", b"everysec", b"nosave",
         b"save force", b"{title}", b"{nosuch}", b"50%", b"x y z", b"101"]


def names_of(connection):
    reply = connection.call(b"CONFIG", b"GET", b"*")
    words = [item[1] for item in reply[1]]
    return dict(zip(words[::2], words[1::2]))


def outcome(connection, name, word):
    reply = connection.call(b"CONFIG", b"SET", name, word)
    value = connection.call(b"CONFIG", b"GET", name)
    return reply, value


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--variant", default="release")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    ours = servers.Server(servers.ours(options.variant), False)
    stock = servers.Server(servers.oracle(), True)
    failures, passed = [], 0
    try:
        ours_c, stock_c = resp.Connection(ours.port), resp.Connection(stock.port)
        ours_all, stock_all = names_of(ours_c), names_of(stock_c)
        for name, value in sorted(stock_all.items()):
            text = name.decode()
            if name not in ours_all:
                failures.append("%s: not known" % text)
                continue
            passed += 1
            if text in NOT_SET or text in OWN_DEFAULT:
                continue
            if ours_all[name] != value:
                failures.append("%s: %r by default, stock: %r" % (text, ours_all[name], value))
            passed += 1
            if text in OWN_CHECK:
                continue
            for word in WORDS:
                got, want = outcome(ours_c, name, word), outcome(stock_c, name, word)
                passed += 1
                if got != want:
                    failures.append("%s %r:\n     %r\n  stock %r" % (text, word, got, want))
    finally:
        problems = ours.stop() + stock.stop()
    failures += problems
    for failure in failures:
        print(failure)
    print("%d passed, %d failed" % (passed - len(failures), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
