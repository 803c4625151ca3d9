/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEBUG's ways to end the server as a fault would, for tests of the crash report and of whoever
 * supervises us; to start it anew; and a leak, for tests of the tools that look for leaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands/debug.h"
#include "exec/lifecycle.h"
#include "exec/reply.h"

/* A write to a page that may only be read. */
enum status debug_segfault(struct exec_ctx *ctx)
{
    volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return reply_error(ctx, "there is no page to be had");
    *page = 'x';
    return reply_error(ctx, "the page could be written to");
}

enum status debug_panic(struct exec_ctx *ctx)
{
    UNUSED(ctx);
    log_warning("------------------------------------------------");
    log_warning("!!! Software Failure. Press left mouse button to continue");
    log_warning("Guru Meditation: DEBUG PANIC called at Unix time %lld",
                (long long)(clock_wall_us() / 1000000));
    abort();
}

enum status debug_assert(struct exec_ctx *ctx)
{
    ASSERT(ctx->argc < 0);
    return STATUS_ERR;
}

/* More than any machine has, so that the allocator's own end is met. */
enum status debug_oom(struct exec_ctx *ctx)
{
    void *p = mem_alloc(SIZE_MAX / 2);
    mem_free(p);
    return reply_error(ctx, "there was so much memory");
}

static enum status restart(struct exec_ctx *ctx, bool graceful)
{
    int64_t delay_ms = 0;
    if (ctx->argc > 2 && arg_i64(ctx, 2, &delay_ms)) return STATUS_ERR;
    if (exec_restart(graceful, delay_ms))
        return reply_error(ctx, "failed to restart the server. Check server logs.");
    return STATUS_OK; /* no reply: the connection closes with the server */
}

enum status debug_restart(struct exec_ctx *ctx)
{
    return restart(ctx, true);
}

enum status debug_crash_and_recover(struct exec_ctx *ctx)
{
    return restart(ctx, false);
}

enum status debug_leak(struct exec_ctx *ctx)
{
    char *copy = mem_dup(ctx->argv[2].ptr, ctx->argv[2].len);
    UNUSED(copy);
    reply_ok(ctx);
    return STATUS_OK;
}
