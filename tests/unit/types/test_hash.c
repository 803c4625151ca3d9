/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hashes against a naive model: an array of names, each with a value or none. Limits are small
 * and random, so that runs cross from listpack to table; lengths sit on both sides of a size
 * class and of a one-byte length.
 */
#include "types/hash.h"
#include "base/hash.h"
#include "base/mem.h"
#include "unit.h"

#define NAMES 300
#define VALUE_MAX 400

struct model {
    char name[NAMES][24];
    size_t name_len[NAMES];
    char *value[NAMES]; /* NULL: no such field */
    size_t value_len[NAMES];
    size_t count;
};

static void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < NAMES; i++) {
        const char *form = i % 3 == 0 ? "%d" : i % 3 == 1 ? "field:%d" : "f%d\tlonger";
        m->name_len[i] = (size_t)snprintf(m->name[i], sizeof(m->name[i]), form, i * 7919);
    }
    m->name_len[1] = 0; /* the empty field is a field */
}

static void model_release(struct model *m)
{
    for (int i = 0; i < NAMES; i++) free(m->value[i]);
}

static void model_set(struct model *m, int i, const char *value, size_t len)
{
    if (!m->value[i]) m->count++;
    m->value[i] = realloc(m->value[i], len + 1);
    if (len) memcpy(m->value[i], value, len);
    m->value_len[i] = len;
}

static void model_remove(struct model *m, int i)
{
    if (!m->value[i]) return;
    m->count--;
    free(m->value[i]);
    m->value[i] = NULL;
}

static int model_index(const struct model *m, struct view field)
{
    for (int i = 0; i < NAMES; i++) {
        if (view_eq(field, view_of(m->name[i], m->name_len[i]))) return i;
    }
    return -1;
}

static struct arg name_arg(const struct model *m, int i)
{
    return arg_of(m->name[i], m->name_len[i]);
}

static size_t random_value(char buf[VALUE_MAX])
{
    switch (unit_rand_below(4)) {
    case 0: return (size_t)snprintf(buf, VALUE_MAX, "%lld", (long long)unit_rand());
    case 1: return (size_t)snprintf(buf, VALUE_MAX, "%d", (int)unit_rand_below(100));
    default: break;
    }
    size_t len = unit_rand_below(unit_rand_below(4) ? 40 : VALUE_MAX);
    unit_rand_bytes(buf, len);
    return len;
}

struct visit {
    const struct model *m;
    unsigned seen[NAMES];
    size_t calls;
};

static void visit(void *ctx, struct view field, struct view value)
{
    struct visit *v = ctx;
    int i = model_index(v->m, field);
    CHECK(i >= 0 && v->m->value[i]);
    CHECK_MEM(value.ptr, value.len, v->m->value[i], v->m->value_len[i]);
    v->seen[i]++;
    v->calls++;
}

static void check_all(const struct model *m, struct value v)
{
    struct visit seen = {.m = m};
    CHECK_INT(hash_length(v), m->count);
    hash_each(v, visit, &seen);
    CHECK_INT(seen.calls, m->count);
    for (int i = 0; i < NAMES; i++) {
        char buf[NUM_I64_LEN];
        struct view value;
        struct arg field = name_arg(m, i);
        CHECK_INT(seen.seen[i], m->value[i] ? 1 : 0);
        CHECK_INT(hash_contains(v, &field), m->value[i] != NULL);
        CHECK_INT(hash_get(v, &field, buf, &value), m->value[i] != NULL);
        if (m->value[i]) CHECK_MEM(value.ptr, value.len, m->value[i], m->value_len[i]);
    }
}

static void check_scan(const struct model *m, struct value v)
{
    struct visit seen = {.m = m};
    uint64_t cursor = 0;
    do {
        cursor = hash_scan(v, cursor, 1 + unit_rand_below(5), visit, &seen);
    } while (cursor);
    CHECK_INT(seen.calls, m->count);
}

static void check_picks(const struct model *m, struct value v)
{
    if (m->count == 0) return;
    size_t wanted = unit_rand_below(m->count + 3);
    struct visit seen = {.m = m};
    hash_pick(v, wanted, visit, &seen);
    CHECK_INT(seen.calls, MIN(wanted, m->count));
    for (int i = 0; i < NAMES; i++) CHECK(seen.seen[i] <= 1);

    seen = (struct visit){.m = m};
    hash_draw(v, wanted, visit, &seen);
    CHECK_INT(seen.calls, wanted);
}

static struct digest digest_of(struct value v)
{
    struct digest d = {{0}};
    hash_type_ops.digest(v, &d);
    return d;
}

static void check_copy(const struct model *m, struct value v)
{
    struct value copy = hash_type_ops.copy(v);
    check_all(m, copy);
    struct digest a = digest_of(v), b = digest_of(copy);
    CHECK_MEM(a.bytes, sizeof(a.bytes), b.bytes, sizeof(b.bytes));
    hash_type_ops.free(copy);
}

static void random_step(struct model *m, struct value *v, int names)
{
    char buf[VALUE_MAX];
    int i = (int)unit_rand_below((uint64_t)names);
    struct arg field = name_arg(m, i);
    if (unit_rand_below(3)) {
        size_t len = random_value(buf);
        bool is_new = !m->value[i];
        CHECK_INT(hash_set(v, &field, view_of(buf, len)), is_new);
        model_set(m, i, buf, len);
        if (m->count > type_limits.hash_max_listpack_entries) CHECK_INT(v->enc, ENC_HASHTABLE);
        if (len > type_limits.hash_max_listpack_value) CHECK_INT(v->enc, ENC_HASHTABLE);
    } else {
        CHECK_INT(hash_remove(v, &field), m->value[i] != NULL);
        model_remove(m, i);
    }
}

TEST(behaves_as_the_model)
{
    struct type_limits saved = type_limits;
    for (long round = 0; round < unit_rounds(300); round++) {
        type_limits.hash_max_listpack_entries = unit_rand_below(80);
        type_limits.hash_max_listpack_value = unit_rand_below(2) ? 64 : VALUE_MAX;
        struct model m;
        model_init(&m);
        struct value v = hash_new();
        int names = 1 + (int)unit_rand_below(NAMES);
        for (int step = 0; step < 600; step++) {
            random_step(&m, &v, names);
            if (unit_rand_below(100) == 0) check_all(&m, v);
            if (unit_rand_below(50) == 0) check_scan(&m, v);
            if (unit_rand_below(50) == 0) check_picks(&m, v);
            if (unit_rand_below(200) == 0) check_copy(&m, v);
        }
        CHECK(hash_type_ops.free_effort(v) >= (m.count > 0));
        CHECK(hash_type_ops.memory(v, 5) > 0 || m.count == 0);
        hash_type_ops.free(v);
        model_release(&m);
    }
    type_limits = saved;
}

TEST(encodings_follow_the_limits)
{
    struct value v = hash_new();
    char name[16], buf[NUM_I64_LEN];
    struct view value;
    for (int i = 0; i < 512; i++) {
        struct arg field = arg_of(name, (size_t)snprintf(name, sizeof(name), "f%d", i));
        hash_set(&v, &field, view_cstr("v"));
    }
    CHECK_INT(v.enc, ENC_LISTPACK);
    struct arg last = arg_of("x", 1);
    hash_set(&v, &last, view_cstr("v"));
    CHECK_INT(v.enc, ENC_HASHTABLE);
    CHECK_INT(hash_length(v), 513);
    /* never back */
    for (int i = 0; i < 512; i++) {
        struct arg field = arg_of(name, (size_t)snprintf(name, sizeof(name), "f%d", i));
        CHECK(hash_remove(&v, &field));
    }
    CHECK_INT(v.enc, ENC_HASHTABLE);
    CHECK(hash_get(v, &last, buf, &value));
    CHECK(hash_remove(&v, &last));
    CHECK_INT(hash_length(v), 0);
    hash_type_ops.free(v);

    char text[65];
    memset(text, 'a', sizeof(text));
    struct arg texts[2] = {arg_of("f", 1), arg_of(text, 64)};
    v = hash_new();
    hash_prepare(&v, texts, 2);
    CHECK_INT(v.enc, ENC_LISTPACK);
    hash_set(&v, &texts[0], arg_view(&texts[1]));
    CHECK_INT(v.enc, ENC_LISTPACK);
    texts[1].len = 65;
    hash_prepare(&v, texts, 2);
    CHECK_INT(v.enc, ENC_HASHTABLE);
    CHECK_INT(hash_length(v), 1);
    hash_type_ops.free(v);
}

TEST(long_values_replace_short_ones)
{
    struct value v = hash_new();
    struct arg field = arg_of("field", 5);
    static char big[300000];
    unit_rand_bytes(big, sizeof(big));
    for (int i = 0; i < 2000; i++) {
        char buf[NUM_I64_LEN];
        struct view value;
        size_t len = unit_rand_below(8) ? unit_rand_below(300) : unit_rand_below(sizeof(big));
        const char *from = big + unit_rand_below(sizeof(big) - len);
        hash_set(&v, &field, view_of(from, len));
        CHECK(hash_get(v, &field, buf, &value));
        CHECK_MEM(value.ptr, value.len, from, len);
    }
    CHECK_INT(hash_length(v), 1);
    hash_type_ops.free(v);
}

/* The digest of {f: v, g: w} as stock prints it, less the type that the keyspace mixes in. */
TEST(digest_is_a_sum_over_fields)
{
    struct digest d = {{0}}, want = {{0}}, one;
    const char *pairs[2][2] = {{"f", "v"}, {"g", "w"}};
    struct value v = hash_new();
    for (int i = 0; i < 2; i++) {
        struct arg field = arg_of(pairs[i][0], 1);
        hash_set(&v, &field, view_cstr(pairs[i][1]));
        one = (struct digest){{0}};
        digest_mix(&one, pairs[i][0], 1);
        digest_mix(&one, pairs[i][1], 1);
        digest_xor(&want, one.bytes, sizeof(one.bytes));
    }
    hash_type_ops.digest(v, &d);
    CHECK_MEM(d.bytes, sizeof(d.bytes), want.bytes, sizeof(want.bytes));
    hash_type_ops.free(v);
}

/* Every field comes about equally often, in both encodings and by both ways of choosing. */
static void check_even(size_t fields, size_t wanted)
{
    struct model m;
    model_init(&m);
    struct value v = hash_new();
    for (size_t i = 0; i < fields; i++) {
        struct arg field = name_arg(&m, (int)i);
        hash_set(&v, &field, view_cstr("v"));
        model_set(&m, (int)i, "v", 1);
    }
    struct visit picked = {.m = &m}, drawn = {.m = &m};
    const unsigned rounds = 4000;
    for (unsigned i = 0; i < rounds; i++) {
        hash_pick(v, wanted, visit, &picked);
        hash_draw(v, wanted, visit, &drawn);
    }
    /* Six standard deviations of a binomial: once in 10^8 fields by chance. */
    double p = (double)wanted / (double)fields, mean = rounds * p;
    double margin = 6 * __builtin_sqrt(mean) + 1;
    for (size_t i = 0; i < fields; i++) {
        CHECK_MSG(picked.seen[i] > mean - margin && picked.seen[i] < mean + margin,
                  "field %zu of %zu: picked %u, expected %g", i, fields, picked.seen[i], mean);
        CHECK_MSG(drawn.seen[i] > mean - margin && drawn.seen[i] < mean + margin,
                  "field %zu of %zu: drawn %u, expected %g", i, fields, drawn.seen[i], mean);
    }
    hash_type_ops.free(v);
    model_release(&m);
}

TEST(random_fields_are_even)
{
    struct type_limits saved = type_limits;
    for (int table = 0; table < 2; table++) {
        type_limits.hash_max_listpack_entries = table ? 0 : 512;
        check_even(10, 1);
        check_even(50, 5);
        check_even(50, 30);
        check_even(200, 150);
    }
    type_limits = saved;
}
