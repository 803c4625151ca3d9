/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations: plans bound to keyspace events.
 *
 * An event finds its registrations by prefix, event name and key type. What a record needs (name,
 * key, and the value as it is at that moment) is copied at once, under the data token; then the
 * plan runs: in mode `sync` within the command, whose unit its writes join, through gsync; in the
 * other modes on a worker, where the events of one registration wait in one queue and run one
 * after the other, many in a turn.
 *
 * A chain of registrations that set each other off is bounded: an event that is deeper than
 * GREG_DEPTH_MAX is a failure of its registration, and not run.
 *
 * The list of registrations is guarded by the data token; a registration's counters and queue by
 * its own mutex.
 */
#ifndef GEARS_GREG_H
#define GEARS_GREG_H

#include "base/arg.h"
#include "base/buf.h"
#include "gears/ghook.h"
#include "gears/gplan.h"
#include "gears/gstream.h"
#include "gears/gtime.h"

#define GREG_DEPTH_MAX 32

/* An event is compared with each registration, so there can't be any number of them. */
#define GREG_COUNT_MAX 10000

/* Bits of key types: 1 << enum value_type, and one for a key that is gone. */
#define GREG_TYPE_EMPTY (1u << 31)

/* What register() asked for. Owned by the script until it is registered. */
struct greg_request {
    struct greg_request *next;
    struct gplan *plan; /* its number is the registration's */
    char *prefix;
    size_t prefix_len;
    char **event_types; /* lower case; NULL: all */
    size_t event_type_count;
    uint32_t key_types;  /* GREG_TYPE bits; 0: all */
    char *trigger;       /* CommandReader: the name for RG.TRIGGER; else NULL */
    size_t trigger_len;
    bool in_order;       /* CommandReader: one execution after the other */
    struct gstream_args *stream; /* StreamReader; else NULL */
    struct gtime_spec *time; /* TimeReader: when; else NULL */
    struct ghook_request hook;
    bool recursive;      /* KeysReader: told also of what its own callbacks do */
    int64_t max_failures; /* in a row, before it is paused; 0: any; -1: by gears-max-failures */
    void *on_registered; /* a Python function or NULL */
};

/* The bit of a key type's name, 0 if there is none of that name. */
uint32_t greg_key_type_of(const char *name);

/* Frees a request with all it owns, its reference of the plan too. */
void greg_request_free(struct greg_request *r);

struct gscript;
struct exec_ctx;

/* Registers all requests of a script, or none, and removes those of the sessions that it
 * replaces; takes the requests. On failure error_out has the text of the one shard's error. A
 * worker, without the GIL and the token. */
enum status greg_apply(struct gscript *script, struct buf *error_out) MUST_CHECK;

/* Registers one request at once: register() called by a step. As greg_apply; why_out is the reason
 * of a failure, a static text. */
enum status greg_apply_one(struct greg_request *take_request, const char **why_out) MUST_CHECK;

/* Why the requests can't be registered beside what is there, less what the two sessions have (NULL:
 * none), which are about to go; NULL: nothing is in their way. Under the token. */
const char *greg_refuses(const struct greg_request *list, const char *going,
                         const char *going_too);

/* A session of this id has registrations. Under the token. */
bool greg_session_exists(struct view id);

/* Pauses registrations, or has them go on; all of them or, with an error replied, none. */
enum status greg_pause_all(struct exec_ctx *ctx, const struct arg *ids, int id_count,
                           bool pause) MUST_CHECK;

/* Removes a registration; what it has queued still runs unless drop_pending.
 * STATUS_NOT_FOUND. Under the token. */
enum status greg_remove(struct view id, bool drop_pending) MUST_CHECK;

/* Replies RG.DUMPREGISTRATIONS. Under the token. */
void greg_reply_all(struct exec_ctx *ctx);

/* What RG.PYDUMPSESSIONS asks for. */
struct greg_sessions {
    bool dead;             /* those that have no registrations any more but are referred to */
    bool verbose;          /* registrations with their data, else their ids */
    const struct arg *ids; /* of these sessions; NULL: of all */
    int id_count;
};

/* Replies it. Under the token. */
void greg_reply_sessions(struct exec_ctx *ctx, const struct greg_sessions *what);

/* Counters and times back to zero. Under the token. */
void greg_clear_stats(void);

/* How many there are. Any thread. */
size_t greg_count(void);

/* Since the server began. */
struct greg_event_stats {
    uint64_t own;        /* events that a registration wasn't told of, as its own doing */
    uint64_t too_deep;   /* that were too many links away from their beginning */
    unsigned depth_peak; /* how many links the longest chain had */
};
/* A copy. Any thread. */
struct greg_event_stats greg_event_stats(void);

/* Subscribes to keyspace events. Main, at boot. */
void greg_setup(void);
/* Frees what is kept from one event to the next. */
void greg_teardown(void);

#endif
