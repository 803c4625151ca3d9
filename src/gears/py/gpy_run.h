/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An execution under way, as the files see it that work on it: steps (gpy_steps.c), readers
 * (gpy_readers.c), records that wait at a step (gpy_future.c). Guard of everything: the GIL.
 *
 * A runner lives from the first record to the last, on whichever worker has it. It never waits:
 * when all that is left waits for somebody else, the worker leaves it and goes its way. So whatever
 * may be interrupted in the middle (a batch of a reader, a list that is spread, keys that are
 * emptied) keeps its place in here.
 */
#ifndef GEARS_PY_RUN_H
#define GEARS_PY_RUN_H

#include "gears/py/gpy_core.h"

/* Records that may wait at one step; at one that accumulates, one. */
#define HELD_MAX 1000

/* No step's callback is being called. */
#define NO_CELL SIZE_MAX

struct held;

/* Held records whose answer has come, in that order. */
struct held_queue {
    struct held *first, *last;
};

struct cell {
    enum gstep_op op;
    size_t step;    /* of the plan */
    PyObject *fn;   /* borrowed from the plan */
    PyObject *zero; /* borrowed from the plan */
    PyObject *acc;  /* accumulator, or dict of accumulators by key */
    int64_t a, b;
    uint64_t count; /* records seen (limit), counted (count) */
    int64_t *counts; /* count by key: the dict has indexes into it */
    size_t counts_len, counts_cap;

    unsigned held, held_max; /* records that wait here, answered ones too; 0: none may */
    struct held *waiting; /* those without an answer */
    struct held_queue answered;
    PyObject *left;     /* a list of which left_at elements are still to be passed on, or NULL */
    Py_ssize_t left_at;
    size_t left_entry;
};

/* No entry of an input. */
#define NO_ENTRY SIZE_MAX

/* Where a reader stands between two calls. */
struct reading {
    bool begun;
    const struct gread_batch *input; /* entries that came as input, or NULL: the plan's reader */
    size_t first_entry, entry_count; /* of the input */
    size_t *given_out; /* how many of them were begun, for who gave them */
    struct gread keys;
    struct gread_entries entries;
    struct gread_batch batch;
    size_t at;      /* of the batch: records passed on, or left */
    PyObject *hold; /* keeps the pattern's bytes */
    PyObject *it;   /* PythonReader's generator */
    uint64_t given; /* records, or entries of an input */
    uint64_t most;  /* how many of them may be; UINT64_MAX: any */
};

struct runner {
    struct gexec *exec;
    struct gpy_thread *me; /* who has it now */
    PyObject *owner;       /* struct gpy_owner of coroutines it began, or NULL */
    unsigned depth;
    const struct gorigin *origin; /* what led to it, while it hasn't been paused */
    bool must_end;  /* no record may wait */
    bool parked;    /* has been: it has a reference of exec */
    size_t closed;  /* cells below this index get no records any more */
    size_t dropped; /* cells below this index have forgotten what waited there */
    size_t barrier; /* cells below this index have been emptied */

    bool look;         /* something was answered, or a cell is full: stop reading */
    unsigned full;     /* cells where no further record may wait */
    size_t pending;    /* held records, and lists that are left */

    /* Of entries that came as input: which one is on its way, and where it is noted if it fails. */
    size_t entry;
    uint8_t *failed_entries; /* the input's, or NULL */
    bool on_errors;          /* they go on behind an error */

    size_t at;         /* the cell whose callback is called now */
    struct held *made; /* what the callback made with gearsFuture() */
    PyObject *orphans; /* tasks whose records were dropped, while they are; a list, or NULL */

    bool read;              /* nothing is left to read */
    struct reading *reader; /* NULL: the input was one record */
    size_t count;
    struct cell cells[];
};

static inline bool gpy__stop_wanted(const struct runner *r)
{
    return atomic_load_explicit(&r->exec->stop.wanted, memory_order_relaxed);
}

/* Whether another record should be read now. */
static inline bool gpy__reading(const struct runner *r)
{
    return r->closed == 0 && (r->exec->errors.count == 0 || r->on_errors) &&
           !gpy__stop_wanted(r) && !r->look;
}

/* Whoever has the runner counts alone. */
static inline void gpy__count(_Atomic uint64_t *n, uint64_t more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* So many records were read. */
static inline void gpy__note_read(struct runner *r, uint64_t more)
{
    const struct gexec *e = r->exec;
    if (e->step_records) gpy__count(&e->step_records[e->plan->step_count], more);
}

/* ---- gpy_steps.c ---- */

/* What became of a record at a step. */
enum fate { FATE_PASS, FATE_END, FATE_ERROR };

/* Sends a record into cell i and those behind it. */
void gpy__push(struct runner *r, size_t i, PyObject *take_record);
/* The current exception becomes an error record. */
void gpy__record_error(struct runner *r);
/* An error record of this text. */
void gpy__add_error(struct runner *r, struct view text);

/* ---- gpy_readers.c ---- */

/* A runner's reader, for the input or the plan's; NULL if the input is a single record. */
struct reading *gpy__reading_new(struct runner *r, const struct gpy_input *input);
/* Reads on until there's nothing more (r->read), or gpy__reading says no. */
void gpy__read(struct runner *r);
/* Frees a reader with what it kept; NULL is ignored. */
void gpy__reading_free(struct reading *g);

/* ---- gpy_future.c ---- */

/* A callback returned a coroutine, a future, or made a future: FATE_END: the record, and the key if
 * there is one, wait in the cell; FATE_PASS: *result is its result after all; FATE_ERROR: an
 * exception, and *result is NULL. Consumes *result unless FATE_PASS. */
enum fate gpy__hold(struct runner *r, size_t i, PyObject **result, PyObject *record, PyObject *key);

/* A held record leaves its cell: with its answer, if it has been answered. */
struct answer {
    bool failed;
    PyObject *value;  /* or the text of the failure; a reference */
    PyObject *record; /* as it came to the step, or NULL; a reference */
    PyObject *key;    /* of a step by key; a reference */
    size_t entry;     /* of the input's */
};
/* Takes the first answered one of a cell; false if there's none. */
bool gpy__held_take(struct runner *r, size_t i, struct answer *out);
/* Forgets all that are held in a cell. */
void gpy__held_drop(struct runner *r, size_t i);

extern PyTypeObject gpy__future_type;

/* The result of a callback that isn't just a value. */
static inline bool gpy__is_promise(const struct runner *r, PyObject *result)
{
    return unlikely(r->made != NULL) ||
           (result && unlikely(Py_IS_TYPE(result, &PyCoro_Type) ||
                               Py_IS_TYPE(result, &gpy__future_type)));
}

/* The owner of what this execution's steps begin; borrowed; NULL with an exception. */
PyObject *gpy__runner_owner(struct runner *r);

#endif
