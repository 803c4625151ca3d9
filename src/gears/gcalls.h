/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of triggers and hooks that aren't sync: the client waits while a worker runs them.
 *
 *                    +--inorder--> the registration's queue --its job--+
 *   command: call ---+                                                 +--> run --> main: answer
 *                    +--> one queue for all ----- a taker -------------+
 *
 * To have a worker come for each call, and main for each answer, would cost some switches between
 * threads, each of them more than most calls. So calls wait in one queue, and a worker, a *taker*,
 * runs one after the other, with the GIL all along. As the calls don't wait for each other, another
 * taker comes when the one that is there hasn't come back from a call within TAKER_LATE_US: main
 * finds that when a call comes, or else within a millisecond. Answers wait in a queue for main,
 * which is woken, if it sleeps, for many of them.
 *
 * Invariants: C1 while a call waits, main has a timer that looks after it, and a taker is on its
 * way or has taken another call. C2 who leaves an answer without waking main has another call to
 * take, and wakes main after that; should that call last, main finds the answer when it looks after
 * the calls that waited.
 */
#ifndef GEARS_GCALLS_H
#define GEARS_GCALLS_H

#include "gears/ghook.h"
#include "gears/grun.h"

struct greg;

/* Blocks the client until a worker has run g with the command's words from `first` on. `hook` NULL:
 * as a trigger. Main, under the token, for a client that may wait. */
enum status gcalls_run(struct exec_ctx *ctx, struct greg *g, int first,
                       const struct ghook_place *hook);

/* A registration goes: it keeps nothing for later calls any more. Under the token, or with the last
 * reference. */
void gcalls_forget(struct greg *g);

/* A client_gone_fn of one that waits for an execution, by number: nobody wants the result. */
void gcalls_gone(void *number, uint64_t client_id);

/* What a client that called e waits for. */
static inline enum gwait gcalls_wait(const struct gexec *e)
{
    return e->hook.command ? GWAIT_HOOK : GWAIT_TRIGGER;
}

#endif
