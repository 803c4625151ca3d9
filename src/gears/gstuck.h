/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Code that was stopped and can't be: it is in a call of a C library that doesn't return (a lock
 * that nobody gives, a socket that says nothing). Its thread is lost until that call returns, if it
 * ever does; the pool has another in its place (gpool_wedged). Here is what becomes of those who
 * wait for it: they are answered, with the limit that was met, or that it was aborted.
 *
 *   RUNNING --stopped, and a second later still there--> PENDING_TERMINATION --the call returns-->
 *   DONE
 *
 * What has been told isn't told again when it ends after all. If it was an event's or a stream's
 * batch, what comes behind would wait for it, and clients in the end for those: so its registration
 * is paused (gpause.h).
 *
 * A call that keeps the GIL holds up all of Python, what is to be stopped and what isn't. Who waits
 * for anything that was stopped is told then.
 */
#ifndef GEARS_GSTUCK_H
#define GEARS_GSTUCK_H

#include "gears/grun.h"
#include "gears/gscript.h"

struct greg;

/* Answers who waits for an execution, or for a script whose body doesn't end. The script is on a
 * thread, and the caller has the GIL, so that it doesn't end meanwhile. */
void gstuck_exec(struct gexec *e);
void gstuck_script(struct gscript *s);

/* A sync callback of a registration was left behind (gsync.h): it isn't called again, but for a
 * trigger, whose callers may well be the cause. Under the token. */
void gstuck_left_behind(struct greg *g, struct gexec *e);

/* Appends what they are told. Any thread. */
void gstuck_text(const struct gstop *stop, const struct glimits *limits, struct buf *out);

#endif
