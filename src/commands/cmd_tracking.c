/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLIENT TRACKING, TRACKINGINFO, CACHING, GETREDIR: words over tracking/. Main only: refused in
 * scripts and gears steps, so ctx->client is never NULL here.
 */
#include "base/mem.h"
#include "commands_table.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "tracking/tracking.h"

struct request {
    uint32_t options; /* enum tracking_option */
    uint64_t redirect;
    struct view *prefixes;
    size_t prefix_count;
};

/* ---- TRACKING ---- */

static enum status parse_redirect(struct exec_ctx *ctx, int i, struct request *r)
{
    int64_t id;
    if (r->redirect) return reply_error(ctx, "A client can only redirect to a single other client");
    if (arg_i64(ctx, i, &id)) return STATUS_ERR;
    if (id <= 0 || !client_find((uint64_t)id))
        return reply_error(ctx, "The client ID you want redirect to does not exist");
    r->redirect = (uint64_t)id;
    return STATUS_OK;
}

static enum status parse(struct exec_ctx *ctx, struct request *r)
{
    static const struct {
        const char *word;
        uint32_t option;
    } options[] = {{"bcast", TRACKING_BCAST},
                   {"optin", TRACKING_OPTIN},
                   {"optout", TRACKING_OPTOUT},
                   {"noloop", TRACKING_NOLOOP}};
    for (int i = 3; i < ctx->argc; i++) {
        const struct arg *a = &ctx->argv[i];
        bool more = i + 1 < ctx->argc;
        uint32_t option = 0;
        for (size_t k = 0; k < ARRAY_COUNT(options); k++)
            if (arg_is(a, options[k].word)) option = options[k].option;
        if (option) {
            r->options |= option;
        } else if (more && arg_is(a, "redirect")) {
            if (parse_redirect(ctx, ++i, r)) return STATUS_ERR;
        } else if (more && arg_is(a, "prefix")) {
            r->prefixes[r->prefix_count++] = arg_view(&ctx->argv[++i]);
        } else {
            return reply_syntax_error(ctx);
        }
    }
    return STATUS_OK;
}

static enum status refuse_overlap(struct exec_ctx *ctx, struct view prefix, const char *with,
                                  struct view other)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Prefix '");
    buf_append_view(&text, prefix);
    buf_append_cstr(&text, "' overlaps with ");
    buf_append_cstr(&text, with);
    buf_append_cstr(&text, " '");
    buf_append_view(&text, other);
    buf_append_cstr(&text, "'. Prefixes for a single client must not overlap.");
    reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return STATUS_ERR;
}

/* A prefix that the client has (at SIZE_MAX) or asks for (its place in the request). */
struct named {
    struct view name;
    size_t at;
};

static int by_name(const void *a, const void *b)
{
    struct view x = ((const struct named *)a)->name, y = ((const struct named *)b)->name;
    size_t len = MIN(x.len, y.len);
    int order = len ? memcmp(x.ptr, y.ptr, len) : 0;
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* The first of the request that overlaps with any other, or SIZE_MAX. In order, whatever begins
 * with a name follows it at once, so a stack holds the beginnings of the one that is looked at; of
 * those, all but the last were found when the one above came. */
static size_t first_overlap(struct named *all, size_t count)
{
    size_t first = SIZE_MAX, depth = 0;
    struct named *stack = mem_alloc(MAX(count, (size_t)1) * sizeof(*stack));
    qsort(all, count, sizeof(*all), by_name);
    for (size_t i = 0; i < count; i++) {
        while (depth && (stack[depth - 1].name.len > all[i].name.len ||
                         !tracking_overlap(stack[depth - 1].name, all[i].name)))
            depth--;
        if (depth) first = MIN(first, MIN(all[i].at, stack[depth - 1].at));
        stack[depth++] = all[i];
    }
    mem_free(stack);
    return first;
}

static size_t find_overlap(const struct client *c, const struct request *r)
{
    const struct view *has;
    size_t count = 0;
    while (tracking_prefix(c, count)) count++;
    struct named *all = mem_alloc((count + r->prefix_count + 1) * sizeof(*all));
    count = 0;
    for (; (has = tracking_prefix(c, count)); count++) all[count] = (struct named){*has, SIZE_MAX};
    for (size_t i = 0; i < r->prefix_count; i++)
        all[count++] = (struct named){r->prefixes[i], i};
    size_t first = first_overlap(all, count);
    mem_free(all);
    return first;
}

static enum status check_prefixes(struct exec_ctx *ctx, const struct request *r)
{
    const struct view *has;
    size_t i = r->prefix_count ? find_overlap(ctx->client, r) : SIZE_MAX;
    if (i == SIZE_MAX) return STATUS_OK;
    for (size_t k = 0; (has = tracking_prefix(ctx->client, k)); k++)
        if (tracking_overlap(*has, r->prefixes[i]))
            return refuse_overlap(ctx, r->prefixes[i], "an existing prefix", *has);
    size_t k = i + 1;
    while (!tracking_overlap(r->prefixes[i], r->prefixes[k])) k++;
    return refuse_overlap(ctx, r->prefixes[i], "another provided prefix", r->prefixes[k]);
}

static enum status check_modes(struct exec_ctx *ctx, const struct request *r)
{
    const uint32_t opt = TRACKING_OPTIN | TRACKING_OPTOUT;
    uint32_t wanted = r->options, old = tracking_options(ctx->client), both = wanted | old;
    if (r->prefix_count && !(wanted & TRACKING_BCAST))
        return reply_error(ctx, "PREFIX option requires BCAST mode to be enabled");
    if (old && (wanted ^ old) & TRACKING_BCAST)
        return reply_error(ctx, "You can't switch BCAST mode on/off before disabling tracking for "
                                "this client, and then re-enabling it with a different mode.");
    if (wanted & TRACKING_BCAST && wanted & opt)
        return reply_error(ctx, "OPTIN and OPTOUT are not compatible with BCAST");
    if ((wanted & opt) == opt)
        return reply_error(ctx, "You can't specify both OPTIN mode and OPTOUT mode");
    if (wanted & opt && (both & opt) == opt)
        return reply_error(ctx, "You can't switch OPTIN/OPTOUT mode before disabling tracking for "
                                "this client, and then re-enabling it with a different mode.");
    return check_prefixes(ctx, r);
}

static enum status tracking(struct exec_ctx *ctx, struct request *r)
{
    if (parse(ctx, r)) return STATUS_ERR;
    if (arg_is(&ctx->argv[2], "off")) {
        tracking_end(ctx->client);
    } else if (arg_is(&ctx->argv[2], "on")) {
        if (check_modes(ctx, r)) return STATUS_ERR;
        tracking_begin(ctx->client, r->options, r->redirect, r->prefixes, r->prefix_count);
        ctx->flags |= EXEC_TRACKED; /* in an EXEC: for the commands that follow */
    } else {
        return reply_syntax_error(ctx);
    }
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_client_tracking(struct exec_ctx *ctx)
{
    struct request r = {.prefixes = mem_alloc((size_t)ctx->argc * sizeof(struct view))};
    enum status st = tracking(ctx, &r);
    mem_free(r.prefixes);
    return st;
}

/* ---- CACHING ---- */

enum status cmd_client_caching(struct exec_ctx *ctx)
{
    uint32_t options = tracking_options(ctx->client);
    if (!options)
        return reply_error(ctx, "CLIENT CACHING can be called only when the client is in tracking "
                                "mode with OPTIN or OPTOUT mode enabled");
    if (arg_is(&ctx->argv[2], "yes")) {
        if (!(options & TRACKING_OPTIN))
            return reply_error(ctx, "CLIENT CACHING YES is only valid when tracking is enabled in "
                                    "OPTIN mode.");
    } else if (arg_is(&ctx->argv[2], "no")) {
        if (!(options & TRACKING_OPTOUT))
            return reply_error(ctx, "CLIENT CACHING NO is only valid when tracking is enabled in "
                                    "OPTOUT mode.");
    } else {
        return reply_syntax_error(ctx);
    }
    tracking_caching(ctx->client);
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- TRACKINGINFO, GETREDIR ---- */

static int64_t redirect_of(const struct client *c)
{
    const struct client_tracking *t = client_tracking(c);
    return t ? (int64_t)t->redirect : -1;
}

static void reply_flags(struct exec_ctx *ctx)
{
    uint32_t options = tracking_options(ctx->client);
    const struct client_tracking *t = client_tracking(ctx->client);
    const char *words[8];
    size_t count = 0;
    words[count++] = t ? "on" : "off";
    if (options & TRACKING_BCAST) words[count++] = "bcast";
    if (options & TRACKING_OPTIN) words[count++] = "optin";
    if (options & TRACKING_OPTOUT) words[count++] = "optout";
    if (options & TRACKING_CACHING)
        words[count++] = options & TRACKING_OPTIN ? "caching-yes" : "caching-no";
    if (options & TRACKING_NOLOOP) words[count++] = "noloop";
    if (t && t->broken) words[count++] = "broken_redirect";
    reply_set(ctx, count);
    for (size_t i = 0; i < count; i++) reply_bulk_cstr(ctx, words[i]);
}

enum status cmd_client_trackinginfo(struct exec_ctx *ctx)
{
    const struct view *prefix;
    size_t count = 0;
    reply_map(ctx, 3);
    reply_bulk_cstr(ctx, "flags");
    reply_flags(ctx);
    reply_bulk_cstr(ctx, "redirect");
    reply_int(ctx, redirect_of(ctx->client));
    reply_bulk_cstr(ctx, "prefixes");
    while (tracking_prefix(ctx->client, count)) count++;
    reply_array(ctx, count);
    for (size_t i = 0; (prefix = tracking_prefix(ctx->client, i)); i++)
        reply_bulk_view(ctx, *prefix);
    return STATUS_OK;
}

enum status cmd_client_getredir(struct exec_ctx *ctx)
{
    reply_int(ctx, redirect_of(ctx->client));
    return STATUS_OK;
}
