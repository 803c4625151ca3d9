/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations of StreamReader: plans that are run over the entries of streams, batch by batch,
 * each entry once for each registration.
 *
 * A registration reads each stream through a consumer group of its own (gstream_data.h), whose name
 * comes from the session's id, the prefix, and a number that tells registrations of one prefix
 * apart: so a session that is upgraded goes on where it was. What remains to be done is in the
 * stream itself; in memory there is only a list of the streams that have something.
 *
 *   (no state) --an entry--> WAITING for more entries, or for `duration` --> READY
 *   READY --a worker's turn--> in flight --done, acknowledged--> (no state), WAITING or READY
 *
 * Of one registration one batch is in flight at a time. In mode `sync` it is that of the command
 * that added the entry, and all of it is one unit; a worker does what waits already.
 *
 *   OK --fails, `retry`--> WAITING_FOR_RETRY_ON_FAILURE --interval--> OK
 *   OK --fails, `abort`--> ABORTED        any --RG.PAUSEREGISTRATIONS, PAUSE, too many--> PAUSED
 *   any --RG.UNPAUSEREGISTRATIONS--> OK
 *
 * All under the data token, but for what says otherwise.
 */
#ifndef GEARS_GSTREAM_H
#define GEARS_GSTREAM_H

#include "base/buf.h"

enum gstream_policy { GSTREAM_CONTINUE, GSTREAM_ABORT, GSTREAM_RETRY };

/* What register() was told beside the prefix. Immutable. */
struct gstream_args {
    int64_t batch;       /* at least 1 */
    int64_t duration_ms; /* 0: none */
    enum gstream_policy policy;
    int64_t retry_s;
    bool trim;
    int64_t max_deliveries; /* 0: any number */
    char *dead_letter;      /* a stream's name or NULL; owned */
    size_t dead_letter_len;
};

/* With the defaults. */
struct gstream_args *gstream_args_new(void);
void gstream_args_free(struct gstream_args *take_a);

/* "continue", "abort", "retry". */
const char *gstream_policy_name(enum gstream_policy policy);

struct greg;
struct gstream;
struct gexec;
struct exec_ctx;

/* The registration, of StreamReader, was put on the list, or taken off it: what was ready and
 * hasn't begun is dropped then. */
void gstream_add(struct greg *g);
void gstream_remove(struct greg *g);

/* After some were added and removed, in one go: ends the groups that none goes on with. */
void gstream_settle(void);

/* Lets the registration of this number begin, if it is one of StreamReader's. A worker, without the
 * GIL and the token. */
void gstream_start(uint64_t number);

/* Frees what gstream_add made. Any thread. */
void gstream_free(struct gstream *s);

/* This execution was stopped, and doesn't end. True: it is that of a batch in flight. Of a
 * registration that is removed, then or later, that batch is as good as over: one that goes on with
 * its group doesn't wait for it, and is delivered it again. */
bool gstream_note_stuck(struct gexec *e);

/* RG.PAUSEREGISTRATIONS, RG.UNPAUSEREGISTRATIONS. */
void gstream_pause(struct gstream *s);
void gstream_unpause(struct gstream *s);

/* The numbers that only StreamReader's registrations have. */
struct gstream_report {
    int64_t last_lag_ms;
    double mean_lag_ms;
    const char *status;
};

/* A copy of them; and those that count, back to zero. */
struct gstream_report gstream_report(const struct gstream *s);
void gstream_clear_stats(struct gstream *s);

/* Looks after streams that changed in ways that are no event. Main, some times a second. */
void gstream_cron(void);

/* Subscribes to events, of which there are none at first. Main, at boot. */
void gstream_setup(void);

#endif
