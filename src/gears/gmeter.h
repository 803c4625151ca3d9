/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an execution, or a script's body, uses while it runs. Its own thread writes, others look at
 * it at any time: every field is atomic, and what is read is a moment old.
 *
 * Python time is the CPU time of the thread, less what the native half of a reader took of it: it
 * is taken from the thread's own clock, which others may read too, so that nothing has to be
 * counted while Python runs. The two readings at begin and end are system calls (some 150 ns
 * each), which is why an event's execution has them only if somebody wants to know.
 */
#ifndef GEARS_GMETER_H
#define GEARS_GMETER_H

#include <stdatomic.h>
#include <time.h>

#include "base/macros.h"

struct gmeter {
    _Atomic int64_t began_us;      /* monotonic clock; 0: not begun */
    _Atomic int64_t ended_us;      /* 0: not ended */
    _Atomic uint64_t token_ticks;  /* how long it held the data token */
    _Atomic int64_t read_us;       /* how long native reads took, waiting for the token too */
    _Atomic int64_t native_cpu_ns; /* their CPU time */
    _Atomic int64_t cpu_ns;        /* CPU time of stretches that are over */
    atomic_bool running;           /* a stretch is under way: */
    _Atomic int64_t stretch_from_ns;
    _Atomic clockid_t clock;       /* of the thread that runs it */
};

/* A stretch of work begins and ends, on the thread that calls. */
void gmeter_begin(struct gmeter *m);
void gmeter_end(struct gmeter *m);

/* How long ago it began, or how long it took; any thread. */
int64_t gmeter_elapsed_us(struct gmeter *m);

/* Python time so far, 0 if it wasn't measured; any thread. */
int64_t gmeter_python_ns(struct gmeter *m);

static inline void gmeter_token(struct gmeter *m, uint64_t ticks)
{
    atomic_store_explicit(&m->token_ticks,
                          atomic_load_explicit(&m->token_ticks, memory_order_relaxed) + ticks,
                          memory_order_relaxed);
}

#endif
