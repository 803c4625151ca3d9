/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: random writes come out of random reads, over buffers and files; ends and failures. */
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crc64.h"
#include "unit.h"

#define BYTES ((size_t)3 << 20)

/* Writes `bytes` in random pieces. */
static void write_pieces(struct stream_out *out, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + unit_rand_below(unit_rand_below(20) ? 100 : 400000);
        if (piece > len - at) piece = len - at;
        if (piece == 1) stream_write_u8(out, bytes[at]);
        else stream_write(out, bytes + at, piece);
        at += piece;
        CHECK_INT(stream_out_offset(out), at);
        if (unit_rand_below(1000) == 0) CHECK(stream_out_crc(out) == crc64_update(0, bytes, at));
    }
}

static void read_pieces(struct stream_in *in, const uint8_t *bytes, size_t len)
{
    static uint8_t piece[400000];
    for (size_t at = 0; at < len;) {
        size_t want = 1 + unit_rand_below(unit_rand_below(20) ? 100 : sizeof(piece));
        if (want > len - at) want = len - at;
        const uint8_t *there = unit_rand_below(2) ? stream_read_borrowed(in, want) : NULL;
        if (!there) {
            CHECK(!stream_read(in, piece, want));
            there = piece;
        }
        CHECK(memcmp(there, bytes + at, want) == 0);
        at += want;
        CHECK_INT(stream_in_offset(in), at);
        CHECK_INT(stream_in_left(in), len - at);
        if (unit_rand_below(1000) == 0) CHECK(stream_in_crc(in) == crc64_update(0, bytes, at));
    }
}

static uint8_t *random_bytes(size_t len)
{
    uint8_t *bytes = mem_alloc(len);
    unit_rand_bytes(bytes, len);
    return bytes;
}

static int temp_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

TEST(buffer)
{
    uint8_t *bytes = random_bytes(BYTES);
    struct buf buf = {0};
    struct stream_out out;
    struct stream_in in;
    buf_append(&buf, "before", 6);
    stream_out_buf(&out, &buf, true);
    write_pieces(&out, bytes, BYTES);
    CHECK(!stream_out_end(&out));
    CHECK_INT(buf.len, BYTES + 6);
    CHECK(memcmp(buf.ptr, "before", 6) == 0);
    stream_in_memory(&in, view_of(buf.ptr + 6, BYTES), true);
    read_pieces(&in, bytes, BYTES);
    uint8_t more;
    CHECK_INT(stream_read_u8(&in, &more), STATUS_CLOSED);
    CHECK_INT(stream_read(&in, &more, 1), STATUS_CLOSED);
    stream_in_release(&in);
    buf_release(&buf);
    mem_free(bytes);
}

TEST(file)
{
    uint8_t *bytes = random_bytes(BYTES);
    struct stream_out out;
    struct stream_in in;
    int fd = temp_file();
    stream_out_fd(&out, fd, true);
    out.sync_step = 1 << 20;
    write_pieces(&out, bytes, BYTES);
    CHECK(!stream_out_end(&out));
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    stream_in_fd(&in, fd, true);
    read_pieces(&in, bytes, BYTES);
    uint8_t more;
    CHECK_INT(stream_read_u8(&in, &more), STATUS_CLOSED);
    stream_in_release(&in);
    close(fd);
    mem_free(bytes);
}

TEST(empty)
{
    struct stream_in in;
    uint8_t byte;
    stream_in_memory(&in, view_of(NULL, 0), true);
    CHECK_INT(stream_in_left(&in), 0);
    CHECK(!stream_read(&in, &byte, 0));
    CHECK_INT(stream_read_u8(&in, &byte), STATUS_CLOSED);
    stream_in_release(&in);
}

/* What can't be written is told at the end, with the reason, and nothing is tried again. */
TEST(full_device)
{
    struct stream_out out;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    stream_out_fd(&out, fd, false);
    for (int i = 0; i < 100000; i++) stream_write(&out, "0123456789", 10);
    CHECK_INT(out.status, STATUS_IO);
    CHECK_INT(stream_out_end(&out), STATUS_IO);
    CHECK_INT(out.error, ENOSPC);
    close(fd);
}

/* A claim beyond the end fails before anything is copied. */
TEST(too_short)
{
    struct stream_in in;
    uint8_t bytes[8];
    stream_in_memory(&in, VIEW_LIT("abc"), false);
    CHECK(!stream_read_borrowed(&in, 4));
    CHECK_INT(stream_read(&in, bytes, 4), STATUS_CLOSED);
    CHECK_INT(in.status, STATUS_CLOSED);
    stream_in_release(&in);
}
