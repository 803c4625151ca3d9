/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of the effects log for tests: it collects what is committed as an append-only file
 * would have it, SELECT included. DEBUG EFFECTS. Thread: the holder of the data token.
 */
#ifndef EXEC_EFFECTS_TAP_H
#define EXEC_EFFECTS_TAP_H

#include "base/buf.h"

/* Begins to collect, or ends and forgets. */
void effects_tap(bool on);

/* Appends what has come since the last call to `out`; false if the tap is off. */
bool effects_tap_take(struct buf *out);

#endif
