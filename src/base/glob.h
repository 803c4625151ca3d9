/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Glob patterns as KEYS, SCAN MATCH, CONFIG GET and pattern subscriptions understand them:
 *
 *   *        any run of bytes, also none
 *   ?        any one byte
 *   [a-z]    one byte of the class; [^a-z] one that isn't; \x inside stands for x
 *   \x       x itself
 *
 * Odd patterns (an unclosed class, a lone backslash at the end, reversed ranges) mean what they
 * mean to stock. The matcher keeps one resume point, the latest star: whatever an earlier star
 * swallowed, the latest can do as well. So the work is at most pattern length times text length
 * and there is no recursion, whatever the pattern.
 *
 * Any thread.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/view.h"

/* Whether `pattern` matches the whole of `text`. `nocase` folds ASCII letters on both sides. */
bool glob_match(struct view pattern, struct view text, bool nocase);

/* Whether the pattern is one that matches every text: a single "*". */
static inline bool glob_is_all(struct view pattern)
{
    return pattern.len == 1 && pattern.ptr[0] == '*';
}

/* Whether the pattern has no special byte, so that only a text equal to it can match. */
bool glob_is_literal(struct view pattern);

#endif
