/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The option registry. A folder that has options declares them as rows of a static table and
 * hands the table over at boot; the command line, the config file, CONFIG GET and SET, and the
 * generated redis.conf all work from the rows. An option is added by a row, and nothing else
 * knows the list.
 *
 * A row points at a variable in its folder's own settings struct: reading a setting is reading
 * that variable. What doesn't fit a variable (lists, values computed elsewhere) has get and set
 * functions that speak text. Text is also how a failed CONFIG SET is undone: every row can say
 * its value as text and take it back.
 *
 *     static const struct opt_row rows[] = {
 *         {.name = "timeout", .kind = OPT_INT, .var.i = &settings.timeout_s, .dflt = "0",
 *          .max = INT_MAX, .section = OPT_SECTION_NETWORK,
 *          .doc = "Close a connection after it was idle for N seconds (0: never)."},
 *     };
 *     opt_register(rows, ARRAY_COUNT(rows));
 *
 * Thread: main. Variables change inside opt_set_many, under the data token.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

enum opt_kind {
    OPT_BOOL,    /* bool: yes or no */
    OPT_INT,     /* int, within [min, max] */
    OPT_I64,     /* int64_t, within [min, max] */
    OPT_SIZE,    /* size_t, a plain number within [min, max] */
    OPT_MEMORY,  /* size_t, bytes with an optional unit, within [min, max] */
    OPT_OCTAL,   /* int, written in octal: file modes */
    OPT_ENUM,    /* int, one of the names in `names` */
    OPT_STRING,  /* struct view: bytes that the registry owns, NUL behind them, never NULL */
    OPT_SPECIAL  /* get and set */
};

enum opt_flag {
    OPT_IMMUTABLE = 1 << 0, /* set at start only; CONFIG SET refuses */
    OPT_MULTI = 1 << 1,     /* takes several words on a line of the file */
    OPT_HIDDEN = 1 << 2,    /* CONFIG GET needs the exact name, redis.conf omits it */
    OPT_SENSITIVE = 1 << 3, /* never logged */
    OPT_UNCHECKED = 1 << 4, /* apply runs even if the value didn't change */
    OPT_UNPRINTED = 1 << 6, /* redis.conf omits it */
    OPT_PROTECTED = 1 << 5  /* CONFIG SET refuses unless opt_protected_allow said otherwise */
};

/* The chapters of redis.conf, in their order. */
enum opt_section {
    OPT_SECTION_NETWORK,
    OPT_SECTION_TLS,
    OPT_SECTION_GENERAL,
    OPT_SECTION_PERSISTENCE,
    OPT_SECTION_SECURITY,
    OPT_SECTION_CLIENTS,
    OPT_SECTION_MEMORY,
    OPT_SECTION_LAZYFREE,
    OPT_SECTION_SCRIPTS,
    OPT_SECTION_OBSERVE,
    OPT_SECTION_GEARS,
    OPT_SECTION_ENCODING,
    OPT_SECTION_COUNT
};

/* One name of an OPT_ENUM; a NULL name ends the list. */
struct opt_name {
    const char *name;
    int value;
};

/* Why a value was refused. */
struct opt_error {
    char text[256];
};

struct opt_row;

/* Appends the current value as CONFIG GET shows it. */
typedef void opt_get_fn(const struct opt_row *row, struct buf *out);

/* Takes the value's words (one without OPT_MULTI; bytes borrowed, a NUL behind each). On
 * STATUS_ERR nothing has changed and err says why. */
typedef enum status opt_set_fn(const struct opt_row *row, const struct view *argv, size_t argc,
                               struct opt_error *err);

/* Puts changed values into effect: once per CONFIG SET, after all its variables have changed,
 * however many rows name the same function. On STATUS_ERR the old values are written back and
 * every function that had run runs again. Not called at start: set-up code reads the variables. */
typedef enum status opt_apply_fn(struct opt_error *err);

struct opt_row {
    const char *name;
    const char *alias; /* an older name, or NULL */
    enum opt_kind kind;
    uint32_t flags; /* enum opt_flag */
    union {
        bool *b;
        int *i;
        int64_t *i64;
        size_t *size;
        struct view *text;
    } var;            /* unused by OPT_SPECIAL */
    const char *dflt; /* as text in the words of the config file; NULL: the empty string */
    int64_t min, max; /* of numbers */
    const struct opt_name *names;
    opt_get_fn *get; /* OPT_SPECIAL */
    opt_set_fn *set; /* OPT_SPECIAL */
    /* May refuse a string or number that the kind itself allows; NULL: nothing is refused. */
    enum status (*check)(const struct opt_row *row, struct view value, struct opt_error *err);
    opt_apply_fn *apply; /* or NULL */
    enum opt_section section;
    const char *doc; /* for redis.conf; lines are broken by the printer, '\n' parts paragraphs */
};

/* Formats a reason into *err; returns STATUS_ERR. */
enum status opt_fail(struct opt_error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- registry ---- */

/* Adds rows and writes their defaults into the variables. The rows are kept, not copied. A name
 * that is taken, or a default that its own row refuses, is a programmer's error. */
void opt_register(const struct opt_row *rows, size_t count);

/* Frees all strings (variables become empty) and forgets all rows. */
void opt_teardown(void);

/* How many rows there are. */
size_t opt_count(void);

/* In order of registration; index < opt_count(). */
const struct opt_row *opt_at(size_t index);

/* By name or alias, case apart; NULL: none. */
const struct opt_row *opt_find(struct view name);

/* Appends the row's value as CONFIG GET shows it. */
void opt_value(const struct opt_row *row, struct buf *out);

/* Whether it has the value that it was registered with. */
bool opt_is_default(const struct opt_row *row);

/* Whether CONFIG SET may change OPT_PROTECTED options: no, at first. It depends on who asks
 * (enable-protected-configs yes, no, local), so the command sets it before each opt_set_many. */
void opt_protected_allow(bool allow);

/* Sets one option at start, immutable ones too, without apply. argc may be 0. On STATUS_ERR
 * nothing has changed. */
enum status opt_set_words(const struct opt_row *row, const struct view *argv, size_t argc,
                          struct opt_error *err) MUST_CHECK;

/* One name and value of CONFIG SET. */
struct opt_pair {
    struct view name, value;
};

/* Why opt_set_many failed. */
struct opt_failure {
    enum { OPT_UNKNOWN, OPT_REFUSED } why;
    struct view name; /* of the pair at fault, as given */
    struct opt_error error;
};

/* CONFIG SET: all pairs take effect or none. On STATUS_ERR *failure says why. */
enum status opt_set_many(const struct opt_pair *pairs, size_t count,
                         struct opt_failure *failure) MUST_CHECK;

/* Appends a config file of every visible option with its default and its documentation
 * (option_print.c). */
void opt_print_file(struct buf *out);

#endif
