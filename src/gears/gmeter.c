/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meters; see gmeter.h.
 */
#include "gears/gmeter.h"

#include "base/clock.h"

void gmeter_begin(struct gmeter *m)
{
    atomic_store(&m->clock, clock_cpu_of_thread());
    atomic_store(&m->stretch_from_ns, clock_cpu_ns(CLOCK_THREAD_CPUTIME_ID));
    atomic_store(&m->running, true);
}

void gmeter_end(struct gmeter *m)
{
    if (!atomic_exchange(&m->running, false)) return;
    int64_t now_ns = clock_cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    atomic_fetch_add(&m->cpu_ns, now_ns - atomic_load(&m->stretch_from_ns));
}

int64_t gmeter_python_ns(struct gmeter *m)
{
    int64_t ns = atomic_load(&m->cpu_ns) - atomic_load(&m->native_cpu_ns);
    if (atomic_load(&m->running))
        ns += clock_cpu_ns(atomic_load(&m->clock)) - atomic_load(&m->stretch_from_ns);
    return MAX(ns, (int64_t)0);
}

int64_t gmeter_elapsed_us(struct gmeter *m)
{
    int64_t began_us = atomic_load(&m->began_us), ended_us = atomic_load(&m->ended_us);
    if (!began_us) return 0;
    return (ended_us ? ended_us : clock_mono_us()) - began_us;
}
