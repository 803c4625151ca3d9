/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redisgears.PyFlatExecution: what stands behind a GearsBuilder. It collects ops and, at run()
 * or register(), makes a plan of them.
 *
 * Making a plan pickles every callback, then loads the pickle: the plan's functions have their
 * own copy of the globals they refer to, exactly as if they had travelled to another shard, so a
 * script behaves the same wherever its steps run. What can be imported, the prelude included, is
 * pickled by name.
 */
#include "exec/token.h"
#include "gears/gtrigger.h"
#include "gears/py/gpy_owner.h"

struct built_step {
    enum gstep_op op;
    PyObject *fn;   /* the callback, or NULL */
    PyObject *zero; /* of the fold family, or NULL */
    int64_t a, b;
};

struct builder {
    PyObject_HEAD
    enum greader reader;
    PyObject *desc; /* str or None */
    size_t count, cap;
    struct built_step *steps;
};

/* ---- collecting steps ---- */

static void add_step(struct builder *b, enum gstep_op op, PyObject *fn, PyObject *zero, int64_t a,
                     int64_t c)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 8;
        b->steps = mem_realloc(b->steps, sizeof(*b->steps) * b->cap);
    }
    b->steps[b->count++] = (struct built_step){.op = op,
                                               .fn = fn ? Py_NewRef(fn) : NULL,
                                               .zero = zero ? Py_NewRef(zero) : NULL,
                                               .a = a,
                                               .b = c};
}

/* An operation of the builder: its callbacks and the ops it is made of. An op that calls takes
 * the next callback. */
struct operation {
    const char *name;
    int callbacks;
    const char *what[2]; /* of "<what> argument must be a function" */
    enum gstep_op ops[6];
    int op_count;
};

static const struct operation operations[] = {
    {"map", 1, {"map"}, {GOP_MAP}, 1},
    {"filter", 1, {"filter"}, {GOP_FILTER}, 1},
    {"foreach", 1, {"foreach"}, {GOP_FOREACH}, 1},
    {"flatmap", 1, {"flatmap"}, {GOP_FLATMAP_FN, GOP_FLATMAP}, 2},
    {"accumulate", 1, {"accumulate"}, {GOP_ACCUMULATE}, 1},
    {"localgroupby",
     2,
     {"extractor", "reducer"},
     {GOP_EXTRACT, GOP_ACCUMULATE_BY_KEY, GOP_TO_PY},
     3},
    {"groupby",
     2,
     {"extractor", "reducer"},
     {GOP_EXTRACT, GOP_REPARTITION, GOP_ACCUMULATE_BY_KEY, GOP_TO_PY},
     4},
    {"batchgroupby",
     2,
     {"extractor", "reducer"},
     {GOP_EXTRACT, GOP_REPARTITION, GOP_GROUP, GOP_REDUCE, GOP_TO_PY},
     5},
    {"repartition", 1, {"extractor"}, {GOP_EXTRACT, GOP_REPARTITION, GOP_VALUE}, 3},
    {"collect", 0, {NULL}, {GOP_COLLECT}, 1},
};

static bool op_calls(enum gstep_op op)
{
    return op == GOP_MAP || op == GOP_FILTER || op == GOP_FOREACH || op == GOP_FLATMAP_FN ||
           op == GOP_ACCUMULATE || op == GOP_EXTRACT || op == GOP_ACCUMULATE_BY_KEY ||
           op == GOP_REDUCE;
}

static bool need_function(PyObject *fn, const char *what)
{
    if (PyFunction_Check(fn) || gpy__is_native(fn)) return true;
    PyErr_Format(gpy__names.error, "%s argument must be a function", what);
    return false;
}

static PyObject *operate(struct builder *b, const struct operation *o, PyObject *const *args,
                         Py_ssize_t nargs)
{
    if (nargs != o->callbacks)
        return PyErr_Format(gpy__names.error, "wrong number of args to %s function", o->name);
    for (int i = 0; i < o->callbacks; i++)
        if (!need_function(args[i], o->what[i])) return NULL;
    int next = 0;
    for (int i = 0; i < o->op_count; i++)
        add_step(b, o->ops[i], op_calls(o->ops[i]) ? args[next++] : NULL, NULL, 0, 0);
    return Py_NewRef((PyObject *)b);
}

#define OPERATION(index, name_)                                                                    \
    static PyObject *do_##name_(PyObject *self, PyObject *const *args, Py_ssize_t nargs)           \
    {                                                                                              \
        return operate((struct builder *)self, &operations[index], args, nargs);                   \
    }
OPERATION(0, map)
OPERATION(1, filter)
OPERATION(2, foreach)
OPERATION(3, flatmap)
OPERATION(4, accumulate)
OPERATION(5, localgroupby)
OPERATION(6, groupby)
OPERATION(7, batchgroupby)
OPERATION(8, repartition)
OPERATION(9, collect)

static PyObject *do_limit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2)
        return PyErr_Format(gpy__names.error, "wrong number of args to limit function");
    long long length, start = 0;
    static const char *const texts[] = {"limit argument must be a number",
                                        "offset argument must be a number"};
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (!PyLong_Check(args[i])) {
            PyErr_SetString(gpy__names.error, texts[i]);
            return NULL;
        }
    length = PyLong_AsLongLong(args[0]);
    if (length == -1 && PyErr_Occurred()) return NULL;
    if (nargs == 2) start = PyLong_AsLongLong(args[1]);
    if (start == -1 && PyErr_Occurred()) return NULL;
    add_step((struct builder *)self, GOP_LIMIT, NULL, NULL, MAX(start, 0), MAX(length, 0));
    return Py_NewRef(self);
}

/* _step(word, fn=None, zero, a): for operations that the prelude puts together. */
static PyObject *do_step(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    const char *word = nargs > 0 ? PyUnicode_AsUTF8(args[0]) : NULL;
    enum gstep_op op = word ? gstep_op_of(word) : GOP_COUNT_OF;
    if (op == GOP_COUNT_OF) {
        if (!PyErr_Occurred()) PyErr_SetString(gpy__names.error, "unknown step");
        return NULL;
    }
    PyObject *fn = nargs > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *zero = fn && nargs > 2 ? args[2] : NULL;
    long a = nargs > 3 ? PyLong_AsLong(args[3]) : 0;
    if (a == -1 && PyErr_Occurred()) return NULL;
    add_step((struct builder *)self, op, fn, zero, a, 0);
    return Py_NewRef(self);
}

/* _function(operation, *fns): that all are functions, with the operation's error text. */
static PyObject *do_function(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    const char *name = nargs > 0 ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (!name) return NULL;
    for (Py_ssize_t i = 1; i < nargs; i++)
        if (!need_function(args[i], name)) return NULL;
    Py_RETURN_NONE;
}

/* ---- making a plan ---- */

PyObject *gpy__own_copy(PyObject *o, struct buf *pickle_out)
{
    PyObject *bytes = PyObject_CallOneArg(gpy__names.pack, o);
    PyObject *copy = bytes ? PyObject_CallOneArg(gpy__names.unpack, bytes) : NULL;
    if (copy)
        buf_append(pickle_out, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_XDECREF(bytes);
    if (copy) return copy;

    struct buf text = {0};
    gpy__error_text(true, &text);
    PyObject *name = PyObject_GetAttrString(o, "__name__");
    if (!name) PyErr_Clear();
    PyErr_Format(gpy__names.error,
                 "Error occured when serialized a python callback, callback=%S error=%s",
                 name ? name : Py_None, buf_cstr(&text));
    Py_XDECREF(name);
    buf_release(&text);
    return NULL;
}

char *gpy__str_of(PyObject *o)
{
    PyObject *s = PyObject_Str(o);
    const char *p = s ? PyUnicode_AsUTF8(s) : NULL;
    char *copy = mem_dup(p ? p : "", p ? strlen(p) : 0);
    if (!p) PyErr_Clear();
    Py_XDECREF(s);
    return copy;
}

static bool fill_step(struct gstep *s, const struct built_step *from)
{
    s->op = from->op;
    s->a = from->a;
    s->b = from->b;
    s->arg_text = from->fn ? gpy__str_of(from->fn) : mem_dup("", 0);
    if (!from->fn) return true;
    if (!from->zero) return (s->callable = gpy__own_copy(from->fn, &s->pickle)) != NULL;
    PyObject *pair = PyTuple_Pack(2, from->fn, from->zero);
    PyObject *copy = pair ? gpy__own_copy(pair, &s->pickle) : NULL;
    s->callable = copy;
    Py_XDECREF(pair);
    if (!copy || (PyTuple_Check(copy) && PyTuple_GET_SIZE(copy) == 2)) return copy != NULL;
    PyErr_SetString(gpy__names.error, "a callback's pickle is of something else");
    return false;
}

static bool is_by_key(enum gstep_op op)
{
    return op == GOP_GROUP || op == GOP_ACCUMULATE_BY_KEY || op == GOP_FOLD_BY_KEY ||
           op == GOP_MERGE_BY_KEY || op == GOP_COUNT_BY_KEY || op == GOP_SUM_BY_KEY;
}

static bool folds(enum gstep_op op)
{
    return op == GOP_FOLD || op == GOP_FOLD_BY_KEY || op == GOP_MERGE_BY_KEY;
}

/* Whether step i can stand where it does. Operations see to that; a script that calls _step may
 * not, and what runs a plan relies on it. */
static bool step_fits(const struct builder *b, size_t i, bool *has_key)
{
    const struct built_step *s = &b->steps[i];
    enum gstep_op before = i ? b->steps[i - 1].op : GOP_TO_PY;
    if ((op_calls(s->op) || folds(s->op)) != (s->fn != NULL)) return false;
    if (s->fn && !PyFunction_Check(s->fn) && !gpy__is_native(s->fn)) return false;
    if (folds(s->op) != (s->zero != NULL)) return false;
    if (is_by_key(s->op) && !*has_key) return false;
    if ((s->op == GOP_REDUCE) != (i > 0 && before == GOP_GROUP)) return false;
    if (s->op == GOP_EXTEND || s->op == GOP_UNION) {
        enum gstep_op from = s->op == GOP_EXTEND ? GOP_APPEND : GOP_ADD;
        if (i < 2 || before != GOP_COLLECT || b->steps[i - 2].op != from) return false;
    }
    if (s->op == GOP_EXTRACT || s->op == GOP_EXTRACT_SELF || s->op == GOP_EXTRACT_KEY)
        *has_key = true;
    else if (s->op != GOP_REPARTITION)
        *has_key = false;
    return true;
}

static bool steps_fit(const struct builder *b)
{
    bool has_key = false;
    for (size_t i = 0; i < b->count; i++)
        if (!step_fits(b, i, &has_key)) {
            PyErr_SetString(gpy__names.error, "the steps don't fit together");
            return false;
        }
    if (!b->count || b->steps[b->count - 1].op != GOP_GROUP) return true;
    PyErr_SetString(gpy__names.error, "the steps don't fit together");
    return false;
}

/* The plan of a builder with what run() and register() add; NULL with an exception. */
static struct gplan *make_plan(struct builder *b, bool to_str, bool collect)
{
    /* A plan belongs to a session; threads that a script started have none. */
    if (!gpy__me()->now.session) {
        PyErr_SetString(gpy__names.error,
                        "run and register are not allowed in a thread of the script's own");
        return NULL;
    }
    if (!steps_fit(b)) return NULL;
    size_t count = 1 + b->count + to_str + collect;
    struct gplan *plan = gplan_new(b->reader, count, gpy__me()->now.session);
    size_t i = 0;
    struct built_step first = {.op = GOP_TO_PY}, str = {.op = GOP_STR}, last = {.op = GOP_COLLECT};
    bool done = fill_step(&plan->steps[i++], &first);
    for (size_t k = 0; done && k + 1 < count - to_str - collect; k++) {
        /* Pickling runs code of the script's, which may add steps: they move, and come too late. */
        struct built_step s = b->steps[k];
        Py_XINCREF(s.fn);
        Py_XINCREF(s.zero);
        done = fill_step(&plan->steps[i++], &s);
        Py_XDECREF(s.fn);
        Py_XDECREF(s.zero);
    }
    if (done && to_str) {
        done = fill_step(&plan->steps[i], &str);
        mem_free(plan->steps[i].arg_text);
        plan->steps[i++].arg_text = gpy__str_of((PyObject *)&PyUnicode_Type);
    }
    if (done && collect) done = fill_step(&plan->steps[i++], &last);
    if (!done) {
        gplan_unref(plan);
        return NULL;
    }
    plan->native = plan->session->native;
    if (b->desc != Py_None) plan->desc = gpy__str_of(b->desc);
    return plan;
}

/* ---- arguments of run() and register() ---- */

/* A keyword that must be a bool; absent leaves *out. */
static bool take_bool(PyObject *kwargs, const char *name, const char *error, bool *out)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, name) : NULL;
    if (!o) return true;
    if (!PyBool_Check(o)) {
        PyErr_SetString(gpy__names.error, error);
        return false;
    }
    *out = o == Py_True;
    return true;
}

static bool take_mode(PyObject *kwargs, bool sync_too, enum gmode *out)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, "mode") : NULL;
    if (!o) return true;
    if (!PyUnicode_Check(o)) {
        PyErr_SetString(gpy__names.error, "execution mode must be a string");
        return false;
    }
    static const enum gmode modes[] = {GMODE_ASYNC, GMODE_ASYNC_LOCAL, GMODE_SYNC};
    for (int i = 0; i < (sync_too ? 3 : 2); i++)
        if (PyUnicode_CompareWithASCIIString(o, gmode_name(modes[i])) == 0) {
            *out = modes[i];
            return true;
        }
    PyErr_SetString(gpy__names.error, "unknown execution mode");
    return false;
}

/* The limits that keywords set, over those of the session. */
static bool take_limits(PyObject *kwargs, struct gplan *plan)
{
    struct glimits l;
    const struct gsession *session = plan->session;
    glimits_clear(&l);
    glimits_override(&l, session ? session->limits : NULL);
    bool given = session && session->limits;
    for (int i = 0; kwargs && i < GLIMIT_COUNT; i++) {
        const char *name = glimit_keyword((enum glimit)i);
        PyObject *o = name ? PyDict_GetItemString(kwargs, name) : NULL;
        if (!o || o == Py_None) continue;
        int overflow = 0;
        long long n = PyLong_Check(o) ? PyLong_AsLongLongAndOverflow(o, &overflow) : -1;
        if (n < 0 || overflow) {
            PyErr_Format(gpy__names.error, "%s argument must be a number", name);
            return false;
        }
        l.v[i] = n;
        given = true;
    }
    if (!given) return true;
    plan->limits = mem_alloc(sizeof(l));
    *plan->limits = l;
    return true;
}

bool gpy__take_text(PyObject *o, const char *error, char **out, size_t *len_out)
{
    if (!PyUnicode_Check(o)) {
        PyErr_SetString(gpy__names.error, error);
        return false;
    }
    PyObject *hold;
    struct view v;
    if (!gpy__utf8(o, &hold, &v)) return false;
    *out = mem_dup(v.ptr, v.len);
    *len_out = v.len;
    Py_XDECREF(hold);
    return true;
}

static bool read_keys_args(struct gplan *plan, PyObject *arg, PyObject *kwargs)
{
    return gpy__take_text(arg, "regex argument must be a string", &plan->arg, &plan->arg_len) &&
           take_bool(kwargs, "noScan", "exactMatch value is not boolean", &plan->no_scan) &&
           take_bool(kwargs, "readValue", "readValue value is not boolean", &plan->read_value);
}

static bool read_keys_only_args(struct gplan *plan, PyObject *arg, PyObject *kwargs)
{
    PyObject *generator = kwargs ? PyDict_GetItemString(kwargs, "patternGenerator") : NULL;
    PyObject *no_scan = kwargs ? PyDict_GetItemString(kwargs, "noScan") : NULL;
    plan->read_value = false;
    if (no_scan) {
        int yes = PyObject_IsTrue(no_scan);
        if (yes < 0) return false;
        plan->no_scan = yes;
    }
    if (!generator || generator == Py_None)
        return gpy__take_text(arg, "regex argument must be a string", &plan->arg, &plan->arg_len);
    if (!need_function(generator, "patternGenerator")) return false;
    plan->source = gpy__own_copy(generator, &plan->source_pickle);
    return plan->source != NULL;
}

static bool read_stream_args(struct gplan *plan, PyObject *arg, PyObject *kwargs)
{
    PyObject *from = kwargs ? PyDict_GetItemString(kwargs, "fromId") : NULL;
    if (!gpy__take_text(arg, "regex argument must be a string", &plan->arg, &plan->arg_len))
        return false;
    if (!from) return true;
    if (!PyUnicode_Check(from)) {
        PyErr_SetString(gpy__names.error, "fromId argument must be a string");
        return false;
    }
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(from, &len);
    struct stream_id id;
    if (!text) return false;
    if (!gread_parse_id(view_of(text, (size_t)len), &id)) {
        PyErr_SetString(gpy__names.error,
                        "Invalid stream ID specified as stream command argument");
        return false;
    }
    plan->from_ms = id.ms;
    plan->from_seq = id.seq;
    return true;
}

static bool read_args(struct gplan *plan, PyObject *arg, PyObject *kwargs)
{
    switch (plan->reader) {
    case GREADER_KEYS: return read_keys_args(plan, arg, kwargs);
    case GREADER_KEYS_ONLY: return read_keys_only_args(plan, arg, kwargs);
    case GREADER_PYTHON:
        if (!PyFunction_Check(arg)) {
            PyErr_SetString(gpy__names.error, "pyreader argument must be a function");
            return false;
        }
        plan->source = gpy__own_copy(arg, &plan->source_pickle);
        return plan->source != NULL;
    case GREADER_STREAM: return read_stream_args(plan, arg, kwargs);
    case GREADER_COMMAND:
    case GREADER_TIME:
        PyErr_SetString(gpy__names.error, "Given reader do not support run or not exists");
        return false;
    default: return true;
    }
}

/* convertToStr: whether records become str at the end. None, the default: unless results are to
 * have types. -1 with an exception. */
static int wants_text(PyObject *o)
{
    const struct gsession *session = gpy__me()->now.session;
    return o == Py_None ? !session || !session->native : PyObject_IsTrue(o);
}

/* ---- run ---- */

/* A script may run once, and what it runs begins when its body has ended. A run of a step or a
 * coroutine begins at once, on another worker, and is dropped at its end; who awaits the future
 * gets its results. */
static PyObject *begin(struct gexec *take_e)
{
    struct gpy_thread *me = gpy__me();
    if (me->now.script) {
        me->now.script->exec = take_e;
        Py_RETURN_NONE;
    }
    PyObject *future = PyObject_CallNoArgs(gpy__names.create_future);
    if (!future || !gpy__resolve_at_end(take_e, future)) {
        Py_XDECREF(future);
        grun_exec_unref(take_e);
        return NULL;
    }
    take_e->drop_when_done = true;
    grun_list(take_e);
    grun_start(take_e);
    return future;
}

static PyObject *do_run(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct builder *b = (struct builder *)self;
    struct gpy_thread *me = gpy__me();
    PyObject *arg = Py_None, *text = Py_None;
    int collect = 1, to_str;
    if (!PyArg_ParseTuple(args, "|OOp:run", &arg, &text, &collect)) return NULL;
    if ((to_str = wants_text(text)) < 0) return NULL;
    if (me->now.script && me->now.script->exec) {
        PyErr_SetString(gpy__names.error, "Can not run more then 1 executions in a single script");
        return NULL;
    }
    struct gplan *plan = make_plan(b, to_str, collect);
    if (!plan) return NULL;
    if (!take_mode(kwargs, false, &plan->mode) || !take_limits(kwargs, plan) ||
        !read_args(plan, arg, kwargs)) {
        gplan_unref(plan);
        return NULL;
    }
    struct gexec *e = grun_exec_new(plan, false);
    gplan_unref(plan);
    return begin(e);
}

/* ---- register ---- */

/* An iterable may be without end. */
#define STRINGS_MAX 1024

/* Calls each(r, item) for the strings of an iterable keyword; absent or None: nothing. */
static bool take_strings(PyObject *kwargs, const char *name, const char *not_iterable,
                         const char *not_string, bool (*each)(struct greg_request *, const char *),
                         struct greg_request *r)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, name) : NULL;
    if (!o || o == Py_None) return true;
    PyObject *it = PyObject_GetIter(o);
    if (!it) {
        PyErr_SetString(gpy__names.error, not_iterable);
        return false;
    }
    bool done = true;
    PyObject *item;
    int count = 0;
    while (done && (item = PyIter_Next(it))) {
        if (++count > STRINGS_MAX) {
            PyErr_Format(gpy__names.error, "too many %s, more than %d", name, STRINGS_MAX);
            Py_DECREF(item);
            break;
        }
        const char *s = PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : NULL;
        if (!s && !PyErr_Occurred()) PyErr_SetString(gpy__names.error, not_string);
        done = s && each(r, s);
        Py_DECREF(item);
    }
    Py_DECREF(it);
    return done && !PyErr_Occurred();
}

static bool add_event_type(struct greg_request *r, const char *s)
{
    r->event_types =
        mem_realloc(r->event_types, sizeof(*r->event_types) * (r->event_type_count + 1));
    char *copy = mem_dup(s, strlen(s));
    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    r->event_types[r->event_type_count++] = copy;
    return true;
}

static bool add_key_type(struct greg_request *r, const char *s)
{
    uint32_t bit = greg_key_type_of(s);
    if (!bit) PyErr_SetString(gpy__names.error, "unknown key type");
    r->key_types |= bit;
    return bit != 0;
}

static bool take_on_registered(PyObject *kwargs, struct greg_request *r)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, "onRegistered") : NULL;
    if (!o || o == Py_None) return true;
    /* Nobody could be told how a coroutine ended, or wait for it. */
    PyCodeObject *code = PyFunction_Check(o) ? (PyCodeObject *)PyFunction_GET_CODE(o) : NULL;
    if (!code || (code->co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR))) {
        PyErr_SetString(gpy__names.error, "OnRegistered argument must be a function");
        return false;
    }
    struct buf pickle = {0};
    r->on_registered = gpy__own_copy(o, &pickle);
    buf_release(&pickle);
    return r->on_registered != NULL;
}

/* Of the same script's, before the others are asked when it is registered. */
static bool trigger_is_free(const struct greg_request *r)
{
    struct gscript *script = gpy__me()->now.script;
    for (const struct greg_request *o = script ? script->requests : NULL; o; o = o->next) {
        if (!r->trigger || !o->trigger || o->trigger_len != r->trigger_len ||
            memcmp(o->trigger, r->trigger, r->trigger_len) != 0)
            continue;
        PyErr_SetString(gpy__names.error, "trigger already registered in this session");
        return false;
    }
    return true;
}

struct place_question {
    struct greg_request *request;
    struct gscript *script; /* NULL: none */
    const char *refusal;
};

/* As what the script has asked for so far, with this at its end. */
static void ask_place(void *ctx)
{
    struct place_question *q = ctx;
    struct gscript *script = q->script;
    if (!script) {
        q->refusal = greg_refuses(q->request, NULL, NULL);
        return;
    }
    *script->requests_tail = q->request;
    q->refusal = greg_refuses(script->requests, script->upgrade ? script->session->id : NULL,
                              script->replace_with);
    *script->requests_tail = NULL;
}

/* It is looked at again when all is registered: this is for the error, which should come where its
 * cause is. */
static bool place_is_free(struct greg_request *r)
{
    struct place_question q = {.request = r, .script = gpy__me()->now.script};
    const struct gsession *session = gpy__me()->now.session;
    if (session && session->explained) return trigger_is_free(r); /* it won't be registered */
    if (!trigger_is_free(r) || !gpy__with_token(ask_place, &q)) return false;
    if (q.refusal) PyErr_SetString(gpy__names.error, q.refusal);
    return !q.refusal;
}

static PyObject *given(PyObject *kwargs, const char *name)
{
    PyObject *o = kwargs ? PyDict_GetItemString(kwargs, name) : NULL;
    return o == Py_None ? NULL : o;
}

/* The arguments of a trigger or a hook. */
static bool fill_command(struct greg_request *r, PyObject *kwargs)
{
    PyObject *name = given(kwargs, "trigger"), *hook = given(kwargs, "hook");
    PyObject *prefix = given(kwargs, "keyprefix");
    if (!take_mode(kwargs, true, &r->plan->mode) || !take_on_registered(kwargs, r) ||
        !take_bool(kwargs, "inorder", "inorder argument is be boolean", &r->in_order))
        return false;
    const char *error = NULL;
    if (name && (hook || prefix))
        error = "trigger argument can not be given with keyprefix or hook";
    else if (!name && !hook)
        error = "no trigger or hook argument was given";
    if (error) {
        PyErr_SetString(gpy__names.error, error);
        return false;
    }
    bool done = hook ? gpy__fill_hook(r, hook, prefix)
                     : gpy__take_text(name, "trigger argument is not string", &r->trigger,
                                      &r->trigger_len);
    return done && place_is_free(r);
}

static bool take_prefix(struct greg_request *r, PyObject *prefix)
{
    if (!gpy__take_text(prefix, "regex argument must be a string", &r->prefix, &r->prefix_len))
        return false;
    if (r->prefix_len) return true;
    PyErr_SetString(gpy__names.error, "the prefix must not be empty");
    return false;
}

static bool fill_stream(struct greg_request *r, PyObject *prefix, PyObject *kwargs)
{
    if (!take_mode(kwargs, true, &r->plan->mode) || !take_prefix(r, prefix)) return false;
    r->stream = gpy__stream_args(kwargs, r->plan->mode == GMODE_SYNC);
    return r->stream && take_on_registered(kwargs, r);
}

static bool fill_request(struct greg_request *r, PyObject *prefix, PyObject *kwargs)
{
    struct gplan *plan = r->plan;
    if (plan->reader == GREADER_COMMAND) return fill_command(r, kwargs);
    if (plan->reader == GREADER_TIME)
        return take_mode(kwargs, true, &plan->mode) && take_on_registered(kwargs, r) &&
               (r->time = gpy__time_spec(kwargs));
    if (plan->reader == GREADER_STREAM) return fill_stream(r, prefix, kwargs);
    if (plan->reader != GREADER_KEYS) {
        PyErr_SetString(gpy__names.error,
                        "given reader does not exists or does not support register");
        return false;
    }
    if (!take_mode(kwargs, true, &plan->mode) ||
        !gpy__take_text(prefix, "regex argument must be a string", &r->prefix, &r->prefix_len) ||
        !take_bool(kwargs, "readValue", "readValue is not boolean", &plan->read_value) ||
        !take_bool(kwargs, "oldValue", "oldValue is not boolean", &plan->old_value) ||
        !take_bool(kwargs, "recursive", "recursive is not boolean", &r->recursive) ||
        !take_strings(kwargs, "eventTypes", "given eventTypes is not iterable",
                      "given event type is not string", add_event_type, r) ||
        !take_strings(kwargs, "keyTypes", "given keyTypes is not iterable",
                      "given key type is not string", add_key_type, r) ||
        !take_on_registered(kwargs, r))
        return false;
    if (r->prefix_len == 0) {
        PyErr_SetString(gpy__names.error, given(kwargs, "commands")
                                              ? "Empty perfix given to command hooker"
                                              : "the prefix must not be empty");
        return false;
    }
    return take_strings(kwargs, "commands", "given commands is not iterable",
                        "given command type is not string", gpy__add_held, r);
}

/* Inside of a step the registration takes effect at once. */
static bool hand_over(struct greg_request *take_r)
{
    struct gpy_thread *me = gpy__me();
    if (me->now.script) {
        *me->now.script->requests_tail = take_r;
        me->now.script->requests_tail = &take_r->next;
        return true;
    }
    if (me->now.unit) {
        greg_request_free(take_r);
        PyErr_SetString(gpy__names.error, "can not register inside a sync callback");
        return false;
    }
    const char *why;
    PyThreadState *state = gpy__release_gil(me);
    enum status st = greg_apply_one(take_r, &why);
    gpy__retake_gil(me, state);
    if (st == STATUS_OK) return true;
    PyErr_SetString(gpy__names.error, why);
    return false;
}

static PyObject *do_register(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *prefix = Py_None, *text = Py_None;
    int collect = 1, to_str;
    if (!PyArg_ParseTuple(args, "|OOp:register", &prefix, &text, &collect)) return NULL;
    if ((to_str = wants_text(text)) < 0) return NULL;
    struct gplan *plan = make_plan((struct builder *)self, to_str, collect);
    if (!plan) return NULL;
    struct greg_request *r = mem_zalloc(sizeof(*r));
    r->plan = plan;
    r->max_failures = -1;
    if (!take_limits(kwargs, plan) ||
        !gpy__take_number(kwargs, "maxFailures", "maxFailures argument must be a number", 0,
                          INT64_MAX, &r->max_failures) ||
        !fill_request(r, prefix, kwargs)) {
        greg_request_free(r);
        return NULL;
    }
    plan->number = gplan_next_number();
    char id[GEARS_ID_SIZE];
    grun_format_id(id, plan->number);
    if (!hand_over(r)) return NULL;
    return PyUnicode_FromString(id);
}

/* ---- the type ---- */

static PyObject *builder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    UNUSED(kwargs);
    PyObject *reader, *desc = Py_None;
    if (!PyArg_ParseTuple(args, "O|O", &reader, &desc)) return NULL;
    if (!PyUnicode_Check(reader)) {
        PyErr_SetString(gpy__names.error, "reader argument must be a string");
        return NULL;
    }
    if (desc != Py_None && !PyUnicode_Check(desc)) {
        PyErr_SetString(gpy__names.error, "desc argument must be a string");
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(reader);
    enum greader r = name ? greader_of(name) : GREADER_COUNT;
    if (r == GREADER_COUNT) {
        if (!PyErr_Occurred())
            PyErr_SetString(gpy__names.error, "The given reader does not exists");
        return NULL;
    }
    struct builder *b = (struct builder *)type->tp_alloc(type, 0);
    if (!b) return NULL;
    b->reader = r;
    b->desc = Py_NewRef(desc);
    gplan_next_number(); /* numbers of plans count builders, too */
    return (PyObject *)b;
}

static int builder_clear(PyObject *self)
{
    struct builder *b = (struct builder *)self;
    size_t count = b->count;
    b->count = 0;
    for (size_t i = 0; i < count; i++) {
        Py_XDECREF(b->steps[i].fn);
        Py_XDECREF(b->steps[i].zero);
    }
    return 0;
}

static int builder_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct builder *b = (struct builder *)self;
    for (size_t i = 0; i < b->count; i++) {
        Py_VISIT(b->steps[i].fn);
        Py_VISIT(b->steps[i].zero);
    }
    return 0;
}

static void builder_free(PyObject *self)
{
    struct builder *b = (struct builder *)self;
    PyObject_GC_UnTrack(self);
    builder_clear(self);
    mem_free(b->steps);
    Py_XDECREF(b->desc);
    Py_TYPE(self)->tp_free(self);
}

#define METHOD(fn) ((PyCFunction)(void (*)(void))(fn))
static PyMethodDef builder_methods[] = {
    {"map", METHOD(do_map), METH_FASTCALL, "map(f)"},
    {"filter", METHOD(do_filter), METH_FASTCALL, "filter(f)"},
    {"foreach", METHOD(do_foreach), METH_FASTCALL, "foreach(f)"},
    {"flatmap", METHOD(do_flatmap), METH_FASTCALL, "flatmap(f)"},
    {"accumulate", METHOD(do_accumulate), METH_FASTCALL, "accumulate(f)"},
    {"localgroupby", METHOD(do_localgroupby), METH_FASTCALL, "localgroupby(extractor, reducer)"},
    {"groupby", METHOD(do_groupby), METH_FASTCALL, "groupby(extractor, reducer)"},
    {"batchgroupby", METHOD(do_batchgroupby), METH_FASTCALL, "batchgroupby(extractor, reducer)"},
    {"repartition", METHOD(do_repartition), METH_FASTCALL, "repartition(extractor)"},
    {"collect", METHOD(do_collect), METH_FASTCALL, "collect()"},
    {"limit", METHOD(do_limit), METH_FASTCALL, "limit(length, start=0)"},
    {"run", METHOD(do_run), METH_VARARGS | METH_KEYWORDS, "run(arg, convertToStr, collect, ...)"},
    {"register", METHOD(do_register), METH_VARARGS | METH_KEYWORDS,
     "register(prefix, convertToStr, collect, ...)"},
    {"_step", METHOD(do_step), METH_FASTCALL, "Adds one op."},
    {"_function", METHOD(do_function), METH_FASTCALL, "Checks arguments to be functions."},
    {NULL, NULL, 0, NULL}};

PyTypeObject gpy__builder_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears.PyFlatExecution",
    .tp_basicsize = sizeof(struct builder),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "PyFlatExecution(reader, desc): the operations that a plan is made of.",
    .tp_methods = builder_methods,
    .tp_new = builder_new,
    .tp_dealloc = builder_free,
    .tp_traverse = builder_traverse,
    .tp_clear = builder_clear};
