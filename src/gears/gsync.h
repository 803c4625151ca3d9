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
 * A callback that was stopped and doesn't end, for it is in a call that never returns, is left
 * behind: what was lent to the runner goes back to the lender, and another runner is made. The
 * lender goes on as with an execution that is paused. Of a wave in the runner's hands main ends the
 * command (exec_adopt), and goes on behind it. Should the call return, the thread learns that it
 * has nothing any more (gsync_back), brings its execution to its end, and ends itself. A callback
 * that a command of another, or of an atomic block, calls runs on a runner of its own, so that it
 * can be left behind by that.
 *
 * To have main itself run Python, with a GIL that another thread fetches, would do without any of
 * this; but then nobody could answer -BUSY, and a GIL that one thread takes for another is beyond
 * what CPython promises.
 */
#ifndef GEARS_GSYNC_H
#define GEARS_GSYNC_H

#include "exec/client.h"

/* Makes the runner, once Python runs. A worker, without GIL and token. */
enum status gsync_start(void) MUST_CHECK;

struct gsync_job {
    /* With the GIL, under the data token, which the caller holds. What it runs of an execution is
     * between gsync_out and gsync_back. */
    void (*run)(void *ctx);
    /* Under the token: run will not come back; it leaves ctx alone, but for what it knows by then,
     * and the caller of gsync_run goes on, as when an execution is paused. `unwound`: only main
     * goes on, and what the frames between its own and gsync_run's have is to be let go of here. */
    void (*lost)(void *ctx, bool unwound);
};

/*
 * Has the job run. On a thread that has the GIL it is run at once; main has the runner do it, and
 * so has a worker, without the GIL, which it gives up: nobody begins to wait for the GIL with the
 * token in hand. `at_end`: of a client's command, as an event says (exec/exec.h).
 * STATUS_AGAIN: Python was busy for too long, the job was not run.
 */
enum status gsync_run(const struct gsync_job *job, void *ctx, bool at_end) MUST_CHECK;

/* Within a job, on its thread: from out to back code runs that may never return. Data is touched
 * within a visit (gpy__data_in). Back, false: the job was lost in the meantime, and what was the
 * caller's is out of reach. */
void gsync_out(void);
bool gsync_back(void) MUST_CHECK;

/* Has the runner call run(ctx) in main's place. Main; hook of exec_on_carry. */
enum exec_carried gsync_carry(void (*run)(void *ctx), void *ctx);

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
    uint64_t lost; /* callbacks that were left behind */
    uint64_t carried, uncarried; /* waves that the runner ran, and that it couldn't in time */
};
/* A copy. Any thread. */
struct gsync_stats gsync_stats(void);

#endif
