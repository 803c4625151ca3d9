/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorted sets, member by member: ZADD, ZSCORE, ZREM, ZRANK, ZRANDMEMBER, ZSCAN and their kin.
 * Ranges are in cmd_zset_range.c, what takes from the ends in cmd_zset_pop.c, unions and
 * intersections in cmd_zset_algebra.c.
 * Thread: whoever holds the data token.
 */
#include "commands/random_args.h"
#include "commands/scan_args.h"
#include "commands/zset_args.h"
#include "commands_table.h"
#include "base/mem.h"
#include "exec/reply.h"

/* Members asked for ahead. */
#define WINDOW_MEMBERS 16

/* Scores of one ZADD that need no allocation. */
#define SCORES_INLINE 16

/* Asks for the members at i, i + step … of the next window: all buckets, then all elements. */
static void prefetch_window(struct exec_ctx *ctx, struct value v, int i, int step)
{
    if (v.enc != ENC_SKIPLIST) return;
    int end = MIN(ctx->argc, i + WINDOW_MEMBERS * step);
    for (int k = i; k < end; k += step) zset_prefetch_bucket(v, &ctx->argv[k]);
    for (int k = i; k < end; k += step) zset_prefetch_entry(v, &ctx->argv[k]);
}

static enum status arg_score(struct exec_ctx *ctx, int i, double *out)
{
    if (num_parse_double(arg_view(&ctx->argv[i]), out)) return reply_not_float(ctx);
    return STATUS_OK;
}

/* ---- ZADD, ZINCRBY ---- */

struct add_call {
    unsigned flags; /* enum zset_add_flag */
    bool count_changed;
    int first;            /* argument of the first score */
    const double *scores; /* of all pairs */
    int pairs;
};

/* What happened to the members. */
struct add_result {
    uint64_t added, changed;
    enum zset_added last;
    double score; /* of the last one */
};

static enum status add_options(struct exec_ctx *ctx, struct add_call *call)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", ZSET_NX}, {"xx", ZSET_XX}, {"gt", ZSET_GT}, {"lt", ZSET_LT},
                 {"incr", ZSET_INCR}};
    int i;
    for (i = 2; i < ctx->argc; i++) {
        size_t w = 0;
        while (w < ARRAY_COUNT(words) && !arg_is(&ctx->argv[i], words[w].word)) w++;
        if (w < ARRAY_COUNT(words))
            call->flags |= words[w].flag;
        else if (arg_is(&ctx->argv[i], "ch"))
            call->count_changed = true;
        else
            break;
    }
    call->first = i;
    call->pairs = (ctx->argc - i) / 2;
    if (call->pairs == 0 || (ctx->argc - i) % 2) return reply_syntax_error(ctx);
    unsigned f = call->flags;
    if (f & ZSET_NX && f & ZSET_XX)
        return reply_error(ctx, "XX and NX options at the same time are not compatible");
    if ((f & ZSET_GT && f & (ZSET_NX | ZSET_LT)) || (f & ZSET_LT && f & ZSET_NX)) {
        return reply_error(ctx,
                           "GT, LT, and/or NX options at the same time are not compatible");
    }
    if (f & ZSET_INCR && call->pairs > 1)
        return reply_error(ctx, "INCR option supports a single increment-element pair");
    return STATUS_OK;
}

/* Adds all pairs to the value and stores it. STATUS_ERR: an error was replied; what came before
 * the member that it is about is in the set. */
static enum status add_pairs(struct exec_ctx *ctx, const struct add_call *call,
                             struct add_result *out)
{
    struct arg *key = &ctx->argv[1];
    struct kv_entry *e;
    if (zset_open_write(ctx, key, &e)) return STATUS_ERR;
    if (!e && call->flags & ZSET_XX) return STATUS_OK;
    struct value v = e ? kv_entry_value(e) : zset_new();
    for (int n = 0; n < call->pairs && out->last != ZSET_NAN; n++) {
        int i = call->first + 1 + 2 * n;
        if (call->pairs > 1 && n % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i, 2);
        out->last = zset_add(&v, &ctx->argv[i], call->scores[n], call->flags, &out->score);
        out->added += out->last == ZSET_NEW;
        out->changed += out->last == ZSET_CHANGED;
    }
    if (e)
        kv_value_update(e, v);
    else
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    if (out->added || out->changed) {
        if (e) kv_touch(ctx->unit, ctx->db, key);
        kv_dirty(ctx->unit, out->added + out->changed);
        kv_event(ctx->unit, KV_EVENT_ZSET, call->flags & ZSET_INCR ? "zincr" : "zadd", ctx->db,
                 key);
    }
    if (out->last == ZSET_NAN)
        return reply_error(ctx, "resulting score is not a number (NaN)");
    return STATUS_OK;
}

static enum status add_and_reply(struct exec_ctx *ctx, const struct add_call *call)
{
    struct add_result result = {.last = ZSET_REFUSED};
    if (add_pairs(ctx, call, &result)) return STATUS_ERR;
    if (!(call->flags & ZSET_INCR))
        reply_int(ctx, (int64_t)(result.added + (call->count_changed ? result.changed : 0)));
    else if (result.last == ZSET_REFUSED)
        reply_null(ctx);
    else
        reply_double(ctx, result.score);
    return STATUS_OK;
}

enum status cmd_zadd(struct exec_ctx *ctx)
{
    struct add_call call = {0};
    double space[SCORES_INLINE], *scores = space;
    if (add_options(ctx, &call)) return STATUS_ERR;
    if (call.pairs > SCORES_INLINE) scores = mem_alloc((size_t)call.pairs * sizeof(*scores));
    call.scores = scores;
    enum status status = STATUS_OK;
    for (int n = 0; n < call.pairs && !status; n++)
        status = arg_score(ctx, call.first + 2 * n, &scores[n]);
    if (!status) status = add_and_reply(ctx, &call);
    if (scores != space) mem_free(scores);
    return status;
}

enum status cmd_zincrby(struct exec_ctx *ctx)
{
    double by;
    if (arg_score(ctx, 2, &by)) return STATUS_ERR;
    struct add_call call = {.flags = ZSET_INCR, .first = 2, .scores = &by, .pairs = 1};
    return add_and_reply(ctx, &call);
}

/* ---- single members ---- */

enum status cmd_zrem(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    uint64_t removed = 0;
    if (zset_open_write(ctx, &ctx->argv[1], &e)) return STATUS_ERR;
    if (e) {
        struct value v = kv_entry_value(e);
        for (int i = 2; i < ctx->argc && zset_length(v); i++) {
            if (ctx->argc > 3 && (i - 2) % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i, 1);
            removed += zset_remove(&v, &ctx->argv[i]);
        }
        zset_store_removed(ctx, &ctx->argv[1], e, v, "zrem", removed);
    }
    reply_int(ctx, (int64_t)removed);
    return STATUS_OK;
}

enum status cmd_zcard(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found ? (int64_t)zset_length(v) : 0);
    return STATUS_OK;
}

static void reply_score(struct exec_ctx *ctx, bool found, struct value v, struct arg *member)
{
    double score;
    if (found && zset_score(v, member, &score))
        reply_double(ctx, score);
    else
        reply_null(ctx);
}

enum status cmd_zscore(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    reply_score(ctx, found, v, &ctx->argv[2]);
    return STATUS_OK;
}

enum status cmd_zmscore(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        if (found && (i - 2) % WINDOW_MEMBERS == 0) prefetch_window(ctx, v, i, 1);
        reply_score(ctx, found, v, &ctx->argv[i]);
    }
    return STATUS_OK;
}

static enum status reply_rank(struct exec_ctx *ctx, bool reverse)
{
    struct value v;
    bool found;
    size_t rank;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    if (found && zset_rank(v, &ctx->argv[2], &rank))
        reply_int(ctx, (int64_t)(reverse ? zset_length(v) - 1 - rank : rank));
    else
        reply_null(ctx);
    return STATUS_OK;
}

enum status cmd_zrank(struct exec_ctx *ctx)
{
    return reply_rank(ctx, false);
}

enum status cmd_zrevrank(struct exec_ctx *ctx)
{
    return reply_rank(ctx, true);
}

/* ---- ZRANDMEMBER, ZSCAN ---- */

struct draw_call {
    struct value v;
    zset_visit_fn *visit;
};

static void draw_slice(struct exec_ctx *ctx, size_t n, void *arg)
{
    struct draw_call *call = arg;
    zset_draw(call->v, n, call->visit, ctx);
}

static enum status random_one(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    if (found)
        zset_draw(v, 1, zset_reply_member, ctx);
    else
        reply_null(ctx);
    return STATUS_OK;
}

enum status cmd_zrandmember(struct exec_ctx *ctx)
{
    struct value v;
    bool found, with_scores = ctx->argc == 4;
    int64_t count;
    if (ctx->argc == 2) return random_one(ctx);
    if (random_count(ctx, 2, &count)) return STATUS_ERR;
    if (ctx->argc > 4 || (with_scores && !arg_is(&ctx->argv[3], "withscores")))
        return reply_syntax_error(ctx);
    if (with_scores && (count > INT64_MAX / 2 || count < -INT64_MAX / 2))
        return reply_out_of_range(ctx);
    if (zset_open_read(ctx, 1, &v, &found)) return STATUS_ERR;
    if (!found) {
        reply_array(ctx, 0);
        return STATUS_OK;
    }
    if (random_check_repeat(ctx, count)) return STATUS_ERR;
    size_t n = count < 0 ? (size_t)-count : MIN((size_t)count, zset_length(v));
    struct draw_call call = {v, zset_reply_head(ctx, n, with_scores)};
    if (count < 0)
        random_in_slices(ctx, n, draw_slice, &call);
    else if (n)
        zset_pick(v, n, call.visit, ctx);
    return STATUS_OK;
}

struct scan_call {
    const struct scan_args *args;
    struct scan_out *out;
};

static void scan_visit(void *ctx, struct view member, struct view score)
{
    struct scan_call *call = ctx;
    if (!scan_matches(call->args, member)) return;
    scan_out_add(call->out, member);
    scan_out_add(call->out, score);
}

static uint64_t scan_step(struct value v, const struct scan_args *args, struct scan_out *out)
{
    struct scan_call call = {args, out};
    return zset_scan(v, args->cursor, args->count, scan_visit, &call);
}

enum status cmd_zscan(struct exec_ctx *ctx)
{
    return cmd_scan_generic(ctx, TYPE_ZSET, scan_step);
}
