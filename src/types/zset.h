/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value type sorted set: distinct members, ordered by score and then by their bytes.
 *
 *   ENC_LISTPACK   ptr is a listpack of member, score, member, score … in order; a score that is
 *                  an integer (up to 2^62) is stored as one, others as text. While no more than
 *                  type_limits.zset_max_listpack_entries members are there and none is longer than
 *                  zset_max_listpack_value.
 *   ENC_SKIPLIST   ptr is a struct zset_tree: the ordered index (ds/ordered.h) and a main table
 *                  from member to element. The name is what stock reports.
 *
 * A sorted set never goes back to a listpack, as in stock. Ranges of every kind are turned into
 * ranks (zset_span) and then walked or removed by rank, so that each encoding does three things:
 * find the ranks of a range, walk, remove. Functions that take `struct value *` may change
 * encoding and pointer: the owner stores the value back afterwards. Views handed out are borrowed
 * until the set changes; members that come in must not lie within the set itself.
 *
 * The holder of the data token; free and length also for whoever owns the value.
 */
#ifndef TYPES_ZSET_H
#define TYPES_ZSET_H

#include "base/arg.h"
#include "ds/table.h"
#include "types/value.h"

/* Called for a member, borrowed during the call, with its score. It must not change the set. */
typedef void zset_visit_fn(void *ctx, struct view member, double score);

enum zset_add_flag {
    ZSET_INCR = 1 << 0, /* the score is added to the old one */
    ZSET_NX = 1 << 1,   /* only new members */
    ZSET_XX = 1 << 2,   /* only old members */
    ZSET_GT = 1 << 3,   /* old members only if their score becomes greater */
    ZSET_LT = 1 << 4    /* … less */
};

enum zset_added {
    ZSET_REFUSED, /* a flag says no; nothing changed */
    ZSET_SAME,    /* the member has this score already */
    ZSET_NEW,
    ZSET_CHANGED, /* another score than before */
    ZSET_NAN      /* the sum of two infinities; nothing changed */
};

enum zset_range_by { ZSET_BY_RANK, ZSET_BY_SCORE, ZSET_BY_LEX };

/* One end of a range by score or by member. */
struct zset_limit {
    double score;       /* ZSET_BY_SCORE */
    struct view member; /* ZSET_BY_LEX, when edge is 0 */
    int edge;           /* ZSET_BY_LEX: -1 before all members, 1 behind all */
    bool open;          /* what equals the limit is outside */
};

struct zset_range {
    enum zset_range_by by; /* ZSET_BY_SCORE or ZSET_BY_LEX */
    struct zset_limit min, max;
};

/* A run of ranks. */
struct zset_span {
    size_t first, count;
};

/* An empty sorted set. */
struct value zset_new(void);

/* An empty one that is a tree already, for results that will be counted when they are complete;
 * zset_compact then makes a listpack of it if it is within the limits. O(n), for a small n. */
struct value zset_new_tree(void);
void zset_compact(struct value *v);

/* Makes a tree of a listpack: what SORT leaves behind in stock, where OBJECT ENCODING shows it. */
void zset_unpack(struct value *v);

static inline size_t zset_length(struct value v)
{
    return zset_type_ops.length(v);
}

/* The score of a member; false if there is none. O(1), in a listpack O(n). */
bool zset_score(struct value v, struct arg *member, double *score_out);

/* The rank of a member, counted from the least; false if there is none. O(log n). */
bool zset_rank(struct value v, struct arg *member, size_t *rank_out);

/* Adds a member or gives it another score, as the flags (enum zset_add_flag) say. `score` isn't
 * NaN. *score_out is the score that the member has afterwards, unless the result is ZSET_REFUSED
 * or ZSET_NAN. O(log n). */
enum zset_added zset_add(struct value *v, struct arg *member, double score, unsigned flags,
                         double *score_out);

/* Removes a member; false if there was none. The set may be empty afterwards. O(log n). */
bool zset_remove(struct value *v, struct arg *member);

/* Removes the members of a span that lies within the set. */
void zset_remove_span(struct value *v, struct zset_span span);

/* The ranks of what lies within a range. By member it means something only while all scores are
 * equal. O(log n), in a listpack O(n). */
struct zset_span zset_span(struct value v, const struct zset_range *range);

/* Visits `count` members from rank `first` on, towards greater ranks or, in reverse, towards
 * smaller ones; all of them must be there. O(log n + count). */
void zset_walk(struct value v, size_t first, size_t count, bool reverse, zset_visit_fn *fn,
               void *ctx);

/* All members in order. */
void zset_each(struct value v, zset_visit_fn *fn, void *ctx);

/* Hints before a run of operations on several members: first the bucket, then, when it is there,
 * the element. No effect on the set. */
void zset_prefetch_bucket(struct value v, struct arg *member);
void zset_prefetch_entry(struct value v, struct arg *member);

/* Called for a member and its score as text, borrowed during the call. */
typedef void zset_scan_fn(void *ctx, struct view member, struct view score);

/* One step of ZSCAN: at least `count` members or ten times as many buckets, and the next cursor, 0
 * at the end. A listpack comes whole, whatever the cursor. The guarantee is that of table_scan.
 * Scores are text here because the encodings print them differently, as in stock: 10^17 as a
 * listpack's integer has all its digits. */
uint64_t zset_scan(struct value v, uint64_t cursor, size_t count, zset_scan_fn *fn, void *ctx);

/* `count` random members with replacement. The set must not be empty. O(count log n), and for a
 * listpack O(n) more. */
void zset_draw(struct value v, size_t count, zset_visit_fn *fn, void *ctx);

/* `count` distinct random members, all of them if there are fewer; each subset is as likely as any
 * other, their order isn't random. O(count log n), or O(n) with more than a third of them. */
void zset_pick(struct value v, size_t count, zset_visit_fn *fn, void *ctx);

/* How the table of a value in ENC_SKIPLIST is filled. O(buckets). */
void zset_table_stats(struct value v, struct table_stats *out);

#endif
