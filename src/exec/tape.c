/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing and reading tapes, and replaying one as a reply; see tape.h. Reading asserts that a node
 * lies within the tape: a breach is our own bug, for no tape comes from outside.
 */
#include "exec/tape.h"

#include "exec/reply.h"

static void tape_put(struct tape *t, enum tape_type type, const void *payload, size_t len)
{
    buf_reserve(&t->bytes, len + 1);
    t->bytes.ptr[t->bytes.len] = (char)type;
    if (len) memcpy(t->bytes.ptr + t->bytes.len + 1, payload, len);
    t->bytes.len += len + 1;
}

void tape_int(struct tape *t, int64_t n)
{
    tape_put(t, TAPE_INT, &n, sizeof(n));
}

void tape_double(struct tape *t, double d)
{
    tape_put(t, TAPE_DOUBLE, &d, sizeof(d));
}

void tape_bool(struct tape *t, bool b)
{
    tape_put(t, TAPE_BOOL, &(char){b}, 1);
}

void tape_plain(struct tape *t, enum tape_type type)
{
    tape_put(t, type, NULL, 0);
}

void tape_bytes(struct tape *t, enum tape_type type, const char *ptr, size_t len)
{
    uint64_t len64 = len;
    tape_put(t, type, &len64, sizeof(len64));
    buf_append(&t->bytes, ptr, len);
}

size_t tape_aggregate(struct tape *t, enum tape_type type, uint64_t count)
{
    size_t offset = t->bytes.len;
    tape_put(t, type, &count, sizeof(count));
    return offset;
}

void tape_patch(struct tape *t, size_t offset, enum tape_type type, uint64_t count)
{
    ASSERT(offset + 1 + sizeof(count) <= t->bytes.len);
    t->bytes.ptr[offset] = (char)type;
    memcpy(t->bytes.ptr + offset + 1, &count, sizeof(count));
}

static uint64_t tape_u64(const struct tape *t, size_t *pos)
{
    uint64_t n;
    ASSERT(t->bytes.len - *pos >= sizeof(n));
    memcpy(&n, t->bytes.ptr + *pos, sizeof(n));
    *pos += sizeof(n);
    return n;
}

bool tape_next(const struct tape *t, size_t *pos, struct tape_node *out)
{
    if (*pos >= t->bytes.len) return false;
    out->type = (enum tape_type)t->bytes.ptr[(*pos)++];
    switch (out->type) {
    case TAPE_INT:
    case TAPE_DOUBLE:
    case TAPE_ARRAY:
    case TAPE_MAP:
    case TAPE_SET:
    case TAPE_PUSH:
        out->u.count = tape_u64(t, pos); /* the union's members share their bytes */
        break;
    case TAPE_BOOL: out->u.boolean = t->bytes.ptr[(*pos)++]; break;
    case TAPE_NULL:
    case TAPE_NULL_ARRAY: break;
    default:
        out->u.bytes.len = tape_u64(t, pos);
        out->u.bytes.ptr = t->bytes.ptr + *pos;
        *pos += out->u.bytes.len;
    }
    ASSERT(*pos <= t->bytes.len);
    return true;
}

static void reply_node(struct exec_ctx *ctx, const struct tape_node *n)
{
    struct view v = n->u.bytes;
    switch (n->type) {
    case TAPE_INT: reply_int(ctx, n->u.i64); break;
    case TAPE_DOUBLE: reply_double(ctx, n->u.f64); break;
    case TAPE_BOOL: reply_bool(ctx, n->u.boolean); break;
    case TAPE_NULL: reply_null(ctx); break;
    case TAPE_NULL_ARRAY: reply_null_array(ctx); break;
    case TAPE_BULK: reply_bulk_view(ctx, v); break;
    case TAPE_STATUS: reply_status_bytes(ctx, v.ptr, v.len); break;
    case TAPE_ERROR: reply_error_raw(ctx, v.ptr, v.len); break;
    case TAPE_BIGNUM: reply_bignum(ctx, v.ptr, v.len); break;
    case TAPE_VERBATIM: reply_verbatim(ctx, v.ptr, v.ptr + 3, v.len - 3); break;
    case TAPE_ARRAY: reply_array(ctx, n->u.count); break;
    case TAPE_MAP: reply_map(ctx, n->u.count); break;
    case TAPE_SET: reply_set(ctx, n->u.count); break;
    case TAPE_PUSH: reply_push(ctx, n->u.count); break;
    }
}

void tape_reply(const struct tape *t, struct exec_ctx *ctx)
{
    struct tape_node node;
    for (size_t pos = 0; tape_next(t, &pos, &node);) reply_node(ctx, &node);
}
