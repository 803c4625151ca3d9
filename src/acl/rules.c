/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of rules and the words that change it. Commands are bits by their place in the command
 * table, categories are sets of such bits that are computed once, so a rule for a category is an OR
 * or an AND-NOT of sixteen words.
 *
 * Where stock compares a word as a C string, what stands behind a NUL isn't seen here either.
 */
#include <ctype.h>

#include "acl/private.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"

#define CATEGORIES_MAX 32

static struct {
    struct acl_bits all, in[CATEGORIES_MAX], reach[CATEGORIES_MAX];
} sets;

/* ---- sets of commands ---- */

static void bits_add(struct acl_bits *b, unsigned id)
{
    b->words[id / 64] |= 1ull << (id % 64);
}

static void bits_put(struct acl_bits *b, const struct acl_bits *set, bool on)
{
    for (size_t i = 0; i < ACL_WORDS; i++)
        b->words[i] = on ? b->words[i] | set->words[i] : b->words[i] & ~set->words[i];
}

/* A row and its subcommands. */
static void bits_of_command(const struct command *cmd, struct acl_bits *out)
{
    bits_add(out, cmd->id);
    for (unsigned i = 0; i < cmd->sub_count; i++) bits_add(out, cmd->subs[i].id);
}

void acl__commands_setup(void)
{
    memset(&sets, 0, sizeof(sets));
    ASSERT(command_count() <= ACL_COMMANDS_MAX);
    for (unsigned id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        bits_add(&sets.all, id);
        for (unsigned bit = 0; bit < CATEGORIES_MAX; bit++) {
            if (!(cmd->acl_categories >> bit & 1)) continue;
            bits_add(&sets.in[bit], id);
            bits_of_command(cmd, &sets.reach[bit]);
        }
    }
}

const struct acl_bits *acl__all_commands(void)
{
    return &sets.all;
}

const struct acl_bits *acl__category(unsigned bit)
{
    return &sets.in[bit];
}

const struct acl_bits *acl__category_reach(unsigned bit)
{
    return &sets.reach[bit];
}

/* ---- patterns ---- */

static struct view pattern_text(const void *entry)
{
    const struct acl_pattern *p = entry;
    return view_of(p->bytes, p->len);
}

static const struct table_type pattern_table = {.key = pattern_text};

const struct acl_pattern *acl__patterns_find(const struct acl_patterns *p, struct view text)
{
    return table_find(&p->by_text, &pattern_table, text, hash_bytes(text.ptr, text.len));
}

/* Adds a pattern, or the access to one that is there. */
static void patterns_add(struct acl_patterns *p, struct view text, unsigned access)
{
    uint64_t hash = hash_bytes(text.ptr, text.len);
    struct acl_pattern *found = table_find(&p->by_text, &pattern_table, text, hash);
    if (found) {
        found->access |= (uint8_t)access;
        return;
    }
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 4;
        p->list = mem_realloc(p->list, p->cap * sizeof(*p->list));
    }
    struct acl_pattern *new = mem_alloc(sizeof(*new) + text.len);
    *new = (struct acl_pattern){
        .access = (uint8_t)access, .is_plain = glob_is_literal(text), .len = text.len};
    if (text.len) memcpy(new->bytes, text.ptr, text.len);
    p->globs += !new->is_plain;
    p->list[p->count++] = new;
    table_insert(&p->by_text, &pattern_table, new, hash);
}

bool acl__patterns_match(const struct acl_patterns *p, struct arg text, unsigned access)
{
    if (p->count > p->globs) {
        const struct acl_pattern *same =
            table_find(&p->by_text, &pattern_table, arg_view(&text), arg_hash(&text));
        if (same && same->is_plain && (same->access & access) == access) return true;
    }
    for (size_t i = 0; p->globs && i < p->count; i++) {
        const struct acl_pattern *g = p->list[i];
        if (!g->is_plain && (g->access & access) == access &&
            glob_match(pattern_text(g), arg_view(&text), false))
            return true;
    }
    return false;
}

static void patterns_clear(struct acl_patterns *p)
{
    table_clear(&p->by_text, NULL, NULL);
    for (size_t i = 0; i < p->count; i++) mem_free(p->list[i]);
    mem_free(p->list);
    *p = (struct acl_patterns){0};
}

static void patterns_copy(struct acl_patterns *out, const struct acl_patterns *src)
{
    *out = (struct acl_patterns){0};
    for (size_t i = 0; i < src->count; i++)
        patterns_add(out, pattern_text(src->list[i]), src->list[i]->access);
}

/* ---- first arguments ---- */

/* Forgets the first arguments of one command, or of all (NULL). */
static void firsts_drop(struct acl_rules *r, const struct command *cmd)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->first_count; i++) {
        if (cmd && r->firsts[i].cmd != cmd)
            r->firsts[kept++] = r->firsts[i];
        else
            mem_free(r->firsts[i].word);
    }
    r->first_count = kept;
    if (kept) return;
    mem_free(r->firsts);
    r->firsts = NULL;
}

static void firsts_drop_set(struct acl_rules *r, const struct acl_bits *set)
{
    for (size_t i = r->first_count; i-- > 0;) {
        if (i < r->first_count && acl_bits_has(set, r->firsts[i].cmd->id))
            firsts_drop(r, r->firsts[i].cmd);
    }
}

static void firsts_add(struct acl_rules *r, const struct command *cmd, struct view word)
{
    for (size_t i = 0; i < r->first_count; i++)
        if (r->firsts[i].cmd == cmd && view_eq_nocase(word, r->firsts[i].word)) return;
    r->firsts = mem_realloc(r->firsts, (r->first_count + 1) * sizeof(*r->firsts));
    r->firsts[r->first_count++] =
        (struct acl_first){.cmd = cmd, .word = mem_dup(word.ptr, word.len)};
}

/* ---- life ---- */

void acl__rules_init(struct acl_rules *r)
{
    *r = (struct acl_rules){.all_channels = acl_settings.pubsub_default};
}

void acl__rules_release(struct acl_rules *r)
{
    patterns_clear(&r->keys);
    patterns_clear(&r->channels);
    firsts_drop(r, NULL);
}

void acl__rules_copy(struct acl_rules *out, const struct acl_rules *src)
{
    *out = *src;
    patterns_copy(&out->keys, &src->keys);
    patterns_copy(&out->channels, &src->channels);
    out->firsts = NULL;
    out->first_count = 0;
    for (size_t i = 0; i < src->first_count; i++)
        firsts_add(out, src->firsts[i].cmd, view_cstr(src->firsts[i].word));
}

bool acl__rules_are_open(const struct acl_rules *r)
{
    return r->all_keys && r->all_channels &&
           !memcmp(&r->commands, &sets.all, sizeof(sets.all));
}

/* ---- words ---- */

static bool has_blank_or_nul(struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!v.ptr[i] || isspace((unsigned char)v.ptr[i])) return true;
    return false;
}

bool acl__name_ok(struct view name)
{
    return !has_blank_or_nul(name);
}

/* ~pattern, %R~pattern and the like. A word that ends before the tilde has the empty pattern. */
static enum acl_error apply_keys(struct acl_rules *r, struct view word)
{
    unsigned access = ACL_READ_WRITE;
    size_t at = 1;
    if (r->all_keys) return ACL_KEYS_IDLE;
    if (word.ptr[0] == '%') {
        access = 0;
        for (; at < word.len && word.ptr[at] != '~'; at++) {
            char c = (char)toupper((unsigned char)word.ptr[at]);
            unsigned more = c == 'R' ? ACL_READ : c == 'W' ? ACL_WRITE : 0;
            if (!more || access & more) return ACL_SYNTAX;
            access |= more;
        }
        if (!access) return ACL_SYNTAX;
        if (at < word.len) at++;
    }
    struct view text = view_of(word.ptr + at, word.len - at);
    if (has_blank_or_nul(text)) return ACL_SYNTAX;
    patterns_add(&r->keys, text, access);
    return ACL_FINE;
}

static enum acl_error apply_channels(struct acl_rules *r, struct view word)
{
    struct view text = view_of(word.ptr + 1, word.len - 1);
    if (r->all_channels) return ACL_CHANNELS_IDLE;
    if (has_blank_or_nul(text)) return ACL_SYNTAX;
    patterns_add(&r->channels, text, ACL_READ_WRITE);
    return ACL_FINE;
}

static void set_all(struct acl_rules *r, bool on)
{
    r->future = on;
    r->commands = on ? sets.all : (struct acl_bits){{0}};
    firsts_drop(r, NULL);
}

static void set_commands(struct acl_rules *r, const struct acl_bits *set, bool on)
{
    bits_put(&r->commands, set, on);
    firsts_drop_set(r, set);
}

static enum acl_error apply_category(struct acl_rules *r, struct view name, bool on)
{
    uint32_t mask = command_acl_by_name(name);
    if (!mask) return ACL_UNKNOWN;
    set_commands(r, &sets.reach[__builtin_ctz(mask)], on);
    return ACL_FINE;
}

/* +get|word, where get has no subcommands. */
static enum acl_error apply_first(struct acl_rules *r, struct view name)
{
    size_t bar = name.len;
    while (bar > 0 && name.ptr[bar - 1] != '|') bar--;
    if (!bar) return ACL_UNKNOWN;
    const struct command *cmd = command_row_named(name.ptr, bar - 1);
    if (!cmd) return ACL_UNKNOWN;
    if (cmd->parent) return ACL_FIRST_OF_SUB;
    struct view word = view_of(name.ptr + bar, name.len - bar);
    if (!word.len) return ACL_SYNTAX;
    if (cmd->sub_count) return ACL_UNKNOWN;
    log_warning("Deprecation warning: Allowing a first arg of an otherwise blocked command is a "
                "misuse of ACL and may get disabled in the future (offender: +%.*s)",
                (int)MIN(name.len, (size_t)128), name.ptr);
    if (!acl_bits_has(&r->commands, cmd->id)) firsts_add(r, cmd, word);
    return ACL_FINE;
}

static enum acl_error apply_command(struct acl_rules *r, struct view name, bool on)
{
    const struct command *cmd = command_row_named(name.ptr, name.len);
    if (!cmd) return on ? apply_first(r, name) : ACL_UNKNOWN;
    struct acl_bits set = {{0}};
    bits_of_command(cmd, &set);
    set_commands(r, &set, on);
    return ACL_FINE;
}

/* The words that stand for themselves. */
static bool apply_plain(struct acl_rules *r, struct view word)
{
    if (view_eq_nocase(word, "allkeys") || view_eq_cstr(word, "~*")) {
        patterns_clear(&r->keys);
        r->all_keys = true;
    } else if (view_eq_nocase(word, "resetkeys")) {
        patterns_clear(&r->keys);
        r->all_keys = false;
    } else if (view_eq_nocase(word, "allchannels") || view_eq_cstr(word, "&*")) {
        patterns_clear(&r->channels);
        r->all_channels = true;
    } else if (view_eq_nocase(word, "resetchannels")) {
        patterns_clear(&r->channels);
        r->all_channels = false;
    } else if (view_eq_nocase(word, "allcommands") || view_eq_nocase(word, "+@all")) {
        set_all(r, true);
    } else if (view_eq_nocase(word, "nocommands") || view_eq_nocase(word, "-@all")) {
        set_all(r, false);
    } else {
        return false;
    }
    return true;
}

enum acl_error acl__rules_apply(struct acl_rules *r, struct view full)
{
    struct view word = acl_up_to_nul(full);
    if (!word.len || apply_plain(r, word)) return ACL_FINE;
    char c = word.ptr[0];
    if (c == '~' || c == '%') return apply_keys(r, full);
    if (c == '&') return apply_channels(r, full);
    if (c != '+' && c != '-') return ACL_SYNTAX;
    if (word.len > 1 && word.ptr[1] == '@')
        return apply_category(r, view_of(word.ptr + 2, word.len - 2), c == '+');
    return apply_command(r, view_of(word.ptr + 1, word.len - 1), c == '+');
}

const char *acl__error_text(enum acl_error e)
{
    switch (e) {
    case ACL_UNKNOWN: return "Unknown command or category name in ACL";
    case ACL_FIRST_OF_SUB: return "Allowing first-arg of a subcommand is not supported";
    case ACL_KEYS_IDLE:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
               "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case ACL_CHANNELS_IDLE:
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
               "does not have any effect. Try 'resetchannels' to start with an empty list of "
               "channels";
    case ACL_NO_PASSWORD:
        return "The password you are trying to remove from the user does not exist";
    case ACL_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
    default: return "Syntax error";
    }
}
