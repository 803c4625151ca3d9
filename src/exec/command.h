/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command table as the rest of the server sees it. A row says everything that is known of a
 * command: how it is called, what it may do, where its keys are, who runs it, how it is
 * documented. Rows are constant and generated from src/commands/spec/ by utils/gen-commands;
 * what changes while the server runs (statistics) lies beside them, indexed by a row's id.
 *
 * Names are looked up as they come from the wire: upper case letters are folded eight bytes at a
 * time, the hash is a multiplication, and rows keep their names as words, so that a hit costs one
 * comparison of four words and no call of strncasecmp. A perfect hash was tried on paper and
 * rejected: with a table four times the number of names nearly every name is in its first slot,
 * and the table can be searched for any set of names.
 *
 * Thread: command_setup at boot; lookups and key extraction on any thread; statistics under the
 * data token.
 */
#ifndef EXEC_COMMAND_H
#define EXEC_COMMAND_H

#include "ds/loghist.h"
#include "base/arg.h"
#include "base/buf.h"
#include "base/status.h"

struct exec_ctx;

/* What a command is and may do. The first twenty are COMMAND INFO's words, in its order. */
enum command_flag {
    COMMAND_WRITE = 1 << 0,         /* may change data */
    COMMAND_READONLY = 1 << 1,      /* reads data, changes none */
    COMMAND_DENYOOM = 1 << 2,       /* may need more memory: refused when it is out */
    COMMAND_ADMIN = 1 << 3,
    COMMAND_PUBSUB = 1 << 4,
    COMMAND_NOSCRIPT = 1 << 5,      /* refused in scripts and gears steps */
    COMMAND_BLOCKING = 1 << 6,      /* may wait */
    COMMAND_LOADING = 1 << 7,       /* allowed while the data is being loaded */
    COMMAND_STALE = 1 << 8,         /* allowed on a replica with stale data */
    COMMAND_SKIP_MONITOR = 1 << 9,
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_ASKING = 1 << 11,
    COMMAND_FAST = 1 << 12,
    COMMAND_NO_AUTH = 1 << 13,      /* allowed before AUTH */
    COMMAND_MAY_REPLICATE = 1 << 14, /* repeated elsewhere though it isn't a write; not shown */
    COMMAND_NO_MANDATORY_KEYS = 1 << 15, /* a key spec that finds nothing is no error */
    COMMAND_NO_ASYNC_LOADING = 1 << 16,
    COMMAND_NO_MULTI = 1 << 17,     /* refused inside MULTI */
    COMMAND_MOVABLEKEYS = 1 << 18,  /* first/last/step don't tell all keys */
    COMMAND_ALLOW_BUSY = 1 << 19,   /* served in busy mode */
    /* ours, shown nowhere */
    COMMAND_UNQUEUED = 1 << 24,     /* inside MULTI it runs at once: EXEC, DISCARD, ... */
    COMMAND_NO_EXECUTE = 1 << 25,   /* refused in gears' execute(): RG.* that wait */
    COMMAND_MAY_EXECUTE = 1 << 26   /* run by it, though scripts may not */
};

/* ACL categories, in ACL CAT's order; `gears` is ours. */
enum command_acl {
    COMMAND_ACL_KEYSPACE = 1 << 0,
    COMMAND_ACL_READ = 1 << 1,
    COMMAND_ACL_WRITE = 1 << 2,
    COMMAND_ACL_SET = 1 << 3,
    COMMAND_ACL_SORTEDSET = 1 << 4,
    COMMAND_ACL_LIST = 1 << 5,
    COMMAND_ACL_HASH = 1 << 6,
    COMMAND_ACL_STRING = 1 << 7,
    COMMAND_ACL_BITMAP = 1 << 8,
    COMMAND_ACL_HYPERLOGLOG = 1 << 9,
    COMMAND_ACL_GEO = 1 << 10,
    COMMAND_ACL_STREAM = 1 << 11,
    COMMAND_ACL_PUBSUB = 1 << 12,
    COMMAND_ACL_ADMIN = 1 << 13,
    COMMAND_ACL_FAST = 1 << 14,
    COMMAND_ACL_SLOW = 1 << 15,
    COMMAND_ACL_BLOCKING = 1 << 16,
    COMMAND_ACL_DANGEROUS = 1 << 17,
    COMMAND_ACL_CONNECTION = 1 << 18,
    COMMAND_ACL_TRANSACTION = 1 << 19,
    COMMAND_ACL_SCRIPTING = 1 << 20,
    COMMAND_ACL_GEARS = 1 << 21
};

/* What a command does with a key: how with the key as a whole (one of the first four), and what
 * with the data in it. COMMAND INFO's words, in its order. */
enum command_key_flag {
    COMMAND_KEY_RO = 1 << 0,
    COMMAND_KEY_RW = 1 << 1,
    COMMAND_KEY_OW = 1 << 2,
    COMMAND_KEY_RM = 1 << 3,
    COMMAND_KEY_ACCESS = 1 << 4, /* the user's data is returned, copied or used */
    COMMAND_KEY_UPDATE = 1 << 5,
    COMMAND_KEY_INSERT = 1 << 6,
    COMMAND_KEY_DELETE = 1 << 7,
    COMMAND_KEY_NOT_KEY = 1 << 8, /* routed like a key, but none */
    COMMAND_KEY_INCOMPLETE = 1 << 9,
    COMMAND_KEY_VARIABLE_FLAGS = 1 << 10 /* the arguments decide; see command_variable_flags */
};

enum command_begin { COMMAND_BEGIN_UNKNOWN, COMMAND_BEGIN_INDEX, COMMAND_BEGIN_KEYWORD };
enum command_find { COMMAND_FIND_UNKNOWN, COMMAND_FIND_RANGE, COMMAND_FIND_KEYNUM };

/*
 * Where some of a command's keys are (https://redis.io/docs/latest/develop/reference/key-specs).
 * `begin` gives the first position: `index`, or the one behind `keyword`, searched from
 * `start_from` (negative: from the end backwards). From there `find` counts:
 *   range   every key_step-th up to last_key (negative: from the end; limit n > 1 with -1: only
 *           the first n-th part of the rest)
 *   keynum  the number of keys is at keynum_index, the first of them at first_key
 */
struct command_key_spec {
    const char *notes; /* or NULL */
    uint32_t flags;    /* enum command_key_flag */
    uint8_t begin;     /* enum command_begin */
    uint8_t find;      /* enum command_find */
    int16_t index;
    const char *keyword;
    int16_t start_from;
    int16_t last_key, key_step, limit;
    int16_t keynum_index, first_key;
};

/* A word and how many arguments belong to it. */
struct command_word {
    const char *word;
    int args;
};

/* Keys whose flags depend on the arguments from `from` on: `with` applies if the word `token` is
 * among them; or, with `only` instead of a token, if anything is among them but complete groups of
 * these words (up to a NULL) with their arguments. */
struct command_variable_flags {
    const char *token;
    const struct command_word *only;
    int from;
    uint32_t with, without;
};

/* Keys behind an option, where a key spec can't say it: what stands behind the last `word` from
 * `from` on, when the words in `skip` (up to a NULL) go with their arguments. `instead`: all that
 * stands behind the first `word`, in place of the first spec's key, which is an empty word then. */
struct command_option_keys {
    const char *word;
    const struct command_word *skip;
    int from;
    unsigned spec; /* the key spec that this stands for */
    bool instead;
};

enum command_arg_type {
    COMMAND_ARG_STRING,
    COMMAND_ARG_INTEGER,
    COMMAND_ARG_DOUBLE,
    COMMAND_ARG_KEY,
    COMMAND_ARG_PATTERN,
    COMMAND_ARG_UNIX_TIME,
    COMMAND_ARG_PURE_TOKEN,
    COMMAND_ARG_ONEOF,
    COMMAND_ARG_BLOCK
};

enum command_arg_flag {
    COMMAND_ARG_OPTIONAL = 1 << 0,
    COMMAND_ARG_MULTIPLE = 1 << 1,
    COMMAND_ARG_MULTIPLE_TOKEN = 1 << 2
};

/* An argument as COMMAND DOCS shows it. Strings that don't apply are NULL. */
struct command_arg {
    const char *name;
    const char *token, *since, *deprecated_since;
    const struct command_arg *args; /* of oneof and block */
    uint16_t arg_count;
    uint8_t type;     /* enum command_arg_type */
    uint8_t flags;    /* enum command_arg_flag */
    int16_t key_spec; /* index of the key spec, or -1 */
};

struct command_history {
    const char *version, *text;
};

enum command_doc_flag { COMMAND_DOC_DEPRECATED = 1 << 0, COMMAND_DOC_SYSCMD = 1 << 1 };

/* What COMMAND DOCS shows, and the shapes of replies (src/commands/spec/README.md). */
struct command_docs {
    const char *summary, *complexity, *since, *group;
    const char *deprecated_since, *replaced_by; /* or NULL */
    const struct command_history *history;
    const char *const *tips;
    const struct command_arg *args;
    const char *reply_resp2, *reply_resp3; /* NULL for a container without a handler */
    uint16_t history_count, tip_count, arg_count;
    uint16_t flags; /* enum command_doc_flag */
};

/* A name in lower case, as little-endian words, padded with zeros. */
struct command_name {
    uint64_t words[4];
};
#define COMMAND_NAME_MAX 32

/* A row. The first cache line is what running a command needs. */
struct command {
    _Alignas(64) struct command_name name_words; /* of `name` */
    uint8_t name_len;
    uint8_t key_spec_count;
    int16_t arity;       /* words in a call, the name's included; -n: at least n */
    uint16_t id;         /* the row's place in the table */
    uint16_t sub_count;  /* above 0: a container */
    uint32_t flags;      /* enum command_flag */
    int16_t first_key, last_key, key_step; /* 0, 0, 0: no keys at fixed places */
    uint16_t fullname_len;
    enum status (*handler)(struct exec_ctx *ctx); /* NULL: only its subcommands can be run */
    const struct command_key_spec *key_specs;

    const struct command_variable_flags *variable_flags; /* or NULL */
    const struct command_option_keys *option_keys;       /* or NULL */
    const char *name;     /* lower case, without the container's: "list" */
    const char *fullname; /* "client|list" */
    const struct command *parent; /* the container, or NULL */
    const struct command *subs;   /* sub_count rows, sorted by name */
    const struct command_docs *docs;
    uint32_t acl_categories; /* enum command_acl */
};

/* The generated table. */
struct command_table {
    const struct command *rows; /* commands sorted by name, then all subcommands */
    unsigned count;             /* rows */
    unsigned top_count;         /* rows that aren't subcommands */
    const uint16_t *index;      /* 2^index_bits slots: 0, or 1 + the row's id */
    unsigned index_bits;
    uint64_t multiplier;
};

struct command_stats {
    uint64_t calls;
    uint64_t total_ns;
    uint64_t rejected; /* refused before the handler ran */
    uint64_t failed;   /* the handler replied an error */
    struct loghist times; /* of the handler, in nanoseconds; exec/latency.h */
};

/* Makes `table` the one that is asked, with all statistics at zero. Borrowed until the end of the
 * process or the next setup. */
void command_setup(const struct command_table *table);

/* Frees what command_setup made. */
void command_teardown(void);

/* Finds a command by its name in any case, or NULL. O(1), without an allocation unless it has been
 * renamed or nothing has that name. Subcommands have no entry here: "client|list" is unknown, as in
 * stock. */
const struct command *command_lookup(const char *name, size_t len);

/* Finds a subcommand of `parent`, or NULL. O(number of subcommands). */
const struct command *command_lookup_sub(const struct command *parent, const char *name,
                                         size_t len);

/* Finds "get" or "client|list" in any case, or NULL: the names that COMMAND INFO takes. */
const struct command *command_lookup_full(const char *name, size_t len);

/* As command_lookup_full by the names in the rows, whatever the commands are called now: users'
 * rules mean these. */
const struct command *command_row_named(const char *name, size_t len);

/*
 * Gives a command another name, or none if `to` is empty: nobody can call it then. Names are in any
 * case, and may have any bytes. What the row says (name, fullname) stays. At start, before
 * anything is looked up. STATUS_NOT_FOUND: nothing is called `from`; STATUS_EXISTS: something is
 * called `to`, and the command has lost its name.
 */
enum status command_rename(struct view from, struct view to) MUST_CHECK;

/* Whether a command, or the container of a subcommand, can be called. */
bool command_has_name(const struct command *cmd);

/*
 * Finds what argv asks for; argc >= 1. The row of a container comes out when it stands alone (its
 * arity, or its handler, decides then). STATUS_NOT_FOUND: *cmd_out is NULL for an unknown
 * command, the container for an unknown subcommand.
 */
enum status command_resolve(const struct arg *argv, int argc,
                            const struct command **cmd_out) MUST_CHECK;

/* Whether a call of argc words has the right length. */
static inline bool command_arity_ok(const struct command *cmd, int argc)
{
    return cmd->arity > 0 ? argc == cmd->arity : argc >= -cmd->arity;
}

/* Appends stock's error text (with its code word, without '-') for a call that command_resolve
 * didn't find. CR and LF are kept: whoever replies turns them into spaces. */
void command_unknown_text(const struct command *container, const struct arg *argv, int argc,
                          struct buf *out);

/* Rows in the order of the table: 0 <= id < command_count(); the first command_top_count() are
 * commands, the rest subcommands. */
unsigned command_count(void);
unsigned command_top_count(void);
const struct command *command_by_id(unsigned id);

/* The words of a flag mask, one for each bit from the lowest: "write", "readonly", ... NULL for a
 * bit that isn't shown. bit < 32. */
const char *command_flag_name(unsigned bit);
/* As COMMAND INFO's key flags: "RO", ... */
const char *command_key_flag_name(unsigned bit);
/* Without the '@'. */
const char *command_acl_name(unsigned bit);
/* The bit of a category's name in any case, or 0. */
uint32_t command_acl_by_name(struct view name);

/* ---- keys ---- */

struct command_key {
    int pos;        /* in argv */
    uint32_t flags; /* enum command_key_flag, variable flags resolved */
};

#define COMMAND_KEYS_INLINE 16

/* A result of command_keys: zero is initialised. */
struct command_keys {
    struct command_key *keys; /* points to inline_keys or to owned memory; NULL before first use */
    int count, cap;
    struct command_key inline_keys[COMMAND_KEYS_INLINE];
};

/* Frees what command_keys allocated and leaves an initialised struct. */
void command_keys_release(struct command_keys *keys);

/*
 * Finds the keys of a call whose arity is right, in the order of the key specs. *out is emptied
 * first and may be used again. Every position is below argc, whatever the arguments say.
 * STATUS_SYNTAX: the arguments don't fit the specs, or name no key though the
 * row has keys and lacks COMMAND_NO_MANDATORY_KEYS ("Invalid arguments specified for command").
 */
enum status command_keys(const struct command *cmd, const struct arg *argv, int argc,
                         struct command_keys *out) MUST_CHECK;

/* Whether a call may have keys at all, as the row says. */
bool command_has_keys(const struct command *cmd);

/* ---- statistics ---- */

/* The counters of a row. Under the data token. */
struct command_stats *command_stats_of(const struct command *cmd);

/* Sets all counters to zero. */
void command_stats_reset(void);

/* Others worked for a command while its client waited. Any thread. */
void command_work(const struct command *cmd, uint64_t ns);

/* How long all calls of a command ran, that work included. Under the data token. */
uint64_t command_time_ns(const struct command *cmd);

#endif
