/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changing the main table: insert, remove, split, merge, memory. Walks are in table_walk.c.
 *
 * Fill is counted in entries per slot of the n main buckets. An insert that pushes it above 85 %
 * splits bucket n - 2^L, the oldest one of the round, into itself and bucket n; a removal that
 * leaves less than 60 % for n - 1 buckets merges the last bucket into the one it came from. The
 * gap keeps a table that hovers from flapping.
 *
 * Invariants
 *   1  2^L <= n < 2^(L+1), mask_hi = 2^(L+1) - 1, and each entry is in the chain of
 *      table__address(hash).
 *   2  A slot's tag is 0 exactly when it holds no entry. The last slot of a chained bucket has
 *      tag 0 and the child's address.
 *   3  No chain is longer than `depth` buckets. Every chain is rewritten by a split once while n
 *      goes from 2^L to 2^(L+1), so the longest chain written in that round is the next bound.
 *   4  While pause > 0 no entry changes its slot (but by an insert that turns a last slot into a
 *      child's address, which moves it further down the chain), and no bucket is freed.
 *   5  A chunk's bound is at most that of any chunk its entries came from.
 */
#include "ds/table.h"

#include <stdatomic.h>

#include "base/mem.h"

#define BUCKET_BYTES sizeof(struct table_bucket)
#define CATCH_UP_STEPS 4
#define LAST_SLOT (TABLE_SLOTS - 1)

/* A hint for loaders comes from files, so it buys 40 MB at most. */
#define RESERVE_MAX_ENTRIES ((size_t)4 << 20)

_Static_assert(sizeof(struct table_bucket) == 64, "a bucket is a cache line");

/* The process-wide freeze; read by tables that other threads own, hence atomic. */
static _Atomic unsigned freezes;

/* A place in a chain that only moves forward. */
struct chain_pos {
    struct table_bucket *prev, *bucket;
    unsigned slot;
    uint32_t depth;
};

/* ---- slots ---- */

static inline void set_slot(struct table_bucket *b, unsigned s, uint8_t tag, const void *entry)
{
    uint64_t word = (uint64_t)(uintptr_t)entry;
    ASSERT(TABLE_SLOT_BYTES == 8 || word >> 48 == 0);
    b->tag[s] = tag;
    memcpy(b->slot + s * TABLE_SLOT_BYTES, &word, TABLE_SLOT_BYTES);
}

/* Where a leak checker reads the slots, a stale address would hide a leak. */
static inline void clear_slot(struct table_bucket *b, unsigned s)
{
    b->tag[s] = 0;
    if (TABLE_SLOT_BYTES == 8) memset(b->slot + s * 8, 0, 8);
}

static inline void unchain(struct table_bucket *b)
{
    b->meta &= (uint8_t)~TABLE_CHAINED;
    clear_slot(b, LAST_SLOT);
}

static inline uint64_t entry_hash(const struct table_type *type, const void *entry)
{
    if (type->hash) return type->hash(entry);
    struct view key = type->key(entry);
    return hash_bytes(key.ptr, key.len);
}

/* ---- chains ---- */

static inline void note_depth(struct table_body *body, uint32_t depth)
{
    if (depth > body->depth) body->depth = depth;
    if (depth > body->depth_seen) body->depth_seen = depth;
}

/* Hangs a child under a full bucket; the entry of the last slot moves into it. */
static struct table_bucket *extend(struct table_body *body, struct table_bucket *b)
{
    struct table_bucket *child = mem_alloc_aligned(BUCKET_BYTES, BUCKET_BYTES);
    memset(child, 0, BUCKET_BYTES);
    set_slot(child, 0, b->tag[LAST_SLOT], table__get(b, LAST_SLOT));
    set_slot(b, LAST_SLOT, 0, child);
    b->meta |= TABLE_CHAINED;
    body->children++;
    return child;
}

/* Puts an entry into the first vacant slot at or behind the position. */
static void chain_put(struct table_body *body, struct chain_pos *pos, uint8_t tag,
                      const void *entry)
{
    unsigned vacant;
    while (!(vacant = table__vacant(pos->bucket) & (~0u << pos->slot))) {
        bool chained = pos->bucket->meta & TABLE_CHAINED;
        struct table_bucket *next = chained ? table__child(pos->bucket) : extend(body, pos->bucket);
        pos->prev = pos->bucket;
        pos->bucket = next;
        pos->slot = 0;
        pos->depth++;
    }
    pos->slot = (unsigned)__builtin_ctz(vacant);
    set_slot(pos->bucket, pos->slot, tag, entry);
    note_depth(body, pos->depth);
}

static void free_children(struct table_body *body, struct table_bucket *b)
{
    struct table_bucket *child = b->meta & TABLE_CHAINED ? table__child(b) : NULL;
    while (child) {
        struct table_bucket *next = child->meta & TABLE_CHAINED ? table__child(child) : NULL;
        mem_free(child);
        body->children--;
        child = next;
    }
}

/* Drops an unchained last bucket that is empty, or whose only entry fits where its address is. */
static void drop_last(struct table_body *body, struct table_bucket *prev,
                      struct table_bucket *last)
{
    unsigned occupied = table__occupied(last);
    if (occupied & (occupied - 1)) return;
    unchain(prev);
    if (occupied) {
        unsigned s = (unsigned)__builtin_ctz(occupied);
        set_slot(prev, LAST_SLOT, last->tag[s], table__get(last, s));
    }
    mem_free(last);
    body->children--;
}

/* Ends a chain behind `pos`, the last entry's place; what follows is empty. */
static void chain_cut(struct table_body *body, struct chain_pos *pos)
{
    struct table_bucket *b = pos->bucket;
    if (b->meta & TABLE_CHAINED) {
        free_children(body, b);
        unchain(b);
    }
    if (pos->prev) drop_last(body, pos->prev, b);
}

/* After a removal: fills the hole from the chain's last bucket, so that chains stay short. */
static void chain_tidy(struct table_body *body, struct table_bucket *head)
{
    struct table_bucket *prev = NULL, *last = head;
    while (last->meta & TABLE_CHAINED) {
        prev = last;
        last = table__child(last);
    }
    if (!prev) return;
    unsigned occupied = table__occupied(last);
    for (struct table_bucket *b = head; b != last && occupied; b = table__child(b)) {
        for (unsigned vacant = table__vacant(b); vacant && occupied; vacant &= vacant - 1) {
            unsigned s = (unsigned)__builtin_ctz(occupied);
            set_slot(b, (unsigned)__builtin_ctz(vacant), last->tag[s], table__get(last, s));
            clear_slot(last, s);
            occupied &= occupied - 1;
        }
    }
    drop_last(body, prev, last);
}

/* ---- memory of the main buckets ---- */

static size_t chunks_in_use(const struct table_body *body)
{
    return (body->buckets + TABLE_CHUNK_BUCKETS - 1) >> TABLE_CHUNK_SHIFT;
}

/* 1, 2, 3 … 8, 10, 12 … 16, 20 …: a quarter more each time, the allocator's own classes. Debug
 * builds move the chunk at every step. */
static size_t next_first_cap(size_t cap)
{
#ifdef COG_DEBUG
    return cap + 1;
#else
    size_t step = 1;
    while (step * 8 <= cap) step *= 2;
    return cap + step;
#endif
}

static void resize_first(struct table_body *body, size_t cap)
{
    struct table_bucket *old = body->chunks[0].buckets;
    struct table_bucket *moved = mem_alloc_aligned(BUCKET_BYTES, cap * BUCKET_BYTES);
    if (old) memcpy(moved, old, MIN(body->buckets, cap) * BUCKET_BYTES);
    body->chunks[0].buckets = moved;
    body->first_cap = (uint32_t)cap;
    mem_free(old);
}

static void grow_directory(struct table_body *body)
{
    size_t cap = (size_t)body->chunk_cap * 2;
    bool at_home = body->chunks == &body->first;
    struct table_chunk *moved = mem_realloc(at_home ? NULL : body->chunks, cap * sizeof(*moved));
    if (at_home) moved[0] = body->first;
    body->chunks = moved;
    body->chunk_cap = (uint32_t)cap;
}

/* Makes memory for bucket number n; its content is undefined. */
static void add_room(struct table_body *body)
{
    size_t n = body->buckets, chunk = n >> TABLE_CHUNK_SHIFT;
    if (chunk == 0) {
        if (n == body->first_cap) resize_first(body, MIN(next_first_cap(n), TABLE_CHUNK_BUCKETS));
        return;
    }
    if (n & (TABLE_CHUNK_BUCKETS - 1)) return;
    if (chunk == body->chunk_cap) grow_directory(body);
    body->chunks[chunk].buckets =
        mem_alloc_aligned(BUCKET_BYTES, TABLE_CHUNK_BUCKETS * BUCKET_BYTES);
    body->chunks[chunk].bound = INT64_MAX;
}

/* Gives back memory behind bucket n - 1, which has just become the last one. */
static void drop_room(struct table_body *body)
{
    size_t n = body->buckets, chunk = n >> TABLE_CHUNK_SHIFT;
    if (chunk > 0) {
        if (n & (TABLE_CHUNK_BUCKETS - 1)) return;
        mem_free(body->chunks[chunk].buckets);
        if (chunk > 1) return;
        struct table_chunk *directory = body->chunks;
        body->first = directory[0];
        body->chunks = &body->first;
        body->chunk_cap = 1;
        mem_free(directory);
        return;
    }
    if (n * 2 > body->first_cap) return;
    size_t cap = 1;
    while (cap < n) cap = next_first_cap(cap);
    if (cap < body->first_cap) resize_first(body, cap);
}

static struct table_body *body_new(void)
{
    struct table_body *body = mem_zalloc(sizeof(*body));
    body->chunks = &body->first;
    body->chunk_cap = 1;
    body->first.bound = INT64_MAX;
    resize_first(body, 1);
    memset(body->first.buckets, 0, BUCKET_BYTES);
    body->buckets = 1;
    body->mask_hi = 1;
    body->depth = body->depth_seen = 1;
    return body;
}

void table__release_if_empty(struct table *t)
{
    struct table_body *body = t->body;
    if (!body || body->used || body->pause) return;
    t->body = NULL;
    table_free_step(&body, SIZE_MAX, NULL, NULL);
}

/* ---- split and merge ---- */

static void carry_bound(struct table_body *body, size_t from, size_t to)
{
    struct table_chunk *src = &body->chunks[from >> TABLE_CHUNK_SHIFT];
    struct table_chunk *dst = &body->chunks[to >> TABLE_CHUNK_SHIFT];
    if (src->bound < dst->bound) dst->bound = src->bound;
}

/* The next split, some eight inserts away, finds its entries in the cache, and the one after it
 * the bucket. */
static void prefetch_next_split(const struct table_body *body)
{
    size_t src = body->buckets - ((body->mask_hi >> 1) + 1);
    table__prefetch_entries(table__bucket(body, src));
    if (src + 1 < body->buckets) PREFETCH(table__bucket(body, src + 1));
}

/* Leaves the entries whose hash lacks `bit` in `from`, closed up, and moves the others to `to`.
 * Each slot is emptied before its entry is put, so the kept ones never overtake the reading. */
static void split_chain(struct table_body *body, const struct table_type *type,
                        struct table_bucket *from, struct table_bucket *to, uint64_t bit)
{
    struct chain_pos kept = {.bucket = from, .depth = 1}, moved = {.bucket = to, .depth = 1};
    for (struct table_bucket *b = from; b;) {
        struct table_bucket *next = b->meta & TABLE_CHAINED ? table__child(b) : NULL;
        if (next) table__prefetch_entries(next);
        for (unsigned bits = table__occupied(b); bits; bits &= bits - 1) {
            unsigned s = (unsigned)__builtin_ctz(bits);
            uint8_t tag = b->tag[s];
            void *entry = table__get(b, s);
            clear_slot(b, s);
            chain_put(body, entry_hash(type, entry) & bit ? &moved : &kept, tag, entry);
        }
        b = next;
    }
    chain_cut(body, &kept);
}

/* One more bucket. Invariant 3: a finished round turns the depth it saw into the bound. */
static void split(struct table_body *body, const struct table_type *type)
{
    add_room(body);
    size_t half = (body->mask_hi >> 1) + 1;
    size_t dst = body->buckets, src = dst - half;
    struct table_bucket *to = table__bucket(body, dst);
    memset(to, 0, BUCKET_BYTES);
    split_chain(body, type, table__bucket(body, src), to, half);
    carry_bound(body, src, dst);
    body->buckets++;
    if (body->buckets == half * 2) {
        body->mask_hi = body->mask_hi * 2 + 1;
        body->depth = body->depth_seen;
        body->depth_seen = 1;
    }
    prefetch_next_split(body);
}

/* One bucket less: the reverse of the last split, without reading any entry. */
static void merge(struct table_body *body)
{
    size_t half = (body->mask_hi >> 1) + 1;
    if (body->buckets == half) {
        body->mask_hi >>= 1;
        half >>= 1;
        body->depth_seen = body->depth;
    }
    size_t src = body->buckets - 1, dst = src - half;
    struct table_bucket *from = table__bucket(body, src);
    struct chain_pos pos = {.bucket = table__bucket(body, dst), .depth = 1};
    for (struct table_bucket *b = from; b; b = b->meta & TABLE_CHAINED ? table__child(b) : NULL) {
        for (unsigned bits = table__occupied(b); bits; bits &= bits - 1) {
            unsigned s = (unsigned)__builtin_ctz(bits);
            chain_put(body, &pos, b->tag[s], table__get(b, s));
        }
    }
    free_children(body, from);
    carry_bound(body, src, dst);
    body->buckets--;
    drop_room(body);
}

static bool too_full(const struct table_body *body)
{
    return body->used * 20 > body->buckets * (17 * TABLE_SLOTS);
}

static bool too_empty(const struct table_body *body)
{
    return body->used * 20 < (body->buckets - 1) * (12 * TABLE_SLOTS);
}

/* A frozen table may exceed its fill, but not so far that lookups walk. */
static bool frozen(const struct table_body *body)
{
    if (likely(!atomic_load_explicit(&freezes, memory_order_relaxed))) return false;
    return body->used * 20 <= body->buckets * (4 * 17 * TABLE_SLOTS);
}

static void settle_insert(struct table_body *body, const struct table_type *type)
{
    body->used++;
    if (likely(!too_full(body)) || body->pause || frozen(body)) return;
    for (int i = 0; i < CATCH_UP_STEPS && too_full(body); i++) split(body, type);
}

/* `head` is the first bucket of the chain that lost an entry. */
static void settle_remove(struct table *t, struct table_bucket *head)
{
    struct table_body *body = t->body;
    body->used--;
    if (unlikely(body->pause)) return;
    if (unlikely(body->used == 0)) {
        table__release_if_empty(t);
        return;
    }
    if (head->meta & TABLE_CHAINED) chain_tidy(body, head);
    if (likely(!too_empty(body)) || frozen(body)) return;
    for (int i = 0; i < CATCH_UP_STEPS && too_empty(body); i++) merge(body);
}

/* ---- public ---- */

void table_insert(struct table *t, const struct table_type *type, void *entry, uint64_t hash)
{
    if (unlikely(!t->body)) t->body = body_new();
    struct table_body *body = t->body;
    size_t i = table__address(body, hash);
    struct chain_pos pos = {.bucket = table__bucket(body, i), .depth = 1};
    DEBUG_ASSERT(entry_hash(type, entry) == hash);
    chain_put(body, &pos, table__tag(hash), entry);
    settle_insert(body, type);
}

void table_ref_insert(struct table *t, const struct table_type *type, struct table_ref *ref,
                      void *entry)
{
    if (unlikely(ref->slot == TABLE_SLOTS)) {
        /* Empty table or full chain: rare, and the depth must be counted. */
        table_insert(t, type, entry, ref->hash);
    } else {
        DEBUG_ASSERT(entry_hash(type, entry) == ref->hash && !ref->bucket->tag[ref->slot]);
        set_slot(ref->bucket, ref->slot, table__tag(ref->hash), entry);
        settle_insert(t->body, type);
    }
    ref->bucket = NULL;
}

void table_ref_replace(struct table_ref *ref, void *entry)
{
    set_slot(ref->bucket, ref->slot, table__tag(ref->hash), entry);
}

void table_ref_remove(struct table *t, struct table_ref *ref)
{
    struct table_body *body = t->body;
    ASSERT(ref->bucket && ref->bucket->tag[ref->slot] == table__tag(ref->hash));
    clear_slot(ref->bucket, ref->slot);
    settle_remove(t, table__bucket(body, table__address(body, ref->hash)));
    ref->bucket = NULL;
}

void *table_remove(struct table *t, const struct table_type *type, struct view key, uint64_t hash)
{
    struct table_ref ref;
    void *entry = table_find_ref(t, type, key, hash, &ref);
    if (entry) table_ref_remove(t, &ref);
    return entry;
}

/* Finds an entry by its address: *ref_out is filled as table_find_ref does. */
static bool find_address(const struct table *t, const void *entry, uint64_t hash,
                         struct table_ref *ref_out)
{
    struct table_body *body = t->body;
    struct table_bucket *b = body ? table__bucket(body, table__address(body, hash)) : NULL;
    while (b) {
        for (unsigned hits = table__match(b, table__tag(hash)); hits; hits &= hits - 1) {
            unsigned s = (unsigned)__builtin_ctz(hits);
            if (table__get(b, s) != entry) continue;
            *ref_out = (struct table_ref){.bucket = b, .hash = hash, .slot = s};
            return true;
        }
        b = b->meta & TABLE_CHAINED ? table__child(b) : NULL;
    }
    return false;
}

bool table_remove_entry(struct table *t, const void *entry, uint64_t hash)
{
    struct table_ref ref;
    if (!find_address(t, entry, hash, &ref)) return false;
    table_ref_remove(t, &ref);
    return true;
}

void table_swap(struct table *t, uint64_t hash, const void *old_entry, void *new_entry)
{
    struct table_ref ref;
    bool found = find_address(t, old_entry, hash, &ref);
    ASSERT(found);
    table_ref_replace(&ref, new_entry);
}

void table_reserve(struct table *t, size_t entries)
{
    if (t->body || entries == 0) return;
    size_t n = MIN(entries, RESERVE_MAX_ENTRIES) * 20 / (17 * TABLE_SLOTS) + 1;
    struct table_body *body = t->body = body_new();
    resize_first(body, MIN(n, TABLE_CHUNK_BUCKETS));
    for (; body->buckets < n; body->buckets++) {
        add_room(body);
        memset(table__bucket(body, body->buckets), 0, BUCKET_BYTES);
    }
    while (body->buckets > body->mask_hi) body->mask_hi = body->mask_hi * 2 + 1;
}

bool table_resize_step(struct table *t, const struct table_type *type, unsigned max_steps)
{
    struct table_body *body = t->body;
    if (!body || body->pause || frozen(body)) return true;
    if (body->used == 0) table__release_if_empty(t);
    if (!t->body) return true;
    for (; max_steps && too_full(body); max_steps--) split(body, type);
    for (; max_steps && too_empty(body); max_steps--) merge(body);
    return !too_full(body) && !too_empty(body);
}

void table_freeze_all(bool on)
{
    ASSERT(on || atomic_load_explicit(&freezes, memory_order_relaxed) > 0);
    if (on)
        atomic_fetch_add_explicit(&freezes, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&freezes, 1, memory_order_relaxed);
}

/* ---- chunk bounds ---- */

size_t table_chunk_count(const struct table *t)
{
    return t->body ? chunks_in_use(t->body) : 0;
}

int64_t table_chunk_bound(const struct table *t, size_t i)
{
    ASSERT(i < table_chunk_count(t));
    return t->body->chunks[i].bound;
}

void table_chunk_bound_set(struct table *t, size_t i, int64_t value)
{
    ASSERT(i < table_chunk_count(t));
    t->body->chunks[i].bound = value;
}

void table_bound_lower(struct table *t, uint64_t hash, int64_t value)
{
    struct table_body *body = t->body;
    ASSERT(body);
    int64_t *bound = &body->chunks[table__address(body, hash) >> TABLE_CHUNK_SHIFT].bound;
    if (value < *bound) *bound = value;
}

/* ---- ending ---- */

struct table_body *table_take_body(struct table *t)
{
    struct table_body *body = t->body;
    ASSERT(!body || body->pause == 0);
    t->body = NULL;
    return body;
}

size_t table_body_count(const struct table_body *body)
{
    return body ? body->used : 0;
}

void table_clear(struct table *t, table_visit_fn *fn, void *ctx)
{
    struct table_body *body = table_take_body(t);
    table_free_step(&body, SIZE_MAX, fn, ctx);
}

/* Hands a chain's entries to fn, frees its children; returns the number of entries. */
static size_t free_chain(struct table_body *body, struct table_bucket *head, table_visit_fn *fn,
                         void *ctx)
{
    size_t freed = 0;
    for (struct table_bucket *b = head; b; b = b->meta & TABLE_CHAINED ? table__child(b) : NULL) {
        for (unsigned bits = table__occupied(b); bits; bits &= bits - 1) {
            if (fn) fn(table__get(b, (unsigned)__builtin_ctz(bits)), ctx);
            freed++;
        }
    }
    free_children(body, head);
    return freed;
}

bool table_free_step(struct table_body **body_ref, size_t budget, table_visit_fn *fn, void *ctx)
{
    enum { AHEAD = 4 };
    struct table_body *body = *body_ref;
    if (!body) return true;
    size_t spent = 0;
    while (body->buckets > 0 && spent < budget) {
        size_t i = --body->buckets;
        if (fn && i >= AHEAD) table__prefetch_entries(table__bucket(body, i - AHEAD));
        if (fn || body->children) {
            size_t freed = free_chain(body, table__bucket(body, i), fn, ctx);
            body->used -= freed;
            spent += MAX(freed, 1);
        }
        if ((i & (TABLE_CHUNK_BUCKETS - 1)) == 0)
            mem_free(body->chunks[i >> TABLE_CHUNK_SHIFT].buckets);
    }
    if (body->buckets > 0) return false;
    if (body->chunks != &body->first) mem_free(body->chunks);
    mem_free(body);
    *body_ref = NULL;
    return true;
}

size_t table_memory(const struct table *t)
{
    const struct table_body *body = t->body;
    if (!body) return 0;
    size_t chunks = chunks_in_use(body);
    size_t buckets = body->first_cap + (chunks - 1) * TABLE_CHUNK_BUCKETS + body->children;
    size_t directory = body->chunks == &body->first ? 0 : body->chunk_cap * sizeof(body->first);
    return sizeof(*body) + buckets * BUCKET_BYTES + directory;
}
