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
    CLIENT_HUNG_UP = 1 << 7  /* the peer will send no more: read to the end */
};

/* Input: unparsed bytes are data[pos..len). */
struct inbuf {
    char *data;
    size_t pos, len, cap;
};

struct client {
    struct loop_source source;
    struct tls *tls; /* NULL: its bytes come as they are */
    uint64_t id;
    struct kv_db *db;
    uint32_t flags; /* enum client_flag */
    uint32_t admit; /* enum admit_bit: why a filter may have something to say */
    struct inbuf in;
    struct resp_state request;
    struct outbuf out;
    struct sink sink;
    void *txn;  /* exec/client.h, client_txn */
    int queued; /* commands of its MULTI, -1 outside of one */
    void *pubsub;            /* exec/client.h, client_pubsub */
    struct client_subs subs; /* how many subscriptions it has */
    const struct command *last_cmd;
    client_gone_fn *gone;
    void *gone_ctx;
    struct list_node all, ready, writes, closing, reread;
    int64_t created_ms, active_ms; /* wall clock */
    int64_t soft_limit_since_ms;   /* 0: below the soft output limit */
    char *name;                    /* NULL none */
    uint64_t net_in_bytes, net_out_bytes;
};

#define CLIENT_OF(node, member) CONTAINER_OF(node, struct client, member)

/* All clients, and what the turn has to do with them. */
struct client_set {
    struct list_node all, ready, writes, closing;
    struct list_node reread; /* there may be more to read, though the loop won't say so again */
    size_t count, blocked;
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
/* Ends it: tells who waits for it, closes, frees. Main, under the token. */
void client__free(struct client *c);

/* Marks it to be freed at the end of the turn. */
void client__close_asap(struct client *c);

/* Reads what is there; false if the client is to be closed (already marked). */
bool client__read(struct client *c);
/* Gives the input's memory back if nothing is pending. */
void client__input_trim(struct client *c);
/* Writes what is pending; marks for closing on error or after the last reply. */
void client__write(struct client *c);
/* Queues it for writing at the end of the turn, if it has output. */
void client__want_write(struct client *c);
/* Closes a client whose unsent output is above its limit. */
void client__check_output(struct client *c);
/* Its socket may have more to read, which the loop won't tell again: read it in the next turn. */
void client__want_reread(struct client *c);
/* Puts it among those whose input is to be parsed in this turn. */
void client__want_run(struct client *c);

/* Whose output limits are its own, and how CLIENT LIST's TYPE finds it. */
enum client_class client__class(const struct client *c);

/* Memory of the whole client. */
size_t client__memory(const struct client *c);

/* ---- driver.c ---- */

/* Handler of client sockets. */
void driver__client_ready(struct loop_source *s, uint32_t ready);

#endif
