/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The time in which the data is being loaded. Whoever loads does so on main, in one call, and lets
 * clients in between: they get their answer, which for all commands but those flagged `loading` is
 * that they have to wait.
 *
 *   idle --loading_begin--> loading: loading_serve now and then --loading_end--> idle
 *
 * Meanwhile main keeps the token, so no worker sees data of which half is missing, and nothing runs
 * that looks at it by itself: no timer (expiry, eviction, save points), no post of a thread, no
 * client that waits for a key. All that comes after the end.
 *
 * Main, with the data token.
 */
#ifndef EXEC_LOADING_H
#define EXEC_LOADING_H

#include "exec/exec.h"

/* Adds the filter to the chain. */
void loading_setup(void);

/* Begins; not while there is one already. */
void loading_begin(void);

/* A turn for the clients: what they have sent is read, run and answered. Doesn't wait. False if
 * the load is to be given up, since the server ends. */
bool loading_serve(void) MUST_CHECK;

/* Ends. */
void loading_end(void);

/* The server ends: the next loading_serve says no. Nothing when nothing is being loaded. */
void loading_give_up(void);

/* Whether data is being loaded. Any holder of the token. */
bool exec_is_loading(void);

/* Replies that data is being loaded, for handlers whose row is flagged `loading`, but which change
 * data. */
enum status loading_refuse(struct exec_ctx *ctx);

#endif
