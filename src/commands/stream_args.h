/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the stream commands share: ids as arguments and in replies, looking a stream
 * or a group up, entries in replies. Thread: whoever runs the command.
 */
#ifndef COMMANDS_STREAM_ARGS_H
#define COMMANDS_STREAM_ARGS_H

#include "exec/reply.h"
#include "types/stream.h"

/* Reads "ms" or "ms-seq"; without "-seq" the sequence number is missing_seq. With `auto_seq_out`,
 * "ms-*" is legal and sets it. False if the text is no id. */
bool stream_parse_id(struct view text, uint64_t missing_seq, bool *auto_seq_out,
                     struct stream_id *id_out);

/* An argument that must be an id, "-" and "+" not among them; the error is replied. */
enum status stream_arg_id(struct exec_ctx *ctx, int i, struct stream_id *id_out) MUST_CHECK;

/* An end of an interval: an id, "(" before it for "not this one", "-" or "+". */
enum status stream_arg_start(struct exec_ctx *ctx, int i, struct stream_id *id_out) MUST_CHECK;
enum status stream_arg_end(struct exec_ctx *ctx, int i, struct stream_id *id_out) MUST_CHECK;

/* The stream under argument i, as kv_lookup_read finds it; NULL if there is no key. */
enum status stream_arg_read(struct exec_ctx *ctx, int i, struct stream **s_out) MUST_CHECK;

/* The stream under argument 1 and its group of argument 2's name; if one of them is missing, the
 * error of commands that need both is replied. */
enum status stream_arg_group(struct exec_ctx *ctx, struct stream **s_out,
                             struct stream_group **g_out) MUST_CHECK;

/* "No such key '…' or consumer group '…'" and what follows it. */
enum status stream_reply_no_group(struct exec_ctx *ctx, const struct arg *key,
                                  const struct arg *group, const char *more);

/* "No such consumer group '…' for key name '…'". */
enum status stream_reply_unknown_group(struct exec_ctx *ctx, const struct arg *key,
                                       const struct arg *group);

/* The consumer of that name, seen now; made, with its event, if the group has none. */
struct stream_consumer *stream_consumer_seen(struct exec_ctx *ctx, const struct arg *key,
                                             struct stream_group *g, const struct arg *name);

/* ---- effects: for who has asked effect_instead ---- */

/* The delivery of an id as it is now, in a form of XCLAIM that only sets; `id` as text. One of an
 * entry that is gone ends where it is repeated. */
void stream_emit_pending(struct exec_ctx *ctx, const struct arg *key, const struct stream_group *g,
                         struct view id, const struct stream_pending *p);

/* The same, of an id that isn't text yet. */
void stream_emit_pending_id(struct exec_ctx *ctx, const struct arg *key,
                            const struct stream_group *g, struct stream_id id,
                            const struct stream_pending *p);

/* How far the group has come, by id and by number. */
void stream_emit_group(struct exec_ctx *ctx, const struct arg *key, const struct stream_group *g);

/* A consumer that was made by being named. */
void stream_emit_consumer(struct exec_ctx *ctx, const struct arg *key,
                          const struct stream_group *g, const struct arg *name);

/* ---- replies ---- */

/* An id as a bulk string. */
void stream_reply_id(struct exec_ctx *ctx, struct stream_id id);

/* An entry: its id, and an array of names and values. */
void stream_reply_entry(struct exec_ctx *ctx, struct stream_entry *e);

/* Up to `count` entries (0: all) of a walk as an array. After each, `after` (may be NULL) is called
 * with its id; it mustn't change the stream's entries. */
void stream_reply_walk(struct exec_ctx *ctx, struct stream_walk *w, uint64_t count,
                       void (*after)(void *arg, struct stream_id id), void *arg);

/* The same for an interval. */
void stream_reply_range(struct exec_ctx *ctx, const struct stream *s, struct stream_id from,
                        struct stream_id to, bool reverse, uint64_t count);

#endif
