/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All kinds of replies through hiredis, printed with their types. See README.md.
 *
 * usage: hiredis PORT [gears]
 */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIPELINED 20000

static int port;
static redisContext *server;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, server ? server->errstr : "no memory");
    exit(1);
}

static redisContext *connect_to(void)
{
    struct timeval limit = {30, 0};
    server = redisConnectWithTimeout("127.0.0.1", port, limit);
    if (!server || server->err) fail("connecting");
    return server;
}

static void print_text(const redisReply *reply)
{
    putchar('"');
    for (size_t i = 0; i < (size_t)reply->len && i < 200; i++) {
        unsigned char c = (unsigned char)reply->str[i];
        if (c >= ' ' && c < 127)
            putchar(c);
        else
            printf("\\x%02x", c);
    }
    printf("\" of %zu", (size_t)reply->len);
}

static void print_reply(const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_STATUS: printf("status "); print_text(reply); break;
    case REDIS_REPLY_ERROR: printf("error "); print_text(reply); break;
    case REDIS_REPLY_STRING: printf("string "); print_text(reply); break;
    case REDIS_REPLY_INTEGER: printf("integer %lld", reply->integer); break;
    case REDIS_REPLY_NIL: printf("nil"); break;
    case REDIS_REPLY_ARRAY:
        putchar('[');
        for (size_t i = 0; i < reply->elements; i++) {
            if (i) printf(", ");
            print_reply(reply->element[i]);
        }
        putchar(']');
        break;
    default: printf("type %d", reply->type);
    }
}

static void show(redisReply *reply, const char *name)
{
    if (!reply) fail(name);
    printf("%s: ", name);
    print_reply(reply);
    putchar('\n');
    freeReplyObject(reply);
}

/* Runs each line as a command whose words are apart by blanks. */
static void run(const char *const *lines)
{
    for (; *lines; lines++) show(redisCommand(server, *lines), *lines);
}

static void run_binary(void)
{
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    show(redisCommand(server, "SET bin %b", bytes, sizeof(bytes)), "binary");
    show(redisCommand(server, "GET bin"), "binary");
    size_t len = 3 << 20;
    char *big = malloc(len);
    if (!big) fail("memory");
    memset(big, 'x', len);
    show(redisCommand(server, "SET big %b", big, len), "big");
    show(redisCommand(server, "GET big"), "big");
    free(big);
    show(redisCommand(server, "ECHO %s", ""), "empty");
}

static void run_pipeline(void)
{
    long long sum = 0;
    for (int i = 0; i < PIPELINED; i++)
        if (redisAppendCommand(server, "INCRBY counter %d", i)) fail("appending");
    for (int i = 0; i < PIPELINED; i++) {
        redisReply *reply;
        if (redisGetReply(server, (void **)&reply)) fail("pipeline");
        sum += reply->integer;
        freeReplyObject(reply);
    }
    printf("pipeline: %lld\n", sum);
}

static void run_subscriber(void)
{
    redisContext *publisher = server, *subscriber = connect_to();
    redisReply *reply;
    show(redisCommand(subscriber, "SUBSCRIBE ch"), "subscribed");
    show(redisCommand(subscriber, "PSUBSCRIBE c*"), "subscribed");
    show(redisCommand(publisher, "PUBLISH ch %b", "a\0b", (size_t)3), "published");
    for (int i = 0; i < 2; i++) {
        if (redisGetReply(subscriber, (void **)&reply)) fail("message");
        show(reply, "message");
    }
    show(redisCommand(subscriber, "UNSUBSCRIBE"), "unsubscribed");
    show(redisCommand(subscriber, "GET k"), "while subscribed");
    redisFree(subscriber);
    server = publisher;
}

static const char *const values[] = {
    "PING", "SET k v", "GET k", "GET nothing", "SETRANGE k 3 abc", "STRLEN k", "INCR n",
    "DECRBY n 10", "INCRBYFLOAT f 1.25", "LPUSH k 1", "NOTHING a", "GET", "SET k v KEEPTTL NX GET",
    "RPUSH l 1 2 3 4", "LRANGE l 0 -1", "LRANGE nothing 0 -1", "LPOP nothing 3", "LPOP l 2",
    "HSET h a 1 b 2", "HGETALL h", "HMGET h a x b", "SADD s a", "SMEMBERS s", "SMISMEMBER s a b",
    "ZADD z 1.5 a inf b", "ZRANGE z 0 -1 WITHSCORES", "ZSCORE z b", "ZSCORE z x",
    "ZADD z INCR 1 a", "ZADD z NX INCR 1 a", "ZMPOP 1 z MIN COUNT 1",
    "BITFIELD b SET u8 0 255 GET u4 0", "BITFIELD b OVERFLOW FAIL INCRBY u2 0 7",
    "GEOADD g 13.361389 38.115556 Palermo", "GEOPOS g Palermo nothing",
    "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 km WITHCOORD WITHDIST",
    "XADD x 1-1 a 1 b 2", "XADD x 2-1 a 3", "XRANGE x - +", "XREAD STREAMS x nothing 1-1 0",
    "XREAD STREAMS x 9-9", "XGROUP CREATE x g 0", "XREADGROUP GROUP g one STREAMS x >",
    "XPENDING x g", "XPENDING x g - + 10 two", "XAUTOCLAIM x g two 0 0", "XINFO GROUPS x",
    "OBJECT ENCODING h", "TYPE z", "TTL k", "TTL nothing", "SORT l DESC", "LPOS l 9 COUNT 0",
    "COPY k k2", "RENAME nothing x", "CONFIG GET maxmemory-policy", "CLIENT GETNAME", NULL};

static const char *const transaction[] = {"MULTI", "SET k v", "LPUSH k 1", "GET k", "EXEC",
                                          "MULTI", "NOTHING", "EXEC", "EXEC", NULL};
static const char *const blocking[] = {"RPUSH q 1", "BLPOP nothing q 5", "BLPOP nothing 0.05",
                                       "BLMPOP 0.05 1 nothing LEFT", "BZPOPMIN nothing 0.05",
                                       "XREAD BLOCK 50 STREAMS x $", NULL};

static void run_gears(void)
{
    redisReply *set = redisCommand(server, "MSET gear:a 1 gear:b 2");
    if (!set) fail("MSET");
    freeReplyObject(set);
    show(redisCommand(server, "RG.PYEXECUTE %s", "GB().count().run('gear:*')"), "gears");
    show(redisCommand(server, "RG.PYEXECUTE %s", "1 +"), "gears");
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    port = atoi(argv[1]);
    connect_to();
    show(redisCommand(server, "FLUSHALL"), "flushed");
    run(values);
    run_binary();
    run(transaction);
    run_pipeline();
    run_subscriber();
    run(blocking);
    if (argc > 2) run_gears();
    redisFree(server);
    puts("done");
    return 0;
}
