/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings as runs of bits. Bit 0 is the most significant bit of the first byte, and a field of
 * several bits has its most significant one first, so that a byte string reads from left to right
 * as its bits do.
 *
 * Positions and counts are in bits unless a name says bytes. Ranges are half-open. Pure functions
 * over borrowed bytes; any thread.
 */
#ifndef DS_BITS_H
#define DS_BITS_H

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

/* How many bits of `len` bytes are set. */
uint64_t bits_count_bytes(const void *bytes, size_t len);

/* How many bits from `first` up to, not including, `end` are set; first <= end, and all of them
 * lie within the bytes. */
uint64_t bits_count(const void *bytes, uint64_t first, uint64_t end);

/* Position of the first bit from `first` on, before `end`, that equals `bit`; `end` if there is
 * none. first <= end. */
uint64_t bits_find(const void *bytes, uint64_t first, uint64_t end, bool bit);

static inline bool bits_get(const void *bytes, uint64_t at)
{
    return ((const unsigned char *)bytes)[at >> 3] >> (7 - (at & 7)) & 1;
}

static inline void bits_set(void *bytes, uint64_t at, bool bit)
{
    unsigned char *byte = (unsigned char *)bytes + (at >> 3), mask = 128 >> (at & 7);
    *byte = bit ? *byte | mask : *byte & (unsigned char)~mask;
}

enum bits_op { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

/* to[0 … len) = the sources combined, each as if zero bytes followed it up to `len`. BITS_NOT
 * takes one source. `to` overlaps none of them; no source is longer than len; count >= 1. */
void bits_combine(enum bits_op op, char *to, size_t len, const struct view *sources,
                  size_t count);

/* ---- fields ---- */

/* An integer of 1 to 64 bits at any bit. */
struct bits_field {
    bool is_signed;
    uint8_t width; /* at most 63 when unsigned, so that every value is an int64 */
};

enum bits_overflow { BITS_WRAP, BITS_SATURATE, BITS_FAIL };

/* The field at bit `at`; what lies behind the `len` bytes reads as zeros. */
int64_t bits_field_get(struct bits_field f, const void *bytes, size_t len, uint64_t at);

/* Writes the low bits of `value`; the field lies within the bytes. */
void bits_field_put(struct bits_field f, void *bytes, uint64_t at, int64_t value);

/* value + by as the field would hold it. Beyond its limits the sum wraps around, or is the nearest
 * limit, or (BITS_FAIL) nothing is written and the result is false. For an unsigned field `value`
 * counts as unsigned, so that a negative one lies above the limit. */
bool bits_field_add(struct bits_field f, int64_t value, int64_t by, enum bits_overflow overflow,
                    int64_t *out) MUST_CHECK;

#endif
