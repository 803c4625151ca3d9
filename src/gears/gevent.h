/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events that wait for a registration's worker: a queue of records in chunks, from whoever holds
 * the data token to one worker at a time.
 *
 * At hundreds of thousands of events a second an execution with its lists, locks and allocations
 * for each of them would cost more than the commands that cause them. So an event is a run of bytes
 * behind the last one, and a push is a copy and a store, without a lock that the worker takes, too.
 * Its execution's number is all that it has of one; the execution itself is made when a worker
 * comes to it, or when somebody asks for it before that (gevent_claim).
 *
 *   WAITS --gevent_next--> TAKEN          (with an execution from the beginning: CLAIMED)
 *     |
 *     +--gevent_claim, by somebody who asks--> CLAIMED --gevent_next--> TAKEN, with its execution
 *     +--gevent_drop_all--> DROPPED --gevent_next--> passed over
 *
 *   event  = struct gevent, payload; a large payload is a block of its own
 *   payload = numbers of the registrations that led to it, records, parts, bytes
 *
 * The last three are those of a gread_batch, which is put together again when the event is taken
 * (gevent_batch). Bytes begin with the key. Record 0 is the key as it was at the event, if the plan
 * wants values; record 1 as it was before.
 *
 * Invariants: E1 only the holder of the token appends, only the worker takes. E2 a chunk goes, and
 * a state leaves WAITS by another's hand, under the registration's mutex. E3 what is taken is valid
 * until the next gevent_next.
 */
#ifndef GEARS_GEVENT_H
#define GEARS_GEVENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gears/gread.h"

struct gexec;
struct gevent_chunk;

enum gevent_state { GEVENT_WAITS, GEVENT_TAKEN, GEVENT_CLAIMED, GEVENT_DROPPED };

struct gevent {
    size_t size; /* of what is in the chunk */
    char *outside; /* the payload, if it isn't behind this; the worker's after it is taken */
    _Atomic uint32_t state;
    bool has_outside;
    uint8_t depth;
    uint16_t origin_count;
    uint64_t number; /* its execution's */
    const char *name; /* static text */
    struct gexec *exec; /* CLAIMED: a reference */
    size_t record_count, part_count, bytes_len, key_len;
};

struct gevent_queue {
    /* Who appends; guard: the token. */
    struct gevent_chunk *last;
    _Atomic uint64_t pushed, pushed_bytes; /* written under the token, read anywhere */
    char apart[64]; /* the two ends in cache lines of their own */
    /* The worker. */
    struct gevent_chunk *first; /* guard of changes: the registration's mutex */
    size_t at;
    char *outside; /* of the event taken last */
    _Atomic uint64_t taken, taken_bytes; /* written by the worker, read anywhere */
};

/* An event to be appended; all is copied. */
struct gevent_new {
    const char *name;
    struct view key;
    uint64_t number;
    unsigned depth;
    const uint64_t *origins;
    size_t origin_count;
    const struct gread_batch *values; /* NULL: none */
    struct gexec *exec; /* a reference, taken; NULL: it is made later */
};

/* Appends an event. Under the token. */
void gevent_push(struct gevent_queue *q, const struct gevent_new *e);

/* How many wait, and the bytes they take; dropped ones count until the worker has passed them. Any
 * thread. */
static inline uint64_t gevent_waiting(const struct gevent_queue *q)
{
    uint64_t taken = atomic_load(&q->taken);
    return atomic_load(&q->pushed) - taken;
}

static inline uint64_t gevent_bytes(const struct gevent_queue *q)
{
    uint64_t taken = atomic_load(&q->taken_bytes);
    return atomic_load(&q->pushed_bytes) - taken;
}

/* The next event, or NULL if there is none. If somebody asked for it, its `exec` is a reference,
 * now the caller's. The worker. */
struct gevent *gevent_next(struct gevent_queue *q, pthread_mutex_t *mutex);

/* The parts of an event. */
static inline const uint64_t *gevent_origins(const struct gevent *e)
{
    return (const uint64_t *)(const void *)(e->outside ? e->outside : (const char *)(e + 1));
}
/* A batch that borrows from the event. */
void gevent_batch(const struct gevent *e, struct gread_batch *out);
static inline struct view gevent_key(const struct gevent *e)
{
    const char *end = (const char *)(gevent_origins(e) + e->origin_count);
    return view_of(end + e->record_count * sizeof(struct gread_record) +
                       e->part_count * sizeof(struct gread_part),
                   e->key_len);
}

/* Gives the event of this number the execution, if it waits; takes a reference then. False: it is
 * somewhere else. Under the mutex. */
bool gevent_claim(struct gevent_queue *q, uint64_t number, struct gexec *exec);

/* It waits, and nobody has asked for it. Under the mutex. */
bool gevent_has(const struct gevent_queue *q, uint64_t number);

/* An event has been dropped; its execution, with the reference, if it has one. */
typedef void gevent_dropped_fn(void *ctx, uint64_t number, struct gexec *take_e);

/* Drops all that wait, and calls fn for each. Under the mutex. */
void gevent_drop_all(struct gevent_queue *q, gevent_dropped_fn *fn, void *ctx);

/* Calls fn for each that waits and has no execution yet. Under the mutex. */
void gevent_each(const struct gevent_queue *q, void (*fn)(void *ctx, uint64_t number), void *ctx);

/* Frees the chunks: nobody appends or takes any more. What is left is dropped. */
void gevent_release(struct gevent_queue *q, gevent_dropped_fn *fn);

#endif
