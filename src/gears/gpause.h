/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations that are paused because they failed too often in a row (gears-max-failures, or
 * maxFailures of register()), until RG.UNPAUSEREGISTRATIONS. A StreamReader's is paused in its own
 * way (gstream.h): its entries are still there afterwards. The others:
 *
 *   KeysReader     what happens meanwhile, and what waited, isn't run: numAborted counts it
 *   TimeReader     its runs are skipped
 *   CommandReader  who calls it gets an error; calls that waited end as aborted
 *
 * A CommandReader's errors go to its callers, who may well be their cause. So one of them must not
 * be able to close it to all others: only maxFailures of its own pauses it.
 */
#ifndef GEARS_GPAUSE_H
#define GEARS_GPAUSE_H

#include "gears/greg_impl.h"

/* What callers of a CommandReader get. */
#define GPAUSE_TEXT                                                                                \
    "the registration is paused, since it failed too often in a row; RG.UNPAUSEREGISTRATIONS has " \
    "it go on"

/* So many failures in a row pause it; 0: none do. Any thread. */
int64_t gpause__limit(const struct greg *g);

/* An execution of a registration that isn't a StreamReader's has ended. Under its mutex. */
void gpause__note(struct greg *g, bool failed);

/* Pauses it, a StreamReader's too, since e, one of its executions, doesn't end; its lastError says
 * so. Under the token. */
void gpause__begin_stuck(struct greg *g, const struct gexec *e);

/* It goes on. Under the token. */
void gpause__end(struct greg *g);

/* Any thread. */
static inline bool gpause__is_paused(const struct greg *g)
{
    return unlikely(atomic_load_explicit(&g->paused, memory_order_relaxed));
}

#endif
