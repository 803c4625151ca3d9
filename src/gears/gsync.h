/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Python on behalf of a command that waits for it: callbacks of sync registrations.
 *
 * Main never waits for the GIL, since one long call of a C library would stall the server. So a
 * thread of its own, the runner, does: main lends it the data token and waits for the runner's
 * word. Workers stand back meanwhile (the gate, gears/gpy.h). Until the runner has the GIL, main
 * can change its mind (gears-sync-wait); from then on it waits to the end, serving clients with
 * -BUSY when that takes long, and the callback is stopped when it has run for gears-sync-max-time.
 *
 *   IDLE --main--> WANTED --runner has the GIL--> RUNNING --runner--> DONE --main--> IDLE
 *                    |
 *                    +--main, too late--> IDLE
 *
 * Both sides spin for some microseconds before they sleep, so that a burst of commands doesn't
 * pay for waking a thread each time.
 */
#ifndef GEARS_GSYNC_H
#define GEARS_GSYNC_H

#include "base/macros.h"
#include "base/status.h"

/* Makes the runner, once Python runs. A worker, without GIL and token. */
enum status gsync_start(void) MUST_CHECK;

/*
 * Runs fn(ctx) with the GIL and under the data token, which the caller holds. On a thread that
 * has the GIL it is called at once; main has the runner do it, and so has a worker that gave up
 * the GIL to wait for the token: nobody begins to wait for the GIL with the token in hand.
 * STATUS_AGAIN: Python was busy for too long, fn was not called.
 */
enum status gsync_run(void (*fn)(void *ctx), void *ctx) MUST_CHECK;

/* Says which execution runs for a command from now on, or with 0 that none does; number + 1.
 * Returns what was said before, to be said again at its end. The thread that runs it. */
uint64_t gsync_note(uint64_t execution);

/* Stops the noted execution if it has run for too long. True while there is something to watch:
 * call again soon. Any thread, without the token. */
bool gsync_watch(void);

/* Since the server began. */
struct gsync_stats {
    uint64_t calls, timeouts, stopped;
};
/* A copy. Any thread. */
struct gsync_stats gsync_stats(void);

#endif
