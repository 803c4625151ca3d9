/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The compact forms that listpacks have replaced, for reading old files and payloads: ziplist and
 * zipmap. Both are read in one walk that trusts nothing, and hands each text to a function.
 *
 *   ziplist  bytes u32 | offset of the last entry u32 | count u16 | entries | FF     little-endian
 *     entry    length of the one before (1 byte, or FE + u32), encoding, data
 *     00llllll, 01llllll llllllll, 80 + u32 big-endian    string of so many bytes
 *     C0 + 2, D0 + 4, E0 + 8, F0 + 3, FE + 1              signed integer, little-endian
 *     F1 … FD                                             0 … 12
 *
 *   zipmap   count u8 (254: walk to know) | key length, key, value length, free u8, value, `free`
 *            bytes … | FF; a length is 1 byte, or FE + u32
 *
 * Nothing writes them. Any thread.
 */
#ifndef DS_ZIP_H
#define DS_ZIP_H

#include "base/status.h"
#include "base/view.h"

/* Called for each text, in order. Digits of integers lie in scratch that the next call reuses;
 * other texts lie in the bytes that are read. A status other than 0 ends the walk. */
typedef enum status zip_visit_fn(void *ctx, struct view text);

/* All elements of a ziplist. STATUS_SYNTAX: not a sound one; some may have been handed out. */
enum status zip_list_each(struct view bytes, zip_visit_fn *fn, void *ctx) MUST_CHECK;

/* Keys and values of a zipmap, alternately. As zip_list_each. */
enum status zip_map_each(struct view bytes, zip_visit_fn *fn, void *ctx) MUST_CHECK;

#endif
