/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a registration remembers of its executions: counts, times, the last error, and the last
 * executions themselves, for people to look at. Any thread; see greg_impl.h.
 */
#include "gears/gconf.h"
#include "gears/gpause.h"
#include "gears/greg_impl.h"

/* The text of the first error of an ended execution. */
struct view greg__first_error(const struct gexec *e)
{
    struct tape_node node;
    size_t pos = 0;
    if (e->errors.count == 0 || !tape_next(&e->errors.tape, &pos, &node)) return VIEW_LIT("");
    return node.u.bytes;
}

/* Under the mutex. */
static void set_error(struct greg *g, struct view text)
{
    mem_free(g->last_error);
    g->last_error = mem_dup(text.ptr, text.len);
    g->last_error_len = text.len;
    g->error_until = 0;
}

/* A later success clears the error; one of an execution that led to it, such as the last but one of
 * a chain without end, isn't later. */
static void clear_error(struct greg *g)
{
    if (likely(!g->last_error) || g->succeeded + g->failed + g->aborted <= g->error_until) return;
    mem_free(g->last_error);
    g->last_error = NULL;
}

/* Keeps an ended execution; returns those that are too many, as a chain of the ring's owner. */
static struct gexec *keep(struct greg *g, struct gexec *e, size_t limit)
{
    if (g->kept_count == g->kept_cap) {
        size_t cap = g->kept_cap ? g->kept_cap * 2 : 16;
        struct gexec **ring = mem_alloc(sizeof(*ring) * cap);
        for (size_t i = 0; i < g->kept_count; i++)
            ring[i] = g->kept[(g->kept_first + i) % g->kept_cap];
        mem_free(g->kept);
        g->kept = ring;
        g->kept_cap = cap;
        g->kept_first = 0;
    }
    g->kept[(g->kept_first + g->kept_count++) % g->kept_cap] = grun_exec_ref(e);
    struct gexec *too_many = NULL;
    while (g->kept_count > limit) {
        struct gexec *oldest = g->kept[g->kept_first];
        g->kept_first = (g->kept_first + 1) % g->kept_cap;
        g->kept_count--;
        if (likely(!too_many)) { /* but where the limit has been lowered */
            too_many = oldest;
            continue;
        }
        grun_unlist(oldest);
        grun_exec_unref(oldest);
    }
    return too_many;
}

/* Counts; returns the one that is too many of those kept, with its reference, or NULL. */
static struct gexec *note_end(struct greg *g, struct gexec *e, size_t limit)
{
    pthread_mutex_lock(&g->mutex);
    bool aborted = grun_status(e) == GEXEC_ABORTED;
    if (aborted) {
        g->aborted++;
    } else if (e->errors.count) {
        g->failed++;
        set_error(g, greg__first_error(e));
    } else {
        g->succeeded++;
        clear_error(g);
    }
    if (!aborted && !g->stream) gpause__note(g, e->errors.count > 0);
    g->last_us = e->total_us;
    g->total_us += e->total_us;
    struct gexec *oldest = limit ? keep(g, e, limit) : NULL;
    pthread_mutex_unlock(&g->mutex);
    return oldest;
}

/* Forgets an ended execution, which a later one may replace in its place. */
static void forget(struct greg *g, struct gexec *take_e)
{
    grun_unlist(take_e);
    if (g->spare || !grun_exec_is_small(take_e)) grun_exec_unref(take_e);
    else g->spare = take_e;
}

/* As note_end, without a place for a later one. Of triggers none are kept: their callers have the
 * results. */
void greg__note_end(struct greg *g, struct gexec *e)
{
    size_t limit = g->plan->reader == GREADER_COMMAND ? 0 : gconf_max_per_registration();
    struct gexec *oldest = note_end(g, e, limit);
    if (!limit) grun_unlist(e);
    if (!oldest) return;
    grun_unlist(oldest);
    grun_exec_unref(oldest);
}

/* The execution of an event that is to run now; `limits` as they were for this turn. */
struct gexec *greg__next_exec(struct greg *g, uint64_t number, const struct gexec_limits *limits)
{
    struct gexec *e = g->spare;
    g->spare = NULL;
    if (e && grun_exec_reuse(e, number, limits)) return e;
    grun_exec_unref(e);
    return grun_exec_of_event(g->plan, number, limits);
}

void greg__event_counted(struct greg *g, struct gexec *e, size_t max_kept)
{
    struct gexec *oldest = note_end(g, e, max_kept);
    if (oldest) forget(g, oldest);
    if (unlikely(!max_kept)) grun_unlist(e);
}

void greg__note_failure(struct greg *g, struct view text)
{
    pthread_mutex_lock(&g->mutex);
    g->failed++;
    set_error(g, text);
    g->error_until = atomic_load(&g->triggered);
    pthread_mutex_unlock(&g->mutex);
}

void greg__set_error(struct greg *g, struct view text)
{
    pthread_mutex_lock(&g->mutex);
    set_error(g, text);
    pthread_mutex_unlock(&g->mutex);
}

void greg__aborted(struct greg *g, uint64_t count)
{
    pthread_mutex_lock(&g->mutex);
    g->aborted += count;
    pthread_mutex_unlock(&g->mutex);
}

void greg__triggered(struct greg *g)
{
    uint64_t before = atomic_load_explicit(&g->triggered, memory_order_relaxed);
    atomic_store_explicit(&g->triggered, before + 1, memory_order_relaxed);
}

bool greg__in_flight(struct greg *g)
{
    pthread_mutex_lock(&g->mutex);
    bool yes = atomic_load(&g->triggered) > g->succeeded + g->failed + g->aborted;
    pthread_mutex_unlock(&g->mutex);
    return yes;
}
