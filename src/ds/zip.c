/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading ziplists and zipmaps; see zip.h for the bytes. A cursor that knows its end gives out
 * bytes or says that there are none, and everything is read through it.
 */
#include "ds/zip.h"

#include "base/num.h"

struct cursor {
    const uint8_t *pos, *end;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
    if ((size_t)(c->end - c->pos) < len) return NULL;
    const uint8_t *at = c->pos;
    c->pos += len;
    return at;
}

static uint64_t little_endian(const uint8_t *p, size_t bytes)
{
    uint64_t n = 0;
    while (bytes--) n = n << 8 | p[bytes];
    return n;
}

/* One byte, or FE and four; FF is the caller's. */
static bool read_length(struct cursor *c, size_t *len_out)
{
    const uint8_t *p = take(c, 1);
    if (!p || *p == 0xFF) return false;
    *len_out = *p;
    if (*p < 0xFE) return true;
    p = take(c, 4);
    if (!p) return false;
    *len_out = (size_t)little_endian(p, 4);
    return true;
}

/* ---- ziplist ---- */

#define ZIPLIST_HEADER 10

static bool read_string(struct cursor *c, uint8_t head, struct view *text)
{
    size_t len = head & 0x3f;
    const uint8_t *p = NULL;
    if (head >> 6 == 1) {
        p = take(c, 1);
        if (!p) return false;
        len = len << 8 | *p;
    } else if (head >> 6 == 2) {
        p = take(c, 4);
        if (!p || head != 0x80) return false;
        len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    }
    p = take(c, len);
    *text = view_of((const char *)p, len);
    return p != NULL;
}

static bool read_integer(struct cursor *c, uint8_t head, int64_t *number)
{
    size_t bytes;
    switch (head) {
    case 0xC0: bytes = 2; break;
    case 0xD0: bytes = 4; break;
    case 0xE0: bytes = 8; break;
    case 0xF0: bytes = 3; break;
    case 0xFE: bytes = 1; break;
    default:
        *number = head - 0xF1;
        return head >= 0xF1 && head <= 0xFD;
    }
    const uint8_t *p = take(c, bytes);
    if (!p) return false;
    unsigned shift = 64 - 8 * (unsigned)bytes; /* the sign is that of the highest byte */
    *number = (int64_t)(little_endian(p, bytes) << shift) >> shift;
    return true;
}

static bool read_entry(struct cursor *c, size_t before, struct view *text, char *digits)
{
    size_t said_before;
    if (!read_length(c, &said_before) || said_before != before) return false;
    const uint8_t *head = take(c, 1);
    if (!head) return false;
    if (*head < 0xC0) return read_string(c, *head, text);
    int64_t number;
    if (!read_integer(c, *head, &number)) return false;
    *text = view_of(digits, num_format_i64(digits, number));
    return true;
}

enum status zip_list_each(struct view bytes, zip_visit_fn *fn, void *ctx)
{
    const uint8_t *start = (const uint8_t *)bytes.ptr;
    if (bytes.len <= ZIPLIST_HEADER || little_endian(start, 4) != bytes.len ||
        start[bytes.len - 1] != 0xFF)
        return STATUS_SYNTAX;
    struct cursor c = {start + ZIPLIST_HEADER, start + bytes.len - 1};
    const uint8_t *last = c.pos;
    size_t before = 0, count = 0;
    while (c.pos < c.end) {
        char digits[NUM_I64_LEN];
        struct view text;
        last = c.pos;
        if (!read_entry(&c, before, &text, digits)) return STATUS_SYNTAX;
        before = (size_t)(c.pos - last);
        count++;
        enum status status = fn(ctx, text);
        if (status) return status;
    }
    size_t said = (size_t)little_endian(start + 8, 2);
    if ((said != UINT16_MAX && said != count) ||
        little_endian(start + 4, 4) != (size_t)(last - start))
        return STATUS_SYNTAX;
    return STATUS_OK;
}

/* ---- zipmap ---- */

static enum status map_text(struct cursor *c, size_t len, zip_visit_fn *fn, void *ctx)
{
    const uint8_t *p = take(c, len);
    return p ? fn(ctx, view_of((const char *)p, len)) : STATUS_SYNTAX;
}

static enum status map_pair(struct cursor *c, zip_visit_fn *fn, void *ctx)
{
    size_t len;
    if (!read_length(c, &len)) return STATUS_SYNTAX;
    enum status status = map_text(c, len, fn, ctx);
    if (status) return status;
    if (!read_length(c, &len)) return STATUS_SYNTAX;
    const uint8_t *spare = take(c, 1);
    if (!spare) return STATUS_SYNTAX;
    status = map_text(c, len, fn, ctx);
    if (status) return status;
    return take(c, *spare) ? STATUS_OK : STATUS_SYNTAX;
}

enum status zip_map_each(struct view bytes, zip_visit_fn *fn, void *ctx)
{
    const uint8_t *start = (const uint8_t *)bytes.ptr;
    if (bytes.len < 2 || start[bytes.len - 1] != 0xFF) return STATUS_SYNTAX;
    struct cursor c = {start + 1, start + bytes.len - 1};
    size_t pairs = 0;
    while (c.pos < c.end) {
        enum status status = map_pair(&c, fn, ctx);
        if (status) return status;
        pairs++;
    }
    return start[0] < 254 && start[0] != pairs ? STATUS_SYNTAX : STATUS_OK;
}
