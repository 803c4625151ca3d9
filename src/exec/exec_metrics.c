/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What INFO shows of reads and writes of sockets, and of the data token: how often main waited for
 * it and for how long, how often workers took it, waited for it, were lent it. The latter stand in
 * the section `gears`, since gears' workers are who main shares the data with.
 */
#include "conf/metric.h"
#include "exec/client.h"
#include "exec/io.h"
#include "exec/settings.h"
#include "exec/token.h"

static struct token_stats now;
static struct client_stats clients_now;

static void read_stats(void)
{
    now = token_stats();
    client_stats(&clients_now, false);
}

static int64_t io_threads_active(void)
{
    return io_is_active;
}

static const struct metric_row rows[] = {
    {METRIC_SERVER, "io_threads_active", METRIC_INT_FN, {.int_fn = io_threads_active}, 0},
    {METRIC_STATS, "total_reads_processed", METRIC_U64, {.u64 = &clients_now.reads}, 0},
    {METRIC_STATS, "total_writes_processed", METRIC_U64, {.u64 = &clients_now.writes}, 0},
    {METRIC_STATS, "io_threaded_reads_processed", METRIC_U64,
     {.u64 = &clients_now.threaded_reads}, 0},
    {METRIC_STATS, "io_threaded_writes_processed", METRIC_U64,
     {.u64 = &clients_now.threaded_writes}, 0},
    {METRIC_GEARS, "token_main_waits", METRIC_U64, {.u64 = &now.main_waits}, 0},
    {METRIC_GEARS, "token_main_wait_usec", METRIC_U64, {.u64 = &now.main_wait_us}, 0},
    {METRIC_GEARS, "token_main_wait_max_usec", METRIC_U64, {.u64 = &now.main_wait_max_us}, 0},
    {METRIC_GEARS, "token_worker_takes", METRIC_U64, {.u64 = &now.worker_takes}, 0},
    {METRIC_GEARS, "token_worker_waits", METRIC_U64, {.u64 = &now.worker_waits}, 0},
    {METRIC_GEARS, "token_lends", METRIC_U64, {.u64 = &now.lends}, 0},
};

void exec_metrics_register(void)
{
    metric_on_print(read_stats);
    metric_register(rows, ARRAY_COUNT(rows));
}
