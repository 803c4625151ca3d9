/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active expiry: deletes keys whose time has come though nobody asks for them. (Lazy expiry, on
 * access, is part of the lookup.)
 *
 * There is no second table of expiries. Each chunk of the main table knows a lower bound of the
 * expiries in it, so a cycle passes over the chunks' bounds, a word each, and walks only those
 * whose bound has passed. The walk deletes what is due and leaves the exact bound behind. A
 * chunk whose keys all expire far away is never walked. The alternative, sampling a table of
 * volatile keys, costs that table's memory and leaves an expired quarter lying around.
 *
 * The mean time to live and the share of stale keys, which INFO reports, come from a few random
 * entries a cycle. Thread: the holder of the data token, between commands.
 */
#include "base/clock.h"
#include "keyspace/private.h"

/* At most as many keys are deleted before the clock is looked at: half a millisecond's work. Fewer
 * would walk a chunk more often when all of it is due. */
#define DUE_MAX 1024
/* Random entries that the statistics look at, a cycle and database. */
#define SAMPLES 16
/* Weight of a new sample in the running means, in percent. */
#define TTL_WEIGHT 2
#define STALE_WEIGHT 5

static bool disabled;

/* Databases take turns to be first, so that a busy one doesn't starve the rest. */
static int next_db;

void kv_expire_enable(bool on)
{
    disabled = !on;
}

/* ---- one chunk ---- */

struct chunk_walk {
    int64_t now_ms;
    int64_t lowest_ms; /* of the entries that stay */
    struct kv_entry *due[DUE_MAX];
    size_t due_count;
};

static void chunk_visit(void *entry, void *ctx)
{
    struct kv_entry *e = entry;
    struct chunk_walk *walk = ctx;
    if (!kv_entry_is_volatile(e)) return;
    int64_t at_ms = kv_entry_expire_ms(e);
    if (at_ms < walk->now_ms && walk->due_count < DUE_MAX) {
        walk->due[walk->due_count++] = e;
    } else if (at_ms < walk->lowest_ms) {
        walk->lowest_ms = at_ms;
    }
}

/* Deletes up to DUE_MAX expired entries of a chunk. The bound is set before they go: a deletion
 * may merge buckets, and chunks then change their numbers. */
static size_t chunk_expire(struct kv_unit *u, struct kv_db *db, size_t chunk)
{
    struct chunk_walk walk;
    walk.now_ms = u->now_ms;
    walk.lowest_ms = INT64_MAX;
    walk.due_count = 0;
    table_chunk_visit(&db->keys, chunk, chunk_visit, &walk);
    table_chunk_bound_set(&db->keys, chunk, walk.lowest_ms);
    for (size_t i = 0; i < walk.due_count; i++) kv_expire_now(u, db, walk.due[i]);
    return walk.due_count;
}

/* ---- statistics ---- */

static void sample(struct kv_unit *u, struct kv_db *db)
{
    void *entries[SAMPLES];
    size_t count = table_sample(&db->keys, SAMPLES, entries);
    size_t seen = 0, stale = 0;
    int64_t live = 0, mean_ms = 0;
    for (size_t i = 0; i < count; i++) {
        struct kv_entry *e = entries[i];
        if (!kv_entry_is_volatile(e)) continue;
        seen++;
        if (kv_is_expired(u, e)) {
            stale++;
            continue;
        }
        live++;
        mean_ms += (kv_entry_expire_ms(e) - u->now_ms - mean_ms) / live;
    }
    if (live && db->avg_ttl_ms == 0) {
        db->avg_ttl_ms = mean_ms;
    } else if (live) {
        db->avg_ttl_ms += (mean_ms - db->avg_ttl_ms) / (100 / TTL_WEIGHT);
    }
    if (seen) {
        double percent = 100.0 * (double)stale / (double)seen;
        double *kept = &kv__stats.expired_stale_percent;
        *kept += (percent - *kept) * (STALE_WEIGHT / 100.0);
    }
}

/* ---- the cycle ---- */

/* One round over the chunks of a database from where the last one ended; false: out of time. */
static bool db_expire(struct kv_unit *u, struct kv_db *db, int64_t end_us, size_t *deleted)
{
    for (size_t left = table_chunk_count(&db->keys); left > 0; left--) {
        size_t chunks = table_chunk_count(&db->keys);
        if (chunks == 0) break;
        if (db->expire_chunk >= chunks) db->expire_chunk = 0;
        if (table_chunk_bound(&db->keys, db->expire_chunk) < u->now_ms) {
            size_t count = chunk_expire(u, db, db->expire_chunk);
            *deleted += count;
            if (clock_mono_us() >= end_us) return false;
            if (count == DUE_MAX) {
                left++; /* there may be more */
                continue;
            }
        }
        db->expire_chunk++;
    }
    return true;
}

size_t kv_expire_cycle(struct kv_unit *u, int64_t budget_us)
{
    size_t deleted = 0;
    if (disabled || (u->flags & KV_UNIT_NO_EXPIRE)) return 0;
    int64_t end_us = clock_mono_us() + budget_us;
    for (int i = 0; i < kv__db_count; i++) {
        if (next_db >= kv__db_count) next_db = 0;
        struct kv_db *db = &kv__dbs[next_db];
        if (db->volatile_count == 0) {
            db->avg_ttl_ms = 0;
            next_db++;
            continue;
        }
        sample(u, db);
        if (!db_expire(u, db, end_us, &deleted)) {
            kv__stats.expired_time_cap_reached++;
            return deleted;
        }
        next_db++;
    }
    return deleted;
}
