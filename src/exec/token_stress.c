/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker threads that use the token as gears does; see token_stress.h. Half of the rounds try it
 * first, as a step that holds the GIL must, the other half wait at once.
 */
#include "exec/token_stress.h"

#include <pthread.h>
#include <stdio.h>

#include "exec/client.h"
#include "exec/reply.h"
#include "exec/token.h"

struct stress {
    uint64_t client_id;
    int64_t rounds;
    atomic_int running;
    _Atomic int64_t errors;
};

struct stress_thread {
    struct stress *stress;
    int index;
};

static void run_words(struct stress *s, struct kv_unit *unit, const char *verb, const char *key)
{
    struct exec_call call = {.unit = unit, .resp = 2, .flags = EXEC_FROM_GEARS};
    struct arg argv[2] = {arg_of(verb, strlen(verb)), arg_of(key, strlen(key))};
    struct tape tape = {0};
    if (exec_run(&call, argv, 2, &tape)) atomic_fetch_add(&s->errors, 1);
    tape_release(&tape);
}

static void stress_round(struct stress *s, const char *key, int64_t round)
{
    if (round % 2 && !token_try() && token_take(NULL)) return;
    if (round % 2 == 0 && token_take(NULL)) return;
    if (round % 16) {
        run_words(s, NULL, "INCR", key);
    } else {
        struct kv_unit unit;
        exec_unit_begin(&unit);
        run_words(s, &unit, "GET", "stress:shared");
        run_words(s, &unit, "INCR", key);
        exec_unit_end(&unit, 1);
    }
    token_give();
}

static void stress_end(struct stress *s)
{
    struct tape reply = {0};
    tape_int(&reply, atomic_load(&s->errors));
    client_unblock_post(s->client_id, &reply);
    mem_free(s);
}

static void *stress_main(void *arg)
{
    struct stress_thread *t = arg;
    struct stress *s = t->stress;
    char key[32];
    snprintf(key, sizeof(key), "stress:%d", t->index);
    mem_free(t);
    for (int64_t i = 0; i < s->rounds; i++) stress_round(s, key, i);
    if (atomic_fetch_sub(&s->running, 1) == 1) stress_end(s);
    return NULL;
}

enum status token_stress(struct exec_ctx *ctx, int64_t threads, int64_t rounds)
{
    if (!ctx->client || ctx->flags & EXEC_DENY_BLOCKING)
        return reply_error(ctx, "DEBUG TOKEN-STRESS needs a client that can wait");
    if (threads < 1 || threads > TOKEN_STRESS_THREADS_MAX || rounds < 1)
        return reply_out_of_range(ctx);
    struct stress *s = mem_zalloc(sizeof(*s));
    s->client_id = client_id(ctx->client);
    s->rounds = rounds;
    atomic_store(&s->running, (int)threads);
    client_block(ctx, NULL, NULL);
    for (int i = 0; i < threads; i++) {
        struct stress_thread *t = mem_alloc(sizeof(*t));
        *t = (struct stress_thread){.stress = s, .index = i};
        pthread_t thread;
        if (pthread_create(&thread, NULL, stress_main, t)) {
            mem_free(t);
            atomic_fetch_add(&s->errors, 1);
            if (atomic_fetch_sub(&s->running, 1) == 1) stress_end(s);
        } else {
            pthread_detach(thread);
        }
    }
    return STATUS_BLOCKED;
}
