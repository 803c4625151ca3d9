/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tape: a reply as typed nodes in one run of bytes, in the order in which a handler gave them.
 * It can be made by one thread and read by another, without the data token and without anything
 * of Python or Lua; reading it back is a walk, not a parse: lengths are binary and every node was
 * written by us.
 *
 *   node   = type (1 byte) payload
 *   INT    int64          DOUBLE double         BOOL 1 byte      NULL, NULL_ARRAY nothing
 *   BULK, STATUS, ERROR, BIGNUM   u64 length, bytes
 *   VERBATIM              u64 length, 3 bytes of format, bytes (counted in length)
 *   ARRAY, MAP, SET, PUSH u64 count of elements (of a map: pairs), then the nodes
 *
 * Numbers are in the machine's order and unaligned.
 */
#ifndef EXEC_TAPE_H
#define EXEC_TAPE_H

#include "base/buf.h"
#include "base/status.h"

enum tape_type {
    TAPE_INT = 1,
    TAPE_DOUBLE,
    TAPE_BOOL,
    TAPE_NULL,
    TAPE_NULL_ARRAY,
    TAPE_BULK,
    TAPE_STATUS,
    TAPE_ERROR, /* without the leading '-' */
    TAPE_BIGNUM,
    TAPE_VERBATIM,
    TAPE_ARRAY,
    TAPE_MAP,
    TAPE_SET,
    TAPE_PUSH
};

struct tape {
    struct buf bytes;
};

static inline void tape_release(struct tape *t)
{
    buf_release(&t->bytes);
}

static inline void tape_clear(struct tape *t)
{
    buf_clear(&t->bytes);
}

/* A node of its own payload. */
void tape_int(struct tape *t, int64_t n);
void tape_double(struct tape *t, double d);
void tape_bool(struct tape *t, bool b);
/* A node without payload: TAPE_NULL, TAPE_NULL_ARRAY. */
void tape_plain(struct tape *t, enum tape_type type);
/* A node of bytes: TAPE_BULK, TAPE_STATUS, TAPE_ERROR, TAPE_BIGNUM, TAPE_VERBATIM. */
void tape_bytes(struct tape *t, enum tape_type type, const char *ptr, size_t len);
/* The head of an aggregate; returns the offset of its count for tape_patch. */
size_t tape_aggregate(struct tape *t, enum tape_type type, uint64_t count);
/* Corrects type and count of an aggregate whose offset tape_aggregate returned. */
void tape_patch(struct tape *t, size_t offset, enum tape_type type, uint64_t count);

/* One node as read. */
struct tape_node {
    enum tape_type type;
    union {
        int64_t i64;
        double f64;
        bool boolean;
        uint64_t count;
        struct view bytes; /* borrowed from the tape */
    } u;
};

/* Reads the node at *pos and moves *pos behind it (behind the head, for an aggregate). False at
 * the end. */
bool tape_next(const struct tape *t, size_t *pos, struct tape_node *out);

struct exec_ctx;
/* Replays the whole tape as a reply of ctx. */
void tape_reply(const struct tape *t, struct exec_ctx *ctx);

#endif
