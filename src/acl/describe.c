/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules as text. What commands a set of rules allows is kept as bits, not as the words that made
 * them, so words are found again: from nothing or from everything, first the categories that bring
 * the set closest, then single commands for what is left. Which category stock prefers was found by
 * asking it, and tests/diff/acl.py holds the two together:
 *
 *   - a category is of use while it agrees with the set in more of its commands than it disagrees;
 *   - the one with the fewest that disagree comes first; among equals the one with the most that
 *     agree, then the one that ACL CAT names first.
 *
 * Commands that stock hasn't (RG.*) don't take part in that choice, or it would come out
 * differently for commands that both have; their own category comes last.
 */
#include "acl/private.h"
#include "exec/reply.h"

#define GEARS_BIT ((unsigned)__builtin_ctz(COMMAND_ACL_GEARS))

/* Commands in a that count for the choice, and are in b or aren't. */
static unsigned count(const struct acl_bits *a, const struct acl_bits *b, bool in)
{
    const struct acl_bits *ours = acl__category(GEARS_BIT);
    unsigned n = 0;
    for (size_t i = 0; i < ACL_WORDS; i++) {
        uint64_t word = a->words[i] & ~ours->words[i];
        n += (unsigned)__builtin_popcountll(word & (in ? b->words[i] : ~b->words[i]));
    }
    return n;
}

static void put(struct acl_bits *b, const struct acl_bits *set, bool on)
{
    for (size_t i = 0; i < ACL_WORDS; i++)
        b->words[i] = on ? b->words[i] | set->words[i] : b->words[i] & ~set->words[i];
}

/* The next category to say, or -1. `rest` are the commands that the words so far leave to be said
 * (`on`: allowed ones, else forbidden ones, as the bits that are off). */
static int best_category(const struct acl_bits *rest, bool on, uint32_t said)
{
    int best = -1;
    unsigned best_against = 0, best_for = 0;
    for (unsigned bit = 0; command_acl_name(bit); bit++) {
        if (said >> bit & 1 || bit == GEARS_BIT) continue;
        unsigned agree = count(acl__category(bit), rest, on);
        unsigned against = count(acl__category(bit), rest, !on);
        if (agree <= against) continue;
        bool better = against < best_against || (against == best_against && agree > best_for);
        if (best >= 0 && !better) continue;
        best = (int)bit;
        best_against = against;
        best_for = agree;
    }
    return best;
}

static void say_category(unsigned bit, bool on, struct acl_bits *made, struct buf *out)
{
    buf_printf(out, " %c@%s", on ? '+' : '-', command_acl_name(bit));
    put(made, acl__category_reach(bit), on);
}

static void say_categories(const struct acl_rules *r, bool on, struct acl_bits *made,
                           struct buf *out)
{
    struct acl_bits rest = r->commands;
    uint32_t said = 0;
    for (int bit; (bit = best_category(&rest, on, said)) >= 0;) {
        say_category((unsigned)bit, on, made, out);
        put(&rest, acl__category_reach((unsigned)bit), !on);
        said |= 1u << bit;
    }
}

/* RG.* by one word, if they are all on or all off, and some of them aren't yet. */
static void say_gears(const struct acl_rules *r, struct acl_bits *made, struct buf *out)
{
    const struct acl_bits *ours = acl__category_reach(GEARS_BIT);
    bool all = true, any = false, differ = false;
    for (size_t i = 0; i < ACL_WORDS; i++) {
        uint64_t wanted = r->commands.words[i] & ours->words[i];
        all &= wanted == ours->words[i];
        any |= wanted != 0;
        differ |= wanted != (made->words[i] & ours->words[i]);
    }
    if (differ && (all || !any)) say_category(GEARS_BIT, all, made, out);
}

static void say_command(const struct acl_rules *r, const struct command *cmd,
                        struct acl_bits *made, struct buf *out)
{
    bool wanted = acl_bits_has(&r->commands, cmd->id);
    if (wanted != acl_bits_has(made, cmd->id)) {
        struct acl_bits set = {{0}};
        set.words[cmd->id / 64] |= 1ull << (cmd->id % 64);
        for (unsigned i = 0; i < cmd->sub_count; i++)
            set.words[cmd->subs[i].id / 64] |= 1ull << (cmd->subs[i].id % 64);
        put(made, &set, wanted);
        buf_printf(out, " %c%s", wanted ? '+' : '-', cmd->fullname);
    }
    for (unsigned i = 0; i < cmd->sub_count; i++) say_command(r, &cmd->subs[i], made, out);
    for (size_t i = 0; !wanted && i < r->first_count; i++)
        if (r->firsts[i].cmd == cmd) buf_printf(out, " +%s|%s", cmd->fullname, r->firsts[i].word);
}

static void describe_commands(const struct acl_rules *r, struct buf *out)
{
    bool from_all = r->future;
    struct acl_bits made = from_all ? *acl__all_commands() : (struct acl_bits){{0}};
    buf_append_cstr(out, from_all ? "+@all" : "-@all");
    say_categories(r, !from_all, &made, out);
    say_gears(r, &made, out);
    for (unsigned id = 0; id < command_top_count(); id++)
        say_command(r, command_by_id(id), &made, out);
    /* What is read back must be what is there. */
    ASSERT(!memcmp(&made, &r->commands, sizeof(made)));
}

static void describe_keys(const struct acl_rules *r, struct buf *out)
{
    static const char *const signs[] = {
        [ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_READ_WRITE] = "~"};
    if (r->all_keys) buf_append_cstr(out, "~*");
    for (size_t i = 0; i < r->keys.count; i++) {
        const struct acl_pattern *p = r->keys.list[i];
        if (i) buf_append_char(out, ' ');
        buf_append_cstr(out, signs[p->access]);
        buf_append(out, p->bytes, p->len);
    }
}

static void describe_channels(const struct acl_rules *r, struct buf *out)
{
    if (r->all_channels) buf_append_cstr(out, "&*");
    for (size_t i = 0; i < r->channels.count; i++) {
        const struct acl_pattern *p = r->channels.list[i];
        buf_append_cstr(out, i ? " &" : "&");
        buf_append(out, p->bytes, p->len);
    }
}

/* As words of a rule: nothing for no keys, and channels begin from none. */
static void describe_rules(const struct acl_rules *r, struct buf *out)
{
    size_t before = out->len;
    describe_keys(r, out);
    if (out->len > before) buf_append_char(out, ' ');
    if (!r->all_channels) buf_append_cstr(out, "resetchannels ");
    before = out->len;
    describe_channels(r, out);
    if (out->len > before) buf_append_char(out, ' ');
    describe_commands(r, out);
}

static const char *sanitize_word(const struct acl_user *u)
{
    return u->sanitize == ACL_SANITIZE_SKIP ? "skip-sanitize-payload" : "sanitize-payload";
}

void acl_describe(const struct acl_user *u, struct buf *out)
{
    buf_append_cstr(out, "user ");
    buf_append_view(out, u->base.name);
    buf_append_cstr(out, u->on ? " on " : " off ");
    if (u->nopass) buf_append_cstr(out, "nopass ");
    if (u->sanitize) buf_printf(out, "%s ", sanitize_word(u));
    for (size_t i = 0; i < u->hash_count; i++)
        buf_printf(out, "#%.*s ", ACL_HASH_LEN, u->hashes[i]);
    describe_rules(&u->rules, out);
    for (size_t i = 0; i < u->selector_count; i++) {
        buf_append_cstr(out, " (");
        describe_rules(&u->selectors[i], out);
        buf_append_char(out, ')');
    }
}

/* ---- ACL GETUSER ---- */

static void reply_part(struct exec_ctx *ctx, const char *name, const struct acl_rules *r,
                       void (*describe)(const struct acl_rules *r, struct buf *out))
{
    struct buf text = {0};
    describe(r, &text);
    reply_bulk_cstr(ctx, name);
    reply_bulk_view(ctx, buf_view(&text));
    buf_release(&text);
}

static void reply_rules(struct exec_ctx *ctx, const struct acl_rules *r)
{
    reply_part(ctx, "commands", r, describe_commands);
    reply_part(ctx, "keys", r, describe_keys);
    reply_part(ctx, "channels", r, describe_channels);
}

void acl_reply_user(struct exec_ctx *ctx, const struct acl_user *u)
{
    reply_map(ctx, 6);
    reply_bulk_cstr(ctx, "flags");
    reply_set(ctx, 1u + u->nopass + (u->sanitize != ACL_SANITIZE_UNSAID));
    reply_bulk_cstr(ctx, u->on ? "on" : "off");
    if (u->nopass) reply_bulk_cstr(ctx, "nopass");
    if (u->sanitize) reply_bulk_cstr(ctx, sanitize_word(u));
    reply_bulk_cstr(ctx, "passwords");
    reply_array(ctx, u->hash_count);
    for (size_t i = 0; i < u->hash_count; i++) reply_bulk(ctx, u->hashes[i], ACL_HASH_LEN);
    reply_rules(ctx, &u->rules);
    reply_bulk_cstr(ctx, "selectors");
    reply_array(ctx, u->selector_count);
    for (size_t i = 0; i < u->selector_count; i++) {
        reply_map(ctx, 3);
        reply_rules(ctx, &u->selectors[i]);
    }
}
