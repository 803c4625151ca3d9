/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings that call themselves a HyperLogLog: any may have been written by SET. What is damaged is
 * refused by all that walk it; what isn't counts the same in either encoding.
 *
 *   input: element for PFADD, 4 bytes | the string
 */
#include "fuzz.h"

#include "base/mem.h"
#include "ds/hll.h"

#define ELEMENT_BYTES 4
#define SPARSE_MAX 3000

static void change(struct hll *h, struct view element)
{
    uint64_t before, after;
    enum status counted = hll_count(hll_view(h), &before);
    struct hll_hit hit = hll_hit_of(element);
    enum status raised = hll_raise(h, hit, SPARSE_MAX);
    if (counted) return;
    FUZZ_CHECK(raised == STATUS_OK || raised == STATUS_EXISTS);
    FUZZ_CHECK(hll_is_valid(hll_view(h)) && hll_count(hll_view(h), &after) == STATUS_OK);
    FUZZ_CHECK(hll_raise(h, hit, SPARSE_MAX) == STATUS_EXISTS);
    FUZZ_CHECK(hll_to_dense(h) == STATUS_OK && hll_is_dense(h->bytes));
    FUZZ_CHECK(hll_dense_get(h->bytes, hit.index) >= hit.value);
    FUZZ_CHECK(hll_count(hll_view(h), &before) == STATUS_OK && before == after);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    if (len < ELEMENT_BYTES) return;
    struct view bytes = view_of((const char *)data + ELEMENT_BYTES, len - ELEMENT_BYTES);
    if (!hll_is_valid(bytes)) return;
    uint8_t *registers = mem_zalloc(HLL_REGISTERS);
    struct hll *h = mem_alloc(sizeof(*h));
    struct hll_run run;
    uint64_t count;
    bool sound = hll_count(bytes, &count) == STATUS_OK;
    FUZZ_CHECK((hll_merge(bytes, registers) == STATUS_OK) == sound);
    if (sound) FUZZ_CHECK(hll_estimate(registers) == count);
    size_t at = HLL_HEAD;
    while (!hll_is_dense(bytes.ptr) && hll_next_run(bytes, &at, &run)) FUZZ_CHECK(run.length > 0);
    if (hll_load(h, bytes) == STATUS_OK) change(h, view_of((const char *)data, ELEMENT_BYTES));
    mem_free(h);
    mem_free(registers);
}
