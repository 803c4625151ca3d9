/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data token: whoever holds it may touch the keyspace and everything that says "under the
 * token". One atomic word and a futex.
 *
 *             token_main_take          token_main_give
 *   FREE ------------------> MAIN ----------------------> FREE
 *   FREE --- token_take ---> WORKER ---- token_give ----> FREE
 *   MAIN --- token_main_give, a worker waits -----------> LENT (main waits 20-50 us for the
 *            worker to come; then takes it back)   LENT --- token_take --> WORKER
 *
 * Main gives it up before it writes to sockets and sleeps in the poll. A worker that finds it
 * free runs at once, on its own thread. When main is busy the worker says that it wants it,
 * spins a few microseconds, then sleeps; main lends it at the end of a turn for a bounded slice.
 *
 * Order: token, then GIL. Who holds the GIL may token_try, never token_take.
 */
#ifndef EXEC_TOKEN_H
#define EXEC_TOKEN_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"

/* Main thread, around its sleep. */
void token_main_take(void);
void token_main_give(void);

/* Worker: true if the token was free and now is ours. Never waits; the GIL may be held. */
bool token_try(void);

/* Worker, without the GIL: waits for the token. `abort_flag` (may be NULL) is looked at while
 * waiting: STATUS_ABORTED when it becomes true. */
enum status token_take(const atomic_bool *abort_flag) MUST_CHECK;

/* Worker: gives it back; wakes main if it waits. Runs token_on_last_give's hook first. */
void token_give(void);

/* Worker: true when main or another worker wants the token: end the slice soon. */
bool token_wanted(void);

/* The calling thread holds it (main or worker). */
bool token_is_mine(void);

/* Marks the calling thread as main. Once, at boot, which also takes the token. */
void token_setup(void);

struct token_stats {
    uint64_t main_waits, main_wait_us, main_wait_max_us;
    uint64_t worker_takes, worker_waits, worker_wait_us;
    uint64_t lends;
};
/* A copy; under the token. */
struct token_stats token_stats(void);

#endif
