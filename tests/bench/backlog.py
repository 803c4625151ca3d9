# SPDX-License-Identifier: BSD-3-Clause
"""Events for as long as somebody asks (--seconds): clients that set keys without pause, each SET with
an event, the backlog full all the time; what that does to them, to memory, and to a client whose
keys match no registration."""
import statistics
import time

import workloads

SCRIPT = b"GB().foreach(lambda r: None).register('key:*', mode='async_local')"
KEYS = 100000
# The clients of others' keys use a command that nobody else does, so that the server counts theirs.
OTHER, OTHER_CALLS = "GETSET", b"cmdstat_getset:calls="


def setters(server):
    return workloads.clients(server, KEYS, 50, ["-d", "100", "-t", "set"])


def counted(bench, server, section, name):
    """The number behind `name` in a section of INFO; 0 if it isn't there."""
    text = bench.call(server, b"INFO", section)[1]
    at = text.find(name)
    digits = text[at + len(name):].split(b",")[0].split()[0] if at >= 0 else b"0"
    return int(digits)


def registration(bench, server):
    """Its id, events so far, those that have been run."""
    def pairs(reply):
        return {reply[1][i][1]: reply[1][i + 1] for i in range(0, len(reply[1]), 2)}
    whole = pairs(bench.call(server, b"RG.DUMPREGISTRATIONS")[1][0])
    data = pairs(whole[b"RegistrationData"])
    return whole[b"id"][1], int(data[b"numTriggered"][1]), int(data[b"numSuccess"][1])


def per_second(seconds, read):
    """How much faster than nothing a counter grows."""
    before, started = read(), time.perf_counter()
    time.sleep(seconds)
    return (read() - before) / (time.perf_counter() - started)


def plain_rate(bench, server, seconds):
    """SETs a second of a server without registrations."""
    with setters(server):
        time.sleep(1)
        return per_second(seconds, lambda: counted(bench, server, b"commandstats",
                                                   b"cmdstat_set:calls="))


def sustained(bench, server, seconds):
    """(SETs a second, events a second, resident sets, events that waited): the last two each second."""
    bench.load(server, ([b"SET", b"key:%012d" % i, b"v" * 100] for i in range(KEYS)))
    bench.call(server, b"RG.PYEXECUTE", SCRIPT)
    resident, waiting = [], []
    started = time.perf_counter()
    with setters(server):
        while time.perf_counter() - started < seconds:
            time.sleep(1)
            resident.append(server.rss_bytes())
            _, triggered, done = registration(bench, server)
            waiting.append(triggered - done)
    took = time.perf_counter() - started
    name, triggered, done = registration(bench, server)
    while done < triggered:
        time.sleep(0.005)
        name, triggered, done = registration(bench, server)
    events = done / (time.perf_counter() - started)
    bench.call(server, b"RG.UNREGISTER", name)
    return triggered / took, events, resident, waiting


def elsewhere(bench, server, seconds, with_events):
    """Commands a second of one client whose keys match nothing, while others set keys."""
    if with_events:
        bench.call(server, b"RG.PYEXECUTE", SCRIPT)
    others = [OTHER, "other:__rand_int__", "v" * 100]
    with setters(server), workloads.clients(server, KEYS, 1, others):
        time.sleep(1)
        rate = per_second(seconds, lambda: counted(bench, server, b"commandstats", OTHER_CALLS))
    if with_events:
        bench.call(server, b"RG.UNREGISTER", registration(bench, server)[0])
    return rate


def run(bench, seconds):
    ours, stock = bench.start(False, pinned=False), bench.start(True, pinned=False)
    short = max(seconds / 6, 1)
    bench.heading("Events for %g s, pipeline 16" % seconds, "ours", "stock", "ratio")
    try:
        plain = [plain_rate(bench, stock, short)]
        sets, events, resident, waiting = sustained(bench, ours, seconds)
        plain.append(plain_rate(bench, stock, short))
        base = statistics.mean(plain)
        bench.row("SET with an event of each", "%.0f /s" % sets, "%.0f /s" % base, sets / base,
                  0.6, lower_is_better=False)
        bench.row("events", "%.0f /s" % events, "", events, 500000, lower_is_better=False)
        third = max(len(resident) // 3, 1)
        first, last = (statistics.median(part) for part in (resident[:third], resident[-third:]))
        bench.row("resident set, last third to first", "%.1f MB" % (last / 1e6), "", last / first,
                  1.1)
        print("    %d to %d events waited" % (min(waiting), max(waiting)))
        rates = {True: [], False: []}
        for _ in range(2):
            for with_events, got in rates.items():
                got.append(elsewhere(bench, ours, short, with_events))
        with_them, without = (statistics.mean(rates[k]) for k in (True, False))
        bench.row("a client of other keys, to without", "%.0f /s" % with_them,
                  "%.0f /s" % without, with_them / without, 0.8, lower_is_better=False)
    finally:
        for server in (ours, stock):
            server.stop()
