/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan: what a builder's run() or register() made of its operations. A reader with its
 * arguments and a list of steps, immutable from then on, shared by reference count. Executions
 * and registrations hold plans, plans hold their session.
 *
 * Steps have two faces. What RG.GETEXECUTION shows (kind, internal name, argument) is an
 * interface that tools read. What is run is the op: an operation of the builder is composed of
 * ops, and an op that needs no Python function of the user's is done natively.
 *
 * A callback is kept twice: as the pickle made when the plan was built, which is what travels
 * and is stored, and as the function loaded from it, so that it has its own copy of the globals
 * it refers to and keeps it from one execution of the plan to the next.
 *
 * Any thread; the count is atomic, nothing else changes after gplan_new's caller has filled it.
 */
#ifndef GEARS_GPLAN_H
#define GEARS_GPLAN_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/macros.h"
#include "gears/glimit.h"
#include "gears/gsession.h"

/* The words of RG.GETEXECUTION's "type". */
enum gstep_kind {
    GSTEP_NONE,
    GSTEP_MAP,
    GSTEP_FILTER,
    GSTEP_READER,
    GSTEP_GROUP,
    GSTEP_EXTRACTKEY,
    GSTEP_REPARTITION,
    GSTEP_REDUCE,
    GSTEP_COLLECT,
    GSTEP_FOREACH,
    GSTEP_FLATMAP,
    GSTEP_LIMIT,
    GSTEP_ACCUMULATE,
    GSTEP_ACCUMULATEBYKEY,
    GSTEP_KIND_COUNT
};

/* What a step does. "Python" after a comment: it calls a function of the plan's. */
enum gstep_op {
    GOP_TO_PY,             /* the reader's record becomes a Python object; done by the reader */
    GOP_MAP,               /* r = f(r), Python */
    GOP_STR,               /* r = str(r) */
    GOP_SORTED,            /* r = sorted(r, reverse=a) */
    GOP_LIST_OF,           /* r = list(r) */
    GOP_FLATMAP_FN,        /* r = f(r), Python; always before GOP_FLATMAP */
    GOP_FLATMAP,           /* a list is spread, last element first; anything else passes */
    GOP_FILTER,            /* f(r) is true, Python */
    GOP_FOREACH,           /* f(r), Python */
    GOP_LIMIT,             /* skips a records, passes b */
    GOP_ACCUMULATE,        /* acc = f(acc, r), acc None at first, Python */
    GOP_FOLD,              /* acc = f(acc or a copy of zero, r), Python */
    GOP_COUNT,             /* acc = acc + 1 */
    GOP_SUM,               /* acc = acc + r */
    GOP_APPEND,            /* acc is a list, appends r */
    GOP_EXTEND,            /* acc is a list, appends the elements of the list r */
    GOP_ADD,               /* acc is a set, adds r */
    GOP_UNION,             /* acc is a set, adds the elements of the set r */
    GOP_EXTRACT,           /* key = text of f(r), Python */
    GOP_EXTRACT_SELF,      /* key = text of r */
    GOP_EXTRACT_KEY,       /* key = r['key'] */
    GOP_REPARTITION,       /* records move to the shard of their key */
    GOP_VALUE,             /* forgets the key */
    GOP_GROUP,             /* a list of records per key */
    GOP_REDUCE,            /* value = f(key, list), Python */
    GOP_ACCUMULATE_BY_KEY, /* acc[key] = f(key, acc[key], r), Python */
    GOP_FOLD_BY_KEY,       /* as GOP_FOLD, per key, Python */
    GOP_MERGE_BY_KEY,      /* as GOP_FOLD_BY_KEY over r['value'], Python */
    GOP_COUNT_BY_KEY,      /* acc[key] = acc[key] + 1 */
    GOP_SUM_BY_KEY,        /* acc[key] = acc[key] + r['value'] */
    GOP_COLLECT,           /* records move to the shard that began the execution */
    GOP_COUNT_OF
};

struct gstep_row {
    const char *word; /* what the prelude calls the op */
    enum gstep_kind kind;
    const char *name; /* as RG.GETEXECUTION shows it */
};

/* The row of an op. */
const struct gstep_row *gstep_row(enum gstep_op op);

/* The op of a word, or GOP_COUNT_OF. */
enum gstep_op gstep_op_of(const char *word);

/* "map", "filter" … */
const char *gstep_kind_name(enum gstep_kind kind);

enum greader {
    GREADER_KEYS,
    GREADER_KEYS_ONLY,
    GREADER_PYTHON,
    GREADER_SHARDS_ID,
    GREADER_STREAM,
    GREADER_COMMAND,
    GREADER_TIME,
    GREADER_COUNT
};

/* "KeysReader" … as users write it. */
const char *greader_name(enum greader reader);

/* The reader of a name, or GREADER_COUNT. */
enum greader greader_of(const char *name);

enum gmode { GMODE_ASYNC, GMODE_ASYNC_LOCAL, GMODE_SYNC };

/* "async", "async_local", "sync". */
const char *gmode_name(enum gmode mode);

struct gstep {
    enum gstep_op op;
    char *arg_text;   /* str() of the callback, "" if none; owned */
    struct buf pickle; /* of the callback, or of (callback, zero); empty if none */
    void *callable;   /* what was loaded from the pickle; a Python reference, owned */
    int64_t a, b;
};

struct gplan {
    atomic_uint refs;
    uint64_t number; /* of its id */
    enum greader reader;
    enum gmode mode;
    char *desc; /* NULL if none; owned */
    struct gsession *session;

    char *arg; /* glob or key name, or a hook's command; owned; NULL if the reader takes none */
    size_t arg_len;
    bool native; /* results reach clients as the types of RESP3 */
    bool no_scan;
    bool read_value;
    bool old_value;       /* KeysReader: records have the value that was there before, too */
    uint64_t from_ms, from_seq; /* StreamReader's run(): entries behind this id */
    void *source;         /* PythonReader's function, KeysOnlyReader's pattern generator, or NULL;
                             a Python reference */
    struct buf source_pickle;

    struct glimits *limits; /* what session and keywords set of them; NULL: nothing. Owned */

    size_t step_count;
    struct gstep *steps;
};

/* A plan with room for `steps` steps and one reference; the caller fills it before it shares it.
 * Takes its own reference of session (may be NULL). */
struct gplan *gplan_new(enum greader reader, size_t steps, struct gsession *session);

/* Another reference of the same plan. */
struct gplan *gplan_ref(struct gplan *plan);

/* Gives a reference back. The last one frees, at once or, since Python objects need the GIL, as
 * soon as a thread that has it comes by. Any thread, with or without the GIL or the token. */
void gplan_unref(struct gplan *plan);

/* Whether one shard alone has no use for step i, so that it isn't run. */
bool gplan_left_out(const struct gplan *plan, size_t i);

/* Takes the next plan id. A builder takes one, and a registration takes another. */
uint64_t gplan_next_number(void);

#endif
