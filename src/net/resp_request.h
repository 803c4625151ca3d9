/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parses requests: RESP arrays of bulk strings, and inline commands (a line of words). The parser
 * reads bytes that lie in a connection's input and hands out arguments as views into them; it
 * allocates nothing for a request that is complete. One that arrives in pieces is resumed where
 * it stopped, so that each byte is looked at once, however it is cut.
 *
 * Format: the public RESP specification; limits and error texts as observed of stock:
 * 1,048,576 arguments at most, 512 MB an argument (an option), 64 KB for a line; 10 arguments of
 * 16 KB before the client has authenticated.
 */
#ifndef NET_RESP_REQUEST_H
#define NET_RESP_REQUEST_H

#include "base/arg.h"
#include "base/buf.h"
#include "base/status.h"

#define RESP_INLINE_MAX ((size_t)64 * 1024)
#define RESP_ARGS_MAX (1024 * 1024)

/* Sizes that decide on blocks; small ones, for tests, are set before the first request. */
struct resp_block_sizes {
    size_t min;   /* 32 KB: from here on, an argument that is incomplete is read into a block */
    size_t first; /* 1 MB: of a block, before its bytes justify more */
};
extern struct resp_block_sizes resp_block_sizes;

struct resp_limits {
    size_t bulk_max;    /* bytes of one argument */
    bool unauthenticated; /* the narrow limits of a stranger apply */
};

/* Arguments of one request. The array grows; it is reused from request to request. */
struct resp_args {
    struct arg *argv;
    size_t argc, cap;
};

/* Frees the array, leaving an empty one. */
void resp_args_release(struct resp_args *a);

/* What is known of a request that has begun; zero it to begin. While a request is incomplete its
 * arguments are offsets from the request's first byte, since the input may move. */
struct resp_state {
    bool started;      /* the array's head is parsed */
    int64_t args_left; /* still to come */
    int64_t bulk_len;  /* of the argument whose head is parsed; -1 none */
    size_t pos;        /* bytes of the request parsed so far */
    struct resp_args partial; /* offsets in .ptr; addresses where owned */
    struct buf block;         /* the large argument that is being read; its bytes, a blob, aren't
                               * in `pos` */
    size_t owned_bytes;       /* of the arguments in `partial` that own their bytes */
};

/* Bytes that an incomplete request holds beside the input. */
static inline size_t resp_state_bytes(const struct resp_state *s)
{
    return s->block.cap + s->owned_bytes + s->partial.cap * sizeof(struct arg);
}

/* Frees what an incomplete request holds, leaving a state that can begin. */
void resp_state_release(struct resp_state *s);

/* Frees what is still owned of n arguments. */
void resp_args_drop_owned(struct arg *argv, size_t n);

/* The next bytes belong in a block: all of data[0..*len) behind the request's parsed part, which is
 * data[s->pos..), is moved there and *len shortened. Returns where to read on, and *room_out bytes
 * of room; *complete_out: with them the argument is complete, so what follows may be read behind
 * data[*len). NULL: no block is wanted, or (STATUS_NOMEM in *st_out) there is no memory for one. */
char *resp_block_room(struct resp_state *s, const char *data, size_t *len, size_t *room_out,
                      bool *complete_out, enum status *st_out);

/* `got` bytes were read into that room. */
static inline void resp_block_filled(struct resp_state *s, size_t got)
{
    s->block.len += got;
}

struct resp_result {
    size_t consumed;   /* bytes of the request, all of it */
    size_t first, argc; /* the arguments' place in `out`; argc 0: an empty request to skip */
    const char *error; /* STATUS_SYNTAX: text of the protocol error, without "Protocol error: " */
    bool owns;         /* some argument is owned: the caller drops what nobody took */
    size_t want;       /* STATUS_AGAIN: bytes from the request's start that are needed, if known */
};

/* Parses the request at data[0..len). Appends its arguments to `out` (growing it) and fills r.
 * STATUS_OK: complete. STATUS_AGAIN: more bytes are needed; call again with the same state and
 * the same request's bytes, at any address. STATUS_SYNTAX: r->error says what is wrong; the
 * connection must end. An inline request is split in place: its bytes are changed. */
enum status resp_request_parse(struct resp_state *s, const struct resp_limits *limits, char *data,
                               size_t len, struct resp_args *out,
                               struct resp_result *r) MUST_CHECK;

#endif
