/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLIENT and its subcommands: words over exec/client.h. Main only: all of them are refused in
 * scripts and gears steps, so ctx->client is never NULL here.
 */
#include "acl/acl.h"
#include "commands_table.h"
#include "exec/blocking.h"
#include "exec/client.h"
#include "exec/pause.h"
#include "exec/reply.h"

enum status cmd_client_id(struct exec_ctx *ctx)
{
    reply_int(ctx, (int64_t)client_id(ctx->client));
    return STATUS_OK;
}

enum status cmd_client_getname(struct exec_ctx *ctx)
{
    const char *name = client_name(ctx->client);
    if (name)
        reply_bulk_cstr(ctx, name);
    else
        reply_null(ctx);
    return STATUS_OK;
}

enum status cmd_client_setname(struct exec_ctx *ctx)
{
    if (client_set_name(ctx->client, arg_view(&ctx->argv[2])))
        return reply_error(ctx, "Client names cannot contain spaces, newlines or special "
                                "characters.");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_client_info(struct exec_ctx *ctx)
{
    struct buf line = {0};
    client_info(ctx->client, &line);
    buf_append_char(&line, '\n');
    reply_verbatim(ctx, "txt", line.ptr, line.len);
    buf_release(&line);
    return STATUS_OK;
}

/* ---- LIST ---- */

static void list_one(void *ctx, struct client *c)
{
    struct buf *out = ctx;
    client_info(c, out);
    buf_append_char(out, '\n');
}

static enum status list_parse_ids(struct exec_ctx *ctx, struct client_filter *f, uint64_t **ids)
{
    size_t n = (size_t)ctx->argc - 3;
    *ids = mem_alloc(n * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        if (num_parse_i64(arg_view(&ctx->argv[3 + i]), &id))
            return reply_error(ctx, "Invalid client ID");
        (*ids)[i] = (uint64_t)id;
    }
    f->ids = *ids;
    f->id_count = n;
    return STATUS_OK;
}

/* Ids that are asked for are answered one by one, twice if they are asked for twice. */
static void list_ids(const struct client_filter *f, struct buf *out)
{
    for (size_t i = 0; i < f->id_count; i++) {
        struct client *c = client_find(f->ids[i]);
        if (c) list_one(out, c);
    }
}

static enum status list_parse(struct exec_ctx *ctx, struct client_filter *f, uint64_t **ids)
{
    if (ctx->argc == 2) return STATUS_OK;
    if (ctx->argc == 4 && arg_is(&ctx->argv[2], "type")) {
        f->class_ = client_class_parse(arg_view(&ctx->argv[3]));
        if (f->class_ >= 0) return STATUS_OK;
        return reply_errorf(ctx, "Unknown client type '%.*s'", reply_text_len(ctx->argv[3].len),
                            ctx->argv[3].ptr);
    }
    if (ctx->argc > 3 && arg_is(&ctx->argv[2], "id")) return list_parse_ids(ctx, f, ids);
    return reply_syntax_error(ctx);
}

enum status cmd_client_list(struct exec_ctx *ctx)
{
    struct client_filter f = {0};
    struct buf out = {0};
    uint64_t *ids = NULL;
    enum status st = list_parse(ctx, &f, &ids);
    if (!st) {
        if (f.id_count)
            list_ids(&f, &out);
        else
            client_each(&f, list_one, &out);
        reply_verbatim(ctx, "txt", out.ptr, out.len);
    }
    buf_release(&out);
    mem_free(ids);
    return st;
}

/* ---- KILL ---- */

struct kill_run {
    const struct client *self;
    int64_t killed;
};

static void kill_one(void *ctx, struct client *c)
{
    struct kill_run *run = ctx;
    client_kill(c, run->self);
    run->killed++;
}

struct kill_options {
    struct client_filter filter;
    uint64_t id;
    bool skip_me;
};

static enum status kill_option(struct exec_ctx *ctx, struct kill_options *o, const struct arg *word,
                               const struct arg *value)
{
    int64_t id;
    if (arg_is(word, "id")) {
        if (num_parse_i64(arg_view(value), &id) || id < 1)
            return reply_error(ctx, "client-id should be greater than 0");
        o->id = (uint64_t)id;
        o->filter.ids = &o->id;
        o->filter.id_count = 1;
    } else if (arg_is(word, "type")) {
        o->filter.class_ = client_class_parse(arg_view(value));
        if (o->filter.class_ < 0)
            return reply_errorf(ctx, "Unknown client type '%.*s'", reply_text_len(value->len),
                                value->ptr);
    } else if (arg_is(word, "addr")) {
        o->filter.addr = arg_view(value);
    } else if (arg_is(word, "laddr")) {
        o->filter.laddr = arg_view(value);
    } else if (arg_is(word, "user")) {
        struct acl_user *user = acl_find(arg_view(value));
        if (!user)
            return reply_errorf(ctx, "No such user '%.*s'", reply_text_len(value->len), value->ptr);
        o->filter.user = acl_exec_user(user);
    } else if (arg_is(word, "skipme") && (arg_is(value, "yes") || arg_is(value, "no"))) {
        o->skip_me = arg_is(value, "yes");
    } else {
        return reply_syntax_error(ctx);
    }
    return STATUS_OK;
}

/* CLIENT KILL <addr>: the old form ends the caller too, and says so if nobody was found. */
static enum status kill_by_addr(struct exec_ctx *ctx)
{
    struct client_filter f = {.addr = arg_view(&ctx->argv[2])};
    struct kill_run run = {.self = ctx->client};
    client_each(&f, kill_one, &run);
    if (!run.killed) return reply_error(ctx, "No such client");
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_client_kill(struct exec_ctx *ctx)
{
    struct kill_options o = {.skip_me = true};
    if (ctx->argc == 3) return kill_by_addr(ctx);
    if (ctx->argc % 2) return reply_syntax_error(ctx);
    for (int i = 2; i + 1 < ctx->argc; i += 2)
        if (kill_option(ctx, &o, &ctx->argv[i], &ctx->argv[i + 1])) return STATUS_ERR;
    if (o.skip_me) o.filter.skip = ctx->client;
    struct kill_run run = {.self = ctx->client};
    client_each(&o.filter, kill_one, &run);
    reply_int(ctx, run.killed);
    return STATUS_OK;
}

enum status cmd_client_unblock(struct exec_ctx *ctx)
{
    int64_t id;
    bool with_error = false;
    if (ctx->argc > 4) return reply_unknown_call(ctx);
    if (ctx->argc == 4) {
        with_error = arg_is(&ctx->argv[3], "error");
        if (!with_error && !arg_is(&ctx->argv[3], "timeout"))
            return reply_error(ctx, "CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    if (arg_i64(ctx, 2, &id)) return STATUS_ERR;
    reply_int(ctx, id >= 0 && block_end((uint64_t)id, with_error));
    return STATUS_OK;
}

/* ---- PAUSE, REPLY, NO-EVICT ---- */

enum status cmd_client_pause(struct exec_ctx *ctx)
{
    int64_t timeout_ms;
    bool all = true;
    if (ctx->argc > 4) return reply_unknown_call(ctx);
    if (ctx->argc == 4) {
        all = arg_is(&ctx->argv[3], "all");
        if (!all && !arg_is(&ctx->argv[3], "write"))
            return reply_error(ctx, "CLIENT PAUSE mode must be WRITE or ALL");
    }
    if (num_parse_i64(arg_view(&ctx->argv[2]), &timeout_ms))
        return reply_error(ctx, "timeout is not an integer or out of range");
    if (timeout_ms < 0) return reply_error(ctx, "timeout is negative");
    pause_begin(timeout_ms, all);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_client_unpause(struct exec_ctx *ctx)
{
    pause_end();
    reply_ok(ctx);
    return STATUS_OK;
}

/* Only ON is answered. */
enum status cmd_client_reply(struct exec_ctx *ctx)
{
    const struct arg *mode = &ctx->argv[2];
    if (arg_is(mode, "on")) {
        client_set_reply_mode(ctx->client, CLIENT_REPLY_ON);
        reply_ok(ctx);
    } else if (arg_is(mode, "off")) {
        client_set_reply_mode(ctx->client, CLIENT_REPLY_OFF);
    } else if (arg_is(mode, "skip")) {
        client_set_reply_mode(ctx->client, CLIENT_REPLY_SKIP);
    } else {
        return reply_syntax_error(ctx);
    }
    return STATUS_OK;
}

enum status cmd_client_no_evict(struct exec_ctx *ctx)
{
    bool on = arg_is(&ctx->argv[2], "on");
    if (!on && !arg_is(&ctx->argv[2], "off")) return reply_syntax_error(ctx);
    client_set_no_evict(ctx->client, on);
    reply_ok(ctx);
    return STATUS_OK;
}

enum status cmd_client_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
        "GETREDIR",
        "    Return the client ID we are redirecting to when tracking is enabled.",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made from the specified address",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made to specified local address",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Kill connections by type.",
        "    * USER <username>",
        "      Kill connections authenticated by <username>.",
        "    * SKIPME (YES|NO)",
        "      Skip killing current connection (default: yes).",
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Unblock the specified blocked client.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Control server assisted client side caching.",
        "TRACKINGINFO",
        "    Report tracking status for the current connection.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}
