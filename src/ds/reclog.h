/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A log of records in memory: appended at one end, read by several readers, each at its own place
 * and pace. Records lie in chunks, never across two; a chunk goes when no reader needs it. With
 * no reader nothing is kept.
 *
 * Not synchronised: whoever owns the log calls. The bytes of a record that a reader has been given
 * are never changed or moved until that reader gives them back, so they may be read by another
 * thread meanwhile.
 */
#ifndef DS_RECLOG_H
#define DS_RECLOG_H

#include "base/list.h"
#include "base/view.h"

struct reclog_chunk;

/* Zero it, then reclog_init. */
struct reclog {
    struct list_node chunks, readers;
    size_t bytes;     /* of all chunks */
    uint64_t records; /* appended so far */
};

struct reclog_reader {
    struct list_node node;
    struct reclog_chunk *held; /* the first whose bytes it may still look at; NULL: none yet */
    struct reclog_chunk *at;   /* where the next record is looked for; NULL: not begun */
    size_t pos;                /* in `at` */
};

/* Makes it empty. */
void reclog_init(struct reclog *log);
/* Frees everything; there must be no readers. */
void reclog_release(struct reclog *log);

/* A reader of what is appended from now on. It must not move until reclog_leave. */
void reclog_join(struct reclog *log, struct reclog_reader *r);
/* It reads no more; what it held goes if nobody else needs it. */
void reclog_leave(struct reclog *log, struct reclog_reader *r);

/* Appends a record of len bytes and returns where they are to be written, at once. Needs at least
 * one reader. Aborts when memory is out. */
char *reclog_append(struct reclog *log, size_t len);

/* The next record of a reader, or false. The view stays valid until reclog_give_back. */
bool reclog_next(struct reclog *log, struct reclog_reader *r, struct view *out);

/* The reader needs nothing of what it has read so far. */
void reclog_give_back(struct reclog *log, struct reclog_reader *r);

#endif
