/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extensions in C, on the side of the interpreter: the api's members that deal with values (a
 * gears_value is a PyObject), `native`, which makes a callback of an extension's function, and the
 * iterator over an extension's reader.
 *
 * An extension is trusted as the server is, but its mistakes should be found where they are made:
 * a NULL for a value is a failure that was noted, and a failure without a reason gets one.
 */
#include "gears/gext.h"
#include "gears/py/gpy_core.h"

static PyObject *object(const struct gears_value *value)
{
    return (PyObject *)(uintptr_t)value;
}

static struct gears_value *value_of(PyObject *o)
{
    return (struct gears_value *)o;
}

/* Ends a call of an extension's that returned what it did. */
static PyObject *ended(struct gears_value *result, const char *what, const char *name)
{
    if (result && PyErr_Occurred()) {
        Py_DECREF(object(result));
        return NULL;
    }
    if (!result && !PyErr_Occurred())
        PyErr_Format(gpy__names.flat_error, "%s %s failed without a reason", what, name);
    return object(result);
}

/* ---- values ---- */

static struct gears_value *make_none(void)
{
    return value_of(Py_NewRef(Py_None));
}

static struct gears_value *make_truth(bool yes)
{
    return value_of(PyBool_FromLong(yes));
}

static struct gears_value *make_integer(int64_t n)
{
    return value_of(PyLong_FromLongLong(n));
}

static struct gears_value *make_number(double n)
{
    return value_of(PyFloat_FromDouble(n));
}

static struct gears_value *make_text(const char *bytes, size_t len)
{
    return value_of(gpy__text(view_of(bytes, len)));
}

static struct gears_value *make_list(void)
{
    return value_of(PyList_New(0));
}

static struct gears_value *make_dict(void)
{
    return value_of(PyDict_New());
}

static struct gears_value *keep(const struct gears_value *value)
{
    return value_of(Py_XNewRef(object(value)));
}

static void drop(struct gears_value *take_value)
{
    Py_XDECREF(object(take_value));
}

static bool append(struct gears_value *list, struct gears_value *take_item)
{
    PyObject *item = object(take_item);
    if (!item) return false;
    int failed = PyList_Append(object(list), item); /* says so if it isn't one */
    Py_DECREF(item);
    return !failed;
}

static bool set(struct gears_value *dict, const char *key, size_t key_len,
                struct gears_value *take_item)
{
    PyObject *item = object(take_item);
    if (!item) return false;
    PyObject *name = PyUnicode_DecodeUTF8(key, (Py_ssize_t)key_len, "surrogateescape");
    int failed = name ? PyDict_SetItem(object(dict), name, item) : -1;
    Py_XDECREF(name);
    Py_DECREF(item);
    return !failed;
}

static enum gears_kind kind(const struct gears_value *value)
{
    PyObject *o = object(value);
    if (o == Py_None) return GEARS_NONE;
    if (PyBool_Check(o)) return GEARS_BOOL;
    if (PyLong_Check(o)) return GEARS_INTEGER;
    if (PyFloat_Check(o)) return GEARS_NUMBER;
    if (PyUnicode_Check(o) || PyBytes_Check(o) || PyByteArray_Check(o)) return GEARS_TEXT;
    if (PyList_Check(o)) return GEARS_LIST;
    return PyDict_Check(o) ? GEARS_DICT : GEARS_OTHER;
}

static bool as_integer(const struct gears_value *value, int64_t *out)
{
    int overflow;
    if (!PyLong_Check(object(value))) return false;
    *out = PyLong_AsLongLongAndOverflow(object(value), &overflow);
    return !overflow;
}

static bool as_number(const struct gears_value *value, double *out)
{
    PyObject *o = object(value);
    if (PyFloat_Check(o)) {
        *out = PyFloat_AS_DOUBLE(o);
        return true;
    }
    if (!PyLong_Check(o)) return false;
    *out = PyLong_AsDouble(o);
    if (!PyErr_Occurred()) return true;
    PyErr_Clear();
    return false;
}

static bool as_text(const struct gears_value *value, const char **bytes_out, size_t *len_out)
{
    PyObject *o = object(value);
    Py_ssize_t len;
    if (PyBytes_Check(o)) {
        *bytes_out = PyBytes_AS_STRING(o);
        *len_out = (size_t)PyBytes_GET_SIZE(o);
    } else if (PyByteArray_Check(o)) {
        *bytes_out = PyByteArray_AS_STRING(o);
        *len_out = (size_t)PyByteArray_GET_SIZE(o);
    } else if (PyUnicode_Check(o) && (*bytes_out = PyUnicode_AsUTF8AndSize(o, &len))) {
        *len_out = (size_t)len;
    } else {
        PyErr_Clear(); /* lone surrogates are no text */
        return false;
    }
    return true;
}

static size_t length(const struct gears_value *value)
{
    PyObject *o = object(value);
    if (PyList_Check(o)) return (size_t)PyList_GET_SIZE(o);
    return PyDict_Check(o) ? (size_t)PyDict_GET_SIZE(o) : 0;
}

static struct gears_value *item(const struct gears_value *list, size_t i)
{
    PyObject *o = object(list);
    if (PyList_Check(o) && i < (size_t)PyList_GET_SIZE(o))
        return value_of(PyList_GET_ITEM(o, (Py_ssize_t)i));
    PyErr_SetString(PyExc_IndexError, "no list, or it is shorter");
    return NULL;
}

static struct gears_value *lookup(const struct gears_value *dict, const char *key, size_t len)
{
    PyObject *name = PyUnicode_DecodeUTF8(key, (Py_ssize_t)len, "surrogateescape");
    PyObject *found = NULL;
    if (name && !PyDict_Check(object(dict)))
        PyErr_SetString(PyExc_TypeError, "no dictionary");
    else if (name && !(found = PyDict_GetItemWithError(object(dict), name)) && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, name);
    Py_XDECREF(name);
    return value_of(found);
}

/* ---- failing, stopping, waiting ---- */

static void fail(const char *why)
{
    PyErr_SetString(gpy__names.flat_error, why);
}

static bool stopping(void)
{
    const struct gstop *stop = gpy__me()->now.stop;
    return stop && atomic_load(&stop->wanted);
}

static void without_lock(void (*fn)(void *ctx), void *ctx)
{
    struct gpy_thread *me = gpy__here();
    PyObject *type, *reason, *trace;
    PyErr_Fetch(&type, &reason, &trace);
    PyThreadState *state = gpy__release_gil(me);
    fn(ctx);
    gpy__retake_gil(me, state);
    PyErr_Restore(type, reason, trace);
}

/* ---- calls ---- */

static struct gears_value *run_command(int argc, const char *const *argv, const size_t *lens)
{
    if (argc < 1) {
        PyErr_SetString(gpy__names.error, "the given command must be a string");
        return NULL;
    }
    PyObject *words = PyTuple_New(argc), *reply = NULL;
    bool complete = words != NULL;
    for (int i = 0; complete && i < argc; i++) {
        PyObject *word = i ? PyBytes_FromStringAndSize(argv[i], (Py_ssize_t)lens[i])
                           : PyUnicode_DecodeUTF8(argv[i], (Py_ssize_t)lens[i], "surrogateescape");
        complete = word != NULL;
        if (word) PyTuple_SET_ITEM(words, i, word);
    }
    if (complete) reply = gpy__execute(NULL, PySequence_Fast_ITEMS(words), argc);
    Py_XDECREF(words);
    return value_of(reply);
}

static struct gears_value *make_builder(const char *reader)
{
    PyObject *type = PyDict_GetItemString(gpy__names.prelude, "GearsBuilder");
    if (type) return value_of(PyObject_CallFunction(type, "s", reader));
    PyErr_SetString(gpy__names.error, "the prelude lacks a name");
    return NULL;
}

static struct gears_value *call_method(struct gears_value *of, const char *method,
                                       const struct gears_value *args,
                                       const struct gears_value *named)
{
    PyObject *callable = PyObject_GetAttrString(object(of), method);
    PyObject *words = args ? PySequence_Tuple(object(args)) : PyTuple_New(0);
    PyObject *result = NULL;
    if (callable && words) result = PyObject_Call(callable, words, object(named));
    Py_XDECREF(callable);
    Py_XDECREF(words);
    return value_of(result);
}

/* ---- native(name, bound): a callback ---- */

struct native {
    PyObject_HEAD vectorcallfunc call;
    const struct gears_function *function;
    PyObject *bound; /* NULL: none */
};

static PyObject *native_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    const struct native *n = (const struct native *)self;
    if (names && PyTuple_GET_SIZE(names)) {
        PyErr_SetString(PyExc_TypeError, "a native function takes no named arguments");
        return NULL;
    }
    return ended(n->function->call(value_of(n->bound), (int)PyVectorcall_NARGS(nargsf),
                                   (struct gears_value *const *)args),
                 "the native function", n->function->name);
}

static PyObject *new_native(PyTypeObject *type, PyObject *name, PyObject *bound)
{
    Py_ssize_t len;
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &len) : NULL;
    const struct gears_function *function = text ? gext_function(view_of(text, (size_t)len)) : NULL;
    if (!function) {
        PyErr_Clear();
        return PyErr_Format(gpy__names.error, "no extension has a function %R", name);
    }
    /* What can't hold a reference to us, or change in other hands. */
    if (bound && !PyUnicode_CheckExact(bound) && !PyBytes_CheckExact(bound) &&
        !PyLong_CheckExact(bound) && !PyFloat_CheckExact(bound)) {
        PyErr_SetString(gpy__names.error,
                        "the argument of a native function must be str, bytes, int or float");
        return NULL;
    }
    struct native *n = (struct native *)type->tp_alloc(type, 0);
    if (!n) return NULL;
    n->call = native_call;
    n->function = function;
    n->bound = Py_XNewRef(bound);
    return (PyObject *)n;
}

static PyObject *native_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *name, *bound = Py_None;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "native() takes no named arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O|O:native", &name, &bound)) return NULL;
    return new_native(type, name, bound == Py_None ? NULL : bound);
}

static struct gears_value *make_native(const char *function, const struct gears_value *bound)
{
    PyObject *name = PyUnicode_FromString(function), *given = object(bound);
    PyObject *n =
        name ? new_native(&gpy__native_type, name, given == Py_None ? NULL : given) : NULL;
    Py_XDECREF(name);
    return value_of(n);
}

static void native_free(PyObject *self)
{
    Py_XDECREF(((struct native *)self)->bound);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *native_repr(PyObject *self)
{
    const struct native *n = (const struct native *)self;
    if (!n->bound) return PyUnicode_FromFormat("<native %s>", n->function->name);
    return PyUnicode_FromFormat("<native %s %R>", n->function->name, n->bound);
}

/* It travels as its name and argument. */
static PyObject *native_reduce(PyObject *self, PyObject *unused)
{
    UNUSED(unused);
    const struct native *n = (const struct native *)self;
    return Py_BuildValue("O(sO)", Py_TYPE(self), n->function->name, n->bound ? n->bound : Py_None);
}

static PyObject *native_name(PyObject *self, void *unused)
{
    UNUSED(unused);
    return PyUnicode_FromString(((const struct native *)self)->function->name);
}

static PyMethodDef native_methods[] = {
    {"__reduce__", native_reduce, METH_NOARGS, "Pickled by name."}, {NULL, NULL, 0, NULL}};

static PyGetSetDef native_attributes[] = {
    {"__name__", native_name, NULL, "The function's name.", NULL}, {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject gpy__native_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears.native",
    .tp_basicsize = sizeof(struct native),
    .tp_vectorcall_offset = offsetof(struct native, call),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "native(name, argument=None): a function of an extension, as a callback.",
    .tp_methods = native_methods,
    .tp_getset = native_attributes,
    .tp_repr = native_repr,
    .tp_new = native_new,
    .tp_dealloc = native_free};

/* ---- the records of an extension's reader ---- */

struct rows {
    PyObject_HEAD const struct gears_reader *reader;
    void *state; /* NULL: closed */
};

static void rows_close(struct rows *r)
{
    void *state = r->state;
    r->state = NULL;
    if (!state) return;
    PyObject *type, *reason, *trace;
    PyErr_Fetch(&type, &reason, &trace);
    r->reader->close(state);
    PyErr_Restore(type, reason, trace);
}

static PyObject *rows_next(PyObject *self)
{
    struct rows *r = (struct rows *)self;
    if (!r->state) return NULL;
    PyObject *record = object(r->reader->next(r->state));
    if (record && PyErr_Occurred()) Py_CLEAR(record);
    if (!record) rows_close(r);
    return record;
}

static void rows_free(PyObject *self)
{
    rows_close((struct rows *)self);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject gpy__rows_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears._Rows",
                               .tp_basicsize = sizeof(struct rows),
                               .tp_flags = Py_TPFLAGS_DEFAULT,
                               .tp_doc = "The records that a reader of an extension gives.",
                               .tp_iter = PyObject_SelfIter,
                               .tp_iternext = rows_next,
                               .tp_dealloc = rows_free};

static const struct gears_reader *reader_of(PyObject *name)
{
    Py_ssize_t len;
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &len) : NULL;
    if (text) return gext_reader(view_of(text, (size_t)len));
    PyErr_Clear();
    return NULL;
}

PyObject *gpy__is_native_reader(PyObject *self, PyObject *name)
{
    UNUSED(self);
    return PyBool_FromLong(reader_of(name) != NULL);
}

PyObject *gpy__open_native_reader(PyObject *self, PyObject *args)
{
    UNUSED(self);
    PyObject *name;
    const char *argument;
    Py_ssize_t len;
    if (!PyArg_ParseTuple(args, "Us#", &name, &argument, &len)) return NULL;
    const struct gears_reader *reader = reader_of(name);
    if (!reader) return PyErr_Format(gpy__names.error, "no extension has a reader %R", name);
    struct rows *r = (struct rows *)gpy__rows_type.tp_alloc(&gpy__rows_type, 0);
    if (!r) return NULL;
    r->reader = reader;
    r->state = reader->open(argument, (size_t)len);
    if (r->state && !PyErr_Occurred()) return (PyObject *)r;
    if (!PyErr_Occurred())
        PyErr_Format(gpy__names.flat_error, "the reader %U failed without a reason", name);
    Py_DECREF(r);
    return NULL;
}

/* ---- languages ---- */

bool gpy__run_language(const struct gears_language *language, struct view text)
{
    bool done = language->run(text.ptr, text.len);
    if (done && !PyErr_Occurred()) return true;
    if (!PyErr_Occurred())
        PyErr_Format(gpy__names.flat_error, "the language %s failed without a reason",
                     language->name);
    return false;
}

bool gpy_fill_api(struct gears_api *api)
{
    api->fail = fail;
    api->stopping = stopping;
    api->without_lock = without_lock;
    api->none = make_none;
    api->truth = make_truth;
    api->integer = make_integer;
    api->number = make_number;
    api->text = make_text;
    api->list = make_list;
    api->dict = make_dict;
    api->keep = keep;
    api->drop = drop;
    api->append = append;
    api->set = set;
    api->kind = kind;
    api->as_integer = as_integer;
    api->as_number = as_number;
    api->as_text = as_text;
    api->length = length;
    api->item = item;
    api->lookup = lookup;
    api->execute = run_command;
    api->builder = make_builder;
    api->call = call_method;
    api->native = make_native;
    return true;
}
