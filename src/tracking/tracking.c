/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who tracks, and what he is sent; the hooks. See tracking.h.
 *
 * A client that tracks has the bit ADMIT_TRACKING. The filter behind it refuses nothing: it marks
 * the context, and exec calls back when the handler has run, so that what was read is noted
 * without a test in any lookup and at no cost for other clients.
 */
#include "tracking/tracking.h"

#include "base/mem.h"
#include "base/num.h"
#include "conf/metric.h"
#include "conf/option.h"
#include "exec/admit.h"
#include "exec/command.h"
#include "tracking/private.h"

#define CRON_KEYS 20000

static struct {
    struct list_node all; /* struct tracker.all */
    size_t count;
} tracking;

struct tracker *tracker__of(const struct client *c)
{
    struct client_tracking *seen = client_tracking(c);
    return seen ? CONTAINER_OF(seen, struct tracker, seen) : NULL;
}

void tracker__each(void (*fn)(void *ctx, struct tracker *t), void *ctx)
{
    LIST_EACH(&tracking.all, n) fn(ctx, CONTAINER_OF(n, struct tracker, all));
}

void tracking__listen(void)
{
    kv_touch_listen(NULL, KV_TOUCH_TRACK, read_keys__count() || prefixes__count());
}

/* ---- messages ---- */

void message__init(struct message *m)
{
    *m = (struct message){0};
}

void message__release(struct message *m)
{
    buf_release(&m->body);
    buf_release(&m->push);
    buf_release(&m->published);
}

static void append_head(struct buf *out, char type, size_t n)
{
    char head[NUM_I64_LEN + 3];
    head[0] = type;
    size_t len = 1 + num_format_i64(head + 1, (int64_t)n);
    head[len++] = '\r';
    head[len++] = '\n';
    buf_append(out, head, len);
}

void message__begin(struct message *m, size_t count)
{
    buf_clear(&m->body);
    buf_clear(&m->push);
    buf_clear(&m->published);
    append_head(&m->body, '*', count);
}

void message__add(struct message *m, struct view key)
{
    append_head(&m->body, '$', key.len);
    buf_append_view(&m->body, key);
    buf_append(&m->body, "\r\n", 2);
}

/* Both without their first byte, which client_push puts in front. */
static const struct buf *complete(struct buf *whole, const char *head, const struct buf *body)
{
    if (!whole->len) {
        buf_append_cstr(whole, head);
        buf_append(whole, body->ptr, body->len);
    }
    return whole;
}

static void tell_broken(struct tracker *t)
{
    t->seen.broken = true;
    if (client_resp(t->client) < 3) return;
    struct buf b = {0};
    buf_printf(&b, "2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
               (unsigned long long)t->seen.redirect);
    client_push_after(t->client, '>', b.ptr, b.len);
    buf_release(&b);
}

/* RESP2 has no messages outside of replies but those of publish and subscribe, so there one can
 * only be told through another client, which is subscribed to something. */
void message__send(struct message *m, struct tracker *t)
{
    struct client *to = t->client;
    if (t->seen.redirect) to = client_find(t->seen.redirect);
    if (!to) {
        tell_broken(t);
        return;
    }
    if (client_resp(to) >= 3) {
        const struct buf *b = complete(&m->push, "2\r\n$10\r\ninvalidate\r\n", &m->body);
        client_push_after(to, '>', b->ptr, b->len);
        return;
    }
    struct client_subs subs = client_subs(to);
    if (!t->seen.redirect || !client_subs_any(&subs)) return;
    const struct buf *b = complete(
        &m->published, "3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n", &m->body);
    client_push_after(to, '*', b->ptr, b->len);
}

/* ---- a client's tracking ---- */

uint32_t tracking_options(const struct client *c)
{
    const struct tracker *t = tracker__of(c);
    return t ? t->options : 0;
}

static struct tracker *tracker_new(struct client *c)
{
    struct tracker *t = mem_zalloc(sizeof(*t));
    t->client = c;
    t->id = client_id(c);
    list_push(&tracking.all, &t->all);
    tracking.count++;
    client_set_tracking(c, &t->seen);
    client_keeps(c, (ptrdiff_t)sizeof(*t));
    return t;
}

void tracking_begin(struct client *c, uint32_t options, uint64_t redirect,
                    const struct view *prefixes, size_t prefix_count)
{
    struct tracker *t = tracker__of(c);
    if (!t) t = tracker_new(c);
    t->options = options | TRACKING_ON | (t->options & TRACKING_CACHING);
    t->seen = (struct client_tracking){.bcast = options & TRACKING_BCAST, .redirect = redirect};
    if (options & TRACKING_BCAST) {
        struct view all = VIEW_LIT("");
        prefixes__add(t, prefix_count ? prefixes : &all, prefix_count ? prefix_count : 1);
    }
    tracking__listen();
}

void tracking_end(struct client *c)
{
    struct tracker *t = tracker__of(c);
    if (!t) return;
    prefixes__drop_all(t);
    list_unlink(&t->all);
    client_keeps(c, -(ptrdiff_t)sizeof(*t));
    client_set_tracking(c, NULL);
    mem_free(t->prefixes);
    mem_free(t);
    if (!--tracking.count) read_keys__clear();
    tracking__listen();
}

void tracking_caching(struct client *c)
{
    tracker__of(c)->options |= TRACKING_CACHING;
}

const struct view *tracking_prefix(const struct client *c, size_t index)
{
    const struct tracker *t = tracker__of(c);
    return t && index < t->prefix_count ? prefixes__view(t->prefixes[index]) : NULL;
}

bool tracking_overlap(struct view a, struct view b)
{
    size_t len = MIN(a.len, b.len);
    return len == 0 || memcmp(a.ptr, b.ptr, len) == 0;
}

/* ---- reads ---- */

static bool notes_reads(const struct tracker *t, const struct command *cmd)
{
    if (!(cmd->flags & COMMAND_READONLY) || cmd->flags & COMMAND_PUBSUB) return false;
    if (t->options & TRACKING_BCAST) return false;
    if (t->options & TRACKING_OPTIN) return t->options & TRACKING_CACHING;
    if (t->options & TRACKING_OPTOUT) return !(t->options & TRACKING_CACHING);
    return true;
}

static void note_movable(const struct tracker *t, struct exec_ctx *ctx)
{
    struct command_keys keys = {0};
    if (!command_keys(ctx->cmd, ctx->argv, ctx->argc, &keys))
        for (int i = 0; i < keys.count; i++)
            read_keys__note(t->id, &ctx->argv[keys.keys[i].pos]);
    command_keys_release(&keys);
}

static void note_reads(const struct tracker *t, struct exec_ctx *ctx)
{
    const struct command *cmd = ctx->cmd;
    if (!command_has_keys(cmd)) return;
    if (cmd->flags & COMMAND_MOVABLEKEYS || cmd->first_key <= 0) {
        note_movable(t, ctx);
    } else {
        int last = cmd->last_key < 0 ? ctx->argc + cmd->last_key : cmd->last_key;
        for (int i = cmd->first_key; i <= last && i < ctx->argc; i += MAX(cmd->key_step, 1))
            read_keys__note(t->id, &ctx->argv[i]);
    }
    read_keys__limit((size_t)ctx->argc + 16);
}

/* What CLIENT CACHING said holds until the next command has ended; for a MULTI, until its EXEC
 * has. CLIENT's own subcommands don't count. */
static bool keeps_caching(const struct exec_ctx *ctx)
{
    const struct client_txn *txn = client_txn(ctx->client);
    if (txn && txn->queued >= 0) return true;
    if (!ctx->cmd) return false;
    const struct command *top = ctx->cmd->parent ? ctx->cmd->parent : ctx->cmd;
    return !strcmp(top->name, "client");
}

static void after_command(struct exec_ctx *ctx, bool ran)
{
    struct tracker *t = ctx->client ? tracker__of(ctx->client) : NULL;
    if (!t) return;
    if (ran && notes_reads(t, ctx->cmd)) note_reads(t, ctx);
    if (t->options & TRACKING_CACHING && !keeps_caching(ctx))
        t->options &= ~(uint32_t)TRACKING_CACHING;
}

static bool filter_applies(const struct exec_ctx *ctx)
{
    return ctx->client && tracker__of(ctx->client);
}

static enum admit_verdict filter(struct exec_ctx *ctx)
{
    if (filter_applies(ctx)) ctx->flags |= EXEC_TRACKED;
    return ADMIT_PASS;
}

/* ---- changes ---- */

/* Emptied databases are on_flush's business; of exchanged ones nobody is told, as in stock. */
static void on_touch(void *unused, struct kv_db *db, const struct arg *key)
{
    UNUSED(unused);
    if (!key || !(db->touch_mask & KV_TOUCH_TRACK)) return;
    struct arg k = *key;
    if (read_keys__count()) read_keys__changed(&k);
    if (prefixes__count()) prefixes__changed(&k);
}

static void on_flush(void)
{
    if (!tracking.count) return;
    read_keys__flushed();
    tracking__listen();
}

/* ---- life ---- */

void tracking_cron(void)
{
    read_keys__limit(CRON_KEYS);
    read_keys__free_some(CRON_KEYS);
}

static int64_t clients(void)
{
    return (int64_t)tracking.count;
}

static int64_t total_keys(void)
{
    return (int64_t)read_keys__count();
}

static int64_t total_items(void)
{
    return (int64_t)read_keys__items();
}

static int64_t total_prefixes(void)
{
    return (int64_t)prefixes__count();
}

static const struct metric_row metrics[] = {
    {METRIC_CLIENTS, "tracking_clients", METRIC_INT_FN, {.int_fn = clients}, 0},
    {METRIC_STATS, "tracking_total_keys", METRIC_INT_FN, {.int_fn = total_keys}, 0},
    {METRIC_STATS, "tracking_total_items", METRIC_INT_FN, {.int_fn = total_items}, 0},
    {METRIC_STATS, "tracking_total_prefixes", METRIC_INT_FN, {.int_fn = total_prefixes}, 0},
};

void tracking_metrics_register(void)
{
    metric_register(metrics, ARRAY_COUNT(metrics));
}

static const struct opt_row rows[] = {
    {.name = "tracking-table-max-keys", .kind = OPT_I64, .var.i64 = &tracking__max_keys,
     .dflt = "1000000", .max = INT64_MAX, .section = OPT_SECTION_CLIENTS,
     .doc = "How many keys are remembered for clients that cache what they read (CLIENT TRACKING). "
            "Beyond that, clients are told to forget keys that haven't changed. 0: no limit."},
};

void tracking_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

void tracking_setup(void)
{
    list_init(&tracking.all);
    prefixes__setup();
    admit_add(ADMIT_TRACKING, filter, filter_applies);
    exec_on_tracked(after_command);
    kv_on_touch(on_touch, NULL);
    kv_on_flush(on_flush);
    client_on_free(tracking_end);
}

void tracking_teardown(void)
{
    read_keys__teardown();
}
