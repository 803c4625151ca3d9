/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans for people; see gexplain.h. Names of steps are those of RG.GETEXECUTION, their order that
 * in which records pass them.
 */
#include "gears/gexplain.h"

#include "base/num.h"

static void put_text(struct tape *t, const char *text)
{
    tape_bytes(t, TAPE_BULK, text, strlen(text));
}

static void put_text_or_null(struct tape *t, const char *ptr, size_t len)
{
    if (ptr) tape_bytes(t, TAPE_BULK, ptr, len);
    else tape_plain(t, TAPE_NULL);
}

static void put_flag(struct tape *t, const char *name, bool b)
{
    put_text(t, name);
    tape_bool(t, b);
}

/* A step whose function the script gave runs it; of the others nothing is Python's but the types
 * of its records. */
static void put_step(struct tape *t, const struct gplan *plan, size_t i)
{
    const struct gstep *s = &plan->steps[i];
    const struct gstep_row *row = gstep_row(s->op);
    tape_aggregate(t, TAPE_MAP, 6);
    put_text(t, "type");
    put_text(t, gstep_kind_name(row->kind));
    put_text(t, "name");
    put_text(t, row->name);
    put_text(t, "arg");
    put_text(t, s->arg_text ? s->arg_text : "");
    put_flag(t, "native", !s->callable);
    put_flag(t, "crossesShards", s->op == GOP_REPARTITION || s->op == GOP_COLLECT);
    put_flag(t, "runsHere", !gplan_left_out(plan, i) || s->op == GOP_TO_PY);
}

/* The first step counts, and no record is made for it. */
static bool only_counts(const struct gplan *plan)
{
    return (plan->reader == GREADER_KEYS || plan->reader == GREADER_KEYS_ONLY) &&
           plan->step_count > 1 && plan->steps[1].op == GOP_COUNT;
}

static void put_reader(struct tape *t, const struct gplan *plan)
{
    put_text(t, "reader");
    put_text(t, greader_name(plan->reader));
    put_flag(t, "nativeReader", plan->reader != GREADER_PYTHON && !plan->source);
    put_flag(t, "makesRecords", !only_counts(plan));
}

static void put_limits(struct tape *t, const struct gplan *plan)
{
    size_t head, count = 0;
    put_text(t, "limits");
    head = tape_aggregate(t, TAPE_MAP, 0);
    for (int i = 0; plan->limits && i < GLIMIT_COUNT; i++) {
        if (plan->limits->v[i] == GLIMIT_UNSET) continue;
        put_text(t, glimit_word((enum glimit)i));
        tape_int(t, plan->limits->v[i]);
        count++;
    }
    tape_patch(t, head, TAPE_MAP, count);
}

/* What it is registered for: a name, a command, a prefix, a time. */
static void put_event(struct tape *t, const struct greg_request *r)
{
    const struct gtime_spec *time = r->time;
    char every[NUM_I64_LEN];
    if (r->trigger)
        put_text_or_null(t, r->trigger, r->trigger_len);
    else if (r->hook.name)
        put_text_or_null(t, r->hook.name, r->hook.name_len);
    else if (time && time->every_ms)
        put_text_or_null(t, every, num_format_i64(every, time->every_ms));
    else if (time)
        put_text(t, time->text);
    else
        put_text_or_null(t, r->prefix, r->prefix_len);
}

/* `request` NULL: a run. */
static void put_plan(struct tape *t, const struct gplan *plan, const struct greg_request *request)
{
    tape_aggregate(t, TAPE_MAP, 9);
    put_text(t, "plan");
    put_text(t, request ? "register" : "run");
    put_reader(t, plan);
    put_text(t, "arg");
    if (request) put_event(t, request);
    else put_text_or_null(t, plan->arg, plan->arg_len);
    put_text(t, "mode");
    put_text(t, gmode_name(plan->mode));
    put_text(t, "desc");
    put_text_or_null(t, plan->desc, plan->desc ? strlen(plan->desc) : 0);
    put_limits(t, plan);
    put_text(t, "steps");
    tape_aggregate(t, TAPE_ARRAY, plan->step_count);
    for (size_t i = 0; i < plan->step_count; i++) put_step(t, plan, i);
}

void gexplain_reply(const struct gscript *s, struct tape *out)
{
    size_t count = s->exec != NULL;
    for (const struct greg_request *r = s->requests; r; r = r->next) count++;
    tape_aggregate(out, TAPE_ARRAY, count);
    for (const struct greg_request *r = s->requests; r; r = r->next) put_plan(out, r->plan, r);
    if (s->exec) put_plan(out, s->exec->plan, NULL);
}
