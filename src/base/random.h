/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Randomness of two kinds. random_u64 and random_below are fast and statistically sound
 * (xoshiro256**, Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018),
 * for sampling, eviction, jitter; whoever sees enough output can predict the rest. random_fill
 * and random_hex_id come from the kernel, for seeds, identities and secrets.
 *
 * The generator's state belongs to the calling thread and is seeded from the kernel on first
 * use, so any thread may call; a forked child repeats its parent's sequence.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/macros.h"

#define RANDOM_ID_LEN 40

/* The seam for tests: restarts the calling thread's generator from `seed`. */
void random_seed_set(uint64_t seed);

/* 64 random bits. About 2 ns. */
uint64_t random_u64(void);

/* Uniform in [0, n), without bias; 0 when n is 0. */
uint64_t random_below(uint64_t n);

/* Fills `len` bytes from the kernel's generator; waits for it at early boot, aborts if the kernel
 * has none. About 300 ns. */
void random_fill(void *out, size_t len);

/* Writes 40 hex digits (lower case) and a NUL: 160 unguessable bits, the shape of a run id. */
void random_hex_id(char out[RANDOM_ID_LEN + 1]);

#endif
