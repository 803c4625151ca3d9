/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.* about the engine, its sessions and its packages. What RedisGears' clients ask at their start
 * must have an answer even where there is little to say: no plugin but Python's, no cluster.
 */
#include "gears/gcmd.h"
#include "gears/greg.h"

/* The version that Python's plugin gives itself in RedisGears 1.2. */
#define PLUGIN_VERSION 10000

enum status cmd_rg_dumpplugins(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_array(ctx, 1);
    reply_array(ctx, 2);
    reply_bulk_cstr(ctx, "GearsPythonPlugin");
    reply_int(ctx, PLUGIN_VERSION);
    return STATUS_OK;
}

/* There is nothing to be read again: the engine is the server. */
enum status cmd_rg_refreshcluster(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_ok(ctx);
    return STATUS_OK;
}

/* Two commands that RedisGears 1.2 has only to say that they are gone. */
enum status cmd_rg_pyfreeinterpreter(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_bulk_cstr(ctx, "Free interpreter is not longer supported");
    return STATUS_OK;
}

enum status cmd_rg_pyexecuteremote(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_bulk_cstr(ctx, "Execute remote is not longer supported");
    return STATUS_OK;
}

enum status cmd_rg_clearregistrationsstats(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    greg_clear_stats();
    reply_ok(ctx);
    return STATUS_OK;
}

/* RedisGears documents a last word, ABORTPENDING: what waits is dropped here without it. */
static enum status pause_registrations(struct exec_ctx *ctx, bool pause)
{
    int count = ctx->argc - 1;
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    if (pause && count > 1 && arg_is(&ctx->argv[count], "ABORTPENDING")) count--;
    if (greg_pause_all(ctx, &ctx->argv[1], count, pause)) return STATUS_ERR;
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_rg_pauseregistrations(struct exec_ctx *ctx)
{
    return pause_registrations(ctx, true);
}

enum status cmd_rg_unpauseregistrations(struct exec_ctx *ctx)
{
    return pause_registrations(ctx, false);
}

static enum status unknown_option(struct exec_ctx *ctx, const struct arg *word)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Unknown option ");
    buf_append_view(&text, arg_view(word));
    enum status st = reply_error_raw(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

/* SESSIONS swallows the rest. DEAD is also known as TS. */
enum status cmd_rg_pydumpsessions(struct exec_ctx *ctx)
{
    struct greg_sessions what = {0};
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    for (int i = 1; i < ctx->argc && !what.ids; i++) {
        const struct arg *word = &ctx->argv[i];
        if (arg_is(word, "VERBOSE")) {
            what.verbose = true;
        } else if (arg_is(word, "DEAD") || arg_is(word, "TS")) {
            what.dead = true;
        } else if (arg_is(word, "SESSIONS")) {
            what.ids = word + 1;
            what.id_count = ctx->argc - i - 1;
        } else {
            return unknown_option(ctx, word);
        }
    }
    greg_reply_sessions(ctx, &what);
    return STATUS_OK;
}
