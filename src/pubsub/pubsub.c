/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics, subscriptions, delivery; see pubsub.h. A topic keeps its subscriptions in one array, so
 * that delivery walks memory in order; a subscription knows its place there, and ending one moves
 * the last into the gap. A client finds its subscriptions by name in a table of its own.
 *
 * RESP2 and RESP3 write a message with the same bytes but for the first, so it is encoded once,
 * whoever reads it. Where several do, it isn't copied for each: a topic has a stream of what its
 * subscribers are sent (net/outbuf.h), one of few, for the topics that were last published to.
 *
 * Main; what publishing from other threads may read is guarded by the token.
 */
#include "pubsub/pubsub.h"

#include "base/glob.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/num.h"
#include "conf/metric.h"
#include "ds/table.h"
#include "exec/admit.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "pubsub/private.h"

#define SCRATCH_KEEP_BYTES ((size_t)64 * 1024)
#define STREAMS 16
#define SHARING_LEAST 4 /* subscribers: fewer get copies */

struct topic {
    struct list_node by_kind;
    struct subscription **subs;
    uint32_t count, cap;
    size_t len;
    char name[];
};

struct subscription {
    struct list_node by_client;
    struct client *client;
    struct topic *topic;
    uint32_t place; /* in topic->subs */
};

/* What hangs on a client. */
struct subscriber {
    struct table by_name[PUBSUB_KINDS];
    struct list_node list[PUBSUB_KINDS]; /* struct subscription.by_client, oldest first */
};

/* A message on its way from another thread to main. */
struct waiting {
    struct waiting *next;
    enum pubsub_kind kind;
    size_t channel_len, message_len;
    char bytes[];
};

static struct {
    struct table by_name[PUBSUB_KINDS];
    struct list_node list[PUBSUB_KINDS]; /* struct topic.by_kind */
    struct waiting *first, *last;
    struct buf scratch; /* the message being delivered */
    struct stream {
        const struct topic *topic; /* NULL: free */
        struct out_stream by_resp[2];
    } streams[STREAMS];
} pubsub;

static const struct {
    const char *subscribe, *unsubscribe;
} words[PUBSUB_KINDS] = {
    {"subscribe", "unsubscribe"},
    {"psubscribe", "punsubscribe"},
    {"ssubscribe", "sunsubscribe"},
};

static struct view topic_name(const struct topic *t)
{
    return view_of(t->name, t->len);
}

static struct view topic_key(const void *entry)
{
    return topic_name(entry);
}

static struct view subscription_key(const void *entry)
{
    const struct subscription *s = entry;
    return topic_name(s->topic);
}

static const struct table_type topic_table = {.key = topic_key};
static const struct table_type subscription_table = {.key = subscription_key};

static struct topic *topic_find(enum pubsub_kind kind, struct view name)
{
    if (!table_count(&pubsub.by_name[kind])) return NULL;
    return table_find(&pubsub.by_name[kind], &topic_table, name, hash_bytes(name.ptr, name.len));
}

/* ---- encoding ---- */

static void put_bulk(struct buf *out, struct view v)
{
    char head[NUM_I64_LEN + 3];
    head[0] = '$';
    size_t len = 1 + num_format_i64(head + 1, (int64_t)v.len);
    buf_append(out, head, len);
    buf_append(out, "\r\n", 2);
    buf_append_view(out, v);
    buf_append(out, "\r\n", 2);
}

/* The scratch buffer holding a message of so many parts, without its first byte. */
static struct buf *message_begin(int parts, const char *word)
{
    struct buf *out = &pubsub.scratch;
    buf_clear(out);
    buf_append_char(out, (char)('0' + parts));
    buf_append(out, "\r\n", 2);
    put_bulk(out, view_of(word, strlen(word)));
    return out;
}

static void message_end(void)
{
    if (pubsub.scratch.cap > SCRATCH_KEEP_BYTES) buf_release(&pubsub.scratch);
}

static char push_type(const struct client *c)
{
    return client_resp(c) >= 3 ? '>' : '*';
}

/* ---- delivery ---- */

static void stream_close(struct stream *s)
{
    s->topic = NULL;
    for (int i = 0; i < 2; i++) out_stream_close(&s->by_resp[i]);
}

/* A topic has its place; another one's that is there gives way. */
static struct stream *stream_place(const struct topic *t)
{
    return &pubsub.streams[((uintptr_t)t >> 5) % STREAMS];
}

/* The message is written once for each version of the protocol, and the buffers refer to it. */
static void send_shared(const struct topic *t, const struct buf *message)
{
    struct stream *s = stream_place(t);
    struct out_run runs[2] = {0};
    if (s->topic != t) stream_close(s);
    s->topic = t;
    for (uint32_t i = 0; i < t->count; i++) {
        struct client *c = t->subs[i]->client;
        int push = client_resp(c) >= 3;
        if (unlikely(!runs[push].in))
            runs[push] = out_stream_add(&s->by_resp[push], view_of(push ? ">" : "*", 1),
                                        buf_view(message));
        client_push_run(c, &runs[push]);
    }
    for (int i = 0; i < 2; i++)
        if (runs[i].in) out_run_release(&runs[i]);
}

static size_t send_all(const struct topic *t, const struct buf *message)
{
    if (t->count >= SHARING_LEAST) {
        send_shared(t, message);
        return t->count;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        struct client *c = t->subs[i]->client;
        client_push(c, push_type(c), message->ptr, message->len);
    }
    return t->count;
}

/* Returns how many it was sent to. */
static size_t deliver(enum pubsub_kind kind, struct view channel, struct view message)
{
    const struct topic *t = topic_find(kind, channel);
    size_t n = 0;
    if (t) {
        struct buf *out = message_begin(3, kind == PUBSUB_SHARD ? "smessage" : "message");
        put_bulk(out, channel);
        put_bulk(out, message);
        n += send_all(t, out);
    }
    if (kind == PUBSUB_CHANNEL) {
        LIST_EACH(&pubsub.list[PUBSUB_PATTERN], node) {
            const struct topic *p = CONTAINER_OF(node, struct topic, by_kind);
            if (!glob_match(topic_name(p), channel, false)) continue;
            struct buf *out = message_begin(4, "pmessage");
            put_bulk(out, topic_name(p));
            put_bulk(out, channel);
            put_bulk(out, message);
            n += send_all(p, out);
        }
    }
    message_end();
    return n;
}

/* How many it would be sent to. */
static size_t receivers(enum pubsub_kind kind, struct view channel)
{
    const struct topic *t = topic_find(kind, channel);
    size_t n = t ? t->count : 0;
    if (kind != PUBSUB_CHANNEL) return n;
    LIST_EACH(&pubsub.list[PUBSUB_PATTERN], node) {
        const struct topic *p = CONTAINER_OF(node, struct topic, by_kind);
        if (glob_match(topic_name(p), channel, false)) n += p->count;
    }
    return n;
}

/* Delivers what other threads have published. */
static void flush(void *unused)
{
    UNUSED(unused);
    while (pubsub.first) {
        struct waiting *w = pubsub.first;
        pubsub.first = w->next;
        if (!pubsub.first) pubsub.last = NULL;
        deliver(w->kind, view_of(w->bytes, w->channel_len),
                view_of(w->bytes + w->channel_len, w->message_len));
        mem_free(w);
    }
}

static void enqueue(enum pubsub_kind kind, struct view channel, struct view message)
{
    struct waiting *w = mem_alloc(sizeof(*w) + channel.len + message.len);
    w->next = NULL;
    w->kind = kind;
    w->channel_len = channel.len;
    w->message_len = message.len;
    if (channel.len) memcpy(w->bytes, channel.ptr, channel.len);
    if (message.len) memcpy(w->bytes + channel.len, message.ptr, message.len);
    bool was_empty = !pubsub.first;
    if (was_empty)
        pubsub.first = w;
    else
        pubsub.last->next = w;
    pubsub.last = w;
    if (was_empty) exec_post(flush, NULL);
}

size_t pubsub_publish(enum pubsub_kind kind, struct view channel, struct view message)
{
    if (exec_is_main()) {
        flush(NULL);
        return deliver(kind, channel, message);
    }
    size_t n = receivers(kind, channel);
    if (n) enqueue(kind, channel, message);
    return n;
}

/* ---- subscriptions ---- */

static struct subscriber *subscriber_of(struct client *c)
{
    struct subscriber *s = client_pubsub(c);
    if (s) return s;
    s = mem_zalloc(sizeof(*s));
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) list_init(&s->list[kind]);
    client_set_pubsub(c, s, (struct client_subs){0});
    return s;
}

/* After a change: the counts that others see, the filter's bit, and no state without need. */
static void subscriber_update(struct client *c)
{
    struct subscriber *s = client_pubsub(c);
    struct client_subs subs = {
        .channels = (uint32_t)table_count(&s->by_name[PUBSUB_CHANNEL]),
        .patterns = (uint32_t)table_count(&s->by_name[PUBSUB_PATTERN]),
        .shards = (uint32_t)table_count(&s->by_name[PUBSUB_SHARD]),
    };
    bool any = client_subs_any(&subs);
    if (!any) mem_free(s);
    client_set_pubsub(c, any ? s : NULL, subs);
    client_admit_set(c, ADMIT_SUBSCRIBED, any);
}

static struct topic *topic_get(enum pubsub_kind kind, struct arg *name)
{
    struct topic *t = table_find(&pubsub.by_name[kind], &topic_table, arg_view(name),
                                 arg_hash(name));
    if (t) return t;
    t = mem_zalloc(sizeof(*t) + name->len);
    t->len = name->len;
    if (name->len) memcpy(t->name, name->ptr, name->len);
    list_push(&pubsub.list[kind], &t->by_kind);
    table_insert(&pubsub.by_name[kind], &topic_table, t, arg_hash(name));
    return t;
}

static void topic_add(struct topic *t, struct subscription *s)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 2;
        t->subs = mem_realloc(t->subs, t->cap * sizeof(*t->subs));
    }
    s->topic = t;
    s->place = t->count;
    t->subs[t->count++] = s;
}

static void topic_drop(enum pubsub_kind kind, struct topic *t, struct subscription *s)
{
    struct subscription *moved = t->subs[--t->count];
    t->subs[s->place] = moved;
    moved->place = s->place;
    if (t->count) return;
    struct view name = topic_name(t);
    if (stream_place(t)->topic == t) stream_close(stream_place(t));
    table_remove(&pubsub.by_name[kind], &topic_table, name, hash_bytes(name.ptr, name.len));
    list_unlink(&t->by_kind);
    mem_free(t->subs);
    mem_free(t);
}

/* What a subscription takes, as if the topic were its own. */
static ptrdiff_t kept_for(const struct subscription *s)
{
    return (ptrdiff_t)(sizeof(*s) + sizeof(*s->topic) + s->topic->len);
}

static void subscription_end(enum pubsub_kind kind, struct subscription *s)
{
    client_keeps(s->client, -kept_for(s));
    struct subscriber *who = client_pubsub(s->client);
    struct view name = topic_name(s->topic);
    table_remove(&who->by_name[kind], &subscription_table, name, hash_bytes(name.ptr, name.len));
    list_unlink(&s->by_client);
    topic_drop(kind, s->topic, s);
    mem_free(s);
}

/* What SUBSCRIBE and UNSUBSCRIBE answer for one name; name NULL: there was nothing to end. */
static void tell(struct client *c, enum pubsub_kind kind, const char *word,
                 const struct view *name)
{
    struct client_subs subs = client_subs(c);
    struct buf *out = message_begin(3, word);
    if (name)
        put_bulk(out, *name);
    else
        buf_append_cstr(out, client_resp(c) >= 3 ? "_\r\n" : "$-1\r\n");
    size_t count = kind == PUBSUB_SHARD ? subs.shards : (size_t)subs.channels + subs.patterns;
    buf_printf(out, ":%zu\r\n", count);
    client_push(c, push_type(c), out->ptr, out->len);
    message_end();
}

void pubsub_subscribe(struct client *c, enum pubsub_kind kind, struct arg *name)
{
    flush(NULL);
    struct subscriber *who = subscriber_of(c);
    struct view v = arg_view(name);
    if (!table_find(&who->by_name[kind], &subscription_table, v, arg_hash(name))) {
        struct subscription *s = mem_alloc(sizeof(*s));
        s->client = c;
        topic_add(topic_get(kind, name), s);
        list_push(&who->list[kind], &s->by_client);
        client_keeps(c, kept_for(s));
        table_insert(&who->by_name[kind], &subscription_table, s, arg_hash(name));
        subscriber_update(c);
    }
    tell(c, kind, words[kind].subscribe, &v);
}

void pubsub_unsubscribe(struct client *c, enum pubsub_kind kind, struct arg *name)
{
    flush(NULL);
    struct subscriber *who = client_pubsub(c);
    struct view v = arg_view(name);
    struct subscription *s =
        who ? table_find(&who->by_name[kind], &subscription_table, v, arg_hash(name)) : NULL;
    if (s) {
        subscription_end(kind, s);
        subscriber_update(c);
    }
    tell(c, kind, words[kind].unsubscribe, &v);
}

void pubsub_unsubscribe_all(struct client *c, enum pubsub_kind kind)
{
    flush(NULL);
    struct subscriber *who = client_pubsub(c);
    if (!who || !list_is_linked(&who->list[kind])) {
        tell(c, kind, words[kind].unsubscribe, NULL);
        return;
    }
    struct buf name = {0};
    while ((who = client_pubsub(c)) && list_is_linked(&who->list[kind])) {
        struct subscription *s = CONTAINER_OF(who->list[kind].next, struct subscription, by_client);
        buf_clear(&name);
        buf_append_view(&name, topic_name(s->topic));
        subscription_end(kind, s);
        subscriber_update(c);
        struct view v = buf_view(&name);
        tell(c, kind, words[kind].unsubscribe, &v);
    }
    buf_release(&name);
}

void pubsub_forget(struct client *c)
{
    struct subscriber *who = client_pubsub(c);
    if (!who) return;
    flush(NULL);
    for (enum pubsub_kind kind = 0; kind < PUBSUB_KINDS; kind++) {
        LIST_EACH(&who->list[kind], n) {
            subscription_end(kind, CONTAINER_OF(n, struct subscription, by_client));
        }
    }
    subscriber_update(c);
}

void pubsub_each_of(struct client *c, void (*fn)(void *at, bool pattern, struct view name),
                    void *at)
{
    struct subscriber *who = client_pubsub(c);
    for (enum pubsub_kind kind = 0; who && kind < PUBSUB_KINDS; kind++) {
        LIST_EACH(&who->list[kind], n) {
            const struct subscription *s = CONTAINER_OF(n, struct subscription, by_client);
            fn(at, kind == PUBSUB_PATTERN, topic_name(s->topic));
        }
    }
}

/* ---- the subscriber mode ---- */

bool pubsub_in_mode(const struct client *c)
{
    struct client_subs subs = client_subs(c);
    return client_subs_any(&subs) && client_resp(c) < 3;
}

static bool allowed_in_mode(const struct command *cmd)
{
    static const char *const names[] = {"ping", "subscribe", "unsubscribe", "psubscribe",
                                        "punsubscribe", "ssubscribe", "sunsubscribe", "quit",
                                        "reset"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (!strcmp(cmd->fullname, names[i])) return true;
    return false;
}

static bool mode_applies(const struct exec_ctx *ctx)
{
    return ctx->client && pubsub_in_mode(ctx->client);
}

static enum admit_verdict mode_filter(struct exec_ctx *ctx)
{
    if (!mode_applies(ctx) || allowed_in_mode(ctx->cmd))
        return ADMIT_PASS;
    struct buf text = {0};
    buf_printf(&text,
               "Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
               "are allowed in this context",
               ctx->cmd->fullname);
    enum admit_verdict verdict = admit_refuse(ctx, buf_cstr(&text));
    buf_release(&text);
    return verdict;
}

/* ---- looking ---- */

size_t pubsub_topics(enum pubsub_kind kind)
{
    return table_count(&pubsub.by_name[kind]);
}

size_t pubsub_subscribers(enum pubsub_kind kind, struct view name)
{
    const struct topic *t = topic_find(kind, name);
    return t ? t->count : 0;
}

void pubsub_each(enum pubsub_kind kind, const struct view *pattern,
                 void (*fn)(void *ctx, struct view name), void *ctx)
{
    LIST_EACH(&pubsub.list[kind], n) {
        const struct topic *t = CONTAINER_OF(n, struct topic, by_kind);
        if (!pattern || glob_match(*pattern, topic_name(t), false)) fn(ctx, topic_name(t));
    }
}

static int64_t count_channels(void)
{
    return (int64_t)pubsub_topics(PUBSUB_CHANNEL);
}

static int64_t count_patterns(void)
{
    return (int64_t)pubsub_topics(PUBSUB_PATTERN);
}

static int64_t count_shards(void)
{
    return (int64_t)pubsub_topics(PUBSUB_SHARD);
}

static const struct metric_row rows[] = {
    {METRIC_STATS, "pubsub_channels", METRIC_INT_FN, {.int_fn = count_channels}, 0},
    {METRIC_STATS, "pubsub_patterns", METRIC_INT_FN, {.int_fn = count_patterns}, 0},
    {METRIC_STATS, "pubsubshard_channels", METRIC_INT_FN, {.int_fn = count_shards}, 0},
};

void pubsub_metrics_register(void)
{
    metric_register(rows, ARRAY_COUNT(rows));
}

void pubsub_setup(void)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) list_init(&pubsub.list[kind]);
    admit_add(ADMIT_SUBSCRIBED, mode_filter, mode_applies);
    client_on_free(pubsub_forget);
    pubsub__notify_setup();
}
