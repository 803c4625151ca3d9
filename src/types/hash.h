/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value type hash: fields with values.
 *
 *   ENC_LISTPACK    ptr is a listpack of field, value, field, value …; the order is that of
 *                   insertion. While no more than type_limits.hash_max_listpack_entries fields
 *                   are there and none of their texts is longer than hash_max_listpack_value.
 *   ENC_HASHTABLE   ptr is the body of a main table (ds/table.h) whose entries are one allocation
 *                   for field and value; NULL while it is empty
 *
 * A hash never goes back to a listpack, as in stock. Functions that take `struct value *` may
 * change encoding and pointer: the owner stores the value back afterwards. A view handed out is
 * borrowed until the hash changes. Texts that come in must not lie within the hash itself.
 *
 * The holder of the data token; free and length also for whoever owns the value.
 */
#ifndef TYPES_HASH_H
#define TYPES_HASH_H

#include "base/arg.h"
#include "base/num.h"
#include "ds/table.h"
#include "types/value.h"

/* Called for a field and its value, both borrowed during the call. It must not change the hash. */
typedef void hash_visit_fn(void *ctx, struct view field, struct view value);

/* An empty hash. */
struct value hash_new(void);

static inline size_t hash_length(struct value v)
{
    return hash_type_ops.length(v);
}

/* The value of a field; false if there is none. Integers of a listpack are printed into buf. */
bool hash_get(struct value v, struct arg *field, char buf[static NUM_I64_LEN],
              struct view *value_out);

/* Whether there is such a field. */
bool hash_contains(struct value v, struct arg *field);

/* Gives a field a value; true if the field is new. */
bool hash_set(struct value *v, struct arg *field, struct view value);

/* Removes a field; false if there was none. The hash may be empty afterwards. */
bool hash_remove(struct value *v, struct arg *field);

/* Whether one of the texts is too long for a listpack, or all of them together are: then turns
 * the hash into a table at once rather than in the middle of the command. */
void hash_prepare(struct value *v, const struct arg *texts, size_t count);

/* All fields, in the order of the encoding. */
void hash_each(struct value v, hash_visit_fn *fn, void *ctx);

/* One step of HSCAN: at least `count` fields or ten times as many buckets, and the next cursor, 0
 * at the end. A listpack comes whole, whatever the cursor. The guarantee is that of table_scan. */
uint64_t hash_scan(struct value v, uint64_t cursor, size_t count, hash_visit_fn *fn, void *ctx);

/* `count` random fields with replacement. The hash must not be empty. O(count), and for a
 * listpack O(n) more. */
void hash_draw(struct value v, size_t count, hash_visit_fn *fn, void *ctx);

/* `count` distinct random fields, all of them if there are fewer; each subset is as likely as any
 * other, their order isn't random. O(count), or O(n) with more than a third of them. */
void hash_pick(struct value v, size_t count, hash_visit_fn *fn, void *ctx);

#endif
