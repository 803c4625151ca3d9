/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists: what adds to them, reads and edits them, LPUSH to LPOS. What takes elements away, waiting
 * for them if need be, is in cmd_list_pop.c. The type (types/list.h) knows nothing of keys: look
 * up, work on the value, say what changed. Thread: whoever holds the data token.
 */
#include "commands_table.h"
#include "exec/reply.h"
#include "types/list.h"

/* The list under argument 1 for reading; *found_out says whether there is one. */
static enum status open_read(struct exec_ctx *ctx, struct value *v_out, bool *found_out)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    *found_out = e != NULL;
    if (!e) return STATUS_OK;
    if (unlikely(kv_entry_type(e) != TYPE_LIST)) return reply_wrongtype(ctx);
    *v_out = kv_entry_value(e);
    return STATUS_OK;
}

/* The entry under argument 1 for a change; NULL if there is none. */
static enum status open_write(struct exec_ctx *ctx, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && unlikely(kv_entry_type(e) != TYPE_LIST)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

/* What follows a change of the list under argument 1. */
static void changed(struct exec_ctx *ctx, const char *event, uint64_t changes)
{
    struct arg *key = &ctx->argv[1];
    kv_touch(ctx->unit, ctx->db, key);
    kv_dirty(ctx->unit, changes);
    kv_event(ctx->unit, KV_EVENT_LIST, event, ctx->db, key);
}

/* ---- LPUSH and its kin ---- */

static enum status push(struct exec_ctx *ctx, enum quicklist_end end, bool only_existing)
{
    struct kv_entry *e;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e && only_existing) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    struct value v = e ? kv_entry_value(e) : list_new();
    for (int i = 2; i < ctx->argc; i++) {
        quicklist_push(list_of(v), end, arg_view(&ctx->argv[i]));
    }
    reply_int(ctx, (int64_t)list_length(v));
    if (!e) kv_set_value(ctx->unit, ctx->db, &ctx->argv[1], NULL, v, 0);
    changed(ctx, end == QUICKLIST_FIRST ? "lpush" : "rpush", (uint64_t)ctx->argc - 2);
    return STATUS_OK;
}

enum status cmd_lpush(struct exec_ctx *ctx)
{
    return push(ctx, QUICKLIST_FIRST, false);
}

enum status cmd_rpush(struct exec_ctx *ctx)
{
    return push(ctx, QUICKLIST_LAST, false);
}

enum status cmd_lpushx(struct exec_ctx *ctx)
{
    return push(ctx, QUICKLIST_FIRST, true);
}

enum status cmd_rpushx(struct exec_ctx *ctx)
{
    return push(ctx, QUICKLIST_LAST, true);
}

/* ---- reading ---- */

enum status cmd_llen(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    reply_int(ctx, found ? (int64_t)list_length(v) : 0);
    return STATUS_OK;
}

/* Replies `count` elements from index `start` on, which must be there. */
static void reply_stretch(struct exec_ctx *ctx, struct value v, size_t start, size_t count)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    quicklist_iter_init(&it, list_of(v), start, QUICKLIST_FIRST);
    while (count-- && quicklist_next(&it, &e)) {
        reply_bulk_view(ctx, quicklist_entry_view(&e, buf));
    }
    quicklist_iter_end(&it);
}

enum status cmd_lindex(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    int64_t index;
    size_t at;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found && arg_i64(ctx, 2, &index)) return STATUS_ERR;
    if (found && list_index(v, index, &at)) {
        reply_stretch(ctx, v, at, 1);
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_lrange(struct exec_ctx *ctx)
{
    struct value v;
    bool found;
    int64_t from, to;
    size_t start, count = 0;
    if (arg_i64(ctx, 2, &from) || arg_i64(ctx, 3, &to)) return STATUS_ERR;
    if (open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found) list_range(v, from, to, &start, &count);
    reply_array(ctx, count);
    if (count) reply_stretch(ctx, v, start, count);
    return STATUS_OK;
}

/* ---- editing ---- */

enum status cmd_lset(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    int64_t index;
    size_t at;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e) return reply_no_such_key(ctx);
    if (arg_i64(ctx, 2, &index)) return STATUS_ERR;
    struct value v = kv_entry_value(e);
    if (!list_index(v, index, &at)) return reply_error(ctx, "index out of range");
    quicklist_set(list_of(v), at, arg_view(&ctx->argv[3]));
    reply_ok(ctx);
    changed(ctx, "lset", 1);
    return STATUS_OK;
}

/* The index of the first element with this text. */
static bool find(struct value v, struct view text, size_t *index_out)
{
    struct quicklist_iter it;
    struct quicklist_entry e;
    bool found = false;
    size_t index = 0;
    quicklist_iter_init(&it, list_of(v), 0, QUICKLIST_FIRST);
    for (; !found && quicklist_next(&it, &e); index++) found = quicklist_entry_equals(&e, text);
    quicklist_iter_end(&it);
    *index_out = index - found;
    return found;
}

enum status cmd_linsert(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    size_t at;
    bool after = arg_is(&ctx->argv[2], "after");
    if (!after && !arg_is(&ctx->argv[2], "before")) return reply_syntax_error(ctx);
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e || !find(kv_entry_value(e), arg_view(&ctx->argv[3]), &at)) {
        reply_int(ctx, e ? -1 : 0);
        return STATUS_OK;
    }
    struct value v = kv_entry_value(e);
    quicklist_insert(list_of(v), at + after, arg_view(&ctx->argv[4]));
    reply_int(ctx, (int64_t)list_length(v));
    changed(ctx, "linsert", 1);
    return STATUS_OK;
}

enum status cmd_lrem(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    int64_t count;
    size_t removed = 0;
    if (arg_i64(ctx, 2, &count) || open_write(ctx, &e)) return STATUS_ERR;
    if (e) {
        struct value v = kv_entry_value(e);
        size_t limit = count == 0 ? SIZE_MAX : count < 0 ? 0 - (size_t)count : (size_t)count;
        removed = quicklist_remove_equal(list_of(v), arg_view(&ctx->argv[3]), limit,
                                         count < 0 ? QUICKLIST_LAST : QUICKLIST_FIRST);
        bool empty = list_length(v) == 0;
        if (removed) changed(ctx, "lrem", removed);
        if (empty) kv_delete_empty(ctx->unit, ctx->db, &ctx->argv[1]);
    }
    reply_int(ctx, (int64_t)removed);
    return STATUS_OK;
}

enum status cmd_ltrim(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    int64_t from, to;
    if (arg_i64(ctx, 2, &from) || arg_i64(ctx, 3, &to)) return STATUS_ERR;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (e) {
        struct value v = kv_entry_value(e);
        size_t start, count, length = list_length(v);
        list_range(v, from, to, &start, &count);
        changed(ctx, "ltrim", length - count);
        if (count) {
            quicklist_remove(list_of(v), start + count, SIZE_MAX);
            quicklist_remove(list_of(v), 0, start);
        } else { /* the whole list, which may be much to free */
            kv_delete_empty(ctx->unit, ctx->db, &ctx->argv[1]);
        }
    }
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- LPOS ---- */

struct lpos {
    int64_t rank, count, max_compared; /* 0: no limit */
    bool many;                         /* COUNT was given: the reply is an array */
};

static enum status lpos_options(struct exec_ctx *ctx, struct lpos *o)
{
    *o = (struct lpos){.rank = 1};
    for (int i = 3; i < ctx->argc; i += 2) {
        if (i + 1 == ctx->argc) return reply_syntax_error(ctx);
        if (arg_is(&ctx->argv[i], "rank")) {
            if (arg_i64(ctx, i + 1, &o->rank)) return STATUS_ERR;
            if (o->rank == 0)
                return reply_error(ctx, "RANK can't be zero: use 1 to start from the first match, "
                                        "2 from the second ... or use negative to start from the "
                                        "end of the list");
        } else if (arg_is(&ctx->argv[i], "count")) {
            o->many = true;
            if (arg_i64_at_least(ctx, i + 1, 0, "COUNT can't be negative", &o->count))
                return STATUS_ERR;
        } else if (arg_is(&ctx->argv[i], "maxlen")) {
            if (arg_i64_at_least(ctx, i + 1, 0, "MAXLEN can't be negative", &o->max_compared))
                return STATUS_ERR;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

/* Replies the indexes that match, from `skip` matches on; returns how many. */
static size_t lpos_walk(struct exec_ctx *ctx, struct value v, const struct lpos *o)
{
    bool backwards = o->rank < 0;
    /* The lowest rank has no positive twin; with it stock starts at the last match and, having
     * wrapped around, knows no end. */
    bool lowest = o->rank == INT64_MIN;
    uint64_t skip = lowest ? 0 : (uint64_t)(backwards ? -o->rank : o->rank) - 1;
    uint64_t wanted = !o->many ? 1 : o->count && !lowest ? (uint64_t)o->count : UINT64_MAX;
    size_t length = list_length(v), found = 0;
    size_t compared = o->max_compared ? MIN((size_t)o->max_compared, length) : length;
    struct view text = arg_view(&ctx->argv[2]);
    struct quicklist_iter it;
    struct quicklist_entry e;
    quicklist_iter_init(&it, list_of(v), backwards ? length - 1 : 0,
                        backwards ? QUICKLIST_LAST : QUICKLIST_FIRST);
    for (size_t i = 0; i < compared && found < wanted && quicklist_next(&it, &e); i++) {
        if (!quicklist_entry_equals(&e, text)) continue;
        if (skip) {
            skip--;
            continue;
        }
        reply_int(ctx, (int64_t)(backwards ? length - 1 - i : i));
        found++;
    }
    quicklist_iter_end(&it);
    return found;
}

enum status cmd_lpos(struct exec_ctx *ctx)
{
    struct lpos o;
    struct value v;
    bool found;
    if (lpos_options(ctx, &o) || open_read(ctx, &v, &found)) return STATUS_ERR;
    if (found && o.many) {
        struct reply_deferred array = reply_defer(ctx);
        reply_defer_array(ctx, array, lpos_walk(ctx, v, &o));
    } else if (o.many) {
        reply_array(ctx, 0);
    } else if (!found || lpos_walk(ctx, v, &o) == 0) {
        reply_null(ctx);
    }
    return STATUS_OK;
}
