/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request parser, whole and in pieces. The same bytes are parsed in one go, as they would
 * arrive in small packets, each time in a block of just what has arrived, and as a client reads
 * them, large arguments into blocks of their own; all three must see the same requests, the same
 * arguments and the same error.
 *
 *   input: flags (1: a stranger's limits, 2: small bulk limit, 4 …: what is a large argument)
 *          | seed of the cuts | request bytes
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/resp_request.h"

#define REQUESTS_MAX 64

/* Appends one request's outcome to a transcript. */
static void record(struct buf *log, enum status status, const struct resp_result *r,
                   const struct resp_args *args)
{
    if (status == STATUS_SYNTAX) {
        FUZZ_CHECK(r->error);
        buf_printf(log, "error %s\n", r->error);
        return;
    }
    size_t bytes = r->consumed;
    FUZZ_CHECK(r->first + r->argc <= args->argc);
    for (size_t i = 0; i < r->argc; i++) {
        const struct arg *a = &args->argv[r->first + i];
        FUZZ_CHECK(!a->owned || r->owns);
        bytes += a->owned ? a->len : 0;
    }
    buf_printf(log, "%zu bytes, %zu arguments\n", bytes, r->argc);
    for (size_t i = 0; i < r->argc; i++) {
        const struct arg *a = &args->argv[r->first + i];
        buf_printf(log, "%zu ", a->len);
        buf_append(log, a->ptr, a->len);
    }
}

/* Parses the request that begins the bytes, of which `step` more arrive each time (0: all). */
static enum status parse_one(const struct resp_limits *limits, struct view bytes, size_t step,
                             uint32_t *seed, struct buf *log, size_t *consumed_out)
{
    struct resp_state state = {0};
    struct resp_args args = {0};
    struct resp_result r = {0};
    enum status status = STATUS_AGAIN;
    size_t have = 0;
    while (status == STATUS_AGAIN && have < bytes.len) {
        *seed = *seed * 1664525u + 1013904223u;
        size_t more = step ? 1 + (*seed >> 16) % step : bytes.len;
        have = bytes.len - have < more ? bytes.len : have + more;
        char *block = mem_dup(bytes.ptr, have);
        char *exact = mem_alloc(have); /* mem_dup adds a NUL, which would hide a byte too many */
        memcpy(exact, block, have);
        mem_free(block);
        memset(&r, 0, sizeof(r));
        args.argc = 0;
        status = resp_request_parse(&state, limits, exact, have, &args, &r);
        if (status == STATUS_OK) FUZZ_CHECK(r.consumed > 0 && r.consumed <= have);
        if (status != STATUS_AGAIN) record(log, status, &r, &args);
        mem_free(exact);
    }
    *consumed_out = r.consumed;
    resp_state_release(&state);
    resp_args_release(&args);
    return status;
}

static void parse_all(const struct resp_limits *limits, struct view bytes, size_t step,
                      uint32_t seed, struct buf *log)
{
    for (int n = 0; n < REQUESTS_MAX && bytes.len; n++) {
        size_t consumed;
        if (parse_one(limits, bytes, step, &seed, log, &consumed)) break;
        bytes = view_of(bytes.ptr + consumed, bytes.len - consumed);
    }
}

/* A client's input, in an allocation of just what is in it. */
struct input {
    char *data;
    size_t len;
    struct view to_come;
    size_t step;
    uint32_t seed;
};

static void input_append(struct input *in, size_t len)
{
    if (len == 0) return;
    in->data = mem_realloc(in->data, in->len + len);
    memcpy(in->data + in->len, in->to_come.ptr, len);
    in->len += len;
    in->to_come = view_of(in->to_come.ptr + len, in->to_come.len - len);
}

static void input_consume(struct input *in, size_t len)
{
    char *rest = in->len > len ? mem_alloc(in->len - len) : NULL;
    if (rest) memcpy(rest, in->data + len, in->len - len);
    mem_free(in->data);
    in->data = rest;
    in->len -= len;
}

/* What one read brings; false when nothing is to come. */
static bool input_read(struct input *in, struct resp_state *state)
{
    size_t room, len = in->len;
    bool complete;
    enum status status = STATUS_OK;
    if (in->to_come.len == 0) return false;
    in->seed = in->seed * 1664525u + 1013904223u;
    size_t got = MIN(1 + (in->seed >> 16) % in->step, in->to_come.len);
    char *block = resp_block_room(state, in->data, &len, &room, &complete, &status);
    FUZZ_CHECK(status == STATUS_OK && len <= in->len);
    if (!block) {
        input_append(in, got);
        return true;
    }
    FUZZ_CHECK(room > 0 && resp_state_bytes(state) >= room);
    in->len = len;
    input_consume(in, 0); /* moves it, and cuts off what went to the block */
    size_t filled = MIN(room, got);
    memcpy(block, in->to_come.ptr, filled);
    resp_block_filled(state, filled);
    in->to_come = view_of(in->to_come.ptr + filled, in->to_come.len - filled);
    if (complete) input_append(in, got - filled);
    return true;
}

static void parse_as_client(const struct resp_limits *limits, struct view bytes, size_t step,
                            uint32_t seed, struct buf *log)
{
    struct input in = {.to_come = bytes, .step = step, .seed = seed};
    struct resp_state state = {0};
    struct resp_args args = {0};
    struct resp_result r = {0};
    enum status status = STATUS_OK;
    for (int n = 0; n < REQUESTS_MAX && status == STATUS_OK; n++) {
        do {
            args.argc = 0;
            status = resp_request_parse(&state, limits, in.data, in.len, &args, &r);
        } while (status == STATUS_AGAIN && input_read(&in, &state));
        if (status == STATUS_AGAIN) break;
        record(log, status, &r, &args);
        resp_args_drop_owned(args.argv, args.argc);
        if (status == STATUS_OK) input_consume(&in, r.consumed);
    }
    resp_state_release(&state);
    resp_args_release(&args);
    mem_free(in.data);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len < 3) return;
    struct resp_limits limits = {
        .bulk_max = data[0] & 2 ? 100 : (size_t)512 << 20,
        .unauthenticated = data[0] & 1,
    };
    struct view bytes = view_of((const char *)data + 2, len - 2);
    struct buf whole, pieces, blocks;
    buf_init(&whole);
    buf_init(&pieces);
    buf_init(&blocks);
    resp_block_sizes = (struct resp_block_sizes){
        .min = 1 + (data[0] >> 2), .first = 1 + data[1] % 16,
    };
    parse_all(&limits, bytes, 0, 0, &whole);
    parse_all(&limits, bytes, 1 + data[1] % 40, data[1], &pieces);
    parse_as_client(&limits, bytes, 1 + data[1] % 40, data[1], &blocks);
    FUZZ_CHECK(view_eq(buf_view(&whole), buf_view(&pieces)));
    FUZZ_CHECK(view_eq(buf_view(&whole), buf_view(&blocks)));
    buf_release(&whole);
    buf_release(&pieces);
    buf_release(&blocks);
}
