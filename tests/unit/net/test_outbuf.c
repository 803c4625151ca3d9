/* SPDX-License-Identifier: BSD-3-Clause */
/* The output chain against one flat buffer, under appends, gaps and sends of random sizes. */
#include "net/outbuf.h"

#include "../unit.h"
#include "base/buf.h"

static void send_some(struct outbuf *o, struct buf *sent, size_t most)
{
    struct iovec iov[8];
    int n = outbuf_iov(o, iov, 8);
    size_t taken = 0;
    for (int i = 0; i < n && taken < most; i++) {
        size_t part = MIN(iov[i].iov_len, most - taken);
        buf_append(sent, iov[i].iov_base, part);
        taken += part;
    }
    outbuf_consume(o, taken);
}

TEST(like_a_flat_buffer)
{
    for (long n = unit_rounds(200); n > 0; n--) {
        struct outbuf o = {0};
        struct buf model = {0}, sent = {0};
        for (int step = 0; step < 100; step++) {
            char text[32];
            size_t len = unit_rand_below(10) ? unit_rand_below(200) : unit_rand_below(40000);
            char *bytes = mem_alloc(len + 1);
            unit_rand_bytes(bytes, len);
            switch (unit_rand_below(4)) {
            case 0: send_some(&o, &sent, unit_rand_below(50000)); break;
            case 1: {
                struct out_block *gap = outbuf_gap(&o);
                size_t head = (size_t)snprintf(text, sizeof(text), "*%zu\r\n", len);
                outbuf_append(&o, bytes, len);
                outbuf_fill_gap(&o, gap, text, head);
                buf_append(&model, text, head);
                buf_append(&model, bytes, len);
                break;
            }
            default:
                outbuf_append(&o, bytes, len);
                buf_append(&model, bytes, len);
            }
            CHECK_INT(outbuf_pending(&o), model.len - sent.len);
            mem_free(bytes);
        }
        while (outbuf_pending(&o)) send_some(&o, &sent, 1 + unit_rand_below(100000));
        CHECK_MEM(sent.ptr, sent.len, model.ptr, model.len);
        CHECK(outbuf_memory(&o) == 0 || o.head != NULL);
        outbuf_release(&o);
        buf_release(&model);
        buf_release(&sent);
    }
    outbuf_pool_trim(0);
}

/* As a connection that is written by another thread than the one that fills it. */
TEST(chains_are_handed_over)
{
    for (long n = unit_rounds(100); n > 0; n--) {
        struct outbuf to = {0}, from = {0};
        struct buf model = {0}, sent = {0};
        for (int step = 0; step < 50; step++) {
            size_t len = unit_rand_below(4) ? unit_rand_below(300) : unit_rand_below(40000);
            char *bytes = mem_alloc(len + 1);
            unit_rand_bytes(bytes, len);
            outbuf_append(&from, bytes, len);
            buf_append(&model, bytes, len);
            mem_free(bytes);
            if (unit_rand_below(2)) continue;
            size_t before = outbuf_pending(&to) + outbuf_pending(&from);
            outbuf_chain(&to, &from);
            CHECK_INT(outbuf_pending(&to), before);
            CHECK_INT(outbuf_memory(&from), 0);
            send_some(&to, &sent, unit_rand_below(50000));
            CHECK_INT(outbuf_pending(&to), before - (sent.len - (model.len - before)));
        }
        outbuf_chain(&to, &from);
        while (outbuf_pending(&to)) send_some(&to, &sent, 1 + unit_rand_below(100000));
        CHECK_MEM(sent.ptr, sent.len, model.ptr, model.len);
        CHECK_INT(outbuf_memory(&to), 0);
        outbuf_release(&to);
        buf_release(&model);
        buf_release(&sent);
    }
    struct outbuf_pool spare = outbuf_pool_take();
    CHECK(spare.head && spare.count && !outbuf_pool_take().head);
    size_t count = spare.count;
    outbuf_pool_add(&spare);
    CHECK(!spare.head && !spare.count);
    spare = outbuf_pool_take();
    CHECK_INT(spare.count, count);
    /* Into a pool that has some already. */
    struct outbuf_pool rest = {spare.head->next, spare.count - 1};
    spare.head->next = NULL;
    spare.count = 1;
    outbuf_pool_add(&spare);
    outbuf_pool_add(&rest);
    spare = outbuf_pool_take();
    CHECK_INT(spare.count, count);
    outbuf_pool_add(&spare);
    outbuf_pool_trim(0);
    CHECK(!outbuf_pool_take().head);
}

/* Some buffers that get all of a stream or parts of it, and bytes of their own between; some are
 * sent at once, some late. */
TEST(streams_are_sent_by_many)
{
    enum { BUFFERS = 5 };
    for (long n = unit_rounds(100); n > 0; n--) {
        struct outbuf o[BUFFERS] = {0};
        struct buf model[BUFFERS] = {0}, sent[BUFFERS] = {0};
        struct out_stream streams[2] = {0};
        for (int step = 0; step < 200; step++) {
            size_t len = unit_rand_below(20) ? unit_rand_below(300) : unit_rand_below(40000);
            char *bytes = mem_alloc(len + 1);
            unit_rand_bytes(bytes, len);
            size_t cut = unit_rand_below(len + 1);
            struct out_stream *s = &streams[unit_rand_below(10) == 0];
            struct out_run run = out_stream_add(s, view_of(bytes, cut),
                                                view_of(bytes + cut, len - cut));
            CHECK_MEM(run.ptr, run.len, bytes, len);
            for (int i = 0; i < BUFFERS; i++) {
                if (unit_rand_below(10) == 0) {
                    outbuf_append(&o[i], bytes, cut);
                    buf_append(&model[i], bytes, cut);
                }
                if (s == &streams[1] && i % 2) continue;
                outbuf_append_run(&o[i], &run);
                buf_append(&model[i], bytes, len);
                CHECK_INT(outbuf_pending(&o[i]), model[i].len - sent[i].len);
                if (unit_rand_below(1 + (uint64_t)i)) continue;
                send_some(&o[i], &sent[i], unit_rand_below(50000));
            }
            out_run_release(&run);
            mem_free(bytes);
            if (unit_rand_below(50) == 0) out_stream_close(s);
        }
        for (int i = 0; i < 2; i++) out_stream_close(&streams[i]);
        for (int i = 0; i < BUFFERS; i++) {
            if (i) while (outbuf_pending(&o[i])) send_some(&o[i], &sent[i], 50000);
            CHECK_MEM(sent[i].ptr, sent[i].len, model[i].ptr, sent[i].len);
            CHECK(i == 0 || sent[i].len == model[i].len);
            outbuf_release(&o[i]);
            buf_release(&model[i]);
            buf_release(&sent[i]);
        }
    }
    outbuf_pool_trim(0);
}

TEST(a_stream_is_sent_in_one_piece)
{
    struct outbuf o = {0};
    struct out_stream s = {0};
    struct iovec iov[4];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            struct out_run run = out_stream_add(&s, view_of("*", 1), view_of("message", 7));
            outbuf_append_run(&o, &run);
            out_run_release(&run);
        }
        CHECK_INT(outbuf_iov(&o, iov, 4), 1);
        CHECK_MEM(iov[0].iov_base, iov[0].iov_len, "*message*message*message", 24);
        outbuf_consume(&o, 24);
        CHECK_INT(outbuf_memory(&o), 0);
    }
    out_stream_close(&s);
}

TEST(join_keeps_order)
{
    struct outbuf a = {0}, b = {0};
    struct buf sent = {0};
    outbuf_append(&a, "one ", 4);
    outbuf_append(&b, "XXtwo", 5);
    outbuf_consume(&b, 2);
    outbuf_join(&a, &b);
    send_some(&a, &sent, 100);
    CHECK_MEM(sent.ptr, sent.len, "one two", 7);
    CHECK_INT(outbuf_pending(&a), 0);
    outbuf_release(&a);
    buf_release(&sent);
    outbuf_pool_trim(0);
}
