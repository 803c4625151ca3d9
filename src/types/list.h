/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value type list: strings in an order of their own. One encoding, ENC_QUICKLIST: ptr is a
 * `struct quicklist` (ds/quicklist.h), made under the limits of that moment, which it keeps.
 *
 * The functions of ds/quicklist.h are used on list_of(v); they never change v itself. What is here
 * is what commands say about lists and a quicklist doesn't know: indexes from the end, and ranges.
 *
 * The holder of the data token; free and length also for whoever owns the value.
 */
#ifndef TYPES_LIST_H
#define TYPES_LIST_H

#include "ds/quicklist.h"
#include "types/value.h"

/* An empty list. */
struct value list_new(void);

static inline struct quicklist *list_of(struct value v)
{
    return v.ptr;
}

static inline size_t list_length(struct value v)
{
    return quicklist_count(v.ptr);
}

/* Turns an index that may count from the end (-1 is the last) into one from 0; false if there is
 * no such element. Any int64 is legal. */
bool list_index(struct value v, int64_t index, size_t *index_out);

/* The stretch from `start` to `stop`, both included, both possibly counted from the end, cut to
 * what is there: *count_out may be 0. Any int64 is legal. */
void list_range(struct value v, int64_t start, int64_t stop, size_t *start_out,
                size_t *count_out);

#endif
