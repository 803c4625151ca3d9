#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""All kinds of replies through redis-py. See README.md.

usage: python_redis.py PORT [gears]
"""
import hashlib
import json
import sys
import threading

import redis

PORT = int(sys.argv[1])


def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Exception):
        return "%s: %s" % (type(value).__name__, value)
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return repr(value)
    return value


def show(name, value):
    print("%s: %s" % (name, json.dumps(plain(value), sort_keys=True)))


def attempt(call, *args, **options):
    try:
        return call(*args, **options)
    except redis.RedisError as error:
        return error


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


def single_values(r):
    show("status", [r.ping(), r.set("k", "v"), r.set("k", "w", nx=True)])
    show("bulk", [r.get("k"), r.get("nothing"), r.execute_command("ECHO", b"a\r\n\x00\xff")])
    show("ints", [r.incr("n"), r.decrby("n", 5), r.set("n", 2 ** 63 - 1), attempt(r.incr, "n")])
    big = bytes(range(256)) * 20000
    r.set("big", big)
    show("big", [r.strlen("big"), hashlib.sha1(r.get("big")).hexdigest()])
    show("floats", [r.incrbyfloat("f", 1.5), r.zadd("z", {"a": 1.5, "b": float("inf"), "c": -0.25}),
                    r.zscore("z", "b"), r.zrange("z", 0, -1, withscores=True),
                    r.zscore("z", "nothing"), r.geoadd("g", (13.361389, 38.115556, "Palermo")),
                    r.geopos("g", "Palermo", "nothing"), r.geodist("g", "Palermo", "nothing")])
    show("errors", [attempt(r.lpush, "k", 1), attempt(r.execute_command, "NOTHING", "a", "b"),
                    attempt(r.execute_command, "GET"), attempt(r.expire, "k", 2 ** 63 - 1)])


def collections(r):
    r.rpush("l", *range(200))
    show("lists", [r.lrange("l", 0, -1), r.lpos("l", "7"), r.lpos("l", "x"), r.lpop("l", 2),
                   r.lmpop(2, "nothing", "l", direction="RIGHT", count=2), r.lmpop(1, "nothing",
                                                                                   direction="LEFT")])
    r.sadd("s", *("m%d" % i for i in range(300)))
    show("sets", [r.smembers("s"), r.smismember("s", ["m1", "x"]), r.sinter("s", "nothing")])
    r.hset("h", mapping={"f%d" % i: i for i in range(100)})
    show("hashes", [r.hgetall("h"), r.hmget("h", "f1", "x"), r.hgetall("nothing"),
                    len(r.hrandfield("h", 5, withvalues=True))])
    show("sorted sets", [r.zpopmin("z"), r.zmscore("z", ["a", "x"]), r.zrangebylex("z", "-", "+"),
                         r.zmpop(1, ["z"], max=True, count=2),
                         r.zmpop(1, ["nothing"], min=True)])
    show("bits", [r.setbit("b", 100, 1), r.bitcount("b"),
                  r.bitfield("b").set("u8", 0, 255).incrby("i5", 10, 1).execute()])
    show("sort", r.sort("l", desc=True, start=0, num=3))
    r.pfadd("p", *range(100))
    show("hll", r.pfcount("p"))


def streams(r):
    for i in range(1, 6):
        r.xadd("x", {"n": i, "t": "five"}, id="%d-1" % i)
    show("xrange", [r.xrange("x"), r.xrevrange("x", count=1), r.xlen("x"), r.xread({"x": "3-1"})])
    show("groups", [r.xgroup_create("x", "g", id="0"), attempt(r.xgroup_create, "x", "g", id="0"),
                    r.xreadgroup("g", "one", {"x": ">"}, count=3), r.xpending("x", "g"),
                    r.xack("x", "g", "1-1"), r.xclaim("x", "g", "two", 0, ["2-1"]),
                    r.xautoclaim("x", "g", "two", 0)])
    show("xinfo", [r.xinfo_stream("x", full=False), r.xinfo_groups("x")])


def scans(r):
    for i in range(1000):
        r.set("scan:%d" % i, i)
    show("scan", [len(set(r.scan_iter("scan:*", count=100))), len(set(r.hscan_iter("h"))),
                  len(set(r.sscan_iter("s", count=7))), len(r.keys("scan:1?")),
                  sorted(r.scan_iter(_type="zset"))])


def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(10000):
            p.set("p:%d" % i, "x" * (i % 50))
            p.strlen("p:%d" % i)
        replies = p.execute()
    show("pipeline", [len(replies), replies[:4], sum(replies[1::2])])
    with r.pipeline() as p:
        p.set("k", "v").lpush("k", 1).incr("i")
        show("multi", p.execute(raise_on_error=False))
    with r.pipeline() as p:
        p.watch("k")
        r.set("k", "other")
        p.multi()
        p.get("k")
        show("watch", attempt(p.execute))


def pubsub(r):
    s = r.pubsub()
    s.subscribe("ch", "other")
    s.psubscribe("c*")
    seen = [s.get_message(timeout=10) for _ in range(3)]
    seen.append(r.publish("ch", b"hello\x00"))
    seen += [s.get_message(timeout=10) for _ in range(2)]
    s.unsubscribe("ch")
    seen.append(s.get_message(timeout=10))
    seen += [r.pubsub_channels(), r.pubsub_numsub("ch", "other"), r.pubsub_numpat()]
    show("pubsub", seen)
    s.close()


def blocking(r):
    r.rpush("q", 1, 2)
    show("blocking", [r.blpop(["nothing", "q"], timeout=5), r.brpop("q", timeout=5),
                      r.blpop("nothing", timeout=0.05), r.bzpopmin("nothing", timeout=0.05)])
    got = []
    waiter = connect()
    thread = threading.Thread(target=lambda: got.append(waiter.blmove("q", "q2", 20)))
    thread.start()
    while r.info("clients")["blocked_clients"] != 1:
        pass
    r.rpush("q", "late")
    thread.join()
    show("blocked", [got, r.lrange("q2", 0, -1)])


def server(r):
    show("parsed", [type(r.info()["redis_version"]).__name__, r.config_get("maxmemory-p*"),
                    r.client_list()[-1]["cmd"], r.client_setname("me"), r.client_getname(),
                    r.dbsize() > 1000, r.type("h"), r.object("encoding", "n"), r.ttl("k"),
                    type(r.time()).__name__, r.command_count() > 200, r.acl_whoami(),
                    r.memory_usage("k") > 0, sorted(r.acl_getuser("default"))])
    r.slowlog_reset()
    show("slowlog", r.slowlog_get())
    other = connect(db=3)
    show("select", [other.set("here", 1), r.get("here"), r.move("k", 3), other.get("k")])
    dump = r.dump("h")
    show("restore", [r.restore("h2", 0, dump), r.hgetall("h2") == r.hgetall("h"),
                     attempt(r.restore, "h3", 0, dump[:-1] + b"x")])


def gears(r):
    r.mset({"gear:a": 1, "gear:b": 2})
    result = r.execute_command("RG.PYEXECUTE", "GB().count().run('gear:*')")
    show("gears", [result, attempt(r.execute_command, "RG.PYEXECUTE", "1 +")])


def main():
    r = connect()
    r.flushall()
    for part in (single_values, collections, streams, scans, pipelines, pubsub, blocking, server):
        part(r)
    if "gears" in sys.argv:
        gears(r)
    print("done")


main()
