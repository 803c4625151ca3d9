/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The value type stream: entries of fields and values under ascending ids, and the consumer
 * groups that read them.
 *
 * Entries lie in blocks, listpacks of about stream_node_max_bytes or stream_node_max_entries,
 * which are stock's own to the byte, since its files hold them as they are. An ordered map
 * (ds/idmap.h) finds the block by the id of its first entry. In a block:
 *
 *   master:  live | deleted | n | n field names | 0
 *   entry:   flags | id.ms - master.ms | id.seq - master.seq | … | elements before this one
 *            with SAMEFIELDS  n values, whose names are the master's
 *            without          number of pairs, then name, value, name, value …
 *
 * The master's names are those of the first entry, whose id is the block's. A removed entry keeps
 * its place with the flag DELETED until all of its block are removed; a block that is trimmed from
 * the front keeps its id. The last number of an entry lets a walk go backwards.
 *
 * A group knows which entry it delivered last and which deliveries nobody has acknowledged
 * (pending): each in the group's map and in that of its consumer. Groups and consumers are sorted
 * by name, which is the order in which they are listed.
 *
 * The holder of the data token; free also for whoever owns the value.
 */
#ifndef TYPES_STREAM_H
#define TYPES_STREAM_H

#include "base/num.h"
#include "ds/idmap.h"
#include "types/value.h"

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})
/* Room for an id as text, "ms-seq". */
#define STREAM_ID_LEN (2 * NUM_I64_LEN + 1)
/* A group's entries_read when it can't be known. */
#define STREAM_READ_UNKNOWN (-1)

struct stream_consumer {
    int64_t seen_ms; /* wall clock */
    struct idmap pending; /* id -> struct stream_pending, the group's own */
    size_t name_len;
    char name[];
};

/* A delivery that nobody has acknowledged. */
struct stream_pending {
    int64_t delivered_ms; /* wall clock, of the last delivery */
    uint64_t deliveries;
    struct stream_consumer *consumer;
};

struct stream_group {
    struct stream_id last_id; /* delivered last */
    int64_t entries_read;     /* how many entries were ever added up to last_id, if known */
    struct idmap pending;     /* id -> struct stream_pending */
    struct stream_consumer **consumers; /* by name */
    size_t consumer_count;
    size_t name_len;
    char name[];
};

struct stream {
    struct idmap blocks; /* id of the master -> listpack */
    size_t front;        /* bytes of the first block's entries that are removed for certain */
    uint64_t length;
    struct stream_id first_id, last_id; /* of what is there; last_id of what was ever added */
    struct stream_id max_deleted_id;
    uint64_t entries_added;
    struct stream_group **groups; /* by name */
    size_t group_count;
};

static inline struct stream *stream_of(struct value v)
{
    return v.ptr;
}

/* ---- ids ---- */

static inline int stream_id_compare(struct stream_id a, struct stream_id b)
{
    return idmap_compare((struct idmap_id){a.ms, a.seq}, (struct idmap_id){b.ms, b.seq});
}

static inline bool stream_id_is_zero(struct stream_id id)
{
    return (id.ms | id.seq) == 0;
}

static inline struct idmap_id stream_id_key(struct stream_id id)
{
    return (struct idmap_id){id.ms, id.seq};
}

static inline struct stream_id stream_key_id(struct idmap_id id)
{
    return (struct stream_id){id.high, id.low};
}

/* The next and the previous id; false, and nothing changed, at the end. */
bool stream_id_next(struct stream_id *id);
bool stream_id_prev(struct stream_id *id);

/* Writes "ms-seq", no NUL, and returns its length. */
size_t stream_id_format(char buf[static STREAM_ID_LEN], struct stream_id id);

/* How long ago a time of a delivery or a consumer is; times from a payload may be any, and the
 * difference then wraps around. */
static inline int64_t stream_idle_ms(int64_t now_ms, int64_t then_ms)
{
    return (int64_t)((uint64_t)now_ms - (uint64_t)then_ms);
}

/* ---- entries ---- */

/* An empty stream, without groups. */
struct value stream_new(void);

/* Adds an entry under an id above last_id; `pairs` are its names and values, at least two.
 * STATUS_LIMIT, and nothing changed, if it is too large for any block. */
enum status stream_append(struct stream *s, struct stream_id id, const struct arg *pairs,
                          size_t count) MUST_CHECK;

/* An entry as a walk shows it; borrowed until the stream changes. */
struct stream_entry {
    struct stream_id id;
    size_t pair_count;
    /* What stream_entry_pair reads on. */
    const uint8_t *lp, *name_at, *value_at;
    bool same_names;
};

/* A name and a value; integers are printed into the buffers. */
struct stream_pair {
    char name_buf[NUM_I64_LEN], value_buf[NUM_I64_LEN];
    struct view name, value;
};

/* Reads the next pair: call it pair_count times. */
void stream_entry_pair(struct stream_entry *e, struct stream_pair *pair_out);

/* A walk over [from, to], upwards or, `reverse`, from `to` down. The stream mustn't change. */
struct stream_walk {
    const struct stream *stream;
    struct stream_id from, to;
    bool reverse;
    struct idmap_pos block;
    const uint8_t *lp;        /* of the block; NULL before the first and at the end */
    const uint8_t *at;        /* upwards: the next entry; down: the first element behind it */
    const uint8_t *entries;   /* where the block's first entry begins */
    struct stream_id master;
    size_t master_fields;
};

/* Begins a walk. */
void stream_walk_init(struct stream_walk *w, const struct stream *s, struct stream_id from,
                      struct stream_id to, bool reverse);
/* The next entry of the walk; false at the end. */
bool stream_walk_next(struct stream_walk *w, struct stream_entry *e_out);

/* Whether there is such an entry. O(block). */
bool stream_find(const struct stream *s, struct stream_id id, struct stream_entry *e_out);

/* The last entry that is there; false if the stream is empty. */
bool stream_last(const struct stream *s, struct stream_entry *e_out);

/* Removes an entry; false if there is none. Also notes max_deleted_id and first_id. */
bool stream_remove(struct stream *s, struct stream_id id);

/* What a trim keeps. */
struct stream_trim {
    bool by_id;          /* keep from min_id on; else the newest `max_length` */
    bool approximate;    /* whole blocks only … */
    uint64_t limit;      /* … and no more than so many entries; 0: no limit */
    uint64_t max_length;
    struct stream_id min_id;
};

/* Removes the oldest entries; returns how many. */
uint64_t stream_trim(struct stream *s, const struct stream_trim *t);

/* How many nodes stock's radix tree would have over these blocks, which XINFO shows. O(blocks). */
size_t stream_radix_nodes(const struct stream *s);

/* ---- groups ---- */

/* The group of a name or NULL. */
struct stream_group *stream_group_find(const struct stream *s, struct view name);

/* A new group; NULL if there is one of this name. */
struct stream_group *stream_group_new(struct stream *s, struct view name, struct stream_id last,
                                      int64_t entries_read);

/* Ends a group with all that it knows. */
void stream_group_drop(struct stream *s, struct stream_group *g);

/* Entries that the group hasn't been delivered; false if it can't be told. */
bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag_out);

/* The group was delivered an entry behind its last: moves it on. */
void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id);

/* The consumer of a name or NULL. */
struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct view name);

/* A new consumer, whose name the group hasn't got. */
struct stream_consumer *stream_consumer_new(struct stream_group *g, struct view name,
                                            int64_t now_ms);

/* Ends a consumer with its pending deliveries. */
void stream_consumer_drop(struct stream_group *g, struct stream_consumer *c);

/* The pending delivery of an id or NULL. */
struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id);

/* Notes a first delivery of an id that isn't pending in the group. A loader gives the consumer,
 * NULL here, later. */
struct stream_pending *stream_pending_new(struct stream_group *g, struct stream_consumer *c,
                                          struct stream_id id, int64_t now_ms);

/* Gives a pending delivery to another consumer; it may have had none while it was loaded. */
void stream_pending_give(struct stream_pending *p, struct stream_consumer *c,
                         struct stream_id id);

/* Ends a pending delivery; false if there is none. */
bool stream_pending_drop(struct stream_group *g, struct stream_id id);

/* ---- for stream.c ---- */

/* Ends all groups; copies them; bytes that they take. */
void stream__groups_free(struct stream *s);
void stream__groups_copy(struct stream *to, const struct stream *from);
size_t stream__groups_memory(const struct stream *s, size_t samples);
size_t stream__groups_effort(const struct stream *s);

#endif
