/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time and its seam; see clock.h. The seam is one pointer that is tested at every reading: a
 * function pointer that is always called would cost the vDSO path an indirect call for nothing.
 * Any thread reads.
 */
#include "base/clock.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

static int64_t system_ns(clockid_t id)
{
    struct timespec ts;
    int failed = clock_gettime(id, &ts);
    ASSERT(!failed);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* NULL: the system's. Written at start-up and by tests only, so it needs no guard. */
static const struct clock_source *current;

void clock_set_source(const struct clock_source *source)
{
    current = source;
}

int64_t clock_mono_ns(void)
{
    const struct clock_source *source = current;
    return likely(!source) ? system_ns(CLOCK_MONOTONIC) : source->mono_ns(source->ctx);
}

int64_t clock_wall_us(void)
{
    const struct clock_source *source = current;
    return likely(!source) ? system_ns(CLOCK_REALTIME) / 1000 : source->wall_us(source->ctx);
}

int64_t clock_thread_cpu_us(void)
{
    return system_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

clockid_t clock_cpu_of_thread(void)
{
    clockid_t clock;
    return pthread_getcpuclockid(pthread_self(), &clock) ? CLOCK_THREAD_CPUTIME_ID : clock;
}

int64_t clock_cpu_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t)) return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clock_refresh(struct clock *c)
{
    c->mono_us = clock_mono_us();
    c->wall_us = clock_wall_us();
    c->wall_ms = c->wall_us / 1000;
}

static int64_t virtual_mono_ns(void *ctx)
{
    return ((const struct clock_virtual *)ctx)->mono_ns_now;
}

static int64_t virtual_wall_us(void *ctx)
{
    return ((const struct clock_virtual *)ctx)->wall_us_now;
}

void clock_virtual_install(struct clock_virtual *v, int64_t wall_us)
{
    v->source = (struct clock_source){virtual_mono_ns, virtual_wall_us, v};
    v->mono_ns_now = 1;
    v->wall_us_now = wall_us;
    clock_set_source(&v->source);
}

void clock_virtual_advance(struct clock_virtual *v, int64_t delta_us)
{
    v->mono_ns_now += delta_us * 1000;
    v->wall_us_now += delta_us;
}
