/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of types, their names, and the digest that all of them share. A new type is one
 * row in `rows` and one file with its type_ops. Any thread.
 */
#include "types/value.h"

#include "base/blob.h"
#include "base/sha1.h"

/* A string's object is its bytes outside the entry, if there are any. */
static void string_free(struct value v)
{
    blob_free(v.ptr);
}

static const struct type_ops string_type_ops = {.name = "string", .free = string_free};

static const struct type_ops *const rows[TYPE_COUNT] = {
    [TYPE_STRING] = &string_type_ops,
    [TYPE_LIST] = &list_type_ops,
    [TYPE_SET] = &set_type_ops,
    [TYPE_ZSET] = &zset_type_ops,
    [TYPE_HASH] = &hash_type_ops,
    [TYPE_STREAM] = &stream_type_ops,
};

static const char *const enc_names[ENC_COUNT] = {
    [ENC_RAW] = "raw",           [ENC_INT] = "int",
    [ENC_EMBSTR] = "embstr",     [ENC_HASHTABLE] = "hashtable",
    [ENC_LISTPACK] = "listpack", [ENC_INTSET] = "intset",
    [ENC_QUICKLIST] = "quicklist", [ENC_SKIPLIST] = "skiplist",
    [ENC_STREAM] = "stream",
};

struct type_limits type_limits = {
    .hash_max_listpack_entries = 512,
    .hash_max_listpack_value = 64,
    .set_max_intset_entries = 512,
    .zset_max_listpack_entries = 128,
    .zset_max_listpack_value = 64,
    .hll_sparse_max_bytes = 3000,
    .list_max_listpack_size = -2,
    .stream_node_max_bytes = 4096,
    .stream_node_max_entries = 100,
};

const struct type_ops *type_ops_of(enum value_type type)
{
    return (unsigned)type < TYPE_COUNT ? rows[type] : NULL;
}

const char *type_name(enum value_type type)
{
    const struct type_ops *ops = type_ops_of(type);
    return ops ? ops->name : "unknown";
}

const char *enc_name(enum value_enc enc)
{
    return (unsigned)enc < ENC_COUNT ? enc_names[enc] : "unknown";
}

static void xor_into(struct digest *d, const uint8_t sum[SHA1_BYTES])
{
    for (size_t i = 0; i < SHA1_BYTES; i++) d->bytes[i] ^= sum[i];
}

void digest_xor(struct digest *d, const void *ptr, size_t len)
{
    uint8_t sum[SHA1_BYTES];
    sha1_bytes(view_of(ptr, len), sum);
    xor_into(d, sum);
}

void digest_mix(struct digest *d, const void *ptr, size_t len)
{
    digest_xor(d, ptr, len);
    sha1_bytes(view_of((const char *)d->bytes, SHA1_BYTES), d->bytes);
}
