/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ordered map of ids; the idea is in idmap.h.
 *
 * Chunks double from 4 slots, so that the many maps of one or two ids stay small. A full chunk in
 * the middle is halved; a chunk that has become small enough is joined with its neighbour.
 */
#include "ds/idmap.h"

#include <string.h>

#include "base/mem.h"

#define CHUNK_MIN 4

/* ---- positions ---- */

struct idmap_pos idmap_first(const struct idmap *m)
{
    return (struct idmap_pos){.chunk = m->begin};
}

struct idmap_pos idmap_last(const struct idmap *m)
{
    if (m->begin == m->end) return (struct idmap_pos){.chunk = m->end};
    return (struct idmap_pos){.chunk = m->end - 1, .slot = m->chunks[m->end - 1]->count - 1u};
}

struct idmap_pos idmap_next(const struct idmap *m, struct idmap_pos pos)
{
    if (++pos.slot < m->chunks[pos.chunk]->count) return pos;
    return (struct idmap_pos){.chunk = pos.chunk + 1};
}

struct idmap_pos idmap_prev(const struct idmap *m, struct idmap_pos pos)
{
    if (pos.slot) {
        pos.slot--;
        return pos;
    }
    if (pos.chunk == m->begin) return (struct idmap_pos){.chunk = m->end};
    return (struct idmap_pos){.chunk = pos.chunk - 1,
                              .slot = m->chunks[pos.chunk - 1]->count - 1u};
}

/* The last chunk that begins at or below the id; the first one if none does. Not empty. */
static size_t chunk_of(const struct idmap *m, struct idmap_id id)
{
    size_t low = m->begin, high = m->end - 1;
    if (idmap_compare(m->chunks[high]->slots[0].id, id) <= 0) return high;
    while (low < high) { /* the answer is in [low, high) or low == begin */
        size_t middle = low + (high - low) / 2;
        if (idmap_compare(m->chunks[middle]->slots[0].id, id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > m->begin ? low - 1 : low;
}

/* The first slot of a chunk whose id isn't below `id`; its count if there is none. */
static size_t slot_from(const struct idmap_chunk *c, struct idmap_id id)
{
    size_t low = 0, high = c->count;
    if (idmap_compare(c->slots[high - 1].id, id) < 0) return high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (idmap_compare(c->slots[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct idmap_pos idmap_from(const struct idmap *m, struct idmap_id id)
{
    if (m->count == 0) return idmap_first(m);
    struct idmap_pos pos = {.chunk = chunk_of(m, id)};
    pos.slot = slot_from(m->chunks[pos.chunk], id);
    if (pos.slot == m->chunks[pos.chunk]->count) {
        pos.chunk++;
        pos.slot = 0;
    }
    return pos;
}

struct idmap_pos idmap_upto(const struct idmap *m, struct idmap_id id)
{
    if (m->count == 0) return idmap_first(m);
    struct idmap_pos pos = idmap_from(m, id);
    const struct idmap_slot *slot = idmap_at(m, pos);
    if (!slot) return idmap_last(m);
    return idmap_compare(slot->id, id) == 0 ? pos : idmap_prev(m, pos);
}

struct idmap_slot *idmap_find(const struct idmap *m, struct idmap_id id)
{
    if (m->count == 0) return NULL;
    struct idmap_slot *slot = idmap_at(m, idmap_from(m, id));
    return slot && idmap_compare(slot->id, id) == 0 ? slot : NULL;
}

/* ---- the directory ---- */

/* Opens a gap for a chunk at index `at`, and returns where it is now. */
static size_t directory_open(struct idmap *m, size_t at)
{
    size_t count = m->end - m->begin;
    if (m->end == m->capacity) {
        /* A margin at the front that is worth it is used up before anything grows. */
        size_t margin = m->begin;
        if (margin > count / 2) {
            memmove(m->chunks, m->chunks + m->begin, count * sizeof(*m->chunks));
            m->begin = 0;
            m->end = count;
            at -= margin;
        } else {
            m->capacity = MAX(m->capacity * 2, (size_t)1);
            m->chunks = mem_realloc(m->chunks, m->capacity * sizeof(*m->chunks));
        }
    }
    memmove(m->chunks + at + 1, m->chunks + at, (m->end - at) * sizeof(*m->chunks));
    m->end++;
    return at;
}

static void directory_close(struct idmap *m, size_t at)
{
    mem_free(m->chunks[at]);
    if (at == m->begin) {
        m->begin++;
    } else {
        memmove(m->chunks + at, m->chunks + at + 1, (m->end - at - 1) * sizeof(*m->chunks));
        m->end--;
    }
    size_t count = m->end - m->begin;
    if (count == 0) {
        mem_free(m->chunks);
        *m = (struct idmap){0};
    } else if (m->capacity > 64 && count < m->capacity / 4) {
        memmove(m->chunks, m->chunks + m->begin, count * sizeof(*m->chunks));
        m->begin = 0;
        m->end = count;
        m->capacity /= 2;
        m->chunks = mem_realloc(m->chunks, m->capacity * sizeof(*m->chunks));
    }
}

static struct idmap_chunk *chunk_resize(struct idmap_chunk *c, size_t capacity)
{
    c = mem_realloc(c, sizeof(*c) + capacity * sizeof(c->slots[0]));
    c->capacity = (uint16_t)capacity;
    return c;
}

static struct idmap_chunk *chunk_new(size_t capacity)
{
    struct idmap_chunk *c = chunk_resize(NULL, capacity);
    c->count = 0;
    return c;
}

/* ---- change ---- */

static void chunk_insert(struct idmap_chunk *c, size_t at, struct idmap_slot slot)
{
    memmove(c->slots + at + 1, c->slots + at, (c->count - at) * sizeof(slot));
    c->slots[at] = slot;
    c->count++;
}

/* Moves the upper half of a chunk into a new one behind it; returns the chunk's index. */
static size_t chunk_halve(struct idmap *m, size_t at)
{
    size_t behind = directory_open(m, at + 1);
    struct idmap_chunk *c = m->chunks[behind - 1], *half = chunk_new(IDMAP_CHUNK_MAX);
    half->count = c->count / 2;
    c->count = (uint16_t)(c->count - half->count);
    memcpy(half->slots, c->slots + c->count, half->count * sizeof(half->slots[0]));
    m->chunks[behind] = half;
    return behind - 1;
}

static void add_chunk_at_end(struct idmap *m, struct idmap_slot slot)
{
    size_t at = directory_open(m, m->end);
    /* Behind a full chunk more will follow; the first chunk of a map may stay alone. */
    m->chunks[at] = chunk_new(m->count ? IDMAP_CHUNK_MAX : CHUNK_MIN);
    chunk_insert(m->chunks[at], 0, slot);
}

bool idmap_add(struct idmap *m, struct idmap_id id, void *ptr)
{
    struct idmap_slot fresh = {id, ptr};
    if (m->count == 0) {
        add_chunk_at_end(m, fresh);
        m->count = 1;
        return true;
    }
    size_t at = chunk_of(m, id);
    struct idmap_chunk *c = m->chunks[at];
    size_t slot = slot_from(c, id);
    if (slot < c->count && idmap_compare(c->slots[slot].id, id) == 0) return false;
    if (c->count == IDMAP_CHUNK_MAX) {
        if (at == m->end - 1 && slot == c->count) {
            add_chunk_at_end(m, fresh);
            m->count++;
            return true;
        }
        at = chunk_halve(m, at);
        if (slot > m->chunks[at]->count) {
            slot -= m->chunks[at]->count;
            at++;
        }
    } else if (c->count == c->capacity) {
        m->chunks[at] = chunk_resize(c, MIN(c->capacity * (size_t)2, (size_t)IDMAP_CHUNK_MAX));
    }
    chunk_insert(m->chunks[at], slot, fresh);
    m->count++;
    return true;
}

/* Joins a small chunk with the one behind it, if both fit into half of one. */
static void chunk_join(struct idmap *m, size_t at)
{
    if (at + 1 >= m->end) return;
    struct idmap_chunk *c = m->chunks[at], *next = m->chunks[at + 1];
    size_t sum = (size_t)c->count + next->count;
    if (sum > IDMAP_CHUNK_MAX / 2) return;
    if (sum > c->capacity) m->chunks[at] = c = chunk_resize(c, IDMAP_CHUNK_MAX);
    memcpy(c->slots + c->count, next->slots, next->count * sizeof(next->slots[0]));
    c->count = (uint16_t)sum;
    directory_close(m, at + 1);
}

void *idmap_remove(struct idmap *m, struct idmap_id id)
{
    if (m->count == 0) return NULL;
    size_t at = chunk_of(m, id);
    struct idmap_chunk *c = m->chunks[at];
    size_t slot = slot_from(c, id);
    if (slot == c->count || idmap_compare(c->slots[slot].id, id) != 0) return NULL;
    void *ptr = c->slots[slot].ptr;
    c->count--;
    m->count--;
    memmove(c->slots + slot, c->slots + slot + 1, (c->count - slot) * sizeof(c->slots[0]));
    if (c->count == 0)
        directory_close(m, at);
    else if (c->count < IDMAP_CHUNK_MAX / 4)
        chunk_join(m, at);
    return ptr;
}

void idmap_clear(struct idmap *m)
{
    for (size_t i = m->begin; i < m->end; i++) mem_free(m->chunks[i]);
    mem_free(m->chunks);
    *m = (struct idmap){0};
}

size_t idmap_memory(const struct idmap *m, size_t samples)
{
    size_t chunks = m->end - m->begin, look = MIN(samples, chunks), bytes = 0;
    for (size_t i = 0; i < look; i++) bytes += mem_usable(m->chunks[m->begin + chunks / look * i]);
    if (look) bytes = (size_t)((double)bytes / (double)look * (double)chunks);
    return bytes + (m->chunks ? mem_usable(m->chunks) : 0);
}
