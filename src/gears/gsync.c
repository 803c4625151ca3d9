/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner of sync callbacks; see gsync.h. One call is under way at most, since its caller holds
 * the data token; so one word and two fields are all that main and the runner share.
 */
#include "gears/gsync.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/futex.h"
#include "exec/client.h"
#include "exec/token.h"
#include "gears/gconf.h"
#include "gears/grun.h"

#define SPIN_NS 2000
#define YIELD_NS 20000
#define LINGER_NS 60000

enum { IDLE, WANTED, RUNNING, DONE };

static struct {
    _Atomic uint32_t word;
    atomic_bool runner_sleeps;
    atomic_bool caller_sleeps;
    atomic_bool made;
    void (*fn)(void *ctx); /* main's while IDLE, the runner's while RUNNING */
    void *ctx;
    atomic_uint_fast64_t noted;    /* an execution's number + 1, or 0 */
    atomic_uint_fast64_t outermost; /* of those that set each other off, as noted */
    _Atomic int64_t noted_since_us;
    _Atomic uint64_t calls, timeouts, stopped;
    _Atomic int64_t max_time_us;
} sync;

static bool swap(uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&sync.word, &from, to);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Waits awake while the word is `value`, for at most `most_ns`; false if it still is. Beyond a
 * moment it gives way: the other side may be waiting for this very processor. */
static bool linger(uint32_t value, int64_t most_ns)
{
    int64_t start_ns = clock_mono_ns();
    while (atomic_load(&sync.word) == value) {
        int64_t waited_ns = clock_mono_ns() - start_ns;
        if (waited_ns > most_ns) return false;
        if (waited_ns > SPIN_NS) sched_yield();
        else for (int i = 0; i < 16; i++) relax();
    }
    return true;
}

/* ---- the runner ---- */

static void wait_until_wanted(void)
{
    for (uint32_t seen; (seen = atomic_load(&sync.word)) != WANTED;) {
        if (linger(seen, LINGER_NS)) continue;
        atomic_store(&sync.runner_sleeps, true);
        futex_wait(&sync.word, seen, -1);
        atomic_store(&sync.runner_sleeps, false);
    }
}

static void *runner_main(void *unused)
{
    UNUSED(unused);
    gpy_thread_attach();
    gpy_thread_is_first();
    for (;;) {
        wait_until_wanted();
        bool took = gpy_hold();
        if (swap(WANTED, RUNNING)) {
            token_borrow_begin();
            sync.fn(sync.ctx);
            token_borrow_end();
            gpy_release(took);
            atomic_store(&sync.word, DONE);
            if (atomic_load(&sync.caller_sleeps)) futex_wake(&sync.word, 1);
            /* After the word, so that the caller doesn't wait for that. Should it want the runner
             * again right now, the next call may have to do without the gate. */
            if (atomic_load(&sync.word) != WANTED) gpy_gate_open();
        } else {
            gpy_release(took);
        }
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

/* True when the runner has begun. It doesn't wake us for that alone, but at its end. */
static bool wait_for_begin(void)
{
    int64_t end_us = clock_mono_us() + gconf.sync_wait_ms * 1000;
    if (linger(WANTED, YIELD_NS)) return true;
    atomic_store(&sync.caller_sleeps, true);
    for (int64_t left_us; (left_us = end_us - clock_mono_us()) > 0;) {
        if (atomic_load(&sync.word) != WANTED) return true;
        futex_wait(&sync.word, WANTED, MIN(left_us, 1000) * 1000);
    }
    if (!swap(WANTED, IDLE)) return true;
    gpy_gate_open();
    return false;
}

/* Main answers its clients meanwhile; a worker's time is nobody's. */
static void wait_for_end(void)
{
    if (!gpy_thread_is_attached()) {
        exec_main_wait(&sync.word, RUNNING);
        return;
    }
    while (atomic_load(&sync.word) == RUNNING) futex_wait(&sync.word, RUNNING, -1);
}

static void ask_runner(void (*fn)(void *ctx), void *ctx)
{
    sync.fn = fn;
    sync.ctx = ctx;
    gpy_gate_close();
    atomic_store(&sync.word, WANTED);
    if (atomic_load(&sync.runner_sleeps)) futex_wake(&sync.word, 1);
}

enum status gsync_run(void (*fn)(void *ctx), void *ctx)
{
    atomic_fetch_add_explicit(&sync.calls, 1, memory_order_relaxed);
    if (gpy_has_gil()) {
        fn(ctx);
        return STATUS_OK;
    }
    atomic_store_explicit(&sync.max_time_us, gconf.sync_time_ms * 1000, memory_order_relaxed);
    token_lend_begin();
    ask_runner(fn, ctx);
    bool began = wait_for_begin();
    if (began && !linger(RUNNING, YIELD_NS)) {
        atomic_store(&sync.caller_sleeps, true);
        wait_for_end();
    }
    atomic_store(&sync.caller_sleeps, false);
    token_lend_end();
    if (began) {
        atomic_store(&sync.word, IDLE);
        return STATUS_OK;
    }
    atomic_fetch_add_explicit(&sync.timeouts, 1, memory_order_relaxed);
    return STATUS_AGAIN;
}

/* ---- the watch ---- */

/* A callback whose command sets off another doesn't gain time by that. */
uint64_t gsync_note(uint64_t execution)
{
    if (!atomic_load(&sync.noted)) {
        atomic_store(&sync.noted_since_us, clock_mono_us());
        atomic_store(&sync.outermost, execution);
    }
    return atomic_exchange(&sync.noted, execution);
}

static void stop_noted(uint64_t noted)
{
    char id[GEARS_ID_SIZE];
    grun_format_id(id, noted - 1);
    struct gexec *e = grun_find(view_cstr(id));
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
                                .stopped = atomic_load(&sync.stopped)};
}
