/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash, written from the paper: four words of state, ARX rounds, `c` of them per 8-byte word
 * of input, `d` at the end; the last word carries the input's length in its top byte. The rounds
 * are inlined with constant counts for hash_bytes. Input is read little-endian.
 */
#include "base/hash.h"

#include "base/random.h"

struct hash_state {
    uint64_t v0, v1, v2, v3;
};

/* Written once at start, before there are threads. */
static uint64_t hash_seed[2];

ALWAYS_INLINE uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

ALWAYS_INLINE uint64_t load_le64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

ALWAYS_INLINE uint64_t load_le32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap32(x);
#endif
    return x;
}

ALWAYS_INLINE void sip_rounds(struct hash_state *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 = rotl(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

/* The last `len & 7` bytes, zero-extended. Reads only bytes of the input: with 8 or more there,
 * one load that overlaps what is already hashed; else two loads that overlap each other. */
ALWAYS_INLINE uint64_t load_tail(const uint8_t *p, size_t len)
{
    size_t rest = len & 7;
    if (rest == 0) return 0; /* an empty text may lie at NULL */
    const uint8_t *end = p + len;
    if (len >= 8) return load_le64(end - 8) >> (64 - 8 * rest);
    if (rest >= 4) return load_le32(p) | load_le32(end - 4) << (8 * (rest - 4));
    return (uint64_t)p[0] | (uint64_t)p[rest >> 1] << (8 * (rest >> 1)) |
           (uint64_t)p[rest - 1] << (8 * (rest - 1));
}

ALWAYS_INLINE uint64_t sip_hash(uint64_t k0, uint64_t k1, int c, int d, const uint8_t *p,
                                size_t len)
{
    struct hash_state s = {
        .v0 = k0 ^ 0x736f6d6570736575ULL,
        .v1 = k1 ^ 0x646f72616e646f6dULL,
        .v2 = k0 ^ 0x6c7967656e657261ULL,
        .v3 = k1 ^ 0x7465646279746573ULL,
    };
    for (size_t at = 0; at + 8 <= len; at += 8) {
        uint64_t word = load_le64(p + at);
        s.v3 ^= word;
        sip_rounds(&s, c);
        s.v0 ^= word;
    }
    uint64_t last = load_tail(p, len) | (uint64_t)len << 56;
    s.v3 ^= last;
    sip_rounds(&s, c);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_rounds(&s, d);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void hash_seed_set(const uint8_t seed[HASH_SEED_BYTES])
{
    hash_seed[0] = load_le64(seed);
    hash_seed[1] = load_le64(seed + 8);
}

void hash_seed_random(void)
{
    uint8_t seed[HASH_SEED_BYTES];
    random_fill(seed, sizeof(seed));
    hash_seed_set(seed);
}

uint64_t hash_bytes(const void *ptr, size_t len)
{
    return sip_hash(hash_seed[0], hash_seed[1], 1, 3, ptr, len);
}

uint64_t hash_siphash(const uint8_t key[HASH_SEED_BYTES], int c, int d, struct view bytes)
{
    return sip_hash(load_le64(key), load_le64(key + 8), c, d, (const uint8_t *)bytes.ptr,
                    bytes.len);
}
