/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists: what takes elements out of them, LPOP to LMOVE, and the same commands waiting for a list
 * to come. A waiting command's handler is the one that doesn't wait and one call more: it looks
 * at its keys, and asks to be run again if it has found nothing (exec/blocking.h).
 * Thread: whoever holds the data token; waiting itself is main's.
 */
#include "base/mem.h"
#include "commands_table.h"
#include "exec/blocking.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "types/list.h"

/* The list under a key for a change; *e_out is NULL if there is none. */
static enum status open_list(struct exec_ctx *ctx, struct arg *key, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, key);
    if (e && unlikely(kv_entry_type(e) != TYPE_LIST)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

/* What follows after `count` elements were taken. */
static void removed(struct exec_ctx *ctx, struct arg *key, struct value v, enum quicklist_end end,
                    uint64_t count)
{
    bool empty = list_length(v) == 0;
    kv_touch(ctx->unit, ctx->db, key);
    kv_dirty(ctx->unit, count);
    kv_event(ctx->unit, KV_EVENT_LIST, end == QUICKLIST_FIRST ? "lpop" : "rpop", ctx->db, key);
    if (empty) kv_delete_empty(ctx->unit, ctx->db, key);
}

/* A command that looks at several keys, or may wait, is repeated as the pop that came of it: of
 * `count` elements, or of one if that is 0. */
static void emit_pop(struct exec_ctx *ctx, const struct arg *key, enum quicklist_end end,
                     uint64_t count)
{
    if (!effect_instead(ctx)) return;
    effect_begin(ctx, count ? 3 : 2);
    effect_text(ctx, end == QUICKLIST_FIRST ? "LPOP" : "RPOP");
    effect_arg(ctx, key);
    if (count) effect_int(ctx, (int64_t)count);
}

/* Takes the element at an end and replies it. */
static void pop_one(struct exec_ctx *ctx, struct arg *key, struct value v, enum quicklist_end end)
{
    char buf[NUM_I64_LEN];
    reply_bulk_view(ctx, quicklist_peek(list_of(v), end, buf));
    quicklist_drop(list_of(v), end);
    removed(ctx, key, v, end, 1);
}

/* Takes up to `count` (at least one) elements and replies an array of them. */
static void pop_many(struct exec_ctx *ctx, struct arg *key, struct value v, enum quicklist_end end,
                     uint64_t count)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    size_t length = list_length(v), n = MIN(count, length);
    bool first = end == QUICKLIST_FIRST;
    reply_array(ctx, n);
    quicklist_iter_init(&it, list_of(v), first ? 0 : length - 1, end);
    for (size_t i = 0; i < n && quicklist_next(&it, &e); i++) {
        reply_bulk_view(ctx, quicklist_entry_view(&e, buf));
    }
    quicklist_iter_end(&it);
    quicklist_remove(list_of(v), first ? 0 : length - n, n);
    removed(ctx, key, v, end, n);
}

/* ---- LPOP, RPOP ---- */

static enum status pop(struct exec_ctx *ctx, enum quicklist_end end)
{
    struct kv_entry *e;
    int64_t count = 1;
    bool many = ctx->argc == 3;
    if (ctx->argc > 3) return reply_arity(ctx);
    if (many && arg_i64_at_least(ctx, 2, 0, "value is out of range, must be positive", &count))
        return STATUS_ERR;
    if (open_list(ctx, &ctx->argv[1], &e)) return STATUS_ERR;
    if (!e) {
        (many ? reply_null_array : reply_null)(ctx);
    } else if (count == 0) {
        reply_array(ctx, 0);
    } else if (many) {
        pop_many(ctx, &ctx->argv[1], kv_entry_value(e), end, (uint64_t)count);
    } else {
        pop_one(ctx, &ctx->argv[1], kv_entry_value(e), end);
    }
    return STATUS_OK;
}

enum status cmd_lpop(struct exec_ctx *ctx)
{
    return pop(ctx, QUICKLIST_FIRST);
}

enum status cmd_rpop(struct exec_ctx *ctx)
{
    return pop(ctx, QUICKLIST_LAST);
}

static enum status arg_end(struct exec_ctx *ctx, int i, enum quicklist_end *end_out)
{
    if (arg_is(&ctx->argv[i], "left"))
        *end_out = QUICKLIST_FIRST;
    else if (arg_is(&ctx->argv[i], "right"))
        *end_out = QUICKLIST_LAST;
    else
        return reply_syntax_error(ctx);
    return STATUS_OK;
}

/* ---- BLPOP, BRPOP ---- */

/* The keys of a waiting command as positions: a run of arguments. */
static enum status wait_for_lists(struct exec_ctx *ctx, int first, int count, int64_t timeout_ms,
                                  void (*on_denied)(struct exec_ctx *ctx))
{
    int small[16];
    int *positions = count <= (int)ARRAY_COUNT(small)
                         ? small
                         : mem_alloc((size_t)count * sizeof(*positions));
    for (int i = 0; i < count; i++) positions[i] = first + i;
    struct block_options o = {.key_positions = positions,
                              .key_count = count,
                              .type = TYPE_LIST,
                              .timeout_ms = timeout_ms,
                              .on_denied = on_denied};
    enum status st = block_on_keys(ctx, &o);
    if (positions != small) mem_free(positions);
    return st;
}

static enum status block_pop(struct exec_ctx *ctx, enum quicklist_end end)
{
    int64_t timeout_ms = 0;
    int ready = block_ready_key(ctx), first = 1, last = ctx->argc - 2;
    if (ready < 0 && block_timeout_arg(ctx, ctx->argc - 1, &timeout_ms)) return STATUS_ERR;
    if (ready >= 0) first = last = ready;
    for (int i = first; i <= last; i++) {
        struct kv_entry *e;
        if (open_list(ctx, &ctx->argv[i], &e)) return STATUS_ERR;
        if (!e) continue;
        reply_array(ctx, 2);
        reply_bulk_view(ctx, arg_view(&ctx->argv[i]));
        emit_pop(ctx, &ctx->argv[i], end, 0);
        pop_one(ctx, &ctx->argv[i], kv_entry_value(e), end);
        return STATUS_OK;
    }
    return wait_for_lists(ctx, 1, ctx->argc - 2, timeout_ms, reply_null_array);
}

enum status cmd_blpop(struct exec_ctx *ctx)
{
    return block_pop(ctx, QUICKLIST_FIRST);
}

enum status cmd_brpop(struct exec_ctx *ctx)
{
    return block_pop(ctx, QUICKLIST_LAST);
}

/* ---- LMPOP, BLMPOP ---- */

struct mpop {
    int first_key, key_count;
    enum quicklist_end end;
    int64_t count;
};

/* The arguments from numkeys on, which is at position i. */
static enum status mpop_args(struct exec_ctx *ctx, int i, struct mpop *m)
{
    int64_t keys;
    if (arg_i64_at_least(ctx, i, 1, "numkeys should be greater than 0", &keys))
        return STATUS_ERR;
    if (keys >= ctx->argc - i - 1) return reply_syntax_error(ctx);
    *m = (struct mpop){.first_key = i + 1, .key_count = (int)keys};
    i += 1 + (int)keys;
    if (arg_end(ctx, i, &m->end)) return STATUS_ERR;
    for (i++; i < ctx->argc; i += 2) {
        if (m->count || i + 1 == ctx->argc || !arg_is(&ctx->argv[i], "count"))
            return reply_syntax_error(ctx);
        if (arg_i64_at_least(ctx, i + 1, 1, "count should be greater than 0", &m->count))
            return STATUS_ERR;
    }
    if (!m->count) m->count = 1;
    return STATUS_OK;
}

/* Serves from the first of the keys that has a list; *done_out says whether one had. */
static enum status mpop_try(struct exec_ctx *ctx, const struct mpop *m, bool *done_out)
{
    int ready = block_ready_key(ctx);
    int first = ready >= 0 ? ready : m->first_key;
    int end = ready >= 0 ? ready + 1 : m->first_key + m->key_count;
    *done_out = false;
    for (int i = first; i < end; i++) {
        struct kv_entry *e;
        if (open_list(ctx, &ctx->argv[i], &e)) return STATUS_ERR;
        if (!e) continue;
        reply_array(ctx, 2);
        reply_bulk_view(ctx, arg_view(&ctx->argv[i]));
        uint64_t n = MIN((uint64_t)m->count, list_length(kv_entry_value(e)));
        emit_pop(ctx, &ctx->argv[i], m->end, n);
        pop_many(ctx, &ctx->argv[i], kv_entry_value(e), m->end, n);
        *done_out = true;
        break;
    }
    return STATUS_OK;
}

enum status cmd_lmpop(struct exec_ctx *ctx)
{
    struct mpop m;
    bool done;
    if (mpop_args(ctx, 1, &m) || mpop_try(ctx, &m, &done)) return STATUS_ERR;
    if (!done) reply_null_array(ctx);
    return STATUS_OK;
}

enum status cmd_blmpop(struct exec_ctx *ctx)
{
    struct mpop m;
    int64_t timeout_ms = 0;
    bool done;
    if (mpop_args(ctx, 2, &m)) return STATUS_ERR;
    if (block_ready_key(ctx) < 0 && block_timeout_arg(ctx, 1, &timeout_ms)) return STATUS_ERR;
    if (mpop_try(ctx, &m, &done)) return STATUS_ERR;
    if (done) return STATUS_OK;
    return wait_for_lists(ctx, m.first_key, m.key_count, timeout_ms, reply_null_array);
}

/* ---- LMOVE, RPOPLPUSH, BLMOVE, BRPOPLPUSH ---- */

/* Puts an element on the list under a key, which is made if need be. */
static void push_one(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                     enum quicklist_end end, struct view text)
{
    struct value v = e ? kv_entry_value(e) : list_new();
    quicklist_push(list_of(v), end, text);
    if (e)
        kv_touch(ctx->unit, ctx->db, key);
    else
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    kv_event(ctx->unit, KV_EVENT_LIST, end == QUICKLIST_FIRST ? "lpush" : "rpush", ctx->db, key);
}

/* Moves an element from the list under argument 1 to the one under argument 2 and replies it.
 * *done_out: there was one. */
static enum status move(struct exec_ctx *ctx, enum quicklist_end from, enum quicklist_end to,
                        bool *done_out)
{
    char buf[NUM_I64_LEN], *copy = NULL;
    struct arg *source = &ctx->argv[1], *target = &ctx->argv[2];
    struct kv_entry *e, *e_target;
    *done_out = false;
    if (open_list(ctx, source, &e)) return STATUS_ERR;
    if (!e) return STATUS_OK;
    /* The list outlives its entry's move, which the second lookup or the insertion may cause. */
    struct value v = kv_entry_value(e);
    if (open_list(ctx, target, &e_target)) return STATUS_ERR;
    struct view text = quicklist_peek(list_of(v), from, buf);
    if (e_target && list_of(kv_entry_value(e_target)) == list_of(v)) {
        copy = mem_dup(text.ptr, text.len); /* a list doesn't take its own bytes */
        text.ptr = copy;
    }
    reply_bulk_view(ctx, text);
    push_one(ctx, target, e_target, to, text);
    quicklist_drop(list_of(v), from);
    removed(ctx, source, v, from, 1);
    mem_free(copy);
    *done_out = true;
    return STATUS_OK;
}

static enum status move_now(struct exec_ctx *ctx, enum quicklist_end from, enum quicklist_end to)
{
    bool done;
    if (move(ctx, from, to, &done)) return STATUS_ERR;
    if (!done) reply_null(ctx);
    return STATUS_OK;
}

/* The words without the timeout, which is the last. */
static void emit_move(struct exec_ctx *ctx, const char *name)
{
    if (!effect_instead(ctx)) return;
    effect_begin(ctx, (size_t)ctx->argc - 1);
    effect_text(ctx, name);
    for (int i = 1; i < ctx->argc - 1; i++) effect_arg(ctx, &ctx->argv[i]);
}

/* `name` is that of the command that doesn't wait. */
static enum status move_or_wait(struct exec_ctx *ctx, const char *name, enum quicklist_end from,
                                enum quicklist_end to)
{
    bool done;
    int64_t timeout_ms = 0;
    if (block_ready_key(ctx) < 0 && block_timeout_arg(ctx, ctx->argc - 1, &timeout_ms))
        return STATUS_ERR;
    if (move(ctx, from, to, &done)) return STATUS_ERR;
    if (!done) return wait_for_lists(ctx, 1, 1, timeout_ms, reply_null);
    emit_move(ctx, name);
    return STATUS_OK;
}

enum status cmd_lmove(struct exec_ctx *ctx)
{
    enum quicklist_end from, to;
    if (arg_end(ctx, 3, &from) || arg_end(ctx, 4, &to)) return STATUS_ERR;
    return move_now(ctx, from, to);
}

enum status cmd_blmove(struct exec_ctx *ctx)
{
    enum quicklist_end from, to;
    if (arg_end(ctx, 3, &from) || arg_end(ctx, 4, &to)) return STATUS_ERR;
    return move_or_wait(ctx, "LMOVE", from, to);
}

enum status cmd_rpoplpush(struct exec_ctx *ctx)
{
    return move_now(ctx, QUICKLIST_LAST, QUICKLIST_FIRST);
}

enum status cmd_brpoplpush(struct exec_ctx *ctx)
{
    return move_or_wait(ctx, "RPOPLPUSH", QUICKLIST_LAST, QUICKLIST_FIRST);
}
