/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triggers: registrations of CommandReader, which RG.TRIGGER and RG.TRIGGERONKEY run by name. The
 * record is the list of the command's words behind the command's own name.
 *
 * In mode `sync` the plan runs within the command, whose unit its writes join, also in MULTI; or,
 * when many clients call in one turn of the loop, at its end, all of them in one go. In the other
 * modes the client waits while a worker runs it: each call by itself, or, with
 * inorder=True, one after the other.
 *
 * Names are unique; they are in one table, under the data token. A registration with hook= has no
 * name here (ghook), but is run in the same way.
 */
#ifndef GEARS_GTRIGGER_H
#define GEARS_GTRIGGER_H

#include "gears/greg.h"
#include "gears/ghook.h"

struct greg;

/* A registration joins the table, or leaves it. Under the token. */
void gtrigger_add(struct greg *g);
void gtrigger_remove(struct greg *g);

/* One of the requests wants a name that is taken, by somebody else than the two sessions (NULL:
 * none), which are about to go; or two of them want the same. Under the token. */
bool gtrigger_any_taken(const struct greg_request *list, const char *going,
                        const char *going_too);

/*
 * Runs a registration of CommandReader for a command, whose words from `first` on are the record,
 * and replies, or blocks the client until it is done. `hook` NULL: the reply is the array of
 * results; else the one result, or an error if there isn't exactly one. Under the token.
 */
enum status gtrigger__run(struct exec_ctx *ctx, struct greg *g, int first,
                          const struct ghook_place *hook);

#endif
