/* SPDX-License-Identifier: BSD-3-Clause */
/* The option registry: values by kind, aliases, and CONFIG SET as all or nothing. */
#include "conf/option.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "unit.h"

enum { COLOUR_RED, COLOUR_GREEN };
static const struct opt_name colours[] = {{"red", COLOUR_RED}, {"green", COLOUR_GREEN}, {NULL, 0}};

static struct {
    bool flag;
    int number, mode, colour;
    int64_t big;
    size_t entries, bytes;
    struct view name, other;
    struct view words[4];
    size_t word_count;
} settings;

static char word_bytes[4][32];
static int applied, applied_twice;
static bool apply_fails;

static enum status apply_shared(struct opt_error *err)
{
    applied++;
    if (apply_fails) {
        apply_fails = false;
        return opt_fail(err, "cannot apply %d", settings.number);
    }
    return STATUS_OK;
}

static enum status apply_other(struct opt_error *err)
{
    UNUSED(err);
    applied_twice++;
    return STATUS_OK;
}

static void get_words(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    for (size_t i = 0; i < settings.word_count; i++) {
        buf_printf(out, "%s%s", i ? " " : "", word_bytes[i]);
    }
}

static enum status set_words(const struct opt_row *row, const struct view *argv, size_t argc,
                             struct opt_error *err)
{
    UNUSED(row);
    if (argc > 4) return opt_fail(err, "too many words");
    for (size_t i = 0; i < argc; i++) {
        CHECK(argv[i].ptr[argv[i].len] == '\0');
        snprintf(word_bytes[i], sizeof(word_bytes[i]), "%s", argv[i].ptr);
    }
    settings.word_count = argc;
    return STATUS_OK;
}

static enum status no_x(const struct opt_row *row, struct view v, struct opt_error *err)
{
    UNUSED(row);
    return memchr(v.ptr, 'x', v.len) ? opt_fail(err, "no x, please") : STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "flag", .kind = OPT_BOOL, .var.b = &settings.flag, .dflt = "yes"},
    {.name = "number", .alias = "old-number", .kind = OPT_INT, .var.i = &settings.number,
     .dflt = "5", .min = -3, .max = 10, .apply = apply_shared},
    {.name = "big", .kind = OPT_I64, .var.i64 = &settings.big, .dflt = "0", .min = INT64_MIN,
     .max = INT64_MAX, .apply = apply_shared},
    {.name = "entries", .kind = OPT_SIZE, .var.size = &settings.entries, .dflt = "7",
     .max = INT64_MAX},
    {.name = "bytes", .kind = OPT_MEMORY, .var.size = &settings.bytes, .dflt = "1kb",
     .max = INT64_MAX, .apply = apply_other},
    {.name = "mode", .kind = OPT_OCTAL, .var.i = &settings.mode, .dflt = "0", .max = 0777},
    {.name = "colour", .kind = OPT_ENUM, .var.i = &settings.colour, .names = colours,
     .dflt = "green"},
    {.name = "name", .kind = OPT_STRING, .var.text = &settings.name, .dflt = "first",
     .check = no_x},
    {.name = "other", .kind = OPT_STRING, .var.text = &settings.other},
    {.name = "words", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_words,
     .set = set_words, .dflt = "a \"b\" c"},
    {.name = "fixed", .kind = OPT_INT, .flags = OPT_IMMUTABLE, .var.i = &settings.number,
     .dflt = "5", .max = 10},
    {.name = "guarded", .kind = OPT_BOOL, .flags = OPT_PROTECTED, .var.b = &settings.flag,
     .dflt = "yes"},
};

static void begin(void)
{
    applied = applied_twice = 0;
    apply_fails = false;
    opt_teardown();
    opt_register(rows, ARRAY_COUNT(rows));
}

static const char *value_of(const char *name)
{
    static struct buf text;
    buf_clear(&text);
    const struct opt_row *row = opt_find(view_cstr(name));
    if (!row) return "(none)";
    opt_value(row, &text);
    return buf_cstr(&text);
}

/* CONFIG SET of names and values in turn, ended by NULL; the error's text or "". */
static const char *set(const char *first, ...)
{
    static struct opt_failure failure;
    struct opt_pair pairs[16];
    size_t count = 0;
    va_list ap;
    va_start(ap, first);
    for (const char *name = first; name; name = va_arg(ap, const char *)) {
        pairs[count].name = view_cstr(name);
        pairs[count++].value = view_cstr(va_arg(ap, const char *));
    }
    va_end(ap);
    memset(&failure, 0, sizeof(failure));
    if (opt_set_many(pairs, count, &failure) == STATUS_OK) return "";
    return failure.why == OPT_UNKNOWN ? "unknown" : failure.error.text;
}

TEST(defaults)
{
    begin();
    CHECK_STR(value_of("flag"), "yes");
    CHECK_STR(value_of("number"), "5");
    CHECK_STR(value_of("OLD-number"), "5");
    CHECK_STR(value_of("bytes"), "1024");
    CHECK_STR(value_of("mode"), "0");
    CHECK_STR(value_of("colour"), "green");
    CHECK_STR(value_of("name"), "first");
    CHECK_STR(value_of("other"), "");
    CHECK_STR(value_of("words"), "a b c");
    CHECK_STR(value_of("nosuch"), "(none)");
    CHECK_INT(settings.other.len, 0);
    CHECK(settings.other.ptr != NULL);
    CHECK_INT(applied, 0);
}

TEST(kinds_refuse_what_is_not_theirs)
{
    begin();
    CHECK_STR(set("flag", "maybe", NULL), "argument must be 'yes' or 'no'");
    CHECK_STR(set("number", "1x", NULL), "argument couldn't be parsed into an integer");
    CHECK_STR(set("number", "11", NULL), "argument must be between -3 and 10 inclusive");
    CHECK_STR(set("number", "-4", NULL), "argument must be between -3 and 10 inclusive");
    CHECK_STR(set("bytes", "1xb", NULL), "argument must be a memory value");
    CHECK_STR(set("bytes", "-1", NULL), "argument must be a memory value");
    CHECK_STR(set("bytes", "99999999999999999999", NULL),
              "argument must be between 0 and 9223372036854775807 inclusive");
    CHECK_STR(set("mode", "8", NULL), "argument couldn't be parsed as an octal number");
    CHECK_STR(set("mode", "7777", NULL), "argument must be between 0 and 777 inclusive");
    CHECK_STR(set("colour", "blue", NULL),
              "argument(s) must be one of the following: red, green");
    CHECK_STR(set("name", "axe", NULL), "no x, please");
    CHECK_STR(set("words", "1 2 3 4 5", NULL), "too many words");
    CHECK_STR(set("fixed", "1", NULL), "can't set immutable config");
    CHECK_STR(set("guarded", "no", NULL), "can't set protected config");
    CHECK_STR(value_of("words"), "a b c");
    CHECK_STR(value_of("number"), "5");
}

TEST(kinds_take_what_is_theirs)
{
    begin();
    CHECK_STR(set("FLAG", "No", "Number", "-3", "big", "-9223372036854775808", NULL), "");
    CHECK_STR(set("entries", "9223372036854775807", "bytes", "2Mb", "mode", "755", NULL), "");
    CHECK_STR(set("colour", "RED", "name", "", "words", "", NULL), "");
    CHECK(!settings.flag);
    CHECK_INT(settings.number, -3);
    CHECK(settings.big == INT64_MIN);
    CHECK(settings.entries == INT64_MAX);
    CHECK_INT(settings.bytes, 2 << 20);
    CHECK_INT(settings.mode, 0755);
    CHECK_INT(settings.colour, COLOUR_RED);
    CHECK_STR(value_of("name"), "");
    CHECK_INT(settings.word_count, 0);
    opt_protected_allow(true);
    CHECK_STR(set("guarded", "yes", NULL), "");
    opt_protected_allow(false);
}

TEST(words_are_cut_at_single_blanks)
{
    begin();
    CHECK_STR(set("words", "one  two", NULL), "");
    CHECK_INT(settings.word_count, 3);
    CHECK_STR(word_bytes[1], "");
    CHECK_STR(set("words", "one ", NULL), "");
    CHECK_INT(settings.word_count, 2);
    CHECK_STR(set("words", " ", NULL), "");
    CHECK_INT(settings.word_count, 2);
}

TEST(all_or_nothing)
{
    begin();
    CHECK_STR(set("flag", "no", "name", "new", "number", "x", NULL),
              "argument couldn't be parsed into an integer");
    CHECK_STR(value_of("flag"), "yes");
    CHECK_STR(value_of("name"), "first");
    CHECK_STR(set("flag", "no", "nosuch", "1", "number", "x", NULL), "unknown");
    CHECK_STR(value_of("flag"), "yes");
    CHECK_INT(applied, 0);
}

TEST(names_come_once)
{
    begin();
    CHECK_STR(set("flag", "no", "flag", "no", NULL), "duplicate parameter");
    CHECK_STR(set("flag", "no", "FLAG", "yes", NULL), "duplicate parameter");
    CHECK_STR(value_of("flag"), "yes");
    /* An alias is a name of its own, as in stock: the later one wins. */
    CHECK_STR(set("number", "1", "old-number", "2", NULL), "");
    CHECK_INT(settings.number, 2);
    CHECK_STR(set("fixed", "1", "fixed", "2", NULL), "can't set immutable config");
    CHECK_STR(set("flag", "x", "flag", "no", NULL), "duplicate parameter");
}

TEST(apply_runs_once_and_only_after_a_change)
{
    begin();
    CHECK_STR(set("number", "5", NULL), "");
    CHECK_INT(applied, 0);
    CHECK_STR(set("number", "6", "big", "7", "bytes", "1", NULL), "");
    CHECK_INT(applied, 1);
    CHECK_INT(applied_twice, 1);
}

TEST(a_failed_apply_restores_and_reapplies)
{
    begin();
    apply_fails = true;
    CHECK_STR(set("bytes", "5", "flag", "no", "number", "6", NULL), "cannot apply 6");
    CHECK_STR(value_of("bytes"), "1024");
    CHECK_STR(value_of("flag"), "yes");
    CHECK_STR(value_of("number"), "5");
    CHECK_INT(applied_twice, 2);
    CHECK_INT(applied, 2);
}

TEST(strings_may_hold_any_byte)
{
    begin();
    struct opt_pair pair = {VIEW_LIT("other"), view_of("a\0b\r\n", 5)};
    struct opt_failure failure;
    CHECK_INT(opt_set_many(&pair, 1, &failure), STATUS_OK);
    CHECK_MEM(settings.other.ptr, settings.other.len, "a\0b\r\n", 5);
    CHECK(settings.other.ptr[5] == '\0');
}

/* Whatever comes: a refusal changes nothing, an acceptance can be said and taken again. */
TEST(random_sets_are_atomic)
{
    static const char *const pieces[] = {"yes", "no", "1", "-", "9", "k", "mb", " ", "red", "x",
                                         "99999999999", "0", "7", "a", "\r\n", "normal"};
    begin();
    for (long round = unit_rounds(20000); round > 0; round--) {
        struct buf values[4] = {{0}}, before = {0}, after = {0};
        struct opt_pair pairs[4];
        size_t count = 1 + unit_rand_below(4);
        for (size_t i = 0; i < count; i++) {
            for (uint64_t n = unit_rand_below(4); n > 0; n--) {
                buf_append_cstr(&values[i], pieces[unit_rand_below(ARRAY_COUNT(pieces))]);
            }
            buf_cstr(&values[i]);
            pairs[i].name = view_cstr(opt_at(unit_rand_below(opt_count()))->name);
            pairs[i].value = buf_view(&values[i]);
        }
        for (size_t i = 0; i < opt_count(); i++) opt_value(opt_at(i), &before);
        apply_fails = unit_rand_below(4) == 0;
        struct opt_failure failure;
        enum status s = opt_set_many(pairs, count, &failure);
        for (size_t i = 0; i < opt_count(); i++) opt_value(opt_at(i), &after);
        if (s) {
            CHECK_MEM(after.ptr, after.len, before.ptr, before.len);
            CHECK(failure.why == OPT_REFUSED && failure.error.text[0]);
        }
        for (size_t i = 0; i < count; i++) buf_release(&values[i]);
        buf_release(&before);
        buf_release(&after);
    }
    apply_fails = false;
}

TEST(the_file_shows_every_visible_row)
{
    begin();
    struct buf text = {0};
    opt_print_file(&text);
    const char *file = buf_cstr(&text);
    CHECK(strstr(file, "\nnumber 5\n"));
    CHECK(strstr(file, "\nother \"\"\n"));
    CHECK(strstr(file, "\nwords a \"b\" c\n"));
    CHECK(strstr(file, "older name: old-number"));
    buf_release(&text);
    opt_teardown();
    CHECK_INT(opt_count(), 0);
}
