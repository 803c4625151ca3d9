/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Freeing in the background. What is dear to free (a collection of many parts, a long string, a
 * whole database) is taken out of the keyspace by its owner and handed over by ownership; the
 * thread here frees it and counts. It starts when there is something to do for the first time.
 *
 *   main: queue_add --> [list, mutex, condition] --> thread: takes the whole list, frees it
 *
 * The list is unbounded: what is in it was in memory anyway, and holding up the one who deletes
 * would bring back the stall that this avoids. An idle server's thread sleeps in the condition.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "keyspace/private.h"

struct job {
    struct job *next;
    struct value value;      /* a collection, or a string's bytes; ptr NULL: see body */
    struct table_body *body; /* a database */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last; /* lock */
    bool running, stop;        /* lock; running: main */
    pthread_t thread;
    atomic_size_t pending;
    _Atomic uint64_t done;
} lazy = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Entries of a detached table that are freed between two looks at anything else. */
#define BODY_SLICE 1024

static void body_free(struct table_body *body)
{
    size_t left = table_body_count(body);
    while (!table_free_step(&body, BODY_SLICE, kv__entry_free_all, NULL)) {
        size_t now = table_body_count(body);
        atomic_fetch_sub(&lazy.pending, left - now);
        atomic_fetch_add(&lazy.done, left - now);
        left = now;
    }
    atomic_fetch_sub(&lazy.pending, left);
    atomic_fetch_add(&lazy.done, left);
}

static void job_run(struct job *job)
{
    if (job->body) {
        body_free(job->body);
    } else {
        type_ops_of(job->value.type)->free(job->value);
        atomic_fetch_sub(&lazy.pending, 1);
        atomic_fetch_add(&lazy.done, 1);
    }
    mem_free(job);
}

static void (*on_start)(void);

void kv_lazyfree_on_start(void (*fn)(void))
{
    on_start = fn;
}

static void *lazy_main(void *unused)
{
    UNUSED(unused);
    pthread_setname_np(pthread_self(), "lazyfree");
    if (on_start) on_start();
    pthread_mutex_lock(&lazy.lock);
    for (;;) {
        while (!lazy.first && !lazy.stop) pthread_cond_wait(&lazy.wake, &lazy.lock);
        struct job *job = lazy.first;
        if (!job) break;
        lazy.first = NULL;
        pthread_mutex_unlock(&lazy.lock);
        while (job) {
            struct job *next = job->next;
            job_run(job);
            job = next;
        }
        pthread_mutex_lock(&lazy.lock);
    }
    pthread_mutex_unlock(&lazy.lock);
    return NULL;
}

/* False when the system has no thread to give: the caller frees on the spot. */
static bool thread_start(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    lazy.stop = false;
    lazy.running = pthread_create(&lazy.thread, NULL, lazy_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return lazy.running;
}

static void queue_add(struct job job, size_t objects)
{
    atomic_fetch_add(&lazy.pending, objects);
    struct job *copy = mem_alloc(sizeof(*copy));
    *copy = job;
    copy->next = NULL;
    if (!lazy.running && !thread_start()) {
        job_run(copy);
        return;
    }
    pthread_mutex_lock(&lazy.lock);
    bool was_empty = !lazy.first;
    if (was_empty) lazy.last = &lazy.first;
    *lazy.last = copy;
    lazy.last = &copy->next;
    pthread_mutex_unlock(&lazy.lock);
    if (was_empty) pthread_cond_signal(&lazy.wake);
}

void kv_lazyfree_value(struct value v)
{
    const struct type_ops *ops = type_ops_of(v.type);
    if (ops->free_effort && ops->free_effort(v) > KV__LAZY_EFFORT) {
        queue_add((struct job){.value = v}, 1);
    } else {
        ops->free(v);
    }
}

void kv__lazyfree_bytes(char *bytes)
{
    queue_add((struct job){.value = {.type = TYPE_STRING, .enc = ENC_RAW, .ptr = bytes}}, 1);
}

void kv__lazyfree_body(struct table_body *body)
{
    queue_add((struct job){.body = body}, table_body_count(body));
}

size_t kv_lazyfree_pending(void)
{
    return atomic_load(&lazy.pending);
}

uint64_t kv_lazyfree_done(void)
{
    return atomic_load(&lazy.done);
}

void kv_lazyfree_done_reset(void)
{
    atomic_store(&lazy.done, 0);
}

void kv_lazyfree_teardown(void)
{
    if (!lazy.running) return;
    pthread_mutex_lock(&lazy.lock);
    lazy.stop = true;
    pthread_mutex_unlock(&lazy.lock);
    pthread_cond_signal(&lazy.wake);
    pthread_join(lazy.thread, NULL);
    lazy.running = false;
}
