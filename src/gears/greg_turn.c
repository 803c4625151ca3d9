/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's turn with a registration: the events that wait for it, or the calls of a trigger that
 * keeps their order; see greg_impl.h.
 */
#include "base/clock.h"
#include "gears/gbacklog.h"
#include "gears/gconf.h"
#include "gears/gorigin.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"
#include "gears/gsync.h"

/* What one turn runs before other registrations get the worker. */
#define EVENTS_PER_TURN 1024
#define TURN_US 2000
#define CALLS_PER_TURN 64

/* What stays the same for all events of a turn. */
struct turn {
    struct gexec_limits limits;
    size_t max_executions, max_kept;
    int64_t end_us; /* no event begins after it */
    int64_t now_us; /* when the last one ended */
};

/* Of an execution that was paused. The job, which the worker has left alone since then, goes on
 * with the next event. */
static void key_event_ended(struct gexec *e, void *ctx)
{
    struct greg *g = ctx;
    greg__event_counted(g, e, gconf_max_per_registration());
    grun_submit(&g->job);
}

/* The registration is paused: what waited isn't run. */
static void pass_over(struct greg *g, struct gexec *take_e)
{
    greg__aborted(g, 1);
    if (!take_e) return;
    grun_abort(take_e);
    grun_exec_unref(take_e);
}

/* False: it is paused, and the job is no longer ours. */
static bool run_key_event(struct greg *g, struct gevent *ev, struct turn *t)
{
    struct gread_batch values;
    struct gexec *e = ev->exec;
    if (likely(!e)) {
        e = greg__next_exec(g, ev->number, &t->limits);
        grun_list_begun(e, t->max_executions);
    } else if (!grun_begin(e)) { /* aborted before */
        greg__event_counted(g, e, t->max_kept);
        grun_exec_unref(e);
        return true;
    }
    gevent_batch(ev, &values);
    gorigin_extend(&e->origin, gevent_origins(ev), ev->origin_count, g->plan->number);
    struct gpy_input input = {.event = view_cstr(ev->name),
                              .key = gevent_key(ev),
                              .value = &values,
                              .has_value = g->plan->read_value,
                              .has_old = g->plan->old_value,
                              .origin = &e->origin};
    e->then = key_event_ended;
    e->then_ctx = g;
    bool ended = grun_run(e, &input, NULL, ev->depth, &t->now_us);
    if (likely(ended)) greg__event_counted(g, e, t->max_kept);
    grun_exec_unref(e);
    return ended;
}

enum turn_end { TURN_MORE, TURN_DONE, TURN_PAUSED };

static enum turn_end run_key_events(struct greg *g)
{
    struct turn t = {.max_executions = gconf_max_executions(),
                     .max_kept = gconf_max_per_registration(),
                     .now_us = clock_mono_us()};
    t.end_us = t.now_us + TURN_US;
    grun_limits_of(g->plan, &t.limits);
    for (int i = 0; i < EVENTS_PER_TURN && t.now_us < t.end_us; i++) {
        struct gevent *ev = gevent_next(&g->queue, &g->mutex);
        if (!ev) return TURN_DONE;
        gbacklog_check(g);
        if (gpause__is_paused(g)) {
            pass_over(g, ev->exec);
            continue;
        }
        if (unlikely(!run_key_event(g, ev, &t))) return TURN_PAUSED;
    }
    return TURN_MORE;
}

static struct greg_event *take_call(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    struct greg_event *ev = g->first;
    if (ev) g->first = ev->next;
    if (!g->first) g->last = NULL;
    pthread_mutex_unlock(&g->mutex);
    return ev;
}

static void event_ended(struct gexec *e, void *ctx)
{
    struct greg_event *ev = ctx;
    struct greg *g = ev->g;
    bool in_turn = ev->in_turn;
    greg__note_end(g, e);
    greg__free_event(ev);
    if (in_turn) grun_submit(&g->job); /* with its reference: those behind it can go on */
    else greg__unref(g);
}

/* False: it is paused, and ev->g is its. */
static bool execute_event(struct greg *g, struct greg_event *ev, struct kv_unit *unit)
{
    struct gpy_input input = {
        .words = ev->words, .word_count = ev->word_count, .time_ms = ev->time_ms};
    ev->g = g;
    ev->exec->then = event_ended;
    ev->exec->then_ctx = ev;
    return grun_execute(ev->exec, &input, unit, ev->depth);
}

static void note_event(struct greg *g, struct greg_event *take_ev)
{
    greg__note_end(g, take_ev->exec);
    greg__free_event(take_ev);
}

static bool run_event(struct greg *g, struct greg_event *ev)
{
    if (!execute_event(g, ev, NULL)) return false;
    note_event(g, ev);
    return true;
}

void greg__run_event(struct greg *take_g, struct greg_event *take_ev)
{
    if (run_event(take_g, take_ev)) greg__unref(take_g);
}

bool greg__run_within(struct greg *take_g, struct greg_event *take_ev, struct kv_unit *unit,
                      bool *lost_out)
{
    bool ended = execute_event(take_g, take_ev, unit);
    *lost_out = !gsync_back();
    if (!ended) return false;
    if (unlikely(*lost_out)) {
        event_ended(take_ev->exec, take_ev);
        return false;
    }
    note_event(take_g, take_ev);
    greg__unref(take_g);
    return true;
}

void greg__too_late(struct greg *take_g, struct greg_event *take_ev)
{
    grun_abort(take_ev->exec);
    greg__note_failure(take_g, VIEW_LIT(GREG_LATE));
    greg__free_event(take_ev);
    greg__unref(take_g);
}

/* As run_key_events, for calls of a trigger. */
static enum turn_end run_calls(struct greg *g)
{
    for (int i = 0; i < CALLS_PER_TURN; i++) {
        struct greg_event *ev = take_call(g);
        if (!ev) return TURN_DONE;
        if (gpause__is_paused(g)) {
            pass_over(g, grun_exec_ref(ev->exec));
            greg__free_event(ev);
            continue;
        }
        ev->in_turn = true;
        if (!run_event(g, ev)) return TURN_PAUSED;
    }
    return TURN_MORE;
}

static bool has_work(struct greg *g)
{
    if (g->plan->reader == GREADER_KEYS) return gevent_waiting(&g->queue) > 0;
    pthread_mutex_lock(&g->mutex);
    bool has = g->first != NULL;
    pthread_mutex_unlock(&g->mutex);
    return has;
}

/* Ends behind the other jobs, if something is left. Else it says that nobody is here any more, and
 * looks again: who has queued something before that has relied on this worker. */
void greg__run_turn(struct gjob *job, const char *failure)
{
    struct greg *g = CONTAINER_OF(job, struct greg, job);
    ASSERT(!failure); /* without Python nothing is ever registered */
    bool took = gpy_hold(); /* once for all of them */
    enum turn_end end = g->plan->reader == GREADER_KEYS ? run_key_events(g) : run_calls(g);
    gpy_release(took);
    if (end == TURN_PAUSED) return; /* it is another's turn when that has ended */
    bool more = end == TURN_MORE;
    if (!more) {
        atomic_store(&g->scheduled, false);
        gbacklog_check(g);
        more = has_work(g) && !atomic_exchange(&g->scheduled, true);
    }
    if (more) grun_submit(&g->job);
    else greg__unref(g);
}
