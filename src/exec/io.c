/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Main's side of the I/O threads; see io.h. A barrier in each turn, where main lends all sockets
 * and waits for the last of them, was rejected: it spins away what it wins, and the slowest socket
 * makes everybody wait. So were locks on a client: what main and a thread need of it is apart.
 *
 * Main, but for io__parcel_send.
 */
#include "exec/io.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/admit.h"
#include "exec/io_impl.h"
#include "net/loop.h"

#define CLIENT_STUCK                                                                               \
    (CLIENT_BLOCKED | CLIENT_STALLED | CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_ASAP)

bool io_is_on, io_is_active;

struct io_limits io__limits;

static struct {
    struct io_thread *threads[IO_THREADS_MAX];
    size_t count;
    struct list_node back;    /* struct client_io.back */
    struct list_node leaving; /* struct client.all: told to leave */
    struct list_node left;    /* likewise: they have */
    struct mpsc_node *parcels; /* taken, and not yet begun; oldest first */
    int waves;                 /* of parcels, under way */
    struct mpsc mail;          /* parcels */
    atomic_bool sleeps;
} io;

/* ---- threads ---- */

/* Writes only what is new: the line stays in the threads' caches. */
static void publish(_Atomic size_t *to, size_t value)
{
    if (unlikely(atomic_load_explicit(to, memory_order_relaxed) != value))
        atomic_store_explicit(to, value, memory_order_relaxed);
}

static void limits_publish(void)
{
    publish(&io__limits.bulk_max, exec_settings.proto_max_bulk_len);
    publish(&io__limits.query_limit, exec_settings.query_buffer_limit);
    publish(&io__limits.counts_memory, client__limit_on);
}

static void thread_free(struct io_thread *t)
{
    if (t->epoll_fd >= 0) close(t->epoll_fd);
    if (t->wake_fd >= 0) close(t->wake_fd);
    mem_free(t->batch);
    for (struct mpsc_node *n = mpsc_take_all(&t->done), *next; n; n = next) {
        next = n->next;
        io__parcel_free(CONTAINER_OF(n, struct io_parcel, node));
    }
    mem_free(t);
}

/* Signals are main's: none of these threads starts a process that would inherit the mask. */
static int thread_begin(struct io_thread *t)
{
    sigset_t all, before;
    char name[16];
    sigfillset(&all);
    for (int i = 0; i < 4; i++) sigdelset(&all, (int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL}[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&t->thread, NULL, io__thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    snprintf(name, sizeof(name), "io_thd_%d", t->index);
    if (error) return error;
    pthread_setname_np(t->thread, name);
    ASSERT(pthread_getcpuclockid(t->thread, &t->cpu_clock) == 0); /* every thread has one */
    return 0;
}

static enum status thread_add(int index)
{
    struct io_thread *t = mem_alloc_aligned(64, sizeof(*t));
    memset(t, 0, sizeof(*t));
    t->index = index;
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    list_init(&t->again);
    list_init(&t->leaving);
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET}; /* without a client */
    int error = 0;
    if (t->epoll_fd < 0 || t->wake_fd < 0 ||
        epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->wake_fd, &wake))
        error = errno;
    if (!error) error = thread_begin(t);
    if (error) {
        log_warning("Can't make I/O thread %d: %s", index, strerror(error));
        thread_free(t);
        return STATUS_ERR;
    }
    io.threads[io.count++] = t;
    return STATUS_OK;
}

static void advise(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores > 2) return;
    log_warning("io-threads %d on %ld processor%s: main and the I/O threads take the processor "
                "from each other. With fewer than three, io-threads 1 is better.",
                exec_settings.io_threads, cores, cores == 1 ? "" : "s");
}

enum status io_setup(void)
{
    list_init(&io.back);
    list_init(&io.leaving);
    list_init(&io.left);
    limits_publish();
    if (exec_settings.io_threads <= 1) return STATUS_OK;
    advise();
    for (int i = 1; i < exec_settings.io_threads; i++)
        if (thread_add(i)) return STATUS_ERR;
    io_is_on = true;
    io_is_active = exec_settings.io_threads_active == IO_ACTIVITY_ALWAYS;
    return STATUS_OK;
}

/* Both exchanges are of one word: whoever comes second sees the other's. */
static void thread_wake(struct io_thread *t)
{
    uint64_t one = 1;
    if (!atomic_exchange(&t->sleeps, false)) return;
    if (write(t->wake_fd, &one, sizeof(one)) < 0) errno = 0; /* full: a wake is pending */
}

static void take_mail(void);

/* Output that a client's thread had and that main kept for it, as far as the socket takes it. */
static void send_rest(struct client *c)
{
    struct outbuf *out = &c->io->out;
    outbuf_chain(out, &c->out);
    c->out = (struct outbuf){0};
    while (outbuf_pending(out) && client__send(c, out) > 0) continue;
}

void io_teardown(void)
{
    for (size_t i = 0; i < io.count; i++) {
        struct io_thread *t = io.threads[i];
        atomic_store(&t->stop, true);
        thread_wake(t);
    }
    for (size_t i = 0; i < io.count; i++) {
        pthread_join(io.threads[i]->thread, NULL);
        thread_free(io.threads[i]);
    }
    io.count = 0;
    io_is_on = io_is_active = false;
    LIST_EACH(&client__set.all, n) {
        struct client *c = CLIENT_OF(n, all);
        if (c->io && c->io->returning) send_rest(c);
    }
    take_mail();
    while (io.parcels) {
        struct mpsc_node *n = io.parcels;
        io.parcels = n->next;
        io__parcel_free(CONTAINER_OF(n, struct io_parcel, node));
    }
    struct list_node *n;
    while ((n = list_pop(&io.leaving))) client__dispose(CLIENT_OF(n, all));
    while ((n = list_pop(&io.left))) client__dispose(CLIENT_OF(n, all));
}

/* ---- clients ---- */

static struct io_thread *thread_with_fewest(void)
{
    struct io_thread *best = io.threads[0];
    for (size_t i = 1; i < io.count; i++)
        if (io.threads[i]->clients < best->clients) best = io.threads[i];
    return best;
}

void io_attach(struct client *c)
{
    if (likely(!io_is_active)) return;
    bool reads = exec_settings.io_threads_do_reads;
    if (c->tls && !reads) return;
    struct client_io *own = mem_alloc_aligned(64, sizeof(*own));
    memset(own, 0, sizeof(*own));
    own->client = c;
    own->thread = thread_with_fewest();
    own->thread->clients++;
    own->reads = reads;
    own->writable = true;
    list_init(&own->back);
    list_init(&own->again);
    c->io = own;
}

void io_detach(struct client *c)
{
    struct client_io *own = c->io;
    if (io_is_on) own->thread->clients--;
    outbuf_release(&own->out);
    mem_free(own);
    c->io = NULL;
}

/* ---- to the threads ---- */

static void batch_send(struct io_thread *t)
{
    struct io_batch *b = t->batch;
    if (!b) return;
    t->batch = NULL;
    mpsc_push(&t->inbox, &b->node);
    thread_wake(t);
}

static struct io_entry *entry_add(struct client *c)
{
    struct io_thread *t = c->io->thread;
    if (t->batch && t->batch->count == IO_BATCH_ENTRIES) batch_send(t);
    if (!t->batch) {
        t->batch = mem_alloc(sizeof(*t->batch));
        t->batch->count = 0;
    }
    struct io_entry *e = &t->batch->entries[t->batch->count++];
    *e = (struct io_entry){.client = c};
    return e;
}

static uint32_t input_say(struct client *c)
{
    struct client_io *own = c->io;
    uint32_t say = 0;
    if (!own->reads) return 0;
    if (!own->joined) say |= IO_JOIN;
    own->joined = true;
    /* One that waits to be run by main keeps its input (a held one doesn't run from there), and
     * nothing is read of one that is stalled. */
    bool in_use = c->flags & (CLIENT_IN_WAVE | CLIENT_STALLED) ||
                  (list_is_linked(&c->ready) && !c->held);
    if (!own->lent && !in_use && list_is_linked(&own->back)) {
        own->lent = true;
        say |= IO_INPUT;
    }
    if (c->flags & CLIENT_STUCK) say |= IO_MUTE;
    return say;
}

void io_give(struct client *c)
{
    struct client_io *own = c->io;
    if (own->returning) return;
    struct io_entry *e = entry_add(c);
    e->say = input_say(c);
    if (c->flags & CLIENT_CLOSE_AFTER_REPLY) e->say |= IO_END;
    if (io_unsent(c) == 0) {
        own->since = own->handed;
        own->part = 0;
    }
    own->handed += outbuf_pending(&c->out);
    own->part += outbuf_part(&c->out);
    e->out = c->out;
    c->out = (struct outbuf){0};
    if (!(c->flags & CLIENT_IN_WAVE)) list_unlink(&own->back);
    client__count_memory(c);
}

void io_stranger(struct client *c, bool is_one)
{
    atomic_store_explicit(&c->io->stranger, is_one, memory_order_relaxed);
}

bool io_goes_back(const struct client *c)
{
    if (c->io->returning) return false;
    return c->io->lent || list_is_linked(&c->io->back) || c->flags & CLIENT_STUCK;
}

void io_input_back(struct client *c)
{
    if (!c->io->returning && !list_is_linked(&c->io->back)) list_push(&io.back, &c->io->back);
}

bool io_leave(struct client *c)
{
    struct client_io *own = c->io;
    if (!io_is_on || own->home) return false; /* the end of the server; it has left already */
    list_unlink(&own->back);
    list_push(&io.leaving, &c->all);
    if (!own->returning) entry_add(c)->say = IO_LEAVE;
    own->returning = false;
    return true;
}

void io_flush(void)
{
    limits_publish();
    LIST_EACH(&io.back, n) {
        struct client *c = CONTAINER_OF(n, struct client_io, back)->client;
        if (!(c->flags & CLIENT_IN_WAVE)) io_give(c);
    }
    for (size_t i = 0; i < io.count; i++) batch_send(io.threads[i]);
}

/* ---- moving ---- */

int64_t io__threads_cpu_us(void)
{
    int64_t sum_us = 0;
    for (size_t i = 0; i < io.count; i++) sum_us += clock_cpu_ns(io.threads[i]->cpu_clock) / 1000;
    return sum_us;
}

/* Its thread takes up what main may have been told already and hasn't done. */
static void go_to_thread(struct client *c)
{
    io_attach(c);
    struct client_io *own = c->io;
    if (!own) return;
    io_stranger(c, c->admit & ADMIT_AUTH);
    if (!own->reads) return;
    own->hung_up = c->flags & CLIENT_HUNG_UP;
    own->readable = own->hung_up || c->tls || list_is_linked(&c->reread);
    loop_remove(&c->source);
    list_unlink(&c->reread);
}

static void leave_thread(struct client *c)
{
    list_unlink(&c->io->back);
    c->io->returning = true;
    entry_add(c)->say = IO_LEAVE;
}

/* Its thread has let go of it: the loop tells at once what there is to be read. */
static void come_home(struct client *c)
{
    struct client_io *own = c->io;
    bool deaf = own->deaf, reads = own->reads;
    outbuf_chain(&own->out, &c->out);
    c->out = own->out;
    own->out = (struct outbuf){0};
    if (own->hung_up) c->flags |= CLIENT_HUNG_UP;
    io_detach(c);
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (reads && loop_add(&c->source, LOOP_READ)) {
        client__close_asap(c);
        return;
    }
    if (c->tls || c->flags & CLIENT_HUNG_UP) client__want_reread(c);
    if (deaf) client__go_deaf(c);
    client__count_memory(c);
    client__want_write(c);
    if (c->in.len > c->in.pos) client__want_run(c);
}

void io_settle(struct client *c)
{
    struct client_io *own = c->io;
    if (own && own->home) {
        come_home(c);
        return;
    }
    if ((own != NULL) == io_is_active || (own && (own->returning || own->lent))) return;
    if (c->flags & (CLIENT_STUCK | CLIENT_DEAF) || c->held || exec_is_busy()) return;
    if (c->source.interest & LOOP_WRITE) return;
    if (own)
        leave_thread(c);
    else
        go_to_thread(c);
}

/* ---- from the threads ---- */

void io__parcel_send(struct io_parcel *p)
{
    mpsc_push(&io.mail, &p->node);
    if (atomic_exchange(&io.sleeps, false)) loop_wake();
}

void io__parcel_free(struct io_parcel *p)
{
    for (size_t i = 0; i < p->wave.count; i++) {
        const struct wave_entry *e = &p->wave.entries[i];
        if (e->owns) resp_args_drop_owned(&p->wave.args.argv[e->first], e->argc);
    }
    resp_args_release(&p->wave.args);
    outbuf_pool_add(&p->spare);
    mem_free(p->events);
    mem_free(p);
}

bool io_may_sleep(void)
{
    atomic_exchange(&io.sleeps, true);
    return !io.parcels && mpsc_is_empty(&io.mail);
}

void io_awake(void)
{
    atomic_store(&io.sleeps, false);
}

static void event_apply(const struct io_event *e)
{
    struct client *c = e->client;
    switch (e->kind) {
    case IO_LEFT:
        if (c->io->returning && c->flags & CLIENT_IN_WAVE) {
            c->io->home = true;
        } else if (c->io->returning) {
            come_home(c);
        } else {
            list_unlink(&c->all);
            list_push(&io.left, &c->all);
        }
        break;
    case IO_CLOSED:
        if (io_reads(c))
            client__close_asap(c);
        else
            client__go_deaf(c); /* main reads what there is */
        break;
    case IO_OVER:
        if (!(c->flags & CLIENT_CLOSE_ASAP)) client__input_over(c);
        break;
    case IO_GREW:
        client__count_memory(c);
        break;
    }
}

static void take_mail(void)
{
    struct mpsc_node **end = &io.parcels;
    while (*end) end = &(*end)->next;
    *end = mpsc_take_all(&io.mail);
}

/* The clients of a wave are main's again, input and all. */
static void wave_begin(const struct wave *w)
{
    struct client *last = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct wave_entry *e = &w->entries[i];
        struct client *c = e->client;
        if (c == last) continue;
        last = c;
        c->flags |= CLIENT_IN_WAVE;
        c->io->lent = false;
        c->io->seen = atomic_load_explicit(&c->io->got, memory_order_relaxed);
        c->active_ms = exec_now_ms();
    }
}

/* Behind the wave: what is said of a client comes after its requests. */
static void parcel_done(struct io_parcel *p)
{
    for (size_t i = 0; i < p->event_count; i++) event_apply(&p->events[i]);
    p->event_count = 0;
    mpsc_push(&p->from->done, &p->node);
}

struct wave *io_next_wave(void)
{
    if (!io.parcels) take_mail();
    while (io.parcels) {
        struct io_parcel *p = CONTAINER_OF(io.parcels, struct io_parcel, node);
        io.parcels = p->node.next;
        outbuf_pool_add(&p->spare);
        if (p->wave.count) {
            io.waves++;
            wave_begin(&p->wave);
            return &p->wave;
        }
        parcel_done(p);
    }
    return NULL;
}

void io_wave_done(struct wave *w)
{
    io.waves--;
    parcel_done(CONTAINER_OF(w, struct io_parcel, wave));
}

void io_bury(void)
{
    struct list_node *n;
    if (io.waves) return;
    while ((n = list_pop(&io.left))) client__dispose(CLIENT_OF(n, all));
}

/* ---- looking at clients ---- */

struct client_input io_input_told(const struct client *c)
{
    const struct client_io *own = c->io;
    return (struct client_input){
        .unread = atomic_load_explicit(&own->in_unread, memory_order_relaxed),
        .free = atomic_load_explicit(&own->in_free, memory_order_relaxed),
        .request = atomic_load_explicit(&own->in_request, memory_order_relaxed),
        .memory = atomic_load_explicit(&own->in_memory, memory_order_relaxed)};
}

size_t io_unsent(const struct client *c)
{
    return c->io->handed - atomic_load_explicit(&c->io->sent, memory_order_relaxed);
}

size_t io_unsent_part(const struct client *c)
{
    const struct client_io *own = c->io;
    uint64_t unsent = io_unsent(c), handed = own->handed - own->since;
    return unsent ? (size_t)((double)unsent * (double)own->part / (double)handed) : 0;
}

size_t io_unsent_blocks(const struct client *c)
{
    if (!c->io) return 0;
    return (io_unsent(c) + OUTBUF_BLOCK_BYTES - 1) / OUTBUF_BLOCK_BYTES;
}

bool io_was_active(struct client *c)
{
    uint64_t got = atomic_load_explicit(&c->io->got, memory_order_relaxed), before = c->io->seen;
    c->io->seen = got;
    return got != before;
}

struct io_totals io_totals(void)
{
    struct io_totals sum = {0};
    for (size_t i = 0; i < io.count; i++) {
        struct io_thread *t = io.threads[i];
        sum.reads += atomic_load_explicit(&t->reads, memory_order_relaxed);
        sum.writes += atomic_load_explicit(&t->writes, memory_order_relaxed);
        sum.in_bytes += atomic_load_explicit(&t->in_bytes, memory_order_relaxed);
        sum.out_bytes += atomic_load_explicit(&t->out_bytes, memory_order_relaxed);
    }
    return sum;
}

void io_totals_reset(void)
{
    for (size_t i = 0; i < io.count; i++) {
        struct io_thread *t = io.threads[i];
        atomic_store_explicit(&t->reads, 0, memory_order_relaxed);
        atomic_store_explicit(&t->writes, 0, memory_order_relaxed);
        atomic_store_explicit(&t->in_bytes, 0, memory_order_relaxed);
        atomic_store_explicit(&t->out_bytes, 0, memory_order_relaxed);
    }
}
