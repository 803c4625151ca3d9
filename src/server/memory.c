/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limit of memory: before each command, while maxmemory is set, keys are evicted until the
 * server is within it; if that can't be done, commands that may need memory are refused before
 * they change anything.
 *
 * What counts is what the allocator has given out, less what Python holds: data is not evicted
 * because a script is large (it has its limits of its own). The figure costs a few nanoseconds
 * (mem_used_about) and is taken anew ten times a second; with no limit nothing is asked at all.
 * One command evicts for a bounded time (maxmemory-eviction-tenacity), then goes on, and the next
 * one and the cron do the rest.
 *
 * Thread: whoever runs the command, under the data token; the options, main.
 */
#include <limits.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/metric.h"
#include "conf/option.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/loading.h"
#include "exec/latency.h"
#include "exec/pause.h"
#include "gears/gears.h"
#include "keyspace/keyspace.h"
#include "keyspace/settings.h"
#include "server/private.h"
#include "txn/txn.h"

#define KEYS_A_LOOK 16 /* keys between two looks at the clock */

enum outcome { WITHIN, RUNNING, FULL };

/* How long the limit has been exceeded; guard: the data token. */
static struct {
    int64_t since_us; /* monotonic; 0: it isn't now */
    int64_t total_us; /* of the times before */
} exceeded;

static void note_exceeded(bool now)
{
    if (now) {
        if (!exceeded.since_us) exceeded.since_us = clock_mono_us();
    } else if (exceeded.since_us) {
        exceeded.total_us += clock_mono_us() - exceeded.since_us;
        exceeded.since_us = 0;
    }
}

/* ---- options ---- */

static const struct opt_name policies[] = {
    {"volatile-lru", KV_EVICT_LRU | KV_EVICT_VOLATILE},
    {"volatile-lfu", KV_EVICT_LFU | KV_EVICT_VOLATILE},
    {"volatile-random", KV_EVICT_RANDOM | KV_EVICT_VOLATILE},
    {"volatile-ttl", KV_EVICT_TTL | KV_EVICT_VOLATILE},
    {"allkeys-lru", KV_EVICT_LRU},
    {"allkeys-lfu", KV_EVICT_LFU},
    {"allkeys-random", KV_EVICT_RANDOM},
    {"noeviction", KV_EVICT_NONE},
    {NULL, 0},
};

void server_memory_policy_print(struct buf *out)
{
    for (const struct opt_name *p = policies; p->name; p++)
        if (p->value == kv_settings.policy) buf_append_cstr(out, p->name);
}

static enum status apply(struct opt_error *err)
{
    UNUSED(err);
    admit_set(ADMIT_MEMORY, kv_settings.maxmemory > 0);
    server_memory_cron();
    return STATUS_OK;
}

static enum status apply_policy(struct opt_error *err)
{
    UNUSED(err);
    kv_evict_policy_apply();
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "maxmemory", .kind = OPT_MEMORY, .var.size = &kv_settings.maxmemory, .dflt = "0",
     .max = INT64_MAX, .apply = apply, .section = OPT_SECTION_MEMORY,
     .doc = "How much memory the server may use, Python's not counted; 0: no limit."},
    {.name = "maxmemory-policy", .kind = OPT_ENUM, .var.i = &kv_settings.policy,
     .dflt = "noeviction", .names = policies, .apply = apply_policy,
     .section = OPT_SECTION_MEMORY,
     .doc = "Which keys go when the limit is reached: of all keys or of those that expire "
            "(volatile) the ones used longest ago (lru), used least often (lfu), any (random), "
            "or the next to expire (ttl). With noeviction commands that need memory fail."},
    {.name = "maxmemory-samples", .kind = OPT_INT, .var.i = &kv_settings.maxmemory_samples,
     .dflt = "5", .min = 1, .max = INT_MAX, .section = OPT_SECTION_MEMORY,
     .doc = "How many random keys are looked at for each one evicted; more than 64 count as 64."},
    {.name = "maxmemory-eviction-tenacity", .kind = OPT_INT,
     .var.i = &kv_settings.eviction_tenacity, .dflt = "10", .max = 100,
     .section = OPT_SECTION_MEMORY,
     .doc = "How long a command may be held up by evictions: 10 is half a millisecond, above it "
            "each step is 15 percent more, 100 is without limit."},
    {.name = "lfu-log-factor", .kind = OPT_INT, .var.i = &kv_settings.lfu_log_factor,
     .dflt = "10", .max = INT_MAX, .section = OPT_SECTION_MEMORY,
     .doc = "How much harder each step of an access counter is than the one before."},
    {.name = "lfu-decay-time", .kind = OPT_INT, .var.i = &kv_settings.lfu_decay_minutes,
     .dflt = "1", .max = INT_MAX, .section = OPT_SECTION_MEMORY,
     .doc = "After how many minutes without use an access counter loses one; 0: never."},
};

void server_memory_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

/* ---- the limit ---- */

int64_t server_memory_not_counted(void)
{
    return (int64_t)gears_memory_used();
}

static bool is_over(void)
{
    size_t used = mem_used_about(), apart = gears_memory_used() + kv_evict_promised();
    return used > apart && used - apart > kv_settings.maxmemory;
}

static int64_t time_limit_us(void)
{
    int tenacity = kv_settings.eviction_tenacity;
    if (tenacity == 100) return INT64_MAX / 2;
    if (tenacity <= 10) return 50 * tenacity;
    return (int64_t)(500 * pow(1.15, tenacity - 10));
}

static enum outcome evict(struct kv_unit *unit)
{
    int64_t start_us = 0, end_us = 0;
    enum outcome outcome = WITHIN;
    for (unsigned i = 0; outcome == WITHIN && is_over(); i++) {
        if (!end_us) {
            start_us = clock_mono_us();
            end_us = start_us + time_limit_us();
        } else if (i % KEYS_A_LOOK == 0 && clock_mono_us() > end_us) {
            outcome = RUNNING;
            break;
        }
        if (!kv_evict_one(unit)) outcome = FULL;
    }
    note_exceeded(outcome != WITHIN);
    if (start_us) latency_note(LATENCY_EVICTION_CYCLE, (uint64_t)(clock_mono_us() - start_us));
    return outcome;
}

static enum outcome evict_in_own_unit(unsigned depth)
{
    struct kv_unit unit;
    exec_unit_begin(&unit);
    unit.flags |= KV_UNIT_LOOSE;
    enum outcome outcome = evict(&unit);
    exec_unit_end(&unit, depth);
    return outcome;
}

/* Whether the command is one that must not run without memory. What is queued needs some, too. */
static bool needs_memory(const struct exec_ctx *ctx)
{
    if (admit_flags_of_any(ctx) & COMMAND_DENYOOM) return true;
    bool queues = ctx->client && txn_active(ctx->client);
    return queues && !(ctx->cmd->flags & COMMAND_UNQUEUED);
}

static bool filter_applies(const struct exec_ctx *ctx)
{
    UNUSED(ctx);
    return kv_settings.maxmemory > 0;
}

static enum admit_verdict filter(struct exec_ctx *ctx)
{
    if (likely(!is_over())) {
        note_exceeded(false);
        return ADMIT_PASS;
    }
    /* What is being loaded is complete before any of it goes. */
    if (pause_is_on() || exec_is_loading()) return ADMIT_PASS;
    /* Within somebody's unit its events are delivered with the rest; and so they are where nothing
     * but a command's end may be left in its middle. */
    bool joined = ctx->flags & EXEC_IN_EVENT || exec_is_carried();
    enum outcome outcome = joined ? evict(ctx->unit) : evict_in_own_unit(ctx->event_depth);
    if (outcome != FULL || !needs_memory(ctx)) return ADMIT_PASS;
    return admit_refuse(ctx, "OOM command not allowed when used memory > 'maxmemory'.");
}

void server_memory_cron(void)
{
    if (kv_settings.maxmemory) {
        mem_used();
        if (is_over()) {
            if (!pause_is_on() && !exec_is_loading()) evict_in_own_unit(0);
            return;
        }
    }
    note_exceeded(false);
}

/* ---- INFO ---- */

static int64_t info_exceeded_now(void)
{
    return exceeded.since_us ? (clock_mono_us() - exceeded.since_us) / 1000 : 0;
}

static int64_t info_exceeded_total(void)
{
    int64_t now_us = exceeded.since_us ? clock_mono_us() - exceeded.since_us : 0;
    return (exceeded.total_us + now_us) / 1000;
}

static void reset_exceeded(void)
{
    exceeded.since_us = exceeded.total_us = 0;
}

static const struct metric_row metric_rows[] = {
    {METRIC_STATS, "total_eviction_exceeded_time", METRIC_INT_FN, {.int_fn = info_exceeded_total},
     0},
    {METRIC_STATS, "current_eviction_exceeded_time", METRIC_INT_FN, {.int_fn = info_exceeded_now},
     0},
};

void server_memory_setup(void)
{
    admit_add(ADMIT_MEMORY, filter, filter_applies);
    metric_register(metric_rows, ARRAY_COUNT(metric_rows));
    metric_on_reset(reset_exceeded);
    kv_evict_policy_apply();
    admit_set(ADMIT_MEMORY, kv_settings.maxmemory > 0);
}
