/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts of random elements; see random_args.h.
 */
#include "commands/random_args.h"

#include "exec/client.h"
#include "exec/reply.h"

enum status random_count(struct exec_ctx *ctx, int i, int64_t *count_out)
{
    return arg_i64_range(ctx, i, -INT64_MAX, INT64_MAX, NULL, count_out);
}

enum status random_check_repeat(struct exec_ctx *ctx, int64_t count)
{
    return count < -RANDOM_REPEAT_MAX ? reply_out_of_range(ctx) : STATUS_OK;
}

void random_in_slices(struct exec_ctx *ctx, size_t count,
                      void (*draw)(struct exec_ctx *ctx, size_t n, void *arg), void *arg)
{
    while (count && client_reply_goes_on(ctx)) {
        size_t n = MIN(count, RANDOM_SLICE);
        draw(ctx, n, arg);
        count -= n;
    }
}
