/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the handlers of RG.* share. They run on main; in busy mode without the token, so they use
 * gears' own mutexes and nothing of the keyspace.
 *
 * The handlers stand here and not in src/commands, since they know executions and registrations
 * from the inside; they are named cmd_rg_… like all handlers of the command table.
 */
#ifndef GEARS_GCMD_H
#define GEARS_GCMD_H

#include "exec/reply.h"
#include "gears/grun.h"

/* Replies an error and returns false if this client may not use gears (option enable-gears). */
bool gcmd_allowed(struct exec_ctx *ctx);

/* Whether the client can be made to wait. */
bool gcmd_may_block(const struct exec_ctx *ctx);

/* Replies an error without a code word, which most of RG.*'s are. */
enum status gcmd_error(struct exec_ctx *ctx, const char *text);

/* The execution that argument 1 names, with a reference; NULL after the reply of `missing`. */
struct gexec *gcmd_named(struct exec_ctx *ctx, const char *missing);
#define GCMD_NO_PLAN "execution plan does not exist"

/* Handlers that INFO asks for what they list. */
enum status cmd_rg_dumpregistrations(struct exec_ctx *ctx);
enum status cmd_rg_pydumpreqs(struct exec_ctx *ctx);
enum status cmd_rg_pydumpsessions(struct exec_ctx *ctx);

/* It has ended: its results don't change any more. */
bool gcmd_is_over(struct gexec *e);

#endif
