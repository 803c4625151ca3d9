/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings that count: INCR, DECR, INCRBY, DECRBY over 64 bits with overflow as an error, and
 * INCRBYFLOAT in the processor's 80-bit long double, printed with up to 17 decimals and never
 * with an exponent, as stock's observed behaviour is. Counting keeps a key's expiry.
 *
 * Thread: whoever holds the data token.
 */
#include <math.h>

#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"

/* Adds to the integer under argument 1 and replies the sum. */
static enum status add(struct exec_ctx *ctx, int64_t by)
{
    struct arg *key = &ctx->argv[1];
    int64_t number = 0;
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    if (e && !kv_entry_int(e, &number)) {
        char scratch[KV_SCRATCH];
        if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
        if (num_parse_i64(kv_entry_string(e, scratch), &number)) return reply_not_int(ctx);
    }
    if (!num_add_i64(number, by, &number)) {
        return reply_error(ctx, "increment or decrement would overflow");
    }
    kv_set_int(ctx->unit, ctx->db, key, e, number, KV_KEEP_TTL);
    kv_dirty(ctx->unit, 1);
    kv_event(ctx->unit, KV_EVENT_STRING, "incrby", ctx->db, key);
    reply_int(ctx, number);
    return STATUS_OK;
}

enum status cmd_incr(struct exec_ctx *ctx)
{
    return add(ctx, 1);
}

enum status cmd_decr(struct exec_ctx *ctx)
{
    return add(ctx, -1);
}

enum status cmd_incrby(struct exec_ctx *ctx)
{
    int64_t by;
    if (arg_i64(ctx, 2, &by)) return STATUS_ERR;
    return add(ctx, by);
}

enum status cmd_decrby(struct exec_ctx *ctx)
{
    int64_t by;
    if (arg_i64(ctx, 2, &by)) return STATUS_ERR;
    if (by == INT64_MIN) return reply_error(ctx, "decrement would overflow");
    return add(ctx, -by);
}

enum status cmd_incrbyfloat(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    long double number = 0, by;
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    if (e) {
        char scratch[KV_SCRATCH];
        if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
        if (num_parse_ld(kv_entry_string(e, scratch), &number)) return reply_not_float(ctx);
    }
    if (arg_ld(ctx, 2, &by)) return STATUS_ERR;
    number += by;
    if (isnan(number) || isinf(number)) {
        return reply_error(ctx, "increment would produce NaN or Infinity");
    }
    char text[NUM_LD_LEN];
    struct view result = view_of(text, num_format_ld_human(text, number));
    if (effect_instead(ctx)) { /* another processor may round otherwise */
        effect_begin(ctx, 4);
        effect_text(ctx, "SET");
        effect_arg(ctx, key);
        effect_view(ctx, result);
        effect_text(ctx, "KEEPTTL");
    }
    kv_set_string(ctx->unit, ctx->db, key, e, result, KV_KEEP_TTL | KV_NO_INT);
    kv_dirty(ctx->unit, 1);
    kv_event(ctx->unit, KV_EVENT_STRING, "incrbyfloat", ctx->db, key);
    reply_bulk_view(ctx, result);
    return STATUS_OK;
}
