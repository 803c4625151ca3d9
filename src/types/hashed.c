/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hashes and sets share; see hashed.h. What is called for each element stands in the header,
 * so that the loops of the types have it inline.
 */
#include "types/hashed.h"

#include "base/slab.h"

void hashed_prefetch_place(struct value v, struct arg *element)
{
    if (!hashed_is(v)) return;
    struct table t = hashed_table(v);
    table_prefetch_bucket(&t, arg_hash(element));
}

void hashed_prefetch_element(struct value v, struct arg *element)
{
    if (!hashed_is(v)) return;
    struct table t = hashed_table(v);
    table_prefetch_entry(&t, arg_hash(element));
}

void hashed_stats(struct value v, struct table_stats *out)
{
    struct table t = hashed_table(v);
    table_stats(&t, out);
}

size_t hashed_memory(struct value v, size_t samples, size_t (*entry_bytes)(const void *entry))
{
    struct table t = hashed_table(v);
    struct table_iter it;
    size_t looked = 0, bytes = 0, count = table_count(&t);
    table_iter_init(&it, &t);
    for (void *entry; looked < samples && (entry = table_iter_next(&it)); looked++) {
        bytes += slab_room(entry_bytes(entry));
    }
    table_iter_end(&it);
    if (looked) bytes = (size_t)((double)bytes / (double)looked * (double)count);
    return table_memory(&t) + bytes;
}
