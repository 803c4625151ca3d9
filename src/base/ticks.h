/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cheap counter for measuring commands: the time-stamp counter where it runs at a constant rate
 * and never stops (9 ns a reading), else the monotonic clock in nanoseconds (20 ns). One reading
 * ends a command and starts the next. Any thread.
 */
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include "base/macros.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern bool ticks_use_tsc;
extern double ticks_ns_per_tick;

/* Finds out which counter to use and its rate (about 2 ms). Main, at boot. */
void ticks_setup(void);

/* The monotonic clock in nanoseconds: the fallback of ticks_now. Any thread. */
uint64_t ticks_clock_ns(void);

static inline uint64_t ticks_now(void)
{
#if defined(__x86_64__)
    if (likely(ticks_use_tsc)) return __rdtsc();
#endif
    return ticks_clock_ns();
}

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
    return (uint64_t)((double)ticks * ticks_ns_per_tick);
}

#endif
