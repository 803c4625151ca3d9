/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose code runs: sessions as scripts see them, and the owners of what runs on the event loop.
 *
 * A worker knows its session from the plan that it runs. What runs on the loop, or in a thread of a
 * script's, is known by an object: redisgears.PyExecutionSession is a session, and an owner is a
 * session together with the execution that a coroutine works for. An owner travels as a context
 * variable, which asyncio passes on to everything that a coroutine starts or schedules.
 *
 * A session's globals may hold its own session object, or a task whose context holds its owner. So
 * that the garbage collector finds such circles, there is one object a session, which alone counts
 * as the interpreter's share of the session: as long as nobody else has a reference, the globals
 * are among what the object refers to.
 *
 * Guard of everything: the GIL.
 */
#include "gears/py/gpy_owner.h"

struct session_object {
    PyObject_HEAD
    struct gsession *session; /* a reference; NULL: the collector took it */
};

static PyObject *owner_var; /* contextvars.ContextVar */

/* ---- sessions ---- */

static PyObject *session_object(struct gsession *s)
{
    if (s->object) return Py_NewRef((PyObject *)s->object);
    struct session_object *o = PyObject_GC_New(struct session_object, &gpy__session_type);
    if (!o) return NULL;
    o->session = gsession_ref(s);
    s->object = o;
    PyObject_GC_Track(o);
    return (PyObject *)o;
}

static int session_traverse(PyObject *self, visitproc visit, void *arg)
{
    const struct gsession *s = ((struct session_object *)self)->session;
    if (s && atomic_load(&s->refs) == 1) Py_VISIT((PyObject *)s->globals);
    return 0;
}

static int session_clear(PyObject *self)
{
    struct session_object *o = (struct session_object *)self;
    struct gsession *s = o->session;
    o->session = NULL;
    if (!s) return 0;
    s->object = NULL;
    gsession_unref(s);
    return 0;
}

static void session_free(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    session_clear(self);
    PyObject_GC_Del(self);
}

PyTypeObject gpy__session_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears.PyExecutionSession",
    .tp_basicsize = sizeof(struct session_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "A session: what getGearsSession() returns and setGearsSession() takes.",
    .tp_traverse = session_traverse,
    .tp_clear = session_clear,
    .tp_dealloc = session_free};

/* ---- owners ---- */

static PyObject *new_owner(PyObject *take_session)
{
    if (!take_session) return NULL; /* with its exception */
    struct gpy_owner *o = PyObject_GC_New(struct gpy_owner, &gpy__owner_type);
    if (!o) {
        Py_DECREF(take_session);
        return NULL;
    }
    o->session = take_session;
    o->base = NULL;
    o->exec = NULL;
    o->stopped = o->answers_event = false;
    o->depth = 0;
    o->origin.count = 0;
    o->guards = NULL;
    PyObject_GC_Track(o);
    return (PyObject *)o;
}

static int owner_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct gpy_owner *)self)->session);
    Py_VISIT((PyObject *)((struct gpy_owner *)self)->base);
    return 0;
}

static int owner_clear(PyObject *self)
{
    Py_CLEAR(((struct gpy_owner *)self)->session);
    return 0;
}

static void owner_free(PyObject *self)
{
    struct gpy_owner *o = (struct gpy_owner *)self;
    PyObject_GC_UnTrack(self);
    ASSERT(!o->guards); /* each has a reference */
    grun_exec_unref(o->exec);
    Py_XDECREF(o->session);
    Py_XDECREF((PyObject *)o->base);
    PyObject_GC_Del(self);
}

PyTypeObject gpy__owner_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears._Owner",
    .tp_basicsize = sizeof(struct gpy_owner),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "For which session and execution a coroutine works.",
    .tp_traverse = owner_traverse,
    .tp_clear = owner_clear,
    .tp_dealloc = owner_free};

struct gsession *gpy__owner_session(const struct gpy_owner *o)
{
    const struct session_object *s = (const struct session_object *)o->session;
    return s ? s->session : NULL;
}

PyObject *gpy__runner_owner(struct runner *r)
{
    if (r->owner) return r->owner;
    struct gpy_owner *o = (struct gpy_owner *)new_owner(session_object(r->exec->plan->session));
    if (!o) return NULL;
    o->exec = grun_exec_ref(r->exec);
    o->depth = r->depth;
    if (r->exec->registered) o->origin = r->exec->origin;
    o->answers_event = r->exec->registered;
    return r->owner = (PyObject *)o;
}

void gpy__owner_end(PyObject *take_owner, bool stopped)
{
    struct gpy_owner *o = (struct gpy_owner *)take_owner;
    struct gexec *e = o->exec;
    o->exec = NULL;
    o->stopped = stopped;
    gpy__loop_forget(e);
    if (stopped) gpy__cancel_tasks(o);
    grun_exec_unref(e);
    Py_DECREF(take_owner);
}

bool gpy__owner_here(struct gpy_owner **out)
{
    PyObject *value = NULL;
    *out = NULL;
    if (PyContextVar_Get(owner_var, NULL, &value)) return false;
    if (value && Py_IS_TYPE(value, &gpy__owner_type)) *out = (struct gpy_owner *)value;
    else Py_XDECREF(value);
    return true;
}

/* Of what runs here, with its execution; None if it is nobody's; NULL with an exception. */
static PyObject *current_owner(struct gpy_thread *me)
{
    struct gpy_owner *here;
    if (me->now.runner) {
        PyObject *owner = gpy__runner_owner(me->now.runner);
        return owner ? Py_NewRef(owner) : NULL;
    }
    if (!gpy__owner_here(&here)) return NULL;
    if (here && gpy__owner_session(here) == me->now.session) return (PyObject *)here;
    Py_XDECREF((PyObject *)here);
    if (!me->now.session) Py_RETURN_NONE;
    return new_owner(session_object(me->now.session));
}

PyObject *gpy__fn_owner(PyObject *self, PyObject *session)
{
    UNUSED(self);
    if (session == Py_None) return current_owner(gpy__here());
    if (Py_IS_TYPE(session, &gpy__session_type)) return new_owner(Py_NewRef(session));
    PyErr_SetString(gpy__names.error, "the session must be one of getGearsSession()");
    return NULL;
}

/* ---- contexts ---- */

static PyObject *set_var(PyObject *owner)
{
    return PyContextVar_Set(owner_var, owner);
}

PyObject *gpy__fn_context(PyObject *self, PyObject *owner)
{
    UNUSED(self);
    PyObject *context = PyContext_New();
    if (!context || PyContext_Enter(context)) {
        Py_XDECREF(context);
        return NULL;
    }
    PyObject *token = set_var(owner);
    if (PyContext_Exit(context) || !token) Py_CLEAR(context);
    Py_XDECREF(token);
    return context;
}

/* ---- getGearsSession, setGearsSession ---- */

PyObject *gpy__fn_get_session(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    struct gpy_thread *me = gpy__here();
    if (!me->now.session) Py_RETURN_NONE;
    return session_object(me->now.session);
}

/* Where a thread that isn't ours keeps the object: its end is the thread's. */
static bool keep_in_thread(PyObject *session)
{
    PyObject *dict = PyThreadState_GetDict();
    if (dict && PyDict_SetItemString(dict, "redisgears.session", session) == 0) return true;
    if (!PyErr_Occurred()) PyErr_NoMemory();
    return false;
}

/* What the coroutine does after its next await belongs to this session, too. */
static bool keep_in_context(struct gpy_thread *me, PyObject *session)
{
    struct gpy_owner *here;
    if (!gpy__owner_here(&here)) return false;
    PyObject *owner = session == Py_None ? Py_NewRef(Py_None) : new_owner(Py_NewRef(session));
    if (owner && owner != Py_None) {
        struct gpy_owner *o = (struct gpy_owner *)owner;
        o->depth = me->now.depth;
        /* The same; but that of a unit goes with it. */
        const struct gexec *e = me->now.exec;
        if (me->now.origin) o->origin = e && e->registered ? e->origin : *me->now.origin;
        o->answers_event = me->now.answers_event;
        if (here) o->base = (struct gpy_owner *)Py_NewRef((PyObject *)gpy__owner_base(here));
    }
    Py_XDECREF((PyObject *)here);
    PyObject *token = owner ? set_var(owner) : NULL;
    Py_XDECREF(owner);
    Py_XDECREF(token);
    return token != NULL;
}

PyObject *gpy__fn_set_session(PyObject *self, PyObject *session)
{
    UNUSED(self);
    struct gpy_thread *me = gpy__here();
    if (session != Py_None && !Py_IS_TYPE(session, &gpy__session_type)) {
        PyErr_SetString(gpy__names.error, "the session must be one of getGearsSession()");
        return NULL;
    }
    me->now.session = NULL; /* what kept it may go now */
    if (!me->attached) {
        if (!keep_in_thread(session)) return NULL;
    } else {
        if (me->on_loop && !keep_in_context(me, session)) return NULL;
        Py_XSETREF(me->now.session_object, Py_NewRef(session));
    }
    if (session != Py_None) me->now.session = ((struct session_object *)session)->session;
    Py_RETURN_NONE;
}

bool gpy__owner_init(void)
{
    owner_var = PyContextVar_New("redisgears.owner", NULL);
    return owner_var && PyType_Ready(&gpy__session_type) == 0 &&
           PyType_Ready(&gpy__owner_type) == 0;
}
