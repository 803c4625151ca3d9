/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that one thread does in another's place, with its hold on the data token, while that waits:
 * the lender hands it over, the borrower does it. What main lends may be its token alone, for
 * something that main could not do itself (a callback in Python), or its whole role: then the
 * borrower is main to whoever asks (exec_is_main), and runs what main would run. From within such
 * work it goes out for what may take long and touches nothing of main's, and comes in again.
 *
 *   phase: IDLE -lend_ask-> ASKED -lend_take-> TAKEN -lend_give_back-> DONE -lend_wait-> IDLE
 *                             |
 *                             +-lend_begun, too late-> IDLE
 *
 *   place, while TAKEN:
 *          INSIDE --lend_out--> OUT --main has waited for long--> SERVED
 *            ^  ^                |                                 |   |
 *            |  +----lend_in-----+ <-------main, after a pass------+   | lend_in: waits
 *            +------------------main, after its pass------- OVER <-----+
 *
 * While the borrower is out, main may serve clients (busy mode), a pass at a time; when the
 * borrower comes in meanwhile it waits for the end of the pass.
 *
 * Out, and not about to touch data, the borrower may be deprived of what was lent (token_hold, in
 * token.h): lend_wait says so, the lender notes what it has to know, and lets it go: TAKEN -> GONE.
 *
 *   L1 exec_is_main() is true for one thread that works: for main, or, from lend_take of a role to
 *      lend_give_back and not while it is out, for the borrower. Main waits then, and does nothing.
 *   L2 What is main's alone (clients, their buffers, the loop, the queues that main reads) belongs
 *      to the borrower INSIDE, and to main SERVED and OVER. OUT it is nobody's.
 *   L3 Who is out, or has borrowed the token alone, does as any other thread does: it posts.
 *   L4 One lender has something lent at a time, for it holds the token.
 *
 * Both sides spin for some microseconds before they sleep: a burst of work wakes no thread.
 */
#ifndef EXEC_LEND_H
#define EXEC_LEND_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"
#include "exec/token.h"
#include "net/outbuf.h"

struct lend {
    _Atomic uint32_t phase;
    atomic_bool lender_sleeps, borrower_sleeps;
    /* Whoever has the phase: */
    bool by_main, role;
    struct outbuf_pool pool; /* main's spare blocks, which go with the role */
    struct token_hold hold;  /* what was lent, while it is TAKEN */
    /* Apart from the phase, for whoever waits looks at that all the time. */
    _Alignas(64) _Atomic uint32_t place;
    _Atomic uint32_t outings; /* so far */
};

/* Main's pass of busy mode, and after how long it begins; at boot. */
void lend_setup(void (*busy)(void), const int64_t *threshold_ms);

/* The calling thread is main from now on; at boot. */
void lend_make_main(void);

/* Main waits for what the calling thread does, or is it: it will look at its queues before it
 * sleeps. */
bool lend_main_waits(void);

/* ---- the lender: holds the token, and has nothing else lent ---- */

/* Offers the token, and with `role`, which only main can, its role. lend_begun must follow. */
void lend_ask(struct lend *l, bool role);

/* True when the borrower has begun: lend_wait must follow. False: it hasn't, within this time, and
 * won't; nothing is lent any more. */
bool lend_begun(struct lend *l, int64_t within_us) MUST_CHECK;

/* Waits for the end. Main serves clients meanwhile when it takes long: L2. False: the borrower was
 * deprived of what it had, which is the lender's again; lend_let_go must follow, and `l` is of no
 * further use to the lender. */
bool lend_wait(struct lend *l) MUST_CHECK;

/* Until then the borrower, should it come in, touches nothing and waits. */
void lend_let_go(struct lend *l);

/* ---- the borrower: one thread, without the token ---- */

/* Sleeps until it is asked. */
void lend_await(struct lend *l);

/* Asked, and not taken yet. */
bool lend_is_asked(const struct lend *l);

/* Begins; false: it isn't wanted any more. */
bool lend_take(struct lend *l) MUST_CHECK;

/* With the role: out, and in again. Not nested. */
void lend_out(struct lend *l);
void lend_in(struct lend *l);

/* The borrower was deprived of what it had: waits until it is let go. From then on it is nobody's
 * borrower, and `l` its own. */
void lend_await_let_go(struct lend *l);

/* Ends; not while it is out. */
void lend_give_back(struct lend *l);

/* The kernel's number of the thread that has borrowed main's role, out or not; 0: nobody has. Any
 * thread, also in a signal's handler. */
int lend_thread(void);

#endif
