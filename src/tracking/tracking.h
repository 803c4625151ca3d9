/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client-side caching: clients that keep copies of what they have read are told when it changes.
 * In the default mode the server remembers who has read which key, until the key changes; with
 * BCAST it remembers nothing, and tells of every key that begins with one of the client's prefixes.
 * Names of keys count, not databases: as in stock, a key changes whatever database it is in.
 *
 * Changes are seen under the token, on whatever thread makes them; clients are told by main. All
 * functions are main's, under the token.
 */
#ifndef TRACKING_TRACKING_H
#define TRACKING_TRACKING_H

#include "exec/client.h"
#include "exec/exec.h"

enum tracking_option {
    TRACKING_ON = 1 << 0,
    TRACKING_BCAST = 1 << 1,
    TRACKING_OPTIN = 1 << 2,  /* only what is read after CLIENT CACHING YES */
    TRACKING_OPTOUT = 1 << 3, /* all but what is read after CLIENT CACHING NO */
    TRACKING_NOLOOP = 1 << 4, /* not of the client's own changes */
    TRACKING_CACHING = 1 << 5 /* CLIENT CACHING was said: it holds for the next command */
};

/* The client's options; 0 while it doesn't track. */
uint32_t tracking_options(const struct client *c);

/* Begins, or changes the options, of which TRACKING_CACHING stays as it was. redirect: the id of
 * the client that is told in its place, or 0. With BCAST the prefixes are added to those that the
 * client has; none: the empty one. They mustn't overlap. */
void tracking_begin(struct client *c, uint32_t options, uint64_t redirect,
                    const struct view *prefixes, size_t prefix_count);

/* Ends it; no effect on a client that doesn't track. */
void tracking_end(struct client *c);

/* CLIENT CACHING, for the next command. */
void tracking_caching(struct client *c);

/* The client's prefixes in order of their bytes: the one at `index`; NULL: there are no more. It is
 * valid until they change. */
const struct view *tracking_prefix(const struct client *c, size_t index);

/* One of the two is the beginning of the other. */
bool tracking_overlap(struct view a, struct view b);

/* The periodic work: what the limit of keys, or their end, left over. */
void tracking_cron(void);

/* Registers tracking-table-max-keys. At boot. */
void tracking_options_register(void);
/* Registers INFO's fields. At boot. */
void tracking_metrics_register(void);
/* Attaches the hooks. At boot. */
void tracking_setup(void);
/* Frees all, after the clients. */
void tracking_teardown(void);

#endif
