/* SPDX-License-Identifier: BSD-3-Clause */
/* Quoting: tables of what stock accepts in inline requests, and random bytes there and back. */
#include "base/quote.h"

#include "unit.h"

/* Splits and joins the words again with '|', or says "error". */
static const char *split(struct view line)
{
    static char out[512];
    struct quote_args args;
    size_t at = 0;
    if (quote_split_args(line, &args)) return "error";
    for (size_t i = 0; i < args.argc; i++) {
        if (i) out[at++] = '|';
        memcpy(out + at, args.argv[i].ptr, args.argv[i].len);
        at += args.argv[i].len;
        if (args.argv[i].ptr[args.argv[i].len] != '\0') return "no terminator";
    }
    out[at] = '\0';
    quote_args_release(&args);
    quote_args_release(&args);
    return out;
}

static const char *split_cstr(const char *line)
{
    return split(view_cstr(line));
}

TEST(words)
{
    CHECK_STR(split_cstr(""), "");
    CHECK_STR(split_cstr("   \t \r\n"), "");
    CHECK_STR(split_cstr("a"), "a");
    CHECK_STR(split_cstr("  set  k \t v  "), "set|k|v");
    CHECK_STR(split_cstr("\va\fb \xff\xa0"), "a\fb|\xff\xa0");
    CHECK_STR(split_cstr("\\x41"), "\\x41");
    CHECK_STR(split(view_of("a b\0c d", 7)), "a|b");
}

TEST(quotes)
{
    CHECK_STR(split_cstr("\"a b\" c"), "a b|c");
    CHECK_STR(split_cstr("''"), "");
    CHECK_STR(split_cstr("x \"\" ''"), "x||");
    CHECK_STR(split_cstr("a\"b c\""), "ab c");
    CHECK_STR(split_cstr("\"\\x41\\x4\\xZZ\\n\\q\\\\\\\"\""), "Ax4xZZ\nq\\\"");
    CHECK_STR(split_cstr("\"\\r\\t\\b\\a\\xaF\""), "\r\t\b\a\xaf");
    CHECK_STR(split_cstr("\"\\x4\""), "x4");
    CHECK_STR(split_cstr("'a\\'b\\n'"), "a'b\\n");
    CHECK_STR(split_cstr("\"a\"\v\"b\""), "a|b");
    CHECK_STR(split(view_of("\"a\"\0x", 5)), "a");
}

TEST(unbalanced)
{
    static const char *const lines[] = {"\"a",    "'a",        "\"a\"b",     "a'b c'd", "'a'b",
                                        "\"a\\",  "\"a\\\"",   "'a\\",       "\"",      "'",
                                        "a b \"", "set \"\"\"k\"\"\" v", "'a\\'"};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
        CHECK_MSG(strcmp(split_cstr(lines[i]), "error") == 0, "%s", lines[i]);
    CHECK_STR(split(view_of("\"a\0\"", 4)), "error");
}

static const char *repr(struct view text, size_t max)
{
    static struct buf b;
    static char out[256];
    quote_repr_max(&b, text, max);
    snprintf(out, sizeof(out), "%s", buf_cstr(&b));
    buf_release(&b);
    return out;
}

TEST(printed_form)
{
    CHECK_STR(repr(VIEW_LIT("abc"), 100), "\"abc\"");
    CHECK_STR(repr(VIEW_LIT(""), 100), "\"\"");
    CHECK_STR(repr(VIEW_LIT("a\"\\\n\r\t\a\b\x01\x7f\xff "), 100),
              "\"a\\\"\\\\\\n\\r\\t\\a\\b\\x01\\x7f\\xff \"");
    CHECK_STR(repr(VIEW_LIT("abcdef"), 3), "\"abc\"...");
    CHECK_STR(repr(VIEW_LIT("abc"), 3), "\"abc\"");
}

TEST(printed_form_reads_back)
{
    for (long i = 0; i < unit_rounds(20000); i++) {
        char bytes[40];
        size_t len = unit_rand_below(sizeof(bytes) + 1);
        unit_rand_bytes(bytes, len);
        struct buf line = {0};
        struct quote_args args;
        quote_repr(&line, view_of(bytes, len));
        buf_append_cstr(&line, "  ");
        quote_repr(&line, view_of(bytes, len / 2));
        CHECK_INT(quote_split_args(buf_view(&line), &args), STATUS_OK);
        CHECK_INT(args.argc, 2);
        CHECK_MEM(args.argv[0].ptr, args.argv[0].len, bytes, len);
        CHECK_MEM(args.argv[1].ptr, args.argv[1].len, bytes, len / 2);
        quote_args_release(&args);
        buf_release(&line);
    }
}

TEST(need_of_quotes)
{
    CHECK(quote_is_needed(VIEW_LIT("")));
    CHECK(quote_is_needed(VIEW_LIT("a b")));
    CHECK(quote_is_needed(VIEW_LIT("a'")));
    CHECK(quote_is_needed(VIEW_LIT("a\n")));
    CHECK(!quote_is_needed(VIEW_LIT("a-b/c.d:1")));
    for (long i = 0; i < unit_rounds(20000); i++) { /* unquoted words survive as they are */
        char bytes[6];
        unit_rand_bytes(bytes, sizeof(bytes));
        struct view word = view_of(bytes, 1 + unit_rand_below(sizeof(bytes)));
        struct quote_args args;
        if (quote_is_needed(word)) continue;
        CHECK_INT(quote_split_args(word, &args), STATUS_OK);
        CHECK_INT(args.argc, 1);
        CHECK(view_eq(args.argv[0], word));
        quote_args_release(&args);
    }
}

/* Any line is either refused or split, without a byte read outside of it. */
TEST(any_line)
{
    static const char letters[] = "ab \"'\\x4\n\0\t";
    for (long i = 0; i < unit_rounds(200000); i++) {
        size_t len = unit_rand_below(16);
        char *line = mem_alloc(len ? len : 1);
        for (size_t k = 0; k < len; k++) line[k] = letters[unit_rand_below(sizeof(letters) - 1)];
        struct quote_args args;
        enum status status = quote_split_args(view_of(line, len), &args);
        CHECK(status == STATUS_OK || (status == STATUS_SYNTAX && args.argc == 0));
        quote_args_release(&args);
        mem_free(line);
    }
}
