/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hook of one function between SHUTDOWN, which is a command, and the server that it ends, which
 * lies above all commands.
 *
 * Main thread.
 */
#include "exec/lifecycle.h"

#include "base/macros.h"

static enum status (*shutdown_fn)(unsigned flags);

void exec_on_shutdown(enum status (*fn)(unsigned flags))
{
    shutdown_fn = fn;
}

enum status exec_shutdown(unsigned flags)
{
    ASSERT(shutdown_fn);
    return shutdown_fn(flags);
}
