/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading lists. A list is saved node by node: number of nodes, then for each its form
 * (1: plain text, 2: listpack) and its bytes as a text. A long element that has a node of its own
 * is saved as a listpack of one, the form that stock gives it; only what no listpack takes is
 * saved as a plain text. Loaded are also lists of texts, a ziplist, and a chain of ziplists; the
 * elements are pushed one by one, so that nodes are as this server's limits want them.
 */
#include "base/mem.h"
#include "ds/listpack.h"
#include "ds/zip.h"
#include "types/list.h"
#include "types/rdb.h"

#define NODE_PLAIN 1
#define NODE_PACKED 2

uint8_t list__rdb_type(struct value v)
{
    UNUSED(v);
    return RDB_LIST_QUICKLIST_2;
}

/* ---- saving ---- */

static void save_packed(struct stream_out *out, const uint8_t *lp)
{
    rdb_write_length(out, NODE_PACKED);
    rdb_write_text(out, view_of((const char *)lp, listpack_bytes(lp)));
}

static void save_block(void *ctx, struct view block, bool plain)
{
    struct stream_out *out = ctx;
    if (!plain) {
        save_packed(out, (const uint8_t *)block.ptr);
        return;
    }
    uint8_t *lp = listpack_new(0);
    if (listpack_append(&lp, block)) {
        rdb_write_length(out, NODE_PLAIN);
        rdb_write_text(out, block);
    } else {
        save_packed(out, lp);
    }
    mem_free(lp);
}

void list__save(struct value v, struct stream_out *out)
{
    rdb_write_length(out, quicklist_nodes(list_of(v)));
    quicklist_each_block(list_of(v), save_block, out);
}

/* ---- loading ---- */

static enum status push_visit(void *ctx, struct view text)
{
    quicklist_push(ctx, QUICKLIST_LAST, text);
    return STATUS_OK;
}

static enum status load_text(struct quicklist *q, struct stream_in *in, struct rdb_text *text)
{
    enum status status = rdb_read_text(in, text);
    return status ? status : push_visit(q, text->bytes);
}

static enum status load_ziplist(struct quicklist *q, struct stream_in *in, struct rdb_text *text)
{
    enum status status = rdb_read_text(in, text);
    return status ? status : zip_list_each(text->bytes, push_visit, q);
}

static enum status load_packed(struct quicklist *q, struct stream_in *in)
{
    uint8_t *lp;
    size_t len;
    char buf[NUM_I64_LEN];
    enum status status = rdb_read_block(in, &lp, &len);
    if (status) return status;
    if (listpack_validate(lp, len, 1)) {
        for (const uint8_t *pos = listpack_first(lp); pos; pos = listpack_next(lp, pos))
            push_visit(q, listpack_get_view(pos, buf));
    } else {
        status = STATUS_SYNTAX;
    }
    mem_free(lp);
    return status;
}

static enum status load_node(struct quicklist *q, struct stream_in *in, struct rdb_text *text)
{
    uint64_t form;
    enum status status = rdb_read_length(in, &form);
    if (status) return status;
    if (form == NODE_PACKED) return load_packed(q, in);
    if (form != NODE_PLAIN) return STATUS_SYNTAX;
    status = rdb_read_text(in, text);
    if (!status && text->bytes.len == 0) status = STATUS_SYNTAX; /* nobody writes that */
    return status ? status : push_visit(q, text->bytes);
}

static enum status load_part(uint8_t rdb_type, struct quicklist *q, struct stream_in *in,
                             struct rdb_text *text)
{
    switch (rdb_type) {
    case RDB_LIST: return load_text(q, in, text);
    case RDB_LIST_QUICKLIST_2: return load_node(q, in, text);
    default: return load_ziplist(q, in, text);
    }
}

enum status list__load(uint8_t rdb_type, struct stream_in *in, struct value *out)
{
    size_t parts = 1;
    enum status status = STATUS_OK;
    if (rdb_type != RDB_LIST_ZIPLIST)
        status = rdb_read_count(in, rdb_type == RDB_LIST_QUICKLIST_2 ? 2 : 1, &parts);
    if (status) return status;
    struct rdb_text text = {0};
    *out = list_new();
    while (parts-- && !status) status = load_part(rdb_type, list_of(*out), in, &text);
    rdb_text_release(&text);
    /* A node without elements is passed over; a list without any isn't one. */
    if (!status && list_length(*out) == 0) status = STATUS_NOT_FOUND;
    if (status) list_type_ops.free(*out);
    return status;
}
