/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of entries; see rdb_value.h.
 */
#include "persist/rdb_value.h"

bool rdb_entry_has_form(const struct kv_entry *e)
{
    return kv_entry_is_string(e) || type_ops_of(kv_entry_type(e))->save;
}

uint8_t rdb_entry_type(const struct kv_entry *e)
{
    if (kv_entry_is_string(e)) return RDB_STRING;
    struct value v = kv_entry_value(e);
    return type_ops_of(v.type)->rdb_type(v);
}

void rdb_entry_save(const struct kv_entry *e, struct stream_out *out)
{
    int64_t number;
    if (kv_entry_int(e, &number)) {
        rdb_write_int(out, number);
    } else if (kv_entry_is_string(e)) {
        char scratch[KV_SCRATCH];
        rdb_write_text(out, kv_entry_string(e, scratch));
    } else {
        struct value v = kv_entry_value(e);
        type_ops_of(v.type)->save(v, out);
    }
}

enum status rdb_value_load(uint8_t rdb_type, struct stream_in *in, struct rdb_value *value)
{
    value->v = (struct value){.type = TYPE_STRING};
    if (rdb_type == RDB_STRING) return rdb_read_text(in, &value->text);
    const struct type_ops *ops = rdb_type_owner(rdb_type);
    if (!ops || !ops->load) return STATUS_TYPE;
    struct value v;
    enum status status = ops->load(rdb_type, in, &v);
    if (!status) value->v = v;
    return status;
}

struct kv_entry *rdb_value_store(struct rdb_value *value, struct kv_unit *u, struct kv_db *db,
                                 struct arg *key)
{
    if (value->v.type == TYPE_STRING)
        return kv_set_string(u, db, key, NULL, value->text.bytes, 0);
    struct value v = value->v;
    value->v = (struct value){.type = TYPE_STRING};
    return kv_set_value(u, db, key, NULL, v, 0);
}

void rdb_value_discard(struct rdb_value *value)
{
    if (value->v.type != TYPE_STRING) type_ops_of(value->v.type)->free(value->v);
    value->v = (struct value){.type = TYPE_STRING};
}

void rdb_value_release(struct rdb_value *value)
{
    rdb_value_discard(value);
    rdb_text_release(&value->text);
}
