/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits on the thread that runs something: what it allocates, how long an atomic block lasts, and
 * what is said when one was met. Sync callbacks nest: they run on a thread whose script
 * waits for the command that set them off.
 */
#include "gears/py/gpy_core.h"

void gpy__limit_begin(struct gpy_thread *me, struct gpy_limited *outer,
                      const struct glimits *limits, struct gmeter *meter, bool cpu)
{
    int64_t memory = limits->v[GLIMIT_MEMORY];
    outer->limits = me->limits;
    outer->meter = me->meter;
    outer->mem_base = me->mem_base;
    outer->mem_most = me->mem_most;
    me->limits = limits;
    me->meter = meter;
    me->mem_base = me->mem_used;
    me->mem_most = memory ? memory : INT64_MAX;
    me->mem_met = MEM_NOT_MET;
    outer->metered = cpu || limits->v[GLIMIT_PYTHON_TIME];
    if (outer->metered) gmeter_begin(meter);
}

void gpy__limit_end(struct gpy_thread *me, struct gpy_limited *outer)
{
    if (outer->metered) gmeter_end(me->meter);
    me->limits = outer->limits;
    me->meter = outer->meter;
    me->mem_base = outer->mem_base;
    me->mem_most = outer->mem_most;
    me->mem_met = MEM_NOT_MET;
}

void gpy__limit_say(struct gpy_thread *me, const struct gstop *stop, const struct glimits *limits,
                    struct buf *out)
{
    int met = atomic_load(&stop->met);
    bool memory = me->mem_met != MEM_NOT_MET && PyErr_ExceptionMatches(PyExc_MemoryError);
    if (atomic_load(&stop->wanted)) memory = false;
    if (!memory && (!met || !atomic_load(&stop->wanted))) return;
    buf_append_cstr(out, "Limit met: ");
    if (!memory)
        glimit_text((enum glimit)(met - 1), limits->v[met - 1], out);
    else if (me->mem_met == MEM_OWN_MET)
        glimit_text(GLIMIT_MEMORY, limits->v[GLIMIT_MEMORY], out);
    else
        buf_append_cstr(out, "all Python together takes as much memory as gears-max-memory allows");
    buf_append_cstr(out, ": ");
    if (memory) me->mem_met = MEM_NOT_MET;
}

void gpy__limit_atomic_begin(struct gpy_thread *me)
{
    int64_t ms = me->limits ? me->limits->v[GLIMIT_ATOMIC_TIME] : 0;
    if (!ms || !me->stop) return;
    me->atomic_watch = gwatch_begin_one(me->stop, GLIMIT_ATOMIC_TIME, ms);
}

void gpy__limit_atomic_end(struct gpy_thread *me)
{
    gwatch_end(me->atomic_watch);
    me->atomic_watch = NULL;
}
