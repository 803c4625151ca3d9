/* SPDX-License-Identifier: BSD-3-Clause */
/* Bits and fields against loops over single bits. */
#include "ds/bits.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

/* Exactly as long as needed, so that a sanitizer sees every byte too many. */
static unsigned char *random_bytes(size_t len)
{
    static const unsigned char fills[] = {0, 255, 0, 255, 1, 128};
    unsigned char *p = mem_alloc(len ? len : 1), fill = fills[unit_rand_below(6)];
    bool uniform = unit_rand_below(2);
    for (size_t i = 0; i < len; i++) {
        p[i] = uniform && unit_rand_below(50) ? fill : (unsigned char)unit_rand();
    }
    return p;
}

TEST(count_and_find_agree_with_loops)
{
    for (long round = 0; round < unit_rounds(20000); round++) {
        size_t len = unit_rand_below(round % 10 ? 24 : 300);
        unsigned char *p = random_bytes(len);
        uint64_t total = len * 8, a = unit_rand_below(total + 1), b = unit_rand_below(total + 1);
        uint64_t first = MIN(a, b), end = MAX(a, b), ones = 0, all = 0;
        uint64_t found[2] = {end, end};
        for (uint64_t at = 0; at < total; at++) {
            all += bits_get(p, at);
            if (at < first || at >= end) continue;
            bool bit = bits_get(p, at);
            ones += bit;
            if (found[bit] == end) found[bit] = at;
        }
        CHECK_INT(bits_count_bytes(p, len), all);
        CHECK_INT(bits_count(p, first, end), ones);
        CHECK_INT(bits_find(p, first, end, false), found[0]);
        CHECK_INT(bits_find(p, first, end, true), found[1]);
        mem_free(p);
    }
}

TEST(no_bytes_at_all)
{
    CHECK_INT(bits_count(NULL, 0, 0), 0);
    CHECK_INT(bits_find(NULL, 0, 0, true), 0);
    CHECK_INT(bits_field_get((struct bits_field){true, 64}, NULL, 0, UINT64_C(1) << 40), 0);
}

static bool model_combine(enum bits_op op, const struct view *v, size_t count, uint64_t at)
{
    bool result = false;
    for (size_t i = 0; i < count; i++) {
        bool bit = at < v[i].len * 8 && bits_get(v[i].ptr, at);
        if (op == BITS_NOT) return !bit;
        if (i == 0)
            result = bit;
        else if (op == BITS_AND)
            result &= bit;
        else if (op == BITS_OR)
            result |= bit;
        else
            result ^= bit;
    }
    return result;
}

TEST(combine_agrees_with_a_loop)
{
    for (long round = 0; round < unit_rounds(1000); round++) {
        enum bits_op op = (enum bits_op)unit_rand_below(4);
        size_t count = op == BITS_NOT ? 1 : 1 + unit_rand_below(4), len = 0;
        struct view v[4];
        for (size_t i = 0; i < count; i++) {
            v[i].len = unit_rand_below(round % 50 ? 40 : 20000);
            v[i].ptr = (char *)random_bytes(v[i].len);
            len = MAX(len, v[i].len);
        }
        char *to = mem_alloc(len ? len : 1);
        bits_combine(op, to, len, v, count);
        bool equal = true;
        for (uint64_t at = 0; at < len * 8; at++)
            equal &= bits_get(to, at) == model_combine(op, v, count, at);
        CHECK(equal);
        mem_free(to);
        for (size_t i = 0; i < count; i++) mem_free((void *)(uintptr_t)v[i].ptr);
    }
}

static int64_t model_get(struct bits_field f, const unsigned char *p, size_t len, uint64_t at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < f.width; i++)
        value = value << 1 | (at + i < len * 8 && bits_get(p, at + i));
    if (f.is_signed && f.width < 64 && value >> (f.width - 1)) value |= ~UINT64_C(0) << f.width;
    return (int64_t)value;
}

static struct bits_field random_field(void)
{
    bool is_signed = unit_rand_below(2);
    return (struct bits_field){is_signed, (uint8_t)(1 + unit_rand_below(is_signed ? 64 : 63))};
}

TEST(fields_agree_with_loops)
{
    for (long round = 0; round < unit_rounds(50000); round++) {
        size_t len = 8 + unit_rand_below(12);
        unsigned char *p = random_bytes(len), *want = mem_alloc(len);
        struct bits_field f = random_field();
        uint64_t beyond = unit_rand_below(len * 8 + 200);
        CHECK_INT(bits_field_get(f, p, len, beyond), model_get(f, p, len, beyond));
        uint64_t at = unit_rand_below(len * 8 - f.width + 1), value = unit_rand();
        memcpy(want, p, len);
        for (unsigned i = 0; i < f.width; i++)
            bits_set(want, at + i, value >> (f.width - 1 - i) & 1);
        bits_field_put(f, p, at, (int64_t)value);
        CHECK_MEM(p, len, want, len);
        CHECK_INT(bits_field_get(f, p, len, at), model_get(f, p, len, at));
        mem_free(p);
        mem_free(want);
    }
}

TEST(overflow)
{
    static const struct {
        struct bits_field f;
        int64_t value, by, wrapped, saturated;
    } rows[] = {
        {{true, 8}, 127, 1, -128, 127},
        {{true, 8}, -128, -1, 127, -128},
        {{true, 8}, 100, 1000, 76, 127},
        {{true, 1}, 0, 1, -1, 0},
        {{true, 15}, INT64_MIN + 16384, 0, -16384, -16384},
        {{true, 15}, INT64_MIN + 16383, 0, 16383, 16383},
        {{false, 8}, 255, 1, 0, 255},
        {{false, 8}, 0, -1, 255, 0},
        {{false, 8}, -1, 0, 255, 255},
        {{false, 63}, INT64_MAX, 1, 0, INT64_MAX},
        {{false, 63}, INT64_MAX, INT64_MAX, INT64_MAX - 1, INT64_MAX},
        {{true, 64}, INT64_MAX, 1, INT64_MIN, INT64_MAX},
        {{true, 64}, INT64_MIN, INT64_MIN, 0, INT64_MIN},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int64_t out = 77;
        CHECK(!bits_field_add(rows[i].f, rows[i].value, rows[i].by, BITS_FAIL, &out));
        CHECK_INT(out, 77);
        CHECK(bits_field_add(rows[i].f, rows[i].value, rows[i].by, BITS_WRAP, &out));
        CHECK_INT(out, rows[i].wrapped);
        CHECK(bits_field_add(rows[i].f, rows[i].value, rows[i].by, BITS_SATURATE, &out));
        CHECK_INT(out, rows[i].saturated);
    }
    int64_t out;
    CHECK(bits_field_add((struct bits_field){true, 64}, INT64_MIN, INT64_MAX, BITS_FAIL, &out));
    CHECK_INT(out, -1);
}
