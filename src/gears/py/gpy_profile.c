/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Profiling of sessions: while the setting is on, executions run under a cProfile of their session.
 *
 * A profiler belongs to the thread that has enabled it, so a session has as many as it had
 * executions at a time; those that rest are in its list, and are added up when somebody asks. An
 * execution that runs, or that is paused, is counted when its turn on the thread has ended.
 *
 * None of the calls below runs a script's code: the profiler's methods are C.
 */
#include "gears/py/gpy_core.h"

static bool call(PyObject *profiler, const char *method)
{
    PyObject *done = PyObject_CallMethod(profiler, method, NULL);
    if (!done) PyErr_Clear(); /* memory is out: it measures nothing */
    Py_XDECREF(done);
    return done != NULL;
}

/* One that rests, or a new one. NULL: there is no memory. */
static PyObject *take_profiler(struct gsession *s)
{
    PyObject *list = s->profiles, *profiler = NULL;
    Py_ssize_t count = list ? PyList_GET_SIZE(list) : 0;
    if (count > 0) {
        profiler = Py_NewRef(PyList_GET_ITEM(list, count - 1));
        if (PyList_SetSlice(list, count - 1, count, NULL)) Py_CLEAR(profiler);
    } else {
        PyObject *fn = PyDict_GetItemString(gpy__names.prelude, "profilerCreate");
        profiler = fn ? PyObject_CallNoArgs(fn) : NULL;
    }
    if (!profiler) PyErr_Clear();
    return profiler;
}

void gpy__profile_begin(struct gpy_thread *me, struct gsession *session, struct gpy_profiled *p)
{
    *p = (struct gpy_profiled){.session = session};
    p->profiler = session ? take_profiler(session) : NULL;
    if (!p->profiler) return;
    p->resets = session->profile_resets;
    p->outer = me->profiler;
    if (p->outer) call(p->outer, "disable");
    me->profiler = p->profiler;
    call(p->profiler, "enable");
}

/* What was measured before a reset isn't kept. */
void gpy__profile_end(struct gpy_thread *me, struct gpy_profiled *p)
{
    PyObject *type, *value, *trace;
    if (!p->profiler) return;
    PyErr_Fetch(&type, &value, &trace);
    call(p->profiler, "disable");
    me->profiler = p->outer;
    if (!p->session->profiles) p->session->profiles = PyList_New(0);
    if (p->session->profiles && p->resets == p->session->profile_resets &&
        PyList_Append(p->session->profiles, p->profiler))
        PyErr_Clear();
    Py_DECREF(p->profiler);
    PyErr_Restore(type, value, trace);
}

void gpy__profile_resume(struct gpy_thread *me, struct gpy_profiled *p)
{
    UNUSED(me);
    if (p->outer) call(p->outer, "enable");
}

bool gpy_profile(struct gsession *s, const char *order, struct buf *out)
{
    struct gpy_thread *me = gpy__me();
    gpy__enter(me);
    if (!order) {
        PyObject *list = s->profiles;
        s->profiles = NULL;
        s->profile_resets++;
        Py_XDECREF(list);
        gpy__leave(me);
        return true;
    }
    PyObject *fn = PyDict_GetItemString(gpy__names.prelude, "_profile_text");
    PyObject *list = s->profiles ? PyList_GetSlice(s->profiles, 0, PY_SSIZE_T_MAX) : PyList_New(0);
    PyObject *text = fn && list ? PyObject_CallFunction(fn, "Os", list, order) : NULL, *hold = NULL;
    struct view bytes;
    bool good = text && gpy__utf8(text, &hold, &bytes);
    if (good) buf_append_view(out, bytes);
    else gpy__error_text(true, out);
    Py_XDECREF(hold);
    Py_XDECREF(text);
    Py_XDECREF(list);
    gpy__leave(me);
    return good;
}
