/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SAVE, BGSAVE, LASTSAVE. Thread: the holder of the data token; the first two are refused where
 * that isn't main (noscript).
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "persist/persist.h"

enum status cmd_save(struct exec_ctx *ctx)
{
    if (persist_is_saving()) return reply_error(ctx, "Background save already in progress");
    if (persist_save()) return reply_error(ctx, "-ERR");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_bgsave(struct exec_ctx *ctx)
{
    if (ctx->argc > 2 || (ctx->argc == 2 && !arg_is(&ctx->argv[1], "schedule")))
        return reply_syntax_error(ctx);
    if (persist_is_saving()) return reply_error(ctx, "Background save already in progress");
    if (ctx->flags & EXEC_IN_MULTI) {
        /* What it would save is half of a transaction. */
        persist_background_soon();
        reply_status(ctx, "Background saving scheduled");
        return STATUS_OK;
    }
    if (persist_background()) return reply_error(ctx, "-ERR");
    reply_status(ctx, "Background saving started");
    return STATUS_OK;
}

enum status cmd_lastsave(struct exec_ctx *ctx)
{
    reply_int(ctx, persist_last_save_s());
    return STATUS_OK;
}
