/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data token; see token.h. A futex hand-over costs about 20 us where taking a free token
 * costs 10 ns, so the design aims at the token being free: main is out of it whenever it writes
 * or sleeps, and the rare hand-over is spun for before anybody sleeps.
 */
#include "exec/token.h"

#include "base/clock.h"
#include "base/futex.h"
#include "base/relax.h"

enum token_word { TOKEN_FREE = 0, TOKEN_MAIN, TOKEN_WORKER, TOKEN_LENT };

#define WORKER_SPIN_NS 20000
#define LENT_SPIN_NS   50000
#define MAIN_SPIN_NS   5000
#define ABORT_LOOK_NS  10000000
#define BUSY_LOOK_NS   5000000

static _Atomic uint32_t word;
static _Atomic uint32_t workers_waiting; /* workers inside token_take */
static _Atomic uint32_t sleepers;        /* threads inside futex_wait on word */
static atomic_bool main_waiting;
static _Thread_local bool mine;

static void (*busy_fn)(void);
static const int64_t *busy_threshold_ms;
static void (*revoked_fn)(void);
static atomic_bool worker_revoked; /* the word is WORKER, and no worker has it */

static struct {
    _Atomic uint64_t main_waits, main_wait_us, main_wait_max_us;
    _Atomic uint64_t worker_takes, worker_waits, lends;
} stats;

static inline bool word_swap(uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&word, &from, to);
}

/* Sleeps until the word is no longer `seen`, or for timeout_ns. */
static void word_wait(uint32_t seen, int64_t timeout_ns)
{
    atomic_fetch_add(&sleepers, 1);
    futex_wait(&word, seen, timeout_ns);
    atomic_fetch_sub(&sleepers, 1);
}

/* Everybody who sleeps looks again: they are few, and the choice is theirs to make. */
static void word_wake(void)
{
    if (atomic_load(&sleepers)) futex_wake(&word, INT32_MAX);
}

void token_setup(void)
{
    atomic_store(&word, TOKEN_MAIN);
    mine = true;
}

void token_on_busy(void (*fn)(void), const int64_t *threshold_ms)
{
    busy_fn = fn;
    busy_threshold_ms = threshold_ms;
}

bool token_is_mine(void)
{
    return mine;
}

static void main_wait_count(int64_t wait_us)
{
    atomic_fetch_add_explicit(&stats.main_waits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats.main_wait_us, (uint64_t)wait_us, memory_order_relaxed);
    if ((uint64_t)wait_us > atomic_load_explicit(&stats.main_wait_max_us, memory_order_relaxed))
        atomic_store_explicit(&stats.main_wait_max_us, (uint64_t)wait_us, memory_order_relaxed);
}

static bool main_try(bool lent_too)
{
    return word_swap(TOKEN_FREE, TOKEN_MAIN) || (lent_too && word_swap(TOKEN_LENT, TOKEN_MAIN));
}

static bool main_inherits(void)
{
    if (likely(!atomic_load(&worker_revoked))) return false;
    atomic_store(&worker_revoked, false);
    bool was_held = word_swap(TOKEN_WORKER, TOKEN_MAIN);
    ASSERT(was_held);
    return true;
}

/* True: it was taken from a worker. */
static COLD bool main_take_slow(void)
{
    bool inherits = false;
    int64_t start_ns = clock_mono_ns();
    int64_t waited_ns = 0;
    atomic_store(&main_waiting, true);
    /* A lent token is left to its worker for a moment, else lending would be an empty promise. */
    while (!main_try(waited_ns > LENT_SPIN_NS) && !(inherits = main_inherits())) {
        uint32_t seen = atomic_load(&word);
        if (seen == TOKEN_LENT || waited_ns < MAIN_SPIN_NS) {
            cpu_relax();
        } else if (seen == TOKEN_WORKER) {
            if (busy_fn && *busy_threshold_ms > 0 && waited_ns > *busy_threshold_ms * 1000000)
                busy_fn();
            else
                word_wait(seen, BUSY_LOOK_NS);
        }
        waited_ns = clock_mono_ns() - start_ns;
    }
    atomic_store(&main_waiting, false);
    main_wait_count(waited_ns / 1000);
    return inherits;
}

void token_main_take(void)
{
    DEBUG_ASSERT(!mine);
    bool inherits = unlikely(!word_swap(TOKEN_FREE, TOKEN_MAIN)) && main_take_slow();
    mine = true;
    if (unlikely(inherits)) revoked_fn();
}

void token_main_give(void)
{
    DEBUG_ASSERT(mine && atomic_load(&word) == TOKEN_MAIN);
    mine = false;
    if (likely(atomic_load(&workers_waiting) == 0)) {
        atomic_store(&word, TOKEN_FREE);
        /* One may have begun to wait in between; it looks at the word before it sleeps. */
        word_wake();
        return;
    }
    atomic_fetch_add_explicit(&stats.lends, 1, memory_order_relaxed);
    atomic_store(&word, TOKEN_LENT);
    word_wake();
}

bool token_try(void)
{
    if (mine || atomic_load_explicit(&main_waiting, memory_order_relaxed)) return false;
    if (!word_swap(TOKEN_FREE, TOKEN_WORKER)) return false;
    atomic_fetch_add_explicit(&stats.worker_takes, 1, memory_order_relaxed);
    mine = true;
    return true;
}

static bool worker_try(void)
{
    if (word_swap(TOKEN_LENT, TOKEN_WORKER)) return true;
    return !atomic_load(&main_waiting) && word_swap(TOKEN_FREE, TOKEN_WORKER);
}

static enum status worker_wait(const atomic_bool *abort_flag)
{
    int64_t start_ns = clock_mono_ns();
    bool spin = true;
    while (!worker_try()) {
        if (abort_flag && atomic_load_explicit(abort_flag, memory_order_relaxed))
            return STATUS_ABORTED;
        if (spin) {
            cpu_relax();
            spin = clock_mono_ns() - start_ns < WORKER_SPIN_NS;
            continue;
        }
        uint32_t seen = atomic_load(&word);
        /* FREE with main about to take it: give it the moment it needs. */
        if (seen == TOKEN_MAIN || seen == TOKEN_WORKER)
            word_wait(seen, ABORT_LOOK_NS);
        else
            cpu_relax();
    }
    return STATUS_OK;
}

enum status token_take(const atomic_bool *abort_flag)
{
    ASSERT(!mine);
    if (!token_try()) {
        atomic_fetch_add_explicit(&stats.worker_waits, 1, memory_order_relaxed);
        atomic_fetch_add(&workers_waiting, 1);
        enum status st = worker_wait(abort_flag);
        atomic_fetch_sub(&workers_waiting, 1);
        if (st) return st;
        atomic_fetch_add_explicit(&stats.worker_takes, 1, memory_order_relaxed);
        mine = true;
    }
    return STATUS_OK;
}

void token_give(void)
{
    ASSERT(mine && atomic_load_explicit(&word, memory_order_relaxed) == TOKEN_WORKER);
    mine = false;
    atomic_store(&word, TOKEN_FREE);
    word_wake();
}

bool token_wanted(void)
{
    return atomic_load_explicit(&main_waiting, memory_order_relaxed) ||
           atomic_load_explicit(&workers_waiting, memory_order_relaxed) > 0;
}

static bool is_held(void)
{
    uint32_t now = atomic_load(&word);
    return now == TOKEN_MAIN || now == TOKEN_WORKER;
}

void token_lend_begin(void)
{
    ASSERT(mine && is_held());
    mine = false;
}

void token_lend_end(void)
{
    ASSERT(!mine && is_held());
    mine = true;
}

void token_borrow_begin(void)
{
    ASSERT(!mine && is_held());
    mine = true;
}

void token_borrow_end(void)
{
    ASSERT(mine);
    mine = false;
}

/* ---- holds that can be revoked ---- */

/* In the low bits; above them the number of the outing. */
enum { HOLD_IN = 0, HOLD_OUT, HOLD_REVOKED, HOLD_STATES = 4 };

void token_hold_renew(struct token_hold *h)
{
    uint32_t now = atomic_load_explicit(&h->word, memory_order_relaxed);
    atomic_store_explicit(&h->word, now - now % HOLD_STATES + HOLD_IN, memory_order_relaxed);
}

void token_hold_out(struct token_hold *h)
{
    uint32_t now = atomic_load_explicit(&h->word, memory_order_relaxed);
    DEBUG_ASSERT(mine && now % HOLD_STATES == HOLD_IN);
    mine = false;
    atomic_store_explicit(&h->word, now + HOLD_STATES + HOLD_OUT, memory_order_release);
}

bool token_hold_in(struct token_hold *h)
{
    uint32_t now = atomic_load_explicit(&h->word, memory_order_relaxed);
    DEBUG_ASSERT(!mine);
    if (unlikely(now % HOLD_STATES != HOLD_OUT ||
                 !atomic_compare_exchange_strong(&h->word, &now, now - HOLD_OUT)))
        return false;
    mine = true;
    return true;
}

uint32_t token_hold_outing(const struct token_hold *h)
{
    uint32_t now = atomic_load(&h->word);
    return now % HOLD_STATES == HOLD_OUT ? now : 0;
}

bool token_hold_revoke(struct token_hold *h, uint32_t outing, bool lent)
{
    if (!outing || !atomic_compare_exchange_strong(&h->word, &outing, outing - HOLD_OUT +
                                                                          HOLD_REVOKED))
        return false;
    if (lent) return true;
    atomic_store(&worker_revoked, true);
    word_wake();
    return true;
}

bool token_hold_is_revoked(const struct token_hold *h)
{
    return atomic_load(&h->word) % HOLD_STATES == HOLD_REVOKED;
}

void token_on_revoked(void (*fn)(void))
{
    revoked_fn = fn;
}

struct token_stats token_stats(void)
{
    return (struct token_stats){
        .main_waits = atomic_load(&stats.main_waits),
        .main_wait_us = atomic_load(&stats.main_wait_us),
        .main_wait_max_us = atomic_load(&stats.main_wait_max_us),
        .worker_takes = atomic_load(&stats.worker_takes),
        .worker_waits = atomic_load(&stats.worker_waits),
        .lends = atomic_load(&stats.lends),
    };
}
