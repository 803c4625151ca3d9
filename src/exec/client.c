/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a client: its socket, its input and output, its end. What runs its commands is in
 * driver.c. A client costs its struct and nothing else while it is idle: input and output live in
 * blocks that it holds only as long as bytes are in them.
 */
#include "exec/client_impl.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ds/table.h"
#include "exec/admit.h"
#include "exec/blocking.h"
#include "exec/io.h"
#include "exec/token.h"
#include "net/sock.h"

#define INPUT_BLOCK_BYTES   ((size_t)16 * 1024)
#define INPUT_POOL_MAX      64
#define FREE_HOOKS_MAX      8
#define INPUT_KEEP_SMALL    512 /* leftover bytes up to this move to a block of their own size */
#define WRITE_IOV_MAX       64
#define UNAUTH_OUTPUT_BYTES 1024
#define UNAUTH_INPUT_BYTES  ((size_t)24 * 1024) /* unfinished; more than any AUTH needs */
#define PUSHES_KEEP_BYTES   ((size_t)64 * 1024)

struct client_set client__set;

static struct {
    struct table by_id;
    void (*on_free[FREE_HOOKS_MAX])(struct client *c);
    int on_free_count;
    struct buf pushes; /* messages for the client whose command runs, for when it has ended */
    struct client_stats stats;
    struct client_stats told; /* guard: the data token */
    struct client_login login;
} clients = {.login = {.open = true, .no_password = true}};

/* Blocks for input, as spare ones for output: a thread's own. */
static _Thread_local struct {
    char *blocks[INPUT_POOL_MAX];
    size_t count;
} input_pool;

static struct view client_id_key(const void *entry)
{
    const struct client *c = entry;
    return view_of((const char *)&c->id, sizeof(c->id));
}

static const struct table_type client_table = {.key = client_id_key};

struct client *client__by_id(uint64_t id)
{
    return table_find(&clients.by_id, &client_table, view_of((const char *)&id, sizeof(id)),
                      hash_bytes(&id, sizeof(id)));
}

/* ---- birth and end ---- */

static void client_init_lists(struct client *c)
{
    list_init(&c->all);
    list_init(&c->ready);
    list_init(&c->writes);
    list_init(&c->closing);
    list_init(&c->reread);
}

struct client *client__new(int fd, struct tls *tls)
{
    struct client *c = mem_zalloc(sizeof(*c));
    c->tls = tls;
    c->source = (struct loop_source){
        .fd = fd, .read_once_told = true, .fn = driver__client_ready};
    io_attach(c);
    if (io_reads(c)) {
        c->source.interest = LOOP_READ;
    } else if (loop_add(&c->source, LOOP_READ)) {
        if (c->io) io_detach(c);
        tls_free(tls);
        close(fd);
        mem_free(c);
        return NULL;
    }
    c->id = ++client__set.next_id;
    c->db = kv_db(0);
    c->request.bulk_len = -1;
    c->sink = (struct sink){.out = &c->out, .resp = 2};
    c->created_ms = c->active_ms = exec_now_ms();
    if (sock_peer_is_local(fd)) c->flags |= CLIENT_LOCAL;
    if (sock_is_unix(fd)) c->flags |= CLIENT_UNIX;
    client_reset_user(c);
    client_init_lists(c);
    list_push(&client__set.all, &c->all);
    client__set.count++;
    table_insert(&clients.by_id, &client_table, c, hash_bytes(&c->id, sizeof(c->id)));
    clients.stats.received++;
    if (io_reads(c)) io_input_back(c);
    return c;
}

static void input_release(struct client *c)
{
    if (!c->in.data) return;
    if (c->in.cap == INPUT_BLOCK_BYTES && input_pool.count < INPUT_POOL_MAX)
        input_pool.blocks[input_pool.count++] = c->in.data;
    else
        mem_free(c->in.data);
    c->in = (struct inbuf){0};
}

void client__input_pool_release(void)
{
    while (input_pool.count) mem_free(input_pool.blocks[--input_pool.count]);
}

/* As soon as it is known, even in busy mode: what the client waits for may be what keeps main
 * from the token. */
static void tell_gone(struct client *c)
{
    client_gone_fn *gone = c->gone;
    c->gone = NULL;
    if (gone) gone(c->gone_ctx, c->id);
}

/* It is no client any more; what belongs to whoever reads and writes its socket stays. */
static void client_end(struct client *c)
{
    if (c->flags & CLIENT_BLOCKED) client__set.blocked--;
    tell_gone(c);
    for (int i = 0; i < clients.on_free_count; i++) clients.on_free[i](c);
    table_remove(&clients.by_id, &client_table, client_id_key(c),
                 hash_bytes(&c->id, sizeof(c->id)));
    if (!io_reads(c)) loop_remove(&c->source);
    list_unlink(&c->all);
    list_unlink(&c->ready);
    list_unlink(&c->writes);
    list_unlink(&c->closing);
    list_unlink(&c->reread);
    client__set.count--;
    client__set.counted_bytes -= c->counted_bytes;
    c->counted_bytes = 0;
    client__stall_end(c);
    pause__forget(c);
    mem_free(c->name);
    exec_user_unref(c->user);
}

void client__dispose(struct client *c)
{
    if (c->io) io_detach(c);
    tls_free(c->tls);
    close(c->source.fd);
    input_release(c);
    resp_state_release(&c->request);
    outbuf_release(&c->out);
    mem_free(c);
}

void client__free(struct client *c)
{
    client_end(c);
    if (likely(!c->io) || !io_leave(c)) client__dispose(c);
}

void client_on_free(void (*fn)(struct client *c))
{
    ASSERT(clients.on_free_count < FREE_HOOKS_MAX);
    clients.on_free[clients.on_free_count++] = fn;
}

void client__close_asap(struct client *c)
{
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    c->flags |= CLIENT_CLOSE_ASAP;
    c->sink.discard = true;
    tell_gone(c);
    list_unlink(&c->ready);
    list_push(&client__set.closing, &c->closing);
}

void client_close_after_reply(struct client *c)
{
    c->flags |= CLIENT_CLOSE_AFTER_REPLY;
}

void client_kill(struct client *c, const struct client *self)
{
    if (c == self)
        client_close_after_reply(c);
    else
        client__close_asap(c);
}

/* ---- input ---- */

/* A block of INPUT_BLOCK_BYTES. */
static char *input_block_take(void)
{
    return input_pool.count ? input_pool.blocks[--input_pool.count] : mem_alloc(INPUT_BLOCK_BYTES);
}

/* Room for more bytes: a block from the pool for the usual request, a growing buffer of its own
 * for a large one. What a peer announces is not believed ahead of its bytes: capacity at most
 * doubles. */
ALWAYS_INLINE void input_make_room(struct client *c)
{
    struct inbuf *in = &c->in;
    if (!in->data) {
        in->data = input_block_take();
        in->cap = INPUT_BLOCK_BYTES;
        return;
    }
    if (in->cap < INPUT_BLOCK_BYTES) { /* what client__input_trim left */
        char *block = input_block_take();
        memcpy(block, in->data + in->pos, in->len - in->pos);
        mem_free(in->data);
        *in = (struct inbuf){.data = block, .len = in->len - in->pos, .cap = INPUT_BLOCK_BYTES};
        return;
    }
    if (in->pos) {
        memmove(in->data, in->data + in->pos, in->len - in->pos);
        in->len -= in->pos;
        in->pos = 0;
    }
    if (in->cap - in->len >= INPUT_BLOCK_BYTES / 4) return;
    size_t cap = MAX(in->cap * 2, INPUT_BLOCK_BYTES);
    in->data = mem_realloc(in->data, cap);
    in->cap = cap;
}

/* recv and send, not read and write: the socket's own calls skip what files need. */
static ssize_t receive(struct client *c, void *to, size_t len)
{
    if (likely(!c->tls)) return recv(c->source.fd, to, len, 0);
    ssize_t got = tls_read(c->tls, to, len);
    if (got < 0 && errno != EAGAIN && *tls_error(c->tls)) {
        log_verbose("Error of a TLS connection, client id=%llu: %s", (unsigned long long)c->id,
                    tls_error(c->tls));
    }
    return got;
}

/* Reads into a large argument's block and, if that becomes complete, behind it. Returns what the
 * system call did; *room_out is what it could have read. */
static ssize_t read_block(struct client *c, char *block, size_t room, bool complete,
                          size_t *room_out)
{
    struct inbuf *in = &c->in;
    struct iovec iov[2] = {{block, room}, {in->data + in->len, in->cap - in->len}};
    int count = complete && iov[1].iov_len && !c->tls ? 2 : 1;
    *room_out = room + (count == 2 ? iov[1].iov_len : 0);
    ssize_t got = count == 2 ? readv(c->source.fd, iov, count) : receive(c, block, room);
    if (got <= 0) return got;
    size_t filled = MIN((size_t)got, room);
    resp_block_filled(&c->request, filled);
    in->len += (size_t)got - filled;
    return got;
}

/* One read, to where the next bytes belong. */
ALWAYS_INLINE ssize_t read_some(struct client *c, size_t *room_out)
{
    struct inbuf *in = &c->in;
    size_t room, len = in->len - in->pos;
    bool complete;
    enum status st = STATUS_OK;
    char *block = NULL;
    if (unlikely(c->request.started)) {
        block = resp_block_room(&c->request, in->data + in->pos, &len, &room, &complete, &st);
        in->len = in->pos + len;
    }
    if (st) {
        log_warning("Closing client id=%llu: no memory for its argument",
                    (unsigned long long)c->id);
        return 0;
    }
    if (block) return read_block(c, block, room, complete, room_out);
    input_make_room(c);
    *room_out = in->cap - in->len;
    ssize_t got = receive(c, in->data + in->len, *room_out);
    if (got > 0) in->len += (size_t)got;
    return got;
}

/* What TLS has decrypted stays readable though the socket is not: it is read until it has nothing
 * more. */
ALWAYS_INLINE enum fill_result fill(struct client *c, size_t *got_out)
{
    size_t room = 0;
    ssize_t got = read_some(c, &room);
    if (unlikely(got <= 0)) {
        if (got < 0 && errno == EINTR) return FILL_AGAIN;
        return got < 0 && errno == EAGAIN ? FILL_NONE : FILL_END;
    }
    *got_out = (size_t)got;
    return unlikely((size_t)got == room || c->tls) ? FILL_MORE : FILL_SOME;
}

enum fill_result client__fill(struct client *c, size_t *got_out)
{
    return fill(c, got_out);
}

/* What it sent before, and hasn't been run yet, is run; then the end is looked at again. */
static void read_end(struct client *c)
{
    bool runs_first = list_is_linked(&c->ready) && !c->held;
    if (runs_first)
        client__want_reread(c);
    else
        client__close_asap(c);
}

/* A read that brought nothing; false as client__read's. */
static COLD bool read_nothing(struct client *c, enum fill_result result)
{
    if (result == FILL_END || (result == FILL_NONE && c->flags & CLIENT_DEAF)) {
        read_end(c);
        return false;
    }
    if (result == FILL_AGAIN)
        client__want_reread(c);
    else if (c->tls && tls_wants_write(c->tls))
        loop_change(&c->source, c->source.interest | LOOP_WRITE);
    client__input_trim(c);
    return true;
}

size_t client__input_limit(bool unauthenticated, size_t query_limit)
{
    return unlikely(unauthenticated) ? UNAUTH_INPUT_BYTES : query_limit;
}

void client__input_over(struct client *c)
{
    log_warning("Closing client id=%llu that reached max query buffer length",
                (unsigned long long)c->id);
    clients.stats.query_limit_disconnections++;
    client__close_asap(c);
}

bool client__read(struct client *c)
{
    struct inbuf *in = &c->in;
    size_t got;
    enum fill_result result = fill(c, &got);
    if (unlikely(result != FILL_SOME)) {
        if (result != FILL_MORE) return read_nothing(c, result);
        client__want_reread(c);
    }
    clients.stats.reads++;
    clients.stats.net_in_bytes += (uint64_t)got;
    c->active_ms = exec_now_ms();
    size_t limit = client__input_limit(c->admit & ADMIT_AUTH, exec_settings.query_buffer_limit);
    if (unlikely(in->len - in->pos + resp_state_bytes(&c->request) > limit)) {
        client__input_over(c);
        return false;
    }
    return true;
}

void client__input_trim(struct client *c)
{
    struct inbuf *in = &c->in;
    size_t left = in->len - in->pos;
    if (left == 0) {
        input_release(c);
    } else if (left <= INPUT_KEEP_SMALL && in->cap >= INPUT_BLOCK_BYTES) {
        char *small = mem_alloc(INPUT_KEEP_SMALL * 2);
        memcpy(small, in->data + in->pos, left);
        input_release(c);
        *in = (struct inbuf){.data = small, .len = left, .cap = INPUT_KEEP_SMALL * 2};
    }
}

void client__want_reread(struct client *c)
{
    if (!list_is_linked(&c->reread)) list_push(&client__set.reread, &c->reread);
}

void client__want_run(struct client *c)
{
    if (unlikely(io_reads(c)) && io_goes_back(c)) {
        io_input_back(c);
        return;
    }
    if (c->flags &
        (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY | CLIENT_BLOCKED | CLIENT_STALLED)) {
        client__count_memory(c); /* what it sends piles up */
        return;
    }
    if (!list_is_linked(&c->ready)) list_push(&client__set.ready, &c->ready);
}

/* ---- output ---- */

void client__want_write(struct client *c)
{
    bool ends = c->flags & CLIENT_CLOSE_AFTER_REPLY;
    if (!outbuf_pending(&c->out) && !ends) return;
    if (!list_is_linked(&c->writes)) list_push(&client__set.writes, &c->writes);
}

/* Sends once; returns what the system call did. */
ALWAYS_INLINE ssize_t send_some(struct client *c, struct outbuf *out)
{
    struct iovec iov[WRITE_IOV_MAX];
    int count = outbuf_iov(out, iov, c->tls ? 1 : WRITE_IOV_MAX);
    ssize_t sent;
    if (unlikely(c->tls))
        sent = tls_write(c->tls, iov[0].iov_base, iov[0].iov_len);
    else if (count == 1)
        sent = send(c->source.fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    else
        sent = writev(c->source.fd, iov, count);
    if (sent >= 0) outbuf_consume(out, (size_t)sent);
    return sent;
}

ssize_t client__send(struct client *c, struct outbuf *out)
{
    return send_some(c, out);
}

/* One that waits for something wouldn't hear of it. */
COLD void client__go_deaf(struct client *c)
{
    if (c->flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_BLOCKED | CLIENT_CLOSE_ASAP)) {
        client__close_asap(c);
        return;
    }
    c->flags |= CLIENT_DEAF;
    c->sink.discard = true;
    outbuf_release(&c->out);
    client__want_reread(c);
}

/* False when the socket takes no more now or is broken. */
static bool write_some(struct client *c, size_t *sent_out)
{
    ssize_t sent = send_some(c, &c->out);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) client__go_deaf(c);
        return false;
    }
    clients.stats.writes++;
    clients.stats.net_out_bytes += (uint64_t)sent;
    *sent_out += (size_t)sent;
    return true;
}

void client__write(struct client *c)
{
    size_t sent = 0;
    if (unlikely(c->io)) {
        io_give(c);
        return;
    }
    while (outbuf_pending(&c->out) && sent < CLIENT_WRITE_TURN_BYTES)
        if (!write_some(c, &sent)) break;
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (outbuf_pending(&c->out)) {
        loop_change(&c->source, c->source.interest | LOOP_WRITE);
        client__count_memory(c);
        return;
    }
    if (c->source.interest & LOOP_WRITE) loop_change(&c->source, LOOP_READ);
    if (c->flags & CLIENT_CLOSE_AFTER_REPLY) client__close_asap(c);
}

/* Of output, whoever has it. */
static inline size_t unsent_bytes(const struct client *c)
{
    return outbuf_pending(&c->out) + (unlikely(c->io) ? io_unsent(c) : 0);
}

static bool soft_limit_passed(struct client *c, const struct output_limit *limit, size_t pending)
{
    if (!limit->soft_bytes || pending <= limit->soft_bytes) {
        c->soft_limit_since_ms = 0;
        return false;
    }
    if (!c->soft_limit_since_ms) c->soft_limit_since_ms = exec_now_ms();
    return exec_now_ms() - c->soft_limit_since_ms > limit->soft_seconds * 1000;
}

void client__check_output(struct client *c)
{
    if (unlikely(client__limit_on)) client__count_memory(c);
    const struct output_limit *limit = &exec_settings.output_limits[client__class(c)];
    size_t unsent = unsent_bytes(c);
    /* The first block is everybody's, as stock's reply buffer is: no limit cuts a short reply. */
    size_t pending = unsent > OUTBUF_BLOCK_BYTES ? unsent - OUTBUF_BLOCK_BYTES : 0;
    bool over = limit->hard_bytes && pending > limit->hard_bytes;
    if (c->admit & ADMIT_AUTH) over |= unsent > UNAUTH_OUTPUT_BYTES;
    if (soft_limit_passed(c, limit, pending)) over = true;
    if (!over || (c->flags & CLIENT_CLOSE_ASAP)) return;
    log_warning(
        "Client id=%llu scheduled to be closed ASAP for overcoming of output buffer limits.",
        (unsigned long long)c->id);
    clients.stats.output_limit_disconnections++;
    client__close_asap(c);
}

void client_push(struct client *c, char type, const char *rest, size_t len)
{
    if (c->flags & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY | CLIENT_DEAF)) return;
    outbuf_append(&c->out, &type, 1);
    outbuf_append(&c->out, rest, len);
    client__check_output(c);
    if (!(c->flags & CLIENT_CLOSE_ASAP)) client__want_write(c);
}

void client_push_run(struct client *c, const struct out_run *run)
{
    if (c->flags & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY | CLIENT_DEAF)) return;
    if (unlikely(c->tls)) outbuf_append(&c->out, run->ptr, run->len);
    else outbuf_append_run(&c->out, run);
    client__check_output(c);
    if (!(c->flags & CLIENT_CLOSE_ASAP)) client__want_write(c);
}

struct client *client__running;
size_t client__pushes_bytes;

void client_push_after(struct client *c, char type, const char *rest, size_t len)
{
    if (c != client__running) {
        client_push(c, type, rest, len);
        return;
    }
    buf_append_char(&clients.pushes, type);
    buf_append(&clients.pushes, rest, len);
    client__pushes_bytes = clients.pushes.len;
}

void client__pushes_send(void)
{
    struct client *c = client__running;
    struct buf *b = &clients.pushes;
    client__running = NULL;
    client_push(c, b->ptr[0], b->ptr + 1, b->len - 1);
    client__running = c;
    client__pushes_bytes = 0;
    buf_clear(b);
    if (b->cap > PUSHES_KEEP_BYTES) buf_release(b);
}

struct client *client_running(void)
{
    return exec_is_main() ? client__running : NULL;
}

bool client_reply_goes_on(struct exec_ctx *ctx)
{
    if (ctx->client) client__check_output(ctx->client);
    return !ctx->sink->discard;
}

/* ---- waiting ---- */

void client_block(struct exec_ctx *ctx, client_gone_fn *gone, void *gone_ctx)
{
    struct client *c = ctx->client;
    ASSERT(c && !(c->flags & CLIENT_BLOCKED) && !(ctx->flags & EXEC_DENY_BLOCKING));
    c->flags |= CLIENT_BLOCKED;
    c->gone = gone;
    c->gone_ctx = gone_ctx;
    client__set.blocked++;
}

void client__unblock(struct client *c)
{
    c->flags &= ~(uint32_t)CLIENT_BLOCKED;
    if (unlikely(c->flags & CLIENT_SKIPPING)) client__skip_end(c);
    c->gone = NULL;
    client__set.blocked--;
    c->active_ms = exec_now_ms();
    client__check_output(c);
    client__want_write(c);
    if (io_reads(c) || c->in.len > c->in.pos) client__want_run(c);
}

struct unblock {
    uint64_t client_id;
    struct tape reply;
};

void client_unblock_with(uint64_t client_id, void (*reply)(struct exec_ctx *ctx, void *what),
                         void *what)
{
    struct client *c = client__by_id(client_id);
    if (!c || !(c->flags & CLIENT_BLOCKED) || c->held) return;
    struct exec_ctx reply_ctx = {.client = c, .db = c->db, .sink = &c->sink};
    reply(&reply_ctx, what);
    client__unblock(c);
}

static void reply_tape(struct exec_ctx *ctx, void *tape)
{
    tape_reply(tape, ctx);
}

void client_unblock_now(uint64_t client_id, const struct tape *reply)
{
    client_unblock_with(client_id, reply_tape, (void *)(uintptr_t)reply);
}

static void unblock_run(void *ctx)
{
    struct unblock *u = ctx;
    client_unblock_now(u->client_id, &u->reply);
    tape_release(&u->reply);
    mem_free(u);
}

void client_unblock_post(uint64_t client_id, struct tape *take_reply)
{
    struct unblock *u = mem_alloc(sizeof(*u));
    u->client_id = client_id;
    u->reply = *take_reply;
    *take_reply = (struct tape){0};
    exec_post(unblock_run, u);
}

/* ---- small accessors ---- */

uint64_t client_id(const struct client *c)
{
    return c->id;
}

bool client_is_local(const struct client *c)
{
    return c->flags & CLIENT_LOCAL;
}

bool client_access_ok(const struct exec_ctx *ctx, enum exec_access access)
{
    if (access == ACCESS_YES) return true;
    return access == ACCESS_LOCAL && ctx->client && client_is_local(ctx->client);
}

struct client *client_find(uint64_t id)
{
    return client__by_id(id);
}

struct client_txn *client_txn(const struct client *c)
{
    return c->txn;
}

void client_set_txn(struct client *c, struct client_txn *txn)
{
    c->txn = txn;
}

struct client_tracking *client_tracking(const struct client *c)
{
    return c->tracking;
}

void client_set_tracking(struct client *c, struct client_tracking *tracking)
{
    c->tracking = tracking;
    client_admit_set(c, ADMIT_TRACKING, tracking != NULL);
}

void client_keeps(struct client *c, ptrdiff_t bytes)
{
    c->kept_bytes += (size_t)bytes;
}

void *client_pubsub(const struct client *c)
{
    return c->pubsub;
}

struct client_subs client_subs(const struct client *c)
{
    return c->subs;
}

void client_set_pubsub(struct client *c, void *pubsub, struct client_subs subs)
{
    c->pubsub = pubsub;
    c->subs = subs;
}

bool client_is_monitor(const struct client *c)
{
    return c->flags & CLIENT_MONITOR;
}

void client_set_monitor(struct client *c, bool on)
{
    c->flags = on ? c->flags | CLIENT_MONITOR : c->flags & ~(uint32_t)CLIENT_MONITOR;
}

/* ---- CLIENT REPLY ---- */

static void set_discard(struct client *c)
{
    c->sink.discard =
        c->flags & (CLIENT_CLOSE_ASAP | CLIENT_MUTE | CLIENT_SKIPPING | CLIENT_DEAF);
}

void client_set_reply_mode(struct client *c, enum client_reply_mode mode)
{
    if (mode == CLIENT_REPLY_ON)
        c->flags &= ~(uint32_t)(CLIENT_MUTE | CLIENT_SKIP | CLIENT_SKIPPING);
    else if (mode == CLIENT_REPLY_OFF)
        c->flags |= CLIENT_MUTE;
    else if (!(c->flags & CLIENT_MUTE))
        c->flags |= CLIENT_SKIP;
    set_discard(c);
}

void client__skip_begin(struct client *c)
{
    c->flags = (c->flags & ~(uint32_t)CLIENT_SKIP) | CLIENT_SKIPPING;
    set_discard(c);
}

void client__skip_end(struct client *c)
{
    c->flags &= ~(uint32_t)CLIENT_SKIPPING;
    set_discard(c);
}

void client_set_no_evict(struct client *c, bool on)
{
    c->flags = on ? c->flags | CLIENT_NO_EVICT : c->flags & ~(uint32_t)CLIENT_NO_EVICT;
}

/* ---- users ---- */

static void user_bits(struct client *c)
{
    bool must_ask = !clients.login.open && !(c->flags & CLIENT_KNOWN);
    if (c->io) io_stranger(c, must_ask);
    client_admit_set(c, ADMIT_AUTH, must_ask);
    client_admit_set(c, ADMIT_ACL, c->user && c->user->admit & ADMIT_ACL);
}

void client_users_changed(void)
{
    LIST_EACH(&client__set.all, n) user_bits(CLIENT_OF(n, all));
}

void client_set_login(const struct client_login *login)
{
    struct exec_user *old = clients.login.user;
    clients.login = *login;
    exec_user_ref(login->user);
    exec_user_unref(old);
    client_users_changed();
}

struct exec_user *client_login_user(void)
{
    return clients.login.user;
}

struct exec_user *client_user(const struct client *c)
{
    return c->user;
}

void client_set_user(struct client *c, struct exec_user *user, bool known)
{
    struct exec_user *old = c->user;
    c->user = exec_user_ref(user);
    exec_user_unref(old);
    c->flags = known ? c->flags | CLIENT_KNOWN : c->flags & ~(uint32_t)CLIENT_KNOWN;
    user_bits(c);
}

void client_reset_user(struct client *c)
{
    client_set_user(c, clients.login.user, clients.login.open);
}

bool client__is_unprotected(void)
{
    return clients.login.no_password;
}

enum client_class client__class(const struct client *c)
{
    return client_subs_any(&c->subs) ? CLIENT_CLASS_PUBSUB : CLIENT_CLASS_NORMAL;
}

void client_admit_set(struct client *c, uint32_t bits, bool on)
{
    c->admit = on ? c->admit | bits : c->admit & ~bits;
}

uint32_t client_admit(const struct client *c)
{
    return c->admit;
}

const char *client_name(const struct client *c)
{
    return c->name;
}

enum status client_set_name(struct client *c, struct view name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < '!' || name.ptr[i] > '~') return STATUS_SYNTAX;
    mem_free(c->name);
    c->name = name.len ? mem_dup(name.ptr, name.len) : NULL;
    return STATUS_OK;
}

void client_set_resp(struct client *c, int resp)
{
    c->sink.resp = (uint8_t)resp;
}

int client_resp(const struct client *c)
{
    return c->sink.resp;
}

struct kv_db *client_db(const struct client *c)
{
    return c->db;
}

void client_set_db(struct client *c, struct kv_db *db)
{
    c->db = db;
}

struct client_input client__input(const struct client *c)
{
    if (io_has_input(c)) return io_input_told(c);
    return (struct client_input){.unread = c->in.len - c->in.pos,
                                 .free = c->in.cap - c->in.len,
                                 .request = resp_state_bytes(&c->request),
                                 .memory = c->in.cap + resp_state_bytes(&c->request)};
}

size_t client__output_memory(const struct client *c)
{
    return outbuf_memory(&c->out) + (c->io ? io_unsent_part(c) : 0);
}

size_t client__memory(const struct client *c)
{
    return mem_good_size(sizeof(*c)) + client__input(c).memory + client__output_memory(c) +
           (c->io ? sizeof(*c->io) : 0) + (c->name ? mem_usable(c->name) : 0) + c->kept_bytes +
           (c->txn ? c->txn->bytes : 0) +
           (c->held ? c->held->bytes + (size_t)c->held->argc * sizeof(struct arg) : 0);
}

static void client_stats_walk(struct client_walk *w)
{
    *w = (struct client_walk){0};
    LIST_EACH(&client__set.all, n) {
        const struct client *c = CLIENT_OF(n, all);
        size_t memory = client__memory(c);
        w->longest_in = MAX(w->longest_in, client__input(c).unread);
        w->longest_out = MAX(w->longest_out, unsent_bytes(c));
        w->memory += memory;
        if (client__class(c) != CLIENT_CLASS_REPLICA) continue;
        w->replicas++;
        w->replicas_memory += memory;
    }
}

void client_stats(struct client_stats *out, bool walk)
{
    if (exec_is_main()) {
        struct client_stats s = clients.stats;
        struct io_totals io = io_totals();
        s.walk = clients.told.walk;
        s.net_in_bytes += io.in_bytes;
        s.net_out_bytes += io.out_bytes;
        s.reads += io.reads;
        s.writes += io.writes;
        s.threaded_reads = io.reads;
        s.threaded_writes = io.writes;
        s.connected = client__set.count;
        s.blocked = client__set.blocked;
        s.evicted = client__evicted_total();
        s.timed = block_timed();
        if (walk) client_stats_walk(&s.walk);
        s.commands = exec_commands_processed();
        s.errors = exec_errors_total();
        clients.told = s;
    }
    *out = clients.told;
}

void client__count_rejected(void)
{
    clients.stats.rejected++;
}

void client_stats_reset(void)
{
    clients.stats = (struct client_stats){0};
    io_totals_reset();
    client__evicted_reset();
}
