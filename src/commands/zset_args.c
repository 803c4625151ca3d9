/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Common parts of the sorted sets' commands; see zset_args.h.
 */
#include "commands/zset_args.h"

#include "exec/reply.h"

enum status zset_open_read(struct exec_ctx *ctx, int i, struct value *v_out, bool *found_out)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]);
    *found_out = e != NULL;
    if (!e) return STATUS_OK;
    if (unlikely(kv_entry_type(e) != TYPE_ZSET)) return reply_wrongtype(ctx);
    *v_out = kv_entry_value(e);
    return STATUS_OK;
}

enum status zset_open_write(struct exec_ctx *ctx, struct arg *key, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, key);
    if (e && unlikely(kv_entry_type(e) != TYPE_ZSET)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

void zset_store_removed(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                        struct value v, const char *event, uint64_t removed)
{
    kv_value_update(e, v);
    if (!removed) return;
    kv_touch(ctx->unit, ctx->db, key);
    kv_dirty(ctx->unit, removed);
    kv_event(ctx->unit, KV_EVENT_ZSET, event, ctx->db, key);
    if (zset_length(v) == 0) kv_delete_empty(ctx->unit, ctx->db, key);
}

void zset_store_result(struct exec_ctx *ctx, struct arg *key, struct value result,
                       const char *event)
{
    size_t length = zset_length(result);
    if (length) {
        struct kv_entry *old = kv_lookup_write(ctx->unit, ctx->db, key);
        kv_set_value(ctx->unit, ctx->db, key, old, result, 0);
        kv_dirty(ctx->unit, 1);
        kv_event(ctx->unit, KV_EVENT_ZSET, event, ctx->db, key);
    } else {
        zset_type_ops.free(result);
        if (kv_delete(ctx->unit, ctx->db, key, true)) {
            kv_dirty(ctx->unit, 1);
            kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, key);
        }
    }
    reply_int(ctx, (int64_t)length);
}

/* ---- ranges ---- */

/* A score, behind "(" if it is itself outside. */
static enum status score_limit(struct view text, struct zset_limit *out)
{
    if (text.len && text.ptr[0] == '(') {
        out->open = true;
        text = view_of(text.ptr + 1, text.len - 1);
    }
    return num_parse_double_lenient(text, &out->score);
}

/* "-", "+", or a member behind "[" or "(". */
static enum status lex_limit(struct view text, struct zset_limit *out)
{
    char first = text.len ? text.ptr[0] : '\0';
    if ((first == '-' || first == '+') && text.len == 1) {
        out->edge = first == '-' ? -1 : 1;
        return STATUS_OK;
    }
    if (first != '[' && first != '(') return STATUS_SYNTAX;
    out->open = first == '(';
    out->member = view_of(text.ptr + 1, text.len - 1);
    return STATUS_OK;
}

enum status zset_range_args(struct exec_ctx *ctx, enum zset_range_by by, int min_at, int max_at,
                            struct zset_range *out)
{
    struct view min = arg_view(&ctx->argv[min_at]), max = arg_view(&ctx->argv[max_at]);
    *out = (struct zset_range){.by = by};
    if (by == ZSET_BY_SCORE) {
        if (score_limit(min, &out->min) || score_limit(max, &out->max))
            return reply_error(ctx, "min or max is not a float");
    } else if (lex_limit(min, &out->min) || lex_limit(max, &out->max)) {
        return reply_error(ctx, "min or max not valid string range item");
    }
    return STATUS_OK;
}

struct zset_span zset_span_of_indexes(size_t length, int64_t start, int64_t stop)
{
    int64_t n = (int64_t)length;
    if (start < 0) start = start < -n ? 0 : start + n;
    if (stop < 0) stop = stop < -n ? -1 : stop + n;
    if (stop >= n) stop = n - 1;
    if (start > stop) return (struct zset_span){0, 0};
    return (struct zset_span){(size_t)start, (size_t)(stop - start) + 1};
}

/* ---- replies ---- */

void zset_reply_member(void *ctx, struct view member, double score)
{
    UNUSED(score);
    reply_bulk_view(ctx, member);
}

void zset_reply_flat(void *ctx, struct view member, double score)
{
    reply_bulk_view(ctx, member);
    reply_double(ctx, score);
}

void zset_reply_pair(void *ctx, struct view member, double score)
{
    reply_array(ctx, 2);
    zset_reply_flat(ctx, member, score);
}

zset_visit_fn *zset_reply_head(struct exec_ctx *ctx, size_t n, bool with_scores)
{
    bool nested = with_scores && reply_resp(ctx) > 2;
    reply_array(ctx, with_scores && !nested ? 2 * n : n);
    return !with_scores ? zset_reply_member : nested ? zset_reply_pair : zset_reply_flat;
}
