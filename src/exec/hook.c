/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See hook.h. How often each command is hooked stands in an array by the rows' ids, which is made
 * with the first hook. A reply is kept as the bytes that the client would have got, so that it
 * costs no second encoding, and an error in it is counted once.
 */
#include "exec/hook.h"

#include "exec/client_impl.h"
#include "exec/command.h"

static struct {
    enum status (*fn)(struct exec_ctx *ctx);
    uint32_t *counts; /* by the id of a command that is no subcommand */
} hook;

size_t exec__hooks;

static const struct command *top_of(const struct command *cmd)
{
    return cmd->parent ? cmd->parent : cmd;
}

void exec_on_hook(enum status (*fn)(struct exec_ctx *ctx))
{
    ASSERT(!hook.fn);
    hook.fn = fn;
}

void exec_hook(const struct command *top, bool on)
{
    ASSERT(hook.fn && !top->parent);
    if (!hook.counts) hook.counts = mem_zalloc(sizeof(*hook.counts) * command_top_count());
    ASSERT(on || hook.counts[top->id]);
    hook.counts[top->id] += on ? 1 : -1u;
    exec__hooks += on ? 1 : -(size_t)1;
    if (exec__hooks) return;
    mem_free(hook.counts);
    hook.counts = NULL;
}

bool exec_is_hooked(const struct command *cmd)
{
    return hook.counts && hook.counts[top_of(cmd)->id];
}

enum status exec__call_hooked(struct exec_ctx *ctx)
{
    bool concerned = ctx->client ? !(ctx->flags & EXEC_RETRY) : ctx->flags & EXEC_FROM_GEARS;
    if (concerned && exec_is_hooked(ctx->cmd)) return hook.fn(ctx);
    return exec_call_as(ctx, ctx->cmd->handler);
}

/* ---- replies kept back ---- */

void kept_reply_begin(struct exec_ctx *ctx, struct kept_reply *k)
{
    k->before = ctx->sink;
    k->out = (struct outbuf){0};
    k->sink = *ctx->sink;
    k->sink.out = &k->out;
    ctx->sink = &k->sink;
}

void kept_reply_end(struct exec_ctx *ctx, struct kept_reply *k)
{
    k->before->errors = k->sink.errors;
    ctx->sink = k->before;
}

void kept_reply_send(struct client *c, struct kept_reply *k)
{
    if (c->sink.discard)
        outbuf_release(&k->out);
    else
        outbuf_join(&c->out, &k->out);
}

void kept_reply_drop(struct kept_reply *k)
{
    outbuf_release(&k->out);
}

void client_unblock_kept(uint64_t client_id, struct kept_reply *k, const struct tape *instead)
{
    struct client *c = client__by_id(client_id);
    if (!c || !(c->flags & CLIENT_BLOCKED)) {
        kept_reply_drop(k);
        return;
    }
    if (instead) {
        struct exec_ctx ctx = {.client = c, .db = c->db, .sink = &c->sink};
        kept_reply_drop(k);
        tape_reply(instead, &ctx);
    } else {
        kept_reply_send(c, k);
    }
    client__unblock(c);
}
