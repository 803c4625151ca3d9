/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands about the process as a whole: SHUTDOWN and TIME.
 *
 * Thread: the holder of the data token; SHUTDOWN also runs on a main that hasn't got it (busy
 * mode), and touches no data.
 */
#include "base/clock.h"
#include "commands_table.h"
#include "exec/lifecycle.h"
#include "exec/reply.h"

static bool parse_shutdown_word(const struct arg *a, unsigned *flags)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nosave", SHUTDOWN_NOSAVE},
                 {"save", SHUTDOWN_SAVE},
                 {"now", SHUTDOWN_NOW},
                 {"force", SHUTDOWN_FORCE},
                 {"abort", SHUTDOWN_ABORT}};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (arg_is(a, words[i].word)) {
            *flags |= words[i].flag;
            return true;
        }
    }
    return false;
}

/* ABORT stands alone, and nobody can both save and not save. */
static bool shutdown_flags_agree(unsigned flags)
{
    if ((flags & SHUTDOWN_ABORT) && flags != SHUTDOWN_ABORT) return false;
    return !((flags & SHUTDOWN_SAVE) && (flags & SHUTDOWN_NOSAVE));
}

enum status cmd_shutdown(struct exec_ctx *ctx)
{
    unsigned flags = 0;
    for (int i = 1; i < ctx->argc; i++) {
        if (!parse_shutdown_word(&ctx->argv[i], &flags)) return reply_syntax_error(ctx);
    }
    if (!shutdown_flags_agree(flags)) return reply_syntax_error(ctx);
    /* Nothing here takes its time, so there is never one under way: it has happened or failed. */
    if (flags & SHUTDOWN_ABORT) return reply_error(ctx, "No shutdown in progress.");
    if (exec_shutdown(flags)) {
        return reply_error(ctx, "Errors trying to SHUTDOWN. Check logs.");
    }
    return STATUS_OK; /* no reply: the connection closes with the server */
}

enum status cmd_time(struct exec_ctx *ctx)
{
    int64_t us = clock_wall_us();
    reply_array(ctx, 2);
    reply_bulk_int(ctx, us / 1000000);
    reply_bulk_int(ctx, us % 1000000);
    return STATUS_OK;
}
