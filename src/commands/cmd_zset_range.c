/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges of sorted sets: ZRANGE in all its forms and the older commands that it took in, ZCOUNT,
 * ZREMRANGEBY*. Every kind of range becomes a span of ranks first; LIMIT and REV are then
 * arithmetic, and no element is touched that isn't replied.
 * Thread: whoever holds the data token.
 */
#include "commands/zset_args.h"
#include "commands_table.h"
#include "exec/reply.h"

enum direction { DIRECTION_ANY, DIRECTION_FORWARD, DIRECTION_REVERSE };

/* One of the commands of the ZRANGE family: what it fixes, then what its arguments say. */
struct range_call {
    int key;                  /* argument of the source key */
    bool to_store;            /* ZRANGESTORE */
    bool by_any;              /* BYSCORE and BYLEX are options */
    enum direction direction; /* REV is an option if it is DIRECTION_ANY */
    enum zset_range_by by;
    bool with_scores;
    int64_t offset, limit; /* limit < 0: none */
    int64_t start, stop;   /* ZSET_BY_RANK */
    struct zset_range range;
};

/* ---- arguments ---- */

static enum status read_options(struct exec_ctx *ctx, struct range_call *call)
{
    bool by_any = call->by_any;
    for (int i = call->key + 3; i < ctx->argc; i++) {
        const struct arg *word = &ctx->argv[i];
        if (!call->to_store && arg_is(word, "withscores")) {
            call->with_scores = true;
        } else if (arg_is(word, "limit") && i + 2 < ctx->argc) {
            if (arg_i64(ctx, i + 1, &call->offset) || arg_i64(ctx, i + 2, &call->limit))
                return STATUS_ERR;
            i += 2;
        } else if (call->direction == DIRECTION_ANY && arg_is(word, "rev")) {
            call->direction = DIRECTION_REVERSE;
        } else if (by_any && (arg_is(word, "bylex") || arg_is(word, "byscore"))) {
            call->by = arg_is(word, "bylex") ? ZSET_BY_LEX : ZSET_BY_SCORE;
            by_any = false;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    if (call->limit != -1 && call->by == ZSET_BY_RANK) {
        return reply_error(ctx, "syntax error, LIMIT is only supported in combination with either "
                                "BYSCORE or BYLEX");
    }
    if (call->with_scores && call->by == ZSET_BY_LEX) {
        return reply_error(ctx,
                           "syntax error, WITHSCORES not supported in combination with BYLEX");
    }
    return STATUS_OK;
}

static enum status read_range(struct exec_ctx *ctx, struct range_call *call)
{
    int first = call->key + 1, second = call->key + 2;
    if (call->by == ZSET_BY_RANK) {
        if (arg_i64(ctx, first, &call->start) || arg_i64(ctx, second, &call->stop))
            return STATUS_ERR;
        return STATUS_OK;
    }
    bool reverse = call->direction == DIRECTION_REVERSE;
    return zset_range_args(ctx, call->by, reverse ? second : first, reverse ? first : second,
                           &call->range);
}

/* ---- from a call to ranks ---- */

/* The span in the direction of the walk: its first is counted from the end if that is backwards. */
static struct zset_span resolve(const struct range_call *call, struct value v)
{
    size_t length = zset_length(v);
    if (call->by == ZSET_BY_RANK) return zset_span_of_indexes(length, call->start, call->stop);
    struct zset_span span = zset_span(v, &call->range);
    if (call->offset < 0 || (uint64_t)call->offset >= span.count)
        return (struct zset_span){0, 0};
    if (call->direction == DIRECTION_REVERSE) span.first = length - span.first - span.count;
    span.first += (size_t)call->offset;
    span.count -= (size_t)call->offset;
    if (call->limit >= 0 && (uint64_t)call->limit < span.count) span.count = (size_t)call->limit;
    return span;
}

static void walk(const struct range_call *call, struct value v, struct zset_span span,
                 zset_visit_fn *fn, void *ctx)
{
    bool reverse = call->direction == DIRECTION_REVERSE;
    size_t first = reverse ? zset_length(v) - 1 - span.first : span.first;
    if (span.count) zset_walk(v, first, span.count, reverse, fn, ctx);
}

static void store_visit(void *ctx, struct view member, double score)
{
    struct arg arg = arg_of_view(member);
    zset_add(ctx, &arg, score, 0, &score);
}

static enum status run_range(struct exec_ctx *ctx, struct range_call *call)
{
    struct value v;
    bool found;
    struct zset_span span = {0, 0};
    if (read_options(ctx, call) || read_range(ctx, call) ||
        zset_open_read(ctx, call->key, &v, &found)) {
        return STATUS_ERR;
    }
    if (found) span = resolve(call, v);
    if (call->to_store) {
        /* A negative zero survives in a tree only, so it shows where a result begins as one: with
         * ranks its length is known before. */
        bool large = call->by == ZSET_BY_RANK && span.count > type_limits.zset_max_listpack_entries;
        struct value result = large ? zset_new_tree() : zset_new();
        if (span.count) walk(call, v, span, store_visit, &result);
        zset_store_result(ctx, &ctx->argv[1], result, "zrangestore");
        return STATUS_OK;
    }
    zset_visit_fn *visit = zset_reply_head(ctx, span.count, call->with_scores);
    if (span.count) walk(call, v, span, visit, ctx);
    return STATUS_OK;
}

/* ---- the family ---- */

enum status cmd_zrange(struct exec_ctx *ctx)
{
    struct range_call call = {.key = 1, .by_any = true, .limit = -1};
    return run_range(ctx, &call);
}

enum status cmd_zrangestore(struct exec_ctx *ctx)
{
    struct range_call call = {.key = 2, .by_any = true, .limit = -1, .to_store = true};
    return run_range(ctx, &call);
}

static enum status run_fixed(struct exec_ctx *ctx, enum zset_range_by by,
                             enum direction direction)
{
    struct range_call call = {.key = 1, .by = by, .direction = direction, .limit = -1};
    return run_range(ctx, &call);
}

enum status cmd_zrevrange(struct exec_ctx *ctx)
{
    return run_fixed(ctx, ZSET_BY_RANK, DIRECTION_REVERSE);
}

enum status cmd_zrangebyscore(struct exec_ctx *ctx)
{
    return run_fixed(ctx, ZSET_BY_SCORE, DIRECTION_FORWARD);
}

enum status cmd_zrevrangebyscore(struct exec_ctx *ctx)
{
    return run_fixed(ctx, ZSET_BY_SCORE, DIRECTION_REVERSE);
}

enum status cmd_zrangebylex(struct exec_ctx *ctx)
{
    return run_fixed(ctx, ZSET_BY_LEX, DIRECTION_FORWARD);
}

enum status cmd_zrevrangebylex(struct exec_ctx *ctx)
{
    return run_fixed(ctx, ZSET_BY_LEX, DIRECTION_REVERSE);
}

/* ---- counting and removing ---- */

static enum status count_range(struct exec_ctx *ctx, enum zset_range_by by)
{
    struct zset_range range;
    struct value v;
    bool found;
    if (zset_range_args(ctx, by, 2, 3, &range) || zset_open_read(ctx, 1, &v, &found))
        return STATUS_ERR;
    reply_int(ctx, found ? (int64_t)zset_span(v, &range).count : 0);
    return STATUS_OK;
}

enum status cmd_zcount(struct exec_ctx *ctx)
{
    return count_range(ctx, ZSET_BY_SCORE);
}

enum status cmd_zlexcount(struct exec_ctx *ctx)
{
    return count_range(ctx, ZSET_BY_LEX);
}

static enum status remove_range(struct exec_ctx *ctx, enum zset_range_by by, const char *event)
{
    struct zset_range range;
    int64_t start = 0, stop = 0;
    struct kv_entry *e;
    struct zset_span span = {0, 0};
    if (by == ZSET_BY_RANK) {
        if (arg_i64(ctx, 2, &start) || arg_i64(ctx, 3, &stop)) return STATUS_ERR;
    } else if (zset_range_args(ctx, by, 2, 3, &range)) {
        return STATUS_ERR;
    }
    if (zset_open_write(ctx, &ctx->argv[1], &e)) return STATUS_ERR;
    if (e) {
        struct value v = kv_entry_value(e);
        span = by == ZSET_BY_RANK ? zset_span_of_indexes(zset_length(v), start, stop)
                                  : zset_span(v, &range);
        if (span.count) zset_remove_span(&v, span);
        zset_store_removed(ctx, &ctx->argv[1], e, v, event, span.count);
    }
    reply_int(ctx, (int64_t)span.count);
    return STATUS_OK;
}

enum status cmd_zremrangebyrank(struct exec_ctx *ctx)
{
    return remove_range(ctx, ZSET_BY_RANK, "zremrangebyrank");
}

enum status cmd_zremrangebyscore(struct exec_ctx *ctx)
{
    return remove_range(ctx, ZSET_BY_SCORE, "zremrangebyscore");
}

enum status cmd_zremrangebylex(struct exec_ctx *ctx)
{
    return remove_range(ctx, ZSET_BY_LEX, "zremrangebylex");
}
