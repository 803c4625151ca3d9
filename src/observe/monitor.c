/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MONITOR; see monitor.h. A line is made once and sent to every monitor. Other threads append
 * theirs to a buffer, which main empties before it sends a line of its own.
 *
 * Main; the buffer and the count of monitors are guarded by the token.
 */
#include "observe/monitor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/quote.h"
#include "exec/admit.h"
#include "exec/command.h"
#include "exec/reply.h"
#include "observe/private.h"

#define LINE_KEEP_BYTES ((size_t)64 * 1024)

static struct {
    struct client **clients;
    size_t count, cap;
    struct buf posted; /* lines of other threads */
    struct buf line;
} monitor;

bool monitor__on(void)
{
    return monitor.count > 0;
}

static void send(struct buf *lines)
{
    for (size_t i = 0; i < monitor.count; i++)
        client_push(monitor.clients[i], '+', lines->ptr + 1, lines->len - 1);
    buf_clear(lines);
    if (lines->cap > LINE_KEEP_BYTES) buf_release(lines);
}

static void flush(void *unused)
{
    UNUSED(unused);
    if (monitor.posted.len) send(&monitor.posted);
}

/* ---- lines ---- */

static void put_line(struct buf *out, const struct exec_ctx *ctx)
{
    char addr[160];
    int64_t now_us = clock_wall_us();
    const struct kv_db *db = ctx->client ? client_db(ctx->client) : ctx->db;
    if (ctx->client)
        client_addr(ctx->client, addr, sizeof(addr));
    else
        memcpy(addr, "gears", sizeof("gears"));
    buf_printf(out, "+%lld.%06lld [%d %s]", (long long)(now_us / 1000000),
               (long long)(now_us % 1000000), db->id, addr);
    for (int i = 0; i < ctx->argc; i++) {
        buf_append_char(out, ' ');
        quote_repr(out, observe__arg(ctx, i));
    }
    buf_append(out, "\r\n", 2);
}

void monitor__done(const struct exec_ctx *ctx)
{
    if (ctx->cmd->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)) return;
    if (exec_is_main()) {
        flush(NULL);
        put_line(&monitor.line, ctx);
        send(&monitor.line);
        return;
    }
    bool first = !monitor.posted.len;
    put_line(&monitor.posted, ctx);
    if (first) exec_post(flush, NULL);
}

/* ---- who ---- */

bool monitor_begin(struct client *c)
{
    if (client_is_monitor(c)) return false;
    flush(NULL);
    if (monitor.count == monitor.cap) {
        monitor.cap = MAX(monitor.cap * 2, (size_t)4);
        monitor.clients = mem_realloc(monitor.clients, monitor.cap * sizeof(*monitor.clients));
    }
    monitor.clients[monitor.count++] = c;
    client_set_monitor(c, true);
    client_admit_set(c, ADMIT_MONITOR, true);
    observe__update();
    return true;
}

void monitor_end(struct client *c)
{
    if (!client_is_monitor(c)) return;
    flush(NULL);
    for (size_t i = 0; i < monitor.count; i++) {
        if (monitor.clients[i] == c) {
            monitor.clients[i] = monitor.clients[--monitor.count];
            break;
        }
    }
    if (!monitor.count) {
        mem_free(monitor.clients);
        monitor.clients = NULL;
        monitor.cap = 0;
        buf_release(&monitor.line);
        buf_release(&monitor.posted);
    }
    client_set_monitor(c, false);
    client_admit_set(c, ADMIT_MONITOR, false);
    observe__update();
}

/* A monitor reads and writes no data, as in stock, where it is a kind of replica. */
static enum admit_verdict monitor_filter(struct exec_ctx *ctx)
{
    if (!(ctx->cmd->flags & (COMMAND_READONLY | COMMAND_WRITE | COMMAND_MAY_REPLICATE)))
        return ADMIT_PASS;
    return admit_refuse(ctx, "Replica can't interact with the keyspace");
}

void monitor__setup(void)
{
    admit_add(ADMIT_MONITOR, monitor_filter, NULL);
    client_on_free(monitor_end);
}
