/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all value types share: their names, their encodings, and one vtable a type. Keys, clients
 * and sockets are unknown here.
 *
 * A collection's value is an encoding and a pointer. `struct value` is the pair in flight: a
 * handler takes it out of an entry, hands it to the type's functions, which may change both (a
 * listpack that outgrows its limits becomes a table), and stores it back. Strings have no object:
 * their bytes or their integer live in the entry or in a blob of the entry's (keyspace/entry.h).
 */
#ifndef TYPES_VALUE_H
#define TYPES_VALUE_H

#include "base/arg.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/stream.h"
#include "base/view.h"

/* The numbers are stock's own, which its file format and MODULE API share. */
enum value_type {
    TYPE_STRING = 0,
    TYPE_LIST = 1,
    TYPE_SET = 2,
    TYPE_ZSET = 3,
    TYPE_HASH = 4,
    TYPE_MODULE = 5,
    TYPE_STREAM = 6,
    TYPE_COUNT = 7
};

enum value_enc {
    ENC_RAW = 0,
    ENC_INT,
    ENC_EMBSTR,
    ENC_HASHTABLE,
    ENC_LISTPACK,
    ENC_INTSET,
    ENC_QUICKLIST,
    ENC_SKIPLIST,
    ENC_STREAM,
    ENC_COUNT
};

struct value {
    enum value_type type;
    enum value_enc enc;
    void *ptr;
};

/* Sums what DEBUG DIGEST-VALUE hashes of a value; zero is the start. See type_ops.digest. */
struct digest {
    unsigned char bytes[20];
};

/* digest ^= SHA1(bytes): for parts whose order doesn't count. */
void digest_xor(struct digest *d, const void *ptr, size_t len);

/* digest = SHA1(digest ^ SHA1(bytes)): for parts in order. */
void digest_mix(struct digest *d, const void *ptr, size_t len);

/* One row a type; NULL members are for types that have nothing to do there. */
struct type_ops {
    const char *name; /* as TYPE prints it */
    /* Frees the object. Any thread that owns it. */
    void (*free)(struct value v);
    /* Number of elements. */
    size_t (*length)(struct value v);
    /* How much work a free is, in allocations; above a limit it goes to the background. */
    size_t (*free_effort)(struct value v);
    /* Bytes of the object with all that hangs on it; at most `samples` elements are looked at. */
    size_t (*memory)(struct value v, size_t samples);
    /* Adds the content to a digest, as stock's DEBUG DIGEST-VALUE does (a set: xor of each
     * member; a hash: for each field e = 0, mix(e, field), mix(e, value), xor(e)). The caller has
     * mixed in the type and adds the expiry. */
    void (*digest)(struct value v, struct digest *d);
    /* A deep copy. */
    struct value (*copy)(struct value v);
    /* Hints that an element will be searched: first for where it hangs, then, when that is there,
     * for itself. No effect on the value. */
    void (*prefetch_place)(struct value v, struct arg *element);
    void (*prefetch_element)(struct value v, struct arg *element);
    /* The byte that RDB files and DUMP payloads have before what `save` writes (types/rdb.h). */
    uint8_t (*rdb_type)(struct value v);
    /* Writes the content; failures are the stream's. */
    void (*save)(struct value v, struct stream_out *out);
    /* Reads a value in any of the type's forms, trusting nothing. STATUS_SYNTAX: the bytes don't
     * follow the format; STATUS_NOT_FOUND: it has no elements; else as the stream says. Nothing
     * is made then. */
    enum status (*load)(uint8_t rdb_type, struct stream_in *in, struct value *out);
};

/* Rows that are defined by the files of their types; value.c has the others. */
extern const struct type_ops hash_type_ops, list_type_ops, set_type_ops, zset_type_ops,
    stream_type_ops;

/* The row of a type, NULL if this build has no such type. */
const struct type_ops *type_ops_of(enum value_type type);

/* "string", "hash" … as TYPE prints it. */
const char *type_name(enum value_type type);

/* "embstr", "listpack" … as OBJECT ENCODING prints it. */
const char *enc_name(enum value_enc enc);

/* Limits of the small encodings; options of the same names point here. Main writes, under the
 * data token. */
struct type_limits {
    size_t hash_max_listpack_entries; /* 512 */
    size_t hash_max_listpack_value;   /* 64 */
    size_t set_max_intset_entries;    /* 512 */
    size_t zset_max_listpack_entries; /* 128 */
    size_t zset_max_listpack_value;   /* 64 */
    size_t hll_sparse_max_bytes;      /* 3000, the head included */
    int list_max_listpack_size;       /* -2, see ds/quicklist.h */
    int list_compress_depth;          /* 0 */
    size_t stream_node_max_bytes;     /* 4096; 0: no limit */
    size_t stream_node_max_entries;   /* 100; 0: no limit */
};
extern struct type_limits type_limits;

#endif
