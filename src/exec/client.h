/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other folders may know of a client. The struct itself is private to exec; services keep
 * ids, never pointers, across commands.
 */
#ifndef EXEC_CLIENT_H
#define EXEC_CLIENT_H

#include "exec/exec.h"
#include "exec/tape.h"

/* The connection's id, unique while the server lives. */
uint64_t client_id(const struct client *c);

/* Peer address "ip:port" or "path:0". */
const char *client_addr(const struct client *c);

/* The peer is on this machine: loopback or unix socket. */
bool client_is_local(const struct client *c);

/* ---- waiting for a reply that comes later ---- */

/* Who is told when a waiting client goes away (disconnect, kill, server end). Main, under the
 * token. NULL: nobody. */
typedef void client_gone_fn(void *ctx, uint64_t client_id);

/* Blocks the client of ctx: no further command of it runs until client_unblock_post. The handler
 * then returns STATUS_BLOCKED and replies nothing. Must not be called when ctx->client is NULL or
 * ctx->flags has EXEC_DENY_BLOCKING. */
void client_block(struct exec_ctx *ctx, client_gone_fn *gone, void *gone_ctx);

/* Ends the wait of a client with the reply on the tape, which is taken and released. Any thread,
 * token or not: the reply is queued and main is woken. A client that is gone is skipped. Each
 * block takes one post; a second one is ignored. */
void client_unblock_post(uint64_t client_id, struct tape *take_reply);

/* Runs fn(ctx) on main, under the token, soon. Any thread. */
void exec_post(void (*fn)(void *ctx), void *ctx);

#endif
