/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The map of ids against a sorted array, with ids that come at the end, in the middle and at the
 * front, and leave from everywhere; so chunks fill, halve, join and go.
 */
#include "ds/idmap.h"
#include "unit.h"

#define MODEL_MAX 4000

struct model {
    struct idmap_slot slots[MODEL_MAX];
    size_t count;
};

/* Index of the first slot whose id isn't below `id`. */
static size_t model_from(const struct model *m, struct idmap_id id)
{
    size_t i = 0;
    while (i < m->count && idmap_compare(m->slots[i].id, id) < 0) i++;
    return i;
}

static bool model_has(const struct model *m, size_t at, struct idmap_id id)
{
    return at < m->count && idmap_compare(m->slots[at].id, id) == 0;
}

static void check_same(const struct model *model, const struct idmap *m)
{
    size_t i = 0;
    const struct idmap_slot *slot;
    CHECK_INT(m->count, model->count);
    for (struct idmap_pos pos = idmap_first(m); (slot = idmap_at(m, pos));
         pos = idmap_next(m, pos), i++) {
        CHECK(i < model->count);
        CHECK_INT(idmap_compare(slot->id, model->slots[i].id), 0);
        CHECK(slot->ptr == model->slots[i].ptr);
    }
    CHECK_INT(i, model->count);
    for (struct idmap_pos pos = idmap_last(m); (slot = idmap_at(m, pos));
         pos = idmap_prev(m, pos)) {
        CHECK(i-- > 0);
        CHECK_INT(idmap_compare(slot->id, model->slots[i].id), 0);
    }
    CHECK_INT(i, 0);
}

static void check_search(const struct model *model, const struct idmap *m, struct idmap_id id)
{
    size_t at = model_from(model, id);
    const struct idmap_slot *from = idmap_at(m, idmap_from(m, id));
    const struct idmap_slot *upto = idmap_at(m, idmap_upto(m, id));
    const struct idmap_slot *found = idmap_find(m, id);
    CHECK(!from == (at == model->count));
    if (from) CHECK_INT(idmap_compare(from->id, model->slots[at].id), 0);
    CHECK(!found == !model_has(model, at, id));
    if (!model_has(model, at, id)) at--; /* the one below, if there is any */
    CHECK(!upto == (at == (size_t)-1));
    if (upto) CHECK_INT(idmap_compare(upto->id, model->slots[at].id), 0);
}

static void add(struct model *model, struct idmap *m, struct idmap_id id)
{
    size_t at = model_from(model, id);
    void *ptr = (void *)(uintptr_t)(unit_rand() | 1);
    if (model_has(model, at, id)) {
        CHECK(!idmap_add(m, id, ptr));
        return;
    }
    if (model->count == MODEL_MAX) return;
    CHECK(idmap_add(m, id, ptr));
    memmove(model->slots + at + 1, model->slots + at,
            (model->count - at) * sizeof(model->slots[0]));
    model->slots[at] = (struct idmap_slot){id, ptr};
    model->count++;
}

static void take(struct model *model, struct idmap *m, struct idmap_id id)
{
    size_t at = model_from(model, id);
    void *expected = model_has(model, at, id) ? model->slots[at].ptr : NULL;
    CHECK(idmap_remove(m, id) == expected);
    if (!expected) return;
    model->count--;
    memmove(model->slots + at, model->slots + at + 1,
            (model->count - at) * sizeof(model->slots[0]));
}

static struct idmap_id random_id(uint64_t range)
{
    uint64_t n = unit_rand_below(range);
    return (struct idmap_id){n / 3, n % 3 * (UINT64_MAX / 2)};
}

TEST(random_changes)
{
    static struct model model;
    struct idmap m = {0};
    model.count = 0;
    uint64_t next = 0;
    for (long i = 0; i < unit_rounds(30000); i++) {
        uint64_t range = 3 * (next + 10);
        switch (unit_rand_below(i / 2000 % 3 == 2 ? 8 : 4)) {
        case 0:
        case 1: add(&model, &m, (struct idmap_id){++next, unit_rand_below(3)}); break;
        case 2: add(&model, &m, random_id(range)); break;
        case 3: take(&model, &m, random_id(range)); break;
        default:
            if (model.count) {
                size_t at = unit_rand_below(3) ? 0 : unit_rand_below(model.count);
                take(&model, &m, model.slots[at].id);
            }
        }
        check_search(&model, &m, random_id(range));
        if (i % 500 == 0) check_same(&model, &m);
    }
    check_same(&model, &m);
    while (model.count) take(&model, &m, model.slots[unit_rand_below(model.count)].id);
    CHECK_INT(m.count, 0);
    CHECK(m.chunks == NULL);
    idmap_clear(&m);
}

TEST(a_map_that_moves_on_stays_small)
{
    struct idmap m = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        CHECK(idmap_add(&m, (struct idmap_id){i, 0}, &m));
        if (i >= 100) CHECK(idmap_remove(&m, (struct idmap_id){i - 100, 0}) == &m);
    }
    CHECK_INT(m.count, 100);
    CHECK(idmap_memory(&m, SIZE_MAX) < 16384);
    idmap_clear(&m);
    CHECK_INT(m.count, 0);
}

TEST(ids_at_the_limits)
{
    struct idmap m = {0};
    struct idmap_id low = {0, 0}, high = {UINT64_MAX, UINT64_MAX};
    CHECK(!idmap_find(&m, low));
    CHECK(!idmap_remove(&m, high));
    CHECK(!idmap_at(&m, idmap_first(&m)));
    CHECK(!idmap_at(&m, idmap_last(&m)));
    CHECK(!idmap_at(&m, idmap_from(&m, low)));
    CHECK(!idmap_at(&m, idmap_upto(&m, high)));
    CHECK(idmap_add(&m, high, &m));
    CHECK(idmap_add(&m, low, &m));
    CHECK(!idmap_add(&m, low, &m));
    CHECK(idmap_find(&m, low) && idmap_find(&m, high));
    CHECK(!idmap_find(&m, (struct idmap_id){UINT64_MAX, 0}));
    idmap_clear(&m);
}
