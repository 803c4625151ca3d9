/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash against vectors of others: for 2-4 the example of the paper's appendix A; for 1-3 what
 * CPython 3.11 (whose hash of bytes is SipHash-1-3, key zero under PYTHONHASHSEED=0) gives for
 * bytes(range(n)).
 */
#include "base/hash.h"
#include "unit.h"

static const uint8_t zero_seed[HASH_SEED_BYTES];

TEST(siphash24_of_the_paper)
{
    uint8_t key[HASH_SEED_BYTES], message[15];
    for (int i = 0; i < HASH_SEED_BYTES; i++) key[i] = (uint8_t)i;
    for (int i = 0; i < 15; i++) message[i] = (uint8_t)i;
    uint64_t got = hash_siphash(key, 2, 4, view_of((const char *)message, sizeof(message)));
    CHECK(got == 0xa129ca6149be45e5ULL);
}

TEST(siphash13_of_cpython)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {1, 0x68a914128e01e473},  {3, 0x4d4c9a4a8ef6e0ad},  {7, 0x2f098ab0c751325a},
        {8, 0xead411e67ebe2eea},  {9, 0x75927f9d95124362},  {15, 0xf30eb725bb91c9ea},
        {16, 0x8972188433a5c5b7}, {17, 0x4883c49a2c009c1d}, {63, 0x385d3e39e5f37359},
        {64, 0x75e05fd5bbc870c6},
    };
    char message[64];
    for (int i = 0; i < 64; i++) message[i] = (char)i;
    hash_seed_set(zero_seed);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        CHECK_MSG(hash_bytes(message, vectors[i].len) == vectors[i].hash, "length %zu",
                  vectors[i].len);
}

TEST(both_forms_agree_and_read_nothing_outside)
{
    uint8_t seed[HASH_SEED_BYTES];
    unit_rand_bytes(seed, sizeof(seed));
    hash_seed_set(seed);
    for (size_t len = 0; len < 100; len++) {
        char *exact = malloc(len ? len : 1); /* the leak checker's red zones stand around it */
        unit_rand_bytes(exact, len);
        uint64_t hash = hash_bytes(exact, len);
        CHECK(hash == hash_siphash(seed, 1, 3, view_of(exact, len)));
        CHECK(hash == hash_view(view_of(exact, len)));
        if (len) {
            exact[unit_rand_below(len)] ^= (char)(1 + unit_rand_below(255));
            CHECK(hash != hash_bytes(exact, len));
        }
        free(exact);
    }
    CHECK(hash_bytes(NULL, 0) == hash_bytes("x", 0));
    hash_seed_set(zero_seed);
}

TEST(lengths_and_seeds_matter)
{
    static const char zeros[32];
    uint64_t hashes[33];
    for (size_t len = 0; len <= 32; len++) {
        hashes[len] = hash_bytes(zeros, len);
        for (size_t i = 0; i < len; i++) CHECK(hashes[i] != hashes[len]);
    }
    hash_seed_random();
    uint64_t first = hash_bytes("key", 3);
    CHECK(first == hash_bytes("key", 3));
    hash_seed_random();
    CHECK(first != hash_bytes("key", 3));
    hash_seed_set(zero_seed);
    CHECK(hash_bytes(zeros, 7) == hashes[7]);
}
