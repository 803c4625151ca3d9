/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The module `redisgears`: exceptions, functions, types, and the file that print() writes to.
 * The prelude (prelude.py) gives most of these the names that scripts use.
 */
#include "base/log.h"
#include "gears/gconf.h"
#include "gears/py/gpy_owner.h"

/* The slot of the only shard begins at 0; these characters hash to it. */
#define HASHTAG_OF_SLOT_0 "06S"

struct gpy_names gpy__names;

/* ---- functions ---- */

/* A line of a script's, with its session behind it, so that there is room for that. A zero byte is
 * no end of it. */
static void log_line(enum log_level level, struct view text)
{
    const struct gsession *session = gpy__me()->now.session;
    char line[LOG_MESSAGE_MAX];
    int len = 0, most = LOG_MESSAGE_MAX - 128;
    for (size_t i = 0; i < text.len && len < most; i++) {
        if (!text.ptr[i]) line[len++] = '\\';
        line[len++] = text.ptr[i] ? text.ptr[i] : '0';
    }
    if (session)
        log_write(level, "GEARS: %.*s (session %.64s)", len, line, session->id);
    else
        log_write(level, "GEARS: %.*s", len, line);
}

/* Each line is one of the log, so that each names its session, and none looks like somebody
 * else's. */
static void log_lines(enum log_level level, struct view text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    do {
        const char *next = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        size_t len = (size_t)((next ? next : end) - at);
        if (len && at[len - 1] == '\r') len--;
        log_line(level, view_of(at, len));
        at = next ? next + 1 : end;
    } while (at < end);
}

static PyObject *fn_log(PyObject *self, PyObject *args)
{
    UNUSED(self);
    PyObject *message, *level, *hold;
    struct view text;
    if (!PyArg_UnpackTuple(args, "log", 2, 2, &message, &level)) return NULL;
    if (!PyUnicode_Check(message)) {
        PyErr_SetString(gpy__names.error, "log message must be a string");
        return NULL;
    }
    int l = -1;
    if (PyUnicode_Check(level)) {
        const char *name = PyUnicode_AsUTF8(level);
        if (!name) return NULL;
        l = log_level_parse(view_cstr(name));
    }
    if (l < LOG_LEVEL_DEBUG || l > LOG_LEVEL_WARNING) {
        PyErr_SetString(gpy__names.error, "log level must be debug, verbose, notice or warning");
        return NULL;
    }
    if (!gpy__utf8(message, &hold, &text)) return NULL;
    if (log_enabled((enum log_level)l)) log_lines((enum log_level)l, text);
    Py_XDECREF(hold);
    Py_RETURN_NONE;
}

static PyObject *fn_hashtag(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    return PyUnicode_FromString(HASHTAG_OF_SLOT_0);
}

static PyObject *fn_config_get(PyObject *self, PyObject *name)
{
    UNUSED(self);
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(gpy__names.error, "configuration key must be a string");
        return NULL;
    }
    const char *key = PyUnicode_AsUTF8(name);
    if (!key) return NULL;
    struct buf value = {0};
    PyObject *result;
    if (gconf_text(view_cstr(key), &value) == STATUS_OK)
        result = PyUnicode_DecodeUTF8(value.ptr, (Py_ssize_t)value.len, "replace");
    else
        result = Py_NewRef(Py_None);
    buf_release(&value);
    return result;
}

static PyObject *fn_flat_error(PyObject *self, PyObject *message)
{
    UNUSED(self);
    return PyObject_CallOneArg(gpy__names.flat_error, message);
}

static PyObject *fn_atomic(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    return PyObject_New(PyObject, &gpy__atomic_type);
}

static PyObject *fn_is_in_atomic(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    return PyBool_FromLong(gpy__here()->now.in_atomic);
}

/* False while a caller waits that can't be made to wait longer. */
static PyObject *fn_is_async_allowed(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    const struct runner *r = gpy__me()->now.runner;
    return PyBool_FromLong(!(r && r->must_end));
}

static PyObject *fn_builder(PyObject *self, PyObject *args)
{
    UNUSED(self);
    return PyObject_Call((PyObject *)&gpy__builder_type, args, NULL);
}

/* Every thread is one already that may call the engine; other engines want to be told. */
static PyObject *fn_nothing(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    Py_RETURN_NONE;
}

#define FAST(fn) ((PyCFunction)(void (*)(void))(fn)), METH_FASTCALL
static PyMethodDef functions[] = {
    {"executeCommand", (PyCFunction)(void (*)(void))gpy__execute, METH_FASTCALL,
     "execute(command, *args): runs a command in database 0 and returns its reply.\n\n"
     "Bytes go as they are, anything else as str(). Strings that are no UTF-8 come back as\n"
     "bytearray, nil as None; an error reply raises gears.error. Any thread."},
    {"callNext", (PyCFunction)(void (*)(void))gpy__call_next, METH_FASTCALL,
     "call_next(*args): in a command's hook, runs the hook before it, or the command, with these\n"
     "words behind its name, and returns the reply as execute() does."},
    {"getCommand", gpy__get_command, METH_NOARGS,
     "get_command(): the words of the command that waits for this execution."},
    {"overrideReply", gpy__override_reply, METH_O,
     "override_reply(value): what the command that waits for this execution replies in the place\n"
     "of its own reply. Once."},
    {"log", fn_log, METH_VARARGS, "log(message, level): writes a line to the server's log."},
    {"getMyHashTag", fn_hashtag, METH_NOARGS,
     "A short text that hashes to the first slot of this shard."},
    {"config_get", fn_config_get, METH_O,
     "The value of a gears setting as str, or None if there is none of that name."},
    {"flatError", fn_flat_error, METH_O,
     "An exception to raise, of which clients see nothing but this message."},
    {"atomicCtx", fn_atomic, METH_NOARGS,
     "A context manager: while it is open nobody else touches the data."},
    {"isInAtomicBlock", fn_is_in_atomic, METH_NOARGS, "Whether an atomic block is open here."},
    {"isAsyncAllow", fn_is_async_allowed, METH_NOARGS,
     "False in a callback whose caller can't wait."},
    {"registerTimeEvent", (PyCFunction)(void (*)(void))gpy__register_time_event, METH_FASTCALL,
     "registerTimeEvent(seconds, function, key): calls the function every `seconds`.\n\n"
     "It runs on a worker, and ends when the function raises, and, if it was given a key,\n"
     "when that is deleted. "
     "Returns False if the key exists, else True. Any thread of a session's."},
    {"_is_native_reader", gpy__is_native_reader, METH_O,
     "Whether an extension has a reader of this name."},
    {"_open_native_reader", gpy__open_native_reader, METH_VARARGS,
     "_open_native_reader(name, argument): an iterator over its records."},
    {"gearsCtx", fn_builder, METH_VARARGS, "gearsCtx(reader, desc): a new PyFlatExecution."},
    {"gearsFutureCtx", gpy__gears_future, METH_NOARGS,
     "gearsFuture(): a future for the record whose step is being called; the step returns it."},
    {"getGearsSession", gpy__fn_get_session, METH_NOARGS, "The session whose code runs, or None."},
    {"setGearsSession", gpy__fn_set_session, METH_O,
     "setGearsSession(session): what follows on this thread is that session's; None: nobody's."},
    {"registerGearsThread", fn_nothing, METH_NOARGS,
     "Does nothing: every thread may call the engine."},
    {"_saveGlobals", fn_nothing, METH_NOARGS, "Does nothing."},
    {"_owner", gpy__fn_owner, METH_O, "For whom what runs here works, or a session's owner."},
    {"_context", gpy__fn_context, METH_O, "A new context in which an owner's code runs."},
    {"_run_as", FAST(gpy__fn_run_as), "Calls a function for the owner of the context."},
    {"_guard", gpy__fn_guard, METH_O, "A coroutine as its task is to know it."},
    {"_bind", FAST(gpy__fn_bind), "Tells a guard its task."},
    {"_start_loop", gpy__fn_start_loop, METH_O, "Makes the thread of the event loop."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module_def = {PyModuleDef_HEAD_INIT,
                                        "redisgears",
                                        "The server from inside of a script.",
                                        -1,
                                        functions,
                                        NULL,
                                        NULL,
                                        NULL,
                                        NULL};

/* ---- the file behind sys.stdout and sys.stderr ---- */

#define LINE_MAX_BYTES 1000

struct log_file {
    PyObject_HEAD
    int level;
    size_t len;
    char line[LINE_MAX_BYTES];
};

static void log_file_flush_line(struct log_file *f)
{
    if (f->len && log_enabled((enum log_level)f->level))
        log_line((enum log_level)f->level, view_of(f->line, f->len));
    f->len = 0;
}

static PyObject *log_file_write(PyObject *self, PyObject *text)
{
    struct log_file *f = (struct log_file *)self;
    PyObject *hold;
    struct view v;
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "write() argument must be str");
        return NULL;
    }
    if (!gpy__utf8(text, &hold, &v)) return NULL;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '\n' || f->len == LINE_MAX_BYTES) log_file_flush_line(f);
        if (v.ptr[i] != '\n') f->line[f->len++] = v.ptr[i];
    }
    Py_XDECREF(hold);
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *log_file_flush(PyObject *self, PyObject *unused)
{
    UNUSED(unused);
    log_file_flush_line((struct log_file *)self);
    Py_RETURN_NONE;
}

static PyObject *log_file_no(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    Py_RETURN_FALSE;
}

static PyObject *log_file_yes(PyObject *self, PyObject *unused)
{
    UNUSED(self);
    UNUSED(unused);
    Py_RETURN_TRUE;
}

static PyObject *log_file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    UNUSED(kwargs);
    const char *level;
    if (!PyArg_ParseTuple(args, "s", &level)) return NULL;
    struct log_file *f = (struct log_file *)type->tp_alloc(type, 0);
    if (f) f->level = MAX(log_level_parse(view_cstr(level)), LOG_LEVEL_DEBUG);
    return (PyObject *)f;
}

static PyObject *log_file_encoding(PyObject *self, void *closure)
{
    UNUSED(self);
    return PyUnicode_FromString(closure);
}

static PyMethodDef log_file_methods[] = {
    {"write", log_file_write, METH_O, "Writes whole lines to the server's log."},
    {"flush", log_file_flush, METH_NOARGS, "Writes an unfinished line."},
    {"isatty", log_file_no, METH_NOARGS, "False."},
    {"readable", log_file_no, METH_NOARGS, "False."},
    {"writable", log_file_yes, METH_NOARGS, "True."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef log_file_attributes[] = {
    {"encoding", log_file_encoding, NULL, "utf-8", "utf-8"},
    {"errors", log_file_encoding, NULL, "surrogatepass", "surrogatepass"},
    {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject gpy__log_file_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears._LogFile",
    .tp_basicsize = sizeof(struct log_file),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A text file whose lines go to the server's log.",
    .tp_methods = log_file_methods,
    .tp_getset = log_file_attributes,
    .tp_new = log_file_new};

/* ---- making the modules ---- */

static bool add(PyObject *module, const char *name, PyObject *value)
{
    return value && PyModule_AddObjectRef(module, name, value) == 0;
}

/* Exceptions print as gears.error and so on; a module `gears` makes them picklable by name. */
static bool make_exceptions(PyObject *module)
{
    struct gpy_names *n = &gpy__names;
    n->error = PyErr_NewException("gears.error", NULL, NULL);
    n->flat_error = PyErr_NewException("gears.flat_error", NULL, NULL);
    /* Not an Exception: `except Exception` in a loop shouldn't make it endless. */
    n->force_stopped = PyErr_NewException("gears.forcestopped", PyExc_BaseException, NULL);
    PyObject *gears = PyImport_AddModule("gears");
    return gears && add(module, "GearsError", n->error) &&
           add(module, "GearsFlatError", n->flat_error) &&
           add(module, "GearsForceStopped", n->force_stopped) && add(gears, "error", n->error) &&
           add(gears, "flat_error", n->flat_error) &&
           add(gears, "forcestopped", n->force_stopped);
}

bool gpy__module_create(void)
{
    PyObject *module = PyModule_Create(&module_def);
    gpy__names.module = module;
    if (!module || !make_exceptions(module)) return false;
    if (PyType_Ready(&gpy__builder_type) || PyType_Ready(&gpy__atomic_type) ||
        PyType_Ready(&gpy__log_file_type) || PyType_Ready(&gpy__native_type) ||
        PyType_Ready(&gpy__rows_type) || PyType_Ready(&gpy__future_type) ||
        PyType_Ready(&gpy__guard_type) || !gpy__owner_init())
        return false;
    if (!add(module, "PyFlatExecution", (PyObject *)&gpy__builder_type) ||
        !add(module, "PyAtomic", (PyObject *)&gpy__atomic_type) ||
        !add(module, "PyFuture", (PyObject *)&gpy__future_type) ||
        !add(module, "PyExecutionSession", (PyObject *)&gpy__session_type) ||
        !add(module, "native", (PyObject *)&gpy__native_type) ||
        !add(module, "_LogFile", (PyObject *)&gpy__log_file_type))
        return false;
    return PyDict_SetItemString(PyImport_GetModuleDict(), "redisgears", module) == 0;
}

static PyObject *prelude_name(PyObject *prelude, const char *name)
{
    PyObject *o = PyDict_GetItemString(prelude, name);
    return o ? Py_NewRef(o) : NULL;
}

static PyObject *none_dict(PyObject *const *names, size_t count)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < count; i++)
        if (PyDict_SetItem(dict, names[i], Py_None)) Py_CLEAR(dict);
    return dict;
}

static bool fill_type_names(void)
{
    static const char *const names[GREAD_TYPE_COUNT] = {
        [GREAD_NONE] = "none", [GREAD_STRING] = "string", [GREAD_LIST] = "list",
        [GREAD_HASH] = "hash", [GREAD_SET] = "set",       [GREAD_ZSET] = "zset",
        [GREAD_MODULE] = "module", [GREAD_UNKNOWN] = "unknown", [GREAD_EMPTY] = "empty",
        [GREAD_ENTRY] = "entry"};
    for (int i = 0; i < GREAD_TYPE_COUNT; i++)
        if (!(gpy__names.type_names[i] = PyUnicode_InternFromString(names[i]))) return false;
    return true;
}

bool gpy__names_fill(PyObject *prelude, PyObject *async)
{
    struct gpy_names *n = &gpy__names;
    n->prelude = prelude;
    n->pack = prelude_name(prelude, "_pack");
    n->unpack = prelude_name(prelude, "loads");
    n->format_exception = prelude_name(prelude, "_format_exception");
    n->begin_coroutine = prelude_name(async, "_begin");
    n->cancel_tasks = prelude_name(async, "_cancel");
    n->create_future = prelude_name(async, "createFuture");
    n->set_result = prelude_name(async, "setFutureResults");
    n->cancelled = prelude_name(async, "_CancelledError");
    n->nothing = prelude_name(async, "_nothing");
    n->threading_file = prelude_name(async, "_threading_file");
    PyObject *copy = PyDict_GetItemString(prelude, "copy");
    n->deepcopy = copy ? PyObject_GetAttrString(copy, "deepcopy") : NULL;
    n->event = PyUnicode_InternFromString("event");
    n->key = PyUnicode_InternFromString("key");
    n->type = PyUnicode_InternFromString("type");
    n->value = PyUnicode_InternFromString("value");
    n->id = PyUnicode_InternFromString("id");
    n->old_value = PyUnicode_InternFromString("oldValue");
    if (!n->pack || !n->unpack || !n->format_exception || !n->begin_coroutine ||
        !n->cancel_tasks || !n->create_future || !n->set_result || !n->cancelled ||
        !n->nothing || !n->threading_file || !n->deepcopy || !n->event || !n->key || !n->type ||
        !n->value || !n->id || !n->old_value || !fill_type_names()) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "the prelude lacks a name");
        return false;
    }
    PyObject *names[] = {n->event, n->key, n->type, n->value};
    n->one_key = none_dict(names, 2);
    n->one_record = none_dict(names, 4);
    n->one_group = none_dict((PyObject *[]){n->key, n->value}, 2);
    n->one_entry = none_dict((PyObject *[]){n->key, n->id, n->value}, 3);
    return n->one_key && n->one_record && n->one_group && n->one_entry;
}
