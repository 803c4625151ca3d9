/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of the main table against a naive model: an array that knows, for each id, the entry
 * that is in the table.
 */
#include "table_fixture.h"

TEST(match_agrees_with_a_loop)
{
    struct table_bucket b;
    for (long round = unit_rounds(20000); round > 0; round--) {
        unit_rand_bytes(&b, sizeof(b));
        for (int s = 0; s < TABLE_SLOTS; s++) b.tag[s] &= 3;
        uint8_t tag = (uint8_t)unit_rand_below(5);
        unsigned want = 0;
        for (unsigned s = 0; s < TABLE_SLOTS; s++) want |= (unsigned)(b.tag[s] == tag) << s;
        CHECK_INT(table__match(&b, tag), want);
    }
}

TEST(an_empty_table_is_one_null)
{
    struct table t = {0};
    struct table_ref ref;
    CHECK_INT(sizeof(t), sizeof(void *));
    CHECK_INT(table_count(&t), 0);
    CHECK(!find_id(&t, 1, 1));
    CHECK(!remove_id(&t, 1, 1));
    CHECK(!table_find_ref(&t, &item_type, VIEW_LIT("x"), 7, &ref));
    CHECK(!table_remove_entry(&t, &t, 7));
    CHECK(!table_take_body(&t));
    CHECK_INT(table_memory(&t), 0);
    CHECK_INT(table_chunk_count(&t), 0);
    table_prefetch_bucket(&t, 7);
    CHECK(!table_prefetch_entry(&t, 7));
    CHECK(table_resize_step(&t, &item_type, 10));
    table_clear(&t, free_item, NULL);

    insert_ids(&t, 1, 2);
    CHECK_INT(table_count(&t), 1);
    void *entry = find_id(&t, 1, id_hash(1));
    CHECK(entry != NULL);
    CHECK(table_prefetch_entry(&t, id_hash(1)) == entry);
    CHECK(remove_id(&t, 1, id_hash(1)) == entry);
    CHECK(t.body == NULL);
    mem_free(entry);
}

/* ---- the model ---- */

enum { IDS = 4000 };

struct model {
    struct table t;
    struct item *at[IDS];
    size_t count;
    int hash_kind;
    int freezes;
    bool iterates; /* else chains stay tight */
};

/* Kinds: honest; one chain; few chains with equal tags; tag zero; low bits only. */
static uint64_t model_hash(const struct model *m, uint32_t id)
{
    uint64_t h = (id + 1) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
    switch (m->hash_kind) {
    case 1: return 0x4200000000000000ULL;
    case 2: return (h & 7) | 0xff00000000000000ULL;
    case 3: return h & 0x00ffffffffffffffULL;
    case 4: return h << 50;
    default: return h;
    }
}

static void model_insert(struct model *m, uint32_t id)
{
    uint64_t hash = model_hash(m, id);
    char buf[24];
    struct table_ref ref;
    void *found = table_find_ref(&m->t, &item_type, id_key(id, buf), hash, &ref);
    CHECK(found == m->at[id]);
    if (found) {
        struct item *moved = item_new(id, hash);
        moved->value = m->at[id]->value;
        moved->seen = m->at[id]->seen;
        table_ref_replace(&ref, moved);
        mem_free(m->at[id]);
        m->at[id] = moved;
        return;
    }
    m->at[id] = item_new(id, hash);
    if (unit_rand() & 1)
        table_insert(&m->t, &item_type, m->at[id], hash);
    else
        table_ref_insert(&m->t, &item_type, &ref, m->at[id]);
    m->count++;
    if (unit_rand_below(4) == 0) {
        m->at[id]->value = (int64_t)unit_rand_below(1000000);
        table_bound_lower(&m->t, hash, m->at[id]->value);
    }
}

static void model_remove(struct model *m, uint32_t id)
{
    uint64_t hash = model_hash(m, id);
    char buf[24];
    struct table_ref ref;
    switch (unit_rand_below(3)) {
    case 0:
        CHECK(remove_id(&m->t, id, hash) == m->at[id]);
        break;
    case 1:
        CHECK(m->at[id] == table_find_ref(&m->t, &item_type, id_key(id, buf), hash, &ref));
        if (m->at[id]) table_ref_remove(&m->t, &ref);
        break;
    default:
        CHECK(table_remove_entry(&m->t, m->at[id] ? m->at[id] : (void *)&ref, hash) ==
              (m->at[id] != NULL));
        break;
    }
    m->count -= m->at[id] != NULL;
    mem_free(m->at[id]);
    m->at[id] = NULL;
}

static void model_swap(struct model *m, uint32_t id)
{
    if (!m->at[id]) return;
    struct item *moved = item_new(id, m->at[id]->hash);
    moved->value = m->at[id]->value;
    moved->seen = m->at[id]->seen;
    table_swap(&m->t, moved->hash, m->at[id], moved);
    mem_free(m->at[id]);
    m->at[id] = moved;
}

/* Walks all, removes some of what it meets, inserts others meanwhile. */
static void model_iterate(struct model *m)
{
    struct table_iter it;
    struct item *item;
    size_t buckets = m->t.body ? m->t.body->buckets : 0;
    bool inserts = unit_rand() & 1, removes = !inserts || unit_rand() & 1;
    for (uint32_t id = 0; id < IDS; id++)
        if (m->at[id]) m->at[id]->seen = 0;
    table_iter_init(&it, &m->t);
    while ((item = table_iter_next(&it))) {
        CHECK(m->at[item->id] == item);
        item->seen++;
        if (removes && unit_rand_below(8) == 0) {
            if (unit_rand() & 1) {
                table_iter_remove(&it);
            } else {
                CHECK(table_remove_entry(&m->t, item, item->hash));
            }
            m->at[item->id] = NULL;
            m->count--;
            mem_free(item);
        } else if (unit_rand_below(8) == 0) {
            model_swap(m, item->id);
        } else if (inserts && unit_rand_below(4) == 0) {
            uint32_t id = (uint32_t)unit_rand_below(IDS);
            if (!m->at[id]) {
                model_insert(m, id);
                m->at[id]->seen = 1;
            }
        }
    }
    if (buckets) CHECK_INT(m->t.body->buckets, buckets);
    table_iter_end(&it);
    for (uint32_t id = 0; id < IDS; id++)
        if (m->at[id]) CHECK(inserts ? m->at[id]->seen >= 1 : m->at[id]->seen == 1);
}

static void model_step(struct model *m, int insert_percent)
{
    uint32_t id = (uint32_t)unit_rand_below(IDS);
    uint64_t dice = unit_rand_below(1000);
    if (dice < 2) {
        if (m->iterates) model_iterate(m);
    } else if (dice < 4 && m->freezes < 2) {
        table_freeze_all(true);
        m->freezes++;
    } else if (dice < 10 && m->freezes > 0) {
        table_freeze_all(false);
        m->freezes--;
    } else if (dice < 12) {
        table_resize_step(&m->t, &item_type, (unsigned)unit_rand_below(20));
    } else if (dice < 100) {
        CHECK(find_id(&m->t, id, model_hash(m, id)) == m->at[id]);
    } else if (dice < 150) {
        model_swap(m, id);
    } else if (unit_rand_below(100) < (uint64_t)insert_percent) {
        model_insert(m, id);
    } else {
        model_remove(m, id);
    }
    CHECK_INT(table_count(&m->t), m->count);
}

static void model_check_all(struct model *m)
{
    check_table(&m->t);
    if (!m->iterates) check_tight(&m->t);
    for (uint32_t id = 0; id < IDS; id++)
        CHECK(find_id(&m->t, id, model_hash(m, id)) == m->at[id]);
}

static void run_model_once(int hash_kind, bool iterates, long steps)
{
    struct model *m = mem_zalloc(sizeof(*m));
    m->hash_kind = hash_kind;
    m->iterates = iterates;
    int insert_percent = 90;
    for (long i = 0; i < steps; i++) {
        if (i % 3000 == 0) insert_percent = (int)unit_rand_below(101);
        model_step(m, insert_percent);
        if (i % 997 == 0) model_check_all(m);
    }
    for (; m->freezes > 0; m->freezes--) table_freeze_all(false);
    model_check_all(m);
    for (uint32_t id = 0; id < IDS; id++) model_remove(m, id);
    CHECK(m->t.body == NULL);
    mem_free(m);
}

static void run_model(int hash_kind, long steps)
{
    run_model_once(hash_kind, true, steps / 2);
    run_model_once(hash_kind, false, steps / 2);
}

TEST(fuzz_honest_hashes)
{
    run_model(0, unit_rounds(1000000));
}

TEST(fuzz_one_chain)
{
    run_model(1, unit_rounds(30000));
}

TEST(fuzz_few_chains_of_one_tag)
{
    run_model(2, unit_rounds(60000));
}

TEST(fuzz_tag_zero)
{
    run_model(3, unit_rounds(100000));
}

TEST(fuzz_no_low_bits)
{
    run_model(4, unit_rounds(30000));
}

/* ---- size, freeze, bounds ---- */

TEST(every_size_on_the_way_up_and_down)
{
    struct table t = {0};
    uint32_t top = (uint32_t)(3 * TABLE_CHUNK_BUCKETS * TABLE_SLOTS);
    for (uint32_t id = 0; id < top; id++) {
        insert_ids(&t, id, id + 1);
        if (id < 200 || id % 1009 == 0) check_table(&t);
    }
    check_table(&t);
    size_t fill = table_count(&t) * 100 / (t.body->buckets * TABLE_SLOTS);
    CHECK(fill >= 83 && fill <= 86);
    for (uint32_t id = 0; id < top; id++) {
        void *entry = remove_id(&t, id, id_hash(id));
        CHECK(entry != NULL);
        mem_free(entry);
        if (top - id < 200 || id % 1009 == 0) check_table(&t);
        if (t.body && t.body->buckets <= TABLE_CHUNK_BUCKETS)
            CHECK(t.body->chunks == &t.body->first);
        if (t.body && t.body->buckets > 1)
            CHECK(table_count(&t) * 100 >= (t.body->buckets - 1) * TABLE_SLOTS * 59);
    }
    CHECK(t.body == NULL);
}

#if TABLE_SLOTS == 9
TEST(memory_per_entry)
{
    struct table t = {0};
    for (uint32_t top = 100000; top <= 200000; top += 20000) {
        insert_ids(&t, (uint32_t)table_count(&t), top);
        size_t per_mille = table_memory(&t) * 1000 / table_count(&t);
        CHECK_MSG(per_mille < 11500, "%zu thousandths of a byte at %u", per_mille, top);
    }
    table_clear(&t, free_item, NULL);
}
#endif

TEST(freeze_stops_splits_and_merges)
{
    struct table t = {0};
    insert_ids(&t, 0, 1000);
    size_t buckets = t.body->buckets;
    table_freeze_all(true);
    table_freeze_all(true);
    insert_ids(&t, 1000, 3500);
    CHECK_INT(t.body->buckets, buckets);
    table_freeze_all(false);
    insert_ids(&t, 3500, 3501);
    CHECK_INT(t.body->buckets, buckets);
    check_table(&t);

    /* Four times its fill is more than sharing pages is worth. */
    insert_ids(&t, 3501, 20000);
    CHECK(t.body->buckets > buckets);
    CHECK(table_count(&t) <= t.body->buckets * TABLE_SLOTS * 17 * 4 / 20 + 1);
    check_table(&t);

    buckets = t.body->buckets;
    for (uint32_t id = 0; id < 19990; id++) mem_free(remove_id(&t, id, id_hash(id)));
    CHECK_INT(t.body->buckets, buckets);
    table_freeze_all(false);
    mem_free(remove_id(&t, 19990, id_hash(19990)));
    CHECK_INT(t.body->buckets, buckets - 4);
    while (!table_resize_step(&t, &item_type, 7)) continue;
    CHECK(t.body->buckets <= 3);
    check_table(&t);
    table_clear(&t, free_item, NULL);
}

TEST(catch_up_is_bounded)
{
    struct table t = {0};
    table_freeze_all(true);
    insert_ids(&t, 0, 20);
    CHECK_INT(t.body->buckets, 1);
    insert_ids(&t, 20, 3000);
    size_t buckets = t.body->buckets;
    table_freeze_all(false);
    for (uint32_t id = 3000; id < 3100; id++) {
        insert_ids(&t, id, id + 1);
        CHECK(t.body->buckets - buckets <= 4);
        buckets = t.body->buckets;
    }
    check_table(&t);
    table_clear(&t, free_item, NULL);
}

/* Grows to `buckets` with ids from *next on, leaving out those that would come to bucket 40. */
static void grow_beside_40(struct table *t, size_t buckets, uint32_t *next)
{
    for (; t->body->buckets < buckets; ++*next)
        if ((id_hash(*next) & 7) != 0) insert_ids(t, *next, *next + 1);
}

/* The bound of the chains' length must survive a level that is left and entered again, for a
 * chain that is neither split nor written meanwhile. */
TEST(depth_over_a_level_and_back)
{
    struct table t = {0};
    struct item *item;
    uint32_t next = 1000, first = 1000;
    for (uint32_t id = 0; id < 60; id++)
        table_insert(&t, &item_type, item_new(id, 40), 40);
    uint32_t depth = t.body->depth;
    CHECK(depth >= 7);
    for (int round = 0; round < 3; round++) {
        grow_beside_40(&t, 67, &next);
        check_table(&t);
        for (; t.body->buckets > 62; first++)
            if ((item = remove_id(&t, first, id_hash(first)))) mem_free(item);
        check_table(&t);
        grow_beside_40(&t, 65, &next);
        check_table(&t);
    }
    CHECK(t.body->depth >= depth - 1);
    table_clear(&t, free_item, NULL);
}

TEST(reserve_saves_the_splits)
{
    static const size_t sizes[] = {0, 1, 7, 8, 100, 7000, 9000, 40000};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct table t = {0};
        table_reserve(&t, sizes[i]);
        CHECK((t.body != NULL) == (sizes[i] > 0));
        size_t buckets = t.body ? t.body->buckets : 1;
        insert_ids(&t, 0, (uint32_t)sizes[i]);
        if (t.body) CHECK_INT(t.body->buckets, buckets);
        check_table(&t);
        insert_ids(&t, (uint32_t)sizes[i], (uint32_t)sizes[i] * 2 + 20);
        check_table(&t);
        table_clear(&t, free_item, NULL);
    }
    struct table hostile = {0};
    table_reserve(&hostile, SIZE_MAX);
    CHECK(table_memory(&hostile) < 64u << 20);
    table_clear(&hostile, NULL, NULL);
}

TEST(bounds_travel_with_their_entries)
{
    struct table t = {0};
    uint32_t top = (uint32_t)(TABLE_CHUNK_BUCKETS * TABLE_SLOTS * 5 / 2);
    insert_ids(&t, 0, 10);
    struct item *item = find_id(&t, 3, id_hash(3));
    CHECK(table_chunk_bound(&t, 0) == INT64_MAX);
    item->value = -5;
    table_bound_lower(&t, item->hash, -5);
    table_bound_lower(&t, item->hash, 5);
    CHECK_INT(table_chunk_bound(&t, 0), -5);
    insert_ids(&t, 10, top);
    check_table(&t);
    CHECK(table_chunk_count(&t) >= 2);
    for (size_t i = 0; i < table_chunk_count(&t); i++) CHECK_INT(table_chunk_bound(&t, i), -5);
    size_t home = table__address(t.body, item->hash) >> TABLE_CHUNK_SHIFT;
    for (size_t i = 0; i < table_chunk_count(&t); i++)
        table_chunk_bound_set(&t, i, i == home ? -5 : INT64_MAX);
    check_table(&t);
    for (uint32_t id = 10; id < top; id++) mem_free(remove_id(&t, id, id_hash(id)));
    check_table(&t);
    CHECK_INT(table_chunk_bound(&t, 0), -5);
    table_clear(&t, free_item, NULL);
}

/* ---- ending ---- */

static void count_and_free(void *entry, void *ctx)
{
    ++*(size_t *)ctx;
    mem_free(entry);
}

TEST(a_detached_body_is_freed_in_slices)
{
    struct table t = {0};
    size_t freed = 0, steps = 0;
    insert_ids(&t, 0, 20000);
    struct table_body *body = table_take_body(&t);
    CHECK(t.body == NULL);
    CHECK_INT(table_body_count(body), 20000);
    insert_ids(&t, 0, 10);
    for (bool done = false; !done; steps++) {
        size_t before = freed;
        done = table_free_step(&body, 100, count_and_free, &freed);
        CHECK(freed - before < 200);
        CHECK_INT(table_body_count(body), 20000 - freed);
    }
    CHECK(body == NULL);
    CHECK(table_free_step(&body, 1, NULL, NULL));
    CHECK_INT(freed, 20000);
    CHECK(steps > 100);
    freed = 0;
    table_clear(&t, count_and_free, &freed);
    CHECK_INT(freed, 10);
    CHECK(t.body == NULL);
}

TEST(clear_without_a_callback)
{
    static struct item items[5000];
    struct table t = {0};
    for (uint32_t id = 0; id < 5000; id++) {
        items[id] = (struct item){.id = id, .hash = id_hash(id)};
        table_insert(&t, &item_type, &items[id], items[id].hash);
    }
    size_t memory = table_memory(&t);
    CHECK(memory > 5000 * 64 / TABLE_SLOTS && memory < 5000 * 64 / 4);
    table_clear(&t, NULL, NULL);
    CHECK_INT(table_memory(&t), 0);
}

/* A type without a hash of its own. */
static const struct table_type plain_type = {.key = item_key};

TEST(the_process_hash_is_the_default)
{
    struct table t = {0};
    char buf[24];
    for (uint32_t id = 0; id < 3000; id++) {
        struct item *item = item_new(id, id_hash(id));
        table_insert(&t, &plain_type, item, hash_view(item_key(item)));
    }
    check_table(&t);
    for (uint32_t id = 0; id < 3000; id++) {
        struct item *item = table_find(&t, &plain_type, id_key(id, buf), id_hash(id));
        CHECK(item && item->id == id);
    }
    table_clear(&t, free_item, NULL);
}
