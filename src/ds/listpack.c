/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listpack; the format and its contract are in listpack.h.
 *
 * Every change is one splice: so many bytes at an offset give way to so many encoded elements.
 * There the limit is checked, memory grows, the tail moves once and the header is brought up to
 * date; the public writers only say where. Readers know the two shortest encodings inline, since
 * small hashes consist of them.
 *
 * Memory grows to the exact size (the allocator's classes are the slack) and is given back when
 * a removal leaves a third of it unused.
 */
#include "ds/listpack.h"

#include <string.h>

#include "base/mem.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

#define END_BYTE 0xFF
#define COUNT_UNKNOWN 65535
#define BACKLEN_MAX_BYTES 5
/* The longest encoding ahead of the data of a string, or of a whole integer. */
#define HEAD_MAX_BYTES 9
/* Elements that listpack_append_all encodes without an allocation. */
#define APPEND_FEW 24

#define ENC_STR32 0xF0
#define ENC_INT16 0xF1
#define ENC_INT24 0xF2
#define ENC_INT32 0xF3
#define ENC_INT64 0xF4

/* An element ready to be written. */
struct encoded {
    uint8_t head[HEAD_MAX_BYTES];
    uint8_t head_len;
    uint8_t backlen_len;
    struct view data;
};

/* ---- raw parts ---- */

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static void set_header(uint8_t *lp, size_t bytes, size_t count)
{
    uint32_t total = (uint32_t)bytes;
    uint16_t number = (uint16_t)MIN(count, (size_t)COUNT_UNKNOWN);
    memcpy(lp, &total, sizeof(total));
    memcpy(lp + 4, &number, sizeof(number));
}

/* Bytes of the backlen of an entry of `size` bytes. Stock spends one early at each edge. */
static size_t backlen_bytes(size_t size)
{
    if (size <= 127) return 1;
    if (size < 16383) return 2;
    if (size < 2097151) return 3;
    if (size < 268435455) return 4;
    return 5;
}

static void write_backlen(uint8_t *p, size_t size, size_t len)
{
    for (size_t i = len; i-- > 0; size >>= 7) p[i] = (uint8_t)((size & 127) | (i ? 128 : 0));
}

/* The size that ends at `last`, the last byte of a backlen, and how many bytes it took. */
static size_t read_backlen(const uint8_t *last, size_t *len_out)
{
    size_t size = 0, len = 0;
    do {
        size |= (size_t)(*last & 127) << (7 * len);
        len++;
    } while ((*last-- & 128) && len < BACKLEN_MAX_BYTES);
    *len_out = len;
    return size;
}

static bool is_int7(uint8_t first)
{
    return first < 0x80;
}

static bool is_str6(uint8_t first)
{
    return (first & 0xC0) == 0x80;
}

/* Bytes of encoding and data, for the encodings that entry_bytes doesn't know. */
static NOINLINE size_t long_entry_bytes(const uint8_t *p)
{
    if ((p[0] & 0xE0) == 0xC0) return 2;
    if ((p[0] & 0xF0) == 0xE0) return 2 + ((size_t)(p[0] & 15) << 8 | p[1]);
    switch (p[0]) {
    case ENC_STR32: return 5 + (size_t)load_u32(p + 1);
    case ENC_INT16: return 3;
    case ENC_INT24: return 4;
    case ENC_INT32: return 5;
    case ENC_INT64: return 9;
    default: return 0; /* no entry starts like this */
    }
}

/* Bytes of encoding and data of the entry at `p`. */
static inline size_t entry_bytes(const uint8_t *p)
{
    if (is_int7(p[0])) return 1;
    if (is_str6(p[0])) return 1 + (p[0] & 63u);
    return long_entry_bytes(p);
}

static inline const uint8_t *after(const uint8_t *p)
{
    size_t size = entry_bytes(p);
    return p + size + backlen_bytes(size);
}

static int64_t sign_extend(uint64_t value, unsigned bits)
{
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return (int64_t)((value ^ sign) - sign);
}

static int64_t decode_int(const uint8_t *p)
{
    uint64_t value = 0;
    if (is_int7(p[0])) return p[0];
    if ((p[0] & 0xE0) == 0xC0) return sign_extend((uint64_t)(p[0] & 31) << 8 | p[1], 13);
    size_t width = long_entry_bytes(p) - 1;
    memcpy(&value, p + 1, width);
    return width == 8 ? (int64_t)value : sign_extend(value, (unsigned)width * 8);
}

/* Whether the entry is a string; its bytes if so. */
static inline bool string_at(const uint8_t *p, struct view *out)
{
    if (is_int7(p[0])) return false;
    if (is_str6(p[0])) {
        *out = view_of((const char *)p + 1, p[0] & 63u);
        return true;
    }
    if ((p[0] & 0xF0) == 0xE0) {
        *out = view_of((const char *)p + 2, long_entry_bytes(p) - 2);
        return true;
    }
    if (p[0] != ENC_STR32) return false;
    *out = view_of((const char *)p + 5, load_u32(p + 1));
    return true;
}

/* ---- encoding ---- */

static size_t encode_int(uint8_t head[static HEAD_MAX_BYTES], int64_t value)
{
    if (value >= 0 && value <= 127) {
        head[0] = (uint8_t)value;
        return 1;
    }
    if (value >= -4096 && value <= 4095) {
        head[0] = (uint8_t)(0xC0 | ((value >> 8) & 31));
        head[1] = (uint8_t)value;
        return 2;
    }
    size_t width = 8;
    head[0] = ENC_INT64;
    if (value >= INT16_MIN && value <= INT16_MAX) {
        head[0] = ENC_INT16;
        width = 2;
    } else if (value >= -8388608 && value <= 8388607) {
        head[0] = ENC_INT24;
        width = 3;
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        head[0] = ENC_INT32;
        width = 4;
    }
    memcpy(head + 1, &value, width);
    return 1 + width;
}

static size_t encode_string_len(uint8_t head[static HEAD_MAX_BYTES], size_t len)
{
    if (len < 64) {
        head[0] = (uint8_t)(0x80 | len);
        return 1;
    }
    if (len < 4096) {
        head[0] = (uint8_t)(0xE0 | (len >> 8));
        head[1] = (uint8_t)len;
        return 2;
    }
    uint32_t len32 = (uint32_t)len;
    head[0] = ENC_STR32;
    memcpy(head + 1, &len32, sizeof(len32));
    return 5;
}

static struct encoded encoded_i64(int64_t value)
{
    struct encoded e = {.backlen_len = 1};
    e.head_len = (uint8_t)encode_int(e.head, value);
    return e;
}

/* A text longer than any listpack gets a length that splice refuses. */
static struct encoded encoded_text(struct view text)
{
    int64_t number;
    if (num_parse_i64(text, &number) == STATUS_OK) return encoded_i64(number);
    struct encoded e = {.data = text};
    e.head_len = (uint8_t)encode_string_len(e.head, text.len);
    e.backlen_len = (uint8_t)backlen_bytes(e.head_len + text.len);
    return e;
}

static size_t encoded_bytes(const struct encoded *e)
{
    return e->head_len + e->data.len + e->backlen_len;
}

static uint8_t *write_encoded(uint8_t *p, const struct encoded *e)
{
    memcpy(p, e->head, e->head_len);
    if (e->data.len) memcpy(p + e->head_len, e->data.ptr, e->data.len);
    size_t size = e->head_len + e->data.len;
    write_backlen(p + size, size, e->backlen_len);
    return p + size + e->backlen_len;
}

size_t listpack_entry_bytes(struct view text)
{
    struct encoded e = encoded_text(text);
    return encoded_bytes(&e);
}

/* ---- change ---- */

/* A stretch to be replaced: bytes [offset, offset + bytes) that hold `count` entries. */
struct stretch {
    size_t offset, bytes, count;
};

/* The only place that changes a listpack. `items` may not point into it. */
static enum status splice(uint8_t **lp_inout, struct stretch old, const struct encoded *items,
                          size_t count)
{
    uint8_t *lp = *lp_inout;
    size_t total = load_u32(lp), number = load_u16(lp + 4), added = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].data.len > LISTPACK_MAX_BYTES) return STATUS_LIMIT;
        added += encoded_bytes(&items[i]);
    }
    size_t fresh = total - old.bytes + added;
    if (fresh > LISTPACK_MAX_BYTES && added > old.bytes) return STATUS_LIMIT;

    if (fresh > total && fresh > mem_usable(lp)) lp = mem_realloc(lp, fresh);
    uint8_t *at = lp + old.offset;
    if (added != old.bytes)
        memmove(at + added, at + old.bytes, total - old.offset - old.bytes);
    for (size_t i = 0; i < count; i++) at = write_encoded(at, &items[i]);
    if (number != COUNT_UNKNOWN) number = number - old.count + count;
    set_header(lp, fresh, number);
    if (fresh < total && fresh + fresh / 2 < mem_usable(lp)) lp = mem_realloc(lp, fresh);
    *lp_inout = lp;
    return STATUS_OK;
}

static size_t end_offset(const uint8_t *lp)
{
    return load_u32(lp) - 1;
}

static size_t offset_of(const uint8_t *lp, const uint8_t *pos)
{
    DEBUG_ASSERT(pos >= lp + LISTPACK_HEADER_BYTES && pos < lp + load_u32(lp));
    return (size_t)(pos - lp);
}

/* The position at an offset, NULL at the end. */
static uint8_t *position(const uint8_t *lp, size_t offset)
{
    return lp[offset] == END_BYTE ? NULL : (uint8_t *)lp + offset;
}

static enum status insert_at(uint8_t **lp, size_t offset, struct encoded item)
{
    return splice(lp, (struct stretch){.offset = offset}, &item, 1);
}

enum status listpack_append(uint8_t **lp, struct view text)
{
    return insert_at(lp, end_offset(*lp), encoded_text(text));
}

enum status listpack_append_i64(uint8_t **lp, int64_t value)
{
    return insert_at(lp, end_offset(*lp), encoded_i64(value));
}

enum status listpack_prepend(uint8_t **lp, struct view text)
{
    return insert_at(lp, LISTPACK_HEADER_BYTES, encoded_text(text));
}

/* ---- in memory that the caller lays out ---- */

/* The count of elements after so many more. */
static size_t count_after(const uint8_t *lp, int more)
{
    size_t count = load_u16(lp + 4);
    return count == COUNT_UNKNOWN ? count : count + (size_t)more;
}

uint8_t *listpack_prepend_within(uint8_t *lp, struct view text, size_t room)
{
    struct encoded item = encoded_text(text);
    size_t bytes = encoded_bytes(&item), total = load_u32(lp);
    if (bytes > room) return NULL;
    size_t count = count_after(lp, 1);
    write_encoded(lp + LISTPACK_HEADER_BYTES - bytes, &item);
    lp -= bytes;
    set_header(lp, total + bytes, count);
    return lp;
}

bool listpack_append_within(uint8_t *lp, struct view text, size_t room)
{
    struct encoded item = encoded_text(text);
    size_t bytes = encoded_bytes(&item), total = load_u32(lp);
    if (bytes > room) return false;
    write_encoded(lp + total - 1, &item);
    lp[total + bytes - 1] = END_BYTE;
    set_header(lp, total + bytes, count_after(lp, 1));
    return true;
}

uint8_t *listpack_drop_first(uint8_t *lp)
{
    size_t bytes = (size_t)(after(lp + LISTPACK_HEADER_BYTES) - lp) - LISTPACK_HEADER_BYTES;
    size_t total = load_u32(lp), count = count_after(lp, -1);
    set_header(lp + bytes, total - bytes, count);
    return lp + bytes;
}

void listpack_drop_last(uint8_t *lp)
{
    uint8_t *last = listpack_last(lp);
    *last = END_BYTE;
    set_header(lp, (size_t)(last - lp) + 1, count_after(lp, -1));
}

enum status listpack_pair_append(uint8_t **lp, struct view field, struct view value)
{
    struct encoded items[2] = {encoded_text(field), encoded_text(value)};
    return splice(lp, (struct stretch){.offset = end_offset(*lp)}, items, 2);
}

static struct encoded encoded_value(const struct listpack_value *value)
{
    return value->ptr ? encoded_text(view_of(value->ptr, value->len)) : encoded_i64(value->num);
}

enum status listpack_append_all(uint8_t **lp, const struct listpack_value *values, size_t count,
                                size_t room)
{
    struct encoded few[APPEND_FEW], *items = few;
    if (count == 0) return STATUS_OK;
    if (count > APPEND_FEW) items = mem_alloc(count * sizeof(*items));
    size_t total = listpack_bytes(*lp), fresh = total;
    for (size_t i = 0; i < count; i++) {
        items[i] = encoded_value(&values[i]);
        if (!num_add_size(fresh, encoded_bytes(&items[i]), &fresh)) fresh = SIZE_MAX;
    }
    if (fresh < room && fresh > mem_usable(*lp)) *lp = mem_realloc(*lp, MIN(2 * fresh, room));
    enum status status = splice(lp, (struct stretch){.offset = total - 1}, items, count);
    if (items != few) mem_free(items);
    return status;
}

enum status listpack_insert(uint8_t **lp, uint8_t **pos, enum listpack_where where,
                            struct view text)
{
    const uint8_t *at = where == LISTPACK_AFTER ? after(*pos) : *pos;
    size_t offset = offset_of(*lp, at);
    enum status status = insert_at(lp, offset, encoded_text(text));
    if (!status) *pos = *lp + offset;
    return status;
}

static enum status replace(uint8_t **lp, uint8_t **pos, struct encoded item)
{
    struct stretch old = {.offset = offset_of(*lp, *pos), .count = 1};
    old.bytes = (size_t)(after(*pos) - *pos);
    enum status status = splice(lp, old, &item, 1);
    if (!status) *pos = *lp + old.offset;
    return status;
}

enum status listpack_replace(uint8_t **lp, uint8_t **pos, struct view text)
{
    return replace(lp, pos, encoded_text(text));
}

enum status listpack_replace_i64(uint8_t **lp, uint8_t **pos, int64_t value)
{
    return replace(lp, pos, encoded_i64(value));
}

/* Removes up to `count` elements at an offset, and returns how many there were. */
static size_t delete_from(uint8_t **lp, size_t offset, size_t count)
{
    const uint8_t *from = *lp + offset, *p = from;
    struct stretch old = {.offset = offset};
    for (; old.count < count && *p != END_BYTE; old.count++) p = after(p);
    old.bytes = (size_t)(p - from);
    enum status status = splice(lp, old, NULL, 0);
    ASSERT(!status);
    return old.count;
}

void listpack_delete(uint8_t **lp, uint8_t **pos, size_t count)
{
    size_t offset = offset_of(*lp, *pos);
    delete_from(lp, offset, count);
    *pos = position(*lp, offset);
}

size_t listpack_delete_at(uint8_t **lp, int64_t index, size_t count)
{
    const uint8_t *pos = listpack_seek(*lp, index);
    return pos ? delete_from(lp, offset_of(*lp, pos), count) : 0;
}

/* ---- life ---- */

uint8_t *listpack_new(size_t capacity)
{
    uint8_t *lp = mem_alloc(MAX(capacity, (size_t)LISTPACK_EMPTY_BYTES));
    listpack_clear(lp);
    return lp;
}

void listpack_clear(uint8_t *lp)
{
    set_header(lp, LISTPACK_EMPTY_BYTES, 0);
    lp[LISTPACK_HEADER_BYTES] = END_BYTE;
}

uint8_t *listpack_copy(const uint8_t *lp)
{
    size_t bytes = listpack_bytes(lp);
    uint8_t *copy = mem_alloc(bytes);
    memcpy(copy, lp, bytes);
    return copy;
}

void listpack_shrink(uint8_t **lp)
{
    *lp = mem_realloc(*lp, listpack_bytes(*lp));
}

/* ---- walking ---- */

size_t listpack_bytes(const uint8_t *lp)
{
    return load_u32(lp);
}

size_t listpack_count(const uint8_t *lp)
{
    size_t count = load_u16(lp + 4);
    if (count != COUNT_UNKNOWN) return count;
    count = 0;
    for (const uint8_t *p = lp + LISTPACK_HEADER_BYTES; *p != END_BYTE; p = after(p)) count++;
    return count;
}

uint8_t *listpack_first(const uint8_t *lp)
{
    return position(lp, LISTPACK_HEADER_BYTES);
}

uint8_t *listpack_last(const uint8_t *lp)
{
    return listpack_prev(lp, lp + end_offset(lp));
}

uint8_t *listpack_next(const uint8_t *lp, const uint8_t *pos)
{
    UNUSED(lp);
    const uint8_t *next = after(pos);
    return *next == END_BYTE ? NULL : (uint8_t *)next;
}

uint8_t *listpack_prev(const uint8_t *lp, const uint8_t *pos)
{
    if (pos == lp + LISTPACK_HEADER_BYTES) return NULL;
    size_t len, size = read_backlen(pos - 1, &len);
    return (uint8_t *)pos - len - size;
}

uint8_t *listpack_seek(const uint8_t *lp, int64_t index)
{
    size_t known = load_u16(lp + 4);
    if (known != COUNT_UNKNOWN) {
        int64_t count = (int64_t)known;
        if (index >= count || index < -count) return NULL;
        /* Start from the nearer end. */
        if (index >= 0 && index > count / 2)
            index -= count;
        else if (index < 0 && index + count <= count / 2)
            index += count;
    }
    uint8_t *pos = index >= 0 ? listpack_first(lp) : listpack_last(lp);
    if (index >= 0)
        for (; pos && index > 0; index--) pos = listpack_next(lp, pos);
    else
        for (; pos && index < -1; index++) pos = listpack_prev(lp, pos);
    return pos;
}

void listpack_pick(const uint8_t *lp, unsigned stride, const size_t *indexes, size_t count,
                   void (*fn)(void *ctx, size_t nth, const uint8_t *pos), void *ctx)
{
    const uint8_t *pos = lp + LISTPACK_HEADER_BYTES;
    size_t row = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(indexes[i] >= row);
        for (; row < indexes[i]; row++) {
            for (unsigned k = 0; k < stride; k++) pos = after(pos);
        }
        ASSERT(*pos != END_BYTE);
        fn(ctx, i, pos);
    }
}

/* ---- reading ---- */

struct listpack_value listpack_get(const uint8_t *pos)
{
    struct view string;
    if (string_at(pos, &string))
        return (struct listpack_value){.ptr = string.ptr, .len = string.len};
    return (struct listpack_value){.num = decode_int(pos)};
}

struct view listpack_value_view(struct listpack_value value, char buf[static NUM_I64_LEN])
{
    if (value.ptr) return view_of(value.ptr, value.len);
    return view_of(buf, num_format_i64(buf, value.num));
}

struct view listpack_get_view(const uint8_t *pos, char buf[static NUM_I64_LEN])
{
    return listpack_value_view(listpack_get(pos), buf);
}

bool listpack_get_i64(const uint8_t *pos, int64_t *out)
{
    struct view string;
    if (string_at(pos, &string)) return num_parse_i64(string, out) == STATUS_OK;
    *out = decode_int(pos);
    return true;
}

/* What is searched for, in both forms an entry may have. */
struct needle {
    struct view text;
    int64_t number;
    bool is_number;
};

static struct needle needle_of(struct view text)
{
    struct needle n = {.text = text};
    n.is_number = num_parse_i64(text, &n.number) == STATUS_OK;
    return n;
}

static inline bool needle_at(const struct needle *n, const uint8_t *p)
{
    struct view string;
    if (string_at(p, &string)) return view_eq(string, n->text);
    return n->is_number && decode_int(p) == n->number;
}

bool listpack_equals(const uint8_t *pos, struct view text)
{
    struct needle n = needle_of(text);
    return needle_at(&n, pos);
}

uint8_t *listpack_find(const uint8_t *lp, const uint8_t *from, struct view text, unsigned skip)
{
    UNUSED(lp);
    struct needle n = needle_of(text);
    for (const uint8_t *p = from; p && *p != END_BYTE; p = after(p)) {
        if (needle_at(&n, p)) return (uint8_t *)p;
        for (unsigned i = 0; i < skip; i++) {
            p = after(p);
            if (*p == END_BYTE) return NULL;
        }
    }
    return NULL;
}

uint8_t *listpack_pair_find(const uint8_t *lp, struct view field)
{
    const uint8_t *pos = listpack_find(lp, listpack_first(lp), field, 1);
    return pos ? (uint8_t *)after(pos) : NULL;
}

/* ---- bytes from outside ---- */

/* Bytes of encoding that must be readable before entry_bytes may be asked; 0: no encoding. */
static size_t head_bytes(uint8_t first)
{
    if (is_int7(first) || is_str6(first)) return 1;
    if ((first & 0xE0) == 0xC0 || (first & 0xF0) == 0xE0) return 2;
    if (first == ENC_STR32) return 5;
    return first >= ENC_INT16 && first <= ENC_INT64 ? 1 : 0;
}

/* Bytes of the whole entry at `p`, of which `room` are there; 0 if it isn't sound. */
static size_t checked_entry(const uint8_t *p, size_t room)
{
    size_t head = room ? head_bytes(p[0]) : 0;
    if (head == 0 || head > room) return 0;
    size_t size = entry_bytes(p), len = backlen_bytes(size);
    if (size > room || len > room - size) return 0;
    uint8_t expected[BACKLEN_MAX_BYTES];
    write_backlen(expected, size, len);
    return memcmp(expected, p + size, len) == 0 ? size + len : 0;
}

bool listpack_validate(const uint8_t *bytes, size_t len, unsigned stride)
{
    if (len < LISTPACK_EMPTY_BYTES || len > LISTPACK_MAX_BYTES || load_u32(bytes) != len)
        return false;
    size_t end = len - 1, at = LISTPACK_HEADER_BYTES, count = 0;
    if (bytes[end] != END_BYTE) return false;
    for (; at < end; count++) {
        size_t entry = checked_entry(bytes + at, end - at);
        if (entry == 0) return false;
        at += entry;
    }
    size_t stated = load_u16(bytes + 4);
    if (stated != COUNT_UNKNOWN && stated != count) return false;
    return stride < 2 || count % stride == 0;
}
