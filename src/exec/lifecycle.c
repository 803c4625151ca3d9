/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks of one function between SHUTDOWN and the like, which are commands, and the server that they
 * end, which lies above all commands.
 *
 * Main thread.
 */
#include "exec/lifecycle.h"

#include "base/macros.h"

static enum status (*shutdown_fn)(unsigned flags);
static enum status (*restart_fn)(bool graceful, int64_t delay_ms);

void exec_on_shutdown(enum status (*fn)(unsigned flags))
{
    shutdown_fn = fn;
}

enum status exec_shutdown(unsigned flags)
{
    ASSERT(shutdown_fn);
    return shutdown_fn(flags);
}

void exec_on_restart(enum status (*fn)(bool graceful, int64_t delay_ms))
{
    restart_fn = fn;
}

enum status exec_restart(bool graceful, int64_t delay_ms)
{
    ASSERT(restart_fn);
    return restart_fn(graceful, delay_ms);
}
