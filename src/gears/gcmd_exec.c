/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.* commands about executions and registrations. None of them waits on main: what takes its
 * time blocks the client, which is answered when the execution ends.
 */
#include "exec/client.h"
#include "exec/token.h"
#include "gears/gbacklog.h"
#include "gears/gcmd.h"
#include "gears/greg.h"

struct gexec *gcmd_named(struct exec_ctx *ctx, const char *missing)
{
    struct gexec *e = grun_find(arg_view(&ctx->argv[1]));
    if (!e) e = gbacklog_find(arg_view(&ctx->argv[1]));
    if (!e) gcmd_error(ctx, missing);
    return e;
}

static bool is_over(enum gexec_status status)
{
    return status == GEXEC_DONE || status == GEXEC_ABORTED;
}

bool gcmd_is_over(struct gexec *e)
{
    return is_over(grun_status(e));
}

/* ---- RG.GETEXECUTION ---- */

static int64_t shown_ms(const struct gexec *e, int64_t us)
{
    return e->limits.profile ? us / 1000 : 0;
}

static void reply_steps(struct exec_ctx *ctx, const struct gexec *e)
{
    const struct gplan *plan = e->plan;
    reply_array(ctx, plan->step_count);
    for (size_t i = plan->step_count; i-- > 0;) {
        const struct gstep *s = &plan->steps[i];
        const struct gstep_row *row = gstep_row(s->op);
        reply_array(ctx, 8);
        reply_bulk_cstr(ctx, "type");
        reply_bulk_cstr(ctx, gstep_kind_name(row->kind));
        reply_bulk_cstr(ctx, "duration");
        reply_int(ctx, e->step_ns ? atomic_load(&e->step_ns[i]) / 1000000 : 0);
        reply_bulk_cstr(ctx, "name");
        reply_bulk_cstr(ctx, row->name);
        reply_bulk_cstr(ctx, "arg");
        reply_bulk_cstr(ctx, s->arg_text ? s->arg_text : "");
    }
}

static void reply_errors(struct exec_ctx *ctx, const struct gexec *e, bool over)
{
    reply_array(ctx, over ? e->errors.count : 0);
    if (over) tape_reply(&e->errors.tape, ctx);
}

static void reply_execution(struct exec_ctx *ctx, struct gexec *e)
{
    enum gexec_status status = grun_status(e);
    bool over = is_over(status);
    reply_array(ctx, 1);
    reply_array(ctx, 4);
    reply_bulk_cstr(ctx, "shard_id");
    reply_bulk_cstr(ctx, GEARS_SHARD_ID);
    reply_bulk_cstr(ctx, "execution_plan");
    reply_array(ctx, 16);
    reply_bulk_cstr(ctx, "status");
    reply_bulk_cstr(ctx, gexec_status_name(status));
    reply_bulk_cstr(ctx, "shards_received");
    reply_int(ctx, 0);
    reply_bulk_cstr(ctx, "shards_completed");
    reply_int(ctx, 0);
    reply_bulk_cstr(ctx, "results");
    reply_int(ctx, over ? (int64_t)e->results.count : -1);
    reply_bulk_cstr(ctx, "errors");
    reply_errors(ctx, e, over);
    reply_bulk_cstr(ctx, "total_duration");
    reply_int(ctx, over ? shown_ms(e, e->total_us) : 0);
    reply_bulk_cstr(ctx, "read_duration");
    reply_int(ctx, over ? shown_ms(e, atomic_load(&e->meter.read_us)) : 0);
    reply_bulk_cstr(ctx, "steps");
    reply_steps(ctx, e);
}

enum status cmd_rg_getexecution(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    if (ctx->argc > 3) return reply_arity(ctx);
    struct gexec *e = gcmd_named(ctx, GCMD_NO_PLAN);
    if (!e) return STATUS_ERR;
    enum status st = STATUS_OK;
    if (ctx->argc == 3 && arg_is(&ctx->argv[2], "CLUSTER"))
        st = gcmd_error(ctx, "no cluster detected - use `RG.GETEXECUTION <id> [SHARD]` instead");
    else if (ctx->argc == 3 && !arg_is(&ctx->argv[2], "SHARD"))
        st = gcmd_error(ctx, "unknown subcommand");
    else
        reply_execution(ctx, e);
    grun_exec_unref(e);
    return st;
}

/* ---- ending ---- */

enum status cmd_rg_dropexecution(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    struct gexec *e = gcmd_named(ctx, GCMD_NO_PLAN);
    if (!e) return STATUS_ERR;
    enum status st = STATUS_OK;
    if (!gcmd_is_over(e)) {
        st = gcmd_error(ctx, "can not drop a not yet finished execution, abort it first.");
    } else {
        grun_unlist(e);
        reply_ok(ctx);
    }
    grun_exec_unref(e);
    return st;
}

/* Answers when the execution has ended. In busy mode, and where waiting is not allowed, when it
 * has been told to; or, if it was before, and doesn't end, with that. */
enum status cmd_rg_abortexecution(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    struct gexec *e = gcmd_named(ctx, "execution does not exist");
    if (!e) return STATUS_ERR;
    enum status st = STATUS_OK;
    grun_abort(e);
    if (gcmd_is_over(e) || !gcmd_may_block(ctx) || !token_is_mine()) {
        if (grun_status(e) == GEXEC_PENDING_TERMINATION) st = gcmd_error(ctx, GRUN_STUCK_TEXT);
        else reply_ok(ctx);
    } else {
        uint64_t id = client_id(ctx->client);
        client_block(ctx, NULL, NULL);
        st = STATUS_BLOCKED;
        grun_wait_abort(e, id);
    }
    grun_exec_unref(e);
    return st;
}

/* ---- registrations ---- */

enum status cmd_rg_dumpregistrations(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    greg_reply_all(ctx);
    return STATUS_OK;
}

enum status cmd_rg_unregister(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    bool pending_too = ctx->argc > 2 && arg_is(&ctx->argv[2], "abortpending");
    if (greg_remove(arg_view(&ctx->argv[1]), pending_too))
        return gcmd_error(ctx, "execution is not registered");
    reply_ok(ctx);
    return STATUS_OK;
}
