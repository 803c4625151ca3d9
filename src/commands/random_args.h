/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SRANDMEMBER, HRANDFIELD and ZRANDMEMBER share: the count, whose sign chooses between
 * distinct elements and draws with repetition, and its limits. Thread: whoever runs the command.
 */
#ifndef COMMANDS_RANDOM_ARGS_H
#define COMMANDS_RANDOM_ARGS_H

#include "exec/exec.h"

/* With repetition a reply may be larger than the collection, so its length needs a bound of its
 * own: 16 Mi elements. (Stock accepts any number and dies of it.) */
#define RANDOM_REPEAT_MAX ((int64_t)1 << 24)

/* Elements that are drawn between two looks at whether anybody still wants them. */
#define RANDOM_SLICE 1024

/* Parses argument i; the most negative number has an error text of its own. */
enum status random_count(struct exec_ctx *ctx, int i, int64_t *count_out) MUST_CHECK;

/* Refuses more than RANDOM_REPEAT_MAX repetitions. */
enum status random_check_repeat(struct exec_ctx *ctx, int64_t count) MUST_CHECK;

/* Calls draw(ctx, n) with slices of `count`, until the reply's reader is gone. */
void random_in_slices(struct exec_ctx *ctx, size_t count,
                      void (*draw)(struct exec_ctx *ctx, size_t n, void *arg), void *arg);

#endif
