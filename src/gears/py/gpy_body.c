/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script's body: compiled as <string>, run in the globals of a new session, which are a copy
 * of the prelude's. run() and register() only note what they are asked for (gpy_builder.c).
 *
 * A body is somebody's program: it may end with SystemExit, leave an atomic block open through a
 * generator, set trace functions, or be stopped between any two instructions. What it leaves
 * behind is put in order here, whichever way it ended.
 */
#include "base/log.h"
#include "gears/py/gpy_core.h"

/* The prelude's globals without what makes them a module's. */
static PyObject *new_globals(void)
{
    static const char *const not_theirs[] = {"__file__", "__cached__", "__spec__",
                                             "__loader__", "__doc__", "__package__"};
    PyObject *globals = PyDict_Copy(gpy__names.prelude);
    if (!globals) return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(not_theirs); i++)
        if (PyDict_DelItemString(globals, not_theirs[i])) PyErr_Clear();
    PyObject *name = PyUnicode_FromString("not_main");
    if (!name || PyDict_SetItemString(globals, "__name__", name)) Py_CLEAR(globals);
    Py_XDECREF(name);
    return globals;
}

static bool run_code(struct gscript *script, PyObject *globals)
{
    if (script->language)
        return gpy__run_language(script->language, view_of(script->code, script->code_len));
    if (memchr(script->code, 0, script->code_len)) {
        PyErr_SetString(PyExc_ValueError, "source code string cannot contain null bytes");
        return false;
    }
    PyObject *code = Py_CompileString(script->code, "<string>", Py_file_input);
    PyObject *result = code ? PyEval_EvalCode(code, globals, globals) : NULL;
    Py_XDECREF(code);
    Py_XDECREF(result);
    return result != NULL;
}

/* A failed script leaves nothing: what it asked for is forgotten. */
static void forget(struct gscript *script)
{
    if (script->exec) grun_exec_unref(script->exec);
    script->exec = NULL;
    for (struct greg_request *r = script->requests, *next; r; r = next) {
        next = r->next;
        greg_request_free(r);
    }
    script->requests = NULL;
    script->requests_tail = &script->requests;
}

/* The stop is called off before the text is made: formatting is Python, too. */
static void fail(struct gpy_thread *me, struct gscript *script)
{
    PyObject *type, *value, *trace;
    gpy__limit_say(me, &script->stop, &script->limits, &script->error);
    if (atomic_load(&script->stop.wanted)) gpy__error_bare_stop();
    PyErr_Fetch(&type, &value, &trace);
    gpy__stop_end(me);
    PyErr_Restore(type, value, trace);
    gpy__error_text(script->traceback, &script->error);
    script->outcome = GSCRIPT_FAILED;
}

void gpy_run_script(struct gscript *script)
{
    struct gpy_thread *me = gpy__me();
    const struct gpy_context next = {.stop = &script->stop,
                                     .script = script,
                                     .session = script->session,
                                     .limits = &script->limits,
                                     .meter = &script->meter,
                                     .metered = true};
    struct gpy_context outer;
    gpy__settle();
    gpy__enter(me);
    gpy__context_begin(me, &outer, &next);
    struct gwatch *watch = gwatch_begin(&script->stop, &script->limits, &script->meter, NULL);
    gpy__tidy();
    gpy__use_packages(script->session);
    PyObject *globals = new_globals();
    script->outcome = GSCRIPT_OK;
    bool ran = globals && run_code(script, globals);
    gpy__atomic_abandon(me); /* before code runs that nothing stops */
    if (!ran) fail(me, script);
    gwatch_end(watch);
    gpy__stop_end(me);
    if (script->outcome == GSCRIPT_OK && atomic_load(&script->stop.wanted)) {
        PyErr_SetNone(gpy__names.force_stopped);
        fail(me, script);
    }
    gpy__context_end(me, &outer);
    script->session->globals = globals;
    if (script->outcome == GSCRIPT_FAILED) forget(script);
    gpy__leave(me);
}

/* Within what runs here: its session's, and not a step of it. */
static void call_nested(struct gpy_thread *me, PyObject *function, struct gsession *session)
{
    struct gsession *outer = me->now.session;
    PyObject *outer_object = me->now.session_object;
    struct runner *runner = me->now.runner;
    me->now.session = session;
    me->now.session_object = NULL;
    me->now.runner = NULL;
    PyObject *result = PyObject_CallNoArgs(function);
    Py_XDECREF(result);
    if (!result) gpy__error_log("onRegistered failed");
    me->now.session = outer;
    me->now.runner = runner;
    Py_XSETREF(me->now.session_object, outer_object);
}

/* As in fail(), the stop is called off before the text is made. */
static void log_stopped(struct gpy_thread *me, struct gscript *script)
{
    struct buf what = {0};
    PyObject *type, *value, *trace;
    buf_append_cstr(&what, "onRegistered failed: ");
    gpy__limit_say(me, &script->stop, &script->limits, &what);
    what.len -= 2; /* the log has a colon of its own */
    if (atomic_load(&script->stop.wanted)) gpy__error_bare_stop();
    PyErr_Fetch(&type, &value, &trace);
    gpy__stop_end(me);
    PyErr_Restore(type, value, trace);
    gpy__error_log(buf_cstr(&what));
    buf_release(&what);
}

static void call_alone(struct gpy_thread *me, PyObject *function, struct gsession *session,
                       struct gscript *script)
{
    struct gmeter meter = {0};
    const struct gpy_context next = {.stop = &script->stop,
                                     .held_up = script,
                                     .session = session,
                                     .limits = &script->limits,
                                     .meter = &meter};
    struct gpy_context outer;
    gpy__context_begin(me, &outer, &next);
    struct gwatch *watch = gwatch_begin(&script->stop, &script->limits, &meter, NULL);
    PyObject *result = PyObject_CallNoArgs(function);
    Py_XDECREF(result);
    gwatch_end(watch);
    if (!result) log_stopped(me, script);
    gpy__context_end(me, &outer);
    if (!atomic_exchange(&script->stop.met, 0)) return;
    atomic_store(&script->stop.wanted, false);
}

void gpy_call_logged(void *function, struct gsession *session, struct gscript *script)
{
    struct gpy_thread *me = gpy__me();
    bool had_gil = me->has_gil;
    if (!had_gil) gpy__enter(me);
    if (script) call_alone(me, function, session, script);
    else call_nested(me, function, session);
    if (!had_gil) gpy__leave(me);
}
