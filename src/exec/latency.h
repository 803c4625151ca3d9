/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where time goes: a log of what took longer than latency-monitor-threshold, by kind, and for each
 * command a histogram of how long it takes (latency-tracking).
 *
 * Thread: the holder of the data token.
 */
#ifndef EXEC_LATENCY_H
#define EXEC_LATENCY_H

#include "base/buf.h"
#include "base/view.h"
#include "exec/command.h"

/* What may take long. To add one: its name in latency.c. */
enum latency_event {
    LATENCY_COMMAND,
    LATENCY_FAST_COMMAND, /* one that is flagged fast */
    LATENCY_FORK,
    LATENCY_EXPIRE_CYCLE,
    LATENCY_EVICTION_CYCLE,
    LATENCY_GEARS, /* a program of gears ran so long; on a thread of its own, clients went on */
    LATENCY_EVENT_COUNT
};

/* latency-monitor-threshold in microseconds; UINT64_MAX: nothing is logged. */
extern uint64_t latency__threshold_us;

/* Logs an event if it took so long. */
void latency__log(enum latency_event event, uint64_t us);
static inline void latency_note(enum latency_event event, uint64_t us)
{
    if (unlikely(us >= latency__threshold_us)) latency__log(event, us);
}

/* Registers the options. `changed` is called when the threshold has changed; once, at boot. */
void latency_options_register(void);
void latency_on_change(void (*changed)(void));

/* latency-tracking: whether commands are counted in their histograms. */
extern bool latency_tracking;

/* Appends a command's percentiles as INFO shows them: p50=1.003,p99=… */
void latency_percentiles(const struct command_stats *s, struct buf *out);

/* ---- what was logged ---- */

#define LATENCY_SAMPLES 160

struct latency_sample {
    int64_t time_s; /* unix time; of one second the worst is kept */
    uint32_t ms;
};

struct latency_log {
    struct latency_sample samples[LATENCY_SAMPLES]; /* oldest first */
    size_t count;
    uint32_t max_ms; /* since the last reset */
};

/* As LATENCY names it. */
const char *latency_event_name(enum latency_event event);
/* By name, case apart; LATENCY_EVENT_COUNT if there's none of that name. */
enum latency_event latency_event_by_name(struct view name);
/* A copy, in order; false if nothing was logged. */
bool latency_log_get(enum latency_event event, struct latency_log *out);
/* Forgets an event's samples; false if there were none. */
bool latency_log_reset(enum latency_event event);
/* The threshold in milliseconds; 0: off. */
int64_t latency_threshold_ms(void);

#endif
