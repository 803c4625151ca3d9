/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gbacklog.h. Worker and main look at each other's word: main notes a held client, then looks
 * at the counter; the worker counts, then looks whether clients are held. So at least one of them
 * sees that it is time to let them go.
 */
#include "gears/gbacklog.h"

#include "exec/client.h"
#include "exec/stall.h"
#include "gears/gconf.h"
#include "gears/greg_impl.h"

static struct {
    pthread_mutex_t mutex; /* guards the list */
    struct greg *list;
    _Atomic uint64_t events_max, bytes_max;
} backlog = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .events_max = UINT64_MAX, .bytes_max = UINT64_MAX};

/* ---- who lives ---- */

void gbacklog_add(struct greg *g)
{
    pthread_mutex_lock(&backlog.mutex);
    g->next_live = backlog.list;
    if (g->next_live) g->next_live->prev_live = g;
    backlog.list = g;
    pthread_mutex_unlock(&backlog.mutex);
}

void gbacklog_remove(struct greg *g)
{
    pthread_mutex_lock(&backlog.mutex);
    if (g->prev_live) g->prev_live->next_live = g->next_live;
    else backlog.list = g->next_live;
    if (g->next_live) g->next_live->prev_live = g->prev_live;
    pthread_mutex_unlock(&backlog.mutex);
}

/* ---- clients that are held ---- */

bool gbacklog_is_full(const struct greg *g)
{
    return gevent_waiting(&g->queue) >=
               atomic_load_explicit(&backlog.events_max, memory_order_relaxed) ||
           gevent_bytes(&g->queue) >=
               atomic_load_explicit(&backlog.bytes_max, memory_order_relaxed);
}

static uint64_t low_of(uint64_t max)
{
    return max - MAX(max / 4, (uint64_t)1);
}

static bool is_low(const struct greg *g)
{
    return gevent_waiting(&g->queue) <= low_of(atomic_load(&backlog.events_max)) &&
           gevent_bytes(&g->queue) <= low_of(atomic_load(&backlog.bytes_max));
}

/* A post: main, under the token, between commands. */
static void release(void *ctx)
{
    struct greg *g = ctx;
    atomic_store(&g->release_posted, false);
    atomic_store(&g->holds, false);
    for (size_t i = 0; i < g->held_count; i++) client_go_on(g->held[i]);
    mem_free(g->held);
    g->held = NULL;
    g->held_count = g->held_cap = 0;
    greg__unref(g);
}

static void post_release(struct greg *g)
{
    if (atomic_exchange(&g->release_posted, true)) return;
    greg__ref(g);
    exec_post(release, g);
}

static void release_if_low(struct greg *g)
{
    if (is_low(g)) post_release(g);
}

void gbacklog_let_go(struct greg *g)
{
    if (g->held_count) post_release(g);
}

void gbacklog_hold(struct greg *g)
{
    struct client *c = client_running();
    if (!c) return;
    uint64_t id = client_id(c);
    if (g->held_count && g->held[g->held_count - 1] == id) return; /* by the same command */
    if (g->held_count == g->held_cap) {
        g->held_cap = g->held_cap ? g->held_cap * 2 : 16;
        g->held = mem_realloc(g->held, g->held_cap * sizeof(*g->held));
    }
    g->held[g->held_count++] = id;
    client_stall(c);
    atomic_store(&g->holds, true);
    release_if_low(g);
}

void gbacklog_check(struct greg *g)
{
    if (unlikely(atomic_load_explicit(&g->holds, memory_order_relaxed))) release_if_low(g);
}

void gbacklog_limits(uint64_t events, uint64_t bytes)
{
    atomic_store(&backlog.events_max, events);
    atomic_store(&backlog.bytes_max, bytes);
    pthread_mutex_lock(&backlog.mutex);
    for (struct greg *g = backlog.list; g; g = g->next_live) gbacklog_check(g);
    pthread_mutex_unlock(&backlog.mutex);
}

/* ---- those who ask ---- */

/* The registration with this event, a reference. */
static struct greg *owner_of(uint64_t number)
{
    struct greg *found = NULL;
    pthread_mutex_lock(&backlog.mutex);
    for (struct greg *g = backlog.list; g && !found; g = g->next_live) {
        if (!gevent_waiting(&g->queue)) continue;
        pthread_mutex_lock(&g->mutex);
        if (gevent_has(&g->queue, number)) found = g;
        pthread_mutex_unlock(&g->mutex);
    }
    if (found) greg__ref(found); /* it has an event, and so a worker's reference */
    pthread_mutex_unlock(&backlog.mutex);
    return found;
}

struct gexec *gbacklog_find(struct view id)
{
    uint64_t number;
    if (!grun_parse_id(id, &number)) return NULL;
    struct greg *g = owner_of(number);
    if (!g) return NULL;
    struct gexec_limits limits;
    grun_limits_of(g->plan, &limits);
    struct gexec *e = grun_exec_of_event(g->plan, number, &limits);
    grun_list(e);
    grun_exec_ref(e); /* the event's */
    pthread_mutex_lock(&g->mutex);
    bool claimed = gevent_claim(&g->queue, number, e);
    pthread_mutex_unlock(&g->mutex);
    greg__unref(g);
    if (claimed) return e;
    grun_unlist(e);
    grun_exec_unref(e);
    grun_exec_unref(e);
    return grun_find(id); /* a worker has begun with it meanwhile */
}

/* What such an execution would be. */
struct look {
    void (*fn)(void *ctx, const struct gexec *e);
    void *ctx;
    struct gexec exec;
};

static void look_at(void *ctx, uint64_t number)
{
    struct look *l = ctx;
    l->exec.number = number;
    l->fn(l->ctx, &l->exec);
}

void gbacklog_each(void (*fn)(void *ctx, const struct gexec *e), void *ctx)
{
    struct look l = {.fn = fn, .ctx = ctx, .exec = {.registered = true}};
    pthread_mutex_lock(&backlog.mutex);
    for (struct greg *g = backlog.list; g; g = g->next_live) {
        if (!gevent_waiting(&g->queue)) continue;
        l.exec.plan = g->plan;
        pthread_mutex_lock(&g->mutex);
        gevent_each(&g->queue, look_at, &l);
        pthread_mutex_unlock(&g->mutex);
    }
    pthread_mutex_unlock(&backlog.mutex);
}

struct gbacklog_stats gbacklog_stats(void)
{
    struct gbacklog_stats s = {0};
    pthread_mutex_lock(&backlog.mutex);
    for (struct greg *g = backlog.list; g; g = g->next_live) {
        s.events += gevent_waiting(&g->queue);
        s.bytes += gevent_bytes(&g->queue);
    }
    pthread_mutex_unlock(&backlog.mutex);
    return s;
}
