/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * str() of plain things, without objects: the text of a dict, list or tuple of ASCII texts,
 * integers and the like, which is what most results are. str() of such a record costs ten times as
 * much as to make it. What isn't plain here (a text beyond ASCII, a float, any other type) is left
 * to Python, so the two can't differ.
 *
 * Nothing here runs code of a script's: all types are exact, and their own.
 */
#include "gears/py/gpy_core.h"

#define DEPTH_MAX 4
#define BYTES_MAX 65536

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* Whether one of eight ASCII bytes is below a space or is DEL, a quote or a backslash. The high bit
 * of a byte is free for what comes of it. */
static uint64_t odd_in_8(uint64_t bytes)
{
    uint64_t quote = bytes ^ EACH('\''), backslash = bytes ^ EACH('\\');
    uint64_t none = (quote + EACH(0x7f)) & (backslash + EACH(0x7f)) & (bytes + EACH(0x80 - ' ')) &
                    ~(bytes + 0x0101010101010101ULL);
    return ~none & EACH(0x80);
}

static bool any_odd(const char *from, size_t len)
{
    uint64_t odd = 0, bytes;
    size_t i = 0;
    for (; i + sizeof(bytes) <= len; i += sizeof(bytes)) {
        memcpy(&bytes, from + i, sizeof(bytes));
        odd |= odd_in_8(bytes);
    }
    bytes = EACH(' ');
    memcpy(&bytes, from + i, len - i);
    return odd | odd_in_8(bytes);
}

/* One that is odd, and perhaps a quote that isn't. */
static char *put_escaped(char *to, char c, char quote)
{
    static const char hex[] = "0123456789abcdef";
    char shown = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\\' ? c : 0;
    if (c == quote) shown = c;
    if (shown) {
        *to++ = '\\';
        *to++ = shown;
    } else if (c < ' ' || c == 0x7f) {
        *to++ = '\\';
        *to++ = 'x';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    } else {
        *to++ = c;
    }
    return to;
}

/* As repr(), between quotes of the kind that isn't in it, if there is one. */
static void escaped(const char *from, size_t len, struct buf *out)
{
    char quote = memchr(from, '\'', len) && !memchr(from, '"', len) ? '"' : '\'';
    buf_reserve(out, 4 * len + 2);
    char *to = out->ptr + out->len;
    *to++ = quote;
    for (size_t i = 0; i < len;) {
        uint64_t bytes;
        if (i + sizeof(bytes) <= len) {
            memcpy(&bytes, from + i, sizeof(bytes));
            if (!odd_in_8(bytes)) {
                memcpy(to, &bytes, sizeof(bytes));
                to += sizeof(bytes);
                i += sizeof(bytes);
                continue;
            }
        }
        for (size_t end = MIN(i + sizeof(bytes), len); i < end; i++)
            to = put_escaped(to, from[i], quote);
    }
    *to++ = quote;
    out->len = (size_t)(to - out->ptr);
}

/* repr() of an ASCII text: a copy, as a rule, in which nothing need be escaped. */
static bool text(PyObject *o, struct buf *out)
{
    if (!PyUnicode_IS_COMPACT_ASCII(o)) return false;
    size_t len = (size_t)PyUnicode_GET_LENGTH(o);
    const char *from = (const char *)PyUnicode_1BYTE_DATA(o);
    if (len > BYTES_MAX - MIN(out->len, (size_t)BYTES_MAX)) return false;
    if (unlikely(any_odd(from, len))) {
        escaped(from, len, out);
        return true;
    }
    buf_reserve(out, len + 2);
    char *to = out->ptr + out->len;
    to[0] = '\'';
    memcpy(to + 1, from, len);
    to[len + 1] = '\'';
    out->len += len + 2;
    return true;
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
