/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ordered index: elements by (score, member), for sorted sets. A B+ tree whose inner nodes
 * count the elements below each child, so that a rank is found, and an element by its rank, in one
 * descent.
 *
 *   element, one allocation    score (double) | length (1 byte, or 255 and 8 bytes) | member
 *   leaf                       per element 10 bytes: the upper half of its score as an integer
 *                              that sorts like the score (the hint), and its address (48 bits)
 *
 * An element never moves while it lives, so the index by member (a main table, types/zset.c) may
 * point at it, and a change of score moves ten bytes from leaf to leaf and nothing else. Packing
 * score and member into the leaves would save an address and the allocator's rounding, but then
 * every insert into a leaf moves members that the table points at, and a member of 100 KB has no
 * leaf to lie in. The hint spares the look at the element for nearly all comparisons: it tells
 * integers below two million apart, and any two scores that differ by a millionth. With a member
 * of 16 bytes an element costs 32 bytes, its share of a leaf 10.3 (inserted in order) to 15
 * (at random), its place in the table 10.6.
 *
 * Order: by score, where -0 equals 0 and infinities are ordinary, then by the members' bytes, the
 * shorter first. Scores must not be NaN.
 *
 * Nothing locks: one thread at a time.
 */
#ifndef DS_ORDERED_H
#define DS_ORDERED_H

#include "base/macros.h"
#include "base/view.h"

struct ordered_element {
    double score;
    uint8_t text[];
};

#define ORDERED_LEN_WIDE 255

/* Zeroed memory is an empty tree. */
struct ordered {
    void *root;     /* a leaf while depth is 0; NULL when empty */
    unsigned depth; /* levels of inner nodes */
    size_t count;   /* elements */
    size_t leaves, inners; /* nodes */
};

struct ordered_leaf;

/* A place among the elements; leaf is NULL past either end. Void once the tree changes. */
struct ordered_pos {
    const struct ordered_leaf *leaf;
    unsigned at;
};

/* What a bound compares. By member alone only where all scores are equal; else the answer is some
 * place in the tree. */
enum ordered_by { ORDERED_BY_SCORE, ORDERED_BY_MEMBER, ORDERED_BY_BOTH };

/* A cut through the order: before all elements equal to it, or behind them. */
struct ordered_bound {
    enum ordered_by by;
    bool behind;
    double score;
    struct view member;
};

/* The member; borrowed while the element lives. */
ALWAYS_INLINE struct view ordered_member(const struct ordered_element *e)
{
    size_t len = e->text[0];
    if (likely(len != ORDERED_LEN_WIDE)) return view_of((const char *)e->text + 1, len);
    memcpy(&len, e->text + 1, sizeof(len));
    return view_of((const char *)e->text + 1 + sizeof(len), len);
}

/* Bytes of an element with a member of that length. */
static inline size_t ordered_element_bytes(size_t len)
{
    return sizeof(struct ordered_element) + 1 + (len < ORDERED_LEN_WIDE ? 0 : 8) + len;
}

/* A new element in no tree, with a copy of `member`. */
struct ordered_element *ordered_element_new(struct view member, double score);

/* Frees an element that is in no tree. */
void ordered_element_free(struct ordered_element *e);

/* memcmp, the shorter first when one is the other's beginning. Negative, 0, positive. */
int ordered_compare_members(struct view a, struct view b);

/* Adds an element, of whose score and member the tree has none. Doesn't own it. O(log n). */
void ordered_insert(struct ordered *t, struct ordered_element *e);

/* Takes an element, which must be there, out of the tree; it stays with the caller. O(log n). */
void ordered_remove(struct ordered *t, struct ordered_element *e);

/* Gives an element of the tree another score. O(log n). */
void ordered_rescore(struct ordered *t, struct ordered_element *e, double score);

/* Takes out the elements of ranks first … first + count - 1 (as many as there are) and hands each,
 * in order, to fn, which may free it but not use the tree. O(log n) per leaf. */
void ordered_remove_ranks(struct ordered *t, size_t first, size_t count,
                          void (*fn)(struct ordered_element *e, void *ctx), void *ctx);

/* How many elements lie before a bound: the rank of the first one behind it. O(log n). */
size_t ordered_rank(const struct ordered *t, const struct ordered_bound *bound);

/* The place of a rank; past the end if there is no such. O(log n). */
struct ordered_pos ordered_at(const struct ordered *t, size_t rank);

/* Whether the place has an element. */
static inline bool ordered_valid(struct ordered_pos pos)
{
    return pos.leaf != NULL;
}

/* The element of a place that has one. */
struct ordered_element *ordered_get(struct ordered_pos pos);

/* Neighbours. They ask for elements ahead, so that a walk doesn't wait for each. O(1). */
struct ordered_pos ordered_next(struct ordered_pos pos);
struct ordered_pos ordered_prev(struct ordered_pos pos);

/* Frees all nodes and leaves an empty tree; elements stay with the caller. O(n / 40). */
void ordered_clear(struct ordered *t);

/* Bytes of the nodes. O(1). */
size_t ordered_memory(const struct ordered *t);

/* Whether every invariant of the tree holds; for tests. O(n). */
bool ordered_check(const struct ordered *t);

#endif
