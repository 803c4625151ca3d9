/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What main lends, under threads: plain counters that belong to whoever has the role, or to main in
 * a pass of busy mode, come out right; an offer that nobody takes is withdrawn; who has the role is
 * main to all who ask; who is deprived of it is nobody, and waits to be let go.
 */
#include "exec/lend.h"

#include <pthread.h>

#include "../unit.h"
#include "base/futex.h"
#include "exec/client.h"
#include "exec/token.h"

static struct lend lend;
static const int64_t soon_ms = 1;

/* L2: no atomics. */
static long mains, passes;

static struct {
    pthread_t thread;
    atomic_bool end;
    _Atomic uint32_t hold; /* doesn't take what it is offered */
    _Atomic uint32_t stay_out;
    long outings; /* of each loan */
    atomic_long taken, missed, wrong;
} borrower;

static void expect(bool ok)
{
    if (!ok) atomic_fetch_add(&borrower.wrong, 1);
}

/* Asleep: who gives way in a loop may not run again for seconds on a busy machine. */
static void await_clear(_Atomic uint32_t *word)
{
    while (atomic_load(word)) futex_wait(word, 1, -1);
}

static void clear(_Atomic uint32_t *word)
{
    atomic_store(word, 0);
    futex_wake(word, 1);
}

/* A pass: what the borrower must not touch meanwhile is changed, for some time. */
static void busy(void)
{
    long before = mains;
    for (int i = 0; i < 100; i++) mains++;
    expect(mains == before + 100 && !token_is_mine());
    mains = before;
    passes++;
    clear(&borrower.stay_out);
}

static void work(void)
{
    for (long i = 0; i < borrower.outings; i++) {
        mains++;
        expect(exec_is_main() && token_is_mine() && lend_thread() != 0);
        lend_out(&lend);
        expect(!exec_is_main() && token_is_mine() && lend_main_waits());
        await_clear(&borrower.stay_out);
        lend_in(&lend);
        expect(exec_is_main());
        mains++;
    }
}

static void *borrower_main(void *unused)
{
    (void)unused;
    expect(!exec_is_main() && !lend_main_waits());
    for (bool last = false; !last;) {
        lend_await(&lend);
        await_clear(&borrower.hold);
        if (!lend_take(&lend)) {
            atomic_fetch_add(&borrower.missed, 1);
            continue;
        }
        last = atomic_load(&borrower.end); /* said before the last loan, behind all others */
        atomic_fetch_add(&borrower.taken, 1);
        if (exec_is_main()) work();
        else expect(token_is_mine());
        lend_give_back(&lend);
        expect(!exec_is_main() && !token_is_mine() && !lend_main_waits());
    }
    return NULL;
}

static void begin(long outings)
{
    token_setup();
    lend_make_main();
    lend_setup(busy, &soon_ms);
    mains = passes = 0;
    atomic_store(&borrower.end, false);
    borrower.outings = outings;
    pthread_create(&borrower.thread, NULL, borrower_main, NULL);
}

static void loan(bool role)
{
    lend_ask(&lend, role);
    CHECK(!token_is_mine());
    CHECK(lend_begun(&lend, 10000000));
    CHECK(lend_wait(&lend));
    CHECK(token_is_mine() && exec_is_main());
}

static void end(void)
{
    atomic_store(&borrower.end, true);
    loan(false);
    pthread_join(borrower.thread, NULL);
    CHECK_INT(atomic_load(&borrower.wrong), 0);
    token_main_give();
    token_main_take();
}

TEST(what_belongs_to_main_is_with_one_thread_at_a_time)
{
    long rounds = unit_rounds(2000), outings = 10;
    begin(outings);
    for (long i = 0; i < rounds; i++) {
        mains++;
        loan(true);
        if (i % 7 == 0) loan(false);
    }
    CHECK_INT(mains, rounds * (1 + 2 * outings));
    end();
}

/* Who is out too long is met by passes, and comes in between two of them. */
TEST(a_pass_ends_before_the_borrower_comes_in)
{
    begin(3);
    for (int i = 0; i < 20; i++) {
        atomic_store(&borrower.stay_out, 1);
        loan(true);
    }
    CHECK_INT(mains, 20 * 6);
    CHECK(passes >= 20);
    end();
}

TEST(an_offer_that_nobody_takes_is_withdrawn)
{
    begin(1);
    for (int i = 0; i < 20; i++) {
        atomic_store(&borrower.hold, 1);
        lend_ask(&lend, i % 2);
        CHECK(!lend_begun(&lend, 100 + i * 100));
        CHECK(token_is_mine() && !lend_is_asked(&lend));
        long missed = atomic_load(&borrower.missed), taken = atomic_load(&borrower.taken);
        clear(&borrower.hold);
        loan(true);
        CHECK(atomic_load(&borrower.missed) >= missed);
        CHECK_INT(atomic_load(&borrower.taken), taken + 1);
    }
    CHECK_INT(mains, 40);
    end();
}

/* Borrowers that never come in by themselves. */
struct lost {
    struct lend lend;
    pthread_t thread;
    _Atomic uint32_t out; /* 1: not yet */
    bool role, knows;
};

static void *lost_main(void *arg)
{
    struct lost *l = arg;
    lend_await(&l->lend);
    expect(lend_take(&l->lend));
    if (l->role) lend_out(&l->lend);
    token_hold_out(&l->lend.hold);
    clear(&l->out);
    while (token_hold_in(&l->lend.hold)) token_hold_out(&l->lend.hold);
    lend_await_let_go(&l->lend);
    expect(l->knows && !token_is_mine() && !exec_is_main() && !lend_main_waits());
    return NULL;
}

static void *deprive(void *arg)
{
    struct lost *l = arg;
    await_clear(&l->out);
    uint32_t outing;
    do outing = token_hold_outing(&l->lend.hold);
    while (!token_hold_revoke(&l->lend.hold, outing, true));
    return NULL;
}

TEST(who_is_deprived_is_left_behind)
{
    token_setup();
    lend_make_main();
    lend_setup(busy, &soon_ms);
    atomic_store(&borrower.wrong, 0);
    passes = 0;
    for (long i = 0, rounds = unit_rounds(200); i < rounds; i++) {
        struct lost *l = mem_zalloc(sizeof(*l));
        pthread_t other;
        l->role = i % 2;
        atomic_store(&l->out, 1);
        pthread_create(&l->thread, NULL, lost_main, l);
        pthread_create(&other, NULL, deprive, l);
        lend_ask(&l->lend, l->role);
        CHECK(lend_begun(&l->lend, 60000000));
        CHECK(!lend_wait(&l->lend));
        CHECK(token_is_mine() && exec_is_main() && lend_thread() == 0);
        l->knows = true;
        lend_let_go(&l->lend);
        pthread_join(l->thread, NULL);
        pthread_join(other, NULL);
        mem_free(l);
    }
    CHECK_INT(atomic_load(&borrower.wrong), 0);
    token_main_give();
    token_main_take();
}
