/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyspace events and who is told of them; see greg.h. They come under the data token, on whichever
 * thread ran the command; runs of sync registrations happen right there, those of others are queued
 * for a worker (greg_turn.c).
 */
#include "base/clock.h"
#include "base/ticks.h"
#include "exec/pause.h"
#include "gears/gbacklog.h"
#include "gears/gconf.h"
#include "gears/gorigin.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"
#include "gears/gscript.h"
#include "gears/gstuck.h"
#include "gears/gsync.h"

/* A batch that events are read into keeps its room from one to the next, up to this. */
#define SCRATCH_MAX ((size_t)64 * 1024)
#define EVENTS_ALL                                                                                 \
    (KV_EVENT_GENERIC | KV_EVENT_STRING | KV_EVENT_LIST | KV_EVENT_SET | KV_EVENT_HASH |           \
     KV_EVENT_ZSET | KV_EVENT_EXPIRED | KV_EVENT_EVICTED | KV_EVENT_STREAM | KV_EVENT_KEYMISS |    \
     KV_EVENT_MODULE | KV_EVENT_NEW)

static struct {
    uint64_t chain_since; /* when a command's own event began to be told, in ticks; guard: the
                             token */
    struct gread_batch scratch; /* guard: the token */
    struct greg *telling; /* the registration that is, or was last, told of an event; the same */
    _Atomic uint64_t own, too_deep; /* events that weren't told, and why */
    _Atomic unsigned depth_peak;
} events;

/* ---- what is for whom ---- */

bool greg__prefix_matches(const struct greg_request *r, struct view key)
{
    if (r->prefix[r->prefix_len - 1] != '*') return view_eq(key, view_of(r->prefix, r->prefix_len));
    size_t len = r->prefix_len - 1;
    return key.len >= len && memcmp(key.ptr, r->prefix, len) == 0;
}

/* `new` comes beside the event of the command that made the key: only who asks for it gets it. */
static bool event_matches(const struct greg_request *r, const struct exec_event *e)
{
    if (r->event_type_count == 0) return e->class_ != KV_EVENT_NEW;
    for (size_t i = 0; i < r->event_type_count; i++)
        if (strcmp(r->event_types[i], e->name) == 0) return true;
    return false;
}

/* What its own callbacks do, also by way of others, it isn't told of. */
static bool is_own(const struct greg *g, const struct exec_event *e)
{
    if (likely(!e->origin) || g->request->recursive) return false;
    if (!gorigin_has(e->origin, g->plan->number)) return false;
    atomic_fetch_add_explicit(&events.own, 1, memory_order_relaxed);
    return true;
}

static bool type_matches(const struct greg_request *r, const struct exec_event *e)
{
    if (r->key_types == 0) return true;
    struct arg key = arg_of_view(e->key);
    const struct kv_entry *entry = kv_peek(e->unit, e->db, &key);
    return r->key_types & (entry ? 1u << kv_entry_type(entry) : GREG_TYPE_EMPTY);
}

/* ---- within the command ---- */

/* The batch that events are read into; a callback may cause others, which get one of their own. */
static struct gread_batch take_scratch(void)
{
    struct gread_batch b = events.scratch;
    events.scratch = (struct gread_batch){0};
    gread_batch_clear(&b);
    return b;
}

static void give_scratch(struct gread_batch *take_b)
{
    if (events.scratch.records || take_b->bytes.cap > SCRATCH_MAX ||
        take_b->part_cap * sizeof(struct gread_part) > SCRATCH_MAX)
        gread_batch_release(take_b);
    else
        events.scratch = *take_b;
}

struct sync_call {
    struct greg *g;
    struct gexec *exec;
    const struct gpy_input *input;
    struct kv_unit *unit;
    unsigned depth;
    bool ended;
};

static void run_sync(void *ctx)
{
    struct sync_call *c = ctx;
    struct gexec *e = c->exec;
    int64_t now_us = clock_mono_us();
    uint64_t outer = gsync_note_at(e->number + 1, now_us);
    grun_list_begun(e, (size_t)gconf.max_executions);
    bool ended = grun_run(e, c->input, c->unit, c->depth, &now_us);
    if (unlikely(!gsync_back())) {
        if (ended) e->then(e, e->then_ctx);
        grun_exec_unref(e);
        return;
    }
    c->ended = ended;
    gsync_note_at(outer, now_us);
    /* Until the GIL is given up nobody goes on with it. */
    if (!c->ended) greg__ref(c->g);
}

/* As if it were paused: its end comes later, if at all. Unwound, what run_within and its callers do
 * behind it is to be done. */
static void lost_sync(void *ctx, bool unwound)
{
    struct sync_call *c = ctx;
    greg__ref(c->g);
    grun_exec_ref(c->exec);
    gstuck_left_behind(c->g, c->exec);
    if (!unwound) return;
    gorigin_leave();
    grun_exec_unref(c->exec);
    give_scratch(c->input->value);
}

static void sync_ended(struct gexec *e, void *ctx)
{
    struct greg *g = ctx;
    greg__note_end(g, e);
    greg__unref(g);
}

static struct gexec *run_within(struct greg *g, const struct gpy_input *input,
                                struct kv_unit *unit, unsigned depth, bool at_end)
{
    static const struct gsync_job job = {run_sync, lost_sync};
    struct gexec_limits limits;
    struct gpy_input with_origin = *input;
    grun_limits_held(g->plan, &limits);
    with_origin.origin = gorigin_in_unit(
        unit, input->generation, input->origin ? input->origin : unit->origin, g->plan->number);
    struct sync_call c = {.g = g,
                          .exec = greg__next_exec(g, grun_take_number(), &limits),
                          .input = &with_origin,
                          .unit = unit,
                          .depth = depth};
    c.exec->origin = *with_origin.origin;
    c.exec->drop_when_done = g->plan->reader == GREADER_COMMAND;
    c.exec->slow.whose = GSLOW_SOMEONE_TELLS; /* its command */
    c.exec->then = sync_ended;
    c.exec->then_ctx = g;
    if (input->hook) c.exec->hook = *input->hook;
    c.exec->hold = input->hold;
    gorigin_enter();
    enum status st = gsync_run(&job, &c, at_end);
    gorigin_leave();
    if (st == STATUS_OK) {
        if (c.ended && c.exec->drop_when_done) {
            greg__note_end(g, c.exec);
        } else if (c.ended) {
            greg__event_counted(g, c.exec, (size_t)gconf.max_per_registration);
        }
        return c.exec;
    }
    grun_abort(c.exec);
    greg__note_failure(g, VIEW_LIT(GREG_LATE));
    grun_exec_unref(c.exec);
    return NULL;
}

struct gexec *greg__run_sync(struct greg *g, const struct gpy_input *input, struct kv_unit *unit,
                             unsigned depth)
{
    return run_within(g, input, unit, depth, false);
}

/* The key as it is, and as it was, as far as the plan wants to know. */
static void read_values(const struct greg *g, const struct exec_event *e, struct gread_batch *b)
{
    if (g->plan->read_value) gread_key(b, e->key, e->unit->now_ms, true);
    if (g->plan->old_value && e->gone) gread_unpack(b, e->gone);
}

static void trigger_sync(struct greg *g, const struct exec_event *e)
{
    struct gread_batch value = take_scratch();
    struct gpy_input input = {.event = view_cstr(e->name),
                              .key = e->key,
                              .value = &value,
                              .has_value = g->plan->read_value,
                              .has_old = g->plan->old_value,
                              .origin = e->origin,
                              .generation = e->generation,
                              .must_end = e->in_multi,
                              .hold = ghold_join(g, e)};
    read_values(g, e, &value);
    grun_exec_unref(run_within(g, &input, e->unit, e->depth, e->at_end));
    give_scratch(&value);
}

/* Has a worker come, unless one is on its way: what was queued is seen by it. */
static void schedule(struct greg *g)
{
    if (atomic_load(&g->scheduled) || atomic_exchange(&g->scheduled, true)) return;
    atomic_fetch_add(&g->refs, 1);
    grun_submit(&g->job);
}

void greg__queue(struct greg *g, struct greg_event *ev)
{
    pthread_mutex_lock(&g->mutex);
    if (g->last) g->last->next = ev;
    else g->first = ev;
    g->last = ev;
    pthread_mutex_unlock(&g->mutex);
    schedule(g);
}

/* A command waits for it: so it is made at once. */
static struct gexec *exec_for_hold(struct greg *g, uint64_t number, struct ghold *hold)
{
    struct gexec_limits limits;
    grun_limits_of(g->plan, &limits);
    struct gexec *e = grun_exec_of_event(g->plan, number, &limits);
    e->hold = hold;
    grun_list(e);
    return e;
}

static void trigger_async(struct greg *g, const struct exec_event *e)
{
    const struct gorigin *origin = e->origin;
    struct gread_batch values = take_scratch();
    read_values(g, e, &values);
    bool full = gbacklog_is_full(g);
    struct ghold *hold = ghold_join(g, e);
    uint64_t number = grun_take_number();
    struct gexec *exec = hold ? exec_for_hold(g, number, hold) : NULL;
    gevent_push(&g->queue, &(struct gevent_new){.name = e->name,
                                                .key = e->key,
                                                .number = number,
                                                .depth = e->depth,
                                                .origins = origin ? origin->numbers : NULL,
                                                .origin_count = origin ? origin->count : 0,
                                                .exec = exec,
                                                .values = values.count ? &values : NULL});
    schedule(g);
    if (unlikely(full)) gbacklog_hold(g);
    give_scratch(&values);
}

/* What a command sets off shares the time that one callback may take: a client waits for all of
 * it, and each callback may cause many more. */
static bool chain_is_late(const struct exec_event *e)
{
    uint64_t now = ticks_now();
    if (likely(e->generation == 0)) {
        events.chain_since = now;
        return false;
    }
    return ticks_to_ns(now - events.chain_since) / 1000 > (uint64_t)gconf.sync_time_ms * 1000;
}

/* Whose rights the registration has, as they are now; NULL with gone set: nobody's. */
static struct exec_user *user_of(const struct greg *g, bool *gone_out)
{
    struct exec_user *user = g->plan->session ? g->plan->session->user : NULL;
    struct exec_user *now = user ? exec_user_now(user) : NULL;
    *gone_out = user && !now;
    return now;
}

/* A chain has come so far. */
static bool too_deep(unsigned depth)
{
    if (likely(depth == 0)) return false;
    if (depth > atomic_load_explicit(&events.depth_peak, memory_order_relaxed))
        atomic_store_explicit(&events.depth_peak, depth, memory_order_relaxed);
    if (depth < GREG_DEPTH_MAX) return false;
    atomic_fetch_add_explicit(&events.too_deep, 1, memory_order_relaxed);
    return true;
}

struct view greg__chain_is_over(const struct greg *g, const struct exec_event *e)
{
    if (g->plan->mode == GMODE_SYNC && chain_is_late(e))
        return VIEW_LIT("what the command set off took longer than gears-sync-max-time");
    if (too_deep(e->depth)) return VIEW_LIT("registrations set each other off without end");
    return VIEW_LIT("");
}

/* While clients' writes are paused, commands that only read go on; but what they set off may write.
 * So that is left to a worker, which waits where it would. */
static bool waits_for_pause(const struct exec_event *e)
{
    return unlikely(pause_is_on()) && e->class_ == KV_EVENT_KEYMISS;
}

static void trigger(struct greg *g, const struct exec_event *e)
{
    greg__triggered(g);
    if (gpause__is_paused(g)) {
        greg__aborted(g, 1);
        return;
    }
    bool gone;
    user_of(g, &gone);
    if (gone) {
        greg__note_failure(g, VIEW_LIT("the user for whom this runs doesn't exist any more"));
        return;
    }
    struct view why = greg__chain_is_over(g, e);
    if (why.len) {
        greg__note_failure(g, why);
        return;
    }
    if (g->plan->mode == GMODE_SYNC && !waits_for_pause(e)) trigger_sync(g, e);
    else trigger_async(g, e);
}

/* What its user may not read, a registration isn't told of. */
static bool may_know(const struct greg *g, const struct exec_event *e)
{
    bool gone;
    const struct exec_user *user = user_of(g, &gone);
    return !user || exec_user_reads(user, e->key);
}

static bool matches(const struct greg *g, const struct exec_event *e)
{
    return g->plan->reader == GREADER_KEYS && greg__prefix_matches(g->request, e->key) &&
           event_matches(g->request, e) && !is_own(g, e) && type_matches(g->request, e) &&
           may_know(g, e);
}

/* The next one in the list, though g may be gone from it. */
static struct greg *next_of(const struct greg *g, uint64_t number)
{
    if (!g->removed) return g->next;
    struct greg *next = greg__first();
    while (next && next->plan->number <= number) next = next->next;
    return next;
}

/* Lets go of the registration that was told, and returns the next one. */
static struct greg *told(struct greg *take_g)
{
    struct greg *next = next_of(take_g, take_g->plan->number);
    greg__unref(take_g);
    return next;
}

/* A callback may unregister others and itself: what it ran from is kept meanwhile, and if that is
 * gone from the list its successor is found by number. It may also never return: then this is
 * called again (resumed). */
static void on_event(void *ctx, const struct exec_event *e)
{
    UNUSED(ctx);
    if (e->db->id != 0) return;
    struct greg *g = unlikely(e->resumed) ? told(events.telling) : greg__first();
    while (g) {
        if (!matches(g, e)) {
            g = g->next;
            continue;
        }
        events.telling = g;
        greg__ref(g);
        trigger(g, e);
        g = told(g);
    }
}

/* ---- listening ---- */

/* A key of any database goes: its value is kept if a registration of it asks for that. */
static void *on_gone(const struct kv_db *db, const struct kv_entry *e)
{
    struct view key = kv_entry_key(e);
    const struct greg *g = greg__first();
    while (g && !(g->plan->old_value && greg__prefix_matches(g->request, key))) g = g->next;
    if (!g || db->id != 0) return NULL;
    struct gread_batch b = take_scratch();
    gread_entry(&b, e);
    void *packed = gread_pack(&b);
    give_scratch(&b);
    return packed;
}

static bool anybody_wants_old(void)
{
    const struct greg *g = greg__first();
    while (g && !g->plan->old_value) g = g->next;
    return g != NULL;
}

void greg__update_mask(void)
{
    kv_on_gone(anybody_wants_old() ? on_gone : NULL);
    const struct greg *g = greg__first();
    while (g && g->plan->reader != GREADER_KEYS) g = g->next;
    exec_event_mask(on_event, g ? EVENTS_ALL : 0);
}

struct greg_event_stats greg_event_stats(void)
{
    return (struct greg_event_stats){.own = atomic_load(&events.own),
                                     .too_deep = atomic_load(&events.too_deep),
                                     .depth_peak = atomic_load(&events.depth_peak)};
}

void greg_teardown(void)
{
    gread_batch_release(&events.scratch);
    gorigin_teardown();
}

void greg_setup(void)
{
    exec_on_event(0, on_event, NULL);
}
