/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MULTI queues and WATCH; see txn.h. A queue is two runs of memory: the bytes of all arguments,
 * copied once, and where each begins. A watched key is an entry of the database's watch table
 * with the list of those who watch it; the table exists only while there is one, so a change of
 * any key costs one test when nobody watches.
 */
#include "txn/txn.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/reply.h"

struct txn_span {
    size_t offset, len;
};

struct txn_command {
    const struct command *cmd;
    size_t first;
    int argc;
};

struct txn {
    struct client_txn seen; /* by others; its `touched` is set by any holder of the token */
    bool in_multi;
    bool spoilt; /* a command could not be queued: EXECABORT */
    struct buf bytes;
    struct txn_span *spans;
    size_t span_count, span_cap;
    struct txn_command *commands;
    size_t command_count, command_cap;
    struct list_node watches; /* struct watch.by_txn */
};

struct watched_key {
    struct list_node watchers; /* struct watch.by_key */
    struct kv_db *db;
    size_t len;
    char bytes[];
};

struct watch {
    struct list_node by_txn, by_key;
    struct txn *txn;
    struct watched_key *key;
    /* What the key was when it was watched: there, or there and out of time already. The latter is
     * forgotten when it is deleted, which is no change to who watches. */
    bool was_live, was_stale;
};

static struct view watched_key_view(const void *entry)
{
    const struct watched_key *k = entry;
    return view_of(k->bytes, k->len);
}

static const struct table_type watch_table = {.key = watched_key_view};

/* ---- state of a client ---- */

static struct txn *txn_find(const struct client *c)
{
    struct client_txn *seen = client_txn(c);
    return seen ? CONTAINER_OF(seen, struct txn, seen) : NULL;
}

static struct txn *txn_of(struct client *c)
{
    struct txn *t = txn_find(c);
    if (t) return t;
    t = mem_zalloc(sizeof(*t));
    list_init(&t->watches);
    t->seen.queued = -1;
    t->seen.common = UINT32_MAX;
    client_set_txn(c, &t->seen);
    return t;
}

static void queue_clear(struct txn *t)
{
    buf_release(&t->bytes);
    mem_free(t->spans);
    mem_free(t->commands);
    t->spans = NULL;
    t->commands = NULL;
    t->span_count = t->span_cap = t->command_count = t->command_cap = 0;
    t->in_multi = t->spoilt = false;
    t->seen.queued = -1;
    t->seen.flags = 0;
    t->seen.common = UINT32_MAX;
    t->seen.bytes = 0;
}

bool txn_active(const struct client *c)
{
    const struct txn *t = txn_find(c);
    return t && t->in_multi;
}

void txn_begin(struct client *c)
{
    struct txn *t = txn_of(c);
    t->in_multi = true;
    client_admit_set(c, ADMIT_MULTI, true);
    t->seen.queued = 0;
}

/* Leaves nothing behind: a client that used a transaction once is as small as before. */
static void txn_end(struct client *c)
{
    struct txn *t = txn_find(c);
    if (!t) return;
    queue_clear(t);
    client_admit_set(c, ADMIT_MULTI, false);
    txn_unwatch(c);
    mem_free(t);
    client_set_txn(c, NULL);
}

void txn_discard(struct client *c)
{
    txn_end(c);
}

/* ---- queueing ---- */

static void queue_push(struct txn *t, const struct exec_ctx *ctx)
{
    if (t->command_count == t->command_cap) {
        t->command_cap = MAX(t->command_cap * 2, (size_t)8);
        t->commands = mem_realloc(t->commands, t->command_cap * sizeof(*t->commands));
    }
    if (t->span_cap - t->span_count < (size_t)ctx->argc) {
        t->span_cap = MAX(t->span_cap * 2, t->span_count + (size_t)ctx->argc);
        t->spans = mem_realloc(t->spans, t->span_cap * sizeof(*t->spans));
    }
    t->commands[t->command_count++] =
        (struct txn_command){.cmd = ctx->cmd, .first = t->span_count, .argc = ctx->argc};
    for (int i = 0; i < ctx->argc; i++) {
        t->spans[t->span_count++] = (struct txn_span){t->bytes.len, ctx->argv[i].len};
        buf_append(&t->bytes, ctx->argv[i].ptr, ctx->argv[i].len);
    }
}

static bool txn_applies(const struct exec_ctx *ctx)
{
    return ctx->client && txn_active(ctx->client);
}

static enum admit_verdict txn_filter(struct exec_ctx *ctx)
{
    if (!txn_applies(ctx)) return ADMIT_PASS;
    struct txn *t = txn_find(ctx->client);
    if (ctx->cmd->flags & COMMAND_UNQUEUED) return ADMIT_PASS;
    if (ctx->cmd->flags & COMMAND_NO_MULTI)
        return admit_refuse(ctx, "Command not allowed inside a transaction");
    queue_push(t, ctx);
    if (t->bytes.len > exec_settings.query_buffer_limit) {
        log_warning("Closing client id=%llu whose transaction reached max query buffer length",
                    (unsigned long long)client_id(ctx->client));
        client_kill(ctx->client, NULL);
        return ADMIT_TAKEN;
    }
    t->seen.queued = (int)t->command_count;
    t->seen.flags |= ctx->cmd->flags;
    t->seen.common &= ctx->cmd->flags;
    t->seen.bytes = t->bytes.cap + t->span_cap * sizeof(*t->spans) +
                    t->command_cap * sizeof(*t->commands);
    reply_status(ctx, "QUEUED");
    return ADMIT_TAKEN;
}

struct late_end {
    uint64_t client_id;
};

static void end_late(void *ctx)
{
    struct late_end *late = ctx;
    struct client *c = client_find(late->client_id);
    if (c) txn_end(c);
    mem_free(late);
}

/* In busy mode, whoever has the token may be marking watched keys. Until that is over the client
 * has its transaction, and can't go on with it. */
static void end_when_not_busy(const struct client *c)
{
    struct late_end *late = mem_alloc(sizeof(*late));
    late->client_id = client_id(c);
    exec_post(end_late, late);
}

static bool txn_refusal(struct exec_ctx *ctx)
{
    struct txn *t = txn_find(ctx->client);
    if (t && t->in_multi) t->spoilt = true;
    if (!ctx->cmd || strcmp(ctx->cmd->fullname, "exec") != 0) return false;
    if (!exec_is_busy()) txn_end(ctx->client);
    else if (t) end_when_not_busy(ctx->client);
    return true;
}

/* ---- running ---- */

static void run_queue(struct exec_ctx *ctx, struct txn *t)
{
    struct resp_args_buf {
        struct arg *argv;
        int cap;
    } args = {0};
    reply_array(ctx, t->command_count);
    for (size_t i = 0; i < t->command_count; i++) {
        const struct txn_command *q = &t->commands[i];
        if (q->argc > args.cap) {
            args.cap = q->argc;
            args.argv = mem_realloc(args.argv, (size_t)args.cap * sizeof(struct arg));
        }
        for (int k = 0; k < q->argc; k++) {
            const struct txn_span *s = &t->spans[q->first + (size_t)k];
            args.argv[k] = arg_of(t->bytes.ptr + s->offset, s->len);
        }
        struct exec_ctx inner = *ctx;
        inner.cmd = q->cmd;
        inner.argv = args.argv;
        inner.argc = q->argc;
        inner.flags |= EXEC_IN_MULTI | EXEC_DENY_BLOCKING;
        if (admit_queued(&inner)) exec_call(&inner);
        ctx->db = inner.db; /* SELECT */
        ctx->flags |= inner.flags & EXEC_TRACKED; /* CLIENT TRACKING */
    }
    mem_free(args.argv);
}

/* A watched key that was there and has since run out counts as changed, deleted or not yet. */
static bool watched_expired(const struct exec_ctx *ctx, const struct txn *t)
{
    LIST_EACH(&t->watches, n)
    {
        const struct watch *w = CONTAINER_OF(n, struct watch, by_txn);
        struct arg key = arg_of(w->key->bytes, w->key->len);
        if (w->was_live && !kv_peek(ctx->unit, w->key->db, &key)) return true;
    }
    return false;
}

enum status txn_exec(struct exec_ctx *ctx)
{
    struct client *c = ctx->client;
    if (!c || !txn_active(c)) return reply_error(ctx, "EXEC without MULTI");
    struct txn *t = txn_find(c);
    enum status st = STATUS_OK;
    if (t->spoilt) {
        st = reply_error(ctx, "-EXECABORT Transaction discarded because of previous errors.");
    } else if (t->seen.touched || watched_expired(ctx, t)) {
        reply_null_array(ctx);
    } else {
        /* The watches end first: the transaction's own writes don't concern it. */
        txn_unwatch(c);
        t->in_multi = false;
        client_admit_set(c, ADMIT_MULTI, false);
        run_queue(ctx, t);
    }
    txn_end(c);
    return st;
}

/* ---- WATCH ---- */

static struct watched_key *watched_find(struct kv_db *db, struct arg *key)
{
    if (!db->watches) return NULL;
    return table_find(db->watches, &watch_table, arg_view(key), arg_hash(key));
}

static struct watched_key *watched_new(struct kv_db *db, struct arg *key)
{
    struct watched_key *k = mem_alloc(sizeof(*k) + key->len);
    list_init(&k->watchers);
    k->db = db;
    k->len = key->len;
    if (key->len) memcpy(k->bytes, key->ptr, key->len);
    if (!db->watches) {
        db->watches = mem_zalloc(sizeof(struct table));
        kv_touch_listen(db, KV_TOUCH_WATCH, true);
    }
    table_insert(db->watches, &watch_table, k, arg_hash(key));
    return k;
}

static void watched_free(struct watched_key *k)
{
    struct table *watches = k->db->watches;
    struct view key = view_of(k->bytes, k->len);
    table_remove(watches, &watch_table, key, hash_bytes(key.ptr, key.len));
    if (table_count(watches) == 0) {
        table_clear(watches, NULL, NULL);
        mem_free(watches);
        k->db->watches = NULL;
        kv_touch_listen(k->db, KV_TOUCH_WATCH, false);
    }
    mem_free(k);
}

void txn_watch(struct exec_ctx *ctx, struct arg *key)
{
    struct txn *t = txn_of(ctx->client);
    struct watched_key *k = watched_find(ctx->db, key);
    if (!k) k = watched_new(ctx->db, key);
    LIST_EACH(&k->watchers, n)
    if (CONTAINER_OF(n, struct watch, by_key)->txn == t) return;
    struct watch *w = mem_alloc(sizeof(*w));
    w->txn = t;
    w->key = k;
    w->was_live = kv_peek(ctx->unit, ctx->db, key) != NULL;
    w->was_stale = !w->was_live && kv_peek_expired(ctx->db, key);
    list_push(&t->watches, &w->by_txn);
    list_push(&k->watchers, &w->by_key);
}

void txn_unwatch(struct client *c)
{
    struct txn *t = txn_find(c);
    struct list_node *n;
    if (!t) return;
    while ((n = list_pop(&t->watches))) {
        struct watch *w = CONTAINER_OF(n, struct watch, by_txn);
        list_unlink(&w->by_key);
        if (!list_is_linked(&w->key->watchers)) watched_free(w->key);
        mem_free(w);
    }
    t->seen.touched = false;
}

static void touch_watchers(struct watched_key *k)
{
    struct arg key = arg_of(k->bytes, k->len);
    LIST_EACH(&k->watchers, n)
    {
        struct watch *w = CONTAINER_OF(n, struct watch, by_key);
        if (unlikely(w->was_stale) && !kv_peek_expired(k->db, &key))
            w->was_stale = false;
        else
            w->txn->seen.touched = true;
    }
}

/* The database is about to be emptied: only keys that are there change by it. */
static void touch_if_present(void *entry, void *ctx)
{
    struct watched_key *k = entry;
    struct arg key = arg_of(k->bytes, k->len);
    if (kv_peek(ctx, k->db, &key)) touch_watchers(k);
}

static void txn_touch(void *unused, struct kv_db *db, const struct arg *key)
{
    UNUSED(unused);
    if (!db->watches) return;
    if (!key) {
        struct kv_unit now = {.now_ms = clock_wall_ms()}; /* maybe a worker: not the turn's clock */
        uint64_t cursor = 0;
        do cursor = table_scan(db->watches, cursor, SIZE_MAX, SIZE_MAX, touch_if_present, &now);
        while (cursor);
        return;
    }
    struct arg k = *key;
    struct watched_key *watched = watched_find(db, &k);
    if (watched) touch_watchers(watched);
}

void txn_setup(void)
{
    admit_add(ADMIT_MULTI, txn_filter, txn_applies);
    admit_on_refusal(txn_refusal);
    kv_on_touch(txn_touch, NULL);
    client_on_free(txn_end);
}
