/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on keys whatever their values are: DEL, UNLINK, EXISTS, TOUCH, TYPE, KEYS, RANDOMKEY,
 * RENAME, RENAMENX, COPY, MOVE, OBJECT. Expiry is in cmd_expire.c, SCAN in cmd_scan.c, SORT in
 * cmd_sort.c.
 *
 * Which lookup counts a hit or a miss, moves the access clock or deletes an expired key is
 * visible in INFO, OBJECT IDLETIME and events, and follows stock's observed behaviour.
 * Thread: whoever runs the command.
 */
#include "base/glob.h"
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"

/* ---- DEL, UNLINK, EXISTS, TOUCH, TYPE ---- */

/* Asks for the keys from argument i on, once a window. */
static void prefetch_window(struct exec_ctx *ctx, int i)
{
    if ((i - 1) % KV_PREFETCH_WINDOW != 0 || ctx->argc <= 2) return;
    kv_prefetch_keys(ctx->db, &ctx->argv[i], MIN(ctx->argc - i, KV_PREFETCH_WINDOW));
}

static enum status delete_keys(struct exec_ctx *ctx, bool lazy)
{
    int64_t count = 0;
    for (int i = 1; i < ctx->argc; i++) {
        struct arg *key = &ctx->argv[i];
        prefetch_window(ctx, i);
        if (!kv_delete(ctx->unit, ctx->db, key, lazy)) continue;
        kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, key);
        count++;
    }
    kv_dirty(ctx->unit, (uint64_t)count);
    reply_int(ctx, count);
    return STATUS_OK;
}

enum status cmd_del(struct exec_ctx *ctx)
{
    return delete_keys(ctx, false);
}

enum status cmd_unlink(struct exec_ctx *ctx)
{
    return delete_keys(ctx, true);
}

enum status cmd_exists(struct exec_ctx *ctx)
{
    int64_t count = 0;
    for (int i = 1; i < ctx->argc; i++) {
        prefetch_window(ctx, i);
        count += kv_lookup_quiet(ctx->unit, ctx->db, &ctx->argv[i]) != NULL;
    }
    reply_int(ctx, count);
    return STATUS_OK;
}

enum status cmd_touch(struct exec_ctx *ctx)
{
    int64_t count = 0;
    for (int i = 1; i < ctx->argc; i++) {
        prefetch_window(ctx, i);
        count += kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]) != NULL;
    }
    reply_int(ctx, count);
    return STATUS_OK;
}

enum status cmd_type(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_lookup_quiet(ctx->unit, ctx->db, &ctx->argv[1]);
    reply_status(ctx, e ? type_name(kv_entry_type(e)) : "none");
    return STATUS_OK;
}

/* ---- KEYS, RANDOMKEY ---- */

struct keys_walk {
    struct exec_ctx *ctx;
    struct view pattern;
    bool all;
    size_t count;
};

static void keys_visit(void *arg, struct kv_entry *e)
{
    struct keys_walk *walk = arg;
    struct view key = kv_entry_key(e);
    if (!walk->all && !glob_match(walk->pattern, key, false)) return;
    if (kv_is_expired(walk->ctx->unit, e)) return;
    reply_bulk_view(walk->ctx, key);
    walk->count++;
}

enum status cmd_keys(struct exec_ctx *ctx)
{
    struct keys_walk walk = {.ctx = ctx, .pattern = arg_view(&ctx->argv[1])};
    walk.all = glob_is_all(walk.pattern);
    if (glob_is_literal(walk.pattern)) {
        const struct kv_entry *e = kv_peek(ctx->unit, ctx->db, &ctx->argv[1]);
        reply_array(ctx, e ? 1 : 0);
        if (e) reply_bulk_view(ctx, walk.pattern);
        return STATUS_OK;
    }
    struct reply_deferred head = reply_defer(ctx);
    kv_scan(ctx->db, 0, SIZE_MAX, keys_visit, &walk);
    reply_defer_array(ctx, head, walk.count);
    return STATUS_OK;
}

enum status cmd_randomkey(struct exec_ctx *ctx)
{
    effects_stand_alone(ctx);
    const struct kv_entry *e = kv_random(ctx->unit, ctx->db);
    if (e) {
        reply_bulk_view(ctx, kv_entry_key(e));
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

/* ---- RENAME, RENAMENX ---- */

static enum status rename_key(struct exec_ctx *ctx, bool if_absent)
{
    struct arg *from = &ctx->argv[1], *to = &ctx->argv[2];
    bool same = view_eq(arg_view(from), arg_view(to));
    if (!kv_lookup_write(ctx->unit, ctx->db, from)) return reply_no_such_key(ctx);
    if (if_absent && (same || kv_lookup_write(ctx->unit, ctx->db, to))) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    if (!same) {
        /* What has expired at the new name goes with its own event. */
        kv_lookup_write(ctx->unit, ctx->db, to);
        kv_move(ctx->unit, ctx->db, from, ctx->db, to);
        kv_event(ctx->unit, KV_EVENT_GENERIC, "rename_from", ctx->db, from);
        kv_event(ctx->unit, KV_EVENT_GENERIC, "rename_to", ctx->db, to);
        kv_dirty(ctx->unit, 1);
    }
    if (if_absent) {
        reply_int(ctx, 1);
    } else {
        reply_ok(ctx);
    }
    return STATUS_OK;
}

enum status cmd_rename(struct exec_ctx *ctx)
{
    return rename_key(ctx, false);
}

enum status cmd_renamenx(struct exec_ctx *ctx)
{
    return rename_key(ctx, true);
}

/* ---- COPY, MOVE ---- */

/* The database whose number is argument i; on failure the error is replied. */
static enum status db_arg(struct exec_ctx *ctx, int i, struct kv_db **out)
{
    int64_t id;
    if (arg_i64_range(ctx, i, INT32_MIN, INT32_MAX, NULL, &id)) return STATUS_ERR;
    *out = kv_db(id);
    return *out ? STATUS_OK : reply_error(ctx, "DB index is out of range");
}

static enum status reply_same(struct exec_ctx *ctx)
{
    return reply_error(ctx, "source and destination objects are the same");
}

/* COPY's words behind the keys. */
static enum status copy_options(struct exec_ctx *ctx, struct kv_db **to_db, bool *replace)
{
    *to_db = ctx->db;
    *replace = false;
    for (int i = 3; i < ctx->argc; i++) {
        if (arg_is(&ctx->argv[i], "replace")) {
            *replace = true;
        } else if (arg_is(&ctx->argv[i], "db") && i + 1 < ctx->argc) {
            if (db_arg(ctx, ++i, to_db)) return STATUS_ERR;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

enum status cmd_copy(struct exec_ctx *ctx)
{
    struct arg *from = &ctx->argv[1], *to = &ctx->argv[2];
    struct kv_db *to_db;
    bool replace;
    if (copy_options(ctx, &to_db, &replace)) return STATUS_ERR;
    if (to_db == ctx->db && view_eq(arg_view(from), arg_view(to))) return reply_same(ctx);
    if (!kv_lookup_read(ctx->unit, ctx->db, from) ||
        (kv_lookup_write(ctx->unit, to_db, to) && !replace)) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    kv_copy(ctx->unit, ctx->db, from, to_db, to);
    kv_event(ctx->unit, KV_EVENT_GENERIC, "copy_to", to_db, to);
    kv_dirty(ctx->unit, 1);
    reply_int(ctx, 1);
    return STATUS_OK;
}

enum status cmd_move(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct kv_db *to_db;
    if (db_arg(ctx, 2, &to_db)) return STATUS_ERR;
    if (to_db == ctx->db) return reply_same(ctx);
    if (!kv_lookup_write(ctx->unit, ctx->db, key) || kv_lookup_write(ctx->unit, to_db, key)) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    kv_move(ctx->unit, ctx->db, key, to_db, key);
    kv_event(ctx->unit, KV_EVENT_GENERIC, "move_from", ctx->db, key);
    kv_event(ctx->unit, KV_EVENT_GENERIC, "move_to", to_db, key);
    kv_dirty(ctx->unit, 1);
    reply_int(ctx, 1);
    return STATUS_OK;
}

/* ---- OBJECT ---- */

/* The entry, or NULL after a null reply. Counts as a read, but leaves neither a trace in the
 * access clock, which is what may be asked for, nor the event of a miss. */
static struct kv_entry *object_lookup(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[2];
    struct kv_entry *e = kv_peek(ctx->unit, ctx->db, key);
    if (e) {
        kv_stats()->hits++;
        return e;
    }
    kv_lookup_write(ctx->unit, ctx->db, key); /* deletes an expired one */
    kv_stats()->misses++;
    reply_null(ctx);
    return NULL;
}

enum status cmd_object_encoding(struct exec_ctx *ctx)
{
    const struct kv_entry *e = object_lookup(ctx);
    if (e) reply_bulk_cstr(ctx, enc_name(kv_entry_enc(e)));
    return STATUS_OK;
}

enum status cmd_object_freq(struct exec_ctx *ctx)
{
    const struct kv_entry *e = object_lookup(ctx);
    if (!e) return STATUS_OK;
    if (kv_counts_accesses()) {
        reply_int(ctx, kv_freq(e));
        return STATUS_OK;
    }
    return reply_error(ctx, "An LFU maxmemory policy is not selected, access frequency not "
                            "tracked. Please note that when switching between policies at "
                            "runtime LRU and LFU data will take some time to adjust.");
}

enum status cmd_object_idletime(struct exec_ctx *ctx)
{
    const struct kv_entry *e = object_lookup(ctx);
    if (!e) return STATUS_OK;
    if (kv_counts_accesses())
        return reply_error(ctx, "An LFU maxmemory policy is selected, idle time not tracked. "
                                "Please note that when switching between policies at runtime "
                                "LRU and LFU data will take some time to adjust.");
    reply_int(ctx, kv_idle_seconds(e));
    return STATUS_OK;
}

enum status cmd_object_refcount(struct exec_ctx *ctx)
{
    const struct kv_entry *e = object_lookup(ctx);
    if (e) reply_int(ctx, kv_reported_refcount(e));
    return STATUS_OK;
}

enum status cmd_object_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    How the value at <key> is represented in memory.",
        "FREQ <key>",
        "    How often <key> is used, on a logarithmic scale; under an LFU policy only.",
        "IDLETIME <key>",
        "    Seconds since <key> was last read or written.",
        "REFCOUNT <key>",
        "    How many owners the value at <key> is said to have.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}
