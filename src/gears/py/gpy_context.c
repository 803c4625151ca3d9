/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gpy_context.h.
 */
#include "gears/py/gpy_core.h"

void gpy__context_begin(struct gpy_thread *me, struct gpy_context *outer,
                        const struct gpy_context *next)
{
    const struct glimits *limits = next->limits;
    int64_t memory = limits ? limits->v[GLIMIT_MEMORY] : 0;
    *outer = me->now;
    me->now = *next;
    me->now.mem_base = me->mem_used;
    me->now.mem_most = memory ? memory : INT64_MAX;
    me->mem_met = MEM_NOT_MET;
    if (limits && limits->v[GLIMIT_PYTHON_TIME]) me->now.metered = true;
    if (me->now.metered) gmeter_begin(me->now.meter);
    gpy__stop_begin(me, next->stop);
}

static void end_atomic(struct gpy_thread *me)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    gpy__atomic_abandon(me);
    PyErr_Restore(type, value, trace);
}

/* The session's end may run code of its: it isn't the outer one's business, but nobody else's. */
void gpy__context_end(struct gpy_thread *me, const struct gpy_context *outer)
{
    if (unlikely(me->now.in_atomic)) end_atomic(me);
    if (me->now.metered) gmeter_end(me->now.meter);
    gpy__stop_end(me);
    PyObject *session_object = me->now.session_object;
    me->now = *outer;
    me->mem_met = MEM_NOT_MET;
    gpy__stop_resume(me, outer->stop, outer->stop_since_us);
    Py_XDECREF(session_object);
}
