/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets against a naive model: an array of names, each in or out. Half of the names are integers,
 * some runs use only those, and limits are small, so that sets cross from intset to table and,
 * by popping, back.
 */
#include "types/set.h"
#include "base/hash.h"
#include "unit.h"

#define NAMES 300

struct model {
    char name[NAMES][24];
    size_t name_len[NAMES];
    bool in[NAMES];
    size_t count;
    int names; /* of them are used */
};

static void model_init(struct model *m, bool only_integers)
{
    static const long long edges[] = {0, -1, INT16_MAX, INT16_MIN, INT32_MAX,
                                      INT32_MIN, INT64_MAX, INT64_MIN};
    memset(m, 0, sizeof(*m));
    m->names = NAMES;
    for (int i = 0; i < NAMES; i++) {
        long long number = i < 8 ? edges[i] : i * 7919LL;
        const char *form = only_integers || i % 2 == 0 ? "%lld" : i % 3 ? "m:%lld" : "0%lld";
        m->name_len[i] = (size_t)snprintf(m->name[i], sizeof(m->name[i]), form, number);
    }
    if (!only_integers) m->name_len[1] = 0;
}

static struct arg name_arg(const struct model *m, int i)
{
    return arg_of(m->name[i], m->name_len[i]);
}

static int model_index(const struct model *m, struct view name)
{
    for (int i = 0; i < NAMES; i++) {
        if (view_eq(name, view_of(m->name[i], m->name_len[i]))) return i;
    }
    return -1;
}

struct visit {
    struct model *m;
    bool remove;
    unsigned seen[NAMES];
    size_t calls;
};

static void visit(void *ctx, struct view member)
{
    struct visit *v = ctx;
    int i = model_index(v->m, member);
    CHECK(i >= 0 && v->m->in[i]);
    v->seen[i]++;
    v->calls++;
    if (v->remove) {
        v->m->in[i] = false;
        v->m->count--;
    }
}

static void check_all(struct model *m, struct value v)
{
    struct visit seen = {.m = m};
    CHECK_INT(set_length(v), m->count);
    set_each(v, visit, &seen);
    CHECK_INT(seen.calls, m->count);
    for (int i = 0; i < NAMES; i++) {
        struct arg member = name_arg(m, i);
        CHECK_INT(seen.seen[i], m->in[i]);
        CHECK_INT(set_contains(v, &member), m->in[i]);
    }
}

static void check_scan(struct model *m, struct value v)
{
    struct visit seen = {.m = m};
    uint64_t cursor = 0;
    do {
        cursor = set_scan(v, cursor, 1 + unit_rand_below(5), visit, &seen);
    } while (cursor);
    CHECK_INT(seen.calls, m->count);
}

static void check_picks(struct model *m, struct value v)
{
    if (m->count == 0) return;
    size_t wanted = unit_rand_below(m->count + 3);
    struct visit seen = {.m = m};
    set_pick(v, wanted, visit, &seen);
    CHECK_INT(seen.calls, MIN(wanted, m->count));
    for (int i = 0; i < NAMES; i++) CHECK(seen.seen[i] <= 1);

    seen = (struct visit){.m = m};
    set_draw(v, wanted, visit, &seen);
    CHECK_INT(seen.calls, wanted);
}

static void check_pop(struct model *m, struct value *v)
{
    size_t wanted = unit_rand_below(m->count + 3);
    if (unit_rand_below(2)) wanted = unit_rand_below(4);
    size_t before = m->count;
    struct visit seen = {.m = m, .remove = true};
    set_pop(v, wanted, visit, &seen);
    CHECK_INT(seen.calls, MIN(wanted, before));
    check_all(m, *v);
}

static struct digest digest_of(struct value v)
{
    struct digest d = {{0}};
    set_type_ops.digest(v, &d);
    return d;
}

static void check_copy(struct model *m, struct value v)
{
    struct value copy = set_type_ops.copy(v);
    check_all(m, copy);
    struct digest a = digest_of(v), b = digest_of(copy);
    CHECK_MEM(a.bytes, sizeof(a.bytes), b.bytes, sizeof(b.bytes));
    set_type_ops.free(copy);
}

static void random_step(struct model *m, struct value *v)
{
    int i = (int)unit_rand_below((uint64_t)m->names);
    struct arg member = name_arg(m, i);
    if (unit_rand_below(3)) {
        CHECK_INT(set_add(v, &member), !m->in[i]);
        m->count += !m->in[i];
        m->in[i] = true;
        if (m->count > type_limits.set_max_intset_entries) CHECK_INT(v->enc, ENC_HASHTABLE);
    } else {
        CHECK_INT(set_remove(v, &member), m->in[i]);
        m->count -= m->in[i];
        m->in[i] = false;
    }
}

TEST(behaves_as_the_model)
{
    struct type_limits saved = type_limits;
    for (long round = 0; round < unit_rounds(300); round++) {
        type_limits.set_max_intset_entries = unit_rand_below(200);
        struct model m;
        model_init(&m, unit_rand_below(2));
        m.names = 1 + (int)unit_rand_below(NAMES);
        struct value v = set_new();
        for (int step = 0; step < 600; step++) {
            random_step(&m, &v);
            if (unit_rand_below(100) == 0) check_all(&m, v);
            if (unit_rand_below(50) == 0) check_scan(&m, v);
            if (unit_rand_below(50) == 0) check_picks(&m, v);
            if (unit_rand_below(100) == 0) check_pop(&m, &v);
            if (unit_rand_below(200) == 0) check_copy(&m, v);
        }
        CHECK(set_type_ops.free_effort(v) >= (m.count > 0));
        set_type_ops.free(v);
    }
    type_limits = saved;
}

static struct value numbers(int count)
{
    struct value v = set_new();
    for (int i = 1; i <= count; i++) {
        char text[16];
        struct arg member = arg_of(text, (size_t)snprintf(text, sizeof(text), "%d", i));
        set_add(&v, &member);
    }
    return v;
}

static void ignore(void *ctx, struct view member)
{
    (void)member;
    ++*(size_t *)ctx;
}

TEST(encodings_follow_the_limits)
{
    struct value v = numbers(512);
    CHECK_INT(v.enc, ENC_INTSET);
    set_type_ops.free(v);
    v = numbers(513);
    CHECK_INT(v.enc, ENC_HASHTABLE);
    set_type_ops.free(v);

    v = numbers(3);
    struct arg text = arg_of("01", 2);
    CHECK(!set_contains(v, &text));
    CHECK(!set_remove(&v, &text));
    CHECK_INT(v.enc, ENC_INTSET);
    CHECK(set_add(&v, &text));
    CHECK_INT(v.enc, ENC_HASHTABLE);
    CHECK(set_remove(&v, &text));
    CHECK_INT(v.enc, ENC_HASHTABLE);
    CHECK_INT(set_length(v), 3);
    set_type_ops.free(v);
}

/* As stock: a table of integers is an intset again when at most a fifth as many remain as go. */
TEST(popping_nearly_all_rebuilds)
{
    const struct {
        int members, popped;
        enum value_enc enc;
    } cases[] = {{13, 10, ENC_HASHTABLE}, {13, 11, ENC_INTSET}, {12, 10, ENC_INTSET},
                 {24, 18, ENC_HASHTABLE}};
    struct type_limits saved = type_limits;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        size_t calls = 0;
        type_limits.set_max_intset_entries = 2;
        struct value v = numbers(cases[i].members);
        CHECK_INT(v.enc, ENC_HASHTABLE);
        type_limits.set_max_intset_entries = 512;
        set_pop(&v, (size_t)cases[i].popped, ignore, &calls);
        CHECK_INT(calls, cases[i].popped);
        CHECK_INT(v.enc, cases[i].enc);
        CHECK_INT(set_length(v), cases[i].members - cases[i].popped);
        set_type_ops.free(v);
    }
    type_limits = saved;
}

static void check_even(int members, size_t wanted)
{
    struct model m;
    model_init(&m, true);
    m.names = members;
    struct visit picked = {.m = &m}, drawn = {.m = &m}, popped = {.m = &m};
    const unsigned rounds = 4000;
    for (unsigned i = 0; i < rounds; i++) {
        struct value v = set_new();
        for (int k = 0; k < members; k++) {
            struct arg member = name_arg(&m, k);
            set_add(&v, &member);
            m.in[k] = true;
        }
        set_pick(v, wanted, visit, &picked);
        set_draw(v, wanted, visit, &drawn);
        set_pop(&v, wanted, visit, &popped);
        set_type_ops.free(v);
    }
    /* Six standard deviations of a binomial. */
    double mean = rounds * (double)wanted / members, margin = 6 * __builtin_sqrt(mean) + 1;
    for (int i = 0; i < members; i++) {
        const unsigned seen[3] = {picked.seen[i], drawn.seen[i], popped.seen[i]};
        for (int k = 0; k < 3; k++) {
            CHECK_MSG(seen[k] > mean - margin && seen[k] < mean + margin,
                      "way %d, member %d of %d: %u times, expected %g", k, i, members, seen[k],
                      mean);
        }
    }
}

TEST(random_members_are_even)
{
    struct type_limits saved = type_limits;
    for (int table = 0; table < 2; table++) {
        type_limits.set_max_intset_entries = table ? 0 : 512;
        check_even(10, 1);
        check_even(50, 5);
        check_even(50, 12);
        check_even(50, 30);
        check_even(100, 90);
    }
    type_limits = saved;
}
