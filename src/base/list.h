/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A doubly linked list of nodes that stand inside their owners. A head and an unlinked node point
 * at themselves, so unlinking twice is harmless. No allocation, no thread safety.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/macros.h"

struct list_node {
    struct list_node *prev, *next;
};

static inline void list_init(struct list_node *n)
{
    n->prev = n->next = n;
}

static inline bool list_is_linked(const struct list_node *n)
{
    return n->next != n;
}

/* Puts n at the end of the list. */
static inline void list_push(struct list_node *head, struct list_node *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline void list_unlink(struct list_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* The first node, unlinked, or NULL. */
static inline struct list_node *list_pop(struct list_node *head)
{
    struct list_node *n = head->next;
    if (n == head) return NULL;
    list_unlink(n);
    return n;
}

/* Walks the list; the current node may be unlinked by the body. */
#define LIST_EACH(head, n)                                                                         \
    for (struct list_node *n = (head)->next, *n##_next = n->next; n != (head);                     \
         n = n##_next, n##_next = n->next)

#endif
