/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries for tests of the main table, and a check of the table's invariants from outside. An
 * entry's hash is what the test says it is, so that chains can be made as long as wanted.
 */
#ifndef TESTS_TABLE_FIXTURE_H
#define TESTS_TABLE_FIXTURE_H

#include "base/mem.h"
#include "ds/table.h"
#include "unit.h"

struct item {
    uint64_t hash;
    int64_t value; /* what chunk bounds are about; INT64_MAX: none */
    uint32_t id;
    uint32_t seen; /* by a walk */
    uint8_t key_len;
    char key[23];
};

static inline struct view item_key(const void *entry)
{
    const struct item *item = entry;
    return view_of(item->key, item->key_len);
}

static inline uint64_t item_hash(const void *entry)
{
    return ((const struct item *)entry)->hash;
}

static const struct table_type item_type = {.key = item_key, .hash = item_hash};

static inline struct view id_key(uint32_t id, char buf[24])
{
    /* Lengths on both sides of the inlined comparison. */
    int len = snprintf(buf, 24, "%s%u", id % 3 == 0 ? "" : id % 3 == 1 ? "key:" : "a-long-key-",
                       id);
    return view_of(buf, (size_t)len);
}

static inline struct item *item_new(uint32_t id, uint64_t hash)
{
    char buf[24];
    struct view key = id_key(id, buf);
    struct item *item = mem_zalloc(sizeof(*item));
    item->id = id;
    item->hash = hash;
    item->value = INT64_MAX;
    item->key_len = (uint8_t)key.len;
    memcpy(item->key, key.ptr, key.len);
    return item;
}

/* The hash that the process would use. */
static inline uint64_t id_hash(uint32_t id)
{
    char buf[24];
    return hash_view(id_key(id, buf));
}

static inline void *find_id(const struct table *t, uint32_t id, uint64_t hash)
{
    char buf[24];
    return table_find(t, &item_type, id_key(id, buf), hash);
}

static inline void *remove_id(struct table *t, uint32_t id, uint64_t hash)
{
    char buf[24];
    return table_remove(t, &item_type, id_key(id, buf), hash);
}

static inline void free_item(void *entry, void *ctx)
{
    UNUSED(ctx);
    mem_free(entry);
}

/* Inserts ids [from, to) under their real hashes. */
static inline void insert_ids(struct table *t, uint32_t from, uint32_t to)
{
    for (uint32_t id = from; id < to; id++) {
        uint64_t hash = id_hash(id);
        table_insert(t, &item_type, item_new(id, hash), hash);
    }
}

/* Invariants 1 to 3 and 5 of table.c, and the counts. */
static inline void check_table(const struct table *t)
{
    const struct table_body *body = t->body;
    if (!body) return;
    size_t used = 0, children = 0;
    CHECK(body->buckets >= 1);
    CHECK(body->mask_hi > body->buckets - 1 && body->mask_hi >= body->buckets);
    CHECK((body->mask_hi >> 1) + 1 <= body->buckets);
    CHECK(((body->mask_hi + 1) & body->mask_hi) == 0);
    for (size_t i = 0; i < body->buckets; i++) {
        const struct table_bucket *b = table__bucket(body, i);
        uint32_t depth = 0;
        for (;;) {
            depth++;
            for (unsigned bits = table__occupied(b); bits; bits &= bits - 1) {
                unsigned s = (unsigned)__builtin_ctz(bits);
                const struct item *item = table__get(b, s);
                CHECK_INT(b->tag[s], table__tag(item->hash));
                CHECK_INT(table__address(body, item->hash), i);
                CHECK(body->chunks[i >> TABLE_CHUNK_SHIFT].bound <= item->value);
                used++;
            }
            if (!(b->meta & TABLE_CHAINED)) break;
            CHECK_INT(b->tag[TABLE_SLOTS - 1], 0);
            b = table__child(b);
            children++;
        }
        CHECK_MSG(depth <= body->depth, "chain of %u, bound %u", depth, body->depth);
    }
    CHECK_INT(used, body->used);
    CHECK_INT(children, body->children);
}

/* No chain is longer than its entries need. Holds where no iterator has left gaps. */
static inline void check_tight(const struct table *t)
{
    for (size_t i = 0; t->body && i < t->body->buckets; i++) {
        size_t entries = 0, children = 0;
        const struct table_bucket *b = table__bucket(t->body, i);
        for (;;) {
            entries += (size_t)__builtin_popcount(table__occupied(b));
            if (!(b->meta & TABLE_CHAINED)) break;
            b = table__child(b);
            children++;
        }
        CHECK_MSG(children == 0 || entries > children * (TABLE_SLOTS - 1) + 1,
                  "%zu entries, %zu children", entries, children);
    }
}

#endif
