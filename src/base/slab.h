/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small blocks in steps of 8 bytes, for what there are millions of: entries of the keyspace, of
 * hashes, sets and sorted sets. The allocator's classes are 16 bytes apart below 128 and 32 above,
 * so a 39-byte entry would lie in 48 bytes; here it lies in 40.
 *
 * The owner says the size again when it frees, for an entry knows how long it is: so a block has
 * no header, and nothing has to be asked about an address. What is outside of SLAB_MIN … SLAB_MAX
 * goes to the allocator: below it has the same classes, above its steps weigh little.
 *
 * Blocks are aligned to 8 bytes. Any thread may free what another one has allocated. Where the
 * allocator isn't jemalloc (sanitizers, MALLOC=libc) every block is an allocation of its own, which
 * a checker can judge.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/mem.h"

#define SLAB_STEP 8
#define SLAB_MIN 9
#define SLAB_MAX 256

/* For slab_alloc and slab_free below, and for tests, which take them in every build. The size is
 * one of SLAB_MIN … SLAB_MAX, and the same for both. slab__take aborts when memory is out. */
void *slab__take(size_t size) __attribute__((malloc, returns_nonnull));
void slab__give(void *ptr, size_t size);

/* Bytes that a block of `size` bytes is given. So two sizes with the same room are the same to
 * slab_free, and what lives in a block may grow up to its room. */
static inline size_t slab_room(size_t size)
{
    size_t step = size <= SLAB_MAX ? SLAB_STEP : 2 * SLAB_STEP;
    return (size + step - 1) & ~(step - 1);
}

static inline bool slab__takes(size_t size)
{
#ifdef HAVE_JEMALLOC
    return size - SLAB_MIN <= SLAB_MAX - SLAB_MIN;
#else
    UNUSED(size);
    return false;
#endif
}

/* Allocates a block of slab_room(size) bytes, uninitialised. Never NULL: aborts when memory is
 * out. */
static inline void *slab_alloc(size_t size)
{
    return likely(slab__takes(size)) ? slab__take(size) : mem_alloc(slab_room(size));
}

/* Frees a block that slab_alloc made for `size` bytes, or for another size of the same room. */
static inline void slab_free(void *ptr, size_t size)
{
    if (likely(slab__takes(size))) {
        slab__give(ptr, size);
    } else {
        mem_free(ptr);
    }
}

/* What slabs hold, as struct mem_stats has it; mem_used() and mem_stats() count it in. */
void slab_stats(struct mem_stats *out);

/* Gives back to the system what this thread has at hand and all free pages. */
void slab_purge(void);

/* Bytes that this thread has allocated, less those that it has freed. */
int64_t slab_thread_bytes(void);

#endif
