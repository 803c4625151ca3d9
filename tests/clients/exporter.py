# SPDX-License-Identifier: BSD-3-Clause
"""prometheus-redis-exporter reads us as it reads stock.

The Debian package would start a service, so it is unpacked into the build folder, not installed.
"""
import glob
import os
import re
import subprocess
import time
import urllib.request

from problem import Problem, difference
from programs import BUILD, run
import servers

PACKAGE = "prometheus-redis-exporter"
PROGRAM = os.path.join(BUILD, "exporter", "usr", "bin", PACKAGE)


def prepare():
    if os.path.exists(PROGRAM):
        return
    os.makedirs(BUILD, exist_ok=True)
    output, done = run(["apt-get", "download", PACKAGE], cwd=BUILD)
    archives = glob.glob(os.path.join(BUILD, PACKAGE + "_*.deb"))
    if not done or not archives:
        raise Problem("not run: apt-get can't download %s\n%s" % (PACKAGE, output[-1000:]))
    output, done = run(["dpkg-deb", "-x", archives[0], os.path.join(BUILD, "exporter")])
    if not done:
        raise Problem("not run: %s can't be unpacked\n%s" % (PACKAGE, output[-1000:]))


def scrape(server):
    """The metrics, twice read, and the exporter's log."""
    port = servers.free_port()
    log_path = os.path.join(server.dir, "exporter.log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "-redis.addr", "redis://127.0.0.1:%d" % server.port, "-web.listen-address",
             "127.0.0.1:%d" % port, "-include-system-metrics", "-check-keys", "exported*",
             "-check-streams", "exported-x", "-export-client-list", "-count-keys", "exported*"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        texts = []
        while len(texts) < 2:
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=20) as page:
                    texts.append(page.read().decode("utf-8"))
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    break
                time.sleep(0.02)
    finally:
        process.terminate()
        process.wait()
    with open(log_path, encoding="utf-8") as log:
        lines = log.read().splitlines()
    if len(texts) < 2:
        raise Problem("it serves no metrics\n" + "\n".join(lines[-10:]))
    return texts[1], lines


def values_of(text):
    """{name: {labels: value}} of the server's metrics; the exporter's own are left out."""
    values = {}
    for name, labels, value in re.findall(r"^(redis_\w+)({[^}]*})? (\S+)$", text, re.M):
        values.setdefault(name, {})[labels] = value
    return values


def check(_name, ours, stock, _has_python):
    prepare()
    seen = []
    for server in (stock, ours):
        words = [["FLUSHALL"], ["CONFIG", "RESETSTAT"], ["SET", "exported", "x"],
                 ["XADD", "exported-x", "1-1", "a", "1"],
                 ["XGROUP", "CREATE", "exported-x", "group", "0"],
                 ["XREADGROUP", "GROUP", "group", "one", "STREAMS", "exported-x", ">"],
                 ["LPUSH", "exported", "x"]]
        for line in words:
            subprocess.run(["redis-cli", "-p", str(server.port)] + line, stdout=subprocess.DEVNULL,
                           check=True)
        text, log = scrape(server)
        values = values_of(text)
        errors = [line for line in log if re.search(r"level=(error|warning|fatal)", line)]
        if errors:
            raise Problem("its log:\n" + "\n".join(errors[:10]))
        if values.get("redis_up") != {"": "1"} or values.get("redis_exporter_last_scrape_error") \
                != {'{err=""}': "0"}:
            raise Problem("redis_up is %s" % values.get("redis_up"))
        seen.append(values)
    want, got = (sorted(values) for values in seen)
    if want != got:
        raise Problem(difference(want, got))
    for name in ("redis_key_size", "redis_stream_length", "redis_stream_groups", "redis_keys_count",
                 "redis_stream_group_messages_pending", "redis_db_keys", "redis_connected_clients",
                 "redis_errors_total", "redis_instance_info", "redis_maxmemory_policy"):
        labels = [{re.sub(r'"[^"]*"', '""', key) for key in values.get(name, {"": ""})}
                  for values in seen]
        if labels[0] != labels[1]:
            raise Problem("labels of %s: %s, stock's %s" % (name, labels[1], labels[0]))
