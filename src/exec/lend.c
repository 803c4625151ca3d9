/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See lend.h. The phase changes twice a loan, the place twice an outing: a store and a
 * compare-and-swap on a line that the waiting side looks at every 10 ms.
 */
#include "exec/lend.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/relax.h"
#include "exec/client.h"
#include "exec/token.h"
#include "net/loop.h"

#define SPIN_NS   2000
#define YIELD_NS  20000
#define LINGER_NS 60000
#define YIELDS_MAX 2
#define LOOK_NS   10000000

enum lend_phase { IDLE, ASKED, TAKEN, DONE, GONE };
enum lend_place { INSIDE, OUT, SERVED, OVER };

static _Thread_local enum {
    NOT_MAIN,
    MAIN,
    FOR_MAIN /* main waits for it */
} role;

static _Thread_local int thread_number; /* as the kernel knows it; 0: not asked yet */

static struct {
    void (*busy)(void);
    const int64_t *threshold_ms;
    _Atomic int thread; /* who has the role; 0: main */
} lend;

void lend_setup(void (*busy)(void), const int64_t *threshold_ms)
{
    lend.busy = busy;
    lend.threshold_ms = threshold_ms;
}

void lend_make_main(void)
{
    role = MAIN;
}

bool exec_is_main(void)
{
    return role == MAIN;
}

bool lend_main_waits(void)
{
    return role != NOT_MAIN;
}

int lend_thread(void)
{
    return atomic_load_explicit(&lend.thread, memory_order_relaxed);
}

/* ---- waiting ---- */

static bool swap(_Atomic uint32_t *word, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(word, &from, to);
}

/* Waits awake while the word is `value`, for at most `most_ns`; false if it still is. After a
 * moment it gives way, for the other side may be waiting for this very processor; but seldom:
 * Linux since 6.6 has a thread pay for each time with a turn, and one that does it in a loop may
 * not run again for some hundred milliseconds on a busy machine. */
static bool linger(const _Atomic uint32_t *word, uint32_t value, int64_t most_ns)
{
    int64_t start_ns = clock_mono_ns();
    int yields = YIELDS_MAX;
    while (atomic_load(word) == value) {
        int64_t waited_ns = clock_mono_ns() - start_ns;
        if (waited_ns > most_ns) return false;
        if (waited_ns > SPIN_NS && yields-- > 0) sched_yield();
        else for (int i = 0; i < 16; i++) cpu_relax();
    }
    return true;
}

/* ---- the lender ---- */

void lend_ask(struct lend *l, bool with_role)
{
    l->by_main = exec_is_main();
    l->role = with_role;
    ASSERT(!with_role || l->by_main);
    if (with_role) l->pool = outbuf_pool_take();
    atomic_store_explicit(&l->place, with_role ? INSIDE : OUT, memory_order_relaxed);
    token_lend_begin();
    atomic_store(&l->phase, ASKED);
    if (atomic_load(&l->borrower_sleeps)) futex_wake(&l->phase, 1);
}

/* What was lent is the lender's again. */
static void end_of_loan(struct lend *l)
{
    token_lend_end();
    if (l->role) outbuf_pool_add(&l->pool);
}

bool lend_begun(struct lend *l, int64_t within_us)
{
    int64_t end_us = clock_mono_us() + within_us;
    if (linger(&l->phase, ASKED, MIN(within_us * 1000, YIELD_NS))) return true;
    for (int64_t left_us; (left_us = end_us - clock_mono_us()) > 0;) {
        if (atomic_load(&l->phase) != ASKED) return true;
        /* It doesn't wake us when it begins, but at its end. */
        atomic_store(&l->lender_sleeps, true);
        futex_wait(&l->phase, ASKED, MIN(left_us, 1000) * 1000);
        atomic_store(&l->lender_sleeps, false);
    }
    if (!swap(&l->phase, ASKED, IDLE)) return true;
    end_of_loan(l);
    return false;
}

/* Main: a pass of busy mode, if the borrower is out. */
static void serve(struct lend *l)
{
    if (!swap(&l->place, OUT, SERVED)) return;
    lend.busy();
    if (swap(&l->place, SERVED, OUT)) return;
    atomic_store(&l->place, INSIDE);
    futex_wake(&l->place, 1);
}

/* True while it is worth waiting. */
static bool goes_on(const struct lend *l)
{
    return atomic_load(&l->phase) == TAKEN && !token_hold_is_revoked(&l->hold);
}

/* Main sleeps, but serves while one and the same outing lasts too long. */
static void wait_as_main(struct lend *l)
{
    int64_t since_ms = clock_mono_ms();
    uint32_t outing = atomic_load_explicit(&l->outings, memory_order_relaxed);
    while (goes_on(l)) {
        int64_t now_ms = clock_mono_ms(), most_ms = *lend.threshold_ms;
        uint32_t at = atomic_load_explicit(&l->outings, memory_order_relaxed);
        if (at != outing || atomic_load_explicit(&l->place, memory_order_relaxed) == INSIDE) {
            outing = at;
            since_ms = now_ms;
        }
        if (most_ms > 0 && now_ms - since_ms > most_ms)
            serve(l);
        else
            futex_wait(&l->phase, TAKEN, LOOK_NS);
    }
}

/* What a borrower had that doesn't come back. The spare blocks went with it. */
static COLD void take_back(struct lend *l)
{
    token_lend_end();
    if (l->role) atomic_store_explicit(&lend.thread, 0, memory_order_relaxed);
}

bool lend_wait(struct lend *l)
{
    if (!linger(&l->phase, TAKEN, YIELD_NS)) {
        atomic_store(&l->lender_sleeps, true);
        if (l->by_main) wait_as_main(l);
        else while (goes_on(l)) futex_wait(&l->phase, TAKEN, LOOK_NS);
        atomic_store(&l->lender_sleeps, false);
        if (unlikely(atomic_load(&l->phase) == TAKEN)) {
            take_back(l);
            return false;
        }
    }
    end_of_loan(l);
    atomic_store(&l->phase, IDLE);
    return true;
}

void lend_let_go(struct lend *l)
{
    atomic_store(&l->phase, GONE);
    futex_wake(&l->phase, 1);
}

/* ---- the borrower ---- */

bool lend_is_asked(const struct lend *l)
{
    return atomic_load(&l->phase) == ASKED;
}

void lend_await(struct lend *l)
{
    for (uint32_t seen; (seen = atomic_load(&l->phase)) != ASKED;) {
        if (linger(&l->phase, seen, LINGER_NS)) continue;
        atomic_store(&l->borrower_sleeps, true);
        futex_wait(&l->phase, seen, -1);
        atomic_store(&l->borrower_sleeps, false);
    }
}

static void have_role(bool have)
{
    if (unlikely(!thread_number)) thread_number = (int)syscall(SYS_gettid);
    role = have ? MAIN : FOR_MAIN;
    atomic_store_explicit(&lend.thread, have ? thread_number : 0, memory_order_relaxed);
}

bool lend_take(struct lend *l)
{
    if (!swap(&l->phase, ASKED, TAKEN)) return false;
    token_borrow_begin();
    if (l->by_main) role = FOR_MAIN;
    if (l->role) {
        outbuf_pool_add(&l->pool);
        have_role(true);
    }
    return true;
}

void lend_out(struct lend *l)
{
    DEBUG_ASSERT(l->role && role == MAIN);
    uint32_t outings = atomic_load_explicit(&l->outings, memory_order_relaxed) + 1;
    atomic_store_explicit(&l->outings, outings, memory_order_relaxed);
    role = FOR_MAIN;
    atomic_store_explicit(&l->place, OUT, memory_order_release);
}

/* Main is in a pass of busy mode, or was just now. */
static COLD void wait_for_pass(struct lend *l)
{
    while (!swap(&l->place, OUT, INSIDE)) {
        if (!swap(&l->place, SERVED, OVER)) continue;
        loop_wake();
        while (atomic_load(&l->place) == OVER) futex_wait(&l->place, OVER, LOOK_NS);
        return;
    }
}

void lend_in(struct lend *l)
{
    DEBUG_ASSERT(l->role && role == FOR_MAIN);
    if (unlikely(!swap(&l->place, OUT, INSIDE))) wait_for_pass(l);
    role = MAIN;
}

void lend_await_let_go(struct lend *l)
{
    while (atomic_load(&l->phase) == TAKEN) futex_wait(&l->phase, TAKEN, -1);
    role = NOT_MAIN;
    outbuf_pool_trim(0);
}

void lend_give_back(struct lend *l)
{
    ASSERT(!l->role || role == MAIN);
    if (l->role) {
        l->pool = outbuf_pool_take();
        have_role(false);
    }
    role = NOT_MAIN;
    token_borrow_end();
    bool served = atomic_load(&l->place) == SERVED;
    atomic_store(&l->phase, DONE);
    if (served) loop_wake();
    if (atomic_load(&l->lender_sleeps)) futex_wake(&l->phase, 1);
}
