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

#define TRIES 5

struct instant {
    uint64_t ns, ticks;
};

/* Both at one instant. A thread may be stopped between two readings, for much longer than what is
 * measured here: of some tries the one that took the shortest. */
static struct instant now_by_both(void)
{
    struct instant best = {0};
    uint64_t shortest_ns = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t ns = ticks_clock_ns(), ticks = __rdtsc(), took_ns = ticks_clock_ns() - ns;
        if (took_ns >= shortest_ns) continue;
        shortest_ns = took_ns;
        best = (struct instant){.ns = ns + took_ns / 2, .ticks = ticks};
    }
    return best;
}
#endif

void ticks_setup(void)
{
#if defined(__x86_64__)
    if (!tsc_is_invariant()) return;
    struct instant start = now_by_both(), end;
    while (ticks_clock_ns() - start.ns < 2000000) continue;
    end = now_by_both();
    if (end.ticks <= start.ticks) return;
    ticks_ns_per_tick = (double)(end.ns - start.ns) / (double)(end.ticks - start.ticks);
    ticks_use_tsc = true;
#endif
}
