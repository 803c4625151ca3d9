/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Patterns for tests of memory; see memtest.h. What a word should hold is told from its place
 * alone, so that comparing needs no second copy, whose memory might be the one that is broken.
 */
#include "base/memtest.h"

#include "base/macros.h"

#define ALL_ONES UINT64_MAX
#define EVERY_OTHER 0x5555555555555555u

static const char *const names[MEMTEST_PATTERNS] = {"addresses", "random words", "solid words",
                                                    "checkerboard"};

const char *memtest_name(enum memtest_pattern pattern)
{
    return names[pattern];
}

/* The bits of a number stirred (the output function of splitmix64, Steele and others, 2014). */
static uint64_t stir(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* What the word of this index holds. */
static inline uint64_t word_at(const uint64_t *words, size_t i, enum memtest_pattern pattern,
                               uint64_t seed)
{
    switch (pattern) {
    case MEMTEST_ADDRESS: return (uint64_t)(uintptr_t)&words[i];
    case MEMTEST_RANDOM: return stir(seed + i * 0x9e3779b97f4a7c15u);
    case MEMTEST_SOLID: return (i + seed) & 1 ? ALL_ONES : 0;
    default: return (i + seed) & 1 ? ~(uint64_t)EVERY_OTHER : EVERY_OTHER;
    }
}

void memtest_fill(uint64_t *words, size_t count, enum memtest_pattern pattern, uint64_t seed)
{
    volatile uint64_t *out = words; /* each store happens */
    for (size_t i = 0; i < count; i++) out[i] = word_at(words, i, pattern, seed);
}

size_t memtest_compare(const uint64_t *words, size_t count, enum memtest_pattern pattern,
                       uint64_t seed, uint64_t *want_out)
{
    const volatile uint64_t *in = words;
    for (size_t i = 0; i < count; i++) {
        *want_out = word_at(words, i, pattern, seed);
        if (in[i] != *want_out) return i;
    }
    return count;
}
