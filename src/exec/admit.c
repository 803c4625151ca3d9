/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chain of admission filters; see admit.h. It begins with exec's own two: authentication, and
 * commands that an option must allow.
 */
#include "exec/admit.h"

#include "exec/client.h"
#include "exec/command.h"
#include "exec/reply.h"

#define ADMIT_FILTERS_MAX 16

uint32_t admit_word;

static struct {
    struct {
        enum admit_bit bit;
        admit_fn *fn;
        admit_applies_fn *applies;
    } filters[ADMIT_FILTERS_MAX];
    int count;
    bool (*on_refusal)(struct exec_ctx *ctx);
} admit;

void admit_add(enum admit_bit bit, admit_fn *fn, admit_applies_fn *applies)
{
    ASSERT(admit.count < ADMIT_FILTERS_MAX);
    admit.filters[admit.count].bit = bit;
    admit.filters[admit.count].applies = applies;
    admit.filters[admit.count++].fn = fn;
}

void admit_set(uint32_t bits, bool on)
{
    admit_word = on ? admit_word | bits : admit_word & ~bits;
}

static uint32_t bits_of(const struct exec_ctx *ctx)
{
    uint32_t bits = admit_word;
    if (ctx->client)
        bits |= client_admit(ctx->client);
    else if (ctx->user)
        bits |= ctx->user->admit;
    return ctx->cmd->flags & COMMAND_ADMIN ? bits | ADMIT_PROTECTED : bits;
}

void admit_check(const struct exec_ctx *ctx)
{
    uint32_t bits = bits_of(ctx);
    for (int i = 0; i < admit.count; i++)
        ASSERT(!admit.filters[i].applies || !admit.filters[i].applies(ctx) ||
               bits & admit.filters[i].bit);
}

enum admit_verdict admit_chain(struct exec_ctx *ctx)
{
    uint32_t bits = bits_of(ctx);
    for (int i = 0; i < admit.count; i++) {
        if (!(bits & admit.filters[i].bit)) continue;
        enum admit_verdict v = admit.filters[i].fn(ctx);
        if (v != ADMIT_PASS) return v;
    }
    return ADMIT_PASS;
}

bool admit_queued(struct exec_ctx *ctx)
{
    if (likely(!(bits_of(ctx) & ADMIT_ACL))) return true;
    for (int i = 0; i < admit.count; i++)
        if (admit.filters[i].bit == ADMIT_ACL) return admit.filters[i].fn(ctx) == ADMIT_PASS;
    return true;
}

/* The queue that the command is about to run, if it is EXEC. */
static const struct client_txn *queue_of(const struct exec_ctx *ctx)
{
    bool runs = ctx->client && !strcmp(ctx->cmd->fullname, "exec");
    const struct client_txn *txn = runs ? client_txn(ctx->client) : NULL;
    return txn && txn->queued >= 0 ? txn : NULL;
}

uint32_t admit_flags_of_any(const struct exec_ctx *ctx)
{
    const struct client_txn *queue = queue_of(ctx);
    return ctx->cmd->flags | (queue ? queue->flags : 0);
}

uint32_t admit_flags_of_all(const struct exec_ctx *ctx)
{
    const struct client_txn *queue = queue_of(ctx);
    return ctx->cmd->flags & (queue ? queue->common : UINT32_MAX);
}

void admit_on_refusal(bool (*fn)(struct exec_ctx *ctx))
{
    admit.on_refusal = fn;
}

/* A code word is in capitals; a text without one gets ERR when it is replied. */
static bool has_code_word(const char *line)
{
    size_t n = 0;
    while (line[n] >= 'A' && line[n] <= 'Z') n++;
    return n > 1 && line[n] == ' ';
}

void admit_refuse_busy(struct exec_ctx *ctx, const char *line)
{
    if (ctx->client && admit.on_refusal && admit.on_refusal(ctx))
        reply_errorf(ctx, "-EXECABORT Transaction discarded because of: %s", line);
    else
        reply_errorf(ctx, "%s%s", has_code_word(line) ? "-" : "", line);
}

enum admit_verdict admit_refuse(struct exec_ctx *ctx, const char *line)
{
    if (ctx->cmd) command_stats_of(ctx->cmd)->rejected++;
    admit_refuse_busy(ctx, line);
    return ADMIT_REFUSED;
}

static enum admit_verdict auth_filter(struct exec_ctx *ctx)
{
    if (ctx->cmd->flags & COMMAND_NO_AUTH) return ADMIT_PASS;
    return admit_refuse(ctx, "NOAUTH Authentication required.");
}

/* Its bit is the row's admin flag, which every row of these must therefore have, but for the two
 * that only tell. */
static const struct {
    const char *name, *shown, *option;
    const int *access;
} guarded[] = {
    {"debug", "DEBUG", "enable-debug-command", &exec_settings.enable_debug_command},
    {"module", "MODULE", "enable-module-command", &exec_settings.enable_module_command},
};

static int guard_of(const struct exec_ctx *ctx)
{
    const struct command *top = ctx->cmd->parent ? ctx->cmd->parent : ctx->cmd;
    const char *fullname = ctx->cmd->fullname;
    if (!strcmp(fullname, "module|list") || !strcmp(fullname, "module|help")) return -1;
    for (size_t i = 0; i < ARRAY_COUNT(guarded); i++)
        if (!strcmp(top->name, guarded[i].name)) return (int)i;
    return -1;
}

static bool is_protected(const struct exec_ctx *ctx)
{
    return guard_of(ctx) >= 0;
}

static enum admit_verdict protected_filter(struct exec_ctx *ctx)
{
    int i = guard_of(ctx);
    if (i < 0 || client_access_ok(ctx, (enum exec_access)*guarded[i].access)) return ADMIT_PASS;
    struct buf text = {0};
    buf_printf(&text,
               "ERR %s command not allowed. If the %s option is set to \"local\", you can run it "
               "from a local connection, otherwise you need to set this option in the "
               "configuration file, and then restart the server.",
               guarded[i].shown, guarded[i].option);
    enum admit_verdict verdict = admit_refuse(ctx, buf_cstr(&text));
    buf_release(&text);
    return verdict;
}

void admit_setup(void)
{
    admit.count = 0;
    admit_add(ADMIT_AUTH, auth_filter, NULL);
    admit_add(ADMIT_PROTECTED, protected_filter, is_protected);
}
