/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share.
 */
#ifndef TRACKING_PRIVATE_H
#define TRACKING_PRIVATE_H

#include "base/list.h"
#include "ds/table.h"
#include "tracking/tracking.h"

/* What hangs on a client. */
struct tracker {
    struct client_tracking seen; /* by exec */
    struct list_node all;
    struct client *client;
    uint64_t id;
    uint32_t options; /* enum tracking_option */
    struct prefix **prefixes; /* in order of their bytes */
    size_t prefix_count, prefix_cap;
};

/* ---- messages (tracking.c) ---- */

/* One message in the two ways in which it can be read, made when it is first needed. */
struct message {
    struct buf body; /* the keys as an array, or a null */
    struct buf push, published;
};

/* Makes an empty one. */
void message__init(struct message *m);
/* Frees its bytes. */
void message__release(struct message *m);
/* The body becomes an array of `count` keys, which are then added. */
void message__begin(struct message *m, size_t count);
void message__add(struct message *m, struct view key);
/* Sends it to whom the tracker wants to be told. */
void message__send(struct message *m, struct tracker *t);

/* Of a client, or NULL. */
struct tracker *tracker__of(const struct client *c);

/* Asks for touches while there is anybody to be told. */
void tracking__listen(void);

/* ---- read keys (read_keys.c) ---- */

extern int64_t tracking__max_keys; /* tracking-table-max-keys */

/* The client has read the key. */
void read_keys__note(uint64_t client_id, struct arg *key);
/* The key has changed: tells who has read it. Any holder of the token. */
void read_keys__changed(struct arg *key);
/* Forgets keys that are too many, at most `budget`, telling who has read them. */
void read_keys__limit(size_t budget);
/* Forgets all without telling. Any holder of the token. */
void read_keys__clear(void);
/* Databases were emptied: forgets all, and all clients are told. Any holder of the token. */
void read_keys__flushed(void);
/* Frees a slice of what was forgotten. */
void read_keys__free_some(size_t budget);
size_t read_keys__count(void);
/* Pairs of key and client. */
size_t read_keys__items(void);
void read_keys__teardown(void);

/* Calls fn for each tracker. */
void tracker__each(void (*fn)(void *ctx, struct tracker *t), void *ctx);

/* ---- prefixes (prefixes.c) ---- */

/* At boot. */
void prefixes__setup(void);
/* The tracker wants to be told of keys that begin so; the prefixes mustn't overlap. */
void prefixes__add(struct tracker *t, const struct view *names, size_t count);
/* It wants to be told of none any more. */
void prefixes__drop_all(struct tracker *t);
/* A key has changed; who wants to be told is told at the end of the turn. Any holder of the
 * token. */
void prefixes__changed(struct arg *key);
size_t prefixes__count(void);
const struct view *prefixes__view(const struct prefix *p);

#endif
