/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Installed packages as the interpreter sees them: the folder that sys.path has, and modules that
 * are imported anew since another version has taken their place (gears/greq.h).
 */
#include "gears/greq.h"
#include "gears/py/gpy_core.h"

static PyObject *set_of_lines(struct view v)
{
    PyObject *set = PySet_New(NULL);
    while (set && v.len) {
        const char *end = memchr(v.ptr, '\n', v.len);
        size_t len = end ? (size_t)(end - v.ptr) : v.len;
        PyObject *name = PyUnicode_DecodeUTF8(v.ptr, (Py_ssize_t)len, "replace");
        if (!name || PySet_Add(set, name)) Py_CLEAR(set);
        Py_XDECREF(name);
        len += end ? 1 : 0;
        v = view_of(v.ptr + len, v.len - len);
    }
    return set;
}

void gpy__use_packages(const struct gsession *session)
{
    struct buf path = {0}, forgotten = {0};
    greq_take_forgotten(&forgotten);
    bool needed = session->req_count > 0 && greq_path(&path);
    if (needed || forgotten.len) {
        PyObject *fn = PyDict_GetItemString(gpy__names.prelude, "_use_packages");
        PyObject *names = set_of_lines(buf_view(&forgotten));
        PyObject *done = fn && names ? PyObject_CallFunction(fn, "s#O", path.ptr ? path.ptr : "",
                                                             (Py_ssize_t)path.len, names)
                                     : NULL;
        if (!done) gpy__error_log("packages can't be used");
        Py_XDECREF(done);
        Py_XDECREF(names);
    }
    buf_release(&path);
    buf_release(&forgotten);
}
