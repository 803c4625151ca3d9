/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: one of asyncio's, on a thread of its own, for all coroutines of all sessions. It
 * is started by the first who schedules something. What it does is asyncio's business
 * (prelude_async.py); here is what asyncio doesn't know:
 *
 *   - Each callback runs as its owner (`_run_as`): with the session's rights, and under the stop of
 *     the execution that it works for, as a worker would. So a coroutine that spins is ended with
 *     its execution, and the loop goes on. What works for no execution that is under way may hold
 *     the loop for gears-sync-max-time at most.
 *   - Each task's coroutine stands behind a guard, which the task knows instead of it. A coroutine
 *     that would wait inside of an atomic block gets an exception where it does, since the block
 *     belongs to the thread, and the thread goes on to others. One whose execution was stopped
 *     isn't continued, whatever it catches.
 */
#include "gears/py/gpy_owner.h"

#include "base/clock.h"
#include "base/log.h"
#include "gears/gconf.h"
#include "gears/gstuck.h"

static struct {
    bool made;       /* guard: the GIL */
    PyObject *serve; /* runs the loop; guard: the GIL */
    struct gpy_thread *me;    /* its thread's; guard: the GIL */
    struct gstop stop;        /* of callbacks without an execution */
    struct gstop dead;        /* of callbacks whose execution was stopped: always wanted */
    _Atomic int64_t since_us; /* when such a callback began; 0: none runs */
    atomic_bool watched;
    _Atomic int64_t max_us;
} loop = {.dead = {.wanted = true}};

/* ---- callbacks ---- */

/* The stop under which an owner's callback runs; *exec_out: whose it is, a reference, or NULL. */
static struct gstop *stop_of(struct gpy_owner *owner, struct gexec **exec_out)
{
    struct gpy_owner *base = owner ? gpy__owner_base(owner) : NULL;
    *exec_out = base && base->exec ? grun_exec_ref(base->exec) : NULL;
    if (*exec_out) return &(*exec_out)->stop;
    if (base && base->stopped) return &loop.dead;
    atomic_store(&loop.stop.wanted, false);
    atomic_store(&loop.max_us, gconf_sync_time_us());
    atomic_store(&loop.since_us, clock_mono_us());
    return &loop.stop;
}

static PyObject *run_as(struct gpy_thread *me, struct gpy_owner *owner, PyObject *const *args,
                        Py_ssize_t nargs)
{
    struct gexec *exec;
    struct gpy_context outer, next = {.stop = stop_of(owner, &exec)};
    next.exec = exec;
    if (owner) {
        next.session_object = Py_XNewRef(owner->session);
        next.session = gpy__owner_session(owner);
        next.depth = owner->depth;
        next.origin = owner->origin.count ? &owner->origin : NULL;
        next.answers_event = owner->answers_event;
    }
    if (exec) {
        next.limits = &exec->limits.own;
        next.meter = &exec->loop_meter;
    }
    gpy__context_begin(me, &outer, &next);
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, (size_t)(nargs - 1), NULL);
    if (next.stop == &loop.stop) atomic_store(&loop.since_us, 0);
    gpy__context_end(me, &outer);
    grun_exec_unref(exec);
    return result;
}

/* _run_as(callback, *args), within the callback's context. */
PyObject *gpy__fn_run_as(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    struct gpy_thread *me = gpy__me();
    struct gpy_owner *owner;
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "a callback is missing");
        return NULL;
    }
    if (!me->on_loop) return PyObject_Vectorcall(args[0], args + 1, (size_t)(nargs - 1), NULL);
    if (!gpy__owner_here(&owner)) return NULL;
    PyObject *result = run_as(me, owner, args, nargs);
    Py_XDECREF((PyObject *)owner);
    return result;
}

void gpy__loop_forget(const struct gexec *e)
{
    if (loop.me && loop.me->now.exec == e) loop.me->now.exec = NULL;
}

bool gpy__loop_watch(void)
{
    int64_t since_us = atomic_load(&loop.since_us), max_us = atomic_load(&loop.max_us);
    if (since_us && max_us && clock_mono_us() - since_us > max_us &&
        !atomic_load(&loop.stop.wanted)) {
        log_warning("Gears: a coroutine that works for no execution held the event loop for longer "
                    "than gears-sync-max-time; it is stopped");
        gpy_stop(&loop.stop);
    }
    return atomic_load(&loop.watched);
}

/* ---- guards ---- */

struct guard {
    PyObject_HEAD
    PyObject *coroutine;
    PyObject *task;          /* a weak reference, or NULL */
    struct gpy_owner *owner; /* a reference, or NULL */
    struct guard *prev, *next; /* of the owner's */
};

static bool is_stopped(void)
{
    const struct gpy_thread *me = gpy__me();
    return me->on_loop && me->now.stop && atomic_load(&me->now.stop->wanted);
}

static void clear_error(PyObject *take_result)
{
    Py_XDECREF(take_result);
    PyErr_Clear();
}

/* The coroutine may end what it began, once, without waiting. Its task has been cancelled, then. */
static void end_coroutine(PyObject *coroutine)
{
    clear_error(PyObject_CallMethod(coroutine, "throw", "O", gpy__names.force_stopped));
    clear_error(PyObject_CallMethod(coroutine, "close", NULL));
    PyErr_SetNone(gpy__names.cancelled);
}

/* What send() or throw() gave: inside of an atomic block nothing may be waited for. */
static PySendResult checked(PyObject *coroutine, PySendResult st, PyObject **result)
{
    while (st == PYGEN_NEXT && unlikely(gpy__me()->now.in_atomic)) {
        Py_CLEAR(*result);
        PyObject *error = PyObject_CallFunction(gpy__names.error, "s",
                                                "await is not allow inside atomic block");
        *result = error ? PyObject_CallMethod(coroutine, "throw", "O", error) : NULL;
        Py_XDECREF(error);
        if (*result) continue;
        st = PYGEN_ERROR;
        if (_PyGen_FetchStopIterationValue(result) == 0) st = PYGEN_RETURN;
    }
    return st;
}

static PySendResult guard_send(PyObject *self, PyObject *arg, PyObject **result)
{
    PyObject *coroutine = ((struct guard *)self)->coroutine;
    *result = NULL;
    if (unlikely(is_stopped())) {
        end_coroutine(coroutine);
        return PYGEN_ERROR;
    }
    return checked(coroutine, PyIter_Send(coroutine, arg, result), result);
}

/* As methods return it: the end is StopIteration. */
static PyObject *returned(PySendResult st, PyObject *take_result)
{
    if (st != PYGEN_RETURN) return take_result;
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, take_result);
    Py_DECREF(take_result);
    if (stop) PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return NULL;
}

static PyObject *guard_send_method(PyObject *self, PyObject *arg)
{
    PyObject *result;
    PySendResult st = guard_send(self, arg, &result);
    return returned(st, result);
}

static PyObject *guard_next(PyObject *self)
{
    return guard_send_method(self, Py_None);
}

static PyObject *guard_throw(PyObject *self, PyObject *args)
{
    PyObject *coroutine = ((struct guard *)self)->coroutine;
    if (is_stopped()) {
        end_coroutine(coroutine);
        return NULL;
    }
    PyObject *throw = PyObject_GetAttrString(coroutine, "throw");
    PyObject *result = throw ? PyObject_CallObject(throw, args) : NULL;
    Py_XDECREF(throw);
    if (!result) return NULL;
    PySendResult st = checked(coroutine, PYGEN_NEXT, &result);
    return returned(st, result);
}

static PyObject *guard_close(PyObject *self, PyObject *unused)
{
    UNUSED(unused);
    return PyObject_CallMethod(((struct guard *)self)->coroutine, "close", NULL);
}

/* cr_code, cr_frame, __qualname__ …: for those who show tasks. */
static PyObject *guard_getattr(PyObject *self, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
    PyErr_Clear();
    return PyObject_GetAttr(((struct guard *)self)->coroutine, name);
}

static void guard_unlink(struct guard *g)
{
    struct gpy_owner *o = g->owner;
    if (!o) return;
    if (g->prev) g->prev->next = g->next;
    else o->guards = g->next;
    if (g->next) g->next->prev = g->prev;
    g->prev = g->next = NULL;
    g->owner = NULL;
    Py_DECREF((PyObject *)o);
}

static int guard_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct guard *g = (struct guard *)self;
    Py_VISIT(g->coroutine);
    Py_VISIT((PyObject *)g->owner);
    return 0;
}

static int guard_clear(PyObject *self)
{
    struct guard *g = (struct guard *)self;
    guard_unlink(g);
    Py_SETREF(g->coroutine, Py_NewRef(Py_None));
    return 0;
}

static void guard_free(PyObject *self)
{
    struct guard *g = (struct guard *)self;
    PyObject_GC_UnTrack(self);
    guard_unlink(g);
    Py_XDECREF(g->task);
    Py_XDECREF(g->coroutine);
    PyObject_GC_Del(self);
}

/* _guard(coroutine): one that belongs to the owner of the current context. */
PyObject *gpy__fn_guard(PyObject *self, PyObject *coroutine)
{
    UNUSED(self);
    struct gpy_owner *here;
    if (!gpy__owner_here(&here)) return NULL;
    struct guard *g = PyObject_GC_New(struct guard, &gpy__guard_type);
    if (!g) {
        Py_XDECREF((PyObject *)here);
        return NULL;
    }
    g->coroutine = Py_NewRef(coroutine);
    g->task = NULL;
    g->prev = g->next = NULL;
    g->owner = NULL;
    if (here) {
        g->owner = (struct gpy_owner *)Py_NewRef((PyObject *)gpy__owner_base(here));
        g->next = g->owner->guards;
        if (g->next) g->next->prev = g;
        g->owner->guards = g;
        Py_DECREF((PyObject *)here);
    }
    PyObject_GC_Track(g);
    return (PyObject *)g;
}

/* _bind(guard, task): whom to cancel. */
PyObject *gpy__fn_bind(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    if (nargs != 2 || !Py_IS_TYPE(args[0], &gpy__guard_type)) {
        PyErr_SetString(PyExc_TypeError, "a guard and its task are needed");
        return NULL;
    }
    PyObject *task = PyWeakref_NewRef(args[1], NULL);
    if (!task) return NULL;
    Py_XSETREF(((struct guard *)args[0])->task, task);
    Py_RETURN_NONE;
}

static PyMethodDef guard_methods[] = {
    {"send", guard_send_method, METH_O, "As a coroutine's."},
    {"throw", guard_throw, METH_VARARGS, "As a coroutine's."},
    {"close", guard_close, METH_NOARGS, "As a coroutine's."},
    {NULL, NULL, 0, NULL}};

static PyAsyncMethods guard_async = {.am_await = PyObject_SelfIter, .am_send = guard_send};

PyTypeObject gpy__guard_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears._Guard",
    .tp_basicsize = sizeof(struct guard),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "A coroutine of a session's, as its task knows it.",
    .tp_methods = guard_methods,
    .tp_as_async = &guard_async,
    .tp_getattro = guard_getattr,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = guard_next,
    .tp_traverse = guard_traverse,
    .tp_clear = guard_clear,
    .tp_dealloc = guard_free};

void gpy__cancel_tasks(struct gpy_owner *o)
{
    PyObject *tasks = PyList_New(0);
    for (struct guard *g = o->guards; tasks && g; g = g->next) {
        PyObject *task = g->task ? PyWeakref_GetObject(g->task) : Py_None;
        if (task != Py_None && PyList_Append(tasks, task)) PyErr_Clear();
    }
    PyObject *done = Py_None;
    if (tasks && PyList_GET_SIZE(tasks))
        done = PyObject_CallOneArg(gpy__names.cancel_tasks, tasks);
    if (!tasks || !done) gpy__error_log("tasks can't be cancelled");
    if (done != Py_None) Py_XDECREF(done);
    Py_XDECREF(tasks);
}

/* ---- the thread ---- */

static void *loop_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    struct gpy_thread *me = gpy__me();
    me->on_loop = true;
    gpy__enter(me);
    loop.me = me;
    for (;;) {
        PyObject *done = PyObject_CallNoArgs(loop.serve);
        if (!done) gpy__error_log("the event loop goes on after");
        Py_XDECREF(done);
    }
    return NULL;
}

/* _start_loop(serve): makes the thread that calls serve() over and over. Once. */
PyObject *gpy__fn_start_loop(PyObject *self, PyObject *serve)
{
    UNUSED(self);
    if (!loop.made) {
        loop.serve = Py_NewRef(serve);
        loop.made = true; /* before the thread, which takes the GIL */
        if (gpool_thread("gears-async", loop_main, NULL)) {
            loop.made = false;
            Py_CLEAR(loop.serve);
            PyErr_SetString(gpy__names.error, "the event loop's thread can't be made");
            return NULL;
        }
        atomic_store(&loop.watched, true);
        gpy_wake();
    }
    Py_RETURN_NONE;
}

/* ---- await run() ---- */

struct run_end {
    struct gjob job;
    struct gexec *exec;
    PyObject *future;
};

static PyObject *list_with(PyObject *take_list, struct view bytes)
{
    PyObject *text = PyUnicode_DecodeUTF8(bytes.ptr, (Py_ssize_t)bytes.len, "replace");
    if (!text || PyList_Append(take_list, text)) Py_CLEAR(take_list);
    Py_XDECREF(text);
    return take_list;
}

/* What an execution that doesn't end is said to have failed with. */
static PyObject *stuck_list(const struct gexec *e)
{
    PyObject *list = PyList_New(0);
    struct buf text = {0};
    gstuck_text(&e->stop, &e->limits.own, &text);
    if (list) list = list_with(list, buf_view(&text));
    buf_release(&text);
    return list;
}

static PyObject *error_list(const struct gexec *e, bool aborted)
{
    PyObject *list = PyList_New(0);
    if (list && e->errors.count == 0 && aborted) /* it never began */
        list = list_with(list, VIEW_LIT("the execution was aborted"));
    struct tape_node node;
    for (size_t pos = 0; list && tape_next(&e->errors.tape, &pos, &node);)
        list = list_with(list, view_of(node.u.bytes.ptr, node.u.bytes.len));
    return list;
}

static void resolve(struct gjob *job, const char *failure)
{
    struct run_end *end = CONTAINER_OF(job, struct run_end, job);
    ASSERT(!failure);
    bool took = gpy_hold();
    if (Py_REFCNT(end->future) > 1) { /* else nobody is going to look */
        enum gexec_status status = grun_status(end->exec);
        bool stuck = status == GEXEC_PENDING_TERMINATION; /* then its results aren't ours */
        PyObject *results = end->exec->objects && !stuck
                                ? Py_NewRef((PyObject *)end->exec->objects)
                                : PyList_New(0);
        PyObject *errors = stuck ? stuck_list(end->exec)
                                 : error_list(end->exec, status == GEXEC_ABORTED);
        PyObject *both = results && errors ? PyList_New(2) : NULL;
        if (both) {
            PyList_SET_ITEM(both, 0, Py_NewRef(results));
            PyList_SET_ITEM(both, 1, Py_NewRef(errors));
        }
        PyObject *done = both ? PyObject_CallFunctionObjArgs(gpy__names.set_result, end->future,
                                                             both, NULL)
                              : NULL;
        if (!done) gpy__error_log("a run() has nobody to tell its end");
        Py_XDECREF(done);
        Py_XDECREF(both);
        Py_XDECREF(errors);
        Py_XDECREF(results);
    }
    gpy_discard(end->future); /* its end may be long */
    gpy_release(took);
    grun_exec_unref(end->exec);
    mem_free(end);
}

bool gpy__resolve_at_end(struct gexec *e, PyObject *future)
{
    e->objects = PyList_New(0);
    if (!e->objects) return false;
    struct run_end *end = mem_zalloc(sizeof(*end));
    struct gwaiter *w = mem_zalloc(sizeof(*w));
    end->job.run = resolve;
    end->exec = grun_exec_ref(e);
    end->future = Py_NewRef(future);
    w->what = GWAIT_JOB;
    w->job = &end->job;
    bool waits = grun_wait(e, w);
    ASSERT(waits); /* it hasn't begun */
    return true;
}
