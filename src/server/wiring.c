/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every part of the server, set up in order, and every hook, attached. A part that is below
 * another is ready before it; ending goes the other way round. Nothing else in the tree knows
 * the whole.
 *
 * Main thread.
 */
#include "acl/acl.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands_table.h"
#include "conf/metric.h"
#include "conf/option.h"
#include "exec/client.h"
#include "exec/effects.h"
#include "exec/effects_tap.h"
#include "exec/latency.h"
#include "exec/lifecycle.h"
#include "exec/loading.h"
#include "exec/pause.h"
#include "exec/settings.h"
#include "exec/token.h"
#include "gears/gears.h"
#include "keyspace/keyspace.h"
#include "keyspace/settings.h"
#include "net/loop.h"
#include "observe/footprint.h"
#include "observe/observe.h"
#include "persist/persist.h"
#include "persist/settings.h"
#include "pubsub/pubsub.h"
#include "server/private.h"
#include "tracking/tracking.h"
#include "txn/txn.h"

void server_register_all_options(void)
{
    server_options_register();
    server_memory_options_register();
    kv_options_register();
    exec_options_register();
    command_setup(&commands_table); /* what rules of users speak of */
    acl_options_register();
    persist_options_register();
    pubsub_options_register();
    tracking_options_register();
    observe_options_register();
    latency_options_register();
    gears_options_register();
}

static enum status wire_exec(void)
{
    token_setup();
    if (loop_setup() || driver_setup()) {
        log_warning("Failed creating the event loop.");
        return STATUS_ERR;
    }
    effects_setup();
    exec_on_shutdown(server_request_end);
    exec_on_restart(server_restart);
    return STATUS_OK;
}

static enum status wire_services(void)
{
    /* Behind exec's own filters and before all others: who may not do a thing learns no more. */
    acl_on_subscriptions(pubsub_each_of);
    if (acl_setup()) return STATUS_ERR;
    pubsub_setup();
    server_memory_setup();
    observe_setup(); /* its filter, as the one before, comes before MULTI's */
    persist_on_fork(server_os_child);
    persist_setup(); /* before txn: a write that it refuses spoils its MULTI */
    loading_setup();
    pause_setup(); /* likewise: what it holds back isn't queued */
    txn_setup();
    tracking_setup(); /* last: it marks the commands that run */
    return gears_setup();
}

enum status server_wire(void)
{
    kv_setup(kv_settings.databases);
    kv_lazyfree_on_start(server_os_background);
    kv_clock_set(clock_wall_ms());
    if (wire_exec()) return STATUS_ERR;
    if (wire_services()) return STATUS_ERR;
    server_metrics_register();
    exec_metrics_register();
    pubsub_metrics_register();
    tracking_metrics_register();
    footprint_attach(FOOTPRINT_PYTHON, gears_memory_used);
    footprint_started();
    return server_tls_setup();
}

/*
 * What must be in order when the process ends: nobody's request hangs, no thread is in the middle
 * of a write. Memory goes with the process, so a release build doesn't walk a hundred million
 * keys to free them; debug builds do, for the leak checker. The loop stays: threads that go on may
 * wake it.
 */
void server_unwire(void)
{
    server_large_pages_teardown();
    driver_teardown();
    kv_lazyfree_teardown();
    gears_teardown();
    persist_teardown();
    tracking_teardown();
    acl_teardown();
#ifdef COG_DEBUG
    effects_tap(false);
    effects_teardown();
    kv_teardown();
    command_teardown();
    metric_teardown();
    opt_teardown();
    server_options_release();
    mem_free(server_state.config_file);
#endif
}
