/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records that wait at a step: its callback returned a future of gearsFuture(), or a coroutine,
 * for which the engine makes such a future itself.
 *
 * A held record and its future are two things. The runner has the record; scripts have the future,
 * and only they: when the last of them lets it go, nobody is left who could answer, and the record
 * becomes an error.
 *
 *   MADE --callback returns it--> WAITS --answer, or end of the future--> ANSWERED --runner--> gone
 *     |                            |
 *     +--returns anything else-----+--execution ends------------------> gone (the future is OVER)
 *
 * Another thread may answer before the callback has returned the future: that is kept until it
 * has. The callback's own thread is told that this can't be.
 *
 * Guard of everything: the GIL.
 */
#include "gears/py/gpy_run.h"

enum held_state { HELD_MADE, HELD_WAITS, HELD_ANSWERED };

struct future;

struct held {
    struct held *prev, *next; /* of the cell's that wait, or of its queue (next) */
    struct runner *runner;
    size_t cell, entry;
    enum held_state state;
    unsigned long maker; /* the thread whose callback made it */
    bool early;          /* the answer came before the callback returned */
    bool failed;
    PyObject *value;  /* the answer, or the text of the failure */
    PyObject *record; /* NULL: the step doesn't need it */
    PyObject *key;
    struct future *future; /* NULL: it is gone */
};

/* What a future is good for. */
enum future_use {
    FUTURE_OPEN,     /* its record waits for an answer */
    FUTURE_ANSWERED,
    FUTURE_DROPPED,  /* the callback didn't return it */
    FUTURE_OVER      /* the execution has ended without it */
};

struct future {
    PyObject_HEAD
    struct held *held; /* while OPEN */
    enum future_use use;
    PyObject *task;    /* of a coroutine's: a weak reference to who will answer; else NULL */
};

/* ---- held records ---- */

static struct cell *cell_of(const struct held *h)
{
    return &h->runner->cells[h->cell];
}

static void unlink_waiting(struct held *h)
{
    if (h->prev) h->prev->next = h->next;
    else cell_of(h)->waiting = h->next;
    if (h->next) h->next->prev = h->prev;
    h->prev = h->next = NULL;
}

/* Who would answer a record that nobody waits for any more is cancelled. */
static void add_orphan(struct runner *r, PyObject *reference)
{
    PyObject *task = PyWeakref_GetObject(reference);
    if (task == Py_None) return;
    if (!r->orphans && !(r->orphans = PyList_New(0))) PyErr_Clear();
    if (r->orphans && PyList_Append(r->orphans, task)) PyErr_Clear();
}

static void cancel_orphans(struct runner *r)
{
    PyObject *tasks = r->orphans;
    r->orphans = NULL;
    if (!tasks) return;
    PyObject *done = PyObject_CallOneArg(gpy__names.cancel_tasks, tasks);
    if (!done) gpy__error_log("tasks can't be cancelled");
    Py_XDECREF(done);
    Py_DECREF(tasks);
}

static void free_held(struct held *h, enum future_use use)
{
    struct future *f = h->future;
    if (f) {
        f->held = NULL;
        if (f->use == FUTURE_OPEN) f->use = use;
        if (use == FUTURE_OVER && f->task) add_orphan(h->runner, f->task);
    }
    PyObject *value = h->value, *record = h->record, *key = h->key;
    mem_free(h);
    Py_XDECREF(value);
    Py_XDECREF(record);
    Py_XDECREF(key);
}

/* The record has its answer: the runner takes it from the cell's queue. */
static void queue_answer(struct held *h)
{
    struct runner *r = h->runner;
    struct held_queue *q = &cell_of(h)->answered;
    h->state = HELD_ANSWERED;
    h->next = NULL;
    if (q->last) q->last->next = h;
    else q->first = h;
    q->last = h;
    r->look = true;
    grun_unpark(r->exec);
}

static void answer(struct held *h, bool failed, PyObject *take_value)
{
    h->failed = failed;
    h->value = take_value;
    if (h->state == HELD_MADE) {
        h->early = true;
        return;
    }
    unlink_waiting(h);
    queue_answer(h);
}

bool gpy__held_take(struct runner *r, size_t i, struct answer *out)
{
    struct cell *c = &r->cells[i];
    struct held *h = c->answered.first;
    if (!h) return false;
    c->answered.first = h->next;
    if (!h->next) c->answered.last = NULL;
    if (c->held-- == c->held_max) r->full--;
    r->pending--;
    *out = (struct answer){h->failed, h->value, h->record, h->key, h->entry};
    h->value = h->record = h->key = NULL;
    free_held(h, FUTURE_ANSWERED);
    return true;
}

/* Ends of objects run code of scripts, which may answer others: so each is taken out first, and the
 * lists are looked at anew. */
void gpy__held_drop(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    struct answer a;
    while (c->held) {
        if (gpy__held_take(r, i, &a)) {
            Py_XDECREF(a.value);
            Py_XDECREF(a.record);
            Py_XDECREF(a.key);
            continue;
        }
        struct held *h = c->waiting;
        unlink_waiting(h);
        if (c->held-- == c->held_max) r->full--;
        r->pending--;
        free_held(h, FUTURE_OVER);
    }
    cancel_orphans(r);
}

/* ---- making futures ---- */

static bool step_allows(struct runner *r)
{
    if (r->cells[r->at].held_max == 0) {
        PyErr_SetString(gpy__names.error, "Step does not support async");
    } else if (r->must_end) {
        PyErr_SetString(gpy__names.error, "Creating async record is not allowed");
    } else if (r->made) {
        PyErr_SetString(gpy__names.error, "Can not create async record twice on the same step");
    } else {
        return true;
    }
    return false;
}

/* A future of a record that is in cell i. */
static struct future *make_future(struct runner *r, size_t i)
{
    struct future *f = PyObject_New(struct future, &gpy__future_type);
    if (!f) return NULL;
    struct held *h = mem_zalloc(sizeof(*h));
    h->runner = r;
    h->cell = i;
    h->entry = r->entry;
    h->maker = PyThread_get_thread_ident();
    h->future = f;
    f->held = h;
    f->use = FUTURE_OPEN;
    f->task = NULL;
    return f;
}

PyObject *gpy__gears_future(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    struct runner *r = gpy__me()->now.runner;
    if (!r || r->at == NO_CELL) {
        PyErr_SetString(gpy__names.error,
                        "Future object can only be created inside certain execution steps");
        return NULL;
    }
    if (!step_allows(r)) return NULL;
    struct future *f = make_future(r, r->at);
    if (f) r->made = f->held;
    return (PyObject *)f;
}

/* ---- what a callback returned ---- */

static void wait_here(struct held *h, PyObject *record, PyObject *key)
{
    struct runner *r = h->runner;
    struct cell *c = cell_of(h);
    h->record = Py_XNewRef(record);
    h->key = Py_XNewRef(key);
    r->pending++;
    if (++c->held == c->held_max) {
        r->full++;
        r->look = true;
    }
    if (h->early) {
        queue_answer(h);
        return;
    }
    h->state = HELD_WAITS;
    h->next = c->waiting;
    if (h->next) h->next->prev = h;
    c->waiting = h;
}

/* Never awaited, or no longer. Keeps the current exception. */
static void close_coroutine(PyObject *take_coroutine)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *done = PyObject_CallMethod(take_coroutine, "close", NULL);
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    Py_DECREF(take_coroutine);
    PyErr_Restore(type, value, trace);
}

/* Only the reasons for which a step can't have coroutines; these texts come as they are. */
static const char *why_no_coroutine(const struct runner *r, const struct cell *c)
{
    if (c->op == GOP_EXTRACT) return "coroutine are not allow on extractor";
    if (c->op == GOP_GROUP) return "coroutine are not allow on reduce";
    if (c->held_max == 0) return "Step does not support async";
    return r->must_end ? "Creating async record is not allowed" : NULL;
}

static enum fate hold_coroutine(struct runner *r, size_t i, PyObject *take_coroutine,
                                PyObject *record, PyObject *key)
{
    const char *why = why_no_coroutine(r, &r->cells[i]);
    PyObject *owner = why ? NULL : gpy__runner_owner(r);
    struct future *f = owner ? make_future(r, i) : NULL;
    if (!f) {
        if (why) PyErr_SetString(gpy__names.flat_error, why);
        close_coroutine(take_coroutine);
        return FATE_ERROR;
    }
    wait_here(f->held, record, key);
    PyObject *done = PyObject_CallFunctionObjArgs(gpy__names.begin_coroutine, take_coroutine, f,
                                                  owner, NULL);
    if (!done) { /* its record is this error */
        struct buf text = {0};
        gpy__error_text(r->exec->limits.traceback, &text);
        PyObject *s = PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, "replace");
        if (!s) PyErr_Clear();
        if (f->held) answer(f->held, true, s);
        f->use = FUTURE_ANSWERED;
        buf_release(&text);
    }
    Py_XDECREF(done);
    Py_DECREF(take_coroutine);
    Py_DECREF(f);
    return FATE_END;
}

enum fate gpy__hold(struct runner *r, size_t i, PyObject **result, PyObject *record, PyObject *key)
{
    struct held *made = r->made;
    PyObject *o = *result;
    r->made = NULL;
    if (made && o && o == (PyObject *)made->future) {
        *result = NULL;
        wait_here(made, record, key);
        Py_DECREF(o);
        return FATE_END;
    }
    if (made) free_held(made, FUTURE_DROPPED);
    if (!o) return FATE_ERROR;
    if (PyCoro_CheckExact(o)) {
        *result = NULL;
        return hold_coroutine(r, i, o, record, key);
    }
    if (!Py_IS_TYPE(o, &gpy__future_type)) return FATE_PASS;
    Py_CLEAR(*result);
    PyErr_SetString(gpy__names.error, "the future was made for another record");
    return FATE_ERROR;
}

/* ---- the type ---- */

/* Whether the future can be answered now; else with gears.error raised, or, when nobody waits any
 * more, without. */
static bool may_answer(struct future *f)
{
    const struct held *h = f->held;
    if (f->use == FUTURE_OVER) {
        f->use = FUTURE_ANSWERED;
        return false;
    }
    if (f->use == FUTURE_DROPPED ||
        (h && h->state == HELD_MADE && h->maker == PyThread_get_thread_ident()))
        PyErr_SetString(gpy__names.error,
                        "Can not handle future untill it returned from the callback");
    else if (f->use == FUTURE_ANSWERED)
        PyErr_SetString(gpy__names.error, "Can not continue with the same future twice");
    return !PyErr_Occurred();
}

static bool one_argument(Py_ssize_t nargs)
{
    if (nargs == 1) return true;
    PyErr_SetString(gpy__names.error, "Continue function expect an object");
    return false;
}

static PyObject *continue_run(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct future *f = (struct future *)self;
    if (!one_argument(nargs)) return NULL;
    if (may_answer(f)) {
        f->use = FUTURE_ANSWERED;
        answer(f->held, false, Py_NewRef(args[0]));
    }
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

/* Clients see just the message of an exception; of one without a message, what it is. */
static PyObject *failure_text(PyObject *error)
{
    PyObject *text = PyUnicode_Check(error) ? Py_NewRef(error) : PyObject_Str(error);
    if (text && PyUnicode_GET_LENGTH(text) == 0 && PyExceptionInstance_Check(error))
        Py_SETREF(text, PyObject_Repr(error));
    if (text) return text;
    PyErr_Clear();
    return PyUnicode_FromString(Py_TYPE(error)->tp_name);
}

static PyObject *continue_failed(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct future *f = (struct future *)self;
    if (!one_argument(nargs)) return NULL;
    PyObject *text = failure_text(args[0]); /* may run anything */
    if (!text) return NULL;
    if (may_answer(f)) {
        f->use = FUTURE_ANSWERED;
        answer(f->held, true, text);
    } else {
        Py_DECREF(text);
    }
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static void future_free(PyObject *self)
{
    struct future *f = (struct future *)self;
    struct held *h = f->held;
    if (h) {
        h->future = NULL;
        if (h->state == HELD_WAITS) answer(h, true, NULL);
    }
    Py_XDECREF(f->task);
    Py_TYPE(self)->tp_free(self);
}

/* Whether somebody waits for the future. */
static PyObject *is_wanted(PyObject *self, PyObject *unused)
{
    UNUSED(unused);
    return PyBool_FromLong(((struct future *)self)->use == FUTURE_OPEN);
}

/* _answered_by(task) */
static PyObject *answered_by(PyObject *self, PyObject *task)
{
    PyObject *reference = PyWeakref_NewRef(task, NULL);
    if (!reference) return NULL;
    Py_XSETREF(((struct future *)self)->task, reference);
    Py_RETURN_NONE;
}

static PyMethodDef future_methods[] = {
    {"_is_wanted", is_wanted, METH_NOARGS, "Whether a record waits for it."},
    {"_answered_by", answered_by, METH_O, "Tells it the task that is going to answer."},
    {"continueRun", (PyCFunction)(void (*)(void))continue_run, METH_FASTCALL,
     "continueRun(value): the record goes on as if its step's callback had returned value.\n\n"
     "Any thread, once, after the callback has returned the future."},
    {"continueFailed", (PyCFunction)(void (*)(void))continue_failed, METH_FASTCALL,
     "continueFailed(error): the record becomes an error of this text. As continueRun."},
    {NULL, NULL, 0, NULL}};

PyTypeObject gpy__future_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears.PyFuture",
    .tp_basicsize = sizeof(struct future),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "What gearsFuture() returns: a callback that returns it will have a result later.",
    .tp_methods = future_methods,
    .tp_dealloc = future_free};
