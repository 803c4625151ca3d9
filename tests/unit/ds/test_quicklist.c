/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quicklists against a naive model, an array of strings: every operation at random, under all
 * kinds of node limits and depths, with elements that are integers, strings, and too long for a
 * node. After each operation the structure's own promises are checked.
 */
#include "ds/quicklist.h"
#include "base/mem.h"
#include "unit.h"

#define ELEMENTS_MAX 600

struct model {
    char *text[ELEMENTS_MAX + 1];
    size_t len[ELEMENTS_MAX + 1];
    size_t count;
};

static void model_insert(struct model *m, size_t at, struct view v)
{
    memmove(m->text + at + 1, m->text + at, (m->count - at) * sizeof(m->text[0]));
    memmove(m->len + at + 1, m->len + at, (m->count - at) * sizeof(m->len[0]));
    m->text[at] = mem_dup(v.ptr, v.len);
    m->len[at] = v.len;
    m->count++;
}

static void model_remove(struct model *m, size_t at)
{
    mem_free(m->text[at]);
    m->count--;
    memmove(m->text + at, m->text + at + 1, (m->count - at) * sizeof(m->text[0]));
    memmove(m->len + at, m->len + at + 1, (m->count - at) * sizeof(m->len[0]));
}

static struct view model_view(const struct model *m, size_t at)
{
    return view_of(m->text[at], m->len[at]);
}

static void model_release(struct model *m)
{
    while (m->count) model_remove(m, m->count - 1);
}

static size_t model_remove_equal(struct model *m, struct view text, size_t limit, bool backwards)
{
    size_t removed = 0;
    for (size_t i = 0; i < m->count && removed < limit;) {
        size_t at = backwards ? m->count - 1 - i : i;
        if (view_eq(model_view(m, at), text)) {
            model_remove(m, at);
            removed++;
        } else {
            i++;
        }
    }
    return removed;
}

/* A text of up to `longest` bytes. From a small pool mostly, so that there are equal ones. */
static struct view random_text(char *buf, size_t longest)
{
    size_t len;
    switch (unit_rand_below(8)) {
    case 0: len = (size_t)sprintf(buf, "%lld", (long long)unit_rand()); break;
    case 1:
    case 2: len = (size_t)sprintf(buf, "%d", (int)unit_rand_below(8)); break;
    case 3:
        len = unit_rand_below(40);
        unit_rand_bytes(buf, len);
        break;
    case 4:
        len = unit_rand_below(unit_rand_below(8) ? 200 : longest);
        memset(buf, 'a' + (int)unit_rand_below(3), len);
        break;
    default: len = (size_t)sprintf(buf, "element number %d", (int)unit_rand_below(6)); break;
    }
    return view_of(buf, len);
}

static void check_walk(const struct quicklist *q, const struct model *m, size_t from,
                       enum quicklist_end end)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    size_t at = from, seen = 0;
    quicklist_iter_init(&it, q, from, end);
    while (quicklist_next(&it, &e)) {
        CHECK(at < m->count);
        struct view got = quicklist_entry_view(&e, buf);
        CHECK_MEM(got.ptr, got.len, m->text[at], m->len[at]);
        CHECK(quicklist_entry_equals(&e, model_view(m, at)));
        at = end == QUICKLIST_FIRST ? at + 1 : at - 1;
        seen++;
    }
    CHECK(!quicklist_next(&it, &e));
    quicklist_iter_end(&it);
    size_t want = from >= m->count ? 0 : end == QUICKLIST_FIRST ? m->count - from : from + 1;
    CHECK_INT(seen, want);
}

static void check_all(const struct quicklist *q, const struct model *m)
{
    char buf[NUM_I64_LEN];
    CHECK_INT(quicklist_count(q), m->count);
    CHECK(quicklist_is_sound(q));
    check_walk(q, m, 0, QUICKLIST_FIRST);
    if (m->count == 0) return;
    check_walk(q, m, m->count - 1, QUICKLIST_LAST);
    check_walk(q, m, unit_rand_below(m->count), unit_rand_below(2) ? QUICKLIST_FIRST
                                                                  : QUICKLIST_LAST);
    struct view first = quicklist_peek(q, QUICKLIST_FIRST, buf);
    CHECK_MEM(first.ptr, first.len, m->text[0], m->len[0]);
    struct view last = quicklist_peek(q, QUICKLIST_LAST, buf);
    CHECK_MEM(last.ptr, last.len, m->text[m->count - 1], m->len[m->count - 1]);
}

static void grow(struct quicklist *q, struct model *m, char *buf, size_t longest)
{
    if (m->count == ELEMENTS_MAX) return;
    struct view v = random_text(buf, longest);
    size_t at = unit_rand_below(m->count + 1);
    switch (unit_rand_below(3)) {
    case 0:
        quicklist_push(q, QUICKLIST_FIRST, v);
        model_insert(m, 0, v);
        break;
    case 1:
        quicklist_push(q, QUICKLIST_LAST, v);
        model_insert(m, m->count, v);
        break;
    default:
        quicklist_insert(q, at, v);
        model_insert(m, at, v);
        break;
    }
}

static void set_one(struct quicklist *q, struct model *m, char *buf, size_t longest)
{
    struct view v = random_text(buf, longest);
    size_t at = unit_rand_below(m->count);
    quicklist_set(q, at, v);
    model_remove(m, at);
    model_insert(m, at, v);
}

static void shrink(struct quicklist *q, struct model *m, char *buf, size_t longest)
{
    size_t at = unit_rand_below(m->count), count;
    switch (unit_rand_below(5)) {
    case 0:
        quicklist_drop(q, QUICKLIST_FIRST);
        model_remove(m, 0);
        break;
    case 1:
        quicklist_drop(q, QUICKLIST_LAST);
        model_remove(m, m->count - 1);
        break;
    case 2:
        count = unit_rand_below(unit_rand_below(8) ? 4 : m->count + 1);
        quicklist_remove(q, at, unit_rand_below(20) ? count : SIZE_MAX - at);
        if (quicklist_count(q) != m->count - MIN(count, m->count - at)) count = m->count;
        for (size_t i = MIN(count, m->count - at); i > 0; i--) model_remove(m, at);
        break;
    default: {
        struct view v = random_text(buf, longest);
        size_t limit = unit_rand_below(2) ? SIZE_MAX : unit_rand_below(5);
        bool backwards = unit_rand_below(2);
        count = quicklist_remove_equal(q, v, limit, backwards ? QUICKLIST_LAST : QUICKLIST_FIRST);
        CHECK_INT(count, model_remove_equal(m, v, limit, backwards));
        break;
    }
    }
}

static void run(int node_limit, int depth, size_t longest, long rounds)
{
    struct model m = {.count = 0};
    struct quicklist *q = quicklist_new(node_limit, depth);
    char *buf = mem_alloc(MAX(longest, (size_t)256));
    size_t target = unit_rand_below(ELEMENTS_MAX);
    for (long i = 0; i < rounds; i++) {
        if (unit_rand_below(100) == 0) target = unit_rand_below(ELEMENTS_MAX);
        if (m.count && unit_rand_below(6) == 0) set_one(q, &m, buf, longest);
        else if (m.count > target || (m.count && unit_rand_below(3) == 0))
            shrink(q, &m, buf, longest);
        else
            grow(q, &m, buf, longest);
        if (i % 8 == 0 || m.count < 8) check_all(q, &m);
    }
    struct quicklist *copy = quicklist_copy(q);
    check_all(copy, &m);
    CHECK_INT(quicklist_nodes(copy), quicklist_nodes(q));
    quicklist_free(copy);
    check_all(q, &m);
    model_release(&m);
    quicklist_free(q);
    mem_free(buf);
}

TEST(limits_are_told_as_they_were_given)
{
    static const struct {
        int given, told;
    } limits[] = {{-9, -5}, {-5, -5}, {-4, -4}, {-3, -3}, {-2, -2}, {-1, -1},
                  {0, 1}, {1, 1}, {128, 128}, {32767, 32767}, {100000, 32767}};
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        struct quicklist *q = quicklist_new(limits[i].given, (int)i);
        CHECK_INT(quicklist_node_limit(q), limits[i].told);
        CHECK_INT(quicklist_depth(q), (int)i);
        quicklist_free(q);
    }
}

TEST(random_small_nodes)
{
    for (int limit = 0; limit <= 9; limit++)
        for (int depth = 0; depth <= 3; depth++) run(limit, depth, 10000, unit_rounds(700));
}

TEST(random_nodes_of_bytes)
{
    for (int limit = -1; limit >= -5; limit--)
        for (int depth = 0; depth <= 2; depth++) run(limit, depth, 80000, unit_rounds(700));
}

/* A run of one kind of operation at an end. */
static void run_at_end(struct quicklist *q, struct model *m, char *buf, size_t longest)
{
    enum quicklist_end end = unit_rand_below(2) ? QUICKLIST_FIRST : QUICKLIST_LAST;
    bool push = m->count == 0 || unit_rand_below(2);
    size_t length = unit_rand_below(unit_rand_below(4) ? 20 : 400);
    while (length-- && (push ? m->count < ELEMENTS_MAX : m->count > 0)) {
        size_t at = end == QUICKLIST_FIRST ? 0 : push ? m->count : m->count - 1;
        if (push) {
            struct view v = random_text(buf, longest);
            quicklist_push(q, end, v);
            model_insert(m, at, v);
        } else {
            char num[NUM_I64_LEN];
            struct view got = quicklist_peek(q, end, num);
            CHECK_MEM(got.ptr, got.len, m->text[at], m->len[at]);
            quicklist_drop(q, end);
            model_remove(m, at);
        }
    }
}

/* What pushes and pops do to the room at the ends, with other changes now and then. */
TEST(random_at_ends)
{
    static const int limits[] = {-5, -2, -1, 1, 2, 7, 300};
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        for (int depth = 0; depth <= 2; depth++) {
            struct model m = {.count = 0};
            struct quicklist *q = quicklist_new(limits[i], depth);
            size_t longest = limits[i] == -5 ? 70000 : 9000;
            char *buf = mem_alloc(longest);
            for (long k = 0; k < unit_rounds(200); k++) {
                run_at_end(q, &m, buf, longest);
                if (m.count && unit_rand_below(20) == 0) set_one(q, &m, buf, longest);
                if (m.count && unit_rand_below(20) == 0) shrink(q, &m, buf, longest);
                if (unit_rand_below(20) == 0) grow(q, &m, buf, longest);
                check_all(q, &m);
            }
            model_release(&m);
            quicklist_free(q);
            mem_free(buf);
        }
    }
}

/* Nodes within a list have no room left over, from whichever end they were filled; short lists
 * have none at all; lists that were emptied at the ends give their memory back. */
TEST(room_is_given_back)
{
    for (int end = QUICKLIST_FIRST; end <= QUICKLIST_LAST; end++) {
        struct quicklist *q = quicklist_new(-2, 0);
        size_t few = 0, bare = quicklist_memory(q, 1);
        for (int i = 0; i < 100000; i++) {
            quicklist_push(q, (enum quicklist_end)end, view_cstr("sixteen bytes ok"));
            if (i == 9) few = quicklist_memory(q, SIZE_MAX) - bare;
        }
        CHECK(few < 10 * 18 + 64);
        CHECK(quicklist_memory(q, SIZE_MAX) < 100000 * 18 * 102 / 100);
        for (int i = 0; i < 99990; i++)
            quicklist_drop(q, i % 2 ? QUICKLIST_FIRST : QUICKLIST_LAST);
        CHECK(quicklist_is_sound(q));
        CHECK(quicklist_memory(q, SIZE_MAX) < bare + 800);
        quicklist_free(q);
    }
}

TEST(limits_are_clamped)
{
    static const int limits[] = {INT32_MIN, -6, INT32_MAX, 0};
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        run(limits[i], INT32_MAX, 100, unit_rounds(200));
        run(limits[i], INT32_MIN, 100, unit_rounds(200));
    }
}

TEST(many_at_each_end)
{
    struct quicklist *q = quicklist_new(-2, 0);
    char buf[NUM_I64_LEN];
    const int64_t n = 300000;
    for (int64_t i = 0; i < n; i++) {
        quicklist_push(q, QUICKLIST_LAST, view_of(buf, num_format_i64(buf, i)));
        quicklist_push(q, QUICKLIST_FIRST, view_of(buf, num_format_i64(buf, -i - 1)));
    }
    CHECK_INT(quicklist_count(q), 2 * n);
    CHECK(quicklist_is_sound(q));
    CHECK(quicklist_memory(q, 100) < (size_t)n * 2 * 7);
    for (int64_t i = 0; i < n; i++) {
        int64_t got;
        CHECK(!num_parse_i64(quicklist_peek(q, QUICKLIST_FIRST, buf), &got));
        CHECK_INT(got, i - n);
        quicklist_drop(q, QUICKLIST_FIRST);
        CHECK(!num_parse_i64(quicklist_peek(q, QUICKLIST_LAST, buf), &got));
        CHECK_INT(got, n - 1 - i);
        quicklist_drop(q, QUICKLIST_LAST);
    }
    CHECK_INT(quicklist_nodes(q), 0);
    quicklist_free(q);
}

TEST(compression_saves_memory)
{
    struct quicklist *plain = quicklist_new(-2, 0), *packed = quicklist_new(-2, 1);
    for (int i = 0; i < 20000; i++) {
        quicklist_push(plain, QUICKLIST_LAST, view_cstr("the same text over and over again"));
        quicklist_push(packed, QUICKLIST_LAST, view_cstr("the same text over and over again"));
    }
    CHECK(quicklist_memory(packed, SIZE_MAX) * 10 < quicklist_memory(plain, SIZE_MAX));
    CHECK(quicklist_is_sound(packed));
    quicklist_free(plain);
    quicklist_free(packed);
}

TEST(edits_in_the_middle_keep_nodes_filled)
{
    struct quicklist *q = quicklist_new(-2, 0);
    for (int i = 0; i < 20000; i++)
        quicklist_insert(q, quicklist_count(q) / 2, view_cstr("sixteen bytes ok"));
    CHECK(quicklist_is_sound(q));
    CHECK(quicklist_nodes(q) < 120); /* 44 would be full */
    for (int i = 0; i < 19000; i++) quicklist_remove(q, unit_rand_below(quicklist_count(q)), 1);
    CHECK_INT(quicklist_remove_equal(q, view_cstr("sixteen bytes ok"), 1, QUICKLIST_FIRST), 1);
    CHECK(quicklist_nodes(q) < 12);
    quicklist_free(q);
}
