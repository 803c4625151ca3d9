/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maxmemory-clients: how much all clients may take together. While there is such a limit, what a
 * client takes is counted anew whenever its input or output may have changed, and the sum is kept;
 * at the end of a turn that is above the limit those that take most are ended until the rest is
 * within it. The candidates are sorted then: every such turn ends at least one of them, so it
 * isn't worth keeping an order all the time.
 *
 * Main, under the token, but where client.c counts while it reads and writes.
 */
#include "base/log.h"
#include "base/num.h"
#include "conf/option.h"
#include "exec/client_impl.h"
#include "keyspace/settings.h"

bool client__limit_on;

static uint64_t evicted;

void client__count_memory(struct client *c)
{
    if (likely(!client__limit_on)) return;
    size_t now = c->flags & CLIENT_CLOSE_ASAP ? 0 : client__memory(c);
    client__set.counted_bytes += now - c->counted_bytes;
    c->counted_bytes = now;
}

uint64_t client__evicted_total(void)
{
    return evicted;
}

void client__evicted_reset(void)
{
    evicted = 0;
}

/* 0: none, as for a percentage of a maxmemory that isn't set. */
static size_t limit_bytes(void)
{
    const struct client_limit *l = &exec_settings.maxmemory_clients;
    if (!l->percent) return l->bytes;
    return (size_t)((unsigned __int128)kv_settings.maxmemory * l->percent / 100);
}

static int by_size(const void *a, const void *b)
{
    const struct client *x = *(struct client *const *)a, *y = *(struct client *const *)b;
    return (x->counted_bytes < y->counted_bytes) - (x->counted_bytes > y->counted_bytes);
}

static bool may_go(const struct client *c)
{
    return !(c->flags & (CLIENT_NO_EVICT | CLIENT_CLOSE_ASAP)) &&
           client__class(c) != CLIENT_CLASS_REPLICA;
}

static void evict_one(struct client *c)
{
    struct buf line = {0};
    client_info(c, &line);
    log_warning("Evicting client: %s", buf_cstr(&line));
    buf_release(&line);
    client__close_asap(c);
    client__count_memory(c);
    evicted++;
}

void client__evict(void)
{
    size_t limit = limit_bytes(), count = 0;
    if (!limit || client__set.counted_bytes <= limit) return;
    struct client **all = mem_alloc(client__set.count * sizeof(struct client *));
    LIST_EACH(&client__set.all, n) {
        struct client *c = CLIENT_OF(n, all);
        client__count_memory(c);
        if (may_go(c)) all[count++] = c;
    }
    qsort(all, count, sizeof(*all), by_size);
    for (size_t i = 0; i < count && client__set.counted_bytes > limit; i++) evict_one(all[i]);
    mem_free(all);
}

/* Powers of two, the first from zero and the last without an end. */
#define BUCKET_FIRST_BITS 15

bool client_memory_buckets(struct client_memory_bucket out[static CLIENT_MEMORY_BUCKETS])
{
    if (!limit_bytes()) return false;
    for (int i = 0; i < CLIENT_MEMORY_BUCKETS; i++) {
        size_t end = (size_t)1 << (BUCKET_FIRST_BITS + i);
        out[i] = (struct client_memory_bucket){.begin = i ? end / 2 : 0, .end = end};
    }
    out[CLIENT_MEMORY_BUCKETS - 1].end = 0;
    LIST_EACH(&client__set.all, n) {
        const struct client *c = CLIENT_OF(n, all);
        if (!may_go(c)) continue;
        struct client_memory_bucket *b = out;
        while (b->end && c->counted_bytes >= b->end) b++;
        b->bytes += c->counted_bytes;
        b->clients++;
    }
    return true;
}

/* ---- the option ---- */

static void get_limit(const struct opt_row *row, struct buf *out)
{
    const struct client_limit *l = &exec_settings.maxmemory_clients;
    UNUSED(row);
    if (l->percent)
        buf_printf(out, "%u%%", l->percent);
    else
        buf_printf(out, "%zu", l->bytes);
}

static enum status set_limit(const struct opt_row *row, const struct view *argv, size_t argc,
                             struct opt_error *err)
{
    UNUSED(row);
    struct view v = argc ? argv[0] : VIEW_LIT("");
    struct client_limit l = {0};
    if (v.len && v.ptr[v.len - 1] == '%') {
        int64_t percent;
        if (num_parse_i64(view_of(v.ptr, v.len - 1), &percent) || percent < 0)
            return opt_fail(err, "argument must be a memory or percent value");
        if (percent > 100) return opt_fail(err, "percentage argument must be less or equal to 100");
        l.percent = (unsigned)percent;
    } else if (!v.len || num_parse_memory(v, &l.bytes)) {
        return opt_fail(err, "argument must be a memory or percent value");
    }
    exec_settings.maxmemory_clients = l;
    client__limit_on = l.percent || l.bytes;
    return STATUS_OK;
}

/* With the limit the counting begins, or ends. */
static enum status apply_limit(struct opt_error *err)
{
    UNUSED(err);
    LIST_EACH(&client__set.all, n) {
        struct client *c = CLIENT_OF(n, all);
        if (!client__limit_on) c->counted_bytes = 0;
        client__count_memory(c);
    }
    if (!client__limit_on) client__set.counted_bytes = 0;
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "maxmemory-clients", .kind = OPT_SPECIAL, .dflt = "0", .get = get_limit,
     .set = set_limit, .apply = apply_limit, .section = OPT_SECTION_CLIENTS,
     .doc = "How much memory all clients may take together for requests, replies, transactions "
            "and subscriptions: bytes, or a percentage of maxmemory. Beyond it the clients that "
            "take most are disconnected, but for those that said CLIENT NO-EVICT. 0: no limit."},
};

void client__limit_options(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
