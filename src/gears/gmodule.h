/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RedisGears' words in configurations that were written for it:
 *
 *   loadmodule /path/to/redisgears.so MaxExecutions 10 Plugin /path/gears_python.so ...
 *
 * The engine is part of the server, so nothing is loaded: the pairs are its settings, by the names
 * of RG.CONFIGGET, and who looks at MODULE LIST or INFO finds `rg`, with the version that
 * RedisGears 1.2.13 gives itself. Without the line no module is listed. Main.
 */
#ifndef GEARS_GMODULE_H
#define GEARS_GMODULE_H

struct exec_ctx;

/* Adds the directive. Before the configuration is read. */
void gmodule_register(void);

/* Replies MODULE LIST. */
void gmodule_reply_list(struct exec_ctx *ctx);

/* Frees what the line brought. */
void gmodule_teardown(void);

#endif
