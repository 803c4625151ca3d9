/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis-check-rdb: reads a file as loading does, stores nothing, and says what it found. The
 * server's program is it when it is called by that name. Prints to standard output; the lines are
 * those that users of stock's tool know. One thread, nothing else set up but the hash's seed.
 */
#ifndef PERSIST_CHECK_RDB_H
#define PERSIST_CHECK_RDB_H

#include <stdbool.h>

/* Whether the program was called as the checker. */
bool check_rdb_is_meant(const char *argv0);

/* The checker's main. Returns the exit code: 0 for a file that can be loaded. */
int check_rdb_main(int argc, char **argv);

#endif
