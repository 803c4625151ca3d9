/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of strings: APPEND, SETRANGE, GETRANGE, SUBSTR. Offsets come from clients and span all of
 * int64; the length that a write would lead to is computed with a check for overflow and held
 * against proto-max-bulk-len before anything is allocated.
 *
 * Thread: whoever holds the data token.
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "exec/settings.h"

/* The error for a string of offset + len bytes that would be too long. */
static enum status check_length(struct exec_ctx *ctx, size_t offset, size_t len, size_t *sum_out)
{
    if (!num_add_size(offset, len, sum_out) || *sum_out > exec_settings.proto_max_bulk_len) {
        return reply_error(ctx,
                           "string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    return STATUS_OK;
}

/* Grows the string to `len` bytes if need be and writes `bytes` at `offset`. */
static enum status write_at(struct exec_ctx *ctx, struct kv_entry *e, size_t len, size_t offset,
                            struct view bytes, const char *event)
{
    struct arg *key = &ctx->argv[1];
    char *to;
    if (kv_string_resize(ctx->unit, ctx->db, key, &e, len, &to)) {
        return reply_error(ctx, "insufficient memory");
    }
    if (bytes.len) memcpy(to + offset, bytes.ptr, bytes.len);
    kv_dirty(ctx->unit, 1);
    kv_event(ctx->unit, KV_EVENT_STRING, event, ctx->db, key);
    reply_int(ctx, (int64_t)len);
    return STATUS_OK;
}

enum status cmd_append(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct view tail = arg_view(&ctx->argv[2]);
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    if (!e) {
        /* A new string is encoded as SET would, an appended one is raw. */
        kv_set_string(ctx->unit, ctx->db, key, NULL, tail, 0);
        kv_dirty(ctx->unit, 1);
        kv_event(ctx->unit, KV_EVENT_STRING, "append", ctx->db, key);
        reply_int(ctx, (int64_t)tail.len);
        return STATUS_OK;
    }
    if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
    size_t old_len = kv_entry_string_len(e), len;
    if (check_length(ctx, old_len, tail.len, &len)) return STATUS_ERR;
    return write_at(ctx, e, len, old_len, tail, "append");
}

enum status cmd_setrange(struct exec_ctx *ctx)
{
    struct view part = arg_view(&ctx->argv[3]);
    int64_t offset;
    if (arg_i64(ctx, 2, &offset)) return STATUS_ERR;
    if (offset < 0) return reply_error(ctx, "offset is out of range");

    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
    size_t old_len = e ? kv_entry_string_len(e) : 0, end;
    if (part.len == 0) {
        reply_int(ctx, (int64_t)old_len);
        return STATUS_OK;
    }
    if (check_length(ctx, (size_t)offset, part.len, &end)) return STATUS_ERR;
    return write_at(ctx, e, MAX(old_len, end), (size_t)offset, part, "setrange");
}

/* The part of a text from `start` to `end`, both inclusive and counted from the end if negative. */
static struct view range_of(struct view text, int64_t start, int64_t end)
{
    int64_t len = (int64_t)text.len;
    if (start < 0 && end < 0 && start > end) return view_of(NULL, 0);
    if (start < 0) start = MAX(start + len, 0);
    if (end < 0) end = MAX(end + len, 0);
    end = MIN(end, len - 1);
    if (start > end) return view_of(NULL, 0);
    return view_of(text.ptr + start, (size_t)(end - start + 1));
}

enum status cmd_getrange(struct exec_ctx *ctx)
{
    int64_t start, end;
    char scratch[KV_SCRATCH];
    if (arg_i64(ctx, 2, &start) || arg_i64(ctx, 3, &end)) return STATUS_ERR;
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
    struct view text = e ? kv_entry_string(e, scratch) : view_of(NULL, 0);
    reply_bulk_view(ctx, range_of(text, start, end));
    return STATUS_OK;
}

enum status cmd_substr(struct exec_ctx *ctx)
{
    return cmd_getrange(ctx);
}
