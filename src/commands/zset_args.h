/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the sorted sets' commands share: how a handler comes to the value under a key
 * and puts it back, the ends of ranges as arguments, members in a reply. Thread: whoever runs the
 * command.
 */
#ifndef COMMANDS_ZSET_ARGS_H
#define COMMANDS_ZSET_ARGS_H

#include "exec/exec.h"
#include "types/zset.h"

/* The sorted set under argument i for reading; *found_out says whether there is one. */
enum status zset_open_read(struct exec_ctx *ctx, int i, struct value *v_out,
                           bool *found_out) MUST_CHECK;

/* The entry under `key` for a change; NULL if there is none. */
enum status zset_open_write(struct exec_ctx *ctx, struct arg *key,
                            struct kv_entry **e_out) MUST_CHECK;

/* Writes back a value from which `removed` members were taken, with what follows: touch, event,
 * and the key's end if none is left. */
void zset_store_removed(struct exec_ctx *ctx, struct arg *key, struct kv_entry *e,
                        struct value v, const char *event, uint64_t removed);

/* Makes `result` the value of the key, or deletes the key if it is empty, and replies the length.
 * Takes the result. */
void zset_store_result(struct exec_ctx *ctx, struct arg *key, struct value result,
                       const char *event);

/* The ends of a range by score or by member, from arguments min_at and max_at. */
enum status zset_range_args(struct exec_ctx *ctx, enum zset_range_by by, int min_at, int max_at,
                            struct zset_range *out) MUST_CHECK;

/* Turns indexes as in ZRANGE, from the end when negative, into a span of ranks. */
struct zset_span zset_span_of_indexes(size_t length, int64_t start, int64_t stop);

/* Members for a reply, `ctx` being an exec_ctx: the member alone; member and score in a row; both
 * as an array of their own. */
void zset_reply_member(void *ctx, struct view member, double score);
void zset_reply_flat(void *ctx, struct view member, double score);
void zset_reply_pair(void *ctx, struct view member, double score);

/* The head of an array of n members and the visitor for them: with scores, RESP3 has an array for
 * each. */
zset_visit_fn *zset_reply_head(struct exec_ctx *ctx, size_t n, bool with_scores);

#endif
