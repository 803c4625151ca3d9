/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyperLogLog as a byte string: 2^14 registers, each the longest run of zeros seen among the hashes
 * that chose it. The format is stock's, so that a value copied by GET and SET counts the same
 * there.
 *
 *   offset  bytes
 *   0       4      "HYLL"
 *   4       1      encoding: 0 dense, 1 sparse
 *   5       3      unused, zero
 *   8       8      the last estimate, little-endian; highest bit set: out of date
 *   16      …      registers
 *
 *   dense   12,288 bytes: register i is the 6 bits from bit 6 * i on, counted from the lowest bit
 *           of the first byte.
 *   sparse  runs of equal registers:
 *             00llllll            l + 1 zeros
 *             01llllll llllllll   l + 1 zeros, up to all of them
 *             1vvvvvll            l + 1 registers of value v + 1
 *
 * The hash is MurmurHash64A with stock's seed; the estimate is that of O. Ertl, "New cardinality
 * estimation algorithms for HyperLogLog sketches" (2017), algorithm 6.
 *
 * Every string may have been written by a client. hll_is_valid says whether it counts as a
 * HyperLogLog at all; whether its runs cover all registers shows only when they are walked, and the
 * functions that walk them tell. Pure functions; any thread.
 */
#ifndef DS_HLL_H
#define DS_HLL_H

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

#define HLL_REGISTERS 16384
#define HLL_HEAD 16
#define HLL_DENSE_BYTES (HLL_HEAD + HLL_REGISTERS * 6 / 8)
/* No registers' runs take more: one run each, of two bytes at most. */
#define HLL_SPARSE_BYTES_MAX (HLL_HEAD + HLL_REGISTERS * 2)

/* A HyperLogLog that is being changed, with room for what it may become. */
struct hll {
    size_t len;
    unsigned char bytes[HLL_SPARSE_BYTES_MAX + 4];
};

/* What an element means: the register that it chose, and its run of zeros, 1 … 51. */
struct hll_hit {
    uint16_t index;
    uint8_t value;
};

/* Hashes an element of any length. O(length). */
struct hll_hit hll_hit_of(struct view element);

/* Head, encoding and, if dense, length are right. */
bool hll_is_valid(struct view bytes);
/* Of a valid one. */
static inline bool hll_is_dense(const void *bytes)
{
    return ((const unsigned char *)bytes)[4] == 0;
}

/* The estimate kept in the head; false if it is out of date. */
bool hll_cached(const void *bytes, uint64_t *out);
void hll_cache_set(void *bytes, uint64_t estimate);
void hll_cache_drop(void *bytes);

/* A register of a dense one. */
unsigned hll_dense_get(const void *bytes, unsigned index);
/* Raises it; false if it is as high already. */
bool hll_dense_raise(void *bytes, struct hll_hit hit);

/* An empty sparse one, its estimate of 0 up to date. */
void hll_init(struct hll *h);
/* Copies a valid one. STATUS_SYNTAX: it is longer than any can be. */
enum status hll_load(struct hll *h, struct view bytes) MUST_CHECK;

static inline struct view hll_view(const struct hll *h)
{
    return view_of((const char *)h->bytes, h->len);
}

/* Raises a register in either encoding; a sparse one that would exceed sparse_max bytes, or a
 * value beyond 32, becomes dense. STATUS_EXISTS: it was as high already. STATUS_SYNTAX: the runs
 * are damaged. O(length). */
enum status hll_raise(struct hll *h, struct hll_hit hit, size_t sparse_max) MUST_CHECK;
/* Makes a sparse one dense. STATUS_SYNTAX: the runs are damaged. */
enum status hll_to_dense(struct hll *h) MUST_CHECK;

/* max[i] = the higher of it and register i, of all HLL_REGISTERS. STATUS_SYNTAX: damaged, and `max`
 * is of no use. */
enum status hll_merge(struct view bytes, uint8_t *max) MUST_CHECK;

/* The estimate from registers, or from a string. From damaged dense registers it may exceed
 * int64 and is then 2^63. */
uint64_t hll_estimate(const uint8_t *registers);
enum status hll_count(struct view bytes, uint64_t *out) MUST_CHECK;

/* A run of a sparse one. */
struct hll_run {
    unsigned value, length; /* value 0: zeros */
    bool is_wide;           /* zeros that take two bytes */
};

/* The run at *at, which moves behind it; false at the end, or where a run is cut off. */
bool hll_next_run(struct view bytes, size_t *at, struct hll_run *out);

#endif
