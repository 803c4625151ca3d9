/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user may do: the commands first, then the keys of the call, then its channels. One set of
 * rules must allow all three. When none does, the denial that came furthest is told: a channel
 * before a key before a command, and the later argument of two.
 *
 * Whoever holds the token.
 */
#include "acl/private.h"
#include "exec/client.h"

/* A call, with its keys once somebody has asked for them. */
struct call {
    const struct command *cmd;
    const struct arg *argv;
    int argc;
    bool has_keys;
    struct command_keys keys;
};

static const struct command_keys *keys_of(struct call *call)
{
    if (call->has_keys) return &call->keys;
    call->has_keys = true;
    /* Arguments that don't tell where the keys are: the handler will refuse them. */
    if (command_keys(call->cmd, call->argv, call->argc, &call->keys)) call->keys.count = 0;
    return &call->keys;
}

static bool command_allowed(const struct acl_rules *r, const struct call *call)
{
    const struct command *cmd = call->cmd;
    if (acl_bits_has(&r->commands, cmd->id) || cmd->flags & COMMAND_NO_AUTH) return true;
    for (size_t i = 0; i < r->first_count; i++) {
        if (r->firsts[i].cmd == cmd && call->argc > 1 &&
            arg_is(&call->argv[1], r->firsts[i].word))
            return true;
    }
    return false;
}

/* What must be allowed for a key: to read what is in it, to write to it; for its mere existence
 * either will do. */
static unsigned access_of(uint32_t key_flags)
{
    const uint32_t changes = COMMAND_KEY_INSERT | COMMAND_KEY_DELETE | COMMAND_KEY_UPDATE;
    return (key_flags & COMMAND_KEY_ACCESS ? ACL_READ : 0) | (key_flags & changes ? ACL_WRITE : 0);
}

static bool keys_allowed(const struct acl_rules *r, struct call *call, int *pos_out)
{
    if (r->all_keys || !command_has_keys(call->cmd)) return true;
    const struct command_keys *keys = keys_of(call);
    for (int i = 0; i < keys->count; i++) {
        const struct command_key *k = &keys->keys[i];
        if (acl__patterns_match(&r->keys, call->argv[k->pos], access_of(k->flags)))
            continue;
        *pos_out = k->pos;
        return false;
    }
    return true;
}

/* The commands that name channels to listen to or to talk on. */
static const struct {
    const char *name;
    bool patterns, all; /* all: every argument is one, not the first alone */
} channel_commands[] = {{"publish", false, false},  {"spublish", false, false},
                        {"subscribe", false, true}, {"ssubscribe", false, true},
                        {"psubscribe", true, true}};

static bool channels_allowed(const struct acl_rules *r, const struct call *call, int *pos_out)
{
    if (r->all_channels || !(call->cmd->flags & COMMAND_PUBSUB)) return true;
    for (size_t c = 0; c < ARRAY_COUNT(channel_commands); c++) {
        if (strcmp(channel_commands[c].name, call->cmd->fullname)) continue;
        int end = channel_commands[c].all ? call->argc : 2;
        for (int i = 1; i < end; i++) {
            const struct arg *name = &call->argv[i];
            bool ok = channel_commands[c].patterns
                          ? acl__patterns_find(&r->channels, arg_view(name)) != NULL
                          : acl__patterns_match(&r->channels, *name, ACL_READ_WRITE);
            if (ok) continue;
            *pos_out = i;
            return false;
        }
    }
    return true;
}

static enum acl_verdict rules_check(const struct acl_rules *r, struct call *call, int *pos_out)
{
    *pos_out = 0;
    if (!command_allowed(r, call)) return ACL_NO_COMMAND;
    if (!keys_allowed(r, call, pos_out)) return ACL_NO_KEY;
    if (!channels_allowed(r, call, pos_out)) return ACL_NO_CHANNEL;
    return ACL_ALLOWED;
}

enum acl_verdict acl_check(const struct acl_user *u, const struct command *cmd,
                           const struct arg *argv, int argc, int *pos_out)
{
    struct call call = {.cmd = cmd, .argv = argv, .argc = argc};
    enum acl_verdict verdict = rules_check(&u->rules, &call, pos_out);
    for (size_t i = 0; verdict && i < u->selector_count; i++) {
        int pos;
        enum acl_verdict v = rules_check(&u->selectors[i], &call, &pos);
        if (v && v < verdict) continue;
        if (v == verdict && pos <= *pos_out) continue;
        verdict = v;
        *pos_out = pos;
    }
    command_keys_release(&call.keys);
    return verdict;
}

/* ---- more than the keys that a call names ---- */

static bool reads_all(const struct acl_rules *r)
{
    if (r->all_keys) return true;
    const struct acl_pattern *all = acl__patterns_find(&r->keys, VIEW_LIT("*"));
    return all && all->access & ACL_READ;
}

bool acl_reads_all_keys(const struct exec_ctx *ctx)
{
    const struct exec_user *who = ctx->client ? client_user(ctx->client) : ctx->user;
    if (!who || !who->admit) return true;
    const struct acl_user *u = CONTAINER_OF(who, struct acl_user, base);
    struct call call = {.cmd = ctx->cmd, .argv = ctx->argv, .argc = ctx->argc};
    int pos;
    bool ok = reads_all(&u->rules) && !rules_check(&u->rules, &call, &pos);
    for (size_t i = 0; !ok && i < u->selector_count; i++)
        ok = reads_all(&u->selectors[i]) && !rules_check(&u->selectors[i], &call, &pos);
    command_keys_release(&call.keys);
    return ok;
}

static bool has_access(const struct acl_rules *r, struct view key, uint8_t access)
{
    return r->all_keys || acl__patterns_match(&r->keys, arg_of_view(key), access);
}

static bool any_has_access(const struct exec_user *who, struct view key, uint8_t access)
{
    const struct acl_user *u = CONTAINER_OF(who, struct acl_user, base);
    if (has_access(&u->rules, key, access)) return true;
    for (size_t i = 0; i < u->selector_count; i++)
        if (has_access(&u->selectors[i], key, access)) return true;
    return false;
}

bool acl__exec_reads(const struct exec_user *who, struct view key)
{
    return any_has_access(who, key, ACL_READ);
}

bool acl__exec_writes(const struct exec_user *who, struct view key)
{
    return any_has_access(who, key, ACL_WRITE);
}
