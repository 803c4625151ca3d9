/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading hostile payloads; see restore.h. One thread.
 */
#include "restore.h"

#include "types/rdb.h"

static struct digest digest_of(const struct type_ops *ops, struct value v)
{
    struct digest d = {{0}};
    ops->digest(v, &d);
    return d;
}

static void check_same(const struct type_ops *ops, struct value a, struct value b)
{
    struct digest left = digest_of(ops, a), right = digest_of(ops, b);
    FUZZ_CHECK(ops->length(a) == ops->length(b));
    FUZZ_CHECK(memcmp(&left, &right, sizeof(left)) == 0);
}

static void check_saved(const struct type_ops *ops, struct value v, bool compress)
{
    struct buf bytes;
    struct stream_out out;
    struct stream_in in;
    struct value again = {0};
    buf_init(&bytes);
    stream_out_buf(&out, &bytes, true);
    out.compress = compress;
    ops->save(v, &out);
    FUZZ_CHECK(stream_out_end(&out) == STATUS_OK);
    uint8_t type = ops->rdb_type(v);
    FUZZ_CHECK(rdb_type_owner(type) == ops);
    stream_in_memory(&in, buf_view(&bytes), false);
    FUZZ_CHECK(ops->load(type, &in, &again) == STATUS_OK);
    FUZZ_CHECK(stream_in_left(&in) == 0);
    check_same(ops, v, again);
    ops->free(again);
    buf_release(&bytes);
}

void restore_one(const struct type_ops *ops, const uint8_t *data, size_t len, restore_use_fn *use)
{
    if (len == 0 || rdb_type_owner(data[0]) != ops) return;
    struct stream_in in;
    struct value v = {0};
    stream_in_memory(&in, view_of((const char *)data + 1, len - 1), false);
    if (ops->load(data[0], &in, &v)) return;
    FUZZ_CHECK(ops->length(v) > 0 || ops == &stream_type_ops); /* a stream may be empty */
    ops->memory(v, 5);
    ops->free_effort(v);
    struct value copy = ops->copy(v);
    check_same(ops, v, copy);
    check_saved(ops, v, false);
    check_saved(ops, copy, true);
    ops->free(copy);
    use(v);
}
