/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A micro-benchmark of the main table, built on demand:
 *
 *     make objects-ds
 *     gcc -O2 -D_GNU_SOURCE -Isrc -o build/table_bench tests/bench/table_bench.c \
 *         $(find build/release/obj/ds build/release/obj/base -name '*.o') -ljemalloc -lm -pthread
 *     build/table_bench [entries, default 1000000]
 *
 * Entries are shaped like small strings of the keyspace (header, 16-byte key, 16-byte value) and
 * keys are visited in random order, so finds are cold unless said otherwise. All times are ns of
 * one thread's CPU per operation, the best of three runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/random.h"
#include "ds/table.h"

enum { KEY_BYTES = 16, BATCH = 16, RUNS = 3, SEARCHES = 1000000 };

struct entry {
    char head[7];
    char key[KEY_BYTES];
    char value[16];
};

static struct view entry_key(const void *entry)
{
    return view_of(((const struct entry *)entry)->key, KEY_BYTES);
}

static const struct table_type type = {.key = entry_key};

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void make_key(char key[KEY_BYTES + 1], uint64_t id)
{
    snprintf(key, KEY_BYTES + 1, "key:%012u", (unsigned)id);
}

/* The keys of one pass, in random order, apart from the entries. */
static char (*make_pass(uint64_t entries, uint64_t from))[KEY_BYTES + 1]
{
    char(*keys)[KEY_BYTES + 1] = mem_alloc(entries * sizeof(*keys));
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t j = random_below(i + 1);
        if (j != i) memcpy(keys[i], keys[j], sizeof(*keys));
        make_key(keys[j], from + i);
    }
    return keys;
}

static void report(const char *what, double best_ns, uint64_t ops)
{
    printf("%-42s %8.1f ns\n", what, best_ns / (double)ops);
}

static uint64_t sink;

static double pass_hash(char (*keys)[KEY_BYTES + 1], uint64_t n)
{
    double start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) sink += hash_bytes(keys[i], KEY_BYTES);
    return cpu_ns() - start;
}

/* Looks `n` keys up, a million searches at least; the processor overlaps them. */
static double pass_find(const struct table *t, char (*keys)[KEY_BYTES + 1], const uint64_t *hashes,
                        uint64_t n)
{
    double start = cpu_ns();
    for (uint64_t done = 0; done < SEARCHES; done += n)
        for (uint64_t i = 0; i < n; i++)
            sink += table_find(t, &type, view_of(keys[i], KEY_BYTES), hashes[i]) != NULL;
    return cpu_ns() - start;
}

/* The same, but each search waits for the entry found before (whose head's first byte is 0), as
 * it does where something is done with what was found. */
static double pass_find_serial(const struct table *t, char (*keys)[KEY_BYTES + 1],
                               const uint64_t *hashes, uint64_t n)
{
    double start = cpu_ns();
    uint64_t zero = 0;
    for (uint64_t done = 0; done < SEARCHES; done += n) {
        for (uint64_t i = 0; i < n; i++) {
            const struct entry *entry =
                table_find(t, &type, view_of(keys[i + zero], KEY_BYTES), hashes[i + zero]);
            zero = entry ? (uint64_t)entry->head[0] : 0;
            sink += zero;
        }
    }
    return cpu_ns() - start;
}

static uint64_t searches(uint64_t n)
{
    return (SEARCHES + n - 1) / n * n;
}

static double pass_prefetched(const struct table *t, char (*keys)[KEY_BYTES + 1],
                              const uint64_t *hashes, uint64_t n, uint64_t *found)
{
    double start = cpu_ns();
    *found = 0;
    for (uint64_t at = 0; at + BATCH <= n; at += BATCH) {
        for (int i = 0; i < BATCH; i++) table_prefetch_bucket(t, hashes[at + i]);
        for (int i = 0; i < BATCH; i++) {
            const char *entry = table_prefetch_entry(t, hashes[at + i]);
            if (entry) __builtin_prefetch(entry + sizeof(struct entry) - 1);
        }
        for (int i = 0; i < BATCH; i++)
            *found += table_find(t, &type, view_of(keys[at + i], KEY_BYTES), hashes[at + i])
                          ? 1
                          : 0;
    }
    return cpu_ns() - start;
}

static void look(void *entry, void *ctx)
{
    *(uint64_t *)ctx += ((struct entry *)entry)->key[KEY_BYTES - 1];
}

static double pass_scan(const struct table *t, size_t count)
{
    double start = cpu_ns();
    uint64_t cursor = 0;
    do cursor = table_scan(t, cursor, count, SIZE_MAX, look, &sink);
    while (cursor);
    return cpu_ns() - start;
}

static double pass_iter(struct table *t)
{
    double start = cpu_ns();
    struct table_iter it;
    void *entry;
    table_iter_init(&it, t);
    while ((entry = table_iter_next(&it))) look(entry, &sink);
    table_iter_end(&it);
    return cpu_ns() - start;
}

static double pass_random(const struct table *t, uint64_t n)
{
    double start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) sink += (uintptr_t)table_random(t);
    return cpu_ns() - start;
}

static void free_entry(void *entry, void *ctx)
{
    (void)ctx;
    mem_free(entry);
}

#define BEST(what, ops, call)                                                                      \
    do {                                                                                           \
        double best = 1e300;                                                                       \
        for (int run = 0; run < RUNS; run++) {                                                     \
            double took = (call);                                                                  \
            best = MIN(best, took);                                                                \
        }                                                                                          \
        report(what, best, ops);                                                                   \
    } while (0)

static void bench_reads(struct table *t, char (*keys)[KEY_BYTES + 1], const uint64_t *hashes,
                        uint64_t n)
{
    uint64_t hot = MIN(n, 1000), found = 0;
    BEST("hash of 16 bytes", n, pass_hash(keys, n));
    BEST("find, 1,000 keys", searches(hot), pass_find(t, keys, hashes, hot));
    BEST("find, 1,000 keys, one after the other", searches(hot),
         pass_find_serial(t, keys, hashes, hot));
    BEST("find, all keys", searches(n), pass_find(t, keys, hashes, n));
    BEST("find, all keys, one after the other", searches(n),
         pass_find_serial(t, keys, hashes, n));
    BEST("find, all keys, prefetched by 16", n, pass_prefetched(t, keys, hashes, n, &found));
    if (found != n / BATCH * BATCH) printf("WRONG: found %llu\n", (unsigned long long)found);
    BEST("scan, all at once, per entry", n, pass_scan(t, SIZE_MAX));
    BEST("scan, 10 at a time, per entry", n, pass_scan(t, 10));
    BEST("scan, 1000 at a time, per entry", n, pass_scan(t, 1000));
    BEST("iterator, per entry", n, pass_iter(t));
    BEST("random entry", 100000, pass_random(t, 100000));
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct table t = {0};
    struct table_stats stats;
    if (n == 0) return 2;
    hash_seed_random();
    char(*keys)[KEY_BYTES + 1] = make_pass(n, 0);
    uint64_t *hashes = mem_alloc(n * sizeof(*hashes));
    struct entry **entries = mem_alloc(n * sizeof(*entries));
    for (uint64_t i = 0; i < n; i++) {
        hashes[i] = hash_bytes(keys[i], KEY_BYTES);
        entries[i] = mem_zalloc(sizeof(struct entry));
        memcpy(entries[i]->key, keys[i], KEY_BYTES);
    }
    double start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) table_insert(&t, &type, entries[i], hashes[i]);
    report("insert (table only)", cpu_ns() - start, n);
    mem_free(entries);
    table_stats(&t, &stats);
    printf("%-42s %8.2f B\n", "table memory per entry", (double)stats.memory_bytes / (double)n);
    printf("%-42s %8.2f %%\n", "fill", 100.0 * (double)n / (double)(stats.buckets * TABLE_SLOTS));
    printf("%-42s %8.2f %%\n", "child buckets per bucket",
           100.0 * (double)stats.children / (double)stats.buckets);
    printf("%-42s %8zu\n", "longest chain, buckets", stats.longest);

    mem_free(keys);
    keys = make_pass(n, 0);
    for (uint64_t i = 0; i < n; i++) hashes[i] = hash_bytes(keys[i], KEY_BYTES);
    bench_reads(&t, keys, hashes, n);

    start = cpu_ns();
    for (uint64_t i = 0; i < n / 2; i++)
        mem_free(table_remove(&t, &type, view_of(keys[i], KEY_BYTES), hashes[i]));
    report("remove half, cold (with free)", cpu_ns() - start, n / 2);
    start = cpu_ns();
    table_clear(&t, free_entry, NULL);
    report("clear the rest (with free)", cpu_ns() - start, n - n / 2);
    mem_free(keys);
    mem_free(hashes);
    return sink == 1 ? 3 : 0;
}
