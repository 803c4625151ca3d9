/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the keys of a call by the key specs of its row. Numbers among the arguments ("numkeys")
 * are the client's: they are bounded by the number of arguments before anything is computed from
 * them, so no sum here can overflow and no position can lie outside argv.
 */
#include "exec/command.h"

#include "base/mem.h"
#include "base/num.h"

/* The keys that one spec found: first, first + step, ... up to and with last. */
struct span {
    int64_t first, last, step;
};

static void push_key(struct command_keys *out, int pos, uint32_t flags)
{
    if (out->count == out->cap) {
        int cap = out->cap * 2;
        struct command_key *old = out->keys;
        size_t bytes = (size_t)cap * sizeof(*old);
        if (old == out->inline_keys) {
            out->keys = mem_alloc(bytes);
            memcpy(out->keys, old, (size_t)out->count * sizeof(*old));
        } else {
            out->keys = mem_realloc(old, bytes);
        }
        out->cap = cap;
    }
    out->keys[out->count++] = (struct command_key){pos, flags};
}

void command_keys_release(struct command_keys *keys)
{
    if (keys->keys != keys->inline_keys) mem_free(keys->keys);
    keys->keys = NULL;
    keys->count = keys->cap = 0;
}

/* Position behind the spec's keyword, or 0. A keyword as the last word has no keys behind it. */
static int64_t behind_keyword(const struct command_key_spec *spec, const struct arg *argv, int argc)
{
    int step = spec->start_from > 0 ? 1 : -1;
    int at = spec->start_from > 0 ? spec->start_from : argc + spec->start_from;
    for (; at >= 1 && at < argc - 1; at += step) {
        if (arg_is(&argv[at], spec->keyword)) return at + 1;
    }
    return 0;
}

static enum status find_range(const struct command_key_spec *spec, int64_t begin, int argc,
                              struct span *out)
{
    out->first = begin;
    out->step = spec->key_step;
    if (spec->last_key >= 0)
        out->last = begin + spec->last_key;
    else if (spec->limit <= 1)
        out->last = argc + spec->last_key;
    else
        out->last = begin + (argc - begin) / spec->limit + spec->last_key;
    return STATUS_OK;
}

static enum status find_keynum(const struct command_key_spec *spec, int64_t begin,
                               const struct arg *argv, int argc, struct span *out)
{
    int64_t at = begin + spec->keynum_index, count;
    if (at >= argc) return STATUS_SYNTAX;
    if (num_parse_i64(arg_view(&argv[at]), &count)) return STATUS_SYNTAX;
    if (count < 0 || count > argc) return STATUS_SYNTAX;
    out->first = begin + spec->first_key;
    out->step = spec->key_step;
    out->last = out->first + (count - 1) * spec->key_step;
    return STATUS_OK;
}

/* What one spec finds. STATUS_NOT_FOUND: it doesn't apply to this call. */
static enum status find_span(const struct command_key_spec *spec, const struct arg *argv, int argc,
                             struct span *out)
{
    if (spec->begin == COMMAND_BEGIN_UNKNOWN || spec->find == COMMAND_FIND_UNKNOWN)
        return STATUS_NOT_FOUND;
    int64_t begin = spec->index;
    if (spec->begin == COMMAND_BEGIN_KEYWORD) {
        begin = behind_keyword(spec, argv, argc);
        if (begin == 0) return STATUS_NOT_FOUND;
    }
    enum status status = spec->find == COMMAND_FIND_RANGE
                             ? find_range(spec, begin, argc, out)
                             : find_keynum(spec, begin, argv, argc, out);
    if (status) return status;
    if (out->first >= argc || out->last >= argc || out->last < out->first) return STATUS_SYNTAX;
    return STATUS_OK;
}

static const struct command_word *word_of(const struct command_word *words, const struct arg *arg)
{
    while (words->word && !arg_is(arg, words->word)) words++;
    return words->word ? words : NULL;
}

/* The arguments are groups of the rule's words and nothing else. */
static bool consists_of(const struct command_variable_flags *rule, const struct arg *argv,
                        int argc)
{
    for (int i = rule->from; i < argc;) {
        const struct command_word *w = word_of(rule->only, &argv[i]);
        if (!w || w->args >= argc - i) return false;
        i += 1 + w->args;
    }
    return true;
}

static uint32_t flags_of(const struct command *cmd, const struct command_key_spec *spec,
                         const struct arg *argv, int argc)
{
    if (likely(!(spec->flags & COMMAND_KEY_VARIABLE_FLAGS))) return spec->flags;
    const struct command_variable_flags *rule = cmd->variable_flags;
    if (rule->only) return consists_of(rule, argv, argc) ? rule->without : rule->with;
    for (int i = rule->from; i < argc; i++) {
        if (arg_is(&argv[i], rule->token)) return rule->with;
    }
    return rule->without;
}

bool command_has_keys(const struct command *cmd)
{
    for (unsigned i = 0; i < cmd->key_spec_count; i++) {
        if (!(cmd->key_specs[i].flags & COMMAND_KEY_NOT_KEY)) return true;
    }
    return false;
}

/* Position behind the rule's word, or 0. */
static int behind_option(const struct command_option_keys *rule, const struct arg *argv, int argc)
{
    int found = 0;
    for (int i = rule->from; i < argc - 1; i++) {
        if (arg_is(&argv[i], rule->word)) {
            found = i + 1; /* which may be the word again */
            if (rule->instead) break;
            continue;
        }
        const struct command_word *skip = word_of(rule->skip, &argv[i]);
        if (skip) i += skip->args;
    }
    return found;
}

static enum status push_option_keys(const struct command *cmd, const struct arg *argv, int argc,
                                    struct command_keys *out)
{
    const struct command_option_keys *rule = cmd->option_keys;
    uint32_t flags = cmd->key_specs[rule->spec].flags & ~(uint32_t)COMMAND_KEY_INCOMPLETE;
    int pos = behind_option(rule, argv, argc);
    if (pos == 0) return STATUS_OK;
    if (!rule->instead) {
        push_key(out, pos, flags);
        return STATUS_OK;
    }
    ASSERT(out->count == 1);
    if (argv[out->keys[0].pos].len > 0) return STATUS_SYNTAX;
    out->count = 0;
    for (; pos < argc; pos++) push_key(out, pos, flags);
    return STATUS_OK;
}

enum status command_keys(const struct command *cmd, const struct arg *argv, int argc,
                         struct command_keys *out)
{
    if (!out->keys) {
        out->keys = out->inline_keys;
        out->cap = COMMAND_KEYS_INLINE;
    }
    out->count = 0;
    for (unsigned i = 0; i < cmd->key_spec_count; i++) {
        const struct command_key_spec *spec = &cmd->key_specs[i];
        if (spec->flags & COMMAND_KEY_NOT_KEY) continue;
        if (unlikely(cmd->option_keys && cmd->option_keys->spec == i)) {
            if (push_option_keys(cmd, argv, argc, out)) return STATUS_SYNTAX;
            continue;
        }
        struct span span;
        enum status status = find_span(spec, argv, argc, &span);
        if (status == STATUS_NOT_FOUND) continue;
        if (status) {
            if (cmd->flags & COMMAND_NO_MANDATORY_KEYS) continue;
            out->count = 0;
            return status;
        }
        uint32_t flags = flags_of(cmd, spec, argv, argc);
        for (int64_t pos = span.first; pos <= span.last; pos += span.step)
            push_key(out, (int)pos, flags);
    }
    if (out->count || cmd->flags & COMMAND_NO_MANDATORY_KEYS) return STATUS_OK;
    return command_has_keys(cmd) ? STATUS_SYNTAX : STATUS_OK; /* XREAD without STREAMS */
}
