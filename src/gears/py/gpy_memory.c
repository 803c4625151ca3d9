/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Python allocates is counted and bounded (gears-max-memory). Counting each object would
 * cost what counting costs; but pymalloc takes its arenas of 1 MB through one hook, and sends
 * whatever is larger than 512 bytes to the raw allocator, which is another. Between the two
 * nothing is missed and small objects pay nothing. Both come from the memory front, so that all of
 * Python is part of what the server says it uses. Above the limit both say no, and the script
 * gets MemoryError where it went too far, be it `[0] * 10**10` or an endless reader.
 *
 * Any thread; the counters are atomic.
 */
#include <stdatomic.h>

#include "gears/py/gpy_core.h"

/* Pools are cut from an arena at multiples of their size: begun elsewhere, it loses one. */
#define ARENA_ALIGN 16384

static _Atomic int64_t used;
static _Atomic int64_t peak;
static _Atomic int64_t total;
static _Atomic int64_t limit;

size_t gpy_memory_used(void)
{
    int64_t n = atomic_load_explicit(&used, memory_order_relaxed);
    return n > 0 ? (size_t)n : 0;
}

size_t gpy_memory_total(void)
{
    return (size_t)atomic_load_explicit(&total, memory_order_relaxed);
}

size_t gpy_memory_peak(void)
{
    return (size_t)atomic_load_explicit(&peak, memory_order_relaxed);
}

void gpy_memory_limit(size_t bytes)
{
    atomic_store_explicit(&limit, (int64_t)MIN(bytes, (size_t)INT64_MAX), memory_order_relaxed);
}

bool gpy__memory_is_high(void)
{
    int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    return most > 0 && atomic_load_explicit(&used, memory_order_relaxed) > most / 2;
}

static bool would_exceed(size_t size)
{
    int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    if (most <= 0) return false;
    return size > (size_t)most ||
           atomic_load_explicit(&used, memory_order_relaxed) > most - (int64_t)size;
}

static void add(int64_t bytes)
{
    if (bytes > 0) atomic_fetch_add_explicit(&total, bytes, memory_order_relaxed);
    int64_t now = atomic_fetch_add_explicit(&used, bytes, memory_order_relaxed) + bytes;
    if (now > atomic_load_explicit(&peak, memory_order_relaxed))
        atomic_store_explicit(&peak, now, memory_order_relaxed);
}

static void *raw_malloc(void *ctx, size_t size)
{
    UNUSED(ctx);
    if (would_exceed(size)) return NULL;
    void *p = mem_try_alloc(size ? size : 1);
    if (p) add((int64_t)mem_usable(p));
    return p;
}

static void *raw_calloc(void *ctx, size_t count, size_t size)
{
    if (size && count > (size_t)PY_SSIZE_T_MAX / size) return NULL;
    void *p = raw_malloc(ctx, count * size);
    if (p) memset(p, 0, count * size);
    return p;
}

static void raw_free(void *ctx, void *p)
{
    UNUSED(ctx);
    if (!p) return;
    atomic_fetch_sub_explicit(&used, (int64_t)mem_usable(p), memory_order_relaxed);
    mem_free(p);
}

static void *raw_realloc(void *ctx, void *p, size_t size)
{
    if (!p) return raw_malloc(ctx, size);
    size_t before = mem_usable(p);
    if (size > before && would_exceed(size - before)) return NULL;
    void *q = mem_try_realloc(p, size ? size : 1);
    if (q) add((int64_t)mem_usable(q) - (int64_t)before);
    return q;
}

static void *arena_alloc(void *ctx, size_t size)
{
    UNUSED(ctx);
    if (would_exceed(size)) return NULL;
    void *p = mem_try_alloc_aligned(ARENA_ALIGN, size);
    if (p) add((int64_t)size);
    return p;
}

static void arena_free(void *ctx, void *p, size_t size)
{
    UNUSED(ctx);
    atomic_fetch_sub_explicit(&used, (int64_t)size, memory_order_relaxed);
    mem_free(p);
}

void gpy__memory_install(void)
{
    PyMemAllocatorEx raw = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw);
#if defined(COG_DEBUG)
    /* Sanitizer builds have no arenas: each object is an allocation that a checker can judge. */
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &raw);
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &raw);
#endif
    PyObjectArenaAllocator counted = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&counted);
}
