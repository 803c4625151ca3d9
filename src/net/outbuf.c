/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output blocks and their pool; see outbuf.h. The pool is a stack, so that the block given back
 * last, still in the cache, is the next to be used. Blocks larger than the standard size carry one
 * long run and are never pooled.
 */
#include "net/outbuf.h"

#include "base/mem.h"

#define POOL_KEEP_DEFAULT 64

static _Thread_local struct out_block *pool_head;
static _Thread_local size_t pool_count;

static struct out_block *block_new(size_t need)
{
    struct out_block *b;
    size_t std_cap = OUTBUF_BLOCK_BYTES - sizeof(struct out_block);
    if (need <= std_cap) {
        if (pool_head) {
            b = pool_head;
            pool_head = b->next;
            pool_count--;
        } else {
            b = mem_alloc(OUTBUF_BLOCK_BYTES);
            b->cap = std_cap;
        }
    } else {
        b = mem_alloc(sizeof(*b) + need);
        b->cap = need;
    }
    b->next = NULL;
    b->len = 0;
    return b;
}

static void block_free(struct out_block *b)
{
    if (b->cap == OUTBUF_BLOCK_BYTES - sizeof(*b) && pool_count < POOL_KEEP_DEFAULT) {
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
    if (o->tail) o->tail->len = (size_t)(o->cur - o->tail->data);
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
    o->cur = b->data + b->len;
    o->end = b->data + b->cap;
}

size_t outbuf_memory(const struct outbuf *o)
{
    size_t sum = 0;
    for (const struct out_block *b = o->head; b; b = b->next) sum += sizeof(*b) + b->cap;
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
            iov[count].iov_base = b->data + skip;
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
        outbuf_append(to, b->data + skip, b->len - skip);
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
        to->cur = from->cur;
        to->end = from->end;
    } else {
        *to = *from;
    }
    *from = (struct outbuf){0};
}
