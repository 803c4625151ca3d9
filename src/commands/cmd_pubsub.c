/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SUBSCRIBE and its kin, PUBLISH, PUBSUB: words over pubsub/pubsub.h. What a subscription answers
 * is a message of its own for each name, made there. Subscribing is main's, since it is refused
 * where no client stands behind the context; publishing and looking are anybody's.
 */
#include "commands_table.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "pubsub/pubsub.h"

/* ---- subscribing ---- */

static enum status refuse_waiting(struct exec_ctx *ctx)
{
    struct buf text = {0};
    for (const char *s = ctx->cmd->fullname; *s; s++) buf_append_char(&text, (char)(*s & ~0x20));
    buf_append_cstr(&text, " isn't allowed for a DENY BLOCKING client");
    enum status st = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

static enum status subscribe(struct exec_ctx *ctx, enum pubsub_kind kind)
{
    if (!ctx->client) return refuse_waiting(ctx);
    for (int i = 1; i < ctx->argc; i++) pubsub_subscribe(ctx->client, kind, &ctx->argv[i]);
    return STATUS_OK;
}

static enum status unsubscribe(struct exec_ctx *ctx, enum pubsub_kind kind)
{
    if (!ctx->client) return refuse_waiting(ctx);
    if (ctx->argc == 1) pubsub_unsubscribe_all(ctx->client, kind);
    for (int i = 1; i < ctx->argc; i++) pubsub_unsubscribe(ctx->client, kind, &ctx->argv[i]);
    return STATUS_OK;
}

enum status cmd_subscribe(struct exec_ctx *ctx)
{
    return subscribe(ctx, PUBSUB_CHANNEL);
}

enum status cmd_psubscribe(struct exec_ctx *ctx)
{
    return subscribe(ctx, PUBSUB_PATTERN);
}

/* In a transaction stock refuses this one, and takes the two others. */
enum status cmd_ssubscribe(struct exec_ctx *ctx)
{
    if (ctx->flags & EXEC_DENY_BLOCKING) return refuse_waiting(ctx);
    return subscribe(ctx, PUBSUB_SHARD);
}

enum status cmd_unsubscribe(struct exec_ctx *ctx)
{
    return unsubscribe(ctx, PUBSUB_CHANNEL);
}

enum status cmd_punsubscribe(struct exec_ctx *ctx)
{
    return unsubscribe(ctx, PUBSUB_PATTERN);
}

enum status cmd_sunsubscribe(struct exec_ctx *ctx)
{
    return unsubscribe(ctx, PUBSUB_SHARD);
}

/* ---- publishing ---- */

static enum status publish(struct exec_ctx *ctx, enum pubsub_kind kind)
{
    effect_as_given(ctx, KV_EFFECT_REPLICAS);
    size_t n = pubsub_publish(kind, arg_view(&ctx->argv[1]), arg_view(&ctx->argv[2]));
    reply_int(ctx, (int64_t)n);
    return STATUS_OK;
}

enum status cmd_publish(struct exec_ctx *ctx)
{
    return publish(ctx, PUBSUB_CHANNEL);
}

enum status cmd_spublish(struct exec_ctx *ctx)
{
    return publish(ctx, PUBSUB_SHARD);
}

/* ---- PUBSUB ---- */

struct listing {
    struct exec_ctx *ctx;
    size_t count;
};

static void list_topic(void *at, struct view name)
{
    struct listing *l = at;
    reply_bulk_view(l->ctx, name);
    l->count++;
}

static enum status list_topics(struct exec_ctx *ctx, enum pubsub_kind kind)
{
    if (ctx->argc > 3)
        return reply_unknown_call(ctx);
    struct listing l = {.ctx = ctx};
    struct view pattern = ctx->argc == 3 ? arg_view(&ctx->argv[2]) : VIEW_LIT("");
    struct reply_deferred d = reply_defer(ctx);
    pubsub_each(kind, ctx->argc == 3 ? &pattern : NULL, list_topic, &l);
    reply_defer_array(ctx, d, l.count);
    return STATUS_OK;
}

static enum status count_subscribers(struct exec_ctx *ctx, enum pubsub_kind kind)
{
    reply_array(ctx, (size_t)(ctx->argc - 2) * 2);
    for (int i = 2; i < ctx->argc; i++) {
        struct view name = arg_view(&ctx->argv[i]);
        reply_bulk_view(ctx, name);
        reply_int(ctx, (int64_t)pubsub_subscribers(kind, name));
    }
    return STATUS_OK;
}

enum status cmd_pubsub_channels(struct exec_ctx *ctx)
{
    return list_topics(ctx, PUBSUB_CHANNEL);
}

enum status cmd_pubsub_shardchannels(struct exec_ctx *ctx)
{
    return list_topics(ctx, PUBSUB_SHARD);
}

enum status cmd_pubsub_numsub(struct exec_ctx *ctx)
{
    return count_subscribers(ctx, PUBSUB_CHANNEL);
}

enum status cmd_pubsub_shardnumsub(struct exec_ctx *ctx)
{
    return count_subscribers(ctx, PUBSUB_SHARD);
}

enum status cmd_pubsub_numpat(struct exec_ctx *ctx)
{
    reply_int(ctx, (int64_t)pubsub_topics(PUBSUB_PATTERN));
    return STATUS_OK;
}

enum status cmd_pubsub_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    The channels that somebody listens to; only those that match <pattern>.",
        "NUMPAT",
        "    How many patterns somebody listens to.",
        "NUMSUB [<channel> ...]",
        "    How many listen to each <channel>, patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that somebody listens to; only those that match <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many listen to each <shardchannel>.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}
