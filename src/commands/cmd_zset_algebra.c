/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD. Sources are sorted sets or sets, whose
 * members count as having score 1. The result is built as a sorted set of its own and then replied
 * or stored; it is a tree until it is complete, since a tree keeps a negative zero and a listpack
 * doesn't, and clients can see that.
 *
 * Scores are added up in the order of the sources' lengths, the shortest first, as stock does: the
 * sum of floating-point numbers depends on it.
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/zset_args.h"
#include "commands_table.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "types/set.h"

#include <math.h>
#include <stdlib.h>

enum operation { OPERATION_UNION, OPERATION_INTER, OPERATION_DIFF };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct source {
    struct value v;
    size_t length; /* 0: no such key, v isn't set */
    double weight;
    int index; /* among the arguments */
};

struct algebra {
    enum operation operation;
    bool to_store, count_only;
    enum aggregate aggregate;
    bool with_scores;
    uint64_t limit; /* ZINTERCARD; 0: none */
    struct source *sources;
    int count;
    struct value result;
    uint64_t found; /* members of the intersection so far */
};

/* ---- sources ---- */

/* A set's walk, handed on with scores. */
struct set_walk {
    zset_visit_fn *fn;
    void *ctx;
};

static void visit_set_member(void *ctx, struct view member)
{
    struct set_walk *walk = ctx;
    walk->fn(walk->ctx, member, 1);
}

static void source_each(const struct source *s, zset_visit_fn *fn, void *ctx)
{
    struct set_walk walk = {fn, ctx};
    if (s->length == 0) return;
    if (s->v.type == TYPE_SET)
        set_each(s->v, visit_set_member, &walk);
    else
        zset_each(s->v, fn, ctx);
}

static bool source_score(const struct source *s, struct arg *member, double *score_out)
{
    if (s->length == 0) return false;
    if (s->v.type != TYPE_SET) return zset_score(s->v, member, score_out);
    *score_out = 1;
    return set_contains(s->v, member);
}

static double weighted(const struct source *s, double score)
{
    score *= s->weight;
    return isnan(score) ? 0 : score;
}

static double combine(enum aggregate aggregate, double a, double b)
{
    if (aggregate == AGGREGATE_MIN) return b < a ? b : a;
    if (aggregate == AGGREGATE_MAX) return b > a ? b : a;
    return isnan(a + b) ? 0 : a + b;
}

/* ---- arguments ---- */

/* Argument `at` is the number of keys; what they hold becomes the sources. */
static enum status read_keys(struct exec_ctx *ctx, struct algebra *a, int at)
{
    int64_t count;
    if (arg_i64(ctx, at, &count)) return STATUS_ERR;
    if (count < 1) {
        return reply_errorf(ctx, "at least 1 input key is needed for '%s' command",
                            ctx->cmd->fullname);
    }
    if (count > ctx->argc - at - 1) return reply_syntax_error(ctx);
    a->count = (int)count;
    a->sources = mem_alloc((size_t)count * sizeof(*a->sources));
    for (int i = 0; i < a->count; i++) {
        struct source *s = &a->sources[i];
        struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[at + 1 + i]);
        *s = (struct source){.weight = 1, .index = i};
        if (!e) continue;
        s->v = kv_entry_value(e);
        if (s->v.type == TYPE_ZSET)
            s->length = zset_length(s->v);
        else if (s->v.type == TYPE_SET)
            s->length = set_length(s->v);
        else
            return reply_wrongtype(ctx);
    }
    return STATUS_OK;
}

static enum status read_weights(struct exec_ctx *ctx, struct algebra *a, int first)
{
    for (int i = 0; i < a->count; i++) {
        if (num_parse_double(arg_view(&ctx->argv[first + i]), &a->sources[i].weight))
            return reply_error(ctx, "weight value is not a float");
    }
    return STATUS_OK;
}

static enum status read_aggregate(struct exec_ctx *ctx, struct algebra *a, int i)
{
    static const char *const words[] = {"sum", "min", "max"};
    for (size_t w = 0; w < ARRAY_COUNT(words); w++) {
        if (!arg_is(&ctx->argv[i], words[w])) continue;
        a->aggregate = (enum aggregate)w;
        return STATUS_OK;
    }
    return reply_syntax_error(ctx);
}

static enum status read_limit(struct exec_ctx *ctx, struct algebra *a, int i)
{
    int64_t limit;
    if (num_parse_i64(arg_view(&ctx->argv[i]), &limit) || limit < 0)
        return reply_error(ctx, "LIMIT can't be negative");
    a->limit = (uint64_t)limit;
    return STATUS_OK;
}

static enum status read_options(struct exec_ctx *ctx, struct algebra *a, int first)
{
    bool scored = a->operation != OPERATION_DIFF && !a->count_only;
    enum status status = STATUS_OK;
    for (int i = first; i < ctx->argc && !status; i++) {
        const struct arg *word = &ctx->argv[i];
        int left = ctx->argc - i - 1; /* words behind this one */
        if (scored && left >= a->count && arg_is(word, "weights")) {
            status = read_weights(ctx, a, i + 1);
            i += a->count;
        } else if (scored && left >= 1 && arg_is(word, "aggregate")) {
            status = read_aggregate(ctx, a, ++i);
        } else if (!a->to_store && !a->count_only && arg_is(word, "withscores")) {
            a->with_scores = true;
        } else if (a->count_only && left >= 1 && arg_is(word, "limit")) {
            status = read_limit(ctx, a, ++i);
        } else {
            status = reply_syntax_error(ctx);
        }
    }
    return status;
}

/* ---- operations ---- */

static int by_length(const void *left, const void *right)
{
    const struct source *a = left, *b = right;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return a->index - b->index;
}

struct visit {
    struct algebra *a;
    const struct source *source;
};

static void union_visit(void *ctx, struct view member, double score)
{
    struct visit *visit = ctx;
    struct arg arg = arg_of_view(member);
    double old;
    score = weighted(visit->source, score);
    if (zset_score(visit->a->result, &arg, &old)) {
        score = combine(visit->a->aggregate, old, score);
        /* The two zeros are equal, so the one wouldn't replace the other. */
        if (score == 0 && old == 0) zset_remove(&visit->a->result, &arg);
    }
    zset_add(&visit->a->result, &arg, score, 0, &score);
}

/* For the members of the first source. */
static void inter_visit(void *ctx, struct view member, double score)
{
    struct visit *visit = ctx;
    struct algebra *a = visit->a;
    struct arg arg = arg_of_view(member);
    if (a->limit && a->found == a->limit) return;
    score = weighted(visit->source, score);
    for (int i = 1; i < a->count; i++) {
        double other;
        if (!source_score(&a->sources[i], &arg, &other)) return;
        /* A product that is NaN isn't made 0 here, as in stock; the sum then is. */
        score = combine(a->aggregate, score, a->sources[i].weight * other);
    }
    a->found++;
    if (!a->count_only) zset_add(&a->result, &arg, score, 0, &score);
}

static void diff_visit(void *ctx, struct view member, double score)
{
    struct visit *visit = ctx;
    struct algebra *a = visit->a;
    struct arg arg = arg_of_view(member);
    double other;
    for (int i = 1; i < a->count; i++) {
        if (source_score(&a->sources[i], &arg, &other)) return;
    }
    zset_add(&a->result, &arg, score, 0, &score);
}

static void compute(struct algebra *a)
{
    struct visit visit = {a, &a->sources[0]};
    if (a->operation != OPERATION_DIFF)
        qsort(a->sources, (size_t)a->count, sizeof(*a->sources), by_length);
    if (a->operation == OPERATION_UNION) {
        for (int i = 0; i < a->count; i++) {
            visit.source = &a->sources[i];
            source_each(visit.source, union_visit, &visit);
        }
    } else {
        source_each(&a->sources[0], a->operation == OPERATION_INTER ? inter_visit : diff_visit,
                    &visit);
    }
}

static void reply_result(struct exec_ctx *ctx, struct algebra *a)
{
    static const char *const events[] = {"zunionstore", "zinterstore", "zdiffstore"};
    if (a->count_only) {
        reply_int(ctx, (int64_t)a->found);
    } else if (a->to_store) {
        zset_compact(&a->result);
        zset_store_result(ctx, &ctx->argv[1], a->result, events[a->operation]);
        return;
    } else {
        zset_visit_fn *visit = zset_reply_head(ctx, zset_length(a->result), a->with_scores);
        zset_each(a->result, visit, ctx);
    }
    zset_type_ops.free(a->result);
}

static enum status run(struct exec_ctx *ctx, struct algebra *a)
{
    int at = a->to_store ? 2 : 1;
    enum status status = read_keys(ctx, a, at);
    if (!status) status = read_options(ctx, a, at + 1 + a->count);
    if (!status) {
        a->result = zset_new_tree();
        compute(a);
        reply_result(ctx, a);
    }
    mem_free(a->sources);
    return status;
}

/* ---- the family ---- */

enum status cmd_zunion(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_UNION});
}

enum status cmd_zinter(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_INTER});
}

enum status cmd_zdiff(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_DIFF});
}

enum status cmd_zunionstore(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_UNION, .to_store = true});
}

enum status cmd_zinterstore(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_INTER, .to_store = true});
}

enum status cmd_zdiffstore(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_DIFF, .to_store = true});
}

enum status cmd_zintercard(struct exec_ctx *ctx)
{
    return run(ctx, &(struct algebra){.operation = OPERATION_INTER, .count_only = true});
}
