/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main table: from a key to the one entry that contains it. It serves the keyspace and, as
 * the same code, hashes and sets. Linear hashing over 64-byte buckets: growth and shrink move one
 * bucket at a time, so there's no second table, no stall and no idle job.
 *
 *   bucket, one cache line      0      1 .. 9    10 .. 63
 *                              meta    tag[9]    slot[9], 6 bytes each, little-endian
 *
 * A tag holds the hash's top byte (0 is replaced by 1; 0 marks an empty slot), so a search reads
 * one line, compares nine tags at once and visits, as a rule, one entry. When a bucket overflows
 * its ninth slot becomes the address of a child bucket (meta bit 0, tag 0). Debug and sanitizer
 * builds use seven slots of 8 bytes, which a leak checker can read.
 *
 * With n buckets, 2^L <= n < 2^(L+1), an entry lives in bucket hash & (2^(L+1) - 1), or, if that
 * one doesn't exist yet, in hash & (2^L - 1). Buckets lie in chunks of 1,024; the first chunk
 * starts at one bucket. The proof that SCAN misses nothing is docs/design/scan.md.
 *
 * An open-addressing table was rejected (deletions leave tombstones, growth is a stall or a
 * second table), doubling with incremental rehash too (two tables to search, 16 B instead of
 * 10.6 B per entry on the mean).
 *
 * Entries are owned by the caller; the table stores their addresses (48 bits). The caller gives
 * the hash of the key with each call: hash_bytes() of it, or what the type's own hash says.
 * A table is used under one lock at a time (the data token); nothing here locks.
 */
#ifndef DS_TABLE_H
#define DS_TABLE_H

#include "base/hash.h"
#include "base/macros.h"
#include "base/view.h"

#if defined(__SSE2__) && !defined(TABLE_PORTABLE)
#include <emmintrin.h>
#define TABLE_SSE2 1
#endif

#if defined(COG_DEBUG) || defined(__SANITIZE_ADDRESS__) || defined(TABLE_WIDE_SLOTS) ||            \
    __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#define TABLE_SLOTS 7
#define TABLE_SLOT_BYTES 8
#else
#define TABLE_SLOTS 9
#define TABLE_SLOT_BYTES 6
#endif

/* Buckets of a chunk; debug builds keep chunks small, so that small tests see many of them. */
#ifdef COG_DEBUG
#define TABLE_CHUNK_SHIFT 4
#else
#define TABLE_CHUNK_SHIFT 10
#endif
#define TABLE_CHUNK_BUCKETS ((size_t)1 << TABLE_CHUNK_SHIFT)

/* What an entry costs the table on the mean, between two splits: 10.6 bytes as measured. */
#define TABLE_ENTRY_BYTES ((size_t)(64 * 3 / (TABLE_SLOTS * 2)))

#define TABLE_CHAINED 1u /* meta: the last slot is the child bucket's address */

struct table_bucket {
    uint8_t meta;
    uint8_t tag[TABLE_SLOTS];
    uint8_t slot[TABLE_SLOTS * TABLE_SLOT_BYTES];
} __attribute__((aligned(64)));

struct table_chunk {
    struct table_bucket *buckets;
    int64_t bound; /* no entry of the chunk has a smaller value (expiry); INT64_MAX: none at all */
};

/* Private to the table, here so that searches can be inlined. */
struct table_body {
    struct table_chunk *chunks; /* &first, or a directory of its own */
    size_t buckets;             /* n, without children; at least 1 */
    size_t mask_hi;             /* 2^(L+1) - 1 */
    size_t used;                /* entries */
    struct table_chunk first;   /* the only chunk's home while there is only one */
    size_t children;            /* child buckets */
    uint32_t first_cap;         /* buckets allocated in the first chunk */
    uint32_t chunk_cap;         /* size of the directory; 1 while it is `first` */
    uint32_t pause;             /* open iterators and table_pause() calls */
    uint32_t depth;             /* no chain has more buckets than this */
    uint32_t depth_seen;        /* the same, of chains written since n was last 2^L */
};

/* An empty table is {NULL}; zeroed memory is an empty table. */
struct table {
    struct table_body *body;
};

struct table_type {
    /* The key inside an entry; borrowed, valid while the entry is. Required. */
    struct view (*key)(const void *entry);
    /* The hash of an entry's key, for types that keep it or hash otherwise; NULL: hash_bytes. */
    uint64_t (*hash)(const void *entry);
};

typedef void table_visit_fn(void *entry, void *ctx);

/* A place in the table, from table_find_ref: where the key is, or where it would go. Valid until
 * the table changes in any way. */
struct table_ref {
    struct table_bucket *bucket; /* NULL: the table was empty */
    uint64_t hash;
    unsigned slot; /* TABLE_SLOTS: the chain is full */
};

/* ---- searching: inline, so that a caller's constant type makes its key function inline ---- */

static inline uint8_t table__tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag ? tag : 1;
}

static inline size_t table__address(const struct table_body *body, uint64_t hash)
{
    size_t i = (size_t)hash & body->mask_hi;
    return i < body->buckets ? i : i & (body->mask_hi >> 1);
}

static inline struct table_bucket *table__bucket(const struct table_body *body, size_t i)
{
    return &body->chunks[i >> TABLE_CHUNK_SHIFT].buckets[i & (TABLE_CHUNK_BUCKETS - 1)];
}

/* Bit s is set when slot s carries the tag; tag 0 finds empty slots (and the child's). */
static inline unsigned table__match(const struct table_bucket *b, uint8_t tag)
{
#ifdef TABLE_SSE2
    __m128i head = _mm_load_si128((const __m128i *)(const void *)b);
    int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(head, _mm_set1_epi8((char)tag)));
    return ((unsigned)bits >> 1) & ((1u << TABLE_SLOTS) - 1);
#else
    unsigned bits = 0;
    for (unsigned s = 0; s < TABLE_SLOTS; s++) bits |= (unsigned)(b->tag[s] == tag) << s;
    return bits;
#endif
}

static inline void *table__get(const struct table_bucket *b, unsigned s)
{
    uint64_t word;
#if TABLE_SLOT_BYTES == 8
    memcpy(&word, b->slot + s * 8, 8);
#else
    /* The 8 bytes that end with the slot: never outside the line, the two strangers shifted out. */
    memcpy(&word, (const uint8_t *)b + 8 + s * 6, 8);
    word >>= 16;
#endif
    return (void *)(uintptr_t)word;
}

static inline struct table_bucket *table__child(const struct table_bucket *b)
{
    return table__get(b, TABLE_SLOTS - 1);
}

/* The slots of one bucket that hold entries, as bits. */
static inline unsigned table__occupied(const struct table_bucket *b)
{
    unsigned slots = b->meta & TABLE_CHAINED ? TABLE_SLOTS - 1 : TABLE_SLOTS;
    return ~table__match(b, 0) & ((1u << slots) - 1);
}

/* The slots of one bucket that can take an entry, as bits. */
static inline unsigned table__vacant(const struct table_bucket *b)
{
    unsigned slots = b->meta & TABLE_CHAINED ? TABLE_SLOTS - 1 : TABLE_SLOTS;
    return table__match(b, 0) & ((1u << slots) - 1);
}

/* Asks for the lines of an entry's head and of a short key's end: a block is aligned to 8 bytes,
 * so one key in four lies across two lines. */
static inline void table__prefetch_key(const void *entry)
{
    PREFETCH(entry);
    PREFETCH((const char *)entry + 31);
}

/* Asks for the keys of a bucket's entries, and for its child's line. */
static inline void table__prefetch_entries(const struct table_bucket *b)
{
    if (b->meta & TABLE_CHAINED) PREFETCH(table__child(b));
    for (unsigned bits = table__occupied(b); bits; bits &= bits - 1)
        table__prefetch_key(table__get(b, (unsigned)__builtin_ctz(bits)));
}

/* memcmp's call costs more than comparing a short key does. */
static inline bool table__same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t a0, a1, b0, b1;
    if (len - 8 > 8) return memcmp(a, b, len) == 0;
    memcpy(&a0, a, 8);
    memcpy(&b0, b, 8);
    memcpy(&a1, a + len - 8, 8);
    memcpy(&b1, b + len - 8, 8);
    return ((a0 ^ b0) | (a1 ^ b1)) == 0;
}

ALWAYS_INLINE bool table__is(const struct table_type *type, const void *entry, struct view key)
{
    struct view found = type->key(entry);
    return found.len == key.len && (key.len == 0 || table__same_bytes(found.ptr, key.ptr, key.len));
}

/* Number of entries. */
static inline size_t table_count(const struct table *t)
{
    return t->body ? t->body->used : 0;
}

/* The entry of `key`, or NULL; borrowed until it is removed. `hash` is the hash of `key`. */
ALWAYS_INLINE void *table_find(const struct table *t, const struct table_type *type,
                               struct view key, uint64_t hash)
{
    const struct table_body *body = t->body;
    if (unlikely(!body)) return NULL;
    const struct table_bucket *b = table__bucket(body, table__address(body, hash));
    uint8_t tag = table__tag(hash);
    for (;;) {
        for (unsigned hits = table__match(b, tag); hits; hits &= hits - 1) {
            void *entry = table__get(b, (unsigned)__builtin_ctz(hits));
            if (likely(table__is(type, entry, key))) return entry;
        }
        if (likely(!(b->meta & TABLE_CHAINED))) return NULL;
        b = table__child(b);
    }
}

/* As table_find, and says in *ref_out where the entry is, or, when NULL is returned, where
 * table_ref_insert may put it: an upsert walks the chain once. */
ALWAYS_INLINE void *table_find_ref(const struct table *t, const struct table_type *type,
                                   struct view key, uint64_t hash, struct table_ref *ref_out)
{
    struct table_body *body = t->body;
    *ref_out = (struct table_ref){.bucket = NULL, .hash = hash, .slot = TABLE_SLOTS};
    if (unlikely(!body)) return NULL;
    struct table_bucket *b = table__bucket(body, table__address(body, hash));
    uint8_t tag = table__tag(hash);
    for (;;) {
        for (unsigned hits = table__match(b, tag); hits; hits &= hits - 1) {
            unsigned s = (unsigned)__builtin_ctz(hits);
            void *entry = table__get(b, s);
            if (unlikely(!table__is(type, entry, key))) continue;
            ref_out->bucket = b;
            ref_out->slot = s;
            return entry;
        }
        if (ref_out->slot == TABLE_SLOTS) {
            unsigned vacant = table__vacant(b);
            ref_out->bucket = b;
            if (vacant) ref_out->slot = (unsigned)__builtin_ctz(vacant);
        }
        if (likely(!(b->meta & TABLE_CHAINED))) return NULL;
        b = table__child(b);
    }
}

/* First stage of a batched lookup: asks for the bucket's line. No effect on the table. */
static inline void table_prefetch_bucket(const struct table *t, uint64_t hash)
{
    const struct table_body *body = t->body;
    if (body) PREFETCH(table__bucket(body, table__address(body, hash)));
}

/* Second stage, once the bucket's line is there: asks for the first line of the entry whose tag
 * fits. Returns that address, or NULL; it is only a candidate, not to be read. */
static inline const void *table_prefetch_entry(const struct table *t, uint64_t hash)
{
    const struct table_body *body = t->body;
    if (!body) return NULL;
    const struct table_bucket *b = table__bucket(body, table__address(body, hash));
    unsigned hits = table__match(b, table__tag(hash));
    if (!hits) {
        if (b->meta & TABLE_CHAINED) PREFETCH(table__child(b));
        return NULL;
    }
    const void *entry = table__get(b, (unsigned)__builtin_ctz(hits));
    PREFETCH(entry);
    return entry;
}

/* ---- changing ---- */

/* For the table's own files: frees the body if no entry and no iterator needs it. */
void table__release_if_empty(struct table *t);

/* Adds `entry`, whose key the caller knows to be absent. Amortised O(1): at most 4 buckets are
 * split (about one per 8 inserts in the steady state). Aborts when memory is out. */
void table_insert(struct table *t, const struct table_type *type, void *entry, uint64_t hash);

/* Adds `entry` at the place that table_find_ref found empty; nothing may have changed the table
 * since then. Ends the ref. */
void table_ref_insert(struct table *t, const struct table_type *type, struct table_ref *ref,
                      void *entry);

/* Puts `entry` (same key) in the place of the one that table_find_ref found. The ref stays. */
void table_ref_replace(struct table_ref *ref, void *entry);

/* Takes the entry that table_find_ref found out of the table. Ends the ref. */
void table_ref_remove(struct table *t, struct table_ref *ref);

/* Takes the entry of `key` out of the table and hands it over; NULL when absent. Merges at most 4
 * buckets; the last entry's removal frees the body. */
void *table_remove(struct table *t, const struct table_type *type, struct view key, uint64_t hash);

/* Takes out `entry`, found by its address; its key isn't read. False when it isn't there. */
bool table_remove_entry(struct table *t, const void *entry, uint64_t hash);

/* Tells that an entry has moved (realloc): replaces the address. `old_entry` isn't read and may
 * be freed already. It must be in the table. */
void table_swap(struct table *t, uint64_t hash, const void *old_entry, void *new_entry);

/* Gives an empty table the buckets for `entries` entries, which then come without splits; a hint
 * for loaders. Does nothing on a table that has a body. Aborts when memory is out. */
void table_reserve(struct table *t, size_t entries);

/* Splits or merges up to `max_steps` buckets towards the right size; true when it is right. For a
 * cron: needed only after a freeze. */
bool table_resize_step(struct table *t, const struct table_type *type, unsigned max_steps);

/* While any freeze is on (a child process lives), no table of the process splits or merges, so
 * that pages stay shared; only one that would exceed four times its target fill does. Nested:
 * true adds one, false takes one. */
void table_freeze_all(bool on);

/* ---- walking ---- */

/* Emits whole buckets from `cursor` on (0 starts) until at least `min_entries` entries were
 * emitted or `max_buckets` buckets were visited, and returns the next cursor; 0 is the end. At
 * least one bucket is visited. Any 64-bit value is a legal cursor and comes to an end. Over a
 * whole scan each entry present throughout is emitted at least once, whatever is inserted or
 * removed between calls (docs/design/scan.md). `fn` must not change the table. Entries ahead are
 * prefetched: with large limits about 30 ns per cold entry. */
uint64_t table_scan(const struct table *t, uint64_t cursor, size_t min_entries, size_t max_buckets,
                    table_visit_fn *fn, void *ctx);

/* A full traversal that may remove; the fields are private. */
struct table_iter {
    struct table *table;
    struct table_body *body;
    struct table_bucket *bucket;
    size_t next; /* bucket number that comes after this chain */
    unsigned slot;
};

/* Starts a traversal. Until table_iter_end the table neither splits nor merges, and must not be
 * cleared. The entry just returned may be removed or swapped, others inserted; an entry present
 * throughout is returned, twice perhaps if there were inserts. */
void table_iter_init(struct table_iter *it, struct table *t);

/* The next entry, or NULL at the end; still to be followed by table_iter_end. */
void *table_iter_next(struct table_iter *it);

/* Removes the entry that table_iter_next returned last, without a search. Once per entry, and
 * before any insert. */
void table_iter_remove(struct table_iter *it);

/* Ends the traversal; right after the last one of an empty table its body is freed. */
void table_iter_end(struct table_iter *it);

/* A uniformly random entry, NULL when empty. A few hundred ns on a cold table; O(buckets) only
 * when nearly all buckets are empty. */
void *table_random(const struct table *t);

/* Up to `n` entries of random buckets into `out`, whole chains at a time, with repetition; their
 * first lines are prefetched. Returns how many: at least 1 unless the table is empty or n is 0. */
size_t table_sample(const struct table *t, size_t n, void **out);

/* ---- chunks and their lower bounds (expiry) ---- */

/* Number of chunks; 0 when empty. A chunk's number is valid until the table changes. */
size_t table_chunk_count(const struct table *t);

/* No entry of chunk i has a value below this; INT64_MAX: no entry has one. Splits, merges and
 * growth carry bounds along: they may become too low, never too high. */
int64_t table_chunk_bound(const struct table *t, size_t i);

/* After a visit of the whole chunk: the lowest value that it saw. */
void table_chunk_bound_set(struct table *t, size_t i, int64_t value);

/* An entry with this hash, which is in the table, has `value`: lowers its chunk's bound if need
 * be. An insert comes first, since it may split the chunk. */
void table_bound_lower(struct table *t, uint64_t hash, int64_t value);

/* Calls fn for each entry of chunk i (at most 1,024 chains), prefetched; fn must not change the
 * table but may note entries for later. */
void table_chunk_visit(const struct table *t, size_t i, table_visit_fn *fn, void *ctx);

/* ---- ending and measuring ---- */

/* Empties the table; fn (may be NULL) is called for each entry, which it may free. O(n). */
void table_clear(struct table *t, table_visit_fn *fn, void *ctx);

/* Detaches everything and leaves an empty table; NULL if it was empty. The body is freed by
 * table_free_step, on any thread. */
struct table_body *table_take_body(struct table *t);

/* Entries in a detached body. */
size_t table_body_count(const struct table_body *body);

/* Frees a slice of a detached body: whole buckets until at least `budget` entries were handed to
 * fn. True when all is gone (*body is NULL then). */
bool table_free_step(struct table_body **body, size_t budget, table_visit_fn *fn, void *ctx);

/* Bytes of the table itself, without entries. O(1). */
size_t table_memory(const struct table *t);

struct table_stats {
    size_t entries, buckets, children, memory_bytes;
    size_t chained;        /* buckets with at least one child */
    size_t longest;        /* buckets in the longest chain */
    size_t most;           /* entries in the fullest chain */
    size_t by_entries[32]; /* chains with i entries; the last one: 31 and more */
};

/* Walks all buckets (not the entries). */
void table_stats(const struct table *t, struct table_stats *out);

#endif
