/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arguments and replies of the stream commands; see stream_args.h.
 */
#include "commands/stream_args.h"

#include "exec/effects.h"

#define NO_ID "Invalid stream ID specified as stream command argument"
/* As observed of stock: no longer text is read. */
#define ID_TEXT_MAX 127

/* ---- ids ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * One number of an id. As observed of stock, what isn't a strict number is still read as C's
 * strtoull would: blanks before it, a sign (a negative number wraps around) and leading zeros.
 */
static bool parse_part(struct view text, uint64_t *out)
{
    int64_t strict;
    if (num_parse_i64(text, &strict) == STATUS_OK) {
        *out = (uint64_t)strict;
        return strict >= 0;
    }
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end && is_blank(*p)) p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return false;
    uint64_t value = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        if (!num_mul_u64(value, 10, &value) || !num_add_u64(value, (uint64_t)(*p - '0'), &value)) {
            return false;
        }
    }
    *out = negative ? 0 - value : value;
    return true;
}

bool stream_parse_id(struct view text, uint64_t missing_seq, bool *auto_seq_out,
                     struct stream_id *id_out)
{
    if (text.len > ID_TEXT_MAX) return false;
    text.len = strnlen(text.ptr, text.len); /* a NUL ends it, in stock too */
    const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
    size_t ms_len = dash ? (size_t)(dash - text.ptr) : text.len;
    if (auto_seq_out) *auto_seq_out = false;
    if (!parse_part(view_of(text.ptr, ms_len), &id_out->ms)) return false;
    id_out->seq = missing_seq;
    if (!dash) return true;
    struct view seq = view_of(dash + 1, text.len - ms_len - 1);
    if (auto_seq_out && view_eq_cstr(seq, "*")) {
        *auto_seq_out = true;
        id_out->seq = 0;
        return true;
    }
    return parse_part(seq, &id_out->seq);
}

enum status stream_arg_id(struct exec_ctx *ctx, int i, struct stream_id *id_out)
{
    if (!stream_parse_id(arg_view(&ctx->argv[i]), 0, NULL, id_out)) return reply_error(ctx, NO_ID);
    return STATUS_OK;
}

/* An end of an interval without its "(", of which *open_out tells. */
static enum status interval_id(struct exec_ctx *ctx, int i, uint64_t missing_seq, bool *open_out,
                               struct stream_id *id_out)
{
    struct view text = arg_view(&ctx->argv[i]);
    *open_out = text.len > 1 && text.ptr[0] == '(';
    if (*open_out) {
        text = view_of(text.ptr + 1, text.len - 1);
    } else if (view_eq_cstr(text, "-") || view_eq_cstr(text, "+")) {
        *id_out = text.ptr[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
        return STATUS_OK;
    }
    if (!stream_parse_id(text, missing_seq, NULL, id_out)) return reply_error(ctx, NO_ID);
    return STATUS_OK;
}

enum status stream_arg_start(struct exec_ctx *ctx, int i, struct stream_id *id_out)
{
    bool open;
    if (interval_id(ctx, i, 0, &open, id_out)) return STATUS_ERR;
    if (open && !stream_id_next(id_out)) {
        return reply_error(ctx, "invalid start ID for the interval");
    }
    return STATUS_OK;
}

enum status stream_arg_end(struct exec_ctx *ctx, int i, struct stream_id *id_out)
{
    bool open;
    if (interval_id(ctx, i, UINT64_MAX, &open, id_out)) return STATUS_ERR;
    if (open && !stream_id_prev(id_out)) {
        return reply_error(ctx, "invalid end ID for the interval");
    }
    return STATUS_OK;
}

/* ---- streams, groups, consumers ---- */

enum status stream_arg_read(struct exec_ctx *ctx, int i, struct stream **s_out)
{
    struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[i]);
    *s_out = NULL;
    if (!e) return STATUS_OK;
    if (unlikely(kv_entry_type(e) != TYPE_STREAM)) return reply_wrongtype(ctx);
    *s_out = stream_of(kv_entry_value(e));
    return STATUS_OK;
}

/* A name in an error text, which ends at a NUL as stock's does. */
static int shown_len(const struct arg *name)
{
    return name->len ? (int)strnlen(name->ptr, MIN(name->len, (size_t)INT32_MAX)) : 0;
}

enum status stream_reply_no_group(struct exec_ctx *ctx, const struct arg *key,
                                  const struct arg *group, const char *more)
{
    return reply_errorf(ctx, "-NOGROUP No such key '%.*s' or consumer group '%.*s'%s",
                        shown_len(key), key->ptr, shown_len(group), group->ptr, more);
}

enum status stream_reply_unknown_group(struct exec_ctx *ctx, const struct arg *key,
                                       const struct arg *group)
{
    return reply_errorf(ctx, "-NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                        shown_len(group), group->ptr, shown_len(key), key->ptr);
}

enum status stream_arg_group(struct exec_ctx *ctx, struct stream **s_out,
                             struct stream_group **g_out)
{
    if (stream_arg_read(ctx, 1, s_out)) return STATUS_ERR;
    *g_out = *s_out ? stream_group_find(*s_out, arg_view(&ctx->argv[2])) : NULL;
    if (!*g_out) return stream_reply_no_group(ctx, &ctx->argv[1], &ctx->argv[2], "");
    return STATUS_OK;
}

struct stream_consumer *stream_consumer_seen(struct exec_ctx *ctx, const struct arg *key,
                                             struct stream_group *g, const struct arg *name)
{
    struct stream_consumer *c = stream_consumer_find(g, arg_view(name));
    if (c) {
        c->seen_ms = ctx->unit->now_ms;
        return c;
    }
    c = stream_consumer_new(g, arg_view(name), ctx->unit->now_ms);
    kv_event(ctx->unit, KV_EVENT_STREAM, "xgroup-createconsumer", ctx->db, key);
    kv_dirty(ctx->unit, 1);
    return c;
}

/* ---- effects ---- */

static void emit_id(struct exec_ctx *ctx, struct stream_id id)
{
    char text[STREAM_ID_LEN];
    effect_view(ctx, view_of(text, stream_id_format(text, id)));
}

void stream_emit_pending(struct exec_ctx *ctx, const struct arg *key, const struct stream_group *g,
                         struct view id, const struct stream_pending *p)
{
    effect_begin(ctx, 14);
    effect_text(ctx, "XCLAIM");
    effect_arg(ctx, key);
    effect_view(ctx, view_of(g->name, g->name_len));
    effect_view(ctx, view_of(p->consumer->name, p->consumer->name_len));
    effect_text(ctx, "0");
    effect_view(ctx, id);
    effect_text(ctx, "TIME");
    effect_int(ctx, p->delivered_ms);
    effect_text(ctx, "RETRYCOUNT");
    effect_int(ctx, (int64_t)p->deliveries);
    effect_text(ctx, "FORCE");
    effect_text(ctx, "JUSTID");
    effect_text(ctx, "LASTID");
    emit_id(ctx, g->last_id);
}

void stream_emit_pending_id(struct exec_ctx *ctx, const struct arg *key,
                            const struct stream_group *g, struct stream_id id,
                            const struct stream_pending *p)
{
    char text[STREAM_ID_LEN];
    stream_emit_pending(ctx, key, g, view_of(text, stream_id_format(text, id)), p);
}

void stream_emit_group(struct exec_ctx *ctx, const struct arg *key, const struct stream_group *g)
{
    effect_begin(ctx, 7);
    effect_text(ctx, "XGROUP");
    effect_text(ctx, "SETID");
    effect_arg(ctx, key);
    effect_view(ctx, view_of(g->name, g->name_len));
    emit_id(ctx, g->last_id);
    effect_text(ctx, "ENTRIESREAD");
    effect_int(ctx, g->entries_read);
}

void stream_emit_consumer(struct exec_ctx *ctx, const struct arg *key,
                          const struct stream_group *g, const struct arg *name)
{
    effect_begin(ctx, 5);
    effect_text(ctx, "XGROUP");
    effect_text(ctx, "CREATECONSUMER");
    effect_arg(ctx, key);
    effect_view(ctx, view_of(g->name, g->name_len));
    effect_arg(ctx, name);
}

/* ---- replies ---- */

void stream_reply_id(struct exec_ctx *ctx, struct stream_id id)
{
    char buf[STREAM_ID_LEN];
    reply_bulk(ctx, buf, stream_id_format(buf, id));
}

void stream_reply_entry(struct exec_ctx *ctx, struct stream_entry *e)
{
    struct stream_pair pair;
    reply_array(ctx, 2);
    stream_reply_id(ctx, e->id);
    reply_array(ctx, e->pair_count * 2);
    for (size_t i = 0; i < e->pair_count; i++) {
        stream_entry_pair(e, &pair);
        reply_bulk_view(ctx, pair.name);
        reply_bulk_view(ctx, pair.value);
    }
}

/* Entries that are looked up before the first is replied: an array of so few needs no gap in the
 * output for its length. */
#define FEW_ENTRIES 12

void stream_reply_walk(struct exec_ctx *ctx, struct stream_walk *w, uint64_t count,
                       void (*after)(void *arg, struct stream_id id), void *arg)
{
    struct stream_entry few[FEW_ENTRIES];
    size_t found = 0, n = 0;
    size_t max = count && count < FEW_ENTRIES ? (size_t)count : FEW_ENTRIES;
    while (found < max && stream_walk_next(w, &few[found])) found++;
    bool all = found < FEW_ENTRIES || found == count;
    struct reply_deferred array = {0};
    if (all)
        reply_array(ctx, found);
    else
        array = reply_defer(ctx);
    for (; n < found; n++) {
        struct stream_id id = few[n].id;
        stream_reply_entry(ctx, &few[n]);
        if (after) after(arg, id);
    }
    if (all) return;
    for (; (count == 0 || n < count) && stream_walk_next(w, &few[0]); n++) {
        struct stream_id id = few[0].id;
        stream_reply_entry(ctx, &few[0]);
        if (after) after(arg, id);
    }
    reply_defer_array(ctx, array, n);
}

void stream_reply_range(struct exec_ctx *ctx, const struct stream *s, struct stream_id from,
                        struct stream_id to, bool reverse, uint64_t count)
{
    struct stream_walk w;
    stream_walk_init(&w, s, from, to, reverse);
    stream_reply_walk(ctx, &w, count, NULL, NULL);
}
