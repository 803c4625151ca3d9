/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random choices, and the lengths of entries: each subset about equally often, none twice, and
 * sets of words that remember whatever they are given.
 */
#include "types/pick.h"
#include "types/varint.h"
#include "unit.h"

TEST(seen_remembers_each_word_once)
{
    for (long round = 0; round < unit_rounds(200); round++) {
        size_t count = unit_rand_below(500);
        struct pick_seen seen;
        pick_seen_init(&seen, count);
        uint64_t stride = 1 + unit_rand_below(3) * 15; /* addresses are multiples of 16 */
        for (size_t i = 0; i < count; i++) CHECK(pick_seen_add(&seen, i * stride));
        for (size_t i = 0; i < count; i++) CHECK(!pick_seen_add(&seen, i * stride));
        pick_seen_release(&seen);
    }
}

TEST(a_walk_takes_what_is_wanted)
{
    for (long round = 0; round < unit_rounds(2000); round++) {
        size_t n = unit_rand_below(100), wanted = unit_rand_below(120), taken = 0;
        struct pick_walk walk;
        pick_walk_init(&walk, n, wanted);
        for (size_t i = 0; i < n; i++) taken += pick_walk_next(&walk);
        CHECK_INT(taken, wanted < n ? wanted : n);
        CHECK_INT(walk.wanted, 0);
    }
}

/* All ten subsets of 3 of 5 come about equally often. */
TEST(a_walk_takes_each_subset_evenly)
{
    enum { ROUNDS = 20000, SUBSETS = 10 };
    unsigned seen[32] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        struct pick_walk walk;
        unsigned set = 0;
        pick_walk_init(&walk, 5, 3);
        for (unsigned i = 0; i < 5; i++) set |= (unsigned)pick_walk_next(&walk) << i;
        seen[set]++;
    }
    double mean = (double)ROUNDS / SUBSETS, margin = 6 * __builtin_sqrt(mean);
    for (unsigned set = 0; set < 32; set++) {
        if (__builtin_popcount(set) != 3) {
            CHECK_INT(seen[set], 0);
        } else {
            CHECK_MSG(seen[set] > mean - margin && seen[set] < mean + margin,
                      "subset %x: %u times, expected %g", set, seen[set], mean);
        }
    }
}

TEST(varints_come_back)
{
    for (long round = 0; round < unit_rounds(100000); round++) {
        size_t n = (size_t)(unit_rand() >> unit_rand_below(64)), back;
        uint8_t bytes[16];
        uint8_t *end = varint_put(bytes, n);
        CHECK_INT(end - bytes, varint_len(n));
        CHECK(varint_get(bytes, &back) == end);
        CHECK(back == n);
    }
    CHECK_INT(varint_len(127), 1);
    CHECK_INT(varint_len(128), 2);
    CHECK_INT(varint_len(SIZE_MAX), 10);
}
