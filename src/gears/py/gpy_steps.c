/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running an execution: from the reader through the steps into the results.
 *
 * Records are pushed: each one passes all steps up to the next barrier (accumulate, group)
 * before the following one is read. At the end of the input the barriers are emptied in their
 * order, each into the steps behind it. That is the order in which a chain of steps that pull
 * from each other would call the callbacks, without a call per step and record.
 *
 *   - An exception makes an error of its record; the other records of what was read go on; no
 *     further input is read.
 *   - A limit that is satisfied closes everything before it: nothing is read, spread or emptied
 *     that only it would see (`closed`).
 *   - On one shard collect and repartition have nothing to do, and a plan's steps that exist for
 *     their sake are left out when the cells are made.
 *
 * Everything here runs with the GIL, on one thread.
 */
#include "base/clock.h"
#include "base/ticks.h"
#include "exec/token.h"
#include "gears/py/gpy_core.h"

struct cell {
    enum gstep_op op;
    size_t step;    /* of the plan */
    PyObject *fn;   /* borrowed from the plan */
    PyObject *zero; /* borrowed from the plan */
    PyObject *acc;  /* accumulator, or dict of accumulators by key */
    int64_t a, b;
    uint64_t count; /* records seen (limit), counted (count) */
    int64_t *counts; /* count by key: the dict has indexes into it */
    size_t counts_len, counts_cap;
};

struct runner {
    struct gexec *exec;
    struct gpy_thread *me;
    struct cell *cells;
    size_t count;
    size_t closed;  /* cells below this index get no records any more */
    uint64_t given; /* records of the reader */
    uint64_t most;  /* how many of them may be; UINT64_MAX: any */
};

static inline bool stop_wanted(const struct runner *r)
{
    return atomic_load_explicit(&r->exec->stop.wanted, memory_order_relaxed);
}

/* Whether another record should be read. */
static inline bool reading(const struct runner *r)
{
    return r->closed == 0 && r->exec->errors.count == 0 && !stop_wanted(r);
}

/* ---- errors and results ---- */

/* Each element of a long list may be an error: they are bounded as results are. */
static void add_error(struct runner *r, struct view text)
{
    struct gtally *errors = &r->exec->errors;
    size_t most = r->exec->limits.max_bytes;
    if (most && errors->tape.bytes.len + text.len > most) {
        if (r->closed > r->count) return;
        r->closed = r->count + 1;
        text = r->exec->limits.own.v[GLIMIT_RESULT_BYTES]
                   ? VIEW_LIT("Limit met: its errors take more than gears-max-result-bytes")
                   : VIEW_LIT("the errors are larger than gears-max-memory");
    }
    tape_bytes(&errors->tape, TAPE_BULK, text.ptr, text.len);
    errors->count++;
}

/* The current exception becomes an error record. A stop ends everything with it, and is called
 * off first: formatting runs Python. */
static void record_error(struct runner *r)
{
    struct buf text = {0};
    gpy__limit_say(r->me, &r->exec->stop, &r->exec->limits.own, &text);
    if (stop_wanted(r)) {
        PyObject *type, *value, *trace;
        r->closed = r->count + 1;
        gpy__error_bare_stop();
        PyErr_Fetch(&type, &value, &trace);
        gpy__stop_end(r->me);
        PyErr_Restore(type, value, trace);
    }
    gpy__error_text(r->exec->limits.traceback, &text);
    add_error(r, buf_view(&text));
    buf_release(&text);
}

/* Reading ends with it, as with any error; what was read goes its way. */
static void too_many_records(struct runner *r)
{
    struct buf text = {0};
    int64_t own = r->exec->limits.own.v[GLIMIT_RECORDS];
    buf_append_cstr(&text, "Limit met: ");
    if (own && (uint64_t)own == r->most)
        glimit_text(GLIMIT_RECORDS, own, &text);
    else
        buf_printf(&text, "the reader gave more than %llu records (gears-max-generated-records)",
                   (unsigned long long)r->most);
    add_error(r, buf_view(&text));
    buf_release(&text);
}

/* How many records its reader may give. */
static uint64_t records_allowed(const struct gexec *e)
{
    uint64_t own = (uint64_t)e->limits.own.v[GLIMIT_RECORDS];
    if (own) return own;
    if (e->plan->reader != GREADER_PYTHON || !e->limits.max_generated) return UINT64_MAX;
    return e->limits.max_generated;
}

static void sink(struct runner *r, PyObject *take_record)
{
    struct gtally *results = &r->exec->results;
    struct gpy_form form = gpy__form_of(r->exec);
    if (gpy__to_tape(take_record, &results->tape, &form))
        results->count++;
    else
        record_error(r);
    Py_DECREF(take_record);
}

/* The text of a result, as the last step makes it, without an object for it. */
static bool sink_text(struct runner *r, PyObject *record)
{
    struct gtally *results = &r->exec->results;
    struct buf *text = &r->me->text;
    size_t most = r->exec->limits.max_bytes;
    if (r->exec->plan->native || !r->me->attached) return false;
    buf_clear(text);
    if (!gpy__plain_text(record, text)) return false;
    if (most && results->tape.bytes.len + text->len > most) return false;
    tape_bytes(&results->tape, TAPE_BULK, text->ptr, text->len);
    results->count++;
    return true;
}

/* ---- calls ---- */

static inline PyObject *call1(PyObject *fn, PyObject *a)
{
    PyObject *args[] = {NULL, a};
    return PyObject_Vectorcall(fn, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static inline PyObject *call2(PyObject *fn, PyObject *a, PyObject *b)
{
    PyObject *args[] = {NULL, a, b};
    return PyObject_Vectorcall(fn, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static inline PyObject *call3(PyObject *fn, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *args[] = {NULL, a, b, c};
    return PyObject_Vectorcall(fn, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static PyObject *copy_of_zero(PyObject *zero)
{
    if (PyLong_CheckExact(zero) || PyFloat_CheckExact(zero) || PyUnicode_CheckExact(zero) ||
        zero == Py_None || PyBool_Check(zero))
        return Py_NewRef(zero);
    return call1(gpy__names.deepcopy, zero);
}

/* The accumulator of the fold family as its function gets it: anything false is zero anew. */
static PyObject *folded(PyObject *acc, PyObject *zero)
{
    int truth = acc ? PyObject_IsTrue(acc) : 0;
    if (truth < 0) return NULL;
    return truth ? Py_NewRef(acc) : copy_of_zero(zero);
}

/* Keys are text: a str is itself, anything else its repr. */
static PyObject *key_text(PyObject *take_key)
{
    if (!take_key || PyUnicode_CheckExact(take_key)) return take_key;
    PyObject *text = PyUnicode_Check(take_key) ? PyUnicode_FromObject(take_key)
                                               : PyObject_Repr(take_key);
    Py_DECREF(take_key);
    return text;
}

/* ---- one to one ---- */

/* A new list of the same elements. (PySequence_List of CPython 3.11 loses a reference of a list
 * when memory is out.) */
static PyObject *list_of(PyObject *record)
{
    if (PyList_Check(record)) return PyList_GetSlice(record, 0, PyList_GET_SIZE(record));
    return PySequence_List(record);
}

/* As sorted(): equal elements keep their order, with reverse too. */
static PyObject *sorted(PyObject *record, bool reverse)
{
    PyObject *list = list_of(record);
    if (!list) return NULL;
    if ((reverse && PyList_Reverse(list)) || PyList_Sort(list) || (reverse && PyList_Reverse(list)))
        Py_CLEAR(list);
    return list;
}

static PyObject *mapped(const struct cell *c, PyObject *record)
{
    switch (c->op) {
    case GOP_STR: return PyUnicode_CheckExact(record) ? Py_NewRef(record) : PyObject_Str(record);
    case GOP_SORTED: return sorted(record, c->a);
    case GOP_LIST_OF: return list_of(record);
    default: return call1(c->fn, record);
    }
}

/* 1 keeps the record, 0 drops it, -1 is an exception. */
static int kept(const struct cell *c, PyObject *record)
{
    PyObject *answer = call1(c->fn, record);
    if (!answer) return -1;
    int truth = c->op == GOP_FOREACH ? 1 : PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return truth;
}

/* As kept, for a limit; the last record that it passes closes what is before it. */
static bool limit_passes(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    uint64_t place = c->count++;
    if (place < (uint64_t)c->a || place - (uint64_t)c->a >= (uint64_t)c->b) return false;
    if (place - (uint64_t)c->a + 1 == (uint64_t)c->b) r->closed = MAX(r->closed, i + 1);
    return true;
}

/* ---- many to one ---- */

static bool set_acc(PyObject **acc, PyObject *take_value)
{
    if (!take_value) return false;
    Py_XSETREF(*acc, take_value);
    return true;
}

static bool fold(struct cell *c, PyObject *record)
{
    PyObject *before = folded(c->acc, c->zero);
    if (!before) return false;
    bool done = set_acc(&c->acc, call2(c->fn, before, record));
    Py_DECREF(before);
    return done;
}

static bool join(struct cell *c, PyObject *record)
{
    if (!c->acc) return set_acc(&c->acc, Py_NewRef(record));
    if (c->op == GOP_SUM) return set_acc(&c->acc, PyNumber_Add(c->acc, record));
    if (c->op == GOP_EXTEND) {
        Py_ssize_t end = PyList_GET_SIZE(c->acc);
        return PyList_SetSlice(c->acc, end, end, record) == 0;
    }
    PyObject *done = PyObject_CallMethod(c->acc, "update", "O", record);
    Py_XDECREF(done);
    return done != NULL;
}

static bool accumulate(struct cell *c, PyObject *record)
{
    switch (c->op) {
    case GOP_COUNT: c->count++; return true;
    case GOP_FOLD: return fold(c, record);
    case GOP_APPEND:
        return (c->acc || (c->acc = PyList_New(0))) && PyList_Append(c->acc, record) == 0;
    case GOP_ADD: return (c->acc || (c->acc = PySet_New(NULL))) && PySet_Add(c->acc, record) == 0;
    case GOP_SUM:
    case GOP_EXTEND:
    case GOP_UNION: return join(c, record);
    default: return set_acc(&c->acc, call2(c->fn, c->acc ? c->acc : Py_None, record));
    }
}

/* ---- by key: the dict is ours alone, and its keys are plain str ---- */

static bool count_key(struct cell *c, PyObject *key)
{
    PyObject *index = PyDict_GetItemWithError(c->acc, key);
    if (likely(index != NULL)) {
        c->counts[PyLong_AsSsize_t(index)]++;
        return true;
    }
    if (PyErr_Occurred()) return false;
    if (c->counts_len == c->counts_cap) {
        c->counts_cap = c->counts_cap ? c->counts_cap * 2 : 256;
        c->counts = mem_realloc(c->counts, sizeof(*c->counts) * c->counts_cap);
    }
    index = PyLong_FromSize_t(c->counts_len);
    bool done = index && PyDict_SetItem(c->acc, key, index) == 0;
    if (done) c->counts[c->counts_len++] = 1;
    Py_XDECREF(index);
    return done;
}

static bool group_key(struct cell *c, PyObject *key, PyObject *record)
{
    PyObject *list = PyDict_GetItemWithError(c->acc, key);
    if (list) return PyList_Append(list, record) == 0;
    if (PyErr_Occurred() || !(list = PyList_New(0))) return false;
    bool done = PyList_Append(list, record) == 0 && PyDict_SetItem(c->acc, key, list) == 0;
    Py_DECREF(list);
    return done;
}

/* The value of {'key': …, 'value': …}. */
static PyObject *value_of(PyObject *record)
{
    return PyObject_GetItem(record, gpy__names.value);
}

static PyObject *merged(struct cell *c, PyObject *key, PyObject *before, PyObject *record)
{
    PyObject *part = c->op == GOP_MERGE_BY_KEY ? value_of(record) : Py_NewRef(record);
    PyObject *acc = part ? folded(before, c->zero) : NULL;
    PyObject *after = acc ? call3(c->fn, key, acc, part) : NULL;
    Py_XDECREF(part);
    Py_XDECREF(acc);
    return after;
}

static bool accumulate_key(struct cell *c, PyObject *key, PyObject *record)
{
    if (c->op == GOP_COUNT_BY_KEY) return count_key(c, key);
    if (c->op == GOP_GROUP) return group_key(c, key, record);
    PyObject *before = PyDict_GetItemWithError(c->acc, key);
    if (!before && PyErr_Occurred()) return false;
    Py_XINCREF(before);
    PyObject *after = c->op == GOP_ACCUMULATE_BY_KEY
                          ? call3(c->fn, key, before ? before : Py_None, record)
                          : merged(c, key, before, record);
    Py_XDECREF(before);
    bool done = after && PyDict_SetItem(c->acc, key, after) == 0;
    Py_XDECREF(after);
    return done;
}

static PyObject *extracted(const struct cell *c, PyObject *record)
{
    switch (c->op) {
    case GOP_EXTRACT_SELF: return key_text(Py_NewRef(record));
    case GOP_EXTRACT_KEY: return key_text(PyObject_GetItem(record, gpy__names.key));
    default: return key_text(call1(c->fn, record));
    }
}

/* ---- a record's way ---- */

static void push(struct runner *r, size_t i, PyObject *take_record);

/* Last element first. The list is the script's: it may change while its elements are on their
 * way. */
static void spread(struct runner *r, size_t i, PyObject *list)
{
    for (Py_ssize_t at = PyList_GET_SIZE(list); at-- > 0;) {
        if (i < r->closed || stop_wanted(r)) return;
        if (at >= PyList_GET_SIZE(list)) continue;
        push(r, i, Py_NewRef(PyList_GET_ITEM(list, at)));
    }
}

enum fate { FATE_PASS, FATE_END, FATE_ERROR };

/* One step: may replace *record and *key. FATE_END: the record has arrived, or was dropped. */
static inline enum fate step(struct runner *r, size_t i, PyObject **record, PyObject **key)
{
    struct cell *c = &r->cells[i];
    PyObject *result;
    int keep;
    switch (c->op) {
    case GOP_MAP:
    case GOP_FLATMAP_FN:
    case GOP_STR:
    case GOP_SORTED:
    case GOP_LIST_OF:
        if (!(result = mapped(c, *record))) return FATE_ERROR;
        Py_SETREF(*record, result);
        return FATE_PASS;
    case GOP_FLATMAP:
        if (!PyList_Check(*record)) return FATE_PASS;
        spread(r, i + 1, *record);
        return FATE_END;
    case GOP_FILTER:
    case GOP_FOREACH:
        keep = kept(c, *record);
        return keep < 0 ? FATE_ERROR : keep ? FATE_PASS : FATE_END;
    case GOP_LIMIT: return limit_passes(r, i) ? FATE_PASS : FATE_END;
    case GOP_EXTRACT:
    case GOP_EXTRACT_SELF:
    case GOP_EXTRACT_KEY:
        if (!(result = extracted(c, *record))) return FATE_ERROR;
        Py_XSETREF(*key, result);
        return FATE_PASS;
    case GOP_VALUE: return FATE_PASS;
    case GOP_GROUP:
    case GOP_ACCUMULATE_BY_KEY:
    case GOP_FOLD_BY_KEY:
    case GOP_MERGE_BY_KEY:
    case GOP_COUNT_BY_KEY: return accumulate_key(c, *key, *record) ? FATE_END : FATE_ERROR;
    default: return accumulate(c, *record) ? FATE_END : FATE_ERROR;
    }
}

static inline enum fate timed_step(struct runner *r, size_t i, PyObject **record, PyObject **key)
{
    int64_t start = clock_mono_ns();
    enum fate fate = step(r, i, record, key);
    r->exec->step_ns[r->cells[i].step] += clock_mono_ns() - start;
    return fate;
}

/* This thread alone counts. */
static inline void count_one(_Atomic uint64_t *n, uint64_t more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static void push(struct runner *r, size_t i, PyObject *take_record)
{
    PyObject *record = take_record, *key = NULL;
    enum fate fate = FATE_PASS;
    bool timed = r->exec->step_ns != NULL;
    _Atomic uint64_t *counts = r->exec->step_records;
    for (; i < r->count && fate == FATE_PASS; i++) {
        if (counts) count_one(&counts[r->cells[i].step], 1);
        if (i + 1 == r->count && r->cells[i].op == GOP_STR && !timed && sink_text(r, record)) {
            fate = FATE_END;
            break;
        }
        fate = unlikely(timed) ? timed_step(r, i, &record, &key) : step(r, i, &record, &key);
    }
    if (fate == FATE_PASS) {
        Py_XDECREF(key);
        sink(r, record);
        return;
    }
    if (fate == FATE_ERROR) record_error(r);
    Py_DECREF(record);
    Py_XDECREF(key);
}

/* ---- emptying barriers ---- */

static PyObject *group_record(PyObject *key, PyObject *value)
{
    PyObject *dict = PyDict_Copy(gpy__names.one_group);
    if (dict && (PyDict_SetItem(dict, gpy__names.key, key) ||
                 PyDict_SetItem(dict, gpy__names.value, value)))
        Py_CLEAR(dict);
    return dict;
}

/* What comes out for one key; NULL with an exception. */
static PyObject *key_result(struct cell *c, PyObject *key)
{
    PyObject *value, *held = PyDict_GetItemWithError(c->acc, key);
    if (!held) return NULL;
    if (c->op == GOP_COUNT_BY_KEY)
        value = PyLong_FromLongLong(c->counts[PyLong_AsSsize_t(held)]);
    else if (c->op == GOP_GROUP)
        value = call2(c->fn, key, held);
    else
        value = Py_NewRef(held);
    PyObject *record = value ? group_record(key, value) : NULL;
    Py_XDECREF(value);
    return record;
}

/* Last key first, as users have seen it. */
static void empty_keys(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    PyObject *keys = PyDict_Keys(c->acc);
    if (!keys) {
        record_error(r);
        return;
    }
    for (Py_ssize_t at = PyList_GET_SIZE(keys); at-- > 0;) {
        if (i + 1 < r->closed || stop_wanted(r)) break;
        PyObject *record = key_result(c, PyList_GET_ITEM(keys, at));
        if (record)
            push(r, i + 1, record);
        else
            record_error(r);
    }
    Py_DECREF(keys);
    Py_CLEAR(c->acc);
}

static void empty_one(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    PyObject *record = c->acc;
    if (c->op == GOP_COUNT && c->count) {
        record = PyLong_FromUnsignedLongLong(c->count);
        if (!record) record_error(r);
    }
    c->acc = NULL;
    if (!record) return;
    if (i + 1 < r->closed)
        Py_DECREF(record);
    else
        push(r, i + 1, record);
}

static void empty_barriers(struct runner *r)
{
    for (size_t i = 0; i < r->count && !stop_wanted(r); i++) {
        switch (r->cells[i].op) {
        case GOP_GROUP:
        case GOP_ACCUMULATE_BY_KEY:
        case GOP_FOLD_BY_KEY:
        case GOP_MERGE_BY_KEY:
        case GOP_COUNT_BY_KEY: empty_keys(r, i); break;
        case GOP_ACCUMULATE:
        case GOP_FOLD:
        case GOP_COUNT:
        case GOP_SUM:
        case GOP_APPEND:
        case GOP_EXTEND:
        case GOP_ADD:
        case GOP_UNION: empty_one(r, i); break;
        default: break;
        }
    }
}

/* ---- making cells of a plan's steps ---- */

static bool by_key(enum gstep_op op)
{
    return op == GOP_GROUP || op == GOP_ACCUMULATE_BY_KEY || op == GOP_FOLD_BY_KEY ||
           op == GOP_MERGE_BY_KEY || op == GOP_COUNT_BY_KEY;
}

static bool make_cells(struct runner *r)
{
    const struct gplan *plan = r->exec->plan;
    r->cells = mem_zalloc(sizeof(*r->cells) * (plan->step_count + 1));
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct gstep *s = &plan->steps[i];
        if (s->op == GOP_REDUCE) {
            r->cells[r->count - 1].fn = s->callable; /* of the group before it */
            continue;
        }
        if (gplan_left_out(plan, i)) continue;
        struct cell *c = &r->cells[r->count++];
        *c = (struct cell){.op = s->op, .step = i, .a = s->a, .b = s->b, .fn = s->callable};
        if (s->op == GOP_FOLD || s->op == GOP_FOLD_BY_KEY || s->op == GOP_MERGE_BY_KEY) {
            c->fn = PyTuple_GET_ITEM((PyObject *)s->callable, 0);
            c->zero = PyTuple_GET_ITEM((PyObject *)s->callable, 1);
        }
        if (by_key(s->op) && !(c->acc = PyDict_New())) return false;
        if (s->op == GOP_LIMIT && s->b == 0) r->closed = r->count;
    }
    return true;
}

static void free_cells(struct runner *r)
{
    for (size_t i = 0; i < r->count; i++) {
        Py_XDECREF(r->cells[i].acc);
        mem_free(r->cells[i].counts);
    }
    mem_free(r->cells);
}

/* ---- readers ---- */

static void user_is_gone(struct runner *r, const struct exec_user *user)
{
    PyErr_Format(gpy__names.error, "the user '%s', for whom this runs, doesn't exist any more",
                 user->name.ptr);
    record_error(r);
}

/* A native read, without the GIL: its time is the reader's, not Python's. */
struct native_read {
    int64_t start_us, cpu_ns;
    PyThreadState *state;
};

static int64_t thread_cpu_ns(void)
{
    return clock_cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void native_begin(struct runner *r, struct native_read *t)
{
    t->start_us = clock_mono_us();
    t->state = gpy__release_gil(r->me);
    t->cpu_ns = atomic_load(&r->me->meter->running) ? thread_cpu_ns() : -1;
}

static void native_end(struct runner *r, struct native_read *t)
{
    if (t->cpu_ns >= 0)
        atomic_fetch_add(&r->me->meter->native_cpu_ns, thread_cpu_ns() - t->cpu_ns);
    gmeter_token(r->me->meter, gread_held_ticks());
    gpy__retake_gil(r->me, t->state);
    atomic_fetch_add(&r->me->meter->read_us, clock_mono_us() - t->start_us);
}

static enum status read_batch(struct runner *r, struct gread *g, struct gread_batch *b,
                              uint64_t *count)
{
    const struct gstop *stop = &r->exec->stop;
    struct native_read t;
    native_begin(r, &t);
    enum status st = b ? gread_next(g, b, stop, token_is_mine())
                       : gread_count_next(g, count, stop, token_is_mine());
    native_end(r, &t);
    if (st == STATUS_NOT_FOUND) user_is_gone(r, g->user);
    return st;
}

static void note_read(struct runner *r, uint64_t more)
{
    const struct gexec *e = r->exec;
    if (e->step_records) count_one(&e->step_records[e->plan->step_count], more);
}

/* A record of the reader's begins its way; NULL: there is an exception instead. */
static void give(struct runner *r, PyObject *take_record)
{
    if (unlikely(!take_record)) {
        record_error(r);
        return;
    }
    if (unlikely(r->given++ >= r->most)) {
        Py_DECREF(take_record);
        too_many_records(r);
        return;
    }
    note_read(r, 1);
    push(r, 0, take_record);
}

/* The first step only counts: no record is made at all. */
static void count_keys(struct runner *r, struct gread *g)
{
    while (!g->done && reading(r)) {
        if (read_batch(r, g, NULL, &r->cells[0].count)) return;
        note_read(r, r->cells[0].count - r->given);
        if (r->exec->step_records)
            count_one(&r->exec->step_records[r->cells[0].step], r->cells[0].count - r->given);
        r->given = r->cells[0].count;
        if (r->given <= r->most) continue;
        r->cells[0].count = r->given = r->most;
        too_many_records(r);
    }
}

static PyObject *make_record(struct runner *r, const struct gread_batch *b, size_t i)
{
    if (r->exec->plan->reader == GREADER_KEYS_ONLY)
        return gpy__text(gread_view(b, b->records[i].key));
    return gpy__record(b, i, r->exec->plan->read_value);
}

static void read_keys(struct runner *r, struct gread *g)
{
    if (r->count && r->cells[0].op == GOP_COUNT) {
        count_keys(r, g);
        return;
    }
    struct gread_batch b = {0};
    while (!g->done && reading(r)) {
        if (read_batch(r, g, &b, NULL)) break;
        for (size_t i = b.count; i-- > 0 && reading(r);) give(r, make_record(r, &b, i));
    }
    gread_batch_release(&b);
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

static void run_keys_reader(struct runner *r)
{
    const struct gplan *plan = r->exec->plan;
    struct gread g = {.pattern = view_of(plan->arg, plan->arg_len),
                      .user = plan->session ? plan->session->user : NULL,
                      .exact = plan->no_scan,
                      .absent_too = plan->no_scan && plan->reader == GREADER_KEYS,
                      .values = plan->reader == GREADER_KEYS && plan->read_value};
    PyObject *hold = NULL;
    if (plan->source && !generated_pattern(r, &g, &hold))
        record_error(r);
    else
        read_keys(r, &g);
    Py_XDECREF(hold);
}

/* Runs a native read of a stream without the GIL. */
static enum status read_entries(struct runner *r, struct gread_entries *g, struct gread_batch *b)
{
    struct native_read t;
    native_begin(r, &t);
    enum status st = gread_entries_next(g, b, &r->exec->stop, token_is_mine());
    native_end(r, &t);
    return st;
}

static void run_stream_reader(struct runner *r)
{
    const struct gplan *plan = r->exec->plan;
    struct gread_entries g = {.key = view_of(plan->arg, plan->arg_len),
                              .user = plan->session ? plan->session->user : NULL,
                              .after = {plan->from_ms, plan->from_seq}};
    struct gread_batch b = {0};
    while (!g.done && reading(r)) {
        enum status st = read_entries(r, &g, &b);
        if (st == STATUS_TYPE) {
            PyErr_SetString(gpy__names.error, "WRONGTYPE Operation against a key holding the wrong "
                                              "kind of value");
            record_error(r);
        } else if (st == STATUS_NOT_FOUND) {
            user_is_gone(r, g.user);
        }
        if (st) break;
        for (size_t i = 0; i < b.count && reading(r); i++) give(r, gpy__entry_record(&b, i));
    }
    gread_batch_release(&b);
}

/* A function that returns a generator gives what that gives; any other is called again and again
 * until it raises. */
static void run_python_reader(struct runner *r)
{
    PyObject *fn = r->exec->plan->source, *given;
    bool generator = false;
    do {
        given = PyObject_CallNoArgs(fn);
        if (!given) break;
        generator = PyGen_Check(given);
        if (!generator) give(r, given);
    } while (!generator && reading(r));
    if (generator) {
        PyObject *it = given;
        while (reading(r) && (given = PyIter_Next(it))) give(r, given);
        if (PyErr_Occurred()) record_error(r);
        Py_DECREF(it);
    }
    if (PyErr_Occurred()) record_error(r);
}

static void run_reader(struct runner *r)
{
    switch (r->exec->plan->reader) {
    case GREADER_KEYS:
    case GREADER_KEYS_ONLY: run_keys_reader(r); break;
    case GREADER_PYTHON: run_python_reader(r); break;
    case GREADER_STREAM: run_stream_reader(r); break;
    default: push(r, 0, PyUnicode_FromString("1"));
    }
}

/* The entries of a batch, which are all there: behind an error others may be wanted still. */
static void push_entries(struct runner *r, const struct gpy_input *input)
{
    for (size_t i = 0; i < input->entry_count && r->closed == 0 && !stop_wanted(r); i++) {
        uint64_t errors = r->exec->errors.count;
        if (errors && !input->all_entries) return;
        PyObject *record = gpy__entry_record(input->entries, input->first_entry + i);
        if (record)
            push(r, 0, record);
        else
            record_error(r);
        if (r->exec->errors.count != errors) input->failed_entries[i] = 1;
    }
}

/* ---- the whole ---- */

static void run(struct runner *r, const struct gpy_input *input)
{
    if (!make_cells(r)) {
        record_error(r);
        return;
    }
    if (input && input->entries) {
        push_entries(r, input);
    } else if (input) {
        PyObject *record = gpy__event_record(input);
        note_read(r, 1);
        if (record)
            push(r, 0, record);
        else
            record_error(r);
    } else if (reading(r)) {
        run_reader(r);
    }
    empty_barriers(r);
    if (stop_wanted(r) && r->exec->errors.count == 0) {
        PyErr_SetNone(gpy__names.force_stopped);
        record_error(r);
    }
}

bool gpy_run_exec(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth)
{
    struct gpy_thread *me = gpy__me();
    struct gpy_thread outer = *me; /* an event inside of a script's command: restored below */
    bool had_gil = me->has_gil;
    struct gpy_limited before;
    struct gpy_profiled profiled;
    if (!had_gil) gpy__enter(me);
    gpy__stop_begin(me, &e->stop);
    gpy__limit_begin(me, &before, &e->limits.own, &e->meter,
                     !e->registered || e->limits.profile);
    me->script = NULL;
    me->session = e->plan->session;
    me->exec = e;
    me->in_atomic = false;
    if (unit) me->unit = unit;
    me->depth = depth;
    me->origin = input ? input->origin : NULL;
    me->answers_event = e->registered;

    uint64_t held_since = unit ? ticks_now() : 0;
    struct runner r = {.exec = e, .me = me, .most = records_allowed(e)};
    gpy__profile_begin(me, e->limits.profile ? me->session : NULL, &profiled);
    run(&r, input);
    gpy__profile_end(me, &profiled);
    free_cells(&r);

    gpy__atomic_abandon(me);
    me->in_atomic = outer.in_atomic;
    if (unit) gmeter_token(&e->meter, ticks_now() - held_since);
    gpy__limit_end(me, &before);
    gpy__stop_end(me);
    gpy__stop_resume(me, outer.stop, outer.stop_since_us);
    gpy__profile_resume(me, &profiled);
    me->script = outer.script;
    me->session = outer.session;
    me->exec = outer.exec;
    me->unit = outer.unit;
    me->depth = outer.depth;
    me->origin = outer.origin;
    me->answers_event = outer.answers_event;
    if (!had_gil) gpy__leave(me);
    return true;
}

bool gpy_resume_exec(struct gexec *e)
{
    UNUSED(e);
    ASSERT(!"nothing is paused yet");
    return true;
}
