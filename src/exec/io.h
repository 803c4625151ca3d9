/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O threads: `io-threads N` has N-1 threads read and write the clients' sockets and parse their
 * requests; main runs these. A client is one thread's for long, and each thread waits for its own
 * sockets, so nobody waits for anybody: there is no barrier and no lock.
 *
 *                 parcel: a wave, and what became of connections
 *   I/O thread ------------------------------------------------------> main
 *        ^                                                               |
 *        +---------------------------------------------------------------+
 *                 batch: output, the inputs that main has done with
 *
 * Who has what of a client:
 *
 *   `io->out` and what io_thread.c keeps    the thread, from its first batch to IO_LEFT
 *   socket and TLS                          likewise; main may ask the kernel for names
 *   `in`, `request` (the input)             the thread; main from the parcel that has requests of
 *                                           it until it is given back (io_input_back)
 *   all else, `out` too                     main, always
 *
 * So main answers, pushes to, blocks, lists and kills any client at any time, as without threads.
 *
 *   I1 A client is in one parcel's wave at most, all its requests in a row.
 *   I2 Parcels are handled in the order in which they were sent, a turn within a command included.
 *   I3 IO_LEFT is the last that a thread says of a client; nothing is freed before main has heard
 *      it, nor while a parcel is under way. Then it ends, or is main's, as without threads.
 *   I4 The input of a client that can't go on (it blocks, it is to end) is given back as the
 *      others', but to be kept: the end of the connection is noticed, its requests wait.
 *
 * With io-threads-do-reads no, main reads and the threads write: then the input is never theirs,
 * and TLS, which can't be read and written by two, stays main's.
 */
#ifndef EXEC_IO_H
#define EXEC_IO_H

#include <stdatomic.h>

#include "exec/client_impl.h"

struct io_thread;
struct io_parcel;
struct wave;

struct client_io {
    struct client *client;

    /* Main's. */
    struct io_thread *thread;
    struct list_node back; /* to be told to its thread at the end of the turn */
    bool reads;            /* the thread reads, too */
    bool joined;           /* the thread knows of it */
    bool lent;             /* the input is the thread's */
    bool returning;        /* it leaves its thread, to be main's; never lent any more */
    bool home;             /* and has left, while its wave was under way */
    uint64_t handed;       /* bytes of output that the thread got */
    uint64_t since;        /* `handed` when it had sent all of it last; from there on, … */
    uint64_t part;         /* … its part of these bytes, where others get them, too */
    uint64_t seen;         /* `got` when main last looked */

    /* The thread's. */
    _Alignas(64) struct outbuf out;
    struct list_node again; /* there is more to do in its next turn; or, at last, to leave */
    bool owns;              /* as `lent` */
    bool mute;              /* requests are kept: the client can't go on */
    bool readable, writable; /* the kernel hasn't said otherwise */
    bool hung_up;            /* the peer will send no more: read to the end */
    bool ends;               /* when its output is gone, so is it */
    bool deaf;               /* it takes no output any more: that is dropped */
    bool broken;             /* main knows; nothing more is done */
    bool watched;            /* in the thread's set */
    char error[64];          /* of the protocol */

    /* Written by main: it must authenticate. No message: what a change lets others do is seen by
     * them after it is seen here. */
    atomic_bool stranger;

    /* Written by the thread, read by anyone. */
    _Atomic uint64_t sent, got; /* bytes */
    _Atomic size_t in_unread, in_free, in_request, in_memory; /* struct client_input, while lent */
};

/* The thread reads this client's socket. */
static inline bool io_reads(const struct client *c)
{
    return unlikely(c->io != NULL) && c->io->reads;
}

/* The thread has its input. */
static inline bool io_has_input(const struct client *c)
{
    return io_reads(c) && c->io->lent;
}

/* ---- main ---- */

/* What io-threads-active says of the threads. */
enum io_activity {
    IO_ACTIVITY_AUTO, /* they rest while there is little to do */
    IO_ACTIVITY_ALWAYS,
    IO_ACTIVITY_NEVER
};

/* Starts the threads that `io-threads` asks for. STATUS_ERR: the log says why. */
enum status io_setup(void) MUST_CHECK;
/* Has the threads send what the sockets take at once, and ends them. Clients stay. */
void io_teardown(void);
/* There are threads. While there are none, nothing of the following is called but io_attach, and
 * io_leave and io_detach for clients that had one. */
extern bool io_is_on;

/* They are to have the clients; else main is, and they rest. A client moves at the end of its
 * wave, for then main has its input: to a thread as if it were new; from it by leaving it, and
 * while it does, main keeps what it is to be sent.
 *
 *   main's --io_settle, active--> a thread's --io_settle, not active--> returning
 *      ^                                                                    |
 *      +--------------------------- IO_LEFT --------------------------------+
 */
extern bool io_is_active;
/* Looks now and then whether they should; and at once, the option has changed. */
void io_cron(void);
void io_activity_changed(void);

/* A new client gets its thread, if they are active and it can have one. */
void io_attach(struct client *c);
/* Behind the wave of a client that goes on: has it move to where it belongs, if it can now. */
void io_settle(struct client *c);
/* No thread has it any more: frees what is here of it. */
void io_detach(struct client *c);
/* Ends it with its thread; client__dispose when that has let go. False: no thread has it. */
bool io_leave(struct client *c);

/* Its output goes to its thread, with the input if that is to be given back. */
void io_give(struct client *c);
/* The input is done with, or the client can go on again: told at the end of the turn. */
void io_input_back(struct client *c);
/* It must authenticate, or needn't any more. */
void io_stranger(struct client *c, bool is_one);
/* The client's further requests are a matter of its thread: main has given its input away, or is
 * about to. Else main may go on with it itself. */
bool io_goes_back(const struct client *c);
/* Sends the batches, but for clients whose wave is under way. */
void io_flush(void);

/* The wave of the next parcel, whose clients' inputs are main's now; NULL: none. What has become
 * of connections is done. */
struct wave *io_next_wave(void);
/* It has run. */
void io_wave_done(struct wave *w);
/* Frees clients that their threads have let go of, if no wave of a parcel is under way. */
void io_bury(void);
/* Before main sleeps: false if there is a parcel. From then on a parcel wakes it. */
bool io_may_sleep(void);
void io_awake(void);

/* What the thread has told last. */
struct client_input io_input_told(const struct client *c);
/* What the thread hasn't sent yet: bytes, and blocks about. */
size_t io_unsent(const struct client *c);
/* The client's part of that, where others are sent the same bytes; about. */
size_t io_unsent_part(const struct client *c);
size_t io_unsent_blocks(const struct client *c);
/* The client has sent something since this was asked last. */
bool io_was_active(struct client *c);

struct io_totals {
    uint64_t reads, writes, in_bytes, out_bytes;
};
/* What all threads have done since the last reset. */
struct io_totals io_totals(void);
/* From here on they count from zero. */
void io_totals_reset(void);

#endif
