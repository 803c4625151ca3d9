/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lengths and texts of RDB; see rdb.h. Compression is liblzf's; stock's observed rules decide when
 * it is tried (from 21 bytes on) and kept (when 4 bytes are gained), since a reader can't tell.
 */
#include "types/rdb.h"

#include <liblzf/lzf.h>
#include <stdlib.h>

#include "base/mem.h"

#define SPECIAL 0xC0
#define SPECIAL_I8 0xC0
#define SPECIAL_I16 0xC1
#define SPECIAL_I32 0xC2
#define SPECIAL_LZF 0xC3

#define COMPRESS_MIN 21
#define COMPRESS_GAIN 4
/* The best that LZF does is 264 bytes out of 3. */
#define LZF_FACTOR_MAX 88
/* A block on the stack serves texts up to here. */
#define COMPRESS_STACK 4096

/* A claim of elements is believed up to here before they have been seen. */
#define RESERVE_MAX ((size_t)1 << 20)

const struct type_ops *rdb_type_owner(uint8_t rdb_type)
{
    switch (rdb_type) {
    case RDB_STRING: return type_ops_of(TYPE_STRING);
    case RDB_LIST:
    case RDB_LIST_ZIPLIST:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2: return type_ops_of(TYPE_LIST);
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return type_ops_of(TYPE_SET);
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK: return type_ops_of(TYPE_ZSET);
    case RDB_HASH:
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK: return type_ops_of(TYPE_HASH);
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3: return type_ops_of(TYPE_STREAM);
    default: return NULL;
    }
}

/* ---- lengths ---- */

/* Writes the lowest `bytes` bytes of n, the highest of them first. */
static void write_big_endian(struct stream_out *out, uint64_t n, int bytes)
{
    while (bytes--) stream_write_u8(out, (uint8_t)(n >> (8 * bytes)));
}

static void write_little_endian(struct stream_out *out, uint64_t n, int bytes)
{
    for (; bytes--; n >>= 8) stream_write_u8(out, (uint8_t)n);
}

void rdb_write_length(struct stream_out *out, uint64_t n)
{
    if (n < 64) {
        stream_write_u8(out, (uint8_t)n);
    } else if (n < 16384) {
        stream_write_u8(out, (uint8_t)(0x40 | n >> 8));
        stream_write_u8(out, (uint8_t)n);
    } else if (n <= UINT32_MAX) {
        stream_write_u8(out, 0x80);
        write_big_endian(out, n, 4);
    } else {
        stream_write_u8(out, 0x81);
        write_big_endian(out, n, 8);
    }
}

static enum status read_big_endian(struct stream_in *in, int bytes, uint64_t *n_out)
{
    uint8_t b[8];
    enum status status = stream_read(in, b, (size_t)bytes);
    if (status) return status;
    *n_out = 0;
    for (int i = 0; i < bytes; i++) *n_out = *n_out << 8 | b[i];
    return STATUS_OK;
}

/* A length, or (n_out is its first byte then) a special form. */
static enum status read_length(struct stream_in *in, uint64_t *n_out, bool *special_out)
{
    uint8_t first, second;
    enum status status = stream_read_u8(in, &first);
    if (status) return status;
    *special_out = false;
    switch (first >> 6) {
    case 0: *n_out = first; return STATUS_OK;
    case 1:
        status = stream_read_u8(in, &second);
        if (!status) *n_out = (uint64_t)(first & 0x3f) << 8 | second;
        return status;
    case 2:
        if (first != 0x80 && first != 0x81) return STATUS_SYNTAX;
        return read_big_endian(in, first == 0x80 ? 4 : 8, n_out);
    default:
        *special_out = true;
        *n_out = first;
        return STATUS_OK;
    }
}

enum status rdb_read_length(struct stream_in *in, uint64_t *n_out)
{
    bool special;
    enum status status = read_length(in, n_out, &special);
    return status ? status : special ? STATUS_SYNTAX : STATUS_OK;
}

enum status rdb_read_count(struct stream_in *in, size_t least, size_t *n_out)
{
    uint64_t n;
    enum status status = rdb_read_length(in, &n);
    if (status) return status;
    if (n == 0) return STATUS_NOT_FOUND;
    if (n > stream_in_left(in) / least) return STATUS_SYNTAX;
    *n_out = (size_t)n;
    return STATUS_OK;
}

size_t rdb_reserve(size_t count)
{
    return MIN(count, RESERVE_MAX);
}

/* ---- writing texts ---- */

static bool write_small_int(struct stream_out *out, int64_t number)
{
    if (number < INT32_MIN || number > INT32_MAX) return false;
    if (number >= INT8_MIN && number <= INT8_MAX) {
        stream_write_u8(out, SPECIAL_I8);
        write_little_endian(out, (uint64_t)number, 1);
    } else if (number >= INT16_MIN && number <= INT16_MAX) {
        stream_write_u8(out, SPECIAL_I16);
        write_little_endian(out, (uint64_t)number, 2);
    } else {
        stream_write_u8(out, SPECIAL_I32);
        write_little_endian(out, (uint64_t)number, 4);
    }
    return true;
}

static bool write_compressed(struct stream_out *out, struct view text)
{
    char stack[COMPRESS_STACK];
    size_t room = text.len - COMPRESS_GAIN;
    char *packed = room <= sizeof(stack) ? stack : mem_try_alloc(room);
    if (!packed) return false;
    unsigned len = lzf_compress(text.ptr, (unsigned)text.len, packed, (unsigned)room);
    if (len) {
        stream_write_u8(out, SPECIAL_LZF);
        rdb_write_length(out, len);
        rdb_write_length(out, text.len);
        stream_write(out, packed, len);
    }
    if (packed != stack) mem_free(packed);
    return len > 0;
}

void rdb_write_text(struct stream_out *out, struct view text)
{
    int64_t number;
    if (text.len <= 11 && !num_parse_i64(text, &number) && write_small_int(out, number)) return;
    if (out->compress && text.len >= COMPRESS_MIN && text.len <= UINT32_MAX &&
        write_compressed(out, text))
        return;
    rdb_write_length(out, text.len);
    stream_write(out, text.ptr, text.len);
}

void rdb_write_int(struct stream_out *out, int64_t number)
{
    char digits[NUM_I64_LEN];
    if (write_small_int(out, number)) return;
    size_t len = num_format_i64(digits, number);
    rdb_write_length(out, len);
    stream_write(out, digits, len);
}

/* ---- reading texts ---- */

static enum status make_room(struct rdb_text *text, size_t len)
{
    if (len <= text->room_bytes) return STATUS_OK;
    mem_free(text->room);
    text->room_bytes = 0;
    text->room = mem_try_alloc(len);
    if (!text->room) return STATUS_NOMEM;
    text->room_bytes = len;
    return STATUS_OK;
}

static enum status read_int(struct stream_in *in, uint64_t form, struct rdb_text *text)
{
    uint8_t b[4];
    size_t bytes = form == SPECIAL_I8 ? 1 : form == SPECIAL_I16 ? 2 : 4;
    enum status status = stream_read(in, b, bytes);
    if (status) return status;
    uint32_t n = 0;
    for (size_t i = bytes; i--;) n = n << 8 | b[i];
    int64_t number = bytes == 1 ? (int8_t)n : bytes == 2 ? (int16_t)n : (int32_t)n;
    text->bytes = view_of(text->digits, num_format_i64(text->digits, number));
    return STATUS_OK;
}

static enum status read_compressed(struct stream_in *in, struct rdb_text *text)
{
    uint64_t packed_len, len;
    if (rdb_read_length(in, &packed_len) || rdb_read_length(in, &len)) return STATUS_SYNTAX;
    if (packed_len > stream_in_left(in) || packed_len > UINT32_MAX || len > UINT32_MAX ||
        len == 0 || packed_len == 0 || len / LZF_FACTOR_MAX > packed_len)
        return STATUS_SYNTAX;
    enum status status = make_room(text, (size_t)len);
    if (status) return status;
    char *copy = NULL;
    const void *packed = stream_read_borrowed(in, (size_t)packed_len);
    if (!packed) {
        copy = mem_try_alloc((size_t)packed_len);
        if (!copy) return STATUS_NOMEM;
        status = stream_read(in, copy, (size_t)packed_len);
        packed = copy;
    }
    if (!status && lzf_decompress(packed, (unsigned)packed_len, text->room, (unsigned)len) != len)
        status = STATUS_SYNTAX;
    mem_free(copy);
    text->bytes = view_of(text->room, (size_t)len);
    return status;
}

static enum status read_text(struct stream_in *in, struct rdb_text *text, bool kept)
{
    uint64_t n;
    bool special;
    enum status status = read_length(in, &n, &special);
    if (status) return status;
    if (special) {
        if (n == SPECIAL_LZF) return read_compressed(in, text);
        return n <= SPECIAL_I32 ? read_int(in, n, text) : STATUS_SYNTAX;
    }
    if (n > stream_in_left(in)) return STATUS_SYNTAX;
    const uint8_t *there = kept ? NULL : stream_read_borrowed(in, (size_t)n);
    if (there) {
        text->bytes = view_of((const char *)there, (size_t)n);
        return STATUS_OK;
    }
    status = make_room(text, (size_t)n);
    if (!status) status = stream_read(in, text->room, (size_t)n);
    text->bytes = view_of(text->room, (size_t)n);
    return status;
}

enum status rdb_read_text(struct stream_in *in, struct rdb_text *text)
{
    return read_text(in, text, false);
}

enum status rdb_read_text_kept(struct stream_in *in, struct rdb_text *text)
{
    return read_text(in, text, true);
}

enum status rdb_read_block(struct stream_in *in, uint8_t **block_out, size_t *len_out)
{
    struct rdb_text text = {0};
    enum status status = read_text(in, &text, true);
    if (status || text.bytes.len == 0) {
        rdb_text_release(&text);
        return status ? status : STATUS_SYNTAX;
    }
    if (text.bytes.ptr == text.digits) {
        mem_free(text.room);
        text.room = mem_dup(text.bytes.ptr, text.bytes.len);
    }
    *block_out = (uint8_t *)text.room;
    *len_out = text.bytes.len;
    return STATUS_OK;
}

void rdb_text_release(struct rdb_text *text)
{
    mem_free(text->room);
    *text = (struct rdb_text){0};
}

/* ---- duplicates ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool rdb_has_duplicates(uint64_t *hashes, size_t count)
{
    if (count <= 16) {
        for (size_t i = 1; i < count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (hashes[i] == hashes[j]) return true;
            }
        }
        return false;
    }
    qsort(hashes, count, sizeof(*hashes), compare_u64);
    for (size_t i = 1; i < count; i++) {
        if (hashes[i] == hashes[i - 1]) return true;
    }
    return false;
}
