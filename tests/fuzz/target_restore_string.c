/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of strings: lengths, integers, LZF. What is read must come back as it was when it is
 * written and read again. Input: as in restore.h, type 0.
 */
#include "restore.h"

#include "base/mem.h"
#include "types/rdb.h"

static void check_written(struct view text, bool compress)
{
    struct buf bytes;
    struct stream_out out;
    struct stream_in in;
    struct rdb_text again = {0};
    buf_init(&bytes);
    stream_out_buf(&out, &bytes, true);
    out.compress = compress;
    rdb_write_text(&out, text);
    FUZZ_CHECK(stream_out_end(&out) == STATUS_OK);
    stream_in_memory(&in, buf_view(&bytes), false);
    FUZZ_CHECK(rdb_read_text_kept(&in, &again) == STATUS_OK);
    FUZZ_CHECK(stream_in_left(&in) == 0 && view_eq(text, again.bytes));
    rdb_text_release(&again);
    buf_release(&bytes);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len == 0 || data[0] != RDB_STRING) return;
    struct view payload = view_of((const char *)data + 1, len - 1);
    struct stream_in in;
    struct rdb_text text = {0};
    uint8_t *block;
    size_t block_len;
    stream_in_memory(&in, payload, false);
    enum status status = rdb_read_text(&in, &text);
    struct stream_in second;
    stream_in_memory(&second, payload, true);
    enum status same = rdb_read_block(&second, &block, &block_len);
    bool some = !status && text.bytes.len > 0; /* an empty block is refused */
    FUZZ_CHECK(some == (same == STATUS_OK));
    if (some) {
        FUZZ_CHECK(view_eq(text.bytes, view_of((char *)block, block_len)));
        mem_free(block);
    }
    if (!status) {
        check_written(text.bytes, false);
        check_written(text.bytes, true);
    }
    rdb_text_release(&text);
}
