/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies that are not inline; see reply.h. Every function has two halves: nodes for a tape,
 * bytes for a client. The bytes follow the public RESP2 and RESP3 specifications.
 */
#include "exec/reply.h"

#include "exec/client.h"
#include "exec/command.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#define LIMIT_CHECK_BYTES ((size_t)16 * 1024)

static inline bool to_tape(const struct sink *s)
{
    return s->tape != NULL;
}

/* RESP bytes of a short fixed text. */
static void put(struct sink *s, const char *ptr, size_t len)
{
    if (!s->discard) outbuf_append(s->out, ptr, len);
}

/* A type byte, a number, CRLF. */
static void put_head(struct sink *s, char type, int64_t n)
{
    char line[32];
    if (s->discard) return;
    line[0] = type;
    size_t len = 1 + num_format_i64(line + 1, n);
    line[len] = '\r';
    line[len + 1] = '\n';
    outbuf_append(s->out, line, len + 2);
}

/* A type byte, a text, CRLF. */
static void put_line(struct sink *s, char type, const char *ptr, size_t len)
{
    put(s, &type, 1);
    put(s, ptr, len);
    put(s, "\r\n", 2);
}

/* ---- scalars ---- */

void reply_status_bytes(struct exec_ctx *ctx, const char *ptr, size_t len)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_bytes(s->tape, TAPE_STATUS, ptr, len);
    else
        put_line(s, '+', ptr, len);
}

void reply_status(struct exec_ctx *ctx, const char *text)
{
    reply_status_bytes(ctx, text, strlen(text));
}

void reply_ok(struct exec_ctx *ctx)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_bytes(s->tape, TAPE_STATUS, "OK", 2);
    else
        put(s, "+OK\r\n", 5);
}

void reply_int_slow(struct exec_ctx *ctx, int64_t n)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_int(s->tape, n);
    else
        put_head(s, ':', n);
}

void reply_bulk_slow(struct exec_ctx *ctx, const char *ptr, size_t len)
{
    struct sink *s = ctx->sink;
    if (to_tape(s)) {
        tape_bytes(s->tape, TAPE_BULK, ptr, len);
        return;
    }
    put_head(s, '$', (int64_t)len);
    put(s, ptr, len);
    put(s, "\r\n", 2);
    /* A pipeline of long replies isn't to pass the limits by more than one of them. */
    if (len >= LIMIT_CHECK_BYTES) client_reply_goes_on(ctx);
}

void reply_bulk_cstr(struct exec_ctx *ctx, const char *s)
{
    reply_bulk(ctx, s, strlen(s));
}

void reply_bulk_int(struct exec_ctx *ctx, int64_t n)
{
    char digits[NUM_I64_LEN];
    reply_bulk(ctx, digits, num_format_i64(digits, n));
}

void reply_double(struct exec_ctx *ctx, double d)
{
    struct sink *s = ctx->sink;
    if (to_tape(s)) {
        tape_double(s->tape, d);
        return;
    }
    char digits[NUM_DOUBLE_LEN];
    size_t len = num_format_double(digits, d);
    if (s->resp >= 3)
        put_line(s, ',', digits, len);
    else
        reply_bulk(ctx, digits, len);
}

void reply_double_human(struct exec_ctx *ctx, double d)
{
    struct sink *s = ctx->sink;
    char digits[NUM_LD_LEN];
    if (s->resp >= 3 && to_tape(s)) {
        tape_double(s->tape, d);
        return;
    }
    size_t len = num_format_ld_human(digits, d);
    if (s->resp >= 3)
        put_line(s, ',', digits, len);
    else
        reply_bulk(ctx, digits, len);
}

void reply_bool(struct exec_ctx *ctx, bool b)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_bool(s->tape, b);
    else if (s->resp >= 3)
        put(s, b ? "#t\r\n" : "#f\r\n", 4);
    else
        put(s, b ? ":1\r\n" : ":0\r\n", 4);
}

void reply_null(struct exec_ctx *ctx)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_plain(s->tape, TAPE_NULL);
    else if (s->resp >= 3)
        put(s, "_\r\n", 3);
    else
        put(s, "$-1\r\n", 5);
}

void reply_null_array(struct exec_ctx *ctx)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_plain(s->tape, TAPE_NULL_ARRAY);
    else if (s->resp >= 3)
        put(s, "_\r\n", 3);
    else
        put(s, "*-1\r\n", 5);
}

void reply_bignum(struct exec_ctx *ctx, const char *digits, size_t len)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_bytes(s->tape, TAPE_BIGNUM, digits, len);
    else if (s->resp >= 3)
        put_line(s, '(', digits, len);
    else
        reply_bulk(ctx, digits, len);
}

void reply_verbatim(struct exec_ctx *ctx, const char *ext, const char *ptr, size_t len)
{
    struct sink *s = ctx->sink;
    if (to_tape(s)) {
        struct buf both = {0};
        buf_append(&both, ext, 3);
        buf_append(&both, ptr, len);
        tape_bytes(s->tape, TAPE_VERBATIM, both.ptr, both.len);
        buf_release(&both);
    } else if (s->resp >= 3) {
        put_head(s, '=', (int64_t)len + 4);
        put(s, ext, 3);
        put(s, ":", 1);
        put(s, ptr, len);
        put(s, "\r\n", 2);
    } else {
        reply_bulk(ctx, ptr, len);
    }
}

/* ---- aggregates ---- */

static void aggregate(struct exec_ctx *ctx, enum tape_type node, char resp3, size_t n)
{
    struct sink *s = ctx->sink;
    if (to_tape(s))
        tape_aggregate(s->tape, node, n);
    else if (s->resp >= 3)
        put_head(s, resp3, (int64_t)n);
    else
        put_head(s, '*', (int64_t)(node == TAPE_MAP ? 2 * n : n));
}

void reply_array(struct exec_ctx *ctx, size_t n)
{
    aggregate(ctx, TAPE_ARRAY, '*', n);
}

void reply_map(struct exec_ctx *ctx, size_t n)
{
    aggregate(ctx, TAPE_MAP, '%', n);
}

void reply_set(struct exec_ctx *ctx, size_t n)
{
    aggregate(ctx, TAPE_SET, '~', n);
}

void reply_push(struct exec_ctx *ctx, size_t n)
{
    aggregate(ctx, TAPE_PUSH, '>', n);
}

bool reply_attribute(struct exec_ctx *ctx, size_t n)
{
    struct sink *s = ctx->sink;
    if (to_tape(s) || s->resp < 3) return false;
    put_head(s, '|', (int64_t)n);
    return true;
}

struct reply_deferred reply_defer(struct exec_ctx *ctx)
{
    struct sink *s = ctx->sink;
    struct reply_deferred d = {0};
    if (to_tape(s))
        d.tape_offset = tape_aggregate(s->tape, TAPE_ARRAY, 0);
    else if (!s->discard)
        d.gap = outbuf_gap(s->out);
    return d;
}

static void defer_end(struct exec_ctx *ctx, struct reply_deferred d, enum tape_type node,
                      char resp3, size_t n)
{
    struct sink *s = ctx->sink;
    if (to_tape(s)) {
        tape_patch(s->tape, d.tape_offset, node, n);
        return;
    }
    if (s->discard || !d.gap) return;
    char line[32];
    bool flat = s->resp < 3;
    line[0] = flat ? '*' : resp3;
    size_t len = 1 + num_format_i64(line + 1, (int64_t)(flat && node == TAPE_MAP ? 2 * n : n));
    line[len] = '\r';
    line[len + 1] = '\n';
    outbuf_fill_gap(s->out, d.gap, line, len + 2);
}

void reply_defer_array(struct exec_ctx *ctx, struct reply_deferred d, size_t n)
{
    defer_end(ctx, d, TAPE_ARRAY, '*', n);
}

void reply_defer_map(struct exec_ctx *ctx, struct reply_deferred d, size_t n)
{
    defer_end(ctx, d, TAPE_MAP, '%', n);
}

void reply_defer_set(struct exec_ctx *ctx, struct reply_deferred d, size_t n)
{
    defer_end(ctx, d, TAPE_SET, '~', n);
}

/* ---- errors ---- */

/* The one place where an error leaves: counts it, and keeps the line one line. */
enum status reply_error_raw(struct exec_ctx *ctx, const char *ptr, size_t len)
{
    struct sink *s = ctx->sink;
    struct buf line = {0};
    buf_append(&line, ptr, len);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '\r' || line.ptr[i] == '\n') line.ptr[i] = ' ';
    s->errors++;
    exec_error_count(ctx, buf_view(&line));
    if (to_tape(s))
        tape_bytes(s->tape, TAPE_ERROR, line.ptr, line.len);
    else
        put_line(s, '-', line.ptr, line.len);
    buf_release(&line);
    return STATUS_ERR;
}

enum status reply_error_bytes(struct exec_ctx *ctx, const char *ptr, size_t len)
{
    if (len && ptr[0] == '-') return reply_error_raw(ctx, ptr + 1, len - 1);
    struct buf line = {0};
    buf_append(&line, "ERR ", 4);
    buf_append(&line, ptr, len);
    enum status st = reply_error_raw(ctx, line.ptr, line.len);
    buf_release(&line);
    return st;
}

enum status reply_error(struct exec_ctx *ctx, const char *text)
{
    return reply_error_bytes(ctx, text, strlen(text));
}

enum status reply_errorf(struct exec_ctx *ctx, const char *fmt, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ASSERT(len >= 0);
    buf_reserve(&text, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text.ptr, text.cap, fmt, args);
    va_end(args);
    /* Ends of lines that an argument brought to the end of the text go, as in stock; others become
     * spaces. */
    while (len && (text.ptr[len - 1] == '\r' || text.ptr[len - 1] == '\n')) len--;
    enum status st = reply_error_bytes(ctx, text.ptr, (size_t)len);
    buf_release(&text);
    return st;
}

enum status reply_wrongtype(struct exec_ctx *ctx)
{
    return reply_error(ctx, "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

enum status reply_syntax_error(struct exec_ctx *ctx)
{
    return reply_error(ctx, "syntax error");
}

enum status reply_not_int(struct exec_ctx *ctx)
{
    return reply_error(ctx, "value is not an integer or out of range");
}

enum status reply_not_float(struct exec_ctx *ctx)
{
    return reply_error(ctx, "value is not a valid float");
}

enum status reply_no_such_key(struct exec_ctx *ctx)
{
    return reply_error(ctx, "no such key");
}

enum status reply_out_of_range(struct exec_ctx *ctx)
{
    return reply_error(ctx, "value is out of range");
}

enum status reply_arity(struct exec_ctx *ctx)
{
    return reply_errorf(ctx, "wrong number of arguments for '%s' command", ctx->cmd->fullname);
}

/* The command as it was called, which may be by a name of the operator's. */
static void append_upper_name(struct exec_ctx *ctx, struct buf *out)
{
    for (size_t i = 0; i < ctx->argv[0].len && ctx->argv[0].ptr[i]; i++)
        buf_append_char(out, (char)toupper((unsigned char)ctx->argv[0].ptr[i]));
}

enum status reply_unknown_call(struct exec_ctx *ctx)
{
    struct buf name = {0};
    append_upper_name(ctx, &name);
    enum status st =
        reply_errorf(ctx,
                     "unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                     (int)MIN(ctx->argv[1].len, 128u), ctx->argv[1].ptr, buf_cstr(&name));
    buf_release(&name);
    return st;
}

void reply_help(struct exec_ctx *ctx, const char *const *lines)
{
    size_t count = 0;
    struct buf head = {0};
    while (lines[count]) count++;
    append_upper_name(ctx, &head);
    buf_append_cstr(&head, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply_array(ctx, count + 3);
    reply_status(ctx, buf_cstr(&head));
    buf_release(&head);
    for (size_t i = 0; i < count; i++) reply_status(ctx, lines[i]);
    reply_status(ctx, "HELP");
    reply_status(ctx, "    Prints this help.");
}

/* ---- arguments ---- */

enum status arg_i64(struct exec_ctx *ctx, int i, int64_t *out)
{
    if (num_parse_i64(arg_view(&ctx->argv[i]), out)) return reply_not_int(ctx);
    return STATUS_OK;
}

enum status arg_i64_range(struct exec_ctx *ctx, int i, int64_t min, int64_t max, const char *error,
                          int64_t *out)
{
    if (arg_i64(ctx, i, out)) return STATUS_ERR;
    if (*out >= min && *out <= max) return STATUS_OK;
    if (error) return reply_error(ctx, error);
    return reply_errorf(ctx, "value is out of range, value must between %lld and %lld",
                        (long long)min, (long long)max);
}

enum status arg_i64_at_least(struct exec_ctx *ctx, int i, int64_t min, const char *error,
                             int64_t *out)
{
    if (num_parse_i64(arg_view(&ctx->argv[i]), out) || *out < min) return reply_error(ctx, error);
    return STATUS_OK;
}

enum status arg_ld(struct exec_ctx *ctx, int i, long double *out)
{
    if (num_parse_ld(arg_view(&ctx->argv[i]), out)) return reply_not_float(ctx);
    return STATUS_OK;
}
