/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lengths inside the entries of hashes and sets: seven bits a byte, the lowest first, the top bit
 * set on all bytes but the last (LEB128). Nearly every field, value and member is shorter than
 * 128 bytes, so its length costs one byte and reading it one test; a fixed field of four bytes
 * would push the common 16-byte sizes into the next size class of the allocator.
 *
 * In memory only, written by ourselves: the readers trust it. Any thread.
 */
#ifndef TYPES_VARINT_H
#define TYPES_VARINT_H

#include "base/macros.h"

/* Bytes that n takes: 1 … 10. */
static inline size_t varint_len(size_t n)
{
    size_t len = 1;
    while (n >= 0x80) {
        n >>= 7;
        len++;
    }
    return len;
}

/* Writes n; returns where the next byte goes. */
static inline uint8_t *varint_put(uint8_t *p, size_t n)
{
    while (n >= 0x80) {
        *p++ = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    *p++ = (uint8_t)n;
    return p;
}

/* Reads a number; returns the address behind it. */
static inline const uint8_t *varint_get(const uint8_t *p, size_t *n_out)
{
    size_t n = *p++;
    if (unlikely(n >= 0x80)) {
        n &= 0x7F;
        for (unsigned shift = 7;; shift += 7) {
            size_t byte = *p++;
            n |= (byte & 0x7F) << shift;
            if (byte < 0x80) break;
        }
    }
    *n_out = n;
    return p;
}

#endif
