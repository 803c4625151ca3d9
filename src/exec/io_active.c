/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether I/O threads are worth their wakes; see io.h. What decides is how much of its time main is
 * at work, and, while the threads work too, how much of one processor all of them use, for then
 * that is what main would have to do, and rather more. The gap between the two bounds, and that the
 * threads rest only after a second of quiet, keep clients from moving to and fro.
 *
 * At work is who isn't asleep for want of events, whether it has a processor or waits for one: on a
 * crowded machine main uses less than it could, and is the more in need of help. What it waits for
 * the data doesn't count: threads don't shorten that.
 *
 * Rejected: to count the clients that are ready in a turn, as stock does. It says nothing of what
 * they cost, and one large pipeline is as much work as many small clients.
 *
 * Main only.
 */
#include "base/clock.h"
#include "exec/io_impl.h"
#include "exec/token.h"
#include "net/loop.h"

#define LOOK_US      100000
#define BUSY_PERCENT 75 /* of main's time: it needs help */
#define IDLE_PERCENT 50 /* of main's time, and of a processor by all: main has time for it */
#define IDLE_LOOKS   10

static struct {
    int64_t looked_us, at_work_us, cpu_us;
    int idle_looks; /* in a row */
} load;

/* How busy main was, or all, since the last look, which may be long ago. */
static int64_t percent_busy(int64_t now_us)
{
    int64_t at_work_us = loop_in_turns_us(now_us) - (int64_t)token_stats().main_wait_us;
    int64_t cpu_us = clock_thread_cpu_us() + io__threads_cpu_us();
    int64_t most_us = MAX(at_work_us - load.at_work_us, cpu_us - load.cpu_us);
    int64_t percent = most_us * 100 / (now_us - load.looked_us);
    load.at_work_us = at_work_us;
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
    io_is_active = enough_to_do(percent_busy(now_us));
}

void io_activity_changed(void)
{
    if (!io_is_on || exec_settings.io_threads_active == IO_ACTIVITY_AUTO) return;
    io_is_active = exec_settings.io_threads_active == IO_ACTIVITY_ALWAYS;
}
