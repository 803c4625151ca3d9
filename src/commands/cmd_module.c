/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MODULE. No module can be loaded; the list is for clients that look whether a server has gears
 * (gears/gmodule.h).
 */
#include "base/log.h"
#include "commands_table.h"
#include "exec/reply.h"
#include "gears/gmodule.h"

enum status cmd_module_list(struct exec_ctx *ctx)
{
    gmodule_reply_list(ctx);
    return STATUS_OK;
}

enum status cmd_module_load(struct exec_ctx *ctx)
{
    log_warning("Module %.*s can't be loaded: this server loads none",
                reply_text_len(ctx->argv[2].len), ctx->argv[2].ptr);
    return reply_error(ctx, "Error loading the extension. Please check the server logs.");
}

enum status cmd_module_loadex(struct exec_ctx *ctx)
{
    return cmd_module_load(ctx);
}

enum status cmd_module_unload(struct exec_ctx *ctx)
{
    return reply_error(ctx, arg_is(&ctx->argv[2], "rg")
                                ? "Error unloading module: it is part of the server"
                                : "Error unloading module: no such module with that name");
}

enum status cmd_module_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "LIST",
        "    The modules that are loaded.",
        "LOAD <path> [<arg> ...]",
        "    Not possible here.",
        "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
        "    Not possible here.",
        "UNLOAD <name>",
        "    Not possible here.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}
