/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request parser, whole and in pieces. The same bytes are parsed in one go and as they would
 * arrive in small packets, each time in a block of just what has arrived; both must see the same
 * requests, the same arguments and the same error.
 *
 *   input: flags (1: a stranger's limits, 2: small bulk limit) | seed of the cuts | request bytes
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
    buf_printf(log, "%zu bytes, %zu arguments\n", r->consumed, r->argc);
    FUZZ_CHECK(r->first + r->argc <= args->argc);
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

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len < 3) return;
    struct resp_limits limits = {
        .bulk_max = data[0] & 2 ? 100 : (size_t)512 << 20,
        .unauthenticated = data[0] & 1,
    };
    struct view bytes = view_of((const char *)data + 2, len - 2);
    struct buf whole, pieces;
    buf_init(&whole);
    buf_init(&pieces);
    parse_all(&limits, bytes, 0, 0, &whole);
    parse_all(&limits, bytes, 1 + data[1] % 40, data[1], &pieces);
    FUZZ_CHECK(view_eq(buf_view(&whole), buf_view(&pieces)));
    buf_release(&whole);
    buf_release(&pieces);
}
