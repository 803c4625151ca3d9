/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorted sets as listpacks; see zset_listpack.h. A search by member looks at every other element;
 * a search by score reads pair after pair from the front. Scores as text are read back with the
 * precision that they were printed with, 17 digits, so nothing is lost.
 */
#include "types/zset_listpack.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/random.h"
#include "ds/listpack.h"
#include "ds/ordered.h"

#include <math.h>

/* Integers up to this one are stored as such; stock's limit. */
#define INTEGER_MAX 0x1p62

static double read_score(const uint8_t *pos)
{
    struct listpack_value value = listpack_get(pos);
    if (!value.ptr) return (double)value.num;
    double score = 0;
    enum status status = num_parse_double(view_of(value.ptr, value.len), &score);
    ASSERT(!status);
    return score;
}

struct pair {
    char buf[NUM_I64_LEN];
    struct view member;
    double score;
};

/* Reads the pair at pos; returns the position of its score. */
static uint8_t *read_pair(const uint8_t *lp, const uint8_t *pos, struct pair *pair)
{
    uint8_t *score = listpack_next(lp, pos);
    pair->member = listpack_get_view(pos, pair->buf);
    pair->score = read_score(score);
    return score;
}

uint8_t *zset_lp_find(const uint8_t *lp, struct view member, size_t *rank_out, double *score_out)
{
    uint8_t *pos;
    if (rank_out) {
        size_t rank = 0;
        for (pos = listpack_first(lp); pos && !listpack_equals(pos, member); rank++)
            pos = listpack_next(lp, listpack_next(lp, pos));
        *rank_out = rank;
    } else {
        pos = listpack_find(lp, listpack_first(lp), member, 1);
    }
    if (pos) *score_out = read_score(listpack_next(lp, pos));
    return pos;
}

/* Position of the first pair that comes after (member, score), or NULL. */
static uint8_t *find_place(const uint8_t *lp, struct view member, double score)
{
    for (uint8_t *pos = listpack_first(lp); pos;) {
        uint8_t *at = listpack_next(lp, pos);
        double there = read_score(at);
        if (there > score) return pos;
        if (there == score) {
            char buf[NUM_I64_LEN];
            if (ordered_compare_members(listpack_get_view(pos, buf), member) > 0) return pos;
        }
        pos = listpack_next(lp, at);
    }
    return NULL;
}

static size_t score_text(char buf[static NUM_DOUBLE_LEN], double score)
{
    if (fabs(score) <= INTEGER_MAX && score == (double)(int64_t)score)
        return num_format_i64(buf, (int64_t)score);
    return num_format_double(buf, score);
}

void zset_lp_append(uint8_t **lp, struct view member, double score)
{
    char text[NUM_DOUBLE_LEN];
    enum status status =
        listpack_pair_append(lp, member, view_of(text, score_text(text, score)));
    ASSERT(!status);
}

void zset_lp_insert(uint8_t **lp, struct view member, double score)
{
    char text[NUM_DOUBLE_LEN];
    uint8_t *pos = find_place(*lp, member, score);
    if (!pos) {
        zset_lp_append(lp, member, score);
        return;
    }
    enum status status = listpack_insert(lp, &pos, LISTPACK_BEFORE, member);
    if (!status)
        status = listpack_insert(lp, &pos, LISTPACK_AFTER, view_of(text, score_text(text, score)));
    ASSERT(!status);
}

/* ---- ranges ---- */

/* How a pair stands to a limit: negative if it lies below. */
static int compare_to_limit(const struct pair *pair, enum zset_range_by by,
                            const struct zset_limit *limit)
{
    if (by == ZSET_BY_SCORE)
        return (pair->score > limit->score) - (pair->score < limit->score);
    return limit->edge ? -limit->edge : ordered_compare_members(pair->member, limit->member);
}

static bool is_above_min(const struct pair *pair, const struct zset_range *range)
{
    int order = compare_to_limit(pair, range->by, &range->min);
    return range->min.open ? order > 0 : order >= 0;
}

static bool is_below_max(const struct pair *pair, const struct zset_range *range)
{
    int order = compare_to_limit(pair, range->by, &range->max);
    return range->max.open ? order < 0 : order <= 0;
}

struct zset_span zset_lp_span(const uint8_t *lp, const struct zset_range *range)
{
    struct zset_span span = {0, 0};
    struct pair pair;
    for (const uint8_t *pos = listpack_first(lp); pos;) {
        pos = listpack_next(lp, read_pair(lp, pos, &pair));
        if (span.count == 0 && !is_above_min(&pair, range)) {
            span.first++;
            continue;
        }
        if (!is_below_max(&pair, range)) break;
        span.count++;
    }
    return span;
}

void zset_lp_walk(const uint8_t *lp, size_t first, size_t count, bool reverse, zset_visit_fn *fn,
                  void *ctx)
{
    struct pair pair;
    const uint8_t *pos = count ? listpack_seek(lp, (int64_t)first * 2) : NULL;
    while (count--) {
        const uint8_t *score = read_pair(lp, pos, &pair);
        fn(ctx, pair.member, pair.score);
        if (!count) break;
        pos = reverse ? listpack_prev(lp, listpack_prev(lp, pos)) : listpack_next(lp, score);
    }
}

void zset_lp_scan(const uint8_t *lp, zset_scan_fn *fn, void *ctx)
{
    char member_buf[NUM_I64_LEN], score_buf[NUM_I64_LEN];
    for (const uint8_t *pos = listpack_first(lp); pos;) {
        const uint8_t *score = listpack_next(lp, pos);
        fn(ctx, listpack_get_view(pos, member_buf), listpack_get_view(score, score_buf));
        pos = listpack_next(lp, score);
    }
}

/* Positions are noted once, since a seek costs a walk. */
void zset_lp_draw(const uint8_t *lp, size_t count, zset_visit_fn *fn, void *ctx)
{
    size_t n = 0;
    const uint8_t **members = mem_alloc(listpack_count(lp) / 2 * sizeof(*members));
    for (const uint8_t *pos = listpack_first(lp); pos;) {
        members[n++] = pos;
        pos = listpack_next(lp, listpack_next(lp, pos));
    }
    struct pair pair;
    while (count--) {
        read_pair(lp, members[random_below(n)], &pair);
        fn(ctx, pair.member, pair.score);
    }
    mem_free(members);
}
