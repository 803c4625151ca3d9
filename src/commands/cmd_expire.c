/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times to live: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST.
 *
 * Every setter is turned into a moment in unix milliseconds; a moment that has come already
 * deletes the key at once. Order of checks, and what counts as an invalid time, are stock's
 * observed behaviour. Thread: whoever runs the command.
 */
#include "commands_table.h"
#include "exec/command.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "keyspace/settings.h"

/* ---- setting ---- */

enum expire_flag {
    EXPIRE_NX = 1 << 0, /* only if there's no expiry */
    EXPIRE_XX = 1 << 1, /* only if there is one */
    EXPIRE_GT = 1 << 2, /* only if the new one is later */
    EXPIRE_LT = 1 << 3  /* only if the new one is earlier */
};

static enum status parse_flags(struct exec_ctx *ctx, unsigned *flags_out)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", EXPIRE_NX}, {"xx", EXPIRE_XX}, {"gt", EXPIRE_GT}, {"lt", EXPIRE_LT}};
    unsigned flags = 0;
    for (int i = 3; i < ctx->argc; i++) {
        const struct arg *a = &ctx->argv[i];
        size_t w = 0;
        while (w < ARRAY_COUNT(words) && !arg_is(a, words[w].word)) w++;
        if (w == ARRAY_COUNT(words)) {
            return reply_errorf(ctx, "Unsupported option %.*s", reply_text_len(a->len), a->ptr);
        }
        flags |= words[w].flag;
    }
    if ((flags & EXPIRE_NX) && (flags & ~(unsigned)EXPIRE_NX)) {
        return reply_error(ctx, "NX and XX, GT or LT options at the same time are not compatible");
    }
    if ((flags & EXPIRE_GT) && (flags & EXPIRE_LT)) {
        return reply_error(ctx, "GT and LT options at the same time are not compatible");
    }
    *flags_out = flags;
    return STATUS_OK;
}

/* Argument 2 as a moment: `unit_ms` milliseconds each, counted from base_ms. */
static enum status parse_moment(struct exec_ctx *ctx, int64_t base_ms, int64_t unit_ms,
                                int64_t *at_ms_out)
{
    int64_t n;
    if (arg_i64(ctx, 2, &n)) return STATUS_ERR;
    if (num_mul_i64(n, unit_ms, &n) && num_add_i64(n, base_ms, at_ms_out)) return STATUS_OK;
    return reply_errorf(ctx, "invalid expire time in '%s' command", ctx->cmd->fullname);
}

/* Whether the flags let a key that expires at old_ms (-1: never) have at_ms instead. Never is
 * later than any moment. */
static bool flags_allow(unsigned flags, int64_t old_ms, int64_t at_ms)
{
    if ((flags & EXPIRE_NX) && old_ms >= 0) return false;
    if ((flags & EXPIRE_XX) && old_ms < 0) return false;
    if ((flags & EXPIRE_GT) && (old_ms < 0 || at_ms <= old_ms)) return false;
    if ((flags & EXPIRE_LT) && old_ms >= 0 && at_ms >= old_ms) return false;
    return true;
}

/* What is repeated elsewhere happens later: the moment is what counts, or that the key is gone. */
static void emit_expiry(struct exec_ctx *ctx, bool deleted, int64_t at_ms)
{
    if (!effect_instead(ctx)) return;
    if (deleted) {
        kv_effect_deleted(ctx->unit, ctx->db, arg_view(&ctx->argv[1]), kv_settings.lazy_expire);
        return;
    }
    effect_begin(ctx, (size_t)ctx->argc);
    effect_text(ctx, "PEXPIREAT");
    effect_arg(ctx, &ctx->argv[1]);
    effect_int(ctx, at_ms);
    for (int i = 3; i < ctx->argc; i++) effect_arg(ctx, &ctx->argv[i]);
}

static enum status set_expiry(struct exec_ctx *ctx, bool relative, int64_t unit_ms)
{
    struct kv_unit *unit = ctx->unit;
    struct arg *key = &ctx->argv[1];
    unsigned flags = 0;
    int64_t at_ms = 0;
    if (parse_flags(ctx, &flags)) return STATUS_ERR;
    if (parse_moment(ctx, relative ? unit->now_ms : 0, unit_ms, &at_ms)) return STATUS_ERR;
    struct kv_entry *e = kv_lookup_write(unit, ctx->db, key);
    if (!e || !flags_allow(flags, kv_entry_expire_ms(e), at_ms)) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    bool past = at_ms <= unit->now_ms && !(unit->flags & KV_UNIT_NO_EXPIRE);
    if (past) {
        kv_delete(unit, ctx->db, key, false);
        kv_event(unit, KV_EVENT_GENERIC, "del", ctx->db, key);
    } else {
        kv_expire_set(unit, ctx->db, key, e, MAX(at_ms, 0));
        kv_event(unit, KV_EVENT_GENERIC, "expire", ctx->db, key);
    }
    kv_dirty(unit, 1);
    emit_expiry(ctx, past, at_ms);
    reply_int(ctx, 1);
    return STATUS_OK;
}

enum status cmd_expire(struct exec_ctx *ctx)
{
    return set_expiry(ctx, true, 1000);
}

enum status cmd_pexpire(struct exec_ctx *ctx)
{
    return set_expiry(ctx, true, 1);
}

enum status cmd_expireat(struct exec_ctx *ctx)
{
    return set_expiry(ctx, false, 1000);
}

enum status cmd_pexpireat(struct exec_ctx *ctx)
{
    return set_expiry(ctx, false, 1);
}

enum status cmd_persist(struct exec_ctx *ctx)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, key);
    bool was_volatile = e && kv_entry_is_volatile(e);
    if (was_volatile) {
        kv_expire_set(ctx->unit, ctx->db, key, e, -1);
        kv_event(ctx->unit, KV_EVENT_GENERIC, "persist", ctx->db, key);
        kv_dirty(ctx->unit, 1);
    }
    reply_int(ctx, was_volatile);
    return STATUS_OK;
}

/* ---- asking ---- */

/* Milliseconds as seconds, rounded; unsigned, so that the latest moment doesn't overflow. */
static int64_t to_seconds(int64_t ms)
{
    return (int64_t)(((uint64_t)ms + 500) / 1000);
}

static enum status reply_expiry(struct exec_ctx *ctx, bool relative, bool seconds)
{
    const struct kv_entry *e = kv_lookup_quiet(ctx->unit, ctx->db, &ctx->argv[1]);
    int64_t ms = e ? kv_entry_expire_ms(e) : -2;
    if (ms >= 0 && relative) ms = MAX(ms - ctx->unit->now_ms, 0);
    reply_int(ctx, ms >= 0 && seconds ? to_seconds(ms) : ms);
    return STATUS_OK;
}

enum status cmd_ttl(struct exec_ctx *ctx)
{
    return reply_expiry(ctx, true, true);
}

enum status cmd_pttl(struct exec_ctx *ctx)
{
    return reply_expiry(ctx, true, false);
}

enum status cmd_expiretime(struct exec_ctx *ctx)
{
    return reply_expiry(ctx, false, true);
}

enum status cmd_pexpiretime(struct exec_ctx *ctx)
{
    return reply_expiry(ctx, false, false);
}
