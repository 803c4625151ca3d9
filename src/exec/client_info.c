/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients as CLIENT LIST shows them and as CLIENT KILL finds them. The line's fields and their
 * order are stock's as observed.
 */
#include "exec/client_impl.h"
#include "exec/command.h"
#include "exec/io.h"
#include "net/sock.h"

#include <stdio.h>

static void info_flags(const struct client *c, struct buf *out)
{
    size_t before = out->len;
    if (c->flags & CLIENT_MONITOR) buf_append_char(out, 'O');
    if (client_subs_any(&c->subs)) buf_append_char(out, 'P');
    if (c->txn && c->txn->queued >= 0) buf_append_char(out, 'x');
    if (c->flags & (CLIENT_BLOCKED | CLIENT_STALLED)) buf_append_char(out, 'b');
    if (c->tracking) buf_append_char(out, 't');
    if (c->tracking && c->tracking->broken) buf_append_char(out, 'R');
    if (c->tracking && c->tracking->bcast) buf_append_char(out, 'B');
    if (c->txn && c->txn->touched) buf_append_char(out, 'd');
    if (c->flags & CLIENT_CLOSE_AFTER_REPLY) buf_append_char(out, 'c');
    if (c->flags & CLIENT_CLOSE_ASAP) buf_append_char(out, 'A');
    if (c->flags & CLIENT_UNIX) buf_append_char(out, 'U');
    if (c->flags & CLIENT_NO_EVICT) buf_append_char(out, 'e');
    if (out->len == before) buf_append_char(out, 'N');
}

void client_addr(const struct client *c, char *out, size_t cap)
{
    if (!(c->flags & CLIENT_UNIX)) {
        sock_peer_name(c->source.fd, out, cap);
        return;
    }
    char path[128];
    sock_local_name(c->source.fd, path, sizeof(path)); /* "path:0" */
    snprintf(out, cap, "unix:%.*s", (int)(strlen(path) - 2), path);
}

void client_info(const struct client *c, struct buf *out)
{
    char addr[128], laddr[128];
    sock_peer_name(c->source.fd, addr, sizeof(addr));
    sock_local_name(c->source.fd, laddr, sizeof(laddr));
    int64_t now = exec_now_ms();
    struct client_input in = client__input(c);
    size_t blocks = io_unsent_blocks(c);
    for (const struct out_block *b = c->out.head; b; b = b->next) blocks++;
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=",
               (unsigned long long)c->id, addr, laddr, c->source.fd, c->name ? c->name : "",
               (long long)((now - c->created_ms) / 1000), (long long)((now - c->active_ms) / 1000));
    info_flags(c, out);
    buf_printf(out, " db=%d sub=%u psub=%u ssub=%u multi=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu",
               c->db->id, c->subs.channels, c->subs.patterns, c->subs.shards,
               c->txn ? c->txn->queued : -1, in.unread, in.free,
               c->held ? c->held->bytes : in.request);
    buf_printf(out,
               " multi-mem=%zu rbs=0 rbp=0 obl=0 oll=%zu omem=%zu tot-mem=%zu events=%s%s"
               " cmd=%s user=%s redir=%lld resp=%d",
               c->txn ? c->txn->bytes : 0, blocks, client__output_memory(c), client__memory(c),
               c->source.interest & LOOP_READ ? "r" : "",
               c->source.interest & LOOP_WRITE ? "w" : "",
               c->last_cmd ? c->last_cmd->fullname : "NULL",
               c->user ? c->user->name.ptr : "default",
               c->tracking ? (long long)c->tracking->redirect : -1LL, c->sink.resp);
}

int client_class_parse(struct view word)
{
    if (view_eq_nocase(word, "normal")) return CLIENT_CLASS_NORMAL + 1;
    if (view_eq_nocase(word, "replica") || view_eq_nocase(word, "slave"))
        return CLIENT_CLASS_REPLICA + 1;
    if (view_eq_nocase(word, "pubsub")) return CLIENT_CLASS_PUBSUB + 1;
    if (view_eq_nocase(word, "master")) return CLIENT_CLASS_COUNT + 1;
    return -1;
}

static bool id_listed(const struct client_filter *f, uint64_t id)
{
    if (!f->id_count) return true;
    for (size_t i = 0; i < f->id_count; i++)
        if (f->ids[i] == id) return true;
    return false;
}

static bool name_matches(struct view wanted, int fd, void (*name)(int, char *, size_t))
{
    char text[128];
    if (!wanted.len) return true;
    name(fd, text, sizeof(text));
    return view_eq_cstr(wanted, text);
}

static bool filter_matches(const struct client_filter *f, const struct client *c)
{
    if (c == f->skip || (c->flags & CLIENT_CLOSE_ASAP)) return false;
    if (f->user && f->user != c->user) return false;
    if (f->class_ && f->class_ != (int)client__class(c) + 1) return false;
    return id_listed(f, c->id) && name_matches(f->addr, c->source.fd, sock_peer_name) &&
           name_matches(f->laddr, c->source.fd, sock_local_name);
}

void client_each(const struct client_filter *f, void (*fn)(void *ctx, struct client *c), void *ctx)
{
    LIST_EACH(&client__set.all, n)
    {
        struct client *c = CLIENT_OF(n, all);
        if (filter_matches(f, c)) fn(ctx, c);
    }
}
