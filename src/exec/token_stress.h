/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load on the data token for tests: threads that run commands through exec_run while clients
 * use the server, as gears workers do, but without Python in the way of a race detector.
 */
#ifndef EXEC_TOKEN_STRESS_H
#define EXEC_TOKEN_STRESS_H

#include "exec/exec.h"

#define TOKEN_STRESS_THREADS_MAX 16

/* Starts `threads` threads, each of which runs INCR on its own key "stress:<n>" and GET on a
 * shared one `rounds` times, taking and giving the token each time; some rounds join several
 * commands in one unit. Blocks the client of ctx; when all have ended it gets the sum of all
 * errors, which is 0. Returns STATUS_BLOCKED, or STATUS_ERR with the error replied. Main. */
enum status token_stress(struct exec_ctx *ctx, int64_t threads, int64_t rounds);

#endif
