/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config file's language: a directive a line, words apart by blanks, quotes as in
 * base/quote.h, `#` at the start of a line for a comment, and
 *
 *   include <path or glob pattern>
 *
 * which reads other files in place. The command line becomes lines of the same language behind
 * the file's, so that one reader and one error report serve both.
 *
 * Main thread, at start.
 */
#ifndef CONF_CONFIG_FILE_H
#define CONF_CONFIG_FILE_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"
#include "conf/option.h"

/* Files within files: deeper than this is taken for a file that includes itself. */
#define CONF_INCLUDE_DEPTH_MAX 16

/* A config file larger than this is refused. */
#define CONF_FILE_BYTES_MAX ((size_t)16 << 20)

/* Adds a directive that is no option: `set` takes the words behind `name`, and says what is wrong
 * with them. The name is borrowed for good; at most 8. */
void conf_directive_add(const char *name, enum status (*set)(const struct view *argv, size_t argc,
                                                             struct opt_error *err));

/* Where reading stopped and why. */
struct conf_error {
    char *path;      /* a file that could not be read (errno_ says why), or NULL */
    int errno_;
    int line;        /* otherwise: of the text or the included file, from 1 */
    struct buf text; /* the line, trimmed */
    char reason[256];
};

/* Frees what an error holds. */
void conf_error_release(struct conf_error *err);

/* Applies every line of `text` in order; a later one overrides. On STATUS_ERR those before the
 * line in *err have taken effect. Relative paths of includes start at the working directory. */
enum status conf_load_text(struct view text, struct conf_error *err) MUST_CHECK;

/* Appends a file's bytes. STATUS_IO: errno says why; STATUS_LIMIT: too large. */
enum status conf_read_file(const char *path, struct buf *out) MUST_CHECK;

/* Appends all that a descriptor has to give, under the same limit. */
enum status conf_read_fd(int fd, struct buf *out) MUST_CHECK;

/*
 * Appends the command line's options as lines, behind a line break: "--name" begins one, what
 * follows are its values, in quotes. A value right behind its name may begin with "--" too; only
 * `save` can stand without one, and then means `save ""`. argv holds options only: no program, no
 * file name.
 */
void conf_append_args(int argc, char *const *argv, struct buf *out);

#endif
