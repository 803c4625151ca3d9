/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CONFIG REWRITE: the config file with what the options are now, and with all that people wrote
 * around them: comments, blank lines, order, and lines that name no option (include and the
 * like) stay as they are.
 *
 * An option's first line gets the value; further ones go. An option without a line that differs
 * from its default gets one at the end, under a mark. One that is at its default and has no line
 * gets none. Main thread.
 */
#ifndef CONF_CONFIG_REWRITE_H
#define CONF_CONFIG_REWRITE_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

/* Which options get a line though the file has none. */
enum conf_rewrite { CONF_REWRITE_CHANGED, CONF_REWRITE_ALL };

/* Appends the new text of a file whose text is `old`. */
void conf_rewrite_text(struct view old, enum conf_rewrite which, struct buf *out);

/* Says which file the configuration came from; NULL: none. Copied. */
void conf_file_is(const char *path);

/*
 * Rewrites that file, atomically and durably; if it has gone, it is made. STATUS_NOT_FOUND: there
 * never was one; STATUS_IO: errno says why, and the old file is untouched; STATUS_LIMIT: it is too
 * large to be a config file.
 */
enum status conf_rewrite(enum conf_rewrite which) MUST_CHECK;

/* Lines of a directive that isn't an option (a user's rules): those in the file are replaced by
 * what fn appends, whole lines, at the place of the first. At most 4 directives. */
void conf_on_rewrite(const char *directive, void (*fn)(struct buf *out));

#endif
