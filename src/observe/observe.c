/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One watcher of commands for both: exec compares the time that it measures anyhow with the
 * shortest duration that anybody wants to hear of, which is 0 while somebody monitors. So a
 * command pays one comparison, and the rest happens here.
 *
 * Which arguments are secret is known here by name, rather than told by handlers, so that handlers
 * needn't think of who watches them.
 */
#include "observe/observe.h"

#include "conf/option.h"
#include "exec/command.h"
#include "exec/latency.h"
#include "observe/private.h"

static void command_done(const struct exec_ctx *ctx, enum status st, uint64_t ns)
{
    if (st != STATUS_BLOCKED) slowlog__done(ctx, ns);
    latency_note(ctx->cmd->flags & COMMAND_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                 ns / 1000);
    if (monitor__on() && !(ctx->flags & EXEC_RETRY)) monitor__done(ctx);
}

static void work_done(const struct exec_work *w)
{
    slowlog__work(w);
    latency_note(LATENCY_GEARS, w->ns / 1000);
}

void observe__update(void)
{
    uint64_t slow_ns = latency__threshold_us;
    if (slow_ns != UINT64_MAX) slow_ns *= 1000;
    exec_work_min_set(MIN(slowlog__min_ns() == UINT64_MAX ? UINT64_MAX : slowlog__min_ns() / 1000,
                          latency__threshold_us));
    exec_done_min(monitor__on() ? 0 : MIN(slowlog__min_ns(), slow_ns));
}

/* The argument before i, or the one before that, is a word after which passwords come. */
static bool behind_auth(const struct exec_ctx *ctx, int i, int first, bool user_too)
{
    for (int k = first; k < i; k++) {
        if (arg_is(&ctx->argv[k], "auth") && i <= k + (user_too ? 2 : 1)) return true;
        if (arg_is(&ctx->argv[k], "auth2") && i <= k + 2) return true;
    }
    return false;
}

static bool is_secret(const struct exec_ctx *ctx, int i)
{
    const char *name = ctx->cmd->fullname;
    if (!strcmp(name, "auth")) return i > 0;
    if (!strcmp(name, "acl|setuser")) return i > 1;
    if (!strcmp(name, "hello")) return behind_auth(ctx, i, 2, true);
    if (!strcmp(name, "migrate")) return behind_auth(ctx, i, 6, false);
    if (strcmp(name, "config|set") || i < 3 || i % 2 == 0) return false;
    const struct opt_row *row = opt_find(arg_view(&ctx->argv[i - 1]));
    return row && row->flags & OPT_SENSITIVE;
}

struct view observe__arg(const struct exec_ctx *ctx, int i)
{
    return is_secret(ctx, i) ? VIEW_LIT("(redacted)") : arg_view(&ctx->argv[i]);
}

void observe_setup(void)
{
    exec_on_done(command_done);
    exec_on_work(work_done);
    monitor__setup();
    latency_on_change(observe__update);
}
