/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The consumer's side of the queue; see mpsc.h. Turning the stack round costs one more touch of
 * each node, which the consumer is about to touch anyway. The consumer's thread only.
 */
#include "base/mpsc.h"

struct mpsc_node *mpsc_take_all(struct mpsc *queue)
{
    if (mpsc_is_empty(queue)) return NULL; /* spares the cache line its exclusive owner */
    struct mpsc_node *newest = atomic_exchange_explicit(&queue->top, NULL, memory_order_acq_rel);
    struct mpsc_node *oldest = NULL;
    while (newest) {
        struct mpsc_node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
