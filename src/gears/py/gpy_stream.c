/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arguments of StreamReader's register(). Texts of errors are those that RedisGears' users
 * know; what it took without a look and then stumbled over has texts of ours.
 */
#include "gears/gstream.h"
#include "gears/py/gpy_core.h"

static PyObject *keyword(PyObject *kwargs, const char *name)
{
    return kwargs ? PyDict_GetItemString(kwargs, name) : NULL;
}

static bool refuse(const char *text)
{
    PyErr_SetString(gpy__names.error, text);
    return false;
}

bool gpy__take_number(PyObject *kwargs, const char *name, const char *not_number, int64_t least,
                      int64_t most, int64_t *out)
{
    PyObject *o = keyword(kwargs, name);
    if (!o) return true;
    if (!PyLong_Check(o)) return refuse(not_number);
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (n == -1 && PyErr_Occurred()) return false;
    if (overflow || n < least || n > most) {
        PyErr_Format(gpy__names.error, "%s argument must be from %lld to %lld", name,
                     (long long)least, (long long)most);
        return false;
    }
    *out = n;
    return true;
}

static bool take_policy(PyObject *kwargs, struct gstream_args *a)
{
    PyObject *o = keyword(kwargs, "onFailedPolicy");
    if (!o) return true;
    if (!PyUnicode_Check(o))
        return refuse("onFailedPolicy must be a string (Continue/Abort/Retry)");
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(o, &len);
    if (!text) return false;
    for (int p = GSTREAM_CONTINUE; p <= GSTREAM_RETRY; p++)
        if (view_eq_nocase(view_of(text, (size_t)len), gstream_policy_name(p))) {
            a->policy = (enum gstream_policy)p;
            return true;
        }
    return refuse("onFailedPolicy must be Continue/Abort/Retry");
}

static bool take_trim(PyObject *kwargs, struct gstream_args *a)
{
    PyObject *o = keyword(kwargs, "trimStream");
    if (!o) return true;
    if (!PyBool_Check(o)) return refuse("pyTrimmStream argument must be a boolean");
    a->trim = o == Py_True;
    return true;
}

static bool take_dead_letter(PyObject *kwargs, struct gstream_args *a)
{
    PyObject *o = keyword(kwargs, "deadLetter"), *hold;
    struct view v;
    if (!o || o == Py_None) return true;
    if (!PyUnicode_Check(o)) return refuse("deadLetter argument must be a string");
    if (!gpy__utf8(o, &hold, &v)) return false;
    a->dead_letter = mem_dup(v.ptr, v.len);
    a->dead_letter_len = v.len;
    Py_XDECREF(hold);
    return true;
}

/* With `continue` an entry is delivered once whatever comes of it. */
static bool check_deliveries(const struct gstream_args *a)
{
    if (a->max_deliveries && a->policy == GSTREAM_CONTINUE)
        return refuse("maxDeliveries can only be combined with onFailedPolicy Abort or Retry");
    if (a->dead_letter && !a->max_deliveries && a->policy != GSTREAM_CONTINUE)
        return refuse("deadLetter needs maxDeliveries, but for onFailedPolicy Continue");
    return true;
}

struct gstream_args *gpy__stream_args(PyObject *kwargs, bool sync)
{
    struct gstream_args *a = gstream_args_new();
    if (gpy__take_number(kwargs, "batch", "batch argument must be a number", 1, INT32_MAX,
                         &a->batch) &&
        gpy__take_number(kwargs, "duration", "duration argument must be a number", 0,
                         INT64_MAX / 4, &a->duration_ms) &&
        take_policy(kwargs, a) &&
        gpy__take_number(kwargs, "onFailedRetryInterval",
                         "retryInterval argument must be a number", 0, INT64_MAX / 4000,
                         &a->retry_s) &&
        take_trim(kwargs, a) &&
        gpy__take_number(kwargs, "maxDeliveries", "maxDeliveries argument must be a number", 0,
                         INT64_MAX, &a->max_deliveries) &&
        take_dead_letter(kwargs, a)) {
        bool fits = !sync || a->policy == GSTREAM_CONTINUE ||
                    refuse("ExecutionMode sync can only be combined with OnFailedPolicy Continue");
        if (fits && check_deliveries(a)) return a;
    }
    gstream_args_free(a);
    return NULL;
}
