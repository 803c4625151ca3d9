/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serving clients while data is loaded; see loading.h. A loader that runs as a thread of its own,
 * or comes back to the loop between slices, was rejected: the first would need what it makes to be
 * guarded key by key, the second cut a value of gigabytes in the middle of its reading.
 */
#include "exec/loading.h"

#include "exec/admit.h"
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/reply.h"

static const char loading_text[] = "LOADING Redis is loading the dataset in memory";

static struct {
    bool on, given_up;
} loading;

bool exec_is_loading(void)
{
    return loading.on;
}

static bool refuses(const struct exec_ctx *ctx)
{
    return loading.on && !(admit_flags_of_all(ctx) & COMMAND_LOADING);
}

static enum admit_verdict loading_filter(struct exec_ctx *ctx)
{
    return refuses(ctx) ? admit_refuse(ctx, loading_text) : ADMIT_PASS;
}

enum status loading_refuse(struct exec_ctx *ctx)
{
    return reply_errorf(ctx, "-%s", loading_text);
}

void loading_setup(void)
{
    admit_add(ADMIT_LOADING, loading_filter, refuses);
}

void loading_begin(void)
{
    ASSERT(!loading.on && exec_is_main());
    loading.on = true;
    loading.given_up = false;
    admit_set(ADMIT_LOADING, true);
}

bool loading_serve(void)
{
    ASSERT(loading.on);
    driver__serve_within();
    return !loading.given_up;
}

void loading_end(void)
{
    loading.on = false;
    admit_set(ADMIT_LOADING, false);
}

void loading_give_up(void)
{
    loading.given_up = loading.on;
}
