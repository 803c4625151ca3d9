/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The glob matcher; see glob.h.
 *
 * What stock does with odd patterns, observed and held by a differential test:
 *  - a class that is never closed ends with the pattern, and what it named counts;
 *  - in a class "a-" takes whatever byte comes next as the range's end, "]" included;
 *  - a range of which one end is above 127 orders bytes as signed numbers;
 *  - an escaped byte in a class is not folded, whatever `nocase` says;
 *  - a backslash with nothing behind it stands for itself, in and outside of a class;
 *  - the empty text is matched by the empty pattern only, not even by "*": KEYS * and its like
 *    never ask.
 */
#include "base/glob.h"

#include <string.h>

/* As a signed number, which is how ranges order bytes above 127. */
static int fold(char c, bool nocase)
{
    return nocase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (signed char)c;
}

/* What one element of a pattern says about one byte, and where the next element begins. */
struct verdict {
    const char *next;
    bool matches;
};

/* `p` is behind the opening bracket. */
static struct verdict match_class(const char *p, const char *end, char raw, bool nocase)
{
    int c = fold(raw, nocase);
    bool negated = p < end && *p == '^', found = false;
    p += negated;
    while (p < end && *p != ']') {
        signed char low = (signed char)p[0];
        if (low == '\\' && end - p >= 2) {
            found = found || p[1] == raw;
            p += 2;
        } else if (end - p >= 3 && p[1] == '-') {
            signed char high = (signed char)p[2];
            int from = fold((char)MIN(low, high), nocase), to = fold((char)MAX(low, high), nocase);
            found = found || (c >= from && c <= to);
            p += 3;
        } else {
            found = found || fold((char)low, nocase) == c;
            p++;
        }
    }
    return (struct verdict){.next = p < end ? p + 1 : end, .matches = found != negated};
}

/* The element at `p`, which is not a star. */
static struct verdict match_element(const char *p, const char *end, char raw, bool nocase)
{
    switch (*p) {
    case '?': return (struct verdict){.next = p + 1, .matches = true};
    case '[': return match_class(p + 1, end, raw, nocase);
    case '\\':
        if (end - p >= 2) p++;
        break;
    }
    return (struct verdict){.next = p + 1, .matches = fold(*p, nocase) == fold(raw, nocase)};
}

/* A run of stars is one star. It may be long, and each text is held against it. */
static const char *skip_stars(const char *p, const char *end)
{
    const uint64_t stars = UINT64_C(0x2a2a2a2a2a2a2a2a);
    for (uint64_t eight; end - p >= 8; p += 8) {
        memcpy(&eight, p, sizeof(eight));
        if (eight != stars) break;
    }
    while (p < end && *p == '*') p++;
    return p;
}

bool glob_match(struct view pattern, struct view text, bool nocase)
{
    const char *p = pattern.ptr, *p_end = p + pattern.len;
    const char *t = text.ptr, *t_end = t + text.len;
    /* Where to resume when an element fails: behind the latest star, one byte further on. */
    const char *star_p = NULL, *star_t = NULL;

    if (text.len == 0) return pattern.len == 0;
    while (t < t_end) {
        if (p < p_end && *p == '*') {
            p = star_p = skip_stars(p, p_end);
            star_t = t;
            if (p == p_end) return true;
            continue;
        }
        if (p < p_end) {
            struct verdict v = match_element(p, p_end, *t, nocase);
            if (v.matches) {
                p = v.next;
                t++;
                continue;
            }
        }
        if (!star_p) return false;
        p = star_p;
        t = ++star_t;
    }
    return skip_stars(p, p_end) == p_end;
}

bool glob_is_literal(struct view pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '*' || c == '?' || c == '[' || c == '\\') return false;
    }
    return true;
}
