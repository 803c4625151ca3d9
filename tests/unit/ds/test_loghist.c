/* SPDX-License-Identifier: BSD-3-Clause */
/* Percentiles and counts against a sorted list of the values. */
#include "ds/loghist.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t random_value(void)
{
    return unit_rand() >> (24 + unit_rand_below(40));
}

TEST(percentiles_are_near_to_the_sorted_list)
{
    for (long round = 0; round < unit_rounds(300); round++) {
        size_t n = 1 + unit_rand_below(1000);
        uint64_t *values = mem_alloc(n * sizeof(*values));
        struct loghist h = {0};
        for (size_t i = 0; i < n; i++) {
            values[i] = random_value();
            loghist_add(&h, values[i]);
        }
        qsort(values, n, sizeof(*values), by_value);
        CHECK_INT(h.count, n);
        for (size_t i = 0; i < n; i++) {
            uint64_t got = loghist_percentile(&h, 100.0 * (double)(i + 1) / (double)n);
            /* Division may round to the next one. */
            uint64_t next = values[MIN(i + 1, n - 1)];
            CHECK(got >= values[i] && got <= next + next / 128);
        }
        CHECK(loghist_percentile(&h, 0) <= values[0]);
        for (unsigned power = LOGHIST_BITS; power < 40; power++) {
            uint64_t limit = (UINT64_C(1) << power) + ((UINT64_C(1) << power) >> LOGHIST_BITS);
            uint64_t want = 0;
            for (size_t i = 0; i < n; i++) want += values[i] < limit;
            CHECK_INT(loghist_count_up_to(&h, power), want);
        }
        loghist_clear(&h);
        CHECK_INT(h.count, 0);
        mem_free(values);
    }
}

TEST(extremes)
{
    struct loghist h = {0};
    CHECK_INT(loghist_percentile(&h, 50), 0);
    loghist_add(&h, 0);
    loghist_add(&h, UINT64_MAX);
    CHECK_INT(loghist_percentile(&h, 50), 0);
    CHECK_INT(loghist_percentile(&h, 100), (INT64_C(1) << 40) - 1);
    loghist_clear(&h);
}
