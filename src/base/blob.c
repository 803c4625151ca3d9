/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Areas: long runs of bytes in mappings of their own.
 *
 *   mapping, at a multiple of ALIGN:
 *     byte   0 ..  7   its bytes, a multiple of BLOB_STEP
 *            8 .. 11   MAGIC
 *           12 ..      the blob
 *
 * The mapping grows where it is while the addresses behind it are free, and moves when they aren't.
 * Both places are aligned to what a table of pages spans, so a move is one of tables: 0.1 ms for
 * 512 MB instead of 2.
 *
 * A process may have 65,530 mappings. Areas that have moved don't merge with their neighbours, so
 * their number is limited, and what comes beyond is a block of the allocator, which is copied when
 * it moves. So is what the system gives no mapping for.
 *
 * Rejected: growing within the allocator's memory by mremap, which leaves some ten mappings behind
 * with each move; an arena of jemalloc's whose extents lie far apart, for it tries no new memory
 * behind a block while it retains what is freed; room for the longest string reserved behind each,
 * which limits on address space count.
 *
 * Invariant: count and bytes are those of the areas there are.
 */
#include "base/blob.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN ((size_t)2 << 20)
#define MAGIC 0x61657261u
#define AREAS_MAX 16384
/* Unmapped at once: who wants to map something waits meanwhile. */
#define SLICE_BYTES ((size_t)16 << 20)

struct area {
    size_t bytes;
    uint32_t magic;
};

_Static_assert(BLOB_HEAD == offsetof(struct area, magic) + sizeof(uint32_t), "the drawing");
_Static_assert(BLOB_HEAD % 8 == 4, "what blob_is_area looks at");

static struct {
    atomic_size_t count, bytes;
} areas;

static struct area *area_of(const char *ptr)
{
    struct area *a = (struct area *)(void *)(uintptr_t)(ptr - BLOB_HEAD);
    ASSERT(a->magic == MAGIC);
    return a;
}

static char *bytes_of(struct area *a)
{
    return (char *)a + BLOB_HEAD;
}

/* 0: above this no size is meant seriously. */
static size_t mapping_size(size_t size)
{
    if (size > (size_t)1 << 46) return 0;
    return (size + BLOB_HEAD + BLOB_STEP - 1) & ~(BLOB_STEP - 1);
}

static void unmap(char *at, size_t size)
{
    /* It may fail in the middle of a larger mapping, when there are too many already: then the
     * addresses are lost, the memory isn't. */
    if (size && munmap(at, size) < 0) madvise(at, size, MADV_DONTNEED);
}

/* An aligned mapping; NULL if there is none to be had. */
static void *map(size_t size, int protection)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *at = mmap(NULL, size, protection, flags, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if ((uintptr_t)at % ALIGN == 0) return at;
    unmap(at, size);
    char *wide = mmap(NULL, size + ALIGN, protection, flags, -1, 0);
    if (wide == MAP_FAILED) return NULL;
    at = (char *)(((uintptr_t)wide + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    unmap(wide, (size_t)(at - wide));
    unmap(at + size, (size_t)(wide + ALIGN - at));
    return at;
}

/* NULL if there is to be none. */
static struct area *area_new(size_t size)
{
    size_t bytes = mapping_size(size);
    if (!bytes) return NULL;
    struct area *a = NULL;
    if (atomic_fetch_add(&areas.count, 1) < AREAS_MAX) a = map(bytes, PROT_READ | PROT_WRITE);
    if (!a) {
        atomic_fetch_sub(&areas.count, 1);
        return NULL;
    }
    atomic_fetch_add(&areas.bytes, bytes);
    *a = (struct area){bytes, MAGIC};
    return a;
}

/* NULL, and nothing has changed, if the system refuses. */
static struct area *area_grow(struct area *a, size_t size)
{
    size_t before = a->bytes, bytes = mapping_size(size);
    if (!bytes) return NULL;
    ASSERT(bytes > before);
    struct area *to = mremap(a, before, bytes, 0);
    if (to == MAP_FAILED) {
        void *place = map(bytes, PROT_NONE);
        if (!place) return NULL;
        to = mremap(a, before, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
        if (to == MAP_FAILED) {
            unmap(place, bytes);
            return NULL;
        }
    }
    to->bytes = bytes;
    atomic_fetch_add(&areas.bytes, bytes - before);
    return to;
}

void blob__area_free(char *ptr)
{
    struct area *a = area_of(ptr);
    size_t bytes = a->bytes, left = bytes;
    a->magic = 0;
    for (; left > SLICE_BYTES; left -= SLICE_BYTES)
        unmap((char *)a + left - SLICE_BYTES, SLICE_BYTES);
    unmap((char *)a, left);
    atomic_fetch_sub(&areas.bytes, bytes);
    atomic_fetch_sub(&areas.count, 1);
}

size_t blob__area_room(const char *ptr)
{
    return area_of(ptr)->bytes - BLOB_HEAD;
}

char *blob__long_alloc(size_t size)
{
    struct area *a = area_new(size);
    return a ? bytes_of(a) : mem_alloc(size);
}

/* An area becomes a block of the allocator's. */
static char *area_leave(char *ptr, size_t kept, size_t size)
{
    char *to = mem_try_alloc(size);
    if (!to) return NULL;
    memcpy(to, ptr, kept);
    blob__area_free(ptr);
    return to;
}

char *blob_try_grow(char *ptr, size_t kept, size_t size, size_t *zero_from_out)
{
    *zero_from_out = SIZE_MAX;
    if (blob_is_area(ptr)) {
        size_t room = blob__area_room(ptr);
        if (size <= room) return ptr;
        struct area *a = area_grow(area_of(ptr), size);
        if (!a) return area_leave(ptr, kept, size);
        *zero_from_out = room;
        return bytes_of(a);
    }
    struct area *a = size > BLOB_GROWN_MIN ? area_new(size) : NULL;
    if (!a) return mapping_size(size) ? mem_try_realloc(ptr, mem_good_size(size)) : NULL;
    if (kept) memcpy(bytes_of(a), ptr, kept);
    mem_free(ptr);
    *zero_from_out = kept;
    return bytes_of(a);
}

size_t blob_area_bytes(void)
{
    return atomic_load_explicit(&areas.bytes, memory_order_relaxed);
}
