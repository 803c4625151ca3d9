/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of quoted words, as config files and inline requests have them: what is split, printed in
 * quotes and split again must be the same words.
 */
#include "fuzz.h"

#include "base/quote.h"

void fuzz_one(const uint8_t *data, size_t len)
{
    struct quote_args words, again;
    if (quote_split_args(view_of((const char *)data, len), &words)) {
        FUZZ_CHECK(words.argc == 0);
        return;
    }
    struct buf line;
    buf_init(&line);
    for (size_t i = 0; i < words.argc; i++) {
        FUZZ_CHECK(words.argv[i].ptr[words.argv[i].len] == '\0');
        quote_repr(&line, words.argv[i]);
        buf_append_char(&line, ' ');
    }
    FUZZ_CHECK(quote_split_args(buf_view(&line), &again) == STATUS_OK);
    FUZZ_CHECK(again.argc == words.argc);
    for (size_t i = 0; i < words.argc; i++) FUZZ_CHECK(view_eq(words.argv[i], again.argv[i]));
    quote_args_release(&again);
    quote_args_release(&words);
    buf_release(&line);
}
