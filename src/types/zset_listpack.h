/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The small form of a sorted set: a listpack of member and score by turns, in order. For zset.c
 * alone, which decides when a set is small. Everything is O(n). The holder of the data token.
 */
#ifndef TYPES_ZSET_LISTPACK_H
#define TYPES_ZSET_LISTPACK_H

#include "types/zset.h"

/* Position of a member, its rank (unless rank_out is NULL) and score; NULL if there is none. */
uint8_t *zset_lp_find(const uint8_t *lp, struct view member, size_t *rank_out, double *score_out);

/* Puts a member that isn't there in its place. The listpack is far from its limit. */
void zset_lp_insert(uint8_t **lp, struct view member, double score);

/* Adds a member that comes after all others. The listpack is far from its limit. */
void zset_lp_append(uint8_t **lp, struct view member, double score);

/* As zset_span. */
struct zset_span zset_lp_span(const uint8_t *lp, const struct zset_range *range);

/* As zset_walk. */
void zset_lp_walk(const uint8_t *lp, size_t first, size_t count, bool reverse, zset_visit_fn *fn,
                  void *ctx);

/* All members with their scores as they are stored. */
void zset_lp_scan(const uint8_t *lp, zset_scan_fn *fn, void *ctx);

/* As zset_draw. */
void zset_lp_draw(const uint8_t *lp, size_t count, zset_visit_fn *fn, void *ctx);

#endif
