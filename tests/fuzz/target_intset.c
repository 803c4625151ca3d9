/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that call themselves an intset: either refused, or a sorted set that can be searched and
 * changed.
 *
 *   input: count of steering bytes | steering bytes | intset
 */
#include "fuzz.h"

#include "base/mem.h"
#include "ds/intset.h"

static void read_all(const struct intset *set)
{
    for (size_t i = 0; i < intset_count(set); i++) {
        int64_t value = intset_get(set, i);
        FUZZ_CHECK(i == 0 || intset_get(set, i - 1) < value);
        FUZZ_CHECK(intset_contains(set, value));
    }
}

static void change(struct intset **set, struct fuzz_steer *steer)
{
    while (steer->pos < steer->end) {
        unsigned what = fuzz_byte(steer);
        int64_t value = (int64_t)((uint64_t)(int8_t)fuzz_byte(steer) << (what >> 2));
        if (what % 4 == 3 && intset_count(*set)) {
            intset_remove_at(set, (uint8_t)value % intset_count(*set));
        } else if (what % 4 == 2) {
            bool there = intset_contains(*set, value);
            FUZZ_CHECK(intset_remove(set, value) == there);
        } else {
            bool there = intset_contains(*set, value);
            FUZZ_CHECK(intset_add(set, value) == (there ? STATUS_EXISTS : STATUS_OK));
            FUZZ_CHECK(intset_contains(*set, value));
        }
        FUZZ_CHECK(intset_validate(*set, intset_bytes(*set)));
    }
}

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len == 0 || len - 1 < data[0] % 64) return;
    size_t steering = data[0] % 64;
    struct fuzz_steer steer = {data + 1, data + 1 + steering};
    size_t bytes = len - 1 - steering;
    struct intset *set = mem_alloc(bytes ? bytes : 1);
    if (bytes) memcpy(set, data + 1 + steering, bytes);
    if (intset_validate(set, bytes)) {
        FUZZ_CHECK(intset_bytes(set) == bytes);
        read_all(set);
        change(&set, &steer);
        read_all(set);
    }
    mem_free(set);
}
