/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quicklist: a sequence of strings in nodes of many elements each.
 *
 *   quicklist ── first ──> [node] <──> [node] <──> … <──> [node] <── last
 *                             │           │
 *                          listpack     plain: one element that would fill a node alone
 *
 * A node is 32 bytes beside its elements; 8 KB of them by default, so the chain costs less than
 * half a percent. Both ends are pushed and popped in O(node); an index is found by the nodes'
 * counts, from the nearer end. The alternative, a tree with counts, would find an index in
 * O(log n), at a price in every push; lists are used at their ends.
 *
 * With a depth above 0, all nodes but so many at both ends are kept compressed (LZF) if that
 * makes them smaller. Readers unpack into a buffer of their own and change nothing.
 *
 * One thread at a time. Texts given must not lie within the quicklist itself.
 */
#ifndef DS_QUICKLIST_H
#define DS_QUICKLIST_H

#include "base/macros.h"
#include "base/num.h"
#include "base/view.h"

struct quicklist;
struct quicklist_node;

enum quicklist_end { QUICKLIST_FIRST, QUICKLIST_LAST };

/* An empty quicklist. `node_limit`: elements of a node if positive, -1 … -5 for 4, 8, 16, 32, 64
 * KB; `depth`: nodes at each end that stay plain bytes, 0: all. Both are clamped. */
struct quicklist *quicklist_new(int node_limit, int depth) MUST_CHECK;

/* Frees it. Any thread that owns it. O(nodes). */
void quicklist_free(struct quicklist *q);

/* A deep copy. */
struct quicklist *quicklist_copy(const struct quicklist *q) MUST_CHECK;

/* Number of elements; number of nodes. O(1). */
size_t quicklist_count(const struct quicklist *q);
size_t quicklist_nodes(const struct quicklist *q);

/* For tests: from now on new elements of so many bytes are plain whatever the limits say; 0: none.
 * Of all quicklists; what is there stays. */
void quicklist_plain_from(size_t bytes);

/* The limits that it was made with, in quicklist_new's terms. */
int quicklist_node_limit(const struct quicklist *q);
int quicklist_depth(const struct quicklist *q);

/* Bytes allocated, extrapolated from `samples` nodes. */
size_t quicklist_memory(const struct quicklist *q, size_t samples);

/* Adds an element at an end. O(1), amortised. */
void quicklist_push(struct quicklist *q, enum quicklist_end end, struct view text);

/* The element at an end, borrowed until the next change; integers are printed into buf. The
 * quicklist must not be empty. */
struct view quicklist_peek(const struct quicklist *q, enum quicklist_end end,
                           char buf[static NUM_I64_LEN]);

/* Removes up to `count` elements from index `start` on. O(nodes). */
void quicklist_remove(struct quicklist *q, size_t start, size_t count);

/* Removes the element at an end. The quicklist must not be empty. */
void quicklist_drop(struct quicklist *q, enum quicklist_end end);

/* Gives the element at `index`, which must be there, another text. O(nodes). */
void quicklist_set(struct quicklist *q, size_t index, struct view text);

/* Adds an element that has this index then; at most the count. O(nodes). */
void quicklist_insert(struct quicklist *q, size_t index, struct view text);

/* Removes the first (from QUICKLIST_LAST: the last) `limit` elements equal to `text`; returns how
 * many there were. O(n). */
size_t quicklist_remove_equal(struct quicklist *q, struct view text, size_t limit,
                              enum quicklist_end from);

/* A walk. Its fields are private. */
struct quicklist_iter {
    const struct quicklist *q;
    const struct quicklist_node *node;
    enum quicklist_end from; /* FIRST walks forwards */
    uint8_t *unpacked;       /* of a compressed node; owned */
    const uint8_t *block, *pos; /* the node's bytes; the element that comes next */
    size_t left_in_node;
};

/* An element, borrowed until the walk goes on or the quicklist changes. */
struct quicklist_entry {
    const uint8_t *pos; /* in a listpack, or NULL: the text is */
    struct view text;
};

/* Begins a walk at the element `index`, forwards if `from` is FIRST, backwards if it is LAST. An
 * index past the end begins at the end. quicklist_iter_end must follow. O(nodes). */
void quicklist_iter_init(struct quicklist_iter *it, const struct quicklist *q, size_t index,
                         enum quicklist_end from);

/* The next element; false at the end. */
bool quicklist_next(struct quicklist_iter *it, struct quicklist_entry *out);
void quicklist_iter_end(struct quicklist_iter *it);

/* The element's text; an integer is printed into buf. */
struct view quicklist_entry_view(const struct quicklist_entry *e, char buf[static NUM_I64_LEN]);
bool quicklist_entry_equals(const struct quicklist_entry *e, struct view text);

/* Called for a node: its listpack, or, if `plain`, the text of its one element. Borrowed during the
 * call. */
typedef void quicklist_block_fn(void *ctx, struct view block, bool plain);

/* All nodes in order, unpacked. O(bytes). */
void quicklist_each_block(const struct quicklist *q, quicklist_block_fn *fn, void *ctx);

/* Whether everything that the structure promises holds: counts, links, limits, what is compressed.
 * For tests. O(n). */
bool quicklist_is_sound(const struct quicklist *q);

#endif
