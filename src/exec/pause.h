/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLIENT PAUSE: for some time clients' commands are held back, all of them or those that write
 * (or would be repeated elsewhere: PUBLISH, an EXEC with writes). A held command runs when the
 * pause ends, in the order in which the clients came. So that the data stands still, keys whose
 * time has come are hidden but not deleted, and nothing is evicted. A command that somebody has
 * hooked may write, whatever it is. What isn't a client (gears) asks for itself, and waits on its
 * own thread.
 *
 * Main, under the token, unless said otherwise.
 */
#ifndef EXEC_PAUSE_H
#define EXEC_PAUSE_H

#include <stdatomic.h>

#include "base/macros.h"
#include "base/status.h"

struct command;

/* Pauses for `timeout_ms` from now. A pause that is on becomes the stricter and the longer of the
 * two. */
void pause_begin(int64_t timeout_ms, bool all);

/* Ends it: what was held runs within this turn of the loop. */
void pause_end(void);

/* Any holder of the token. */
bool pause_is_on(void);

/* Whether a command that no client sent must wait; NULL: one that isn't known yet. Any holder of
 * the token. */
bool pause_holds(const struct command *cmd);

/* Waits for the end of the pause; STATUS_ABORTED: *abort_flag (may be NULL) was set meanwhile.
 * Another may begin at once. Any thread but main, without the token. */
enum status pause_wait(const atomic_bool *abort_flag) MUST_CHECK;

/* Attaches the filter, whose place in the chain is before the transactions': what is held isn't
 * queued. At boot. */
void pause_setup(void);

#endif
