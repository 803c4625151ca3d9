/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data token: whoever holds it may touch the keyspace and everything that says "under the
 * token". One atomic word and a futex.
 *
 *   FREE --- token_main_take ---> MAIN --- token_main_give, nobody asks ---> FREE
 *                                 MAIN --- token_main_give, a worker asks --> LENT
 *   LENT --- token_take --------> WORKER
 *   LENT --- token_main_take, the worker did not come within 50 us ---------> MAIN
 *   FREE --- token_try, token_take --> WORKER --- token_give ----------------> FREE
 *                                      WORKER --- token_hold_revoke, main ---> MAIN
 *
 * Main gives it up before it writes to sockets and sleeps in the poll. A worker that finds it
 * free runs at once, on its own thread. When main is busy the worker says that it wants it, spins
 * a few microseconds, then sleeps; main lends it at the end of a turn. While main waits, no other
 * worker starts: main is first in line.
 *
 * Invariants: T1 at most one thread has token_is_mine(). T2 the word is MAIN (WORKER) only if main
 * (a worker) holds it or has lent its own hold to the thread it waits for (exec/lend.h).
 *
 * Order: token, then GIL. Who holds the GIL may token_try, never token_take.
 */
#ifndef EXEC_TOKEN_H
#define EXEC_TOKEN_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"

/* Marks the calling thread as main and takes the token. Once, at boot; again in tests. */
void token_setup(void);

/* Main, around its sleep. token_main_take waits as long as a worker holds the token; beyond
 * busy-reply-threshold it calls the hook of token_on_busy over and over. */
void token_main_take(void);
void token_main_give(void);

/* What main does while it waits too long: fn must return within some milliseconds and must not
 * touch what the token guards. `threshold_ms` is how long main waits before the first call. */
void token_on_busy(void (*fn)(void), const int64_t *threshold_ms);

/* Worker: true if the token was free and is now ours. Never waits; the GIL may be held. */
bool token_try(void);

/* Worker, without the GIL: waits for the token. `abort_flag` (may be NULL) is looked at while
 * waiting, at least every 10 ms: STATUS_ABORTED once it is true. */
enum status token_take(const atomic_bool *abort_flag) MUST_CHECK;

/* Worker: gives it back; main is woken if it waits. */
void token_give(void);

/* Worker: main or another worker wants the token: end the slice soon. */
bool token_wanted(void);

/* The calling thread holds it. */
bool token_is_mine(void);

/* For exec/lend.h. Who holds the token waits for another thread that is to work in its place: it
 * calls token_lend_begin, hands over the job and waits; the other thread calls token_borrow_begin
 * before and token_borrow_end after its work, then the first calls token_lend_end. */
void token_lend_begin(void);
void token_lend_end(void);
void token_borrow_begin(void);
void token_borrow_end(void);

/*
 * A hold of the token while somebody else's code runs under it (a block or a callback in Python),
 * which may be in a call that never returns. The holder says when it goes out to such code, and
 * comes in again before it touches data; out, token_is_mine() is false. Who is out can be deprived
 * of the hold, by who has seen that nothing ends that code; it learns of that when it comes in.
 *
 *   IN --token_hold_out--> OUT --token_hold_in--> IN
 *                           |
 *                           +----token_hold_revoke----> REVOKED, for good
 *
 * What was lent goes back to the lender then, which looks (exec/lend.h); what a worker had itself
 * goes to main, which calls the hook of token_on_revoked. The word grows with each outing, so that
 * one is revoked and not a later one.
 */
struct token_hold {
    _Atomic uint32_t word;
};
/* The holder. _in: false, it isn't the holder any more, and never will be with this hold. */
void token_hold_out(struct token_hold *h);
bool token_hold_in(struct token_hold *h) MUST_CHECK;
/* Of a hold that was revoked: to be used again. Its owner. */
void token_hold_renew(struct token_hold *h);
/* The outing that is under way, or 0: none. Any thread. */
uint32_t token_hold_outing(const struct token_hold *h);
/* Ends that outing's hold; false: it is over. `lent`: a lender looks. Any thread. */
bool token_hold_revoke(struct token_hold *h, uint32_t outing, bool lent) MUST_CHECK;
/* It was. Any thread. */
bool token_hold_is_revoked(const struct token_hold *h);

/* What main does, with the token, when it was taken from a worker: ends what that had begun. */
void token_on_revoked(void (*fn)(void));

struct token_stats {
    uint64_t main_waits, main_wait_us, main_wait_max_us;
    uint64_t worker_takes, worker_waits;
    uint64_t lends;
};
/* A copy; any thread. */
struct token_stats token_stats(void);

#endif
