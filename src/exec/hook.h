/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that a service runs in a way of its own, and replies that are kept back.
 *
 * The seam is where a command's handler is called, behind admission: so rights, memory, MULTI and
 * pauses were asked for the command that was sent, and statistics, the slow log and monitors see
 * that command, whatever the service makes of it. While nothing is hooked a command pays one test.
 *
 * Only calls of clients and of gears' execute() are hooked; what is loaded or repeated from
 * elsewhere has no client, and isn't. Under the token.
 */
#ifndef EXEC_HOOK_H
#define EXEC_HOOK_H

#include "exec/exec.h"
#include "exec/reply.h"
#include "exec/tape.h"

/* ---- hooked commands ---- */

/* Has fn called in the place of exec_call for hooked commands; fn calls exec_call_as. One; main, at
 * boot. */
void exec_on_hook(enum status (*fn)(struct exec_ctx *ctx));

/* Hooks a command, with all its subcommands if it is a container, or no more; counts. */
void exec_hook(const struct command *top, bool on);

/* Somebody has hooked it, or its container. */
bool exec_is_hooked(const struct command *cmd);

/* As exec_call without asking for hooks, with `handler` in the place of the command's. */
enum status exec_call_as(struct exec_ctx *ctx, exec_handler *handler);

/* What exec_call does while anything is hooked. */
enum status exec__call_hooked(struct exec_ctx *ctx);
extern size_t exec__hooks;

/* ---- replies kept back: of contexts with a client, main ---- */

struct kept_reply {
    struct sink sink, *before;
    struct outbuf out;
};

/* From here on what is replied to ctx goes into *k, which needn't be initialised. */
void kept_reply_begin(struct exec_ctx *ctx, struct kept_reply *k);
/* No longer; the reply is in k. */
void kept_reply_end(struct exec_ctx *ctx, struct kept_reply *k);
/* Appends it to what the client is to be sent. k is empty then. */
void kept_reply_send(struct client *c, struct kept_reply *k);
/* Forgets it. k is empty then. */
void kept_reply_drop(struct kept_reply *k);

/* Ends the wait of a client (client_block) that was made to wait for this reply, with it, or with
 * what is on the tape if `instead` isn't NULL. Nothing if the client is gone. k is empty then. */
void client_unblock_kept(uint64_t client_id, struct kept_reply *k, const struct tape *instead);

#endif
