/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hashes: see hash.h for the two encodings. An entry of the table is one allocation:
 *
 *   field length (varint) | field | value length (varint) | value
 *
 * The value comes last, so that overwriting one never moves the field. 16 bytes of field and 16
 * of value make 34, in a slab's class of 40. The room of an entry follows from its lengths: a
 * value is overwritten in place when the entry keeps its room, without asking the allocator; else
 * a new entry takes the old one's slot, which costs no search.
 *
 * Values of any size are kept in the entry: a pointer to a block of its own for long ones would
 * cost every reader a test and save only the copy of the field, since the value is copied in
 * anyway.
 */
#include "types/hash.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/slab.h"
#include "ds/listpack.h"
#include "types/hashed.h"
#include "types/pick.h"
#include "types/rdb.h"

/* ---- entries of the table ---- */

static const struct table_type entry_type = {.key = hashed_text, .hash = NULL};

static struct view entry_value(const void *entry)
{
    struct view field = hashed_text(entry);
    size_t len;
    const uint8_t *p = varint_get((const uint8_t *)field.ptr + field.len, &len);
    return view_of((const char *)p, len);
}

static size_t entry_bytes(const void *entry)
{
    struct view value = entry_value(entry);
    return (size_t)(value.ptr + value.len - (const char *)entry);
}

static size_t entry_bytes_for(size_t field_len, size_t value_len)
{
    return hashed_text_bytes(field_len) + hashed_text_bytes(value_len);
}

static void *entry_new(struct view field, struct view value)
{
    uint8_t *entry = slab_alloc(entry_bytes_for(field.len, value.len));
    hashed_text_put(hashed_text_put(entry, field), value);
    return entry;
}

/* Gives the entry another value; the result is the entry, or a new one after the old was freed. */
static void *entry_overwrite(void *entry, struct view value)
{
    struct view field = hashed_text(entry);
    size_t old_bytes = entry_bytes(entry), new_bytes = entry_bytes_for(field.len, value.len);
    if (slab_room(new_bytes) == slab_room(old_bytes)) {
        hashed_text_put((uint8_t *)entry + hashed_text_bytes(field.len), value);
        return entry;
    }
    void *moved = entry_new(field, value);
    slab_free(entry, old_bytes);
    return moved;
}

static void entry_free(void *entry, void *ctx)
{
    UNUSED(ctx);
    slab_free(entry, entry_bytes(entry));
}

/* ---- encodings ---- */

/* Views of the pair whose field is at `pos`; integers are printed into the buffers. */
struct pair_text {
    char field_buf[NUM_I64_LEN], value_buf[NUM_I64_LEN];
    struct view field, value;
};

static uint8_t *pair_read(const uint8_t *lp, const uint8_t *pos, struct pair_text *pair)
{
    const uint8_t *value = listpack_next(lp, pos);
    pair->field = listpack_get_view(pos, pair->field_buf);
    pair->value = listpack_get_view(value, pair->value_buf);
    return listpack_next(lp, value);
}

static void convert(struct value *v, size_t expected)
{
    uint8_t *lp = v->ptr;
    struct table t = {NULL};
    table_reserve(&t, MAX(expected, listpack_count(lp) / 2));
    struct pair_text pair;
    for (uint8_t *pos = listpack_first(lp); pos;) {
        pos = pair_read(lp, pos, &pair);
        table_insert(&t, &entry_type, entry_new(pair.field, pair.value), hash_view(pair.field));
    }
    mem_free(lp);
    v->enc = ENC_HASHTABLE;
    v->ptr = t.body;
}

void hash_prepare(struct value *v, const struct arg *texts, size_t count)
{
    if (hashed_is(*v)) return;
    size_t sum = listpack_bytes(v->ptr);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len > type_limits.hash_max_listpack_value ||
            !num_add_size(sum, texts[i].len, &sum)) {
            convert(v, count / 2);
            return;
        }
    }
    if (sum > LISTPACK_MAX_BYTES) convert(v, count / 2);
}

/* ---- basic operations ---- */

struct value hash_new(void)
{
    return (struct value){.type = TYPE_HASH, .enc = ENC_LISTPACK, .ptr = listpack_new(0)};
}

bool hash_get(struct value v, struct arg *field, char buf[static NUM_I64_LEN],
              struct view *value_out)
{
    if (hashed_is(v)) {
        struct table t = hashed_table(v);
        const void *entry = table_find(&t, &entry_type, arg_view(field), arg_hash(field));
        if (!entry) return false;
        *value_out = entry_value(entry);
        return true;
    }
    const uint8_t *pos = listpack_pair_find(v.ptr, arg_view(field));
    if (!pos) return false;
    *value_out = listpack_get_view(pos, buf);
    return true;
}

bool hash_contains(struct value v, struct arg *field)
{
    if (!hashed_is(v)) return listpack_pair_find(v.ptr, arg_view(field)) != NULL;
    struct table t = hashed_table(v);
    return table_find(&t, &entry_type, arg_view(field), arg_hash(field)) != NULL;
}

static bool table_set(struct value *v, struct arg *field, struct view value)
{
    struct table t = hashed_table(*v);
    struct table_ref ref;
    void *entry = table_find_ref(&t, &entry_type, arg_view(field), arg_hash(field), &ref);
    if (entry) {
        void *now = entry_overwrite(entry, value);
        if (now != entry) table_ref_replace(&ref, now);
        return false;
    }
    table_ref_insert(&t, &entry_type, &ref, entry_new(arg_view(field), value));
    v->ptr = t.body;
    return true;
}

/* Adds a pair at the end, both or none. */
static enum status listpack_add_pair(uint8_t **lp, struct view field, struct view value)
{
    enum status status = listpack_append(lp, field);
    if (status) return status;
    status = listpack_append(lp, value);
    if (status) {
        uint8_t *last = listpack_last(*lp);
        listpack_delete(lp, &last, 1);
    }
    return status;
}

bool hash_set(struct value *v, struct arg *field, struct view value)
{
    size_t longest = type_limits.hash_max_listpack_value;
    if (!hashed_is(*v) && (field->len > longest || value.len > longest)) convert(v, 0);
    if (hashed_is(*v)) return table_set(v, field, value);

    uint8_t *lp = v->ptr;
    uint8_t *pos = listpack_pair_find(lp, arg_view(field));
    enum status status = pos ? listpack_replace(&lp, &pos, value)
                             : listpack_add_pair(&lp, arg_view(field), value);
    v->ptr = lp;
    if (unlikely(status)) { /* a listpack has a size that it can't exceed */
        convert(v, 0);
        return table_set(v, field, value);
    }
    /* Also when a value was replaced: the limit may have been lowered meanwhile. */
    if (listpack_count(lp) / 2 > type_limits.hash_max_listpack_entries) convert(v, 0);
    return !pos;
}

bool hash_remove(struct value *v, struct arg *field)
{
    if (hashed_is(*v)) {
        struct table t = hashed_table(*v);
        void *entry = table_remove(&t, &entry_type, arg_view(field), arg_hash(field));
        v->ptr = t.body;
        if (entry) entry_free(entry, NULL);
        return entry != NULL;
    }
    uint8_t *lp = v->ptr;
    uint8_t *pos = listpack_pair_find(lp, arg_view(field));
    if (!pos) return false;
    pos = listpack_prev(lp, pos);
    listpack_delete(&lp, &pos, 2);
    v->ptr = lp;
    return true;
}

/* ---- walks ---- */

struct walk {
    hash_visit_fn *fn;
    void *ctx;
    struct pick_walk pick; /* of hash_pick */
};

static void walk_visit(void *entry, void *ctx)
{
    struct walk *walk = ctx;
    walk->fn(walk->ctx, hashed_text(entry), entry_value(entry));
}

static void walk_listpack(const uint8_t *lp, hash_visit_fn *fn, void *ctx)
{
    struct pair_text pair;
    for (const uint8_t *pos = listpack_first(lp); pos;) {
        pos = pair_read(lp, pos, &pair);
        fn(ctx, pair.field, pair.value);
    }
}

void hash_each(struct value v, hash_visit_fn *fn, void *ctx)
{
    hash_scan(v, 0, SIZE_MAX, fn, ctx);
}

uint64_t hash_scan(struct value v, uint64_t cursor, size_t count, hash_visit_fn *fn, void *ctx)
{
    if (!hashed_is(v)) {
        walk_listpack(v.ptr, fn, ctx);
        return 0;
    }
    struct table t = hashed_table(v);
    struct walk walk = {.fn = fn, .ctx = ctx};
    return table_scan(&t, cursor, count, hashed_scan_buckets(count), walk_visit, &walk);
}

/* Draws from a listpack: its positions are noted once, since a seek costs a walk. */
static void draw_listpack(const uint8_t *lp, size_t count, hash_visit_fn *fn, void *ctx)
{
    size_t pairs = listpack_count(lp) / 2, n = 0;
    const uint8_t **fields = mem_alloc(pairs * sizeof(*fields));
    for (const uint8_t *pos = listpack_first(lp); pos;) {
        fields[n++] = pos;
        pos = listpack_next(lp, listpack_next(lp, pos));
    }
    struct pair_text pair;
    for (size_t i = 0; i < count; i++) {
        pair_read(lp, fields[random_below(n)], &pair);
        fn(ctx, pair.field, pair.value);
    }
    mem_free(fields);
}

void hash_draw(struct value v, size_t count, hash_visit_fn *fn, void *ctx)
{
    if (!hashed_is(v)) {
        if (count > 1) {
            draw_listpack(v.ptr, count, fn, ctx);
        } else if (count == 1) {
            struct pair_text pair;
            int64_t index = (int64_t)random_below(listpack_count(v.ptr) / 2) * 2;
            pair_read(v.ptr, listpack_seek(v.ptr, index), &pair);
            fn(ctx, pair.field, pair.value);
        }
        return;
    }
    struct table t = hashed_table(v);
    for (size_t i = 0; i < count; i++) {
        const void *entry = table_random(&t);
        fn(ctx, hashed_text(entry), entry_value(entry));
    }
}

static void pick_visit(void *entry, void *ctx)
{
    struct walk *walk = ctx;
    if (pick_walk_next(&walk->pick)) walk_visit(entry, ctx);
}

static void pick_sparse(const struct table *t, size_t count, hash_visit_fn *fn, void *ctx)
{
    struct pick_seen seen;
    pick_seen_init(&seen, count);
    while (count) {
        const void *entry = table_random(t);
        if (!pick_seen_add(&seen, (uint64_t)(uintptr_t)entry)) continue;
        fn(ctx, hashed_text(entry), entry_value(entry));
        count--;
    }
    pick_seen_release(&seen);
}

void hash_pick(struct value v, size_t count, hash_visit_fn *fn, void *ctx)
{
    size_t n = hash_length(v);
    if (count >= n) {
        hash_each(v, fn, ctx);
        return;
    }
    struct walk walk = {.fn = fn, .ctx = ctx};
    pick_walk_init(&walk.pick, n, count);
    if (hashed_is(v)) {
        struct table t = hashed_table(v);
        if (pick_is_sparse(count, n)) {
            pick_sparse(&t, count, fn, ctx);
        } else {
            table_scan(&t, 0, SIZE_MAX, SIZE_MAX, pick_visit, &walk);
        }
        return;
    }
    const uint8_t *lp = v.ptr;
    struct pair_text pair;
    for (const uint8_t *pos = listpack_first(lp); walk.pick.wanted;) {
        const uint8_t *next = pair_read(lp, pos, &pair);
        if (pick_walk_next(&walk.pick)) fn(ctx, pair.field, pair.value);
        pos = next;
    }
}

/* ---- the row ---- */

static void ops_free(struct value v)
{
    if (hashed_is(v)) {
        struct table t = hashed_table(v);
        table_clear(&t, entry_free, NULL);
    } else {
        mem_free(v.ptr);
    }
}

static size_t ops_length(struct value v)
{
    if (!hashed_is(v)) return listpack_count(v.ptr) / 2;
    struct table t = hashed_table(v);
    return table_count(&t);
}

static size_t ops_free_effort(struct value v)
{
    return hashed_is(v) ? ops_length(v) : 1;
}

static size_t ops_memory(struct value v, size_t samples)
{
    if (!hashed_is(v)) return mem_usable(v.ptr);
    return hashed_memory(v, samples, entry_bytes);
}

static void digest_visit(void *ctx, struct view field, struct view value)
{
    struct digest one = {{0}};
    digest_mix(&one, field.ptr, field.len);
    digest_mix(&one, value.ptr, value.len);
    digest_xor(ctx, one.bytes, sizeof(one.bytes));
}

static void ops_digest(struct value v, struct digest *d)
{
    hash_each(v, digest_visit, d);
}

static void copy_visit(void *ctx, struct view field, struct view value)
{
    table_insert(ctx, &entry_type, entry_new(field, value), hash_view(field));
}

static struct value ops_copy(struct value v)
{
    struct value copy = v;
    if (hashed_is(v)) {
        struct table t = {NULL};
        table_reserve(&t, ops_length(v));
        hash_each(v, copy_visit, &t);
        copy.ptr = t.body;
    } else {
        copy.ptr = listpack_copy(v.ptr);
    }
    return copy;
}

const struct type_ops hash_type_ops = {
    .name = "hash",
    .free = ops_free,
    .length = ops_length,
    .free_effort = ops_free_effort,
    .memory = ops_memory,
    .digest = ops_digest,
    .copy = ops_copy,
    .prefetch_place = hashed_prefetch_place,
    .prefetch_element = hashed_prefetch_element,
    .rdb_type = hash__rdb_type,
    .save = hash__save,
    .load = hash__load,
};
