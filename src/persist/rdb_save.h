/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing an RDB file of all databases. Thread: the holder of the data token, or a forked child.
 */
#ifndef PERSIST_RDB_SAVE_H
#define PERSIST_RDB_SAVE_H

#include <stdint.h>

#include "base/status.h"

/* Seen by somebody else while a save is under way; zero is the start. */
struct rdb_progress {
    _Atomic uint64_t keys;       /* written so far */
    _Atomic uint64_t keys_total; /* at the start */
    _Atomic uint64_t cow_bytes, cow_peak_bytes; /* what the child has of its own */
};

/* Writes them to a file: a temporary one beside it is written, stored, and renamed, so that at
 * any moment `name` is the old file or the new one, complete. STATUS_IO: the log says why, and
 * nothing of the new one is left. */
enum status rdb_save_file(const char *name, struct rdb_progress *progress) MUST_CHECK;

#define RDB_TEMP_NAME_BYTES 48

/* The name of the temporary file that the process `pid` writes. */
void rdb_temp_name(char name[static RDB_TEMP_NAME_BYTES], int pid);

#endif
