/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of what was denied: newest first, like entries of the last minute counted as one. It is
 * bounded in entries by acllog-max-len, and in bytes since what a client chose (a key, a name) is
 * cut; two that are equal up to there aren't taken for one another.
 *
 * Main doesn't hold the token in busy mode, when AUTH is answered all the same; its entry then
 * waits until main has it.
 */
#include "acl/private.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/reply.h"

#define ALIKE_AMONG 10    /* of the newest entries are looked at for one to count with */
#define ALIKE_MS    60000 /* and no older than this */
#define SHOWN_BYTES 1024

struct denied {
    struct list_node node;
    enum acl_reason reason;
    bool in_multi, in_gears;
    uint64_t count;
    int64_t at_ms;
    struct buf object, user, client;
    uint64_t object_hash, user_hash;
};

static struct {
    struct list_node list; /* newest first */
    size_t count;
} denials = {.list = {&denials.list, &denials.list}};

static void entry_free(struct denied *d)
{
    buf_release(&d->object);
    buf_release(&d->user);
    buf_release(&d->client);
    mem_free(d);
}

static void drop(struct denied *d)
{
    list_unlink(&d->node);
    denials.count--;
    entry_free(d);
}

static void trim(void)
{
    while (denials.count > (size_t)acl_settings.log_max)
        drop(CONTAINER_OF(denials.list.prev, struct denied, node));
}

static bool alike(const struct denied *a, const struct denied *b)
{
    return a->reason == b->reason && a->in_multi == b->in_multi && a->in_gears == b->in_gears &&
           a->at_ms - b->at_ms <= ALIKE_MS && a->object_hash == b->object_hash &&
           a->user_hash == b->user_hash && view_eq(buf_view(&a->object), buf_view(&b->object)) &&
           view_eq(buf_view(&a->user), buf_view(&b->user));
}

static void insert(void *take)
{
    struct denied *new = take;
    size_t seen = 0;
    LIST_EACH(&denials.list, n) {
        struct denied *old = CONTAINER_OF(n, struct denied, node);
        if (seen++ == ALIKE_AMONG) break;
        if (!alike(new, old)) continue;
        new->count += old->count;
        drop(old);
        break;
    }
    list_push(denials.list.next, &new->node); /* before the first */
    denials.count++;
    trim();
}

/* Not all of what is very long. */
static uint64_t put_shown(struct buf *out, struct view v)
{
    buf_append(out, v.ptr, MIN(v.len, (size_t)SHOWN_BYTES));
    if (v.len > SHOWN_BYTES) buf_printf(out, "... (%zu more bytes)", v.len - SHOWN_BYTES);
    return hash_bytes(v.ptr, v.len);
}

void acl__log_add(const struct exec_ctx *ctx, enum acl_reason reason, struct view object,
                  struct view user)
{
    struct denied *d = mem_zalloc(sizeof(*d));
    d->reason = reason;
    d->in_gears = !ctx->client;
    d->in_multi = ctx->flags & EXEC_IN_MULTI ||
                  (ctx->client && client_admit(ctx->client) & ADMIT_MULTI);
    d->count = 1;
    d->at_ms = clock_wall_ms();
    d->object_hash = put_shown(&d->object, object);
    d->user_hash = put_shown(&d->user, user);
    if (ctx->client) client_info(ctx->client, &d->client);
    if (exec_is_main() && exec_is_busy())
        exec_post(insert, d);
    else
        insert(d);
}

static const char *context_of(const struct denied *d)
{
    return d->in_gears ? "gears" : d->in_multi ? "multi" : "toplevel";
}

static void reply_entry(struct exec_ctx *ctx, const struct denied *d, int64_t now_ms)
{
    static const char *const reasons[] = {"auth", "command", "key", "channel"};
    reply_map(ctx, 7);
    reply_bulk_cstr(ctx, "count");
    reply_int(ctx, (int64_t)d->count);
    reply_bulk_cstr(ctx, "reason");
    reply_bulk_cstr(ctx, reasons[d->reason]);
    reply_bulk_cstr(ctx, "context");
    reply_bulk_cstr(ctx, context_of(d));
    reply_bulk_cstr(ctx, "object");
    reply_bulk_view(ctx, buf_view(&d->object));
    reply_bulk_cstr(ctx, "username");
    reply_bulk_view(ctx, buf_view(&d->user));
    reply_bulk_cstr(ctx, "age-seconds");
    reply_double(ctx, (double)(now_ms - d->at_ms) / 1000);
    reply_bulk_cstr(ctx, "client-info");
    reply_bulk_view(ctx, buf_view(&d->client));
}

void acl_log_reply(struct exec_ctx *ctx, size_t max)
{
    int64_t now_ms = clock_wall_ms();
    size_t left = MIN(max, denials.count);
    reply_array(ctx, left);
    LIST_EACH(&denials.list, n) {
        if (!left--) break;
        reply_entry(ctx, CONTAINER_OF(n, struct denied, node), now_ms);
    }
}

void acl_log_reset(void)
{
    while (denials.count) drop(CONTAINER_OF(denials.list.next, struct denied, node));
}
