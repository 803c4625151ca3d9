/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A registration as the files of this folder see it that deliver something to one: keyspace events
 * (greg_events.c), words of RG.TRIGGER (gtrigger.c). Guards stand beside the fields.
 */
#ifndef GEARS_GREG_IMPL_H
#define GEARS_GREG_IMPL_H

#include <pthread.h>

#include "gears/gevent.h"
#include "gears/gread.h"
#include "gears/greg.h"
#include "gears/grun.h"

/* A trigger's words, to be run by a worker: owns copies. Events of keys are in gevent.h. */
struct greg_event {
    struct greg_event *next;
    struct gexec *exec;
    char *bytes; /* of all words */
    struct arg *words;
    int word_count;
    int64_t time_ms; /* of a TimeReader: the moment that it is about; else 0 */
    unsigned depth;
    struct greg *g; /* whose it is, and a reference while it is run */
    bool in_turn;   /* the next of this registration waits for its end */
    void (*release)(struct greg_event *take_ev); /* frees it; NULL: as what is above says */
};

struct gtimer;

struct greg {
    struct greg *next; /* guard: the token */
    struct gplan *plan;
    struct greg_request *request; /* its plan is the one above */
    atomic_uint refs;             /* the list, and the job while events wait */
    struct gjob job;
    bool removed;                 /* guard: the token */
    struct gspares *spares;       /* gcalls.c; guard: the token */
    struct gtimer *timer;         /* of a TimeReader, while it is listed; guard: the token */
    struct greg *hook_next;       /* an older hook of the same command; guard: the token */
    uint64_t hook_number;         /* grows with each hook */
    struct gstream *stream;       /* of StreamReader's; else NULL */
    _Atomic uint64_t triggered; /* written under the token */
    struct gevent_queue queue;  /* KeysReader */
    struct gexec *spare;        /* an ended execution to be used again; who runs events */
    atomic_bool scheduled;      /* the job is queued or runs */
    atomic_bool paused;         /* gpause.h */
    struct greg *prev_live, *next_live; /* guard: gbacklog's mutex */

    /* gbacklog.h */
    uint64_t *held; /* ids of clients; guard of all three: main, under the token */
    size_t held_count, held_cap;
    atomic_bool holds, release_posted;

    pthread_mutex_t mutex; /* guards all below */
    struct greg_event *first, *last; /* of a CommandReader with inorder */
    uint64_t succeeded, failed, aborted;
    int64_t failed_in_row; /* executions */
    int64_t last_us, total_us;
    char *last_error; /* NULL: none */
    size_t last_error_len;
    uint64_t error_until; /* it stays until so many have ended: who was under way is no later one */
    struct gexec **kept; /* a ring of ended executions, oldest at kept_first */
    size_t kept_first, kept_count, kept_cap;
};

/* The list, oldest first. Under the token. */
struct greg *greg__first(void);
/* It has changed: listens to what those on it want to hear of. Under the token. */
void greg__update_mask(void);

/* Another reference of a registration, and one given back. Any thread. */
void greg__ref(struct greg *g);
void greg__unref(struct greg *g);

/* Counts that something set it off, under the token; that so many of these came to nothing. */
void greg__triggered(struct greg *g);
void greg__aborted(struct greg *g, uint64_t count);

/* Notes how an execution ended, and keeps some of them for people to look at. Any thread. */
void greg__note_end(struct greg *g, struct gexec *e);

/* An execution for an event that is to run now, one that has ended if it can be used again; and its
 * end, noted as by greg__note_end. `limits` and `max_kept` as they were when the turn began. Who
 * runs the registration's events: one at a time. */
struct gexec *greg__next_exec(struct greg *g, uint64_t number, const struct gexec_limits *limits);
void greg__event_counted(struct greg *g, struct gexec *e, size_t max_kept);

/* Counts a failure without an execution; sets what dumps call lastError. Any thread. */
void greg__note_failure(struct greg *g, struct view text);
void greg__set_error(struct greg *g, struct view text);

/* Whether the key has the request's prefix. */
bool greg__prefix_matches(const struct greg_request *r, struct view key);

/* Why what a command set off has gone too far for another run of the registration, or took too long
 * for one that it would wait for; empty if it hasn't. Under the token. */
struct view greg__chain_is_over(const struct greg *g, const struct exec_event *e);

/* Something that set it off waits or runs. Any thread. */
bool greg__in_flight(struct greg *g);

/* Its job: some of what waits is run. A worker. */
void greg__run_turn(struct gjob *job, const char *failure);

/* Frees an event, as it says itself. Any thread. */
void greg__free_event(struct greg_event *take_ev);

/* Has a worker run the event, behind those of this registration that wait. Any thread. */
void greg__queue(struct greg *g, struct greg_event *take_ev);

/* Runs it here: a worker, attached. What became of it is noted, the event is freed, and so is a
 * reference of the registration: at once, or, if the execution has been paused, at its end. */
void greg__run_event(struct greg *take_g, struct greg_event *take_ev);

/* As greg__run_event within a unit, under the token, as part of a job of gsync_run; false: it has
 * been paused, or, *lost_out, the job was lost. */
bool greg__run_within(struct greg *take_g, struct greg_event *take_ev, struct kv_unit *unit,
                      bool *lost_out);

/* It isn't run, since Python didn't begin in time: so it is noted, and freed as after a run. */
void greg__too_late(struct greg *take_g, struct greg_event *take_ev);

/* What a command says, and its registration notes, when the callback didn't begin in time. */
#define GREG_LATE "Python was busy for longer than gears-sync-wait"

/* Runs the plan within a command, whose unit it joins: the execution, a reference, which has ended,
 * or is paused (never with input->must_end); or NULL with GREG_LATE noted. Under the token. */
struct gexec *greg__run_sync(struct greg *g, const struct gpy_input *input, struct kv_unit *unit,
                             unsigned depth);

/* The text of the first error of an ended execution; empty if there's none. */
struct view greg__first_error(const struct gexec *e);

#endif
