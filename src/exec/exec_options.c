/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of clients and of running commands, as rows. maxclients is a row of server/,
 * since changing it means more than a number; its variable is here.
 *
 * Thread: main.
 */
#include <limits.h>

#include "base/num.h"
#include "conf/config_file.h"
#include "conf/option.h"
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/io_impl.h"
#include "exec/settings.h"

struct exec_settings exec_settings;

static const struct opt_name activity_names[] = {{"auto", IO_ACTIVITY_AUTO},
                                                 {"always", IO_ACTIVITY_ALWAYS},
                                                 {"never", IO_ACTIVITY_NEVER},
                                                 {NULL, 0}};

static const struct opt_name access_names[] = {
    {"no", ACCESS_NO}, {"yes", ACCESS_YES}, {"local", ACCESS_LOCAL}, {NULL, 0}};

static enum status activity_apply(struct opt_error *err)
{
    UNUSED(err);
    io_activity_changed();
    return STATUS_OK;
}

/* ---- client-output-buffer-limit ---- */

static const struct opt_name class_names[] = {{"normal", CLIENT_CLASS_NORMAL},
                                              {"slave", CLIENT_CLASS_REPLICA},
                                              {"replica", CLIENT_CLASS_REPLICA},
                                              {"pubsub", CLIENT_CLASS_PUBSUB},
                                              {NULL, 0}};

static void get_output_limits(const struct opt_row *row, struct buf *out)
{
    static const char *const names[CLIENT_CLASS_COUNT] = {"normal", "slave", "pubsub"};
    UNUSED(row);
    for (int i = 0; i < CLIENT_CLASS_COUNT; i++) {
        const struct output_limit *l = &exec_settings.output_limits[i];
        buf_printf(out, "%s%s %llu %llu %lld", i ? " " : "", names[i],
                   (unsigned long long)l->hard_bytes, (unsigned long long)l->soft_bytes,
                   (long long)l->soft_seconds);
    }
}

static int class_of(struct view name)
{
    for (const struct opt_name *n = class_names; n->name; n++) {
        if (view_eq_nocase(name, n->name)) return n->value;
    }
    return -1;
}

/* argv: hard limit, soft limit, seconds. */
static enum status parse_output_limit(const struct view *argv, struct output_limit *out)
{
    if (num_parse_memory(argv[0], &out->hard_bytes)) return STATUS_SYNTAX;
    if (num_parse_memory(argv[1], &out->soft_bytes)) return STATUS_SYNTAX;
    if (num_parse_i64(argv[2], &out->soft_seconds)) return STATUS_SYNTAX;
    return out->soft_seconds < 0 ? STATUS_RANGE : STATUS_OK;
}

static enum status set_output_limits(const struct opt_row *row, const struct view *argv,
                                     size_t argc, struct opt_error *err)
{
    UNUSED(row);
    struct output_limit limits[CLIENT_CLASS_COUNT];
    memcpy(limits, exec_settings.output_limits, sizeof(limits));
    if (argc % 4) {
        return opt_fail(err, "Wrong number of arguments in buffer limit configuration.");
    }
    for (size_t i = 0; i < argc; i += 4) {
        int class_ = class_of(argv[i]);
        if (class_ < 0) {
            return opt_fail(err, "Invalid client class specified in buffer limit configuration.");
        }
        if (parse_output_limit(argv + i + 1, &limits[class_])) {
            return opt_fail(err, "Error in hard, soft or soft_seconds setting in buffer limit "
                                 "configuration.");
        }
    }
    memcpy(exec_settings.output_limits, limits, sizeof(limits));
    return STATUS_OK;
}

/* ---- rename-command ---- */

/* rename-command <name> <new name, or "">. */
static enum status rename_command(const struct view *argv, size_t argc, struct opt_error *err)
{
    if (argc != 2) return opt_fail(err, "Bad directive or wrong number of arguments");
    switch (command_rename(argv[0], argv[1])) {
    case STATUS_OK: return STATUS_OK;
    case STATUS_EXISTS: return opt_fail(err, "Target command name already exists");
    default: return opt_fail(err, "No such command in rename-command");
    }
}

/* ---- rows ---- */

static const struct opt_row rows[] = {
    {.name = "protected-mode", .kind = OPT_BOOL, .var.b = &exec_settings.protected_mode,
     .dflt = "yes", .section = OPT_SECTION_NETWORK,
     .doc = "While no password is set, serve only connections from this machine: a server that was "
            "started without a thought isn't open to the world."},
    {.name = "timeout", .kind = OPT_I64, .var.i64 = &exec_settings.timeout_s, .dflt = "0",
     .max = INT_MAX, .section = OPT_SECTION_NETWORK,
     .doc = "Close a connection after this many seconds without a command (0: never)."},
    {.name = "tcp-keepalive", .kind = OPT_I64, .var.i64 = &exec_settings.tcp_keepalive_s,
     .dflt = "300", .max = INT_MAX, .section = OPT_SECTION_NETWORK,
     .doc = "Let the kernel probe a silent peer after this many seconds, so that one that "
            "vanished is noticed and routers in between don't forget the connection (0: off)."},
    {.name = "io-threads", .kind = OPT_INT, .flags = OPT_IMMUTABLE,
     .var.i = &exec_settings.io_threads, .dflt = "1", .min = 1, .max = IO_THREADS_MAX,
     .section = OPT_SECTION_NETWORK,
     .doc = "How many threads serve connections, the main one among them. With 1 it does "
            "everything. More take the writing to sockets off it, and encryption with it, for a "
            "server with many clients and processors to spare; commands still run one at a time. "
            "What is given here is used as it is: with fewer than three processors leave it at 1, "
            "and otherwise have at least one processor more than threads."},
    {.name = "io-threads-do-reads", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &exec_settings.io_threads_do_reads, .dflt = "no", .section = OPT_SECTION_NETWORK,
     .doc = "Whether these threads also read and parse requests. Who wants io-threads at all "
            "most likely wants this, too: without it TLS stays with the main thread."},
    {.name = "io-threads-active", .kind = OPT_ENUM, .var.i = &exec_settings.io_threads_active,
     .names = activity_names, .dflt = "auto", .apply = activity_apply,
     .section = OPT_SECTION_NETWORK,
     .doc = "When these threads work. With auto they rest while the main thread has time for all "
            "connections itself, as each request costs less then, and are called when it hasn't; "
            "with always they never rest, with never they always do."},
    {.name = "enable-debug-command", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE,
     .var.i = &exec_settings.enable_debug_command, .names = access_names, .dflt = "no",
     .section = OPT_SECTION_SECURITY,
     .doc = "Who may use DEBUG, with which a client can stop or crash the server: no (nobody), "
            "yes, or local (connections from this machine)."},
    {.name = "enable-protected-configs", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE,
     .var.i = &exec_settings.enable_protected_configs, .names = access_names, .dflt = "no",
     .section = OPT_SECTION_SECURITY,
     .doc = "Who may change, while the server runs, the options with which files could be "
            "overwritten (dir): no, yes, or local."},
    {.name = "enable-module-command", .kind = OPT_ENUM, .flags = OPT_IMMUTABLE,
     .var.i = &exec_settings.enable_module_command, .names = access_names, .dflt = "no",
     .section = OPT_SECTION_SECURITY,
     .doc = "Who may use MODULE, with which a client can run any code in the server: no, yes, or "
            "local."},
    {.name = "client-query-buffer-limit", .kind = OPT_MEMORY,
     .var.size = &exec_settings.query_buffer_limit, .dflt = "1gb", .min = 1 << 20,
     .max = INT64_MAX, .section = OPT_SECTION_CLIENTS,
     .doc = "A client whose unread and unfinished requests take more memory than this is "
            "disconnected."},
    {.name = "client-output-buffer-limit", .kind = OPT_SPECIAL, .flags = OPT_MULTI,
     .get = get_output_limits, .set = set_output_limits,
     .dflt = "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
     .section = OPT_SECTION_CLIENTS,
     .doc = "Disconnect a client that doesn't read its replies. For each class (normal, slave, "
            "pubsub): a hard limit, and a soft limit that may be exceeded for some seconds. 0 is "
            "no limit."},
    {.name = "proto-max-bulk-len", .kind = OPT_MEMORY,
     .var.size = &exec_settings.proto_max_bulk_len, .dflt = "512mb", .min = 1 << 20,
     .max = INT64_MAX, .section = OPT_SECTION_CLIENTS,
     .doc = "The longest single argument of a request, and the longest string value."},
    {.name = "busy-reply-threshold", .alias = "lua-time-limit", .kind = OPT_I64,
     .var.i64 = &exec_settings.busy_reply_threshold_ms, .dflt = "5000", .max = INT64_MAX,
     .section = OPT_SECTION_SCRIPTS,
     .doc = "When something has held the data for this many milliseconds, answer clients with "
            "-BUSY instead of letting them wait (0: never)."},
};

void exec_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
    client__limit_options();
    conf_directive_add("rename-command", rename_command);
}
