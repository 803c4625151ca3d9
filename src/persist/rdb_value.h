/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One entry's value in the form of RDB: what files and DUMP payloads have in common. Strings are
 * handled here, since their bytes belong to the entry; collections by their types (types/rdb.h).
 * Saving: whoever may read the entry. Loading a value touches no keyspace; storing it needs the
 * data token.
 */
#ifndef PERSIST_RDB_VALUE_H
#define PERSIST_RDB_VALUE_H

#include "keyspace/keyspace.h"
#include "types/rdb.h"

/* The highest version that is read, and the one that is written. */
#define RDB_VERSION_MAX 11
#define RDB_VERSION 10

/* Whether the entry's type has a form in RDB at all. */
bool rdb_entry_has_form(const struct kv_entry *e);

/* The type's byte of an entry's value. */
uint8_t rdb_entry_type(const struct kv_entry *e);

/* Writes an entry's value, without the byte. */
void rdb_entry_save(const struct kv_entry *e, struct stream_out *out);

/* A value that was read. Zero is initialised; serves for one after the other. */
struct rdb_value {
    struct value v;       /* a collection, owned; ptr NULL with a string */
    struct rdb_text text; /* a string */
};

/* Reads the value that a type's byte announces. Errors are those of type_ops.load; a type that
 * isn't known is STATUS_TYPE. */
enum status rdb_value_load(uint8_t rdb_type, struct stream_in *in,
                           struct rdb_value *value) MUST_CHECK;

/* Stores what was read under a key that is absent; a collection is taken. Returns the entry. */
struct kv_entry *rdb_value_store(struct rdb_value *value, struct kv_unit *u, struct kv_db *db,
                                 struct arg *key);

/* Frees a collection that isn't to be stored. */
void rdb_value_discard(struct rdb_value *value);

/* Frees a collection that wasn't stored, and the room. */
void rdb_value_release(struct rdb_value *value);

#endif
