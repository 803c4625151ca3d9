/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What StreamReader's registrations do to a stream: deliver its entries to a consumer group,
 * acknowledge them, trim what everybody has done, move what nobody can do to another stream.
 *
 * Each registration has a group of its own with one consumer. A batch is delivered as XREADGROUP
 * would deliver it, so XPENDING shows what is under way, and who has died with it in hand finds it
 * again; in the effects log it is that very command, which does the same wherever it is repeated.
 *
 * To find the next entry in a block takes a walk over those before it, so a slice of entries is
 * copied at once, ahead of their delivery. What was copied is good as long as the group stands
 * where it was left and no entry has been removed since.
 *
 * All under the data token.
 */
#ifndef GEARS_GSTREAM_DATA_H
#define GEARS_GSTREAM_DATA_H

#include "gears/gread.h"

/* The consumer of each group. */
#define GSTREAM_CONSUMER "__gears_client__"

/* Entries that are delivered, or copied, while others wait for the token. */
#define GSTREAM_SLICE 256

/* A batch on its way, and entries that were copied for later ones. */
struct gstream_flight {
    struct buf key; /* of the stream, which may be renamed meanwhile */
    struct gread_batch raw;
    struct stream_id *ids; /* of raw's records */
    size_t cap;
    size_t at, count;     /* the batch: records at … at + count - 1 */
    bool again;           /* they were delivered before */
    uint64_t deliveries;  /* of the first, this one too */
    int64_t delivered_ms; /* wall clock; tells this delivery of an id from others */
    struct stream_id last; /* where the group was left */
    uint64_t removed;      /* entries that the stream had lost by then */
};

/* Frees what it holds. */
void gstream_flight_release(struct gstream_flight *f);

/* What a group would be given. */
struct gstream_look {
    bool is_stream;   /* the key is one */
    uint64_t pending; /* delivered and not acknowledged */
    uint64_t fresh;   /* not delivered yet; counted up to `most` */
};

/* Looks. */
struct gstream_look gstream_look(struct kv_unit *u, struct view key, struct view group,
                                 uint64_t most);

/* Begins a batch of the stream under f->key without an entry; keeps what was copied ahead. */
void gstream_begin(struct gstream_flight *f, struct view key);

/* Adds entries to the batch, no more than a slice at once: what is pending if there was any when it
 * began, until it has most_again of them; else what is fresh, until it has `most`. True if it may
 * be called again for more. Makes the group if there is none. */
bool gstream_deliver(struct kv_unit *u, struct gstream_flight *f, struct view group,
                     uint64_t most, uint64_t most_again) MUST_CHECK;

/* Where the entries of a flight are, from its `first` on; not always where they came from. */
struct gstream_place {
    struct kv_db *db;
    struct stream *stream; /* NULL: nowhere */
    struct stream_group *group;
};

/* Looks for it. */
struct gstream_place gstream_place_of(struct kv_unit *u, const struct gstream_flight *f,
                                      struct view group, size_t first);

/* Whether the stream under key holds the flight's deliveries. */
bool gstream_is_at(struct kv_unit *u, struct kv_db *db, struct view key,
                   const struct gstream_flight *f, struct view group);

/* Acknowledges n entries of the batch, from its `first` on. */
void gstream_ack(struct kv_unit *u, struct gstream_flight *f, const struct gstream_place *p,
                 size_t first, size_t n);

/* The first entry that the group may still need. False if the stream has no such group: then it
 * needs all. */
bool gstream_needs_from(const struct stream *s, struct view group, struct stream_id *from_out);

/* Removes the entries before `min` from the stream under key; `f` is the flight that comes from
 * there, or NULL. */
void gstream_trim(struct kv_unit *u, struct gstream_flight *f, const struct gstream_place *p,
                  struct view key, struct stream_id min);

/* Adds entry i of the batch, with what it came to, to the stream `to`, for the user. On failure
 * the error is in error_out. */
enum status gstream_bury(struct kv_unit *u, const struct gstream_flight *f, size_t i,
                         struct view to, struct view why, struct exec_user *user,
                         struct buf *error_out) MUST_CHECK;

/* Ends the group, if the key is a stream that has it. Returns the stream, if it is one. */
struct stream *gstream_destroy(struct kv_unit *u, struct view key, struct view group);

#endif
