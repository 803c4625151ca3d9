/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLIENT PAUSE: for some time clients' commands are held back, all of them or those that write
 * (or would be repeated elsewhere: PUBLISH, an EXEC with writes). A held command runs when the
 * pause ends, in the order in which the clients came. So that the data stands still, keys whose
 * time has come are hidden but not deleted, and nothing is evicted. Programs of gears aren't
 * clients: what they do goes on.
 *
 * Main, under the token.
 */
#ifndef EXEC_PAUSE_H
#define EXEC_PAUSE_H

#include "base/macros.h"

/* Pauses for `timeout_ms` from now. A pause that is on becomes the stricter and the longer of the
 * two. */
void pause_begin(int64_t timeout_ms, bool all);

/* Ends it: what was held runs within this turn of the loop. */
void pause_end(void);

/* Any holder of the token. */
bool pause_is_on(void);

/* Attaches the filter, whose place in the chain is before the transactions': what is held isn't
 * queued. At boot. */
void pause_setup(void);

#endif
