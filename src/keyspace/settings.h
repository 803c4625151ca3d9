/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator may set of the keyspace. The rows are in settings.c. Main writes, under the
 * data token; whoever holds the token reads.
 */
#ifndef KEYSPACE_SETTINGS_H
#define KEYSPACE_SETTINGS_H

#include "base/macros.h"

/* maxmemory-policy: an order, and which keys may go. */
enum kv_evict_policy {
    KV_EVICT_NONE = 0,
    KV_EVICT_LRU = 1,
    KV_EVICT_LFU = 2,
    KV_EVICT_RANDOM = 3,
    KV_EVICT_TTL = 4,
    KV_EVICT_ORDER = 7,         /* mask of the above */
    KV_EVICT_VOLATILE = 1 << 3  /* only keys that expire */
};

struct kv_settings {
    int databases; /* how many kv_setup is to make */
    /* lazyfree-lazy-*: which deletions may leave the freeing to the background */
    int policy;           /* enum kv_evict_policy */
    size_t maxmemory;     /* bytes; 0: no limit */
    int maxmemory_samples; /* random keys that a choice looks at, a database */
    int eviction_tenacity; /* 0 … 100 */
    int expire_effort; /* 1 … 10 */
    bool rehash;       /* activerehashing: says nothing to our tables */
    int lfu_log_factor, lfu_decay_minutes;
    bool lazy_eviction, lazy_expire, lazy_server_del, lazy_user_del, lazy_user_flush;
};

extern struct kv_settings kv_settings;

/* Registers the rows, with their defaults. Main, at boot. */
void kv_options_register(void);

#endif
