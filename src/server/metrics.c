/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INFO's rows about the process, its memory and its time, and those of base/, net/, keyspace/ and
 * exec/. Figures that belong together are taken at one moment, into `now`, when INFO is asked.
 *
 * What persistence, replication, pub/sub and scripts will count stands as constants where tools
 * wait for it ("loading:0"): each says what is true while the part isn't there, and becomes a row
 * of its folder with it.
 *
 * Thread: the holder of the data token.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/version.h"
#include "conf/metric.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/latency.h"
#include "exec/settings.h"
#include "exec/token.h"
#include "keyspace/keyspace.h"
#include "keyspace/settings.h"
#include "net/loop.h"
#include "observe/footprint.h"
#include "server/private.h"

static struct {
    struct client_stats clients;
    struct server_rates rates;
    struct footprint foot;
    size_t total_system;
} now;

/* ---- taking the figures ---- */

static void take_figures(void)
{
    server_rates_get(&now.rates);
    footprint_take(&now.foot);
    client_stats(&now.clients, false);
    now.total_system = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

static void reset_figures(void)
{
    client_stats_reset();
    command_stats_reset();
    exec_stats_reset();
    kv_lazyfree_done_reset();
    server_rates_reset();
    loop_longest_turn_reset();
}

/* ---- Server ---- */

static void print_os(struct buf *out)
{
    struct utsname name;
    if (uname(&name) == 0) buf_printf(out, "%s %s %s", name.sysname, name.release, name.machine);
}

static void print_run_id(struct buf *out)
{
    buf_append_cstr(out, server_state.run_id);
}

static void print_executable(struct buf *out)
{
    buf_append_cstr(out, server_state.executable);
}

static void print_config_file(struct buf *out)
{
    if (server_state.config_file) buf_append_cstr(out, server_state.config_file);
}

static void print_monotonic_clock(struct buf *out)
{
    buf_append_cstr(out, "POSIX clock_gettime");
}

static void print_loop_api(struct buf *out)
{
    buf_append_cstr(out, loop_api_name());
}

static int64_t process_id(void)
{
    return getpid();
}

static int64_t uptime_seconds(void)
{
    return (clock_mono_us() - server_state.start_mono_us) / 1000000;
}

static int64_t uptime_days(void)
{
    return uptime_seconds() / (24 * 3600);
}

static int64_t lru_clock(void)
{
    return clock_wall_us() / 1000000 & ((1 << 24) - 1);
}

#define COMPILER_VERSION_TEXT_(a, b, c) #a "." #b "." #c
#define COMPILER_VERSION_TEXT(a, b, c) COMPILER_VERSION_TEXT_(a, b, c)

static const struct metric_row server_rows[] = {
    {METRIC_SERVER, "redis_version", METRIC_TEXT, {.text = STOCK_VERSION}, 0},
    {METRIC_SERVER, "redis_git_sha1", METRIC_TEXT, {.text = "00000000"}, 0},
    {METRIC_SERVER, "redis_git_dirty", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_SERVER, "redis_build_id", METRIC_TEXT, {.text = "cogwheel" COGWHEEL_VERSION}, 0},
    {METRIC_SERVER, "redis_mode", METRIC_TEXT, {.text = "standalone"}, 0},
    {METRIC_SERVER, "os", METRIC_TEXT_FN, {.text_fn = print_os}, 0},
    {METRIC_SERVER, "arch_bits", METRIC_TEXT, {.text = "64"}, 0},
    {METRIC_SERVER, "monotonic_clock", METRIC_TEXT_FN, {.text_fn = print_monotonic_clock}, 0},
    {METRIC_SERVER, "multiplexing_api", METRIC_TEXT_FN, {.text_fn = print_loop_api}, 0},
    {METRIC_SERVER, "atomicvar_api", METRIC_TEXT, {.text = "c11-builtin"}, 0},
    {METRIC_SERVER, "gcc_version", METRIC_TEXT,
     {.text = COMPILER_VERSION_TEXT(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)}, 0},
    {METRIC_SERVER, "process_id", METRIC_INT_FN, {.int_fn = process_id}, 0},
    {METRIC_SERVER, "process_supervised", METRIC_TEXT, {.text = "no"}, 0},
    {METRIC_SERVER, "run_id", METRIC_TEXT_FN, {.text_fn = print_run_id}, 0},
    {METRIC_SERVER, "tcp_port", METRIC_INT, {.i = &server_settings.port}, 0},
    {METRIC_SERVER, "server_time_usec", METRIC_INT_FN, {.int_fn = clock_wall_us}, 0},
    {METRIC_SERVER, "uptime_in_seconds", METRIC_INT_FN, {.int_fn = uptime_seconds}, 0},
    {METRIC_SERVER, "uptime_in_days", METRIC_INT_FN, {.int_fn = uptime_days}, 0},
    {METRIC_SERVER, "hz", METRIC_INT, {.i = &server_state.hz}, 0},
    {METRIC_SERVER, "configured_hz", METRIC_INT, {.i = &server_settings.hz}, 0},
    {METRIC_SERVER, "lru_clock", METRIC_INT_FN, {.int_fn = lru_clock}, 0},
    {METRIC_SERVER, "executable", METRIC_TEXT_FN, {.text_fn = print_executable}, 0},
    {METRIC_SERVER, "config_file", METRIC_TEXT_FN, {.text_fn = print_config_file}, 0},
    {METRIC_SERVER, "cogwheel_version", METRIC_TEXT, {.text = COGWHEEL_VERSION}, 0},
};

/* ---- Clients ---- */

static int64_t maxclients(void)
{
    return exec_settings.maxclients;
}

static const struct metric_row client_rows[] = {
    {METRIC_CLIENTS, "connected_clients", METRIC_SIZE, {.size = &now.clients.connected}, 0},
    {METRIC_CLIENTS, "cluster_connections", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_CLIENTS, "maxclients", METRIC_INT_FN, {.int_fn = maxclients}, 0},
    {METRIC_CLIENTS, "client_recent_max_input_buffer", METRIC_SIZE,
     {.size = &now.clients.walk.longest_in}, 0},
    {METRIC_CLIENTS, "client_recent_max_output_buffer", METRIC_SIZE,
     {.size = &now.clients.walk.longest_out}, 0},
    {METRIC_CLIENTS, "blocked_clients", METRIC_SIZE, {.size = &now.clients.blocked}, 0},
    {METRIC_CLIENTS, "clients_in_timeout_table", METRIC_SIZE, {.size = &now.clients.timed}, 0},
};

/* ---- Memory ---- */

static void print_ratio(struct buf *out, size_t a, size_t b)
{
    buf_printf(out, "%.2f", footprint_ratio(a, b));
}

static void print_peak_percent(struct buf *out)
{
    buf_printf(out, "%.2f%%", footprint_peak_percent(&now.foot));
}

static void print_dataset_percent(struct buf *out)
{
    buf_printf(out, "%.2f%%", footprint_dataset_percent(&now.foot));
}

static void print_frag_ratio(struct buf *out)
{
    print_ratio(out, now.foot.mem.active, now.foot.mem.allocated);
}

static int64_t frag_bytes(void)
{
    return (int64_t)now.foot.mem.active - (int64_t)now.foot.mem.allocated;
}

static void print_rss_ratio(struct buf *out)
{
    print_ratio(out, now.foot.mem.resident, now.foot.mem.active);
}

static int64_t rss_bytes(void)
{
    return (int64_t)now.foot.mem.resident - (int64_t)now.foot.mem.active;
}

static void print_rss_overhead_ratio(struct buf *out)
{
    print_ratio(out, now.foot.rss, now.foot.mem.resident);
}

static int64_t rss_overhead_bytes(void)
{
    return (int64_t)now.foot.rss - (int64_t)now.foot.mem.resident;
}

static void print_fragmentation(struct buf *out)
{
    print_ratio(out, now.foot.rss, now.foot.mem.used);
}

static int64_t fragmentation_bytes(void)
{
    return (int64_t)now.foot.rss - (int64_t)now.foot.mem.used;
}

/* Replicas read from the backlog, so it is one buffer of theirs and ours. */
static int64_t replication_buffers(void)
{
    const size_t *parts = now.foot.parts;
    return (int64_t)(parts[FOOTPRINT_BACKLOG] + parts[FOOTPRINT_REPLICAS]);
}

static void print_allocator(struct buf *out)
{
    buf_append_cstr(out, mem_allocator_name());
}

static int64_t lazyfree_pending(void)
{
    return (int64_t)kv_lazyfree_pending();
}

static int64_t lazyfree_done(void)
{
    return (int64_t)kv_lazyfree_done();
}

static int64_t evicted_keys(void)
{
    return (int64_t)kv_stats()->evicted;
}

static const struct metric_row memory_rows[] = {
    {METRIC_MEMORY, "used_memory", METRIC_SIZE, {.size = &now.foot.mem.used}, METRIC_HUMAN},
    {METRIC_MEMORY, "used_memory_rss", METRIC_SIZE, {.size = &now.foot.rss}, METRIC_HUMAN},
    {METRIC_MEMORY, "used_memory_peak", METRIC_SIZE, {.size = &now.foot.peak}, METRIC_HUMAN},
    {METRIC_MEMORY, "used_memory_peak_perc", METRIC_TEXT_FN, {.text_fn = print_peak_percent}, 0},
    {METRIC_MEMORY, "used_memory_overhead", METRIC_SIZE, {.size = &now.foot.overhead}, 0},
    {METRIC_MEMORY, "used_memory_startup", METRIC_SIZE, {.size = &now.foot.startup}, 0},
    {METRIC_MEMORY, "used_memory_dataset", METRIC_SIZE, {.size = &now.foot.dataset}, 0},
    {METRIC_MEMORY, "used_memory_dataset_perc", METRIC_TEXT_FN,
     {.text_fn = print_dataset_percent}, 0},
    {METRIC_MEMORY, "allocator_allocated", METRIC_SIZE, {.size = &now.foot.mem.allocated}, 0},
    {METRIC_MEMORY, "allocator_active", METRIC_SIZE, {.size = &now.foot.mem.active}, 0},
    {METRIC_MEMORY, "allocator_resident", METRIC_SIZE, {.size = &now.foot.mem.resident}, 0},
    {METRIC_MEMORY, "total_system_memory", METRIC_SIZE, {.size = &now.total_system},
     METRIC_HUMAN},
    {METRIC_MEMORY, "maxmemory", METRIC_SIZE, {.size = &kv_settings.maxmemory}, METRIC_HUMAN},
    {METRIC_MEMORY, "maxmemory_policy", METRIC_TEXT_FN, {.text_fn = server_memory_policy_print},
     0},
    {METRIC_MEMORY, "allocator_frag_ratio", METRIC_TEXT_FN, {.text_fn = print_frag_ratio}, 0},
    {METRIC_MEMORY, "allocator_frag_bytes", METRIC_INT_FN, {.int_fn = frag_bytes}, 0},
    {METRIC_MEMORY, "allocator_rss_ratio", METRIC_TEXT_FN, {.text_fn = print_rss_ratio}, 0},
    {METRIC_MEMORY, "allocator_rss_bytes", METRIC_INT_FN, {.int_fn = rss_bytes}, 0},
    {METRIC_MEMORY, "rss_overhead_ratio", METRIC_TEXT_FN, {.text_fn = print_rss_overhead_ratio},
     0},
    {METRIC_MEMORY, "rss_overhead_bytes", METRIC_INT_FN, {.int_fn = rss_overhead_bytes}, 0},
    {METRIC_MEMORY, "mem_fragmentation_ratio", METRIC_TEXT_FN, {.text_fn = print_fragmentation},
     0},
    {METRIC_MEMORY, "mem_fragmentation_bytes", METRIC_INT_FN, {.int_fn = fragmentation_bytes}, 0},
    {METRIC_MEMORY, "mem_not_counted_for_evict", METRIC_INT_FN,
     {.int_fn = server_memory_not_counted}, 0},
    {METRIC_MEMORY, "mem_replication_backlog", METRIC_SIZE,
     {.size = &now.foot.parts[FOOTPRINT_BACKLOG]}, 0},
    {METRIC_MEMORY, "mem_total_replication_buffers", METRIC_INT_FN,
     {.int_fn = replication_buffers}, 0},
    {METRIC_MEMORY, "mem_clients_slaves", METRIC_SIZE,
     {.size = &now.foot.parts[FOOTPRINT_REPLICAS]}, 0},
    {METRIC_MEMORY, "mem_clients_normal", METRIC_SIZE,
     {.size = &now.foot.parts[FOOTPRINT_CLIENTS]}, 0},
    {METRIC_MEMORY, "mem_cluster_links", METRIC_SIZE,
     {.size = &now.foot.parts[FOOTPRINT_CLUSTER]}, 0},
    {METRIC_MEMORY, "mem_aof_buffer", METRIC_SIZE, {.size = &now.foot.parts[FOOTPRINT_AOF]}, 0},
    {METRIC_MEMORY, "mem_allocator", METRIC_TEXT_FN, {.text_fn = print_allocator}, 0},
    {METRIC_MEMORY, "active_defrag_running", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_MEMORY, "lazyfree_pending_objects", METRIC_INT_FN, {.int_fn = lazyfree_pending}, 0},
    {METRIC_MEMORY, "lazyfreed_objects", METRIC_INT_FN, {.int_fn = lazyfree_done}, 0},
};

/* ---- Persistence ---- */

static const struct metric_row persistence_rows[] = {
    {METRIC_PERSISTENCE, "aof_last_rewrite_time_sec", METRIC_TEXT, {.text = "-1"}, 0},
    {METRIC_PERSISTENCE, "aof_current_rewrite_time_sec", METRIC_TEXT, {.text = "-1"}, 0},
    {METRIC_PERSISTENCE, "aof_last_bgrewrite_status", METRIC_TEXT, {.text = "ok"}, 0},
    {METRIC_PERSISTENCE, "aof_rewrites", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "aof_rewrites_consecutive_failures", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "aof_last_write_status", METRIC_TEXT, {.text = "ok"}, 0},
    {METRIC_PERSISTENCE, "aof_last_cow_size", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "module_fork_last_cow_size", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "aof_enabled", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "aof_rewrite_in_progress", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "aof_rewrite_scheduled", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_PERSISTENCE, "module_fork_in_progress", METRIC_TEXT, {.text = "0"}, 0},
};

/* ---- Stats ---- */

static void print_kbps(struct buf *out, uint64_t bytes)
{
    buf_printf(out, "%.2f", (double)bytes / 1024);
}

static void print_in_kbps(struct buf *out)
{
    print_kbps(out, now.rates.net_in);
}

static void print_out_kbps(struct buf *out)
{
    print_kbps(out, now.rates.net_out);
}

static int64_t expired_keys(void)
{
    return (int64_t)kv_stats()->expired;
}

static void print_stale_percent(struct buf *out)
{
    buf_printf(out, "%.2f", kv_stats()->expired_stale_percent);
}

static int64_t expire_cap_reached(void)
{
    return (int64_t)kv_stats()->expired_time_cap_reached;
}

static int64_t expire_cycle_ms(void)
{
    return (int64_t)(kv_stats()->expire_cycle_us / 1000);
}

static int64_t hits(void)
{
    return (int64_t)kv_stats()->hits;
}

static int64_t misses(void)
{
    return (int64_t)kv_stats()->misses;
}

static int64_t longest_turn_us(void)
{
    return loop_longest_turn().wall_us;
}

static int64_t longest_turn_cpu_us(void)
{
    return loop_longest_turn().cpu_us;
}

static void reset_keyspace(void)
{
    struct kv_stats *s = kv_stats();
    s->hits = s->misses = s->evicted = s->expired = s->expired_time_cap_reached = 0;
    s->expire_cycle_us = 0;
}

static const struct metric_row stats_rows[] = {
    {METRIC_STATS, "total_connections_received", METRIC_U64, {.u64 = &now.clients.received}, 0},
    {METRIC_STATS, "total_commands_processed", METRIC_U64, {.u64 = &now.clients.commands}, 0},
    {METRIC_STATS, "instantaneous_ops_per_sec", METRIC_U64, {.u64 = &now.rates.ops}, 0},
    {METRIC_STATS, "total_net_input_bytes", METRIC_U64, {.u64 = &now.clients.net_in_bytes}, 0},
    {METRIC_STATS, "total_net_output_bytes", METRIC_U64, {.u64 = &now.clients.net_out_bytes}, 0},
    {METRIC_STATS, "total_net_repl_input_bytes", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "total_net_repl_output_bytes", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "instantaneous_input_kbps", METRIC_TEXT_FN, {.text_fn = print_in_kbps}, 0},
    {METRIC_STATS, "instantaneous_output_kbps", METRIC_TEXT_FN, {.text_fn = print_out_kbps}, 0},
    {METRIC_STATS, "rejected_connections", METRIC_U64, {.u64 = &now.clients.rejected}, 0},
    {METRIC_STATS, "sync_full", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "sync_partial_ok", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "sync_partial_err", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "expired_keys", METRIC_INT_FN, {.int_fn = expired_keys}, 0},
    {METRIC_STATS, "expired_stale_perc", METRIC_TEXT_FN, {.text_fn = print_stale_percent}, 0},
    {METRIC_STATS, "expired_time_cap_reached_count", METRIC_INT_FN,
     {.int_fn = expire_cap_reached}, 0},
    {METRIC_STATS, "expire_cycle_cpu_milliseconds", METRIC_INT_FN, {.int_fn = expire_cycle_ms}, 0},
    {METRIC_STATS, "evicted_keys", METRIC_INT_FN, {.int_fn = evicted_keys}, 0},
    {METRIC_STATS, "evicted_clients", METRIC_U64, {.u64 = &now.clients.evicted}, 0},
    {METRIC_STATS, "keyspace_hits", METRIC_INT_FN, {.int_fn = hits}, 0},
    {METRIC_STATS, "keyspace_misses", METRIC_INT_FN, {.int_fn = misses}, 0},
    {METRIC_STATS, "unexpected_error_replies", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "total_error_replies", METRIC_U64, {.u64 = &now.clients.errors}, 0},
    {METRIC_STATS, "dump_payload_sanitizations", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_STATS, "client_query_buffer_limit_disconnections", METRIC_U64,
     {.u64 = &now.clients.query_limit_disconnections}, 0},
    {METRIC_STATS, "client_output_buffer_limit_disconnections", METRIC_U64,
     {.u64 = &now.clients.output_limit_disconnections}, 0},
    {METRIC_STATS, "loop_longest_turn_usec", METRIC_INT_FN, {.int_fn = longest_turn_us}, 0},
    {METRIC_STATS, "loop_longest_turn_cpu_usec", METRIC_INT_FN, {.int_fn = longest_turn_cpu_us}, 0},
};

/* ---- what parts would say that aren't there ---- */

static size_t nothing;

/* Scripts, replication from a master, defragmentation; and reply buffers that change their size by
 * what a client gets: ours are taken when there is something to send. */
static const struct metric_row absent_rows[] = {
    {METRIC_MEMORY, "used_memory_lua", METRIC_SIZE, {.size = &nothing}, METRIC_HUMAN},
    {METRIC_MEMORY, "used_memory_vm_eval", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "used_memory_scripts_eval", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "number_of_cached_scripts", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "number_of_functions", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "number_of_libraries", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "used_memory_vm_functions", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "used_memory_vm_total", METRIC_SIZE, {.size = &nothing}, METRIC_HUMAN},
    {METRIC_MEMORY, "used_memory_functions", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_MEMORY, "used_memory_scripts", METRIC_SIZE, {.size = &nothing}, METRIC_HUMAN},
    {METRIC_STATS, "instantaneous_input_repl_kbps", METRIC_TEXT, {.text = "0.00"}, 0},
    {METRIC_STATS, "instantaneous_output_repl_kbps", METRIC_TEXT, {.text = "0.00"}, 0},
    {METRIC_STATS, "slave_expires_tracked_keys", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "active_defrag_hits", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "active_defrag_misses", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "active_defrag_key_hits", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "active_defrag_key_misses", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "total_active_defrag_time", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "current_active_defrag_time", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "reply_buffer_shrinks", METRIC_SIZE, {.size = &nothing}, 0},
    {METRIC_STATS, "reply_buffer_expands", METRIC_SIZE, {.size = &nothing}, 0},
};

/* ---- Replication, Cluster ---- */

static void print_replication_id(struct buf *out)
{
    buf_append_cstr(out, server_state.replication_id);
}

static const struct metric_row replication_rows[] = {
    {METRIC_REPLICATION, "role", METRIC_TEXT, {.text = "master"}, 0},
    {METRIC_REPLICATION, "connected_slaves", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_REPLICATION, "master_failover_state", METRIC_TEXT, {.text = "no-failover"}, 0},
    {METRIC_REPLICATION, "master_replid", METRIC_TEXT_FN, {.text_fn = print_replication_id}, 0},
    {METRIC_REPLICATION, "master_replid2", METRIC_TEXT,
     {.text = "0000000000000000000000000000000000000000"}, 0},
    {METRIC_REPLICATION, "master_repl_offset", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_REPLICATION, "second_repl_offset", METRIC_TEXT, {.text = "-1"}, 0},
    {METRIC_REPLICATION, "repl_backlog_active", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_REPLICATION, "repl_backlog_size", METRIC_TEXT, {.text = "1048576"}, 0},
    {METRIC_REPLICATION, "repl_backlog_first_byte_offset", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_REPLICATION, "repl_backlog_histlen", METRIC_TEXT, {.text = "0"}, 0},
    {METRIC_CLUSTER, "cluster_enabled", METRIC_TEXT, {.text = "0"}, 0},
};

/* ---- CPU ---- */

static void print_time(struct buf *out, int who, bool system)
{
    struct rusage usage;
    if (getrusage(who, &usage)) return;
    struct timeval t = system ? usage.ru_stime : usage.ru_utime;
    buf_printf(out, "%ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
}

/* Of main, whoever asks: to the kernel's clock tick where it isn't main itself. */
static void print_main_time(struct buf *out, bool system)
{
    char text[1024];
    unsigned long long user_ticks = 0, system_ticks = 0;
    if (syscall(SYS_gettid) == getpid()) {
        print_time(out, RUSAGE_THREAD, system);
        return;
    }
    snprintf(text, sizeof(text), "/proc/self/task/%d/stat", (int)getpid());
    FILE *file = fopen(text, "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file) fclose(file);
    text[len] = '\0';
    const char *name_end = strrchr(text, ')'); /* the name may hold anything */
    if (!name_end || sscanf(name_end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                            &user_ticks, &system_ticks) != 2)
        user_ticks = system_ticks = 0;
    unsigned long long per_second = (unsigned long long)sysconf(_SC_CLK_TCK);
    unsigned long long ticks = system ? system_ticks : user_ticks;
    buf_printf(out, "%llu.%06llu", ticks / per_second, ticks % per_second * 1000000 / per_second);
}

static void print_cpu_sys(struct buf *out)
{
    print_time(out, RUSAGE_SELF, true);
}

static void print_cpu_user(struct buf *out)
{
    print_time(out, RUSAGE_SELF, false);
}

static void print_cpu_sys_children(struct buf *out)
{
    print_time(out, RUSAGE_CHILDREN, true);
}

static void print_cpu_user_children(struct buf *out)
{
    print_time(out, RUSAGE_CHILDREN, false);
}

static void print_cpu_sys_main(struct buf *out)
{
    print_main_time(out, true);
}

static void print_cpu_user_main(struct buf *out)
{
    print_main_time(out, false);
}

static const struct metric_row cpu_rows[] = {
    {METRIC_CPU, "used_cpu_sys", METRIC_TEXT_FN, {.text_fn = print_cpu_sys}, 0},
    {METRIC_CPU, "used_cpu_user", METRIC_TEXT_FN, {.text_fn = print_cpu_user}, 0},
    {METRIC_CPU, "used_cpu_sys_children", METRIC_TEXT_FN, {.text_fn = print_cpu_sys_children}, 0},
    {METRIC_CPU, "used_cpu_user_children", METRIC_TEXT_FN, {.text_fn = print_cpu_user_children},
     0},
    {METRIC_CPU, "used_cpu_sys_main_thread", METRIC_TEXT_FN, {.text_fn = print_cpu_sys_main}, 0},
    {METRIC_CPU, "used_cpu_user_main_thread", METRIC_TEXT_FN, {.text_fn = print_cpu_user_main},
     0},
};

/* ---- Commandstats, Errorstats, Keyspace ---- */

static void print_command(struct buf *out, const struct command *cmd)
{
    const struct command_stats *s = command_stats_of(cmd);
    if (!s->calls && !s->rejected && !s->failed) return;
    uint64_t usec = command_time_ns(cmd) / 1000;
    buf_printf(out,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
               "failed_calls=%llu\r\n",
               cmd->fullname, (unsigned long long)s->calls, (unsigned long long)usec,
               s->calls ? (double)usec / (double)s->calls : 0, (unsigned long long)s->rejected,
               (unsigned long long)s->failed);
}

static void print_commands(struct buf *out)
{
    for (unsigned id = 0; id < command_count(); id++) print_command(out, command_by_id(id));
}

static void print_latency(struct buf *out)
{
    for (unsigned id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        const struct command_stats *s = command_stats_of(cmd);
        if (!s->times.count) continue;
        buf_printf(out, "latency_percentiles_usec_%s:", cmd->fullname);
        latency_percentiles(s, out);
        buf_append_cstr(out, "\r\n");
    }
}

static void print_error(void *ctx, const char *code, uint64_t count)
{
    struct buf *out = ctx;
    buf_printf(out, "errorstat_%s:count=%llu\r\n", code, (unsigned long long)count);
}

static void print_errors(struct buf *out)
{
    exec_error_each(print_error, out);
}

static void print_databases(struct buf *out)
{
    for (int i = 0; i < kv_db_count(); i++) {
        const struct kv_db *db = kv_db(i);
        size_t keys = table_count(&db->keys);
        if (!keys) continue;
        buf_printf(out, "db%d:keys=%zu,expires=%zu,avg_ttl=%lld\r\n", i, keys,
                   db->volatile_count, (long long)db->avg_ttl_ms);
    }
}

static const struct metric_row lines_rows[] = {
    {METRIC_COMMANDSTATS, "commands", METRIC_LINES_FN, {.text_fn = print_commands}, 0},
    {METRIC_ERRORSTATS, "errors", METRIC_LINES_FN, {.text_fn = print_errors}, 0},
    {METRIC_LATENCYSTATS, "latencies", METRIC_LINES_FN, {.text_fn = print_latency}, 0},
    {METRIC_KEYSPACE, "databases", METRIC_LINES_FN, {.text_fn = print_databases}, 0},
};

void server_metrics_register(void)
{
    metric_register(server_rows, ARRAY_COUNT(server_rows));
    metric_register(client_rows, ARRAY_COUNT(client_rows));
    metric_register(memory_rows, ARRAY_COUNT(memory_rows));
    metric_register(persistence_rows, ARRAY_COUNT(persistence_rows));
    metric_register(stats_rows, ARRAY_COUNT(stats_rows));
    metric_register(absent_rows, ARRAY_COUNT(absent_rows));
    metric_register(replication_rows, ARRAY_COUNT(replication_rows));
    metric_register(cpu_rows, ARRAY_COUNT(cpu_rows));
    metric_register(lines_rows, ARRAY_COUNT(lines_rows));
    metric_on_print(take_figures);
    metric_on_reset(reset_figures);
    metric_on_reset(reset_keyspace);
}
