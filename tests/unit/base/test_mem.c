/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory front. */
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

#include "unit.h"

TEST(memory_front)
{
    char *p = mem_alloc(10);
    CHECK(mem_usable(p) >= 10);
    memcpy(p, "0123456789", 10);
    p = mem_realloc(p, 1000);
    CHECK_MEM(p, 10, "0123456789", 10);
    mem_free(p);
    mem_free(NULL);

    unsigned char *z = mem_zalloc(100);
    for (int i = 0; i < 100; i++) CHECK_INT(z[i], 0);
    mem_free(z);

    char *copy = mem_dup("abc", 3);
    CHECK_STR(copy, "abc");
    mem_free(copy);

    void *aligned = mem_alloc_aligned(64, 100);
    CHECK_INT((uintptr_t)aligned % 64, 0);
    mem_free(aligned);

    CHECK(mem_try_alloc(((size_t)1 << 46) + 1) == NULL);
    CHECK(mem_try_alloc(PTRDIFF_MAX) == NULL);
    CHECK(mem_good_size(17) >= 17);
    CHECK(mem_rss() > 0);
    CHECK(strlen(mem_allocator_name()) > 0);
}

static void *allocate_for_others(void *where)
{
    mem_used_tell();
    *(void **)where = mem_alloc(10 << 20);
    mem_used_tell();
    return NULL;
}

/* What another thread allocates is seen without asking the allocator, once it says so. */
TEST(threads_tell_what_they_use)
{
    void *block;
    pthread_t thread;
    mem_used();
    size_t before = mem_used_about();
    CHECK_INT(pthread_create(&thread, NULL, allocate_for_others, &block), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    size_t after = mem_used_about();
    CHECK(after > before + (9 << 20) && after < before + (12 << 20));
    mem_free(block);
    after = mem_used_about();
    CHECK(after < before + (2 << 20));
    mem_used();
    CHECK(mem_used_about() < before + (2 << 20));
}

static void append_piece(void *ctx, const char *text)
{
    *(size_t *)ctx += strlen(text);
}

TEST(what_the_allocator_tells)
{
    struct mem_stats stats;
    size_t report = 0, before = mem_used();
    char *large = mem_try_alloc_aligned(16384, 50000000);
    CHECK(large && (uintptr_t)large % 16384 == 0);
    memset(large, 1, 50000000);
    CHECK(mem_try_alloc_aligned(64, PTRDIFF_MAX) == NULL);
    CHECK(mem_used() >= before + 50000000);
    mem_stats(&stats);
    CHECK(stats.used >= 50000000 && stats.allocated >= stats.used);
    CHECK(stats.active >= stats.allocated && stats.resident >= 50000000);
    CHECK(mem_peak() >= before + 50000000);
    mem_free(large);
    CHECK(mem_used() < before + 50000000);
    mem_purge();
    mem_report(append_piece, &report);
    CHECK(report > 100);
}
