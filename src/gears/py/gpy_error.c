/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of a Python failure as clients see it: the repr of what traceback.format_exception
 * gives, so that one line holds it; for gears.flat_error just its message; without a traceback
 * (or if PythonAttemptTraceback is 0) a line of type and value.
 *
 * Formatting runs code of the script's (__str__, __repr__ of the exception), which may raise,
 * loop or return what it likes: whatever happens, some text comes out, and its length is bounded.
 */
#include "base/log.h"
#include "gears/py/gpy_core.h"

#define ERROR_TEXT_MAX 4096

/* Appends text, leaving out the middle of what is too long: of a traceback the end matters most. */
static void append_bounded(struct buf *out, struct view text)
{
    static const char gap[] = " ... ";
    if (text.len <= ERROR_TEXT_MAX) {
        buf_append_view(out, text);
        return;
    }
    size_t half = (ERROR_TEXT_MAX - sizeof(gap)) / 2;
    size_t head = half, tail = text.len - half;
    while (head > 0 && ((unsigned char)text.ptr[head] & 0xc0) == 0x80) head--;
    while (tail < text.len && ((unsigned char)text.ptr[tail] & 0xc0) == 0x80) tail++;
    buf_append(out, text.ptr, head);
    buf_append_cstr(out, gap);
    buf_append(out, text.ptr + tail, text.len - tail);
}

static bool append_str(struct buf *out, PyObject *s)
{
    PyObject *hold;
    struct view text;
    if (!s || !PyUnicode_Check(s) || !gpy__utf8(s, &hold, &text)) {
        PyErr_Clear();
        return false;
    }
    append_bounded(out, text);
    Py_XDECREF(hold);
    return true;
}

/* str(o), never with an exception left behind. */
static bool append_str_of(struct buf *out, PyObject *o)
{
    PyObject *s = o ? PyObject_Str(o) : NULL;
    if (!s) PyErr_Clear();
    bool done = append_str(out, s);
    Py_XDECREF(s);
    return done;
}

static bool append_traceback(struct buf *out, PyObject *type, PyObject *value, PyObject *trace)
{
    PyObject *lines = PyObject_CallFunctionObjArgs(gpy__names.format_exception, type,
                                                   value ? value : Py_None,
                                                   trace ? trace : Py_None, NULL);
    PyObject *text = lines ? PyObject_Repr(lines) : NULL;
    PyErr_Clear();
    bool done = append_str(out, text);
    Py_XDECREF(text);
    Py_XDECREF(lines);
    return done;
}

void gpy__error_text(bool traceback, struct buf *out)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (!type) {
        buf_append_cstr(out, "unknown error");
        return;
    }
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace) PyException_SetTraceback(value, trace);
    bool done = false;
    if (gpy__names.flat_error && PyErr_GivenExceptionMatches(type, gpy__names.flat_error))
        done = append_str_of(out, value);
    else if (traceback && gpy__names.format_exception)
        done = append_traceback(out, type, value, trace);
    if (!done) {
        buf_append_cstr(out, "Error type: ");
        if (!append_str_of(out, type)) buf_append_cstr(out, "unknown");
        buf_append_cstr(out, ", Value: ");
        if (!append_str_of(out, value)) buf_append_cstr(out, "unknown");
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    PyErr_Clear(); /* what their end may have left */
}

/* What the script raised meanwhile, or hung on to the stop, is dropped while it can still be
 * stopped: formatting it would run its code. */
void gpy__error_bare_stop(void)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    Py_XDECREF(type);
    Py_XDECREF(value);
    PyErr_Restore(Py_NewRef(gpy__names.force_stopped), NULL, trace);
}

void gpy__error_log(const char *what)
{
    struct buf text = {0};
    gpy__error_text(true, &text);
    const struct gsession *session = gpy__me()->now.session;
    log_warning("Gears: session %.64s: %s: %s", session ? session->id : "unknown", what,
                buf_cstr(&text));
    buf_release(&text);
}
