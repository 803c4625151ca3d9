/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gears as the rest of the server sees it: set up, looked after, ended. Handlers of RG.* are in
 * gcmd_*.c and reached through the command table.
 */
#ifndef GEARS_GEARS_H
#define GEARS_GEARS_H

#include <stddef.h>

#include "base/status.h"

/* Registers the options gears-… and the section `gears` of INFO. Main, before options are read. */
void gears_options_register(void);

/* Makes settings known to threads, subscribes to keyspace events and loads extensions. Starts no
 * thread and no Python: the first script does. A failure has been logged. Main, after exec is set
 * up. */
enum status gears_setup(void) MUST_CHECK;

/* Answers clients whose wait for an abort was in vain. Main, some times a second. */
void gears_cron(void);

/* Bytes that Python holds. Any thread. */
size_t gears_memory_used(void);

/* Frees what main owns. Threads and Python end with the process. */
void gears_teardown(void);

#endif
