# SPDX-License-Identifier: BSD-3-Clause
"""Compares what two servers answered.

Replies must be equal to the byte, with these exceptions, each as narrow as it can be:

  order     SMEMBERS, HGETALL, HKEYS, HVALS of a hash-table encoding, and KEYS, SUNION, SINTER,
            SDIFF, are compared as multisets; a small encoding has an order of its own, which must be stock's
  times     TTL and its relatives may differ by what passes between two servers
  chance    SPOP, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER, RANDOMKEY are checked against the collection's content;
            after SPOP our server is brought to stock's state
  streams   times in XINFO and XPENDING may differ as much; ids of XADD * have a shape
  idle      OBJECT IDLETIME may differ by what passes, and by its own resolution
  cursors   a SCAN is iterated to its end on both sides and compared as a set
"""
import re
import select
import time
from collections import Counter

import resp
from families import Special

UNORDERED = {b"SMEMBERS", b"HKEYS", b"HVALS", b"KEYS"}
# Of several sets; the result has no key whose encoding could be asked.
UNORDERED_RESULTS = {b"SUNION", b"SINTER", b"SDIFF"}
UNORDERED_PAIRS = {b"HGETALL"}
INTEGER = re.compile(rb"0|-?[1-9][0-9]*")
TIMES = {b"TTL": 5, b"PTTL": 5000, b"EXPIRETIME": 5, b"PEXPIRETIME": 5000}


# Replies in which times stand: of a delivery, of a consumer's last sign of life.
STREAM_TIMES = {b"XINFO", b"XPENDING"}
STREAM_TOLERANCE_MS = 20000
UNIX_MS = 10 ** 12
IDLE_TOLERANCE_S = 20
SHARED_REFS = b"2147483647"  # stock's, of a small integer that it hasn't copied


def same_but_times(ours, stock, command):
    """Equal but for unix times in ms, and for idle times, which have a place of their own."""
    if ours == stock:
        return True
    if ours[0] != stock[0] or not isinstance(ours[1], list) or not isinstance(stock[1], list) or \
            len(ours[1]) != len(stock[1]):
        return False
    for at, (a, b) in enumerate(zip(ours[1], stock[1])):
        if a[0] == b[0] == b":":
            is_time = min(int(a[1]), int(b[1])) > UNIX_MS or \
                at > 0 and ours[1][at - 1] == (b"$", b"idle") or \
                command == b"XPENDING" and at == 2 and len(ours[1]) == 4
            if a != b and (not is_time or abs(int(a[1]) - int(b[1])) > STREAM_TOLERANCE_MS):
                return False
        elif not same_but_times(a, b, command):
            return False
    return True


class Difference(Exception):
    """What differed, for people. `words` is the operation, None for a check of the state."""

    def __init__(self, words, ours, stock, note=""):
        super().__init__(note)
        self.words = words
        self.ours = ours
        self.stock = stock
        self.note = note


def multiset(items):
    return Counter(repr(item) for item in items)


def pairs(items):
    return [(items[i], items[i + 1]) for i in range(0, len(items) - 1, 2)]


class Outcome:
    """How two replies to the same command compare."""

    def __init__(self):
        self.reordered = []  # commands whose elements came in different orders

    def same(self, words, ours, stock, queued):
        """Whether the replies count as equal. `queued`: the commands of an EXEC."""
        if ours == stock:
            return True
        if ours[0] != stock[0]:
            return False
        command = words[0].upper()
        if command == b"OBJECT" and words[1].upper() == b"IDLETIME":
            return ours[0] == b":" and abs(int(ours[1]) - int(stock[1])) <= IDLE_TOLERANCE_S
        if command == b"OBJECT" and words[1].upper() == b"REFCOUNT":
            return ours[0] == b":" and ({ours[1], stock[1]} == {SHARED_REFS, b"1"}
                                        or (ours[1], stock[1]) == (b"1", b"2"))
        if command in TIMES:
            return self._near(ours, stock, TIMES[command])
        if not isinstance(ours[1], list) or not isinstance(stock[1], list):
            return False
        if command in STREAM_TIMES:
            return same_but_times(ours, stock, command)
        if len(ours[1]) != len(stock[1]):
            return False
        if command == b"EXEC" and len(queued) == len(ours[1]):
            return all(self.same(inner, a, b, ())
                       for inner, a, b in zip(queued, ours[1], stock[1]))
        if command in UNORDERED_RESULTS or command == b"PUBSUB":
            return multiset(ours[1]) == multiset(stock[1])
        if command in UNORDERED:
            equal = multiset(ours[1]) == multiset(stock[1])
        elif command in UNORDERED_PAIRS:
            equal = multiset(pairs(ours[1])) == multiset(pairs(stock[1]))
        else:
            return False
        if equal and command != b"KEYS":
            self.reordered.append(words)
        return equal

    @staticmethod
    def _near(ours, stock, tolerance):
        if ours[0] != b":" or stock[0] != b":":
            return False
        a, b = int(ours[1]), int(stock[1])
        return a > 0 and b > 0 and abs(a - b) <= tolerance


def transaction_open(operations):
    """Whether a transaction is open behind these operations."""
    is_open = False
    for words in operations:
        command = words[0].upper()
        if command == b"MULTI" and len(words) == 1:
            is_open = True
        elif command in (b"EXEC", b"DISCARD") and len(words) == 1:
            is_open = False
    return is_open


def commands_of_execs(operations, replies):
    """For each operation the commands that it ran as EXEC; an empty tuple for the others."""
    queued = []
    result = []
    for words, reply in zip(operations, replies):
        result.append(())
        if reply == (b"+", b"QUEUED"):
            queued.append(words)
        elif reply[0] == b"-" and reply[1].startswith(b"EXECABORT"):
            queued = []  # also the answer to an EXEC with arguments
        elif words[0].upper() in (b"EXEC", b"DISCARD") and len(words) == 1:
            result[-1] = queued
            queued = []
    return result


def compare_pipeline(operations, ours_raw, stock_raw):
    """Raises Difference; returns the commands whose elements came in different orders."""
    if ours_raw == stock_raw:
        return []
    ours = resp.parse_all(ours_raw)
    stock = resp.parse_all(stock_raw)
    if not len(ours) == len(stock) == len(operations):
        raise Difference(None, (b"*", ours[-3:]), (b"*", stock[-3:]),
                         "%d requests, %d replies of ours, %d of stock's"
                         % (len(operations), len(ours), len(stock)))
    outcome = Outcome()
    for words, commands, a, b in zip(operations, commands_of_execs(operations, stock), ours, stock):
        if a != b and not outcome.same(words, a, b, commands):
            raise Difference(words, a, b)
    return outcome.reordered


def commands_of(operation):
    return operation.commands() if isinstance(operation, Special) else [operation]


# ---- specials --------------------------------------------------------------------------------

def content(connection, key):
    """Members of a set or sorted set, fields of a hash, as {name: value or None}; None for another
    type."""
    kind = connection.call(b"TYPE", key)[1]
    if kind == b"set":
        return {item[1]: None for item in connection.call(b"SMEMBERS", key)[1]}
    if kind == b"hash":
        flat = connection.call(b"HGETALL", key)[1]
        return {flat[i][1]: flat[i + 1][1] for i in range(0, len(flat), 2)}
    if kind == b"zset":
        found = connection.call(b"ZRANGE", key, b"0", b"-1", b"WITHSCORES")[1]
        if found and found[0][0] == b"*":
            found = [item for pair in found for item in pair[1]]
        return {found[i][1]: found[i + 1][1] for i in range(0, len(found), 2)}
    return {} if kind == b"none" else None


def run_special(special, ours, stock):
    both(ours, stock, [b"UNWATCH"])
    if special.kind == "steps":
        check_steps(special, ours, stock)
    else:
        # Checkers ask one server alone, which must not be the first to find a key's time passed.
        both(ours, stock, [b"EXISTS"] + special.words)
        CHECKERS[special.kind](special.words, ours, stock)


def both(ours, stock, words):
    request = resp.encode(words)
    ours.send(request)
    stock.send(request)
    return resp.parse_all(ours.receive())[0], resp.parse_all(stock.receive())[0]


def shape_or_difference(words, a, b):
    """Same kind and, for arrays, same length. True if the replies hold elements to check."""
    if a[0] == b"-" or b[0] == b"-" or a[1] is None or b[1] is None:
        if a != b:
            raise Difference(words, a, b)
        return False
    if a[0] != b[0] or (isinstance(a[1], list) and len(a[1]) != len(b[1])):
        raise Difference(words, a, b)
    return True


def members_of(reply):
    return [item[1] for item in reply[1]] if isinstance(reply[1], list) else [reply[1]]


def check_spop(words, ours, stock):
    key = words[1] if len(words) > 1 else b""
    before = content(stock, key) if len(words) > 1 else {}
    a, b = both(ours, stock, words)
    if not shape_or_difference(words, a, b):
        return
    popped, popped_stock = members_of(a), members_of(b)
    for members in (popped, popped_stock):
        if len(set(members)) != len(members) or not set(members) <= set(before or ()):
            raise Difference(words, a, b, "a member that wasn't there, or twice")
    back = [m for m in popped if m not in set(popped_stock)]
    gone = [m for m in popped_stock if m not in set(popped)]
    if not back:
        return
    ours.call(b"SADD", key, *back)
    ours.call(b"SREM", key, *gone)
    # What is left decides the encoding, if the set is built anew: with integers and others in it
    # that was chance, too.
    integers = sum(1 for member in before if INTEGER.fullmatch(member))
    if 0 < integers < len(before):
        left = sorted(content(stock, key))
        for connection in (ours, stock):
            connection.call(b"DEL", key)
            connection.call(b"SADD", key, *left)


def check_srandmember(words, ours, stock):
    a, b = both(ours, stock, words)
    if not shape_or_difference(words, a, b):
        return
    there = content(stock, words[1]) or {}
    members = members_of(a)
    distinct = len(words) > 2 and not words[2].startswith(b"-")
    if not set(members) <= set(there) or (distinct and len(set(members)) != len(members)):
        raise Difference(words, a, b, "a member that isn't there, or twice")


def check_hrandfield(words, ours, stock):
    a, b = both(ours, stock, words)
    if not shape_or_difference(words, a, b):
        return
    there = content(stock, words[1]) or {}
    if len(words) == 4:
        items = a[1]
        nested = bool(items) and items[0][0] == b"*"
        if nested != (bool(b[1]) and b[1][0][0] == b"*"):
            raise Difference(words, a, b)
        found = [(item[1][0][1], item[1][1][1]) for item in items] if nested else \
            [(one[1], two[1]) for one, two in pairs(items)]
    else:
        found = [(name, there.get(name)) for name in members_of(a)]
    names = [name for name, _ in found]
    distinct = len(words) > 2 and not words[2].startswith(b"-")
    if any(there.get(name, b"\0absent") != value for name, value in found) or \
            (distinct and len(set(names)) != len(names)):
        raise Difference(words, a, b, "a field that isn't there, or twice, or a wrong value")


def check_xadd(words, ours, stock):
    """An id that the server chose; the key goes at once, since the ids differ."""
    a, b = both(ours, stock, words)
    if a != b and not all(reply[0] == b"$" and re.fullmatch(rb"[0-9]{13}-0", reply[1] or b"")
                          for reply in (a, b)):
        raise Difference(words, a, b)
    both(ours, stock, [b"DEL", words[1]])


def check_randomkey(words, ours, stock):
    a, b = both(ours, stock, words)
    if shape_or_difference(words, a, b) and ours.call(b"EXISTS", a[1]) != (b":", b"1"):
        raise Difference(words, a, b, "a key that isn't there")


def iterate(connection, words):
    """(elements as a set, or an error reply) of a full iteration; words hold cursor 0."""
    at = 1 if words[0].upper() == b"SCAN" else 2
    pairs_wanted = words[0].upper() in (b"HSCAN", b"ZSCAN")
    seen = set()
    cursor = b"0"
    for _ in range(100000):
        reply = connection.call(*(words[:at] + [cursor] + words[at + 1:]))
        if reply[0] == b"-":
            return reply, None
        cursor = reply[1][0][1]
        items = reply[1][1][1]
        seen.update(pairs(items) if pairs_wanted else items)
        if cursor == b"0":
            return reply, seen
    raise Difference(words, reply, (b"+", b""), "the iteration doesn't end")


def check_scan(words, ours, stock):
    a, seen = iterate(ours, words)
    b, seen_stock = iterate(stock, words)
    if (seen is None or seen_stock is None) and a != b:
        raise Difference(words, a, b)
    if seen is not None and seen != seen_stock:
        raise Difference(words, only_in(seen, seen_stock), only_in(seen_stock, seen),
                         "elements that one has and the other hasn't")


def only_in(seen, others):
    """As an array reply: the elements, or pairs as arrays of their own."""
    return b"*", [item if isinstance(item[0], bytes) else (b"*", list(item))
                  for item in sorted(seen - others)]


# ---- payloads --------------------------------------------------------------------------------

# What is saved in an order of the process's own, with times, or in nodes, which stock fills and
# compresses as other limits than the options say here and there.
SAVED_APART = {b"hashtable", b"stream", b"quicklist"}


def check_dump(words, ours, stock):
    """Each server restores what the other dumped."""
    a, b = both(ours, stock, words)
    if not shape_or_difference(words, a, b):
        return
    encoding = stock.call(b"OBJECT", b"ENCODING", words[1])[1]
    if encoding not in SAVED_APART and a != b:
        raise Difference(words, a, b, "the payload of a " + encoding.decode())
    # What a table's order becomes when it is small enough for a listpack, is each process's own.
    target = b"a copy" if encoding == b"hashtable" else words[1]
    again = [b"RESTORE", target, b"0", b"", b"REPLACE"]
    replies = []
    for connection, payload in ((ours, b[1]), (stock, a[1])):
        again[3] = payload
        replies.append(connection.call(*again))
    if replies[0] != replies[1]:
        raise Difference(words, *replies, "RESTORE of the other's payload")
    if target != words[1]:
        step_main([[b"DEBUG", b"DIGEST-VALUE", target], [b"DEL", target]], ours, stock)


def check_restore(words, ours, stock):
    """A RESTORE whose fourth word names the key that is dumped, and a damage."""
    name, _, damage = words[3].partition(b"|")
    payload = both(ours, stock, [b"DUMP", name])[1][1] or b""
    if damage == b"cut":
        payload = payload[:len(payload) // 2]
    elif damage == b"bit" and payload:
        payload = payload[:-1] + bytes([payload[-1] ^ 1])
    elif damage == b"version" and payload:
        payload = payload[:-9] + b"\x0f" + payload[-8:]
    a, b = both(ours, stock, words[:3] + [payload] + words[4:])
    if a != b:
        raise Difference(words, a, b)


# ---- steps -----------------------------------------------------------------------------------

WAIT_S = 20


def step_main(commands, ours, stock):
    """A pipeline of the client."""
    request = b"".join([resp.encode(words) for words in commands])
    ours.send(request)
    stock.send(request)
    stock_raw = stock.receive()
    compare_pipeline(commands, ours.receive(), stock_raw)


def step_exact(commands, ours, stock):
    """A pipeline of the client whose replies, and messages among them, must be the same bytes."""
    exact(commands, ours, stock, resp.SENTINEL_REQUEST)


def step_other(commands, ours, stock):
    """A pipeline of the second client."""
    exact(commands, ours.other, stock.other, resp.SENTINEL_PING)


def exact(commands, ours, stock, sentinel):
    request = b"".join([resp.encode(words) for words in commands])
    ours.send(request, sentinel)
    stock.send(request, sentinel)
    stock_raw, ours_raw = stock.receive(), ours.receive()
    if ours_raw != stock_raw:
        raise Difference(commands[-1], (b"$", ours_raw), (b"$", stock_raw), "of the whole step")


def blocked_clients(connection):
    text = connection.call(b"INFO", b"clients")[1]
    return int(re.search(rb"blocked_clients:(\d+)", text).group(1))


def step_wait(commands, ours, stock):
    """The second client sends one command that may block it; on return it is or has an answer."""
    waiting = []
    for connection in (ours, stock):
        connection.other.sock.sendall(resp.encode(commands[0]))
        deadline = time.monotonic() + WAIT_S
        while not blocked_clients(connection):
            if select.select([connection.other.sock], [], [], 0)[0]:
                break
            if time.monotonic() > deadline:
                raise resp.Gone("neither blocked nor answered: %r" % commands[0])
        waiting.append(blocked_clients(connection))
    if waiting[0] != waiting[1]:
        raise Difference(commands[0], (b":", b"%d" % waiting[0]), (b":", b"%d" % waiting[1]),
                         "clients blocked")


def step_settle(commands, ours, stock):
    """If the second client is still blocked, it is woken; then what it got is compared."""
    left = [blocked_clients(connection) for connection in (ours, stock)]
    if left[0] != left[1]:
        raise Difference(commands[0], (b":", b"%d" % left[0]), (b":", b"%d" % left[1]),
                         "clients blocked")
    if left[0]:
        for connection in (ours, stock):
            connection.call(b"CLIENT", b"UNBLOCK", b"%d" % connection.other.client_id,
                            commands[0][0])
    exact([[b"PING"]], ours.other, stock.other, resp.SENTINEL_PING)


def step_restore(commands, ours, stock):
    """A RESTORE as check_restore takes it."""
    check_restore(commands[0], ours, stock)


STEPS = {"main": step_main, "exact": step_exact, "other": step_other, "wait": step_wait,
         "settle": step_settle, "restore": step_restore}


def check_steps(special, ours, stock):
    for name, commands in special.steps:
        STEPS[name](commands, ours, stock)


CHECKERS = {
    "spop": check_spop,
    "srandmember": check_srandmember,
    "hrandfield": check_hrandfield,
    "zrandmember": check_hrandfield,
    "randomkey": check_randomkey,
    "xadd": check_xadd,
    "dump": check_dump,
    "restore": check_restore,
    "scan": check_scan,
}
