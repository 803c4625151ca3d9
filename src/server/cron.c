/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The periodic work: a timer of the loop, `hz` times a second. Each piece is bounded, so that no
 * turn takes longer than its share; what must happen less often counts turns.
 *
 * Main thread, with the data token.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/metric.h"
#include "exec/client.h"
#include "exec/exec.h"
#include "exec/latency.h"
#include "exec/pause.h"
#include "exec/settings.h"
#include "gears/gears.h"
#include "keyspace/keyspace.h"
#include "keyspace/settings.h"
#include "net/loop.h"
#include "server/private.h"
#include "tracking/tracking.h"

/* A slice of active expiry. While there is more to delete, clients have the thread in between for
 * so long that the slices' share is stock's, but in pieces that nobody feels. */
#define EXPIRE_SLICE_US 1000
/* With this many clients for each call a second, call more often (dynamic-hz). */
#define CLIENTS_PER_CALL 200
#define SAMPLE_MS 100
#define SLOW_MS 5000

static struct {
    struct metric_rate ops, net_in, net_out;
    struct client_stats clients; /* as of the last sample; guard: the data token */
    int64_t sample_at_ms, slow_at_ms;
} cron;

static int effective_hz(size_t clients)
{
    int hz = server_settings.hz;
    if (!server_settings.dynamic_hz) return hz;
    while (hz < SERVER_HZ_MAX && clients / (size_t)hz > CLIENTS_PER_CALL) hz *= 2;
    return MIN(hz, SERVER_HZ_MAX);
}

/* A quarter of the time, and 2 percent more for each step of active-expire-effort. */
static int expire_pause_ms(void)
{
    int share = 25 + 2 * (kv_settings.expire_effort - 1);
    return (EXPIRE_SLICE_US * (100 - share) / share + 500) / 1000;
}

static int expire_cron(void *ctx)
{
    UNUSED(ctx);
    struct kv_unit unit = {0};
    if (pause_is_on() || exec_settings.cron_paused) return 1000 / server_state.hz;
    uint64_t cut_off = kv_stats()->expired_time_cap_reached;
    exec_unit_begin(&unit);
    unit.flags |= KV_UNIT_LOOSE;
    int64_t start_us = clock_mono_us();
    kv_expire_cycle(&unit, EXPIRE_SLICE_US);
    uint64_t took_us = (uint64_t)(clock_mono_us() - start_us);
    kv_stats()->expire_cycle_us += took_us;
    latency_note(LATENCY_EXPIRE_CYCLE, took_us);
    exec_unit_end(&unit, 0);
    bool more = kv_stats()->expired_time_cap_reached != cut_off;
    return more ? expire_pause_ms() : 1000 / server_state.hz;
}

static void sample(int64_t now_ms)
{
    const struct client_stats *stats = &cron.clients;
    client_stats(&cron.clients, false);
    metric_rate_sample(&cron.ops, stats->commands, now_ms);
    metric_rate_sample(&cron.net_in, stats->net_in_bytes, now_ms);
    metric_rate_sample(&cron.net_out, stats->net_out_bytes, now_ms);
    mem_used(); /* notes the peak */
}

static void slow_work(void)
{
    log_refresh_timezone();
    log_debug("%zu clients connected (0 replicas), %zu bytes in use", cron.clients.connected,
              mem_used());
}

static int server_cron(void *ctx)
{
    UNUSED(ctx);
    int64_t now_ms = clock_mono_ms();
    server_watchdog_feed();
    if (exec_settings.cron_paused) return 1000 / server_state.hz;
    if (now_ms >= cron.sample_at_ms) {
        sample(now_ms);
        cron.sample_at_ms = now_ms + SAMPLE_MS;
        server_state.hz = effective_hz(cron.clients.connected);
        if (now_ms >= cron.slow_at_ms) {
            slow_work();
            cron.slow_at_ms = now_ms + SLOW_MS;
        }
    }
    kv_clock_set(clock_wall_ms());
    driver_cron(server_state.hz);
    server_memory_cron();
    server_large_pages_cron(now_ms);
    tracking_cron();
    gears_cron();
    return 1000 / server_state.hz;
}

void server_cron_start(void)
{
    loop_timer_add(1, server_cron, NULL);
    loop_timer_add(1, expire_cron, NULL);
    server_watchdog_start();
}

void server_rates_get(struct server_rates *out)
{
    out->ops = metric_rate_get(&cron.ops);
    out->net_in = metric_rate_get(&cron.net_in);
    out->net_out = metric_rate_get(&cron.net_out);
}

void server_rates_reset(void)
{
    cron.ops = cron.net_in = cron.net_out = (struct metric_rate){0};
}
