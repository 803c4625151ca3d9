/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ordered index against a sorted array. Scores are drawn from pools in which equal scores,
 * neighbouring doubles, both zeros and infinities are frequent; members from few letters, so that
 * one is often the beginning of another.
 */
#include "ds/ordered.h"
#include "base/mem.h"
#include "unit.h"

#include <math.h>

#define MODEL_MAX 4000

struct model {
    struct ordered_element *e[MODEL_MAX];
    size_t count;
};

static int compare(const struct ordered_element *a, const struct ordered_element *b)
{
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return ordered_compare_members(ordered_member(a), ordered_member(b));
}

/* Index of the first element that isn't before `e`. */
static size_t model_find(const struct model *m, const struct ordered_element *e)
{
    size_t i = 0;
    while (i < m->count && compare(m->e[i], e) < 0) i++;
    return i;
}

static void model_insert(struct model *m, struct ordered_element *e)
{
    size_t i = model_find(m, e);
    memmove(m->e + i + 1, m->e + i, (m->count - i) * sizeof(m->e[0]));
    m->e[i] = e;
    m->count++;
}

static void model_remove(struct model *m, size_t i, size_t n)
{
    memmove(m->e + i, m->e + i + n, (m->count - i - n) * sizeof(m->e[0]));
    m->count -= n;
}

static double random_score(unsigned kind)
{
    static const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, -5e-324, 1};
    switch (kind) {
    case 0: return (double)unit_rand_below(5);
    case 1: return (double)unit_rand_below(1000000) - 500000;
    case 2: return odd[unit_rand_below(ARRAY_COUNT(odd))];
    case 3: return 1e15 + (double)unit_rand_below(50); /* same hints */
    case 4: return ((double)unit_rand_below(100000) - 50000) / 7;
    default: return 0;
    }
}

static struct ordered_element *random_element(unsigned kind)
{
    char text[300];
    size_t len = unit_rand_below(50) ? unit_rand_below(10) : 200 + unit_rand_below(100);
    for (size_t i = 0; i < len; i++) text[i] = (char)("ab\0\xff"[unit_rand_below(4)]);
    return ordered_element_new(view_of(text, len), random_score(kind));
}

static void check_order(const struct model *m, const struct ordered *t)
{
    CHECK(ordered_check(t));
    CHECK_INT(t->count, m->count);
    struct ordered_pos pos = ordered_at(t, 0);
    for (size_t i = 0; i < m->count; i++, pos = ordered_next(pos)) {
        CHECK(ordered_valid(pos));
        CHECK(ordered_get(pos) == m->e[i]);
    }
    CHECK(!ordered_valid(pos));
    if (m->count == 0) return;
    pos = ordered_at(t, m->count - 1);
    for (size_t i = m->count; i-- > 0; pos = ordered_prev(pos)) {
        CHECK(ordered_valid(pos));
        CHECK(ordered_get(pos) == m->e[i]);
    }
    CHECK(!ordered_valid(pos));
}

static bool naive_before(const struct ordered_element *e, const struct ordered_bound *b)
{
    int order = 0;
    if (b->by != ORDERED_BY_MEMBER) order = (e->score > b->score) - (e->score < b->score);
    if (order == 0 && b->by != ORDERED_BY_SCORE)
        order = ordered_compare_members(ordered_member(e), b->member);
    return b->behind ? order <= 0 : order < 0;
}

/* `kind` 5 has equal scores, so that bounds by member mean something. */
static void check_bound(const struct model *m, const struct ordered *t, unsigned kind)
{
    struct ordered_element *probe = random_element(kind);
    struct ordered_bound bound = {
        .by = kind == 5 ? ORDERED_BY_MEMBER : unit_rand_below(2) ? ORDERED_BY_SCORE
                                                                 : ORDERED_BY_BOTH,
        .behind = unit_rand_below(2),
        .score = probe->score,
        .member = ordered_member(probe)};
    size_t want = 0;
    while (want < m->count && naive_before(m->e[want], &bound)) want++;
    CHECK_INT(ordered_rank(t, &bound), want);
    size_t rank = unit_rand_below(m->count + 2);
    struct ordered_pos pos = ordered_at(t, rank);
    CHECK_INT(ordered_valid(pos), rank < m->count);
    if (rank < m->count) CHECK(ordered_get(pos) == m->e[rank]);
    ordered_element_free(probe);
}

struct taken {
    struct model *m;
    size_t next;
};

static void take(struct ordered_element *e, void *ctx)
{
    struct taken *taken = ctx;
    CHECK(e == taken->m->e[taken->next++]);
    ordered_element_free(e);
}

static void remove_range(struct model *m, struct ordered *t)
{
    size_t first = unit_rand_below(m->count + 2);
    size_t count = unit_rand_below(8) ? unit_rand_below(20) : unit_rand_below(m->count + 2);
    struct taken taken = {m, first};
    ordered_remove_ranks(t, first, count, take, &taken);
    size_t gone = first < m->count ? MIN(count, m->count - first) : 0;
    CHECK_INT(taken.next, first + gone);
    if (gone) model_remove(m, first, gone);
}

static void add(struct model *m, struct ordered *t, struct ordered_element *e)
{
    size_t i = model_find(m, e);
    if (m->count == MODEL_MAX || (i < m->count && compare(m->e[i], e) == 0)) {
        ordered_element_free(e);
        return;
    }
    ordered_insert(t, e);
    model_insert(m, e);
}

static void rescore(struct model *m, struct ordered *t, unsigned kind)
{
    size_t i = unit_rand_below(m->count);
    struct ordered_element *e = m->e[i];
    double old = e->score, score = unit_rand_below(2) ? random_score(kind) : old + 1;
    e->score = score;
    model_remove(m, i, 1);
    size_t at = model_find(m, e);
    bool taken = at < m->count && compare(m->e[at], e) == 0;
    e->score = old;
    if (!taken) ordered_rescore(t, e, score);
    model_insert(m, e);
}

static void step(struct model *m, struct ordered *t, unsigned kind, bool growing)
{
    unsigned roll = (unsigned)unit_rand_below(100);
    if (roll < (growing ? 70 : 35) || m->count == 0) {
        add(m, t, random_element(kind));
    } else if (roll < 85) {
        size_t i = unit_rand_below(m->count);
        struct ordered_element *e = m->e[i];
        if (roll < 75 && kind != 5) {
            rescore(m, t, kind);
        } else {
            ordered_remove(t, e);
            model_remove(m, i, 1);
            ordered_element_free(e);
        }
    } else if (roll < 98) {
        check_bound(m, t, kind);
    } else if (unit_rand_below(4) == 0) {
        remove_range(m, t);
    }
}

TEST(random_operations)
{
    static struct model m;
    for (unsigned kind = 0; kind < 6; kind++) {
        struct ordered t = {0};
        m.count = 0;
        long rounds = unit_rounds(30000);
        for (long i = 0; i < rounds; i++) {
            step(&m, &t, kind, i / 3000 % 2 == 0);
            if (unit_rand_below(200) == 0) check_order(&m, &t);
        }
        check_order(&m, &t);
        ordered_clear(&t);
        CHECK_INT(ordered_memory(&t), 0);
        for (size_t i = 0; i < m.count; i++) ordered_element_free(m.e[i]);
    }
}

/* In order, in reverse, from the middle: the last leaves are full ones, and the tree empties. */
TEST(inserts_in_order)
{
    for (int mode = 0; mode < 3; mode++) {
        struct ordered t = {0};
        const int count = 20000;
        for (int i = 0; i < count; i++) {
            char text[16];
            int len = snprintf(text, sizeof(text), "%05d", i);
            double score = mode == 0 ? i : mode == 1 ? -i : i % 2 ? i : -i;
            ordered_insert(&t, ordered_element_new(view_of(text, (size_t)len), score));
        }
        CHECK(ordered_check(&t));
        CHECK_INT(t.count, count);
        double per_element = (double)ordered_memory(&t) / count;
#ifndef COG_DEBUG /* whose nodes are small */
        CHECK_MSG(mode == 2 || per_element < 24 || sizeof(void *) != 8, "%g bytes", per_element);
#else
        CHECK_MSG(per_element > 0, "%g bytes", per_element);
#endif
        while (t.count) {
            struct ordered_element *e = ordered_get(ordered_at(&t, unit_rand_below(t.count)));
            ordered_remove(&t, e);
            ordered_element_free(e);
            if (t.count % 1000 == 0) CHECK(ordered_check(&t));
        }
        CHECK(t.root == NULL && t.leaves == 0 && t.inners == 0);
    }
}

TEST(members_of_every_length)
{
    static char text[70000];
    for (size_t len = 0; len < sizeof(text); len = len < 300 ? len + 1 : len * 2) {
        unit_rand_bytes(text, len);
        struct ordered_element *e = ordered_element_new(view_of(text, len), 1.5);
        CHECK_MEM(ordered_member(e).ptr, ordered_member(e).len, text, len);
        CHECK(ordered_element_bytes(len) >= len + 9);
        ordered_element_free(e);
    }
}

TEST(order_of_members)
{
    CHECK(ordered_compare_members(view_of("a", 1), view_of("b", 1)) < 0);
    CHECK(ordered_compare_members(view_of("a", 1), view_of("ab", 2)) < 0);
    CHECK(ordered_compare_members(view_of("\xff", 1), view_of("a", 1)) > 0);
    CHECK(ordered_compare_members(view_of("", 0), view_of("", 0)) == 0);
    CHECK(ordered_compare_members(view_of("a\0b", 3), view_of("a\0c", 3)) < 0);
}
