/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether I/O threads are worth their wakes; see io.h. What decides is processor time: main's while
 * they rest, and all threads' together while they work, for then that is what main would have to
 * do, and rather more. The gap between the two bounds, and that the threads rest only after a
 * second of quiet, keep clients from moving to and fro.
 *
 * Rejected: to count the clients that are ready in a turn, as stock does. It says nothing of what
 * they cost, and one large pipeline is as much work as many small clients.
 *
 * Main only.
 */
#include "base/clock.h"
#include "exec/io_impl.h"

#define LOOK_US      100000
#define BUSY_PERCENT 75 /* of one processor, by main alone: it needs help */
#define IDLE_PERCENT 50 /* by all: main has time for it */
#define IDLE_LOOKS   10

static struct {
    int64_t looked_us, cpu_us;
    int idle_looks; /* in a row */
} load;

/* How much of one processor was used since the last look, which may be long ago. */
static int64_t percent_used(int64_t now_us)
{
    int64_t cpu_us = clock_thread_cpu_us() + io__threads_cpu_us();
    int64_t percent = (cpu_us - load.cpu_us) * 100 / (now_us - load.looked_us);
    load.cpu_us = cpu_us;
    load.looked_us = now_us;
    return percent;
}

static bool enough_to_do(int64_t percent)
{
    if (!io_is_active) {
        load.idle_looks = 0;
        return percent >= BUSY_PERCENT;
    }
    load.idle_looks = percent < IDLE_PERCENT ? load.idle_looks + 1 : 0;
    return load.idle_looks < IDLE_LOOKS;
}

void io_cron(void)
{
    int64_t now_us = clock_mono_us();
    if (exec_settings.io_threads_active != IO_ACTIVITY_AUTO || now_us - load.looked_us < LOOK_US)
        return;
    io_is_active = enough_to_do(percent_used(now_us));
}

void io_activity_changed(void)
{
    if (!io_is_on || exec_settings.io_threads_active == IO_ACTIVITY_AUTO) return;
    io_is_active = exec_settings.io_threads_active == IO_ACTIVITY_ALWAYS;
}
