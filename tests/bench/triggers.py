# SPDX-License-Identifier: BSD-3-Clause
"""Triggers against PING in the same run: what the way through Python costs a client."""
import statistics
import subprocess

SCRIPT = """
for mode in ('sync', 'async_local'):
    (GB('CommandReader').map(lambda r: 1)
     .register(trigger=mode, mode=mode, convertToStr=False))
"""
TARGET = 0.8


def rate(server, clients, requests, words):
    """Replies a second, by redis-benchmark."""
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "-c", str(clients), "-n",
                           str(requests), "--csv"] + words, stdout=subprocess.PIPE, check=True)
    return float(done.stdout.decode().split("\n")[1].split(",")[-7].strip('"'))


def run(bench):
    server = bench.start(False, pinned=False)
    requests = 20000 if bench.args.quick else 100000
    try:
        if bench.call(server, b"RG.PYEXECUTE", SCRIPT.encode()) != (b"+", b"OK"):
            raise RuntimeError("the triggers were not registered")
        bench.heading("Triggers (map only), a second", "trigger", "PING", "")
        for clients in (50, 1):
            kinds = {"ping": ["PING"], "sync": ["RG.TRIGGER", "sync"],
                     "async_local": ["RG.TRIGGER", "async_local"]}
            got = {kind: [] for kind in kinds}
            for _ in range(max(3, bench.args.runs)):
                for kind, words in kinds.items():
                    got[kind].append(rate(server, clients, requests // (1 if clients > 1 else 4),
                                          words))
            ping = statistics.median(got["ping"])
            for kind in ("sync", "async_local"):
                ours = statistics.median(got[kind])
                bench.row("%s, %d client%s" % (kind, clients, "s" if clients > 1 else ""),
                          "%.0f" % ours, "%.0f" % ping, ours / ping, TARGET,
                          lower_is_better=False)
    finally:
        server.stop()
