/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Back-pressure: a client whose commands cause more work than is done is not served for a while.
 * Nothing is read from it, and what it has sent already is not run; its last command is answered.
 * So what waits is in its socket, and, once that is full, with the peer. To refuse its commands
 * instead would be a new error for programs that know none, and to block it within a command would
 * hold up what that command is part of.
 *
 * Main, under the token.
 */
#ifndef EXEC_STALL_H
#define EXEC_STALL_H

#include "base/macros.h"

struct client;

/* The client, whose command runs now, stops when that has ended, until client_go_on has been called
 * as often as this. */
void client_stall(struct client *c);

/* Takes one stall of the client with this id back; one that is gone is skipped. Not within one of
 * its commands: from a post. */
void client_go_on(uint64_t id);

struct client_stall_stats {
    size_t now;       /* clients that are stalled */
    uint64_t total;   /* stalls since the server began */
    int64_t total_us; /* how long they lasted, those of now included */
};
/* As client_stats: another thread than main is told what main was told last. */
struct client_stall_stats client_stall_stats(void);

#endif
