/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte streams: what values are saved to and loaded from, without knowing whether a file or a
 * buffer is behind. Small reads and writes are inline and touch the stream's window alone.
 *
 *   in:   window [pos, end) of the memory, or of a buffer that is filled from a descriptor
 *   out:  window [pos, end) of a struct buf that grows, or of a block written to a descriptor
 *
 * The first error stays (`status`), and everything after it fails with the same, so that a caller
 * may look at the end. A reader knows how many bytes can still come at most (stream_in_left), by
 * which a length from outside is judged before memory is taken for it.
 *
 * With a checksum wanted, the bytes that have passed are summed (base/crc64.h) in large runs.
 * Vtables of callbacks were rejected: there are two kinds of ends, and a test of a descriptor
 * against -1 where a window runs out. One thread at a time.
 */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

/* ---- reading ---- */

struct stream_in {
    const uint8_t *pos, *end;
    const uint8_t *summed; /* the sum covers what lies before this address */
    uint64_t crc;
    bool want_crc;
    enum status status; /* STATUS_CLOSED: the end came too early; STATUS_IO; STATUS_NOMEM */
    int fd;             /* -1: memory */
    uint8_t *block;     /* owned, of a descriptor */
    uint64_t behind;    /* bytes that left the window */
    uint64_t total;     /* bytes in all, as far as is known; UINT64_MAX: unknown */
    const uint8_t *start; /* of the window */
    /* Called as the window is filled, or NULL; false gives up: STATUS_ABORTED. */
    bool (*progress)(void *ctx, uint64_t offset);
    void *progress_ctx;
};

/* Reads from memory, borrowed while the stream is in use. */
void stream_in_memory(struct stream_in *in, struct view bytes, bool want_crc);

/* Reads from a descriptor's position on; the descriptor stays the caller's. */
void stream_in_fd(struct stream_in *in, int fd, bool want_crc);

/* Frees the window. */
void stream_in_release(struct stream_in *in);

/* stream_read without its fast path. */
enum status stream__read_slow(struct stream_in *in, void *dst, size_t len) MUST_CHECK;

/* Copies exactly `len` bytes; on failure nothing is to be relied on. */
static inline enum status MUST_CHECK stream_read(struct stream_in *in, void *dst, size_t len)
{
    if (unlikely((size_t)(in->end - in->pos) < len)) return stream__read_slow(in, dst, len);
    if (len) memcpy(dst, in->pos, len);
    in->pos += len;
    return STATUS_OK;
}

/* One byte. */
static inline enum status MUST_CHECK stream_read_u8(struct stream_in *in, uint8_t *out)
{
    if (unlikely(in->pos == in->end)) return stream__read_slow(in, out, 1);
    *out = *in->pos++;
    return STATUS_OK;
}

/* `len` bytes where they lie in the window, if they do; NULL says that they must be copied. They
 * are borrowed until the next read. */
static inline const uint8_t *stream_read_borrowed(struct stream_in *in, size_t len)
{
    if ((size_t)(in->end - in->pos) < len) return NULL;
    const uint8_t *at = in->pos;
    in->pos += len;
    return at;
}

/* Bytes read so far. */
static inline uint64_t stream_in_offset(const struct stream_in *in)
{
    return in->behind + (uint64_t)(in->pos - in->start);
}

/* No more bytes than this can follow. */
static inline uint64_t stream_in_left(const struct stream_in *in)
{
    return in->total == UINT64_MAX ? UINT64_MAX : in->total - stream_in_offset(in);
}

/* The checksum of all that was read so far. */
uint64_t stream_in_crc(struct stream_in *in);

/* ---- writing ---- */

struct stream_out {
    uint8_t *pos, *end;
    uint8_t *start;
    uint8_t *summed;
    uint64_t crc;
    bool want_crc;
    bool compress;      /* what the formats above may do with long texts */
    enum status status; /* STATUS_IO: `error` says why */
    int error;          /* errno of the failed write */
    int fd;             /* -1: into buf */
    struct buf *buf;
    uint64_t behind;
    uint64_t sync_step; /* a file is stored (fdatasync) each so many bytes; 0: never */
    uint64_t sync_at;
};

/* Appends to a buffer, whose length is right after stream_out_end. */
void stream_out_buf(struct stream_out *out, struct buf *buf, bool want_crc);

/* Writes to a descriptor, which stays the caller's. */
void stream_out_fd(struct stream_out *out, int fd, bool want_crc);

/* Hands on what the window holds and frees it; the result is that of the whole. */
enum status stream_out_end(struct stream_out *out) MUST_CHECK;

#define STREAM_OUT_ROOM 4096

/* Hands the window's bytes on, so that there's room for at least STREAM_OUT_ROOM. */
void stream__out_room(struct stream_out *out);

/* stream_write without its fast path. */
void stream__write_slow(struct stream_out *out, const void *ptr, size_t len);

static inline void stream_write(struct stream_out *out, const void *ptr, size_t len)
{
    if (unlikely((size_t)(out->end - out->pos) < len)) {
        stream__write_slow(out, ptr, len);
        return;
    }
    if (len) memcpy(out->pos, ptr, len);
    out->pos += len;
}

static inline void stream_write_u8(struct stream_out *out, uint8_t byte)
{
    if (unlikely(out->pos == out->end)) stream__out_room(out);
    *out->pos++ = byte;
}

/* Bytes written so far. */
static inline uint64_t stream_out_offset(const struct stream_out *out)
{
    return out->behind + (uint64_t)(out->pos - out->start);
}

/* The checksum of all that was written so far. */
uint64_t stream_out_crc(struct stream_out *out);

#endif
