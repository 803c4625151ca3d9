/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Python on behalf of a command that waits for it: callbacks of sync registrations.
 *
 * Main never waits for the GIL, since one long call of a C library would stall the server. So a
 * thread of its own, the runner, does: main lends it the data token and waits for the runner's
 * word (exec/lend.h). Workers stand back meanwhile (the gate, gears/gpy.h). Until the runner has
 * the GIL, main can change its mind (gears-sync-wait); from then on it waits to the end, serving
 * clients with -BUSY when that takes long, and the callback is stopped when it has run for
 * gears-sync-max-time.
 *
 * To hand over each callback would cost two switches between threads for each. So what main hands
 * over is, as a rule, its own work: once a command has called back, the runner takes over the rest
 * of the wave, and whole waves as long as each has a callback (exec/client.h, exec_on_carry). It
 * holds the GIL all the while, runs the commands with main's role, and calls back within them at
 * once; during a callback it is nobody but the runner again. A wave waits for that for a
 * millisecond at most: when Python is busy for longer, main runs it, and only what can't do
 * without Python waits.
 *
 * To have main itself run Python, with a GIL that another thread fetches, would do without any of
 * this; but then nobody could answer -BUSY, and a GIL that one thread takes for another is beyond
 * what CPython promises.
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

/* Has the runner call run(ctx) in main's place; false: Python is busy, or was never needed. Main;
 * hook of exec_on_carry. */
bool gsync_carry(void (*run)(void *ctx), void *ctx);

/* What clients are told while main waits for a callback that was stopped and doesn't end; NULL: it
 * isn't so. Any thread; hook of exec_on_busy. */
const char *gsync_busy_text(void);

/* Says which execution runs for a command from now on, or with 0 that none does; number + 1.
 * Returns what was said before, to be said again at its end. The thread that runs it. */
uint64_t gsync_note(uint64_t execution);
/* The same at this moment, as clock_mono_us tells it. */
uint64_t gsync_note_at(uint64_t execution, int64_t now_us);

/* Stops the noted execution if it has run for too long. True while there is something to watch:
 * call again soon. Any thread, without the token. */
bool gsync_watch(void);

/* Since the server began. */
struct gsync_stats {
    uint64_t calls, timeouts, stopped;
    uint64_t carried, uncarried; /* waves that the runner ran, and that it couldn't in time */
};
/* A copy. Any thread. */
struct gsync_stats gsync_stats(void);

#endif
