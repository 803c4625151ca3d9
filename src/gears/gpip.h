/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running packages.py, the program that makes the virtual environment and calls pip.
 *
 * No shell is involved: the words are the new process's arguments. It has a process group of its
 * own, whose end is the end of everything that it began, no descriptor of the server's but its
 * three pipes, and all signals as a new program has them. It ends when the server does, since its
 * stdin does.
 *
 * For one thread, which waits; not main, and without token and GIL.
 */
#ifndef GEARS_GPIP_H
#define GEARS_GPIP_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"
#include "base/view.h"

struct gpip_call {
    const char *program;        /* the Python */
    const char *const *words;   /* ROOT, MAX_BYTES, COMMAND and so on; NULL ends them */
    const atomic_bool *stop;    /* looked at while it runs; NULL: none */
    int64_t deadline_us;        /* monotonic */
    /* For each line that it says, "conflict six": word and value. */
    void (*line)(void *ctx, struct view word, struct view value);
    void *ctx;
};

/* Runs it to its end. STATUS_ERR: it failed, and what it said on stderr is in the log;
 * STATUS_ABORTED, STATUS_LIMIT: it was ended because of `stop`, or of the time; STATUS_IO: it could
 * not be started, which is logged. */
enum status gpip_run(const struct gpip_call *call) MUST_CHECK;

#endif
