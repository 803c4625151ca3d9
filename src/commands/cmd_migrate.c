/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MIGRATE: keys go to another server, and from here once it has them. The server waits meanwhile.
 * The order of the checks is stock's observed behaviour: options, numbers, whether there are keys
 * at all, the connection. Thread: whoever runs the command.
 */
#include "commands_table.h"
#include "exec/effects.h"
#include "exec/reply.h"
#include "persist/migrate.h"

/* What a timeout that isn't one means. */
#define TIMEOUT_DEFAULT_MS 1000

struct migrate_args {
    struct migrate_target target;
    bool copy, replace;
    int first_key, key_count;
};

static enum status parse_options(struct exec_ctx *ctx, struct migrate_args *a)
{
    for (int i = 6; i < ctx->argc; i++) {
        const struct arg *word = &ctx->argv[i];
        int more = ctx->argc - 1 - i;
        if (arg_is(word, "copy")) {
            a->copy = true;
        } else if (arg_is(word, "replace")) {
            a->replace = true;
        } else if (arg_is(word, "auth") && more >= 1) {
            a->target.user = view_of(NULL, 0);
            a->target.password = arg_view(&ctx->argv[++i]);
        } else if (arg_is(word, "auth2") && more >= 2) {
            a->target.user = arg_view(&ctx->argv[++i]);
            a->target.password = arg_view(&ctx->argv[++i]);
        } else if (arg_is(word, "keys")) {
            if (ctx->argv[3].len != 0)
                return reply_error(ctx, "When using MIGRATE KEYS option, the key argument must be "
                                        "set to the empty string");
            a->first_key = i + 1;
            a->key_count = more;
            break;
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

static enum status parse(struct exec_ctx *ctx, struct migrate_args *a)
{
    *a = (struct migrate_args){.first_key = 3, .key_count = 1};
    if (parse_options(ctx, a)) return STATUS_ERR;
    if (arg_i64(ctx, 5, &a->target.timeout_ms) || arg_i64(ctx, 4, &a->target.db))
        return STATUS_ERR;
    if (a->target.timeout_ms <= 0) a->target.timeout_ms = TIMEOUT_DEFAULT_MS;
    a->target.host = arg_view(&ctx->argv[1]);
    /* At port 0 nobody listens. */
    if (num_parse_i64(arg_view(&ctx->argv[2]), &a->target.port)) a->target.port = 0;
    return STATUS_OK;
}

/* The keys that are there, as pointers into argv; returns how many. */
static size_t find_keys(struct exec_ctx *ctx, const struct migrate_args *a, struct arg **keys)
{
    size_t count = 0;
    struct arg *first = ctx->argv + a->first_key;
    for (struct arg *key = first; key < first + a->key_count; key++) {
        if ((key - first) % KV_PREFETCH_WINDOW == 0)
            kv_prefetch_keys(ctx->db, key,
                             (int)MIN(first + a->key_count - key, KV_PREFETCH_WINDOW));
        if (kv_lookup_read(ctx->unit, ctx->db, key)) keys[count++] = key;
    }
    return count;
}

/* A key that was named twice goes once. What happened is a DEL, whatever the target said else. */
static void delete_taken(struct exec_ctx *ctx, struct migrate_batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct arg *key = batch->keys[i];
        batch->taken[i] = batch->taken[i] && kv_delete(ctx->unit, ctx->db, key, true);
        if (!batch->taken[i]) continue;
        kv_event(ctx->unit, KV_EVENT_GENERIC, "del", ctx->db, key);
        kv_dirty(ctx->unit, 1);
        count++;
    }
    if (count == 0 || !effect_instead(ctx)) return;
    effect_begin(ctx, 1 + count);
    effect_text(ctx, "DEL");
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->taken[i]) effect_arg(ctx, batch->keys[i]);
    }
}

static enum status reply_fault(struct exec_ctx *ctx, enum migrate_fault fault)
{
    switch (fault) {
    case MIGRATE_NO_HOST:
        return reply_error(ctx, "-IOERR error or timeout connecting to the client");
    case MIGRATE_WRITING:
        return reply_error(ctx, "-IOERR error or timeout writing to target instance");
    case MIGRATE_READING:
        return reply_error(ctx, "-IOERR error or timeout reading to target instance");
    case MIGRATE_NONE: break;
    }
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status reply_refusal(struct exec_ctx *ctx, struct view refusal)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Target instance replied with error: ");
    buf_append_view(&text, refusal);
    enum status status = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return status;
}

static enum status migrate(struct exec_ctx *ctx, const struct migrate_args *a, struct arg **keys,
                           size_t count)
{
    bool *taken = mem_zalloc(count * sizeof(*taken));
    struct migrate_batch batch = {.db = ctx->db, .keys = keys, .count = count,
                                  .replace = a->replace, .taken = taken};
    enum migrate_fault fault = migrate_send(&a->target, &batch);
    if (!a->copy) delete_taken(ctx, &batch);
    enum status status = batch.refused ? reply_refusal(ctx, buf_view(&batch.refusal))
                                       : reply_fault(ctx, fault);
    buf_release(&batch.refusal);
    mem_free(taken);
    return status;
}

enum status cmd_migrate(struct exec_ctx *ctx)
{
    struct migrate_args a;
    enum status status = STATUS_OK;
    if (parse(ctx, &a)) return STATUS_ERR;
    struct arg **keys = mem_alloc(((size_t)a.key_count + 1) * sizeof(struct arg *));
    size_t count = find_keys(ctx, &a, keys);
    if (count > 0)
        status = migrate(ctx, &a, keys, count);
    else
        reply_status(ctx, "NOKEY");
    mem_free(keys);
    return status;
}
