/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interpreter's life: configuration, the thread it lives on, the threads attached to it, and
 * stopping what runs in them.
 *
 * The configuration is isolated: no environment, no user site, no signal handlers, the locale
 * left alone (UTF-8 mode makes Python independent of it). Home and executable are those of the
 * libpython that we are linked with, since otherwise Python would search from the server's own
 * path, or, worse, from a python3 that happens to come first in PATH.
 *
 * Python is never finalized: threads of scripts may sit in C code that will not return.
 *
 * Stopping: the interpreter's thread raises gears.forcestopped in the thread once a millisecond.
 * Code that catches everything survives that, so after a tenth of a second a trace function is
 * set in its thread that raises at every line and call. Both are taken back before the thread
 * goes on with other work. What sits in one C call for long can't be stopped at all; after a second
 * the pool is told that this worker can't be counted on, and makes another; and so is who waits.
 *
 * Discarded references are dropped by a thread of their own, the reaper: the interpreter's thread
 * runs nothing of a script, so that it can always stop what does.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/mpsc.h"
#include "gears/greq.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"
#include "gears/py/gpy_owner.h"
#include "gears_prelude.h"
#include "gears_prelude_async.h"

#define SWITCH_INTERVAL_S 0.00025
#define STOP_AGAIN_NS 1000000
#define STOP_TRACE_US 100000
#define WATCH_NS 50000000
/* Time alone doesn't count: it may be another's long call that keeps the GIL from both of us. */
#define STOP_WEDGED_US 1000000
#define STOP_WEDGED_LOOKS 200
/* How long the end of a discarded object may take. */
#define REAP_US 1000000

struct trash {
    struct mpsc_node node;
    PyObject *object;
};

static _Thread_local struct gpy_thread me_of_thread;
static struct gpy_thread *threads; /* guard: the GIL */
#define SETTLE_US 500000
static struct mpsc trash;
static _Atomic uint32_t trash_word; /* changes when there is trash */
static _Atomic uint32_t trash_left; /* objects that wait for their end or are in it */
static struct gstop reap_stop;
static _Atomic int64_t reap_since_us; /* when the end of the object under way began, or 0 */
static _Atomic uint32_t serve_word; /* changes when the interpreter's thread has work */
static atomic_bool serve_sleeps;
static atomic_int stops_wanted;

struct gpy_thread *gpy__me(void)
{
    return &me_of_thread;
}

bool gpy_has_gil(void)
{
    return me_of_thread.has_gil;
}

bool gpy_thread_is_attached(void)
{
    return me_of_thread.state != NULL;
}

const char *gpy_version(void)
{
    return PY_VERSION;
}

/* ---- start ---- */

/* The directory above lib/pythonX.Y/os.py, seen from the shared library; false if it isn't where
 * Debian puts it. */
static bool find_prefix(char out[PATH_MAX])
{
    Dl_info info;
    char probe[PATH_MAX + 64];
    if (!dladdr((void *)(uintptr_t)Py_IsInitialized, &info) || !info.dli_fname) return false;
    if (!realpath(info.dli_fname, out)) return false;
    for (;;) {
        char *slash = strrchr(out, '/');
        if (!slash || slash == out) return false;
        *slash = 0;
        snprintf(probe, sizeof(probe), "%s/lib/python%d.%d/os.py", out, PY_MAJOR_VERSION,
                 PY_MINOR_VERSION);
        if (access(probe, R_OK) == 0) return true;
    }
}

bool gpy_program(char *out, size_t size)
{
    char prefix[PATH_MAX];
    if (!find_prefix(prefix)) return false;
    int len = snprintf(out, size, "%s/bin/python%d.%d", prefix, PY_MAJOR_VERSION,
                       PY_MINOR_VERSION);
    return len > 0 && (size_t)len < size && access(out, X_OK) == 0;
}

static PyStatus pre_initialize(void)
{
    PyPreConfig pre;
    PyPreConfig_InitIsolatedConfig(&pre);
    pre.utf8_mode = 1;
    pre.configure_locale = 0;
    pre.coerce_c_locale = 0;
#if defined(COG_DEBUG)
    pre.allocator = PYMEM_ALLOCATOR_MALLOC;
#endif
    return Py_PreInitialize(&pre);
}

static PyStatus configure(PyConfig *config)
{
    char prefix[PATH_MAX], path[PATH_MAX + 64];
    config->site_import = 1;
    config->user_site_directory = 0;
    config->install_signal_handlers = 0;
    config->write_bytecode = 0;
    config->pathconfig_warnings = 0;
    config->parse_argv = 0;
    PyStatus st = PyStatus_Ok();
    if (!find_prefix(prefix)) return st;
    st = PyConfig_SetBytesString(config, &config->home, prefix);
    if (PyStatus_Exception(st)) return st;
    snprintf(path, sizeof(path), "%s/bin/python%d.%d", prefix, PY_MAJOR_VERSION, PY_MINOR_VERSION);
    return PyConfig_SetBytesString(config, &config->executable, path);
}

static PyStatus initialize(void)
{
    PyStatus st = pre_initialize();
    if (PyStatus_Exception(st)) return st;
    gpy__memory_install();
    gpy__guard_install();
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    st = configure(&config);
    if (!PyStatus_Exception(st)) st = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return st;
}

/* Runs a part of the prelude as a module of its own; NULL with an exception. Borrowed. */
static PyObject *run_prelude(const char *name, const char *text)
{
    PyObject *code = Py_CompileString(text, "<prelude>", Py_file_input);
    if (!code) return NULL;
    PyObject *module = PyImport_ExecCodeModule(name, code);
    Py_DECREF(code);
    if (!module) return NULL;
    PyObject *dict = PyModule_GetDict(module);
    Py_DECREF(module); /* sys.modules holds it */
    return dict;
}

static bool settle(PyObject *prelude)
{
    PyObject *fn = PyDict_GetItemString(prelude, "_settle");
    PyObject *system_too = greq_settings.system_packages ? Py_True : Py_False;
    PyObject *done = fn ? PyObject_CallFunction(fn, "dO", SWITCH_INTERVAL_S, system_too) : NULL;
    Py_XDECREF(done);
    return done && PyDict_DelItemString(prelude, "_settle") == 0;
}

enum status gpy_start(char *error, size_t error_size)
{
    PyStatus st = initialize();
    if (PyStatus_Exception(st)) {
        snprintf(error, error_size, "%s", st.err_msg ? st.err_msg : "initialization failed");
        return STATUS_ERR;
    }
    struct gpy_thread *me = gpy__me();
    me->attached = me->has_gil = true;
    me->state = PyThreadState_Get();
    me->ident = PyThread_get_thread_ident();
    PyObject *prelude = NULL, *async = NULL;
    if (!gpy__module_create() || !gpy__redisai_create() ||
        !(async = run_prelude("redisgears_async", gpy_prelude_async)) ||
        !(prelude = run_prelude("redisgears_prelude", gpy_prelude)) ||
        !gpy__names_fill(prelude, async) || !settle(prelude) || !gpy__guard_modules() ||
        !gpy__tidy_note()) {
        struct buf text = {0};
        gpy__error_text(true, &text);
        snprintf(error, error_size, "%s", buf_cstr(&text));
        buf_release(&text);
        gpy__leave(me);
        return STATUS_ERR;
    }
    gpy__leave(me);
    log_notice("Gears: Python %s is ready", PY_VERSION);
    return STATUS_OK;
}

void gpy_thread_attach(void)
{
    struct gpy_thread *me = gpy__me();
    ASSERT(!me->attached);
    me->state = PyThreadState_New(PyInterpreterState_Main());
    ASSERT(me->state);
    me->attached = true;
    gpy__enter(me);
    me->ident = PyThread_get_thread_ident();
    /* PyThreadState_New noted the thread that made it, which is this one. */
    me->next = threads;
    if (threads) threads->prev = me;
    threads = me;
    gpy__leave(me);
}

/* ---- references given back without the GIL ---- */

static void serve_wake(void)
{
    atomic_fetch_add(&serve_word, 1);
    if (atomic_load(&serve_sleeps)) futex_wake(&serve_word, 1);
}

void gpy_wake(void)
{
    serve_wake();
}

/* Never here: the end of an object may run code of a script, which may take any time. */
void gpy_discard(void *object)
{
    if (!object) return;
    struct trash *t = mem_alloc(sizeof(*t));
    t->object = object;
    atomic_fetch_add(&trash_left, 1);
    if (!mpsc_push(&trash, &t->node)) return;
    atomic_fetch_add(&trash_word, 1);
    futex_wake(&trash_word, 1);
}

/* ---- the gate ---- */

#define GATE_WAIT_NS 50000000

_Atomic uint32_t gpy__gate;
static _Atomic uint32_t gate_waiters;

void gpy__gate_wait(void)
{
    atomic_fetch_add(&gate_waiters, 1);
    futex_wait(&gpy__gate, 1, GATE_WAIT_NS);
    atomic_fetch_sub(&gate_waiters, 1);
}

void gpy_pass_gate(void)
{
    gpy__pass_gate(gpy__me());
}

void gpy_gate_close(void)
{
    atomic_store(&gpy__gate, 1);
}

void gpy_gate_open(void)
{
    atomic_store(&gpy__gate, 0);
    if (atomic_load(&gate_waiters)) futex_wake(&gpy__gate, INT32_MAX);
}

void gpy_thread_is_first(void)
{
    gpy__me()->first = true;
}

/* ---- into Python and out of it ---- */

void gpy__enter(struct gpy_thread *me)
{
    DEBUG_ASSERT(me->state && !me->has_gil);
    if (gpy__gate_is_for(me)) gpy__gate_wait();
    PyEval_RestoreThread(me->state);
    me->has_gil = true;
}

void gpy__leave(struct gpy_thread *me)
{
    DEBUG_ASSERT(me->has_gil);
    me->has_gil = false;
    PyEval_SaveThread();
}

bool gpy_hold(void)
{
    struct gpy_thread *me = gpy__me();
    if (me->has_gil) return false;
    gpy__enter(me);
    return true;
}

void gpy_release(bool took)
{
    if (took) gpy__leave(gpy__me());
}

static void reap_one(struct gpy_thread *me, PyObject *take_object)
{
    atomic_store(&reap_stop.wanted, false);
    atomic_store(&reap_since_us, clock_mono_us());
    gpy__stop_begin(me, &reap_stop);
    Py_DECREF(take_object);
    PyErr_Clear();
    gpy__atomic_abandon(me);
    atomic_store(&reap_since_us, 0);
    gpy__stop_end(me);
}

void gpy_reap(void)
{
    struct gpy_thread *me = gpy__me();
    for (;;) {
        uint32_t seen = atomic_load(&trash_word);
        if (mpsc_is_empty(&trash)) {
            futex_wait(&trash_word, seen, -1);
            continue;
        }
        struct mpsc_node *next;
        gpy__enter(me);
        serve_wake(); /* begins to watch */
        for (struct mpsc_node *n = mpsc_take_all(&trash); n; n = next) {
            struct trash *t = CONTAINER_OF(n, struct trash, node);
            next = n->next;
            reap_one(me, t->object);
            mem_free(t);
            if (atomic_fetch_sub(&trash_left, 1) == 1) futex_wake(&trash_left, INT32_MAX);
        }
        gpy__leave(me);
    }
}

void gpy__settle(void)
{
    int64_t end_us = clock_mono_us() + SETTLE_US;
    for (uint32_t left; gpy__memory_is_high() && (left = atomic_load(&trash_left)) > 0;) {
        if (clock_mono_us() > end_us) return;
        futex_wait(&trash_left, left, 10000000);
    }
}

/* As gsync_watch, for the reaper. */
static bool reap_watch(void)
{
    int64_t since_us = atomic_load(&reap_since_us);
    if (since_us && clock_mono_us() - since_us > REAP_US) gpy_stop(&reap_stop);
    return since_us || !mpsc_is_empty(&trash);
}

/* ---- stopping ---- */

/* It may have been wanted before anybody could see where. */
void gpy__stop_resume(struct gpy_thread *me, struct gstop *outer, int64_t since_us)
{
    me->now.stop = outer;
    me->now.stop_since_us = since_us;
    me->traced = false;
    me->stop_looks = 0;
    if (!outer || !atomic_load(&outer->wanted)) return;
    atomic_fetch_add(&stops_wanted, 1);
    serve_wake();
}

void gpy__stop_begin(struct gpy_thread *me, struct gstop *stop)
{
    gpy__stop_resume(me, stop, 0);
}

/* A stop that was raised too late is taken by a function that does nothing. To take it back instead
 * would leave the interpreter on the lookout for it: each later look costs all threads some time,
 * and CPython 3.11 never gets past it in a function that is profiled. */
static void take_late_stop(struct gpy_thread *me)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (me->state->async_exc) Py_XDECREF(PyObject_CallNoArgs(gpy__names.nothing));
    if (me->state->async_exc) PyThreadState_SetAsyncExc(me->ident, NULL);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
}

void gpy__stop_end(struct gpy_thread *me)
{
    bool raised = me->now.stop_since_us != 0;
    me->now.stop = NULL;
    /* Also what a script has set with sys.settrace and sys.setprofile. */
    if (me->traced || me->state->c_tracefunc) _PyEval_SetTrace(me->state, NULL, NULL);
    if (me->state->c_profilefunc) _PyEval_SetProfile(me->state, NULL, NULL);
    if (raised) take_late_stop(me);
    me->now.stop_since_us = 0;
    me->traced = false;
    if (!me->wedged) return;
    me->wedged = false;
    gpool_wedged(-1);
}

static int raise_stop(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    UNUSED(self);
    UNUSED(frame);
    UNUSED(what);
    UNUSED(arg);
    PyErr_SetNone(gpy__names.force_stopped);
    return -1;
}

void gpy_stop(struct gstop *stop)
{
    if (atomic_exchange(&stop->wanted, true)) return;
    atomic_fetch_add(&stops_wanted, 1);
    serve_wake();
}

void gpy_stop_for(struct gstop *stop, enum glimit limit)
{
    int none = 0;
    if (!atomic_load(&stop->wanted))
        atomic_compare_exchange_strong(&stop->met, &none, (int)limit + 1);
    gpy_stop(stop);
}

/* Nothing stops it. What a callback on the event loop worked for isn't the loop's to end. */
static void give_up(struct gpy_thread *t)
{
    t->wedged = true;
    gpool_wedged(1);
    struct gscript *script = t->now.script ? t->now.script : t->now.held_up;
    if (script) gstuck_script(script);
    else if (!t->on_loop && t->now.exec && t->now.stop == &t->now.exec->stop)
        gstuck_exec(t->now.exec);
}

/* Raises where it is wanted; true if there is such a thread, which will be looked at again. */
static bool stop_threads(int64_t now_us)
{
    bool again = false;
    for (struct gpy_thread *t = threads; t; t = t->next) {
        if (!t->now.stop || !atomic_load(&t->now.stop->wanted)) continue;
        again = true;
        if (!t->now.stop_since_us) t->now.stop_since_us = now_us;
        if (!t->traced && now_us - t->now.stop_since_us > STOP_TRACE_US) {
            t->traced = _PyEval_SetTrace(t->state, raise_stop, NULL) == 0;
            PyErr_Clear();
        }
        PyThreadState_SetAsyncExc(t->ident, gpy__names.force_stopped);
        t->stop_looks++;
        if (!t->wedged && t->stop_looks >= STOP_WEDGED_LOOKS &&
            now_us - t->now.stop_since_us >= STOP_WEDGED_US)
            give_up(t);
    }
    return again;
}

void gpy_serve(void)
{
    struct gpy_thread *me = gpy__me();
    bool again = false;
    me->first = true; /* who stops others doesn't wait behind them */
    for (;;) {
        uint32_t seen = atomic_load(&serve_word);
        if (again || atomic_exchange(&stops_wanted, 0)) {
            gpy__enter(me);
            again = stop_threads(clock_mono_us());
            gpy__leave(me);
        }
        bool sync = gsync_watch(), reaps = reap_watch(), loops = gpy__loop_watch();
        int64_t sleep_ns = gwatch_look();
        if (sync || reaps || loops) sleep_ns = sleep_ns < 0 ? WATCH_NS : MIN(sleep_ns, WATCH_NS);
        atomic_store(&serve_sleeps, true);
        futex_wait(&serve_word, seen, again ? STOP_AGAIN_NS : sleep_ns);
        atomic_store(&serve_sleeps, false);
    }
}
