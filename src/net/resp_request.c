/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request parser; see resp_request.h. Two paths: a straight one for a request that is wholly
 * there, which is nearly always so, and a resumable one that keeps its place in resp_state. The
 * straight one changes nothing until it succeeds, so the other can start from the first byte.
 */
#include "net/resp_request.h"

#include "base/blob.h"
#include "base/num.h"
#include "base/quote.h"

#define UNAUTH_ARGS_MAX 10
#define UNAUTH_BULK_MAX 16384

struct resp_block_sizes resp_block_sizes = {.min = 32 * 1024, .first = 1024 * 1024};

void resp_args_release(struct resp_args *a)
{
    mem_free(a->argv);
    *a = (struct resp_args){0};
}

/* Room for `extra` more arguments. */
static void resp_args_grow(struct resp_args *a, size_t extra)
{
    if (a->cap - a->argc >= extra) return;
    size_t cap = MAX(a->cap * 2, a->argc + extra);
    a->argv = mem_realloc(a->argv, MAX(cap, (size_t)16) * sizeof(struct arg));
    a->cap = MAX(cap, (size_t)16);
}

void resp_args_drop_owned(struct arg *argv, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!argv[i].owned) continue;
        blob_free((char *)argv[i].ptr);
        argv[i].owned = false;
    }
}

void resp_state_release(struct resp_state *s)
{
    resp_args_drop_owned(s->partial.argv, s->partial.argc);
    resp_args_release(&s->partial);
    blob_free(s->block.ptr);
    *s = (struct resp_state){.bulk_len = -1};
}

static void push_arg(struct resp_args *a, const char *ptr, size_t len)
{
    if (unlikely(a->argc == a->cap)) resp_args_grow(a, 1);
    a->argv[a->argc++] = (struct arg){.ptr = ptr, .len = len};
}

/* A short decimal behind `type` that ends in CRLF: the head of a well-formed piece. Returns the
 * place behind it, NULL if it is anything else (the slow path finds out what). */
static inline const char *fast_number(const char *p, const char *end, char type, uint32_t *out)
{
    if (unlikely(end - p < 4 || *p != type)) return NULL;
    uint32_t n = (uint32_t)(unsigned char)p[1] - '0';
    if (unlikely(n > 9)) return NULL;
    p += 2;
    for (int digits = 1; digits < 8; digits++) {
        if (unlikely(end - p < 2)) return NULL;
        uint32_t d = (uint32_t)(unsigned char)*p - '0';
        if (d > 9) {
            if (unlikely(p[0] != '\r' || p[1] != '\n')) return NULL;
            *out = n;
            return p + 2;
        }
        if (unlikely(n == 0)) return NULL; /* a leading zero is no number */
        n = n * 10 + d;
        p++;
    }
    return NULL;
}

static bool parse_straight(const struct resp_limits *limits, const char *data, size_t len,
                           struct resp_args *out, struct resp_result *r)
{
    const char *p = data, *end = data + len;
    uint32_t args, bulk;
    size_t argc_before = out->argc;
    p = fast_number(p, end, '*', &args);
    if (!p || args == 0 || args > 1024) return false;
    if (unlikely(out->cap - out->argc < args)) resp_args_grow(out, args);
    struct arg *arg = out->argv + out->argc;
    for (uint32_t i = 0; i < args; i++, arg++) {
        p = fast_number(p, end, '$', &bulk);
        if (!p || (size_t)(end - p) < (size_t)bulk + 2 || bulk > limits->bulk_max) return false;
        arg->ptr = p;
        arg->len = bulk;
        arg->hashed = arg->owned = false;
        p += bulk + 2;
    }
    out->argc += args;
    r->consumed = (size_t)(p - data);
    r->first = argc_before;
    r->argc = args;
    return true;
}

/* The line at data[pos..len) as a number behind its type byte. STATUS_AGAIN if there is no CR
 * yet; `too_long` is the error when there is none within the limit. */
static enum status slow_number(const char *data, size_t len, size_t *pos, const char *too_long,
                               int64_t *out, struct resp_result *r)
{
    const char *start = data + *pos;
    const char *cr = memchr(start, '\r', len - *pos);
    if (!cr) {
        if (len - *pos <= RESP_INLINE_MAX) return STATUS_AGAIN;
        r->error = too_long;
        return STATUS_SYNTAX;
    }
    if ((size_t)(cr - data) + 1 >= len) return STATUS_AGAIN;
    size_t digits = (size_t)(cr - start) - 1;
    *pos = (size_t)(cr - data) + 2;
    return num_parse_i64(view_of(start + 1, digits), out) ? STATUS_RANGE : STATUS_OK;
}

static enum status slow_head(struct resp_state *s, const struct resp_limits *limits,
                             const char *data, size_t len, struct resp_result *r)
{
    int64_t args = 0;
    enum status st = slow_number(data, len, &s->pos, "too big mbulk count string", &args, r);
    if (st == STATUS_AGAIN || st == STATUS_SYNTAX) return st;
    if (st == STATUS_RANGE || args > INT32_MAX) {
        r->error = "invalid multibulk length";
        return STATUS_SYNTAX;
    }
    if (limits->unauthenticated && args > UNAUTH_ARGS_MAX) {
        r->error = "unauthenticated multibulk length";
        return STATUS_SYNTAX;
    }
    s->started = true;
    s->args_left = args > 0 ? args : 0;
    s->bulk_len = -1;
    return STATUS_OK;
}

static enum status slow_bulk_head(struct resp_state *s, const struct resp_limits *limits,
                                  const char *data, size_t len, struct resp_result *r)
{
    static _Thread_local char unexpected[64];
    if (s->pos >= len) return STATUS_AGAIN;
    /* The type byte counts only once its line is there, as in stock. */
    if (data[s->pos] != '$' && memchr(data + s->pos, '\r', len - s->pos)) {
        char c = data[s->pos];
        memcpy(unexpected, "expected '$', got '?'", 22);
        unexpected[19] = (c == '\r' || c == '\n') ? ' ' : c;
        r->error = unexpected;
        return STATUS_SYNTAX;
    }
    int64_t bulk = 0;
    enum status st = slow_number(data, len, &s->pos, "too big bulk count string", &bulk, r);
    if (st == STATUS_AGAIN || st == STATUS_SYNTAX) return st;
    if (st == STATUS_RANGE || bulk < 0 || (uint64_t)bulk > limits->bulk_max) {
        r->error = "invalid bulk length";
        return STATUS_SYNTAX;
    }
    if (limits->unauthenticated && bulk > UNAUTH_BULK_MAX) {
        r->error = "unauthenticated bulk length";
        return STATUS_SYNTAX;
    }
    s->bulk_len = bulk;
    return STATUS_OK;
}

/* What a peer announces is not believed ahead of its bytes: the block at most doubles. It decides
 * whether that may copy what is there, or takes a blob's area. */
static enum status block_grow(struct resp_state *s)
{
    struct buf *b = &s->block;
    if (b->len < b->cap) return STATUS_OK;
    size_t cap = MIN((size_t)s->bulk_len, MAX(b->cap * 2, resp_block_sizes.first));
    size_t zero_from;
    char *ptr = (size_t)s->bulk_len < BLOB_FRESH_MIN
                    ? mem_try_realloc(b->ptr, cap)
                    : blob_try_grow(b->ptr, b->len, cap, &zero_from);
    if (!ptr) return STATUS_NOMEM;
    b->ptr = ptr;
    b->cap = cap;
    return STATUS_OK;
}

char *resp_block_room(struct resp_state *s, const char *data, size_t *len, size_t *room_out,
                      bool *complete_out, enum status *st_out)
{
    *st_out = STATUS_OK;
    if (!s->started || s->bulk_len < (int64_t)resp_block_sizes.min) return NULL;
    size_t bulk = (size_t)s->bulk_len;
    if (!s->block.ptr) {
        size_t have = *len - s->pos;
        if (have >= bulk) return NULL; /* only its CRLF is missing */
        while (s->block.cap < have || !s->block.ptr) {
            s->block.len = s->block.cap;
            if ((*st_out = block_grow(s))) return NULL;
        }
        memcpy(s->block.ptr, data + s->pos, have);
        s->block.len = have;
        *len = s->pos;
    }
    if (s->block.len == bulk) return NULL;
    if ((*st_out = block_grow(s))) return NULL;
    *room_out = s->block.cap - s->block.len;
    *complete_out = s->block.cap == bulk;
    return s->block.ptr + s->block.len;
}

/* The argument whose payload lies in the block: its CRLF stands at s->pos. */
static enum status finish_block(struct resp_state *s, size_t len)
{
    if (s->block.len < (size_t)s->bulk_len || len < s->pos + 2) return STATUS_AGAIN;
    push_arg(&s->partial, s->block.ptr, s->block.len);
    s->partial.argv[s->partial.argc - 1].owned = true;
    s->owned_bytes += s->block.cap;
    buf_init(&s->block);
    s->pos += 2;
    return STATUS_OK;
}

/* The argument whose payload lies in the input, at s->pos. */
static enum status finish_bulk(struct resp_state *s, size_t len, struct resp_result *r)
{
    size_t need = s->pos + (size_t)s->bulk_len + 2;
    if (len < need) {
        r->want = need;
        return STATUS_AGAIN;
    }
    push_arg(&s->partial, (const char *)(uintptr_t)s->pos, (size_t)s->bulk_len);
    s->pos = need;
    return STATUS_OK;
}

/* Hands the request's arguments out, with whatever they own. */
static void take_partial(struct resp_state *s, const char *data, struct resp_args *out,
                         struct resp_result *r)
{
    r->consumed = s->pos;
    r->first = out->argc;
    r->argc = s->partial.argc;
    for (size_t i = 0; i < s->partial.argc; i++) {
        struct arg *a = &s->partial.argv[i];
        push_arg(out, a->owned ? a->ptr : data + (uintptr_t)a->ptr, a->len);
        out->argv[out->argc - 1].owned = a->owned;
        r->owns |= a->owned;
    }
    s->partial.argc = 0;
    resp_state_release(s);
}

static enum status parse_resumable(struct resp_state *s, const struct resp_limits *limits,
                                   const char *data, size_t len, struct resp_args *out,
                                   struct resp_result *r)
{
    if (!s->started) {
        enum status st = slow_head(s, limits, data, len, r);
        if (st) return st;
    }
    while (s->args_left > 0) {
        if (s->bulk_len < 0) {
            enum status st = slow_bulk_head(s, limits, data, len, r);
            if (st) return st;
        }
        enum status st = s->block.ptr ? finish_block(s, len) : finish_bulk(s, len, r);
        if (st) return st;
        s->bulk_len = -1;
        s->args_left--;
    }
    take_partial(s, data, out, r);
    return STATUS_OK;
}

/* Splits a line into words in place: quoting only ever shrinks, so the words are written back
 * over the line that they came from. */
static enum status parse_inline(char *data, size_t len, struct resp_args *out,
                                struct resp_result *r)
{
    char *nl = memchr(data, '\n', len);
    if (!nl) {
        if (len <= RESP_INLINE_MAX) return STATUS_AGAIN;
        r->error = "too big inline request";
        return STATUS_SYNTAX;
    }
    size_t line_len = (size_t)(nl - data);
    r->consumed = line_len + 1;
    if (line_len && data[line_len - 1] == '\r') line_len--;
    struct quote_args words;
    if (quote_split_args(view_of(data, line_len), &words)) {
        r->error = "unbalanced quotes in request";
        return STATUS_SYNTAX;
    }
    r->first = out->argc;
    r->argc = words.argc;
    size_t at = 0;
    for (size_t i = 0; i < words.argc; i++) {
        ASSERT(at + words.argv[i].len <= r->consumed);
        memcpy(data + at, words.argv[i].ptr, words.argv[i].len);
        push_arg(out, data + at, words.argv[i].len);
        at += words.argv[i].len;
    }
    quote_args_release(&words);
    return STATUS_OK;
}

enum status resp_request_parse(struct resp_state *s, const struct resp_limits *limits, char *data,
                               size_t len, struct resp_args *out, struct resp_result *r)
{
    *r = (struct resp_result){0};
    if (len == 0) return STATUS_AGAIN;
    if (data[0] != '*') return parse_inline(data, len, out, r);
    if (likely(!s->started && !limits->unauthenticated) &&
        likely(parse_straight(limits, data, len, out, r)))
        return STATUS_OK;
    return parse_resumable(s, limits, data, len, out, r);
}
