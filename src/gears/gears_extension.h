/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extensions of gears: readers, functions and languages that are written in C. This header is all
 * that an extension includes; it needs nothing else of the server's.
 *
 * An extension is a shared object. A line of the configuration
 *
 *     gears-extension /path/to/mine.so word word
 *
 * has the server load it at its start and call its gears_extension_init, which adds what it has:
 *
 *   a reader    GB('Mine').map(...).run('argument')
 *   a function  GB(...).map(native('shout'))         from redisgears import native
 *               GB(...).filter(native('longer', 7))  with an argument of its own
 *   a language  RG.EXECUTE mine "text"               which builds pipelines out of these
 *
 * A function stands wherever a callback may stand in a pipeline, and travels as its name and
 * argument: each server that runs it must have loaded the extension.
 */
#ifndef GEARS_EXTENSION_H
#define GEARS_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when gears_api gets members, which are added at its end. */
#define GEARS_API_VERSION 1

/*
 * Values. What passes through a pipeline is a gears_value: nothing, a truth, an integer, a number,
 * a text (bytes; UTF-8 shows as str, anything else as bytearray), a list, or a dictionary from
 * texts to values. A function that makes a value gives its reference to the caller, who drops it or
 * passes it on where a parameter is called take_...; other parameters are borrowed, as are values
 * and bytes that are looked up inside of others, for as long as those live and don't change. Lists
 * and dictionaries that came as arguments may be known to others: copy before you change them.
 *
 * Failing. Where NULL or false is returned, a reason has been noted (by `fail`, or by the function
 * of the api that failed), and the caller returns NULL or false in its turn. The reason is an error
 * of the record; the text is what clients see.
 *
 * Threads. Everything but gears_extension_init is called on threads of the server's, with Python's
 * lock held, so one call at a time; the api is only to be called from within such calls. A call
 * that takes long asks `stopping` now and then and fails when it says so; work that touches no
 * value may be done in `without_lock`.
 */
struct gears_value;

enum gears_kind {
    GEARS_NONE,
    GEARS_BOOL,
    GEARS_INTEGER,
    GEARS_NUMBER,
    GEARS_TEXT,
    GEARS_LIST,
    GEARS_DICT,
    GEARS_OTHER /* any other object of Python's: passed on, or called */
};

enum gears_level { GEARS_DEBUG, GEARS_VERBOSE, GEARS_NOTICE, GEARS_WARNING };

/* Gives records. One run of a pipeline calls open, next until it returns NULL, and close. */
struct gears_reader {
    const char *name;
    /* `argument` is that of run(), ended by a NUL that `len` doesn't count. Returns the state of
     * this run, which may not be NULL; NULL: failed. */
    void *(*open)(const char *argument, size_t len);
    /* The next record. NULL: the end, or, after a `fail`, the end with an error. */
    struct gears_value *(*next)(void *state);
    void (*close)(void *state);
};

/* A callback of a pipeline, or whatever else is called. */
struct gears_function {
    const char *name;
    /* `bound`: the argument it was made with, NULL if with none. The others are those of the
     * step: (record), (accumulator, record), (key, accumulator, record) … Borrowed. Returns a new
     * value, NULL: failed. */
    struct gears_value *(*call)(const struct gears_value *bound, int argc,
                                struct gears_value *const *argv);
};

/* Runs texts of RG.EXECUTE. */
struct gears_language {
    const char *name;
    /* Builds what the text says, and ends with a call of run or register, or of neither. The text
     * is ended by a NUL that `len` doesn't count. False: failed. */
    bool (*run)(const char *text, size_t len);
};

struct gears_api {
    uint32_t version; /* GEARS_API_VERSION of the server */

    /* In gears_extension_init only. The structs must stay; names are not taken twice. False: the
     * name is taken or empty. */
    bool (*add_reader)(const struct gears_reader *reader);
    bool (*add_function)(const struct gears_function *function);
    bool (*add_language)(const struct gears_language *language);

    /* A line of the log. At any time, on any thread. */
    void (*log)(enum gears_level level, const char *text);

    /* Notes why. */
    void (*fail)(const char *why);
    /* Somebody aborts what runs here: return soon, it fails by itself. */
    bool (*stopping)(void);
    /* Calls fn(ctx), in which no value and nothing of this api may be used. */
    void (*without_lock)(void (*fn)(void *ctx), void *ctx);

    /* New values; NULL: failed, out of memory. */
    struct gears_value *(*none)(void);
    struct gears_value *(*truth)(bool yes);
    struct gears_value *(*integer)(int64_t n);
    struct gears_value *(*number)(double n);
    struct gears_value *(*text)(const char *bytes, size_t len);
    struct gears_value *(*list)(void);
    struct gears_value *(*dict)(void);
    /* Another reference of the same value, and one given back (NULL: nothing). */
    struct gears_value *(*keep)(const struct gears_value *value);
    void (*drop)(struct gears_value *take_value);

    /* Into a list or dictionary. take_item NULL: the failure that made it so is passed on. */
    bool (*append)(struct gears_value *list, struct gears_value *take_item);
    bool (*set)(struct gears_value *dict, const char *key, size_t key_len,
                struct gears_value *take_item);

    /* Out of values. Those that return a truth say whether the value is of that kind (and, for
     * an integer, fits); they note no reason. */
    enum gears_kind (*kind)(const struct gears_value *value);
    bool (*as_integer)(const struct gears_value *value, int64_t *out); /* truths, too */
    bool (*as_number)(const struct gears_value *value, double *out);   /* integers, too */
    bool (*as_text)(const struct gears_value *value, const char **bytes_out, size_t *len_out);
    size_t (*length)(const struct gears_value *value); /* of a list or dictionary; else 0 */
    struct gears_value *(*item)(const struct gears_value *list, size_t i); /* borrowed */
    struct gears_value *(*lookup)(const struct gears_value *dict, const char *key,
                                  size_t len); /* borrowed */

    /* Runs a command in database 0, as execute() does. The reply, NULL: failed; an error reply is
     * a failure. */
    struct gears_value *(*execute)(int argc, const char *const *argv, const size_t *lens);

    /* For languages. A pipeline; an operation on it, by its name in Python, with a list of
     * arguments and a dictionary of named ones, either NULL: none; and a function to give it,
     * `bound` NULL (nothing), a text, an integer or a number. */
    struct gears_value *(*builder)(const char *reader);
    struct gears_value *(*call)(struct gears_value *object, const char *method,
                                const struct gears_value *args, const struct gears_value *named);
    struct gears_value *(*native)(const char *function, const struct gears_value *bound);
};

/* The one symbol that an extension has. argv: the words behind its path. Called once, at the start
 * of the server, before there is any data. 0: loaded; anything else stops the server. */
int gears_extension_init(const struct gears_api *api, int argc, const char *const *argv);

#ifdef __cplusplus
}
#endif

#endif
