/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See ginfo.h; and in the section gears, what runs. A line of a registration, a requirement or a
 * session has the fields of the command that lists them, with commas between and without nesting:
 *
 *   rg_0000…-1:desc=None,reader=KeysReader,mode=sync,…,lastError=None,regex=a*,…,PD={…}
 *
 * So it is made of that command's own reply, read back from a tape, and what a reader adds to the
 * one is in the other. Under the token, as INFO is.
 */
#include "gears/ginfo.h"

#include "base/num.h"
#include "base/ticks.h"
#include "conf/metric.h"
#include "exec/reply.h"
#include "gears/gcmd.h"
#include "gears/greg_impl.h"

/* ---- texts ---- */

/* What would end a field, or the line, is changed, as RedisGears does with commas. */
static void put_text(struct buf *out, struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == ',') c = '|';
        if (c == '\r' || c == '\n') c = ' ';
        buf_append_char(out, c);
    }
}

/* A value as one field's: of an array its elements, [a|b]. */
static void put_value(struct buf *out, const struct tape *t, size_t *pos)
{
    char text[NUM_DOUBLE_LEN];
    struct tape_node node;
    if (!tape_next(t, pos, &node)) return;
    switch (node.type) {
    case TAPE_INT: buf_printf(out, "%lld", (long long)node.u.i64); break;
    case TAPE_DOUBLE: buf_append(out, text, num_format_double(text, node.u.f64)); break;
    case TAPE_BOOL: buf_append_char(out, node.u.boolean ? '1' : '0'); break;
    case TAPE_NULL:
    case TAPE_NULL_ARRAY: buf_append_cstr(out, "None"); break;
    case TAPE_ARRAY:
    case TAPE_SET:
    case TAPE_PUSH:
    case TAPE_MAP:
        buf_append_char(out, '[');
        if (node.type == TAPE_MAP) node.u.count *= 2;
        for (uint64_t i = 0; i < node.u.count; i++) {
            if (i) buf_append_char(out, '|');
            put_value(out, t, pos);
        }
        buf_append_char(out, ']');
        break;
    default: put_text(out, node.u.bytes);
    }
}

/* ---- a list as lines ---- */

struct field {
    struct view name;
    size_t at; /* of its value on the tape */
};

#define FIELDS_MAX 64

struct fields {
    struct field list[FIELDS_MAX];
    size_t count;
};

static void skip_value(const struct tape *t, size_t *pos)
{
    struct tape_node node;
    for (uint64_t left = 1; left > 0 && tape_next(t, pos, &node);) {
        left--;
        if (node.type == TAPE_ARRAY || node.type == TAPE_SET) left += node.u.count;
        if (node.type == TAPE_MAP) left += node.u.count * 2;
    }
}

static bool nests(struct view name)
{
    return view_eq_cstr(name, "RegistrationData") || view_eq_cstr(name, "args");
}

/* Collects the pairs of the array at *pos, those of the arrays that it nests in their place. */
static void collect(struct fields *f, const struct tape *t, size_t *pos)
{
    struct tape_node node, name;
    if (!tape_next(t, pos, &node)) return;
    for (uint64_t i = 0; i + 1 < node.u.count; i += 2) {
        if (!tape_next(t, pos, &name)) return;
        if (nests(name.u.bytes)) {
            collect(f, t, pos);
            continue;
        }
        if (f->count < FIELDS_MAX) f->list[f->count++] = (struct field){name.u.bytes, *pos};
        skip_value(t, pos);
    }
}

static struct field *find(struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (view_eq_cstr(f->list[i].name, name)) return &f->list[i];
    return NULL;
}

/* Moves a field to the place of one that stands before it, if there are both. */
static void move_before(struct fields *f, const char *name, const char *place)
{
    struct field *from = find(f, name), *to = find(f, place);
    if (!from || !to || from < to) return;
    struct field moved = *from;
    memmove(to + 1, to, (size_t)(from - to) * sizeof(*to));
    *to = moved;
}

static bool is_left_out(struct view name, const char *const *left_out)
{
    for (; *left_out; left_out++)
        if (view_eq_cstr(name, *left_out)) return true;
    return false;
}

/* "rg_<the value of `key`>:name=value,…" of one element of the list. */
static void put_line(struct buf *out, const struct tape *t, size_t *pos, const char *key,
                     const char *const *left_out)
{
    struct fields f = {.count = 0};
    collect(&f, t, pos);
    move_before(&f, "desc", "reader"); /* the order that RedisGears has here */
    move_before(&f, "status", "trimStream");
    const struct field *id = find(&f, key);
    buf_append_cstr(out, "rg_");
    size_t at = id ? id->at : 0;
    if (id) put_value(out, t, &at);
    char between = ':';
    for (size_t i = 0; i < f.count; i++) {
        if (&f.list[i] == id || is_left_out(f.list[i].name, left_out)) continue;
        buf_append_char(out, between);
        put_text(out, f.list[i].name);
        buf_append_char(out, '=');
        at = f.list[i].at;
        put_value(out, t, &at);
        between = ',';
    }
    buf_append_cstr(out, "\r\n");
}

/* The lines of what a command without arguments lists. */
static void put_list(struct buf *out, enum status (*list)(struct exec_ctx *), const char *key,
                     const char *const *left_out)
{
    struct tape tape = {0};
    struct sink sink = {.tape = &tape, .resp = 2};
    struct arg name = arg_of("rg", 2);
    struct exec_ctx ctx = {.argv = &name, .argc = 1, .sink = &sink, .flags = EXEC_FROM_GEARS};
    struct tape_node node;
    size_t pos = 0;
    if (list(&ctx) == STATUS_OK && tape_next(&tape, &pos, &node) && node.type == TAPE_ARRAY)
        for (uint64_t i = 0; i < node.u.count; i++) put_line(out, &tape, &pos, key, left_out);
    tape_release(&tape);
}

/* ---- what runs ---- */

/* More lines than that nobody reads. */
#define RUNNING_MAX 100

struct running {
    struct buf *out;
    size_t count;
};

static void put_running(void *ctx, const struct gexec *e)
{
    struct running *r = ctx;
    struct gmeter *m = (struct gmeter *)(uintptr_t)&e->meter;
    const struct gplan *plan = e->plan;
    char id[GEARS_ID_SIZE];
    bool stuck = e->status == GEXEC_PENDING_TERMINATION;
    if ((e->status != GEXEC_RUNNING && !stuck) || ++r->count > RUNNING_MAX) return;
    grun_format_id(id, e->number);
    buf_printf(r->out,
               "gears_running_%s:session=%s,reader=%s,registered=%d,elapsed_ms=%lld,python_ms=%lld,"
               "token_ms=%llu,read_ms=%lld",
               id, plan->session ? plan->session->id : "None", greader_name(plan->reader),
               e->registered, (long long)gmeter_elapsed_us(m) / 1000,
               (long long)gmeter_python_ns(m) / 1000000,
               (unsigned long long)ticks_to_ns(atomic_load(&m->token_ticks)) / 1000000,
               (long long)atomic_load(&m->read_us) / 1000);
    if (stuck) buf_append_cstr(r->out, ",stuck=1");
    for (size_t i = 0; e->step_records && i <= plan->step_count; i++) {
        size_t step = i ? i - 1 : plan->step_count; /* what was read comes first */
        if (i && (gplan_left_out(plan, step) || plan->steps[step].op == GOP_REDUCE)) continue;
        buf_printf(r->out, "%s%llu", i ? "|" : ",records=",
                   (unsigned long long)atomic_load(&e->step_records[step]));
    }
    buf_append_cstr(r->out, "\r\n");
}

static void put_all_running(struct buf *out)
{
    struct running r = {out, 0};
    grun_each(put_running, &r);
}

/* Registrations whose events wait. */
static void put_all_waiting(struct buf *out)
{
    for (const struct greg *g = greg__first(); g; g = g->next) {
        char id[GEARS_ID_SIZE];
        uint64_t events = gevent_waiting(&g->queue);
        if (!events) continue;
        grun_format_id(id, g->plan->number);
        buf_printf(out, "gears_waiting_%s:session=%s,events=%llu,bytes=%llu,held_clients=%zu\r\n",
                   id, g->plan->session ? g->plan->session->id : "None",
                   (unsigned long long)events, (unsigned long long)gevent_bytes(&g->queue),
                   g->held_count);
    }
}

/* ---- sections ---- */

static void put_registrations(struct buf *out)
{
    static const char *const left_out[] = {"ExecutionThreadPool", NULL};
    put_list(out, cmd_rg_dumpregistrations, "id", left_out);
}

static void put_requirements(struct buf *out)
{
    static const char *const left_out[] = {NULL};
    put_list(out, cmd_rg_pydumpreqs, "Name", left_out);
}

static void put_sessions(struct buf *out)
{
    static const char *const left_out[] = {NULL};
    put_list(out, cmd_rg_pydumpsessions, "ID", left_out);
}

static int64_t executions(void)
{
    return (int64_t)grun_count();
}

static int64_t registrations(void)
{
    return (int64_t)greg_count();
}

static int64_t memory_total(void)
{
    return (int64_t)gpy_memory_total();
}

static int64_t memory_peak(void)
{
    return (int64_t)gpy_memory_peak();
}

static int64_t memory_used(void)
{
    return (int64_t)gpy_memory_used();
}

static const struct metric_row metrics[] = {
    {METRIC_GEARS, "gears_running", METRIC_LINES_FN, .text_fn = put_all_running},
    {METRIC_GEARS, "gears_waiting", METRIC_LINES_FN, .text_fn = put_all_waiting},
    {METRIC_RG, "rg_nexecutions", METRIC_INT_FN, .int_fn = executions},
    {METRIC_RG, "rg_nregistrations", METRIC_INT_FN, .int_fn = registrations},
    {METRIC_RG_REGISTRATIONS, "rg_list", METRIC_LINES_FN, .text_fn = put_registrations},
    {METRIC_RG_PLUGINS, "rg_GearsPythonPlugin", METRIC_TEXT, .text = "version=10000"},
    {METRIC_RG_PYTHON_STATS, "rg_TotalAllocated", METRIC_INT_FN, .int_fn = memory_total},
    {METRIC_RG_PYTHON_STATS, "rg_PeakAllocated", METRIC_INT_FN, .int_fn = memory_peak},
    {METRIC_RG_PYTHON_STATS, "rg_CurrAllocated", METRIC_INT_FN, .int_fn = memory_used},
    {METRIC_RG_PYTHON_REQUIREMENTS, "rg_list", METRIC_LINES_FN, .text_fn = put_requirements},
    {METRIC_RG_PYTHON_SESSIONS, "rg_list", METRIC_LINES_FN, .text_fn = put_sessions},
};

void ginfo_register(void)
{
    metric_register(metrics, ARRAY_COUNT(metrics));
}
