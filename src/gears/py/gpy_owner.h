/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions and owners as Python objects (gpy_owner.c), and the event loop that works for them
 * (gpy_loop.c). Guard of everything: the GIL.
 */
#ifndef GEARS_PY_OWNER_H
#define GEARS_PY_OWNER_H

#include "gears/py/gpy_run.h"

struct guard;

/* redisgears._Owner: for whom something on the loop works. */
struct gpy_owner {
    PyObject_HEAD
    PyObject *session;      /* a PyExecutionSession */
    struct gpy_owner *base; /* whose execution it is; a reference; NULL: its own, if any */
    struct gexec *exec;     /* a reference, until the execution has ended; else NULL */
    bool stopped;           /* the execution was stopped: nothing goes on for it */
    bool answers_event;
    unsigned depth;         /* of events, as in struct gpy_thread */
    struct gorigin origin;  /* the same; count 0: nothing led here */
    struct guard *guards;   /* of its tasks, those of derived owners too */
};

extern PyTypeObject gpy__session_type;
extern PyTypeObject gpy__owner_type;
extern PyTypeObject gpy__guard_type;

/* Once, before the prelude. False with an exception. */
bool gpy__owner_init(void);

/* Its session, borrowed; NULL: the collector has taken it. */
struct gsession *gpy__owner_session(const struct gpy_owner *o);

/* The owner that counts: whose execution o works for. */
static inline struct gpy_owner *gpy__owner_base(struct gpy_owner *o)
{
    return o->base ? o->base : o;
}

/* The owner that the current context names: *out is a reference or NULL. False with an
 * exception. */
bool gpy__owner_here(struct gpy_owner **out);

/* The execution of a runner's owner has ended; if it was stopped, so are its tasks. */
void gpy__owner_end(PyObject *take_owner, bool stopped);

/* Cancels the tasks that work for an owner. */
void gpy__cancel_tasks(struct gpy_owner *o);

/* What runs on the loop has no execution any more: e is about to end. */
void gpy__loop_forget(const struct gexec *e);

/* As gsync_watch, for code on the loop that belongs to no execution which is under way. Any
 * thread. */
bool gpy__loop_watch(void);

/* Has the result of a run() given to the future when e, which isn't listed yet, has ended: a list
 * of its results and a list of its errors. False with an exception. */
bool gpy__resolve_at_end(struct gexec *e, PyObject *future);

/* Functions of the module. */
PyObject *gpy__gears_future(PyObject *self, PyObject *unused);
PyObject *gpy__fn_owner(PyObject *self, PyObject *session);
PyObject *gpy__fn_context(PyObject *self, PyObject *owner);
PyObject *gpy__fn_get_session(PyObject *self, PyObject *unused);
PyObject *gpy__fn_set_session(PyObject *self, PyObject *session);
PyObject *gpy__fn_run_as(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *gpy__fn_guard(PyObject *self, PyObject *coroutine);
PyObject *gpy__fn_bind(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *gpy__fn_start_loop(PyObject *self, PyObject *serve);

#endif
