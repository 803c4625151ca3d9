/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner of sync callbacks; see gsync.h. How work goes from a thread to the other and back is
 * in exec/lend.h: here is what Python has to do with it.
 */
#include "gears/gsync.h"

#include <setjmp.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/lend.h"
#include "exec/token.h"
#include "gears/gconf.h"
#include "gears/grun.h"

/* A wave whose commands needn't all be waiting for Python doesn't wait for it long: some times what
 * it takes to get the GIL from a thread of ours that runs Python code. */
#define CARRY_WAIT_US 1000

/* The thread that runs callbacks. One that is lost in a callback is nobody's but its own. */
struct runner {
    struct lend lend;
    struct runner *next; /* of those that have nothing to do; guard: the token */
    void (*fn)(void *ctx); /* the lender's until lend_ask, then the runner's */
    void *ctx;
    /* In main's role: the job of the command that runs. Main reads it once the runner is lost. */
    const struct gsync_job *job;
    void *job_ctx;
    /* It waits for the GIL; and somebody waited for that for as long as he may, in vain. */
    atomic_bool waits, in_vain;
    /* The runner's alone. */
    unsigned pinned; /* it can't be left behind at this point */
    bool gone;       /* it has been */
    jmp_buf top;
};

static _Thread_local struct runner *my_runner; /* of a runner */

static struct {
    struct runner *idle; /* guard: the token */
    atomic_bool made;    /* one, at some time */
    /* Written under the token, by whoever runs it; the watch reads. */
    atomic_uint_fast64_t noted;    /* an execution's number + 1, or 0 */
    atomic_uint_fast64_t outermost; /* of those that set each other off, as noted */
    _Atomic int64_t noted_since_us;
    _Atomic uint64_t calls, carried; /* guard: the token; read by any thread */
    _Atomic uint64_t timeouts, stopped, uncarried, lost;
    _Atomic int64_t max_time_us;
} sync;

/* Where only one thread writes at a time. */
static void count_up(_Atomic uint64_t *counter)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + 1, memory_order_relaxed);
}

/* ---- the runner ---- */

static void has_waited(struct runner *r)
{
    atomic_store_explicit(&r->waits, false, memory_order_relaxed);
    if (atomic_load_explicit(&r->in_vain, memory_order_relaxed)) atomic_store(&r->in_vain, false);
}

/* A loan; false: the runner has been left behind. */
static bool serve(struct runner *r)
{
    lend_await(&r->lend);
    atomic_store_explicit(&r->waits, true, memory_order_relaxed);
    bool took = gpy_hold();
    has_waited(r);
    if (!lend_take(&r->lend)) {
        gpy_release(took);
        return true;
    }
    r->fn(r->ctx);
    if (unlikely(r->gone)) return false;
    /* First, so that nobody waits for what is left to do here. */
    lend_give_back(&r->lend);
    gpy_release(took);
    /* Should the runner be wanted again right now, that may have to do without the gate. */
    if (!lend_is_asked(&r->lend)) gpy_gate_open();
    return true;
}

static void *runner_main(void *arg)
{
    struct runner *r = arg;
    my_runner = r;
    gpy_thread_attach();
    gpy_thread_is_first(&r->lend.hold);
    has_waited(r);
    if (!setjmp(r->top))
        while (serve(r)) {}
    gpy_thread_detach();
    mem_free(r);
    return NULL;
}

/* NULL if there can be none. */
static struct runner *make_runner(void)
{
    if (gpool_wedged_count() > GPOOL_WEDGED_MAX) return NULL;
    struct runner *r = mem_zalloc(sizeof(*r));
    atomic_store(&r->waits, true);
    if (!gpool_thread("gears-sync", runner_main, r)) return r;
    mem_free(r);
    return NULL;
}

/* Under the token. */
static struct runner *take_runner(void)
{
    struct runner *r = sync.idle;
    if (unlikely(!r)) return make_runner();
    sync.idle = r->next;
    return r;
}

static void put_back(struct runner *take_r)
{
    take_r->next = sync.idle;
    sync.idle = take_r;
}

enum status gsync_start(void)
{
    if (atomic_exchange(&sync.made, true)) return STATUS_OK;
    struct runner *r = make_runner();
    if (r && token_take(NULL) == STATUS_OK) {
        put_back(r);
        token_give();
        gpy_wake(); /* begins to watch */
        return STATUS_OK;
    }
    atomic_store(&sync.made, false);
    return STATUS_ERR;
}

void gsync_out(void)
{
    if (my_runner && !my_runner->pinned) token_hold_out(&my_runner->lend.hold);
}

bool gsync_back(void)
{
    if (token_is_mine()) return true;
    if (likely(token_hold_in(&my_runner->lend.hold))) return true;
    lend_await_let_go(&my_runner->lend);
    my_runner->gone = true;
    return false;
}

/* ---- main, or a worker that holds the token without the GIL ---- */

enum there { NOT_BEGUN, DONE, LOST };

/* Has a runner call fn(ctx), with the token or, `role`, in the place of main. LOST: *lost_out is to
 * be let go. */
static enum there run_there(void (*fn)(void *ctx), void *ctx, bool role, int64_t wait_us,
                            struct runner **lost_out)
{
    struct runner *r = take_runner();
    if (unlikely(!r)) return NOT_BEGUN;
    /* One long call keeps the GIL, and may do so for ever: not each command waits as long. */
    if (unlikely(atomic_load(&r->in_vain)) && atomic_load(&r->waits))
        wait_us = MIN(wait_us, CARRY_WAIT_US);
    r->fn = fn;
    r->ctx = ctx;
    gpy_gate_close();
    lend_ask(&r->lend, role);
    bool begun = lend_begun(&r->lend, wait_us);
    if (likely(begun && lend_wait(&r->lend))) {
        put_back(r);
        return DONE;
    }
    gpy_gate_open();
    *lost_out = r;
    if (begun) return LOST;
    if (wait_us > CARRY_WAIT_US) atomic_store(&r->in_vain, true);
    put_back(r);
    return NOT_BEGUN;
}

/* The runner's execution is in a call that doesn't return. */
static COLD void leave_behind(struct runner *r, const struct gsync_job *job, void *ctx,
                              bool unwound)
{
    atomic_fetch_add_explicit(&sync.lost, 1, memory_order_relaxed);
    job->lost(ctx, unwound);
    lend_let_go(&r->lend);
}

/* In main's place, within a command that main has lent with all its work. */
static void run_carried(const struct gsync_job *job, void *ctx, bool at_end)
{
    struct runner *r = my_runner;
    exec_carry_wanted();
    r->job = job;
    r->job_ctx = ctx;
    r->pinned = !at_end;
    lend_out(&r->lend);
    job->run(ctx);
    if (unlikely(r->gone)) longjmp(r->top, 1);
    lend_in(&r->lend);
    r->pinned = 0;
}

/* Here and now, within what Python is about to run on this thread. */
static void run_nested(const struct gsync_job *job, void *ctx)
{
    if (my_runner) my_runner->pinned++;
    job->run(ctx);
    if (my_runner) my_runner->pinned--;
}

enum status gsync_run(const struct gsync_job *job, void *ctx, bool at_end)
{
    count_up(&sync.calls);
    atomic_store_explicit(&sync.max_time_us, gconf.sync_time_ms * 1000, memory_order_relaxed);
    if (gpy_has_gil()) {
        if (exec_is_main()) {
            run_carried(job, ctx, at_end);
            return STATUS_OK;
        }
        if (!gpy_lets_go()) {
            run_nested(job, ctx);
            return STATUS_OK;
        }
    }
    struct runner *r;
    uint64_t noted = atomic_load_explicit(&sync.noted, memory_order_relaxed);
    enum there how = run_there(job->run, ctx, false, gconf.sync_wait_ms * 1000, &r);
    if (how == NOT_BEGUN) {
        atomic_fetch_add_explicit(&sync.timeouts, 1, memory_order_relaxed);
        return STATUS_AGAIN;
    }
    if (unlikely(how == LOST)) {
        atomic_store(&sync.noted, noted);
        leave_behind(r, job, ctx, false);
    } else if (exec_is_main()) {
        exec_carry_wanted();
    }
    return STATUS_OK;
}

enum exec_carried gsync_carry(void (*run)(void *ctx), void *ctx)
{
    struct runner *r;
    if (gpy_has_gil() || !atomic_load(&sync.made)) return EXEC_NOT_CARRIED;
    enum there how = run_there(run, ctx, true, CARRY_WAIT_US, &r);
    count_up(how == NOT_BEGUN ? &sync.uncarried : &sync.carried);
    if (how == NOT_BEGUN) return EXEC_NOT_CARRIED;
    if (likely(how == DONE)) return EXEC_CARRIED;
    atomic_store(&sync.noted, 0);
    leave_behind(r, r->job, r->job_ctx, true);
    return EXEC_CARRIER_LOST;
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
                                .lost = atomic_load(&sync.lost),
                                .carried = atomic_load(&sync.carried),
                                .uncarried = atomic_load(&sync.uncarried)};
}
