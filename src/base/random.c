/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xoshiro256** and splitmix64 (which spreads a short seed over the state), from their authors'
 * published descriptions; bounded numbers by Lemire's multiplication ("Fast random integer
 * generation in an interval", 2019), which rejects only the few products that would bias.
 */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

struct random_state {
    uint64_t s[4];
    bool seeded;
};

static _Thread_local struct random_state state;

static uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* An all-zero state would yield zeros for ever. */
static COLD void seed_from_kernel(void)
{
    do {
        random_fill(state.s, sizeof(state.s));
    } while (!(state.s[0] | state.s[1] | state.s[2] | state.s[3]));
    state.seeded = true;
}

void random_seed_set(uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15ULL;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        state.s[i] = z ^ (z >> 31);
    }
    state.seeded = true;
}

uint64_t random_u64(void)
{
    uint64_t *s = state.s;
    if (unlikely(!state.seeded)) seed_from_kernel();
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t random_below(uint64_t n)
{
    __extension__ typedef unsigned __int128 u128;
    if (unlikely(n == 0)) return 0;
    u128 product = (u128)random_u64() * n;
    if (unlikely((uint64_t)product < n)) {
        uint64_t floor = -n % n; /* 2^64 mod n: this many products are too many */
        while ((uint64_t)product < floor) product = (u128)random_u64() * n;
    }
    return (uint64_t)(product >> 64);
}

void random_fill(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR) continue;
        ASSERT(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

void random_hex_id(char out[RANDOM_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[RANDOM_ID_LEN / 2];
    random_fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[RANDOM_ID_LEN] = '\0';
}
