/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum of RDB: its published check value, and pieces against the whole. */
#include "base/crc64.h"

#include "unit.h"

static uint64_t bit_by_bit(uint64_t crc, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x95ac9329ac4bc9b5u : 0);
    }
    return crc;
}

TEST(check_value)
{
    CHECK(crc64_update(0, "123456789", 9) == 0xe9c6d914c4b8d9cau);
    CHECK(crc64_update(0, "", 0) == 0);
    CHECK(crc64_update(42, NULL, 0) == 42);
}

TEST(pieces_equal_the_whole)
{
    unsigned char bytes[300];
    unit_rand_bytes(bytes, sizeof(bytes));
    for (long i = 0; i < unit_rounds(5000); i++) {
        size_t from = unit_rand_below(sizeof(bytes)), len = unit_rand_below(sizeof(bytes) - from);
        size_t cut = unit_rand_below(len + 1);
        uint64_t whole = crc64_update(7, bytes + from, len);
        CHECK(whole == bit_by_bit(7, bytes + from, len));
        CHECK(whole ==
              crc64_update(crc64_update(7, bytes + from, cut), bytes + from + cut, len - cut));
    }
}
