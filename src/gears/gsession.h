/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: what one RG.PYEXECUTE made. Its plans hold it, and with them its registrations and
 * executions; so do time events.
 *
 *   new --first registration--> linked --last registration goes--> dead --last reference--> freed
 *    |                            ^                                 |
 *    +--last reference--> freed   +------- a step registers --------+  (unless it was replaced)
 *
 * A linked session owns its id. A dead one is still referred to: by an execution that runs or is
 * kept. One that an upgrade has replaced stays dead: its code can't register any more.
 *
 * Counts and the list of registrations are guarded by the data token, the list of sessions by a
 * mutex of its own, since the last reference may go on any thread.
 */
#ifndef GEARS_GSESSION_H
#define GEARS_GSESSION_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/view.h"
#include "exec/user.h"

struct glimits;
struct greg;
struct greq;

struct gsession {
    atomic_uint refs;
    char *id;
    char *desc;             /* NULL if none */
    void *globals;          /* dict of the script; a Python reference, NULL before the script ran */
    void *object;           /* what Python knows it by, not a reference; guard: the GIL */
    struct exec_user *user; /* who submitted it and with whose rights it acts; a reference */
    bool explained;         /* its code may not reach the data: RG.EXPLAIN */
    bool native;            /* its results are to have the types of RESP3 */
    void *profiles;         /* list of profilers that nobody uses; a Python reference, or NULL;
                               guard: the GIL, as of the number */
    uint64_t profile_resets;
    struct greq **reqs;     /* its requirements, a reference of each; set before its body runs */
    size_t req_count;
    struct glimits *limits; /* what RG.PYEXECUTE sets of them; NULL: nothing. Owned */

    struct greg **regs; /* its registrations, oldest first; guard: the token */
    size_t reg_count, reg_cap;
    bool replaced; /* by an upgrade; guard: the token */

    bool known; /* it is on the list: it has or had registrations; guard: the mutex */
    struct gsession *prev, *next;
};

/* A session with one reference; the texts are copied, desc may be NULL, and a reference of the user
 * is taken. */
struct gsession *gsession_new(struct view id, struct view desc, struct exec_user *user);

/* Another reference. Any thread. */
struct gsession *gsession_ref(struct gsession *s);

/* As gplan_unref. */
void gsession_unref(struct gsession *s);

/* A registration joins its session, or leaves it. Under the token. */
void gsession_link(struct gsession *s, struct greg *g);
void gsession_unlink(struct gsession *s, const struct greg *g);

/* The session that has registrations under this id, or NULL; valid as long as the token is held.
 * Under the token. */
struct gsession *gsession_find(struct view id);

/* The sessions that are linked, or the dead ones, oldest first, a reference of each: the caller
 * gives them back and frees the array, which may be NULL. Under the token. */
size_t gsession_list(bool dead, struct gsession ***out);

#endif
