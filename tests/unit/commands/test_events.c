/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keyspace events of strings, lists, hashes, sets and streams: class, name, key and order of
 * each, as stock announces them (there: CONFIG SET notify-keyspace-events KEA, plus n and m). The
 * rows run one after another over one database; in a row's expectation each event is its class'
 * letter, its name, and its key.
 */
#include "base/mem.h"
#include "commands_table.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "exec/settings.h"
#include "unit.h"

struct row {
    const char *request, *events;
};

static const struct row string_rows[] = {
    {"set a 1", "n:new a, $:set a"},
    {"set a 1 get", "$:set a"},
    {"set a 1 nx", ""},
    {"set a 1 nx get", ""},
    {"set q 1 nx get", "m:keymiss q, n:new q, $:set q"},
    {"set a 2 xx get", "$:set a"},
    {"set z 2 xx get", "m:keymiss z"},
    {"set z 2 xx", ""},
    {"set a 1 ex 10", "$:set a, g:expire a"},
    {"set a 1 px 10000 get", "$:set a, g:expire a"},
    {"set a 1 keepttl", "$:set a"},
    {"set a 1 pxat 100", "$:set a, g:expire a"},
    {"get a", "x:expired a, m:keymiss a"},
    {"set a 1 exat 1", "n:new a, $:set a, g:expire a"},
    {"set a 1", "x:expired a, n:new a, $:set a"},
    {"set a 1 ex 0", ""},
    {"setnx a 1", ""},
    {"setnx n 1", "n:new n, $:set n"},
    {"setex a 10 1", "$:set a, g:expire a"},
    {"psetex b 10000 1", "n:new b, $:set b, g:expire b"},
    {"getset a v", "$:set a"},
    {"getset g v", "m:keymiss g, n:new g, $:set g"},
    {"getdel g", "g:del g"},
    {"getdel g", "m:keymiss g"},
    {"getex a", ""},
    {"getex none", "m:keymiss none"},
    {"getex a ex 10", "g:expire a"},
    {"getex a persist", "g:persist a"},
    {"getex a persist", ""},
    {"getex a exat 1", "g:del a"},
    {"append a x", "n:new a, $:append a"},
    {"append a x", "$:append a"},
    {"setrange a 0 y", "$:setrange a"},
    {"setrange a 0 ", ""},
    {"setrange c 3 y", "n:new c, $:setrange c"},
    {"getrange none 0 1", "m:keymiss none"},
    {"strlen none", "m:keymiss none"},
    {"mget a none a", "m:keymiss none"},
    {"mset a 1 e 2 a 3", "$:set a, n:new e, $:set e, $:set a"},
    {"msetnx a 1 y 2", ""},
    {"msetnx x 1 y 2", "n:new x, $:set x, n:new y, $:set y"},
    {"incr a", "$:incrby a"},
    {"decr i", "n:new i, $:incrby i"},
    {"decrby a 5", "$:incrby a"},
    {"incrbyfloat a 1", "$:incrbyfloat a"},
    {"incrbyfloat f 1", "n:new f, $:incrbyfloat f"},
    {"incrby a x", ""},
    {"lcs none a", "m:keymiss none"},
    {"lcs none none foo", "m:keymiss none, m:keymiss none"},
};

static const struct row hash_rows[] = {
    {"hset h f v", "n:new h, h:hset h"},
    {"hset h f v", "h:hset h"},
    {"hset h f v g v h v", "h:hset h"},
    {"hset h f", ""},
    {"hmset h f v", "h:hset h"},
    {"hsetnx h f 1", ""},
    {"hsetnx h z 1", "h:hset h"},
    {"hsetnx h2 z 1", "n:new h2, h:hset h2"},
    {"hget h f", ""},
    {"hget none f", "m:keymiss none"},
    {"hmget none f", "m:keymiss none"},
    {"hgetall none", "m:keymiss none"},
    {"hincrby h n 1", "h:hincrby h"},
    {"hincrby h f 1", ""},
    {"hincrby h3 n 1", "n:new h3, h:hincrby h3"},
    {"hincrbyfloat h4 n 1", "n:new h4, h:hincrbyfloat h4"},
    {"hdel h f nof", "h:hdel h"},
    {"hdel h nof", ""},
    {"hdel none f", ""},
    {"hdel h g h z n", "h:hdel h, g:del h"},
    {"hrandfield none", "m:keymiss none"},
    {"hscan none 0", "m:keymiss none"},
};

static const struct row bitmap_rows[] = {
    {"setbit a 5 1", "n:new a, $:setbit a"},
    {"setbit a 5 1", ""},
    {"setbit a 50 0", "$:setbit a"},
    {"getbit none 5", "m:keymiss none"},
    {"bitcount none", "m:keymiss none"},
    {"bitpos none 1", "m:keymiss none"},
    {"bitfield none get u8 0", "m:keymiss none"},
    {"bitfield_ro none get u8 0", "m:keymiss none"},
    {"bitfield b set u8 0 0", "n:new b, $:setbit b"},
    {"bitfield b set u8 0 0", ""},
    {"bitfield b set u8 0 1 set u8 0 2 get u8 0", "$:setbit b"},
    {"bitfield c overflow fail set u8 0 256", "n:new c"},
    {"bitop and d none a", "m:keymiss none, n:new d, $:set d"},
    {"bitop not d none", "m:keymiss none, g:del d"},
    {"bitop not d none", "m:keymiss none"},
};

static const struct row hll_rows[] = {
    {"pfadd h", "n:new h, $:pfadd h"},
    {"pfadd h", ""},
    {"pfadd h a b", "$:pfadd h"},
    {"pfadd h a", ""},
    {"pfcount h", ""},
    {"pfcount none", "m:keymiss none"},
    {"pfcount h none", "m:keymiss none"},
    {"pfmerge m h", "m:keymiss m, n:new m, $:pfadd m"},
    {"pfmerge m", "$:pfadd m"},
    {"pfdebug encoding none", ""},
    {"pfdebug todense h", ""},
};

static const struct row geo_rows[] = {
    {"geoadd g 13 38 a 15 37 b", "n:new g, z:zadd g"},
    {"geoadd g 13 38 a", ""},
    {"geopos none a", "m:keymiss none"},
    {"geohash none a", "m:keymiss none"},
    {"geodist none a b", "m:keymiss none"},
    {"georadius none 1 1 1 km", "m:keymiss none"},
    {"georadius g 15 37 500 km store d", "n:new d, z:georadiusstore d"},
    {"georadius none 1 1 1 km store d", "m:keymiss none, g:del d"},
    {"geosearchstore d g frommember a byradius 500 km", "n:new d, z:geosearchstore d"},
    {"geosearchstore d none frommember a byradius 500 km", "m:keymiss none, g:del d"},
};

static const struct row set_rows[] = {
    {"sadd s 1 2 3", "n:new s, s:sadd s"},
    {"sadd s 1", ""},
    {"sadd s a 1", "s:sadd s"},
    {"srem s a 1", "s:srem s"},
    {"srem s z", ""},
    {"srem none z", ""},
    {"sismember none 2", "m:keymiss none"},
    {"smove s s 2", ""},
    {"smove s d 99", ""},
    {"smove none d 1", ""},
    {"smove s d 2", "s:srem s, n:new d, s:sadd d"},
    {"smove s d 3", "s:srem s, g:del s, s:sadd d"},
    {"sadd s 2", "n:new s, s:sadd s"},
    {"smove s d 2", "s:srem s, g:del s"},
    {"smove d e 2", "s:srem d, n:new e, s:sadd e"},
    {"smove d t 3", "s:srem d, g:del d, n:new t, s:sadd t"},
    {"spop t", "s:spop t, g:del t"},
    {"spop t", ""},
    {"spop t 1", ""},
    {"sadd t 1 2 3 4", "n:new t, s:sadd t"},
    {"spop t 0", ""},
    {"spop t", "s:spop t"},
    {"spop t 2", "s:spop t"},
    {"spop t 2", "s:spop t, g:del t"},
    {"srandmember none", "m:keymiss none"},
    {"srandmember none 2", "m:keymiss none"},
    {"sadd t 1 2", "n:new t, s:sadd t"},
    {"srem t 1 2 3", "s:srem t, g:del t"},
};

static const struct row list_rows[] = {
    {"rpush l a b c", "n:new l, l:rpush l"},
    {"lpush l a b", "l:lpush l"},
    {"lpushx none a", ""},
    {"rpushx l z", "l:rpush l"},
    {"rpushx none z", ""},
    {"lpop l", "l:lpop l"},
    {"rpop l", "l:rpop l"},
    {"lpop l 0", ""},
    {"lpop none", ""},
    {"lpop none 1", ""},
    {"lpop l 100", "l:lpop l, g:del l"},
    {"rpush l a b c d e", "n:new l, l:rpush l"},
    {"lset l 0 q", "l:lset l"},
    {"lset none 0 q", ""},
    {"linsert l before q p", "l:linsert l"},
    {"linsert l after nosuch p", ""},
    {"linsert none after nosuch p", ""},
    {"lrem l 0 zz", ""},
    {"lrem l 0 p", "l:lrem l"},
    {"lrem none 0 p", ""},
    {"ltrim l 0 3", "l:ltrim l"},
    {"ltrim l 0 300", "l:ltrim l"},
    {"ltrim none 0 3", ""},
    {"llen none", "m:keymiss none"},
    {"lindex none 0", "m:keymiss none"},
    {"lrange none 0 1", "m:keymiss none"},
    {"lpos none 0", "m:keymiss none"},
    {"lpos none 0 count 1", "m:keymiss none"},
    {"ltrim l 5 1", "l:ltrim l, g:del l"},
    {"rpush l a b c", "n:new l, l:rpush l"},
    {"lmove l m left right", "n:new m, l:rpush m, l:lpop l"},
    {"lmove l l left right", "l:rpush l, l:lpop l"},
    {"rpoplpush l m", "l:lpush m, l:rpop l"},
    {"lmove l m right left", "l:lpush m, l:rpop l, g:del l"},
    {"lmove none m right left", ""},
    {"rpush l a", "n:new l, l:rpush l"},
    {"lmove l k right left", "n:new k, l:lpush k, l:rpop l, g:del l"},
    {"lmpop 2 none m left count 2", "l:lpop m"},
    {"lmpop 1 m left count 2", "l:lpop m, g:del m"},
    {"lmpop 2 none m left count 2", ""},
    {"blpop none 0.01", ""},
    {"rpush l a b c d e f", "n:new l, l:rpush l"},
    {"blpop none l 0", "l:lpop l"},
    {"brpop none l 0", "l:rpop l"},
    {"blmove none l left right 0.01", ""},
    {"blmove l m left right 0", "n:new m, l:rpush m, l:lpop l"},
    {"brpoplpush l m 0", "l:lpush m, l:rpop l"},
    {"blmpop 0.01 2 none l left", "l:lpop l"},
    {"blmpop 0.01 1 none left", ""},
    {"lrem l 0 c", ""},
    {"rpush n 1 1", "n:new n, l:rpush n"},
    {"lrem n 0 1", "l:lrem n, g:del n"},
};

static const struct row stream_rows[] = {
    {"xadd s 1-1 a b", "n:new s, t:xadd s"},
    {"xadd s 1-2 a b", "t:xadd s"},
    {"xadd s maxlen 1 1-3 a b", "t:xadd s, t:xtrim s"},
    {"xadd s maxlen 5 1-4 a b", "t:xadd s"},
    {"xadd n nomkstream 1-1 a b", ""},
    {"xadd s 1-1 a b", ""},
    {"xlen n", "m:keymiss n"},
    {"xrange n - +", "m:keymiss n"},
    {"xrevrange n + -", "m:keymiss n"},
    {"xread streams n 0", "m:keymiss n, m:keymiss n"},
    {"xread streams n $", "m:keymiss n, m:keymiss n"},
    {"xgroup create s g 0", "t:xgroup-create s"},
    {"xgroup create s g 0", ""},
    {"xgroup create m g 0 mkstream", "n:new m, t:xgroup-create m"},
    {"xgroup create n g 0", ""},
    {"xgroup setid s g 0", "t:xgroup-setid s"},
    {"xgroup createconsumer s g c", "t:xgroup-createconsumer s"},
    {"xgroup createconsumer s g c", ""},
    {"xreadgroup group g d streams s >", "t:xgroup-createconsumer s"},
    {"xreadgroup group g e streams s >", ""},
    {"xreadgroup group g e streams s 0", "t:xgroup-createconsumer s"},
    {"xreadgroup group g e streams n 0", "m:keymiss n"},
    {"xack s g 1-3", ""},
    {"xack n g 1-3", "m:keymiss n"},
    {"xpending s g", ""},
    {"xpending n g", "m:keymiss n"},
    {"xclaim s g f 0 1-4", "t:xgroup-createconsumer s"},
    {"xclaim s g j 0 1-9", ""},
    {"xclaim n g j 0 1-9", "m:keymiss n"},
    {"xautoclaim s g h 0 0", "t:xgroup-createconsumer s"},
    {"xautoclaim n g h 0 0", "m:keymiss n"},
    {"xdel s 1-4 1-9", "t:xdel s"},
    {"xdel s 1-9", ""},
    {"xdel n 1-9", ""},
    {"xtrim s maxlen 0", "t:xtrim s"},
    {"xtrim s maxlen 0", ""},
    {"xtrim n maxlen 0", ""},
    {"xautoclaim s g i 0 0", ""},
    {"xsetid s 9-9", "t:xsetid s"},
    {"xsetid n 9-9", ""},
    {"xinfo stream n", "m:keymiss n"},
    {"xinfo groups n", "m:keymiss n"},
    {"xgroup delconsumer s g c", "t:xgroup-delconsumer s"},
    {"xgroup delconsumer s g c", ""},
    {"xgroup destroy s g", "t:xgroup-destroy s"},
    {"xgroup destroy s g", ""},
    {"xgroup destroy n g", ""},
};

static char class_letter(enum kv_event_class class_)
{
    switch (class_) {
    case KV_EVENT_GENERIC: return 'g';
    case KV_EVENT_STRING: return '$';
    case KV_EVENT_LIST: return 'l';
    case KV_EVENT_SET: return 's';
    case KV_EVENT_HASH: return 'h';
    case KV_EVENT_STREAM: return 't';
    case KV_EVENT_ZSET: return 'z';
    case KV_EVENT_EXPIRED: return 'x';
    case KV_EVENT_KEYMISS: return 'm';
    case KV_EVENT_NEW: return 'n';
    default: return '?';
    }
}

/* Splits at blanks; the words stay in the literal. A blank at the end is an empty last word. */
static int words_of(const char *text, struct arg *argv)
{
    int argc = 0;
    for (;;) {
        size_t len = strcspn(text, " ");
        argv[argc++] = arg_of(text, len);
        if (!text[len]) return argc;
        text += len + 1;
    }
}

static void check_row(const struct row *row)
{
    struct arg argv[16];
    struct tape tape = {{0}};
    struct sink sink = {.tape = &tape, .resp = 2};
    struct kv_unit unit = {.now_ms = 1700000000000};
    struct exec_ctx ctx = {.db = kv_db(0), .argv = argv, .sink = &sink, .unit = &unit};
    ctx.argc = words_of(row->request, argv);
    CHECK_INT(command_resolve(argv, ctx.argc, &ctx.cmd), STATUS_OK);
    ctx.cmd->handler(&ctx);

    struct buf got = {0};
    for (size_t i = 0; i < unit.event_count; i++) {
        const struct kv_event *e = &unit.events[i];
        struct view key = kv_event_key(&unit, e);
        buf_printf(&got, "%s%c:%s %.*s", i ? ", " : "", class_letter(e->class_), e->name,
                   (int)key.len, key.ptr);
    }
    CHECK_MSG(strcmp(buf_cstr(&got), row->events) == 0, "%s: got \"%s\", expected \"%s\"",
              row->request, buf_cstr(&got), row->events);
    buf_release(&got);
    kv_unit_release(&unit);
    tape_release(&tape);
}

static void check_rows(const struct row *rows, size_t count)
{
    command_setup(&commands_table);
    kv_setup(1);
    kv_event_mask_set(UINT32_MAX);
    exec_settings.proto_max_bulk_len = 1 << 20;
    for (size_t i = 0; i < count; i++) check_row(&rows[i]);
    kv_teardown();
    command_teardown();
}

TEST(events_of_strings)
{
    check_rows(string_rows, ARRAY_COUNT(string_rows));
}

TEST(events_of_hashes)
{
    check_rows(hash_rows, ARRAY_COUNT(hash_rows));
}

TEST(events_of_sets)
{
    check_rows(set_rows, ARRAY_COUNT(set_rows));
}

TEST(events_of_lists)
{
    check_rows(list_rows, ARRAY_COUNT(list_rows));
}

TEST(events_of_bitmaps)
{
    check_rows(bitmap_rows, ARRAY_COUNT(bitmap_rows));
}

TEST(events_of_hyperloglogs)
{
    check_rows(hll_rows, ARRAY_COUNT(hll_rows));
}

TEST(events_of_streams)
{
    check_rows(stream_rows, ARRAY_COUNT(stream_rows));
}

TEST(events_of_positions)
{
    check_rows(geo_rows, ARRAY_COUNT(geo_rows));
}
