/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets: SADD to SSCAN. As in cmd_hash.c a handler looks the key up, works on the value that the
 * entry holds, and stores it back with what follows a change.
 *
 * Thread: whoever holds the data token.
 */
#include "commands/random_args.h"
#include "commands/scan_args.h"
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "types/set.h"
#include "types/hashed.h"

/* Members asked for ahead. */
#define WINDOW_MEMBERS 16

/* ---- the three steps ---- */

/* The set under argument 1 for reading; *found_out says whether there is one. */
static enum status open_read(struct exec_ctx *ctx, struct value *v_out, bool *found_out)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    *found_out = e != NULL;
    if (!e) return STATUS_OK;
    if (unlikely(kv_entry_type(e) != TYPE_SET)) return reply_wrongtype(ctx);
    *v_out = kv_entry_value(e);
    return STATUS_OK;
}

/* The entry under argument 1 for a change; NULL if there is none. */
static enum status open_write(struct exec_ctx *ctx, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && unlikely(kv_entry_type(e) != TYPE_SET)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

static void set_event(struct exec_ctx *ctx, const char *event, struct arg *key, uint64_t changes)
{
    kv_dirty(ctx->unit, changes);
    kv_event(ctx->unit, KV_EVENT_SET, event, ctx->db, key);
}

/* Stores a set after additions. */
static void store_added(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e, struct value v,
                        uint64_t added)
{
    if (e) {
        kv_value_update(e, v);
        if (!added) return; /* the encoding may have changed all the same */
        kv_touch(ctx->unit, ctx->db, key);
    } else {
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    }
    set_event(ctx, "sadd", key, added);
}

/* Stores a set after removals; an empty one is deleted. */
static void store_removed(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                          struct value v, const char *event, uint64_t removed)
{
    kv_value_update(e, v);
    if (!removed) return;
    kv_touch(ctx->unit, ctx->db, key);
    set_event(ctx, event, key, removed);
    if (set_length(v) == 0) kv_delete_empty(ctx->unit, ctx->db, key);
}

/* Asks for the members from argument i on, as many as a window holds. */
static void prefetch_window(struct exec_ctx *ctx, struct value v, int i)
{
    if (v.enc != ENC_HASHTABLE) return;
    int end = MIN(ctx->argc, i + WINDOW_MEMBERS);
    for (int k = i; k < end; k++) hashed_prefetch_place(v, &ctx->argv[k]);
    for (int k = i; k < end; k++) hashed_prefetch_element(v, &ctx->argv[k]);
}

/* ---- writing ---- */

enum status cmd_sadd(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    struct value v = e ? kv_entry_value(e) : set_new();
    int64_t added = 0;
    for (int i = 2; i < ctx->argc; i++) {
        if (ctx->argc > 3 && (i - 2) % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i);
        added += set_add(&v, &ctx->argv[i]);
    }
    store_added(ctx, &ctx->argv[1], e, v, (uint64_t)added);
    reply_int(ctx, added);
    return STATUS_OK;
}

enum status cmd_srem(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    int64_t removed = 0;
    if (e) {
        struct value v = kv_entry_value(e);
        for (int i = 2; i < ctx->argc && set_length(v) > 0; i++) {
            if (ctx->argc > 3 && (i - 2) % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i);
            removed += set_remove(&v, &ctx->argv[i]);
        }
        store_removed(ctx, &ctx->argv[1], e, v, "srem", (uint64_t)removed);
    }
    reply_int(ctx, removed);
    return STATUS_OK;
}

/* Moves a member between two sets; false if it isn't in the first. `to` may have no entry. */
static bool move_member(struct exec_ctx *ctx, struct arg *from, struct kv_entry *from_e,
                        struct arg *to, struct arg *member)
{
    struct value v = kv_entry_value(from_e);
    if (!set_remove(&v, member)) return false;
    store_removed(ctx, from, from_e, v, "srem", 1);

    struct kv_entry *to_e = kv_peek(ctx->unit, ctx->db, to);
    v = to_e ? kv_entry_value(to_e) : set_new();
    bool added = set_add(&v, member);
    store_added(ctx, to, to_e, v, added);
    return true;
}

enum status cmd_smove(struct exec_ctx *ctx)
{
    struct arg *from = &ctx->argv[1], *to = &ctx->argv[2], *member = &ctx->argv[3];
    kv_lookup_write(ctx->unit, ctx->db, from);
    struct kv_entry *to_e = kv_lookup_write(ctx->unit, ctx->db, to);
    /* Again, since the second lookup may have deleted an expired key. */
    struct kv_entry *from_e = kv_peek(ctx->unit, ctx->db, from);
    if (!from_e) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    if (kv_entry_type(from_e) != TYPE_SET || (to_e && kv_entry_type(to_e) != TYPE_SET)) {
        return reply_wrongtype(ctx);
    }
    if (from_e == to_e) {
        reply_int(ctx, set_contains(kv_entry_value(from_e), member));
    } else {
        reply_int(ctx, move_member(ctx, from, from_e, to, member));
    }
    return STATUS_OK;
}

/* ---- reading ---- */

enum status cmd_sismember(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found && set_contains(v, &ctx->argv[2]));
    return STATUS_OK;
}

enum status cmd_smismember(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        if (found && (i - 2) % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i);
        reply_int(ctx, found && set_contains(v, &ctx->argv[i]));
    }
    return STATUS_OK;
}

enum status cmd_scard(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found ? (int64_t)set_length(v) : 0);
    return STATUS_OK;
}

static void visit_member(void *ctx, struct view member)
{
    reply_bulk_view(ctx, member);
}

enum status cmd_smembers(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_set(ctx, found ? set_length(v) : 0);
    if (found) set_each(v, visit_member, ctx);
    return STATUS_OK;
}

struct scan_call {
    const struct scan_args *args;
    struct scan_out *out;
};

static void scan_visit(void *ctx, struct view member)
{
    struct scan_call *call = ctx;
    if (scan_matches(call->args, member)) scan_out_add(call->out, member);
}

static uint64_t scan_step(struct value v, const struct scan_args *args, struct scan_out *out)
{
    struct scan_call call = {args, out};
    return set_scan(v, args->cursor, args->count, scan_visit, &call);
}

enum status cmd_sscan(struct exec_ctx *ctx)
{
    return cmd_scan_generic(ctx, TYPE_SET, scan_step);
}

/* ---- random members ---- */

/* Members that one SREM names at most. */
#define SREM_MEMBERS 1024

/* What SPOP takes is replied, and repeated elsewhere by name. */
struct popped {
    struct exec_ctx *ctx;
    bool emits;
    size_t left, in_effect; /* members to come, in all and in the effect that was begun */
};

static void visit_popped(void *arg, struct view member)
{
    struct popped *p = arg;
    reply_bulk_view(p->ctx, member);
    if (!p->emits) return;
    if (!p->in_effect) {
        p->in_effect = MIN(p->left, SREM_MEMBERS);
        effect_begin(p->ctx, 2 + p->in_effect);
        effect_text(p->ctx, "SREM");
        effect_arg(p->ctx, &p->ctx->argv[1]);
    }
    effect_view(p->ctx, member);
    p->in_effect--;
    p->left--;
}

/* Takes n members. All of a set are its deletion, if they were asked for by number. */
static void pop(struct exec_ctx *ctx, struct kv_entry *e, size_t n)
{
    struct value v = kv_entry_value(e);
    struct popped popped = {.ctx = ctx, .emits = effect_instead(ctx), .left = n};
    if (popped.emits && ctx->argc > 2 && n == set_length(v)) {
        popped.emits = false;
        kv_effect_deleted(ctx->unit, ctx->db, arg_view(&ctx->argv[1]), false);
    }
    set_pop(&v, n, visit_popped, &popped);
    store_removed(ctx, &ctx->argv[1], e, v, "spop", n);
}

static enum status spop_one(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e) {
        reply_null(ctx);
        return STATUS_OK;
    }
    pop(ctx, e, 1);
    return STATUS_OK;
}

enum status cmd_spop(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    int64_t count;
    if (ctx->argc == 2) return spop_one(ctx);
    if (ctx->argc > 3) return reply_syntax_error(ctx);
    if (num_parse_i64(arg_view(&ctx->argv[2]), &count) || count < 0) {
        return reply_error(ctx, "value is out of range, must be positive");
    }
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e || count == 0) {
        reply_set(ctx, 0);
        return STATUS_OK;
    }
    size_t n = MIN((size_t)count, set_length(kv_entry_value(e)));
    reply_set(ctx, n);
    pop(ctx, e, n);
    return STATUS_OK;
}

static void draw_slice(struct exec_ctx *ctx, size_t n, void *arg)
{
    const struct value *v = arg;
    set_draw(*v, n, visit_member, ctx);
}

static enum status srandmember_one(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found) {
        set_draw(v, 1, visit_member, ctx);
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_srandmember(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    int64_t count;
    if (ctx->argc == 2) return srandmember_one(ctx);
    if (ctx->argc > 3) return reply_syntax_error(ctx);
    if (random_count(ctx, 2, &count) || open_read(ctx, &v, &found)) return STATUS_ERR;
    if (!found || count == 0) {
        reply_array(ctx, 0);
    } else if (count < 0) {
        if (random_check_repeat(ctx, count)) return STATUS_ERR;
        reply_array(ctx, (size_t)-count);
        random_in_slices(ctx, (size_t)-count, draw_slice, &v);
    } else {
        size_t n = MIN((size_t)count, set_length(v));
        reply_array(ctx, n);
        set_pick(v, n, visit_member, ctx);
    }
    return STATUS_OK;
}
