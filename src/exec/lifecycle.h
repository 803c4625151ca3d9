/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the server, and a new start, as those below it may ask for them. What they are made of
 * is known to server/ alone, which hangs its functions here at boot.
 *
 * Main thread, with the data token or, in busy mode, without.
 */
#ifndef EXEC_LIFECYCLE_H
#define EXEC_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

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

/* Starts the same program anew, with the same arguments and in this process, after `delay_ms`.
 * `graceful`: with the options of now in the config file, and after an end like any other, which
 * comes behind the running turn; else at once, as if the process had been killed, and then this
 * doesn't return if it succeeds. STATUS_ERR: the server goes on, the log says why. */
enum status exec_restart(bool graceful, int64_t delay_ms) MUST_CHECK;

/* Who carries them out. Once, at boot. */
void exec_on_shutdown(enum status (*fn)(unsigned flags));
void exec_on_restart(enum status (*fn)(bool graceful, int64_t delay_ms));

#endif
