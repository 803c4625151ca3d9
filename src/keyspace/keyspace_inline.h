/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hot half of keyspace.h: what a GET adds to the search of the table. Included there, at its
 * end, and nowhere else. Each function is one search, one test of the expiry, one comparison of
 * the access clock; everything rarer is a call into keyspace.c.
 */
#ifndef KEYSPACE_KEYSPACE_INLINE_H
#define KEYSPACE_KEYSPACE_INLINE_H

#include "keyspace/keyspace.h"

static inline struct view kv__table_key(const void *entry)
{
    return kv_entry_key(entry);
}

/* One constant for each file, so that the compiler sees through it. */
static const struct table_type kv__table_type = {.key = kv__table_key, .hash = NULL};

extern struct kv_stats kv__stats;
extern uint32_t kv__access_clock;

/* An access under an LFU policy. */
void kv__lfu_access(struct kv_entry *e);

/* Calls the hooks of kv_on_touch. */
void kv__touch_hook(struct kv_db *db, const struct arg *key);

/* What a reader's lookup does with an expired entry: deletes it if the unit may; NULL. */
struct kv_entry *kv__expired_read(struct kv_unit *u, struct kv_db *db, struct kv_entry *e);

/* The same for a writer's: NULL, or `e` in a unit that may not expire. */
struct kv_entry *kv__expired_write(struct kv_unit *u, struct kv_db *db, struct kv_entry *e);

/* Counts and records a miss; NULL. */
struct kv_entry *kv__missed(struct kv_unit *u, struct kv_db *db, const struct arg *key);

ALWAYS_INLINE struct kv_entry *kv__find(struct kv_db *db, struct arg *key)
{
    return table_find(&db->keys, &kv__table_type, arg_view(key), arg_hash(key));
}

static inline void kv__access(const struct kv_unit *u, struct kv_entry *e)
{
    if (unlikely(u->flags & KV_UNIT_NO_TOUCH)) return;
    if (unlikely(kv__lfu)) {
        kv__lfu_access(e);
    } else {
        kv_entry_access_set(e, kv__access_clock);
    }
}

static inline struct kv_entry *kv_lookup_quiet(struct kv_unit *u, struct kv_db *db,
                                               struct arg *key)
{
    struct kv_entry *e = kv__find(db, key);
    if (e && unlikely(kv_is_expired(u, e))) e = kv__expired_read(u, db, e);
    if (unlikely(!e)) return kv__missed(u, db, key);
    kv__stats.hits++;
    return e;
}

static inline struct kv_entry *kv_lookup_read(struct kv_unit *u, struct kv_db *db,
                                              struct arg *key)
{
    struct kv_entry *e = kv_lookup_quiet(u, db, key);
    if (likely(e)) kv__access(u, e);
    return e;
}

static inline struct kv_entry *kv_lookup_write(struct kv_unit *u, struct kv_db *db,
                                               struct arg *key)
{
    struct kv_entry *e = kv__find(db, key);
    if (!e) return NULL;
    if (unlikely(kv_is_expired(u, e))) return kv__expired_write(u, db, e);
    kv__access(u, e);
    return e;
}

static inline struct kv_entry *kv_peek(const struct kv_unit *u, struct kv_db *db,
                                       struct arg *key)
{
    struct kv_entry *e = kv__find(db, key);
    return e && kv_is_expired(u, e) ? NULL : e;
}

static inline struct kv_entry *kv_peek_expired(struct kv_db *db, struct arg *key)
{
    return kv__find(db, key);
}

static inline void kv_prefetch_bucket(struct kv_db *db, struct arg *key)
{
    table_prefetch_bucket(&db->keys, arg_hash(key));
}

static inline void kv_prefetch_entry(struct kv_db *db, struct arg *key)
{
    /* Two lines: an entry with an embedded value has at most two and a bit. */
    const char *e = table_prefetch_entry(&db->keys, arg_hash(key));
    if (e) PREFETCH(e + 64);
}

static inline void kv_touch(struct kv_unit *u, struct kv_db *db, const struct arg *key)
{
    UNUSED(u);
    if (unlikely(db->touch_mask)) kv__touch_hook(db, key);
}

#endif
