/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Positions of members: GEOADD, GEOPOS, GEODIST, GEOHASH. A position is the score of a sorted set
 * (ds/geohash.h), so every command on sorted sets works on them too. Searches are in
 * cmd_geo_search.c.
 *
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/geo_args.h"
#include "commands/zset_args.h"
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"

/* ---- GEOADD ---- */

struct add_call {
    unsigned flags; /* enum zset_add_flag */
    bool count_changed;
    int first, members; /* argument of the first longitude */
};

static enum status add_options(struct exec_ctx *ctx, struct add_call *call)
{
    int i = 2;
    for (; i < ctx->argc; i++) {
        if (arg_is(&ctx->argv[i], "nx"))
            call->flags |= ZSET_NX;
        else if (arg_is(&ctx->argv[i], "xx"))
            call->flags |= ZSET_XX;
        else if (arg_is(&ctx->argv[i], "ch"))
            call->count_changed = true;
        else
            break;
    }
    call->first = i;
    call->members = (ctx->argc - i) / 3;
    bool both = call->flags & ZSET_NX && call->flags & ZSET_XX;
    if (both || (ctx->argc - i) % 3 || call->members == 0) return reply_syntax_error(ctx);
    return STATUS_OK;
}

/* Positions are computed with floating point: another processor may round otherwise. So what is
 * repeated are the scores that came of them. */
static void emit_scores(struct exec_ctx *ctx, const struct add_call *call, const double *scores)
{
    if (!effect_instead(ctx)) return;
    effect_begin(ctx, (size_t)call->first + 2 * (size_t)call->members);
    effect_text(ctx, "ZADD");
    for (int i = 1; i < call->first; i++) effect_arg(ctx, &ctx->argv[i]);
    for (int n = 0; n < call->members; n++) {
        effect_int(ctx, (int64_t)scores[n]);
        effect_arg(ctx, &ctx->argv[call->first + 3 * n + 2]);
    }
}

static enum status add_members(struct exec_ctx *ctx, const struct add_call *call,
                               const double *scores)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e;
    uint64_t added = 0, changed = 0;
    if (zset_open_write(ctx, key, &e)) return STATUS_ERR;
    if (!e && call->flags & ZSET_XX) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    struct value v = e ? kv_entry_value(e) : zset_new();
    for (int n = 0; n < call->members; n++) {
        double score;
        enum zset_added what =
            zset_add(&v, &ctx->argv[call->first + 3 * n + 2], scores[n], call->flags, &score);
        added += what == ZSET_NEW;
        changed += what == ZSET_CHANGED;
    }
    if (e)
        kv_value_update(e, v);
    else
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    if (added || changed) {
        emit_scores(ctx, call, scores);
        if (e) kv_touch(ctx->unit, ctx->db, key);
        kv_dirty(ctx->unit, added + changed);
        kv_event(ctx->unit, KV_EVENT_ZSET, "zadd", ctx->db, key);
    }
    reply_int(ctx, (int64_t)(added + (call->count_changed ? changed : 0)));
    return STATUS_OK;
}

enum status cmd_geoadd(struct exec_ctx *ctx)
{
    struct add_call call = {0};
    if (add_options(ctx, &call)) return STATUS_ERR;
    double *scores = mem_alloc((size_t)call.members * sizeof(*scores));
    enum status status = STATUS_OK;
    for (int n = 0; n < call.members && !status; n++) {
        struct geo_point p;
        status = geo_arg_point(ctx, call.first + 3 * n, &p);
        if (!status) scores[n] = (double)geo_encode(p);
    }
    if (!status) status = add_members(ctx, &call, scores);
    mem_free(scores);
    return status;
}

/* ---- single members ---- */

/* Replies for each member from argument 2 on: `reply` if it is there, else a null. */
static enum status each_member(struct exec_ctx *ctx, bool null_is_array,
                               void (*reply)(struct exec_ctx *ctx, struct geo_point p))
{
    struct value v;
    bool found;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        double score;
        if (found && zset_score(v, &ctx->argv[i], &score))
            reply(ctx, geo_decode_score(score));
        else if (null_is_array)
            reply_null_array(ctx);
        else
            reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_geopos(struct exec_ctx *ctx)
{
    return each_member(ctx, true, geo_reply_point);
}

static void reply_text(struct exec_ctx *ctx, struct geo_point p)
{
    char text[GEO_TEXT_LEN];
    geo_text(p, text);
    reply_bulk(ctx, text, sizeof(text));
}

enum status cmd_geohash(struct exec_ctx *ctx)
{
    return each_member(ctx, false, reply_text);
}

enum status cmd_geodist(struct exec_ctx *ctx)
{
    double unit_m = 1, a, b;
    struct value v;
    bool found;
    if (ctx->argc > 5) return reply_syntax_error(ctx);
    if (ctx->argc == 5 && geo_arg_unit(ctx, 4, &unit_m)) return STATUS_ERR;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    if (!found || !zset_score(v, &ctx->argv[2], &a) || !zset_score(v, &ctx->argv[3], &b)) {
        reply_null(ctx);
        return STATUS_OK;
    }
    geo_reply_distance(ctx, geo_distance_m(geo_decode_score(a), geo_decode_score(b)) / unit_m);
    return STATUS_OK;
}
