/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What people see of executions: RG.DUMPEXECUTIONS, in RedisGears' shape and, VERBOSE, with what
 * each has used so far. It is answered in busy mode too, when it is wanted most, so it asks for no
 * more than the mutexes of the list and of what waits; they are copied under these and replied from
 * the copy.
 */
#include "base/ticks.h"
#include "gears/gbacklog.h"
#include "gears/gcmd.h"

struct dump {
    struct tape tape;
    size_t count;
    bool verbose;
};

static void put_text(struct tape *t, const char *text)
{
    tape_bytes(t, TAPE_BULK, text, strlen(text));
}

static void put_pair(struct tape *t, const char *name, int64_t n)
{
    put_text(t, name);
    tape_int(t, n);
}

/* How many records reached each step that is run here, first step first. */
static void put_steps(struct tape *t, const struct gexec *e)
{
    const struct gplan *plan = e->plan;
    size_t head = tape_aggregate(t, TAPE_ARRAY, 0), count = 0;
    for (size_t i = 0; e->step_records && i < plan->step_count; i++) {
        const struct gstep_row *row = gstep_row(plan->steps[i].op);
        if (gplan_left_out(plan, i) || plan->steps[i].op == GOP_REDUCE) continue;
        tape_aggregate(t, TAPE_ARRAY, 3);
        put_text(t, gstep_kind_name(row->kind));
        put_text(t, row->name);
        tape_int(t, (int64_t)atomic_load(&e->step_records[i]));
        count++;
    }
    tape_patch(t, head, TAPE_ARRAY, count);
}

static void put_use(struct tape *t, const struct gexec *e)
{
    struct gmeter *m = (struct gmeter *)(uintptr_t)&e->meter;
    uint64_t token_ns = ticks_to_ns(atomic_load(&m->token_ticks));
    const struct gplan *plan = e->plan;
    put_text(t, "session");
    if (plan->session) put_text(t, plan->session->id);
    else tape_plain(t, TAPE_NULL);
    put_text(t, "reader");
    put_text(t, greader_name(plan->reader));
    put_pair(t, "elapsedMS", gmeter_elapsed_us(m) / 1000);
    put_pair(t, "pythonMS", gmeter_python_ns(m) / 1000000);
    put_pair(t, "tokenMS", (int64_t)(token_ns / 1000000));
    put_pair(t, "readMS", atomic_load(&m->read_us) / 1000);
    put_pair(t, "recordsRead",
             e->step_records ? (int64_t)atomic_load(&e->step_records[plan->step_count]) : -1);
    put_text(t, "steps");
    put_steps(t, e);
}

static void put_execution(void *ctx, const struct gexec *e)
{
    struct dump *d = ctx;
    char id[GEARS_ID_SIZE];
    grun_format_id(id, e->number);
    tape_aggregate(&d->tape, TAPE_ARRAY, d->verbose ? 22 : 6);
    put_text(&d->tape, "executionId");
    put_text(&d->tape, id);
    put_text(&d->tape, "status");
    put_text(&d->tape, gexec_status_name(e->status));
    put_pair(&d->tape, "registered", e->registered);
    if (d->verbose) put_use(&d->tape, e);
    d->count++;
}

enum status cmd_rg_dumpexecutions(struct exec_ctx *ctx)
{
    struct dump d = {.verbose = ctx->argc == 2};
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    if (ctx->argc > 2) return reply_arity(ctx);
    if (d.verbose && !arg_is(&ctx->argv[1], "VERBOSE")) return reply_syntax_error(ctx);
    gbacklog_each(put_execution, &d); /* first: one that begins meanwhile isn't missed */
    grun_each(put_execution, &d);
    reply_array(ctx, d.count);
    tape_reply(&d.tape, ctx);
    tape_release(&d.tape);
    return STATUS_OK;
}
