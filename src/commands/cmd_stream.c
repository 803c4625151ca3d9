/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams: the commands about entries, XADD to XTRIM. Reading with and without groups and waiting
 * is in cmd_stream_read.c, groups are in cmd_stream_group.c, XINFO in cmd_stream_info.c.
 *
 * A stream that is left without entries stays: it remembers its last id and its groups.
 * Thread: whoever holds the data token.
 */
#include "commands/stream_args.h"
#include "commands_table.h"
#include "exec/effects.h"

/* ---- arguments of XADD and XTRIM ---- */

struct trim_args {
    bool given, limit_given, no_mkstream;
    bool auto_id, auto_seq; /* of XADD */
    int about_at;           /* position of the strategy's `~` */
    struct stream_id id;
    struct stream_trim trim;
};

/* A bound of MAXLEN or MINID at argument *i: moves *i to its last word. */
static enum status parse_strategy(struct exec_ctx *ctx, int *i, struct trim_args *a)
{
    bool by_id = arg_is(&ctx->argv[*i], "minid");
    if (a->given) {
        return reply_error(ctx, "syntax error, MAXLEN and MINID options at the same time are not "
                                "compatible");
    }
    a->trim = (struct stream_trim){.by_id = by_id, .limit = a->trim.limit};
    if (*i + 2 < ctx->argc) {
        struct view next = arg_view(&ctx->argv[*i + 1]);
        a->trim.approximate = view_eq_cstr(next, "~");
        if (a->trim.approximate || view_eq_cstr(next, "=")) ++*i;
    }
    a->about_at = *i;
    ++*i;
    a->given = true;
    if (by_id) return stream_arg_id(ctx, *i, &a->trim.min_id);
    int64_t length;
    if (arg_i64(ctx, *i, &length)) return STATUS_ERR;
    if (length < 0) return reply_error(ctx, "The MAXLEN argument must be >= 0.");
    a->trim.max_length = (uint64_t)length;
    return STATUS_OK;
}

static enum status parse_limit(struct exec_ctx *ctx, int i, struct trim_args *a)
{
    int64_t limit;
    if (arg_i64(ctx, i, &limit)) return STATUS_ERR;
    if (limit < 0) return reply_error(ctx, "The LIMIT argument must be >= 0.");
    a->trim.limit = (uint64_t)limit;
    a->limit_given = true;
    return STATUS_OK;
}

/* As much as an approximate trim does at once when nobody says: 100 full blocks. */
static uint64_t default_limit(void)
{
    size_t limit;
    if (!num_mul_size(type_limits.stream_node_max_entries, 100, &limit)) limit = SIZE_MAX;
    if (limit == 0) limit = 10000;
    return MIN(limit, (size_t)1000000);
}

/* What the options must be together. XTRIM has a strategy, since its other words are errors. */
static enum status check_trim(struct exec_ctx *ctx, struct trim_args *a)
{
    if (a->limit_given && !a->given) {
        return reply_error(ctx, "syntax error, LIMIT cannot be used without specifying a trimming "
                                "strategy");
    }
    if (a->limit_given && !a->trim.approximate) {
        return reply_error(ctx, "syntax error, LIMIT cannot be used without the special ~ option");
    }
    if (!a->limit_given && a->trim.approximate) a->trim.limit = default_limit();
    return STATUS_OK;
}

/* Reads the options, and the id if is_xadd, whose position is then *id_at_out. */
static enum status parse_trim_args(struct exec_ctx *ctx, bool is_xadd, struct trim_args *a,
                                   int *id_at_out)
{
    int i;
    *a = (struct trim_args){.given = false};
    for (i = 2; i < ctx->argc; i++) {
        const struct arg *word = &ctx->argv[i];
        bool more = i + 1 < ctx->argc;
        if (is_xadd && view_eq_cstr(arg_view(word), "*")) {
            a->auto_id = true;
            break;
        }
        if (more && (arg_is(word, "maxlen") || arg_is(word, "minid"))) {
            if (parse_strategy(ctx, &i, a)) return STATUS_ERR;
        } else if (more && arg_is(word, "limit")) {
            if (parse_limit(ctx, ++i, a)) return STATUS_ERR;
        } else if (is_xadd && arg_is(word, "nomkstream")) {
            a->no_mkstream = true;
        } else if (!is_xadd) {
            return reply_syntax_error(ctx);
        } else if (!stream_parse_id(arg_view(word), 0, &a->auto_seq, &a->id)) {
            return reply_error(ctx, "Invalid stream ID specified as stream command argument");
        } else {
            break;
        }
    }
    *id_at_out = i;
    return check_trim(ctx, a);
}

/* The id of a new entry; the error is replied if there is none. */
static enum status choose_id(struct exec_ctx *ctx, const struct stream *s,
                             const struct trim_args *a, struct stream_id *id_out)
{
    struct stream_id id = a->id, last = s->last_id;
    if (stream_id_compare(last, STREAM_ID_MAX) == 0) {
        return reply_error(ctx, "The stream has exhausted the last possible ID, unable to add "
                                "more items");
    }
    if (a->auto_id) {
        id = (struct stream_id){.ms = (uint64_t)ctx->unit->now_ms};
        if (id.ms <= last.ms) {
            id = last;
            stream_id_next(&id);
        }
    } else if (a->auto_seq && id.ms == last.ms) {
        /* The text is stock's for whatever fails but an id that is too small. */
        if (last.seq == UINT64_MAX) {
            return reply_error(ctx, "Elements are too large to be stored");
        }
        id.seq = last.seq + 1;
    }
    if (stream_id_compare(id, last) <= 0) {
        return reply_error(ctx, "The ID specified in XADD is equal or smaller than the target "
                                "stream top item");
    }
    *id_out = id;
    return STATUS_OK;
}

/* The entry under argument 1 for a change; NULL if there is none. */
static enum status open_write(struct exec_ctx *ctx, struct kv_entry **e_out)
{
    struct kv_entry *e = *e_out = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (e && unlikely(kv_entry_type(e) != TYPE_STREAM)) return reply_wrongtype(ctx);
    return STATUS_OK;
}

/* ---- effects ---- */

static void emit_id(struct exec_ctx *ctx, struct stream_id id)
{
    char text[STREAM_ID_LEN];
    effect_view(ctx, view_of(text, stream_id_format(text, id)));
}

/* Trims exactly as far as an approximate one has come: to the first block that it left. */
static void emit_bound(struct exec_ctx *ctx, const struct stream *s, const struct stream_trim *t)
{
    if (!t->by_id) {
        effect_int(ctx, (int64_t)s->length);
    } else {
        const struct idmap_slot *first = idmap_at(&s->blocks, idmap_first(&s->blocks));
        emit_id(ctx, first ? stream_key_id(first->id) : STREAM_ID_MAX);
    }
}

/* LIMIT goes with `~` alone. */
static bool is_left_out(struct exec_ctx *ctx, const struct trim_args *a, int i, int id_at)
{
    return a->trim.approximate && i > 1 && i < id_at && arg_is(&ctx->argv[i], "limit");
}

/* XADD and XTRIM with the id that was chosen, at id_at if there is one, and with what a trim that
 * keeps whole blocks came to: blocks may be cut otherwise elsewhere. */
static void emit_outcome(struct exec_ctx *ctx, const struct stream *s, const struct trim_args *a,
                         int id_at)
{
    size_t words = 0;
    if (!(a->auto_id || a->auto_seq || a->trim.approximate) || !effect_instead(ctx)) return;
    for (int i = 0; i < ctx->argc; i++) {
        if (is_left_out(ctx, a, i, id_at))
            i++;
        else
            words++;
    }
    effect_begin(ctx, words);
    for (int i = 0; i < ctx->argc; i++) {
        if (is_left_out(ctx, a, i, id_at))
            i++;
        else if (i == id_at && (a->auto_id || a->auto_seq))
            emit_id(ctx, a->id);
        else if (a->trim.approximate && i == a->about_at)
            effect_text(ctx, "=");
        else if (a->trim.approximate && i == a->about_at + 1)
            emit_bound(ctx, s, &a->trim);
        else
            effect_arg(ctx, &ctx->argv[i]);
    }
}

/* ---- XADD, XTRIM ---- */

/* Adds the entry and stores the stream; a new one is freed if that fails. */
static enum status add_entry(struct exec_ctx *ctx, struct kv_entry *e, struct trim_args *a,
                             int id_at)
{
    int pairs_at = id_at + 1;
    struct arg *key = &ctx->argv[1];
    struct value v = e ? kv_entry_value(e) : stream_new();
    struct stream *s = stream_of(v);
    enum status status = choose_id(ctx, s, a, &a->id);
    if (!status && stream_append(s, a->id, &ctx->argv[pairs_at], (size_t)(ctx->argc - pairs_at))) {
        status = reply_error(ctx, "Elements are too large to be stored");
    }
    if (status) {
        if (!e) stream_type_ops.free(v);
        return status;
    }
    if (e) {
        kv_touch(ctx->unit, ctx->db, key);
    } else {
        kv_set_value(ctx->unit, ctx->db, key, NULL, v, 0);
    }
    kv_event(ctx->unit, KV_EVENT_STREAM, "xadd", ctx->db, key);
    kv_dirty(ctx->unit, 1);
    if (a->given && stream_trim(s, &a->trim)) {
        kv_event(ctx->unit, KV_EVENT_STREAM, "xtrim", ctx->db, key);
    }
    emit_outcome(ctx, s, a, id_at);
    return STATUS_OK;
}

enum status cmd_xadd(struct exec_ctx *ctx)
{
    struct trim_args a;
    struct kv_entry *e;
    int id_at;
    if (parse_trim_args(ctx, true, &a, &id_at)) return STATUS_ERR;
    int words = ctx->argc - id_at - 1;
    if (words < 2 || words % 2 == 1) return reply_arity(ctx);
    if (!a.auto_id && !a.auto_seq && stream_id_is_zero(a.id)) {
        return reply_error(ctx, "The ID specified in XADD must be greater than 0-0");
    }
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e && a.no_mkstream) {
        reply_null(ctx);
        return STATUS_OK;
    }
    if (add_entry(ctx, e, &a, id_at)) return STATUS_ERR;
    stream_reply_id(ctx, a.id);
    return STATUS_OK;
}

enum status cmd_xtrim(struct exec_ctx *ctx)
{
    struct trim_args a;
    struct kv_entry *e;
    int end;
    if (parse_trim_args(ctx, false, &a, &end) || open_write(ctx, &e)) return STATUS_ERR;
    uint64_t removed = e ? stream_trim(stream_of(kv_entry_value(e)), &a.trim) : 0;
    if (removed) {
        kv_touch(ctx->unit, ctx->db, &ctx->argv[1]);
        kv_event(ctx->unit, KV_EVENT_STREAM, "xtrim", ctx->db, &ctx->argv[1]);
        kv_dirty(ctx->unit, removed);
        emit_outcome(ctx, stream_of(kv_entry_value(e)), &a, ctx->argc);
    }
    reply_int(ctx, (int64_t)removed);
    return STATUS_OK;
}

/* ---- the other commands about entries ---- */

enum status cmd_xlen(struct exec_ctx *ctx)
{
    struct stream *s;
    if (stream_arg_read(ctx, 1, &s)) return STATUS_ERR;
    reply_int(ctx, s ? (int64_t)s->length : 0);
    return STATUS_OK;
}

static enum status range(struct exec_ctx *ctx, bool reverse)
{
    struct stream_id from, to;
    int64_t count = -1;
    if (stream_arg_start(ctx, reverse ? 3 : 2, &from) ||
        stream_arg_end(ctx, reverse ? 2 : 3, &to)) return STATUS_ERR;
    for (int i = 4; i < ctx->argc; i += 2) {
        if (i + 1 >= ctx->argc || !arg_is(&ctx->argv[i], "count")) return reply_syntax_error(ctx);
        if (arg_i64(ctx, i + 1, &count)) return STATUS_ERR;
        count = MAX(count, 0);
    }
    struct stream *s;
    if (stream_arg_read(ctx, 1, &s)) return STATUS_ERR;
    if (!s) {
        reply_array(ctx, 0);
    } else if (count == 0) {
        reply_null_array(ctx);
    } else {
        stream_reply_range(ctx, s, from, to, reverse, count < 0 ? 0 : (uint64_t)count);
    }
    return STATUS_OK;
}

enum status cmd_xrange(struct exec_ctx *ctx)
{
    return range(ctx, false);
}

enum status cmd_xrevrange(struct exec_ctx *ctx)
{
    return range(ctx, true);
}

enum status cmd_xdel(struct exec_ctx *ctx)
{
    struct kv_entry *e;
    struct stream_id id;
    if (open_write(ctx, &e)) return STATUS_ERR;
    if (!e) {
        reply_int(ctx, 0);
        return STATUS_OK;
    }
    /* All ids are checked before the first entry goes. */
    for (int i = 2; i < ctx->argc; i++) {
        if (stream_arg_id(ctx, i, &id)) return STATUS_ERR;
    }
    int64_t removed = 0;
    for (int i = 2; i < ctx->argc; i++) {
        if (stream_arg_id(ctx, i, &id)) return STATUS_ERR;
        removed += stream_remove(stream_of(kv_entry_value(e)), id);
    }
    if (removed) {
        kv_touch(ctx->unit, ctx->db, &ctx->argv[1]);
        kv_event(ctx->unit, KV_EVENT_STREAM, "xdel", ctx->db, &ctx->argv[1]);
        kv_dirty(ctx->unit, (uint64_t)removed);
    }
    reply_int(ctx, removed);
    return STATUS_OK;
}

/* ---- XSETID ---- */

struct setid_args {
    struct stream_id last, max_deleted;
    int64_t added; /* -1: not given */
};

static enum status parse_setid(struct exec_ctx *ctx, struct setid_args *a)
{
    *a = (struct setid_args){.added = -1};
    if (stream_arg_id(ctx, 2, &a->last)) return STATUS_ERR;
    for (int i = 3; i < ctx->argc; i += 2) {
        const struct arg *word = &ctx->argv[i];
        if (i + 1 < ctx->argc && arg_is(word, "entriesadded")) {
            if (arg_i64(ctx, i + 1, &a->added)) return STATUS_ERR;
            if (a->added < 0) return reply_error(ctx, "entries_added must be positive");
        } else if (i + 1 < ctx->argc && arg_is(word, "maxdeletedid")) {
            if (stream_arg_id(ctx, i + 1, &a->max_deleted)) return STATUS_ERR;
            if (stream_id_compare(a->last, a->max_deleted) < 0) {
                return reply_error(ctx, "The ID specified in XSETID is smaller than the provided "
                                        "max_deleted_entry_id");
            }
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

enum status cmd_xsetid(struct exec_ctx *ctx)
{
    struct setid_args a;
    struct kv_entry *e;
    struct stream_entry top;
    if (parse_setid(ctx, &a)) return STATUS_ERR;
    e = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[1]);
    if (!e) return reply_no_such_key(ctx);
    if (kv_entry_type(e) != TYPE_STREAM) return reply_wrongtype(ctx);
    struct stream *s = stream_of(kv_entry_value(e));
    if (stream_last(s, &top)) {
        if (stream_id_compare(a.last, top.id) < 0) {
            return reply_error(ctx, "The ID specified in XSETID is smaller than the target stream "
                                    "top item");
        }
        if (a.added >= 0 && s->length > (uint64_t)a.added) {
            return reply_error(ctx, "The entries_added specified in XSETID is smaller than the "
                                    "target stream length");
        }
    }
    s->last_id = a.last;
    if (a.added >= 0) s->entries_added = (uint64_t)a.added;
    if (!stream_id_is_zero(a.max_deleted)) s->max_deleted_id = a.max_deleted;
    kv_event(ctx->unit, KV_EVENT_STREAM, "xsetid", ctx->db, &ctx->argv[1]);
    kv_dirty(ctx->unit, 1);
    reply_ok(ctx);
    return STATUS_OK;
}
