/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running batches of streams. A worker's turn takes the token once between two batches: to
 * acknowledge the one and to deliver the next. It keeps the GIL throughout, and only tries for the
 * token, unless somebody else has it.
 *
 * In mode `sync` delivering, running and acknowledging is one unit under one hold of the token: of
 * the command that added the entry, or of a worker's for what was there before.
 */
#include "base/clock.h"
#include "base/log.h"
#include "exec/token.h"
#include "gears/gpause.h"
#include "gears/gstream_impl.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"

/* Then other jobs get the worker. */
#define TURN_US 5000
/* A batch that took more isn't kept for the next one to use its room. */
#define KEEP_BYTES ((size_t)1 << 20)

/* ---- the token and the unit ---- */

static void hold_begin(struct gstream_hold *h)
{
    if (gpy_token_take(NULL)) ASSERT(!"nobody stops a job");
    exec_unit_begin(&h->own);
    h->unit = &h->own;
}

static void hold_end(struct gstream_hold *h)
{
    exec_unit_end(&h->own, 0);
    token_give();
    gpy_takes_back();
}

/* Between two slices of a large batch. */
static void hold_pause(struct gstream_hold *h)
{
    if (!h->yields) return;
    hold_end(h);
    hold_begin(h);
}

/* ---- delivering ---- */

static bool user_is_gone(const struct gstream *s)
{
    struct exec_user *user = s->g->plan->session ? s->g->plan->session->user : NULL;
    return user && !exec_user_now(user);
}

/* Nothing is delivered for somebody who doesn't exist. */
static void stop_for_nobody(struct gstream *s)
{
    greg__set_error(s->g, VIEW_LIT("the user for whom this runs doesn't exist any more"));
    s->status = GSTREAM_ABORTED;
    gstream__drop_ready(s);
}

static void make_room_for_failed(struct gstream *s)
{
    size_t count = s->flight.count;
    if (s->failed_cap < count) {
        s->failed_cap = s->flight.cap;
        s->failed = mem_realloc(s->failed, s->failed_cap);
    }
    memset(s->failed, 0, count);
    s->given = 0;
}

/* Delivers a batch of the state. With a limit of deliveries, what comes again comes alone, so that
 * the one that fails is found. */
static bool deliver(struct gstream *s, struct gstream_state *st, struct gstream_hold *h)
{
    struct gstream_flight *f = &s->flight;
    uint64_t batch = (uint64_t)s->args->batch;
    list_unlink(&st->ready);
    gstream_begin(f, view_of(st->key, st->key_len));
    s->current = st;
    s->in_flight = true;
    while (gstream_deliver(h->unit, f, s->group, batch, s->args->max_deliveries ? 1 : batch))
        hold_pause(h);
    if (f->count) {
        make_room_for_failed(s);
        return true;
    }
    s->in_flight = false;
    greg__aborted(s->g, 1);
    st = s->current;
    s->current = NULL;
    if (st && !s->removed) gstream__look(s, st, h->unit);
    return false;
}

static bool begin_batch(struct gstream *s, struct gstream_hold *h)
{
    while (gstream__may_run(s) && list_is_linked(&s->ready)) {
        if (user_is_gone(s)) {
            stop_for_nobody(s);
            return false;
        }
        if (deliver(s, CONTAINER_OF(s->ready.next, struct gstream_state, ready), h)) return true;
        if (s->removed) gstream__end(s);
    }
    return false;
}

/* ---- what became of a batch ---- */

static void note_lag(struct gstream *s, int64_t now_ms)
{
    double lag = (double)now_ms - (double)s->flight.ids[s->flight.at].ms;
    s->last_lag_ms = lag > (double)INT64_MIN ? (int64_t)lag : INT64_MIN;
    s->lag_sum_ms += lag;
    s->lag_count++;
}

/* Ends the deliveries of the batch's first `count`, and trims, in units of a slice each. */
static void acknowledge(struct gstream *s, struct gstream_hold *h, size_t count)
{
    struct gstream_flight *f = &s->flight;
    for (size_t at = 0; at < count; at += GSTREAM_SLICE) {
        if (at) hold_pause(h);
        struct gstream_place p = gstream_place_of(h->unit, f, s->group, at);
        if (!p.stream) return; /* it is gone, and what was delivered with it */
        gstream_ack(h->unit, f, &p, at, MIN(count - at, (size_t)GSTREAM_SLICE));
        gstream__trim(s, h, &p);
    }
}

/* Puts those that failed (all, if it isn't known which) into the stream for them. */
static enum status bury(struct gstream *s, struct gstream_hold *h, struct view why,
                        struct buf *error)
{
    const struct gstream_args *a = s->args;
    struct gstream_flight *f = &s->flight;
    struct exec_user *user = s->g->plan->session ? s->g->plan->session->user : NULL;
    bool known = memchr(s->failed, 1, f->count) != NULL;
    enum status st = STATUS_OK;
    if (!gstream_place_of(h->unit, f, s->group, 0).stream) return STATUS_OK;
    for (size_t i = 0; !st && i < f->count; i++) {
        if (known && !s->failed[i]) continue;
        st = gstream_bury(h->unit, f, i, view_of(a->dead_letter, a->dead_letter_len), why, user,
                          error);
    }
    return st;
}

/* Whether the batch, which failed, is over and done with. */
static bool is_given_up(struct gstream *s, struct gstream_hold *h, struct view why)
{
    const struct gstream_args *a = s->args;
    const struct gstream_flight *f = &s->flight;
    bool too_often = a->max_deliveries && f->count == 1 &&
                     f->deliveries >= (uint64_t)a->max_deliveries;
    if (a->policy != GSTREAM_CONTINUE && !too_often) return false;
    if (too_often) {
        log_warning("Gears: an entry of %.*s is given up after %llu deliveries",
                    (int)MIN(f->key.len, 256u), f->key.ptr, (unsigned long long)f->deliveries);
    }
    if (!a->dead_letter) return true;
    struct buf error = {0};
    enum status st = bury(s, h, why, &error);
    if (st) greg__set_error(s->g, buf_view(&error));
    buf_release(&error);
    return st == STATUS_OK;
}

static void stop_with(struct gstream *s, enum gstream_status status)
{
    s->status = status;
    if (status == GSTREAM_WAITING) {
        s->retry_at_ms = clock_mono_ms() + s->args->retry_s * 1000;
        gstream__alarm(s->retry_at_ms);
    }
    gstream__drop_ready(s);
}

/* A stream for what fails that takes nothing must not lose it: with `continue` the batch then
 * waits for somebody to look. */
static void failed(struct gstream *s, struct gstream_hold *h, const struct gexec *e)
{
    struct view why = greg__first_error(e);
    /* What was stopped hasn't begun the rest, which is still to be run. */
    bool stopped = atomic_load(&e->stop.wanted) && s->args->policy == GSTREAM_CONTINUE;
    s->failed_in_row++;
    bool pause = why.len >= 5 && memcmp(why.ptr, "PAUSE", 5) == 0;
    bool over = !pause && is_given_up(s, h, why);
    if (over) acknowledge(s, h, stopped ? s->given : s->flight.count);
    if (s->removed || s->status != GSTREAM_OK) return;
    int64_t most = gpause__limit(s->g);
    if (pause || (most && s->failed_in_row >= most))
        stop_with(s, GSTREAM_PAUSED);
    else if (!over)
        stop_with(s, s->args->policy == GSTREAM_RETRY ? GSTREAM_WAITING : GSTREAM_ABORTED);
}

/* What the plan left behind, under the token again: who sees that it has ended finds the stream as
 * it is behind it, unless that takes several slices. */
static void end_batch(struct gstream *s, struct gexec *e, struct gstream_hold *h)
{
    greg__note_end(s->g, e);
    note_lag(s, h->unit->now_ms);
    if (s->stuck && s->removed) return; /* a successor has what it had */
    if (e->errors.count) {
        failed(s, h, e);
    } else if (grun_status(e) == GEXEC_DONE) {
        s->failed_in_row = 0;
        acknowledge(s, h, s->flight.count);
    } /* else it was aborted before it began: it is still to be run */
}

static void land(struct gstream *s, struct gstream_hold *h)
{
    struct gstream_state *st = s->current;
    if (s->flight.raw.bytes.cap > KEEP_BYTES) gstream_flight_release(&s->flight);
    s->in_flight = s->stuck = false;
    s->current = NULL;
    if (s->removed)
        gstream__end(s);
    else if (st)
        gstream__look(s, st, h->unit);
}

/* ---- executions ---- */

/* On the worker that brought a paused execution to its end. */
static void paused_ended(struct gexec *e, void *ctx)
{
    struct gstream *s = ctx;
    struct greg *g = s->g;
    struct gstream_hold h = {.yields = true};
    hold_begin(&h);
    end_batch(s, e, &h);
    if (s->of_turn) s->scheduled = false;
    land(s, &h);
    gstream__schedule(s);
    hold_end(&h);
    greg__unref(g);
}

static struct gexec *exec_new(struct gstream *s)
{
    struct gexec *e = grun_exec_new(s->g->plan, true);
    e->then = paused_ended;
    e->then_ctx = s;
    grun_list(e);
    return e;
}

static struct gpy_input input_of(struct gstream *s)
{
    return (struct gpy_input){.entries = &s->flight.raw,
                              .first_entry = s->flight.at,
                              .entry_count = s->flight.count,
                              .failed_entries = s->failed,
                              .given_entries = &s->given,
                              .all_entries = s->args->policy == GSTREAM_CONTINUE};
}

/* False: it is paused, and what is the turn's goes on with it. */
static bool run_loose(struct gstream *s, struct gstream_hold *h)
{
    struct gpy_input input = input_of(s);
    s->of_turn = true;
    hold_end(h);
    struct gexec *e = exec_new(s);
    gorigin_extend(&e->origin, NULL, 0, s->g->plan->number);
    input.origin = &e->origin;
    bool ended = grun_execute(e, &input, NULL, 0);
    if (ended) {
        hold_begin(h);
        end_batch(s, e, h);
        land(s, h);
    }
    grun_exec_unref(e);
    return ended;
}

struct unit_run {
    struct gstream *s;
    struct gexec *e;
    const struct gpy_input *input;
    struct kv_unit *unit;
    unsigned depth;
    bool ended;
};

static void run_noted(void *ctx)
{
    struct unit_run *r = ctx;
    struct gexec *e = r->e;
    uint64_t outer = gsync_note(e->number + 1);
    bool ended = grun_execute(e, r->input, r->unit, r->depth);
    if (unlikely(!gsync_back())) {
        if (ended) e->then(e, e->then_ctx);
        grun_exec_unref(e);
        return;
    }
    r->ended = ended;
    gsync_note(outer);
    /* Until the GIL is given up nobody goes on with it. */
    if (!r->ended) greg__ref(r->s->g);
}

/* As if it were paused. */
static void lost_noted(void *ctx, bool unwound)
{
    struct unit_run *r = ctx;
    UNUSED(unwound);
    greg__ref(r->s->g);
    grun_exec_ref(r->e);
    r->ended = false;
    gstuck_left_behind(r->s->g, r->e);
}

/* Within a unit: that of a command with this event, or, NULL, of a worker's. If Python is busy for
 * too long, the batch is still to be run, by a worker. */
static void run_in_unit(struct gstream *s, struct gstream_hold *h, const struct exec_event *event)
{
    static const struct gsync_job job = {run_noted, lost_noted};
    struct gpy_input input = input_of(s);
    struct unit_run r = {s, exec_new(s), &input, h->unit, event ? event->depth : 0, true};
    s->of_turn = false;
    input.must_end = event && event->in_multi;
    input.origin = gorigin_in_unit(h->unit, event ? event->generation : 0,
                                   event ? event->origin : NULL, s->g->plan->number);
    r.e->origin = *input.origin;
    if (event) r.e->slow.whose = GSLOW_SOMEONE_TELLS; /* its command */
    gorigin_enter();
    enum status st = gsync_run(&job, &r, false);
    gorigin_leave();
    if (st) {
        grun_abort(r.e);
        greg__note_failure(s->g, VIEW_LIT(GREG_LATE));
        grun_unlist(r.e);
    } else if (r.ended) {
        end_batch(s, r.e, h);
    }
    if (r.ended) land(s, h);
    grun_exec_unref(r.e);
}

/* ---- on a worker ---- */

static bool has_more(const struct gstream *s)
{
    return gstream__may_run(s) && (s->finding || list_is_linked(&s->ready));
}

/* False: what comes next waits for an execution that is paused, with the job's reference. */
static bool run_ready(struct gstream *s, struct gstream_hold *h)
{
    int64_t end_us = clock_mono_us() + TURN_US;
    while (begin_batch(s, h)) {
        if (h->yields && !run_loose(s, h)) return false;
        if (!h->yields) {
            run_in_unit(s, h, NULL);
            hold_end(h); /* a unit for each */
            hold_begin(h);
        }
        if (clock_mono_us() > end_us) break;
    }
    return true;
}

void gstream__turn(struct gjob *job, const char *failure)
{
    struct gstream *s = CONTAINER_OF(job, struct gstream, job);
    struct gstream_hold h = {.yields = s->g->plan->mode != GMODE_SYNC};
    ASSERT(!failure); /* without Python nothing is ever registered */
    bool took = gpy_hold(); /* once for all batches */
    hold_begin(&h);
    if (gstream__may_run(s)) gstream__find(s, h.unit);
    if (!run_ready(s, &h)) {
        gpy_release(took);
        return;
    }
    bool more = s->scheduled = has_more(s);
    hold_end(&h);
    gpy_release(took);
    if (more) grun_submit(job);
    else greg__unref(s->g);
}

/* ---- within a command ---- */

void gstream__run_now(struct gstream *s, struct gstream_state *st, const struct exec_event *e)
{
    struct gstream_hold h = {.unit = e->unit, .yields = false};
    if (user_is_gone(s)) {
        stop_for_nobody(s);
        return;
    }
    if (greg__chain_is_over(s->g, e).len) return; /* a worker goes on, for the entry must be run */
    if (deliver(s, st, &h)) run_in_unit(s, &h, e);
}
