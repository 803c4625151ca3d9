/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blobs against a naive model, with sizes around those at which they become areas or move; what
 * they count as; what is left when there are no more mappings.
 */
#include "base/blob.h"

#include <pthread.h>
#include <sys/resource.h>

#include "unit.h"

#define MODEL_MAX ((size_t)20 << 20)
#define FEW 4

struct pair {
    char *blob, *model;
    size_t size; /* both; what the model has behind it is zero */
};

static size_t nearby(size_t size)
{
    return size - 40 + unit_rand_below(80);
}

static size_t random_size(void)
{
    switch (unit_rand_below(5)) {
    case 0: return 32 + unit_rand_below(200000);
    case 1: return nearby(BLOB_GROWN_MIN);
    case 2: return nearby(BLOB_FRESH_MIN);
    case 3: return nearby(BLOB_STEP * (1 + unit_rand_below(MODEL_MAX / BLOB_STEP - 2)));
    default: return 32 + unit_rand_below(MODEL_MAX - 32);
    }
}

static void check_same(const struct pair *p)
{
    /* Not CHECK_MEM, which would show them. */
    CHECK(memcmp(p->blob, p->model, p->size) == 0);
}

static void scribble(struct pair *p)
{
    for (int i = 0; i < 20; i++) {
        char piece[5000];
        size_t len = 1 + unit_rand_below(MIN(sizeof(piece), p->size));
        size_t at = unit_rand_below(p->size - len + 1);
        unit_rand_bytes(piece, len);
        memcpy(p->blob + at, piece, len);
        memcpy(p->model + at, piece, len);
    }
}

static void pair_grow(struct pair *p, size_t size)
{
    size_t zero_from, room = p->blob ? blob_room(p->blob) : 0;
    if (size > room || !p->blob || unit_rand_below(2)) {
        p->blob = blob_try_grow(p->blob, p->size, size, &zero_from);
        CHECK(p->blob && zero_from >= p->size);
        size_t room_before = room;
        room = blob_room(p->blob);
        CHECK(room >= size);
        CHECK(!blob_is_area(p->blob) || room == room_before || room - size < BLOB_STEP);
        if (size > room_before) CHECK_INT(blob_is_area(p->blob), zero_from != SIZE_MAX);
        if (size > BLOB_GROWN_MIN) CHECK(blob_is_area(p->blob));
        for (size_t i = MIN(zero_from, room); i < room; i++) CHECK(!p->blob[i]);
        size_t dirty_end = MIN(zero_from, size);
        memset(p->blob + p->size, 0, dirty_end - p->size);
    } else {
        memset(p->blob + p->size, 0, size - p->size);
    }
    p->size = size;
}

static void pair_begin(struct pair *p, size_t size)
{
    p->blob = blob_alloc(size);
    CHECK(blob_room(p->blob) >= size);
    CHECK_INT(blob_is_area(p->blob), size >= BLOB_FRESH_MIN);
    if (size >= BLOB_FRESH_MIN) CHECK_INT(blob_room(p->blob), blob_good_size(size));
    memset(p->blob, 0, size);
    p->size = size;
}

static void pair_end(struct pair *p)
{
    if (p->size) memset(p->model, 0, p->size);
    blob_free(p->blob);
    p->blob = NULL;
    p->size = 0;
}

TEST(random_blobs)
{
    struct pair pairs[FEW] = {{0}};
    for (size_t i = 0; i < FEW; i++) pairs[i].model = mem_zalloc(MODEL_MAX);
    for (long round = unit_rounds(1000); round > 0; round--) {
        struct pair *p = &pairs[unit_rand_below(FEW)];
        size_t size = random_size();
        if (p->size == 0 && unit_rand_below(2)) {
            pair_begin(p, size);
        } else if (size > p->size) {
            pair_grow(p, unit_rand_below(2) ? size : MIN(size, p->size + BLOB_STEP / 2));
        } else {
            pair_end(p);
            continue;
        }
        scribble(p);
        check_same(p);
    }
    for (size_t i = 0; i < FEW; i++) {
        pair_end(&pairs[i]);
        mem_free(pairs[i].model);
    }
    CHECK_INT(blob_area_bytes(), 0);
}

/* What neighbours keep from growing where it is moves, and its neighbours stay as they are. */
TEST(neighbours_that_grow)
{
    struct pair pairs[FEW] = {{0}};
    for (size_t i = 0; i < FEW; i++) pairs[i].model = mem_zalloc(MODEL_MAX);
    for (size_t mb = 1; mb < 18; mb++) {
        for (size_t i = 0; i < FEW; i++) {
            pair_grow(&pairs[i], (mb << 20) + 1000 * i);
            scribble(&pairs[i]);
        }
        for (size_t i = 0; i < FEW; i++) check_same(&pairs[i]);
    }
    for (size_t i = 0; i < FEW; i++) {
        pair_end(&pairs[i]);
        mem_free(pairs[i].model);
    }
}

static void *free_it(void *blob)
{
    blob_free(blob);
    return NULL;
}

TEST(areas_are_counted)
{
    size_t zero_from, size = (size_t)100 << 20;
    pthread_t thread;
    size_t before = mem_used();
    char *blob = blob_try_grow(NULL, 0, size, &zero_from);
    CHECK(blob);
    CHECK_INT(zero_from, 0);
    CHECK(blob_area_bytes() >= size && blob_area_bytes() <= size + BLOB_STEP);
    CHECK(mem_used_about() >= before + size && mem_used() >= before + size);
    struct mem_stats stats;
    mem_stats(&stats);
    CHECK(stats.used >= before + size && stats.allocated >= size && stats.active >= size);
    CHECK(mem_peak() >= before + size);
    blob = blob_try_grow(blob, 0, 2 * size, &zero_from);
    CHECK(mem_used_about() >= before + 2 * size && mem_used() < before + 2 * size + (2 << 20));
    CHECK_INT(pthread_create(&thread, NULL, free_it, blob), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(blob_area_bytes(), 0);
    CHECK(mem_used_about() < before + (1 << 20));
}

TEST(sizes_that_are_not_to_be_had)
{
    static const size_t sizes[] = {((size_t)1 << 46) + 1, PTRDIFF_MAX, SIZE_MAX - 5, SIZE_MAX};
    size_t zero_from;
    char *small = blob_alloc(100), *large = blob_alloc(BLOB_FRESH_MIN);
    memset(small, 's', 100);
    memset(large, 'l', 100);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        CHECK(!blob_try_grow(NULL, 0, sizes[i], &zero_from));
        CHECK(!blob_try_grow(small, 100, sizes[i], &zero_from));
        CHECK(!blob_try_grow(large, 100, sizes[i], &zero_from));
    }
    CHECK(small[99] == 's' && large[99] == 'l');
    blob_free(small);
    blob_free(large);
    blob_free(NULL);
    CHECK_INT(blob_area_bytes(), 0);
}

#ifdef HAVE_JEMALLOC
static void address_space_limit(rlim_t bytes)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = MIN(bytes, limit.rlim_max);
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
}

/* The system refuses what an area needs; the allocator has what it keeps addresses for. */
TEST(no_address_space)
{
    size_t zero_from, size = (size_t)60 << 20;
    char *blob = blob_alloc(BLOB_FRESH_MIN);
    memset(blob, 'b', BLOB_FRESH_MIN);
    mem_free(mem_alloc(size + (size / 2)));
    address_space_limit(1);
    char *none = blob_try_grow(blob, BLOB_FRESH_MIN, (size_t)1 << 40, &zero_from);
    char *left = blob_try_grow(blob, BLOB_FRESH_MIN, size, &zero_from);
    char *fresh = blob_try_grow(NULL, 0, BLOB_GROWN_MIN + 1, &zero_from);
    address_space_limit(RLIM_INFINITY);
    CHECK(!none);
    CHECK(left && !blob_is_area(left));
    CHECK(fresh && !blob_is_area(fresh));
    CHECK_INT(zero_from, SIZE_MAX);
    for (size_t i = 0; i < BLOB_FRESH_MIN; i++) CHECK(left[i] == 'b');
    CHECK_INT(blob_area_bytes(), 0);
    blob_free(left);
    blob_free(fresh);
}

/* More areas than a process may have mappings for: the others are blocks of the allocator. Not
 * under sanitizers, which note each byte of 32 GB. */
TEST(many_areas)
{
    enum { MANY = 20000 };
    size_t zero_from, count = 0;
    char **blobs = mem_alloc(MANY * sizeof(*blobs));
    for (size_t i = 0; i < MANY; i++) {
        blobs[i] = blob_try_grow(NULL, 0, BLOB_GROWN_MIN + 1, &zero_from);
        CHECK(blobs[i]);
        count += blob_is_area(blobs[i]);
        blobs[i][0] = (char)i;
    }
    CHECK(count > 1000 && count < MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_INT(blobs[i][0], (char)i);
        blob_free(blobs[i]);
    }
    mem_free(blobs);
    CHECK_INT(blob_area_bytes(), 0);
}
#endif
