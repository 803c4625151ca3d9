/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner of sync callbacks; see gsync.h. How work goes from a thread to the other and back is
 * in exec/lend.h: here is what Python has to do with it.
 */
#include "gears/gsync.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "exec/client.h"
#include "exec/lend.h"
#include "gears/gconf.h"
#include "gears/grun.h"

/* A wave whose commands needn't all be waiting for Python doesn't wait for it long: some times what
 * it takes to get the GIL from a thread of ours that runs Python code. */
#define CARRY_WAIT_US 1000

static struct {
    struct lend lend;
    atomic_bool made;
    void (*fn)(void *ctx); /* the lender's until lend_ask, then the runner's */
    void *ctx;
    /* Written under the token, by whoever runs it; the watch reads. */
    atomic_uint_fast64_t noted;    /* an execution's number + 1, or 0 */
    atomic_uint_fast64_t outermost; /* of those that set each other off, as noted */
    _Atomic int64_t noted_since_us;
    _Atomic uint64_t calls, carried; /* guard: the token; read by any thread */
    _Atomic uint64_t timeouts, stopped, uncarried;
    _Atomic int64_t max_time_us;
} sync;

/* Where only one thread writes at a time. */
static void count_up(_Atomic uint64_t *counter)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + 1, memory_order_relaxed);
}

/* ---- the runner ---- */

static void *runner_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    gpy_thread_is_first();
    for (;;) {
        lend_await(&sync.lend);
        bool took = gpy_hold();
        if (!lend_take(&sync.lend)) {
            gpy_release(took);
            continue;
        }
        sync.fn(sync.ctx);
        /* First, so that nobody waits for what is left to do here. */
        lend_give_back(&sync.lend);
        gpy_release(took);
        /* Should the runner be wanted again right now, that may have to do without the gate. */
        if (!lend_is_asked(&sync.lend)) gpy_gate_open();
    }
    return NULL;
}

enum status gsync_start(void)
{
    if (atomic_exchange(&sync.made, true)) return STATUS_OK;
    if (gpool_thread("gears-sync", runner_main, NULL) == STATUS_OK) {
        gpy_wake(); /* begins to watch */
        return STATUS_OK;
    }
    atomic_store(&sync.made, false);
    return STATUS_ERR;
}

/* ---- main, or a worker that holds the token without the GIL ---- */

/* Has the runner call fn(ctx), with the token or, `role`, in the place of main. False: it couldn't
 * begin. */
static bool run_there(void (*fn)(void *ctx), void *ctx, bool role, int64_t wait_us)
{
    sync.fn = fn;
    sync.ctx = ctx;
    gpy_gate_close();
    lend_ask(&sync.lend, role);
    if (!lend_begun(&sync.lend, wait_us)) {
        gpy_gate_open();
        return false;
    }
    lend_wait(&sync.lend);
    return true;
}

enum status gsync_run(void (*fn)(void *ctx), void *ctx)
{
    count_up(&sync.calls);
    atomic_store_explicit(&sync.max_time_us, gconf.sync_time_ms * 1000, memory_order_relaxed);
    if (gpy_has_gil()) {
        bool carries = exec_is_main();
        if (carries) {
            exec_carry_wanted();
            lend_out(&sync.lend);
        }
        fn(ctx);
        if (carries) lend_in(&sync.lend);
        return STATUS_OK;
    }
    if (!run_there(fn, ctx, false, gconf.sync_wait_ms * 1000)) {
        atomic_fetch_add_explicit(&sync.timeouts, 1, memory_order_relaxed);
        return STATUS_AGAIN;
    }
    if (exec_is_main()) exec_carry_wanted();
    return STATUS_OK;
}

bool gsync_carry(void (*run)(void *ctx), void *ctx)
{
    if (gpy_has_gil() || !atomic_load(&sync.made)) return false;
    bool carried = run_there(run, ctx, true, CARRY_WAIT_US);
    count_up(carried ? &sync.carried : &sync.uncarried);
    return carried;
}

/* ---- the watch ---- */

/* A callback whose command sets off another doesn't gain time by that. */
uint64_t gsync_note_at(uint64_t execution, int64_t now_us)
{
    uint64_t before = atomic_load_explicit(&sync.noted, memory_order_relaxed);
    if (!before) {
        atomic_store_explicit(&sync.noted_since_us, now_us, memory_order_relaxed);
        atomic_store_explicit(&sync.outermost, execution, memory_order_relaxed);
    }
    /* Who sees it sees since when, or a later time. */
    atomic_store_explicit(&sync.noted, execution, memory_order_release);
    return before;
}

uint64_t gsync_note(uint64_t execution)
{
    return gsync_note_at(execution, clock_mono_us());
}

/* The execution with this number + 1, with a reference, or NULL. */
static struct gexec *find_noted(uint64_t noted)
{
    char id[GEARS_ID_SIZE];
    if (!noted) return NULL;
    grun_format_id(id, noted - 1);
    return grun_find(view_cstr(id));
}

const char *gsync_busy_text(void)
{
    struct gexec *e = find_noted(atomic_load(&sync.noted));
    bool stuck = e && grun_status(e) == GEXEC_PENDING_TERMINATION;
    grun_exec_unref(e);
    if (!stuck) return NULL;
    return "BUSY Redis is busy running a gears function that was stopped, but is in a call that "
           "can not be interrupted. It goes on when that returns; you can only call SHUTDOWN "
           "NOSAVE.";
}

static void stop_noted(uint64_t noted)
{
    struct gexec *e = find_noted(noted);
    if (!e) return;
    if (!atomic_load(&e->stop.wanted))
        atomic_fetch_add_explicit(&sync.stopped, 1, memory_order_relaxed);
    gpy_stop_for(&e->stop, GLIMIT_SYNC_TIME); /* before the abort, which says no reason */
    grun_abort(e);
    grun_exec_unref(e);
}

bool gsync_watch(void)
{
    if (!atomic_load(&sync.made)) return false;
    uint64_t noted = atomic_load(&sync.noted), outermost = atomic_load(&sync.outermost);
    int64_t max_us = atomic_load(&sync.max_time_us);
    if (!noted || !max_us) return true;
    if (clock_mono_us() - atomic_load(&sync.noted_since_us) < max_us) return true;
    if (outermost && outermost != noted) stop_noted(outermost);
    stop_noted(noted);
    return true;
}

struct gsync_stats gsync_stats(void)
{
    return (struct gsync_stats){.calls = atomic_load(&sync.calls),
                                .timeouts = atomic_load(&sync.timeouts),
                                .stopped = atomic_load(&sync.stopped),
                                .carried = atomic_load(&sync.carried),
                                .uncarried = atomic_load(&sync.uncarried)};
}
