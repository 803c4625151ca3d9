/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists: see list.h. Arithmetic on indexes happens in int64 on values that were cut to the length
 * first, so that nothing can overflow.
 */
#include "types/list.h"

#include "types/rdb.h"

struct value list_new(void)
{
    return (struct value){
        .type = TYPE_LIST,
        .enc = ENC_QUICKLIST,
        .ptr = quicklist_new(type_limits.list_max_listpack_size, type_limits.list_compress_depth)};
}

bool list_index(struct value v, int64_t index, size_t *index_out)
{
    int64_t length = (int64_t)list_length(v);
    if (index >= length || index < -length) return false;
    *index_out = (size_t)(index < 0 ? index + length : index);
    return true;
}

void list_range(struct value v, int64_t start, int64_t stop, size_t *start_out, size_t *count_out)
{
    int64_t length = (int64_t)list_length(v);
    if (start < 0) start = MAX(start, -length) + length;
    if (stop < 0) stop = stop < -length ? -1 : stop + length;
    stop = MIN(stop, length - 1);
    *start_out = (size_t)start;
    *count_out = start <= stop ? (size_t)(stop - start + 1) : 0;
}

/* ---- the row ---- */

static void ops_free(struct value v)
{
    quicklist_free(v.ptr);
}

static size_t ops_length(struct value v)
{
    return list_length(v);
}

static size_t ops_free_effort(struct value v)
{
    return quicklist_nodes(v.ptr);
}

static size_t ops_memory(struct value v, size_t samples)
{
    return quicklist_memory(v.ptr, samples);
}

static void ops_digest(struct value v, struct digest *d)
{
    char buf[NUM_I64_LEN];
    struct quicklist_iter it;
    struct quicklist_entry e;
    quicklist_iter_init(&it, v.ptr, 0, QUICKLIST_FIRST);
    while (quicklist_next(&it, &e)) {
        struct view text = quicklist_entry_view(&e, buf);
        digest_mix(d, text.ptr, text.len);
    }
    quicklist_iter_end(&it);
}

static struct value ops_copy(struct value v)
{
    v.ptr = quicklist_copy(v.ptr);
    return v;
}

const struct type_ops list_type_ops = {
    .name = "list",
    .free = ops_free,
    .length = ops_length,
    .free_effort = ops_free_effort,
    .memory = ops_memory,
    .digest = ops_digest,
    .copy = ops_copy,
    .rdb_type = list__rdb_type,
    .save = list__save,
    .load = list__load,
};
