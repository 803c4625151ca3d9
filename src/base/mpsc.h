/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue from many threads to one, without a bound and without locks: nodes lie in the
 * messages. Producers push onto a stack with one compare-and-swap; the consumer takes the whole
 * stack with one exchange and turns it round, so messages arrive in the order of their pushes.
 * A ring would bound the queue and a linked queue would need a stub node; taking all at once is
 * what the consumers here do anyway.
 *
 * What a producer wrote before its push, the consumer sees after its take.
 */
#ifndef BASE_MPSC_H
#define BASE_MPSC_H

#include <stdatomic.h>

#include "base/macros.h"

struct mpsc_node {
    struct mpsc_node *next;
};

/* Zero-initialised is empty. */
struct mpsc {
    _Atomic(struct mpsc_node *) top; /* the latest push */
};

/*
 * Adds a message, which belongs to the consumer from here on. True if the queue was empty: the
 * consumer may be asleep, and exactly this producer has to wake it. Any thread.
 */
static inline bool mpsc_push(struct mpsc *queue, struct mpsc_node *node)
{
    struct mpsc_node *top = atomic_load_explicit(&queue->top, memory_order_relaxed);
    do {
        node->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&queue->top, &top, node, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return top == NULL;
}

/* Whether nothing is queued, at this moment. Any thread. */
static inline bool mpsc_is_empty(const struct mpsc *queue)
{
    return atomic_load_explicit(&queue->top, memory_order_acquire) == NULL;
}

/*
 * Takes everything: a list through `next`, oldest first, NULL if there was nothing. A node's
 * `next` must be read before the message is given away. The consumer only. O(messages).
 */
struct mpsc_node *mpsc_take_all(struct mpsc *queue);

#endif
