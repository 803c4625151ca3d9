/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens by the clock: registrations of TimeReader, and time events, the callbacks that
 * registerTE() leaves behind.
 *
 * Both are timers in one heap, and one timer of the event loop stands for the first of them. Main
 * only looks what is due; the code runs on a worker, or, in mode `sync`, through gsync. A timer
 * whose last run hasn't ended is skipped, so a slow one doesn't pile up.
 *
 * Periods are measured with the monotonic clock, so setting the clock doesn't concern them. Cron
 * expressions follow the wall clock, which is looked at every few seconds: set forward, a run that
 * was stepped over is made up for, once; set back by some hours, none is repeated.
 *
 * A time event may have a key. The key is a string that tells whose it is; when it goes or is
 * overwritten, the event ends at its next turn. So the event's identity is part of the data and
 * travels with it, and FLUSHALL, expiry or a rename need no extra care.
 *
 * The heap is guarded by the data token.
 */
#ifndef GEARS_GTIME_H
#define GEARS_GTIME_H

#include "gears/gcron.h"
#include "gears/gplan.h"

/* Ten years. */
#define GTIME_MS_MAX INT64_C(315360000000)

/* When a TimeReader's registration runs. */
struct gtime_spec {
    int64_t every_ms; /* 0: by cron */
    struct gcron cron;
    char text[];      /* of the cron expression */
};

struct greg;

/* A registration of TimeReader begins, or has been removed. Under the token. */
void gtime_add(struct greg *g);
void gtime_remove(struct greg *g);

/* When it runs next, ms since 1970, and how often it was skipped, as its last run hadn't ended.
 * Under the token. */
void gtime_state(const struct greg *g, int64_t *next_ms_out, uint64_t *skipped_out);

#define GTIME_MARK_MAX 128
/* The value of a new time event's key: a text of at most GTIME_MARK_MAX bytes with its NUL, which
 * no other event has. Any thread. */
void gtime_make_mark(char out[GTIME_MARK_MAX], int64_t every_ms);

/* The key holds the mark of an event that doesn't run (any more): it may be overwritten. Under the
 * token. */
bool gtime_is_stale(struct view key);

/* Begins a time event: runs the plan every `every_ms`. key.ptr NULL: it has no key, else mark is
 * what the key holds. Under the token. STATUS_LIMIT: there are too many; the plan stays the
 * caller's. */
enum status gtime_begin(struct gplan *take_plan, int64_t every_ms, struct view key,
                        const char *mark) MUST_CHECK;

/* Ends the time events of a session; those with a key, which goes too, only if named_too. Under the
 * token. */
void gtime_end(const struct gsession *session, bool named_too);

/* Time events that run. Any thread. */
size_t gtime_event_count(void);

#endif
