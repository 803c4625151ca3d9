/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large pages for what is resident throughout, and for nothing else. What a system gives that has
 * none, or gives them unasked, can't be told beforehand; what must not change is checked anywhere.
 */
#include "base/pages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "unit.h"

#define SMALL ((size_t)4096)
#define LARGE ((size_t)2 << 20)
#define COUNT ((size_t)4)
#define AMPLE_US 10000000

/* COUNT large pages' room, aligned, a mapping of its own. */
static char *room_new(void)
{
    char *at = mmap(NULL, (COUNT + 2) * LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    at += LARGE - (uintptr_t)at % LARGE; /* something before and behind it stays */
    CHECK_INT(mprotect(at, COUNT * LARGE, PROT_READ | PROT_WRITE), 0);
    return at;
}

static void fill(char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += SMALL) memcpy(at + i, &i, sizeof(i));
}

static bool intact(const char *at, size_t from, size_t to)
{
    for (size_t i = from; i < to; i += SMALL)
        if (memcmp(at + i, &i, sizeof(i))) return false;
    return true;
}

struct kb {
    size_t resident, large;
};

static struct kb measure(const char *room)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[4096];
    unsigned long from, to, n;
    struct kb kb = {0, 0};
    bool within = false;
    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) within = from == (uintptr_t)room;
        if (within && sscanf(line, "Rss: %lu", &n) == 1) kb.resident = n;
        if (within && sscanf(line, "AnonHugePages: %lu", &n) == 1) kb.large = n;
    }
    fclose(file);
    return kb;
}

/* False when this system has none. */
static bool gather(void)
{
    struct pages_pass pass = {0};
    enum pages_outcome outcome;
    do outcome = pages_gather(&pass, AMPLE_US);
    while (outcome == PAGES_MORE);
    CHECK(outcome == PAGES_DONE || outcome == PAGES_UNABLE);
    CHECK_INT(pass.next, 0);
    return outcome == PAGES_DONE;
}

TEST(what_is_resident_throughout)
{
    char *room = room_new();
    fill(room, COUNT * LARGE);
    CHECK_INT(madvise(room + LARGE + 12 * SMALL, SMALL, MADV_DONTNEED), 0); /* a gap */
    struct kb before = measure(room);
    bool able = gather();
    struct kb after = measure(room);
    CHECK_INT(after.resident, before.resident);
    CHECK_INT(after.resident, COUNT * LARGE / 1024 - 4);
    if (able && after.large) CHECK_INT(after.large, (COUNT - 1) * LARGE / 1024);
    CHECK(intact(room, 0, LARGE) && intact(room, 2 * LARGE, COUNT * LARGE));

    /* What is given back then is given back, and not filled again. */
    for (size_t i = 0; i < COUNT * LARGE; i += 2 * SMALL)
        CHECK_INT(madvise(room + i, SMALL, MADV_DONTNEED), 0);
    size_t half = COUNT * LARGE / 1024 / 2;
    CHECK_INT(measure(room).resident, half);
    gather();
    CHECK_INT(measure(room).resident, half);
    munmap(room, COUNT * LARGE);
}

TEST(nothing_while_they_are_held)
{
    char *room = room_new();
    struct pages_pass pass = {0};
    fill(room, COUNT * LARGE);
    struct kb before = measure(room);
    pages_hold(true);
    CHECK(pages_held());
    CHECK(pages_gather(&pass, AMPLE_US) != PAGES_DONE);
    CHECK_INT(measure(room).large, before.large);
    pages_hold(false);
    CHECK(!pages_held());
    munmap(room, COUNT * LARGE);
}

TEST(slices_come_to_an_end)
{
    char *room = room_new();
    struct pages_pass pass = {0};
    enum pages_outcome outcome = PAGES_MORE;
    fill(room, COUNT * LARGE);
    CHECK(pages_gather(&pass, 0) != PAGES_DONE);
    for (int i = 0; i < 1000000 && outcome == PAGES_MORE; i++) outcome = pages_gather(&pass, 50);
    CHECK(outcome != PAGES_MORE);
    CHECK(intact(room, 0, COUNT * LARGE));
    munmap(room, COUNT * LARGE);
}

static atomic_bool stop;

static void *gather_on(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) gather();
    return NULL;
}

/* What another thread writes, and takes and gives back, meanwhile. */
TEST(beside_a_thread_that_writes)
{
    pthread_t thread;
    atomic_store(&stop, false);
    CHECK_INT(pthread_create(&thread, NULL, gather_on, NULL), 0);
    for (long round = 0; round < unit_rounds(20); round++) {
        char *room = room_new();
        fill(room, COUNT * LARGE);
        for (int i = 0; i < 2000; i++) {
            size_t page = (size_t)unit_rand_below(COUNT * LARGE / SMALL) * SMALL;
            uint64_t value = unit_rand();
            memcpy(room + page + 8, &value, sizeof(value));
            CHECK_MEM(room + page + 8, 8, (char *)&value, 8);
            if (i % 50 == 0) {
                madvise(room + page, SMALL, MADV_DONTNEED);
                memcpy(room + page, &page, sizeof(page));
            }
        }
        CHECK(intact(room, 0, COUNT * LARGE));
        munmap(room, COUNT * LARGE);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}
