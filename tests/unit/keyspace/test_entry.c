/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of entries: sizes that were promised, and random changes of shape against a model.
 */
#include "ds/table.h"
#include "keyspace/entry.h"
#include "unit.h"

TEST(promised_sizes)
{
    struct view key = VIEW_LIT("0123456789abcdef");
    struct kv_entry *e = kv_entry__new(key, -1, 1 + 16);
    char *part = kv_entry__value_part(e);
    part[0] = 16;
    CHECK_INT(kv_entry__size(e), 39);
    CHECK_INT(kv_entry__room(kv_entry__size(e)), 40);
    e = kv_entry__reshape(e, 1, 17);
    CHECK_INT(kv_entry__size(e), 47);
    CHECK_INT(kv_entry__room(kv_entry__size(e)), 48);
    kv_entry__free(e);
}

TEST(memory_is_all_that_hangs_on_an_entry)
{
    struct kv_entry *e = kv_entry__new(VIEW_LIT("0123456789abcdef"), -1, 1 + 16);
    kv_entry__value_part(e)[0] = 16;
    size_t small = kv_entry_memory(e, SIZE_MAX);
    CHECK_INT(small, 40 + TABLE_ENTRY_BYTES);
    CHECK_INT(kv_entry_memory(e, 0), small);
    kv_entry__free(e);
    e = kv_entry__new(VIEW_LIT("k"), -1, 16);
    char *bytes = mem_alloc(100000);
    size_t len = 100000;
    e->type_enc = TYPE_STRING | ENC_RAW << 4;
    e->flags |= KV_ENTRY_PTR;
    memcpy(kv_entry__value_part(e), &bytes, 8);
    memcpy(kv_entry__value_part(e) + 8, &len, 8);
    CHECK(kv_entry_memory(e, 5) >= 100000 + 32);
    CHECK(kv_entry_memory(e, 5) <= 120000);
    mem_free(bytes);
    kv_entry__free(e);
}

TEST(access_clock_has_24_bits)
{
    struct kv_entry *e = kv_entry__new(VIEW_LIT("k"), -1, 1);
    *kv_entry__value_part(e) = 0;
    kv_entry_access_set(e, 0xabcdef);
    CHECK_INT(kv_entry_access(e), 0xabcdef);
    kv_entry_access_set(e, 0);
    CHECK_INT(kv_entry_access(e), 0);
    CHECK_INT(kv_entry__key_len(e), 1);
    CHECK_INT(kv_entry_type(e), TYPE_STRING);
    kv_entry__free(e);
}

TEST(integers_and_outside_strings)
{
    char scratch[KV_SCRATCH];
    int64_t number = INT64_MIN, got = 0;
    struct kv_entry *e = kv_entry__new(VIEW_LIT("k"), -1, 8);
    e->type_enc = TYPE_STRING | ENC_INT << 4;
    memcpy(kv_entry__value_part(e), &number, 8);
    CHECK(kv_entry_int(e, &got));
    CHECK(got == INT64_MIN);
    struct view v = kv_entry_string(e, scratch);
    CHECK_MEM(v.ptr, v.len, "-9223372036854775808", 20);
    CHECK_INT(kv_entry_string_len(e), 20);
    kv_entry__free(e);

    char bytes[] = "outside";
    char *ptr = bytes;
    size_t len = 7;
    e = kv_entry__new(VIEW_LIT("k"), 5, 16);
    e->type_enc = TYPE_STRING | ENC_RAW << 4;
    e->flags |= KV_ENTRY_PTR;
    memcpy(kv_entry__value_part(e), &ptr, 8);
    memcpy(kv_entry__value_part(e) + 8, &len, 8);
    v = kv_entry_string(e, scratch);
    CHECK(v.ptr == bytes);
    CHECK_INT(v.len, 7);
    CHECK_INT(kv_entry_string_len(e), 7);
    CHECK_INT(kv_entry_expire_ms(e), 5);
    CHECK(!kv_entry_int(e, &got));
    kv_entry__free(e);
}

/* What an entry should be. */
struct model {
    char key[600], value[200];
    size_t key_len, value_len;
    int64_t expire_ms;
};

static void check_entry(const struct kv_entry *e, const struct model *m)
{
    char scratch[KV_SCRATCH];
    struct view key = kv_entry_key(e), value = kv_entry_string(e, scratch);
    CHECK_MEM(key.ptr, key.len, m->key, m->key_len);
    CHECK_MEM(value.ptr, value.len, m->value, m->value_len);
    CHECK(kv_entry_expire_ms(e) == m->expire_ms);
    CHECK_INT(kv_entry_is_volatile(e), m->expire_ms >= 0);
    CHECK_INT(kv_entry__size(e), 6 + (m->key_len > 255 ? 5 : 0) + (m->expire_ms >= 0 ? 8 : 0) +
                                     m->key_len + 1 + m->value_len);
}

static int64_t random_expiry(void)
{
    switch (unit_rand_below(4)) {
    case 0:
        return INT64_MAX - (int64_t)unit_rand_below(3);
    case 1:
        return (int64_t)unit_rand_below(1000);
    default:
        return -1;
    }
}

static size_t random_key_len(void)
{
    static const size_t edges[] = {0, 1, 16, 254, 255, 256, 257};
    return unit_rand_below(2) ? unit_rand_below(600) : edges[unit_rand_below(ARRAY_COUNT(edges))];
}

TEST(random_shapes)
{
    for (long round = unit_rounds(3000); round > 0; round--) {
        struct model m = {.key_len = random_key_len(), .expire_ms = random_expiry()};
        unit_rand_bytes(m.key, m.key_len);
        m.value_len = unit_rand_below(200);
        unit_rand_bytes(m.value, m.value_len);
        struct kv_entry *e =
            kv_entry__new(view_of(m.key, m.key_len), m.expire_ms, 1 + m.value_len);
        char *part = kv_entry__value_part(e);
        part[0] = (char)(unsigned char)m.value_len;
        memcpy(part + 1, m.value, m.value_len);
        check_entry(e, &m);
        for (int change = 0; change < 10; change++) {
            size_t len = unit_rand_below(200), kept = MIN(len, m.value_len);
            m.expire_ms = random_expiry();
            e = kv_entry__reshape(e, m.expire_ms, 1 + len);
            part = kv_entry__value_part(e);
            part[0] = (char)(unsigned char)len;
            CHECK_MEM(part + 1, kept, m.value, kept);
            unit_rand_bytes(m.value, len);
            memcpy(part + 1, m.value, len);
            m.value_len = len;
            check_entry(e, &m);
        }
        kv_entry__free(e);
    }
}
