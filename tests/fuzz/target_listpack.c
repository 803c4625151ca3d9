/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that call themselves a listpack: either refused, or sound for every reader and writer.
 *
 *   input: count of steering bytes | steering bytes | listpack
 */
#include "fuzz.h"

#include "base/mem.h"
#include "ds/listpack.h"

#define TEXT_MAX 300

static void read_all(const uint8_t *lp)
{
    char digits[NUM_I64_LEN];
    size_t forwards = 0, backwards = 0;
    for (uint8_t *at = listpack_first(lp); at; at = listpack_next(lp, at)) {
        struct view text = listpack_get_view(at, digits);
        int64_t number;
        if (listpack_get_i64(at, &number)) FUZZ_CHECK(text.len <= NUM_I64_LEN);
        FUZZ_CHECK(listpack_equals(at, text));
        FUZZ_CHECK(forwards > 64 || listpack_find(lp, listpack_first(lp), text, 0));
        forwards++;
    }
    for (uint8_t *at = listpack_last(lp); at; at = listpack_prev(lp, at)) backwards++;
    FUZZ_CHECK(forwards == backwards && forwards == listpack_count(lp));
}

static void change(uint8_t **lp, struct fuzz_steer *steer)
{
    char text[TEXT_MAX];
    while (steer->pos < steer->end) {
        unsigned what = fuzz_byte(steer) % 8;
        int64_t index = (int8_t)fuzz_byte(steer);
        size_t len = fuzz_byte(steer) + (index & 1 ? 40u : 0);
        memset(text, 'a' + (int)(index & 7), sizeof(text));
        struct view added = index & 2 ? view_of(text, len) : VIEW_LIT("-70000");
        uint8_t *at = listpack_seek(*lp, index);
        enum status status = STATUS_OK;
        switch (what) {
        case 0: status = listpack_append(lp, added); break;
        case 1: status = listpack_prepend(lp, added); break;
        case 2: status = listpack_append_i64(lp, index * (1 << (len & 30))); break;
        case 3: listpack_delete_at(lp, index, len % 4); break;
        case 4: if (at) status = listpack_insert(lp, &at, LISTPACK_BEFORE, added); break;
        case 5: if (at) status = listpack_insert(lp, &at, LISTPACK_AFTER, added); break;
        case 6: if (at) status = listpack_replace(lp, &at, added); break;
        default: if (at) listpack_delete(lp, &at, len % 4); break;
        }
        FUZZ_CHECK(status == STATUS_OK);
        FUZZ_CHECK(listpack_validate(*lp, listpack_bytes(*lp), 1));
    }
    listpack_shrink(lp);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len == 0 || len - 1 < data[0] % 64) return;
    size_t steering = data[0] % 64;
    struct fuzz_steer steer = {data + 1, data + 1 + steering};
    size_t bytes = len - 1 - steering;
    uint8_t *lp = mem_alloc(bytes ? bytes : 1);
    if (bytes) memcpy(lp, data + 1 + steering, bytes);
    bool in_pairs = listpack_validate(lp, bytes, 2);
    if (listpack_validate(lp, bytes, 1)) {
        FUZZ_CHECK(listpack_bytes(lp) == bytes);
        FUZZ_CHECK(in_pairs == (listpack_count(lp) % 2 == 0));
        read_all(lp);
        if (in_pairs) listpack_pair_find(lp, VIEW_LIT("a"));
        change(&lp, &steer);
        read_all(lp);
    } else {
        FUZZ_CHECK(!in_pairs);
    }
    mem_free(lp);
}
