/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.GETRESULTS, RG.GETRESULTSBLOCKING: results in one reply, as RedisGears gives them, or by page:
 *
 *   RG.GETRESULTS id CURSOR cursor [COUNT count]  ->  [next cursor, results, errors]
 *
 * A cursor is how many results and, behind them, errors were given already; the next one is 0 when
 * there are no more. So a page may be asked for twice, and none is missed. An execution remembers
 * where its last page ended, that the next one needn't look for its beginning.
 */
#include "exec/client.h"
#include "gears/gcmd.h"

#define PAGE_DEFAULT 1000

/* ---- all at once ---- */

static void reply_results(struct exec_ctx *ctx, const struct gexec *e)
{
    reply_array(ctx, 2);
    reply_array(ctx, e->results.count);
    tape_reply(&e->results.tape, ctx);
    reply_array(ctx, e->errors.count);
    tape_reply(&e->errors.tape, ctx);
}

enum status cmd_rg_getresultsblocking(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    struct gexec *e = gcmd_named(ctx, GCMD_NO_PLAN);
    if (!e) return STATUS_ERR;
    enum status st = STATUS_OK;
    if (gcmd_is_over(e)) {
        reply_results(ctx, e);
    } else if (!gcmd_may_block(ctx)) {
        st = gcmd_error(ctx, "execution is still running");
    } else {
        struct gwaiter *w = mem_zalloc(sizeof(*w));
        w->client_id = client_id(ctx->client);
        w->what = GWAIT_RESULTS;
        client_block(ctx, NULL, NULL);
        st = STATUS_BLOCKED;
        if (!grun_wait(e, w)) grun_answer(e, w); /* it has ended in between, or never will */
    }
    grun_exec_unref(e);
    return st;
}

/* ---- by pages ---- */

/* The place behind `count` values that begin at pos. */
static size_t skip(const struct tape *t, size_t pos, uint64_t count)
{
    struct tape_node node;
    while (count > 0 && tape_next(t, &pos, &node)) {
        count--;
        if (node.type == TAPE_ARRAY || node.type == TAPE_SET || node.type == TAPE_PUSH)
            count += node.u.count;
        else if (node.type == TAPE_MAP)
            count += node.u.count * 2;
    }
    return pos;
}

/* Replies the values [from, to) of a tally. The mark is where an earlier page ended: the way
 * to `from` begins there, and afterwards it says where this one did. */
static void reply_part(struct exec_ctx *ctx, const struct gtally *all, uint64_t from, uint64_t to,
                       struct gpage *mark)
{
    if (mark->tally != all || mark->index > from) *mark = (struct gpage){.tally = all};
    size_t begin = skip(&all->tape, mark->pos, from - mark->index);
    size_t end = skip(&all->tape, begin, to - from);
    struct tape part = {{.ptr = all->tape.bytes.ptr + begin, .len = end - begin}};
    reply_array(ctx, to - from);
    if (part.bytes.len) tape_reply(&part, ctx);
    mark->index = to;
    mark->pos = end;
}

static void reply_page(struct exec_ctx *ctx, struct gexec *e, uint64_t cursor, uint64_t count)
{
    uint64_t results = e->results.count, all = results + e->errors.count;
    uint64_t from = MIN(cursor, all), to = MIN(count, all - from) + from;
    char next[NUM_I64_LEN];
    reply_array(ctx, 3);
    reply_bulk(ctx, next, num_format_u64(next, to < all ? to : 0));
    if (from < results)
        reply_part(ctx, &e->results, from, MIN(to, results), &e->page);
    else
        reply_array(ctx, 0);
    if (to > results)
        reply_part(ctx, &e->errors, MAX(from, results) - results, to - results, &e->page);
    else
        reply_array(ctx, 0);
}

/* The words behind the id. */
static enum status parse_page(struct exec_ctx *ctx, uint64_t *cursor, int64_t *count)
{
    if (ctx->argc != 4 && ctx->argc != 6) return reply_syntax_error(ctx);
    if (!arg_is(&ctx->argv[2], "CURSOR")) return reply_syntax_error(ctx);
    if (num_parse_u64(arg_view(&ctx->argv[3]), cursor)) return reply_error(ctx, "invalid cursor");
    if (ctx->argc == 4) return STATUS_OK;
    if (!arg_is(&ctx->argv[4], "COUNT")) return reply_syntax_error(ctx);
    return arg_i64_range(ctx, 5, 1, INT64_MAX, "value is out of range, must be positive", count);
}

enum status cmd_rg_getresults(struct exec_ctx *ctx)
{
    uint64_t cursor = 0;
    int64_t count = PAGE_DEFAULT;
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    if (ctx->argc > 2 && parse_page(ctx, &cursor, &count)) return STATUS_ERR;
    struct gexec *e = gcmd_named(ctx, GCMD_NO_PLAN);
    if (!e) return STATUS_ERR;
    enum status st = STATUS_OK;
    if (!gcmd_is_over(e))
        st = gcmd_error(ctx, "execution is still running");
    else if (ctx->argc > 2)
        reply_page(ctx, e, cursor, (uint64_t)count);
    else
        reply_results(ctx, e);
    grun_exec_unref(e);
    return st;
}
