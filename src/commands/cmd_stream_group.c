/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumer groups: XGROUP, and what happens to entries that were delivered: XACK, XPENDING,
 * XCLAIM, XAUTOCLAIM.
 *
 * Of these only XGROUP CREATE touches the key, when it makes one: WATCH doesn't see groups, as in
 * stock. A group that goes wakes those who wait for it without a touch.
 * Thread: whoever holds the data token.
 */
#include "base/mem.h"
#include "commands/stream_args.h"
#include "commands_table.h"
#include "exec/blocking.h"
#include "exec/effects.h"

/* ---- XGROUP ---- */

struct group_args {
    bool mkstream;
    int64_t entries_read;
};

/* Options from argument 5 on. */
static enum status parse_group_args(struct exec_ctx *ctx, bool is_create, struct group_args *a)
{
    *a = (struct group_args){.entries_read = STREAM_READ_UNKNOWN};
    for (int i = 5; i < ctx->argc; i++) {
        if (is_create && arg_is(&ctx->argv[i], "mkstream")) {
            a->mkstream = true;
        } else if (i + 1 < ctx->argc && arg_is(&ctx->argv[i], "entriesread")) {
            if (arg_i64(ctx, ++i, &a->entries_read)) return STATUS_ERR;
            if (a->entries_read < 0 && a->entries_read != STREAM_READ_UNKNOWN) {
                return reply_error(ctx, "value for ENTRIESREAD must be positive or -1");
            }
        } else {
            return reply_unknown_call(ctx);
        }
    }
    return STATUS_OK;
}

/* Too many words, all of them options: as in stock that is noticed last. */
static enum status check_words(struct exec_ctx *ctx, int most)
{
    return ctx->argc > most ? reply_unknown_call(ctx) : STATUS_OK;
}

/* The stream under argument 2; NULL only if that is legal. */
static enum status open_stream(struct exec_ctx *ctx, bool may_miss, struct stream **s_out)
{
    struct kv_entry *e = kv_lookup_write(ctx->unit, ctx->db, &ctx->argv[2]);
    *s_out = NULL;
    if (!e && may_miss) return STATUS_OK;
    if (!e) {
        return reply_error(ctx, "The XGROUP subcommand requires the key to exist. Note that for "
                                "CREATE you may want to use the MKSTREAM option to create an "
                                "empty stream automatically.");
    }
    if (kv_entry_type(e) != TYPE_STREAM) return reply_wrongtype(ctx);
    *s_out = stream_of(kv_entry_value(e));
    return STATUS_OK;
}

/* The stream under argument 2 and its group of argument 3's name, both of which must be there. */
static enum status open_group(struct exec_ctx *ctx, struct stream **s_out,
                              struct stream_group **g_out)
{
    if (open_stream(ctx, false, s_out)) return STATUS_ERR;
    *g_out = stream_group_find(*s_out, arg_view(&ctx->argv[3]));
    if (!*g_out) return stream_reply_unknown_group(ctx, &ctx->argv[2], &ctx->argv[3]);
    return STATUS_OK;
}

/* The id that a group begins at: argument 4, or `$`. */
static enum status parse_group_id(struct exec_ctx *ctx, const struct stream *s,
                                  struct stream_id *id_out)
{
    if (!view_eq_cstr(arg_view(&ctx->argv[4]), "$")) return stream_arg_id(ctx, 4, id_out);
    *id_out = s ? s->last_id : STREAM_ID_MIN;
    return STATUS_OK;
}

static void group_changed(struct exec_ctx *ctx, const char *event)
{
    kv_event(ctx->unit, KV_EVENT_STREAM, event, ctx->db, &ctx->argv[2]);
    kv_dirty(ctx->unit, 1);
}

enum status cmd_xgroup_create(struct exec_ctx *ctx)
{
    struct group_args a;
    struct stream *s;
    struct stream_id id;
    if (parse_group_args(ctx, true, &a) || open_stream(ctx, a.mkstream, &s) ||
        check_words(ctx, 8) || parse_group_id(ctx, s, &id)) return STATUS_ERR;
    if (!s) {
        struct value v = stream_new();
        s = stream_of(v);
        kv_set_value(ctx->unit, ctx->db, &ctx->argv[2], NULL, v, 0);
    }
    if (!stream_group_new(s, arg_view(&ctx->argv[3]), id, a.entries_read)) {
        return reply_error(ctx, "-BUSYGROUP Consumer Group name already exists");
    }
    group_changed(ctx, "xgroup-create");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_xgroup_setid(struct exec_ctx *ctx)
{
    struct group_args a;
    struct stream *s;
    struct stream_group *g;
    struct stream_id id;
    if (parse_group_args(ctx, false, &a) || open_group(ctx, &s, &g) ||
        check_words(ctx, 7) || parse_group_id(ctx, s, &id)) return STATUS_ERR;
    g->last_id = id;
    g->entries_read = a.entries_read;
    group_changed(ctx, "xgroup-setid");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_xgroup_destroy(struct exec_ctx *ctx)
{
    struct stream *s;
    if (open_stream(ctx, false, &s)) return STATUS_ERR;
    struct stream_group *g = stream_group_find(s, arg_view(&ctx->argv[3]));
    if (g) {
        stream_group_drop(s, g);
        group_changed(ctx, "xgroup-destroy");
        block_wake(ctx->db, &ctx->argv[2]);
    }
    reply_int(ctx, g != NULL);
    return STATUS_OK;
}

enum status cmd_xgroup_createconsumer(struct exec_ctx *ctx)
{
    struct stream *s;
    struct stream_group *g;
    if (open_group(ctx, &s, &g)) return STATUS_ERR;
    struct view name = arg_view(&ctx->argv[4]);
    bool fresh = !stream_consumer_find(g, name);
    if (fresh) {
        stream_consumer_new(g, name, ctx->unit->now_ms);
        group_changed(ctx, "xgroup-createconsumer");
    }
    reply_int(ctx, fresh);
    return STATUS_OK;
}

enum status cmd_xgroup_delconsumer(struct exec_ctx *ctx)
{
    struct stream *s;
    struct stream_group *g;
    if (open_group(ctx, &s, &g)) return STATUS_ERR;
    int64_t pending = 0;
    struct stream_consumer *c = stream_consumer_find(g, arg_view(&ctx->argv[4]));
    if (c) {
        pending = (int64_t)c->pending.count;
        stream_consumer_drop(g, c);
        group_changed(ctx, "xgroup-delconsumer");
    }
    reply_int(ctx, pending);
    return STATUS_OK;
}

enum status cmd_xgroup_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}

/* ---- XACK ---- */

enum status cmd_xack(struct exec_ctx *ctx)
{
    struct stream *s;
    struct stream_id id;
    if (stream_arg_read(ctx, 1, &s)) return STATUS_ERR;
    struct stream_group *g = s ? stream_group_find(s, arg_view(&ctx->argv[2])) : NULL;
    int64_t acknowledged = 0;
    if (g) {
        /* All ids are checked before the first is acknowledged. */
        for (int i = 3; ctx->argc > 4 && i < ctx->argc; i++) {
            if (stream_arg_id(ctx, i, &id)) return STATUS_ERR;
        }
        for (int i = 3; i < ctx->argc; i++) {
            if (stream_arg_id(ctx, i, &id)) return STATUS_ERR;
            acknowledged += stream_pending_drop(g, id);
        }
        kv_dirty(ctx->unit, (uint64_t)acknowledged);
    }
    reply_int(ctx, acknowledged);
    return STATUS_OK;
}

/* ---- XPENDING ---- */

static enum status pending_summary(struct exec_ctx *ctx)
{
    struct stream *s;
    struct stream_group *g;
    if (stream_arg_group(ctx, &s, &g)) return STATUS_ERR;
    reply_array(ctx, 4);
    reply_int(ctx, (int64_t)g->pending.count);
    if (g->pending.count == 0) {
        reply_null(ctx);
        reply_null(ctx);
        reply_null_array(ctx);
        return STATUS_OK;
    }
    stream_reply_id(ctx, stream_key_id(idmap_at(&g->pending, idmap_first(&g->pending))->id));
    stream_reply_id(ctx, stream_key_id(idmap_at(&g->pending, idmap_last(&g->pending))->id));
    struct reply_deferred array = reply_defer(ctx);
    size_t n = 0;
    for (size_t i = 0; i < g->consumer_count; i++) {
        const struct stream_consumer *c = g->consumers[i];
        if (c->pending.count == 0) continue;
        reply_array(ctx, 2);
        reply_bulk(ctx, c->name, c->name_len);
        reply_bulk_int(ctx, (int64_t)c->pending.count);
        n++;
    }
    reply_defer_array(ctx, array, n);
    return STATUS_OK;
}

struct pending_args {
    int64_t min_idle_ms, count;
    struct stream_id from, to;
    const struct arg *consumer;
};

static enum status parse_pending(struct exec_ctx *ctx, struct pending_args *a)
{
    int at = 3;
    *a = (struct pending_args){.count = 0};
    if (ctx->argc < 6 || ctx->argc > 9) return reply_syntax_error(ctx);
    if (arg_is(&ctx->argv[3], "idle")) {
        if (arg_i64(ctx, 4, &a->min_idle_ms)) return STATUS_ERR;
        if (ctx->argc < 8) return reply_syntax_error(ctx);
        at = 5;
    }
    if (arg_i64(ctx, at + 2, &a->count) || stream_arg_start(ctx, at, &a->from) ||
        stream_arg_end(ctx, at + 1, &a->to)) return STATUS_ERR;
    if (at + 3 < ctx->argc) a->consumer = &ctx->argv[at + 3];
    return STATUS_OK;
}

static void reply_pending_range(struct exec_ctx *ctx, const struct idmap *pending,
                                const struct pending_args *a)
{
    int64_t left = a->count;
    const struct idmap_slot *slot;
    struct reply_deferred array = reply_defer(ctx);
    struct idmap_pos pos = idmap_from(pending, stream_id_key(a->from));
    for (; left > 0 && (slot = idmap_at(pending, pos)) &&
           stream_id_compare(stream_key_id(slot->id), a->to) <= 0;
         pos = idmap_next(pending, pos)) {
        const struct stream_pending *p = slot->ptr;
        int64_t idle_ms = stream_idle_ms(ctx->unit->now_ms, p->delivered_ms);
        if (a->min_idle_ms && idle_ms < a->min_idle_ms) continue;
        reply_array(ctx, 4);
        stream_reply_id(ctx, stream_key_id(slot->id));
        reply_bulk(ctx, p->consumer->name, p->consumer->name_len);
        reply_int(ctx, MAX(idle_ms, 0));
        reply_int(ctx, (int64_t)p->deliveries);
        left--;
    }
    reply_defer_array(ctx, array, (size_t)(MAX(a->count, 0) - MAX(left, 0)));
}

enum status cmd_xpending(struct exec_ctx *ctx)
{
    if (ctx->argc == 3) return pending_summary(ctx);
    struct pending_args a;
    struct stream *s;
    struct stream_group *g;
    if (parse_pending(ctx, &a) || stream_arg_group(ctx, &s, &g)) return STATUS_ERR;
    const struct idmap *pending = &g->pending;
    if (a.consumer) {
        const struct stream_consumer *c = stream_consumer_find(g, arg_view(a.consumer));
        if (!c) {
            reply_array(ctx, 0);
            return STATUS_OK;
        }
        pending = &c->pending;
    }
    reply_pending_range(ctx, pending, &a);
    return STATUS_OK;
}

/* ---- XCLAIM ---- */

struct claim {
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c; /* NULL until something is claimed */
    int64_t min_idle_ms;
    int64_t delivered_ms;      /* to set; INT64_MIN: not given */
    int64_t deliveries;        /* to set; -1: one more */
    bool force, just_id, has_last;
    struct stream_id last;
    int ids_end;
    bool emits, moved, emitted; /* effects: the group's last id was moved; that has been said */
};

static enum status claim_number(struct exec_ctx *ctx, int i, const char *error, int64_t *out)
{
    return num_parse_i64(arg_view(&ctx->argv[i]), out) ? reply_error(ctx, error) : STATUS_OK;
}

/* One option at *i, moved to its last word. */
static enum status parse_claim_option(struct exec_ctx *ctx, int *i, struct claim *call)
{
    const struct arg *word = &ctx->argv[*i];
    bool more = *i + 1 < ctx->argc;
    if (arg_is(word, "force")) {
        call->force = true;
    } else if (arg_is(word, "justid")) {
        call->just_id = true;
    } else if (more && arg_is(word, "idle")) {
        int64_t idle_ms;
        if (claim_number(ctx, ++*i, "Invalid IDLE option argument for XCLAIM", &idle_ms)) {
            return STATUS_ERR;
        }
        /* Far outside of the clock's range it is "now", like every time in the future. */
        if (!num_sub_i64(ctx->unit->now_ms, idle_ms, &call->delivered_ms)) {
            call->delivered_ms = ctx->unit->now_ms;
        }
    } else if (more && arg_is(word, "time")) {
        return claim_number(ctx, ++*i, "Invalid TIME option argument for XCLAIM",
                            &call->delivered_ms);
    } else if (more && arg_is(word, "retrycount")) {
        return claim_number(ctx, ++*i, "Invalid RETRYCOUNT option argument for XCLAIM",
                            &call->deliveries);
    } else if (more && arg_is(word, "lastid")) {
        call->has_last = true;
        return stream_arg_id(ctx, ++*i, &call->last);
    } else {
        return reply_errorf(ctx, "Unrecognized XCLAIM option '%.*s'", reply_text_len(word->len),
                            word->ptr);
    }
    return STATUS_OK;
}

static enum status parse_claim(struct exec_ctx *ctx, struct claim *call)
{
    struct stream_id id;
    int i = 5;
    *call = (struct claim){.delivered_ms = INT64_MIN, .deliveries = -1};
    if (stream_arg_group(ctx, &call->s, &call->g) ||
        claim_number(ctx, 4, "Invalid min-idle-time argument for XCLAIM", &call->min_idle_ms)) {
        return STATUS_ERR;
    }
    while (i < ctx->argc && stream_parse_id(arg_view(&ctx->argv[i]), 0, NULL, &id)) i++;
    call->ids_end = i;
    for (; i < ctx->argc; i++) {
        if (parse_claim_option(ctx, &i, call)) return STATUS_ERR;
    }
    int64_t now_ms = ctx->unit->now_ms;
    if (call->delivered_ms < 0 || call->delivered_ms > now_ms) call->delivered_ms = now_ms;
    if (call->has_last && stream_id_compare(call->last, call->g->last_id) > 0) {
        call->g->last_id = call->last;
        call->moved = true;
        kv_dirty(ctx->unit, 1);
    }
    return STATUS_OK;
}

/* Whether a delivery is recent enough to be left to its consumer. */
static bool is_fresh(struct exec_ctx *ctx, const struct stream_pending *p, int64_t min_idle_ms)
{
    return min_idle_ms > 0 &&
           stream_idle_ms(ctx->unit->now_ms, p->delivered_ms) < min_idle_ms;
}

static void reply_claimed(struct exec_ctx *ctx, struct stream_entry *e, bool just_id)
{
    if (just_id)
        stream_reply_id(ctx, e->id);
    else
        stream_reply_entry(ctx, e);
}

/* What became of the delivery of the id at argument i. */
static void emit_claim(struct exec_ctx *ctx, struct claim *call, int i,
                       const struct stream_pending *p)
{
    if (!call->emits) return;
    stream_emit_pending(ctx, &ctx->argv[1], call->g, arg_view(&ctx->argv[i]), p);
    call->emitted = true;
}

/* Claims the id at argument i; true if it was, and replied. */
static bool claim_one(struct exec_ctx *ctx, struct claim *call, int i)
{
    struct stream_id id;
    struct stream_entry e;
    if (!stream_parse_id(arg_view(&ctx->argv[i]), 0, NULL, &id)) return false;
    struct stream_pending *p = stream_pending_find(call->g, id);
    if (!stream_find(call->s, id, &e)) {
        /* What was removed from the stream can't be handled by anybody any more. */
        if (!p) return false;
        emit_claim(ctx, call, i, p);
        kv_dirty(ctx->unit, 1);
        stream_pending_drop(call->g, id);
        return false;
    }
    if (!p && !call->force) return false;
    if (p && is_fresh(ctx, p, call->min_idle_ms)) return false;
    if (!call->c) {
        call->c = stream_consumer_seen(ctx, &ctx->argv[1], call->g, &ctx->argv[3]);
    }
    if (p)
        stream_pending_give(p, call->c, id);
    else
        p = stream_pending_new(call->g, call->c, id, ctx->unit->now_ms);
    p->delivered_ms = call->delivered_ms;
    if (call->deliveries >= 0)
        p->deliveries = (uint64_t)call->deliveries;
    else if (!call->just_id)
        p->deliveries++;
    reply_claimed(ctx, &e, call->just_id);
    emit_claim(ctx, call, i, p);
    kv_dirty(ctx->unit, 1);
    return true;
}

enum status cmd_xclaim(struct exec_ctx *ctx)
{
    struct claim call;
    size_t n = 0;
    if (parse_claim(ctx, &call)) return STATUS_ERR;
    call.emits = effect_instead(ctx);
    struct reply_deferred array = reply_defer(ctx);
    for (int i = 5; i < call.ids_end; i++) n += claim_one(ctx, &call, i);
    reply_defer_array(ctx, array, n);
    if (call.emits && call.moved && !call.emitted) stream_emit_group(ctx, &ctx->argv[1], call.g);
    return STATUS_OK;
}

/* ---- XAUTOCLAIM ---- */

/* Pending deliveries looked at for each that may be claimed. */
#define ATTEMPTS_PER_CLAIM 10
#define AUTOCLAIM_COUNT 100
/* COUNT times this must fit into 63 bits: an id's size, or the attempts. */
#define AUTOCLAIM_DIVISOR 16

struct autoclaim {
    int64_t min_idle_ms, count;
    struct stream_id start, next;
    bool just_id;
    /* Arrays of struct stream_id: what was claimed, and what was pending though its entry has been
     * removed from the stream. */
    struct buf claimed, gone;
};

static enum status parse_autoclaim(struct exec_ctx *ctx, struct autoclaim *call)
{
    *call = (struct autoclaim){.count = AUTOCLAIM_COUNT};
    if (claim_number(ctx, 4, "Invalid min-idle-time argument for XAUTOCLAIM",
                     &call->min_idle_ms) ||
        stream_arg_start(ctx, 5, &call->start)) return STATUS_ERR;
    for (int i = 6; i < ctx->argc; i++) {
        if (i + 1 < ctx->argc && arg_is(&ctx->argv[i], "count")) {
            int64_t most = INT64_MAX / AUTOCLAIM_DIVISOR;
            if (claim_number(ctx, ++i, "COUNT must be > 0", &call->count)) return STATUS_ERR;
            if (call->count < 1 || call->count > most) return reply_error(ctx, "COUNT must be > 0");
        } else if (arg_is(&ctx->argv[i], "justid")) {
            call->just_id = true;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

/* Claims from the start on, before anything is replied: where it stops comes first in the reply. */
static void autoclaim_run(struct exec_ctx *ctx, struct autoclaim *call, struct stream *s,
                          struct stream_group *g)
{
    struct stream_consumer *c = NULL;
    struct stream_entry e;
    const struct idmap_slot *slot;
    bool emits = effect_instead(ctx);
    int64_t left = call->count, attempts = call->count * ATTEMPTS_PER_CLAIM;
    struct idmap_pos pos = idmap_from(&g->pending, stream_id_key(call->start));
    while (left > 0 && attempts-- > 0 && (slot = idmap_at(&g->pending, pos))) {
        struct stream_id id = stream_key_id(slot->id);
        struct stream_pending *p = slot->ptr;
        if (!stream_find(s, id, &e)) {
            if (emits) stream_emit_pending_id(ctx, &ctx->argv[1], g, id, p);
            buf_append(&call->gone, &id, sizeof(id));
            stream_pending_drop(g, id);
            pos = idmap_from(&g->pending, stream_id_key(id));
            kv_dirty(ctx->unit, 1);
            left--;
            continue;
        }
        pos = idmap_next(&g->pending, pos);
        if (is_fresh(ctx, p, call->min_idle_ms)) continue;
        if (!c) c = stream_consumer_seen(ctx, &ctx->argv[1], g, &ctx->argv[3]);
        stream_pending_give(p, c, id);
        p->delivered_ms = ctx->unit->now_ms;
        if (!call->just_id) p->deliveries++;
        if (emits) stream_emit_pending_id(ctx, &ctx->argv[1], g, id, p);
        buf_append(&call->claimed, &id, sizeof(id));
        kv_dirty(ctx->unit, 1);
        left--;
    }
    slot = idmap_at(&g->pending, pos);
    call->next = slot ? stream_key_id(slot->id) : STREAM_ID_MIN;
}

/* The ids as an array; with a stream, their entries. */
static void reply_ids(struct exec_ctx *ctx, const struct buf *ids, const struct stream *s)
{
    struct stream_entry e;
    struct stream_id id;
    reply_array(ctx, ids->len / sizeof(id));
    for (size_t at = 0; at < ids->len; at += sizeof(id)) {
        memcpy(&id, ids->ptr + at, sizeof(id));
        if (s && stream_find(s, id, &e))
            stream_reply_entry(ctx, &e);
        else
            stream_reply_id(ctx, id);
    }
}

enum status cmd_xautoclaim(struct exec_ctx *ctx)
{
    struct autoclaim call;
    struct stream *s;
    struct stream_group *g;
    if (parse_autoclaim(ctx, &call)) {
        /* Stock looks for the key before it reads the options: a miss counts and is told. */
        kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
        return STATUS_ERR;
    }
    if (stream_arg_group(ctx, &s, &g)) return STATUS_ERR;
    /* Stock has room for all ids that might be gone, or fails; room that isn't used costs
     * nothing. */
    void *room = mem_try_alloc((size_t)call.count * sizeof(struct stream_id));
    if (!room) {
        return reply_error(ctx, "Insufficient memory, failed allocating transient memory, COUNT "
                                "too high.");
    }
    mem_free(room);
    autoclaim_run(ctx, &call, s, g);
    reply_array(ctx, 3);
    stream_reply_id(ctx, call.next);
    reply_ids(ctx, &call.claimed, call.just_id ? NULL : s);
    reply_ids(ctx, &call.gone, NULL);
    buf_release(&call.claimed);
    buf_release(&call.gone);
    return STATUS_OK;
}
