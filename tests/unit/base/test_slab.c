/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs, called past the front of slab.h, so that sanitizer builds run them too: against a naive
 * model, across threads and forks, and what goes back to the system when.
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slab.h"
#include "unit.h"

struct block {
    unsigned char *at;
    uint32_t size;
    unsigned char mark;
};

static struct block block_new(size_t size, unsigned char mark)
{
    struct block b = {slab__take(size), (uint32_t)size, mark};
    memset(b.at, mark, slab_room(size));
    return b;
}

/* Whether all of a block still is what was written to it. */
static bool block_intact(const struct block *b)
{
    size_t room = slab_room(b->size);
    return b->at[0] == b->mark && memcmp(b->at, b->at + 1, room - 1) == 0;
}

static void block_end(struct block *b)
{
    CHECK(block_intact(b));
    memset(b->at, 0xdb, slab_room(b->size));
    slab__give(b->at, b->size);
}

static uint32_t random_size(void)
{
    return (uint32_t)(SLAB_MIN + unit_rand_below(SLAB_MAX - SLAB_MIN + 1));
}

static void swap_out(struct block *blocks, size_t *count, size_t i)
{
    blocks[i] = blocks[--*count];
}

static size_t figures(size_t *active_out, size_t *resident_out)
{
    struct mem_stats stats;
    slab_stats(&stats);
    *active_out = stats.active;
    *resident_out = stats.resident;
    CHECK(stats.allocated >= stats.used && stats.active >= stats.allocated);
    return stats.used;
}

static size_t used(void)
{
    size_t active, resident;
    return figures(&active, &resident);
}

TEST(rooms)
{
    for (size_t size = 1; size < 2000; size++) {
        CHECK(slab_room(size) >= size);
        CHECK(slab_room(size) - size < (size <= SLAB_MAX ? 8 : 16));
        CHECK_INT(slab_room(slab_room(size)), slab_room(size));
        unsigned char *p = slab_alloc(size);
        CHECK_INT((uintptr_t)p % 8, 0);
        memset(p, 1, slab_room(size));
        slab_free(p, slab_room(size)); /* another size of the same room */
    }
}

TEST(front_counts_once)
{
    enum { N = 20000 };
    static void *blocks[N];
    size_t before = mem_used(), about = mem_used_about();
    CHECK_INT(about, before);
    for (int i = 0; i < N; i++) blocks[i] = slab_alloc(39);
    size_t grown = mem_used() - before;
    CHECK(grown >= N * (size_t)39);
#ifdef HAVE_JEMALLOC
    CHECK(grown <= N * (size_t)40 + 65536);
    about = mem_used_about();
    void *one = slab_alloc(100);
    CHECK_INT(mem_used_about() - about, 104);
    slab_free(one, 100);
    CHECK_INT(mem_used_about(), about);
#endif
    for (int i = 0; i < N; i++) slab_free(blocks[i], 40);
    CHECK(mem_used() <= before + 65536);
}

TEST(random_against_a_model)
{
    enum { MOST = 30000 };
    struct block *blocks = mem_alloc(MOST * sizeof(*blocks));
    size_t count = 0, sum = 0, before = used();
    long rounds = unit_rounds(1000000);
    bool growing = true;
    for (long round = 0; round < rounds; round++) {
        if (count == MOST || (count && unit_rand_below(20000) == 0)) growing = !growing;
        bool take = count < MOST && (count == 0 || unit_rand_below(10) < (growing ? 7 : 3));
        if (take) {
            uint32_t size = unit_rand_below(2) ? random_size() : 39;
            blocks[count++] = block_new(size, (unsigned char)unit_rand());
            sum += slab_room(size);
        } else {
            size_t i = unit_rand_below(count);
            sum -= slab_room(blocks[i].size);
            block_end(&blocks[i]);
            swap_out(blocks, &count, i);
        }
        if (round % 1000 == 0) {
            size_t active, resident;
            CHECK_INT(figures(&active, &resident) - before, sum);
            CHECK(active >= sum && resident >= active);
        }
    }
    while (count) block_end(&blocks[--count]);
    CHECK_INT(used(), before);
    mem_free(blocks);
}

/* What 200,000 blocks of 40 bytes leave when all are freed: the pages kept for reuse, the records
 * of some regions, a few slabs under this thread's stacks. */
TEST(empty_pages_go_back)
{
    enum { N = 200000 };
    struct block *blocks = mem_alloc(N * sizeof(*blocks));
    size_t active, resident, active_before, resident_before;
    figures(&active_before, &resident_before);
    size_t rss_before = mem_rss();
    for (size_t i = 0; i < N; i++) blocks[i] = block_new(39, (unsigned char)i);
    figures(&active, &resident);
    CHECK(active - active_before >= N * (size_t)40 - 64 * 4096); /* some lay half empty */
    CHECK(active - active_before <= N * (size_t)40 * 102 / 100);
    CHECK(resident - resident_before <= N * (size_t)40 * 104 / 100);
    size_t rss_full = mem_rss();
    for (size_t i = 0; i < N; i++) block_end(&blocks[i]);
    figures(&active, &resident);
    CHECK(active <= active_before + 64 * 4096);
    CHECK(resident <= active + (size_t)3 * 1024 * 1024);
    slab_purge();
    figures(&active, &resident);
    CHECK(active <= active_before);
    CHECK(resident <= active + (size_t)1024 * 1024);
#ifdef HAVE_JEMALLOC /* a sanitizer's own bookkeeping grows and stays */
    CHECK(rss_full > rss_before + (size_t)6 * 1024 * 1024);
    CHECK(mem_rss() < rss_full - (size_t)4 * 1024 * 1024);
#else
    (void)rss_before;
    (void)rss_full;
#endif
    mem_free(blocks);
}

/* Nine in ten freed at random leave no page empty; churn then gathers what is left, since the
 * fullest slabs are filled first. In strokes that are longer than a thread's stack, which would
 * hand out again what it has just got. */
TEST(churn_gathers_what_is_sparse)
{
    enum { N = 100000, LEFT = N / 10, STROKE = 500 };
    struct block *blocks = mem_alloc(N * sizeof(*blocks));
    size_t count = 0, resident, full, sparse, gathered;
    for (; count < N; count++) blocks[count] = block_new(39, (unsigned char)count);
    figures(&full, &resident);
    while (count > LEFT) {
        size_t i = unit_rand_below(count);
        block_end(&blocks[i]);
        swap_out(blocks, &count, i);
    }
    figures(&sparse, &resident);
    for (int stroke = 0; stroke < 4 * LEFT / STROKE; stroke++) {
        while (count > LEFT - STROKE) {
            size_t i = unit_rand_below(count);
            block_end(&blocks[i]);
            swap_out(blocks, &count, i);
        }
        for (; count < LEFT; count++) blocks[count] = block_new(39, (unsigned char)stroke);
    }
    figures(&gathered, &resident);
    CHECK(sparse > full * 9 / 10);
    CHECK(gathered < full / 2);
    while (count) block_end(&blocks[--count]);
    mem_free(blocks);
}

/* ---- threads ---- */

#define THREADS 4
#define SHELF 4096

/* Where threads leave blocks for one another. */
static struct {
    pthread_mutex_t lock;
    struct block block[SHELF];
    _Atomic long rounds; /* at most, each */
    _Atomic long damaged;
    uint64_t seed[THREADS];
} shelf = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void end_elsewhere(struct block *b)
{
    if (!b->at) return;
    if (!block_intact(b)) shelf.damaged++;
    slab__give(b->at, b->size);
}

/* Puts new blocks in random places and frees what was there, whoever made it. */
static void *exchange(void *arg)
{
    uint64_t *state = arg;
    for (long i = 0; i < shelf.rounds; i++) {
        size_t size = next_random(state) % 4 ? 40 : 16 + next_random(state) % 200;
        struct block b = block_new(size, (unsigned char)next_random(state));
        size_t place = next_random(state) % SHELF;
        pthread_mutex_lock(&shelf.lock);
        struct block was = shelf.block[place];
        shelf.block[place] = b;
        pthread_mutex_unlock(&shelf.lock);
        end_elsewhere(&was);
    }
    return NULL;
}

static void start_exchange(pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++) {
        shelf.seed[i] = unit_rand();
        pthread_create(&threads[i], NULL, exchange, &shelf.seed[i]);
    }
}

static void end_exchange(pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SHELF; i++) {
        end_elsewhere(&shelf.block[i]);
        shelf.block[i].at = NULL;
    }
}

TEST(freed_by_other_threads)
{
    size_t before = used();
    pthread_t threads[THREADS];
    shelf.rounds = unit_rounds(300000);
    start_exchange(threads);
    end_exchange(threads);
    CHECK_INT(shelf.damaged, 0);
    CHECK_INT(used(), before); /* what ended threads had counted isn't lost */
}

static void *take_and_end(void *arg)
{
    struct block *blocks = arg;
    for (int i = 0; i < 1000; i++) blocks[i] = block_new(200, 1);
    for (int i = 0; i < 1000; i++) slab__give(blocks[i].at, 200);
    return NULL;
}

/* A thread's stacks are given back with it: many threads one after another leave nothing. */
TEST(ended_threads_keep_nothing)
{
    struct block *blocks = mem_alloc(1000 * sizeof(*blocks));
    size_t before, active, resident;
    figures(&before, &resident);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, take_and_end, blocks);
        pthread_join(thread, NULL);
    }
    figures(&active, &resident);
    CHECK(active <= before);
    mem_free(blocks);
}

/* ---- children ---- */

static int child_status(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

/* A child that was forked while other threads work has a lock that it can take. */
TEST(children_of_a_busy_process)
{
    pthread_t threads[THREADS];
    shelf.rounds = LONG_MAX;
    /* What this thread has at hand is made now: children would ask the allocator for it, whose
     * locks sanitizers don't hold across a fork. */
    slab__give(slab__take(39), 39);
    start_exchange(threads);
    int failed = 0;
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct block own[100];
            for (int k = 0; k < 100; k++) own[k] = block_new(39, (unsigned char)k);
            for (int k = 0; k < 100; k++) {
                if (!block_intact(&own[k])) _exit(1);
                slab__give(own[k].at, 39);
            }
            _exit(0);
        }
        failed += child_status(pid) != 0;
    }
    shelf.rounds = 0;
    end_exchange(threads);
    CHECK_INT(failed, 0);
    CHECK_INT(shelf.damaged, 0);
}

static void free_twice(void)
{
    void *block = slab__take(39);
    slab__give(block, 39);
    slab__give(block, 39);
}

static void free_as_another_class(void)
{
    slab__give(slab__take(39), 56);
}

static void free_within(void)
{
    slab__give((char *)slab__take(39) + 8, 39);
}

static int status_of_misuse(void (*misuse)(void), size_t size)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr)) _exit(2);
        void *blocks[100];
        for (int i = 0; i < 100; i++) blocks[i] = slab__take(size);
        misuse();
        for (int i = 0; i < 100; i++) slab__give(blocks[i], size); /* the stack overflows */
        _exit(0);
    }
    return child_status(pid);
}

TEST(misuse_ends_the_process)
{
    CHECK_INT(WTERMSIG(status_of_misuse(free_twice, 39)), SIGABRT);
    CHECK_INT(WTERMSIG(status_of_misuse(free_as_another_class, 56)), SIGABRT);
    CHECK_INT(WTERMSIG(status_of_misuse(free_within, 39)), SIGABRT);
}
