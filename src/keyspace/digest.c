/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEBUG DIGEST and DIGEST-VALUE: sums by which tests compare a server with stock's. What is
 * summed, and in which order, is stock's observed behaviour:
 *
 *   value  = mix(type as 4 bytes, big-endian), the content, and, if it expires, xor("!!expire!!")
 *   string   mix(bytes)
 *   all    = for each database that isn't empty: mix(number, 4 bytes, big-endian), then for each
 *            key: xor(mix(key), value)
 *
 * Content of collections is the types' own (type_ops.digest). Thread: the holder of the token.
 */
#include "keyspace/private.h"

static void mix_number(struct digest *d, uint32_t number)
{
    unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                              (unsigned char)(number >> 8), (unsigned char)number};
    digest_mix(d, bytes, sizeof(bytes));
}

void kv_entry_digest(const struct kv_entry *e, struct digest *d)
{
    mix_number(d, kv_entry_type(e));
    if (kv_entry_is_string(e)) {
        char scratch[KV_SCRATCH];
        struct view bytes = kv_entry_string(e, scratch);
        digest_mix(d, bytes.ptr, bytes.len);
    } else {
        struct value v = kv_entry_value(e);
        type_ops_of(v.type)->digest(v, d);
    }
    if (kv_entry_is_volatile(e)) digest_xor(d, "!!expire!!", 10);
}

void kv_digest_all(struct digest *d)
{
    *d = (struct digest){{0}};
    for (int i = 0; i < kv__db_count; i++) {
        struct kv_db *db = &kv__dbs[i];
        if (table_count(&db->keys) == 0) continue;
        mix_number(d, (uint32_t)i);
        struct table_iter it;
        table_iter_init(&it, &db->keys);
        for (struct kv_entry *e; (e = table_iter_next(&it));) {
            struct digest one = {{0}};
            struct view key = kv_entry_key(e);
            digest_mix(&one, key.ptr, key.len);
            kv_entry_digest(e, &one);
            digest_xor(d, one.bytes, sizeof(one.bytes));
        }
        table_iter_end(&it);
    }
}
