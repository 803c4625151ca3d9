/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O thread; see io.h. A turn:
 *
 *   sleep ─ batches ─ sockets that are ready ─ what was left over ─ who leaves ─ send the parcel
 *
 * A client's requests go into the parcel's wave as soon as one is complete, and with them its
 * input: nothing more is read of it until main has answered and given it back. That bounds what a
 * client can have in flight, and lets the kernel's buffer push back on who sends without reading.
 *
 * The kernel tells of a socket on a change only (edge-triggered), for reading and writing, so that
 * it need be told nothing about a client between its first and last day.
 *
 * What a thread touches: its own io_thread, the clients' parts that io.h says are its own, and what
 * never changes (the table of commands). No clock, no log but for what the socket's functions say.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "exec/io_impl.h"

#define EVENTS_MAX      128
#define READS_PER_VISIT 4  /* of one client, then others come */
#define PARCELS_KEPT    8

/* ---- parcels ---- */

static struct io_parcel *parcel_take(struct io_thread *t)
{
    if (!t->spare_parcels) {
        t->spare_parcels = mpsc_take_all(&t->done);
        t->spare_count = 0;
        for (struct mpsc_node *n = t->spare_parcels; n; n = n->next) t->spare_count++;
    }
    if (!t->spare_parcels) {
        struct io_parcel *p = mem_zalloc(sizeof(*p));
        p->from = t;
        return p;
    }
    struct io_parcel *p = CONTAINER_OF(t->spare_parcels, struct io_parcel, node);
    t->spare_parcels = p->node.next;
    t->spare_count--;
    return p;
}

/* Those that a burst needed go. */
static void parcels_trim(struct io_thread *t, size_t keep)
{
    while (t->spare_count > keep) {
        struct io_parcel *p = CONTAINER_OF(t->spare_parcels, struct io_parcel, node);
        t->spare_parcels = p->node.next;
        t->spare_count--;
        io__parcel_free(p);
    }
}

static struct io_parcel *parcel(struct io_thread *t)
{
    if (!t->parcel) {
        struct io_parcel *p = t->parcel = parcel_take(t);
        p->wave.count = p->wave.args.argc = 0;
        if (p->wave.args.cap > WAVE_ARGS_KEPT) resp_args_release(&p->wave.args);
    }
    return t->parcel;
}

static void parcel_send(struct io_thread *t)
{
    struct io_parcel *p = t->parcel;
    if (!p || !(p->wave.count || p->event_count)) return;
    t->parcel = NULL;
    p->spare = outbuf_pool_take();
    mem_used_tell();
    io__parcel_send(p);
}

static void tell(struct io_thread *t, struct client *c, enum io_event_kind kind)
{
    struct io_parcel *p = parcel(t);
    if (p->event_count == p->event_cap) {
        p->event_cap = MAX(p->event_cap * 2, (size_t)16);
        p->events = mem_realloc(p->events, p->event_cap * sizeof(p->events[0]));
    }
    p->events[p->event_count++] = (struct io_event){c, kind};
}

/* Main ends it: from here on it is left alone. */
static void give_up(struct io_thread *t, struct client *c, enum io_event_kind why)
{
    c->io->broken = true;
    tell(t, c, why);
}

static void come_back(struct io_thread *t, struct client *c)
{
    if (!list_is_linked(&c->io->again)) list_push(&t->again, &c->io->again);
}

/* ---- sockets ---- */

static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Only this thread writes it. */
static inline void own_add(_Atomic uint64_t *own, uint64_t n)
{
    uint64_t now = atomic_load_explicit(own, memory_order_relaxed);
    atomic_store_explicit(own, now + n, memory_order_relaxed);
}

static bool watch(struct io_thread *t, struct client *c, uint32_t events)
{
    struct epoll_event ev = {.events = events | EPOLLET, .data.ptr = c};
    if (c->io->watched) return true;
    c->io->watched = epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, c->source.fd, &ev) == 0;
    if (!c->io->watched) give_up(t, c, IO_CLOSED);
    return c->io->watched;
}

static void drop_output(struct client *c)
{
    own_add(&c->io->sent, outbuf_pending(&c->io->out));
    outbuf_release(&c->io->out);
}

/* A write has failed. What the client asked for before it went is done all the same, however long
 * main keeps its input; then a read tells of the end. */
static void go_deaf(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    drop_output(c);
    if (!own->reads || own->ends)
        give_up(t, c, IO_CLOSED);
    else
        own->deaf = own->readable = own->hung_up = true;
}

/* False when the socket takes no more, or is broken. */
static bool write_once(struct io_thread *t, struct client *c, size_t *sent_out)
{
    struct client_io *own = c->io;
    ssize_t sent = client__send(c, &own->out);
    if (sent >= 0) {
        count(&t->writes, 1);
        count(&t->out_bytes, (uint64_t)sent);
        own_add(&own->sent, (uint64_t)sent);
        *sent_out += (size_t)sent;
        return true;
    }
    if (errno == EINTR) return true;
    own->writable = false;
    if (errno != EAGAIN)
        go_deaf(t, c);
    else if (!own->reads) /* else the kernel tells of both already */
        watch(t, c, EPOLLOUT);
    return false;
}

/* Sends what there is. True if there is more that the socket would take. */
static bool put_out(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    size_t sent = 0, most = t->stopping ? SIZE_MAX : CLIENT_WRITE_TURN_BYTES;
    if (own->deaf) drop_output(c);
    while (own->writable && outbuf_pending(&own->out) && sent < most)
        if (!write_once(t, c, &sent)) break;
    if (own->broken) return false;
    if (outbuf_pending(&own->out)) return own->writable;
    if (own->ends) give_up(t, c, IO_CLOSED);
    return false;
}

/* What main may want to know of an input that isn't its own. */
static void tell_input(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    size_t request = resp_state_bytes(&c->request), memory = c->in.cap + request;
    bool changed = memory != atomic_load_explicit(&own->in_memory, memory_order_relaxed);
    atomic_store_explicit(&own->in_unread, c->in.len - c->in.pos, memory_order_relaxed);
    atomic_store_explicit(&own->in_free, c->in.cap - c->in.len, memory_order_relaxed);
    atomic_store_explicit(&own->in_request, request, memory_order_relaxed);
    atomic_store_explicit(&own->in_memory, memory, memory_order_relaxed);
    if (changed && atomic_load_explicit(&io__limits.counts_memory, memory_order_relaxed))
        tell(t, c, IO_GREW);
}

/* One read. False if there is nothing to be had, or it is over. */
static bool read_once(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    size_t got = 0;
    switch (client__fill(c, &got)) {
    case FILL_AGAIN: return true;
    case FILL_NONE:
        own->readable = false;
        if (own->deaf) give_up(t, c, IO_CLOSED);
        return false;
    case FILL_END: give_up(t, c, IO_CLOSED); return false;
    case FILL_SOME: own->readable = own->hung_up; break;
    case FILL_MORE: break;
    }
    count(&t->reads, 1);
    count(&t->in_bytes, got);
    own_add(&own->got, got);
    size_t limit = client__input_limit(
        atomic_load_explicit(&own->stranger, memory_order_relaxed),
        atomic_load_explicit(&io__limits.query_limit, memory_order_relaxed));
    if (c->in.len - c->in.pos + resp_state_bytes(&c->request) <= limit) return true;
    give_up(t, c, IO_OVER);
    return false;
}

/* Puts the complete requests into the parcel's wave, which takes the input along; false if there
 * is none. */
static bool hand_over(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    if (own->mute || c->in.pos == c->in.len) return false;
    if (parcel(t)->wave.count == WAVE_COMMANDS) parcel_send(t);
    struct wave *w = &parcel(t)->wave;
    size_t before = w->count;
    struct resp_limits limits = {
        .bulk_max = atomic_load_explicit(&io__limits.bulk_max, memory_order_relaxed),
        .unauthenticated = atomic_load_explicit(&own->stranger, memory_order_relaxed)};
    wave_collect(w, c, &limits);
    for (size_t i = before; i < w->count; i++) {
        struct wave_entry *e = &w->entries[i];
        struct arg *keys[WAVE_KEYS];
        int n = wave_keys(w, e, keys);
        for (int k = 0; k < n; k++) arg_hash(keys[k]);
        if (!e->protocol_error) continue;
        strncpy(own->error, e->protocol_error, sizeof(own->error) - 1); /* the parser's own place */
        e->protocol_error = own->error;
    }
    if (w->count == before) return false;
    own->owns = false;
    return true;
}

/* Reads until requests are complete, or there is nothing more. True if there may be. */
static bool take_in(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    for (int reads = 0;; reads++) {
        if (hand_over(t, c)) return false;
        if (!own->readable || reads == READS_PER_VISIT) break;
        if (!read_once(t, c) && own->broken) return false;
    }
    if (!own->readable) client__input_trim(c);
    tell_input(t, c);
    return own->readable;
}

/* All that can be done for a client now. */
static void visit(struct io_thread *t, struct client *c)
{
    struct client_io *own = c->io;
    bool more = false;
    if (own->broken) return;
    if (own->ends || outbuf_pending(&own->out)) more = put_out(t, c);
    if (own->owns && !own->broken && !t->stopping) more |= take_in(t, c);
    if (more && !own->broken) come_back(t, c);
}

/* ---- a turn ---- */

static void entry_take(struct io_thread *t, struct io_entry *e)
{
    struct client *c = e->client;
    struct client_io *own = c->io;
    if (e->say & IO_LEAVE) {
        own->broken = true;
        list_unlink(&own->again);
        list_push(&t->leaving, &own->again);
        return;
    }
    outbuf_chain(&own->out, &e->out);
    own->ends |= (e->say & IO_END) != 0;
    own->mute = e->say & IO_MUTE;
    own->owns |= (e->say & IO_INPUT) != 0;
    if (e->say & IO_JOIN && !watch(t, c, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) return;
    visit(t, c);
}

static void batches_take(struct io_thread *t)
{
    struct mpsc_node *n = mpsc_is_empty(&t->inbox) ? NULL : mpsc_take_all(&t->inbox);
    while (n) {
        struct io_batch *b = CONTAINER_OF(n, struct io_batch, node);
        n = n->next;
        for (size_t i = 0; i < b->count; i++) entry_take(t, &b->entries[i]);
        mem_free(b);
    }
}

static void ready(struct io_thread *t, struct client *c, uint32_t events)
{
    struct client_io *own = c->io;
    const uint32_t gone = EPOLLERR | EPOLLHUP;
    if (events & (EPOLLIN | EPOLLRDHUP | gone)) own->readable = true;
    if (events & (EPOLLRDHUP | gone)) own->hung_up = true;
    if (events & (EPOLLOUT | gone)) own->writable = true;
    /* A handshake that wanted to write goes on with a read. */
    if (c->tls && events & EPOLLOUT) own->readable = true;
    visit(t, c);
}

static void again(struct io_thread *t)
{
    struct list_node *n, now;
    if (!list_is_linked(&t->again)) return;
    list_init(&now);
    while ((n = list_pop(&t->again))) list_push(&now, n);
    while ((n = list_pop(&now))) visit(t, CONTAINER_OF(n, struct client_io, again)->client);
}

/* Last in a turn, and in the turn's last parcel: no event that was fetched is of them any more. */
static void leave(struct io_thread *t)
{
    struct list_node *n;
    while ((n = list_pop(&t->leaving))) {
        struct client *c = CONTAINER_OF(n, struct client_io, again)->client;
        if (c->io->watched) epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, c->source.fd, NULL);
        tell(t, c, IO_LEFT);
    }
}

/* Both exchanges with the other side are of one word: whoever comes second sees the other's. */
static int sleep_for(struct io_thread *t, struct epoll_event *events)
{
    int timeout_ms = 0;
    if (!list_is_linked(&t->again)) {
        atomic_exchange(&t->sleeps, true);
        if (mpsc_is_empty(&t->inbox) && !atomic_load(&t->stop)) timeout_ms = -1;
    }
    int n = epoll_wait(t->epoll_fd, events, EVENTS_MAX, timeout_ms);
    atomic_store(&t->sleeps, false);
    return n;
}

static void wake_drain(struct io_thread *t)
{
    uint64_t wakes;
    while (read(t->wake_fd, &wakes, sizeof(wakes)) < 0 && errno == EINTR) continue;
}

static void thread_end(struct io_thread *t)
{
    parcel_send(t);
    if (t->parcel) io__parcel_free(t->parcel);
    parcels_trim(t, 0);
    outbuf_pool_trim(0);
    client__input_pool_release();
}

void *io__thread_main(void *thread)
{
    struct io_thread *t = thread;
    struct epoll_event events[EVENTS_MAX];
    while (!t->stopping) {
        int n = sleep_for(t, events);
        /* Before the inbox: what was sent before the stop is still done. */
        t->stopping = atomic_load(&t->stop);
        mem_used_tell();
        batches_take(t);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                ready(t, events[i].data.ptr, events[i].events);
            else
                wake_drain(t);
        }
        again(t);
        leave(t);
        parcel_send(t);
        parcels_trim(t, PARCELS_KEPT);
        mem_used_tell();
    }
    thread_end(t);
    return NULL;
}
