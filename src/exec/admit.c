/* SPDX-License-Identifier: BSD-3-Clause */
/* The chain of admission filters; see admit.h. */
#include "exec/admit.h"

#include "exec/client.h"
#include "exec/command.h"

#define ADMIT_FILTERS_MAX 16

uint32_t admit_word;

static struct {
    struct {
        enum admit_bit bit;
        admit_fn *fn;
    } filters[ADMIT_FILTERS_MAX];
    int count;
    void (*on_refusal)(struct client *c);
} admit;

void admit_add(enum admit_bit bit, admit_fn *fn)
{
    ASSERT(admit.count < ADMIT_FILTERS_MAX);
    admit.filters[admit.count].bit = bit;
    admit.filters[admit.count++].fn = fn;
}

void admit_set(uint32_t bits, bool on)
{
    admit_word = on ? admit_word | bits : admit_word & ~bits;
}

enum admit_verdict admit_chain(struct exec_ctx *ctx)
{
    uint32_t bits = admit_word | (ctx->client ? client_admit(ctx->client) : 0);
    for (int i = 0; i < admit.count; i++) {
        if (!(bits & admit.filters[i].bit)) continue;
        enum admit_verdict v = admit.filters[i].fn(ctx);
        if (v == ADMIT_REFUSED) admit_refused(ctx);
        if (v != ADMIT_PASS) return v;
    }
    return ADMIT_PASS;
}

void admit_on_refusal(void (*fn)(struct client *c))
{
    admit.on_refusal = fn;
}

void admit_refused(struct exec_ctx *ctx)
{
    if (ctx->cmd) command_stats_of(ctx->cmd)->rejected++;
    if (ctx->client && admit.on_refusal) admit.on_refusal(ctx->client);
}
