/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rate of the time-stamp counter, measured against the monotonic clock; see ticks.h. A counter
 * that the processor doesn't call invariant isn't used at all.
 */
#include "base/ticks.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool ticks_use_tsc;
double ticks_ns_per_tick = 1.0;

uint64_t ticks_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#if defined(__x86_64__)
/* The processor says that the counter's rate is invariant (leaf 80000007h, EDX bit 8). */
static bool tsc_is_invariant(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(0x80000007u, &a, &b, &c, &d)) return false;
    return (d >> 8) & 1;
}
#endif

void ticks_setup(void)
{
#if defined(__x86_64__)
    if (!tsc_is_invariant()) return;
    uint64_t ns0 = ticks_clock_ns(), t0 = __rdtsc(), ns1;
    do ns1 = ticks_clock_ns();
    while (ns1 - ns0 < 2000000);
    uint64_t t1 = __rdtsc();
    if (t1 <= t0) return;
    ticks_ns_per_tick = (double)(ns1 - ns0) / (double)(t1 - t0);
    ticks_use_tsc = true;
#endif
}
