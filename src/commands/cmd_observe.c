/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SLOWLOG and MONITOR: words over observe/. SLOWLOG is anybody's who holds the token; MONITOR is
 * main's, since it is refused where no client stands behind the context.
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "observe/monitor.h"
#include "observe/slowlog.h"

#define SLOWLOG_GET_DEFAULT 10

enum status cmd_slowlog_get(struct exec_ctx *ctx)
{
    int64_t count = SLOWLOG_GET_DEFAULT;
    if (ctx->argc > 3)
        return reply_unknown_call(ctx);
    if (ctx->argc == 3 &&
        (num_parse_i64(arg_view(&ctx->argv[2]), &count) || count < -1))
        return reply_error(ctx, "count should be greater than or equal to -1");
    slowlog_reply(ctx, count < 0 ? SIZE_MAX : (size_t)count);
    return STATUS_OK;
}

enum status cmd_slowlog_len(struct exec_ctx *ctx)
{
    reply_int(ctx, (int64_t)slowlog_len());
    return STATUS_OK;
}

enum status cmd_slowlog_reset(struct exec_ctx *ctx)
{
    slowlog_reset();
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_slowlog_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    The latest <count> slow commands (10; -1: all). Each is an array: number, time, how",
        "    long it took in microseconds, words, the client's address, its name.",
        "LEN",
        "    How many slow commands are remembered.",
        "RESET",
        "    Forgets them.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}

enum status cmd_monitor(struct exec_ctx *ctx)
{
    if (!ctx->client || ctx->flags & EXEC_DENY_BLOCKING)
        return reply_error(ctx, "MONITOR isn't allowed for DENY BLOCKING client");
    /* A client that is one already gets no reply, as in stock. */
    if (monitor_begin(ctx->client)) reply_ok(ctx);
    return STATUS_OK;
}
