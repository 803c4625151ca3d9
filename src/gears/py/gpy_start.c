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
#include "exec/client.h"
#include "gears/greq.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"
#include "gears/py/gpy_owner.h"
#include "gears_prelude.h"
#include "gears_prelude_async.h"

#define SWITCH_INTERVAL_S 0.00025
/* How long the end of a discarded object may take. */
#define REAP_US 1000000

struct trash {
    struct mpsc_node node;
    PyObject *object;
};

static _Thread_local struct gpy_thread me_of_thread;
struct gpy_thread *gpy__threads;
pthread_mutex_t gpy__threads_mutex = PTHREAD_MUTEX_INITIALIZER;
#define SETTLE_US 500000
static struct mpsc trash;
static _Atomic uint32_t trash_word; /* changes when there is trash */
static _Atomic uint32_t trash_left; /* objects that wait for their end or are in it */
static struct gstop reap_stop;
static _Atomic int64_t reap_since_us; /* when the end of the object under way began, or 0 */

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
    gpy__atomic_setup();
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
    me->hold = &me->own;
    gpy__enter(me);
    me->ident = PyThread_get_thread_ident();
    /* PyThreadState_New noted the thread that made it, which is this one. */
    pthread_mutex_lock(&gpy__threads_mutex);
    me->next = gpy__threads;
    if (gpy__threads) gpy__threads->prev = me;
    gpy__threads = me;
    pthread_mutex_unlock(&gpy__threads_mutex);
    gpy__leave(me);
}

void gpy_thread_detach(void)
{
    struct gpy_thread *me = gpy__me();
    PyThreadState *state = me->state;
    ASSERT(me->attached && me->has_gil && !me->now.exec);
    pthread_mutex_lock(&gpy__threads_mutex);
    if (me->prev) me->prev->next = me->next;
    else gpy__threads = me->next;
    if (me->next) me->next->prev = me->prev;
    pthread_mutex_unlock(&gpy__threads_mutex);
    tape_release(&me->tape);
    buf_release(&me->text);
    PyThreadState_Clear(state);
    *me = (struct gpy_thread){0};
    PyThreadState_DeleteCurrent();
}

/* ---- references given back without the GIL ---- */


void gpy_wake(void)
{
    gpy__serve_wake();
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

void gpy_thread_is_first(struct token_hold *hold)
{
    gpy__me()->first = true;
    gpy__me()->hold = hold;
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
        gpy__serve_wake(); /* begins to watch */
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

bool gpy__reap_watch(void)
{
    int64_t since_us = atomic_load(&reap_since_us);
    if (since_us && clock_mono_us() - since_us > REAP_US) gpy_stop(&reap_stop);
    return since_us || !mpsc_is_empty(&trash);
}
