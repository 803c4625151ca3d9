/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of lists, in all their forms. Input: as in restore.h.
 */
#include "restore.h"

#include "types/list.h"

static void walk(const struct quicklist *q, enum quicklist_end from)
{
    struct quicklist_iter it;
    struct quicklist_entry entry;
    char digits[NUM_I64_LEN];
    size_t seen = 0, count = quicklist_count(q);
    quicklist_iter_init(&it, q, from == QUICKLIST_FIRST ? 0 : count - 1, from);
    while (quicklist_next(&it, &entry)) {
        FUZZ_CHECK(quicklist_entry_equals(&entry, quicklist_entry_view(&entry, digits)));
        seen++;
    }
    quicklist_iter_end(&it);
    FUZZ_CHECK(seen == count);
}

static void use(struct value v)
{
    struct quicklist *q = list_of(v);
    FUZZ_CHECK(quicklist_is_sound(q));
    walk(q, QUICKLIST_FIRST);
    walk(q, QUICKLIST_LAST);
    quicklist_insert(q, quicklist_count(q) / 2, VIEW_LIT("between"));
    quicklist_set(q, quicklist_count(q) - 1, VIEW_LIT("-1234567"));
    quicklist_push(q, QUICKLIST_FIRST, VIEW_LIT("first"));
    quicklist_remove_equal(q, VIEW_LIT("a"), 2, QUICKLIST_LAST);
    FUZZ_CHECK(quicklist_is_sound(q));
    for (size_t done = 0; quicklist_count(q) && done < 200; done++) {
        size_t left = quicklist_count(q);
        if (done & 1) {
            quicklist_drop(q, done & 2 ? QUICKLIST_FIRST : QUICKLIST_LAST);
        } else {
            quicklist_remove(q, left / 2, 1);
        }
        FUZZ_CHECK(quicklist_count(q) == left - 1 && quicklist_is_sound(q));
    }
    list_type_ops.free(v);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    restore_one(&list_type_ops, data, len, use);
}
