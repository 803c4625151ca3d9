/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running one command, and what follows it within its unit: events to subscribers. Whoever holds
 * the token runs here: main for clients, a worker for a gears step.
 */
#include "exec/exec.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ticks.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/effects.h"
#include "exec/hook.h"
#include "exec/latency.h"
#include "exec/pause.h"
#include "exec/reply.h"
#include "exec/token.h"

#define SUBSCRIBERS_MAX 8
#define EVENT_DEPTH_MAX 64
#define ERROR_CODES_MAX 128
#define ERROR_CODE_LEN  32

static struct {
    struct {
        void (*fn)(void *ctx, const struct exec_event *e);
        void *ctx;
        uint32_t mask;
    } subscribers[SUBSCRIBERS_MAX];
    int subscriber_count;
    struct {
        char code[ERROR_CODE_LEN + 1];
        uint64_t count;
    } errors[ERROR_CODES_MAX];
    int error_codes;
    uint64_t errors_total, commands, dirty;
    void (*on_done)(const struct exec_ctx *ctx, enum status st, uint64_t ns);
    void (*on_tracked)(struct exec_ctx *ctx, bool ran);
    uint64_t done_min_ticks; /* UINT64_MAX: nobody is told */
    void (*on_work)(const struct exec_work *w);
    _Atomic uint64_t work_min_us; /* read by any thread */
} exec = {.done_min_ticks = UINT64_MAX, .work_min_us = UINT64_MAX};

static _Thread_local const struct command *current_command;

/* ---- statistics ---- */

uint64_t exec_commands_processed(void)
{
    return exec.commands;
}

uint64_t exec_errors_total(void)
{
    return exec.errors_total;
}

uint64_t exec_dirty_total(void)
{
    return exec.dirty;
}

void exec_dirty_add(uint64_t changes)
{
    exec.dirty += changes;
}

const struct command *exec_current_command(void)
{
    return current_command;
}

void exec_stats_reset(void)
{
    exec.error_codes = 0;
    exec.errors_total = 0;
    exec.commands = 0;
}

void exec_error_count(struct exec_ctx *ctx, struct view line)
{
    UNUSED(ctx);
    if (!token_is_mine()) return; /* busy mode: the counters belong to somebody else now */
    size_t len = 0;
    while (len < line.len && len < ERROR_CODE_LEN && line.ptr[len] != ' ') len++;
    exec.errors_total++;
    for (int i = 0; i < exec.error_codes; i++) {
        if (strlen(exec.errors[i].code) != len || memcmp(exec.errors[i].code, line.ptr, len))
            continue;
        exec.errors[i].count++;
        return;
    }
    if (exec.error_codes == ERROR_CODES_MAX) return;
    memcpy(exec.errors[exec.error_codes].code, line.ptr, len);
    exec.errors[exec.error_codes].code[len] = '\0';
    exec.errors[exec.error_codes++].count = 1;
}

void exec_error_each(void (*fn)(void *ctx, const char *code, uint64_t count), void *ctx)
{
    for (int i = 0; i < exec.error_codes; i++) fn(ctx, exec.errors[i].code, exec.errors[i].count);
}

/* ---- watching commands ---- */

void exec_on_done(void (*fn)(const struct exec_ctx *ctx, enum status st, uint64_t ns))
{
    ASSERT(!exec.on_done);
    exec.on_done = fn;
}

void exec_done_min(uint64_t min_ns)
{
    double ticks = (double)min_ns / ticks_ns_per_tick;
    exec.done_min_ticks = ticks < (double)INT64_MAX ? (uint64_t)ticks : UINT64_MAX;
}

void exec_on_work(void (*fn)(const struct exec_work *w))
{
    ASSERT(!exec.on_work);
    exec.on_work = fn;
}

void exec_work_done(const struct exec_work *w)
{
    if (exec.on_work) exec.on_work(w);
}

uint64_t exec_work_min_us(void)
{
    return atomic_load_explicit(&exec.work_min_us, memory_order_relaxed);
}

void exec_work_min_set(uint64_t us)
{
    atomic_store_explicit(&exec.work_min_us, us, memory_order_relaxed);
}

void exec_on_tracked(void (*fn)(struct exec_ctx *ctx, bool ran))
{
    ASSERT(!exec.on_tracked);
    exec.on_tracked = fn;
}

void exec_tracked_refused(struct exec_ctx *ctx)
{
    if (exec.on_tracked) exec.on_tracked(ctx, false);
}

/* ---- events ---- */

static void update_event_mask(void)
{
    uint32_t mask = 0;
    for (int i = 0; i < exec.subscriber_count; i++) mask |= exec.subscribers[i].mask;
    kv_event_mask_set(mask);
}

void exec_on_event(uint32_t mask, void (*fn)(void *ctx, const struct exec_event *e), void *ctx)
{
    ASSERT(exec.subscriber_count < SUBSCRIBERS_MAX);
    int i = exec.subscriber_count++;
    exec.subscribers[i].fn = fn;
    exec.subscribers[i].ctx = ctx;
    exec.subscribers[i].mask = mask;
    update_event_mask();
}

void exec_event_mask(void (*fn)(void *ctx, const struct exec_event *e), uint32_t mask)
{
    for (int i = 0; i < exec.subscriber_count; i++)
        if (exec.subscribers[i].fn == fn) exec.subscribers[i].mask = mask;
    update_event_mask();
}

/* What is being delivered. It isn't on a stack, for whoever delivers may be in a subscriber's code
 * that never returns: then another goes on (exec_adopt). Guard: the token. */
static struct delivery {
    struct kv_unit *unit; /* NULL: nothing is */
    struct kv_unit taken; /* a generation of its events */
    size_t event_cap;     /* of the array that they are in */
    size_t effects;       /* that the unit had before */
    size_t at;            /* the event of the generation, */
    int subscriber;       /* and who is told of it */
    unsigned depth, generation;
    uint32_t flags; /* of the context that caused them */
    bool at_end;    /* of a client's command */
    bool resumed;   /* the subscriber's code didn't return: it goes on behind what that was about */
} delivery;

static void deliver_event(struct delivery *d)
{
    struct kv_event *ev = &d->taken.events[d->at];
    struct exec_event e = {.class_ = ev->class_,
                           .name = ev->name,
                           .db = kv_db(ev->db_id),
                           .key = kv_event_key(&d->taken, ev),
                           .depth = d->depth,
                           .generation = d->generation,
                           .in_multi = d->flags & EXEC_IN_MULTI,
                           .at_end = d->at_end,
                           .resumed = d->resumed,
                           .origin = ev->origin,
                           .gone = ev->gone,
                           .unit = d->unit};
    d->resumed = false;
    for (; d->subscriber < exec.subscriber_count; d->subscriber++, e.resumed = false)
        if (exec.subscribers[d->subscriber].mask & e.class_)
            exec.subscribers[d->subscriber].fn(exec.subscribers[d->subscriber].ctx, &e);
    d->subscriber = 0;
    kv_event_done(ev);
}

/* A generation of events is taken out of the unit before the first of them is delivered, so that
 * what subscribers record in turn forms the next one, a level deeper. */
static void take_generation(struct delivery *d)
{
    struct kv_unit *unit = d->unit;
    d->taken = (struct kv_unit){.events = unit->events,
                                .event_count = unit->event_count,
                                .event_bytes = unit->event_bytes};
    d->event_cap = unit->event_cap;
    d->at = 0;
    unit->events = NULL;
    unit->event_count = unit->event_cap = 0;
    buf_init(&unit->event_bytes);
    if (d->depth < EVENT_DEPTH_MAX) return;
    log_warning("Dropping %zu keyspace events: subscribers cause each other beyond %d levels",
                d->taken.event_count, EVENT_DEPTH_MAX);
    d->at = d->taken.event_count;
}

static void end_generation(struct delivery *d)
{
    struct kv_unit *unit = d->unit;
    if (unit->events) {
        kv_unit_release(&d->taken);
    } else { /* nothing new: the next command uses the arrays again */
        unit->events = d->taken.events;
        unit->event_cap = d->event_cap;
        unit->event_bytes = d->taken.event_bytes;
        buf_clear(&unit->event_bytes);
    }
    d->depth++;
    d->generation++;
}

/* From the event on that is next. What subscribers did belongs to what they were told of. */
static COLD void deliver(struct delivery *d)
{
    struct kv_unit *unit = d->unit;
    for (;;) {
        for (; d->at < d->taken.event_count; d->at++) deliver_event(d);
        end_generation(d);
        if (!unit->event_count) break;
        take_generation(d);
    }
    if (unit->effects.count > d->effects) unit->flags &= ~(uint32_t)KV_UNIT_LOOSE;
    d->unit = NULL;
}

/* ---- units and calls ---- */

void exec_unit_begin(struct kv_unit *unit)
{
    *unit = (struct kv_unit){.now_ms = clock_wall_ms(),
                             .flags = pause_is_on() ? KV_UNIT_NO_EXPIRE : 0};
}

/* Delivers a unit's events, of which it has some. `ctx` of the command that caused them, if they
 * are those of one. */
static void deliver_own(struct kv_unit *unit, unsigned depth, const struct exec_ctx *ctx)
{
    const uint32_t within = EXEC_IN_MULTI | EXEC_RETRY;
    struct delivery outer = {0};
    if (unlikely(delivery.unit)) outer = delivery;
    delivery = (struct delivery){.unit = unit,
                                 .effects = unit->effects.count,
                                 .depth = depth,
                                 .flags = ctx ? ctx->flags : 0,
                                 .at_end = ctx && ctx->client && !(ctx->flags & within) &&
                                           !outer.unit};
    take_generation(&delivery);
    deliver(&delivery);
    if (unlikely(outer.unit)) delivery = outer;
}

void exec_adopt(struct kv_unit *unit)
{
    ASSERT(token_is_mine() && (!delivery.unit || delivery.unit == unit));
    if (delivery.unit) {
        delivery.resumed = true;
        deliver(&delivery);
    }
    if (unit->effects.count) effects_commit(unit);
}

void exec_unit_end(struct kv_unit *unit, unsigned depth)
{
    if (unlikely(unit->event_count)) deliver_own(unit, depth, NULL);
    if (unlikely(unit->effects.count)) effects_commit(unit);
    exec.dirty += unit->dirty;
    kv_unit_release(unit);
}

static void count_call(struct command_stats *stats)
{
    stats->calls++;
    exec.commands++;
}

/* What follows the handler in its unit. */
ALWAYS_INLINE void end_call(struct exec_ctx *ctx)
{
    exec.dirty += ctx->unit->dirty;
    ctx->unit->dirty = 0;
    if (unlikely(ctx->unit->event_count) && !(ctx->flags & EXEC_IN_EVENT))
        deliver_own(ctx->unit, ctx->event_depth, ctx);
    if (unlikely(ctx->unit->effects.count) && !(ctx->flags & (EXEC_IN_EVENT | EXEC_IN_MULTI)))
        effects_commit(ctx->unit);
}

ALWAYS_INLINE enum status call(struct exec_ctx *ctx, exec_handler *handler)
{
    const struct command *cmd = ctx->cmd, *outer = current_command;
    struct command_stats *stats = command_stats_of(cmd);
    uint64_t start = ticks_now();
    current_command = cmd;
    ctx->unit->flags &= ~(uint32_t)(KV_UNIT_REWRITTEN | KV_UNIT_LOOSE);
    enum status st = handler(ctx);
    current_command = outer;
    if (unlikely(kv_effect_mask)) effects_after_handler(ctx);
    ctx->ended_ticks = ticks_now();
    uint64_t took = ctx->ended_ticks - start;
    uint64_t ns = ticks_to_ns(took);
    stats->total_ns += ns;
    if (likely(latency_tracking)) loghist_add(&stats->times, ns);
    if (unlikely(took >= exec.done_min_ticks)) exec.on_done(ctx, st, ns);
    if (unlikely(st == STATUS_ERR)) stats->failed++;
    if (likely(!(ctx->flags & (EXEC_RETRY | EXEC_TRACKED)))) {
        count_call(stats);
    } else {
        if (!(ctx->flags & EXEC_RETRY)) count_call(stats); /* else counted when it began to wait */
        if (ctx->flags & EXEC_TRACKED) exec.on_tracked(ctx, true);
    }
    end_call(ctx);
    return st;
}

void exec_refused(struct exec_ctx *ctx)
{
    end_call(ctx);
}

enum status exec_call(struct exec_ctx *ctx)
{
    if (unlikely(exec__hooks)) return exec__call_hooked(ctx);
    return call(ctx, ctx->cmd->handler);
}

enum status exec_call_as(struct exec_ctx *ctx, exec_handler *handler)
{
    return call(ctx, handler);
}

/* What waits for keys may be run: either they have something, or it doesn't wait. */
static bool is_refused(const struct command *cmd)
{
    const uint32_t may = COMMAND_BLOCKING | COMMAND_MAY_EXECUTE;
    if (cmd->flags & COMMAND_NO_EXECUTE) return true;
    return (cmd->flags & COMMAND_NOSCRIPT) && !(cmd->flags & may);
}

static enum status run_refused(struct exec_ctx *ctx, enum status resolved)
{
    const struct command *cmd = ctx->cmd;
    if (resolved) {
        struct buf text = {0};
        command_unknown_text(cmd, ctx->argv, ctx->argc, &text);
        reply_error_raw(ctx, text.ptr, text.len);
        buf_release(&text);
        return STATUS_ERR;
    }
    if (!command_arity_ok(cmd, ctx->argc) || !cmd->handler) return reply_arity(ctx);
    if (is_refused(cmd))
        return reply_error(ctx, "This Redis command is not allowed from script");
    return STATUS_OK;
}

static COLD enum status refuse_gone(struct exec_ctx *ctx, const struct exec_user *user)
{
    command_stats_of(ctx->cmd)->rejected++;
    struct buf text = {0};
    buf_append_cstr(&text, "NOPERM the user '");
    buf_append_view(&text, user->name);
    buf_append_cstr(&text, "', for whom this runs, doesn't exist any more");
    enum status st = reply_error_raw(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

enum status exec_run(const struct exec_call *call, struct arg *argv, int argc, struct tape *tape)
{
    ASSERT(token_is_mine() && argc > 0);
    struct kv_unit own;
    struct sink sink = {.tape = tape, .resp = call->resp};
    struct exec_ctx ctx = {.db = kv_db(call->db_id),
                           .argv = argv,
                           .argc = argc,
                           .flags = call->flags | EXEC_DENY_BLOCKING,
                           .sink = &sink,
                           .unit = call->unit,
                           .event_depth = call->event_depth,
                           .hooks_below = call->hooks_below};
    enum status st = command_resolve(argv, argc, &ctx.cmd);
    if (run_refused(&ctx, st)) return STATUS_ERR;
    if (call->user && !(ctx.user = exec_user_now(call->user))) return refuse_gone(&ctx, call->user);
    if (!ctx.unit) {
        exec_unit_begin(&own);
        ctx.unit = &own;
    } else {
        ctx.flags |= EXEC_IN_EVENT; /* its events are the caller's to deliver */
    }
    uint32_t unit_flags = ctx.unit->flags;
    const void *outer_origin = ctx.unit->origin;
    ctx.unit->origin = call->origin;
    if (call->flags & EXEC_ANSWERS_EVENT) ctx.unit->flags |= KV_UNIT_NO_MISS;
    st = STATUS_ERR;
    if (likely(!(admit_word | (ctx.user ? ctx.user->admit : 0))) ||
        admit_chain(&ctx) == ADMIT_PASS)
        st = exec_call(&ctx);
    ctx.unit->flags = unit_flags;
    ctx.unit->origin = outer_origin;
    if (!call->unit) exec_unit_end(&own, call->event_depth);
    return st;
}
