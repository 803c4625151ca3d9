/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorted sets: see zset.h for the two encodings. This file chooses between them and holds the tree
 * form, where two structures share the elements: the table finds one by its member, the ordered
 * index keeps them in order. The listpack form is zset_listpack.c.
 */
#include "types/zset.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/random.h"
#include "base/slab.h"
#include "ds/listpack.h"
#include "ds/ordered.h"
#include "ds/table.h"
#include "types/pick.h"
#include "types/rdb.h"
#include "types/zset_listpack.h"

#include <math.h>

struct zset_tree {
    struct table table;
    struct ordered order;
};

static struct view element_member(const void *entry)
{
    return ordered_member(entry);
}

static const struct table_type element_type = {.key = element_member, .hash = NULL};

static bool is_tree(struct value v)
{
    return v.enc == ENC_SKIPLIST;
}

void zset_table_stats(struct value v, struct table_stats *out)
{
    const struct zset_tree *tree = v.ptr;
    table_stats(&tree->table, out);
}

/* ---- encodings ---- */

struct value zset_new(void)
{
    return (struct value){.type = TYPE_ZSET, .enc = ENC_LISTPACK, .ptr = listpack_new(0)};
}

static void tree_append(void *ctx, struct view member, double score)
{
    struct zset_tree *tree = ctx;
    struct ordered_element *e = ordered_element_new(member, score);
    table_insert(&tree->table, &element_type, e, hash_view(member));
    ordered_insert(&tree->order, e);
}

/* A tree of the same members. */
static struct zset_tree *tree_from(struct value v, size_t expected)
{
    struct zset_tree *tree = mem_zalloc(sizeof(*tree));
    table_reserve(&tree->table, expected);
    zset_each(v, tree_append, tree);
    return tree;
}

static void convert(struct value *v)
{
    struct zset_tree *tree = tree_from(*v, zset_length(*v) + 1);
    mem_free(v->ptr);
    v->enc = ENC_SKIPLIST;
    v->ptr = tree;
}

/* Whether one more member fits the listpack. */
static bool fits_listpack(const uint8_t *lp, struct view member)
{
    return member.len <= type_limits.zset_max_listpack_value &&
           listpack_count(lp) / 2 < type_limits.zset_max_listpack_entries &&
           member.len < LISTPACK_MAX_BYTES / 4 && listpack_bytes(lp) < LISTPACK_MAX_BYTES / 2;
}

void zset_unpack(struct value *v)
{
    if (!is_tree(*v)) convert(v);
}

struct value zset_new_tree(void)
{
    struct zset_tree *tree = mem_zalloc(sizeof(*tree));
    return (struct value){.type = TYPE_ZSET, .enc = ENC_SKIPLIST, .ptr = tree};
}

/* What zset_compact has seen: the listpack so far, NULL once a member was too long for it. */
struct compacting {
    uint8_t *lp;
};

static void compact_visit(void *ctx, struct view member, double score)
{
    struct compacting *c = ctx;
    if (!c->lp) return;
    if (fits_listpack(c->lp, member)) {
        zset_lp_append(&c->lp, member, score);
    } else {
        mem_free(c->lp);
        c->lp = NULL;
    }
}

void zset_compact(struct value *v)
{
    if (!is_tree(*v) || zset_length(*v) > type_limits.zset_max_listpack_entries) return;
    struct compacting c = {listpack_new(0)};
    zset_each(*v, compact_visit, &c);
    if (!c.lp) return;
    zset_type_ops.free(*v);
    v->enc = ENC_LISTPACK;
    v->ptr = c.lp;
}

/* ---- one member ---- */

bool zset_score(struct value v, struct arg *member, double *score_out)
{
    if (!is_tree(v)) return zset_lp_find(v.ptr, arg_view(member), NULL, score_out) != NULL;
    const struct zset_tree *tree = v.ptr;
    const struct ordered_element *e =
        table_find(&tree->table, &element_type, arg_view(member), arg_hash(member));
    if (!e) return false;
    *score_out = e->score;
    return true;
}

bool zset_rank(struct value v, struct arg *member, size_t *rank_out)
{
    double score;
    if (!is_tree(v)) return zset_lp_find(v.ptr, arg_view(member), rank_out, &score) != NULL;
    if (!zset_score(v, member, &score)) return false;
    const struct zset_tree *tree = v.ptr;
    struct ordered_bound bound = {ORDERED_BY_BOTH, false, score, arg_view(member)};
    *rank_out = ordered_rank(&tree->order, &bound);
    return true;
}

/* What becomes of a member that is there with score `old`; *score is what is wanted, then what
 * there will be. */
static enum zset_added settle(double old, double *score, unsigned flags)
{
    if (flags & ZSET_NX) return ZSET_REFUSED;
    if (flags & ZSET_INCR) {
        *score += old;
        if (isnan(*score)) return ZSET_NAN;
    }
    if ((flags & ZSET_LT && *score >= old) || (flags & ZSET_GT && *score <= old))
        return ZSET_REFUSED;
    if (*score == old) return ZSET_SAME;
    return ZSET_CHANGED;
}

static enum zset_added tree_add(struct zset_tree *tree, struct arg *member, double score,
                                unsigned flags, double *score_out)
{
    struct table_ref ref;
    struct ordered_element *e =
        table_find_ref(&tree->table, &element_type, arg_view(member), arg_hash(member), &ref);
    if (e) {
        enum zset_added added = settle(e->score, &score, flags);
        if (added == ZSET_CHANGED) ordered_rescore(&tree->order, e, score);
        *score_out = score;
        return added;
    }
    if (flags & ZSET_XX) return ZSET_REFUSED;
    e = ordered_element_new(arg_view(member), score);
    table_ref_insert(&tree->table, &element_type, &ref, e);
    ordered_insert(&tree->order, e);
    *score_out = score;
    return ZSET_NEW;
}

enum zset_added zset_add(struct value *v, struct arg *member, double score, unsigned flags,
                         double *score_out)
{
    if (is_tree(*v)) return tree_add(v->ptr, member, score, flags, score_out);
    uint8_t *lp = v->ptr;
    double old;
    uint8_t *pos = zset_lp_find(lp, arg_view(member), NULL, &old);
    enum zset_added added = ZSET_NEW;
    if (pos) {
        added = settle(old, &score, flags);
        if (added == ZSET_CHANGED) listpack_delete(&lp, &pos, 2);
    } else if (flags & ZSET_XX) {
        return ZSET_REFUSED;
    } else if (!fits_listpack(lp, arg_view(member))) {
        convert(v);
        return tree_add(v->ptr, member, score, flags, score_out);
    }
    if (added == ZSET_NEW || added == ZSET_CHANGED) zset_lp_insert(&lp, arg_view(member), score);
    v->ptr = lp;
    *score_out = score;
    return added;
}

bool zset_remove(struct value *v, struct arg *member)
{
    if (is_tree(*v)) {
        struct zset_tree *tree = v->ptr;
        struct ordered_element *e =
            table_remove(&tree->table, &element_type, arg_view(member), arg_hash(member));
        if (!e) return false;
        ordered_remove(&tree->order, e);
        ordered_element_free(e);
        return true;
    }
    uint8_t *lp = v->ptr;
    double score;
    uint8_t *pos = zset_lp_find(lp, arg_view(member), NULL, &score);
    if (!pos) return false;
    listpack_delete(&lp, &pos, 2);
    v->ptr = lp;
    return true;
}

void zset_prefetch_bucket(struct value v, struct arg *member)
{
    if (!is_tree(v)) return;
    const struct zset_tree *tree = v.ptr;
    table_prefetch_bucket(&tree->table, arg_hash(member));
}

void zset_prefetch_entry(struct value v, struct arg *member)
{
    if (!is_tree(v)) return;
    const struct zset_tree *tree = v.ptr;
    table_prefetch_entry(&tree->table, arg_hash(member));
}

/* ---- ranges ---- */

static void drop_element(struct ordered_element *e, void *ctx)
{
    struct table *table = ctx;
    ASSERT(table_remove(table, &element_type, ordered_member(e), hash_view(ordered_member(e))) ==
           e);
    ordered_element_free(e);
}

void zset_remove_span(struct value *v, struct zset_span span)
{
    if (is_tree(*v)) {
        struct zset_tree *tree = v->ptr;
        ordered_remove_ranks(&tree->order, span.first, span.count, drop_element, &tree->table);
        return;
    }
    uint8_t *lp = v->ptr;
    listpack_delete_at(&lp, (int64_t)span.first * 2, span.count * 2);
    v->ptr = lp;
}

/* How many elements lie before one end of a range. `behind`: what equals the limit counts, too. */
static size_t tree_rank(const struct ordered *order, enum zset_range_by by,
                        const struct zset_limit *limit, bool behind)
{
    struct ordered_bound bound = {ORDERED_BY_SCORE, behind, limit->score, limit->member};
    if (by == ZSET_BY_LEX) {
        if (limit->edge) return limit->edge < 0 ? 0 : order->count;
        bound.by = ORDERED_BY_MEMBER;
    }
    return ordered_rank(order, &bound);
}

struct zset_span zset_span(struct value v, const struct zset_range *range)
{
    if (!is_tree(v)) return zset_lp_span(v.ptr, range);
    const struct zset_tree *tree = v.ptr;
    size_t first = tree_rank(&tree->order, range->by, &range->min, range->min.open);
    size_t end = tree_rank(&tree->order, range->by, &range->max, !range->max.open);
    return (struct zset_span){first, end > first ? end - first : 0};
}

void zset_walk(struct value v, size_t first, size_t count, bool reverse, zset_visit_fn *fn,
               void *ctx)
{
    if (!is_tree(v)) {
        zset_lp_walk(v.ptr, first, count, reverse, fn, ctx);
        return;
    }
    const struct zset_tree *tree = v.ptr;
    struct ordered_pos pos = ordered_at(&tree->order, first);
    while (count--) {
        const struct ordered_element *e = ordered_get(pos);
        fn(ctx, ordered_member(e), e->score);
        pos = reverse ? ordered_prev(pos) : ordered_next(pos);
    }
}

void zset_each(struct value v, zset_visit_fn *fn, void *ctx)
{
    zset_walk(v, 0, zset_length(v), false, fn, ctx);
}

/* ---- scan and random choice ---- */

struct scan {
    zset_scan_fn *fn;
    void *ctx;
};

static void scan_visit(void *entry, void *ctx)
{
    struct scan *scan = ctx;
    const struct ordered_element *e = entry;
    char text[NUM_DOUBLE_LEN];
    scan->fn(scan->ctx, ordered_member(e), view_of(text, num_format_double(text, e->score)));
}

uint64_t zset_scan(struct value v, uint64_t cursor, size_t count, zset_scan_fn *fn, void *ctx)
{
    if (!is_tree(v)) {
        zset_lp_scan(v.ptr, fn, ctx);
        return 0;
    }
    const struct zset_tree *tree = v.ptr;
    struct scan walk = {.fn = fn, .ctx = ctx};
    size_t buckets;
    if (!num_mul_size(count, 10, &buckets)) buckets = SIZE_MAX;
    return table_scan(&tree->table, cursor, count, buckets, scan_visit, &walk);
}

void zset_draw(struct value v, size_t count, zset_visit_fn *fn, void *ctx)
{
    if (!is_tree(v)) {
        zset_lp_draw(v.ptr, count, fn, ctx);
        return;
    }
    const struct zset_tree *tree = v.ptr;
    for (size_t i = 0; i < count; i++) {
        const struct ordered_element *e = table_random(&tree->table);
        fn(ctx, ordered_member(e), e->score);
    }
}

struct walk {
    zset_visit_fn *fn;
    void *ctx;
    struct pick_walk pick;
};

static void pick_visit(void *ctx, struct view member, double score)
{
    struct walk *walk = ctx;
    if (pick_walk_next(&walk->pick)) walk->fn(walk->ctx, member, score);
}

static void pick_sparse(const struct ordered *order, size_t count, zset_visit_fn *fn, void *ctx)
{
    struct pick_seen seen;
    pick_seen_init(&seen, count);
    while (count) {
        size_t rank = random_below(order->count);
        if (!pick_seen_add(&seen, rank)) continue;
        const struct ordered_element *e = ordered_get(ordered_at(order, rank));
        fn(ctx, ordered_member(e), e->score);
        count--;
    }
    pick_seen_release(&seen);
}

void zset_pick(struct value v, size_t count, zset_visit_fn *fn, void *ctx)
{
    size_t n = zset_length(v);
    if (count >= n) {
        zset_each(v, fn, ctx);
    } else if (is_tree(v) && pick_is_sparse(count, n)) {
        pick_sparse(&((const struct zset_tree *)v.ptr)->order, count, fn, ctx);
    } else {
        struct walk walk = {.fn = fn, .ctx = ctx};
        pick_walk_init(&walk.pick, n, count);
        zset_each(v, pick_visit, &walk);
    }
}

/* ---- the type's row ---- */

static void free_element(void *entry, void *ctx)
{
    UNUSED(ctx);
    ordered_element_free(entry);
}

static void ops_free(struct value v)
{
    if (is_tree(v)) {
        struct zset_tree *tree = v.ptr;
        ordered_clear(&tree->order);
        table_clear(&tree->table, free_element, NULL);
    }
    mem_free(v.ptr);
}

static size_t ops_length(struct value v)
{
    if (is_tree(v)) return ((const struct zset_tree *)v.ptr)->order.count;
    return listpack_count(v.ptr) / 2;
}

static size_t ops_free_effort(struct value v)
{
    return is_tree(v) ? ops_length(v) : 1;
}

static size_t ops_memory(struct value v, size_t samples)
{
    if (!is_tree(v)) return mem_usable(v.ptr);
    const struct zset_tree *tree = v.ptr;
    size_t count = tree->order.count, n = MIN(samples, count), sum = 0;
    /* Few of many are spread over the ranks: neighbours in score are often alike. */
    size_t stride = n ? count / n : 0;
    struct ordered_pos pos = ordered_at(&tree->order, stride / 2);
    for (size_t i = 1; i <= n; i++) {
        sum += slab_room(ordered_element_bytes(ordered_member(ordered_get(pos)).len));
        pos = stride == 1 ? ordered_next(pos) : ordered_at(&tree->order, stride * i + stride / 2);
    }
    size_t bytes = mem_usable(tree) + table_memory(&tree->table) + ordered_memory(&tree->order);
    return n ? bytes + (size_t)((double)sum / (double)n * (double)count) : bytes;
}

static void digest_visit(void *ctx, struct view member, double score)
{
    char text[NUM_DOUBLE_LEN];
    struct digest one = {{0}};
    digest_mix(&one, member.ptr, member.len);
    digest_mix(&one, text, num_format_double(text, score));
    digest_xor(ctx, one.bytes, sizeof(one.bytes));
}

static void ops_digest(struct value v, struct digest *d)
{
    zset_each(v, digest_visit, d);
}

static struct value ops_copy(struct value v)
{
    struct value copy = v;
    copy.ptr = is_tree(v) ? (void *)tree_from(v, ops_length(v)) : (void *)listpack_copy(v.ptr);
    return copy;
}

const struct type_ops zset_type_ops = {
    .name = "zset",
    .free = ops_free,
    .length = ops_length,
    .free_effort = ops_free_effort,
    .memory = ops_memory,
    .digest = ops_digest,
    .copy = ops_copy,
    .rdb_type = zset__rdb_type,
    .save = zset__save,
    .load = zset__load,
};
