/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading hashes. A listpack is saved as it is; a table as its pairs. Loaded are also
 * the forms of older versions: a ziplist of pairs, and a zipmap.
 *
 * A field that comes twice makes the whole a forgery, as for stock. In compact forms fields are
 * compared by their hashes, whose seed no outsider knows.
 */
#include "base/mem.h"
#include "ds/listpack.h"
#include "ds/table.h"
#include "ds/zip.h"
#include "types/hash.h"
#include "types/rdb.h"

uint8_t hash__rdb_type(struct value v)
{
    return v.enc == ENC_LISTPACK ? RDB_HASH_LISTPACK : RDB_HASH;
}

static void save_pair(void *ctx, struct view field, struct view value)
{
    rdb_write_text(ctx, field);
    rdb_write_text(ctx, value);
}

void hash__save(struct value v, struct stream_out *out)
{
    if (v.enc == ENC_LISTPACK) {
        rdb_write_text(out, view_of(v.ptr, listpack_bytes(v.ptr)));
    } else {
        rdb_write_length(out, hash_length(v));
        hash_each(v, save_pair, out);
    }
}

/* An empty table with room for so many fields. */
static struct value new_table(size_t count)
{
    struct table t = {NULL};
    table_reserve(&t, rdb_reserve(count));
    return (struct value){.type = TYPE_HASH, .enc = ENC_HASHTABLE, .ptr = t.body};
}

static enum status add_new(struct value *v, struct view field, struct view value)
{
    struct arg arg = arg_of_view(field);
    return hash_set(v, &arg, value) ? STATUS_OK : STATUS_SYNTAX;
}

/* The pairs are known to differ. */
static void refill_visit(void *ctx, struct view field, struct view value)
{
    struct arg arg = arg_of_view(field);
    hash_set(ctx, &arg, value);
}

/* Pairs that come as one text after the other, from an old form. */
struct pairs {
    struct value v;
    bool have_field;
    struct view field;
    char digits[NUM_I64_LEN]; /* of a field that is an integer */
};

static enum status pairs_visit(void *ctx, struct view text)
{
    struct pairs *pairs = ctx;
    if (!pairs->have_field) {
        /* Digits lie in the reader's own scratch, other texts in what is read. */
        if (text.len <= sizeof(pairs->digits)) {
            memcpy(pairs->digits, text.ptr, text.len);
            text.ptr = pairs->digits;
        }
        pairs->field = text;
        pairs->have_field = true;
        return STATUS_OK;
    }
    pairs->have_field = false;
    return add_new(&pairs->v, pairs->field, text);
}

static enum status load_old(uint8_t rdb_type, struct view bytes, struct value *out)
{
    struct pairs pairs = {.v = hash_new()};
    enum status status = rdb_type == RDB_HASH_ZIPMAP ? zip_map_each(bytes, pairs_visit, &pairs)
                                                     : zip_list_each(bytes, pairs_visit, &pairs);
    if (!status && pairs.have_field) status = STATUS_SYNTAX;
    if (!status && hash_length(pairs.v) == 0) status = STATUS_NOT_FOUND;
    if (status) hash_type_ops.free(pairs.v);
    else *out = pairs.v;
    return status;
}

static bool listpack_repeats(const uint8_t *lp, size_t pairs)
{
    uint64_t few[64], *hashes = pairs <= ARRAY_COUNT(few) ? few : mem_alloc(pairs * 8);
    size_t n = 0;
    for (const uint8_t *pos = listpack_first(lp); pos; pos = listpack_next(lp, pos)) {
        char buf[NUM_I64_LEN];
        struct view field = listpack_get_view(pos, buf);
        hashes[n++] = hash_bytes(field.ptr, field.len);
        pos = listpack_next(lp, pos);
    }
    bool repeats = rdb_has_duplicates(hashes, n);
    if (hashes != few) mem_free(hashes);
    return repeats;
}

/* Takes the listpack. */
static enum status load_listpack(uint8_t *lp, size_t len, struct value *out)
{
    enum status status = STATUS_SYNTAX;
    size_t pairs = 0;
    if (!listpack_validate(lp, len, 2)) goto refused;
    status = STATUS_NOT_FOUND;
    pairs = listpack_count(lp) / 2;
    if (pairs == 0) goto refused;
    status = STATUS_SYNTAX;
    if (listpack_repeats(lp, pairs)) goto refused;
    *out = (struct value){.type = TYPE_HASH, .enc = ENC_LISTPACK, .ptr = lp};
    if (pairs <= type_limits.hash_max_listpack_entries) return STATUS_OK;
    struct value compact = *out, table = new_table(pairs);
    hash_each(compact, refill_visit, &table);
    hash_type_ops.free(compact);
    *out = table;
    return STATUS_OK;
refused:
    mem_free(lp);
    return status;
}

static enum status load_pairs(struct stream_in *in, struct value *out)
{
    size_t count;
    enum status status = rdb_read_count(in, 2, &count);
    if (status) return status;
    struct rdb_text field = {0}, value = {0};
    *out = count > type_limits.hash_max_listpack_entries ? new_table(count) : hash_new();
    while (count-- && !status) {
        status = rdb_read_text_kept(in, &field);
        if (!status) status = rdb_read_text(in, &value);
        if (!status) status = add_new(out, field.bytes, value.bytes);
    }
    rdb_text_release(&field);
    rdb_text_release(&value);
    if (status) hash_type_ops.free(*out);
    return status;
}

enum status hash__load(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    if (rdb_type == RDB_HASH) return load_pairs(in, out);
    uint8_t *block;
    size_t len;
    enum status status = rdb_read_block(in, &block, &len);
    if (status) return status;
    if (rdb_type == RDB_HASH_LISTPACK) return load_listpack(block, len, out);
    status = load_old(rdb_type, view_of((char *)block, len), out);
    mem_free(block);
    return status;
}
