/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow log; see slowlog.h. A list, newest first; an entry is one allocation with copies of what
 * it tells. What a client's command waits for isn't counted: a command that blocks is told of when
 * it is served, with the time that serving it took. Work for it on other threads has an entry of
 * its own (struct exec_work).
 *
 * Whoever holds the token.
 */
#include "observe/slowlog.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "conf/option.h"
#include "exec/client.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "observe/observe.h"
#include "observe/private.h"

#define ARGS_MAX  32  /* of an entry; the last may say how many more there were */
#define BYTES_MAX 128 /* of an argument */

struct slow_entry {
    struct list_node node;
    int64_t id, time_s, duration_us;
    int argc;
    size_t lens[ARGS_MAX], addr_len, name_len;
    char bytes[]; /* arguments, address, name */
};

static struct {
    int64_t slower_than_us, max_len;
    struct list_node list;
    size_t count;
    int64_t next_id;
} slowlog = {.list = {&slowlog.list, &slowlog.list}};

static enum status apply_threshold(struct opt_error *err)
{
    UNUSED(err);
    observe__update();
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "slowlog-log-slower-than", .kind = OPT_I64, .var.i64 = &slowlog.slower_than_us,
     .dflt = "10000", .min = -1, .max = INT64_MAX, .apply = apply_threshold,
     .section = OPT_SECTION_OBSERVE,
     .doc = "Remember commands that took at least this many microseconds (SLOWLOG GET shows them). "
            "0 remembers every command, -1 none."},
    {.name = "slowlog-max-len", .kind = OPT_I64, .var.i64 = &slowlog.max_len, .dflt = "128",
     .max = INT64_MAX, .section = OPT_SECTION_OBSERVE,
     .doc = "How many slow commands are remembered; the oldest is forgotten first."},
};

void observe_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

uint64_t slowlog__min_ns(void)
{
    if (slowlog.slower_than_us < 0 || slowlog.slower_than_us > INT64_MAX / 1000) return UINT64_MAX;
    return (uint64_t)slowlog.slower_than_us * 1000;
}

/* ---- adding ---- */

static void put_arg(struct buf *out, struct view v)
{
    buf_append(out, v.ptr, MIN(v.len, (size_t)BYTES_MAX));
    if (v.len > BYTES_MAX) buf_printf(out, "... (%zu more bytes)", v.len - BYTES_MAX);
}

static void put_word(struct slow_entry *e, struct buf *out, struct view v)
{
    size_t before = out->len;
    put_arg(out, v);
    e->lens[e->argc++] = out->len - before;
}

/* In the place of the last word that an entry has room for. */
static void put_more(struct slow_entry *e, struct buf *out, uint64_t count)
{
    size_t before = out->len;
    buf_printf(out, "... (%llu more arguments)", (unsigned long long)count);
    e->lens[e->argc++] = out->len - before;
}

static void put_client(struct slow_entry *e, struct buf *out, const struct client *c)
{
    char addr[160] = "?:0"; /* as stock's for a command without a connection */
    const char *name = c ? client_name(c) : NULL;
    if (c) client_addr(c, addr, sizeof(addr));
    e->addr_len = strlen(addr);
    e->name_len = name ? strlen(name) : 0;
    buf_append_cstr(out, addr);
    if (name) buf_append_cstr(out, name);
}

/* How many words of so many stand in an entry as such. */
static int words_shown(uint64_t count)
{
    return count > ARGS_MAX ? ARGS_MAX - 1 : (int)count;
}

static void drop(struct list_node *n)
{
    list_unlink(n);
    mem_free(CONTAINER_OF(n, struct slow_entry, node));
    slowlog.count--;
}

static void trim(size_t most)
{
    while (slowlog.count > most) drop(slowlog.list.next);
}

static void add(const struct slow_entry *head, struct buf *take_text)
{
    struct slow_entry *e = mem_alloc(sizeof(*e) + take_text->len);
    *e = *head;
    memcpy(e->bytes, take_text->ptr, take_text->len);
    buf_release(take_text);
    list_init(&e->node);
    list_push(&slowlog.list, &e->node); /* newest at the end */
    slowlog.count++;
    trim((size_t)slowlog.max_len);
}

static struct slow_entry new_head(uint64_t ns)
{
    return (struct slow_entry){.id = slowlog.next_id++,
                               .time_s = clock_wall_ms() / 1000,
                               .duration_us = (int64_t)(ns / 1000)};
}

static bool is_slow(uint64_t ns)
{
    return ns >= slowlog__min_ns() && slowlog__min_ns() != UINT64_MAX;
}

void slowlog__done(const struct exec_ctx *ctx, uint64_t ns)
{
    if (!is_slow(ns) || ctx->cmd->flags & COMMAND_SKIP_SLOWLOG) return;
    struct slow_entry head = new_head(ns);
    struct buf text = {0};
    int shown = words_shown((uint64_t)ctx->argc);
    for (int i = 0; i < shown; i++) put_word(&head, &text, observe__arg(ctx, i));
    if (shown < ctx->argc) put_more(&head, &text, (uint64_t)(ctx->argc - shown));
    put_client(&head, &text, ctx->client);
    add(&head, &text);
}

void slowlog__work(const struct exec_work *w)
{
    if (!is_slow(w->ns)) return;
    struct slow_entry head = new_head(w->ns);
    struct buf text = {0};
    uint64_t count = (uint64_t)w->argc + w->more;
    int shown = MIN(words_shown(count), w->argc);
    for (int i = 0; i < shown; i++) put_word(&head, &text, arg_view(&w->argv[i]));
    if ((uint64_t)shown < count) put_more(&head, &text, count - (uint64_t)shown);
    put_client(&head, &text, w->client_id ? client_find(w->client_id) : NULL);
    add(&head, &text);
}

/* ---- showing ---- */

static void reply_entry(struct exec_ctx *ctx, const struct slow_entry *e)
{
    const char *at = e->bytes;
    reply_array(ctx, 6);
    reply_int(ctx, e->id);
    reply_int(ctx, e->time_s);
    reply_int(ctx, e->duration_us);
    reply_array(ctx, (size_t)e->argc);
    for (int i = 0; i < e->argc; i++) {
        reply_bulk(ctx, at, e->lens[i]);
        at += e->lens[i];
    }
    reply_bulk(ctx, at, e->addr_len);
    reply_bulk(ctx, at + e->addr_len, e->name_len);
}

void slowlog_reply(struct exec_ctx *ctx, size_t max)
{
    size_t n = MIN(max, slowlog.count);
    reply_array(ctx, n);
    struct list_node *node = slowlog.list.prev;
    for (size_t i = 0; i < n; i++, node = node->prev)
        reply_entry(ctx, CONTAINER_OF(node, struct slow_entry, node));
}

size_t slowlog_len(void)
{
    return slowlog.count;
}

void slowlog_reset(void)
{
    trim(0);
}
