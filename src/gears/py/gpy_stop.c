/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping what runs in threads that are attached to the interpreter, and the watch over limits of
 * time.
 *
 * A thread for it raises gears.forcestopped in the other once a millisecond. Code that catches
 * everything survives that, so after a tenth of a second a trace function is set in its thread that
 * raises at every line and call. Both are taken back before the thread goes on with other work.
 * What sits in one C call for long can't be stopped at all; after a second the pool is told that
 * this worker can't be counted on, and makes another; who waits is told; and what it has the data
 * token for goes on without it (exec/token.h, token_hold). A call that keeps the GIL for as long
 * keeps it from that thread too: the interpreter's thread, which never takes it, sees that.
 *
 * An exception that comes between two instructions of importlib or of threading can leave a lock of
 * all scripts taken for ever: so it isn't raised there, where a thread is for moments only.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "exec/client.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"
#include "gears/py/gpy_owner.h"

#define STOP_AGAIN_NS 1000000
#define STOP_TRACE_US 100000
/* How long it is put off where it might do harm. */
#define STOP_PUT_OFF_US 500000
#define WATCH_NS 50000000
/* Time alone doesn't count: it may be another's long call that keeps the GIL from both of us. */
#define STOP_WEDGED_US 1000000
#define STOP_WEDGED_LOOKS 200

static _Atomic uint32_t serve_word; /* changes when the interpreter's thread has work */
static atomic_bool serve_sleeps;
static atomic_int stops_wanted;
static struct {
    _Atomic uint32_t asked, done; /* how often; not the same: there is something to raise */
    _Atomic int64_t waits_since_us; /* for the GIL; 0: it doesn't */
} raiser;

void gpy__serve_wake(void)
{
    atomic_fetch_add(&serve_word, 1);
    if (atomic_load(&serve_sleeps)) futex_wake(&serve_word, 1);
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
    gpy__serve_wake();
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

static bool is_worker(const struct gpy_thread *t)
{
    return t->hold == &t->own && !t->on_loop;
}

void gpy__stop_end(struct gpy_thread *me)
{
    bool raised = me->now.stop_since_us != 0;
    me->now.stop = NULL;
    /* Also what a script has set with sys.settrace and sys.setprofile. */
    if (me->traced || me->state->c_tracefunc) _PyEval_SetTrace(me->state, NULL, NULL);
    if (me->state->c_profilefunc) _PyEval_SetProfile(me->state, NULL, NULL);
    if (raised) {
        take_late_stop(me);
        while (_PyImport_ReleaseLock() > 0) {} /* what importlib was kept from doing itself */
    }
    me->now.stop_since_us = 0;
    me->traced = false;
    if (!me->wedged) return;
    me->wedged = false;
    gpool_wedged(-1, is_worker(me));
}

/* The thread is at a place where an exception that nobody expects leaves locks behind. */
static bool is_delicate(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *file = code->co_filename;
    bool delicate =
        !PyUnicode_CompareWithASCIIString(file, "<frozen importlib._bootstrap>") ||
        !PyUnicode_CompareWithASCIIString(file, "<frozen importlib._bootstrap_external>") ||
        (gpy__names.threading_file && !PyUnicode_Compare(file, gpy__names.threading_file));
    Py_DECREF(code);
    return delicate;
}

/* What goes on there for that long is no moment. */
static bool is_put_off(const struct gpy_thread *t, PyFrameObject *frame)
{
    return clock_mono_us() - t->now.stop_since_us < STOP_PUT_OFF_US && is_delicate(frame);
}

static int raise_stop(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    UNUSED(self);
    UNUSED(what);
    UNUSED(arg);
    if (is_put_off(gpy__me(), frame)) return 0;
    PyErr_SetNone(gpy__names.force_stopped);
    return -1;
}

void gpy_stop(struct gstop *stop)
{
    if (atomic_exchange(&stop->wanted, true)) return;
    atomic_fetch_add(&stops_wanted, 1);
    gpy__serve_wake();
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
    gpool_wedged(1, is_worker(t));
    struct gscript *script = t->now.script ? t->now.script : t->now.held_up;
    if (script) gstuck_script(script);
    else if (!t->on_loop && t->now.exec && t->now.stop == &t->now.exec->stop)
        gstuck_exec(t->now.exec);
}

/* What it has the token for is another's from now on: who goes on without it looks for that, or is
 * woken. Fails while it touches data, or hasn't got the token. */
static void deprive(struct gpy_thread *t, uint32_t outing)
{
    if (outing && token_hold_revoke(t->hold, outing, t->hold != &t->own)) exec_wake();
}

static void raise_in(struct gpy_thread *t)
{
    PyFrameObject *frame = PyThreadState_GetFrame(t->state);
    if (!frame || !is_put_off(t, frame))
        PyThreadState_SetAsyncExc(t->ident, gpy__names.force_stopped);
    Py_XDECREF((PyObject *)frame);
}

/* Raises where it is wanted; true if there is such a thread, which will be looked at again. To look
 * at frames makes objects; the ends of others, which that might collect, are scripts' code. */
static bool stop_threads(int64_t now_us)
{
    bool again = false, collects = PyGC_Disable();
    for (struct gpy_thread *t = gpy__threads; t; t = t->next) {
        if (!t->now.stop || !atomic_load(&t->now.stop->wanted)) continue;
        again = true;
        if (!t->now.stop_since_us) t->now.stop_since_us = now_us;
        if (!t->traced && now_us - t->now.stop_since_us > STOP_TRACE_US) {
            t->traced = _PyEval_SetTrace(t->state, raise_stop, NULL) == 0;
            PyErr_Clear();
        }
        raise_in(t);
        t->stop_looks++;
        if (!t->wedged && t->stop_looks >= STOP_WEDGED_LOOKS &&
            now_us - t->now.stop_since_us >= STOP_WEDGED_US)
            give_up(t);
        if (t->wedged) deprive(t, token_hold_outing(t->hold));
    }
    if (collects) PyGC_Enable();
    return again;
}

/* ---- who raises, and who watches ---- */

_Noreturn void gpy_raise(void)
{
    struct gpy_thread *me = gpy__me();
    bool again = false;
    me->first = true; /* who stops others doesn't wait behind them */
    for (uint32_t done = 0;;) {
        uint32_t asked = atomic_load(&raiser.asked);
        if (again || asked == done) futex_wait(&raiser.asked, asked, again ? STOP_AGAIN_NS : -1);
        done = asked = atomic_load(&raiser.asked);
        atomic_store(&raiser.waits_since_us, clock_mono_us());
        gpy__enter(me);
        atomic_store(&raiser.waits_since_us, 0);
        again = stop_threads(clock_mono_us());
        gpy__leave(me);
        atomic_store(&raiser.done, again ? done - 1 : done);
    }
}

/* Whether what it runs, or is about to run, has been given up. */
static bool is_given_up(const struct gpy_thread *t)
{
    uint64_t number = atomic_load(&t->out_for);
    struct gexec *e = number ? grun_of_number(number - 1) : NULL;
    bool given_up = e && grun_status(e) == GEXEC_PENDING_TERMINATION;
    grun_exec_unref(e);
    const struct gscript *script = atomic_load(&t->out_for_script);
    return given_up || (script && gscript_is_stopped(script));
}

/* A call keeps the GIL from who is to raise stops, and so from everybody: all that is to be stopped
 * is given up without it. */
static void give_up_all(void)
{
    gscript_give_up_stopped();
    grun_give_up_stopped();
    pthread_mutex_lock(&gpy__threads_mutex);
    for (struct gpy_thread *t = gpy__threads; t; t = t->next) {
        uint32_t outing = token_hold_outing(t->hold);
        /* Of this outing, or of a later one: then the outing has ended. */
        if (outing && is_given_up(t)) deprive(t, outing);
    }
    pthread_mutex_unlock(&gpy__threads_mutex);
}

/* Until it has raised what it was asked to; true while it hasn't. */
static bool watch_raiser(void)
{
    int64_t since_us = atomic_load(&raiser.waits_since_us);
    if (since_us && clock_mono_us() - since_us > STOP_WEDGED_US) give_up_all();
    return atomic_load(&raiser.done) != atomic_load(&raiser.asked);
}

void gpy_serve(void)
{
    for (;;) {
        uint32_t seen = atomic_load(&serve_word);
        if (atomic_exchange(&stops_wanted, 0)) {
            atomic_fetch_add(&raiser.asked, 1);
            futex_wake(&raiser.asked, 1);
        }
        bool raises = watch_raiser();
        bool sync = gsync_watch(), reaps = gpy__reap_watch(), loops = gpy__loop_watch();
        int64_t sleep_ns = gwatch_look();
        if (raises || sync || reaps || loops)
            sleep_ns = sleep_ns < 0 ? WATCH_NS : MIN(sleep_ns, WATCH_NS);
        atomic_store(&serve_sleeps, true);
        futex_wait(&serve_word, seen, sleep_ns);
        atomic_store(&serve_sleeps, false);
    }
}
