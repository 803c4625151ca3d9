/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users as exec knows them: a name, and whether somebody has to ask what they may do. The rest
 * (passwords, rules) belongs to the ACL service, whose struct begins with this one. Clients and
 * gears sessions hold references, which outlive the user's removal: who acts for a user that is
 * gone finds out when it acts.
 *
 * `admit` and `gone` are guarded by the data token; references are anybody's; the name is constant.
 */
#ifndef EXEC_USER_H
#define EXEC_USER_H

#include <stdatomic.h>

#include "base/view.h"

struct exec_user {
    struct view name; /* owned, a NUL behind it */
    uint32_t admit;   /* ADMIT_ACL, unless the user may do everything */
    bool gone;        /* removed: it has no rights any more */
    atomic_uint refs;
};

/* Initialises with one reference; the name is copied. */
void exec_user_init(struct exec_user *u, struct view name);

/* Another reference of the same user. NULL is legal. */
struct exec_user *exec_user_ref(struct exec_user *u);

/* Gives a reference back; the last one frees the allocation that begins at u. NULL is legal. */
void exec_user_unref(struct exec_user *u);

/* What the ACL service answers. */
struct exec_user_ops {
    /* The user of this name, borrowed, or NULL: one may have been removed and made again. */
    struct exec_user *(*find)(struct view name);
    /* The user may read what is in the key. */
    bool (*reads)(const struct exec_user *u, struct view key);
    /* The user may change what is in the key. */
    bool (*writes)(const struct exec_user *u, struct view key);
};
/* Sets what is asked; copied. Main, at boot. */
void exec_on_users(const struct exec_user_ops *ops);

/* Whom u stands for now: itself, the new one of its name, or NULL. Under the token; borrowed. */
struct exec_user *exec_user_now(struct exec_user *u);

/* Whether u, which exec_user_now gave, may read what is in a key. Under the token. */
bool exec_user_reads(const struct exec_user *u, struct view key);
/* Whether it may change that. */
bool exec_user_writes(const struct exec_user *u, struct view key);

#endif
