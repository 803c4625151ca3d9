/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts that RDB files and DUMP payloads are made of, up to one value: lengths, texts, and
 * the bytes that name an encoding. These are facts of the format, versions 1 to 11; version 10 is
 * written. What a file has around its values is persist/rdb_format.h's.
 *
 *   length   00llllll                     up to 63
 *            01llllll llllllll            up to 16,383, high bits first
 *            80 + u32, 81 + u64           big-endian
 *   text     length, bytes
 *            C0 + i8, C1 + i16, C2 + i32  the digits of an integer, little-endian
 *            C3, length c, length n, c bytes of LZF that become n
 *
 * Whatever the bytes are, a reader reads nothing outside of them, and takes no more memory than
 * they can fill. What is not well-formed is STATUS_SYNTAX, always: a payload comes from a client.
 * One thread at a time.
 */
#ifndef TYPES_RDB_H
#define TYPES_RDB_H

#include "base/num.h"
#include "base/stream.h"
#include "types/value.h"

enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET_2 = 5, /* scores as little-endian doubles */
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14, /* of ziplists */
    RDB_STREAM_LISTPACKS = 15,
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_QUICKLIST_2 = 18, /* of listpacks and plain texts */
    RDB_STREAM_LISTPACKS_2 = 19,
    RDB_SET_LISTPACK = 20,     /* since version 11 */
    RDB_STREAM_LISTPACKS_3 = 21 /* since version 11 */
};

/* The type whose `load` reads what this byte names; NULL if it isn't known here. */
const struct type_ops *rdb_type_owner(uint8_t rdb_type);

/* ---- lengths ---- */

/* Writes a length. */
void rdb_write_length(struct stream_out *out, uint64_t n);

/* A length, not one of the special forms of texts. */
enum status rdb_read_length(struct stream_in *in, uint64_t *n_out) MUST_CHECK;

/* As rdb_read_length for a number of elements, each of which takes `least` bytes or more: more
 * than can follow is STATUS_SYNTAX, none at all is STATUS_NOT_FOUND. */
enum status rdb_read_count(struct stream_in *in, size_t least, size_t *n_out) MUST_CHECK;

/* How many of `count` elements, a number from outside, to make room for in advance. */
size_t rdb_reserve(size_t count);

/* ---- texts ---- */

/* A text: an integer's digits, LZF if out->compress and it gains something, else the bytes. */
void rdb_write_text(struct stream_out *out, struct view text);

/* An integer as a text. */
void rdb_write_int(struct stream_out *out, int64_t number);

/* A text that was read, with room that serves the next one too. Zero is initialised. */
struct rdb_text {
    struct view bytes; /* valid until the next use of this struct or of the stream */
    char *room;        /* owned */
    size_t room_bytes;
    char digits[NUM_I64_LEN];
};

enum status rdb_read_text(struct stream_in *in, struct rdb_text *text) MUST_CHECK;

/* As rdb_read_text; the bytes also stay while the stream is read on. */
enum status rdb_read_text_kept(struct stream_in *in, struct rdb_text *text) MUST_CHECK;

/* As rdb_read_text; the bytes become a block of their own from the memory front, the caller's. An
 * empty text, which no structure has, is STATUS_SYNTAX. */
enum status rdb_read_block(struct stream_in *in, uint8_t **block_out, size_t *len_out) MUST_CHECK;

/* Frees the room. */
void rdb_text_release(struct rdb_text *text);

/* Whether two of the hashes are equal. May change their order. */
bool rdb_has_duplicates(uint64_t *hashes, size_t count);

/* ---- save and load of the types: what their type_ops point at (types/value.h) ---- */

/* type_ops.rdb_type. */
uint8_t hash__rdb_type(struct value v);
/* type_ops.save. */
void hash__save(struct value v, struct stream_out *out);
/* type_ops.load. */
enum status hash__load(uint8_t rdb_type, struct stream_in *in, struct value *out);
/* type_ops.rdb_type. */
uint8_t list__rdb_type(struct value v);
/* type_ops.save. */
void list__save(struct value v, struct stream_out *out);
/* type_ops.load. */
enum status list__load(uint8_t rdb_type, struct stream_in *in, struct value *out);
/* type_ops.rdb_type. */
uint8_t set__rdb_type(struct value v);
/* type_ops.save. */
void set__save(struct value v, struct stream_out *out);
/* type_ops.load. */
enum status set__load(uint8_t rdb_type, struct stream_in *in, struct value *out);
/* type_ops.rdb_type. */
uint8_t zset__rdb_type(struct value v);
/* type_ops.save. */
void zset__save(struct value v, struct stream_out *out);
/* type_ops.load. */
enum status zset__load(uint8_t rdb_type, struct stream_in *in, struct value *out);
/* type_ops.rdb_type. */
uint8_t stream__rdb_type(struct value v);
/* type_ops.save. */
void stream__save(struct value v, struct stream_out *out);
/* type_ops.load. */
enum status stream__load(uint8_t rdb_type, struct stream_in *in, struct value *out);

#endif
