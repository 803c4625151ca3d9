/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share. Under the token; any thread unless said otherwise.
 */
#ifndef OBSERVE_PRIVATE_H
#define OBSERVE_PRIVATE_H

#include "exec/exec.h"

/* Says again from which duration on exec tells of a command: somebody's wish has changed. */
void observe__update(void);

/* The shortest duration that the slow log wants, in nanoseconds; UINT64_MAX: none. */
uint64_t slowlog__min_ns(void);
/* A command has run; it may have been shorter than that. */
void slowlog__done(const struct exec_ctx *ctx, uint64_t ns);

/* The same for work beside commands. */
void slowlog__work(const struct exec_work *w);

/* Somebody monitors. */
bool monitor__on(void);
void monitor__done(const struct exec_ctx *ctx);
/* Adds the hooks. Main, at boot. */
void monitor__setup(void);

/* Argument i as others may see it: passwords are hidden. */
struct view observe__arg(const struct exec_ctx *ctx, int i);

#endif
