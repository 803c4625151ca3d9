/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * execute() and atomic(): how Python reaches the data.
 *
 * execute() is as cheap as the token allows: it is tried with the GIL held, which succeeds
 * whenever main sleeps; only if that fails is the GIL given up to wait. The reply comes as a
 * tape, and objects are made of it when the token has been given back, since making objects may
 * run any code of the script's (the garbage collector calls __del__).
 *
 * While the server is paused, what a client would have to wait with waits here, too, without the
 * GIL; an atomic block doesn't begin. What runs within a command, or within a block, has begun.
 *
 * atomic() holds the token over Python code: nobody else touches the data meanwhile. It is the
 * one place that does, so it keeps its own account of what the thread holds, and gives it back
 * even if the block's body was ended by a stop between two instructions. Between its commands it is
 * out of its hold (exec/token.h): should the body be in a call that never returns, main takes the
 * token, and ends the unit with what has been done.
 */
#include <unistd.h>

#include "base/log.h"
#include "base/ticks.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/pause.h"
#include "exec/token.h"
#include "gears/py/gpy_core.h"

#define ARGS_ON_STACK 32
#define TAPE_KEEP_BYTES (256 * 1024)
#define LOST_LOOK_US 1000

static const atomic_bool *stop_flag(const struct gpy_thread *me)
{
    return me->now.stop ? &me->now.stop->wanted : NULL;
}

static bool is_stopped(const struct gpy_thread *me)
{
    const atomic_bool *flag = stop_flag(me);
    return flag && atomic_load_explicit(flag, memory_order_relaxed);
}

/* Takes the token when there's no pause. */
static enum status take_unpaused(const atomic_bool *stop)
{
    for (;;) {
        enum status st = token_take(stop);
        if (st || !pause_holds(NULL)) return st;
        token_give();
        if ((st = pause_wait(stop))) return st;
    }
}

enum status gpy_token_take(const atomic_bool *abort_flag)
{
    struct gpy_thread *me = gpy__me();
    if (!me->has_gil) return take_unpaused(abort_flag);
    gpy__pass_gate(me);
    if (token_try()) {
        if (!pause_holds(NULL)) return STATUS_OK;
        token_give();
    }
    PyThreadState *state = gpy__release_gil(me);
    enum status st = take_unpaused(abort_flag);
    gpy__retake_gil(me, state);
    return st;
}

/* False with gears.forcestopped raised. */
static bool take_token(struct gpy_thread *me)
{
    if (gpy_token_take(stop_flag(me)) == STATUS_OK) return true;
    PyErr_SetNone(gpy__names.force_stopped);
    return false;
}

bool gpy_lets_go(void)
{
    struct gpy_thread *me = gpy__me();
    if (me->now.unit && !me->visits) return false;
    me->let_go = gpy__release_gil(me);
    return true;
}

void gpy_takes_back(void)
{
    struct gpy_thread *me = gpy__me();
    PyThreadState *state = me->let_go;
    if (likely(!state)) return;
    me->let_go = NULL;
    gpy__retake_gil(me, state);
}

bool gpy__data_in(struct gpy_thread *me, bool *visit_out)
{
    *visit_out = !token_is_mine();
    if (!*visit_out) return true;
    if (likely(token_hold_in(me->hold))) return me->visits = true;
    *visit_out = false;
    PyErr_SetNone(gpy__names.force_stopped);
    return false;
}

void gpy__data_out(struct gpy_thread *me, bool visit)
{
    if (!visit) return;
    me->visits = false;
    token_hold_out(me->hold);
}

bool gpy__refuse_explained(const char *what)
{
    const struct gsession *session = gpy__me()->now.session;
    if (likely(!session || !session->explained)) return false;
    PyErr_Format(gpy__names.error, "%s is not allowed while a script is explained (RG.EXPLAIN)",
                 what);
    return true;
}

/* ---- execute ---- */

/* One word of the command: bytes as they are, anything else as str(). hold keeps them alive. */
static bool argument(PyObject *o, PyObject **hold, struct arg *out)
{
    struct view v;
    if (PyUnicode_Check(o)) {
        if (!gpy__utf8(o, hold, &v)) return false;
        if (!*hold) *hold = Py_NewRef(o);
    } else if (PyBytes_Check(o)) {
        *hold = Py_NewRef(o);
        v = view_of(PyBytes_AS_STRING(o), (size_t)PyBytes_GET_SIZE(o));
    } else if (PyByteArray_Check(o)) {
        /* Copied: another thread may resize it while the command runs. */
        *hold = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(o), PyByteArray_GET_SIZE(o));
        if (!*hold) return false;
        v = view_of(PyBytes_AS_STRING(*hold), (size_t)PyBytes_GET_SIZE(*hold));
    } else {
        PyObject *s = PyObject_Str(o), *bytes = NULL;
        if (!s) return false;
        if (!gpy__utf8(s, &bytes, &v)) {
            Py_DECREF(s);
            return false;
        }
        if (bytes) Py_SETREF(s, bytes);
        *hold = s;
    }
    *out = arg_of_view(v);
    return true;
}

enum call_end { CALL_DONE, CALL_UNKNOWN, CALL_ARITY, CALL_STOPPED, CALL_PAUSED };

/* For whom the calling code acts. What ends an object of nobody knows which script, or runs in a
 * thread that no script began, is a connection that hasn't said who it is. */
static struct exec_user *acts_for(const struct gpy_thread *me)
{
    if (me->now.session) return me->now.session->user;
    return me->user ? me->user : client_login_user();
}

/* The token is held. It also guards the command table, which goes when the server ends. */
static enum call_end run_held(const struct gpy_thread *me, struct exec_call *call,
                              struct arg *argv, int argc, struct tape *tape)
{
    const struct command *cmd;
    enum status st = command_resolve(argv, argc, &cmd);
    if (st && !cmd) return CALL_UNKNOWN; /* an unknown subcommand is its container's to answer */
    if (!st && !command_arity_ok(cmd, argc)) return CALL_ARITY;
    if (!call->unit && !st && pause_holds(cmd)) return CALL_PAUSED;
    call->user = acts_for(me);
    exec_run(call, argv, argc, tape);
    return CALL_DONE;
}

/* The token was taken for this command. */
static enum call_end run_timed(const struct gpy_thread *me, struct exec_call *call,
                               struct arg *argv, int argc, struct tape *tape)
{
    uint64_t start = ticks_now();
    enum call_end end = run_held(me, call, argv, argc, tape);
    if (likely(me->now.meter)) gmeter_token(me->now.meter, ticks_now() - start);
    return end;
}

/* Takes the token and runs the command, without the GIL; again after each pause that held it. */
static enum call_end run_waiting(struct gpy_thread *me, struct exec_call *call, struct arg *argv,
                                 int argc, struct tape *tape)
{
    enum call_end end;
    do {
        if (token_take(stop_flag(me))) return CALL_STOPPED;
        end = run_timed(me, call, argv, argc, tape);
        token_give();
    } while (end == CALL_PAUSED && pause_wait(stop_flag(me)) == STATUS_OK);
    return end == CALL_PAUSED ? CALL_STOPPED : end;
}

/* It joins the unit under way. */
static enum call_end run_joining(struct gpy_thread *me, struct exec_call *call, struct arg *argv,
                                 int argc, struct tape *tape)
{
    bool visit;
    if (!gpy__data_in(me, &visit)) {
        PyErr_Clear();
        return CALL_STOPPED;
    }
    enum call_end end = run_held(me, call, argv, argc, tape);
    gpy__data_out(me, visit);
    gpy_takes_back(); /* out of the hold, since that may take for ever */
    return end;
}

/* Runs the command into the tape. `base` says what is special about the call. */
static enum call_end run_command(struct gpy_thread *me, const struct exec_call *base,
                                 struct arg *argv, int argc, struct tape *tape)
{
    struct exec_call call = *base;
    enum call_end end = CALL_PAUSED;
    call.flags |= EXEC_FROM_GEARS | EXEC_DENY_BLOCKING;
    call.event_depth = me->now.depth + 1;
    call.unit = me->now.unit;
    call.origin = me->now.origin;
    call.resp = 2;
    gpy__pass_gate(me);
    /* Who waits for it may have been told already; the stop itself is raised when somebody can. */
    if (unlikely(is_stopped(me))) return CALL_STOPPED;
    if (me->now.unit) return run_joining(me, &call, argv, argc, tape);
    if (token_try()) {
        end = run_timed(me, &call, argv, argc, tape);
        token_give();
        gpy_takes_back();
    }
    if (end != CALL_PAUSED) return end;
    PyThreadState *state = gpy__release_gil(me);
    end = run_waiting(me, &call, argv, argc, tape);
    gpy__retake_gil(me, state);
    return end;
}

/* What the engine itself has to say about a call is in the words of the operating system's
 * errors, which users know from it. */
static PyObject *reply_of(enum call_end end, const struct tape *tape)
{
    size_t pos = 0;
    switch (end) {
    case CALL_DONE: return gpy__from_tape(tape, &pos);
    case CALL_UNKNOWN: PyErr_SetString(gpy__names.error, "No such file or directory"); break;
    case CALL_ARITY: PyErr_SetString(gpy__names.error, "Invalid argument"); break;
    case CALL_STOPPED:
    case CALL_PAUSED: PyErr_SetNone(gpy__names.force_stopped); break;
    }
    return NULL;
}

static PyObject *execute_words(struct gpy_thread *me, const struct exec_call *base,
                               struct arg *argv, int argc)
{
    /* The scratch tape is taken: making objects of it may come back here. */
    struct tape tape = me->tape;
    me->tape = (struct tape){0};
    tape_clear(&tape);
    PyObject *reply = reply_of(run_command(me, base, argv, argc, &tape), &tape);
    if (me->attached && tape.bytes.cap <= TAPE_KEEP_BYTES && !me->tape.bytes.ptr)
        me->tape = tape;
    else
        tape_release(&tape);
    return reply;
}

PyObject *gpy__run_words(const struct exec_call *base, const struct view *first,
                         PyObject *const *args, Py_ssize_t nargs)
{
    struct arg argv_stack[ARGS_ON_STACK], *argv = argv_stack;
    PyObject *hold_stack[ARGS_ON_STACK], **hold = hold_stack;
    int at = first ? 1 : 0;
    if (nargs > INT32_MAX - 1) return PyErr_NoMemory();
    if (nargs + at > ARGS_ON_STACK) {
        argv = mem_alloc(sizeof(*argv) * (size_t)(nargs + at));
        hold = mem_alloc(sizeof(*hold) * (size_t)nargs);
    }
    if (first) argv[0] = arg_of_view(*first);
    PyObject *reply = NULL;
    Py_ssize_t n = 0;
    while (n < nargs && argument(args[n], &hold[n], &argv[n + at])) n++;
    if (n == nargs) reply = execute_words(gpy__here(), base, argv, (int)nargs + at);
    while (n > 0) Py_DECREF(hold[--n]);
    if (argv != argv_stack) {
        mem_free(argv);
        mem_free(hold);
    }
    return reply;
}

PyObject *gpy__execute(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    UNUSED(self);
    if (nargs == 0) return PyList_New(0);
    if (!PyUnicode_Check(args[0])) {
        PyErr_SetString(gpy__names.error, "the given command must be a string");
        return NULL;
    }
    if (unlikely(gpy__refuse_explained("execute"))) return NULL;
    const struct exec_call base = {.flags = gpy__me()->now.answers_event ? EXEC_ANSWERS_EVENT : 0};
    return gpy__run_words(&base, NULL, args, nargs);
}

/* ---- atomic ---- */

/* The unit of the block that is open; NULL: none is. Guard: the token; but its owner, who may have
 * been deprived of the token, looks whether it is still his. */
static struct {
    struct kv_unit *_Atomic unit;
    unsigned depth;
} open_block;

/* Main: the thread that had begun the block is in a call that never returns. */
static void end_revoked(void)
{
    struct kv_unit unit = *open_block.unit;
    unsigned depth = open_block.depth;
    atomic_store(&open_block.unit, NULL);
    exec_unit_end(&unit, depth);
}

void gpy__atomic_setup(void)
{
    token_on_revoked(end_revoked);
}

/* It has lost the token, and the unit is main's. */
static COLD void atomic_lost(struct gpy_thread *me)
{
    PyThreadState *state = gpy__release_gil(me);
    while (atomic_load(&open_block.unit) == &me->atomic_unit) usleep(LOST_LOOK_US);
    gpy__retake_gil(me, state);
    token_hold_renew(&me->own);
}

static PyObject *atomic_enter(PyObject *self, PyObject *unused)
{
    UNUSED(unused);
    struct gpy_thread *me = gpy__here();
    if (me->now.in_atomic) {
        PyErr_SetString(gpy__names.error, "Already inside an atomic block");
        return NULL;
    }
    if (gpy__refuse_explained("atomic")) return NULL;
    /* Nobody could stop it there, or end the block when the thread ends. */
    if (!me->attached) {
        PyErr_SetString(gpy__names.error, "atomic is not allowed in a thread of the script's own");
        return NULL;
    }
    /* In a sync callback the token is ours already, and so is the unit. */
    if (!me->now.unit) {
        if (!take_token(me)) return NULL;
        me->now.atomic_owns = true;
        me->now.atomic_since = ticks_now();
        memset(&me->atomic_unit, 0, sizeof(me->atomic_unit));
        exec_unit_begin(&me->atomic_unit);
        me->now.unit = &me->atomic_unit;
        open_block.depth = me->now.depth + 1;
        atomic_store_explicit(&open_block.unit, &me->atomic_unit, memory_order_relaxed);
        gpy__out_for(me);
        token_hold_out(&me->own);
    }
    me->now.in_atomic = true;
    gpy__limit_atomic_begin(me);
    return Py_NewRef(self);
}

static void atomic_give(struct gpy_thread *me)
{
    if (me->now.meter) gmeter_token(me->now.meter, ticks_now() - me->now.atomic_since);
    token_give();
}

static void atomic_leave(struct gpy_thread *me)
{
    me->now.in_atomic = false;
    gpy__limit_atomic_end(me);
    if (!me->now.atomic_owns) return;
    me->now.atomic_owns = false;
    me->now.unit = NULL;
    if (unlikely(!token_hold_in(&me->own))) {
        atomic_lost(me);
        return;
    }
    atomic_store_explicit(&open_block.unit, NULL, memory_order_relaxed);
    if (me->atomic_unit.event_count == 0) {
        exec_unit_end(&me->atomic_unit, me->now.depth + 1);
        atomic_give(me);
        return;
    }
    /* Subscribers are told: that may take its time, and needs no GIL. */
    PyThreadState *state = gpy__release_gil(me);
    exec_unit_end(&me->atomic_unit, me->now.depth + 1);
    atomic_give(me);
    gpy__retake_gil(me, state);
}

static PyObject *atomic_exit(PyObject *self, PyObject *args)
{
    UNUSED(self);
    UNUSED(args);
    struct gpy_thread *me = gpy__here();
    if (me->now.in_atomic) atomic_leave(me);
    Py_RETURN_FALSE;
}

void gpy__atomic_abandon(struct gpy_thread *me)
{
    if (!me->now.in_atomic) return;
    log_warning("Gears: session %.64s left an atomic block open; it has been ended",
                me->now.session ? me->now.session->id : "unknown");
    atomic_leave(me);
}

static PyMethodDef atomic_methods[] = {
    {"__enter__", atomic_enter, METH_NOARGS, "Takes the data for this thread alone."},
    {"__exit__", atomic_exit, METH_VARARGS, "Gives it back; exceptions pass."},
    {NULL, NULL, 0, NULL}};

PyTypeObject gpy__atomic_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisgears.PyAtomic",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What atomic() returns: a context in which nobody else touches the data.",
    .tp_methods = atomic_methods};
