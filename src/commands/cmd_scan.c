/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SCAN: a step over the keyspace. Keys that pass MATCH and turn out to be expired are
 * deleted after the walk, which must not change the table. Thread: whoever runs the command.
 */
#include "commands/scan_args.h"
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"

struct scan_walk {
    struct exec_ctx *ctx;
    struct scan_args args;
    struct scan_out out;
    struct buf expired; /* of struct kv_entry * */
};

static void scan_visit(void *arg, struct kv_entry *e)
{
    struct scan_walk *walk = arg;
    struct view key = kv_entry_key(e);
    if (!scan_matches(&walk->args, key)) return;
    if (unlikely(kv_is_expired(walk->ctx->unit, e))) {
        buf_append(&walk->expired, &e, sizeof(e));
        return;
    }
    if (walk->args.has_type) {
        kv_stats()->hits++; /* to know a key's type is to look it up */
        if (!view_eq_nocase(walk->args.type, type_name(kv_entry_type(e)))) return;
    }
    scan_out_add(&walk->out, key);
}

/* The key is found missing by whoever looks it up. */
static void look_up_expired(struct scan_walk *walk, const struct kv_entry *e)
{
    struct buf key;
    buf_init(&key);
    buf_append_view(&key, kv_entry_key(e));
    struct arg name = arg_of_view(buf_view(&key));
    kv_lookup_read(walk->ctx->unit, walk->ctx->db, &name);
    buf_release(&key);
}

static void delete_expired(struct scan_walk *walk)
{
    struct exec_ctx *ctx = walk->ctx;
    size_t count = walk->expired.len / sizeof(struct kv_entry *);
    if (ctx->unit->flags & KV_UNIT_NO_EXPIRE) count = 0;
    for (size_t i = 0; i < count; i++) {
        struct kv_entry *e;
        memcpy(&e, walk->expired.ptr + i * sizeof(e), sizeof(e));
        if (walk->args.has_type)
            look_up_expired(walk, e);
        else
            kv_expire_now(ctx->unit, ctx->db, e);
    }
    buf_release(&walk->expired);
}

enum status cmd_scan(struct exec_ctx *ctx)
{
    struct scan_walk walk = {.ctx = ctx};
    effects_stand_alone(ctx);
    if (scan_cursor(ctx, 1, &walk.args)) return STATUS_ERR;
    if (scan_options(ctx, 2, true, &walk.args)) return STATUS_ERR;
    uint64_t next = kv_scan(ctx->db, walk.args.cursor, walk.args.count, scan_visit, &walk);
    delete_expired(&walk);
    scan_reply(ctx, next, &walk.out);
    return STATUS_OK;
}
