/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gstream.c (which streams have something to do, and when) and gstream_run.c (doing it) share.
 * All of it is guarded by the data token, but for what a batch in flight keeps: that is the
 * worker's who runs it.
 */
#ifndef GEARS_GSTREAM_IMPL_H
#define GEARS_GSTREAM_IMPL_H

#include "base/list.h"
#include "ds/table.h"
#include "gears/greg_impl.h"
#include "gears/gstream.h"
#include "gears/gstream_data.h"

enum gstream_status { GSTREAM_OK, GSTREAM_WAITING, GSTREAM_ABORTED, GSTREAM_PAUSED };

/* A stream that has something for a registration. */
struct gstream_state {
    struct list_node all;   /* of the registration's */
    struct list_node ready; /* linked: a batch of it is to be run */
    struct list_node timed; /* linked: it is ready at due_ms whatever there is */
    int64_t due_ms;         /* monotonic */
    bool is_due;
    int64_t lacking; /* entries until there may be a batch */
    size_t key_len;
    char key[];
};

struct gstream {
    struct list_node live; /* of those that are on, or were removed with a batch in flight */
    struct greg *g;
    const struct gstream_args *args; /* the request's */
    struct view group;               /* owned */
    uint64_t serial;                 /* order in the list */
    enum gstream_status status;
    bool started;   /* its onRegistered has returned */
    bool removed;
    bool scheduled; /* the job waits or runs, and has a reference of g */
    struct gjob job;

    bool finding; /* streams that are there already */
    uint64_t cursor;

    struct table states;
    struct list_node all, ready, timed; /* of states; timed: soonest first */
    struct list_node *cron_at;          /* the state that the cron looks at next, in `all` */
    struct gstream_state *current;      /* of the batch in flight; NULL if it is gone */
    bool in_flight;
    bool stuck;   /* that batch's execution was stopped, and doesn't end */
    bool of_turn; /* it is the job's, which goes on when it has ended */
    struct gstream_flight flight;
    uint8_t *failed; /* which entries of the batch failed */
    size_t failed_cap;
    size_t given; /* entries of the batch that were begun */

    int64_t retry_at_ms;   /* monotonic, while WAITING */
    int64_t failed_in_row; /* batches */
    int64_t last_lag_ms;
    double lag_sum_ms;
    uint64_t lag_count;
};

/* Whose batch this is: a unit that its writes join, and whether the token may be given to others in
 * between. */
struct gstream_hold {
    struct kv_unit *unit;
    struct kv_unit own;
    bool yields;
};

/* Looks what the state's stream has: makes it ready, waits for more, or drops it. */
void gstream__look(struct gstream *s, struct gstream_state *st, struct kv_unit *u);

/* Removes from the stream under the flight's key what all registrations have done. */
void gstream__trim(struct gstream *s, const struct gstream_hold *h, const struct gstream_place *p);

/* What is ready, but hasn't begun, is dropped; the streams are remembered. */
void gstream__drop_ready(struct gstream *s);

/* Whether the registration may begin a batch now. */
bool gstream__may_run(const struct gstream *s);

/* Has a worker run what is ready, if anything. */
void gstream__schedule(struct gstream *s);

/* Has the alarm ring at this time, monotonic, at the latest. */
void gstream__alarm(int64_t due_ms);

/* A slice of the search for streams that are there already. */
void gstream__find(struct gstream *s, struct kv_unit *u);

/* The batch in flight of a registration that was removed has ended. */
void gstream__end(struct gstream *s);

/* Runs a batch of a ready state within the command that an event tells of, in its unit. */
void gstream__run_now(struct gstream *s, struct gstream_state *st, const struct exec_event *e);

/* The registration's job. */
void gstream__turn(struct gjob *job, const char *failure);

#endif
