/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte streams; see stream.h. Blocks of a descriptor have STREAM_BLOCK bytes: large enough that a
 * system call costs nothing beside what it moves, small enough to stay in the second-level cache
 * between filling and use.
 */
#include "base/stream.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc64.h"
#include "base/mem.h"

#define STREAM_BLOCK ((size_t)256 * 1024)

/* ---- reading ---- */

static void in_window(struct stream_in *in, const uint8_t *start, size_t len)
{
    in->start = in->pos = in->summed = start;
    in->end = start + len;
}

void stream_in_memory(struct stream_in *in, struct view bytes, bool want_crc)
{
    *in = (struct stream_in){.fd = -1, .want_crc = want_crc, .total = bytes.len};
    in_window(in, (const uint8_t *)(bytes.len ? bytes.ptr : ""), bytes.len);
}

void stream_in_fd(struct stream_in *in, int fd, bool want_crc)
{
    struct stat st;
    *in = (struct stream_in){.fd = fd, .want_crc = want_crc, .total = UINT64_MAX};
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        in->total = at >= 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
    }
    in->block = mem_alloc(STREAM_BLOCK);
    in_window(in, in->block, 0);
}

void stream_in_release(struct stream_in *in)
{
    mem_free(in->block);
    *in = (struct stream_in){.fd = -1, .status = STATUS_CLOSED};
    in_window(in, (const uint8_t *)"", 0);
}

uint64_t stream_in_crc(struct stream_in *in)
{
    if (in->want_crc) in->crc = crc64_update(in->crc, in->summed, (size_t)(in->pos - in->summed));
    in->summed = in->pos;
    return in->crc;
}

/* Reads once, for an empty window. A file that has grown since it was opened ends where it did
 * then, or what is left would be a lie. */
static enum status fill(struct stream_in *in)
{
    stream_in_crc(in);
    in->behind += (uint64_t)(in->pos - in->start);
    in_window(in, in->block, 0);
    size_t want = STREAM_BLOCK;
    if (in->total != UINT64_MAX && in->total - in->behind < want) {
        want = (size_t)(in->total - in->behind);
    }
    ssize_t got;
    do {
        got = want ? read(in->fd, in->block, want) : 0;
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return in->status = got < 0 ? STATUS_IO : STATUS_CLOSED;
    in_window(in, in->block, (size_t)got);
    if (!in->progress || in->progress(in->progress_ctx, in->behind)) return STATUS_OK;
    in_window(in, in->block, 0);
    return in->status = STATUS_ABORTED;
}

enum status stream__read_slow(struct stream_in *in, void *dst, size_t len)
{
    uint8_t *to = dst;
    if (in->status) return in->status;
    if (in->fd < 0) return in->status = STATUS_CLOSED;
    while (len) {
        if (in->pos == in->end && fill(in)) return in->status;
        size_t now = MIN(len, (size_t)(in->end - in->pos));
        memcpy(to, in->pos, now);
        in->pos += now;
        to += now;
        len -= now;
    }
    return STATUS_OK;
}

/* ---- writing ---- */

static void out_window(struct stream_out *out, uint8_t *start, size_t room)
{
    out->start = out->pos = out->summed = start;
    out->end = room ? start + room : start; /* a buffer that has nothing yet is at NULL */
}

/* The window is the buffer's free room. */
static void out_buf_window(struct stream_out *out, size_t room)
{
    buf_reserve(out->buf, room);
    struct buf *buf = out->buf;
    uint8_t *ptr = (uint8_t *)buf->ptr;
    out_window(out, buf->len ? ptr + buf->len : ptr, buf->cap - buf->len);
}

void stream_out_buf(struct stream_out *out, struct buf *buf, bool want_crc)
{
    *out = (struct stream_out){.fd = -1, .buf = buf, .want_crc = want_crc};
    out_buf_window(out, 64);
}

void stream_out_fd(struct stream_out *out, int fd, bool want_crc)
{
    *out = (struct stream_out){.fd = fd, .want_crc = want_crc};
    out_window(out, mem_alloc(STREAM_BLOCK), STREAM_BLOCK);
}

uint64_t stream_out_crc(struct stream_out *out)
{
    if (out->want_crc)
        out->crc = crc64_update(out->crc, out->summed, (size_t)(out->pos - out->summed));
    out->summed = out->pos;
    return out->crc;
}

static void write_all(struct stream_out *out, const uint8_t *ptr, size_t len)
{
    while (len && !out->status) {
        ssize_t wrote = write(out->fd, ptr, len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            out->error = wrote < 0 ? errno : EIO;
            out->status = STATUS_IO;
            return;
        }
        ptr += wrote;
        len -= (size_t)wrote;
    }
    if (!out->sync_step || out->behind - out->sync_at < out->sync_step) return;
    /* In steps, so that the end of a large file doesn't find gigabytes still to be stored. */
    if (fdatasync(out->fd) && !out->status) {
        out->error = errno;
        out->status = STATUS_IO;
    }
    out->sync_at = out->behind;
}

/* Hands on what the window holds; afterwards it is empty. */
static void flush(struct stream_out *out)
{
    size_t len = (size_t)(out->pos - out->start);
    stream_out_crc(out);
    out->behind += len;
    if (out->buf) {
        out->buf->len += len;
    } else {
        write_all(out, out->start, len);
        out->pos = out->summed = out->start;
    }
}

void stream__out_room(struct stream_out *out)
{
    flush(out);
    if (out->buf) out_buf_window(out, STREAM_OUT_ROOM);
}

void stream__write_slow(struct stream_out *out, const void *ptr, size_t len)
{
    flush(out);
    if (out->buf) {
        out_buf_window(out, len);
    } else if (len >= STREAM_BLOCK / 2) {
        if (out->want_crc) out->crc = crc64_update(out->crc, ptr, len);
        out->behind += len;
        write_all(out, ptr, len);
        return;
    }
    memcpy(out->pos, ptr, len);
    out->pos += len;
}

enum status stream_out_end(struct stream_out *out)
{
    flush(out);
    if (!out->buf) mem_free(out->start);
    out_window(out, NULL, 0);
    return out->status;
}
