/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Glob patterns against texts. A literal pattern matches just itself, and a match in the given
 * case is one without regard to it, too, unless a class has a case of its own.
 *
 *   input: pattern | newline | text
 */
#include "fuzz.h"

#include "base/glob.h"
#include "base/mem.h"

void fuzz_one(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len ? memchr(data, '\n', len) : NULL;
    size_t pattern_len = cut ? (size_t)(cut - data) : len;
    size_t text_len = cut ? len - pattern_len - 1 : 0;
    /* Blocks of their own: a byte too many read from the pattern would lie in the text. */
    char *bytes = mem_alloc(pattern_len + 1), *text_bytes = mem_alloc(text_len + 1);
    char *pattern_at = bytes + 1, *text_at = text_bytes + 1;
    if (pattern_len) memcpy(pattern_at, data, pattern_len);
    if (text_len) memcpy(text_at, cut + 1, text_len);
    struct view pattern = view_of(pattern_at, pattern_len), text = view_of(text_at, text_len);
    bool matches = glob_match(pattern, text, false);
    bool folded = glob_match(pattern, text, true);
    if (glob_is_literal(pattern)) FUZZ_CHECK(matches == view_eq(pattern, text));
    /* An empty text is matched by an empty pattern alone, as stock has it; who wants all of them
     * asks glob_is_all first. */
    if (glob_is_all(pattern) && text.len) FUZZ_CHECK(matches && folded);
    if (matches && !memchr(pattern_at, '[', pattern_len)) FUZZ_CHECK(folded);
    mem_free(bytes);
    mem_free(text_bytes);
}
