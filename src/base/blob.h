/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of bytes that may become long: strings of the keyspace, large arguments of requests. While
 * they are short, and where it isn't known that they grow, they are plain blocks of the memory
 * front, and these functions may be used on any such block. Long ones are areas: a mapping each,
 * which grows by moving its page tables (mremap), so that no byte is copied and no page that was
 * there is touched, and whose new bytes are zero without being written.
 *
 * An area's address tells that it is one: 4 modulo 8, where the allocator's are multiples of 8. So
 * whoever owns bytes needs no flag for it. Nobody may expect more alignment than of char.
 *
 * Any thread; a blob by one at a time, on another thread than before if need be.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include "base/mem.h"

/* What grows beyond this becomes an area, for each time it moves it would be copied. */
#define BLOB_GROWN_MIN ((size_t)1 << 20)
/* What begins with this length is an area. Below, the allocator often has pages at hand that were
 * touched before; above, it gives them back at once, too. */
#define BLOB_FRESH_MIN ((size_t)8 << 20)
/* Sizes of areas are multiples of this; they have BLOB_HEAD bytes less to give. */
#define BLOB_STEP ((size_t)1 << 20)
#define BLOB_HEAD ((size_t)12)

/* As blob_alloc of that length, and as blob_free and blob_room of an area. */
char *blob__long_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void blob__area_free(char *ptr);
size_t blob__area_room(const char *ptr);

static inline bool blob_is_area(const char *ptr)
{
    return (uintptr_t)ptr & 4;
}

/* Bytes for what begins with that length, uninitialised. Never NULL: aborts when memory is out. */
static inline char *blob_alloc(size_t size)
{
    return likely(size < BLOB_FRESH_MIN) ? mem_alloc(size) : blob__long_alloc(size);
}

/* Makes room for `size` bytes and keeps the first `kept`; `ptr` may be NULL. From *zero_from_out on
 * (SIZE_MAX: unknown) the room is zero. NULL when memory is out; `ptr` is then untouched. What is
 * an area already isn't copied: to move it costs 0.3 us a megabyte. */
char *blob_try_grow(char *ptr, size_t kept, size_t size, size_t *zero_from_out) MUST_CHECK;

/* Bytes really behind `ptr`, at least what was asked for. */
static inline size_t blob_room(const char *ptr)
{
    return unlikely(blob_is_area(ptr)) ? blob__area_room(ptr) : mem_usable(ptr);
}

/* The room that blob_alloc gives, as a rule. */
static inline size_t blob_good_size(size_t size)
{
    if (likely(size < BLOB_FRESH_MIN)) return mem_good_size(size);
    return ((size + BLOB_HEAD + BLOB_STEP - 1) & ~(BLOB_STEP - 1)) - BLOB_HEAD;
}

/* Frees; NULL is allowed. Of an area some 50 us a megabyte that was touched. */
static inline void blob_free(char *ptr)
{
    if (unlikely(blob_is_area(ptr))) {
        blob__area_free(ptr);
    } else {
        mem_free(ptr);
    }
}

/* Bytes of all areas; mem_used() and its like count them in. */
size_t blob_area_bytes(void);

#endif
