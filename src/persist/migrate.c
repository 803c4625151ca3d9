/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys handed over to another server; see migrate.h.
 *
 * Requests are made as they are sent, so that a million keys don't stand in memory as payloads at
 * once; and while the target doesn't take more, its replies are read, so that neither end waits
 * for the other with its buffers full. AUTH and SELECT are answered before the first key leaves:
 * a target that refuses them doesn't get the keys into some other database. That is a round trip
 * more on a new connection; the following calls find it selected.
 *
 * Nothing but `+` says that a key was taken. What isn't RESP at all (somebody else's port) must
 * not cost data.
 */
#include "persist/migrate.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/metric.h"
#include "net/sock.h"
#include "persist/dump.h"

#define LINKS_MAX 64
#define LINK_IDLE_MS 10000
/* Requests that wait for the socket; a payload above it is sent from where it was made. */
#define AHEAD_BYTES 65536
#define LINE_BYTES 1024

/* A connection that nobody uses now. */
struct link {
    char *name; /* "host:port" as given; owned */
    size_t name_len;
    int fd;
    struct tls *tls; /* NULL: without; owned */
    bool selected;   /* db is */
    int64_t db;
    int64_t used_ms; /* monotonic */
};

static struct {
    struct link links[LINKS_MAX];
    size_t count;
} idle;

static struct tls_context *tls_context; /* of new connections; NULL: without */

/* ---- connections between calls ---- */

static void link_close(struct link *link)
{
    tls_free(link->tls);
    if (link->fd >= 0) close(link->fd);
    mem_free(link->name);
    *link = (struct link){.fd = -1};
}

static struct link take_at(size_t at)
{
    struct link link = idle.links[at];
    idle.links[at] = idle.links[--idle.count];
    return link;
}

static void keep(struct link *link)
{
    if (idle.count == LINKS_MAX) {
        size_t oldest = 0;
        for (size_t i = 1; i < idle.count; i++) {
            if (idle.links[i].used_ms < idle.links[oldest].used_ms) oldest = i;
        }
        struct link out = take_at(oldest);
        link_close(&out);
    }
    link->used_ms = clock_mono_ms();
    idle.links[idle.count++] = *link;
    *link = (struct link){.fd = -1};
}

/* As recv without waiting. */
static ssize_t link_read(int fd, struct tls *tls, void *to, size_t len)
{
    return tls ? tls_read(tls, to, len) : recv(fd, to, len, MSG_DONTWAIT);
}

/* Nothing has come, not even an end. What has is lost, and the connection of no use any more. */
static bool is_quiet(const struct link *link)
{
    char byte;
    return link_read(link->fd, link->tls, &byte, 1) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static bool take(struct view name, struct link *out)
{
    for (size_t i = 0; i < idle.count; i++) {
        if (!view_eq(view_of(idle.links[i].name, idle.links[i].name_len), name)) continue;
        *out = take_at(i);
        if (is_quiet(out)) return true;
        link_close(out);
        return false;
    }
    return false;
}

void migrate__cron(int64_t now_ms)
{
    for (size_t i = idle.count; i-- > 0;) {
        if (now_ms - idle.links[i].used_ms <= LINK_IDLE_MS) continue;
        struct link out = take_at(i);
        link_close(&out);
    }
}

/* ---- requests ---- */

/* A call's talk with the target. */
struct talk {
    const struct migrate_target *target;
    struct migrate_batch *batch;
    int fd;
    struct tls *tls;
    struct buf head, body; /* to be sent in this order; body is empty or a large payload's end */
    size_t sent;           /* of both */
    size_t greetings;      /* answers to AUTH and SELECT that are to come */
    size_t asked, answered; /* keys */
    bool unwelcome;        /* AUTH or SELECT was refused */
    bool unsound;          /* the connection can't be used again */
    bool heard;            /* something was answered */
    bool timed_out;
    int64_t deadline_ms;
    size_t sent_since; /* bytes since the deadline was set */
    char line[LINE_BYTES];
    size_t line_len;
};

static void put_array(struct buf *out, size_t count)
{
    buf_printf(out, "*%zu\r\n", count);
}

static void put_head(struct buf *out, size_t len)
{
    buf_printf(out, "$%zu\r\n", len);
}

static void put(struct buf *out, struct view word)
{
    put_head(out, word.len);
    buf_append_view(out, word);
    buf_append_cstr(out, "\r\n");
}

static void put_int(struct buf *out, int64_t n)
{
    char text[NUM_I64_LEN];
    put(out, view_of(text, num_format_i64(text, n)));
}

static void greet(struct talk *t, const struct link *link)
{
    const struct migrate_target *target = t->target;
    if (target->password.ptr) {
        put_array(&t->head, target->user.ptr ? 3 : 2);
        put(&t->head, VIEW_LIT("AUTH"));
        if (target->user.ptr) put(&t->head, target->user);
        put(&t->head, target->password);
        t->greetings++;
    }
    if (!link->selected || link->db != target->db) {
        put_array(&t->head, 2);
        put(&t->head, VIEW_LIT("SELECT"));
        put_int(&t->head, target->db);
        t->greetings++;
    }
}

/* What is left of a key's time; one that has run out since the command began goes at once. */
static int64_t ttl_ms(const struct kv_entry *e)
{
    if (!kv_entry_is_volatile(e)) return 0;
    return MAX(kv_entry_expire_ms(e) - clock_wall_ms(), 1);
}

static void ask(struct talk *t, struct arg *key)
{
    const struct kv_entry *e = kv_peek_expired(t->batch->db, key);
    ASSERT(e);
    put_array(&t->head, t->batch->replace ? 5 : 4);
    put(&t->head, VIEW_LIT("RESTORE"));
    put(&t->head, arg_view(key));
    put_int(&t->head, ttl_ms(e));
    dump_save(e, &t->body);
    put_head(&t->head, t->body.len);
    buf_append_cstr(&t->body, "\r\n");
    if (t->batch->replace) put(&t->body, VIEW_LIT("REPLACE"));
    if (t->body.len < AHEAD_BYTES) {
        buf_append_view(&t->head, buf_view(&t->body));
        buf_clear(&t->body);
    }
}

static size_t unsent(const struct talk *t)
{
    return t->head.len + t->body.len - t->sent;
}

static void ask_ahead(struct talk *t)
{
    while (t->asked < t->batch->count && t->body.len == 0 && unsent(t) < AHEAD_BYTES) {
        if (t->sent >= AHEAD_BYTES) {
            buf_consume(&t->head, t->sent);
            t->sent = 0;
        }
        ask(t, t->batch->keys[t->asked++]);
    }
}

/* ---- sending and receiving ---- */

static void set_deadline(struct talk *t)
{
    t->sent_since = 0;
    /* Longer than the clock can count is for ever. */
    if (!num_add_i64(clock_mono_ms(), t->target->timeout_ms, &t->deadline_ms))
        t->deadline_ms = INT64_MAX;
}

/* STATUS_AGAIN: the socket takes no more now. */
static enum status send_some(struct talk *t)
{
    struct iovec parts[2];
    size_t count = 0, skip = t->sent;
    const struct buf *bufs[] = {&t->head, &t->body};
    for (size_t i = 0; i < ARRAY_COUNT(bufs); i++) {
        size_t from = MIN(skip, bufs[i]->len);
        skip -= from;
        if (from == bufs[i]->len) continue;
        parts[count++] = (struct iovec){bufs[i]->ptr + from, bufs[i]->len - from};
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n = t->tls ? tls_write(t->tls, parts[0].iov_base, parts[0].iov_len)
                       : sendmsg(t->fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) return STATUS_OK;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? STATUS_AGAIN : STATUS_IO;
    t->sent += (size_t)n;
    t->sent_since += (size_t)n;
    if (unsent(t) == 0) {
        buf_clear(&t->head);
        buf_release(&t->body);
        t->sent = 0;
    }
    if (unsent(t) == 0 || t->sent_since >= AHEAD_BYTES) set_deadline(t);
    return STATUS_OK;
}

static void refuse(struct talk *t, struct view text)
{
    if (!t->batch->refused) buf_append_view(&t->batch->refusal, text);
    t->batch->refused = true;
}

static void take_reply(struct talk *t, struct view line)
{
    bool ok = line.len > 0 && line.ptr[0] == '+';
    bool error = line.len > 0 && line.ptr[0] == '-';
    t->heard = true;
    set_deadline(t);
    if (t->greetings == 0 && t->answered == t->asked) {
        t->unsound = true; /* an answer to nothing */
        return;
    }
    if (!ok && !error) t->unsound = true;
    if (!ok) refuse(t, error ? view_of(line.ptr + 1, line.len - 1) : line);
    if (t->greetings > 0) {
        t->greetings--;
        if (!ok) t->unwelcome = true;
    } else {
        t->batch->taken[t->answered++] = ok;
    }
}

/* STATUS_AGAIN: nothing is there. */
static enum status receive_some(struct talk *t)
{
    char bytes[4096];
    ssize_t n = link_read(t->fd, t->tls, bytes, sizeof(bytes));
    if (n == 0) return STATUS_CLOSED;
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STATUS_AGAIN
                                                                          : STATUS_IO;
    for (ssize_t i = 0; i < n && !t->unsound; i++) {
        if (bytes[i] != '\n') { /* the end of an overlong line is dropped */
            if (t->line_len < sizeof(t->line)) t->line[t->line_len++] = bytes[i];
            continue;
        }
        if (t->line_len > 0 && t->line[t->line_len - 1] == '\r') t->line_len--;
        take_reply(t, view_of(t->line, t->line_len));
        t->line_len = 0;
    }
    return STATUS_OK;
}

/* Reads once; with TLS all that there is, since the socket doesn't show what was read ahead. */
static enum status receive(struct talk *t)
{
    bool some = false;
    enum status status;
    do {
        status = receive_some(t);
        some |= !status;
    } while (!status && t->tls && !t->unsound && clock_mono_ms() < t->deadline_ms);
    return some || status == STATUS_AGAIN ? STATUS_OK : status;
}

static bool all_is_answered(const struct talk *t, bool keys)
{
    if (unsent(t) > 0 || t->greetings > 0) return false;
    return !keys || t->answered == t->batch->count;
}

/* Until all that is asked, or, with keys, will be asked, is answered. */
static enum migrate_fault exchange(struct talk *t, bool keys)
{
    while (!all_is_answered(t, keys)) {
        if (t->unsound) return MIGRATE_READING;
        if (keys) ask_ahead(t);
        enum status status = unsent(t) > 0 ? send_some(t) : STATUS_AGAIN;
        if (status == STATUS_IO) return MIGRATE_WRITING;
        bool more = unsent(t) > 0;
        if (status == STATUS_OK && (more || (keys && t->asked < t->batch->count))) continue;
        status = sock_wait(t->fd, (short)(POLLIN | (more ? POLLOUT : 0)), t->deadline_ms);
        t->timed_out = status == STATUS_AGAIN;
        if (!status) status = receive(t);
        if (status) return more ? MIGRATE_WRITING : MIGRATE_READING;
    }
    return MIGRATE_NONE;
}

static enum migrate_fault talk(struct talk *t, const struct link *link)
{
    set_deadline(t);
    greet(t, link);
    enum migrate_fault fault = exchange(t, false);
    if (!fault && !t->unwelcome) fault = exchange(t, true);
    buf_release(&t->head);
    buf_release(&t->body);
    return fault;
}

/* ---- a call ---- */

/* NULL: the target speaks something else, isn't trusted or doesn't trust us, or is too slow. */
static struct tls *shake_hands(int fd, int64_t deadline_ms)
{
    struct tls *tls = tls_connect_new(tls_context, fd);
    enum status status = tls ? STATUS_AGAIN : STATUS_NOMEM;
    while (status == STATUS_AGAIN && (status = tls_handshake(tls)) == STATUS_AGAIN) {
        if (sock_wait(fd, tls_wants_write(tls) ? POLLOUT : POLLIN, deadline_ms)) status = STATUS_IO;
    }
    if (status == STATUS_OK) return tls;
    tls_free(tls);
    return NULL;
}

static enum migrate_fault dial(const struct migrate_target *target, struct view name,
                               struct link *out)
{
    int64_t deadline_ms;
    if (target->port < 0) return MIGRATE_NO_HOST;
    if (target->port > UINT16_MAX) return MIGRATE_WRITING;
    if (!num_add_i64(clock_mono_ms(), target->timeout_ms, &deadline_ms)) deadline_ms = INT64_MAX;
    int fd;
    enum status status = sock_connect(target->host, (int)target->port, deadline_ms, &fd);
    bool no_host = status == STATUS_NOT_FOUND || tls_context; /* as stock words it with TLS */
    if (status) return no_host ? MIGRATE_NO_HOST : MIGRATE_WRITING;
    sock_tune(fd, 0);
    struct tls *tls = NULL;
    if (tls_context && !(tls = shake_hands(fd, deadline_ms))) {
        close(fd);
        return MIGRATE_NO_HOST;
    }
    *out = (struct link){
        .name = mem_dup(name.ptr, name.len), .name_len = name.len, .fd = fd, .tls = tls};
    return MIGRATE_NONE;
}

static enum migrate_fault use(struct link *link, const struct migrate_target *target,
                              struct migrate_batch *batch, bool *unheard)
{
    struct talk t = {.target = target, .batch = batch, .fd = link->fd, .tls = link->tls};
    enum migrate_fault fault = talk(&t, link);
    *unheard = fault && !t.heard && !t.timed_out;
    if (fault || t.unsound || t.unwelcome || t.line_len > 0) {
        link_close(link);
    } else {
        link->db = target->db;
        link->selected = true;
        keep(link);
    }
    return fault;
}

enum migrate_fault migrate_send(const struct migrate_target *target, struct migrate_batch *batch)
{
    struct buf text = {0};
    struct link link = {.fd = -1};
    buf_append_view(&text, target->host);
    buf_printf(&text, ":%lld", (long long)target->port);
    struct view name = buf_view(&text);
    bool again = !take(name, &link);
    enum migrate_fault fault = MIGRATE_NONE;
    /* A connection of earlier may have ended just now, which says nothing of the target. */
    if (!again) fault = use(&link, target, batch, &again);
    if (again) {
        fault = dial(target, name, &link);
        if (!fault) fault = use(&link, target, batch, &again);
    }
    buf_release(&text);
    return fault;
}

/* ---- life ---- */

static int64_t info_cached(void)
{
    return (int64_t)idle.count;
}

static const struct metric_row metric_rows[] = {
    {METRIC_STATS, "migrate_cached_sockets", METRIC_INT_FN, {.int_fn = info_cached}, 0},
};

void migrate__setup(void)
{
    metric_register(metric_rows, ARRAY_COUNT(metric_rows));
}

void migrate_use_tls(struct tls_context *context)
{
    while (idle.count) { /* made the other way, or by other certificates */
        struct link out = take_at(idle.count - 1);
        link_close(&out);
    }
    tls_context_free(tls_context);
    tls_context = context;
}

void migrate__teardown(void)
{
    migrate_use_tls(NULL);
}
