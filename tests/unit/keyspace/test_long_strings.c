/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings whose bytes become areas (base/blob.h) and cease to be: random growth, replacement and
 * moves of a key around the sizes that decide, against a naive model.
 */
#include "base/blob.h"
#include "keyspace/keyspace.h"
#include "unit.h"

#define LEN_MAX ((size_t)14 << 20)

static struct {
    struct kv_unit unit;
    struct kv_db *db;
    struct kv_entry *e;
    char *bytes; /* LEN_MAX; zero behind len */
    size_t len;
} world;

static size_t random_len(void)
{
    static const size_t sizes[] = {BLOB_GROWN_MIN, 2 * BLOB_STEP, 5 * BLOB_STEP, BLOB_FRESH_MIN,
                                   12 * BLOB_STEP};
    if (unit_rand_below(4) == 0) return unit_rand_below(300);
    if (unit_rand_below(3) == 0) return unit_rand_below(LEN_MAX);
    return sizes[unit_rand_below(ARRAY_COUNT(sizes))] - 30 + unit_rand_below(60);
}

static void check(void)
{
    char scratch[KV_SCRATCH];
    if (!world.e) return;
    struct view now = kv_entry_string(world.e, scratch);
    CHECK_INT(now.len, world.len);
    CHECK_INT(kv_entry_string_len(world.e), world.len);
    CHECK(memcmp(now.ptr, world.bytes, now.len) == 0);
    struct kv_string_room room = kv_entry_string_room(world.e);
    size_t memory = kv_entry_memory(world.e, 5);
    CHECK(memory >= world.len && memory <= world.len + world.len / 2 + BLOB_STEP + 500);
    CHECK(!room.apart || room.apart - room.spare == world.len);
}

/* All that waits is freed: there is no area but the value's. */
static void check_nothing_lost(void)
{
    kv_lazyfree_teardown();
    struct kv_string_room room = {0};
    if (world.e) room = kv_entry_string_room(world.e);
    bool area = room.apart && blob_is_area(kv_entry__pointer(world.e));
    CHECK_INT(blob_area_bytes(), area ? room.apart + BLOB_HEAD : 0);
}

static void op_grow(struct arg *key)
{
    size_t len = random_len(), old_len = world.len;
    if (len < old_len) len = old_len + unit_rand_below(MIN(100000, LEN_MAX - old_len + 1));
    char *bytes;
    CHECK_INT(kv_string_resize(&world.unit, world.db, key, &world.e, len, &bytes), STATUS_OK);
    world.len = len;
    check(); /* what came is zero */
    for (int i = 0; i < 20 && len; i++) {
        size_t at = i ? unit_rand_below(len) : len - 1;
        bytes[at] = world.bytes[at] = (char)unit_rand();
    }
}

static void set_model(size_t len)
{
    memset(world.bytes, 0, world.len);
    memset(world.bytes, (int)unit_rand(), len);
    for (int i = 0; i < 20 && len; i++) world.bytes[unit_rand_below(len)] = (char)unit_rand();
    world.len = len;
}

static void op_set(struct arg *key)
{
    set_model(random_len());
    world.e = kv_set_string(&world.unit, world.db, key, world.e,
                            view_of(world.bytes, world.len), KV_RAW);
}

/* As from the parser, whose block has come to its size in steps. */
static void op_set_owned(struct arg *key)
{
    size_t len = random_len();
    set_model(MAX(len, 200));
    size_t zero_from, have = MIN(world.len, (size_t)1 << 20);
    char *block = blob_try_grow(NULL, 0, have, &zero_from);
    memcpy(block, world.bytes, have);
    if (have < world.len) block = blob_try_grow(block, have, world.len, &zero_from);
    memcpy(block, world.bytes, world.len);
    struct arg value = {.ptr = block, .len = world.len, .owned = true};
    world.e = kv_set_arg(&world.unit, world.db, key, world.e, &value, 0);
    CHECK(!value.owned);
}

/* A part of the old value. */
static void op_set_from_itself(struct arg *key)
{
    char scratch[KV_SCRATCH];
    if (!world.e || !world.len) return;
    struct view old = kv_entry_string(world.e, scratch);
    size_t skip = unit_rand_below(MIN(world.len, 100000));
    memmove(world.bytes, world.bytes + skip, world.len - skip);
    memset(world.bytes + world.len - skip, 0, skip);
    world.len -= skip;
    world.e = kv_set_string(&world.unit, world.db, key, world.e,
                            view_of(old.ptr + skip, world.len), KV_RAW);
}

static void op_copy_and_back(struct arg *key)
{
    struct arg other = arg_of("other", 5);
    if (!world.e) return;
    kv_copy(&world.unit, world.db, key, world.db, &other);
    kv_delete(&world.unit, world.db, key, true);
    kv_move(&world.unit, world.db, &other, world.db, key);
    world.e = kv_peek(&world.unit, world.db, key);
}

static void op_delete(struct arg *key)
{
    CHECK_INT(kv_delete(&world.unit, world.db, key, false), world.e != NULL);
    world.e = NULL;
    set_model(0);
}

TEST(around_the_sizes_that_decide)
{
    static void (*const ops[])(struct arg *) = {
        op_grow, op_grow, op_grow, op_grow, op_set, op_set_owned, op_set_from_itself,
        op_copy_and_back, op_delete};
    kv_setup(1);
    world.unit.now_ms = 1;
    world.db = kv_db(0);
    world.bytes = mem_zalloc(LEN_MAX);
    for (long round = unit_rounds(1000); round > 0; round--) {
        struct arg key = arg_of("a key", 5);
        ops[unit_rand_below(ARRAY_COUNT(ops))](&key);
        check();
        if (round % 16 == 0) check_nothing_lost();
    }
    mem_free(world.bytes);
    kv_lazyfree_teardown();
    kv_unit_release(&world.unit);
    kv_teardown();
    CHECK_INT(blob_area_bytes(), 0);
}

/* A string full of nothing takes no memory, only addresses. */
TEST(a_hole_is_not_written)
{
    struct kv_unit u = {.now_ms = 1};
    struct arg key = arg_of("hole", 4);
    size_t before = mem_rss(), len = (size_t)512 << 20;
    char *bytes;
    kv_setup(1);
    struct kv_entry *e = NULL;
    CHECK_INT(kv_string_resize(&u, kv_db(0), &key, &e, len, &bytes), STATUS_OK);
    bytes[len - 1] = 1;
    CHECK(mem_rss() < before + (20 << 20));
    CHECK(kv_entry_memory(e, 5) >= len);
    CHECK(mem_used() >= len);
    CHECK(!bytes[0] && !bytes[len / 2]);
    CHECK(kv_delete(&u, kv_db(0), &key, false));
    kv_lazyfree_teardown();
    CHECK_INT(blob_area_bytes(), 0);
    kv_teardown();
}
