/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiler words that the whole tree uses, and the assertion that is always on: a broken
 * invariant ends the process with a place and a reason, since going on would damage data.
 */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define UNUSED(x) ((void)(x))
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Asks for the cache line at an address, which needn't be readable. The empty statement keeps the
 * compiler from taking a function that only prefetches for one without effect, whose calls it
 * would drop (GCC does). */
#define PREFETCH(addr)                                                                             \
    do {                                                                                           \
        __builtin_prefetch(addr);                                                                  \
        __asm__ volatile("");                                                                      \
    } while (0)

/* The struct of which `ptr` is the member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Ends the process with a report. Any thread. */
_Noreturn void assert_failed(const char *file, int line, const char *expr);

/* Always on: cheap invariants whose breach means memory or data is already wrong. */
#define ASSERT(expr)                                                                               \
    do {                                                                                           \
        if (unlikely(!(expr))) assert_failed(__FILE__, __LINE__, #expr);                           \
    } while (0)

/* Debug builds (COG_DEBUG) only: checks too dear for the hot path. */
#ifdef COG_DEBUG
#define DEBUG_ASSERT(expr) ASSERT(expr)
#else
#define DEBUG_ASSERT(expr)                                                                         \
    do {                                                                                           \
    } while (0)
#endif

#endif
