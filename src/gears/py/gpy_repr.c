/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * str() of plain things, without objects: the text of a dict, list or tuple of ASCII texts,
 * integers and the like, which is what most results are. str() of such a record costs ten times as
 * much as to make it. What isn't plain here (a text with a quote in it, a float, any other type) is
 * left to Python, so the two can't differ.
 *
 * Nothing here runs code of a script's: all types are exact, and their own.
 */
#include "gears/py/gpy_core.h"

#define DEPTH_MAX 4
#define BYTES_MAX 65536

/* repr() of an ASCII text in which nothing is escaped. */
static bool text(PyObject *o, struct buf *out)
{
    if (!PyUnicode_IS_COMPACT_ASCII(o)) return false;
    size_t len = (size_t)PyUnicode_GET_LENGTH(o);
    const char *from = (const char *)PyUnicode_1BYTE_DATA(o);
    if (len > BYTES_MAX - MIN(out->len, (size_t)BYTES_MAX)) return false;
    buf_reserve(out, len + 2);
    char *to = out->ptr + out->len;
    unsigned odd = 0;
    to[0] = '\'';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        odd |= (unsigned)(c < ' ') | (unsigned)(c == 0x7f) | (unsigned)(c == '\'') |
               (unsigned)(c == '\\');
        to[i + 1] = (char)c;
    }
    to[len + 1] = '\'';
    out->len += len + 2;
    return !odd;
}

static bool integer(PyObject *o, struct buf *out)
{
    char digits[NUM_I64_LEN];
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) return false;
    buf_append(out, digits, num_format_i64(digits, n));
    return true;
}

static bool plain(PyObject *o, struct buf *out, int depth);

static bool items(PyObject *const *list, Py_ssize_t count, struct buf *out, int depth)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i) buf_append(out, ", ", 2);
        if (!plain(list[i], out, depth + 1)) return false;
    }
    return true;
}

static bool dict(PyObject *o, struct buf *out, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    buf_append_char(out, '{');
    for (bool first = true; PyDict_Next(o, &at, &key, &value); first = false) {
        if (!first) buf_append(out, ", ", 2);
        if (!plain(key, out, depth + 1)) return false;
        buf_append(out, ": ", 2);
        if (!plain(value, out, depth + 1)) return false;
    }
    buf_append_char(out, '}');
    return true;
}

static bool plain(PyObject *o, struct buf *out, int depth)
{
    if (depth > DEPTH_MAX || out->len > BYTES_MAX) return false;
    if (PyUnicode_CheckExact(o)) return text(o, out);
    if (PyLong_CheckExact(o)) return integer(o, out);
    if (PyDict_CheckExact(o)) return dict(o, out, depth);
    if (PyList_CheckExact(o)) {
        buf_append_char(out, '[');
        bool done = items(((PyListObject *)o)->ob_item, PyList_GET_SIZE(o), out, depth);
        buf_append_char(out, ']');
        return done;
    }
    if (PyTuple_CheckExact(o) && PyTuple_GET_SIZE(o) > 1) {
        buf_append_char(out, '(');
        bool done = items(((PyTupleObject *)o)->ob_item, PyTuple_GET_SIZE(o), out, depth);
        buf_append_char(out, ')');
        return done;
    }
    if (o != Py_None && !PyBool_Check(o)) return false;
    buf_append_cstr(out, o == Py_None ? "None" : o == Py_True ? "True" : "False");
    return true;
}

bool gpy__plain_text(PyObject *o, struct buf *out)
{
    if (!PyDict_CheckExact(o) && !PyList_CheckExact(o) && !PyTuple_CheckExact(o)) return false;
    size_t start = out->len;
    if (plain(o, out, 0)) return true;
    out->len = start;
    return false;
}
