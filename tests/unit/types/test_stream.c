/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams against naive models: entries in an array, deliveries in another. Blocks are small, so
 * that walks, removals and trims cross their edges all the time.
 */
#include "types/stream.h"
#include "base/mem.h"
#include "unit.h"

#define ENTRIES 3000
#define PAIRS_MAX 4
#define TEXT_MAX 40

struct model_entry {
    struct stream_id id;
    size_t words;
    size_t len[2 * PAIRS_MAX];
    char text[2 * PAIRS_MAX][TEXT_MAX];
    bool there;
};

static struct model_entry model[ENTRIES];
static size_t model_count;

static size_t model_length(void)
{
    size_t n = 0;
    for (size_t i = 0; i < model_count; i++) n += model[i].there;
    return n;
}

static size_t random_word(char *buf, bool name)
{
    if (name) return (size_t)snprintf(buf, TEXT_MAX, "f%d", (int)unit_rand_below(2));
    switch (unit_rand_below(3)) {
    case 0: return (size_t)snprintf(buf, TEXT_MAX, "%lld", (long long)unit_rand());
    case 1: return (size_t)snprintf(buf, TEXT_MAX, "%d", (int)unit_rand_below(300));
    default: break;
    }
    size_t len = unit_rand_below(TEXT_MAX);
    unit_rand_bytes(buf, len);
    return len;
}

static struct stream_id next_id(struct stream_id id)
{
    switch (unit_rand_below(6)) {
    case 0: id.seq = unit_rand(); id.ms++; break;
    case 1: id.ms += unit_rand() >> (20 + unit_rand_below(40)); break;
    default: break;
    }
    stream_id_next(&id);
    return id;
}

static void append(struct stream *s)
{
    struct model_entry *e = &model[model_count++];
    struct arg words[2 * PAIRS_MAX];
    e->id = next_id(s->last_id);
    e->words = 2 * (1 + (unit_rand_below(3) ? 0 : unit_rand_below(PAIRS_MAX)));
    for (size_t i = 0; i < e->words; i++) {
        e->len[i] = random_word(e->text[i], i % 2 == 0);
        words[i] = arg_of(e->text[i], e->len[i]);
    }
    e->there = true;
    CHECK_INT(stream_append(s, e->id, words, e->words), STATUS_OK);
}

static void check_entry(const struct model_entry *m, struct stream_entry *e)
{
    struct stream_pair pair;
    CHECK_INT(stream_id_compare(m->id, e->id), 0);
    CHECK_INT(e->pair_count * 2, m->words);
    for (size_t i = 0; i < m->words; i += 2) {
        stream_entry_pair(e, &pair);
        CHECK_MEM(pair.name.ptr, pair.name.len, m->text[i], m->len[i]);
        CHECK_MEM(pair.value.ptr, pair.value.len, m->text[i + 1], m->len[i + 1]);
    }
}

static struct stream_id random_id(void)
{
    if (model_count == 0 || unit_rand_below(20) == 0) {
        return unit_rand_below(2) ? STREAM_ID_MIN : STREAM_ID_MAX;
    }
    struct stream_id id = model[unit_rand_below(model_count)].id;
    if (unit_rand_below(4) == 0) stream_id_prev(&id);
    if (unit_rand_below(4) == 0) stream_id_next(&id);
    return id;
}

static void check_range(const struct stream *s, struct stream_id from, struct stream_id to,
                        bool reverse)
{
    struct stream_walk w;
    struct stream_entry e;
    stream_walk_init(&w, s, from, to, reverse);
    for (size_t i = 0; i < model_count; i++) {
        const struct model_entry *m = &model[reverse ? model_count - 1 - i : i];
        if (!m->there || stream_id_compare(m->id, from) < 0 || stream_id_compare(m->id, to) > 0) {
            continue;
        }
        CHECK(stream_walk_next(&w, &e));
        check_entry(m, &e);
    }
    CHECK(!stream_walk_next(&w, &e));
    CHECK(!stream_walk_next(&w, &e));
}

static void check_all(const struct stream *s)
{
    struct stream_id first = STREAM_ID_MIN;
    for (size_t i = model_count; i-- > 0;) {
        if (model[i].there) first = model[i].id;
    }
    CHECK_INT(s->length, model_length());
    CHECK_INT(s->entries_added, model_count);
    CHECK_INT(stream_id_compare(s->first_id, first), 0);
    check_range(s, STREAM_ID_MIN, STREAM_ID_MAX, unit_rand_below(2));
}

static void remove_one(struct stream *s)
{
    struct stream_id id = random_id();
    bool there = false;
    for (size_t i = 0; i < model_count; i++) {
        if (stream_id_compare(model[i].id, id) != 0) continue;
        there = model[i].there;
        model[i].there = false;
    }
    struct stream_entry e;
    CHECK_INT(stream_find(s, id, &e), there);
    CHECK_INT(stream_remove(s, id), there);
    CHECK(!stream_find(s, id, &e));
    if (there) CHECK(stream_id_compare(s->max_deleted_id, id) >= 0);
}

static void trim(struct stream *s)
{
    size_t length = model_length();
    struct stream_trim t = {.by_id = unit_rand_below(2), .approximate = unit_rand_below(2)};
    t.max_length = length - MIN(length, unit_rand_below(20));
    t.min_id = model_count > 30 ? model[unit_rand_below(model_count / 3)].id : STREAM_ID_MIN;
    if (t.approximate && unit_rand_below(2)) t.limit = 1 + unit_rand_below(20);
    uint64_t removed = stream_trim(s, &t), left = removed;
    for (size_t i = 0; i < model_count && left; i++) {
        left -= model[i].there;
        if (model[i].there && t.by_id) CHECK(stream_id_compare(model[i].id, t.min_id) < 0);
        model[i].there = false;
    }
    if (!t.by_id) CHECK(s->length >= MIN(t.max_length, length));
    if (t.limit) CHECK(removed <= t.limit);
    if (t.approximate) return;
    if (t.by_id)
        CHECK(s->length == 0 || stream_id_compare(s->first_id, t.min_id) >= 0);
    else
        CHECK(s->length <= t.max_length);
}

TEST(random_changes)
{
    type_limits.stream_node_max_entries = 1 + unit_rand_below(9);
    type_limits.stream_node_max_bytes = unit_rand_below(2) ? 300 : 4096;
    struct value v = stream_new();
    struct stream *s = stream_of(v);
    model_count = 0;
    for (long i = 0; model_count < MIN((size_t)ENTRIES, (size_t)unit_rounds(ENTRIES)); i++) {
        switch (unit_rand_below(10)) {
        case 0: remove_one(s); break;
        case 1:
            if (unit_rand_below(10) == 0) trim(s);
            break;
        case 2:
            if (unit_rand_below(5) == 0) {
                check_range(s, random_id(), random_id(), unit_rand_below(2));
            }
            break;
        default: append(s); break;
        }
        if (i % 500 == 0) check_all(s);
    }
    check_all(s);
    struct value copy = stream_type_ops.copy(v);
    check_all(stream_of(copy));
    struct digest a = {{0}}, b = {{0}};
    stream_type_ops.digest(v, &a);
    stream_type_ops.digest(copy, &b);
    CHECK_MEM(a.bytes, sizeof(a.bytes), b.bytes, sizeof(b.bytes));
    CHECK(stream_type_ops.memory(v, 5) > 0);
    stream_type_ops.free(copy);
    stream_type_ops.free(v);
}

TEST(ids)
{
    char buf[STREAM_ID_LEN];
    struct stream_id id = STREAM_ID_MAX;
    CHECK(!stream_id_next(&id));
    CHECK_MEM(buf, stream_id_format(buf, id), "18446744073709551615-18446744073709551615", 41);
    id = (struct stream_id){5, UINT64_MAX};
    CHECK(stream_id_next(&id));
    CHECK(id.ms == 6 && id.seq == 0);
    CHECK(stream_id_prev(&id));
    CHECK(id.ms == 5 && id.seq == UINT64_MAX);
    id = STREAM_ID_MIN;
    CHECK(!stream_id_prev(&id));
}

TEST(ids_far_apart_in_one_block)
{
    struct value v = stream_new();
    struct stream *s = stream_of(v);
    struct stream_id ids[] = {{0, 1}, {1, 0}, {INT64_MAX, UINT64_MAX}, {UINT64_MAX, 0},
                              {UINT64_MAX, UINT64_MAX}};
    struct arg pair[2] = {arg_of("f", 1), arg_of("", 0)};
    struct stream_entry e;
    for (size_t i = 0; i < 5; i++) CHECK_INT(stream_append(s, ids[i], pair, 2), STATUS_OK);
    CHECK_INT(s->blocks.count, 1);
    for (size_t i = 0; i < 5; i++) CHECK(stream_find(s, ids[i], &e));
    CHECK(stream_last(s, &e) && stream_id_compare(e.id, STREAM_ID_MAX) == 0);
    for (size_t i = 0; i < 5; i++) CHECK(stream_remove(s, ids[i]));
    CHECK_INT(s->blocks.count, 0);
    CHECK(!stream_last(s, &e));
    stream_type_ops.free(v);
}

/* ---- the number of nodes, against a tree of bytes ---- */

struct byte_node {
    int child[256];
    int children;
};

static size_t count_nodes(const struct byte_node *tree, int at, bool in_chain)
{
    if (tree[at].children == 0) return 1;
    size_t n = tree[at].children > 1 || !in_chain;
    for (int i = 0; i < 256; i++) {
        if (tree[at].child[i]) {
            n += count_nodes(tree, tree[at].child[i], tree[at].children == 1);
        }
    }
    return n;
}

TEST(radix_nodes)
{
    struct byte_node *tree = calloc(16 * 200, sizeof(*tree));
    int nodes = 1;
    type_limits.stream_node_max_entries = 1;
    struct value v = stream_new();
    struct stream *s = stream_of(v);
    struct arg pair[2] = {arg_of("f", 1), arg_of("v", 1)};
    CHECK_INT(stream_radix_nodes(s), 1);
    for (int i = 0; i < 150; i++) {
        struct stream_id id = next_id(s->last_id);
        CHECK_INT(stream_append(s, id, pair, 2), STATUS_OK);
        int at = 0;
        for (int k = 0; k < 16; k++) {
            uint64_t half = k < 8 ? id.ms : id.seq;
            int *child = &tree[at].child[half >> (56 - k % 8 * 8) & 255];
            if (!*child) {
                *child = nodes++;
                tree[at].children++;
            }
            at = *child;
        }
        CHECK_INT(stream_radix_nodes(s), count_nodes(tree, 0, false));
    }
    stream_type_ops.free(v);
    free(tree);
    type_limits.stream_node_max_entries = 100;
}
