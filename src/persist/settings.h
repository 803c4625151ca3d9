/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator may set about persistence. Changed on main, under the data token.
 */
#ifndef PERSIST_SETTINGS_H
#define PERSIST_SETTINGS_H

#include <stdint.h>

#include "base/view.h"

#define PERSIST_POINTS_MAX 64

/* After so many seconds with so many changes the data is saved. */
struct persist_point {
    int64_t seconds, changes;
};

struct persist_settings {
    struct persist_point points[PERSIST_POINTS_MAX]; /* save */
    size_t point_count;
    struct view filename;  /* dbfilename */
    bool compress;         /* rdbcompression */
    bool checksum;         /* rdbchecksum */
    bool skip_checksums;   /* DEBUG SET-SKIP-CHECKSUM-VALIDATION: wrong ones are taken */
    bool stop_writes;      /* stop-writes-on-bgsave-error */
    bool incremental_fsync; /* rdb-save-incremental-fsync */
    int sanitize;          /* sanitize-dump-payload */
    int key_save_delay_us; /* rdb-key-save-delay: for tests */
    int key_load_delay_us; /* key-load-delay: the same */
    int serve_interval_bytes; /* loading-process-events-interval-bytes */
};
extern struct persist_settings persist_settings;

/* For this folder: waits behind the nth key of a save or load; below 0, a microsecond for each -us
 * keys. */
void persist__delay(int us, uint64_t nth);

/* Registers the rows. */
void persist_options_register(void);

/* For this folder: from here on `save` replaces the save points, where lines of the config file
 * add to one another. */
void persist__settings_started(void);

/* For this folder, called when a setting has changed on which the refusal of writes depends
 * (persist.c). */
void persist__refusal_update(void);

#endif
