/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ordered index; ordered.h says what it is for. Invariants, which ordered_check tests:
 *
 *   1. leaves are linked in order; no node but an absent root is empty
 *   2. elements ascend strictly by (score, member), within leaves and across them
 *   3. for each child an inner node keeps the number of elements below it, its first element, and
 *      that element's score; all of them exact, so that no separator outlives its element
 *   4. all leaves have the same depth; a root that is an inner node has at least two children
 *   5. a leaf's hints are those of its elements' scores
 *
 * Every change is one descent that notes the path, work on one leaf, and a way back up that
 * refreshes (3), hangs in what was split off, or merges what has become small. A full node is
 * split in halves, unless the new one comes at the very end or front of the tree: then the full
 * one stays full, and elements that come in order fill their leaves. A node that shrank is merged
 * with a neighbour when both together fill at most three quarters of one; so a few inserts don't
 * split it again, and two neighbours hold more than that between them. Borrowing from neighbours
 * instead would keep every node half full, at the price of twice the code.
 */
#include "ds/ordered.h"

#include "base/mem.h"
#include "base/slab.h"

/* A leaf fills the allocator's class of 640 bytes, an inner node that of 1,024. Small nodes in
 * debug builds make deep trees of small tests. */
#ifdef COG_DEBUG
#define LEAF_CAP 6u
#define FANOUT 4u
#else
#define LEAF_CAP 62u
#define FANOUT 31u
#endif
#define MERGE_MAX(cap) ((cap)*3 / 4)

/* Two neighbours hold more than three quarters of a node: at least 12 children on the mean, 1.5
 * in debug builds, whose trees are small. */
#define DEPTH_MAX 48

struct ordered_leaf {
    struct ordered_leaf *prev, *next;
    uint32_t count;
    uint32_t hint[LEAF_CAP];
    uint32_t low[LEAF_CAP]; /* of the address */
    uint16_t high[LEAF_CAP];
};

struct inner {
    size_t count;
    double score[FANOUT]; /* first[i]->score */
    struct ordered_element *first[FANOUT];
    void *child[FANOUT];
    size_t weight[FANOUT]; /* elements below */
};

/* From the root to a place in a leaf; `at` may be the leaf's count. */
struct path {
    struct inner *node[DEPTH_MAX];
    unsigned index[DEPTH_MAX]; /* of the child taken */
    struct ordered_leaf *leaf;
    unsigned at;
};

/* ---- elements ---- */

struct ordered_element *ordered_element_new(struct view member, double score)
{
    struct ordered_element *e = slab_alloc(ordered_element_bytes(member.len));
    e->score = score;
    uint8_t *p = e->text;
    if (likely(member.len < ORDERED_LEN_WIDE)) {
        *p++ = (uint8_t)member.len;
    } else {
        *p++ = ORDERED_LEN_WIDE;
        memcpy(p, &member.len, sizeof(member.len));
        p += sizeof(member.len);
    }
    if (member.len) memcpy(p, member.ptr, member.len);
    return e;
}

void ordered_element_free(struct ordered_element *e)
{
    slab_free(e, ordered_element_bytes(ordered_member(e).len));
}

int ordered_compare_members(struct view a, struct view b)
{
    size_t shorter = MIN(a.len, b.len);
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The upper half of a score's bits, turned so that it sorts like the score. The sum makes +0 of
 * -0; negative numbers have their bits inverted, the others their sign. */
static uint32_t hint_of(double score)
{
    uint64_t bits;
    score += 0.0;
    memcpy(&bits, &score, sizeof(bits));
    bits = bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
    return (uint32_t)(bits >> 32);
}

static bool member_is_before(const struct ordered_element *e, const struct ordered_bound *b)
{
    int order = ordered_compare_members(ordered_member(e), b->member);
    return b->behind ? order <= 0 : order < 0;
}

/* Whether an element, whose score is given apart, lies before the bound. */
static inline bool is_before(double score, const struct ordered_element *e,
                             const struct ordered_bound *b)
{
    if (b->by != ORDERED_BY_MEMBER) {
        if (score != b->score) return score < b->score;
        if (b->by == ORDERED_BY_SCORE) return b->behind;
    }
    return member_is_before(e, b);
}

/* The cut right before or right behind an element. */
static struct ordered_bound bound_of(const struct ordered_element *e, bool behind)
{
    return (struct ordered_bound){ORDERED_BY_BOTH, behind, e->score, ordered_member(e)};
}

/* ---- leaves ---- */

static struct ordered_element *leaf_get(const struct ordered_leaf *leaf, unsigned i)
{
    return (struct ordered_element *)(uintptr_t)((uint64_t)leaf->high[i] << 32 | leaf->low[i]);
}

static void leaf_put(struct ordered_leaf *leaf, unsigned i, struct ordered_element *e)
{
    uint64_t address = (uint64_t)(uintptr_t)e;
    leaf->hint[i] = hint_of(e->score);
    leaf->low[i] = (uint32_t)address;
    leaf->high[i] = (uint16_t)(address >> 32);
}

/* Moves n elements; counts are the caller's. */
static void leaf_move(struct ordered_leaf *to, unsigned to_at, const struct ordered_leaf *from,
                      unsigned from_at, unsigned n)
{
    memmove(to->hint + to_at, from->hint + from_at, n * sizeof(*to->hint));
    memmove(to->low + to_at, from->low + from_at, n * sizeof(*to->low));
    memmove(to->high + to_at, from->high + from_at, n * sizeof(*to->high));
}

/* A new leaf behind `prev` (NULL: the tree's only one). */
static struct ordered_leaf *leaf_new(struct ordered *t, struct ordered_leaf *prev)
{
    struct ordered_leaf *leaf = mem_alloc(sizeof(*leaf));
    leaf->count = 0;
    leaf->prev = prev;
    leaf->next = prev ? prev->next : NULL;
    if (leaf->next) leaf->next->prev = leaf;
    if (prev) prev->next = leaf;
    t->leaves++;
    return leaf;
}

static void leaf_free(struct ordered *t, struct ordered_leaf *leaf)
{
    if (leaf->prev) leaf->prev->next = leaf->next;
    if (leaf->next) leaf->next->prev = leaf->prev;
    t->leaves--;
    mem_free(leaf);
}

/* How many of the leaf's elements lie before the bound. */
static unsigned leaf_find(const struct ordered_leaf *leaf, const struct ordered_bound *b,
                          uint32_t hint)
{
    unsigned low = 0, high = leaf->count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        bool before;
        if (b->by != ORDERED_BY_MEMBER && leaf->hint[mid] != hint) {
            before = leaf->hint[mid] < hint;
        } else {
            const struct ordered_element *e = leaf_get(leaf, mid);
            before = is_before(e->score, e, b);
        }
        if (before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- inner nodes ---- */

static struct inner *inner_new(struct ordered *t)
{
    struct inner *node = mem_alloc(sizeof(*node));
    node->count = 0;
    t->inners++;
    return node;
}

static void inner_free(struct ordered *t, struct inner *node)
{
    t->inners--;
    mem_free(node);
}

static void inner_move(struct inner *to, size_t to_at, const struct inner *from, size_t from_at,
                       size_t n)
{
    memmove(to->score + to_at, from->score + from_at, n * sizeof(*to->score));
    memmove(to->first + to_at, from->first + from_at, n * sizeof(*to->first));
    memmove(to->child + to_at, from->child + from_at, n * sizeof(*to->child));
    memmove(to->weight + to_at, from->weight + from_at, n * sizeof(*to->weight));
}

/* Makes what the node keeps of child i true again. */
static void inner_refresh(struct inner *node, size_t i, bool over_leaves)
{
    if (over_leaves) {
        const struct ordered_leaf *leaf = node->child[i];
        node->weight[i] = leaf->count;
        node->first[i] = leaf_get(leaf, 0);
    } else {
        const struct inner *below = node->child[i];
        size_t weight = 0;
        for (size_t k = 0; k < below->count; k++) weight += below->weight[k];
        node->weight[i] = weight;
        node->first[i] = below->first[0];
    }
    node->score[i] = node->first[i]->score;
}

static void inner_insert(struct inner *node, size_t at, void *child, bool over_leaves)
{
    inner_move(node, at + 1, node, at, node->count - at);
    node->count++;
    node->child[at] = child;
    inner_refresh(node, at, over_leaves);
}

static void inner_drop(struct inner *node, size_t at)
{
    inner_move(node, at, node, at + 1, node->count - at - 1);
    node->count--;
}

/* The child in which the bound lies: the last one whose first element is before it. */
static unsigned inner_find(const struct inner *node, const struct ordered_bound *b)
{
    unsigned low = 1, high = (unsigned)node->count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (is_before(node->score[mid], node->first[mid], b))
            low = mid + 1;
        else
            high = mid;
    }
    return low - 1;
}

/* ---- descents ---- */

/* To the bound; returns the number of elements before it. The tree isn't empty. */
static size_t descend(const struct ordered *t, const struct ordered_bound *b, struct path *path)
{
    size_t rank = 0;
    void *node = t->root;
    for (unsigned level = 0; level < t->depth; level++) {
        struct inner *inner = node;
        unsigned i = inner_find(inner, b);
        for (unsigned k = 0; k < i; k++) rank += inner->weight[k];
        path->node[level] = inner;
        path->index[level] = i;
        node = inner->child[i];
    }
    path->leaf = node;
    path->at = leaf_find(node, b, hint_of(b->score));
    return rank + path->at;
}

/* To a rank below the count. */
static void descend_to_rank(const struct ordered *t, size_t rank, struct path *path)
{
    void *node = t->root;
    for (unsigned level = 0; level < t->depth; level++) {
        struct inner *inner = node;
        unsigned i = 0;
        while (rank >= inner->weight[i]) rank -= inner->weight[i++];
        path->node[level] = inner;
        path->index[level] = i;
        node = inner->child[i];
    }
    path->leaf = node;
    path->at = (unsigned)rank;
}

/* To an element of the tree. */
static void descend_to_element(const struct ordered *t, const struct ordered_element *e,
                               struct path *path)
{
    struct ordered_bound behind = bound_of(e, true);
    ASSERT(t->root);
    descend(t, &behind, path);
    ASSERT(path->at > 0 && leaf_get(path->leaf, path->at - 1) == e);
    path->at--;
}

/* ---- growing ---- */

/* Makes room in the full leaf of the path, which then leads to where the new element goes; returns
 * the new leaf, behind the old one. *moved_out: the path's leaf is the new one. */
static struct ordered_leaf *leaf_split(struct ordered *t, struct path *path, bool *moved_out)
{
    struct ordered_leaf *leaf = path->leaf;
    unsigned keep = LEAF_CAP / 2;
    if (path->at == LEAF_CAP && !leaf->next) keep = LEAF_CAP;
    if (path->at == 0 && !leaf->prev) keep = 0;
    struct ordered_leaf *right = leaf_new(t, leaf);
    leaf_move(right, 0, leaf, keep, LEAF_CAP - keep);
    right->count = LEAF_CAP - keep;
    leaf->count = keep;
    *moved_out = path->at > keep || keep == LEAF_CAP;
    if (*moved_out) {
        path->leaf = right;
        path->at -= keep;
    }
    return right;
}

/* Hangs `child` in at `at`, splitting the full node; returns what was split off. */
static struct inner *inner_split_insert(struct ordered *t, struct inner *node, size_t at,
                                        void *child, bool over_leaves)
{
    size_t keep = at == FANOUT ? FANOUT : FANOUT / 2;
    struct inner *right = inner_new(t);
    inner_move(right, 0, node, keep, FANOUT - keep);
    right->count = FANOUT - keep;
    node->count = keep;
    if (at > keep || keep == FANOUT)
        inner_insert(right, at - keep, child, over_leaves);
    else
        inner_insert(node, at, child, over_leaves);
    return right;
}

/* A root above the old one and what was split off from it. */
static void grow_root(struct ordered *t, void *right)
{
    struct inner *root = inner_new(t);
    bool over_leaves = t->depth == 0;
    inner_insert(root, 0, t->root, over_leaves);
    inner_insert(root, 1, right, over_leaves);
    t->root = root;
    t->depth++;
    ASSERT(t->depth < DEPTH_MAX);
}

/* The way back up after an insert; `extra` is what was split off from the leaf, or NULL. */
static void climb_after_insert(struct ordered *t, const struct path *path, void *extra)
{
    for (unsigned level = t->depth; level-- > 0;) {
        struct inner *node = path->node[level];
        size_t i = path->index[level];
        bool over_leaves = level + 1 == t->depth;
        inner_refresh(node, i, over_leaves);
        if (!extra) continue;
        if (node->count == FANOUT) {
            extra = inner_split_insert(t, node, i + 1, extra, over_leaves);
        } else {
            inner_insert(node, i + 1, extra, over_leaves);
            extra = NULL;
        }
    }
    if (extra) grow_root(t, extra);
}

void ordered_insert(struct ordered *t, struct ordered_element *e)
{
    struct path path;
    struct ordered_leaf *extra = NULL;
    bool moved_out = false;
    if (unlikely(!t->root)) {
        t->root = path.leaf = leaf_new(t, NULL);
        path.at = 0;
    } else {
        struct ordered_bound before = bound_of(e, false);
        descend(t, &before, &path);
        if (path.leaf->count == LEAF_CAP) extra = leaf_split(t, &path, &moved_out);
    }
    struct ordered_leaf *leaf = path.leaf;
    leaf_move(leaf, path.at + 1, leaf, path.at, leaf->count - path.at);
    leaf->count++;
    leaf_put(leaf, path.at, e);
    t->count++;
    climb_after_insert(t, &path, extra);
}

/* ---- shrinking ---- */

/* Merges child i + 1 into child i if both are small enough together. */
static bool merge_pair(struct ordered *t, struct inner *node, size_t i, bool over_leaves)
{
    if (over_leaves) {
        struct ordered_leaf *left = node->child[i], *right = node->child[i + 1];
        if (left->count + right->count > MERGE_MAX(LEAF_CAP)) return false;
        leaf_move(left, left->count, right, 0, right->count);
        left->count += right->count;
        leaf_free(t, right);
    } else {
        struct inner *left = node->child[i], *right = node->child[i + 1];
        if (left->count + right->count > MERGE_MAX(FANOUT)) return false;
        inner_move(left, left->count, right, 0, right->count);
        left->count += right->count;
        inner_free(t, right);
    }
    inner_drop(node, i + 1);
    inner_refresh(node, i, over_leaves);
    return true;
}

/* Child i has shrunk: it goes if it is empty, and is merged with a neighbour if that fits. */
static void inner_shrink(struct ordered *t, struct inner *node, size_t i, bool over_leaves)
{
    struct ordered_leaf *leaf = over_leaves ? node->child[i] : NULL;
    struct inner *below = over_leaves ? NULL : node->child[i];
    if (leaf ? leaf->count == 0 : below->count == 0) {
        if (leaf)
            leaf_free(t, leaf);
        else
            inner_free(t, below);
        inner_drop(node, i);
        return;
    }
    inner_refresh(node, i, over_leaves);
    if (i + 1 < node->count && merge_pair(t, node, i, over_leaves)) return;
    if (i > 0) merge_pair(t, node, i - 1, over_leaves);
}

/* Takes a root away that has one child or none. */
static void shrink_root(struct ordered *t)
{
    while (t->depth) {
        struct inner *root = t->root;
        if (root->count > 1) return;
        t->root = root->count ? root->child[0] : NULL;
        t->depth = root->count ? t->depth - 1 : 0;
        inner_free(t, root);
    }
    struct ordered_leaf *leaf = t->root;
    if (leaf && leaf->count == 0) {
        leaf_free(t, leaf);
        t->root = NULL;
    }
}

/* Takes n elements from the path's place on, all in its leaf, out of the tree. */
static void remove_run(struct ordered *t, const struct path *path, unsigned n)
{
    struct ordered_leaf *leaf = path->leaf;
    leaf_move(leaf, path->at, leaf, path->at + n, leaf->count - path->at - n);
    leaf->count -= n;
    t->count -= n;
    for (unsigned level = t->depth; level-- > 0;)
        inner_shrink(t, path->node[level], path->index[level], level + 1 == t->depth);
    shrink_root(t);
}

void ordered_remove(struct ordered *t, struct ordered_element *e)
{
    struct path path;
    descend_to_element(t, e, &path);
    remove_run(t, &path, 1);
}

void ordered_rescore(struct ordered *t, struct ordered_element *e, double score)
{
    struct path path;
    descend_to_element(t, e, &path);
    struct ordered_leaf *leaf = path.leaf;
    unsigned at = path.at;
    /* Between the same neighbours, and no separator: the place stays. */
    if (at > 0 && at + 1 < leaf->count && leaf_get(leaf, at - 1)->score < score &&
        score < leaf_get(leaf, at + 1)->score) {
        e->score = score;
        leaf->hint[at] = hint_of(score);
        return;
    }
    remove_run(t, &path, 1);
    e->score = score;
    ordered_insert(t, e);
}

void ordered_remove_ranks(struct ordered *t, size_t first, size_t count,
                          void (*fn)(struct ordered_element *e, void *ctx), void *ctx)
{
    while (count && first < t->count) {
        struct path path;
        descend_to_rank(t, first, &path);
        unsigned n = (unsigned)MIN(count, (size_t)(path.leaf->count - path.at));
        for (unsigned i = 0; i < n; i++) fn(leaf_get(path.leaf, path.at + i), ctx);
        remove_run(t, &path, n);
        count -= n;
    }
}

/* ---- reading ---- */

size_t ordered_rank(const struct ordered *t, const struct ordered_bound *bound)
{
    struct path path;
    return t->root ? descend(t, bound, &path) : 0;
}

struct ordered_pos ordered_at(const struct ordered *t, size_t rank)
{
    struct path path;
    if (rank >= t->count) return (struct ordered_pos){NULL, 0};
    descend_to_rank(t, rank, &path);
    return (struct ordered_pos){path.leaf, path.at};
}

struct ordered_element *ordered_get(struct ordered_pos pos)
{
    return leaf_get(pos.leaf, pos.at);
}

/* Elements that a walk asks for ahead. */
#define AHEAD 8

struct ordered_pos ordered_next(struct ordered_pos pos)
{
    const struct ordered_leaf *leaf = pos.leaf;
    if (pos.at + AHEAD < leaf->count) PREFETCH(leaf_get(leaf, pos.at + AHEAD));
    if (pos.at + 1 < leaf->count) return (struct ordered_pos){leaf, pos.at + 1};
    return (struct ordered_pos){leaf->next, 0};
}

struct ordered_pos ordered_prev(struct ordered_pos pos)
{
    const struct ordered_leaf *leaf = pos.leaf;
    if (pos.at >= AHEAD) PREFETCH(leaf_get(leaf, pos.at - AHEAD));
    if (pos.at > 0) return (struct ordered_pos){leaf, pos.at - 1};
    leaf = leaf->prev;
    return (struct ordered_pos){leaf, leaf ? leaf->count - 1 : 0};
}

/* ---- the whole ---- */

static void free_below(struct inner *node, unsigned levels)
{
    for (size_t i = 0; i < node->count; i++) {
        if (levels > 1)
            free_below(node->child[i], levels - 1);
        else
            mem_free(node->child[i]);
    }
    mem_free(node);
}

void ordered_clear(struct ordered *t)
{
    if (t->depth)
        free_below(t->root, t->depth);
    else
        mem_free(t->root);
    *t = (struct ordered){0};
}

size_t ordered_memory(const struct ordered *t)
{
    return t->leaves * mem_good_size(sizeof(struct ordered_leaf)) +
           t->inners * mem_good_size(sizeof(struct inner));
}

/* What a check has seen so far, from left to right. */
struct checked {
    const struct ordered_leaf *leaf;
    const struct ordered_element *last;
    size_t leaves, inners, elements;
};

static bool check_leaf(const struct ordered_leaf *leaf, struct checked *seen)
{
    if (leaf->count == 0 || leaf->count > LEAF_CAP || leaf->prev != seen->leaf) return false;
    if (seen->leaf && seen->leaf->next != leaf) return false;
    for (unsigned i = 0; i < leaf->count; i++) {
        const struct ordered_element *e = leaf_get(leaf, i);
        if (leaf->hint[i] != hint_of(e->score)) return false;
        struct ordered_bound before = bound_of(e, false);
        if (seen->last && !is_before(seen->last->score, seen->last, &before)) return false;
        seen->last = e;
        seen->elements++;
    }
    seen->leaf = leaf;
    seen->leaves++;
    return true;
}

static const struct ordered_element *first_below(const void *node, unsigned levels)
{
    for (; levels; levels--) node = ((const struct inner *)node)->child[0];
    return leaf_get(node, 0);
}

static bool check_node(const void *node, unsigned levels, struct checked *seen)
{
    if (levels == 0) return check_leaf(node, seen);
    const struct inner *inner = node;
    if (inner->count == 0 || inner->count > FANOUT) return false;
    seen->inners++;
    for (size_t i = 0; i < inner->count; i++) {
        size_t before = seen->elements;
        if (inner->first[i] != first_below(inner->child[i], levels - 1)) return false;
        if (inner->score[i] != inner->first[i]->score) return false;
        if (!check_node(inner->child[i], levels - 1, seen)) return false;
        if (seen->elements - before != inner->weight[i]) return false;
    }
    return true;
}

bool ordered_check(const struct ordered *t)
{
    struct checked seen = {0};
    if (!t->root) return t->count == 0 && t->depth == 0 && t->leaves == 0 && t->inners == 0;
    if (t->depth && ((const struct inner *)t->root)->count < 2) return false;
    if (!check_node(t->root, t->depth, &seen)) return false;
    return !seen.leaf->next && seen.elements == t->count && seen.leaves == t->leaves &&
           seen.inners == t->inners;
}
