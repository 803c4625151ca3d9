/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Python allocates is counted and bounded (gears-max-memory). Counting each object would
 * cost what counting costs; but pymalloc takes its arenas of 1 MB through one hook, and sends
 * whatever is larger than 512 bytes to the raw allocator, which is another. Between the two
 * nothing is missed and small objects pay nothing. Both come from the memory front, so that all of
 * Python is part of what the server says it uses. Above the limit both say no, and the script
 * gets MemoryError where it went too far, be it `[0] * 10**10` or an endless reader.
 *
 * The same hooks count for the thread that calls, so that one execution can be bounded
 * (gears/glimit.h): by what its thread takes from the system beyond what it gives back.
 *
 * Any thread; the counters are atomic, or the thread's own.
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

static bool all_would_exceed(size_t size)
{
    int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    if (most <= 0) return false;
    return size > (size_t)most ||
           atomic_load_explicit(&used, memory_order_relaxed) > most - (int64_t)size;
}

/* A thread that was never attached has no limit, its mem_most being 0. */
static bool own_would_exceed(const struct gpy_thread *me, size_t size)
{
    if (likely(me->now.mem_most == INT64_MAX) || !me->now.limits) return false;
    return size > (size_t)me->now.mem_most ||
           me->mem_used - me->now.mem_base > me->now.mem_most - (int64_t)size;
}

/* Also notes which limit it is. */
static bool would_exceed(size_t size)
{
    struct gpy_thread *me = gpy__me();
    if (unlikely(own_would_exceed(me, size))) {
        me->mem_met = MEM_OWN_MET;
        return true;
    }
    if (likely(!all_would_exceed(size))) return false;
    me->mem_met = MEM_ALL_MET;
    return true;
}

static void add(int64_t bytes)
{
    gpy__me()->mem_used += bytes;
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
    int64_t size = (int64_t)mem_usable(p);
    atomic_fetch_sub_explicit(&used, size, memory_order_relaxed);
    gpy__me()->mem_used -= size;
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
    /* Without an arena, small objects come from the raw allocator. */
    if (own_would_exceed(gpy__me(), size) || all_would_exceed(size)) return NULL;
    void *p = mem_try_alloc_aligned(ARENA_ALIGN, size);
    if (p) add((int64_t)size);
    return p;
}

static void arena_free(void *ctx, void *p, size_t size)
{
    UNUSED(ctx);
    atomic_fetch_sub_explicit(&used, (int64_t)size, memory_order_relaxed);
    gpy__me()->mem_used -= (int64_t)size;
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
