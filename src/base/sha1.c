/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SHA-1 by libcrypto; see sha1.h. The algorithm object is fetched once: a fetch by name costs
 * several times what hashing a key does.
 */
#include "base/sha1.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *algorithm;
static pthread_once_t algorithm_once = PTHREAD_ONCE_INIT;

static void fetch_algorithm(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA1", NULL);
    ASSERT(algorithm);
}

void sha1_init(struct sha1 *s)
{
    pthread_once(&algorithm_once, fetch_algorithm);
    s->impl = EVP_MD_CTX_new();
    ASSERT(s->impl);
    int ok = EVP_DigestInit_ex(s->impl, algorithm, NULL);
    ASSERT(ok);
}

void sha1_update(struct sha1 *s, const void *ptr, size_t len)
{
    int ok = EVP_DigestUpdate(s->impl, ptr, len);
    ASSERT(ok);
}

void sha1_final(struct sha1 *s, uint8_t out[static SHA1_BYTES])
{
    unsigned len = 0;
    int ok = EVP_DigestFinal_ex(s->impl, out, &len);
    ASSERT(ok && len == SHA1_BYTES);
    sha1_release(s);
}

void sha1_release(struct sha1 *s)
{
    EVP_MD_CTX_free(s->impl);
    s->impl = NULL;
}

void sha1_bytes(struct view bytes, uint8_t out[static SHA1_BYTES])
{
    struct sha1 s;
    sha1_init(&s);
    sha1_update(&s, bytes.ptr, bytes.len);
    sha1_final(&s, out);
}

void sha1_hex(const uint8_t digest[static SHA1_BYTES], char out[static 2 * SHA1_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}
