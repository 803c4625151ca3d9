/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data token under threads: a counter that is no atomic is changed by main and by workers,
 * and comes out right; a wait ends when its abort flag is raised; main's own hold can be lent; a
 * hold that is revoked has either been visited before or never is again.
 */
#include "exec/token.h"

#include <pthread.h>

#include "../unit.h"
#include "base/clock.h"
#include "base/futex.h"

static long guarded; /* by the token */

struct worker {
    pthread_t thread;
    long rounds;
    atomic_bool abort;
    enum status ended;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (long i = 0; i < w->rounds; i++) {
        if (i % 3 == 0 && token_try()) {
            guarded++;
        } else {
            w->ended = token_take(&w->abort);
            if (w->ended) return NULL;
            guarded++;
            if (i % 7 == 0 && !token_wanted()) guarded += 0;
        }
        if (!token_is_mine()) w->ended = STATUS_ERR;
        token_give();
    }
    return NULL;
}

TEST(nothing_is_lost_between_main_and_workers)
{
    enum { WORKERS = 3 };
    struct worker workers[WORKERS] = {0};
    long rounds = unit_rounds(20000), mine = 0;
    guarded = 0;
    token_setup();
    for (int i = 0; i < WORKERS; i++) {
        workers[i].rounds = rounds;
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (long i = 0; i < rounds; i++) {
        guarded++;
        mine++;
        token_main_give();
        token_main_take();
    }
    token_main_give();
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK_INT(workers[i].ended, STATUS_OK);
    }
    token_main_take();
    CHECK_INT(guarded, mine + WORKERS * rounds);
    CHECK(token_stats().worker_takes >= (uint64_t)rounds);
}

static void *wait_in_vain(void *arg)
{
    struct worker *w = arg;
    w->ended = token_take(&w->abort);
    return NULL;
}

TEST(an_abort_ends_the_wait)
{
    struct worker w = {0};
    token_setup();
    pthread_create(&w.thread, NULL, wait_in_vain, &w);
    while (!token_wanted()) continue;
    atomic_store(&w.abort, true);
    pthread_join(w.thread, NULL);
    CHECK_INT(w.ended, STATUS_ABORTED);
    CHECK(token_is_mine());
    CHECK(!token_wanted());
}

struct loan {
    _Atomic uint32_t done;
    bool had_it;
};

static void *work_in_mains_place(void *arg)
{
    struct loan *loan = arg;
    token_borrow_begin();
    loan->had_it = token_is_mine();
    guarded++;
    token_borrow_end();
    atomic_store(&loan->done, 1);
    futex_wake(&loan->done, 1);
    return NULL;
}

TEST(main_lends_its_own_hold)
{
    struct loan loan = {0};
    pthread_t thread;
    token_setup();
    guarded = 0;
    token_lend_begin();
    CHECK(!token_is_mine());
    pthread_create(&thread, NULL, work_in_mains_place, &loan);
    while (!atomic_load(&loan.done)) futex_wait(&loan.done, 0, 1000000);
    token_lend_end();
    pthread_join(thread, NULL);
    CHECK(loan.had_it);
    CHECK(token_is_mine());
    CHECK_INT(guarded, 1);
}

static _Atomic uint32_t busy_turns;
static int64_t busy_after_ms;

static void busy(void)
{
    atomic_fetch_add(&busy_turns, 1);
    futex_wake(&busy_turns, 1);
}

static void *hold_until_busy(void *arg)
{
    struct worker *w = arg;
    w->ended = token_take(NULL);
    atomic_store(&w->abort, true);
    /* However long it takes until main runs, and has waited; but not for ever. */
    int64_t end_ns = clock_mono_ns() + 60000000000, left_ns;
    while (!atomic_load(&busy_turns) && (left_ns = end_ns - clock_mono_ns()) > 0)
        futex_wait(&busy_turns, 0, left_ns);
    token_give();
    return NULL;
}

TEST(main_is_busy_while_it_waits_too_long)
{
    struct worker w = {0};
    token_setup();
    atomic_store(&busy_turns, 0);
    busy_after_ms = 1;
    token_on_busy(busy, &busy_after_ms);
    pthread_create(&w.thread, NULL, hold_until_busy, &w);
    token_main_give();
    while (!atomic_load(&w.abort)) continue;
    token_main_take();
    pthread_join(w.thread, NULL);
    CHECK(atomic_load(&busy_turns) > 0);
    CHECK(token_stats().main_waits > 0);
    token_on_busy(NULL, &busy_after_ms);
}

/* A worker that goes out of its hold and in again, until it finds that it is revoked. */
struct visitor {
    pthread_t thread;
    struct token_hold hold;
    _Atomic uint32_t ready;
    long visits;
};

static _Atomic long inherited;

static void inherit(void)
{
    CHECK(token_is_mine());
    guarded++;
    atomic_fetch_add(&inherited, 1);
}

static void *visit(void *arg)
{
    struct visitor *v = arg;
    CHECK(token_take(NULL) == STATUS_OK);
    for (;;) {
        token_hold_out(&v->hold);
        CHECK(!token_is_mine());
        atomic_store(&v->ready, 1);
        if (!token_hold_in(&v->hold)) break;
        CHECK(token_is_mine());
        guarded++;
        v->visits++;
    }
    CHECK(!token_is_mine() && token_hold_is_revoked(&v->hold));
    token_hold_renew(&v->hold);
    return NULL;
}

TEST(a_hold_is_revoked_once_and_main_inherits_it)
{
    struct visitor v = {0};
    long rounds = unit_rounds(300);
    token_setup();
    token_on_revoked(inherit);
    guarded = 0;
    atomic_store(&inherited, 0);
    for (long i = 0; i < rounds; i++) {
        atomic_store(&v.ready, 0);
        token_main_give();
        pthread_create(&v.thread, NULL, visit, &v);
        while (!atomic_load(&v.ready)) continue;
        /* An outing that is over isn't revoked, however often it is tried. */
        uint32_t outing;
        do outing = token_hold_outing(&v.hold);
        while (!token_hold_revoke(&v.hold, outing, false));
        CHECK(!token_hold_revoke(&v.hold, outing, false));
        token_main_take();
        guarded++;
        pthread_join(v.thread, NULL);
    }
    CHECK_INT(atomic_load(&inherited), rounds);
    CHECK_INT(guarded, 2 * rounds + v.visits);
    CHECK(token_is_mine());
}
