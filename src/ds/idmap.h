/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map from 128-bit ids to pointers, in the order of the ids: a stream's blocks, and the
 * entries that a consumer group has delivered and nobody has acknowledged.
 *
 * Two levels of sorted arrays: a directory of chunks, each with up to IDMAP_CHUNK_MAX slots. A
 * search is two binary searches; an id behind all others goes to the end of the last chunk, and
 * when that is full to a new one, so that a map that grows at its end has full chunks. Ids leave
 * mostly at the front, where the directory has a margin. The worst case, a chunk that comes or
 * goes in the middle of a million, moves two megabytes.
 *
 * A radix tree, as stock has it, spends a node of a few dozen bytes on each id, since ids differ
 * in their last bytes, and follows a pointer a byte. A B+ tree would save the long move in the
 * middle of huge maps, which streams don't do often enough to pay for its code.
 *
 * Positions are void after every change. One thread at a time.
 */
#ifndef DS_IDMAP_H
#define DS_IDMAP_H

#include "base/macros.h"

struct idmap_id {
    uint64_t high, low;
};

struct idmap_slot {
    struct idmap_id id;
    void *ptr;
};

/* So many fill a size class of the allocator: 1,520 bytes of 1,536. */
#define IDMAP_CHUNK_MAX 63

struct idmap_chunk {
    uint16_t count, capacity;
    struct idmap_slot slots[];
};

/* Zero-initialised is empty. */
struct idmap {
    struct idmap_chunk **chunks; /* the directory's allocation */
    size_t begin, end, capacity; /* chunks[begin] … chunks[end - 1] are in use, none is empty */
    size_t count;
};

/* A place in the order; past either end it has no slot. */
struct idmap_pos {
    size_t chunk;
    size_t slot;
};

/* Negative, 0 or positive. */
static inline int idmap_compare(struct idmap_id a, struct idmap_id b)
{
    if (a.high != b.high) return a.high < b.high ? -1 : 1;
    return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}

/* The slot at a position, NULL past the ends; its pointer may be changed, its id may not. */
static inline struct idmap_slot *idmap_at(const struct idmap *m, struct idmap_pos pos)
{
    if (pos.chunk < m->begin || pos.chunk >= m->end) return NULL;
    return &m->chunks[pos.chunk]->slots[pos.slot];
}

/* Position of the first slot, the last one, the first whose id isn't below `id`, the last whose
 * id isn't above it. */
struct idmap_pos idmap_first(const struct idmap *m);
struct idmap_pos idmap_last(const struct idmap *m);
struct idmap_pos idmap_from(const struct idmap *m, struct idmap_id id);
struct idmap_pos idmap_upto(const struct idmap *m, struct idmap_id id);

/* Neighbours of a position that has a slot. */
struct idmap_pos idmap_next(const struct idmap *m, struct idmap_pos pos);
struct idmap_pos idmap_prev(const struct idmap *m, struct idmap_pos pos);

/* The slot of an id, or NULL. O(log n). */
struct idmap_slot *idmap_find(const struct idmap *m, struct idmap_id id);

/* Adds an id; false, and nothing changed, if it is there. O(log n) and the moves. */
bool idmap_add(struct idmap *m, struct idmap_id id, void *ptr);

/* Removes an id and returns its pointer; NULL if there was none. */
void *idmap_remove(struct idmap *m, struct idmap_id id);

/* Frees everything but what the pointers point to; the map is empty. O(n / IDMAP_CHUNK_MAX). */
void idmap_clear(struct idmap *m);

/* Bytes of directory and chunks; at most `samples` chunks are looked at, and the others taken to be
 * like these. */
size_t idmap_memory(const struct idmap *m, size_t samples);

#endif
