/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quicklist; see quicklist.h. A node's bytes are its block:
 *
 *   packed      | `lead` bytes of room | a listpack of `count` elements (at least one) | room |
 *   plain       | length u64 | bytes |, one element too long to share a node
 *   compressed  | packed bytes u32 | bytes u32 | LZF of either of the above |
 *
 * Invariants.
 * 1. `count` is the sum of the nodes' counts; no node is empty.
 * 2. A packed node keeps the limits of bytes and elements. A plain one holds an element that
 *    exceeds the limit of bytes.
 * 3. Only the first and the last node have a lead. They get room for more elements where they are
 *    pushed to, and give it back when they stop being an end; one that is nearly empty gives
 *    memory back, too.
 * 4. The `depth` nodes at each end aren't compressed; the others are, if that saves
 *    COMPRESS_SAVES_BYTES. Depth 0: none is.
 *
 * Elements at the ends come and go within the room there. All other writers open the node that
 * they change (it is plain bytes without a lead then) and settle it before they return; when nodes
 * came or went, the ends are settled too, for nodes may have moved across the border. Any thread
 * that owns the quicklist.
 */
#include "ds/quicklist.h"

#include <liblzf/lzf.h>
#include <string.h>

#include "base/mem.h"
#include "ds/listpack.h"

#define NODE_BYTES_DEFAULT 8192
#define NODE_LIMIT_MAX 32767    /* of what may be asked for, as in stock */
#define NODE_ELEMENTS_MAX 60000 /* below what a listpack's head and `count` can count */
#define CAPACITY_MAX (((size_t)1 << 23) - 1)
/* A node of so many bytes is given room for a quarter more when it grows at an end; a smaller one
 * none: there are many short lists, and their bytes are moved in no time. */
#define ROOM_MIN_BYTES 512
/* A list of so many nodes fills the next one, too: it gets all its room at once. */
#define NODES_MANY 8
#define DEPTH_MAX 65535
#define PLAIN_HEAD_BYTES 8
/* More elements are removed from a node by copying the others. */
#define DELETIONS_MAX 8
#define COMPRESSED_HEAD_BYTES 8
#define COMPRESS_MIN_BYTES 48
#define COMPRESS_SAVES_BYTES 8
/* What LZF takes without a thought about its 32-bit lengths. */
#define COMPRESS_MAX_BYTES ((size_t)1 << 30)

struct quicklist_node {
    struct quicklist_node *prev, *next;
    uint8_t *block;
    uint64_t count : 16;
    uint64_t lead : 23;     /* of a packed node: where in the block the listpack begins */
    uint64_t capacity : 23; /* of a packed node's block; 0: not known */
    uint64_t plain : 1, compressed : 1;
};

struct quicklist {
    struct quicklist_node *first, *last;
    size_t count, nodes;
    uint32_t node_bytes, node_elements; /* limits */
    uint32_t depth;
};

/* ---- blocks ---- */

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint8_t *plain_new(struct view text)
{
    uint64_t len = text.len;
    uint8_t *block = mem_alloc(PLAIN_HEAD_BYTES + text.len);
    memcpy(block, &len, sizeof(len));
    if (text.len) memcpy(block + PLAIN_HEAD_BYTES, text.ptr, text.len);
    return block;
}

static struct view plain_view(const uint8_t *block)
{
    uint64_t len;
    memcpy(&len, block, sizeof(len));
    return view_of((const char *)block + PLAIN_HEAD_BYTES, len);
}

/* Bytes of an uncompressed block. */
static size_t block_bytes(bool plain, const uint8_t *block)
{
    return plain ? PLAIN_HEAD_BYTES + plain_view(block).len : listpack_bytes(block);
}

/* The block of a compressed node as it was. */
static uint8_t *unpack(const struct quicklist_node *n)
{
    uint32_t packed = load_u32(n->block), bytes = load_u32(n->block + 4);
    uint8_t *block = mem_alloc(bytes);
    unsigned got = lzf_decompress(n->block + COMPRESSED_HEAD_BYTES, packed, block, bytes);
    ASSERT(got == bytes);
    return block;
}

/* The listpack of a packed node that isn't compressed. */
static uint8_t *node_lp(const struct quicklist_node *n)
{
    return n->block + n->lead;
}

/* Makes a node's block plain bytes without a lead, which may be moved and change its size. */
static void node_open(struct quicklist_node *n)
{
    if (n->lead) {
        memmove(n->block, node_lp(n), listpack_bytes(node_lp(n)));
        n->lead = 0;
    }
    n->capacity = 0;
    if (likely(!n->compressed)) return;
    uint8_t *block = unpack(n);
    mem_free(n->block);
    n->block = block;
    n->compressed = false;
}

static void node_compress(struct quicklist_node *n)
{
    if (n->compressed) return;
    node_open(n);
    size_t bytes = block_bytes(n->plain, n->block);
    if (bytes < COMPRESS_MIN_BYTES || bytes > COMPRESS_MAX_BYTES) return;
    uint32_t room = (uint32_t)(bytes - COMPRESS_SAVES_BYTES - COMPRESSED_HEAD_BYTES);
    uint8_t *packed = mem_alloc(COMPRESSED_HEAD_BYTES + room);
    uint32_t head[2] = {0, (uint32_t)bytes};
    head[0] = lzf_compress(n->block, head[1], packed + COMPRESSED_HEAD_BYTES, room);
    if (head[0] == 0) {
        mem_free(packed);
        return;
    }
    memcpy(packed, head, sizeof(head));
    mem_free(n->block);
    n->block = mem_realloc(packed, COMPRESSED_HEAD_BYTES + head[0]);
    n->compressed = true;
}

/* ---- the chain ---- */

static struct quicklist_node *node_new(uint8_t *take_block, bool plain, size_t count)
{
    struct quicklist_node *n = mem_alloc(sizeof(*n));
    *n = (struct quicklist_node){.block = take_block, .count = count, .plain = plain};
    return n;
}

/* Puts n behind `prev`, or at the front if that is NULL. Its elements count from now on. */
static void chain_add(struct quicklist *q, struct quicklist_node *prev, struct quicklist_node *n)
{
    struct quicklist_node *next = prev ? prev->next : q->first;
    n->prev = prev;
    n->next = next;
    *(prev ? &prev->next : &q->first) = n;
    *(next ? &next->prev : &q->last) = n;
    q->nodes++;
    q->count += n->count;
}

static void chain_remove(struct quicklist *q, struct quicklist_node *n)
{
    *(n->prev ? &n->prev->next : &q->first) = n->next;
    *(n->next ? &n->next->prev : &q->last) = n->prev;
    q->nodes--;
    q->count -= n->count;
    mem_free(n->block);
    mem_free(n);
}

static struct quicklist_node *neighbour(const struct quicklist_node *n, enum quicklist_end from)
{
    return from == QUICKLIST_FIRST ? n->next : n->prev;
}

static struct quicklist_node *end_node(const struct quicklist *q, enum quicklist_end end)
{
    return end == QUICKLIST_FIRST ? q->first : q->last;
}

/* Whether a node stands deeper than `depth` from both ends. */
static bool is_inner(const struct quicklist *q, const struct quicklist_node *n)
{
    const struct quicklist_node *ahead = n, *behind = n;
    for (uint32_t i = 0; i < q->depth; i++) {
        ahead = ahead->prev;
        behind = behind->next;
        if (!ahead || !behind) return false;
    }
    return true;
}

/* Invariant 4 for a node whose bytes were changed. */
static void settle_node(const struct quicklist *q, struct quicklist_node *n)
{
    if (q->depth && !n->compressed && is_inner(q, n)) node_compress(n);
}

/* Invariant 4 after nodes came or went: nodes near the ends are opened; the next few, which may
 * have been pushed inwards (a split adds two at most), are compressed. */
static void settle_ends(struct quicklist *q)
{
    struct quicklist_node *a = q->first, *b = q->last;
    if (!q->depth) return;
    for (uint32_t i = 0; i < q->depth && a; i++, a = a->next, b = b->prev) {
        node_open(a);
        node_open(b);
    }
    for (int i = 0; i < 2 && a; i++, a = a->next, b = b->prev) {
        settle_node(q, a);
        settle_node(q, b);
    }
}

/* ---- limits ---- */

/* For tests: elements from so many bytes on are plain, whatever the limits say. 0: none. */
static size_t plain_from;

void quicklist_plain_from(size_t bytes)
{
    plain_from = bytes;
}

static inline bool must_be_plain(struct view text)
{
    return unlikely(plain_from) && text.len >= plain_from;
}

static bool wants_plain(const struct quicklist *q, struct view text)
{
    if (must_be_plain(text)) return true;
    return listpack_entry_bytes(text) + LISTPACK_EMPTY_BYTES > q->node_bytes;
}

/* Whether a packed node has room for so many bytes and elements more. */
static bool has_room(const struct quicklist *q, const struct quicklist_node *n, size_t bytes,
                     size_t count)
{
    return n && !n->plain && n->count + count <= q->node_elements &&
           listpack_bytes(node_lp(n)) + bytes <= q->node_bytes;
}

static void must(enum status status)
{
    ASSERT(status == STATUS_OK); /* node_bytes is far below a listpack's limit */
}

/* A node of one element. */
static struct quicklist_node *single_new(const struct quicklist *q, struct view text)
{
    if (wants_plain(q, text)) return node_new(plain_new(text), true, 1);
    uint8_t *lp = listpack_new(0);
    must(listpack_append(&lp, text));
    return node_new(lp, false, 1);
}

/* ---- life ---- */

struct quicklist *quicklist_new(int node_limit, int depth)
{
    struct quicklist *q = mem_zalloc(sizeof(*q));
    q->node_bytes = NODE_BYTES_DEFAULT;
    q->node_elements = NODE_ELEMENTS_MAX;
    if (node_limit < 0)
        q->node_bytes = (uint32_t)2048 << MIN(5u, 0u - (unsigned)node_limit);
    else
        q->node_elements = (uint32_t)MIN(MAX(node_limit, 1), NODE_LIMIT_MAX);
    q->depth = (uint32_t)MIN(MAX(depth, 0), DEPTH_MAX);
    return q;
}

void quicklist_free(struct quicklist *q)
{
    for (struct quicklist_node *n = q->first, *next; n; n = next) {
        next = n->next;
        mem_free(n->block);
        mem_free(n);
    }
    mem_free(q);
}

struct quicklist *quicklist_copy(const struct quicklist *q)
{
    struct quicklist *copy = mem_alloc(sizeof(*copy));
    *copy = *q;
    copy->first = copy->last = NULL;
    copy->count = copy->nodes = 0;
    for (const struct quicklist_node *n = q->first; n; n = n->next) {
        size_t bytes = n->compressed ? COMPRESSED_HEAD_BYTES + load_u32(n->block)
                                     : block_bytes(n->plain, node_lp(n));
        struct quicklist_node *c = node_new(mem_alloc(bytes), n->plain, n->count);
        memcpy(c->block, node_lp(n), bytes);
        c->compressed = n->compressed;
        chain_add(copy, copy->last, c);
    }
    return copy;
}

size_t quicklist_count(const struct quicklist *q)
{
    return q->count;
}

size_t quicklist_nodes(const struct quicklist *q)
{
    return q->nodes;
}

int quicklist_node_limit(const struct quicklist *q)
{
    if (q->node_elements < NODE_ELEMENTS_MAX) return (int)q->node_elements;
    return 11 - __builtin_ctz(q->node_bytes); /* -1 is 4 KB */
}

int quicklist_depth(const struct quicklist *q)
{
    return (int)q->depth;
}

size_t quicklist_memory(const struct quicklist *q, size_t samples)
{
    size_t looked = 0, bytes = 0;
    for (const struct quicklist_node *n = q->first; n && looked < samples; n = n->next) {
        bytes += mem_usable(n) + mem_usable(n->block);
        looked++;
    }
    if (looked) bytes = (size_t)((double)bytes / (double)looked * (double)q->nodes);
    return mem_usable(q) + bytes;
}

/* ---- ends ---- */

/* Bytes that a packed node's block has room for at an end. */
static size_t room_at(const struct quicklist_node *n, enum quicklist_end end)
{
    if (end == QUICKLIST_FIRST) return n->lead;
    size_t used = n->lead + listpack_bytes(node_lp(n));
    return n->capacity > used ? n->capacity - used : 0;
}

static size_t capacity_of(const uint8_t *block)
{
    return MIN(mem_usable(block), CAPACITY_MAX);
}

/* Gives a packed node a block of at least `capacity` bytes, with all free ones at `end`. */
static void node_lay_out(struct quicklist_node *n, size_t capacity, enum quicklist_end end)
{
    size_t bytes = listpack_bytes(node_lp(n));
    uint8_t *block = mem_alloc(capacity);
    capacity = capacity_of(block);
    size_t lead = end == QUICKLIST_FIRST ? capacity - bytes : 0;
    memcpy(block + lead, node_lp(n), bytes);
    mem_free(n->block);
    n->block = block;
    n->lead = lead;
    n->capacity = capacity;
}

/* The block for `bytes` at an end. */
static size_t capacity_for(size_t bytes)
{
    return bytes < ROOM_MIN_BYTES ? bytes : bytes + bytes / 4;
}

/* Makes room for `more` bytes at an end. The block is left as it is if it has room elsewhere, and
 * enough of it for the move to pay. */
static void node_make_room(struct quicklist_node *n, size_t more, enum quicklist_end end)
{
    uint8_t *lp = node_lp(n);
    size_t bytes = listpack_bytes(lp), wanted = capacity_for(bytes + more);
    if (n->capacity == 0) n->capacity = capacity_of(n->block);
    if (n->capacity < wanted) {
        node_lay_out(n, wanted, end);
        return;
    }
    size_t lead = end == QUICKLIST_FIRST ? n->capacity - bytes : 0;
    memmove(n->block + lead, lp, bytes);
    n->lead = lead;
}

/* Gives back room of which there is much. */
static void node_give_room(struct quicklist_node *n, enum quicklist_end end)
{
    size_t wanted = capacity_for(listpack_bytes(node_lp(n)));
    if (n->capacity == 0) n->capacity = capacity_of(n->block);
    if (n->capacity / 3 * 2 > wanted) node_lay_out(n, wanted, end);
}

/* Gives back all room of a node that won't be an end any more. */
static void node_trim_room(struct quicklist_node *n)
{
    if (!n || n->plain || n->compressed) return;
    node_open(n);
    listpack_shrink(&n->block);
}

/* Adds an element to a packed node if it has room. */
static bool push_within(struct quicklist_node *n, enum quicklist_end end, struct view text,
                        size_t limit)
{
    uint8_t *lp = node_lp(n);
    size_t room = MIN(room_at(n, end), limit);
    if (end == QUICKLIST_LAST) return listpack_append_within(lp, text, room);
    uint8_t *fresh = listpack_prepend_within(lp, text, room);
    if (fresh) n->lead = (uint64_t)(fresh - n->block);
    return fresh != NULL;
}

/* Adds an element to the node at an end; false if it can't take it. */
static bool push_to(struct quicklist *q, struct quicklist_node *n, enum quicklist_end end,
                    struct view text)
{
    if (!n || n->plain || n->count >= q->node_elements || must_be_plain(text)) return false;
    size_t bytes = listpack_bytes(node_lp(n));
    size_t limit = q->node_bytes > bytes ? q->node_bytes - bytes : 0;
    if (unlikely(!push_within(n, end, text, limit))) {
        size_t more = listpack_entry_bytes(text);
        if (more > limit) return false;
        node_make_room(n, more, end);
        ASSERT(push_within(n, end, text, limit));
    }
    n->count++;
    q->count++;
    return true;
}

/* A node of one element that will be pushed to beyond `full`, the node at that end until now. */
static struct quicklist_node *end_new(const struct quicklist *q, const struct quicklist_node *full,
                                      enum quicklist_end end, struct view text)
{
    struct quicklist_node *n = single_new(q, text);
    if (q->nodes < NODES_MANY || full->plain || n->plain) return n;
    size_t wanted = q->node_bytes;
    if (full->count >= q->node_elements) wanted = listpack_bytes(node_lp(full));
    if (wanted > listpack_bytes(node_lp(n))) node_lay_out(n, wanted, end);
    return n;
}

void quicklist_push(struct quicklist *q, enum quicklist_end end, struct view text)
{
    struct quicklist_node *n = end_node(q, end);
    if (likely(push_to(q, n, end, text))) return;
    struct quicklist_node *fresh = end_new(q, n, end, text);
    if (q->nodes > 1) node_trim_room(n);
    chain_add(q, end == QUICKLIST_FIRST ? NULL : q->last, fresh);
    settle_ends(q);
}

struct view quicklist_peek(const struct quicklist *q, enum quicklist_end end,
                           char buf[static NUM_I64_LEN])
{
    const struct quicklist_node *n = end_node(q, end);
    if (n->plain) return plain_view(n->block);
    const uint8_t *lp = node_lp(n);
    return listpack_get_view(end == QUICKLIST_FIRST ? listpack_first(lp) : listpack_last(lp),
                             buf);
}

void quicklist_drop(struct quicklist *q, enum quicklist_end end)
{
    struct quicklist_node *n = end_node(q, end);
    if (n->count == 1) {
        chain_remove(q, n);
        settle_ends(q);
        return;
    }
    if (end == QUICKLIST_FIRST) {
        n->lead = (uint64_t)(listpack_drop_first(node_lp(n)) - n->block);
    } else {
        listpack_drop_last(node_lp(n));
    }
    n->count--;
    q->count--;
    node_give_room(n, end);
}

/* ---- by index ---- */

/* The node that holds the element `index`, and where in it: the nodes are walked from the nearer
 * end. */
static struct quicklist_node *node_at(const struct quicklist *q, size_t index, size_t *at_out)
{
    struct quicklist_node *n;
    if (index < q->count / 2) {
        for (n = q->first; index >= n->count; n = n->next) index -= n->count;
        *at_out = index;
        return n;
    }
    size_t behind = q->count - 1 - index; /* elements behind the one that is sought */
    for (n = q->last; behind >= n->count; n = n->prev) behind -= n->count;
    *at_out = n->count - 1 - behind;
    return n;
}

/* Splits an open, packed node in front of its element `at`, which isn't its first: the rest is a
 * node of its own behind it. */
static void split(struct quicklist *q, struct quicklist_node *n, size_t at)
{
    size_t moved = n->count - at;
    uint8_t *rest = listpack_copy(n->block);
    listpack_delete_at(&rest, 0, at);
    listpack_delete_at(&n->block, (int64_t)at, moved);
    n->count = at;
    q->count -= moved;
    chain_add(q, n, node_new(rest, false, moved));
}

/* Bytes of a packed node when it isn't compressed. */
static size_t packed_bytes(const struct quicklist_node *n)
{
    return n->compressed ? load_u32(n->block + 4) : listpack_bytes(node_lp(n));
}

/* Moves the elements of b, a's successor, to the end of a if they fill half of a node at most:
 * what removals and splits leave doesn't stay in pieces. True if b is gone; a is open then. */
static bool try_merge(struct quicklist *q, struct quicklist_node *a, struct quicklist_node *b)
{
    if (!a || !b || a->plain || b->plain) return false;
    if (packed_bytes(a) + packed_bytes(b) > q->node_bytes / 2) return false;
    if ((size_t)a->count + b->count > (q->node_elements + 1) / 2) return false;
    char buf[NUM_I64_LEN];
    node_open(a);
    node_open(b);
    for (const uint8_t *pos = listpack_first(b->block); pos; pos = listpack_next(b->block, pos))
        must(listpack_append(&a->block, listpack_get_view(pos, buf)));
    a->count += b->count;
    q->count += b->count;
    chain_remove(q, b);
    return true;
}

/* Removes `count` elements of a node that has more. */
static void node_trim(struct quicklist *q, struct quicklist_node *n, size_t at, size_t count)
{
    node_open(n);
    listpack_delete_at(&n->block, (int64_t)at, count);
    n->count -= count;
    q->count -= count;
}

void quicklist_remove(struct quicklist *q, size_t start, size_t count)
{
    if (start >= q->count || count == 0) return;
    count = MIN(count, q->count - start);
    size_t at, nodes = q->nodes;
    struct quicklist_node *n = node_at(q, start, &at);
    while (count) {
        struct quicklist_node *next = n->next;
        size_t here = MIN(count, n->count - at);
        if (here == n->count) {
            chain_remove(q, n);
        } else {
            node_trim(q, n, at, here);
            settle_node(q, n);
        }
        count -= here;
        at = 0;
        n = next;
    }
    if (q->nodes != nodes) settle_ends(q);
}

static void node_insert(struct quicklist *q, struct quicklist_node *n, size_t at,
                        struct view text)
{
    if (at == n->count) {
        must(listpack_append(&n->block, text));
    } else {
        uint8_t *pos = listpack_seek(n->block, (int64_t)at);
        must(listpack_insert(&n->block, &pos, LISTPACK_BEFORE, text));
    }
    n->count++;
    q->count++;
    settle_node(q, n);
}

/* Puts a node of its own in front of element `at` of n. */
static void insert_single(struct quicklist *q, struct quicklist_node *n, size_t at,
                          struct view text)
{
    struct quicklist_node *single = single_new(q, text), *next = n;
    if (at > 0) {
        split(q, n, at);
        next = n->next;
    }
    struct quicklist_node *prev = next->prev;
    chain_add(q, prev, single);
    bool next_gone = try_merge(q, single, next), single_gone = try_merge(q, prev, single);
    settle_ends(q);
    if (prev) settle_node(q, prev);
    if (!single_gone) settle_node(q, single);
    if (!next_gone) settle_node(q, next);
}

void quicklist_insert(struct quicklist *q, size_t index, struct view text)
{
    if (index == 0 || index == q->count) {
        quicklist_push(q, index == 0 ? QUICKLIST_FIRST : QUICKLIST_LAST, text);
        return;
    }
    size_t at, bytes = must_be_plain(text) ? q->node_bytes : listpack_entry_bytes(text);
    struct quicklist_node *n = node_at(q, index, &at);
    node_open(n);
    if (has_room(q, n, bytes, 1)) {
        node_insert(q, n, at, text);
        return;
    }
    if (at == 0) {
        node_open(n->prev);
        if (has_room(q, n->prev, bytes, 1)) {
            node_insert(q, n->prev, n->prev->count, text);
            settle_node(q, n);
            return;
        }
    }
    insert_single(q, n, at, text);
}

/* Bytes of the entry at `pos` of a listpack. */
static size_t entry_bytes_at(const uint8_t *lp, const uint8_t *pos)
{
    const uint8_t *next = listpack_next(lp, pos);
    return (size_t)((next ? next : lp + listpack_bytes(lp) - 1) - pos);
}

static void set_only(struct quicklist *q, struct quicklist_node *n, struct view text)
{
    struct quicklist_node *fresh = single_new(q, text);
    mem_free(n->block);
    n->lead = 0;
    n->capacity = 0;
    n->block = fresh->block;
    n->plain = fresh->plain;
    n->compressed = false;
    mem_free(fresh);
}

void quicklist_set(struct quicklist *q, size_t index, struct view text)
{
    size_t at;
    struct quicklist_node *n = node_at(q, index, &at);
    if (n->count == 1) {
        set_only(q, n, text);
        settle_node(q, n);
        return;
    }
    node_open(n);
    uint8_t *pos = listpack_seek(n->block, (int64_t)at);
    size_t others = listpack_bytes(n->block) - entry_bytes_at(n->block, pos);
    if (must_be_plain(text) || others + listpack_entry_bytes(text) > q->node_bytes) {
        quicklist_remove(q, index, 1);
        quicklist_insert(q, index, text);
        return;
    }
    must(listpack_replace(&n->block, &pos, text));
    settle_node(q, n);
}

/* ---- removal by text ---- */

/* Deletes the matches from the `skip`th on, `count` of them. */
static void delete_matches(uint8_t **lp, struct view text, size_t skip, size_t count)
{
    uint8_t *pos = listpack_first(*lp);
    while (count && (pos = listpack_find(*lp, pos, text, 0))) {
        if (skip) {
            skip--;
            pos = listpack_next(*lp, pos);
            continue;
        }
        listpack_delete(lp, &pos, 1);
        count--;
    }
}

/* The same by copying what stays. Takes the listpack. */
static uint8_t *without_matches(uint8_t *lp, struct view text, size_t skip, size_t count)
{
    char buf[NUM_I64_LEN];
    uint8_t *kept = listpack_new(listpack_bytes(lp));
    for (const uint8_t *pos = listpack_first(lp); pos; pos = listpack_next(lp, pos)) {
        bool drop = count && listpack_equals(pos, text);
        if (drop && skip == 0) {
            count--;
            continue;
        }
        if (drop) skip--;
        must(listpack_append(&kept, listpack_get_view(pos, buf)));
    }
    mem_free(lp);
    listpack_shrink(&kept);
    return kept;
}

/* Removes the first or last `limit` matches of an open node, unless nothing would be left. The
 * node's count is the caller's to change. Each deletion moves the bytes behind it, so that many
 * of them would take quadratic time. */
static size_t remove_in_node(struct quicklist_node *n, struct view text, size_t limit,
                             enum quicklist_end from)
{
    if (n->plain) return view_eq(plain_view(n->block), text);
    size_t matches = 0;
    const uint8_t *pos = listpack_first(n->block);
    while ((pos = listpack_find(n->block, pos, text, 0))) {
        matches++;
        pos = listpack_next(n->block, pos);
    }
    size_t count = MIN(matches, limit), skip = from == QUICKLIST_FIRST ? 0 : matches - count;
    if (count == 0 || count == n->count) return count;
    if (count <= DELETIONS_MAX)
        delete_matches(&n->block, text, skip, count);
    else
        n->block = without_matches(n->block, text, skip, count);
    return count;
}

/* After removals all over: pieces are joined, and what was opened is settled. */
static void compact(struct quicklist *q)
{
    for (struct quicklist_node *n = q->first; n; n = n->next) {
        while (try_merge(q, n, n->next)) continue;
        settle_node(q, n);
    }
    settle_ends(q);
}

size_t quicklist_remove_equal(struct quicklist *q, struct view text, size_t limit,
                              enum quicklist_end from)
{
    size_t removed = 0;
    for (struct quicklist_node *n = end_node(q, from), *next; n && removed < limit; n = next) {
        next = neighbour(n, from);
        bool was_compressed = n->compressed;
        node_open(n);
        size_t here = remove_in_node(n, text, limit - removed, from);
        removed += here;
        if (here == n->count) {
            chain_remove(q, n);
            continue;
        }
        n->count -= here;
        q->count -= here;
        if (was_compressed) node_compress(n);
    }
    if (removed) compact(q);
    return removed;
}

/* ---- walks ---- */

static void iter_enter(struct quicklist_iter *it, const struct quicklist_node *n)
{
    mem_free(it->unpacked);
    it->unpacked = NULL;
    it->node = n;
    it->pos = NULL;
    it->left_in_node = n ? n->count : 0;
    if (!n) return;
    if (n->compressed) it->unpacked = unpack(n);
    it->block = it->unpacked ? it->unpacked : node_lp(n);
    if (n->plain) return;
    it->pos = it->from == QUICKLIST_FIRST ? listpack_first(it->block) : listpack_last(it->block);
}

void quicklist_iter_init(struct quicklist_iter *it, const struct quicklist *q, size_t index,
                         enum quicklist_end from)
{
    *it = (struct quicklist_iter){.q = q, .from = from};
    if (index >= q->count) return;
    size_t at;
    const struct quicklist_node *n = node_at(q, index, &at);
    iter_enter(it, n);
    it->left_in_node = from == QUICKLIST_FIRST ? n->count - at : at + 1;
    if (!n->plain) it->pos = listpack_seek(it->block, (int64_t)at);
}

bool quicklist_next(struct quicklist_iter *it, struct quicklist_entry *out)
{
    if (it->left_in_node == 0) {
        if (!it->node) return false;
        iter_enter(it, neighbour(it->node, it->from));
        if (!it->node) return false;
    }
    it->left_in_node--;
    out->pos = it->pos;
    if (!it->pos) {
        out->text = plain_view(it->block);
        return true;
    }
    if (it->left_in_node)
        it->pos = it->from == QUICKLIST_FIRST ? listpack_next(it->block, it->pos)
                                              : listpack_prev(it->block, it->pos);
    return true;
}

void quicklist_iter_end(struct quicklist_iter *it)
{
    mem_free(it->unpacked);
    it->unpacked = NULL;
}

struct view quicklist_entry_view(const struct quicklist_entry *e, char buf[static NUM_I64_LEN])
{
    return e->pos ? listpack_get_view(e->pos, buf) : e->text;
}

bool quicklist_entry_equals(const struct quicklist_entry *e, struct view text)
{
    return e->pos ? listpack_equals(e->pos, text) : view_eq(e->text, text);
}

void quicklist_each_block(const struct quicklist *q, quicklist_block_fn *fn, void *ctx)
{
    for (const struct quicklist_node *n = q->first; n; n = n->next) {
        uint8_t *unpacked = n->compressed ? unpack(n) : NULL;
        const uint8_t *block = unpacked ? unpacked : node_lp(n);
        if (n->plain)
            fn(ctx, plain_view(block), true);
        else
            fn(ctx, view_of((const char *)block, listpack_bytes(block)), false);
        mem_free(unpacked);
    }
}

/* ---- the tests' look ---- */

static bool node_is_sound(const struct quicklist *q, const struct quicklist_node *n)
{
    bool sound = n->count > 0 && (n->prev ? n->prev->next : q->first) == n &&
                 (n->next ? n->next->prev : q->last) == n;
    if (n->compressed && (q->depth == 0 || !is_inner(q, n))) return false;
    uint8_t *unpacked = n->compressed ? unpack(n) : NULL;
    const uint8_t *block = unpacked ? unpacked : node_lp(n);
    size_t bytes = block_bytes(n->plain, block);
    sound &= n->lead == 0 || (!n->plain && !n->compressed && (!n->prev || !n->next));
    sound &= n->capacity == 0 || (n->lead + bytes <= n->capacity && !n->plain && !n->compressed &&
                                  n->capacity <= mem_usable(n->block));
    if (n->plain)
        sound &= n->count == 1 && bytes > q->node_bytes / 2;
    else
        sound &= listpack_validate(block, bytes, 1) && listpack_count(block) == n->count &&
                 bytes <= q->node_bytes && n->count <= q->node_elements;
    if (q->depth && !n->compressed && is_inner(q, n) && bytes >= COMPRESS_MIN_BYTES) {
        uint8_t *room = mem_alloc(bytes);
        unsigned room_bytes = (unsigned)(bytes - COMPRESS_SAVES_BYTES - COMPRESSED_HEAD_BYTES);
        sound &= lzf_compress(block, (unsigned)bytes, room, room_bytes) == 0;
        mem_free(room);
    }
    mem_free(unpacked);
    return sound;
}

bool quicklist_is_sound(const struct quicklist *q)
{
    size_t count = 0, nodes = 0;
    for (const struct quicklist_node *n = q->first; n; n = n->next) {
        if (!node_is_sound(q, n)) return false;
        count += n->count;
        nodes++;
    }
    return count == q->count && nodes == q->nodes;
}
