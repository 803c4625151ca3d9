/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running an execution: from the reader through the steps into the results.
 *
 * Records are pushed: each one passes all steps up to the next barrier (accumulate, group)
 * before the following one is read. At the end of the input the barriers are emptied in their
 * order, each into the steps behind it. That is the order in which a chain of steps that pull
 * from each other would call the callbacks, without a call per step and record.
 *
 *   - An exception makes an error of its record; the other records of what was read go on; no
 *     further input is read.
 *   - A callback may promise a result for later: then its record waits in the cell (gpy_future.c),
 *     and the others go on. When as many wait there as may, nothing is sent that way any more: what
 *     is most downstream goes on first, and the rest keeps its place, until there's room. When all
 *     that is left waits, the execution is parked (gears/grun.h).
 *   - A limit that is satisfied closes everything before it: nothing is read, spread or emptied
 *     that only it would see (`closed`).
 *   - On one shard collect and repartition have nothing to do, and a plan's steps that exist for
 *     their sake are left out when the cells are made.
 *
 * Everything here runs with the GIL, on one thread.
 */
#include "base/clock.h"
#include "base/ticks.h"
#include "gears/gsync.h"
#include "gears/py/gpy_owner.h"

/* ---- errors and results ---- */

static struct view too_many_errors(enum glimit limit)
{
    switch (limit) {
    case GLIMIT_RESULT_BYTES:
        return VIEW_LIT("Limit met: its errors take more than gears-max-result-bytes");
    case GLIMIT_MEMORY:
        return VIEW_LIT("Limit met: its errors take more than gears-max-execution-memory");
    default: return VIEW_LIT("the errors are larger than gears-max-memory");
    }
}

/* Each element of a long list may be an error: they are bounded as results are. */
void gpy__add_error(struct runner *r, struct view text)
{
    struct gtally *errors = &r->exec->errors;
    size_t most = r->exec->limits.max_bytes;
    if (most && errors->tape.bytes.len + text.len > most) {
        if (r->closed > r->count) return;
        r->closed = r->count + 1;
        text = too_many_errors(r->exec->limits.bytes_of);
    }
    tape_bytes(&errors->tape, TAPE_BULK, text.ptr, text.len);
    errors->count++;
    if (r->failed_entries && r->entry != NO_ENTRY) r->failed_entries[r->entry] = 1;
}

/* The current exception becomes an error record. A stop ends everything with it, and is called
 * off first: formatting runs Python. */
void gpy__record_error(struct runner *r)
{
    struct buf text = {0};
    gpy__limit_say(r->me, &r->exec->stop, &r->exec->limits.own, &text);
    if (gpy__stop_wanted(r)) {
        PyObject *type, *value, *trace;
        r->closed = r->count + 1;
        gpy__error_bare_stop();
        PyErr_Fetch(&type, &value, &trace);
        gpy__stop_end(r->me);
        PyErr_Restore(type, value, trace);
    }
    gpy__error_text(r->exec->limits.traceback, &text);
    gpy__add_error(r, buf_view(&text));
    buf_release(&text);
}

static void sink(struct runner *r, PyObject *take_record)
{
    struct gtally *results = &r->exec->results;
    struct gpy_form form = gpy__form_of(r->exec);
    PyObject *objects = r->exec->objects;
    if (gpy__to_tape(take_record, &results->tape, &form) &&
        (!objects || PyList_Append(objects, take_record) == 0))
        results->count++;
    else
        gpy__record_error(r);
    Py_DECREF(take_record);
}

/* The text of a result, as the last step makes it, without an object for it. */
static bool sink_text(struct runner *r, PyObject *record)
{
    struct gtally *results = &r->exec->results;
    struct buf *text = &r->me->text;
    size_t most = r->exec->limits.max_bytes;
    if (r->exec->plan->native || r->exec->objects || !r->me->attached) return false;
    buf_clear(text);
    if (!gpy__plain_text(record, text)) return false;
    if (most && results->tape.bytes.len + text->len > most) return false;
    tape_bytes(&results->tape, TAPE_BULK, text->ptr, text->len);
    results->count++;
    return true;
}

/* ---- calls ---- */

static inline PyObject *call1(PyObject *fn, PyObject *a)
{
    PyObject *args[] = {NULL, a};
    return PyObject_Vectorcall(fn, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static inline PyObject *call2(PyObject *fn, PyObject *a, PyObject *b)
{
    PyObject *args[] = {NULL, a, b};
    return PyObject_Vectorcall(fn, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static inline PyObject *call3(PyObject *fn, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *args[] = {NULL, a, b, c};
    return PyObject_Vectorcall(fn, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* After a callback: what it returned may be a promise. FATE_PASS: *result is its result. */
static inline enum fate settled(struct runner *r, size_t i, PyObject **result, PyObject *record,
                                PyObject *key)
{
    r->at = NO_CELL;
    if (gpy__is_promise(r, *result)) return gpy__hold(r, i, result, record, key);
    return likely(*result != NULL) ? FATE_PASS : FATE_ERROR;
}

static PyObject *copy_of_zero(PyObject *zero)
{
    if (PyLong_CheckExact(zero) || PyFloat_CheckExact(zero) || PyUnicode_CheckExact(zero) ||
        zero == Py_None || PyBool_Check(zero))
        return Py_NewRef(zero);
    return call1(gpy__names.deepcopy, zero);
}

/* The accumulator of the fold family as its function gets it: anything false is zero anew. */
static PyObject *folded(PyObject *acc, PyObject *zero)
{
    int truth = acc ? PyObject_IsTrue(acc) : 0;
    if (truth < 0) return NULL;
    return truth ? Py_NewRef(acc) : copy_of_zero(zero);
}

/* Keys are text: a str is itself, anything else its repr. */
static PyObject *key_text(PyObject *take_key)
{
    if (!take_key || PyUnicode_CheckExact(take_key)) return take_key;
    PyObject *text = PyUnicode_Check(take_key) ? PyUnicode_FromObject(take_key)
                                               : PyObject_Repr(take_key);
    Py_DECREF(take_key);
    return text;
}

/* ---- one to one ---- */

/* A new list of the same elements. (PySequence_List of CPython 3.11 loses a reference of a list
 * when memory is out.) */
static PyObject *list_of(PyObject *record)
{
    if (PyList_Check(record)) return PyList_GetSlice(record, 0, PyList_GET_SIZE(record));
    return PySequence_List(record);
}

/* As sorted(): equal elements keep their order, with reverse too. */
static PyObject *sorted(PyObject *record, bool reverse)
{
    PyObject *list = list_of(record);
    if (!list) return NULL;
    if ((reverse && PyList_Reverse(list)) || PyList_Sort(list) || (reverse && PyList_Reverse(list)))
        Py_CLEAR(list);
    return list;
}

/* Replaces *record. */
static inline enum fate mapped(struct runner *r, size_t i, PyObject **record)
{
    const struct cell *c = &r->cells[i];
    PyObject *result;
    r->at = i;
    result = call1(c->fn, *record);
    /* Nobody will need the record. */
    enum fate fate = settled(r, i, &result, NULL, NULL);
    if (fate == FATE_PASS) Py_SETREF(*record, result);
    return fate;
}

static enum fate changed(const struct cell *c, PyObject **record)
{
    PyObject *o = *record, *result;
    switch (c->op) {
    case GOP_STR: result = PyUnicode_CheckExact(o) ? Py_NewRef(o) : PyObject_Str(o); break;
    case GOP_SORTED: result = sorted(o, c->a); break;
    default: result = list_of(o);
    }
    if (!result) return FATE_ERROR;
    Py_SETREF(*record, result);
    return FATE_PASS;
}

/* Whether a filter's answer keeps the record. */
static enum fate kept_by(PyObject *answer)
{
    int truth = PyObject_IsTrue(answer);
    return truth < 0 ? FATE_ERROR : truth ? FATE_PASS : FATE_END;
}

/* A filter or foreach; the answer of the second is nobody's. */
static inline enum fate asked(struct runner *r, size_t i, PyObject *record)
{
    const struct cell *c = &r->cells[i];
    r->at = i;
    PyObject *answer = call1(c->fn, record);
    enum fate fate = settled(r, i, &answer, record, NULL);
    if (fate != FATE_PASS) return fate;
    if (c->op == GOP_FILTER) fate = kept_by(answer);
    Py_DECREF(answer);
    return fate;
}

/* The last record that a limit passes closes what is before it. */
static bool limit_passes(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    uint64_t place = c->count++;
    if (place < (uint64_t)c->a || place - (uint64_t)c->a >= (uint64_t)c->b) return false;
    if (place - (uint64_t)c->a + 1 == (uint64_t)c->b) r->closed = MAX(r->closed, i + 1);
    return true;
}

/* ---- many to one ---- */

static bool set_acc(PyObject **acc, PyObject *take_value)
{
    if (!take_value) return false;
    Py_XSETREF(*acc, take_value);
    return true;
}

/* acc = f(acc, record), with acc as `before`. */
static enum fate accumulate_with(struct runner *r, size_t i, PyObject *before, PyObject *record)
{
    struct cell *c = &r->cells[i];
    r->at = i;
    PyObject *after = call2(c->fn, before, record);
    enum fate fate = settled(r, i, &after, NULL, NULL);
    if (fate != FATE_PASS) return fate;
    Py_XSETREF(c->acc, after);
    return FATE_END;
}

static enum fate fold(struct runner *r, size_t i, PyObject *record)
{
    struct cell *c = &r->cells[i];
    PyObject *before = folded(c->acc, c->zero);
    if (!before) return FATE_ERROR;
    enum fate fate = accumulate_with(r, i, before, record);
    Py_DECREF(before);
    return fate;
}

static bool join(struct cell *c, PyObject *record)
{
    if (!c->acc) return set_acc(&c->acc, Py_NewRef(record));
    if (c->op == GOP_SUM) return set_acc(&c->acc, PyNumber_Add(c->acc, record));
    if (c->op == GOP_EXTEND) {
        Py_ssize_t end = PyList_GET_SIZE(c->acc);
        return PyList_SetSlice(c->acc, end, end, record) == 0;
    }
    PyObject *done = PyObject_CallMethod(c->acc, "update", "O", record);
    Py_XDECREF(done);
    return done != NULL;
}

static bool gathered(struct cell *c, PyObject *record)
{
    switch (c->op) {
    case GOP_COUNT: c->count++; return true;
    case GOP_APPEND:
        return (c->acc || (c->acc = PyList_New(0))) && PyList_Append(c->acc, record) == 0;
    case GOP_ADD: return (c->acc || (c->acc = PySet_New(NULL))) && PySet_Add(c->acc, record) == 0;
    default: return join(c, record);
    }
}

static enum fate accumulate(struct runner *r, size_t i, PyObject *record)
{
    struct cell *c = &r->cells[i];
    if (c->op == GOP_FOLD) return fold(r, i, record);
    if (c->op != GOP_ACCUMULATE) return gathered(c, record) ? FATE_END : FATE_ERROR;
    PyObject *before = Py_NewRef(c->acc ? c->acc : Py_None);
    enum fate fate = accumulate_with(r, i, before, record);
    Py_DECREF(before);
    return fate;
}

/* ---- by key: the dict is ours alone, and its keys are plain str ---- */

static bool count_key(struct cell *c, PyObject *key)
{
    PyObject *index = PyDict_GetItemWithError(c->acc, key);
    if (likely(index != NULL)) {
        c->counts[PyLong_AsSsize_t(index)]++;
        return true;
    }
    if (PyErr_Occurred()) return false;
    if (c->counts_len == c->counts_cap) {
        c->counts_cap = c->counts_cap ? c->counts_cap * 2 : 256;
        c->counts = mem_realloc(c->counts, sizeof(*c->counts) * c->counts_cap);
    }
    index = PyLong_FromSize_t(c->counts_len);
    bool done = index && PyDict_SetItem(c->acc, key, index) == 0;
    if (done) c->counts[c->counts_len++] = 1;
    Py_XDECREF(index);
    return done;
}

static bool group_key(struct cell *c, PyObject *key, PyObject *record)
{
    PyObject *list = PyDict_GetItemWithError(c->acc, key);
    if (list) return PyList_Append(list, record) == 0;
    if (PyErr_Occurred() || !(list = PyList_New(0))) return false;
    bool done = PyList_Append(list, record) == 0 && PyDict_SetItem(c->acc, key, list) == 0;
    Py_DECREF(list);
    return done;
}

/* The value of {'key': …, 'value': …}. */
static PyObject *value_of(PyObject *record)
{
    return PyObject_GetItem(record, gpy__names.value);
}

/* acc[key] = f(key, acc[key], record), for the three that call. */
static enum fate accumulate_in(struct runner *r, size_t i, PyObject *key, PyObject *before,
                               PyObject *record)
{
    struct cell *c = &r->cells[i];
    r->at = i;
    PyObject *after = call3(c->fn, key, before, record);
    enum fate fate = settled(r, i, &after, NULL, key);
    if (fate != FATE_PASS) return fate;
    int failed = PyDict_SetItem(c->acc, key, after);
    Py_DECREF(after);
    return failed ? FATE_ERROR : FATE_END;
}

static enum fate merge(struct runner *r, size_t i, PyObject *key, PyObject *held, PyObject *record)
{
    struct cell *c = &r->cells[i];
    PyObject *part = c->op == GOP_MERGE_BY_KEY ? value_of(record) : Py_NewRef(record);
    PyObject *before = part ? folded(held, c->zero) : NULL;
    enum fate fate = before ? accumulate_in(r, i, key, before, part) : FATE_ERROR;
    Py_XDECREF(part);
    Py_XDECREF(before);
    return fate;
}

static enum fate accumulate_key(struct runner *r, size_t i, PyObject *key, PyObject *record)
{
    struct cell *c = &r->cells[i];
    if (c->op == GOP_COUNT_BY_KEY) return count_key(c, key) ? FATE_END : FATE_ERROR;
    if (c->op == GOP_GROUP) return group_key(c, key, record) ? FATE_END : FATE_ERROR;
    PyObject *held = PyDict_GetItemWithError(c->acc, key);
    if (!held && PyErr_Occurred()) return FATE_ERROR;
    Py_XINCREF(held);
    enum fate fate = c->op == GOP_ACCUMULATE_BY_KEY
                         ? accumulate_in(r, i, key, held ? held : Py_None, record)
                         : merge(r, i, key, held, record);
    Py_XDECREF(held);
    return fate;
}

static enum fate extracted(struct runner *r, size_t i, PyObject *record, PyObject **key)
{
    const struct cell *c = &r->cells[i];
    enum fate fate = FATE_PASS;
    PyObject *result;
    switch (c->op) {
    case GOP_EXTRACT_SELF: result = Py_NewRef(record); break;
    case GOP_EXTRACT_KEY: result = PyObject_GetItem(record, gpy__names.key); break;
    default:
        r->at = i;
        result = call1(c->fn, record);
        fate = settled(r, i, &result, record, NULL);
    }
    if (fate == FATE_PASS && !(result = key_text(result))) fate = FATE_ERROR;
    if (fate == FATE_PASS) Py_XSETREF(*key, result);
    return fate;
}

/* ---- a record's way ---- */

static bool full_behind(const struct runner *r, size_t i)
{
    for (i++; i < r->count; i++)
        if (r->cells[i].held && r->cells[i].held == r->cells[i].held_max) return true;
    return false;
}

/* Keeps the elements of a list below `at` for later. */
static void leave(struct runner *r, size_t i, PyObject *list, Py_ssize_t at)
{
    struct cell *c = &r->cells[i];
    ASSERT(!c->left);
    c->left = Py_NewRef(list);
    c->left_at = at;
    c->left_entry = r->entry;
    r->pending++;
    r->look = true;
}

/* Last element first. The list is the script's: it may change while its elements are on their
 * way. */
static void spread(struct runner *r, size_t i, PyObject *list, Py_ssize_t at)
{
    while (at-- > 0) {
        if (i + 1 < r->closed || gpy__stop_wanted(r)) return;
        if (unlikely(r->full) && full_behind(r, i)) {
            leave(r, i, list, at + 1);
            return;
        }
        if (at >= PyList_GET_SIZE(list)) continue;
        gpy__push(r, i + 1, Py_NewRef(PyList_GET_ITEM(list, at)));
    }
}

/* One step: may replace *record and *key. FATE_END: the record has arrived, waits, or was
 * dropped. */
static inline enum fate step(struct runner *r, size_t i, PyObject **record, PyObject **key)
{
    struct cell *c = &r->cells[i];
    switch (c->op) {
    case GOP_MAP:
    case GOP_FLATMAP_FN: return mapped(r, i, record);
    case GOP_STR:
    case GOP_SORTED:
    case GOP_LIST_OF: return changed(c, record);
    case GOP_FLATMAP:
        if (!PyList_Check(*record)) return FATE_PASS;
        spread(r, i, *record, PyList_GET_SIZE(*record));
        return FATE_END;
    case GOP_FILTER:
    case GOP_FOREACH: return asked(r, i, *record);
    case GOP_LIMIT: return limit_passes(r, i) ? FATE_PASS : FATE_END;
    case GOP_EXTRACT:
    case GOP_EXTRACT_SELF:
    case GOP_EXTRACT_KEY: return extracted(r, i, *record, key);
    case GOP_VALUE: return FATE_PASS;
    case GOP_GROUP:
    case GOP_ACCUMULATE_BY_KEY:
    case GOP_FOLD_BY_KEY:
    case GOP_MERGE_BY_KEY:
    case GOP_COUNT_BY_KEY: return accumulate_key(r, i, *key, *record);
    default: return accumulate(r, i, *record);
    }
}

static inline enum fate timed_step(struct runner *r, size_t i, PyObject **record, PyObject **key)
{
    int64_t start = clock_mono_ns();
    enum fate fate = step(r, i, record, key);
    r->exec->step_ns[r->cells[i].step] += clock_mono_ns() - start;
    return fate;
}

void gpy__push(struct runner *r, size_t i, PyObject *take_record)
{
    PyObject *record = take_record, *key = NULL;
    enum fate fate = FATE_PASS;
    bool timed = r->exec->step_ns != NULL;
    _Atomic uint64_t *counts = r->exec->step_records;
    for (; i < r->count && fate == FATE_PASS; i++) {
        if (counts) gpy__count(&counts[r->cells[i].step], 1);
        if (i + 1 == r->count && r->cells[i].op == GOP_STR && !timed && sink_text(r, record)) {
            fate = FATE_END;
            break;
        }
        fate = unlikely(timed) ? timed_step(r, i, &record, &key) : step(r, i, &record, &key);
    }
    if (fate == FATE_PASS) {
        Py_XDECREF(key);
        sink(r, record);
        return;
    }
    if (fate == FATE_ERROR) gpy__record_error(r);
    Py_DECREF(record);
    Py_XDECREF(key);
}

/* ---- emptying barriers ---- */

static PyObject *group_record(PyObject *key, PyObject *value)
{
    PyObject *dict = PyDict_Copy(gpy__names.one_group);
    if (dict && (PyDict_SetItem(dict, gpy__names.key, key) ||
                 PyDict_SetItem(dict, gpy__names.value, value)))
        Py_CLEAR(dict);
    return dict;
}

/* What comes out for one key; NULL with an exception. */
static PyObject *key_result(struct runner *r, size_t i, PyObject *key)
{
    struct cell *c = &r->cells[i];
    PyObject *value, *held = PyDict_GetItemWithError(c->acc, key);
    if (!held) return NULL;
    if (c->op == GOP_COUNT_BY_KEY) {
        value = PyLong_FromLongLong(c->counts[PyLong_AsSsize_t(held)]);
    } else if (c->op == GOP_GROUP) {
        r->at = i;
        value = call2(c->fn, key, held);
        if (settled(r, i, &value, held, key) != FATE_PASS) value = NULL;
    } else {
        value = Py_NewRef(held);
    }
    PyObject *record = value ? group_record(key, value) : NULL;
    Py_XDECREF(value);
    return record;
}

/* The keys of a list below `at`, last key first, as users have seen it. */
static void pass_keys(struct runner *r, size_t i, PyObject *keys, Py_ssize_t at)
{
    while (at-- > 0) {
        if (i + 1 < r->closed || gpy__stop_wanted(r)) break;
        if (unlikely(r->full) && full_behind(r, i)) {
            leave(r, i, keys, at + 1);
            return;
        }
        PyObject *record = key_result(r, i, PyList_GET_ITEM(keys, at));
        if (record)
            gpy__push(r, i + 1, record);
        else
            gpy__record_error(r);
    }
    Py_CLEAR(r->cells[i].acc);
}

static void empty_keys(struct runner *r, size_t i)
{
    PyObject *keys = PyDict_Keys(r->cells[i].acc);
    if (!keys) {
        gpy__record_error(r);
        return;
    }
    pass_keys(r, i, keys, PyList_GET_SIZE(keys));
    Py_DECREF(keys);
}

static void empty_one(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    PyObject *record = c->acc;
    if (c->op == GOP_COUNT && c->count) {
        record = PyLong_FromUnsignedLongLong(c->count);
        if (!record) gpy__record_error(r);
    }
    c->acc = NULL;
    if (!record) return;
    if (i + 1 < r->closed)
        Py_DECREF(record);
    else
        gpy__push(r, i + 1, record);
}

static void empty_barrier(struct runner *r, size_t i)
{
    switch (r->cells[i].op) {
    case GOP_GROUP:
    case GOP_ACCUMULATE_BY_KEY:
    case GOP_FOLD_BY_KEY:
    case GOP_MERGE_BY_KEY:
    case GOP_COUNT_BY_KEY: empty_keys(r, i); break;
    case GOP_ACCUMULATE:
    case GOP_FOLD:
    case GOP_COUNT:
    case GOP_SUM:
    case GOP_APPEND:
    case GOP_EXTEND:
    case GOP_ADD:
    case GOP_UNION: empty_one(r, i); break;
    default: break;
    }
}

/* ---- records that waited ---- */

/* Sends an answered record on its way, as if its callback had returned the answer. */
static void go_on(struct runner *r, size_t i, struct answer *a)
{
    struct cell *c = &r->cells[i];
    enum fate fate = FATE_PASS;
    PyObject *record = NULL;
    switch (c->op) {
    case GOP_FILTER: fate = kept_by(a->value); /* fall through */
    case GOP_FOREACH: record = a->record; break;
    case GOP_MAP:
    case GOP_FLATMAP_FN: record = a->value; break;
    case GOP_ACCUMULATE:
    case GOP_FOLD:
        Py_XSETREF(c->acc, Py_NewRef(a->value));
        fate = FATE_END;
        break;
    default: fate = PyDict_SetItem(c->acc, a->key, a->value) ? FATE_ERROR : FATE_END;
    }
    if (fate == FATE_ERROR) gpy__record_error(r);
    if (fate == FATE_PASS) gpy__push(r, i + 1, Py_NewRef(record));
}

static void fail(struct runner *r, PyObject *text)
{
    PyObject *hold = NULL;
    struct view v = VIEW_LIT("Async record did not called continue");
    if (text && !gpy__utf8(text, &hold, &v)) PyErr_Clear();
    gpy__add_error(r, v);
    Py_XDECREF(hold);
}

static bool pass_answer(struct runner *r, size_t i)
{
    struct answer a;
    if (!gpy__held_take(r, i, &a)) return false;
    r->entry = a.entry;
    if (a.failed) fail(r, a.value);
    else if (i + 1 >= r->closed) go_on(r, i, &a);
    r->entry = NO_ENTRY;
    Py_XDECREF(a.value);
    Py_XDECREF(a.record);
    Py_XDECREF(a.key);
    return true;
}

/* Goes on with a list of which elements are left. */
static bool pass_left(struct runner *r, size_t i)
{
    struct cell *c = &r->cells[i];
    PyObject *list = c->left;
    if (!list) return false;
    c->left = NULL;
    r->pending--;
    r->entry = c->left_entry;
    if (c->op == GOP_FLATMAP) spread(r, i, list, c->left_at);
    else pass_keys(r, i, list, c->left_at);
    r->entry = NO_ENTRY;
    Py_DECREF(list);
    return true;
}

/* Does something with what is most downstream; false if nothing can go on. */
static bool advance(struct runner *r)
{
    for (size_t i = r->count; i-- > r->dropped;) {
        if (pass_left(r, i) || pass_answer(r, i)) return true;
        if (r->cells[i].held && r->cells[i].held == r->cells[i].held_max) return false;
    }
    return false;
}

/* Cells that a limit has closed forget what waits there. */
static void drop_closed(struct runner *r)
{
    while (r->dropped + 1 < MIN(r->closed, r->count + 1)) {
        struct cell *c = &r->cells[r->dropped++];
        gpy__held_drop(r, r->dropped - 1);
        if (c->left) r->pending--;
        Py_CLEAR(c->left);
    }
}

/* ---- making cells of a plan's steps ---- */

static bool by_key(enum gstep_op op)
{
    return op == GOP_GROUP || op == GOP_ACCUMULATE_BY_KEY || op == GOP_FOLD_BY_KEY ||
           op == GOP_MERGE_BY_KEY || op == GOP_COUNT_BY_KEY;
}

static unsigned held_max(enum gstep_op op)
{
    switch (op) {
    case GOP_MAP:
    case GOP_FLATMAP_FN:
    case GOP_FILTER:
    case GOP_FOREACH: return HELD_MAX;
    case GOP_ACCUMULATE:
    case GOP_FOLD:
    case GOP_ACCUMULATE_BY_KEY:
    case GOP_FOLD_BY_KEY:
    case GOP_MERGE_BY_KEY: return 1;
    default: return 0;
    }
}

static bool make_cells(struct runner *r)
{
    const struct gplan *plan = r->exec->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct gstep *s = &plan->steps[i];
        if (s->op == GOP_REDUCE) {
            r->cells[r->count - 1].fn = s->callable; /* of the group before it */
            continue;
        }
        if (gplan_left_out(plan, i)) continue;
        struct cell *c = &r->cells[r->count++];
        *c = (struct cell){.op = s->op,
                           .step = i,
                           .a = s->a,
                           .b = s->b,
                           .fn = s->callable,
                           .held_max = held_max(s->op)};
        if (s->op == GOP_FOLD || s->op == GOP_FOLD_BY_KEY || s->op == GOP_MERGE_BY_KEY) {
            c->fn = PyTuple_GET_ITEM((PyObject *)s->callable, 0);
            c->zero = PyTuple_GET_ITEM((PyObject *)s->callable, 1);
        }
        if (by_key(s->op) && !(c->acc = PyDict_New())) return false;
        if (s->op == GOP_LIMIT && s->b == 0) r->closed = r->count;
    }
    return true;
}

/* ---- the whole ---- */

/* Goes on until the end (true), or until all that is left waits for somebody else. */
static bool drive(struct runner *r)
{
    for (;;) {
        if (unlikely(r->closed > r->dropped + 1)) drop_closed(r);
        while (r->pending && !gpy__stop_wanted(r) && advance(r)) {
            if (unlikely(r->closed > r->dropped + 1)) drop_closed(r);
        }
        if (r->closed > r->count || gpy__stop_wanted(r)) return true;
        r->look = false;
        if (r->full) return false;
        if (!r->read && gpy__reading(r)) {
            gpy__read(r);
            continue;
        }
        if (r->pending) return false;
        if (r->barrier == r->count) return true;
        empty_barrier(r, r->barrier++);
    }
}

static struct runner *new_runner(struct gexec *e, const struct gpy_input *input, unsigned depth)
{
    size_t cells = e->plan->step_count;
    struct runner *r = mem_alloc(sizeof(*r) + sizeof(r->cells[0]) * cells);
    *r = (struct runner){.exec = e,
                         .at = NO_CELL,
                         .entry = NO_ENTRY,
                         .depth = depth,
                         .origin = input ? input->origin : NULL,
                         .must_end = input && input->must_end};
    r->reader = gpy__reading_new(r, input);
    r->read = !r->reader;
    e->runner = r;
    return r;
}

/* `within` a job of gsync_run: once the record is made, what it was made of isn't needed; before,
 * nothing of a script's may run, not even the end of an object that a collection comes upon. */
static void begin(struct runner *r, const struct gpy_input *input, bool within)
{
    bool collects = within && PyGC_Disable();
    bool made = make_cells(r);
    PyObject *record = made && !r->reader ? gpy__event_record(input) : NULL;
    if (collects) PyGC_Enable();
    if (within) {
        gpy__out_for(r->me);
        gsync_out();
    }
    if (!made) {
        gpy__record_error(r);
        r->closed = r->count + 1;
        return;
    }
    if (r->reader) return;
    gpy__note_read(r, 1);
    if (record)
        gpy__push(r, 0, record);
    else
        gpy__record_error(r);
}

/* What its end sets free may run code of the script, under the stop that is still in force. */
static void end(struct runner *r)
{
    bool stopped = gpy__stop_wanted(r);
    if (stopped && r->exec->errors.count == 0) {
        PyErr_SetNone(gpy__names.force_stopped);
        gpy__record_error(r);
    }
    r->exec->runner = NULL;
    for (size_t i = 0; i < r->count; i++) {
        struct cell *c = &r->cells[i];
        gpy__held_drop(r, i);
        Py_CLEAR(c->left);
        Py_CLEAR(c->acc);
        mem_free(c->counts);
    }
    gpy__reading_free(r->reader);
    if (r->owner) gpy__owner_end(r->owner, stopped);
    r->me->now.runner = NULL;
    mem_free(r);
}

/* Leaves it to whoever answers next, or aborts it; false if there's something to do already. From
 * here on it may be another worker's as soon as the GIL is given up. */
static bool park(struct runner *r)
{
    struct gexec *e = r->exec;
    if (r->look) return false;
    bool first = !r->parked;
    if (first) grun_exec_ref(e); /* given back by who brings it to its end, grun.c */
    r->parked = true;
    atomic_store(&e->park, GEXEC_PARKED);
    int parked = GEXEC_PARKED;
    if (!gpy__stop_wanted(r) ||
        !atomic_compare_exchange_strong(&e->park, &parked, GEXEC_NOT_PARKED))
        return true;
    r->parked = !first;
    if (first) grun_exec_unref(e);
    return false;
}

/* Has the runner run on this thread; true: to its end. */
static bool run_here(struct runner *r, const struct gpy_input *input, bool fresh, bool within)
{
    struct gpy_thread *me = r->me;
    me->now.runner = r;
    if (fresh) begin(r, input, within);
    while (!drive(r)) {
        gpy__atomic_abandon(me);
        if (park(r)) return false;
    }
    end(r);
    return true;
}

/* An event inside of a script's command finds something of that on its thread, which is put
 * aside. */
static bool run_on_thread(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                          unsigned depth, bool fresh)
{
    struct gpy_thread *me = gpy__me();
    struct gpy_context outer;
    struct gpy_profiled profiled;
    bool had_gil = me->has_gil;
    if (!had_gil) gpy__enter(me);
    struct runner *r = fresh ? new_runner(e, input, depth) : e->runner;
    r->me = me;
    const struct gpy_context next = {
        .stop = &e->stop,
        .session = e->plan->session,
        .exec = e,
        .unit = unit ? unit : me->now.unit,
        .depth = r->depth,
        .origin = fresh ? r->origin : e->registered ? &e->origin : NULL,
        .answers_event = e->registered,
        .limits = &e->limits.own,
        .meter = &e->meter,
        .metered = !e->registered || e->limits.profile};
    gpy__context_begin(me, &outer, &next);

    uint64_t held_since = unit ? ticks_now() : 0;
    gpy__profile_begin(me, e->limits.profile ? me->now.session : NULL, &profiled);
    bool ended = run_here(r, input, fresh, unit != NULL);
    gpy__profile_end(me, &profiled);

    if (unit) gmeter_token(&e->meter, ticks_now() - held_since);
    gpy__context_end(me, &outer);
    gpy__profile_resume(me, &profiled);
    if (!had_gil) gpy__leave(me);
    return ended;
}

bool gpy_run_exec(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth)
{
    return run_on_thread(e, input, unit, depth, true);
}

bool gpy_resume_exec(struct gexec *e)
{
    /* Should it be parked again, another may bring it to its end before we are done. */
    grun_exec_ref(e);
    bool ended = run_on_thread(e, NULL, NULL, 0, false);
    grun_exec_unref(e);
    return ended;
}
