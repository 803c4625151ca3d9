/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules over the real command table without its handlers: what words allow, patterns, words that
 * are random bytes, and that what is printed, read back, is the same.
 */
#include "../unit.h"

#define COMMAND_TABLE_NO_HANDLERS
#include "commands_table.c"

#include "acl/private.h"
#include "base/log.h"

static struct acl_user *new_user(void)
{
    command_setup(&commands_table);
    acl__commands_setup();
    return acl__user_new(VIEW_LIT("u"));
}

static void apply(struct acl_user *u, const char *word)
{
    enum acl_error e = acl__user_apply(u, view_cstr(word));
    CHECK_MSG(!e, "%s: %s", word, acl__error_text(e));
}

/* Splits the call at blanks. */
static enum acl_verdict verdict(const struct acl_user *u, const char *text)
{
    struct arg argv[16];
    const struct command *cmd;
    int argc = 0, pos;
    for (; *text; argc++) {
        size_t len = strcspn(text, " ");
        argv[argc] = arg_of(text, len);
        text += len + (text[len] == ' ');
    }
    CHECK(!command_resolve(argv, argc, &cmd));
    return acl_check(u, cmd, argv, argc, &pos);
}

static void end(struct acl_user *u)
{
    acl__user_end(u);
    command_teardown();
}

TEST(a_call_needs_command_and_keys)
{
    struct acl_user *u = new_user();
    CHECK_INT(verdict(u, "get k"), ACL_NO_COMMAND);
    apply(u, "+get");
    CHECK_INT(verdict(u, "get k"), ACL_NO_KEY);
    apply(u, "%W~k");
    CHECK_INT(verdict(u, "get k"), ACL_NO_KEY);
    apply(u, "%R~k");
    CHECK_INT(verdict(u, "get k"), ACL_ALLOWED);
    CHECK_INT(verdict(u, "auth x"), ACL_ALLOWED);
    apply(u, "(+set ~x*)");
    CHECK_INT(verdict(u, "set x1 v"), ACL_ALLOWED);
    CHECK_INT(verdict(u, "set k v"), ACL_NO_KEY);
    end(u);
}

TEST(passwords_open_a_user_that_is_on)
{
    struct acl_user *u = new_user();
    apply(u, ">p");
    CHECK(!acl__user_opens(u, VIEW_LIT("p")));
    apply(u, "on");
    CHECK(acl__user_opens(u, VIEW_LIT("p")));
    CHECK(!acl__user_opens(u, VIEW_LIT("")));
    CHECK(!acl__user_opens(u, VIEW_LIT("pp")));
    apply(u, "nopass");
    CHECK(acl__user_opens(u, VIEW_LIT("anything")));
    apply(u, "resetpass");
    CHECK(!acl__user_opens(u, VIEW_LIT("p")));
    end(u);
}

static void random_word(struct buf *out)
{
    static const char *const parts[] = {"+", "-", "@", "~", "%", "&", "(", ")", "|", "R", "W",
                                        "*", "get", "config", "set", "string", "all", "on", " ",
                                        "reset", "x", ">", "<", "#", "!", "\"", "'", "\\x"};
    buf_clear(out);
    for (uint64_t n = unit_rand_below(7); n > 0; n--) {
        if (unit_rand_below(8) == 0)
            buf_append_char(out, (char)unit_rand());
        else
            buf_append_cstr(out, parts[unit_rand_below(ARRAY_COUNT(parts))]);
    }
}

TEST(any_bytes_are_a_rule_or_an_error)
{
    struct acl_user *u = new_user();
    struct buf word = {0}, before = {0}, after = {0};
    for (int i = 0; i < 20000; i++) {
        random_word(&word);
        buf_clear(&before);
        buf_clear(&after);
        acl_describe(u, &before);
        enum acl_error e = acl__user_apply(u, buf_view(&word));
        acl_describe(u, &after);
        if (e) CHECK(view_eq(buf_view(&before), buf_view(&after)));
        if (u->selector_count > 20) apply(u, "reset");
    }
    buf_release(&word);
    buf_release(&before);
    buf_release(&after);
    end(u);
}

static const char *random_command_rule(struct buf *out)
{
    buf_clear(out);
    bool on = unit_rand_below(2);
    buf_append_char(out, on ? '+' : '-');
    if (unit_rand_below(3) == 0) {
        unsigned count = 0;
        while (command_acl_name(count)) count++;
        buf_printf(out, "@%s", command_acl_name((unsigned)unit_rand_below(count)));
    } else if (unit_rand_below(20) == 0) {
        buf_append_cstr(out, "@all");
    } else {
        buf_append_cstr(out, command_by_id((unsigned)unit_rand_below(command_count()))->fullname);
    }
    return buf_cstr(out);
}

/* Applies all words of a line of ACL LIST but the first two. */
static void read_back(struct acl_user *u, struct view line)
{
    size_t skip = 2;
    for (size_t at = 0; at < line.len;) {
        const char *blank = memchr(line.ptr + at, ' ', line.len - at);
        size_t len = blank ? (size_t)(blank - line.ptr) - at : line.len - at;
        if (skip)
            skip--;
        else
            CHECK(!acl__user_apply(u, view_of(line.ptr + at, len)));
        at += len + 1;
    }
}

TEST(what_is_printed_is_read_back)
{
    struct acl_user *u = new_user();
    struct buf word = {0}, line = {0}, again = {0};
    for (int i = 0; i < 3000; i++) {
        apply(u, random_command_rule(&word));
        buf_clear(&line);
        buf_clear(&again);
        acl_describe(u, &line);
        struct acl_user *copy = acl__user_new(VIEW_LIT("u"));
        read_back(copy, buf_view(&line));
        acl_describe(copy, &again);
        CHECK(!memcmp(&copy->rules.commands, &u->rules.commands, sizeof(u->rules.commands)));
        CHECK(view_eq(buf_view(&line), buf_view(&again)));
        acl__user_end(copy);
    }
    buf_release(&word);
    buf_release(&line);
    buf_release(&again);
    end(u);
}

TEST(plain_patterns_are_found_among_many)
{
    struct acl_user *u = new_user();
    char word[32];
    apply(u, "+get");
    for (int i = 0; i < 20000; i++) {
        snprintf(word, sizeof(word), "~key:%d", i);
        apply(u, word);
    }
    apply(u, "~glob:*");
    CHECK_INT(verdict(u, "get key:19999"), ACL_ALLOWED);
    CHECK_INT(verdict(u, "get key:20000"), ACL_NO_KEY);
    CHECK_INT(verdict(u, "get glob:1"), ACL_ALLOWED);
    end(u);
}
