/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers: where an execution's records come from, if not from an event. Each can be left in the
 * middle, when the steps behind it have enough, and goes on from there.
 *
 * The GIL is held, but while the native half of a reader reads.
 */
#include "base/clock.h"
#include "exec/token.h"
#include "gears/py/gpy_run.h"

static void user_is_gone(struct runner *r, const struct exec_user *user)
{
    PyErr_Format(gpy__names.error, "the user '%s', for whom this runs, doesn't exist any more",
                 user->name.ptr);
    gpy__record_error(r);
}

/* A native read, without the GIL: its time is the reader's, not Python's. */
struct native_read {
    int64_t start_us, cpu_ns;
    PyThreadState *state;
    bool visit; /* gpy__data_in */
};

static int64_t thread_cpu_ns(void)
{
    return clock_cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* False: its execution can't touch data any more. */
static bool native_begin(struct runner *r, struct native_read *t)
{
    t->visit = false;
    if (r->me->now.unit && !gpy__data_in(r->me, &t->visit)) {
        PyErr_Clear();
        return false;
    }
    t->start_us = clock_mono_us();
    t->state = gpy__release_gil(r->me);
    t->cpu_ns = atomic_load(&r->me->now.meter->running) ? thread_cpu_ns() : -1;
    return true;
}

static void native_end(struct runner *r, struct native_read *t)
{
    if (t->cpu_ns >= 0)
        atomic_fetch_add(&r->me->now.meter->native_cpu_ns, thread_cpu_ns() - t->cpu_ns);
    gmeter_token(r->me->now.meter, gread_held_ticks());
    gpy__data_out(r->me, t->visit);
    gpy__retake_gil(r->me, t->state);
    atomic_fetch_add(&r->me->now.meter->read_us, clock_mono_us() - t->start_us);
}

static enum status read_batch(struct runner *r, struct gread *g, struct gread_batch *b,
                              uint64_t *count)
{
    const struct gstop *stop = &r->exec->stop;
    struct native_read t;
    if (!native_begin(r, &t)) return STATUS_ABORTED;
    enum status st = b ? gread_next(g, b, stop, token_is_mine())
                       : gread_count_next(g, count, stop, token_is_mine());
    native_end(r, &t);
    if (st == STATUS_NOT_FOUND) user_is_gone(r, g->user);
    return st;
}

/* Reading ends with it, as with any error; what was read goes its way. */
static void too_many_records(struct runner *r)
{
    struct buf text = {0};
    int64_t own = r->exec->limits.own.v[GLIMIT_RECORDS];
    buf_append_cstr(&text, "Limit met: ");
    if (own && (uint64_t)own == r->reader->most)
        glimit_text(GLIMIT_RECORDS, own, &text);
    else
        buf_printf(&text, "the reader gave more than %llu records (gears-max-generated-records)",
                   (unsigned long long)r->reader->most);
    gpy__add_error(r, buf_view(&text));
    buf_release(&text);
}

/* How many records the reader may give. */
static uint64_t records_allowed(const struct gexec *e)
{
    uint64_t own = (uint64_t)e->limits.own.v[GLIMIT_RECORDS];
    if (own) return own;
    if (e->plan->reader != GREADER_PYTHON || !e->limits.max_generated) return UINT64_MAX;
    return e->limits.max_generated;
}

/* A record begins its way; NULL: there is an exception instead. */
static void give_record(struct runner *r, PyObject *take_record)
{
    if (unlikely(!take_record)) {
        gpy__record_error(r);
        return;
    }
    gpy__note_read(r, 1);
    gpy__push(r, 0, take_record);
}

/* As give_record, as long as the reader may give some. */
static void give(struct runner *r, PyObject *take_record)
{
    if (unlikely(r->reader->given++ >= r->reader->most) && take_record) {
        Py_DECREF(take_record);
        too_many_records(r);
        return;
    }
    give_record(r, take_record);
}

/* ---- keys ---- */

/* The first step only counts: no record is made at all. */
static void count_keys(struct runner *r)
{
    struct reading *g = r->reader;
    while (!g->keys.done && gpy__reading(r)) {
        if (read_batch(r, &g->keys, NULL, &r->cells[0].count)) break;
        uint64_t more = r->cells[0].count - g->given;
        gpy__note_read(r, more);
        if (r->exec->step_records) gpy__count(&r->exec->step_records[r->cells[0].step], more);
        g->given = r->cells[0].count;
        if (g->given <= g->most) continue;
        r->cells[0].count = g->given = g->most;
        too_many_records(r);
    }
    r->read = true;
}

static PyObject *make_record(struct runner *r, const struct gread_batch *b, size_t i)
{
    if (r->exec->plan->reader == GREADER_KEYS_ONLY)
        return gpy__text(gread_view(b, b->records[i].key));
    return gpy__record(b, i, r->exec->plan->read_value);
}

/* The last of a batch first. */
static void read_keys(struct runner *r)
{
    struct reading *g = r->reader;
    for (;;) {
        while (g->at > 0 && gpy__reading(r)) give(r, make_record(r, &g->batch, --g->at));
        if (g->at > 0 || !gpy__reading(r)) return;
        if (g->keys.done || read_batch(r, &g->keys, &g->batch, NULL)) break;
        g->at = g->batch.count;
    }
    r->read = true;
}

/* patternGenerator() says what KeysOnlyReader reads: (pattern, noScan). */
static bool generated_pattern(struct runner *r, struct gread *g, PyObject **hold)
{
    PyObject *pair = PyObject_CallNoArgs(r->exec->plan->source);
    PyObject *pattern, *no_scan, *bytes = NULL;
    *hold = pair;
    if (!pair) return false;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0))) {
        PyErr_SetString(gpy__names.error, "patternGenerator must return (pattern, noScan)");
        return false;
    }
    pattern = PyTuple_GET_ITEM(pair, 0);
    no_scan = PyTuple_GET_ITEM(pair, 1);
    if (!gpy__utf8(pattern, &bytes, &g->pattern)) return false;
    if (bytes) Py_SETREF(*hold, bytes); /* the view is of it now */
    int exact = PyObject_IsTrue(no_scan);
    g->exact = exact > 0;
    return exact >= 0;
}

static void read_some_keys(struct runner *r)
{
    struct reading *g = r->reader;
    const struct gplan *plan = r->exec->plan;
    if (!g->begun) {
        g->keys = (struct gread){.pattern = view_of(plan->arg, plan->arg_len),
                                 .user = plan->session ? plan->session->user : NULL,
                                 .exact = plan->no_scan,
                                 .absent_too = plan->no_scan && plan->reader == GREADER_KEYS,
                                 .values = plan->reader == GREADER_KEYS && plan->read_value};
        g->begun = true;
        if (plan->source && !generated_pattern(r, &g->keys, &g->hold)) {
            gpy__record_error(r);
            return;
        }
    }
    if (r->count && r->cells[0].op == GOP_COUNT) count_keys(r);
    else read_keys(r);
}

/* ---- a stream's entries ---- */

/* Runs a native read of a stream without the GIL. */
static enum status read_entries(struct runner *r, struct gread_entries *g, struct gread_batch *b)
{
    struct native_read t;
    if (!native_begin(r, &t)) return STATUS_ABORTED;
    enum status st = gread_entries_next(g, b, &r->exec->stop, token_is_mine());
    native_end(r, &t);
    return st;
}

/* The next batch; false: there is none. */
static bool next_entries(struct runner *r)
{
    struct reading *g = r->reader;
    if (g->entries.done) return false;
    enum status st = read_entries(r, &g->entries, &g->batch);
    if (st == STATUS_TYPE) {
        PyErr_SetString(gpy__names.error, "WRONGTYPE Operation against a key holding the wrong "
                                          "kind of value");
        gpy__record_error(r);
    } else if (st == STATUS_NOT_FOUND) {
        user_is_gone(r, g->entries.user);
    }
    g->at = 0;
    return st == STATUS_OK;
}

static void read_some_entries(struct runner *r)
{
    struct reading *g = r->reader;
    const struct gplan *plan = r->exec->plan;
    if (!g->begun) {
        g->entries = (struct gread_entries){.key = view_of(plan->arg, plan->arg_len),
                                            .user = plan->session ? plan->session->user : NULL,
                                            .after = {plan->from_ms, plan->from_seq}};
        g->begun = true;
    }
    for (;;) {
        while (g->at < g->batch.count && gpy__reading(r))
            give(r, gpy__entry_record(&g->batch, g->at++));
        if (g->at < g->batch.count || !gpy__reading(r)) return;
        if (!next_entries(r)) break;
    }
    r->read = true;
}

/* ---- what a script's function gives ---- */

/* A function that returns a generator gives what that gives; any other is called again and again
 * until it raises. */
static void read_some_given(struct runner *r)
{
    struct reading *g = r->reader;
    while (!r->read && gpy__reading(r)) {
        PyObject *given = g->it ? PyIter_Next(g->it) : PyObject_CallNoArgs(r->exec->plan->source);
        if (!given) {
            r->read = true;
            if (PyErr_Occurred()) gpy__record_error(r);
        } else if (!g->it && PyGen_Check(given)) {
            g->it = given;
        } else {
            give(r, given);
        }
    }
}

/* ---- entries that came as input ---- */

static void read_some_input(struct runner *r)
{
    struct reading *g = r->reader;
    while (g->given < g->entry_count && gpy__reading(r)) {
        r->entry = g->given++;
        *g->given_out = g->given;
        give_record(r, gpy__entry_record(g->input, g->first_entry + r->entry));
        r->entry = NO_ENTRY;
    }
    r->read = g->given == g->entry_count;
}

/* ---- all of them ---- */

struct reading *gpy__reading_new(struct runner *r, const struct gpy_input *input)
{
    if (input && !input->entries) return NULL;
    struct reading *g = mem_zalloc(sizeof(*g));
    if (input) {
        g->input = input->entries;
        g->first_entry = input->first_entry;
        g->entry_count = input->entry_count;
        g->given_out = input->given_entries;
        r->failed_entries = input->failed_entries;
        r->on_errors = input->all_entries;
    } else {
        g->most = records_allowed(r->exec);
    }
    return g;
}

void gpy__read(struct runner *r)
{
    if (r->reader->input) {
        read_some_input(r);
        return;
    }
    switch (r->exec->plan->reader) {
    case GREADER_KEYS:
    case GREADER_KEYS_ONLY: read_some_keys(r); break;
    case GREADER_PYTHON: read_some_given(r); break;
    case GREADER_STREAM: read_some_entries(r); break;
    default:
        give(r, PyUnicode_FromString("1"));
        r->read = true;
    }
}

void gpy__reading_free(struct reading *g)
{
    if (!g) return;
    gread_batch_release(&g->batch);
    Py_XDECREF(g->hold);
    Py_XDECREF(g->it);
    mem_free(g);
}
