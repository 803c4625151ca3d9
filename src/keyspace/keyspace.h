/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The databases: lookup, insert, delete, expiry, events. An entry (keyspace/entry.h) is one
 * allocation: header, optional expiry, key, and the value or a pointer to it.
 *
 * Everything here needs the data token (exec/token.h), whichever thread holds it. A pointer to
 * an entry is valid until the next call that may insert, delete or resize an entry of the same
 * database, and never across exec's delivery of events.
 *
 * Functions take a unit: what one atomic run of commands (a command, a MULTI, an atomic block)
 * shares: its "now", the events it records for delivery after the handler, its count of changes.
 */
#ifndef KEYSPACE_KEYSPACE_H
#define KEYSPACE_KEYSPACE_H

#include "base/arg.h"
#include "base/buf.h"
#include "ds/table.h"
#include "keyspace/entry.h"
#include "types/value.h"

/* Classes of keyspace events; the letters of notify-keyspace-events stand beside them. */
enum kv_event_class {
    KV_EVENT_GENERIC = 1 << 2, /* g */
    KV_EVENT_STRING = 1 << 3,  /* $ */
    KV_EVENT_LIST = 1 << 4,    /* l */
    KV_EVENT_SET = 1 << 5,     /* s */
    KV_EVENT_HASH = 1 << 6,    /* h */
    KV_EVENT_ZSET = 1 << 7,    /* z */
    KV_EVENT_EXPIRED = 1 << 8, /* x */
    KV_EVENT_EVICTED = 1 << 9, /* e */
    KV_EVENT_STREAM = 1 << 10, /* t */
    KV_EVENT_KEYMISS = 1 << 11, /* m */
    KV_EVENT_MODULE = 1 << 13, /* d */
    KV_EVENT_NEW = 1 << 14     /* n */
};

struct kv_event {
    enum kv_event_class class_;
    const char *name; /* static text */
    int db_id;
    size_t key_offset, key_len; /* in the unit's event_bytes */
    const void *origin;         /* of the unit, at that time */
    void *gone;                 /* what kv_on_gone's function made of the key's value, or NULL */
};

enum kv_unit_flag {
    KV_UNIT_NO_EXPIRE = 1 << 0, /* replica or loading: expired keys are hidden, not deleted */
    KV_UNIT_NO_TOUCH = 1 << 1,  /* lookups don't update the access clock */
    KV_UNIT_NO_MISS = 1 << 2,   /* a read of an absent key is no event */
    KV_UNIT_REWRITTEN = 1 << 3, /* of the running command: its effects are emitted already */
    KV_UNIT_LOOSE = 1 << 4,     /* its effects stand for themselves: active expiry, SCAN */
    KV_UNIT_SILENT = 1 << 5     /* nothing that it does is an event: loading */
};

/* What a unit must repeat elsewhere; keyspace/effect.h. */
struct kv_effects {
    struct buf bytes;
    size_t count;
    size_t last;          /* where the effect begins that was begun last */
    size_t words_to_come; /* of that one */
};

/* One atomic unit of work. Zero it, set now_ms; kv_unit_release frees what it grew. */
struct kv_unit {
    int64_t now_ms; /* wall clock; every command of the unit sees the same */
    uint32_t flags;
    uint64_t dirty; /* changes so far, as stock's rdb_changes counts them */
    struct kv_event *events;
    size_t event_count, event_cap;
    struct buf event_bytes; /* copies of the keys */
    const void *origin;     /* whose doing events are from here on; exec/exec.h */
    void *gone;             /* of a key that has just gone, whose event comes next */
    uint64_t gone_hash;
    struct kv_effects effects;
};

/* Who is told of touched keys. */
enum kv_touch_listener {
    KV_TOUCH_WATCH = 1 << 0, /* transactions watch keys of this database */
    KV_TOUCH_WAIT = 1 << 1,  /* clients wait for keys of this database */
    KV_TOUCH_TRACK = 1 << 2  /* clients cache what they have read, in whatever database */
};

struct kv_db {
    int id;
    uint32_t touch_mask; /* enum kv_touch_listener */
    struct table keys;
    size_t volatile_count; /* entries with an expiry */
    int64_t avg_ttl_ms;    /* running mean over samples, 0 when nothing expires */
    size_t expire_chunk;   /* where the active cycle goes on */
    void *watches;         /* owned by txn: keys watched here, NULL if none */
    void *waiters;         /* owned by exec/blocking: keys that clients wait for, NULL if none */
};

struct kv_stats {
    uint64_t evicted;
    uint64_t hits, misses, expired, expired_time_cap_reached;
    uint64_t expire_cycle_us; /* spent looking for expired keys */
    double expired_stale_percent; /* running estimate: expired but not yet deleted */
};

/* ---- life ---- */

/* Makes `count` empty databases. Main, before any thread. */
void kv_setup(int count);
/* Frees all. May be called again after another kv_setup. */
void kv_teardown(void);
int kv_db_count(void);
/* NULL if there is no such database. */
struct kv_db *kv_db(int64_t id);
struct kv_stats *kv_stats(void);
void kv_unit_release(struct kv_unit *u);

/* ---- lookup ---- */

/* The live entry under key or NULL. Counts a hit or a miss (and records `keymiss`), updates the
 * access clock, deletes the entry first if its time has come (recording `expired`). */
static inline struct kv_entry *kv_lookup_read(struct kv_unit *u, struct kv_db *db,
                                              struct arg *key);

/* As kv_lookup_read for a command that will change the key: no hit, miss or event of a miss. In a
 * unit with KV_UNIT_NO_EXPIRE an expired entry is returned, since what is written there was
 * decided elsewhere. */
static inline struct kv_entry *kv_lookup_write(struct kv_unit *u, struct kv_db *db,
                                               struct arg *key);

/* As kv_lookup_read without a trace in the access clock: TYPE, TTL, EXISTS. */
static inline struct kv_entry *kv_lookup_quiet(struct kv_unit *u, struct kv_db *db,
                                               struct arg *key);

/* The live entry or NULL without any side effect; an expired entry counts as absent but stays. */
static inline struct kv_entry *kv_peek(const struct kv_unit *u, struct kv_db *db, struct arg *key);

/* The entry, expired or not, without any side effect: for DEBUG. */
static inline struct kv_entry *kv_peek_expired(struct kv_db *db, struct arg *key);

/* Hints for the driver: stage 1 brings the bucket, stage 2 the entry that its tag points at. */
static inline void kv_prefetch_bucket(struct kv_db *db, struct arg *key);
static inline void kv_prefetch_entry(struct kv_db *db, struct arg *key);

#define KV_PREFETCH_WINDOW 16

/* Both stages for `count` keys, about KV_PREFETCH_WINDOW at a time: for commands of many keys. */
void kv_prefetch_keys(struct kv_db *db, struct arg *keys, int count);

/* The entry's time has come. */
static inline bool kv_is_expired(const struct kv_unit *u, const struct kv_entry *e)
{
    return kv_entry_is_volatile(e) && kv_entry_expire_ms(e) < u->now_ms;
}

/* ---- change ---- */

enum kv_set_flag {
    KV_KEEP_TTL = 1 << 0, /* else a replaced value loses its expiry */
    KV_RAW = 1 << 1,      /* a string as ENC_RAW, never int or embstr: APPEND, SETRANGE */
    KV_NO_INT = 1 << 2,   /* a string never as ENC_INT */
    KV_SAME = 1 << 3      /* the same bytes as before, encoded anew: doesn't touch */
};

/* Stores a string, choosing its encoding as stock does, in place when the size class allows.
 * Touches the key; records `new` if it was absent, no other event. Never fails: the size was
 * checked where the bytes came in; they may lie in the entry itself. `e` is what a lookup of this
 * key has just returned (NULL if absent), so that nothing is searched twice. Returns the entry,
 * which may have moved. */
struct kv_entry *kv_set_string(struct kv_unit *u, struct kv_db *db, struct arg *key,
                               struct kv_entry *e, struct view bytes, uint32_t flags);

/* As kv_set_string; a value that comes in an allocation of its own is taken, not copied. Its bytes
 * stay where they are as long as the entry does. */
struct kv_entry *kv_set_arg(struct kv_unit *u, struct kv_db *db, struct arg *key,
                            struct kv_entry *e, struct arg *value, uint32_t flags);

/* As kv_set_string for an integer, stored as ENC_INT. */
struct kv_entry *kv_set_int(struct kv_unit *u, struct kv_db *db, struct arg *key,
                            struct kv_entry *e, int64_t number, uint32_t flags);

/* Stores a collection, taking v.ptr; a replaced value is freed (in the background if large). */
struct kv_entry *kv_set_value(struct kv_unit *u, struct kv_db *db, struct arg *key,
                              struct kv_entry *e, struct value v, uint32_t flags);

/* Writes back encoding and pointer after a type's function changed them. Doesn't touch. */
void kv_value_update(struct kv_entry *e, struct value v);

/* Room for a string of `len` bytes as ENC_RAW, zero-filled behind the old bytes, writable through
 * *bytes_out until the next call; keeps the expiry. *e may be NULL: the key is made, recording
 * `new`. Touches. Room grows ahead of need, so that appending is amortised O(1). For APPEND,
 * SETRANGE, BITFIELD. STATUS_NOMEM leaves all as it was. */
enum status kv_string_resize(struct kv_unit *u, struct kv_db *db, struct arg *key,
                             struct kv_entry **e, size_t len, char **bytes_out) MUST_CHECK;

/* Deletes the entry under key; true if a live one was there. An expired one is deleted as
 * expired, and counts as absent. Touches. Records nothing but that: `del` is the caller's. */
bool kv_delete(struct kv_unit *u, struct kv_db *db, struct arg *key, bool lazy);

/* Deletes a collection's entry that has become empty: kv_delete and the event `del`. */
void kv_delete_empty(struct kv_unit *u, struct kv_db *db, struct arg *key);

/* Moves the entry of `from` to the name `to` in the same or another database, with its expiry;
 * what was at `to` is gone. `from` must be live and not `to` itself. Touches both; records `new`
 * for `to`. */
void kv_move(struct kv_unit *u, struct kv_db *from_db, struct arg *from, struct kv_db *to_db,
             struct arg *to);

/* Gives `to` in to_db a deep copy of what is at `from`, with its encoding and its expiry; what was
 * at `to` is gone. `from` must be live and not `to` itself. Touches `to`; records `new` for it. */
void kv_copy(struct kv_unit *u, struct kv_db *from_db, struct arg *from, struct kv_db *to_db,
             struct arg *to);

/* Exchanges the data of two databases. What belongs to a number (who watches or waits for keys
 * there) stays with it and is told: all keys that were or are in one of the two are touched. */
void kv_swap(struct kv_unit *u, struct kv_db *a, struct kv_db *b);

/* Sets (at_ms >= 0) or removes (-1) the expiry. The entry may move: its new place is returned. */
struct kv_entry *kv_expire_set(struct kv_unit *u, struct kv_db *db, struct arg *key,
                               struct kv_entry *e, int64_t at_ms);

/* Empties a database (NULL: all). Calls the hook of kv_on_flush, and those of kv_touch with key
 * NULL, before. Lazy frees in the background. Returns how many keys went. */
size_t kv_flush(struct kv_unit *u, struct kv_db *db, bool lazy);

/* ---- what follows a change ---- */

/* Somebody changed the key: WATCH, client-side caching and blocked clients. All kv_set,
 * kv_delete, kv_move, kv_expire_set call it; handlers that change a value in place must. Counts
 * nothing: handlers count changes themselves with kv_dirty. One test while nobody watches or
 * waits. */
static inline void kv_touch(struct kv_unit *u, struct kv_db *db, const struct arg *key);

static inline void kv_dirty(struct kv_unit *u, uint64_t changes)
{
    u->dirty += changes;
}

extern uint32_t kv_event_mask;

/* kv_event without its test. The name must be static. */
void kv_event_record(struct kv_unit *u, enum kv_event_class class_, const char *name,
                     const struct kv_db *db, const struct arg *key);

/* Records an event for delivery after the handler. With nobody listening: one test. */
static inline void kv_event(struct kv_unit *u, enum kv_event_class class_, const char *name,
                            const struct kv_db *db, const struct arg *key)
{
    if (unlikely(kv_event_mask & class_)) kv_event_record(u, class_, name, db, key);
}
/* Which classes somebody listens to. */
void kv_event_mask_set(uint32_t mask);

/* Has fn called with each entry that is deleted, expires or is evicted, while it is still whole.
 * What it returns (an allocation, or NULL) is brought along by the event that says so, and freed
 * with that. NULL: nobody wants it. */
void kv_on_gone(void *(*fn)(const struct kv_db *db, const struct kv_entry *e));

/* Frees what the event brought along: it has been told. */
void kv_event_done(struct kv_event *e);

/* The key of a recorded event; valid until the unit is released or records more. */
static inline struct view kv_event_key(const struct kv_unit *u, const struct kv_event *e)
{
    return view_of(u->event_bytes.ptr + e->key_offset, e->key_len);
}

/* Hooks for kv_touch, at most 4. Called under the token by whoever changes a key, in databases
 * that somebody listens to. key NULL: the database is about to be emptied or to be exchanged for
 * another, so every watched key that exists now changes. */
void kv_on_touch(void (*fn)(void *ctx, struct kv_db *db, const struct arg *key), void *ctx);

/* Says whether a listener wants to hear of touches in a database (NULL: in all). */
void kv_touch_listen(struct kv_db *db, enum kv_touch_listener who, bool on);

/* Within a hook of kv_touch: no command changed the key, it expired or was evicted. */
bool kv_touch_is_unasked(void);

/* The hook of kv_flush: called once for each, under the token, on whatever thread flushes. */
void kv_on_flush(void (*fn)(void));

/* ---- walking ---- */

/* One step of SCAN: calls fn for each live or expired entry (the caller filters) of some buckets
 * until `count` were seen or ten times as many buckets visited, returns the next cursor, 0 at the
 * end. fn must not change the database. The guarantee is proved in docs/design/scan.md. */
uint64_t kv_scan(struct kv_db *db, uint64_t cursor, size_t count,
                 void (*fn)(void *ctx, struct kv_entry *e), void *ctx);

/* Deletes an entry that kv_is_expired, with its event: for walkers that come upon one. */
void kv_expire_now(struct kv_unit *u, struct kv_db *db, struct kv_entry *e);

/* A live random entry or NULL; expired ones that it meets are deleted. */
struct kv_entry *kv_random(struct kv_unit *u, struct kv_db *db);

/* ---- background ---- */

/* One slice of active expiry over all databases, at most budget_us; events and effects go to u,
 * which the caller delivers. Returns how many were deleted. */
size_t kv_expire_cycle(struct kv_unit *u, int64_t budget_us);
/* DEBUG SET-ACTIVE-EXPIRE. */
void kv_expire_enable(bool on);

/* DEBUG DIGEST-VALUE's and DIGEST's part of one value: type, content, expiry, as stock. */
void kv_entry_digest(const struct kv_entry *e, struct digest *d);
/* The digest of all databases. */
void kv_digest_all(struct digest *d);

/* Frees a collection, in the background if that is much work; starts its thread when first
 * needed. Takes v.ptr. */
void kv_lazyfree_value(struct value v);
/* Objects that wait, and objects freed so far in the background; any thread. */
size_t kv_lazyfree_pending(void);
uint64_t kv_lazyfree_done(void);
/* CONFIG RESETSTAT. */
void kv_lazyfree_done_reset(void);
/* Called on that thread, first thing. Once, at boot. */
void kv_lazyfree_on_start(void (*fn)(void));
/* Waits until nothing is pending and ends the thread. */
void kv_lazyfree_teardown(void);

/* The clock of entries' access field: seconds of the wall clock, 24 bits. Set once a turn. */
void kv_clock_set(int64_t now_ms);

/* What OBJECT IDLETIME reports: seconds since the last access; wraps after 194 days. */
int64_t kv_idle_seconds(const struct kv_entry *e);
/* Makes it report so many seconds. */
void kv_idle_set(struct kv_entry *e, int64_t seconds);

/* The same of OBJECT FREQ, under an LFU policy: the logarithmic counter, less what it has lost by
 * now. */
int64_t kv_freq(const struct kv_entry *e);
void kv_freq_set(struct kv_entry *e, int64_t freq);

/* ---- eviction ---- */

/* Deletes the key that should go first by maxmemory-policy, with its event; false if none may. */
bool kv_evict_one(struct kv_unit *u);
/* Bytes of evicted values that the background is still freeing. */
size_t kv_evict_promised(void);
/* The policy has changed. */
void kv_evict_policy_apply(void);
/* Whether accesses are counted (LFU) rather than dated. */
extern bool kv__lfu;
static inline bool kv_counts_accesses(void)
{
    return kv__lfu;
}

/* What OBJECT REFCOUNT reports. Nothing here is counted; stock shares small integers. */
int64_t kv_reported_refcount(const struct kv_entry *e);

#include "keyspace/keyspace_inline.h"

#endif
