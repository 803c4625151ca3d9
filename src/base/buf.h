/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A growable run of bytes. The struct is not owned: buf_init/buf_release; zero-initialised is
 * initialised. Growth is geometric; an append is amortised O(n). One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/mem.h"
#include "base/view.h"

struct buf {
    char *ptr; /* NULL while nothing was ever reserved */
    size_t len, cap;
};

static inline void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

/* Frees the bytes and leaves an initialised buffer. */
void buf_release(struct buf *b);

/* Makes room for `extra` more bytes behind len. Aborts when memory is out. */
void buf_grow(struct buf *b, size_t extra);

/* As buf_grow, for sizes from outside: STATUS_NOMEM leaves the buffer as it was. */
enum status buf_try_grow(struct buf *b, size_t extra) MUST_CHECK;

static inline void buf_reserve(struct buf *b, size_t extra)
{
    if (unlikely(b->cap - b->len < extra)) buf_grow(b, extra);
}

static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}

static inline void buf_append(struct buf *b, const void *ptr, size_t len)
{
    buf_reserve(b, len);
    if (len) memcpy(b->ptr + b->len, ptr, len);
    b->len += len;
}

static inline void buf_append_view(struct buf *b, struct view v)
{
    buf_append(b, v.ptr, v.len);
}

static inline void buf_append_cstr(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

static inline void buf_append_char(struct buf *b, char c)
{
    buf_reserve(b, 1);
    b->ptr[b->len++] = c;
}

/* Appends formatted text (no NUL is counted). */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts a NUL behind len (not counted) and returns the bytes as a C string, borrowed. */
const char *buf_cstr(struct buf *b);

/* Drops `len` bytes from the front. O(rest). */
void buf_consume(struct buf *b, size_t len);

static inline struct view buf_view(const struct buf *b)
{
    return view_of(b->ptr, b->len);
}

#endif
