/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading an RDB file into the databases. Thread: the holder of the data token.
 */
#ifndef PERSIST_RDB_LOAD_H
#define PERSIST_RDB_LOAD_H

#include "base/status.h"
#include "base/stream.h"
#include "keyspace/keyspace.h"
#include "types/rdb.h"

struct rdb_value;

struct rdb_key {
    uint64_t db;
    struct arg name;
    uint8_t type; /* enum rdb_type */
    int64_t expire_ms, idle_s;
    int freq; /* as OBJECT FREQ says it */
    struct rdb_value *value;
};

/* What a file holds; used by the loader and by the checker. */
struct rdb_visitor {
    /* A name and its value; both borrowed. May be NULL. */
    void (*aux)(void *ctx, struct view name, struct view value);
    /* The database of the keys that follow, until then 0. Not STATUS_OK ends the reading, as with
     * a key. May be NULL. */
    enum status (*select)(void *ctx, uint64_t db);
    /* Sizes of the database that comes now, as the file says. May be NULL. */
    void (*resize)(void *ctx, uint64_t db, size_t keys);
    /* A key with its value, which the visitor may take; expire_ms -1: none; idle_s, freq -1:
     * unknown. Not STATUS_OK ends the reading; the reason is then in the error already. */
    enum status (*key)(void *ctx, struct rdb_key *key);
    /* The end is reached, and its checksum right, or absent. May be NULL. */
    void (*checksum)(void *ctx, bool verified);
    void *ctx;
};

/* Where reading stopped and why. */
struct rdb_error {
    uint64_t offset;
    char text[256];
};

/* Reads a whole file from a stream whose sums are wanted. Nothing in it is trusted. On failure
 * *error says why; keys before that place were handed out. A value without elements is passed
 * over and counted. */
enum status rdb_read(struct stream_in *in, const struct rdb_visitor *visitor,
                     struct rdb_error *error) MUST_CHECK;

/* How far a load is, then how it went. */
struct rdb_load_result {
    uint64_t loaded, expired; /* keys */
    uint64_t bytes, total_bytes;
    uint64_t used_mem; /* of the server that saved, as it says */
};

/* Loads a file into the databases. `merge`: keys that are there already are replaced; else they
 * are an error, as a key that comes twice is. Clients are served meanwhile (exec/loading.h).
 * STATUS_NOT_FOUND: there is no file; STATUS_ABORTED: the server ends; other failures are in the
 * log. What was loaded until then is there. Main. */
enum status rdb_load_file(const char *name, bool merge, struct rdb_load_result *result) MUST_CHECK;

#endif
