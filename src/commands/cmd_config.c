/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CONFIG: the option registry (conf/option.h) for clients. What a name is, which values it takes
 * and what follows a change is the registry's affair; here are patterns in, replies and stock's
 * error texts out.
 *
 * Thread: the holder of the data token.
 */
#include <errno.h>

#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands_table.h"
#include "conf/config_rewrite.h"
#include "conf/metric.h"
#include "conf/option.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "exec/settings.h"

/* ---- CONFIG GET ---- */

/*
 * The text under which a name is shown, or none (ptr NULL): the first argument that asks for it
 * decides. A plain word is shown as the client wrote it, and finds hidden options too; a pattern
 * shows the option's own spelling.
 */
static struct view shown_as(const struct exec_ctx *ctx, const char *name, bool hidden)
{
    struct view own = view_cstr(name);
    for (int i = 2; i < ctx->argc; i++) {
        struct view asked = arg_view(&ctx->argv[i]);
        if (glob_is_literal(asked)) {
            if (view_eq_nocase(asked, name)) return asked;
        } else if (!hidden && glob_match(asked, own, true)) {
            return own;
        }
    }
    return view_of(NULL, 0);
}

static size_t reply_if_asked(struct exec_ctx *ctx, const struct opt_row *row, const char *name,
                             struct buf *value)
{
    if (!name) return 0;
    struct view shown = shown_as(ctx, name, row->flags & OPT_HIDDEN);
    if (!shown.ptr) return 0;
    buf_clear(value);
    opt_value(row, value);
    reply_bulk_view(ctx, shown);
    reply_bulk_view(ctx, buf_view(value));
    return 1;
}

enum status cmd_config_get(struct exec_ctx *ctx)
{
    struct buf value = {0};
    struct reply_deferred head = reply_defer(ctx);
    size_t pairs = 0;
    for (size_t i = 0; i < opt_count(); i++) {
        const struct opt_row *row = opt_at(i);
        pairs += reply_if_asked(ctx, row, row->name, &value);
        pairs += reply_if_asked(ctx, row, row->alias, &value);
    }
    reply_defer_map(ctx, head, pairs);
    buf_release(&value);
    return STATUS_OK;
}

/* ---- CONFIG SET ---- */

static enum status reply_failure(struct exec_ctx *ctx, const struct opt_failure *failure)
{
    struct buf text = {0};
    if (failure->why == OPT_UNKNOWN) {
        buf_append_cstr(&text, "Unknown option or number of arguments for CONFIG SET - '");
        buf_append_view(&text, failure->name);
        buf_append_cstr(&text, "'");
    } else {
        buf_append_cstr(&text, "CONFIG SET failed (possibly related to argument '");
        buf_append_view(&text, failure->name);
        buf_append_cstr(&text, "') - ");
        buf_append_cstr(&text, failure->error.text);
    }
    enum status s = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return s;
}

static bool may_set_protected(const struct exec_ctx *ctx)
{
    switch (exec_settings.enable_protected_configs) {
    case ACCESS_YES: return true;
    case ACCESS_LOCAL: return ctx->client && client_is_local(ctx->client);
    default: return false;
    }
}

enum status cmd_config_set(struct exec_ctx *ctx)
{
    if (ctx->argc % 2) return reply_syntax_error(ctx);
    size_t count = (size_t)(ctx->argc - 2) / 2;
    struct opt_pair *pairs = mem_alloc(count * sizeof(*pairs));
    for (size_t i = 0; i < count; i++) {
        pairs[i].name = arg_view(&ctx->argv[2 + i * 2]);
        pairs[i].value = arg_view(&ctx->argv[3 + i * 2]);
    }
    struct opt_failure failure;
    opt_protected_allow(may_set_protected(ctx));
    enum status s = opt_set_many(pairs, count, &failure);
    opt_protected_allow(false);
    mem_free(pairs);
    if (s) return reply_failure(ctx, &failure);
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- the rest ---- */

enum status cmd_config_resetstat(struct exec_ctx *ctx)
{
    metric_reset();
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_config_rewrite(struct exec_ctx *ctx)
{
    switch (conf_rewrite(CONF_REWRITE_CHANGED)) {
    case STATUS_OK: break;
    case STATUS_NOT_FOUND:
        return reply_error(ctx, "The server is running without a config file");
    default:
        log_warning("CONFIG REWRITE failed: %s", strerror(errno));
        return reply_errorf(ctx, "Rewriting config file: %s", strerror(errno));
    }
    log_warning("CONFIG REWRITE executed with success.");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_config_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    The options whose names match, with their values.",
        "SET <option> <value> [<option> <value> ...]",
        "    Change options: all of these, or none.",
        "RESETSTAT",
        "    Set the counters that INFO shows back to zero.",
        "REWRITE",
        "    Write the options into the configuration file.",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}
