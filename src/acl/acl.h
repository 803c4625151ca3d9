/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users and what they may do: passwords, rules, the filter that asks them before each command, the
 * log of what was denied. See README.md for the language of rules.
 *
 * Users change on main, under the token; whoever holds the token may ask what they may do.
 */
#ifndef ACL_ACL_H
#define ACL_ACL_H

#include "base/buf.h"
#include "exec/exec.h"

struct acl_user;

/* Registers the options (requirepass, aclfile, ...) and the directive `user`. Main, at boot, when
 * the command table is set up. */
void acl_options_register(void);

/* Makes the users that the configuration or the ACL file names, and attaches the filter, behind
 * exec's own. STATUS_ERR: the log says why. Main, at boot. */
enum status acl_setup(void) MUST_CHECK;

/* Frees everything; when no client is left. */
void acl_teardown(void);

/* What stands before a NUL, which is all that stock sees of some words. */
static inline struct view acl_up_to_nul(struct view v)
{
    const char *nul = v.len ? memchr(v.ptr, 0, v.len) : NULL;
    return nul ? view_of(v.ptr, (size_t)(nul - v.ptr)) : v;
}

/* ---- users ---- */

/* The user of this name or NULL; borrowed until users change. */
struct acl_user *acl_find(struct view name);

/* All users in the order of their names: index < acl_count(). */
size_t acl_count(void);
const struct acl_user *acl_at(size_t index);

/* Its name. */
struct view acl_name(const struct acl_user *u);

/* The user as exec sees it. */
struct exec_user *acl_exec_user(struct acl_user *u);

/* For whom a context acts; "default" for the server itself. */
struct view acl_name_of(const struct exec_ctx *ctx);

/* Appends `user <name> <rules>`, as stock prints it. */
void acl_describe(const struct acl_user *u, struct buf *out);

/* Replies ACL GETUSER's map. */
void acl_reply_user(struct exec_ctx *ctx, const struct acl_user *u);

/* ACL SETUSER: applies all rules or none, makes the user if need be, and closes subscribers that
 * lost a channel. Replies. */
enum status acl_set_user(struct exec_ctx *ctx, struct view name, const struct arg *rules,
                         size_t count);

/* Removes a user and closes its clients; false if there is none. Not for `default`. */
bool acl_delete_user(struct exec_ctx *ctx, struct view name);

/* ACL LOAD and ACL SAVE; reply. */
enum status acl_load(struct exec_ctx *ctx);
enum status acl_save(struct exec_ctx *ctx);

/* Calls fn for each channel or pattern that a client is subscribed to. */
typedef void acl_subscriptions_fn(struct client *c,
                                  void (*fn)(void *at, bool pattern, struct view name), void *at);
/* How subscriptions are found: the publish/subscribe service's; one hook. Main, at boot. */
void acl_on_subscriptions(acl_subscriptions_fn *each);

/* ---- authentication ---- */

/* Makes ctx's client act for the user; false, and a line in the log, if the password is wrong or
 * the user may not log in. Main, in busy mode without the token. */
bool acl_login(struct exec_ctx *ctx, struct view name, struct view password);

/* The default user has no password. */
bool acl_default_has_no_password(void);

/* ---- what a user may do ---- */

enum acl_verdict { ACL_ALLOWED, ACL_NO_COMMAND, ACL_NO_KEY, ACL_NO_CHANNEL };

/* Whether the user may run this call, whose arity is right. If not, *pos_out is the argument that
 * the denial is about. */
enum acl_verdict acl_check(const struct acl_user *u, const struct command *cmd,
                           const struct arg *argv, int argc, int *pos_out);

/* Whether ctx may read whatever keys this command comes upon: SORT's BY and GET. */
bool acl_reads_all_keys(const struct exec_ctx *ctx);

/* Calls fn for each command of the category's bit. */
void acl_each_in_category(uint32_t category, void (*fn)(void *at, const struct command *cmd),
                          void *at);

/* ---- the log ---- */

/* Replies the newest `max` entries. */
void acl_log_reply(struct exec_ctx *ctx, size_t max);
void acl_log_reset(void);

#endif
