/* SPDX-License-Identifier: BSD-3-Clause */
/* The growable buffer, against a plain array. */
#include "base/buf.h"

#include "unit.h"

TEST(empty)
{
    struct buf b;
    buf_init(&b);
    CHECK_INT(buf_view(&b).len, 0);
    CHECK_STR(buf_cstr(&b), "");
    buf_append(&b, NULL, 0);
    CHECK_INT(b.len, 0);
    buf_release(&b);
    CHECK(b.ptr == NULL && b.cap == 0);
    buf_release(&b);
}

TEST(random_edits)
{
    static char model[1 << 16];
    for (long i = 0; i < unit_rounds(300); i++) {
        struct buf b = {0};
        size_t len = 0;
        for (int k = 0; k < 100; k++) {
            char piece[300];
            size_t n = unit_rand_below(sizeof(piece));
            unit_rand_bytes(piece, n);
            if (unit_rand_below(4)) {
                buf_append(&b, piece, n);
                memcpy(model + len, piece, n);
                len += n;
            } else {
                n = MIN(n, len);
                buf_consume(&b, n);
                memmove(model, model + n, len - n);
                len -= n;
            }
            CHECK(b.cap >= b.len);
        }
        CHECK_MEM(b.ptr, b.len, model, len);
        buf_release(&b);
    }
}

TEST(formatted)
{
    struct buf b = {0};
    static char longer[1000];
    memset(longer, 'y', sizeof(longer) - 1);
    buf_printf(&b, "%d-%s", 7, "x");
    CHECK_STR(buf_cstr(&b), "7-x");
    buf_printf(&b, "%s", longer);
    CHECK_INT(b.len, 3 + 999);
    CHECK_INT(strlen(buf_cstr(&b)), b.len);
    buf_clear(&b);
    buf_append_cstr(&b, "ab");
    buf_append_char(&b, 'c');
    buf_append_view(&b, VIEW_LIT("d"));
    CHECK_STR(buf_cstr(&b), "abcd");
    buf_release(&b);
}

TEST(sizes_from_outside)
{
    struct buf b = {0};
    buf_append_cstr(&b, "kept");
    CHECK_INT(buf_try_grow(&b, SIZE_MAX), STATUS_NOMEM);
    CHECK_INT(buf_try_grow(&b, SIZE_MAX - 4), STATUS_NOMEM);
    CHECK_INT(buf_try_grow(&b, (size_t)1 << 48), STATUS_NOMEM);
    CHECK_STR(buf_cstr(&b), "kept");
    CHECK_INT(buf_try_grow(&b, 10000), STATUS_OK);
    CHECK(b.cap >= 10004);
    buf_release(&b);
}
