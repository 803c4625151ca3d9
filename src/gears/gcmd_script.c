/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RG.PYEXECUTE and what belongs to the engine as a whole. Order of checks and error texts are those
 * that RedisGears' clients know.
 */
#include "exec/client.h"
#include "gears/gcmd.h"
#include "gears/gconf.h"
#include "gears/gscript.h"

#define REQUIREMENTS_MAX 100

static const char no_blocking[] = "Can not run gears inside a multi exec, lua, or when blocking is "
                                  "not allowed";

bool gcmd_allowed(struct exec_ctx *ctx)
{
    static const enum exec_access access[] = {
        [GCONF_NO] = ACCESS_NO, [GCONF_YES] = ACCESS_YES, [GCONF_LOCAL] = ACCESS_LOCAL};
    /* A command of a script was allowed when its script was. */
    if ((ctx->flags & EXEC_FROM_GEARS) || client_access_ok(ctx, access[gconf.enable])) return true;
    reply_error(ctx, "RG commands are not allowed. If the enable-gears option is set to \"local\", "
                     "you can run them from a local connection, otherwise you need to set this "
                     "option in the configuration file, and then restart the server.");
    return false;
}

bool gcmd_may_block(const struct exec_ctx *ctx)
{
    return ctx->client && !(ctx->flags & EXEC_DENY_BLOCKING);
}

enum status gcmd_error(struct exec_ctx *ctx, const char *text)
{
    return reply_error_raw(ctx, text, strlen(text));
}

static enum status error_of(struct exec_ctx *ctx, const char *before, struct view name,
                            const char *after)
{
    struct buf text = {0};
    buf_append_cstr(&text, before);
    buf_append_view(&text, name);
    buf_append_cstr(&text, after);
    enum status st = reply_error_raw(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

/* ---- RG.PYEXECUTE ---- */

static bool is_id(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return true;
}

/* The value behind option word i. */
static enum status option_value(struct exec_ctx *ctx, int *i, const char *name, struct view *out)
{
    if (*i + 1 >= ctx->argc) return error_of(ctx, name, VIEW_LIT(""), " is missing");
    *out = arg_view(&ctx->argv[++*i]);
    if (!out->ptr) *out = VIEW_LIT("");
    return STATUS_OK;
}

/* Pairs of a limit's name and its value, as many as there are. */
static enum status parse_limits(struct exec_ctx *ctx, int *i, struct gscript_options *o)
{
    enum glimit limit;
    int first = *i + 1;
    if (!o->limited) glimits_clear(&o->limits);
    o->limited = true;
    for (; *i + 1 < ctx->argc; *i += 2) {
        struct view name = arg_view(&ctx->argv[*i + 1]);
        if ((limit = glimit_of_word(name)) == GLIMIT_COUNT) break;
        if (*i + 2 >= ctx->argc) return error_of(ctx, "LIMITS ", name, " is missing");
        if (glimit_parse(limit, arg_view(&ctx->argv[*i + 2]), &o->limits.v[limit]))
            return error_of(ctx, "LIMITS ", name, " must be a number");
    }
    if (*i + 1 > first) return STATUS_OK;
    if (first == ctx->argc) return gcmd_error(ctx, "LIMITS is missing");
    return error_of(ctx, "Unknown limit was given: ", arg_view(&ctx->argv[first]), "");
}

static enum status parse_option(struct exec_ctx *ctx, int *i, struct gscript_options *o)
{
    const struct arg *word = &ctx->argv[*i];
    if (arg_is(word, "UNBLOCKING")) {
        o->unblocking = true;
    } else if (arg_is(word, "UPGRADE")) {
        o->upgrade = true;
    } else if (arg_is(word, "REPLACE_WITH")) {
        return option_value(ctx, i, "REPLACE_WITH", &o->replace_with);
    } else if (arg_is(word, "DESCRIPTION")) {
        return option_value(ctx, i, "DESCRIPTION", &o->desc);
    } else if (arg_is(word, "NATIVE")) {
        o->native = true;
    } else if (arg_is(word, "LIMITS")) {
        return parse_limits(ctx, i, o);
    } else if (arg_is(word, "ID")) {
        if (option_value(ctx, i, "ID", &o->id)) return STATUS_ERR;
        if (!is_id(o->id))
            return gcmd_error(ctx, "ID must be compose of: ['A'-'Z' | 'a'-'z' | '0' - '9' | '-' | "
                                   "'_']");
    } else if (arg_is(word, "FORCE_REINSTALL_REQUIREMENTS")) {
        o->force = true;
    } else {
        return error_of(ctx, "Unknown arguments were given: ", arg_view(word), "");
    }
    return STATUS_OK;
}

/* REQUIREMENTS swallows the rest; none is legal. */
static enum status parse_options(struct exec_ctx *ctx, int at, struct gscript_options *o)
{
    for (int i = at; i < ctx->argc; i++) {
        if (arg_is(&ctx->argv[i], "REQUIREMENTS")) {
            o->reqs = &ctx->argv[i + 1];
            o->req_count = ctx->argc - i - 1;
            return STATUS_OK;
        }
        if (parse_option(ctx, &i, o)) return STATUS_ERR;
    }
    return STATUS_OK;
}

static enum status check_sessions(struct exec_ctx *ctx, const struct gscript_options *o)
{
    bool exists = o->id.ptr && greg_session_exists(o->id);
    if (exists && o->replace_with.ptr) {
        struct buf text = {0};
        buf_append_cstr(&text, "Can not replace an existing session ");
        buf_append_view(&text, o->id);
        buf_append_cstr(&text, " with ");
        buf_append_view(&text, o->replace_with);
        enum status st = reply_error_raw(ctx, text.ptr, text.len);
        buf_release(&text);
        return st;
    }
    if (o->replace_with.ptr && !greg_session_exists(o->replace_with))
        return error_of(ctx, "Can not replace with ", o->replace_with,
                        ", session does not exists.");
    if (exists && !o->upgrade) return error_of(ctx, "Session ", o->id, " already exists");
    return STATUS_OK;
}

static enum status check_requirements(struct exec_ctx *ctx, const struct gscript_options *o)
{
    if (o->req_count > REQUIREMENTS_MAX)
        return gcmd_error(ctx, "Could not satisfy requirements: there are more than 100");
    for (int i = 0; i < o->req_count; i++) {
        const char *why = greq_refusal(arg_view(&o->reqs[i]));
        if (why) return gcmd_error(ctx, why);
    }
    return STATUS_OK;
}

/* The text is argument `at`, its options stand behind it. */
static enum status execute(struct exec_ctx *ctx, int at, const struct gears_language *language)
{
    struct gscript_options o = {
        .cmd = ctx->cmd, .language = language, .code = arg_view(&ctx->argv[at])};
    if (!gcmd_may_block(ctx)) return gcmd_error(ctx, no_blocking);
    if (parse_options(ctx, at + 1, &o) || check_sessions(ctx, &o) || check_requirements(ctx, &o))
        return STATUS_ERR;
    uint64_t id = client_id(ctx->client);
    o.user = client_user(ctx->client);
    client_block(ctx, gscript_gone, NULL);
    gscript_start(id, &o);
    return STATUS_BLOCKED;
}

enum status cmd_rg_pyexecute(struct exec_ctx *ctx)
{
    return gcmd_allowed(ctx) ? execute(ctx, 1, NULL) : STATUS_ERR;
}

/* Without words: what would be done is the same, whatever they say. */
enum status cmd_rg_explain(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    if (!gcmd_may_block(ctx)) return gcmd_error(ctx, no_blocking);
    struct gscript_options o = {.cmd = ctx->cmd,
                                .code = arg_view(&ctx->argv[1]),
                                .explain = true,
                                .user = client_user(ctx->client)};
    client_block(ctx, gscript_gone, NULL);
    gscript_start(client_id(ctx->client), &o);
    return STATUS_BLOCKED;
}

enum status cmd_rg_execute(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    struct view name = arg_view(&ctx->argv[1]);
    const struct gears_language *language = gext_language(name);
    bool python = view_eq_nocase(name, "python");
    if (!language && !python) return error_of(ctx, "ERR no extension has the language ", name, "");
    return execute(ctx, 2, language);
}

/* ---- the engine ---- */

enum status cmd_rg_configget(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc - 1);
    for (int i = 1; i < ctx->argc; i++) gconf_reply_get(ctx, arg_view(&ctx->argv[i]));
    return STATUS_OK;
}

enum status cmd_rg_configset(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_array(ctx, (size_t)ctx->argc / 2);
    for (int i = 1; i < ctx->argc; i += 2) {
        struct view name = arg_view(&ctx->argv[i]);
        if (i + 1 < ctx->argc)
            gconf_reply_set(ctx, name, arg_view(&ctx->argv[i + 1]));
        else
            error_of(ctx, "(error) Value was not given to ", name, "");
    }
    return STATUS_OK;
}

enum status cmd_rg_infocluster(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    reply_bulk_cstr(ctx, "no cluster mode");
    return STATUS_OK;
}

enum status cmd_rg_pystats(struct exec_ctx *ctx)
{
    if (!gcmd_allowed(ctx)) return STATUS_ERR;
    const struct {
        const char *name;
        size_t bytes;
    } rows[] = {{"TotalAllocated", gpy_memory_total()},
                {"PeakAllocated", gpy_memory_peak()},
                {"CurrAllocated", gpy_memory_used()}};
    reply_array(ctx, ARRAY_COUNT(rows) * 2);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        reply_bulk_cstr(ctx, rows[i].name);
        reply_int(ctx, (int64_t)rows[i].bytes);
    }
    return STATUS_OK;
}
