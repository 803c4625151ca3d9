/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share and nobody else needs.
 */
#ifndef KEYSPACE_PRIVATE_H
#define KEYSPACE_PRIVATE_H

#include "keyspace/keyspace.h"

/* Above this many elements, or bytes of a string, a free goes to the background. */
#define KV__LAZY_EFFORT 64
#define KV__LAZY_BYTES ((size_t)64 * 1024)

/* All databases; NULL before kv_setup. */
extern struct kv_db *kv__dbs;
extern int kv__db_count;

/* What kv_touch_is_unasked says: a key is being touched that no command changes. */
extern bool kv__unasked;

/* Takes the bytes of a string that lie outside its entry. */
void kv__lazyfree_bytes(char *bytes);

/* Takes a detached table of entries. */
void kv__lazyfree_body(struct table_body *body);

/* Frees an entry with all that it points to: a table_visit_fn. Any thread that owns it. */
void kv__entry_free_all(void *entry, void *ctx);

/* A new entry's counter under an LFU policy. */
void kv__lfu_begin(struct kv_entry *e);
void kv__lfu_clock_set(int64_t now_ms);

#endif
