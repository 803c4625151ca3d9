/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue and the futex together, as they are meant to be used: producers push, exactly the one
 * that found the queue empty wakes the consumer, which sleeps when there is nothing to take.
 */
#include <pthread.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/mem.h"
#include "base/mpsc.h"
#include "unit.h"

#define PRODUCERS 4

struct message {
    struct mpsc_node node;
    unsigned producer;
    long number;
};

struct post {
    struct mpsc queue;
    _Atomic uint32_t bell; /* counts the wakes */
    long each;
    _Atomic unsigned next_producer;
};

TEST(order_and_emptiness)
{
    struct mpsc queue = {0};
    struct message m[3];
    CHECK(mpsc_is_empty(&queue));
    CHECK(mpsc_take_all(&queue) == NULL);
    CHECK(mpsc_push(&queue, &m[0].node));
    CHECK(!mpsc_push(&queue, &m[1].node));
    CHECK(!mpsc_push(&queue, &m[2].node));
    CHECK(!mpsc_is_empty(&queue));
    struct mpsc_node *n = mpsc_take_all(&queue);
    for (int i = 0; i < 3; i++, n = n->next) CHECK(n == &m[i].node);
    CHECK(n == NULL);
    CHECK(mpsc_push(&queue, &m[0].node));
    CHECK(mpsc_take_all(&queue) == &m[0].node);
}

static void *produce(void *arg)
{
    struct post *post = arg;
    unsigned self = atomic_fetch_add(&post->next_producer, 1);
    for (long i = 0; i < post->each; i++) {
        struct message *m = mem_alloc(sizeof(*m));
        m->producer = self;
        m->number = i;
        if (mpsc_push(&post->queue, &m->node)) {
            atomic_fetch_add(&post->bell, 1);
            futex_wake(&post->bell, 1);
        }
    }
    return NULL;
}

/* Takes until all have come; returns the number of messages that were out of order. */
static long consume(struct post *post, long expected)
{
    long next[PRODUCERS] = {0}, wrong = 0;
    while (expected > 0) {
        uint32_t bell = atomic_load(&post->bell);
        struct mpsc_node *n = mpsc_take_all(&post->queue);
        if (!n) {
            futex_wait(&post->bell, bell, -1);
            continue;
        }
        while (n) {
            struct message *m = CONTAINER_OF(n, struct message, node);
            n = n->next;
            wrong += m->number != next[m->producer]++;
            mem_free(m);
            expected--;
        }
    }
    return wrong;
}

TEST(many_producers_one_consumer)
{
    struct post post = {.each = unit_rounds(50000)};
    pthread_t threads[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) pthread_create(&threads[i], NULL, produce, &post);
    long wrong = consume(&post, PRODUCERS * post.each);
    for (int i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
    CHECK_INT(wrong, 0);
    CHECK(mpsc_is_empty(&post.queue));
}

TEST(futex_times_out)
{
    _Atomic uint32_t word = 7;
    int64_t start = clock_mono_ns();
    CHECK(!futex_wait(&word, 7, 2000000));
    CHECK(clock_mono_ns() - start >= 2000000);
    CHECK(!futex_wait(&word, 7, 0));
    CHECK(futex_wait(&word, 8, -1)); /* another value: no sleep */
    CHECK_INT(futex_wake(&word, 1), 0);
}
