/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The metric registry, from which INFO is made. A folder declares what it counts as rows of a
 * static table and hands the table over at boot:
 *
 *     static const struct metric_row rows[] = {
 *         {METRIC_STATS, "keyspace_hits", METRIC_U64, .u64 = &stats.hits, .flags = METRIC_RESET},
 *         {METRIC_CLIENTS, "blocked_clients", METRIC_INT_FN, .int_fn = blocked},
 *     };
 *     metric_register(rows, ARRAY_COUNT(rows));
 *
 * Where a field stands within its section is not the row's business: sections list the names
 * they know in the order of stock's INFO (metric.c), others follow in order of registration.
 *
 * Values are read when INFO runs. Thread: the holder of the data token.
 */
#ifndef CONF_METRIC_H
#define CONF_METRIC_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

/* In the order of INFO. */
enum metric_section {
    METRIC_SERVER,
    METRIC_CLIENTS,
    METRIC_MEMORY,
    METRIC_PERSISTENCE,
    METRIC_STATS,
    METRIC_REPLICATION,
    METRIC_CPU,
    METRIC_MODULES,
    METRIC_COMMANDSTATS,
    METRIC_ERRORSTATS,
    METRIC_LATENCYSTATS,
    METRIC_CLUSTER,
    METRIC_KEYSPACE,
    METRIC_GEARS,
    METRIC_RG, /* the first of those of a module: in "modules" and "everything" alone */
    METRIC_RG_REGISTRATIONS,
    METRIC_RG_PLUGINS,
    METRIC_RG_PYTHON_STATS,
    METRIC_RG_PYTHON_REQUIREMENTS,
    METRIC_RG_PYTHON_SESSIONS,
    METRIC_SECTION_COUNT
};

enum metric_kind {
    METRIC_U64,     /* *u64 */
    METRIC_SIZE,    /* *size */
    METRIC_INT,     /* *i */
    METRIC_INT_FN,  /* int_fn() */
    METRIC_TEXT,    /* the text itself: constants */
    METRIC_TEXT_FN, /* text_fn appends the value */
    METRIC_LINES_FN /* text_fn appends whole lines "name:value\r\n"; the row's name isn't shown */
};

enum metric_flag {
    METRIC_RESET = 1 << 0, /* CONFIG RESETSTAT zeroes the variable */
    METRIC_HUMAN = 1 << 1  /* a second field <name>_human follows: "894.82K" */
};

struct metric_row {
    enum metric_section section;
    const char *name;
    enum metric_kind kind;
    union {
        uint64_t *u64;
        size_t *size;
        int *i;
        int64_t (*int_fn)(void);
        const char *text;
        void (*text_fn)(struct buf *out);
    };
    uint32_t flags; /* enum metric_flag */
};

/* Adds rows; they are kept, not copied. A field that is there already is a programmer's error. */
void metric_register(const struct metric_row *rows, size_t count);

/* Runs fn before INFO prints, to fill variables that rows point at: figures that come together, or
 * are dear. At most 16. */
void metric_on_print(void (*fn)(void));

/* Runs fn at CONFIG RESETSTAT, for counters that aren't plain variables. At most 16. */
void metric_on_reset(void (*fn)(void));

/* CONFIG RESETSTAT. */
void metric_reset(void);

/* Forgets all rows and hooks. */
void metric_teardown(void);

/* Which sections INFO's arguments ask for. None: the default set. */
struct metric_selection {
    bool on[METRIC_SECTION_COUNT];
};

/* Adds what one argument of INFO names: a section, "default", "all", "everything". Unknown names
 * add nothing. */
void metric_select(struct metric_selection *s, struct view name);

/* Appends the selected sections as INFO replies them. */
void metric_print(const struct metric_selection *s, struct buf *out);

/* Appends a byte count as a person reads it: "512B", "894.82K", "23.54G". */
void metric_human(uint64_t bytes, struct buf *out);

/* ---- rates ---- */

#define METRIC_RATE_SAMPLES 16

/* Growth per second of a counter, averaged over the last samples. Zero is initialised. */
struct metric_rate {
    int64_t last_ms;
    uint64_t last_total;
    uint64_t samples[METRIC_RATE_SAMPLES];
    unsigned next;
};

/* Takes a sample of the counter; about ten a second. */
void metric_rate_sample(struct metric_rate *r, uint64_t total, int64_t now_ms);

/* Per second, the mean of the samples. */
uint64_t metric_rate_get(const struct metric_rate *r);

#endif
