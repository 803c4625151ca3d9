/* SPDX-License-Identifier: BSD-3-Clause */
/* Globs: a table of odd patterns, a naive recursive model, and patterns made to be slow. */
#include "base/glob.h"

#include <time.h>

#include "base/mem.h"
#include "unit.h"

static bool match(const char *pattern, const char *text)
{
    return glob_match(view_cstr(pattern), view_cstr(text), false);
}

TEST(plain_patterns)
{
    CHECK(match("", ""));
    CHECK(!match("", "a"));
    CHECK(!match("a", ""));
    CHECK(match("abc", "abc"));
    CHECK(!match("abc", "abcd"));
    CHECK(!match("abcd", "abc"));
    CHECK(match("a?c", "abc"));
    CHECK(!match("a?c", "ac"));
    CHECK(match("*", "abc"));
    CHECK(match("a*", "a"));
    CHECK(match("a***", "a"));
    CHECK(match("*c", "abc"));
    CHECK(match("a*b*c", "axxbyybzzc"));
    CHECK(!match("a*b*c", "axxbyybzz"));
    CHECK(match("h[ae]llo", "hallo"));
    CHECK(!match("h[ae]llo", "hillo"));
    CHECK(match("h[^e]llo", "hallo"));
    CHECK(!match("h[^e]llo", "hello"));
    CHECK(match("h[a-b]llo", "hbllo"));
    CHECK(match("h[b-a]llo", "hbllo"));
    CHECK(match("\\*", "*"));
    CHECK(!match("\\*", "a"));
    CHECK(match("[\\]]", "]"));
}

TEST(odd_patterns)
{
    CHECK(!match("*", "")); /* nobody asks: see glob.c */
    CHECK(match("[ab", "a"));
    CHECK(match("[ab", "b"));
    CHECK(!match("[ab", "c"));
    CHECK(!match("[", "["));
    CHECK(match("[^", "x"));
    CHECK(match("\\", "\\"));
    CHECK(match("a\\", "a\\"));
    CHECK(match("[a-]b", "^"));
    CHECK(!match("[a-]", "-"));
    CHECK(!match("[]a]", "]a]"));
    CHECK(!match("[]", "]"));
    CHECK(match("[^]x", "yx"));
    CHECK(match("[\\", "\\"));
}

TEST(case_folding)
{
    CHECK(glob_match(VIEW_LIT("MAX*"), VIEW_LIT("maxmemory"), true));
    CHECK(glob_match(VIEW_LIT("max*"), VIEW_LIT("MaxMemory"), true));
    CHECK(!glob_match(VIEW_LIT("MAX*"), VIEW_LIT("maxmemory"), false));
    CHECK(glob_match(VIEW_LIT("[A-C]\\D"), VIEW_LIT("bd"), true));
    CHECK(glob_match(VIEW_LIT("[^A-C]"), VIEW_LIT("d"), true));
    CHECK(!glob_match(VIEW_LIT("[^A-C]"), VIEW_LIT("B"), true));
    CHECK(glob_match(VIEW_LIT("[\\B]"), VIEW_LIT("B"), true));
    CHECK(!glob_match(VIEW_LIT("[\\B]"), VIEW_LIT("b"), true));
}

TEST(literals)
{
    CHECK(glob_is_literal(VIEW_LIT("")));
    CHECK(glob_is_literal(VIEW_LIT("user:1")));
    CHECK(!glob_is_literal(VIEW_LIT("user:*")));
    CHECK(!glob_is_literal(VIEW_LIT("a?")));
    CHECK(!glob_is_literal(VIEW_LIT("[a")));
    CHECK(!glob_is_literal(VIEW_LIT("a\\")));
    CHECK(glob_is_all(VIEW_LIT("*")) && !glob_is_all(VIEW_LIT("**")));
}

/* Stars, question marks and letters only: what they mean is beyond doubt. */
static bool naive(const char *p, const char *t)
{
    if (!*p) return !*t;
    if (*p == '*') return naive(p + 1, t) || (*t && naive(p, t + 1));
    return *t && (*p == '?' || *p == *t) && naive(p + 1, t + 1);
}

static void rand_word(char *out, size_t max, const char *letters)
{
    size_t len = unit_rand_below(max), kinds = strlen(letters);
    for (size_t i = 0; i < len; i++) out[i] = letters[unit_rand_below(kinds)];
    out[len] = '\0';
}

TEST(agrees_with_the_naive_matcher)
{
    for (long i = 0; i < unit_rounds(300000); i++) {
        char pattern[10], text[12];
        rand_word(pattern, sizeof(pattern), "ab*?");
        rand_word(text, sizeof(text), "ab");
        if (!*text) continue;
        CHECK_MSG(match(pattern, text) == naive(pattern, text), "%s on %s", pattern, text);
    }
}

/* No byte outside of the views is read: each lies at the end of its own block. */
TEST(any_bytes)
{
    for (long i = 0; i < unit_rounds(200000); i++) {
        static const char letters[] = "a-]^\\*?[\xff";
        size_t p_len = unit_rand_below(8), t_len = unit_rand_below(6);
        char *p = mem_alloc(p_len + 1), *t = mem_alloc(t_len + 1);
        p = mem_realloc(p, p_len ? p_len : 1);
        t = mem_realloc(t, t_len ? t_len : 1);
        for (size_t k = 0; k < p_len; k++) p[k] = letters[unit_rand_below(9)];
        for (size_t k = 0; k < t_len; k++) t[k] = letters[unit_rand_below(9)];
        bool sensitive = glob_match(view_of(p, p_len), view_of(t, t_len), false);
        if (glob_is_literal(view_of(p, p_len)))
            CHECK(sensitive == view_eq(view_of(p, p_len), view_of(t, t_len)));
        mem_free(p);
        mem_free(t);
    }
}

TEST(thousands_of_stars)
{
    static char pattern[8001], text[1000], stars[4000];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < 4000; i++) memcpy(pattern + 2 * i, "*a", 2);
    pattern[8000] = 'b';
    memset(stars, '*', sizeof(stars));
    clock_t start = clock();
    CHECK(!glob_match(view_of(pattern, 8001), view_of(text, 1000), false));
    CHECK(!glob_match(view_of(pattern + 7000, 1001), view_of(text, 1000), false));
    CHECK(glob_match(view_of(stars, 4000), view_of(text, 1000), false));
    CHECK(glob_match(view_of(pattern, 2000), view_of(text, 1000), false));
    CHECK(!glob_match(VIEW_LIT("*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), view_of(text, 1000), true));
    /* Of a processor's time, some 10 ms; a matcher that backtracks needs years. */
    CHECK(clock() - start < CLOCKS_PER_SEC);
}

/* A run is one star, however long; and KEYS holds it against every key. */
TEST(runs_of_stars)
{
    static char run[1 << 16];
    for (size_t count = 1; count < 40; count++) {
        char pattern[64] = "b";
        memset(pattern + 1, '*', count);
        pattern[1 + count] = 'a';
        struct view whole = view_of(pattern, count + 2), open = view_of(pattern, count + 1);
        CHECK(glob_match(whole, VIEW_LIT("ba"), false) && glob_match(open, VIEW_LIT("b"), false));
        CHECK(glob_match(whole, VIEW_LIT("b*aa"), false));
        CHECK(!glob_match(whole, VIEW_LIT("b"), false));
        CHECK(!glob_match(whole, VIEW_LIT("bab"), false));
    }
    memset(run, '*', sizeof(run));
    run[sizeof(run) - 1] = 'b';
    CHECK(!glob_match(view_of(run, sizeof(run)), VIEW_LIT("key:1"), false));
    CHECK(glob_match(view_of(run, sizeof(run)), VIEW_LIT("key:b"), false));
}
