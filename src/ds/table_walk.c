/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks of the main table: scan, iterators, random entries, chunks, statistics. None of them
 * moves an entry.
 *
 * A cold entry costs a memory latency, several hundred ns, when it is read alone, and a tenth of
 * that when a dozen are on their way at once. So every walk runs ahead of itself: some steps
 * ahead it asks for a bucket's line, half as many ahead, when that line has come, for the lines of
 * the bucket's entries. Nothing is remembered between calls: where a walk goes next follows from
 * where it is.
 */
#include "base/random.h"
#include "ds/table.h"

#define AHEAD_BUCKETS 8 /* steps from the request of a bucket's line to its use */
#define AHEAD_ENTRIES 4 /* steps from the request of its entries' lines to theirs */

static inline const struct table_bucket *next_in_chain(const struct table_bucket *b)
{
    return b->meta & TABLE_CHAINED ? table__child(b) : NULL;
}

/* Calls fn for each entry of a chain; returns how many. */
static size_t visit_chain(const struct table_bucket *b, table_visit_fn *fn, void *ctx)
{
    size_t visited = 0;
    for (; b; b = next_in_chain(b)) {
        if (b->meta & TABLE_CHAINED) table__prefetch_entries(table__child(b));
        for (unsigned bits = table__occupied(b); bits; bits &= bits - 1) {
            fn(table__get(b, (unsigned)__builtin_ctz(bits)), ctx);
            visited++;
        }
    }
    return visited;
}

static size_t chain_entries(const struct table_bucket *b, size_t *buckets_out)
{
    size_t entries = 0, buckets = 0;
    for (; b; b = next_in_chain(b)) {
        entries += (size_t)__builtin_popcount(table__occupied(b));
        buckets++;
    }
    *buckets_out = buckets;
    return entries;
}

/* ---- scan ---- */

static uint64_t reverse_bits(uint64_t x)
{
    x = ((x >> 1) & 0x5555555555555555ULL) | ((x & 0x5555555555555555ULL) << 1);
    x = ((x >> 2) & 0x3333333333333333ULL) | ((x & 0x3333333333333333ULL) << 2);
    x = ((x >> 4) & 0x0f0f0f0f0f0f0f0fULL) | ((x & 0x0f0f0f0f0f0f0f0fULL) << 4);
    return __builtin_bswap64(x);
}

/* The cursor behind the bucket that `cursor` lies in: the end of that bucket's interval of
 * reversed hashes, reversed. 0 when it was the last interval. */
static uint64_t scan_next(const struct table_body *body, uint64_t cursor)
{
    size_t half = (body->mask_hi >> 1) + 1;
    size_t i = table__address(body, cursor);
    bool is_split = i >= half || i + half < body->buckets;
    uint64_t mask = is_split ? body->mask_hi : body->mask_hi >> 1;
    return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

/* A cursor that runs ahead of the scan. */
struct scout {
    uint64_t cursor;
    bool ended;
};

static void scout_step(const struct table_body *body, struct scout *s)
{
    if (s->ended) return;
    s->cursor = scan_next(body, s->cursor);
    s->ended = s->cursor == 0;
}

uint64_t table_scan(const struct table *t, uint64_t cursor, size_t min_entries, size_t max_buckets,
                    table_visit_fn *fn, void *ctx)
{
    const struct table_body *body = t->body;
    if (!body) return 0;
    /* A short scan must not pay for lines that it will not reach. */
    size_t reach = MIN(min_entries / TABLE_SLOTS, max_buckets);
    size_t far_steps = MIN(reach, AHEAD_BUCKETS), near_steps = MIN(reach, AHEAD_ENTRIES);
    struct scout far = {.cursor = cursor}, near = {.cursor = cursor};
    PREFETCH(table__bucket(body, table__address(body, cursor)));
    for (size_t i = 0; i < far_steps; i++) {
        scout_step(body, &far);
        PREFETCH(table__bucket(body, table__address(body, far.cursor)));
    }
    for (size_t i = 0; i <= near_steps; i++) {
        table__prefetch_entries(table__bucket(body, table__address(body, near.cursor)));
        if (i < near_steps) scout_step(body, &near);
    }
    size_t entries = 0, buckets = 0;
    do {
        entries += visit_chain(table__bucket(body, table__address(body, cursor)), fn, ctx);
        buckets++;
        cursor = scan_next(body, cursor);
        scout_step(body, &far);
        scout_step(body, &near);
        if (!far.ended) PREFETCH(table__bucket(body, table__address(body, far.cursor)));
        if (!near.ended)
            table__prefetch_entries(table__bucket(body, table__address(body, near.cursor)));
    } while (cursor != 0 && entries < min_entries && buckets < max_buckets);
    return cursor;
}

/* ---- iterator: buckets in order of their numbers ---- */

/* Bucket numbers are in the order of memory, so the bucket lines come by themselves. */
static void prefetch_ahead(const struct table_body *body, size_t i)
{
    if (i + AHEAD_ENTRIES < body->buckets)
        table__prefetch_entries(table__bucket(body, i + AHEAD_ENTRIES));
}

void table_iter_init(struct table_iter *it, struct table *t)
{
    *it = (struct table_iter){.table = t, .body = t->body};
    if (!it->body) return;
    it->body->pause++;
    it->bucket = table__bucket(it->body, 0);
    it->next = 1;
}

void *table_iter_next(struct table_iter *it)
{
    while (it->bucket) {
        unsigned bits = table__occupied(it->bucket) & (~0u << it->slot);
        if (bits) {
            unsigned s = (unsigned)__builtin_ctz(bits);
            it->slot = s + 1;
            return table__get(it->bucket, s);
        }
        it->slot = 0;
        if (it->bucket->meta & TABLE_CHAINED) {
            it->bucket = table__child(it->bucket);
        } else if (it->next < it->body->buckets) {
            prefetch_ahead(it->body, it->next);
            it->bucket = table__bucket(it->body, it->next++);
        } else {
            it->bucket = NULL;
        }
    }
    return NULL;
}

void table_iter_remove(struct table_iter *it)
{
    ASSERT(it->bucket && it->slot > 0 && it->bucket->tag[it->slot - 1] != 0);
    it->bucket->tag[it->slot - 1] = 0;
    if (TABLE_SLOT_BYTES == 8) memset(it->bucket->slot + (it->slot - 1) * 8, 0, 8);
    it->body->used--;
}

void table_iter_end(struct table_iter *it)
{
    if (!it->body) return;
    ASSERT(it->table->body == it->body && it->body->pause > 0);
    it->body->pause--;
    table__release_if_empty(it->table);
    *it = (struct table_iter){0};
}

/* ---- random entries ---- */

/* The entry number k, counted in bucket order; k < used. O(buckets). */
static void *entry_by_rank(const struct table_body *body, size_t k)
{
    for (size_t i = 0; i < body->buckets; i++) {
        for (const struct table_bucket *b = table__bucket(body, i); b; b = next_in_chain(b)) {
            unsigned bits = table__occupied(b);
            size_t here = (size_t)__builtin_popcount(bits);
            if (k < here) {
                while (k--) bits &= bits - 1;
                return table__get(b, (unsigned)__builtin_ctz(bits));
            }
            k -= here;
        }
    }
    return NULL;
}

/* What lies at (level, slot) of a chain; NULL when nothing does. */
static void *entry_at(const struct table_bucket *b, uint64_t level, unsigned slot)
{
    for (; level > 0; level--) {
        if (!(b->meta & TABLE_CHAINED)) return NULL;
        b = table__child(b);
    }
    return table__occupied(b) >> slot & 1 ? table__get(b, slot) : NULL;
}

/* Every pair of a bucket and a place in the longest possible chain is equally likely, and the
 * draw is repeated until the place holds an entry: so every entry is equally likely, whether its
 * bucket is split or not. Draws are made four at a time to overlap their cache misses. */
void *table_random(const struct table *t)
{
    enum { DRAWS = 4, ROUNDS = 100 };
    const struct table_body *body = t->body;
    if (!body || body->used == 0) return NULL;
    uint64_t places = (uint64_t)body->depth * TABLE_SLOTS;
    for (int round = 0; round < ROUNDS; round++) {
        const struct table_bucket *drawn[DRAWS];
        for (int i = 0; i < DRAWS; i++) {
            drawn[i] = table__bucket(body, random_below(body->buckets));
            PREFETCH(drawn[i]);
        }
        for (int i = 0; i < DRAWS; i++) {
            uint64_t place = random_below(places);
            void *entry = entry_at(drawn[i], place / TABLE_SLOTS, (unsigned)(place % TABLE_SLOTS));
            if (entry) return entry;
        }
    }
    return entry_by_rank(body, random_below(body->used));
}

size_t table_sample(const struct table *t, size_t n, void **out)
{
    const struct table_body *body = t->body;
    if (!body || body->used == 0 || n == 0) return 0;
    size_t got = 0, tries = n + 16;
    size_t next = random_below(body->buckets);
    while (got < n && tries-- > 0) {
        const struct table_bucket *b = table__bucket(body, next);
        next = random_below(body->buckets);
        PREFETCH(table__bucket(body, next));
        for (; b && got < n; b = next_in_chain(b)) {
            for (unsigned bits = table__occupied(b); bits && got < n; bits &= bits - 1) {
                out[got] = table__get(b, (unsigned)__builtin_ctz(bits));
                PREFETCH(out[got++]);
            }
        }
    }
    if (got == 0) out[got++] = table_random(t);
    return got;
}

/* ---- chunks and statistics ---- */

void table_chunk_visit(const struct table *t, size_t i, table_visit_fn *fn, void *ctx)
{
    const struct table_body *body = t->body;
    ASSERT(i < table_chunk_count(t));
    size_t from = i << TABLE_CHUNK_SHIFT;
    size_t to = MIN(from + TABLE_CHUNK_BUCKETS, body->buckets);
    for (size_t at = from; at < MIN(from + AHEAD_ENTRIES, to); at++)
        table__prefetch_entries(table__bucket(body, at));
    for (size_t at = from; at < to; at++) {
        if (at + AHEAD_ENTRIES < to)
            table__prefetch_entries(table__bucket(body, at + AHEAD_ENTRIES));
        visit_chain(table__bucket(body, at), fn, ctx);
    }
}

void table_stats(const struct table *t, struct table_stats *out)
{
    const struct table_body *body = t->body;
    *out = (struct table_stats){0};
    if (!body) return;
    out->entries = body->used;
    out->buckets = body->buckets;
    out->children = body->children;
    out->memory_bytes = table_memory(t);
    for (size_t i = 0; i < body->buckets; i++) {
        size_t buckets = 0, entries = chain_entries(table__bucket(body, i), &buckets);
        out->chained += buckets > 1;
        out->longest = MAX(out->longest, buckets);
        out->most = MAX(out->most, entries);
        out->by_entries[MIN(entries, ARRAY_COUNT(out->by_entries) - 1)]++;
    }
}
