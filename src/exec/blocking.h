/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that wait for keys: BLPOP and its kind, BZPOPMIN, XREAD BLOCK.
 *
 * The handler looks at its keys; if none has what it wants it calls block_on_keys and returns
 * STATUS_BLOCKED. The command's words are copied, and the client waits in the queue of each key.
 * When one of the keys is touched and holds the awaited type, the handler runs again, with
 * block_ready_key() telling which key to look at; it may serve the client or wait on. So waiting
 * costs a handler one call, and what a served client sees is made by the code that serves
 * everybody. Clients are served in the order in which they began to wait.
 *
 * The alternative, serving a waiter within the command that makes the key, would let one command
 * see another's middle; here waiters are served between commands (after a whole EXEC, a whole
 * atomic block).
 *
 * Main only, under the token; keys may be touched by any holder of the token.
 */
#ifndef EXEC_BLOCKING_H
#define EXEC_BLOCKING_H

#include "exec/exec.h"

struct block_options {
    /* The words to run again, which replace ctx's own (an ID that `$` meant); NULL: ctx's. */
    const struct arg *argv;
    int argc;
    const int *key_positions; /* in argv */
    int key_count;
    enum value_type type;     /* what a key must hold to be of interest */
    int64_t timeout_ms;       /* 0: for ever */
    /* Replies when the time is up; NULL: the null array. */
    void (*on_timeout)(struct exec_ctx *ctx);
    /* Replies when the context must not wait; NULL: as on_timeout. */
    void (*on_denied)(struct exec_ctx *ctx);
    /* The handler also runs when a key that was there is gone or is of another type. */
    bool also_when_gone;
};

/* Makes the client of ctx wait, or go on waiting when the handler runs again. Returns
 * STATUS_BLOCKED; or, when ctx must not wait, replies on_denied and returns STATUS_OK. */
enum status block_on_keys(struct exec_ctx *ctx, const struct block_options *o);

/* Lets those who wait for a key look at it again though nobody touched it, in WATCH's sense: a
 * consumer group that they wait on is gone. Under the token. */
void block_wake(struct kv_db *db, const struct arg *key);

/* Where in ctx->argv the key stands for which a waiting command runs again; -1 in its first run. */
int block_ready_key(const struct exec_ctx *ctx);

/* Parses a timeout in seconds, with fractions, at argument i into milliseconds; the error is
 * replied. Texts as observed of stock. */
enum status block_timeout_arg(struct exec_ctx *ctx, int i, int64_t *timeout_ms_out) MUST_CHECK;

/* CLIENT UNBLOCK: ends a client's wait for keys as its timeout would, or with an error. False if
 * it doesn't wait for keys. */
bool block_end(uint64_t client_id, bool with_error);

/* Serves whoever waits for keys that were touched. The driver calls it after each command. */
void block_serve(void);
extern size_t block_ready_count;

/* How many clients wait with a timeout. */
size_t block_timed(void);

/* Ends the waits whose time is up; returns milliseconds until the next one, or -1. Timer. */
int block_expire(void);

/* Attaches the hooks. Main, at boot. */
void block_setup(void);

#endif
