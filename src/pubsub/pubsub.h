/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publish and subscribe: channels, patterns of channels, shard channels. A client's subscriptions
 * hang on it and on the topics; a topic exists while somebody is subscribed to it.
 *
 * Publishing is open to whoever holds the data token. Clients belong to main, so a message that
 * another thread publishes waits in a queue, and main delivers what waits before it publishes
 * itself and before a subscription changes: everybody sees messages in the order in which they
 * were published, and nobody sees one that is older than the subscription.
 *
 * All functions need the token; main, unless said otherwise.
 */
#ifndef PUBSUB_PUBSUB_H
#define PUBSUB_PUBSUB_H

#include "base/buf.h"
#include "exec/client.h"
#include "exec/exec.h"

enum pubsub_kind {
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD,
    PUBSUB_KINDS
};

/* Attaches the hooks: filter of the subscriber mode, end of a client, keyspace events. At boot,
 * when the options are set. */
void pubsub_setup(void);
/* Registers notify-keyspace-events. At boot. */
void pubsub_options_register(void);
/* Registers INFO's fields. At boot. */
void pubsub_metrics_register(void);

/* Adds or ends one subscription and tells the client so, also if nothing has changed. */
void pubsub_subscribe(struct client *c, enum pubsub_kind kind, struct arg *name);
void pubsub_unsubscribe(struct client *c, enum pubsub_kind kind, struct arg *name);
/* Ends all of a kind and tells the client of each, or that there was none. */
void pubsub_unsubscribe_all(struct client *c, enum pubsub_kind kind);
/* Ends everything without a word (RESET). Also called when the client ends. */
void pubsub_forget(struct client *c);

/* Calls fn for each of the client's subscriptions; fn changes none. */
void pubsub_each_of(struct client *c, void (*fn)(void *at, bool pattern, struct view name),
                    void *at);

/* The client speaks RESP2 and has subscriptions: little else is open to it, and PING's reply looks
 * like a message. */
bool pubsub_in_mode(const struct client *c);

/* Sends a message to the subscribers of a channel (and of the patterns that match it) or of a shard
 * channel; returns how many there are. Any holder of the token. */
size_t pubsub_publish(enum pubsub_kind kind, struct view channel, struct view message);

/* How many topics of the kind have subscribers. Any holder of the token, as the next two. */
size_t pubsub_topics(enum pubsub_kind kind);
/* How many clients are subscribed to one. */
size_t pubsub_subscribers(enum pubsub_kind kind, struct view name);
/* Calls fn for each topic whose name matches the pattern; NULL: for each, the empty name too, which
 * "*" doesn't match. */
void pubsub_each(enum pubsub_kind kind, const struct view *pattern,
                 void (*fn)(void *ctx, struct view name), void *ctx);

#endif
