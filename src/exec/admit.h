/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admission: an ordered table of small filters, each owned by its service, that may object to a
 * command before its handler runs. A filter has a bit; it is asked only while its bit is set in
 * the global word or in the client's own, so that a server in its usual state tests one word.
 * Each owner has one function that changes its state and its bit together. Debug builds hold the
 * two against each other before every command of a client: a filter says from its owner's state
 * whether it may object, and its bit must be set then. Under the token.
 */
#ifndef EXEC_ADMIT_H
#define EXEC_ADMIT_H

#include "exec/exec.h"

enum admit_bit {
    ADMIT_AUTH = 1 << 0,      /* the client has not authenticated */
    ADMIT_PROTECTED = 1 << 1, /* implied for admin commands: some need an option's leave */
    ADMIT_MULTI = 1 << 2,     /* the client is queueing a transaction */
    ADMIT_PAUSE = 1 << 3,      /* clients are paused */
    ADMIT_SUBSCRIBED = 1 << 4, /* the client has subscriptions */
    ADMIT_MONITOR = 1 << 5,    /* the client watches all commands */
    ADMIT_PERSIST = 1 << 6,    /* saving fails, so writes are refused */
    ADMIT_MEMORY = 1 << 7,     /* there is a limit of memory */
    ADMIT_TRACKING = 1 << 8,   /* the client caches what it reads: nothing is refused, but noted */
    ADMIT_ACL = 1 << 9,        /* the user may not do everything */
    ADMIT_LOADING = 1 << 10    /* the data is being loaded */
};

enum admit_verdict {
    ADMIT_PASS,
    ADMIT_REFUSED, /* an error was replied; a transaction being queued is spoilt */
    ADMIT_TAKEN    /* the filter has done what was to do (QUEUED, or the client is held back) */
};

typedef enum admit_verdict admit_fn(struct exec_ctx *ctx);

/* Whether the owner's state lets the filter object to this command. Replies and changes nothing. */
typedef bool admit_applies_fn(const struct exec_ctx *ctx);

/* Begins the chain with exec's own filters: authentication, protected commands. Main, at boot. */
void admit_setup(void);

/* Adds a filter at the end of the chain; at most 16. `applies` is NULL where the bit itself is the
 * state. Main, at boot. */
void admit_add(enum admit_bit bit, admit_fn *fn, admit_applies_fn *applies);

/* Sets or clears bits for everybody. */
void admit_set(uint32_t bits, bool on);

/* The word that the driver tests. */
extern uint32_t admit_word;

/* The command's flags (enum command_flag): of EXEC, also those that any command of its queue has;
 * or only those that all of them have, too. */
uint32_t admit_flags_of_any(const struct exec_ctx *ctx);
uint32_t admit_flags_of_all(const struct exec_ctx *ctx);

/* Runs the chain. */
enum admit_verdict admit_chain(struct exec_ctx *ctx);

/* Asks again what a command of a transaction was asked when it was queued, where that may have
 * changed: the filter of ADMIT_ACL. ctx->flags has EXEC_IN_MULTI. False: the error is replied. */
bool admit_queued(struct exec_ctx *ctx);

/* Debug builds: asserts that the bit of every filter that applies is set. */
void admit_check(const struct exec_ctx *ctx);

/* Refuses a command before its handler runs: counts it, tells the transaction service, and replies
 * `line`, an error line without '-' and, where its code word is ERR, without that ("wrong number
 * …"). A refused EXEC replies that its transaction is discarded because of it. */
enum admit_verdict admit_refuse(struct exec_ctx *ctx, const char *line);

/* The same in busy mode, without the token: nothing is counted. */
void admit_refuse_busy(struct exec_ctx *ctx, const char *line);

/* The refusal of the transaction service: spoils the client's MULTI, or, when EXEC itself was
 * refused, discards it, in busy mode as soon as that is over, and returns true. One hook. */
void admit_on_refusal(bool (*fn)(struct exec_ctx *ctx));

#endif
