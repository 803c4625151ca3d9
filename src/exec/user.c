/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * References of users; see user.h. The alternative, names that are looked up whenever somebody
 * acts, costs a search for each command of a gears script and gives the same answers.
 */
#include "exec/user.h"

#include "base/mem.h"

static struct exec_user_ops users;

void exec_user_init(struct exec_user *u, struct view name)
{
    *u = (struct exec_user){.name = view_of(mem_dup(name.ptr, name.len), name.len)};
    atomic_init(&u->refs, 1);
}

struct exec_user *exec_user_ref(struct exec_user *u)
{
    if (u) atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void exec_user_unref(struct exec_user *u)
{
    if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1) return;
    mem_free((void *)(uintptr_t)u->name.ptr);
    mem_free(u);
}

void exec_on_users(const struct exec_user_ops *ops)
{
    users = *ops;
}

struct exec_user *exec_user_now(struct exec_user *u)
{
    if (likely(!u->gone)) return u;
    return users.find ? users.find(u->name) : NULL;
}

bool exec_user_writes(const struct exec_user *u, struct view key)
{
    return !u->admit || users.writes(u, key);
}

bool exec_user_reads(const struct exec_user *u, struct view key)
{
    return !u->admit || users.reads(u, key);
}
