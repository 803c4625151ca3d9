/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requirements: packages that sessions ask for, in a virtual environment of the server's own.
 *
 *   ROOT/.gears-packages    says that the folder is ours, and is locked while a server uses it
 *   ROOT/env                the virtual environment, made anew by each server that needs it
 *   ROOT/wheels/<name>      the wheels of one requirement
 *   ROOT/tmp                pip's
 *
 * A requirement is its literal text ("redis==3"). It is fetched and installed by one thread, the
 * installer, in the order in which it is asked; scripts wait there before a worker gets them, so
 * nobody else does. All packages share one interpreter, so there is one version of each: what a
 * session uses isn't replaced by another version unless somebody forces that.
 *
 * A requirement stays when its sessions have gone, and serves the next one at once; it goes when
 * another version takes its place, or with the session that an upgrade replaced.
 *
 * The dictionary is guarded by a mutex, a leaf. What is installed is the installer's alone.
 */
#ifndef GEARS_GREQ_H
#define GEARS_GREQ_H

#include "base/buf.h"
#include "base/view.h"
#include "exec/tape.h"

struct greq;
struct gscript;
struct gsession;

/* The settings. Only main changes them, at the start. */
struct greq_settings {
    bool enabled, system_packages, sources;
    struct view root;
    int64_t max_time_s;
    size_t max_bytes; /* of ROOT; 0: any */
};
extern struct greq_settings greq_settings;

/* Registers their options. Main, at boot. */
void greq_register(void);

/* The words behind REQUIREMENTS, copied, with an owner. */
struct greq_wish {
    size_t count;
    char **names;
    bool force; /* fetched and installed even if they are */
};
/* Frees what it owns. */
void greq_wish_free(struct greq_wish *wish);

/* Why a word can't be a requirement: a static text; NULL: it can. Main. */
const char *greq_refusal(struct view name);

/* Gives the script's session what it wishes for, then has a worker run the script; if that fails,
 * a worker gets it with script->unsatisfied filled. Main. */
void greq_submit(struct gscript *script);

/* Gives a session's references back; `replaced`: those that nobody else has go from the disk, too.
 * Any thread. */
void greq_release(struct greq **list, size_t count, bool replaced);

/* Answers RG.PYEXPORTREQ and RG.PYIMPORTREQ, by and by: the client is blocked. Main; the bytes of
 * the container are taken. */
void greq_export(uint64_t client_id, struct view name);
void greq_import(uint64_t client_id, struct buf *take_container);

/* Appends what RG.PYDUMPREQS shows of each requirement; how many. Any thread. */
size_t greq_dump(struct tape *out);
/* Of one: its 18 elements, or its name alone. */
void greq_dump_one(const struct greq *r, bool verbose, struct tape *out);
/* As the list of a session's registration has it: {'name':'…', 'basePath':'…', 'wheels':[…]}. */
void greq_describe(const struct greq *r, struct buf *out);

/* Where packages are, appended; false: there are none yet. Any thread. */
bool greq_path(struct buf *out);
/* Takes the names of modules that were replaced since the last call, one a line; appended. */
void greq_take_forgotten(struct buf *out);

#endif
