/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What main (io.c) and the I/O threads (io_thread.c) send each other. A message belongs to whoever
 * has it; all of a turn's go in one, so that sending costs one exchange, and a wake only if the
 * other sleeps.
 */
#ifndef EXEC_IO_IMPL_H
#define EXEC_IO_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/mpsc.h"
#include "exec/io.h"
#include "exec/wave.h"

#define IO_THREADS_MAX   128 /* main among them */
#define IO_BATCH_ENTRIES 64

/* What a thread is told of a client. */
enum io_say {
    IO_JOIN = 1 << 0,  /* wait for its socket */
    IO_INPUT = 1 << 1, /* the input is the thread's */
    IO_MUTE = 1 << 2,  /* from now on its requests are kept; without it, they aren't */
    IO_END = 1 << 3,   /* nothing comes behind this output */
    IO_LEAVE = 1 << 4  /* forget it, and say IO_LEFT */
};

struct io_entry {
    struct client *client;
    uint32_t say;
    struct outbuf out;
};

struct io_batch {
    struct mpsc_node node;
    size_t count;
    struct io_entry entries[IO_BATCH_ENTRIES];
};

/* What main is told of a connection. */
enum io_event_kind {
    IO_CLOSED, /* it has ended, or is broken, or has got the last of its output */
    IO_OVER,   /* it has sent more than a request may take */
    IO_GREW,   /* its input takes another amount of memory */
    IO_LEFT
};

struct io_event {
    struct client *client;
    enum io_event_kind kind;
};

struct io_parcel {
    struct mpsc_node node;
    struct io_thread *from;
    struct io_event *events;
    size_t event_count, event_cap;
    struct outbuf_pool spare; /* for main's pool: its blocks end up with the threads */
    struct wave wave;
};

struct io_thread {
    pthread_t thread;
    clockid_t cpu_clock;
    int index, epoll_fd, wake_fd;
    atomic_bool stop;

    /* Main's. */
    struct io_batch *batch; /* that is being filled */
    size_t clients;

    /* Both. */
    _Alignas(64) struct mpsc inbox; /* of batches */
    struct mpsc done;               /* parcels that main has done with */
    atomic_bool sleeps;

    /* The thread's. */
    _Alignas(64) struct io_parcel *parcel; /* that is being filled */
    struct mpsc_node *spare_parcels;
    size_t spare_count;
    struct list_node again, leaving; /* struct client_io.again */
    bool stopping;

    /* Written by the thread, read and reset by main. */
    _Atomic uint64_t reads, writes, in_bytes, out_bytes;
};

/* What main has set, as threads may know it. */
struct io_limits {
    _Atomic size_t bulk_max, query_limit;
    _Atomic size_t counts_memory; /* not 0: there is a maxmemory-clients */
};
extern struct io_limits io__limits;

/* A thread's life, from its birth to its stop. */
void *io__thread_main(void *thread);
/* Sends a parcel to main, which is woken if it sleeps. The thread. */
void io__parcel_send(struct io_parcel *take_parcel);
/* Processor time of all threads so far. Main. */
int64_t io__threads_cpu_us(void);
/* Frees a parcel that nobody has run. */
void io__parcel_free(struct io_parcel *p);

#endif
