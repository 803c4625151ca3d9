/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subcommands of DEBUG that have files of their own; the table of all is in cmd_debug.c, which has
 * seen to the number of arguments. Thread: whoever runs the command.
 */
#ifndef COMMANDS_DEBUG_H
#define COMMANDS_DEBUG_H

#include "exec/exec.h"

/* ---- cmd_debug_look.c: what is inside ---- */

/* Prints a listpack. */
enum status debug_listpack(struct exec_ctx *ctx);
/* Prints a quicklist's nodes. */
enum status debug_quicklist(struct exec_ctx *ctx);
/* From which size on list elements get nodes of their own. */
enum status debug_packed_threshold(struct exec_ctx *ctx);
/* How the table of a database is filled. */
enum status debug_htstats(struct exec_ctx *ctx);
/* How the table that is a value is filled. */
enum status debug_htstats_key(struct exec_ctx *ctx);
/* What a string and its key take. */
enum status debug_sdslen(struct exec_ctx *ctx);
/* What clients take that may be ended for it. */
enum status debug_client_eviction(struct exec_ctx *ctx);
/* Matches patterns at random. */
enum status debug_stringmatch_test(struct exec_ctx *ctx);
/* Sizes of structures. */
enum status debug_structsize(struct exec_ctx *ctx);
/* Reads or sets a number of the allocator's. */
enum status debug_mallctl(struct exec_ctx *ctx);
/* Reads a text of the allocator's. */
enum status debug_mallctl_str(struct exec_ctx *ctx);

/* ---- cmd_debug_end.c: what ends the server, or makes it ill ---- */

/* Writes where that isn't allowed. */
enum status debug_segfault(struct exec_ctx *ctx);
/* Logs and aborts. */
enum status debug_panic(struct exec_ctx *ctx);
/* Fails an assertion. */
enum status debug_assert(struct exec_ctx *ctx);
/* Asks for more memory than there is. */
enum status debug_oom(struct exec_ctx *ctx);
/* Ends the server well, and starts it anew. */
enum status debug_restart(struct exec_ctx *ctx);
/* Starts it anew as if it had been killed. */
enum status debug_crash_and_recover(struct exec_ctx *ctx);
/* Copies a word and forgets the copy. */
enum status debug_leak(struct exec_ctx *ctx);

#endif
