/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading sets. An intset is saved as it is, a table as its members. Loaded are also
 * the listpacks that version 11 writes. A member that comes twice makes the whole a forgery.
 */
#include "base/mem.h"
#include "ds/intset.h"
#include "ds/listpack.h"
#include "ds/table.h"
#include "types/rdb.h"
#include "types/set.h"

uint8_t set__rdb_type(struct value v)
{
    return v.enc == ENC_INTSET ? RDB_SET_INTSET : RDB_SET;
}

static void save_member(void *ctx, struct view member)
{
    rdb_write_text(ctx, member);
}

void set__save(struct value v, struct stream_out *out)
{
    if (v.enc == ENC_INTSET) {
        rdb_write_text(out, view_of(v.ptr, intset_bytes(v.ptr)));
    } else {
        rdb_write_length(out, set_length(v));
        set_each(v, save_member, out);
    }
}

static struct value new_table(size_t count)
{
    struct table t = {NULL};
    table_reserve(&t, rdb_reserve(count));
    return (struct value){.type = TYPE_SET, .enc = ENC_HASHTABLE, .ptr = t.body};
}

static enum status add_new(struct value *v, struct view member)
{
    struct arg arg = arg_of_view(member);
    return set_add(v, &arg) ? STATUS_OK : STATUS_SYNTAX;
}

static enum status load_members(struct stream_in *in, struct value *out)
{
    size_t count;
    enum status status = rdb_read_count(in, 1, &count);
    if (status) return status;
    struct rdb_text member = {0};
    *out = count > type_limits.set_max_intset_entries ? new_table(count) : set_new();
    while (count-- && !status) {
        status = rdb_read_text(in, &member);
        if (!status) status = add_new(out, member.bytes);
    }
    rdb_text_release(&member);
    if (status) set_type_ops.free(*out);
    return status;
}

/* The members are known to differ. */
static void refill_visit(void *ctx, struct view member)
{
    struct arg arg = arg_of_view(member);
    set_add(ctx, &arg);
}

/* Takes the intset. */
static enum status load_intset(uint8_t *bytes, size_t len, struct value *out)
{
    struct intset *ints = (struct intset *)(void *)bytes;
    bool sound = intset_validate(bytes, len);
    if (!sound || intset_count(ints) == 0) {
        mem_free(bytes);
        return sound ? STATUS_NOT_FOUND : STATUS_SYNTAX;
    }
    *out = (struct value){.type = TYPE_SET, .enc = ENC_INTSET, .ptr = ints};
    if (intset_count(ints) <= type_limits.set_max_intset_entries) return STATUS_OK;
    struct value compact = *out, table = new_table(intset_count(ints));
    set_each(compact, refill_visit, &table);
    set_type_ops.free(compact);
    *out = table;
    return STATUS_OK;
}

/* Takes the listpack, and leaves it behind: sets have no such encoding here. */
static enum status load_listpack(uint8_t *lp, size_t len, struct value *out)
{
    enum status status = listpack_validate(lp, len, 1) ? STATUS_OK : STATUS_SYNTAX;
    if (!status && listpack_is_empty(lp)) status = STATUS_NOT_FOUND;
    if (!status) {
        *out = set_new();
        for (const uint8_t *pos = listpack_first(lp); pos && !status;
             pos = listpack_next(lp, pos)) {
            char buf[NUM_I64_LEN];
            status = add_new(out, listpack_get_view(pos, buf));
        }
        if (status) set_type_ops.free(*out);
    }
    mem_free(lp);
    return status;
}

enum status set__load(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    if (rdb_type == RDB_SET) return load_members(in, out);
    uint8_t *block;
    size_t len;
    enum status status = rdb_read_block(in, &block, &len);
    if (status) return status;
    return rdb_type == RDB_SET_INTSET ? load_intset(block, len, out)
                                      : load_listpack(block, len, out);
}
