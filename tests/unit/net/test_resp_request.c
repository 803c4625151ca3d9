/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request parser against requests that the test itself wrote: whole, cut at every byte,
 * cut at random and moved in memory between the pieces; and hostile heads.
 */
#include "net/resp_request.h"

#include "../unit.h"
#include "base/buf.h"

static const struct resp_limits usual = {.bulk_max = 512u << 20};
static const struct resp_limits stranger = {.bulk_max = 512u << 20, .unauthenticated = true};

struct request {
    int argc;
    struct buf args[20];
    struct buf wire;
};

static void request_random(struct request *r, int max_args, size_t max_len)
{
    memset(r, 0, sizeof(*r));
    r->argc = 1 + (int)unit_rand_below((uint64_t)max_args);
    buf_printf(&r->wire, "*%d\r\n", r->argc);
    for (int i = 0; i < r->argc; i++) {
        size_t len = unit_rand_below(max_len + 1);
        buf_reserve(&r->args[i], len + 1);
        unit_rand_bytes(r->args[i].ptr, len);
        r->args[i].len = len;
        buf_printf(&r->wire, "$%zu\r\n", len);
        buf_append_view(&r->wire, buf_view(&r->args[i]));
        buf_append(&r->wire, "\r\n", 2);
    }
}

static void request_release(struct request *r)
{
    for (int i = 0; i < r->argc; i++) buf_release(&r->args[i]);
    buf_release(&r->wire);
}

static void check_args(const struct request *r, const struct resp_args *out,
                       const struct resp_result *res)
{
    CHECK_INT(res->argc, r->argc);
    CHECK_INT(res->consumed, r->wire.len);
    for (int i = 0; i < r->argc; i++) {
        const struct arg *a = &out->argv[res->first + (size_t)i];
        CHECK_MEM(a->ptr, a->len, r->args[i].ptr, r->args[i].len);
        CHECK(!a->hashed);
    }
}

TEST(whole_requests)
{
    struct resp_args out = {0};
    for (long n = unit_rounds(2000); n > 0; n--) {
        struct resp_state s = {.bulk_len = -1};
        struct resp_result res;
        struct request r;
        request_random(&r, 20, 100);
        out.argc = 0;
        CHECK_INT(resp_request_parse(&s, &usual, r.wire.ptr, r.wire.len, &out, &res), STATUS_OK);
        check_args(&r, &out, &res);
        request_release(&r);
        resp_state_release(&s);
    }
    resp_args_release(&out);
}

/* Every prefix is incomplete, and the parser's state survives that its bytes move. */
TEST(cut_anywhere)
{
    struct resp_args out = {0};
    for (long n = unit_rounds(300); n > 0; n--) {
        struct resp_state s = {.bulk_len = -1};
        struct resp_result res;
        struct request r;
        request_random(&r, 5, 30);
        bool every_byte = unit_rand_below(2);
        size_t have = 0;
        out.argc = 0;
        while (have < r.wire.len) {
            have += every_byte ? 1 : 1 + unit_rand_below(r.wire.len - have);
            if (have == r.wire.len) break;
            char *moved = mem_dup(r.wire.ptr, have);
            CHECK_INT(resp_request_parse(&s, &usual, moved, have, &out, &res), STATUS_AGAIN);
            mem_free(moved);
        }
        CHECK_INT(resp_request_parse(&s, &usual, r.wire.ptr, r.wire.len, &out, &res), STATUS_OK);
        check_args(&r, &out, &res);
        request_release(&r);
        resp_state_release(&s);
    }
    resp_args_release(&out);
}

static void check_error(const struct resp_limits *limits, const char *text, size_t len,
                        const char *error)
{
    struct resp_args out = {0};
    struct resp_state s = {.bulk_len = -1};
    struct resp_result res;
    char *copy = mem_dup(text, len);
    CHECK_INT(resp_request_parse(&s, limits, copy, len, &out, &res), STATUS_SYNTAX);
    CHECK_STR(res.error, error);
    mem_free(copy);
    resp_state_release(&s);
    resp_args_release(&out);
}

#define ERROR(limits, text, error) check_error(limits, text, sizeof(text) - 1, error)

TEST(hostile_heads)
{
    ERROR(&usual, "*3000000000\r\n", "invalid multibulk length");
    ERROR(&usual, "*9223372036854775808\r\n", "invalid multibulk length");
    ERROR(&usual, "*abc\r\n", "invalid multibulk length");
    ERROR(&usual, "*1\r\n$-10\r\n", "invalid bulk length");
    ERROR(&usual, "*1\r\n$536870913\r\n", "invalid bulk length");
    ERROR(&usual, "*1\r\n$blabla\r\n", "invalid bulk length");
    ERROR(&usual, "*1\r\nfoo\r\n", "expected '$', got 'f'");
    ERROR(&stranger, "*11\r\n", "unauthenticated multibulk length");
    ERROR(&stranger, "*1\r\n$16385\r\n", "unauthenticated bulk length");
    ERROR(&usual, "set \"\"\"k\"\"\" v\r\n", "unbalanced quotes in request");
}

TEST(long_lines)
{
    struct buf b = {0};
    for (int i = 0; i < 70000; i++) buf_append_char(&b, '1');
    check_error(&usual, b.ptr, b.len, "too big inline request");
    b.ptr[0] = '*';
    check_error(&usual, b.ptr, b.len, "too big mbulk count string");
    memcpy(b.ptr, "*1\r\n$", 5);
    check_error(&usual, b.ptr, b.len, "too big bulk count string");
    buf_release(&b);
}

TEST(empty_requests)
{
    static const char *const texts[] = {"*0\r\n", "*-10\r\n", "\r\n", "  \r\n", "\n"};
    struct resp_args out = {0};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct resp_state s = {.bulk_len = -1};
        struct resp_result res;
        char *copy = mem_dup(texts[i], strlen(texts[i]));
        CHECK_INT(resp_request_parse(&s, &usual, copy, strlen(copy), &out, &res), STATUS_OK);
        CHECK_INT(res.argc, 0);
        CHECK_INT(res.consumed, strlen(copy));
        mem_free(copy);
        resp_state_release(&s);
    }
    resp_args_release(&out);
}

TEST(inline_words)
{
    struct resp_args out = {0};
    struct resp_state s = {.bulk_len = -1};
    struct resp_result res;
    char text[] = "set  \"a \\x41\\n\"  'b c'\r\nPING\r\n";
    CHECK_INT(resp_request_parse(&s, &usual, text, sizeof(text) - 1, &out, &res), STATUS_OK);
    CHECK_INT(res.argc, 3);
    CHECK_MEM(out.argv[0].ptr, out.argv[0].len, "set", 3);
    CHECK_MEM(out.argv[1].ptr, out.argv[1].len, "a A\n", 4);
    CHECK_MEM(out.argv[2].ptr, out.argv[2].len, "b c", 3);
    CHECK_MEM(text + res.consumed, 4, "PING", 4);
    resp_state_release(&s);
    resp_args_release(&out);
}

/* Rubbish of every kind ends in one of the three answers, and never reads past its end. */
TEST(random_rubbish)
{
    static const char alphabet[] = "*$:+-0123456789\r\n\"'\\ ab";
    for (long n = unit_rounds(20000); n > 0; n--) {
        struct resp_args out = {0};
        struct resp_state s = {.bulk_len = -1};
        struct resp_result res;
        size_t len = unit_rand_below(60);
        char *text = mem_alloc(len + 1);
        for (size_t i = 0; i < len; i++) text[i] = alphabet[unit_rand_below(sizeof(alphabet) - 1)];
        enum status st = resp_request_parse(&s, &usual, text, len, &out, &res);
        CHECK(st == STATUS_OK || st == STATUS_AGAIN || st == STATUS_SYNTAX);
        if (st == STATUS_OK) CHECK(res.consumed <= len && res.consumed > 0);
        mem_free(text);
        resp_state_release(&s);
        resp_args_release(&out);
    }
}

/* Reads as a client does: into blocks where they are wanted, else behind the input. */
static void feed_with_blocks(const struct request *r)
{
    struct resp_args out = {0};
    struct resp_state s = {.bulk_len = -1};
    struct resp_result res = {0};
    char *input = mem_alloc(r->wire.len + 1);
    size_t len = 0, sent = 0;
    enum status st = STATUS_AGAIN;
    while (st == STATUS_AGAIN) {
        size_t room = r->wire.len - sent, most = 1 + unit_rand_below(60000);
        bool complete;
        enum status grown = STATUS_OK;
        char *to = resp_block_room(&s, input, &len, &room, &complete, &grown);
        CHECK_INT(grown, STATUS_OK);
        if (!to) room = r->wire.len - sent;
        size_t got = MIN(MIN(room, most), r->wire.len - sent);
        CHECK(got > 0);
        memcpy(to ? to : input + len, r->wire.ptr + sent, got);
        if (to)
            resp_block_filled(&s, got);
        else
            len += got;
        sent += got;
        st = resp_request_parse(&s, &usual, input, len, &out, &res);
    }
    CHECK_INT(st, STATUS_OK);
    CHECK_INT(sent, r->wire.len);
    CHECK_INT(res.consumed, len);
    CHECK_INT(res.argc, r->argc);
    for (int i = 0; i < r->argc; i++) {
        const struct arg *a = &out.argv[res.first + (size_t)i];
        CHECK_MEM(a->ptr, a->len, r->args[i].ptr, r->args[i].len);
        CHECK(!a->owned || (res.owns && a->len >= resp_block_sizes.min));
    }
    resp_args_drop_owned(out.argv, out.argc);
    resp_state_release(&s);
    resp_args_release(&out);
    mem_free(input);
}

TEST(large_arguments_get_blocks)
{
    for (long n = unit_rounds(200); n > 0; n--) {
        struct request r;
        request_random(&r, 4, unit_rand_below(2) ? 100000 : 3000000);
        feed_with_blocks(&r);
        request_release(&r);
    }
}

TEST(an_abandoned_block_is_freed)
{
    struct resp_args out = {0};
    struct resp_state s = {.bulk_len = -1};
    struct resp_result res;
    char head[] = "*3\r\n$3\r\nSET\r\n$500000\r\nabc";
    size_t len = sizeof(head) - 1, room;
    bool complete;
    enum status st;
    CHECK_INT(resp_request_parse(&s, &usual, head, len, &out, &res), STATUS_AGAIN);
    char *to = resp_block_room(&s, head, &len, &room, &complete, &st);
    CHECK(to && complete);
    CHECK_INT(room, 500000 - 3);
    CHECK_INT(len, sizeof(head) - 1 - 3);
    CHECK(resp_state_bytes(&s) >= 500000);
    resp_state_release(&s);
    CHECK_INT(resp_state_bytes(&s), 0);
    resp_args_release(&out);
}
