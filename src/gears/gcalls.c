/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gcalls.h. A call is one block, words and all. It and its execution, which the registration
 * keeps for a later call, are main's again with the answer: so nothing is made on one thread and
 * freed on another.
 */
#include "gears/gcalls.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mpsc.h"
#include "exec/client.h"
#include "exec/command.h"
#include "gears/gconf.h"
#include "gears/greg_impl.h"
#include "net/loop.h"

/* A taker that has been in a call for so long isn't counted on for the next. */
#define TAKER_LATE_US 200
#define LOOK_MS       1
/* How long a taker goes on before others get the worker. */
#define TURN_US 2000
/* How long main may sleep beside an answer, while more are made. */
#define ANSWER_LATE_US 50
/* Ended executions that a registration keeps for later calls: a power of two. */
#define SPARE_MAX 64

struct gspares {
    unsigned first, count;
    struct gexec *ring[SPARE_MAX];
};

struct gcall {
    struct greg_event ev; /* of who runs it */
    struct gwaiter waiter;
    atomic_uint refs; /* of who runs it, and of the answer */
    struct greg *g;   /* a reference */
    struct gexec *exec; /* a reference */
    uint64_t client_id;
    struct tape instead; /* what the client is told of a call that doesn't end; empty: it has */
    struct mpsc_node queued, answered;
    struct arg words[]; /* and their bytes */
};

static void taker_run(struct gjob *job, const char *failure);

static struct {
    struct mpsc fresh; /* calls, by main */
    pthread_mutex_t mutex;
    struct mpsc_node *list; /* calls that were taken out of `fresh`; guard: the mutex */
    _Atomic size_t count;   /* of both */
    struct gjob taker;
    atomic_bool taker_comes;    /* the job is queued, or has just begun */
    _Atomic int64_t taken_us;   /* when a taker took a call; 0: none is between two */
    bool looks;                 /* main has a timer for it */
    struct mpsc answers;
} calls = {.mutex = PTHREAD_MUTEX_INITIALIZER, .taker = {.run = taker_run}};

/* Of a taker. */
static _Thread_local struct {
    bool on;
    bool owes_wake; /* it has left an answer */
    int64_t since_us;
} batch;

/* ---- executions for later calls: under the token ---- */

static struct gexec *spare_take(struct greg *g)
{
    struct gspares *s = g->spares;
    if (!s || !s->count) return NULL;
    s->count--;
    return s->ring[s->first++ % SPARE_MAX];
}

/* Behind the others: who ran it may hold it for a moment yet. */
static void spare_put(struct greg *g, struct gexec *take_e)
{
    if (!g->spares && !g->removed) g->spares = mem_zalloc(sizeof(*g->spares));
    struct gspares *s = g->spares;
    if (g->removed || s->count == SPARE_MAX || !grun_exec_is_small(take_e)) grun_exec_unref(take_e);
    else s->ring[(s->first + s->count++) % SPARE_MAX] = take_e;
}

void gcalls_forget(struct greg *g)
{
    for (struct gexec *e; (e = spare_take(g));) grun_exec_unref(e);
    mem_free(g->spares);
    g->spares = NULL;
}

static struct gexec *exec_for(struct greg *g)
{
    struct gexec_limits limits;
    struct gexec *e = spare_take(g);
    uint64_t number = grun_take_number();
    grun_limits_of(g->plan, &limits);
    if (e && grun_exec_reuse(e, number, &limits)) return e;
    grun_exec_unref(e);
    return grun_exec_of_event(g->plan, number, &limits);
}

/* ---- calls ---- */

static void call_unref(struct gcall *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1) mem_free(c);
}

static void run_released(struct greg_event *ev)
{
    struct gcall *c = CONTAINER_OF(ev, struct gcall, ev);
    grun_exec_unref(ev->exec);
    call_unref(c);
}

static void ended(struct gwaiter *w, struct tape *take_reply);

static struct gcall *new_call(struct exec_ctx *ctx, struct greg *g, int first)
{
    size_t count = (size_t)(ctx->argc - first), bytes = 0;
    for (int i = first; i < ctx->argc; i++) bytes += ctx->argv[i].len;
    struct gcall *c = mem_alloc(sizeof(*c) + count * sizeof(c->words[0]) + bytes);
    *c = (struct gcall){.ev = {.words = c->words,
                               .word_count = (int)count,
                               .depth = ctx->event_depth,
                               .release = run_released},
                        .waiter = {.told = ended},
                        .g = g,
                        .client_id = client_id(ctx->client)};
    atomic_init(&c->refs, 2);
    greg__ref(g);
    char *at = (char *)(c->words + count);
    for (size_t i = 0; i < count; i++) {
        const struct arg *a = &ctx->argv[first + (int)i];
        if (a->len) memcpy(at, a->ptr, a->len);
        c->words[i] = arg_of(at, a->len);
        at += a->len;
    }
    return c;
}

static struct gexec *new_exec(struct gcall *c, const struct command *cmd,
                              const struct ghook_place *hook)
{
    struct gexec *e = exec_for(c->g);
    e->drop_when_done = true;
    e->slow = (struct gslow){.whose = GSLOW_CLIENT,
                             .cmd = cmd,
                             .named = hook != NULL,
                             .words = c->words,
                             .word_count = c->ev.word_count,
                             .client_id = c->client_id};
    if (hook) e->hook = *hook;
    c->waiter.what = gcalls_wait(e);
    e->waiters = &c->waiter; /* nobody else knows the execution yet */
    c->ev.exec = grun_exec_ref(e);
    c->exec = e;
    return e;
}

/* ---- answers ---- */

static void reply(struct exec_ctx *ctx, void *call)
{
    const struct gcall *c = call;
    if (unlikely(c->instead.bytes.len)) tape_reply(&c->instead, ctx);
    else grun_reply_outcome(ctx, c->exec, c->waiter.what);
}

static void answer_all(void *unused)
{
    int count = 0;
    UNUSED(unused);
    for (struct mpsc_node *n = mpsc_take_all(&calls.answers), *next; n; n = next) {
        struct gcall *c = CONTAINER_OF(n, struct gcall, answered);
        next = n->next;
        client_unblock_with(c->client_id, reply, c);
        if (unlikely(c->instead.bytes.len)) grun_exec_unref(c->exec);
        else spare_put(c->g, c->exec);
        tape_release(&c->instead);
        greg__unref(c->g);
        call_unref(c);
        count++;
    }
    exec_expect_posts(-count);
}

/* The execution has ended, or was aborted before it began, or is stuck. */
static void ended(struct gwaiter *w, struct tape *take_reply)
{
    struct gcall *c = CONTAINER_OF(w, struct gcall, waiter);
    if (unlikely(take_reply != NULL)) c->instead = *take_reply;
    if (mpsc_push(&calls.answers, &c->answered)) exec_post_quietly(answer_all, NULL);
    if (exec_is_main()) return; /* it looks before it sleeps */
    if (batch.on && atomic_load_explicit(&calls.count, memory_order_relaxed))
        batch.owes_wake = true;
    else
        exec_wake();
}

/* ---- takers ---- */

static void taker_call(void)
{
    if (!atomic_exchange(&calls.taker_comes, true)) grun_submit(&calls.taker);
}

static struct gcall *take(void)
{
    if (!atomic_load(&calls.count)) return NULL;
    pthread_mutex_lock(&calls.mutex);
    if (!calls.list) calls.list = mpsc_take_all(&calls.fresh);
    struct mpsc_node *n = calls.list;
    if (n) calls.list = n->next;
    pthread_mutex_unlock(&calls.mutex);
    if (!n) return NULL;
    atomic_fetch_sub(&calls.count, 1);
    return CONTAINER_OF(n, struct gcall, queued);
}

static void batch_look(int64_t now_us, bool last)
{
    if (!batch.owes_wake || (!last && now_us - batch.since_us < ANSWER_LATE_US)) return;
    batch.owes_wake = false;
    batch.since_us = now_us;
    exec_wake();
}

static void taker_run(struct gjob *job, const char *failure)
{
    struct gcall *c;
    UNUSED(job);
    ASSERT(!failure); /* without Python nothing is ever registered */
    bool took = gpy_hold();
    int64_t now_us = clock_mono_us(), end_us = now_us + TURN_US;
    atomic_store(&calls.taken_us, now_us);
    atomic_store(&calls.taker_comes, false);
    batch.on = true;
    batch.since_us = now_us;
    while (now_us < end_us && (c = take())) {
        atomic_store(&calls.taken_us, now_us);
        gpy_pass_gate();
        greg__run_event(c->g, &c->ev);
        now_us = clock_mono_us();
        batch_look(now_us, false);
    }
    batch.on = false;
    batch_look(now_us, true);
    gpy_release(took);
    atomic_store(&calls.taken_us, 0);
    if (atomic_load(&calls.count)) taker_call(); /* time was up, or it came just now */
}

static void call_taker_if_late(int64_t now_us)
{
    int64_t taken_us = atomic_load(&calls.taken_us);
    if (!taken_us || now_us - taken_us > TAKER_LATE_US) taker_call();
}

static int look(void *unused)
{
    UNUSED(unused);
    calls.looks = atomic_load(&calls.count) > 0;
    if (!calls.looks) return -1;
    call_taker_if_late(clock_mono_us());
    return LOOK_MS;
}

static void queue(struct gcall *c)
{
    greg__ref(c->g); /* of who runs it */
    atomic_fetch_add(&calls.count, 1);
    mpsc_push(&calls.fresh, &c->queued);
    if (!atomic_load(&calls.taker_comes)) call_taker_if_late(clock_mono_us());
    if (calls.looks) return;
    calls.looks = true;
    loop_timer_set(LOOK_MS, look, NULL);
}

enum status gcalls_run(struct exec_ctx *ctx, struct greg *g, int first,
                       const struct ghook_place *hook)
{
    struct gcall *c = new_call(ctx, g, first);
    struct gexec *e = new_exec(c, ctx->cmd, hook);
    client_block(ctx, gcalls_gone, (void *)(uintptr_t)e->number);
    exec_expect_posts(1);
    grun_list(e);
    if (g->request->in_order) greg__queue(g, &c->ev);
    else queue(c);
    return STATUS_BLOCKED;
}

/* By number, as it may be over already. */
void gcalls_gone(void *number, uint64_t client_id)
{
    char id[GEARS_ID_SIZE];
    UNUSED(client_id);
    if (!gconf.cancel_on_disconnect) return;
    grun_format_id(id, (uint64_t)(uintptr_t)number);
    struct gexec *e = grun_find(view_cstr(id));
    if (!e) return;
    grun_abort(e);
    grun_exec_unref(e);
}
