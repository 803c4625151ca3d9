/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a thread works on: whose code runs, what it may use, what stops it. Things nest on a thread:
 * an event inside of a script's command finds a registration's execution to be run there, and the
 * event loop's thread runs callbacks of one session after the other. So all of this is one struct
 * that is put aside as a whole, and taken back as a whole: nobody has to remember a field.
 *
 * What isn't in here belongs to the thread whatever it works on (gpy_core.h).
 */
#ifndef GEARS_PY_CONTEXT_H
#define GEARS_PY_CONTEXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "gears/grun.h"
#include "gears/gscript.h"

struct gpy_thread;
struct runner;

/* The thread's alone, but for the first two. */
struct gpy_context {
    struct gstop *stop;    /* what stops it; NULL: nothing does. Guard of both: the GIL */
    int64_t stop_since_us; /* when the stop exception was raised first; 0: not yet */

    struct gscript *script;   /* its body runs: run() and register() collect here */
    struct gscript *held_up;  /* its body has run, but its client waits for this too */
    struct gsession *session; /* whose code runs */
    PyObject *session_object; /* keeps the session, if nothing else does; a reference */
    struct runner *runner;    /* the execution that runs here, NULL: none */
    struct gexec *exec;       /* it runs, or a coroutine for it */
    struct kv_unit *unit;     /* what commands join: a sync callback's or an atomic block's */
    unsigned depth;           /* of events: what execute() passes on */
    const struct gorigin *origin; /* likewise */
    bool answers_event; /* a registration's execution runs, or a coroutine of one */

    bool in_atomic;
    bool atomic_owns;      /* the block took the token, and gives it back */
    uint64_t atomic_since; /* when, in ticks */
    struct gwatch *atomic_watch; /* of the block that is open; NULL: its time isn't limited */

    const struct glimits *limits; /* NULL: none */
    struct gmeter *meter;         /* NULL: nothing counts what it uses */
    bool metered;                 /* its Python time too */
    int64_t mem_base; /* what the thread's mem_used was when it began, */
    int64_t mem_most; /* and what it may become; INT64_MAX: anything */
};

/*
 * From begin to end the thread works on `next`, whose session_object is taken, and `outer` keeps
 * what it worked on. Its limits are in force, but for those of time, which gwatch_begin puts in
 * force; its meter counts: Python time if next->metered, or if that is limited; its stop stops it.
 * End puts away an atomic block that is open, clears a stop that was raised too late, and goes back
 * to the outer one, which may be wanted by now; the current exception stays. With the GIL.
 */
void gpy__context_begin(struct gpy_thread *me, struct gpy_context *outer,
                        const struct gpy_context *next);
void gpy__context_end(struct gpy_thread *me, const struct gpy_context *outer);

#endif
