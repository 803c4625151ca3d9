/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator may set of the keyspace. The rows are in settings.c. Main writes, under the
 * data token; whoever holds the token reads.
 */
#ifndef KEYSPACE_SETTINGS_H
#define KEYSPACE_SETTINGS_H

#include "base/macros.h"

struct kv_settings {
    int databases; /* how many kv_setup is to make */
    /* lazyfree-lazy-*: which deletions may leave the freeing to the background */
    bool lazy_eviction, lazy_expire, lazy_server_del, lazy_user_del, lazy_user_flush;
};

extern struct kv_settings kv_settings;

/* Registers the rows, with their defaults. Main, at boot. */
void kv_options_register(void);

#endif
