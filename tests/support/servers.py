# SPDX-License-Identifier: BSD-3-Clause
"""Starts and measures servers for the Python tools: the differential runner and the bench."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SUPPORT = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(SUPPORT))
sys.path.insert(0, SUPPORT)
import sanitizer_env  # noqa: E402

ALARMS = (b"ERROR: AddressSanitizer", b"ERROR: LeakSanitizer", b"WARNING: ThreadSanitizer",
          b"runtime error:", b"ASSERTION FAILED", b"BUG REPORT START", b"Fatal Python error")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def oracle():
    """Path of stock's server: the multi-call binary of redis-tools under the right name."""
    path = os.path.join(TOP, "build", "oracle", "redis-server")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink("/usr/bin/redis-check-rdb", path)
    return path


def ours(variant="release"):
    return os.path.join(TOP, "build", variant, "redis-server")


def free_port():
    """Below those that the kernel gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randint(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A server in a temporary folder on a free port. `stock` says which kind it is."""

    def __init__(self, binary, stock, options=(), cores=None):
        self.binary = binary
        self.stock = stock
        self.dir = tempfile.mkdtemp(prefix="cogwheel-")
        for attempt in range(5):
            self.port = free_port()
            self._launch(options, cores)
            if self._await_ready():
                return
            if b"already in use" not in self.output() or attempt == 4:
                text = self.output().decode("utf-8", "replace")
                self.stop()
                raise RuntimeError("the server %s didn't start:\n%s" % (binary, text))

    def _launch(self, options, cores):
        lines = ["port %d" % self.port, "dir %s" % self.dir, "enable-debug-command yes"]
        if not any(name == "save" for name, _ in options):
            lines.append('save ""')
        lines += ["%s %s" % (name, value) for name, value in options]
        conf = os.path.join(self.dir, "redis.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        command = [self.binary, conf]
        if cores:
            command = ["taskset", "-c", cores] + command
        if shutil.which("setpriv"):  # not to outlive us
            command = ["setpriv", "--pdeathsig", "KILL"] + command
        with open(os.path.join(self.dir, "output"), "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=sanitizer_env.environment())

    def _await_ready(self, limit_s=60):
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(100).startswith((b"+PONG", b"-NOAUTH")):
                        return True
            except OSError:
                pass
            time.sleep(0.01)
        return False

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        with open(os.path.join(self.dir, "output"), "rb") as file:
            return file.read()

    def cpu_s(self):
        """User and system time of the process so far, all its threads."""
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def cpu_us(self):
        """The same in microseconds, from the scheduler's own clock: finer than the ticks of
        cpu_s, but without threads that have ended."""
        total_ns = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task), encoding="ascii") as file:
                total_ns += int(file.read().split()[0])
        return total_ns / 1000

    def rss_bytes(self):
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def running(self):
        return self.process.poll() is None

    def stop(self, keep=False):
        """Ends the server; returns a list of what was wrong with it."""
        findings = []
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                findings.append("no end within 60 s of SIGTERM")
                self.process.kill()
                self.process.wait()
        if self.process.returncode not in (0, -signal.SIGKILL):
            findings.append("ended with code %d" % self.process.returncode)
        output = self.output()
        for alarm in ALARMS:
            at = output.find(alarm)
            if at >= 0:
                findings.append(output[at:at + 4000].decode("utf-8", "replace"))
                break
        if not keep and not findings:
            shutil.rmtree(self.dir, ignore_errors=True)
        return findings
