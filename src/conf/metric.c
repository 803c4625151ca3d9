/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The metric registry and INFO.
 *
 * A section knows the order of the fields that stock prints in it, so that a person who compares
 * two servers, and a parser that takes the first match, find what they know where they know it;
 * rows themselves come from many folders in the order in which these are set up. Fields are put
 * in their place once, at registration: INFO walks sorted lists and decides nothing.
 *
 * The order is data, not duty: a name in the table that no row provides isn't printed.
 *
 * Holder of the data token; registration: main, at boot.
 */
#include "conf/metric.h"

#include <limits.h>

#include "base/mem.h"

#define HOOKS_MAX 16

/* Names apart by blanks, in the order in which stock prints them. */
static const char order_server[] =
    "redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits "
    "monotonic_clock multiplexing_api atomicvar_api gcc_version process_id process_supervised "
    "run_id tcp_port server_time_usec uptime_in_seconds uptime_in_days hz configured_hz lru_clock "
    "executable config_file io_threads_active";

static const char order_clients[] =
    "connected_clients cluster_connections maxclients client_recent_max_input_buffer "
    "client_recent_max_output_buffer blocked_clients tracking_clients clients_in_timeout_table";

static const char order_memory[] =
    "used_memory used_memory_rss used_memory_peak used_memory_peak_perc used_memory_overhead "
    "used_memory_startup used_memory_dataset used_memory_dataset_perc allocator_allocated "
    "allocator_active allocator_resident total_system_memory used_memory_lua "
    "used_memory_vm_eval used_memory_scripts_eval number_of_cached_scripts number_of_functions "
    "number_of_libraries used_memory_vm_functions used_memory_vm_total used_memory_functions "
    "used_memory_scripts maxmemory maxmemory_policy allocator_frag_ratio allocator_frag_bytes "
    "allocator_rss_ratio allocator_rss_bytes rss_overhead_ratio rss_overhead_bytes "
    "mem_fragmentation_ratio mem_fragmentation_bytes mem_not_counted_for_evict "
    "mem_replication_backlog mem_total_replication_buffers mem_clients_slaves mem_clients_normal "
    "mem_cluster_links mem_aof_buffer mem_allocator active_defrag_running "
    "lazyfree_pending_objects lazyfreed_objects";

static const char order_persistence[] =
    "loading async_loading current_cow_peak current_cow_size current_cow_size_age "
    "current_fork_perc current_save_keys_processed current_save_keys_total "
    "rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time "
    "rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves "
    "rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled "
    "aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec "
    "aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites "
    "aof_rewrites_consecutive_failures aof_last_write_status aof_last_cow_size "
    "module_fork_in_progress module_fork_last_cow_size";

static const char order_stats[] =
    "total_connections_received total_commands_processed instantaneous_ops_per_sec "
    "total_net_input_bytes total_net_output_bytes total_net_repl_input_bytes "
    "total_net_repl_output_bytes instantaneous_input_kbps instantaneous_output_kbps "
    "instantaneous_input_repl_kbps instantaneous_output_repl_kbps rejected_connections sync_full "
    "sync_partial_ok sync_partial_err expired_keys expired_stale_perc "
    "expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys evicted_clients "
    "total_eviction_exceeded_time current_eviction_exceeded_time keyspace_hits keyspace_misses "
    "pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec total_forks "
    "migrate_cached_sockets slave_expires_tracked_keys active_defrag_hits active_defrag_misses "
    "active_defrag_key_hits active_defrag_key_misses total_active_defrag_time "
    "current_active_defrag_time tracking_total_keys tracking_total_items tracking_total_prefixes "
    "unexpected_error_replies total_error_replies dump_payload_sanitizations "
    "total_reads_processed total_writes_processed io_threaded_reads_processed "
    "io_threaded_writes_processed reply_buffer_shrinks reply_buffer_expands";

static const char order_replication[] =
    "role connected_slaves master_failover_state master_replid master_replid2 "
    "master_repl_offset second_repl_offset repl_backlog_active repl_backlog_size "
    "repl_backlog_first_byte_offset repl_backlog_histlen";

static const char order_cpu[] =
    "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children "
    "used_cpu_sys_main_thread used_cpu_user_main_thread";

enum section_set {
    IN_DEFAULT = 1, /* INFO without arguments; all sections are in "all", but for: */
    OF_RG = 2,      /* those that clients know as a module's, which its name asks for, too */
};

static const struct {
    const char *title;
    unsigned sets;
    const char *order;
} sections[METRIC_SECTION_COUNT] = {
    [METRIC_SERVER] = {"Server", IN_DEFAULT, order_server},
    [METRIC_CLIENTS] = {"Clients", IN_DEFAULT, order_clients},
    [METRIC_MEMORY] = {"Memory", IN_DEFAULT, order_memory},
    [METRIC_PERSISTENCE] = {"Persistence", IN_DEFAULT, order_persistence},
    [METRIC_STATS] = {"Stats", IN_DEFAULT, order_stats},
    [METRIC_REPLICATION] = {"Replication", IN_DEFAULT, order_replication},
    [METRIC_CPU] = {"CPU", IN_DEFAULT, order_cpu},
    [METRIC_MODULES] = {"Modules", IN_DEFAULT, ""},
    [METRIC_COMMANDSTATS] = {"Commandstats", 0, ""},
    [METRIC_ERRORSTATS] = {"Errorstats", IN_DEFAULT, ""},
    [METRIC_LATENCYSTATS] = {"Latencystats", 0, ""},
    [METRIC_CLUSTER] = {"Cluster", IN_DEFAULT, "cluster_enabled"},
    [METRIC_KEYSPACE] = {"Keyspace", IN_DEFAULT, ""},
    [METRIC_GEARS] = {"Gears", IN_DEFAULT, ""},
    [METRIC_RG] = {"rg", OF_RG, ""},
    [METRIC_RG_REGISTRATIONS] = {"rg_regisrations", OF_RG, ""}, /* as RedisGears spells it */
    [METRIC_RG_PLUGINS] = {"rg_plugins", OF_RG, ""},
    [METRIC_RG_PYTHON_STATS] = {"rg_python_stats", OF_RG, ""},
    [METRIC_RG_PYTHON_REQUIREMENTS] = {"rg_python_requirements", OF_RG, ""},
    [METRIC_RG_PYTHON_SESSIONS] = {"rg_python_sessions", OF_RG, ""},
};

struct field {
    const struct metric_row *row;
    int rank; /* place in the section's order; INT_MAX: behind it */
};

static struct {
    struct {
        struct field *fields;
        size_t count, cap;
    } sections[METRIC_SECTION_COUNT];
    void (*print_hooks[HOOKS_MAX])(void);
    void (*reset_hooks[HOOKS_MAX])(void);
    size_t print_hook_count, reset_hook_count;
} registry;

/* ---- registration ---- */

/* Place of `name` among the blank-separated words of `order`. */
static int rank_of(const char *order, const char *name)
{
    size_t len = strlen(name);
    int rank = 0;
    for (const char *p = order; *p; rank++) {
        size_t word = strcspn(p, " ");
        if (word == len && memcmp(p, name, len) == 0) return rank;
        p += word;
        p += *p == ' ';
    }
    return INT_MAX;
}

static void add_row(const struct metric_row *row)
{
    ASSERT(row->section < METRIC_SECTION_COUNT);
    size_t count = registry.sections[row->section].count;
    if (count == registry.sections[row->section].cap) {
        size_t cap = count ? count * 2 : 16;
        registry.sections[row->section].cap = cap;
        registry.sections[row->section].fields =
            mem_realloc(registry.sections[row->section].fields, cap * sizeof(struct field));
    }
    struct field *fields = registry.sections[row->section].fields;
    struct field added = {row, rank_of(sections[row->section].order, row->name)};
    size_t at = count;
    for (size_t i = 0; i < count; i++) ASSERT(strcmp(fields[i].row->name, row->name) != 0);
    while (at > 0 && fields[at - 1].rank > added.rank) {
        fields[at] = fields[at - 1];
        at--;
    }
    fields[at] = added;
    registry.sections[row->section].count = count + 1;
}

void metric_register(const struct metric_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) add_row(&rows[i]);
}

void metric_on_print(void (*fn)(void))
{
    ASSERT(registry.print_hook_count < HOOKS_MAX);
    registry.print_hooks[registry.print_hook_count++] = fn;
}

void metric_on_reset(void (*fn)(void))
{
    ASSERT(registry.reset_hook_count < HOOKS_MAX);
    registry.reset_hooks[registry.reset_hook_count++] = fn;
}

static void reset_row(const struct metric_row *row)
{
    if (!(row->flags & METRIC_RESET)) return;
    switch (row->kind) {
    case METRIC_U64: *row->u64 = 0; break;
    case METRIC_SIZE: *row->size = 0; break;
    case METRIC_INT: *row->i = 0; break;
    default: break;
    }
}

void metric_reset(void)
{
    for (int s = 0; s < METRIC_SECTION_COUNT; s++) {
        for (size_t i = 0; i < registry.sections[s].count; i++) {
            reset_row(registry.sections[s].fields[i].row);
        }
    }
    for (size_t i = 0; i < registry.reset_hook_count; i++) registry.reset_hooks[i]();
}

void metric_teardown(void)
{
    for (int s = 0; s < METRIC_SECTION_COUNT; s++) mem_free(registry.sections[s].fields);
    memset(&registry, 0, sizeof(registry));
}

/* ---- INFO ---- */

void metric_select(struct metric_selection *selection, struct view name)
{
    bool everything = view_eq_nocase(name, "everything");
    bool all = everything || view_eq_nocase(name, "all");
    bool dflt = view_eq_nocase(name, "default");
    bool modules = everything || view_eq_nocase(name, "modules") || view_eq_nocase(name, "rg");
    for (int s = 0; s < METRIC_SECTION_COUNT; s++) {
        unsigned sets = sections[s].sets;
        if ((sets & OF_RG ? modules : all) || (dflt && (sets & IN_DEFAULT)) ||
            view_eq_nocase(name, sections[s].title)) {
            selection->on[s] = true;
        }
    }
}

void metric_human(uint64_t bytes, struct buf *out)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        buf_printf(out, "%uB", (unsigned)bytes);
        return;
    }
    double n = (double)bytes / 1024;
    size_t unit = 0;
    while (n >= 1024 && unit + 2 < sizeof(units)) {
        n /= 1024;
        unit++;
    }
    buf_printf(out, "%.2f%c", n, units[unit]);
}

/* Appends the row's value and returns it as a number, for those that have one. */
static uint64_t print_value(const struct metric_row *row, struct buf *out)
{
    int64_t n = 0;
    switch (row->kind) {
    case METRIC_U64: buf_printf(out, "%llu", (unsigned long long)*row->u64); return *row->u64;
    case METRIC_SIZE: buf_printf(out, "%zu", *row->size); return *row->size;
    case METRIC_INT: n = *row->i; break;
    case METRIC_INT_FN: n = row->int_fn(); break;
    case METRIC_TEXT: buf_append_cstr(out, row->text); return 0;
    case METRIC_TEXT_FN:
    case METRIC_LINES_FN: row->text_fn(out); return 0;
    }
    buf_printf(out, "%lld", (long long)n);
    return n < 0 ? 0 : (uint64_t)n;
}

static void print_row(const struct metric_row *row, struct buf *out)
{
    if (row->kind == METRIC_LINES_FN) {
        row->text_fn(out);
        return;
    }
    buf_printf(out, "%s:", row->name);
    uint64_t n = print_value(row, out);
    buf_append_cstr(out, "\r\n");
    if (!(row->flags & METRIC_HUMAN)) return;
    buf_printf(out, "%s_human:", row->name);
    metric_human(n, out);
    buf_append_cstr(out, "\r\n");
}

void metric_print(const struct metric_selection *selection, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < registry.print_hook_count; i++) registry.print_hooks[i]();
    for (int s = 0; s < METRIC_SECTION_COUNT; s++) {
        if (!selection->on[s]) continue;
        buf_printf(out, "%s# %s\r\n", first ? "" : "\r\n", sections[s].title);
        first = false;
        for (size_t i = 0; i < registry.sections[s].count; i++) {
            print_row(registry.sections[s].fields[i].row, out);
        }
    }
}

/* ---- rates ---- */

void metric_rate_sample(struct metric_rate *r, uint64_t total, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - r->last_ms;
    if (r->last_ms && elapsed_ms > 0) {
        uint64_t growth = total > r->last_total ? total - r->last_total : 0;
        r->samples[r->next] = growth * 1000 / (uint64_t)elapsed_ms;
        r->next = (r->next + 1) % METRIC_RATE_SAMPLES;
    }
    r->last_ms = now_ms;
    r->last_total = total;
}

uint64_t metric_rate_get(const struct metric_rate *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < METRIC_RATE_SAMPLES; i++) sum += r->samples[i];
    return sum / METRIC_RATE_SAMPLES;
}
