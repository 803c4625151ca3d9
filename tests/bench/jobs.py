# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of gears by the clock: commands from Python, whole jobs, and the latency of a trigger while
others count words. A row is shown with what RedisGears 1.2 users are used to in README.md."""
import statistics
import subprocess
import threading
import time

import workloads


# Each call is timed from the inside, so that nothing but the call counts.
CALLS = """
import time
def timed():
    end = time.perf_counter() + 1
    calls, start = 0, time.perf_counter()
    while time.perf_counter() < end:
        for i in range(1000): execute('get', 'key:000000000001')
        calls += 1000
    yield (time.perf_counter() - start) * 1e6 / calls
GB('PythonReader').run(timed)
"""
HASHES = 200000
HASH_JOB = """
(GB('KeysOnlyReader').map(lambda k: execute('hget', k, 'text'))
 .map(lambda text: text.split(' ')[1]).countby().run('hash:*'))
"""
ENTRIES = 100000
STREAM_JOB = ("GB('StreamReader').foreach(lambda r: execute('incr', 'counted'))"
              ".register('stream', batch=%d)")
TRIGGER = "GB('CommandReader').map(lambda r: r[1]).register(trigger='echo', mode='sync')"


def loaded(bench, server):
    """50 clients that read, as fast as they can, for as long as the block lasts."""
    return workloads.clients(server, bench.keys, 50, ["-t", "get"])


def call_us(bench, server):
    """Microseconds of one execute('get'): the best of the runs, since a shared machine only adds."""
    return min(float(bench.execute(server, CALLS)[0][1][0][1][0][1])
               for _ in range(bench.args.runs))


def rate_of(bench, server, script, records):
    """Records a second, the median of the runs."""
    return records / statistics.median(bench.execute(server, script)[1]
                                       for _ in range(max(3, bench.args.runs)))


def calls(bench, server):
    us = call_us(bench, server)
    bench.row("execute('get'), idle", "%.3f us" % us, "", us, 0.6)
    with loaded(bench, server):
        us = call_us(bench, server)
    bench.row("execute('get'), 50 clients, /s", "%.3f us" % us, "", 1e6 / us, 500000,
              lower_is_better=False)


def rates(bench, server, jobs):
    """Rows of (what, script, records, records a second that are asked for)."""
    for what, script, records, target in jobs:
        rate = rate_of(bench, server, script, records)
        bench.row(what, "%.0f" % rate, "", rate, target, lower_is_better=False)


def word_count(bench, server, lines):
    bench.load_lines(server, lines)
    bench.execute(server, bench.wordcount_script())
    gears, plain = [], []
    for _ in range(max(3, bench.args.runs)):
        gears.append(bench.execute(server, bench.wordcount_script())[1])
        plain.append(bench.plain_seconds(lines))
    ours, loop = statistics.median(gears), statistics.median(plain)
    bench.row("word count of %d, speed of the loop's" % lines, "%.3f s" % ours, "%.3f s" % loop,
              loop / ours, 0.7, lower_is_better=False)


def streams(bench, server):
    """A stream's entries that wait, from the registration's reply until all are done."""
    for batch, target in ((100, 500000), (1, 200000)):
        times = []
        for _ in range(max(3, bench.args.runs)):
            bench.load(server, [[b"FLUSHALL"]])
            bench.load(server, ([b"XADD", b"stream", b"%d-1" % (i + 1), b"n", b"%d" % i]
                                for i in range(ENTRIES)))
            started = time.perf_counter()
            bench.call(server, b"RG.PYEXECUTE", (STREAM_JOB % batch).encode())
            while bench.call(server, b"XLEN", b"stream") != (b":", b"0"):
                time.sleep(0.001)
            times.append(time.perf_counter() - started)
            if bench.call(server, b"GET", b"counted") != (b"$", b"%d" % ENTRIES):
                raise RuntimeError("not every entry was counted")
            for registration in bench.call(server, b"RG.DUMPREGISTRATIONS")[1]:
                bench.call(server, b"RG.UNREGISTER", registration[1][1][1])
        rate = ENTRIES / statistics.median(times)
        bench.row("stream, batch=%d, entries/s" % batch, "%.0f" % rate, "", rate, target,
                  lower_is_better=False)


def trigger_latency(bench, server):
    """p99 of a sync trigger, one client, while word counts run without pause."""
    if bench.call(server, b"RG.PYEXECUTE", TRIGGER.encode()) != (b"+", b"OK"):
        raise RuntimeError("the trigger was not registered")
    stop = threading.Event()

    def count_on():
        while not stop.is_set():
            bench.execute(server, bench.wordcount_script())

    times = []
    worker = threading.Thread(target=count_on)
    worker.start()
    try:
        for _ in range(bench.args.runs):
            done = subprocess.run(
                ["redis-benchmark", "-p", str(server.port), "-c", "1", "-n", "3000", "--csv",
                 "--precision", "3", "RG.TRIGGER", "echo", "word"],
                stdout=subprocess.PIPE, check=True)
            times.append(float(done.stdout.decode().split("\n")[1].split(",")[6].strip('"')))
    finally:
        stop.set()
        worker.join()
    p99 = statistics.median(times)
    bench.row("p99 of a sync trigger beside them", "%.3f ms" % p99, "", p99, 3.0)


def run(bench):
    server = bench.start(False, pinned=False)
    lines = 30000 if bench.args.quick else 200000
    try:
        bench.heading("Jobs (%d hashes, %d keys)" % (HASHES, bench.keys), "gears", "", "")
        bench.load_keys(server)
        calls(bench, server)
        rates(bench, server, [
            ("GB().count(), keys/s", "GB().count().run()", bench.keys, 4000000),
            ("KeysOnlyReader().count(), keys/s", "GB('KeysOnlyReader').count().run()", bench.keys,
             10000000)])
        bench.load(server, [[b"FLUSHALL"]])
        bench.load(server, ([b"HSET", b"hash:%d" % i, b"text", b"word %d" % (i % 1000)]
                            for i in range(HASHES)))
        rates(bench, server, [("hget, split, countby, records/s", HASH_JOB, HASHES, 800000)])
        streams(bench, server)
        bench.load(server, [[b"FLUSHALL"]])
        word_count(bench, server, lines)
        trigger_latency(bench, server)
    finally:
        server.stop()
