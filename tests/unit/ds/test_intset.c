/* SPDX-License-Identifier: BSD-3-Clause */
/* Intsets against a plain sorted array, and hostile bytes. */
#include "ds/intset.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

TEST(format)
{
    struct intset *s = intset_new();
    CHECK_INT(intset_bytes(s), 8);
    CHECK_INT(intset_add(&s, 5), STATUS_OK);
    CHECK_INT(intset_add(&s, -1), STATUS_OK);
    CHECK_INT(intset_add(&s, 5), STATUS_EXISTS);
    CHECK_MEM(s, intset_bytes(s), "\2\0\0\0\2\0\0\0\xff\xff\5\0", 12);
    CHECK_INT(intset_add(&s, 70000), STATUS_OK);
    CHECK_MEM(s, intset_bytes(s), "\4\0\0\0\3\0\0\0\xff\xff\xff\xff\5\0\0\0\x70\x11\1\0", 20);
    CHECK_INT(intset_add(&s, INT64_MIN), STATUS_OK);
    CHECK_INT(s->width, 8);
    CHECK_INT(intset_get(s, 0), INT64_MIN);
    CHECK_INT(intset_get(s, 1), -1);
    CHECK_INT(intset_get(s, 3), 70000);
    CHECK(intset_remove(&s, INT64_MIN));
    CHECK_INT(s->width, 8); /* never narrows */
    CHECK(!intset_remove(&s, INT64_MIN));
    mem_free(s);
}

TEST(widths_at_their_edges)
{
    static const int64_t edges[] = {INT16_MIN,       INT16_MAX,       INT16_MIN - 1L,
                                    INT16_MAX + 1L,  INT32_MIN,       INT32_MAX,
                                    INT32_MIN - 1L,  INT32_MAX + 1L,  INT64_MIN,
                                    INT64_MAX};
    static const uint32_t widths[] = {2, 2, 4, 4, 4, 4, 8, 8, 8, 8};
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        struct intset *s = intset_new();
        CHECK_INT(intset_add(&s, 0), STATUS_OK);
        CHECK(!intset_contains(s, edges[i]));
        CHECK_INT(intset_add(&s, edges[i]), STATUS_OK);
        CHECK_INT(s->width, widths[i]);
        CHECK(intset_contains(s, edges[i]) && intset_contains(s, 0));
        CHECK(intset_validate(s, intset_bytes(s)));
        mem_free(s);
    }
}

/* The model: a sorted array. */
struct model {
    int64_t values[600];
    size_t count;
};

static size_t model_place(const struct model *m, int64_t value)
{
    size_t i = 0;
    while (i < m->count && m->values[i] < value) i++;
    return i;
}

static bool model_has(const struct model *m, int64_t value)
{
    size_t i = model_place(m, value);
    return i < m->count && m->values[i] == value;
}

static void model_add(struct model *m, int64_t value)
{
    size_t i = model_place(m, value);
    memmove(m->values + i + 1, m->values + i, (m->count - i) * sizeof(value));
    m->values[i] = value;
    m->count++;
}

static void model_remove(struct model *m, int64_t value)
{
    size_t i = model_place(m, value);
    memmove(m->values + i, m->values + i + 1, (m->count - i - 1) * sizeof(value));
    m->count--;
}

/* Few bits at first, so that widening meets sets of every size. */
static int64_t rand_value(unsigned bits)
{
    return (int64_t)(unit_rand() << (64 - bits)) >> (64 - bits);
}

static void check_equal(const struct intset *s, const struct model *m)
{
    CHECK_INT(intset_count(s), m->count);
    for (size_t i = 0; i < m->count; i++) CHECK_INT(intset_get(s, i), m->values[i]);
    CHECK(intset_validate(s, intset_bytes(s)));
    CHECK(mem_usable(s) >= intset_bytes(s));
}

TEST(agrees_with_an_array)
{
    static struct model m;
    for (long round = 0; round < unit_rounds(200); round++) {
        struct intset *s = intset_new();
        unsigned bits = 4 + (unsigned)unit_rand_below(8);
        m.count = 0;
        for (int i = 0; i < 600; i++) {
            if (unit_rand_below(40) == 0 && bits < 64) bits += 1 + (unsigned)unit_rand_below(8);
            if (bits > 64) bits = 64;
            int64_t value = rand_value(bits);
            bool had = model_has(&m, value);
            CHECK(intset_contains(s, value) == had);
            if (unit_rand_below(3)) {
                CHECK_INT(intset_add(&s, value), had ? STATUS_EXISTS : STATUS_OK);
                if (!had) model_add(&m, value);
            } else {
                if (m.count && !had && unit_rand_below(2)) {
                    value = m.values[unit_rand_below(m.count)];
                    had = true;
                }
                CHECK(intset_remove(&s, value) == had);
                if (had) model_remove(&m, value);
            }
        }
        check_equal(s, &m);
        struct intset *copy = intset_copy(s);
        while (intset_count(copy)) intset_remove_at(&copy, unit_rand_below(intset_count(copy)));
        check_equal(s, &m);
        mem_free(copy);
        mem_free(s);
    }
}

TEST(hostile_bytes)
{
    static const unsigned char good[] = {2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 5, 0};
    unsigned char bytes[sizeof(good)];
    CHECK(intset_validate(good, sizeof(good)));
    CHECK(!intset_validate(good, sizeof(good) - 1));
    CHECK(!intset_validate(good, 7));
    CHECK(!intset_validate(good, 0));
    memcpy(bytes, good, sizeof(good));
    bytes[0] = 3;
    CHECK(!intset_validate(bytes, sizeof(bytes)));
    memcpy(bytes, good, sizeof(good));
    memset(bytes + 4, 0xff, 4);
    CHECK(!intset_validate(bytes, sizeof(bytes)));
    memcpy(bytes, "\2\0\0\0\2\0\0\0\5\0\5\0", 12); /* twice the same */
    CHECK(!intset_validate(bytes, sizeof(bytes)));
    memcpy(bytes, "\2\0\0\0\2\0\0\0\6\0\5\0", 12); /* descending */
    CHECK(!intset_validate(bytes, sizeof(bytes)));
    for (long i = 0; i < unit_rounds(100000); i++) {
        size_t len = unit_rand_below(40);
        unsigned char *block = mem_alloc(len ? len : 1);
        for (size_t k = 0; k < len; k++) block[k] = (unsigned char)unit_rand_below(4);
        if (len > 4) memset(block + 1, 0, 3);
        if (len > 8) memset(block + 5, 0, 3);
        if (intset_validate(block, len)) {
            const struct intset *s = (const void *)block;
            for (size_t k = 0; k < intset_count(s); k++)
                CHECK(intset_contains(s, intset_get(s, k)));
        }
        mem_free(block);
    }
}
