/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations that stand in a command's way.
 *
 * A hook (CommandReader, hook=) runs in the place of a command: its record is the list of the
 * command's words, its one result the reply. Of several hooks of a command the latest runs, and its
 * call_next() runs the one before, at last the command. With a key prefix it concerns calls only
 * that have such a key.
 *
 * A hold (KeysReader, commands=) lets the command run, but keeps its reply until all executions
 * have ended that its events began in this registration; one of them may say what is replied
 * instead. A command that can't wait (MULTI) is held only by what runs within it, in mode `sync`.
 *
 *   command ── handler ── events ──┬── nothing joined, or all has ended ──> reply
 *                                  └── client waits ── last one ends ──> main: reply
 *
 * Both are seen at one place, exec/hook.h. What gears programs call by execute() is hooked as
 * clients' commands are, but held by nobody.
 *
 * Under the data token, unless said otherwise.
 */
#ifndef GEARS_GHOOK_H
#define GEARS_GHOOK_H

#include "exec/exec.h"
#include "exec/tape.h"

struct greg;
struct greg_request;

/* What register() asked for. */
struct ghook_request {
    char *name; /* hook=, as written; NULL: no hook */
    size_t name_len;
    char *key_prefix; /* NULL: every call */
    size_t key_prefix_len;
    const struct command *command; /* of name */
    char **held_names;             /* commands=, as written */
    const struct command **held;
    size_t held_count;
};

/* Frees what it owns. Any thread. */
void ghook_request_release(struct ghook_request *r);

/* Finds the command of r->name, or says why it can't be hooked. */
const char *ghook_refuses_hook(struct ghook_request *r);
/* As that, for another name of commands=, which is added. `prefix` is that of the keys. */
const char *ghook_refuses_held(struct ghook_request *r, const char *name);

/* What keeps one of the requests from being registered, or NULL: the command has a hook that isn't
 * sync, which can't be the next of anybody's call_next, of another session than the two (NULL:
 * none) that are about to go, or of the same list. */
const char *ghook_refuses_list(const struct greg_request *list, const char *going,
                               const char *going_too);

/* A registration joins, or leaves. */
void ghook_add(struct greg *g);
void ghook_remove(struct greg *g);

/* ---- where call_next() goes on ---- */

struct ghook_place {
    const struct command *command; /* NULL: not in a hook */
    uint64_t below;                /* as exec_ctx.hooks_below */
    int db_id;                     /* of the command */
};

/* ---- held commands ---- */

struct ghold;

/* An execution of g that e begins joins the command that is held, if there's one which g lists:
 * its hold, or NULL. ghold_leave at the execution's end. */
struct ghold *ghold_join(const struct greg *g, const struct exec_event *e);

/* The execution has ended; the last one lets the client go on. NULL is ignored. Any thread. */
void ghold_leave(struct ghold *h);

/* Another reference, and one given back: what is borrowed of a hold lives as long. Any thread. */
struct ghold *ghold_ref(struct ghold *h);
void ghold_unref(struct ghold *h);

/* The command's words, borrowed. Any thread. */
int ghold_words(const struct ghold *h, const struct arg **argv_out);

/* Says what is to be replied instead, and takes it; false if that was said before. Any thread; what
 * comes after the last execution's end changes nothing. */
bool ghold_override(struct ghold *h, struct tape *take_reply);

/* The command that runs is one whose reply may have to wait. */
bool ghook_is_held(const struct exec_ctx *ctx);

/* Main, at boot. */
void ghook_setup(void);

#endif
