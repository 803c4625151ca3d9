/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * COMMAND and its subcommands: the command table told to clients. Everything is read from the
 * constant rows while replying; a cached reply would save some microseconds of a call that a
 * client makes once, and would have to know RESP2 from RESP3 and, later, who is asking.
 *
 * Shapes are stock's, observed on the wire: sets and maps in RESP3 where RESP2 has arrays, but
 * the subcommands of a container are an array in both, unless there are none (an empty set).
 * Thread: whoever runs the command.
 */
#include "commands_table.h"

#include <stdio.h>

#include "base/glob.h"
#include "exec/reply.h"

typedef const char *bit_name(unsigned bit);

/* A set of status replies, one for each shown bit of the mask. */
static void reply_words(struct exec_ctx *ctx, uint32_t mask, bit_name *name)
{
    unsigned count = 0;
    for (unsigned bit = 0; bit < 32; bit++) count += (mask >> bit & 1) && name(bit);
    reply_set(ctx, count);
    for (unsigned bit = 0; bit < 32; bit++) {
        if ((mask >> bit & 1) && name(bit)) reply_status(ctx, name(bit));
    }
}

static const char *doc_flag_name(unsigned bit)
{
    static const char *const names[] = {"deprecated", "syscmd"};
    return bit < ARRAY_COUNT(names) ? names[bit] : NULL;
}

static const char *arg_flag_name(unsigned bit)
{
    static const char *const names[] = {"optional", "multiple", "multiple_token"};
    return bit < ARRAY_COUNT(names) ? names[bit] : NULL;
}

/* ---- COMMAND INFO ---- */

static void pair_int(struct exec_ctx *ctx, const char *name, int64_t n)
{
    reply_bulk_cstr(ctx, name);
    reply_int(ctx, n);
}

static void pair_text(struct exec_ctx *ctx, const char *name, const char *text)
{
    reply_bulk_cstr(ctx, name);
    reply_bulk_cstr(ctx, text);
}

static void reply_begin_search(struct exec_ctx *ctx, const struct command_key_spec *spec)
{
    reply_map(ctx, 2);
    switch (spec->begin) {
    case COMMAND_BEGIN_INDEX:
        pair_text(ctx, "type", "index");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 1);
        pair_int(ctx, "index", spec->index);
        return;
    case COMMAND_BEGIN_KEYWORD:
        pair_text(ctx, "type", "keyword");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 2);
        pair_text(ctx, "keyword", spec->keyword);
        pair_int(ctx, "startfrom", spec->start_from);
        return;
    default:
        pair_text(ctx, "type", "unknown");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 0);
    }
}

static void reply_find_keys(struct exec_ctx *ctx, const struct command_key_spec *spec)
{
    reply_map(ctx, 2);
    switch (spec->find) {
    case COMMAND_FIND_RANGE:
        pair_text(ctx, "type", "range");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 3);
        pair_int(ctx, "lastkey", spec->last_key);
        pair_int(ctx, "keystep", spec->key_step);
        pair_int(ctx, "limit", spec->limit);
        return;
    case COMMAND_FIND_KEYNUM:
        pair_text(ctx, "type", "keynum");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 3);
        pair_int(ctx, "keynumidx", spec->keynum_index);
        pair_int(ctx, "firstkey", spec->first_key);
        pair_int(ctx, "keystep", spec->key_step);
        return;
    default:
        pair_text(ctx, "type", "unknown");
        reply_bulk_cstr(ctx, "spec");
        reply_map(ctx, 0);
    }
}

static void reply_key_specs(struct exec_ctx *ctx, const struct command *cmd)
{
    reply_set(ctx, cmd->key_spec_count);
    for (unsigned i = 0; i < cmd->key_spec_count; i++) {
        const struct command_key_spec *spec = &cmd->key_specs[i];
        reply_map(ctx, spec->notes ? 4 : 3);
        if (spec->notes) pair_text(ctx, "notes", spec->notes);
        reply_bulk_cstr(ctx, "flags");
        reply_words(ctx, spec->flags, command_key_flag_name);
        reply_bulk_cstr(ctx, "begin_search");
        reply_begin_search(ctx, spec);
        reply_bulk_cstr(ctx, "find_keys");
        reply_find_keys(ctx, spec);
    }
}

static void reply_categories(struct exec_ctx *ctx, uint32_t mask)
{
    reply_set(ctx, (size_t)__builtin_popcount(mask));
    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(mask >> bit & 1)) continue;
        char text[32] = "@";
        snprintf(text + 1, sizeof(text) - 1, "%s", command_acl_name(bit));
        reply_status(ctx, text);
    }
}

static void reply_info(struct exec_ctx *ctx, const struct command *cmd)
{
    reply_array(ctx, 10);
    reply_bulk(ctx, cmd->fullname, cmd->fullname_len);
    reply_int(ctx, cmd->arity);
    reply_words(ctx, cmd->flags, command_flag_name);
    reply_int(ctx, cmd->first_key);
    reply_int(ctx, cmd->last_key);
    reply_int(ctx, cmd->key_step);
    reply_categories(ctx, cmd->acl_categories);
    reply_set(ctx, cmd->docs->tip_count);
    for (unsigned i = 0; i < cmd->docs->tip_count; i++) reply_bulk_cstr(ctx, cmd->docs->tips[i]);
    reply_key_specs(ctx, cmd);
    if (cmd->sub_count)
        reply_array(ctx, cmd->sub_count);
    else
        reply_set(ctx, 0);
    for (unsigned i = 0; i < cmd->sub_count; i++) reply_info(ctx, &cmd->subs[i]);
}

/* Those that can be called; operators may have taken some away. */
static unsigned callable_count(void)
{
    unsigned count = 0;
    for (unsigned id = 0; id < command_top_count(); id++)
        count += command_has_name(command_by_id(id));
    return count;
}

static void each_callable(struct exec_ctx *ctx,
                          void (*fn)(struct exec_ctx *ctx, const struct command *cmd))
{
    for (unsigned id = 0; id < command_top_count(); id++)
        if (command_has_name(command_by_id(id))) fn(ctx, command_by_id(id));
}

static void reply_info_of_all(struct exec_ctx *ctx)
{
    reply_array(ctx, callable_count());
    each_callable(ctx, reply_info);
}

enum status cmd_command(struct exec_ctx *ctx)
{
    reply_info_of_all(ctx);
    return STATUS_OK;
}

enum status cmd_command_info(struct exec_ctx *ctx)
{
    if (ctx->argc == 2) {
        reply_info_of_all(ctx);
        return STATUS_OK;
    }
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        const struct command *cmd = command_lookup_full(ctx->argv[i].ptr, ctx->argv[i].len);
        if (cmd)
            reply_info(ctx, cmd);
        else
            reply_null(ctx);
    }
    return STATUS_OK;
}

enum status cmd_command_count(struct exec_ctx *ctx)
{
    reply_int(ctx, callable_count());
    return STATUS_OK;
}

/* ---- COMMAND DOCS ---- */

static const char *arg_type_name(unsigned type)
{
    static const char *const names[] = {"string",    "integer",    "double", "key",  "pattern",
                                        "unix-time", "pure-token", "oneof",  "block"};
    ASSERT(type < ARRAY_COUNT(names));
    return names[type];
}

static void pair_text_if(struct exec_ctx *ctx, const char *name, const char *text)
{
    if (text) pair_text(ctx, name, text);
}

static void reply_args(struct exec_ctx *ctx, const struct command_arg *args, unsigned count)
{
    reply_array(ctx, count);
    for (const struct command_arg *arg = args; arg < args + count; arg++) {
        reply_map(ctx, 2 + (arg->key_spec >= 0) + !!arg->token + !!arg->since +
                           !!arg->deprecated_since + !!arg->flags + !!arg->arg_count);
        pair_text(ctx, "name", arg->name);
        pair_text(ctx, "type", arg_type_name(arg->type));
        if (arg->key_spec >= 0) pair_int(ctx, "key_spec_index", arg->key_spec);
        pair_text_if(ctx, "token", arg->token);
        pair_text_if(ctx, "since", arg->since);
        pair_text_if(ctx, "deprecated_since", arg->deprecated_since);
        if (arg->flags) {
            reply_bulk_cstr(ctx, "flags");
            reply_words(ctx, arg->flags, arg_flag_name);
        }
        if (arg->arg_count) {
            reply_bulk_cstr(ctx, "arguments");
            reply_args(ctx, arg->args, arg->arg_count);
        }
    }
}

static void reply_history(struct exec_ctx *ctx, const struct command_docs *docs)
{
    reply_bulk_cstr(ctx, "history");
    reply_set(ctx, docs->history_count);
    for (unsigned i = 0; i < docs->history_count; i++) {
        reply_array(ctx, 2);
        reply_bulk_cstr(ctx, docs->history[i].version);
        reply_bulk_cstr(ctx, docs->history[i].text);
    }
}

/* The name and what is known, as a pair of a map. */
static void pair_docs(struct exec_ctx *ctx, const struct command *cmd)
{
    const struct command_docs *docs = cmd->docs;
    reply_bulk(ctx, cmd->fullname, cmd->fullname_len);
    reply_map(ctx, 3 + !!docs->complexity + !!docs->flags + !!docs->deprecated_since +
                       !!docs->replaced_by + !!docs->history_count + !!docs->arg_count +
                       !!cmd->sub_count);
    pair_text(ctx, "summary", docs->summary);
    pair_text(ctx, "since", docs->since);
    pair_text(ctx, "group", docs->group);
    pair_text_if(ctx, "complexity", docs->complexity);
    if (docs->flags) {
        reply_bulk_cstr(ctx, "doc_flags");
        reply_words(ctx, docs->flags, doc_flag_name);
    }
    pair_text_if(ctx, "deprecated_since", docs->deprecated_since);
    pair_text_if(ctx, "replaced_by", docs->replaced_by);
    if (docs->history_count) reply_history(ctx, docs);
    if (docs->arg_count) {
        reply_bulk_cstr(ctx, "arguments");
        reply_args(ctx, docs->args, docs->arg_count);
    }
    if (cmd->sub_count) {
        reply_bulk_cstr(ctx, "subcommands");
        reply_map(ctx, cmd->sub_count);
        for (unsigned i = 0; i < cmd->sub_count; i++) pair_docs(ctx, &cmd->subs[i]);
    }
}

enum status cmd_command_docs(struct exec_ctx *ctx)
{
    if (ctx->argc == 2) {
        reply_map(ctx, callable_count());
        each_callable(ctx, pair_docs);
        return STATUS_OK;
    }
    struct reply_deferred head = reply_defer(ctx);
    size_t found = 0;
    for (int i = 2; i < ctx->argc; i++) {
        const struct command *cmd = command_lookup_full(ctx->argv[i].ptr, ctx->argv[i].len);
        if (!cmd) continue;
        pair_docs(ctx, cmd);
        found++;
    }
    reply_defer_map(ctx, head, found);
    return STATUS_OK;
}

/* ---- COMMAND LIST ---- */

/* What FILTERBY asks for. No filter lets all pass; there are no modules, so none is of one. */
struct filter {
    enum { FILTER_NONE, FILTER_MODULE, FILTER_CATEGORY, FILTER_PATTERN } kind;
    uint32_t category; /* 0: unknown, none has it */
    struct view pattern;
};

static enum status parse_filter(struct exec_ctx *ctx, struct filter *out)
{
    *out = (struct filter){0};
    if (ctx->argc == 2) return STATUS_OK;
    if (ctx->argc != 5 || !arg_is(&ctx->argv[2], "filterby")) return reply_syntax_error(ctx);
    struct view value = arg_view(&ctx->argv[4]);
    if (arg_is(&ctx->argv[3], "module")) {
        out->kind = FILTER_MODULE;
    } else if (arg_is(&ctx->argv[3], "aclcat")) {
        out->kind = FILTER_CATEGORY;
        out->category = command_acl_by_name(value);
    } else if (arg_is(&ctx->argv[3], "pattern")) {
        out->kind = FILTER_PATTERN;
        out->pattern = value;
    } else {
        return reply_syntax_error(ctx);
    }
    return STATUS_OK;
}

static bool filter_passes(const struct filter *filter, const struct command *cmd)
{
    switch (filter->kind) {
    case FILTER_NONE: return true;
    case FILTER_MODULE: return false;
    case FILTER_CATEGORY: return cmd->acl_categories & filter->category;
    case FILTER_PATTERN:
        return glob_match(filter->pattern, view_of(cmd->fullname, cmd->fullname_len), true);
    }
    return false;
}

static size_t list_if_passes(struct exec_ctx *ctx, const struct filter *filter,
                             const struct command *cmd)
{
    if (!filter_passes(filter, cmd)) return 0;
    reply_bulk(ctx, cmd->fullname, cmd->fullname_len);
    return 1;
}

enum status cmd_command_list(struct exec_ctx *ctx)
{
    struct filter filter;
    if (parse_filter(ctx, &filter)) return STATUS_ERR;
    struct reply_deferred head = reply_defer(ctx);
    size_t count = 0;
    for (unsigned id = 0; id < command_top_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (!command_has_name(cmd)) continue;
        count += list_if_passes(ctx, &filter, cmd);
        for (unsigned i = 0; i < cmd->sub_count; i++)
            count += list_if_passes(ctx, &filter, &cmd->subs[i]);
    }
    reply_defer_array(ctx, head, count);
    return STATUS_OK;
}

/* ---- COMMAND GETKEYS ---- */

/* Finds the keys of the call in the arguments from the third on; replies the error if there is
 * one. The caller releases *keys in any case. */
static enum status keys_of_call(struct exec_ctx *ctx, struct command_keys *keys)
{
    const struct command *cmd;
    const struct arg *argv = ctx->argv + 2;
    int argc = ctx->argc - 2;
    if (command_resolve(argv, argc, &cmd)) return reply_error(ctx, "Invalid command specified");
    if (!command_has_keys(cmd)) return reply_error(ctx, "The command has no key arguments");
    if (!command_arity_ok(cmd, argc))
        return reply_error(ctx, "Invalid number of arguments specified for command");
    if (command_keys(cmd, argv, argc, keys))
        return reply_error(ctx, "Invalid arguments specified for command");
    return STATUS_OK;
}

static enum status reply_keys(struct exec_ctx *ctx, bool with_flags)
{
    struct command_keys keys = {0};
    enum status status = keys_of_call(ctx, &keys);
    if (status == STATUS_OK) {
        reply_array(ctx, (size_t)keys.count);
        for (int i = 0; i < keys.count; i++) {
            if (with_flags) reply_array(ctx, 2);
            reply_bulk_view(ctx, arg_view(&ctx->argv[2 + keys.keys[i].pos]));
            if (with_flags) reply_words(ctx, keys.keys[i].flags, command_key_flag_name);
        }
    }
    command_keys_release(&keys);
    return status;
}

enum status cmd_command_getkeys(struct exec_ctx *ctx)
{
    return reply_keys(ctx, false);
}

enum status cmd_command_getkeysandflags(struct exec_ctx *ctx)
{
    return reply_keys(ctx, true);
}

/* ---- COMMAND HELP ---- */

enum status cmd_command_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full Redis command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full Redis command.",
        NULL};
    reply_help(ctx, lines);
    return STATUS_OK;
}
