/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the server, as those below it may ask for it. What an end is made of is known to
 * server/ alone, which hangs its function here at boot.
 *
 * Main thread, with the data token or, in busy mode, without.
 */
#ifndef EXEC_LIFECYCLE_H
#define EXEC_LIFECYCLE_H

#include "base/status.h"

enum shutdown_flag {
    SHUTDOWN_SAVE = 1 << 0,   /* save the data first, whatever the options say */
    SHUTDOWN_NOSAVE = 1 << 1, /* don't */
    SHUTDOWN_NOW = 1 << 2,    /* don't wait for replicas */
    SHUTDOWN_FORCE = 1 << 3,  /* end even if something fails on the way */
    SHUTDOWN_ABORT = 1 << 4   /* call off one that waits */
};

/* Ends the server after the running turn. STATUS_ERR: it goes on, the log says why. In busy mode
 * it doesn't return if it succeeds. */
enum status exec_shutdown(unsigned flags) MUST_CHECK;

/* Who carries it out. Once, at boot. */
void exec_on_shutdown(enum status (*fn)(unsigned flags));

#endif
