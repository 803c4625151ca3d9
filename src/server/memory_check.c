/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `redis-server --test-memory MEGABYTES`: whether the machine's memory keeps what it is given
 * (base/memtest.h). Everything is filled before anything is compared, and compared more than once,
 * so that what is read comes from memory rather than from the processor's caches, if there is
 * enough of it. A terminal is shown how far it is; a file gets the result alone.
 *
 * Main thread, in place of a server.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memtest.h"
#include "base/num.h"
#include "base/random.h"
#include "server/private.h"

#define PASSES 50
#define COMPARES 4
#define MEGABYTE ((size_t)1 << 20)
/* Between two words on how far it is. */
#define SLICE_WORDS (16 * MEGABYTE / sizeof(uint64_t))

struct memory {
    uint64_t *words;
    size_t count;
    bool shown;
};

static void show(const struct memory *m, int pass, const char *what,
                 enum memtest_pattern pattern, size_t done)
{
    if (!m->shown) return;
    printf("\r[%d of %d] %s %s: %3d %% \033[K", pass + 1, PASSES, what, memtest_name(pattern),
           (int)(100.0 * (double)done / (double)m->count));
    fflush(stdout);
}

static bool compare(const struct memory *m, int pass, enum memtest_pattern pattern,
                    const uint64_t *seeds)
{
    for (size_t at = 0; at < m->count; at += SLICE_WORDS) {
        size_t n = MIN(SLICE_WORDS, m->count - at);
        uint64_t want;
        show(m, pass, "comparing", pattern, at);
        size_t bad = memtest_compare(m->words + at, n, pattern, seeds[at / SLICE_WORDS], &want);
        if (bad == n) continue;
        fprintf(stderr,
                "\n*** MEMORY ERROR DETECTED at %p (%s): %016" PRIx64 " was read, not %016" PRIx64
                "\n",
                (void *)&m->words[at + bad], memtest_name(pattern), m->words[at + bad], want);
        return false;
    }
    return true;
}

static bool try_pattern(const struct memory *m, int pass, enum memtest_pattern pattern,
                        uint64_t *seeds)
{
    for (size_t at = 0; at < m->count; at += SLICE_WORDS) {
        show(m, pass, "filling with", pattern, at);
        seeds[at / SLICE_WORDS] = pattern == MEMTEST_RANDOM ? random_u64() : (uint64_t)pass;
        memtest_fill(m->words + at, MIN(SLICE_WORDS, m->count - at), pattern,
                     seeds[at / SLICE_WORDS]);
    }
    int compares = pattern == MEMTEST_ADDRESS ? 1 : COMPARES;
    for (int i = 0; i < compares; i++)
        if (!compare(m, pass, pattern, seeds)) return false;
    return true;
}

static bool try_all(const struct memory *m, uint64_t *seeds)
{
    for (int pass = 0; pass < PASSES; pass++)
        for (int p = 0; p < MEMTEST_PATTERNS; p++)
            if (!try_pattern(m, pass, (enum memtest_pattern)p, seeds)) return false;
    return true;
}

static void *map(size_t bytes)
{
    void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return area == MAP_FAILED ? NULL : area;
}

bool server_memory_check(const char *megabytes)
{
    int64_t wanted;
    if (!megabytes || num_parse_i64(view_cstr(megabytes), &wanted) || wanted <= 0) {
        fputs("Please specify the amount of memory to test in megabytes.\n"
              "Example: redis-server --test-memory 4096\n",
              stderr);
        return false;
    }
    size_t bytes = 0, slices = 0;
    if (!__builtin_mul_overflow((size_t)wanted, MEGABYTE, &bytes))
        slices = bytes / sizeof(uint64_t) / SLICE_WORDS + 1;
    struct memory m = {.count = bytes / sizeof(uint64_t), .shown = isatty(STDOUT_FILENO)};
    errno = ENOMEM;
    if (slices) m.words = map(bytes);
    uint64_t *seeds = m.words ? map(slices * sizeof(*seeds)) : NULL;
    if (!seeds) {
        fprintf(stderr, "Unable to allocate %s megabytes: %s\n", megabytes,
                strerror(errno));
        if (m.words) munmap(m.words, bytes);
        return false;
    }
    bool well = try_all(&m, seeds);
    if (well) puts("\nYour memory passed this test.");
    puts("It takes minutes for each gigabyte to be sure. If you are still in doubt, try programs "
         "that do nothing else: memtest86 (http://www.memtest86.com/) and memtester "
         "(http://pyropus.ca/software/memtester/).");
    munmap(seeds, slices * sizeof(*seeds));
    munmap(m.words, bytes);
    return well;
}
