/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which clients have read which keys. An entry is one allocation, with the only reader's id in it;
 * a second reader makes it an array of ids in their order, which are few as a rule: a binary
 * search tells whether a client is in it already. So a key of 16 bytes with one reader takes 32
 * bytes and its place in the table, about 43 in all.
 *
 *   tracked   0     8      12     16
 *             who   count  len    key[len]      who: the id, or the address of count ids
 *
 * Ids are not looked up before a key changes: those of clients that are gone, or don't track any
 * more, are skipped then. Other threads find out who is to be told, and main tells them: what they
 * found waits in a queue, which main empties before it tells anybody anything of its own, so that
 * messages keep the order of the changes.
 *
 * Guard of everything here: the data token.
 */
#include "base/mem.h"
#include "tracking/private.h"

#define FREE_AT_ONCE 4096

struct tracked {
    union {
        uint64_t id;   /* count 1 */
        uint64_t *ids; /* else: sorted, with room for the next power of two */
    };
    uint32_t count, len;
    char key[];
};

/* What another thread has found out. */
struct waiting {
    struct waiting *next;
    bool flush; /* databases were emptied; no key, no ids */
    size_t key_len;
    const char *key; /* behind the ids */
    size_t count;
    uint64_t ids[];
};

int64_t tracking__max_keys;

static struct {
    struct table keys;
    size_t items;
    struct waiting *first, *last;
    struct buf forgotten; /* struct table_body *: to be freed bit by bit */
    struct message message;
} read_keys;

static struct view tracked_key(const void *entry)
{
    const struct tracked *e = entry;
    return view_of(e->key, e->len);
}

static const struct table_type tracked_table = {.key = tracked_key};

static const uint64_t *readers(const struct tracked *e)
{
    return e->count == 1 ? &e->id : e->ids;
}

static void tracked_free(void *entry, void *unused)
{
    struct tracked *e = entry;
    UNUSED(unused);
    if (e->count > 1) mem_free(e->ids);
    mem_free(e);
}

size_t read_keys__count(void)
{
    return table_count(&read_keys.keys);
}

size_t read_keys__items(void)
{
    return read_keys.items;
}

/* ---- telling ---- */

static void tell_one(uint64_t id, const struct client *author)
{
    struct client *c = client_find(id);
    struct tracker *t = c ? tracker__of(c) : NULL;
    if (!t || t->options & TRACKING_BCAST) return;
    if (c == author && t->options & TRACKING_NOLOOP) return;
    message__send(&read_keys.message, t);
}

/* author: whose own change it is, or NULL. */
static void tell(struct view key, const uint64_t *ids, size_t count, const struct client *author)
{
    message__begin(&read_keys.message, 1);
    message__add(&read_keys.message, key);
    for (size_t i = 0; i < count; i++) tell_one(ids[i], author);
}

static void tell_flushed_one(void *ctx, struct tracker *t)
{
    struct message *nulls = ctx;
    message__send(&nulls[client_resp(t->client) >= 3], t);
}

static void tell_flushed(void)
{
    struct message nulls[2];
    message__init(&nulls[0]);
    message__init(&nulls[1]);
    buf_append_cstr(&nulls[0].body, "$-1\r\n");
    buf_append_cstr(&nulls[1].body, "_\r\n");
    tracker__each(tell_flushed_one, nulls);
    message__release(&nulls[0]);
    message__release(&nulls[1]);
}

static void tell_waiting(void *unused)
{
    UNUSED(unused);
    while (read_keys.first) {
        struct waiting *w = read_keys.first;
        read_keys.first = w->next;
        if (w->flush)
            tell_flushed();
        else
            tell(view_of(w->key, w->key_len), w->ids, w->count, NULL);
        mem_free(w);
    }
}

static void enqueue(struct waiting *w)
{
    w->next = NULL;
    if (read_keys.first) {
        read_keys.last->next = w;
    } else {
        read_keys.first = w;
        exec_post(tell_waiting, NULL);
    }
    read_keys.last = w;
}

static void enqueue_key(struct view key, const uint64_t *ids, size_t count)
{
    struct waiting *w = mem_alloc(sizeof(*w) + count * sizeof(*ids) + key.len);
    char *bytes = (char *)(w->ids + count);
    w->flush = false;
    w->key = bytes;
    w->key_len = key.len;
    w->count = count;
    memcpy(w->ids, ids, count * sizeof(*ids));
    if (key.len) memcpy(bytes, key.ptr, key.len);
    enqueue(w);
}

static void told(struct view key, const uint64_t *ids, size_t count, const struct client *author)
{
    if (!exec_is_main()) {
        enqueue_key(key, ids, count);
        return;
    }
    tell_waiting(NULL);
    tell(key, ids, count, author);
}

/* ---- noting ---- */

static struct tracked *tracked_new(uint64_t id, struct view key)
{
    struct tracked *e = mem_alloc(sizeof(*e) + key.len);
    e->id = id;
    e->count = 1;
    e->len = (uint32_t)key.len;
    if (key.len) memcpy(e->key, key.ptr, key.len);
    return e;
}

/* Where the id is, or belongs. */
static size_t place_of(const struct tracked *e, uint64_t id)
{
    size_t low = 0, high = e->count;
    const uint64_t *ids = readers(e);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_reader(struct tracked *e, uint64_t id)
{
    size_t at = place_of(e, id);
    if (at < e->count && readers(e)[at] == id) return;
    if (e->count == 1) {
        uint64_t first = e->id;
        e->ids = mem_alloc(2 * sizeof(*e->ids));
        e->ids[0] = first;
    } else if (!(e->count & (e->count - 1))) {
        e->ids = mem_realloc(e->ids, (size_t)e->count * 2 * sizeof(*e->ids));
    }
    memmove(e->ids + at + 1, e->ids + at, (e->count - at) * sizeof(*e->ids));
    e->ids[at] = id;
    e->count++;
    read_keys.items++;
}

void read_keys__note(uint64_t id, struct arg *key)
{
    struct table_ref ref;
    if (key->len > UINT32_MAX) { /* not to be remembered, so not to be cached */
        told(arg_view(key), &id, 1, NULL);
        return;
    }
    struct tracked *e = table_find_ref(&read_keys.keys, &tracked_table, arg_view(key),
                                       arg_hash(key), &ref);
    if (e) {
        add_reader(e, id);
        return;
    }
    bool first = !read_keys__count();
    table_ref_insert(&read_keys.keys, &tracked_table, &ref, tracked_new(id, arg_view(key)));
    read_keys.items++;
    if (unlikely(first)) tracking__listen();
}

/* ---- changes ---- */

static void forget(struct tracked *e)
{
    read_keys.items -= e->count;
    tracked_free(e, NULL);
    if (unlikely(!read_keys__count())) tracking__listen();
}

void read_keys__changed(struct arg *key)
{
    struct table_ref ref;
    struct tracked *e = table_find_ref(&read_keys.keys, &tracked_table, arg_view(key),
                                       arg_hash(key), &ref);
    if (!e) return;
    table_ref_remove(&read_keys.keys, &ref);
    told(tracked_key(e), readers(e), e->count, client_running());
    forget(e);
}

void read_keys__limit(size_t budget)
{
    while (tracking__max_keys && read_keys__count() > (size_t)tracking__max_keys && budget--) {
        struct tracked *e = table_random(&read_keys.keys);
        struct view key = tracked_key(e);
        table_remove_entry(&read_keys.keys, e, hash_bytes(key.ptr, key.len));
        told(key, readers(e), e->count, NULL);
        forget(e);
    }
}

void read_keys__clear(void)
{
    read_keys.items = 0;
    if (read_keys__count() <= FREE_AT_ONCE) {
        table_clear(&read_keys.keys, tracked_free, NULL);
        return;
    }
    struct table_body *body = table_take_body(&read_keys.keys);
    buf_append(&read_keys.forgotten, &body, sizeof(body));
}

void read_keys__free_some(size_t budget)
{
    struct buf *b = &read_keys.forgotten;
    struct table_body *body;
    if (likely(!b->len)) return;
    memcpy(&body, b->ptr + b->len - sizeof(body), sizeof(body));
    if (table_free_step(&body, budget, tracked_free, NULL)) b->len -= sizeof(body);
    if (!b->len) buf_release(b);
}

void read_keys__flushed(void)
{
    read_keys__clear();
    if (exec_is_main()) {
        tell_waiting(NULL);
        tell_flushed();
    } else {
        struct waiting *w = mem_zalloc(sizeof(*w));
        w->flush = true;
        enqueue(w);
    }
}

void read_keys__teardown(void)
{
    tell_waiting(NULL);
    read_keys__clear();
    while (read_keys.forgotten.len) read_keys__free_some(SIZE_MAX);
    message__release(&read_keys.message);
}
