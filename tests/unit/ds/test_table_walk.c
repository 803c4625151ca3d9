/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks of the main table. The scan's guarantee is the one that docs/design/scan.md proves; here
 * it is tried on tables that grow, shrink, freeze and lose entries between the calls.
 */
#include "base/random.h"
#include "table_fixture.h"

static void see(void *entry, void *ctx)
{
    ((struct item *)entry)->seen++;
    ++*(size_t *)ctx;
}

/* ---- scan ---- */

enum { KEPT = 600, EXTRA = 12000 };

struct scan_case {
    struct table t;
    struct item *kept[KEPT];   /* present throughout */
    struct item *extra[EXTRA]; /* come and go */
    size_t extras;
    int freezes;
};

static uint64_t case_hash(uint32_t id, int kind)
{
    uint64_t h = id_hash(id);
    return kind == 0 ? h : kind == 1 ? (h & ~(uint64_t)0xff) | (h & 3) : h << 40;
}

/* Moves the number of extras towards `target`. */
static void drift(struct scan_case *c, size_t target, size_t steps, int kind)
{
    for (; steps > 0 && c->extras != target; steps--) {
        size_t i = unit_rand_below(EXTRA);
        uint32_t id = (uint32_t)(KEPT + i);
        uint64_t hash = case_hash(id, kind);
        if (c->extras < target && !c->extra[i]) {
            c->extra[i] = item_new(id, hash);
            table_insert(&c->t, &item_type, c->extra[i], hash);
            c->extras++;
        } else if (c->extras > target && c->extra[i]) {
            CHECK(remove_id(&c->t, id, hash) == c->extra[i]);
            mem_free(c->extra[i]);
            c->extra[i] = NULL;
            c->extras--;
        }
    }
}

static void maybe_freeze(struct scan_case *c)
{
    uint64_t dice = unit_rand_below(20);
    if (dice == 0 && c->freezes == 0) {
        table_freeze_all(true);
        c->freezes = 1;
    } else if (dice < 4 && c->freezes == 1) {
        table_freeze_all(false);
        c->freezes = 0;
    }
}

static void scan_while_drifting(struct scan_case *c, size_t kept, int kind)
{
    static const size_t targets[] = {0, 10, 100, 1000, 3000, EXTRA};
    uint64_t cursor = 0;
    size_t emitted = 0, calls = 0;
    size_t target = targets[unit_rand_below(ARRAY_COUNT(targets))];
    size_t speed = 1 + unit_rand_below(400);
    for (size_t i = 0; i < kept; i++) c->kept[i]->seen = 0;
    do {
        size_t entries = unit_rand_below(3) ? unit_rand_below(30) : unit_rand_below(1000);
        size_t buckets = unit_rand_below(2) ? SIZE_MAX : unit_rand_below(50);
        cursor = table_scan(&c->t, cursor, entries, buckets, see, &emitted);
        CHECK_MSG(++calls < 100000, "no end");
        maybe_freeze(c);
        if (unit_rand_below(50) == 0) target = targets[unit_rand_below(ARRAY_COUNT(targets))];
        drift(c, target, unit_rand_below(speed), kind);
    } while (cursor != 0);
    for (size_t i = 0; i < kept; i++)
        CHECK_MSG(c->kept[i]->seen >= 1, "id %u of %zu was missed", c->kept[i]->id, kept);
}

static void run_scans(int kind, long rounds)
{
    static const size_t kept_sizes[] = {1, 5, 9, 40, KEPT};
    for (; rounds > 0; rounds--) {
        struct scan_case *c = mem_zalloc(sizeof(*c));
        size_t kept = kept_sizes[unit_rand_below(ARRAY_COUNT(kept_sizes))];
        for (size_t i = 0; i < kept; i++) {
            c->kept[i] = item_new((uint32_t)i, case_hash((uint32_t)i, kind));
            table_insert(&c->t, &item_type, c->kept[i], c->kept[i]->hash);
        }
        drift(c, unit_rand_below(EXTRA / 4), SIZE_MAX, kind);
        for (int scans = 0; scans < 4; scans++) scan_while_drifting(c, kept, kind);
        check_table(&c->t);
        if (c->freezes) table_freeze_all(false);
        table_clear(&c->t, free_item, NULL);
        mem_free(c);
    }
}

TEST(scan_misses_nothing)
{
    run_scans(0, unit_rounds(300));
}

TEST(scan_misses_nothing_in_long_chains)
{
    run_scans(1, unit_rounds(20));
    run_scans(2, unit_rounds(3));
}

TEST(scan_of_a_still_table_emits_each_entry_once)
{
    for (uint32_t top = 0; top < 6000; top += 1 + top / 3) {
        struct table t = {0};
        uint64_t cursor = 0;
        size_t emitted = 0;
        insert_ids(&t, 0, top);
        do cursor = table_scan(&t, cursor, 10, 3, see, &emitted);
        while (cursor);
        CHECK_INT(emitted, top);
        for (uint32_t id = 0; id < top; id++)
            CHECK_INT(((struct item *)find_id(&t, id, id_hash(id)))->seen, 1);
        emitted = 0;
        CHECK_INT(table_scan(&t, 0, SIZE_MAX, SIZE_MAX, see, &emitted), 0);
        CHECK_INT(emitted, top);
        table_clear(&t, free_item, NULL);
    }
}

TEST(scan_ends_from_any_cursor)
{
    struct table t = {0};
    size_t emitted = 0;
    CHECK_INT(table_scan(&t, 12345, 10, 10, see, &emitted), 0);
    for (uint32_t top = 1; top < 5000; top = top * 3 + 1) {
        insert_ids(&t, (uint32_t)table_count(&t), top);
        for (long round = unit_rounds(100); round > 0; round--) {
            uint64_t cursor = unit_rand() << unit_rand_below(64) >> unit_rand_below(64);
            if (unit_rand_below(8) == 0) cursor = ~(uint64_t)0 - unit_rand_below(3);
            size_t calls = 0;
            do {
                CHECK(calls++ < t.body->buckets);
                cursor = table_scan(&t, cursor, 1, 1, see, &emitted);
            } while (cursor);
        }
    }
    table_clear(&t, free_item, NULL);
}

TEST(scan_respects_its_limits)
{
    struct table t = {0};
    size_t emitted = 0;
    insert_ids(&t, 0, 5000);
    uint64_t cursor = table_scan(&t, 0, 0, 0, see, &emitted);
    CHECK(cursor != 0);
    CHECK(emitted <= (size_t)t.body->depth * TABLE_SLOTS);
    emitted = 0;
    table_scan(&t, 0, 100, SIZE_MAX, see, &emitted);
    CHECK(emitted >= 100 && emitted < 100 + (size_t)t.body->depth * TABLE_SLOTS);
    emitted = 0;
    table_scan(&t, 0, SIZE_MAX, 5, see, &emitted);
    CHECK(emitted > 0 && emitted <= 5 * (size_t)t.body->depth * TABLE_SLOTS);
    table_clear(&t, free_item, NULL);
}

/* ---- iterators (their mix with changes is fuzzed in test_table.c) ---- */

TEST(iterators_nest_and_hold_the_table_still)
{
    struct table t = {0};
    struct table_iter outer, inner;
    struct item *a, *b;
    size_t pairs = 0;
    insert_ids(&t, 0, 60);
    size_t buckets = t.body->buckets;
    table_iter_init(&outer, &t);
    while ((a = table_iter_next(&outer))) {
        table_iter_init(&inner, &t);
        while ((b = table_iter_next(&inner))) pairs++;
        table_iter_end(&inner);
        insert_ids(&t, 1000 + a->id, 1000 + a->id + 1);
        struct item *added = find_id(&t, 1000 + a->id, id_hash(1000 + a->id));
        CHECK(table_remove_entry(&t, added, added->hash));
        mem_free(added);
    }
    CHECK(!table_iter_next(&outer));
    CHECK_INT(t.body->buckets, buckets);
    table_iter_end(&outer);
    CHECK(pairs >= 3600);
    table_clear(&t, free_item, NULL);
}

TEST(removing_all_by_iterator_frees_the_body_at_the_end)
{
    struct table t = {0};
    struct table_iter it;
    struct item *item;
    insert_ids(&t, 0, 3000);
    table_iter_init(&it, &t);
    while ((item = table_iter_next(&it))) {
        table_iter_remove(&it);
        mem_free(item);
    }
    CHECK_INT(table_count(&t), 0);
    CHECK(t.body != NULL);
    table_iter_end(&it);
    CHECK(t.body == NULL);
    table_iter_init(&it, &t);
    CHECK(!table_iter_next(&it));
    table_iter_end(&it);
}

/* ---- random ---- */

/* Draws and compares the counts with uniform ones: chi-square is near the degrees of freedom, with
 * a standard deviation of sqrt(2 dof); the limit leaves chance less than one case in 10^8. */
static void check_uniform(struct table *t, size_t draws_per_entry)
{
    size_t n = table_count(t), ignored = 0;
    table_scan(t, 0, SIZE_MAX, SIZE_MAX, see, &ignored);
    struct table_iter it;
    struct item *item;
    table_iter_init(&it, t);
    while ((item = table_iter_next(&it))) item->seen = 0;
    for (size_t i = 0; i < n * draws_per_entry; i++) ((struct item *)table_random(t))->seen++;
    table_iter_end(&it);
    double chi = 0, expected = (double)draws_per_entry;
    table_iter_init(&it, t);
    while ((item = table_iter_next(&it))) {
        double off = (double)item->seen - expected;
        chi += off * off / expected;
    }
    table_iter_end(&it);
    double dof = n > 1 ? (double)n - 1 : 1;
    double limit = dof + 8 * __builtin_sqrt(2 * dof) + 25;
    CHECK_MSG(chi < limit, "%zu entries: chi-square %f, limit %f", n, chi, limit);
}

TEST(random_is_uniform)
{
    static const uint32_t sizes[] = {1, 2, 8, 9, 30, 100, 700, 1500, 2000};
    random_seed_set(unit_rand());
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct table t = {0};
        CHECK(table_random(&t) == NULL);
        insert_ids(&t, 0, sizes[i]);
        check_uniform(&t, 60);
        table_clear(&t, free_item, NULL);
    }
}

TEST(random_is_uniform_in_odd_tables)
{
    struct table t = {0};
    random_seed_set(unit_rand());
    table_freeze_all(true);
    insert_ids(&t, 0, 400);
    check_uniform(&t, 60);
    table_freeze_all(false);
    insert_ids(&t, 400, 420);
    check_uniform(&t, 60);
    /* Nearly empty: the draw by rank. */
    table_freeze_all(true);
    insert_ids(&t, 420, 3000);
    for (uint32_t id = 5; id < 3000; id++) mem_free(remove_id(&t, id, id_hash(id)));
    check_uniform(&t, 400);
    table_freeze_all(false);
    table_clear(&t, free_item, NULL);
    /* One chain far longer than the others. */
    for (uint32_t id = 0; id < 300; id++) {
        uint64_t hash = id < 200 ? 5 : id_hash(id);
        table_insert(&t, &item_type, item_new(id, hash), hash);
    }
    check_uniform(&t, 60);
    table_clear(&t, free_item, NULL);
}

TEST(the_depth_bound_recovers)
{
    struct table t = {0};
    table_freeze_all(true);
    insert_ids(&t, 0, 900);
    CHECK(t.body->depth >= 4);
    table_freeze_all(false);
    insert_ids(&t, 900, 8000);
    CHECK(t.body->depth <= 4);
    check_table(&t);
    table_clear(&t, free_item, NULL);
}

TEST(sample_gives_entries_of_the_table)
{
    struct table t = {0};
    void *out[64];
    CHECK_INT(table_sample(&t, 64, out), 0);
    for (uint32_t top = 1; top < 5000; top = top * 2 + 1) {
        insert_ids(&t, (uint32_t)table_count(&t), top);
        for (size_t n = 0; n <= 64; n += 4) {
            size_t got = table_sample(&t, n, out);
            CHECK(got <= n && (got > 0 || n == 0));
            for (size_t i = 0; i < got; i++) {
                struct item *item = out[i];
                CHECK(find_id(&t, item->id, item->hash) == item);
            }
        }
    }
    CHECK_INT(table_sample(&t, 64, out), 64);
    table_clear(&t, free_item, NULL);
}

/* ---- chunks, statistics ---- */

TEST(chunks_cover_the_table)
{
    struct table t = {0};
    size_t visited = 0;
    uint32_t top = (uint32_t)(TABLE_CHUNK_BUCKETS * TABLE_SLOTS * 2);
    insert_ids(&t, 0, top);
    CHECK_INT(table_chunk_count(&t), (t.body->buckets - 1) / TABLE_CHUNK_BUCKETS + 1);
    for (size_t i = 0; i < table_chunk_count(&t); i++) table_chunk_visit(&t, i, see, &visited);
    CHECK_INT(visited, top);
    for (uint32_t id = 0; id < top; id++)
        CHECK_INT(((struct item *)find_id(&t, id, id_hash(id)))->seen, 1);
    table_clear(&t, free_item, NULL);
}

TEST(stats_add_up)
{
    struct table t = {0};
    struct table_stats stats;
    table_stats(&t, &stats);
    CHECK_INT(stats.buckets, 0);
    insert_ids(&t, 0, 4000);
    for (uint32_t id = 4000; id < 4050; id++)
        table_insert(&t, &item_type, item_new(id, 99), 99);
    table_stats(&t, &stats);
    size_t chains = 0;
    for (size_t i = 0; i < ARRAY_COUNT(stats.by_entries); i++) chains += stats.by_entries[i];
    CHECK_INT(stats.entries, 4050);
    CHECK_INT(stats.buckets, t.body->buckets);
    CHECK_INT(chains, stats.buckets);
    CHECK_INT(stats.children, t.body->children);
    CHECK_INT(stats.memory_bytes, table_memory(&t));
    CHECK(stats.most >= 50 && stats.longest >= 6 && stats.chained >= 1);
    CHECK(stats.by_entries[31] >= 1);
    table_clear(&t, free_item, NULL);
}
