/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XREAD and XREADGROUP: several streams at once, entries behind an id or those that a group
 * hasn't been delivered, and waiting for them.
 *
 * Both commands are one reading of the arguments and one loop over the streams. A command that
 * waits runs again for the one stream that changed (exec/blocking.h), with the ids that `$` meant
 * when it began; it replies as soon as the stream's last id is behind what the client has, even if
 * that entry is gone already, as in stock.
 *
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/stream_args.h"
#include "commands_table.h"
#include "exec/blocking.h"
#include "exec/effects.h"

#define NO_GROUP_OPTION                                                                            \
    " option is only supported by XREADGROUP. You called XREAD instead."

struct read_args {
    bool is_group, noack, blocks;
    int64_t timeout_ms;
    uint64_t count; /* 0: all */
    const struct arg *group, *consumer;
    int keys_at, key_count;
};

/* What is wanted of one stream. */
struct read_from {
    bool fresh; /* `>`: what the group hasn't been delivered; `id` is then its last */
    struct stream_id id;
};

/* ---- arguments ---- */

static enum status parse_block(struct exec_ctx *ctx, int i, struct read_args *a)
{
    if (num_parse_i64(arg_view(&ctx->argv[i]), &a->timeout_ms)) {
        return reply_error(ctx, "timeout is not an integer or out of range");
    }
    if (a->timeout_ms < 0) return reply_error(ctx, "timeout is negative");
    /* Longer than the process lives; sums with the clock must not overflow. */
    a->timeout_ms = MIN(a->timeout_ms, INT64_MAX / 4);
    a->blocks = true;
    return STATUS_OK;
}

static enum status parse_count(struct exec_ctx *ctx, int i, struct read_args *a)
{
    int64_t count;
    if (arg_i64(ctx, i, &count)) return STATUS_ERR;
    a->count = count < 0 ? 0 : (uint64_t)count;
    return STATUS_OK;
}

static enum status parse_streams(struct exec_ctx *ctx, int i, struct read_args *a)
{
    a->keys_at = i;
    a->key_count = (ctx->argc - i) / 2;
    if ((ctx->argc - i) % 2 == 0) return STATUS_OK;
    return reply_error(ctx, "Unbalanced XREAD list of streams: for each stream key an ID or '$' "
                            "must be specified.");
}

static enum status parse_read_args(struct exec_ctx *ctx, bool is_group, struct read_args *a)
{
    *a = (struct read_args){.is_group = is_group};
    for (int i = 1; i < ctx->argc && !a->keys_at; i++) {
        const struct arg *word = &ctx->argv[i];
        int more = ctx->argc - i - 1;
        if (more >= 1 && arg_is(word, "block")) {
            if (parse_block(ctx, ++i, a)) return STATUS_ERR;
        } else if (more >= 1 && arg_is(word, "count")) {
            if (parse_count(ctx, ++i, a)) return STATUS_ERR;
        } else if (more >= 1 && arg_is(word, "streams")) {
            if (parse_streams(ctx, i + 1, a)) return STATUS_ERR;
        } else if (more >= 2 && arg_is(word, "group")) {
            if (!is_group) return reply_error(ctx, "The GROUP" NO_GROUP_OPTION);
            a->group = &ctx->argv[i + 1];
            a->consumer = &ctx->argv[i + 2];
            i += 2;
        } else if (arg_is(word, "noack")) {
            if (!is_group) return reply_error(ctx, "The NOACK" NO_GROUP_OPTION);
            a->noack = true;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    if (!a->keys_at) return reply_syntax_error(ctx);
    if (is_group && !a->group) return reply_error(ctx, "Missing GROUP option for XREADGROUP");
    return STATUS_OK;
}

/* What the id of the nth stream means now. */
static enum status parse_from(struct exec_ctx *ctx, const struct read_args *a, int nth,
                              struct read_from *from_out)
{
    struct stream *s;
    struct stream_group *g = NULL;
    int key_at = a->keys_at + nth, id_at = key_at + a->key_count;
    struct view id = arg_view(&ctx->argv[id_at]);
    if (stream_arg_read(ctx, key_at, &s)) return STATUS_ERR;
    if (a->is_group) {
        g = s ? stream_group_find(s, arg_view(a->group)) : NULL;
        if (!g) {
            return stream_reply_no_group(ctx, &ctx->argv[key_at], a->group,
                                         " in XREADGROUP with GROUP option");
        }
    }
    *from_out = (struct read_from){.fresh = false};
    if (view_eq_cstr(id, "$")) {
        if (a->is_group) {
            return reply_error(ctx,
                               "The $ ID is meaningless in the context of XREADGROUP: you want to "
                               "read the history of this consumer by specifying a proper ID, or "
                               "use the > ID to get new messages. The $ ID would just return an "
                               "empty result set.");
        }
        if (s) from_out->id = s->last_id;
        return STATUS_OK;
    }
    if (view_eq_cstr(id, ">")) {
        if (!a->is_group) {
            return reply_error(ctx, "The > ID can be specified only when calling XREADGROUP using "
                                    "the GROUP <group> <consumer> option.");
        }
        *from_out = (struct read_from){.fresh = true, .id = g->last_id};
        return STATUS_OK;
    }
    if (stream_arg_id(ctx, id_at, &from_out->id)) return STATUS_ERR;
    /* As observed of stock: a group can't be asked for what is behind the last id of all. */
    from_out->fresh = g && stream_id_compare(from_out->id, STREAM_ID_MAX) == 0;
    return STATUS_OK;
}

/* ---- replies ---- */

/* A delivery of entries to a consumer of a group. */
struct delivery {
    struct exec_ctx *ctx;
    const struct arg *key;
    const struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    bool noack;
    bool emits;    /* effects */
    uint64_t done; /* entries that were delivered */
};

static void delivered(struct delivery *d, struct stream_id id, const struct stream_pending *p)
{
    d->done++;
    if (d->emits && p) stream_emit_pending_id(d->ctx, d->key, d->g, id, p);
}

/* The deliveries of a consumer behind an id that it hasn't acknowledged: they count anew. */
static void reply_history(struct delivery *d, struct stream_id after, uint64_t count)
{
    size_t n = 0;
    struct exec_ctx *ctx = d->ctx;
    struct stream_consumer *c = d->c;
    const struct idmap_slot *slot;
    struct reply_deferred array = reply_defer(ctx);
    struct idmap_pos pos = idmap_from(&c->pending, stream_id_key(after));
    if (!stream_id_next(&after)) pos.chunk = c->pending.end;
    for (; (count == 0 || n < count) && (slot = idmap_at(&c->pending, pos));
         pos = idmap_next(&c->pending, pos)) {
        struct stream_entry e;
        struct stream_pending *p = slot->ptr;
        if (stream_id_compare(stream_key_id(slot->id), after) < 0) continue;
        if (stream_find(d->s, stream_key_id(slot->id), &e)) {
            stream_reply_entry(ctx, &e);
            p->delivered_ms = ctx->unit->now_ms;
            p->deliveries++;
            delivered(d, stream_key_id(slot->id), p);
        } else {
            reply_array(ctx, 2);
            stream_reply_id(ctx, stream_key_id(slot->id));
            reply_null_array(ctx);
        }
        n++;
    }
    reply_defer_array(ctx, array, n);
}

/* Moves the group on, and notes that an entry went to a consumer. It may be pending already, if
 * the group was set back: then it begins anew. */
static void deliver(void *arg, struct stream_id id)
{
    struct delivery *d = arg;
    struct stream_pending *p = NULL;
    int64_t now_ms = d->ctx->unit->now_ms;
    stream_group_advance(d->s, d->g, id);
    if (d->noack) {
        delivered(d, id, NULL);
        return;
    }
    const struct idmap_slot *last = idmap_at(&d->g->pending, idmap_last(&d->g->pending));
    if (last && stream_id_compare(id, stream_key_id(last->id)) <= 0) {
        p = stream_pending_find(d->g, id);
    }
    if (!p) {
        p = stream_pending_new(d->g, d->c, id, now_ms);
    } else {
        stream_pending_give(p, d->c, id);
        p->delivered_ms = now_ms;
    }
    p->deliveries = 1;
    delivered(d, id, p);
}

/* What the group hasn't been delivered, and moves it on. */
static void reply_fresh(struct delivery *d, uint64_t count)
{
    struct stream_walk w;
    struct stream_id from = d->g->last_id;
    bool any = stream_id_next(&from);
    stream_walk_init(&w, d->s, from, any ? STREAM_ID_MAX : STREAM_ID_MIN, false);
    stream_reply_walk(d->ctx, &w, count, deliver, d);
}

/* A consumer's part of the reply. Its deliveries are effects of their own and make the consumer;
 * what they don't say comes behind them. */
static void read_as_consumer(struct exec_ctx *ctx, const struct read_args *a, const struct arg *key,
                             struct stream *s, const struct read_from *from)
{
    struct stream_group *g = stream_group_find(s, arg_view(a->group));
    bool is_new = !stream_consumer_find(g, arg_view(a->consumer));
    int64_t read_before = g->entries_read;
    struct delivery d = {.ctx = ctx,
                         .key = key,
                         .s = s,
                         .g = g,
                         .c = stream_consumer_seen(ctx, key, g, a->consumer),
                         .noack = a->noack,
                         .emits = effect_instead(ctx)};
    if (from->fresh)
        reply_fresh(&d, a->count);
    else
        reply_history(&d, from->id, a->count);
    kv_dirty(ctx->unit, 1);
    if (!d.emits) return;
    if (is_new && (a->noack || !d.done)) stream_emit_consumer(ctx, key, g, a->consumer);
    if (from->fresh && d.done && (a->noack || g->entries_read != read_before))
        stream_emit_group(ctx, key, g);
}

/* The nth stream's part of the reply, which has something to say. */
static void reply_stream(struct exec_ctx *ctx, const struct read_args *a, int nth,
                         struct stream *s, const struct read_from *from)
{
    const struct arg *key = &ctx->argv[a->keys_at + nth];
    if (reply_resp(ctx) == 2) reply_array(ctx, 2);
    reply_bulk_view(ctx, arg_view(key));
    if (!a->is_group) {
        struct stream_id first = from->id;
        bool any = stream_id_next(&first);
        stream_reply_range(ctx, s, first, any ? STREAM_ID_MAX : STREAM_ID_MIN, false, a->count);
        return;
    }
    read_as_consumer(ctx, a, key, s, from);
}

/* ---- the commands ---- */

/* Whether the stream has an entry behind the id. */
static bool has_behind(const struct stream *s, struct stream_id id)
{
    struct stream_entry last;
    if (stream_id_compare(s->last_id, id) <= 0) return false;
    return stream_last(s, &last) && stream_id_compare(last.id, id) > 0;
}

static enum status wait_for_streams(struct exec_ctx *ctx, const struct read_args *a,
                                    const struct read_from *from)
{
    struct arg *argv = mem_alloc((size_t)ctx->argc * sizeof(*argv));
    int *positions = mem_alloc((size_t)a->key_count * sizeof(*positions));
    char *ids = mem_alloc((size_t)a->key_count * STREAM_ID_LEN);
    memcpy(argv, ctx->argv, (size_t)ctx->argc * sizeof(*argv));
    for (int i = 0; i < a->key_count; i++) {
        int id_at = a->keys_at + a->key_count + i;
        char *id = ids + (size_t)i * STREAM_ID_LEN;
        positions[i] = a->keys_at + i;
        if (!a->is_group) argv[id_at] = arg_of(id, stream_id_format(id, from[i].id));
    }
    enum status status = block_on_keys(ctx, &(struct block_options){.argv = argv,
                                                                    .argc = ctx->argc,
                                                                    .key_positions = positions,
                                                                    .key_count = a->key_count,
                                                                    .type = TYPE_STREAM,
                                                                    .timeout_ms = a->timeout_ms,
                                                                    .also_when_gone = a->is_group});
    mem_free(ids);
    mem_free(positions);
    mem_free(argv);
    return status;
}

/* The head of a reply with parts of n streams. */
static void reply_streams_head(struct exec_ctx *ctx, size_t n)
{
    if (reply_resp(ctx) == 2)
        reply_array(ctx, n);
    else
        reply_map(ctx, n);
}

/* A waiting command runs again, since the stream at `key_at` has changed. */
static enum status read_again(struct exec_ctx *ctx, const struct read_args *a, int key_at)
{
    struct kv_entry *e = kv_peek(ctx->unit, ctx->db, &ctx->argv[key_at]);
    if (!e || kv_entry_type(e) != TYPE_STREAM) {
        return a->is_group ? reply_error(ctx, "-UNBLOCKED the stream key no longer exists")
                           : STATUS_BLOCKED;
    }
    struct stream *s = stream_of(kv_entry_value(e));
    struct read_from from = {.fresh = a->is_group};
    if (a->is_group) {
        const struct stream_group *g = stream_group_find(s, arg_view(a->group));
        if (!g) {
            return reply_error(ctx, "-NOGROUP the consumer group this client was blocked on no "
                                    "longer exists");
        }
        from.id = g->last_id;
    } else if (stream_arg_id(ctx, key_at + a->key_count, &from.id)) {
        return STATUS_ERR;
    }
    if (stream_id_compare(s->last_id, from.id) <= 0) return STATUS_BLOCKED;
    reply_streams_head(ctx, 1);
    reply_stream(ctx, a, key_at - a->keys_at, s, &from);
    return STATUS_OK;
}

/* Replies what the streams have now; false, and nothing replied, if none has anything. */
static bool read_now(struct exec_ctx *ctx, const struct read_args *a, const struct read_from *from)
{
    size_t ready = 0;
    struct reply_deferred all = {0};
    for (int i = 0; i < a->key_count; i++) {
        struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[a->keys_at + i]);
        struct stream *s = e ? stream_of(kv_entry_value(e)) : NULL;
        bool history = a->is_group && !from[i].fresh;
        struct read_from now = from[i];
        if (s && now.fresh) now.id = stream_group_find(s, arg_view(a->group))->last_id;
        if (!s || (!history && !has_behind(s, now.id))) continue;
        if (a->key_count == 1)
            reply_streams_head(ctx, 1);
        else if (ready == 0)
            all = reply_defer(ctx);
        ready++;
        reply_stream(ctx, a, i, s, &now);
    }
    if (ready && a->key_count > 1) {
        if (reply_resp(ctx) == 2)
            reply_defer_array(ctx, all, ready);
        else
            reply_defer_map(ctx, all, ready);
    }
    return ready;
}

#define FEW_STREAMS 8

static enum status read_streams(struct exec_ctx *ctx, bool is_group)
{
    struct read_args a;
    struct read_from few[FEW_STREAMS], *from = few;
    enum status status = STATUS_OK;
    if (parse_read_args(ctx, is_group, &a)) return STATUS_ERR;
    int again_at = block_ready_key(ctx);
    if (again_at >= 0) return read_again(ctx, &a, again_at);
    if (a.key_count > FEW_STREAMS) from = mem_alloc((size_t)a.key_count * sizeof(*from));
    for (int i = 0; !status && i < a.key_count; i++) status = parse_from(ctx, &a, i, &from[i]);
    if (!status && !read_now(ctx, &a, from)) {
        if (a.blocks)
            status = wait_for_streams(ctx, &a, from);
        else
            reply_null_array(ctx);
    }
    if (from != few) mem_free(from);
    return status;
}

enum status cmd_xread(struct exec_ctx *ctx)
{
    return read_streams(ctx, false);
}

enum status cmd_xreadgroup(struct exec_ctx *ctx)
{
    return read_streams(ctx, true);
}
