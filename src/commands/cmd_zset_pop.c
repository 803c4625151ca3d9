/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What takes members from the ends of sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP, and the forms that
 * wait, BZPOPMIN, BZPOPMAX, BZMPOP. A waiting command that finds nothing is run again for a key
 * that may have something (exec/blocking.h), and then looks at that key alone.
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/zset_args.h"
#include "commands_table.h"
#include "exec/blocking.h"
#include "exec/effects.h"
#include "exec/reply.h"

/* Keys of a waiting command that need no allocation. */
#define KEYS_INLINE 16

/* Visits the n least or greatest members, then removes them. */
static void pop(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e, size_t n, bool max,
                zset_visit_fn *visit)
{
    struct value v = kv_entry_value(e);
    size_t length = zset_length(v);
    zset_walk(v, max ? length - 1 : 0, n, max, visit, ctx);
    zset_remove_span(&v, (struct zset_span){max ? length - n : 0, n});
    zset_store_removed(ctx, key, e, v, max ? "zpopmax" : "zpopmin", n);
}

/* A command that looks at several keys, or may wait, is repeated as the pop that came of it: of
 * `count` members, or of one if that is 0. */
static void emit_pop(struct exec_ctx *ctx, const struct arg *key, bool max, size_t count)
{
    if (!effect_instead(ctx)) return;
    effect_begin(ctx, count ? 3 : 2);
    effect_text(ctx, max ? "ZPOPMAX" : "ZPOPMIN");
    effect_arg(ctx, key);
    if (count) effect_int(ctx, (int64_t)count);
}

static enum status pop_command(struct exec_ctx *ctx, bool max)
{
    struct kv_entry *e;
    int64_t count = 1;
    bool counted = ctx->argc > 2;
    if (ctx->argc > 3) return reply_syntax_error(ctx);
    if (counted && (num_parse_i64(arg_view(&ctx->argv[2]), &count) || count < 0))
        return reply_error(ctx, "value is out of range, must be positive");
    if (zset_open_write(ctx, &ctx->argv[1], &e)) return STATUS_ERR;
    size_t n = e ? MIN((size_t)count, zset_length(kv_entry_value(e))) : 0;
    bool nested = counted && reply_resp(ctx) > 2;
    reply_array(ctx, nested ? n : 2 * n);
    if (n) pop(ctx, &ctx->argv[1], e, n, max, nested ? zset_reply_pair : zset_reply_flat);
    return STATUS_OK;
}

enum status cmd_zpopmin(struct exec_ctx *ctx)
{
    return pop_command(ctx, false);
}

enum status cmd_zpopmax(struct exec_ctx *ctx)
{
    return pop_command(ctx, true);
}

/* ---- waiting ---- */

/* Waits until one of `count` keys, arguments from `first` on, holds a sorted set. */
static enum status wait_for_keys(struct exec_ctx *ctx, int first, int count, int64_t timeout_ms)
{
    int space[KEYS_INLINE], *positions = space;
    if (count > KEYS_INLINE) positions = mem_alloc((size_t)count * sizeof(*positions));
    for (int i = 0; i < count; i++) positions[i] = first + i;
    struct block_options options = {.key_positions = positions,
                                    .key_count = count,
                                    .type = TYPE_ZSET,
                                    .timeout_ms = timeout_ms};
    enum status status = block_on_keys(ctx, &options);
    if (positions != space) mem_free(positions);
    return status;
}

/* The timeout, read once: when the command runs again it has begun to count. */
static enum status read_timeout(struct exec_ctx *ctx, int i, int64_t *timeout_ms_out)
{
    *timeout_ms_out = 0;
    return block_ready_key(ctx) < 0 ? block_timeout_arg(ctx, i, timeout_ms_out) : STATUS_OK;
}

/* The first of `count` keys, arguments from `first` on, that holds a sorted set; *at_out is 0 if
 * there is none. When the command runs again, only the key that became ready is looked at. */
static enum status find_key(struct exec_ctx *ctx, int first, int count, int *at_out,
                            struct kv_entry **e_out)
{
    int ready = block_ready_key(ctx);
    int from = ready < 0 ? first : ready, end = ready < 0 ? first + count : ready + 1;
    *at_out = 0;
    for (int i = from; i < end; i++) {
        if (zset_open_write(ctx, &ctx->argv[i], e_out)) return STATUS_ERR;
        if (!*e_out) continue;
        *at_out = i;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status blocking_pop(struct exec_ctx *ctx, bool max)
{
    int64_t timeout_ms;
    int at, keys = ctx->argc - 2;
    struct kv_entry *e;
    if (read_timeout(ctx, ctx->argc - 1, &timeout_ms) || find_key(ctx, 1, keys, &at, &e))
        return STATUS_ERR;
    if (!at) return wait_for_keys(ctx, 1, keys, timeout_ms);
    reply_array(ctx, 3);
    reply_bulk_view(ctx, arg_view(&ctx->argv[at]));
    emit_pop(ctx, &ctx->argv[at], max, 0);
    pop(ctx, &ctx->argv[at], e, 1, max, zset_reply_flat);
    return STATUS_OK;
}

enum status cmd_bzpopmin(struct exec_ctx *ctx)
{
    return blocking_pop(ctx, false);
}

enum status cmd_bzpopmax(struct exec_ctx *ctx)
{
    return blocking_pop(ctx, true);
}

/* ---- ZMPOP, BZMPOP ---- */

struct mpop {
    int first, keys; /* arguments */
    bool max;
    int64_t count;
};

/* Reads [numkeys key … MIN|MAX [COUNT n]] from argument i on. */
static enum status mpop_args(struct exec_ctx *ctx, int i, struct mpop *out)
{
    int64_t keys;
    if (num_parse_i64(arg_view(&ctx->argv[i]), &keys) || keys < 1)
        return reply_error(ctx, "numkeys should be greater than 0");
    if (keys > ctx->argc - i - 2) return reply_syntax_error(ctx);
    *out = (struct mpop){.first = i + 1, .keys = (int)keys, .count = 1};
    i = out->first + out->keys;
    out->max = arg_is(&ctx->argv[i], "max");
    if (!out->max && !arg_is(&ctx->argv[i], "min")) return reply_syntax_error(ctx);
    if (++i == ctx->argc) return STATUS_OK;
    if (!arg_is(&ctx->argv[i], "count") || i + 1 == ctx->argc) return reply_syntax_error(ctx);
    if (num_parse_i64(arg_view(&ctx->argv[i + 1]), &out->count) || out->count < 1)
        return reply_error(ctx, "count should be greater than 0");
    return i + 2 == ctx->argc ? STATUS_OK : reply_syntax_error(ctx);
}

static void mpop_reply(struct exec_ctx *ctx, const struct mpop *call, int at, struct kv_entry *e)
{
    size_t n = MIN((size_t)call->count, zset_length(kv_entry_value(e)));
    reply_array(ctx, 2);
    reply_bulk_view(ctx, arg_view(&ctx->argv[at]));
    reply_array(ctx, n);
    emit_pop(ctx, &ctx->argv[at], call->max, n);
    pop(ctx, &ctx->argv[at], e, n, call->max, zset_reply_pair);
}

enum status cmd_zmpop(struct exec_ctx *ctx)
{
    struct mpop call;
    struct kv_entry *e;
    int at;
    if (mpop_args(ctx, 1, &call) || find_key(ctx, call.first, call.keys, &at, &e))
        return STATUS_ERR;
    if (at)
        mpop_reply(ctx, &call, at, e);
    else
        reply_null_array(ctx);
    return STATUS_OK;
}

enum status cmd_bzmpop(struct exec_ctx *ctx)
{
    struct mpop call;
    struct kv_entry *e;
    int64_t timeout_ms;
    int at;
    if (mpop_args(ctx, 2, &call) || read_timeout(ctx, 1, &timeout_ms) ||
        find_key(ctx, call.first, call.keys, &at, &e)) {
        return STATUS_ERR;
    }
    if (!at) return wait_for_keys(ctx, call.first, call.keys, timeout_ms);
    mpop_reply(ctx, &call, at, e);
    return STATUS_OK;
}
