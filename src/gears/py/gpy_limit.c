/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits on the thread that runs something: how long an atomic block lasts, and what is said when
 * one was met.
 */
#include "gears/py/gpy_core.h"

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
    int64_t ms = me->now.limits ? me->now.limits->v[GLIMIT_ATOMIC_TIME] : 0;
    if (!ms || !me->now.stop) return;
    me->now.atomic_watch = gwatch_begin_one(me->now.stop, GLIMIT_ATOMIC_TIME, ms);
}

void gpy__limit_atomic_end(struct gpy_thread *me)
{
    gwatch_end(me->now.atomic_watch);
    me->now.atomic_watch = NULL;
}
