/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, and the seam through which tests steer it. Monotonic time measures, wall time is what
 * TTLs and replies are made of. Reading either is a vDSO call of some 20 ns, so hot paths use a
 * struct clock that its owner refreshes once a turn: all keys in one command, script or
 * transaction see one "now".
 *
 * Any thread reads. clock_set_source is for start-up and tests, while no other thread runs.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "base/macros.h"

/* Where time comes from. `ctx` is passed back. */
struct clock_source {
    int64_t (*mono_ns)(void *ctx);
    int64_t (*wall_us)(void *ctx);
    void *ctx;
};

/* Replaces the source; it is borrowed until the next call. NULL restores the system's clocks. */
void clock_set_source(const struct clock_source *source);

/* Nanoseconds since some fixed moment; never goes back. */
int64_t clock_mono_ns(void);

static inline int64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

static inline int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* Microseconds since 1970-01-01 UTC; may jump when the administrator sets the clock. */
int64_t clock_wall_us(void);

static inline int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

/* CPU time that the calling thread has used, in microseconds. A system call, some 150 ns; not
 * behind the seam. */
int64_t clock_thread_cpu_us(void);

/* The CPU clock of the calling thread, which any thread may read as long as that one lives; and the
 * nanoseconds on such a clock, 0 if its thread is no more. */
clockid_t clock_cpu_of_thread(void);
int64_t clock_cpu_ns(clockid_t clock);

/* One moment, read once and used for a whole turn. */
struct clock {
    int64_t mono_us;
    int64_t wall_us;
    int64_t wall_ms;
};

/* Reads both clocks into `c`. */
void clock_refresh(struct clock *c);

/* A source for tests: time stands still until it is moved. */
struct clock_virtual {
    struct clock_source source;
    int64_t mono_ns_now;
    int64_t wall_us_now;
};

/* Sets up `v` at the given wall time and installs it as the source. */
void clock_virtual_install(struct clock_virtual *v, int64_t wall_us);

/* Moves both clocks forward. */
void clock_virtual_advance(struct clock_virtual *v, int64_t delta_us);

#endif
