/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.PYPROFILE. The profilers are Python's, so a worker asks them while the client waits.
 */
#include "exec/client.h"
#include "gears/gcmd.h"
#include "gears/gsession.h"

struct profile_job {
    struct gjob job;
    struct gsession *session; /* a reference */
    uint64_t client_id;
    char *order; /* NULL: forget */
};

static void answer(struct gjob *job, const char *failure)
{
    struct profile_job *p = CONTAINER_OF(job, struct profile_job, job);
    struct buf text = {0};
    struct tape reply = {0};
    ASSERT(!failure); /* without Python there's no session */
    bool good = gpy_profile(p->session, p->order, &text);
    if (good && !p->order) tape_bytes(&reply, TAPE_STATUS, "OK", 2);
    else tape_bytes(&reply, good ? TAPE_BULK : TAPE_ERROR, text.ptr, text.len);
    client_unblock_post(p->client_id, &reply);
    buf_release(&text);
    gsession_unref(p->session);
    mem_free(p->order);
    mem_free(p);
}

enum status cmd_rg_pyprofile(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    bool stats = arg_is(&ctx->argv[1], "STATS");
    if (!stats && !arg_is(&ctx->argv[1], "RESET"))
        return gcmd_error(ctx, "Wrong subcommand given to RG.PYPROFILE");
    if (ctx->argc > (stats ? 4 : 3)) return reply_arity(ctx);
    struct gsession *session = gsession_find(arg_view(&ctx->argv[2]));
    if (!session) return gcmd_error(ctx, "session does not exists");
    if (!gcmd_may_block(ctx))
        return gcmd_error(ctx, "Can not run gears inside a multi exec, lua, or when blocking is "
                               "not allowed");
    struct view order = ctx->argc > 3 ? arg_view(&ctx->argv[3]) : VIEW_LIT("tottime");
    struct profile_job *p = mem_zalloc(sizeof(*p));
    p->job.run = answer;
    p->session = gsession_ref(session);
    p->client_id = client_id(ctx->client);
    if (stats) p->order = mem_dup(order.ptr, order.len);
    client_block(ctx, NULL, NULL);
    grun_submit(&p->job);
    return STATUS_BLOCKED;
}
