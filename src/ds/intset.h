/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intset: a sorted array of distinct integers, all of the smallest width that fits them all; the
 * form of small sets of integers. Its bytes are those of RDB files, hence stock's:
 *
 *   +--------------------+------------+-------------------------------+
 *   | width u32: 2, 4, 8 | length u32 | length integers, ascending    |   little-endian
 *   +--------------------+------------+-------------------------------+
 *
 * An integer that doesn't fit widens the whole array in place; the width never shrinks. Search
 * is binary. An intset comes from the memory front and is freed by mem_free; writers may move
 * it. One thread at a time.
 */
#ifndef DS_INTSET_H
#define DS_INTSET_H

#include "base/macros.h"
#include "base/status.h"

#define INTSET_HEADER_BYTES 8
/* More members than this are refused: 1 GB of the widest. */
#define INTSET_MAX_COUNT ((size_t)1 << 27)

struct intset {
    uint32_t width; /* bytes per integer */
    uint32_t length;
    uint8_t bytes[];
};

/* A new empty one of width 2. */
struct intset *intset_new(void) MUST_CHECK;

struct intset *intset_copy(const struct intset *set) MUST_CHECK;

static inline size_t intset_count(const struct intset *set)
{
    return set->length;
}

/* Bytes in all, header included. */
static inline size_t intset_bytes(const struct intset *set)
{
    return INTSET_HEADER_BYTES + (size_t)set->width * set->length;
}

/* The member at an index below the count, in ascending order. O(1). */
int64_t intset_get(const struct intset *set, size_t index);

/* Whether `value` is a member. O(log n). */
bool intset_contains(const struct intset *set, int64_t value);

/* Adds a member. STATUS_EXISTS: it was there; STATUS_LIMIT: full. O(n). */
enum status intset_add(struct intset **set, int64_t value) MUST_CHECK;

/* Removes a member; false if there was none. O(n). */
bool intset_remove(struct intset **set, int64_t value);

/* Removes the member at an index below the count. O(n). */
void intset_remove_at(struct intset **set, size_t index);

/* Whether `bytes` are a sound intset: width, length, strictly ascending. O(len). */
bool intset_validate(const void *bytes, size_t len);

#endif
