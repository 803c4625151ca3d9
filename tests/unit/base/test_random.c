/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator's seam (a seed repeats its sequence, threads don't share one), bounds, evenness,
 * and what the kernel gives. The limits of the statistical checks are so wide that chance alone
 * won't fail them.
 */
#include "base/random.h"

#include <pthread.h>

#include "unit.h"

TEST(a_seed_repeats_the_sequence)
{
    uint64_t first[100];
    random_seed_set(42);
    for (int i = 0; i < 100; i++) first[i] = random_u64();
    random_seed_set(42);
    for (int i = 0; i < 100; i++) CHECK(first[i] == random_u64());
    random_seed_set(43);
    CHECK(first[0] != random_u64());
}

static void *draw_in_thread(void *out)
{
    *(uint64_t *)out = random_u64();
    return NULL;
}

TEST(threads_have_their_own_state)
{
    uint64_t a = 0, b = 0, alone[2], beside[2];
    pthread_t thread;
    random_seed_set(7);
    alone[0] = random_u64();
    alone[1] = random_u64();
    random_seed_set(7);
    beside[0] = random_u64();
    CHECK(pthread_create(&thread, NULL, draw_in_thread, &a) == 0);
    pthread_join(thread, NULL);
    CHECK(pthread_create(&thread, NULL, draw_in_thread, &b) == 0);
    pthread_join(thread, NULL);
    beside[1] = random_u64();
    CHECK(alone[0] == beside[0] && alone[1] == beside[1]);
    CHECK(a != b); /* seeded by the kernel */
}

TEST(below_stays_below)
{
    random_seed_set(unit_rand());
    CHECK(random_below(0) == 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t n = unit_rand() >> unit_rand_below(64);
        CHECK(n == 0 || random_below(n) < n);
        CHECK(random_below(1) == 0);
    }
    /* Where a modulus would give the lower third twice as often. */
    uint64_t n = (uint64_t)3 << 62, low = 0;
    for (int i = 0; i < 30000; i++) low += random_below(n) < n / 3;
    CHECK_MSG(low > 9300 && low < 10700, "%d of 30000", (int)low);
}

TEST(below_is_even)
{
    random_seed_set(unit_rand());
    for (uint64_t n = 2; n < 40; n += 3) {
        double chi = 0, expected = 2000;
        long counts[40] = {0};
        for (uint64_t i = 0; i < n * 2000; i++) counts[random_below(n)]++;
        for (uint64_t i = 0; i < n; i++) {
            double off = (double)counts[i] - expected;
            chi += off * off / expected;
        }
        double dof = (double)n - 1;
        CHECK_MSG(chi < dof + 8 * __builtin_sqrt(2 * dof) + 25, "n %d: %f", (int)n, chi);
    }
}

TEST(every_bit_is_a_coin)
{
    random_seed_set(unit_rand());
    long ones[64] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t x = random_u64();
        for (int bit = 0; bit < 64; bit++) ones[bit] += x >> bit & 1;
    }
    for (int bit = 0; bit < 64; bit++)
        CHECK_MSG(ones[bit] > 4600 && ones[bit] < 5400, "bit %d: %ld", bit, ones[bit]);
}

TEST(fill_fills_all_and_only_its_bytes)
{
    for (size_t len = 0; len < 600; len += 1 + len / 4) {
        unsigned char *exact = calloc(1, len + 2), any = 0;
        for (int i = 0; i < 20; i++) {
            random_fill(exact + 1, len);
            any |= len ? exact[1] & exact[len] : 0;
        }
        CHECK(exact[0] == 0 && exact[len + 1] == 0);
        CHECK(len == 0 || any != 0);
        free(exact);
    }
}

TEST(hex_ids)
{
    char a[RANDOM_ID_LEN + 1], b[RANDOM_ID_LEN + 1];
    random_hex_id(a);
    random_hex_id(b);
    CHECK_INT(strlen(a), 40);
    CHECK_INT(strspn(a, "0123456789abcdef"), 40);
    CHECK(strcmp(a, b) != 0);
}
