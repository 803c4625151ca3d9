/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions: MULTI's queue, WATCH. A client in MULTI has the bit ADMIT_MULTI; the filter here
 * then copies its commands once and answers QUEUED. Watched keys hang on their database; whoever
 * changes a key marks the watchers (kv_touch), on whatever thread that happens, under the token.
 *
 * All functions need the token; but for the touch they run on main.
 */
#ifndef TXN_TXN_H
#define TXN_TXN_H

#include "exec/client.h"
#include "exec/exec.h"

/* Attaches the hooks: filter, touch, refusal, end of a client. Main, at boot. */
void txn_setup(void);

/* The client is in MULTI. */
bool txn_active(const struct client *c);
/* MULTI. */
void txn_begin(struct client *c);
/* Ends the MULTI without running it and forgets the watches. */
void txn_discard(struct client *c);

/* Replies what EXEC replies, runs the queue in ctx's unit, ends the MULTI. */
enum status txn_exec(struct exec_ctx *ctx);

/* Watches a key of ctx's database, once. */
void txn_watch(struct exec_ctx *ctx, struct arg *key);
/* Forgets all watched keys and that one of them changed. */
void txn_unwatch(struct client *c);

#endif
