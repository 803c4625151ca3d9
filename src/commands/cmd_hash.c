/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hashes: HSET to HSCAN. The type itself (types/hash.h) knows nothing of keys, so each handler
 * does the same three steps: look the key up, work on the value that the entry holds, store it
 * back with what follows a change. The steps' common parts are the first functions here.
 *
 * Commands with many fields ask for a window of them ahead, so that cache misses of a large hash
 * overlap. Thread: whoever holds the data token.
 */
#include <math.h>

#include "commands/random_args.h"
#include "commands/scan_args.h"
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "types/hash.h"
#include "types/hashed.h"

/* Fields asked for ahead. */
#define WINDOW_FIELDS 16

/* ---- the three steps ---- */

/* The hash under argument 1 for reading; *found_out says whether there is one. */
static enum status open_read(struct exec_ctx *ctx, struct value *v_out, bool *found_out)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    *found_out = e != NULL;
    if (!e) return STATUS_OK;
    if (unlikely(kv_entry_type(e) != TYPE_HASH)) return reply_wrongtype(ctx);
    *v_out = kv_entry_value(e);
    return STATUS_OK;
}

/* The entry under argument 1 for a change; NULL if there is none. */
static enum status open_write(struct exec_ctx *ctx, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && unlikely(kv_entry_type(e) != TYPE_HASH)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

static struct value value_or_new(const struct kv_entry *e)
{
    return e ? kv_entry_value(e) : hash_new();
}

/* Stores a changed hash, which isn't empty, with its event. */
static void store(struct exec_ctx *ctx, struct kv_entry *e, struct value v, const char *event,
                  uint64_t changes)
{
    struct arg *key = &ctx->argv[1];
    if (e) {
        kv_value_update(e, v);
        kv_touch(ctx->unit, ctx->db, key);
    } else {
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    }
    kv_dirty(ctx->unit, changes);
    kv_event(ctx->unit, KV_EVENT_HASH, event, ctx->db, key);
}

/* Asks for the fields at i, i + step … of the next window: all buckets, then all entries. */
static void prefetch_window(struct exec_ctx *ctx, struct value v, int i, int step)
{
    if (v.enc != ENC_HASHTABLE) return;
    int end = MIN(ctx->argc, i + WINDOW_FIELDS * step);
    for (int k = i; k < end; k += step) hashed_prefetch_place(v, &ctx->argv[k]);
    for (int k = i; k < end; k += step) hashed_prefetch_element(v, &ctx->argv[k]);
}

/* ---- writing ---- */

/* Sets all pairs; *created_out counts the new fields. */
static enum status set_pairs(struct exec_ctx *ctx, int64_t *created_out)
{
    struct kv_entry *e;
    if (ctx->argc % 2 == 1) return reply_arity(ctx);
    if (open_write(ctx, &e)) return STATUS_ERR;
    struct value v = value_or_new(e);
    hash_prepare(&v, &ctx->argv[2], (size_t)ctx->argc - 2);
    int64_t created = 0;
    for (int i = 2; i < ctx->argc; i += 2) {
        if (ctx->argc > 4 && (i - 2) % (2 * WINDOW_FIELDS) == 0) prefetch_window(ctx, v, i, 2);
        created += hash_set(&v, &ctx->argv[i], arg_view(&ctx->argv[i + 1]));
    }
    store(ctx, e, v, "hset", (uint64_t)(ctx->argc - 2) / 2);
    *created_out = created;
    return STATUS_OK;
}

enum status cmd_hset(struct exec_ctx *ctx)
{
    int64_t created;
    if (set_pairs(ctx, &created)) return STATUS_ERR;
    reply_int(ctx, created);
    return STATUS_OK;
}

enum status cmd_hmset(struct exec_ctx *ctx)
{
    int64_t created;
    if (set_pairs(ctx, &created)) return STATUS_ERR;
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_hsetnx(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (e && hash_contains(kv_entry_value(e), &ctx->argv[2])) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    struct value v = value_or_new(e);
    hash_set(&v, &ctx->argv[2], arg_view(&ctx->argv[3]));
    store(ctx, e, v, "hset", 1);
    reply_int(ctx, 1);
    return STATUS_OK;
}

enum status cmd_hdel(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    int64_t removed = 0;
    if (e) {
        struct value v = kv_entry_value(e);
        for (int i = 2; i < ctx->argc && hash_length(v) > 0; i++) {
            if (ctx->argc > 3 && (i - 2) % WINDOW_FIELDS == 0) prefetch_window(ctx, v, i, 1);
            removed += hash_remove(&v, &ctx->argv[i]);
        }
        if (removed) store(ctx, e, v, "hdel", (uint64_t)removed);
        if (removed && hash_length(v) == 0) {
            kv_delete_empty(ctx->unit, ctx->db, &ctx->argv[1]);
        }
    }
    reply_int(ctx, removed);
    return STATUS_OK;
}

enum status cmd_hincrby(struct exec_ctx *ctx)
{
    int64_t number = 0, by;
    char buf[NUM_I64_LEN];
    struct view old;
    struct kv_entry *e;
    if (arg_i64(ctx, 3, &by) || open_write(ctx, &e)) return STATUS_ERR;
    if (e && hash_get(kv_entry_value(e), &ctx->argv[2], buf, &old) &&
        num_parse_i64(old, &number)) {
        return reply_error(ctx, "hash value is not an integer");
    }
    if (!num_add_i64(number, by, &number)) {
        return reply_error(ctx, "increment or decrement would overflow");
    }
    struct value v = value_or_new(e);
    hash_set(&v, &ctx->argv[2], view_of(buf, num_format_i64(buf, number)));
    store(ctx, e, v, "hincrby", 1);
    reply_int(ctx, number);
    return STATUS_OK;
}

enum status cmd_hincrbyfloat(struct exec_ctx *ctx)
{
    long double number = 0, by;
    char buf[NUM_I64_LEN], text[NUM_LD_LEN];
    struct view old;
    struct kv_entry *e;
    if (arg_ld(ctx, 3, &by)) return STATUS_ERR;
    if (isnan(by) || isinf(by)) return reply_error(ctx, "value is NaN or Infinity");
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (e && hash_get(kv_entry_value(e), &ctx->argv[2], buf, &old) && num_parse_ld(old, &number)) {
        return reply_error(ctx, "hash value is not a float");
    }
    number += by;
    if (isnan(number) || isinf(number)) {
        return reply_error(ctx, "increment would produce NaN or Infinity");
    }
    struct value v = value_or_new(e);
    struct view result = view_of(text, num_format_ld_human(text, number));
    if (effect_instead(ctx)) { /* another processor may round otherwise */
        effect_begin(ctx, 4);
        effect_text(ctx, "HSET");
        effect_arg(ctx, &ctx->argv[1]);
        effect_arg(ctx, &ctx->argv[2]);
        effect_view(ctx, result);
    }
    hash_set(&v, &ctx->argv[2], result);
    store(ctx, e, v, "hincrbyfloat", 1);
    reply_bulk_view(ctx, result);
    return STATUS_OK;
}

/* ---- reading one field or several ---- */

static void reply_field(struct exec_ctx *ctx, struct value v, struct arg *field)
{
    char buf[NUM_I64_LEN];
    struct view value;
    if (hash_get(v, field, buf, &value)) {
        reply_bulk_view(ctx, value);
    } else {
        reply_null(ctx);
    }
}

enum status cmd_hget(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found) {
        reply_field(ctx, v, &ctx->argv[2]);
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_hmget(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        if (found) {
            if ((i - 2) % WINDOW_FIELDS == 0) prefetch_window(ctx, v, i, 1);
            reply_field(ctx, v, &ctx->argv[i]);
        } else {
            reply_null(ctx);
        }
    }
    return STATUS_OK;
}

enum status cmd_hexists(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found && hash_contains(v, &ctx->argv[2]));
    return STATUS_OK;
}

enum status cmd_hstrlen(struct exec_ctx *ctx)
{
    struct value v;
    struct view value;
    char buf[NUM_I64_LEN];
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    found = found && hash_get(v, &ctx->argv[2], buf, &value);
    reply_int(ctx, found ? (int64_t)value.len : 0);
    return STATUS_OK;
}

enum status cmd_hlen(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found ? (int64_t)hash_length(v) : 0);
    return STATUS_OK;
}

/* ---- reading all ---- */

static void visit_field(void *ctx, struct view field, struct view value)
{
    UNUSED(value);
    reply_bulk_view(ctx, field);
}

static void visit_value(void *ctx, struct view field, struct view value)
{
    UNUSED(field);
    reply_bulk_view(ctx, value);
}

static void visit_both(void *ctx, struct view field, struct view value)
{
    reply_bulk_view(ctx, field);
    reply_bulk_view(ctx, value);
}

/* A pair as an array of its own, as RESP3 has it in HRANDFIELD. */
static void visit_pair(void *ctx, struct view field, struct view value)
{
    reply_array(ctx, 2);
    visit_both(ctx, field, value);
}

static enum status reply_all(struct exec_ctx *ctx, void (*head)(struct exec_ctx *ctx, size_t n),
                             hash_visit_fn *visit)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    head(ctx, found ? hash_length(v) : 0);
    if (found) hash_each(v, visit, ctx);
    return STATUS_OK;
}

enum status cmd_hgetall(struct exec_ctx *ctx)
{
    return reply_all(ctx, reply_map, visit_both);
}

enum status cmd_hkeys(struct exec_ctx *ctx)
{
    return reply_all(ctx, reply_array, visit_field);
}

enum status cmd_hvals(struct exec_ctx *ctx)
{
    return reply_all(ctx, reply_array, visit_value);
}

struct scan_call {
    const struct scan_args *args;
    struct scan_out *out;
};

static void scan_visit(void *ctx, struct view field, struct view value)
{
    struct scan_call *call = ctx;
    if (!scan_matches(call->args, field)) return;
    scan_out_add(call->out, field);
    scan_out_add(call->out, value);
}

static uint64_t scan_step(struct value v, const struct scan_args *args, struct scan_out *out)
{
    struct scan_call call = {args, out};
    return hash_scan(v, args->cursor, args->count, scan_visit, &call);
}

enum status cmd_hscan(struct exec_ctx *ctx)
{
    return cmd_scan_generic(ctx, TYPE_HASH, scan_step);
}

/* ---- HRANDFIELD ---- */

struct draw_call {
    struct value v;
    hash_visit_fn *visit;
};

static void draw_slice(struct exec_ctx *ctx, size_t n, void *arg)
{
    struct draw_call *call = arg;
    hash_draw(call->v, n, call->visit, ctx);
}

/* Replies `count` random fields: distinct ones, or with repetition if it is negative. */
static void reply_random(struct exec_ctx *ctx, struct value v, int64_t count, bool with_values)
{
    size_t n = count < 0 ? (size_t)-count : MIN((size_t)count, hash_length(v));
    bool nested = with_values && reply_resp(ctx) > 2;
    struct draw_call call = {v, !with_values ? visit_field : nested ? visit_pair : visit_both};
    reply_array(ctx, with_values && !nested ? n * 2 : n);
    if (count < 0) {
        random_in_slices(ctx, n, draw_slice, &call);
    } else if (n) {
        hash_pick(v, n, call.visit, ctx);
    }
}

static enum status random_one(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found) {
        hash_draw(v, 1, visit_field, ctx);
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_hrandfield(struct exec_ctx *ctx)
{
    struct value v;
    bool found, with_values = ctx->argc == 4;
    int64_t count;
    if (ctx->argc == 2) return random_one(ctx);
    if (random_count(ctx, 2, &count)) return STATUS_ERR;
    if (ctx->argc > 4 || (with_values && !arg_is(&ctx->argv[3], "withvalues"))) {
        return reply_syntax_error(ctx);
    }
    if (with_values && (count > INT64_MAX / 2 || count < -INT64_MAX / 2)) {
        return reply_out_of_range(ctx);
    }
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (!found) {
        reply_array(ctx, 0);
        return STATUS_OK;
    }
    if (random_check_repeat(ctx, count)) return STATUS_ERR;
    reply_random(ctx, v, count, with_values);
    return STATUS_OK;
}
