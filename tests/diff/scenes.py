# SPDX-License-Identifier: BSD-3-Clause
"""Little plays for tests/diff/effects.py: several clients, or times that pass.

A scene is a Special whose `steps` are done one by one on both servers: each step is finished there
before the next one begins, so that what happens is the same on both.

  ("do", [words…])           a pipeline of the usual client
  ("wait", i, [words…])      waiter i sends these commands, the last of which may wait; the step
                             ends when it waits, or when it has been answered
  ("pass", ms)               this much time passes
  ("gone", [db…])            active expiry empties these databases
"""
import select
import time

import resp
from check import Difference

LAZY = [("lazyfree-lazy-expire", "yes"), ("lazyfree-lazy-server-del", "yes"),
        ("lazyfree-lazy-user-del", "yes"), ("lazyfree-lazy-user-flush", "yes")]
LIMIT_S = 30


class Waiter:
    """A connection whose commands may wait."""

    def __init__(self, port, control):
        self.connection = resp.Connection(port)
        self.control = control
        self.id = self.connection.call(b"CLIENT", b"ID")[1]
        self.busy = False

    def send(self, commands):
        """Returns when the last command waits or was answered."""
        self.connection.call_many(commands[:-1])
        self.connection.send(resp.encode(commands[-1]))
        self.busy = True
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if self._answered() or b"b" in self._flags():
                return
        raise resp.Gone("a client neither waits nor is answered")

    def _answered(self):
        return bool(select.select([self.connection.sock], [], [], 0.0005)[0])

    def _flags(self):
        line = self.control.call(b"CLIENT", b"LIST", b"ID", self.id)[1]
        for field in line.split():
            if field.startswith(b"flags="):
                return field[6:]
        raise resp.Gone("a waiting client is gone")

    def finish(self):
        """What it was answered; if it still waits, it is told to give up."""
        if not self.busy:
            return b""
        if not self._answered():
            self.control.call(b"CLIENT", b"UNBLOCK", self.id)
        self.busy = False
        return self.connection.receive()


def lines_of(steps):
    """A scene as the words of one line, for reports."""
    words = []
    for step in steps:
        head = {"do": b"|", "wait": b"|WAITER", "pass": b"|PASS", "gone": b"|GONE"}[step[0]]
        words.append(head)
        if step[0] == "wait":
            words.append(b"%d" % step[1])
        if step[0] in ("do", "wait"):
            for command in step[-1]:
                words += command + [b";"]
    return words


def play(scene, *sources):
    """Both clients' answers must agree."""
    for step in scene.steps:
        if step[0] == "pass":
            time.sleep(step[1] / 1000)
            continue
        for source in sources:
            if step[0] == "do":
                source.work.call_many(step[1])
            elif step[0] == "wait":
                source.waiters[step[1]].send(step[2])
            else:
                await_gone(source, step[1])
    answers = [[waiter.finish() for waiter in source.waiters] for source in sources]
    for i, (ours, stock) in enumerate(zip(*answers)):
        if ours != stock:
            raise Difference(scene.words, (b"*", resp.parse_all(ours)),
                             (b"*", resp.parse_all(stock)), "answers to waiter %d" % i)


def await_gone(source, databases):
    """Lets active expiry run until these are empty."""
    source.control.call(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"1")
    deadline = time.monotonic() + LIMIT_S
    for number in databases:
        while source.control.call_many([[b"SELECT", number], [b"DBSIZE"]])[1] != (b":", b"0"):
            if time.monotonic() > deadline:
                raise resp.Gone("expired keys aren't deleted")
            time.sleep(0.002)
    source.control.call(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")


def restore(scene, ours, stock):
    """RESTORE of what stock's DUMP says of a key; words have DUMP's key in the payload's place."""
    words = list(scene.words)
    payload = stock.work.call(b"DUMP", words[3])[1]
    if payload is None:
        return
    words[3] = payload
    for source in (ours, stock):
        source.work.call(*words)


SCENES = {"scene": play, "any order": play, "restore": restore}
