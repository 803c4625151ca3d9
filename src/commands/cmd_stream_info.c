/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XINFO: what a stream, its groups and their consumers look like inside. Names, order and shapes
 * of the fields are stock's observed behaviour, the number of nodes of a tree that isn't there
 * included (stream_radix_nodes). Thread: whoever holds the data token.
 */
#include "commands/stream_args.h"
#include "commands_table.h"

/* Entries, pending deliveries that FULL shows when nobody says. */
#define FULL_COUNT 10

static void field_int(struct exec_ctx *ctx, const char *name, int64_t n)
{
    reply_bulk_cstr(ctx, name);
    reply_int(ctx, n);
}

static void field_id(struct exec_ctx *ctx, const char *name, struct stream_id id)
{
    reply_bulk_cstr(ctx, name);
    stream_reply_id(ctx, id);
}

/* The stream under argument 2, which must be there. */
static enum status open_stream(struct exec_ctx *ctx, struct stream **s_out)
{
    if (stream_arg_read(ctx, 2, s_out)) return STATUS_ERR;
    return *s_out ? STATUS_OK : reply_no_such_key(ctx);
}

/* ---- STREAM ---- */

static void reply_numbers(struct exec_ctx *ctx, const struct stream *s)
{
    field_int(ctx, "length", (int64_t)s->length);
    field_int(ctx, "radix-tree-keys", (int64_t)s->blocks.count);
    field_int(ctx, "radix-tree-nodes", (int64_t)stream_radix_nodes(s));
    field_id(ctx, "last-generated-id", s->last_id);
    field_id(ctx, "max-deleted-entry-id", s->max_deleted_id);
    field_int(ctx, "entries-added", (int64_t)s->entries_added);
    field_id(ctx, "recorded-first-entry-id", s->first_id);
}

static void reply_edge(struct exec_ctx *ctx, const struct stream *s, const char *name,
                       bool reverse)
{
    struct stream_walk w;
    struct stream_entry e;
    reply_bulk_cstr(ctx, name);
    stream_walk_init(&w, s, STREAM_ID_MIN, STREAM_ID_MAX, reverse);
    if (stream_walk_next(&w, &e))
        stream_reply_entry(ctx, &e);
    else
        reply_null(ctx);
}

static void reply_group_read(struct exec_ctx *ctx, const struct stream *s,
                             const struct stream_group *g)
{
    int64_t lag;
    field_id(ctx, "last-delivered-id", g->last_id);
    reply_bulk_cstr(ctx, "entries-read");
    if (g->entries_read == STREAM_READ_UNKNOWN)
        reply_null(ctx);
    else
        reply_int(ctx, g->entries_read);
    reply_bulk_cstr(ctx, "lag");
    if (stream_group_lag(s, g, &lag))
        reply_int(ctx, lag);
    else
        reply_null(ctx);
}

/* Pending deliveries, with their consumers if `with_consumer`. */
static void reply_pending(struct exec_ctx *ctx, const struct idmap *pending, uint64_t count,
                          bool with_consumer)
{
    size_t n = pending->count;
    if (count && count < n) n = count;
    field_int(ctx, "pel-count", (int64_t)pending->count);
    reply_bulk_cstr(ctx, "pending");
    reply_array(ctx, n);
    struct idmap_pos pos = idmap_first(pending);
    for (; n; n--, pos = idmap_next(pending, pos)) {
        const struct idmap_slot *slot = idmap_at(pending, pos);
        const struct stream_pending *p = slot->ptr;
        reply_array(ctx, with_consumer ? 4 : 3);
        stream_reply_id(ctx, stream_key_id(slot->id));
        if (with_consumer) reply_bulk(ctx, p->consumer->name, p->consumer->name_len);
        reply_int(ctx, p->delivered_ms);
        reply_int(ctx, (int64_t)p->deliveries);
    }
}

static void reply_full_group(struct exec_ctx *ctx, const struct stream *s,
                             const struct stream_group *g, uint64_t count)
{
    reply_map(ctx, 7);
    reply_bulk_cstr(ctx, "name");
    reply_bulk(ctx, g->name, g->name_len);
    reply_group_read(ctx, s, g);
    reply_pending(ctx, &g->pending, count, true);
    reply_bulk_cstr(ctx, "consumers");
    reply_array(ctx, g->consumer_count);
    for (size_t i = 0; i < g->consumer_count; i++) {
        const struct stream_consumer *c = g->consumers[i];
        reply_map(ctx, 4);
        reply_bulk_cstr(ctx, "name");
        reply_bulk(ctx, c->name, c->name_len);
        field_int(ctx, "seen-time", c->seen_ms);
        reply_pending(ctx, &c->pending, count, false);
    }
}

static void reply_full(struct exec_ctx *ctx, const struct stream *s, uint64_t count)
{
    reply_map(ctx, 9);
    reply_numbers(ctx, s);
    reply_bulk_cstr(ctx, "entries");
    stream_reply_range(ctx, s, STREAM_ID_MIN, STREAM_ID_MAX, false, count);
    reply_bulk_cstr(ctx, "groups");
    reply_array(ctx, s->group_count);
    for (size_t i = 0; i < s->group_count; i++) reply_full_group(ctx, s, s->groups[i], count);
}

enum status cmd_xinfo_stream(struct exec_ctx *ctx)
{
    struct stream *s;
    int64_t count = FULL_COUNT;
    if (open_stream(ctx, &s)) return STATUS_ERR;
    if (ctx->argc == 3) {
        reply_map(ctx, 10);
        reply_numbers(ctx, s);
        field_int(ctx, "groups", (int64_t)s->group_count);
        reply_edge(ctx, s, "first-entry", false);
        reply_edge(ctx, s, "last-entry", true);
        return STATUS_OK;
    }
    if (!arg_is(&ctx->argv[3], "full") || (ctx->argc != 4 && ctx->argc != 6)) {
        return reply_unknown_call(ctx);
    }
    if (ctx->argc == 6) {
        if (!arg_is(&ctx->argv[4], "count")) return reply_unknown_call(ctx);
        if (arg_i64(ctx, 5, &count)) return STATUS_ERR;
        if (count < 0) count = FULL_COUNT;
    }
    reply_full(ctx, s, (uint64_t)count);
    return STATUS_OK;
}

/* ---- GROUPS, CONSUMERS, HELP ---- */

enum status cmd_xinfo_groups(struct exec_ctx *ctx)
{
    struct stream *s;
    if (open_stream(ctx, &s)) return STATUS_ERR;
    reply_array(ctx, s->group_count);
    for (size_t i = 0; i < s->group_count; i++) {
        const struct stream_group *g = s->groups[i];
        reply_map(ctx, 6);
        reply_bulk_cstr(ctx, "name");
        reply_bulk(ctx, g->name, g->name_len);
        field_int(ctx, "consumers", (int64_t)g->consumer_count);
        field_int(ctx, "pending", (int64_t)g->pending.count);
        reply_group_read(ctx, s, g);
    }
    return STATUS_OK;
}

enum status cmd_xinfo_consumers(struct exec_ctx *ctx)
{
    struct stream *s;
    if (open_stream(ctx, &s)) return STATUS_ERR;
    const struct stream_group *g = stream_group_find(s, arg_view(&ctx->argv[3]));
    if (!g) return stream_reply_unknown_group(ctx, &ctx->argv[2], &ctx->argv[3]);
    reply_array(ctx, g->consumer_count);
    for (size_t i = 0; i < g->consumer_count; i++) {
        const struct stream_consumer *c = g->consumers[i];
        reply_map(ctx, 3);
        reply_bulk_cstr(ctx, "name");
        reply_bulk(ctx, c->name, c->name_len);
        field_int(ctx, "pending", (int64_t)c->pending.count);
        field_int(ctx, "idle", MAX(stream_idle_ms(ctx->unit->now_ms, c->seen_ms), 0));
    }
    return STATUS_OK;
}

enum status cmd_xinfo_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}
