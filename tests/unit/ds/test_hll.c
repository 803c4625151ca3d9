/* SPDX-License-Identifier: BSD-3-Clause */
/* HyperLogLogs against plain arrays of registers, and damaged strings. */
#include "ds/hll.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

TEST(known_elements)
{
    struct hll_hit a = hll_hit_of(view_of("a", 1)), b = hll_hit_of(view_of("b", 1));
    CHECK_INT(a.index, 12711);
    CHECK_INT(a.value, 2);
    CHECK_INT(b.index, 15780);
    CHECK_INT(b.value, 1);
}

TEST(the_bytes_are_those_of_stock)
{
    struct hll h;
    uint64_t count;
    hll_init(&h);
    CHECK_MEM(h.bytes, h.len, "HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18);
    CHECK(hll_cached(h.bytes, &count));
    CHECK_INT(count, 0);
    CHECK_INT(hll_raise(&h, hll_hit_of(view_of("a", 1)), 3000), STATUS_OK);
    CHECK_INT(hll_raise(&h, hll_hit_of(view_of("a", 1)), 3000), STATUS_EXISTS);
    hll_cache_drop(h.bytes);
    CHECK(!hll_cached(h.bytes, &count));
    CHECK_MEM(h.bytes, h.len, "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80q\xa6\x84NW", 21);
    CHECK_INT(hll_raise(&h, hll_hit_of(view_of("b", 1)), 3000), STATUS_OK);
    CHECK_MEM(h.bytes + 16, h.len - 16, "q\xa6\x84K\xfb\x80"
                                        "BZ",
              8);
    CHECK_INT(hll_count(hll_view(&h), &count), STATUS_OK);
    CHECK_INT(count, 2);
    hll_cache_set(h.bytes, count);
    CHECK(hll_cached(h.bytes, &count));
    CHECK_INT(count, 2);
}

static void check_registers(const struct hll *h, const uint8_t *want)
{
    uint8_t got[HLL_REGISTERS] = {0};
    uint64_t count;
    CHECK(hll_is_valid(hll_view(h)));
    CHECK_INT(hll_merge(hll_view(h), got), STATUS_OK);
    CHECK_MEM(got, sizeof(got), want, sizeof(got));
    CHECK_INT(hll_count(hll_view(h), &count), STATUS_OK);
    CHECK_INT(count, hll_estimate(want));
}

TEST(registers_agree_with_an_array)
{
    static uint8_t model[HLL_REGISTERS];
    static struct hll h;
    for (long round = 0; round < unit_rounds(60); round++) {
        size_t limit = unit_rand_below(3) ? unit_rand_below(4000) : 40000;
        unsigned span = 1 + (unsigned)unit_rand_below(HLL_REGISTERS);
        unsigned most = unit_rand_below(4) ? 32 : 51;
        memset(model, 0, sizeof(model));
        hll_init(&h);
        for (int i = 0; i < 4000; i++) {
            struct hll_hit hit = {(uint16_t)unit_rand_below(span),
                                  (uint8_t)(1 + unit_rand_below(1 + unit_rand_below(most)))};
            bool raises = hit.value > model[hit.index];
            CHECK_INT(hll_raise(&h, hit, limit), raises ? STATUS_OK : STATUS_EXISTS);
            if (raises) model[hit.index] = hit.value;
            CHECK(h.len <= MAX(limit, (size_t)HLL_DENSE_BYTES));
            if (i % 500 == 0) check_registers(&h, model);
        }
        check_registers(&h, model);
        CHECK_INT(hll_to_dense(&h), STATUS_OK);
        CHECK_INT(h.len, HLL_DENSE_BYTES);
        check_registers(&h, model);
        for (unsigned i = 0; i < HLL_REGISTERS; i += 61)
            CHECK_INT(hll_dense_get(h.bytes, i), model[i]);
    }
}

TEST(every_register_as_a_run_of_its_own)
{
    static struct hll h;
    hll_init(&h);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        struct hll_hit hit = {(uint16_t)i, (uint8_t)(1 + i % 2)};
        CHECK_INT(hll_raise(&h, hit, SIZE_MAX), STATUS_OK);
    }
    CHECK_INT(h.len, HLL_HEAD + HLL_REGISTERS);
    CHECK(!hll_is_dense(h.bytes));
}

TEST(estimates_are_near)
{
    static uint8_t registers[HLL_REGISTERS];
    memset(registers, 0, sizeof(registers));
    CHECK_INT(hll_estimate(registers), 0);
    uint64_t next = 1;
    for (uint64_t n = 1; n <= 300000; n++) {
        struct hll_hit hit = hll_hit_of(view_of((const char *)&n, sizeof(n)));
        registers[hit.index] = MAX(registers[hit.index], hit.value);
        if (n < next) continue;
        double off = (double)hll_estimate(registers) / (double)n - 1;
        CHECK(off < 0.04 && off > -0.04);
        next = n * 3;
    }
    memset(registers, 51, sizeof(registers));
    CHECK_INT(hll_estimate(registers), INT64_MIN);
    memset(registers, 63, sizeof(registers));
    CHECK_INT(hll_estimate(registers), INT64_MIN);
}

/* All that commands do to a string that a client wrote; nothing may read or write outside. */
static void use(struct view bytes)
{
    static uint8_t max[HLL_REGISTERS];
    static struct hll h;
    uint64_t count;
    struct hll_run run;
    size_t at = HLL_HEAD;
    if (!hll_is_valid(bytes)) return;
    enum status counted = hll_count(bytes, &count);
    memset(max, 0, sizeof(max));
    CHECK_INT(hll_merge(bytes, max), counted);
    if (counted == STATUS_OK) CHECK_INT(hll_estimate(max), count);
    if (hll_is_dense(bytes.ptr)) return;
    while (hll_next_run(bytes, &at, &run)) CHECK(run.length >= 1 && run.value <= 32);
    if (hll_load(&h, bytes)) return;
    for (int i = 0; i < 20; i++) {
        struct hll_hit hit = {(uint16_t)unit_rand_below(HLL_REGISTERS),
                              (uint8_t)(1 + unit_rand_below(51))};
        if (hll_raise(&h, hit, unit_rand_below(2) ? 3000 : SIZE_MAX) == STATUS_SYNTAX) break;
        CHECK(h.len <= sizeof(h.bytes));
    }
    if (hll_to_dense(&h) == STATUS_OK) CHECK_INT(h.len, HLL_DENSE_BYTES);
}

TEST(damaged_strings)
{
    static struct hll h;
    for (long round = 0; round < unit_rounds(20000); round++) {
        hll_init(&h);
        for (uint64_t n = unit_rand_below(300); n; n--) {
            struct hll_hit hit = {(uint16_t)unit_rand_below(HLL_REGISTERS), 1 + n % 32};
            CHECK(hll_raise(&h, hit, SIZE_MAX) != STATUS_SYNTAX);
        }
        size_t len = unit_rand_below(4) ? h.len : unit_rand_below(h.len + 1);
        char *copy = mem_alloc(len ? len : 1);
        memcpy(copy, h.bytes, len);
        for (uint64_t n = unit_rand_below(4); n && len; n--)
            copy[unit_rand_below(len)] = (char)unit_rand();
        use(view_of(copy, len));
        mem_free(copy);
    }
    size_t len = HLL_HEAD + 400000;
    char *zeros = mem_alloc(len);
    memset(zeros, 0x7f, len);
    memcpy(zeros, "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80", 16);
    use(view_of(zeros, len));
    CHECK_INT(hll_load(&h, view_of(zeros, len)), STATUS_SYNTAX);
    mem_free(zeros);
}
