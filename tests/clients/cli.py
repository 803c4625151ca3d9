# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli in each mode that needs neither scripts nor replication, against both servers.

What the program prints must be the same; figures of time and memory become N first. Modes that run
until they are stopped get a terminal, and are stopped when they have printed enough.
"""
import os
import pty
import re
import select
import subprocess
import time

from problem import Problem, difference
from programs import BUILD
import servers

CLI = "/usr/bin/redis-cli"
# What is slow is chance.
OPTIONS = [("unixsocket", "socket"), ("maxmemory-policy", "noeviction"),
           ("slowlog-log-slower-than", "-1")]

DATA = "".join("SET key:%d %d\n" % (i, i) for i in range(300)) + """
SET long "the longest of them all"
RPUSH l a b c
HSET h f v
ZADD z 1 a 2.5 b
XADD x 1-1 a b
SADD s member
"""
BINARY = b"a\x00b\r\nc\xff\xc3\xa4 \"q\"\n"


def resp(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Run:
    """redis-cli against one server."""

    def __init__(self, server):
        self.server = server

    def __call__(self, *words, stdin=b"", at=("-p", None), env=None, sort=False, figures=False,
                 after=None):
        where = [str(self.server.port) if word is None else word for word in at]
        done = subprocess.run([CLI] + where + list(words), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False,
                              env={**os.environ, **(env or {})})
        lines = done.stdout.decode("latin-1").replace(str(self.server.port), "PORT").split("\n")
        if after:
            lines = lines[lines.index(after):]
        if figures:
            lines = [re.sub(r"[0-9]+(\.[0-9]+)?", "N", line) for line in lines]
        if sort:
            lines.sort()
        return lines + ["exit %d" % done.returncode]

    def on_terminal(self, pattern, count, *words):
        """Runs until the pattern has been printed so often; returns what matched, less figures."""
        master, slave = pty.openpty()
        process = subprocess.Popen([CLI, "-p", str(self.server.port)] + list(words), stdin=slave,
                                   stdout=slave, stderr=slave, close_fds=True)
        os.close(slave)
        text, found = b"", []
        deadline = time.monotonic() + 30
        try:
            while len(found) < count:
                if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
                    break
                try:
                    text += os.read(master, 65536)
                except OSError:
                    break
                found = re.findall(pattern, text)
        finally:
            process.kill()
            process.wait()
            os.close(master)
        if len(found) < count:
            raise Problem("%s printed\n%s" % (" ".join(words), text[-2000:].decode("latin-1")))
        return ["%s: as it should" % " ".join(words)]


def formats(run):
    lines = []
    requests = ["PING", "GET nothing", "GET key:7", "INCR n", "LRANGE l 0 -1", "LRANGE nothing 0 -1",
                "HGETALL h", "ZRANGE z 0 -1 WITHSCORES", "ZSCORE z b", "XRANGE x - +", "SMEMBERS s",
                "LPUSH key:1 x", "NOTHING", "GEOPOS nothing a", "LMPOP 1 nothing LEFT",
                "XREAD STREAMS x 0", "EXISTS key:1 nothing", "DEBUG PROTOCOL double",
                "DEBUG PROTOCOL bignum", "DEBUG PROTOCOL map", "DEBUG PROTOCOL set",
                "DEBUG PROTOCOL true", "DEBUG PROTOCOL verbatim", "DEBUG PROTOCOL null"]
    for options in ([], ["--no-raw"], ["--raw"], ["--csv"], ["--json"], ["--quoted-json"], ["-3"],
                    ["-3", "--no-raw"], ["-3", "--csv"], ["-2", "--json"], ["-2"], ["-c"]):
        for request in requests:
            lines += ["%s %s" % (options, request)] + run(*options, *request.split())
    return lines


def words_in(run):
    """Words that come from elsewhere."""
    lines = run("-x", "SET", "bin", stdin=BINARY)
    for options in ([], ["--no-raw"], ["--csv"], ["--json"], ["--quoted-json"]):
        lines += run(*options, "GET", "bin")
    lines += run("-X", "tag", "SET", "bin2", "tag", stdin=BINARY) + run("STRLEN", "bin2")
    lines += run("--quoted-input", "SET", r'"q\x00\n"', '"v"') + run("STRLEN", "q")
    lines += run("--quoted-input", "GET", r'"q\x00\n"')
    lines += run("-d", "|", "LRANGE", "l", "0", "-1") + run("-D", "||", "-r", "3", "PING")
    lines += run("-r", "3", "-i", "0.01", "INCR", "repeated") + run("-n", "3", "SET", "k", "v")
    lines += run("-n", "3", "DBSIZE") + run("-n", "99", "PING") + run("-e", "LPUSH", "key:1", "x")
    lines += run("-e", "PING") + run("-x", "-e", "NOTHING", stdin=b"x")
    return lines


def session(run):
    """Lines on standard input."""
    lines = run(stdin=b"MULTI\nSET k v\nLPUSH k x\nEXEC\nSELECT 3\nGET k\nSELECT 0\n5 INCR five\n"
                b"SET 'a b' \"c\\x00d\"\nGET 'a b'\nGET 'unbalanced\nHELLO 3\nHGETALL h\nRESET\n"
                b"CLIENT SETNAME me\nCLIENT GETNAME\nDISCARD\nWATCH k\nUNWATCH\nQUIT\nPING\n")
    lines += run("-3", "--show-pushes", "yes",
                 stdin=b"CLIENT TRACKING on\nGET k\nSET k new\nPING\n")
    lines += run("--no-raw", stdin=b"LRANGE l 0 -1\nZRANGE z 0 -1 WITHSCORES\nGET nothing\n")
    return [line for line in lines if not re.fullmatch(r"id \d+", line)] # of HELLO


def scan(run):
    lines = run("--scan", sort=True) + run("--scan", "--pattern", "key:1?", sort=True)
    lines += run("--scan", "--quoted-pattern", r'"\x6bey:2?"', sort=True)
    lines += run("--scan", "-i", "0.001", "--pattern", "nothing*")
    return lines + run("--scan", "--pattern", "[hlsxz]", "--no-raw", sort=True)


def keys(run):
    summary = "-------- summary -------"
    lines = run("--bigkeys", after=summary) + run("--bigkeys", "-i", "0.001", after=summary)
    lines += run("--memkeys", after=summary, figures=True)[:6]
    lines += run("--memkeys-samples", "2", after=summary, figures=True)[:6]
    lines += run("--hotkeys")
    run("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    for _ in range(200):
        run("GET", "long")
    lines += run("--hotkeys", after=summary, figures=True)
    return lines + run("CONFIG", "SET", "maxmemory-policy", "noeviction")


def pipe(run):
    good = b"".join(resp(b"SET", b"piped:%d" % i, b"x" * (i % 100)) for i in range(20000))
    lines = run("--pipe", stdin=good) + run("GET", "piped:19999")
    lines += run("--pipe", stdin=b"SET a b\r\nINCR\r\nLPUSH a x\r\n" + resp(b"GET", b"a"))
    lines += run("--pipe", "--pipe-timeout", "5", stdin=resp(b"PING"))
    return lines + run("--pipe", stdin=b"")


def bounded(run):
    """Modes that measure."""
    lines = run("--latency", "--raw", "-i", "0.1", figures=True)
    lines += run("--latency", "--csv", "-i", "0.1", figures=True)
    lines += run.on_terminal(rb"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\)", 5, "--latency")
    lines += run.on_terminal(rb"samples\) -- [\d.]+ seconds range", 2, "--latency-history", "-i",
                             "0.1")
    lines += run.on_terminal(rb"\x1b\[0m", 2, "--latency-dist", "-i", "0.1")
    lines += run.on_terminal(rb"\n3\d\d +[\d.]+[KM] +\d+ +\d+ +\d+ \(\+\d+\) +\d+ ", 3, "--stat",
                             "-i", "0.1")
    run("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
    lines += run.on_terminal(rb"\d+ Gets/sec \| Hits: \d+ \([\d.]+%\) \| Misses: \d+ ", 2,
                             "--lru-test", "1000")
    run("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    run("FLUSHALL")
    return lines


def who(run):
    """Places and users."""
    lines = run("PING", at=("-s", os.path.join(run.server.dir, "socket")))
    lines += run("ACL", "SETUSER", "alice", "on", ">secret", "~*", "+@all")
    for uri in ("redis://127.0.0.1:%d", "redis://127.0.0.1:%d/3", "redis://alice:secret@127.0.0.1:%d",
                "redis://alice:wrong@127.0.0.1:%d"):
        lines += run("ACL", "WHOAMI", at=("-u", uri % run.server.port))
    lines += run("--user", "alice", "--pass", "secret", "ACL", "WHOAMI")
    lines += run("--user", "alice", "-a", "secret", "--no-auth-warning", "ACL", "WHOAMI")
    lines += run("--user", "alice", "ACL", "WHOAMI", env={"REDISCLI_AUTH": "secret"})
    lines += run("-a", "wrong", "PING") + run("-h", "localhost", "PING")
    lines += run("CONFIG", "SET", "requirepass", "word")
    lines += run("GET", "long") + run("-a", "word", "--no-auth-warning", "GET", "long")
    lines += run("-a", "word", "--no-auth-warning", "CONFIG", "SET", "requirepass", "")
    return lines + run("ACL", "DELUSER", "alice")


def certificate():
    folder = os.path.join(BUILD, "tls")
    os.makedirs(folder, exist_ok=True)
    key, crt = (os.path.join(folder, "server." + kind) for kind in ("key", "crt"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out",
                    crt, "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return key, crt


def tls(run):
    key, crt = certificate()
    port = str(servers.free_port())
    lines = run("CONFIG", "SET", "tls-cert-file", crt, "tls-key-file", key, "tls-ca-cert-file", crt,
                "tls-port", port)
    ours = ["--tls", "--cacert", crt]
    client = ["--cert", crt, "--key", key]
    at = ("-p", port)

    def ask(*words, **how):
        return [line.replace(port, "PORT") for line in run(*words, **how)]

    lines += ask(*ours, *client, "PING", at=at) + ask(*ours, *client, "GET", "long", at=at)
    lines += ask(*ours, *client, "--sni", "localhost", "PING", at=at)
    lines += ask("--tls", "--insecure", *client, "PING", at=at)
    lines += ask(*ours, *client, "--tls-ciphersuites", "TLS_AES_256_GCM_SHA384", "PING", at=at)
    lines += ask("--cacert", crt, *client, "PING", at=("-u", "rediss://localhost:" + port))
    lines += ask("--tls", *client, "PING", at=at)
    lines += ask(*ours, *client, "--scan", "--pattern", "key:1?", at=at, sort=True)
    lines += ask(*ours, *client, "--bigkeys", at=at, after="-------- summary -------")
    lines += ask(*ours, *client, "--pipe", at=at, stdin=b"".join(
        resp(b"SET", b"t:%d" % i, b"y" * 1000) for i in range(3000)))
    return lines + ask(*ours, *client, "-x", "SET", "big", at=at, stdin=b"z" * (5 << 20))


MODES = {"cli-formats": formats, "cli-words": words_in, "cli-session": session, "cli-scan": scan,
         "cli-keys": keys, "cli-pipe": pipe, "cli-bounded": bounded, "cli-who": who, "cli-tls": tls}
NAMES = list(MODES)


def check(name, ours, stock, _has_python):
    seen = []
    for server in (stock, ours):
        run = Run(server)
        run("FLUSHALL")
        run(stdin=DATA.encode())
        seen.append(MODES[name](run))
    if seen[0] != seen[1]:
        raise Problem(difference(*seen))
