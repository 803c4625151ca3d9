/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets: see set.h for the two encodings. An entry of the table is one allocation:
 *
 *   length (varint) | member
 *
 * 16 bytes of member make 17, in a slab's class of 24. Members could be packed several to
 * an allocation, but then removal would have to move neighbours that the table points at.
 */
#include "types/set.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/random.h"
#include "base/slab.h"
#include "ds/intset.h"
#include "types/hashed.h"
#include "types/pick.h"
#include "types/rdb.h"

/* Taking up to so many out of an intset moves its tail each time; more of them rebuild it. */
#define POP_IN_PLACE_MAX 8

/* A set is rebuilt from what remains when that is at most a fifth of what is taken. This is
 * stock's rule, and it shows: the new set may be an intset again. */
#define POP_REBUILD_FACTOR 5

/* ---- entries of the table ---- */

static const struct table_type entry_type = {.key = hashed_text, .hash = NULL};

static size_t entry_bytes(const void *entry)
{
    return hashed_text_bytes(hashed_text(entry).len);
}

static void *entry_new(struct view member)
{
    uint8_t *entry = slab_alloc(hashed_text_bytes(member.len));
    hashed_text_put(entry, member);
    return entry;
}

static void entry_free(void *entry, void *ctx)
{
    UNUSED(ctx);
    slab_free(entry, entry_bytes(entry));
}

/* ---- encodings ---- */

static struct view text_of_int(int64_t number, char buf[static NUM_I64_LEN])
{
    return view_of(buf, num_format_i64(buf, number));
}

static void convert(struct value *v)
{
    struct intset *ints = v->ptr;
    struct table t = {NULL};
    table_reserve(&t, intset_count(ints) + 1);
    for (size_t i = 0; i < intset_count(ints); i++) {
        char buf[NUM_I64_LEN];
        struct view member = text_of_int(intset_get(ints, i), buf);
        table_insert(&t, &entry_type, entry_new(member), hash_view(member));
    }
    mem_free(ints);
    v->enc = ENC_HASHTABLE;
    v->ptr = t.body;
}

/* ---- basic operations ---- */

struct value set_new(void)
{
    return (struct value){.type = TYPE_SET, .enc = ENC_INTSET, .ptr = intset_new()};
}

bool set_contains(struct value v, struct arg *member)
{
    if (hashed_is(v)) {
        struct table t = hashed_table(v);
        return table_find(&t, &entry_type, arg_view(member), arg_hash(member)) != NULL;
    }
    int64_t number;
    return !num_parse_i64(arg_view(member), &number) && intset_contains(v.ptr, number);
}

static bool table_add(struct value *v, struct arg *member)
{
    struct table t = hashed_table(*v);
    struct table_ref ref;
    if (table_find_ref(&t, &entry_type, arg_view(member), arg_hash(member), &ref)) return false;
    table_ref_insert(&t, &entry_type, &ref, entry_new(arg_view(member)));
    v->ptr = t.body;
    return true;
}

bool set_add(struct value *v, struct arg *member)
{
    int64_t number;
    if (!hashed_is(*v) && !num_parse_i64(arg_view(member), &number)) {
        struct intset *ints = v->ptr;
        enum status status = intset_add(&ints, number);
        v->ptr = ints;
        if (status == STATUS_EXISTS) return false;
        if (likely(!status)) {
            if (intset_count(ints) > type_limits.set_max_intset_entries) convert(v);
            return true;
        }
    }
    if (!hashed_is(*v)) convert(v);
    return table_add(v, member);
}

bool set_remove(struct value *v, struct arg *member)
{
    if (hashed_is(*v)) {
        struct table t = hashed_table(*v);
        void *entry = table_remove(&t, &entry_type, arg_view(member), arg_hash(member));
        v->ptr = t.body;
        if (entry) entry_free(entry, NULL);
        return entry != NULL;
    }
    int64_t number;
    if (num_parse_i64(arg_view(member), &number)) return false;
    struct intset *ints = v->ptr;
    bool removed = intset_remove(&ints, number);
    v->ptr = ints;
    return removed;
}

/* ---- walks ---- */

struct walk {
    set_visit_fn *fn;
    void *ctx;
    struct pick_walk pick; /* of picks and pops */
    struct value *rest;    /* of a rebuilding pop: what isn't taken */
};

static void walk_visit(void *entry, void *ctx)
{
    struct walk *walk = ctx;
    walk->fn(walk->ctx, hashed_text(entry));
}

static void visit_int(const struct intset *ints, size_t index, set_visit_fn *fn, void *ctx)
{
    char buf[NUM_I64_LEN];
    fn(ctx, text_of_int(intset_get(ints, index), buf));
}

void set_each(struct value v, set_visit_fn *fn, void *ctx)
{
    set_scan(v, 0, SIZE_MAX, fn, ctx);
}

uint64_t set_scan(struct value v, uint64_t cursor, size_t count, set_visit_fn *fn, void *ctx)
{
    if (!hashed_is(v)) {
        for (size_t i = 0; i < intset_count(v.ptr); i++) visit_int(v.ptr, i, fn, ctx);
        return 0;
    }
    struct table t = hashed_table(v);
    struct walk walk = {.fn = fn, .ctx = ctx};
    return table_scan(&t, cursor, count, hashed_scan_buckets(count), walk_visit, &walk);
}

void set_draw(struct value v, size_t count, set_visit_fn *fn, void *ctx)
{
    struct table t = hashed_is(v) ? hashed_table(v) : (struct table){NULL};
    for (size_t i = 0; i < count; i++) {
        if (hashed_is(v)) {
            fn(ctx, hashed_text(table_random(&t)));
        } else {
            visit_int(v.ptr, random_below(intset_count(v.ptr)), fn, ctx);
        }
    }
}

/* ---- distinct choices ---- */

static void pick_visit(void *entry, void *ctx)
{
    struct walk *walk = ctx;
    if (pick_walk_next(&walk->pick)) walk_visit(entry, ctx);
}

static void pick_sparse(struct value v, size_t count, set_visit_fn *fn, void *ctx)
{
    struct table t = hashed_is(v) ? hashed_table(v) : (struct table){NULL};
    struct pick_seen seen;
    pick_seen_init(&seen, count);
    while (count) {
        if (hashed_is(v)) {
            const void *entry = table_random(&t);
            if (!pick_seen_add(&seen, (uint64_t)(uintptr_t)entry)) continue;
            fn(ctx, hashed_text(entry));
        } else {
            size_t index = random_below(intset_count(v.ptr));
            if (!pick_seen_add(&seen, index)) continue;
            visit_int(v.ptr, index, fn, ctx);
        }
        count--;
    }
    pick_seen_release(&seen);
}

void set_pick(struct value v, size_t count, set_visit_fn *fn, void *ctx)
{
    size_t n = set_length(v);
    if (count >= n) {
        set_each(v, fn, ctx);
        return;
    }
    if (pick_is_sparse(count, n)) {
        pick_sparse(v, count, fn, ctx);
        return;
    }
    struct walk walk = {.fn = fn, .ctx = ctx};
    pick_walk_init(&walk.pick, n, count);
    if (hashed_is(v)) {
        struct table t = hashed_table(v);
        table_scan(&t, 0, SIZE_MAX, SIZE_MAX, pick_visit, &walk);
        return;
    }
    for (size_t i = 0; walk.pick.wanted; i++) {
        if (pick_walk_next(&walk.pick)) visit_int(v.ptr, i, fn, ctx);
    }
}

static void pop_in_place(struct value *v, size_t count, set_visit_fn *fn, void *ctx)
{
    if (hashed_is(*v)) {
        struct table t = hashed_table(*v);
        for (; count; count--) {
            void *entry = table_random(&t);
            fn(ctx, hashed_text(entry));
            table_remove_entry(&t, entry, hash_view(hashed_text(entry)));
            entry_free(entry, NULL);
        }
        v->ptr = t.body;
        return;
    }
    struct intset *ints = v->ptr;
    for (; count; count--) {
        size_t index = random_below(intset_count(ints));
        visit_int(ints, index, fn, ctx);
        intset_remove_at(&ints, index);
    }
    v->ptr = ints;
}

/* A member of the old set is either handed out or goes to the new one. */
static void rebuild_visit(void *ctx, struct view member)
{
    struct walk *walk = ctx;
    if (pick_walk_next(&walk->pick)) {
        walk->fn(walk->ctx, member);
    } else {
        struct arg arg = arg_of_view(member);
        set_add(walk->rest, &arg);
    }
}

void set_pop(struct value *v, size_t count, set_visit_fn *fn, void *ctx)
{
    size_t n = set_length(*v);
    count = MIN(count, n);
    /* In two steps, since five times a large remainder might overflow. */
    bool few_remain = (n - count) <= count / POP_REBUILD_FACTOR;
    if (!few_remain && (hashed_is(*v) || count <= POP_IN_PLACE_MAX)) {
        pop_in_place(v, count, fn, ctx);
        return;
    }
    struct value rest = set_new();
    struct walk walk = {.fn = fn, .ctx = ctx, .rest = &rest};
    pick_walk_init(&walk.pick, n, count);
    set_each(*v, rebuild_visit, &walk);
    set_type_ops.free(*v);
    *v = rest;
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
    if (!hashed_is(v)) return intset_count(v.ptr);
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

static void digest_visit(void *ctx, struct view member)
{
    digest_xor(ctx, member.ptr, member.len);
}

static void ops_digest(struct value v, struct digest *d)
{
    set_each(v, digest_visit, d);
}

static void copy_visit(void *ctx, struct view member)
{
    table_insert(ctx, &entry_type, entry_new(member), hash_view(member));
}

static struct value ops_copy(struct value v)
{
    struct value copy = v;
    if (hashed_is(v)) {
        struct table t = {NULL};
        table_reserve(&t, ops_length(v));
        set_each(v, copy_visit, &t);
        copy.ptr = t.body;
    } else {
        copy.ptr = intset_copy(v.ptr);
    }
    return copy;
}

const struct type_ops set_type_ops = {
    .name = "set",
    .free = ops_free,
    .length = ops_length,
    .free_effort = ops_free_effort,
    .memory = ops_memory,
    .digest = ops_digest,
    .copy = ops_copy,
    .prefetch_place = hashed_prefetch_place,
    .prefetch_element = hashed_prefetch_element,
    .rdb_type = set__rdb_type,
    .save = set__save,
    .load = set__load,
};
