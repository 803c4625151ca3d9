/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value type set: distinct members.
 *
 *   ENC_INTSET      ptr is an intset (ds/intset.h): while all members are integers as
 *                   num_format_i64 prints them, and no more than type_limits.set_max_intset_entries
 *   ENC_HASHTABLE   ptr is the body of a main table (ds/table.h) whose entries are one allocation
 *                   a member; NULL while it is empty
 *
 * Only set_pop of nearly all members may bring a set back to an intset, as in stock. Functions
 * that take `struct value *` may change encoding and pointer: the owner stores the value back
 * afterwards. A view handed out is borrowed until the set changes. Members that come in must not
 * lie within the set itself.
 *
 * The holder of the data token; free and length also for whoever owns the value.
 */
#ifndef TYPES_SET_H
#define TYPES_SET_H

#include "base/arg.h"
#include "ds/table.h"
#include "types/value.h"

/* Called for a member, borrowed during the call. It must not change the set. */
typedef void set_visit_fn(void *ctx, struct view member);

/* An empty set. */
struct value set_new(void);

static inline size_t set_length(struct value v)
{
    return set_type_ops.length(v);
}

/* Whether there is such a member. */
bool set_contains(struct value v, struct arg *member);

/* Adds a member; false if it was there. */
bool set_add(struct value *v, struct arg *member);

/* Removes a member; false if there was none. The set may be empty afterwards. */
bool set_remove(struct value *v, struct arg *member);

/* All members, in the order of the encoding. */
void set_each(struct value v, set_visit_fn *fn, void *ctx);

/* One step of SSCAN: at least `count` members or ten times as many buckets, and the next cursor,
 * 0 at the end. An intset comes whole, whatever the cursor. The guarantee is that of table_scan. */
uint64_t set_scan(struct value v, uint64_t cursor, size_t count, set_visit_fn *fn, void *ctx);

/* `count` random members with replacement. The set must not be empty. O(count). */
void set_draw(struct value v, size_t count, set_visit_fn *fn, void *ctx);

/* `count` distinct random members, all of them if there are fewer; each subset is as likely as
 * any other, their order isn't random. O(count), or O(n) with more than a third of them. */
void set_pick(struct value v, size_t count, set_visit_fn *fn, void *ctx);

/* As set_pick, and takes the members out: `fn` is called for each before it is gone. O(count),
 * or O(n) if less than a fifth as many as are taken remain, or, from an intset, more than a few
 * are taken. */
void set_pop(struct value *v, size_t count, set_visit_fn *fn, void *ctx);

#endif
