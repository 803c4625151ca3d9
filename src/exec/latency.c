/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See latency.h. Each kind of event has a ring of the last seconds in which it took too long.
 */
#include "exec/latency.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/option.h"

#define PERCENTILES_MAX 64

uint64_t latency__threshold_us = UINT64_MAX;
bool latency_tracking;

static const char *const names[LATENCY_EVENT_COUNT] = {
    [LATENCY_COMMAND] = "command",
    [LATENCY_FAST_COMMAND] = "fast-command",
    [LATENCY_FORK] = "fork",
    [LATENCY_EXPIRE_CYCLE] = "expire-cycle",
    [LATENCY_EVICTION_CYCLE] = "eviction-cycle",
    [LATENCY_GEARS] = "gears",
};

static struct {
    struct ring {
        struct latency_log log; /* samples[first] is the oldest */
        size_t first;
    } * rings[LATENCY_EVENT_COUNT];
    int64_t threshold_ms;
    double percentiles[PERCENTILES_MAX];
    size_t percentile_count;
    void (*changed)(void);
} latency;

/* ---- options ---- */

static enum status apply_threshold(struct opt_error *err)
{
    UNUSED(err);
    latency__threshold_us = latency.threshold_ms > 0 && latency.threshold_ms < INT64_MAX / 1000
                                ? (uint64_t)latency.threshold_ms * 1000
                                : UINT64_MAX;
    if (latency.changed) latency.changed();
    return STATUS_OK;
}

void latency_on_change(void (*changed)(void))
{
    struct opt_error ignored;
    latency.changed = changed;
    UNUSED(apply_threshold(&ignored)); /* at start options aren't applied */
}

/* As short as it can be said. */
static void append_percent(struct buf *out, double percent)
{
    char text[32];
    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*f", digits, percent);
        if (strtod(text, NULL) == percent) break;
    }
    buf_append_cstr(out, text);
}

static void get_percentiles(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    for (size_t i = 0; i < latency.percentile_count; i++) {
        if (i) buf_append_char(out, ' ');
        append_percent(out, latency.percentiles[i]);
    }
}

static enum status set_percentiles(const struct opt_row *row, const struct view *argv, size_t argc,
                                   struct opt_error *err)
{
    double values[PERCENTILES_MAX];
    UNUSED(row);
    if (argc == 1 && argv[0].len == 0) argc = 0;
    if (argc > PERCENTILES_MAX) return opt_fail(err, "too many percentiles");
    for (size_t i = 0; i < argc; i++) {
        if (num_parse_double(argv[i], &values[i]))
            return opt_fail(err, "Invalid latency-tracking-info-percentiles parameters");
        if (!(values[i] >= 0 && values[i] <= 100))
            return opt_fail(err, "latency-tracking-info-percentiles parameters should sit between "
                                 "[0.0,100.0]");
    }
    memcpy(latency.percentiles, values, argc * sizeof(values[0]));
    latency.percentile_count = argc;
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "latency-monitor-threshold", .kind = OPT_I64, .var.i64 = &latency.threshold_ms,
     .dflt = "0", .max = INT64_MAX, .apply = apply_threshold, .section = OPT_SECTION_OBSERVE,
     .doc = "Log what holds the server up for at least this many milliseconds (LATENCY shows it); "
            "0 logs nothing."},
    {.name = "latency-tracking", .kind = OPT_BOOL, .var.b = &latency_tracking, .dflt = "yes",
     .section = OPT_SECTION_OBSERVE,
     .doc = "Keep a histogram of each command's times: LATENCY HISTOGRAM, INFO latencystats."},
    {.name = "latency-tracking-info-percentiles", .kind = OPT_SPECIAL, .flags = OPT_MULTI,
     .get = get_percentiles, .set = set_percentiles, .dflt = "50 99 99.9",
     .section = OPT_SECTION_OBSERVE, .doc = "Which percentiles INFO shows of them."},
};

void latency_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

int64_t latency_threshold_ms(void)
{
    return latency.threshold_ms;
}

/* ---- the log ---- */

void latency__log(enum latency_event event, uint64_t us)
{
    struct ring *r = latency.rings[event];
    if (!r) r = latency.rings[event] = mem_zalloc(sizeof(*r));
    struct latency_log *log = &r->log;
    uint32_t ms = (uint32_t)MIN(us / 1000, UINT32_MAX);
    int64_t now_s = clock_wall_ms() / 1000;
    log->max_ms = MAX(log->max_ms, ms);
    if (log->count) {
        struct latency_sample *last =
            &log->samples[(r->first + log->count - 1) % LATENCY_SAMPLES];
        if (last->time_s == now_s) {
            last->ms = MAX(last->ms, ms);
            return;
        }
    }
    if (log->count == LATENCY_SAMPLES)
        r->first = (r->first + 1) % LATENCY_SAMPLES;
    else
        log->count++;
    log->samples[(r->first + log->count - 1) % LATENCY_SAMPLES] =
        (struct latency_sample){now_s, ms};
}

const char *latency_event_name(enum latency_event event)
{
    return names[event];
}

enum latency_event latency_event_by_name(struct view name)
{
    enum latency_event e = 0;
    while (e < LATENCY_EVENT_COUNT && !view_eq_nocase(name, names[e])) e++;
    return e;
}

bool latency_log_get(enum latency_event event, struct latency_log *out)
{
    const struct ring *r = event < LATENCY_EVENT_COUNT ? latency.rings[event] : NULL;
    if (!r) return false;
    *out = r->log;
    for (size_t i = 0; i < r->log.count; i++)
        out->samples[i] = r->log.samples[(r->first + i) % LATENCY_SAMPLES];
    return true;
}

bool latency_log_reset(enum latency_event event)
{
    if (event == LATENCY_EVENT_COUNT || !latency.rings[event]) return false;
    mem_free(latency.rings[event]);
    latency.rings[event] = NULL;
    return true;
}

/* ---- histograms ---- */

void latency_percentiles(const struct command_stats *s, struct buf *out)
{
    for (size_t i = 0; i < latency.percentile_count; i++) {
        double p = latency.percentiles[i];
        buf_append_cstr(out, i ? ",p" : "p");
        append_percent(out, p);
        buf_printf(out, "=%.3f", (double)loghist_percentile(&s->times, p) / 1000);
    }
}
