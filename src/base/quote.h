/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quoted text: bytes to a printable form in double quotes, and a line of words, some of them
 * quoted, back to bytes. The config file and inline requests are such lines.
 *
 *   word      bytes up to a blank
 *   "…"       \n \r \t \b \a, \xHH, and \c for any other c
 *   '…'       \' for a quote, all else as it stands
 *
 * A closing quote must be followed by a blank or the end. A NUL byte ends the line.
 *
 * Any thread.
 */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

/*
 * Appends `text` in double quotes, unprintable bytes and quotes escaped. What it prints,
 * quote_split_args reads back as one word. Independent of the locale: bytes above 126 are \xHH.
 */
void quote_repr(struct buf *out, struct view text);

/* As quote_repr for at most `max` bytes of the text, with "..." behind the quote if cut. */
void quote_repr_max(struct buf *out, struct view text, size_t max);

/* Whether a word must be quoted to be read back as it is: empty, blanks, quotes, unprintable. */
bool quote_is_needed(struct view text);

/* Words of a line, owned: one block holds the views and their bytes. Zero is initialised. */
struct quote_args {
    struct view *argv; /* each followed by a NUL; NULL when argc is 0 */
    size_t argc;
};

/*
 * Splits `line` at blanks into unquoted words. On success *out owns them until
 * quote_args_release; a line without words gives argc 0. STATUS_SYNTAX: unbalanced quotes, or
 * something behind a closing quote; STATUS_NOMEM; *out is empty then. O(line).
 */
enum status quote_split_args(struct view line, struct quote_args *out) MUST_CHECK;

/* Frees the words and leaves an empty struct. */
void quote_args_release(struct quote_args *args);

#endif
