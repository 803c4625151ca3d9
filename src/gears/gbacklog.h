/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backlog: events that wait for workers, of all registrations, and the clients that must wait
 * since there are too many of them.
 *
 * An event that comes while its registration's backlog is full is queued like any other; but the
 * client whose command caused it isn't served after that (exec/stall.h) until the worker has
 * brought the backlog down to three quarters. What gears do themselves, and what expires, has no
 * client to be held. So each client adds one command's events at most to a full backlog, and those
 * whose keys no registration wants don't notice.
 *
 * All registrations that live, unregistered ones whose events still run too, are in one list with a
 * mutex of its own, for those who look without the token; it comes before a registration's mutex.
 */
#ifndef GEARS_GBACKLOG_H
#define GEARS_GBACKLOG_H

#include "base/macros.h"

struct greg;
struct gexec;
struct view;

/* A registration begins and ends. */
void gbacklog_add(struct greg *g);
void gbacklog_remove(struct greg *g);

/* What full is: so many events of one registration, or so many bytes of them. Main. */
void gbacklog_limits(uint64_t events, uint64_t bytes);

/* The next event of it is one too many. Under the token. */
bool gbacklog_is_full(const struct greg *g);

/* Its backlog is full, and the command that runs now, if it is a client's, caused an event for it.
 * Under the token. */
void gbacklog_hold(struct greg *g);

/* Lets its clients go on if the backlog is low again. The worker, now and then, and when it has
 * said that it ends (that store is a fence between its counting and this look). */
void gbacklog_check(struct greg *g);

/* Lets them go whatever waits: its events have been dropped. Under the token. */
void gbacklog_let_go(struct greg *g);

/* The execution with this id, if it is that of an event which waits: it is made and listed. NULL,
 * or a reference. Any thread. */
struct gexec *gbacklog_find(struct view id);

/* As grun_each, for executions of events that wait, as far as none has been made. Any thread. */
void gbacklog_each(void (*fn)(void *ctx, const struct gexec *e), void *ctx);

struct gbacklog_stats {
    uint64_t events, bytes;
};
/* What waits now. Any thread. */
struct gbacklog_stats gbacklog_stats(void);

#endif
