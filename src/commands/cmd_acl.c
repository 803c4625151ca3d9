/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACL and its subcommands: words over acl/acl.h. Those that change users are refused in scripts and
 * gears steps, so they run on main for a client.
 */
#include "acl/acl.h"

#include "base/random.h"
#include "commands_table.h"
#include "exec/reply.h"

#define GENPASS_BITS_MAX 4096

static struct view word_of(const struct exec_ctx *ctx, int i)
{
    return arg_view(&ctx->argv[i]);
}

static enum status error_about(struct exec_ctx *ctx, const char *before, struct view what,
                               const char *after)
{
    struct buf text = {0};
    buf_append_cstr(&text, before);
    buf_append_view(&text, acl_up_to_nul(what));
    buf_append_cstr(&text, after);
    enum status st = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

/* ---- looking ---- */

enum status cmd_acl_whoami(struct exec_ctx *ctx)
{
    reply_bulk_view(ctx, acl_name_of(ctx));
    return STATUS_OK;
}

enum status cmd_acl_users(struct exec_ctx *ctx)
{
    size_t n = acl_count();
    reply_array(ctx, n);
    for (size_t i = 0; i < n; i++) reply_bulk_view(ctx, acl_name(acl_at(i)));
    return STATUS_OK;
}

enum status cmd_acl_list(struct exec_ctx *ctx)
{
    struct buf line = {0};
    size_t n = acl_count();
    reply_array(ctx, n);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&line);
        acl_describe(acl_at(i), &line);
        reply_bulk_view(ctx, buf_view(&line));
    }
    buf_release(&line);
    return STATUS_OK;
}

enum status cmd_acl_getuser(struct exec_ctx *ctx)
{
    const struct acl_user *u = acl_find(word_of(ctx, 2));
    if (u)
        acl_reply_user(ctx, u);
    else
        reply_null(ctx);
    return STATUS_OK;
}

struct cat {
    struct exec_ctx *ctx;
    size_t count;
};

static void cat_one(void *at, const struct command *cmd)
{
    struct cat *cat = at;
    reply_bulk_cstr(cat->ctx, cmd->fullname);
    cat->count++;
}

enum status cmd_acl_cat(struct exec_ctx *ctx)
{
    struct cat cat = {.ctx = ctx};
    if (ctx->argc > 3) return reply_unknown_call(ctx);
    if (ctx->argc == 2) {
        unsigned n = 0;
        while (command_acl_name(n)) n++;
        reply_array(ctx, n);
        for (unsigned bit = 0; bit < n; bit++) reply_bulk_cstr(ctx, command_acl_name(bit));
        return STATUS_OK;
    }
    struct view name = acl_up_to_nul(word_of(ctx, 2));
    uint32_t category = command_acl_by_name(name);
    if (!category)
        return error_about(ctx, "Unknown category '", view_of(name.ptr, MIN(name.len, 128u)), "'");
    struct reply_deferred d = reply_defer(ctx);
    acl_each_in_category(category, cat_one, &cat);
    reply_defer_array(ctx, d, cat.count);
    return STATUS_OK;
}

/* ---- changing ---- */

enum status cmd_acl_setuser(struct exec_ctx *ctx)
{
    return acl_set_user(ctx, word_of(ctx, 2), ctx->argv + 3, (size_t)ctx->argc - 3);
}

enum status cmd_acl_deluser(struct exec_ctx *ctx)
{
    int64_t removed = 0;
    for (int i = 2; i < ctx->argc; i++)
        if (view_eq_cstr(word_of(ctx, i), "default"))
            return reply_error(ctx, "The 'default' user cannot be removed");
    for (int i = 2; i < ctx->argc; i++) removed += acl_delete_user(ctx, word_of(ctx, i));
    reply_int(ctx, removed);
    return STATUS_OK;
}

enum status cmd_acl_load(struct exec_ctx *ctx)
{
    return acl_load(ctx);
}

enum status cmd_acl_save(struct exec_ctx *ctx)
{
    return acl_save(ctx);
}

/* ---- DRYRUN ---- */

static void reply_denial(struct exec_ctx *ctx, const char *what, struct view name, const char *kind)
{
    struct buf text = {0};
    buf_printf(&text, "This user has no permissions to %s the '", what);
    buf_append_view(&text, acl_up_to_nul(name));
    buf_printf(&text, "' %s", kind);
    reply_bulk_view(ctx, buf_view(&text));
    buf_release(&text);
}

enum status cmd_acl_dryrun(struct exec_ctx *ctx)
{
    const struct acl_user *u = acl_find(word_of(ctx, 2));
    const struct command *cmd;
    struct arg *argv = ctx->argv + 3;
    int argc = ctx->argc - 3, pos;
    if (!u) return error_about(ctx, "User '", word_of(ctx, 2), "' not found");
    if (command_resolve(argv, argc, &cmd))
        return error_about(ctx, "Command '", arg_view(&argv[0]), "' not found");
    if (!command_arity_ok(cmd, argc))
        return reply_errorf(ctx, "wrong number of arguments for '%s' command", cmd->fullname);
    switch (acl_check(u, cmd, argv, argc, &pos)) {
    case ACL_ALLOWED: reply_ok(ctx); break;
    case ACL_NO_COMMAND: reply_denial(ctx, "run", view_cstr(cmd->fullname), "command"); break;
    case ACL_NO_KEY: reply_denial(ctx, "access", arg_view(&argv[pos]), "key"); break;
    case ACL_NO_CHANNEL: reply_denial(ctx, "access", arg_view(&argv[pos]), "channel"); break;
    }
    return STATUS_OK;
}

/* ---- GENPASS, LOG ---- */

enum status cmd_acl_genpass(struct exec_ctx *ctx)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[GENPASS_BITS_MAX / 8];
    char text[GENPASS_BITS_MAX / 4];
    int64_t bits = 256;
    if (ctx->argc > 3) return reply_unknown_call(ctx);
    if (ctx->argc == 3) {
        if (arg_i64(ctx, 2, &bits)) return STATUS_ERR;
        if (bits <= 0 || bits > GENPASS_BITS_MAX)
            return reply_error(ctx, "ACL GENPASS argument must be the number of bits for the "
                                    "output password, a positive number up to 4096");
    }
    size_t len = ((size_t)bits + 3) / 4;
    random_fill(bytes, (len + 1) / 2);
    for (size_t i = 0; i < len; i++)
        text[i] = digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    reply_bulk(ctx, text, len);
    return STATUS_OK;
}

enum status cmd_acl_log(struct exec_ctx *ctx)
{
    int64_t max = 10;
    if (ctx->argc > 3) return reply_unknown_call(ctx);
    if (ctx->argc == 3 && arg_is(&ctx->argv[2], "reset")) {
        acl_log_reset();
        reply_ok(ctx);
        return STATUS_OK;
    }
    if (ctx->argc == 3 && arg_i64(ctx, 2, &max)) return STATUS_ERR;
    acl_log_reply(ctx, max > 0 ? (size_t)max : 0);
    return STATUS_OK;
}

enum status cmd_acl_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    The categories of commands, or the commands of <category>.",
        "DELUSER <username> [<username> ...]",
        "    Remove users and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether the user may run the command, which isn't run.",
        "GETUSER <username>",
        "    A user's passwords and rules.",
        "GENPASS [<bits>]",
        "    A password of 256 random bits, or of <bits>.",
        "LIST",
        "    The users as lines of the ACL file.",
        "LOAD",
        "    Read the ACL file again.",
        "LOG [<count> | RESET]",
        "    What was denied lately; or forget it.",
        "SAVE",
        "    Write the users to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Make or change a user.",
        "USERS",
        "    The names of the users.",
        "WHOAMI",
        "    The name of this connection's user.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}
