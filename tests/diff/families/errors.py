# SPDX-License-Identifier: BSD-3-Clause
"""Requests that are wrong in general ways: names, numbers of arguments, types, subcommands."""

SHARE = 20

NAMES = b"""APPEND DECR DECRBY GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT LCS MGET
MSET MSETNX PSETEX SET SETEX SETNX SETRANGE STRLEN SUBSTR HDEL HEXISTS HGET HGETALL HINCRBY
HINCRBYFLOAT HKEYS HLEN HMGET HMSET HSET HSETNX HSTRLEN HVALS SADD SREM SISMEMBER SMISMEMBER
SMEMBERS SCARD SMOVE DEL UNLINK EXISTS TYPE RENAME RENAMENX EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL
PTTL EXPIRETIME PEXPIRETIME PERSIST""".split()


def commands(pick):
    def unknown():
        return [pick.one([b"nosuch", b"", b"GE", b"GETT", b"get\r\n", b"\xff\x00", b"x" * 200])] + \
            [pick.value() for _ in range(pick.int_below(4))]

    def any_arguments():
        """Some command with so many arguments, keys first."""
        words = [pick.case(pick.one(NAMES))]
        for _ in range(pick.int_below(5)):
            words.append(pick.key() if pick.chance(0.5) else pick.value())
        return words

    def subcommand():
        container = pick.one([b"OBJECT", b"CONFIG", b"CLIENT", b"COMMAND", b"DEBUG"])
        return [container, pick.one([b"nosuch", b"", b"help me", b"x\r\ny"])] + \
            [pick.value() for _ in range(pick.int_below(2))]

    def arity_of_container():
        return pick.one([[b"OBJECT"], [b"CONFIG"], [b"CLIENT"], [b"OBJECT", b"ENCODING"],
                         [b"OBJECT", b"ENCODING", b"a", b"b"], [b"CLIENT", b"GETNAME", b"x"],
                         [b"CONFIG", b"SET", b"x"], [b"CONFIG", b"GET"]])

    def connection():
        return pick.one([[b"PING"], [b"PING", b"a"], [b"PING", b"a", b"b"], [b"ECHO"],
                         [b"ECHO", pick.value()], [b"SELECT", pick.integer()], [b"SELECT", b"0"],
                         [b"AUTH", b"x"], [b"AUTH", b"a", b"b"], [b"AUTH"],
                         [b"CLIENT", b"SETNAME", b"a b"], [b"CLIENT", b"SETNAME", b"n"],
                         [b"CLIENT", b"GETNAME"], [b"CLIENT", b"SETNAME", b""],
                         [b"CONFIG", b"SET", b"nosuch", b"1"], [b"CONFIG", b"GET", b"nosuch"],
                         [b"HELLO", b"4"], [b"HELLO", b"x"], [b"DBSIZE", b"x"], [b"TIME", b"x"]])

    return [(4, unknown), (10, any_arguments), (2, subcommand), (1, arity_of_container),
            (3, connection)]
