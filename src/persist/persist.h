/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data on disk: saving on the spot and in the background, save points, loading. What a save is
 * and how its file looks is rdb_save.h's and rdb_load.h's.
 *
 *   idle --persist_background--> child runs --its end is seen by the timer--> idle
 *
 * Thread: the holder of the data token; setup, load and the timer are main's.
 */
#ifndef PERSIST_PERSIST_H
#define PERSIST_PERSIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct rdb_progress;

/* Sets up metrics, the admission filter and the timer. After the loop and exec; before txn, so
 * that a refused write spoils its MULTI. */
void persist_setup(void);

/* Called in a child, first thing. Once, at boot. */
void persist_on_fork(void (*fn)(void));

/* Ends a child. */
void persist_teardown(void);

/* Loads the file at start, if there is one; clients are served meanwhile. STATUS_ERR: the log says
 * why. STATUS_OK is also said when an end of the server came in between. */
enum status persist_load_at_start(void) MUST_CHECK;

/* Saves now; a child that saves too is ended first. STATUS_IO: the log says why. */
enum status persist_save(void) MUST_CHECK;

/* Starts a child that saves. STATUS_EXISTS: there is one; STATUS_IO: the log says why. */
enum status persist_background(void) MUST_CHECK;

/* Starts one as soon as the turn's work is done. */
void persist_background_soon(void);

/* Ends a child that saves, if there is one, without waiting for its work. Main. */
void persist_end_child(void);

/* Whether a child is saving. */
bool persist_is_saving(void);

/* Whether there are save points: whether the data is to be kept at an end. */
bool persist_wanted(void);

/* Unix time of the last successful save, in seconds; of the start, at first. */
int64_t persist_last_save_s(void);

/* After all databases were emptied by a user: with save points an empty file is saved. Returns
 * whether it was. */
bool persist_flushed(void);

/* DEBUG RELOAD: empties the databases (unless `keep`) and loads the file again. */
enum status persist_reload(bool keep, bool merge) MUST_CHECK;

/* For this folder: called now and then by whoever writes; a child notes its memory. */
void persist__save_tick(struct rdb_progress *progress);

#endif
