/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of sorted sets, in all their forms. Input: as in restore.h.
 */
#include "restore.h"

#include "types/zset.h"

struct walk {
    struct value v;
    size_t seen;
    double last;
};

static void look_up(void *ctx, struct view member, double score)
{
    struct walk *w = ctx;
    double found;
    size_t rank;
    struct arg name = arg_of_view(member);
    FUZZ_CHECK(zset_score(w->v, &name, &found) && found == score);
    FUZZ_CHECK(zset_rank(w->v, &name, &rank) && rank == w->seen);
    FUZZ_CHECK(w->seen == 0 || w->last <= score);
    w->last = score;
    w->seen++;
}

static void keep(void *ctx, struct view member, double score)
{
    (void)score;
    buf_append_view(ctx, member);
}

static void use(struct value v)
{
    struct walk w = {.v = v};
    zset_each(v, look_up, &w);
    FUZZ_CHECK(w.seen == zset_length(v));
    struct zset_range range = {.by = ZSET_BY_SCORE,
                               .min = {.score = -1, .open = true},
                               .max = {.score = 1e6}};
    struct zset_span span = zset_span(v, &range);
    FUZZ_CHECK(span.count <= zset_length(v) && span.first <= zset_length(v));
    struct arg added = arg_of("a member that is longer than the limit", 38);
    double now;
    zset_add(&v, &added, 0.5, 0, &now);
    for (size_t left = zset_length(v), done = 0; left && done < 100; left--, done++) {
        struct buf member;
        buf_init(&member);
        zset_walk(v, left / 2, 1, done & 1, keep, &member);
        struct arg name = arg_of(member.ptr, member.len);
        FUZZ_CHECK(zset_remove(&v, &name) && zset_length(v) == left - 1);
        buf_release(&member);
    }
    zset_type_ops.free(v);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    restore_one(&zset_type_ops, data, len, use);
}
