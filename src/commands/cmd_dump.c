/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DUMP and RESTORE: one key's value as bytes that another server takes. The order of RESTORE's
 * checks is seen by clients and is stock's observed behaviour: options, the key's presence, the
 * expiry, the payload. Thread: whoever runs the command.
 */
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "persist/dump.h"

enum status cmd_dump(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_lookup_read(ctx->unit, ctx->db, &ctx->argv[1]);
    if (!e) {
        reply_null(ctx);
        return STATUS_OK;
    }
    if (!rdb_entry_has_form(e)) return reply_error(ctx, "values of this type can't be dumped");
    struct buf payload = {0};
    dump_save(e, &payload);
    reply_bulk_view(ctx, buf_view(&payload));
    buf_release(&payload);
    return STATUS_OK;
}

struct restore_options {
    bool replace, absolute;
    int64_t idle_s, freq; /* -1: not given */
    int64_t expire_ms;    /* unix time, or -1 */
};

static enum status parse_options(struct exec_ctx *ctx, struct restore_options *o)
{
    *o = (struct restore_options){.idle_s = -1, .freq = -1, .expire_ms = -1};
    for (int i = 4; i < ctx->argc; i++) {
        bool more = i + 1 < ctx->argc;
        if (arg_is(&ctx->argv[i], "replace")) {
            o->replace = true;
        } else if (arg_is(&ctx->argv[i], "absttl")) {
            o->absolute = true;
        } else if (more && o->freq < 0 && arg_is(&ctx->argv[i], "idletime")) {
            if (arg_i64(ctx, ++i, &o->idle_s)) return STATUS_ERR;
            if (o->idle_s < 0) return reply_error(ctx, "Invalid IDLETIME value, must be >= 0");
        } else if (more && o->idle_s < 0 && arg_is(&ctx->argv[i], "freq")) {
            if (arg_i64(ctx, ++i, &o->freq)) return STATUS_ERR;
            if (o->freq < 0 || o->freq > 255)
                return reply_error(ctx, "Invalid FREQ value, must be >= 0 and <= 255");
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

static enum status parse_expiry(struct exec_ctx *ctx, struct restore_options *o)
{
    int64_t ttl_ms;
    if (arg_i64(ctx, 2, &ttl_ms)) return STATUS_ERR;
    if (ttl_ms < 0) return reply_error(ctx, "Invalid TTL value, must be >= 0");
    if (ttl_ms == 0) return STATUS_OK;
    o->expire_ms = ttl_ms;
    /* A time that doesn't fit has passed already, as in stock. */
    if (!o->absolute && !num_add_i64(ttl_ms, ctx->unit->now_ms, &o->expire_ms)) o->expire_ms = 0;
    return STATUS_OK;
}

/* What is repeated elsewhere happens later: a time from now on becomes a moment. */
static void emit_moment(struct exec_ctx *ctx, const struct restore_options *o)
{
    if (o->absolute || o->expire_ms < 0 || !effect_instead(ctx)) return;
    effect_begin(ctx, (size_t)ctx->argc + 1);
    for (int i = 0; i < ctx->argc; i++) {
        if (i == 2)
            effect_int(ctx, o->expire_ms);
        else
            effect_arg(ctx, &ctx->argv[i]);
    }
    effect_text(ctx, "ABSTTL");
}

/* Puts the value where nothing is any more; one whose time has passed isn't stored at all. */
static void store(struct exec_ctx *ctx, const struct restore_options *o, bool replaced,
                  struct rdb_value *value)
{
    struct arg *key = &ctx->argv[1];
    if (o->expire_ms >= 0 && o->expire_ms <= ctx->unit->now_ms) {
        if (!replaced) return;
        if (effect_instead(ctx))
            kv_effect_deleted(ctx->unit, ctx->db, arg_view(key), false);
        kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, key);
        kv_dirty(ctx->unit, 1);
        return;
    }
    struct kv_entry *e = rdb_value_store(value, ctx->unit, ctx->db, key);
    if (o->expire_ms >= 0) e = kv_expire_set(ctx->unit, ctx->db, key, e, o->expire_ms);
    if (kv_counts_accesses()) {
        if (o->freq >= 0) kv_freq_set(e, o->freq);
    } else if (o->idle_s >= 0) {
        kv_idle_set(e, o->idle_s);
    }
    emit_moment(ctx, o);
    kv_event(ctx->unit, KV_EVENT_GENERIC, "restore", ctx->db, key);
    kv_dirty(ctx->unit, 1);
}

enum status cmd_restore(struct exec_ctx *ctx)
{
    struct restore_options o;
    struct arg *key = &ctx->argv[1];
    struct view payload = arg_view(&ctx->argv[3]);
    if (parse_options(ctx, &o)) return STATUS_ERR;
    if (!o.replace && kv_lookup_write(ctx->unit, ctx->db, key))
        return reply_error(ctx, "-BUSYKEY Target key name already exists.");
    if (parse_expiry(ctx, &o)) return STATUS_ERR;
    if (!dump_is_sound(payload))
        return reply_error(ctx, "DUMP payload version or checksum are wrong");
    struct rdb_value value = {0};
    if (dump_load(payload, &value)) {
        rdb_value_release(&value);
        return reply_error(ctx, "Bad data format");
    }
    bool replaced = o.replace && kv_delete(ctx->unit, ctx->db, key, true);
    store(ctx, &o, replaced, &value);
    rdb_value_release(&value);
    reply_ok(ctx);
    return STATUS_OK;
}
