/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See reclog.h. A chunk counts the readers that hold it, which is each reader's oldest chunk and
 * nothing behind it: as chunks go from the front only, that keeps the later ones as well.
 */
#include "ds/reclog.h"

#include "base/mem.h"
#include "base/num.h"

/* Small enough that a reader who lags by a command pins little, large enough that the allocator
 * is asked once in several hundred commands. */
#define CHUNK_BYTES ((size_t)32 * 1024)

struct reclog_chunk {
    struct list_node node;
    size_t holders;
    size_t len, cap;
    char bytes[];
};

#define CHUNK_OF(n) CONTAINER_OF(n, struct reclog_chunk, node)

void reclog_init(struct reclog *log)
{
    *log = (struct reclog){0};
    list_init(&log->chunks);
    list_init(&log->readers);
}

static struct reclog_chunk *last_chunk(const struct reclog *log)
{
    return list_is_linked(&log->chunks) ? CHUNK_OF(log->chunks.prev) : NULL;
}

static void chunk_free(struct reclog *log, struct reclog_chunk *c)
{
    list_unlink(&c->node);
    log->bytes -= sizeof(*c) + c->cap;
    mem_free(c);
}

/* Chunks before the first that somebody holds. A reader that has read nothing holds the chunk that
 * was last when it joined, or the first one made after. */
static void drop_unheld(struct reclog *log)
{
    while (list_is_linked(&log->chunks)) {
        struct reclog_chunk *first = CHUNK_OF(log->chunks.next);
        if (first->holders) return;
        chunk_free(log, first);
    }
}

void reclog_release(struct reclog *log)
{
    ASSERT(!list_is_linked(&log->readers));
    drop_unheld(log);
}

static void hold(struct reclog_reader *r, struct reclog_chunk *c)
{
    if (r->held == c) return;
    if (c) c->holders++;
    if (r->held) r->held->holders--;
    r->held = c;
}

void reclog_join(struct reclog *log, struct reclog_reader *r)
{
    *r = (struct reclog_reader){0};
    list_push(&log->readers, &r->node);
    struct reclog_chunk *last = last_chunk(log);
    if (!last) return; /* reclog_append gives it the chunk that it makes */
    hold(r, last);
    r->at = last;
    r->pos = last->len;
}

void reclog_leave(struct reclog *log, struct reclog_reader *r)
{
    hold(r, NULL);
    list_unlink(&r->node);
    drop_unheld(log);
}

static struct reclog_chunk *chunk_new(struct reclog *log, size_t need)
{
    size_t cap = MAX(need, CHUNK_BYTES - sizeof(struct reclog_chunk));
    struct reclog_chunk *c = mem_alloc(sizeof(*c) + cap);
    *c = (struct reclog_chunk){.cap = cap};
    list_push(&log->chunks, &c->node);
    log->bytes += sizeof(*c) + cap;
    LIST_EACH(&log->readers, n)
    {
        struct reclog_reader *r = CONTAINER_OF(n, struct reclog_reader, node);
        if (r->held) continue;
        hold(r, c);
        r->at = c;
        r->pos = 0;
    }
    return c;
}

char *reclog_append(struct reclog *log, size_t len)
{
    ASSERT(list_is_linked(&log->readers));
    size_t need;
    bool fits = num_add_size(len, sizeof(len), &need);
    ASSERT(fits);
    struct reclog_chunk *c = last_chunk(log);
    if (!c || c->cap - c->len < need) c = chunk_new(log, need);
    char *place = c->bytes + c->len;
    memcpy(place, &len, sizeof(len));
    c->len += need;
    log->records++;
    return place + sizeof(len);
}

bool reclog_next(struct reclog *log, struct reclog_reader *r, struct view *out)
{
    if (!r->at) return false;
    while (r->pos == r->at->len) {
        if (r->at->node.next == &log->chunks) return false;
        r->at = CHUNK_OF(r->at->node.next);
        r->pos = 0;
    }
    size_t len;
    memcpy(&len, r->at->bytes + r->pos, sizeof(len));
    *out = view_of(r->at->bytes + r->pos + sizeof(len), len);
    r->pos += sizeof(len) + len;
    return true;
}

void reclog_give_back(struct reclog *log, struct reclog_reader *r)
{
    if (r->at) hold(r, r->at);
    drop_unheld(log);
}
