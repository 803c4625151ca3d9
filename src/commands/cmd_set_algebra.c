/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SUNION, SINTER, SDIFF, their STORE forms and SINTERCARD. An intersection walks the smallest set
 * and asks the others; it is replied while it is found, or stored. Unions and differences become a
 * set of their own first, since a member may come twice or be taken away again.
 * Thread: whoever holds the data token.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "commands_table.h"
#include "exec/reply.h"
#include "types/set.h"

struct source {
    struct value v;
    size_t length; /* 0: no such key, v isn't set */
    int index;     /* among the arguments */
};

struct sources {
    struct source *list;
    int count;
};

/* What becomes of an intersection's members. */
enum inter_use { INTER_REPLY, INTER_STORE, INTER_COUNT };

/* ---- sources ---- */

/* The sets under arguments first … first + count - 1. On failure the error is replied; either way
 * out->list is to be freed. */
static enum status read_sources(struct exec_ctx *ctx, int first, int count, struct sources *out)
{
    *out = (struct sources){mem_alloc((size_t)count * sizeof(*out->list)), count};
    for (int i = 0; i < count; i++) {
        struct source *s = &out->list[i];
        struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[first + i]);
        *s = (struct source){.index = i};
        if (!e) continue;
        if (kv_entry_type(e) != TYPE_SET) return reply_wrongtype(ctx);
        s->v = kv_entry_value(e);
        s->length = set_length(s->v);
    }
    return STATUS_OK;
}

static void source_each(const struct source *s, set_visit_fn *fn, void *ctx)
{
    if (s->length) set_each(s->v, fn, ctx);
}

static bool source_has(const struct source *s, struct arg *member)
{
    return s->length && set_contains(s->v, member);
}

/* ---- results ---- */

static void visit_reply(void *ctx, struct view member)
{
    reply_bulk_view(ctx, member);
}

static void reply_and_free(struct exec_ctx *ctx, struct value result)
{
    reply_set(ctx, set_length(result));
    set_each(result, visit_reply, ctx);
    set_type_ops.free(result);
}

/* Makes `result` the value of argument 1's key, or deletes that if it is empty; replies the
 * length. */
static void store_and_reply(struct exec_ctx *ctx, struct value result, const char *event)
{
    struct arg *key = &ctx->argv[1];
    size_t length = set_length(result);
    if (length) {
        struct kv_entry *old = kv_lookup_write(ctx->unit, ctx->db, key);
        kv_set_value(ctx->unit, ctx->db, key, old, result, 0);
        kv_dirty(ctx->unit, 1);
        kv_event(ctx->unit, KV_EVENT_SET, event, ctx->db, key);
    } else {
        set_type_ops.free(result);
        if (kv_delete(ctx->unit, ctx->db, key, true)) {
            kv_dirty(ctx->unit, 1);
            kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, key);
        }
    }
    reply_int(ctx, (int64_t)length);
}

/* ---- union and difference ---- */

static void visit_add(void *ctx, struct view member)
{
    struct arg arg = arg_of_view(member);
    set_add(ctx, &arg);
}

static void visit_remove(void *ctx, struct view member)
{
    struct arg arg = arg_of_view(member);
    set_remove(ctx, &arg);
}

static struct value union_of(const struct sources *s)
{
    struct value result = set_new();
    for (int i = 0; i < s->count; i++) source_each(&s->list[i], visit_add, &result);
    return result;
}

struct filter {
    const struct sources *s;
    struct value result;
};

/* Adds a member of the first set if no other has it. */
static void visit_filter(void *ctx, struct view member)
{
    struct filter *filter = ctx;
    struct arg arg = arg_of_view(member);
    for (int i = 1; i < filter->s->count; i++) {
        if (source_has(&filter->s->list[i], &arg)) return;
    }
    set_add(&filter->result, &arg);
}

/* A copy from which the others' members are removed may end as a table where a set that was only
 * added to is an intset. So the choice between the two ways shows, and must be stock's: removal,
 * if looking every member up in half the sets is more work than walking all of them. */
static bool removal_is_cheaper(const struct sources *s)
{
    uint64_t lookups = 0, walks = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->list[i].length == 0) continue;
        lookups += s->list[0].length;
        walks += s->list[i].length;
    }
    return lookups / 2 > walks;
}

static struct value diff_of(struct sources *s)
{
    struct filter filter = {s, set_new()};
    if (!removal_is_cheaper(s)) {
        source_each(&s->list[0], visit_filter, &filter);
        return filter.result;
    }
    source_each(&s->list[0], visit_add, &filter.result);
    for (int i = 1; i < s->count && set_length(filter.result); i++)
        source_each(&s->list[i], visit_remove, &filter.result);
    return filter.result;
}

/* Union or difference of the sets from argument `first` on; stored with `event`, or replied if
 * that is NULL. */
static enum status combine(struct exec_ctx *ctx, int first, bool difference, const char *event)
{
    struct sources s;
    enum status status = read_sources(ctx, first, ctx->argc - first, &s);
    if (!status) {
        struct value result = difference ? diff_of(&s) : union_of(&s);
        if (event)
            store_and_reply(ctx, result, event);
        else
            reply_and_free(ctx, result);
    }
    mem_free(s.list);
    return status;
}

enum status cmd_sunion(struct exec_ctx *ctx)
{
    return combine(ctx, 1, false, NULL);
}

enum status cmd_sunionstore(struct exec_ctx *ctx)
{
    return combine(ctx, 2, false, "sunionstore");
}

enum status cmd_sdiff(struct exec_ctx *ctx)
{
    return combine(ctx, 1, true, NULL);
}

enum status cmd_sdiffstore(struct exec_ctx *ctx)
{
    return combine(ctx, 2, true, "sdiffstore");
}

/* ---- intersection ---- */

struct inter {
    struct exec_ctx *ctx;
    const struct sources *s;
    enum inter_use use;
    struct value result; /* INTER_STORE */
    uint64_t found, limit; /* limit 0: none */
};

static int by_length(const void *left, const void *right)
{
    const struct source *a = left, *b = right;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return a->index - b->index;
}

/* For the members of the smallest set. */
static void visit_inter(void *ctx, struct view member)
{
    struct inter *inter = ctx;
    struct arg arg = arg_of_view(member);
    if (inter->limit && inter->found == inter->limit) return;
    for (int i = 1; i < inter->s->count; i++) {
        if (!source_has(&inter->s->list[i], &arg)) return;
    }
    inter->found++;
    if (inter->use == INTER_REPLY)
        reply_bulk_view(inter->ctx, member);
    else if (inter->use == INTER_STORE)
        set_add(&inter->result, &arg);
}

static void run_inter(struct inter *inter, struct sources *s)
{
    inter->s = s;
    qsort(s->list, (size_t)s->count, sizeof(*s->list), by_length);
    source_each(&s->list[0], visit_inter, inter);
}

static enum status intersect(struct exec_ctx *ctx, int first, int count, enum inter_use use,
                             uint64_t limit)
{
    struct sources s;
    enum status status = read_sources(ctx, first, count, &s);
    if (!status) {
        struct inter inter = {.ctx = ctx, .use = use, .limit = limit};
        struct reply_deferred head = {0};
        if (use == INTER_REPLY) head = reply_defer(ctx);
        if (use == INTER_STORE) inter.result = set_new();
        run_inter(&inter, &s);
        if (use == INTER_REPLY)
            reply_defer_set(ctx, head, inter.found);
        else if (use == INTER_STORE)
            store_and_reply(ctx, inter.result, "sinterstore");
        else
            reply_int(ctx, (int64_t)inter.found);
    }
    mem_free(s.list);
    return status;
}

enum status cmd_sinter(struct exec_ctx *ctx)
{
    return intersect(ctx, 1, ctx->argc - 1, INTER_REPLY, 0);
}

enum status cmd_sinterstore(struct exec_ctx *ctx)
{
    return intersect(ctx, 2, ctx->argc - 2, INTER_STORE, 0);
}

enum status cmd_sintercard(struct exec_ctx *ctx)
{
    int64_t count, limit = 0;
    if (num_parse_i64(arg_view(&ctx->argv[1]), &count) || count < 1)
        return reply_error(ctx, "numkeys should be greater than 0");
    if (count > ctx->argc - 2)
        return reply_error(ctx, "Number of keys can't be greater than number of args");
    for (int i = 2 + (int)count; i < ctx->argc; i += 2) {
        if (!arg_is(&ctx->argv[i], "limit") || i + 1 == ctx->argc) return reply_syntax_error(ctx);
        if (num_parse_i64(arg_view(&ctx->argv[i + 1]), &limit) || limit < 0)
            return reply_error(ctx, "LIMIT can't be negative");
    }
    return intersect(ctx, 2, (int)count, INTER_COUNT, (uint64_t)limit);
}
