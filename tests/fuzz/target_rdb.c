/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole RDB files: headers, opcodes, keys of every type. Each key that is handed out is complete
 * and stays so while it is looked at. No sum is wanted: a fuzzer can't guess it, and whoever
 * writes a hostile file can compute it.
 *
 *   input: the file
 */
#include "fuzz.h"

#include "persist/rdb_load.h"
#include "persist/rdb_value.h"

static void see_text(void *ctx, struct view name, struct view value)
{
    uint64_t *sum = ctx;
    for (size_t i = 0; i < name.len; i++) *sum += (unsigned char)name.ptr[i];
    for (size_t i = 0; i < value.len; i++) *sum += (unsigned char)value.ptr[i];
}

static void see_size(void *ctx, uint64_t db, size_t keys)
{
    uint64_t *sum = ctx;
    *sum += db + keys;
}

static enum status see_key(void *ctx, struct rdb_key *key)
{
    uint64_t *sum = ctx;
    *sum += arg_hash(&key->name);
    if (key->value->v.ptr) {
        const struct type_ops *ops = rdb_type_owner(key->type);
        struct digest d = {{0}};
        FUZZ_CHECK(ops && (ops->length(key->value->v) > 0 || ops == &stream_type_ops));
        ops->digest(key->value->v, &d);
        *sum += d.bytes[0];
    } else {
        FUZZ_CHECK(key->type == RDB_STRING);
        see_text(ctx, key->value->text.bytes, VIEW_LIT(""));
    }
    rdb_value_discard(key->value);
    return STATUS_OK;
}

void fuzz_one(const uint8_t *data, size_t len)
{
    uint64_t sum = 0;
    const struct rdb_visitor visitor = {
        .aux = see_text, .resize = see_size, .key = see_key, .ctx = &sum,
    };
    struct rdb_error error;
    struct stream_in in;
    stream_in_memory(&in, view_of((const char *)data, len), false);
    enum status status = rdb_read(&in, &visitor, &error);
    FUZZ_CHECK((status == STATUS_OK) == (error.text[0] == '\0'));
    FUZZ_CHECK(error.offset <= len);
    stream_in_release(&in);
}
