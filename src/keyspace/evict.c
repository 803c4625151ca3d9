/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eviction: which key goes when memory is short, and the access field's two meanings.
 *
 * Under an LFU policy the 24 bits of an entry's access field are
 *     minutes of the wall clock (16)   logarithmic counter (8)
 * else they are seconds of the wall clock. The counter begins at 5, grows with a probability that
 * falls as it grows (lfu-log-factor), and falls with time (lfu-decay-time), as stock documents it.
 *
 * A key to evict is the best of a small pool of candidates, into which each round puts the best
 * of a few random entries of each database; so over some rounds the choice comes near to the true
 * order. The pool has copies of the keys: entries may be gone when their turn comes. An ordered
 * index of all keys would be exact, at 16 bytes and two cache misses an access.
 *
 * Thread: whoever holds the data token.
 */
#include "base/random.h"
#include "keyspace/effect.h"
#include "keyspace/private.h"
#include "keyspace/settings.h"

#define POOL_SIZE 16
#define SAMPLE_MAX 64
/* Random looks for a key with an expiry before the chunks are walked. */
#define VOLATILE_TRIES 8
#define LFU_BEGIN 5

bool kv__lfu;
static uint32_t lfu_minutes; /* 16 bits */

static struct candidate {
    int db_id;
    uint64_t score; /* the highest goes first */
    char *key;
    size_t len;
} pool[POOL_SIZE]; /* by rising score */
static size_t pool_count;
static int next_db;
static size_t promised_bytes;

/* ---- the access field ---- */

void kv__lfu_clock_set(int64_t now_ms)
{
    lfu_minutes = (uint32_t)((uint64_t)now_ms / 60000) & 0xffff;
}

int64_t kv_freq(const struct kv_entry *e)
{
    uint32_t access = kv_entry_access(e), counter = access & 0xff;
    if (kv_settings.lfu_decay_minutes == 0) return counter;
    uint32_t passed = (lfu_minutes - (access >> 8)) & 0xffff;
    return counter - MIN(passed / (uint32_t)kv_settings.lfu_decay_minutes, counter);
}

void kv_freq_set(struct kv_entry *e, int64_t freq)
{
    kv_entry_access_set(e, lfu_minutes << 8 | (uint32_t)freq);
}

void kv__lfu_begin(struct kv_entry *e)
{
    kv_freq_set(e, LFU_BEGIN);
}

void kv__lfu_access(struct kv_entry *e)
{
    int64_t counter = kv_freq(e);
    if (counter < 255) {
        uint64_t above = counter > LFU_BEGIN ? (uint64_t)(counter - LFU_BEGIN) : 0;
        uint64_t odds = above * (uint64_t)kv_settings.lfu_log_factor + 1;
        if (random_below(odds) == 0) counter++;
    }
    kv_freq_set(e, counter);
}

/* ---- sampling ---- */

struct volatile_walk {
    struct kv_entry **out;
    size_t want, count;
};

static void volatile_visit(void *entry, void *ctx)
{
    struct volatile_walk *walk = ctx;
    struct kv_entry *e = entry;
    if (kv_entry_is_volatile(e) && walk->count < walk->want) walk->out[walk->count++] = e;
}

/* Up to `want` entries that expire: random ones, or, if there are too few of them to be met by
 * chance, those of the first chunk that has any. */
static size_t sample_volatile(struct kv_db *db, size_t want, struct kv_entry **out)
{
    struct volatile_walk walk = {.out = out, .want = want};
    void *some[SAMPLE_MAX];
    if (db->volatile_count == 0) return 0;
    for (int i = 0; i < VOLATILE_TRIES && walk.count < want; i++) {
        size_t count = table_sample(&db->keys, SAMPLE_MAX, some);
        for (size_t k = 0; k < count; k++) volatile_visit(some[k], &walk);
    }
    size_t chunks = table_chunk_count(&db->keys);
    size_t from = chunks ? (size_t)random_below(chunks) : 0;
    for (size_t i = 0; i < chunks && walk.count == 0; i++) {
        size_t chunk = (from + i) % chunks;
        if (table_chunk_bound(&db->keys, chunk) == INT64_MAX) continue;
        table_chunk_visit(&db->keys, chunk, volatile_visit, &walk);
        if (walk.count == 0) table_chunk_bound_set(&db->keys, chunk, INT64_MAX);
    }
    return walk.count;
}

static size_t sample(struct kv_db *db, size_t want, struct kv_entry **out)
{
    if (kv_settings.policy & KV_EVICT_VOLATILE) return sample_volatile(db, want, out);
    void *some[SAMPLE_MAX];
    size_t count = table_sample(&db->keys, want, some);
    for (size_t i = 0; i < count; i++) out[i] = some[i];
    return count;
}

/* ---- the pool ---- */

static uint64_t score_of(const struct kv_entry *e)
{
    switch (kv_settings.policy & KV_EVICT_ORDER) {
    case KV_EVICT_LFU: return (uint64_t)(255 - kv_freq(e));
    case KV_EVICT_TTL: return (uint64_t)INT64_MAX - (uint64_t)kv_entry_expire_ms(e);
    default: return (uint64_t)kv_idle_seconds(e);
    }
}

static void pool_drop(size_t at)
{
    mem_free(pool[at].key);
    memmove(&pool[at], &pool[at + 1], (--pool_count - at) * sizeof(pool[0]));
}

static void pool_add(const struct kv_db *db, const struct kv_entry *e)
{
    struct view key = kv_entry_key(e);
    uint64_t score = score_of(e);
    if (pool_count == POOL_SIZE && score <= pool[0].score) return;
    for (size_t i = 0; i < pool_count; i++) {
        if (pool[i].db_id == db->id && view_eq(view_of(pool[i].key, pool[i].len), key)) return;
    }
    if (pool_count == POOL_SIZE) pool_drop(0);
    size_t at = pool_count++;
    for (; at > 0 && pool[at - 1].score > score; at--) pool[at] = pool[at - 1];
    pool[at] = (struct candidate){db->id, score, mem_dup(key.ptr, key.len), key.len};
}

static void pool_fill(void)
{
    struct kv_entry *some[SAMPLE_MAX];
    size_t want = (size_t)MIN(kv_settings.maxmemory_samples, SAMPLE_MAX);
    for (int i = 0; i < kv__db_count; i++) {
        size_t count = sample(&kv__dbs[i], want, some);
        for (size_t k = 0; k < count; k++) pool_add(&kv__dbs[i], some[k]);
    }
}

void kv_evict_policy_apply(void)
{
    kv__lfu = (kv_settings.policy & KV_EVICT_ORDER) == KV_EVICT_LFU;
    while (pool_count) pool_drop(pool_count - 1);
}

/* ---- evicting ---- */

/* What the background will free and the allocator doesn't know of yet. */
static size_t background_bytes(const struct kv_entry *e)
{
    struct value v = kv_entry_value(e);
    if (v.type == TYPE_STRING) {
        size_t len = kv_entry_string_len(e);
        return len > KV__LAZY_BYTES ? len : 0;
    }
    const struct type_ops *ops = type_ops_of(v.type);
    return ops->free_effort(v) > KV__LAZY_EFFORT ? ops->memory(v, 5) : 0;
}

static bool evict(struct kv_unit *u, struct kv_db *db, struct arg *key)
{
    const struct kv_entry *e = kv__find(db, key);
    if (!e) return false;
    if (kv_settings.policy & KV_EVICT_VOLATILE && !kv_entry_is_volatile(e)) return false;
    promised_bytes += background_bytes(e);
    kv__unasked = true;
    bool was_live = kv_delete(u, db, key, true);
    kv__unasked = false;
    if (was_live) {
        kv__stats.evicted++;
        kv_event(u, KV_EVENT_EVICTED, "evicted", db, key);
        if (unlikely(kv_effect_mask))
            kv_effect_deleted(u, db, arg_view(key), kv_settings.lazy_eviction);
    }
    return true;
}

static bool evict_random(struct kv_unit *u)
{
    struct kv_entry *e;
    for (int i = 0; i < kv__db_count; i++) {
        struct kv_db *db = &kv__dbs[next_db++ % kv__db_count];
        next_db %= kv__db_count;
        if (!sample(db, 1, &e)) continue;
        struct view v = kv_entry_key(e);
        char *copy = mem_dup(v.ptr, v.len);
        struct arg key = arg_of(copy, v.len);
        bool done = evict(u, db, &key);
        mem_free(copy);
        return done;
    }
    return false;
}

bool kv_evict_one(struct kv_unit *u)
{
    if (kv_settings.policy == KV_EVICT_NONE) return false;
    if ((kv_settings.policy & KV_EVICT_ORDER) == KV_EVICT_RANDOM) return evict_random(u);
    for (;;) {
        pool_fill();
        if (pool_count == 0) return false;
        struct candidate best = pool[--pool_count];
        struct arg key = arg_of(best.key, best.len);
        bool done = evict(u, &kv__dbs[best.db_id], &key);
        mem_free(best.key);
        if (done) return true;
    }
}

size_t kv_evict_promised(void)
{
    if (promised_bytes && kv_lazyfree_pending() == 0) {
        promised_bytes = 0;
        mem_used(); /* the allocator knows now */
    }
    return promised_bytes;
}
