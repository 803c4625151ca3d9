/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LATENCY: what exec/latency.h has collected, as numbers, as a picture and as advice. Thread:
 * whoever runs the command.
 */
#include <stdio.h>

#include "base/clock.h"
#include "commands_table.h"
#include "exec/command.h"
#include "exec/latency.h"
#include "exec/reply.h"

/* ---- the log ---- */

enum status cmd_latency_latest(struct exec_ctx *ctx)
{
    struct latency_log log;
    size_t count = 0;
    for (enum latency_event e = 0; e < LATENCY_EVENT_COUNT; e++) count += latency_log_get(e, &log);
    reply_array(ctx, count);
    for (enum latency_event e = 0; e < LATENCY_EVENT_COUNT; e++) {
        if (!latency_log_get(e, &log)) continue;
        const struct latency_sample *last = &log.samples[log.count - 1];
        reply_array(ctx, 4);
        reply_bulk_cstr(ctx, latency_event_name(e));
        reply_int(ctx, last->time_s);
        reply_int(ctx, last->ms);
        reply_int(ctx, log.max_ms);
    }
    return STATUS_OK;
}

enum status cmd_latency_history(struct exec_ctx *ctx)
{
    struct latency_log log = {.count = 0};
    latency_log_get(latency_event_by_name(arg_view(&ctx->argv[2])), &log);
    reply_array(ctx, log.count);
    for (size_t i = 0; i < log.count; i++) {
        reply_array(ctx, 2);
        reply_int(ctx, log.samples[i].time_s);
        reply_int(ctx, log.samples[i].ms);
    }
    return STATUS_OK;
}

enum status cmd_latency_reset(struct exec_ctx *ctx)
{
    int64_t count = 0;
    if (ctx->argc == 2) {
        for (enum latency_event e = 0; e < LATENCY_EVENT_COUNT; e++) count += latency_log_reset(e);
    }
    for (int i = 2; i < ctx->argc; i++)
        count += latency_log_reset(latency_event_by_name(arg_view(&ctx->argv[i])));
    reply_int(ctx, count);
    return STATUS_OK;
}

/* ---- the picture ---- */

#define GRAPH_ROWS    4
#define GRAPH_COLUMNS 80
/* The label under a column, top down: how long ago, in digits and a unit. */
#define LABEL_ROWS    3

static void label(char out[LABEL_ROWS + 1], int64_t ago_s)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t u = 0;
    while (u + 1 < ARRAY_COUNT(units) && ago_s < units[u].seconds) u++;
    int64_t n = MIN(MAX(ago_s / units[u].seconds, 0), 99);
    snprintf(out, LABEL_ROWS + 1, "%d%c", (int)n, units[u].letter);
}

/* One column for each sample, as high as its time between the least and the most. */
static void draw(const struct latency_log *log, struct buf *out)
{
    size_t first = log->count > GRAPH_COLUMNS ? log->count - GRAPH_COLUMNS : 0;
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = first; i < log->count; i++) {
        low = MIN(low, log->samples[i].ms);
        high = MAX(high, log->samples[i].ms);
    }
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (size_t i = first; i < log->count; i++) {
            uint64_t above = log->samples[i].ms - low, span = high - low;
            int top = span ? (int)(above * (GRAPH_ROWS - 1) / span) : 0;
            buf_append_char(out, row > top ? ' ' : row < top ? '|' : top ? '#' : '_');
        }
        buf_append_char(out, '\n');
    }
    buf_append_char(out, '\n');
    int64_t now_s = clock_wall_ms() / 1000;
    for (int row = 0; row < LABEL_ROWS; row++) {
        for (size_t i = first; i < log->count; i++) {
            char text[LABEL_ROWS + 1] = "";
            label(text, now_s - log->samples[i].time_s);
            buf_append_char(out, (size_t)row < strlen(text) ? text[row] : ' ');
        }
        buf_append_char(out, '\n');
    }
}

enum status cmd_latency_graph(struct exec_ctx *ctx)
{
    struct latency_log log;
    const struct arg *name = &ctx->argv[2];
    enum latency_event event = latency_event_by_name(arg_view(name));
    if (!latency_log_get(event, &log))
        return reply_errorf(ctx, "No samples available for event '%.*s'",
                            reply_text_len(name->len), name->ptr);
    struct buf text = {0};
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = 0; i < log.count; i++) {
        low = MIN(low, log.samples[i].ms);
        high = MAX(high, log.samples[i].ms);
    }
    buf_printf(&text, "%s - high %u ms, low %u ms (all time high %u ms)\n",
               latency_event_name(event), high, low, log.max_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++) buf_append_char(&text, '-');
    buf_append_char(&text, '\n');
    draw(&log, &text);
    reply_verbatim(ctx, "txt", text.ptr, text.len);
    buf_release(&text);
    return STATUS_OK;
}

/* ---- the advice ---- */

static const char *const advice[LATENCY_EVENT_COUNT] = {
    [LATENCY_COMMAND] = "Some commands are slow by themselves. SLOWLOG GET names them: look for "
                        "commands over whole collections (KEYS, SMEMBERS, SORT, large ranges) and "
                        "ask for less at a time (SCAN and its kin, ranges with a limit).",
    [LATENCY_FAST_COMMAND] = "Commands that ought to be fast were not. Usually the machine is at "
                             "fault: it swaps, or its processors are shared with others. Compare "
                             "`redis-cli --intrinsic-latency 100` on the server itself.",
    [LATENCY_FORK] = "fork() is slow, as it copies the page tables: some 10 to 20 ms a gigabyte. "
                     "Save less often, keep transparent huge pages off (disable-thp), or use "
                     "several smaller servers.",
    [LATENCY_EXPIRE_CYCLE] = "Many keys expire at the same time. Spread their times, or lower "
                             "active-expire-effort.",
    [LATENCY_EVICTION_CYCLE] = "Evicting takes long. Raise maxmemory, keep values small, or lower "
                               "maxmemory-eviction-tenacity.",
    [LATENCY_GEARS] = "Programs of gears run long. That by itself holds nobody up but who waits "
                      "for them. SLOWLOG GET names them, RG.DUMPEXECUTIONS VERBOSE shows what "
                      "they use, and gears-max-time bounds it.",
};

static void tell_event(enum latency_event e, const struct latency_log *log, int number,
                       struct buf *out)
{
    uint64_t sum = 0, deviation = 0;
    for (size_t i = 0; i < log->count; i++) sum += log->samples[i].ms;
    uint64_t mean = sum / log->count;
    for (size_t i = 0; i < log->count; i++) {
        uint64_t ms = log->samples[i].ms;
        deviation += ms > mean ? ms - mean : mean - ms;
    }
    int64_t span_s = log->samples[log->count - 1].time_s - log->samples[0].time_s;
    buf_printf(out,
               "%d. %s: %zu latency spikes (average %llums, mean deviation %llums, period %.2f "
               "sec). Worst all time event %ums.\n",
               number, latency_event_name(e), log->count, (unsigned long long)mean,
               (unsigned long long)(deviation / log->count),
               (double)span_s / (double)log->count, log->max_ms);
}

static void tell_all(struct buf *out)
{
    struct latency_log log;
    int number = 0;
    for (enum latency_event e = 0; e < LATENCY_EVENT_COUNT; e++)
        if (latency_log_get(e, &log)) tell_event(e, &log, ++number, out);
    if (!number) {
        buf_append_cstr(out, "Nothing has held this server up for longer than "
                             "latency-monitor-threshold since the log was last reset.\n");
        return;
    }
    buf_append_cstr(out, "\nWhat may help:\n\n");
    for (enum latency_event e = 0; e < LATENCY_EVENT_COUNT; e++)
        if (latency_log_get(e, &log)) buf_printf(out, "- %s\n", advice[e]);
}

enum status cmd_latency_doctor(struct exec_ctx *ctx)
{
    struct buf text = {0};
    if (latency_threshold_ms() == 0)
        buf_append_cstr(&text, "Latency isn't monitored. CONFIG SET latency-monitor-threshold "
                               "<milliseconds> begins it; 100 is a good start.\n");
    else
        tell_all(&text);
    reply_verbatim(ctx, "txt", text.ptr, text.len);
    buf_release(&text);
    return STATUS_OK;
}

/* ---- histograms ---- */

/* Powers of two in nanoseconds from about a microsecond on, as stock reports them. */
#define FIRST_POWER 10
#define LAST_POWER  30

/* Where a power's counter ends, in microseconds. */
static int64_t bound_us(unsigned power)
{
    uint64_t value = UINT64_C(1) << power;
    return (int64_t)((value + (value >> LOGHIST_BITS) - 1) / 1000);
}

static void reply_buckets(struct exec_ctx *ctx, const struct loghist *h)
{
    uint64_t counts[LAST_POWER + 1], before = 0;
    size_t buckets = 0;
    for (unsigned p = FIRST_POWER; p <= LAST_POWER; p++) {
        /* What is beyond the last is in it. */
        counts[p] = p == LAST_POWER ? h->count : loghist_count_up_to(h, p);
        buckets += counts[p] != before;
        before = counts[p];
    }
    before = 0;
    reply_map(ctx, buckets);
    for (unsigned p = FIRST_POWER; p <= LAST_POWER; p++) {
        if (counts[p] == before) continue;
        reply_int(ctx, bound_us(p));
        reply_int(ctx, (int64_t)counts[p]);
        before = counts[p];
    }
}

static bool has_times(const struct command *cmd)
{
    return command_stats_of(cmd)->times.count > 0;
}

static void reply_times(struct exec_ctx *ctx, const struct command *cmd)
{
    const struct loghist *h = &command_stats_of(cmd)->times;
    if (!h->count) return;
    reply_bulk_cstr(ctx, cmd->fullname);
    reply_map(ctx, 2);
    reply_bulk_cstr(ctx, "calls");
    reply_int(ctx, (int64_t)h->count);
    reply_bulk_cstr(ctx, "histogram_usec");
    reply_buckets(ctx, h);
}

/* The commands that argument i names: itself, and its subcommands. */
static size_t each_named(struct exec_ctx *ctx, int i, bool reply)
{
    const struct command *cmd = command_lookup_full(ctx->argv[i].ptr, ctx->argv[i].len);
    if (!cmd) return 0;
    size_t count = has_times(cmd);
    if (reply) reply_times(ctx, cmd);
    for (unsigned sub = 0; sub < cmd->sub_count; sub++) {
        count += has_times(&cmd->subs[sub]);
        if (reply) reply_times(ctx, &cmd->subs[sub]);
    }
    return count;
}

enum status cmd_latency_histogram(struct exec_ctx *ctx)
{
    size_t count = 0;
    if (ctx->argc == 2) {
        for (unsigned id = 0; id < command_count(); id++) count += has_times(command_by_id(id));
        reply_map(ctx, count);
        for (unsigned id = 0; id < command_count(); id++) reply_times(ctx, command_by_id(id));
        return STATUS_OK;
    }
    for (int i = 2; i < ctx->argc; i++) count += each_named(ctx, i, false);
    reply_map(ctx, count);
    for (int i = 2; i < ctx->argc; i++) each_named(ctx, i, true);
    return STATUS_OK;
}

enum status cmd_latency_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What was slow, and what may help.",
        "GRAPH <event>",
        "    A picture of an event's times.",
        "HISTORY <event>",
        "    An event's samples: unix time and milliseconds.",
        "LATEST",
        "    Of each event the last sample and the worst.",
        "RESET [<event> ...]",
        "    Forgets the samples of these events, or of all.",
        "HISTOGRAM [<command> ...]",
        "    How long commands take: counts of calls up to each power of two.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}
