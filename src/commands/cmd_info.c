/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INFO: the metric registry (conf/metric.h) for clients. A field is added by a row in the folder
 * that counts it; nothing here knows any.
 *
 * Thread: the holder of the data token.
 */
#include "commands_table.h"
#include "conf/metric.h"
#include "exec/reply.h"

enum status cmd_info(struct exec_ctx *ctx)
{
    struct metric_selection selection = {{false}};
    if (ctx->argc == 1) metric_select(&selection, VIEW_LIT("default"));
    for (int i = 1; i < ctx->argc; i++) metric_select(&selection, arg_view(&ctx->argv[i]));
    struct buf text = {0};
    metric_print(&selection, &text);
    reply_verbatim(ctx, "txt", text.ptr, text.len);
    buf_release(&text);
    return STATUS_OK;
}
