/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies. A handler says what it answers, in RESP3's terms; the sink decides what becomes of it:
 * bytes of RESP2 or RESP3 for a client, or a tape (exec/tape.h) that a script language, a gears
 * step or a waiting client reads later. No path encodes RESP to parse it again.
 *
 * The common replies are inline, since they are most of what a fast command does.
 * Thread: whoever runs the command.
 */
#ifndef EXEC_REPLY_H
#define EXEC_REPLY_H

#include "base/num.h"
#include "exec/exec.h"
#include "exec/tape.h"
#include "net/outbuf.h"

/* Where a command's replies go. Exactly one of out and tape is set. */
struct sink {
    struct outbuf *out; /* RESP bytes */
    struct tape *tape;  /* typed nodes */
    uint8_t resp;       /* 2 or 3; a tape says what shape its reader expects */
    bool discard;       /* CLIENT REPLY OFF, a closing client: nothing is written */
    uint64_t errors;    /* error replies so far */
};

/* The protocol version that shapes should follow, where RESP2 and RESP3 differ in more than
 * the type byte (pairs nested or flat). */
static inline int reply_resp(const struct exec_ctx *ctx)
{
    return ctx->sink->resp;
}

/* ---- scalars ---- */

/* +text; text has no CR or LF. */
void reply_status(struct exec_ctx *ctx, const char *text);
void reply_status_bytes(struct exec_ctx *ctx, const char *ptr, size_t len);
void reply_ok(struct exec_ctx *ctx);
/* The integer reply. */
static inline void reply_int(struct exec_ctx *ctx, int64_t n);
/* A bulk string; ptr may be NULL if len is 0. */
static inline void reply_bulk(struct exec_ctx *ctx, const char *ptr, size_t len);
static inline void reply_bulk_view(struct exec_ctx *ctx, struct view v)
{
    reply_bulk(ctx, v.ptr, v.len);
}
/* A bulk string up to the NUL. */
void reply_bulk_cstr(struct exec_ctx *ctx, const char *s);
/* An integer as a bulk string. */
void reply_bulk_int(struct exec_ctx *ctx, int64_t n);
/* RESP3 double; in RESP2 a bulk string of the same digits ("%.17g" as stock, inf, -inf, nan). */
void reply_double(struct exec_ctx *ctx, double d);
/* As reply_double with the digits of INCRBYFLOAT: 17 decimals, trailing zeros dropped. For a tape
 * whose reader expects RESP2's shapes, a string. */
void reply_double_human(struct exec_ctx *ctx, double d);
/* RESP3 boolean; in RESP2 1 or 0. */
void reply_bool(struct exec_ctx *ctx, bool b);
/* The null: `$-1` or `_`. */
void reply_null(struct exec_ctx *ctx);
/* The null where an array stood: `*-1` or `_`. */
void reply_null_array(struct exec_ctx *ctx);
/* A big number given as digits; a bulk string in RESP2. */
void reply_bignum(struct exec_ctx *ctx, const char *digits, size_t len);
/* A verbatim string, `ext` of three letters; a bulk string in RESP2. */
void reply_verbatim(struct exec_ctx *ctx, const char *ext, const char *ptr, size_t len);

/* ---- aggregates: n elements follow ---- */

/* An array of n elements. */
void reply_array(struct exec_ctx *ctx, size_t n);
/* n pairs; in RESP2 an array of 2n. */
void reply_map(struct exec_ctx *ctx, size_t n);
/* In RESP2 an array. */
void reply_set(struct exec_ctx *ctx, size_t n);
/* RESP3 out-of-band; in RESP2 an array. */
void reply_push(struct exec_ctx *ctx, size_t n);
/* The head of n attribute pairs, which come before a reply. False where there are none (RESP2, a
 * tape): then the pairs must not follow. */
bool reply_attribute(struct exec_ctx *ctx, size_t n);

/* An aggregate whose length is known at the end only. */
struct reply_deferred {
    struct out_block *gap;
    size_t tape_offset;
};
/* Begins one. */
struct reply_deferred reply_defer(struct exec_ctx *ctx);
/* Ends it, saying what it is and how many elements (of a map: pairs) came. */
void reply_defer_array(struct exec_ctx *ctx, struct reply_deferred d, size_t n);
void reply_defer_map(struct exec_ctx *ctx, struct reply_deferred d, size_t n);
void reply_defer_set(struct exec_ctx *ctx, struct reply_deferred d, size_t n);

/* ---- errors: all return STATUS_ERR, so that a handler ends `return reply_error(…)` ---- */

/* Length of a client's word for "%.*s" in an error's text, which repeats it in full; it is cut only
 * where the text would outgrow an int. */
static inline int reply_text_len(size_t len)
{
    return (int)MIN(len, (size_t)1 << 30);
}

/* "-ERR text"; if text begins with '-', what follows it is sent as it is ("-WRONGTYPE …", or a
 * text without a code word). CR and LF become spaces. */
enum status reply_error(struct exec_ctx *ctx, const char *text);
enum status reply_errorf(struct exec_ctx *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As reply_error for bytes of any length and content. */
enum status reply_error_bytes(struct exec_ctx *ctx, const char *ptr, size_t len);
/* The whole error line without the leading '-': what a tape holds. CR and LF become spaces. */
enum status reply_error_raw(struct exec_ctx *ctx, const char *ptr, size_t len);
/* Stock's fixed texts. */
enum status reply_wrongtype(struct exec_ctx *ctx);   /* WRONGTYPE Operation against … */
enum status reply_syntax_error(struct exec_ctx *ctx); /* ERR syntax error */
enum status reply_not_int(struct exec_ctx *ctx); /* ERR value is not an integer or out of range */
enum status reply_not_float(struct exec_ctx *ctx);   /* ERR value is not a valid float */
enum status reply_no_such_key(struct exec_ctx *ctx); /* ERR no such key */
enum status reply_out_of_range(struct exec_ctx *ctx); /* ERR value is out of range */
/* ERR wrong number of arguments for '<name>' command, of ctx->cmd. */
enum status reply_arity(struct exec_ctx *ctx);

/* For a call of a container that fits none of its subcommands' forms. */
enum status reply_unknown_call(struct exec_ctx *ctx);
/* The lines of a HELP: "<CMD> <subcommand> [<arg> …]. Subcommands are:", the given lines (NULL
 * ends them), and HELP's own two. */
void reply_help(struct exec_ctx *ctx, const char *const *lines);

/* ---- arguments ---- */

/* Parses argument i; on failure the error is already replied. */
enum status arg_i64(struct exec_ctx *ctx, int i, int64_t *out) MUST_CHECK;
/* As arg_i64 within [min, max]; outside replies `error` (NULL: "value is out of range"…). */
enum status arg_i64_range(struct exec_ctx *ctx, int i, int64_t min, int64_t max,
                          const char *error, int64_t *out) MUST_CHECK;
/* As arg_i64 for at least `min`, with `error` for whatever is wrong. */
enum status arg_i64_at_least(struct exec_ctx *ctx, int i, int64_t min, const char *error,
                             int64_t *out) MUST_CHECK;
enum status arg_ld(struct exec_ctx *ctx, int i, long double *out) MUST_CHECK;

/* ---- inline bodies ---- */

/* The rare half of reply_int and reply_bulk: tapes, discarded and long replies. */
void reply_int_slow(struct exec_ctx *ctx, int64_t n);
void reply_bulk_slow(struct exec_ctx *ctx, const char *ptr, size_t len);

#define REPLY_INLINE_MAX 1024

static inline void reply_int(struct exec_ctx *ctx, int64_t n)
{
    struct sink *s = ctx->sink;
    if (unlikely(!s->out || s->discard)) {
        reply_int_slow(ctx, n);
        return;
    }
    char *p = outbuf_reserve(s->out, 32);
    p[0] = ':';
    size_t len = 1 + num_format_i64(p + 1, n);
    p[len] = '\r';
    p[len + 1] = '\n';
    outbuf_commit(s->out, len + 2);
}

static inline void reply_bulk(struct exec_ctx *ctx, const char *ptr, size_t len)
{
    struct sink *s = ctx->sink;
    if (unlikely(!s->out || s->discard || len > REPLY_INLINE_MAX)) {
        reply_bulk_slow(ctx, ptr, len);
        return;
    }
    char *p = outbuf_reserve(s->out, len + 32);
    p[0] = '$';
    size_t at = 1 + num_format_i64(p + 1, (int64_t)len);
    p[at] = '\r';
    p[at + 1] = '\n';
    at += 2;
    if (len) memcpy(p + at, ptr, len);
    at += len;
    p[at] = '\r';
    p[at + 1] = '\n';
    outbuf_commit(s->out, at + 2);
}

#endif
