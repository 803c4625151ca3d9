/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See crc64.h. tables[0][b] is what one byte b does to a sum; tables[k][b] is what it does when k
 * zero bytes follow it. So eight bytes fold into the sum with eight look-ups that don't wait for
 * one another. The tables are computed, not listed: 16 KB of constants would say less than the
 * five lines that make them.
 */
#include "base/crc64.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL_REFLECTED 0x95ac9329ac4bc9b5u

static uint64_t tables[8][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (unsigned b = 0; b < 256; b++) {
        uint64_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
        tables[0][b] = crc;
    }
    for (unsigned b = 0; b < 256; b++) {
        for (int k = 1; k < 8; k++) {
            uint64_t before = tables[k - 1][b];
            tables[k][b] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t crc64_update(uint64_t crc, const void *ptr, size_t len)
{
    const uint8_t *p = ptr;
    pthread_once(&made, make_tables);
    for (; len >= 8; len -= 8, p += 8) {
        crc ^= load_le64(p);
        crc = tables[7][crc & 0xff] ^ tables[6][(crc >> 8) & 0xff] ^
              tables[5][(crc >> 16) & 0xff] ^ tables[4][(crc >> 24) & 0xff] ^
              tables[3][(crc >> 32) & 0xff] ^ tables[2][(crc >> 40) & 0xff] ^
              tables[1][(crc >> 48) & 0xff] ^ tables[0][crc >> 56];
    }
    for (; len; len--, p++) crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
    return crc;
}
