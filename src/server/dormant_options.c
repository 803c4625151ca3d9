/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of parts that this version hasn't got. A configuration written for stock names them, and
 * tools ask for them: so their values are checked and kept, and do nothing, for there is nothing
 * that could be done otherwise. What would switch such a part on is refused, with the reason: a
 * server that promised replicas or an append-only file and had none would lose data silently.
 *
 * A part that comes takes its rows along. redis.conf doesn't print them. Thread: main.
 */
#include <limits.h>

#include "base/num.h"
#include "conf/option.h"
#include "server/private.h"

#define HOSTNAME_MAX 255

/* ---- switches: only the default is accepted ---- */

static void get_default(const struct opt_row *row, struct buf *out)
{
    buf_append_cstr(out, row->dflt);
}

/* `doc` is what the part is called. */
static enum status set_default_only(const struct opt_row *row, const struct view *argv,
                                    size_t argc, struct opt_error *err)
{
    bool none = argc == 0 || (argc == 1 && argv[0].len == 0);
    if (none ? !*row->dflt : argc == 1 && view_eq_nocase(argv[0], row->dflt)) return STATUS_OK;
    bool is_flag = !strcmp(row->dflt, "no");
    if (is_flag && !(argc == 1 && view_eq_nocase(argv[0], "yes")))
        return opt_fail(err, "argument must be 'yes' or 'no'");
    return opt_fail(err, "this version doesn't have %s", row->doc);
}

#define SWITCH(name_, dflt_, flags_, what)                                                         \
    {                                                                                              \
        .name = (name_), .kind = OPT_SPECIAL, .flags = OPT_UNPRINTED | (flags_),                   \
        .get = get_default, .set = set_default_only, .dflt = (dflt_), .doc = (what)                \
    }

static const struct opt_row switch_rows[] = {
    SWITCH("appendonly", "no", 0, "the append-only file"),
    SWITCH("cluster-enabled", "no", OPT_IMMUTABLE, "the cluster"),
    SWITCH("tls-replication", "no", 0, "replication"),
    SWITCH("activedefrag", "no", 0, "active defragmentation"),
    {.name = "replicaof", .alias = "slaveof", .kind = OPT_SPECIAL,
     .flags = OPT_UNPRINTED | OPT_IMMUTABLE | OPT_MULTI, .get = get_default,
     .set = set_default_only, .dflt = "", .doc = "replication"},
};

/* ---- tunables: kept ---- */

static struct {
    bool aof_disable_auto_gc, aof_load_truncated, aof_rewrite_incremental_fsync,
        aof_timestamp_enabled, aof_use_rdb_preamble, no_appendfsync_on_rewrite, rdb_del_sync_files,
        repl_disable_tcp_nodelay, repl_diskless_sync, replica_announced,
        replica_ignore_disk_write_errors, replica_ignore_maxmemory, replica_lazy_flush,
        replica_read_only, replica_serve_stale_data, cluster_allow_pubsubshard_when_down,
        cluster_allow_reads_when_down, cluster_allow_replica_migration, cluster_replica_no_failover,
        cluster_require_full_coverage, crash_memcheck_enabled;
    int appendfsync, auto_aof_rewrite_percentage, min_replicas_max_lag, min_replicas_to_write,
        propagation_error_behavior, repl_diskless_load, repl_diskless_sync_delay,
        repl_diskless_sync_max_replicas, repl_ping_replica_period, repl_timeout,
        replica_announce_port, replica_priority, shutdown_timeout, cluster_announce_bus_port,
        cluster_announce_port, cluster_announce_tls_port, cluster_migration_barrier, cluster_port,
        cluster_preferred_endpoint_type, cluster_replica_validity_factor, active_defrag_cycle_max,
        active_defrag_cycle_min, active_defrag_threshold_lower, active_defrag_threshold_upper;
    int64_t repl_backlog_ttl, cluster_node_timeout, active_defrag_max_scan_fields;
    size_t auto_aof_rewrite_min_size, repl_backlog_size, cluster_link_sendbuf_limit,
        active_defrag_ignore_bytes;
    struct view appenddirname, appendfilename, masterauth, masteruser, replica_announce_ip,
        bind_source_addr, cluster_announce_hostname, cluster_announce_ip, cluster_config_file;
} kept;

/* Names of the network, as far as stock looks at them. */
static enum status check_hostname(const struct opt_row *row, struct view value,
                                  struct opt_error *err)
{
    UNUSED(row);
    if (value.len > HOSTNAME_MAX)
        return opt_fail(err, "Hostnames must be less than 256 characters");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter || (c >= '0' && c <= '9') || c == '-' || c == '.') continue;
        return opt_fail(err, "Hostnames may only contain alphanumeric characters, hyphens or dots");
    }
    return STATUS_OK;
}

/* Who asks for replicas counts on writes being refused without them. */
static enum status check_no_replicas(const struct opt_row *row, struct view value,
                                     struct opt_error *err)
{
    UNUSED(row);
    int64_t n;
    if (num_parse_i64(value, &n) || n == 0) return STATUS_OK;
    return opt_fail(err, "this version doesn't have replication");
}

static const struct opt_name appendfsync_names[] = {
    {"everysec", 0}, {"always", 1}, {"no", 2}, {NULL, 0}};
static const struct opt_name propagation_error_behavior_names[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct opt_name repl_diskless_load_names[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};
static const struct opt_name cluster_preferred_endpoint_type_names[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};

/* Of the append-only file. */
static const struct opt_row aof_rows[] = {
    {.name = "aof-disable-auto-gc", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.aof_disable_auto_gc, .dflt = "no"},
    {.name = "aof-load-truncated", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.aof_load_truncated, .dflt = "yes"},
    {.name = "aof-rewrite-incremental-fsync", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.aof_rewrite_incremental_fsync, .dflt = "yes"},
    {.name = "aof-timestamp-enabled", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.aof_timestamp_enabled, .dflt = "no"},
    {.name = "aof-use-rdb-preamble", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.aof_use_rdb_preamble, .dflt = "yes"},
    {.name = "appenddirname", .kind = OPT_STRING, .flags = OPT_UNPRINTED | OPT_IMMUTABLE,
     .var.text = &kept.appenddirname, .dflt = "appendonlydir"},
    {.name = "appendfilename", .kind = OPT_STRING, .flags = OPT_UNPRINTED | OPT_IMMUTABLE,
     .var.text = &kept.appendfilename, .dflt = "appendonly.aof"},
    {.name = "appendfsync", .kind = OPT_ENUM, .flags = OPT_UNPRINTED, .var.i = &kept.appendfsync,
     .dflt = "everysec", .names = appendfsync_names},
    {.name = "auto-aof-rewrite-min-size", .kind = OPT_MEMORY, .flags = OPT_UNPRINTED,
     .var.size = &kept.auto_aof_rewrite_min_size, .dflt = "64mb", .max = INT64_MAX},
    {.name = "auto-aof-rewrite-percentage", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.auto_aof_rewrite_percentage, .dflt = "100", .max = INT_MAX},
    {.name = "no-appendfsync-on-rewrite", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.no_appendfsync_on_rewrite, .dflt = "no"},
};

/* Of replication. */
static const struct opt_row repl_rows[] = {
    {.name = "masterauth", .kind = OPT_STRING, .flags = OPT_UNPRINTED | OPT_SENSITIVE,
     .var.text = &kept.masterauth, .dflt = ""},
    {.name = "masteruser", .kind = OPT_STRING, .flags = OPT_UNPRINTED,
     .var.text = &kept.masteruser, .dflt = ""},
    {.name = "min-replicas-max-lag", .alias = "min-slaves-max-lag", .kind = OPT_INT, .flags =
     OPT_UNPRINTED, .var.i = &kept.min_replicas_max_lag, .dflt = "10", .max = INT_MAX},
    {.name = "min-replicas-to-write", .alias = "min-slaves-to-write", .kind = OPT_INT, .flags =
     OPT_UNPRINTED, .var.i = &kept.min_replicas_to_write, .dflt = "0", .max = INT_MAX,
     .check = check_no_replicas},
    {.name = "propagation-error-behavior", .kind = OPT_ENUM, .flags = OPT_UNPRINTED,
     .var.i = &kept.propagation_error_behavior, .dflt = "ignore", .names =
     propagation_error_behavior_names},
    {.name = "rdb-del-sync-files", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.rdb_del_sync_files, .dflt = "no"},
    {.name = "repl-backlog-size", .kind = OPT_MEMORY, .flags = OPT_UNPRINTED,
     .var.size = &kept.repl_backlog_size, .dflt = "1mb", .min = 1, .max = INT64_MAX},
    {.name = "repl-backlog-ttl", .kind = OPT_I64, .flags = OPT_UNPRINTED,
     .var.i64 = &kept.repl_backlog_ttl, .dflt = "3600", .max = INT64_MAX},
    {.name = "repl-disable-tcp-nodelay", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.repl_disable_tcp_nodelay, .dflt = "no"},
    {.name = "repl-diskless-load", .kind = OPT_ENUM, .flags = OPT_UNPRINTED,
     .var.i = &kept.repl_diskless_load, .dflt = "disabled", .names = repl_diskless_load_names},
    {.name = "repl-diskless-sync", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.repl_diskless_sync, .dflt = "yes"},
    {.name = "repl-diskless-sync-delay", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.repl_diskless_sync_delay, .dflt = "5", .max = INT_MAX},
    {.name = "repl-diskless-sync-max-replicas", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.repl_diskless_sync_max_replicas, .dflt = "0", .max = INT_MAX},
    {.name = "repl-ping-replica-period", .alias = "repl-ping-slave-period", .kind = OPT_INT, .flags
     = OPT_UNPRINTED, .var.i = &kept.repl_ping_replica_period, .dflt = "10", .min = 1, .max =
     INT_MAX},
    {.name = "repl-timeout", .kind = OPT_INT, .flags = OPT_UNPRINTED, .var.i = &kept.repl_timeout,
     .dflt = "60", .min = 1, .max = INT_MAX},
    {.name = "replica-announce-ip", .alias = "slave-announce-ip", .kind = OPT_STRING, .flags =
     OPT_UNPRINTED, .var.text = &kept.replica_announce_ip, .dflt = ""},
    {.name = "replica-announce-port", .alias = "slave-announce-port", .kind = OPT_INT, .flags =
     OPT_UNPRINTED, .var.i = &kept.replica_announce_port, .dflt = "0", .max = 65535},
    {.name = "replica-announced", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.replica_announced, .dflt = "yes"},
    {.name = "replica-ignore-disk-write-errors", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.replica_ignore_disk_write_errors, .dflt = "no"},
    {.name = "replica-ignore-maxmemory", .alias = "slave-ignore-maxmemory", .kind = OPT_BOOL,
     .flags = OPT_UNPRINTED, .var.b = &kept.replica_ignore_maxmemory, .dflt = "yes"},
    {.name = "replica-lazy-flush", .alias = "slave-lazy-flush", .kind = OPT_BOOL, .flags =
     OPT_UNPRINTED, .var.b = &kept.replica_lazy_flush, .dflt = "no"},
    {.name = "replica-priority", .alias = "slave-priority", .kind = OPT_INT, .flags =
     OPT_UNPRINTED, .var.i = &kept.replica_priority, .dflt = "100", .max = INT_MAX},
    {.name = "replica-read-only", .alias = "slave-read-only", .kind = OPT_BOOL, .flags =
     OPT_UNPRINTED, .var.b = &kept.replica_read_only, .dflt = "yes"},
    {.name = "replica-serve-stale-data", .alias = "slave-serve-stale-data", .kind = OPT_BOOL,
     .flags = OPT_UNPRINTED, .var.b = &kept.replica_serve_stale_data, .dflt = "yes"},
    {.name = "shutdown-timeout", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.shutdown_timeout, .dflt = "10", .max = INT_MAX},
    {.name = "bind-source-addr", .kind = OPT_STRING, .flags = OPT_UNPRINTED,
     .var.text = &kept.bind_source_addr, .dflt = ""},
};

/* Of the cluster. */
static const struct opt_row cluster_rows[] = {
    {.name = "cluster-allow-pubsubshard-when-down", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.cluster_allow_pubsubshard_when_down, .dflt = "yes"},
    {.name = "cluster-allow-reads-when-down", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.cluster_allow_reads_when_down, .dflt = "no"},
    {.name = "cluster-allow-replica-migration", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.cluster_allow_replica_migration, .dflt = "yes"},
    {.name = "cluster-announce-bus-port", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.cluster_announce_bus_port, .dflt = "0", .max = 65535},
    {.name = "cluster-announce-hostname", .kind = OPT_STRING, .flags = OPT_UNPRINTED,
     .var.text = &kept.cluster_announce_hostname, .dflt = "", .check = check_hostname},
    {.name = "cluster-announce-ip", .kind = OPT_STRING, .flags = OPT_UNPRINTED,
     .var.text = &kept.cluster_announce_ip, .dflt = ""},
    {.name = "cluster-announce-port", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.cluster_announce_port, .dflt = "0", .max = 65535},
    {.name = "cluster-announce-tls-port", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.cluster_announce_tls_port, .dflt = "0", .max = 65535},
    {.name = "cluster-config-file", .kind = OPT_STRING, .flags = OPT_UNPRINTED | OPT_IMMUTABLE,
     .var.text = &kept.cluster_config_file, .dflt = "nodes.conf"},
    {.name = "cluster-link-sendbuf-limit", .kind = OPT_MEMORY, .flags = OPT_UNPRINTED,
     .var.size = &kept.cluster_link_sendbuf_limit, .dflt = "0", .max = INT64_MAX},
    {.name = "cluster-migration-barrier", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.cluster_migration_barrier, .dflt = "1", .max = INT_MAX},
    {.name = "cluster-node-timeout", .kind = OPT_I64, .flags = OPT_UNPRINTED,
     .var.i64 = &kept.cluster_node_timeout, .dflt = "15000", .max = INT64_MAX},
    {.name = "cluster-port", .kind = OPT_INT, .flags = OPT_UNPRINTED | OPT_IMMUTABLE,
     .var.i = &kept.cluster_port, .dflt = "0", .max = 65535},
    {.name = "cluster-preferred-endpoint-type", .kind = OPT_ENUM, .flags = OPT_UNPRINTED,
     .var.i = &kept.cluster_preferred_endpoint_type, .dflt = "ip", .names =
     cluster_preferred_endpoint_type_names},
    {.name = "cluster-replica-no-failover", .alias = "cluster-slave-no-failover", .kind = OPT_BOOL,
     .flags = OPT_UNPRINTED, .var.b = &kept.cluster_replica_no_failover, .dflt = "no"},
    {.name = "cluster-replica-validity-factor", .alias = "cluster-slave-validity-factor", .kind =
     OPT_INT, .flags = OPT_UNPRINTED, .var.i = &kept.cluster_replica_validity_factor, .dflt = "10",
     .max = INT_MAX},
    {.name = "cluster-require-full-coverage", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.cluster_require_full_coverage, .dflt = "yes"},
};

/* Of the check of memory after a crash. */
static const struct opt_row memcheck_rows[] = {
    {.name = "crash-memcheck-enabled", .kind = OPT_BOOL, .flags = OPT_UNPRINTED,
     .var.b = &kept.crash_memcheck_enabled, .dflt = "yes"},
};

/* Of active defragmentation. */
static const struct opt_row defrag_rows[] = {
    {.name = "active-defrag-cycle-max", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.active_defrag_cycle_max, .dflt = "25", .min = 1, .max = 99},
    {.name = "active-defrag-cycle-min", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.active_defrag_cycle_min, .dflt = "1", .min = 1, .max = 99},
    {.name = "active-defrag-ignore-bytes", .kind = OPT_MEMORY, .flags = OPT_UNPRINTED,
     .var.size = &kept.active_defrag_ignore_bytes, .dflt = "100mb", .min = 1, .max = INT64_MAX},
    {.name = "active-defrag-max-scan-fields", .kind = OPT_I64, .flags = OPT_UNPRINTED,
     .var.i64 = &kept.active_defrag_max_scan_fields, .dflt = "1000", .min = 1, .max = INT64_MAX},
    {.name = "active-defrag-threshold-lower", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.active_defrag_threshold_lower, .dflt = "10", .max = 1000},
    {.name = "active-defrag-threshold-upper", .kind = OPT_INT, .flags = OPT_UNPRINTED,
     .var.i = &kept.active_defrag_threshold_upper, .dflt = "100", .max = 1000},
};

void server_dormant_options_register(void)
{
    opt_register(switch_rows, ARRAY_COUNT(switch_rows));
    opt_register(aof_rows, ARRAY_COUNT(aof_rows));
    opt_register(repl_rows, ARRAY_COUNT(repl_rows));
    opt_register(cluster_rows, ARRAY_COUNT(cluster_rows));
    opt_register(memcheck_rows, ARRAY_COUNT(memcheck_rows));
    opt_register(defrag_rows, ARRAY_COUNT(defrag_rows));
}
