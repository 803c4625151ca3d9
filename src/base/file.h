/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that are written as a whole, and that must be there after a power cut. Any thread.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/status.h"
#include "base/view.h"

/* Writes all bytes. STATUS_IO with errno. */
enum status file_write(int fd, struct view bytes) MUST_CHECK;

/* Makes what was renamed into or made in the folder of `path` durable. A file system that knows no
 * such thing has nothing to be made durable. STATUS_IO with errno. */
enum status file_sync_folder(const char *path) MUST_CHECK;

/* Puts bytes in the place of a file, which has either its old content or the new one at any time,
 * and the new one durably at the end. It keeps its mode; a new one gets `mode`. STATUS_IO with
 * errno: the old one is untouched, unless only its durability is in doubt. */
enum status file_replace(const char *path, struct view bytes, mode_t mode) MUST_CHECK;

#endif
