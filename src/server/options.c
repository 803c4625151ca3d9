/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of the process: where it listens, its log, its rhythm, its files; and the rows of
 * base/ and types/, which may not know of options themselves.
 *
 * Thread: main.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/option.h"
#include "exec/client.h"
#include "exec/settings.h"
#include "server/private.h"
#include "types/value.h"

struct server_settings server_settings;

/* ---- bind ---- */

static void get_bind(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    for (size_t i = 0; i < server_settings.bind_count; i++) {
        buf_printf(out, "%s%s", i ? " " : "", server_settings.bind[i]);
    }
}

static void free_bind(void)
{
    for (size_t i = 0; i < server_settings.bind_count; i++) mem_free(server_settings.bind[i]);
    server_settings.bind_count = 0;
}

static enum status set_bind(const struct opt_row *row, const struct view *argv, size_t argc,
                            struct opt_error *err)
{
    UNUSED(row);
    if (argc > SERVER_BIND_MAX) return opt_fail(err, "Too many bind addresses specified.");
    if (argc == 1 && argv[0].len == 0) argc = 0;
    free_bind();
    for (size_t i = 0; i < argc; i++) {
        server_settings.bind[i] = mem_dup(argv[i].ptr, argv[i].len);
    }
    server_settings.bind_count = argc;
    return STATUS_OK;
}

static enum status relisten(void)
{
    driver_close_listeners();
    return server_listen_all();
}

static enum status apply_bind(struct opt_error *err)
{
    return relisten() ? opt_fail(err, "Failed to bind to specified addresses.") : STATUS_OK;
}

static enum status apply_port(struct opt_error *err)
{
    if (relisten()) {
        return opt_fail(err, "Unable to listen on this port. Check server logs.");
    }
    return STATUS_OK;
}

/* ---- directories and files ---- */

static void get_dir(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    char path[PATH_MAX];
    buf_append_cstr(out, getcwd(path, sizeof(path)) ? path : "");
}

static enum status set_dir(const struct opt_row *row, const struct view *argv, size_t argc,
                           struct opt_error *err)
{
    UNUSED(row);
    UNUSED(argc);
    if (chdir(argv[0].ptr)) return opt_fail(err, "%s", strerror(errno));
    return STATUS_OK;
}

/* ---- limits ---- */

static enum status apply_maxclients(struct opt_error *err)
{
    int64_t possible = server_raise_file_limit(exec_settings.maxclients);
    if (possible >= exec_settings.maxclients) return STATUS_OK;
    return opt_fail(err,
                    "The operating system is not able to handle the specified number of clients, "
                    "try with %lld",
                    (long long)possible);
}

static enum status apply_hz(struct opt_error *err)
{
    UNUSED(err);
    if (server_settings.hz < SERVER_HZ_MIN) server_settings.hz = SERVER_HZ_MIN;
    if (server_settings.hz > SERVER_HZ_MAX) server_settings.hz = SERVER_HZ_MAX;
    return STATUS_OK;
}

static enum status apply_loglevel(struct opt_error *err)
{
    UNUSED(err);
    log_set_level((enum log_level)server_settings.loglevel);
    return STATUS_OK;
}

/* ---- rows ---- */

static const struct opt_name loglevel_names[] = {{"debug", LOG_LEVEL_DEBUG},
                                                 {"verbose", LOG_LEVEL_VERBOSE},
                                                 {"notice", LOG_LEVEL_NOTICE},
                                                 {"warning", LOG_LEVEL_WARNING},
                                                 {NULL, 0}};

/* The numbers of RFC 3164. */
static const struct opt_name facility_names[] = {
    {"user", 1},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
    {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23}, {NULL, 0}};

static const struct opt_row network_rows[] = {
    {.name = "bind", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_bind, .set = set_bind,
     .apply = apply_bind, .dflt = "* -::*", .section = OPT_SECTION_NETWORK,
     .doc = "The addresses to listen on: up to 16 of IPv4 or IPv6. * and ::* stand for all "
            "addresses of their kind. One with a - in front may be missing on this machine. An "
            "empty list means that TCP isn't listened on."},
    {.name = "port", .kind = OPT_INT, .var.i = &server_settings.port, .dflt = "6379",
     .max = 65535, .apply = apply_port, .section = OPT_SECTION_NETWORK,
     .doc = "The TCP port; 0 listens on none."},
    {.name = "tcp-backlog", .kind = OPT_INT, .flags = OPT_IMMUTABLE,
     .var.i = &server_settings.tcp_backlog, .dflt = "511", .max = INT_MAX,
     .section = OPT_SECTION_NETWORK,
     .doc = "How many new connections may wait to be accepted. The system caps it "
            "(/proc/sys/net/core/somaxconn)."},
    {.name = "unixsocket", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &server_settings.unixsocket, .section = OPT_SECTION_NETWORK,
     .doc = "The path of a unix socket to listen on as well; empty for none."},
    {.name = "unixsocketperm", .kind = OPT_OCTAL, .flags = OPT_IMMUTABLE,
     .var.i = &server_settings.unixsocketperm, .dflt = "0", .max = 0777,
     .section = OPT_SECTION_NETWORK,
     .doc = "The mode of that socket, in octal; 0 leaves what the umask gives."},
    {.name = "socket-mark-id", .kind = OPT_I64, .flags = OPT_IMMUTABLE,
     .var.i64 = &server_settings.socket_mark, .dflt = "0", .max = UINT_MAX,
     .section = OPT_SECTION_NETWORK,
     .doc = "A mark for the packets of TCP connections, for the rules of a firewall or a router; "
            "0: none. Needs the right to administer the network."},
};

static const struct opt_row general_rows[] = {
    {.name = "daemonize", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &server_settings.daemonize, .dflt = "no", .section = OPT_SECTION_GENERAL,
     .doc = "Go to the background. Then a pid file is written, to /var/run/redis.pid if "
            "`pidfile` doesn't say otherwise."},
    {.name = "pidfile", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &server_settings.pidfile, .section = OPT_SECTION_GENERAL,
     .doc = "Where to write the process' number at start, to be removed at the end."},
    {.name = "dir", .kind = OPT_SPECIAL, .flags = OPT_PROTECTED,
     .get = get_dir, .set = set_dir, .dflt = ".", .section = OPT_SECTION_GENERAL,
     .doc = "The working directory: where relative paths start."},
    {.name = "loglevel", .kind = OPT_ENUM, .var.i = &server_settings.loglevel,
     .names = loglevel_names, .dflt = "notice", .apply = apply_loglevel,
     .section = OPT_SECTION_GENERAL,
     .doc = "How much to log: debug, verbose, notice or warning."},
    {.name = "logfile", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &server_settings.logfile, .section = OPT_SECTION_GENERAL,
     .doc = "The file to log to; empty for standard output."},
    {.name = "syslog-enabled", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &server_settings.syslog, .dflt = "no", .section = OPT_SECTION_GENERAL,
     .doc = "Log to the system's log as well."},
    {.name = "syslog-ident", .kind = OPT_STRING, .flags = OPT_IMMUTABLE,
     .var.text = &server_settings.syslog_ident, .dflt = "redis",
     .section = OPT_SECTION_GENERAL, .doc = "The name that lines have there."},
    {.name = "syslog-facility", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE,
     .var.i = &server_settings.syslog_facility, .names = facility_names, .dflt = "local0",
     .section = OPT_SECTION_GENERAL, .doc = "user, or local0 to local7."},
    {.name = "always-show-logo", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &server_settings.always_show_logo, .dflt = "no", .section = OPT_SECTION_GENERAL,
     .doc = "Print the logo at start even where nobody sees it: into a file or a pipe."},
    {.name = "crash-log-enabled", .kind = OPT_BOOL, .var.b = &server_settings.crash_log,
     .dflt = "yes", .section = OPT_SECTION_GENERAL,
     .doc = "When the server crashes, log what it was doing first."},
    {.name = "hz", .kind = OPT_INT, .var.i = &server_settings.hz, .dflt = "10", .max = INT_MAX,
     .apply = apply_hz, .section = OPT_SECTION_GENERAL,
     .doc = "How many times a second the periodic work is done: deleting expired keys, closing "
            "idle connections. 1 to 500; above 100 is rarely useful."},
    {.name = "dynamic-hz", .kind = OPT_BOOL, .var.b = &server_settings.dynamic_hz,
     .dflt = "yes", .section = OPT_SECTION_GENERAL,
     .doc = "Work more often while many clients are connected."},
};

static const struct opt_row other_rows[] = {
    {.name = "maxclients", .kind = OPT_I64, .var.i64 = &exec_settings.maxclients,
     .dflt = "10000", .min = 1, .max = UINT_MAX, .apply = apply_maxclients,
     .section = OPT_SECTION_CLIENTS,
     .doc = "How many clients may be connected at once. At start it is lowered to what the limit "
            "of open files allows."},
    {.name = "hash-max-listpack-entries", .alias = "hash-max-ziplist-entries", .kind = OPT_SIZE,
     .var.size = &type_limits.hash_max_listpack_entries, .dflt = "512", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING, .doc = "Most fields of a hash in compact form."},
    {.name = "hash-max-listpack-value", .alias = "hash-max-ziplist-value", .kind = OPT_MEMORY,
     .var.size = &type_limits.hash_max_listpack_value, .dflt = "64", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "Longest field name or value, in bytes, of a hash in compact form."},
    {.name = "list-max-listpack-size", .alias = "list-max-ziplist-size", .kind = OPT_INT,
     .var.i = &type_limits.list_max_listpack_size, .dflt = "-2", .min = INT_MIN, .max = INT_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "How large the nodes of a list grow: -1 to -5 for 4, 8, 16, 32 or 64 KB, a positive "
            "number for so many elements. New lists take it."},
    {.name = "list-compress-depth", .kind = OPT_INT, .var.i = &type_limits.list_compress_depth,
     .dflt = "0", .max = INT_MAX, .section = OPT_SECTION_ENCODING,
     .doc = "How many nodes at each end of a list stay uncompressed; 0 compresses none. New "
            "lists take it."},
    {.name = "set-max-intset-entries", .kind = OPT_SIZE,
     .var.size = &type_limits.set_max_intset_entries, .dflt = "512", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING, .doc = "Most members of a set of integers in compact form."},
    {.name = "zset-max-listpack-entries", .alias = "zset-max-ziplist-entries", .kind = OPT_SIZE,
     .var.size = &type_limits.zset_max_listpack_entries, .dflt = "128", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING, .doc = "Most members of a sorted set in compact form."},
    {.name = "zset-max-listpack-value", .alias = "zset-max-ziplist-value", .kind = OPT_MEMORY,
     .var.size = &type_limits.zset_max_listpack_value, .dflt = "64", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "Longest member, in bytes, of a sorted set in compact form."},
    {.name = "hll-sparse-max-bytes", .kind = OPT_MEMORY,
     .var.size = &type_limits.hll_sparse_max_bytes, .dflt = "3000", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "Longest HyperLogLog, in bytes, in compact form; the other form takes 12304."},
    {.name = "stream-node-max-bytes", .kind = OPT_MEMORY,
     .var.size = &type_limits.stream_node_max_bytes, .dflt = "4096", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "Size, in bytes, of a stream's block of entries; 0: no limit."},
    {.name = "stream-node-max-entries", .kind = OPT_SIZE,
     .var.size = &type_limits.stream_node_max_entries, .dflt = "100", .max = INT64_MAX,
     .section = OPT_SECTION_ENCODING,
     .doc = "Most entries in a block of a stream; 0: no limit."},
};

void server_options_register(void)
{
    opt_register(network_rows, ARRAY_COUNT(network_rows));
    opt_register(general_rows, ARRAY_COUNT(general_rows));
    opt_register(other_rows, ARRAY_COUNT(other_rows));
    server_tls_options_register();
    server_os_options_register();
    server_title_options_register();
    server_watchdog_options_register();
    server_dormant_options_register();
}

void server_options_release(void)
{
    free_bind();
}
