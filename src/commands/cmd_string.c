/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings as whole values: SET and GET with their families. What changes a part of a string is
 * in cmd_string_edit.c, what counts in cmd_string_num.c, LCS in cmd_string_lcs.c.
 *
 * GET and a SET without options are the two commands that decide how fast the server is: both
 * are one lookup, and neither parses anything. Every handler looks its key up once and hands the
 * entry on. Commands with many keys ask for a window of them ahead, so that their cache misses
 * overlap.
 *
 * Thread: whoever holds the data token.
 */
#include "commands_table.h"
#include "exec/command.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "keyspace/settings.h"

/* Keys asked for ahead: enough to cover a miss, few enough for the L1 cache. */
#define WINDOW_KEYS 16

enum set_option {
    OPTION_NX = 1 << 0,
    OPTION_XX = 1 << 1,
    OPTION_GET = 1 << 2,
    OPTION_KEEPTTL = 1 << 3,
    OPTION_PERSIST = 1 << 4,
    OPTION_EX = 1 << 5,
    OPTION_PX = 1 << 6,
    OPTION_EXAT = 1 << 7,
    OPTION_PXAT = 1 << 8
};
#define OPTIONS_TIME (OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT)
#define OPTIONS_TTL (OPTIONS_TIME | OPTION_KEEPTTL | OPTION_PERSIST)

/* A word of SET or GETEX: what it sets and what it can't stand beside. Only the same time word
 * may come twice: the later one wins. */
struct option_row {
    const char *word;
    uint32_t option, conflicts;
    bool has_value;
};

static const struct option_row set_rows[] = {
    {"nx", OPTION_NX, OPTION_XX, false},
    {"xx", OPTION_XX, OPTION_NX, false},
    {"get", OPTION_GET, 0, false},
    {"keepttl", OPTION_KEEPTTL, OPTIONS_TIME, false},
    {"ex", OPTION_EX, OPTIONS_TTL & ~OPTION_EX, true},
    {"px", OPTION_PX, OPTIONS_TTL & ~OPTION_PX, true},
    {"exat", OPTION_EXAT, OPTIONS_TTL & ~OPTION_EXAT, true},
    {"pxat", OPTION_PXAT, OPTIONS_TTL & ~OPTION_PXAT, true},
    {NULL, 0, 0, false},
};

static const struct option_row getex_rows[] = {
    {"persist", OPTION_PERSIST, OPTIONS_TIME, false},
    {"ex", OPTION_EX, OPTIONS_TTL & ~OPTION_EX, true},
    {"px", OPTION_PX, OPTIONS_TTL & ~OPTION_PX, true},
    {"exat", OPTION_EXAT, OPTIONS_TTL & ~OPTION_EXAT, true},
    {"pxat", OPTION_PXAT, OPTIONS_TTL & ~OPTION_PXAT, true},
    {NULL, 0, 0, false},
};

struct set_options {
    uint32_t options;
    int time_arg; /* index of the time, with one of OPTIONS_TIME */
};

static enum status parse_options(struct exec_ctx *ctx, int first, const struct option_row *rows,
                                 struct set_options *out)
{
    *out = (struct set_options){0};
    for (int i = first; i < ctx->argc; i++) {
        const struct option_row *row = rows;
        while (row->word && !arg_is(&ctx->argv[i], row->word)) row++;
        if (!row->word || (out->options & row->conflicts)) return reply_syntax_error(ctx);
        if (row->has_value && ++i == ctx->argc) return reply_syntax_error(ctx);
        if (row->has_value) out->time_arg = i;
        out->options |= row->option;
    }
    return STATUS_OK;
}

/* The moment that argument i stands for; the error names the command. */
static enum status parse_time(struct exec_ctx *ctx, int i, uint32_t option, int64_t *at_ms_out)
{
    int64_t at_ms;
    if (arg_i64(ctx, i, &at_ms)) return STATUS_ERR;
    bool in_range = at_ms > 0;
    if (option & (OPTION_EX | OPTION_EXAT)) in_range &= num_mul_i64(at_ms, 1000, &at_ms);
    if (in_range && (option & (OPTION_EX | OPTION_PX))) {
        in_range = num_add_i64(at_ms, ctx->unit->now_ms, &at_ms);
    }
    if (!in_range) {
        return reply_errorf(ctx, "invalid expire time in '%s' command", ctx->cmd->fullname);
    }
    *at_ms_out = at_ms;
    return STATUS_OK;
}

static void reply_string(struct exec_ctx *ctx, const struct kv_entry *e)
{
    char scratch[KV_SCRATCH];
    reply_bulk_view(ctx, kv_entry_string(e, scratch));
}

static void string_event(struct exec_ctx *ctx, const char *name, const struct arg *key)
{
    kv_event(ctx->unit, KV_EVENT_STRING, name, ctx->db, key);
}

static void generic_event(struct exec_ctx *ctx, const char *name, const struct arg *key)
{
    kv_event(ctx->unit, KV_EVENT_GENERIC, name, ctx->db, key);
}

/* ---- SET and kin ---- */

/* Stores with everything that follows a plain SET. A large value's allocation is taken. */
static struct kv_entry *store(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                              struct arg *value, uint32_t flags)
{
    e = kv_set_arg(ctx->unit, ctx->db, key, e, value, flags);
    kv_dirty(ctx->unit, 1);
    string_event(ctx, "set", key);
    return e;
}

static void store_until(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                        struct arg *value, int64_t at_ms)
{
    if (effect_instead(ctx)) {
        effect_begin(ctx, 5);
        effect_text(ctx, "SET");
        effect_arg(ctx, key);
        effect_arg(ctx, value);
        effect_text(ctx, "PXAT");
        effect_int(ctx, at_ms);
    }
    e = store(ctx, key, e, value, KV_KEEP_TTL);
    kv_expire_set(ctx->unit, ctx->db, key, e, at_ms);
    generic_event(ctx, "expire", key);
}

/* SET without GET: nobody reads the reply where it is repeated. */
static void emit_without_get(struct exec_ctx *ctx)
{
    size_t words = 0;
    if (!effect_instead(ctx)) return;
    for (int i = 0; i < ctx->argc; i++) words += i < 3 || !arg_is(&ctx->argv[i], "get");
    effect_begin(ctx, words);
    for (int i = 0; i < ctx->argc; i++)
        if (i < 3 || !arg_is(&ctx->argv[i], "get")) effect_arg(ctx, &ctx->argv[i]);
}

static enum status set_with_options(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct set_options o;
    int64_t at_ms = 0;
    if (parse_options(ctx, 3, set_rows, &o)) return STATUS_ERR;
    if ((o.options & OPTIONS_TIME) && parse_time(ctx, o.time_arg, o.options, &at_ms)) {
        return STATUS_ERR;
    }

    struct kv_entry *e;
    bool get = o.options & OPTION_GET;
    if (get) {
        e = kv_lookup_read(ctx->unit, ctx->db, key);
        if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
        if (e) {
            reply_string(ctx, e);
        } else {
            reply_null(ctx);
        }
    } else {
        e = kv_lookup_write(ctx->unit, ctx->db, key);
    }
    if ((o.options & OPTION_NX && e) || (o.options & OPTION_XX && !e)) {
        if (!get) reply_null(ctx);
        return STATUS_OK;
    }
    if (o.options & OPTIONS_TIME) {
        store_until(ctx, key, e, &ctx->argv[2], at_ms);
    } else {
        if (get) emit_without_get(ctx);
        store(ctx, key, e, &ctx->argv[2], o.options & OPTION_KEEPTTL ? KV_KEEP_TTL : 0);
    }
    if (!get) reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_set(struct exec_ctx *ctx)
{
    if (unlikely(ctx->argc > 3)) return set_with_options(ctx);
    struct arg *key = &ctx->argv[1];
    store(ctx, key, kv_lookup_write(ctx->unit, ctx->db, key), &ctx->argv[2], 0);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_setnx(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    bool absent = !kv_lookup_write(ctx->unit, ctx->db, key);
    if (absent) store(ctx, key, NULL, &ctx->argv[2], 0);
    reply_int(ctx, absent);
    return STATUS_OK;
}

static enum status set_for_a_time(struct exec_ctx *ctx, uint32_t option)
{
    struct arg *key = &ctx->argv[1];
    int64_t at_ms;
    if (parse_time(ctx, 2, option, &at_ms)) return STATUS_ERR;
    store_until(ctx, key, kv_lookup_write(ctx->unit, ctx->db, key), &ctx->argv[3], at_ms);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_setex(struct exec_ctx *ctx)
{
    return set_for_a_time(ctx, OPTION_EX);
}

enum status cmd_psetex(struct exec_ctx *ctx)
{
    return set_for_a_time(ctx, OPTION_PX);
}

/* ---- GET and kin ---- */

/* Replies the string under the key, or the null; an entry comes back if there is one. */
static enum status get_string(struct exec_ctx *ctx, struct arg *key, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_read(ctx->unit, ctx->db, key);
    if (!e) {
        reply_null(ctx);
    } else if (likely(kv_entry_is_string(e))) {
        reply_string(ctx, e);
    } else {
        return reply_wrongtype(ctx);
    }
    return STATUS_OK;
}

enum status cmd_get(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    return get_string(ctx, &ctx->argv[1], &e);
}

enum status cmd_getset(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e;
    if (get_string(ctx, key, &e)) return STATUS_ERR;
    if (effect_instead(ctx)) {
        effect_begin(ctx, 3);
        effect_text(ctx, "SET");
        effect_arg(ctx, key);
        effect_arg(ctx, &ctx->argv[2]);
    }
    store(ctx, key, e, &ctx->argv[2], 0);
    return STATUS_OK;
}

static void emit_deletion(struct exec_ctx *ctx, const struct arg *key, bool lazy)
{
    if (effect_instead(ctx)) kv_effect_deleted(ctx->unit, ctx->db, arg_view(key), lazy);
}

enum status cmd_getdel(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e;
    if (get_string(ctx, key, &e)) return STATUS_ERR;
    if (!e) return STATUS_OK;
    emit_deletion(ctx, key, kv_settings.lazy_user_del);
    kv_delete(ctx->unit, ctx->db, key, false);
    kv_dirty(ctx->unit, 1);
    generic_event(ctx, "del", key);
    return STATUS_OK;
}

/* What GETEX does to the expiry after it has replied. at_ms: with one of OPTIONS_TIME. */
static void getex_apply(struct exec_ctx *ctx, struct kv_entry *e, uint32_t options, int64_t at_ms)
{
    struct arg *key = &ctx->argv[1];
    if (options & OPTION_PERSIST) {
        if (!kv_entry_is_volatile(e)) return;
        if (effect_instead(ctx)) {
            effect_begin(ctx, 2);
            effect_text(ctx, "PERSIST");
            effect_arg(ctx, key);
        }
        kv_expire_set(ctx->unit, ctx->db, key, e, -1);
        generic_event(ctx, "persist", key);
    } else if (at_ms <= ctx->unit->now_ms) {
        emit_deletion(ctx, key, kv_settings.lazy_expire);
        kv_delete(ctx->unit, ctx->db, key, false);
        generic_event(ctx, "del", key);
    } else {
        if (effect_instead(ctx)) {
            effect_begin(ctx, 3);
            effect_text(ctx, "PEXPIREAT");
            effect_arg(ctx, key);
            effect_int(ctx, at_ms);
        }
        kv_expire_set(ctx->unit, ctx->db, key, e, at_ms);
        generic_event(ctx, "expire", key);
    }
    kv_dirty(ctx->unit, 1);
}

enum status cmd_getex(struct exec_ctx *ctx)
{
    struct set_options o;
    int64_t at_ms = 0;
    if (parse_options(ctx, 2, getex_rows, &o)) return STATUS_ERR;
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (!e) {
        reply_null(ctx);
        return STATUS_OK;
    }
    if (!kv_entry_is_string(e)) return reply_wrongtype(ctx);
    if ((o.options & OPTIONS_TIME) && parse_time(ctx, o.time_arg, o.options, &at_ms)) {
        return STATUS_ERR;
    }
    reply_string(ctx, e);
    if (o.options) getex_apply(ctx, e, o.options, at_ms);
    return STATUS_OK;
}

enum status cmd_strlen(struct exec_ctx *ctx)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && !kv_entry_is_string(e)) return reply_wrongtype(ctx);
    reply_int(ctx, e ? (int64_t)kv_entry_string_len(e) : 0);
    return STATUS_OK;
}

/* ---- many keys ---- */

/* Asks for the keys at i, i + step … of the next window: all buckets, then all entries. */
static void prefetch_window(struct exec_ctx *ctx, int i, int step)
{
    int end = MIN(ctx->argc, i + WINDOW_KEYS * step);
    for (int k = i; k < end; k += step) kv_prefetch_bucket(ctx->db, &ctx->argv[k]);
    for (int k = i; k < end; k += step) kv_prefetch_entry(ctx->db, &ctx->argv[k]);
}

enum status cmd_mget(struct exec_ctx *ctx)
{
    reply_array(ctx, (size_t)ctx->argc - 1);
    for (int i = 1; i < ctx->argc; i++) {
        if ((i - 1) % WINDOW_KEYS == 0) prefetch_window(ctx, i, 1);
        const struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]);
        if (e && kv_entry_is_string(e)) {
            reply_string(ctx, e);
        } else {
            reply_null(ctx);
        }
    }
    return STATUS_OK;
}

static void store_pairs(struct exec_ctx *ctx)
{
    for (int i = 1; i < ctx->argc; i += 2) {
        if ((i - 1) % (2 * WINDOW_KEYS) == 0) prefetch_window(ctx, i, 2);
        struct arg *key = &ctx->argv[i];
        /* Not taken: a key may come twice, and MONITOR still shows the first value. */
        struct arg value = arg_of_view(arg_view(key + 1));
        store(ctx, key, kv_lookup_write(ctx->unit, ctx->db, key), &value, 0);
    }
}

enum status cmd_mset(struct exec_ctx *ctx)
{
    if (ctx->argc % 2 == 0) return reply_arity(ctx);
    store_pairs(ctx);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_msetnx(struct exec_ctx *ctx)
{
    if (ctx->argc % 2 == 0) return reply_arity(ctx);
    for (int i = 1; i < ctx->argc; i += 2) {
        if ((i - 1) % (2 * WINDOW_KEYS) == 0) prefetch_window(ctx, i, 2);
        if (kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[i])) {
            reply_int(ctx, 0);
            return STATUS_OK;
        }
    }
    store_pairs(ctx);
    reply_int(ctx, 1);
    return STATUS_OK;
}
