/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random choices out of a collection, for SPOP, SRANDMEMBER and their kin: k distinct of n places,
 * each subset as likely as any other, in time and memory bounded by the choice or by the
 * collection, whichever is smaller. What a collection is doesn't matter here: a place is a number
 * (an index, or an entry's address).
 *
 * Two ways, since neither is good at both ends. Few of many: draw and draw again what has been
 * drawn already, remembered in a set of words; with at most a third taken that is 1.5 draws an
 * element at worst. Many of few: one walk that takes each place with the odds that the rest of
 * the choice demands (selection sampling; Knuth, "The Art of Computer Programming" 2, 3.4.2 S).
 *
 * Draws come from base/random.h. The holder of the data token.
 */
#ifndef TYPES_PICK_H
#define TYPES_PICK_H

#include "base/macros.h"

/* A set of words, for remembering what was drawn. Open addressing, filled to a half at most. */
struct pick_seen {
    uint64_t *slots; /* 0 is empty; a word w is kept as w + 1 */
    size_t mask;
};

/* Room for `count` words. pick_seen_release frees it. */
void pick_seen_init(struct pick_seen *seen, size_t count);
void pick_seen_release(struct pick_seen *seen);

/* Remembers a word (never UINT64_MAX); false if it was there. */
bool pick_seen_add(struct pick_seen *seen, uint64_t word);

/* Few of many is worth its memory: `count` of `n` is at most a third. */
static inline bool pick_is_sparse(size_t count, size_t n)
{
    return count <= n / 3;
}

/* A walk over n places that takes `count` of them: init, then pick_next once a place. */
struct pick_walk {
    size_t places, wanted; /* still to come, still to be taken */
};

static inline void pick_walk_init(struct pick_walk *walk, size_t n, size_t count)
{
    *walk = (struct pick_walk){.places = n, .wanted = count < n ? count : n};
}

/* Whether this place is taken. */
bool pick_walk_next(struct pick_walk *walk);

#endif
