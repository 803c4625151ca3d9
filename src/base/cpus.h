/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of processors, and running on them: numbers and ranges with an optional step, as taskset(1)
 * reads them: 0,2-5,8-20:2. Any thread.
 */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

#include <sched.h>

#include "base/status.h"
#include "base/view.h"

/* Reads a list into *out, which may be NULL; an empty one is all of none. STATUS_SYNTAX for what
 * isn't a list, or names a processor beyond CPU_SETSIZE. */
enum status cpus_parse(struct view list, cpu_set_t *out) MUST_CHECK;

/* The calling thread, and threads and processes that it makes from now on, run on these only.
 * STATUS_SYNTAX; STATUS_ERR with errno. */
enum status cpus_pin(struct view list) MUST_CHECK;

#endif
