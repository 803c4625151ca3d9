/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script: one RG.PYEXECUTE on its way. Its body runs on a worker. What it asked for (at most
 * one run, any number of registrations) is put into effect when the body has ended without an
 * error: registrations first, all or none, then the run, on the same worker.
 *
 *   RG.PYEXECUTE -> queued -> body -> error: reply it, discard all
 *                                  -> nothing asked: +OK
 *                                  -> registrations: register, +OK; a run goes on unanswered
 *                                  -> run: UNBLOCKING: its id, else its results at the end
 */
#ifndef GEARS_GSCRIPT_H
#define GEARS_GSCRIPT_H

#include "gears/gext.h"
#include "gears/greg.h"
#include "gears/greq.h"
#include "gears/grun.h"

enum gscript_outcome { GSCRIPT_OK, GSCRIPT_FAILED };

struct gscript {
    struct gjob job;
    struct gscript *prev, *next; /* running scripts; guard: gscript's mutex */
    const struct command *cmd;
    uint64_t client_id; /* 0: it has been answered; guard: gscript's mutex */
    char *code;
    size_t code_len;
    const struct gears_language *language; /* of an extension; NULL: Python */
    bool unblocking;
    bool traceback;
    bool upgrade;       /* replaces the registrations of the session of the same id */
    char *replace_with; /* or of this session; NULL if not given */
    struct greq_wish wish; /* its requirements */
    struct buf unsatisfied; /* why it doesn't get them; empty: it does */
    struct gsession *session;
    struct glimits limits; /* of the body */
    struct gstop stop;
    struct gmeter meter;
    int64_t began_us; /* the worker took it */

    /* Filled by gpy_run_script. */
    enum gscript_outcome outcome;
    struct buf error;         /* text, when it failed */
    struct gexec *exec_running; /* what is stopped when the client goes; guard: the mutex */
    struct gexec *exec;       /* what run() made, one reference; NULL if it wasn't called */
    struct greg_request *requests; /* what register() asked for, in order */
    struct greg_request **requests_tail;
};

/* What RG.PYEXECUTE's words say. Bytes are borrowed. */
struct gscript_options {
    const struct command *cmd; /* that brought it */
    struct view code;
    const struct gears_language *language; /* NULL: Python */
    bool unblocking, upgrade;
    struct view id, desc, replace_with; /* ptr NULL: not given */
    struct exec_user *user;             /* who submits it */
    bool explain;                       /* show what would be done, instead of doing it */
    bool native;                        /* results have types */
    const struct arg *reqs;             /* the words behind REQUIREMENTS */
    int req_count;
    bool force;                         /* FORCE_REINSTALL_REQUIREMENTS */
    bool limited;
    struct glimits limits;              /* if so: what LIMITS sets */
};

/* Starts a script for a client that has been blocked with gscript_gone. Main. */
void gscript_start(uint64_t client_id, const struct gscript_options *options);

/* The client of a script has gone: stops it if gears-cancel-on-disconnect says so. */
void gscript_gone(void *ctx, uint64_t client_id);

/* The body of a script, or the execution that its client waits for, was stopped and doesn't end:
 * the client is told (gstuck.h). With the GIL, while it is on a thread; the second on any. */
void gscript_give_up(struct gscript *s);
void gscript_give_up_exec(const struct gexec *e);
/* As gscript_give_up, all bodies that were stopped. Any thread. */
void gscript_give_up_stopped(void);
/* Whether there is such a script, and its body was stopped. Any thread. */
bool gscript_is_stopped(const struct gscript *maybe);

/* Scripts whose bodies run or wait. */
size_t gscript_count(void);

#endif
