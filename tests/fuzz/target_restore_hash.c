/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of hashes, in all their forms. Input: as in restore.h.
 */
#include "restore.h"

#include "base/mem.h"
#include "types/hash.h"

struct walk {
    struct value v;
    size_t seen;
};

static void look_up(void *ctx, struct view field, struct view value)
{
    struct walk *w = ctx;
    char digits[NUM_I64_LEN];
    struct view found;
    struct arg name = arg_of_view(field);
    FUZZ_CHECK(hash_get(w->v, &name, digits, &found));
    FUZZ_CHECK(view_eq(found, value));
    w->seen++;
}

static void keep_first(void *ctx, struct view field, struct view value)
{
    struct buf *kept = ctx;
    (void)value;
    if (kept->len == 0) {
        buf_append_char(kept, '+');
        buf_append_view(kept, field);
    }
}

static void use(struct value v)
{
    struct walk w = {v, 0};
    hash_each(v, look_up, &w);
    FUZZ_CHECK(w.seen == hash_length(v));
    uint64_t cursor = 0;
    w.seen = 0;
    do {
        cursor = hash_scan(v, cursor, 3, look_up, &w);
    } while (cursor);
    FUZZ_CHECK(w.seen >= hash_length(v));
    struct arg added = arg_of("a new field", 11);
    hash_set(&v, &added, VIEW_LIT("with a value that is longer than the limit"));
    for (size_t left = hash_length(v); left; left--) {
        struct buf kept;
        buf_init(&kept);
        hash_each(v, keep_first, &kept);
        struct arg name = arg_of(kept.ptr + 1, kept.len - 1);
        FUZZ_CHECK(hash_remove(&v, &name) && hash_length(v) == left - 1);
        buf_release(&kept);
        if (left > 200) break;
    }
    hash_type_ops.free(v);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    restore_one(&hash_type_ops, data, len, use);
}
