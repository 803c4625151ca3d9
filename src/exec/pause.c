/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pause of clients; see pause.h. A request that the filter holds back is copied (an inline
 * request was split in place and can't be parsed again, and a large argument isn't in the input
 * any more); its client then waits like one that blocks. When the pause ends the copies run from
 * a post, between the waves, so that nothing runs within UNPAUSE.
 *
 * Main, under the token; others wait for the word to be 0.
 */
#include "exec/pause.h"

#include "base/clock.h"
#include "base/futex.h"
#include "exec/admit.h"
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/hook.h"
#include "exec/token.h"

#define ABORT_LOOK_NS 5000000

static struct {
    bool on, all;
    int64_t end_ms;        /* monotonic */
    struct list_node held; /* struct client.ready, first come first */
    _Atomic uint32_t word; /* 1: on */
} paused;

/* ---- holding ---- */

/* An argument with an allocation of its own is taken, the others are copied. */
static struct held *held_new(struct arg *argv, int argc)
{
    size_t bytes = 0, copied = 0;
    for (int i = 0; i < argc; i++) {
        bytes += argv[i].len;
        if (!argv[i].owned) copied += argv[i].len;
    }
    struct held *h = mem_alloc(sizeof(*h) + (size_t)argc * sizeof(h->argv[0]) + copied);
    char *at = (char *)(h->argv + argc);
    h->argc = argc;
    h->bytes = bytes;
    for (int i = 0; i < argc; i++) {
        h->argv[i] = argv[i];
        if (argv[i].owned) {
            argv[i].owned = false;
        } else {
            if (argv[i].len) memcpy(at, argv[i].ptr, argv[i].len);
            h->argv[i].ptr = at;
            at += argv[i].len;
        }
    }
    return h;
}

static void held_free(struct held *h)
{
    resp_args_drop_owned(h->argv, (size_t)h->argc);
    mem_free(h);
}

void pause__forget(struct client *c)
{
    if (c->held) held_free(c->held);
    c->held = NULL;
}

static void hold(struct exec_ctx *ctx)
{
    struct client *c = ctx->client;
    client_block(ctx, NULL, NULL);
    c->held = held_new(ctx->argv, ctx->argc);
    list_push(&paused.held, &c->ready);
    if (c->flags & CLIENT_SKIPPING) {
        client__skip_end(c);
        c->flags |= CLIENT_SKIP;
    }
}

/* ---- the filter ---- */

#define WRITES (COMMAND_WRITE | COMMAND_MAY_REPLICATE)

static bool writes(const struct exec_ctx *ctx)
{
    if (ctx->cmd->flags & WRITES || exec_is_hooked(ctx->cmd)) return true;
    const struct client_txn *txn = ctx->client->txn;
    return txn && (txn->flags & WRITES || exec__hooks) && !strcmp(ctx->cmd->fullname, "exec");
}

static bool applies(const struct exec_ctx *ctx)
{
    return paused.on && ctx->client;
}

static enum admit_verdict filter(struct exec_ctx *ctx)
{
    if (!applies(ctx) || !(paused.all || writes(ctx))) return ADMIT_PASS;
    hold(ctx);
    return ADMIT_TAKEN;
}

/* ---- beginning and ending ---- */

static void set(bool on)
{
    paused.on = on;
    atomic_store(&paused.word, on);
    if (!on) futex_wake(&paused.word, INT32_MAX);
    admit_set(ADMIT_PAUSE, on);
    driver__hold_expiry(on);
}

void pause_begin(int64_t timeout_ms, bool all)
{
    int64_t now_ms = clock_mono_ms();
    int64_t end_ms = timeout_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + timeout_ms;
    paused.all = all || (paused.on && paused.all);
    paused.end_ms = paused.on ? MAX(paused.end_ms, end_ms) : end_ms;
    set(true);
}

static void resume_one(struct client *c)
{
    struct held *h = c->held;
    c->held = NULL;
    client__unblock(c);
    list_unlink(&c->ready); /* what follows in its input comes after this */
    driver__run_held(c, h->argv, h->argc);
    held_free(h);
}

/* Who is held again, by a pause that begins meanwhile, waits for the end of that one. */
static void resume(void *unused)
{
    UNUSED(unused);
    struct list_node now, *n;
    if (paused.on) return;
    list_init(&now);
    while ((n = list_pop(&paused.held))) list_push(&now, n);
    while ((n = list_pop(&now))) resume_one(CLIENT_OF(n, ready));
}

void pause_end(void)
{
    if (!paused.on) return;
    set(false);
    exec_post(resume, NULL);
}

int pause__expire(void)
{
    if (likely(!paused.on)) return -1;
    int64_t now_ms = clock_mono_ms();
    if (now_ms >= paused.end_ms) {
        pause_end();
        return -1;
    }
    return (int)MIN(paused.end_ms - now_ms, 60000);
}

bool pause_is_on(void)
{
    return paused.on;
}

bool pause_holds(const struct command *cmd)
{
    return unlikely(paused.on) && (paused.all || !cmd || cmd->flags & WRITES);
}

enum status pause_wait(const atomic_bool *abort_flag)
{
    ASSERT(!exec_is_main() && !token_is_mine());
    while (atomic_load(&paused.word)) {
        if (abort_flag && atomic_load(abort_flag)) return STATUS_ABORTED;
        futex_wait(&paused.word, 1, ABORT_LOOK_NS);
    }
    return STATUS_OK;
}

void pause_setup(void)
{
    list_init(&paused.held);
    admit_add(ADMIT_PAUSE, filter, applies);
}
