/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory front. Every allocation of the server goes through it, so that the allocator, the
 * accounting and the failure policy are decided in one place.
 *
 * Small allocations that the server itself sizes abort when memory is out; sizes that a user or
 * a peer chose use the try_ forms. Accounting costs nothing here: jemalloc keeps a pair of byte
 * counters per thread, and mem_used() sums what it reports and what slab.h and blob.h count. All
 * functions may be called from any thread; memory may be freed on another thread than the one that
 * allocated it. Small blocks of which there are millions come from slab.h, large ones that grow
 * from blob.h.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/macros.h"
#include "base/status.h"

/* Allocates `size` bytes, uninitialised. Never NULL: aborts when memory is out. */
void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));

/* As mem_alloc, zero-filled. */
void *mem_zalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));

/* As mem_alloc, at an address that is a multiple of `align` (a power of two). Freed by mem_free. */
void *mem_alloc_aligned(size_t align, size_t size) __attribute__((malloc, returns_nonnull));

/* Resizes; `ptr` may be NULL. Never NULL: aborts when memory is out. */
void *mem_realloc(void *ptr, size_t size) __attribute__((alloc_size(2), returns_nonnull));

/* NULL when memory is out, or when size is above the limit of any single value (2^46). */
void *mem_try_alloc(size_t size) __attribute__((malloc, alloc_size(1)));

/* As mem_try_alloc, at an address that is a multiple of `align` (a power of two). */
void *mem_try_alloc_aligned(size_t align, size_t size) __attribute__((malloc));

/* NULL when memory is out; `ptr` is then untouched. */
void *mem_try_realloc(void *ptr, size_t size) __attribute__((alloc_size(2)));

/* Whether the allocator gives unused memory back from a thread of its own; where it can. */
void mem_background_purge(bool on);

/* Frees; NULL is allowed. */
void mem_free(void *ptr);

/* Bytes really behind `ptr` (the size class), at least what was asked for. */
size_t mem_usable(const void *ptr);

/* The size class that a request of `size` bytes falls into. */
size_t mem_good_size(size_t size);

/* A NUL-terminated copy of `len` bytes. */
char *mem_dup(const void *ptr, size_t len);

/* Says on the error stream that so many bytes are not to be had, and aborts. */
_Noreturn void mem_out(size_t size) __attribute__((cold));

/* Bytes in use in the whole process, from the allocator's own counters. Microseconds. */
size_t mem_used(void);

/* About mem_used(), in nanoseconds: what it said when it was called last, and what this thread has
 * allocated and freed since then, and others that say so. So it is as good as the last call is
 * recent. */
size_t mem_used_about(void);

/* Lets mem_used_about() of other threads know what this one has allocated and freed since it said
 * so last: for a thread that allocates for others, or frees for them, before it gives the result
 * away; and before it begins, to be exact. Nanoseconds. */
void mem_used_tell(void);

/* Highest mem_used() seen by calls of mem_used(). */
size_t mem_peak(void);

/* Resident set of the process in bytes, from /proc. */
size_t mem_rss(void);

/* What the allocator holds: bytes in use; the same with the free blocks that threads keep at hand;
 * bytes of the pages these lie on; bytes of pages that are resident. An allocator that can't tell
 * says the one before. Tens of microseconds. */
struct mem_stats {
    size_t used, allocated, active, resident;
};

/* Reads them all. Any thread. */
void mem_stats(struct mem_stats *out);

/* Gives back to the system what the allocator holds and nobody uses: this thread's cache of small
 * blocks, then the free pages of all arenas. Milliseconds. Any thread. */
void mem_purge(void);

/* The allocator's own switches, by the names of its manual: a number is read or set, a text is
 * read (borrowed). Returns 0 or an errno; ENOENT for each name if it has no such switches. */
int mem_allocator_get(const char *name, int64_t *out);
int mem_allocator_set(const char *name, int64_t value);
int mem_allocator_get_text(const char *name, const char **out);

/* The allocator's own report on itself: text of jemalloc, XML of libc. It comes in pieces, each
 * borrowed during the call. Milliseconds. */
void mem_report(void (*piece)(void *ctx, const char *text), void *ctx);

/* "jemalloc-5.3.0" or "libc". */
const char *mem_allocator_name(void);

#endif
