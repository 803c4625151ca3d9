/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intset; see intset.h. Integers are read and written by memcpy of the low bytes of a 64-bit
 * word, which the compiler turns into one move a width.
 */
#include "ds/intset.h"

#include <string.h>

#include "base/mem.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");
_Static_assert(sizeof(struct intset) == INTSET_HEADER_BYTES, "the struct is the format");

static int64_t load(const uint8_t *bytes, uint32_t width, size_t index)
{
    int16_t v16;
    int32_t v32;
    int64_t v64;
    const uint8_t *p = bytes + index * width;
    switch (width) {
    case 2: memcpy(&v16, p, sizeof(v16)); return v16;
    case 4: memcpy(&v32, p, sizeof(v32)); return v32;
    default: memcpy(&v64, p, sizeof(v64)); return v64;
    }
}

static void store(struct intset *set, size_t index, int64_t value)
{
    memcpy(set->bytes + index * set->width, &value, set->width);
}

static uint32_t width_of(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX) return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

static struct intset *with_room(struct intset *set, size_t bytes)
{
    return bytes > mem_usable(set) ? mem_realloc(set, bytes) : set;
}

struct intset *intset_new(void)
{
    struct intset *set = mem_alloc(INTSET_HEADER_BYTES);
    set->width = 2;
    set->length = 0;
    return set;
}

struct intset *intset_copy(const struct intset *set)
{
    size_t bytes = intset_bytes(set);
    struct intset *copy = mem_alloc(bytes);
    memcpy(copy, set, bytes);
    return copy;
}

int64_t intset_get(const struct intset *set, size_t index)
{
    ASSERT(index < set->length);
    return load(set->bytes, set->width, index);
}

/* Where `value` is (true), or would have to be put (false). */
static bool search(const struct intset *set, int64_t value, size_t *index_out)
{
    size_t low = 0, high = set->length;
    /* Ascending insertions, the usual way to fill one, end here. */
    if (high > 0 && load(set->bytes, set->width, high - 1) < value) low = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load(set->bytes, set->width, middle) < value)
            low = middle + 1;
        else
            high = middle;
    }
    *index_out = low;
    return low < set->length && load(set->bytes, set->width, low) == value;
}

bool intset_contains(const struct intset *set, int64_t value)
{
    size_t index;
    return width_of(value) <= set->width && search(set, value, &index);
}

/* Rewrites all members `width` wide. The last goes first, so none is overwritten unread. */
static struct intset *widen(struct intset *set, uint32_t width, size_t room)
{
    uint32_t old = set->width;
    set = with_room(set, INTSET_HEADER_BYTES + (size_t)width * room);
    set->width = width;
    for (size_t i = set->length; i-- > 0;) store(set, i, load(set->bytes, old, i));
    return set;
}

enum status intset_add(struct intset **set_inout, int64_t value)
{
    struct intset *set = *set_inout;
    size_t index, count = set->length;
    if (search(set, value, &index)) return STATUS_EXISTS;
    if (count >= INTSET_MAX_COUNT) return STATUS_LIMIT;

    uint32_t width = width_of(value);
    if (width > set->width)
        set = widen(set, width, count + 1);
    else
        set = with_room(set, intset_bytes(set) + set->width);
    uint8_t *at = set->bytes + index * set->width;
    memmove(at + set->width, at, (count - index) * set->width);
    store(set, index, value);
    set->length++;
    *set_inout = set;
    return STATUS_OK;
}

void intset_remove_at(struct intset **set_inout, size_t index)
{
    struct intset *set = *set_inout;
    ASSERT(index < set->length);
    uint8_t *at = set->bytes + index * set->width;
    memmove(at, at + set->width, (set->length - index - 1) * set->width);
    set->length--;
    size_t bytes = intset_bytes(set);
    if (bytes + bytes / 2 < mem_usable(set)) *set_inout = mem_realloc(set, bytes);
}

bool intset_remove(struct intset **set, int64_t value)
{
    size_t index;
    if (!search(*set, value, &index)) return false;
    intset_remove_at(set, index);
    return true;
}

bool intset_validate(const void *bytes, size_t len)
{
    uint32_t header[2];
    if (len < INTSET_HEADER_BYTES) return false;
    memcpy(header, bytes, sizeof(header));
    uint32_t width = header[0], length = header[1];
    if (width != 2 && width != 4 && width != 8) return false;
    if (length > INTSET_MAX_COUNT || (uint64_t)width * length != len - INTSET_HEADER_BYTES)
        return false;
    const uint8_t *members = (const uint8_t *)bytes + INTSET_HEADER_BYTES;
    for (size_t i = 1; i < length; i++) {
        if (load(members, width, i - 1) >= load(members, width, i)) return false;
    }
    return true;
}
