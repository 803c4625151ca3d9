/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEBUG: what tests and the curious need. Each subcommand is a row of `subcommands`; arity and
 * name fail with the same text, as in stock. Whether a client may use DEBUG at all is decided by
 * admission (enable-debug-command). Thread: whoever runs the command.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "commands/debug.h"
#include "commands_table.h"
#include "conf/config_rewrite.h"
#include "exec/effects_tap.h"
#include "exec/loading.h"
#include "exec/reply.h"
#include "exec/settings.h"
#include "exec/token_stress.h"
#include "persist/dump.h"
#include "persist/persist.h"
#include "persist/settings.h"
#include "types/list.h"

/* ---- digests ---- */

static void reply_digest(struct exec_ctx *ctx, const struct digest *d)
{
    static const char digits[] = "0123456789abcdef";
    char text[sizeof(d->bytes) * 2 + 1] = {0};
    for (size_t i = 0; i < sizeof(d->bytes); i++) {
        text[2 * i] = digits[d->bytes[i] >> 4];
        text[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    reply_status(ctx, text);
}

static enum status debug_digest(struct exec_ctx *ctx)
{
    struct digest d;
    kv_digest_all(&d);
    reply_digest(ctx, &d);
    return STATUS_OK;
}

static enum status debug_digest_value(struct exec_ctx *ctx)
{
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        struct digest d = {{0}};
        const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[i]);
        if (e) kv_entry_digest(e, &d);
        reply_digest(ctx, &d);
    }
    return STATUS_OK;
}

/* ---- RELOAD ---- */

static enum status debug_reload(struct exec_ctx *ctx)
{
    bool save = true, keep = false, merge = false;
    if (exec_is_loading()) return loading_refuse(ctx);
    for (int i = 2; i < ctx->argc; i++) {
        if (arg_is(&ctx->argv[i], "nosave")) {
            save = false;
        } else if (arg_is(&ctx->argv[i], "noflush")) {
            keep = true;
        } else if (arg_is(&ctx->argv[i], "merge")) {
            merge = true;
        } else {
            return reply_error(ctx, "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
                                    "options.");
        }
    }
    if (save && persist_save()) return reply_error(ctx, "-ERR");
    switch (persist_reload(keep, merge)) {
    case STATUS_OK: break;
    case STATUS_NOT_FOUND: return reply_error(ctx, "Error trying to load the RDB dump");
    default: return reply_error(ctx, "Error trying to load the RDB dump, check server logs.");
    }
    log_warning("DB reloaded by DEBUG RELOAD");
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- keys ---- */

/* Bytes of the value as a file would hold it. */
static size_t saved_size(const struct kv_entry *e)
{
    struct buf payload = {0};
    dump_save(e, &payload);
    size_t bytes = payload.len - DUMP_EXTRA_BYTES;
    buf_release(&payload);
    return bytes;
}

static void count_bytes(void *bytes, struct view block, bool plain)
{
    UNUSED(plain);
    *(size_t *)bytes += block.len;
}

static void print_list(const struct quicklist *q, struct buf *text)
{
    size_t bytes = 0, nodes = quicklist_nodes(q);
    quicklist_each_block(q, count_bytes, &bytes);
    buf_printf(text,
               " ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d "
               "ql_uncompressed_size:%zu",
               nodes, nodes ? (double)quicklist_count(q) / (double)nodes : 0.0,
               quicklist_node_limit(q), quicklist_depth(q) > 0, bytes);
}

static enum status debug_object(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (!e) return reply_no_such_key(ctx);
    if (!rdb_entry_has_form(e)) return reply_error(ctx, "values of this type can't be saved");
    struct buf text = {0};
    buf_printf(&text,
               "Value at:%p refcount:%lld encoding:%s serializedlength:%zu lru:%u "
               "lru_seconds_idle:%lld",
               (const void *)e, (long long)kv_reported_refcount(e), enc_name(kv_entry_enc(e)),
               saved_size(e), kv_entry_access(e), (long long)kv_idle_seconds(e));
    if (kv_entry_enc(e) == ENC_QUICKLIST) print_list(list_of(kv_entry_value(e)), &text);
    reply_status(ctx, buf_cstr(&text));
    buf_release(&text);
    return STATUS_OK;
}

/* The first `limit` bytes of "value:<n>", filled up with NUL; limit 0: the text as it is. */
static void populate_value(struct buf *value, int64_t n, size_t limit)
{
    buf_clear(value);
    buf_printf(value, "value:%lld", (long long)n);
    if (limit == 0) return;
    if (value->len < limit) {
        buf_reserve(value, limit - value->len);
        memset(value->ptr + value->len, 0, limit - value->len);
    }
    value->len = limit;
}

#define POPULATE_RANGE_ERROR "value is out of range, must be positive"

static enum status debug_populate(struct exec_ctx *ctx)
{
    int64_t count, limit = 0;
    struct view prefix = ctx->argc > 3 ? arg_view(&ctx->argv[3]) : VIEW_LIT("key");
    if (exec_is_loading()) return loading_refuse(ctx);
    if (num_parse_i64(arg_view(&ctx->argv[2]), &count) || count < 0) {
        return reply_error(ctx, POPULATE_RANGE_ERROR);
    }
    if (ctx->argc > 4 && (num_parse_i64(arg_view(&ctx->argv[4]), &limit) || limit < 0 ||
                          (uint64_t)limit > exec_settings.proto_max_bulk_len)) {
        return reply_error(ctx, POPULATE_RANGE_ERROR);
    }
    struct buf name = {0}, value = {0};
    for (int64_t i = 0; i < count; i++) {
        buf_clear(&name);
        buf_append_view(&name, prefix);
        buf_printf(&name, ":%lld", (long long)i);
        struct arg key = arg_of(name.ptr, name.len);
        if (kv_lookup_write(ctx->unit, ctx->db, &key)) continue;
        populate_value(&value, i, (size_t)limit);
        kv_set_string(ctx->unit, ctx->db, &key, NULL, view_of(value.ptr, value.len), KV_NO_INT);
    }
    buf_release(&name);
    buf_release(&value);
    reply_ok(ctx);
    return STATUS_OK;
}

/* A switch as stock reads it: what isn't a number is zero. */
static bool arg_switch(const struct exec_ctx *ctx, int i)
{
    int64_t on;
    return num_parse_i64(arg_view(&ctx->argv[i]), &on) == STATUS_OK && on != 0;
}

static enum status debug_set_active_expire(struct exec_ctx *ctx)
{
    kv_expire_enable(arg_switch(ctx, 2));
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- the server ---- */

static enum status debug_pause_cron(struct exec_ctx *ctx)
{
    exec_settings.cron_paused = arg_switch(ctx, 2);
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status debug_skip_checksums(struct exec_ctx *ctx)
{
    persist_settings.skip_checksums = arg_switch(ctx, 2);
    reply_ok(ctx);
    return STATUS_OK;
}

/* Reply buffers are as large as what they hold here, so there is nothing that could be resized, or
 * reset, at a wrong time; tests that say when may say so. */
static enum status debug_replybuffer(struct exec_ctx *ctx)
{
    const struct arg *what = &ctx->argv[2], *value = &ctx->argv[3];
    int64_t ms;
    if (arg_is(what, "peak-reset-time")) {
        if (!arg_is(value, "never") && !arg_is(value, "reset") && arg_i64(ctx, 3, &ms))
            return STATUS_ERR;
    } else if (!arg_is(what, "resizing")) {
        return reply_unknown_call(ctx);
    }
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status debug_rewrite_all(struct exec_ctx *ctx)
{
    switch (conf_rewrite(CONF_REWRITE_ALL)) {
    case STATUS_OK: break;
    case STATUS_NOT_FOUND: return reply_error(ctx, "The server is running without a config file");
    default: return reply_errorf(ctx, "CONFIG-REWRITE-FORCE-ALL failed: %s", strerror(errno));
    }
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status debug_effects(struct exec_ctx *ctx)
{
    const struct arg *what = &ctx->argv[2];
    if (!arg_is(what, "take")) {
        if (!arg_is(what, "on") && !arg_is(what, "off")) return reply_syntax_error(ctx);
        effects_tap(arg_is(what, "on"));
        reply_ok(ctx);
        return STATUS_OK;
    }
    struct buf taken = {0};
    bool on = effects_tap_take(&taken);
    if (on) reply_bulk_view(ctx, buf_view(&taken));
    buf_release(&taken);
    return on ? STATUS_OK : reply_error(ctx, "DEBUG EFFECTS is off");
}

#define SLEEP_MAX_S 1e6

static enum status debug_sleep(struct exec_ctx *ctx)
{
    /* What isn't a number is no sleep, as in stock. */
    double seconds = 0;
    if (num_parse_double(arg_view(&ctx->argv[2]), &seconds)) seconds = 0;
    seconds = MIN(MAX(seconds, 0.0), SLEEP_MAX_S);
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0) continue;
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status debug_log(struct exec_ctx *ctx)
{
    const struct arg *text = &ctx->argv[2];
    log_write(LOG_LEVEL_WARNING, "DEBUG LOG: %.*s", (int)MIN(text->len, 1024u), text->ptr);
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status debug_error(struct exec_ctx *ctx)
{
    struct buf text = {0};
    buf_append_char(&text, '-');
    buf_append_view(&text, arg_view(&ctx->argv[2]));
    enum status status = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return status;
}

/* ---- replies of each type, for tests of clients ---- */

static void protocol_numbers(struct exec_ctx *ctx)
{
    for (int i = 0; i < 3; i++) reply_int(ctx, i);
}

static enum status protocol_map(struct exec_ctx *ctx)
{
    reply_map(ctx, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(ctx, i);
        reply_bool(ctx, i == 1);
    }
    return STATUS_OK;
}

static enum status protocol_push(struct exec_ctx *ctx)
{
    if (reply_resp(ctx) < 3) return reply_error(ctx, "RESP2 is not supported by this command");
    reply_push(ctx, 2);
    reply_bulk_cstr(ctx, "server-cpu-usage");
    reply_int(ctx, 42);
    reply_bulk_cstr(ctx, "Some real reply following the push reply");
    return STATUS_OK;
}

static void protocol_attribute(struct exec_ctx *ctx)
{
    if (reply_attribute(ctx, 1)) {
        reply_bulk_cstr(ctx, "key-popularity");
        reply_array(ctx, 2);
        reply_bulk_cstr(ctx, "key:123");
        reply_int(ctx, 90);
    }
    reply_bulk_cstr(ctx, "Some real reply following the attribute");
}

static enum status debug_protocol(struct exec_ctx *ctx)
{
    const struct arg *type = &ctx->argv[2];
    if (arg_is(type, "string")) {
        reply_bulk_cstr(ctx, "Hello World");
    } else if (arg_is(type, "integer")) {
        reply_int(ctx, 12345);
    } else if (arg_is(type, "double")) {
        reply_double(ctx, 3.141);
    } else if (arg_is(type, "null")) {
        reply_null(ctx);
    } else if (arg_is(type, "bignum")) {
        static const char digits[] = "1234567999999999999999999999999999999";
        reply_bignum(ctx, digits, sizeof(digits) - 1);
    } else if (arg_is(type, "array")) {
        reply_array(ctx, 3);
        protocol_numbers(ctx);
    } else if (arg_is(type, "set")) {
        reply_set(ctx, 3);
        protocol_numbers(ctx);
    } else if (arg_is(type, "map")) {
        return protocol_map(ctx);
    } else if (arg_is(type, "push")) {
        return protocol_push(ctx);
    } else if (arg_is(type, "attrib")) {
        protocol_attribute(ctx);
    } else if (arg_is(type, "verbatim")) {
        static const char text[] = "This is a verbatim\nstring";
        reply_verbatim(ctx, "txt", text, sizeof(text) - 1);
    } else if (arg_is(type, "true") || arg_is(type, "false")) {
        reply_bool(ctx, arg_is(type, "true"));
    } else {
        return reply_error(ctx, "Wrong protocol type name. Please use one of the following: "
                                "string|integer|double|bignum|null|array|set|map|attrib|push|"
                                "verbatim|true|false");
    }
    return STATUS_OK;
}

static enum status debug_token_stress(struct exec_ctx *ctx)
{
    int64_t threads, rounds;
    if (exec_is_loading()) return loading_refuse(ctx);
    if (arg_i64(ctx, 2, &threads) || arg_i64(ctx, 3, &rounds)) return STATUS_ERR;
    return token_stress(ctx, threads, rounds);
}

/* ---- dispatch ---- */

static enum status debug_help(struct exec_ctx *ctx);

static const struct {
    const char *name;
    int argc_min, argc_max;
    exec_handler *run;
} subcommands[] = {
    {"assert", 2, INT32_MAX, debug_assert},
    {"client-eviction", 2, 2, debug_client_eviction},
    {"config-rewrite-force-all", 2, 2, debug_rewrite_all},
    {"crash-and-recover", 2, INT32_MAX, debug_crash_and_recover},
    {"digest", 2, 2, debug_digest},
    {"digest-value", 2, INT32_MAX, debug_digest_value},
    {"effects", 3, 3, debug_effects},
    {"error", 3, 3, debug_error},
    {"help", 2, 2, debug_help},
    {"htstats", 3, 3, debug_htstats},
    {"htstats-key", 3, 3, debug_htstats_key},
    {"leak", 3, 3, debug_leak},
    {"listpack", 3, 3, debug_listpack},
    {"log", 3, 3, debug_log},
    {"mallctl", 3, INT32_MAX, debug_mallctl},
    {"mallctl-str", 3, INT32_MAX, debug_mallctl_str},
    {"object", 3, 3, debug_object},
    {"oom", 2, INT32_MAX, debug_oom},
    {"panic", 2, INT32_MAX, debug_panic},
    {"pause-cron", 3, 3, debug_pause_cron},
    {"populate", 3, 5, debug_populate},
    {"protocol", 3, 3, debug_protocol},
    {"quicklist", 3, 4, debug_quicklist},
    {"quicklist-packed-threshold", 3, 3, debug_packed_threshold},
    {"reload", 2, INT32_MAX, debug_reload},
    {"replybuffer", 4, 4, debug_replybuffer},
    {"restart", 2, INT32_MAX, debug_restart},
    {"sdslen", 3, 3, debug_sdslen},
    {"segfault", 2, INT32_MAX, debug_segfault},
    {"set-active-expire", 3, 3, debug_set_active_expire},
    {"set-skip-checksum-validation", 3, 3, debug_skip_checksums},
    {"sleep", 3, 3, debug_sleep},
    {"stringmatch-test", 2, 2, debug_stringmatch_test},
    {"structsize", 2, 2, debug_structsize},
    {"token-stress", 4, 4, debug_token_stress},
};

static enum status debug_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "ASSERT",
        "    End by a failed assertion.",
        "CLIENT-EVICTION",
        "    What clients take, as far as maxmemory-clients is about them.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    As CONFIG REWRITE, with a line for each option.",
        "CRASH-AND-RECOVER [<milliseconds>]",
        "    Start anew at once, as if the server had been killed; the new one waits first.",
        "DIGEST",
        "    A checksum of all keys and values.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    A checksum of each key's value.",
        "EFFECTS <ON|OFF|TAKE>",
        "    Collect what changes do, as commands that would repeat them; TAKE replies and",
        "    forgets what has come so far.",
        "ERROR <string>",
        "    Reply <string> as an error.",
        "HTSTATS <db>",
        "    How the table of a database's keys is filled.",
        "HTSTATS-KEY <key>",
        "    The same of the table that is <key>'s value.",
        "LEAK <string>",
        "    Copy <string> and forget the copy.",
        "LISTPACK <key>",
        "    Print a listpack on the server's standard output.",
        "LOG <message>",
        "    Write <message> to the log.",
        "MALLCTL <name> [<value>]",
        "    Read, or set, a number of the allocator's.",
        "MALLCTL-STR <name>",
        "    Read a text of the allocator's.",
        "OBJECT <key>",
        "    How the value at <key> is stored.",
        "OOM",
        "    End by asking for more memory than there is.",
        "PANIC",
        "    End by saying so.",
        "PAUSE-CRON <0|1>",
        "    Stop the periodic work, or go on with it.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make string keys <prefix>:0 to <prefix>:<count - 1> where they don't exist.",
        "    The prefix is 'key' by default.",
        "PROTOCOL <type>",
        "    Reply a value of a type: string, integer, double, bignum, null, array, set,",
        "    map, attrib, push, verbatim, true, false.",
        "QUICKLIST <key> [<0|1>]",
        "    Print a quicklist's nodes on the server's standard output; 1: elements too.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    List elements from this size on get nodes of their own; 0: as the limits say.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save the data, empty the databases and load it again. NOSAVE: load the file",
        "    that is there; NOFLUSH: keep what is in memory; MERGE: the file's keys win.",
        "REPLYBUFFER <PEAK-RESET-TIME <NEVER|RESET|ms>|RESIZING <0|1>>",
        "    When reply buffers change their size. They don't here.",
        "RESTART [<milliseconds>]",
        "    End as SHUTDOWN does, with the options in the config file, and start anew; the new",
        "    server waits first.",
        "SDSLEN <key>",
        "    What a string and its key take, in bytes.",
        "SEGFAULT",
        "    End by writing where that isn't allowed.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether expired keys are deleted though nobody asks for them.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    Whether files and payloads of RESTORE are taken with wrong checksums.",
        "SLEEP <seconds>",
        "    Stop the server for a while; fractions are allowed.",
        "STRINGMATCH-TEST",
        "    Match patterns and texts at random for some seconds.",
        "STRUCTSIZE",
        "    Sizes of some structures, in bytes.",
        "TOKEN-STRESS <threads> <rounds>",
        "    Run commands on worker threads through the data token; replies their errors.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}

enum status cmd_debug(struct exec_ctx *ctx)
{
    const struct arg *name = &ctx->argv[1];
    for (size_t i = 0; i < ARRAY_COUNT(subcommands); i++) {
        if (!arg_is(name, subcommands[i].name)) continue;
        if (ctx->argc < subcommands[i].argc_min || ctx->argc > subcommands[i].argc_max) break;
        return subcommands[i].run(ctx);
    }
    return reply_unknown_call(ctx);
}
