/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Common parts of the commands on bits; see bits_args.h.
 */
#include "commands/bits_args.h"

#include "exec/effects.h"
#include "exec/reply.h"
#include "exec/settings.h"

enum status bits_arg_offset(struct exec_ctx *ctx, int i, unsigned width, uint64_t *out)
{
    struct view text = arg_view(&ctx->argv[i]);
    int64_t offset;
    bool counts = width && text.len && text.ptr[0] == '#';
    if (counts) text = view_of(text.ptr + 1, text.len - 1);
    bool valid = num_parse_i64(text, &offset) == STATUS_OK;
    if (valid && counts) valid = num_mul_i64(offset, width, &offset);
    if (!valid || offset < 0 || (uint64_t)offset >> 3 >= exec_settings.proto_max_bulk_len) {
        return reply_error(ctx, "bit offset is not an integer or out of range");
    }
    *out = (uint64_t)offset;
    return STATUS_OK;
}

enum status bits_read(struct exec_ctx *ctx, struct view *bytes_out, bool *found_out,
                      char scratch[KV_SCRATCH])
{
    const struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    *found_out = e != NULL;
    *bytes_out = view_of(NULL, 0);
    if (!e) return STATUS_OK;
    if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
    *bytes_out = kv_entry_string(e, scratch);
    return STATUS_OK;
}

/* The string with `len` bytes, writable. */
static enum status resize(struct exec_ctx *ctx, struct bits_string *s, size_t len)
{
    if (kv_string_resize(ctx->unit, ctx->db, &ctx->argv[1], &s->e, len, &s->writable)) {
        return reply_error(ctx, "insufficient memory");
    }
    s->bytes = view_of(s->writable, len);
    return STATUS_OK;
}

enum status bits_string_open(struct exec_ctx *ctx, uint64_t last, struct bits_string *out)
{
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
    out->e = e;
    out->bytes = e ? kv_entry_string(e, out->scratch) : view_of(NULL, 0);
    out->writable = NULL;
    out->written = false;
    out->grown = last >= out->bytes.len;
    return out->grown ? resize(ctx, out, (size_t)last + 1) : STATUS_OK;
}

enum status bits_string_write(struct exec_ctx *ctx, struct bits_string *s)
{
    s->written = true;
    return s->writable ? STATUS_OK : resize(ctx, s, s->bytes.len);
}

void bits_string_close(struct exec_ctx *ctx, struct bits_string *s, uint64_t changes)
{
    struct arg *key = &ctx->argv[1];
    if (!s->writable && kv_entry_enc(s->e) != ENC_RAW) {
        kv_set_string(ctx->unit, ctx->db, key, s->e, s->bytes, KV_KEEP_TTL | KV_RAW | KV_SAME);
    }
    if (!changes) {
        if (s->grown) effect_as_given(ctx, KV_EFFECT_ALL); /* it grew, though nothing counts */
        return;
    }
    kv_dirty(ctx->unit, changes);
    kv_event(ctx->unit, KV_EVENT_STRING, "setbit", ctx->db, key);
}
