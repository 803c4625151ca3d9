/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Effects: what a change must repeat elsewhere (a file, a replica, the new owner of a slot), as
 * commands. They are recorded in the unit in the order in which they must be repeated; exec takes
 * them out when the unit ends (exec/effects.h).
 *
 * An effect is begun with its number of words, and as many words follow at once:
 *
 *     kv_effect_begin(u, db, KV_EFFECT_ALL, 2);
 *     kv_effect_text(u, "DEL");
 *     kv_effect_word(u, arg_view(key));
 *
 * Nobody may be listening: who emits looks at kv_effect_mask first, so that nothing is built in
 * vain. Thread: the holder of the data token.
 */
#ifndef KEYSPACE_EFFECT_H
#define KEYSPACE_EFFECT_H

#include "keyspace/keyspace.h"

/* Whom an effect is for. */
enum kv_effect_target {
    KV_EFFECT_FILE = 1 << 0,     /* the append-only file */
    KV_EFFECT_REPLICAS = 1 << 1, /* the replication stream */
    KV_EFFECT_ALL = (1 << 2) - 1
};

/* Who listens: targets, or-ed; 0 is nobody. */
extern uint32_t kv_effect_mask;

/* Begins an effect of `words` words in a database, for these targets (enum kv_effect_target). */
void kv_effect_begin(struct kv_unit *u, const struct kv_db *db, uint32_t targets, size_t words);
/* The next word of the effect that was begun; copied. */
void kv_effect_word(struct kv_unit *u, struct view word);
void kv_effect_int(struct kv_unit *u, int64_t number);
static inline void kv_effect_text(struct kv_unit *u, const char *word)
{
    kv_effect_word(u, view_of(word, strlen(word)));
}

/* What a unit's effects are read as: each is a request in RESP, complete. */
struct kv_effect {
    int db_id;
    uint32_t targets;
    struct view request;
};

/* The effect at *offset in the unit (0: the first), and moves *offset to the next; false at the
 * end. The view is valid until the unit records more. */
bool kv_effect_next(const struct kv_unit *u, size_t *offset, struct kv_effect *out);

/* Forgets the unit's effects. */
void kv_effects_clear(struct kv_unit *u);

/* The deletion of a key that no command asked for: it expired, or was evicted. As in stock it is
 * DEL, or UNLINK where the option says that such keys are freed in the background. */
void kv_effect_deleted(struct kv_unit *u, const struct kv_db *db, struct view key, bool lazy);

#endif
