/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between Python objects and the server's own forms: bytes to str, tapes to objects (replies of
 * execute), objects to tapes (results), batches to records.
 *
 * Objects belong to scripts: a list may contain itself, change while it is read, or be a million
 * deep. So depth is bounded here, lengths are read anew at each element, and elements are held
 * by a reference of our own while they are looked at.
 */
#include "gears/py/gpy_core.h"

/* Deeper results are an error. Clients have their own limits, of 8 to some hundreds. */
#define NESTING_MAX 128

/* ---- text ---- */

PyObject *gpy__text(struct view v)
{
    PyObject *s = PyUnicode_DecodeUTF8(v.ptr, (Py_ssize_t)v.len, NULL);
    if (likely(s != NULL)) return s;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return NULL;
    PyErr_Clear();
    return PyByteArray_FromStringAndSize(v.ptr, (Py_ssize_t)v.len);
}

/* As gpy__text for the keys of a dict, which must be hashable. */
static PyObject *field_name(struct view v)
{
    PyObject *s = PyUnicode_DecodeUTF8(v.ptr, (Py_ssize_t)v.len, NULL);
    if (likely(s != NULL)) return s;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return NULL;
    PyErr_Clear();
    return PyBytes_FromStringAndSize(v.ptr, (Py_ssize_t)v.len);
}

bool gpy__utf8(PyObject *str, PyObject **hold, struct view *out)
{
    Py_ssize_t len;
    *hold = NULL;
    const char *p = PyUnicode_AsUTF8AndSize(str, &len);
    if (likely(p != NULL)) {
        *out = view_of(p, (size_t)len);
        return true;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return false;
    PyErr_Clear();
    *hold = PyUnicode_AsEncodedString(str, "utf-8", "surrogatepass");
    if (!*hold) return false;
    *out = view_of(PyBytes_AS_STRING(*hold), (size_t)PyBytes_GET_SIZE(*hold));
    return true;
}

/* ---- tape to objects ---- */

static PyObject *from_tape(const struct tape *t, size_t *pos, int depth);

static PyObject *list_from_tape(const struct tape *t, size_t *pos, uint64_t count, int depth)
{
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < count; i++) {
        PyObject *item = from_tape(t, pos, depth + 1);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *double_text(double d)
{
    char text[NUM_DOUBLE_LEN];
    size_t len = num_format_double(text, d);
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, NULL);
}

static PyObject *raise_error(struct view text)
{
    PyObject *s = PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, "replace");
    if (s) PyErr_SetObject(gpy__names.error, s);
    Py_XDECREF(s);
    return NULL;
}

static PyObject *from_tape(const struct tape *t, size_t *pos, int depth)
{
    struct tape_node n;
    if (depth > NESTING_MAX || !tape_next(t, pos, &n)) {
        PyErr_SetString(gpy__names.error, "the reply is nested too deeply");
        return NULL;
    }
    switch (n.type) {
    case TAPE_INT: return PyLong_FromLongLong(n.u.i64);
    case TAPE_DOUBLE: return double_text(n.u.f64);
    case TAPE_BOOL: return PyLong_FromLong(n.u.boolean);
    case TAPE_NULL:
    case TAPE_NULL_ARRAY: Py_RETURN_NONE;
    case TAPE_BULK:
    case TAPE_STATUS:
    case TAPE_BIGNUM: return gpy__text(n.u.bytes);
    case TAPE_VERBATIM: return gpy__text(view_of(n.u.bytes.ptr + 3, n.u.bytes.len - 3));
    case TAPE_ERROR: return raise_error(n.u.bytes);
    case TAPE_MAP: return list_from_tape(t, pos, n.u.count * 2, depth);
    case TAPE_ARRAY:
    case TAPE_SET:
    case TAPE_PUSH: return list_from_tape(t, pos, n.u.count, depth);
    }
    Py_UNREACHABLE();
}

PyObject *gpy__from_tape(const struct tape *t, size_t *pos)
{
    return from_tape(t, pos, 0);
}

/* ---- objects to tape ---- */

/* Nodes between two looks at whether a stop is wanted. */
#define STOP_LOOK_NODES 4096

struct writer {
    struct tape *out;
    const struct gpy_form *form;
    unsigned nodes;
};

static bool to_tape(struct writer *w, PyObject *o, int depth);
static bool native_to_tape(struct writer *w, PyObject *o, int depth);

static void raise_too_large(const struct writer *w)
{
    if (w->form->bytes_of == GLIMIT_COUNT) {
        PyErr_SetString(gpy__names.error, "the results are larger than gears-max-memory");
        return;
    }
    struct buf text = {0};
    buf_append_cstr(&text, "Limit met: ");
    glimit_text(w->form->bytes_of, (int64_t)w->form->max_bytes, &text);
    PyErr_SetString(gpy__names.flat_error, buf_cstr(&text));
    buf_release(&text);
}

/* A list that contains another twice, and so on, is small and its text is not: both size and a
 * stop are looked at on the way. */
static bool may_go_on(struct writer *w)
{
    if (w->form->max_bytes && w->out->bytes.len > w->form->max_bytes) {
        raise_too_large(w);
        return false;
    }
    if (++w->nodes % STOP_LOOK_NODES) return true;
    struct gstop *stop = gpy__me()->now.stop;
    if (!stop || !atomic_load_explicit(&stop->wanted, memory_order_relaxed)) return true;
    PyErr_SetNone(gpy__names.force_stopped);
    return false;
}

static bool list_to_tape(struct writer *w, PyObject *list, int depth)
{
    if (depth >= NESTING_MAX) {
        PyErr_Format(gpy__names.error, "the result is nested more than %d deep", NESTING_MAX);
        return false;
    }
    size_t head = tape_aggregate(w->out, TAPE_ARRAY, 0);
    uint64_t count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++, count++) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(list, i));
        bool done = to_tape(w, item, depth + 1);
        Py_DECREF(item);
        if (!done) return false;
    }
    tape_patch(w->out, head, TAPE_ARRAY, count);
    return true;
}

/* A first character '+' or '-' makes a status or an error of the rest, as long as there is one. */
static void text_to_tape(struct view v, struct tape *out)
{
    if (v.len > 1 && (v.ptr[0] == '+' || v.ptr[0] == '-')) {
        enum tape_type type = v.ptr[0] == '+' ? TAPE_STATUS : TAPE_ERROR;
        tape_bytes(out, type, v.ptr + 1, v.len - 1);
        for (size_t i = out->bytes.len - (v.len - 1); i < out->bytes.len; i++)
            if (out->bytes.ptr[i] == '\r' || out->bytes.ptr[i] == '\n') out->bytes.ptr[i] = ' ';
        return;
    }
    tape_bytes(out, TAPE_BULK, v.ptr, v.len);
}

static bool str_to_tape(PyObject *s, struct tape *out)
{
    PyObject *hold;
    struct view v;
    if (!gpy__utf8(s, &hold, &v)) return false;
    text_to_tape(v, out);
    Py_XDECREF(hold);
    return true;
}

/* An integer beyond 64 bits has no RESP2 type: its digits go as a string, or as a big number. */
static bool int_to_tape(PyObject *o, struct tape *out, enum tape_type big)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) {
        if (n == -1 && PyErr_Occurred()) return false;
        tape_int(out, n);
        return true;
    }
    PyObject *digits = PyLong_Type.tp_repr(o);
    if (!digits) return false;
    Py_ssize_t len;
    const char *p = PyUnicode_AsUTF8AndSize(digits, &len);
    if (p) tape_bytes(out, big, p, (size_t)len);
    Py_DECREF(digits);
    return p != NULL;
}

/* Six decimals, whatever the locale says. */
static bool float_to_tape(double d, struct tape *out)
{
    char *text = PyOS_double_to_string(d, 'f', 6, 0, NULL);
    if (!text) return false;
    tape_bytes(out, TAPE_BULK, text, strlen(text));
    PyMem_Free(text);
    return true;
}

static void bytes_to_tape(const char *ptr, Py_ssize_t len, struct tape *out)
{
    tape_bytes(out, TAPE_BULK, ptr, (size_t)len);
}

static bool to_tape(struct writer *w, PyObject *o, int depth)
{
    struct tape *out = w->out;
    if (!may_go_on(w)) return false;
    if (w->form->native) return native_to_tape(w, o, depth);
    if (PyUnicode_Check(o)) return str_to_tape(o, out);
    if (PyLong_Check(o)) return int_to_tape(o, out, TAPE_BULK);
    if (PyList_Check(o)) return list_to_tape(w, o, depth);
    if (PyFloat_Check(o)) return float_to_tape(PyFloat_AS_DOUBLE(o), out);
    if (PyBytes_Check(o))
        bytes_to_tape(PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), out);
    else
        tape_bytes(out, TAPE_BULK, "PY RECORD", 9);
    return true;
}

/* ---- NATIVE: each type as RESP3 has it ---- */

static bool nests_too_deep(int depth)
{
    if (depth < NESTING_MAX) return false;
    PyErr_Format(gpy__names.error, "the result is nested more than %d deep", NESTING_MAX);
    return true;
}

/* What is in a dictionary may go while its neighbours are written, for memory that is asked for may
 * have garbage collected: so references of our own, and PyDict_Next, which looks anew each time. */
static bool dict_to_tape(struct writer *w, PyObject *dict, int depth)
{
    size_t head = tape_aggregate(w->out, TAPE_MAP, 0);
    uint64_t count = 0;
    Py_ssize_t at = 0;
    PyObject *key, *value;
    for (; PyDict_Next(dict, &at, &key, &value); count++) {
        Py_INCREF(key);
        Py_INCREF(value);
        bool done = to_tape(w, key, depth + 1) && to_tape(w, value, depth + 1);
        Py_DECREF(key);
        Py_DECREF(value);
        if (!done) return false;
    }
    tape_patch(w->out, head, TAPE_MAP, count);
    return true;
}

/* The iterator is that of set and frozenset themselves, whatever a subclass says. */
static bool set_to_tape(struct writer *w, PyObject *set, int depth)
{
    PyObject *it = PySet_Type.tp_iter(set), *item;
    size_t head = tape_aggregate(w->out, TAPE_SET, 0);
    uint64_t count = 0;
    bool done = it != NULL;
    for (; done && (item = PyIter_Next(it)); count++) {
        done = to_tape(w, item, depth + 1);
        Py_DECREF(item);
    }
    Py_XDECREF(it);
    tape_patch(w->out, head, TAPE_SET, count);
    return done && !PyErr_Occurred();
}

static bool tuple_to_tape(struct writer *w, PyObject *tuple, int depth)
{
    tape_aggregate(w->out, TAPE_ARRAY, (uint64_t)PyTuple_GET_SIZE(tuple));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        if (!to_tape(w, PyTuple_GET_ITEM(tuple, i), depth + 1)) return false;
    return true;
}

/* No first character of a string means anything. */
static bool text_as_it_is(PyObject *s, struct tape *out)
{
    PyObject *hold;
    struct view v;
    if (!gpy__utf8(s, &hold, &v)) return false;
    tape_bytes(out, TAPE_BULK, v.ptr, v.len);
    Py_XDECREF(hold);
    return true;
}

static bool native_to_tape(struct writer *w, PyObject *o, int depth)
{
    struct tape *out = w->out;
    if (PyUnicode_Check(o)) return text_as_it_is(o, out);
    if (PyLong_Check(o) && !PyBool_Check(o)) return int_to_tape(o, out, TAPE_BIGNUM);
    if (PyList_Check(o)) return list_to_tape(w, o, depth);
    bool dict = PyDict_Check(o), set = PyAnySet_Check(o), tuple = PyTuple_Check(o);
    if ((dict || set || tuple) && nests_too_deep(depth)) return false;
    if (dict) return dict_to_tape(w, o, depth);
    if (set) return set_to_tape(w, o, depth);
    if (tuple) return tuple_to_tape(w, o, depth);
    if (PyFloat_Check(o))
        tape_double(out, PyFloat_AS_DOUBLE(o));
    else if (PyBool_Check(o))
        tape_bool(out, o == Py_True);
    else if (o == Py_None)
        tape_plain(out, TAPE_NULL);
    else if (PyBytes_Check(o))
        bytes_to_tape(PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), out);
    else if (PyByteArray_Check(o))
        bytes_to_tape(PyByteArray_AS_STRING(o), PyByteArray_GET_SIZE(o), out);
    else
        tape_bytes(out, TAPE_BULK, "PY RECORD", 9);
    return true;
}

bool gpy__to_tape(PyObject *o, struct tape *out, const struct gpy_form *form)
{
    struct writer w = {.out = out, .form = form};
    size_t start = out->bytes.len;
    if (to_tape(&w, o, 0)) return true;
    out->bytes.len = start;
    return false;
}

/* ---- records ---- */

static PyObject *list_value(const struct gread_batch *b, const struct gread_record *r)
{
    PyObject *list = PyList_New((Py_ssize_t)r->part_count);
    for (size_t i = 0; list && i < r->part_count; i++) {
        PyObject *item = gpy__text(gread_view(b, b->parts[r->first_part + i]));
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *hash_value(const struct gread_batch *b, const struct gread_record *r)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i + 1 < r->part_count; i += 2) {
        PyObject *field = field_name(gread_view(b, b->parts[r->first_part + i]));
        PyObject *value = field ? gpy__text(gread_view(b, b->parts[r->first_part + i + 1])) : NULL;
        if (!value || PyDict_SetItem(dict, field, value)) Py_CLEAR(dict);
        Py_XDECREF(field);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *record_value(const struct gread_batch *b, const struct gread_record *r)
{
    switch (r->type) {
    case GREAD_STRING: return gpy__text(gread_view(b, b->parts[r->first_part]));
    case GREAD_LIST: return list_value(b, r);
    case GREAD_HASH: return hash_value(b, r);
    default: Py_RETURN_NONE;
    }
}

/* Puts a new reference into a dict and gives it away. */
static inline bool put(PyObject *dict, PyObject *name, PyObject *take_value)
{
    if (!take_value) return false;
    bool done = PyDict_SetItem(dict, name, take_value) == 0;
    Py_DECREF(take_value);
    return done;
}

/* The dict is a copy of one that has all names already: a copy is one allocation, and replacing
 * a value doesn't grow it. */
PyObject *gpy__record(const struct gread_batch *b, size_t i, bool with_value)
{
    const struct gread_record *r = &b->records[i];
    PyObject *dict = PyDict_Copy(with_value ? gpy__names.one_record : gpy__names.one_key);
    if (!dict) return NULL;
    bool done = put(dict, gpy__names.key, gpy__text(gread_view(b, r->key)));
    if (done && with_value)
        done = PyDict_SetItem(dict, gpy__names.type, gpy__names.type_names[r->type]) == 0 &&
               put(dict, gpy__names.value, record_value(b, r));
    if (done) return dict;
    Py_DECREF(dict);
    return NULL;
}

/* {"key": text, "id": text, "value": {name: value}}; of several fields of one name the last. */
PyObject *gpy__entry_record(const struct gread_batch *b, size_t i)
{
    struct gread_record r = b->records[i];
    PyObject *dict = PyDict_Copy(gpy__names.one_entry);
    if (!dict) return NULL;
    bool done = put(dict, gpy__names.key, gpy__text(gread_view(b, r.key))) &&
                put(dict, gpy__names.id, gpy__text(gread_view(b, b->parts[r.first_part])));
    r.first_part++;
    r.part_count--;
    if (done && put(dict, gpy__names.value, hash_value(b, &r))) return dict;
    Py_DECREF(dict);
    return NULL;
}

static PyObject *words_record(const struct gpy_input *input)
{
    PyObject *list = PyList_New(input->word_count);
    for (int i = 0; list && i < input->word_count; i++) {
        PyObject *word = gpy__text(arg_view(&input->words[i]));
        if (word)
            PyList_SET_ITEM(list, i, word);
        else
            Py_CLEAR(list);
    }
    return list;
}

#define EVENT_NAMES 64

/* The name of an event: static text, and one of few. */
static PyObject *event_name(struct view name)
{
    static struct {
        const char *ptr;
        PyObject *text;
    } known[EVENT_NAMES]; /* guard: the GIL */
    size_t at = ((uintptr_t)name.ptr >> 2) % EVENT_NAMES;
    if (likely(known[at].ptr == name.ptr && known[at].text)) return Py_NewRef(known[at].text);
    PyObject *text = PyUnicode_DecodeUTF8(name.ptr, (Py_ssize_t)name.len, NULL);
    if (!text) return NULL;
    known[at].ptr = name.ptr;
    Py_XSETREF(known[at].text, Py_NewRef(text));
    return text;
}

PyObject *gpy__event_record(const struct gpy_input *input)
{
    if (input->words) return words_record(input);
    if (input->time_ms) return Py_BuildValue("{s:L}", "time", (long long)input->time_ms);
    bool with_value = input->has_value && input->value && input->value->count;
    PyObject *dict = PyDict_Copy(with_value ? gpy__names.one_record : gpy__names.one_key);
    if (!dict) return NULL;
    bool done = put(dict, gpy__names.event, event_name(input->event)) &&
                put(dict, gpy__names.key, gpy__text(input->key));
    if (done && with_value) {
        const struct gread_record *r = &input->value->records[0];
        done = PyDict_SetItem(dict, gpy__names.type, gpy__names.type_names[r->type]) == 0 &&
               put(dict, gpy__names.value, record_value(input->value, r));
    }
    if (done && input->has_old) {
        size_t at = input->has_value;
        bool known = input->value && input->value->count > at;
        done = put(dict, gpy__names.old_value,
                   known ? record_value(input->value, &input->value->records[at])
                         : Py_NewRef(Py_None));
    }
    if (done) return dict;
    Py_DECREF(dict);
    return NULL;
}
