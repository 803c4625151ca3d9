/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growable byte buffer; see buf.h. Capacity grows by half: a buffer that is appended to byte by
 * byte is copied twice over, and wastes a third at most.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#define BUF_MIN_CAP 64

static size_t buf_target(const struct buf *b, size_t extra)
{
    size_t need;
    if (__builtin_add_overflow(b->len, extra, &need)) return SIZE_MAX;
    size_t grown = b->cap + b->cap / 2;
    if (grown < need) grown = need;
    return grown < BUF_MIN_CAP ? BUF_MIN_CAP : grown;
}

void buf_release(struct buf *b)
{
    mem_free(b->ptr);
    buf_init(b);
}

void buf_grow(struct buf *b, size_t extra)
{
    if (b->cap - b->len >= extra) return;
    size_t cap = buf_target(b, extra);
    b->ptr = mem_realloc(b->ptr, cap);
    b->cap = cap;
}

enum status buf_try_grow(struct buf *b, size_t extra)
{
    if (b->cap - b->len >= extra) return STATUS_OK;
    size_t cap = buf_target(b, extra);
    char *ptr = mem_try_realloc(b->ptr, cap);
    if (!ptr) return STATUS_NOMEM;
    b->ptr = ptr;
    b->cap = cap;
    return STATUS_OK;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    buf_reserve(b, 128);
    va_start(args, fmt);
    int wrote = vsnprintf(b->ptr + b->len, b->cap - b->len, fmt, args);
    va_end(args);
    ASSERT(wrote >= 0);
    if ((size_t)wrote >= b->cap - b->len) {
        buf_reserve(b, (size_t)wrote + 1);
        va_start(args, fmt);
        vsnprintf(b->ptr + b->len, b->cap - b->len, fmt, args);
        va_end(args);
    }
    b->len += (size_t)wrote;
}

const char *buf_cstr(struct buf *b)
{
    buf_reserve(b, 1);
    b->ptr[b->len] = '\0';
    return b->ptr;
}

void buf_consume(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    if (len && len < b->len) memmove(b->ptr, b->ptr + len, b->len - len);
    b->len -= len;
}
