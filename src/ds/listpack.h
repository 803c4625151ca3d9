/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listpack: a list of strings and integers in one run of bytes, the form of small hashes, of
 * list nodes and stream blocks, in memory as well as in RDB files, so its bytes are stock's.
 *
 *   +-----------+-----------+-------+-------+-- - --+------+
 *   | bytes u32 | count u16 | entry | entry |       | 0xFF |   little-endian
 *   +-----------+-----------+-------+-------+-- - --+------+
 *   `bytes` counts everything; `count` 65535 means "walk to know".
 *
 *   entry: encoding and data, then the length of both ("backlen"), readable from the right
 *
 *   0vvvvvvv                        unsigned 7-bit integer
 *   110vvvvv vvvvvvvv               signed 13-bit integer, high bits first
 *   F1 + 2, F2 + 3, F3 + 4, F4 + 8  signed integer of so many bytes, little-endian
 *   10llllll data                   string of up to 63 bytes
 *   1110llll llllllll data          string of up to 4,095 bytes, high bits first
 *   F0 + u32 length, data           string of any length
 *   backlen: 1 … 5 bytes of 7 bits, most significant first; all but the first have the top bit
 *
 * A text that num_parse_i64 accepts is stored as an integer, and a search compares numbers with
 * numbers and strings with strings. In bytes from elsewhere such a text may be a string; it is
 * found and read all the same.
 *
 * A listpack is a `uint8_t *` from the memory front, freed by mem_free. Writers may move it and
 * update the caller's pointer; every position into it is void then, but for the one they hand
 * back. A position is the address of an entry; NULL stands for "none". No listpack exceeds
 * LISTPACK_MAX_BYTES: writers return STATUS_LIMIT and change nothing.
 *
 * Bytes from outside go through listpack_validate first; all other functions trust them.
 * One thread at a time.
 */
#ifndef DS_LISTPACK_H
#define DS_LISTPACK_H

#include "base/macros.h"
#include "base/num.h"
#include "base/status.h"
#include "base/view.h"

#define LISTPACK_MAX_BYTES ((size_t)1 << 30)
#define LISTPACK_HEADER_BYTES 6
/* Bytes of a listpack without entries. */
#define LISTPACK_EMPTY_BYTES 7

/* An element: a borrowed string, or, if ptr is NULL, the integer num. */
struct listpack_value {
    const char *ptr;
    size_t len;
    int64_t num;
};

enum listpack_where { LISTPACK_BEFORE, LISTPACK_AFTER };

/* A new, empty listpack with room for `capacity` bytes in all (0: just what it needs). */
uint8_t *listpack_new(size_t capacity) MUST_CHECK;

/* A copy, trimmed to its size. */
uint8_t *listpack_copy(const uint8_t *lp) MUST_CHECK;

/* Gives back the room that listpack_new or removals left behind. */
void listpack_shrink(uint8_t **lp);

/* Makes it empty where it lies; its room stays. */
void listpack_clear(uint8_t *lp);

/* Bytes in all, header and terminator included. O(1). */
size_t listpack_bytes(const uint8_t *lp);

/* Number of elements. O(1) below 65,535, else O(n). */
size_t listpack_count(const uint8_t *lp);

static inline bool listpack_is_empty(const uint8_t *lp)
{
    return lp[LISTPACK_HEADER_BYTES] == 0xFF;
}

/*
 * Bytes that `text` would add, entry and backlen. What a limit on the size of a listpack is
 * checked against before anything is changed.
 */
size_t listpack_entry_bytes(struct view text);

/* First and last position, NULL if empty. O(1). */
uint8_t *listpack_first(const uint8_t *lp);
uint8_t *listpack_last(const uint8_t *lp);

/* Neighbours of a position, NULL past the end. O(1). */
uint8_t *listpack_next(const uint8_t *lp, const uint8_t *pos);
uint8_t *listpack_prev(const uint8_t *lp, const uint8_t *pos);

/* Position of an index, from the end when negative (-1 is the last); NULL when outside. O(n). */
uint8_t *listpack_seek(const uint8_t *lp, int64_t index);

/* The element at `pos`; a string is borrowed until the listpack changes. */
struct listpack_value listpack_get(const uint8_t *pos);

/* As listpack_get, as text: an integer is printed into `buf`. */
struct view listpack_get_view(const uint8_t *pos, char buf[static NUM_I64_LEN]);

/* The element as an integer, if its text is one. */
bool listpack_get_i64(const uint8_t *pos, int64_t *out);

/* Text of a value; an integer is printed into `buf`. */
struct view listpack_value_view(struct listpack_value value, char buf[static NUM_I64_LEN]);

/* Whether the element at `pos` has exactly this text. */
bool listpack_equals(const uint8_t *pos, struct view text);

/*
 * The first element equal to `text` at or behind `from`, looking at one element and passing
 * over the next `skip`, and so on: 0 looks at all, 1 at every other (the fields of a hash).
 * `from` may be NULL (nothing found). O(n), no text is built.
 */
uint8_t *listpack_find(const uint8_t *lp, const uint8_t *from, struct view text, unsigned skip);

/* Adds at the end or the front. STATUS_LIMIT changes nothing. O(1) at the end. */
enum status listpack_append(uint8_t **lp, struct view text) MUST_CHECK;
enum status listpack_append_i64(uint8_t **lp, int64_t value) MUST_CHECK;
enum status listpack_prepend(uint8_t **lp, struct view text) MUST_CHECK;

/*
 * Adds `count` elements at the end, all or none, with one growth: memory doubles while that is
 * below `room` bytes, since more such runs will follow (a stream's entries). A value's text must
 * not lie within the listpack. STATUS_LIMIT changes nothing.
 */
enum status listpack_append_all(uint8_t **lp, const struct listpack_value *values, size_t count,
                                size_t room) MUST_CHECK;

/*
 * At the ends, in memory that the caller lays out: nothing is allocated, and nothing moves but the
 * header. The adding ones change nothing if `room`, the free bytes ahead of the listpack or behind
 * it, doesn't suffice. O(1).
 */
/* Adds in front; returns the listpack, which begins earlier now, or NULL if room is lacking. */
uint8_t *listpack_prepend_within(uint8_t *lp, struct view text, size_t room) MUST_CHECK;
/* Adds at the end; false if room is lacking. */
bool listpack_append_within(uint8_t *lp, struct view text, size_t room) MUST_CHECK;
/* Removes the first element of a listpack that has one; returns it, beginning later now. */
uint8_t *listpack_drop_first(uint8_t *lp) MUST_CHECK;
/* Removes the last element of a listpack that has one. */
void listpack_drop_last(uint8_t *lp);

/*
 * Adds beside *pos, which is then the position of the new element. No text that is
 * added to a listpack may lie within it. STATUS_LIMIT changes nothing. O(bytes behind it).
 */
enum status listpack_insert(uint8_t **lp, uint8_t **pos, enum listpack_where where,
                            struct view text) MUST_CHECK;

/* Puts another element in the place of *pos, which stays the position of it. As insert. */
enum status listpack_replace(uint8_t **lp, uint8_t **pos, struct view text) MUST_CHECK;
enum status listpack_replace_i64(uint8_t **lp, uint8_t **pos, int64_t value) MUST_CHECK;

/*
 * Removes up to `count` elements from *pos on, which becomes the position of the one behind
 * them, or NULL at the end. O(bytes behind).
 */
void listpack_delete(uint8_t **lp, uint8_t **pos, size_t count);

/* As listpack_delete from an index as in listpack_seek; returns how many were removed. */
size_t listpack_delete_at(uint8_t **lp, int64_t index, size_t count);

/* Pairs: a hash or a map is a listpack of field, value, field, value … */

/* Position of the value that follows the field equal to `field`, or NULL. O(n). */
uint8_t *listpack_pair_find(const uint8_t *lp, struct view field);

/* Adds a field and its value at the end, with one growth. STATUS_LIMIT changes nothing. */
enum status listpack_pair_append(uint8_t **lp, struct view field, struct view value) MUST_CHECK;

/*
 * Reads the elements at `indexes` (ascending, repeats allowed, each below count/stride) of a
 * listpack seen as rows of `stride` elements, and hands the first element of each such row to
 * `fn`, with its position. One walk.
 */
void listpack_pick(const uint8_t *lp, unsigned stride, const size_t *indexes, size_t count,
                   void (*fn)(void *ctx, size_t nth, const uint8_t *pos), void *ctx);

/*
 * Whether `bytes` are a sound listpack: lengths, every entry, every backlen, the terminator and
 * the count. Whatever the bytes are, nothing outside of them is read. With a stride above 1 the
 * number of elements must be a multiple of it. O(len).
 */
bool listpack_validate(const uint8_t *bytes, size_t len, unsigned stride);

#endif
