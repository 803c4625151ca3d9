/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.* about requirements. What reads or writes files is the installer's; the client waits.
 */
#include "exec/client.h"
#include "gears/gcmd.h"
#include "gears/greq.h"

enum status cmd_rg_pydumpreqs(struct exec_ctx *ctx)
{
    struct tape list = {0};
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_array(ctx, greq_dump(&list));
    tape_reply(&list, ctx);
    tape_release(&list);
    return STATUS_OK;
}

static bool may_wait(struct exec_ctx *ctx)
{
    if (gcmd_may_block(ctx)) return true;
    gcmd_error(ctx, "Can not run gears inside a multi exec, lua, or when blocking is not allowed");
    return false;
}

enum status cmd_rg_pyexportreq(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx) || !may_wait(ctx)) return STATUS_ERR;
    uint64_t id = client_id(ctx->client);
    client_block(ctx, NULL, NULL);
    greq_export(id, arg_view(&ctx->argv[1]));
    return STATUS_BLOCKED;
}

/* The chunks are one container, cut anywhere. */
enum status cmd_rg_pyimportreq(struct exec_ctx *ctx)
{
    struct buf container = {0};
    if (!gcmd_allowed(ctx) || !may_wait(ctx)) return STATUS_ERR;
    const char *why = greq_refusal(VIEW_LIT("package"));
    if (why) return gcmd_error(ctx, why);
    for (int i = 1; i < ctx->argc; i++) buf_append_view(&container, arg_view(&ctx->argv[i]));
    uint64_t id = client_id(ctx->client);
    client_block(ctx, NULL, NULL);
    greq_import(id, &container);
    return STATUS_BLOCKED;
}
