/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MONITOR: clients that are told of every command. A command is told after its handler has
 * returned, so the commands of a transaction come before its EXEC. What other threads run is
 * posted to main, in order. Main, under the token.
 */
#ifndef OBSERVE_MONITOR_H
#define OBSERVE_MONITOR_H

#include "exec/client.h"

/* Makes a client a monitor; false if it is one already. */
bool monitor_begin(struct client *c);
/* Ends that; also called when the client ends. Nothing happens to one that isn't. */
void monitor_end(struct client *c);

#endif
