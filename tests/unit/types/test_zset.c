/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorted sets against a naive model: a table of names, each with a score or none, sorted anew for
 * each comparison. Limits are small and random, so that runs cross from listpack to tree; scores
 * come from a small pool, so that equal ones and both infinities are frequent.
 */
#include "types/zset.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "unit.h"

#include <math.h>

#define NAMES 300

struct model {
    char name[NAMES][24];
    size_t name_len[NAMES];
    double score[NAMES];
    bool there[NAMES];
    size_t count;
    int order[NAMES]; /* of those that are there, sorted */
};

static void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < NAMES; i++) {
        const char *form = i % 3 == 0 ? "%d" : i % 3 == 1 ? "member:%d" : "m%d\tlonger";
        m->name_len[i] = (size_t)snprintf(m->name[i], sizeof(m->name[i]), form, i * 7919);
    }
    m->name_len[1] = 0; /* the empty member is a member */
}

static struct view name_view(const struct model *m, int i)
{
    return view_of(m->name[i], m->name_len[i]);
}

static struct arg name_arg(const struct model *m, int i)
{
    return arg_of(m->name[i], m->name_len[i]);
}

static int compare_names(struct view a, struct view b)
{
    int order = memcmp(a.ptr, b.ptr, MIN(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static const struct model *sorting;

static int compare(const void *left, const void *right)
{
    int a = *(const int *)left, b = *(const int *)right;
    if (sorting->score[a] != sorting->score[b])
        return sorting->score[a] < sorting->score[b] ? -1 : 1;
    return compare_names(name_view(sorting, a), name_view(sorting, b));
}

static void model_sort(struct model *m)
{
    m->count = 0;
    for (int i = 0; i < NAMES; i++) {
        if (m->there[i]) m->order[m->count++] = i;
    }
    sorting = m;
    qsort(m->order, m->count, sizeof(m->order[0]), compare);
}

static double random_score(void)
{
    switch (unit_rand_below(8)) {
    case 0: return INFINITY;
    case 1: return -INFINITY;
    case 2: return (double)(int64_t)unit_rand() / 1e6;
    case 3: return 0.1 * (double)unit_rand_below(10);
    default: return (double)unit_rand_below(12) - 5;
    }
}

/* A walk that must follow the model's order from `next` on. */
struct visit {
    const struct model *m;
    long next;
    int step;
    size_t calls;
    unsigned seen[NAMES];
};

static int index_of(const struct model *m, struct view member)
{
    for (int i = 0; i < NAMES; i++) {
        if (view_eq(member, name_view(m, i))) return i;
    }
    return -1;
}

static void visit_in_order(void *ctx, struct view member, double score)
{
    struct visit *v = ctx;
    int i = v->m->order[v->next];
    CHECK_MEM(member.ptr, member.len, v->m->name[i], v->m->name_len[i]);
    CHECK(score == v->m->score[i]);
    v->next += v->step;
    v->calls++;
}

static void visit_any(void *ctx, struct view member, double score)
{
    struct visit *v = ctx;
    int i = index_of(v->m, member);
    CHECK(i >= 0 && v->m->there[i] && v->m->score[i] == score);
    v->seen[i]++;
    v->calls++;
}

static void scan_any(void *ctx, struct view member, struct view text)
{
    double score;
    CHECK(!num_parse_double(text, &score));
    visit_any(ctx, member, score);
}

static void check_all(struct model *m, struct value v)
{
    model_sort(m);
    CHECK_INT(zset_length(v), m->count);
    struct visit all = {.m = m, .step = 1};
    zset_each(v, visit_in_order, &all);
    CHECK_INT(all.calls, m->count);
    for (int i = 0; i < NAMES; i++) {
        struct arg member = name_arg(m, i);
        double score;
        size_t rank;
        CHECK_INT(zset_score(v, &member, &score), m->there[i]);
        CHECK_INT(zset_rank(v, &member, &rank), m->there[i]);
        if (!m->there[i]) continue;
        CHECK(score == m->score[i]);
        CHECK_INT(m->order[rank], i);
    }
    struct visit scanned = {.m = m};
    uint64_t cursor = 0;
    do {
        cursor = zset_scan(v, cursor, 1 + unit_rand_below(5), scan_any, &scanned);
    } while (cursor);
    CHECK_INT(scanned.calls, m->count);
}

static void check_walk(struct model *m, struct value v)
{
    model_sort(m);
    if (m->count == 0) return;
    size_t first = unit_rand_below(m->count);
    bool reverse = unit_rand_below(2);
    size_t most = reverse ? first + 1 : m->count - first;
    size_t count = unit_rand_below(most + 1);
    struct visit walk = {.m = m, .next = (long)first, .step = reverse ? -1 : 1};
    zset_walk(v, first, count, reverse, visit_in_order, &walk);
    CHECK_INT(walk.calls, count);
}

/* The span of a random range by score, found by looking at every member. */
static struct zset_range random_range(const struct model *m, struct zset_span *want)
{
    struct zset_range r = {.by = ZSET_BY_SCORE};
    r.min = (struct zset_limit){.score = random_score(), .open = unit_rand_below(2)};
    r.max = (struct zset_limit){.score = random_score(), .open = unit_rand_below(2)};
    *want = (struct zset_span){0, 0};
    for (size_t k = 0; k < m->count; k++) {
        double score = m->score[m->order[k]];
        bool above = r.min.open ? score > r.min.score : score >= r.min.score;
        bool below = r.max.open ? score < r.max.score : score <= r.max.score;
        if (!above || !below) continue;
        if (want->count++ == 0) want->first = k;
    }
    return r;
}

static void check_span(struct model *m, struct value v)
{
    struct zset_span want;
    model_sort(m);
    struct zset_range range = random_range(m, &want);
    struct zset_span got = zset_span(v, &range);
    CHECK_INT(got.count, want.count);
    if (want.count) CHECK_INT(got.first, want.first);
}

static void remove_span(struct model *m, struct value *v)
{
    model_sort(m);
    if (m->count == 0) return;
    struct zset_span span = {unit_rand_below(m->count), 0};
    size_t most = m->count - span.first, some = 1 + unit_rand_below(12);
    span.count = unit_rand_below(MIN(most, some) + 1);
    zset_remove_span(v, span);
    for (size_t k = 0; k < span.count; k++) m->there[m->order[span.first + k]] = false;
}

static void check_random(struct model *m, struct value v)
{
    model_sort(m);
    if (m->count == 0) return;
    size_t wanted = unit_rand_below(m->count + 3);
    struct visit picked = {.m = m}, drawn = {.m = m};
    zset_pick(v, wanted, visit_any, &picked);
    CHECK_INT(picked.calls, MIN(wanted, m->count));
    for (int i = 0; i < NAMES; i++) CHECK(picked.seen[i] <= 1);
    zset_draw(v, wanted, visit_any, &drawn);
    CHECK_INT(drawn.calls, wanted);
}

static struct digest digest_of(struct value v)
{
    struct digest d = {{0}};
    zset_type_ops.digest(v, &d);
    return d;
}

static void check_copy(struct model *m, struct value v)
{
    struct value copy = zset_type_ops.copy(v);
    struct digest a = digest_of(v), b = digest_of(copy);
    CHECK_MEM(a.bytes, sizeof(a.bytes), b.bytes, sizeof(b.bytes));
    check_all(m, copy);
    zset_type_ops.free(copy);
}

/* What zset_add must do, said in the plainest way. */
static enum zset_added model_add(struct model *m, int i, double *score, unsigned flags)
{
    if (!m->there[i]) {
        if (flags & ZSET_XX) return ZSET_REFUSED;
        m->there[i] = true;
        m->score[i] = *score;
        return ZSET_NEW;
    }
    if (flags & ZSET_NX) return ZSET_REFUSED;
    double old = m->score[i], now = flags & ZSET_INCR ? old + *score : *score;
    if (isnan(now)) return ZSET_NAN;
    if (flags & ZSET_GT && !(now > old)) return ZSET_REFUSED;
    if (flags & ZSET_LT && !(now < old)) return ZSET_REFUSED;
    *score = m->score[i] = now;
    return now == old ? ZSET_SAME : ZSET_CHANGED;
}

static void add(struct model *m, struct value *v)
{
    static const unsigned some_flags[] = {0, 0, 0, ZSET_INCR, ZSET_NX, ZSET_XX, ZSET_GT, ZSET_LT,
                                          ZSET_GT | ZSET_INCR, ZSET_LT | ZSET_XX};
    int i = (int)unit_rand_below(NAMES);
    unsigned flags = some_flags[unit_rand_below(ARRAY_COUNT(some_flags))];
    double score = random_score(), got = 0;
    struct arg member = name_arg(m, i);
    enum zset_added added = zset_add(v, &member, score, flags, &got);
    CHECK_INT(added, model_add(m, i, &score, flags));
    if (added != ZSET_REFUSED && added != ZSET_NAN) CHECK(got == score);
}

static void step(struct model *m, struct value *v, bool growing)
{
    unsigned roll = (unsigned)unit_rand_below(100);
    if (roll < (growing ? 60 : 20)) {
        add(m, v);
    } else if (roll < 85) {
        int i = (int)unit_rand_below(NAMES);
        struct arg member = name_arg(m, i);
        CHECK_INT(zset_remove(v, &member), m->there[i]);
        m->there[i] = false;
    } else if (roll < 88) {
        remove_span(m, v);
    } else if (roll < 94) {
        check_span(m, *v);
    } else {
        check_walk(m, *v);
    }
}

TEST(random_operations)
{
    struct type_limits saved = type_limits;
    long rounds = unit_rounds(40);
    for (long round = 0; round < rounds; round++) {
        struct model m;
        model_init(&m);
        type_limits.zset_max_listpack_entries = unit_rand_below(60);
        type_limits.zset_max_listpack_value = 8 + unit_rand_below(20);
        struct value v = unit_rand_below(4) ? zset_new() : zset_new_tree();
        for (int i = 0; i < 2000; i++) {
            step(&m, &v, i / 500 % 2 == 0);
            if (unit_rand_below(100) == 0) check_all(&m, v);
            if (unit_rand_below(50) == 0) check_random(&m, v);
            if (unit_rand_below(300) == 0) check_copy(&m, v);
        }
        zset_compact(&v);
        check_all(&m, v);
        CHECK(zset_type_ops.free_effort(v) >= (m.count > 0));
        CHECK(zset_type_ops.memory(v, 5) > 0);
        zset_type_ops.free(v);
    }
    type_limits = saved;
}

/* Members of equal score: ranges by member, in both encodings. */
static void check_lex(size_t entries)
{
    type_limits.zset_max_listpack_entries = entries;
    struct value v = zset_new();
    double score;
    char text[3];
    for (int a = 0; a < 26; a++) {
        struct arg member = arg_of(text, (size_t)snprintf(text, sizeof(text), "%c", 'a' + a));
        zset_add(&v, &member, 0, 0, &score);
    }
    for (int i = 0; i < 500; i++) {
        struct zset_range r = {.by = ZSET_BY_LEX};
        int low = (int)unit_rand_below(26), high = (int)unit_rand_below(26);
        char ends[2] = {(char)('a' + low), (char)('a' + high)};
        r.min = (struct zset_limit){.member = view_of(ends, 1), .open = unit_rand_below(2)};
        r.max = (struct zset_limit){.member = view_of(ends + 1, 1), .open = unit_rand_below(2)};
        if (unit_rand_below(8) == 0) r.min.edge = unit_rand_below(2) ? 1 : -1;
        if (unit_rand_below(8) == 0) r.max.edge = unit_rand_below(2) ? 1 : -1;
        if (r.min.edge || r.max.edge) r.min.open = r.max.open = false;
        int first = r.min.edge < 0 ? 0 : r.min.edge > 0 ? 26 : low + r.min.open;
        int end = r.max.edge < 0 ? 0 : r.max.edge > 0 ? 26 : high + 1 - r.max.open;
        struct zset_span span = zset_span(v, &r);
        CHECK_INT(span.count, end > first ? end - first : 0);
        if (span.count) CHECK_INT(span.first, first);
    }
    zset_type_ops.free(v);
}

TEST(ranges_by_member)
{
    struct type_limits saved = type_limits;
    check_lex(100);
    check_lex(0);
    type_limits = saved;
}

TEST(encodings_follow_the_limits)
{
    struct value v = zset_new();
    char name[80];
    double score;
    for (int i = 0; i < 128; i++) {
        struct arg member = arg_of(name, (size_t)snprintf(name, sizeof(name), "m%d", i));
        zset_add(&v, &member, i, 0, &score);
    }
    CHECK_INT(v.enc, ENC_LISTPACK);
    struct arg last = arg_of("x", 1);
    zset_add(&v, &last, 1, 0, &score);
    CHECK_INT(v.enc, ENC_SKIPLIST);
    CHECK_INT(zset_length(v), 129);
    for (int i = 0; i < 128; i++) {
        struct arg member = arg_of(name, (size_t)snprintf(name, sizeof(name), "m%d", i));
        CHECK(zset_remove(&v, &member));
    }
    CHECK_INT(v.enc, ENC_SKIPLIST); /* never back by itself */
    zset_compact(&v);
    CHECK_INT(v.enc, ENC_LISTPACK);
    CHECK(zset_score(v, &last, &score) && score == 1);

    memset(name, 'a', sizeof(name));
    struct arg member = arg_of(name, 64);
    zset_add(&v, &member, 2, 0, &score);
    CHECK_INT(v.enc, ENC_LISTPACK);
    member = arg_of(name, 65);
    zset_add(&v, &member, 2, 0, &score);
    CHECK_INT(v.enc, ENC_SKIPLIST);
    zset_compact(&v);
    CHECK_INT(v.enc, ENC_SKIPLIST);
    CHECK_INT(zset_length(v), 3);
    zset_type_ops.free(v);
}

/* A score that goes in comes out, whatever form it takes inside. */
TEST(scores_survive)
{
    static const double scores[] = {0, 1, -1, 0.1, 1e15 + 0.5, 1e17, 1e18, 0x1p62, 0x1p63, -0x1p62,
                                    -0x1p63, 1e300, 5e-324, 2.2250738585072014e-308, INFINITY,
                                    -INFINITY, 3.141592653589793, 123456789012345680.0};
    struct type_limits saved = type_limits;
    for (int tree = 0; tree < 2; tree++) {
        type_limits.zset_max_listpack_entries = tree ? 0 : 128;
        struct value v = zset_new();
        for (size_t i = 0; i < ARRAY_COUNT(scores) + 1000; i++) {
            double score = 0, got;
            uint64_t bits = unit_rand();
            memcpy(&score, &bits, sizeof(score));
            if (i < ARRAY_COUNT(scores)) score = scores[i];
            if (isnan(score)) continue;
            struct arg member = arg_of("m", 1);
            zset_add(&v, &member, score, 0, &got);
            CHECK(got == score);
            CHECK(zset_score(v, &member, &got) && got == score);
        }
        zset_type_ops.free(v);
    }
    type_limits = saved;
}

TEST(digest_is_a_sum_over_members)
{
    struct digest d = {{0}}, want = {{0}}, one;
    const char *pairs[2][2] = {{"a", "1"}, {"b", "0.5"}};
    struct value v = zset_new();
    for (int i = 0; i < 2; i++) {
        struct arg member = arg_of(pairs[i][0], 1);
        double score = strtod(pairs[i][1], NULL);
        zset_add(&v, &member, score, 0, &score);
        one = (struct digest){{0}};
        digest_mix(&one, pairs[i][0], 1);
        digest_mix(&one, pairs[i][1], strlen(pairs[i][1]));
        digest_xor(&want, one.bytes, sizeof(one.bytes));
    }
    zset_type_ops.digest(v, &d);
    CHECK_MEM(d.bytes, sizeof(d.bytes), want.bytes, sizeof(want.bytes));
    zset_type_ops.free(v);
}

TEST(random_members_are_even)
{
    struct type_limits saved = type_limits;
    for (int tree = 0; tree < 2; tree++) {
        type_limits.zset_max_listpack_entries = tree ? 0 : 512;
        const size_t wanted[] = {1, 20, 60};
        for (size_t w = 0; w < ARRAY_COUNT(wanted); w++) {
            struct model m;
            model_init(&m);
            struct value v = zset_new();
            for (int i = 0; i < 80; i++) {
                struct arg member = name_arg(&m, i);
                zset_add(&v, &member, i % 7, 0, &m.score[i]);
                m.there[i] = true;
            }
            struct visit picked = {.m = &m}, drawn = {.m = &m};
            const unsigned rounds = 3000;
            for (unsigned i = 0; i < rounds; i++) {
                zset_pick(v, wanted[w], visit_any, &picked);
                zset_draw(v, wanted[w], visit_any, &drawn);
            }
            /* Six standard deviations of a binomial: once in 10^8 members by chance. */
            double mean = rounds * (double)wanted[w] / 80, margin = 6 * sqrt(mean) + 1;
            for (int i = 0; i < 80; i++) {
                CHECK_MSG(fabs(picked.seen[i] - mean) < margin, "picked %u, expected %g",
                          picked.seen[i], mean);
                CHECK_MSG(fabs(drawn.seen[i] - mean) < margin, "drawn %u, expected %g",
                          drawn.seen[i], mean);
            }
            zset_type_ops.free(v);
        }
    }
    type_limits = saved;
}
