/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hashes and sets share: a value that is a table (ENC_HASHTABLE) of entries from slabs, each
 * of which begins with the text by which it is found, its length as a varint before it. What
 * follows the text, and the small encodings, are the types' own.
 *
 * Whoever owns the value; the functions change nothing but what they say.
 */
#ifndef TYPES_HASHED_H
#define TYPES_HASHED_H

#include <string.h>

#include "base/num.h"
#include "ds/table.h"
#include "types/value.h"
#include "types/varint.h"

static inline bool hashed_is(struct value v)
{
    return v.enc == ENC_HASHTABLE;
}

/* The table of a value that is one. An insertion or a removal may give it another body, which
 * must be stored back in v.ptr. */
static inline struct table hashed_table(struct value v)
{
    return (struct table){.body = v.ptr};
}

/* The text at the beginning of an entry. */
static inline struct view hashed_text(const void *entry)
{
    size_t len;
    const uint8_t *p = varint_get(entry, &len);
    return view_of((const char *)p, len);
}

/* Bytes that a text takes, and writing it; the result is what comes behind it. */
static inline size_t hashed_text_bytes(size_t len)
{
    return varint_len(len) + len;
}

static inline uint8_t *hashed_text_put(uint8_t *at, struct view text)
{
    at = varint_put(at, text.len);
    if (text.len) memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* How many buckets a scan that is to find `count` entries may look at. */
static inline size_t hashed_scan_buckets(size_t count)
{
    size_t buckets;
    return num_mul_size(count, 10, &buckets) ? buckets : SIZE_MAX;
}

/* Hints that an element will be searched: for the place where it hangs, then for itself. Nothing
 * happens with another encoding. */
void hashed_prefetch_place(struct value v, struct arg *element);
void hashed_prefetch_element(struct value v, struct arg *element);

/* The shape of the table of a value that is one. */
void hashed_stats(struct value v, struct table_stats *out);

/* Bytes of a value that is a table, judged by at most `samples` of its entries, of which one has
 * entry_bytes(entry). */
size_t hashed_memory(struct value v, size_t samples, size_t (*entry_bytes)(const void *entry));

#endif
