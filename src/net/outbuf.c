/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output blocks and their pool; see outbuf.h. The pool is a stack, so that the block given back
 * last, still in the cache, is the next to be used. Blocks larger than the standard size carry one
 * long run and are never pooled.
 *
 * Shared bytes are counted: by the stream while it is open, by each run, by each block that refers
 * to them. They never move, and what has been written doesn't change while anybody else counts, so
 * a thread may send them while main writes behind them. A connection that doesn't read holds all of
 * an area for a part of it; so areas begin small, and a stream is for those who get all of it.
 */
#include "net/outbuf.h"

#include <stdatomic.h>

#include "base/mem.h"

#define POOL_KEEP_DEFAULT 64
#define STD_CAP (OUTBUF_BLOCK_BYTES - sizeof(struct out_block))
#define SHARED_LEAST ((size_t)512)
#define SHARED_MOST ((size_t)16 * 1024) /* beyond, an area is as long as what it is for */

struct out_shared {
    atomic_uint refs;
    size_t cap, used; /* main's */
    char data[];
};

static _Thread_local struct out_block *pool_head;
static _Thread_local size_t pool_count;

static struct out_block *block_new(size_t need)
{
    struct out_block *b;
    if (need <= STD_CAP) {
        if (pool_head) {
            b = pool_head;
            pool_head = b->next;
            pool_count--;
        } else {
            b = mem_alloc(OUTBUF_BLOCK_BYTES);
            b->cap = STD_CAP;
        }
    } else {
        b = mem_alloc(sizeof(*b) + need);
        b->cap = need;
    }
    b->next = NULL;
    b->len = 0;
    b->bytes = b->data;
    b->shared = NULL;
    return b;
}

static void shared_drop(struct out_shared *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) mem_free(s);
}

static void block_free(struct out_block *b)
{
    if (b->shared) shared_drop(b->shared);
    if (b->cap == STD_CAP && pool_count < POOL_KEEP_DEFAULT) {
        b->next = pool_head;
        pool_head = b;
        pool_count++;
        return;
    }
    mem_free(b);
}

struct outbuf_pool outbuf_pool_take(void)
{
    struct outbuf_pool pool = {pool_head, pool_count};
    pool_head = NULL;
    pool_count = 0;
    return pool;
}

void outbuf_pool_add(struct outbuf_pool *take_pool)
{
    struct out_block *chain = take_pool->head;
    if (likely(!pool_head)) {
        pool_head = chain;
        pool_count = take_pool->count;
        chain = NULL;
    }
    while (chain) {
        struct out_block *next = chain->next;
        block_free(chain);
        chain = next;
    }
    *take_pool = (struct outbuf_pool){0};
}

void outbuf_pool_trim(size_t keep)
{
    while (pool_count > keep) {
        struct out_block *b = pool_head;
        pool_head = b->next;
        pool_count--;
        mem_free(b);
    }
}

void outbuf_release(struct outbuf *o)
{
    while (o->head) {
        struct out_block *b = o->head;
        o->head = b->next;
        block_free(b);
    }
    *o = (struct outbuf){0};
}

/* Records how much of the tail is filled. */
static void outbuf_sync(struct outbuf *o)
{
    if (o->tail) o->tail->len = (size_t)(o->cur - o->base);
}

static void outbuf_attach(struct outbuf *o, struct out_block *b)
{
    outbuf_sync(o);
    if (o->tail) {
        o->closed_bytes += o->tail->len;
        o->tail->next = b;
    } else {
        o->head = b;
    }
    o->tail = b;
    o->base = b->bytes;
    o->cur = b->bytes + b->len;
    o->end = b->shared ? o->cur : b->bytes + b->cap;
}

static size_t block_part(const struct outbuf *o, const struct out_block *b)
{
    size_t len = b == o->tail ? (size_t)(o->cur - o->base) : b->len;
    if (!b->shared) return len;
    return len / atomic_load_explicit(&b->shared->refs, memory_order_relaxed);
}

static size_t block_memory(const struct outbuf *o, const struct out_block *b)
{
    return sizeof(*b) + (b->shared ? block_part(o, b) : b->cap);
}

size_t outbuf_part(const struct outbuf *o)
{
    size_t sum = 0;
    for (const struct out_block *b = o->head; b; b = b->next) sum += block_part(o, b);
    return sum;
}

size_t outbuf_memory(const struct outbuf *o)
{
    size_t sum = 0;
    for (const struct out_block *b = o->head; b; b = b->next) sum += block_memory(o, b);
    return sum;
}

void outbuf_more(struct outbuf *o, size_t need)
{
    if ((size_t)(o->end - o->cur) >= need) return;
    outbuf_attach(o, block_new(need));
}

void outbuf_append_long(struct outbuf *o, const char *ptr, size_t len)
{
    size_t room = (size_t)(o->end - o->cur);
    size_t part = MIN(room, len);
    if (part) memcpy(o->cur, ptr, part);
    o->cur += part;
    ptr += part;
    len -= part;
    if (!len) return;
    outbuf_attach(o, block_new(len));
    memcpy(o->cur, ptr, len);
    o->cur += len;
}

struct out_block *outbuf_gap(struct outbuf *o)
{
    struct out_block *gap = mem_alloc(sizeof(*gap) + 32);
    gap->cap = 32;
    gap->len = 0;
    gap->next = NULL;
    gap->bytes = gap->data;
    gap->shared = NULL;
    outbuf_attach(o, gap);
    outbuf_attach(o, block_new(1));
    return gap;
}

void outbuf_fill_gap(struct outbuf *o, struct out_block *gap, const char *ptr, size_t len)
{
    ASSERT(len <= gap->cap && gap->len == 0);
    memcpy(gap->data, ptr, len);
    gap->len = len;
    o->closed_bytes += len;
}

int outbuf_iov(struct outbuf *o, struct iovec *iov, int max)
{
    int count = 0;
    size_t skip = o->sent;
    outbuf_sync(o);
    for (struct out_block *b = o->head; b && count < max; b = b->next) {
        if (b->len > skip) {
            iov[count].iov_base = b->bytes + skip;
            iov[count].iov_len = b->len - skip;
            count++;
        }
        skip = 0;
    }
    return count;
}

void outbuf_consume(struct outbuf *o, size_t len)
{
    outbuf_sync(o);
    o->sent += len;
    while (o->head && o->sent >= o->head->len) {
        struct out_block *b = o->head;
        o->sent -= b->len;
        if (b == o->tail) {
            ASSERT(o->sent == 0);
            *o = (struct outbuf){0};
        } else {
            o->closed_bytes -= b->len;
            o->head = b->next;
        }
        block_free(b);
    }
}

void outbuf_join(struct outbuf *to, struct outbuf *from)
{
    outbuf_sync(from);
    size_t skip = from->sent;
    for (struct out_block *b = from->head; b; b = b->next) {
        outbuf_append(to, b->bytes + skip, b->len - skip);
        skip = 0;
    }
    outbuf_release(from);
}

void outbuf_chain(struct outbuf *to, struct outbuf *from)
{
    ASSERT(from->sent == 0);
    if (!from->tail) return;
    if (to->tail) {
        outbuf_sync(to);
        to->closed_bytes += to->tail->len + from->closed_bytes;
        to->tail->next = from->head;
        to->tail = from->tail;
        to->base = from->base;
        to->cur = from->cur;
        to->end = from->end;
    } else {
        *to = *from;
    }
    *from = (struct outbuf){0};
}

/* ---- streams ---- */

/* An area with room for so much, `s` counting it; the last one's size says how much is common. */
static struct out_shared *stream_room(struct out_stream *s, size_t need)
{
    struct out_shared *now = s->open;
    if (now && atomic_load_explicit(&now->refs, memory_order_acquire) == 1) now->used = 0;
    if (now && now->cap - now->used >= need) return now;
    size_t cap = MAX(now ? MIN(now->cap * 2, SHARED_MOST) : SHARED_LEAST, need);
    out_stream_close(s);
    now = s->open = mem_alloc(sizeof(*now) + cap);
    atomic_init(&now->refs, 1);
    now->cap = cap;
    now->used = 0;
    return now;
}

struct out_run out_stream_add(struct out_stream *s, struct view first, struct view second)
{
    struct out_shared *in = stream_room(s, first.len + second.len);
    struct out_run run = {in, in->data + in->used, first.len + second.len};
    if (first.len) memcpy(run.ptr, first.ptr, first.len);
    if (second.len) memcpy(run.ptr + first.len, second.ptr, second.len);
    in->used += run.len;
    atomic_fetch_add_explicit(&in->refs, 1, memory_order_relaxed);
    if (in->cap > SHARED_MOST) out_stream_close(s);
    return run;
}

void out_run_release(struct out_run *run)
{
    shared_drop(run->in);
    *run = (struct out_run){0};
}

void out_stream_close(struct out_stream *s)
{
    if (s->open) shared_drop(s->open);
    s->open = NULL;
}

void outbuf_append_run(struct outbuf *o, const struct out_run *run)
{
    if (o->cur == run->ptr && o->tail->shared == run->in) {
        o->cur = o->end = o->cur + run->len;
        return;
    }
    struct out_block *b = mem_alloc(sizeof(*b));
    *b = (struct out_block){.len = run->len, .bytes = run->ptr, .shared = run->in};
    atomic_fetch_add_explicit(&run->in->refs, 1, memory_order_relaxed);
    outbuf_attach(o, b);
}
