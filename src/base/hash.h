/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one hash of the process: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF", 2012) under a 128-bit seed drawn at start. Keys come from clients, chains of the table
 * are unbounded, so the hash must be one that an outsider can't steer; multiply-fold hashes are
 * five times faster but nobody vouches for them against chosen keys. Every table uses the same
 * seed, so that a hash computed while a command is parsed serves all lookups of that key.
 *
 * The seed is set once, before the first table is filled and the first thread is started; after
 * that all functions but the seed setters may be called from any thread.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/view.h"

#define HASH_SEED_BYTES 16

/* Sets the seed. Every table filled under the old one is void. Main, at start (and tests). */
void hash_seed_set(const uint8_t seed[HASH_SEED_BYTES]);

/* Draws the seed from the kernel's random source. Until then the seed is all zero. */
void hash_seed_random(void);

/* The hash of `len` bytes under the process' seed; `ptr` may be NULL when len is 0. About 10 ns
 * for 16 bytes. Never to be stored or sent: it differs from process to process. */
uint64_t hash_bytes(const void *ptr, size_t len);

/* SipHash with c compression and d finalisation rounds under a given key, for tests against
 * published vectors and for hashes that must not depend on the process. Slower than hash_bytes. */
uint64_t hash_siphash(const uint8_t key[HASH_SEED_BYTES], int c, int d, struct view bytes);

static inline uint64_t hash_view(struct view v)
{
    return hash_bytes(v.ptr, v.len);
}

#endif
