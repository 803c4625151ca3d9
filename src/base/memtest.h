/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Patterns that memory is filled with and compared to, to find out whether it keeps what it is
 * given: each word's own address finds lines that are crossed, random bits find what depends on
 * neighbours, solid words and checkerboards find bits that stick. Pure; any thread.
 */
#ifndef BASE_MEMTEST_H
#define BASE_MEMTEST_H

#include <stddef.h>
#include <stdint.h>

enum memtest_pattern {
    MEMTEST_ADDRESS,
    MEMTEST_RANDOM,
    MEMTEST_SOLID,
    MEMTEST_CHECKERBOARD,
    MEMTEST_PATTERNS
};

/* What a pattern is called. */
const char *memtest_name(enum memtest_pattern pattern);

/* Fills `count` words. Another `seed` gives other words, but for addresses; that of solid words
 * and checkerboards is its lowest bit. */
void memtest_fill(uint64_t *words, size_t count, enum memtest_pattern pattern, uint64_t seed);

/* The index of the first word that isn't as it was filled, or `count`; *want_out is what it should
 * be. */
size_t memtest_compare(const uint64_t *words, size_t count, enum memtest_pattern pattern,
                       uint64_t seed, uint64_t *want_out);

#endif
