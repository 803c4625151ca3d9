/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service's face to the rest: the filter, logging in, ACL SETUSER, the options.
 *
 * A user who may do everything has no filter bit, nor have its clients, so that the usual server
 * pays nothing. For all others the filter looks the rules up anew with each command: there is no
 * cache to become stale.
 */
#include "acl/acl.h"

#include "acl/private.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/config_rewrite.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/reply.h"

struct acl_settings acl_settings;

/* ---- the filter ---- */

static struct exec_user *who(const struct exec_ctx *ctx)
{
    return ctx->client ? client_user(ctx->client) : ctx->user;
}

struct view acl_name_of(const struct exec_ctx *ctx)
{
    const struct exec_user *u = who(ctx);
    return u ? u->name : VIEW_LIT("default");
}

static const struct {
    enum acl_reason reason;
    const char *line;   /* when a command is called */
    const char *queued; /* when EXEC comes to it */
} denials[] = {
    [ACL_NO_COMMAND] = {ACL_REASON_COMMAND, NULL,
                        "no permission to execute the command or subcommand"},
    [ACL_NO_KEY] = {ACL_REASON_KEY,
                    "NOPERM this user has no permissions to access one of the keys used as "
                    "arguments",
                    "no permission to touch the specified keys"},
    [ACL_NO_CHANNEL] = {ACL_REASON_CHANNEL,
                        "NOPERM this user has no permissions to access one of the channels used "
                        "as arguments",
                        "no permission to access one of the channels used as arguments"},
};

static void denial_text(const struct exec_ctx *ctx, enum acl_verdict verdict, struct buf *out)
{
    if (ctx->flags & EXEC_IN_MULTI) {
        buf_printf(out,
                   "-NOPERM ACLs rules changed between the moment the transaction was accumulated "
                   "and the EXEC call. This command is no longer allowed for the following reason: "
                   "%s",
                   denials[verdict].queued);
    } else if (denials[verdict].line) {
        buf_append_cstr(out, denials[verdict].line);
    } else {
        buf_printf(out, "NOPERM this user has no permissions to run the '%s' command",
                   ctx->cmd->fullname);
    }
}

static bool filter_applies(const struct exec_ctx *ctx)
{
    const struct exec_user *u = who(ctx);
    return u && !acl__rules_are_open(&CONTAINER_OF(u, struct acl_user, base)->rules);
}

static enum admit_verdict filter(struct exec_ctx *ctx)
{
    const struct exec_user *u = who(ctx);
    int pos;
    if (!u || !u->admit) return ADMIT_PASS;
    enum acl_verdict verdict = acl_check(CONTAINER_OF(u, struct acl_user, base), ctx->cmd,
                                         ctx->argv, ctx->argc, &pos);
    if (likely(verdict == ACL_ALLOWED)) return ADMIT_PASS;
    acl__log_add(ctx, denials[verdict].reason,
                 verdict == ACL_NO_COMMAND ? view_cstr(ctx->cmd->fullname)
                                           : arg_view(&ctx->argv[pos]),
                 u->name);
    struct buf text = {0};
    denial_text(ctx, verdict, &text);
    if (ctx->flags & EXEC_IN_MULTI) {
        command_stats_of(ctx->cmd)->rejected++;
        reply_error(ctx, buf_cstr(&text));
    } else {
        admit_refuse(ctx, buf_cstr(&text));
    }
    buf_release(&text);
    return ADMIT_REFUSED;
}

/* ---- logging in ---- */

bool acl_login(struct exec_ctx *ctx, struct view name, struct view password)
{
    struct acl_user *u = acl_find(name);
    if (u && acl__user_opens(u, password)) {
        client_set_user(ctx->client, &u->base, true);
        return true;
    }
    acl__log_add(ctx, ACL_REASON_AUTH, arg_view(&ctx->argv[0]), name);
    return false;
}

/* ---- ACL SETUSER ---- */

static enum status refuse_rule(struct exec_ctx *ctx, struct view rule, enum acl_error e)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Error in ACL SETUSER modifier '");
    buf_append_view(&text, acl_up_to_nul(rule));
    buf_printf(&text, "': %s", acl__error_text(e));
    enum status st = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

static enum status refuse_open(struct exec_ctx *ctx, struct view word)
{
    struct buf text = {0};
    buf_append_cstr(&text, "Unmatched parenthesis in acl selector starting at '");
    buf_append_view(&text, acl_up_to_nul(word));
    buf_append_cstr(&text, "'.");
    enum status st = reply_error_bytes(ctx, text.ptr, text.len);
    buf_release(&text);
    return st;
}

static enum status apply_words(struct exec_ctx *ctx, struct acl_user *u, const struct arg *rules,
                               size_t count)
{
    struct view *argv = mem_alloc((count ? count : 1) * sizeof(*argv)), open;
    struct acl_words words;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < count; i++) argv[i] = arg_view(&rules[i]);
    if (acl__words_join(argv, count, &words, &open)) st = refuse_open(ctx, open);
    for (size_t i = 0; i < words.count && !st; i++) {
        enum acl_error e = acl__user_apply(u, words.list[i]);
        if (e) st = refuse_rule(ctx, words.list[i], e);
    }
    acl__words_release(&words);
    mem_free(argv);
    return st;
}

enum status acl_set_user(struct exec_ctx *ctx, struct view name, const struct arg *rules,
                         size_t count)
{
    if (!acl__name_ok(name))
        return reply_error(ctx, "Usernames can't contain spaces or null characters");
    struct acl_user *old = acl_find(name);
    struct acl_user *draft = old ? acl__user_copy(old) : acl__user_new(name);
    if (apply_words(ctx, draft, rules, count)) {
        acl__user_end(draft);
        return STATUS_ERR;
    }
    if (old) {
        acl__users_revoke(ctx, &old->base, draft);
        acl__user_take(old, draft);
        acl__user_end(draft);
    } else {
        acl__users_add(draft);
    }
    acl__users_changed(old ? old : draft);
    reply_ok(ctx);
    return STATUS_OK;
}

void acl_each_in_category(uint32_t category, void (*fn)(void *at, const struct command *cmd),
                          void *at)
{
    for (unsigned id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (cmd->acl_categories & category) fn(at, cmd);
    }
}

/* ---- options ---- */

/* requirepass is the default user's one password; who asks for it again gets it as it was given,
 * whatever has become of that user since. */
static enum acl_error apply_requirepass_to(struct acl_user *u)
{
    if (!acl_settings.requirepass.len) return acl__user_apply(u, VIEW_LIT("nopass"));
    struct buf word = {0};
    buf_append_char(&word, '>');
    buf_append_view(&word, acl_settings.requirepass);
    enum acl_error e = acl__user_apply(u, VIEW_LIT("resetpass"));
    if (!e) e = acl__user_apply(u, buf_view(&word));
    buf_release(&word);
    return e;
}

static enum status apply_requirepass(struct opt_error *err)
{
    UNUSED(err);
    if (apply_requirepass_to(acl__default_user())) ASSERT(false);
    acl__users_changed(acl__default_user());
    return STATUS_OK;
}

static const struct opt_name pubsub_names[] = {
    {"allchannels", 1}, {"resetchannels", 0}, {NULL, 0}};

static const struct opt_row rows[] = {
    {.name = "requirepass", .kind = OPT_STRING, .flags = OPT_SENSITIVE,
     .var.text = &acl_settings.requirepass, .apply = apply_requirepass,
     .section = OPT_SECTION_SECURITY,
     .doc = "The password of the default user: clients must send AUTH with it before anything "
            "else. Empty: no password. Choose a long one: passwords can be tried very fast."},
    {.name = "aclfile", .kind = OPT_STRING, .flags = OPT_IMMUTABLE, .var.text = &acl_settings.file,
     .section = OPT_SECTION_SECURITY,
     .doc = "A file of users, one a line: user <name> <rules>. ACL LOAD reads it again, ACL SAVE "
            "writes it. Users may stand in this file instead, as lines of the same form; not in "
            "both."},
    {.name = "acl-pubsub-default", .kind = OPT_ENUM, .var.i = &acl_settings.pubsub_default,
     .names = pubsub_names, .dflt = "resetchannels", .section = OPT_SECTION_SECURITY,
     .doc = "Which channels a new user may use: allchannels or, with resetchannels, none."},
    {.name = "acllog-max-len", .kind = OPT_I64, .var.i64 = &acl_settings.log_max, .dflt = "128",
     .max = INT64_MAX, .section = OPT_SECTION_SECURITY,
     .doc = "How many denials are remembered (ACL LOG shows them); the oldest is forgotten first."},
};

void acl_options_register(void)
{
    acl__commands_setup();
    opt_register(rows, ARRAY_COUNT(rows));
    conf_directive_add("user", acl__configured_user);
    conf_on_rewrite("user", acl__rewrite);
}

enum status acl_setup(void)
{
    static const struct exec_user_ops ops = {acl__exec_find, acl__exec_reads, acl__exec_writes};
    struct acl_user *dflt = acl__default_new();
    if (apply_requirepass_to(dflt)) ASSERT(false);
    acl__users_add(dflt);
    acl__users_changed(dflt);
    admit_add(ADMIT_ACL, filter, filter_applies);
    exec_on_users(&ops);
    return acl__load_at_start();
}

void acl_teardown(void)
{
    acl_log_reset();
    acl__users_teardown();
    acl__files_teardown();
}
