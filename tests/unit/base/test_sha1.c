/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-1: the vectors of FIPS 180, and pieces against the whole. */
#include "base/sha1.h"

#include "unit.h"

static const char *hex_of(struct view bytes)
{
    static char text[2 * SHA1_BYTES + 1];
    uint8_t digest[SHA1_BYTES];
    sha1_bytes(bytes, digest);
    sha1_hex(digest, text);
    text[2 * SHA1_BYTES] = '\0';
    return text;
}

TEST(known_digests)
{
    CHECK_STR(hex_of(VIEW_LIT("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK_STR(hex_of(VIEW_LIT("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK_STR(hex_of(VIEW_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

TEST(pieces_equal_the_whole)
{
    char bytes[500];
    unit_rand_bytes(bytes, sizeof(bytes));
    for (long i = 0; i < unit_rounds(2000); i++) {
        size_t len = unit_rand_below(sizeof(bytes)), at = 0;
        uint8_t whole[SHA1_BYTES], pieces[SHA1_BYTES];
        struct sha1 s;
        sha1_bytes(view_of(bytes, len), whole);
        sha1_init(&s);
        while (at < len) {
            size_t step = 1 + unit_rand_below(len - at);
            sha1_update(&s, bytes + at, step);
            at += step;
        }
        sha1_final(&s, pieces);
        CHECK_MEM(pieces, sizeof(pieces), whole, sizeof(whole));
    }
}

TEST(released_unfinished)
{
    struct sha1 s;
    sha1_init(&s);
    sha1_update(&s, "abc", 3);
    sha1_release(&s);
    sha1_release(&s);
}
