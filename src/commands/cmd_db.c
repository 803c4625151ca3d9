/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on whole databases: DBSIZE, FLUSHDB, FLUSHALL. Thread: whoever runs the command.
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "keyspace/settings.h"
#include "persist/persist.h"

enum status cmd_dbsize(struct exec_ctx *ctx)
{
    reply_int(ctx, (int64_t)table_count(&ctx->db->keys));
    return STATUS_OK;
}

static enum status flush(struct exec_ctx *ctx, struct kv_db *db)
{
    bool lazy = kv_settings.lazy_user_flush;
    if (ctx->argc > 2) return reply_syntax_error(ctx);
    if (ctx->argc == 2) {
        lazy = arg_is(&ctx->argv[1], "async");
        if (!lazy && !arg_is(&ctx->argv[1], "sync")) return reply_syntax_error(ctx);
    }
    size_t keys = kv_flush(ctx->unit, db, lazy);
    /* What FLUSHALL has emptied must not come back at the next start. */
    if (db || !persist_flushed()) kv_dirty(ctx->unit, keys);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_flushdb(struct exec_ctx *ctx)
{
    return flush(ctx, ctx->db);
}

enum status cmd_flushall(struct exec_ctx *ctx)
{
    return flush(ctx, NULL);
}
