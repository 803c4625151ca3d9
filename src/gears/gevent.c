/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of events; see gevent.h. What passes between the two ends are two words of a chunk, how
 * much of it is used and which one follows, and two counters.
 */
#include "gears/gevent.h"

/* Chunks grow with what waits, for most registrations never have much of that. */
#define CHUNK_MIN ((size_t)4 * 1024 - 64)
#define CHUNK_MAX ((size_t)64 * 1024 - 64)
/* A payload beyond it is a block of its own, so that it goes when it is done with. */
#define INSIDE_MAX ((size_t)8 * 1024)

struct gevent_chunk {
    _Atomic(struct gevent_chunk *) next; /* once set, `used` doesn't change any more */
    _Atomic size_t used;
    size_t cap;
    char data[];
};

static inline size_t padded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static inline struct gevent *event_at(struct gevent_chunk *c, size_t at)
{
    return (struct gevent *)(void *)(c->data + at);
}

static size_t payload_of(const struct gevent *ev)
{
    return ev->origin_count * sizeof(uint64_t) + ev->record_count * sizeof(struct gread_record) +
           ev->part_count * sizeof(struct gread_part) + ev->bytes_len;
}

/* As it is counted. */
static inline size_t size_of(const struct gevent *ev)
{
    return ev->size + (ev->has_outside ? payload_of(ev) : 0);
}

/* ---- appending ---- */

/* A chunk with room. */
static struct gevent_chunk *chunk_for(struct gevent_queue *q, size_t size)
{
    struct gevent_chunk *c = q->last;
    if (c && c->cap - atomic_load_explicit(&c->used, memory_order_relaxed) >= size) return c;
    size_t cap = MAX(MIN(MAX(gevent_bytes(q), CHUNK_MIN), CHUNK_MAX), size);
    c = mem_alloc(sizeof(*c) + cap);
    atomic_init(&c->next, NULL);
    atomic_init(&c->used, 0);
    c->cap = cap;
    return c;
}

static inline char *put(char *to, const void *from, size_t len)
{
    if (len) memcpy(to, from, len);
    return to + len;
}

static void fill(struct gevent *ev, size_t size, char *take_outside, const struct gevent_new *e)
{
    const struct gread_batch *b = e->values;
    *ev = (struct gevent){.size = size,
                          .outside = take_outside,
                          .state = e->exec ? GEVENT_CLAIMED : GEVENT_WAITS,
                          .exec = e->exec,
                          .depth = (uint8_t)e->depth,
                          .has_outside = take_outside != NULL,
                          .origin_count = (uint16_t)e->origin_count,
                          .number = e->number,
                          .name = e->name,
                          .record_count = b ? b->count : 0,
                          .part_count = b ? b->part_count : 0,
                          .bytes_len = b ? b->bytes.len : e->key.len,
                          .key_len = e->key.len};
    char *to = take_outside ? take_outside : (char *)(ev + 1);
    to = put(to, e->origins, e->origin_count * sizeof(*e->origins));
    if (b) {
        to = put(to, b->records, b->count * sizeof(*b->records));
        to = put(to, b->parts, b->part_count * sizeof(*b->parts));
        put(to, b->bytes.ptr, b->bytes.len);
    } else {
        put(to, e->key.ptr, e->key.len);
    }
}

void gevent_push(struct gevent_queue *q, const struct gevent_new *e)
{
    const struct gread_batch *b = e->values;
    size_t payload = e->origin_count * sizeof(*e->origins) +
                     (b ? b->count * sizeof(*b->records) + b->part_count * sizeof(*b->parts) +
                              b->bytes.len
                        : e->key.len);
    char *outside = payload > INSIDE_MAX ? mem_alloc(payload) : NULL;
    size_t size = padded(sizeof(struct gevent) + (outside ? 0 : payload));
    struct gevent_chunk *c = chunk_for(q, size);
    size_t at = atomic_load_explicit(&c->used, memory_order_relaxed);
    fill(event_at(c, at), size, outside, e);
    atomic_store_explicit(&c->used, at + size, memory_order_release);
    if (unlikely(c != q->last)) {
        if (q->last)
            atomic_store_explicit(&q->last->next, c, memory_order_release);
        else
            q->first = c; /* seen by the worker through `pushed` */
        q->last = c;
    }
    uint64_t bytes = atomic_load_explicit(&q->pushed_bytes, memory_order_relaxed);
    atomic_store_explicit(&q->pushed_bytes, bytes + size + (outside ? payload : 0),
                          memory_order_relaxed);
    uint64_t pushed = atomic_load_explicit(&q->pushed, memory_order_relaxed);
    atomic_store(&q->pushed, pushed + 1); /* before the look at whether the worker comes */
}

/* ---- taking ---- */

/* The chunk in which the next event is, at q->at; NULL if there's none. */
static struct gevent_chunk *chunk_at(struct gevent_queue *q, pthread_mutex_t *mutex)
{
    for (;;) {
        struct gevent_chunk *c = q->first;
        if (q->at < atomic_load_explicit(&c->used, memory_order_acquire)) return c;
        struct gevent_chunk *next = atomic_load_explicit(&c->next, memory_order_acquire);
        if (!next) return NULL;
        /* It may have been used further before the next one came. */
        if (q->at < atomic_load_explicit(&c->used, memory_order_acquire)) return c;
        pthread_mutex_lock(mutex);
        q->first = next;
        q->at = 0;
        pthread_mutex_unlock(mutex);
        mem_free(c);
    }
}

/* False: it was dropped. */
static bool take(struct gevent *ev, pthread_mutex_t *mutex)
{
    uint32_t waits = GEVENT_WAITS;
    if (likely(atomic_compare_exchange_strong_explicit(
            &ev->state, &waits, GEVENT_TAKEN, memory_order_acq_rel, memory_order_acquire)))
        return true;
    pthread_mutex_lock(mutex);
    bool claimed = atomic_load(&ev->state) == GEVENT_CLAIMED;
    atomic_store(&ev->state, GEVENT_TAKEN);
    pthread_mutex_unlock(mutex);
    return claimed;
}

struct gevent *gevent_next(struct gevent_queue *q, pthread_mutex_t *mutex)
{
    for (;;) {
        uint64_t taken = atomic_load_explicit(&q->taken, memory_order_relaxed);
        if (unlikely(q->outside)) {
            mem_free(q->outside);
            q->outside = NULL;
        }
        if (atomic_load_explicit(&q->pushed, memory_order_acquire) == taken) return NULL;
        struct gevent_chunk *c = chunk_at(q, mutex);
        struct gevent *ev = event_at(c, q->at);
        q->at += ev->size;
        uint64_t bytes = atomic_load_explicit(&q->taken_bytes, memory_order_relaxed);
        atomic_store_explicit(&q->taken_bytes, bytes + size_of(ev), memory_order_relaxed);
        bool mine = take(ev, mutex);
        if (unlikely(mine && ev->outside)) q->outside = ev->outside;
        atomic_store_explicit(&q->taken, taken + 1, memory_order_release);
        if (likely(mine)) return ev;
    }
}

void gevent_batch(const struct gevent *e, struct gread_batch *out)
{
    /* Borrowed: what a batch may do to its arrays, nobody does to this one. */
    char *at = (char *)(uintptr_t)(gevent_origins(e) + e->origin_count);
    *out = (struct gread_batch){.count = e->record_count, .part_count = e->part_count};
    out->records = (struct gread_record *)(void *)at;
    at += e->record_count * sizeof(struct gread_record);
    out->parts = (struct gread_part *)(void *)at;
    at += e->part_count * sizeof(struct gread_part);
    out->bytes = (struct buf){.ptr = at, .len = e->bytes_len, .cap = e->bytes_len};
}

/* ---- others, under the mutex ---- */

/* Calls fn for each event until it says so. */
static void walk(const struct gevent_queue *q, bool (*fn)(void *ctx, struct gevent *ev), void *ctx)
{
    struct gevent_chunk *c = atomic_load(&q->pushed) ? q->first : NULL;
    for (; c; c = atomic_load_explicit(&c->next, memory_order_acquire)) {
        size_t used = atomic_load_explicit(&c->used, memory_order_acquire);
        for (size_t at = 0; at < used; at += event_at(c, at)->size)
            if (fn(ctx, event_at(c, at))) return;
    }
}

struct look {
    uint64_t number;
    struct gexec *exec;
    bool found;
};

static bool look_at(void *ctx, struct gevent *ev)
{
    struct look *l = ctx;
    uint32_t waits = GEVENT_WAITS;
    if (ev->number != l->number) return false;
    if (!l->exec) {
        l->found = atomic_load(&ev->state) == GEVENT_WAITS;
        return true;
    }
    l->found = atomic_compare_exchange_strong(&ev->state, &waits, GEVENT_CLAIMED);
    if (l->found) ev->exec = l->exec; /* the worker reads it under the mutex */
    return true;
}

bool gevent_claim(struct gevent_queue *q, uint64_t number, struct gexec *exec)
{
    struct look l = {.number = number, .exec = exec};
    walk(q, look_at, &l);
    return l.found;
}

bool gevent_has(const struct gevent_queue *q, uint64_t number)
{
    struct look l = {.number = number};
    walk(q, look_at, &l);
    return l.found;
}

struct drop {
    gevent_dropped_fn *fn;
    void *ctx;
};

static void drop_outside(struct gevent *ev)
{
    mem_free(ev->outside);
    ev->outside = NULL;
}

static bool drop_one(void *ctx, struct gevent *ev)
{
    struct drop *d = ctx;
    uint32_t state = GEVENT_WAITS;
    if (!atomic_compare_exchange_strong(&ev->state, &state, GEVENT_DROPPED)) {
        if (state != GEVENT_CLAIMED) return false;
        atomic_store(&ev->state, GEVENT_DROPPED);
    }
    d->fn(d->ctx, ev->number, ev->exec);
    ev->exec = NULL;
    drop_outside(ev);
    return false;
}

void gevent_drop_all(struct gevent_queue *q, gevent_dropped_fn *fn, void *ctx)
{
    struct drop d = {.fn = fn, .ctx = ctx};
    walk(q, drop_one, &d);
}

struct each {
    void (*fn)(void *ctx, uint64_t number);
    void *ctx;
};

static bool each_one(void *ctx, struct gevent *ev)
{
    const struct each *e = ctx;
    if (atomic_load(&ev->state) == GEVENT_WAITS) e->fn(e->ctx, ev->number);
    return false;
}

void gevent_each(const struct gevent_queue *q, void (*fn)(void *ctx, uint64_t number), void *ctx)
{
    struct each e = {fn, ctx};
    walk(q, each_one, &e);
}

void gevent_release(struct gevent_queue *q, gevent_dropped_fn *fn)
{
    struct drop d = {.fn = fn};
    walk(q, drop_one, &d);
    mem_free(q->outside);
    struct gevent_chunk *c = atomic_load(&q->pushed) ? q->first : NULL;
    for (struct gevent_chunk *next; c; c = next) {
        next = atomic_load(&c->next);
        mem_free(c);
    }
}
