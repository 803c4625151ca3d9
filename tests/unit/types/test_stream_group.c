/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumer groups: who has which delivery, against an array; names in order; how far a group is
 * behind.
 */
#include "types/stream.h"
#include "unit.h"

#define IDS 400
#define CONSUMERS 7

static struct stream_id id_of(size_t i)
{
    return (struct stream_id){i / 7, i % 7};
}

static void check_pending(const struct stream_group *g, struct stream_consumer *const *consumers,
                          const int *owner)
{
    size_t count = 0, per_consumer[CONSUMERS] = {0};
    for (size_t i = 0; i < IDS; i++) {
        const struct stream_pending *p = stream_pending_find(g, id_of(i));
        CHECK(!p == (owner[i] < 0));
        if (!p) continue;
        CHECK(p->consumer == consumers[owner[i]]);
        CHECK(idmap_find(&p->consumer->pending, stream_id_key(id_of(i)))->ptr == p);
        per_consumer[owner[i]]++;
        count++;
    }
    CHECK_INT(g->pending.count, count);
    for (size_t i = 0; i < CONSUMERS; i++) {
        if (consumers[i]) CHECK_INT(consumers[i]->pending.count, per_consumer[i]);
    }
}

static struct view consumer_name(char buf[16], int i)
{
    return view_of(buf, (size_t)snprintf(buf, 16, "c%d", i * 37));
}

TEST(deliveries)
{
    struct value v = stream_new();
    struct stream_group *g = stream_group_new(stream_of(v), VIEW_LIT("g"), STREAM_ID_MIN, 0);
    struct stream_consumer *consumers[CONSUMERS] = {0};
    int owner[IDS];
    char buf[16];
    for (size_t i = 0; i < IDS; i++) owner[i] = -1;
    for (long round = 0; round < unit_rounds(20000); round++) {
        size_t i = unit_rand_below(IDS);
        int c = (int)unit_rand_below(CONSUMERS);
        struct stream_pending *p = stream_pending_find(g, id_of(i));
        if (!consumers[c]) consumers[c] = stream_consumer_new(g, consumer_name(buf, c), round);
        switch (unit_rand_below(3)) {
        case 0:
            if (p) {
                stream_pending_give(p, consumers[c], id_of(i));
            } else {
                p = stream_pending_new(g, consumers[c], id_of(i), round);
                CHECK_INT(p->deliveries, 1);
            }
            owner[i] = c;
            break;
        case 1:
            CHECK_INT(stream_pending_drop(g, id_of(i)), owner[i] >= 0);
            owner[i] = -1;
            break;
        default:
            CHECK(stream_consumer_find(g, consumer_name(buf, c)) == consumers[c]);
            if (unit_rand_below(200)) break;
            stream_consumer_drop(g, consumers[c]);
            consumers[c] = NULL;
            CHECK(!stream_consumer_find(g, consumer_name(buf, c)));
            for (size_t k = 0; k < IDS; k++) owner[k] = owner[k] == c ? -1 : owner[k];
        }
        if (round % 200 == 0) check_pending(g, consumers, owner);
    }
    check_pending(g, consumers, owner);
    struct value copy = stream_type_ops.copy(v);
    const struct stream_group *g2 = stream_group_find(stream_of(copy), VIEW_LIT("g"));
    CHECK_INT(g2->pending.count, g->pending.count);
    CHECK_INT(g2->consumer_count, g->consumer_count);
    stream_type_ops.free(v);
    CHECK(stream_type_ops.memory(copy, 5) > 0);
    CHECK(stream_type_ops.free_effort(copy) >= g2->pending.count);
    stream_type_ops.free(copy);
}

TEST(names_are_in_order)
{
    static const char *const names[] = {"b", "", "ab", "a", "c", "aa", "abc", "\xff", "A"};
    struct value v = stream_new();
    struct stream *s = stream_of(v);
    for (size_t i = 0; i < 9; i++) {
        CHECK(stream_group_new(s, view_cstr(names[i]), STREAM_ID_MIN, 0));
        CHECK(!stream_group_new(s, view_cstr(names[i]), STREAM_ID_MIN, 0));
    }
    static const char *const sorted[] = {"", "A", "a", "aa", "ab", "abc", "b", "c", "\xff"};
    CHECK_INT(s->group_count, 9);
    for (size_t i = 0; i < 9; i++) {
        CHECK_MEM(s->groups[i]->name, s->groups[i]->name_len, sorted[i], strlen(sorted[i]));
    }
    for (size_t i = 0; i < 9; i++) stream_group_drop(s, s->groups[unit_rand_below(9 - i)]);
    CHECK(s->groups == NULL && s->group_count == 0);
    stream_type_ops.free(v);
}

static void add(struct stream *s, uint64_t ms)
{
    struct arg pair[2] = {arg_of("f", 1), arg_of("v", 1)};
    CHECK_INT(stream_append(s, (struct stream_id){ms, 0}, pair, 2), STATUS_OK);
}

/* The expected lag, or -1 if there must be none. */
static void check_lag(const struct stream *s, const struct stream_group *g, int64_t expected)
{
    int64_t lag = -1;
    CHECK_INT(stream_group_lag(s, g, &lag), expected >= 0);
    CHECK_INT(lag, expected);
}

TEST(lag)
{
    struct value v = stream_new();
    struct stream *s = stream_of(v);
    struct stream_group *g = stream_group_new(s, VIEW_LIT("g"), STREAM_ID_MIN, 0);
    check_lag(s, g, 0);
    for (uint64_t ms = 1; ms <= 5; ms++) add(s, ms);
    check_lag(s, g, 5);
    stream_group_advance(s, g, (struct stream_id){1, 0});
    CHECK_INT(g->entries_read, 1);
    check_lag(s, g, 4);
    stream_remove(s, (struct stream_id){3, 0});
    check_lag(s, g, -1); /* a hole lies ahead */
    stream_group_advance(s, g, (struct stream_id){2, 0});
    CHECK_INT(g->entries_read, STREAM_READ_UNKNOWN);
    check_lag(s, g, -1);
    stream_group_advance(s, g, (struct stream_id){4, 0});
    check_lag(s, g, -1);
    stream_group_advance(s, g, (struct stream_id){5, 0});
    CHECK_INT(g->entries_read, 5);
    check_lag(s, g, 0);
    stream_trim(s, &(struct stream_trim){.max_length = 0});
    check_lag(s, g, 0);
    add(s, 9);
    check_lag(s, g, 1);
    stream_type_ops.free(v);
}
