/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for keys; see blocking.h.
 *
 * A wait has one link for each of its keys; a key that somebody waits for is an entry of its
 * database's table of waiters, with the links in order of arrival. A touch puts the key on the
 * list of ready ones, once; that is all that happens inside the command that touched it. Waits
 * with a deadline are also in a heap, the next one first.
 */
#include "exec/blocking.h"

#include <math.h>

#include "base/clock.h"
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/loading.h"
#include "exec/token.h"

struct waited_key {
    struct list_node links; /* struct wait_link.by_key, first come first */
    struct list_node ready; /* in blocking.ready */
    struct kv_db *db;
    size_t len;
    char bytes[];
};

struct wait_link {
    struct list_node by_key;
    struct wait *wait;
    struct waited_key *key;
    int position; /* of the key in the wait's argv */
};

struct wait {
    uint64_t client_id;
    const struct command *cmd;
    struct arg *argv; /* one allocation with the bytes behind it */
    int argc;
    struct kv_db *db;
    enum value_type type;
    bool also_when_gone;
    void (*on_timeout)(struct exec_ctx *ctx);
    int64_t deadline_ms; /* monotonic; 0 never */
    size_t heap_at;      /* 1-based; 0: in no heap */
    int link_count;
    struct wait_link links[];
};

size_t block_ready_count;

static struct {
    struct list_node ready;
    struct wait **heap; /* 1-based binary heap by deadline_ms */
    size_t heap_count, heap_cap;
    int retry_position; /* while a handler runs again */
    bool serving;
    bool posted; /* a worker has asked main to serve */
} blocking = {.retry_position = -1};

static struct view waited_key_view(const void *entry)
{
    const struct waited_key *k = entry;
    return view_of(k->bytes, k->len);
}

static const struct table_type waiters_table = {.key = waited_key_view};

/* ---- heap of deadlines ---- */

static void heap_put(size_t at, struct wait *w)
{
    blocking.heap[at] = w;
    w->heap_at = at;
}

static void heap_up(size_t at, struct wait *w)
{
    for (; at > 1 && blocking.heap[at / 2]->deadline_ms > w->deadline_ms; at /= 2)
        heap_put(at, blocking.heap[at / 2]);
    heap_put(at, w);
}

static void heap_down(size_t at, struct wait *w)
{
    for (size_t child; (child = at * 2) <= blocking.heap_count; at = child) {
        if (child < blocking.heap_count &&
            blocking.heap[child + 1]->deadline_ms < blocking.heap[child]->deadline_ms)
            child++;
        if (blocking.heap[child]->deadline_ms >= w->deadline_ms) break;
        heap_put(at, blocking.heap[child]);
    }
    heap_put(at, w);
}

static void heap_add(struct wait *w)
{
    if (blocking.heap_count + 1 >= blocking.heap_cap) {
        blocking.heap_cap = MAX(blocking.heap_cap * 2, (size_t)64);
        blocking.heap = mem_realloc(blocking.heap, blocking.heap_cap * sizeof(*blocking.heap));
    }
    heap_up(++blocking.heap_count, w);
}

static void heap_remove(struct wait *w)
{
    if (!w->heap_at) return;
    size_t at = w->heap_at;
    struct wait *last = blocking.heap[blocking.heap_count--];
    w->heap_at = 0;
    if (last == w) return;
    if (at > 1 && blocking.heap[at / 2]->deadline_ms > last->deadline_ms)
        heap_up(at, last);
    else
        heap_down(at, last);
}

/* ---- waited keys ---- */

static struct waited_key *waited_find(struct kv_db *db, struct arg *key)
{
    if (!db->waiters) return NULL;
    return table_find(db->waiters, &waiters_table, arg_view(key), arg_hash(key));
}

static struct waited_key *waited_get(struct kv_db *db, struct arg *key)
{
    struct waited_key *k = waited_find(db, key);
    if (k) return k;
    k = mem_alloc(sizeof(*k) + key->len);
    list_init(&k->links);
    list_init(&k->ready);
    k->db = db;
    k->len = key->len;
    if (key->len) memcpy(k->bytes, key->ptr, key->len);
    if (!db->waiters) {
        db->waiters = mem_zalloc(sizeof(struct table));
        kv_touch_listen(db, KV_TOUCH_WAIT, true);
    }
    table_insert(db->waiters, &waiters_table, k, arg_hash(key));
    return k;
}

static void unready(struct waited_key *k)
{
    if (!list_is_linked(&k->ready)) return;
    list_unlink(&k->ready);
    block_ready_count--;
}

static void waited_free(struct waited_key *k)
{
    struct table *waiters = k->db->waiters;
    struct view key = waited_key_view(k);
    unready(k);
    table_remove(waiters, &waiters_table, key, hash_bytes(key.ptr, key.len));
    if (table_count(waiters) == 0) {
        table_clear(waiters, NULL, NULL);
        mem_free(waiters);
        k->db->waiters = NULL;
        kv_touch_listen(k->db, KV_TOUCH_WAIT, false);
    }
    mem_free(k);
}

/* ---- waits ---- */

static struct arg *copy_words(const struct arg *argv, int argc)
{
    size_t bytes = 0;
    for (int i = 0; i < argc; i++) bytes += argv[i].len;
    struct arg *copy = mem_alloc((size_t)argc * sizeof(*copy) + bytes);
    char *at = (char *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        if (argv[i].len) memcpy(at, argv[i].ptr, argv[i].len);
        copy[i] = arg_of(at, argv[i].len);
        at += argv[i].len;
    }
    return copy;
}

/* Takes the wait out of everything and frees it, but for a key whose waiters are being walked. */
static void wait_free(struct wait *w, const struct waited_key *walked)
{
    heap_remove(w);
    for (int i = 0; i < w->link_count; i++) {
        struct waited_key *k = w->links[i].key;
        list_unlink(&w->links[i].by_key);
        if (k != walked && !list_is_linked(&k->links)) waited_free(k);
    }
    mem_free(w->argv);
    mem_free(w);
}

/* The waiting client is gone: client__free says so. */
static void wait_gone(void *ctx, uint64_t id)
{
    UNUSED(id);
    wait_free(ctx, NULL);
}

/* A key named twice is waited for once, at its first place. */
static bool has_link(const struct wait *w, const struct waited_key *k)
{
    for (int i = 0; i < w->link_count; i++)
        if (w->links[i].key == k) return true;
    return false;
}

static struct wait *wait_new(struct exec_ctx *ctx, const struct block_options *o)
{
    struct wait *w = mem_zalloc(sizeof(*w) + (size_t)o->key_count * sizeof(w->links[0]));
    const struct arg *argv = o->argv ? o->argv : ctx->argv;
    w->client_id = client_id(ctx->client);
    w->cmd = ctx->cmd;
    w->argc = o->argv ? o->argc : ctx->argc;
    w->argv = copy_words(argv, w->argc);
    w->db = ctx->db;
    w->type = o->type;
    w->also_when_gone = o->also_when_gone;
    w->on_timeout = o->on_timeout ? o->on_timeout : reply_null_array;
    for (int i = 0; i < o->key_count; i++) {
        struct waited_key *k = waited_get(ctx->db, &w->argv[o->key_positions[i]]);
        if (has_link(w, k)) continue;
        struct wait_link *link = &w->links[w->link_count++];
        *link = (struct wait_link){.wait = w, .key = k, .position = o->key_positions[i]};
        list_push(&k->links, &link->by_key);
    }
    if (o->timeout_ms > 0) {
        w->deadline_ms = clock_mono_ms() + o->timeout_ms;
        heap_add(w);
    }
    return w;
}

enum status block_on_keys(struct exec_ctx *ctx, const struct block_options *o)
{
    if (ctx->flags & EXEC_RETRY) return STATUS_BLOCKED; /* it waits on where it stands */
    if (!ctx->client || ctx->flags & EXEC_DENY_BLOCKING) {
        (o->on_denied ? o->on_denied : o->on_timeout ? o->on_timeout : reply_null_array)(ctx);
        return STATUS_OK;
    }
    client_block(ctx, wait_gone, wait_new(ctx, o));
    return STATUS_BLOCKED;
}

int block_ready_key(const struct exec_ctx *ctx)
{
    return ctx->flags & EXEC_RETRY ? blocking.retry_position : -1;
}

/* ---- serving ---- */

static void serve_posted(void *unused)
{
    UNUSED(unused);
    blocking.posted = false;
    block_serve();
}

/* Under the token, on whatever thread changed the key. */
static void mark_ready(struct waited_key *k)
{
    if (list_is_linked(&k->ready)) return;
    list_push(&blocking.ready, &k->ready);
    block_ready_count++;
    if (blocking.posted || exec_is_main()) return;
    blocking.posted = true;
    exec_post(serve_posted, NULL);
}

static void mark_entry(void *entry, void *ctx)
{
    UNUSED(ctx);
    mark_ready(entry);
}

static void on_touch(void *ctx, struct kv_db *db, const struct arg *key)
{
    UNUSED(ctx);
    if (!db->waiters) return;
    if (!key) {
        uint64_t cursor = 0;
        do cursor = table_scan(db->waiters, cursor, SIZE_MAX, SIZE_MAX, mark_entry, NULL);
        while (cursor);
        return;
    }
    struct arg k = *key;
    struct waited_key *waited = waited_find(db, &k);
    if (waited) mark_ready(waited);
}

void block_wake(struct kv_db *db, const struct arg *key)
{
    on_touch(NULL, db, key);
}

/* Runs a waiting command again for one of its keys. True if it was answered; the wait is freed. */
static bool retry(struct wait_link *link, struct kv_unit *unit, const struct waited_key *walked)
{
    struct wait *w = link->wait;
    struct client *c = client__by_id(w->client_id);
    ASSERT(c && c->flags & CLIENT_BLOCKED);
    struct exec_ctx ctx = {.client = c,
                           .db = w->db,
                           .cmd = w->cmd,
                           .argv = w->argv,
                           .argc = w->argc,
                           .flags = EXEC_RETRY,
                           .sink = &c->sink,
                           .unit = unit};
    blocking.retry_position = link->position;
    client__running = c;
    enum status st = exec_call(&ctx);
    if (client__pushes_bytes) client__pushes_send();
    client__running = NULL;
    blocking.retry_position = -1;
    if (st == STATUS_BLOCKED) return false;
    client__unblock(c);
    wait_free(w, walked);
    return true;
}

/* The type of what is under a key now; TYPE_COUNT: nothing. */
static enum value_type type_now(struct waited_key *k, const struct kv_unit *unit)
{
    struct arg key = arg_of_view(waited_key_view(k));
    struct kv_entry *e = kv_peek(unit, k->db, &key);
    return e ? kv_entry_type(e) : TYPE_COUNT;
}

static void serve_key(struct waited_key *k, struct kv_unit *unit)
{
    enum value_type type = type_now(k, unit);
    LIST_EACH(&k->links, n) {
        struct wait_link *link = CONTAINER_OF(n, struct wait_link, by_key);
        if (type != link->wait->type && !link->wait->also_when_gone) continue;
        retry(link, unit, k);
        type = type_now(k, unit);
    }
    if (!list_is_linked(&k->links)) waited_free(k);
}

void block_serve(void)
{
    struct kv_unit unit;
    if (blocking.serving || exec_is_loading()) return;
    blocking.serving = true;
    exec_unit_begin(&unit);
    struct list_node *n;
    while ((n = list_pop(&blocking.ready))) {
        block_ready_count--;
        serve_key(CONTAINER_OF(n, struct waited_key, ready), &unit);
    }
    exec_unit_end(&unit, 0);
    blocking.serving = false;
}

/* ---- ends ---- */

static void end_wait(struct wait *w, const char *error)
{
    struct client *c = client__by_id(w->client_id);
    struct kv_unit unit = {.now_ms = exec_now_ms()};
    struct exec_ctx ctx = {.client = c, .db = w->db, .sink = &c->sink, .unit = &unit};
    if (error)
        reply_error(&ctx, error);
    else
        w->on_timeout(&ctx);
    client__unblock(c);
    wait_free(w, NULL);
}

size_t block_timed(void)
{
    return blocking.heap_count;
}

int block_expire(void)
{
    int64_t now_ms = clock_mono_ms();
    while (blocking.heap_count && blocking.heap[1]->deadline_ms <= now_ms)
        end_wait(blocking.heap[1], NULL);
    return blocking.heap_count ? (int)MIN(blocking.heap[1]->deadline_ms - now_ms, 60000) : -1;
}

bool block_end(uint64_t id, bool with_error)
{
    struct client *c = client__by_id(id);
    if (!c || !(c->flags & CLIENT_BLOCKED) || c->gone != wait_gone) return false;
    end_wait(c->gone_ctx, with_error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK" : NULL);
    return true;
}

enum status block_timeout_arg(struct exec_ctx *ctx, int i, int64_t *timeout_ms_out)
{
    long double seconds;
    if (num_parse_ld(arg_view(&ctx->argv[i]), &seconds))
        return reply_error(ctx, "timeout is not a float or out of range");
    /* Beyond the integers' range counts as negative, as observed of stock. */
    long double ms = ceill(seconds * 1000.0L);
    if (ms < 0 || ms >= 9223372036854775808.0L) return reply_error(ctx, "timeout is negative");
    if (ms > (long double)(INT64_MAX - clock_wall_ms()))
        return reply_error(ctx, "timeout is out of range");
    *timeout_ms_out = (int64_t)ms;
    return STATUS_OK;
}

void block_setup(void)
{
    list_init(&blocking.ready);
    kv_on_touch(on_touch, NULL);
}
