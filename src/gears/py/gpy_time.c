/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scripts say about time: registerTE(), and the arguments of a TimeReader's registration.
 *
 * A time event is a plan of one step, so what it does is an execution like any other: it is seen,
 * it can be aborted, it acts for the script's user. Its key is set as the script itself would set
 * it, with SET … NX, so that rights, memory limits and replication are those of any write.
 */
#include "base/clock.h"
#include "gears/py/gpy_core.h"

/* ---- TimeReader ---- */

static PyObject *keyword(PyObject *kwargs, const char *name)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, name) : NULL;
    return o == Py_None ? NULL : o;
}

/* An int, but no bool, within 1 … max. */
static bool take_period(PyObject *o, const char *error, int64_t max, int64_t *out)
{
    int overflow = 1;
    long long n = PyLong_Check(o) && !PyBool_Check(o) ? PyLong_AsLongLongAndOverflow(o, &overflow)
                                                      : 0;
    *out = n;
    if (!overflow && n >= 1 && n <= max) return true;
    PyErr_SetString(gpy__names.error, error);
    return false;
}

static struct gtime_spec *cron_spec(PyObject *cron)
{
    Py_ssize_t len;
    const char *why, *text = PyUnicode_Check(cron) ? PyUnicode_AsUTF8AndSize(cron, &len) : NULL;
    struct gcron parsed;
    if (!text) {
        PyErr_SetString(gpy__names.error, "cron argument is not string");
        return NULL;
    }
    if (gcron_parse(view_of(text, (size_t)len), &parsed, &why)) {
        PyErr_Format(gpy__names.error, "cron argument is wrong: %s", why);
        return NULL;
    }
    if (gcron_next(&parsed, clock_wall_us() / 1000000) < 0) {
        PyErr_SetString(gpy__names.error, "cron argument is wrong: there is no such date");
        return NULL;
    }
    struct gtime_spec *spec = mem_zalloc(sizeof(*spec) + (size_t)len + 1);
    spec->cron = parsed;
    memcpy(spec->text, text, (size_t)len + 1);
    return spec;
}

struct gtime_spec *gpy__time_spec(PyObject *kwargs)
{
    PyObject *every = keyword(kwargs, "every"), *cron = keyword(kwargs, "cron");
    int64_t every_ms;
    if (!every == !cron) {
        PyErr_SetString(gpy__names.error, "either the every or the cron argument must be given");
        return NULL;
    }
    if (cron) return cron_spec(cron);
    if (!take_period(every, "every argument must be a number of milliseconds, from 1 to ten years",
                     GTIME_MS_MAX, &every_ms))
        return NULL;
    struct gtime_spec *spec = mem_zalloc(sizeof(*spec) + 1);
    spec->every_ms = every_ms;
    return spec;
}

/* ---- registerTE ---- */

/* self is the function, which has no arguments. */
static PyObject *call_without(PyObject *self, PyObject *record)
{
    UNUSED(record);
    return PyObject_CallNoArgs(self);
}

static PyMethodDef call_without_def = {"time_event", call_without, METH_O,
                                       "Calls a time event's function."};

/* With a key the function is pickled as those of plans are: what survives must be a copy. Without
 * one it is the script's own function, with the script's globals. */
static struct gplan *event_plan(PyObject *fn, bool pickled)
{
    struct gplan *plan = gplan_new(GREADER_TIME, 2, gpy__me()->now.session);
    struct gstep *step = &plan->steps[1];
    plan->mode = GMODE_ASYNC_LOCAL;
    plan->steps[0].op = GOP_TO_PY;
    plan->steps[0].arg_text = mem_dup("", 0);
    step->op = GOP_FOREACH;
    step->arg_text = gpy__str_of(fn);
    PyObject *called = pickled ? gpy__own_copy(fn, &step->pickle) : Py_NewRef(fn);
    if (called && PyFunction_Check(called))
        step->callable = PyCFunction_New(&call_without_def, called);
    else if (called)
        PyErr_SetString(gpy__names.error, "callback must be a function");
    Py_XDECREF(called);
    if (step->callable) return plan;
    gplan_unref(plan);
    return NULL;
}

struct stale_question {
    struct view key;
    bool answer;
};

static void ask_stale(void *ctx)
{
    struct stale_question *q = ctx;
    q->answer = gtime_is_stale(q->key);
}

/* Sets the key to the mark: 1 done, 0 it exists, -1 with an exception. A key that an event left
 * behind, of before a restart or one that failed, is as good as none. */
static int take_key(PyObject *key, struct view key_bytes, const char *mark)
{
    struct stale_question q = {.key = key_bytes};
    if (!gpy__with_token(ask_stale, &q)) return -1;
    PyObject *words[4] = {PyUnicode_FromString("SET"), Py_NewRef(key), PyUnicode_FromString(mark),
                          PyUnicode_FromString(q.answer ? "XX" : "NX")};
    PyObject *reply = words[0] && words[2] && words[3] ? gpy__execute(NULL, words, 4) : NULL;
    for (int i = 0; i < 4; i++) Py_XDECREF(words[i]);
    int took = reply ? reply != Py_None : -1;
    Py_XDECREF(reply);
    return took;
}

struct beginning {
    struct gplan *plan;
    int64_t every_ms;
    struct view key;
    const char *mark;
    enum status st;
};

static void begin(void *ctx)
{
    struct beginning *b = ctx;
    b->st = gtime_begin(b->plan, b->every_ms, b->key, b->mark);
}

static PyObject *begin_event(PyObject *fn, int64_t every_ms, PyObject *key)
{
    char mark[GTIME_MARK_MAX] = "";
    PyObject *hold = NULL;
    struct view bytes = {0};
    if (key && !gpy__utf8(key, &hold, &bytes)) return NULL;
    struct gplan *plan = event_plan(fn, key != NULL);
    int took = plan ? 1 : -1;
    if (plan && key) {
        gtime_make_mark(mark, every_ms);
        took = take_key(key, bytes, mark);
    }
    struct beginning b = {plan, every_ms, bytes, mark, STATUS_OK};
    if (took == 1 && !gpy__with_token(begin, &b)) took = -1;
    if (took == 1 && b.st) {
        PyErr_SetString(gpy__names.error, "there are too many time events");
        took = -1;
    }
    Py_XDECREF(hold);
    if (took == 1) Py_RETURN_TRUE;
    gplan_unref(plan);
    if (took == 0) Py_RETURN_FALSE;
    return NULL;
}

PyObject *gpy__register_time_event(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    int64_t seconds;
    PyObject *key = nargs > 2 && args[2] != Py_None ? args[2] : NULL;
    const char *error = NULL;
    if (nargs < 2) error = "not enough arguments for time event";
    else if (nargs > 3) error = "too many arguments for time event";
    else if (!PyLong_Check(args[0])) error = "time argument must be a long";
    else if (!PyFunction_Check(args[1])) error = "callback must be a function";
    else if (key && !PyUnicode_Check(key)) error = "key argument must be a string";
    else if (!gpy__here()->now.session)
        error = "registerTE is not allowed in a thread of the script's own";
    if (error) {
        PyErr_SetString(gpy__names.error, error);
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(args[1]);
    if (code->co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        PyErr_SetString(gpy__names.error, "coroutine are not allow on time event");
        return NULL;
    }
    if (!take_period(args[0], "time argument must be between one second and ten years",
                     GTIME_MS_MAX / 1000, &seconds))
        return NULL;
    if (gpy__refuse_explained("registerTE")) return NULL;
    return begin_event(args[1], seconds * 1000, key);
}
