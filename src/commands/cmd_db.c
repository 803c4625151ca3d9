/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. Thread: whoever runs the command.
 */
#include "commands_table.h"
#include "exec/effects.h"
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
    effect_as_given(ctx, KV_EFFECT_ALL); /* also of what is empty here: a replica may differ */
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

enum status cmd_swapdb(struct exec_ctx *ctx)
{
    static const char *const errors[] = {"invalid first DB index", "invalid second DB index"};
    struct kv_db *dbs[2];
    int64_t ids[2];
    for (int i = 0; i < 2; i++) {
        if (num_parse_i64(arg_view(&ctx->argv[i + 1]), &ids[i]) || ids[i] != (int32_t)ids[i])
            return reply_error(ctx, errors[i]);
    }
    for (int i = 0; i < 2; i++) {
        dbs[i] = kv_db(ids[i]);
        if (!dbs[i]) return reply_error(ctx, "DB index is out of range");
    }
    kv_swap(ctx->unit, dbs[0], dbs[1]);
    kv_dirty(ctx->unit, 1);
    reply_ok(ctx);
    return STATUS_OK;
}
