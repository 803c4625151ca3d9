/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client as the files of this folder see it. Main only; what a worker changes under the token
 * (the WATCH state behind `txn`) is not here.
 */
#ifndef EXEC_CLIENT_IMPL_H
#define EXEC_CLIENT_IMPL_H

#include "base/list.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "net/loop.h"
#include "net/resp_request.h"
#include "net/tls.h"

enum client_flag {
    CLIENT_CLOSE_AFTER_REPLY = 1 << 0, /* no more commands; closed once its output is gone */
    CLIENT_CLOSE_ASAP = 1 << 1,        /* closed at the end of the turn, output or not */
    CLIENT_BLOCKED = 1 << 2,           /* waits for client_unblock_post */
    CLIENT_LOCAL = 1 << 3,             /* loopback or unix socket */
    CLIENT_UNIX = 1 << 4,
    CLIENT_IN_WAVE = 1 << 5, /* its input is in use: it must not be read or moved */
    CLIENT_MONITOR = 1 << 6, /* it watches all commands */
    CLIENT_HUNG_UP = 1 << 7, /* the peer will send no more: read to the end */
    CLIENT_MUTE = 1 << 8,    /* it wants no replies */
    CLIENT_SKIP = 1 << 9,    /* nor one to its next command, */
    CLIENT_SKIPPING = 1 << 10, /* which is this one */
    CLIENT_NO_EVICT = 1 << 11, /* no limit of all clients' memory ends it */
    CLIENT_KNOWN = 1 << 12,    /* it has authenticated, or came when there was no need to */
    CLIENT_DEAF = 1 << 13,     /* a write has failed: what it has sent is run, then it ends */
    CLIENT_STALLED = 1 << 20   /* nothing of it is read or run for a while; exec/stall.h */
};

/* A request that is held back; the bytes of its words stand behind them. */
struct held {
    size_t bytes; /* of all words */
    int argc;
    struct arg argv[];
};

/* Input: unparsed bytes are data[pos..len). */
struct inbuf {
    char *data;
    size_t pos, len, cap;
};

struct client_io;

struct client {
    struct loop_source source;
    struct tls *tls; /* NULL: its bytes come as they are */
    struct client_io *io; /* NULL: main reads and writes its socket; see io.h */
    uint64_t id;
    struct kv_db *db;
    struct exec_user *user; /* a reference; NULL without an ACL service */
    uint32_t flags; /* enum client_flag */
    uint32_t admit; /* enum admit_bit: why a filter may have something to say */
    struct inbuf in;
    struct resp_state request;
    struct outbuf out;
    struct sink sink;
    struct client_txn *txn;           /* exec/client.h */
    struct client_tracking *tracking; /* exec/client.h */
    uint32_t stalls;                  /* exec/stall.h */
    int64_t stalled_since_us;
    struct held *held;                /* while it is paused; then `ready` is in pause.c's list */
    void *pubsub;            /* exec/client.h, client_pubsub */
    struct client_subs subs; /* how many subscriptions it has */
    const struct command *last_cmd;
    client_gone_fn *gone;
    void *gone_ctx;
    struct list_node all, ready, writes, closing, reread;
    int64_t created_ms, active_ms; /* wall clock */
    int64_t soft_limit_since_ms;   /* 0: below the soft output limit */
    char *name;                    /* NULL none */
    size_t kept_bytes;    /* what services keep for it */
    size_t counted_bytes; /* its part of what is compared with maxmemory-clients */
};

#define CLIENT_OF(node, member) CONTAINER_OF(node, struct client, member)

/* All clients, and what the turn has to do with them. */
struct client_set {
    struct list_node all, ready, writes, closing;
    struct list_node reread; /* there may be more to read, though the loop won't say so again */
    size_t count, blocked;
    size_t counted_bytes; /* the sum of all; 0 while there is no limit */
    uint64_t next_id;
};
extern struct client_set client__set;

/* A connection as a client, over TLS if `tls` isn't NULL, which is taken; NULL if the kernel
 * refuses the descriptor, which is then closed. */
struct client *client__new(int fd, struct tls *tls);
/* The client with this id or NULL. */
struct client *client__by_id(uint64_t id);
/* Ends a client's wait: its reply is in its output already; it goes on. */
void client__unblock(struct client *c);
/* One more connection was turned away. */
void client__count_rejected(void);
/* Ends it: tells who waits for it, closes, frees; the last two once an I/O thread has let go of
 * it. Main, under the token. */
void client__free(struct client *c);
/* The last two. */
void client__dispose(struct client *c);

/* Marks it to be freed at the end of the turn. */
void client__close_asap(struct client *c);
/* A write has failed: nobody reads its replies. What it asked for before it went is done all the
 * same, as far as it has come here and however long that is held up; then a read tells of the
 * end. */
void client__go_deaf(struct client *c);

/* Of one client in a turn, so that others get theirs. */
#define CLIENT_WRITE_TURN_BYTES ((size_t)256 * 1024)

enum fill_result {
    FILL_SOME,  /* that was all there is */
    FILL_MORE,  /* there may be more, which the kernel won't tell */
    FILL_NONE,  /* nothing; it will tell */
    FILL_AGAIN, /* nothing, for a signal came between */
    FILL_END    /* the peer has ended, or something is wrong with it */
};
/* One read to where the next bytes belong. Whoever has the client's input, on any thread. */
enum fill_result client__fill(struct client *c, size_t *got_out);
/* One write of what is in `out`, as far as it goes: bytes, or -1 with errno. Likewise. */
ssize_t client__send(struct client *c, struct outbuf *out);
/* How much of a request may be there without its end. */
size_t client__input_limit(bool unauthenticated, size_t query_limit);
/* More than that is: it is ended. */
void client__input_over(struct client *c);
/* Frees the calling thread's spare blocks for input. */
void client__input_pool_release(void);

/* Reads what is there; false if the client is to be closed: it is marked so already, or will be
 * when what it sent before has been run. */
bool client__read(struct client *c);
/* Gives the input's memory back if nothing is pending. Whoever has the client's input. */
void client__input_trim(struct client *c);
/* Writes what is pending, or has its I/O thread do so; marks for closing on error or after the
 * last reply. */
void client__write(struct client *c);
/* Queues it for writing at the end of the turn, if it has output. */
void client__want_write(struct client *c);
/* Closes a client whose unsent output is above its limit. */
void client__check_output(struct client *c);
/* Its socket may have more to read, which the loop won't tell again: read it in the next turn. */
void client__want_reread(struct client *c);
/* Puts it among those whose input is to be parsed in this turn. */
void client__want_run(struct client *c);

/* The default user has no password. */
bool client__is_unprotected(void);

/* Whose output limits are its own, and how CLIENT LIST's TYPE finds it. */
enum client_class client__class(const struct client *c);

struct client_input {
    size_t unread, free;    /* bytes of requests, and room for more */
    size_t request, memory; /* of the large arguments that are being read; of all */
};
/* What its input takes, whoever has it. */
struct client_input client__input(const struct client *c);
/* The memory of output that hasn't left, whoever has it. */
size_t client__output_memory(const struct client *c);

/* Memory of the whole client. */
size_t client__memory(const struct client *c);

/* Before and after a command whose reply is skipped; the end comes with the command's, at once or
 * when it has waited. */
void client__skip_begin(struct client *c);
void client__skip_end(struct client *c);

/* ---- messages that wait for the end of a command ---- */

extern struct client *client__running; /* whose command runs now; else NULL */
extern size_t client__pushes_bytes;    /* messages that wait for it */
/* Sends them: its command has ended. */
void client__pushes_send(void);

/* ---- pause.c ---- */

/* A client in a pause is about to be freed. */
void pause__forget(struct client *c);
/* Ends the pause if its time has come; returns milliseconds until that, or -1. */
int pause__expire(void);

/* ---- stall.c ---- */

/* Ends its stalls, if it has any: it is about to be freed. */
void client__stall_end(struct client *c);
/* There is something to read, or the peer has hung up; it stays in the socket. */
void client__stall_unread(struct client *c, bool hung_up);

/* ---- client_limit.c ---- */

/* Registers the option. */
void client__limit_options(void);
extern bool client__limit_on; /* there is a maxmemory-clients */
/* Counts anew what the client takes; nothing while there is no limit. */
void client__count_memory(struct client *c);
/* Ends clients while all together take more than maxmemory-clients. */
void client__evict(void);
uint64_t client__evicted_total(void);
void client__evicted_reset(void);

/* ---- driver.c ---- */

/* Runs a request that was held back, with what follows it; the words stay the caller's. */
void driver__run_held(struct client *c, struct arg *argv, int argc);
/* While on, keys whose time has come stay for clients' commands, unseen. */
void driver__hold_expiry(bool on);

/* Handler of client sockets. */
void driver__client_ready(struct loop_source *s, uint32_t ready);

/* A turn of the clients' within a command or a start that goes on after it (exec/loading.h): reads,
 * runs, answers; doesn't wait. Clients whose wave is under way are left alone. */
void driver__serve_within(void);

#endif
