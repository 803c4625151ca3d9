/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection's own commands: PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT. Main only, for
 * they are refused (noscript) or harmless where no client stands behind the context.
 */
#include "acl/acl.h"
#include "commands_table.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "observe/monitor.h"
#include "pubsub/pubsub.h"
#include "tracking/tracking.h"
#include "txn/txn.h"

enum status cmd_ping(struct exec_ctx *ctx)
{
    if (ctx->argc > 2) return reply_arity(ctx);
    if (ctx->client && pubsub_in_mode(ctx->client)) {
        reply_array(ctx, 2);
        reply_bulk_cstr(ctx, "pong");
        reply_bulk_view(ctx, ctx->argc == 2 ? arg_view(&ctx->argv[1]) : VIEW_LIT(""));
        return STATUS_OK;
    }
    if (ctx->argc == 2)
        reply_bulk_view(ctx, arg_view(&ctx->argv[1]));
    else
        reply_status(ctx, "PONG");
    return STATUS_OK;
}

enum status cmd_echo(struct exec_ctx *ctx)
{
    reply_bulk_view(ctx, arg_view(&ctx->argv[1]));
    return STATUS_OK;
}

enum status cmd_select(struct exec_ctx *ctx)
{
    int64_t id;
    if (arg_i64_range(ctx, 1, INT32_MIN, INT32_MAX, NULL, &id)) return STATUS_ERR;
    struct kv_db *db = kv_db(id);
    if (!db) return reply_error(ctx, "DB index is out of range");
    ctx->db = db;
    if (ctx->client) client_set_db(ctx->client, db);
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- authentication ---- */

static enum status authenticate(struct exec_ctx *ctx, struct view user, struct view password)
{
    if (acl_login(ctx, user, password)) return STATUS_OK;
    return reply_error(ctx, "-WRONGPASS invalid username-password pair or user is disabled.");
}

enum status cmd_auth(struct exec_ctx *ctx)
{
    if (ctx->argc > 3) return reply_syntax_error(ctx);
    if (ctx->argc == 2 && acl_default_has_no_password())
        return reply_error(ctx, "AUTH <password> called without any password configured for the "
                                "default user. Are you sure your configuration is correct?");
    struct view user = ctx->argc == 3 ? arg_view(&ctx->argv[1]) : VIEW_LIT("default");
    if (authenticate(ctx, user, arg_view(&ctx->argv[ctx->argc - 1]))) return STATUS_ERR;
    reply_ok(ctx);
    return STATUS_OK;
}

static enum status set_name(struct exec_ctx *ctx, const struct arg *name)
{
    if (client_set_name(ctx->client, arg_view(name)))
        return reply_error(ctx, "Client names cannot contain spaces, newlines or special "
                                "characters.");
    return STATUS_OK;
}

/* *version_out stays if none is given. As in stock, an option has taken effect when a later one is
 * refused. */
static enum status hello_options(struct exec_ctx *ctx, int64_t *version_out)
{
    if (ctx->argc == 1) return STATUS_OK;
    if (num_parse_i64(arg_view(&ctx->argv[1]), version_out))
        return reply_error(ctx, "Protocol version is not an integer or out of range");
    if (*version_out < 2 || *version_out > 3)
        return reply_error(ctx, "-NOPROTO unsupported protocol version");
    for (int i = 2; i < ctx->argc; i++) {
        const struct arg *a = &ctx->argv[i];
        if (arg_is(a, "auth") && i + 2 < ctx->argc) {
            if (authenticate(ctx, arg_view(a + 1), arg_view(a + 2))) return STATUS_ERR;
            i += 2;
        } else if (arg_is(a, "setname") && i + 1 < ctx->argc) {
            if (set_name(ctx, a + 1)) return STATUS_ERR;
            i++;
        } else {
            return reply_errorf(ctx, "Syntax error in HELLO option '%.*s'", reply_text_len(a->len),
                                a->ptr);
        }
    }
    return STATUS_OK;
}

static void hello_reply(struct exec_ctx *ctx)
{
    reply_map(ctx, 7);
    reply_bulk_cstr(ctx, "server");
    reply_bulk_cstr(ctx, "redis");
    reply_bulk_cstr(ctx, "version");
    reply_bulk_cstr(ctx, "7.0.15");
    reply_bulk_cstr(ctx, "proto");
    reply_int(ctx, reply_resp(ctx));
    reply_bulk_cstr(ctx, "id");
    reply_int(ctx, (int64_t)client_id(ctx->client));
    reply_bulk_cstr(ctx, "mode");
    reply_bulk_cstr(ctx, "standalone");
    reply_bulk_cstr(ctx, "role");
    reply_bulk_cstr(ctx, "master");
    reply_bulk_cstr(ctx, "modules");
    reply_array(ctx, 0);
}

enum status cmd_hello(struct exec_ctx *ctx)
{
    int64_t version = client_resp(ctx->client);
    if (hello_options(ctx, &version)) return STATUS_ERR;
    if (client_admit(ctx->client) & ADMIT_AUTH)
        return reply_error(ctx, "-NOAUTH HELLO must be called with the client already "
                                "authenticated, otherwise the HELLO AUTH <user> <pass> option can "
                                "be used to authenticate the client and select the RESP protocol "
                                "version at the same time");
    client_set_resp(ctx->client, (int)version);
    hello_reply(ctx);
    return STATUS_OK;
}

enum status cmd_reset(struct exec_ctx *ctx)
{
    struct client *c = ctx->client;
    txn_discard(c);
    pubsub_forget(c);
    monitor_end(c);
    tracking_end(c);
    client_set_reply_mode(c, CLIENT_REPLY_ON);
    client_set_db(c, kv_db(0));
    client_set_resp(c, 2);
    /* An empty name is always legal. */
    if (client_set_name(c, VIEW_LIT(""))) ASSERT(false);
    client_reset_user(c);
    reply_status(ctx, "RESET");
    return STATUS_OK;
}

enum status cmd_quit(struct exec_ctx *ctx)
{
    reply_ok(ctx);
    client_close_after_reply(ctx->client);
    return STATUS_OK;
}
