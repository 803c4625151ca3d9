/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of what a script's body and each execution may use. Each has an option, which holds for
 * all; a word behind LIMITS of RG.PYEXECUTE, which holds for what that script does; and a keyword
 * of run() and register(), which holds for that plan. The narrower one wins, also when it allows
 * more: who may send scripts may do what the server may. 0 is no limit.
 *
 *   limit          who looks                                     what happens
 *   time           the watch                                     the stop
 *   python-time    the watch, by the thread's own clock          the stop
 *   atomic-time    the watch, while an atomic block is open      the stop
 *   memory         the allocator, on the thread that runs it     MemoryError
 *   records        the reader                                    an error; nothing more is read
 *   result-bytes   who writes results and errors                 an error; nothing more is read
 *
 * The watch is a list of what has such a limit and runs, with its deadline, that the interpreter's
 * thread looks through when the first deadline comes, and every some ms while Python time is
 * limited. Nothing is on it by default.
 */
#ifndef GEARS_GLIMIT_H
#define GEARS_GLIMIT_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"
#include "gears/gmeter.h"

enum glimit {
    GLIMIT_TIME,         /* ms */
    GLIMIT_PYTHON_TIME,  /* ms */
    GLIMIT_MEMORY,       /* bytes */
    GLIMIT_RECORDS,
    GLIMIT_RESULT_BYTES, /* bytes */
    GLIMIT_ATOMIC_TIME,  /* ms */
    GLIMIT_SYNC_TIME,    /* ms; of all callbacks that a command sets off: an option only */
    GLIMIT_COUNT
};

struct glimits {
    int64_t v[GLIMIT_COUNT]; /* 0: none; in overrides GLIMIT_UNSET: not given */
};

#define GLIMIT_UNSET (-1)

/* Makes all of them unset. */
void glimits_clear(struct glimits *l);

/* Puts what `over` sets, which may be NULL, over what is in l. */
void glimits_override(struct glimits *l, const struct glimits *over);

/* The limit of a word behind LIMITS (case apart), or GLIMIT_COUNT. */
enum glimit glimit_of_word(struct view word);

/* The word and the keyword of a limit, NULL if it has none. */
const char *glimit_word(enum glimit limit);
const char *glimit_keyword(enum glimit limit);

/* Reads a limit's value: milliseconds, records, or bytes as in redis.conf ("10mb").
 * STATUS_SYNTAX: it is no such number, or above 2^63-1. */
enum status glimit_parse(enum glimit limit, struct view text, int64_t *out) MUST_CHECK;

/* Appends the sentence that says that a limit was met: "the execution ran for longer than 100 ms
 * (gears-max-time)". */
void glimit_text(enum glimit limit, int64_t value, struct buf *out);

/* ---- the watch ---- */

struct gstop;
struct gexec;
struct gwatch;

/* From begin to end the watch stops what runs under `stop` when a time of l is over, by aborting
 * `exec` if it is one, since that may be paused. NULL: there is no such limit. Any thread, without
 * other locks. */
struct gwatch *gwatch_begin(struct gstop *stop, const struct glimits *l, struct gmeter *meter,
                            struct gexec *exec);
/* As gwatch_begin, with one deadline from now. */
struct gwatch *gwatch_begin_one(struct gstop *stop, enum glimit limit, int64_t ms);
/* NULL is ignored. */
void gwatch_end(struct gwatch *take_w);

/* Stops what is over its time; returns in how many ns to call again, -1: when something new is
 * on the list (then gpy_wake is called). The interpreter's thread. */
int64_t gwatch_look(void);

#endif
