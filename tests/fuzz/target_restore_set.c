/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of sets, in all their forms. Input: as in restore.h.
 */
#include "restore.h"

#include "types/set.h"

struct walk {
    struct value v;
    size_t seen;
};

static void look_up(void *ctx, struct view member)
{
    struct walk *w = ctx;
    struct arg name = arg_of_view(member);
    FUZZ_CHECK(set_contains(w->v, &name));
    w->seen++;
}

static void count(void *ctx, struct view member)
{
    (void)member;
    ++*(size_t *)ctx;
}

static void use(struct value v)
{
    struct walk w = {v, 0};
    set_each(v, look_up, &w);
    FUZZ_CHECK(w.seen == set_length(v));
    uint64_t cursor = 0;
    w.seen = 0;
    do {
        cursor = set_scan(v, cursor, 3, look_up, &w);
    } while (cursor);
    FUZZ_CHECK(w.seen >= set_length(v));
    struct arg number = arg_of("123456789012", 12), word = arg_of("a new member", 12);
    set_add(&v, &number);
    set_add(&v, &word);
    FUZZ_CHECK(set_contains(v, &number) && set_contains(v, &word));
    FUZZ_CHECK(set_remove(&v, &word) && !set_contains(v, &word));
    for (size_t left; (left = set_length(v)) > 0;) {
        size_t popped = 0;
        set_pop(&v, left > 3 ? 3 : left, count, &popped);
        FUZZ_CHECK(popped == left - set_length(v) && popped > 0);
    }
    set_type_ops.free(v);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    restore_one(&set_type_ops, data, len, use);
}
