/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SHA-1 (FIPS 180-4) for digests that users compare: DEBUG DIGEST and script names. Not for
 * secrets. The work is libcrypto's. Any thread, a context by one thread at a time.
 */
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include "base/macros.h"
#include "base/view.h"

#define SHA1_BYTES 20

struct sha1 {
    void *impl; /* libcrypto's context */
};

/* Begins a digest; sha1_final or sha1_release ends it. */
void sha1_init(struct sha1 *s);
void sha1_update(struct sha1 *s, const void *ptr, size_t len);

/* Writes the digest and releases the context. */
void sha1_final(struct sha1 *s, uint8_t out[static SHA1_BYTES]);

/* Ends a digest whose result isn't wanted. Also after sha1_final. */
void sha1_release(struct sha1 *s);

/* Digest of one run of bytes. */
void sha1_bytes(struct view bytes, uint8_t out[static SHA1_BYTES]);

/* 40 lower-case digits, no NUL. */
void sha1_hex(const uint8_t digest[static SHA1_BYTES], char out[static 2 * SHA1_BYTES]);

#endif
