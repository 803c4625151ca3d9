/* SPDX-License-Identifier: BSD-3-Clause */
/* A bit that turns in any word of any pattern is found, and where. */
#include "base/memtest.h"

#include <stdlib.h>

#include "unit.h"

#define WORDS 1000

TEST(what_was_filled_compares)
{
    uint64_t *words = malloc(WORDS * sizeof(*words)), want;
    for (int p = 0; p < MEMTEST_PATTERNS; p++) {
        CHECK(memtest_name(p)[0] != '\0');
        for (uint64_t seed = 0; seed < 4; seed++) {
            memtest_fill(words, WORDS, p, seed);
            CHECK_INT(memtest_compare(words, WORDS, p, seed, &want), WORDS);
            CHECK_INT(memtest_compare(words, 0, p, seed, &want), 0);
            if (p != MEMTEST_ADDRESS)
                CHECK(memtest_compare(words, WORDS, p, seed + 1, &want) < WORDS);
        }
    }
    free(words);
}

TEST(a_turned_bit_is_found)
{
    uint64_t *words = malloc(WORDS * sizeof(*words));
    for (long round = 0; round < unit_rounds(400); round++) {
        enum memtest_pattern p = (enum memtest_pattern)unit_rand_below(MEMTEST_PATTERNS);
        uint64_t seed = unit_rand_below(1000), want = 0;
        size_t at = (size_t)unit_rand_below(WORDS);
        memtest_fill(words, WORDS, p, seed);
        uint64_t before = words[at];
        words[at] ^= (uint64_t)1 << unit_rand_below(64);
        CHECK_INT(memtest_compare(words, WORDS, p, seed, &want), at);
        CHECK(want == before);
    }
    free(words);
}

TEST(each_bit_has_been_both)
{
    uint64_t words[2], ones = 0, zeros = 0;
    for (uint64_t seed = 0; seed < 2; seed++) {
        memtest_fill(words, 2, MEMTEST_SOLID, seed);
        ones |= words[0];
        zeros |= ~words[0];
    }
    CHECK(ones == UINT64_MAX && zeros == UINT64_MAX);
}
