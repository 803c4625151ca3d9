/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys handed over to another server: it gets them by RESTORE, over a connection that is kept for
 * a while. The caller waits meanwhile, and with it whoever wants the data token: that is what
 * makes a move atomic.
 *
 *   AUTH, SELECT --accepted--> RESTORE, RESTORE, … --all are answered--> connection kept
 *
 * Thread: the holder of the data token; setup, teardown and cron are main's.
 */
#ifndef PERSIST_MIGRATE_H
#define PERSIST_MIGRATE_H

#include "base/buf.h"
#include "keyspace/keyspace.h"
#include "net/tls.h"

/* Where to. All views are borrowed for the call. */
struct migrate_target {
    struct view host;
    int64_t port; /* what no port can be is answered as if nobody listened there */
    int64_t db;
    int64_t timeout_ms;         /* how long the target may be silent; above 0 */
    struct view user, password; /* ptr NULL: none */
};

/* What. The keys are there, whether or not their time has come. */
struct migrate_batch {
    struct kv_db *db;
    struct arg *const *keys;
    size_t count;
    bool replace;       /* at the target */
    bool *taken;        /* out: which of them the target has now; given as false */
    bool refused;       /* out: the target answered with an error, … */
    struct buf refusal; /* … the first of which is this; the caller releases it */
};

enum migrate_fault { MIGRATE_NONE, MIGRATE_NO_HOST, MIGRATE_WRITING, MIGRATE_READING };

/* Hands the keys over; changes nothing here. Returns what went wrong with the connection, or
 * MIGRATE_NONE; whatever it returns, `taken` and `refused` hold. Each 64 KB sent and each reply
 * may take the target timeout_ms, so it ends though the target be malicious. */
enum migrate_fault migrate_send(const struct migrate_target *target, struct migrate_batch *batch);

/* Connections are made with TLS by this context for outgoing ones, which is taken; NULL: without.
 * Main. */
void migrate_use_tls(struct tls_context *context);

/* For this folder. */
void migrate__setup(void);
void migrate__teardown(void);
/* Closes connections that nobody has used for 10 seconds. */
void migrate__cron(int64_t now_ms);

#endif
