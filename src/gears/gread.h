/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The native half of the readers: from the keyspace into a batch of raw bytes. A batch is read
 * under the data token in one slice of bounded length and copied, so that records are built
 * later, with the GIL and without the token. Taking a view into the keyspace instead would save
 * a copy of some hundred bytes and hold up everybody else while Python works.
 *
 * A batch keeps what it allocated from one fill to the next.
 * Thread: gread_open and gread_close on any; the rest on a worker without GIL and token, or, for
 * gread_key, with the token.
 */
#ifndef GEARS_GREAD_H
#define GEARS_GREAD_H

#include "base/buf.h"
#include "gears/gpy.h"
#include "types/stream.h"

/* What a record's value is. */
enum gread_type {
    GREAD_NONE,   /* the value wasn't asked for */
    GREAD_STRING, /* one run of bytes */
    GREAD_LIST,   /* its elements */
    GREAD_HASH,   /* field, value, field, value … */
    GREAD_SET,    /* no value is read */
    GREAD_ZSET,   /* the same */
    GREAD_MODULE, /* the same */
    GREAD_UNKNOWN, /* a stream; the same */
    GREAD_EMPTY,  /* there is no such key */
    GREAD_ENTRY,  /* of a stream: its id, then name, value, name, value … */
    GREAD_TYPE_COUNT
};

struct gread_part {
    size_t offset, len; /* in the batch's bytes */
};

struct gread_record {
    struct gread_part key;
    enum gread_type type;
    size_t first_part, part_count; /* of the value, in the batch's parts */
};

struct gread_batch {
    struct buf bytes;
    struct gread_record *records;
    size_t count, cap;
    struct gread_part *parts;
    size_t part_count, part_cap;
};

static inline struct view gread_view(const struct gread_batch *b, struct gread_part p)
{
    return view_of(b->bytes.ptr + p.offset, p.len);
}

/* Empties a batch, which keeps its room. */
void gread_batch_clear(struct gread_batch *b);

/* Frees what a batch holds; it is empty then, and may be filled again. */
void gread_batch_release(struct gread_batch *b);

/* What is read. Borrowed pattern. */
struct gread {
    struct view pattern; /* a glob, or the key itself if exact */
    bool exact;          /* one key, by name */
    bool absent_too;     /* exact: a key that isn't there is a record of type GREAD_EMPTY */
    bool values;
    struct exec_user *user; /* what it may not read isn't there for it; NULL: all. Borrowed */
    uint64_t cursor;
    bool done;
};

/* Reads the next slice into b, which is cleared first; b->count may be 0 while !r->done. When
 * `held` the caller has the token already. STATUS_ABORTED: stop was wanted while waiting.
 * STATUS_NOT_FOUND: the user is gone. */
enum status gread_next(struct gread *r, struct gread_batch *b, const struct gstop *stop,
                       bool held) MUST_CHECK;

/* As gread_next, but only counts what it would have read: adds to *count. */
enum status gread_count_next(struct gread *r, uint64_t *count, const struct gstop *stop,
                             bool held) MUST_CHECK;

/* For how long the calling thread's last read held the token; 0 if the caller had it already. In
 * ticks (base/ticks.h). */
uint64_t gread_held_ticks(void);

/* Entries of a stream, those that are there when it is first looked at. Borrowed key. */
struct gread_entries {
    struct view key;
    struct exec_user *user; /* as in struct gread */
    struct stream_id after; /* read up to here */
    struct stream_id last;  /* and to here in all; set when begun */
    bool begun, done;
};

/* As gread_next, for entries: records of type GREAD_ENTRY. A key that isn't there is an empty
 * stream; STATUS_TYPE: it is something else. */
enum status gread_entries_next(struct gread_entries *r, struct gread_batch *b,
                               const struct gstop *stop, bool held) MUST_CHECK;

/* Adds an entry of the stream of this key as a record of type GREAD_ENTRY. Under the token. */
void gread_add_entry(struct gread_batch *b, struct view key, struct stream_entry *e);

/* Reads "ms" or "ms-seq". */
bool gread_parse_id(struct view text, struct stream_id *out);

/* Appends an entry as a record with its value. Under the token. */
void gread_entry(struct gread_batch *b, const struct kv_entry *e);

/* A batch as one allocation, and the records of such a one appended to a batch. */
void *gread_pack(const struct gread_batch *b);
void gread_unpack(struct gread_batch *b, const void *packed);

/* Reads one key of database 0 as a record; the value if `values`. Under the token. */
void gread_key(struct gread_batch *b, struct view key, int64_t now_ms, bool values);

#endif
