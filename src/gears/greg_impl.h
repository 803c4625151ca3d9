/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A registration as the files of this folder see it that deliver something to one: keyspace events
 * (greg.c), words of RG.TRIGGER (gtrigger.c). Guards stand beside the fields.
 */
#ifndef GEARS_GREG_IMPL_H
#define GEARS_GREG_IMPL_H

#include <pthread.h>

#include "gears/gread.h"
#include "gears/greg.h"
#include "gears/grun.h"

/* Something to be run by a worker: owns copies. */
struct greg_event {
    struct greg_event *next;
    struct gexec *exec;
    const char *name; /* of a keyspace event: static text */
    char *key;        /* its key; or the bytes of all words of a trigger */
    size_t key_len;
    struct gread_batch value;
    struct arg *words; /* of a trigger; NULL: an event */
    int word_count;
    unsigned depth;
};

struct greg {
    struct greg *next; /* guard: the token */
    struct gplan *plan;
    struct greg_request *request; /* its plan is the one above */
    atomic_uint refs;             /* the list, and the job while events wait */
    struct gjob job;
    bool removed; /* guard: the token */

    pthread_mutex_t mutex; /* guards all below */
    struct greg_event *first, *last;
    bool scheduled;
    uint64_t triggered, succeeded, failed, aborted;
    int64_t last_us, total_us;
    char *last_error; /* NULL: none */
    size_t last_error_len;
    struct gexec **kept; /* a ring of ended executions, oldest at kept_first */
    size_t kept_first, kept_count, kept_cap;
};

/* The list, oldest first. Under the token. */
struct greg *greg__first(void);

/* Another reference of a registration, and one given back. Any thread. */
void greg__ref(struct greg *g);
void greg__unref(struct greg *g);

/* Counts that something set it off. Any thread. */
void greg__triggered(struct greg *g);

/* Has a worker run the event, behind those of this registration that wait. Any thread. */
void greg__queue(struct greg *g, struct greg_event *take_ev);

/* Runs it here: a worker, attached. What became of it is noted; the event is freed. */
void greg__run_event(struct greg *g, struct greg_event *take_ev);

/* An execution has ended: counts, times, its error. `limit`: how many ended executions are kept for
 * people to look at. Any thread. */
void greg__note_end(struct greg *g, struct gexec *e, size_t limit);

/* It failed before there was an execution. Any thread. */
void greg__note_failure(struct greg *g, struct view text);

/* The text of the first error of an ended execution; empty if there's none. */
struct view greg__first_error(const struct gexec *e);

#endif
