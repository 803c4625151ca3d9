#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds INFO against a running stock server's.

usage: tests/diff/info.py [--variant V] [-v]

Every field that stock prints is printed, in the same section and in the same order; and on servers
that have done the same, the values are the same but for those named below. Ends with
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

# Times, sizes, and who one is.
OWN_VALUE = {
    "Server": {"redis_build_id", "redis_git_sha1", "multiplexing_api", "monotonic_clock",
               "atomicvar_api", "gcc_version", "process_id", "run_id", "tcp_port",
               "server_time_usec", "uptime_in_seconds", "lru_clock", "executable", "config_file"},
    "Clients": {"client_recent_max_input_buffer", "client_recent_max_output_buffer"},
    "Memory": {"used_memory*", "allocator_*", "rss_*", "mem_fragmentation_*", "mem_clients_normal",
               "mem_allocator", "mem_not_counted_for_evict"},
    "Persistence": {"rdb_last_save_time", "current_cow_size_age"},
    "Stats": {"instantaneous_*", "latest_fork_usec", "total_*_processed", "total_net_*",
              "total_connections_received", "reply_buffer_*", "expire_cycle_cpu_milliseconds"},
    "Replication": {"master_replid"},
    "CPU": {"used_cpu_*"},
    "Commandstats": {"*"},
    "Latencystats": {"*"},
    "Keyspace": set(),
}
# In stock's INFO of an idle server, the order within a section that we don't follow.
OUT_OF_ORDER = {"used_memory_vm_eval", "used_memory_lua_human"}

REQUESTS = [[b"SET", b"k", b"v"], [b"GET", b"k"], [b"GET", b"nothing"], [b"LPUSH", b"k", b"x"],
            [b"NOTHING"], [b"GET"], [b"SET", b"gone", b"v", b"PX", b"1"], [b"SAVE"],
            [b"SELECT", b"3"], [b"SET", b"there", b"v"]]


def sections_of(connection):
    reply = connection.call(b"INFO", b"everything")[1].decode()
    found = {}
    for line in reply.split("\r\n"):
        if line.startswith("# "):
            section = found.setdefault(line[2:], {})
        elif line:
            name, value = line.split(":", 1)
            section[name] = value
    return found


def is_own(section, name):
    return any(name == word or word.endswith("*") and name.startswith(word[:-1]) or
               "*" in word[:-1] and name.startswith(word.split("*")[0]) and
               name.endswith(word.split("*")[1]) for word in OWN_VALUE.get(section, ()))


def compare(want, got):
    """Pairs of a section's name and what is wrong in it, or None."""
    for section, fields in want.items():
        mine = got.get(section)
        if mine is None:
            yield section, "there is no such section"
            continue
        missing = [name for name in fields if name not in mine]
        yield section, "lacks " + " ".join(missing) if missing else None
        order = [name for name in fields if name in mine and name not in OUT_OF_ORDER]
        ours = [name for name in mine if name in fields and name not in OUT_OF_ORDER]
        if section not in ("Commandstats", "Latencystats", "Errorstats"):
            yield section, None if order == ours else "order: %s" % " ".join(ours)
        for name in order:
            if not is_own(section, name):
                yield section, None if fields[name] == mine[name] else "%s is %s, stock's %s" % (
                    name, mine[name], fields[name])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--variant", default="release")
    parser.add_argument("-v", action="store_true", dest="verbose")
    args = parser.parse_args()
    pair = [servers.Server(servers.oracle(), True), servers.Server(servers.ours(args.variant), False)]
    passed = failed = 0
    try:
        seen = []
        for server in pair:
            connection = resp.Connection(server.port)
            seen.append(sections_of(connection))
            for request in REQUESTS:
                connection.call(*request)
            connection.call_many([[b"MULTI"], [b"NOTHING"], [b"EXEC"]])
            while b"expires=0" not in connection.call(b"INFO", b"keyspace")[1].split(b"\n")[1]:
                pass
            seen.append(sections_of(connection))
        for when, want, got in (("fresh", seen[0], seen[2]), ("used", seen[1], seen[3])):
            for section, wrong in compare(want, got):
                passed += wrong is None
                failed += wrong is not None
                if wrong or args.verbose:
                    print("%s %s, %s: %s" % ("FAIL" if wrong else "ok  ", when, section,
                                             wrong or "as stock"))
    finally:
        for server in pair:
            for finding in server.stop():
                failed += 1
                print("FAIL", finding)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
