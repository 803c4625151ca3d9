/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DUMP payloads: one value, to be carried to another server.
 *
 *   type byte | value | version u16 | checksum u64 (base/crc64.h) of all before     little-endian
 *
 * Thread: the holder of the data token.
 */
#ifndef PERSIST_DUMP_H
#define PERSIST_DUMP_H

#include "persist/rdb_value.h"

/* What a payload has besides the value. */
#define DUMP_EXTRA_BYTES 11

/* Appends an entry's payload. */
void dump_save(const struct kv_entry *e, struct buf *out);

/* Whether version and checksum of a payload are right. */
bool dump_is_sound(struct view payload);

/* Reads the value of a sound payload, whose bytes the value may borrow. Anything that isn't
 * exactly one well-formed value is STATUS_SYNTAX. */
enum status dump_load(struct view payload, struct rdb_value *value) MUST_CHECK;

#endif
