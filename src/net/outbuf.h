/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output on its way to a socket: a chain of blocks from a pool that all connections of a thread
 * share. A connection holds blocks only while it has unsent bytes, so an idle one holds none, and
 * the block in use is the one that was just written, still in the cache.
 *
 * The bytes between `cur` and `end` of the tail are free. A reply that fits is written there
 * without a call. Not thread-safe: a buffer belongs to the thread that runs its connection.
 *
 * What many connections are to be sent is written once, into a stream; their buffers refer to the
 * bytes by blocks that have none of their own. What a buffer already refers to just before them it
 * goes on with, so that a connection that reads all of a stream sends it in one piece.
 */
#ifndef NET_OUTBUF_H
#define NET_OUTBUF_H

#include <sys/uio.h>

#include "base/view.h"

#define OUTBUF_BLOCK_BYTES ((size_t)16 * 1024)

struct out_shared;

struct out_block {
    struct out_block *next;
    size_t cap;  /* of data */
    size_t len;  /* filled; of the tail it is current only after outbuf_sync */
    char *bytes; /* data, or a place in `shared` */
    struct out_shared *shared; /* NULL: they are the block's own */
    char data[];
};

struct outbuf {
    char *cur, *end; /* free space of the tail; both NULL while there is none */
    char *base;      /* the tail's bytes; NULL with them */
    struct out_block *head, *tail;
    size_t sent;     /* bytes of head that are gone */
    size_t closed_bytes; /* filled bytes of all blocks but the tail */
};

/* Frees every block. */
void outbuf_release(struct outbuf *o);

/* Bytes not yet sent. */
static inline size_t outbuf_pending(const struct outbuf *o)
{
    return o->closed_bytes + (size_t)(o->cur - o->base) - o->sent;
}

/* Bytes that are held, sent or not; of those that are shared, its part. O(blocks). */
size_t outbuf_part(const struct outbuf *o);

/* Bytes of memory held; of those that are shared, its part. O(blocks). */
size_t outbuf_memory(const struct outbuf *o);

/* Makes at least `need` contiguous bytes free at cur. */
void outbuf_more(struct outbuf *o, size_t need);

/* At least `need` contiguous bytes at the returned place; outbuf_commit says how many were used. */
static inline char *outbuf_reserve(struct outbuf *o, size_t need)
{
    if (unlikely((size_t)(o->end - o->cur) < need)) outbuf_more(o, need);
    return o->cur;
}

static inline void outbuf_commit(struct outbuf *o, size_t used)
{
    o->cur += used;
}

/* Appends a long run over as many blocks as it takes. */
void outbuf_append_long(struct outbuf *o, const char *ptr, size_t len);

static inline void outbuf_append(struct outbuf *o, const char *ptr, size_t len)
{
    if (likely((size_t)(o->end - o->cur) >= len)) {
        if (len) memcpy(o->cur, ptr, len);
        o->cur += len;
    } else {
        outbuf_append_long(o, ptr, len);
    }
}

/* Leaves a gap to be filled later (the length of an aggregate): returns its block, which
 * outbuf_fill_gap must fill before anything is sent. */
struct out_block *outbuf_gap(struct outbuf *o);
void outbuf_fill_gap(struct outbuf *o, struct out_block *gap, const char *ptr, size_t len);

/* Fills iov with up to `max` runs of unsent bytes; returns how many. */
int outbuf_iov(struct outbuf *o, struct iovec *iov, int max);

/* Drops `len` bytes that were sent, and gives back the blocks that emptied. */
void outbuf_consume(struct outbuf *o, size_t len);

/* Moves all pending bytes of `from` behind those of `to`. */
void outbuf_join(struct outbuf *to, struct outbuf *from);

/* Hangs the blocks of `from`, of which nothing has been sent, behind those of `to`. */
void outbuf_chain(struct outbuf *to, struct outbuf *from);

/* Bytes that many buffers send. Main's; that a buffer is sent by another thread is no harm. */
struct out_stream {
    struct out_shared *open; /* takes more; NULL: none */
};
/* A piece of one, to be appended to buffers, and kept until out_run_release. */
struct out_run {
    struct out_shared *in;
    char *ptr;
    size_t len;
};

/* Writes two parts, as one, at the end of a stream. */
struct out_run out_stream_add(struct out_stream *s, struct view first, struct view second);
void out_run_release(struct out_run *run);
void outbuf_append_run(struct outbuf *o, const struct out_run *run);
/* Begins anew; what buffers refer to stays as long as they do. */
void out_stream_close(struct out_stream *s);

/* Gives the pool's spare blocks back to the allocator, all but `keep`. */
void outbuf_pool_trim(size_t keep);

/* Spare blocks on their way from a thread to another. */
struct outbuf_pool {
    struct out_block *head; /* NULL: none */
    size_t count;
};
/* All of this thread's. */
struct outbuf_pool outbuf_pool_take(void);
/* Takes them into this thread's pool, and leaves none. */
void outbuf_pool_add(struct outbuf_pool *take_pool);

#endif
