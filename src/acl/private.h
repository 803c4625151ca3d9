/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share. A set of rules says which commands, keys and channels are
 * allowed; a user has one of its own, and any number more (selectors), and may do what one of them
 * allows as a whole.
 */
#ifndef ACL_PRIVATE_H
#define ACL_PRIVATE_H

#include "acl/acl.h"
#include "conf/config_file.h"
#include "conf/option.h"
#include "ds/table.h"
#include "exec/command.h"
#include "exec/user.h"

/* ---- sets of commands: a bit for each row of the command table ---- */

#define ACL_COMMANDS_MAX 1024
#define ACL_WORDS        (ACL_COMMANDS_MAX / 64)

struct acl_bits {
    uint64_t words[ACL_WORDS];
};

static inline bool acl_bits_has(const struct acl_bits *b, unsigned id)
{
    return b->words[id / 64] >> (id % 64) & 1;
}

/* All rows of the table. */
const struct acl_bits *acl__all_commands(void);
/* The rows that are in a category; bit is that of enum command_acl. */
const struct acl_bits *acl__category(unsigned bit);
/* What a rule for the category changes: the rows and their subcommands. */
const struct acl_bits *acl__category_reach(unsigned bit);
/* Computes the above from the command table. At boot. */
void acl__commands_setup(void);

/* ---- patterns of keys or channels ---- */

enum acl_access { ACL_READ = 1, ACL_WRITE = 2, ACL_READ_WRITE = 3 };

struct acl_pattern {
    uint8_t access; /* enum acl_access; channels have both */
    bool is_plain;  /* matches itself alone */
    size_t len;
    char bytes[];
};

/* In the order in which they came, and by their text: plain ones are found, not compared. */
struct acl_patterns {
    struct acl_pattern **list;
    size_t count, cap, globs; /* globs: those that aren't plain */
    struct table by_text;
};

/* The pattern with exactly this text or NULL. */
const struct acl_pattern *acl__patterns_find(const struct acl_patterns *p, struct view text);
/* One of the patterns matches the text and has the access. An argument's hash is used, if it is
 * known. */
bool acl__patterns_match(const struct acl_patterns *p, struct arg text, unsigned access);

/* ---- rules ---- */

/* +cmd|word: the command is allowed with this first argument. */
struct acl_first {
    const struct command *cmd;
    char *word; /* owned */
};

struct acl_rules {
    bool all_keys, all_channels;
    bool future; /* +@all came last: commands that a module may add are allowed, too */
    struct acl_bits commands;
    struct acl_patterns keys, channels;
    struct acl_first *firsts;
    size_t first_count;
};

enum acl_error {
    ACL_FINE,
    ACL_SYNTAX,
    ACL_UNKNOWN,     /* a command or category */
    ACL_FIRST_OF_SUB,
    ACL_KEYS_IDLE,   /* a pattern behind allkeys */
    ACL_CHANNELS_IDLE,
    ACL_NO_PASSWORD, /* to be removed */
    ACL_BAD_HASH
};
/* Stock's words for it. */
const char *acl__error_text(enum acl_error e);

/* Nothing is allowed, but channels if acl-pubsub-default says so. */
void acl__rules_init(struct acl_rules *r);
/* Frees what it has. */
void acl__rules_release(struct acl_rules *r);
/* A copy of src in *out, which is not initialised. */
void acl__rules_copy(struct acl_rules *out, const struct acl_rules *src);
/* Applies one word: ~x, +@y, allkeys, … On an error nothing has changed. */
enum acl_error acl__rules_apply(struct acl_rules *r, struct view word) MUST_CHECK;
/* Everything is allowed. */
bool acl__rules_are_open(const struct acl_rules *r);

/* ---- users ---- */

#define ACL_HASH_LEN 64 /* of SHA-256 in hex */

struct acl_user {
    struct exec_user base; /* first: references free the allocation that begins here */
    bool on, nopass;
    enum { ACL_SANITIZE_UNSAID, ACL_SANITIZE, ACL_SANITIZE_SKIP } sanitize;
    char (*hashes)[ACL_HASH_LEN];
    size_t hash_count;
    struct acl_rules rules;
    struct acl_rules *selectors;
    size_t selector_count;
};

/* A user that is off and may do nothing; it's in no list. */
struct acl_user *acl__user_new(struct view name);
/* Frees what the user has, marks it as gone and gives the reference back. */
void acl__user_end(struct acl_user *u);
/* Makes u, which stays the same object, have what src has; src is left without. */
void acl__user_take(struct acl_user *u, struct acl_user *src);
/* A copy of the same name. */
struct acl_user *acl__user_copy(const struct acl_user *src);
/* Applies one word; on an error nothing has changed. */
enum acl_error acl__user_apply(struct acl_user *u, struct view word) MUST_CHECK;
/* The password opens this user. */
bool acl__user_opens(const struct acl_user *u, struct view password);
/* A name is not to have blanks or NULs. */
bool acl__name_ok(struct view name);

/* Words of rules in which the parts of a selector have become one word. */
struct acl_words {
    struct view *list; /* views into the words given, or into `joined` */
    size_t count;
    struct buf joined;
};
/* Joins "(~a", "+b)" to "(~a +b)". STATUS_SYNTAX: no end; *open_out is the word that began it. */
enum status acl__words_join(const struct view *argv, size_t argc, struct acl_words *out,
                            struct view *open_out) MUST_CHECK;
/* Frees what acl__words_join made, also when it failed. */
void acl__words_release(struct acl_words *w);

/* ---- the list of users ---- */

/* Where a name is in a list that is sorted by name, or where it would go. */
size_t acl__place_of(struct acl_user *const *list, size_t count, struct view name,
                     bool *found_out);
/* Puts a user at its place; there is none of its name. */
void acl__users_add(struct acl_user *u);
/* After a user has changed: its filter bit, its clients, the default user's login. */
void acl__users_changed(struct acl_user *u);
/* Puts other users in the place of all but the default one, which takes what `take_default` has;
 * takes the list and closes the clients of those who were there. */
void acl__users_replace(struct exec_ctx *ctx, struct acl_user **take_list, size_t count,
                        struct acl_user *take_default);
/* Closes the subscribers among the user's clients that have no right to a channel any more when
 * its rules are those of `now`. */
void acl__users_revoke(const struct exec_ctx *ctx, const struct exec_user *user,
                       const struct acl_user *now);
/* The user of this name as exec sees it, or NULL. */
struct exec_user *acl__exec_find(struct view name);
/* The user may read what is in the key, or change it. */
bool acl__exec_reads(const struct exec_user *u, struct view key);
bool acl__exec_writes(const struct exec_user *u, struct view key);
/* Frees all users. */
void acl__users_teardown(void);
/* The default user with all rights, as at start. */
struct acl_user *acl__default_new(void);
/* `default`. */
struct acl_user *acl__default_user(void);

/* ---- settings ---- */

struct acl_settings {
    struct view file, requirepass;
    int pubsub_default; /* 1: allchannels */
    int64_t log_max;
};
extern struct acl_settings acl_settings;

/* Takes the words of a `user` line; text of what is wrong with it, or nothing. Main, at start. */
enum status acl__configured_user(const struct view *argv, size_t argc, struct opt_error *err);
/* Appends the users as lines of the configuration, unless they have a file of their own. */
void acl__rewrite(struct buf *out);

/* Makes the users of the configuration, or of the file. At boot. */
enum status acl__load_at_start(void) MUST_CHECK;
/* Forgets the lines of the configuration. */
void acl__files_teardown(void);

/* ---- the log ---- */

enum acl_reason { ACL_REASON_AUTH, ACL_REASON_COMMAND, ACL_REASON_KEY, ACL_REASON_CHANNEL };

/* Notes a denial; `object` is what it is about. Any holder of the token; main in busy mode, too. */
void acl__log_add(const struct exec_ctx *ctx, enum acl_reason reason, struct view object,
                  struct view user);

#endif
