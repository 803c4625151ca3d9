/* SPDX-License-Identifier: BSD-3-Clause */
/* Old compact forms: known bytes, and damage of every kind: never a read outside. */
#include "ds/zip.h"

#include "base/buf.h"
#include "unit.h"

static enum status collect(void *ctx, struct view text)
{
    struct buf *all = ctx;
    buf_append_view(all, text);
    buf_append_char(all, '|');
    return STATUS_OK;
}

typedef enum status walk_fn(struct view bytes, zip_visit_fn *fn, void *ctx);

/* The bytes lie at the end of a block, so that a sanitizer sees a step too far. */
static enum status walk(walk_fn *each, const void *bytes, size_t len, struct buf *all)
{
    char *block = mem_alloc(len ? len : 1);
    if (len) memcpy(block, bytes, len);
    enum status status = each(view_of(block, len), collect, all);
    mem_free(block);
    return status;
}

static const unsigned char list[] = {
    45, 0, 0, 0, 34, 0, 0, 0, 7, 0,    /* header */
    0, 2, 'a', 'b',                    /* each entry begins with the length of the one before */
    4, 0xF6,                           /* 5 */
    2, 0xFE, 0xFE,                     /* -2 */
    3, 0xC0, 0x2C, 0x01,               /* 300 */
    4, 0xD0, 0x70, 0x11, 0x01, 0x00,   /* 70,000 */
    6, 0xF0, 0x60, 0x79, 0xFE,         /* -100,000 */
    5, 0xE0, 0, 0, 0, 0, 0, 1, 0, 0,   /* 2^40 */
    0xFF};

TEST(list_of_known_bytes)
{
    struct buf all = {0};
    CHECK_INT(walk(zip_list_each, list, sizeof(list), &all), STATUS_OK);
    CHECK_STR(buf_cstr(&all), "ab|5|-2|300|70000|-100000|1099511627776|");
    buf_release(&all);
}

TEST(map_of_known_bytes)
{
    static const unsigned char map[] = {2, 1, 'a', 1, 2, 'x', '?', '?', 0, 3, 0, 'y', 'z', '!',
                                        0xFF};
    struct buf all = {0};
    CHECK_INT(walk(zip_map_each, map, sizeof(map), &all), STATUS_OK);
    CHECK_STR(buf_cstr(&all), "a|x||yz!|");
    buf_release(&all);
}

TEST(empty_ones)
{
    static const unsigned char none[] = {11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xFF};
    static const unsigned char map[] = {0, 0xFF};
    struct buf all = {0};
    CHECK_INT(walk(zip_list_each, none, sizeof(none), &all), STATUS_OK);
    CHECK_INT(walk(zip_map_each, map, sizeof(map), &all), STATUS_OK);
    CHECK_INT(walk(zip_list_each, "", 0, &all), STATUS_SYNTAX);
    CHECK_INT(walk(zip_map_each, "", 0, &all), STATUS_SYNTAX);
    CHECK_INT(all.len, 0);
    buf_release(&all);
}

TEST(damage)
{
    static const unsigned char map[] = {2, 1, 'a', 1, 2, 'x', '?', '?', 0, 3, 0, 'y', 'z', '!',
                                        0xFF};
    for (long i = 0; i < unit_rounds(100000); i++) {
        unsigned char bytes[sizeof(list)];
        bool is_list = unit_rand_below(2);
        size_t len = is_list ? sizeof(list) : sizeof(map);
        memcpy(bytes, is_list ? list : map, len);
        if (unit_rand_below(4) == 0) len = unit_rand_below(len);
        for (uint64_t n = 1 + unit_rand_below(3); n-- && len;)
            bytes[unit_rand_below(len)] = (unsigned char)unit_rand();
        if (is_list && len > 4 && unit_rand_below(4)) bytes[0] = (unsigned char)len;
        struct buf all = {0};
        enum status status = walk(is_list ? zip_list_each : zip_map_each, bytes, len, &all);
        CHECK(status == STATUS_OK || status == STATUS_SYNTAX);
        CHECK(all.len <= 22 * len);
        buf_release(&all);
    }
}
