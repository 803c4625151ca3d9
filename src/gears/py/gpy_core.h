/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share. Every function here needs the GIL unless it says
 * otherwise.
 */
#ifndef GEARS_PY_CORE_H
#define GEARS_PY_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>

#include "exec/token.h"
#include "gears/gpy.h"
#include "gears/gread.h"
#include "gears/grun.h"
#include "gears/gscript.h"
#include "gears/py/gpy_context.h"

/*
 * What a thread has to do with Python. Attached threads (workers, the interpreter's thread, the
 * sync runner) own their state; a thread that a script started gets a struct on first use, with
 * `foreign` set.
 */
struct gpy_thread {
    struct gpy_thread *prev, *next; /* attached threads; guard: the GIL */
    PyThreadState *state;
    unsigned long ident;
    bool attached;
    bool first; /* never stands before the gate */
    bool on_loop; /* runs the event loop */
    bool has_gil; /* attached threads only */

    struct gpy_context now; /* what it works on */
    struct token_hold *hold;  /* what it has the token by while code of scripts runs under it */
    struct token_hold own;    /* that of an atomic block of its own */
    /* For whom it is out of its hold: an execution's number + 1, or a script; 0, NULL: else. Any
     * thread reads. */
    _Atomic uint64_t out_for;
    struct gscript *_Atomic out_for_script;
    bool visits;              /* within gpy__data_in and _out */
    PyThreadState *let_go;    /* of gpy_lets_go */

    /* Guard: the GIL. */
    bool traced; /* the trace function that raises is set */
    bool wedged; /* told to the pool: nothing stops it */
    unsigned stop_looks; /* how often the stop was raised since the thread works on this */

    /* This thread's alone. */
    struct exec_user *user; /* for whom a thread of a script's own acts; borrowed */
    struct kv_unit atomic_unit;
    int64_t mem_used; /* what this thread allocated and didn't free, in all */
    enum { MEM_NOT_MET, MEM_OWN_MET, MEM_ALL_MET } mem_met; /* a limit that was met since it began
                                                               with what it works on */
    struct tape tape; /* scratch of execute() */
    struct buf text;  /* scratch of results */
    PyObject *profiler; /* which is enabled here, or NULL; borrowed */
};

/* The calling thread's; never NULL. Any thread. */
struct gpy_thread *gpy__me(void);

/* As gpy__me, in a function that Python called: notes the state of a thread that we didn't make. */
static inline struct gpy_thread *gpy__here(void)
{
    struct gpy_thread *me = gpy__me();
    if (unlikely(!me->attached)) {
        me->state = PyThreadState_Get();
        me->has_gil = true;
    }
    return me;
}

/* Attached threads. Guard: the GIL; to be changed also, or to be read without it: the mutex. */
extern struct gpy_thread *gpy__threads;
extern pthread_mutex_t gpy__threads_mutex;

/* 1: the gate before the GIL is closed; gears/gpy.h. */
extern _Atomic uint32_t gpy__gate;
/* Stands before it, for a while at most. Without the GIL. */
void gpy__gate_wait(void);

static inline bool gpy__gate_is_for(const struct gpy_thread *me)
{
    return unlikely(atomic_load_explicit(&gpy__gate, memory_order_relaxed)) && !me->now.unit &&
           !me->first;
}

/* Gives the GIL and takes it again, on any thread; keeps has_gil. */
static inline PyThreadState *gpy__release_gil(struct gpy_thread *me)
{
    me->has_gil = false;
    return PyEval_SaveThread();
}

static inline void gpy__retake_gil(struct gpy_thread *me, PyThreadState *state)
{
    if (gpy__gate_is_for(me)) gpy__gate_wait();
    PyEval_RestoreThread(state);
    me->has_gil = true;
}

/* Lets whoever is first in line have the GIL. */
static inline void gpy__pass_gate(struct gpy_thread *me)
{
    if (gpy__gate_is_for(me)) gpy__retake_gil(me, gpy__release_gil(me));
}

/* Before it goes out of its hold of the token: notes for whom. */
static inline void gpy__out_for(struct gpy_thread *me)
{
    uint64_t number = me->now.exec ? me->now.exec->number + 1 : 0;
    atomic_store_explicit(&me->out_for, number, memory_order_relaxed);
    atomic_store_explicit(&me->out_for_script, me->now.script, memory_order_relaxed);
}

/* For attached threads: into Python and out of it. */
void gpy__enter(struct gpy_thread *me);
void gpy__leave(struct gpy_thread *me);

/* From begin to end the thread can be stopped; end clears what was raised too late. Part of a
 * context's begin and end. */
void gpy__stop_begin(struct gpy_thread *me, struct gstop *stop);
void gpy__stop_end(struct gpy_thread *me);
/* After an inner begin and end: back to the outer stop, which may be wanted by now, or NULL, with
 * what stop_since_us was: who is busy with inner ones all the time is stopped nevertheless. */
void gpy__stop_resume(struct gpy_thread *me, struct gstop *outer, int64_t since_us);

/* Has the interpreter's thread look around. Any thread. */
void gpy__serve_wake(void);
/* As gsync_watch, for the reaper. */
bool gpy__reap_watch(void);

/* ---- limits ---- */

/* Appends "Limit met: … : " if the current exception, or the stop, comes of a limit. */
void gpy__limit_say(struct gpy_thread *me, const struct gstop *stop, const struct glimits *limits,
                    struct buf *out);

/* An atomic block begins, and ends. */
void gpy__limit_atomic_begin(struct gpy_thread *me);
void gpy__limit_atomic_end(struct gpy_thread *me);

/* ---- objects that the prelude and the modules give ---- */

struct gpy_names {
    PyObject *error, *flat_error, *force_stopped; /* exception classes */
    PyObject *module;   /* redisgears */
    PyObject *prelude;  /* dict of the prelude */
    PyObject *pack, *unpack, *deepcopy, *format_exception;
    PyObject *begin_coroutine, *cancel_tasks, *create_future, *set_result; /* prelude_async.py */
    PyObject *cancelled; /* asyncio.CancelledError */
    PyObject *nothing;   /* a function that does nothing */
    PyObject *threading_file; /* what code of the module threading calls its file */
    PyObject *event, *key, *type, *value, *id, *old_value; /* interned */
    PyObject *type_names[GREAD_TYPE_COUNT];
    PyObject *one_key; /* {"event": None, "key": None} and so on: copied for each record */
    PyObject *one_record;
    PyObject *one_entry;
    PyObject *one_group; /* {"key": None, "value": None} */
};
extern struct gpy_names gpy__names;

/* Makes the modules `redisgears` and `gears`; false with an exception. */
bool gpy__module_create(void);
/* Makes the module `redisAI`; false with an exception. */
bool gpy__redisai_create(void);
/* Fills gpy__names from the modules, the prelude and its async part; false with an exception. */
bool gpy__names_fill(PyObject *prelude, PyObject *async);

/* Types of the module, ready for use. */
extern PyTypeObject gpy__builder_type;
extern PyTypeObject gpy__atomic_type;
extern PyTypeObject gpy__log_file_type;
extern PyTypeObject gpy__native_type;
extern PyTypeObject gpy__rows_type;

/* The module's functions of gpy_call.c. */
PyObject *gpy__execute(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
/* Runs a command of these words, `first` before them unless it is NULL, and returns its reply.
 * `base` says what is special about the call. */
PyObject *gpy__run_words(const struct exec_call *base, const struct view *first,
                         PyObject *const *args, Py_ssize_t nargs);
/* The module's functions of gpy_hook.c. */
PyObject *gpy__call_next(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *gpy__get_command(PyObject *self, PyObject *unused);
PyObject *gpy__override_reply(PyObject *self, PyObject *value);

/* ---- arguments of register() ---- */

/* A str's bytes into memory of ours; false with an exception, with `error` if it's no str. */
bool gpy__take_text(PyObject *o, const char *error, char **out, size_t *len_out);
/* hook= and keyprefix= (NULL: not given). False with an exception. */
bool gpy__fill_hook(struct greg_request *r, PyObject *hook, PyObject *prefix);
/* One name of commands=. False with an exception. */
bool gpy__add_held(struct greg_request *r, const char *name);
/* Calls fn(ctx), which knows nothing of Python, under the token. False with gears.forcestopped
 * raised: it wasn't called. */
bool gpy__with_token(void (*fn)(void *ctx), void *ctx);

/* registerTE(); gpy_time.c. */
PyObject *gpy__register_time_event(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
/* When a TimeReader's registration runs, from its keywords. NULL with an exception. */
struct gtime_spec *gpy__time_spec(PyObject *kwargs);

/* Of gpy_builder.c. Pickles o into pickle_out, and returns what loading it gives; NULL with
 * gears.error raised. */
PyObject *gpy__own_copy(PyObject *o, struct buf *pickle_out);
/* str(o), for people: "" if that fails. */
char *gpy__str_of(PyObject *o);

/* The module's functions of gpy_ext.c: whether an extension has a reader of this name, and an
 * iterator over its records. */
PyObject *gpy__is_native_reader(PyObject *self, PyObject *name);
PyObject *gpy__open_native_reader(PyObject *self, PyObject *args);
/* Has a language run a text. False with an exception. */
bool gpy__run_language(const struct gears_language *language, struct view text);

static inline bool gpy__is_native(PyObject *o)
{
    return Py_IS_TYPE(o, &gpy__native_type);
}

/* With gears.error raised, if the script that runs here is only explained. */
bool gpy__refuse_explained(const char *what);
/* What runs here is measured for a session; gpy_profile.c. */
struct gpy_profiled {
    PyObject *profiler; /* NULL: nothing is measured */
    PyObject *outer;
    struct gsession *session;
    uint64_t resets;
};
/* Begins, unless session is NULL; what is measured for an outer one rests. */
void gpy__profile_begin(struct gpy_thread *me, struct gsession *session, struct gpy_profiled *p);
/* Ends. */
void gpy__profile_end(struct gpy_thread *me, struct gpy_profiled *p);
/* Goes on with the outer one: after the thread's profile function has been cleared. */
void gpy__profile_resume(struct gpy_thread *me, struct gpy_profiled *p);

/* Before a script's body: what was installed for it can be imported. gpy_packages.c. */
void gpy__use_packages(const struct gsession *session);

/* A keyword that is a whole number of [least, most]; absent, it leaves *out. False with an
 * exception, with `not_number` if it's no int. */
bool gpy__take_number(PyObject *kwargs, const char *name, const char *not_number, int64_t least,
                      int64_t most, int64_t *out);

/* StreamReader's arguments of register(); NULL with an exception. */
struct gstream_args *gpy__stream_args(PyObject *kwargs, bool sync);

/* Around what touches data where commands join a unit (me->now.unit): there the thread has been out
 * of its hold of the token, see exec/token.h. `visit` is for both. False with gears.forcestopped
 * raised: it has lost the token. */
bool gpy__data_in(struct gpy_thread *me, bool *visit_out);
void gpy__data_out(struct gpy_thread *me, bool visit);

/* Once, before anything runs. */
void gpy__atomic_setup(void);
/* Puts away what an atomic block left open: the body ended inside of it. */
void gpy__atomic_abandon(struct gpy_thread *me);

/* ---- protection of the process ---- */

/* Before Py_Initialize: the audit hook. */
void gpy__guard_install(void);
/* After it: functions of posix, signal, _locale … that would hurt the process are replaced. */
bool gpy__guard_modules(void);

/* Counts what Python allocates, and bounds it. Before Py_Initialize, after pre-initialisation. */
void gpy__memory_install(void);
/* More than half of the limit is in use. Any thread. */
bool gpy__memory_is_high(void);
/* Before a script begins, without the GIL: when memory is high, lets the reaper drop what earlier
 * scripts left, so that nobody pays for another's garbage. Waits for half a second at most. */
void gpy__settle(void);

/* What scripts share of Python is noted once, and before each script put back as it was. False
 * with an exception. */
bool gpy__tidy_note(void);
void gpy__tidy(void);

/* ---- conversions ---- */

/* str, or bytearray if the bytes are no UTF-8. */
PyObject *gpy__text(struct view v);
/* The object of the node at *pos of a tape. An error node raises gears.error. */
PyObject *gpy__from_tape(const struct tape *t, size_t *pos);
/* How results are written. */
struct gpy_form {
    size_t max_bytes; /* of the whole tape; 0: any */
    enum glimit bytes_of; /* which limit that is; GLIMIT_COUNT: gears-max-memory */
    bool native;          /* as the types of RESP3, not as RedisGears does */
};
/* Those of an execution. */
static inline struct gpy_form gpy__form_of(const struct gexec *e)
{
    return (struct gpy_form){.max_bytes = e->limits.max_bytes,
                             .bytes_of = e->limits.bytes_of,
                             .native = e->plan->native};
}
/* Appends an object as RG.PYEXECUTE shows it. False with an exception (nested too deep, the tape
 * would become too large, a stop is wanted): then nothing was appended. */
bool gpy__to_tape(PyObject *o, struct tape *out, const struct gpy_form *form);
/* The bytes of a str, lone surrogates included, as a bytes-like view: borrowed from *hold, a new
 * reference. False with an exception. */
bool gpy__utf8(PyObject *str, PyObject **hold, struct view *out);
/* A record of a batch, as its reader gives it. */
PyObject *gpy__record(const struct gread_batch *b, size_t i, bool with_value);
PyObject *gpy__entry_record(const struct gread_batch *b, size_t i);
PyObject *gpy__event_record(const struct gpy_input *input);

/* Appends str(o), if o is a dict, list or tuple of plain things; false: ask Python. */
bool gpy__plain_text(PyObject *o, struct buf *out);

/* ---- errors ---- */

/* Appends the text of the current exception, as clients see it, and clears it. */
void gpy__error_text(bool traceback, struct buf *out);
/* The current exception becomes a bare gears.forcestopped with the same traceback: before a stop is
 * called off for gpy__error_text. */
void gpy__error_bare_stop(void);
/* Logs and clears it. */
void gpy__error_log(const char *what);

#endif
