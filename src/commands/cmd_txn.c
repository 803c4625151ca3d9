/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MULTI, EXEC, DISCARD, WATCH, UNWATCH: words over txn/. Main only: refused in scripts and gears
 * steps, so ctx->client is never NULL here.
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "txn/txn.h"

enum status cmd_multi(struct exec_ctx *ctx)
{
    if (txn_active(ctx->client)) return reply_error(ctx, "MULTI calls can not be nested");
    txn_begin(ctx->client);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_exec(struct exec_ctx *ctx)
{
    return txn_exec(ctx);
}

enum status cmd_discard(struct exec_ctx *ctx)
{
    if (!txn_active(ctx->client)) return reply_error(ctx, "DISCARD without MULTI");
    txn_discard(ctx->client);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_watch(struct exec_ctx *ctx)
{
    if (txn_active(ctx->client)) return reply_error(ctx, "WATCH inside MULTI is not allowed");
    for (int i = 1; i < ctx->argc; i++) txn_watch(ctx, &ctx->argv[i]);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_unwatch(struct exec_ctx *ctx)
{
    txn_unwatch(ctx->client);
    reply_ok(ctx);
    return STATUS_OK;
}
