#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds our server's replies against the schemas of the command table.

usage: tests/diff/schemas.py [--commands N] [--seed N] [--families a,b] [--variant V]

The random commands of the differential runner's families, and a fixed list of those that no
family has, are sent under RESP2 and RESP3. Each reply that isn't an error must have the shape that
`reply` says in the command's row (src/commands/spec, notation: utils/lib/replyschema.py). A row
that never answered anything but errors under one of them has failed, but for those of NOT_MET. The
last line is `N passed, M failed`: a command's row and protocol each.
"""
import argparse
import glob
import importlib
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
for folder in (HERE, os.path.join(TOP, "tests", "support"), os.path.join(TOP, "utils", "lib")):
    sys.path.insert(0, folder)
import families  # noqa: E402
import replyschema  # noqa: E402
import resp  # noqa: E402
import servers  # noqa: E402

BATCH = 100
TIMEOUT_S = 5
BATCHES_PER_LIFE = 40
DOUBLE = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?inf|nan")
INTEGER = re.compile(rb"-?\d+")

# What a command never answers here, with the reason.
NOT_MET = {
    "shutdown": "ends the server",
    "quit": "ends the connection",
    "monitor": "turns the connection into a stream",
    "psync": "turns the connection into a stream",
    "sync": "turns the connection into a stream",
    "module|load": "always an error",
    "module|loadex": "always an error",
    "module|unload": "always an error",
    "rg.pyexecuteremote": "always an error",
    "rg.pyfreeinterpreter": "always an error",
    "rg.pyexportreq": "no packages are installed here",
    "rg.pyimportreq": "no packages are installed here",
}
# Sent once per protocol, in this order; the reply's shape is all that counts.
FIXED = """
COMMAND|COMMAND COUNT|COMMAND DOCS get client|COMMAND DOCS|COMMAND INFO get nosuch xadd|COMMAND LIST
COMMAND LIST FILTERBY ACLCAT string|COMMAND GETKEYS set a b|COMMAND GETKEYSANDFLAGS set a b
COMMAND HELP|CONFIG GET *|CONFIG GET maxmemory|CONFIG SET maxmemory 0|CONFIG RESETSTAT|CONFIG HELP
CLIENT ID|CLIENT GETNAME|CLIENT SETNAME me|CLIENT GETNAME|CLIENT INFO|CLIENT LIST|CLIENT HELP
CLIENT LIST TYPE normal|CLIENT NO-EVICT on|CLIENT UNBLOCK 99999|CLIENT KILL ID 99999|CLIENT REPLY ON
CLIENT PAUSE 0|CLIENT UNPAUSE|CLIENT GETREDIR|CLIENT TRACKINGINFO|CLIENT TRACKING on
CLIENT TRACKING off|CLIENT CACHING yes|CLIENT KILL 1.2.3.4:5
ECHO text|PING|PING text|TIME|LOLWUT|LOLWUT VERSION 5|INFO|INFO server clients|DBSIZE|LASTSAVE|ROLE
SET str value|GET str|OBJECT ENCODING str|OBJECT REFCOUNT str|OBJECT IDLETIME str|OBJECT HELP
OBJECT FREQ str|OBJECT ENCODING nosuch|DUMP str|DUMP nosuch|MIGRATE 127.0.0.1 1 nosuch 0 9|DEBUG SLEEP 0|DEBUG OBJECT str
MEMORY USAGE str|MEMORY USAGE nosuch|MEMORY STATS|MEMORY DOCTOR|MEMORY PURGE|MEMORY HELP
MEMORY MALLOC-STATS|SLOWLOG LEN|SLOWLOG HELP|CONFIG SET slowlog-log-slower-than 0|GET str
SLOWLOG GET|SLOWLOG GET 1|SLOWLOG RESET|CONFIG SET slowlog-log-slower-than 10000
LATENCY LATEST|LATENCY HISTORY command|LATENCY RESET|LATENCY DOCTOR|LATENCY HELP|LATENCY HISTOGRAM
CONFIG SET latency-monitor-threshold 1|DEBUG SLEEP 0.005|LATENCY GRAPH command
LATENCY HISTORY command|LATENCY LATEST|CONFIG SET latency-monitor-threshold 0|CONFIG REWRITE
MODULE LIST|MODULE HELP|ACL WHOAMI|ACL LIST|ACL USERS|ACL CAT|ACL CAT string
ACL GETUSER default|ACL LOG|ACL GENPASS|ACL HELP|ACL SETUSER schemas on nopass ~* +@all
ACL DRYRUN schemas get a|ACL DELUSER schemas|ACL SAVE|ACL LOAD
PUBLISH channel text|SPUBLISH channel text|PUBSUB CHANNELS|PUBSUB NUMSUB|PUBSUB NUMSUB a b
PUBSUB NUMPAT|PUBSUB SHARDCHANNELS|PUBSUB SHARDNUMSUB a|PUBSUB HELP
MULTI|GET str|EXEC|MULTI|DISCARD|WATCH str|UNWATCH|SELECT 0|SWAPDB 8 9|HELLO|RANDOMKEY|KEYS *
SET str value KEEPTTL GET|GETEX str|GETDEL str|SET counter 5|INCR counter|SCAN 0|SCAN 0 TYPE string
COPY counter copied|MOVE copied 9|TOUCH counter|UNLINK counter|WAIT 0 0|SAVE|BGSAVE|BGREWRITEAOF
AUTH default any|CONFIG SET maxmemory-policy allkeys-lfu|SET counted 1|OBJECT FREQ counted
CONFIG SET maxmemory-policy noeviction|SORT nosuch|SORT_RO nosuch|REPLICAOF NO ONE|FAILOVER ABORT|RESTORE nosuch 0 x
GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania|GEOPOS geo Palermo nosuch
GEODIST geo Palermo Catania km|GEODIST geo Palermo nosuch|GEOHASH geo Palermo nosuch
GEOSEARCH geo FROMMEMBER Palermo BYRADIUS 300 km ASC|GEORADIUS geo 15 37 200 km WITHDIST
GEOSEARCH geo FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH
GEOSEARCHSTORE geo2 geo FROMMEMBER Palermo BYRADIUS 300 km|GEORADIUSBYMEMBER geo Palermo 200 km
GEORADIUS_RO geo 15 37 200 km WITHCOORD|GEORADIUSBYMEMBER_RO geo Palermo 200 km
GEORADIUS geo 15 37 200 km STORE geo3
PFADD hll a b c|PFADD hll a|PFCOUNT hll|PFMERGE hll2 hll|PFCOUNT hll hll2|PFSELFTEST|PFDEBUG ENCODING hll
XADD stream 1-1 field value|XADD stream NOMKSTREAM MAXLEN ~ 100 * f v|XADD nosuch NOMKSTREAM * f v
XLEN stream|XRANGE stream - +|XREVRANGE stream + -|XREAD STREAMS stream 0|XREAD STREAMS stream $
XGROUP CREATE stream group 0|XGROUP CREATECONSUMER stream group other|XGROUP HELP
XREADGROUP GROUP group me STREAMS stream >|XREADGROUP GROUP group me STREAMS stream 0
XREADGROUP GROUP group me STREAMS stream >|XPENDING stream group|XPENDING stream group - + 10
XCLAIM stream group other 0 1-1|XCLAIM stream group other 0 1-1 JUSTID
XAUTOCLAIM stream group me 0 0|XAUTOCLAIM stream group me 0 0 JUSTID|XINFO STREAM stream
XINFO STREAM stream FULL|XINFO GROUPS stream|XINFO CONSUMERS stream group|XINFO HELP
XACK stream group 1-1|XSETID stream 9999999999999-0|XGROUP SETID stream group 0
XGROUP DELCONSUMER stream group other|XTRIM stream MAXLEN 1|XDEL stream 1-1
XGROUP DESTROY stream group|XPENDING stream nosuch|XADD empty 1-1 f v|XDEL empty 1-1
XINFO STREAM empty|XGROUP CREATE made g $ MKSTREAM|XPENDING made g|XINFO STREAM made FULL
SET s 1|APPEND s 2|GETRANGE s 0 1|SUBSTR s 0 1|SETRANGE s 0 3|STRLEN s|MSET s 1 t 2|MGET s nosuch
MSETNX s 1 t 2|SETNX s 1|SETEX s 99 1|PSETEX s 99999 1|GETSET s 5|GETSET fresh 5|INCRBY s 2|DECR s
DECRBY s 2|INCRBYFLOAT s 1.5|LCS s t|LCS s t LEN|LCS s t IDX WITHMATCHLEN|SETBIT bits 7 1
GETBIT bits 7|BITCOUNT bits|BITPOS bits 1|BITOP NOT dest bits|BITFIELD bits GET u8 0 SET u8 0 7
BITFIELD bits OVERFLOW FAIL INCRBY u2 0 3|BITFIELD_RO bits GET u8 0
EXISTS s nosuch|TYPE s|TYPE nosuch|EXPIRE s 99|PEXPIRE s 99999|EXPIREAT s 4000000000|TTL s
PEXPIREAT s 4000000000000|PTTL s|EXPIRETIME s|PEXPIRETIME s|PERSIST s|RENAME t u|RENAMENX u t
DEL u t
HSET h f 1 g 2|HMSET h i 3|HSETNX h f 1|HGET h f|HGET h nosuch|HMGET h f nosuch|HGETALL h|HKEYS h
HVALS h|HLEN h|HSTRLEN h f|HEXISTS h f|HINCRBY h f 1|HINCRBYFLOAT h f 1.5|HRANDFIELD h|HRANDFIELD no
HRANDFIELD h 2|HRANDFIELD h -2 WITHVALUES|HSCAN h 0|HDEL h f nosuch
RPUSH l a b c d e f|LPUSH l x|LPUSHX l y|RPUSHX l z|LLEN l|LINDEX l 0|LINDEX l 99|LRANGE l 0 -1
LSET l 0 q|LINSERT l BEFORE a w|LPOS l a|LPOS l nosuch|LPOS l a COUNT 0|LREM l 0 w|LTRIM l 0 99
LMOVE l m LEFT RIGHT|RPOPLPUSH l m|RPOPLPUSH no m|LPOP l|LPOP l 2|LPOP no|LPOP no 2|RPOP l
LMPOP 2 no m LEFT|LMPOP 1 no LEFT|BLPOP m 0|BLPOP no 0.001|RPUSH l 1 2 3 4 5|BRPOP l 0
BRPOP no 0.001
BLMOVE l m LEFT LEFT 0|BLMOVE no m LEFT LEFT 0.001|BRPOPLPUSH l m 0|BRPOPLPUSH no m 0.001
BLMPOP 0 1 l LEFT|BLMPOP 0.001 1 no LEFT
SADD a 1 2 x|SADD b 2 x|SCARD a|SISMEMBER a 1|SMISMEMBER a 1 9|SMEMBERS a|SINTER a b|SUNION a b
SDIFF a b|SINTERCARD 2 a b|SINTERSTORE c a b|SUNIONSTORE c a b|SDIFFSTORE c a b|SMOVE a b 1
SRANDMEMBER b|SRANDMEMBER no|SRANDMEMBER b 2|SSCAN b 0|SREM b 1|SPOP c|SPOP c 5|SPOP no
ZADD z 1 a 2 b 3 c 4 d|ZADD z INCR 1 a|ZADD z NX INCR 1 a|ZINCRBY z 1 a|ZCARD z|ZSCORE z a
ZSCORE z no|ZMSCORE z a no|ZRANK z a|ZRANK z no|ZREVRANK z a|ZCOUNT z 0 9|ZLEXCOUNT z - +
ZRANGE z 0 -1|ZRANGE z 0 -1 WITHSCORES|ZREVRANGE z 0 -1 WITHSCORES|ZRANGEBYSCORE z 0 9 WITHSCORES
ZREVRANGEBYSCORE z 9 0|ZRANGEBYLEX z - +|ZREVRANGEBYLEX z + -|ZRANGESTORE y z 0 -1|ZRANDMEMBER z
ZRANDMEMBER no|ZRANDMEMBER z 2 WITHSCORES|ZRANDMEMBER z 2|ZSCAN z 0|ZUNION 2 z y WITHSCORES
ZUNION 2 z y|ZINTER 2 z y WITHSCORES|ZDIFF 2 z y WITHSCORES|ZINTERCARD 2 z y|ZUNIONSTORE x 2 z y
ZINTERSTORE x 2 z y|ZDIFFSTORE w 2 z y|ZREM z d|ZREMRANGEBYRANK x 0 0|ZREMRANGEBYSCORE x 0 2
ZREMRANGEBYLEX x [a [b|ZPOPMIN z|ZPOPMAX z 1|ZPOPMIN no|ZMPOP 1 z MIN|ZMPOP 1 no MIN
BZPOPMIN y 0|BZPOPMIN no 0.001|BZPOPMAX y 0|BZPOPMAX no 0.001|BZMPOP 0 1 y MIN|BZMPOP 0.001 1 no MIN
CLUSTER INFO|READONLY|READWRITE|ASKING|EVAL return 0|SCRIPT HELP|FUNCTION LIST
RG.PYEXECUTE GB('KeysReader').run()|RG.PYEXECUTE GB('KeysReader').run() UNBLOCKING
RG.PYEXECUTE GB('KeysReader').register('zz*')|RG.PYEXECUTE GB('StreamReader').register('zz*')
RG.PYEXECUTE x=1|RG.EXECUTE python x=1|RG.CONFIGGET MaxExecutions nosuch|RG.CONFIGSET MaxExecutions 1000|RG.DUMPEXECUTIONS|RG.DUMPREGISTRATIONS|RG.PYSTATS|RG.PYDUMPREQS|RG.PYDUMPSESSIONS
RG.DUMPEXECUTIONS VERBOSE
RG.INFOCLUSTER|RG.REFRESHCLUSTER|RG.CLEARREGISTRATIONSSTATS|RG.DUMPPLUGINS
RG.PYEXECUTE GB('CommandReader').register(trigger='schemas')|RG.TRIGGER schemas text
RG.TRIGGERONKEY schemas key text
SUBSCRIBE one|UNSUBSCRIBE one|PSUBSCRIBE p*|PUNSUBSCRIBE|SSUBSCRIBE s|SUNSUBSCRIBE
RESET|FLUSHDB|FLUSHALL|FLUSHALL ASYNC
"""


# ---- rows ------------------------------------------------------------------------------------

def schemas_of(row):
    """The row's parsed schemas by protocol."""
    reply = row["reply"]
    texts = reply if isinstance(reply, dict) else {"resp2": reply, "resp3": reply}
    return {2: replyschema.parse(texts["resp2"]), 3: replyschema.parse(texts["resp3"])}


def load_rows():
    """{"client|list": {2: schema, 3: schema}} of every row that answers."""
    rows = {}

    def add(name, row):
        if "reply" in row and row.get("handler") is not False:
            rows[name] = schemas_of(row)
        for sub, inner in row.get("subcommands", {}).items():
            add(name + "|" + sub, inner)

    for path in sorted(glob.glob(os.path.join(TOP, "src", "commands", "spec", "*.json"))):
        with open(path, encoding="utf-8") as file:
            for name, row in json.load(file)["commands"].items():
                add(name, row)
    return rows


def row_name(words, rows):
    name = words[0].decode("latin-1").lower()
    if len(words) > 1:
        full = name + "|" + words[1].decode("latin-1").lower()
        if full in rows:
            return full
    return name if name in rows else None


# ---- matching --------------------------------------------------------------------------------

def is_word(word, reply, protocol):
    """Whether a reply is what one of the notation's words stands for."""
    kind, value = reply
    three = protocol == 3
    if word == "any":
        return True
    if word == "null":
        return (kind == b"_") if three else (kind == b"$" and value is None)
    if word == "null-array":
        return (kind == b"_") if three else (kind == b"*" and value is None)
    if value is None:
        return False
    if word == "int":
        return kind == b":" and INTEGER.fullmatch(value) is not None
    if word == "double":
        return kind == (b"," if three else b"$") and DOUBLE.fullmatch(value) is not None
    if word == "bool":
        return (kind == b"#" and value in (b"t", b"f")) if three else \
            (kind == b":" and value in (b"0", b"1"))
    if word == "bignum":
        return kind == (b"(" if three else b"$") and INTEGER.fullmatch(value) is not None
    kinds = {"bulk": b"$", "status": b"+", "error": b"-", "verbatim": b"=" if three else b"$"}
    return kind == kinds[word]


def matches(schema, reply, protocol):
    what, inner = schema
    kind, value = reply
    if what == "word":
        return is_word(inner, reply, protocol)
    if what == "any of":
        return any(matches(one, reply, protocol) for one in inner)
    if what == "status":
        return reply == (b"+", inner.encode())
    if what == "int":
        return reply == (b":", b"%d" % inner)
    if what == "text":
        return reply == (b"$", inner.encode())
    if value is None or not isinstance(value, list):
        return False
    three = protocol == 3
    if what == "map":
        if kind != (b"%" if three else b"*") or len(value) % 2:
            return False
        elements = [("run", [key, one]) if many else ("both", [key, one])
                    for key, one, many in inner]
        elements = [piece for element in elements for piece in (
            [element] if element[0] == "run" else [("one", [part]) for part in element[1]])]
        return sequence(elements, value, 0, protocol)
    if kind != (b"~" if what == "set" and three else b"*"):
        return False
    return sequence(inner, value, 0, protocol)


def sequence(elements, items, at, protocol):
    """Whether items[at:] are these elements; repetitions are tried from the longest down."""
    if not elements:
        return at == len(items)
    kind, schemas = elements[0]
    if kind == "one":
        return at < len(items) and matches(schemas[0], items[at], protocol) and \
            sequence(elements[1:], items, at + 1, protocol)
    ends = [at]
    while ends[-1] + len(schemas) <= len(items) and all(
            matches(schema, items[ends[-1] + i], protocol) for i, schema in enumerate(schemas)):
        ends.append(ends[-1] + len(schemas))
    return any(sequence(elements[1:], items, end, protocol) for end in reversed(ends))


# ---- running ---------------------------------------------------------------------------------

class Holder:
    """Counts what met its schema and reports what didn't."""

    def __init__(self, rows):
        self.rows = rows
        self.met, self.wrong = set(), {}
        self.checked = 0

    def hold(self, words, reply, protocol):
        name = row_name(words, self.rows)
        if name is None or reply[0] == b"-":
            return
        self.checked += 1
        if matches(self.rows[name][protocol], reply, protocol):
            self.met.add((name, protocol))
        elif (name, protocol) not in self.wrong:
            self.wrong[name, protocol] = (words, reply)
            print("WRONG %s, RESP%d: %s\n  replied %s" % (
                name, protocol, b" ".join(words)[:200], resp.show(reply)))

    def hold_batch(self, commands, replies, protocol):
        """Replies of a pipeline; within MULTI they are those of EXEC."""
        queued = None
        for words, reply in zip(commands, replies):
            command = words[0].upper()
            if command == b"MULTI" and reply[0] == b"+":
                queued = []
            elif reply == (b"+", b"QUEUED"):
                queued.append(words)
                continue
            elif reply[0] == b"-" and not reply[1].startswith(b"EXECABORT"):
                continue
            elif command == b"EXEC":
                if queued is not None and isinstance(reply[1], list):
                    self.hold_batch(queued, reply[1], protocol)
                queued = None
            elif command in (b"DISCARD", b"RESET"):
                queued = None
            self.hold(words, reply, protocol)


def run_random(connection, holder, args):
    pick = families.Pick(args.seed)
    mixer = families.Mixer([importlib.import_module("families." + name)
                            for name in args.families], pick)
    done = lives = 0
    while done < args.commands:
        protocol = 2 + lives % 2
        lives += 1
        connection.call_many([[b"DISCARD"], [b"FLUSHALL"], [b"HELLO", b"%d" % protocol]])
        for _ in range(BATCHES_PER_LIFE):
            batch = [words for _ in range(BATCH) for op in mixer.draw()
                     for words in families.sendable(op)]
            # HELLO and RESET would change the protocol on the way.
            batch = [words for words in batch
                     if words[0].upper() not in (b"HELLO", b"RESET", b"QUIT")]
            batch.append([b"DISCARD"])
            holder.hold_batch(batch, connection.call_many(batch), protocol)
            done += len(batch)


def one_reply(connection, words):
    """Sends one command without the sentinel, which some states of a connection refuse."""
    connection.sock.sendall(resp.encode(words))
    raw = b""
    while True:
        try:
            part = connection.sock.recv(1 << 18)
        except OSError as error:
            raise resp.Gone("%s: %s" % (b" ".join(words), error)) from error
        if not part:
            raise resp.Gone("%s: closed" % b" ".join(words))
        raw += part
        try:
            reply, end = resp.parse(raw, 0)
        except ValueError:
            continue
        if end <= len(raw):
            return reply


def fixed_commands():
    for line in FIXED.replace("\n", "|").split("|"):
        words = line.encode().split(b" ")
        if words[0] == b"RG.PYEXECUTE":  # its script is one word, blanks or not
            tail = words[-1:] if words[-1] == b"UNBLOCKING" else []
            words = [words[0], b" ".join(words[1:len(words) - len(tail)])] + tail
        if words[0]:
            yield words


def run_dependent(connection, holder, protocol):
    """Commands whose arguments come from the replies of others."""
    def ask(*words):
        reply = one_reply(connection, list(words))
        holder.hold(list(words), reply, protocol)
        return reply

    ask(b"SET", b"source", b"text")
    ask(b"RESTORE", b"target", b"0", ask(b"DUMP", b"source")[1], b"REPLACE")
    other = resp.Connection(connection.port, TIMEOUT_S)
    ask(b"CLIENT", b"TRACKING", b"on", b"OPTIN", b"REDIRECT", other.call(b"CLIENT", b"ID")[1])
    ask(b"CLIENT", b"CACHING", b"yes")
    ask(b"CLIENT", b"TRACKING", b"off")
    other.close()
    ask(b"RG.PYEXECUTE", b"x=1", b"LIMITS", b"time", b"1000", b"memory", b"10mb")
    ask(b"RG.EXPLAIN", b"GB().count().run(); GB('CommandReader').register(trigger='explained')")
    ask(b"RG.PYEXECUTE", b"GB().map(lambda r: {1: {r['key']}, 2.5: None}).run()", b"NATIVE")
    for get in (b"RG.GETRESULTS", b"RG.GETRESULTSBLOCKING", b"RG.ABORTEXECUTION"):
        started = ask(b"RG.PYEXECUTE", b"GB('KeysReader').run()", b"UNBLOCKING")
        if started[0] != b"$":
            return  # a build without gears
        if get != b"RG.ABORTEXECUTION":
            ask(b"RG.GETRESULTSBLOCKING", started[1])
        ask(get, started[1])
        ask(b"RG.GETRESULTS", started[1], b"CURSOR", b"0", b"COUNT", b"1")
        ask(b"RG.GETEXECUTION", started[1])
        ask(b"RG.DROPEXECUTION", started[1])
    ask(b"RG.PYEXECUTE", b"GB('TimeReader').register(every=1000)", b"ID", b"profiled")
    ask(b"RG.PYPROFILE", b"RESET", b"profiled")
    for registration in ask(b"RG.DUMPREGISTRATIONS")[1]:
        parts = registration[1]
        for command in (b"RG.PAUSEREGISTRATIONS", b"RG.UNPAUSEREGISTRATIONS"):
            ask(command, parts[parts.index((b"$", b"id")) + 1][1])
        ask(b"RG.UNREGISTER", parts[parts.index((b"$", b"id")) + 1][1])


def run_fixed(port, holder):
    for protocol in (2, 3):
        connection = resp.Connection(port, TIMEOUT_S)
        hello = [b"HELLO", b"%d" % protocol]
        commands, replies = [], []
        for words in [hello] + list(fixed_commands()):
            commands.append(words)
            replies.append(one_reply(connection, words))
            if words[0] == b"RESET":
                one_reply(connection, hello)
        holder.hold_batch(commands, replies, protocol)
        run_dependent(connection, holder, protocol)
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commands", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--families", default=",".join(families.FAMILIES))
    parser.add_argument("--variant", default="release", help="our server is build/VARIANT's")
    args = parser.parse_args()
    args.families = args.families.split(",")
    print("seed %d" % args.seed)
    holder = Holder(load_rows())
    acl = tempfile.NamedTemporaryFile(prefix="cogwheel-", suffix=".acl")
    server = servers.Server(servers.ours(args.variant), False, [("aclfile", acl.name)])
    findings = []
    try:
        run_fixed(server.port, holder)
        run_random(resp.Connection(server.port, TIMEOUT_S), holder, args)
    except resp.Gone as gone:
        findings.append("a connection ended: %s" % gone)
    findings += server.stop()
    for finding in findings:
        print("FINDING " + finding)
    never = sorted("%s (RESP%d)" % (name, protocol) for name in holder.rows for protocol in (2, 3)
                   if name not in NOT_MET and (name, protocol) not in holder.met
                   and (name, protocol) not in holder.wrong)
    print("%d replies held; never answered: %s" % (holder.checked, ", ".join(never) or "none"))
    failed = len(holder.wrong) + len(findings) + len(never)
    print("%d passed, %d failed" % (len(holder.met - set(holder.wrong)), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
